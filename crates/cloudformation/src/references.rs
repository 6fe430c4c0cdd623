//! What values of a template refer to, and the order that follows from it.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;
use serde_json::Value;

use crate::error::TemplateError;
use crate::template::Template;

/// One name that a value mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reference<'v> {
    /// `Ref`, and `${Name}` in `Fn::Sub`: a parameter, a pseudo parameter or a resource.
    Name(&'v str),
    /// `Fn::GetAtt`, and `${Name.Attribute}`: the resource, and the attribute where that is no expression.
    Attribute(&'v str, &'v str),
    /// The first argument of `Fn::If`.
    Condition(&'v str),
    /// The name in `{"Condition": "Name"}`: a condition where that stands among conditions, else only an entry of that name.
    Nested(&'v str),
    /// Any function, by its key.
    Function(&'v str),
}

/// The key and argument of a function: of an object with one key that is `Ref` or begins with `Fn::`.
pub fn function(value: &Value) -> Option<(&str, &Value)> {
    let map = value.as_object()?;
    let (key, argument) = map.iter().next().filter(|_| map.len() == 1)?;
    (key == "Ref" || key.starts_with("Fn::")).then_some((key.as_str(), argument))
}

/// Visits what a value mentions. Where conditions are given, only the branches of `Fn::If` that are taken.
pub fn visit<'v>(value: &'v Value, conditions: Option<&IndexMap<String, bool>>, see: &mut dyn FnMut(Reference<'v>)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, conditions, see)),
        Value::Object(map) => {
            let Some((key, argument)) = function(value) else {
                if let Some(Value::String(name)) = map.get("Condition").filter(|_| map.len() == 1) {
                    see(Reference::Nested(name));
                }
                return map.values().for_each(|value| visit(value, conditions, see));
            };
            see(Reference::Function(key));
            match (key, argument) {
                ("Ref", Value::String(name)) => see(Reference::Name(name)),
                ("Fn::GetAtt", Value::String(text)) => {
                    let (name, attribute) = text.split_once('.').unwrap_or((text, ""));
                    see(Reference::Attribute(name, attribute));
                }
                ("Fn::GetAtt", Value::Array(items)) => {
                    if let Some(Value::String(name)) = items.first() {
                        see(Reference::Attribute(name, items.get(1).and_then(Value::as_str).unwrap_or_default()));
                    }
                    items.iter().skip(1).for_each(|item| visit(item, conditions, see));
                }
                ("Fn::Sub", Value::String(text)) => visit_text(text, None, see),
                ("Fn::Sub", Value::Array(items)) => {
                    let own = items.get(1);
                    if let Some(Value::String(text)) = items.first() {
                        visit_text(text, own, see);
                    }
                    items.iter().skip(1).for_each(|item| visit(item, conditions, see));
                }
                ("Fn::If", Value::Array(items)) => {
                    let name = items.first().and_then(Value::as_str);
                    if let Some(name) = name {
                        see(Reference::Condition(name));
                    }
                    let taken = name.zip(conditions).and_then(|(name, conditions)| conditions.get(name));
                    for (at, branch) in items.iter().enumerate().skip(1) {
                        if taken.is_none_or(|yes| (at == 1) == *yes) {
                            visit(branch, conditions, see);
                        }
                    }
                }
                _ => visit(argument, conditions, see),
            }
        }
        _ => {}
    }
}

fn visit_text<'v>(text: &'v str, own: Option<&Value>, see: &mut dyn FnMut(Reference<'v>)) {
    for part in parts(text) {
        if let Part::Variable(name) = part
            && own.is_none_or(|own| own.get(name).is_none())
        {
            match name.split_once('.') {
                Some((resource, attribute)) => see(Reference::Attribute(resource, attribute)),
                None => see(Reference::Name(name)),
            }
        }
    }
}

/// A piece of the text of `Fn::Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'t> {
    Text(&'t str),
    /// The name in `${Name}`, trimmed.
    Variable(&'t str),
    /// The name in `${!Name}`, which stays as `${Name}`.
    Literal(&'t str),
}

/// Takes the text of `Fn::Sub` apart.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let Some(end) = rest[at..].find('}').map(|end| at + end) else { break };
        if at > 0 {
            parts.push(Part::Text(&rest[..at]));
        }
        let name = &rest[at + 2..end];
        parts.push(match name.strip_prefix('!') {
            Some(literal) => Part::Literal(literal),
            None => Part::Variable(name.trim()),
        });
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// The resources of a template that a resource needs before it, in the order of their names.
pub fn dependencies<'t>(
    template: &'t Template,
    name: &str,
    conditions: Option<&IndexMap<String, bool>>,
) -> BTreeSet<&'t str> {
    let mut needed = BTreeSet::new();
    let Some(resource) = template.resources.get(name) else { return needed };
    let mut need = |name: &str| {
        if let Some((name, _)) = template.resources.get_key_value(name) {
            needed.insert(name.as_str());
        }
    };
    resource.depends_on.iter().for_each(|name| need(name));
    let values = [Some(&resource.properties), resource.metadata.as_ref()];
    for value in values.into_iter().flatten() {
        visit(value, conditions, &mut |reference| match reference {
            Reference::Name(name) | Reference::Attribute(name, _) => need(name),
            _ => {}
        });
    }
    needed
}

/// The order in which resources are made: each after those that it needs, else as the template has them.
///
/// # Errors
/// Where resources need each other in a circle: all of the circle are named.
pub fn order(
    template: &Template,
    conditions: Option<&IndexMap<String, bool>>,
    active: &dyn Fn(&str) -> bool,
) -> Result<Vec<String>, TemplateError> {
    let names: Vec<&str> = template.resources.keys().map(String::as_str).filter(|name| active(name)).collect();
    let place: BTreeMap<&str, usize> = names.iter().enumerate().map(|(at, name)| (*name, at)).collect();
    let mut waits_for: Vec<BTreeSet<usize>> = Vec::with_capacity(names.len());
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); names.len()];
    for (at, name) in names.iter().enumerate() {
        let needed: BTreeSet<usize> =
            dependencies(template, name, conditions).iter().filter_map(|name| place.get(name).copied()).collect();
        needed.iter().for_each(|other| wanted_by[*other].push(at));
        waits_for.push(needed);
    }
    let mut ready: BTreeSet<usize> = (0..names.len()).filter(|at| waits_for[*at].is_empty()).collect();
    let mut sorted = Vec::with_capacity(names.len());
    while let Some(at) = ready.pop_first() {
        sorted.push(names[at].to_owned());
        for other in &wanted_by[at] {
            waits_for[*other].remove(&at);
            if waits_for[*other].is_empty() {
                ready.insert(*other);
            }
        }
    }
    if sorted.len() == names.len() {
        return Ok(sorted);
    }
    // What waits for ever is a circle or waits for one: whatever nobody of the rest waits for is not in it.
    let mut circle: BTreeSet<usize> = (0..names.len()).filter(|at| !waits_for[*at].is_empty()).collect();
    loop {
        let outside: Vec<usize> =
            circle.iter().copied().filter(|at| !circle.iter().any(|other| waits_for[*other].contains(at))).collect();
        if outside.is_empty() {
            break;
        }
        outside.iter().for_each(|at| {
            circle.remove(at);
        });
    }
    let told: Vec<&str> = circle.iter().map(|at| names[*at]).collect();
    let first = told.first().copied().unwrap_or_default();
    Err(TemplateError::new(format!("Circular dependency between resources: [{}]", told.join(", ")))
        .at(["Resources", first]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sorted(resources: &Value) -> Result<Vec<String>, TemplateError> {
        order(&Template::read(&json!({"Resources": resources})).unwrap(), None, &|_| true)
    }

    #[test]
    fn texts_are_taken_apart() {
        use Part::{Literal, Text, Variable};
        let check = |text: &str, expect: &[Part<'_>]| assert_eq!(parts(text), expect, "{text}");
        check("a${B}c", &[Text("a"), Variable("B"), Text("c")]);
        check("${!B}${ C.D }", &[Literal("B"), Variable("C.D")]);
        check("$5 ${open", &[Text("$5 ${open")]);
        check("", &[]);
    }

    #[test]
    fn order_follows_references() {
        let order = sorted(&json!({
            "A": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${C.Arn}-${AWS::Region}"}}},
            "B": {"Type": "T"},
            "C": {"Type": "T", "DependsOn": ["D"]},
            "D": {"Type": "T", "Properties": {"x": {"Fn::If": ["Y", {"Ref": "B"}, 1]}}},
        }));
        assert_eq!(order.unwrap(), ["B", "D", "C", "A"]);
    }

    #[test]
    fn circles_are_named() {
        let error = sorted(&json!({
            "A": {"Type": "T", "Properties": {"x": {"Ref": "B"}}},
            "B": {"Type": "T", "Properties": {"x": {"Fn::GetAtt": ["C", "Arn"]}}},
            "C": {"Type": "T", "DependsOn": "B"},
            "D": {"Type": "T"},
        }))
        .unwrap_err();
        assert_eq!(error.message, "Circular dependency between resources: [B, C]");
    }
}
