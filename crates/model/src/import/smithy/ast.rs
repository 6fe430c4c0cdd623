//! The AST as given: shapes by id with mixins and `apply` statements folded in, and how to look at them.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::ImportError;
use super::Result;

/// The shape that stands for no input or no output.
pub(super) const UNIT: &str = "smithy.api#Unit";

/// The simple shapes that every model may target without defining them.
static PRELUDE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(|| {
    let simple = [
        "String",
        "Blob",
        "Boolean",
        "Byte",
        "Short",
        "Integer",
        "Long",
        "Float",
        "Double",
        "BigInteger",
        "BigDecimal",
        "Timestamp",
        "Document",
    ];
    let shape = |name: &str| {
        let kind = format!("{}{}", name[..1].to_lowercase(), &name[1..]);
        (format!("smithy.api#{name}"), serde_json::json!({ "type": kind }))
    };
    let mut shapes: Map<String, Value> = simple.into_iter().map(shape).collect();
    shapes.insert(UNIT.to_owned(), serde_json::json!({"type": "structure", "members": {}}));
    shapes
});

pub(super) struct Ast<'a> {
    shapes: Cow<'a, Map<String, Value>>,
}

impl<'a> Ast<'a> {
    pub(super) fn new(ast: &'a Value) -> Result<Self> {
        let version = ast.get("smithy").and_then(Value::as_str).unwrap_or_default();
        if !matches!(version, "1" | "1.0" | "2" | "2.0") {
            return Err(ImportError::new("smithy", format!("version `{version}` is neither 1.0 nor 2.0")));
        }
        let shapes = ast
            .get("shapes")
            .and_then(Value::as_object)
            .ok_or_else(|| ImportError::new("shapes", "is missing or not an object"))?;
        let mut shapes = Cow::Borrowed(shapes);
        fold_mixins(&mut shapes)?;
        fold_applied(&mut shapes);
        Ok(Self { shapes })
    }

    /// The ids of all services, sorted.
    pub(super) fn services(&self) -> Vec<&str> {
        let services = self.shapes.iter().filter(|(_, shape)| type_of(shape) == "service");
        let mut ids: Vec<&str> = services.map(|(id, _)| id.as_str()).collect();
        ids.sort_unstable();
        ids
    }

    /// The shape of that id, the prelude's included; `at` is who asks, for the message.
    pub(super) fn shape(&self, at: &str, id: &str) -> Result<&Value> {
        let id = boxed(id);
        self.shapes
            .get(id)
            .filter(|shape| type_of(shape) != "apply")
            .or_else(|| PRELUDE.get(id))
            .ok_or_else(|| missing(at, id))
    }
}

pub(super) fn missing(at: &str, id: &str) -> ImportError {
    ImportError::new(at, format!("refers to `{id}`, which is not a shape of the model"))
}

/// `smithy.api#PrimitiveInteger` differs from `Integer` only in its default; here they are one.
pub(super) fn boxed(id: &str) -> &str {
    match id {
        "smithy.api#PrimitiveBoolean" => "smithy.api#Boolean",
        "smithy.api#PrimitiveByte" => "smithy.api#Byte",
        "smithy.api#PrimitiveShort" => "smithy.api#Short",
        "smithy.api#PrimitiveInteger" => "smithy.api#Integer",
        "smithy.api#PrimitiveLong" => "smithy.api#Long",
        "smithy.api#PrimitiveFloat" => "smithy.api#Float",
        "smithy.api#PrimitiveDouble" => "smithy.api#Double",
        _ => id,
    }
}

/// Merges what a shape's mixins give into the shape itself, mixins of mixins first.
fn fold_mixins(shapes: &mut Cow<'_, Map<String, Value>>) -> Result<()> {
    let mut waiting: Vec<String> =
        shapes.iter().filter(|(_, shape)| shape.get("mixins").is_some()).map(|(id, _)| id.clone()).collect();
    while !waiting.is_empty() {
        let open: HashSet<&str> = waiting.iter().map(String::as_str).collect();
        let ready = |id: &String| targets(&shapes[id], "mixins").all(|mixin| !open.contains(mixin));
        let (now, later): (Vec<String>, Vec<String>) = waiting.iter().cloned().partition(ready);
        if now.is_empty() {
            return Err(ImportError::new(&later[0], "is, by its mixins, a mixin of itself"));
        }
        for id in now {
            let own = &shapes[&id];
            let mut merged = Value::Object(Map::new());
            for mixin in targets(own, "mixins") {
                let mut from = shapes.get(mixin).ok_or_else(|| missing(&id, mixin))?.clone();
                keep_shared_traits(&mut from);
                merge(&mut merged, from);
            }
            merge(&mut merged, own.clone());
            if let Some(object) = merged.as_object_mut() {
                object.shift_remove("mixins");
            }
            shapes.to_mut().insert(id, merged);
        }
        waiting = later;
    }
    Ok(())
}

/// Takes off a mixin what its users do not get: the mixin trait and those that it names as its own.
fn keep_shared_traits(mixin: &mut Value) {
    const MIXIN: &str = "smithy.api#mixin";
    let Some(traits) = mixin.get_mut("traits").and_then(Value::as_object_mut) else { return };
    let local = traits.shift_remove(MIXIN);
    let local = local.as_ref().and_then(|mixin| mixin.get("localTraits")).map(texts);
    for name in local.into_iter().flatten() {
        traits.shift_remove(name);
    }
}

/// Objects by entry, arrays by appending what is new, all else by replacing.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                match into.get_mut(&key) {
                    // A trait's value is replaced as a whole.
                    Some(known) if !key.contains('#') => merge(known, value),
                    _ => drop(into.insert(key, value)),
                }
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for value in from {
                if !into.contains(&value) {
                    into.push(value);
                }
            }
        }
        (into, from) => *into = from,
    }
}

/// Puts the traits of `apply` statements on the members that they name (`ns#Shape$member`). Statements about whole shapes
/// have the id of the shape, so a file that defines the shape has no place for them.
fn fold_applied(shapes: &mut Cow<'_, Map<String, Value>>) {
    let applied: Vec<(String, Value)> = shapes
        .iter()
        .filter(|(id, shape)| type_of(shape) == "apply" && id.contains('$'))
        .filter_map(|(id, shape)| Some((id.clone(), shape.get("traits")?.clone())))
        .collect();
    for (id, traits) in applied {
        let Some((shape, member)) = id.split_once('$') else { continue };
        let Some(shape) = shapes.to_mut().get_mut(shape) else { continue };
        let member = match shape.get_mut("members") {
            Some(members) => members.get_mut(member),
            None => shape.get_mut(member),
        };
        if let Some(Value::Object(member)) = member {
            merge(member.entry("traits").or_insert_with(|| Value::Object(Map::new())), traits);
        }
    }
}

/// The name after the namespace: `Bar` of `com.foo#Bar`.
pub(super) fn local_name(id: &str) -> &str {
    id.split_once('#').map_or(id, |(_, name)| name)
}

pub(super) fn type_of(shape: &Value) -> &str {
    shape.get("type").and_then(Value::as_str).unwrap_or_default()
}

/// A trait's value; traits without one are `{}`.
pub(super) fn trait_of<'v>(node: &'v Value, name: &str) -> Option<&'v Value> {
    node.get("traits")?.get(name)
}

pub(super) fn has(node: &Value, name: &str) -> bool {
    trait_of(node, name).is_some()
}

pub(super) fn text_of<'v>(node: &'v Value, name: &str) -> Option<&'v str> {
    trait_of(node, name)?.as_str()
}

/// The ids that a list of `{"target": …}` names.
pub(super) fn targets<'v>(node: &'v Value, key: &str) -> impl Iterator<Item = &'v str> + use<'v> {
    let list = node.get(key).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|item| item.get("target")?.as_str())
}

pub(super) fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn status(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|status| u16::try_from(status).ok()).filter(|status| (100..600).contains(status))
}

/// The members of an aggregate shape by name, in order: of structures, unions and enums; `member` of lists, `key` and
/// `value` of maps.
pub(super) fn members(shape: &Value) -> Vec<(&str, &Value)> {
    match type_of(shape) {
        "list" | "set" => shape.get("member").map(|member| ("member", member)).into_iter().collect(),
        "map" => ["key", "value"].into_iter().filter_map(|role| Some((role, shape.get(role)?))).collect(),
        "structure" | "union" => {
            let members = shape.get("members").and_then(Value::as_object);
            members.into_iter().flatten().map(|(name, member)| (name.as_str(), member)).collect()
        }
        _ => Vec::new(),
    }
}
