use serde_json::json;

use super::*;

pub const TWO: &str = "proton: ServiceSpec\npipeline:\n  test_command: make check\ninstances:\n  - name: dev\n    environment: env\n    spec:\n      size: small\n  - name: prod\n    environment: env\n    spec:\n      size: large\n";

fn template(world: &World, arn: &str) -> String {
    let orders = world.fake.orders.lock().expect("not poisoned");
    let order = orders.iter().rev().find(|order| order.resource_arn.ends_with(arn)).expect("it was provisioned");
    match &order.rendered {
        Some(Rendered::CloudFormation { template }) => template.clone(),
        other => panic!("no template: {other:?}"),
    }
}

/// Checklist 95, 96, 97, 105, 107, 116.
#[test]
fn a_service_deploys_its_instances_and_then_its_pipeline() {
    let mut world = World::new();
    world.service_template();
    let mut input = World::service_input("svc", TWO);
    input["tags"] = json!([{"key": "team", "value": "web"}]);
    let made = world.ok("CreateService", &input)["service"].clone();
    assert_eq!(
        (&made["status"], &made["pipeline"]["deploymentStatus"]),
        (&json!("CREATE_IN_PROGRESS"), &json!("IN_PROGRESS"))
    );
    assert_eq!(made["pipeline"]["arn"], "arn:aws:proton:us-east-1:123456789012:service/svc/pipeline");
    world.refused("DeleteService", &json!({"name": "svc"}), "ConflictException");
    world.work();
    let now = world.service_now();
    assert_eq!((&now["status"], &now["pipeline"]["deploymentStatus"]), (&json!("ACTIVE"), &json!("SUCCEEDED")));
    let instance = world.instance_now("prod");
    assert_eq!((&instance["deploymentStatus"], &instance["spec"]), (&json!("SUCCEEDED"), &json!(TWO)));
    let of_instance = template(&world, "service-instance/prod");
    assert!(of_instance.contains("ARTIFACTS: \"ArtifactsBucket-env\""), "{of_instance}");
    let of_pipeline = template(&world, "svc/pipeline");
    assert!(
        of_pipeline.contains("Value: \"FunctionName-dev\"") && of_pipeline.contains("- make check"),
        "{of_pipeline}"
    );
    let last = world.fake.orders.lock().expect("not poisoned").last().map(|order| order.resource_arn.clone());
    assert!(last.is_some_and(|arn| arn.ends_with("svc/pipeline")));
    let outputs = world.ok("ListServicePipelineOutputs", &json!({"serviceName": "svc"}))["outputs"].clone();
    assert_eq!(outputs, json!([{"key": "RoleArn", "valueString": "RoleArn-pipeline"}]));
    let outputs = world.ok("ListServiceInstanceOutputs", &json!({"serviceName": "svc", "serviceInstanceName": "dev"}))
        ["outputs"]
        .clone();
    assert_eq!(outputs[0]["valueString"], "FunctionName-dev");
    let tags = world.ok("ListTagsForResource", &json!({"resourceArn": instance["arn"]}))["tags"].clone();
    assert_eq!(tags[0], json!({"key": "team", "value": "web"}));
    world.refused(
        "DeleteEnvironment",
        &json!({"name": "env"}),
        "ConflictException: Environment env has the service instance",
    );
}

/// Checklist 89, 90, 91, 92, 93, 94.
#[test]
fn what_a_service_needs() {
    let mut world = World::new();
    world.service_template();
    let mut input = World::service_input("svc", SERVICE_SPEC);
    input.as_object_mut().expect("an object").remove("branchName");
    world.refused("CreateService", &input, "ValidationException: branchName is needed");
    world.refused(
        "CreateService",
        &World::service_input("svc", &SERVICE_SPEC.replace("env\n", "none\n")),
        "ValidationException: Environment none does not exist.",
    );
    world.refused(
        "CreateService",
        &World::service_input("svc", "proton: ServiceSpec\ninstances: []\n"),
        "ValidationException",
    );
    let many: String = (0..21).map(|at| format!("  - {{name: i{at}, environment: env}}\n")).collect();
    world.refused(
        "CreateService",
        &World::service_input("svc", &format!("proton: ServiceSpec\ninstances:\n{many}")),
        "ServiceQuotaExceededException",
    );
    world.ok("UpdateAccountSettings", &json!({"pipelineServiceRoleArn": ""}));
    world.refused(
        "CreateService",
        &World::service_input("svc", SERVICE_SPEC),
        "ValidationException: Operation cannot be run until pipeline roles have been configured",
    );
    world.ok("UpdateAccountSettings", &json!({"pipelineServiceRoleArn": ROLE}));
    world.environment_version("env", None);
    world.publish("Environment", "envt", "2.0");
    world.ok("CreateEnvironment", &json!({"name": "two", "templateName": "envt", "templateMajorVersion": "2", "spec": ENVIRONMENT_SPEC, "protonServiceRoleArn": ROLE}));
    world.work();
    world.refused(
        "CreateService",
        &World::service_input("svc", &SERVICE_SPEC.replace("env\n", "two\n")),
        "ValidationException: Environment two is of template envt:2",
    );
    world.refused("GetService", &json!({"name": "svc"}), "ResourceNotFoundException");
}

/// Checklist 97.
#[test]
fn a_failed_instance_cancels_the_pipeline() {
    let mut world = World::new();
    world.service_template();
    world.fate("service-instance/prod", Fate::Fails("no"));
    world.ok("CreateService", &World::service_input("svc", TWO));
    world.work();
    let now = world.service_now();
    assert_eq!(now["status"], "CREATE_FAILED");
    assert_eq!(now["pipeline"]["deploymentStatus"], "FAILED");
    assert_eq!(
        now["pipeline"]["deploymentStatusMessage"],
        "Service Instance(s): [arn:aws:proton:us-east-1:123456789012:service/svc/service-instance/prod] failed to deploy - canceling pipeline deployment"
    );
    assert_eq!(world.instance_now("dev")["deploymentStatus"], "SUCCEEDED");
    assert_eq!(world.instance_now("prod")["deploymentStatusMessage"], "no");
    world.no_fate();
    world.ok("DeleteService", &json!({"name": "svc"}));
    world.work();
    world.refused("GetService", &json!({"name": "svc"}), "ResourceNotFoundException");
}

/// A pipeline that was cancelled while it waited for the instances has ended, whatever becomes of them.
#[test]
fn a_cancelled_pipeline_stays_cancelled() {
    for fate in [None, Some(Fate::Fails("no"))] {
        let mut world = World::new();
        world.service_template();
        let fails = fate.is_some();
        world.fate("service-instance/prod", Fate::Hangs);
        world.ok("CreateService", &World::service_input("svc", TWO));
        world.work();
        world.ok("CancelServicePipelineDeployment", &json!({"serviceName": "svc"}));
        world.work();
        assert_eq!(world.service_now()["pipeline"]["deploymentStatus"], "CANCELLED");
        world.no_fate();
        if let Some(fate) = fate {
            world.fate("service-instance/prod", fate);
        }
        world.later(2000);
        let now = world.service_now();
        assert_eq!(
            (&now["status"], &now["pipeline"]["deploymentStatus"]),
            (&json!("CREATE_FAILED"), &json!("CANCELLED"))
        );
        assert_eq!(world.instance_now("prod")["deploymentStatus"], if fails { "FAILED" } else { "SUCCEEDED" });
        let id = &now["pipeline"]["lastAttemptedDeploymentId"];
        assert_eq!(world.ok("GetDeployment", &json!({"id": id}))["deployment"]["deploymentStatus"], "CANCELLED");
    }
}

/// Checklist 98, 99, 100, 101, 102, 103, 104.
#[test]
fn instances_come_and_go_with_the_spec() {
    let mut world = World::new();
    world.service();
    let described = world.ok("UpdateService", &json!({"name": "svc", "description": "d"}))["service"].clone();
    assert_eq!((&described["status"], &described["description"]), (&json!("ACTIVE"), &json!("d")));
    let edited = TWO.replace("size: small", "size: medium");
    world.refused(
        "UpdateService",
        &json!({"name": "svc", "spec": edited}),
        "ValidationException: Instance dev is edited",
    );
    world.refused(
        "UpdateService",
        &json!({"name": "svc", "spec": TWO.replace("make check", "make all")}),
        "ValidationException: The pipeline is edited",
    );
    let current = TWO.replace("size: small", "size: \"${Proton::CURRENT_VAL}\"");
    let updated = world.ok("UpdateService", &json!({"name": "svc", "spec": current}))["service"].clone();
    assert_eq!(updated["status"], "UPDATE_IN_PROGRESS");
    world.work();
    assert_eq!(world.service_now()["status"], "ACTIVE");
    assert_eq!(world.instance_now("prod")["deploymentStatus"], "SUCCEEDED");
    assert_eq!(world.service_now()["spec"], current.replace("\"${Proton::CURRENT_VAL}\"", "\"small\""));
    assert!(template(&world, "svc/pipeline").contains("svc-prod"));
    world.refused(
        "UpdateService",
        &json!({"name": "svc", "spec": "proton: ServiceSpec\npipeline: {test_command: make check}\ninstances: []\n"}),
        "ValidationException",
    );
    world.ok("UpdateService", &json!({"name": "svc", "spec": SERVICE_SPEC}));
    world.work();
    assert_eq!(world.service_now()["status"], "ACTIVE");
    world.refused("GetServiceInstance", &json!({"serviceName": "svc", "name": "prod"}), "ResourceNotFoundException");
    assert!(!template(&world, "svc/pipeline").contains("svc-prod"));
    world.fate("service-instance/prod", Fate::Fails("no"));
    world.ok("UpdateService", &json!({"name": "svc", "spec": TWO}));
    world.work();
    let now = world.service_now();
    assert_eq!((&now["status"], &now["spec"]), (&json!("UPDATE_FAILED_CLEANUP_FAILED"), &json!(SERVICE_SPEC)));
    world.no_fate();
    world.ok("UpdateService", &json!({"name": "svc", "spec": SERVICE_SPEC}));
    world.work();
    assert_eq!(world.service_now()["status"], "ACTIVE");
    world.fate("service-instance/prod", Fate::Unmade("no"));
    world.ok("UpdateService", &json!({"name": "svc", "spec": TWO}));
    world.work();
    let now = world.service_now();
    assert_eq!((&now["status"], &now["spec"]), (&json!("UPDATE_FAILED_CLEANUP_COMPLETE"), &json!(SERVICE_SPEC)));
    world.refused("GetServiceInstance", &json!({"serviceName": "svc", "name": "prod"}), "ResourceNotFoundException");
    world.no_fate();
    world.fate("svc/pipeline", Fate::Fails("no build"));
    world.ok("UpdateService", &json!({"name": "svc", "spec": TWO}));
    world.work();
    let now = world.service_now();
    assert_eq!((&now["status"], &now["statusMessage"]), (&json!("UPDATE_FAILED"), &json!("no build")));
    assert_eq!(world.instance_now("prod")["deploymentStatus"], "SUCCEEDED");
    world.no_fate();
    world.fate("service-instance/prod", Fate::Fails("in use"));
    world.ok("UpdateService", &json!({"name": "svc", "spec": SERVICE_SPEC}));
    world.work();
    let now = world.service_now();
    assert_eq!((&now["status"], &now["spec"]), (&json!("UPDATE_COMPLETE_CLEANUP_FAILED"), &json!(SERVICE_SPEC)));
}

/// Checklist 106, 108, 109, 113.
#[test]
fn instances_have_lives_of_their_own() {
    let mut world = World::new();
    world.service();
    let spec = "proton: ServiceSpec\npipeline:\n  test_command: make check\ninstances:\n  - {name: dev, environment: env, spec: {size: small}}\n  - {name: prod, environment: env, spec: {size: large}}\n";
    let create = json!({"serviceName": "svc", "name": "prod", "spec": spec, "clientToken": "t"});
    world.refused(
        "CreateServiceInstance",
        &json!({"serviceName": "svc", "name": "other", "spec": spec}),
        "ValidationException: The spec has no instance other.",
    );
    world.refused(
        "CreateServiceInstance",
        &json!({"serviceName": "svc", "name": "dev", "spec": spec}),
        "ConflictException",
    );
    world.ok("CreateServiceInstance", &create);
    assert_eq!(world.service_now()["status"], "UPDATE_IN_PROGRESS");
    world.work();
    assert_eq!((&world.service_now()["status"], &world.service_now()["spec"]), (&json!("ACTIVE"), &json!(spec)));
    assert_eq!(world.ok("CreateServiceInstance", &create)["serviceInstance"]["deploymentStatus"], "SUCCEEDED");
    world.service_version("svc");
    world.publish("Service", "svct", "1.1");
    let update = |kind: &str| json!({"serviceName": "svc", "name": "prod", "deploymentType": kind});
    world.ok("UpdateServiceInstance", &update("MINOR_VERSION"));
    world.work();
    assert_eq!(world.instance_now("prod")["templateMinorVersion"], "1");
    assert_eq!(
        (&world.instance_now("dev")["templateMinorVersion"], &world.service_now()["pipeline"]["templateMinorVersion"]),
        (&json!("0"), &json!("0"))
    );
    world.refused(
        "DeleteServiceTemplateVersion",
        &json!({"templateName": "svct", "majorVersion": "1", "minorVersion": "0"}),
        "ConflictException",
    );
    let pipeline = json!({"serviceName": "svc", "spec": spec, "deploymentType": "MINOR_VERSION"});
    world.ok("UpdateServicePipeline", &pipeline);
    world.work();
    assert_eq!(world.service_now()["pipeline"]["templateMinorVersion"], "1");
    world.fate("service-instance/prod", Fate::Hangs);
    world.ok("UpdateServiceInstance", &update("CURRENT_VERSION"));
    world.work();
    world.refused("UpdateService", &json!({"name": "svc", "description": "d"}), "ConflictException");
    let cancelling = world.ok("CancelServiceInstanceDeployment", &json!({"serviceName": "svc", "serviceInstanceName": "prod"}))["serviceInstance"].clone();
    assert_eq!(cancelling["deploymentStatus"], "CANCELLING");
    world.work();
    assert_eq!(world.instance_now("prod")["deploymentStatus"], "CANCELLED");
    world.fate("svc/pipeline", Fate::Hangs);
    world
        .ok("UpdateServicePipeline", &json!({"serviceName": "svc", "spec": spec, "deploymentType": "CURRENT_VERSION"}));
    world.work();
    assert_eq!(
        world.ok("CancelServicePipelineDeployment", &json!({"serviceName": "svc"}))["pipeline"]["deploymentStatus"],
        "CANCELLING"
    );
    world.work();
    assert_eq!(world.service_now()["pipeline"]["deploymentStatus"], "CANCELLED");
}

/// Checklist 110, 111, 112.
#[test]
fn lists_of_instances_are_filtered_and_sorted() {
    let mut world = World::new();
    world.service_template();
    world.ok("CreateService", &World::service_input("svc", TWO));
    world.fate("service/a", Fate::Fails("no"));
    world.ok("CreateService", &World::service_input("a", SERVICE_SPEC));
    world.work();
    let mut check = |input: Value, expect: &[&str]| {
        let found =
            world.ok("ListServiceInstances", &input)["serviceInstances"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> = found
            .iter()
            .map(|it| {
                format!(
                    "{}/{}",
                    it["serviceName"].as_str().unwrap_or_default(),
                    it["name"].as_str().unwrap_or_default()
                )
            })
            .collect();
        assert_eq!(names, expect, "{input}");
    };
    check(json!({}), &["a/dev", "svc/dev", "svc/prod"]);
    check(json!({"sortOrder": "DESCENDING"}), &["svc/prod", "svc/dev", "a/dev"]);
    check(json!({"sortBy": "name"}), &["a/dev", "svc/dev", "svc/prod"]);
    check(json!({"sortBy": "deploymentStatus"}), &["a/dev", "svc/dev", "svc/prod"]);
    check(json!({"serviceName": "svc"}), &["svc/dev", "svc/prod"]);
    check(json!({"filters": [{"key": "name", "value": "dev"}]}), &["a/dev", "svc/dev"]);
    check(
        json!({"filters": [{"key": "name", "value": "dev"}, {"key": "name", "value": "prod"}, {"key": "serviceName", "value": "svc"}]}),
        &["svc/dev", "svc/prod"],
    );
    check(json!({"filters": [{"key": "deploymentStatus", "value": "FAILED"}]}), &["a/dev"]);
    check(
        json!({"filters": [{"key": "deployedTemplateVersionStatus", "value": "UP_TO_DATE"}]}),
        &["a/dev", "svc/dev", "svc/prod"],
    );
    check(json!({"filters": [{"key": "createdAtBefore", "value": "2020-01-01T00:00:00Z"}]}), &[]);
    check(
        json!({"filters": [{"key": "createdAtAfter", "value": "2020-01-01T00:00:00.5Z"}], "maxResults": 2}),
        &["a/dev", "svc/dev"],
    );
    let page = world.ok("ListServiceInstances", &json!({"maxResults": 2}));
    let rest = world.ok("ListServiceInstances", &json!({"maxResults": 2, "nextToken": page["nextToken"]}));
    assert_eq!(rest["serviceInstances"].as_array().map(Vec::len), Some(1));
    assert_eq!(rest.get("nextToken"), None);
    world.refused(
        "ListServiceInstances",
        &json!({"filters": [{"key": "createdAtAfter", "value": "2020-01-01T00:00:00+01:00"}]}),
        "ValidationException",
    );
    world.refused("ListServiceInstances", &json!({"serviceName": "x"}), "ResourceNotFoundException");
}

/// Checklist 114: and a service whose instance cannot be deleted stays.
#[test]
fn deletion_of_a_service_takes_all_its_parts() {
    let mut world = World::new();
    world.service();
    world.fate("service-instance/dev", Fate::Fails("still in use"));
    assert_eq!(world.ok("DeleteService", &json!({"name": "svc"}))["service"]["status"], "DELETE_IN_PROGRESS");
    assert_eq!(world.ok("DeleteService", &json!({"name": "svc"}))["service"]["status"], "DELETE_IN_PROGRESS");
    world.work();
    assert_eq!(world.service_now()["status"], "DELETE_FAILED");
    assert_eq!(world.instance_now("dev")["deploymentStatusMessage"], "still in use");
    world.no_fate();
    world.ok("DeleteService", &json!({"name": "svc"}));
    world.work();
    assert_eq!(world.ok("DeleteService", &json!({"name": "svc"})), json!({}));
    assert_eq!(world.ok("ListServiceInstances", &json!({}))["serviceInstances"], json!([]));
    world.ok("DeleteEnvironment", &json!({"name": "env"}));
    world.work();
    world.refused("GetEnvironment", &json!({"name": "env"}), "ResourceNotFoundException");
}
