//! What a call reads and writes: the store, or, where several items happen together or not at all, the store as the items
//! before would have left it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use standin_core::FastMap;
use standin_model::Document;
use standin_store::{Batch, Check, Expect, IndexEntry, NewEvent, Row, Scan, Store, StoreError, Table, Write};

/// Where the rows of a call are.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    store: &'a dyn Store,
    staged: Option<&'a Mutex<Staged>>,
}

/// What items have written that is not in the store yet.
#[derive(Debug, Default)]
pub(crate) struct Staged {
    /// Rows as they will be; `None` where one will be gone.
    tables: FastMap<Table, BTreeMap<Arc<str>, Option<Row>>>,
    /// Of rows that none of the items had written when it decided by them.
    checks: Vec<Check>,
    events: Vec<NewEvent>,
    /// Versions of staged rows count down from the greatest, which no store reaches.
    commits: u64,
}

impl<'a> Rows<'a> {
    pub(crate) fn of(store: &'a dyn Store) -> Self {
        Self { store, staged: None }
    }

    /// The same rows, with what is written kept apart.
    pub(crate) fn staged<'b>(self, staged: &'b Mutex<Staged>) -> Rows<'b>
    where
        'a: 'b,
    {
        Rows { store: self.store, staged: Some(staged) }
    }

    /// The store, where idempotency tokens are.
    pub(crate) fn store(&self) -> &'a dyn Store {
        self.store
    }

    pub(crate) async fn get(&self, table: &Table, key: &str) -> Result<Option<Row>, StoreError> {
        if let Some(staged) = self.staged
            && let Some(row) = lock(staged).tables.get(table).and_then(|rows| rows.get(key))
        {
            return Ok(row.clone());
        }
        self.store.get(table, key).await
    }

    pub(crate) async fn scan(&self, table: &Table, scan: Scan<'_>) -> Result<Vec<Row>, StoreError> {
        let Some(staged) = self.staged else { return self.store.scan(table, scan).await };
        let known = |key: &str| key.starts_with(scan.prefix) && scan.after.is_none_or(|after| key > after);
        let own = lock(staged).picked(table, known);
        // As many more as may have changed.
        let limit = scan.limit.saturating_add(own.len());
        let below = self.store.scan(table, Scan { limit, ..scan }).await?;
        Ok(merged(below, own, scan.limit, |_| true))
    }

    pub(crate) async fn find(
        &self,
        table: &Table,
        index: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let Some(staged) = self.staged else { return self.store.find(table, index, value, after, limit).await };
        let own = lock(staged).picked(table, |key| after.is_none_or(|after| key > after));
        let below = self.store.find(table, index, value, after, limit.saturating_add(own.len())).await?;
        let indexed = |entry: &IndexEntry| entry.index == index && &*entry.value == value;
        Ok(merged(below, own, limit, |row| row.index.iter().any(indexed)))
    }

    /// Applies a batch as a whole; the version that its rows have from now on.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] where a check does not hold: nothing was changed.
    pub(crate) async fn commit(&self, mut batch: Batch) -> Result<u64, StoreError> {
        let Some(staged) = self.staged else { return self.store.commit(batch).await };
        let mut known = Vec::new();
        for write in &batch.writes {
            if let Write::PutNew { table, key, .. } = write
                && self.get(table, key).await?.is_some()
            {
                known.push((table.clone(), key.clone()));
            }
        }
        let new = |write: &Write| !known.iter().any(|(table, key)| table == write.table() && key == write.key());
        batch.writes.retain(|write| !matches!(write, Write::PutNew { .. }) || new(write));
        lock(staged).apply(batch)
    }
}

impl Staged {
    /// Everything in one batch.
    pub(crate) fn into_batch(self) -> Batch {
        let mut batch = Batch { checks: self.checks, writes: Vec::new(), events: self.events };
        for (table, rows) in self.tables {
            for (key, row) in rows {
                match row {
                    Some(row) => batch.put(&table, key, row.body, row.index),
                    None => batch.delete(&table, key),
                };
            }
        }
        batch
    }

    fn apply(&mut self, batch: Batch) -> Result<u64, StoreError> {
        let mut checks = Vec::new();
        for check in batch.checks {
            match self.tables.get(&check.table).and_then(|rows| rows.get(&check.key)) {
                Some(row) => {
                    let found = row.as_ref().map_or(Expect::Absent, |row| Expect::Version(row.version));
                    if found != check.expect {
                        return Err(StoreError::Conflict);
                    }
                }
                None => checks.push(check),
            }
        }
        self.checks.append(&mut checks);
        self.events.extend(batch.events);
        let version = u64::MAX - self.commits;
        self.commits += 1;
        for write in batch.writes {
            let (table, key, row) = match write {
                Write::Put { table, key, body, index } => (table, key.clone(), Some(row(key, version, body, index))),
                Write::PutNew { table, key, body, index } => {
                    // It must still be new when all is written.
                    if !self.tables.get(&table).is_some_and(|rows| rows.contains_key(&key)) {
                        self.checks.push(Check { table: table.clone(), key: key.clone(), expect: Expect::Absent });
                    }
                    (table, key.clone(), Some(row(key, version, body, index)))
                }
                Write::Delete { table, key } => (table, key, None),
            };
            self.tables.entry(table).or_default().insert(key, row);
        }
        Ok(version)
    }

    fn picked(&self, table: &Table, pick: impl Fn(&str) -> bool) -> BTreeMap<Arc<str>, Option<Row>> {
        let rows = self.tables.get(table).into_iter().flatten().filter(|(key, _)| pick(key));
        rows.map(|(key, row)| (key.clone(), row.clone())).collect()
    }
}

fn row(key: Arc<str>, version: u64, body: Arc<Document>, index: Arc<[IndexEntry]>) -> Row {
    Row { key, version, body, index }
}

/// Rows of the store with those that were written since in their place, by key.
fn merged(
    mut below: Vec<Row>,
    own: BTreeMap<Arc<str>, Option<Row>>,
    limit: usize,
    fits: impl Fn(&Row) -> bool,
) -> Vec<Row> {
    below.retain(|row| !own.contains_key(&row.key));
    below.extend(own.into_values().flatten().filter(fits));
    below.sort_by(|a, b| a.key.cmp(&b.key));
    below.truncate(limit);
    below
}

fn lock(staged: &Mutex<Staged>) -> MutexGuard<'_, Staged> {
    staged.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use standin_store::{MemoryStore, Space};

    use super::*;

    fn put(batch: &mut Batch, table: &Table, key: &str) {
        let index: Arc<[IndexEntry]> = Arc::new([IndexEntry::new("n", "bird")]);
        batch.put(table, key, Document::from(key.to_owned()), index);
    }

    #[tokio::test]
    async fn staged_rows_stand_before_those_of_the_store() {
        let store = MemoryStore::new();
        let table = Space::new("1", "r", "s").table("Nest");
        let mut batch = Batch::default();
        ["a", "c", "e", "g"].iter().for_each(|key| put(&mut batch, &table, key));
        let version = store.commit(batch).await.expect("stores");
        let staged = Mutex::new(Staged::default());
        let rows = Rows::of(&store).staged(&staged);
        let mut batch = Batch::default();
        batch.check(&table, "a", Some(version)).delete(&table, "a");
        put(&mut batch, &table, "b");
        batch.put_new(&table, "c", Document::Null, Vec::new());
        batch.put_new(&table, "d", Document::Null, Vec::new());
        rows.commit(batch).await.expect("stages");
        let keys = |rows: Vec<Row>| rows.iter().map(|row| row.key.to_string()).collect::<Vec<_>>().join(" ");
        let scan = async |after, limit| {
            let scan = Scan { prefix: "", after, limit };
            keys(rows.scan(&table, scan).await.expect("reads"))
        };
        assert_eq!(scan(None, 3).await, "b c d");
        assert_eq!(scan(Some("d"), 9).await, "e g");
        let found = rows.find(&table, "n", "bird", None, 3).await.expect("reads");
        assert_eq!(keys(found), "b c e", "d has no such entry");
        assert!(rows.get(&table, "a").await.expect("reads").is_none());
        let row = rows.get(&table, "c").await.expect("reads").expect("there");
        assert_eq!((row.version, row.body.as_str()), (version, Some("c")), "it was there already");

        // Items see what those before them have done.
        let mut again = Batch::default();
        again.check(&table, "a", Some(version));
        assert!(matches!(rows.commit(again).await, Err(StoreError::Conflict)));
        let mut batch = Batch::default();
        batch.check(&table, "a", None);
        put(&mut batch, &table, "a");
        rows.commit(batch).await.expect("stages");
        let whole = || Scan { prefix: "", after: None, limit: 9 };
        assert_eq!(keys(store.scan(&table, whole()).await.expect("reads")), "a c e g", "nothing is stored yet");
        store.commit(staged.into_inner().expect("whole").into_batch()).await.expect("stores");
        assert_eq!(keys(store.scan(&table, whole()).await.expect("reads")), "a b c d e g");
    }

    #[tokio::test]
    async fn what_was_decided_by_the_store_must_still_be_so() {
        let store = MemoryStore::new();
        let table = Space::new("1", "r", "s").table("Nest");
        let staged = Mutex::new(Staged::default());
        let mut batch = Batch::default();
        batch.put_new(&table, "a", Document::Null, Vec::new());
        Rows::of(&store).staged(&staged).commit(batch.clone()).await.expect("stages");
        store.commit(batch).await.expect("stores");
        let late = store.commit(staged.into_inner().expect("whole").into_batch()).await;
        assert!(matches!(late, Err(StoreError::Conflict)));
    }
}
