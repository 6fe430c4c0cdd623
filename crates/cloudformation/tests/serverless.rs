//! The serverless transform: logical ids, types and what they are tied together with.

use indexmap::IndexMap;
use serde_json::{Value, json};
use standin_cloudformation::evaluate::Environment;
use standin_cloudformation::{source, transform};

fn environment() -> Environment {
    Environment {
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
        stack_name: "birds".to_owned(),
        stack_id: "arn:aws:cloudformation:eu-west-1:111122223333:stack/birds/1".to_owned(),
        notification_arns: Vec::new(),
    }
}

fn expanded(text: &str) -> Result<Value, String> {
    let source = source::parse(text).expect("well-formed");
    let prepared = transform::prepare(&source, &IndexMap::new(), &IndexMap::new(), &environment(), &|_| None);
    prepared.map(|prepared| prepared.processed).map_err(|error| error.message)
}

/// A logical id whose ten digits at the end are a hash.
fn without_hash(name: &str) -> String {
    let (head, tail) = name.split_at(name.len().saturating_sub(10));
    if tail.len() == 10 && tail.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return format!("{head}#");
    }
    name.to_owned()
}

#[test]
fn resources_have_the_names_of_the_real_transform() {
    let template = expanded(include_str!("templates/serverless.yaml")).expect("expands");
    let mut found: Vec<String> = template["Resources"]
        .as_object()
        .expect("a map")
        .iter()
        .map(|(name, resource)| format!("{} {}", without_hash(name), resource["Type"].as_str().unwrap_or_default()))
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "Birds AWS::DynamoDB::Table",
            "Files AWS::S3::Bucket",
            "Flow AWS::StepFunctions::StateMachine",
            "FlowHourly AWS::Events::Rule",
            "FlowHourlyRole AWS::IAM::Role",
            "FlowRole AWS::IAM::Role",
            "Hello AWS::Lambda::Function",
            "HelloChanges AWS::Lambda::EventSourceMapping",
            "HelloDaily AWS::Events::Rule",
            "HelloDailyPermission AWS::Lambda::Permission",
            "HelloGetPermissionProd AWS::Lambda::Permission",
            "HelloNews AWS::SNS::Subscription",
            "HelloNewsPermission AWS::Lambda::Permission",
            "HelloPut2Permission AWS::Lambda::Permission",
            "HelloPutPermission AWS::Lambda::Permission",
            "HelloRole AWS::IAM::Role",
            "HelloWork AWS::Lambda::EventSourceMapping",
            "Http AWS::ApiGatewayV2::Api",
            "HttpApiGatewayDefaultStage AWS::ApiGatewayV2::Stage",
            "Own AWS::ApiGateway::RestApi",
            "OwnDeployment# AWS::ApiGateway::Deployment",
            "Ownv1Stage AWS::ApiGateway::Stage",
            "Published AWS::Lambda::Function",
            "PublishedAliaslive AWS::Lambda::Alias",
            "PublishedAnyPermission AWS::Lambda::Permission",
            "PublishedVersion# AWS::Lambda::Version",
            "Queue AWS::SQS::Queue",
            "ServerlessHttpApi AWS::ApiGatewayV2::Api",
            "ServerlessHttpApiApiGatewayDefaultStage AWS::ApiGatewayV2::Stage",
            "ServerlessRestApi AWS::ApiGateway::RestApi",
            "ServerlessRestApiDeployment# AWS::ApiGateway::Deployment",
            "ServerlessRestApiProdStage AWS::ApiGateway::Stage",
            "Shared# AWS::Lambda::LayerVersion",
            "Streamed AWS::DynamoDB::Table",
            "Topic AWS::SNS::Topic",
        ]
    );
    let resource = |name: &str| &template["Resources"][name];
    let function = &resource("Hello")["Properties"];
    assert_eq!(function["Code"], json!({"S3Bucket": "code", "S3Key": "app.zip"}));
    assert_eq!((&function["Runtime"], &function["Timeout"]), (&json!("python3.12"), &json!(30)));
    assert_eq!(function["Environment"]["Variables"], json!({"LEVEL": "info", "TABLE": {"Ref": "Birds"}}));
    assert_eq!(function["Role"], json!({"Fn::GetAtt": ["HelloRole", "Arn"]}));
    assert_eq!(function["TracingConfig"], json!({"Mode": "Active"}));
    let layer = function["Layers"][0]["Ref"].as_str().expect("a name");
    assert_eq!(without_hash(layer), "Shared#");
    assert_eq!(template["Outputs"]["Layer"]["Value"]["Ref"], layer);
    let managed = resource("HelloRole")["Properties"]["ManagedPolicyArns"].to_string();
    for policy in [
        "AWSLambdaBasicExecutionRole",
        "AWSXRayDaemonWriteAccess",
        "AWSLambdaSQSQueueExecutionRole",
        "AWSLambdaDynamoDBExecutionRole",
        "AmazonS3ReadOnlyAccess",
    ] {
        assert!(managed.contains(policy), "{policy}: {managed}");
    }
    assert_eq!(resource("HelloRole")["Properties"]["Policies"][0]["PolicyName"], "HelloRolePolicy0");
    let path = &resource("ServerlessRestApi")["Properties"]["Body"]["paths"]["/birds/{id}"]["get"];
    assert!(path.to_string().contains("${Hello.Arn}/invocations"), "{path}");
    let from = &resource("HelloGetPermissionProd")["Properties"]["SourceArn"]["Fn::Sub"];
    assert!(from[0].as_str().is_some_and(|arn| arn.ends_with("${__ApiId__}/*/GET/birds/*")), "{from}");
    assert_eq!(resource("HelloDaily")["Properties"]["State"], "DISABLED");
    assert_eq!(resource("Files")["DependsOn"], json!(["HelloPut2Permission"]));
    assert!(resource("Http")["Properties"]["Body"]["paths"]["/any"].to_string().contains("${PublishedAliaslive}"));
    assert!(template.get("Transform").is_none() && template.get("Globals").is_none());
}

#[test]
fn mistakes_name_their_resource() {
    let check = |properties: &str, message: &str| {
        let text = format!(
            "Transform: AWS::Serverless-2016-10-31\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {properties}\n"
        );
        let error = expanded(&text).expect_err(message);
        assert!(error.contains("Resource with id [F] is invalid") && error.contains(message), "{error}");
    };
    check("{Handler: a, Runtime: b}", "Missing required property 'CodeUri'");
    check("{Handler: a, Runtime: b, CodeUri: ./src}", "'CodeUri' is not a valid S3 Uri");
    check("{InlineCode: x}", "Missing required property 'Handler'");
    check("{InlineCode: x, Handler: a, Runtime: b, Events: {E: {Type: Nope}}}", "events of type 'Nope'");
    check("{InlineCode: x, Handler: a, Runtime: b, Events: {E: {Type: SQS}}}", "Missing required property 'Queue'");
}
