//! Smithy JSON AST, 2.0 and 1.0.

use super::ImportError;
use crate::ir::Service;

/// All services of an AST.
///
/// # Errors
/// When a shape that a service reaches is missing or malformed.
pub fn services(_ast: &serde_json::Value) -> Result<Vec<Service>, ImportError> {
    Err(ImportError::new("smithy", "not read yet"))
}
