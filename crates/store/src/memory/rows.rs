//! One table in memory.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hasher as _};
use std::sync::Arc;

use standin_model::Document;

use crate::tree::{Item, Tree};
use crate::{IndexEntry, Range, Row, Scan};

/// The rows of a table and what finds them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    rows: Tree<Row>,
    /// The same by the hash of the key: looking a key up among a million others is waiting for memory, and hashes lie side
    /// by side where keys do not.
    by_hash: Tree<Hashed>,
    /// By index, value and key.
    index: Tree<Entry>,
    /// The revision of the last change.
    changed: u64,
    /// Not of the store's own making: versions mean nothing.
    copied: bool,
}

impl Item for Row {
    type Key = Arc<str>;

    fn key(&self) -> &Arc<str> {
        &self.key
    }
}

/// A row under the hash of its key.
#[derive(Clone, Debug)]
struct Hashed {
    place: HashedKey,
    version: u64,
    body: Arc<Document>,
    index: Arc<[IndexEntry]>,
}

/// Sorts by the hash; the key itself is looked at where two have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct HashedKey {
    hash: u64,
    key: Arc<str>,
}

impl Item for Hashed {
    type Key = HashedKey;

    fn key(&self) -> &HashedKey {
        &self.place
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key.as_bytes());
    hasher.finish()
}

impl Hashed {
    fn new(row: &Row) -> Self {
        let place = HashedKey { hash: hash(&row.key), key: row.key.clone() };
        Self { place, version: row.version, body: row.body.clone(), index: row.index.clone() }
    }

    fn row(&self) -> Row {
        let (body, index) = (self.body.clone(), self.index.clone());
        Row { key: self.place.key.clone(), version: self.version, body, index }
    }
}

/// A row under one of its index entries. With the row itself, so that a page of an index is read in one go.
#[derive(Clone, Debug)]
struct Entry {
    row: Row,
    /// Which of the row's entries it is.
    at: u32,
}

impl Entry {
    fn place(&self) -> (&str, &str, &str) {
        let entry = &self.row.index[self.at as usize];
        (&entry.index, &entry.value, &self.row.key)
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Item for Entry {
    type Key = Self;

    fn key(&self) -> &Self {
        self
    }
}

impl Rows {
    /// For rows of somewhere else.
    pub(crate) fn copied() -> Self {
        Self { copied: true, ..Self::default() }
    }

    /// Whether versions are those of the store in memory.
    pub(crate) fn has_versions(&self) -> bool {
        !self.copied
    }

    /// Whether both are copies of one, with no change since.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.rows.is_same(&other.rows)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The revision of the last change.
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    /// A revision that no other content had: for rows that were exchanged as a whole.
    pub(crate) fn set_changed(&mut self, revision: u64) {
        self.changed = revision;
    }

    pub(crate) fn put(&mut self, row: Row, revision: u64) {
        self.changed = revision;
        self.by_hash.insert(Hashed::new(&row));
        let indexed = (!row.index.is_empty()).then(|| row.clone());
        if let Some(old) = self.rows.insert(row) {
            self.forget(&old);
        }
        if let Some(row) = indexed {
            for at in 0..row.index.len() {
                self.index.insert(Entry { row: row.clone(), at: u32::try_from(at).expect("few entries") });
            }
        }
    }

    pub(crate) fn delete(&mut self, key: &str, revision: u64) {
        if let Some(old) = self.rows.remove(|have| (**have).cmp(key)) {
            self.changed = revision;
            let hash = hash(key);
            self.by_hash.remove(|have| have.hash.cmp(&hash).then_with(|| (*have.key).cmp(key)));
            self.forget(&old);
        }
    }

    fn forget(&mut self, row: &Row) {
        for entry in &*row.index {
            let place = (&*entry.index, &*entry.value, &*row.key);
            self.index.remove(|have| have.place().cmp(&place));
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Row> {
        self.found(key).map(Hashed::row)
    }

    pub(crate) fn version(&self, key: &str) -> Option<u64> {
        self.found(key).map(|found| found.version)
    }

    fn found(&self, key: &str) -> Option<&Hashed> {
        let hash = hash(key);
        self.by_hash.get(|have| have.hash.cmp(&hash).then_with(|| (*have.key).cmp(key)))
    }

    pub(crate) fn scan(&self, scan: &Scan<'_>) -> Vec<Row> {
        let rows = match scan.after {
            Some(after) if after >= scan.prefix => self.rows.from(|key| **key <= *after),
            _ => self.rows.from(|key| **key < *scan.prefix),
        };
        rows.take_while(|row| row.key.starts_with(scan.prefix)).take(scan.limit).cloned().collect()
    }

    pub(crate) fn find(&self, index: &str, value: &str, after: Option<&str>, limit: usize) -> Vec<Row> {
        let entries = match after {
            Some(after) => self.index.from(|entry| entry.place() <= (index, value, after)),
            None => self.index.from(|entry| entry.place() < (index, value, "")),
        };
        entries
            .take_while(|entry| {
                let (have, with, _) = entry.place();
                have == index && with == value
            })
            .take(limit)
            .map(|entry| entry.row.clone())
            .collect()
    }

    pub(crate) fn range(&self, range: &Range<'_>) -> Vec<Row> {
        let Range { index, from, to, limit } = *range;
        self.index
            .from(|entry| entry.place() < (index, from, ""))
            .take_while(|entry| {
                let (have, with, _) = entry.place();
                have == index && with < to
            })
            .take(limit)
            .map(|entry| entry.row.clone())
            .collect()
    }

    pub(crate) fn count(&self, prefix: &str) -> u64 {
        if prefix.is_empty() {
            return self.len() as u64;
        }
        let before = self.rows.rank(|key| **key < *prefix);
        (self.rows.rank(|key| **key < *prefix || key.starts_with(prefix)) - before) as u64
    }

    /// All rows in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub(crate) fn page(&self, after: Option<&str>, limit: usize) -> Vec<Row> {
        self.scan(&Scan { prefix: "", after, limit })
    }
}
