//! An input to try an operation with: what must be given, with values that keep to the model.

use serde_json::{Map, Value, json};
use standin_core::Dice;
use standin_mock::pattern;
use standin_mock::validation::input_from_json;
use standin_model::{Bound, Entry, Kind, Operation, Service, Shape, ShapeIx, Structure};

/// Nothing is nested deeper in an example; structures that need themselves end here.
const DEPTH_MAX: usize = 8;
/// The longest text made up where a pattern or length asks for one.
const CHARS_MAX: usize = 64;

/// The modelled example with the smallest input that has all required members, else one made up from the model.
pub(super) fn input(entry: &Entry, service: &Service, operation: &Operation) -> Value {
    let Some(structure) = operation.input.and_then(|ix| service.structure(ix)) else { return json!({}) };
    let modelled = entry.examples().map_or(&[][..], |examples| examples.of(operation.name));
    let fits = |input: &&Value| {
        structure.members.iter().filter(|member| member.required).all(|member| input.get(member.name).is_some())
            && operation.input.is_some_and(|ix| input_from_json(service, ix, input).is_ok())
    };
    let smallest =
        modelled.iter().map(|example| &example.input).filter(fits).min_by_key(|input| input.to_string().len());
    smallest.cloned().unwrap_or_else(|| required_members(service, structure, 0))
}

fn required_members(service: &Service, structure: &Structure, depth: usize) -> Value {
    let wanted = |required: bool| {
        let members = structure.members.iter().filter(move |member| member.required == required);
        members.filter(|member| !member.idempotency_token)
    };
    let mut out = Map::new();
    for member in wanted(true) {
        out.insert(member.name.to_owned(), value(service, member.target, member.name, depth + 1));
    }
    // A union must have a member, though none is required.
    if let (true, Some(first)) = (structure.union, wanted(false).next()) {
        out.insert(first.name.to_owned(), value(service, first.target, first.name, depth + 1));
    }
    Value::Object(out)
}

fn value(service: &Service, ix: ShapeIx, name: &str, depth: usize) -> Value {
    let shape = service.shape(ix);
    let min = shape.constraints.as_ref().and_then(|constraints| constraints.min);
    let max = shape.constraints.as_ref().and_then(|constraints| constraints.max);
    let count = usize::try_from(min.map_or(0, Bound::as_i64)).unwrap_or(0);
    match &shape.kind {
        Kind::Structure(structure) if depth < DEPTH_MAX => required_members(service, structure, depth),
        Kind::Structure(_) => json!({}),
        Kind::List(list) if depth < DEPTH_MAX => {
            // One item shows the form, also where none is asked for; more only where the model wants more.
            let item = |_| value(service, list.member.target, name, depth + 1);
            (0..count.clamp(1, 8)).map(item).collect()
        }
        Kind::List(_) => json!([]),
        Kind::Map(map) if depth < DEPTH_MAX => {
            let key = value(service, map.key.target, "key", depth + 1);
            let key = key.as_str().unwrap_or("key").to_owned();
            json!({key: value(service, map.value.target, "value", depth + 1)})
        }
        Kind::Map(_) => json!({}),
        Kind::String { enum_values } => match enum_values.first() {
            Some(first) => json!(first),
            None => json!(text(shape, name, count, max.map(Bound::as_i64))),
        },
        // "example" in base64.
        Kind::Blob { .. } => json!("ZXhhbXBsZQ=="),
        Kind::Boolean => json!(true),
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
            json!(min.map_or_else(|| max.map_or(1, |max| max.as_i64().min(1)), Bound::as_i64))
        }
        Kind::Float | Kind::Double | Kind::BigDecimal => json!(min.map_or(1.0, Bound::as_f64)),
        Kind::Timestamp(_) => json!("2026-01-01T00:00:00Z"),
        Kind::Document => json!({}),
    }
}

fn text(shape: &Shape, name: &str, min: usize, max: Option<i64>) -> String {
    let max = usize::try_from(max.unwrap_or(i64::MAX)).unwrap_or(0).min(min.max(CHARS_MAX));
    let plain = format!("my-{}", name.to_lowercase());
    let padded: String =
        plain.chars().chain(std::iter::repeat('x')).take(plain.len().clamp(min, max.max(min))).collect();
    let Some(wanted) = shape.constraints.as_ref().and_then(|constraints| constraints.pattern) else { return padded };
    // What people would type comes first, then what only a pattern can explain.
    for plain in [&padded, "1", "example"] {
        let length = plain.chars().count();
        if (min..=max.max(min)).contains(&length) && pattern::matches(wanted, plain) != pattern::Verdict::No {
            return plain.to_owned();
        }
    }
    let mut draw = Dice::new(0).key("example").text(name).draw();
    pattern::generate(wanted, min.max(1), max, &mut draw).unwrap_or(padded)
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;

    fn check(service: &str, operation: &str) -> Value {
        let entry = Catalogue::shared().newest(service).expect("served");
        let service = entry.open().expect("opens");
        let operation = service.operation(operation).expect("modelled");
        let example = input(entry, service, operation);
        if let Some(ix) = operation.input {
            input_from_json(service, ix, &example).expect("fits its shape");
        }
        example
    }

    #[test]
    fn examples_have_what_is_required() {
        let example = check("mwaa", "CreateEnvironment");
        for name in ["Name", "DagS3Path", "ExecutionRoleArn", "SourceBucketArn", "NetworkConfiguration"] {
            assert!(example.get(name).is_some(), "{name}: {example}");
        }
        assert_eq!(check("mwaa", "ListEnvironments"), json!({}));
    }

    #[test]
    fn examples_fit_their_shapes_in_every_service() {
        for entry in Catalogue::shared().services() {
            for operation in entry.open().expect("opens").operations.iter().step_by(17) {
                check(entry.id, operation.name);
            }
        }
    }
}
