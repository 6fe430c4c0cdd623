//! `schema/schema.yaml`: which inputs a template takes. The types are the schema objects of OpenAPI 3.0.

mod check;
mod compat;
mod form;
mod read;

use fancy_regex::Regex;
use serde_json::Value;

use crate::yaml::Place;

pub use check::{Checked, check};
pub use compat::incompatibilities;
pub use form::{Field, fields};
pub use read::read;

/// Where the schema lies in every bundle.
pub const FILE: &str = "schema/schema.yaml";
/// The key under which a schema names the type of an environment's inputs.
pub const ENVIRONMENT_INPUT: &str = "environment_input_type";
pub const SERVICE_INPUT: &str = "service_input_type";
pub const PIPELINE_INPUT: &str = "pipeline_input_type";

/// A whole schema.
#[derive(Clone, Debug)]
pub struct Schema {
    /// The text of the file, which `Get…TemplateVersion` shows.
    pub text: String,
    /// Of `environment_input_type` or `service_input_type`.
    pub main: Option<String>,
    /// Of `pipeline_input_type`.
    pub pipeline: Option<String>,
    /// By name, in the order of the file.
    pub types: Vec<(String, Type)>,
}

impl Schema {
    pub fn named(&self, name: &str) -> Option<&Type> {
        self.types.iter().find(|(known, _)| known == name).map(|(_, found)| found)
    }

    /// The type of the inputs of the environment or of a service instance.
    pub fn main_type(&self) -> Option<&Type> {
        self.named(self.main.as_deref()?)
    }

    pub fn pipeline_type(&self) -> Option<&Type> {
        self.named(self.pipeline.as_deref()?)
    }

    /// The type itself, behind its references.
    pub(crate) fn resolved<'s>(&'s self, mut found: &'s Type) -> &'s Type {
        // The reader refuses circles of bare references, so this ends.
        while let Some(target) = found.reference.as_deref().and_then(|name| self.named(name)) {
            found = target;
        }
        found
    }
}

/// The `type` of a schema object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

impl Kind {
    pub const ALL: [Self; 6] = [Self::String, Self::Number, Self::Integer, Self::Boolean, Self::Array, Self::Object];

    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Number => "number",
            Self::Integer => "integer",
            Self::Boolean => "boolean",
            Self::Array => "array",
            Self::Object => "object",
        }
    }

    /// With its article, for messages.
    fn with_article(self) -> &'static str {
        match self {
            Self::String => "a string",
            Self::Number => "a number",
            Self::Integer => "an integer",
            Self::Boolean => "a boolean",
            Self::Array => "a list",
            Self::Object => "an object",
        }
    }
}

/// A schema object. What is absent does not restrict.
#[derive(Clone, Debug, Default)]
pub struct Type {
    pub place: Place,
    pub kind: Option<Kind>,
    pub title: Option<String>,
    pub description: Option<String>,
    pub default: Option<Value>,
    pub values: Option<Vec<Value>>,
    pub pattern: Option<Regex>,
    pub format: Option<String>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub minimum: Option<f64>,
    pub maximum: Option<f64>,
    pub exclusive_minimum: bool,
    pub exclusive_maximum: bool,
    pub multiple_of: Option<f64>,
    /// In the order of the file.
    pub properties: Vec<(String, Type)>,
    pub required: Vec<String>,
    pub additional: Additional,
    pub min_properties: Option<u64>,
    pub max_properties: Option<u64>,
    pub items: Option<Box<Type>>,
    pub min_items: Option<u64>,
    pub max_items: Option<u64>,
    pub unique_items: bool,
    pub nullable: bool,
    pub all_of: Vec<Type>,
    pub any_of: Vec<Type>,
    pub one_of: Vec<Type>,
    pub not: Option<Box<Type>>,
    /// The name of the type that a `$ref` means.
    pub reference: Option<String>,
}

impl Type {
    pub fn property(&self, name: &str) -> Option<&Type> {
        self.properties.iter().find(|(known, _)| known == name).map(|(_, found)| found)
    }

    /// The kind, also where only other keywords tell it.
    fn effective_kind(&self) -> Option<Kind> {
        self.kind
            .or_else(|| (!self.properties.is_empty()).then_some(Kind::Object))
            .or_else(|| self.items.is_some().then_some(Kind::Array))
    }
}

/// What holds for properties that a schema object does not name.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    #[default]
    Any,
    None,
    Typed(Box<Type>),
}

#[cfg(test)]
mod tests;
