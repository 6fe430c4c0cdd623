//! State in PostgreSQL, which several processes may share.
//!
//! A commit locks the rows that it looks at, in one order for all, compares their versions and writes: an update that
//! another process made meanwhile is a conflict, never lost. Batches that wait in one process are applied as one
//! transaction. Claims of jobs pass by what others hold (`SKIP LOCKED`), and `NOTIFY` wakes their workers. Where the
//! database is gone every call says so; once it is back everything works again.

mod claim;
mod connection;
mod reader;
mod view;
mod writer;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnection, PgListener, PgPool, PgPoolOptions};
use standin_core::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use self::connection::Database;
use self::writer::{Request, Writes};
use crate::{Batch, Event, LoadMode, Loader, Range, Row, Scan, Selector, Store, StoreError, Table, View, jobs, plan};

/// Connections that read and claim at the same time, and one that listens.
const CONNECTIONS: u32 = 9;
/// How long a read waits for a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the listener waits before it tries to connect again.
const LISTENER_REST: Duration = Duration::from_millis(500);
/// Requests that wait for the writer before callers have to.
const QUEUE: usize = 4096;
/// What `NOTIFY` says when there may be jobs.
const CHANNEL: &str = "standin_jobs";

/// Keeps everything in a database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: PgPool,
    writer: mpsc::Sender<Request>,
    writes: Arc<Writes>,
    wake: watch::Sender<u64>,
    listener: OnceLock<tokio::task::AbortHandle>,
}

impl PostgresStore {
    /// Connects to a database, and begins the state where there is none; older schemas are brought up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where it cannot be reached, refuses, or was written by a newer version.
    pub async fn open(url: &str) -> Result<Arc<Self>, StoreError> {
        let database = Arc::new(Database::parse(url)?);
        let mut connection = database.connect().await?;
        migrate(&mut connection, &database).await?;
        let settings = database.clone();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move { settings.prepare(connection).await })
            })
            .connect_lazy_with(database.options.clone());
        let (wake, _) = watch::channel(0);
        let writes = Arc::new(Writes::new(database));
        let writer = writer::start(connection, writes.clone(), wake.clone());
        let store = Arc::new(Self { pool, writer, writes, wake, listener: OnceLock::new() });
        let listener = tokio::spawn(listen(store.pool.clone(), store.wake.clone()));
        let _ = store.listener.set(listener.abort_handle());
        // What a process that is gone left.
        store.ask_nothing(Request::DropRecords).await;
        Ok(store)
    }

    /// Ends all connections. What is asked afterwards fails.
    pub async fn close(&self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
        let (done, closed) = oneshot::channel();
        if self.writer.send(Request::Close { done }).await.is_ok() {
            // An error is that it was closed already.
            let _ = closed.await;
        }
        self.pool.close().await;
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::backend(format!("writing to {}", self.writes.database), "the store is closed");
        let (done, answer) = oneshot::channel();
        self.writer.send(request(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    async fn ask_nothing(&self, request: Request) {
        // A closed store has nothing to do any more.
        let _ = self.writer.send(request).await;
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        if let Some(listener) = self.listener.get() {
            listener.abort();
        }
    }
}

/// The newest schema.
const SCHEMA: i64 = 1;

async fn migrate(connection: &mut PgConnection, database: &Database) -> Result<(), StoreError> {
    use sqlx::SqlSafeStr as _;
    let migrations = [(1, "rows", include_str!("../migrations/postgres/1_rows.sql"))];
    let migrations = migrations.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let doing = format!("opening {database}");
    match Migrator::with_migrations(migrations.into()).run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(sqlx::migrate::MigrateError::VersionMissing(version)) => Err(StoreError::backend(
            doing,
            format!("it was written by a newer version of standin (schema {version}, this one knows {SCHEMA})"),
        )),
        Err(error) => Err(StoreError::backend(doing, error)),
    }
}

/// Passes on what other processes say, for as long as the store lives.
async fn listen(pool: PgPool, wake: watch::Sender<u64>) {
    while !pool.is_closed() {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            loop {
                // What was said before it listened, or while the connection was lost, was not heard.
                wake.send_modify(|count| *count = count.wrapping_add(1));
                if listener.try_recv().await.is_err() {
                    break;
                }
            }
        }
        tokio::time::sleep(LISTENER_REST).await;
    }
}

impl Store for PostgresStore {
    fn get<'a>(&'a self, table: &'a Table, key: &'a str) -> BoxFuture<'a, Result<Option<Row>, StoreError>> {
        Box::pin(self.read_one(table, key))
    }

    fn scan<'a>(&'a self, table: &'a Table, scan: Scan<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(self.read_page(table, scan))
    }

    fn find<'a>(
        &'a self,
        table: &'a Table,
        index: &'a str,
        value: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(self.read_entry(table, index, value, after, limit))
    }

    fn range<'a>(&'a self, table: &'a Table, range: Range<'a>) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(self.read_range(table, range))
    }

    fn count<'a>(&'a self, table: &'a Table, prefix: &'a str) -> BoxFuture<'a, Result<u64, StoreError>> {
        Box::pin(self.read_count(table, prefix))
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<u64, StoreError>> {
        Box::pin(async move {
            let batch = plan::prepare(batch)?;
            self.ask(|done| Request::Commit { batch, done }).await
        })
    }

    fn clear<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            self.ask(|done| Request::Clear { selector: selector.clone(), done }).await?;
            jobs::drop_picked(self, selector).await
        })
    }

    fn tables<'a>(&'a self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        Box::pin(self.read_tables(selector))
    }

    fn events(&self, after: u64, limit: usize) -> BoxFuture<'_, Result<Vec<Event>, StoreError>> {
        Box::pin(self.read_events(after, limit))
    }

    fn trim_events(&self, keep: u64) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.ask(move |done| Request::TrimEvents { keep, done }))
    }

    fn claim<'a>(&'a self, claim: jobs::Claim<'a>) -> BoxFuture<'a, Result<Vec<jobs::Job>, StoreError>> {
        Box::pin(self.claim_jobs(claim))
    }

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.wake.subscribe()
    }

    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, StoreError>> {
        Box::pin(async move { Ok(Box::new(view::PostgresView::new(&self.writes.database).await?) as Box<dyn View>) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(PostgresStore::close(self))
    }

    fn load(self: Arc<Self>, mode: LoadMode) -> BoxFuture<'static, Result<Box<dyn Loader>, StoreError>> {
        Box::pin(async move { Ok(Box::new(view::PostgresLoader::new(self, mode).await?) as Box<dyn Loader>) })
    }
}
