//! Properties of a resource as members of an operation's input: by names without regard to case and dashes.

use std::collections::BTreeSet;

use base64::Engine as _;
use serde_json::Value;
use standin_model::words::squash;
use standin_model::{Document, Fields, Kind, Service, ShapeIx, Timestamp};

use crate::parameters::scalar_text;

/// Structures within structures, at most: models recurse.
const DEPTH_MAX: usize = 32;

/// What properties come to as an input.
#[derive(Debug, Default)]
pub(crate) struct Input {
    pub(crate) fields: Fields,
    /// The properties that some member took.
    pub(crate) used: BTreeSet<String>,
}

/// Fills a structure with those properties that it has members for. `noun` is the resource type's name: `BucketName` of a
/// bucket is also `Name` and `Bucket`.
pub(crate) fn fill(service: &Service, shape: ShapeIx, properties: &Value, noun: &str) -> Input {
    let mut input = Input::default();
    let Some((structure, properties)) = service.structure(shape).zip(properties.as_object()) else { return input };
    let noun = squash(noun);
    for member in &structure.members {
        let own = squash(member.name);
        let also = [
            format!("{noun}{own}"),
            own.strip_prefix(&noun).unwrap_or_default().to_owned(),
            format!("{own}name"),
            format!("{own}document"),
        ];
        let same = |wanted: &str| {
            properties
                .iter()
                .find(|(name, _)| !wanted.is_empty() && !input.used.contains(*name) && squash(name) == wanted)
        };
        let found = same(&own).or_else(|| if own == "tagging" { same("tags") } else { None });
        let found = found.or_else(|| also.iter().filter(|name| **name != "tags").find_map(|name| same(name)));
        // `GroupName` of a security group, where the service says `Name`.
        let found = found.or_else(|| {
            let of_noun = |name: &str| {
                let rest = squash(name).strip_suffix(&own).map(str::to_owned).unwrap_or_default();
                member.required && !rest.is_empty() && noun.ends_with(&rest)
            };
            properties.iter().find(|(name, _)| !input.used.contains(*name) && of_noun(name))
        });
        let Some((name, value)) = found else {
            // Services that want everything in one structure, which is called as the resource.
            if own == noun && matches!(service.target(member).kind, Kind::Structure(_)) {
                let inner = fill(service, member.target, &Value::Object(properties.clone()), &noun);
                input.used.extend(inner.used);
                input.fields.push(member.name, inner.fields);
            }
            continue;
        };
        if let Some(value) = convert(service, member.target, value, 0) {
            input.used.insert(name.clone());
            input.fields.push(member.name, value);
        }
    }
    // What is left goes where texts are kept by name: `Attributes` of queues and topics.
    let attributes = structure
        .members
        .iter()
        .find(|member| member.name == "Attributes" && matches!(service.target(member).kind, Kind::Map(_)));
    if let Some(member) = attributes.filter(|member| !input.fields.contains_key(member.name)) {
        let mut map = Fields::new();
        for (name, value) in properties.iter().filter(|(name, _)| *name != "Tags") {
            if !input.used.contains(name) {
                let text = scalar_text(value).unwrap_or_else(|| value.to_string());
                map.push(name.clone(), text);
            }
        }
        if !map.is_empty() {
            map.iter().for_each(|(name, _)| {
                input.used.insert(name.to_string());
            });
            input.fields.push(member.name, map);
        }
    }
    // EC2 takes tags by resource.
    let specifications = structure.member("TagSpecifications");
    if let Some((_, Value::Array(tags))) = specifications.zip(properties.get("Tags"))
        && !input.used.contains("Tags")
    {
        let tags: Vec<Document> = tags.iter().map(Document::from_json).collect();
        let mut one = Fields::new();
        one.push("ResourceType", standin_model::words::kebab(&standin_model::words::split(&noun)));
        one.push("Tags", tags);
        input.used.insert("Tags".to_owned());
        input.fields.push("TagSpecifications", vec![Document::Map(one)]);
    }
    input
}

/// A value as a shape wants it; nothing where it cannot be one.
pub(crate) fn convert(service: &Service, shape: ShapeIx, value: &Value, depth: usize) -> Option<Document> {
    if depth > DEPTH_MAX {
        return None;
    }
    let text = || scalar_text(value);
    Some(match &service.shape(shape).kind {
        Kind::Structure(structure) => {
            let plain = text().is_some() || value.is_array();
            if let ([only], true) = (&*structure.members, plain) {
                // A text or a list, where the service has a structure around it.
                let inner = convert(service, only.target, value, depth + 1)?;
                let mut fields = Fields::new();
                fields.push(only.name, inner);
                return Some(Document::Map(fields));
            }
            let given = value.as_object()?;
            let mut fields = Fields::new();
            for member in &structure.members {
                let own = squash(member.name);
                let found = given.iter().find(|(name, _)| squash(name) == own);
                if let Some(value) = found.and_then(|(_, value)| convert(service, member.target, value, depth + 1)) {
                    fields.push(member.name, value);
                }
            }
            if fields.is_empty() && !given.is_empty() {
                return None;
            }
            Document::Map(fields)
        }
        Kind::List(list) => match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| convert(service, list.member.target, item, depth + 1));
                Document::List(items.collect::<Option<Vec<_>>>()?)
            }
            // Tags by name, where the service has a list of pairs.
            Value::Object(map) if service.structure(list.member.target).is_some() => {
                let pair = |(name, value): (&String, &Value)| {
                    let pair = serde_json::json!({"Key": name, "Value": value});
                    convert(service, list.member.target, &pair, depth + 1)
                };
                Document::List(map.iter().map(pair).collect::<Option<Vec<_>>>()?)
            }
            other => Document::List(vec![convert(service, list.member.target, other, depth + 1)?]),
        },
        Kind::Map(map) => match value {
            Value::Object(entries) => {
                let mut fields = Fields::new();
                for (name, value) in entries {
                    fields.push(name.clone(), convert(service, map.value.target, value, depth + 1)?);
                }
                Document::Map(fields)
            }
            // Pairs, where the service has tags by name.
            Value::Array(pairs) => {
                let mut fields = Fields::new();
                for pair in pairs {
                    let key = pair.get("Key")?.as_str()?.to_owned();
                    fields.push(key, convert(service, map.value.target, pair.get("Value")?, depth + 1)?);
                }
                Document::Map(fields)
            }
            _ => return None,
        },
        // Policies are objects in templates and JSON in requests.
        Kind::String { .. } => match value {
            Value::Object(_) | Value::Array(_) => Document::from(value.to_string()),
            _ => Document::from(text()?),
        },
        Kind::Blob { .. } => {
            let text = text().unwrap_or_else(|| value.to_string());
            let bytes = base64::engine::general_purpose::STANDARD.decode(&text).unwrap_or_else(|_| text.into_bytes());
            Document::Blob(bytes.into())
        }
        Kind::Boolean => match text()?.as_str() {
            "true" => Document::Bool(true),
            "false" => Document::Bool(false),
            _ => return None,
        },
        Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
            Document::Int(text()?.trim().parse().ok()?)
        }
        Kind::Float | Kind::Double | Kind::BigDecimal => Document::Float(text()?.trim().parse().ok()?),
        Kind::Timestamp(_) => Document::Timestamp(Timestamp::parse_any(&text()?)?),
        Kind::Document => Document::from_json(value),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use standin_model::Catalogue;

    use super::*;

    #[test]
    fn properties_become_members() {
        let check = |service: &str, operation: &str, noun: &str, properties: Value, expect: Value| {
            let service = Catalogue::shared().newest(service).expect("in the catalogue").open().expect("readable");
            let shape = service.operation(operation).expect("modelled").input.expect("has an input");
            assert_eq!(Document::Map(fill(service, shape, &properties, noun).fields).to_json(), expect, "{operation}");
        };
        check("s3", "CreateBucket", "Bucket", json!({"BucketName": "b"}), json!({"Bucket": "b"}));
        check(
            "sqs",
            "CreateQueue",
            "Queue",
            json!({"QueueName": "q", "DelaySeconds": 5, "RedrivePolicy": {"a": 1}, "Tags": [{"Key": "k", "Value": "v"}]}),
            json!({"QueueName": "q", "tags": {"k": "v"}, "Attributes": {"DelaySeconds": "5", "RedrivePolicy": "{\"a\":1}"}}),
        );
        check("sns", "CreateTopic", "Topic", json!({"TopicName": "t"}), json!({"Name": "t"}));
        check(
            "iam",
            "CreateRole",
            "Role",
            json!({"RoleName": "r", "AssumeRolePolicyDocument": {"Version": "1"}, "MaxSessionDuration": "3600"}),
            json!({"RoleName": "r", "AssumeRolePolicyDocument": "{\"Version\":\"1\"}", "MaxSessionDuration": 3600}),
        );
        check(
            "ec2",
            "CreateVpc",
            "VPC",
            json!({"CidrBlock": "10.0.0.0/16", "Tags": [{"Key": "k", "Value": "v"}]}),
            json!({"CidrBlock": "10.0.0.0/16", "TagSpecifications": [{"ResourceType": "vpc", "Tags": [{"Key": "k", "Value": "v"}]}]}),
        );
        check(
            "ec2",
            "CreateSecurityGroup",
            "SecurityGroup",
            json!({"GroupName": "g", "GroupDescription": "d", "VpcId": "v"}),
            json!({"Description": "d", "GroupName": "g", "VpcId": "v"}),
        );
        check(
            "codepipeline",
            "CreatePipeline",
            "Pipeline",
            json!({"Name": "p", "RoleArn": "r", "Tags": [{"Key": "k", "Value": "v"}]}),
            json!({"pipeline": {"name": "p", "roleArn": "r"}, "tags": [{"key": "k", "value": "v"}]}),
        );
    }
}
