use serde_json::json;

use super::*;
use crate::finding::Finding;
use crate::yaml;

fn schema(types: &str) -> String {
    let types: String = types.lines().map(|line| format!("    {line}\n")).collect();
    format!("schema:\n  format:\n    openapi: \"3.0.0\"\n  environment_input_type: \"T\"\n  types:\n{types}")
}

fn told(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}

fn read_whole(text: &str) -> Schema {
    let mut findings = Vec::new();
    let found = read(text, &[ENVIRONMENT_INPUT], &[], &mut findings);
    assert_eq!(told(&findings), Vec::<String>::new());
    found.expect("a schema")
}

fn reading(text: &str, expect: &[&str]) {
    let mut findings = Vec::new();
    read(text, &[ENVIRONMENT_INPUT], &[(SERVICE_INPUT, "no service")], &mut findings);
    assert_eq!(told(&findings), expect, "{text}");
}

/// Checklist 28, 32, 33.
#[test]
fn what_is_wrong_with_a_schema_is_told_with_its_place() {
    let good = "T:\n  type: object\n  properties:\n    a: {type: string}";
    reading(&schema(good), &[]);
    reading(
        "a: [",
        &["schema/schema.yaml:2:1: not valid YAML: while parsing a node, did not find expected node content"],
    );
    reading("other: 1", &["schema/schema.yaml:1:1: \"schema\" is missing at the top of the file"]);
    reading(
        &schema(good).replace("openapi", "swagger"),
        &["schema/schema.yaml:2:3: schema.format.openapi is missing; write \"3.0.0\""],
    );
    reading(
        &schema(good).replace("3.0.0", "2.0"),
        &["schema/schema.yaml:3:14: schema.format.openapi must be a version 3.0.x, such as \"3.0.0\""],
    );
    reading(
        &schema(good).replace("\"T\"", "\"TT\""),
        &[
            "schema/schema.yaml:4:27: environment_input_type names \"TT\", which types does not have; did you mean \"T\"?",
        ],
    );
    reading(
        &schema(good).replace("  environment_input_type: \"T\"\n", ""),
        &["schema/schema.yaml:2:3: schema.environment_input_type is missing; it names an entry of types"],
    );
    reading(
        &schema(good).replace("environment_input_type", "service_input_type: T\n  environment_input_type"),
        &["schema/schema.yaml:4:23: service_input_type has no place here: no service"],
    );
    reading(
        &schema("T: {type: object}"),
        &["schema/schema.yaml:6:8: the type \"T\" has no properties; one is needed at least"],
    );
    reading(
        &schema("T:\n  properties:\n    a: {type: text}"),
        &[
            "schema/schema.yaml:8:19: the type \"text\" does not exist; there are string, number, integer, boolean, array, object",
        ],
    );
    reading(
        &schema("T:\n  properties:\n    a: {type: string, patern: x}"),
        &["schema/schema.yaml:8:27: \"patern\" is no keyword of a schema object; did you mean \"pattern\"?"],
    );
    reading(
        &schema("T:\n  required: [b]\n  properties:\n    a: {type: string}"),
        &["schema/schema.yaml:7:7: \"T\" requires \"b\", which is not among its properties; did you mean \"a\"?"],
    );
    reading(
        &schema("T:\n  properties:\n    a: {$ref: '#/types/U'}"),
        &["schema/schema.yaml:8:12: the $ref names \"U\", which types does not have; did you mean \"T\"?"],
    );
    reading(
        &schema("T:\n  properties:\n    a: {minimum: 3, maximum: 1}"),
        &["schema/schema.yaml:8:12: minimum (3) of \"a\" is above maximum (1)"],
    );
    let mut findings = Vec::new();
    read(&schema("T:\n  $ref: '#/types/U'\nU:\n  $ref: '#/types/T'"), &[], &[], &mut findings);
    assert_eq!(findings.len(), 2, "{findings:?}");
}

const TYPES: &str = "T:
  type: object
  required: [name]
  properties:
    name: {type: string, minLength: 2, maxLength: 5}
    size: {type: number, minimum: 1, maximum: 10, default: 4}
    count: {type: integer, multipleOf: 2}
    on: {type: boolean}
    kind: {type: string, enum: [a, b], default: a}
    cidr: {type: string, pattern: '([0-9]{1,3}\\.){3}[0-9]{1,3}($|/(16|24))'}
    tags: {type: array, items: {type: string}, maxItems: 2, uniqueItems: true}
    port: {$ref: '#/types/Port'}
    free: {type: object, additionalProperties: {type: integer}}
    maybe: {type: string, nullable: true}
    either: {oneOf: [{type: string}, {type: integer, minimum: 10}]}
Port:
  type: object
  additionalProperties: false
  properties:
    from: {type: integer, exclusiveMinimum: true, minimum: 0}
    to: {type: integer, default: 80}";

fn checking(text: &str, expect: Result<Value, &[&str]>) {
    let schema = read_whole(&schema(TYPES));
    let node = yaml::parse(text).expect("YAML");
    let checked = check(&schema, schema.main_type().expect("a type"), &node, "spec.yaml", "spec");
    match expect {
        Ok(value) => assert_eq!((checked.value, told(&checked.findings)), (value, vec![])),
        Err(findings) => assert_eq!(told(&checked.findings), findings, "{text}"),
    }
}

/// Checklist 63, 64, 65.
#[test]
fn values_are_checked_and_defaults_filled_in() {
    checking(
        "{name: abc, port: {from: 1}, extra: 7}",
        Ok(json!({
            "name": "abc", "port": {"from": 1, "to": 80}, "extra": 7, "size": 4, "kind": "a",
        })),
    );
    checking(
        "{name: abc, maybe: , on: yes, either: 12}",
        Ok(json!({
            "name": "abc", "maybe": null, "on": true, "either": 12, "size": 4, "kind": "a",
        })),
    );
    checking("{}", Err(&["spec.yaml:1:1: spec lacks the required input \"name\""]));
    checking("{nme: abc}", Err(&["spec.yaml:1:1: spec lacks the required input \"name\"; is it \"nme\"?"]));
    checking(
        "{name: 8080}",
        Err(&["spec.yaml:1:8: spec.name must be a string, not an integer; write \"8080\" in quotes"]),
    );
    checking(
        "{name: abc, size: '3'}",
        Err(&["spec.yaml:1:19: spec.size must be a number, not a string; write it without quotes"]),
    );
    checking("{name: a}", Err(&["spec.yaml:1:8: spec.name has 1 characters; at least 2 are needed"]));
    checking("{name: abc, size: 11}", Err(&["spec.yaml:1:19: spec.size is 11; at most 10 is allowed"]));
    checking("{name: abc, count: 3}", Err(&["spec.yaml:1:20: spec.count is 3, which is no multiple of 2"]));
    checking("{name: abc, kind: c}", Err(&["spec.yaml:1:19: spec.kind is \"c\"; it must be one of \"a\", \"b\""]));
    checking(
        "{name: abc, cidr: 10.0.0.0/8}",
        Err(&[
            "spec.yaml:1:19: spec.cidr is \"10.0.0.0/8\", which does not match the pattern ([0-9]{1,3}\\.){3}[0-9]{1,3}($|/(16|24))",
        ]),
    );
    checking(
        "{name: abc, tags: [x, y, x]}",
        Err(&[
            "spec.yaml:1:19: spec.tags has 3 items; at most 2 are allowed",
            "spec.yaml:1:26: spec.tags[2] is there a second time",
        ]),
    );
    checking(
        "{name: abc, port: {form: 1}}",
        Err(&["spec.yaml:1:20: spec.port has no property \"form\"; did you mean \"from\"?"]),
    );
    checking("{name: abc, port: {from: 0}}", Err(&["spec.yaml:1:26: spec.port.from is 0; it must be above 0"]));
    checking("{name: abc, free: {a: b}}", Err(&["spec.yaml:1:23: spec.free.a must be an integer, not a string"]));
    checking("{name: abc, either: 3}", Err(&["spec.yaml:1:21: spec.either fits 0 of the 2 choices of oneOf"]));
}

/// Checklist 42, 43.
#[test]
fn a_minor_version_must_take_what_its_predecessors_took() {
    let old = read_whole(&schema(TYPES));
    let refused = |from: &str, to: &str, expect: &[&str]| {
        assert!(TYPES.contains(from));
        let new = read_whole(&schema(&TYPES.replace(from, to)));
        let found: Vec<String> = incompatibilities(&old, &new).into_iter().map(|finding| finding.message).collect();
        assert_eq!(found, expect);
    };
    refused("on: {type: boolean}", "on: {type: boolean}\n    more: {type: string}", &[]);
    refused("required: [name]", "required: [name, kind]", &[]);
    refused("enum: [a, b]", "enum: [a, b, c]", &[]);
    refused("maximum: 10", "maximum: 100", &[]);
    refused(
        "required: [name]",
        "required: [name, on]",
        &["the input spec.on was optional and is required now; that takes a new major version"],
    );
    refused(
        "on: {type: boolean}",
        "off: {type: boolean}",
        &["the input spec.on is gone; that takes a new major version"],
    );
    refused(
        "on: {type: boolean}",
        "on: {type: string}",
        &["spec.on was a boolean and is a string now; that takes a new major version"],
    );
    refused("enum: [a, b]", "enum: [a]", &["spec.kind does not take \"b\" any more; that takes a new major version"]);
    refused(
        "maximum: 10",
        "maximum: 9",
        &["maximum of spec.size is lower than before (9); that takes a new major version"],
    );
    refused(
        "minLength: 2",
        "minLength: 3",
        &["minLength of spec.name is higher than before (3); that takes a new major version"],
    );
}

#[test]
fn inputs_are_fields_of_a_form() {
    let schema = read_whole(&schema(TYPES));
    let found = fields(&schema, schema.main_type().expect("a type"));
    let name = found.iter().find(|field| field.path == "name").expect("a field").to_json();
    assert_eq!(name, json!({"name": "name", "type": "string", "required": true, "limits": ["2 to 5 characters"]}));
    let size = found.iter().find(|field| field.path == "size").expect("a field").to_json();
    assert_eq!(size, json!({"name": "size", "type": "number", "required": false, "default": 4, "limits": ["1 to 10"]}));
    assert!(found.iter().any(|field| field.path == "port.to"));
}

#[test]
fn defaults_that_do_not_fit_are_doubted() {
    let property = |text: &str| schema(&format!("T:\n  type: object\n  properties:\n    a: {{{text}}}"));
    reading(&property("type: integer, default: 3, minimum: 1"), &[]);
    reading(
        &property("type: integer, default: \"many\""),
        &["schema/schema.yaml:9:37: the default of \"a\" must be an integer, not a string"],
    );
    reading(
        &property("type: string, enum: [x, y], default: z"),
        &["schema/schema.yaml:9:50: the default of \"a\" is \"z\"; it must be one of \"x\", \"y\""],
    );
}
