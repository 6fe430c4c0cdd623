//! The outputs that commands leave in a file: in any of the shapes that tools write.

use serde_json::{Map, Value};

/// What Proton's model takes.
const KEY_CHARS_MAX: usize = 1024;
const VALUE_CHARS_MAX: usize = 1024;

/// Reads names and values. The shapes: a flat map; one of stacks, as the CDK writes it; one of values with their types, as Terraform
/// does; a list of `key` and `valueString`.
///
/// # Errors
/// What is wrong with the file, as the end of a sentence.
pub fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| format!("not valid JSON: {error}"))?;
    let mut found = Vec::new();
    match &document {
        Value::Object(entries) => {
            for (name, value) in entries {
                match value {
                    Value::Object(inner) => match terraform(inner) {
                        Some(value) => found.push((name.clone(), plain(value))),
                        None => found.extend(inner.iter().map(|(name, value)| (name.clone(), plain(value)))),
                    },
                    value => found.push((name.clone(), plain(value))),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                let text = |name: &str| item.get(name).filter(|value| !value.is_null()).map(plain);
                let pair = text("key").zip(text("valueString"));
                found.push(pair.ok_or_else(|| format!("a list with an entry without key and valueString: {item}"))?);
            }
        }
        _ => return Err("neither an object nor a list".to_owned()),
    }
    for (key, value) in &found {
        if key.is_empty() || key.chars().count() > KEY_CHARS_MAX {
            return Err(format!("one with a name that is not 1 to {KEY_CHARS_MAX} characters long"));
        }
        if value.is_empty() || value.chars().count() > VALUE_CHARS_MAX {
            return Err(format!("one with a value of {key} that is not 1 to {VALUE_CHARS_MAX} characters long"));
        }
    }
    // As with any map, what is said last counts.
    let mut outputs: Vec<(String, String)> = Vec::new();
    for (key, value) in found {
        match outputs.iter_mut().find(|(known, _)| *known == key) {
            Some(known) => known.1 = value,
            None => outputs.push((key, value)),
        }
    }
    Ok(outputs)
}

/// The value of an output as `terraform output -json` tells it.
fn terraform(entries: &Map<String, Value>) -> Option<&Value> {
    let known = entries.keys().all(|name| matches!(name.as_str(), "value" | "type" | "sensitive"));
    entries.get("value").filter(|_| known && entries.contains_key("type"))
}

/// A value as text: strings as they are.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<&[(&str, &str)], &str>) {
        let found = read(text);
        match expect {
            Ok(expect) => {
                let found = found.expect(text);
                let found: Vec<(&str, &str)> =
                    found.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
                assert_eq!(found, expect, "{text}");
            }
            Err(part) => {
                let error = found.expect_err(text);
                assert!(error.contains(part), "{error}");
            }
        }
    }

    #[test]
    fn every_shape_of_outputs_is_read() {
        check("{}", Ok(&[]));
        check(r#"{"A": "a", "N": 5, "T": true, "L": [1]}"#, Ok(&[("A", "a"), ("N", "5"), ("T", "true"), ("L", "[1]")]));
        check(r#"{"Stack": {"A": "a", "B": "b"}, "Other": {"A": "c"}}"#, Ok(&[("A", "c"), ("B", "b")]));
        check(
            r#"{"A": {"sensitive": false, "type": "string", "value": "a"}, "L": {"type": ["list"], "value": ["x"]}}"#,
            Ok(&[("A", "a"), ("L", r#"["x"]"#)]),
        );
        check(r#"[{"key": "A", "valueString": "a"}]"#, Ok(&[("A", "a")]));
    }

    #[test]
    fn what_cannot_be_outputs_is_told() {
        check("{", Err("not valid JSON"));
        check("5", Err("neither an object nor a list"));
        check(r#"[{"key": "A"}]"#, Err("without key and valueString"));
        check(r#"{"A": ""}"#, Err("a value of A that is not 1 to 1024"));
        check(&format!(r#"{{"A": "{}"}}"#, "x".repeat(1025)), Err("a value of A"));
    }
}
