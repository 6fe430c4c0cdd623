//! Helpers that decide whether, how often and with what their block is written.

use crate::helpers::Run;
use crate::number::is_space;
use crate::render::{Args, Place, Rendered};
use crate::{RenderError, Value};

type This<'c, 'p, 's, 'r> = Args<'c, 'p, 's, 'r>;

pub(super) fn find(name: &str) -> Option<Run> {
    Some(match name {
        "if" => Run::Block(if_),
        "unless" => Run::Block(unless),
        "each" => Run::Block(each),
        "with" => Run::Block(with),
        "repeat" => Run::Block(repeat),
        "switch" => Run::Block(switch),
        "case" => Run::Block(case),
        "default" => Run::Block(default),
        "lookup" => Run::Value(lookup),
        "log" => Run::Value(|_| Ok(Value::Undefined)),
        "setVar" => Run::Value(set_var),
        "getVar" => Run::Value(get_var),
        _ => return None,
    })
}

/// Empty in the sense of Handlebars: false values but 0, and lists without items.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_nan(),
        Value::List(list) => list.items().is_empty(),
        other => !other.is_truthy(),
    }
}

fn exactly_one(args: &This<'_, '_, '_, '_>, name: &str) -> Rendered<()> {
    if args.count() == 1 {
        return Ok(());
    }
    Err(RenderError::new(format!("#{name} requires exactly one argument")))
}

fn holds(args: &This<'_, '_, '_, '_>) -> bool {
    let includes_zero = args.hash.get("includeZero").is_some_and(Value::is_truthy);
    let value = args.get(0);
    (includes_zero || value.is_truthy()) && !is_empty(value)
}

fn if_(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    exactly_one(args, "if")?;
    let place = args.place;
    if holds(args) { args.write_block(place, out) } else { args.write_inverse(place, out) }
}

fn unless(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    exactly_one(args, "unless")?;
    let place = args.place;
    if holds(args) { args.write_inverse(place, out) } else { args.write_block(place, out) }
}

fn with(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    exactly_one(args, "with")?;
    let value = args.get(0).clone();
    if is_empty(&value) {
        let place = args.place;
        return args.write_inverse(place, out);
    }
    let place = args.place.with_context(value.clone()).with_params(args.param_names(), vec![value]);
    args.write_block(&place, out)
}

/// Writes the block for each item or member.
pub(crate) fn each(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    if args.count() == 0 {
        return Err(RenderError::new("Must pass iterator to #each"));
    }
    let items: Vec<(Value, Value)> = match args.get(0) {
        Value::List(list) => {
            let numbered = list.items().iter().enumerate();
            numbered.map(|(index, item)| (Value::Number(index as f64), item.clone())).collect()
        }
        Value::Object(object) => {
            let entries = object.entries().into_iter();
            entries.map(|(name, member)| (Value::Text(name.clone()), member.clone())).collect()
        }
        Value::Safe(text) => vec![(Value::text("string"), Value::Text(text.clone()))],
        _ => Vec::new(),
    };
    args.machine.step(items.len())?;
    let outer = args.place;
    if items.is_empty() {
        return args.write_inverse(outer, out);
    }
    let frame = outer.frame.inner();
    let names = args.param_names();
    let count = items.len();
    for (index, (key, item)) in items.into_iter().enumerate() {
        frame.set("key", key.clone());
        frame.set("index", Value::Number(index as f64));
        frame.set("first", Value::Bool(index == 0));
        frame.set("last", Value::Bool(index + 1 == count));
        let place = outer.with_frame(frame.clone()).with_context(item.clone()).with_params(names, vec![item, key]);
        args.write_block(&place, out)?;
    }
    Ok(())
}

fn repeat(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    let total = match args.count() {
        1 => args.plain(0),
        2 => {
            let (min, max) = (args.get(0).to_number(), args.get(1).to_number());
            Value::Number(super::random_between(args.machine.scope.random, min, max))
        }
        _ => return Err(RenderError::new("The repeat helper requires a numeric param")),
    };
    let count = total.to_number();
    let with_commas = !matches!(args.hash.get("comma"), Some(Value::Bool(false)));
    let frame = args.place.frame.copy();
    let place = args.place.with_frame(frame);
    let start = out.len();
    let mut index = 0.0;
    while index < count {
        args.machine.step(1)?;
        place.frame.set("index", Value::Number(index));
        place.frame.set("total", total.clone());
        place.frame.set("first", Value::Bool(index == 0.0));
        place.frame.set("last", Value::Bool(index == count - 1.0));
        args.write_block(&place, out)?;
        if with_commas {
            // What was written before is trimmed as well when the block writes nothing.
            let length = start + out[start..].trim_end_matches(is_space).len();
            out.truncate(length);
            if index < count - 1.0 {
                if !out[start..].ends_with(',') {
                    out.push(',');
                }
            } else if index == count - 1.0 && out[start..].ends_with(',') {
                out.pop();
            }
            out.push('\n');
            args.machine.charge(2)?;
        }
        index += 1.0;
    }
    Ok(())
}

/// The place in a block that is called with its own options as context, as some of Mockoon's are.
pub(super) fn in_options<'p>(args: &This<'_, 'p, '_, '_>) -> Place<'p> {
    let name = Value::text(&*args.call.callee.original);
    let hash = Value::from_members(args.hash.clone());
    args.place.with_context(Value::object([("name", name), ("hash", hash)]))
}

fn switch(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    if args.count() == 0 {
        return Err(RenderError::new("Cannot read properties of undefined (reading 'data')"));
    }
    args.place.frame.set("found", Value::Bool(false));
    args.place.frame.set("switchValue", args.plain(0));
    let place = in_options(args);
    args.write_block(&place, out)
}

fn case(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    if args.count() == 0 {
        return Err(RenderError::new("Cannot read properties of undefined (reading 'data')"));
    }
    let frame = &args.place.frame;
    let sought = frame.get("switchValue").unwrap_or_default();
    if !args.get(0).same(&sought) || frame.get("found").is_some_and(|found| found.is_truthy()) {
        return Ok(());
    }
    frame.set("found", Value::Bool(true));
    let place = in_options(args);
    args.write_block(&place, out)
}

fn default(args: &mut This<'_, '_, '_, '_>, out: &mut String) -> Rendered<()> {
    let frame = &args.place.frame;
    if args.count() > 0 {
        return Err(RenderError::new("Cannot read properties of undefined (reading 'found')"));
    }
    if frame.get("found").is_some_and(|found| found.is_truthy()) {
        return Ok(());
    }
    frame.remove("switchValue");
    let place = in_options(args);
    args.write_block(&place, out)
}

fn lookup(args: &mut This<'_, '_, '_, '_>) -> Rendered<Value> {
    let value = args.get(0).clone();
    if !value.is_truthy() {
        return Ok(value);
    }
    let name = args.text(1)?;
    Ok(value.get(&name))
}

fn set_var(args: &mut This<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() >= 2 {
        let name = args.text(0)?;
        args.place.frame.set(&name, args.plain(1));
    }
    Ok(Value::Undefined)
}

fn get_var(args: &mut This<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::Undefined);
    }
    let name = args.text(0)?;
    Ok(args.place.frame.get(&name).unwrap_or_default())
}
