//! Documents into forms, as botocore's serializers write them.

use std::fmt::Write as _;

use standin_model::{
    Document, Kind, ListShape, MapShape, Member, Operation, Protocol, Service, Shape, TimestampFormat,
};

use super::names::FormNames;
use crate::DEPTH_MAX;
use crate::message::EncodeError;
use crate::value::{percent_encode, timestamp_format, with_article, write_text};
use crate::xml::is_flattened;

/// Writes an operation's input as a form body, `Action` and `Version` first.
///
/// # Errors
/// When a value does not fit its shape's kind, or a name is not a member's.
pub fn write_form(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    input: &Document,
) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer {
        names: FormNames::new(protocol, service),
        service,
        path: String::new(),
        out: format!("Action={}&Version={}", operation.name, service.version),
        scratch: String::new(),
    };
    if let Some(shape) = operation.input
        && !input.is_null()
    {
        writer.content(None, service.shape(shape), input, 0)?;
    }
    Ok(writer.out.into_bytes())
}

struct Writer<'s> {
    names: FormNames<'s>,
    service: &'s Service,
    /// The key so far.
    path: String,
    out: String,
    scratch: String,
}

impl Writer<'_> {
    /// Writes what belongs under the current path.
    fn content(
        &mut self,
        member: Option<&Member>,
        shape: &Shape,
        value: &Document,
        depth: usize,
    ) -> Result<(), EncodeError> {
        if depth >= DEPTH_MAX {
            return Err(self.error(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        match (&shape.kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => {
                for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                    let Some(member) = structure.member(name) else {
                        return Err(self.error(format!("`{name}` is not a member of {}", shape.name)));
                    };
                    let part = self.names.member(member);
                    self.below(&part, |writer| {
                        writer.content(Some(member), writer.service.target(member), value, depth + 1)
                    })?;
                }
                Ok(())
            }
            (Kind::List(list), Document::List(items)) => self.list(member, shape, list, items, depth),
            (Kind::Map(map), Document::Map(entries)) => {
                let flattened = member.is_some_and(|member| is_flattened(member, shape));
                self.map(shape, map, flattened, entries, depth)
            }
            (kind, value) => {
                let format = member.map_or(TimestampFormat::DateTime, |member| {
                    timestamp_format(self.service, member, TimestampFormat::DateTime)
                });
                self.scratch.clear();
                if !write_text(kind, value, format, &mut self.scratch) {
                    return Err(self.error(format!("does not fit {}", with_article(kind))));
                }
                self.field();
                Ok(())
            }
        }
    }

    fn list(
        &mut self,
        member: Option<&Member>,
        shape: &Shape,
        list: &ListShape,
        items: &[Document],
        depth: usize,
    ) -> Result<(), EncodeError> {
        if items.is_empty() {
            // EC2 has no empty lists.
            if !self.names.ec2 {
                self.scratch.clear();
                self.field();
            }
            return Ok(());
        }
        let item_of = |writer: &mut Self| {
            for (number, item) in (1..).zip(items) {
                writer.below_number(number, |writer| {
                    writer.content(Some(&list.member), writer.service.target(&list.member), item, depth + 1)
                })?;
            }
            Ok(())
        };
        // The name of a flattened list's items is already the member's (see `Names::element`).
        if self.names.ec2 || member.is_some_and(|member| is_flattened(member, shape)) {
            return item_of(self);
        }
        self.below(list.member.location_name.unwrap_or("member"), item_of)
    }

    fn map(
        &mut self,
        shape: &Shape,
        map: &MapShape,
        flattened: bool,
        entries: &standin_model::Fields,
        depth: usize,
    ) -> Result<(), EncodeError> {
        let (key_name, value_name) = self.names.elements.entry(shape, map);
        let entries_of = |writer: &mut Self| {
            for (number, (key, value)) in (1..).zip(entries.iter()) {
                writer.below_number(number, |writer| {
                    writer.below(key_name, |writer| {
                        writer.scratch.clear();
                        writer.scratch.push_str(key);
                        writer.field();
                        Ok(())
                    })?;
                    writer.below(value_name, |writer| {
                        writer.content(Some(&map.value), writer.service.target(&map.value), value, depth + 2)
                    })
                })?;
            }
            Ok(())
        };
        if flattened { entries_of(self) } else { self.below("entry", entries_of) }
    }

    fn below(
        &mut self,
        part: &str,
        write: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(part);
        let result = write(self);
        self.path.truncate(length);
        result
    }

    fn below_number(
        &mut self,
        number: usize,
        write: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let length = self.path.len();
        write!(self.path, ".{number}").expect("writing to a String does not fail");
        let result = write(self);
        self.path.truncate(length);
        result
    }

    /// Appends the field of the current path with the text in `scratch`.
    fn field(&mut self) {
        self.out.push('&');
        percent_encode(&self.path, false, &mut self.out);
        self.out.push('=');
        percent_encode(&self.scratch, false, &mut self.out);
    }

    fn error(&self, reason: String) -> EncodeError {
        EncodeError { path: self.path.clone(), reason }
    }
}
