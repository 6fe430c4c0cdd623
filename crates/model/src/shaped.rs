//! Plain JSON into documents, as a shape directs: what people type and what tools store.

use serde_json::Value;

use crate::ir::{Kind, Member, Service, ShapeIx};
use crate::near::nearest;
use crate::{Document, Fields, Timestamp};

/// Why a JSON value is none of its shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ShapedError {
    /// Member names and item numbers from the root, as in `Tags[2].Key`; empty for the value as a whole.
    pub path: String,
    /// What was found and what was expected; lower case, no full stop.
    pub reason: String,
}

impl std::fmt::Display for ShapedError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

/// Reads the form that [`Document::to_json`] writes: structures by member name, blobs as base64, timestamps as text in
/// any format or as epoch seconds, NaN and infinities by name. Null members count as not given.
///
/// Only kinds are checked, so that a client can send what breaks a constraint.
///
/// # Errors
/// When a value is of another kind than its shape, or a structure has no member of that name.
pub fn from_json(service: &Service, shape: ShapeIx, value: &Value) -> Result<Document, ShapedError> {
    read(service, shape, value, &Path::Root)
}

/// The way to a value; becomes text only when an error needs it.
enum Path<'p> {
    Root,
    Name(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn text(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Name(Path::Root, name) => (*name).to_owned(),
            Self::Name(parent, name) => format!("{}.{name}", parent.text()),
            Self::Item(parent, at) => format!("{}[{at}]", parent.text()),
        }
    }

    fn error(&self, reason: impl Into<String>) -> ShapedError {
        ShapedError { path: self.text(), reason: reason.into() }
    }
}

fn read(service: &Service, ix: ShapeIx, value: &Value, path: &Path<'_>) -> Result<Document, ShapedError> {
    if value.is_null() {
        return Ok(Document::Null);
    }
    let shape = service.shape(ix);
    let mismatch = || path.error(format!("{} where {} {} is expected", found(value), shape.kind.name(), shape.name));
    match &shape.kind {
        Kind::Structure(structure) => {
            let entries = value.as_object().ok_or_else(mismatch)?;
            let mut fields = Fields::with_capacity(entries.len());
            for (name, value) in entries {
                let Some(member) = structure.member(name) else {
                    return Err(path.error(unknown_member(shape.name, name, &structure.members)));
                };
                if !value.is_null() {
                    fields.push(member.name, read(service, member.target, value, &Path::Name(path, name))?);
                }
            }
            Ok(Document::Map(fields))
        }
        Kind::Map(map) => value
            .as_object()
            .ok_or_else(mismatch)?
            .iter()
            .map(|(key, value)| {
                Ok((key.clone().into(), read(service, map.value.target, value, &Path::Name(path, key))?))
            })
            .collect::<Result<Fields, _>>()
            .map(Document::Map),
        Kind::List(list) => value
            .as_array()
            .ok_or_else(mismatch)?
            .iter()
            .enumerate()
            .map(|(at, value)| read(service, list.member.target, value, &Path::Item(path, at)))
            .collect::<Result<Vec<_>, _>>()
            .map(Document::List),
        Kind::String { .. } => Ok(Document::String(value.as_str().ok_or_else(mismatch)?.to_owned().into())),
        Kind::Blob { .. } => {
            let text = value.as_str().ok_or_else(mismatch)?;
            let bytes = from_base64(text).ok_or_else(|| path.error("not base64, which blobs are in JSON"))?;
            Ok(Document::Blob(bytes.into()))
        }
        Kind::Boolean => Ok(Document::Bool(value.as_bool().ok_or_else(mismatch)?)),
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long => {
            Ok(Document::Int(value.as_i64().ok_or_else(mismatch)?))
        }
        Kind::BigInteger | Kind::BigDecimal => match value {
            Value::Number(_) => Ok(Document::from_json(value)),
            Value::String(digits) if is_decimal(digits) => Ok(Document::BigNumber(digits.as_str().into())),
            _ => Err(mismatch()),
        },
        Kind::Float | Kind::Double => match value {
            Value::Number(number) => Ok(Document::Float(number.as_f64().ok_or_else(mismatch)?)),
            Value::String(name) => match name.as_str() {
                "NaN" => Ok(Document::Float(f64::NAN)),
                "Infinity" => Ok(Document::Float(f64::INFINITY)),
                "-Infinity" => Ok(Document::Float(f64::NEG_INFINITY)),
                _ => Err(mismatch()),
            },
            _ => Err(mismatch()),
        },
        Kind::Timestamp(_) => match value {
            Value::Number(seconds) => seconds.as_f64().and_then(Timestamp::from_f64),
            Value::String(text) => Timestamp::parse_any(text),
            _ => None,
        }
        .map(Document::Timestamp)
        .ok_or_else(|| path.error(format!("{} where a date-time or epoch seconds are expected", found(value)))),
        Kind::Document => Ok(Document::from_json(value)),
    }
}

fn found(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("{text:?}"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn unknown_member(shape: &str, name: &str, members: &[Member]) -> String {
    let near = nearest(name, members.iter().map(|member| member.name), 3);
    if near.is_empty() {
        format!("{shape} has no member {name:?}")
    } else {
        format!("{shape} has no member {name:?}; near: {}", near.join(", "))
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(fraction)
}

/// Standard base64, padded or not; white space is skipped.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut word, mut bits, mut padding) = (0u32, 0u32, 0usize);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let six = match byte {
            b'=' => {
                padding += 1;
                continue;
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        word = word << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((word >> bits & 0xff) as u8);
        }
    }
    // What is left over of a last group: at most four zero bits, never a whole letter.
    (padding <= 2 && bits < 6 && word & ((1 << bits) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Catalogue;

    fn check(service: &str, operation: &str, value: &Value) -> Result<Document, String> {
        let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
        let input = service.operation(operation).expect("modelled").input.expect("takes input");
        from_json(service, input, value).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_to_json_writes() {
        let value = json!({
            "TableName": "t",
            "Item": {"id": {"S": "1"}, "b": {"B": "aGk="}, "l": {"L": [{"N": "1"}, {"BOOL": true}]}},
        });
        let document = check("dynamodb", "PutItem", &value).expect("fits");
        let blob = document.get("Item").and_then(|item| item.get("b")).and_then(|b| b.get("B"));
        assert_eq!(blob, Some(&Document::Blob(bytes::Bytes::from_static(b"hi"))));
        assert_eq!(document.to_json(), value);
    }

    #[test]
    fn timestamps_come_as_text_or_number() {
        let stamp = |value: Value| {
            check("cloudtrail", "LookupEvents", &json!({"StartTime": value}))
                .map(|document| document.get("StartTime").cloned())
        };
        let expect = Ok(Some(Document::Timestamp(Timestamp::from_seconds(86_400))));
        assert_eq!(stamp(json!("1970-01-02T00:00:00Z")), expect);
        assert_eq!(stamp(json!(86_400)), expect);
        assert!(stamp(json!("tomorrow")).is_err());
    }

    #[test]
    fn errors_name_the_place_and_what_was_meant() {
        let error = check("mwaa", "CreateEnvironment", &json!({"Nam": "x"})).expect_err("unknown member");
        assert_eq!(error, "CreateEnvironmentInput has no member \"Nam\"; near: Name");
        let value = json!({"NetworkConfiguration": {"SubnetIds": ["a", 2]}});
        let error = check("mwaa", "CreateEnvironment", &value).expect_err("wrong kind");
        assert_eq!(error, "NetworkConfiguration.SubnetIds[1]: 2 where string SubnetId is expected");
        assert!(check("mwaa", "CreateEnvironment", &json!([])).is_err());
    }

    #[test]
    fn base64_of_every_remainder() {
        for (text, expect) in [("", Some("")), ("Zg==", Some("f")), ("Zm8", Some("fo")), ("Zm9v", Some("foo"))] {
            assert_eq!(from_base64(text).as_deref(), expect.map(str::as_bytes), "{text}");
        }
        for text in ["Z", "Zg=a", "Zm9v====", "Z*==", "Zh=="] {
            assert_eq!(from_base64(text), None, "{text}");
        }
    }
}
