//! State in one SQLite file: the default when there is a data directory.
//!
//! One connection writes, in a task of its own that applies all batches that wait as one transaction; several others
//! read, each as of the last commit (write-ahead log). What was acknowledged survives the end of the process at any
//! moment. With [`Durability::Normal`] the operating system's crash may cost the last commits, never the file's
//! consistency; [`Durability::Full`] waits for the disk at every commit.

mod lock;
mod reader;
mod view;
mod writer;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use standin_core::BoxFuture;
use tokio::sync::{mpsc, oneshot, watch};

use self::lock::Lock;
use self::writer::Request;
use crate::{Batch, Event, LoadMode, Loader, Range, Row, Scan, Selector, Store, StoreError, Table, View, jobs, plan};

/// The database's name in the data directory.
const FILE: &str = "state.sqlite";
/// Connections that read at the same time.
const READERS: u32 = 4;
/// What a connection may keep of the file in memory, in KiB (as SQLite wants it: negative): inner pages of a million rows.
const CACHE_KIB: &str = "-16384";
/// Requests that wait for the writer before callers have to.
const QUEUE: usize = 4096;

/// What a commit waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// For the operating system: survives the end of the process.
    #[default]
    Normal,
    /// For the disk: survives a loss of power.
    Full,
}

/// Keeps everything in `state.sqlite` of a directory, which belongs to this process as long as the store lives.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    writer: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What the writer tells the readers.
#[derive(Debug)]
struct Shared {
    file: PathBuf,
    options: SqliteConnectOptions,
    tables: RwLock<HashMap<Table, Info>>,
    wake: watch::Sender<u64>,
}

/// What is known of a table without asking the database.
#[derive(Clone, Copy, Debug)]
struct Info {
    id: i64,
    /// How many rows; nothing where nobody has counted yet.
    rows: Option<u64>,
    /// The revision of the last change in this process.
    changed: u64,
    /// A change is being committed: who counts now cannot know whether with or without.
    changing: bool,
}

impl Shared {
    fn tables(&self) -> RwLockReadGuard<'_, HashMap<Table, Info>> {
        self.tables.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn tables_mut(&self) -> RwLockWriteGuard<'_, HashMap<Table, Info>> {
        self.tables.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, doing: &str, error: sqlx::Error) -> StoreError {
        StoreError::backend(format!("{doing} {}", self.file.display()), error)
    }
}

impl SqliteStore {
    /// Opens the state of a directory, or begins it; older schemas are brought up to date.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where another process uses it, the file is none of ours or damaged, was written by a newer
    /// version, or cannot be written.
    pub async fn open(directory: &Path, durability: Durability) -> Result<Arc<Self>, StoreError> {
        let doing = |what: &str| format!("{what} {}", directory.display());
        std::fs::create_dir_all(directory).map_err(|error| StoreError::backend(doing("making"), error))?;
        let lock = Lock::take(directory)?;
        let file = directory.join(FILE);
        let synchronous = match durability {
            Durability::Normal => SqliteSynchronous::Normal,
            Durability::Full => SqliteSynchronous::Full,
        };
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .page_size(8192)
            .pragma("cache_size", CACHE_KIB)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(synchronous)
            .busy_timeout(Duration::from_secs(10))
            .statement_cache_capacity(512)
            .disable_statement_logging();
        let (wake, _) = watch::channel(0);
        let shared = Arc::new(Shared { file, options, tables: RwLock::default(), wake });
        let failed = |error| shared.failed("opening", error);
        let mut connection = shared.options.connect().await.map_err(failed)?;
        migrate(&mut connection).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => StoreError::backend(
                format!("opening {}", shared.file.display()),
                format!("it was written by a newer version of standin (schema {version}, this one knows {SCHEMA})"),
            ),
            error => StoreError::backend(format!("opening {}", shared.file.display()), error),
        })?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .min_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .test_before_acquire(false)
            .connect_lazy_with(shared.options.clone().pragma("query_only", "on"));
        let writer = writer::start(connection, shared.clone(), lock).await?;
        Ok(Arc::new(Self { readers, writer, shared }))
    }

    /// Asks the writer for something and waits for its answer.
    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Request,
    ) -> Result<T, StoreError> {
        let gone = || StoreError::backend(format!("writing {}", self.shared.file.display()), "the store is closed");
        let (done, answer) = oneshot::channel();
        self.writer.send(request(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Writes what is left to write, closes the file and lets go of the directory. What is asked afterwards fails.
    pub async fn close(&self) {
        self.readers.close().await;
        let (done, closed) = oneshot::channel();
        if self.writer.send(Request::Close { done }).await.is_ok() {
            // An error is that it was closed already.
            let _ = closed.await;
        }
    }

    /// Waits until everything that was dropped is deleted; for tests and tools.
    pub async fn settle(&self) -> Result<(), StoreError> {
        self.ask(|done| Request::Settle { done }).await
    }
}

/// The newest schema.
const SCHEMA: i64 = 1;

async fn migrate(connection: &mut SqliteConnection) -> Result<(), sqlx::migrate::MigrateError> {
    use sqlx::SqlSafeStr as _;
    let migrations = [(1, "rows", include_str!("../migrations/sqlite/1_rows.sql"))];
    let migrations = migrations.map(|(version, name, sql)| {
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into()).run_direct(None, connection, false).await
}

impl Store for SqliteStore {
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

    fn wakeups(&self) -> watch::Receiver<u64> {
        self.shared.wake.subscribe()
    }

    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, StoreError>> {
        Box::pin(async move {
            let view = self.ask(|done| Request::View { done }).await?;
            Ok(Box::new(view) as Box<dyn View>)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(SqliteStore::close(self))
    }

    fn load(self: Arc<Self>, mode: LoadMode) -> BoxFuture<'static, Result<Box<dyn Loader>, StoreError>> {
        Box::pin(async move { Ok(Box::new(view::SqliteLoader::new(self, mode)) as Box<dyn Loader>) })
    }
}
