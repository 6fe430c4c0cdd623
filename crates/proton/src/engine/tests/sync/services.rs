use super::*;

fn spec(instance: &str, mark: &str) -> String {
    format!(
        "proton: ServiceSpec\ninstances:\n  - name: {instance}\n    environment: env\n    spec:\n      queue_names: [{mark}]\n"
    )
}

const OPS: &str = "sync:\n  services:\n    svc:\n      dev: {branch: main, spec: ./dev/spec.yaml}\n      prod: {branch: prod, spec: prod/spec.yaml}\n";

fn config() -> Value {
    json!({"serviceName": "svc", "repositoryProvider": "GITHUB", "repositoryName": "me/t", "branch": "main", "filePath": "./ops.yaml"})
}

/// The service `svc` with the instance `dev`, and a repository that names `dev` and `prod`.
fn synced() -> (World, Arc<Repository>) {
    let (mut world, repository) = with_repository(false);
    world.service();
    repository.commit("main", &[("ops.yaml", Some(OPS)), ("dev/spec.yaml", Some(&spec("dev", "medium")))]);
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "large")))]);
    (world, repository)
}

fn status(world: &mut World, instance: &str) -> Value {
    world.ok("GetServiceInstanceSyncStatus", &json!({"serviceName": "svc", "serviceInstanceName": instance}))
}

/// The status of the last attempt, and the text of its last event.
fn latest(world: &mut World, instance: &str) -> (String, String) {
    let found = status(world, instance)["latestSync"].clone();
    (found["status"].as_str().unwrap_or_default().to_owned(), events(&found).1)
}

fn mark(world: &mut World, instance: &str) -> String {
    let found = world.instance_now(instance);
    let text = found["spec"].as_str().unwrap_or_default().to_owned();
    let found = text.rsplit_once("queue_names: [").and_then(|(_, rest)| rest.split_once(']'));
    found.map(|(mark, _)| mark.to_owned()).unwrap_or_default()
}

/// Deployments of an instance so far.
fn deployments(world: &mut World, instance: &str) -> usize {
    let input = json!({"environmentName": "env", "serviceName": "svc", "serviceInstanceName": instance});
    world.ok("ListDeployments", &input)["deployments"].as_array().map_or(0, Vec::len)
}

fn blockers(world: &mut World, instance: Option<&str>) -> Vec<Value> {
    let mut input = json!({"serviceName": "svc"});
    if let Some(instance) = instance {
        input["serviceInstanceName"] = json!(instance);
    }
    let found = world.ok("GetServiceSyncBlockerSummary", &input);
    found["serviceSyncBlockerSummary"]["latestBlockers"].as_array().cloned().unwrap_or_default()
}

/// Checklist 164.
#[test]
fn the_ops_file_drives_instances() {
    let (mut world, repository) = synced();
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    assert_eq!((mark(&mut world, "dev"), mark(&mut world, "prod")), ("medium".into(), "large".into()));
    assert_eq!(world.service_now()["status"], "ACTIVE");
    for (instance, branch, folder) in [("dev", "main", "dev/spec.yaml"), ("prod", "prod", "prod/spec.yaml")] {
        let now = status(&mut world, instance);
        assert_eq!(now["latestSync"]["status"], "SUCCEEDED", "{now}");
        assert_eq!(now["latestSync"], now["latestSuccessfulSync"]);
        assert_eq!(
            (&now["desiredState"]["branch"], &now["desiredState"]["directory"]),
            (&json!(branch), &json!(folder))
        );
        assert!(blockers(&mut world, Some(instance)).is_empty());
        assert_eq!(world.repository_sync(branch, "SERVICE_SYNC")["status"], "SUCCEEDED");
    }
    assert!(blockers(&mut world, None).is_empty());
    assert_eq!((deployments(&mut world, "dev"), deployments(&mut world, "prod")), (2, 1));
    // Nothing new; then something that no instance names; then one of them.
    world.poll();
    repository.commit("main", &[("README.md", Some("x"))]);
    world.poll();
    assert_eq!((deployments(&mut world, "dev"), deployments(&mut world, "prod")), (2, 1));
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "small")))]);
    assert_eq!(world.pushed("me/t", Some("prod")), 1);
    world.work();
    assert_eq!(
        (mark(&mut world, "prod"), deployments(&mut world, "dev"), deployments(&mut world, "prod")),
        ("small".into(), 2, 2)
    );
    assert_eq!(status(&mut world, "prod")["latestSync"]["initialRevision"]["sha"], "c1");
    // What the file does not name any more stays.
    repository
        .commit("main", &[("ops.yaml", Some("sync: {services: {svc: {dev: {branch: main, spec: dev/spec.yaml}}}}"))]);
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "large")))]);
    world.poll();
    assert_eq!(mark(&mut world, "prod"), "small");
}

#[test]
fn a_broken_commit_leaves_everything_as_it_was() {
    let (mut world, repository) = synced();
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    let check = |world: &mut World, expect: &str| {
        world.poll();
        let (found, reason) = latest(world, "dev");
        assert_eq!(found, "FAILED", "{expect}");
        assert!(reason.contains(expect), "{reason}, not {expect}");
        assert_eq!(
            (mark(world, "dev"), deployments(world, "dev"), deployments(world, "prod")),
            ("medium".into(), 2, 1)
        );
        let before = status(world, "dev");
        world.poll();
        assert_eq!(status(world, "dev"), before, "the same again is nothing new");
    };
    let with = |path: &str, text: &str| repository.commit("main", &[(path, Some(text))]);
    with("dev/spec.yaml", "a: [");
    check(&mut world, "not valid YAML");
    with("dev/spec.yaml", "proton: EnvironmentSpec\nspec: {}\n");
    check(&mut world, "ServiceSpec");
    with("dev/spec.yaml", &spec("other", "small"));
    check(&mut world, "no instance dev");
    with("dev/spec.yaml", &spec("dev", "[1]"));
    check(&mut world, "queue_names");
    with("dev/spec.yaml", &spec("dev", "small").replace("environment: env", "environment: none"));
    check(&mut world, "stays in the environment env");
    repository.commit("main", &[("dev/spec.yaml", None)]);
    check(&mut world, "no file dev/spec.yaml in repository me/t");
    with("dev/spec.yaml", &"#".repeat(60_000));
    check(&mut world, "60000 bytes");
    with("ops.yaml", &OPS.replace("./dev", "../dev"));
    check(&mut world, "leads out of the repository");
    with("ops.yaml", &OPS.replace("branch: main", "branch: none"));
    check(&mut world, "no branch none");
    with("ops.yaml", "sync: [");
    check(&mut world, "ops.yaml:2:1: not valid YAML");
    assert_eq!(world.repository_sync("main", "SERVICE_SYNC")["status"], "FAILED");
    repository.commit("main", &[("ops.yaml", None)]);
    check(&mut world, "no file ops.yaml");
    with("ops.yaml", "sync: {services: {}}");
    check(&mut world, "does not name service svc");
    // Its last successful sync is that from before.
    assert_eq!(status(&mut world, "dev")["latestSuccessfulSync"]["targetRevision"]["sha"], "c0");
    with("ops.yaml", OPS);
    with("dev/spec.yaml", &spec("dev", "small"));
    world.poll();
    assert_eq!(latest(&mut world, "dev").0, "SUCCEEDED");
    assert_eq!((mark(&mut world, "dev"), latest(&mut world, "prod").0), ("small".into(), "SUCCEEDED".into()));
}

#[test]
fn what_is_missing_for_a_new_instance_may_come_later() {
    let (mut world, repository) = synced();
    let elsewhere = spec("prod", "large").replace("environment: env", "environment: env2");
    repository.commit("prod", &[("prod/spec.yaml", Some(&elsewhere))]);
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    let (found, reason) = latest(&mut world, "prod");
    assert_eq!((found.as_str(), reason.as_str()), ("FAILED", "Environment env2 does not exist."));
    assert_eq!(mark(&mut world, "dev"), "medium", "the others go on");
    assert_eq!(world.service_now()["status"], "ACTIVE");
    let input = json!({"name": "env2", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC, "protonServiceRoleArn": ROLE});
    world.ok("CreateEnvironment", &input);
    world.work();
    world.poll();
    assert_eq!(latest(&mut world, "prod").0, "SUCCEEDED");
    assert_eq!(world.instance_now("prod")["environmentName"], "env2");
}

/// Checklist 165, 166.
#[test]
fn blockers_are_respected_until_they_are_resolved() {
    let (mut world, repository) = synced();
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    let by_hand =
        json!({"serviceName": "svc", "name": "dev", "deploymentType": "CURRENT_VERSION", "spec": spec("dev", "hand")});
    world.ok("UpdateServiceInstance", &by_hand);
    world.work();
    let found = blockers(&mut world, Some("dev"));
    assert_eq!(found.len(), 1);
    let sha = repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newer")))]);
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "newer")))]);
    world.poll();
    assert_eq!((mark(&mut world, "dev"), mark(&mut world, "prod")), ("hand".into(), "newer".into()));
    assert_eq!(status(&mut world, "dev")["desiredState"]["sha"], json!(sha));
    world.ok("UpdateServiceSyncBlocker", &json!({"id": found[0]["id"], "resolvedReason": "done"}));
    world.work();
    assert_eq!((mark(&mut world, "dev"), latest(&mut world, "dev").0), ("newer".into(), "SUCCEEDED".into()));
    assert_eq!(blockers(&mut world, Some("dev")).len(), 1, "the sync makes none");
    // The same without a commit: what was changed by hand is set right.
    world.ok("UpdateServiceInstance", &by_hand);
    world.work();
    let found = blockers(&mut world, Some("dev"));
    let active: Vec<_> = found.iter().filter(|blocker| blocker["status"] == "ACTIVE").collect();
    world.ok("UpdateServiceSyncBlocker", &json!({"id": active[0]["id"], "resolvedReason": "done"}));
    world.work();
    assert_eq!(mark(&mut world, "dev"), "newer");
    // A removal blocks all of the service.
    world.ok("UpdateService", &json!({"name": "svc", "spec": spec("dev", "newer")}));
    world.work();
    let found = blockers(&mut world, None);
    assert_eq!(found.len(), 1);
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newest")))]);
    world.poll();
    assert_eq!(mark(&mut world, "dev"), "newer");
    assert!(world.call("GetServiceInstance", &json!({"serviceName": "svc", "name": "prod"})).is_err());
    world.ok("UpdateServiceSyncBlocker", &json!({"id": found[0]["id"], "resolvedReason": "a mistake"}));
    world.work();
    assert_eq!((mark(&mut world, "dev"), mark(&mut world, "prod")), ("newest".into(), "newer".into()));
    // Another service of that name is blocked by nothing.
    world.ok("DeleteService", &json!({"name": "svc"}));
    world.work();
    world.ok("CreateService", &World::service_input("svc", SERVICE_SPEC));
    world.work();
    assert!(blockers(&mut world, None).is_empty() && blockers(&mut world, Some("dev")).is_empty());
    world.refused("GetServiceSyncConfig", &json!({"serviceName": "svc"}), "ResourceNotFoundException");
}

#[test]
fn what_is_busy_is_waited_for() {
    let (mut world, repository) = synced();
    world.fate("service-instance/dev", Fate::Hangs);
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    // The update of one instance holds no other up.
    assert_eq!(latest(&mut world, "dev").0, "IN_PROGRESS");
    world.later(5000);
    assert_eq!(latest(&mut world, "dev").0, "IN_PROGRESS");
    // A newer commit comes after it.
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newer")))]);
    world.poll();
    assert_eq!(deployments(&mut world, "dev"), 2);
    world.no_fate();
    world.later(5000);
    world.later(5000);
    assert_eq!((mark(&mut world, "dev"), mark(&mut world, "prod")), ("newer".into(), "large".into()));
    assert_eq!(deployments(&mut world, "dev"), 3);
    // Somebody else is at it: without a poll, the sync goes on as soon as that has ended.
    world.fate("service-instance/prod", Fate::Hangs);
    let by_hand = json!({"serviceName": "svc", "name": "prod", "deploymentType": "CURRENT_VERSION"});
    world.ok("UpdateServiceInstance", &by_hand);
    let found = blockers(&mut world, Some("prod"));
    world.ok("UpdateServiceSyncBlocker", &json!({"id": found[0]["id"], "resolvedReason": "go on"}));
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "newer")))]);
    world.pushed("me/t", None);
    world.work();
    let (now, reason) = latest(&mut world, "prod");
    assert_eq!(now, "INITIATED");
    assert!(reason.contains("wait for its end"), "{reason}");
    world.no_fate();
    world.later(5000);
    assert_eq!((mark(&mut world, "prod"), latest(&mut world, "prod").0), ("newer".into(), "SUCCEEDED".into()));
}

/// A look sees the new commit while an earlier one is still being deployed: it is deployed when that has ended.
#[test]
fn what_is_pushed_during_a_deployment_of_sync_follows_it() {
    let (mut world, repository) = synced();
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    world.fate("service-instance/dev", Fate::Hangs);
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "large")))]);
    world.poll();
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "small")))]);
    world.poll();
    world.poll();
    assert_eq!(deployments(&mut world, "dev"), 3, "the one that hangs");
    world.no_fate();
    world.later(10_000);
    world.poll();
    world.poll();
    assert_eq!((mark(&mut world, "dev"), deployments(&mut world, "dev")), ("small".into(), 4));
    // Nothing is left to do.
    world.poll();
    assert_eq!(deployments(&mut world, "dev"), 4);
}

#[test]
fn a_deployment_that_fails_is_tried_again_by_the_next_spec_or_on_demand() {
    let (mut world, repository) = synced();
    world.fate("service-instance/dev", Fate::Fails("no capacity"));
    world.fate("service-instance/prod", Fate::Unmade("no capacity"));
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    for instance in ["dev", "prod"] {
        let (now, reason) = latest(&mut world, instance);
        assert_eq!(now, "FAILED");
        assert!(reason.contains("no capacity"), "{reason}");
    }
    assert!(status(&mut world, "dev")["latestSuccessfulSync"].is_null());
    assert_eq!(world.service_now()["status"], "UPDATE_FAILED_CLEANUP_COMPLETE");
    world.no_fate();
    world.poll();
    repository.commit("main", &[("README.md", Some("x"))]);
    world.poll();
    assert_eq!((deployments(&mut world, "dev"), latest(&mut world, "dev").0), (2, "FAILED".into()));
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "other")))]);
    world.poll();
    assert_eq!((mark(&mut world, "prod"), latest(&mut world, "dev").0), ("other".into(), "FAILED".into()));
    world.ok("UpdateServiceSyncConfig", &config());
    world.work();
    assert_eq!((mark(&mut world, "dev"), latest(&mut world, "dev").0), ("medium".into(), "SUCCEEDED".into()));
}

#[test]
fn a_sync_needs_its_service() {
    let (mut world, repository) = with_repository(false);
    repository.commit("main", &[("ops.yaml", Some(OPS)), ("dev/spec.yaml", Some(&spec("dev", "medium")))]);
    repository.commit("prod", &[("prod/spec.yaml", Some(&spec("prod", "large")))]);
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    let found = world.repository_sync("main", "SERVICE_SYNC");
    assert!(events(&found).1.contains("Service svc does not exist"), "{found}");
    world.service();
    world.poll();
    world.work();
    assert_eq!(mark(&mut world, "prod"), "large");
    // Deleted while its deployments run.
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newer")))]);
    world.fate("service-instance/dev", Fate::Hangs);
    world.poll();
    world.ok("DeleteServiceSyncConfig", &json!({"serviceName": "svc"}));
    world.refused(
        "GetServiceInstanceSyncStatus",
        &json!({"serviceName": "svc", "serviceInstanceName": "dev"}),
        "ResourceNotFoundException",
    );
    world.no_fate();
    world.later(5000);
    assert_eq!(mark(&mut world, "dev"), "newer");
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newest")))]);
    world.poll();
    assert_eq!(mark(&mut world, "dev"), "newer");
}

/// A worker that dies anywhere leaves one deployment for one commit.
#[test]
fn nothing_is_deployed_twice_for_one_commit() {
    let (mut world, repository) = synced();
    world.ok("CreateServiceSyncConfig", &config());
    world.lose_jobs();
    world.later(60_000);
    assert_eq!((deployments(&mut world, "dev"), deployments(&mut world, "prod")), (2, 1));
    repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", "newer")))]);
    let other = Engine::new(world.engine.store.clone(), world.objects.clone(), world.fake.clone(), Quotas::default())
        .with_repositories(repository.clone());
    let now = world.now_ms;
    *repository.between.lock().expect("not poisoned") = Some(Box::new(move || {
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let later = Timestamp::from_millis(now + 10 * POLL_MS);
            runtime.block_on(other.work(later, Dice::new(2), "other")).expect("the store works");
        });
        thread.join().expect("it does not panic");
    }));
    world.poll();
    world.later(20 * POLL_MS);
    assert_eq!((mark(&mut world, "dev"), deployments(&mut world, "dev")), ("newer".into(), 3));
    // With a clock that stands still, every deployment still has an id of its own.
    for at in 0..3 {
        repository.commit("main", &[("dev/spec.yaml", Some(&spec("dev", &format!("s{at}"))))]);
        world.pushed("me/t", None);
        world.work();
    }
    assert_eq!((mark(&mut world, "dev"), deployments(&mut world, "dev")), ("s2".into(), 6));
}

/// Who asks for another try while one is under way has it after that.
#[test]
fn another_try_is_not_forgotten() {
    let (mut world, _repository) = synced();
    world.fate("service-instance/dev", Fate::Hangs);
    world.ok("CreateServiceSyncConfig", &config());
    world.work();
    world.ok("UpdateServiceSyncConfig", &config());
    world.work();
    world.no_fate();
    world.fate("service-instance/dev", Fate::Fails("no capacity"));
    world.later(5000);
    world.poll();
    assert_eq!((deployments(&mut world, "dev"), latest(&mut world, "dev").0), (3, "FAILED".into()));
    world.poll();
    assert_eq!(deployments(&mut world, "dev"), 3);
}
