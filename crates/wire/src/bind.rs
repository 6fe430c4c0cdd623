//! HTTP bindings: how a structure spreads over path, query, headers, status and body (REST-JSON and REST-XML).
//!
//! Follows Smithy's HTTP binding traits. The body's format is the only thing that differs between the two protocols, so
//! it is a value ([`BodyFormat`]) and not a trait.

mod path;
mod request;
mod response;

use std::borrow::Cow;

use base64::Engine as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use standin_model::{Document, Fields, Kind, Location, Member, Protocol, Service, ShapeIx, Structure, TimestampFormat};

use crate::message::DecodeError;
use crate::value::{self, BASE64, MemberFinder};
use crate::{event_stream, json, xml};

pub use path::labels;
pub(crate) use request::{read_request, write_request};
pub(crate) use response::{read_response, write_response};

pub(crate) const EVENT_STREAM_TYPE: &str = "application/vnd.amazon.eventstream";

/// What bodies are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFormat {
    Json,
    Xml,
}

/// The element around an XML body.
#[derive(Clone, Copy)]
struct Root<'a> {
    name: &'a str,
    /// The service's where this is none.
    namespace: Option<&'a str>,
}

impl Root<'_> {
    fn write(self, service: &Service, shape: ShapeIx, value: &Document, out: &mut Vec<u8>) {
        let of_service = if self.namespace.is_none() { xml::namespace(service) } else { None };
        xml::write_body(service, shape, self.name, self.namespace.or(of_service.as_deref()), value, out);
    }
}

impl BodyFormat {
    /// The format of a REST protocol's bodies.
    pub fn of(protocol: Protocol) -> Self {
        if protocol == Protocol::RestXml { Self::Xml } else { Self::Json }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Xml => "application/xml",
        }
    }

    /// Reads a body that holds the members which nothing else holds.
    fn read_members(self, service: &Service, shape: ShapeIx, body: &[u8]) -> Result<Document, DecodeError> {
        match self {
            Self::Json => json::read_body(service, shape, body),
            Self::Xml if body.is_empty() => Ok(Document::map()),
            Self::Xml => xml::read_body(service, shape, body),
        }
    }

    fn write_members(self, service: &Service, shape: ShapeIx, root: Root<'_>, value: &Document, out: &mut Vec<u8>) {
        match self {
            Self::Json => json::write_body(service, shape, value, out),
            Self::Xml => root.write(service, shape, value, out),
        }
    }

    /// Reads a body that is one member as a whole; `None` where there is no body.
    fn read_payload(
        self,
        protocol: Protocol,
        service: &Service,
        member: &Member,
        body: &Bytes,
    ) -> Result<Option<Document>, DecodeError> {
        if body.is_empty() {
            return Ok(None);
        }
        let read = match &service.target(member).kind {
            Kind::Blob { .. } => return Ok(Some(Document::Blob(body.clone()))),
            Kind::String { .. } => std::str::from_utf8(body)
                .map(|text| Document::String(Cow::Owned(text.to_owned())))
                .map_err(|_| DecodeError::new("not UTF-8")),
            Kind::Structure(structure) if structure.event_stream => {
                event_stream::read_events(service, protocol, member.target, body).map(Document::List)
            }
            _ => match self {
                Self::Json => json::read(service, member.target, body),
                Self::Xml => xml::read_body(service, member.target, body),
            },
        };
        read.map(Some).map_err(|error| error.within(member.name))
    }

    /// Writes a body that is one member as a whole, and says what its type is.
    fn write_payload(
        self,
        protocol: Protocol,
        service: &Service,
        member: &Member,
        value: &Document,
    ) -> Option<(&'static str, Bytes)> {
        let shape = service.target(member);
        match (&shape.kind, value) {
            (Kind::Blob { .. }, Document::Blob(bytes)) => Some(("application/octet-stream", bytes.clone())),
            (Kind::Blob { .. }, Document::String(text)) => {
                Some(("application/octet-stream", Bytes::copy_from_slice(text.as_bytes())))
            }
            (Kind::String { .. }, _) => {
                let mut text = String::new();
                value::write_text(&shape.kind, value, TimestampFormat::DateTime, &mut text)
                    .then(|| ("text/plain", text.into()))
            }
            (Kind::Structure(structure), Document::List(events)) if structure.event_stream => {
                Some((EVENT_STREAM_TYPE, event_stream::write_events(service, protocol, member.target, events).into()))
            }
            (Kind::Blob { .. }, _) => None,
            _ => {
                let mut out = Vec::new();
                match self {
                    Self::Json => json::write(service, member.target, value, &mut out),
                    Self::Xml => {
                        let namespace = member.xml_namespace.as_deref().or(shape.xml_namespace.as_ref());
                        let root =
                            Root { name: member.wire_name(), namespace: namespace.map(|namespace| namespace.uri) };
                        root.write(service, member.target, value, &mut out);
                    }
                }
                Some((self.content_type(), out.into()))
            }
        }
    }
}

/// The member that streams: a blob that is the whole body, or an event stream.
pub(crate) fn streaming_member(service: &Service, shape: Option<ShapeIx>) -> Option<&Member> {
    let structure = service.structure(shape?)?;
    let streams = |member: &&Member| member.streaming || service.target(member).is_streaming();
    match structure.payload_member() {
        Some(payload) => Some(payload).filter(streams),
        // RPC protocols have event streams without a payload trait.
        None => structure
            .members
            .iter()
            .find(|member| matches!(&service.target(member).kind, Kind::Structure(inner) if inner.event_stream)),
    }
}

/// The members that no trait binds elsewhere, so that they share the body.
fn has_body_members(structure: &Structure) -> bool {
    structure.members.iter().any(|member| member.location == Location::Body)
}

/// A header's text. What is not UTF-8 is taken as ISO 8859-1, as HTTP once had it.
fn header_text(value: &HeaderValue) -> Cow<'_, str> {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(value.as_bytes().iter().map(|byte| *byte as char).collect()),
    }
}

/// A header of that text. Control characters become spaces: no value may end its line.
fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).or_else(|_| HeaderValue::from_bytes(text.as_bytes())).unwrap_or_else(|_| {
        let clean: String = text.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect();
        HeaderValue::from_bytes(clean.as_bytes()).expect("no control characters are left")
    })
}

/// Reads the members bound to headers.
fn read_headers(
    service: &Service,
    structure: &Structure,
    headers: &HeaderMap,
    fields: &mut Fields,
) -> Result<(), DecodeError> {
    for member in &structure.members {
        let read = match member.location {
            Location::Header => read_header(service, member, headers).map_err(|error| error.within(member.name))?,
            Location::PrefixHeaders => read_prefix_headers(member, headers),
            _ => None,
        };
        if let Some(value) = read {
            fields.push(member.name, value);
        }
    }
    Ok(())
}

fn read_header(service: &Service, member: &Member, headers: &HeaderMap) -> Result<Option<Document>, DecodeError> {
    let mut lines = headers.get_all(member.wire_name()).iter();
    let Some(first) = lines.next() else { return Ok(None) };
    let kind = &service.target(member).kind;
    let text = header_text(first);
    let text = text.trim();
    if let Kind::List(list) = kind {
        let item = service.target(&list.member);
        let dates = matches!(item.kind, Kind::Timestamp(_))
            && value::timestamp_format(service, &list.member, TimestampFormat::HttpDate) == TimestampFormat::HttpDate;
        let mut items = Vec::new();
        for line in std::iter::once(first).chain(lines) {
            for text in value::split_header_list(&header_text(line), dates) {
                items.push(value::read_text(&item.kind, &text)?);
            }
        }
        return Ok(Some(Document::List(items)));
    }
    if member.json_value {
        // Base64 of JSON text. Some clients send the bare text.
        let decoded = value::read_base64(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return Ok(Some(Document::String(Cow::Owned(decoded.unwrap_or_else(|| text.to_owned())))));
    }
    if text.is_empty() && !matches!(kind, Kind::String { enum_values } if enum_values.is_empty()) {
        return Ok(None);
    }
    value::read_text(kind, text).map(Some)
}

fn read_prefix_headers(member: &Member, headers: &HeaderMap) -> Option<Document> {
    let prefix = member.location_name.unwrap_or_default();
    let mut found = Fields::new();
    for name in headers.keys() {
        let text = name.as_str();
        if text.len() > prefix.len() && text.as_bytes()[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes()) {
            let lines: Vec<Cow<'_, str>> = headers.get_all(name).iter().map(header_text).collect();
            found.push(text[prefix.len()..].to_owned(), lines.join(","));
        }
    }
    (!found.is_empty()).then_some(Document::Map(found))
}

/// Writes the members bound to headers. What does not fit is left out.
fn write_headers(service: &Service, structure: &Structure, fields: &Fields, headers: &mut HeaderMap) {
    let mut finder = MemberFinder::new(&structure.members);
    for (name, value) in fields.iter() {
        let Some(member) = finder.by_name(name) else { continue };
        match (member.location, value) {
            (_, Document::Null) => {}
            (Location::Header, _) => {
                let Ok(name) = HeaderName::from_bytes(member.wire_name().as_bytes()) else { continue };
                if let Some(text) = header_member_text(service, member, value) {
                    headers.insert(name, header_value(&text));
                }
            }
            (Location::PrefixHeaders, Document::Map(entries)) => {
                let prefix = member.location_name.unwrap_or_default();
                for (key, value) in entries.iter() {
                    let (Ok(name), Some(text)) =
                        (HeaderName::from_bytes(format!("{prefix}{key}").as_bytes()), value.as_str())
                    else {
                        continue;
                    };
                    headers.insert(name, header_value(text));
                }
            }
            _ => {}
        }
    }
}

fn header_member_text(service: &Service, member: &Member, value: &Document) -> Option<String> {
    let kind = &service.target(member).kind;
    let format = value::timestamp_format(service, member, TimestampFormat::HttpDate);
    let mut text = String::new();
    match (kind, value) {
        (Kind::List(list), Document::List(items)) => {
            let item_kind = &service.target(&list.member).kind;
            let format = value::timestamp_format(service, &list.member, TimestampFormat::HttpDate);
            let mut one = String::new();
            for item in items {
                one.clear();
                if !value::write_text(item_kind, item, format, &mut one) {
                    continue;
                }
                if !text.is_empty() {
                    text.push(',');
                }
                if matches!(item_kind, Kind::String { .. }) {
                    value::push_header_item(&one, &mut text);
                } else {
                    text.push_str(&one);
                }
            }
            // An empty list is no header: readers would see one empty item.
            (!text.is_empty()).then_some(text)
        }
        (_, Document::String(json)) if member.json_value => Some(BASE64.encode(json.as_bytes())),
        _ if member.json_value => Some(BASE64.encode(value.to_json().to_string())),
        _ => value::write_text(kind, value, format, &mut text).then_some(text),
    }
}

/// Sets the type of a body, unless a member bound to the header has done so.
fn set_content_type(headers: &mut HeaderMap, content_type: &'static str) {
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(content_type));
}

/// Reads members of an error that are bound to headers, on top of what the body gave.
pub(crate) fn read_error_headers(
    service: &Service,
    shape: ShapeIx,
    headers: &HeaderMap,
    fields: &mut Fields,
) -> Result<(), DecodeError> {
    match service.structure(shape) {
        Some(structure) => read_headers(service, structure, headers, fields),
        None => Ok(()),
    }
}

/// Writes members of an error that are bound to headers.
pub(crate) fn write_error_headers(service: &Service, shape: ShapeIx, fields: &Fields, headers: &mut HeaderMap) {
    if let Some(structure) = service.structure(shape) {
        write_headers(service, structure, fields, headers);
    }
}
