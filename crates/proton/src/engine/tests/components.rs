use serde_json::json;

use super::*;

pub const MANIFEST: &str = "infrastructure:\n  templates:\n    - file: a.yaml\n      rendering_engine: jinja\n      template_language: cloudformation\n";
pub const FILE: &str = "Resources:\n  Table: {Type: AWS::DynamoDB::Table, Name: '{{ component.name }}-{{ environment.outputs.VpcId }}'}\nOutputs:\n  TableName: {Value: !Ref Table}\n";

fn input(more: &Value) -> Value {
    let mut input = json!({"name": "table", "manifest": MANIFEST, "templateFile": FILE});
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        input[name] = value;
    }
    input
}

fn attached() -> Value {
    json!({"serviceName": "svc", "serviceInstanceName": "dev"})
}

fn update(more: &Value) -> Value {
    let mut input = json!({"name": "table", "deploymentType": "CURRENT_VERSION"});
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        input[name] = value;
    }
    input
}

fn now(world: &mut World) -> Value {
    world.ok("GetComponent", &json!({"name": "table"}))["component"].clone()
}

/// Checklist 128, 136.
#[test]
fn what_a_component_needs() {
    let mut world = World::new();
    world.service();
    world.refused(
        "CreateComponent",
        &input(&json!({"serviceName": "svc"})),
        "ValidationException: serviceName and serviceInstanceName go together",
    );
    world.refused("CreateComponent", &input(&json!({})), "ValidationException");
    world.refused("CreateComponent", &input(&json!({"environmentName": "none"})), "ResourceNotFoundException");
    world.refused(
        "CreateComponent",
        &input(&json!({"environmentName": "env", "serviceSpec": "x"})),
        "ValidationException",
    );
    let codebuild = "infrastructure:\n  templates:\n    - rendering_engine: codebuild\n      settings: {provision: [a], deprovision: [b]}\n";
    world.refused(
        "CreateComponent",
        &input(&json!({"environmentName": "env", "manifest": codebuild})),
        "ValidationException: The manifest is not valid: manifest:3:7: components cannot be provisioned by CodeBuild",
    );
    let terraform = MANIFEST.replace("jinja", "hcl").replace("cloudformation", "terraform");
    world.refused(
        "CreateComponent",
        &input(&json!({"environmentName": "env", "manifest": terraform})),
        "ValidationException",
    );
}

/// Checklist 129, 130.
#[test]
fn templates_and_environments_must_support_components() {
    let mut world = World::new();
    world.service();
    let keys =
        json!({"templateName": "svct", "majorVersion": "1", "minorVersion": "0", "supportedComponentSources": []});
    world.ok("UpdateServiceTemplateVersion", &keys);
    world.refused(
        "CreateComponent",
        &input(&attached()),
        "ValidationException: Version 1.0 of service template svct does not support",
    );
    world.ok("UpdateEnvironment", &json!({"name": "env", "deploymentType": "NONE", "componentRoleArn": ""}));
    world.refused(
        "CreateComponent",
        &input(&json!({"environmentName": "env"})),
        "ValidationException: Environment env has no componentRoleArn",
    );
}

/// Checklist 81, 115, 119, 131, 132, 133, 134, 135.
#[test]
fn an_attached_component_flows_into_its_instance() {
    let mut world = World::new();
    world.service();
    world.ok("CreateComponent", &input(&attached()));
    world.refused("CreateComponent", &input(&attached()), "ConflictException: Component table exists already.");
    world.refused(
        "UpdateServiceInstance",
        &json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"}),
        "ConflictException",
    );
    world.work();
    let component = now(&mut world);
    assert_eq!((&component["deploymentStatus"], &component["environmentName"]), (&json!("SUCCEEDED"), &json!("env")));
    let outputs = world.ok("ListComponentOutputs", &json!({"componentName": "table"}))["outputs"].clone();
    assert_eq!(outputs, json!([{"key": "TableName", "valueString": "TableName-table"}]));
    world.ok(
        "UpdateServiceInstance",
        &json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"}),
    );
    world.work();
    let orders = world.fake.orders.lock().expect("not poisoned").clone();
    let templates: Vec<String> = orders
        .iter()
        .filter(|order| order.resource_arn.ends_with("service-instance/dev"))
        .filter_map(|order| match &order.rendered {
            Some(Rendered::CloudFormation { template }) => Some(template.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        templates.iter().map(|text| text.contains("TableName: TableName-table")).collect::<Vec<_>>(),
        [false, true]
    );
    let instance = world.instance_now("dev")["lastSucceededDeploymentId"].clone();
    let state =
        world.ok("GetDeployment", &json!({"id": instance}))["deployment"]["targetState"]["serviceInstance"].clone();
    assert_eq!(state["lastSuccessfulComponentDeploymentIds"], json!([component["lastSucceededDeploymentId"]]));
    for operation in ["DeleteComponent", "DeleteService", "DeleteEnvironment"] {
        let name = match operation {
            "DeleteComponent" => "table",
            "DeleteService" => "svc",
            _ => "env",
        };
        world.refused(operation, &json!({"name": name}), "ConflictException");
    }
    let other = SERVICE_SPEC.replace("name: dev", "name: other");
    world.refused(
        "UpdateService",
        &json!({"name": "svc", "spec": other}),
        "ConflictException: Component table is attached",
    );
    world.refused(
        "UpdateComponent",
        &update(&json!({"serviceName": "svc", "serviceInstanceName": "prod"})),
        "ConflictException",
    );
    let mut listed = |filter: Value| world.ok("ListComponents", &filter)["components"].as_array().map(Vec::len);
    assert_eq!(listed(json!({"environmentName": "env"})), Some(1));
    assert_eq!(listed(json!({"serviceName": "svc", "serviceInstanceName": "prod"})), Some(0));
    world.refused("ListComponents", &json!({"serviceInstanceName": "dev"}), "ValidationException");
    world.refused("UpdateComponent", &update(&json!({"serviceName": ""})), "ValidationException");
    world.ok("UpdateComponent", &update(&json!({"serviceName": "", "serviceInstanceName": ""})));
    world.work();
    let component = now(&mut world);
    assert_eq!((component.get("serviceName"), &component["deploymentStatus"]), (None, &json!("SUCCEEDED")));
    world.ok("UpdateComponent", &update(&attached()));
    world.work();
    assert_eq!(now(&mut world)["serviceInstanceName"], "dev");
    world.ok("UpdateComponent", &update(&json!({"serviceName": "", "serviceInstanceName": ""})));
    world.work();
    world.refused("DeleteEnvironment", &json!({"name": "env"}), "ConflictException");
    world.ok("DeleteComponent", &json!({"name": "table"}));
    world.work();
    world.refused("GetComponent", &json!({"name": "table"}), "ResourceNotFoundException");
    world.refused("DeleteComponent", &json!({"name": "table"}), "ResourceNotFoundException");
}

/// Checklist 70, 113: of components.
#[test]
fn components_are_updated_and_cancelled() {
    let mut world = World::new();
    world.environment();
    world.ok("CreateComponent", &input(&json!({"environmentName": "env"})));
    world.work();
    let none = |more: Value| {
        let mut input = update(&more);
        input["deploymentType"] = json!("NONE");
        input
    };
    world.refused("UpdateComponent", &none(json!({"templateFile": FILE})), "ValidationException");
    assert_eq!(world.ok("UpdateComponent", &none(json!({"description": "d"})))["component"]["description"], "d");
    world.fate("component/table", Fate::Hangs);
    let id = world.ok("UpdateComponent", &update(&json!({"templateFile": "Resources: {}\n"})))["component"]["lastAttemptedDeploymentId"].clone();
    world.work();
    assert_eq!(
        world.ok("CancelComponentDeployment", &json!({"componentName": "table"}))["component"]["deploymentStatus"],
        "CANCELLING"
    );
    world.work();
    assert_eq!(now(&mut world)["deploymentStatus"], "CANCELLED");
    let state = world.ok("GetDeployment", &json!({"id": id, "componentName": "table"}))["deployment"].clone();
    assert_eq!(
        (&state["targetState"]["component"]["templateFile"], &state["initialState"]["component"]["templateFile"]),
        (&json!("Resources: {}\n"), &json!(FILE))
    );
    world.no_fate();
    world.ok("UpdateComponent", &update(&json!({"templateFile": "Resources: {A: {Type: {{ nothing }}}}\n"})));
    world.work();
    assert!(
        now(&mut world)["deploymentStatusMessage"].as_str().unwrap_or_default().contains("\"nothing\" is not defined")
    );
}
