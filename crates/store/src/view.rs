//! The whole state at one moment, and its replacement.

use std::sync::Arc;

use standin_core::BoxFuture;
use standin_model::Document;

use crate::memory::Rows;
use crate::{IndexEntry, Row, Selector, StoreError, Table};

/// Everything as of one moment, however long it is looked at.
pub trait View: Send {
    /// The tables that hold at least one row, sorted, of the spaces that a selector picks.
    fn tables<'a>(&'a mut self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>>;

    /// A page of a table in the order of keys, from after a key on.
    fn page<'a>(
        &'a mut self,
        table: &'a Table,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// A mark that differs whenever the table's rows do, as long as the process lives.
    fn mark(&mut self, _table: &Table) -> Option<u64> {
        None
    }

    /// The rows themselves, where they are in memory.
    fn shared(&mut self, _table: &Table) -> Option<SharedRows> {
        None
    }
}

/// The rows of a table in memory: a copy costs nothing, whatever their number.
#[derive(Clone, Debug)]
pub struct SharedRows(pub(crate) Rows);

/// What becomes of the rows that are there when others are loaded.
#[derive(Clone, Debug)]
pub enum LoadMode {
    /// Rows of the same key are replaced, all others stay.
    Merge,
    /// All rows of the spaces that are picked go, but those of the tables to keep.
    Replace { picked: Selector, keep: Vec<Table> },
}

impl LoadMode {
    /// Whether rows that are there go.
    pub(crate) fn replaces(&self, table: &Table) -> bool {
        match self {
            Self::Merge => false,
            Self::Replace { picked, keep } => picked.picks(&table.space) && !keep.contains(table),
        }
    }
}

/// Takes rows that become visible together at [`finish`](Self::finish). Dropped before, it leaves no trace.
pub trait Loader: Send {
    fn put<'a>(
        &'a mut self,
        table: &'a Table,
        key: Arc<str>,
        body: Arc<Document>,
        index: Arc<[IndexEntry]>,
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Takes a whole table from memory; false where that is not this backend's way.
    fn share(&mut self, _table: &Table, _rows: &SharedRows) -> bool {
        false
    }

    /// Makes it so; the revision of the rows.
    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<u64, StoreError>>;
}
