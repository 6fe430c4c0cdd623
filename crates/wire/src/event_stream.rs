//! Event streams: frames, and shapes over frames.
//!
//! An event is a map with one entry, named after a member of the event stream's union; so is a modelled exception that
//! ends a stream. [`write_events`] and [`read_events`] do whole streams, [`EventReader`] reads one as it comes.
//!
//! Facts: the `smithy.api#eventHeader` and `eventPayload` traits, "Amazon event stream specification" (Smithy), and what
//! botocore's event parsers expect.

mod frame;

use bytes::Bytes;
use standin_model::{Document, Fields, Kind, Member, Protocol, Service, Shape, ShapeIx, Structure, Timestamp};

use crate::message::DecodeError;
use crate::{cbor, json, xml};

pub use frame::{Frame, FrameDecoder, FrameError, HEADERS_BYTES_MAX, PAYLOAD_BYTES_MAX, Value};

/// The content type of a body that is an event stream.
pub const CONTENT_TYPE: &str = "application/vnd.amazon.eventstream";

const MESSAGE_TYPE: &str = ":message-type";
const EVENT_TYPE: &str = ":event-type";
const EXCEPTION_TYPE: &str = ":exception-type";
const PAYLOAD_TYPE: &str = ":content-type";
const SIGNATURE: &str = ":chunk-signature";

/// Writes events as frames. `union` is the event stream's union; each event is a map with one entry, named after the event's
/// member (an exception member gives an exception frame). What is no such map is left out; an event that is larger than a
/// frame can be becomes an error frame.
pub fn write_events(service: &Service, protocol: Protocol, union: ShapeIx, events: &[Document]) -> Vec<u8> {
    let mut out = Vec::new();
    let Some(union) = service.structure(union) else { return out };
    for event in events {
        let Some(fields) = event.as_map().filter(|fields| fields.len() == 1) else { continue };
        let known = fields.iter().find_map(|(name, value)| Some((union.member(name)?, value)));
        let Some((member, value)) = known else { continue };
        if let Err(error) = write_event(service, protocol, member, value, &mut out) {
            out.extend_from_slice(&write_error("InternalFailure", &error.to_string()));
        }
    }
    out
}

/// Writes the frame by which a stream ends in an error that no model knows.
pub fn write_error(code: &str, message: &str) -> Vec<u8> {
    // A header holds 32 KiB; nobody reads more of a message.
    let message = &message[..message.floor_char_boundary(1024)];
    let code = &code[..code.floor_char_boundary(1024)];
    let headers = vec![
        (MESSAGE_TYPE, Value::Text("error")),
        (":error-code", Value::Text(code)),
        (":error-message", Value::Text(message)),
    ];
    let mut out = Vec::new();
    Frame { headers, payload: b"" }.write(&mut out).expect("three short headers fit");
    out
}

/// Writes the `initial-response` (or `initial-request`) frame of an RPC protocol around a payload that is already encoded.
pub fn write_initial(event_type: &str, content_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 128);
    let headers = vec![
        (MESSAGE_TYPE, Value::Text("event")),
        (EVENT_TYPE, Value::Text(event_type)),
        (PAYLOAD_TYPE, Value::Text(content_type)),
    ];
    let frame = Frame { headers, payload };
    if let Err(error) = frame.write(&mut out) {
        out = write_error("InternalFailure", &error.to_string());
    }
    out
}

/// Where the members of an event travel.
enum Body<'s> {
    /// The frame's payload is this member alone.
    Member(&'s Member),
    /// The payload is a structure of all members that are no headers.
    Structure,
    /// There is nothing but headers, or nothing at all.
    Nothing,
}

fn body_of(event: &Structure) -> Body<'_> {
    match event.members.iter().find(|member| member.event_payload) {
        Some(member) => Body::Member(member),
        None if event.members.iter().all(|member| member.event_header) => Body::Nothing,
        None => Body::Structure,
    }
}

fn write_event(
    service: &Service,
    protocol: Protocol,
    member: &Member,
    value: &Document,
    out: &mut Vec<u8>,
) -> Result<(), FrameError> {
    let shape = service.target(member);
    let Kind::Structure(event) = &shape.kind else { return Ok(()) };
    let empty = Fields::new();
    let fields = value.as_map().unwrap_or(&empty);

    let (message_type, name_header) =
        if event.error.is_some() { ("exception", EXCEPTION_TYPE) } else { ("event", EVENT_TYPE) };
    let mut headers = vec![(MESSAGE_TYPE, Value::Text(message_type)), (name_header, Value::Text(member.wire_name()))];
    for header in event.members.iter().filter(|member| member.event_header) {
        let kind = &service.target(header).kind;
        if let Some(value) = fields.get(header.name).and_then(|value| header_value(kind, value)) {
            headers.push((header.wire_name(), value));
        }
    }

    let mut payload = Vec::new();
    let content_type = match body_of(event) {
        Body::Member(part) => match (fields.get(part.name), &service.target(part).kind) {
            (Some(Document::Blob(bytes)), Kind::Blob { .. }) => {
                headers.push((PAYLOAD_TYPE, Value::Text("application/octet-stream")));
                return Frame { headers, payload: bytes }.write(out);
            }
            (Some(Document::String(text)), Kind::String { .. }) => {
                headers.push((PAYLOAD_TYPE, Value::Text("text/plain")));
                return Frame { headers, payload: text.as_bytes() }.write(out);
            }
            (None | Some(Document::Null), _) => None,
            (Some(value), _) => {
                Some(write_payload(service, protocol, part.target, part.location_name, value, &mut payload))
            }
        },
        Body::Structure if event.members.iter().any(|member| member.event_header) => {
            let is_header = |name: &str| event.member(name).is_some_and(|member| member.event_header);
            let fields: Fields =
                fields.iter().filter(|(name, _)| !is_header(name)).map(|(k, v)| (k.clone(), v.clone())).collect();
            Some(write_payload(service, protocol, member.target, None, &Document::Map(fields), &mut payload))
        }
        Body::Structure => Some(write_payload(service, protocol, member.target, None, value, &mut payload)),
        // An empty XML element says no more than no bytes do; typed JSON and CBOR parsers want their empty map.
        Body::Nothing if format(protocol) == Format::Xml || !event.members.is_empty() => None,
        Body::Nothing => Some(write_payload(service, protocol, member.target, None, value, &mut payload)),
    };
    if let Some(content_type) = content_type {
        headers.push((PAYLOAD_TYPE, Value::Text(content_type)));
    }
    Frame { headers, payload: &payload }.write(out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Json,
    Cbor,
    Xml,
}

fn format(protocol: Protocol) -> Format {
    match protocol {
        Protocol::AwsJson1_0 | Protocol::AwsJson1_1 | Protocol::RestJson1 => Format::Json,
        Protocol::RpcV2Cbor => Format::Cbor,
        Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query => Format::Xml,
    }
}

/// Writes a value in the protocol's format; gives its content type.
fn write_payload(
    service: &Service,
    protocol: Protocol,
    shape: ShapeIx,
    root: Option<&str>,
    value: &Document,
    out: &mut Vec<u8>,
) -> &'static str {
    match format(protocol) {
        Format::Json => {
            json::write(service, shape, value, out);
            "application/json"
        }
        Format::Cbor => {
            cbor::write(service, shape, value, out);
            "application/cbor"
        }
        Format::Xml => {
            let Shape { name, location_name, xml_namespace, .. } = service.shape(shape);
            let root = root.or(*location_name).unwrap_or(name);
            let namespace = xml_namespace.map(|namespace| namespace.uri);
            xml::write_body(service, shape, root, namespace, value, out);
            "application/xml"
        }
    }
}

fn read_payload(service: &Service, protocol: Protocol, shape: ShapeIx, bytes: &[u8]) -> Result<Document, DecodeError> {
    match format(protocol) {
        Format::Json => json::read(service, shape, bytes),
        Format::Cbor => cbor::read(service, shape, bytes),
        Format::Xml => xml::read_body(service, shape, bytes),
    }
}

/// What does not fit the shape is left out, as in bodies.
fn header_value<'a>(kind: &Kind, value: &'a Document) -> Option<Value<'a>> {
    match (kind, value) {
        (Kind::Boolean, Document::Bool(value)) => Some(Value::Bool(*value)),
        (Kind::Byte, Document::Int(value)) => i8::try_from(*value).ok().map(Value::Byte),
        (Kind::Short, Document::Int(value)) => i16::try_from(*value).ok().map(Value::Short),
        (Kind::Integer, Document::Int(value)) => i32::try_from(*value).ok().map(Value::Int),
        (Kind::Long, Document::Int(value)) => Some(Value::Long(*value)),
        (Kind::Blob { .. }, Document::Blob(value)) => Some(Value::Bytes(value)),
        (Kind::String { .. }, Document::String(value)) => Some(Value::Text(value)),
        (Kind::Timestamp(_), Document::Timestamp(value)) => Some(Value::Timestamp(*value)),
        _ => None,
    }
}

/// Integers of any width are taken for each other, and a UUID for text.
fn header_document(kind: &Kind, value: Value<'_>) -> Option<Document> {
    let int = match value {
        Value::Byte(int) => Some(i64::from(int)),
        Value::Short(int) => Some(i64::from(int)),
        Value::Int(int) => Some(i64::from(int)),
        Value::Long(int) => Some(int),
        _ => None,
    };
    match (kind, value) {
        (Kind::Boolean, Value::Bool(value)) => Some(Document::Bool(value)),
        (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long, _) => int.map(Document::Int),
        (Kind::Blob { .. }, Value::Bytes(value)) => Some(Document::Blob(Bytes::copy_from_slice(value))),
        (Kind::String { .. }, Value::Text(value)) => Some(Document::from(value.to_owned())),
        (Kind::String { .. }, Value::Uuid(uuid)) => {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let parts = [&uuid[..4], &uuid[4..6], &uuid[6..8], &uuid[8..10], &uuid[10..]];
            Some(Document::from(parts.map(hex).join("-")))
        }
        (Kind::Timestamp(_), Value::Timestamp(value)) => Some(Document::Timestamp(value)),
        (Kind::Timestamp(_), Value::Long(millis)) => Some(Document::Timestamp(Timestamp::from_millis(millis))),
        _ => None,
    }
}

/// Reads all frames of a finished stream into such maps; the initial response or request is passed over.
///
/// # Errors
/// When a frame is cut or damaged, a payload does not fit its shape, or the stream ends in an error frame.
pub fn read_events(
    service: &Service,
    protocol: Protocol,
    union: ShapeIx,
    bytes: &[u8],
) -> Result<Vec<Document>, DecodeError> {
    let mut reader = EventReader::new(service, protocol, union);
    let mut events = Vec::new();
    // Pushed frame by frame, so that the whole stream is not copied.
    let mut rest = bytes;
    while !rest.is_empty() {
        let (_, after) = Frame::read(rest)?.ok_or(FrameError::Cut)?;
        reader.push(&rest[..rest.len() - after.len()]);
        while let Some(incoming) = reader.next_event()? {
            if let Incoming::Event(event) = incoming {
                events.push(event);
            }
        }
        rest = after;
    }
    reader.finish()?;
    Ok(events)
}

/// The payload of the `initial-response` or `initial-request` frame at the start of a stream, where there is one.
///
/// # Errors
/// When the first frame is cut or damaged.
pub fn read_initial(bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let (frame, _) = Frame::read(bytes)?.ok_or(FrameError::Cut)?;
    let frame = if frame.header(SIGNATURE).is_some() && !frame.payload.is_empty() {
        Frame::read(frame.payload)?.ok_or(FrameError::Cut)?.0
    } else {
        frame
    };
    Ok(is_initial(&frame).then_some(frame.payload))
}

fn is_initial(frame: &Frame<'_>) -> bool {
    matches!(frame.text(EVENT_TYPE), Some("initial-response" | "initial-request"))
}

/// What a stream holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// The payload of the `initial-request` or `initial-response` frame of RPC protocols, still encoded.
    Initial(Bytes),
    /// A map with one entry, named after the union's member.
    Event(Document),
}

/// Reads a stream as it comes, signed frames (`:chunk-signature`) as well as bare ones. Signatures are not checked.
/// Holds one frame at most, beside what is pushed at a time.
#[derive(Debug)]
pub struct EventReader<'s> {
    service: &'s Service,
    protocol: Protocol,
    union: ShapeIx,
    frames: FrameDecoder,
    ended: bool,
}

impl<'s> EventReader<'s> {
    /// `union` is the event stream's union.
    pub fn new(service: &'s Service, protocol: Protocol, union: ShapeIx) -> Self {
        Self { service, protocol, union, frames: FrameDecoder::new(), ended: false }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.frames.push(bytes);
    }

    /// The next event; `None` where more bytes are needed or the stream has ended. Events that the model does not know
    /// are passed over.
    ///
    /// # Errors
    /// When a frame is damaged, a payload does not fit its shape, or the other side sent an error frame.
    pub fn next_event(&mut self) -> Result<Option<Incoming>, DecodeError> {
        while let Some(outer) = self.frames.next_frame()? {
            if self.ended {
                return Err(DecodeError::new("there are frames after the end of the stream"));
            }
            let signed = outer.header(SIGNATURE).is_some();
            if signed && outer.payload.is_empty() {
                self.ended = true;
                continue;
            }
            let frame = if signed { Frame::read(outer.payload)?.ok_or(FrameError::Cut)?.0 } else { outer };
            if let Some(incoming) = incoming(self.service, self.protocol, self.union, &frame)? {
                return Ok(Some(incoming));
            }
        }
        Ok(None)
    }

    /// Whether the empty signed frame has come that ends a stream of signed ones. A bare stream ends with its body.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// When a frame has only come in part.
    pub fn finish(self) -> Result<(), DecodeError> {
        self.frames.finish().map_err(Into::into)
    }
}

fn incoming(
    service: &Service,
    protocol: Protocol,
    union: ShapeIx,
    frame: &Frame<'_>,
) -> Result<Option<Incoming>, DecodeError> {
    let name = match frame.text(MESSAGE_TYPE) {
        Some("error") => {
            let code = frame.text(":error-code").unwrap_or("an error");
            let message = frame.text(":error-message").unwrap_or_default();
            return Err(DecodeError::new(format!("the stream ends in {code}: {message}")));
        }
        Some("exception") => frame.text(EXCEPTION_TYPE),
        _ if is_initial(frame) => return Ok(Some(Incoming::Initial(Bytes::copy_from_slice(frame.payload)))),
        _ => frame.text(EVENT_TYPE),
    };
    let name = name.ok_or_else(|| DecodeError::new("a frame names no event"))?;
    let known = service
        .structure(union)
        .and_then(|union| union.members.iter().find(|member| member.wire_name() == name || member.name == name));
    let Some(member) = known else { return Ok(None) };
    let event = read_event(service, protocol, member, frame).map_err(|error| error.within(member.name))?;
    let mut fields = Fields::with_capacity(1);
    fields.push(member.name, event);
    Ok(Some(Incoming::Event(Document::Map(fields))))
}

fn read_event(
    service: &Service,
    protocol: Protocol,
    member: &Member,
    frame: &Frame<'_>,
) -> Result<Document, DecodeError> {
    let Some(event) = service.structure(member.target) else { return Ok(Document::map()) };
    let mut document = match body_of(event) {
        Body::Member(part) => {
            let value = match &service.target(part).kind {
                Kind::Blob { .. } => Some(Document::Blob(Bytes::copy_from_slice(frame.payload))),
                Kind::String { .. } => {
                    let text = std::str::from_utf8(frame.payload)
                        .map_err(|_| DecodeError::new("the text is not UTF-8").within(part.name))?;
                    Some(Document::from(text.to_owned()))
                }
                _ if frame.payload.is_empty() => None,
                _ => Some(
                    read_payload(service, protocol, part.target, frame.payload)
                        .map_err(|error| error.within(part.name))?,
                ),
            };
            let mut fields = Fields::new();
            if let Some(value) = value {
                fields.push(part.name, value);
            }
            Document::Map(fields)
        }
        Body::Structure if !frame.payload.is_empty() => read_payload(service, protocol, member.target, frame.payload)?,
        Body::Structure | Body::Nothing => Document::map(),
    };
    if let Document::Map(fields) = &mut document {
        for header in event.members.iter().filter(|member| member.event_header) {
            if let Some(value) = frame.header(header.wire_name()) {
                let value = header_document(&service.target(header).kind, value)
                    .ok_or_else(|| DecodeError::new("the header has another type").within(header.name))?;
                fields.insert(header.name, value);
            }
        }
    }
    Ok(document)
}

#[cfg(test)]
mod tests;
