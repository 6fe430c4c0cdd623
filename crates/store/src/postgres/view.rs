//! All of the database at one moment, and its replacement.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _};
use standin_core::BoxFuture;
use standin_model::Document;

use super::connection::Database;
use super::reader::{Arguments, PAGES, TABLES, limit_of, picked, row_of, table_of};
use super::writer::{Failure, Request, drop_names, insert, insert_entries, lock_names};
use super::{CHANNEL, PostgresStore};
use crate::plan::{Changed, Place};
use crate::{Batch, IndexEntry, LoadMode, Loader, Row, Selector, StoreError, Table, View, plan};

/// Rows that are sent at once.
const SEND_ROWS: usize = 1000;
/// Bytes of bodies that are.
const SEND_BYTES: usize = 4 << 20;

/// Reads within one transaction.
pub(super) struct PostgresView {
    connection: PgConnection,
    database: Arc<Database>,
}

impl PostgresView {
    pub(super) async fn new(database: &Arc<Database>) -> Result<Self, StoreError> {
        let mut view = Self { connection: database.connect().await?, database: database.clone() };
        // The first query fixes the moment.
        for sql in ["BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", "SELECT sequence FROM event_counter"] {
            if let Err(error) = view.connection.execute(sql).await {
                return Err(database.failed("reading from", error).await);
            }
        }
        Ok(view)
    }
}

impl View for PostgresView {
    fn tables<'a>(&'a mut self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        Box::pin(async move {
            match picked(selector).query(TABLES).fetch_all(&mut self.connection).await {
                Ok(rows) => {
                    let mut tables: Vec<Table> = rows.iter().map(table_of).collect::<Result<_, _>>()?;
                    tables.sort();
                    Ok(tables)
                }
                Err(error) => Err(self.database.failed("reading from", error).await),
            }
        })
    }

    fn page<'a>(
        &'a mut self,
        table: &'a Table,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let arguments = Arguments::of(table).bytes(after.unwrap_or("")).number(limit_of(limit));
            let query = arguments.query(PAGES[usize::from(after.is_some())][0]);
            match query.fetch_all(&mut self.connection).await {
                Ok(rows) => rows.iter().map(|columns| row_of(table, columns)).collect(),
                Err(error) => Err(self.database.failed("reading from", error).await),
            }
        })
    }
}

/// Writes rows in a transaction of its own, into tables that have numbers but no names yet.
pub(super) struct PostgresLoader {
    store: Arc<PostgresStore>,
    connection: PgConnection,
    mode: LoadMode,
    numbers: HashMap<Table, i64>,
    revision: u64,
    rows: Vec<(Place, String, Arc<[IndexEntry]>)>,
    bytes: usize,
    /// Rows of tables that stay.
    merged: Batch,
}

impl PostgresLoader {
    pub(super) async fn new(store: Arc<PostgresStore>, mode: LoadMode) -> Result<Self, StoreError> {
        let mut connection = store.writes.database.connect().await?;
        let begin = async {
            connection.execute("BEGIN").await?;
            store.writes.revisions(&mut connection, 1).await
        };
        match begin.await {
            Ok(revision) => Ok(Self {
                store,
                connection,
                mode,
                numbers: HashMap::new(),
                revision,
                rows: Vec::new(),
                bytes: 0,
                merged: Batch::default(),
            }),
            Err(error) => Err(store.writes.database.failed("writing to", error).await),
        }
    }

    async fn number(&mut self, table: &Table) -> Result<i64, StoreError> {
        if let Some(number) = self.numbers.get(table) {
            return Ok(*number);
        }
        let query = sqlx::query_scalar("SELECT nextval('table_number')");
        match query.fetch_one(&mut self.connection).await {
            Ok(number) => {
                self.numbers.insert(table.clone(), number);
                Ok(number)
            }
            Err(error) => Err(self.store.writes.database.failed("writing to", error).await),
        }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let rows = std::mem::take(&mut self.rows);
        let version = self.revision;
        let placed: Vec<(&Place, Changed<'_>)> =
            rows.iter().map(|(place, body, entries)| (place, Changed { version, body, entries })).collect();
        let entries: Vec<_> =
            rows.iter().flat_map(|(place, _, entries)| entries.iter().map(move |entry| (place, entry))).collect();
        let send = async {
            let placed: Vec<_> = placed.iter().map(|(place, row)| (*place, row)).collect();
            let made = insert(&mut self.connection, &placed).await?;
            insert_entries(&mut self.connection, &entries).await?;
            Ok(made)
        };
        match send.await {
            Ok(made) if made == rows.len() as u64 => Ok(()),
            Ok(_) => Err(StoreError::damaged("a load with two rows of one key")),
            Err(error) => Err(self.store.writes.database.failed("writing to", error).await),
        }
    }

    /// Drops what is replaced and gives what was loaded its names.
    async fn exchange(&mut self) -> Result<(), Failure> {
        const NAME: &str = "INSERT INTO space_table (id, account, region, service, name) \
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[])";
        let merged =
            plan::prepare(std::mem::take(&mut self.merged)).map_err(|error| sqlx::Error::Decode(error.into()))?;
        lock_names(&mut self.connection).await?;
        if let LoadMode::Replace { picked, keep } = &self.mode {
            drop_names(&mut self.connection, picked, keep).await?;
        }
        let named: Vec<(&Table, i64)> = self.numbers.iter().map(|(table, id)| (table, *id)).collect();
        let column = |part: fn(&Table) -> &str| named.iter().map(|(table, _)| part(table)).collect::<Vec<&str>>();
        let query = sqlx::query(NAME)
            .bind(named.iter().map(|(_, id)| *id).collect::<Vec<_>>())
            .bind(column(|table| &table.space.account))
            .bind(column(|table| &table.space.region))
            .bind(column(|table| &table.space.service))
            .bind(column(|table| &table.name));
        query.execute(&mut self.connection).await?;
        if !merged.writes.is_empty() {
            self.store.writes.forget_numbers();
            let tables = plan::tables([&merged]);
            let numbers = self.store.writes.numbers(&mut self.connection, &tables).await?;
            self.store.writes.apply(&mut self.connection, std::slice::from_ref(&merged), &numbers).await?;
        }
        sqlx::query("SELECT pg_notify($1, '')").bind(CHANNEL).execute(&mut self.connection).await?;
        self.connection.execute("COMMIT").await?;
        Ok(())
    }
}

impl Loader for PostgresLoader {
    fn put<'a>(
        &'a mut self,
        table: &'a Table,
        key: Arc<str>,
        body: Arc<Document>,
        index: Arc<[IndexEntry]>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if !self.mode.replaces(table) {
                self.merged.put(table, key, body, index);
                return Ok(());
            }
            let body = plan::text(table, &key, &body)?;
            let number = self.number(table).await?;
            self.bytes += body.len();
            self.rows.push(((number, key), body, index));
            if self.rows.len() >= SEND_ROWS || self.bytes >= SEND_BYTES {
                self.flush().await?;
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<u64, StoreError>> {
        Box::pin(async move {
            self.flush().await?;
            let result = self.exchange().await;
            self.store.writes.forget_numbers();
            match result {
                Ok(()) => {}
                Err(Failure::Database(error)) => {
                    return Err(self.store.writes.database.failed("writing to", error).await);
                }
                Err(Failure::Race | Failure::StaleNumbers) => return Err(StoreError::Conflict),
            }
            self.store.ask_nothing(Request::DropRecords).await;
            let revision = self.revision;
            // What is committed is committed.
            let _ = self.connection.close().await;
            Ok(revision)
        })
    }
}
