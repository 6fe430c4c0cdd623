use serde_json::{Value, json};
use standin_model::{Catalogue, Document, Protocol, Service};

use super::*;

fn service(id: &str) -> &'static Service {
    Catalogue::embedded().newest(id).expect("served").open().expect("readable")
}

/// A service of one operation `Op` whose input and output have the given members.
fn with_members(protocol: &str, members: &Value) -> Service {
    let model = json!({
        "metadata": {"apiVersion": "2020-01-01", "endpointPrefix": "test", "serviceId": "Test", "protocol": protocol,
            "xmlNamespace": "urn:x"},
        "operations": {
            "Op": {"name": "Op", "input": {"shape": "S"}, "output": {"shape": "S", "resultWrapper": "OpResult"}},
            "Void": {"name": "Void"},
        },
        "shapes": {
            "S": {"type": "structure", "members": members},
            "Text": {"type": "string"},
            "Number": {"type": "integer"},
            "Blob": {"type": "blob"},
            "Time": {"type": "timestamp"},
            "Pair": {"type": "structure", "members": {
                "Name": {"shape": "Text", "locationName": "name"},
                "Values": {"shape": "Texts", "locationName": "valueSet"}}},
            "Texts": {"type": "list", "member": {"shape": "Text"}},
            "Lists": {"type": "list", "member": {"shape": "Texts"}},
            "Flat": {"type": "list", "member": {"shape": "Text"}, "flattened": true},
            "FlatNamed": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}, "flattened": true},
            "Named": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}},
            "Pairs": {"type": "list", "member": {"shape": "Pair", "locationName": "item"}},
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Number"}},
            "NamedMap": {"type": "map", "key": {"shape": "Text", "locationName": "K"},
                "value": {"shape": "Texts", "locationName": "V"}, "flattened": true},
        },
    });
    standin_model::import::botocore::service(&standin_model::import::botocore::Files {
        service: &model,
        ..Default::default()
    })
    .expect("a model")
}

fn read(protocol: &str, members: &Value, form: &str) -> Result<Value, String> {
    let service = with_members(protocol, members);
    let operation = service.operation("Op").expect("modelled");
    read_form(service.protocol(), &service, operation, form.as_bytes())
        .map(|value| value.to_json())
        .map_err(|error| error.to_string())
}

#[test]
fn query_forms_are_read() {
    let check = |members: Value, form: &str, expect: Value| {
        assert_eq!(read("query", &members, form).as_ref(), Ok(&expect), "{form}");
    };
    let list = |shape: &str| json!({"L": {"shape": shape}});
    check(
        json!({"A": {"shape": "Text"}}),
        "Action=Op&Version=2020-01-01&A=a+b%2Bc%26&Unknown=x",
        json!({"A": "a b+c&"}),
    );
    check(json!({"A": {"shape": "Text"}}), "A=&", json!({"A": ""}));
    check(json!({"A": {"shape": "Text"}}), "A=1&A=2\r\n", json!({"A": "2"}));
    check(json!({"A": {"shape": "Text", "locationName": "b"}}), "b=1", json!({"A": "1"}));
    check(
        json!({"B": {"shape": "Blob"}, "T": {"shape": "Time"}, "N": {"shape": "Number"}}),
        "B=Zm9v&T=2026-10-07T12%3A00%3A00Z&N=-5",
        json!({"B": "Zm9v", "T": "2026-10-07T12:00:00Z", "N": -5}),
    );
    // Lists in any style, with gaps, out of order.
    for shape in ["Texts", "Named", "Flat", "FlatNamed"] {
        for style in ["L.member.", "L.", "L.item."] {
            let form = format!("{style}10=c&{style}2=b&{style}1=a&{style}99999999999999999999999999=d");
            check(list(shape), &form, json!({"L": ["a", "b", "c", "d"]}));
        }
        check(list(shape), "L=", json!({"L": []}));
        check(list(shape), "L=one", json!({"L": ["one"]}));
    }
    check(list("Named"), "L.Item.1=a", json!({"L": ["a"]}));
    check(list("FlatNamed"), "Item.1=a&Item.2=b", json!({"L": ["a", "b"]}));
    check(list("Lists"), "L.member.1.member.1=a&L.member.1.member.2=b&L.member.2=", json!({"L": [["a", "b"], []]}));
    check(
        list("Pairs"),
        "L.item.1.name=n&L.item.1.valueSet.member.1=v",
        json!({"L": [{"Name": "n", "Values": ["v"]}]}),
    );
    check(list("Texts"), "L.member.1000000000=a", json!({"L": ["a"]}));
    // Keys that share a beginning but not a part.
    check(
        json!({"A": {"shape": "Texts"}, "A-B": {"shape": "Text"}, "AB": {"shape": "Text"}}),
        "A-B=1&A.member.1=2&AB=3",
        json!({"A": ["2"], "A-B": "1", "AB": "3"}),
    );
    // Maps.
    for style in ["M.entry.", "M."] {
        let form = format!("{style}2.value=2&{style}2.key=b&{style}1.key=a&{style}1.value=1");
        check(json!({"M": {"shape": "Map"}}), &form, json!({"M": {"a": 1, "b": 2}}));
    }
    check(json!({"M": {"shape": "NamedMap"}}), "M.1.K=a&M.1.V.member.1=x", json!({"M": {"a": ["x"]}}));
    check(json!({"M": {"shape": "Map"}}), "M=", json!({"M": {}}));
    check(json!({"P": {"shape": "Pair"}}), "P.name=n", json!({"P": {"Name": "n"}}));
}

#[test]
fn ec2_names_are_read_capitalised_or_not() {
    let members = json!({
        "Ids": {"shape": "Named", "locationName": "instanceId"},
        "Filters": {"shape": "Pairs", "locationName": "Filter"},
        "Addresses": {"shape": "Texts", "locationName": "addressSet", "queryName": "Addresses"},
        "plain": {"shape": "Text"},
    });
    let check = |form: &str, expect: Value| assert_eq!(read("ec2", &members, form).as_ref(), Ok(&expect), "{form}");
    check("InstanceId.1=a&InstanceId.2=b", json!({"Ids": ["a", "b"]}));
    check("instanceId.1=a", json!({"Ids": ["a"]}));
    check("Ids.1=a", json!({"Ids": ["a"]}));
    check("Filter.1.Name=n&Filter.1.ValueSet.1=v", json!({"Filters": [{"Name": "n", "Values": ["v"]}]}));
    check("Filter.1.name=n&Filter.1.Values.member.1=v", json!({"Filters": [{"Name": "n", "Values": ["v"]}]}));
    check("Addresses.1=a&plain=p", json!({"Addresses": ["a"], "plain": "p"}));
    check("AddressSet.1=a&Plain=p", json!({"Addresses": ["a"], "plain": "p"}));
}

#[test]
fn bad_forms_are_refused() {
    let check = |members: Value, form: &str, expect: &str| {
        assert_eq!(read("query", &members, form), Err(expect.to_owned()), "{form}");
    };
    check(json!({"N": {"shape": "Number"}}), "N=x", "N: `x` is not an integer");
    check(json!({"N": {"shape": "Number"}}), "N.1=1", "N: has parts, but is an integer");
    check(json!({"M": {"shape": "Map"}}), "M.entry.3.value=1", "M.entry.3: has no `key`");
    check(json!({"M": {"shape": "Map"}}), "M.entry.3.key=1", "M.entry.3: has no `value`");
    check(json!({"L": {"shape": "Pairs"}}), "L.member.2.name.x=1", "L.member.2.Name: has parts, but is a string");
    check(json!({"A": {"shape": "Text"}}), "A=%ff", "`%ff` is not percent-encoded UTF-8");
    let deep = format!("S{}.A=1", ".S".repeat(10_000));
    let error = read("query", &json!({"S": {"shape": "S"}, "A": {"shape": "Text"}}), &deep).expect_err("too deep");
    assert!(error.ends_with("nested deeper than 128 levels"), "{error}");
}

#[test]
fn forms_are_written_as_botocore_writes_them() {
    let check = |protocol: &str, members: Value, input: Value, expect: &str| {
        let service = with_members(protocol, &members);
        let operation = service.operation("Op").expect("modelled");
        let written = write_form(service.protocol(), &service, operation, &Document::from_json(&input));
        let written = written.map(|bytes| String::from_utf8(bytes).expect("ASCII"));
        let expect = if expect.is_empty() { String::new() } else { format!("&{expect}") };
        assert_eq!(written, Ok(format!("Action=Op&Version=2020-01-01{expect}")));
    };
    check("query", json!({"A": {"shape": "Text"}}), json!({"A": "a b+c&é"}), "A=a%20b%2Bc%26%C3%A9");
    check("query", json!({"A": {"shape": "Text"}}), json!({"A": null}), "");
    check("query", json!({"L": {"shape": "Texts"}}), json!({"L": ["a", "b"]}), "L.member.1=a&L.member.2=b");
    check("query", json!({"L": {"shape": "Texts"}}), json!({"L": []}), "L=");
    check("query", json!({"L": {"shape": "Named"}}), json!({"L": ["a"]}), "L.Item.1=a");
    check("query", json!({"L": {"shape": "Flat"}}), json!({"L": ["a"]}), "L.1=a");
    check("query", json!({"L": {"shape": "FlatNamed"}}), json!({"L": ["a"]}), "Item.1=a");
    check("query", json!({"M": {"shape": "Map"}}), json!({"M": {"a": 1}}), "M.entry.1.key=a&M.entry.1.value=1");
    check("query", json!({"M": {"shape": "NamedMap"}}), json!({"M": {"a": ["x"]}}), "M.1.K=a&M.1.V.member.1=x");
    check("query", json!({"P": {"shape": "Pair"}}), json!({"P": {"Name": "n"}}), "P.name=n");
    check(
        "ec2",
        json!({"P": {"shape": "Pair", "locationName": "pair"}}),
        json!({"P": {"Name": "n", "Values": ["v"]}}),
        "Pair.Name=n&Pair.ValueSet.1=v",
    );
    check("ec2", json!({"L": {"shape": "Named", "locationName": "l", "queryName": "q"}}), json!({"L": ["a"]}), "q.1=a");
    check("ec2", json!({"L": {"shape": "Named"}}), json!({"L": []}), "");

    let service = with_members("query", &json!({"L": {"shape": "Texts"}}));
    let operation = service.operation("Op").expect("modelled");
    let error = |input: Value| {
        write_form(Protocol::AwsQuery, &service, operation, &Document::from_json(&input))
            .expect_err("a misfit")
            .to_string()
    };
    assert_eq!(error(json!({"L": ["a", {}]})), "L.member.2: does not fit a string");
    assert_eq!(error(json!({"X": 1})), ": `X` is not a member of S");
}

#[test]
fn results_have_the_frame_of_their_protocol() {
    let check = |protocol: &str, operation: &str, output: Value, expect: &str| {
        let members =
            json!({"L": {"shape": "Pairs", "locationName": "pairSet"}, "A": {"shape": "Text", "locationName": "a"}});
        let service = with_members(protocol, &members);
        let operation = service.operation(operation).expect("modelled");
        let output = Document::from_json(&output);
        let bytes = write_result(service.protocol(), &service, operation, "id-1", &output);
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text.replace("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", ""), expect);
        assert_eq!(read_result(service.protocol(), &service, operation, text.as_bytes()), Ok(output));
    };
    const METADATA: &str = "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata>";
    check(
        "query",
        "Op",
        json!({"L": [{"Name": "n", "Values": []}], "A": "x"}),
        &format!(
            "<OpResponse xmlns=\"urn:x\"><OpResult><pairSet><item><name>n</name><valueSet/></item></pairSet><a>x</a>\
             </OpResult>{METADATA}</OpResponse>"
        ),
    );
    check("query", "Op", json!({}), &format!("<OpResponse xmlns=\"urn:x\"><OpResult/>{METADATA}</OpResponse>"));
    check("query", "Void", json!({}), &format!("<VoidResponse xmlns=\"urn:x\">{METADATA}</VoidResponse>"));
    check(
        "ec2",
        "Op",
        json!({"A": "x"}),
        "<OpResponse xmlns=\"urn:x/\"><requestId>id-1</requestId><a>x</a></OpResponse>",
    );
    check(
        "ec2",
        "Void",
        json!({}),
        "<VoidResponse xmlns=\"urn:x/\"><requestId>id-1</requestId><return>true</return></VoidResponse>",
    );
    let iam = service("iam");
    let list = iam.operation("ListUsers").expect("modelled");
    for wrong in ["", "<ListUsersResponse/>", "<ListUsersResponse><ListUsersResult>", "{}"] {
        assert!(read_result(Protocol::AwsQuery, iam, list, wrong.as_bytes()).is_err(), "{wrong}");
    }
}

/// SQS's model is a JSON one now; clients that still speak its old protocol use names that only they remember.
#[test]
fn sqs_keeps_its_query_names() {
    let sqs = service("sqs");
    let check = |operation: &str, form: &str, expect: Value| {
        let operation = sqs.operation(operation).expect("modelled");
        let read = read_form(Protocol::AwsQuery, sqs, operation, form.as_bytes()).expect("a form");
        assert_eq!(read.to_json(), expect, "{form}");
        let written = write_form(Protocol::AwsQuery, sqs, operation, &read).expect("fits");
        let back = read_form(Protocol::AwsQuery, sqs, operation, &written).expect("a form");
        assert_eq!(back, read);
        let head = format!("Action={}&Version=2012-11-05&", operation.name);
        let mut fields: Vec<String> =
            String::from_utf8(written).expect("ASCII").replace(&head, "").split('&').map(str::to_owned).collect();
        fields.sort();
        assert_eq!(fields.join("&"), form);
    };
    check(
        "CreateQueue",
        "Attribute.1.Name=DelaySeconds&Attribute.1.Value=5&QueueName=q&Tag.1.Key=k&Tag.1.Value=v",
        json!({"QueueName": "q", "Attributes": {"DelaySeconds": "5"}, "tags": {"k": "v"}}),
    );
    check(
        "ReceiveMessage",
        "AttributeName.1=All&MessageAttributeName.1=a",
        json!({"AttributeNames": ["All"], "MessageAttributeNames": ["a"]}),
    );
    check(
        "SendMessageBatch",
        "SendMessageBatchRequestEntry.1.Id=1&SendMessageBatchRequestEntry.1.MessageAttribute.1.Name=n&\
         SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType=String&\
         SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue=s&\
         SendMessageBatchRequestEntry.1.MessageBody=b",
        json!({"Entries": [{"Id": "1", "MessageBody": "b",
            "MessageAttributes": {"n": {"StringValue": "s", "DataType": "String"}}}]}),
    );
    let receive = sqs.operation("ReceiveMessage").expect("modelled");
    let output = json!({"Messages": [{"MessageId": "1", "Attributes": {"SenderId": "x"}}]});
    let bytes = write_result(Protocol::AwsQuery, sqs, receive, "id-1", &Document::from_json(&output));
    let text = String::from_utf8(bytes).expect("UTF-8");
    let expect = "<ReceiveMessageResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><ReceiveMessageResult>\
        <Message><MessageId>1</MessageId><Attribute><Name>SenderId</Name><Value>x</Value></Attribute></Message>\
        </ReceiveMessageResult>";
    assert!(text.starts_with(expect), "{text}");
}

proptest::proptest! {
    /// Nothing that looks like a form makes the reader panic.
    #[test]
    fn any_form_ends_in_a_value_or_an_error(
        parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "&", "=", ".", "..", "%", "%2E", "%ff", "+", "1", "0", "18446744073709551616", "-1", "MessageAttributes", "entry",
                "Name", "Value", "StringValue", "BinaryValue", "Message", "é",
            ]),
            0..40,
        )
    ) {
        let sns = service("sns");
        let publish = sns.operation("Publish").expect("modelled");
        let _ = read_form(Protocol::AwsQuery, sns, publish, parts.concat().as_bytes());
    }
}
