//! State in memory: persistent maps, so that a copy of everything costs nothing.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use rpds::RedBlackTreeMapSync;
use standin_core::BoxFuture;

use crate::{Batch, Expect, IndexEntry, Row, Scan, Selector, Store, StoreError, Table, Write};

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    revision: u64,
    tables: BTreeMap<Table, Rows>,
}

#[derive(Clone, Debug, Default)]
struct Rows {
    rows: RedBlackTreeMapSync<Arc<str>, Row>,
    /// By index, value and key.
    index: RedBlackTreeMapSync<(IndexEntry, Arc<str>), ()>,
}

impl Rows {
    fn put(&mut self, row: Row) {
        self.delete(&row.key);
        for entry in &*row.index {
            self.index.insert_mut((entry.clone(), row.key.clone()), ());
        }
        self.rows.insert_mut(row.key.clone(), row);
    }

    fn delete(&mut self, key: &Arc<str>) {
        let Some(old) = self.rows.get(key).cloned() else { return };
        for entry in &*old.index {
            self.index.remove_mut(&(entry.clone(), key.clone()));
        }
        self.rows.remove_mut(key);
    }
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn read<T>(&self, table: &Table, look: impl FnOnce(&Rows) -> T) -> Option<T> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).tables.get(table).map(look)
    }
}

fn now<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, table: &'a Table, key: &'a str) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        now(self.read(table, |rows| rows.rows.get(key).cloned()).flatten())
    }

    fn scan<'a>(&'a self, table: &'a Table, scan: Scan<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        let look = |rows: &Rows| {
            let start = match scan.after {
                Some(after) if after >= scan.prefix => Bound::Excluded(after),
                _ => Bound::Included(scan.prefix),
            };
            rows.rows
                .range::<str, _>((start, Bound::Unbounded))
                .take_while(|(key, _)| key.starts_with(scan.prefix))
                .take(scan.limit)
                .map(|(_, row)| row.clone())
                .collect()
        };
        now(self.read(table, look).unwrap_or_default())
    }

    fn find<'a>(
        &'a self,
        table: &'a Table,
        index: &'a str,
        value: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        let look = |rows: &Rows| {
            let entry = IndexEntry::new(index.to_owned(), value);
            let start = match after {
                Some(after) => Bound::Excluded((entry.clone(), Arc::from(after))),
                None => Bound::Included((entry.clone(), Arc::from(""))),
            };
            rows.index
                .range((start, Bound::Unbounded))
                .map(|(place, ())| place)
                .take_while(|(found, _)| *found == entry)
                .take(limit)
                .filter_map(|(_, key)| rows.rows.get(key).cloned())
                .collect()
        };
        now(self.read(table, look).unwrap_or_default())
    }

    fn count<'a>(&'a self, table: &'a Table, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        let look = |rows: &Rows| {
            if prefix.is_empty() {
                return rows.rows.size() as u64;
            }
            let from = rows.rows.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
            from.take_while(|(key, _)| key.starts_with(prefix)).count() as u64
        };
        now(self.read(table, look).unwrap_or_default())
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let holds = batch.checks.iter().all(|check| {
            let row = state.tables.get(&check.table).and_then(|rows| rows.rows.get(&check.key));
            match check.expect {
                Expect::Absent => row.is_none(),
                Expect::Version(version) => row.is_some_and(|row| row.version == version),
            }
        });
        if !holds {
            return Box::pin(std::future::ready(Err(StoreError::Conflict)));
        }
        state.revision += 1;
        let version = state.revision;
        for write in batch.writes {
            match write {
                Write::Put { table, key, body, index } => {
                    state.tables.entry(table).or_default().put(Row { key, version, body, index });
                }
                Write::Delete { table, key } => {
                    if let Some(rows) = state.tables.get_mut(&table) {
                        rows.delete(&key);
                        if rows.rows.is_empty() {
                            state.tables.remove(&table);
                        }
                    }
                }
            }
        }
        now(version)
    }

    fn clear<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut dropped = Vec::new();
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            let names: Vec<Table> = state.tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect();
            dropped.extend(names.iter().filter_map(|name| state.tables.remove(name)));
        }
        // Freeing a million rows takes a while; nobody need wait for it.
        std::thread::spawn(move || drop(dropped));
        now(())
    }

    fn tables<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        now(state.tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect())
    }
}
