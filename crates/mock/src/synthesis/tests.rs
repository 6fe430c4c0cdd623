//! Answers of every operation, and a closer look at a few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use standin_core::{Arn, CallContext, Dice, Draw};
use standin_model::{
    Catalogue, Document, Entry, Fields, Kind, Operation, Service, ShapeIx, Str, Timestamp, WaiterState,
};

use super::time::TimeRole;
use super::{CACHED_NODES_MAX, Fill, Synthesizer, example_input, pagination, synthesize_error};
use crate::pattern;
use crate::validation::{Constraint, Options, Violation, check_shape_with};

const ORIGIN: i64 = 1_767_225_600;

fn context(service: &'static Service, operation: &'static Operation) -> CallContext {
    CallContext {
        request_id: "r".into(),
        ordinal: 1,
        service,
        operation,
        protocol: service.protocol(),
        partition: "aws",
        account: Arc::from("123456789012"),
        region: Arc::from("eu-central-1"),
        access_key: None,
        base_url: Arc::from("http://localhost:4566"),
        now: Timestamp::from_seconds(ORIGIN + 7_000_000),
        origin: Timestamp::from_seconds(ORIGIN),
        dice: Dice::new(42),
        mishap: None,
    }
}

fn operation(service: &str, name: &str) -> (&'static Service, &'static Operation) {
    let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
    (service, service.operation(name).expect("modelled"))
}

/// The answer to a call, as JSON.
fn answer(service: &str, name: &str, input: &Value) -> Value {
    let (service, operation) = operation(service, name);
    let output =
        Synthesizer::new(Catalogue::shared()).synthesize(&context(service, operation), &Document::from_json(input));
    let problems = problems(service, operation.output, &output);
    assert!(problems.is_empty(), "{problems:?}");
    output.to_json()
}

/// What is wrong with a document.
fn problems(service: &'static Service, shape: Option<ShapeIx>, document: &Document) -> Vec<String> {
    let Some(shape) = shape else { return Vec::new() };
    let options = Options { unknown_members: true, ..Options::default() };
    let structure = service.structure(shape).expect("a structure");
    let mut whole = document.as_map().expect("a structure").clone();
    let mut found = Vec::new();
    for member in &structure.members {
        let streams = service.structure(member.target).is_some_and(|target| target.event_stream);
        let events = if streams { whole.remove(member.name) } else { None };
        for event in events.as_ref().and_then(Document::as_list).unwrap_or_default() {
            assert_eq!(event.as_map().map(Fields::len), Some(1), "an event has one member");
            found.extend(check_shape_with(service, member.target, event, options));
        }
        // The one that ends paging.
        if pagination::is_token(member.name) && whole.get(member.name).and_then(Document::as_str) == Some("") {
            whole.remove(member.name);
            found.retain(|violation| violation.path != member.name);
        }
    }
    let paging = |violation: &Violation| violation.constraint.is_missing() && pagination::is_token(&violation.path);
    let missing = check_shape_with(service, shape, &Document::Map(whole), options);
    found.extend(missing.into_iter().filter(|violation| !paging(violation)));
    found.retain(|violation| satisfiable(&violation.constraint));
    found.iter().map(Violation::to_string).collect()
}

/// Whether some text matches; a few models ask for what cannot be within the lengths that they give.
fn satisfiable(constraint: &Constraint) -> bool {
    let all = |constraints: &[Constraint]| {
        let min = constraints.iter().find_map(|c| if let Constraint::MinLength(min) = c { Some(*min) } else { None });
        let max = constraints.iter().find_map(|c| if let Constraint::MaxLength(max) = c { Some(*max) } else { None });
        let length = |length: Option<i64>, or: usize| length.map_or(or, |length| usize::try_from(length).unwrap_or(or));
        constraints.iter().all(|constraint| match constraint {
            Constraint::Pattern(pattern) => {
                pattern::generate(pattern, length(min, 0), length(max, 4096), &mut Draw::from_seed(1)).is_some()
            }
            _ => true,
        })
    };
    match constraint {
        Constraint::Items(constraints) | Constraint::MapKeys(constraints) | Constraint::MapValues(constraints) => {
            all(constraints)
        }
        _ => true,
    }
}

fn nodes(document: &Document) -> usize {
    1 + match document {
        Document::List(items) => items.iter().map(nodes).sum(),
        Document::Map(fields) => fields.iter().map(|(_, item)| nodes(item)).sum(),
        _ => 0,
    }
}

/// Structures that have members, and are empty here although something was to be said.
fn empties(service: &'static Service, ix: ShapeIx, document: &Document, path: &str, out: &mut Vec<String>) {
    match (&service.shape(ix).kind, document) {
        (Kind::Structure(structure), Document::Map(fields)) => {
            let paging = structure.members.iter().all(|member| pagination::is_token(member.name));
            // `{and: [], or: []}` of itself says nothing else.
            let leaves = structure.members.iter().any(|member| super::choice::leaf(&service.shape(member.target).kind));
            if fields.is_empty() && !paging && (leaves || path.is_empty()) && !structure.members.is_empty() {
                out.push(format!("{path}: empty"));
            }
            for (key, item) in fields.iter() {
                if let Some(member) = structure.member(key) {
                    empties(service, member.target, item, &format!("{path}.{key}"), out);
                }
            }
        }
        (Kind::List(list), Document::List(items)) => {
            for item in items {
                empties(service, list.member.target, item, path, out);
            }
        }
        _ => {}
    }
}

/// Checks the answers of one operation; gives what is wrong.
fn examine(synthesizer: &Synthesizer, service: &'static Service, operation: &'static Operation, out: &mut Vec<String>) {
    let context = context(service, operation);
    let mut complain =
        |what: String| out.push(format!("{} {} {}: {what}", service.id, service.version, operation.name));
    let mut draw = Draw::from_seed(7);
    let inputs = [
        Document::map(),
        example_input(service, operation, Fill::Required, &mut draw),
        example_input(service, operation, Fill::All, &mut draw),
    ];
    for input in &inputs[1..] {
        problems(service, operation.input, input).into_iter().for_each(|p| complain(format!("input{p}")));
    }
    for (at, input) in inputs.iter().enumerate() {
        let output = synthesizer.synthesize(&context, input);
        problems(service, operation.output, &output).into_iter().for_each(|p| complain(format!("output{p}")));
        let Some(shape) = operation.output else { continue };
        // What is echoed is as long as the client made it.
        let bound = 1000 + nodes(input) * 4;
        if nodes(&output) > bound {
            complain(format!("{} nodes", nodes(&output)));
        }
        // A lean input has empty structures, which are echoed.
        if at != 1 {
            let mut empty = Vec::new();
            empties(service, shape, &output, "", &mut empty);
            empty.into_iter().for_each(&mut complain);
        }
        let structure = service.structure(shape).expect("outputs are structures");
        for (key, value) in output.as_map().expect("a structure").iter() {
            let required = structure.member(key).is_some_and(|member| member.required);
            if pagination::is_token(key) && !required && value.as_str() != Some("") {
                complain(format!("token {key}"));
            }
        }
        for path in pagination::tokens(operation) {
            let mut at = Some(&output);
            for name in path {
                at = at.and_then(|at| at.get(name));
            }
            if at.is_some_and(|token| token.as_str().is_some_and(|text| !text.is_empty())) {
                complain("a paginator's token".to_owned());
            }
        }
        for member in structure.members.iter().filter(|member| service.shape(member.target).is_streaming()) {
            let some = match output.get(member.name) {
                Some(Document::Blob(bytes)) => !bytes.is_empty(),
                Some(Document::List(events)) => !events.is_empty(),
                _ => false,
            };
            if !some {
                complain(format!("nothing streams in {}", member.name));
            }
        }
    }
    let again = Synthesizer::new(Catalogue::shared()).synthesize(&context, &inputs[2]);
    if again != synthesizer.synthesize(&context, &inputs[2]) {
        complain("differs from call to call".to_owned());
    }
}

#[test]
fn every_operation_answers_well() {
    let entries: Vec<&'static Entry> = Catalogue::shared().entries().iter().collect();
    let next = AtomicUsize::new(0);
    let synthesizer = Synthesizer::new(Catalogue::shared());
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let complaints: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut out = Vec::new();
                    while let Some(entry) = entries.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let service = entry.open().expect("opens");
                        for operation in &service.operations {
                            examine(&synthesizer, service, operation, &mut out);
                        }
                    }
                    out
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no panic")).collect()
    });
    let held = synthesizer.plans.read().expect("not poisoned").nodes;
    assert!(held < CACHED_NODES_MAX * 2, "{held} nodes are kept");
    let shown: Vec<&String> = complaints.iter().take(40).collect();
    assert!(complaints.is_empty(), "{} complaints: {shown:#?}", complaints.len());
}

#[test]
fn every_error_is_filled() {
    for entry in Catalogue::shared().services() {
        let service = entry.open().expect("opens");
        let Some(operation) = service.operations.first() else { continue };
        let context = context(service, operation);
        for (at, shape) in service.shapes.iter().enumerate() {
            let ix = ShapeIx(u32::try_from(at).expect("small"));
            let Some(structure) = service.structure(ix).filter(|structure| structure.error.is_some()) else { continue };
            let fields = synthesize_error(&context, service, None, ix);
            assert!(fields.get("message").is_none() || structure.member("message").is_some_and(|m| m.required));
            let found = problems(service, Some(ix), &Document::Map(fields));
            assert!(found.is_empty(), "{} {}: {found:?}", service.id, shape.name);
        }
    }
}

#[test]
fn an_environment_is_what_was_asked_for() {
    let output = answer("mwaa", "GetEnvironment", &json!({"Name": "demo"}));
    let environment = &output["Environment"];
    assert_eq!(environment["Name"], "demo");
    assert_eq!(environment["Status"], "AVAILABLE");
    assert_eq!(environment["Arn"], "arn:aws:airflow:eu-central-1:123456789012:environment/demo");
    assert_eq!(environment["LastUpdate"]["Status"], "SUCCESS");
    let created = answer("mwaa", "CreateEnvironment", &json!({"Name": "demo"}));
    assert_eq!(created["Arn"], environment["Arn"]);
    let listed = answer("mwaa", "ListEnvironments", &json!({"MaxResults": 1}));
    assert_eq!(listed["Environments"].as_array().map(Vec::len), Some(1));
    assert_eq!(listed.get("NextToken"), None);
}

#[test]
fn proton_knows_its_own() {
    let output = answer("proton", "GetEnvironment", &json!({"name": "demo"}));
    assert_eq!(output["environment"]["name"], "demo");
    assert_eq!(output["environment"]["arn"], "arn:aws:proton:eu-central-1:123456789012:environment/demo");
    assert_eq!(output["environment"]["deploymentStatus"], "SUCCEEDED");
    let services = answer("proton", "ListServices", &json!({}));
    let names: Vec<_> = services["services"].as_array().into_iter().flatten().map(|s| &s["name"]).collect();
    assert_eq!(names.len(), 2);
    assert_ne!(names[0], names[1]);
}

#[test]
fn parts_know_what_they_are_part_of() {
    let output = answer("proton", "GetServiceInstance", &json!({"name": "blue", "serviceName": "shop"}));
    let instance = &output["serviceInstance"];
    assert_eq!((&instance["name"], &instance["serviceName"]), (&json!("blue"), &json!("shop")));
    assert_eq!(instance["arn"], "arn:aws:proton:eu-central-1:123456789012:service/shop/service-instance/blue");
    let output = answer("codepipeline", "GetPipelineState", &json!({"name": "release"}));
    assert_eq!(output["pipelineName"], "release");
    let output = answer("secretsmanager", "GetSecretValue", &json!({"SecretId": "db"}));
    assert_eq!(output["Name"], "db");
    let output = answer("mwaa", "CreateCliToken", &json!({"Name": "demo"}));
    assert_ne!(output["CliToken"], "demo");
}

#[test]
fn the_caller_is_of_the_account() {
    let output = answer("sts", "GetCallerIdentity", &json!({}));
    assert_eq!(output["Account"], "123456789012");
    assert!(output["Arn"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:iam::123456789012:user/")), "{output}");
}

#[test]
fn instances_are_those_asked_for() {
    let output = answer("ec2", "DescribeInstances", &json!({}));
    let instance = &output["Reservations"][0]["Instances"][0];
    assert!(instance["InstanceId"].as_str().is_some_and(|id| id.starts_with("i-")), "{instance}");
    assert_eq!(instance["State"]["Name"], "running");
    assert!(instance["VpcId"].as_str().is_some_and(|id| id.starts_with("vpc-")), "{instance}");
}

#[test]
fn objects_are_listed_once() {
    let output = answer("s3", "ListObjectsV2", &json!({"Bucket": "data"}));
    assert_eq!(output["Name"], "data");
    assert_eq!(output["KeyCount"], output["Contents"].as_array().map(Vec::len).unwrap_or_default());
    assert_eq!(output["IsTruncated"], false);
    assert_eq!(output.get("NextContinuationToken"), None);
    assert_eq!(output.get("Prefix"), None);
    let folders = answer("s3", "ListObjectsV2", &json!({"Bucket": "data", "Prefix": "", "Delimiter": "/"}));
    assert_eq!(folders["Prefix"], "");
    assert!(folders["CommonPrefixes"][0]["Prefix"].as_str().is_some_and(|prefix| prefix.ends_with('/')), "{folders}");
}

#[test]
fn a_function_has_the_name_asked_for() {
    let output = answer("lambda", "GetFunction", &json!({"FunctionName": "hello"}));
    let configuration = &output["Configuration"];
    assert_eq!(configuration["FunctionName"], "hello");
    assert_eq!(configuration["FunctionArn"], "arn:aws:lambda:eu-central-1:123456789012:function:hello");
    assert_eq!(configuration["State"], "Active");
    assert_eq!(configuration["LastUpdateStatus"], "Successful");
    let by_arn = json!({"FunctionName": "arn:aws:lambda:eu-central-1:123456789012:function:hello"});
    assert_eq!(answer("lambda", "GetFunction", &by_arn)["Configuration"]["FunctionName"], "hello");
}

#[test]
fn a_message_has_its_digest() {
    let output = answer("sqs", "ReceiveMessage", &json!({"QueueUrl": "http://localhost:4566/1/q"}));
    let message = &output["Messages"][0];
    assert_eq!(message["MD5OfBody"].as_str().map(str::len), Some(32));
    let sent = answer("sqs", "SendMessage", &json!({"QueueUrl": "http://localhost:4566/1/q", "MessageBody": "hello"}));
    assert_eq!(sent["MD5OfMessageBody"], "5d41402abc4b2a76b9719d911017c592");
}

#[test]
fn entries_are_answered_one_by_one() {
    let entries =
        json!([{"Id": "a", "MessageBody": "x"}, {"Id": "b", "MessageBody": "y"}, {"Id": "c", "MessageBody": "z"}]);
    let output =
        answer("sqs", "SendMessageBatch", &json!({"QueueUrl": "http://localhost:4566/1/q", "Entries": entries}));
    let ids: Vec<_> = output["Successful"].as_array().into_iter().flatten().map(|entry| &entry["Id"]).collect();
    assert_eq!(ids, ["a", "b", "c"]);
    assert_eq!(output["Failed"], json!([]));
}

#[test]
fn repositories_are_listed() {
    let output = answer("codecommit", "ListRepositories", &json!({}));
    assert_eq!(output["repositories"].as_array().map(Vec::len), Some(2));
    let output = answer("codecommit", "GetRepository", &json!({"repositoryName": "code"}));
    assert_eq!(output["repositoryMetadata"]["Arn"], "arn:aws:codecommit:eu-central-1:123456789012:code");
}

#[test]
fn what_was_not_set_stays_away() {
    let output = answer(
        "proton",
        "CreateEnvironment",
        &json!({"name": "demo", "templateName": "t", "templateMajorVersion": "1", "spec": "x"}),
    );
    assert_eq!(output["environment"]["name"], "demo");
    assert_eq!(output["environment"]["templateName"], "t");
    assert_eq!(output["environment"].get("description"), None);
}

#[test]
fn different_resources_have_different_ids() {
    let id = |cidr: &str| answer("ec2", "CreateVpc", &json!({"CidrBlock": cidr}))["Vpc"]["VpcId"].clone();
    assert_ne!(id("10.0.0.0/16"), id("10.1.0.0/16"));
    assert_eq!(id("10.0.0.0/16"), id("10.0.0.0/16"));
}

#[test]
fn account_and_region_count() {
    let (service, operation) = operation("ec2", "DescribeVpcs");
    let mut context = context(service, operation);
    let synthesizer = Synthesizer::new(Catalogue::shared());
    let here = synthesizer.synthesize(&context, &Document::map());
    context.ordinal = 2;
    assert_eq!(here, synthesizer.synthesize(&context, &Document::map()));
    context.region = Arc::from("us-west-2");
    assert_ne!(here, synthesizer.synthesize(&context, &Document::map()));
}

/// Calls back for every value of a document with the member that it stands in.
fn each<'d>(document: &'d Document, name: &'d str, call: &mut impl FnMut(&'d str, &'d Document)) {
    call(name, document);
    match document {
        Document::List(items) => items.iter().for_each(|item| each(item, name, call)),
        Document::Map(fields) => fields.iter().for_each(|(key, item)| each(item, key, call)),
        _ => {}
    }
}

#[test]
fn answers_are_of_the_call_and_waiters_content() {
    let synthesizer = Synthesizer::new(Catalogue::shared());
    let (mut wrong, mut unmet, mut twins) = (Vec::new(), Vec::new(), Vec::new());
    for entry in Catalogue::shared().services() {
        let service = entry.open().expect("opens");
        for operation in &service.operations {
            let output = synthesizer.synthesize(&context(service, operation), &Document::map());
            let whose = format!("{} {}", service.id, operation.name);
            each(&output, "", &mut |name, value| {
                if let Document::List(items) = value
                    && let [Document::Map(one), Document::Map(other)] = items.as_slice()
                    && one == other
                {
                    twins.push(format!("{whose} {name}"));
                }
            });
            misplaced(&output, |what| wrong.push(format!("{whose} {what}")));
            unmet.extend(unmet_waiters(service, operation, &output).map(|place| format!("{whose} {place}")));
        }
    }
    // Two are asked for, and there is nothing to tell them apart.
    assert!(twins.len() < 20, "{} twins: {twins:#?}", twins.len());
    // Patterns or lengths that leave no room for a region and an account, or only in ways that nobody would guess.
    const ODD: [&str; 9] = [
        "bedrock ",
        "bedrock-agentcore-control ",
        "events ",
        "inspector2 ",
        "iot-managed-integrations ",
        "location ",
        "lookoutmetrics ",
        "socialmessaging ",
        "supplychain ",
    ];
    wrong.retain(|what| !ODD.iter().any(|odd| what.starts_with(odd)));
    assert!(wrong.is_empty(), "{} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(20)]);
    // A value that the model does not have, and ends of resources, which are not what most want to see.
    const NOT_MET: [&str; 6] = [
        "appconfig GetEnvironment State",
        "deadline GetQueueFleetAssociation status",
        "deadline GetQueueLimitAssociation status",
        "ec2 DescribeVpcPeeringConnections VpcPeeringConnections[].Status.Code",
        "ecs DescribeServices services[].status",
        "elementalinference GetFeed status",
    ];
    assert_eq!(unmet, NOT_MET);
}

/// ARNs of another partition, region or account; times to come that should be past, or in the wrong order.
fn misplaced(output: &Document, mut complain: impl FnMut(String)) {
    each(output, "", &mut |name, value| match value {
        Document::String(text) if text.starts_with("arn:") => {
            let good = Arn::parse(text).is_some_and(|arn| {
                arn.partition == "aws"
                    && ["", "eu-central-1"].contains(&arn.region)
                    && ["", "123456789012", "aws"].contains(&arn.account)
            });
            if !good {
                complain(format!("{name}: {text}"));
            }
        }
        Document::Timestamp(at)
            if at.seconds >= ORIGIN && !matches!(TimeRole::of(name), TimeRole::Next | TimeRole::Expires) =>
        {
            complain(format!("{name}: {at}"));
        }
        Document::Map(fields) => {
            let at = |name: &str| match fields.get(name) {
                Some(Document::Timestamp(at)) => Some(*at),
                _ => None,
            };
            for (before, after) in
                [("createdAt", "updatedAt"), ("CreationTime", "LastModifiedTime"), ("startTime", "endTime")]
            {
                if let (Some(before), Some(after)) = (at(before), at(after))
                    && before > after
                {
                    complain(format!("{before} > {after}"));
                }
            }
        }
        _ => {}
    });
}

/// The places where waiters look for a plain value and none of them finds the one that it waits for.
fn unmet_waiters(service: &Service, operation: &Operation, output: &Document) -> impl Iterator<Item = Str> {
    // Several waiters may look at the same place and wait for different things: one of them is content.
    let mut places: Vec<(Str, bool)> = Vec::new();
    for waiter in service.waiters.iter().filter(|waiter| waiter.operation == operation.name) {
        for acceptor in waiter.acceptors.iter().filter(|acceptor| acceptor.state == WaiterState::Success) {
            let plain = acceptor.argument.bytes().all(|b| b.is_ascii_alphanumeric() || b"._[]".contains(&b));
            let expected: Value = serde_json::from_str(acceptor.expected).unwrap_or(Value::Null);
            if !acceptor.matcher.starts_with("path") || !plain || !(expected.is_string() || expected.is_boolean()) {
                continue;
            }
            let found = values(output, acceptor.argument);
            let met = !found.is_empty() && found.iter().all(|value| value.to_json() == expected);
            match places.iter_mut().find(|(argument, _)| *argument == acceptor.argument) {
                Some((_, any)) => *any |= met,
                None => places.push((acceptor.argument, met)),
            }
        }
    }
    places.into_iter().filter(|(_, met)| !met).map(|(place, _)| place)
}

/// The values at a path such as `Reservations[].Instances[].State.Name`.
fn values<'d>(document: &'d Document, path: &str) -> Vec<&'d Document> {
    let mut at = vec![document];
    for step in path.split('.') {
        let name = step.split('[').next().unwrap_or(step);
        at = at.into_iter().filter_map(|value| value.get(name)).collect();
        if step.contains('[') {
            at = at.into_iter().flat_map(|list| list.as_list().unwrap_or_default()).collect();
        }
    }
    at
}

#[test]
fn no_input_makes_it_panic() {
    let synthesizer = Synthesizer::new(Catalogue::shared());
    for id in ["ec2", "s3", "sqs", "lambda", "dynamodb", "iot", "connect"] {
        let service = Catalogue::shared().newest(id).expect("served").open().expect("opens");
        for operation in &service.operations {
            let context = context(service, operation);
            let names = operation.input.and_then(|input| service.structure(input));
            let names = || names.into_iter().flat_map(|input| &input.members).map(|member| member.name);
            for odd in [
                Document::Null,
                Document::Int(-1),
                Document::from("arn:"),
                Document::from("\u{1f980}".repeat(5000)),
                Document::List(vec![Document::Null, Document::from("x"), Document::map()]),
                Document::map(),
            ] {
                let input: Fields = names().map(|name| (name.into(), odd.clone())).collect();
                let output = synthesizer.synthesize(&context, &Document::Map(input));
                assert!(nodes(&output) < 5000, "{id} {}", operation.name);
                let output = synthesizer.synthesize(&context, &odd);
                let found = problems(service, operation.output, &output);
                assert!(found.is_empty(), "{id} {}: {found:?}", operation.name);
            }
        }
    }
}

#[test]
fn example_inputs_differ_by_draw_only() {
    let (service, operation) = operation("proton", "CreateEnvironment");
    let input = |fill, seed| example_input(service, operation, fill, &mut Draw::from_seed(seed));
    assert_eq!(input(Fill::All, 1), input(Fill::All, 1));
    assert_ne!(input(Fill::All, 1).get("name"), input(Fill::All, 2).get("name"));
    let required = input(Fill::Required, 1);
    let names: Vec<_> = required.as_map().into_iter().flat_map(Fields::iter).map(|(name, _)| name.as_ref()).collect();
    assert_eq!(names, ["name", "spec", "templateMajorVersion", "templateName"]);
}

#[test]
fn an_error_tells_more_than_its_message() {
    let (service, operation) = operation("medialive", "DescribeChannel");
    let shape = service.shape_named("UnprocessableEntityException").expect("modelled");
    let fields = synthesize_error(&context(service, operation), service, Some(operation), shape);
    assert!(fields.get("ValidationErrors").is_some_and(|errors| errors.as_list().is_some_and(|list| !list.is_empty())));
}
