use std::sync::LazyLock;

use standin_model::{Catalogue, import};

use super::*;

/// One event of each form.
static SERVICE: LazyLock<Service> = LazyLock::new(|| {
    let model = serde_json::json!({
        "metadata": {"endpointPrefix": "talk", "protocol": "rest-json", "serviceId": "Talk", "apiVersion": "2026-01-01"},
        "operations": {},
        "shapes": {
            "Stream": {"type": "structure", "eventstream": true, "members": {
                "plain": {"shape": "PlainEvent"},
                "mixed": {"shape": "MixedEvent"},
                "bytes": {"shape": "BytesEvent"},
                "words": {"shape": "WordsEvent"},
                "part": {"shape": "PartEvent"},
                "end": {"shape": "EndEvent"},
                "heads": {"shape": "HeadsEvent"},
                "busy": {"shape": "BusyException"},
            }},
            "PlainEvent": {"type": "structure", "event": true, "members": {"text": {"shape": "Text"}, "n": {"shape": "Int"}}},
            "MixedEvent": {"type": "structure", "event": true, "members": {
                "text": {"shape": "Text"}, "head": {"shape": "Text", "eventheader": true}}},
            "BytesEvent": {"type": "structure", "event": true, "members": {
                "data": {"shape": "Blob", "eventpayload": true}, "seq": {"shape": "Int", "eventheader": true}}},
            "WordsEvent": {"type": "structure", "event": true, "members": {"text": {"shape": "Text", "eventpayload": true}}},
            "PartEvent": {"type": "structure", "event": true, "members": {
                "details": {"shape": "Details", "eventpayload": true}, "seq": {"shape": "Int", "eventheader": true}}},
            "EndEvent": {"type": "structure", "event": true, "members": {}},
            "HeadsEvent": {"type": "structure", "event": true, "members": {
                "bool": {"shape": "Bool", "eventheader": true},
                "byte": {"shape": "Byte", "eventheader": true},
                "short": {"shape": "Short", "eventheader": true},
                "int": {"shape": "Int", "eventheader": true},
                "long": {"shape": "Long", "eventheader": true},
                "blob": {"shape": "Blob", "eventheader": true},
                "text": {"shape": "Text", "eventheader": true},
                "time": {"shape": "Time", "eventheader": true},
            }},
            "BusyException": {"type": "structure", "exception": true, "members": {"message": {"shape": "Text"}}},
            "Details": {"type": "structure", "members": {"n": {"shape": "Int"}}},
            "Text": {"type": "string"}, "Blob": {"type": "blob"}, "Bool": {"type": "boolean"}, "Byte": {"type": "byte"},
            "Short": {"type": "short"}, "Int": {"type": "integer"}, "Long": {"type": "long"}, "Time": {"type": "timestamp"},
        },
    });
    import::any(&model.to_string()).unwrap().remove(0)
});

fn union() -> ShapeIx {
    SERVICE.shape_named("Stream").unwrap()
}

fn one(name: &'static str, event: &serde_json::Value) -> Document {
    let mut fields = Fields::new();
    fields.push(name, Document::from_json(event));
    Document::Map(fields)
}

/// Writes the event, compares the frame's headers after `:message-type` and its payload, and reads it back.
fn check(protocol: Protocol, event: &Document, headers: &[(&str, Value<'_>)], payload: &[u8]) {
    let bytes = write_events(&SERVICE, protocol, union(), std::slice::from_ref(event));
    let (frame, rest) = Frame::read(&bytes).unwrap().unwrap();
    assert_eq!(rest, b"");
    assert_eq!(&frame.headers[1..], headers, "{event:?}");
    assert_eq!(frame.payload.escape_ascii().to_string(), payload.escape_ascii().to_string());
    assert_eq!(read_events(&SERVICE, protocol, union(), &bytes).unwrap(), std::slice::from_ref(event));
}

#[test]
fn every_form_of_event() {
    let json = (PAYLOAD_TYPE, Value::Text("application/json"));
    let event = |name| (EVENT_TYPE, Value::Text(name));
    let rest_json = |event: &Document, headers: &[_], payload: &[u8]| {
        check(Protocol::RestJson1, event, headers, payload);
    };
    let plain = one("plain", &serde_json::json!({"text": "hi", "n": 1}));
    rest_json(&plain, &[event("plain"), json], br#"{"text":"hi","n":1}"#);
    check(
        Protocol::RpcV2Cbor,
        &plain,
        &[event("plain"), (PAYLOAD_TYPE, Value::Text("application/cbor"))],
        b"\xa2\x64text\x62hi\x61n\x01",
    );
    rest_json(
        &one("mixed", &serde_json::json!({"text": "hi", "head": "h"})),
        &[event("mixed"), ("head", Value::Text("h")), json],
        br#"{"text":"hi"}"#,
    );
    let words = one("words", &serde_json::json!({"text": "grüße"}));
    rest_json(&words, &[event("words"), (PAYLOAD_TYPE, Value::Text("text/plain"))], "grüße".as_bytes());
    rest_json(
        &one("part", &serde_json::json!({"details": {"n": 5}, "seq": 7})),
        &[event("part"), ("seq", Value::Int(7)), json],
        br#"{"n":5}"#,
    );
    rest_json(&one("part", &serde_json::json!({})), &[event("part")], b"");
    let end = one("end", &serde_json::json!({}));
    rest_json(&end, &[event("end"), json], b"{}");
    check(Protocol::RestXml, &end, &[event("end")], b"");
    let busy = one("busy", &serde_json::json!({"message": "later"}));
    rest_json(&busy, &[(EXCEPTION_TYPE, Value::Text("busy")), json], br#"{"message":"later"}"#);

    let mut data = Fields::new();
    data.push("data", Bytes::from_static(b"\0\xff"));
    data.push("seq", 3i64);
    let mut bytes = Fields::new();
    bytes.push("bytes", data);
    let octets = (PAYLOAD_TYPE, Value::Text("application/octet-stream"));
    rest_json(&Document::Map(bytes), &[event("bytes"), ("seq", Value::Int(3)), octets], b"\0\xff");
}

#[test]
fn headers_of_every_kind() {
    let mut fields = Fields::new();
    let stamp = Timestamp::from_millis(1_791_374_400_123);
    fields.push("bool", false);
    fields.push("byte", -1i64);
    fields.push("short", 300i64);
    fields.push("int", -70_000i64);
    fields.push("long", i64::MAX);
    fields.push("blob", Bytes::from_static(b"\x01"));
    fields.push("text", "t");
    fields.push("time", stamp);
    let mut event = Fields::new();
    event.push("heads", fields);
    check(
        Protocol::RestJson1,
        &Document::Map(event),
        &[
            (EVENT_TYPE, Value::Text("heads")),
            ("bool", Value::Bool(false)),
            ("byte", Value::Byte(-1)),
            ("short", Value::Short(300)),
            ("int", Value::Int(-70_000)),
            ("long", Value::Long(i64::MAX)),
            ("blob", Value::Bytes(b"\x01")),
            ("text", Value::Text("t")),
            ("time", Value::Timestamp(stamp)),
        ],
        b"",
    );
}

#[test]
fn what_is_no_event_is_left_out() {
    let events = [
        Document::Null,
        Document::map(),
        one("unknown", &serde_json::json!({})),
        Document::from_json(&serde_json::json!({"plain": {}, "end": {}})),
    ];
    assert_eq!(write_events(&SERVICE, Protocol::RestJson1, union(), &events), b"");
}

#[test]
fn an_event_that_no_frame_holds_becomes_an_error() {
    let long = "x".repeat(40_000);
    let bytes =
        write_events(&SERVICE, Protocol::RestJson1, union(), &[one("mixed", &serde_json::json!({ "head": long }))]);
    let error = read_events(&SERVICE, Protocol::RestJson1, union(), &bytes).unwrap_err();
    assert!(error.reason.starts_with("the stream ends in InternalFailure: "), "{error}");
}

fn frame(headers: Vec<(&str, Value<'_>)>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Frame { headers, payload }.write(&mut out).unwrap();
    out
}

fn signed(inner: &[u8]) -> Vec<u8> {
    let date = Value::Timestamp(Timestamp::from_seconds(1_791_374_400));
    frame(vec![(":date", date), (SIGNATURE, Value::Bytes(&[1; 32]))], inner)
}

#[test]
fn signed_streams_end_with_an_empty_frame() {
    let event = one("plain", &serde_json::json!({"text": "hi"}));
    let inner = write_events(&SERVICE, Protocol::AwsJson1_1, union(), std::slice::from_ref(&event));
    let initial = write_initial("initial-request", "application/x-amz-json-1.1", b"{\"a\":1}");
    let stream = [signed(&initial), signed(&inner), signed(b"")].concat();
    let mut reader = EventReader::new(&SERVICE, Protocol::AwsJson1_1, union());
    let mut seen = Vec::new();
    for piece in stream.chunks(3) {
        assert!(!reader.has_ended());
        reader.push(piece);
        while let Some(incoming) = reader.next_event().unwrap() {
            seen.push(incoming);
        }
    }
    assert!(reader.has_ended());
    assert_eq!(seen, [Incoming::Initial(Bytes::from_static(b"{\"a\":1}")), Incoming::Event(event)]);
    assert_eq!(read_initial(&stream).unwrap(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(read_initial(&inner).unwrap(), None);
    assert_eq!(read_initial(b"").unwrap(), None);
    reader.push(&inner);
    assert!(reader.next_event().is_err());
}

#[test]
fn broken_streams_are_told() {
    let event = |name| vec![(MESSAGE_TYPE, Value::Text("event")), (EVENT_TYPE, Value::Text(name))];
    let check = |bytes: &[u8], expect: &str| {
        let error = read_events(&SERVICE, Protocol::RestJson1, union(), bytes).unwrap_err();
        assert_eq!(error.to_string(), expect);
    };
    let good = frame(event("plain"), b"{}");
    check(&good[..good.len() - 1], "the stream ends within a frame");
    check(&signed(&good[..20]), "the stream ends within a frame");
    check(&frame(vec![], b""), "a frame names no event");
    check(&frame(event("words"), b"\xff"), "words.text: the text is not UTF-8");
    check(&write_error("ThrottlingException", "slow"), "the stream ends in ThrottlingException: slow");
    let mut mistyped = event("part");
    mistyped.push(("seq", Value::Text("1")));
    check(&frame(mistyped, b"{}"), "part.seq: the header has another type");
    let unfit = read_events(&SERVICE, Protocol::RestJson1, union(), &frame(event("plain"), b"{\"n\":\"x\"}"));
    assert_eq!(unfit.unwrap_err().path, "plain.n");
    let unknown = frame(event("new"), b"?");
    assert_eq!(read_events(&SERVICE, Protocol::RestJson1, union(), &unknown), Ok(Vec::new()));
}

#[test]
fn select_object_content_as_s3_frames_it() {
    let s3 = Catalogue::embedded().newest("s3").unwrap().open().unwrap();
    let union = s3.shape_named("SelectObjectContentEventStream").unwrap();
    let mut records = Fields::new();
    records.push("Payload", Bytes::from_static(b"1,2\n"));
    let mut first = Fields::new();
    first.push("Records", records);
    let stats =
        Document::from_json(&serde_json::json!({"Stats": {"Details": {"BytesScanned": 4, "BytesReturned": 4}}}));
    let events = [Document::Map(first), stats, Document::from_json(&serde_json::json!({"End": {}}))];
    let bytes = write_events(s3, Protocol::RestXml, union, &events);
    assert_eq!(read_events(s3, Protocol::RestXml, union, &bytes).unwrap(), events);
    let (records, rest) = Frame::read(&bytes).unwrap().unwrap();
    assert_eq!(records.payload, b"1,2\n");
    let (stats, _) = Frame::read(rest).unwrap().unwrap();
    let payload = std::str::from_utf8(stats.payload).unwrap();
    assert!(payload.ends_with("<BytesScanned>4</BytesScanned><BytesReturned>4</BytesReturned></Stats>"), "{payload}");
}
