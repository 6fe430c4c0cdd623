//! Readers of the model files that AWS publishes: botocore's `service-2.json` and Smithy's JSON AST.

pub mod botocore;
pub mod smithy;

use std::collections::HashMap;

use crate::ir::{Service, Str};

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    #[error("{at}: {what}")]
    Model { at: String, what: String },
    #[error(
        "neither a Smithy JSON AST (\"smithy\" and \"shapes\") nor a botocore model (\"metadata\" and \"operations\")"
    )]
    Unknown,
}

impl ImportError {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Model { at: at.into(), what: what.into() }
    }
}

/// Reads whichever of the two formats the text is in. A Smithy file may hold several services.
///
/// # Errors
/// When the text is no JSON, or no model; the message names the shape or operation at fault.
pub fn any(text: &str) -> Result<Vec<Service>, ImportError> {
    let value: serde_json::Value = serde_json::from_str(text)?;
    if value.get("smithy").is_some() && value.get("shapes").is_some() {
        return smithy::services(&value);
    }
    if value.get("metadata").is_some() && value.get("operations").is_some() {
        return Ok(vec![botocore::service(&botocore::Files { service: &value, ..botocore::Files::default() })?]);
    }
    Err(ImportError::Unknown)
}

/// Makes names live as long as the process, each once.
#[derive(Default)]
pub(crate) struct Interner(HashMap<String, Str>);

impl Interner {
    pub(crate) fn get(&mut self, text: &str) -> Str {
        if let Some(known) = self.0.get(text) {
            return known;
        }
        let leaked: Str = Box::leak(text.to_owned().into_boxed_str());
        self.0.insert(text.to_owned(), leaked);
        leaked
    }
}
