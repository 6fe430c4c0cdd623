//! Responses: status, headers, body.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use standin_model::{Document, Fields, Location, Operation, Protocol, Service};

use super::{BodyFormat, Root, has_body_members, read_headers, set_content_type, write_headers};
use crate::message::{DecodeError, Response};

/// Writes an operation's output as a REST response. What does not fit its shape is left out.
pub(crate) fn write_response(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    output: &Document,
) -> Response {
    let status = StatusCode::from_u16(operation.http.status).unwrap_or(StatusCode::OK);
    let mut response = Response { status, headers: HeaderMap::new(), body: Bytes::new() };
    let (Some((shape, structure)), Document::Map(fields)) =
        (operation.output.and_then(|ix| Some((ix, service.structure(ix)?))), output)
    else {
        return response;
    };
    for member in structure.members.iter().filter(|member| member.location == Location::StatusCode) {
        let given = fields.get(member.name).and_then(Document::as_i64).and_then(|status| u16::try_from(status).ok());
        // An interim or unknown status would break the connection.
        if let Some(given) = given.filter(|status| (200..600).contains(status)) {
            response.status = StatusCode::from_u16(given).unwrap_or(status);
        }
    }
    write_headers(service, structure, fields, &mut response.headers);

    let format = BodyFormat::of(protocol);
    if let Some(payload) = structure.payload_member() {
        let value = fields.get(payload.name).filter(|value| !value.is_null());
        if let Some((content_type, body)) =
            value.and_then(|value| format.write_payload(protocol, service, payload, value))
        {
            response.body = body;
            set_content_type(&mut response.headers, content_type);
        }
    } else if has_body_members(structure) || (format == BodyFormat::Json && structure.members.is_empty()) {
        let named = service.shape(shape);
        let root = Root {
            name: operation.output_root.or(named.location_name).unwrap_or(named.name),
            namespace: named.xml_namespace.map(|namespace| namespace.uri),
        };
        let mut out = Vec::with_capacity(256);
        format.write_members(service, shape, root, output, &mut out);
        response.body = out.into();
        set_content_type(&mut response.headers, format.content_type());
    }
    response
}

/// Reads an operation's output from a successful REST response.
pub(crate) fn read_response(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Document, DecodeError> {
    let Some((shape, structure)) = operation.output.and_then(|ix| Some((ix, service.structure(ix)?))) else {
        return Ok(Document::map());
    };
    let mut fields = Fields::new();
    for member in structure.members.iter().filter(|member| member.location == Location::StatusCode) {
        fields.push(member.name, i64::from(status.as_u16()));
    }
    read_headers(service, structure, headers, &mut fields)?;
    let format = BodyFormat::of(protocol);
    if let Some(payload) = structure.payload_member() {
        if let Some(value) = format.read_payload(protocol, service, payload, &Bytes::copy_from_slice(body))? {
            fields.push(payload.name, value);
        }
    } else if has_body_members(structure)
        && !body.is_empty()
        && let Document::Map(read) = format.read_members(service, shape, body)?
    {
        fields.extend(read);
    }
    Ok(Document::Map(fields))
}
