//! What JavaScript does with values where a client can see it: texts, comparisons, paths.

use std::cmp::Ordering;
use std::sync::Arc;

use standin_template::{Scope, Value, json_path, path_names, to_json};

/// What `String(value)` gives.
pub fn text(value: &Value) -> String {
    match value {
        Value::Undefined => "undefined".to_owned(),
        Value::Null => "null".to_owned(),
        Value::Text(text) | Value::Safe(text) => text.as_ref().to_owned(),
        Value::Object(_) => "[object Object]".to_owned(),
        Value::List(list) => {
            let items = list.items().iter().map(|item| if item.is_nullish() { String::new() } else { text(item) });
            items.collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) | Value::Date(_) => to_json(value).unwrap_or_default(),
    }
}

/// What `Number(value)` gives.
fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        Value::Null => 0.0,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Undefined | Value::Object(_) => f64::NAN,
        _ => {
            let text = text(value);
            let trimmed = text.trim();
            // Rust reads more words than JavaScript does.
            let numeric = trimmed.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
            match trimmed {
                "" => 0.0,
                _ if numeric => trimmed.parse().unwrap_or(f64::NAN),
                _ => f64::NAN,
            }
        }
    }
}

/// What `a < b` and `a > b` go by; `None` when neither is, nor are they equal.
pub fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    let is_text = |value: &Value| matches!(value, Value::Text(_) | Value::Safe(_) | Value::List(_) | Value::Object(_));
    if is_text(a) && is_text(b) {
        return Some(text(a).encode_utf16().cmp(text(b).encode_utf16()));
    }
    number(a).partial_cmp(&number(b))
}

/// What the filter `eq` goes by: the same text, or the same number.
pub fn alike(a: &Value, b: &Value) -> bool {
    let (text_a, text_b) = (text(a), text(b));
    let starts_with_number = |text: &str| {
        let text = text.trim_start().trim_start_matches(['+', '-']);
        let text = text.strip_prefix('.').unwrap_or(text);
        text.starts_with(|character: char| character.is_ascii_digit()) || text.starts_with("Infinity")
    };
    (matches!(b, Value::Text(_)) && text_a == text_b)
        || (starts_with_number(&text_a) && starts_with_number(&text_b) && number(a) == number(b))
}

/// The integer that a text begins with.
pub fn leading_integer(text: &str) -> Option<i64> {
    let text = text.trim_start();
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let sign_length = text.len() - digits.len();
    let length = digits.find(|character: char| !character.is_ascii_digit()).unwrap_or(digits.len());
    text[..sign_length + length].trim_start_matches('+').parse().ok()
}

pub fn at<N: AsRef<str>>(value: &Value, names: &[N]) -> Value {
    names.iter().fold(value.clone(), |value, name| value.get(name.as_ref()))
}

/// What a rule finds by names with dots. Undefined where there is nothing; so far, there is nothing at a JSONPath.
pub fn find(scope: &mut Scope<'_>, value: &Value, path: &str) -> Value {
    if path.is_empty() || !matches!(value, Value::Object(_) | Value::List(_)) {
        return value.clone();
    }
    if path.starts_with('$') {
        return json_path(scope, value, path).unwrap_or_default();
    }
    at(value, &path_names(path))
}

/// The members of an object, or of a list by index; none of anything else.
pub fn members(value: &Value) -> Vec<(Arc<str>, Value)> {
    match value {
        Value::Object(object) => {
            object.entries().into_iter().map(|(name, value)| (Arc::clone(name), value.clone())).collect()
        }
        Value::List(list) => {
            let items = list.items().iter().enumerate();
            items.map(|(index, item)| (Arc::from(index.to_string()), item.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// The value with something set at a path; objects are made on the way.
pub fn with<N: AsRef<str>>(value: &Value, names: &[N], new: Value) -> Value {
    let Some((name, rest)) = names.split_first() else { return new };
    let name = name.as_ref();
    let member = with(&value.get(name), rest, new);
    let mut members = members(value);
    match members.iter_mut().find(|(known, _)| known.as_ref() == name) {
        Some((_, place)) => *place = member,
        None => members.push((Arc::from(name), member)),
    }
    if let (Value::List(_), true) =
        (value, members.iter().enumerate().all(|(index, (name, _))| **name == *index.to_string()))
    {
        return Value::list(members.into_iter().map(|(_, item)| item).collect());
    }
    Value::object(members)
}

/// Members of both; those of `over` win.
pub fn merged(under: &Value, over: &Value) -> Value {
    let mut all = members(under);
    for (name, value) in members(over) {
        match all.iter_mut().find(|(known, _)| *known == name) {
            Some((_, place)) => *place = value,
            None => all.push((name, value)),
        }
    }
    Value::object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        Value::from_json_text(text).unwrap()
    }

    #[test]
    fn texts_and_comparisons() {
        assert_eq!(text(&json("[1.0, null, \"a\", [true]]")), "1,,a,true");
        assert_eq!(text(&json("{}")), "[object Object]");
        let check = |a: &str, b: &str, expect| assert_eq!(compare(&json(a), &json(b)), expect, "{a} {b}");
        check("10", "\"9\"", Some(Ordering::Greater));
        check("\"10\"", "\"9\"", Some(Ordering::Less));
        check("null", "\"1\"", Some(Ordering::Less));
        check("1", "\"x\"", None);
        assert!(alike(&json("1"), &json("\"1.0\"")));
        assert!(!alike(&json("\"a\""), &json("\"b\"")));
        assert_eq!(leading_integer("-12px"), Some(-12));
        assert_eq!(leading_integer("x"), None);
    }

    #[test]
    fn paths() {
        // 60
        let value = json("{\"a\":[{\"b.c\":1}],\"d\":{\"e\":2}}");
        let (clock, random) = (standin_core::Clock::real(), standin_template::Random::seeded(1));
        let check = |path: &str, expect: &str| {
            assert_eq!(text(&find(&mut Scope::new(&clock, &random), &value, path)), expect, "{path}");
        };
        check("a.0.b\\.c", "1");
        check("$.d.e", "2");
        check("$.d.*", "2");
        check("$.x", "undefined");
        check("d.e", "2");
        check("d.x", "undefined");
        let set = with(&value, &["d", "f", "g"], json("3"));
        assert_eq!(to_json(&set).unwrap(), "{\"a\":[{\"b.c\":1}],\"d\":{\"e\":2,\"f\":{\"g\":3}}}");
        assert_eq!(to_json(&merged(&json("{\"a\":1,\"b\":2}"), &json("{\"a\":3}"))).unwrap(), "{\"a\":3,\"b\":2}");
    }
}
