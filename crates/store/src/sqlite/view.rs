//! All of the file at one moment, and its replacement.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::sqlite::SqliteConnection;
use standin_core::BoxFuture;
use standin_model::Document;

use super::reader::{PAGES, limit_of, row_of};
use super::writer::{Request, Staged, StagedRow, Swap};
use super::{Info, Shared, SqliteStore};
use crate::{Batch, IndexEntry, LoadMode, Loader, Row, Selector, StoreError, Table, View, plan};

/// Rows that are staged in one transaction.
const STAGE_ROWS: usize = 1000;
/// Bytes of bodies that are.
const STAGE_BYTES: usize = 4 << 20;

/// Reads within one transaction.
#[derive(Debug)]
pub(super) struct SqliteView {
    connection: SqliteConnection,
    shared: Arc<Shared>,
    tables: HashMap<Table, Info>,
}

impl SqliteView {
    pub(super) fn new(connection: SqliteConnection, shared: Arc<Shared>, tables: HashMap<Table, Info>) -> Self {
        Self { connection, shared, tables }
    }
}

impl View for SqliteView {
    fn tables<'a>(&'a mut self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        Box::pin(async move {
            let picked: Vec<Table> = self.tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect();
            let mut found = Vec::with_capacity(picked.len());
            for table in picked {
                if !self.page(&table, None, 1).await?.is_empty() {
                    found.push(table);
                }
            }
            found.sort();
            Ok(found)
        })
    }

    fn page<'a>(
        &'a mut self,
        table: &'a Table,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let Some(info) = self.tables.get(table) else { return Ok(Vec::new()) };
            let query = sqlx::query(PAGES[usize::from(after.is_some())][0]);
            let query = query.bind(info.id).bind(after.unwrap_or("")).bind(limit_of(limit));
            let rows = query.fetch_all(&mut self.connection).await;
            let rows = rows.map_err(|error| self.shared.failed("reading", error))?;
            rows.iter().map(|columns| row_of(table, columns)).collect()
        })
    }

    fn mark(&mut self, table: &Table) -> Option<u64> {
        self.tables.get(table).map(|info| info.changed)
    }
}

/// Stages rows in tables without names, which get them all at once.
pub(super) struct SqliteLoader {
    store: Arc<SqliteStore>,
    mode: LoadMode,
    staged: Staged,
    bytes: usize,
    /// Rows of tables that stay.
    merged: Batch,
}

impl SqliteLoader {
    pub(super) fn new(store: Arc<SqliteStore>, mode: LoadMode) -> Self {
        Self { store, mode, staged: Staged::default(), bytes: 0, merged: Batch::default() }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        if self.staged.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let staged = std::mem::take(&mut self.staged);
        self.staged = self.store.ask(|done| Request::Stage { staged, done }).await?;
        Ok(())
    }
}

impl Loader for SqliteLoader {
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
            self.bytes += body.len();
            self.staged.rows.push(StagedRow { table: table.clone(), key, body, entries: index });
            if self.staged.rows.len() >= STAGE_ROWS || self.bytes >= STAGE_BYTES {
                self.flush().await?;
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, Result<u64, StoreError>> {
        Box::pin(async move {
            self.flush().await?;
            let merged = plan::prepare(std::mem::take(&mut self.merged))?;
            let (picked, keep) = match self.mode.clone() {
                LoadMode::Merge => (None, Vec::new()),
                LoadMode::Replace { picked, keep } => (Some(picked), keep),
            };
            // Not taken: were it lost on the way, dropping this would clean up.
            let swap = Box::new(Swap { picked, keep, staged: self.staged.ids.clone(), merged });
            let revision = self.store.ask(|done| Request::Swap { swap, done }).await?;
            self.staged.ids.clear();
            Ok(revision)
        })
    }
}

impl Drop for SqliteLoader {
    fn drop(&mut self) {
        let ids: Vec<i64> = self.staged.ids.drain().map(|(_, id)| id).collect();
        if !ids.is_empty() {
            // Where the writer is too busy to listen, the next start does it.
            let _ = self.store.writer.try_send(Request::Abandon { ids });
        }
    }
}
