//! Messages byte by byte: `golden/<protocol>/*.json`, each file a case or a list of cases.
//!
//! A case holds an operation's `input` and its `request`, its `output` and its `response`, or an `error` and its
//! `response`; or a `request` that is `malformed`, with a part of the reason. `service` is the catalogue's id, `model` a
//! file of `golden/models`. Each pair is checked in both directions, from both sides, unless the case is `only` for one:
//! `server` (reads requests, writes responses), `client` (the reverse) or `encode` (both sides' writers).
//!
//! A body is text (`body`), base64 (`body_base64`) or CBOR (`body_cbor`: hexadecimal digits, and texts in single quotes).
//! Documents are by member name: blobs in base64, timestamps as date-times. The request id is `req-1`.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::Value;
use standin_core::OperationError;
use standin_model::{Catalogue, Document, Fields, Key, Kind, Operation, Protocol, Service, ShapeIx, Timestamp};
use standin_wire::{Request, client, server, value};

const FOLDERS: [(&str, Protocol); 7] = [
    ("aws_json_1_0", Protocol::AwsJson1_0),
    ("aws_json_1_1", Protocol::AwsJson1_1),
    ("rest_json_1", Protocol::RestJson1),
    ("rest_xml", Protocol::RestXml),
    ("aws_query", Protocol::AwsQuery),
    ("ec2_query", Protocol::Ec2Query),
    ("rpc_v2_cbor", Protocol::RpcV2Cbor),
];

#[test]
fn messages_are_as_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut problems = Vec::new();
    let mut count = 0;
    for (folder, protocol) in FOLDERS {
        let before = count;
        for file in std::fs::read_dir(root.join(folder)).expect("the folder is there") {
            let path = file.expect("readable").path();
            let read: Value = serde_json::from_slice(&std::fs::read(&path).expect("readable")).expect("JSON");
            let cases = match read {
                Value::Array(cases) => cases,
                case => vec![case],
            };
            for case in &cases {
                count += 1;
                let case = Case::new(&root, protocol, case);
                for problem in case.check() {
                    let file = path.file_name().unwrap_or_default().display();
                    problems.push(format!("{folder}/{file}, {}: {problem}", case.json["about"]));
                }
            }
        }
        assert!(count > before, "{folder} holds no case");
    }
    assert!(problems.is_empty(), "{} problems\n\n{}", problems.len(), problems.join("\n\n"));
}

struct Case<'c> {
    protocol: Protocol,
    json: &'c Value,
    service: Option<&'static Service>,
    operation: Option<&'static Operation>,
}

impl<'c> Case<'c> {
    fn new(root: &Path, protocol: Protocol, json: &'c Value) -> Self {
        let service = match (json["service"].as_str(), json["model"].as_str()) {
            (Some(id), _) => Some(Catalogue::shared().newest(id).expect("served").open().expect("readable")),
            (None, Some(model)) => {
                let text = std::fs::read_to_string(root.join(format!("models/{model}.json"))).expect("readable");
                let service: &'static Service =
                    Box::leak(Box::new(standin_model::import::any(&text).expect("a model").remove(0)));
                Some(service)
            }
            (None, None) => None,
        };
        let operation = service.zip(json["operation"].as_str()).map(|(s, name)| s.operation(name).expect("modelled"));
        Self { protocol, json, service, operation }
    }

    fn runs(&self, side: &str) -> bool {
        match self.json["only"].as_str() {
            None => true,
            Some("encode") => side.ends_with("writes"),
            Some(only) => side.starts_with(only),
        }
    }

    fn check(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut compare = |what: &str, found: String, expect: String| {
            if found != expect {
                problems.push(format!("{what}\n  found  {found}\n  expect {expect}"));
            }
        };
        let json = self.json;
        if let Some(reason) = json.get("malformed") {
            let request = request(&json["request"]);
            let decoded = server::decode_request(self.protocol, self.service(), self.operation(), &request);
            let found = decoded.expect_err("malformed").to_string();
            let reason = reason.as_str().expect("text");
            if !found.contains(reason) {
                compare("the server says", found, reason.to_owned());
            }
            return problems;
        }
        if let (Some(input), Some(expect)) = (json.get("input"), json.get("request")) {
            let input = self.document(self.operation().input, input);
            let expect = request(expect);
            if self.runs("client writes") {
                let found = client::encode_request(self.protocol, self.service(), self.operation(), &input);
                compare("the client writes", shown_request(&found.expect("fits its shape")), shown_request(&expect));
            }
            if self.runs("server reads") {
                let found = server::decode_request(self.protocol, self.service(), self.operation(), &expect);
                compare(
                    "the server reads",
                    found.map_or_else(|e| e.to_string(), |found| normal(&found)),
                    normal(&input),
                );
            }
        }
        let Some(expect) = json.get("response") else { return problems };
        let status = StatusCode::from_u16(expect["status"].as_u64().expect("a status") as u16).expect("a status");
        let (headers, body) = (headers(expect), body(expect));
        let expect = shown(&status.to_string(), &headers, &body);
        let decode =
            || client::decode_response(self.protocol, self.service(), self.operation(), status, &headers, &body);
        if let Some(output) = json.get("output") {
            let output = self.document(self.operation().output, output);
            if self.runs("server writes") {
                let found = server::encode_response(self.protocol, self.service(), self.operation(), "req-1", &output);
                compare(
                    "the server writes",
                    shown(&found.status.to_string(), &found.headers, &found.body),
                    expect.clone(),
                );
            }
            if self.runs("client reads") {
                let found = match decode() {
                    Ok(Ok(found)) => normal(&found),
                    other => format!("{other:?}"),
                };
                compare("the client reads", found, normal(&output));
            }
        }
        if let Some(given) = json.get("error") {
            let error = self.error(given);
            if self.runs("server writes") {
                let found = server::encode_error(self.protocol, self.service, self.operation, "req-1", &error);
                compare("the server writes", shown(&found.status.to_string(), &found.headers, &found.body), expect);
            }
            if self.runs("client reads") {
                let found = decode().expect("a response").expect_err("an error");
                let code = given["wire_code"].as_str().unwrap_or(&error.code);
                compare("the client reads the code", found.code, code.to_owned());
                compare("the client reads the message", found.message, error.message.clone());
                compare(
                    "the client reads members",
                    normal(&Document::Map(found.members)),
                    normal(&Document::Map(error.members)),
                );
            }
        }
        problems
    }

    fn service(&self) -> &'static Service {
        self.service.expect("the case names a service or a model")
    }

    fn operation(&self) -> &'static Operation {
        self.operation.expect("the case names an operation")
    }

    fn document(&self, shape: Option<ShapeIx>, json: &Value) -> Document {
        shape.map_or_else(Document::map, |shape| typed(self.service(), shape, json))
    }

    fn error(&self, json: &Value) -> OperationError {
        let text = |key: &str| json[key].as_str().expect("text").to_owned();
        let mut error = OperationError::new(text("code"), text("message"));
        error.status = json["status"].as_u64().map(|status| status as u16);
        let shape = self.service.and_then(|service| error.shape(service, self.operation));
        error.members = match (shape, json.get("members")) {
            (_, None) => Fields::new(),
            (Some(shape), Some(members)) => match self.document(Some(shape), members) {
                Document::Map(members) => members,
                _ => panic!("members are an object"),
            },
            (None, Some(members)) => match Document::from_json(members) {
                Document::Map(members) => members,
                _ => panic!("members are an object"),
            },
        };
        error
    }
}

fn request(json: &Value) -> Request {
    let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
    Request {
        method: Method::from_bytes(text("method").as_bytes()).expect("a method"),
        path: text("path"),
        query: text("query"),
        headers: headers(json),
        body: body(json),
    }
}

fn headers(json: &Value) -> HeaderMap {
    let pair = |(name, value): (&String, &Value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        (name, HeaderValue::from_bytes(value.as_str().expect("text").as_bytes()).expect("a header's value"))
    };
    json["headers"].as_object().into_iter().flatten().map(pair).collect()
}

fn body(json: &Value) -> Bytes {
    if let Some(text) = json["body"].as_str() {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    if let Some(text) = json["body_base64"].as_str() {
        return value::read_base64(text).expect("base64").into();
    }
    let mut bytes = Vec::new();
    for (at, part) in json["body_cbor"].as_str().unwrap_or_default().split('\'').enumerate() {
        if at % 2 == 1 {
            bytes.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        bytes.extend(digits.chunks(2).map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal digits in pairs")
        }));
    }
    bytes.into()
}

fn shown_request(request: &Request) -> String {
    shown(&format!("{} {} ? {}", request.method, request.path, request.query), &request.headers, &request.body)
}

/// A message as one text. What all answers of a service have is left out: the request id, and who answers.
fn shown(start: &str, headers: &HeaderMap, body: &[u8]) -> String {
    let mut lines: Vec<String> = headers
        .iter()
        .filter(|(name, _)| !["x-amzn-requestid", "x-amz-request-id", "x-amz-id-2", "server"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii()))
        .collect();
    lines.sort();
    format!("{start} | {} | {}", lines.join(" | "), body.escape_ascii())
}

/// A document from JSON by member name: blobs are base64, timestamps date-times; big and nameless numbers are texts.
fn typed(service: &Service, shape: ShapeIx, json: &Value) -> Document {
    match (&service.shape(shape).kind, json) {
        (Kind::Document, json) => Document::from_json(json),
        (Kind::Structure(structure), Value::Object(entries)) => {
            let member = |name: &String| structure.member(name).unwrap_or_else(|| panic!("no member {name}"));
            let field = |(name, value)| (Key::from(member(name).name), typed(service, member(name).target, value));
            Document::Map(entries.iter().map(field).collect())
        }
        (Kind::Structure(_), Value::Array(events)) => {
            Document::List(events.iter().map(|event| typed(service, shape, event)).collect())
        }
        (Kind::Map(map), Value::Object(entries)) => {
            let field = |(key, value): (&String, _)| (Key::from(key.clone()), typed(service, map.value.target, value));
            Document::Map(entries.iter().map(field).collect())
        }
        (Kind::List(list), Value::Array(items)) => {
            Document::List(items.iter().map(|item| typed(service, list.member.target, item)).collect())
        }
        (Kind::Timestamp(_), Value::String(text)) => Timestamp::parse_date_time(text).expect("a date-time").into(),
        (Kind::String { .. }, _) => Document::from_json(json),
        (kind, Value::String(text)) => value::read_text(kind, text).expect("fits its kind"),
        _ => Document::from_json(json),
    }
}

/// The order of members does not count, nulls are not there, and NaN is NaN.
fn normal(value: &Document) -> String {
    fn sorted(value: &Document) -> Document {
        match value {
            Document::List(items) => Document::List(items.iter().map(sorted).collect()),
            Document::Map(fields) => {
                let mut entries: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
                entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                Document::Map(entries.into_iter().collect())
            }
            #[expect(clippy::cast_precision_loss, reason = "JSON writes whole floats without a point")]
            Document::Int(int) => Document::Float(*int as f64),
            other => other.clone(),
        }
    }
    format!("{:?}", sorted(value))
}
