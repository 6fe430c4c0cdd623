//! Merges what a rule says over an output.

use serde_json::Value;
use standin_mock::validation::input_from_json;
use standin_model::{Document, Key, Kind, Service, ShapeIx};

/// Changes a document of a shape: structures and maps member by member, anything else as a whole; null takes a member away.
///
/// # Errors
/// The first value that does not fit its shape.
pub(crate) fn merge(service: &Service, shape: ShapeIx, document: &mut Document, patch: &Value) -> Result<(), String> {
    let kind = &service.shape(shape).kind;
    let by_members = match kind {
        Kind::Structure(structure) => !structure.event_stream,
        Kind::Map(_) => true,
        _ => false,
    };
    let (Document::Map(fields), Value::Object(changes), true) = (&mut *document, patch, by_members) else {
        *document = read(service, shape, patch)?;
        return Ok(());
    };
    for (name, change) in changes {
        let (name, target) = match kind {
            Kind::Structure(structure) => match structure.member(name) {
                Some(member) => (Key::Borrowed(member.name), member.target),
                None => return Err(format!("the output has no member `{name}`")),
            },
            Kind::Map(map) => (Key::Owned(name.clone()), map.value.target),
            _ => continue,
        };
        match fields.get_mut(&name) {
            _ if change.is_null() => {
                fields.remove(&name);
            }
            Some(old) => merge(service, target, old, change)?,
            None => fields.push(name, read(service, target, change)?),
        }
    }
    Ok(())
}

/// Reads plain JSON as a shape says.
///
/// # Errors
/// All values that do not fit, in AWS's words.
pub(crate) fn read(service: &Service, shape: ShapeIx, value: &Value) -> Result<Document, String> {
    input_from_json(service, shape, value).map_err(|violations| {
        let list: Vec<String> = violations.iter().map(ToString::to_string).collect();
        list.join("; ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use standin_model::Catalogue;

    #[test]
    fn members_are_changed_one_by_one() {
        let service = Catalogue::shared().find("mwaa").unwrap().open().unwrap();
        let shape = service.operation("GetEnvironment").unwrap().output.unwrap();
        let tags = json!({"x": "1", "y": "2"});
        let old = json!({"Environment": {"Name": "a", "Status": "AVAILABLE", "MaxWorkers": 5, "Tags": tags}});
        let mut document = input_from_json(service, shape, &old).unwrap();
        let patch = json!({"Environment": {"Status": "CREATING", "MaxWorkers": null, "Tags": {"x": null, "z": "3"}}});
        merge(service, shape, &mut document, &patch).unwrap();
        let expect = json!({"Environment": {"Name": "a", "Status": "CREATING", "Tags": {"y": "2", "z": "3"}}});
        assert_eq!(document.to_json(), expect);
        assert!(merge(service, shape, &mut document, &json!({"Nothing": 1})).is_err());
        assert!(merge(service, shape, &mut document, &json!({"Environment": {"MaxWorkers": "many"}})).is_err());
    }
}
