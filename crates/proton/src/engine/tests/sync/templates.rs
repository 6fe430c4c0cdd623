use super::*;

const OTHER: &str = "Resources: {Topic: {Type: \"AWS::SNS::Topic\"}}";
const TEMPLATE: &str = "infrastructure/a.yaml";

fn config() -> Value {
    json!({"templateName": "envt", "templateType": "ENVIRONMENT", "repositoryProvider": "GITHUB", "repositoryName": "me/t", "branch": "main"})
}

/// Numbers and states of all versions.
fn versions(world: &mut World, of: &str, template: &str) -> Vec<String> {
    let mut found = Vec::new();
    for major in 1..=9 {
        let input = json!({"templateName": template, "majorVersion": major.to_string()});
        let Ok(listed) = world.call(&format!("List{of}TemplateVersions"), &input) else { continue };
        for version in listed["templateVersions"].as_array().expect("a list") {
            let text = |name: &str| version[name].as_str().unwrap_or_default().to_owned();
            found.push(format!("{}.{} {}", text("majorVersion"), text("minorVersion"), text("status")));
        }
    }
    found.sort();
    found
}

fn environment_versions(world: &mut World) -> Vec<String> {
    versions(world, "Environment", "envt")
}

fn status(world: &mut World, major: &str) -> Value {
    let input = json!({"templateName": "envt", "templateType": "ENVIRONMENT", "templateVersion": major});
    world.ok("GetTemplateSyncStatus", &input)
}

fn synced(publish: bool) -> (World, Arc<Repository>) {
    let (mut world, repository) = with_repository(publish);
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    (world, repository)
}

/// Checklist 161.
#[test]
fn what_has_changed_becomes_a_draft() {
    let (mut world, repository) = synced(false);
    let first = repository.bundle("main", "templates/envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT"]);
    let now = status(&mut world, "1");
    assert_eq!(now["latestSync"]["status"], "SUCCEEDED");
    assert_eq!(now["latestSync"], now["latestSuccessfulSync"]);
    assert_eq!(now["latestSync"]["targetRevision"]["sha"], json!(first));
    assert_eq!(now["latestSync"]["targetRevision"]["directory"], "templates/envt/v1");
    assert_eq!(now["desiredState"], now["latestSync"]["targetRevision"]);
    assert_eq!(events(&now["latestSync"]).0, ["SYNC_STARTED", "VERSION_REGISTERED"]);
    let of_repository = world.repository_sync("main", "TEMPLATE_SYNC");
    assert_eq!(of_repository["status"], "SUCCEEDED");
    assert_eq!(events(&of_repository).0, ["CLONE_STARTED", "CONFIG_UPDATED", "STARTING_SYNC"]);
    assert_eq!(of_repository["events"][2]["externalId"], json!(first));
    // Nothing new, and then something that is not of a version.
    world.poll();
    repository.commit("main", &[("README.md", Some("hello"))]);
    world.poll();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT"]);
    assert_eq!(status(&mut world, "1"), now);
    assert_eq!(world.repository_sync("main", "TEMPLATE_SYNC")["events"][2]["externalId"], "c1");
    // A changed folder and a new one.
    repository.commit("main", &[(&format!("templates/envt/v1/{TEMPLATE}"), Some(OTHER))]);
    let last = repository.bundle("main", "templates/envt/v4", &ENVIRONMENT_FILES);
    world.poll();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT", "1.1 DRAFT", "4.0 DRAFT"]);
    let now = status(&mut world, "1");
    assert_eq!(now["latestSync"]["initialRevision"]["sha"], json!(first));
    assert_eq!(now["latestSync"]["targetRevision"]["sha"], json!(last));
    // The bundle is the engine's own: it is deployed from there.
    world.publish("Environment", "envt", "1.1");
    let input = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": "proton: EnvironmentSpec\nspec: {}\n", "protonServiceRoleArn": ROLE});
    world.ok("CreateEnvironment", &input);
    world.work();
    assert_eq!(world.environment_now()["deploymentStatus"], "SUCCEEDED");
    // By hand the next major comes after the highest.
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    assert_eq!(world.environment_version("env", None)["majorVersion"], "5");
}

#[test]
fn a_push_is_looked_at_at_once() {
    let (mut world, repository) = synced(true);
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    assert_eq!(environment_versions(&mut world), ["1.0 PUBLISHED"]);
    assert_eq!(
        world.ok("GetEnvironmentTemplate", &json!({"name": "envt"}))["environmentTemplate"]["recommendedVersion"],
        "1.0"
    );
    // Many pushes, one look: the newest counts.
    for at in 0..20 {
        repository.commit("main", &[("envt/v1/infrastructure/a.yaml", Some(&format!("# {at}\n{OTHER}")))]);
        assert_eq!(world.pushed("ME/T", Some("main")), 1);
    }
    assert_eq!(world.pushed("me/t", Some("other")), 0);
    assert_eq!(world.pushed("me/other", None), 0);
    world.work();
    assert_eq!(environment_versions(&mut world), ["1.0 PUBLISHED", "1.1 PUBLISHED"]);
    assert_eq!(events(&status(&mut world, "1")["latestSync"]).0.last().map(String::as_str), Some("VERSION_PUBLISHED"));
    assert_eq!(status(&mut world, "1")["latestSync"]["targetRevision"]["sha"], "c20");
}

#[test]
fn what_fails_leaves_everything_as_it_was() {
    let (mut world, repository) = synced(false);
    let good = repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    // The schema takes away a property.
    let schema = "schema: {format: {openapi: \"3.0.0\"}, environment_input_type: T, types: {T: {type: object, required: [b], properties: {b: {type: string}}}}}";
    repository.commit("main", &[("envt/v1/schema/schema.yaml", Some(schema))]);
    let broken = repository.bundle("main", "envt/v2", &ENVIRONMENT_FILES);
    world.poll();
    let failed = ["1.0 DRAFT", "1.1 REGISTRATION_FAILED", "2.0 DRAFT"];
    assert_eq!(environment_versions(&mut world), failed);
    let now = status(&mut world, "1");
    assert_eq!(now["latestSync"]["status"], "FAILED");
    assert!(events(&now["latestSync"]).1.contains("not compatible"), "{now}");
    assert_eq!(now["latestSuccessfulSync"]["targetRevision"]["sha"], json!(good));
    assert_eq!(now["desiredState"]["sha"], json!(broken));
    // It is not tried again for nothing.
    world.poll();
    repository.commit("main", &[("README.md", Some("x"))]);
    world.poll();
    assert_eq!(environment_versions(&mut world), failed);
    // But by the one who asks for it.
    world.ok("UpdateTemplateSyncConfig", &config());
    world.work();
    assert_eq!(
        environment_versions(&mut world),
        ["1.0 DRAFT", "1.1 REGISTRATION_FAILED", "1.2 REGISTRATION_FAILED", "2.0 DRAFT"]
    );
    world.poll();
    assert_eq!(environment_versions(&mut world).len(), 4);
    // Back to what is there: nothing is registered, and all is well.
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.poll();
    assert_eq!(environment_versions(&mut world).len(), 4);
    let now = status(&mut world, "1");
    assert_eq!(
        (&now["latestSync"]["status"], events(&now["latestSync"]).0.as_slice()),
        (&json!("SUCCEEDED"), ["SYNC_STARTED".to_owned(), "UNCHANGED".to_owned()].as_slice())
    );
}

#[test]
fn a_deleted_minor_is_registered_again_by_the_next_commit() {
    let (mut world, repository) = synced(false);
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    world.ok(
        "DeleteEnvironmentTemplateVersion",
        &json!({"templateName": "envt", "majorVersion": "1", "minorVersion": "0"}),
    );
    world.poll();
    assert_eq!(environment_versions(&mut world), Vec::<String>::new(), "not before somebody commits");
    repository.commit("main", &[("README.md", Some("x"))]);
    world.poll();
    assert_eq!(environment_versions(&mut world), ["1.1 DRAFT"]);
}

/// What the repository sync says where no version comes of it.
#[test]
fn a_repository_that_cannot_be_used_says_why() {
    let (mut world, repository) = synced(false);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    let check = |world: &mut World, expect: &str| {
        let found = world.repository_sync("main", "TEMPLATE_SYNC");
        assert_eq!(found["status"], "FAILED", "{found}");
        assert!(events(&found).1.contains(expect), "{found}");
        found
    };
    let first = check(&mut world, "no branch main");
    world.poll();
    assert_eq!(check(&mut world, "no branch main"), first, "the same again is nothing new");
    repository.commit("main", &[("README.md", Some("x"))]);
    world.poll();
    check(&mut world, "no folder envt in repository me/t at commit c0");
    repository.commit("main", &[("a/envt/x", Some("x"))]);
    world.poll();
    check(&mut world, "a/envt has no folder of a major version");
    repository.commit("main", &[("a/envt/v20240101/x", Some("x"))]);
    world.poll();
    check(&mut world, "a/envt/v20240101 is too high");
    world.ok("UpdateTemplateSyncConfig", &with(&config(), "subdirectory", "../up"));
    world.work();
    check(&mut world, "leads out of the repository");
    world.ok("UpdateTemplateSyncConfig", &with(&config(), "subdirectory", "none"));
    world.work();
    check(&mut world, "no folder envt in none of");
    repository.commit("main", &[("a", None)]);
    repository.bundle("main", "b/envt/v1", &ENVIRONMENT_FILES);
    repository.bundle("main", "b/envt/v01", &ENVIRONMENT_FILES);
    // The folder itself may be named.
    world.ok("UpdateTemplateSyncConfig", &with(&config(), "subdirectory", "./b/envt/"));
    world.work();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT"]);
    assert_eq!(world.repository_sync("main", "TEMPLATE_SYNC")["status"], "SUCCEEDED");
    // Gone, and back.
    *repository.gone.lock().expect("not poisoned") = Some("the host does not answer".into());
    world.poll();
    check(&mut world, "the host does not answer");
    let sha = repository.commit("main", &[("b/envt/v1/infrastructure/a.yaml", Some(OTHER))]);
    *repository.gone.lock().expect("not poisoned") = None;
    world.poll();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT", "1.1 DRAFT"]);
    assert_eq!(world.repository_sync("main", "TEMPLATE_SYNC")["events"][2]["externalId"], json!(sha));
    // The branch goes and comes back elsewhere, by force.
    repository.delete_branch("main");
    world.poll();
    check(&mut world, "no branch main");
    assert_eq!(environment_versions(&mut world).len(), 2);
    repository.reset("main", "c0");
    world.poll();
    check(&mut world, "no folder");
    repository.reset("main", &sha);
    world.poll();
    assert_eq!(environment_versions(&mut world).len(), 2);
    assert_eq!(world.repository_sync("main", "TEMPLATE_SYNC")["status"], "SUCCEEDED");
}

fn with(value: &Value, name: &str, text: &str) -> Value {
    let mut value = value.clone();
    value[name] = json!(text);
    value
}

/// Checklist 162.
#[test]
fn service_templates_say_what_they_go_with() {
    let (mut world, repository) = synced(false);
    world.ok("CreateServiceTemplate", &json!({"name": "svct"}));
    let files = starter(StarterKind::Service, StarterEngine::CloudFormation).expect("there is one");
    repository.bundle("main", "svct/v1", files);
    let config = json!({"templateName": "svct", "templateType": "SERVICE", "repositoryProvider": "GITHUB", "repositoryName": "me/t", "branch": "main"});
    world.ok("CreateTemplateSyncConfig", &config);
    world.work();
    let status = |world: &mut World| {
        let input = json!({"templateName": "svct", "templateType": "SERVICE", "templateVersion": "1"});
        world.ok("GetTemplateSyncStatus", &input)["latestSync"].clone()
    };
    let check = |world: &mut World, expect: &str| {
        let found = status(world);
        assert_eq!(found["status"], "FAILED", "{found}");
        assert!(events(&found).1.contains(expect), "{found}");
        assert_eq!(versions(world, "Service", "svct"), Vec::<String>::new());
    };
    check(&mut world, ".template-registration.yaml is missing");
    repository.commit("main", &[("svct/v1/.compatible-envs", Some("nonsense\n"))]);
    world.poll();
    check(&mut world, ".compatible-envs:1:1");
    let named = "compatible_environments: [\"envt:1\"]\nsupported_component_sources: [DIRECTLY_DEFINED]\n";
    repository.commit("main", &[("svct/v1/.template-registration.yaml", Some(named))]);
    world.poll();
    check(&mut world, "envt:1");
    // What is missing is made later, and no commit is needed then.
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    world.environment_version("env", None);
    world.poll();
    assert_eq!(versions(&mut world, "Service", "svct"), ["1.0 DRAFT"]);
    let input = json!({"templateName": "svct", "majorVersion": "1", "minorVersion": "0"});
    let made = world.ok("GetServiceTemplateVersion", &input)["serviceTemplateVersion"].clone();
    assert_eq!(made["compatibleEnvironmentTemplates"], json!([{"templateName": "envt", "majorVersion": "1"}]));
    assert_eq!(made["supportedComponentSources"], json!(["DIRECTLY_DEFINED"]));
    repository.commit("main", &[("svct/v1/.template-registration.yaml", None)]);
    repository.commit("main", &[("svct/v1/.compatible-envs", Some("envt:1\n\n"))]);
    world.poll();
    assert_eq!(versions(&mut world, "Service", "svct"), ["1.0 DRAFT", "1.1 DRAFT"]);
}

#[test]
fn a_sync_ends_with_its_configuration_and_its_template() {
    let (mut world, repository) = synced(false);
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.ok("DeleteTemplateSyncConfig", &json!({"templateName": "envt", "templateType": "ENVIRONMENT"}));
    world.work();
    assert_eq!(environment_versions(&mut world), Vec::<String>::new());
    world.ok("CreateTemplateSyncConfig", &config());
    world.ok("DeleteEnvironmentTemplate", &json!({"name": "envt"}));
    world.work();
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.poll();
    assert_eq!(environment_versions(&mut world), Vec::<String>::new());
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT"]);
    // A state that has no jobs, as one that was loaded.
    let table = standin_store::jobs::table(crate::engine::QUEUE);
    let rows = world
        .runtime
        .block_on(world.engine.store.scan(&table, standin_store::Scan { limit: 10, ..standin_store::Scan::default() }));
    let mut batch = standin_store::Batch::default();
    for row in rows.expect("the store works") {
        batch.delete(&table, row.key);
    }
    world.runtime.block_on(world.engine.store.commit(batch)).expect("the store works");
    repository.commit("main", &[("envt/v1/infrastructure/a.yaml", Some(OTHER))]);
    world.poll();
    assert_eq!(environment_versions(&mut world).len(), 1);
    world.resume();
    world.work();
    assert_eq!(environment_versions(&mut world).len(), 2);
    // With the link what is known of its branches goes.
    assert_eq!(world.repository_sync("main", "TEMPLATE_SYNC")["status"], "SUCCEEDED");
    let link = json!({"provider": "GITHUB", "name": "me/t"});
    world.refused("DeleteRepository", &link, "ConflictException");
    world.ok("DeleteTemplateSyncConfig", &json!({"templateName": "envt", "templateType": "ENVIRONMENT"}));
    world.ok("DeleteRepository", &link);
    world.ok("CreateRepository", &with(&link, "connectionArn", "arn:aws:x"));
    assert!(world.repository_sync("main", "TEMPLATE_SYNC").is_null());
}

/// A worker that dies with a look under way, and a second server that looks at the same time.
#[test]
fn nothing_is_registered_twice_for_one_commit() {
    let (mut world, repository) = synced(false);
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.lose_jobs();
    world.work();
    assert_eq!(environment_versions(&mut world), Vec::<String>::new());
    world.later(60_000);
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT"]);
    // The lease of this one runs out while it looks: another takes the job, sees a newer commit, and ends first.
    repository.commit("main", &[("envt/v1/infrastructure/a.yaml", Some(OTHER))]);
    let other = Engine::new(world.engine.store.clone(), world.objects.clone(), world.fake.clone(), Quotas::default())
        .with_repositories(repository.clone());
    let (now, pushing) = (world.now_ms, repository.clone());
    *repository.between.lock().expect("not poisoned") = Some(Box::new(move || {
        pushing.commit("main", &[("envt/v1/infrastructure/a.yaml", Some("Resources: {}\n# newer\n"))]);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            let later = Timestamp::from_millis(now + 10 * POLL_MS);
            runtime.block_on(other.work(later, Dice::new(2), "other")).expect("the store works");
        });
        thread.join().expect("it does not panic");
    }));
    world.poll();
    world.later(20 * POLL_MS);
    assert_eq!(environment_versions(&mut world), ["1.0 DRAFT", "1.1 DRAFT"]);
    assert_eq!(status(&mut world, "1")["latestSync"]["targetRevision"]["sha"], "c2");
    assert_eq!(status(&mut world, "1")["latestSync"]["initialRevision"]["sha"], "c0");
}

/// Word of a push comes while a look at that push is under way.
#[test]
fn a_push_in_the_middle_of_a_look_loses_nothing() {
    let (mut world, repository) = synced(false);
    repository.bundle("main", "envt/v1", &ENVIRONMENT_FILES);
    world.ok("CreateTemplateSyncConfig", &config());
    world.work();
    for at in 1..=3 {
        repository.commit("main", &[("envt/v1/infrastructure/a.yaml", Some(&format!("# {at}\n{OTHER}")))]);
        let other =
            Engine::new(world.engine.store.clone(), world.objects.clone(), world.fake.clone(), Quotas::default());
        let now = world.now_ms;
        *repository.between.lock().expect("not poisoned") = Some(Box::new(move || {
            let thread = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
                let pushed = other.pushed("me/t", None, Timestamp::from_millis(now), Dice::new(2));
                assert_eq!(runtime.block_on(pushed).expect("the store works"), 1);
            });
            thread.join().expect("it does not panic");
        }));
        world.poll();
        assert_eq!(environment_versions(&mut world).len(), at + 1);
    }
}
