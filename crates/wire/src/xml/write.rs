//! Documents into elements.

use standin_model::{
    Document, Fields, Kind, Member, Service, Shape, ShapeIx, Structure, TimestampFormat, XmlNamespace,
};

use super::names::{Names, in_body, is_flattened};
use super::s3;
use crate::DEPTH_MAX;
use crate::value::{timestamp_format, write_text};

/// Appends elements of one service's shapes. What does not fit its shape is left out.
pub(crate) struct Writer<'o, 's> {
    pub(crate) out: &'o mut Vec<u8>,
    service: &'s Service,
    names: Names,
    /// Whether S3's object keys are to be percent-encoded.
    pub(crate) url_keys: bool,
    scratch: String,
}

impl<'o, 's> Writer<'o, 's> {
    pub(crate) fn new(service: &'s Service, out: &'o mut Vec<u8>) -> Self {
        Self { out, service, names: Names::of(service), url_keys: false, scratch: String::new() }
    }

    /// Writes a whole document's root. A list or map is never flattened here.
    pub(crate) fn root(&mut self, name: &str, namespace: Option<&str>, shape: ShapeIx, value: &Document) {
        let shape = self.service.shape(shape);
        self.open(name);
        if let Some(uri) = namespace {
            self.namespace(None, uri);
        }
        if let Some(own) = shape.xml_namespace.filter(|own| own.prefix.is_some() || namespace.is_none()) {
            self.namespace(own.prefix, own.uri);
        }
        match (&shape.kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => {
                self.attributes(structure, fields);
                let mark = self.end_of_start();
                self.members(structure, fields, 0);
                self.close(name, mark);
            }
            (Kind::List(_) | Kind::Map(_), _) => {
                let mark = self.end_of_start();
                self.content(shape, value, 0);
                self.close(name, mark);
            }
            (kind, value) => {
                let mark = self.end_of_start();
                self.scratch.clear();
                if write_text(kind, value, TimestampFormat::DateTime, &mut self.scratch) {
                    escape(&self.scratch, false, self.out);
                }
                self.close(name, mark);
            }
        }
    }

    /// Writes an element that holds text alone.
    pub(crate) fn text_element(&mut self, name: &str, namespace: Option<&str>, text: &str) {
        self.open(name);
        if let Some(uri) = namespace {
            self.namespace(None, uri);
        }
        let mark = self.end_of_start();
        escape(text, false, self.out);
        self.close(name, mark);
    }

    /// Writes the members of a structure that are elements, in the document's order.
    pub(crate) fn members(&mut self, structure: &Structure, fields: &Fields, depth: usize) {
        let mut next = 0;
        for (key, value) in fields.iter() {
            let (before, after) = structure.members.split_at(next);
            let at = match after.iter().position(|member| member.name == key) {
                Some(at) => next + at,
                None => match before.iter().position(|member| member.name == key) {
                    Some(at) => at,
                    None => continue,
                },
            };
            next = at + 1;
            let member = &structure.members[at];
            if in_body(member) && !value.is_null() {
                self.member(member, value, depth + 1);
            }
        }
    }

    /// Writes one member of a structure under its own name.
    pub(crate) fn member(&mut self, member: &Member, value: &Document, depth: usize) {
        let name = self.names.element(self.service, member);
        let target = self.service.target(member);
        if is_flattened(member, target) {
            match (&target.kind, value) {
                (Kind::List(list), Document::List(items)) => {
                    for item in items {
                        self.element(name, &list.member, item, depth);
                    }
                }
                (Kind::Map(_), Document::Map(entries)) => {
                    for (key, value) in entries.iter() {
                        let mark = self.start(name);
                        self.entry(target, key, value, depth);
                        self.close(name, mark);
                    }
                }
                _ => {}
            }
        } else if self.url_keys && s3::is_key(member.name) {
            if let Document::String(key) = value {
                let mark = self.start(name);
                s3::encode_key(key, self.out);
                self.close(name, mark);
            }
        } else {
            self.element(name, member, value, depth);
        }
    }

    /// Writes one element for a member, a list's item or a map's key or value.
    fn element(&mut self, name: &str, member: &Member, value: &Document, depth: usize) {
        if depth >= DEPTH_MAX {
            return;
        }
        let shape = self.service.target(member);
        let namespace = member.xml_namespace.as_deref().copied().or(shape.xml_namespace);
        match (&shape.kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => {
                self.open(name);
                self.namespaces(namespace);
                self.attributes(structure, fields);
                let mark = self.end_of_start();
                self.members(structure, fields, depth);
                self.close(name, mark);
            }
            (Kind::List(_), Document::List(_)) | (Kind::Map(_), Document::Map(_)) => {
                self.open(name);
                self.namespaces(namespace);
                let mark = self.end_of_start();
                self.content(shape, value, depth);
                self.close(name, mark);
            }
            (Kind::String { .. }, Document::String(text)) => {
                self.open(name);
                self.namespaces(namespace);
                let mark = self.end_of_start();
                escape(text, false, self.out);
                self.close(name, mark);
            }
            (kind, value) => {
                self.scratch.clear();
                let format = timestamp_format(self.service, member, TimestampFormat::DateTime);
                if !write_text(kind, value, format, &mut self.scratch) {
                    return;
                }
                self.open(name);
                self.namespaces(namespace);
                let mark = self.end_of_start();
                escape(&self.scratch, false, self.out);
                self.close(name, mark);
            }
        }
    }

    /// Writes the items of a list or the entries of a map that has an element of its own.
    fn content(&mut self, shape: &Shape, value: &Document, depth: usize) {
        match (&shape.kind, value) {
            (Kind::List(list), Document::List(items)) => {
                let name = list.member.location_name.unwrap_or("member");
                for item in items {
                    self.element(name, &list.member, item, depth + 1);
                }
            }
            (Kind::Map(_), Document::Map(entries)) => {
                for (key, value) in entries.iter() {
                    let mark = self.start("entry");
                    self.entry(shape, key, value, depth + 1);
                    self.close("entry", mark);
                }
            }
            _ => {}
        }
    }

    fn entry(&mut self, shape: &Shape, key: &str, value: &Document, depth: usize) {
        let Kind::Map(map) = &shape.kind else { return };
        let (key_name, value_name) = self.names.entry(shape, map);
        self.text_element(key_name, None, key);
        self.element(value_name, &map.value, value, depth + 1);
    }

    /// Appends `<name>`; the mark goes to [`Writer::close`].
    pub(crate) fn start(&mut self, name: &str) -> usize {
        self.open(name);
        self.end_of_start()
    }

    fn open(&mut self, name: &str) {
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
    }

    fn namespaces(&mut self, namespace: Option<XmlNamespace>) {
        if let Some(namespace) = namespace {
            self.namespace(namespace.prefix, namespace.uri);
        }
    }

    fn namespace(&mut self, prefix: Option<&str>, uri: &str) {
        self.out.extend_from_slice(b" xmlns");
        if let Some(prefix) = prefix {
            self.out.push(b':');
            self.out.extend_from_slice(prefix.as_bytes());
        }
        self.out.extend_from_slice(b"=\"");
        escape(uri, true, self.out);
        self.out.push(b'"');
    }

    fn attributes(&mut self, structure: &Structure, fields: &Fields) {
        for member in structure.members.iter().filter(|member| member.xml_attribute) {
            let Some(value) = fields.get(member.name) else { continue };
            self.scratch.clear();
            let format = timestamp_format(self.service, member, TimestampFormat::DateTime);
            if write_text(&self.service.target(member).kind, value, format, &mut self.scratch) {
                self.out.push(b' ');
                self.out.extend_from_slice(member.wire_name().as_bytes());
                self.out.extend_from_slice(b"=\"");
                escape(&self.scratch, true, self.out);
                self.out.push(b'"');
            }
        }
    }

    fn end_of_start(&mut self) -> usize {
        self.out.push(b'>');
        self.out.len()
    }

    /// Appends the end tag; an element without content becomes `<name/>`.
    pub(crate) fn close(&mut self, name: &str, mark: usize) {
        if self.out.len() == mark {
            self.out.pop();
            self.out.extend_from_slice(b"/>");
            return;
        }
        self.out.extend_from_slice(b"</");
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'>');
    }
}

/// Appends text so that any XML parser gives it back. CR would be read as a line's end, so it goes as a number; what XML
/// cannot hold at all (most control characters) becomes U+FFFD, since a document that no client can parse is worse.
pub(crate) fn escape(text: &str, attribute: bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let mut width = 1;
        let replacement = match byte {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'\r' => "&#xD;",
            b'"' if attribute => "&quot;",
            b'\n' if attribute => "&#xA;",
            b'\t' if attribute => "&#x9;",
            b'\n' | b'\t' => continue,
            0..0x20 => "\u{fffd}",
            // U+FFFE and U+FFFF.
            0xef if matches!(bytes.get(at + 1..at + 3), Some([0xbf, 0xbe | 0xbf])) => {
                width = 3;
                "\u{fffd}"
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(replacement.as_bytes());
        from = at + width;
    }
    out.extend_from_slice(&bytes[from..]);
}
