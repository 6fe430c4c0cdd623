//! The text of a template as a value: JSON or YAML, with the short forms of functions written out.

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use yaml_serde::Value as Yaml;

use crate::error::TemplateError;

/// The longest template, in bytes. Source: "CloudFormation quotas", template body size in an S3 object.
pub const BYTES_MAX: usize = 1_048_576;
/// The longest template that a request carries, in bytes. Source: same place.
pub const BODY_BYTES_MAX: usize = 51_200;
/// Values within values, at most.
pub const DEPTH_MAX: usize = 64;

/// Functions whose short form is their name after `!`, and whose long form begins with `Fn::`.
const FUNCTIONS: &[&str] = &[
    "And",
    "Base64",
    "Cidr",
    "Contains",
    "EachMemberEquals",
    "EachMemberIn",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Length",
    "Not",
    "Or",
    "RefAll",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
    "ValueOf",
    "ValueOfAll",
];

/// Reads the text of a template. Keys keep their order; a key that stands twice is an error, and so is `null`.
///
/// # Errors
/// With the position where the reader of JSON or YAML tells one.
pub fn parse(text: &str) -> Result<Value, TemplateError> {
    if text.len() > BYTES_MAX {
        return Err(TemplateError::format(format_args!(
            "the template has {} bytes; the most is {BYTES_MAX}",
            text.len()
        )));
    }
    // A flow mapping of YAML begins with a brace, too, but rarely with a quote after it.
    let is_json = text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with(['"', '}']));
    let value = if is_json { json(text)? } else { yaml(text)? };
    if !value.is_object() {
        return Err(TemplateError::format("the template is not a JSON or YAML object"));
    }
    check_values(&value, &mut Vec::new())?;
    Ok(value)
}

fn json(text: &str) -> Result<Value, TemplateError> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Unique.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let told = error.to_string();
        let cause = told.split(" at line ").next().unwrap_or_default();
        TemplateError::format(format_args!("JSON not well-formed: {cause} (line {line}, column {column})"))
            .with_position(line, column)
    })
}

fn yaml(text: &str) -> Result<Value, TemplateError> {
    let value: Yaml = yaml_serde::from_str(text).map_err(|error| {
        let place = error.location();
        let told = error.to_string();
        let cause = told.split(" at line ").next().unwrap_or_default();
        match place {
            Some(place) => {
                let (line, column) = (place.line(), place.column());
                TemplateError::format(format_args!("YAML not well-formed: {cause} (line {line}, column {column})"))
                    .with_position(line, column)
            }
            None => TemplateError::format(format_args!("YAML not well-formed: {cause}")),
        }
    })?;
    from_yaml(value, &mut Vec::new())
}

fn from_yaml(value: Yaml, path: &mut Vec<String>) -> Result<Value, TemplateError> {
    if path.len() > DEPTH_MAX {
        return Err(too_deep(path));
    }
    Ok(match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(int), _, _) => Value::from(int),
            (_, Some(int), _) => Value::from(int),
            (_, _, Some(float)) => {
                serde_json::Number::from_f64(float).map_or_else(|| Value::String(number.to_string()), Value::Number)
            }
            _ => Value::String(number.to_string()),
        },
        Yaml::String(text) => Value::String(text),
        Yaml::Sequence(items) => {
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.into_iter().enumerate() {
                path.push(at.to_string());
                list.push(from_yaml(item, path)?);
                path.pop();
            }
            Value::Array(list)
        }
        Yaml::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let key = match key {
                    Yaml::String(text) => text,
                    Yaml::Number(number) => number.to_string(),
                    Yaml::Bool(flag) => flag.to_string(),
                    _ => {
                        return Err(TemplateError::format(format_args!(
                            "[/{}] map keys must be strings",
                            path.join("/")
                        ))
                        .at(path.clone()));
                    }
                };
                path.push(key.clone());
                let value = from_yaml(value, path)?;
                path.pop();
                if map.contains_key(&key) {
                    return Err(duplicate(&key).at(path.clone()));
                }
                map.insert(key, value);
            }
            Value::Object(map)
        }
        Yaml::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            path.push(name.to_owned());
            let value = from_yaml(tagged.value, path)?;
            path.pop();
            written_out(name, value).ok_or_else(|| {
                TemplateError::format(format_args!("[/{}] unknown tag !{name}", path.join("/"))).at(path.clone())
            })?
        }
    })
}

/// The long form of a short one: `!GetAtt A.B` is `{"Fn::GetAtt": ["A", "B"]}`.
fn written_out(name: &str, value: Value) -> Option<Value> {
    let key = match name {
        "Ref" | "Condition" => name.to_owned(),
        _ if FUNCTIONS.contains(&name) || name.starts_with("ForEach::") => format!("Fn::{name}"),
        _ => return None,
    };
    let value = match (name, value) {
        ("GetAtt", Value::String(text)) => match text.split_once('.') {
            Some((resource, attribute)) => Value::from(vec![resource, attribute]),
            None => Value::String(text),
        },
        (_, value) => value,
    };
    Some(Value::Object(Map::from_iter([(key, value)])))
}

/// Nothing in a template is `null` or lies too deep.
fn check_values(value: &Value, path: &mut Vec<String>) -> Result<(), TemplateError> {
    if path.len() > DEPTH_MAX {
        return Err(too_deep(path));
    }
    let mut step = |key: String, value: &Value| {
        path.push(key);
        let checked = check_values(value, path);
        path.pop();
        checked
    };
    match value {
        Value::Null => {
            let place = path.join("/");
            Err(TemplateError::format(format_args!("[/{place}] 'null' values are not allowed in templates"))
                .at(path.clone()))
        }
        Value::Array(items) => items.iter().enumerate().try_for_each(|(at, item)| step(at.to_string(), item)),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| step(key.clone(), value)),
        _ => Ok(()),
    }
}

fn too_deep(path: &[String]) -> TemplateError {
    TemplateError::format(format_args!("values lie deeper than {DEPTH_MAX} in each other")).at(path.iter().take(4))
}

fn duplicate(key: &str) -> TemplateError {
    TemplateError::format(format_args!("duplicate key: {key} stands twice in the same place"))
}

/// A JSON value, any key of whose objects stands once.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Unique)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format_args!("duplicate key: {key}")));
            }
            let value = entries.next_value_seed(Unique)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_forms_are_written_out() {
        let check =
            |yaml: &str, expect: Value| assert_eq!(parse(&format!("A: {yaml}")).unwrap()["A"], expect, "{yaml}");
        check("!Ref B", json!({"Ref": "B"}));
        check("!GetAtt B.Arn", json!({"Fn::GetAtt": ["B", "Arn"]}));
        check("!GetAtt B.Endpoint.Address", json!({"Fn::GetAtt": ["B", "Endpoint.Address"]}));
        check("!GetAtt [B, Arn]", json!({"Fn::GetAtt": ["B", "Arn"]}));
        check("!Sub '${B}-x'", json!({"Fn::Sub": "${B}-x"}));
        check("!If [C, !Ref B, !Ref 'AWS::NoValue']", json!({"Fn::If": ["C", {"Ref": "B"}, {"Ref": "AWS::NoValue"}]}));
        check("!Not [!Condition C]", json!({"Fn::Not": [{"Condition": "C"}]}));
        check("!Select [0, !GetAZs '']", json!({"Fn::Select": [0, {"Fn::GetAZs": ""}]}));
        check("2012-10-17", json!("2012-10-17"));
        check("012345678901", json!("012345678901"));
        check("1.5", json!(1.5));
        check("{1: x}", json!({"1": "x"}));
    }

    #[test]
    fn bad_texts_say_where() {
        let check = |text: &str, contains: &str, line: Option<usize>| {
            let error = parse(text).expect_err(text);
            assert!(error.message.contains(contains), "{}", error.message);
            assert_eq!(error.line(text), line, "{}", error.message);
        };
        check("A:\n  B: [1\nC: 2", "YAML not well-formed", Some(3));
        check("{\n\"A\": }", "JSON not well-formed", Some(2));
        check("Resources:\n  A: 1\n  A: 2", "duplicate", Some(2));
        check("{\"Resources\": {\"A\": 1,\n \"A\": 2}}", "duplicate key: A", Some(2));
        check("A:\n  B:\n  C: 1", "[/A/B] 'null' values", Some(2));
        check("A:\n  B: !Nope x", "[/A/B] unknown tag !Nope", Some(2));
        check("just text", "not a JSON or YAML object", None);
        check(&"[".repeat(1000), "YAML not well-formed", Some(1));
        check(&format!("A: {}", "x".repeat(BYTES_MAX)), "the most is", None);
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n";
        assert!(parse(bomb).is_err());
    }
}
