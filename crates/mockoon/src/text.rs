//! Texts of an environment that may be templates, compiled when they are first rendered: most of a large environment is
//! never asked for.

use std::sync::{Arc, OnceLock};

use standin_template::{Scope, Template};

/// A text, ready to be rendered.
#[derive(Debug)]
pub enum Text {
    /// Without any template.
    Plain(Arc<str>),
    Template(Box<Source>),
}

/// A template; the message of one that cannot be parsed is for whoever renders it.
#[derive(Debug)]
pub struct Source {
    text: Arc<str>,
    compiled: OnceLock<Result<Template, String>>,
}

impl Text {
    pub fn new(source: &str) -> Self {
        Self::shared(Arc::from(source))
    }

    pub fn shared(text: Arc<str>) -> Self {
        if !text.contains("{{") {
            return Self::Plain(text);
        }
        Self::Template(Box::new(Source { text, compiled: OnceLock::new() }))
    }

    pub fn plain(&self) -> Option<&Arc<str>> {
        match self {
            Self::Plain(text) => Some(text),
            Self::Template(_) => None,
        }
    }

    /// The text, or the message that a client sees instead.
    ///
    /// # Errors
    /// When the template is none or a helper fails.
    pub fn render(&self, scope: &mut Scope<'_>) -> Result<Arc<str>, String> {
        match self {
            Self::Plain(text) => Ok(Arc::clone(text)),
            Self::Template(source) => {
                let compile = || Template::parse(&source.text).map_err(|error| error.to_string());
                let template = source.compiled.get_or_init(compile).as_ref().map_err(Clone::clone)?;
                template.render(scope).map(Arc::from).map_err(|error| error.to_string())
            }
        }
    }
}
