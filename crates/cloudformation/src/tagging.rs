//! Tags: those of a stack are on whatever it makes.

use indexmap::IndexMap;
use serde_json::{Value, json};
use standin_model::Document;

use crate::evaluate::Made;
use crate::kinds::ResourceKind;
use crate::parameters::scalar_text;
use crate::resources::{Place, Wanted};
use crate::services::{ServiceResources, reason};

const TAGS: &str = "Tags";

/// Properties with the stack's tags, and those by which CloudFormation tells whose a resource is. What the template says of a
/// tag wins.
pub(crate) fn with_tags(place: &Place, wanted: &Wanted<'_>) -> Value {
    let own = [
        ("aws:cloudformation:stack-name", place.stack_name.as_str()),
        ("aws:cloudformation:logical-id", wanted.logical_id),
        ("aws:cloudformation:stack-id", place.stack_id.as_str()),
    ];
    let stack = place.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut properties = wanted.properties.clone();
    let Some(map) = properties.as_object_mut() else { return properties };
    match map.entry(TAGS).or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(list) => {
            for (key, value) in stack.chain(own) {
                if !list.iter().any(|tag| tag.get("Key").and_then(Value::as_str) == Some(key)) {
                    list.push(json!({"Key": key, "Value": value}));
                }
            }
        }
        Value::Object(known) => {
            for (key, value) in stack.chain(own) {
                known.entry(key).or_insert_with(|| Value::from(value));
            }
        }
        _ => {}
    }
    properties
}

/// The tags that properties tell, in either form.
fn tags(properties: &Value) -> IndexMap<String, String> {
    let text = |value: &Value| scalar_text(value).unwrap_or_default();
    match properties.get(TAGS) {
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(|tag| Some((tag.get("Key")?.as_str()?.to_owned(), text(tag.get("Value")?))))
            .collect(),
        Some(Value::Object(map)) => map.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        _ => IndexMap::new(),
    }
}

impl ServiceResources {
    /// Gives a resource that is there the tags that it is to have, where its tags are known by its ARN.
    pub(crate) async fn retag(
        &self,
        place: &Place,
        kind: &ResourceKind,
        before: &Value,
        properties: &Value,
        made: &Made,
    ) -> Result<(), String> {
        let Some(by) = &kind.made_by else { return Ok(()) };
        let arn = made.attributes.get("-arn").or_else(|| made.attributes.get("Arn")).and_then(Value::as_str);
        // Without ARNs: by the ids of resources, and tags in the form of lists.
        let by_id = by.service.operation("CreateTags").zip(by.service.operation("DeleteTags"));
        // Those of AWS were given when it was made.
        let ours = |mut tags: IndexMap<String, String>| {
            tags.retain(|key, _| !key.starts_with("aws:"));
            tags
        };
        let (old, new) = (ours(tags(before)), ours(tags(properties)));
        if old == new {
            return Ok(());
        }
        let gone: Vec<&String> = old.keys().filter(|key| !new.contains_key(*key)).collect();
        let calls = match (arn, by_id) {
            (_, Some((create, delete))) => {
                let list = |tags: Vec<Value>| Value::Array(tags);
                let set = new.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
                let unset = gone.iter().map(|key| json!({"Key": key}));
                let of = |tags: Value| json!({"Resources": [made.reference], "Tags": tags});
                vec![
                    (by.service, create, new.is_empty(), of(list(set.collect()))),
                    (by.service, delete, gone.is_empty(), of(list(unset.collect()))),
                ]
            }
            (Some(arn), None) => {
                let of = |name: &str, empty: bool, member: &str, value: Value| {
                    let (service, operation) = self.operation("resourcegroupstaggingapi", name)?;
                    Some((service, operation, empty, json!({"ResourceARNList": [arn], member: value})))
                };
                let set = of("TagResources", new.is_empty(), "Tags", json!(new));
                set.into_iter().chain(of("UntagResources", gone.is_empty(), "TagKeys", json!(gone))).collect()
            }
            (None, None) => Vec::new(),
        };
        for (service, operation, _, input) in calls.into_iter().filter(|(_, _, empty, _)| !empty) {
            let Document::Map(input) = Document::from_json(&input) else { continue };
            // One that has no tags is told of in the answer, which is no failure.
            self.call(place, service, operation, input, 0).await.map_err(|error| reason(service, &error))?;
        }
        Ok(())
    }
}
