//! Helpers that ask about the request.

use crate::helpers::{GiveValue, path};
use crate::render::{Args, Rendered};
use crate::scope::Request;
use crate::{RenderError, Value};

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "body" => body,
        "bodyRaw" => body_raw,
        "urlParam" => url_param,
        "urlParams" => |args| Ok(request(args)?.params().clone()),
        "queryParam" => query_param,
        "queryParamRaw" => query_param_raw,
        "queryParams" => |args| Ok(request(args)?.query().clone()),
        "header" => header,
        "headers" => |args| Ok(request(args)?.headers().clone()),
        "cookie" => cookie,
        "baseUrl" => |args| Ok(request(args)?.base_url().into()),
        "hostname" => |args| Ok(request(args)?.hostname().into()),
        "ip" => |args| Ok(request(args)?.ip().into()),
        "method" => |args| Ok(request(args)?.method().into()),
        _ => return None,
    })
}

fn request<'s>(args: &Args<'_, '_, 's, '_>) -> Rendered<&'s dyn Request> {
    args.machine.scope.request.ok_or_else(|| RenderError::new("There is no request"))
}

/// The path and the default that a helper was called with.
fn path_and_default(args: &mut Args<'_, '_, '_, '_>) -> Rendered<(String, Value)> {
    let path = if args.get(0).is_nullish() { String::new() } else { args.text(0)? };
    let default = if args.get(1).is_nullish() { Value::text("") } else { args.plain(1) };
    Ok((path, default))
}

/// Lists and objects as JSON, the rest as it is; all as JSON on demand. Never escaped.
pub(super) fn printed(args: &mut Args<'_, '_, '_, '_>, value: Value, stringify: bool) -> Rendered<Value> {
    if stringify || value.is_object_type() {
        return Ok(args.machine.json(&value, false, 0)?.map_or(Value::safe("undefined"), Value::safe));
    }
    Ok(match value {
        Value::Text(text) => Value::Safe(text),
        other => Value::safe(args.machine.text(&other)?),
    })
}

fn body(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let request = request(args)?;
    let (path, default) = path_and_default(args)?;
    if path.is_empty() {
        return Ok(Value::safe(request.raw_body()));
    }
    let body = request.body().filter(|body| body.is_truthy()).unwrap_or(&default);
    let value = path::value_at(args, body, &Value::text(path), &default)?;
    let stringify = args.get(2).is_truthy();
    printed(args, value, stringify)
}

fn body_raw(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let request = request(args)?;
    let (path, default) = path_and_default(args)?;
    match request.body().filter(|body| body.is_truthy()) {
        Some(body) => path::value_at(args, body, &Value::text(path), &default),
        None => Ok(default),
    }
}

fn query_param(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let value = query_param_raw(args)?;
    let stringify = args.get(2).is_truthy();
    printed(args, value, stringify)
}

fn query_param_raw(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let request = request(args)?;
    let (path, default) = path_and_default(args)?;
    path::value_at(args, request.query(), &Value::text(path), &default)
}

fn url_param(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let name = args.text(0)?;
    Ok(request(args)?.params().get(&name))
}

fn header(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let default = fallback(args, 1);
    if args.count() == 0 || args.get(0).is_object_type() {
        return Ok(default);
    }
    let name = args.text(0)?;
    Ok(request(args)?.header(&name).filter(|text| !text.is_empty()).map_or(default, Value::from))
}

fn cookie(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let default = fallback(args, 1);
    let name = args.text(0)?;
    let value = request(args)?.cookies().get(&name);
    Ok(if value.is_truthy() { value } else { default })
}

/// An argument that may be missing; objects are none.
fn fallback(args: &Args<'_, '_, '_, '_>, index: usize) -> Value {
    // Where one argument is given, its place is taken by the options, an object.
    let given = args.count() > index && !args.get(index).is_object_type();
    if given || args.count() < index { args.get(index).clone() } else { Value::text("") }
}
