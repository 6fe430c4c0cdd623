//! `services`, `describe`, `env`, `completions`: what needs no server.

mod common;

use std::io::Read as _;
use std::process::Stdio;

use common::{Folder, outcome};
use serde_json::json;

#[test]
fn services_are_listed_and_filtered() {
    let folder = Folder::new("services");
    let text = folder.output(&["services", "MWAA"]);
    assert!(
        text.starts_with("ID  ") && text.contains("\nmwaa  ") && text.ends_with("2 services, 28 operations\n"),
        "{text}"
    );
    let all = folder.json(&["services", "--json"]);
    assert!(all.as_array().expect("a list").len() > 439);
    let transcoder = folder.json(&["services", "--json", "elastictranscoder"]);
    assert_eq!(transcoder[0]["retired"], true);
    assert_eq!(transcoder[0]["protocols"], json!(["restJson1"]));
    assert!(folder.output(&["services"]).contains("retired"));
}

#[test]
fn a_filter_without_a_match_fails_with_what_may_have_been_meant() {
    let (code, output, error) = Folder::new("no-match").run(&["services", "porton"]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert_eq!(error, "error: no service has \"porton\" in its names\n  hint: did you mean proton?\n");
}

#[test]
fn an_operation_is_described_with_commands_that_parse() {
    let folder = Folder::new("describe");
    let text = folder.output(&["describe", "proton", "create-environment"]);
    for part in [
        "CreateEnvironment of AWS Proton",
        "\nInput\n",
        "templateName*",
        "\nErrors\n  402 ServiceQuotaExceededException",
        "\nTry\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("  standin call proton create-environment --input '{"), "{text}");
    // Elastic Transcoder is unknown to the AWS CLI of today.
    let text = folder.output(&["describe", "elastictranscoder", "ListPipelines"]);
    assert!(!text.contains("aws --endpoint-url"), "{text}");
}

#[test]
fn json_of_an_operation_holds_every_shape_once() {
    let described = Folder::new("describe-json").json(&["describe", "dynamodb", "put-item", "--json"]);
    let shapes = described["shapes"].as_object().expect("shapes");
    assert_eq!(shapes["AttributeValue"]["kind"], "structure");
    for member in shapes["PutItemInput"]["members"].as_object().expect("members").values() {
        assert!(shapes.contains_key(member["shape"].as_str().expect("a name")), "{member}");
    }
    assert_eq!(described["errors"][0]["status"], 400);
}

#[test]
fn unknown_names_are_usage_errors() {
    let folder = Folder::new("unknown");
    for (arguments, hint) in [
        (&["describe", "mwa"][..], "did you mean mwaa"),
        (&["describe", "mwaa", "list-enviroments"], "did you mean ListEnvironments?"),
        (&["describe", "cloudfront", "--api-version", "2001-01-01"], "it has 2020-05-31"),
    ] {
        let (code, output, error) = folder.run(arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{arguments:?}");
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn models_join_the_catalogue() {
    let folder = Folder::new("model");
    let model = json!({
        "version": "2.0",
        "metadata": {
            "apiVersion": "2026-01-01", "endpointPrefix": "teapots", "protocol": "json", "jsonVersion": "1.1",
            "serviceFullName": "Tea Pots", "serviceId": "TeaPots", "targetPrefix": "TeaPots", "signatureVersion": "v4",
        },
        "operations": {"Brew": {"name": "Brew", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "BrewInput"}}},
        "shapes": {
            "BrewInput": {"type": "structure", "required": ["Leaves"], "members": {"Leaves": {"shape": "Leaves"}}},
            "Leaves": {"type": "string", "enum": ["GREEN", "BLACK"]},
        },
    });
    let file = folder.path().join("teapots.json");
    std::fs::write(&file, model.to_string()).expect("written");
    let file = file.to_str().expect("UTF-8");
    assert!(folder.output(&["describe", "teapots", "brew", "--model", file]).contains("one of GREEN | BLACK"));
    let (code, _, error) = folder.run(&["services", "--model", "missing.json"]);
    assert_eq!(code, 1);
    assert!(error.starts_with("error: cannot read the model missing.json\n  because: "), "{error}");
}

#[test]
fn env_is_understood_by_a_shell() {
    let folder = Folder::new("env");
    let script = folder.output(&["env", "--region", "eu-central-1", "--endpoint", "http://127.0.0.1:4000"]);
    let mut shell = std::process::Command::new("sh");
    shell.args([
        "-c",
        &format!("{script}\necho $AWS_ENDPOINT_URL $AWS_REGION $AWS_ACCESS_KEY_ID ${{AWS_PROFILE-none}}"),
    ]);
    shell.env("AWS_PROFILE", "production").env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
    let (_, output, error) = outcome(&shell.output().expect("sh runs"));
    assert_eq!((output.as_str(), error.as_str()), ("http://127.0.0.1:4000 eu-central-1 test none\n", ""));
    let variables = folder.json(&["env", "--json"]);
    assert_eq!(variables["AWS_DISABLE_HOST_PREFIX_INJECTION"], "true");
    assert_eq!(variables["AWS_SESSION_TOKEN"], json!(null));
    assert!(
        folder.output(&["env", "--shell", "fish"]).contains("\nset -gx AWS_ENDPOINT_URL 'http://127.0.0.1:4566'\n")
    );
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let folder = Folder::new("pipe");
    for arguments in [&["services", "--json"][..], &["completions", "bash"], &["--help"]] {
        let mut child =
            folder.standin(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        drop(child.stdout.take());
        let mut error = String::new();
        child.stderr.take().expect("piped").read_to_string(&mut error).expect("UTF-8");
        assert_eq!((child.wait().expect("ends").code(), error.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    let folder = Folder::new("completions");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(folder.output(&["completions", shell]).contains("describe"), "{shell}");
    }
}

#[test]
fn call_checks_its_input_before_it_connects() {
    let folder = Folder::new("call-input");
    for (arguments, expect) in [
        (&["call", "mwaa", "get-environment", "--input", "{"][..], "error: the input is no JSON"),
        (&["call", "mwaa", "get-environment", "--input", "{\"Nam\": 1}"], "did you mean Name?"),
        (&["call", "mwaa", "get-environment", "--all"], "has no pages"),
        (&["call", "mwaa", "get-environment", "--protocol", "awsQuery"], "it speaks restJson1"),
        (&["call", "mwaa", "list-environments", "--body", "x"], "has no streaming member"),
    ] {
        let (code, _, error) = folder.run(arguments);
        assert_eq!(code, 2, "{arguments:?}: {error}");
        assert!(error.contains(expect), "{error}");
    }
}
