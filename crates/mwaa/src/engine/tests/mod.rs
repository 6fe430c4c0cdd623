//! The engine over a store in memory, with a clock that only moves when told, neighbours that do as told, and either the simulated
//! Airflow or a runtime that fails.

mod airflow;
mod control;
mod web;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use standin_core::{Answer, BoxFuture, Call, Caller, Dice, Fidelity, Handler, OperationError, Place, Registry, Twist};
use standin_model::{Catalogue, Document, Operation, Service, Timestamp};
use standin_store::MemoryStore;

use super::{Engine, Scope};
use crate::neighbours::Neighbours;
use crate::runtime::{Front, Health, Output, Progress, RestCall, RestReply, Runtime, Target};
use crate::simulated::Simulated;
use crate::token::Identity;

const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-west-1";

/// The other services: objects by `bucket/key`, and what was asked for.
#[derive(Default)]
struct Others {
    objects: Mutex<BTreeMap<String, String>>,
    asked: Mutex<Vec<String>>,
    /// Whether the endpoints of customers are there.
    endpoints: Mutex<bool>,
    /// The inline and the attached policy of the caller's role.
    policies: Mutex<[Option<String>; 2]>,
}

impl Others {
    fn policy(&self, at: usize) -> Option<String> {
        self.policies.lock().expect("no test panics with it")[at].clone()
    }

    fn answer(&self, operation: &str, input: &Document) -> Result<Value, OperationError> {
        let text = |name: &str| input.get(name).and_then(Document::as_str).unwrap_or_default();
        let missing = || OperationError::new("NoSuchKey", "it is not there");
        let objects = self.objects.lock().expect("no test panics with it");
        let (bucket, key) = (text("Bucket"), text("Key"));
        Ok(match operation {
            "HeadBucket" if bucket.starts_with("missing") => return Err(OperationError::new("NotFound", "")),
            "HeadObject" => match (objects.get(&format!("{bucket}/{key}")), text("VersionId")) {
                (Some(body), "" | "1") => json!({"VersionId": "1", "ETag": format!("\"{body}\"")}),
                _ => return Err(missing()),
            },
            "GetObject" => {
                let body = objects.get(&format!("{bucket}/{key}")).ok_or_else(missing)?;
                json!({"Body": body})
            }
            "ListObjectsV2" => {
                let prefix = format!("{bucket}/{}", text("Prefix"));
                let found = objects.iter().filter(|(path, _)| path.starts_with(&prefix));
                let found = found.map(|(path, body)| {
                    json!({"Key": path[bucket.len() + 1..], "ETag": format!("{:x}", body.len()), "Size": body.len()})
                });
                json!({"Contents": found.collect::<Vec<_>>()})
            }
            "ListRolePolicies" if self.policy(0).is_some() => json!({"PolicyNames": [text("RoleName")]}),
            "GetRolePolicy" if text("PolicyName") == "Admin" => json!({"PolicyDocument": self.policy(0)}),
            "ListAttachedRolePolicies" if self.policy(1).is_some() => {
                json!({"AttachedPolicies": [{"PolicyArn": "arn:aws:iam::111122223333:policy/p"}]})
            }
            "GetPolicy" => json!({"Policy": {"DefaultVersionId": "v7"}}),
            "GetPolicyVersion" if text("VersionId") == "v7" => json!({"PolicyVersion": {"Document": self.policy(1)}}),
            "GetCallerIdentity" => json!({"Arn": "arn:aws:sts::111122223333:assumed-role/Admin/alice"}),
            "DescribeVpcEndpoints" if *self.endpoints.lock().expect("no test panics with it") => {
                let filters = input.to_json()["Filters"][0]["Values"].clone();
                let names = filters.as_array().cloned().unwrap_or_default();
                json!({"VpcEndpoints": names.iter().map(|name| json!({"ServiceName": name})).collect::<Vec<_>>()})
            }
            "CreateLogGroup" | "PutLogEvents" | "PutMetricData" => {
                let asked =
                    format!("{operation} {}{}{}", text("logGroupName"), text("logStreamName"), text("Namespace"));
                self.asked.lock().expect("no test panics with it").push(asked);
                json!({})
            }
            _ => json!({}),
        })
    }
}

impl Handler for Others {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let answer = self.answer(call.context.operation.name, &call.input).map(|output| {
            let mut output = Document::from_json(&output);
            if let Some(body) = output.get("Body").and_then(Document::as_str).map(|body| body.as_bytes().to_vec()) {
                output.as_map_mut().expect("it is a map").insert("Body", Document::Blob(body.into()));
            }
            Answer::new(output, Fidelity::Engine)
        });
        Box::pin(std::future::ready(answer))
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
}

/// A runtime that fails where its script says so: by the name of the step, the next ones first.
#[derive(Default)]
struct Scripted {
    steps: Mutex<Vec<(&'static str, Progress)>>,
    front: Mutex<Option<Front>>,
}

impl Scripted {
    fn step(&self, name: &str) -> BoxFuture<'static, Progress> {
        let mut steps = self.steps.lock().expect("no test panics with it");
        let at = steps.iter().position(|(step, _)| *step == name);
        Box::pin(std::future::ready(at.map_or(Progress::Done, |at| steps.remove(at).1)))
    }
}

impl Runtime for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn prepare<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        self.step("prepare")
    }

    fn start<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        self.step("start")
    }

    fn update<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        self.step("update")
    }

    fn stop<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        self.step("stop")
    }

    fn health<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Health> {
        Box::pin(std::future::ready(Health::Healthy))
    }

    fn cli<'a>(&'a self, _: &'a Target, _: &'a [String]) -> BoxFuture<'a, Result<Output, OperationError>> {
        Box::pin(std::future::ready(Ok(Output::default())))
    }

    fn rest<'a>(
        &'a self,
        _: &'a Target,
        _: &'a RestCall,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<RestReply, OperationError>> {
        Box::pin(std::future::ready(Ok(RestReply { status: 503, body: json!({"detail": "busy"}) })))
    }

    fn front(&self, _: &Target, _: Option<&Identity>) -> Front {
        self.front.lock().expect("no test panics with it").clone().unwrap_or(Front::Runtime)
    }

    fn page<'a>(
        &'a self,
        _: &'a Target,
        _: &'a str,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<String>, OperationError>> {
        Box::pin(std::future::ready(Ok(None)))
    }
}

/// An engine with everything around it.
struct World {
    engine: Engine,
    others: Arc<Others>,
    script: Arc<Scripted>,
    now: Mutex<i64>,
    /// Where visitors of web servers come from.
    remote: Mutex<IpAddr>,
    asked: Mutex<u64>,
}

impl World {
    fn new() -> Self {
        Self::with(false, 0)
    }

    fn with(scripted: bool, pace_ms: u64) -> Self {
        let others = Arc::new(Others::default());
        let registry = Arc::new(Registry::new(others.clone()));
        let caller = Caller::new(Catalogue::shared(), registry, Timestamp::default(), Dice::new(1));
        let neighbours = Neighbours::new(caller);
        let store = Arc::new(MemoryStore::default());
        let script = Arc::new(Scripted::default());
        let runtime: Arc<dyn Runtime> =
            if scripted { script.clone() } else { Arc::new(Simulated::new(store.clone(), neighbours.clone())) };
        let engine =
            Engine::new(store, neighbours, runtime).with_pace(move || std::time::Duration::from_millis(pace_ms));
        Self {
            engine,
            others,
            script,
            now: Mutex::new(1_767_225_600_000),
            remote: Mutex::new(IpAddr::from([127, 0, 0, 1])),
            asked: Mutex::new(0),
        }
    }

    fn put(&self, path: &str, body: &str) {
        self.others.objects.lock().expect("no test panics with it").insert(path.to_owned(), body.to_owned());
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(*self.now.lock().expect("no test panics with it"))
    }

    fn advance(&self, ms: i64) {
        *self.now.lock().expect("no test panics with it") += ms;
    }

    fn scope(&self) -> Scope {
        let mut asked = self.asked.lock().expect("no test panics with it");
        *asked += 1;
        Scope {
            place: Place {
                partition: "aws".into(),
                account: ACCOUNT.into(),
                region: REGION.into(),
                access_key: None,
                now: self.now(),
            },
            dice: Dice::new(1),
            nonce: asked.to_string(),
            base_url: "http://127.0.0.1:4566".into(),
            twist: None,
        }
    }

    async fn try_call(&self, operation: &str, input: &Value) -> Result<Value, OperationError> {
        let output = self.engine.call(&self.scope(), operation, &Document::from_json(input)).await;
        output.map(|output| output.to_json())
    }

    async fn call(&self, operation: &str, input: Value) -> Value {
        self.try_call(operation, &input).await.unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    /// The code and the message of an error.
    async fn fails(&self, operation: &str, input: Value) -> (String, String) {
        match self.try_call(operation, &input).await {
            Ok(output) => panic!("{operation} {input} gave {output}"),
            Err(error) => (error.code.into_owned(), error.message),
        }
    }

    async fn twisted(&self, operation: &str, input: Value, twist: Twist) {
        let scope = Scope { twist: Some(twist), ..self.scope() };
        self.engine.call(&scope, operation, &Document::from_json(&input)).await.expect("it is begun");
    }

    /// Does all jobs that are due now.
    async fn work(&self) {
        while self.engine.work(self.now(), Dice::new(1), "test").await.expect("memory does not fail") > 0 {}
    }

    /// Does one round of jobs.
    async fn step(&self) {
        self.engine.work(self.now(), Dice::new(1), "test").await.expect("memory does not fail");
    }

    async fn get(&self, name: &str) -> Value {
        self.call("GetEnvironment", json!({"Name": name})).await["Environment"].clone()
    }

    async fn status(&self, name: &str) -> String {
        self.get(name).await["Status"].as_str().expect("it has one").to_owned()
    }

    /// An environment that is available.
    async fn available(&self, more: Value) {
        self.call("CreateEnvironment", input("birds", more)).await;
        self.work().await;
        assert_eq!(self.status("birds").await, "AVAILABLE");
    }
}

/// What makes an environment.
fn input(name: &str, more: Value) -> Value {
    let mut input = json!({
        "Name": name,
        "ExecutionRoleArn": "arn:aws:iam::111122223333:role/airflow",
        "SourceBucketArn": "arn:aws:s3:::dags",
        "DagS3Path": "dags/",
        "NetworkConfiguration": {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]},
    });
    if let Value::Object(more) = more {
        input.as_object_mut().expect("it is an object").extend(more);
    }
    input
}
