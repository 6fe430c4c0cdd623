use serde_json::json;

use super::*;
use crate::types::OPERATIONS;

/// Checklist 152, 153, 154, 155, 156, 157.
#[test]
fn connections_are_asked_for_and_accepted() {
    let mut world = World::new();
    world.environment();
    world.ok("DeleteEnvironment", &json!({"name": "env"}));
    world.work();
    world.account = "222222222222".into();
    let ask = json!({"managementAccountId": "123456789012", "environmentName": "env", "roleArn": ROLE});
    let made = world.ok("CreateEnvironmentAccountConnection", &ask)["environmentAccountConnection"].clone();
    assert_eq!(made["status"], "PENDING");
    assert!(
        made["arn"]
            .as_str()
            .unwrap_or_default()
            .starts_with("arn:aws:proton:us-east-1:222222222222:environment-account-connection/")
    );
    let id = json!({"id": made["id"]});
    world.refused("AcceptEnvironmentAccountConnection", &id, "ResourceNotFoundException");
    for _ in 0..4 {
        world.ok("CreateEnvironmentAccountConnection", &ask);
    }
    world.refused("CreateEnvironmentAccountConnection", &ask, "ServiceQuotaExceededException");
    world.account = "123456789012".into();
    let mut listed = |by: &str, statuses: Value| {
        world.ok("ListEnvironmentAccountConnections", &json!({"requestedBy": by, "statuses": statuses}))["environmentAccountConnections"].as_array().map(Vec::len)
    };
    assert_eq!(listed("MANAGEMENT_ACCOUNT", json!([])), Some(5));
    assert_eq!(listed("ENVIRONMENT_ACCOUNT", json!([])), Some(0));
    assert_eq!(listed("MANAGEMENT_ACCOUNT", json!(["CONNECTED"])), Some(0));
    let create = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC, "environmentAccountConnectionId": made["id"]});
    world.refused("CreateEnvironment", &create, "ValidationException: Environment account connection");
    world.refused("UpdateEnvironmentAccountConnection", &id, "ResourceNotFoundException");
    assert_eq!(
        world.ok("AcceptEnvironmentAccountConnection", &id)["environmentAccountConnection"]["status"],
        "CONNECTED"
    );
    world.ok("AcceptEnvironmentAccountConnection", &id);
    world.ok("CreateEnvironment", &create);
    world.work();
    assert_eq!(
        (&world.environment_now()["deploymentStatus"], &world.environment_now()["environmentAccountId"]),
        (&json!("SUCCEEDED"), &json!("222222222222"))
    );
    assert_eq!(
        world.fake.orders.lock().expect("not poisoned").last().map(|order| order.account.clone()),
        Some("222222222222".into())
    );
    world.refused("RejectEnvironmentAccountConnection", &id, "ConflictException");
    let others = world.ok(
        "ListEnvironmentAccountConnections",
        &json!({"requestedBy": "MANAGEMENT_ACCOUNT", "statuses": ["PENDING"]}),
    );
    let other = json!({"id": others["environmentAccountConnections"][0]["id"]});
    assert_eq!(
        world.ok("RejectEnvironmentAccountConnection", &other)["environmentAccountConnection"]["status"],
        "REJECTED"
    );
    world.refused("AcceptEnvironmentAccountConnection", &other, "ConflictException");
    world.account = "222222222222".into();
    assert_eq!(
        world.ok("GetEnvironmentAccountConnection", &other)["environmentAccountConnection"]["status"],
        "REJECTED"
    );
    world.ok("DeleteEnvironmentAccountConnection", &id);
    assert_eq!(world.ok("DeleteEnvironmentAccountConnection", &id), json!({}));
    world.account = "123456789012".into();
    world.ok("UpdateEnvironment", &json!({"name": "env", "deploymentType": "CURRENT_VERSION"}));
    world.work();
    assert_eq!(world.environment_now()["deploymentStatus"], "FAILED");
}

/// Checklist 158, 159.
#[test]
fn settings_of_the_account_are_merged() {
    let mut world = World::new();
    assert_eq!(world.ok("GetAccountSettings", &json!({})), json!({"accountSettings": {}}));
    world.ok("UpdateAccountSettings", &json!({"pipelineServiceRoleArn": ROLE}));
    let repository = json!({"provider": "GITHUB", "name": "me/infra", "branch": "main"});
    world.refused(
        "UpdateAccountSettings",
        &json!({"pipelineProvisioningRepository": repository}),
        "ValidationException",
    );
    world.ok("CreateRepository", &json!({"provider": "GITHUB", "name": "me/infra", "connectionArn": "arn:aws:x"}));
    world.refused(
        "CreateRepository",
        &json!({"provider": "GITHUB", "name": "me/infra", "connectionArn": "arn:aws:x"}),
        "ConflictException",
    );
    world.refused(
        "UpdateAccountSettings",
        &json!({"pipelineProvisioningRepository": repository, "deletePipelineProvisioningRepository": true}),
        "ValidationException",
    );
    let settings =
        world.ok("UpdateAccountSettings", &json!({"pipelineProvisioningRepository": repository}))["accountSettings"]
            .clone();
    assert_eq!(
        (&settings["pipelineServiceRoleArn"], &settings["pipelineProvisioningRepository"]["branch"]),
        (&json!(ROLE), &json!("main"))
    );
    world.refused("DeleteRepository", &json!({"provider": "GITHUB", "name": "me/infra"}), "ConflictException");
    let settings = world.ok(
        "UpdateAccountSettings",
        &json!({"pipelineServiceRoleArn": "", "deletePipelineProvisioningRepository": true}),
    );
    assert_eq!(settings, json!({"accountSettings": {}}));
    world.ok("DeleteRepository", &json!({"provider": "GITHUB", "name": "me/infra"}));
    world.refused("GetRepository", &json!({"provider": "GITHUB", "name": "me/infra"}), "ResourceNotFoundException");
}

/// Checklist 160.
#[test]
fn the_summary_counts_what_is_failed_and_behind() {
    let mut world = World::new();
    world.service();
    world.service_version("svc");
    world.publish("Service", "svct", "1.1");
    world.environment_version("env", None);
    world.publish("Environment", "envt", "2.0");
    world.fate("service-instance", Fate::Fails("no"));
    world.ok(
        "UpdateServiceInstance",
        &json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"}),
    );
    world.work();
    let counts = world.ok("GetResourcesSummary", &json!({}))["counts"].clone();
    assert_eq!(
        counts["environments"],
        json!({"behindMajor": 1, "behindMinor": 0, "failed": 0, "total": 1, "upToDate": 0})
    );
    assert_eq!(
        counts["serviceInstances"],
        json!({"behindMajor": 0, "behindMinor": 1, "failed": 1, "total": 1, "upToDate": 0})
    );
    assert_eq!(counts["services"], json!({"behindMajor": 0, "behindMinor": 1, "failed": 0, "total": 1, "upToDate": 0}));
    assert_eq!((&counts["environmentTemplates"]["total"], &counts["components"]["total"]), (&json!(1), &json!(0)));
    let list = world.ok(
        "ListServiceInstances",
        &json!({"filters": [{"key": "deployedTemplateVersionStatus", "value": "BEHIND_MINOR"}]}),
    );
    assert_eq!(list["serviceInstances"].as_array().map(Vec::len), Some(1));
}

/// Checklist 167, 168.
#[test]
fn tags_of_users_and_of_proton() {
    let mut world = World::new();
    world.service();
    let arn = "arn:aws:proton:us-east-1:123456789012:service/svc/service-instance/dev";
    world.ok(
        "TagResource",
        &json!({"resourceArn": arn, "tags": [{"key": "a", "value": "1"}, {"key": "A", "value": "2"}]}),
    );
    world.ok("TagResource", &json!({"resourceArn": arn, "tags": [{"key": "a", "value": "3"}]}));
    let tags = world.ok("ListTagsForResource", &json!({"resourceArn": arn}))["tags"].clone();
    let keys: Vec<&str> = tags.as_array().expect("a list").iter().filter_map(|tag| tag["key"].as_str()).collect();
    assert_eq!(
        keys,
        [
            "a",
            "A",
            "aws:proton:account",
            "aws:proton:template",
            "aws:proton:environment",
            "aws:proton:service",
            "aws:proton:service-instance"
        ]
    );
    assert_eq!(
        (&tags[0]["value"], &tags[3]["value"]),
        (&json!("3"), &json!("arn:aws:proton:us-east-1:123456789012:service-template/svct"))
    );
    let page = world.ok("ListTagsForResource", &json!({"resourceArn": arn, "maxResults": 5}));
    let rest = world.ok("ListTagsForResource", &json!({"resourceArn": arn, "nextToken": page["nextToken"]}));
    assert_eq!(rest["tags"].as_array().map(Vec::len), Some(2));
    world.refused(
        "TagResource",
        &json!({"resourceArn": arn, "tags": [{"key": "aws:x", "value": ""}]}),
        "ValidationException",
    );
    world.refused(
        "UntagResource",
        &json!({"resourceArn": arn, "tagKeys": ["aws:proton:account"]}),
        "ValidationException",
    );
    world.ok("UntagResource", &json!({"resourceArn": arn, "tagKeys": ["a", "none"]}));
    let many: Vec<Value> = (0..50).map(|at| json!({"key": format!("k{at}"), "value": ""})).collect();
    world.refused("TagResource", &json!({"resourceArn": arn, "tags": many}), "ValidationException");
    world.refused(
        "ListTagsForResource",
        &json!({"resourceArn": "arn:aws:proton:us-east-1:123456789012:service/none"}),
        "ResourceNotFoundException",
    );
}

/// Checklist 163, 165, 166.
#[test]
fn sync_configurations_and_their_blockers() {
    let mut world = World::new();
    world.service();
    let template = json!({"templateName": "envt", "templateType": "ENVIRONMENT", "repositoryProvider": "GITHUB", "repositoryName": "me/t", "branch": "main"});
    world.refused("CreateTemplateSyncConfig", &template, "ValidationException");
    world.ok("CreateRepository", &json!({"provider": "GITHUB", "name": "me/t", "connectionArn": "arn:aws:x"}));
    world.refused("UpdateTemplateSyncConfig", &template, "ResourceNotFoundException");
    world.ok("CreateTemplateSyncConfig", &template);
    world.refused("CreateTemplateSyncConfig", &template, "ConflictException");
    let definitions = world.ok(
        "ListRepositorySyncDefinitions",
        &json!({"repositoryName": "me/t", "repositoryProvider": "GITHUB", "syncType": "TEMPLATE_SYNC"}),
    );
    assert_eq!(definitions["syncDefinitions"][0]["target"], "envt");
    world.refused("DeleteRepository", &json!({"provider": "GITHUB", "name": "me/t"}), "ConflictException");
    let service = json!({"serviceName": "svc", "repositoryProvider": "GITHUB", "repositoryName": "me/t", "branch": "main", "filePath": "ops.yaml"});
    world.ok("CreateServiceSyncConfig", &service);
    let update = json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION"});
    for _ in 0..2 {
        world.ok("UpdateServiceInstance", &update);
        world.work();
    }
    let blockers = |world: &mut World, input: Value| {
        world.ok("GetServiceSyncBlockerSummary", &input)["serviceSyncBlockerSummary"]["latestBlockers"].clone()
    };
    assert_eq!(blockers(&mut world, json!({"serviceName": "svc"})), json!([]));
    let of_instance = json!({"serviceName": "svc", "serviceInstanceName": "dev"});
    let found = blockers(&mut world, of_instance.clone());
    assert_eq!((found.as_array().map(Vec::len), &found[0]["status"]), (Some(1), &json!("ACTIVE")));
    let resolve = json!({"id": found[0]["id"], "resolvedReason": "it was me"});
    let resolved = world.ok("UpdateServiceSyncBlocker", &resolve);
    assert_eq!(
        (&resolved["serviceSyncBlocker"]["status"], &resolved["serviceInstanceName"]),
        (&json!("RESOLVED"), &json!("dev"))
    );
    world.refused("UpdateServiceSyncBlocker", &resolve, "ConflictException");
    let more = SERVICE_SPEC.to_owned() + "  - {name: more, environment: env}\n";
    world.ok("UpdateService", &json!({"name": "svc", "spec": more}));
    world.work();
    world.ok("UpdateService", &json!({"name": "svc", "spec": SERVICE_SPEC}));
    world.work();
    assert_eq!(blockers(&mut world, json!({"serviceName": "svc"})).as_array().map(Vec::len), Some(1));
    world.ok("DeleteServiceSyncConfig", &json!({"serviceName": "svc"}));
    world.refused("GetServiceSyncConfig", &json!({"serviceName": "svc"}), "ResourceNotFoundException");
    assert_eq!(world.instance_now("dev")["deploymentStatus"], "SUCCEEDED");
}

/// Checklist 170.
#[test]
fn every_change_of_status_is_told() {
    let mut world = World::new();
    world.environment();
    world.ok("DeleteEnvironment", &json!({"name": "env"}));
    world.work();
    let events = world.runtime.block_on(world.engine.store.events(0, 100)).expect("the store works");
    let told: Vec<String> = events
        .iter()
        .map(|event| event.body.to_json())
        .filter(|body| body["detail-type"] == "AWS Proton Environment Status Change")
        .map(|body| {
            format!(
                "{}→{}",
                body["detail"]["previousStatus"].as_str().unwrap_or_default(),
                body["detail"]["status"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(
        told,
        ["→IN_PROGRESS", "IN_PROGRESS→SUCCEEDED", "SUCCEEDED→DELETE_IN_PROGRESS", "DELETE_IN_PROGRESS→DELETED"]
    );
}

/// A worker that dies leaves its job to the next, which does it once.
#[test]
fn jobs_of_a_dead_worker_are_taken_over() {
    let mut world = World::new();
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.environment_version("env", None);
    world.publish("Environment", "envt", "1.0");
    world.ok("CreateEnvironment", &json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC, "protonServiceRoleArn": ROLE}));
    let claim = standin_store::jobs::Claim {
        queue: super::super::QUEUE,
        owner: "dead",
        now_ms: world.now_ms,
        lease_ms: 60_000,
        limit: 10,
    };
    let claimed = world.runtime.block_on(world.engine.store.claim(claim)).expect("the store works");
    assert_eq!(claimed.len(), 1);
    world.later(1000);
    assert_eq!(world.environment_now()["deploymentStatus"], "IN_PROGRESS");
    world.later(60_000);
    assert_eq!(world.environment_now()["deploymentStatus"], "SUCCEEDED");
    assert_eq!(world.fake.orders.lock().expect("not poisoned").len(), 1);
}

/// Every operation is known, and refuses what is not there with an error that it models.
#[test]
fn every_operation_answers() {
    assert_eq!(OPERATIONS.len(), 87);
    let catalogue = standin_model::Catalogue::shared();
    let service = catalogue.newest("proton").expect("Proton is there").open().expect("the catalogue is whole");
    let mut world = World::new();
    let input = json!({"name": "n", "id": "i", "templateName": "t", "templateType": "SERVICE", "templateVersion": "1", "majorVersion": "1", "minorVersion": "0",
        "templateMajorVersion": "1", "serviceName": "s", "serviceInstanceName": "i", "environmentName": "e", "componentName": "c", "spec": "x",
        "deploymentType": "CURRENT_VERSION", "provider": "GITHUB", "connectionArn": "arn:aws:x", "repositoryName": "a/b", "repositoryProvider": "GITHUB",
        "branch": "b", "filePath": "f", "syncType": "TEMPLATE_SYNC", "resolvedReason": "r", "resourceArn": "arn:aws:x", "tags": [], "tagKeys": [],
        "managementAccountId": "123456789012", "requestedBy": "MANAGEMENT_ACCOUNT", "manifest": "m", "templateFile": "f",
        "compatibleEnvironmentTemplates": [{"templateName": "t", "majorVersion": "1"}], "source": {"s3": {"bucket": "b", "key": "k"}}});
    for name in OPERATIONS {
        let Err(error) = world.call(name, &input) else { continue };
        let code = error.split(':').next().unwrap_or_default();
        let operation = service.operation(name).expect("it is in the catalogue");
        let modelled = operation.errors.iter().any(|ix| service.shape(*ix).name == code);
        assert!(modelled, "{name} does not model {error}");
    }
}
