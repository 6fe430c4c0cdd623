use serde_json::json;

use super::super::any;
use super::*;

/// An AST of one REST-JSON service `com.foo#Talk` with one operation, `Say`, plus whatever shapes are given.
#[expect(clippy::needless_pass_by_value, reason = "so that calls read well with json! in place")]
fn talk(service_traits: &Value, operation_traits: &Value, shapes: Value) -> Value {
    let mut all = json!({
        "com.foo#Talk": {
            "type": "service",
            "version": "2026-01-01",
            "operations": [{"target": "com.foo#Say"}],
            "traits": {"aws.protocols#restJson1": {}, "aws.auth#sigv4": {"name": "talk"}},
        },
        "com.foo#Say": {
            "type": "operation",
            "input": {"target": "com.foo#SayInput"},
            "output": {"target": "com.foo#SayOutput"},
            "traits": {"smithy.api#http": {"method": "POST", "uri": "/say", "code": 200}},
        },
        "com.foo#SayInput": {"type": "structure", "members": {"text": {"target": "smithy.api#String"}}},
        "com.foo#SayOutput": {"type": "structure", "members": {"text": {"target": "smithy.api#String"}}},
    });
    merge_into(&mut all["com.foo#Talk"]["traits"], service_traits);
    merge_into(&mut all["com.foo#Say"]["traits"], operation_traits);
    merge_into(&mut all, &shapes);
    json!({"smithy": "2.0", "shapes": all})
}

fn merge_into(into: &mut Value, from: &Value) {
    let into = into.as_object_mut().unwrap();
    into.extend(from.as_object().unwrap().clone());
}

fn read(ast: &Value) -> Service {
    services(ast).unwrap().remove(0)
}

fn refused(ast: &Value) -> String {
    services(ast).unwrap_err().to_string()
}

/// The service with an input of these members and the shapes beside it.
#[expect(clippy::needless_pass_by_value, reason = "so that calls read well with json! in place")]
fn with_input(members: &Value, shapes: Value) -> Service {
    let mut all = json!({"com.foo#SayInput": {"type": "structure", "members": members}});
    merge_into(&mut all, &shapes);
    read(&talk(&json!({}), &json!({}), all))
}

fn shape<'s>(service: &'s Service, name: &str) -> &'s Shape {
    service.shape(service.shape_named(name).unwrap_or_else(|| panic!("no shape {name}")))
}

fn member<'s>(service: &'s Service, structure: &str, name: &str) -> &'s Member {
    let ix = service.shape_named(structure).unwrap();
    service.structure(ix).unwrap().member(name).unwrap()
}

fn operation_names(service: &Service) -> Vec<&str> {
    service.operations.iter().map(|operation| operation.name).collect()
}

/// The same API in both formats is the same [`Service`].
#[test]
fn agrees_with_the_botocore_reader() {
    let smithy = json!({"smithy": "2.0", "shapes": {
        "com.foo#AwsTalk": {
            "type": "service",
            "version": "2026-01-01",
            "operations": [{"target": "com.foo#PutPhrase"}],
            "traits": {
                "aws.api#service": {"sdkId": "Talk Runtime", "arnNamespace": "talk", "endpointPrefix": "runtime.talk"},
                "aws.auth#sigv4": {"name": "talk"},
                "aws.protocols#restJson1": {},
                "smithy.api#title": "Amazon Talk",
            },
        },
        "com.foo#PutPhrase": {
            "type": "operation",
            "input": {"target": "com.foo#PutPhraseRequest"},
            "output": {"target": "com.foo#PutPhraseResponse"},
            "errors": [{"target": "com.foo#BusyException"}],
            "traits": {
                "smithy.api#http": {"method": "PUT", "uri": "/phrases/{name}?x-id=PutPhrase&v=2", "code": 201},
                "smithy.api#idempotent": {},
                "smithy.api#endpoint": {"hostPrefix": "data."},
            },
        },
        "com.foo#PutPhraseRequest": {"type": "structure", "members": {
            "name": {"target": "com.foo#Name", "traits": {"smithy.api#httpLabel": {}, "smithy.api#required": {}}},
            "dry": {"target": "smithy.api#Boolean", "traits": {"smithy.api#httpQuery": "dryRun"}},
            "token": {"target": "smithy.api#String", "traits": {"smithy.api#idempotencyToken": {}}},
            "limit": {"target": "smithy.api#Integer", "traits": {"smithy.api#range": {"min": 1, "max": 50}}},
            "when": {"target": "com.foo#Time", "traits": {"smithy.api#jsonName": "whenever"}},
        }},
        "com.foo#PutPhraseResponse": {"type": "structure", "members": {
            "etag": {"target": "smithy.api#String", "traits": {"smithy.api#httpHeader": "ETag"}},
            "mood": {"target": "com.foo#Mood"},
            "words": {"target": "com.foo#Words"},
        }},
        "com.foo#BusyException": {
            "type": "structure",
            "members": {"message": {"target": "smithy.api#String"}},
            "traits": {"smithy.api#error": "client", "smithy.api#httpError": 429, "smithy.api#retryable": {"throttling": true}},
        },
        "com.foo#Name": {"type": "string", "traits": {
            "smithy.api#length": {"min": 1, "max": 64}, "smithy.api#pattern": "^[a-z]+$", "smithy.api#sensitive": {}}},
        "com.foo#Time": {"type": "timestamp", "traits": {"smithy.api#timestampFormat": "date-time"}},
        "com.foo#Mood": {"type": "enum", "members": {
            "GOOD": {"target": "smithy.api#Unit", "traits": {"smithy.api#enumValue": "good"}},
            "BAD": {"target": "smithy.api#Unit"},
        }},
        "com.foo#Words": {"type": "list", "member": {"target": "smithy.api#String"}},
    }});
    let botocore = json!({
        "metadata": {
            "apiVersion": "2026-01-01", "auth": ["aws.auth#sigv4"], "endpointPrefix": "runtime.talk",
            "protocol": "rest-json", "serviceFullName": "Amazon Talk", "serviceId": "Talk Runtime", "signingName": "talk",
        },
        "operations": {"PutPhrase": {
            "name": "PutPhrase",
            "http": {"method": "PUT", "requestUri": "/phrases/{name}?v=2", "responseCode": 201},
            "input": {"shape": "PutPhraseRequest"},
            "output": {"shape": "PutPhraseResponse"},
            "errors": [{"shape": "BusyException"}],
            "idempotent": true,
            "endpoint": {"hostPrefix": "data."},
        }},
        "shapes": {
            "Boolean": {"type": "boolean"},
            "BusyException": {
                "type": "structure", "members": {"message": {"shape": "String"}}, "exception": true,
                "error": {"httpStatusCode": 429, "senderFault": true}, "retryable": {"throttling": true},
            },
            "Integer": {"type": "integer"},
            "Mood": {"type": "string", "enum": ["good", "BAD"]},
            "Name": {"type": "string", "min": 1, "max": 64, "pattern": "^[a-z]+$", "sensitive": true},
            "PutPhraseRequest": {"type": "structure", "required": ["name"], "members": {
                "name": {"shape": "Name", "location": "uri", "locationName": "name"},
                "dry": {"shape": "Boolean", "location": "querystring", "locationName": "dryRun"},
                "token": {"shape": "String", "idempotencyToken": true},
                "limit": {"shape": "PutPhraseRequestLimitInteger"},
                "when": {"shape": "Time", "locationName": "whenever"},
            }},
            "PutPhraseRequestLimitInteger": {"type": "integer", "min": 1, "max": 50},
            "PutPhraseResponse": {"type": "structure", "members": {
                "etag": {"shape": "String", "location": "header", "locationName": "ETag"},
                "mood": {"shape": "Mood"},
                "words": {"shape": "Words"},
            }},
            "String": {"type": "string"},
            "Time": {"type": "timestamp", "timestampFormat": "iso8601"},
            "Words": {"type": "list", "member": {"shape": "String"}},
        },
    });
    let smithy = any(&smithy.to_string()).unwrap().remove(0);
    let botocore = any(&botocore.to_string()).unwrap().remove(0);
    assert_eq!(smithy, botocore);
}

#[test]
fn protocols_in_order_of_preference() {
    let check = |traits: &[&str], expect: &[Protocol], target_prefix: Option<&str>| {
        let mut ast = talk(&json!({}), &json!({}), json!({}));
        ast["shapes"]["com.foo#Talk"]["traits"] = traits.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
        let service = read(&ast);
        assert_eq!(&*service.protocols, expect, "{traits:?}");
        assert_eq!(service.target_prefix, target_prefix, "{traits:?}");
        service
    };
    use Protocol::*;
    let target = Some("Talk");
    check(&["aws.protocols#awsJson1_0"], &[AwsJson1_0], target);
    check(&["aws.protocols#awsJson1_1"], &[AwsJson1_1], target);
    check(&["aws.protocols#restJson1"], &[RestJson1], None);
    check(&["aws.protocols#restXml"], &[RestXml], None);
    check(&["aws.protocols#awsQuery"], &[AwsQuery], None);
    check(&["aws.protocols#ec2Query"], &[Ec2Query], None);
    check(&["aws.protocols#awsQuery", "smithy.protocols#rpcv2Cbor"], &[RpcV2Cbor, AwsQuery], target);
    let compatible =
        check(&["aws.protocols#awsQueryCompatible", "aws.protocols#awsJson1_0"], &[AwsJson1_0, AwsQuery], target);
    assert!(compatible.query_compatible);

    let mut ast = talk(&json!({}), &json!({}), json!({}));
    ast["shapes"]["com.foo#Talk"]["traits"] = json!({});
    assert!(refused(&ast).starts_with("com.foo#Talk: has none of the protocols smithy.protocols#rpcv2Cbor"));
}

#[test]
fn a_service_of_ones_own_needs_no_aws_traits() {
    let service = read(&talk(&json!({}), &json!({}), json!({})));
    assert_eq!((service.id, service.sdk_id, service.title), ("talk", "Talk", "Talk"));
    assert_eq!((service.endpoint_prefix, service.signing_name), ("talk", "talk"));
    assert_eq!(&*service.auth, ["aws.auth#sigv4"]);
    assert_eq!(service.version, "2026-01-01");
    let named = json!({
        "aws.api#service": {"sdkId": "Talk To Me", "arnNamespace": "talking"},
        "smithy.api#auth": ["smithy.api#httpBearerAuth"],
    });
    let service = read(&talk(&named, &json!({}), json!({})));
    assert_eq!((service.id, service.endpoint_prefix), ("talk-to-me", "talking"));
    assert_eq!(&*service.auth, ["smithy.api#httpBearerAuth"]);
}

#[test]
fn operations_are_found_through_resources() {
    let operation = json!({"type": "operation"});
    let ast = json!({"smithy": "2.0", "shapes": {
        "com.foo#S": {"type": "service", "version": "1", "traits": {"aws.protocols#awsJson1_0": {}},
            "operations": [{"target": "com.foo#Direct"}], "resources": [{"target": "com.foo#Outer"}]},
        "com.foo#Outer": {
            "type": "resource",
            "create": {"target": "com.foo#Create"}, "put": {"target": "com.foo#Put"}, "read": {"target": "com.foo#Read"},
            "update": {"target": "com.foo#Update"}, "delete": {"target": "com.foo#Delete"}, "list": {"target": "com.foo#List"},
            "operations": [{"target": "com.foo#Instance"}], "collectionOperations": [{"target": "com.foo#Collection"}],
            "resources": [{"target": "com.foo#Inner"}],
        },
        // A resource that is its own child must not be walked for ever.
        "com.foo#Inner": {"type": "resource", "read": {"target": "com.foo#ReadInner"}, "resources": [{"target": "com.foo#Outer"}]},
        "com.foo#Direct": operation, "com.foo#Create": operation, "com.foo#Put": operation, "com.foo#Read": operation,
        "com.foo#Update": operation, "com.foo#Delete": operation, "com.foo#List": operation, "com.foo#Instance": operation,
        "com.foo#Collection": operation, "com.foo#ReadInner": operation, "com.foo#Stray": operation,
    }});
    let expect = ["Collection", "Create", "Delete", "Direct", "Instance", "List", "Put", "Read", "ReadInner", "Update"];
    let service = read(&ast);
    assert_eq!(operation_names(&service), expect);
    assert_eq!((service.operations[0].input, service.operations[0].http.uri.text), (None, "/"));
}

#[test]
fn several_services_have_their_own_closures() {
    let mut ast = talk(
        &json!({}),
        &json!({}),
        json!({
            "com.foo#Hear": {"type": "service", "version": "1", "traits": {"aws.protocols#awsJson1_1": {}}},
        }),
    );
    let read = services(&ast).unwrap();
    assert_eq!(read.iter().map(|service| service.sdk_id).collect::<Vec<_>>(), ["Hear", "Talk"]);
    assert!(read[0].shapes.is_empty());
    ast["shapes"] = json!({});
    assert_eq!(refused(&ast), "smithy: the model holds no service");
    ast["smithy"] = json!("3.0");
    assert_eq!(refused(&ast), "smithy: version `3.0` is neither 1.0 nor 2.0");
}

#[test]
fn http_bindings_count_where_they_apply() {
    let binding = |name: &str, value: Value| json!({(name): value});
    let input = json!({
        "label": {"target": "smithy.api#String", "traits": {"smithy.api#httpLabel": {}, "smithy.api#hostLabel": {}}},
        "query": {"target": "smithy.api#String", "traits": binding("smithy.api#httpQuery", json!("q"))},
        "rest": {"target": "com.foo#Texts", "traits": binding("smithy.api#httpQueryParams", json!({}))},
        "head": {"target": "smithy.api#String", "traits": binding("smithy.api#httpHeader", json!("X-Head"))},
        "heads": {"target": "com.foo#Texts", "traits": binding("smithy.api#httpPrefixHeaders", json!("X-Meta-"))},
        "body": {"target": "com.foo#Bytes", "traits": binding("smithy.api#httpPayload", json!({}))},
        "json": {"target": "com.foo#Json", "traits": binding("smithy.api#httpHeader", json!("X-Json"))},
    });
    let output = json!({"type": "structure", "members": {
        "status": {"target": "smithy.api#Integer", "traits": binding("smithy.api#httpResponseCode", json!({}))},
        "query": {"target": "smithy.api#String", "traits": binding("smithy.api#httpQuery", json!("q"))},
        "inner": {"target": "com.foo#Inner"},
    }});
    let inner = json!({"type": "structure", "members": {
        "head": {"target": "smithy.api#String", "traits": binding("smithy.api#httpHeader", json!("X-Head"))},
    }});
    let service = with_input(
        &input,
        json!({
            "com.foo#SayOutput": output,
            "com.foo#Inner": inner,
            "com.foo#Texts": {"type": "map", "key": {"target": "smithy.api#String"}, "value": {"target": "smithy.api#String"}},
            "com.foo#Bytes": {"type": "blob", "traits": {"smithy.api#streaming": {}, "smithy.api#requiresLength": {}}},
            "com.foo#Json": {"type": "string", "traits": {"smithy.api#mediaType": "application/json"}},
        }),
    );
    let check = |structure, name, location, wire_name| {
        let member = member(&service, structure, name);
        assert_eq!((member.location, member.wire_name()), (location, wire_name), "{structure}.{name}");
    };
    check("SayInput", "label", Location::Uri, "label");
    check("SayInput", "query", Location::Query, "q");
    check("SayInput", "rest", Location::QueryParams, "rest");
    check("SayInput", "head", Location::Header, "X-Head");
    check("SayInput", "heads", Location::PrefixHeaders, "X-Meta-");
    check("SayInput", "body", Location::Body, "body");
    check("SayOutput", "status", Location::StatusCode, "status");
    check("SayOutput", "query", Location::Body, "query");
    check("Inner", "head", Location::Body, "head");
    assert!(member(&service, "SayInput", "label").host_label);
    assert!(member(&service, "SayInput", "json").json_value);
    let input = service.structure(service.shape_named("SayInput").unwrap()).unwrap();
    assert_eq!(input.payload_member().map(|member| (member.name, member.streaming)), Some(("body", true)));
    assert_eq!(shape(&service, "Bytes").kind, Kind::Blob { streaming: true, requires_length: true });

    // To a protocol without bindings they mean nothing.
    let mut ast = talk(
        &json!({}),
        &json!({}),
        json!({"com.foo#SayInput": {"type": "structure", "members": {
            "head": {"target": "smithy.api#String", "traits": {"smithy.api#httpHeader": "X-Head", "smithy.api#jsonName": "h"}},
        }}}),
    );
    ast["shapes"]["com.foo#Talk"]["traits"] = json!({"aws.protocols#awsJson1_1": {}});
    let service = read(&ast);
    let head = member(&service, "SayInput", "head");
    assert_eq!((head.location, head.wire_name()), (Location::Body, "head"));
    assert_eq!((service.operations[0].http.method, service.operations[0].http.uri.text), ("POST", "/"));
}

#[test]
fn names_on_the_wire_follow_the_protocol() {
    let ast = |protocol: &str| {
        let mut ast = talk(
            &json!({}),
            &json!({}),
            json!({
                "com.foo#SayInput": {"type": "structure", "traits": {"smithy.api#xmlName": "Root"}, "members": {
                    "text": {"target": "smithy.api#String", "traits": {
                        "smithy.api#jsonName": "j", "smithy.api#xmlName": "x", "aws.protocols#ec2QueryName": "E",
                        "smithy.api#xmlAttribute": {}}},
                    "items": {"target": "com.foo#Items", "traits": {"smithy.api#xmlFlattened": {}}},
                    "part": {"target": "com.foo#Part", "traits": {"smithy.api#httpPayload": {}}},
                }},
                "com.foo#Items": {"type": "list", "member": {"target": "smithy.api#String", "traits": {"smithy.api#xmlName": "item"}}},
                "com.foo#Part": {"type": "structure", "members": {},
                    "traits": {"smithy.api#xmlNamespace": {"prefix": "p", "uri": "http://p/"}}},
            }),
        );
        ast["shapes"]["com.foo#Talk"]["traits"] =
            json!({(protocol): {}, "smithy.api#xmlNamespace": {"uri": "http://foo/"}});
        read(&ast)
    };
    let item_name = |service: &Service| match &shape(service, "Items").kind {
        Kind::List(list) => list.member.location_name,
        other => panic!("{other:?}"),
    };

    let json = ast("aws.protocols#restJson1");
    assert_eq!(member(&json, "SayInput", "text").wire_name(), "j");
    assert_eq!((item_name(&json), json.xml_namespace, shape(&json, "SayInput").location_name), (None, None, None));

    let xml = ast("aws.protocols#restXml");
    let text = member(&xml, "SayInput", "text");
    assert_eq!((text.wire_name(), text.query_name, text.xml_attribute), ("x", Some("E"), true));
    assert!(member(&xml, "SayInput", "items").flattened);
    assert_eq!(item_name(&xml), Some("item"));
    assert_eq!(shape(&xml, "SayInput").location_name, Some("Root"));
    assert_eq!(xml.xml_namespace, Some("http://foo/"));
    assert_eq!(shape(&xml, "Part").xml_namespace, Some(XmlNamespace { prefix: Some("p"), uri: "http://p/" }));
    assert_eq!(member(&xml, "SayInput", "part").wire_name(), "Part");
    let payload = member(&xml, "SayInput", "part").xml_namespace.as_deref();
    assert_eq!(payload, Some(&XmlNamespace { prefix: None, uri: "http://foo/" }));

    let query = ast("aws.protocols#awsQuery");
    assert_eq!(query.operations[0].result_wrapper, Some("SayResult"));
    assert_eq!(member(&query, "SayInput", "text").wire_name(), "x");
}

#[test]
fn simple_types_and_constraints() {
    let kinds = [
        ("string", Kind::String { enum_values: Box::default() }),
        ("blob", Kind::Blob { streaming: false, requires_length: false }),
        ("boolean", Kind::Boolean),
        ("byte", Kind::Byte),
        ("short", Kind::Short),
        ("integer", Kind::Integer),
        ("intEnum", Kind::Integer),
        ("long", Kind::Long),
        ("float", Kind::Float),
        ("double", Kind::Double),
        ("bigInteger", Kind::BigInteger),
        ("bigDecimal", Kind::BigDecimal),
        ("timestamp", Kind::Timestamp(None)),
        ("document", Kind::Document),
    ];
    for (name, kind) in kinds {
        let service =
            with_input(&json!({"it": {"target": "com.foo#It"}}), json!({"com.foo#It": {"type": name, "members": {}}}));
        assert_eq!(shape(&service, "It").kind, kind, "{name}");
    }
    let service = with_input(
        &json!({
            "whole": {"target": "com.foo#Whole"}, "half": {"target": "com.foo#Half"}, "short": {"target": "com.foo#Whole",
                "traits": {"smithy.api#range": {"max": 2}, "smithy.api#deprecated": {}, "smithy.api#timestampFormat": "http-date"}},
            "list": {"target": "com.foo#List"}, "map": {"target": "com.foo#Map"}, "primitive": {"target": "smithy.api#PrimitiveLong"},
        }),
        json!({
            "com.foo#Whole": {"type": "long", "traits": {"smithy.api#range": {"min": -1, "max": 9}}},
            "com.foo#Half": {"type": "double", "traits": {"smithy.api#range": {"min": 0.5}}},
            "com.foo#List": {"type": "list", "traits": {"smithy.api#sparse": {}, "smithy.api#length": {"max": 3}},
                "member": {"target": "smithy.api#String", "traits": {"smithy.api#pattern": "^x"}}},
            "com.foo#Map": {"type": "map", "key": {"target": "smithy.api#String", "traits": {"smithy.api#length": {"min": 1}}},
                "value": {"target": "smithy.api#String"}},
        }),
    );
    let check = |name, min, max, pattern| {
        let constraints = Constraints { min, max, pattern };
        assert_eq!(shape(&service, name).constraints.as_deref(), Some(&constraints), "{name}");
    };
    let int = |value| Some(Bound::Int(value));
    check("Whole", int(-1), int(9), None);
    check("Half", Some(Bound::Float(0.5)), None, None);
    check("List", None, int(3), None);
    check("SayInputShortLong", None, int(2), None);
    check("ListMemberString", None, None, Some("^x"));
    check("MapKeyString", int(1), None, None);
    let short = member(&service, "SayInput", "short");
    assert_eq!((short.deprecated, short.timestamp_format), (true, Some(TimestampFormat::HttpDate)));
    assert!(matches!(&shape(&service, "List").kind, Kind::List(list) if list.sparse));
    assert_eq!(shape(&service, "Long").kind, Kind::Long);
}

#[test]
fn smithy_1_0_forms() {
    let mut ast = talk(
        &json!({}),
        &json!({}),
        json!({
            "com.foo#SayInput": {"type": "structure", "members": {
                "mood": {"target": "com.foo#Mood"}, "set": {"target": "com.foo#Set"}, "flag": {"target": "smithy.api#PrimitiveBoolean"}}},
            "com.foo#Mood": {"type": "string", "traits": {"smithy.api#enum": [{"value": "good", "name": "GOOD"}, {"value": "bad"}]}},
            "com.foo#Set": {"type": "set", "member": {"target": "smithy.api#String"}},
        }),
    );
    ast["smithy"] = json!("1.0");
    let service = read(&ast);
    assert_eq!(shape(&service, "Mood").kind, Kind::String { enum_values: Box::new(["good", "bad"]) });
    assert_eq!(shape(&service, "Set").kind.name(), "list");
    assert_eq!(service.target(member(&service, "SayInput", "flag")).name, "Boolean");
}

#[test]
fn errors_of_operation_and_service() {
    let ast = |protocol: &str| {
        let mut ast = talk(
            &json!({}),
            &json!({}),
            json!({
                "com.foo#Busy": {"type": "structure", "members": {}, "traits": {
                    "smithy.api#error": "client", "aws.protocols#awsQueryError": {"code": "TooBusy", "httpResponseCode": 420}}},
                "com.foo#Broken": {"type": "structure", "members": {}, "traits": {"smithy.api#error": "server"}},
            }),
        );
        ast["shapes"]["com.foo#Say"]["errors"] = json!([{"target": "com.foo#Busy"}]);
        ast["shapes"]["com.foo#Talk"]["errors"] = json!([{"target": "com.foo#Broken"}, {"target": "com.foo#Busy"}]);
        ast["shapes"]["com.foo#Talk"]["traits"] = json!({(protocol): {}});
        read(&ast)
    };
    let error = |service: &Service, name: &str| {
        let structure = service.structure(service.shape_named(name).unwrap()).unwrap();
        let error = structure.error.as_ref().unwrap();
        (error.code, error.http_status(), error.fault, error.sender_fault)
    };
    let query = ast("aws.protocols#awsQuery");
    let names: Vec<_> = query.operations[0].errors.iter().map(|ix| query.shape(*ix).name).collect();
    assert_eq!(names, ["Busy", "Broken"]);
    assert_eq!(error(&query, "Busy"), (Some("TooBusy"), 420, false, true));
    assert_eq!(error(&query, "Broken"), (None, 500, true, false));
    // Where nobody speaks Query, its codes are not on the wire.
    assert_eq!(error(&ast("aws.protocols#awsJson1_0"), "Busy"), (None, 400, false, false));
}

#[test]
fn traits_of_operations() {
    let service = json!({
        "smithy.api#paginated": {"inputToken": "token", "outputToken": "token", "pageSize": "size"},
        "aws.api#clientEndpointDiscovery": {"operation": "com.foo#Say"},
    });
    let operation = json!({
        "smithy.api#paginated": {"items": "things", "outputToken": "next"},
        "smithy.api#readonly": {},
        "smithy.api#deprecated": {},
        "smithy.api#httpChecksumRequired": {},
        "aws.protocols#httpChecksum": {"requestAlgorithmMember": "algorithm", "requestChecksumRequired": true,
            "requestValidationModeMember": "mode", "responseAlgorithms": ["CRC32"]},
        "smithy.api#requestCompression": {"encodings": ["gzip"]},
    });
    let service = read(&talk(&service, &operation, json!({})));
    let say = service.operation("Say").unwrap();
    assert_eq!(
        say.paginator.as_deref(),
        Some(&Paginator {
            input_token: Box::new(["token"]),
            output_token: Box::new(["next"]),
            limit_key: Some("size"),
            more_results: None,
            result_key: Box::new(["things"]),
        })
    );
    assert_eq!(
        say.http_checksum.as_deref(),
        Some(&HttpChecksum {
            request_required: true,
            request_algorithm_member: Some("algorithm"),
            request_validation_mode_member: Some("mode"),
            response_algorithms: Box::new(["CRC32"]),
        })
    );
    assert_eq!(&*say.request_compression, ["gzip"]);
    assert!(say.readonly && say.deprecated && say.checksum_required && say.endpoint_operation && !say.idempotent);

    let auth = |traits: Value| read(&talk(&json!({}), &traits, json!({}))).operations[0].auth.to_vec();
    assert_eq!(auth(json!({})), [""; 0]);
    assert_eq!(auth(json!({"smithy.api#auth": []})), ["smithy.api#noAuth"]);
    assert_eq!(auth(json!({"smithy.api#optionalAuth": {}})), ["smithy.api#noAuth"]);
    assert_eq!(auth(json!({"smithy.api#auth": ["aws.auth#sigv4a"]})), ["aws.auth#sigv4a"]);
    assert_eq!(auth(json!({"aws.auth#unsignedPayload": {}})), ["v4-unsigned-body"]);
}

#[test]
fn waiters_in_botocores_words() {
    let matcher = |comparator: &str, expected: &str| json!({"output": {"path": "text", "comparator": comparator, "expected": expected}});
    let waitable = json!({"smithy.waiters#waitable": {
        "Said": {"minDelay": 5, "acceptors": [
            {"state": "success", "matcher": matcher("stringEquals", "yes")},
            {"state": "success", "matcher": matcher("booleanEquals", "true")},
            {"state": "retry", "matcher": matcher("allStringEquals", "a")},
            {"state": "failure", "matcher": matcher("anyStringEquals", "b")},
            {"state": "failure", "matcher": {"errorType": "com.foo#Busy"}},
            {"state": "success", "matcher": {"success": true}},
            {"state": "retry", "matcher": {"success": false}},
        ]},
        "Both": {"acceptors": [
            {"state": "success", "matcher": {"inputOutput": {"path": "input.a == output.b", "comparator": "booleanEquals", "expected": "true"}}},
        ]},
    }});
    let service = read(&talk(&json!({}), &waitable, json!({})));
    let [waiter] = &*service.waiters else { panic!("{:?}", service.waiters) };
    assert_eq!((waiter.name, waiter.operation, waiter.delay_seconds), ("Said", "Say", 5));
    let seen: Vec<_> = waiter.acceptors.iter().map(|a| (a.state, a.matcher, a.argument, a.expected)).collect();
    use WaiterState::*;
    assert_eq!(
        seen,
        [
            (Success, "path", "text", "\"yes\""),
            (Success, "path", "text", "true"),
            (Retry, "pathAll", "text", "\"a\""),
            (Failure, "pathAny", "text", "\"b\""),
            (Failure, "error", "", "\"Busy\""),
            (Success, "status", "", "200"),
            (Retry, "error", "", "true"),
        ]
    );
}

#[test]
fn event_streams() {
    let service = with_input(
        &json!({"stream": {"target": "com.foo#Stream", "traits": {"smithy.api#httpPayload": {}}}}),
        json!({
            "com.foo#Stream": {"type": "union", "traits": {"smithy.api#streaming": {}}, "members": {
                "word": {"target": "com.foo#Word"}, "busy": {"target": "com.foo#Busy"}}},
            "com.foo#Word": {"type": "structure", "members": {
                "head": {"target": "smithy.api#String", "traits": {"smithy.api#eventHeader": {}}},
                "body": {"target": "smithy.api#Blob", "traits": {"smithy.api#eventPayload": {}}}}},
            "com.foo#Busy": {"type": "structure", "members": {}, "traits": {"smithy.api#error": "client"}},
        }),
    );
    let structure = |name| service.structure(service.shape_named(name).unwrap()).unwrap();
    let stream = structure("Stream");
    assert!(stream.union && stream.event_stream && shape(&service, "Stream").is_streaming());
    assert!(structure("Word").event && !structure("Busy").event && structure("Busy").error.is_some());
    assert!(member(&service, "Word", "head").event_header && member(&service, "Word", "body").event_payload);
}

#[test]
fn mixins_and_applied_traits() {
    let service = with_input(
        &json!({}),
        json!({
            "com.foo#SayInput": {"type": "structure", "mixins": [{"target": "com.foo#Named"}, {"target": "com.foo#Limited"}],
                "members": {"own": {"target": "smithy.api#String"}}},
            "com.foo#Named": {"type": "structure", "mixins": [{"target": "com.foo#Base"}], "members": {"name": {"target": "smithy.api#String"}},
                "traits": {"smithy.api#mixin": {"localTraits": ["smithy.api#sensitive"]}, "smithy.api#sensitive": {}}},
            "com.foo#Base": {"type": "structure", "members": {"id": {"target": "smithy.api#String"}}, "traits": {"smithy.api#mixin": {}}},
            "com.foo#Limited": {"type": "structure", "members": {"limit": {"target": "smithy.api#Integer"}},
                "traits": {"smithy.api#mixin": {}}},
            "com.foo#SayInput$name": {"type": "apply", "traits": {"smithy.api#required": {}}},
            "com.foo#Nowhere$name": {"type": "apply", "traits": {"smithy.api#required": {}}},
        }),
    );
    let input = service.structure(service.shape_named("SayInput").unwrap()).unwrap();
    let names: Vec<_> = input.members.iter().map(|member| (member.name, member.required)).collect();
    assert_eq!(names, [("id", false), ("name", true), ("limit", false), ("own", false)]);
    assert!(!shape(&service, "SayInput").sensitive);

    let looped = talk(
        &json!({}),
        &json!({}),
        json!({
            "com.foo#A": {"type": "structure", "mixins": [{"target": "com.foo#B"}]},
            "com.foo#B": {"type": "structure", "mixins": [{"target": "com.foo#A"}]},
        }),
    );
    assert!(refused(&looped).contains("a mixin of itself"));
}

#[test]
fn shapes_of_the_same_name_are_kept_apart() {
    let mut ast = talk(
        &json!({}),
        &json!({}),
        json!({
            "com.foo#SayInput": {"type": "structure", "members": {
                "a": {"target": "com.foo#String"}, "b": {"target": "smithy.api#String"}, "c": {"target": "com.bar#Part"},
                "d": {"target": "com.foo#Part"}, "e": {"target": "com.bar#Other"}}},
            "com.foo#String": {"type": "string", "traits": {"smithy.api#length": {"max": 3}}},
            "com.foo#Part": {"type": "structure", "members": {}},
            "com.bar#Part": {"type": "structure", "members": {}},
            "com.bar#Other": {"type": "structure", "members": {}},
        }),
    );
    ast["shapes"]["com.foo#Talk"]["rename"] = json!({"com.bar#Other": "Renamed"});
    let service = read(&ast);
    let target = |name| service.target(member(&service, "SayInput", name)).name;
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(target),
        ["String", "smithy.api#String", "com.bar#Part", "Part", "Renamed"]
    );
}

#[test]
fn recursive_shapes_end() {
    let service = with_input(
        &json!({"tree": {"target": "com.foo#Tree"}}),
        json!({
            "com.foo#Tree": {"type": "structure", "members": {"left": {"target": "com.foo#Tree"}, "all": {"target": "com.foo#Trees"}}},
            "com.foo#Trees": {"type": "list", "member": {"target": "com.foo#Tree"}},
        }),
    );
    assert_eq!(service.target(member(&service, "Tree", "left")).name, "Tree");
}

/// Whatever shape is taken out of a model, its name is told.
#[test]
fn missing_shapes_are_named() {
    let whole = talk(
        &json!({}),
        &json!({}),
        json!({
            "com.foo#SayInput": {"type": "structure", "members": {
                "list": {"target": "com.foo#List"}, "map": {"target": "com.foo#Map"},
                "short": {"target": "com.foo#Text", "traits": {"smithy.api#length": {"max": 3}}}}},
            "com.foo#List": {"type": "list", "member": {"target": "com.foo#Item"}},
            "com.foo#Map": {"type": "map", "key": {"target": "com.foo#Key"}, "value": {"target": "com.foo#Value"}},
            "com.foo#Item": {"type": "union", "members": {"text": {"target": "com.foo#Text"}}},
            "com.foo#Key": {"type": "string"}, "com.foo#Value": {"type": "string"}, "com.foo#Text": {"type": "string"},
            "com.foo#Fails": {"type": "structure", "members": {}, "traits": {"smithy.api#error": "client"}},
            "com.foo#Thing": {"type": "resource", "read": {"target": "com.foo#GetThing"}, "resources": [{"target": "com.foo#Sub"}]},
            "com.foo#Sub": {"type": "resource"},
            "com.foo#GetThing": {"type": "operation", "errors": [{"target": "com.foo#Fails"}]},
            "com.foo#Mix": {"type": "structure", "members": {}, "traits": {"smithy.api#mixin": {}}},
        }),
    );
    let mut whole = whole;
    whole["shapes"]["com.foo#Talk"]["resources"] = json!([{"target": "com.foo#Thing"}]);
    whole["shapes"]["com.foo#SayOutput"]["mixins"] = json!([{"target": "com.foo#Mix"}]);
    services(&whole).unwrap();
    let ids: Vec<String> = whole["shapes"].as_object().unwrap().keys().cloned().collect();
    for id in ids.iter().filter(|id| *id != "com.foo#Talk") {
        let mut torn = whole.clone();
        torn["shapes"].as_object_mut().unwrap().remove(id);
        let told = refused(&torn);
        assert!(told.ends_with(&format!("refers to `{id}`, which is not a shape of the model")), "{id}: {told}");
    }
}

#[test]
fn malformed_parts_are_named() {
    let check = |shapes: Value, expect: &str| assert_eq!(refused(&talk(&json!({}), &json!({}), shapes)), expect);
    let input = |member: Value| json!({"com.foo#SayInput": {"type": "structure", "members": {"m": member}}});
    check(input(json!({})), "com.foo#SayInput$m: has no target");
    check(
        input(json!({"target": "com.foo#Talk"})),
        "com.foo#Talk: a shape of type `service` cannot be a member's target",
    );
    check(
        input(json!({"target": "smithy.api#Timestamp", "traits": {"smithy.api#timestampFormat": "moon"}})),
        "com.foo#SayInput$m: unknown timestamp format `moon`",
    );
    check(json!({"com.foo#SayInput": {"type": "list"}}), "com.foo#Say: its input is not a structure");
    check(
        json!({"com.foo#SayInput": {"type": "structure", "members": {"m": {"target": "com.foo#L"}}}, "com.foo#L": {"type": "list"}}),
        "com.foo#L$member: is missing",
    );
}
