use serde_json::json;

use super::*;

fn create() -> Value {
    json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC, "protonServiceRoleArn": ROLE})
}

fn update(more: &Value) -> Value {
    let mut input = json!({"name": "env", "deploymentType": "CURRENT_VERSION"});
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        input[name] = value;
    }
    input
}

/// A world with a published template and no environment.
fn world() -> World {
    let mut world = World::new();
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.environment_version("env", None);
    world.publish("Environment", "envt", "1.0");
    world
}

/// Checklist 61, 62, 64, 70, 87, 88, 137, 138, 139.
#[test]
fn an_environment_is_deployed_with_its_outputs() {
    let mut world = world();
    let made = world.ok("CreateEnvironment", &create())["environment"].clone();
    assert_eq!((&made["deploymentStatus"], &made["templateMinorVersion"]), (&json!("IN_PROGRESS"), &json!("0")));
    assert_eq!(made.get("lastDeploymentSucceededAt"), None);
    world.refused("UpdateEnvironment", &update(&json!({})), "ConflictException");
    world.refused("DeleteEnvironment", &json!({"name": "env"}), "ConflictException");
    world.work();
    let now = world.environment_now();
    assert_eq!((&now["deploymentStatus"], &now["spec"]), (&json!("SUCCEEDED"), &json!(ENVIRONMENT_SPEC)));
    assert_eq!(now["lastSucceededDeploymentId"], now["lastAttemptedDeploymentId"]);
    let outputs = world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env"}))["outputs"].clone();
    assert_eq!(outputs[0], json!({"key": "VpcId", "valueString": "VpcId-env"}));
    let resources =
        world.ok("ListEnvironmentProvisionedResources", &json!({"environmentName": "env"}))["provisionedResources"]
            .clone();
    assert!(
        resources[0]["name"].as_str().unwrap_or_default().starts_with("AWSProton-environment-env-cloudformation-"),
        "{resources}"
    );
    assert_eq!(resources[0]["provisioningEngine"], "CLOUDFORMATION");
    let order = world.fake.orders.lock().expect("not poisoned")[0].clone();
    let Some(Rendered::CloudFormation { template }) = order.rendered else { panic!("no template") };
    assert!(template.contains("RetentionInDays: 14"), "the default is not applied: {template}");
    assert_eq!(order.role_arn.as_deref(), Some(ROLE));
    assert!(
        order
            .tags
            .contains(&("proton:environment".into(), "arn:aws:proton:us-east-1:123456789012:environment/env".into()))
    );
    let id = now["lastSucceededDeploymentId"].clone();
    let deployment = world.ok("GetDeployment", &json!({"id": id, "environmentName": "env"}))["deployment"].clone();
    assert_eq!(
        (&deployment["deploymentStatus"], &deployment["targetResourceType"]),
        (&json!("SUCCEEDED"), &json!("ENVIRONMENT"))
    );
    assert_eq!(deployment["targetState"]["environment"]["templateMinorVersion"], "0");
    assert_eq!(deployment.get("initialState"), None);
    world.refused("GetDeployment", &json!({"id": id, "environmentName": "other"}), "ResourceNotFoundException");
    assert_eq!(
        world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env", "deploymentId": id}))["outputs"],
        outputs
    );
    world.refused(
        "ListEnvironmentOutputs",
        &json!({"environmentName": "env", "deploymentId": "x"}),
        "ResourceNotFoundException",
    );
    world.refused(
        "ListEnvironmentOutputs",
        &json!({"environmentName": "env", "nextToken": "x"}),
        "ValidationException",
    );
    assert_eq!(world.ok("CreateEnvironment", &create())["environment"]["name"], "env");
    world.ok("UpdateEnvironment", &update(&json!({"deploymentType": "NONE", "description": "d"})));
    assert_eq!(world.ok("ListDeployments", &json!({}))["deployments"].as_array().map(Vec::len), Some(1));
    world.refused("CreateEnvironment", &create(), "ConflictException");
}

/// Checklist 63, 66, 67, 76.
#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let mut world = world();
    let mut check = |change: Value, expect: &str| {
        let mut input = create();
        for (name, value) in change.as_object().cloned().unwrap_or_default() {
            if value.is_null() {
                input.as_object_mut().expect("an object").remove(&name);
            } else {
                input[name] = value;
            }
        }
        world.refused("CreateEnvironment", &input, expect);
    };
    check(
        json!({"spec": "proton: EnvironmentSpec\nspec: {vpc_cidr: 10}"}),
        "ValidationException: The spec is not valid: spec:2:18: spec.vpc_cidr must be a string, not an integer",
    );
    check(
        json!({"spec": "proton: ServiceSpec"}),
        "ValidationException: The spec is not valid: spec:1:9: this is a spec of the kind \"ServiceSpec\"",
    );
    check(
        json!({"protonServiceRoleArn": null}),
        "ValidationException: protonServiceRoleArn or environmentAccountConnectionId is needed",
    );
    check(
        json!({"environmentAccountConnectionId": "x"}),
        "ValidationException: protonServiceRoleArn and environmentAccountConnectionId exclude",
    );
    check(
        json!({"provisioningRepository": {"provider": "GITHUB", "name": "a/b", "branch": "main"}}),
        "ValidationException: provisioningRepository has no place here",
    );
    check(json!({"templateMajorVersion": "9"}), "ResourceNotFoundException");
    check(json!({"templateMinorVersion": "7"}), "ResourceNotFoundException");
    check(json!({"templateName": "x"}), "ResourceNotFoundException");
    world.refused("GetEnvironment", &json!({"name": "env"}), "ResourceNotFoundException");
    world.ok("CreateEnvironment", &create());
    world.work();
    world.refused("UpdateEnvironment", &update(&json!({"environmentAccountConnectionId": "x"})), "ValidationException");
    world.refused(
        "UpdateEnvironment",
        &update(&json!({"provisioningRepository": {"provider": "GITHUB", "name": "a/b", "branch": "m"}})),
        "ValidationException",
    );
}

/// Checklist 71, 72, 73, 74, 75.
#[test]
fn versions_change_on_success() {
    let mut world = World::new();
    world.environment();
    for major in [Some("1"), Some("1"), None] {
        world.environment_version("env", major);
    }
    let kind = |kind: &str, more: Value| {
        update(&json!({"deploymentType": kind}))
            .as_object()
            .cloned()
            .map(|mut input| {
                input.extend(more.as_object().cloned().unwrap_or_default());
                Value::Object(input)
            })
            .expect("an object")
    };
    world.refused(
        "UpdateEnvironment",
        &kind("CURRENT_VERSION", json!({"templateMinorVersion": "1"})),
        "ValidationException",
    );
    world.refused("UpdateEnvironment", &kind("NONE", json!({"spec": ENVIRONMENT_SPEC})), "ValidationException");
    world.refused(
        "UpdateEnvironment",
        &kind("MINOR_VERSION", json!({"templateMinorVersion": "1"})),
        "ValidationException: Version 1.1 of template envt is not published",
    );
    world.publish("Environment", "envt", "1.1");
    world.publish("Environment", "envt", "1.2");
    world.refused(
        "UpdateEnvironment",
        &kind("MINOR_VERSION", json!({"templateMajorVersion": "2"})),
        "ValidationException",
    );
    let updated = world.ok("UpdateEnvironment", &kind("MINOR_VERSION", json!({})))["environment"].clone();
    assert_eq!((&updated["templateMinorVersion"], &updated["deploymentStatus"]), (&json!("0"), &json!("IN_PROGRESS")));
    world.work();
    assert_eq!(world.environment_now()["templateMinorVersion"], "2");
    world.ok(
        "UpdateEnvironment",
        &kind("MINOR_VERSION", json!({"templateMajorVersion": "1", "templateMinorVersion": "1"})),
    );
    world.work();
    assert_eq!(world.environment_now()["templateMinorVersion"], "1");
    world.refused(
        "UpdateEnvironment",
        &kind("MAJOR_VERSION", json!({"templateMajorVersion": "1"})),
        "ValidationException",
    );
    world.refused("UpdateEnvironment", &kind("MAJOR_VERSION", json!({})), "ValidationException");
    world.publish("Environment", "envt", "2.0");
    let id =
        world.ok("UpdateEnvironment", &kind("MAJOR_VERSION", json!({})))["environment"]["lastAttemptedDeploymentId"]
            .clone();
    world.work();
    assert_eq!(world.environment_now()["templateMajorVersion"], "2");
    let deployment = world.ok("GetDeployment", &json!({"id": id}))["deployment"].clone();
    assert_eq!(deployment["initialState"]["environment"]["templateMajorVersion"], "1");
    assert_eq!(deployment["targetState"]["environment"]["templateMajorVersion"], "2");
}

/// Checklist 69, 84.
#[test]
fn failures_keep_the_last_good_version() {
    let mut world = world();
    world.fate("environment/env", Fate::Fails("Resource Vpc: no more addresses"));
    world.ok("CreateEnvironment", &create());
    world.work();
    let now = world.environment_now();
    assert_eq!(
        (&now["deploymentStatus"], &now["deploymentStatusMessage"]),
        (&json!("FAILED"), &json!("Resource Vpc: no more addresses"))
    );
    world.no_fate();
    world.ok("UpdateEnvironment", &update(&json!({})));
    world.work();
    assert_eq!(world.environment_now()["deploymentStatus"], "SUCCEEDED");
    world.object(
        "undefined",
        packed(&[
            (
                "schema/schema.yaml",
                starter(StarterKind::Environment, StarterEngine::CloudFormation).expect("there is one")[1].1,
            ),
            (
                "infrastructure/manifest.yaml",
                starter(StarterKind::Environment, StarterEngine::CloudFormation).expect("there is one")[2].1,
            ),
            (
                "infrastructure/cloudformation.yaml",
                "Resources:\n  A: {Type: AWS::S3::Bucket, Name: {{ environment.inputs.nothing }}}\n",
            ),
        ]),
    );
    world.environment_version("undefined", Some("1"));
    world.publish("Environment", "envt", "1.1");
    world.ok("UpdateEnvironment", &update(&json!({"deploymentType": "MINOR_VERSION"})));
    world.work();
    let now = world.environment_now();
    assert_eq!(now["deploymentStatus"], "FAILED");
    assert!(
        now["deploymentStatusMessage"]
            .as_str()
            .unwrap_or_default()
            .starts_with("infrastructure/cloudformation.yaml:2:39: \"environment.inputs.nothing\" is not defined"),
        "{now}"
    );
    assert_eq!(now["templateMinorVersion"], "0");
    assert_eq!(world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env"}))["outputs"][0]["key"], "VpcId");
}

/// Checklist 77, 78, 79, 140.
#[test]
fn deployments_can_be_cancelled() {
    let mut world = World::new();
    world.environment();
    world.refused("CancelEnvironmentDeployment", &json!({"environmentName": "env"}), "ConflictException");
    world.fate("environment/env", Fate::Hangs);
    let spec = "proton: EnvironmentSpec\nspec: {vpc_cidr: 10.9.0.0/16}\n";
    let id = world.ok("UpdateEnvironment", &update(&json!({"spec": spec})))["environment"]["lastAttemptedDeploymentId"]
        .clone();
    world.work();
    world.later(5000);
    assert_eq!(world.environment_now()["deploymentStatus"], "IN_PROGRESS");
    world.refused("DeleteDeployment", &json!({"id": id}), "ValidationException");
    let cancelling = world.ok("CancelEnvironmentDeployment", &json!({"environmentName": "env"}))["environment"].clone();
    assert_eq!(cancelling["deploymentStatus"], "CANCELLING");
    world.work();
    let now = world.environment_now();
    assert_eq!(
        (&now["deploymentStatus"], &now["deploymentStatusMessage"]),
        (&json!("CANCELLED"), &json!("User initiated cancellation."))
    );
    assert_eq!(now["spec"], ENVIRONMENT_SPEC);
    assert_ne!(now["lastSucceededDeploymentId"], id);
    world.no_fate();
    world.fate("environment/env", Fate::TooLate);
    world.ok("UpdateEnvironment", &update(&json!({"spec": spec})));
    world.work();
    world.ok("CancelEnvironmentDeployment", &json!({"environmentName": "env"}));
    world.work();
    assert_eq!(
        (&world.environment_now()["deploymentStatus"], &world.environment_now()["spec"]),
        (&json!("SUCCEEDED"), &json!(spec))
    );
    world.later(100_000);
    assert_eq!(world.ok("DeleteDeployment", &json!({"id": id}))["deployment"]["deploymentStatus"], "CANCELLED");
    world.refused("GetDeployment", &json!({"id": id}), "ResourceNotFoundException");
}

/// Checklist 82, 83, 85.
#[test]
fn deletion_takes_its_time_and_can_be_repeated() {
    let mut world = World::new();
    world.environment();
    let listed = |world: &mut World, filter: Value| {
        world.ok("ListEnvironments", &json!({"environmentTemplates": filter}))["environments"].as_array().map(Vec::len)
    };
    assert_eq!(listed(&mut world, json!([{"templateName": "envt", "majorVersion": "1"}])), Some(1));
    assert_eq!(listed(&mut world, json!([{"templateName": "envt", "majorVersion": "2"}])), Some(0));
    world.fate("environment/env", Fate::Fails("the bucket is not empty"));
    world.ok("DeleteEnvironment", &json!({"name": "env"}));
    world.work();
    let now = world.environment_now();
    assert_eq!(
        (&now["deploymentStatus"], &now["deploymentStatusMessage"]),
        (&json!("DELETE_FAILED"), &json!("the bucket is not empty"))
    );
    world.no_fate();
    for _ in 0..2 {
        assert_eq!(
            world.ok("DeleteEnvironment", &json!({"name": "env"}))["environment"]["deploymentStatus"],
            "DELETE_IN_PROGRESS"
        );
    }
    world.work();
    world.refused("GetEnvironment", &json!({"name": "env"}), "ResourceNotFoundException");
    assert_eq!(world.ok("DeleteEnvironment", &json!({"name": "env"})), json!({}));
    let records = world.ok("ListDeployments", &json!({"environmentName": "env"}))["deployments"].clone();
    assert_eq!(records[0]["deploymentStatus"], "DELETE_COMPLETE");
}

/// Checklist 68.
#[test]
fn outputs_of_a_customer_managed_environment_are_its_spec() {
    let mut world = World::new();
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt", "provisioning": "CUSTOMER_MANAGED"}));
    world.object("schema", packed(&[("schema/schema.yaml",
        "schema:\n  format: {openapi: '3.0.0'}\n  environment_input_type: T\n  types:\n    T: {type: object, required: [VpcId], properties: {VpcId: {type: string}}}\n")]));
    assert_eq!(world.environment_version("schema", None)["status"], "DRAFT");
    world.publish("Environment", "envt", "1.0");
    let input = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": "proton: EnvironmentSpec\nspec: {VpcId: vpc-1}"});
    world.ok("CreateEnvironment", &input);
    world.work();
    assert_eq!(world.environment_now()["provisioning"], "CUSTOMER_MANAGED");
    let output = json!([{"key": "VpcId", "valueString": "vpc-1"}]);
    assert_eq!(world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env"}))["outputs"], output);
    assert!(world.fake.orders.lock().expect("not poisoned").is_empty());
}

/// Checklist 67, 151, 169: Terraform waits for what its automation tells.
#[test]
fn self_managed_environments_wait_to_be_notified() {
    let mut world = World::new();
    world.starter("tf", StarterKind::Environment, StarterEngine::Terraform);
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.environment_version("tf", None);
    world.publish("Environment", "envt", "1.0");
    let mut input = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC,
        "provisioningRepository": {"provider": "GITHUB", "name": "me/infra", "branch": "main"}});
    world.refused("CreateEnvironment", &input, "ValidationException: Repository github:me/infra is not linked");
    let linked =
        world.ok("CreateRepository", &json!({"provider": "GITHUB", "name": "me/infra", "connectionArn": "arn:aws:x"}));
    assert_eq!(linked["repository"]["arn"], "arn:aws:proton:us-east-1:123456789012:repository/github:me/infra");
    input["protonServiceRoleArn"] = json!(ROLE);
    world.refused("CreateEnvironment", &input, "ValidationException");
    input.as_object_mut().expect("an object").remove("protonServiceRoleArn");
    let made = world.ok("CreateEnvironment", &input)["environment"].clone();
    world.work();
    world.later(100_000);
    assert_eq!(world.environment_now()["deploymentStatus"], "IN_PROGRESS");
    world.refused("DeleteRepository", &json!({"provider": "GITHUB", "name": "me/infra"}), "ConflictException");
    let notify = |more: Value| {
        let mut input = json!({"resourceArn": made["arn"]});
        for (name, value) in more.as_object().cloned().unwrap_or_default() {
            input[name] = value;
        }
        input
    };
    world.refused(
        "NotifyResourceDeploymentStatusChange",
        &notify(json!({"deploymentId": "x", "status": "SUCCEEDED"})),
        "ValidationException",
    );
    world.ok(
        "NotifyResourceDeploymentStatusChange",
        &notify(json!({"status": "SUCCEEDED", "outputs": [{"key": "VpcId", "valueString": "v"}]})),
    );
    assert_eq!(world.environment_now()["deploymentStatus"], "SUCCEEDED");
    assert_eq!(
        world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env"}))["outputs"][0]["valueString"],
        "v"
    );
    world.refused("NotifyResourceDeploymentStatusChange", &notify(json!({"status": "FAILED"})), "ConflictException");
    world.ok(
        "NotifyResourceDeploymentStatusChange",
        &notify(json!({"outputs": [{"key": "VpcId", "valueString": "w"}]})),
    );
    assert_eq!(
        world.ok("ListEnvironmentOutputs", &json!({"environmentName": "env"}))["outputs"][0]["valueString"],
        "w"
    );
}
