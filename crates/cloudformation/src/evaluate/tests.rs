use serde_json::json;

use super::*;
use crate::parameters::Argument;
use crate::transform::{Prepared, prepare};

fn environment() -> Environment {
    Environment {
        account: "111122223333".to_owned(),
        region: "eu-west-1".to_owned(),
        partition: "aws".to_owned(),
        stack_name: "birds".to_owned(),
        stack_id: "arn:aws:cloudformation:eu-west-1:111122223333:stack/birds/1".to_owned(),
        notification_arns: vec!["arn:sns".to_owned()],
    }
}

fn prepared(template: &Value, arguments: &[(&str, &str)]) -> Result<Prepared, TemplateError> {
    let arguments =
        arguments.iter().map(|(name, value)| ((*name).to_owned(), Argument::Value((*value).to_owned()))).collect();
    prepare(template, &arguments, &IndexMap::new(), &environment(), &|_| None)
}

/// A value within a template that has what values may refer to.
fn value(value: &Value, planning: bool) -> Result<Value, TemplateError> {
    let template = json!({
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"P": {"Type": "String", "Default": "p"}, "L": {"Type": "CommaDelimitedList", "Default": "x,y"}},
        "Mappings": {"M": {"eu-west-1": {"ami": "ami-1", "list": ["a", "b"]}}},
        "Conditions": {
            "Yes": {"Fn::Equals": [{"Ref": "P"}, "p"]},
            "No": {"Fn::Not": [{"Condition": "Yes"}]},
            "Both": {"Fn::And": [{"Condition": "Yes"}, {"Condition": "No"}]},
            "Either": {"Fn::Or": [{"Condition": "Yes"}, {"Condition": "No"}]},
        },
        "Resources": {
            "Bucket": {"Type": "AWS::S3::Bucket"},
            "New": {"Type": "AWS::S3::Bucket"},
            "It": {"Type": "T", "Properties": {"v": value}},
        },
    });
    let prepared = prepared(&template, &[])?;
    let bucket = json!({"Arn": "arn:aws:s3:::b", "Endpoint": {"Port": 80}, "Outputs.X": "out"});
    let made = IndexMap::from([(
        "Bucket".to_owned(),
        Made { reference: "b".to_owned(), attributes: bucket.as_object().unwrap().clone() },
    )]);
    let environment = environment();
    let exports = |name: &str| (name == "theirs").then(|| "imported".to_owned());
    let mut evaluator = Evaluator::new(&prepared.template, &prepared.references, &environment, &exports)?;
    if planning {
        evaluator = evaluator.planning();
    }
    let properties = evaluator.value(&prepared.template.resources["It"].properties, &made)?;
    Ok(properties.get("v").cloned().unwrap_or(Value::Null))
}

#[test]
fn functions_come_to_values() {
    let check = |given: Value, expect: Value| assert_eq!(value(&given, false).unwrap(), expect, "{given}");
    check(json!({"Ref": "P"}), json!("p"));
    check(json!({"Ref": "L"}), json!(["x", "y"]));
    check(json!({"Ref": "Bucket"}), json!("b"));
    check(json!({"Ref": "AWS::NoValue"}), Value::Null);
    check(json!([1, {"Ref": "AWS::NoValue"}, 2]), json!([1, 2]));
    check(json!({"a": {"Ref": "AWS::NoValue"}, "b": 1}), json!({"b": 1}));
    check(json!({"Ref": "AWS::NotificationARNs"}), json!(["arn:sns"]));
    check(json!({"Fn::GetAtt": ["Bucket", "Arn"]}), json!("arn:aws:s3:::b"));
    check(json!({"Fn::GetAtt": "Bucket.Endpoint.Port"}), json!(80));
    check(json!({"Fn::GetAtt": ["Bucket", "Outputs.X"]}), json!("out"));
    check(
        json!({"Fn::Sub": "${P}-${Bucket.Arn}-${AWS::Region}.${AWS::URLSuffix}-${!P}"}),
        json!("p-arn:aws:s3:::b-eu-west-1.amazonaws.com-${P}"),
    );
    check(json!({"Fn::Sub": ["${A}${P}", {"A": {"Fn::Join": ["-", ["1", 2]]}}]}), json!("1-2p"));
    check(json!({"Fn::Join": [",", {"Ref": "L"}]}), json!("x,y"));
    check(json!({"Fn::Select": ["1", {"Ref": "L"}]}), json!("y"));
    check(json!({"Fn::Select": [0, {"Fn::GetAZs": ""}]}), json!("eu-west-1a"));
    check(json!({"Fn::Split": ["|", "a|b"]}), json!(["a", "b"]));
    check(json!({"Fn::FindInMap": ["M", {"Ref": "AWS::Region"}, "ami"]}), json!("ami-1"));
    check(json!({"Fn::FindInMap": ["M", "mars", "ami", {"DefaultValue": {"Ref": "P"}}]}), json!("p"));
    check(json!({"Fn::If": ["Both", 1, {"Fn::If": ["Either", 2, 3]}]}), json!(2));
    check(json!({"Fn::Base64": {"Ref": "P"}}), json!("cA=="));
    check(json!({"Fn::Cidr": ["10.0.0.0/16", 2, 8]}), json!(["10.0.0.0/24", "10.0.1.0/24"]));
    check(json!({"Fn::ImportValue": "theirs"}), json!("imported"));
    check(json!({"Fn::Length": {"Ref": "L"}}), json!(2));
    check(json!({"Fn::ToJsonString": {"a": {"Ref": "P"}}}), json!("{\"a\":\"p\"}"));
    check(json!({"Fn::ForEach::X": ["I", {"Ref": "L"}, {"k${I}": {"Ref": "I"}}]}), json!({"kx": "x", "ky": "y"}));
}

#[test]
fn wrong_arguments_are_told() {
    let check = |given: Value, message: &str| {
        let error = value(&given, false).expect_err(message);
        assert!(error.message.contains(message), "{}", error.message);
    };
    check(json!({"Fn::Select": [5, {"Ref": "L"}]}), "nonexistent value at index 5");
    check(json!({"Fn::FindInMap": ["M", "mars", "ami"]}), "Unable to get mapping for M::mars::ami");
    check(json!({"Fn::GetAtt": ["Bucket", "Nope"]}), "resource Bucket does not support attribute type Nope");
    check(json!({"Fn::ImportValue": "nobody's"}), "No export named nobody's found.");
    check(json!({"Fn::Join": ["-", "x"]}), "Fn::Join object requires");
    check(json!({"Fn::Join": ["-", [{"a": 1}]]}), "Fn::Join object requires");
    check(json!({"Fn::Sub": ["a"  , 1]}), "Fn::Sub object requires");
    check(json!({"Fn::Split": ["", "x"]}), "Fn::Split object requires");
    check(json!({"Ref": "New"}), "Unresolved resource dependencies [New]");
    check(json!({"Fn::Cidr": ["x", 1, 8]}), "no block of addresses");
    check(json!({"Fn::ForEach::X": ["I", {"Ref": "L"}, {"k": 1}]}), "makes the key k twice");
}

#[test]
fn plans_have_places_for_what_is_not_known() {
    assert_eq!(value(&json!({"Fn::Sub": "x-${New.Arn}"}), true).unwrap(), json!(format!("x-{UNKNOWN}")));
    assert_eq!(value(&json!({"Fn::Select": [3, {"Fn::Split": [":", {"Ref": "New"}]}]}), true).unwrap(), json!(UNKNOWN));
}

#[test]
fn rules_are_checked() {
    let template = json!({
        "Parameters": {"Size": {"Type": "String"}, "Env": {"Type": "String", "Default": "prod"}},
        "Rules": {"R": {
            "RuleCondition": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
            "Assertions": [{"Assert": {"Fn::Contains": [["big"], {"Ref": "Size"}]}, "AssertDescription": "be big"}],
        }},
        "Resources": {"A": {"Type": "T"}},
    });
    let told = |arguments: &[(&str, &str)]| {
        let prepared = prepared(&template, arguments).unwrap();
        let environment = environment();
        let evaluator = Evaluator::new(&prepared.template, &prepared.references, &environment, &|_| None).unwrap();
        evaluator.check_rules().map_err(|error| error.message)
    };
    assert_eq!(told(&[("Size", "big")]), Ok(()));
    assert_eq!(told(&[("Size", "small")]), Err("Template validation error: be big".to_owned()));
    assert_eq!(told(&[("Size", "small"), ("Env", "test")]), Ok(()));
}

#[test]
fn resources_are_repeated() {
    let template = json!({
        "Transform": "AWS::LanguageExtensions",
        "Parameters": {"Names": {"Type": "CommaDelimitedList", "Default": "a.b,c"}, "Keep": {"Type": "String", "Default": "Retain"}},
        "Resources": {"Fn::ForEach::Topics": ["Name", {"Ref": "Names"}, {
            "Topic&{Name}": {"Type": "AWS::SNS::Topic", "DeletionPolicy": {"Ref": "Keep"}, "Properties": {"TopicName": {"Fn::Sub": "${Name}-x"}}},
        }]},
    });
    let prepared = prepared(&template, &[]).unwrap();
    let names: Vec<&String> = prepared.template.resources.keys().collect();
    assert_eq!(names, ["Topicab", "Topicc"]);
    assert_eq!(prepared.template.resources["Topicab"].properties, json!({"TopicName": {"Fn::Sub": "a.b-x"}}));
    assert!(prepared.template.resources["Topicc"].deletion_policy.keeps());
}

#[test]
fn what_grows_without_end_is_stopped() {
    let wide: Vec<Value> = (0..2000).map(|_| json!({"Ref": "P"})).collect();
    let template = json!({
        "Parameters": {"P": {"Type": "String", "Default": "x".repeat(4000)}},
        "Resources": {"A": {"Type": "T", "Properties": {"v": {"Fn::Join": ["", wide]}, "w": {"Fn::Sub": "${P}".repeat(16_000)}}}},
    });
    let prepared = prepared(&template, &[]).unwrap();
    let environment = environment();
    let evaluator = Evaluator::new(&prepared.template, &prepared.references, &environment, &|_| None).unwrap();
    let error = evaluator.value(&prepared.template.resources["A"].properties, &IndexMap::new()).unwrap_err();
    assert!(error.message.contains("more than"), "{}", error.message);

    let loops = (0..6).fold(json!({"k${A}-${B}-${C}-${D}-${E}-${F}": "x"}), |inner, at| {
        let name = ["A", "B", "C", "D", "E", "F"][at];
        json!({format!("Fn::ForEach::{name}"): [name, (0..50).map(|n| n.to_string()).collect::<Vec<_>>(), inner]})
    });
    let template =
        json!({"Transform": "AWS::LanguageExtensions", "Resources": {"A": {"Type": "T", "Properties": loops}}});
    let error = prepare(&template, &IndexMap::new(), &IndexMap::new(), &environment, &|_| None).unwrap_err();
    assert!(error.message.contains("loops come to more"), "{}", error.message);
}
