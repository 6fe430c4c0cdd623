//! Requests made to take much with little: every format must answer with an error, soon and within little memory.

use standin_model::{Document, Protocol, Service, ShapeIx};
use standin_wire::{DecodeError, VALUES_MAX, cbor, json, query, xml};

const MODEL: &str = r#"{
  "metadata": {"endpointPrefix": "test", "protocol": "query", "serviceId": "Test"},
  "operations": {"Op": {"name": "Op", "http": {"method": "POST", "requestUri": "/"}, "input": {"shape": "S"}}},
  "shapes": {
    "S": {"type": "structure", "members": {
      "A": {"shape": "Text"}, "L": {"shape": "List"}, "M": {"shape": "Map"}, "B": {"shape": "Blob"}, "S": {"shape": "S"}}},
    "Text": {"type": "string"}, "Blob": {"type": "blob"},
    "List": {"type": "list", "member": {"shape": "S"}},
    "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "S"}}
  }}"#;

fn service() -> Service {
    standin_model::import::any(MODEL).expect("a model").remove(0)
}

type Read = fn(&Service, ShapeIx, &[u8]) -> Result<Document, DecodeError>;

fn read_form(service: &Service, _: ShapeIx, body: &[u8]) -> Result<Document, DecodeError> {
    query::read_form(Protocol::AwsQuery, service, &service.operations[0], body)
}

#[track_caller]
fn refused(read: Read, body: &[u8], reason: &str) {
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let error = read(&service, shape, body).expect_err(reason).to_string();
    assert!(error.contains(reason), "{error}");
    assert!(error.len() < 1000, "{} bytes of message", error.len());
}

#[test]
fn too_many_values() {
    let reason = "more than 1000000 values";
    let many = |start: &str, item: &str, end: &str| {
        let mut body = String::from(start);
        (0..=VALUES_MAX).for_each(|_| body.push_str(item));
        body + end
    };
    refused(json::read, many(r#"{"L":["#, "{},", "{}]}").as_bytes(), reason);
    refused(json::read, many(r#"{"M":{"#, r#""a":{},"#, r#""b":{}}}"#).as_bytes(), reason);
    refused(json::read, many(r#"{"unknown":["#, "0,", "0]}").as_bytes(), reason);
    refused(xml::read_body, many("<S><L>", "<m/>", "</L></S>").as_bytes(), reason);
    refused(read_form, many("A=", "&B=", "").as_bytes(), reason);
    let mut list = b"\xbf\x61L\x9f".to_vec();
    list.resize(VALUES_MAX + 10, 0xa0);
    refused(cbor::read, &list, reason);
}

#[test]
fn lengths_that_are_claimed_only() {
    let short = "ends too early";
    refused(cbor::read, b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", short);
    refused(cbor::read, b"\xa1\x61L\x9b\x7f\xff\xff\xff\xff\xff\xff\xff", short);
    refused(cbor::read, b"\xa1\x61A\x7b\x00\x00\x00\x00\x40\x00\x00\x00x", short);
    refused(cbor::read, b"\xa1\x61B\x5b\x00\x00\x00\x00\x40\x00\x00\x00x", short);
    refused(read_form, b"L.member.18446744073709551615.A.B=1", "has parts");
}

#[test]
fn depth_of_what_nobody_knows() {
    let deep = 100_000;
    refused(json::read, format!(r#"{{"x":{}"#, "[".repeat(deep)).as_bytes(), "nested deeper");
    refused(json::read, format!(r#"{{"S":{}"#, r#"{"S":"#.repeat(deep)).as_bytes(), "nested deeper");
    refused(cbor::read, &[b"\xa1\x61x".as_slice(), &vec![0x81; deep]].concat(), "nested deeper");
    refused(cbor::read, &[b"\xa1\x61x".as_slice(), &vec![0xc1; deep]].concat(), "nested deeper");
    refused(xml::read_body, "<S>".repeat(deep).as_bytes(), "nested deeper");
    refused(read_form, "S.".repeat(deep).as_bytes(), "nested deeper");
    // What XML nobody asked for is passed over without recursion.
    let unknown = format!("<S>{}{}<A>x</A></S>", "<x>".repeat(deep), "</x>".repeat(deep));
    let service = service();
    let shape = service.shape_named("S").expect("there");
    let read = xml::read_body(&service, shape, unknown.as_bytes()).expect("well-formed");
    assert_eq!(read.get("A").and_then(Document::as_str), Some("x"));
}

#[test]
fn entities_are_not_expanded() {
    let bomb = r#"<!DOCTYPE S [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><S><A>&b;</A></S>"#;
    refused(xml::read_body, bomb.as_bytes(), "document type");
    refused(xml::read_body, b"<S><A>&b;</A></S>", "entity");
}

#[test]
fn long_words_make_no_long_messages() {
    let long = "x".repeat(1 << 20);
    refused(json::read, format!(r#"{{"A":{long}}}"#).as_bytes(), "byte");
    refused(json::read, format!(r#"{{"B":"{long}!"}}"#).as_bytes(), "base64");
    refused(json::read, format!(r#"{{"M":{{"{long}":1}}}}"#).as_bytes(), "structure");
    refused(xml::read_body, format!("<S><B>{long}!</B></S>").as_bytes(), "base64");
    refused(read_form, format!("B={long}!").as_bytes(), "base64");
}
