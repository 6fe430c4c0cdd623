//! All of memory at one moment, and its replacement.

use std::sync::Arc;

use standin_core::{BoxFuture, FastMap};
use standin_model::Document;

use super::{MemoryStore, Rows, free, now};
use crate::{IndexEntry, LoadMode, Loader, Row, Selector, SharedRows, StoreError, Table, View};

/// The tables that a selector picks, sorted.
pub(super) fn names(tables: &FastMap<Table, Rows>, selector: &Selector) -> Vec<Table> {
    let mut names: Vec<Table> = tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect();
    names.sort();
    names
}

pub(super) struct MemoryView {
    tables: FastMap<Table, Rows>,
}

impl MemoryView {
    pub(super) fn new(tables: FastMap<Table, Rows>) -> Self {
        Self { tables }
    }
}

impl View for MemoryView {
    fn tables<'a>(&'a mut self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        now(names(&self.tables, selector))
    }

    fn page<'a>(
        &'a mut self,
        table: &'a Table,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        now(self.tables.get(table).map(|rows| rows.page(after, limit)).unwrap_or_default())
    }

    fn mark(&mut self, table: &Table) -> Option<u64> {
        self.tables.get(table).map(Rows::changed)
    }

    fn shared(&mut self, table: &Table) -> Option<SharedRows> {
        self.tables.get(table).cloned().map(SharedRows)
    }
}

/// Collects rows beside the state, and puts them in its place at the end.
pub(super) struct MemoryLoader {
    store: Arc<MemoryStore>,
    mode: LoadMode,
    /// Of rows that are loaded: later than all that were read before, so that no check of those holds by accident.
    revision: u64,
    tables: FastMap<Table, Rows>,
}

impl MemoryLoader {
    pub(super) fn new(store: Arc<MemoryStore>, mode: LoadMode) -> Self {
        let revision = {
            let mut state = store.lock_to_write();
            state.revision += 1;
            state.revision
        };
        Self { store, mode, revision, tables: FastMap::default() }
    }
}

impl Loader for MemoryLoader {
    fn put<'a>(
        &'a mut self,
        table: &'a Table,
        key: Arc<str>,
        body: Arc<Document>,
        index: Arc<[IndexEntry]>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if !self.tables.contains_key(table) {
            self.tables.insert(table.clone(), Rows::default());
        }
        let rows = self.tables.get_mut(table).expect("made above");
        rows.put(Row { key, version: self.revision, body, index }, self.revision);
        now(())
    }

    fn share(&mut self, table: &Table, rows: &SharedRows) -> bool {
        self.tables.insert(table.clone(), rows.0.clone());
        true
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, Result<u64, StoreError>> {
        let mut dropped = Vec::new();
        let mut state = self.store.lock_to_write();
        state.revision += 1;
        let revision = state.revision;
        if let LoadMode::Replace { picked, keep } = &self.mode {
            let names: Vec<Table> = state
                .tables
                .keys()
                .filter(|table| picked.picks(&table.space) && !keep.contains(table))
                .cloned()
                .collect();
            dropped.extend(names.iter().filter_map(|name| state.tables.remove(name)));
        }
        for (table, mut rows) in self.tables {
            match state.tables.get_mut(&table) {
                Some(have) => rows.iter().for_each(|row| have.put(row.clone(), revision)),
                None => {
                    // What was shared keeps its mark: it is again what it was when it was taken.
                    if rows.changed() == self.revision {
                        rows.set_changed(revision);
                    }
                    state.tables.insert(table, rows);
                }
            }
        }
        drop(state);
        free(dropped);
        self.store.wake();
        now(revision)
    }
}
