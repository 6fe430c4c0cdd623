use serde_json::json;

use super::*;
use crate::schema::{PIPELINE_INPUT, SERVICE_INPUT};

fn schema(pipeline: bool) -> Schema {
    let text = "schema:
  format: {openapi: '3.0.0'}
  service_input_type: S
  pipeline_input_type: P
  types:
    S: {type: object, properties: {port: {type: integer, default: 80}, name: {type: string}}}
    P: {type: object, properties: {image: {type: string, default: base}}}
";
    let mut findings = Vec::new();
    let wanted: &[&str] = if pipeline { &[SERVICE_INPUT, PIPELINE_INPUT] } else { &[SERVICE_INPUT] };
    let found = schema::read(text, wanted, &[], &mut findings).expect("a schema");
    assert_eq!(findings, []);
    found
}

fn refused(text: &str, pipeline: bool, expect: &[&str]) {
    let found = service(text, &schema(pipeline), "spec.yaml").expect_err(text);
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, expect, "{text}");
}

#[test]
fn a_service_has_instances_and_maybe_a_pipeline() {
    let text = "proton: ServiceSpec\ninstances:\n  - {name: a, environment: e, spec: {port: 1}}\n  - {name: b, environment: e}\n";
    let found = service(text, &schema(true), FILE).expect("a good spec");
    assert_eq!(found.pipeline, Some(json!({"image": "base"}).as_object().cloned().unwrap_or_default()));
    assert_eq!(Value::Object(found.instances[0].inputs.clone()), json!({"port": 1}));
    assert_eq!(Value::Object(found.instances[1].inputs.clone()), json!({"port": 80}));
    assert_eq!(service(text, &schema(false), FILE).expect("a good spec").pipeline, None);
    let empty = format!("{text}pipeline: {{}}\n");
    assert!(service(&empty, &schema(false), FILE).is_ok());
}

/// Checklist 66, 91.
#[test]
fn what_is_wrong_is_told_with_its_place() {
    refused(
        "proton: EnvironmentSpec\nspec: {}",
        true,
        &["spec.yaml:1:9: this is a spec of the kind \"EnvironmentSpec\"; \"ServiceSpec\" is needed"],
    );
    refused(
        "proton: ServiceSpec\ninstances: []",
        true,
        &["spec.yaml:2:12: \"instances\" is empty; a service has at least one instance"],
    );
    refused(
        "proton: ServiceSpec",
        true,
        &["spec.yaml:1:1: \"instances\" is missing; a service has at least one instance"],
    );
    refused(
        "proton: ServiceSpec\ninstances:\n- {name: a, environment: e}\n- {name: a, environment: e}",
        true,
        &["spec.yaml:4:3: there is a second instance \"a\""],
    );
    refused(
        "proton: ServiceSpec\ninstances: [{name: a, environment: e}]\npipeline: {image: x}",
        false,
        &["spec.yaml:3:11: \"pipeline\" has no place here: the service template has no pipeline"],
    );
    refused(
        "proton: ServiceSpec\ninstances: [{name: -a, environment: e, spec: {port: x}}]",
        true,
        &[
            "spec.yaml:2:20: instances[0].name must begin with a letter or digit and have letters, digits, - and _, 100 at most; it is \"-a\"",
            "spec.yaml:2:53: instances.instances[0].spec.port must be an integer, not a string",
        ],
    );
    refused("- 1", true, &["spec.yaml:1:1: a spec must be an object, not a list"]);
    refused("a: b: c", true, &["spec.yaml:1:5: not valid YAML: mapping values are not allowed in this context"]);
}

/// Checklist 102.
#[test]
fn current_values_are_filled_in() {
    let stored = "proton: ServiceSpec\npipeline: {image: 'x: y'}\ninstances:\n  - {name: a, environment: e, spec: {port: 7, name: '12'}}\n";
    let text = "proton: ServiceSpec\npipeline:\n  image: \"${Proton::CURRENT_VAL}\" # kept\ninstances:\n  - name: a\n    environment: e\n    spec:\n      port: ${Proton::CURRENT_VAL}\n      name: \"${Proton::CURRENT_VAL}\"\n";
    let found = with_current_values(text, stored).expect("all values are there");
    assert_eq!(
        found,
        "proton: ServiceSpec\npipeline:\n  image: \"x: y\" # kept\ninstances:\n  - name: a\n    environment: e\n    spec:\n      port: 7\n      name: \"12\"\n"
    );
    let findings = with_current_values(&text.replace("name: a", "name: b"), stored).expect_err("no instance b");
    assert_eq!(
        findings[0].to_string(),
        "spec:8:13: instances.b.spec.port asks for the current value, but there is none"
    );
}
