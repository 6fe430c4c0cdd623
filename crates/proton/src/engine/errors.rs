//! The errors of Proton.

use standin_core::OperationError;

use crate::finding::{Finding, summary};

pub fn validation(message: impl Into<String>) -> OperationError {
    OperationError::new("ValidationException", message)
}

pub fn conflict(message: impl Into<String>) -> OperationError {
    OperationError::new("ConflictException", message)
}

pub fn not_found(what: &str, key: &str) -> OperationError {
    OperationError::new("ResourceNotFoundException", format!("{what} {key} does not exist."))
}

pub fn quota(what: &str, most: usize) -> OperationError {
    OperationError::new("ServiceQuotaExceededException", format!("The limit of {most} {what} is reached."))
}

/// Findings of a spec or template as one error of the call.
pub fn invalid(findings: &[Finding]) -> OperationError {
    validation(format!("The spec is not valid: {}", summary(findings)))
}
