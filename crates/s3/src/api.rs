//! What other engines use: objects by bucket and key, without requests.

use bytes::Bytes;
use standin_core::{BodySource, BoxFuture, OperationError};
use standin_model::{Fields, Timestamp};
use standin_store::Scan;
use standin_wire::checksum::Algorithm;

use crate::conditions::WriteConditions;
use crate::object::{Content, Object};
use crate::rows::{self, Of};
use crate::storage::Account;
use crate::versions::Removal;

/// What is known of one version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    pub key: String,
    /// `None` where the bucket kept no versions when it was written.
    pub version: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Without quotes.
    pub etag: String,
    pub modified: Timestamp,
    pub content_type: Option<String>,
}

impl ObjectInfo {
    fn new(key: String, object: &Object) -> Self {
        Self {
            key,
            version: object.version.clone(),
            size: object.size,
            etag: object.etag.clone(),
            modified: object.modified,
            content_type: object.header("ContentType").map(str::to_owned),
        }
    }
}

/// An object and its bytes.
pub struct OpenObject {
    pub info: ObjectInfo,
    pub body: Box<dyn BodySource>,
}

impl std::fmt::Debug for OpenObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OpenObject").field("info", &self.info).finish_non_exhaustive()
    }
}

impl OpenObject {
    /// The whole body, where it is at most so long.
    ///
    /// # Errors
    /// `EntityTooLarge`; when the bytes cannot be read.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Bytes, OperationError> {
        if self.info.size > bytes_max as u64 {
            let message = format!("{} has {} bytes, more than {bytes_max}", self.info.key, self.info.size);
            return Err(crate::error::refused("EntityTooLarge", 400, message));
        }
        let mut whole = Vec::with_capacity(usize::try_from(self.info.size).unwrap_or(bytes_max));
        while let Some(piece) = self.body.next().await {
            whole.extend_from_slice(&piece.map_err(OperationError::internal)?);
        }
        Ok(whole.into())
    }
}

/// A body of bytes that are all there.
pub fn body_of(bytes: impl Into<Bytes>) -> Box<dyn BodySource> {
    Box::new(Whole(bytes.into()))
}

struct Whole(Bytes);

impl BodySource for Whole {
    fn next(&mut self) -> BoxFuture<'_, Option<std::io::Result<Bytes>>> {
        let bytes = std::mem::take(&mut self.0);
        Box::pin(std::future::ready((!bytes.is_empty()).then_some(Ok(bytes))))
    }

    fn length(&self) -> Option<u64> {
        Some(self.0.len() as u64)
    }
}

impl Account {
    /// Opens an object: the version that is named, else the newest.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`.
    pub async fn get(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<OpenObject, OperationError> {
        let bucket = self.bucket(bucket).await?;
        let object = self.object(&bucket.name, key, version).await?.object;
        let body = self.open(&bucket.name, &object.content, 0..object.size).await?;
        Ok(OpenObject { info: ObjectInfo::new(key.to_owned(), &object), body })
    }

    /// What is known of an object.
    ///
    /// # Errors
    /// As [`Account::get`].
    pub async fn head(&self, bucket: &str, key: &str, version: Option<&str>) -> Result<ObjectInfo, OperationError> {
        let bucket = self.bucket(bucket).await?;
        let object = self.object(&bucket.name, key, version).await?.object;
        Ok(ObjectInfo::new(key.to_owned(), &object))
    }

    /// Writes an object.
    ///
    /// # Errors
    /// `NoSuchBucket`; what reading the body ends in.
    pub async fn put(
        &self,
        bucket: &str,
        key: &str,
        body: Box<dyn BodySource>,
        content_type: Option<&str>,
    ) -> Result<ObjectInfo, OperationError> {
        crate::write::check_key(key)?;
        let bucket = self.bucket(bucket).await?;
        let received = self.receive(Some(body), &[Algorithm::Crc64Nvme]).await?;
        let mut headers = Fields::new();
        if let Some(content_type) = content_type {
            headers.push("ContentType", content_type.to_owned());
        }
        headers.push("ServerSideEncryption", "AES256");
        let object = Object {
            size: received.digested.size,
            etag: received.digested.md5.clone(),
            checksums: received.checksums(),
            content: Content::Blob(received.blob.clone()),
            headers,
            ..Object::default()
        };
        match self.install(&bucket.name, key, &object, WriteConditions::default(), |_| {}).await {
            Ok(installed) => Ok(ObjectInfo::new(key.to_owned(), &installed)),
            Err(error) => {
                self.free(vec![received.blob]).await;
                Err(error)
            }
        }
    }

    /// The objects whose keys begin with a prefix, in order: at most so many, after a key.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ObjectInfo>, OperationError> {
        let bucket = self.bucket(bucket).await?;
        let (prefix, after) = (rows::escape(prefix), after.map(rows::escape));
        let scan = Scan { prefix: &prefix, after: after.as_deref(), limit };
        let page = self.store().scan(&self.table(Of::Objects, &bucket.name), scan).await;
        let page = page.map_err(OperationError::internal)?;
        let info =
            |row: &standin_store::Row| ObjectInfo::new(rows::unescape(&row.key), &Object::from_document(&row.body));
        Ok(page.iter().map(info).collect())
    }

    /// Removes an object; behind a delete marker where the bucket keeps versions. One that is not there is no error.
    ///
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<(), OperationError> {
        let conditions = WriteConditions::default();
        self.remove(bucket, Removal { key, version: None, bypass_governance: false, conditions }).await?;
        Ok(())
    }
}
