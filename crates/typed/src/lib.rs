//! Rust types for the shapes of one service: what a build script writes them with ([`generate`]), and what they have in
//! common ([`Shape`]).
//!
//! An engine that knows its service names members in Rust instead of by text. In its `build.rs`:
//!
//! ```no_run
//! standin_typed::generate::Types::of("mwaa").write();
//! ```
//!
//! and in the module that is to have the types:
//!
//! ```ignore
//! use standin_typed::prelude::*;
//! include!(concat!(env!("OUT_DIR"), "/types.rs"));
//! ```

pub mod generate;

use std::collections::BTreeMap;

use standin_model::{Document, Fields, Timestamp};

/// What the generated text refers to.
pub mod prelude {
    pub use std::collections::BTreeMap;

    pub use standin_model::{Document, Fields, Timestamp};

    pub use crate::{Shape, optional, required};
}

/// A value that documents hold.
pub trait Shape: Sized {
    /// The value of a document; nothing where it holds another kind of value. Inputs are checked before they come here.
    fn read(document: &Document) -> Option<Self>;

    fn write(&self) -> Document;
}

impl Shape for String {
    fn read(document: &Document) -> Option<Self> {
        document.as_str().map(str::to_owned)
    }

    fn write(&self) -> Document {
        Document::from(self.clone())
    }
}

impl Shape for bool {
    fn read(document: &Document) -> Option<Self> {
        document.as_bool()
    }

    fn write(&self) -> Document {
        Document::from(*self)
    }
}

impl Shape for i64 {
    fn read(document: &Document) -> Option<Self> {
        document.as_i64()
    }

    fn write(&self) -> Document {
        Document::from(*self)
    }
}

impl Shape for f64 {
    fn read(document: &Document) -> Option<Self> {
        match document {
            Document::Float(number) => Some(*number),
            // A whole number may have been written without a point.
            Document::Int(number) => Some(*number as Self),
            _ => None,
        }
    }

    fn write(&self) -> Document {
        Document::Float(*self)
    }
}

impl Shape for Timestamp {
    fn read(document: &Document) -> Option<Self> {
        match document {
            Document::Timestamp(stamp) => Some(*stamp),
            _ => None,
        }
    }

    fn write(&self) -> Document {
        Document::from(*self)
    }
}

impl Shape for Document {
    fn read(document: &Document) -> Option<Self> {
        Some(document.clone())
    }

    fn write(&self) -> Document {
        self.clone()
    }
}

impl<T: Shape> Shape for Vec<T> {
    fn read(document: &Document) -> Option<Self> {
        document.as_list().map(|items| items.iter().filter_map(T::read).collect())
    }

    fn write(&self) -> Document {
        Document::List(self.iter().map(T::write).collect())
    }
}

impl<T: Shape> Shape for BTreeMap<String, T> {
    fn read(document: &Document) -> Option<Self> {
        let entries = document.as_map()?.iter();
        Some(entries.filter_map(|(key, value)| Some((key.to_string(), T::read(value)?))).collect())
    }

    fn write(&self) -> Document {
        let mut fields = Fields::with_capacity(self.len());
        self.iter().for_each(|(key, value)| fields.push(key.clone(), value.write()));
        Document::Map(fields)
    }
}

/// A member that is always there.
pub fn required<T: Shape + Default>(fields: &Fields, name: &str) -> T {
    optional(fields, name).unwrap_or_default()
}

/// A member that may be absent.
pub fn optional<T: Shape>(fields: &Fields, name: &str) -> Option<T> {
    fields.get(name).and_then(T::read)
}

/// Another structure with members of the same names: a summary of a resource.
pub fn convert<T: Shape + Default>(from: &impl Shape) -> T {
    T::read(&from.write()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<T: Shape + PartialEq + std::fmt::Debug>(value: &T) {
        assert_eq!(T::read(&value.write()).as_ref(), Some(value));
    }

    #[test]
    fn what_is_written_is_read_again() {
        check(&"text".to_owned());
        check(&true);
        check(&-7_i64);
        check(&0.25_f64);
        check(&Timestamp::from_seconds(12));
        check(&vec![1_i64, 2]);
        check(&BTreeMap::from([("a".to_owned(), vec![true]), ("b".to_owned(), Vec::new())]));
        check(&Document::List(vec![Document::Null, Document::from(1)]));
    }

    #[test]
    fn other_kinds_of_values_are_nothing() {
        assert_eq!(i64::read(&Document::from("7".to_owned())), None);
        assert_eq!(f64::read(&Document::from(7)), Some(7.0));
        assert_eq!(BTreeMap::<String, i64>::read(&Document::List(Vec::new())), None);
    }
}
