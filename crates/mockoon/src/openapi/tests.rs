use serde_json::{Value, json};

use super::*;
use crate::Environment;

fn load(text: &str) -> Environment {
    Environment::load(text.as_bytes(), false).unwrap()
}

#[test]
fn documents_become_routes() {
    let environment = load(
        "openapi: 3.0.1\ninfo: {title: Pets}\nservers: [{url: 'https://{host}/v1', variables: {host: {default: a}}}]\n\
         paths:\n  /pets/{pet-id}:\n    parameters: []\n    get:\n      responses:\n        default: {description: other}\n        \
         200:\n          description: one\n          content:\n            application/json:\n              schema: {$ref: \
         '#/components/schemas/Pet'}\n              examples: {tom: {value: {id: 1.0}}}\n        4XX: {}\n\
         components:\n  schemas:\n    Pet:\n      type: object\n      properties:\n        id: {type: integer}\n        kind: \
         {enum: [cat, dog]}\n        size: {enum: [1, 2]}\n        friends: {type: array, items: {$ref: \
         '#/components/schemas/Pet'}}\n",
    );
    assert_eq!((environment.name.as_str(), environment.endpoint_prefix.as_str()), ("Pets", "v1"));
    let route = &environment.routes[0];
    assert_eq!((route.method.as_str(), route.endpoint.as_str()), ("get", "pets/:petid"));
    let responses: Vec<_> = route.responses.iter().map(|response| (response.status, response.label.as_str())).collect();
    assert_eq!(responses, [(200, "one"), (200, "tom"), (200, "other")]);
    assert_eq!(
        &*route.responses[0].body,
        "{\n  \"id\": {{faker 'number.int' max=99999}},\n  \"kind\": \"{{oneOf 'cat' 'dog'}}\",\n  \"size\": {{oneOf 1 \
         2}},\n  \"friends\": [\n    \"\"\n  ]\n}"
    );
    assert_eq!(&*route.responses[1].body, "{\n  \"id\": 1\n}");
    assert!(route.responses[0].is_default && route.responses[2].body.is_empty());
}

#[test]
fn swagger_says_port_and_prefix() {
    let environment = load(
        &json!({
            "swagger": "2.0", "info": { "title": "Old" }, "host": "a:81", "basePath": "/b",
            "produces": ["text/xml", "application/vnd.x+json"],
            "paths": { "/x": { "post": { "responses": { "201": {
                "schema": { "allOf": [{ "properties": { "a": { "type": "string", "format": "uuid" } } }, { "properties": { "b": { "default": 2 } } }] },
                "headers": { "X-A": { "example": "1" } },
            } } } } },
        })
        .to_string(),
    );
    assert_eq!((environment.port, environment.endpoint_prefix.as_str()), (81, "b"));
    let response = &environment.routes[0].responses[0];
    assert_eq!(response.status, 201);
    assert_eq!(&*response.body, "{\n  \"a\": \"{{faker 'string.uuid'}}\",\n  \"b\": 2\n}");
    let headers: Vec<_> = response.headers.iter().map(|header| (header.key.as_str(), header.value.as_str())).collect();
    assert_eq!(headers, [("Content-Type", "text/xml"), ("X-A", "1")]);
}

#[test]
fn what_is_no_document_is_told() {
    let check = |text: &str, expect: &str| {
        let message = Environment::load(text.as_bytes(), false).unwrap_err().to_string();
        assert!(message.contains(expect), "{text}: {message}");
    };
    check("openapi: 3.0.0\ninfo: {}", "no paths");
    check("openapi: 3.0.0\npaths: {}", "no info");
    check("a: b", "neither");
    check("a: [", "not YAML");
    check("{\"a\": ", "not JSON");
}

#[test]
fn references_that_go_round_end() {
    let schemas: Value = (0..300)
        .map(|index| {
            let next = format!("#/components/schemas/s{}", (index + 1) % 300);
            (format!("s{index}"), json!({ "properties": { "a": { "$ref": next }, "b": { "$ref": next } } }))
        })
        .collect::<Map<_, _>>()
        .into();
    let schema = json!({ "$ref": "#/components/schemas/s0" });
    let environment = load(
        &json!({
            "openapi": "3.1.0", "info": {}, "components": { "schemas": schemas },
            "paths": { "/x": { "get": { "responses": { "200": { "content": { "application/json": { "schema": schema } } } } } } },
        })
        .to_string(),
    );
    assert!(environment.routes[0].responses[0].body.len() < 10_000_000);
    let external = json!({ "a": [{ "$ref": "https://x/y" }, { "$ref": "#/z" }] });
    assert_eq!(external_references(&external), ["https://x/y"]);
}
