//! Numbers and comparisons.

use crate::Value;
use crate::helpers::GiveValue;
use crate::number;
use crate::render::{Args, Rendered};

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "add" => |args| fold(args, |sum, number| sum + number),
        "subtract" => |args| fold(args, |sum, number| sum - number),
        "multiply" => |args| fold(args, |sum, number| sum * number),
        "divide" => |args| fold(args, |sum, number| if number == 0.0 { sum } else { sum / number }),
        "modulo" => modulo,
        "ceil" => |args| rounded(args, f64::ceil),
        "floor" => |args| rounded(args, f64::floor),
        // Halves round up, also below zero.
        "round" => |args| {
            rounded(args, |number| {
                let floor = number.floor();
                if number - floor >= 0.5 { floor + 1.0 } else { floor }
            })
        },
        "eq" => |args| Ok(Value::Bool(args.count() >= 2 && args.plain(0).same(&args.plain(1)))),
        "gt" => |args| compared(args, |a, b| a > b),
        "gte" => |args| compared(args, |a, b| a >= b),
        "lt" => |args| compared(args, |a, b| a < b),
        "lte" => |args| compared(args, |a, b| a <= b),
        "parseInt" => parse_int,
        "toFixed" => to_fixed,
        _ => return None,
    })
}

/// Folds the arguments that are numbers into the first.
fn fold(args: &mut Args<'_, '_, '_, '_>, step: fn(f64, f64) -> f64) -> Rendered<Value> {
    let Some((first, rest)) = args.values.split_first() else { return Ok(Value::text("")) };
    let numbers = rest.iter().map(Value::to_number).filter(|number| !number.is_nan());
    Ok(Value::Number(numbers.fold(first.to_number(), step)))
}

fn modulo(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let by = args.get(1).to_number();
    if args.count() <= 1 || by == 0.0 {
        return Ok(Value::text(""));
    }
    Ok(Value::Number(args.get(0).to_number() % by))
}

fn rounded(args: &mut Args<'_, '_, '_, '_>, round: fn(f64) -> f64) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    Ok(Value::Number(round(args.get(0).to_number())))
}

fn compared(args: &mut Args<'_, '_, '_, '_>, holds: fn(f64, f64) -> bool) -> Rendered<Value> {
    // What is missing is not a number, and nothing holds of that.
    Ok(Value::Bool(holds(args.get(0).to_number(), args.get(1).to_number())))
}

fn parse_int(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    if args.count() == 0 {
        return Ok(Value::text(""));
    }
    let number = number::parse_whole(&args.text(0)?);
    Ok(if number.is_nan() { Value::text("") } else { Value::Number(number) })
}

fn to_fixed(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let number = args.get(0).to_number();
    let digits = args.get(1).to_number();
    let digits = if digits.is_nan() { 0.0 } else { digits.trunc() };
    if !(0.0..=100.0).contains(&digits) {
        return Err(crate::RenderError::new("toFixed() digits argument must be between 0 and 100"));
    }
    Ok(number::fixed(if number.is_nan() { 0.0 } else { number }, digits as usize).into())
}
