//! Texts. Positions and lengths count UTF-16 units, as in JavaScript.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::helpers::{GiveValue, blocks};
use crate::render::{Args, Rendered};
use crate::{RenderError, Value};

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "concat" => concat,
        "uppercase" => |args| cased(args, "toUpperCase", str::to_uppercase),
        "lowercase" => |args| cased(args, "toLowerCase", str::to_lowercase),
        "substr" => substr,
        "includes" => includes,
        "indexOf" => index_of,
        "replace" => |args| replaced(args, false),
        "replaceAll" => |args| replaced(args, true),
        "split" => split,
        "join" => join,
        "padStart" => |args| padded(args, true),
        "padEnd" => |args| padded(args, false),
        "base64" => |args| coded(args, |text| base64::engine::general_purpose::STANDARD.encode(text)),
        "base64url" => |args| coded(args, |text| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)),
        "base64Decode" | "base64urlDecode" => |args| coded(args, decoded),
        "newline" => |_| Ok(Value::text("\n")),
        "stringify" => stringify,
        "jsonParse" => json_parse,
        "len" => len,
        "jwtPayload" => |args| jwt(args, 1),
        "jwtHeader" => |args| jwt(args, 0),
        _ => return None,
    })
}

fn type_error(method: &str, value: &Value) -> RenderError {
    RenderError::new(match value {
        Value::Undefined => format!("Cannot read properties of undefined (reading '{method}')"),
        Value::Null => format!("Cannot read properties of null (reading '{method}')"),
        _ => format!("text.{method} is not a function"),
    })
}

fn concat(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if let Value::List(_) = args.get(0) {
        let mut items = Vec::new();
        for value in &args.values {
            let added = if let Value::List(list) = value { list.items() } else { std::slice::from_ref(value) };
            args.machine.step(added.len())?;
            items.extend_from_slice(added);
        }
        return Ok(Value::list(items));
    }
    let mut text = String::new();
    for index in 0..args.count() {
        text.push_str(&args.text(index)?);
    }
    Ok(text.into())
}

fn cased(args: &mut Args<'_, '_, '_, '_>, method: &str, case: fn(&str) -> String) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    match args.get(0).as_text().cloned() {
        Some(text) => {
            args.machine.charge(text.len())?;
            Ok(case(&text).into())
        }
        None => Err(type_error(method, args.get(0))),
    }
}

/// The text of an argument; of objects and of what is missing an empty one.
fn text_or_empty(args: &mut Args<'_, '_, '_, '_>, index: usize) -> Rendered<String> {
    match args.get(index) {
        Value::Safe(text) => Ok(text.as_ref().to_owned()),
        value if value.is_object_type() || value.is_undefined() => Ok(String::new()),
        _ => args.text(index),
    }
}

/// The number that an argument is, if it is there and no object.
fn number_or_none(args: &Args<'_, '_, '_, '_>, index: usize) -> Option<f64> {
    match args.get(index) {
        value @ Value::Safe(_) => Some(value.to_number()),
        value if value.is_object_type() || value.is_undefined() => None,
        value => Some(value.to_number()),
    }
}

fn substr(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let text = text_or_empty(args, 0)?;
    let from = number_or_none(args, 1).unwrap_or(0.0);
    let length = number_or_none(args, 2);
    let units: Vec<u16> = text.encode_utf16().collect();
    let size = units.len() as f64;
    let from = if from.is_nan() { 0.0 } else { from.trunc() };
    let from = if from < 0.0 { (size + from).max(0.0) } else { from.min(size) };
    let length = length.map_or(size - from, |length| if length.is_nan() { 0.0 } else { length.trunc() });
    let end = (from + length.max(0.0)).min(size);
    Ok(String::from_utf16_lossy(&units[from as usize..end as usize]).into())
}

fn includes(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let (text, sought) = (text_or_empty(args, 0)?, text_or_empty(args, 1)?);
    Ok(Value::Bool(text.contains(&sought)))
}

fn index_of(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() > 0 && args.get(0).is_undefined() {
        return Err(type_error("toString", args.get(0)));
    }
    let (text, sought) = (text_or_empty(args, 0)?, text_or_empty(args, 1)?);
    let from = number_or_none(args, 2).filter(|from| *from > 0.0).unwrap_or(0.0);
    let from = if from >= text.len() as f64 { text.len() } else { byte_at(&text, from as usize) };
    let found = text[from..].find(&sought).map(|at| text[..from + at].encode_utf16().count());
    Ok(Value::Number(found.map_or(-1.0, |at| at as f64)))
}

/// The offset of a UTF-16 unit.
fn byte_at(text: &str, unit: usize) -> usize {
    let mut units = 0;
    for (at, character) in text.char_indices() {
        if units >= unit {
            return at;
        }
        units += character.len_utf16();
    }
    text.len()
}

fn replaced(args: &mut Args<'_, '_, '_, '_>, all: bool) -> Rendered<Value> {
    let (Value::Text(text), Value::Text(sought), Value::Text(by)) = (args.plain(0), args.plain(1), args.plain(2))
    else {
        return Ok(Value::text(""));
    };
    if sought.is_empty() {
        return Ok(Value::Text(text));
    }
    let mut out = String::new();
    let mut done = 0;
    for (at, hit) in text.match_indices(&*sought).take(if all { usize::MAX } else { 1 }) {
        let start = out.len();
        out.push_str(&text[done..at]);
        done = at + hit.len();
        expand(&by, &text[..at], hit, &text[done..], &mut out);
        args.machine.charge(out.len() - start)?;
    }
    out.push_str(&text[done..]);
    Ok(out.into())
}

/// Writes a replacement, in which `$$`, `$&`, `` $` `` and `$'` have their meaning.
fn expand(by: &str, before: &str, hit: &str, after: &str, out: &mut String) {
    let mut rest = by;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let meant = match rest.as_bytes().get(at + 1) {
            Some(b'$') => "$",
            Some(b'&') => hit,
            Some(b'`') => before,
            Some(b'\'') => after,
            _ => {
                out.push('$');
                rest = &rest[at + 1..];
                continue;
            }
        };
        out.push_str(meant);
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
}

fn split(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Value::Text(text) = args.plain(0) else { return Ok(Value::text("")) };
    if text.is_empty() {
        return Ok(Value::text(""));
    }
    let separator = match args.get(1) {
        Value::Text(separator) if !separator.is_empty() => separator.clone(),
        _ => " ".into(),
    };
    let parts: Vec<Value> = text.split(&*separator).map(Value::from).collect();
    args.machine.step(parts.len())?;
    Ok(Value::list(parts))
}

fn join(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Value::List(list) = args.get(0) else { return Ok(args.get(0).clone()) };
    let separator = match args.get(1) {
        Value::Text(separator) => separator,
        _ => ", ",
    };
    let mut out = String::new();
    args.machine.printer().joined(list.items(), separator, &mut out)?;
    args.machine.charge(out.len())?;
    Ok(out.into())
}

fn padded(args: &mut Args<'_, '_, '_, '_>, at_start: bool) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    let text = args.text(0)?;
    let length = if args.count() >= 2 { args.get(1).to_number() } else { 0.0 };
    let fill = if args.count() == 3 { args.text(2)? } else { " ".to_owned() };
    let missing = length.trunc() - text.encode_utf16().count() as f64;
    if missing.is_nan() || missing <= 0.0 || fill.is_empty() {
        return Ok(text.into());
    }
    args.machine.charge(if missing < 1e12 { missing as usize } else { usize::MAX })?;
    let units: Vec<u16> = fill.encode_utf16().cycle().take(missing as usize).collect();
    let padding = String::from_utf16_lossy(&units);
    Ok(if at_start { padding + &text } else { text + &padding }.into())
}

/// Of an argument, or of what the block writes.
fn coded(args: &mut Args<'_, '_, '_, '_>, code: fn(&str) -> String) -> Rendered<Value> {
    let text = if args.count() == 0 {
        let place = blocks::in_options(args);
        let mut text = String::new();
        args.write_block(&place, &mut text)?;
        text
    } else if args.get(0).is_nullish() {
        return Err(type_error("toString", args.get(0)));
    } else {
        args.text(0)?
    };
    args.machine.charge(text.len() * 2)?;
    Ok(Value::safe(code(&text)))
}

/// What can be decoded, in either alphabet; other characters are skipped and the end may be missing.
fn decoded(text: &str) -> String {
    let text = text.split('=').next().unwrap_or_default();
    let mut digits: String = text
        .chars()
        .filter_map(|digit| match digit {
            '-' => Some('+'),
            '_' => Some('/'),
            '+' | '/' => Some(digit),
            _ => digit.is_ascii_alphanumeric().then_some(digit),
        })
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop();
    }
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&base64::alphabet::STANDARD, config).decode(digits).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn stringify(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    match args.plain(0) {
        Value::Undefined if args.count() == 0 => Ok(Value::Undefined),
        Value::Text(text) if matches!(args.get(0), Value::Safe(_)) => {
            let mut out = String::new();
            crate::print::quoted(&text, &mut out);
            Ok(out.into())
        }
        value @ (Value::Date(_) | Value::List(_) | Value::Object(_)) => {
            Ok(args.machine.json(&value, true, 2)?.map_or(Value::Undefined, Value::from))
        }
        value => Ok(value),
    }
}

fn json_parse(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Value::Text(text) = args.plain(0) else { return Ok(Value::Undefined) };
    args.machine.step(text.len() / 8)?;
    Ok(Value::from_json_text(&text).unwrap_or_default())
}

fn len(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    Ok(match args.get(0) {
        value @ (Value::Text(_) | Value::List(_)) => value.get("length"),
        _ => Value::Number(0.0),
    })
}

/// A part of a JSON web token, which is not verified.
fn jwt(args: &mut Args<'_, '_, '_, '_>, part: usize) -> Rendered<Value> {
    let Value::Text(token) = args.plain(0) else { return Ok(Value::Undefined) };
    let token = token.strip_prefix("Bearer ").unwrap_or(&token);
    let Some(part) = token.split('.').nth(part) else { return Ok(Value::Undefined) };
    let Some(content) = Value::from_json_text(&decoded(part)) else { return Ok(Value::Undefined) };
    match args.plain(1) {
        Value::Undefined => Ok(content),
        key => {
            let key = args.machine.text(&key)?;
            Ok(content.get(&key))
        }
    }
}
