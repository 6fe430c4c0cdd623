//! JSON as in the AWS JSON and REST-JSON protocols.
//!
//! Read in one pass over the bytes and written straight to bytes: there is no tree of JSON values in between. Members go
//! by their `locationName`; the member's own name is understood too.
//!
//! Where a token does not fit its shape, the error uses the words of AWS's own JSON front
//! (`NUMBER_VALUE can not be converted to a String`), since people search for them.

mod lexer;
mod writer;

use std::borrow::Cow;

use standin_model::{
    Document, Fields, Kind, ListShape, Location, MapShape, Member, Service, ShapeIx, Structure, Timestamp,
};

use crate::message::DecodeError;
use crate::value::{self, Entries, MemberFinder};
use lexer::Lexer;

pub(crate) use writer::write_error;
pub use writer::{write, write_body, write_document, write_string};

/// Reads a whole text as a shape. Unknown members are passed over; null members too, save in sparse lists and maps. No
/// bytes at all and `null` are an empty structure.
///
/// # Errors
/// When the bytes are not JSON, are nested deeper than [`DEPTH_MAX`](crate::DEPTH_MAX), or a value does not fit its
/// shape's kind.
pub fn read(service: &Service, shape: ShapeIx, bytes: &[u8]) -> Result<Document, DecodeError> {
    root(service, shape, bytes, |_| true)
}

/// Reads a whole text as a structure of which only the members bound to the body count.
///
/// # Errors
/// As [`read`].
pub fn read_body(service: &Service, shape: ShapeIx, bytes: &[u8]) -> Result<Document, DecodeError> {
    root(service, shape, bytes, |member| member.location == Location::Body)
}

/// Reads any JSON, with nothing known of shapes.
///
/// # Errors
/// When the bytes are not JSON, or nested too deep.
pub fn read_document(bytes: &[u8]) -> Result<Document, DecodeError> {
    let mut lexer = Lexer::new(bytes)?;
    let value = document(&mut lexer)?;
    lexer.end()?;
    Ok(value)
}

fn root(
    service: &Service,
    shape: ShapeIx,
    bytes: &[u8],
    admit: impl Fn(&Member) -> bool,
) -> Result<Document, DecodeError> {
    let mut reader = Reader { service, lexer: Lexer::new(bytes)? };
    if let Some(structure) = service.structure(shape) {
        if reader.lexer.is_at_end() {
            return Ok(Document::map());
        }
        let value = reader.structure(structure, admit)?;
        reader.lexer.end()?;
        return Ok(Document::Map(value));
    }
    let value = reader.value(shape)?;
    reader.lexer.end()?;
    Ok(value)
}

struct Reader<'s, 'b> {
    service: &'s Service,
    lexer: Lexer<'b>,
}

impl<'s, 'b> Reader<'s, 'b> {
    fn value(&mut self, shape: ShapeIx) -> Result<Document, DecodeError> {
        let service = self.service;
        let kind = &service.shape(shape).kind;
        match kind {
            Kind::Structure(structure) => self.structure(structure, |_| true).map(Document::Map),
            Kind::List(list) => self.list(list),
            Kind::Map(map) => self.map(map),
            Kind::Document => document(&mut self.lexer),
            _ => self.simple(kind),
        }
    }

    fn simple(&mut self, kind: &Kind) -> Result<Document, DecodeError> {
        match (self.lexer.peek()?, kind) {
            (b'"', Kind::String { .. }) => Ok(Document::String(Cow::Owned(self.lexer.string()?.into_owned()))),
            (b'"', Kind::Blob { .. }) => {
                let text = self.lexer.string()?;
                value::read_base64(&text).map(|bytes| Document::Blob(bytes.into()))
            }
            (b'"', Kind::Timestamp(_)) => {
                let text = self.lexer.string()?;
                value::read_text(kind, &text)
            }
            (b'"', Kind::Float | Kind::Double | Kind::BigDecimal) => {
                let text = self.lexer.string()?;
                match &*text {
                    "NaN" | "Infinity" | "-Infinity" => value::read_text(kind, &text),
                    _ => Err(unfit("STRING_VALUE", kind)),
                }
            }
            (
                b'-' | b'0'..=b'9',
                Kind::Byte
                | Kind::Short
                | Kind::Integer
                | Kind::Long
                | Kind::BigInteger
                | Kind::Float
                | Kind::Double
                | Kind::BigDecimal,
            ) => value::read_text(kind, self.lexer.number()?),
            (b'-' | b'0'..=b'9', Kind::Timestamp(_)) => {
                let text = self.lexer.number()?;
                let stamp = match text.parse::<i64>() {
                    Ok(seconds) => Some(Timestamp::from_seconds(seconds)),
                    Err(_) => Timestamp::parse_any(text),
                };
                stamp
                    .map(Document::Timestamp)
                    .ok_or_else(|| DecodeError::new(format!("`{}` is not a timestamp", value::quoted(text))))
            }
            (b't' | b'f', Kind::Boolean) => self.lexer.boolean().map(Document::Bool),
            _ => Err(self.unexpected(kind)),
        }
    }

    /// The error for a token that cannot begin a value of this kind.
    fn unexpected(&mut self, kind: &Kind) -> DecodeError {
        match self.lexer.peek() {
            Ok(b'{') => DecodeError::new("Start of structure or map found where not expected"),
            Ok(b'[') => DecodeError::new("Start of list found where not expected"),
            Ok(b'"') => unfit("STRING_VALUE", kind),
            Ok(b't') => unfit("TRUE_VALUE", kind),
            Ok(b'f') => unfit("FALSE_VALUE", kind),
            Ok(b'n') => unfit("NULL_VALUE", kind),
            Ok(b'-' | b'0'..=b'9') => unfit("NUMBER_VALUE", kind),
            Ok(_) => self.lexer.syntax("a value"),
            Err(error) => error,
        }
    }

    fn structure(&mut self, structure: &Structure, admit: impl Fn(&Member) -> bool) -> Result<Fields, DecodeError> {
        // Room is made when there is something to hold: a list of empty structures is three bytes an item.
        let mut fields = Fields::new();
        if self.lexer.null()? {
            return Ok(fields);
        }
        if self.lexer.peek()? != b'{' {
            return Err(match self.lexer.peek()? {
                b'[' => DecodeError::new("Start of list found where not expected"),
                b'"' | b't' | b'f' | b'-' | b'0'..=b'9' => DecodeError::new("Expected null or a structure"),
                _ => self.lexer.syntax("a value"),
            });
        }
        let mut finder = MemberFinder::new(&structure.members);
        self.lexer.open()?;
        while let Some(key) = self.lexer.key()? {
            let Some(member) = finder.by_wire_name(&key).filter(|member| admit(member)) else {
                self.lexer.skip()?;
                continue;
            };
            if self.lexer.null()? {
                continue;
            }
            let value = if member.json_value && self.lexer.peek()? != b'"' {
                Document::String(Cow::Owned(self.lexer.raw()?.to_owned()))
            } else {
                self.value(member.target).map_err(|error| error.within(member.name))?
            };
            fields.insert(member.name, value);
        }
        Ok(fields)
    }

    fn list(&mut self, list: &ListShape) -> Result<Document, DecodeError> {
        if self.lexer.peek()? != b'[' {
            return Err(match self.lexer.peek()? {
                b'{' => DecodeError::new("Start of structure or map found where not expected"),
                _ => DecodeError::new("Expected list or null"),
            });
        }
        let mut items = Vec::new();
        let mut count = 0_usize;
        self.lexer.open()?;
        while self.lexer.item()? {
            count += 1;
            if self.lexer.null()? {
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
        if self.lexer.peek()? != b'{' {
            return Err(match self.lexer.peek()? {
                b'[' => DecodeError::new("Start of list found where not expected"),
                _ => DecodeError::new("Expected map or null"),
            });
        }
        let mut entries = Entries::new();
        self.lexer.open()?;
        while let Some(key) = self.lexer.key()? {
            if self.lexer.null()? {
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

fn document(lexer: &mut Lexer<'_>) -> Result<Document, DecodeError> {
    match lexer.peek()? {
        b'{' => {
            let mut entries = Entries::new();
            lexer.open()?;
            while let Some(key) = lexer.key()? {
                let value = document(lexer).map_err(|error| error.within(&key))?;
                entries.push(key.into_owned(), value);
            }
            Ok(Document::Map(entries.finish()))
        }
        b'[' => {
            let mut items = Vec::new();
            lexer.open()?;
            while lexer.item()? {
                items.push(document(lexer)?);
            }
            Ok(Document::List(items))
        }
        b'"' => Ok(Document::String(Cow::Owned(lexer.string()?.into_owned()))),
        b't' | b'f' => lexer.boolean().map(Document::Bool),
        b'n' => {
            if lexer.null()? {
                Ok(Document::Null)
            } else {
                Err(lexer.syntax("a value"))
            }
        }
        _ => {
            let text = lexer.number()?;
            if text.contains(['.', 'e', 'E']) {
                let float = value::read_float(&Kind::BigDecimal, text).unwrap_or_default();
                return Ok(float);
            }
            Ok(text.parse::<i64>().map_or_else(|_| Document::BigNumber(text.into()), Document::Int))
        }
    }
}

fn unfit(token: &str, kind: &Kind) -> DecodeError {
    let target = match kind {
        Kind::String { .. } => "a String",
        Kind::Blob { .. } => "a Blob",
        Kind::Boolean => "a Boolean",
        Kind::Byte => "a Byte",
        Kind::Short => "a Short",
        Kind::Integer => "an Integer",
        Kind::Long => "a Long",
        Kind::BigInteger => "a BigInteger",
        Kind::Float => "a Float",
        Kind::Double => "a Double",
        Kind::BigDecimal => "a BigDecimal",
        Kind::Timestamp(_) => "a Timestamp",
        Kind::Structure(_) | Kind::List(_) | Kind::Map(_) | Kind::Document => "this shape",
    };
    DecodeError::new(format!("{token} can not be converted to {target}"))
}

#[cfg(test)]
mod tests;
