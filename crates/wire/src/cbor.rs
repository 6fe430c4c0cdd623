//! CBOR (RFC 8949) as in Smithy RPC v2.
//!
//! Read in one pass: definite and indefinite lengths, half floats, tag-1 timestamps of any number, big numbers (tags 2
//! to 4). Lengths that a client claims are never trusted for an allocation. Written with definite lengths.

mod big;
mod items;
mod writer;

use std::borrow::Cow;

use standin_model::{Document, Fields, Kind, ListShape, MapShape, Service, ShapeIx, Structure};

use crate::message::DecodeError;
use crate::value::{self, Entries, MemberFinder};
use items::Items;

pub use writer::write;
pub(crate) use writer::write_error;

/// Reads a whole item as a shape. Unknown members are passed over; null members too, save in sparse lists and maps. No
/// bytes at all are an empty structure.
///
/// # Errors
/// When the bytes are not CBOR, are nested deeper than [`DEPTH_MAX`](crate::DEPTH_MAX), or a value does not fit its
/// shape's kind.
pub fn read(service: &Service, shape: ShapeIx, bytes: &[u8]) -> Result<Document, DecodeError> {
    let mut reader = Reader { service, items: Items::new(bytes) };
    let is_structure = service.structure(shape).is_some();
    if is_structure && (bytes.is_empty() || reader.items.null()?) {
        return Ok(Document::map());
    }
    let value = reader.value(shape)?;
    reader.items.end()?;
    Ok(value)
}

/// Reads any item, with nothing known of shapes. Keys of maps must be text.
///
/// # Errors
/// When the bytes are not CBOR, or nested too deep.
pub fn read_document(bytes: &[u8]) -> Result<Document, DecodeError> {
    let mut items = Items::new(bytes);
    let value = items.document()?;
    items.end()?;
    Ok(value)
}

struct Reader<'s, 'b> {
    service: &'s Service,
    items: Items<'b>,
}

impl Reader<'_, '_> {
    fn value(&mut self, shape: ShapeIx) -> Result<Document, DecodeError> {
        let service = self.service;
        let kind = &service.shape(shape).kind;
        match kind {
            Kind::Structure(structure) => self.structure(structure).map(Document::Map),
            Kind::List(list) => self.list(list),
            Kind::Map(map) => self.map(map),
            Kind::String { .. } => Ok(Document::String(Cow::Owned(self.items.text()?.into_owned()))),
            Kind::Blob { .. } => self.items.blob().map(Document::Blob),
            Kind::Boolean => self.items.boolean().map(Document::Bool),
            Kind::Timestamp(_) => self.items.timestamp().map(Document::Timestamp),
            Kind::Byte | Kind::Short | Kind::Integer | Kind::Long | Kind::BigInteger => {
                let number = self.items.number(kind)?;
                value::as_int(kind, &number)
                    .ok_or_else(|| DecodeError::new(format!("a number that is not {}", value::with_article(kind))))
            }
            Kind::Float | Kind::Double | Kind::BigDecimal => self.items.number(kind),
            Kind::Document => self.items.document(),
        }
    }

    fn structure(&mut self, structure: &Structure) -> Result<Fields, DecodeError> {
        let mut finder = MemberFinder::new(&structure.members);
        let mut left = self.items.open_map()?;
        let claimed = left.and_then(|left| usize::try_from(left).ok()).unwrap_or(0);
        let mut fields = Fields::with_capacity(claimed.min(structure.members.len()).min(8));
        while self.items.more(&mut left)? {
            let key = self.items.text()?;
            let Some(member) = finder.by_wire_name(&key) else {
                self.items.skip()?;
                continue;
            };
            if self.items.null()? {
                continue;
            }
            let value = self.value(member.target).map_err(|error| error.within(member.name))?;
            fields.insert(member.name, value);
        }
        Ok(fields)
    }

    fn list(&mut self, list: &ListShape) -> Result<Document, DecodeError> {
        let mut items = Vec::new();
        let mut count = 0_usize;
        let mut left = self.items.open_list()?;
        while self.items.more(&mut left)? {
            count += 1;
            if self.items.null()? {
                if list.sparse {
                    items.push(Document::Null);
                }
                continue;
            }
            let item = self.value(list.member.target).map_err(|error| error.within(&format!("member.{count}")))?;
            items.push(item);
        }
        Ok(Document::List(items))
    }

    fn map(&mut self, map: &MapShape) -> Result<Document, DecodeError> {
        let mut entries = Entries::new();
        let mut left = self.items.open_map()?;
        while self.items.more(&mut left)? {
            let key = self.items.text()?;
            if self.items.null()? {
                if map.sparse {
                    entries.push(key.into_owned(), Document::Null);
                }
                continue;
            }
            let value = self.value(map.value.target).map_err(|error| error.within(&key))?;
            entries.push(key.into_owned(), value);
        }
        Ok(Document::Map(entries.finish()))
    }
}

#[cfg(test)]
mod tests;
