//! Values as text: `String(value)` and `JSON.stringify` of JavaScript, within a limit.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::number;
use crate::{RenderError, Value};

/// Writes values. Lists and objects may share parts, so that what is small in memory may be long as text.
pub(crate) struct Printer<'p> {
    pub(crate) zone: &'p TimeZone,
    /// Bytes that the output may have in all.
    pub(crate) limit: usize,
}

pub(crate) fn too_much() -> RenderError {
    RenderError::new("The template makes more text than is allowed")
}

impl Printer<'_> {
    fn checked(&self, out: &str) -> Result<(), RenderError> {
        if out.len() > self.limit { Err(too_much()) } else { Ok(()) }
    }

    /// What `String(value)` gives.
    pub(crate) fn text(&self, value: &Value, out: &mut String) -> Result<(), RenderError> {
        match value {
            Value::Undefined => out.push_str("undefined"),
            Value::Null => out.push_str("null"),
            Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Value::Number(number) => number::print_into(*number, out),
            Value::Text(text) | Value::Safe(text) => out.push_str(text),
            Value::Date(millis) => out.push_str(&date(*millis, self.zone)),
            Value::Object(_) => out.push_str("[object Object]"),
            Value::List(list) => return self.joined(list.items(), ",", out),
        }
        self.checked(out)
    }

    /// What `list.join(separator)` gives.
    pub(crate) fn joined(&self, items: &[Value], separator: &str, out: &mut String) -> Result<(), RenderError> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push_str(separator);
            }
            if !item.is_nullish() {
                self.text(item, out)?;
            }
            self.checked(out)?;
        }
        Ok(())
    }

    /// What `JSON.stringify(value)` gives; `None` for undefined. Safe texts print as the objects that they are there,
    /// unless they shall be `plain`.
    pub(crate) fn json(&self, value: &Value, plain: bool, indent: usize) -> Result<Option<String>, RenderError> {
        if value.is_undefined() {
            return Ok(None);
        }
        let mut out = String::new();
        self.json_into(value, &mut out, plain, indent, 0)?;
        Ok(Some(out))
    }

    fn json_into(
        &self,
        value: &Value,
        out: &mut String,
        plain: bool,
        indent: usize,
        depth: usize,
    ) -> Result<(), RenderError> {
        match value {
            Value::Undefined | Value::Null => out.push_str("null"),
            Value::Bool(bool) => out.push_str(if *bool { "true" } else { "false" }),
            Value::Number(number) if number.is_finite() => number::print_into(*number, out),
            Value::Number(_) => out.push_str("null"),
            Value::Text(text) => quoted(text, out),
            Value::Safe(text) if plain => quoted(text, out),
            Value::Safe(text) => {
                self.json_into(&Value::object([("string", Value::Text(text.clone()))]), out, plain, indent, depth)?;
            }
            Value::Date(millis) => match iso(*millis) {
                Some(text) => quoted(&text, out),
                None => out.push_str("null"),
            },
            Value::List(list) => {
                out.push('[');
                for (index, item) in list.items().iter().enumerate() {
                    separate(out, index == 0, indent, depth + 1);
                    self.json_into(item, out, plain, indent, depth + 1)?;
                }
                close(out, list.items().is_empty(), indent, depth);
                out.push(']');
            }
            Value::Object(object) => {
                out.push('{');
                let mut first = true;
                for (name, member) in object.entries() {
                    if member.is_undefined() {
                        continue;
                    }
                    separate(out, first, indent, depth + 1);
                    first = false;
                    quoted(name, out);
                    out.push_str(if indent > 0 { ": " } else { ":" });
                    self.json_into(member, out, plain, indent, depth + 1)?;
                }
                close(out, first, indent, depth);
                out.push('}');
            }
        }
        self.checked(out)
    }
}

fn separate(out: &mut String, first: bool, indent: usize, depth: usize) {
    if !first {
        out.push(',');
    }
    close(out, false, indent, depth);
}

fn close(out: &mut String, empty: bool, indent: usize, depth: usize) {
    if indent > 0 && !empty {
        out.push('\n');
        out.extend(std::iter::repeat_n(' ', indent * depth));
    }
}

/// A text in the quotes and escapes of JSON.
pub(crate) fn quoted(text: &str, out: &mut String) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(|character| character < ' ' || character == '"' || character == '\\') {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            8 => out.push_str("\\b"),
            12 => out.push_str("\\f"),
            byte => out.push_str(&format!("\\u{byte:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends a text as `{{value}}` prints it.
pub(crate) fn escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'', '`', '=']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#x27;",
            b'`' => "&#x60;",
            _ => "&#x3D;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// The instant of a date, if it is one.
pub(crate) fn timestamp(millis: f64) -> Option<Timestamp> {
    if millis.is_nan() || millis.abs() > 8.64e15 {
        return None;
    }
    Timestamp::from_millisecond(millis as i64).ok()
}

/// What `date.toString()` gives.
fn date(millis: f64, zone: &TimeZone) -> String {
    let Some(timestamp) = timestamp(millis) else { return "Invalid Date".to_owned() };
    let zoned = timestamp.to_zoned(zone.clone());
    let info = zone.to_offset_info(timestamp);
    let name = match info.abbreviation() {
        "UTC" => "Coordinated Universal Time",
        other => other,
    };
    let seconds = info.offset().seconds();
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    format!("{} GMT{sign}{:02}{:02} ({name})", zoned.strftime("%a %b %d %Y %H:%M:%S"), minutes / 60, minutes % 60,)
}

/// What `date.toISOString()` gives.
pub(crate) fn iso(millis: f64) -> Option<String> {
    let timestamp = timestamp(millis)?;
    let year = timestamp.to_zoned(TimeZone::UTC).year();
    let rest = timestamp.strftime("-%m-%dT%H:%M:%S");
    let fraction = (millis as i64).rem_euclid(1_000);
    let year = if (0..=9999).contains(&year) { format!("{year:04}") } else { format!("-{:06}", year.unsigned_abs()) };
    Some(format!("{year}{rest}.{fraction:03}Z"))
}
