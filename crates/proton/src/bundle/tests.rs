use super::*;
use crate::author::{StarterEngine, StarterKind, starter, starter_files};

fn starter_of(kind: StarterKind, engine: StarterEngine) -> Files {
    starter_files(starter(kind, engine).expect("there is one"))
}

fn check(files: &Files, kind: Option<BundleKind>, expect: &[&str]) {
    let found: Vec<String> =
        read(files, kind).findings.iter().map(|finding| format!("{}: {finding}", finding.severity.name())).collect();
    assert_eq!(found, expect);
}

/// The starter with some files replaced, added (text) or taken away (`None`).
fn changed(files: &Files, changes: &[(&str, Option<&str>)]) -> Files {
    let mut found = Files::default();
    for (path, bytes) in files.iter().filter(|(path, _)| changes.iter().all(|(other, _)| other != path)) {
        found.insert(path, bytes).expect("a good path");
    }
    for (path, text) in changes {
        if let Some(text) = text {
            found.insert(path, *text).expect("a good path");
        }
    }
    found
}

const ENVIRONMENT: Option<BundleKind> = Some(BundleKind::Environment { provisioned: true });
const CUSTOMER_MANAGED: Option<BundleKind> = Some(BundleKind::Environment { provisioned: false });
const SERVICE: Option<BundleKind> = Some(BundleKind::Service { pipeline: true });
const NO_PIPELINE: Option<BundleKind> = Some(BundleKind::Service { pipeline: false });

/// Checklist 25, 26.
#[test]
fn the_bundle_may_lie_in_a_folder_of_the_archive() {
    let starter = starter_of(StarterKind::Service, StarterEngine::CloudFormation);
    for folder in ["", "./", "service/", "a/b/c/"] {
        let mut files = Files::default();
        for (path, bytes) in starter.iter() {
            files.insert(&format!("{folder}{path}"), bytes).expect("a good path");
        }
        files.insert(".DS_Store", "x").expect("a good path");
        let reading = read(&files, SERVICE);
        assert_eq!(
            (reading.root.as_str(), reading.findings),
            (folder.trim_start_matches("./").trim_end_matches('/'), vec![])
        );
    }
}

/// Checklist 28, 29, 34, 35, 36, 37.
#[test]
fn layouts() {
    let environment = starter_of(StarterKind::Environment, StarterEngine::CloudFormation);
    let service = starter_of(StarterKind::Service, StarterEngine::CloudFormation);
    check(&environment, ENVIRONMENT, &[]);
    check(&environment, None, &[]);
    check(&service, SERVICE, &[]);
    check(
        &changed(&environment, &[("schema/schema.yaml", None)]),
        ENVIRONMENT,
        &["error: schema/schema.yaml: the bundle has no schema"],
    );
    check(
        &changed(&environment, &[("infrastructure/manifest.yaml", None)]),
        ENVIRONMENT,
        &["error: infrastructure/manifest.yaml: the bundle has no manifest"],
    );
    check(
        &changed(&environment, &[("infrastructure/cloudformation.yaml", None)]),
        ENVIRONMENT,
        &[
            "error: infrastructure/manifest.yaml:3:13: the file \"cloudformation.yaml\" is not in the bundle beside the manifest",
        ],
    );
    check(
        &environment,
        CUSTOMER_MANAGED,
        &[
            "error: schema/schema.yaml:18:11: \"log_retention_days\" must be a string: the properties of a customer-managed environment are its outputs",
            "error: infrastructure: infrastructure/ has no place here: a customer-managed environment template has a schema only",
            "warning: schema/schema.yaml:12:11: \"vpc_cidr\" has a default, although outputs come from the environment's owner",
            "warning: schema/schema.yaml:18:11: \"log_retention_days\" has a default, although outputs come from the environment's owner",
        ],
    );
    check(
        &changed(
            &service,
            &[("pipeline_infrastructure/manifest.yaml", None), ("pipeline_infrastructure/cloudformation.yaml", None)],
        ),
        SERVICE,
        &["error: pipeline_infrastructure: the bundle has no pipeline_infrastructure/"],
    );
    check(
        &service,
        NO_PIPELINE,
        &[
            "error: schema/schema.yaml:5:24: pipeline_input_type has no place here: the service template has no pipeline",
            "error: pipeline_infrastructure: pipeline_infrastructure/ has no place here: the service template has no pipeline of Proton's",
        ],
    );
    check(
        &Files::default(),
        None,
        &[
            "error: this is no bundle: it has neither schema/ nor infrastructure/, instance_infrastructure/ or manifest.yaml",
        ],
    );
}

/// Checklist 39, 40, 41.
#[test]
fn sizes() {
    let environment = starter_of(StarterKind::Environment, StarterEngine::CloudFormation);
    let long = |bytes: usize| format!("# {}\n", "x".repeat(bytes));
    check(
        &changed(&environment, &[("schema/schema.yaml", Some(&long(51_200)))]),
        ENVIRONMENT,
        &["error: schema/schema.yaml: the schema has 51203 bytes; 51200 are allowed"],
    );
    check(
        &changed(&environment, &[("infrastructure/manifest.yaml", Some(&long(51_200)))]),
        ENVIRONMENT,
        &["error: infrastructure/manifest.yaml: the manifest has 51203 bytes; 51200 are allowed"],
    );
    check(
        &changed(&environment, &[("infrastructure/cloudformation.yaml", Some(&long(204_800)))]),
        ENVIRONMENT,
        &["error: infrastructure/cloudformation.yaml: the template file has 204803 bytes; 204800 are allowed"],
    );
    let terraform = starter_of(StarterKind::Environment, StarterEngine::Terraform);
    let names: Vec<String> = (0..9).map(|n| format!("infrastructure/more{n}.tf")).collect();
    let more: Vec<(&str, Option<&str>)> = names.iter().map(|name| (name.as_str(), Some("# nothing"))).collect();
    check(&changed(&terraform, &more), ENVIRONMENT, &["error: the bundle has 11 template files; 10 are allowed"]);
}

#[test]
fn names_that_no_input_has_are_warned_of() {
    let environment = starter_of(StarterKind::Environment, StarterEngine::CloudFormation);
    let template = "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: {{ environment.inputs.vpc_cdir }}\n";
    check(
        &changed(&environment, &[("infrastructure/cloudformation.yaml", Some(template))]),
        ENVIRONMENT,
        &[
            "warning: infrastructure/cloudformation.yaml:5: environment.inputs.vpc_cdir: the schema has no input \"vpc_cdir\"; did you mean vpc_cidr?",
        ],
    );
    check(
        &changed(&environment, &[("infrastructure/cloudformation.yaml", Some("a: {{ b"))]),
        ENVIRONMENT,
        &[
            "error: infrastructure/cloudformation.yaml:1:7: not valid Jinja: unexpected end of input, expected end of variable block",
        ],
    );
}

/// Checklist 162.
#[test]
fn compatible_environments_come_from_either_file() {
    let service = starter_of(StarterKind::Service, StarterEngine::Terraform);
    let pairs = |files: &Files| {
        read(files, SERVICE).bundle.map(|bundle| (bundle.compatible_environments, bundle.supported_component_sources))
    };
    assert_eq!(pairs(&service), Some((vec![("my-environment-template".into(), "1".into())], vec![])));
    let both = changed(
        &service,
        &[(
            ".template-registration.yaml",
            Some("compatible_environments: [a:1, b:2]\nsupported_component_sources: [DIRECTLY_DEFINED]\n"),
        )],
    );
    assert_eq!(
        pairs(&both),
        Some((vec![("a".into(), "1".into()), ("b".into(), "2".into())], vec!["DIRECTLY_DEFINED".into()]))
    );
    check(
        &changed(&service, &[(".compatible-envs", Some("\nvpc\n"))]),
        SERVICE,
        &[
            "error: .compatible-envs:2:1: \"vpc\" must be the name of an environment template and a major version: vpc-env:1",
        ],
    );
}
