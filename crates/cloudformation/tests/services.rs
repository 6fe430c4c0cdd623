//! Stacks whose resources are made by services that remember: what a stack makes, the service's own API shows.

use std::sync::Arc;

use serde_json::{Value, json};
use standin_cloudformation::ServiceResources;
use standin_cloudformation::stacks::Engine;
use standin_core::{BodySource, BoxFuture, Call, CallContext, Caller, Clock, Dice, OperationError, Registry};
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
        let others = Arc::new(registry.clone());
        let caller = Caller::new(Catalogue::shared(), others, Timestamp::from_seconds(1_767_225_600), Dice::new(7));
        let makers = ServiceResources::new(Catalogue::shared(), caller);
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
        let mut call = self.made(service, operation, &input);
        let handler = self.registry.find(&call.context);
        handler.handle(&mut call).await.map(|answer| answer.output.to_json())
    }

    fn made(&self, service: &str, operation: &str, input: &Value) -> Call {
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
        Call { context, input: Document::from_json(input), body: None }
    }

    async fn ok(&self, service: &str, operation: &str, input: Value) -> Value {
        let answer = self.call(service, operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error}"));
        while self.stacks.work("test").await.expect("the store works") > 0 {}
        answer
    }

    /// Puts an object.
    async fn put(&self, bucket: &str, key: &str, text: String) {
        struct Whole(Option<String>);
        impl BodySource for Whole {
            fn next(&mut self) -> BoxFuture<'_, Option<Result<bytes::Bytes, std::io::Error>>> {
                Box::pin(async { self.0.take().map(|text| Ok(text.into())) })
            }
        }
        let input = json!({"Bucket": bucket, "Key": key});
        let mut call = self.made("s3", "PutObject", &input);
        call.body = Some(Box::new(Whole(Some(text))));
        self.registry.find(&call.context).handle(&mut call).await.unwrap_or_else(|error| panic!("{error}"));
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
async fn calls_besides_the_first_are_made_and_undone() {
    let world = World::new();
    let template = |policy: &str, port: u16| {
        json!({"Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {
                "RoleName": "robin",
                "AssumeRolePolicyDocument": {},
                "ManagedPolicyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
                "Policies": [{"PolicyName": policy, "PolicyDocument": {"Version": "2012-10-17"}}],
            }},
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Table": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": {"Ref": "Vpc"}}},
            "Gateway": {"Type": "AWS::EC2::InternetGateway"},
            "Attached": {"Type": "AWS::EC2::VPCGatewayAttachment", "Properties": {"VpcId": {"Ref": "Vpc"}, "InternetGatewayId": {"Ref": "Gateway"}}},
            "Route": {"Type": "AWS::EC2::Route", "DependsOn": "Attached", "Properties": {
                "RouteTableId": {"Ref": "Table"}, "DestinationCidrBlock": format!("10.{port}.0.0/16"), "GatewayId": {"Ref": "Gateway"},
            }},
            "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Name": "nest", "SecretString": "{\"key\": \"worm\"}"}},
            "Said": {"Type": "AWS::SSM::Parameter", "DependsOn": "Secret", "Properties": {
                "Name": "said", "Type": "String", "Value": "<{{resolve:secretsmanager:nest:SecretString:key}}>",
            }},
        }})
    };
    let input = |template: Value, team: &str| {
        json!({
            "StackName": "birds",
            "TemplateBody": template.to_string(),
            "Capabilities": ["CAPABILITY_NAMED_IAM"],
            "Tags": [{"Key": "team", "Value": team}],
        })
    };
    let policies =
        async || world.ok("iam", "ListRolePolicies", json!({"RoleName": "robin"})).await["PolicyNames"].clone();
    let routes = async || {
        let tables = world.ok("ec2", "DescribeRouteTables", json!({})).await;
        let routes = tables["RouteTables"][0]["Routes"].as_array().cloned().unwrap_or_default();
        routes.iter().map(|route| route["DestinationCidrBlock"].clone()).collect::<Vec<_>>()
    };
    let team = async || {
        let tags = world.ok("iam", "ListRoleTags", json!({"RoleName": "robin"})).await["Tags"].clone();
        tags.as_array().into_iter().flatten().find(|tag| tag["Key"] == "team").map(|tag| tag["Value"].clone())
    };
    world.ok("cloudformation", "CreateStack", input(template("one", 1), "robins")).await;
    world.outputs("birds").await;
    assert_eq!(policies().await, json!(["one"]));
    assert_eq!(routes().await, ["10.1.0.0/16"]);
    assert_eq!(team().await, Some(json!("robins")));
    let attached = world.ok("iam", "ListAttachedRolePolicies", json!({"RoleName": "robin"})).await;
    assert_eq!(attached["AttachedPolicies"][0]["PolicyName"], "ReadOnlyAccess");
    assert_eq!(world.ok("ssm", "GetParameter", json!({"Name": "said"})).await["Parameter"]["Value"], "<worm>");
    let told = world.ok("cloudformation", "DescribeStackEvents", json!({"StackName": "birds"})).await.to_string();
    assert!(told.contains("resolve:secretsmanager") && !told.contains("<worm>"), "secrets are in no event");

    world.ok("cloudformation", "UpdateStack", input(template("two", 2), "wrens")).await;
    world.outputs("birds").await;
    assert_eq!(policies().await, json!(["two"]));
    assert_eq!(routes().await, ["10.2.0.0/16"]);
    assert_eq!(team().await, Some(json!("wrens")));

    world.ok("cloudformation", "DeleteStack", json!({"StackName": "birds"})).await;
    assert!(world.call("iam", "GetRole", json!({"RoleName": "robin"})).await.is_err());
    assert_eq!(world.ok("ec2", "DescribeRouteTables", json!({})).await["RouteTables"], json!([]));
}

#[tokio::test]
async fn pieces_are_included_and_parameters_looked_up() {
    let world = World::new();
    let bucket = json!({"Bucket": "pieces", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    world.ok("s3", "CreateBucket", bucket).await;
    world
        .put("pieces", "queue.yaml", "Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Ref Name}}".to_owned())
        .await;
    world.ok("ssm", "PutParameter", json!({"Name": "/name", "Type": "String", "Value": "robin"})).await;
    let template = json!({
        "Parameters": {"Name": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/name"}},
        "Resources": {
            "Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://pieces/queue.yaml"}},
            "Topic": {"Type": "AWS::SNS::Topic"},
        },
        "Outputs": {"Queue": {"Value": {"Fn::GetAtt": ["Queue", "QueueName"]}}},
    });
    let capabilities = ["CAPABILITY_AUTO_EXPAND"];
    let input = json!({"StackName": "birds", "TemplateBody": template.to_string(), "Capabilities": capabilities});
    world.ok("cloudformation", "CreateStack", input.clone()).await;
    assert_eq!(world.outputs("birds").await["Queue"], "robin");
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "birds"})).await;
    assert_eq!(stack["Stacks"][0]["Parameters"][0]["ResolvedValue"], "robin");
    let processed = json!({"StackName": "birds", "TemplateStage": "Processed"});
    let processed = world.ok("cloudformation", "GetTemplate", processed).await["TemplateBody"].to_string();
    assert!(processed.contains("AWS::SQS::Queue"), "{processed}");

    let mut missing = input;
    missing["StackName"] = json!("other");
    missing["TemplateBody"] = json!(template.to_string().replace("queue.yaml", "none.yaml"));
    let error = world.call("cloudformation", "CreateStack", missing).await.expect_err("there is no such piece");
    assert!(error.message.contains("AWS::Include failed"), "{error}");
}

#[tokio::test]
async fn drift_is_seen() {
    let world = World::new();
    let template = json!({"Resources": {
        "Queue": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "robin", "VisibilityTimeout": 45, "DelaySeconds": 5}},
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"RoleName": "robin", "Description": "sings", "AssumeRolePolicyDocument": {}}},
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "robin"}},
    }});
    let input =
        json!({"StackName": "birds", "TemplateBody": template.to_string(), "Capabilities": ["CAPABILITY_NAMED_IAM"]});
    world.ok("cloudformation", "CreateStack", input).await;
    let status = async || {
        let id = world.ok("cloudformation", "DetectStackDrift", json!({"StackName": "birds"})).await;
        world.ok("cloudformation", "DescribeStackDriftDetectionStatus", id).await
    };
    let told = status().await;
    assert_eq!((&told["StackDriftStatus"], &told["DriftedStackResourceCount"]), (&json!("IN_SYNC"), &json!(0)));

    let stack = world
        .ok("cloudformation", "DescribeStackResource", json!({"StackName": "birds", "LogicalResourceId": "Queue"}))
        .await;
    let url = stack["StackResourceDetail"]["PhysicalResourceId"].clone();
    world.ok("sqs", "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"VisibilityTimeout": "9"}})).await;
    world.ok("iam", "DeleteRole", json!({"RoleName": "robin"})).await;
    let told = status().await;
    assert_eq!((&told["StackDriftStatus"], &told["DriftedStackResourceCount"]), (&json!("DRIFTED"), &json!(2)));
    let drifts = world.ok("cloudformation", "DescribeStackResourceDrifts", json!({"StackName": "birds"})).await;
    let drifts = drifts["StackResourceDrifts"].as_array().expect("a list");
    let of = |name: &str| drifts.iter().find(|drift| drift["LogicalResourceId"] == name).expect(name);
    assert_eq!(of("Role")["StackResourceDriftStatus"], "DELETED");
    assert_eq!(of("Topic")["StackResourceDriftStatus"], "IN_SYNC");
    let expect = json!([{"PropertyPath": "/VisibilityTimeout", "ExpectedValue": "45", "ActualValue": "9", "DifferenceType": "NOT_EQUAL"}]);
    assert_eq!(of("Queue")["PropertyDifferences"], expect);
    let filtered = json!({"StackName": "birds", "StackResourceDriftStatusFilters": ["IN_SYNC"]});
    let filtered = world.ok("cloudformation", "DescribeStackResourceDrifts", filtered).await;
    assert_eq!(filtered["StackResourceDrifts"].as_array().map(Vec::len), Some(1));
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "birds"})).await;
    assert_eq!(stack["Stacks"][0]["DriftInformation"]["StackDriftStatus"], "DRIFTED");
}

#[tokio::test]
async fn stacks_nest() {
    let world = World::new();
    let child = |name: &str| {
        json!({
            "Parameters": {"Name": {"Type": "String"}},
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::Sub": format!("{name}-${{Name}}")}}}},
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
        })
    };
    let parent = |fails: bool| {
        let mut template = json!({
            "Resources": {"Child": {"Type": "AWS::CloudFormation::Stack", "Properties": {
                "TemplateURL": "http://localhost:4566/templates/child.json", "Parameters": {"Name": "robin"},
            }}},
            "Outputs": {"Topic": {"Value": {"Fn::GetAtt": ["Child", "Outputs.Topic"]}}},
        });
        if fails {
            template["Resources"]["Taken"] =
                json!({"Type": "AWS::S3::Bucket", "DependsOn": "Child", "Properties": {"BucketName": "templates"}});
        }
        template
    };
    let bucket = json!({"Bucket": "templates", "CreateBucketConfiguration": {"LocationConstraint": "eu-west-1"}});
    world.ok("s3", "CreateBucket", bucket).await;
    world.put("templates", "child.json", child("a").to_string()).await;
    let input = |template: Value| json!({"StackName": "birds", "TemplateBody": template.to_string()});
    let topics = async || world.ok("sns", "ListTopics", json!({})).await["Topics"].clone();
    let of = |name: &str| json!([{"TopicArn": format!("arn:aws:sns:eu-west-1:111122223333:{name}")}]);

    world.ok("cloudformation", "CreateStack", input(parent(false))).await;
    assert_eq!(world.outputs("birds").await["Topic"], of("a-robin")[0]["TopicArn"]);
    let stacks = world.ok("cloudformation", "DescribeStacks", json!({})).await;
    let stacks = stacks["Stacks"].as_array().expect("a list");
    let nested = stacks.iter().find(|stack| stack["ParentId"].is_string()).expect("a nested one");
    assert!(nested["StackName"].as_str().is_some_and(|name| name.starts_with("birds-Child-")), "{nested}");

    // Only the nested template has changed.
    world.put("templates", "child.json", child("b").to_string()).await;
    world.ok("cloudformation", "UpdateStack", input(parent(false))).await;
    assert_eq!(world.outputs("birds").await["Topic"], of("b-robin")[0]["TopicArn"]);
    assert_eq!(topics().await, of("b-robin"));

    // What fails in one is taken back in all.
    world.ok("cloudformation", "UpdateStack", input(parent(true))).await;
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "birds"})).await;
    assert_eq!(stack["Stacks"][0]["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    world
        .put(
            "templates",
            "child.json",
            json!({
                "Parameters": {"Name": {"Type": "String"}},
                "Resources": {"Taken": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "templates"}}},
            })
            .to_string(),
        )
        .await;
    world.ok("cloudformation", "UpdateStack", input(parent(false))).await;
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "birds"})).await;
    assert_eq!(stack["Stacks"][0]["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(topics().await, of("b-robin"));
    let told = world.ok("cloudformation", "DescribeStackEvents", json!({"StackName": "birds"})).await.to_string();
    assert!(told.contains("was not successfully updated"), "{told}");
    // One that is refused before it begins has nothing to take back.
    world.put("templates", "child.json", json!({"Resources": {"T": {"Type": "AWS::SNS::Topic"}}}).to_string()).await;
    world.ok("cloudformation", "UpdateStack", input(parent(false))).await;
    let stack = world.ok("cloudformation", "DescribeStacks", json!({"StackName": "birds"})).await;
    assert_eq!(stack["Stacks"][0]["StackStatus"], "UPDATE_ROLLBACK_COMPLETE");

    world.ok("cloudformation", "DeleteStack", json!({"StackName": "birds"})).await;
    assert_eq!(topics().await, json!([]));
    assert_eq!(world.ok("cloudformation", "DescribeStacks", json!({})).await["Stacks"], json!([]));
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
