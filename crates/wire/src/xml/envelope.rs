//! The envelopes around errors.

use standin_core::OperationError;
use standin_model::{Document, Fields, Kind, Operation, Protocol, Service, ShapeIx, Structure, TimestampFormat};

use super::pull::Pull;
use super::write::{Writer, escape};
use super::{DECLARATION, ShapeReader, namespace, s3};
use crate::message::DecodeError;
use crate::value::write_text;

/// Writes the error envelope of REST-XML (S3's bare form too), AWS Query or EC2 Query. The fault is that of `Type`
/// (`Receiver` or `Sender`). `members` go by member name; those bound to headers are left out,
/// and so are those that say the code and the message once more.
#[expect(clippy::too_many_arguments, reason = "every one is a part of the envelope")]
pub fn write_error(
    protocol: Protocol,
    service: Option<&Service>,
    shape: Option<ShapeIx>,
    code: &str,
    message: &str,
    fault_is_server: bool,
    members: &Fields,
    request_id: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let form = Form::of(protocol, service);
    if form != Form::Query {
        out.extend_from_slice(DECLARATION);
    }
    match form {
        Form::S3 => out.extend_from_slice(b"<Error>"),
        Form::Ec2 => out.extend_from_slice(b"<Response><Errors><Error>"),
        Form::Query | Form::Rest => {
            out.extend_from_slice(b"<ErrorResponse");
            if let Some(namespace) = service.and_then(namespace) {
                out.extend_from_slice(b" xmlns=\"");
                escape(&namespace, true, &mut out);
                out.push(b'"');
            }
            out.extend_from_slice(b"><Error>");
            leaf("Type", if fault_is_server { "Receiver" } else { "Sender" }, &mut out);
        }
    }
    leaf("Code", code, &mut out);
    if !message.is_empty() {
        leaf("Message", message, &mut out);
    }
    let structure = service.zip(shape).and_then(|(service, shape)| service.structure(shape));
    match (service, structure) {
        // S3 says which bucket or key it means, and its model does not.
        (Some(service), Some(structure)) if form != Form::S3 || !structure.members.is_empty() => {
            write_members(service, structure, members, &mut out);
        }
        _ => write_plain(members, &mut out),
    }
    match form {
        Form::S3 => {
            leaf("RequestId", request_id, &mut out);
            leaf("HostId", request_id, &mut out);
            out.extend_from_slice(b"</Error>");
        }
        Form::Ec2 => {
            out.extend_from_slice(b"</Error></Errors>");
            leaf("RequestID", request_id, &mut out);
            out.extend_from_slice(b"</Response>");
        }
        Form::Query | Form::Rest => {
            out.extend_from_slice(b"</Error>");
            leaf("RequestId", request_id, &mut out);
            out.extend_from_slice(b"</ErrorResponse>");
        }
    }
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    S3,
    Rest,
    Query,
    Ec2,
}

impl Form {
    fn of(protocol: Protocol, service: Option<&Service>) -> Self {
        match protocol {
            Protocol::Ec2Query => Self::Ec2,
            Protocol::AwsQuery => Self::Query,
            _ if service.is_some_and(s3::is_s3) => Self::S3,
            _ => Self::Rest,
        }
    }
}

fn leaf(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b'<');
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
    escape(text, false, out);
    out.extend_from_slice(b"</");
    out.extend_from_slice(name.as_bytes());
    out.push(b'>');
}

/// Whether a member says what the envelope already says.
fn is_envelope(member: &str) -> bool {
    member.eq_ignore_ascii_case("message") || member == "Code"
}

fn write_members(service: &Service, structure: &Structure, members: &Fields, out: &mut Vec<u8>) {
    let mut writer = Writer::new(service, out);
    for (name, value) in members.iter().filter(|(name, value)| !is_envelope(name) && !value.is_null()) {
        if let Some(member) = structure.member(name).filter(|member| super::names::in_body(member)) {
            writer.member(member, value, 1);
        }
    }
}

/// Members of an error that no model describes: simple values only.
fn write_plain(members: &Fields, out: &mut Vec<u8>) {
    let kind = Kind::String { enum_values: Box::default() };
    let mut text = String::new();
    for (name, value) in members.iter().filter(|(name, _)| !is_envelope(name)) {
        text.clear();
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if is_name && !name.is_empty() && write_text(&kind, value, TimestampFormat::DateTime, &mut text) {
            leaf(name, &text, out);
        }
    }
}

/// Reads any of the error envelopes: code, message, further members by member name, request id. `None` where the bytes are
/// no such envelope.
pub fn read_error(
    _protocol: Protocol,
    service: &Service,
    operation: &Operation,
    bytes: &[u8],
) -> Option<(String, String, Fields, Option<String>)> {
    let envelope = Envelope::read(bytes).ok()??;
    let code = envelope.code?;
    let shape = OperationError::new(code.clone(), "").shape(service, Some(operation));
    let members = shape.and_then(|shape| read_members(service, shape, bytes).ok().flatten()).unwrap_or_default();
    Some((code, envelope.message, members, envelope.request_id))
}

/// What every error says of itself, whatever its shape.
#[derive(Default)]
struct Envelope {
    code: Option<String>,
    message: String,
    request_id: Option<String>,
}

impl Envelope {
    fn read(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut pull = Pull::new(bytes)?;
        let mut envelope = Self::default();
        let Some(root) = pull.root()? else { return Ok(None) };
        if root.local_name().as_ref() == "Error" {
            envelope.error(&mut pull)?;
        } else {
            envelope.around(&mut pull)?;
        }
        Ok(Some(envelope))
    }

    /// Reads `ErrorResponse`, `Response` or `Errors`.
    fn around(&mut self, pull: &mut Pull<'_>) -> Result<(), DecodeError> {
        let mut errors_open = false;
        loop {
            let Some(child) = pull.child()? else {
                if errors_open {
                    errors_open = false;
                    continue;
                }
                return Ok(());
            };
            match child.local_name().as_ref() {
                // EC2 may list several; the first one counts.
                "Error" if self.code.is_none() => self.error(pull)?,
                "Errors" if !errors_open => errors_open = true,
                "RequestId" | "RequestID" | "requestId" => self.request_id = Some(pull.text()?.into_owned()),
                _ => pull.skip()?,
            }
        }
    }

    fn error(&mut self, pull: &mut Pull<'_>) -> Result<(), DecodeError> {
        while let Some(child) = pull.child()? {
            match child.local_name().as_ref() {
                "Code" if self.code.is_none() => self.code = Some(pull.text()?.trim().to_owned()),
                "Message" | "message" => self.message = pull.text()?.into_owned(),
                "RequestId" => self.request_id = Some(pull.text()?.into_owned()),
                _ => pull.skip()?,
            }
        }
        Ok(())
    }
}

/// Reads the `Error` element once more, now that its shape is known.
fn read_members(service: &Service, shape: ShapeIx, bytes: &[u8]) -> Result<Option<Fields>, DecodeError> {
    let mut reader = ShapeReader::new(service, bytes)?;
    let Some(mut start) = reader.pull.root()? else { return Ok(None) };
    while start.local_name().as_ref() != "Error" {
        let Some(child) = reader.pull.child()? else { return Ok(None) };
        if !matches!(child.local_name().as_ref(), "Error" | "Errors") {
            reader.pull.skip()?;
            continue;
        }
        start = child;
    }
    let Document::Map(fields) = reader.value(shape, &start, 0)? else { return Ok(None) };
    Ok(Some(fields.into_iter().filter(|(name, _)| !is_envelope(name)).collect()))
}
