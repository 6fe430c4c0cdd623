//! Helpers that read and change what outlives a request: buckets, variables, the status.

use std::sync::Arc;

use crate::helpers::{Helper, Needs, Run, path, request};
use crate::number;
use crate::render::{Args, Rendered};
use crate::scope::Data;
use crate::{RenderError, Value};

pub(super) fn find(name: &str) -> Option<Helper> {
    Some(match name {
        "data" => Helper { run: Run::Value(data), needs: Needs::Data },
        "dataRaw" => Helper { run: Run::Value(data_raw), needs: Needs::Data },
        "setData" => Helper { run: Run::Value(set_data), needs: Needs::Data },
        "setGlobalVar" => Helper { run: Run::Value(set_global), needs: Needs::Data },
        "getGlobalVar" => Helper { run: Run::Value(get_global), needs: Needs::Data },
        "getEnvVar" => Helper { run: Run::Value(get_env), needs: Needs::Data },
        "status" => Helper { run: Run::Value(status), needs: Needs::Status },
        _ => return None,
    })
}

fn store<'s>(args: &Args<'_, '_, 's, '_>) -> Rendered<&'s dyn Data> {
    args.machine.scope.data.ok_or_else(|| RenderError::new("There is no data"))
}

fn found(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Option<Value>> {
    if args.count() == 0 {
        return Ok(None);
    }
    let name = args.text(0)?;
    let Some(bucket) = store(args)?.bucket(&name) else { return Ok(None) };
    let path = args.plain(1);
    path::value_at(args, &bucket, &path, &Value::text("")).map(Some)
}

fn data(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    match found(args)? {
        Some(value) => request::printed(args, value, false),
        None => Ok(Value::Undefined),
    }
}

fn data_raw(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    Ok(found(args)?.unwrap_or_default())
}

fn set_data(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() < 2 {
        return Ok(Value::Undefined);
    }
    let (operator, name) = (args.text(0)?, args.text(1)?);
    let path = if args.get(2).is_nullish() { String::new() } else { args.text(2)? };
    let path = if path.is_empty() { Vec::new() } else { path::names(&path) };
    let new = args.plain(3);
    let mut size = 0;
    store(args)?.change_bucket(&name, &mut |bucket| {
        size = size_of(bucket);
        let whole = std::mem::take(bucket);
        *bucket = change(whole, &path, &operator, &new);
    });
    args.machine.step(size)?;
    Ok(Value::Undefined)
}

fn size_of(value: &Value) -> usize {
    match value {
        Value::List(list) => list.items().len(),
        Value::Object(object) => object.len(),
        _ => 1,
    }
}

fn change(whole: Value, path: &[String], operator: &str, new: &Value) -> Value {
    let current = path::at_names(&whole, path);
    match operator {
        "push" => {
            let Value::List(list) = &current else { return whole };
            let mut items = list.items().to_vec();
            items.push(new.clone());
            path::set(whole, path, Value::list(items))
        }
        "del" => path::remove(whole, path),
        "inc" | "dec" => {
            let step = if new.is_truthy() { new.to_number() } else { 0.0 };
            let number = current.to_number();
            if step.is_nan() || number.is_nan() {
                return whole;
            }
            let step = if step == 0.0 { 1.0 } else { step };
            path::set(whole, path, Value::Number(if operator == "inc" { number + step } else { number - step }))
        }
        "invert" => match current {
            Value::Bool(bool) => path::set(whole, path, Value::Bool(!bool)),
            _ => whole,
        },
        "merge" => match (&current, new) {
            (Value::Object(old), Value::Object(added)) => {
                let mut members = old.members().clone();
                members.extend(added.members().iter().map(|(name, value)| (Arc::clone(name), value.clone())));
                path::set(whole, path, Value::from_members(members))
            }
            _ => path::set(whole, path, new.clone()),
        },
        _ => path::set(whole, path, new.clone()),
    }
}

fn set_global(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() >= 2 {
        let name = args.text(0)?;
        store(args)?.set_global(&name, args.plain(1));
    }
    Ok(Value::Undefined)
}

fn get_global(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::Undefined);
    }
    let (name, path) = (args.text(0)?, args.plain(1));
    let default = if args.get(2).is_nullish() { Value::text("") } else { args.plain(2) };
    match store(args)?.global(&name) {
        Some(value) if !value.is_undefined() => path::value_at(args, &value, &path, &default),
        _ => Ok(default),
    }
}

fn get_env(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::Undefined);
    }
    let name = args.text(0)?;
    let default = if args.get(1).is_nullish() { Value::text("") } else { args.plain(1) };
    Ok(store(args)?.env_var(&name).map_or(default, Value::from))
}

fn status(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() > 0 {
        let code = number::parse_whole(&args.text(0)?);
        if (100.0..=999.0).contains(&code) {
            args.machine.scope.status = Some(code as u16);
        }
    }
    Ok(Value::text(""))
}
