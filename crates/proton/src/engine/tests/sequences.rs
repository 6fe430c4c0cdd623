//! Random sequences of operations and mishaps: whatever is done, every run ends and no status goes where it cannot.

use standin_core::Draw;

use super::*;

const SEQUENCES: u64 = 60;
const STEPS: usize = 40;

fn step(world: &mut World, draw: &mut Draw) {
    let fates = [Fate::Fails("no"), Fate::Unmade("not now"), Fate::Hangs, Fate::TooLate];
    let parts =
        ["environment/env", "service-instance/dev", "service-instance/prod", "svc/pipeline", "component/table", ":"];
    let kinds = ["NONE", "CURRENT_VERSION", "MINOR_VERSION", "MAJOR_VERSION"];
    let specs = [SERVICE_SPEC, services::TWO];
    let mut pick = |most: u64| usize::try_from(draw.below(most)).unwrap_or_default();
    let (kind, spec) = (kinds[pick(4)], specs[pick(2)]);
    let name = ["dev", "prod"][pick(2)];
    let call = match pick(18) {
        0 => (
            "CreateEnvironment",
            json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC,
            "protonServiceRoleArn": ROLE, "componentRoleArn": ROLE}),
        ),
        1 => ("UpdateEnvironment", json!({"name": "env", "deploymentType": kind})),
        2 => ("CancelEnvironmentDeployment", json!({"environmentName": "env"})),
        3 => ("DeleteEnvironment", json!({"name": "env"})),
        4 => ("CreateService", World::service_input("svc", spec)),
        5 | 6 => ("UpdateService", json!({"name": "svc", "spec": spec})),
        7 => ("DeleteService", json!({"name": "svc"})),
        8 => ("UpdateServiceInstance", json!({"serviceName": "svc", "name": name, "deploymentType": kind})),
        9 => ("CancelServiceInstanceDeployment", json!({"serviceName": "svc", "serviceInstanceName": name})),
        10 => ("UpdateServicePipeline", json!({"serviceName": "svc", "spec": spec, "deploymentType": kind})),
        11 => ("CancelServicePipelineDeployment", json!({"serviceName": "svc"})),
        12 => ("CreateServiceInstance", json!({"serviceName": "svc", "name": name, "spec": spec})),
        13 => (
            "CreateComponent",
            json!({"name": "table", "environmentName": "env", "manifest": components::MANIFEST, "templateFile": components::FILE}),
        ),
        14 => ("DeleteComponent", json!({"name": "table"})),
        15 => return world.fate(parts[pick(6)], fates[pick(4)].clone()),
        16 => return world.no_fate(),
        _ => return world.later(2000),
    };
    // What is refused changes nothing; what is allowed must hold what is checked at the end.
    if let Err(error) = world.call(call.0, &call.1) {
        let code = error.split(':').next().unwrap_or_default();
        assert!(
            ["ValidationException", "ConflictException", "ResourceNotFoundException"].contains(&code),
            "{}: {error}",
            call.0
        );
    }
}

/// Where a status may go, as the reference draws it.
fn is_legal(from: &str, to: &str) -> bool {
    let settled = ["SUCCEEDED", "FAILED", "CANCELLED", "DELETE_FAILED"];
    match (from, to) {
        ("", to) => to == "IN_PROGRESS" || to == "CREATE_IN_PROGRESS",
        ("IN_PROGRESS", to) => ["SUCCEEDED", "FAILED", "CANCELLING"].contains(&to),
        ("CANCELLING", to) => ["SUCCEEDED", "FAILED", "CANCELLED"].contains(&to),
        ("DELETE_IN_PROGRESS", to) => ["DELETED", "DELETE_FAILED"].contains(&to),
        ("CREATE_IN_PROGRESS", to) => ["ACTIVE", "CREATE_FAILED"].contains(&to),
        ("UPDATE_IN_PROGRESS", to) => {
            ["ACTIVE", "UPDATE_FAILED", "UPDATE_FAILED_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_FAILED"]
                .contains(&to)
        }
        ("UPDATE_FAILED_CLEANUP_IN_PROGRESS", to) => to.starts_with("UPDATE_FAILED_CLEANUP_"),
        (from, "IN_PROGRESS" | "DELETE_IN_PROGRESS") if settled.contains(&from) => true,
        (from, to) => !from.ends_with("_IN_PROGRESS") && ["UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"].contains(&to),
    }
}

#[test]
fn every_run_ends_and_no_status_goes_where_it_cannot() {
    let mut runs = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new();
        world.service_template();
        let mut draw = Draw::from_seed(seed);
        for _ in 0..STEPS {
            step(&mut world, &mut draw);
        }
        world.no_fate();
        for _ in 0..20 {
            world.later(5000);
        }
        let records = world.ok("ListDeployments", &json!({}))["deployments"].as_array().cloned().unwrap_or_default();
        runs += records.len();
        for record in &records {
            let status = record["deploymentStatus"].as_str().unwrap_or_default();
            assert!(
                !["IN_PROGRESS", "CANCELLING", "DELETE_IN_PROGRESS"].contains(&status),
                "seed {seed}: a run never ended: {record}"
            );
            assert!(record.get("completedAt").is_some(), "seed {seed}: {record}");
        }
        for (operation, input, member) in [
            ("GetService", json!({"name": "svc"}), "service"),
            ("GetEnvironment", json!({"name": "env"}), "environment"),
        ] {
            if let Ok(found) = world.call(operation, &input) {
                let status = found[member]
                    .get("status")
                    .or(found[member].get("deploymentStatus"))
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                assert!(!status.ends_with("IN_PROGRESS"), "seed {seed}: {found}");
            }
        }
        let events = world.runtime.block_on(world.engine.store.events(0, 10_000)).expect("the store works");
        for event in events.iter().map(|event| event.body.to_json()) {
            let kind = event["detail-type"].as_str().unwrap_or_default();
            if kind.contains("Template") {
                continue;
            }
            let status = |name: &str| event["detail"][name].as_str().unwrap_or_default();
            let (from, to) = (status("previousStatus"), status("status"));
            assert!(is_legal(from, to), "seed {seed}: {kind} of {} went from {from} to {to}", event["resources"]);
        }
    } // Less would mean that nearly all was refused.
    assert!(runs > 300, "only {runs} runs");
}
