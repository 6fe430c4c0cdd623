//! Methods of Python's strings, lists and objects that templates call. Those whose results can be far longer than what they
//! are called on pay for it before they are carried out.

use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind, Output, State};
use minijinja_contrib::pycompat;

/// Bytes that one unit of fuel pays for.
const BYTES_OF_FUEL: usize = 64;
/// Deeper containers are not made into text.
const DEPTH_MAX: usize = 100;
/// Fields of `str.format` are filled up to so many characters.
const WIDTH_MAX: usize = 9999;

/// A value as text.
pub fn text(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    measure(state, value, 0)?;
    Ok(value.to_string())
}

/// Pays for the text of a value before it is made: what containers share can make them very long.
fn measure(state: &State<'_, '_>, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > DEPTH_MAX {
        return Err(Error::new(ErrorKind::InvalidOperation, format!("values nest at most {DEPTH_MAX} levels deep")));
    }
    match value.kind() {
        ValueKind::Seq | ValueKind::Iterable => {
            pay(state, BYTES_OF_FUEL)?;
            for item in value.try_iter()? {
                measure(state, &item, depth + 1)?;
            }
            Ok(())
        }
        ValueKind::Map => {
            pay(state, BYTES_OF_FUEL)?;
            for name in value.try_iter()? {
                measure(state, &name, depth + 1)?;
                measure(state, &value.get_item(&name)?, depth + 1)?;
            }
            Ok(())
        }
        _ => pay(state, value.as_str().map_or(0, str::len)),
    }
}

/// Prints a value.
pub fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match value.kind() {
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain => {
            let text = text(state, value)?;
            out.write_str(&text)
        }
        _ => write!(out, "{value}"),
    };
    written.map_err(Error::from)
}

/// Calls a method that the template engine itself does not have.
pub fn call(state: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        match (method, args) {
            ("join", [items]) => {
                measure(state, items, 0)?;
                return state.apply_filter("join", &[items.clone(), value.clone()]);
            }
            ("replace", [old, new]) => {
                return state.apply_filter("replace", &[value.clone(), old.clone(), new.clone()]);
            }
            ("replace", [old, new, ..]) => {
                let places = old.as_str().map_or(0, |old| text.matches(old).count());
                pay(state, places.saturating_mul(new.as_str().map_or(0, str::len)))?;
            }
            ("format", args) => pay_for_format(state, text, args)?,
            _ => {}
        }
    }
    pycompat::unknown_method_callback(state, value, method, args)
}

fn pay(state: &State<'_, '_>, bytes: usize) -> Result<(), Error> {
    state.consume_fuel((bytes / BYTES_OF_FUEL) as u64 + 1)
}

fn pay_for_format(state: &State<'_, '_>, format: &str, args: &[Value]) -> Result<(), Error> {
    let widest = format
        .split(|char: char| !char.is_ascii_digit())
        .map(|digits| if digits.is_empty() { 0 } else { digits.parse::<usize>().unwrap_or(usize::MAX) })
        .max();
    let widest = widest.unwrap_or_default();
    if widest > WIDTH_MAX {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("format takes numbers up to {WIDTH_MAX}, not {widest}"),
        ));
    }
    let mut longest = 0;
    for arg in args {
        if arg.kind() == ValueKind::Map {
            for name in arg.try_iter()? {
                longest = longest.max(text(state, &arg.get_item(&name)?)?.len());
            }
        }
        if !arg.is_kwargs() {
            longest = longest.max(text(state, arg)?.len());
        }
    }
    let fields = format.matches('{').count();
    pay(state, fields.saturating_mul(longest.saturating_add(widest)).saturating_add(format.len()))
}
