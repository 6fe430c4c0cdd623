//! What differs between two states.

use std::collections::BTreeSet;
use std::fmt;
use std::io::BufRead;
use std::sync::Arc;

use standin_model::Document;

use crate::dump::{Load, LoadError};
use crate::{LoadMode, MemoryStore, Row, Selector, Store, StoreError, Table, View, codec};

/// Rows that are read at once.
const PAGE: usize = 500;

/// A row that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub table: Table,
    pub key: Arc<str>,
    pub kind: ChangeKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ChangeKind {
    Added {
        body: Arc<Document>,
    },
    Removed {
        body: Arc<Document>,
    },
    /// By the paths of what differs. None where only the index entries do.
    Changed {
        parts: Vec<Part>,
    },
}

/// A part of a document that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// `Tags[0].Value`; empty for the whole.
    pub path: String,
    /// Nothing where it was not there.
    pub before: Option<Document>,
    pub after: Option<Document>,
}

/// One line per row, `+`, `-` or `~`, and one per part.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, key, kind } = self;
        match kind {
            ChangeKind::Added { .. } => write!(f, "+ {table} {key}"),
            ChangeKind::Removed { .. } => write!(f, "- {table} {key}"),
            ChangeKind::Changed { parts } => {
                write!(f, "~ {table} {key}")?;
                for part in parts {
                    let show = |document: &Option<Document>| match document {
                        Some(document) => codec::encode(document).unwrap_or_else(|error| error.to_string()),
                        None => "nothing".to_owned(),
                    };
                    write!(f, "\n    {}: {} -> {}", part.path, show(&part.before), show(&part.after))?;
                }
                Ok(())
            }
        }
    }
}

/// A saved file as a view.
pub async fn file(input: &mut (dyn BufRead + Send)) -> Result<Box<dyn View>, LoadError> {
    let store = Arc::new(MemoryStore::new());
    Load::begin(store.clone(), LoadMode::Merge).await?.read_from(input).await?;
    Ok(store.view().await?)
}

/// Compares two states, or the parts of them that a selector picks; the changes are sorted by table and key.
pub async fn diff(before: &mut dyn View, after: &mut dyn View, picked: &Selector) -> Result<Vec<Change>, StoreError> {
    let mut tables: BTreeSet<Table> = before.tables(picked).await?.into_iter().collect();
    tables.extend(after.tables(picked).await?);
    let mut changes = Vec::new();
    for table in tables {
        if let (Some(one), Some(other)) = (before.shared(&table), after.shared(&table))
            && one.0.is_same(&other.0)
        {
            continue;
        }
        compare(&table, before, after, &mut changes).await?;
    }
    Ok(changes)
}

/// The rows of a table, one after the other.
struct Rows<'v> {
    view: &'v mut dyn View,
    page: std::vec::IntoIter<Row>,
    after: Option<Arc<str>>,
}

impl<'v> Rows<'v> {
    fn new(view: &'v mut dyn View) -> Self {
        Self { view, page: Vec::new().into_iter(), after: None }
    }

    async fn next(&mut self, table: &Table) -> Result<Option<Row>, StoreError> {
        if self.page.len() == 0 {
            self.page = self.view.page(table, self.after.as_deref(), PAGE).await?.into_iter();
        }
        let row = self.page.next();
        if let Some(row) = &row {
            self.after = Some(row.key.clone());
        }
        Ok(row)
    }
}

async fn compare(
    table: &Table,
    before: &mut dyn View,
    after: &mut dyn View,
    changes: &mut Vec<Change>,
) -> Result<(), StoreError> {
    let (mut before, mut after) = (Rows::new(before), Rows::new(after));
    let (mut one, mut other) = (before.next(table).await?, after.next(table).await?);
    loop {
        let order = match (&one, &other) {
            (None, None) => return Ok(()),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.key.cmp(&other.key),
        };
        let (old, new) = (order.is_le().then(|| one.take()).flatten(), order.is_ge().then(|| other.take()).flatten());
        changes.extend(change(table, old, new));
        if order.is_le() {
            one = before.next(table).await?;
        }
        if order.is_ge() {
            other = after.next(table).await?;
        }
    }
}

fn change(table: &Table, old: Option<Row>, new: Option<Row>) -> Option<Change> {
    let (key, kind) = match (old, new) {
        (Some(old), Some(new)) => {
            let same = Arc::ptr_eq(&old.body, &new.body) || old.body == new.body;
            if same && old.index == new.index {
                return None;
            }
            let mut parts = Vec::new();
            differing("", Some(&old.body), Some(&new.body), &mut parts);
            (new.key, ChangeKind::Changed { parts })
        }
        (Some(old), None) => (old.key, ChangeKind::Removed { body: old.body }),
        (None, Some(new)) => (new.key, ChangeKind::Added { body: new.body }),
        (None, None) => return None,
    };
    Some(Change { table: table.clone(), key, kind })
}

fn differing(path: &str, before: Option<&Document>, after: Option<&Document>, parts: &mut Vec<Part>) {
    match (before, after) {
        (Some(one), Some(other)) if one == other => {}
        (Some(Document::Map(one)), Some(Document::Map(other))) => {
            let inner = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            for (name, value) in one.iter() {
                differing(&inner(name), Some(value), other.get(name), parts);
            }
            for (name, value) in other.iter().filter(|(name, _)| !one.contains_key(name)) {
                differing(&inner(name), None, Some(value), parts);
            }
        }
        (Some(Document::List(one)), Some(Document::List(other))) => {
            for at in 0..one.len().max(other.len()) {
                differing(&format!("{path}[{at}]"), one.get(at), other.get(at), parts);
            }
        }
        (before, after) => {
            parts.push(Part { path: path.to_owned(), before: before.cloned(), after: after.cloned() });
        }
    }
}
