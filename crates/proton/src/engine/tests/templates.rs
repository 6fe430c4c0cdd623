use serde_json::json;

use super::*;

fn version(major: &str, minor: &str) -> Value {
    json!({"templateName": "envt", "majorVersion": major, "minorVersion": minor})
}

/// Checklist 11, 12, 13, 14, 16, 17, 86.
#[test]
fn creating_a_template_again_is_the_same_template() {
    let mut world = World::new();
    let input = json!({"name": "envt", "description": "d"});
    let made = world.ok("CreateEnvironmentTemplate", &input)["environmentTemplate"].clone();
    assert_eq!(made["arn"], "arn:aws:proton:us-east-1:123456789012:environment-template/envt");
    assert_eq!(made.get("recommendedVersion"), None);
    assert_eq!(world.ok("CreateEnvironmentTemplate", &input)["environmentTemplate"], made);
    world.refused(
        "CreateEnvironmentTemplate",
        &json!({"name": "envt"}),
        "ValidationException: Idempotent parameter mismatch (IdempotentParameterMismatch)",
    );
    world.ok("CreateServiceTemplate", &json!({"name": "envt"}));
    let updated =
        world.ok("UpdateEnvironmentTemplate", &json!({"name": "envt", "displayName": "E"}))["environmentTemplate"]
            .clone();
    assert_eq!((&updated["description"], &updated["displayName"]), (&json!("d"), &json!("E")));
    assert_ne!(updated["lastModifiedAt"], made["lastModifiedAt"]);
    world.refused("CreateEnvironmentTemplate", &input, "ConflictException");
    world.refused("GetEnvironmentTemplate", &json!({"name": "x"}), "ResourceNotFoundException");
}

/// Checklist 15, 35, 36.
#[test]
fn customer_managed_templates_have_no_infrastructure() {
    let mut world = World::new();
    let made = world.ok("CreateServiceTemplate", &json!({"name": "s", "pipelineProvisioning": "CUSTOMER_MANAGED"}));
    assert_eq!(made["serviceTemplate"]["pipelineProvisioning"], "CUSTOMER_MANAGED");
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt", "provisioning": "CUSTOMER_MANAGED"}));
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    let made = world.environment_version("env", None);
    assert_eq!(made["status"], "REGISTRATION_FAILED");
    assert!(made["statusMessage"].as_str().unwrap_or_default().contains("infrastructure/ has no place here"), "{made}");
}

/// Checklist 18, 19, 20, 21, 22, 23, 24, 49.
#[test]
fn versions_are_numbered_and_registered_later() {
    let mut world = World::new();
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    let input = json!({"templateName": "envt", "source": {"s3": {"bucket": "bucket", "key": "env"}}});
    world.refused("CreateEnvironmentTemplateVersion", &input, "ResourceNotFoundException");
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.refused(
        "CreateEnvironmentTemplateVersion",
        &json!({"templateName": "envt", "majorVersion": "1",
        "source": {"s3": {"bucket": "bucket", "key": "env"}}}),
        "ResourceNotFoundException",
    );
    let made = world.ok("CreateEnvironmentTemplateVersion", &input)["environmentTemplateVersion"].clone();
    assert_eq!(
        (&made["status"], &made["arn"]),
        (
            &json!("REGISTRATION_IN_PROGRESS"),
            &json!("arn:aws:proton:us-east-1:123456789012:environment-template/envt:1.0")
        )
    );
    world.work();
    let got = world.ok("GetEnvironmentTemplateVersion", &version("1", "0"))["environmentTemplateVersion"].clone();
    assert_eq!(got["status"], "DRAFT");
    assert!(got["schema"].as_str().unwrap_or_default().contains("vpc_cidr"));
    for (major, expect) in [(Some("1"), "1.1"), (None, "2.0"), (Some("2"), "2.1"), (Some("1"), "1.2")] {
        let made = world.environment_version("env", major);
        assert_eq!(
            format!(
                "{}.{}",
                made["majorVersion"].as_str().unwrap_or_default(),
                made["minorVersion"].as_str().unwrap_or_default()
            ),
            expect
        );
    }
    let listed = |output: &Value| -> Vec<String> {
        let versions = output["templateVersions"].as_array().cloned().unwrap_or_default();
        versions
            .iter()
            .map(|it| {
                format!(
                    "{}.{}",
                    it["majorVersion"].as_str().unwrap_or_default(),
                    it["minorVersion"].as_str().unwrap_or_default()
                )
            })
            .collect()
    };
    let minors = world.ok("ListEnvironmentTemplateVersions", &json!({"templateName": "envt", "majorVersion": "1"}));
    assert_eq!(listed(&minors), ["1.2", "1.1", "1.0"]);
    assert_eq!(minors["templateVersions"][0].get("schema"), None);
    let majors = world.ok("ListEnvironmentTemplateVersions", &json!({"templateName": "envt"}));
    assert_eq!(listed(&majors), ["1.2", "2.1"]);
}

/// Checklist 27, 42, 43, 44.
#[test]
fn registrations_fail_with_file_line_and_reason() {
    let mut world = World::new();
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    world.object("broken", b"nothing like it".to_vec());
    let files = starter(StarterKind::Environment, StarterEngine::CloudFormation).expect("there is one");
    let changed = |from: &str, to: &str| {
        let texts: Vec<(&str, String)> = files.iter().map(|(path, text)| (*path, text.replace(from, to))).collect();
        packed(&texts.iter().map(|(path, text)| (*path, text.as_str())).collect::<Vec<_>>())
    };
    world.object("bad", changed("type: integer", "type: whole"));
    world.object("good", changed("", ""));
    world.object("more", changed("enum: [7, 14, 30, 90]", "enum: [7, 14, 30, 90, 365]"));
    world.object("less", changed("enum: [7, 14, 30, 90]", "enum: [14]"));
    let mut check = |key: &str, major: Option<&str>, status: &str, message: &str| {
        let made = world.environment_version(key, major);
        assert_eq!(made["status"], status, "{made}");
        assert!(made["statusMessage"].as_str().unwrap_or_default().contains(message), "{made}");
    };
    check("none", None, "REGISTRATION_FAILED", "The bundle s3://bucket/none cannot be read: the object does not exist");
    check("broken", None, "REGISTRATION_FAILED", "the bundle is not a gzipped tar archive");
    check("bad", None, "REGISTRATION_FAILED", "schema/schema.yaml:19:17: the type \"whole\" does not exist");
    check("good", None, "DRAFT", "");
    check("more", Some("4"), "DRAFT", "");
    check("less", Some("4"), "REGISTRATION_FAILED", "log_retention_days does not take 7 any more");
    check("less", None, "DRAFT", "");
}

/// Checklist 45, 46, 47, 48, 52, 53, 55, 56, 57.
#[test]
fn publishing_recommends_and_recommended_versions_stay() {
    let mut world = World::new();
    world.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    for major in [None, Some("1"), Some("1")] {
        world.environment_version("env", major);
    }
    let create = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC, "protonServiceRoleArn": ROLE});
    world.refused("CreateEnvironment", &create, "ValidationException: Template envt has no published minor version");
    world.publish("Environment", "envt", "1.1");
    world.publish("Environment", "envt", "1.0");
    let recommended = |world: &mut World| {
        world.ok("GetEnvironmentTemplate", &json!({"name": "envt"}))["environmentTemplate"]["recommendedVersion"]
            .clone()
    };
    assert_eq!(recommended(&mut world), "1.1");
    assert_eq!(
        world.ok("GetEnvironmentTemplateVersion", &version("1", "2"))["environmentTemplateVersion"]["recommendedMinorVersion"],
        "1"
    );
    let mut draft = version("1", "1");
    draft["status"] = json!("DRAFT");
    world.refused("UpdateEnvironmentTemplateVersion", &draft, "ValidationException");
    world.refused(
        "DeleteEnvironmentTemplateVersion",
        &version("1", "1"),
        "ConflictException: Version 1.1 is the recommended version",
    );
    let mut other = create.clone();
    other["templateMinorVersion"] = json!("0");
    world.ok("CreateEnvironment", &other);
    world.work();
    world.refused(
        "DeleteEnvironmentTemplateVersion",
        &version("1", "0"),
        "ConflictException: Version 1.0 of template envt is in use by arn:",
    );
    world.refused(
        "DeleteEnvironmentTemplate",
        &json!({"name": "envt"}),
        "ConflictException: Environment Template envt has versions",
    );
    world.ok("DeleteEnvironment", &json!({"name": "env"}));
    world.work();
    for minor in ["0", "2", "1"] {
        assert_eq!(
            world.ok("DeleteEnvironmentTemplateVersion", &version("1", minor))["environmentTemplateVersion"]["minorVersion"],
            minor
        );
    }
    assert_eq!(world.ok("DeleteEnvironmentTemplateVersion", &version("1", "1")), json!({}));
    assert_eq!(recommended(&mut world), Value::Null);
    assert_eq!(world.ok("DeleteEnvironmentTemplate", &json!({"name": "envt"}))["environmentTemplate"]["name"], "envt");
    assert_eq!(world.ok("DeleteEnvironmentTemplate", &json!({"name": "envt"})), json!({}));
}

/// Checklist 50, 51.
#[test]
fn versions_of_services_name_their_environments() {
    let mut world = World::new();
    world.service_template();
    let keys = json!({"templateName": "svct", "majorVersion": "1", "minorVersion": "0"});
    let got = world.ok("GetServiceTemplateVersion", &keys)["serviceTemplateVersion"].clone();
    assert_eq!(got["compatibleEnvironmentTemplates"], json!([{"templateName": "envt", "majorVersion": "1"}]));
    assert_eq!(got["supportedComponentSources"], json!(["DIRECTLY_DEFINED"]));
    let mut update = keys.clone();
    update["supportedComponentSources"] = json!([]);
    world.ok("UpdateServiceTemplateVersion", &update);
    assert_eq!(
        world.ok("GetServiceTemplateVersion", &keys)["serviceTemplateVersion"]["supportedComponentSources"],
        json!([])
    );
    update["compatibleEnvironmentTemplates"] = json!([{"templateName": "envt", "majorVersion": "9"}]);
    world.refused("UpdateServiceTemplateVersion", &update, "ResourceNotFoundException");
}

/// Checklist 58, 59, 60.
#[test]
fn client_tokens_hold_for_eight_hours() {
    let mut world = World::new();
    world.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
    let mut input =
        json!({"templateName": "envt", "source": {"s3": {"bucket": "bucket", "key": "env"}}, "clientToken": "abc"});
    let minor = |world: &mut World, input: &Value| {
        world.ok("CreateEnvironmentTemplateVersion", input)["environmentTemplateVersion"]["majorVersion"].clone()
    };
    assert_eq!(minor(&mut world, &input), "1");
    assert_eq!(minor(&mut world, &input), "1");
    input["description"] = json!("other");
    world.refused("CreateEnvironmentTemplateVersion", &input, "ValidationException: Idempotent parameter mismatch");
    input["clientToken"] = json!("ABC");
    assert_eq!(minor(&mut world, &input), "2");
    world.now_ms += 8 * 60 * 60 * 1000;
    assert_eq!(minor(&mut world, &input), "3");
    world.ok("DeleteEnvironmentTemplateVersion", &version("3", "0"));
    assert_eq!(minor(&mut world, &input), "4");
}

/// Checklist 7, 8.
#[test]
fn pages_go_on_where_they_ended() {
    let mut world = World::with(Quotas { templates: 7, ..Quotas::default() });
    for at in 0..7 {
        world.ok("CreateServiceTemplate", &json!({"name": format!("t{at}")}));
    }
    world.refused("CreateEnvironmentTemplate", &json!({"name": "x"}), "ServiceQuotaExceededException");
    let (mut names, mut token) = (Vec::new(), None::<String>);
    loop {
        let mut input = json!({"maxResults": 3});
        if let Some(token) = &token {
            assert!(
                token.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '+' | '=' | '/')),
                "{token}"
            );
            input["nextToken"] = json!(token);
        }
        let page = world.ok("ListServiceTemplates", &input);
        names.extend(
            page["templates"]
                .as_array()
                .cloned()
                .unwrap_or_default()
                .iter()
                .map(|it| it["name"].as_str().unwrap_or_default().to_owned()),
        );
        token = page["nextToken"].as_str().map(str::to_owned);
        if token.is_none() {
            break;
        }
    }
    assert_eq!(names, ["t6", "t5", "t4", "t3", "t2", "t1", "t0"]);
    for bad in ["abcd", "%%%", ""] {
        world.refused("ListServiceTemplates", &json!({"nextToken": bad}), "ValidationException");
    }
}
