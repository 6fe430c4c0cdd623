use std::sync::Arc;

use serde_json::{Value, json};
use standin_core::Dice;
use standin_model::Protocol;

use super::*;

fn context(service: &str, operation: &str) -> CallContext {
    let service = Catalogue::shared().find(service).unwrap().open().unwrap();
    CallContext {
        request_id: "00000000-0000-4000-8000-000000000000".into(),
        ordinal: 1,
        service,
        operation: service.operation(operation).unwrap(),
        protocol: Protocol::AwsJson1_0,
        partition: "aws",
        account: Arc::from("111122223333"),
        region: Arc::from("eu-west-1"),
        access_key: Some(Arc::from("111122223333")),
        base_url: Arc::from("http://127.0.0.1:4566"),
        now: Timestamp::from_millis(0),
        origin: Timestamp::from_millis(0),
        dice: Dice::new(7),
        mishap: None,
    }
}

fn faults(rules: &Value) -> Result<Faults, Refused> {
    let faults = Faults::default();
    let rules: Vec<Rule> = serde_json::from_value(rules.clone()).unwrap();
    faults.set(Catalogue::shared(), rules, Timestamp::from_millis(0)).map(|()| faults)
}

/// Which of the first ten calls go wrong.
#[track_caller]
fn check(rule: &Value, service: &str, operation: &str, input: &Value, expect: &str) {
    let faults = faults(&json!([rule])).unwrap();
    let context = context(service, operation);
    let input = Document::from_json(input);
    let found: String = (0..10)
        .map(|second| {
            let context = CallContext { now: Timestamp::from_seconds(second), ..context.clone() };
            let verdict = faults.judge(&context, &input, &[], None);
            if verdict.is_nothing() { '.' } else { 'x' }
        })
        .collect();
    assert_eq!(found, expect);
}

#[test]
fn calls_are_told_apart() {
    let get = ("dynamodb", "GetItem");
    for (rule, hit) in [
        (json!({"service": "dynamodb"}), true),
        (json!({"service": ["s3", "dynamo*"]}), true),
        (json!({"service": "s3"}), false),
        (json!({"operation": "Get*"}), true),
        (json!({"operation": ["Put*", "Delete*"]}), false),
        (json!({"class": "read"}), true),
        (json!({"class": "write"}), false),
        (json!({"region": "eu-*"}), true),
        (json!({"account": "444455556666"}), false),
        (json!({"key": "1111*"}), true),
        (json!({"resource": "birds"}), true),
        (json!({"resource": "cats"}), false),
        (json!({"input": {"Key": {"id": {"S": "1"}}}}), true),
        (json!({"input": {"Key": {"id": {"S": "2"}}}}), false),
        (json!({"enabled": false}), false),
    ] {
        let mut rule = rule;
        rule["latency"] = json!("1ms");
        let expect = if hit { "xxxxxxxxxx" } else { ".........." };
        check(&rule, get.0, get.1, &json!({"TableName": "birds", "Key": {"id": {"S": "1"}}}), expect);
    }
}

#[test]
fn calls_are_counted() {
    for (rule, expect) in [
        (json!({"every": 3}), "..x..x..x."),
        (json!({"after": 4}), "....xxxxxx"),
        (json!({"first": 2}), "xx........"),
        (json!({"after": 2, "first": 3}), "..xxx....."),
        (json!({"burst": "1/4"}), "x...x...x."),
        (json!({"burst": "2s/5s"}), "xx...xx..."),
        (json!({"from": "+3s", "until": "1970-01-01T00:00:06Z"}), "...xxx...."),
        (json!({"probability": 0}), ".........."),
    ] {
        let mut rule = rule;
        rule["error"] = json!("random");
        check(&rule, "mwaa", "GetEnvironment", &json!({"Name": "birds"}), expect);
    }
    // Two calls a second are let through, and there is room for one more at once.
    check(&json!({"rate": "2/s burst 3"}), "mwaa", "GetEnvironment", &json!({}), "..........");
    check(&json!({"rate": "20/m"}), "mwaa", "GetEnvironment", &json!({}), ".xx.xx.xx.");
}

#[test]
fn the_seed_decides() {
    let rules = json!([{"id": "half", "probability": 0.5, "error": "random"}]);
    let context = context("proton", "GetEnvironment");
    let run = || -> Vec<Option<String>> {
        let faults = faults(&rules).unwrap();
        let judge = |_| faults.judge(&context, &Document::map(), &[], None);
        (0..200).map(judge).map(|verdict| verdict.error.map(|error| error.code.into_owned())).collect()
    };
    let first = run();
    assert_eq!(first, run());
    let hit = first.iter().flatten().count();
    assert!((70..130).contains(&hit), "{hit} of 200");
    let codes: HashSet<&String> = first.iter().flatten().collect();
    assert!(codes.len() > 3, "{codes:?}");
}

#[test]
fn errors_are_those_of_the_model() {
    for (service, operation, name, code) in [
        ("dynamodb", "GetItem", "throttling", "ProvisionedThroughputExceededException"),
        ("s3", "GetObject", "throttling", "SlowDown"),
        ("sns", "Publish", "throttling", "Throttling"),
        ("mwaa", "GetEnvironment", "throttling", "ThrottlingException"),
        ("mwaa", "GetEnvironment", "ResourceNotFoundException", "ResourceNotFoundException"),
        ("mwaa", "GetEnvironment", "server", "InternalServerException"),
    ] {
        let faults = faults(&json!([{"service": service, "operation": operation, "error": name}])).unwrap();
        let context = context(service, operation);
        let error = faults.judge(&context, &Document::map(), &[], None).error.unwrap();
        assert_eq!(error.code, code, "{service} {operation} {name}");
    }
}

#[test]
fn wrong_rules_are_refused() {
    for (rule, why) in [
        (json!({}), "does nothing"),
        (json!({"error": "random", "probability": 2}), "not from 0 to 1"),
        (json!({"service": "dynmodb", "error": "random"}), "did you mean dynamodb"),
        (json!({"service": "dynamodb", "operation": "GetItm", "error": "random"}), "did you mean GetItem"),
        (json!({"service": "mwaa", "operation": "GetEnvironment", "error": "NoSuchKey"}), "it can return"),
        (json!({"service": "mwaa", "error": "ResourceNotFoundExeption"}), "did you mean ResourceNotFoundException"),
        (json!({"error": "random", "from": "soon"}), "is no time"),
        (json!({"error": "random", "every": 0}), "every 0th"),
        (json!({"error": "random", "input": 3}), "input is an object"),
    ] {
        let Refused(found) = faults(&json!([rule])).unwrap_err();
        assert!(found.contains(why), "{found}");
    }
    assert!(
        faults(&json!([{"service": "mwaa", "operation": "GetEnvironment", "error": "NoSuchKey", "force": true}]))
            .is_ok()
    );
}

#[test]
fn unknown_members_are_refused() {
    for rule in
        [json!({"erorr": "random"}), json!({"network": "rest"}), json!({"latency": "fast"}), json!({"rate": "5"})]
    {
        assert!(serde_json::from_value::<Rule>(rule.clone()).is_err(), "{rule}");
    }
}

#[test]
fn rules_come_and_go() {
    let (catalogue, now) = (Catalogue::shared(), Timestamp::from_millis(0));
    let faults = Faults::default();
    let rule = |value: Value| serde_json::from_value::<Rule>(value).unwrap();
    let id = faults.add(catalogue, rule(json!({"error": "random"})), now).unwrap();
    faults.add(catalogue, rule(json!({"id": "slow", "latency": "1s"})), now).unwrap();
    assert!(faults.add(catalogue, rule(json!({"id": "slow", "latency": "2s"})), now).is_err());
    let context = context("mwaa", "ListEnvironments");
    faults.judge(&context, &Document::map(), &[], None);
    faults.put(catalogue, rule(json!({"id": "slow", "latency": "2s"})), now).unwrap();
    assert_eq!(faults.find(&id).unwrap().hit, 1, "what others do to their rules changes nothing");
    assert_eq!(faults.find("slow").unwrap().hit, 0);
    assert!(faults.any());
    assert_eq!(faults.remove(|rule| rule.id == id), 1);
    assert_eq!(faults.remove(|_| true), 1);
    assert!(!faults.any() && faults.judge(&context, &Document::map(), &[], None).changes_nothing());
}

#[test]
fn callers_are_told_apart_although_rules_are_remembered() {
    let faults = faults(&json!([{"service": "mwaa", "region": "eu-*", "error": "server"}, {"service": "mwaa", "key": "1111*", "latency": "1s"}])).unwrap();
    let here = context("mwaa", "ListEnvironments");
    let there = CallContext { region: Arc::from("us-east-1"), ..here.clone() };
    let nobody = CallContext { access_key: None, ..here.clone() };
    for _ in 0..2 {
        let hits =
            [&here, &there, &nobody].map(|context| faults.judge(context, &Document::map(), &[], None).hits.len());
        assert_eq!(hits, [2, 1, 1]);
    }
}

#[test]
fn what_is_too_much_is_refused() {
    for rule in [
        json!({"error": "server", "operation": "a*".repeat(5000)}),
        json!({"error": "server", "operation": vec!["Get*"; 5000]}),
        json!({"error": "server", "windows": vec!["+1m..+2m"; 5000]}),
        json!({"error": "server", "input": {"a": "x".repeat(100_000)}}),
        json!({"error": "server", "description": "x".repeat(100_000)}),
        json!({"error": "x".repeat(1000), "force": true}),
        json!({"error": "a\r\nb: c", "force": true}),
        json!({"error": "random", "status": 200}),
        json!({"error": "server", "id": "a b"}),
        json!({"error": "server", "id": "a/b"}),
    ] {
        let text = rule.to_string();
        assert!(faults(&json!([rule])).is_err(), "{}", &text[..60.min(text.len())]);
    }
}

#[test]
fn rules_change_while_calls_are_judged() {
    let faults = Faults::default();
    let context = context("mwaa", "ListEnvironments");
    let rules = |count: usize| -> Vec<Rule> {
        (0..count).map(|_| serde_json::from_value(json!({"service": "mwaa", "error": "server"})).unwrap()).collect()
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    // All rules of one list, or none of it.
                    let hits = faults.judge(&context, &Document::map(), &[], None).hits.len();
                    assert!([0, 3, 5].contains(&hits), "{hits}");
                }
            });
        }
        for round in 0..200 {
            let count = [3, 5][round % 2];
            faults.set(Catalogue::shared(), rules(count), Timestamp::from_millis(0)).unwrap();
        }
    });
}
