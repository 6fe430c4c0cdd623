//! State that survives: rows with indexes, a job queue and an event log behind one small interface, [`Store`].
//!
//! Writes go through [`Store::commit`]: a [`Batch`] of checks and changes that happens as a whole or not at all. A
//! reader notes the versions of the rows that it decided by and puts them into the batch as checks; where another
//! was faster, the commit ends in [`StoreError::Conflict`] and the caller decides anew (optimistic concurrency). So no
//! transaction is ever open while somebody waits, and all backends can keep the same promise.
//!
//! # Invariants
//! - What was acknowledged is there after a crash (but in memory, where nothing is); what was not is not there in part.
//! - This crate does not know what a row means, and nothing of operations, protocols or HTTP.

mod batch;
pub mod codec;
pub mod diff;
pub mod dump;
mod error;
mod events;
pub mod history;
pub mod jobs;
mod location;
mod memory;
mod plan;
#[cfg(feature = "postgres")]
mod postgres;
mod row;
mod sqlite;
mod table;
pub mod tokens;
mod tree;
mod view;

use std::sync::Arc;

use standin_core::BoxFuture;
use tokio::sync::watch;

pub use batch::{Batch, Check, Expect, Write};
pub use diff::Change;
pub use error::StoreError;
pub use events::{Event, NewEvent};
pub use location::{StoreLocation, open};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::PostgresStore;
pub use row::{IndexEntry, Row};
pub use sqlite::{Durability, SqliteStore};
pub use table::{Selector, Space, Table};
pub use view::{LoadMode, Loader, SharedRows, View};

/// Which rows of a table a scan goes over, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan<'s> {
    /// Only keys that begin so.
    pub prefix: &'s str,
    /// Only keys after this one: the last key of the page before. Need not exist (any more).
    pub after: Option<&'s str>,
    /// At most so many rows.
    pub limit: usize,
}

/// Which rows of an index are looked at, in the order of their entries' values, then of their keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range<'r> {
    pub index: &'r str,
    /// The first value, included.
    pub from: &'r str,
    /// The last value, not included.
    pub to: &'r str,
    /// At most so many rows.
    pub limit: usize,
}

/// Where state is kept.
///
/// Every read is consistent in itself: one row, or one page of a scan, as of one moment.
pub trait Store: Send + Sync + std::fmt::Debug {
    /// The row of a key.
    fn get<'a>(&'a self, table: &'a Table, key: &'a str) -> BoxFuture<'a, Result<Option<Row>, StoreError>>;

    /// A page of rows in the order of their keys, by bytes.
    fn scan<'a>(&'a self, table: &'a Table, scan: Scan<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// The rows with that entry in an index, in the order of their keys: `after` and `limit` as in [`Scan`].
    fn find<'a>(
        &'a self,
        table: &'a Table,
        index: &'a str,
        value: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// A part of an index, in the order of its values, then of keys.
    fn range<'a>(&'a self, table: &'a Table, range: Range<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>>;

    /// How many rows have keys with that prefix. May take time with their number, but where
    /// the prefix is empty and the backend belongs to one process.
    fn count<'a>(&'a self, table: &'a Table, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// Applies a batch as a whole; the revision that its rows have from now on. No revision comes twice, and those that
    /// one process makes only grow.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a check does not hold: nothing was changed.
    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// Drops all rows, tokens and jobs of the spaces that a selector picks; at once, whatever their number: what takes
    /// time is done in the background. Events stay.
    fn clear<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The tables that hold at least one row, of the spaces that a selector picks, sorted.
    fn tables<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>>;

    /// A page of the event log: what came after the event of that number.
    fn events(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>>;

    /// Forgets all events but the last so many.
    fn trim_events(&self, keep: u64) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Leases jobs that are due, the longest due first; see [`jobs`].
    fn claim<'a>(&'a self, claim: jobs::Claim<'a>) -> BoxFuture<'a, Result<Vec<jobs::Job>, StoreError>> {
        Box::pin(async move { jobs::claim_optimistically(self, &claim).await })
    }

    /// Changes whenever jobs may have been enqueued or put back, by this process or another that shares the store.
    fn wakeups(&self) -> watch::Receiver<u64>;

    /// Everything as of now, for saving and comparing.
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, StoreError>>;

    /// Writes what is left to write and lets go of files and connections. What is asked afterwards may fail.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Begins to load rows that become visible together.
    fn load(self: Arc<Self>, mode: LoadMode) -> BoxFuture<'static, Result<Box<dyn Loader>, StoreError>>;
}
