//! Dates.

use crate::date::Parts;
use crate::date::format::format;
use crate::date::parse::parse;
use crate::helpers::GiveValue;
use crate::render::{Args, Rendered};
use crate::{RenderError, Value, faker, number};

/// How dates print where no format is given.
const ISO: &str = "yyyy-MM-dd'T'HH:mm:ss.SSSxxx";

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "now" => now,
        "date" => date,
        "time" => time,
        "dateFormat" => date_format,
        "dateTimeShift" => date_time_shift,
        "isValidDate" => is_valid_date,
        _ => return None,
    })
}

fn formatted(args: &mut Args<'_, '_, '_, '_>, millis: f64, by: &str) -> Rendered<Value> {
    args.machine.charge(by.len())?;
    format(millis, by, &args.machine.scope.zone).map(Value::from)
}

fn clock(args: &Args<'_, '_, '_, '_>) -> f64 {
    args.machine.scope.clock.now().as_millis() as f64
}

/// An argument, if it is a text that is not safe.
fn plain_text(args: &Args<'_, '_, '_, '_>, index: usize) -> Option<String> {
    match args.get(index) {
        Value::Text(text) => Some(text.as_ref().to_owned()),
        _ => None,
    }
}

fn now(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let millis = clock(args);
    let by = plain_text(args, 0);
    formatted(args, millis, by.as_deref().unwrap_or(ISO))
}

/// A random date between two texts.
fn between(args: &Args<'_, '_, '_, '_>, from: &str, to: &str) -> Rendered<f64> {
    let zone = &args.machine.scope.zone;
    let read = |text: &str, which: &str| {
        let millis = parse(text, zone);
        if millis.is_nan() { Err(RenderError::new(format!("Invalid {which} date: {text}"))) } else { Ok(millis) }
    };
    let (from, to) = (read(from, "from")?, read(to, "to")?);
    if from > to {
        return Err(RenderError::new("`from` date must be before `to` date."));
    }
    Ok(faker::int(args.machine.scope.random, from, to))
}

fn date(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let (Value::Text(from), Value::Text(to)) = (args.plain(0), args.plain(1)) else { return Ok(Value::text("")) };
    let millis = between(args, &from, &to)?;
    match plain_text(args, 2) {
        Some(by) if args.count() == 3 => formatted(args, millis, &by),
        _ => Ok(args.machine.text(&Value::Date(millis))?.into()),
    }
}

fn time(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let (from, to) = match (plain_text(args, 0), plain_text(args, 1)) {
        (Some(from), Some(to)) => (from, to),
        _ => ("00:00:00".to_owned(), "23:59:00".to_owned()),
    };
    let by = plain_text(args, 2).filter(|by| args.count() == 3 && !by.is_empty());
    let millis = between(args, &format!("1970-01-01T{from}"), &format!("1970-01-01T{to}"))?;
    formatted(args, millis, by.as_deref().unwrap_or("HH:mm"))
}

fn date_format(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let millis = match args.plain(0) {
        Value::Text(text) => parse(&text, &args.machine.scope.zone),
        Value::Date(millis) => millis,
        _ => return Ok(Value::text("")),
    };
    match args.plain(1) {
        Value::Text(by) => formatted(args, millis, &by),
        _ => Ok(Value::text("")),
    }
}

fn is_valid_date(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let valid = match args.plain(0) {
        Value::Text(text) => !parse(&text, &args.machine.scope.zone).is_nan(),
        Value::Date(millis) | Value::Number(millis) => millis.abs() <= 8.64e15,
        Value::Bool(_) => true,
        Value::Null => args.count() > 0,
        _ => false,
    };
    Ok(Value::Bool(valid))
}

fn date_time_shift(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    // The first argument stands where the named ones are looked for.
    let hash = if args.count() > 0 { Default::default() } else { std::mem::take(&mut args.hash) };
    let zone = args.machine.scope.zone.clone();
    let mut millis = match hash.get("date").cloned().unwrap_or_default().unwrapped() {
        Value::Undefined => clock(args),
        Value::Text(text) => parse(&text, &zone),
        Value::Date(millis) | Value::Number(millis) => millis,
        _ => f64::NAN,
    };
    type Shift = fn(&mut Parts, f64);
    let shifts: [(&str, Shift); 6] = [
        ("days", |parts, by| parts.day += by),
        ("months", |parts, by| parts.month += by),
        ("years", |parts, by| parts.year += by),
        ("hours", |parts, by| parts.hour += by),
        ("minutes", |parts, by| parts.minute += by),
        ("seconds", |parts, by| parts.second += by),
    ];
    for (name, shift) in shifts {
        let Some(by) = hash.get(name) else { continue };
        let by = number::parse_whole(&args.machine.text(by)?);
        if by.is_nan() {
            continue;
        }
        millis = match Parts::of(millis, &zone) {
            Some(mut parts) => {
                shift(&mut parts, by);
                parts.local(&zone)
            }
            None => f64::NAN,
        };
    }
    match hash.get("format").cloned().unwrap_or_default().unwrapped() {
        Value::Text(by) => formatted(args, millis, &by),
        _ => formatted(args, millis, ISO),
    }
}
