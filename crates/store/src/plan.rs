//! What a group of waiting batches comes to: shared by the backends that write through SQL.
//!
//! A database is slow per statement and per transaction, not per row. So batches that wait at the same time are applied
//! together: the rows that any of them looks at are read once, the batches are decided one after the other in memory, and
//! what is left in the end is written at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use standin_model::Document;

use crate::{Batch, Expect, IndexEntry, Row, Space, StoreError, Table, Write, codec, jobs};

/// A batch whose documents are text already.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) checks: Vec<crate::Check>,
    pub(crate) writes: Vec<PreparedWrite>,
    pub(crate) events: Vec<PreparedEvent>,
    pub(crate) enqueues: bool,
}

#[derive(Debug)]
pub(crate) struct PreparedWrite {
    pub(crate) table: Table,
    pub(crate) key: Arc<str>,
    pub(crate) change: Change,
}

#[derive(Debug)]
pub(crate) enum Change {
    Put { body: String, index: Arc<[IndexEntry]>, only_new: bool },
    Delete,
}

#[derive(Debug)]
pub(crate) struct PreparedEvent {
    pub(crate) space: Space,
    pub(crate) kind: Arc<str>,
    pub(crate) body: String,
}

pub(crate) fn prepare(batch: Batch) -> Result<Prepared, StoreError> {
    let mut enqueues = false;
    let mut writes = Vec::with_capacity(batch.writes.len());
    for write in batch.writes {
        enqueues |= jobs::is_enqueued(&write);
        let only_new = matches!(write, Write::PutNew { .. });
        writes.push(match write {
            Write::Put { table, key, body, index } | Write::PutNew { table, key, body, index } => {
                let body = text(&table, &key, &body)?;
                PreparedWrite { table, key, change: Change::Put { body, index, only_new } }
            }
            Write::Delete { table, key } => PreparedWrite { table, key, change: Change::Delete },
        });
    }
    let mut events = Vec::with_capacity(batch.events.len());
    for event in batch.events {
        let body = codec::encode(&event.body).map_err(|error| StoreError::Refused {
            table: event.space.to_string(),
            key: event.kind.to_string(),
            why: error.to_string(),
        })?;
        events.push(PreparedEvent { space: event.space, kind: event.kind, body });
    }
    Ok(Prepared { checks: batch.checks, writes, events, enqueues })
}

pub(crate) fn text(table: &Table, key: &str, body: &Document) -> Result<String, StoreError> {
    codec::encode(body).map_err(|error| StoreError::Refused {
        table: table.to_string(),
        key: key.to_owned(),
        why: error.to_string(),
    })
}

/// The number of a table in the database, and a key in it.
pub(crate) type Place = (i64, Arc<str>);

/// A row as it was before the group.
#[derive(Debug)]
pub(crate) struct Known {
    /// Of the record in the database.
    pub(crate) id: i64,
    pub(crate) version: u64,
    pub(crate) entries: Arc<[IndexEntry]>,
}

/// A row as it is after the group.
#[derive(Debug)]
pub(crate) struct Changed<'b> {
    pub(crate) version: u64,
    pub(crate) body: &'b str,
    pub(crate) entries: &'b [IndexEntry],
}

/// The numbers of all tables that a group names.
pub(crate) type Numbers = HashMap<Table, i64>;

pub(crate) fn tables<'b>(batches: impl IntoIterator<Item = &'b Prepared>) -> BTreeSet<&'b Table> {
    let named = |batch: &'b Prepared| {
        let checked = batch.checks.iter().map(|check| &check.table);
        checked.chain(batch.writes.iter().map(|write| &write.table))
    };
    batches.into_iter().flat_map(named).collect()
}

/// All rows that a group looks at, in an order in which all processes lock them.
pub(crate) fn places<'b>(batches: impl IntoIterator<Item = &'b Prepared>, numbers: &Numbers) -> BTreeSet<Place> {
    let mut places = BTreeSet::new();
    for batch in batches {
        let checked = batch.checks.iter().map(|check| (&check.table, &check.key));
        for (table, key) in checked.chain(batch.writes.iter().map(|write| (&write.table, &write.key))) {
            places.insert((numbers[table], key.clone()));
        }
    }
    places
}

/// What is to be written, and what the batches are told if that succeeds.
#[derive(Debug, Default)]
pub(crate) struct Plan<'b> {
    /// In the order of the batches: the revision, or nothing for a conflict.
    pub(crate) revisions: Vec<Option<u64>>,
    /// Rows that are new or other than before; nothing for those that are gone.
    pub(crate) rows: BTreeMap<Place, Option<Changed<'b>>>,
    /// Rows that must not come into being before all this is written, though none is written here.
    pub(crate) absent: BTreeSet<Place>,
    pub(crate) events: Vec<&'b PreparedEvent>,
    pub(crate) enqueues: bool,
}

impl Plan<'_> {
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.events.is_empty()
    }
}

/// Decides the batches one after the other. `before` holds all rows of [`places`] that there are.
pub(crate) fn decide<'b>(
    batches: &'b [Prepared],
    before: &HashMap<Place, Known>,
    numbers: &Numbers,
    mut next_revision: impl FnMut() -> u64,
) -> Plan<'b> {
    let mut plan = Plan::default();
    let mut absent = BTreeSet::new();
    for batch in batches {
        let version = |plan: &Plan<'_>, place: &Place| match plan.rows.get(place) {
            Some(changed) => changed.as_ref().map(|row| row.version),
            None => before.get(place).map(|row| row.version),
        };
        let holds = batch.checks.iter().all(|check| {
            let have = version(&plan, &(numbers[&check.table], check.key.clone()));
            match check.expect {
                Expect::Absent => have.is_none(),
                Expect::Version(wanted) => have == Some(wanted),
            }
        });
        if !holds {
            plan.revisions.push(None);
            continue;
        }
        let revision = next_revision();
        plan.revisions.push(Some(revision));
        plan.enqueues |= batch.enqueues;
        for check in &batch.checks {
            if check.expect == Expect::Absent {
                absent.insert((numbers[&check.table], check.key.clone()));
            }
        }
        for write in &batch.writes {
            let place = (numbers[&write.table], write.key.clone());
            match &write.change {
                Change::Put { only_new: true, .. } if version(&plan, &place).is_some() => {}
                Change::Put { body, index, .. } => {
                    plan.rows.insert(place, Some(Changed { version: revision, body, entries: index }));
                }
                Change::Delete => {
                    plan.rows.insert(place, None);
                }
            }
        }
        plan.events.extend(&batch.events);
    }
    plan.rows.retain(|place, row| row.is_some() || before.contains_key(place));
    plan.absent =
        absent.into_iter().filter(|place| !plan.rows.contains_key(place) && !before.contains_key(place)).collect();
    plan
}

/// The entries of an index that go and those that come when a row becomes another.
pub(crate) fn entries_changed<'r>(
    before: Option<&'r Known>,
    after: Option<&'r Changed<'_>>,
) -> (BTreeSet<&'r IndexEntry>, BTreeSet<&'r IndexEntry>) {
    let before: BTreeSet<_> = before.map(|row| row.entries.iter().collect()).unwrap_or_default();
    let after: BTreeSet<_> = after.map(|row| row.entries.iter().collect()).unwrap_or_default();
    (before.difference(&after).copied().collect(), after.difference(&before).copied().collect())
}

/// The entries of a row as a column.
pub(crate) fn entries_text(entries: &[IndexEntry]) -> Option<String> {
    if entries.is_empty() {
        return None;
    }
    let pairs: Vec<[&str; 2]> = entries.iter().map(|entry| [&*entry.index, &*entry.value]).collect();
    Some(serde_json::to_string(&pairs).expect("strings are JSON"))
}

/// The same back.
pub(crate) fn entries_from(text: Option<&str>) -> Result<Arc<[IndexEntry]>, StoreError> {
    let Some(text) = text else { return Ok(Arc::new([])) };
    let pairs: Vec<[String; 2]> =
        serde_json::from_str(text).map_err(|error| StoreError::damaged(format!("index entries: {error}")))?;
    Ok(pairs.into_iter().map(|[index, value]| IndexEntry::new(index, value)).collect())
}

/// A row from its columns.
pub(crate) fn row(
    table: &Table,
    key: impl Into<Arc<str>>,
    version: i64,
    entries: Option<&str>,
    body: &str,
) -> Result<Row, StoreError> {
    let key = key.into();
    let document =
        codec::decode(body).map_err(|error| StoreError::damaged(format!("row {key} of {table}: {error}")))?;
    Ok(Row { key, version: version.cast_unsigned(), body: Arc::new(document), index: entries_from(entries)? })
}

/// The first text, by bytes, that is greater than all texts with that prefix; nothing where there is none.
pub(crate) fn prefix_end(prefix: &str) -> Option<String> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            chars.push(next);
            return Some(chars.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_prefixes() {
        let check =
            |prefix: &str, expect: Option<&str>| assert_eq!(prefix_end(prefix).as_deref(), expect, "{prefix:?}");
        check("", None);
        check("a", Some("b"));
        check("a\u{d7ff}", Some("a\u{e000}"));
        check("a\u{10ffff}", Some("b"));
        check("\u{10ffff}", None);
        check("\0", Some("\u{1}"));
    }

    #[test]
    fn entries_survive() {
        let entries = [IndexEntry::new("a", "\0\""), IndexEntry::new("a", "")];
        assert_eq!(*entries_from(entries_text(&entries).as_deref()).unwrap(), entries);
        assert_eq!(entries_text(&[]), None);
        assert!(entries_from(Some("[1]")).is_err());
    }
}
