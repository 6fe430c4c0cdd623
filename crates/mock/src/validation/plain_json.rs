//! Reads what people write: plain JSON by member names.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx, Structure, Timestamp, nearest};

use super::violation::{Constraint, Shown, Violation};
use super::walk::{Step, VIOLATIONS_MAX, kind_name};

/// JSON that was parsed is at most this deep (`serde_json` allows 128); what programs build may be deeper.
const DEPTH_MAX: usize = 256;

/// Reads plain JSON as a shape says, structures by member name: what `standin call --input`, canned responses and modelled
/// examples hold. Whether the result satisfies the shape's constraints is for [`check_shape`](super::check_shape).
///
/// - Blobs are base64 as the AWS CLI takes it, or else the text itself; `{"text": …}` and `{"base64": …}` say which.
/// - Timestamps are epoch seconds or text in any of AWS's formats.
/// - Numbers and booleans may be in quotes; `"NaN"`, `"Infinity"` and `"-Infinity"` are numbers.
/// - A member that is null is left out.
///
/// # Errors
/// All values of another kind than their shape, and all members that no structure has, with what was perhaps meant.
pub fn input_from_json(service: &Service, shape: ShapeIx, value: &Value) -> Result<Document, Vec<Violation>> {
    let mut reader = Reader { service, path: Vec::new(), violations: Vec::new() };
    let document = reader.value(shape, value);
    if reader.violations.is_empty() { Ok(document) } else { Err(reader.violations) }
}

struct Reader<'v> {
    service: &'v Service,
    path: Vec<Step<'v>>,
    violations: Vec<Violation>,
}

impl<'v> Reader<'v> {
    fn report(&mut self, value: Shown, constraint: Constraint) {
        if self.violations.len() >= VIOLATIONS_MAX {
            return;
        }
        let mut path = String::new();
        for step in &self.path {
            step.write(false, &mut path);
        }
        self.violations.push(Violation { path, value, constraint });
    }

    fn within(&mut self, step: Step<'v>, shape: ShapeIx, value: &'v Value) -> Document {
        self.path.push(step);
        let document = self.value(shape, value);
        self.path.pop();
        document
    }

    /// A value of another kind gives `Null` and a violation.
    fn value(&mut self, ix: ShapeIx, value: &'v Value) -> Document {
        let service = self.service;
        let kind = &service.shape(ix).kind;
        let read = match (kind, value) {
            _ if self.path.len() > DEPTH_MAX => None,
            (Kind::Document, value) => Some(Document::from_json(value)),
            (_, Value::Null) => return Document::Null,
            (Kind::Structure(structure), Value::Object(entries)) => Some(self.structure(structure, entries)),
            // A stream of events.
            (Kind::Structure(structure), Value::Array(events)) if structure.event_stream => Some(Document::List(
                events.iter().enumerate().map(|(at, event)| self.within(Step::Item(at), ix, event)).collect(),
            )),
            (Kind::List(list), Value::Array(items)) => Some(Document::List(
                items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.within(Step::Item(at), list.member.target, item))
                    .collect(),
            )),
            (Kind::Map(map), Value::Object(entries)) => Some(Document::Map(
                entries
                    .iter()
                    .map(|(key, value)| {
                        (Key::Owned(key.clone()), self.within(Step::Entry(key), map.value.target, value))
                    })
                    .collect(),
            )),
            (kind, value) => scalar(kind, value),
        };
        read.unwrap_or_else(|| {
            let shown = Shown::new(service, ix, &Document::from_json(value));
            self.report(shown, Constraint::Kind(kind_name(kind)));
            Document::Null
        })
    }

    fn structure(&mut self, structure: &'v Structure, entries: &'v serde_json::Map<String, Value>) -> Document {
        let mut fields = Fields::with_capacity(entries.len());
        for (name, value) in entries.iter().filter(|(_, value)| !value.is_null()) {
            match structure.member(name) {
                Some(member) if member.json_value => fields.push(member.name, Document::from_json(value)),
                Some(member) => {
                    let value = self.within(Step::Member(member.name), member.target, value);
                    fields.push(member.name, value);
                }
                None => {
                    let near = nearest(name, structure.members.iter().map(|member| member.name), 1).first().copied();
                    self.path.push(Step::Member(name));
                    self.report(Shown::Hidden, Constraint::Unknown(near));
                    self.path.pop();
                }
            }
        }
        Document::Map(fields)
    }
}

/// A value that holds no others.
fn scalar(kind: &Kind, value: &Value) -> Option<Document> {
    match (kind, value) {
        (Kind::String { .. }, Value::String(text)) => Some(Document::from(text.clone())),
        (Kind::Blob { .. }, value) => blob(value),
        (Kind::Boolean, Value::Bool(value)) => Some(Document::Bool(*value)),
        (Kind::Boolean, Value::String(text)) => text.parse().ok().map(Document::Bool),
        (Kind::Timestamp(_), Value::Number(number)) => {
            number.as_f64().and_then(Timestamp::from_f64).map(Document::from)
        }
        (Kind::Timestamp(_), Value::String(text)) => Timestamp::parse_any(text).map(Document::from),
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long, value) => whole(value).map(Document::Int),
        (Kind::BigInteger, value) => whole(value).map(Document::Int).or_else(|| big(value, false)),
        (Kind::Float | Kind::Double, value) => float(value),
        (Kind::BigDecimal, value) => whole(value).map(Document::Int).or_else(|| big(value, true)),
        _ => None,
    }
}

fn blob(value: &Value) -> Option<Document> {
    let decode = |text: &str| STANDARD.decode(text).ok();
    let bytes = match value {
        Value::String(text) => decode(text).unwrap_or_else(|| text.clone().into_bytes()),
        Value::Object(form) if form.len() == 1 => match (form.get("text"), form.get("base64")) {
            (Some(Value::String(text)), _) => text.clone().into_bytes(),
            (_, Some(Value::String(text))) => decode(text)?,
            _ => return None,
        },
        _ => return None,
    };
    Some(Document::Blob(bytes.into()))
}

fn whole(value: &Value) -> Option<i64> {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        Value::Number(number) => number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 9e15)?;
            Some(float as i64)
        }),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn float(value: &Value) -> Option<Document> {
    let float = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            text => text.parse().ok().filter(|float: &f64| float.is_finite())?,
        },
        _ => return None,
    };
    Some(Document::Float(float))
}

/// Digits, kept as they are.
fn big(value: &Value, fraction: bool) -> Option<Document> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || fraction && matches!(c, '.' | 'e' | 'E' | '+' | '-'))
        && text.parse::<f64>().is_ok();
    is_number.then(|| Document::BigNumber(text.into()))
}
