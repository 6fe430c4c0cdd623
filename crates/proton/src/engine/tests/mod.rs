//! The engine over a store in memory, with a clock that only moves when told, and a provisioner that does as told.

mod components;
mod environments;
mod jobs;
mod lists;
mod others;
mod sequences;
mod services;
mod sync;
mod templates;

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::sync::{Arc, Mutex};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use standin_core::{BoxFuture, Dice};
use standin_model::{Document, Timestamp};
use standin_store::MemoryStore;

use super::provision::{BundleSource, Made, Order, Progress, Provisioner};
use super::{Engine, Quotas, Scope};
use crate::author::{StarterEngine, StarterKind, starter};
use crate::render::Rendered;
use crate::yaml;

/// What becomes of orders whose stack name contains a text.
#[derive(Clone, Debug)]
pub enum Fate {
    Fails(&'static str),
    /// Only what makes or changes something fails.
    Unmade(&'static str),
    Hangs,
    TooLate,
}

/// Keeps what it was told in memory.
#[derive(Default)]
pub struct Fake {
    pub fates: Mutex<Vec<(&'static str, Fate)>>,
    pub orders: Mutex<Vec<Order>>,
    /// What is there: the ARN that each stack belongs to, by its name.
    pub stacks: Mutex<BTreeMap<String, String>>,
}

impl Fake {
    fn fate(&self, order: &Order) -> Option<Fate> {
        let fates = self.fates.lock().expect("no test panics with it");
        fates.iter().find(|(part, _)| order.resource_arn.contains(part)).map(|(_, fate)| fate.clone())
    }

    fn done(&self, order: &Order) -> Progress {
        self.orders.lock().expect("no test panics with it").push(order.clone());
        let mut stacks = self.stacks.lock().expect("no test panics with it");
        stacks.insert(order.stack_name.clone(), order.resource_arn.clone());
        let Some(Rendered::CloudFormation { template }) = &order.rendered else {
            let waits = matches!(order.rendered, Some(Rendered::Terraform { .. }));
            return if waits {
                Progress::Waiting
            } else {
                Progress::Done { outputs: Vec::new(), resources: Vec::new() }
            };
        };
        let template = yaml::parse(template).expect("only YAML comes here");
        let entries = template.get("Outputs").and_then(yaml::Node::entries).unwrap_or_default();
        let name = order.resource_arn.rsplit('/').next().unwrap_or_default();
        let outputs = entries
            .iter()
            .filter_map(|(key, _)| Some((key.text()?.to_owned(), format!("{}-{name}", key.text()?))))
            .collect();
        let stack = Made {
            name: order.stack_name.clone(),
            identifier: format!("arn:aws:cloudformation:::stack/{}", order.stack_name),
            engine: "CLOUDFORMATION",
        };
        Progress::Done { outputs, resources: vec![stack] }
    }
}

impl Provisioner for Fake {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            match self.fate(order) {
                Some(Fate::Fails(reason) | Fate::Unmade(reason)) => Progress::Failed { reason: reason.into() },
                Some(Fate::Hangs | Fate::TooLate) => Progress::again(1000),
                None => self.done(order),
            }
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            match self.fate(order) {
                Some(Fate::Fails(reason)) => Progress::Failed { reason: reason.into() },
                _ => {
                    self.stacks.lock().expect("no test panics with it").remove(&order.stack_name);
                    Progress::Done { outputs: Vec::new(), resources: Vec::new() }
                }
            }
        })
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            match self.fate(order) {
                Some(Fate::TooLate) => self.done(order),
                _ => Progress::Cancelled,
            }
        })
    }
}

/// Objects by bucket and key.
#[derive(Default)]
pub struct Objects(Mutex<HashMap<String, Vec<u8>>>);

impl BundleSource for Objects {
    fn fetch<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        bucket: &'a str,
        key: &'a str,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        let found = self.0.lock().expect("no test panics with it").get(&format!("{bucket}/{key}")).cloned();
        Box::pin(async move { found.ok_or_else(|| "the object does not exist".to_owned()) })
    }
}

pub struct World {
    pub engine: Engine,
    pub fake: Arc<Fake>,
    pub objects: Arc<Objects>,
    pub account: String,
    pub now_ms: i64,
    requests: u64,
    runtime: tokio::runtime::Runtime,
}

pub const ROLE: &str = "arn:aws:iam::123456789012:role/Proton";
pub const ENVIRONMENT_SPEC: &str = "proton: EnvironmentSpec\nspec:\n  vpc_cidr: 10.1.0.0/16\n";
pub const SERVICE_SPEC: &str = "proton: ServiceSpec\npipeline:\n  test_command: make check\ninstances:\n  - name: dev\n    environment: env\n    spec:\n      size: small\n";

/// A gzipped tar of files.
pub fn packed(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, path, text.as_bytes()).expect("in memory");
    }
    let mut encoder = builder.into_inner().expect("in memory");
    encoder.flush().expect("in memory");
    encoder.finish().expect("in memory")
}

impl World {
    pub fn new() -> Self {
        Self::with(Quotas::default())
    }

    pub fn with(quotas: Quotas) -> Self {
        let (fake, objects) = (Arc::new(Fake::default()), Arc::new(Objects::default()));
        let engine = Engine::new(Arc::new(MemoryStore::new()), objects.clone(), fake.clone(), quotas);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        Self { engine, fake, objects, account: "123456789012".into(), now_ms: 1_700_000_000_000, requests: 0, runtime }
    }

    /// The output as JSON, or the code and message of the error.
    pub fn call(&mut self, operation: &str, input: &Value) -> Result<Value, String> {
        self.requests += 1;
        // Every request comes a little later, so that lists have an order.
        self.now_ms += 1;
        let scope = self.scope();
        let called = self.runtime.block_on(self.engine.call(&scope, operation, &Document::from_json(input)));
        called.map(|output| output.to_json()).map_err(|error| error.to_string())
    }

    /// Of the request that comes now.
    pub fn scope(&self) -> Scope {
        Scope {
            partition: "aws".into(),
            account: self.account.clone(),
            region: "us-east-1".into(),
            now: Timestamp::from_millis(self.now_ms),
            dice: Dice::new(1),
            nonce: self.requests.to_string(),
        }
    }

    pub fn ok(&mut self, operation: &str, input: &Value) -> Value {
        self.call(operation, input).unwrap_or_else(|error| panic!("{operation} {input}: {error}"))
    }

    /// Calls what must be refused; `expect` begins the error.
    pub fn refused(&mut self, operation: &str, input: &Value, expect: &str) {
        let error = self.call(operation, input).expect_err(operation);
        assert!(error.starts_with(expect), "{operation} {input}: {error}, not {expect}");
    }

    /// Does all that is due, and then all that becomes due by that.
    pub fn work(&mut self) {
        let now = Timestamp::from_millis(self.now_ms);
        for _ in 0..1000 {
            if self.runtime.block_on(self.engine.work(now, Dice::new(1), "test")).expect("the store works") == 0 {
                return;
            }
        }
        panic!("the work has no end");
    }

    pub fn later(&mut self, ms: i64) {
        self.now_ms += ms;
        self.work();
    }

    /// A worker claims what is due, and is never heard of again.
    pub fn lose_jobs(&mut self) {
        let claim = standin_store::jobs::Claim {
            queue: super::QUEUE,
            owner: "dead",
            now_ms: self.now_ms,
            lease_ms: 60_000,
            limit: 10,
        };
        self.runtime.block_on(self.engine.store.claim(claim)).expect("the store works");
    }

    pub fn fate(&self, part: &'static str, fate: Fate) {
        self.fake.fates.lock().expect("no test panics with it").push((part, fate));
    }

    pub fn no_fate(&self) {
        self.fake.fates.lock().expect("no test panics with it").clear();
    }

    pub fn object(&self, key: &str, bytes: Vec<u8>) {
        self.objects.0.lock().expect("no test panics with it").insert(format!("bucket/{key}"), bytes);
    }

    pub fn starter(&self, key: &str, kind: StarterKind, engine: StarterEngine) {
        self.object(key, packed(starter(kind, engine).expect("there is one")));
    }

    /// Registers a version of an environment template from an object, and publishes it if that worked.
    pub fn environment_version(&mut self, key: &str, major: Option<&str>) -> Value {
        let mut input = json!({"templateName": "envt", "source": {"s3": {"bucket": "bucket", "key": key}}});
        if let Some(major) = major {
            input["majorVersion"] = json!(major);
        }
        let made = self.ok("CreateEnvironmentTemplateVersion", &input)["environmentTemplateVersion"].clone();
        self.work();
        let name =
            json!({"templateName": "envt", "majorVersion": made["majorVersion"], "minorVersion": made["minorVersion"]});
        self.ok("GetEnvironmentTemplateVersion", &name)["environmentTemplateVersion"].clone()
    }

    pub fn publish(&mut self, of: &str, template: &str, version: &str) {
        let (major, minor) = version.split_once('.').expect("a version");
        let input =
            json!({"templateName": template, "majorVersion": major, "minorVersion": minor, "status": "PUBLISHED"});
        self.ok(&format!("Update{of}TemplateVersion"), &input);
    }

    /// A published environment template and a deployed environment `env` of it.
    pub fn environment(&mut self) {
        self.starter("env", StarterKind::Environment, StarterEngine::CloudFormation);
        self.ok("CreateEnvironmentTemplate", &json!({"name": "envt"}));
        self.environment_version("env", None);
        self.publish("Environment", "envt", "1.0");
        let input = json!({"name": "env", "templateName": "envt", "templateMajorVersion": "1", "spec": ENVIRONMENT_SPEC,
            "protonServiceRoleArn": ROLE, "componentRoleArn": ROLE});
        self.ok("CreateEnvironment", &input);
        self.work();
    }

    /// What [`World::environment`] makes, and a published service template that supports components.
    pub fn service_template(&mut self) {
        self.environment();
        self.starter("svc", StarterKind::Service, StarterEngine::CloudFormation);
        self.ok("CreateServiceTemplate", &json!({"name": "svct"}));
        self.service_version("svc");
        self.publish("Service", "svct", "1.0");
        self.ok("UpdateAccountSettings", &json!({"pipelineServiceRoleArn": ROLE}));
    }

    pub fn service_version(&mut self, key: &str) {
        let major = self
            .call(
                "GetServiceTemplateVersion",
                &json!({"templateName": "svct", "majorVersion": "1", "minorVersion": "0"}),
            )
            .is_ok();
        let mut input = json!({"templateName": "svct", "source": {"s3": {"bucket": "bucket", "key": key}},
            "compatibleEnvironmentTemplates": [{"templateName": "envt", "majorVersion": "1"}], "supportedComponentSources": ["DIRECTLY_DEFINED"]});
        if major {
            input["majorVersion"] = json!("1");
        }
        self.ok("CreateServiceTemplateVersion", &input);
        self.work();
    }

    pub fn service_input(name: &str, spec: &str) -> Value {
        json!({"name": name, "templateName": "svct", "templateMajorVersion": "1", "spec": spec,
            "repositoryConnectionArn": "arn:aws:codestar-connections:us-east-1:123456789012:connection/x",
            "repositoryId": "me/front", "branchName": "main"})
    }

    /// A service `svc` with the instance `dev`, deployed.
    pub fn service(&mut self) {
        self.service_template();
        self.ok("CreateService", &Self::service_input("svc", SERVICE_SPEC));
        self.work();
    }

    pub fn environment_now(&mut self) -> Value {
        self.ok("GetEnvironment", &json!({"name": "env"}))["environment"].clone()
    }

    pub fn service_now(&mut self) -> Value {
        self.ok("GetService", &json!({"name": "svc"}))["service"].clone()
    }

    pub fn instance_now(&mut self, name: &str) -> Value {
        self.ok("GetServiceInstance", &json!({"serviceName": "svc", "name": name}))["serviceInstance"].clone()
    }
}
