//! Log streams as they are kept.

use std::sync::Arc;

use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{IndexEntry, Row};
use standin_typed::{optional, required};

/// The table of streams. Keys are `GROUP:STREAM`: neither name has a colon.
pub(super) const TABLE: &str = "event-stream";
/// The index of streams by the time of their last event, within their group; those without events first.
pub(super) const BY_LAST: &str = "last";
/// The same from the last to the first.
pub(super) const BY_LAST_DESCENDING: &str = "last-descending";

/// A log stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stream {
    pub name: String,
    /// Milliseconds since 1970, as all times here.
    pub created: i64,
    /// Of the oldest event that is kept.
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// When an event came last.
    pub ingested: Option<i64>,
    /// Of all that is kept.
    pub bytes: i64,
    /// The longest time between the first and the last event of one chunk.
    pub span: i64,
    /// The number of the next chunk.
    pub next: u64,
    /// The key of the newest chunk, where it may take more.
    pub tail: Option<String>,
}

impl Stream {
    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        let read = || {
            let fields = row.body.as_map()?;
            Some(Self {
                name: optional(fields, "name")?,
                created: required(fields, "created"),
                first: optional(fields, "first"),
                last: optional(fields, "last"),
                ingested: optional(fields, "ingested"),
                bytes: required(fields, "bytes"),
                span: required(fields, "span"),
                next: required::<i64>(fields, "next").cast_unsigned(),
                tail: optional(fields, "tail"),
            })
        };
        read().ok_or_else(|| OperationError::internal(format!("the log stream {} cannot be read", row.key)))
    }

    pub(super) fn body(&self) -> Document {
        let mut fields = Fields::with_capacity(9);
        fields.push("name", self.name.clone());
        fields.push("created", self.created);
        for (name, time) in [("first", self.first), ("last", self.last), ("ingested", self.ingested)] {
            if let Some(time) = time {
                fields.push(name, time);
            }
        }
        fields.push("bytes", self.bytes);
        fields.push("span", self.span);
        fields.push("next", self.next.cast_signed());
        if let Some(tail) = &self.tail {
            fields.push("tail", tail.clone());
        }
        Document::Map(fields)
    }

    pub(super) fn index(&self, group: &str) -> Arc<[IndexEntry]> {
        let last = self.last.unwrap_or(0);
        Arc::new([
            IndexEntry::new(BY_LAST, by_last(group, last)),
            IndexEntry::new(BY_LAST_DESCENDING, by_last_descending(group, last)),
        ])
    }
}

/// The key of a stream.
pub(super) fn key(group: &str, name: &str) -> String {
    format!("{group}:{name}")
}

/// What the keys of a stream's chunks begin with.
pub(super) fn prefix(group: &str, name: &str) -> String {
    format!("{group}:{name}:")
}

/// Where a group's streams begin whose last event is of a time or later.
pub(super) fn by_last(group: &str, time: i64) -> String {
    super::chunk::from(&format!("{group}:"), time)
}

pub(super) fn by_last_descending(group: &str, time: i64) -> String {
    super::chunk::back(&format!("{group}:"), time)
}

/// Behind all index values of a group.
pub(super) fn end_of(group: &str) -> String {
    format!("{group};")
}
