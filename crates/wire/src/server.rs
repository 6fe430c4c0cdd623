//! The server's side: requests in, responses out.

mod error;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use standin_model::{Document, Kind, Location, Member, Operation, Protocol, Service, Structure};

use crate::bind::{self, EVENT_STREAM_TYPE};
use crate::message::{DecodeError, Request, Response};
use crate::{cbor, event_stream, json, query};

pub use error::encode_error;

const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// Decodes the input of an operation: a map by member name; empty where the operation takes none.
///
/// A streaming member (a blob that is the whole body, or an event stream) is left out: its bytes are not in
/// `request.body`. Of an RPC protocol's event stream the initial request is read, where the body has it.
///
/// The content type is not looked at: AWS does without it, and a body of another format does not parse anyway.
///
/// # Errors
/// When the body is not of the protocol's format, or a value does not fit its shape's kind. Constraints are not looked at.
pub fn decode_request(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    request: &Request,
) -> Result<Document, DecodeError> {
    let body = &request.body[..];
    match protocol {
        Protocol::RestJson1 | Protocol::RestXml => bind::read_request(protocol, service, operation, request),
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor => {
            let Some(shape) = operation.input else { return Ok(Document::map()) };
            let body = match streaming_input(service, operation) {
                Some(_) if body.is_empty() => body,
                Some(_) => event_stream::read_initial(body)?.unwrap_or_default(),
                None => body,
            };
            match protocol {
                Protocol::RpcV2Cbor => cbor::read(service, shape, body),
                _ => json::read(service, shape, body),
            }
        }
        // A form may also come as the query string of a GET.
        Protocol::AwsQuery | Protocol::Ec2Query if body.is_empty() => {
            query::read_form(protocol, service, operation, request.query.as_bytes())
        }
        Protocol::AwsQuery | Protocol::Ec2Query => query::read_form(protocol, service, operation, body),
    }
    .map_err(|error| name_the_type(error, protocol, service, operation, &request.headers))
}

/// A body that does not parse often is one of another protocol: then the message says so.
fn name_the_type(
    error: DecodeError,
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    headers: &HeaderMap,
) -> DecodeError {
    let payload = operation.input.and_then(|shape| service.structure(shape)?.payload_member());
    if !error.path.is_empty() && payload.is_none_or(|payload| payload.name != error.path) {
        return error;
    }
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return error };
    let bare = given.split(';').next().unwrap_or_default().trim();
    let fits = match protocol {
        Protocol::RestJson1 | Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => bare.contains("json"),
        Protocol::RestXml => bare.contains("xml"),
        Protocol::RpcV2Cbor => bare.contains("cbor"),
        Protocol::AwsQuery | Protocol::Ec2Query => bare.contains("form"),
    };
    if fits || bare == EVENT_STREAM_TYPE {
        return error;
    }
    let reason = format!("{} (the content type is `{bare}`, the protocol is {protocol})", error.reason);
    DecodeError { reason, ..error }
}

/// Encodes a success. Never fails: what does not fit its shape is left out.
///
/// A streaming member becomes the body: a blob as it is, an event stream from a list of events, each a map with one entry
/// that is named after the event. Where `output` has no such member, the body is left to the caller (but for an RPC
/// protocol's initial response).
pub fn encode_response(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    request_id: &str,
    output: &Document,
) -> Response {
    let mut response = match protocol {
        Protocol::RestJson1 | Protocol::RestXml => bind::write_response(protocol, service, operation, output),
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor => {
            rpc_response(protocol, service, operation, output)
        }
        Protocol::AwsQuery | Protocol::Ec2Query => {
            let body = query::write_result(protocol, service, operation, request_id, output);
            let mut response = plain(StatusCode::OK, body.into());
            response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(protocol)));
            response
        }
    };
    // Deviation: some models promise members and the status 204 at once, which no message can carry (the tags of
    // Billing Conductor, what Lex V2 deletes). Clients take any success, so the members win.
    if matches!(operation.http.status, 204 | 205)
        && response.status.as_u16() == operation.http.status
        && has_body_members(service, operation, output)
    {
        response.status = StatusCode::OK;
    }
    let without_body = [StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED];
    if operation.http.method == "HEAD" || without_body.contains(&response.status) {
        response.body = Bytes::new();
    }
    add_protocol_headers(protocol, Some(service), request_id, &mut response.headers);
    if service.id == "dynamodb" && protocol != Protocol::RpcV2Cbor {
        // DynamoDB's clients compare this with the body, where it is there.
        response.headers.insert("x-amz-crc32", HeaderValue::from(crc32fast::hash(&response.body)));
    }
    response
}

/// Whether an output holds something that travels in the body.
fn has_body_members(service: &Service, operation: &Operation, output: &Document) -> bool {
    let Some(structure) = operation.output.and_then(|ix| service.structure(ix)) else { return false };
    let mut members = structure.members.iter().filter(|member| member.location == Location::Body);
    members.any(|member| output.get(member.name).is_some_and(|value| !value.is_null()))
}

fn plain(status: StatusCode, body: Bytes) -> Response {
    Response { status, headers: HeaderMap::new(), body }
}

fn rpc_response(protocol: Protocol, service: &Service, operation: &Operation, output: &Document) -> Response {
    let mut body = Vec::with_capacity(256);
    let mut body_type = content_type(protocol);
    match (operation.output, protocol) {
        (Some(shape), Protocol::RpcV2Cbor) => cbor::write(service, shape, output, &mut body),
        (Some(shape), _) => json::write(service, shape, output, &mut body),
        // CBOR has no body where there is no output.
        (None, Protocol::RpcV2Cbor) => return plain(StatusCode::OK, Bytes::new()),
        (None, _) => body.extend_from_slice(b"{}"),
    }
    if let Some(stream) = streaming_output(service, operation) {
        let mut framed = event_stream::write_initial("initial-response", body_type, &body);
        if let Some(Document::List(events)) = output.get(stream.name) {
            framed.extend(event_stream::write_events(service, protocol, stream.target, events));
        }
        body = framed;
        body_type = EVENT_STREAM_TYPE;
    }
    let mut response = plain(StatusCode::OK, body.into());
    response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(body_type));
    response
}

/// The content type of a protocol's answers.
fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::AwsJson1_0 => "application/x-amz-json-1.0",
        Protocol::AwsJson1_1 => "application/x-amz-json-1.1",
        Protocol::RestJson1 => "application/json",
        Protocol::RpcV2Cbor => "application/cbor",
        Protocol::RestXml => "application/xml",
        Protocol::AwsQuery => "text/xml",
        Protocol::Ec2Query => "text/xml;charset=UTF-8",
    }
}

/// What every answer of a protocol carries: the request id under the name that its clients read, and the protocol's mark.
fn add_protocol_headers(protocol: Protocol, service: Option<&Service>, request_id: &str, headers: &mut HeaderMap) {
    const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
    const S3_REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
    const S3_HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
    let id = HeaderValue::from_str(request_id).unwrap_or_else(|_| HeaderValue::from_static("-"));
    if protocol == Protocol::RestXml && service.is_some_and(|service| matches!(service.id, "s3" | "s3control")) {
        headers.insert(S3_HOST_ID, id.clone());
        headers.insert(S3_REQUEST_ID, id);
        headers.insert(SERVER, HeaderValue::from_static("AmazonS3"));
    } else {
        headers.insert(REQUEST_ID, id);
    }
    if protocol == Protocol::RpcV2Cbor {
        headers.insert(SMITHY_PROTOCOL, HeaderValue::from_static("rpc-v2-cbor"));
    }
}

/// The input member that streams, so that the request's body need not be held: a blob that is the whole body, or an event
/// stream.
pub fn streaming_input<'s>(service: &'s Service, operation: &Operation) -> Option<&'s Member> {
    bind::streaming_member(service, operation.input)
}

/// The output member that streams.
pub fn streaming_output<'s>(service: &'s Service, operation: &Operation) -> Option<&'s Member> {
    bind::streaming_member(service, operation.output)
}

/// Whether a member's target is an event stream.
pub fn is_event_stream(service: &Service, member: &Member) -> bool {
    matches!(&service.target(member).kind, Kind::Structure(structure) if structure.event_stream)
}

/// The member of an error that holds its message, however the shape spells it.
fn message_member(structure: &Structure) -> Option<&Member> {
    let of_name = |name: &str| structure.members.iter().find(|member| member.name.eq_ignore_ascii_case(name));
    of_name("message").or_else(|| of_name("errorMessage"))
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;

    fn check(service: &str, operation: &str, output: &str, expect: u16, body: &str) {
        let service = Catalogue::shared().newest(service).expect("served").open().expect("opens");
        let operation = service.operation(operation).expect("modelled");
        let output = Document::from_json(&serde_json::from_str(output).expect("JSON"));
        let response = encode_response(service.protocol(), service, operation, "id", &output);
        assert_eq!((response.status.as_u16(), &*response.body), (expect, body.as_bytes()));
    }

    #[test]
    fn members_win_over_no_content() {
        check("billingconductor", "ListTagsForResource", r#"{"Tags":{"a":"b"}}"#, 200, r#"{"Tags":{"a":"b"}}"#);
        check("billingconductor", "ListTagsForResource", "{}", 204, "");
        check("s3", "DeleteObject", r#"{"VersionId":"1"}"#, 204, "");
    }
}
