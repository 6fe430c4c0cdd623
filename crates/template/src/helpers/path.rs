//! Finding values in values.

use crate::Value;
use crate::helpers::GiveValue;
use crate::query::{jmespath, jsonpath};
use crate::render::{Args, Rendered};
use crate::value::index;

/// What is at a path: dots between names, or JSONPath if it starts with `$`. Only lists and objects have something at
/// a path; of anything else it is the value itself.
pub(super) fn value_at(
    args: &mut Args<'_, '_, '_, '_>,
    value: &Value,
    path: &Value,
    default: &Value,
) -> Rendered<Value> {
    let Value::Text(path) = path else { return Ok(value.clone()) };
    if path.is_empty() || !value.is_object_type() {
        return Ok(value.clone());
    }
    let found =
        if path.starts_with('$') { jsonpath::find(args.machine, value, path)? } else { at_names(value, &names(path)) };
    args.machine.step(1)?;
    Ok(if found.is_undefined() { default.clone() } else { found })
}

/// The names in a path with dots; a dot after a backslash is part of a name.
pub fn names(path: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut characters = path.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '.' => names.push(String::new()),
            '\\' if characters.peek() == Some(&'.') => {
                characters.next();
                last(&mut names).push('.');
            }
            _ => last(&mut names).push(character),
        }
    }
    names
}

fn last(names: &mut [String]) -> &mut String {
    names.last_mut().expect("there is one from the start")
}

/// What is at a sequence of own properties.
pub(super) fn at_names(value: &Value, names: &[String]) -> Value {
    names.iter().fold(value.clone(), |value, name| value.get(name))
}

/// A value with another one at a sequence of names. What is missing on the way is made: a list where the next name is
/// a number, else an object. Values that have no members stay as they are.
pub(super) fn set(whole: Value, names: &[String], new: Value) -> Value {
    let Some((name, rest)) = names.split_first() else { return new };
    let inner = whole.get(name);
    let inner = match (inner, rest.first()) {
        (Value::Undefined, Some(next)) if index(next).is_some() => Value::list(Vec::new()),
        (Value::Undefined, Some(_)) => Value::from_members(Default::default()),
        (inner, _) => inner,
    };
    let member = set(inner, rest, new);
    match &whole {
        Value::Object(object) => {
            let mut members = object.members().clone();
            members.insert(name.as_str().into(), member);
            Value::from_members(members)
        }
        Value::List(list) => match index(name) {
            Some(at) if at <= list.items().len() + GAP_MAX => {
                let mut items = list.items().to_vec();
                if at >= items.len() {
                    items.resize(at + 1, Value::Undefined);
                }
                items[at] = member;
                Value::list(items)
            }
            _ => whole,
        },
        _ => whole,
    }
}

/// Lists do not grow by more holes than that.
const GAP_MAX: usize = 10_000;

/// A value without what is at a sequence of names.
pub(super) fn remove(whole: Value, names: &[String]) -> Value {
    let Some((name, rest)) = names.split_first() else { return Value::Undefined };
    match &whole {
        Value::Object(object) if object.get(name).is_some() => {
            let mut members = object.members().clone();
            if rest.is_empty() {
                members.shift_remove(name.as_str());
            } else if let Some(member) = members.get_mut(name.as_str()) {
                *member = remove(std::mem::take(member), rest);
            }
            Value::from_members(members)
        }
        Value::List(list) => match index(name).filter(|at| *at < list.items().len()) {
            Some(at) => {
                let mut items = list.items().to_vec();
                if rest.is_empty() {
                    items.remove(at);
                } else {
                    items[at] = remove(std::mem::take(&mut items[at]), rest);
                }
                Value::list(items)
            }
            None => whole,
        },
        _ => whole,
    }
}

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "objectPath" => |args| queried(args, |_, value, path| Ok(at_names(value, &names(path)))),
        "jsonPath" => |args| queried(args, |args, value, path| jsonpath::find(args.machine, value, path)),
        "jmesPath" => |args| {
            queried(args, |args, value, path| {
                let found = jmespath::find(args.machine, value, path)?;
                Ok(if found.is_nullish() { Value::Undefined } else { found })
            })
        },
        _ => return None,
    })
}

type Query = fn(&mut Args<'_, '_, '_, '_>, &Value, &str) -> Rendered<Value>;

/// What a language finds in the first argument by the second, or the third.
fn queried(args: &mut Args<'_, '_, '_, '_>, query: Query) -> Rendered<Value> {
    if args.count() < 2 {
        return Ok(Value::Undefined);
    }
    let value = args.plain(0);
    let path = match args.plain(1) {
        Value::Text(path) if !path.is_empty() && value.is_object_type() => path,
        _ => return Ok(value),
    };
    let default = if args.get(2).is_nullish() { Value::text("") } else { args.get(2).clone() };
    args.machine.step(1)?;
    let found = query(args, &value, &path)?;
    Ok(if found.is_undefined() { default } else { found })
}
