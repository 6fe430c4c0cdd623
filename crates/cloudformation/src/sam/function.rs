//! `AWS::Serverless::Function` and `AWS::Serverless::StateMachine`.

use serde_json::{Map, Value, json};

use super::{Model, Source, events, hash, policies};
use crate::error::TemplateError;

pub(super) fn expand(model: &mut Model<'_>, source: &Source<'_>) -> Result<(), TemplateError> {
    let name = source.name;
    let mut properties = Map::new();
    properties.insert("Code".to_owned(), code(source)?);
    source.copy(
        &[
            "Architectures",
            "CodeSigningConfigArn",
            "Description",
            "Environment",
            "EphemeralStorage",
            "FileSystemConfigs",
            "FunctionName",
            "Handler",
            "ImageConfig",
            "KmsKeyArn",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "RecursiveLoop",
            "ReservedConcurrentExecutions",
            "Runtime",
            "RuntimeManagementConfig",
            "SnapStart",
            "Timeout",
            "VpcConfig",
        ],
        &mut properties,
    );
    let image = source.get("PackageType").and_then(Value::as_str) == Some("Image");
    let runs = properties.contains_key("Handler") && properties.contains_key("Runtime");
    if !image && !runs {
        return Err(TemplateError::new("Missing required property 'Handler' or 'Runtime'."));
    }
    properties.insert("Tags".to_owned(), source.tags("lambda:createdBy"));
    if let Some(mode) = source.get("Tracing") {
        properties.insert("TracingConfig".to_owned(), json!({"Mode": mode}));
    }
    if let Some(queue) = source.get("DeadLetterQueue").and_then(|queue| queue.get("TargetArn")) {
        properties.insert("DeadLetterConfig".to_owned(), json!({"TargetArn": queue}));
    }
    let role = format!("{name}Role");
    match source.get("Role") {
        Some(given) => {
            properties.insert("Role".to_owned(), given.clone());
        }
        None => {
            properties.insert("Role".to_owned(), json!({"Fn::GetAtt": [role, "Arn"]}));
        }
    }
    model.add(name, source.plain("AWS::Lambda::Function", properties.clone()));

    let alias = source.get("AutoPublishAlias").and_then(|alias| model.text(alias));
    let target = match &alias {
        Some(alias) => {
            let version = format!("{name}Version{}", hash(&properties["Code"]));
            let mut resource = source.beside("AWS::Lambda::Version", json!({"FunctionName": {"Ref": name}}));
            resource["DeletionPolicy"] = json!("Retain");
            model.add(version.clone(), resource);
            let id = format!("{name}Alias{}", super::plain_id(alias));
            let mut aliased = json!({
                "FunctionName": {"Ref": name},
                "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
                "Name": alias,
            });
            if let Some(config) = source.get("ProvisionedConcurrencyConfig") {
                aliased["ProvisionedConcurrencyConfig"] = config.clone();
            }
            model.add(id.clone(), source.beside("AWS::Lambda::Alias", aliased));
            id
        }
        None => name.to_owned(),
    };
    if let Some(config) = source.get("FunctionUrlConfig") {
        let mut url = config.as_object().cloned().unwrap_or_default();
        url.insert("TargetFunctionArn".to_owned(), json!({"Ref": target}));
        let open = url.get("AuthType").and_then(Value::as_str) == Some("NONE");
        model.add(format!("{name}Url"), source.beside("AWS::Lambda::Url", Value::Object(url)));
        if open {
            let permission = json!({
                "Action": "lambda:InvokeFunctionUrl",
                "FunctionName": {"Ref": target},
                "FunctionUrlAuthType": "NONE",
                "Principal": "*",
            });
            model.add(format!("{name}UrlPublicPermissions"), source.beside("AWS::Lambda::Permission", permission));
        }
    }

    let mut managed = vec![model.managed("service-role/AWSLambdaBasicExecutionRole")];
    if source.get("VpcConfig").is_some() {
        managed.push(model.managed("service-role/AWSLambdaVPCAccessExecutionRole"));
    }
    if source.get("Tracing").is_some_and(|mode| mode != "Disabled") {
        managed.push(model.managed("AWSXRayDaemonWriteAccess"));
    }
    for policy in events::expand(model, source, &target)? {
        let policy = model.managed(policy);
        if !managed.contains(&policy) {
            managed.push(policy);
        }
    }
    if source.get("Role").is_none() {
        let resource = execution_role(model, source, &role, "lambda.amazonaws.com", managed, "lambda:createdBy")?;
        model.add(role, resource);
    }
    Ok(())
}

fn execution_role(
    model: &Model<'_>,
    source: &Source<'_>,
    role: &str,
    principal: &str,
    mut managed: Vec<Value>,
    mark: &str,
) -> Result<Value, TemplateError> {
    let (more, documents) = policies::split(source.get("Policies"), &model.environment.partition)?;
    managed.extend(more.into_iter().filter(|policy| !policy.is_null()));
    let mut properties = json!({
        "AssumeRolePolicyDocument": source.get("AssumeRolePolicyDocument").cloned().unwrap_or_else(|| json!({
            "Version": "2012-10-17",
            "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": [principal]}}],
        })),
        "ManagedPolicyArns": managed,
        "Tags": source.tags(mark),
    });
    if !documents.is_empty() {
        let named = documents.into_iter().enumerate();
        let list: Vec<Value> = named
            .map(|(at, document)| json!({"PolicyName": format!("{role}Policy{at}"), "PolicyDocument": document}))
            .collect();
        properties["Policies"] = Value::Array(list);
    }
    for (from, to) in [("PermissionsBoundary", "PermissionsBoundary"), ("RolePath", "Path")] {
        if let Some(value) = source.get(from) {
            properties[to] = value.clone();
        }
    }
    Ok(source.beside("AWS::IAM::Role", properties))
}

fn code(source: &Source<'_>) -> Result<Value, TemplateError> {
    if let Some(text) = source.get("InlineCode") {
        return Ok(json!({"ZipFile": text}));
    }
    if let Some(image) = source.get("ImageUri") {
        return Ok(json!({"ImageUri": image}));
    }
    let uri = source
        .get("CodeUri")
        .ok_or_else(|| TemplateError::new("Missing required property 'CodeUri', 'InlineCode' or 'ImageUri'."))?;
    location(uri, "CodeUri", ["S3Bucket", "S3Key", "S3ObjectVersion"])
}

/// A place in S3, from `s3://bucket/key` or a map, under the names that the plain resource has.
pub(super) fn location(uri: &Value, property: &str, names: [&str; 3]) -> Result<Value, TemplateError> {
    let mut out = Map::new();
    match uri {
        Value::String(text) => {
            let place = text.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
            let (bucket, key) = place.filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(|| {
                TemplateError::new(format!(
                    "'{property}' is not a valid S3 Uri of the form 's3://bucket/key' with optional versionId query parameter."
                ))
            })?;
            let (key, version) =
                key.split_once("?versionId=").map_or((key, None), |(key, version)| (key, Some(version)));
            out.insert(names[0].to_owned(), Value::from(bucket));
            out.insert(names[1].to_owned(), Value::from(key));
            if let Some(version) = version {
                out.insert(names[2].to_owned(), Value::from(version));
            }
        }
        Value::Object(map) => {
            for (from, to) in ["Bucket", "Key", "Version"].into_iter().zip(names) {
                if let Some(value) = map.get(from) {
                    out.insert(to.to_owned(), value.clone());
                }
            }
            if out.len() < 2 {
                return Err(TemplateError::new(format!(
                    "'{property}' requires Bucket and Key properties to be specified."
                )));
            }
        }
        _ => return Err(TemplateError::new(format!("'{property}' must be a string or a map."))),
    }
    Ok(Value::Object(out))
}

pub(super) fn state_machine(model: &mut Model<'_>, source: &Source<'_>) -> Result<(), TemplateError> {
    let name = source.name;
    let mut properties = Map::new();
    match (source.get("Definition"), source.get("DefinitionUri")) {
        (Some(definition), None) => {
            let text = serde_json::to_string_pretty(definition).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            properties.insert("DefinitionString".to_owned(), json!({"Fn::Join": ["\n", lines]}));
        }
        (None, Some(uri)) => {
            let place = location(uri, "DefinitionUri", ["Bucket", "Key", "Version"])?;
            properties.insert("DefinitionS3Location".to_owned(), place);
        }
        _ => {
            return Err(TemplateError::new("Either 'Definition' or 'DefinitionUri' property must be specified."));
        }
    }
    source.copy(&["DefinitionSubstitutions"], &mut properties);
    for (from, to) in [
        ("Name", "StateMachineName"),
        ("Type", "StateMachineType"),
        ("Logging", "LoggingConfiguration"),
        ("Tracing", "TracingConfiguration"),
    ] {
        if let Some(value) = source.get(from) {
            properties.insert(to.to_owned(), value.clone());
        }
    }
    let role = format!("{name}Role");
    let arn = source.get("Role").cloned().unwrap_or_else(|| json!({"Fn::GetAtt": [role, "Arn"]}));
    properties.insert("RoleArn".to_owned(), arn);
    properties.insert("Tags".to_owned(), source.tags("stateMachine:createdBy"));
    model.add(name, source.plain("AWS::StepFunctions::StateMachine", properties));
    if source.get("Role").is_none() {
        let resource =
            execution_role(model, source, &role, "states.amazonaws.com", Vec::new(), "stateMachine:createdBy")?;
        model.add(role, resource);
    }
    events::of_state_machine(model, source)
}
