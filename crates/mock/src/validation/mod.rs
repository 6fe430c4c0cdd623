//! Checks values against their shapes, and refuses inputs in AWS's words.
//!
//! [`validate`] is what a server asks of an input. [`check_shape`] is the walk behind it, for any value of any shape:
//! canned and synthesised outputs are held to it too. [`input_from_json`] reads what people write.
//!
//! Nothing is prepared and nothing is kept: a walk looks at the shapes as they are, and a good value costs no allocation.

mod plain_json;
mod refusal;
mod violation;
mod walk;

#[cfg(test)]
mod tests;

pub use plain_json::input_from_json;
pub use violation::{Constraint, Shown, Violation};
pub use walk::{Options, check_shape, check_shape_with};

use standin_core::OperationError;
use standin_model::{Document, Operation, Service};

/// How much of an input is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Strictness {
    /// Every constraint, as AWS does.
    #[default]
    Strict,
    /// Required members only.
    Lenient,
    Off,
}

/// Checks a decoded input against every constraint of its shape.
///
/// A streaming payload is not part of the input and is not missed; neither are idempotency tokens, which clients fill in.
///
/// # Errors
/// One error that lists all violations in AWS's words, under the code that this operation answers invalid input with,
/// and with the members that the error's shape requires.
pub fn validate(
    service: &Service,
    operation: &Operation,
    input: &Document,
    strictness: Strictness,
) -> Result<(), OperationError> {
    let required_only = match strictness {
        Strictness::Off => return Ok(()),
        Strictness::Lenient => true,
        Strictness::Strict => false,
    };
    let Some(shape) = operation.input else { return Ok(()) };
    let violations = check_shape_with(service, shape, input, Options { required_only, ..Options::default() });
    if violations.is_empty() { Ok(()) } else { Err(refusal::refuse(service, operation, &violations)) }
}
