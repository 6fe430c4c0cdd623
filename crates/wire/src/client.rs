//! The client's side: requests out, responses in. `standin call` and the round-trip tests use it.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use standin_core::OperationError;
use standin_model::{Document, Fields, Kind, Operation, Protocol, Service, ShapeIx, TimestampFormat};

use crate::bind::{self, EVENT_STREAM_TYPE};
use crate::message::{DecodeError, EncodeError, Request};
use crate::server::{is_event_stream, streaming_input, streaming_output};
use crate::{cbor, event_stream, json, query, value, xml};

/// A decoded answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceError {
    pub status: u16,
    /// As sent, with namespace and URL parts stripped; the status where nothing was sent.
    pub code: String,
    pub message: String,
    /// By member name where the error is modelled, without its message.
    pub members: Fields,
    pub request_id: Option<String>,
}

/// Encodes an operation's input. The host prefix is not applied (see [`host_prefix`]); the `Host` header is not set;
/// nothing is signed. An event stream is given as a list of events, each a map with one entry named after the event.
///
/// # Errors
/// When a value does not fit its shape's kind, a name is not a member's, or a URI label is missing or empty.
pub fn encode_request(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    input: &Document,
) -> Result<Request, EncodeError> {
    if let Some(shape) = operation.input {
        check(service, shape, input)?;
    }
    match protocol {
        Protocol::RestJson1 | Protocol::RestXml => bind::write_request(protocol, service, operation, input),
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor => {
            rpc_request(protocol, service, operation, input)
        }
        Protocol::AwsQuery | Protocol::Ec2Query => {
            let body = query::write_form(protocol, service, operation, input)?;
            let mut request = post("/".to_owned(), body);
            let form = HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
            request.headers.insert(CONTENT_TYPE, form);
            Ok(request)
        }
    }
}

fn post(path: String, body: Vec<u8>) -> Request {
    Request { method: Method::POST, path, query: String::new(), headers: HeaderMap::new(), body: body.into() }
}

fn rpc_request(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    input: &Document,
) -> Result<Request, EncodeError> {
    let Some(target) = service.target_prefix else {
        return Err(EncodeError {
            path: operation.name.to_owned(),
            reason: format!("the model of {} has no target prefix, which {protocol} needs", service.id),
        });
    };
    let is_cbor = protocol == Protocol::RpcV2Cbor;
    let mut body = Vec::with_capacity(256);
    match operation.input {
        Some(shape) if is_cbor => cbor::write(service, shape, input, &mut body),
        Some(shape) => json::write(service, shape, input, &mut body),
        None if is_cbor => {}
        None => body.extend_from_slice(b"{}"),
    }
    let mut body_type = match protocol {
        Protocol::AwsJson1_0 => "application/x-amz-json-1.0",
        Protocol::AwsJson1_1 => "application/x-amz-json-1.1",
        _ => "application/cbor",
    };
    if let Some(stream) = streaming_input(service, operation).filter(|member| is_event_stream(service, member)) {
        let mut framed = event_stream::write_initial("initial-request", body_type, &body);
        if let Some(Document::List(events)) = input.get(stream.name) {
            framed.extend(event_stream::write_events(service, protocol, stream.target, events));
        }
        body = framed;
        body_type = EVENT_STREAM_TYPE;
    }
    let path = if is_cbor { format!("/service/{target}/operation/{}", operation.name) } else { "/".to_owned() };
    let mut request = post(path, body);
    let headers = &mut request.headers;
    if is_cbor {
        let streams = streaming_output(service, operation).is_some();
        let accept = if streams { EVENT_STREAM_TYPE } else { "application/cbor" };
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    } else if let Ok(target) = HeaderValue::from_str(&format!("{target}.{}", operation.name)) {
        headers.insert("x-amz-target", target);
    }
    if !request.body.is_empty() {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(body_type));
    }
    if service.query_compatible {
        headers.insert("x-amzn-query-mode", HeaderValue::from_static("true"));
    }
    Ok(request)
}

/// Fills in the host prefix of an operation; `None` where it has none.
///
/// # Errors
/// When a label is missing, or holds what a host name may not.
pub fn host_prefix(service: &Service, operation: &Operation, input: &Document) -> Result<Option<String>, EncodeError> {
    let Some(pattern) = operation.host_prefix else { return Ok(None) };
    let structure = operation.input.and_then(|shape| service.structure(shape));
    let mut host = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (label, after) = after.split_once('}').unwrap_or((after, ""));
        let member = structure.and_then(|structure| {
            structure.members.iter().find(|m| m.host_label && [m.name, m.wire_name()].contains(&label))
        });
        let text = member.and_then(|member| input.get(member.name)).and_then(Document::as_str).unwrap_or_default();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.')) {
            let reason = "is a part of the host name: it must be set, of letters, digits, hyphens and periods".into();
            return Err(EncodeError { path: label.to_owned(), reason });
        }
        host.push_str(before);
        host.push_str(text);
        rest = after;
    }
    host.push_str(rest);
    Ok(Some(host))
}

/// Checks that a document can be written as a shape: names and kinds, not constraints.
///
/// # Errors
/// At the first value that does not fit.
pub fn check(service: &Service, shape: ShapeIx, value: &Document) -> Result<(), EncodeError> {
    let misfit = |reason: String| Err(EncodeError { path: String::new(), reason });
    let within = |name: &str, mut error: EncodeError| {
        error.path = if error.path.is_empty() { name.to_owned() } else { format!("{name}.{}", error.path) };
        error
    };
    let kind = &service.shape(shape).kind;
    match (kind, value) {
        (_, Document::Null) | (Kind::Document, _) => Ok(()),
        (Kind::Structure(structure), Document::Map(fields)) => fields.iter().try_for_each(|(name, value)| {
            let Some(member) = structure.member(name) else {
                return misfit(format!("{} has no member `{name}`", service.shape(shape).name));
            };
            check(service, member.target, value).map_err(|error| within(name, error))
        }),
        (Kind::Structure(structure), Document::List(events)) if structure.event_stream => {
            events.iter().enumerate().try_for_each(|(at, event)| {
                check(service, shape, event).map_err(|error| within(&format!("member.{}", at + 1), error))
            })
        }
        (Kind::List(list), Document::List(items)) => items.iter().enumerate().try_for_each(|(at, item)| {
            check(service, list.member.target, item).map_err(|error| within(&format!("member.{}", at + 1), error))
        }),
        (Kind::Map(map), Document::Map(fields)) => fields
            .iter()
            .try_for_each(|(key, value)| check(service, map.value.target, value).map_err(|error| within(key, error))),
        _ if value::write_text(kind, value, TimestampFormat::DateTime, &mut String::new()) => Ok(()),
        _ => misfit(format!("is not {}", value::with_article(kind))),
    }
}

/// Decodes a success into the output document, an error into its code, message and members.
///
/// # Errors
/// When the body is not of the protocol's format.
pub fn decode_response(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Result<Document, ServiceError>, DecodeError> {
    if status.as_u16() >= 300 {
        return Ok(Err(read_error(protocol, service, operation, status, headers, body)));
    }
    match protocol {
        Protocol::RestJson1 | Protocol::RestXml => {
            bind::read_response(protocol, service, operation, status, headers, body)
        }
        Protocol::AwsQuery | Protocol::Ec2Query => query::read_result(protocol, service, operation, body),
        _ => read_rpc(protocol, service, operation, body),
    }
    .map(Ok)
}

fn read_rpc(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    body: &[u8],
) -> Result<Document, DecodeError> {
    let Some(shape) = operation.output else { return Ok(Document::map()) };
    let read = |bytes: &[u8]| match protocol {
        Protocol::RpcV2Cbor => cbor::read(service, shape, bytes),
        _ => json::read(service, shape, bytes),
    };
    let Some(stream) = streaming_output(service, operation) else { return read(body) };
    let mut output = read(event_stream::read_initial(body)?.unwrap_or_default())?;
    if let Some(fields) = output.as_map_mut() {
        let events = event_stream::read_events(service, protocol, stream.target, body)?;
        fields.insert(stream.name, events);
    }
    Ok(output)
}

/// Reads an error. Never fails: an error whose body cannot be read still has its status.
fn read_error(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> ServiceError {
    let header = |name: &'static str| headers.get(HeaderName::from_static(name)).and_then(|value| value.to_str().ok());
    let request_id = header("x-amzn-requestid").or_else(|| header("x-amz-request-id")).map(str::to_owned);
    let mut error = ServiceError {
        status: status.as_u16(),
        code: status.as_str().to_owned(),
        message: String::new(),
        members: Fields::new(),
        request_id,
    };
    match protocol {
        Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query => {
            if let Some((code, message, members, id)) = xml::read_error(protocol, service, operation, body) {
                error = ServiceError { code, message, members, request_id: error.request_id.or(id), ..error };
            }
        }
        _ => read_plain_error(protocol, service, operation, header("x-amzn-errortype"), body, &mut error),
    }
    let modelled = OperationError::new(error.code.clone(), "").shape(service, Some(operation));
    if let Some(shape) = modelled.filter(|_| protocol.is_rest()) {
        // What does not read as its shape is left out: the error itself is known by now.
        let mut members = Fields::new();
        if bind::read_error_headers(service, shape, headers, &mut members).is_ok() {
            error.members.extend(members);
        }
    }
    error
}

fn read_plain_error(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    error_type: Option<&str>,
    body: &[u8],
    error: &mut ServiceError,
) {
    let is_cbor = protocol == Protocol::RpcV2Cbor;
    let plain = if is_cbor { cbor::read_document(body) } else { json::read_document(body) };
    let plain = match plain {
        Ok(Document::Map(fields)) => fields,
        Ok(_) => Fields::new(),
        Err(_) => {
            // A proxy's page, perhaps: then its text is all there is to say.
            error.message = String::from_utf8_lossy(body).into_owned();
            Fields::new()
        }
    };
    let text = |names: &[&str]| names.iter().find_map(|name| plain.get(name)?.as_str());
    if let Some(code) = error_type.or_else(|| text(&["__type", "code", "Code"])) {
        let code = code.split(':').next().unwrap_or(code);
        code.rsplit('#').next().unwrap_or(code).clone_into(&mut error.code);
    }
    const MESSAGES: [&str; 4] = ["message", "Message", "errorMessage", "ErrorMessage"];
    if let Some(message) = text(&MESSAGES) {
        message.clone_into(&mut error.message);
    }
    let shape = OperationError::new(error.code.clone(), "").shape(service, Some(operation));
    let members = match shape {
        Some(shape) if is_cbor => cbor::read(service, shape, body),
        Some(shape) if protocol == Protocol::RestJson1 => json::read_body(service, shape, body),
        Some(shape) => json::read(service, shape, body),
        None => Ok(Document::Map(plain)),
    };
    if let Ok(Document::Map(members)) = members {
        let is_said = |name: &str| name == "__type" || MESSAGES.contains(&name);
        error.members = members.into_iter().filter(|(name, _)| !is_said(name)).collect();
    }
}
