//! Values against their types: what is wrong with them, and what they are with all defaults.

use serde_json::{Map, Value};
use standin_model::nearest;

use super::{Additional, Kind, Schema, Type};
use crate::finding::Finding;
use crate::yaml::{self, Node};

/// Deeper recursion of types is not followed.
const DEPTH_MAX: usize = 64;

/// The outcome of a check.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// With the defaults of what was left out.
    pub value: Value,
    pub findings: Vec<Finding>,
}

/// Checks a value against a type of the schema, and fills in the defaults.
///
/// `file` is what findings name, `path` what the value is called (`spec`).
pub fn check(schema: &Schema, wanted: &Type, node: &Node, file: &str, path: &str) -> Checked {
    let mut checker = Checker { schema, file, findings: Vec::new() };
    let value = checker.value(wanted, node, path, 0);
    Checked { value, findings: checker.findings }
}

struct Checker<'s> {
    schema: &'s Schema,
    file: &'s str,
    findings: Vec<Finding>,
}

impl Checker<'_> {
    fn wrong(&mut self, rule: &'static str, node: &Node, message: String) {
        self.findings.push(Finding::error(rule, self.file, node.place, message));
    }

    fn value(&mut self, wanted: &Type, node: &Node, path: &str, depth: usize) -> Value {
        let wanted = self.schema.resolved(wanted);
        if depth > DEPTH_MAX {
            self.wrong("spec-depth", node, format!("{path} is nested too deeply"));
            return Value::Null;
        }
        let mut value = node.to_json();
        if value.is_null() && wanted.nullable {
            return value;
        }
        value = match wanted.effective_kind() {
            Some(kind) => match self.of_kind(kind, value, node, path) {
                Some(value) => value,
                None => return Value::Null,
            },
            None => value,
        };
        if let Some(values) = &wanted.values
            && !values.iter().any(|allowed| same(allowed, &value))
        {
            let allowed = values.iter().map(shown).collect::<Vec<_>>().join(", ");
            self.wrong("spec-enum", node, format!("{path} is {}; it must be one of {allowed}", shown(&value)));
        }
        match &value {
            Value::String(text) => self.text(wanted, text, node, path),
            Value::Number(number) => self.number(wanted, number.as_f64().unwrap_or_default(), node, path),
            Value::Array(_) => value = self.list(wanted, node, path, depth),
            Value::Object(_) => value = self.object(wanted, node, path, depth),
            _ => {}
        }
        self.combined(wanted, node, path, depth, &mut value);
        value
    }

    /// The value as one of that kind.
    fn of_kind(&mut self, kind: Kind, value: Value, node: &Node, path: &str) -> Option<Value> {
        let fits = match kind {
            Kind::String => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Integer => {
                value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|float| float.fract() == 0.0)
            }
            Kind::Boolean => value.is_boolean(),
            Kind::Array => value.is_array(),
            Kind::Object => value.is_object(),
        };
        if fits {
            return Some(value);
        }
        // YAML 1.1, which Proton's own parser spoke, has these for booleans.
        if let (Kind::Boolean, yaml::Kind::Scalar { text, plain: true }) = (kind, &node.kind) {
            match text.to_ascii_lowercase().as_str() {
                "yes" | "on" => return Some(Value::Bool(true)),
                "no" | "off" => return Some(Value::Bool(false)),
                _ => {}
            }
        }
        let hint = match (kind, &value) {
            (Kind::String, Value::Number(_) | Value::Bool(_)) => {
                format!("; write \"{}\" in quotes", node.text().unwrap_or_default())
            }
            (Kind::Number | Kind::Integer | Kind::Boolean, Value::String(text)) if !yaml_string(text) => {
                "; write it without quotes".to_owned()
            }
            _ => String::new(),
        };
        self.wrong("spec-type", node, format!("{path} must be {}, not {}{hint}", kind.with_article(), node.what()));
        None
    }

    fn text(&mut self, wanted: &Type, text: &str, node: &Node, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = wanted.min_length.filter(|least| length < *least) {
            self.wrong("spec-length", node, format!("{path} has {length} characters; at least {least} are needed"));
        }
        if let Some(most) = wanted.max_length.filter(|most| length > *most) {
            self.wrong("spec-length", node, format!("{path} has {length} characters; at most {most} are allowed"));
        }
        if let Some(pattern) = &wanted.pattern {
            match pattern.is_match(text) {
                Ok(true) => {}
                Ok(false) => self.wrong(
                    "spec-pattern",
                    node,
                    format!("{path} is \"{text}\", which does not match the pattern {}", pattern.as_str()),
                ),
                Err(_) => self.wrong(
                    "spec-pattern",
                    node,
                    format!("{path} takes the pattern {} too many steps", pattern.as_str()),
                ),
            }
        }
    }

    fn number(&mut self, wanted: &Type, number: f64, node: &Node, path: &str) {
        if let Some(least) = wanted.minimum {
            if wanted.exclusive_minimum && number <= least {
                self.wrong("spec-range", node, format!("{path} is {number}; it must be above {least}"));
            } else if number < least {
                self.wrong("spec-range", node, format!("{path} is {number}; at least {least} is needed"));
            }
        }
        if let Some(most) = wanted.maximum {
            if wanted.exclusive_maximum && number >= most {
                self.wrong("spec-range", node, format!("{path} is {number}; it must be below {most}"));
            } else if number > most {
                self.wrong("spec-range", node, format!("{path} is {number}; at most {most} is allowed"));
            }
        }
        if let Some(step) = wanted.multiple_of {
            let steps = number / step;
            if (steps - steps.round()).abs() > 1e-9 {
                self.wrong("spec-range", node, format!("{path} is {number}, which is no multiple of {step}"));
            }
        }
    }

    fn list(&mut self, wanted: &Type, node: &Node, path: &str, depth: usize) -> Value {
        let nodes = node.items().unwrap_or_default();
        let count = nodes.len() as u64;
        if let Some(least) = wanted.min_items.filter(|least| count < *least) {
            self.wrong("spec-length", node, format!("{path} has {count} items; at least {least} are needed"));
        }
        if let Some(most) = wanted.max_items.filter(|most| count > *most) {
            self.wrong("spec-length", node, format!("{path} has {count} items; at most {most} are allowed"));
        }
        let mut items = Vec::with_capacity(nodes.len());
        for (at, item) in nodes.iter().enumerate() {
            let path = format!("{path}[{at}]");
            items.push(match &wanted.items {
                Some(wanted) => self.value(wanted, item, &path, depth + 1),
                None => item.to_json(),
            });
        }
        if wanted.unique_items {
            let mut seen = std::collections::HashSet::new();
            if let Some(at) = items.iter().position(|item| !seen.insert(item.to_string())) {
                self.wrong("spec-unique", &nodes[at], format!("{path}[{at}] is there a second time"));
            }
        }
        Value::Array(items)
    }

    fn object(&mut self, wanted: &Type, node: &Node, path: &str, depth: usize) -> Value {
        let entries = node.entries().unwrap_or_default();
        let mut found = Map::new();
        for (key, value) in entries {
            let name = key.text().unwrap_or_default();
            let inner = format!("{path}.{name}");
            let value = match (wanted.property(name), &wanted.additional) {
                (Some(wanted), _) => self.value(wanted, value, &inner, depth + 1),
                (None, Additional::Typed(wanted)) => self.value(wanted, value, &inner, depth + 1),
                (None, Additional::Any) => value.to_json(),
                (None, Additional::None) => {
                    let near = nearest(name, wanted.properties.iter().map(|(name, _)| name.as_str()), 1);
                    let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                    self.wrong("spec-unknown", key, format!("{path} has no property \"{name}\"{hint}"));
                    continue;
                }
            };
            found.insert(name.to_owned(), value);
        }
        for (name, property) in &wanted.properties {
            if !found.contains_key(name)
                && let Some(default) = &self.schema.resolved(property).default
            {
                found.insert(name.clone(), default.clone());
            }
        }
        let missing: Vec<&str> =
            wanted.required.iter().map(String::as_str).filter(|name| !found.contains_key(*name)).collect();
        for name in missing {
            let near = nearest(
                name,
                entries.iter().filter_map(|(key, _)| key.text()).filter(|key| wanted.property(key).is_none()),
                1,
            );
            let hint = near.first().map_or_else(String::new, |near| format!("; is it \"{near}\"?"));
            self.wrong("spec-required", node, format!("{path} lacks the required input \"{name}\"{hint}"));
        }
        let count = found.len() as u64;
        if let Some(least) = wanted.min_properties.filter(|least| count < *least) {
            self.wrong("spec-length", node, format!("{path} has {count} properties; at least {least} are needed"));
        }
        if let Some(most) = wanted.max_properties.filter(|most| count > *most) {
            self.wrong("spec-length", node, format!("{path} has {count} properties; at most {most} are allowed"));
        }
        Value::Object(found)
    }

    /// `allOf`, `anyOf`, `oneOf` and `not`.
    fn combined(&mut self, wanted: &Type, node: &Node, path: &str, depth: usize, value: &mut Value) {
        for part in &wanted.all_of {
            let part = self.value(part, node, path, depth + 1);
            merge(value, part);
        }
        for (parts, name, all) in [(&wanted.any_of, "anyOf", false), (&wanted.one_of, "oneOf", true)] {
            if parts.is_empty() {
                continue;
            }
            let mut fitting = Vec::new();
            for part in parts {
                if let Some(found) = self.trial(part, node, path, depth) {
                    fitting.push(found);
                }
            }
            if fitting.is_empty() || (all && fitting.len() > 1) {
                let count = fitting.len();
                self.wrong(
                    "spec-choice",
                    node,
                    format!("{path} fits {count} of the {} choices of {name}", parts.len()),
                );
            } else if let Some(first) = fitting.into_iter().next() {
                merge(value, first);
            }
        }
        if let Some(part) = &wanted.not
            && self.trial(part, node, path, depth).is_some()
        {
            self.wrong("spec-choice", node, format!("{path} is what the schema excludes by \"not\""));
        }
    }

    /// The value if it fits; what does not fit is not told.
    fn trial(&mut self, wanted: &Type, node: &Node, path: &str, depth: usize) -> Option<Value> {
        let before = self.findings.len();
        let value = self.value(wanted, node, path, depth + 1);
        let fits = self.findings.len() == before;
        self.findings.truncate(before);
        fits.then_some(value)
    }
}

/// Adds properties, filled in by another part of a combined type, that are not there yet.
fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        for (name, value) in from {
            into.entry(name).or_insert(value);
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

/// Whether a text would be a string without quotes, too.
fn yaml_string(text: &str) -> bool {
    yaml::parse(text).map_or(true, |node| node.to_json().is_string())
}

fn shown(value: &Value) -> String {
    value.to_string()
}
