//! The bytes of objects, for saved states: by the names under which rows refer to them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use standin_core::BodySource;
use standin_store::{Selector, StoreError};

use crate::blob::{BlobId, BlobWriter};
use crate::object::{Content, Object, Part};
use crate::rows::{self, Of};
use crate::storage::{ObjectStorage, manifest_parts};

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
}
