//! The types of Proton's API: a struct for every structure, an enum for every enumeration, all from the catalogue.

#![allow(clippy::all, clippy::pedantic, reason = "written by build.rs")]

use standin_model::{Document, Fields, Timestamp};

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

impl<T: Shape> Shape for Vec<T> {
    fn read(document: &Document) -> Option<Self> {
        document.as_list().map(|items| items.iter().filter_map(T::read).collect())
    }

    fn write(&self) -> Document {
        Document::List(self.iter().map(T::write).collect())
    }
}

fn required<T: Shape + Default>(fields: &Fields, name: &str) -> T {
    optional(fields, name).unwrap_or_default()
}

fn optional<T: Shape>(fields: &Fields, name: &str) -> Option<T> {
    fields.get(name).and_then(T::read)
}

/// Another structure with members of the same names: a summary of a resource.
pub fn convert<T: Shape + Default>(from: &impl Shape) -> T {
    T::read(&from.write()).unwrap_or_default()
}

include!(concat!(env!("OUT_DIR"), "/types.rs"));
