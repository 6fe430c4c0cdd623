//! JMESPath, by the crate of that name.

use std::collections::BTreeMap;

use jmespath::{Rcvar, Variable};
use serde_json::Number;

use crate::Value;
use crate::render::{Machine, Rendered};

/// Longer expressions find nothing, so that they nest no deeper than the stack allows.
const LENGTH_MAX: usize = 1_000;

/// Parentheses, brackets and functions nest no deeper.
const DEPTH_MAX: usize = 50;

/// What an expression finds; null if nothing, or if it is not one.
pub(crate) fn find(machine: &mut Machine<'_, '_, '_>, value: &Value, expression: &str) -> Rendered<Value> {
    let nests = |open: &[char], close: &[char]| {
        let mut depth = 0_usize;
        expression.chars().any(|symbol| {
            depth += usize::from(open.contains(&symbol));
            depth -= usize::from(close.contains(&symbol)).min(depth);
            depth > DEPTH_MAX
        })
    };
    let repeats = |symbol: char| expression.matches(symbol).count() > DEPTH_MAX;
    let too_deep = nests(&['(', '[', '{'], &[')', ']', '}']) || ['!', '&', '|'].into_iter().any(repeats);
    if expression.len() > LENGTH_MAX || too_deep {
        return Ok(Value::Null);
    }
    let Ok(compiled) = jmespath::compile(expression) else { return Ok(Value::Null) };
    let data = variable(machine, value)?;
    let found = compiled.search(data);
    Ok(found.map_or(Value::Null, |found| plain(&found)))
}

fn variable(machine: &mut Machine<'_, '_, '_>, value: &Value) -> Rendered<Variable> {
    machine.step(1)?;
    Ok(match value {
        Value::Undefined | Value::Null => Variable::Null,
        Value::Bool(bool) => Variable::Bool(*bool),
        Value::Number(number) => Variable::Number(match number.fract() == 0.0 && number.abs() < 9e15 {
            true => Number::from(*number as i64),
            false => Number::from_f64(*number).unwrap_or_else(|| Number::from(0)),
        }),
        Value::Text(text) | Value::Safe(text) => {
            machine.charge(text.len())?;
            Variable::String(text.as_ref().to_owned())
        }
        Value::Date(millis) => Variable::String(crate::print::iso(*millis).unwrap_or_default()),
        Value::List(list) => {
            let items: Rendered<Vec<Rcvar>> =
                list.items().iter().map(|item| variable(machine, item).map(Rcvar::new)).collect();
            Variable::Array(items?)
        }
        Value::Object(object) => {
            let mut members = BTreeMap::new();
            for (name, member) in object.members() {
                members.insert(name.as_ref().to_owned(), Rcvar::new(variable(machine, member)?));
            }
            Variable::Object(members)
        }
    })
}

fn plain(variable: &Variable) -> Value {
    match variable {
        Variable::Null | Variable::Expref(_) => Value::Null,
        Variable::Bool(bool) => Value::Bool(*bool),
        Variable::Number(number) => Value::Number(number.as_f64().unwrap_or(f64::NAN)),
        Variable::String(text) => Value::text(text.as_str()),
        Variable::Array(items) => Value::list(items.iter().map(|item| plain(item)).collect()),
        Variable::Object(members) => Value::object(members.iter().map(|(name, member)| (name.as_str(), plain(member)))),
    }
}
