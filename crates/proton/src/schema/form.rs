//! The inputs of a template as fields of a form: what `standin proton schema` prints and a web form needs.

use serde_json::{Value, json};

use super::{Schema, Type};

/// One input.
#[derive(Clone, Debug)]
pub struct Field {
    /// Dots between levels, `[]` for the items of a list: `listeners[].port`.
    pub path: String,
    pub required: bool,
    pub kind: &'static str,
    pub title: Option<String>,
    pub description: Option<String>,
    pub default: Option<Value>,
    /// In words: `1 to 10`, `matches ^a`.
    pub limits: Vec<String>,
    pub values: Vec<Value>,
}

impl Field {
    pub fn to_json(&self) -> Value {
        let mut value = json!({ "name": self.path, "type": self.kind, "required": self.required });
        let texts = [("title", &self.title), ("description", &self.description)];
        for (name, text) in texts {
            if let Some(text) = text {
                value[name] = json!(text);
            }
        }
        if let Some(default) = &self.default {
            value["default"] = default.clone();
        }
        if !self.values.is_empty() {
            value["enum"] = json!(self.values);
        }
        if !self.limits.is_empty() {
            value["limits"] = json!(self.limits);
        }
        value
    }
}

/// All inputs of a type, in the order of the schema; those of nested objects after the object.
pub fn fields(schema: &Schema, of: &Type) -> Vec<Field> {
    let mut found = Vec::new();
    collect(schema, of, "", 0, &mut found);
    found
}

fn collect(schema: &Schema, of: &Type, prefix: &str, depth: usize, found: &mut Vec<Field>) {
    // Types that contain themselves have no end.
    if depth > 8 {
        return;
    }
    let of = schema.resolved(of);
    for (name, property) in &of.properties {
        let property = schema.resolved(property);
        let path = format!("{prefix}{name}");
        found.push(Field {
            required: of.required.contains(name) && property.default.is_none(),
            kind: property.effective_kind().map_or("any", super::Kind::name),
            title: property.title.clone(),
            description: property.description.clone(),
            default: property.default.clone(),
            limits: limits(property),
            values: property.values.clone().unwrap_or_default(),
            path: path.clone(),
        });
        collect(schema, property, &format!("{path}."), depth + 1, found);
        if let Some(items) = &property.items {
            collect(schema, items, &format!("{path}[]."), depth + 1, found);
        }
    }
    for part in &of.all_of {
        collect(schema, part, prefix, depth + 1, found);
    }
}

fn limits(of: &Type) -> Vec<String> {
    let number = |bound: Option<f64>| bound.map(|bound| bound.to_string());
    let count = |bound: Option<u64>| bound.map(|bound| bound.to_string());
    let ranges = [
        (number(of.minimum), number(of.maximum), ""),
        (count(of.min_length), count(of.max_length), " characters"),
        (count(of.min_items), count(of.max_items), " items"),
        (count(of.min_properties), count(of.max_properties), " properties"),
    ];
    let mut found: Vec<String> = ranges
        .into_iter()
        .filter_map(|(low, high, unit)| match (low, high) {
            (None, None) => None,
            (Some(low), None) => Some(format!("at least {low}{unit}")),
            (None, Some(high)) => Some(format!("at most {high}{unit}")),
            (Some(low), Some(high)) => Some(format!("{low} to {high}{unit}")),
        })
        .collect();
    if let Some(pattern) = &of.pattern {
        found.push(format!("matches {}", pattern.as_str()));
    }
    if let Some(step) = of.multiple_of {
        found.push(format!("a multiple of {step}"));
    }
    if of.unique_items {
        found.push("no item twice".into());
    }
    found
}
