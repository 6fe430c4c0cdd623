//! OpenAPI 3 and Swagger 2 documents as environments: the routes, bodies and headers that Mockoon makes of them.

mod references;
mod schema;

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::{Map, Value, json};

use self::references::{Tree, dereferenced};
use crate::environment::{LoadError, is_route_method};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Swagger,
    OpenApi,
}

/// Whether a file is a document of that kind.
pub fn is_document(value: &Value) -> bool {
    value.get("swagger").is_some()
        || value.get("openapi").and_then(Value::as_str).is_some_and(|version| version.starts_with("3."))
}

/// Reads YAML. `error` is why it is not JSON.
pub fn from_yaml(bytes: &[u8], error: serde_json::Error) -> Result<Value, LoadError> {
    let is_json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()).is_none_or(|byte| matches!(byte, b'{' | b'['));
    if is_json {
        return Err(LoadError::Json(error));
    }
    let value = plain(yaml_serde::from_slice(bytes)?);
    if is_document(&value) { Ok(value) } else { Err(LoadError::Nothing) }
}

/// YAML without what JSON does not have: names are texts.
fn plain(value: yaml_serde::Value) -> Value {
    use yaml_serde::Value as Yaml;
    match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(flag) => Value::Bool(flag),
        Yaml::String(text) => Value::String(text),
        Yaml::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), ..) => number.into(),
            (_, Some(number), _) => number.into(),
            (.., number) => number.and_then(serde_json::Number::from_f64).map_or(Value::Null, Value::Number),
        },
        Yaml::Sequence(items) => items.into_iter().map(plain).collect(),
        Yaml::Mapping(members) => {
            let name = |name: Yaml| match plain(name) {
                Value::String(name) => name,
                Value::Null => String::new(),
                other => other.to_string(),
            };
            Value::Object(members.into_iter().map(|(key, value)| (name(key), plain(value))).collect())
        }
        Yaml::Tagged(tagged) => plain(tagged.value),
    }
}

/// The environment for a document, as JSON of the newest form.
pub fn environment(document: &Value) -> Result<Value, LoadError> {
    let version = if document.get("swagger").is_some() { Version::Swagger } else { Version::OpenApi };
    let document = dereferenced(document);
    let paths = document.get("paths").filter(|paths| paths.is_map());
    let paths = paths.ok_or(LoadError::OpenApi("it has no paths"))?;
    let info = document.get("info").filter(|info| info.is_map());
    let title = info.ok_or(LoadError::OpenApi("it has no info"))?.text("title");
    let headers = [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
        (
            "Access-Control-Allow-Headers",
            "Content-Type, Origin, Accept, Authorization, Content-Length, X-Requested-With",
        ),
    ];
    let mut environment = json!({
        "name": title.unwrap_or(if version == Version::Swagger { "Swagger import" } else { "OpenAPI import" }),
        "headers": headers.map(|(key, value)| json!({ "key": key, "value": value })),
        "endpointPrefix": match version {
            Version::Swagger => without_slash(document.text("basePath").unwrap_or_default()).to_owned(),
            Version::OpenApi => server_prefix(&document),
        },
        "routes": routes(&document, paths, version),
    });
    let port = document.text("host").and_then(|host| host.split(':').nth(1)).and_then(crate::values::leading_integer);
    if let (Version::Swagger, Some(port)) = (version, port) {
        environment["port"] = port.into();
    }
    Ok(environment)
}

fn without_slash(text: &str) -> &str {
    text.strip_prefix('/').unwrap_or(text)
}

/// The path of the first server.
fn server_prefix(document: &Tree) -> String {
    static VARIABLES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{(\w+)\}").ok());
    let server = document.get("servers").and_then(|servers| servers.items().first());
    let Some(server) = server else { return String::new() };
    let (Some(url), Some(variables)) = (server.text("url"), VARIABLES.as_ref()) else { return String::new() };
    let url = variables.replace_all(url, |found: &Captures<'_>| {
        let variable = server.get("variables").and_then(|variables| variables.get(&found[1]));
        variable.and_then(|variable| variable.get("default")).map(Tree::printed).unwrap_or_default()
    });
    if url.starts_with('/') {
        return without_slash(&url).to_owned();
    }
    let Some((_, rest)) = url.split_once("://") else { return String::new() };
    let path = rest.find('/').map_or("", |start| &rest[start..]);
    without_slash(path.split(['?', '#']).next().unwrap_or_default()).to_owned()
}

fn routes(document: &Tree, paths: &Tree, version: Version) -> Vec<Value> {
    let mut routes = Vec::new();
    for (path, methods) in paths.members() {
        // The other keys of a path are about all of its methods.
        for (method, operation) in methods.members().iter().filter(|(method, _)| is_route_method(method)) {
            let mut responses = Vec::new();
            for (status, response) in operation.get("responses").map(Tree::members).unwrap_or_default() {
                let number = crate::values::leading_integer(status).filter(|number| (100..=999).contains(number));
                let number = if status == "default" { Some(200) } else { number };
                if let Some(number) = number {
                    responses_of(document, operation, response, version, number, &mut responses);
                }
            }
            if responses.is_empty() {
                let headers = json!([{ "key": "Content-Type", "value": "application/json" }]);
                responses.push(json!({ "body": "", "headers": headers }));
            }
            responses[0]["default"] = true.into();
            routes.push(json!({
                "type": "http",
                "method": method,
                "endpoint": without_slash(&endpoint(path)),
                "responses": responses,
            }));
        }
    }
    routes
}

/// `{pet-id}` as `:petid`.
fn endpoint(path: &str) -> String {
    static PARAMETERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\{([-\w]+)\}").ok());
    match PARAMETERS.as_ref() {
        Some(pattern) => {
            pattern.replace_all(path, |found: &Captures<'_>| format!(":{}", found[1].replace('-', ""))).into_owned()
        }
        None => path.to_owned(),
    }
}

/// What is made of one response: one for its schema, and one for each example.
fn responses_of(
    document: &Tree,
    operation: &Tree,
    response: &Tree,
    version: Version,
    status: i64,
    out: &mut Vec<Value>,
) {
    let content = response.get("content").filter(|content| content.is_map());
    let content_types: Vec<String> = match version {
        Version::Swagger => {
            let named =
                [(operation, "produces"), (operation, "consumes"), (document, "produces"), (document, "consumes")];
            let first = named.into_iter().find_map(|(place, name)| place.get(name).filter(|list| !list.is_null()));
            first.map(|list| list.items().iter().map(Tree::printed).collect()).unwrap_or_default()
        }
        Version::OpenApi => {
            content.map(|content| content.members().iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default()
        }
    };
    let is_json = |name: &&String| {
        let name = name.to_ascii_lowercase();
        name.contains("application/json")
            || name.find("application/").is_some_and(|place| name[place..].contains("+json"))
    };
    let found = content_types.iter().find(is_json).and_then(|name| match version {
        Version::Swagger => Some(response),
        Version::OpenApi => content?.get(name),
    });
    let headers = headers(&content_types, response);
    let built = |body: Option<Value>, label: &str| {
        json!({
            "body": body.map(|body| schema::text(&body)).unwrap_or_default(),
            "label": label,
            "statusCode": status,
            "headers": headers,
        })
    };
    let schema = found.and_then(|found| found.get("schema"));
    let label = response.text("description").unwrap_or_default();
    out.push(built(schema.and_then(schema::example), label));
    for (name, example) in found.and_then(|found| found.get("examples")).map(Tree::members).unwrap_or_default() {
        let body = match version {
            Version::Swagger => Some(example.to_value()),
            Version::OpenApi => example.get("value").map(Tree::to_value),
        };
        out.push(built(body, name));
    }
}

fn headers(content_types: &[String], response: &Tree) -> Vec<Value> {
    let has_json = content_types.iter().any(|name| name == "application/json");
    let content_type = content_types.first().filter(|_| !has_json).map_or("application/json", String::as_str);
    let mut headers = vec![json!({ "key": "Content-Type", "value": content_type })];
    for (name, header) in response.get("headers").map(Tree::members).unwrap_or_default() {
        let example = header.get("example").filter(|example| !example.is_null()).map(Tree::to_value);
        let listed = || {
            let (_, first) = header.get("examples")?.members().first()?;
            first.get("value").map(Tree::to_value)
        };
        let made = || header.get("schema").and_then(schema::example);
        let value = example.or_else(listed).or_else(made).unwrap_or_default();
        headers.push(json!({ "key": name, "value": header_text(value) }));
    }
    headers
}

/// Mockoon takes every value for a template; those that are none are told as failures.
fn header_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null | Value::Bool(false) => String::new(),
        Value::Number(number) if number.as_f64() == Some(0.0) => String::new(),
        _ => "-- Header parsing error, see logs for more details --".to_owned(),
    }
}

/// Of what is fetched from elsewhere nothing is known.
pub fn external_references(document: &Value) -> Vec<String> {
    fn walk(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            Value::Object(members) => walk_members(members, found),
            _ => {}
        }
    }
    fn walk_members(members: &Map<String, Value>, found: &mut Vec<String>) {
        if let Some(reference) = members.get("$ref").and_then(Value::as_str)
            && (reference.starts_with("http://") || reference.starts_with("https://"))
        {
            found.push(reference.to_owned());
        }
        members.values().for_each(|value| walk(value, found));
    }
    let mut found = Vec::new();
    walk(document, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

#[cfg(test)]
mod tests;
