//! Reads, each as of one moment.

use std::sync::Arc;

use sqlx::Row as _;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Arguments as _, AssertSqlSafe, Postgres};

use super::PostgresStore;
use super::connection::is_lost;
use crate::plan::{self, prefix_end};
use crate::{Event, Range, Row, Scan, Selector, Space, StoreError, Table, codec};

/// How often a read is tried: once more than there are connections that may have been lost.
const TRIES: u32 = super::CONNECTIONS + 1;

// Where one table leads to another, `LATERAL (… OFFSET 0)` says in which order: a plan that was made while both were empty
// may go through all of the second otherwise, and stays.

/// The number of the table whose four names are the first arguments.
macro_rules! sql {
    ($($part:expr),+) => {
        concat!($($part),+)
    };
}
macro_rules! table {
    () => {
        "(SELECT id FROM space_table WHERE account = $1 AND region = $2 AND service = $3 AND name = $4)"
    };
}
macro_rules! record {
    () => {
        "SELECT r.key, r.version, r.entries, r.body FROM record r WHERE r.space_table = "
    };
}
macro_rules! entry {
    () => {
        "SELECT r.key, r.version, r.entries, r.body FROM index_entry e CROSS JOIN LATERAL \
        (SELECT * FROM record r WHERE r.space_table = e.space_table AND r.key = e.key OFFSET 0) r WHERE e.space_table = "
    };
}

const GET: &str = sql!(record!(), table!(), " AND r.key = $5");

/// From a key on or after it; up to a key or to the end.
pub(super) const PAGES: [[&str; 2]; 2] = [
    [
        sql!(record!(), table!(), " AND r.key >= $5 ORDER BY r.key LIMIT $6"),
        sql!(record!(), table!(), " AND r.key >= $5 AND r.key < $7 ORDER BY r.key LIMIT $6"),
    ],
    [
        sql!(record!(), table!(), " AND r.key > $5 ORDER BY r.key LIMIT $6"),
        sql!(record!(), table!(), " AND r.key > $5 AND r.key < $7 ORDER BY r.key LIMIT $6"),
    ],
];

/// From a key on or after it.
const FIND: [&str; 2] = [
    sql!(entry!(), table!(), " AND e.name = $5 AND e.value = $6 AND e.key >= $7 ORDER BY e.key LIMIT $8"),
    sql!(entry!(), table!(), " AND e.name = $5 AND e.value = $6 AND e.key > $7 ORDER BY e.key LIMIT $8"),
];

const RANGE: &str =
    sql!(entry!(), table!(), " AND e.name = $5 AND e.value >= $6 AND e.value < $7 ORDER BY e.value, e.key LIMIT $8");

/// What [`super::claim`] takes, passing by what others hold.
pub(super) const DUE: &str = sql!(
    "SELECT r.key, r.version, r.entries, r.body FROM index_entry e CROSS JOIN LATERAL \
    (SELECT * FROM record r WHERE r.space_table = e.space_table AND r.key = e.key FOR UPDATE SKIP LOCKED) r \
    WHERE e.space_table = ",
    table!(),
    " AND e.name = $5 AND e.value < $6 ORDER BY e.value, e.key LIMIT $7"
);

/// To the end, or up to a key.
const COUNT: [&str; 2] = [
    sql!("SELECT count(*) FROM record r WHERE r.space_table = ", table!(), " AND r.key >= $5"),
    sql!("SELECT count(*) FROM record r WHERE r.space_table = ", table!(), " AND r.key >= $5 AND r.key < $6"),
];

pub(super) const TABLES: &str = "SELECT account, region, service, name FROM space_table t \
    CROSS JOIN LATERAL (SELECT 1 FROM record r WHERE r.space_table = t.id LIMIT 1) r \
    WHERE ($1::text IS NULL OR account = $1) AND ($2::text IS NULL OR region = $2) \
    AND ($3::text IS NULL OR service = $3)";

const EVENTS: &str = "SELECT sequence, account, region, service, kind, body FROM event \
    WHERE sequence > $1 ORDER BY sequence LIMIT $2";

pub(super) fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Arguments, the first four of which name a table.
pub(super) struct Arguments(PgArguments);

impl Arguments {
    pub(super) fn none() -> Self {
        Self(PgArguments::default())
    }

    pub(super) fn of(table: &Table) -> Self {
        let Space { account, region, service } = &table.space;
        Self::none().text(account).text(region).text(service).text(&table.name)
    }

    pub(super) fn text(mut self, text: &str) -> Self {
        self.0.add(text).expect("text is sent as it is");
        self
    }

    pub(super) fn bytes(mut self, text: &str) -> Self {
        self.0.add(text.as_bytes()).expect("bytes are sent as they are");
        self
    }

    pub(super) fn number(mut self, number: i64) -> Self {
        self.0.add(number).expect("numbers are sent as they are");
        self
    }

    pub(super) fn maybe(mut self, text: Option<&str>) -> Self {
        self.0.add(text).expect("text is sent as it is");
        self
    }

    pub(super) fn query(self, sql: &'static str) -> Query<'static, Postgres, PgArguments> {
        sqlx::query_with(AssertSqlSafe(sql), self.0)
    }
}

pub(super) fn row_of(table: &Table, columns: &PgRow) -> Result<Row, StoreError> {
    let damaged = |error: String| StoreError::damaged(format!("a row of {table}: {error}"));
    let column = |error: sqlx::Error| damaged(error.to_string());
    let key = std::str::from_utf8(columns.try_get(0).map_err(column)?).map_err(|error| damaged(error.to_string()))?;
    let version = columns.try_get(1).map_err(column)?;
    let entries: Option<&str> = columns.try_get(2).map_err(column)?;
    plan::row(table, key, version, entries, columns.try_get(3).map_err(column)?)
}

pub(super) fn table_of(columns: &PgRow) -> Result<Table, StoreError> {
    let text = |at: usize| {
        columns.try_get::<&str, _>(at).map_err(|error| StoreError::damaged(format!("the name of a table: {error}")))
    };
    Ok(Space::new(text(0)?, text(1)?, text(2)?).table(text(3)?))
}

impl PostgresStore {
    /// Runs a query. Where the database was gone and is back, the connections of before are of no use.
    async fn fetch(&self, sql: &'static str, arguments: impl Fn() -> Arguments) -> Result<Vec<PgRow>, StoreError> {
        let mut tries = 0;
        loop {
            match arguments().query(sql).fetch_all(&self.pool).await {
                Ok(rows) => return Ok(rows),
                Err(error) if is_lost(&error) && tries < TRIES => tries += 1,
                Err(error) => return Err(self.writes.database.failed("reading from", error).await),
            }
        }
    }

    async fn rows(
        &self,
        table: &Table,
        sql: &'static str,
        arguments: impl Fn() -> Arguments,
    ) -> Result<Vec<Row>, StoreError> {
        self.fetch(sql, arguments).await?.iter().map(|columns| row_of(table, columns)).collect()
    }

    pub(super) async fn read_one(&self, table: &Table, key: &str) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(table, GET, || Arguments::of(table).bytes(key)).await?.pop())
    }

    pub(super) async fn read_page(&self, table: &Table, scan: Scan<'_>) -> Result<Vec<Row>, StoreError> {
        let (start, after) = match scan.after {
            Some(after) if after >= scan.prefix => (after, true),
            _ => (scan.prefix, false),
        };
        let end = prefix_end(scan.prefix);
        let arguments = || {
            let arguments = Arguments::of(table).bytes(start).number(limit_of(scan.limit));
            match &end {
                Some(end) => arguments.bytes(end),
                None => arguments,
            }
        };
        self.rows(table, PAGES[usize::from(after)][usize::from(end.is_some())], arguments).await
    }

    pub(super) async fn read_entry(
        &self,
        table: &Table,
        index: &str,
        value: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let arguments = || {
            let arguments = Arguments::of(table).bytes(index).bytes(value).bytes(after.unwrap_or(""));
            arguments.number(limit_of(limit))
        };
        self.rows(table, FIND[usize::from(after.is_some())], arguments).await
    }

    pub(super) async fn read_range(&self, table: &Table, range: Range<'_>) -> Result<Vec<Row>, StoreError> {
        let arguments = || {
            let arguments = Arguments::of(table).bytes(range.index).bytes(range.from).bytes(range.to);
            arguments.number(limit_of(range.limit))
        };
        self.rows(table, RANGE, arguments).await
    }

    pub(super) async fn read_count(&self, table: &Table, prefix: &str) -> Result<u64, StoreError> {
        let end = prefix_end(prefix);
        let arguments = || {
            let arguments = Arguments::of(table).bytes(prefix);
            match &end {
                Some(end) => arguments.bytes(end),
                None => arguments,
            }
        };
        let rows = self.fetch(COUNT[usize::from(end.is_some())], arguments).await?;
        let count = rows.first().map(|columns| columns.try_get::<i64, _>(0)).transpose();
        let count = count.map_err(|error| StoreError::damaged(format!("a count: {error}")))?;
        Ok(count.unwrap_or(0).cast_unsigned())
    }

    pub(super) async fn read_tables(&self, selector: &Selector) -> Result<Vec<Table>, StoreError> {
        let rows = self.fetch(TABLES, || picked(selector)).await?;
        let mut tables: Vec<Table> = rows.iter().map(table_of).collect::<Result<_, _>>()?;
        tables.sort();
        Ok(tables)
    }

    pub(super) async fn read_events(&self, after: u64, limit: usize) -> Result<Vec<Event>, StoreError> {
        // Sequence numbers are counted from one; none is beyond what the database can count.
        let Ok(after) = i64::try_from(after) else { return Ok(Vec::new()) };
        let rows = self.fetch(EVENTS, || Arguments::none().number(after).number(limit_of(limit))).await?;
        rows.iter().map(event_of).collect()
    }
}

/// The arguments of [`TABLES`].
pub(super) fn picked(selector: &Selector) -> Arguments {
    let Selector { account, region, service } = selector;
    Arguments::none().maybe(account.as_deref()).maybe(region.as_deref()).maybe(service.as_deref())
}

fn event_of(columns: &PgRow) -> Result<Event, StoreError> {
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
