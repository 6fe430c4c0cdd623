//! The bytes of objects, for saved states: by the names under which rows refer to them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use standin_core::BodySource;
use standin_model::Document;
use standin_store::{Batch, Scan, Selector, Space, StoreError, Table};

use crate::blob::{BlobId, BlobWriter};
use crate::object::{Content, Object, Part};
use crate::rows::{self, Of};
use crate::storage::{ObjectStorage, manifest_parts};

/// The setting that holds a bucket's tags.
const TAGGING: &str = "tagging";
/// Rows that are removed at once.
const PAGE_ROWS: usize = 1000;

impl ObjectStorage {
    /// The blobs that the rows of some accounts refer to, with their lengths in bytes, each once.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn referred(&self, picked: &Selector) -> Result<Vec<(BlobId, u64)>, StoreError> {
        let mut found: Vec<(BlobId, u64)> = Vec::new();
        if picked.service.as_deref().is_some_and(|service| service != rows::SERVICE) {
            return Ok(found);
        }
        let picked = Selector { service: Some(rows::SERVICE.to_owned()), ..picked.clone() };
        for table in self.store.tables(&picked).await? {
            let holds = |of: Of| table.name.starts_with(of.prefix());
            if holds(Of::Objects) || holds(Of::Versions) {
                self.each(&table, |row| {
                    let object = Object::from_document(row);
                    if let Content::Blob(id) = object.content {
                        found.push((id, object.size));
                    }
                })
                .await?;
            } else if holds(Of::Parts) {
                self.each(&table, |row| {
                    let part = Part::from_document(row);
                    found.push((part.blob, part.size));
                })
                .await?;
            } else if holds(Of::Manifests) {
                let parts = |row: &_| manifest_parts(row).into_iter().map(|part| (part.blob, part.size));
                self.each(&table, |row| found.extend(parts(row))).await?;
            }
        }
        found.sort();
        found.dedup_by(|one, other| one.0 == other.0);
        Ok(found)
    }

    /// Reads a blob from its beginning.
    ///
    /// # Errors
    /// When there is none of that name.
    pub async fn read_blob(&self, id: &BlobId, size: u64) -> io::Result<Box<dyn BodySource>> {
        self.blobs.read(id, 0..size).await
    }

    /// Writes a blob under the name that rows of a saved state refer to it by.
    pub fn restore_blob(&self, id: BlobId) -> Box<dyn BlobWriter> {
        self.blobs.restore(id)
    }

    /// Keeps blobs from now on even where no row refers to them any more: an earlier state may be put back.
    pub fn keep_blobs(&self) {
        self.keeps.store(true, Ordering::Release);
    }

    /// Lets nothing be swept while it is held: while blobs are restored whose rows follow.
    pub async fn hold(self: &Arc<Self>) -> impl Send + use<> {
        self.settling().await
    }

    /// Removes the buckets that have a tag, with everything in them; without a value, whatever the tag's is. How many.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn forget_tagged(&self, picked: &Selector, key: &str, value: Option<&str>) -> Result<u64, StoreError> {
        if picked.service.as_deref().is_some_and(|service| service != rows::SERVICE) {
            return Ok(0);
        }
        let picked = Selector { service: Some(rows::SERVICE.to_owned()), ..picked.clone() };
        let mut count = 0;
        for table in self.store.tables(&picked).await? {
            let Some(bucket) = table.name.strip_prefix(Of::Settings.prefix()) else { continue };
            let Some(row) = self.store.get(&table, TAGGING).await? else { continue };
            let tags = row
                .body
                .get("Value")
                .and_then(|value| value.get("TagSet"))
                .and_then(Document::as_list)
                .unwrap_or_default();
            let text =
                |tag: &Document, name: &str| tag.get(name).and_then(Document::as_str).unwrap_or_default().to_owned();
            let tagged =
                |tag: &Document| text(tag, "Key") == key && value.is_none_or(|value| text(tag, "Value") == value);
            if tags.iter().any(tagged) {
                self.forget_bucket(&table.space, bucket).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    /// Removes a bucket's rows, its own last: what a crash leaves can be forgotten again.
    async fn forget_bucket(&self, space: &Space, bucket: &str) -> Result<(), StoreError> {
        for of in [Of::Objects, Of::Versions, Of::Manifests, Of::Uploads, Of::Parts] {
            self.empty(&rows::table(space, of, bucket)).await?;
        }
        let mut batch = Batch::default();
        batch.delete(&rows::buckets(space), bucket);
        self.store.commit(batch).await?;
        self.empty(&rows::table(space, Of::Settings, bucket)).await
    }

    async fn empty(&self, table: &Table) -> Result<(), StoreError> {
        loop {
            let rows = self.store.scan(table, Scan { prefix: "", after: None, limit: PAGE_ROWS }).await?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for row in rows {
                batch.delete(table, row.key);
            }
            self.store.commit(batch).await?;
        }
    }
}
