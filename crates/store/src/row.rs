//! What a table holds.

use std::borrow::Cow;
use std::sync::Arc;

use standin_model::Document;

/// A stored document with its key. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Unique within the table. Scans go by its bytes.
    pub key: Arc<str>,
    /// The revision of the commit that wrote it.
    pub version: u64,
    pub body: Arc<Document>,
    /// What [`crate::Store::find`] finds it by.
    pub index: Arc<[IndexEntry]>,
}

/// An entry of a row in an index of its table. Not unique.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IndexEntry {
    /// The index's name.
    pub index: Cow<'static, str>,
    pub value: Box<str>,
}

impl IndexEntry {
    pub fn new(index: impl Into<Cow<'static, str>>, value: impl Into<Box<str>>) -> Self {
        Self { index: index.into(), value: value.into() }
    }
}
