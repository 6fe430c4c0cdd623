//! The transform of the AWS Serverless Application Model: `AWS::Serverless::*` become plain resources, under the logical ids
//! that AWS's transform gives them.

mod api;
mod events;
mod function;
mod policies;

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::error::TemplateError;
use crate::evaluate::Environment;
use crate::template::RESOURCES_MAX;

/// What `Globals` may have a section for, with the resource types that take it.
const GLOBALS: &[(&str, &str)] = &[
    ("Api", "AWS::Serverless::Api"),
    ("Function", "AWS::Serverless::Function"),
    ("HttpApi", "AWS::Serverless::HttpApi"),
    ("LayerVersion", "AWS::Serverless::LayerVersion"),
    ("SimpleTable", "AWS::Serverless::SimpleTable"),
    ("StateMachine", "AWS::Serverless::StateMachine"),
];

/// Expands a template.
///
/// # Errors
/// For serverless resources that lack what they need, or are of types that are not known here.
pub(crate) fn expand(
    mut value: Value,
    parameters: &IndexMap<String, Value>,
    environment: &Environment,
) -> Result<Value, TemplateError> {
    let globals = value.as_object_mut().and_then(|root| root.remove("Globals"));
    let Some(Value::Object(declared)) = value.get("Resources").cloned() else { return Ok(value) };
    let mut model =
        Model { out: Map::new(), renamed: BTreeMap::new(), routes: IndexMap::new(), parameters, environment };
    for (name, resource) in &declared {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        if !kind.starts_with("AWS::Serverless::") {
            // A bucket that an event has been added to keeps the addition.
            if !model.out.contains_key(name) {
                model.out.insert(name.clone(), resource.clone());
            }
            continue;
        }
        let told = |error: TemplateError| {
            let why = error.message;
            TemplateError::new(format!(
                "Transform AWS::Serverless-2016-10-31 failed with: Invalid Serverless Application Specification document. \
                 Number of errors found: 1. Resource with id [{name}] is invalid. {why}"
            ))
            .at(["Resources", name])
        };
        let properties = with_globals(globals.as_ref(), kind, resource.get("Properties"));
        let source = Source { name, resource, properties: &properties, declared: &declared };
        match kind {
            "AWS::Serverless::Function" => function::expand(&mut model, &source).map_err(told)?,
            "AWS::Serverless::Api" => api::rest(&mut model, &source),
            "AWS::Serverless::HttpApi" => api::http(&mut model, &source),
            "AWS::Serverless::SimpleTable" => simple_table(&mut model, &source),
            "AWS::Serverless::LayerVersion" => layer(&mut model, &source).map_err(told)?,
            "AWS::Serverless::StateMachine" => function::state_machine(&mut model, &source).map_err(told)?,
            _ => {
                return Err(TemplateError::new(format!(
                    "Transform AWS::Serverless-2016-10-31 failed with: resources of type {kind} are not expanded here"
                ))
                .at(["Resources", name]));
            }
        }
    }
    api::finish(&mut model, &declared, globals.as_ref());
    if model.out.len() > RESOURCES_MAX {
        return Err(TemplateError::format(format_args!(
            "Number of resources, {}, is greater than maximum allowed, {RESOURCES_MAX}",
            model.out.len()
        )));
    }
    let Model { out, renamed, .. } = model;
    value["Resources"] = Value::Object(out);
    if !renamed.is_empty() {
        rename(&mut value, &renamed);
    }
    if let Some(root) = value.as_object_mut() {
        let left = match root.remove("Transform") {
            Some(Value::Array(list)) => list.into_iter().filter(|one| one != crate::transform::SERVERLESS).collect(),
            _ => Vec::new(),
        };
        if !left.is_empty() {
            root.insert("Transform".to_owned(), Value::Array(left));
        }
    }
    Ok(value)
}

/// What the expansion has come to.
pub(super) struct Model<'p> {
    out: Map<String, Value>,
    /// Logical ids that got a hash, by those that the template has.
    renamed: BTreeMap<String, String>,
    /// What events add to APIs: by the API's logical id, path and method, the function.
    routes: IndexMap<String, Vec<api::Route>>,
    parameters: &'p IndexMap<String, Value>,
    environment: &'p Environment,
}

/// One serverless resource.
pub(super) struct Source<'s> {
    pub(super) name: &'s str,
    pub(super) resource: &'s Value,
    /// Its own over those of `Globals`.
    pub(super) properties: &'s Map<String, Value>,
    pub(super) declared: &'s Map<String, Value>,
}

impl Source<'_> {
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.properties.get(name)
    }

    /// Copies properties as they are, under their own names.
    pub(super) fn copy(&self, names: &[&str], into: &mut Map<String, Value>) {
        for name in names {
            if let Some(value) = self.properties.get(*name) {
                into.insert((*name).to_owned(), value.clone());
            }
        }
    }

    /// The tags of the resource as a list, after the one that tells of SAM.
    pub(super) fn tags(&self, mark: &str) -> Value {
        let mut tags = vec![json!({"Key": mark, "Value": "SAM"})];
        for (key, value) in self.get("Tags").and_then(Value::as_object).into_iter().flatten() {
            tags.push(json!({"Key": key, "Value": value}));
        }
        Value::Array(tags)
    }

    /// A plain resource that takes the attributes of this one.
    pub(super) fn plain(&self, kind: &str, properties: Map<String, Value>) -> Value {
        let mut resource = typed(kind, Value::Object(properties));
        for key in ["DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "UpdatePolicy"] {
            if let Some(value) = self.resource.get(key) {
                resource[key] = value.clone();
            }
        }
        resource
    }

    /// A resource that comes with this one.
    pub(super) fn beside(&self, kind: &str, properties: Value) -> Value {
        let mut resource = typed(kind, properties);
        if let Some(condition) = self.resource.get("Condition") {
            resource["Condition"] = condition.clone();
        }
        resource
    }
}

impl Model<'_> {
    pub(super) fn add(&mut self, name: impl Into<String>, resource: Value) {
        self.out.insert(name.into(), resource);
    }

    /// A text, where a value is one or refers to a parameter that is.
    pub(super) fn text(&self, value: &Value) -> Option<String> {
        match value {
            Value::String(text) => Some(text.clone()),
            other => {
                let name = other.get("Ref")?.as_str()?;
                match name {
                    "AWS::StackName" => Some(self.environment.stack_name.clone()),
                    _ => self.parameters.get(name)?.as_str().map(str::to_owned),
                }
            }
        }
    }

    pub(super) fn managed(&self, policy: &str) -> Value {
        Value::from(format!("arn:{}:iam::aws:policy/{policy}", self.environment.partition))
    }
}

fn typed(kind: &str, properties: Value) -> Value {
    Value::Object(Map::from_iter([("Type".to_owned(), Value::from(kind)), ("Properties".to_owned(), properties)]))
}

/// Ten hexadecimal digits that change with what they are of.
pub(super) fn hash(value: &Value) -> String {
    let digest = Sha256::digest(value.to_string().as_bytes());
    digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect()
}

/// The letters and digits of a text, as logical ids have them.
pub(super) fn plain_id(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

fn with_globals(globals: Option<&Value>, kind: &str, own: Option<&Value>) -> Map<String, Value> {
    let section = GLOBALS.iter().find(|(_, of)| *of == kind).map(|(section, _)| *section);
    let shared = section.and_then(|section| globals?.get(section)).cloned().unwrap_or_else(|| json!({}));
    match merged(shared, own.cloned().unwrap_or_else(|| json!({}))) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Maps are merged, lists come one after the other, of anything else the resource's own wins.
fn merged(shared: Value, own: Value) -> Value {
    match (shared, own) {
        (Value::Object(shared), own @ Value::Object(_))
            if crate::references::function(&own).is_some() || shared.keys().any(|key| key.starts_with("Fn::")) =>
        {
            own
        }
        (Value::Object(mut shared), Value::Object(own)) => {
            for (key, value) in own {
                let value = match shared.remove(&key) {
                    Some(general) => merged(general, value),
                    None => value,
                };
                shared.insert(key, value);
            }
            Value::Object(shared)
        }
        (Value::Array(mut shared), Value::Array(own)) => {
            shared.extend(own);
            Value::Array(shared)
        }
        (_, own) => own,
    }
}

fn simple_table(model: &mut Model<'_>, source: &Source<'_>) {
    let key = |part: &str, default: &str| {
        let given = source.get("PrimaryKey").and_then(|key| key.get(part));
        given.cloned().unwrap_or_else(|| Value::from(default))
    };
    let kind = match key("Type", "String").as_str() {
        Some("Number") => "N",
        Some("Binary") => "B",
        _ => "S",
    };
    let name = key("Name", "id");
    let mut properties = Map::new();
    source.copy(&["TableName", "SSESpecification", "PointInTimeRecoverySpecification"], &mut properties);
    properties.insert("AttributeDefinitions".to_owned(), json!([{"AttributeName": name, "AttributeType": kind}]));
    properties.insert("KeySchema".to_owned(), json!([{"AttributeName": name, "KeyType": "HASH"}]));
    match source.get("ProvisionedThroughput") {
        Some(throughput) => properties.insert("ProvisionedThroughput".to_owned(), throughput.clone()),
        None => properties.insert("BillingMode".to_owned(), json!("PAY_PER_REQUEST")),
    };
    if source.get("Tags").is_some() {
        let Value::Array(tags) = source.tags("") else { return };
        properties.insert("Tags".to_owned(), Value::Array(tags.into_iter().skip(1).collect()));
    }
    model.add(source.name, source.plain("AWS::DynamoDB::Table", properties));
}

fn layer(model: &mut Model<'_>, source: &Source<'_>) -> Result<(), TemplateError> {
    let mut properties = Map::new();
    let content =
        source.get("ContentUri").ok_or_else(|| TemplateError::new("Missing required property 'ContentUri'."))?;
    properties.insert(
        "Content".to_owned(),
        function::location(content, "ContentUri", ["S3Bucket", "S3Key", "S3ObjectVersion"])?,
    );
    let layer_name = source.get("LayerName").cloned().unwrap_or_else(|| Value::from(source.name));
    properties.insert("LayerName".to_owned(), layer_name);
    source.copy(&["CompatibleArchitectures", "CompatibleRuntimes", "Description", "LicenseInfo"], &mut properties);
    let id = format!("{}{}", source.name, hash(&Value::Object(properties.clone())));
    let mut resource = source.plain("AWS::Lambda::LayerVersion", properties);
    let policy = source.get("RetentionPolicy").and_then(Value::as_str).unwrap_or("Retain");
    resource["DeletionPolicy"] = Value::from(policy);
    model.renamed.insert(source.name.to_owned(), id.clone());
    model.add(id, resource);
    Ok(())
}

/// Lets whatever mentions a resource mention it by its new logical id.
fn rename(value: &mut Value, names: &BTreeMap<String, String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match (key.as_str(), &mut *value) {
                    ("Ref" | "DependsOn", Value::String(name)) => {
                        if let Some(new) = names.get(name) {
                            name.clone_from(new);
                        }
                    }
                    ("Fn::GetAtt", Value::Array(items)) => {
                        if let Some(Value::String(name)) = items.first_mut()
                            && let Some(new) = names.get(name)
                        {
                            name.clone_from(new);
                        }
                    }
                    ("Fn::Sub", Value::String(text)) => {
                        for (old, new) in names {
                            *text = text.replace(&format!("${{{old}}}"), &format!("${{{new}}}"));
                        }
                    }
                    _ => {}
                }
                rename(value, names);
            }
        }
        _ => {}
    }
}
