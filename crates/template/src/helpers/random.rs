//! Made-up data.

use crate::faker::{Failure, Faker};
use crate::helpers::GiveValue;
use crate::render::{Args, Rendered};
use crate::{RenderError, Value};

pub(super) fn find(name: &str) -> Option<GiveValue> {
    Some(match name {
        "faker" => faker,
        "int" => |args| numbered(args, "number.int"),
        "float" => |args| numbered(args, "number.float"),
        "boolean" => |args| short(args, "datatype.boolean"),
        "uuid" | "guid" => |args| short(args, "string.uuid"),
        "objectId" => |args| short(args, "database.mongodbObjectId"),
        "hexColor" => |args| short(args, "color.rgb"),
        "ipv4" => |args| short(args, "internet.ipv4"),
        "ipv6" => |args| short(args, "internet.ipv6"),
        "lorem" => lorem,
        "firstName" => |args| short(args, "person.firstName"),
        "lastName" => |args| short(args, "person.lastName"),
        "title" => title,
        "email" => |args| short(args, "internet.email"),
        "company" => |args| short(args, "company.name"),
        "city" => |args| short(args, "location.city"),
        "street" => |args| short(args, "location.streetAddress"),
        "country" => |args| short(args, "location.country"),
        "countryCode" => |args| short(args, "location.countryCode"),
        "zipcode" | "postcode" => |args| short(args, "location.zipCode"),
        "phone" => |args| short(args, "phone.number"),
        "color" => |args| short(args, "color.human"),
        "domain" => |args| short(args, "internet.domainName"),
        "tld" => |args| short(args, "internet.domainSuffix"),
        "lat" => |args| short(args, "location.latitude"),
        "long" => |args| short(args, "location.longitude"),
        _ => return None,
    })
}

fn make(args: &mut Args<'_, '_, '_, '_>, name: &str, values: Vec<Value>) -> Result<Value, Failure> {
    let scope = &args.machine.scope;
    let now = scope.clock.now().as_millis() as f64;
    Faker { random: scope.random, now, zone: &scope.zone, args: values }.make(name)
}

fn charged(args: &mut Args<'_, '_, '_, '_>, made: Result<Value, Failure>) -> Rendered<Value> {
    let value = made.unwrap_or_else(|_| Value::text(""));
    args.machine.step(match &value {
        Value::List(list) => list.items().len(),
        _ => 1,
    })?;
    if let Some(text) = value.as_text() {
        let length = text.len();
        args.machine.charge(length)?;
    }
    Ok(value)
}

fn short(args: &mut Args<'_, '_, '_, '_>, name: &str) -> Rendered<Value> {
    let made = make(args, name, Vec::new());
    charged(args, made)
}

fn title(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let values = match args.get(0) {
        sex @ Value::Text(_) => vec![sex.clone()],
        _ => Vec::new(),
    };
    let made = make(args, "person.prefix", values);
    charged(args, made)
}

fn lorem(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let values = match args.get(0) {
        count @ Value::Number(_) => vec![count.clone()],
        _ => Vec::new(),
    };
    let made = make(args, "lorem.sentence", values);
    charged(args, made)
}

/// From a first to a second number, if they are numbers.
fn numbered(args: &mut Args<'_, '_, '_, '_>, name: &str) -> Rendered<Value> {
    let given = |index: usize| match args.get(index) {
        number @ Value::Number(_) => number.clone(),
        _ => Value::Undefined,
    };
    let (min, max) = (given(0), given(1));
    let options = [("min", min.clone()), ("max", max.clone())].into_iter().filter(|(_, value)| !value.is_undefined());
    let options = Value::object(options);
    match make(args, name, vec![options]) {
        Ok(value) => Ok(value),
        // Unlike others, these two tell what is wrong.
        Err(_) => {
            let (min, max) = (args.machine.text(&min)?, args.machine.text(&max)?);
            let min = if min == "undefined" { "0".to_owned() } else { min };
            let max = if max == "undefined" {
                if name == "number.int" { "9007199254740991".to_owned() } else { "1".to_owned() }
            } else {
                max
            };
            Err(RenderError::new(format!("Max {max} should be greater than min {min}.")))
        }
    }
}

fn faker(args: &mut Args<'_, '_, '_, '_>) -> Rendered<Value> {
    let line = args.call.line;
    let failed = |what: String| {
        Err(RenderError::new(format!("{what} (valid: \"location.zipCode\", \"date.past\", etc) line {line}")))
    };
    let name = match args.plain(0) {
        Value::Text(name) => name,
        Value::Undefined if args.count() == 0 => return failed("Faker method name is missing".to_owned()),
        _ => return failed("Faker method name must be a string".to_owned()),
    };
    if name.is_empty() {
        return failed("Faker method name is missing".to_owned());
    }
    let mut values = Vec::with_capacity(args.count());
    for value in args.values.iter().skip(1) {
        match value {
            Value::Text(text) if text.starts_with('{') && text.ends_with('}') => match loose_object(text) {
                Some(object) => values.push(object),
                None => return Err(RenderError::new(format!("Error in parsing object argument {text}"))),
            },
            other => values.push(other.clone()),
        }
    }
    if !args.hash.is_empty() {
        values.push(Value::from_members(std::mem::take(&mut args.hash)));
    }
    match make(args, &name, values) {
        Err(Failure::Unknown) => failed(format!("{name} is not a valid Faker method")),
        made => charged(args, made),
    }
}

/// Reads an object whose names may lack their quotes.
fn loose_object(text: &str) -> Option<Value> {
    let text = text.replace('\\', "");
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text.as_str();
    while let Some(colon) = rest.find(':') {
        let before = &rest[..colon];
        let unquoted = before.strip_suffix(['\'', '"']).unwrap_or(before);
        let start = unquoted
            .rfind(|symbol: char| !symbol.is_ascii_alphanumeric() && symbol != '_')
            .map_or(0, |at| at + unquoted[at..].chars().next().map_or(1, char::len_utf8));
        let name = &unquoted[start..];
        if name.is_empty() {
            out.push_str(before);
            out.push(':');
        } else {
            let head = &unquoted[..start];
            out.push_str(head.strip_suffix(['\'', '"']).unwrap_or(head));
            out.push('"');
            out.push_str(name);
            out.push_str("\": ");
        }
        rest = &rest[colon + 1..];
    }
    out.push_str(rest);
    Value::from_json_text(&out)
}
