//! Handlebars as Mockoon has it.
//!
//! A text is read once, and rendered as often as wanted, within limits that keep a template from taking the process down:
//!
//! ```
//! use standin_core::Clock;
//! use standin_template::{Random, Scope, Template, Value};
//!
//! let template = Template::parse("{{#each users as |user|}}{{user.name}};{{/each}}")?;
//! let (clock, random) = (Clock::real(), Random::unseeded());
//! let context = Value::from_json_text(r#"{"users": [{"name": "Ann"}, {"name": "Bob"}]}"#).unwrap_or_default();
//! let mut scope = Scope::new(&clock, &random).with_context(context);
//! assert_eq!(template.render(&mut scope)?, "Ann;Bob;");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Values have the semantics of JavaScript where these show in the output: what is undefined is not null, numbers print
//! as they do there, objects keep the order of their members, and texts count in UTF-16 units.

mod ast;
mod date;
mod error;
mod faker;
mod helpers;
mod jinja;
mod lexer;
mod number;
mod parser;
mod print;
mod query;
mod random;
mod render;
mod scope;
mod value;
mod whitespace;

pub use error::{RenderError, TemplateError};
pub use helpers::path::names as path_names;
pub use jinja::Jinja;
pub use random::Random;
pub use scope::{Data, Limits, Request, Scope};
pub use value::{List, Object, Value};

/// A text that was read and can be rendered.
#[derive(Debug)]
pub struct Template {
    program: ast::Program,
}

impl Template {
    /// Reads a text.
    ///
    /// # Errors
    ///
    /// The text is not a template; the message is that of handlebars.js 4.7.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parser::parse(text).map(|program| Self { program })
    }

    /// The text that every rendering gives, if the template only has text.
    pub fn as_static(&self) -> Option<&str> {
        match self.program.body.as_slice() {
            [] => Some(""),
            [ast::Node::Content(content)] => Some(&content.text[content.from..content.to]),
            _ => None,
        }
    }

    /// Writes what the template says of a scope.
    ///
    /// # Errors
    ///
    /// A helper failed, with the message that it has in Mockoon; or the template exceeds the limits of the scope.
    pub fn render(&self, scope: &mut Scope<'_>) -> Result<String, RenderError> {
        match self.as_static() {
            Some(text) => Ok(text.to_owned()),
            None => render::Machine::run(&self.program, scope),
        }
    }

    /// The value that the template stands for, where it is one expression and nothing else: `{{input.Tags}}` is a list.
    ///
    /// # Errors
    ///
    /// As [`Template::render`].
    pub fn evaluate(&self, scope: &mut Scope<'_>) -> Option<Result<Value, RenderError>> {
        match self.program.body.as_slice() {
            [ast::Node::Mustache { call, .. }] => Some(render::Machine::evaluate(call, scope)),
            _ => None,
        }
    }
}

/// Prints a value as `JSON.stringify` of JavaScript does; nothing for undefined.
pub fn to_json(value: &Value) -> Option<String> {
    let zone = jiff::tz::TimeZone::UTC;
    print::Printer { zone: &zone, limit: usize::MAX }.json(value, true, 0).ok().flatten()
}

/// What a JSONPath finds in a list or object: the bare value where the path can only name one, a list where it may name
/// several, undefined if nothing. The work is bounded by the limits of the scope.
///
/// # Errors
///
/// A condition of the path fails, or the path takes more work than the scope allows.
pub fn json_path(scope: &mut Scope<'_>, value: &Value, path: &str) -> Result<Value, RenderError> {
    query::jsonpath::find(&mut render::Machine::new(scope), value, path)
}
