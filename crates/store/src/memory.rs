//! State in memory: persistent trees, so that a copy of everything costs nothing.

mod load;
mod rows;

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use standin_core::{BoxFuture, FastMap};
use tokio::sync::watch;

pub(crate) use self::rows::Rows;
use crate::{
    Batch, Event, Expect, LoadMode, Loader, Range, Row, Scan, Selector, Store, StoreError, Table, View, Write, jobs,
};

/// Tables that hold more rows are freed by a thread of its own: nobody need wait for it.
const FREED_AT_ONCE: usize = 1000;

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: RwLock<State>,
    wake: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    revision: u64,
    tables: FastMap<Table, Rows>,
    events: VecDeque<Event>,
    /// Of the last event.
    sequence: u64,
}

impl MemoryStore {
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_to_write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(&self, table: &Table, look: impl FnOnce(&Rows) -> T) -> Option<T> {
        self.lock().tables.get(table).map(look)
    }

    fn wake(&self) {
        self.wake.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn apply(&self, batch: Batch) -> Result<u64, StoreError> {
        let mut state = self.lock_to_write();
        let holds = batch.checks.iter().all(|check| {
            let have = state.tables.get(&check.table).and_then(|rows| rows.version(&check.key));
            match check.expect {
                Expect::Absent => have.is_none(),
                Expect::Version(version) => have == Some(version),
            }
        });
        if !holds {
            return Err(StoreError::Conflict);
        }
        state.revision += 1;
        let version = state.revision;
        let mut woken = false;
        for write in batch.writes {
            woken |= jobs::is_enqueued(&write);
            match write {
                Write::Put { table, key, body, index } => {
                    state.rows(table).put(Row { key, version, body, index }, version);
                }
                Write::PutNew { table, key, body, index } => {
                    let rows = state.rows(table);
                    if rows.version(&key).is_none() {
                        rows.put(Row { key, version, body, index }, version);
                    }
                }
                Write::Delete { table, key } => {
                    if let Some(rows) = state.tables.get_mut(&table) {
                        rows.delete(&key, version);
                        if rows.is_empty() {
                            state.tables.remove(&table);
                        }
                    }
                }
            }
        }
        for event in batch.events {
            state.sequence += 1;
            let (sequence, body) = (state.sequence, event.body);
            state.events.push_back(Event { sequence, space: event.space, kind: event.kind, body });
        }
        drop(state);
        if woken {
            self.wake();
        }
        Ok(version)
    }
}

impl State {
    /// Finds a table, or makes it. The name is not copied where it is there.
    fn rows(&mut self, table: Table) -> &mut Rows {
        self.tables.entry(table).or_default()
    }
}

/// Frees what nobody looks at any more.
fn free(rows: Vec<Rows>) {
    if rows.iter().map(Rows::len).sum::<usize>() > FREED_AT_ONCE {
        std::thread::spawn(move || drop(rows));
    }
}

fn now<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, Result<T, StoreError>> {
    Box::pin(std::future::ready(Ok(value)))
}

impl Store for MemoryStore {
    fn get<'a>(&'a self, table: &'a Table, key: &'a str) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        now(self.read(table, |rows| rows.get(key)).flatten())
    }

    fn scan<'a>(&'a self, table: &'a Table, scan: Scan<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        now(self.read(table, |rows| rows.scan(&scan)).unwrap_or_default())
    }

    fn find<'a>(
        &'a self,
        table: &'a Table,
        index: &'a str,
        value: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        now(self.read(table, |rows| rows.find(index, value, after, limit)).unwrap_or_default())
    }

    fn range<'a>(&'a self, table: &'a Table, range: Range<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        now(self.read(table, |rows| rows.range(&range)).unwrap_or_default())
    }

    fn count<'a>(&'a self, table: &'a Table, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        now(self.read(table, |rows| rows.count(prefix)).unwrap_or_default())
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(std::future::ready(self.apply(batch)))
    }

    fn clear<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut dropped = Vec::new();
        {
            let mut state = self.lock_to_write();
            state.revision += 1;
            let names: Vec<Table> = state.tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect();
            dropped.extend(names.iter().filter_map(|name| state.tables.remove(name)));
        }
        free(dropped);
        Box::pin(jobs::drop_picked(self, selector))
    }

    fn tables<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        now(load::names(&self.lock().tables, selector))
    }

    fn events(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        let state = self.lock();
        let first = state.events.partition_point(|event| event.sequence <= after);
        now(state.events.range(first..).take(limit).cloned().collect())
    }

    fn trim_events(&self, keep: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        let mut state = self.lock_to_write();
        let surplus = state.events.len().saturating_sub(usize::try_from(keep).unwrap_or(usize::MAX));
        state.events.drain(..surplus);
        now(())
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, StoreError>> {
        now(Box::new(load::MemoryView::new(self.lock().tables.clone())))
    }

    fn load(self: Arc<Self>, mode: LoadMode) -> BoxFuture<'static, Result<Box<dyn Loader>, StoreError>> {
        now(Box::new(load::MemoryLoader::new(self, mode)))
    }
}
