//! What every decoder must survive: any bytes, without a panic, an endless loop or memory out of proportion.
//!
//! Each function takes one input and asserts; it returns whether the input made sense, which seeds must. The fuzz targets call them, and so does `crates/wire/tests/garbage.rs`,
//! which needs no fuzzer and runs with the other tests. An input's first byte often chooses among operations or ways, so
//! that seeds stay readable: `0` is the first.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use standin_model::{Catalogue, Document, Operation, Protocol, Service, Timestamp};
use standin_wire::chunked::ChunkedError;
use standin_wire::event_stream::{self, EventReader, Incoming};
use standin_wire::{Request, cbor, checksum, chunked, client, gzip, json, server, sigv4};

/// Takes one input, asserts, and tells whether the input made sense.
pub type Target = fn(&[u8]) -> bool;

/// Every target by name.
pub const TARGETS: [(&str, Target); 10] = [
    ("aws_chunked", aws_chunked),
    ("cbor", cbor),
    ("credential", credential),
    ("event_stream", event_stream),
    ("gzip", gzip),
    ("json", json),
    ("model", model),
    ("query", query),
    ("rest", rest),
    ("xml", xml),
];

struct Case {
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::embedded);

type Cases = LazyLock<Vec<Case>>;

fn cases(list: &[(&str, &str, Protocol)]) -> Vec<Case> {
    let case = |(service, operation, protocol): &(&str, &str, Protocol)| {
        let service = CATALOGUE.newest(service).expect("a service of the catalogue").open().expect("readable");
        let operation = service.operation(operation).expect("an operation of the service");
        Case { service, operation, protocol: *protocol }
    };
    list.iter().map(case).collect()
}

/// The case that the first byte chooses, and the other bytes.
fn choose<'c, 'd>(cases: &'c [Case], data: &'d [u8]) -> Option<(&'c Case, &'d [u8])> {
    let (first, rest) = data.split_first()?;
    Some((&cases[usize::from(first.wrapping_sub(b'0')) % cases.len()], rest))
}

/// Values and their bytes, roughly what a document costs.
fn weight(document: &Document) -> usize {
    1 + match document {
        Document::String(text) => text.len(),
        Document::Blob(bytes) => bytes.len(),
        Document::BigNumber(digits) => digits.len(),
        Document::List(items) => items.iter().map(weight).sum(),
        Document::Map(fields) => fields.iter().map(|(key, value)| key.len() + weight(value)).sum(),
        _ => 0,
    }
}

/// A short query key names members at most as deep as it has dots, so a byte is worth a few names at most.
fn assert_bounded(document: &Document, input: usize) {
    let weight = weight(document);
    assert!(weight <= 64 * input + 1024, "{input} bytes became a document of weight {weight}");
}

fn request(path: &str, query: &str, headers: HeaderMap, body: &[u8]) -> Request {
    let body = Bytes::copy_from_slice(body);
    Request { method: Method::POST, path: path.to_owned(), query: query.to_owned(), headers, body }
}

/// Reads a request; what comes out must be writable again.
fn as_request(case: &Case, request: &Request, input: usize) -> bool {
    let Case { service, operation, protocol } = *case;
    let decoded = server::decode_request(protocol, service, operation, request);
    if let Ok(document) = &decoded {
        assert_bounded(document, input);
        let _ = client::encode_request(protocol, service, operation, document);
    }
    decoded.is_ok()
}

/// Reads an answer, good and bad; what comes out must be writable again.
fn as_response(case: &Case, headers: &HeaderMap, body: &[u8]) -> bool {
    let Case { service, operation, protocol } = *case;
    let mut decoded = false;
    for status in [StatusCode::OK, StatusCode::BAD_REQUEST] {
        let outcome = client::decode_response(protocol, service, operation, status, headers, body);
        decoded |= outcome.is_ok();
        match outcome {
            Ok(Ok(document)) => {
                assert_bounded(&document, body.len());
                server::encode_response(protocol, service, operation, "id", &document);
            }
            Ok(Err(error)) => assert_bounded(&Document::Map(error.members), body.len()),
            Err(_) => {}
        }
    }
    decoded
}

fn as_body(cases: &[Case], data: &[u8]) -> bool {
    let Some((case, body)) = choose(cases, data) else { return false };
    let decoded = as_request(case, &request("/", "", HeaderMap::new(), body), data.len());
    as_response(case, &HeaderMap::new(), body) || decoded
}

pub fn json(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("dynamodb", "PutItem", Protocol::AwsJson1_0),
            ("bedrock-runtime", "Converse", Protocol::RestJson1),
            ("kinesis", "PutRecords", Protocol::AwsJson1_1),
            ("dynamodb", "BatchGetItem", Protocol::AwsJson1_0),
        ])
    });
    if let Ok(document) = json::read_document(data) {
        assert_bounded(&document, data.len());
        let mut out = Vec::new();
        json::write_document(&document, &mut out);
        assert!(json::read_document(&out).is_ok(), "what is written is read");
    }
    as_body(&CASES, data)
}

pub fn cbor(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("cloudwatch", "PutMetricData", Protocol::RpcV2Cbor),
            ("dynamodb", "PutItem", Protocol::RpcV2Cbor),
            ("cloudwatch", "GetMetricData", Protocol::RpcV2Cbor),
            ("bedrock-runtime", "Converse", Protocol::RpcV2Cbor),
        ])
    });
    if let Ok(document) = cbor::read_document(data) {
        assert_bounded(&document, data.len());
    }
    as_body(&CASES, data)
}

pub fn xml(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("s3", "PutBucketLifecycleConfiguration", Protocol::RestXml),
            ("s3", "ListObjectsV2", Protocol::RestXml),
            ("cloudfront", "CreateDistribution", Protocol::RestXml),
            ("ec2", "DescribeInstances", Protocol::Ec2Query),
            ("iam", "ListUsers", Protocol::AwsQuery),
            ("s3", "PutBucketAcl", Protocol::RestXml),
        ])
    });
    as_body(&CASES, data)
}

pub fn query(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("ec2", "RunInstances", Protocol::Ec2Query),
            ("sns", "Publish", Protocol::AwsQuery),
            ("cloudformation", "CreateStack", Protocol::AwsQuery),
            ("sqs", "SendMessageBatch", Protocol::AwsQuery),
        ])
    });
    let Some((case, form)) = choose(&CASES, data) else { return false };
    if let Ok(form) = std::str::from_utf8(form) {
        as_request(case, &request("/", form, HeaderMap::new(), b""), data.len());
    }
    as_request(case, &request("/", "", HeaderMap::new(), form), data.len())
}

/// The first line is path and query, then come header lines and an empty one, then the body.
pub fn rest(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("s3", "PutObject", Protocol::RestXml),
            ("s3", "ListObjectsV2", Protocol::RestXml),
            ("apigateway", "PutRestApi", Protocol::RestJson1),
            ("lexv2-runtime", "PutSession", Protocol::RestJson1),
            ("lambda", "Invoke", Protocol::RestJson1),
            ("s3", "GetObject", Protocol::RestXml),
        ])
    });
    let Some((case, rest)) = choose(&CASES, data) else { return false };
    let mut lines = rest.split(|byte| *byte == b'\n');
    let target = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let mut headers = HeaderMap::new();
    let mut head = 0;
    for line in lines.by_ref().take_while(|line| !line.is_empty()) {
        head += line.len();
        if let Some(colon) = line.iter().position(|byte| *byte == b':')
            && let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(line[colon + 1..].trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    let body = lines.collect::<Vec<_>>().join(&b'\n');
    let decoded = as_request(case, &request(path, query, headers.clone(), &body), data.len());
    let answered =
        client::decode_response(case.protocol, case.service, case.operation, StatusCode::OK, &headers, &body);
    if let Ok(Ok(document)) = answered {
        assert_bounded(&document, data.len() + head);
    }
    let _ = checksum::verify(&headers, &body, true);
    decoded
}

/// The first byte chooses the operation and how large the pieces are.
pub fn event_stream(data: &[u8]) -> bool {
    static CASES: Cases = LazyLock::new(|| {
        cases(&[
            ("kinesis", "SubscribeToShard", Protocol::AwsJson1_1),
            ("s3", "SelectObjectContent", Protocol::RestXml),
            ("logs", "StartLiveTail", Protocol::RpcV2Cbor),
            ("bedrock-runtime", "ConverseStream", Protocol::RestJson1),
        ])
    });
    let Some((case, stream)) = choose(&CASES, data) else { return false };
    let output = case.operation.output.and_then(|output| case.service.structure(output));
    let members = output.map(|output| &output.members).into_iter().flatten();
    let union = members.map(|member| member.target).find(|ix| case.service.shape(*ix).is_streaming());
    let union = union.expect("the operation streams");

    let whole = event_stream::read_events(case.service, case.protocol, union, stream);
    let _ = event_stream::read_initial(stream);
    let mut reader = EventReader::new(case.service, case.protocol, union);
    let mut events = Vec::new();
    for piece in stream.chunks(usize::from(data[0] >> 4) + 1) {
        reader.push(piece);
        loop {
            match reader.next_event() {
                Ok(Some(Incoming::Event(event))) => events.push(event),
                Ok(Some(Incoming::Initial(_))) => {}
                Ok(None) => break,
                Err(_) => {
                    assert!(whole.is_err(), "in pieces it fails, as a whole it does not");
                    return is_told_as_error(&whole);
                }
            }
        }
    }
    assert_eq!(whole.is_ok(), reader.finish().is_ok());
    if let Ok(whole) = whole {
        assert_bounded(&Document::List(events), data.len());
        event_stream::write_events(case.service, case.protocol, union, &whole);
    }
    as_response(case, &HeaderMap::new(), stream)
}

/// A stream may well be in order and end in an error.
fn is_told_as_error(outcome: &Result<Vec<Document>, standin_wire::DecodeError>) -> bool {
    outcome.as_ref().is_err_and(|error| error.reason.starts_with("the stream ends in"))
}

/// The first byte says how large the pieces are, the second how long the body is said to be.
pub fn aws_chunked(data: &[u8]) -> bool {
    let [pieces, length, body @ ..] = data else { return false };
    let mut headers = HeaderMap::new();
    if *length != b'-' {
        headers.insert("x-amz-decoded-content-length", HeaderValue::from(u16::from(*length)));
    }
    headers.insert("x-amz-trailer", HeaderValue::from_static("x-amz-checksum-crc32"));
    let whole = chunked::decode(&headers, Bytes::copy_from_slice(body));
    let in_pieces = || -> Result<(Vec<u8>, HeaderMap), ChunkedError> {
        let mut decoder = chunked::Decoder::of_headers(&headers)?;
        let mut out = Vec::new();
        for piece in body.chunks(usize::from(*pieces) + 1) {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(data) = decoder.next(&mut piece)? {
                assert!(!data.is_empty());
                out.extend_from_slice(&data);
            }
            assert!(piece.is_empty());
        }
        Ok((out, decoder.finish()?))
    };
    let in_pieces = in_pieces();
    assert_eq!(in_pieces.as_ref().err(), whole.as_ref().err());
    let Ok((out, trailers)) = in_pieces else { return false };
    assert!(out.len() <= body.len());
    assert_eq!(whole.map(|(out, _)| out).as_deref(), Ok(&out[..]));
    if let Ok(mut verifier) = checksum::Verifier::new(&headers, true) {
        verifier.update(&out);
        let _ = verifier.finish(&trailers);
    }
    true
}

pub fn gzip(data: &[u8]) -> bool {
    const BYTES_MAX: usize = 64 << 10;
    let whole = gzip::decode(data, BYTES_MAX);
    assert!(whole.as_ref().is_ok_and(|out| out.len() <= BYTES_MAX) || whole.is_err());
    let mut decoder = gzip::Decoder::new(BYTES_MAX);
    let pushed: Result<usize, _> = data.chunks(7).map(|piece| decoder.push(piece).map(|out| out.len())).sum();
    let total = pushed.and_then(|pushed| decoder.finish().map(|rest| pushed + rest.len()));
    assert_eq!(total.as_ref().ok(), whole.as_ref().ok().map(Bytes::len).as_ref());
    matches!(whole, Ok(_) | Err(gzip::GzipError::TooLarge { .. }))
}

/// The first line is an `Authorization` header, the second a query string, the third a path.
pub fn credential(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (header, query) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let path = lines.next().unwrap_or("/");
    let credentials = [sigv4::credential_of_header(header), sigv4::credential_of_query(query)];
    for credential in credentials.iter().flatten() {
        assert!(!credential.access_key.is_empty());
    }
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost"));
    headers.insert("x-amz-date", HeaderValue::from_static("20150830T123600Z"));
    let now = Timestamp::from_seconds(1_440_938_160);
    for value in [HeaderValue::from_str(header).ok(), None] {
        match value {
            Some(value) => drop(headers.insert("authorization", value)),
            None => drop(headers.remove("authorization")),
        }
        let received = sigv4::Received { method: "GET", path, query, headers: &headers, authority: "" };
        let verified = sigv4::verify(&received, "a secret that nobody knows", sigv4::Payload::Bytes(b""), now);
        assert!(verified.is_err(), "nobody can sign with an unknown secret");
    }
    credentials.iter().any(Option::is_some)
}

/// A model file of either format.
pub fn model(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(services) = standin_model::import::any(text) else { return false };
    for service in services {
        for operation in &service.operations {
            for shape in operation.input.iter().chain(&operation.output).chain(&operation.errors) {
                assert!(service.shapes.len() > shape.0 as usize);
            }
        }
        for shape in &service.shapes {
            assert_eq!(service.shape_named(shape.name).map(|ix| service.shape(ix).name), Some(shape.name));
        }
    }
    true
}
