//! The value that shapes describe.

use std::borrow::Cow;

use bytes::Bytes;

use crate::Timestamp;

/// A member's name or a map's key. Names from a model cost nothing.
pub type Key = Cow<'static, str>;

/// A decoded value: the input of an operation, its output, or a part of either.
///
/// Which variant stands where follows from the shape: structures and maps are [`Document::Map`] (structures by
/// *member name*, never by the name on the wire), timestamps are [`Document::Timestamp`], blobs hold raw bytes
/// (base64 is the wire's business), all whole numbers are [`Document::Int`] where they fit.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Document {
    #[default]
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A number that neither `i64` nor `f64` holds exactly, in decimal digits.
    BigNumber(Box<str>),
    String(Cow<'static, str>),
    Blob(Bytes),
    Timestamp(Timestamp),
    List(Vec<Document>),
    Map(Fields),
}

impl Document {
    /// An empty structure or map.
    pub fn map() -> Self {
        Self::Map(Fields::new())
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Document]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Fields> {
        match self {
            Self::Map(fields) => Some(fields),
            _ => None,
        }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut Fields> {
        match self {
            Self::Map(fields) => Some(fields),
            _ => None,
        }
    }

    /// The member or entry of that name, where this is a structure or map.
    pub fn get(&self, name: &str) -> Option<&Document> {
        self.as_map()?.get(name)
    }

    /// The value as plain JSON: blobs as base64, timestamps as date-time strings, NaN and infinities as their names.
    /// For people and tools; no wire protocol uses this form.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::from(*value),
            Self::Float(value) => serde_json::Number::from_f64(*value).map_or_else(
                || {
                    Value::from(if value.is_nan() {
                        "NaN"
                    } else if *value > 0.0 {
                        "Infinity"
                    } else {
                        "-Infinity"
                    })
                },
                Value::Number,
            ),
            Self::BigNumber(digits) => Value::from(digits.as_ref()),
            Self::String(text) => Value::from(text.as_ref()),
            Self::Blob(bytes) => Value::from(base64(bytes)),
            Self::Timestamp(stamp) => Value::from(stamp.to_date_time()),
            Self::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Self::Map(fields) => {
                Value::Object(fields.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect())
            }
        }
    }

    /// A document from plain JSON, with nothing known of shapes: no blobs, no timestamps.
    pub fn from_json(value: &serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(int), _) => Self::Int(int),
                (None, _) if number.is_u64() => Self::BigNumber(number.to_string().into()),
                (None, Some(float)) => Self::Float(float),
                (None, None) => Self::BigNumber(number.to_string().into()),
            },
            Value::String(text) => Self::String(text.clone().into()),
            Value::Array(items) => Self::List(items.iter().map(Self::from_json).collect()),
            Value::Object(entries) => Self::Map(
                entries.iter().map(|(key, value)| (Key::Owned(key.clone()), Self::from_json(value))).collect(),
            ),
        }
    }

    /// Whether `self` contains all of `subset`: maps by entry, lists item by item from the start, the rest by equality
    /// (whole numbers and floats of the same value are equal).
    pub fn contains(&self, subset: &Self) -> bool {
        match (self, subset) {
            (Self::Map(have), Self::Map(want)) => {
                want.iter().all(|(key, value)| have.get(key).is_some_and(|found| found.contains(value)))
            }
            (Self::List(have), Self::List(want)) => {
                have.len() == want.len() && have.iter().zip(want).all(|(have, want)| have.contains(want))
            }
            #[expect(clippy::cast_precision_loss, reason = "comparison by value")]
            (Self::Int(int), Self::Float(float)) | (Self::Float(float), Self::Int(int)) => *int as f64 == *float,
            (Self::Timestamp(stamp), Self::String(text)) => Timestamp::parse_any(text) == Some(*stamp),
            (Self::Timestamp(stamp), Self::Int(seconds)) => *stamp == Timestamp::from_seconds(*seconds),
            (Self::Blob(bytes), Self::String(text)) => base64(bytes) == text.as_ref(),
            (have, want) => have == want,
        }
    }
}

macro_rules! from {
    ($($type:ty => $variant:ident $(via $via:expr)?;)*) => {$(
        impl From<$type> for Document {
            fn from(value: $type) -> Self { Self::$variant($($via)?(value)) }
        }
    )*};
}
from! {
    bool => Bool;
    i64 => Int;
    i32 => Int via i64::from;
    u32 => Int via i64::from;
    u16 => Int via i64::from;
    f64 => Float;
    &'static str => String via Cow::Borrowed;
    String => String via Cow::Owned;
    Cow<'static, str> => String;
    Bytes => Blob;
    Timestamp => Timestamp;
    Vec<Document> => List;
    Fields => Map;
}

/// The entries of a structure or map, in the order in which they came.
///
/// Lookup is a scan: structures are short, and maps from clients are walked, not searched.
/// `push` does not look for a twin; `insert` does.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Fields(Vec<(Key, Document)>);

impl Fields {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, name: &str) -> Option<&Document> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Document> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Appends without looking for an entry of the same name.
    pub fn push(&mut self, key: impl Into<Key>, value: impl Into<Document>) {
        self.0.push((key.into(), value.into()));
    }

    /// Sets an entry; returns what stood there.
    pub fn insert(&mut self, key: impl Into<Key>, value: impl Into<Document>) -> Option<Document> {
        let (key, value) = (key.into(), value.into());
        if let Some(slot) = self.get_mut(&key) {
            return Some(std::mem::replace(slot, value));
        }
        self.0.push((key, value));
        None
    }

    /// Takes an entry out; the order of the others stays.
    pub fn remove(&mut self, name: &str) -> Option<Document> {
        let at = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(at).1)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Key, &Document)> + '_ {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&Key, &mut Document)> + '_ {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }
}

impl FromIterator<(Key, Document)> for Fields {
    fn from_iter<I: IntoIterator<Item = (Key, Document)>>(entries: I) -> Self {
        Self(entries.into_iter().collect())
    }
}

impl Extend<(Key, Document)> for Fields {
    /// Appends without looking for entries of the same name.
    fn extend<I: IntoIterator<Item = (Key, Document)>>(&mut self, entries: I) {
        self.0.extend(entries);
    }
}

impl IntoIterator for Fields {
    type Item = (Key, Document);
    type IntoIter = std::vec::IntoIter<(Key, Document)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Standard base64 with padding; here because the model crate stays free of wire crates.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(DIGITS[(word >> (18 - 6 * place) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_remainder() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
    }

    #[test]
    fn contains_looks_at_the_subset_only() {
        let have = Document::from_json(&serde_json::json!({"a": 1, "b": {"c": ["x", {"d": 2.0}]}}));
        let yes = Document::from_json(&serde_json::json!({"b": {"c": ["x", {"d": 2}]}}));
        let no = Document::from_json(&serde_json::json!({"b": {"c": ["x"]}}));
        assert!(have.contains(&yes));
        assert!(!have.contains(&no));
    }
}
