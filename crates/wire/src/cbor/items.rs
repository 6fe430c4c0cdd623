//! CBOR's data items, one by one.

use std::borrow::Cow;

use bytes::Bytes;
use minicbor::data::{Tag, Type};
use minicbor::decode::{self, Decoder};
use standin_model::{Document, Kind, Timestamp};

use super::big;
use crate::message::DecodeError;
use crate::value::Entries;
use crate::{DEPTH_MAX, count_value};

pub(super) const TAG_EPOCH: Tag = Tag::new(1);
pub(super) const TAG_BIG_POSITIVE: Tag = Tag::new(2);
pub(super) const TAG_BIG_NEGATIVE: Tag = Tag::new(3);
pub(super) const TAG_DECIMAL: Tag = Tag::new(4);

pub(super) struct Items<'b> {
    decoder: Decoder<'b>,
    depth: usize,
    /// Items of lists and entries of maps so far.
    values: usize,
}

/// What an open list or map still holds: a number of items, or as many as come before the break.
pub(super) type Left = Option<u64>;

fn broken(error: &decode::Error) -> DecodeError {
    DecodeError::new(if error.is_end_of_input() {
        "the CBOR data ends too early".to_owned()
    } else {
        format!("not CBOR: {error}")
    })
}

impl<'b> Items<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { decoder: Decoder::new(bytes), depth: 0, values: 0 }
    }

    fn kind(&self) -> Result<Type, DecodeError> {
        self.decoder.datatype().map_err(|error| broken(&error))
    }

    fn expected(&self, what: &str) -> DecodeError {
        match self.decoder.datatype() {
            Ok(found) => DecodeError::new(format!("found CBOR {found}, expected {what}")),
            Err(error) => broken(&error),
        }
    }

    /// Expects nothing more.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        let left = self.decoder.input().len() - self.decoder.position();
        if left == 0 { Ok(()) } else { Err(DecodeError::new(format!("{left} bytes follow the CBOR data"))) }
    }

    /// Steps over null or undefined, if that is what comes.
    pub(super) fn null(&mut self) -> Result<bool, DecodeError> {
        match self.kind()? {
            Type::Null => self.decoder.null().map_err(|error| broken(&error))?,
            Type::Undefined => self.decoder.undefined().map_err(|error| broken(&error))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(super) fn open_list(&mut self) -> Result<Left, DecodeError> {
        if !matches!(self.kind()?, Type::Array | Type::ArrayIndef) {
            return Err(self.expected("a list"));
        }
        self.deeper()?;
        self.decoder.array().map_err(|error| broken(&error))
    }

    pub(super) fn open_map(&mut self) -> Result<Left, DecodeError> {
        if !matches!(self.kind()?, Type::Map | Type::MapIndef) {
            return Err(self.expected("a map"));
        }
        self.deeper()?;
        self.decoder.map().map_err(|error| broken(&error))
    }

    fn deeper(&mut self) -> Result<(), DecodeError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(DecodeError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        Ok(())
    }

    /// Whether another item (or key) follows in an open list (or map). `false` closes it.
    pub(super) fn more(&mut self, left: &mut Left) -> Result<bool, DecodeError> {
        let more = match left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None if self.kind()? == Type::Break => {
                self.decoder.set_position(self.decoder.position() + 1);
                false
            }
            None => true,
        };
        if more {
            count_value(&mut self.values)?;
        } else {
            self.depth -= 1;
        }
        Ok(more)
    }

    pub(super) fn text(&mut self) -> Result<Cow<'b, str>, DecodeError> {
        match self.kind()? {
            Type::String => self.decoder.str().map(Cow::Borrowed).map_err(|error| broken(&error)),
            Type::StringIndef => {
                let mut text = String::new();
                for chunk in self.decoder.str_iter().map_err(|error| broken(&error))? {
                    text.push_str(chunk.map_err(|error| broken(&error))?);
                }
                Ok(Cow::Owned(text))
            }
            _ => Err(self.expected("a text string")),
        }
    }

    pub(super) fn blob(&mut self) -> Result<Bytes, DecodeError> {
        match self.kind()? {
            Type::Bytes => self.decoder.bytes().map(Bytes::copy_from_slice).map_err(|error| broken(&error)),
            Type::BytesIndef => {
                let mut bytes = Vec::new();
                for chunk in self.decoder.bytes_iter().map_err(|error| broken(&error))? {
                    bytes.extend_from_slice(chunk.map_err(|error| broken(&error))?);
                }
                Ok(bytes.into())
            }
            _ => Err(self.expected("a byte string")),
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, DecodeError> {
        if self.kind()? != Type::Bool {
            return Err(self.expected("a boolean"));
        }
        self.decoder.bool().map_err(|error| broken(&error))
    }

    /// A number of any form. Of a float of 32 bits the shortest digits count where the kind has no more bits either, so
    /// that 1.1 stays 1.1.
    pub(super) fn number(&mut self, kind: &Kind) -> Result<Document, DecodeError> {
        match self.kind()? {
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I8 | Type::I16 | Type::I32 | Type::I64 | Type::Int => {
                let int = i128::from(self.decoder.int().map_err(|error| broken(&error))?);
                Ok(i64::try_from(int).map_or_else(|_| Document::BigNumber(int.to_string().into()), Document::Int))
            }
            Type::F16 | Type::F32 => {
                let float = self.decoder.f32().map_err(|error| broken(&error))?;
                Ok(Document::Float(match kind {
                    Kind::Float if float.is_finite() => float.to_string().parse().unwrap_or_else(|_| float.into()),
                    _ => float.into(),
                }))
            }
            Type::F64 => self.decoder.f64().map(Document::Float).map_err(|error| broken(&error)),
            Type::Tag => match self.tag()? {
                TAG_BIG_POSITIVE => self.big_digits(false).map(big_number),
                TAG_BIG_NEGATIVE => self.big_digits(true).map(big_number),
                TAG_DECIMAL => self.decimal(),
                tag => Err(DecodeError::new(format!("found CBOR tag {}, expected a number", tag.as_u64()))),
            },
            _ => Err(self.expected("a number")),
        }
    }

    fn tag(&mut self) -> Result<Tag, DecodeError> {
        self.decoder.tag().map_err(|error| broken(&error))
    }

    fn big_digits(&mut self, negative: bool) -> Result<String, DecodeError> {
        let bytes = self.blob()?;
        if bytes.len() > big::BYTES_MAX {
            return Err(DecodeError::new(format!("a number of {} bytes, at most {}", bytes.len(), big::BYTES_MAX)));
        }
        Ok(big::to_digits(&bytes, negative))
    }

    /// A decimal fraction: `[exponent, mantissa]`.
    fn decimal(&mut self) -> Result<Document, DecodeError> {
        let mut left = self.open_list()?;
        let mut parts = Vec::with_capacity(2);
        while self.more(&mut left)? {
            if parts.len() == 2 {
                return Err(DecodeError::new("a decimal fraction of more than two parts"));
            }
            parts.push(match self.number(&Kind::BigInteger)? {
                Document::Int(int) => int.to_string(),
                Document::BigNumber(digits) => digits.into(),
                _ => return Err(DecodeError::new("a decimal fraction of parts that are not whole")),
            });
        }
        match parts.as_slice() {
            [exponent, mantissa] => Ok(Document::BigNumber(format!("{mantissa}e{exponent}").into())),
            _ => Err(DecodeError::new("a decimal fraction of less than two parts")),
        }
    }

    /// Epoch seconds, tagged or bare; text in any of the three forms is understood too.
    pub(super) fn timestamp(&mut self) -> Result<Timestamp, DecodeError> {
        if self.kind()? == Type::Tag {
            let before = self.decoder.position();
            if self.tag()? != TAG_EPOCH {
                self.decoder.set_position(before);
            }
        }
        let stamp = match self.kind()? {
            Type::String | Type::StringIndef => Timestamp::parse_any(&self.text()?),
            _ => match self.number(&Kind::Double)? {
                Document::Int(seconds) => Some(Timestamp::from_seconds(seconds)),
                Document::Float(seconds) => Timestamp::from_f64(seconds),
                _ => None,
            },
        };
        stamp.ok_or_else(|| DecodeError::new("a timestamp out of range"))
    }

    /// Any item. Keys of maps must be text.
    pub(super) fn document(&mut self) -> Result<Document, DecodeError> {
        match self.kind()? {
            Type::Null | Type::Undefined => self.null().map(|_| Document::Null),
            Type::Bool => self.boolean().map(Document::Bool),
            Type::String | Type::StringIndef => Ok(Document::String(Cow::Owned(self.text()?.into_owned()))),
            Type::Bytes | Type::BytesIndef => self.blob().map(Document::Blob),
            Type::Array | Type::ArrayIndef => {
                let mut items = Vec::new();
                let mut left = self.open_list()?;
                while self.more(&mut left)? {
                    items.push(self.document()?);
                }
                Ok(Document::List(items))
            }
            Type::Map | Type::MapIndef => {
                let mut entries = Entries::new();
                let mut left = self.open_map()?;
                while self.more(&mut left)? {
                    let key = self.text()?;
                    let value = self.document().map_err(|error| error.within(&key))?;
                    entries.push(key.into_owned(), value);
                }
                Ok(Document::Map(entries.finish()))
            }
            Type::Tag => {
                let before = self.decoder.position();
                let tag = self.tag()?;
                self.decoder.set_position(before);
                match tag {
                    TAG_EPOCH => self.timestamp().map(Document::Timestamp),
                    _ => self.number(&Kind::Double),
                }
            }
            Type::Simple | Type::Break | Type::Unknown(_) => Err(self.expected("a value")),
            _ => self.number(&Kind::Double),
        }
    }

    /// Steps over one item of any kind; keys may be anything here.
    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        match self.kind()? {
            Type::Null | Type::Undefined => self.null().map(drop),
            Type::Bool => self.boolean().map(drop),
            Type::String | Type::StringIndef => self.text().map(drop),
            Type::Bytes | Type::BytesIndef => self.blob().map(drop),
            Type::Array | Type::ArrayIndef => {
                let mut left = self.open_list()?;
                while self.more(&mut left)? {
                    self.skip()?;
                }
                Ok(())
            }
            Type::Map | Type::MapIndef => {
                let mut left = self.open_map()?;
                while self.more(&mut left)? {
                    self.skip()?;
                    self.skip()?;
                }
                Ok(())
            }
            Type::Tag => {
                // Tags nest too.
                self.deeper()?;
                self.tag()?;
                self.skip()?;
                self.depth -= 1;
                Ok(())
            }
            Type::Simple => self.decoder.simple().map(drop).map_err(|error| broken(&error)),
            Type::Break | Type::Unknown(_) => Err(self.expected("a value")),
            _ => self.number(&Kind::Double).map(drop),
        }
    }
}

fn big_number(digits: String) -> Document {
    digits.parse::<i64>().map_or_else(|_| Document::BigNumber(digits.into()), Document::Int)
}
