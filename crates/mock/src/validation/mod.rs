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

use standin_core::{Arn, OperationError};
use standin_model::words::split;
use standin_model::{Document, Operation, Service};

/// ARNs are nowhere longer than this.
const ARN_BYTES_MAX: usize = 2048;

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
    let mut violations = check_shape_with(service, shape, input, Options { required_only, ..Options::default() });
    if !violations.is_empty() && is_about_tags(operation) {
        violations.retain(|violation| !is_of_an_arn(input, violation));
    }
    if violations.is_empty() { Ok(()) } else { Err(refusal::refuse(service, operation, &violations)) }
}

/// Whether an operation takes the ARN of anything that can be tagged. Many a model lags behind there: its pattern or length
/// refuses ARNs that the service itself makes (IVS, Bedrock, GuardDuty), and AWS does not hold callers to it.
fn is_about_tags(operation: &Operation) -> bool {
    split(operation.name).iter().any(|word| matches!(word.as_str(), "tag" | "tags" | "untag"))
}

/// Whether a member of the input is an ARN, whatever its shape says.
fn is_of_an_arn(input: &Document, violation: &Violation) -> bool {
    let fields = input.as_map().into_iter().flat_map(standin_model::Fields::iter);
    let mut found = fields.filter(|(name, _)| name.eq_ignore_ascii_case(&violation.path));
    found.any(|(_, value)| value.as_str().is_some_and(is_arn))
}

fn is_arn(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control();
    let whole = |arn: Arn<'_>| !arn.partition.is_empty() && !arn.service.is_empty() && !arn.resource.is_empty();
    text.len() <= ARN_BYTES_MAX && text.chars().all(plain) && Arn::parse(text).is_some_and(whole)
}
