//! Metrics as they are kept: a row for each, and rows of an hour's minutes, or of a minute's seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{IndexEntry, Row};
use standin_typed::{optional, required};

use super::slot::Slot;
use crate::types::metrics::Dimension;

/// The table of metrics. Keys are [`Series::key`].
pub(super) const TABLE: &str = "metric-series";
/// The table of blocks. Keys are [`block_key`].
pub(super) const BLOCKS: &str = "metric-block";
/// The index of metrics by when they were last heard of.
pub(super) const BY_LAST: &str = "last";
/// Slots of a block.
pub(super) const SLOTS: i64 = 60;
/// Between the parts of keys: names are printable.
const SEPARATOR: char = '\u{1}';

/// A metric: a name in a namespace, with dimensions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Series {
    pub namespace: String,
    pub name: String,
    /// Sorted by name.
    pub dimensions: Vec<(String, String)>,
    /// Of all values so far, sorted.
    pub units: Vec<String>,
    /// Milliseconds since 1970; not exact to some minutes.
    pub last: i64,
}

impl Series {
    pub(super) fn new(namespace: &str, name: &str, dimensions: &[Dimension]) -> Self {
        let mut dimensions: Vec<_> =
            dimensions.iter().map(|dimension| (dimension.name.clone(), dimension.value.clone())).collect();
        dimensions.sort();
        Self { namespace: namespace.to_owned(), name: name.to_owned(), dimensions, units: Vec::new(), last: 0 }
    }

    pub(super) fn key(&self) -> String {
        let mut digest = Sha256::new();
        for (name, value) in &self.dimensions {
            for part in [name, value] {
                digest.update((part.len() as u64).to_le_bytes());
                digest.update(part);
            }
        }
        let digest = digest.finalize();
        let hex: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}{hex}", prefix(&self.namespace, Some(&self.name)))
    }

    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        let read = || {
            let fields = row.body.as_map()?;
            let dimensions: Vec<String> = required(fields, "dimensions");
            Some(Self {
                namespace: optional(fields, "namespace")?,
                name: optional(fields, "name")?,
                dimensions: dimensions.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
                units: required(fields, "units"),
                last: required(fields, "last"),
            })
        };
        read().ok_or_else(|| OperationError::internal(format!("the metric {} cannot be read", row.key)))
    }

    pub(super) fn body(&self) -> Document {
        let texts = |texts: &mut dyn Iterator<Item = &String>| {
            Document::List(texts.map(|text| Document::from(text.clone())).collect())
        };
        let mut fields = Fields::with_capacity(5);
        fields.push("namespace", self.namespace.clone());
        fields.push("name", self.name.clone());
        fields.push("dimensions", texts(&mut self.dimensions.iter().flat_map(|(name, value)| [name, value])));
        fields.push("units", texts(&mut self.units.iter()));
        fields.push("last", self.last);
        Document::Map(fields)
    }

    pub(super) fn index(&self) -> Arc<[IndexEntry]> {
        Arc::new([IndexEntry::new(BY_LAST, by_last(self.last))])
    }
}

/// What the keys of a namespace's metrics begin with, or of those of one name.
pub(super) fn prefix(namespace: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("{namespace}{SEPARATOR}{name}{SEPARATOR}"),
        None => format!("{namespace}{SEPARATOR}"),
    }
}

pub(super) fn by_last(ms: i64) -> String {
    format!("{:016x}", ms.max(0))
}

/// How finely values are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resolution {
    Minutes,
    Seconds,
}

impl Resolution {
    /// Of one slot.
    pub(super) fn seconds(self) -> i64 {
        match self {
            Self::Minutes => 60,
            Self::Seconds => 1,
        }
    }

    /// Where the block of a time begins, in seconds since 1970.
    pub(super) fn block(self, seconds: i64) -> i64 {
        let length = self.seconds() * SLOTS;
        seconds.div_euclid(length) * length
    }

    fn letter(self) -> char {
        match self {
            Self::Minutes => 'm',
            Self::Seconds => 's',
        }
    }
}

/// What the keys of all blocks of a metric begin with.
pub(super) fn blocks_of(series: &str) -> String {
    format!("{series}{SEPARATOR}")
}

/// What the keys of a metric's blocks begin with, in one unit and resolution.
pub(super) fn blocks_in(series: &str, unit: &str, resolution: Resolution) -> String {
    format!("{series}{SEPARATOR}{unit}{SEPARATOR}{}", resolution.letter())
}

/// The key of a block by its begin, in seconds since 1970.
pub(super) fn block_key(prefix: &str, begin: i64) -> String {
    format!("{prefix}{:012x}", begin.max(0))
}

/// The values of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Block {
    /// Seconds since 1970.
    pub begin: i64,
    /// By their number within the block.
    pub slots: BTreeMap<i64, Slot>,
}

impl Block {
    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        let read = || {
            let begin = row.body.get("begin")?.as_i64()?;
            let slots = row.body.get("slots")?.as_list()?;
            let slots = slots.chunks_exact(2).map(|pair| Some((pair[0].as_i64()?, Slot::read(&pair[1])?)));
            Some(Self { begin, slots: slots.collect::<Option<_>>()? })
        };
        read().ok_or_else(|| OperationError::internal(format!("the values of {} cannot be read", row.key)))
    }

    pub(super) fn body(&self) -> Document {
        let slots = self.slots.iter().flat_map(|(at, slot)| [Document::from(*at), slot.write()]);
        let mut fields = Fields::with_capacity(2);
        fields.push("begin", self.begin);
        fields.push("slots", slots.collect::<Vec<_>>());
        Document::Map(fields)
    }
}
