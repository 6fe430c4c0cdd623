//! The engine over a store in memory, with an S3 that has what tests put there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use standin_core::{Caller, Dice, Place, Registry};
use standin_model::{Catalogue, Timestamp};
use standin_store::MemoryStore;

use super::*;

const DEFINITION: &str = "birds:
  schedule: '0 4 * * *'
  tasks:
    count: {operator: airflow.providers.amazon.aws.operators.s3.S3ListOperator, bucket: birds}
    note: {operator: airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator, dependencies: [count]}
";

/// Objects by path; all that is asked for otherwise is done.
#[derive(Default)]
struct Others(Mutex<HashMap<String, String>>);

impl Handler for Others {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let text = |name: &str| call.input.get(name).and_then(Document::as_str).unwrap_or_default();
        let path = format!("{}/{}", text("Bucket"), text("Key"));
        let object = self.0.lock().expect("no test panics with it").get(&path).cloned();
        let answer = match (call.context.operation.name, object) {
            ("GetObject" | "HeadObject", None) => Err(OperationError::new("NoSuchKey", "There is none.")),
            (_, object) => {
                let mut output = Fields::new();
                output.push("Body", Document::Blob(object.unwrap_or_default().into_bytes().into()));
                Ok(Answer::new(Document::Map(output), Fidelity::Engine))
            }
        };
        Box::pin(std::future::ready(answer))
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
}

struct World {
    engine: Engine,
    others: Arc<Others>,
    now: Mutex<i64>,
    asked: Mutex<u64>,
}

impl World {
    fn new(pace_ms: u64) -> Self {
        let others = Arc::new(Others::default());
        let registry = Arc::new(Registry::new(others.clone()));
        let caller = Caller::new(Catalogue::shared(), registry, Timestamp::default(), Dice::new(1));
        let engine = Engine::new(Arc::new(MemoryStore::default()), Neighbours::new(caller))
            .with_pace(move || Duration::from_millis(pace_ms));
        let world = Self { engine, others, now: Mutex::new(1_800_000_000_000), asked: Mutex::new(0) };
        world.put("flows/birds.yaml", DEFINITION);
        world
    }

    fn put(&self, path: &str, body: &str) {
        self.others.0.lock().expect("no test panics with it").insert(path.to_owned(), body.to_owned());
    }

    fn advance(&self, ms: i64) {
        *self.now.lock().expect("no test panics with it") += ms;
    }

    async fn call_as(&self, account: &str, operation: &str, input: &Value) -> Result<Value, OperationError> {
        let nonce = {
            let mut asked = self.asked.lock().expect("no test panics with it");
            *asked += 1;
            asked.to_string()
        };
        let scope = Scope {
            place: Place {
                partition: "aws".into(),
                account: account.into(),
                region: "eu-west-1".into(),
                access_key: None,
                now: Timestamp::from_millis(*self.now.lock().expect("no test panics with it")),
            },
            dice: Dice::new(1),
            nonce,
            base_url: String::new(),
            twist: None,
        };
        self.engine.call(&scope, operation, &Document::from_json(input)).await.map(|output| output.to_json())
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, OperationError> {
        self.call_as("111122223333", operation, &input).await
    }

    async fn ok(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    async fn fails(&self, operation: &str, input: Value, code: &str, part: &str) {
        let error = self.call(operation, input).await.expect_err("it fails");
        assert!(error.code == code && error.message.contains(part), "{operation}: {error}");
        // What the models require of errors is there.
        let member = if code == "ValidationException" { "Reason" } else { "ResourceId" };
        assert!(error.members.get(member).is_some(), "{operation}: {:?}", error.members);
    }

    async fn create(&self, name: &str) -> String {
        let created = self.ok("CreateWorkflow", create(name)).await;
        created["WorkflowArn"].as_str().expect("it has an ARN").to_owned()
    }

    async fn status(&self, arn: &str, run: &str) -> Value {
        self.ok("GetWorkflowRun", json!({"WorkflowArn": arn, "RunId": run})).await["RunDetail"]["RunState"].clone()
    }
}

fn create(name: &str) -> Value {
    json!({
        "Name": name,
        "DefinitionS3Location": {"Bucket": "flows", "ObjectKey": "birds.yaml"},
        "RoleArn": "arn:aws:iam::111122223333:role/flows",
    })
}

#[tokio::test]
async fn workflows_are_made_listed_and_deleted() {
    let world = World::new(0);
    let arn = world.create("birds").await;
    assert!(arn.starts_with("arn:aws:airflow-serverless:eu-west-1:111122223333:workflow/birds-"), "{arn}");
    let shown = world.ok("GetWorkflow", json!({"WorkflowArn": arn})).await;
    assert_eq!(shown["ScheduleConfiguration"]["CronExpression"], "0 4 * * *");
    assert_eq!(shown["WorkflowStatus"], "READY");
    assert_eq!(shown["WorkflowDefinition"], DEFINITION);
    world.fails("CreateWorkflow", create("birds"), "ConflictException", "a workflow birds already").await;
    let listed = world.ok("ListWorkflows", json!({})).await;
    assert_eq!(listed["Workflows"][0]["WorkflowArn"], arn.as_str());
    let foreign = world.call_as("999999999999", "GetWorkflow", &json!({"WorkflowArn": arn})).await;
    assert_eq!(foreign.expect_err("it is another's").code, "ResourceNotFoundException");
    world.ok("DeleteWorkflow", json!({"WorkflowArn": arn})).await;
    let gone = ("ResourceNotFoundException", "There is no workflow");
    world.fails("GetWorkflow", json!({"WorkflowArn": arn}), gone.0, gone.1).await;
    world.fails("DeleteWorkflow", json!({"WorkflowArn": arn}), gone.0, gone.1).await;
    assert_ne!(world.create("birds").await, arn, "a name can be used again, its id cannot");
}

#[tokio::test]
async fn definitions_are_judged() {
    let world = World::new(0);
    let bad = "ValidationException";
    for (text, part) in [
        ("birds: [", "is no YAML"),
        ("birds: {tasks: {a: {operator: print}}}", "is no operator"),
        ("birds: {tasks: {a: {operator: airflow.a.A, dependencies: [a]}}}", "in a circle"),
    ] {
        world.put("flows/birds.yaml", text);
        world.fails("CreateWorkflow", create("birds"), bad, part).await;
    }
    world.put("flows/birds.yaml", &"#".repeat(definition::BYTES_MAX + 1));
    world.fails("CreateWorkflow", create("birds"), bad, "more than").await;
    let mut input = create("birds");
    input["DefinitionS3Location"]["ObjectKey"] = json!("nothing.yaml");
    world.fails("CreateWorkflow", input, bad, "s3://flows/nothing.yaml cannot be read").await;
    world.put("flows/birds.yaml", DEFINITION);
    let mut input = create("birds");
    input["Code"] = json!({"S3Location": {"Bucket": "flows", "ObjectKey": "code.zip"}});
    world.fails("CreateWorkflow", input, bad, "there is no s3://flows/code.zip").await;
    assert_eq!(world.ok("ListWorkflows", json!({})).await["Workflows"], json!([]), "nothing was made");
}

#[tokio::test]
async fn a_token_makes_one_workflow_and_one_run() {
    let world = World::new(1000);
    let mut input = create("birds");
    input["ClientToken"] = json!("once");
    let first = world.ok("CreateWorkflow", input.clone()).await;
    assert_eq!(world.ok("CreateWorkflow", input.clone()).await, first);
    input["Description"] = json!("other");
    world.fails("CreateWorkflow", input, "ValidationException", "ClientToken").await;
    let start = json!({"WorkflowArn": first["WorkflowArn"], "ClientToken": "run"});
    let run = world.ok("StartWorkflowRun", start.clone()).await;
    assert_eq!(run["Status"], "STARTING");
    assert_eq!(world.ok("StartWorkflowRun", start).await["RunId"], run["RunId"]);
}

#[tokio::test]
async fn versions_are_kept() {
    let world = World::new(0);
    let arn = world.create("birds").await;
    let first = world.ok("GetWorkflow", json!({"WorkflowArn": arn})).await["WorkflowVersion"].clone();
    world.put("flows/birds.yaml", "b: {tasks: {only: {operator: airflow.a.A}}}");
    let mut update = create("birds");
    update.as_object_mut().expect("it is one").remove("Name");
    update["WorkflowArn"] = json!(arn);
    let second = world.ok("UpdateWorkflow", update).await["WorkflowVersion"].clone();
    let versions = world.ok("ListWorkflowVersions", json!({"WorkflowArn": arn, "MaxResults": 1})).await;
    assert_eq!(versions["WorkflowVersions"][0]["WorkflowVersion"], second);
    assert_eq!(versions["WorkflowVersions"][0]["IsLatestVersion"], true);
    let next = json!({"WorkflowArn": arn, "NextToken": versions["NextToken"]});
    let versions = world.ok("ListWorkflowVersions", next).await;
    assert_eq!(versions["WorkflowVersions"][0]["WorkflowVersion"], first);
    assert_eq!(versions["WorkflowVersions"][0]["IsLatestVersion"], false);
    for (version, tasks) in [(Some(&first), 2), (None, 1)] {
        let mut start = json!({"WorkflowArn": arn});
        if let Some(version) = version {
            start["WorkflowVersion"] = version.clone();
        }
        let run = world.ok("StartWorkflowRun", start).await["RunId"].clone();
        let of_run = world.ok("ListTaskInstances", json!({"WorkflowArn": arn, "RunId": run})).await;
        assert_eq!(of_run["TaskInstances"].as_array().map(Vec::len), Some(tasks));
    }
    let of_first = json!({"WorkflowArn": arn, "WorkflowVersion": first});
    assert_eq!(world.ok("ListWorkflowRuns", of_first).await["WorkflowRuns"].as_array().map(Vec::len), Some(1));
    world.ok("DeleteWorkflow", json!({"WorkflowArn": arn, "WorkflowVersion": second})).await;
    assert_eq!(world.ok("GetWorkflow", json!({"WorkflowArn": arn})).await["WorkflowVersion"], first);
    world.ok("DeleteWorkflow", json!({"WorkflowArn": arn, "WorkflowVersion": first})).await;
    assert_eq!(world.ok("ListWorkflows", json!({})).await["Workflows"], json!([]));
}

#[tokio::test]
async fn runs_go_on_are_listed_and_stopped() {
    let world = World::new(1000);
    let arn = world.create("birds").await;
    let run = world.ok("StartWorkflowRun", json!({"WorkflowArn": arn, "OverrideParameters": {"a": 1}})).await;
    let run = run["RunId"].as_str().expect("it has an id").to_owned();
    let mut seen = Vec::new();
    for _ in 0..5 {
        seen.push(world.status(&arn, &run).await);
        world.advance(1000);
    }
    assert_eq!(seen, ["STARTING", "QUEUED", "RUNNING", "RUNNING", "SUCCESS"]);
    let shown = world.ok("GetWorkflowRun", json!({"WorkflowArn": arn, "RunId": run})).await;
    assert_eq!(shown["OverrideParameters"], json!({"a": 1}));
    assert_eq!(shown["RunDetail"]["Duration"], 2);
    let instance = shown["RunDetail"]["TaskInstances"][1].clone();
    let asked = json!({"WorkflowArn": arn, "RunId": run, "TaskInstanceId": instance});
    let instance = world.ok("GetTaskInstance", asked).await;
    assert_eq!((&instance["TaskId"], &instance["Status"]), (&json!("note"), &json!("SUCCESS")));
    assert_eq!(instance["OperatorName"], "airflow.providers.amazon.aws.operators.s3.S3CreateObjectOperator");
    let of_run = json!({"WorkflowArn": arn, "RunId": run});
    world.fails("StopWorkflowRun", of_run, "ValidationException", "it ended with SUCCESS").await;

    let later = world.ok("StartWorkflowRun", json!({"WorkflowArn": arn})).await["RunId"].clone();
    let stopped = world.ok("StopWorkflowRun", json!({"WorkflowArn": arn, "RunId": later})).await;
    assert_eq!(stopped["Status"], "STOPPING");
    world.advance(1000);
    let runs = world.ok("ListWorkflowRuns", json!({"WorkflowArn": arn})).await;
    let states = runs["WorkflowRuns"].as_array().expect("a list").iter();
    let states: Vec<_> = states.map(|run| run["RunDetailSummary"]["Status"].clone()).collect();
    assert_eq!(states, ["STOPPED", "SUCCESS"], "the latest first");
    let nothing = json!({"WorkflowArn": arn, "RunId": "nothing"});
    world.fails("GetWorkflowRun", nothing, "ResourceNotFoundException", "workflow-run nothing").await;
}

#[tokio::test]
async fn lists_have_pages_and_refuse_tokens_of_others() {
    let world = World::new(0);
    for name in ["a", "b", "c"] {
        world.create(name).await;
    }
    let (mut names, mut token) = (Vec::new(), Value::Null);
    loop {
        let mut input = json!({"MaxResults": 2});
        if token.is_string() {
            input["NextToken"] = token;
        }
        let page = world.ok("ListWorkflows", input).await;
        names.extend(page["Workflows"].as_array().expect("a list").iter().map(|one| one["Name"].clone()));
        token = page["NextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(names, ["a", "b", "c"]);
    world.fails("ListWorkflows", json!({"NextToken": "nonsense"}), "ValidationException", "NextToken").await;
}

#[tokio::test]
async fn tags_are_kept() {
    let world = World::new(0);
    let arn = world.create("birds").await;
    world.ok("TagResource", json!({"ResourceArn": arn, "Tags": {"a": "1", "b": "2"}})).await;
    world.ok("UntagResource", json!({"ResourceArn": arn, "TagKeys": ["a", "x"]})).await;
    let tags = world.ok("ListTagsForResource", json!({"ResourceArn": arn})).await;
    assert_eq!(tags["Tags"], json!({"b": "2"}));
    let many: serde_json::Map<String, Value> = (0..50).map(|at| (format!("t{at}"), json!(""))).collect();
    world.fails("TagResource", json!({"ResourceArn": arn, "Tags": many}), "ValidationException", "at most 50").await;
}

#[tokio::test]
async fn what_is_disabled_does_not_run() {
    let world = World::new(0);
    let mut input = create("birds");
    input["TriggerMode"] = json!("Disabled");
    let arn = world.ok("CreateWorkflow", input).await["WorkflowArn"].clone();
    world.fails("StartWorkflowRun", json!({"WorkflowArn": arn}), "ValidationException", "is disabled").await;
}
