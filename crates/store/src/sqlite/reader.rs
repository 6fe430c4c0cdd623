//! Reads, each as of one commit.
//!
//! Every query looks the table up once more: had it been cleared meanwhile, its records might be half gone.

use sqlx::Row as _;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use std::sync::Arc;

use super::{Info, SqliteStore};
use crate::plan::{self, prefix_end};
use crate::{Event, Range, Row, Scan, Selector, Space, StoreError, Table, codec};

const GET: &str = "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN record r \
    ON r.space_table = t.id AND r.key = ?2 WHERE t.id = ?1";

/// From a key on or after it; up to a key or to the end.
pub(super) const PAGES: [[&str; 2]; 2] = [
    [
        "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN record r \
        ON r.space_table = t.id AND r.key >= ?2 WHERE t.id = ?1 ORDER BY r.key LIMIT ?3",
        "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN record r \
        ON r.space_table = t.id AND r.key >= ?2 AND r.key < ?4 WHERE t.id = ?1 ORDER BY r.key LIMIT ?3",
    ],
    [
        "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN record r \
        ON r.space_table = t.id AND r.key > ?2 WHERE t.id = ?1 ORDER BY r.key LIMIT ?3",
        "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN record r \
        ON r.space_table = t.id AND r.key > ?2 AND r.key < ?4 WHERE t.id = ?1 ORDER BY r.key LIMIT ?3",
    ],
];

/// From a key on or after it.
const FIND: [&str; 2] = [
    "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN index_entry e \
    ON e.space_table = t.id AND e.name = ?2 AND e.value = ?3 AND e.key >= ?4 \
    CROSS JOIN record r ON r.space_table = t.id AND r.key = e.key WHERE t.id = ?1 ORDER BY e.key LIMIT ?5",
    "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN index_entry e \
    ON e.space_table = t.id AND e.name = ?2 AND e.value = ?3 AND e.key > ?4 \
    CROSS JOIN record r ON r.space_table = t.id AND r.key = e.key WHERE t.id = ?1 ORDER BY e.key LIMIT ?5",
];

const RANGE: &str = "SELECT r.key, r.version, r.entries, r.body FROM space_table t CROSS JOIN index_entry e \
    ON e.space_table = t.id AND e.name = ?2 AND e.value >= ?3 AND e.value < ?4 \
    CROSS JOIN record r ON r.space_table = t.id AND r.key = e.key WHERE t.id = ?1 ORDER BY e.value, e.key LIMIT ?5";

/// To the end, or up to a key.
const COUNT: [&str; 2] = [
    "SELECT count(*) FROM space_table t CROSS JOIN record r ON r.space_table = t.id AND r.key >= ?2 WHERE t.id = ?1",
    "SELECT count(*) FROM space_table t CROSS JOIN record r \
    ON r.space_table = t.id AND r.key >= ?2 AND r.key < ?3 WHERE t.id = ?1",
];

const ANY: &str =
    "SELECT EXISTS (SELECT 1 FROM space_table t CROSS JOIN record r ON r.space_table = t.id WHERE t.id = ?1)";

const EVENTS: &str = "SELECT sequence, account, region, service, kind, body FROM event \
    WHERE sequence > ?1 ORDER BY sequence LIMIT ?2";

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(super) fn row_of(table: &Table, columns: &SqliteRow) -> Result<Row, StoreError> {
    let damaged = |error: sqlx::Error| StoreError::damaged(format!("a row of {table}: {error}"));
    let key: &str = columns.try_get(0).map_err(damaged)?;
    let version = columns.try_get(1).map_err(damaged)?;
    let entries: Option<&str> = columns.try_get(2).map_err(damaged)?;
    plan::row(table, key, version, entries, columns.try_get(3).map_err(damaged)?)
}

impl SqliteStore {
    fn info(&self, table: &Table) -> Option<Info> {
        self.shared.tables().get(table).copied()
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        self.shared.failed("reading", error)
    }

    async fn rows(&self, table: &Table, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Vec<Row>, StoreError> {
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(error))?;
        rows.iter().map(|columns| row_of(table, columns)).collect()
    }

    pub(super) async fn read_one(&self, table: &Table, key: &str) -> Result<Option<Row>, StoreError> {
        let Some(info) = self.info(table) else { return Ok(None) };
        let query = sqlx::query(GET).bind(info.id).bind(key);
        let columns = query.fetch_optional(&self.readers).await.map_err(|error| self.failed(error))?;
        columns.map(|columns| row_of(table, &columns)).transpose()
    }

    pub(super) async fn read_page(&self, table: &Table, scan: Scan<'_>) -> Result<Vec<Row>, StoreError> {
        let Some(info) = self.info(table) else { return Ok(Vec::new()) };
        let (start, after) = match scan.after {
            Some(after) if after >= scan.prefix => (after, true),
            _ => (scan.prefix, false),
        };
        let end = prefix_end(scan.prefix);
        let sql = PAGES[usize::from(after)][usize::from(end.is_some())];
        let mut query = sqlx::query(sql).bind(info.id).bind(start).bind(limit_of(scan.limit));
        if let Some(end) = &end {
            query = query.bind(end.as_str());
        }
        self.rows(table, query).await
    }

    pub(super) async fn read_entry(
        &self,
        table: &Table,
        index: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let Some(info) = self.info(table) else { return Ok(Vec::new()) };
        let query = sqlx::query(FIND[usize::from(after.is_some())]).bind(info.id).bind(index).bind(value);
        self.rows(table, query.bind(after.unwrap_or("")).bind(limit_of(limit))).await
    }

    pub(super) async fn read_range(&self, table: &Table, range: Range<'_>) -> Result<Vec<Row>, StoreError> {
        let Some(info) = self.info(table) else { return Ok(Vec::new()) };
        let query = sqlx::query(RANGE).bind(info.id).bind(range.index).bind(range.from).bind(range.to);
        self.rows(table, query.bind(limit_of(range.limit))).await
    }

    pub(super) async fn read_count(&self, table: &Table, prefix: &str) -> Result<u64, StoreError> {
        let Some(before) = self.info(table) else { return Ok(0) };
        if prefix.is_empty()
            && let Some(rows) = before.rows
        {
            return Ok(rows);
        }
        let end = prefix_end(prefix);
        let mut query = sqlx::query_scalar(COUNT[usize::from(end.is_some())]).bind(before.id).bind(prefix);
        if let Some(end) = &end {
            query = query.bind(end.as_str());
        }
        let count: i64 = query.fetch_one(&self.readers).await.map_err(|error| self.failed(error))?;
        let count = count.cast_unsigned();
        if prefix.is_empty() && !before.changing {
            let mut tables = self.shared.tables_mut();
            if let Some(info) = tables.get_mut(table)
                && (info.id, info.changed, info.changing) == (before.id, before.changed, false)
            {
                info.rows = Some(count);
            }
        }
        Ok(count)
    }

    pub(super) async fn read_tables(&self, selector: &Selector) -> Result<Vec<Table>, StoreError> {
        let picked: Vec<(Table, Info)> = {
            let tables = self.shared.tables();
            let picked = tables.iter().filter(|(table, _)| selector.picks(&table.space));
            picked.map(|(table, info)| (table.clone(), *info)).collect()
        };
        let mut found = Vec::with_capacity(picked.len());
        for (table, info) in picked {
            let any = match info.rows {
                Some(rows) => rows > 0,
                None => {
                    let query = sqlx::query_scalar(ANY).bind(info.id);
                    query.fetch_one(&self.readers).await.map_err(|error| self.failed(error))?
                }
            };
            if any {
                found.push(table);
            }
        }
        found.sort();
        Ok(found)
    }

    pub(super) async fn read_events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        // Sequence numbers are counted from one; none is beyond what the database can count.
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let query = sqlx::query(EVENTS).bind(after).bind(limit_of(limit));
        let rows = query.fetch_all(&self.readers).await.map_err(|error| self.failed(error))?;
        rows.iter().map(event_of).collect()
    }
}

fn event_of(columns: &SqliteRow) -> Result<Event, StoreError> {
    let damaged = |error: sqlx::Error| StoreError::damaged(format!("an event: {error}"));
    let text = |at: usize| columns.try_get::<&str, _>(at).map_err(damaged);
    let sequence: i64 = columns.try_get(0).map_err(damaged)?;
    let body = codec::decode(text(5)?).map_err(|error| StoreError::damaged(format!("event {sequence}: {error}")))?;
    Ok(Event {
        sequence: sequence.cast_unsigned(),
        space: Space::new(text(1)?, text(2)?, text(3)?),
        kind: text(4)?.into(),
        body: Arc::new(body),
    })
}
