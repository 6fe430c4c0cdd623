//! Members of inputs, by what they are; and of outputs, where they are there.

use standin_model::{Document, Fields, Str, Timestamp};

/// The input of a call, or a structure within.
#[derive(Clone, Copy)]
pub(crate) struct Input<'c>(&'c Document);

impl<'c> Input<'c> {
    pub(crate) fn new(structure: &'c Document) -> Self {
        Self(structure)
    }

    pub(crate) fn get(self, name: &str) -> Option<&'c Document> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    pub(crate) fn structure(self, name: &str) -> Option<Self> {
        self.get(name).map(Self)
    }

    pub(crate) fn text(self, name: &str) -> Option<&'c str> {
        self.get(name)?.as_str()
    }

    /// A text that the model requires.
    pub(crate) fn name(self, name: &str) -> &'c str {
        self.text(name).unwrap_or_default()
    }

    pub(crate) fn int(self, name: &str) -> Option<i64> {
        self.get(name)?.as_i64()
    }

    pub(crate) fn flag(self, name: &str) -> bool {
        self.get(name).and_then(Document::as_bool).unwrap_or(false)
    }

    pub(crate) fn time(self, name: &str) -> Option<Timestamp> {
        match self.get(name)? {
            Document::Timestamp(stamp) => Some(*stamp),
            _ => None,
        }
    }

    pub(crate) fn list(self, name: &str) -> &'c [Document] {
        self.get(name).and_then(Document::as_list).unwrap_or_default()
    }
}

/// Appends what is there.
pub(crate) trait Put {
    fn put(&mut self, name: Str, value: Option<impl Into<Document>>);
}

impl Put for Fields {
    fn put(&mut self, name: Str, value: Option<impl Into<Document>>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }
}

/// A whole number of bytes or items as documents hold it.
pub(crate) fn number(value: impl TryInto<i64>) -> Document {
    Document::Int(value.try_into().unwrap_or(i64::MAX))
}
