//! Elements into documents.

use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::events::BytesStart;
use standin_model::{Document, Fields, Key, Kind, MapShape, Service, Shape, ShapeIx, Str, Structure};

use super::names::{Names, is_flattened};
use super::pull::Pull;
use crate::DEPTH_MAX;
use crate::message::DecodeError;
use crate::value::{Entries, read_text};

/// Reads elements as shapes of one service.
pub(crate) struct ShapeReader<'x, 's> {
    pub(crate) pull: Pull<'x>,
    service: &'s Service,
    names: Names,
}

impl<'x, 's> ShapeReader<'x, 's> {
    pub(crate) fn new(service: &'s Service, bytes: &'x [u8]) -> Result<Self, DecodeError> {
        Ok(Self { pull: Pull::new(bytes)?, service, names: Names::of(service) })
    }

    /// Reads the element that `start` began, to its end.
    pub(crate) fn value(
        &mut self,
        shape: ShapeIx,
        start: &BytesStart<'x>,
        depth: usize,
    ) -> Result<Document, DecodeError> {
        if depth >= DEPTH_MAX {
            return Err(DecodeError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let service = self.service;
        let shape = service.shape(shape);
        match &shape.kind {
            Kind::Structure(structure) => self.structure(structure, start, depth).map(Document::Map),
            Kind::List(list) => {
                let mut items = Vec::new();
                while let Some(child) = self.pull.child()? {
                    let item = self.value(list.member.target, &child, depth + 1);
                    items.push(item.map_err(|error| error.within(&format!("member.{}", items.len() + 1)))?);
                }
                Ok(Document::List(items))
            }
            Kind::Map(map) => {
                let mut entries = Entries::new();
                while self.pull.child()?.is_some() {
                    let (key, value) = self.entry(shape, map, depth)?;
                    entries.push(key, value);
                }
                Ok(Document::Map(entries.finish()))
            }
            kind => {
                let text = self.pull.text()?;
                match kind {
                    Kind::String { .. } => Ok(Document::String(Cow::Owned(text.into_owned()))),
                    kind => read_text(kind, &text),
                }
            }
        }
    }

    /// Reads a structure's attributes and children.
    pub(crate) fn structure(
        &mut self,
        structure: &'s Structure,
        start: &BytesStart<'x>,
        depth: usize,
    ) -> Result<Fields, DecodeError> {
        let service = self.service;
        let mut fields = Fields::new();
        for member in structure.members.iter().filter(|member| member.xml_attribute) {
            if let Some(value) = attribute(start, member.wire_name())? {
                let value = read_text(&service.target(member).kind, &value);
                fields.push(member.name, value.map_err(|error| error.within(member.name))?);
            }
        }
        // Entries of flattened maps come one by one; a twin among them must not cost a scan each time.
        let mut flattened: Vec<(Str, Entries)> = Vec::new();
        let mut cursor = 0;
        while let Some(child) = self.pull.child()? {
            let name = child.local_name();
            let found = self.names.find(service, &structure.members, &mut cursor, name.as_ref());
            let Some(member) = found else {
                self.pull.skip()?;
                continue;
            };
            let target = service.target(member);
            let within = |error: DecodeError| error.within(member.name);
            match &target.kind {
                Kind::List(list) if is_flattened(member, target) => {
                    let item = self.value(list.member.target, &child, depth + 1).map_err(within)?;
                    match fields.get_mut(member.name) {
                        Some(Document::List(items)) => items.push(item),
                        _ => fields.push(member.name, vec![item]),
                    }
                }
                Kind::Map(map) if is_flattened(member, target) => {
                    let (key, value) = self.entry(target, map, depth).map_err(within)?;
                    let at = flattened.iter().position(|(name, _)| *name == member.name).unwrap_or_else(|| {
                        flattened.push((member.name, Entries::new()));
                        flattened.len() - 1
                    });
                    flattened[at].1.push(key, value);
                }
                _ => {
                    let value = self.value(member.target, &child, depth + 1).map_err(within)?;
                    fields.insert(member.name, value);
                }
            }
        }
        for (name, entries) in flattened {
            fields.push(name, entries.finish());
        }
        Ok(fields)
    }

    /// Reads the children of a map's entry.
    fn entry(&mut self, shape: &Shape, map: &MapShape, depth: usize) -> Result<(Key, Document), DecodeError> {
        let (key_name, value_name) = self.names.entry(shape, map);
        let mut key = None;
        let mut value = None;
        while let Some(child) = self.pull.child()? {
            let name = child.local_name();
            let name: &str = name.as_ref();
            if name == key_name {
                key = Some(self.pull.text()?.into_owned());
            } else if name == value_name {
                let read = self.value(map.value.target, &child, depth + 2);
                value = Some(read.map_err(|error| error.within(key.as_deref().unwrap_or(value_name)))?);
            } else {
                self.pull.skip()?;
            }
        }
        match (key, value) {
            (Some(key), Some(value)) => Ok((Key::Owned(key), value)),
            (None, _) => Err(DecodeError::new(format!("a map's entry has no `{key_name}`"))),
            (Some(key), None) => Err(DecodeError::new(format!("has no `{value_name}`")).within(&key)),
        }
    }
}

/// The attribute of that name. Prefixes are whatever the document binds them to, so only the part behind counts.
fn attribute<'x>(start: &BytesStart<'x>, name: &str) -> Result<Option<Cow<'x, str>>, DecodeError> {
    fn local(name: &str) -> &str {
        name.rsplit_once(':').map_or(name, |(_, local)| local)
    }
    let mut attributes = start.attributes();
    // The search for twins compares every attribute with every other, which a client must not be able to make us do.
    attributes.with_checks(false);
    for attribute in attributes {
        let attribute = attribute.map_err(|error| DecodeError::new(format!("malformed attribute: {error}")))?;
        let found: &str = attribute.key.as_ref();
        if found != "xmlns" && !found.starts_with("xmlns:") && local(found) == local(name) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| DecodeError::new(format!("malformed attribute: {error}")))?;
            return Ok(Some(Cow::Owned(value.into_owned())));
        }
    }
    Ok(None)
}
