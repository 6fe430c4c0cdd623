//! `smithy.waiters#waitable`.

use serde_json::Value;

use super::super::Interner;
use super::ast::{local_name, trait_of};
use crate::ir::{Acceptor, Waiter, WaiterState};

/// Smithy's default of `minDelay`, in seconds.
const DELAY_SECONDS: u32 = 2;
/// Smithy waits for as long as the caller says, botocore counts: this far in the waiters that AWS made of Smithy's.
const ATTEMPTS: u32 = 60;

/// Adds the waiters of an operation. One of which a condition looks at the input too is left out: botocore's form of
/// conditions, which the rest of standin reads, cannot say it.
pub(super) fn read(node: &Value, operation: &str, names: &mut Interner, waiters: &mut Vec<Waiter>) {
    let waitable = trait_of(node, "smithy.waiters#waitable").and_then(Value::as_object);
    for (name, waiter) in waitable.into_iter().flatten() {
        let acceptors = waiter.get("acceptors").and_then(Value::as_array);
        let acceptors: Option<Vec<Acceptor>> =
            acceptors.into_iter().flatten().map(|from| acceptor(from, names)).collect();
        let Some(acceptors) = acceptors else { continue };
        let delay = waiter.get("minDelay").and_then(Value::as_u64).and_then(|delay| u32::try_from(delay).ok());
        waiters.push(Waiter {
            name: names.get(name),
            operation: names.get(operation),
            delay_seconds: delay.unwrap_or(DELAY_SECONDS),
            max_attempts: ATTEMPTS,
            acceptors: acceptors.into_boxed_slice(),
        });
    }
}

fn acceptor(from: &Value, names: &mut Interner) -> Option<Acceptor> {
    let state = match from.get("state").and_then(Value::as_str) {
        Some("success") => WaiterState::Success,
        Some("failure") => WaiterState::Failure,
        _ => WaiterState::Retry,
    };
    let matcher = from.get("matcher")?;
    if let Some(error) = matcher.get("errorType").and_then(Value::as_str) {
        let expected = names.get(&Value::from(local_name(error)).to_string());
        return Some(Acceptor { state, matcher: "error", argument: "", expected });
    }
    if let Some(success) = matcher.get("success").and_then(Value::as_bool) {
        let (matcher, expected) = if success { ("status", "200") } else { ("error", "true") };
        return Some(Acceptor { state, matcher, argument: "", expected });
    }
    let output = matcher.get("output")?;
    let expected = output.get("expected").and_then(Value::as_str)?;
    let text = Value::from(expected).to_string();
    let (matcher, expected) = match output.get("comparator").and_then(Value::as_str)? {
        "stringEquals" => ("path", text),
        "booleanEquals" => ("path", expected.to_owned()),
        "allStringEquals" => ("pathAll", text),
        "anyStringEquals" => ("pathAny", text),
        _ => return None,
    };
    let argument = names.get(output.get("path").and_then(Value::as_str)?);
    Some(Acceptor { state, matcher, argument, expected: names.get(&expected) })
}
