//! Stacks whose resources are made by services that remember: what a stack makes, the service's own API shows.

use std::sync::Arc;

use serde_json::{Value, json};
use standin_cloudformation::ServiceResources;
use standin_cloudformation::stacks::Engine;
use standin_core::{Call, CallContext, Clock, Dice, OperationError, Registry};
use standin_mock::synthesis::Synthesizer;
use standin_model::{Catalogue, Document, Timestamp};
use standin_s3::{MemoryBlobs, ObjectStorage};
use standin_state::Resources;
use standin_store::{MemoryStore, Store};

struct World {
    registry: Registry,
    stacks: Arc<Engine>,
}

impl World {
    fn new() -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let resources = Resources::new(store.clone(), Arc::new(Synthesizer::new(Catalogue::shared())), 0);
        let mut registry = Registry::new(Arc::new(resources));
        let objects = Arc::new(ObjectStorage::new(store.clone(), Arc::new(MemoryBlobs::default())));
        let s3 = Arc::new(standin_s3::Engine::new(objects));
        for operation in standin_s3::Engine::operations() {
            registry.operation("s3", &operation, s3.clone());
        }
        let makers = ServiceResources::new(Catalogue::shared(), Arc::new(registry.clone()));
        let engine = {
            let clock = Arc::new(Clock::frozen_at(Timestamp::from_seconds(1_800_000_000)));
            Arc::new(Engine::new(store, Arc::new(makers), clock, Dice::new(7)))
        };
        for operation in Engine::operations() {
            registry.operation("cloudformation", operation, engine.clone());
        }
        Self { registry, stacks: engine }
    }

    async fn call(&self, service: &str, operation: &str, input: Value) -> Result<Value, OperationError> {
        let service = Catalogue::shared().newest(service).expect("in the catalogue").open().expect("readable");
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
            now: Timestamp::from_seconds(1_800_000_000),
            origin: Timestamp::from_seconds(1_767_225_600),
            dice: Dice::new(7),
            mishap: None,
        };
        let handler = self.registry.find(&context);
        let mut call = Call { context, input: Document::from_json(&input), body: None };
        handler.handle(&mut call).await.map(|answer| answer.output.to_json())
    }

    async fn ok(&self, service: &str, operation: &str, input: Value) -> Value {
        let answer = self.call(service, operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        while self.stacks.work("test").await.expect("the store works") > 0 {}
        answer
    }

    async fn outputs(&self, stack: &str) -> Value {
        let answer = self.ok("cloudformation", "DescribeStacks", json!({"StackName": stack})).await;
        let stack = &answer["Stacks"][0];
        if stack["StackStatus"] != "CREATE_COMPLETE" && stack["StackStatus"] != "UPDATE_COMPLETE" {
            let events =
                self.ok("cloudformation", "DescribeStackEvents", json!({"StackName": stack["StackName"]})).await;
            let failed = events["StackEvents"]
                .as_array()
                .expect("a list")
                .iter()
                .filter(|event| event["ResourceStatus"].as_str().is_some_and(|status| status.ends_with("FAILED")));
            let told: Vec<String> = failed
                .map(|event| format!("{}: {}", event["LogicalResourceId"], event["ResourceStatusReason"]))
                .collect();
            panic!("{}: {} {told:#?}", stack["StackStatus"], stack["StackStatusReason"]);
        }
        let outputs = stack["Outputs"].as_array().expect("a list").iter();
        Value::Object(
            outputs
                .map(|output| {
                    (output["OutputKey"].as_str().unwrap_or_default().to_owned(), output["OutputValue"].clone())
                })
                .collect(),
        )
    }
}

#[tokio::test]
async fn services_show_what_stacks_make() {
    let world = World::new();
    let template = include_str!("templates/many.yaml");
    let input = json!({"StackName": "birds", "TemplateBody": template, "Capabilities": ["CAPABILITY_IAM"]});
    world.ok("cloudformation", "CreateStack", input).await;
    let outputs = world.outputs("birds").await;
    let text = |name: &str| outputs[name].as_str().unwrap_or_default().to_owned();
    let begins = |name: &str, with: &str| assert!(text(name).starts_with(with), "{name}: {}", text(name));
    begins("Bucket", "birds-bucket-");
    assert_eq!(text("Arn"), format!("arn:aws:s3:::{}", text("Bucket")));
    begins("QueueArn", "arn:aws:sqs:eu-west-1:111122223333:birds-Queue-");
    assert!(
        text("Queue").starts_with("http") && text("Queue").contains("/111122223333/birds-Queue-"),
        "{}",
        text("Queue")
    );
    begins("Topic", "arn:aws:sns:eu-west-1:111122223333:birds-Topic-");
    begins("Sub", "arn:aws:sns:eu-west-1:111122223333:");
    begins("Vpc", "vpc-");
    begins("Subnet", "subnet-");
    begins("Sg", "sg-");
    begins("Igw", "igw-");
    begins("Role", "arn:aws:iam::111122223333:role/birds-Role-");
    begins("Fn", "arn:aws:lambda:eu-west-1:111122223333:function:birds-Fn-");
    assert_eq!(text("KeyArn"), format!("arn:aws:kms:eu-west-1:111122223333:key/{}", text("Key")));
    begins("Secret", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:");
    begins("Cluster", "arn:aws:ecs:eu-west-1:111122223333:cluster/birds-Cluster-");
    begins("Sfn", "arn:aws:states:eu-west-1:111122223333:stateMachine:birds-Sfn-");
    begins("Rule", "arn:aws:events:eu-west-1:111122223333:rule/birds-Rule-");
    begins("Log", "arn:aws:logs:eu-west-1:111122223333:log-group:birds-Log-");
    begins("Table", "arn:aws:dynamodb:eu-west-1:111122223333:table/birds-Table-");

    let buckets = world.ok("s3", "ListBuckets", json!({})).await.to_string();
    assert!(buckets.contains(&text("Bucket")) && buckets.contains("birds-111122223333-dev"), "{buckets}");
    let versioning = world.ok("s3", "GetBucketVersioning", json!({"Bucket": text("Bucket")})).await;
    assert_eq!(versioning["Status"], "Enabled");
    let vpcs = world.ok("ec2", "DescribeVpcs", json!({"VpcIds": [text("Vpc")]})).await;
    assert_eq!(vpcs["Vpcs"][0]["CidrBlock"], "10.0.0.0/16");
    let subnets = world.ok("ec2", "DescribeSubnets", json!({"SubnetIds": [text("Subnet")]})).await;
    assert_eq!(
        (&subnets["Subnets"][0]["VpcId"], &subnets["Subnets"][0]["CidrBlock"]),
        (&outputs["Vpc"], &json!("10.0.0.0/24"))
    );
    let queue =
        world.ok("sqs", "GetQueueAttributes", json!({"QueueUrl": text("Queue"), "AttributeNames": ["All"]})).await;
    assert_eq!(queue["Attributes"]["VisibilityTimeout"], "45");
    assert_eq!(queue["Attributes"]["QueueArn"], outputs["QueueArn"]);
    let function = text("Fn").rsplit(':').next().unwrap_or_default().to_owned();
    let function = world.ok("lambda", "GetFunction", json!({"FunctionName": function})).await;
    assert_eq!(function["Configuration"]["Role"], outputs["Role"]);
    assert_eq!(function["Configuration"]["Environment"]["Variables"]["Q"], outputs["Queue"]);
    world.ok("kms", "DescribeKey", json!({"KeyId": text("Key")})).await;
    let parameter = world.ok("ssm", "GetParameter", json!({"Name": "/birds/x"})).await;
    assert!(text("Table").ends_with(parameter["Parameter"]["Value"].as_str().expect("a text")), "{parameter}");

    // An update in place goes to the service, too.
    let changed = template
        .replace("VisibilityTimeout: 45", "VisibilityTimeout: 50")
        .replace("Status: Enabled", "Status: Suspended");
    let input = json!({"StackName": "birds", "TemplateBody": changed, "Capabilities": ["CAPABILITY_IAM"]});
    world.ok("cloudformation", "UpdateStack", input).await;
    assert_eq!(world.outputs("birds").await, outputs);
    let versioning = world.ok("s3", "GetBucketVersioning", json!({"Bucket": text("Bucket")})).await;
    assert_eq!(versioning["Status"], "Suspended");
    let queue =
        world.ok("sqs", "GetQueueAttributes", json!({"QueueUrl": text("Queue"), "AttributeNames": ["All"]})).await;
    assert_eq!(queue["Attributes"]["VisibilityTimeout"], "50");

    world.ok("cloudformation", "DeleteStack", json!({"StackName": "birds"})).await;
    let buckets = world.ok("s3", "ListBuckets", json!({})).await;
    assert_eq!(buckets["Buckets"], json!([]));
    assert!(world.call("ec2", "DescribeVpcs", json!({"VpcIds": [text("Vpc")]})).await.is_err());
    assert!(world.call("sqs", "GetQueueAttributes", json!({"QueueUrl": text("Queue")})).await.is_err());
}

#[tokio::test]
async fn a_taken_name_fails_the_stack() {
    let world = World::new();
    let bucket = json!({"Bucket": "birds", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    world.ok("s3", "CreateBucket", bucket).await;
    let template = json!({"Resources": {"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "birds"}}}});
    world.ok("cloudformation", "CreateStack", json!({"StackName": "x", "TemplateBody": template.to_string()})).await;
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "x"})).await;
    assert_eq!(stack["Stacks"][0]["StackStatus"], "ROLLBACK_COMPLETE");
    world.ok("s3", "HeadBucket", json!({"Bucket": "birds"})).await;
}
