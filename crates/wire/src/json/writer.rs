//! Shapes to JSON text.

use std::io::Write as _;

use base64::Engine as _;
use standin_model::{
    Document, Fields, Kind, ListShape, Location, MapShape, Member, Service, ShapeIx, Structure, TimestampFormat,
};

use super::lexer::number_length;
use crate::value::{self, BASE64, MemberFinder};

/// Appends a value as a shape. What does not fit its shape is left out, null members too; a root that does not fit
/// becomes `{}`.
pub fn write(service: &Service, shape: ShapeIx, value: &Document, out: &mut Vec<u8>) {
    let mut writer = Writer { service, out };
    if !writer.value(shape, None, value) {
        writer.out.extend_from_slice(b"{}");
    }
}

/// Appends a structure of which only the members bound to the body count.
pub fn write_body(service: &Service, shape: ShapeIx, value: &Document, out: &mut Vec<u8>) {
    match (service.structure(shape), value) {
        (Some(structure), Document::Map(fields)) => {
            Writer { service, out }.structure(structure, fields, |member| member.location == Location::Body);
        }
        _ => write(service, shape, value, out),
    }
}

/// The body of an error: its type, where the protocol has it there, and its members. Members that the shape does not know
/// are written as they are; with `body_only` those bound to headers are left out.
pub(crate) fn write_error(
    error_type: Option<&str>,
    modelled: Option<(&Service, ShapeIx)>,
    body_only: bool,
    members: &Fields,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    if let Some(error_type) = error_type {
        out.extend_from_slice(b"\"__type\":");
        write_string(error_type, &mut out);
    }
    let modelled = modelled.and_then(|(service, shape)| Some((service, service.structure(shape)?)));
    for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
        let member = modelled.and_then(|(service, structure)| Some((service, structure.member(name)?)));
        if body_only && member.is_some_and(|(_, member)| member.location != Location::Body) {
            continue;
        }
        let before = out.len();
        if before > 1 {
            out.push(b',');
        }
        write_string(member.map_or(name, |(_, member)| member.wire_name()), &mut out);
        out.push(b':');
        let Some((service, member)) = member else {
            write_document(value, &mut out);
            continue;
        };
        if !(Writer { service, out: &mut out }).value(member.target, member.timestamp_format, value) {
            out.truncate(before);
        }
    }
    out.push(b'}');
    out
}

/// Appends any document, with nothing known of shapes: blobs as base64, timestamps as date-times.
pub fn write_document(value: &Document, out: &mut Vec<u8>) {
    match value {
        Document::Null => out.extend_from_slice(b"null"),
        Document::Bool(value) => write_bool(*value, out),
        Document::Int(value) => write_int(*value, out),
        Document::Float(value) => write_float(*value, false, out),
        Document::BigNumber(digits) => {
            if is_number(digits) {
                out.extend_from_slice(digits.as_bytes());
            } else {
                write_string(digits, out);
            }
        }
        Document::String(text) => write_string(text, out),
        Document::Blob(bytes) => write_blob(bytes, out),
        Document::Timestamp(stamp) => write_string(&stamp.to_date_time(), out),
        Document::List(items) => {
            out.push(b'[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_document(item, out);
            }
            out.push(b']');
        }
        Document::Map(fields) => {
            out.push(b'{');
            for (at, (key, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_document(value, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends a string with its quotes.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    let bytes = text.as_bytes();
    // Hardly any text needs an escape; the compiler makes this look at many bytes at once.
    let plain = |piece: &[u8]| !piece.iter().fold(false, |any, byte| any | needs_escape(*byte));
    if bytes.chunks(PIECE_BYTES).all(plain) {
        out.extend_from_slice(bytes);
    } else {
        write_escaped(bytes, out);
    }
    out.push(b'"');
}

/// How many bytes are looked at between two branches.
const PIECE_BYTES: usize = 64;

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

fn write_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate().filter(|(_, byte)| needs_escape(**byte)) {
        let escape = match byte {
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0..0x20 => b'u',
            itself => *itself,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(&[b'\\', escape]);
        if escape == b'u' {
            push_display(out, format_args!("{byte:04x}"));
        }
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

fn push_display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    write!(out, "{value}").expect("writing to a Vec does not fail");
}

fn write_bool(value: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

fn write_int(value: i64, out: &mut Vec<u8>) {
    serde_json::to_writer(out, &value).expect("writing to a Vec does not fail");
}

fn write_float(value: f64, narrow: bool, out: &mut Vec<u8>) {
    match value::float_name(value) {
        Some(name) => write_string(name, out),
        None if narrow => {
            let mut text = String::new();
            value::write_f32(value, &mut text);
            out.extend_from_slice(text.as_bytes());
        }
        None => push_display(out, format_args!("{value:?}")),
    }
}

fn write_blob(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let written = BASE64.encode_slice(bytes, &mut out[start..]).expect("room for four digits per three bytes");
    out.truncate(start + written);
    out.push(b'"');
}

/// The text of a value that a `jsonvalue` member carries as a document.
pub(crate) fn json_text(member: &Member, value: &Document) -> Option<Document> {
    if !member.json_value || matches!(value, Document::String(_)) {
        return None;
    }
    Some(Document::String(value.to_json().to_string().into()))
}

fn is_number(digits: &str) -> bool {
    !digits.is_empty() && number_length(digits.as_bytes()) == digits.len()
}

struct Writer<'s, 'o> {
    service: &'s Service,
    out: &'o mut Vec<u8>,
}

impl Writer<'_, '_> {
    /// Writes a value, or returns `false` with nothing written where it does not fit. `format` is the member's own.
    fn value(&mut self, shape: ShapeIx, format: Option<TimestampFormat>, value: &Document) -> bool {
        let service = self.service;
        let kind = &service.shape(shape).kind;
        match (kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => self.structure(structure, fields, |_| true),
            (Kind::List(list), Document::List(items)) => self.list(list, items),
            (Kind::Map(map), Document::Map(fields)) => self.map(map, fields),
            (Kind::Document, _) => write_document(value, self.out),
            (Kind::String { .. }, Document::String(text)) => write_string(text, self.out),
            (Kind::Boolean, Document::Bool(value)) => write_bool(*value, self.out),
            (Kind::Blob { .. }, Document::Blob(bytes)) => write_blob(bytes, self.out),
            (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Float(value)) => {
                write_float(*value, matches!(kind, Kind::Float), self.out);
            }
            (Kind::Float | Kind::Double | Kind::BigDecimal, Document::Int(value)) => write_int(*value, self.out),
            (Kind::Timestamp(of_shape), _) => {
                let Some(stamp) = value::as_timestamp(value) else { return false };
                let format = format.or(*of_shape).unwrap_or(TimestampFormat::EpochSeconds);
                if format == TimestampFormat::EpochSeconds && stamp.nanos < 1_000_000 {
                    write_int(stamp.seconds, self.out);
                    return true;
                }
                let mut text = String::new();
                value::write_timestamp(stamp, format, &mut text);
                if format == TimestampFormat::EpochSeconds {
                    self.out.extend_from_slice(text.as_bytes());
                } else {
                    write_string(&text, self.out);
                }
            }
            (Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger, _) => {
                match value::as_int(kind, value) {
                    Some(Document::Int(int)) => write_int(int, self.out),
                    Some(Document::BigNumber(digits)) if is_number(&digits) => {
                        self.out.extend_from_slice(digits.as_bytes());
                    }
                    _ => return false,
                }
            }
            _ => return self.converted(kind, value),
        }
        true
    }

    /// Values of another kind that mean one of this kind all the same.
    fn converted(&mut self, kind: &Kind, value: &Document) -> bool {
        let mut text = String::new();
        if !value::write_text(kind, value, TimestampFormat::DateTime, &mut text) {
            return false;
        }
        match kind {
            Kind::String { .. } | Kind::Blob { .. } => write_string(&text, self.out),
            Kind::Boolean => self.out.extend_from_slice(text.as_bytes()),
            _ if is_number(&text) => self.out.extend_from_slice(text.as_bytes()),
            _ => write_string(&text, self.out),
        }
        true
    }

    fn structure(&mut self, structure: &Structure, fields: &Fields, admit: impl Fn(&Member) -> bool) {
        let mut finder = MemberFinder::new(&structure.members);
        self.out.push(b'{');
        let mut first = true;
        for (name, value) in fields.iter() {
            if value.is_null() {
                continue;
            }
            let Some(member) = finder.by_name(name).filter(|member| admit(member)) else { continue };
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            write_string(member.wire_name(), self.out);
            self.out.push(b':');
            let text = json_text(member, value);
            if self.value(member.target, member.timestamp_format, text.as_ref().unwrap_or(value)) {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b'}');
    }

    fn list(&mut self, list: &ListShape, items: &[Document]) {
        self.out.push(b'[');
        let mut first = true;
        for item in items {
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            if item.is_null() && list.sparse {
                self.out.extend_from_slice(b"null");
                first = false;
            } else if self.value(list.member.target, list.member.timestamp_format, item) {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b']');
    }

    fn map(&mut self, map: &MapShape, fields: &Fields) {
        self.out.push(b'{');
        let mut first = true;
        for (key, value) in fields.iter() {
            let before = self.out.len();
            if !first {
                self.out.push(b',');
            }
            write_string(key, self.out);
            self.out.push(b':');
            if value.is_null() && map.sparse {
                self.out.extend_from_slice(b"null");
                first = false;
            } else if self.value(map.value.target, map.value.timestamp_format, value) {
                first = false;
            } else {
                self.out.truncate(before);
            }
        }
        self.out.push(b'}');
    }
}
