//! Bodies from schemas: templates that make up values of the right kind.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value};

use super::references::Tree;

/// Schemas that are looked at for one body; the rest of a larger one is left out.
const SCHEMAS_MAX: usize = 5_000;

/// Deeper ones are left out.
const DEPTH_MAX: usize = 200;

/// What a schema is shown by; `None` where it is none.
pub fn example(schema: &Tree) -> Option<Value> {
    Maker { left: SCHEMAS_MAX }.make(schema, 0)
}

struct Maker {
    left: usize,
}

impl Maker {
    fn make(&mut self, schema: &Tree, depth: usize) -> Option<Value> {
        if !(schema.is_map() || schema.is_list()) || self.left == 0 || depth > DEPTH_MAX {
            return None;
        }
        self.left -= 1;
        if let Some(values) = schema.get("enum").filter(|list| list.is_list()) {
            let values = values.items().iter().map(|value| match value.leaf() {
                Some(Value::String(text)) => format!("'{text}'"),
                _ => value.printed(),
            });
            return Some(Value::String(format!("{{{{oneOf {}}}}}", values.collect::<Vec<_>>().join(" "))));
        }
        if let Some(given) = schema.get("example").or_else(|| schema.get("default")) {
            return Some(given.to_value());
        }
        let list = |name: &str| schema.get(name).filter(|list| !list.items().is_empty());
        if let Some(all) = list("allOf") {
            return self.merged(all.items(), depth);
        }
        if let Some(any) = list("oneOf").or_else(|| list("anyOf")) {
            return self.make(&any.items()[0], depth + 1);
        }
        let kind = schema.get("type").map(|kind| match kind.items().first() {
            Some(first) => first.printed(),
            None => kind.printed(),
        });
        let kind = kind.filter(|kind| !kind.is_empty());
        let kind = kind.or_else(|| schema.get("properties").filter(|map| map.is_map()).map(|_| "object".to_owned()));
        let format = schema.text("format").unwrap_or_default();
        Some(Value::String(
            match (kind.unwrap_or_default().as_str(), format) {
                ("array", _) => return Some(self.list(schema, depth)),
                ("object", _) => return Some(self.object(schema.get("properties"), depth)),
                ("number", "float" | "double") => "{{faker 'number.float'}}",
                ("integer" | "number", _) => "{{faker 'number.int' max=99999}}",
                ("string", "date") => "{{date '2019' (now) 'yyyy-MM-dd'}}",
                ("string", "date-time") => "{{faker 'date.recent' 365}}",
                ("string", "email") => "{{faker 'internet.email'}}",
                ("string", "uuid") => "{{faker 'string.uuid'}}",
                ("boolean", _) => "{{faker 'datatype.boolean'}}",
                _ => "",
            }
            .to_owned(),
        ))
    }

    fn list(&mut self, schema: &Tree, depth: usize) -> Value {
        let item = schema.get("items").and_then(|items| self.make(items, depth + 1)).unwrap_or_default();
        if schema.text("collectionFormat") == Some("csv") { item } else { Value::Array(vec![item]) }
    }

    fn object(&mut self, properties: Option<&Tree>, depth: usize) -> Value {
        let mut members = Map::new();
        for (name, property) in properties.map(Tree::members).unwrap_or_default() {
            if let Some(value) = self.make(property, depth + 1) {
                members.insert(name.clone(), value);
            }
        }
        Value::Object(members)
    }

    /// The example, the default, the values or the properties of all.
    fn merged(&mut self, schemas: &[Tree], depth: usize) -> Option<Value> {
        let values: Vec<String> = schemas
            .iter()
            .filter_map(|schema| schema.get("enum"))
            .flat_map(|values| values.items().to_vec())
            .map(|value| match value.leaf() {
                Some(Value::String(text)) => format!("'{text}'"),
                _ => value.printed(),
            })
            .collect();
        if !values.is_empty() {
            let mut seen = std::collections::HashSet::new();
            let values: Vec<String> = values.into_iter().filter(|value| seen.insert(value.clone())).collect();
            return Some(Value::String(format!("{{{{oneOf {}}}}}", values.join(" "))));
        }
        let mut examples = Map::new();
        for example in schemas.iter().filter_map(|schema| schema.get("example")) {
            examples.extend(example.members().iter().map(|(name, member)| (name.clone(), member.to_value())));
        }
        if !examples.is_empty() {
            return Some(Value::Object(examples));
        }
        if let Some(default) = schemas.iter().find_map(|schema| schema.get("default")) {
            return Some(default.to_value());
        }
        // The last of a name counts, in the place of the first.
        let mut properties: Vec<(String, Tree)> = Vec::new();
        for (name, property) in
            schemas.iter().filter_map(|schema| schema.get("properties")).flat_map(|all| all.members().to_vec())
        {
            match properties.iter_mut().find(|(known, _)| *known == name) {
                Some((_, place)) => *place = property,
                None => properties.push((name, property)),
            }
        }
        let mut members = Map::new();
        for (name, property) in properties {
            if let Some(value) = self.make(&property, depth + 1) {
                members.insert(name, value);
            }
        }
        Some(Value::Object(members))
    }
}

/// A body as text, where templates for numbers and the like stand without quotes.
pub fn text(body: &Value) -> String {
    static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let plain = r"(?:-?\d+(?:\.\d+)?|true|false|null)";
        let faker = r"faker '(?:number\.int|number\.float|datatype\.boolean)'(?: max=99999)?";
        Regex::new(&format!(r#""(\{{\{{(?:{faker}|oneOf {plain}(?: {plain})*?)\}}\}})""#)).ok()
    });
    let text = serde_json::to_string_pretty(&with_whole_numbers(body)).unwrap_or_default();
    QUOTED.as_ref().map_or_else(|| text.clone(), |quoted| quoted.replace_all(&text, "$1").into_owned())
}

/// JavaScript writes `1.0` as `1`.
fn with_whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_f64() {
            #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => (float as i64).into(),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(with_whole_numbers).collect(),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, value)| (name.clone(), with_whole_numbers(value))).collect())
        }
        other => other.clone(),
    }
}
