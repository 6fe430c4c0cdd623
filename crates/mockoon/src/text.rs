//! Texts of an environment that may be templates, compiled once.

use std::sync::Arc;

use standin_template::{Scope, Template};

/// A text, ready to be rendered.
#[derive(Debug)]
pub enum Text {
    /// Without any template.
    Plain(Arc<str>),
    Template(Box<Template>),
    /// A template that cannot be parsed: whoever renders it is told why.
    Broken(String),
}

impl Text {
    pub fn new(source: &str) -> Self {
        if !source.contains("{{") {
            return Self::Plain(Arc::from(source));
        }
        match Template::parse(source) {
            Ok(template) => Self::Template(Box::new(template)),
            Err(error) => Self::Broken(error.to_string()),
        }
    }

    pub fn plain(&self) -> Option<&Arc<str>> {
        match self {
            Self::Plain(text) => Some(text),
            _ => None,
        }
    }

    /// The text, or the message that a client sees instead.
    ///
    /// # Errors
    /// When the template is none or a helper fails.
    pub fn render(&self, scope: &mut Scope<'_>) -> Result<Arc<str>, String> {
        match self {
            Self::Plain(text) => Ok(Arc::clone(text)),
            Self::Template(template) => template.render(scope).map(Arc::from).map_err(|error| error.to_string()),
            Self::Broken(message) => Err(message.clone()),
        }
    }
}
