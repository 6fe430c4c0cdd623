use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;
use standin_core::Dice;
use standin_mock::validation::input_from_json;
use standin_model::{Catalogue, Protocol, Timestamp};

use super::*;

fn context(service: &str, operation: &str, account: &str) -> CallContext {
    let service = Catalogue::shared().find(service).unwrap().open().unwrap();
    CallContext {
        request_id: "00000000-0000-4000-8000-000000000000".into(),
        ordinal: 1,
        service,
        operation: service.operation(operation).unwrap(),
        protocol: Protocol::AwsJson1_0,
        partition: "aws",
        account: Arc::from(account),
        region: Arc::from("eu-west-1"),
        access_key: None,
        base_url: Arc::from("http://127.0.0.1:4566"),
        now: Timestamp::from_millis(0),
        origin: Timestamp::from_millis(0),
        dice: Dice::new(7),
        mishap: None,
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("standin-recording-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn input(context: &CallContext, value: &Value) -> Document {
    input_from_json(context.service, context.operation.input.unwrap(), value).unwrap()
}

#[test]
fn secrets_are_not_kept() {
    let check = |service: &str, operation: &str, output: bool, value: Value, expect: Value| {
        let context = context(service, operation, "111122223333");
        let (service, operation) = (context.service, context.operation);
        let shape = if output { operation.output } else { operation.input };
        let document = input_from_json(service, shape.unwrap(), &value).unwrap();
        let found = match output {
            true => redact_output(service, operation, &document),
            false => redact_input(service, operation, &document),
        };
        assert_eq!(found, expect);
    };
    check(
        "secretsmanager",
        "CreateSecret",
        false,
        json!({"Name": "a", "SecretString": "s3cret", "SecretBinary": "czNjcmV0"}),
        json!({"Name": "a", "SecretString": REDACTED, "SecretBinary": "UkVEQUNURUQ="}),
    );
    check(
        "sts",
        "AssumeRole",
        true,
        json!({"Credentials": {"AccessKeyId": "ASIA", "SecretAccessKey": "x", "SessionToken": "y", "Expiration": 0}}),
        json!({"Credentials": {
            "AccessKeyId": "ASIA", "SecretAccessKey": REDACTED, "SessionToken": REDACTED, "Expiration": "1970-01-01T00:00:00Z",
        }}),
    );
    check(
        "rds",
        "CreateDBInstance",
        false,
        json!({"DBInstanceIdentifier": "a", "DBInstanceClass": "b", "Engine": "c", "MasterUserPassword": "p"}),
        json!({"DBInstanceIdentifier": "a", "DBInstanceClass": "b", "Engine": "c", "MasterUserPassword": REDACTED}),
    );
    check(
        "lambda",
        "GetFunction",
        true,
        json!({"Code": {"Location": "https://h/k?versionId=1&X-Amz-Signature=abc&X-Amz-Date=2"}}),
        json!({"Code": {"Location": "https://h/k?versionId=1&X-Amz-Signature=REDACTED&X-Amz-Date=2"}}),
    );
}

#[test]
fn what_was_recorded_is_found_again() {
    let folder = folder("found");
    let recorder = Recorder::open(folder.clone()).unwrap();
    let call = context("sqs", "GetQueueUrl", "111122223333");
    let record = |name: &str, url: &str| {
        let mut pair = Pair::of(&call, &input(&call, &json!({"QueueName": name})), "t".into());
        pair.output = Some(json!({ "QueueUrl": url }));
        recorder.write(&pair, recorder.number()).unwrap();
    };
    record("a", "first");
    record("b", "other");
    record("a", "second");
    let mut pair = Pair::of(&call, &input(&call, &json!({"QueueName": "gone"})), "t".into());
    let error = OperationError::new("QueueDoesNotExist", "no such queue").with_status(400);
    pair.set_error(&call, &error);
    recorder.write(&pair, recorder.number()).unwrap();

    let ask = |player: &Player, call: &CallContext, value: Value| {
        player.answer(call, &input(call, &value), None).map(|found| match found.answer {
            Ok(output) => output.get("QueueUrl").and_then(Document::as_str).unwrap_or_default().to_owned(),
            Err(error) => format!("{} {:?}", error.code, error.status),
        })
    };
    let strict = Player::open(&folder, Match::Strict, Catalogue::shared()).unwrap();
    let name = |name: &str| json!({ "QueueName": name });
    let seen: Vec<_> = (0..3).map(|_| ask(&strict, &call, name("a")).unwrap()).collect();
    assert_eq!(seen, ["first", "second", "second"]);
    strict.restart();
    // Another account gets what this one got, for want of better.
    let other = context("sqs", "GetQueueUrl", "444455556666");
    assert_eq!(ask(&strict, &other, name("a")).as_deref(), Some("first"));
    assert_eq!(ask(&strict, &call, name("gone")).as_deref(), Some("QueueDoesNotExist Some(400)"));
    assert_eq!(ask(&strict, &call, name("c")), None);
    let near = Player::open(&folder, Match::Nearest, Catalogue::shared()).unwrap();
    let owned = json!({"QueueName": "b", "QueueOwnerAWSAccountId": "1"});
    assert_eq!(ask(&strict, &call, owned.clone()), None);
    assert_eq!(ask(&near, &call, owned).as_deref(), Some("other"));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn tokens_and_secrets_do_not_count() {
    let folder = folder("tokens");
    let recorder = Recorder::open(folder.clone()).unwrap();
    let call = context("secretsmanager", "CreateSecret", "111122223333");
    let asked = |token: &str, secret: &str| {
        input(&call, &json!({"Name": "a", "ClientRequestToken": token, "SecretString": secret}))
    };
    let token = "0123456789012345678901234567890";
    let mut pair = Pair::of(&call, &asked(&format!("{token}1"), "x"), "t".into());
    pair.output = Some(json!({"Name": "a"}));
    recorder.write(&pair, recorder.number()).unwrap();
    let player = Player::open(&folder, Match::Strict, Catalogue::shared()).unwrap();
    assert!(player.answer(&call, &asked(&format!("{token}2"), "y"), None).is_some());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_recording_goes_on_and_what_was_left_half_is_cleared() {
    let folder = folder("on");
    let recorder = Recorder::open(folder.clone()).unwrap();
    let call = context("sqs", "GetQueueUrl", "111122223333");
    let pair = Pair::of(&call, &Document::map(), "t".into());
    recorder.write(&pair, recorder.number()).unwrap();
    std::fs::write(folder.join("sqs/.GetQueueUrl-000007.yaml.part"), "service: sq").unwrap();
    let again = Recorder::open(folder.clone()).unwrap();
    assert!(!folder.join("sqs/.GetQueueUrl-000007.yaml.part").exists());
    assert_eq!(read(&folder).unwrap().len(), 1);
    assert!(again.number() > 1);
    std::fs::write(folder.join("sqs/GetQueueUrl-000009.yaml"), "service: sqs\n").unwrap();
    let error = read(&folder).unwrap_err().to_string();
    assert!(error.contains("GetQueueUrl-000009.yaml: "), "{error}");
    std::fs::remove_dir_all(folder).unwrap();
}
