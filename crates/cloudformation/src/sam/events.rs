//! What starts a function: its events.

use serde_json::{Map, Value, json};

use super::api::{self, Route};
use super::{Model, Source};
use crate::error::TemplateError;

/// Adds what the events of a function need. Answers the managed policies that its role needs for them.
pub(super) fn expand(
    model: &mut Model<'_>,
    source: &Source<'_>,
    target: &str,
) -> Result<Vec<&'static str>, TemplateError> {
    let mut policies = Vec::new();
    for (event, declared) in source.get("Events").and_then(Value::as_object).into_iter().flatten() {
        let kind = declared.get("Type").and_then(Value::as_str).unwrap_or_default();
        let none = Map::new();
        let properties = declared.get("Properties").and_then(Value::as_object).unwrap_or(&none);
        let id = format!("{}{event}", source.name);
        let wrong = |what: &str| TemplateError::new(format!("Event with id [{event}] is invalid. {what}"));
        match kind {
            "Api" | "HttpApi" => {
                let rest = kind == "Api";
                let text = |name: &str| properties.get(name).and_then(|value| model.text(value));
                let (path, method) = match (text("Path"), text("Method")) {
                    (Some(path), Some(method)) => (path, method),
                    (None, None) if !rest => ("$default".to_owned(), "x-amazon-apigateway-any-method".to_owned()),
                    _ => return Err(wrong("Missing required property 'Path' or 'Method'.")),
                };
                let own = properties.get(if rest { "RestApiId" } else { "ApiId" });
                let api = own.and_then(|api| api.get("Ref")).and_then(Value::as_str);
                let implicit = if rest { api::REST } else { api::HTTP };
                if own.is_some() && api.is_none() {
                    return Err(wrong("its API must be given by Ref."));
                }
                let route = Route { function: target.to_owned(), path, method: method.to_lowercase(), rest };
                let api = api.unwrap_or(implicit);
                let permission = api::permission(api, &route);
                let permission_id =
                    if rest { format!("{id}Permission{}", api::stage(source, api)) } else { format!("{id}Permission") };
                model.add(permission_id, source.beside("AWS::Lambda::Permission", permission));
                model.routes.entry(api.to_owned()).or_default().push(route);
            }
            "Schedule" | "EventBridgeRule" | "CloudWatchEvent" => {
                let rule = rule(
                    properties,
                    json!({"Arn": {"Fn::GetAtt": [target, "Arn"]}, "Id": format!("{id}LambdaTarget")}),
                );
                let rule = if target == source.name { rule } else { rule_of(rule, json!({"Ref": target})) };
                model.add(id.clone(), source.beside("AWS::Events::Rule", rule));
                let permission = permission(target, "events.amazonaws.com", &json!({"Fn::GetAtt": [id, "Arn"]}));
                model.add(format!("{id}Permission"), source.beside("AWS::Lambda::Permission", permission));
            }
            "SQS" | "DynamoDB" | "Kinesis" => {
                let (arn, policy) = match kind {
                    "SQS" => ("Queue", "service-role/AWSLambdaSQSQueueExecutionRole"),
                    "DynamoDB" => ("Stream", "service-role/AWSLambdaDynamoDBExecutionRole"),
                    _ => ("Stream", "service-role/AWSLambdaKinesisExecutionRole"),
                };
                let mut mapping = properties.clone();
                let from = mapping.remove(arn).ok_or_else(|| wrong(&format!("Missing required property '{arn}'.")))?;
                mapping.insert("EventSourceArn".to_owned(), from);
                mapping.insert("FunctionName".to_owned(), json!({"Ref": target}));
                policies.push(policy);
                model.add(id, source.beside("AWS::Lambda::EventSourceMapping", Value::Object(mapping)));
            }
            "SNS" => {
                let topic = properties.get("Topic").ok_or_else(|| wrong("Missing required property 'Topic'."))?;
                let mut subscription = json!({
                    "Endpoint": {"Fn::GetAtt": [target, "Arn"]},
                    "Protocol": "lambda",
                    "TopicArn": topic,
                });
                if target != source.name {
                    subscription["Endpoint"] = json!({"Ref": target});
                }
                for name in ["FilterPolicy", "FilterPolicyScope", "Region", "RedrivePolicy"] {
                    if let Some(value) = properties.get(name) {
                        subscription[name] = value.clone();
                    }
                }
                model.add(id.clone(), source.beside("AWS::SNS::Subscription", subscription));
                let permission = permission(target, "sns.amazonaws.com", topic);
                model.add(format!("{id}Permission"), source.beside("AWS::Lambda::Permission", permission));
            }
            "S3" => bucket(model, source, target, &id, properties).map_err(|what| wrong(&what))?,
            _ => return Err(wrong(&format!("events of type '{kind}' are not expanded here."))),
        }
    }
    Ok(policies)
}

/// Leave to call a function.
fn permission(target: &str, principal: &str, from: &Value) -> Value {
    json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": target},
        "Principal": principal,
        "SourceArn": from,
    })
}

fn rule(properties: &Map<String, Value>, mut target: Value) -> Value {
    let mut rule = Map::new();
    for (from, to) in [
        ("Schedule", "ScheduleExpression"),
        ("Pattern", "EventPattern"),
        ("Name", "Name"),
        ("RuleName", "Name"),
        ("Description", "Description"),
        ("State", "State"),
        ("EventBusName", "EventBusName"),
    ] {
        if let Some(value) = properties.get(from) {
            rule.insert(to.to_owned(), value.clone());
        }
    }
    if let Some(enabled) = properties.get("Enabled").and_then(Value::as_bool) {
        rule.insert("State".to_owned(), Value::from(if enabled { "ENABLED" } else { "DISABLED" }));
    }
    for name in ["Input", "InputPath", "InputTransformer", "RetryPolicy"] {
        if let Some(value) = properties.get(name) {
            target[name] = value.clone();
        }
    }
    rule.insert("Targets".to_owned(), json!([target]));
    Value::Object(rule)
}

/// The same rule with another target's ARN.
fn rule_of(mut rule: Value, arn: Value) -> Value {
    rule["Targets"][0]["Arn"] = arn;
    rule
}

/// A bucket that calls a function: the bucket itself is changed.
fn bucket(
    model: &mut Model<'_>,
    source: &Source<'_>,
    target: &str,
    id: &str,
    properties: &Map<String, Value>,
) -> Result<(), String> {
    let name = properties.get("Bucket").and_then(|bucket| bucket.get("Ref")).and_then(Value::as_str);
    let name = name.ok_or("Property 'Bucket' must be a Ref to a bucket of the same template.")?;
    let mut resource = model.out.get(name).or_else(|| source.declared.get(name)).cloned();
    let resource = resource.as_mut().filter(|resource| resource["Type"] == "AWS::S3::Bucket");
    let resource = resource.ok_or("Property 'Bucket' must be a Ref to a bucket of the same template.")?;
    let events = match properties.get("Events") {
        Some(Value::Array(events)) => events.clone(),
        Some(one) => vec![one.clone()],
        None => return Err("Missing required property 'Events'.".to_owned()),
    };
    let permission_id = format!("{id}Permission");
    if !resource["Properties"].is_object() {
        resource["Properties"] = json!({});
    }
    let configuration = &mut resource["Properties"]["NotificationConfiguration"];
    if !configuration.is_object() {
        *configuration = json!({});
    }
    let list = &mut configuration["LambdaConfigurations"];
    if !list.is_array() {
        *list = json!([]);
    }
    let function = if target == source.name { json!({"Fn::GetAtt": [target, "Arn"]}) } else { json!({"Ref": target}) };
    for event in events {
        let mut one = json!({"Event": event, "Function": function});
        if let Some(filter) = properties.get("Filter") {
            one["Filter"] = filter.clone();
        }
        if let Some(list) = list.as_array_mut() {
            list.push(one);
        }
    }
    let mut waits: Vec<Value> = match resource.get("DependsOn") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    waits.push(Value::from(permission_id.clone()));
    resource["DependsOn"] = Value::Array(waits);
    model.out.insert(name.to_owned(), resource.clone());
    let permission = json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": target},
        "Principal": "s3.amazonaws.com",
        "SourceAccount": {"Ref": "AWS::AccountId"},
    });
    model.add(permission_id, source.beside("AWS::Lambda::Permission", permission));
    Ok(())
}

/// Adds what the events of a state machine need: rules, with a role each.
pub(super) fn of_state_machine(model: &mut Model<'_>, source: &Source<'_>) -> Result<(), TemplateError> {
    for (event, declared) in source.get("Events").and_then(Value::as_object).into_iter().flatten() {
        let kind = declared.get("Type").and_then(Value::as_str).unwrap_or_default();
        if !matches!(kind, "Schedule" | "EventBridgeRule" | "CloudWatchEvent") {
            return Err(TemplateError::new(format!(
                "Event with id [{event}] is invalid. Events of type '{kind}' are not expanded here for state machines."
            )));
        }
        let none = Map::new();
        let properties = declared.get("Properties").and_then(Value::as_object).unwrap_or(&none);
        let id = format!("{}{event}", source.name);
        let role = format!("{id}Role");
        let target = json!({
            "Arn": {"Ref": source.name},
            "Id": format!("{id}StepFunctionsTarget"),
            "RoleArn": {"Fn::GetAtt": [role, "Arn"]},
        });
        model.add(id.clone(), source.beside("AWS::Events::Rule", rule(properties, target)));
        let properties = json!({
            "AssumeRolePolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Action": ["sts:AssumeRole"], "Effect": "Allow", "Principal": {"Service": ["events.amazonaws.com"]}}],
            },
            "Policies": [{
                "PolicyName": format!("{role}StartExecutionPolicy"),
                "PolicyDocument": {"Statement": [{"Action": "states:StartExecution", "Effect": "Allow", "Resource": {"Ref": source.name}}]},
            }],
        });
        model.add(role, source.beside("AWS::IAM::Role", properties));
    }
    Ok(())
}
