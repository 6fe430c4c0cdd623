//! The transform `AWS::Include`: pieces of templates that lie in S3. Source: "AWS::Include transform".

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator};
use crate::template::Template;

/// The transform's name.
pub const INCLUDE: &str = "AWS::Include";
const FUNCTION: &str = "Fn::Transform";

/// Where a piece lies: `s3://bucket/key`, or whatever else the template says.
fn location(transform: &Value, evaluator: &Evaluator<'_>) -> Result<Option<String>, TemplateError> {
    if transform.get("Name").and_then(Value::as_str) != Some(INCLUDE) {
        return Ok(None);
    }
    let given = transform.get("Parameters").and_then(|parameters| parameters.get("Location"));
    let wrong =
        || TemplateError::new("Transform AWS::Include failed with: Location must be the URL of an object in S3");
    let value = evaluator.value(given.ok_or_else(wrong)?, &IndexMap::new())?;
    value.as_str().map(str::to_owned).map(Some).ok_or_else(wrong)
}

fn with_evaluator<T>(
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
    run: impl FnOnce(&Evaluator<'_>) -> Result<T, TemplateError>,
) -> Result<T, TemplateError> {
    let (bare, none) = (Template::default(), |_: &str| None);
    run(&Evaluator::new(&bare, parameters, environment, &none)?)
}

/// Where all pieces lie that a template includes.
///
/// # Errors
/// For locations that are no text.
pub fn locations(
    source: &Value,
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
) -> Result<Vec<String>, TemplateError> {
    let mut found = Vec::new();
    with_evaluator(parameters, environment, |evaluator| {
        let mut see = |transform: &Value| -> Result<(), TemplateError> {
            found.extend(location(transform, evaluator)?);
            Ok(())
        };
        of_template(source).try_for_each(&mut see)?;
        walk(source, &mut see)
    })?;
    Ok(found)
}

/// The transforms of the template as a whole.
fn of_template(source: &Value) -> impl Iterator<Item = &Value> {
    let list = match source.get("Transform") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    list.iter()
}

fn walk(value: &Value, see: &mut dyn FnMut(&Value) -> Result<(), TemplateError>) -> Result<(), TemplateError> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, see)),
        Value::Object(map) => {
            if let Some(transform) = map.get(FUNCTION) {
                see(transform)?;
            }
            map.values().try_for_each(|value| walk(value, see))
        }
        _ => Ok(()),
    }
}

/// A template with its pieces put in where they are included; what stands beside them wins.
///
/// # Errors
/// For pieces that are not among those that were found.
pub fn included(
    source: &Value,
    pieces: &IndexMap<String, Value>,
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
) -> Result<Value, TemplateError> {
    with_evaluator(parameters, environment, |evaluator| {
        let piece = |transform: &Value| -> Result<Option<&Map<String, Value>>, TemplateError> {
            let Some(place) = location(transform, evaluator)? else { return Ok(None) };
            let known = pieces.get(&place).and_then(Value::as_object);
            known.map(Some).ok_or_else(|| TemplateError::new(format!("Transform AWS::Include failed with: no {place}")))
        };
        let mut value = put_in(source, &piece)?;
        let Some(root) = value.as_object_mut() else { return Ok(value) };
        let mut left = Vec::new();
        for transform in of_template(source) {
            match piece(transform)? {
                Some(piece) => merge(root, piece),
                None => left.push(transform.clone()),
            }
        }
        match left.len() {
            0 => drop(root.shift_remove("Transform")),
            _ => drop(root.insert("Transform".to_owned(), Value::Array(left))),
        }
        Ok(value)
    })
}

type FindPiece<'p> = dyn Fn(&Value) -> Result<Option<&'p Map<String, Value>>, TemplateError> + 'p;

fn put_in(value: &Value, piece: &FindPiece<'_>) -> Result<Value, TemplateError> {
    Ok(match value {
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| put_in(item, piece)).collect::<Result<_, TemplateError>>()?)
        }
        Value::Object(map) => {
            let mut out = Map::new();
            let mut more = None;
            for (key, value) in map {
                if key == FUNCTION
                    && let Some(piece) = piece(value)?
                {
                    more = Some(piece);
                    continue;
                }
                out.insert(key.clone(), put_in(value, piece)?);
            }
            if let Some(more) = more {
                merge(&mut out, more);
            }
            Value::Object(out)
        }
        other => other.clone(),
    })
}

/// Adds what is not there, in sections entry by entry.
fn merge(into: &mut Map<String, Value>, piece: &Map<String, Value>) {
    for (key, value) in piece {
        match (into.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => {
                for (key, value) in more {
                    known.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_are_put_in() {
        let environment = Environment {
            account: "1".to_owned(),
            region: "r".to_owned(),
            partition: "aws".to_owned(),
            stack_name: "s".to_owned(),
            stack_id: "i".to_owned(),
            notification_arns: Vec::new(),
        };
        let include = |place: Value| json!({"Name": "AWS::Include", "Parameters": {"Location": place}});
        let source = json!({
            "Transform": [include(json!("s3://b/root")), "AWS::Serverless-2016-10-31"],
            "Resources": {"A": {"Type": "T", "Properties": {"own": 1, "Fn::Transform": include(json!({"Ref": "Place"}))}}},
        });
        let parameters = IndexMap::from([("Place".to_owned(), json!("s3://b/properties"))]);
        let found = locations(&source, &parameters, &environment).unwrap();
        assert_eq!(found, ["s3://b/root", "s3://b/properties"]);
        let pieces = IndexMap::from([
            ("s3://b/root".to_owned(), json!({"Resources": {"B": {"Type": "T"}}, "Outputs": {}})),
            ("s3://b/properties".to_owned(), json!({"own": 2, "more": 3})),
        ]);
        assert_eq!(
            included(&source, &pieces, &parameters, &environment).unwrap(),
            json!({
                "Transform": ["AWS::Serverless-2016-10-31"],
                "Resources": {"A": {"Type": "T", "Properties": {"own": 1, "more": 3}}, "B": {"Type": "T"}},
                "Outputs": {},
            })
        );
        assert!(included(&source, &IndexMap::new(), &parameters, &environment).is_err());
    }
}
