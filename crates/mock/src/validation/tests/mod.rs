mod catalogue;

use serde_json::json;
use standin_model::{Catalogue, Key};

use super::*;

/// One of each kind and constraint.
const MODEL: &str = r#"{
  "metadata": {"endpointPrefix": "test", "protocol": "json", "serviceId": "Test"},
  "operations": {"Op": {"name": "Op", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "S"}}},
  "shapes": {
    "S": {"type": "structure", "members": {
      "Name": {"shape": "Name"}, "Secret": {"shape": "Secret"}, "Count": {"shape": "Count"}, "Rate": {"shape": "Rate"},
      "Mode": {"shape": "Mode"}, "Blob": {"shape": "Blob"}, "Names": {"shape": "Names"}, "Modes": {"shape": "Modes"},
      "Tags": {"shape": "TagList"}, "Labels": {"shape": "Labels"}, "ByName": {"shape": "ByName"},
      "Groups": {"shape": "Groups"}, "Choice": {"shape": "Choice"}, "Sparse": {"shape": "SparseNames"},
      "Time": {"shape": "Time"}, "Flag": {"shape": "Flag"}, "Any": {"shape": "Any"}, "Byte": {"shape": "Byte"},
      "Token": {"shape": "Name", "idempotencyToken": true}, "Json": {"shape": "Name", "jsonvalue": true},
      "Nested": {"shape": "S"}, "DBName": {"shape": "Name"}, "Big": {"shape": "Big"}, "Decimal": {"shape": "Decimal"},
      "Pair": {"shape": "Pair"}}},
    "Pair": {"type": "structure", "required": ["Left", "Right", "Token"], "members": {
      "Left": {"shape": "Name"}, "Right": {"shape": "Name"}, "Token": {"shape": "Name", "idempotencyToken": true}}},
    "Name": {"type": "string", "min": 2, "max": 4, "pattern": "[a-zé]+"},
    "Secret": {"type": "string", "min": 8, "sensitive": true},
    "Count": {"type": "integer", "min": 1, "max": 100}, "Rate": {"type": "double", "min": 0, "max": 1},
    "Mode": {"type": "string", "enum": ["ON", "OFF"]}, "Blob": {"type": "blob", "min": 1, "max": 2},
    "Names": {"type": "list", "member": {"shape": "Name"}, "min": 1, "max": 2},
    "SparseNames": {"type": "list", "member": {"shape": "Name"}, "sparse": true},
    "Modes": {"type": "list", "member": {"shape": "Mode"}},
    "TagList": {"type": "list", "member": {"shape": "Tag"}, "max": 2},
    "Tag": {"type": "structure", "required": ["Key"], "members": {"Key": {"shape": "Name"}, "Value": {"shape": "Name"}}},
    "Labels": {"type": "map", "key": {"shape": "Name"}, "value": {"shape": "Name"}, "max": 2},
    "ByName": {"type": "map", "key": {"shape": "Any2"}, "value": {"shape": "TagList"}},
    "Any2": {"type": "string"},
    "Groups": {"type": "list", "member": {"shape": "Names"}},
    "Choice": {"type": "structure", "union": true, "members": {"A": {"shape": "Name"}, "B": {"shape": "Count"}}},
    "Time": {"type": "timestamp"}, "Flag": {"type": "boolean"}, "Byte": {"type": "byte"},
    "Big": {"type": "biginteger"}, "Decimal": {"type": "bigdecimal"},
    "Any": {"type": "structure", "members": {}, "document": true}
  }}"#;

fn service() -> Service {
    standin_model::import::any(MODEL).expect("a model").remove(0)
}

fn strict(input: &serde_json::Value) -> Vec<String> {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let document = input_from_json(&service, shape, input).expect("of the right kinds");
    check_shape(&service, shape, &document).iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(input: &serde_json::Value, expected: &[&str]) {
    assert_eq!(strict(input), expected, "{input}");
}

#[test]
fn good_values_pass() {
    check(
        &json!({
            "Name": "éé", "Secret": "12345678", "Count": 100, "Rate": 0.5, "Mode": "ON", "Blob": {"text": "ab"},
            "Names": ["ab"], "Modes": ["OFF"], "Tags": [{"Key": "ab"}], "Labels": {"ab": "cd"}, "Groups": [["ab"]],
            "ByName": {"": [{"Key": "ab"}]}, "Choice": {"B": 1}, "Time": 0, "Flag": true, "Any": [null, {"a": 1}],
            "Nested": {}, "Pair": {"Left": "ab", "Right": "cd"}, "Json": {"a": 1}, "Names": ["ab", "cd"]
        }),
        &[],
    );
    check(&json!({}), &[]);
}

#[test]
fn strings() {
    let at = "Value 'abcde' at 'name' failed to satisfy constraint";
    check(&json!({"Name": "abcde"}), &[&format!("{at}: Member must have length less than or equal to 4")]);
    check(
        &json!({"Name": ""}),
        &[
            "Value '' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2",
            "Value '' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zé]+",
        ],
    );
    check(
        &json!({"DBName": "a b"}),
        &["Value 'a b' at 'dBName' failed to satisfy constraint: \
           Member must satisfy regular expression pattern: [a-zé]+"],
    );
    // Characters count, not bytes.
    check(&json!({"Name": "éééé"}), &[]);
    check(
        &json!({"Mode": "Off"}),
        &["Value 'Off' at 'mode' failed to satisfy constraint: Member must satisfy enum value set: [ON, OFF]"],
    );
    check(
        &json!({"Secret": "1234"}),
        &["Value at 'secret' failed to satisfy constraint: Member must have length greater than or equal to 8"],
    );
}

#[test]
fn numbers_and_blobs() {
    check(
        &json!({"Count": 0}),
        &["Value '0' at 'count' failed to satisfy constraint: Member must have value greater than or equal to 1"],
    );
    check(
        &json!({"Count": 101}),
        &["Value '101' at 'count' failed to satisfy constraint: Member must have value less than or equal to 100"],
    );
    check(
        &json!({"Rate": 1.5}),
        &["Value '1.5' at 'rate' failed to satisfy constraint: Member must have value less than or equal to 1.0"],
    );
    check(
        &json!({"Blob": {"text": "abc"}}),
        &["Value '3 bytes' at 'blob' failed to satisfy constraint: Member must have length less than or equal to 2"],
    );
}

#[test]
fn lists_and_maps() {
    check(
        &json!({"Names": []}),
        &["Value '[]' at 'names' failed to satisfy constraint: Member must have length greater than or equal to 1"],
    );
    check(
        &json!({"Names": ["ab", "A"]}),
        &["Value '[ab, A]' at 'names' failed to satisfy constraint: Member must satisfy constraint: \
           [Member must have length less than or equal to 4, Member must have length greater than or equal to 2, \
           Member must satisfy regular expression pattern: [a-zé]+]"],
    );
    check(
        &json!({"Modes": ["ON", "on"]}),
        &["Value '[ON, on]' at 'modes' failed to satisfy constraint: Member must satisfy constraint: \
           [Member must satisfy enum value set: [ON, OFF]]"],
    );
    check(
        &json!({"Modes": ["ON", null]}),
        &["Value '[ON, null]' at 'modes' failed to satisfy constraint: Member must satisfy constraint: \
           [Member must satisfy enum value set: [ON, OFF], Member must not be null]"],
    );
    check(&json!({"Sparse": ["ab", null]}), &[]);
    check(
        &json!({"Groups": [["ab"], []]}),
        &["Value '[[ab], []]' at 'groups' failed to satisfy constraint: Member must satisfy constraint: \
           [Member must have length less than or equal to 2, Member must have length greater than or equal to 1]"],
    );
    check(
        &json!({"Tags": [{"Key": "ab"}, {"Value": "A1"}]}),
        &[
            "Value null at 'tags.2.member.key' failed to satisfy constraint: Member must not be null",
            "Value 'A1' at 'tags.2.member.value' failed to satisfy constraint: \
             Member must satisfy regular expression pattern: [a-zé]+",
        ],
    );
    check(
        &json!({"Labels": {"a": "bc"}}),
        &["Value '{a=bc}' at 'labels' failed to satisfy constraint: Map keys must satisfy constraint: \
           [Member must have length less than or equal to 4, Member must have length greater than or equal to 2, \
           Member must satisfy regular expression pattern: [a-zé]+]"],
    );
    check(
        &json!({"Labels": {"ab": "b"}}),
        &["Value '{ab=b}' at 'labels' failed to satisfy constraint: Map value must satisfy constraint: \
           [Member must have length less than or equal to 4, Member must have length greater than or equal to 2, \
           Member must satisfy regular expression pattern: [a-zé]+]"],
    );
    check(
        &json!({"ByName": {"x": [{}]}}),
        &["Value null at 'byName.x.member.1.member.key' failed to satisfy constraint: Member must not be null"],
    );
}

#[test]
fn structures_and_unions() {
    check(
        &json!({"Pair": {}}),
        &[
            "Value null at 'pair.left' failed to satisfy constraint: Member must not be null",
            "Value null at 'pair.right' failed to satisfy constraint: Member must not be null",
        ],
    );
    check(
        &json!({"Choice": {"A": "ab", "B": 1}}),
        &["Value '{A=ab, B=1}' at 'choice' failed to satisfy constraint: Member must set exactly one of [A, B]"],
    );
    check(
        &json!({"Choice": {}}),
        &["Value '{}' at 'choice' failed to satisfy constraint: Member must set exactly one of [A, B]"],
    );
}

#[test]
fn other_kinds_and_unknown_members() {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let fields = [
        ("Name", Document::Int(1)),
        ("Byte", Document::Int(128)),
        ("Flag", Document::from("true")),
        ("Tags", Document::List(vec![Document::from("x")])),
        ("Nmae", Document::from("x")),
    ];
    let value = Document::Map(fields.into_iter().map(|(key, value)| (Key::Borrowed(key), value)).collect());
    let told = |options| -> Vec<String> {
        check_shape_with(&service, shape, &value, options).iter().map(ToString::to_string).collect()
    };
    let mut expected = vec![
        "Value '1' at 'name' failed to satisfy constraint: Member must be a string",
        "Value '128' at 'byte' failed to satisfy constraint: Member must be an integer of 8 bits",
        "Value 'true' at 'flag' failed to satisfy constraint: Member must be a boolean",
        "Value '[x]' at 'tags' failed to satisfy constraint: Member must satisfy constraint: [Member must be a structure]",
    ];
    assert_eq!(told(Options::default()), expected);
    assert_eq!(told(Options { required_only: true, ..Options::default() }), [""; 0]);
    expected.push("Value at 'nmae' failed to satisfy constraint: Member is not modelled; did you mean Name?");
    assert_eq!(told(Options { unknown_members: true, ..Options::default() }), expected);
}

#[test]
fn violations_are_bounded() {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let tags = Document::List(vec![Document::map(); 100_000]);
    let value = Document::Map([(Key::Borrowed("Tags"), tags)].into_iter().collect());
    let told = check_shape(&service, shape, &value);
    assert_eq!(told.len(), 100);
    let long = "A".repeat(1_000_000);
    for value in [json!({"Name": long}), json!({"Labels": {&long: "x"}}), json!({"ByName": {&long: [{}]}})] {
        let told = strict(&value);
        assert!(!told.is_empty() && told.iter().all(|message| message.len() < 1500), "{told:?}");
    }
}

#[test]
fn plain_json_is_read_by_shape() {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let read = |value: serde_json::Value| match input_from_json(&service, shape, &value) {
        Ok(document) => document,
        Err(violations) => panic!("{value}: {violations:?}"),
    };
    let member = |name: &str, value: serde_json::Value| {
        read(json!({ name: value })).get(name).cloned().unwrap_or_else(|| panic!("{name} was left out"))
    };
    let blob = |bytes: &'static [u8]| Document::Blob(bytes.into());
    assert_eq!(member("Blob", json!("aGk=")), blob(b"hi"));
    assert_eq!(member("Blob", json!("hi!")), blob(b"hi!"));
    assert_eq!(member("Blob", json!({"text": "aGk="})), blob(b"aGk="));
    assert_eq!(member("Blob", json!({"base64": "aGk="})), blob(b"hi"));
    let time = Document::Timestamp(standin_model::Timestamp::from_seconds(1_791_374_400));
    assert_eq!(member("Time", json!("2026-10-07T12:00:00Z")), time);
    assert_eq!(member("Time", json!(1_791_374_400)), time);
    assert_eq!(member("Count", json!("7")), Document::Int(7));
    assert_eq!(member("Count", json!(7.0)), Document::Int(7));
    assert_eq!(member("Rate", json!("-Infinity")), Document::Float(f64::NEG_INFINITY));
    assert_eq!(member("Flag", json!("true")), Document::Bool(true));
    assert_eq!(member("Any", json!({"a": [1]})), Document::from_json(&json!({"a": [1]})));
    let digits = "123456789012345678901234567890";
    assert_eq!(member("Big", json!(digits)), Document::BigNumber(digits.into()));
    assert_eq!(member("Decimal", json!("1.10")), Document::BigNumber("1.10".into()));
    assert_eq!(read(json!({"Name": null})), Document::map());
}

#[test]
fn plain_json_of_other_kinds_is_refused() {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let value = json!({
        "name": "x", "Name": 1, "Count": 1.5, "Tags": [{"Kee": 1}], "Flag": "yes", "Time": "soon", "Big": "1e5",
        "Blob": {"base64": "!"}, "Choice": []
    });
    let told = input_from_json(&service, shape, &value).expect_err("much is wrong");
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "Value at 'name' failed to satisfy constraint: Member is not modelled; did you mean Name?",
            "Value '1' at 'name' failed to satisfy constraint: Member must be a string",
            "Value '1.5' at 'count' failed to satisfy constraint: Member must be an integer of 32 bits",
            "Value at 'tags.1.member.kee' failed to satisfy constraint: Member is not modelled; did you mean Key?",
            "Value 'yes' at 'flag' failed to satisfy constraint: Member must be a boolean",
            "Value 'soon' at 'time' failed to satisfy constraint: Member must be a timestamp",
            "Value '1e5' at 'big' failed to satisfy constraint: Member must be an integer",
            "Value '{base64=!}' at 'blob' failed to satisfy constraint: Member must be a blob",
            "Value '[]' at 'choice' failed to satisfy constraint: Member must be a union",
        ]
    );
}

/// Validates plain JSON as the input of a modelled operation.
fn refusal(service: &str, operation: &str, input: &serde_json::Value) -> OperationError {
    let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
    let operation = service.operation(operation).expect("modelled");
    let input = input_from_json(service, operation.input.expect("takes input"), input).expect("of the right kinds");
    validate(service, operation, &input, Strictness::Strict).expect_err("not valid")
}

#[test]
fn refuses_in_the_words_of_aws() {
    let error = refusal("mwaa", "GetEnvironment", &json!({"Name": "1 x"}));
    assert_eq!(error.code, "ValidationException");
    assert_eq!(
        error.message,
        "1 validation error detected: Value '1 x' at 'name' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z][0-9a-zA-Z-_]*"
    );
    let error = refusal("dynamodb", "CreateTable", &json!({"BillingMode": "FREE", "TableName": "t"}));
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        (
            "ValidationException",
            "1 validation error detected: Value 'FREE' at 'billingMode' failed to satisfy constraint: \
             Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]"
        )
    );
    let error = refusal("iam", "CreateRole", &json!({"RoleName": "r".repeat(65), "AssumeRolePolicyDocument": "{}"}));
    assert_eq!(error.code, "ValidationError");
    assert!(error.message.ends_with(
        "at 'roleName' failed to satisfy constraint: \
         Member must have length less than or equal to 64"
    ));
    let error = refusal("s3", "GetObject", &json!({"Bucket": "b", "Key": ""}));
    assert_eq!((error.code.as_ref(), error.status), ("InvalidArgument", Some(400)));
    assert_eq!(refusal("ecs", "CreateService", &json!({})).code, "InvalidParameterException");
    assert_eq!(refusal("lambda", "GetFunction", &json!({})).code, "ValidationException");
    assert_eq!(refusal("route53", "GetHostedZone", &json!({})).code, "InvalidInput");
}

#[test]
fn ec2_has_words_of_its_own() {
    let error = refusal("ec2", "RunInstances", &json!({"MinCount": 1}));
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("MissingParameter", "The request must contain the parameter MaxCount")
    );
    let error = refusal("ec2", "RunInstances", &json!({"MinCount": 1, "MaxCount": 1, "InstanceType": "x"}));
    assert_eq!(error.code, "InvalidParameterValue");
    assert!(error.message.starts_with("Value (x) for parameter InstanceType is invalid."), "{}", error.message);
}

#[test]
fn members_of_the_error_are_filled() {
    let error = refusal("accessanalyzer", "GetAnalyzer", &json!({}));
    assert_eq!(error.code, "ValidationException");
    assert_eq!(error.members.get("reason").and_then(Document::as_str), Some("fieldValidationFailed"));
    let fields = error.members.get("fieldList").and_then(Document::as_list).expect("a list");
    assert_eq!(fields[0].get("name").and_then(Document::as_str), Some("analyzerName"));
    assert!(fields[0].get("message").and_then(Document::as_str).is_some_and(|text| text.contains("not be null")));
}

#[test]
fn strictness() {
    let service = Catalogue::shared().newest("mwaa").expect("served").open().expect("opens");
    let operation = service.operation("GetEnvironment").expect("modelled");
    let wrong =
        input_from_json(service, operation.input.expect("takes input"), &json!({"Name": "1 x"})).expect("reads");
    let check = |input: &Document, strictness| validate(service, operation, input, strictness).is_ok();
    assert!(!check(&wrong, Strictness::Strict));
    assert!(check(&wrong, Strictness::Lenient));
    assert!(!check(&Document::map(), Strictness::Lenient));
    assert!(check(&Document::map(), Strictness::Off));
}
