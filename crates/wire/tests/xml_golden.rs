//! Bodies of REST-XML, AWS Query and EC2 Query byte by byte: `golden/<protocol>/*.json`.
//!
//! A case holds an operation's `input` and its `request`, its `output` and its `response`, or an `error` and its
//! `response`; any pair may be missing. Both directions of each pair are checked. The request id is `req-1`.

use std::path::Path;

use serde_json::Value;
use standin_model::{Catalogue, Document, Fields, Key, Kind, Location, Protocol, Service, ShapeIx, Timestamp};
use standin_wire::{query, xml};

#[test]
fn bodies_are_as_recorded() {
    let mut count = 0;
    for (folder, protocol) in
        [("rest_xml", Protocol::RestXml), ("aws_query", Protocol::AwsQuery), ("ec2_query", Protocol::Ec2Query)]
    {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder);
        for file in std::fs::read_dir(folder).expect("the folder is there") {
            let path = file.expect("readable").path();
            let case = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
            check(protocol, &case, &path.display().to_string());
            count += 1;
        }
    }
    assert!(count >= 20, "{count} cases");
}

fn check(protocol: Protocol, case: &Value, at: &str) {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let service = Catalogue::embedded().newest(&text(&case["service"])).expect("served").open().expect("readable");
    let operation = service.operation(&text(&case["operation"])).expect("modelled");
    if let (Some(input), Some(request)) = (case.get("input"), case.get("request")) {
        let body = text(&request["body"]);
        let shape = operation.input;
        if protocol == Protocol::RestXml {
            let root = operation.input_root;
            check_body(service, shape.expect("has input"), root, operation.input_namespace, input, &body, at);
        } else {
            let input = shape.map_or_else(Document::map, |shape| typed(service, shape, input));
            let written = query::write_form(protocol, service, operation, &input).expect("fits its shape");
            assert_eq!(string(written), body, "{at}");
            assert_eq!(
                query::read_form(protocol, service, operation, body.as_bytes()).map(sorted),
                Ok(sorted(input)),
                "{at}"
            );
        }
    }
    let Some(response) = case.get("response") else { return };
    let body = text(&response["body"]);
    if let Some(output) = case.get("output") {
        if protocol == Protocol::RestXml {
            let shape = operation.output.expect("has output");
            let root = format!("{}Response", operation.name);
            check_body(service, shape, Some(&root), None, output, &body, at);
        } else {
            let output = operation.output.map_or_else(Document::map, |shape| typed(service, shape, output));
            let written = query::write_result(protocol, service, operation, "req-1", &output);
            assert_eq!(string(written), body, "{at}");
            assert_eq!(query::read_result(protocol, service, operation, body.as_bytes()), Ok(output), "{at}");
        }
    }
    if let Some(error) = case.get("error") {
        let (code, message) = (text(&error["code"]), text(&error["message"]));
        let shape = standin_core::OperationError::new(code.clone(), "").shape(service, Some(operation));
        let members = match shape.map(|shape| typed(service, shape, &error["members"])) {
            Some(Document::Map(members)) => members,
            _ => Fields::new(),
        };
        let server = error["server"].as_bool().expect("says whose fault it is");
        let written = xml::write_error(protocol, Some(service), shape, &code, &message, server, &members, "req-1");
        assert_eq!(string(written), body, "{at}");
        let read = xml::read_error(protocol, service, operation, body.as_bytes());
        assert_eq!(read, Some((code, message, members, Some("req-1".to_owned()))), "{at}");
    }
}

/// REST-XML: the payload where there is one, else the members that are in the body.
fn check_body(
    service: &Service,
    shape: ShapeIx,
    root: Option<&str>,
    namespace: Option<&str>,
    value: &Value,
    body: &str,
    at: &str,
) {
    let structure = service.structure(shape).expect("a structure");
    let whole = typed(service, shape, value);
    let (shape, root, namespace, value) = match structure.payload_member() {
        Some(member) => {
            let namespace = member.xml_namespace.as_ref().map(|namespace| namespace.uri);
            (member.target, member.wire_name(), namespace, whole.get(member.name).expect("a payload").clone())
        }
        None => {
            let Document::Map(fields) = whole else { panic!("{at}: not a structure") };
            let in_body = |name: &str| structure.member(name).is_some_and(|member| member.location == Location::Body);
            let fields: Fields = fields.into_iter().filter(|(name, _)| in_body(name)).collect();
            (shape, root.expect("a root"), namespace, Document::Map(fields))
        }
    };
    let service_namespace = xml::namespace(service);
    let mut written = Vec::new();
    xml::write_body(service, shape, root, namespace.or(service_namespace.as_deref()), &value, &mut written);
    assert_eq!(string(written), body, "{at}");
    assert_eq!(xml::read_body(service, shape, body.as_bytes()), Ok(value), "{at}");
}

/// A document from JSON by member name: blobs are base64, timestamps date-times.
fn typed(service: &Service, shape: ShapeIx, value: &Value) -> Document {
    match (&service.shape(shape).kind, value) {
        (Kind::Structure(structure), Value::Object(entries)) => {
            let member = |name: &String| structure.member(name).unwrap_or_else(|| panic!("no member {name}"));
            let field = |(name, value)| (Key::from(member(name).name), typed(service, member(name).target, value));
            Document::Map(entries.iter().map(field).collect())
        }
        (Kind::Map(map), Value::Object(entries)) => {
            let field = |(key, value): (&String, _)| (Key::from(key.clone()), typed(service, map.value.target, value));
            Document::Map(entries.iter().map(field).collect())
        }
        (Kind::List(list), Value::Array(items)) => {
            Document::List(items.iter().map(|item| typed(service, list.member.target, item)).collect())
        }
        (kind @ Kind::Blob { .. }, Value::String(text)) => standin_wire::value::read_text(kind, text).expect("base64"),
        (Kind::Timestamp(_), Value::String(text)) => Timestamp::parse_date_time(text).expect("a date-time").into(),
        (_, value) => Document::from_json(value),
    }
}

fn string(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

/// Forms are read in the order of their keys.
fn sorted(value: Document) -> Document {
    match value {
        Document::List(items) => Document::List(items.into_iter().map(sorted).collect()),
        Document::Map(fields) => {
            let mut entries: Vec<_> = fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Document::Map(entries.into_iter().collect())
        }
        other => other,
    }
}
