//! Stacks through the handler, over a store in memory and simulated resources.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use standin_cloudformation::ServiceResources;
use standin_cloudformation::evaluate::Made;
use standin_cloudformation::resources::{Drift, Place, Replacement, Resources, Wanted};
use standin_cloudformation::stacks::{Engine, SERVICE};
use standin_core::{BoxFuture, Call, CallContext, Clock, Dice, Handler, OperationError};
use standin_model::{Catalogue, Document, Timestamp};
use standin_store::{MemoryStore, Store};

/// Simulated resources, of which those that a property says so cannot be made.
struct Fragile {
    inner: ServiceResources,
    /// After so many resources, every call hangs up: as if the server were killed there.
    left: AtomicI64,
    /// How long services take.
    takes_ms: AtomicI64,
    /// What is there cannot be deleted, nor become a robin.
    stuck: AtomicBool,
}

impl Fragile {
    fn fails(wanted: &Wanted<'_>) -> Option<String> {
        let text = wanted.properties.get("DisplayName").and_then(Value::as_str);
        (text == Some("bad")).then(|| "it was told to fail".to_owned())
    }
}

impl Resources for Fragile {
    fn knows(&self, kind: &str) -> bool {
        self.inner.knows(kind)
    }

    fn replacement(&self, kind: &str, property: &str) -> Replacement {
        self.inner.replacement(kind, property)
    }

    fn create<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Made, String>> {
        Box::pin(async move {
            if let Some(why) = Self::fails(&wanted) {
                return Err(why);
            }
            assert!(self.left.fetch_sub(1, Ordering::Relaxed) > 0, "killed");
            self.inner.create(place, wanted).await
        })
    }

    fn update<'a>(
        &'a self,
        place: &'a Place,
        wanted: Wanted<'a>,
        made: &'a Made,
        before: &'a Value,
    ) -> BoxFuture<'a, Result<Made, String>> {
        Box::pin(async move {
            let robin = wanted.properties.get("DisplayName").and_then(Value::as_str) == Some("robin");
            match Self::fails(&wanted) {
                None if robin && self.stuck.load(Ordering::Relaxed) => Err("it is stuck".to_owned()),
                Some(why) => Err(why),
                None => self.inner.update(place, wanted, made, before).await,
            }
        })
    }

    fn delete<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Result<(), String>> {
        match self.stuck.load(Ordering::Relaxed) && wanted.logical_id == "T" {
            true => Box::pin(std::future::ready(Err("it is stuck".to_owned()))),
            false => self.inner.delete(place, wanted, made),
        }
    }

    fn drift<'a>(&'a self, place: &'a Place, wanted: Wanted<'a>, made: &'a Made) -> BoxFuture<'a, Drift> {
        self.inner.drift(place, wanted, made)
    }

    fn takes_tags(&self, kind: &str) -> bool {
        self.inner.takes_tags(kind)
    }

    fn takes_ms(&self, _: &str) -> i64 {
        self.takes_ms.load(Ordering::Relaxed)
    }

    fn resolve<'a>(&'a self, place: &'a Place, reference: &'a str) -> BoxFuture<'a, Result<String, String>> {
        self.inner.resolve(place, reference)
    }

    fn read_parameter<'a>(&'a self, place: &'a Place, name: &'a str) -> BoxFuture<'a, Option<String>> {
        self.inner.read_parameter(place, name)
    }

    fn read_object<'a>(
        &'a self,
        place: &'a Place,
        bucket: &'a str,
        key: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<String, String>> {
        self.inner.read_object(place, bucket, key, bytes_max)
    }

    fn attribute(&self, kind: &str, made: &Made, name: &str) -> Option<Value> {
        self.inner.attribute(kind, made, name)
    }
}

struct World {
    engine: Engine,
    resources: Arc<Fragile>,
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
}

impl World {
    fn new() -> Self {
        let inner = ServiceResources::simulated(Catalogue::shared());
        let left = AtomicI64::new(i64::MAX);
        let resources = Arc::new(Fragile { inner, left, takes_ms: AtomicI64::new(0), stuck: AtomicBool::new(false) });
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let clock = Arc::new(Clock::frozen_at(Timestamp::from_seconds(1_800_000_000)));
        let engine = Engine::new(store.clone(), resources.clone(), clock.clone(), Dice::new(7));
        Self { engine, resources, store, clock }
    }

    /// Services take so long from now on.
    fn slow(takes: Duration) -> Self {
        let world = Self::new();
        world.resources.takes_ms.store(i64::try_from(takes.as_millis()).expect("short"), Ordering::Relaxed);
        world
    }

    /// Does what is due by now.
    async fn work(&self) {
        while self.engine.work("test").await.expect("the store works") > 0 {}
    }

    /// Does what is due after some time.
    async fn work_after(&self, time: Duration) {
        self.clock.advance(time);
        self.work().await;
    }

    async fn call(&self, operation: &str, input: Value) -> Result<Value, OperationError> {
        let service = Catalogue::shared().newest(SERVICE).expect("in the catalogue").open().expect("readable");
        let operation = service.operation(operation).expect("modelled");
        let context = CallContext {
            request_id: "r".into(),
            ordinal: 1,
            service,
            operation,
            protocol: service.protocol(),
            partition: "aws",
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            access_key: None,
            base_url: "http://localhost:4566".into(),
            now: self.clock.now(),
            origin: self.clock.origin(),
            dice: Dice::new(7),
            mishap: None,
        };
        let mut call = Call { context, input: Document::from_json(&input), body: None };
        self.engine.handle(&mut call).await.map(|answer| answer.output.to_json())
    }

    /// The answer of a call, after which what it began was carried as far as that goes at once.
    async fn ok(&self, operation: &str, input: Value) -> Value {
        let answer = self.begin(operation, input).await;
        self.work().await;
        answer
    }

    /// The answer of a call; nothing has happened yet of what it began.
    async fn begin(&self, operation: &str, input: Value) -> Value {
        self.call(operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"))
    }

    async fn status(&self, stack: &str) -> String {
        self.stack(stack).await["StackStatus"].as_str().unwrap_or_default().to_owned()
    }

    async fn error(&self, operation: &str, input: Value) -> String {
        self.call(operation, input).await.expect_err(operation).to_string()
    }

    async fn stack(&self, name: &str) -> Value {
        self.ok("DescribeStacks", json!({"StackName": name})).await["Stacks"][0].clone()
    }

    async fn physical(&self, stack: &str, logical: &str) -> String {
        let input = json!({"StackName": stack, "LogicalResourceId": logical});
        let answer = self.ok("DescribeStackResource", input).await;
        answer["StackResourceDetail"]["PhysicalResourceId"].as_str().unwrap_or_default().to_owned()
    }

    /// Events, the oldest first: logical id and status.
    async fn events(&self, stack: &str) -> Vec<String> {
        let answer = self.ok("DescribeStackEvents", json!({"StackName": stack})).await;
        let events = answer["StackEvents"].as_array().expect("a list").iter().rev();
        events
            .map(|event| {
                let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("LogicalResourceId"), text("ResourceStatus"))
            })
            .collect()
    }
}

fn body(template: &Value) -> Value {
    Value::from(template.to_string())
}

fn birds() -> Value {
    json!({
        "Parameters": {"Name": {"Type": "String", "Default": "robin"}},
        "Resources": {
            "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Ref": "Name"}}},
            "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "${Topic.TopicName}-q"}}},
        },
        "Outputs": {
            "QueueArn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": {"Fn::Sub": "${AWS::StackName}-queue"}}},
            "Topic": {"Value": {"Ref": "Topic"}},
        },
    })
}

#[tokio::test]
async fn a_stack_lives() {
    let world = World::new();
    let made = world.ok("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "CREATE_COMPLETE");
    assert_eq!(stack["StackId"], made["StackId"]);
    assert_eq!(stack["Outputs"][0]["OutputValue"], "arn:aws:sqs:eu-west-1:111122223333:robin-q");
    assert_eq!(stack["Outputs"][0]["ExportName"], "birds-queue");
    assert_eq!(stack["Outputs"][1]["OutputValue"], "arn:aws:sns:eu-west-1:111122223333:robin");
    assert_eq!(
        world.events("birds").await,
        [
            "birds CREATE_IN_PROGRESS",
            "Topic CREATE_IN_PROGRESS",
            "Topic CREATE_IN_PROGRESS",
            "Topic CREATE_COMPLETE",
            "Queue CREATE_IN_PROGRESS",
            "Queue CREATE_IN_PROGRESS",
            "Queue CREATE_COMPLETE",
            "birds CREATE_COMPLETE",
        ]
    );
    let again = world.error("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    assert_eq!(again, "AlreadyExistsException: Stack [birds] already exists");
    let same = world.error("UpdateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    assert_eq!(same, "ValidationError: No updates are to be performed.");

    // Another name replaces the topic, and with it the queue.
    let before = world.physical("birds", "Topic").await;
    let rename = json!({"StackName": "birds", "UsePreviousTemplate": true, "Parameters": [{"ParameterKey": "Name", "ParameterValue": "wren"}]});
    world.ok("UpdateStack", rename).await;
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "UPDATE_COMPLETE");
    assert_ne!(world.physical("birds", "Topic").await, before);
    assert_eq!(stack["Outputs"][0]["OutputValue"], "arn:aws:sqs:eu-west-1:111122223333:wren-q");

    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    assert!(
        world
            .error("DescribeStacks", json!({"StackName": "birds"}))
            .await
            .contains("Stack with id birds does not exist")
    );
    let gone = world.stack(made["StackId"].as_str().expect("an id")).await;
    assert_eq!(gone["StackStatus"], "DELETE_COMPLETE");
    let exports = world.ok("ListExports", json!({})).await;
    assert_eq!(exports["Exports"], json!([]));
}

#[tokio::test]
async fn what_fails_is_taken_back() {
    let world = World::new();
    let mut template = birds();
    template["Resources"]["Bad"] =
        json!({"Type": "AWS::SNS::Topic", "DependsOn": "Queue", "Properties": {"DisplayName": "bad"}});
    world.ok("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&template)})).await;
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "ROLLBACK_COMPLETE");
    let events = world.events("birds").await;
    let tail: Vec<&str> = events.iter().rev().take(7).rev().map(String::as_str).collect();
    assert_eq!(
        tail,
        [
            "birds ROLLBACK_IN_PROGRESS",
            "Bad DELETE_COMPLETE",
            "Queue DELETE_IN_PROGRESS",
            "Queue DELETE_COMPLETE",
            "Topic DELETE_IN_PROGRESS",
            "Topic DELETE_COMPLETE",
            "birds ROLLBACK_COMPLETE",
        ]
    );
    let told = world.ok("DescribeStackEvents", json!({"StackName": "birds"})).await.to_string();
    assert!(told.contains("it was told to fail"), "{told}");
    let update = world.error("UpdateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    assert!(update.contains("is in ROLLBACK_COMPLETE state and can not be updated"), "{update}");

    // An update that fails leaves what was.
    world.ok("CreateStack", json!({"StackName": "more", "TemplateBody": body(&birds())})).await;
    let queue = world.physical("more", "Queue").await;
    let input = json!({"StackName": "more", "TemplateBody": body(&template), "Parameters": [{"ParameterKey": "Name", "ParameterValue": "wren"}]});
    world.ok("UpdateStack", input).await;
    let stack = world.stack("more").await;
    assert_eq!(stack["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.physical("more", "Queue").await, queue);
    assert_eq!(stack["Parameters"][0]["ParameterValue"], "robin");
    let kept = world.ok("GetTemplate", json!({"StackName": "more"})).await;
    assert_eq!(kept["TemplateBody"], body(&birds()));
    let resources = world.ok("ListStackResources", json!({"StackName": "more"})).await;
    assert_eq!(resources["StackResourceSummaries"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn exports_hold_stacks_together() {
    let world = World::new();
    world.ok("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    let user = json!({"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": {"Fn::ImportValue": "birds-queue"}}}}});
    world.ok("CreateStack", json!({"StackName": "user", "TemplateBody": body(&user)})).await;
    let imports = world.ok("ListImports", json!({"ExportName": "birds-queue"})).await;
    assert_eq!(imports["Imports"], json!(["user"]));
    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "DELETE_FAILED");
    assert!(stack["StackStatusReason"].as_str().is_some_and(|reason| reason.contains("in use by user")), "{stack}");
    world.ok("DeleteStack", json!({"StackName": "user"})).await;
    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    assert!(world.error("ListImports", json!({"ExportName": "birds-queue"})).await.contains("not imported"));
}

#[tokio::test]
async fn change_sets_tell_and_do() {
    let world = World::new();
    let set = |kind: &str, name: &str, template: &Value| json!({"StackName": "birds", "ChangeSetName": name, "ChangeSetType": kind, "TemplateBody": body(template)});
    world.ok("CreateChangeSet", set("CREATE", "one", &birds())).await;
    assert_eq!(world.stack("birds").await["StackStatus"], "REVIEW_IN_PROGRESS");
    let one = json!({"StackName": "birds", "ChangeSetName": "one"});
    let told = world.ok("DescribeChangeSet", one.clone()).await;
    assert_eq!((&told["Status"], &told["ExecutionStatus"]), (&json!("CREATE_COMPLETE"), &json!("AVAILABLE")));
    assert_eq!(told["Changes"][0]["ResourceChange"]["Action"], "Add");
    world.ok("ExecuteChangeSet", one).await;
    assert_eq!(world.stack("birds").await["StackStatus"], "CREATE_COMPLETE");

    world.ok("CreateChangeSet", set("UPDATE", "none", &birds())).await;
    let none = world.ok("DescribeChangeSet", json!({"StackName": "birds", "ChangeSetName": "none"})).await;
    assert_eq!(none["Status"], "FAILED");
    assert!(none["StatusReason"].as_str().is_some_and(|reason| reason.contains("didn't contain changes")), "{none}");

    let mut next = birds();
    next["Resources"]["Topic"]["Properties"] = json!({"TopicName": "owl"});
    next["Resources"]["New"] = json!({"Type": "AWS::SQS::Queue"});
    world.ok("CreateChangeSet", set("UPDATE", "two", &next)).await;
    world.ok("CreateChangeSet", set("UPDATE", "late", &next)).await;
    let late = json!({"StackName": "birds", "ChangeSetName": "late"});
    let two = json!({"StackName": "birds", "ChangeSetName": "two"});
    let told = world.ok("DescribeChangeSet", two.clone()).await;
    let changes: Vec<String> = told["Changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let change = &change["ResourceChange"];
            let text = |name: &str| change[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("Action"), text("LogicalResourceId"), text("Replacement"))
        })
        .collect();
    assert_eq!(changes, ["Modify Topic True", "Modify Queue Conditional", "Add New "]);
    world.ok("ExecuteChangeSet", two.clone()).await;
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "UPDATE_COMPLETE");
    assert_eq!(stack["Outputs"][0]["OutputValue"], "arn:aws:sqs:eu-west-1:111122223333:owl-q");
    for gone in [two, late] {
        assert!(world.error("ExecuteChangeSet", gone).await.starts_with("ChangeSetNotFoundException"));
    }
}

#[tokio::test]
async fn policies_and_protection_hold() {
    let world = World::new();
    let mut template = birds();
    template["Resources"]["Topic"]["DeletionPolicy"] = json!("Retain");
    world
        .ok(
            "CreateStack",
            json!({"StackName": "birds", "TemplateBody": body(&template), "EnableTerminationProtection": true}),
        )
        .await;
    assert!(world.error("DeleteStack", json!({"StackName": "birds"})).await.contains("TerminationProtection"));
    world.ok("UpdateTerminationProtection", json!({"StackName": "birds", "EnableTerminationProtection": false})).await;
    let id = world.stack("birds").await["StackId"].clone();
    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    let events = world.events(id.as_str().expect("an id")).await;
    assert!(events.contains(&"Topic DELETE_SKIPPED".to_owned()), "{events:?}");
}

#[tokio::test]
async fn capabilities_are_asked_for() {
    let world = World::new();
    let template = json!({"Resources": {"R": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "r", "AssumeRolePolicyDocument": {}}}}});
    let input = json!({"StackName": "iam", "TemplateBody": body(&template)});
    assert_eq!(
        world.error("CreateStack", input).await,
        "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_NAMED_IAM]"
    );
    let input = json!({"StackName": "iam", "TemplateBody": body(&template), "Capabilities": ["CAPABILITY_NAMED_IAM"]});
    world.ok("CreateStack", input).await;
    assert_eq!(world.physical("iam", "R").await, "r");
}

#[tokio::test]
async fn what_was_under_way_is_carried_to_its_end() {
    let world = World::new();
    world.resources.left.store(1, Ordering::Relaxed);
    world.begin("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    let jobs = world.engine.claim("dead", 9).await.expect("claims");
    assert_eq!(jobs.len(), 1);
    let (store, resources, clock) = (&world.store, &world.resources, &world.clock);
    for job in jobs {
        let engine = Engine::new(store.clone(), resources.clone(), clock.clone(), Dice::new(7));
        assert!(tokio::spawn(async move { engine.carry_out(job).await }).await.is_err(), "killed");
    }
    assert_eq!(world.status("birds").await, "CREATE_IN_PROGRESS");
    let topic = world.physical("birds", "Topic").await;
    world.resources.left.store(i64::MAX, Ordering::Relaxed);
    world.work().await;
    assert_eq!(world.status("birds").await, "CREATE_IN_PROGRESS", "the lease lasts");
    world.work_after(Duration::from_secs(11)).await;
    assert_eq!(world.status("birds").await, "CREATE_COMPLETE");
    assert_eq!(world.physical("birds", "Topic").await, topic);
}

#[tokio::test]
async fn a_failed_creation_ends_as_it_was_asked_for() {
    let world = World::new();
    let mut template = birds();
    template["Resources"]["Bad"] =
        json!({"Type": "AWS::SNS::Topic", "DependsOn": "Queue", "Properties": {"DisplayName": "bad"}});
    let input =
        |name: &str, how: &str, value: Value| json!({"StackName": name, "TemplateBody": body(&template), how: value});
    let check = async |name: &str, how: &str, value: Value, expect: &str| {
        let made = world.ok("CreateStack", input(name, how, value)).await;
        assert_eq!(world.status(made["StackId"].as_str().expect("an id")).await, expect, "{how}");
    };
    check("a", "OnFailure", json!("DELETE"), "DELETE_COMPLETE").await;
    check("b", "OnFailure", json!("DO_NOTHING"), "CREATE_FAILED").await;
    check("c", "OnFailure", json!("ROLLBACK"), "ROLLBACK_COMPLETE").await;
    check("d", "DisableRollback", json!(true), "CREATE_FAILED").await;
    let resources = world.ok("ListStackResources", json!({"StackName": "d"})).await;
    let statuses: Vec<&Value> = resources["StackResourceSummaries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["ResourceStatus"])
        .collect();
    assert_eq!(statuses, ["CREATE_FAILED", "CREATE_COMPLETE", "CREATE_COMPLETE"]);
    world.ok("RollbackStack", json!({"StackName": "d"})).await;
    assert_eq!(world.status("d").await, "ROLLBACK_COMPLETE");
    let both =
        json!({"StackName": "e", "TemplateBody": body(&template), "OnFailure": "DELETE", "DisableRollback": true});
    assert!(world.error("CreateStack", both).await.contains("both DisableRollback and OnFailure"));

    // What failed is mended by the next update.
    let update = json!({"StackName": "b", "TemplateBody": body(&birds())});
    world.ok("UpdateStack", update).await;
    assert_eq!(world.status("b").await, "UPDATE_COMPLETE");
    let resources = world.ok("ListStackResources", json!({"StackName": "b"})).await;
    assert_eq!(resources["StackResourceSummaries"].as_array().map(Vec::len), Some(2));
    // One that fails may wait for the caller, too.
    let update = json!({"StackName": "b", "TemplateBody": body(&template), "DisableRollback": true});
    world.ok("UpdateStack", update).await;
    assert_eq!(world.status("b").await, "UPDATE_FAILED");
    world.ok("RollbackStack", json!({"StackName": "b"})).await;
    assert_eq!(world.status("b").await, "UPDATE_ROLLBACK_COMPLETE");
    let resources = world.ok("ListStackResources", json!({"StackName": "b"})).await;
    assert_eq!(resources["StackResourceSummaries"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn what_cannot_be_taken_back_waits_for_the_caller() {
    let world = World::new();
    let template = |name: &str, fails: bool| {
        let mut template =
            json!({"Resources": {"T": {"Type": "AWS::SNS::Topic", "Properties": {"DisplayName": name}}}});
        if fails {
            template["Resources"]["Bad"] =
                json!({"Type": "AWS::SNS::Topic", "DependsOn": "T", "Properties": {"DisplayName": "bad"}});
        }
        template
    };
    let input = |template: Value| json!({"StackName": "birds", "TemplateBody": body(&template)});
    world.ok("CreateStack", input(template("robin", false))).await;
    assert!(world.error("ContinueUpdateRollback", json!({"StackName": "birds"})).await.contains("can not continue"));
    world.resources.stuck.store(true, Ordering::Relaxed);
    world.ok("UpdateStack", input(template("wren", true))).await;
    assert_eq!(world.status("birds").await, "UPDATE_ROLLBACK_FAILED");
    world.ok("ContinueUpdateRollback", json!({"StackName": "birds"})).await;
    assert_eq!(world.status("birds").await, "UPDATE_ROLLBACK_FAILED");
    let skip = json!({"StackName": "birds", "ResourcesToSkip": ["Bad"]});
    assert!(world.error("ContinueUpdateRollback", skip).await.contains("Bad is not"));
    world.ok("ContinueUpdateRollback", json!({"StackName": "birds", "ResourcesToSkip": ["T"]})).await;
    assert_eq!(world.status("birds").await, "UPDATE_ROLLBACK_COMPLETE");

    // A resource that cannot be deleted can be left.
    let id = world.stack("birds").await["StackId"].as_str().expect("an id").to_owned();
    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    assert_eq!(world.status("birds").await, "DELETE_FAILED");
    let retain = |name: &str| json!({"StackName": "birds", "RetainResources": [name]});
    assert!(world.error("DeleteStack", retain("X")).await.contains("do not exist in the stack"));
    world.ok("DeleteStack", retain("T")).await;
    assert_eq!(world.status(&id).await, "DELETE_COMPLETE");
}

#[tokio::test]
async fn what_takes_time_goes_on_side_by_side() {
    let world = World::slow(Duration::from_secs(10));
    let mut template = birds();
    template["Resources"]["Other"] = json!({"Type": "AWS::SNS::Topic"});
    world.ok("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&template)})).await;
    assert_eq!(
        world.events("birds").await,
        [
            "birds CREATE_IN_PROGRESS",
            "Topic CREATE_IN_PROGRESS",
            "Topic CREATE_IN_PROGRESS",
            "Other CREATE_IN_PROGRESS",
            "Other CREATE_IN_PROGRESS",
        ]
    );
    world.work_after(Duration::from_secs(9)).await;
    assert_eq!(world.events("birds").await.len(), 5);
    world.work_after(Duration::from_secs(1)).await;
    assert_eq!(
        world.events("birds").await[5..],
        ["Topic CREATE_COMPLETE", "Queue CREATE_IN_PROGRESS", "Queue CREATE_IN_PROGRESS", "Other CREATE_COMPLETE",]
    );
    assert!(
        world
            .error("UpdateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())}))
            .await
            .contains("CREATE_IN_PROGRESS")
    );
    world.work_after(Duration::from_secs(10)).await;
    assert_eq!(world.status("birds").await, "CREATE_COMPLETE");

    world.ok("DeleteStack", json!({"StackName": "birds"})).await;
    assert_eq!(world.status("birds").await, "DELETE_IN_PROGRESS");
    let id = world.stack("birds").await["StackId"].as_str().expect("an id").to_owned();
    world.work_after(Duration::from_secs(10)).await;
    assert_eq!(world.status(&id).await, "DELETE_COMPLETE");
    let told = world.ok("DescribeStackEvents", json!({"StackName": id})).await;
    let events = told["StackEvents"].as_array().expect("a list").clone();
    let times: Vec<&str> = events.iter().rev().map(|event| event["Timestamp"].as_str().expect("a time")).collect();
    assert!(times.is_sorted(), "{times:?}");
    let ids: BTreeSet<&str> = events.iter().map(|event| event["EventId"].as_str().expect("an id")).collect();
    assert_eq!(ids.len(), events.len(), "events are told apart");
}

#[tokio::test]
async fn updates_are_cancelled_and_creations_deleted() {
    let world = World::slow(Duration::from_secs(10));
    world.begin("CreateStack", json!({"StackName": "birds", "TemplateBody": body(&birds())})).await;
    for _ in 0..3 {
        world.work_after(Duration::from_secs(10)).await;
    }
    let refused = world.error("CancelUpdateStack", json!({"StackName": "birds"})).await;
    assert_eq!(refused, "ValidationError: CancelUpdateStack cannot be called from current stack status");
    let queue = world.physical("birds", "Queue").await;
    let mut template = birds();
    template["Resources"]["New"] = json!({"Type": "AWS::SNS::Topic"});
    template["Resources"]["Queue"]["Properties"]["DelaySeconds"] = json!(5);
    let rename = json!({"StackName": "birds", "TemplateBody": body(&template), "Parameters": [{"ParameterKey": "Name", "ParameterValue": "wren"}]});
    world.ok("UpdateStack", rename).await;
    assert_eq!(world.status("birds").await, "UPDATE_IN_PROGRESS");
    let delete = world.error("DeleteStack", json!({"StackName": "birds"})).await;
    assert!(delete.contains("cannot be deleted while in status UPDATE_IN_PROGRESS"), "{delete}");
    world.ok("CancelUpdateStack", json!({"StackName": "birds"})).await;
    for _ in 0..3 {
        world.work_after(Duration::from_secs(10)).await;
    }
    let stack = world.stack("birds").await;
    assert_eq!(stack["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(stack["Parameters"][0]["ParameterValue"], "robin");
    assert_eq!(world.physical("birds", "Queue").await, queue);
    let resources = world.ok("ListStackResources", json!({"StackName": "birds"})).await;
    assert_eq!(resources["StackResourceSummaries"].as_array().map(Vec::len), Some(2));

    world.ok("CreateStack", json!({"StackName": "short", "TemplateBody": body(&template), "Parameters": [{"ParameterKey": "Name", "ParameterValue": "owl"}]})).await;
    let id = world.stack("short").await["StackId"].as_str().expect("an id").to_owned();
    world.ok("DeleteStack", json!({"StackName": "short"})).await;
    world.work_after(Duration::from_secs(10)).await;
    assert_eq!(world.status(&id).await, "DELETE_COMPLETE");
    assert!(!world.events(&id).await.contains(&"short CREATE_COMPLETE".to_owned()));
}
