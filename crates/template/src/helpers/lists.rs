//! Lists and objects.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::helpers::{GiveValue, random_between};
use crate::render::{Args, Rendered};
use crate::{RenderError, Value};

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "array" => |args| Ok(Value::list(std::mem::take(&mut args.values))),
        "object" => object,
        "objectMerge" => object_merge,
        "slice" => slice,
        "reverse" => reverse,
        "sort" => sort,
        "sortBy" => sort_by,
        "filter" => filter,
        "find" => find_first,
        "oneOf" => one_of,
        "someOf" => some_of,
        _ => return None,
    })
}

fn object(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() > 0 {
        // The first argument stands where its options are looked for.
        return Ok(args.get(0).get("hash"));
    }
    Ok(Value::from_members(std::mem::take(&mut args.hash)))
}

fn object_merge(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    let mut members = crate::value::Members::default();
    for value in &args.values {
        if let Value::Object(object) = value {
            args.machine.step(object.len())?;
            members.extend(object.members().iter().map(|(name, value)| (Arc::clone(name), value.clone())));
        }
    }
    Ok(Value::from_members(members))
}

/// The items of the first argument, if it is a list.
fn items(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Option<Vec<Value>>> {
    let Value::List(list) = args.get(0) else { return Ok(None) };
    let list = Arc::clone(list);
    args.machine.step(list.items().len())?;
    Ok(Some(list.items().to_vec()))
}

fn slice(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(items) = items(args)? else { return Ok(Value::text("")) };
    let size = items.len() as f64;
    let position = |number: f64| {
        let number = if number.is_nan() { 0.0 } else { number.trunc() };
        if number < 0.0 { (size + number).max(0.0) } else { number.min(size) }
    };
    let from = position(args.get(1).to_number());
    let to = if let Value::Number(to) = args.get(2) { position(*to) } else { size };
    Ok(Value::list(if from < to { items[from as usize..to as usize].to_vec() } else { Vec::new() }))
}

fn reverse(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(mut items) = items(args)? else { return Ok(Value::text("")) };
    items.reverse();
    Ok(Value::list(items))
}

/// Whether an argument asks for descending order.
fn descends(args: &Args<'_, '_, '_, '_>, index: usize) -> Rendered<bool> {
    if args.count() <= index {
        return Ok(false);
    }
    match args.get(index).as_text() {
        Some(order) => Ok(order.to_lowercase() == "desc"),
        None => Err(RenderError::new("fromSafeString(...).toLowerCase is not a function")),
    }
}

/// Sorts by numbers, or as people do if the first key is a text.
fn sorted(items: &mut [(Value, Value)], descending: bool) -> Rendered<()> {
    let by_text = matches!(items.first(), Some((Value::Text(_), _)));
    if by_text && !items.iter().all(|(key, _)| matches!(key, Value::Text(_))) {
        return Err(RenderError::new("a.localeCompare is not a function"));
    }
    if by_text {
        items.sort_by_cached_key(|(key, _)| match key {
            Value::Text(text) => collation(text),
            _ => Default::default(),
        });
    } else {
        // Keys that are no numbers are equal to all others; such an order is none, so they go last instead.
        items.sort_by(|(a, _), (b, _)| {
            let (a, b) = (a.to_number(), b.to_number());
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan())).then(Ordering::Equal)
        });
    }
    if descending {
        items.reverse();
    }
    Ok(())
}

/// Letters before their accents before their case, lower case first; punctuation before digits before letters.
fn collation(text: &str) -> (Vec<(u8, u32)>, String, Vec<bool>) {
    let class = |character: char| match character {
        _ if character.is_whitespace() => 0,
        _ if character.is_alphabetic() => 3,
        _ if character.is_numeric() => 2,
        _ => 1,
    };
    let folded = text.chars().flat_map(char::to_lowercase).map(|letter| (class(letter), u32::from(unaccented(letter))));
    (folded.collect(), text.to_lowercase(), text.chars().map(char::is_uppercase).collect())
}

/// A small Latin letter without its accent.
fn unaccented(letter: char) -> char {
    match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => 'e',
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => 'g',
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' => 'i',
        'ñ' | 'ń' | 'ņ' | 'ň' => 'n',
        'ò'..='ö' | 'ō' | 'ŏ' | 'ő' => 'o',
        'ŕ' | 'ř' => 'r',
        'ś' | 'ŝ' | 'ş' | 'š' => 's',
        'ţ' | 'ť' => 't',
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        other => other,
    }
}

fn sort(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(items) = items(args)? else { return Ok(Value::text("")) };
    if items.first().is_none_or(Value::is_object_type) {
        return Ok(args.get(0).clone());
    }
    let descending = descends(args, 1)?;
    let mut keyed: Vec<_> = items.into_iter().map(|item| (item.clone(), item)).collect();
    sorted(&mut keyed, descending)?;
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}

fn sort_by(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(items) = items(args)? else { return Ok(Value::text("")) };
    if !items.first().is_some_and(Value::is_object_type) || args.count() < 2 {
        return Ok(args.get(0).clone());
    }
    let key = args.text(1)?;
    if key.is_empty() || !items[0].get(&key).is_truthy() {
        return Ok(args.get(0).clone());
    }
    let descending = descends(args, 2)?;
    let mut keyed: Vec<_> = items.into_iter().map(|item| (item.get(&key), item)).collect();
    sorted(&mut keyed, descending)?;
    Ok(Value::list(keyed.into_iter().map(|(_, item)| item).collect()))
}

/// Whether a value is the condition, or has members that are.
fn validates(value: &Value, condition: &Value) -> bool {
    match condition {
        Value::Object(members) => {
            let has = |(name, wanted): (&Arc<str>, &Value)| validates(&value.get(name), &wanted.clone().unwrapped());
            value.is_object_type() && members.members().iter().all(has)
        }
        _ => value.same(condition),
    }
}

/// Whether one of the conditions holds, or all of them. A list among them turns to the other way.
fn matches(args: &mut Args<'_, '_, '_, '_>, item: &Value, conditions: &[Value], all: bool) -> Rendered<bool> {
    for condition in conditions {
        args.machine.step(1)?;
        let holds = match condition {
            Value::List(inner) => matches(args, item, inner.items(), !all)?,
            _ => validates(item, condition),
        };
        if holds != all {
            return Ok(holds);
        }
    }
    Ok(all)
}

fn filter(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(items) = items(args)? else { return Ok(Value::text("")) };
    if items.is_empty() || args.count() == 1 {
        return Ok(args.get(0).clone());
    }
    let conditions = args.values[1..].to_vec();
    let mut kept = Vec::new();
    for item in items {
        if matches(args, &item, &conditions, false)? {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

fn find_first(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(items) = items(args)? else { return Ok(Value::text("")) };
    if args.count() == 1 {
        return Ok(Value::Undefined);
    }
    let conditions = args.values[1..].to_vec();
    for item in items {
        if matches(args, &item, &conditions, false)? {
            return Ok(item);
        }
    }
    Ok(Value::Undefined)
}

fn one_of(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    let random = args.machine.scope.random;
    let pick = |items: &[Value]| {
        let at = random_between(random, 0.0, items.len() as f64 - 1.0);
        if at < 0.0 { Value::Undefined } else { items.get(at as usize).cloned().unwrap_or_default() }
    };
    let (item, stringify) = match args.get(0) {
        Value::List(list) => (pick(list.items()), args.get(1).is_truthy()),
        _ => (pick(&args.values), false),
    };
    if !stringify {
        return Ok(item);
    }
    Ok(args.machine.json(&item, false, 0)?.map_or(Value::safe("undefined"), Value::safe))
}

fn some_of(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let Some(mut items) = items(args)? else {
        return Err(RenderError::new("itemList.sort is not a function"));
    };
    let random = args.machine.scope.random;
    for at in (1..items.len()).rev() {
        let other = random_between(random, 0.0, at as f64);
        items.swap(at, other as usize);
    }
    let bound = |index: usize, missing: f64| match args.get(index) {
        Value::Undefined => missing,
        value => value.to_number(),
    };
    let count = random_between(random, bound(1, 1.0), bound(2, 0.0));
    let count = if count.is_nan() { 0.0 } else { count };
    let size = items.len() as f64;
    items.truncate(if count < 0.0 { (size + count).max(0.0) as usize } else { count.min(size) as usize });
    let items = Value::list(items);
    if !matches!(args.get(3), Value::Bool(true)) {
        return Ok(items);
    }
    Ok(args.machine.json(&items, false, 0)?.map_or(Value::Undefined, Value::from))
}
