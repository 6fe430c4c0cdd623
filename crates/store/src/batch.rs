//! What is written at once.

use std::sync::Arc;

use standin_model::Document;

use crate::{IndexEntry, NewEvent, Space, Table};

/// Checks and changes that happen as a whole or not at all.
///
/// What is written of one key more than once ends as the last write says; checks are of what was before the batch.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub checks: Vec<Check>,
    pub writes: Vec<Write>,
    /// What the event log is told if the batch is applied, in that order.
    pub events: Vec<NewEvent>,
}

/// What must hold of a row for a batch to be applied.
#[derive(Clone, Debug)]
pub struct Check {
    pub table: Table,
    pub key: Arc<str>,
    pub expect: Expect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    Absent,
    Version(u64),
}

#[derive(Clone, Debug)]
pub enum Write {
    /// Makes or replaces a row.
    Put { table: Table, key: Arc<str>, body: Arc<Document>, index: Arc<[IndexEntry]> },
    /// Makes a row where there is none; where there is one, it stays as it is and that is no error.
    PutNew { table: Table, key: Arc<str>, body: Arc<Document>, index: Arc<[IndexEntry]> },
    /// Removes a row; one that is not there is no error.
    Delete { table: Table, key: Arc<str> },
}

impl Batch {
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.events.is_empty()
    }

    /// Asks that a row be as it was read; `None`: that there is none.
    pub fn check(&mut self, table: &Table, key: impl Into<Arc<str>>, version: Option<u64>) -> &mut Self {
        let expect = version.map_or(Expect::Absent, Expect::Version);
        self.checks.push(Check { table: table.clone(), key: key.into(), expect });
        self
    }

    pub fn put(
        &mut self,
        table: &Table,
        key: impl Into<Arc<str>>,
        body: impl Into<Arc<Document>>,
        index: impl Into<Arc<[IndexEntry]>>,
    ) -> &mut Self {
        let (key, body, index) = (key.into(), body.into(), index.into());
        self.writes.push(Write::Put { table: table.clone(), key, body, index });
        self
    }

    /// Makes a row unless there is one of that key.
    pub fn put_new(
        &mut self,
        table: &Table,
        key: impl Into<Arc<str>>,
        body: impl Into<Arc<Document>>,
        index: impl Into<Arc<[IndexEntry]>>,
    ) -> &mut Self {
        let (key, body, index) = (key.into(), body.into(), index.into());
        self.writes.push(Write::PutNew { table: table.clone(), key, body, index });
        self
    }

    /// Appends to the event log. `kind` says what happened: `resource.created`.
    pub fn event(&mut self, space: &Space, kind: impl Into<Arc<str>>, body: impl Into<Arc<Document>>) -> &mut Self {
        self.events.push(NewEvent { space: space.clone(), kind: kind.into(), body: body.into() });
        self
    }

    pub fn delete(&mut self, table: &Table, key: impl Into<Arc<str>>) -> &mut Self {
        self.writes.push(Write::Delete { table: table.clone(), key: key.into() });
        self
    }
}

impl Write {
    pub fn table(&self) -> &Table {
        let (Self::Put { table, .. } | Self::PutNew { table, .. } | Self::Delete { table, .. }) = self;
        table
    }

    pub fn key(&self) -> &Arc<str> {
        let (Self::Put { key, .. } | Self::PutNew { key, .. } | Self::Delete { key, .. }) = self;
        key
    }
}
