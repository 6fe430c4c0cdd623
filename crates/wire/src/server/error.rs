//! Errors in each protocol's own form.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use standin_core::{OperationError, codes};
use standin_model::{Document, Fields, Operation, Protocol, Service, ShapeIx, Str};

use super::{add_protocol_headers, content_type, message_member};
use crate::message::Response;
use crate::{bind, cbor, json, xml};

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");

/// The codes that SQS's errors had before it spoke JSON. Its botocore model has lost them; clients still compare them.
/// Source: the `awsQueryError` traits of SQS's Smithy model. Errors that are not here kept their name.
const SQS_CODES: [(Str, Str); 18] = [
    ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"),
    ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong"),
    ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest"),
    ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId"),
    ("KmsAccessDenied", "KMS.AccessDeniedException"),
    ("KmsDisabled", "KMS.DisabledException"),
    ("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException"),
    ("KmsInvalidState", "KMS.InvalidStateException"),
    ("KmsNotFound", "KMS.NotFoundException"),
    ("KmsOptInRequired", "KMS.OptInRequired"),
    ("KmsThrottled", "KMS.ThrottlingException"),
    ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight"),
    ("PurgeQueueInProgress", "AWS.SimpleQueueService.PurgeQueueInProgress"),
    ("QueueDeletedRecently", "AWS.SimpleQueueService.QueueDeletedRecently"),
    ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"),
    ("QueueNameExists", "QueueAlreadyExists"),
    ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"),
    ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation"),
];

/// Encodes an error in the protocol's own form. `service` and `operation` are `None` where they could not be identified.
///
/// The status is that of the error's shape, else the error's own, else 500 for an internal failure and 400 for the rest.
/// Members bound to headers go there; an empty message is left out; the answer to a HEAD has no body.
pub fn encode_error(
    protocol: Protocol,
    service: Option<&Service>,
    operation: Option<&Operation>,
    request_id: &str,
    error: &OperationError,
) -> Response {
    let modelled = service.and_then(|service| Some((service, error.shape(service, operation)?)));
    let code = Codes::of(modelled, error);
    let status = status(modelled, error);
    let at_fault = status.is_server_error() || modelled.is_some_and(|(service, shape)| is_fault(service, shape));
    let members = members(modelled, error);
    let is_rest = protocol.is_rest();

    let mut headers = HeaderMap::new();
    if let Some((service, shape)) = modelled.filter(|_| is_rest) {
        bind::write_error_headers(service, shape, &members, &mut headers);
    }
    let body = match protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 => json::write_error(Some(&code.name), modelled, false, &members),
        Protocol::RestJson1 => {
            headers.insert(ERROR_TYPE, header(&code.name));
            json::write_error(None, modelled, true, &members)
        }
        Protocol::RpcV2Cbor => cbor::write_error(&code.name, modelled, &members),
        Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query => {
            let shape = modelled.map(|(_, shape)| shape);
            let others = &error.members;
            xml::write_error(protocol, service, shape, &code.legacy, &error.message, at_fault, others, request_id)
        }
    };
    if service.is_some_and(|service| service.query_compatible)
        && matches!(protocol, Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RpcV2Cbor)
    {
        let whose = if at_fault { "Receiver" } else { "Sender" };
        headers.insert(QUERY_ERROR, header(&format!("{};{whose}", code.legacy)));
    }
    for (name, value) in &error.headers {
        headers.insert(HeaderName::from_static(name), header(value));
    }
    let mut response = Response { status, headers, body: Bytes::new() };
    let is_head = operation.is_some_and(|operation| operation.http.method == "HEAD");
    if !is_head && status != StatusCode::NOT_MODIFIED {
        response.body = body.into();
        response.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(protocol)));
    }
    add_protocol_headers(protocol, service, request_id, &mut response.headers);
    response
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(codes::INTERNAL_FAILURE))
}

/// What an error is called: by its shape in JSON and CBOR, by its modelled code in XML and for clients that came from it.
struct Codes<'e> {
    name: std::borrow::Cow<'e, str>,
    legacy: std::borrow::Cow<'e, str>,
}

impl<'e> Codes<'e> {
    fn of(modelled: Option<(&Service, ShapeIx)>, error: &'e OperationError) -> Self {
        let Some((service, shape)) = modelled else {
            let code = || std::borrow::Cow::Borrowed(error.code.as_ref());
            return Self { name: code(), legacy: code() };
        };
        let name = service.shape(shape).name;
        let sqs = || SQS_CODES.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|at| SQS_CODES[at].1);
        let legacy = if service.id == "sqs" { sqs() } else { None };
        let legacy = legacy.unwrap_or_else(|| OperationError::wire_code(service, shape));
        Self { name: name.into(), legacy: legacy.into() }
    }
}

fn status(modelled: Option<(&Service, ShapeIx)>, error: &OperationError) -> StatusCode {
    let of_shape = modelled
        .and_then(|(service, shape)| service.structure(shape))
        .and_then(|structure| structure.error.as_ref())
        .map(|error| error.http_status());
    let of_code = if error.code == codes::INTERNAL_FAILURE { 500 } else { 400 };
    StatusCode::from_u16(of_shape.or(error.status).unwrap_or(of_code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn is_fault(service: &Service, shape: ShapeIx) -> bool {
    service.structure(shape).and_then(|structure| structure.error.as_ref()).is_some_and(|error| error.fault)
}

/// The error's members with its message among them, under the name that the shape has for it.
fn members(modelled: Option<(&Service, ShapeIx)>, error: &OperationError) -> Fields {
    let name = modelled
        .and_then(|(service, shape)| service.structure(shape))
        .and_then(message_member)
        .map_or("message", |member| member.name);
    let mut fields = Fields::with_capacity(error.members.len() + 1);
    if !error.message.is_empty() && !error.members.contains_key(name) {
        fields.push(name, Document::from(error.message.clone()));
    }
    fields.extend(error.members.iter().map(|(key, value)| (key.clone(), value.clone())));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_sqs_are_sorted_and_modelled() {
        assert!(SQS_CODES.is_sorted_by_key(|(name, _)| *name));
        let service = standin_model::Catalogue::embedded().newest("sqs").expect("served").open().expect("readable");
        for (name, _) in SQS_CODES {
            assert!(service.shape_named(name).is_some(), "{name}");
        }
    }
}
