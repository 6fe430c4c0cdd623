//! Random sequences of operations and mishaps against a model of what may happen: whatever is done, every run ends, no status
//! goes where it cannot, no resource is in two runs, and what is refused is refused for a reason.

use std::collections::{BTreeMap, BTreeSet};

use standin_core::Draw;

use super::*;

const SEQUENCES: u64 = 40;
const STEPS: usize = 40;
/// What a component can be attached to and deployed by.
const COMPONENT: &str = "component/table";

/// The world as its operations show it, which the model decides by.
struct Seen {
    /// Everything that is deployed.
    resources: Vec<Value>,
    /// Its status, by the part of the ARN behind the account.
    deployed: BTreeMap<String, String>,
    /// The status of the service, where there is one.
    service: Option<String>,
    /// The instance that the component is attached to.
    attached: Option<String>,
    records: Vec<Value>,
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

fn short(arn: &str) -> String {
    arn.splitn(6, ':').last().unwrap_or_default().to_owned()
}

fn is_busy(status: &str) -> bool {
    ["IN_PROGRESS", "CANCELLING", "DELETE_IN_PROGRESS"].contains(&status)
}

fn list(world: &mut World, operation: &str, member: &str) -> Vec<Value> {
    world.ok(operation, &json!({}))[member].as_array().cloned().unwrap_or_default()
}

/// All that has runs, with what shows it.
fn resources(world: &mut World, service: Option<&Value>) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    found.extend(world.call("GetEnvironment", &json!({"name": "env"})).map(|output| output["environment"].clone()));
    found.extend(world.call("GetComponent", &json!({"name": "table"})).map(|output| output["component"].clone()));
    found.extend(service.and_then(|service| service.get("pipeline")).cloned());
    for instance in list(world, "ListServiceInstances", "serviceInstances") {
        let name = text(&instance, "name");
        found.push(world.instance_now(&name));
    }
    found
}

impl Seen {
    fn now(world: &mut World) -> Self {
        let service = world.call("GetService", &json!({"name": "svc"})).ok().map(|output| output["service"].clone());
        let resources = resources(world, service.as_ref());
        let attached = resources.iter().find(|it| text(it, "arn").ends_with(COMPONENT));
        let attached = attached.map(|it| text(it, "serviceInstanceName")).filter(|name| !name.is_empty());
        Self {
            deployed: resources.iter().map(|it| (short(&text(it, "arn")), text(it, "deploymentStatus"))).collect(),
            resources,
            service: service.map(|service| text(&service, "status")),
            attached,
            records: list(world, "ListDeployments", "deployments"),
        }
    }

    fn busy(&self, what: &str) -> bool {
        self.deployed.get(what).is_some_and(|status| is_busy(status))
    }

    fn service_busy(&self) -> bool {
        self.service.as_ref().is_some_and(|status| status.ends_with("_IN_PROGRESS"))
    }

    fn any_part_busy(&self) -> bool {
        self.service_busy() || self.deployed.iter().any(|(arn, status)| arn.starts_with("service/") && is_busy(status))
    }

    /// The code that the rules of Proton demand for a call, where they are plain: that something is not there, or busy.
    fn refusal(&self, operation: &str, input: &Value) -> Option<&'static str> {
        const MISSING: Option<&str> = Some("ResourceNotFoundException");
        const BUSY: Option<&str> = Some("ConflictException");
        let name = text(input, "name");
        let instance = format!("service/svc/service-instance/{}{}", name, text(input, "serviceInstanceName"));
        let attached = self.attached.as_ref().map(|name| format!("service/svc/service-instance/{name}"));
        let there = |what: &str| self.deployed.contains_key(what);
        let running = |what: &str| self.deployed.get(what).is_some_and(|status| status == "IN_PROGRESS");
        match operation {
            "UpdateEnvironment" | "DeleteEnvironment" if !there("environment/env") => {
                MISSING.filter(|_| operation == "UpdateEnvironment")
            }
            "UpdateEnvironment" if self.busy("environment/env") => BUSY,
            "DeleteEnvironment"
                if self.deployed.len() > 1 && self.deployed["environment/env"] != "DELETE_IN_PROGRESS" =>
            {
                let others = |arn: &&String| !arn.ends_with("/pipeline") && *arn != "environment/env";
                self.deployed.keys().any(|arn| others(&arn)).then_some("ConflictException")
            }
            "CancelEnvironmentDeployment" if !there("environment/env") => MISSING,
            "CancelEnvironmentDeployment" if !running("environment/env") => BUSY,
            "UpdateService" | "CreateServiceInstance" if self.service.is_none() => MISSING,
            "UpdateService" if self.any_part_busy() => BUSY,
            "CreateServiceInstance" if there(&instance) || self.any_part_busy() => BUSY,
            "DeleteService" if self.service.as_deref() == Some("DELETE_IN_PROGRESS") || self.service.is_none() => None,
            "DeleteService" if self.any_part_busy() || self.attached.is_some() => BUSY,
            "UpdateServiceInstance" | "CancelServiceInstanceDeployment" if !there(&instance) => MISSING,
            "UpdateServiceInstance" if self.busy(&instance) || self.service_busy() => BUSY,
            "UpdateServiceInstance" if attached.as_ref() == Some(&instance) && self.busy(COMPONENT) => BUSY,
            "CancelServiceInstanceDeployment" if !running(&instance) => BUSY,
            "UpdateServicePipeline" | "CancelServicePipelineDeployment" if !there("service/svc/pipeline") => MISSING,
            "UpdateServicePipeline" if self.busy("service/svc/pipeline") || self.service_busy() => BUSY,
            "CancelServicePipelineDeployment" if !running("service/svc/pipeline") => BUSY,
            "CreateComponent" if there(COMPONENT) => BUSY,
            "UpdateComponent" | "DeleteComponent" | "CancelComponentDeployment" if !there(COMPONENT) => MISSING,
            "DeleteComponent" if self.deployed[COMPONENT] == "DELETE_IN_PROGRESS" => None,
            "DeleteComponent" if self.attached.is_some() => BUSY,
            "UpdateComponent" | "DeleteComponent" if self.busy(COMPONENT) => BUSY,
            "CancelComponentDeployment" if !running(COMPONENT) => BUSY,
            _ => None,
        }
    }

    /// What holds at every moment.
    fn check(&self, seed: u64) {
        let mut running: BTreeSet<String> = BTreeSet::new();
        for record in &self.records {
            let (arn, status) = (short(&text(record, "targetArn")), text(record, "deploymentStatus"));
            if !is_busy(&status) {
                continue;
            }
            assert!(running.insert(arn.clone()), "seed {seed}: two runs of {arn}");
            assert_eq!(self.deployed.get(&arn), Some(&status), "seed {seed}: the run of {arn} is {status}");
        }
        for it in &self.resources {
            let (arn, status) = (short(&text(it, "arn")), text(it, "deploymentStatus"));
            assert_eq!(is_busy(&status), running.contains(&arn), "seed {seed}: {arn} is {status}");
            let last = self.records.iter().find(|record| record["id"] == it["lastAttemptedDeploymentId"]);
            assert_eq!(last.map(|record| text(record, "deploymentStatus")), Some(status), "seed {seed}: {arn}");
            let good = self.records.iter().find(|record| record["id"] == it["lastSucceededDeploymentId"]);
            let good = good.map(|record| text(record, "deploymentStatus"));
            assert!(
                good.as_ref().is_none_or(|status| status == "SUCCEEDED"),
                "seed {seed}: {arn} succeeded by {good:?}"
            );
        }
    }
}

fn step(world: &mut World, seen: &Seen, seed: u64, draw: &mut Draw) {
    let fates = [Fate::Fails("no"), Fate::Unmade("not now"), Fate::Hangs, Fate::TooLate];
    let parts =
        ["environment/env", "service-instance/dev", "service-instance/prod", "svc/pipeline", "component/table", ":"];
    let kinds = ["NONE", "CURRENT_VERSION", "MINOR_VERSION", "MAJOR_VERSION"];
    let specs = [SERVICE_SPEC, services::TWO];
    let mut pick = |most: u64| usize::try_from(draw.below(most)).unwrap_or_default();
    let (kind, spec) = (kinds[pick(4)], specs[pick(2)]);
    let name = ["dev", "prod"][pick(2)];
    let to = [
        json!({}),
        json!({"serviceName": "", "serviceInstanceName": ""}),
        json!({"serviceName": "svc", "serviceInstanceName": name}),
    ];
    let mut component = json!({"name": "table", "manifest": components::MANIFEST, "templateFile": components::FILE});
    component[if pick(2) == 0 { "environmentName" } else { "serviceName" }] = json!("env");
    if component.get("serviceName").is_some() {
        (component["serviceName"], component["serviceInstanceName"]) = (json!("svc"), json!(name));
    }
    let mut attach = to[pick(3)].clone();
    (attach["name"], attach["deploymentType"]) = (json!("table"), json!("CURRENT_VERSION"));
    let (operation, input) = match pick(24) {
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
        13 => ("CreateComponent", component),
        14 => ("UpdateComponent", attach),
        15 => ("DeleteComponent", json!({"name": "table"})),
        16 => ("CancelComponentDeployment", json!({"componentName": "table"})),
        17 => return world.fate(parts[pick(6)], fates[pick(4)].clone()),
        18 => return world.no_fate(),
        // A worker dies with its jobs; another takes them over when their leases end.
        19 => return world.lose_jobs(),
        // Longer than a lease, or not.
        20 => return world.later(61_000),
        _ => return world.later(2000),
    };
    let refusal = seen.refusal(operation, &input);
    match (world.call(operation, &input), refusal) {
        (Ok(_), None) => {}
        (Ok(output), Some(code)) => panic!("seed {seed}: {operation} {input} must be a {code}, not {output}"),
        (Err(error), Some(code)) => {
            // Input is looked at before what it is about.
            let known = error.starts_with(code) || error.starts_with("ValidationException");
            assert!(known, "seed {seed}: {operation} {input} must be a {code}, not {error}");
        }
        (Err(error), None) => {
            let code = error.split(':').next().unwrap_or_default();
            let known = ["ValidationException", "ConflictException", "ResourceNotFoundException"];
            assert!(known.contains(&code), "seed {seed}: {operation}: {error}");
        }
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

/// What holds when nothing is under way any more.
fn check_settled(world: &mut World, seed: u64) {
    let seen = Seen::now(world);
    seen.check(seed);
    for record in &seen.records {
        let status = text(record, "deploymentStatus");
        assert!(!is_busy(&status) && record.get("completedAt").is_some(), "seed {seed}: a run never ended: {record}");
    }
    assert!(!seen.service_busy(), "seed {seed}: the service is {:?}", seen.service);
    // What succeeded last is what is there.
    for it in &seen.resources {
        let Some(id) = it.get("lastSucceededDeploymentId") else { continue };
        let record = world.ok("GetDeployment", &json!({"id": id}))["deployment"].clone();
        let state = record["targetState"].as_object().and_then(|state| state.values().next().cloned());
        let state = state.unwrap_or_else(|| panic!("seed {seed}: {record} has no target"));
        for member in ["spec", "templateMajorVersion", "templateMinorVersion"] {
            assert_eq!(state.get(member), it.get(member).filter(|_| state.get(member).is_some()), "seed {seed}: {it}");
        }
    }
    // A service that is well has the instances of its spec, all of them well.
    if seen.service.as_deref() == Some("ACTIVE") {
        let wanted = text(&world.service_now(), "spec").matches("name:").count();
        let there = seen.deployed.keys().filter(|arn| arn.contains("/service-instance/")).count();
        assert_eq!(wanted, there, "seed {seed}: {:?}", seen.deployed);
    }
    // No stack is left of what is gone, and what succeeded last has one.
    let stacks = world.fake.stacks.lock().expect("no test panics with it").clone();
    for (stack, arn) in &stacks {
        assert!(seen.deployed.contains_key(&short(arn)), "seed {seed}: {stack} was forgotten");
    }
    for (arn, _) in seen.deployed.iter().filter(|(_, status)| *status == "SUCCEEDED") {
        let of = stacks.values().filter(|of| short(of) == *arn).count();
        assert_eq!(of, 1, "seed {seed}: the stacks of {arn}");
    }
}

#[test]
fn every_run_ends_and_no_status_goes_where_it_cannot() {
    let mut runs = 0;
    for seed in 0..SEQUENCES {
        let mut world = World::new();
        if seed % 3 == 0 {
            world.service_template();
        } else {
            world.service();
        }
        let mut draw = Draw::from_seed(seed);
        let mut seen = Seen::now(&mut world);
        let mut ended: BTreeMap<String, Value> = BTreeMap::new();
        for _ in 0..STEPS {
            step(&mut world, &seen, seed, &mut draw);
            seen = Seen::now(&mut world);
            seen.check(seed);
            for record in seen.records.iter().filter(|record| !is_busy(&text(record, "deploymentStatus"))) {
                let first = ended.entry(text(record, "id")).or_insert_with(|| record.clone());
                assert_eq!(first, record, "seed {seed}: a run that has ended goes on");
            }
        }
        world.no_fate();
        // Longer than a lease.
        for _ in 0..20 {
            world.later(5000);
        }
        check_settled(&mut world, seed);
        runs += list(&mut world, "ListDeployments", "deployments").len();
        let events = world.runtime.block_on(world.engine.store.events(0, 10_000)).expect("the store works");
        for event in events.iter().map(|event| event.body.to_json()) {
            let kind = text(&event, "detail-type");
            if kind.contains("Template") {
                continue;
            }
            let detail = event.get("detail").unwrap_or(&event);
            let (from, to) = (text(detail, "previousStatus"), text(detail, "status"));
            assert!(is_legal(&from, &to), "seed {seed}: {kind} of {event} went from {from} to {to}");
        }
    } // Less would mean that nearly all was refused.
    assert!(runs > 300, "only {runs} runs");
}
