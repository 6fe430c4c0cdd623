use std::sync::Arc;

use serde_json::{Value, json};
use standin_core::Dice;
use standin_model::Protocol;

use super::*;
use crate::folder;

fn now() -> Timestamp {
    Timestamp::from_seconds(1_767_225_600)
}

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
        access_key: None,
        base_url: Arc::from("http://127.0.0.1:4566"),
        now: now(),
        origin: now(),
        dice: Dice::new(7),
        mishap: None,
    }
}

fn set(rules: &Value) -> Result<Responses, String> {
    let responses = Responses::default();
    let rules = rules.as_array().unwrap().iter().map(Rule::read).collect::<Result<_, _>>()?;
    responses.set(Catalogue::shared(), Origin::Api, rules, now()).map(|()| responses)
}

/// What a call gets: the output as JSON, the error's code and message, `raw`, or what standin itself says.
fn ask(responses: &Responses, operation: &str, input: &Value, real: &Value) -> Value {
    let context = context("mwaa", operation);
    let input = Document::from_json(input);
    let real = Document::from_json(real);
    let Some(mut hit) = responses.find(&context, &input) else { return json!("nothing") };
    let real = hit.needs_real().then_some(Ok(&real));
    match hit.answer(&context, &input, real, &Clock::frozen_at(now())) {
        Ok(None) => json!("real"),
        Ok(Some(Scripted::Output(output))) => output.to_json(),
        Ok(Some(Scripted::Error(error))) => json!(format!("{}: {} {:?}", error.code, error.message, error.status)),
        Ok(Some(Scripted::Raw(raw))) => json!(format!("{} {:?}", raw.status.as_u16(), raw.body)),
        Err(error) => json!(format!("failed: {}", error.message)),
    }
}

#[track_caller]
fn check(rule: Value, real: &Value, expect: &Value) {
    let mut rule = rule;
    rule["service"] = json!("mwaa");
    rule["operation"] = json!("GetEnvironment");
    let responses = set(&json!([rule])).unwrap();
    assert_eq!(ask(&responses, "GetEnvironment", &json!({"Name": "heron"}), real), *expect);
    assert_eq!(ask(&responses, "DeleteEnvironment", &json!({"Name": "heron"}), real), "nothing");
}

#[test]
fn answers_are_made_of_input_context_and_the_real_answer() {
    let real = json!({"Environment": {"Name": "heron", "MaxWorkers": 4, "Tags": {"a": "1"}}});
    check(
        json!({"output": {"Environment": {"Status": "CREATING"}}}),
        &real,
        &json!({"Environment": {"Status": "CREATING"}}),
    );
    check(
        json!({"output": {"Environment": {
            "Name": "{{input.Name}}-{{region}}", "MaxWorkers": "{{turn}}", "MinWorkers": "1{{turn}}",
            "CreatedAt": "{{requestTime}}", "KmsKey": "{{input.Nothing}}",
        }}}),
        &real,
        &json!({"Environment": {
            "Name": "heron-eu-west-1", "MaxWorkers": 1, "MinWorkers": 11, "CreatedAt": "2026-01-01T00:00:00Z",
        }}),
    );
    check(
        json!({"output": {"Environment": {"Tags": "{{answer.Environment.Tags}}", "MaxWorkers": "{{ answer.Environment.MaxWorkers * 2 }}"}}, "templates": "jinja"}),
        &real,
        &json!({"Environment": {"Tags": {"a": "1"}, "MaxWorkers": 8}}),
    );
    check(
        json!({"merge": {"Environment": {"Status": "UPDATING", "MaxWorkers": null, "Tags": {"b": "{{account}}"}}}}),
        &real,
        &json!({"Environment": {"Name": "heron", "Tags": {"a": "1", "b": "111122223333"}, "Status": "UPDATING"}}),
    );
    check(
        json!({"error": {"code": "ResourceNotFoundException", "message": "no {{input.Name}}"}}),
        &real,
        &json!("ResourceNotFoundException: no heron None"),
    );
    check(
        json!({"error": "ExpiredToken"}),
        &real,
        &json!("ExpiredToken: The security token in the request is expired Some(400)"),
    );
    check(json!({"raw": {"status": 503, "body": "{{input.Name}}!"}}), &real, &json!("503 b\"heron!\""));
    check(
        json!({"output": {"Environment": {"MaxWorkers": "{{input.Name}}"}}}),
        &real,
        &json!(
            "failed: the response rule `response-1` cannot answer: what it makes does not fit GetEnvironment: \
                Value 'heron' at 'environment.maxWorkers' failed to satisfy constraint: Member must be an integer of 32 bits"
        ),
    );
}

fn statuses(responses: &Responses, count: usize) -> Vec<Value> {
    (0..count)
        .map(|_| match ask(responses, "GetEnvironment", &json!({"Name": "a"}), &json!({})) {
            Value::Object(output) => output["Environment"]["Status"].clone(),
            other => other,
        })
        .collect()
}

fn step(status: &str, times: u64) -> Value {
    json!({"output": {"Environment": {"Status": status}}, "times": times})
}

#[test]
fn sequences_end_with_their_last_or_begin_anew() {
    let rule = |cycle: bool| json!([{"service": "mwaa", "operation": "GetEnvironment", "cycle": cycle, "sequence": [step("A", 2), step("B", 1)]}]);
    assert_eq!(statuses(&set(&rule(false)).unwrap(), 5), ["A", "A", "B", "B", "B"]);
    assert_eq!(statuses(&set(&rule(true)).unwrap(), 5), ["A", "A", "B", "A", "A"]);
}

#[test]
fn scenarios_move_from_state_to_state() {
    let about = |operation: &str, state: &str, new: Option<&str>, answer: Value| {
        let mut rule = answer;
        rule["service"] = json!("mwaa");
        rule["operation"] = json!(operation);
        rule["scenario"] = json!("deploy");
        rule["required-state"] = json!(state);
        if let Some(new) = new {
            rule["new-state"] = json!(new);
        }
        rule
    };
    let output = |status: &str| json!({"output": {"Environment": {"Status": status}}});
    let responses = set(&json!([
        about("GetEnvironment", "Started", Some("creating"), output("PENDING")),
        about("GetEnvironment", "creating", None, output("CREATING")),
        about("UpdateEnvironment", "creating", Some("done"), json!({"output": {"Arn": "x"}})),
        about("GetEnvironment", "done", None, output("AVAILABLE")),
    ]))
    .unwrap();
    assert_eq!(statuses(&responses, 3), ["PENDING", "CREATING", "CREATING"]);
    assert_eq!(ask(&responses, "UpdateEnvironment", &json!({}), &json!({})), json!({"Arn": "x"}));
    assert_eq!(statuses(&responses, 2), ["AVAILABLE", "AVAILABLE"]);
    assert_eq!(responses.scenario_states(), [("deploy".to_owned(), "done".to_owned())]);
    responses.scenarios().set("deploy", "creating").unwrap();
    assert_eq!(statuses(&responses, 1), ["CREATING"]);
    responses.scenarios().reset(Some("deploy"));
    assert_eq!(statuses(&responses, 1), ["PENDING"]);
}

#[test]
fn a_state_is_left_once() {
    let responses = set(&json!([{
        "service": "mwaa", "operation": "GetEnvironment", "scenario": "s", "required-state": "Started",
        "new-state": "left", "error": "ResourceNotFoundException",
    }]))
    .unwrap();
    let hits: usize = std::thread::scope(|scope| {
        let ask = || usize::from(responses.find(&context("mwaa", "GetEnvironment"), &Document::map()).is_some());
        let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(hits, 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let output = |environment: Value| json!({"output": {"Environment": environment}});
    for (answer, expect) in [
        (
            output(json!({"Nmae": "x"})),
            "rule 0: output.Environment: Environment has no member `Nmae`; did you mean Name?",
        ),
        (
            output(json!({"MaxWorkers": "many"})),
            "rule 0: output.Environment.MaxWorkers: expected an integer of 32 bits, got \"many\"",
        ),
        (output(json!({"Tags": {"a": 1}})), "rule 0: output.Environment.Tags.a: expected a string, got 1"),
        (output(json!({"Tags": []})), "rule 0: output.Environment.Tags: expected a map, got []"),
        (output(json!({"Name": "{{input.Name"})), "rule 0: output.Environment.Name: no Handlebars template"),
        (json!({"merge": {"Enviroment": {}}}), "did you mean Environment?"),
        (json!({"error": {"code": "Nope"}}), "ResourceNotFoundException"),
        (json!({"error": {"cod": "Nope"}}), "rule 0: error has no member `cod`; did you mean `code`?"),
        (
            json!({"error": {"code": "ResourceNotFoundException", "members": {"x": 1}}}),
            "error.members: ResourceNotFoundException has no member `x`",
        ),
        (json!({"raw": {"status": 20}}), "rule 0: raw.status: 20 is no HTTP status"),
        (json!({"output": {}, "merge": {}}), "only one of"),
        (json!({}), "rule 0: give an `output`"),
        (json!({"sequence": [{"output": {}}, {"output": {"x": 1}}]}), "rule 0: sequence[1].output: "),
        (json!({"output": {}, "new-state": "x"}), "give its name"),
        (json!({"operation": "*Environment", "output": {}}), "one operation by name"),
    ] {
        let mut rule = json!({"service": "mwaa", "operation": "GetEnvironment"});
        rule.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        let error = set(&json!([rule])).unwrap_err();
        assert!(error.contains(expect), "{rule} gives {error}");
    }
}

#[test]
fn files_name_service_and_operation() {
    let parse = |name: &str, text: &str| folder::parse(name, text, Catalogue::shared());
    let rules = parse("mwaa/GetEnvironment-slow.yaml", "output:\n  Environment:\n    Status: CREATING\n").unwrap();
    assert_eq!(rules[0].id, "mwaa/GetEnvironment-slow.yaml");
    assert_eq!(rules[0].matcher.operation, "GetEnvironment".into());
    assert_eq!(rules[0].matcher.service, "mwaa".into());
    let rules = parse(
        "a.json",
        r#"[{"service": "s3", "operation": "*", "error": "SlowDown"}, {"service": "sqs", "operation": "*", "error": "Throttling"}]"#,
    );
    assert_eq!(rules.unwrap()[1].id, "a.json#1");
    for (name, text, expect) in [
        ("mwaa/GetEnviroment.yaml", "output: {}", "did you mean GetEnvironment"),
        ("mwa/GetEnvironment.yaml", "output: {}", "mwa/GetEnvironment.yaml: there is no service `mwa`"),
        ("GetEnvironment.yaml", "output: {}", "no `service`"),
        ("mwaa/GetEnvironment.yaml", "outptu: {}", "did you mean `output`"),
        ("mwaa/GetEnvironment.yaml", "output: {\n", "mwaa/GetEnvironment.yaml: "),
    ] {
        let error = parse(name, text).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn rules_come_and_go() {
    let responses =
        set(&json!([{"id": "a", "service": "mwaa", "operation": "GetEnvironment", "error": "ExpiredToken"}])).unwrap();
    let rule = |value: Value| Rule::read(&value).unwrap();
    let catalogue = Catalogue::shared();
    let added = rule(json!({"service": "mwaa", "operation": "*", "error": "Throttling"}));
    let id = responses.add(catalogue, added.clone(), now()).unwrap();
    assert!(responses.add(catalogue, Rule { id: id.clone(), ..added.clone() }, now()).is_err());
    let configured = Rule { id: "c".into(), ..added };
    responses.set(catalogue, Origin::Configuration, vec![configured], now()).unwrap();
    statuses(&responses, 2);
    assert_eq!(responses.get("a").unwrap().used, 2);
    assert!(responses.put(catalogue, rule(json!({"id": "c", "service": "s3", "error": "SlowDown"})), now()).is_err());
    assert_eq!(responses.remove(|rule| rule.id == "a"), 1);
    assert_eq!(ask(&responses, "GetEnvironment", &json!({}), &json!({})), "Throttling: Rate exceeded Some(400)");
    responses.reset();
    let left = responses.list();
    assert_eq!((left.len(), left[0].origin, left[0].used), (1, Origin::Configuration, 0));
}

#[test]
fn no_helper_hides_what_templates_see() {
    let context = context("mwaa", "GetEnvironment");
    let input = Document::from_json(&json!({"Name": "heron"}));
    let seen = seen(&context, &input, Some(Ok(&Document::map())), 1, Some("Started"));
    let (clock, random) = (Clock::frozen_at(now()), Random::keyed(1));
    for (name, value) in seen.as_object().unwrap() {
        let text = crate::text::Text::parse(&format!("{{{{{name}}}}}"), crate::Language::Handlebars).unwrap().unwrap();
        assert_eq!(text.value(&Sight { context: &seen, clock: &clock, random: &random }).unwrap(), *value, "{name}");
    }
}
