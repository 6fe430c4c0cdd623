//! The storage as a whole, and what one account sees of it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use standin_core::OperationError;
use standin_model::Timestamp;
use standin_store::{Batch, Scan, Selector, Space, Store, StoreError, Table};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, broadcast};

use crate::blob::{BlobId, BlobStore};
use crate::bucket::Bucket;
use crate::input::Input;
use crate::object::{Content, Object, Part};
use crate::rows::{self, Of};

/// How many events wait for a slow subscriber; it is told how many it lost.
const EVENTS_KEPT: usize = 1024;
/// How many rows are looked at at once where all are.
const PAGE_ROWS: usize = 1000;

/// An object was written or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectEvent {
    pub kind: ObjectEventKind,
    pub account: Arc<str>,
    pub bucket: String,
    pub key: String,
    pub version: Option<String>,
    /// In bytes; 0 where it was removed.
    pub size: u64,
    /// Without quotes; empty where it was removed.
    pub etag: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectEventKind {
    Written,
    Removed,
}

/// Buckets and objects of all accounts: rows in a store, bytes in a blob store.
#[derive(Debug)]
pub struct ObjectStorage {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    /// Held for reading from when a blob is whole until a row refers to it, and for writing while blobs are swept.
    settling: Arc<RwLock<()>>,
    /// Whether blobs stay that no row refers to.
    pub(crate) keeps: AtomicBool,
    events: broadcast::Sender<ObjectEvent>,
}

impl ObjectStorage {
    pub fn new(store: Arc<dyn Store>, blobs: Arc<dyn BlobStore>) -> Self {
        Self {
            store,
            blobs,
            settling: Arc::default(),
            keeps: AtomicBool::new(false),
            events: broadcast::Sender::new(EVENTS_KEPT),
        }
    }

    /// Keeps blobs from being swept: taken before a blob is whole, let go when a row refers to it.
    pub(crate) async fn settling(&self) -> OwnedRwLockReadGuard<()> {
        self.settling.clone().read_owned().await
    }

    /// What an account sees, at a time.
    pub fn account(self: &Arc<Self>, account: &Arc<str>, now: Timestamp) -> Account {
        Account { storage: self.clone(), account: account.clone(), space: rows::space(account), now }
    }

    /// Events from now on. Who is too slow loses the oldest and is told so.
    pub fn subscribe(&self) -> broadcast::Receiver<ObjectEvent> {
        self.events.subscribe()
    }

    pub(crate) fn tell(&self, event: ObjectEvent) {
        // Nobody listening is no error.
        let _ = self.events.send(event);
    }

    /// Removes blobs that a crash left behind, where there may be any. To be called before the first request.
    ///
    /// # Errors
    /// When the store or the blobs cannot be read.
    pub async fn recover(&self) -> Result<(), OperationError> {
        if self.blobs.needs_sweep() {
            self.reopen_buckets().await.map_err(OperationError::internal)?;
            self.sweep().await?;
        }
        Ok(())
    }

    /// Brings back the buckets that were being deleted when a crash came.
    async fn reopen_buckets(&self) -> Result<(), StoreError> {
        for table in self.tables().await?.into_iter().filter(rows::is_buckets) {
            let mut batch = Batch::default();
            let rows = self.store.scan(&table, Scan { prefix: "", after: None, limit: usize::MAX }).await?;
            for row in rows {
                if let Some(reopened) = Bucket::from_row(&row).reopened() {
                    batch.put(&table, row.key, reopened, []);
                }
            }
            if !batch.is_empty() {
                self.store.commit(batch).await?;
            }
        }
        Ok(())
    }

    /// All tables of S3, of all accounts.
    async fn tables(&self) -> Result<Vec<Table>, StoreError> {
        let all = Selector { service: Some(rows::SERVICE.to_owned()), ..Selector::default() };
        self.store.tables(&all).await
    }

    /// Removes every blob that no row refers to: after rows were dropped from the store directly. Holds up writers. How
    /// many were removed.
    ///
    /// # Errors
    /// When the store or the blobs cannot be read.
    pub async fn sweep(&self) -> Result<u64, OperationError> {
        if self.keeps.load(Ordering::Acquire) {
            return Ok(0);
        }
        let _alone = self.settling.write().await;
        let mut kept = HashSet::new();
        for table in self.tables().await.map_err(OperationError::internal)? {
            let holds = |of: Of| table.name.starts_with(of.prefix());
            if holds(Of::Objects) || holds(Of::Versions) {
                self.each(&table, |row| {
                    if let Content::Blob(id) = Object::from_document(row).content {
                        kept.insert(id);
                    }
                })
                .await
                .map_err(OperationError::internal)?;
            } else if holds(Of::Parts) {
                let note = |row: &_| kept.extend([Part::from_document(row).blob]);
                self.each(&table, note).await.map_err(OperationError::internal)?;
            } else if holds(Of::Manifests) {
                let note = |row: &_| kept.extend(manifest_parts(row).into_iter().map(|part| part.blob));
                self.each(&table, note).await.map_err(OperationError::internal)?;
            }
        }
        let removed = self.blobs.sweep(kept).await.map_err(OperationError::internal)?;
        if removed > 0 {
            tracing::info!(removed, "removed blobs that nothing refers to");
        }
        Ok(removed)
    }

    pub(crate) async fn each(
        &self,
        table: &Table,
        mut look: impl FnMut(&standin_model::Document),
    ) -> Result<(), StoreError> {
        let mut after: Option<Arc<str>> = None;
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE_ROWS };
            let page = self.store.scan(table, scan).await?;
            page.iter().for_each(|row| look(&row.body));
            match page.last() {
                Some(last) if page.len() == PAGE_ROWS => after = Some(last.key.clone()),
                _ => return Ok(()),
            }
        }
    }
}

/// The parts that a manifest lists.
pub(crate) fn manifest_parts(row: &standin_model::Document) -> Vec<Part> {
    Input::new(row).list("Parts").iter().map(Part::from_document).collect()
}

/// What one account sees at the time of one call.
#[derive(Clone, Debug)]
pub struct Account {
    pub(crate) storage: Arc<ObjectStorage>,
    pub(crate) account: Arc<str>,
    pub(crate) space: Space,
    pub(crate) now: Timestamp,
}

impl Account {
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.storage.store
    }

    pub(crate) fn table(&self, of: Of, bucket: &str) -> Table {
        rows::table(&self.space, of, bucket)
    }

    /// Removes blobs that no row refers to any more. Never fails: what is left is swept later.
    pub(crate) async fn free(&self, blobs: Vec<BlobId>) {
        if !blobs.is_empty() && !self.storage.keeps.load(Ordering::Acquire) {
            self.storage.blobs.delete(blobs).await;
        }
    }
}
