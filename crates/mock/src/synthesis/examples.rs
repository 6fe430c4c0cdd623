//! Modelled examples: what they say about kinds, sizes and settings is better than what names tell. Who and where, when,
//! and in what state is not taken from them, for that belongs to the call.

use serde_json::Value;
use standin_model::{Catalogue, Operation, Service};

use super::settled;

/// The output of an operation's first example that has one.
pub(super) fn output(
    catalogue: &'static Catalogue,
    service: &Service,
    operation: &Operation,
) -> Option<&'static Value> {
    let entry = catalogue.versions(service.id).find(|entry| entry.version == service.version)?;
    let examples = entry.examples().ok()?.of(operation.name);
    examples.iter().map(|example| &example.output).find(|output| output.as_object().is_some_and(|map| !map.is_empty()))
}

/// A text that may stand for any resource, account and region.
pub(super) fn text(example: Option<&'static Value>) -> Option<&'static str> {
    let text = example?.as_str()?;
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let placeholder = ["...", "<", "example", "Example", "EXAMPLE", "arn:", "://", "xxx", "amazonaws"];
    let said = !text.trim().is_empty() && text.is_ascii() && text.len() <= 120;
    (said && digits <= 4 && !placeholder.iter().any(|mark| text.contains(mark))).then_some(text)
}

/// A value of an enumeration that is as settled as the one chosen without the example.
pub(super) fn value(
    example: Option<&'static Value>,
    values: &'static [&'static str],
    chosen: &str,
) -> Option<&'static str> {
    let text = example?.as_str()?;
    let value = values.iter().copied().find(|value| *value == text)?;
    (settled::rank(value) == 0 && settled::rank(chosen) <= 0).then_some(value)
}

pub(super) fn boolean(example: Option<&'static Value>) -> Option<bool> {
    example?.as_bool()
}

/// A number that is no point in time.
pub(super) fn number(example: Option<&'static Value>) -> Option<f64> {
    example?.as_f64().filter(|number| number.abs() < 1e8)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn examples_speak_of_no_one() {
        let check = |value: Value, expect: Option<&str>| {
            let value: &'static Value = Box::leak(Box::new(value));
            assert_eq!(text(Some(value)), expect);
        };
        check(json!("Linux with Tomcat"), Some("Linux with Tomcat"));
        check(json!("arn:aws:iam::123456789012:role/x"), None);
        check(json!("i-1234567890abcdef0"), None);
        check(json!(7), None);
    }

    #[test]
    fn examples_are_found() {
        let catalogue = Catalogue::shared();
        let service = catalogue.newest("dynamodb").expect("served").open().expect("opens");
        let operation = service.operation("DescribeTable").expect("modelled");
        assert!(output(catalogue, service, operation).is_some_and(|output| output.get("Table").is_some()));
    }
}
