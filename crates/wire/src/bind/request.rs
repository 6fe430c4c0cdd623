//! Requests: labels, query parameters, headers, body.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method};
use standin_model::{
    Document, Fields, Kind, Location, Member, Operation, Protocol, Segment, Service, Structure, TimestampFormat,
};

use super::{
    BodyFormat, Root, has_body_members, labels, read_headers, set_content_type, streaming_member, write_headers,
};
use crate::message::{DecodeError, EncodeError, Request};
use crate::value;

/// Reads an operation's input from a REST request. A streaming member is left out.
pub(crate) fn read_request(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    request: &Request,
) -> Result<Document, DecodeError> {
    let Some((shape, structure)) = operation.input.and_then(|ix| Some((ix, service.structure(ix)?))) else {
        return Ok(Document::map());
    };
    let mut fields = Fields::with_capacity(structure.members.len().min(8));
    read_labels(service, operation, structure, &request.path, &mut fields)?;
    read_query(service, operation, structure, &request.query, &mut fields)?;
    read_headers(service, structure, &request.headers, &mut fields)?;

    let format = BodyFormat::of(protocol);
    if let Some(payload) = structure.payload_member() {
        if streaming_member(service, operation.input).is_none()
            && let Some(value) = format.read_payload(protocol, service, payload, &request.body)?
            // botocore sends an empty object where the payload is not set.
            && (payload.required || value != Document::map())
        {
            fields.push(payload.name, value);
        }
    } else if has_body_members(structure)
        && let Document::Map(body) = format.read_members(service, shape, &request.body)?
    {
        fields.extend(body);
    }
    Ok(Document::Map(fields))
}

fn read_labels(
    service: &Service,
    operation: &Operation,
    structure: &Structure,
    path: &str,
    fields: &mut Fields,
) -> Result<(), DecodeError> {
    if !structure.members.iter().any(|member| member.location == Location::Uri) {
        return Ok(());
    }
    let found = labels(&operation.http.uri, path).ok_or_else(|| {
        DecodeError::new(format!("the path `{}` does not fit `{}`", value::quoted(path), operation.http.uri.text))
    })?;
    for (label, text) in found {
        let Some(member) = bound(structure, Location::Uri, label) else { continue };
        let read = value::percent_decode(text).and_then(|text| value::read_text(&service.target(member).kind, &text));
        fields.push(member.name, read.map_err(|error| error.within(member.name))?);
    }
    Ok(())
}

fn bound<'s>(structure: &'s Structure, location: Location, name: &str) -> Option<&'s Member> {
    structure.members.iter().find(|member| member.location == location && member.wire_name() == name)
}

fn read_query(
    service: &Service,
    operation: &Operation,
    structure: &Structure,
    query: &str,
    fields: &mut Fields,
) -> Result<(), DecodeError> {
    let takes_rest = structure.members.iter().find(|member| member.location == Location::QueryParams);
    let mut rest = Fields::new();
    for (key, text) in value::pairs(query) {
        let key = value::form_decode(key)?;
        if let Some(member) = bound(structure, Location::Query, &key) {
            let value = value::form_decode(text)?;
            read_parameter(service, member, &value, fields).map_err(|error| error.within(member.name))?;
        } else if let Some(member) = takes_rest
            && !is_known_parameter(operation, &key)
        {
            let value = value::form_decode(text)?;
            let in_lists = match &service.target(member).kind {
                Kind::Map(map) => matches!(service.target(&map.value).kind, Kind::List(_)),
                _ => false,
            };
            push_rest(&mut rest, key, Document::String(Cow::Owned(value.into_owned())), in_lists);
        }
    }
    if let Some(member) = takes_rest
        && !rest.is_empty()
    {
        fields.push(member.name, rest);
    }
    Ok(())
}

fn read_parameter(service: &Service, member: &Member, text: &str, fields: &mut Fields) -> Result<(), DecodeError> {
    match &service.target(member).kind {
        Kind::List(list) => {
            let item = value::read_text(&service.target(&list.member).kind, text)?;
            match fields.get_mut(member.name) {
                Some(Document::List(items)) => items.push(item),
                _ => fields.push(member.name, vec![item]),
            }
        }
        // A key with nothing behind it says nothing of a number.
        kind if text.is_empty() && !matches!(kind, Kind::String { .. }) => {}
        kind => {
            fields.insert(member.name, value::read_text(kind, text)?);
        }
    }
    Ok(())
}

/// Parameters that a map of all others does not take: the pattern's own, and those of a presigned URL.
fn is_known_parameter(operation: &Operation, key: &str) -> bool {
    const PRESIGNED: [&str; 7] = [
        "X-Amz-Algorithm",
        "X-Amz-Credential",
        "X-Amz-Date",
        "X-Amz-Expires",
        "X-Amz-SignedHeaders",
        "X-Amz-Signature",
        "X-Amz-Security-Token",
    ];
    PRESIGNED.contains(&key) || operation.http.uri.query.iter().any(|(literal, _)| *literal == key)
}

fn push_rest(rest: &mut Fields, key: Cow<'_, str>, text: Document, in_lists: bool) {
    if in_lists {
        match rest.get_mut(&key) {
            Some(Document::List(items)) => items.push(text),
            _ => rest.push(key.into_owned(), vec![text]),
        }
    } else if !rest.contains_key(&key) {
        rest.push(key.into_owned(), text);
    }
}

/// Writes an operation's input as a REST request.
pub(crate) fn write_request(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    input: &Document,
) -> Result<Request, EncodeError> {
    let method = Method::from_bytes(operation.http.method.as_bytes()).unwrap_or(Method::POST);
    let empty = Fields::new();
    let fields = input.as_map().unwrap_or(&empty);
    let input_shape = operation.input.and_then(|ix| Some((ix, service.structure(ix)?)));
    let structure = input_shape.map(|(_, structure)| structure);
    let mut request = Request {
        method,
        path: write_path(service, operation, structure, fields)?,
        query: write_query(service, operation, structure, fields),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    };
    let Some((shape, structure)) = input_shape else { return Ok(request) };
    write_headers(service, structure, fields, &mut request.headers);
    let format = BodyFormat::of(protocol);
    if let Some(payload) = structure.payload_member() {
        let value = fields.get(payload.name).filter(|value| !value.is_null());
        if let Some((content_type, body)) =
            value.and_then(|value| format.write_payload(protocol, service, payload, value))
        {
            request.body = body;
            // What a blob or text is, only the caller knows.
            if !matches!(service.target(payload).kind, Kind::Blob { .. } | Kind::String { .. }) {
                set_content_type(&mut request.headers, content_type);
            }
        } else if format == BodyFormat::Json && matches!(service.target(payload).kind, Kind::Structure(_)) {
            // As botocore does: a JSON payload that is not set is an empty object.
            request.body = Bytes::from_static(b"{}");
            set_content_type(&mut request.headers, format.content_type());
        }
    } else if has_body_members(structure) {
        let of_body = |member: &Member| member.location == Location::Body && fields.contains_key(member.name);
        if format == BodyFormat::Json || structure.members.iter().any(of_body) {
            let named = service.shape(shape);
            let root = Root {
                name: operation.input_root.or(named.location_name).unwrap_or(named.name),
                namespace: operation.input_namespace.or(named.xml_namespace.map(|namespace| namespace.uri)),
            };
            let mut out = Vec::new();
            format.write_members(service, shape, root, input, &mut out);
            request.body = out.into();
            set_content_type(&mut request.headers, format.content_type());
        }
    }
    Ok(request)
}

fn write_path(
    service: &Service,
    operation: &Operation,
    structure: Option<&Structure>,
    fields: &Fields,
) -> Result<String, EncodeError> {
    let mut path = String::new();
    for segment in &operation.http.uri.segments {
        path.push('/');
        let (label, greedy) = match segment {
            Segment::Literal(literal) => {
                path.push_str(literal);
                continue;
            }
            Segment::Label(label) => (*label, false),
            Segment::Greedy(label) => (*label, true),
        };
        let mut text = String::new();
        if let Some(member) = structure.and_then(|structure| bound(structure, Location::Uri, label))
            && let Some(value) = fields.get(member.name)
        {
            let format = value::timestamp_format(service, member, TimestampFormat::DateTime);
            value::write_text(&service.target(member).kind, value, format, &mut text);
        }
        if text.is_empty() {
            return Err(EncodeError { path: label.to_owned(), reason: "is a part of the path and must be set".into() });
        }
        value::percent_encode(&text, greedy, &mut path);
    }
    Ok(path)
}

fn write_query(service: &Service, operation: &Operation, structure: Option<&Structure>, fields: &Fields) -> String {
    let mut query = String::new();
    for (key, value) in &operation.http.uri.query {
        push_pair(&mut query, key, *value);
    }
    let Some(structure) = structure else { return query };
    for (name, value) in fields.iter() {
        let Some(member) = structure.member(name) else { continue };
        match (member.location, value) {
            (Location::Query, Document::List(items)) => {
                if let Kind::List(list) = &service.target(member).kind {
                    for item in items {
                        push_member(service, &list.member, member.wire_name(), item, &mut query);
                    }
                }
            }
            (Location::Query, _) => push_member(service, member, member.wire_name(), value, &mut query),
            (Location::QueryParams, Document::Map(entries)) => {
                for (key, value) in entries.iter() {
                    // A parameter that has a member of its own is that member's.
                    if bound(structure, Location::Query, key).is_some() {
                        continue;
                    }
                    match value {
                        Document::List(items) => {
                            items.iter().filter_map(Document::as_str).for_each(|item| {
                                push_pair(&mut query, key, Some(item));
                            });
                        }
                        _ => {
                            if let Some(text) = value.as_str() {
                                push_pair(&mut query, key, Some(text));
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    query
}

fn push_member(service: &Service, member: &Member, name: &str, value: &Document, query: &mut String) {
    let mut text = String::new();
    let format = value::timestamp_format(service, member, TimestampFormat::DateTime);
    if value::write_text(&service.target(member).kind, value, format, &mut text) {
        push_pair(query, name, Some(&text));
    }
}

fn push_pair(query: &mut String, key: &str, value: Option<&str>) {
    if !query.is_empty() {
        query.push('&');
    }
    value::percent_encode(key, false, query);
    if let Some(value) = value {
        query.push('=');
        value::percent_encode(value, false, query);
    }
}
