//! `AWS::Serverless::Api` and `AWS::Serverless::HttpApi`, and the APIs that events imply.

use serde_json::{Map, Value, json};

use super::{GLOBALS, Model, Source, hash, plain_id, with_globals};

/// The logical ids of APIs that no resource declares.
pub(super) const REST: &str = "ServerlessRestApi";
pub(super) const HTTP: &str = "ServerlessHttpApi";
/// The stage of an API that no resource declares.
const STAGE: &str = "Prod";

/// A path and method of an API that a function answers.
pub(super) struct Route {
    /// The logical id of the function or alias.
    pub(super) function: String,
    pub(super) path: String,
    /// In lower case; `any` for all.
    pub(super) method: String,
    pub(super) rest: bool,
}

/// The name of the stage of a REST API, as logical ids have it.
pub(super) fn stage(source: &Source<'_>, api: &str) -> String {
    let declared = source.declared.get(api).and_then(|api| api.get("Properties")?.get("StageName")?.as_str());
    declared.map_or_else(|| if api == REST { STAGE.to_owned() } else { "Stage".to_owned() }, plain_id)
}

/// Leave for an API to call a function.
pub(super) fn permission(api: &str, route: &Route) -> Value {
    let method = if route.method.contains("any") { "*".to_owned() } else { route.method.to_uppercase() };
    let mut path = String::new();
    let mut inside = false;
    for letter in route.path.chars() {
        match letter {
            '{' => {
                inside = true;
                path.push('*');
            }
            '}' => inside = false,
            _ if inside => {}
            _ => path.push(letter),
        }
    }
    let resource =
        if route.path == "$default" { "/*".to_owned() } else { format!("/*/{method}{path}").replace("//", "/") };
    let arn =
        format!("arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}{resource}");
    json!({
        "Action": "lambda:InvokeFunction",
        "FunctionName": {"Ref": route.function},
        "Principal": "apigateway.amazonaws.com",
        "SourceArn": {"Fn::Sub": [arn, {"__ApiId__": {"Ref": api}}]},
    })
}

/// Expands a declared REST API, but for the routes that events add.
pub(super) fn rest(model: &mut Model<'_>, source: &Source<'_>) {
    let mut properties = Map::new();
    source.copy(
        &[
            "ApiKeySourceType",
            "BinaryMediaTypes",
            "Description",
            "DisableExecuteApiEndpoint",
            "FailOnWarnings",
            "MinimumCompressionSize",
            "Mode",
            "Name",
        ],
        &mut properties,
    );
    match (source.get("DefinitionBody"), source.get("DefinitionUri")) {
        (Some(body), _) => properties.insert("Body".to_owned(), body.clone()),
        (None, Some(uri)) => super::function::location(uri, "DefinitionUri", ["Bucket", "Key", "Version"])
            .ok()
            .and_then(|place| properties.insert("BodyS3Location".to_owned(), place)),
        (None, None) => properties.insert("Body".to_owned(), empty_body(true)),
    };
    if let Some(endpoint) = source.get("EndpointConfiguration") {
        let kind = endpoint.get("Type").cloned().unwrap_or_else(|| endpoint.clone());
        properties.insert("EndpointConfiguration".to_owned(), json!({"Types": [kind]}));
    }
    if source.get("Tags").is_some() {
        properties.insert("Tags".to_owned(), source.tags("api:createdBy"));
    }
    model.add(source.name, source.plain("AWS::ApiGateway::RestApi", properties));
    model.routes.entry(source.name.to_owned()).or_default();
}

/// Expands a declared HTTP API, but for the routes that events add.
pub(super) fn http(model: &mut Model<'_>, source: &Source<'_>) {
    let mut properties = Map::new();
    source.copy(&["Description", "DisableExecuteApiEndpoint", "FailOnWarnings"], &mut properties);
    let body = source.get("DefinitionBody").cloned().unwrap_or_else(|| empty_body(false));
    properties.insert("Body".to_owned(), body);
    model.add(source.name, source.plain("AWS::ApiGatewayV2::Api", properties));
    model.routes.entry(source.name.to_owned()).or_default();
}

/// Adds the routes of events, then deployments and stages, whose names depend on them.
pub(super) fn finish(model: &mut Model<'_>, declared: &Map<String, Value>, globals: Option<&Value>) {
    let routes = std::mem::take(&mut model.routes);
    for (api, routes) in routes {
        let own = declared.get(&api);
        let kind = own.and_then(|api| api.get("Type")).and_then(Value::as_str).unwrap_or_default();
        let is_rest = if own.is_some() { kind == "AWS::Serverless::Api" } else { api == REST };
        if own.is_some() && !GLOBALS.iter().any(|(_, known)| *known == kind) {
            continue;
        }
        if own.is_none() {
            let kind = if is_rest { "AWS::ApiGateway::RestApi" } else { "AWS::ApiGatewayV2::Api" };
            model.add(api.clone(), json!({"Type": kind, "Properties": {"Body": empty_body(is_rest)}}));
        }
        let kind = if is_rest { "AWS::Serverless::Api" } else { "AWS::Serverless::HttpApi" };
        let properties = with_globals(globals, kind, own.and_then(|api| api.get("Properties")));
        let condition = own.and_then(|api| api.get("Condition")).cloned();
        let with_condition = |mut resource: Value| {
            if let Some(condition) = &condition {
                resource["Condition"] = condition.clone();
            }
            resource
        };
        let body = model.out.get_mut(&api).and_then(|api| api["Properties"].get_mut("Body"));
        let digest = body.map(|body| {
            add_routes(body, &routes);
            hash(body)
        });
        let stage_name = properties.get("StageName").cloned();
        if is_rest {
            let digest = digest.unwrap_or_else(|| hash(&json!(api)));
            let deployment = format!("{api}Deployment{digest}");
            let resource = json!({
                "Type": "AWS::ApiGateway::Deployment",
                "Properties": {"Description": format!("RestApi deployment id: {digest}"), "RestApiId": {"Ref": api}, "StageName": "Stage"},
            });
            model.add(deployment.clone(), with_condition(resource));
            let name = stage_name.unwrap_or_else(|| json!(STAGE));
            let id = model
                .text(&name)
                .map_or_else(|| format!("{api}Stage"), |text| format!("{api}{}Stage", plain_id(&text)));
            let mut stage = json!({"DeploymentId": {"Ref": deployment}, "RestApiId": {"Ref": api}, "StageName": name});
            for (from, to) in [
                ("Variables", "Variables"),
                ("MethodSettings", "MethodSettings"),
                ("TracingEnabled", "TracingEnabled"),
                ("AccessLogSetting", "AccessLogSetting"),
                ("CanarySetting", "CanarySetting"),
            ] {
                if let Some(value) = properties.get(from) {
                    stage[to] = value.clone();
                }
            }
            model.add(id, with_condition(json!({"Type": "AWS::ApiGateway::Stage", "Properties": stage})));
        } else {
            let id = match &stage_name {
                None => format!("{api}ApiGatewayDefaultStage"),
                Some(name) => model
                    .text(name)
                    .map_or_else(|| format!("{api}Stage"), |text| format!("{api}{}Stage", plain_id(&text))),
            };
            let name = stage_name.unwrap_or_else(|| json!("$default"));
            let mut stage = json!({"ApiId": {"Ref": api}, "AutoDeploy": true, "StageName": name, "Tags": {"httpapi:createdBy": "SAM"}});
            for (from, to) in [
                ("AccessLogSettings", "AccessLogSettings"),
                ("DefaultRouteSettings", "DefaultRouteSettings"),
                ("RouteSettings", "RouteSettings"),
                ("StageVariables", "StageVariables"),
            ] {
                if let Some(value) = properties.get(from) {
                    stage[to] = value.clone();
                }
            }
            model.add(id, with_condition(json!({"Type": "AWS::ApiGatewayV2::Stage", "Properties": stage})));
        }
    }
}

fn empty_body(rest: bool) -> Value {
    let info = json!({"title": {"Ref": "AWS::StackName"}, "version": "1.0"});
    if rest {
        json!({"swagger": "2.0", "info": info, "paths": {}})
    } else {
        json!({"openapi": "3.0.1", "info": info, "paths": {}})
    }
}

fn add_routes(body: &mut Value, routes: &[Route]) {
    if !body.is_object() || crate::references::function(body).is_some() {
        return;
    }
    for route in routes {
        let function = &route.function;
        let uri = format!(
            "arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{{}}}/invocations",
            if function.contains("Alias") { function.clone() } else { format!("{function}.Arn") }
        );
        let mut integration = json!({"httpMethod": "POST", "type": "aws_proxy", "uri": {"Fn::Sub": uri}});
        if !route.rest {
            integration["payloadFormatVersion"] = json!("2.0");
        }
        let method = match route.method.as_str() {
            "any" | "*" => "x-amazon-apigateway-any-method",
            method => method,
        };
        if !body["paths"].is_object() {
            body["paths"] = json!({});
        }
        if !body["paths"][&route.path].is_object() {
            body["paths"][&route.path] = json!({});
        }
        let parameters: Vec<Value> = route
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| json!({"name": name.trim_end_matches('+'), "in": "path", "required": true, "type": "string"}))
            .collect();
        let mut operation = json!({"x-amazon-apigateway-integration": integration, "responses": {}});
        if !parameters.is_empty() {
            operation["parameters"] = Value::Array(parameters);
        }
        body["paths"][&route.path][method] = operation;
    }
}
