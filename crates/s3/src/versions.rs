//! How versions of an object come, move and go. `objects` has the newest version unless that is a delete marker; what
//! is older, and all delete markers, are in `versions`.

use standin_core::{Dice, OperationError};
use standin_store::{Batch, IndexEntry, Row, Scan};

use crate::blob::BlobId;
use crate::bucket::{Bucket, Versioning};
use crate::conditions::WriteConditions;
use crate::error::{Fail, invalid_argument, no_such_key, no_such_version, until_settled};
use crate::lock;
use crate::object::{Content, Object};
use crate::rows::{self, Of, VERSION_INDEX};
use crate::storage::{Account, ObjectEvent, ObjectEventKind, manifest_parts};

/// A version as it lies in the store.
pub(crate) struct Stored {
    pub(crate) object: Object,
    /// Of its row.
    pub(crate) revision: u64,
    /// Its row is in `objects`.
    pub(crate) current: bool,
}

/// What a change left without a reference.
type Freed = Vec<BlobId>;

/// What came of a deletion.
#[derive(Default)]
pub(crate) struct Removed {
    /// The version that was removed, or the delete marker that was made.
    pub(crate) version: Option<String>,
    /// That is a delete marker.
    pub(crate) marker: bool,
}

/// Which version is to be removed, and under which conditions.
pub(crate) struct Removal<'r> {
    pub(crate) key: &'r str,
    pub(crate) version: Option<&'r str>,
    pub(crate) bypass_governance: bool,
    pub(crate) conditions: WriteConditions<'r>,
}

impl Account {
    /// The newest version of an object; `None` where there is none or it was deleted.
    pub(crate) async fn current(&self, bucket: &str, key: &str) -> Result<Option<Stored>, OperationError> {
        Ok(self.try_current(bucket, key).await?)
    }

    async fn try_current(&self, bucket: &str, key: &str) -> Result<Option<Stored>, Fail> {
        let row = self.store().get(&self.table(Of::Objects, bucket), &rows::escape(key)).await?;
        Ok(row.map(|row| Stored { object: Object::from_document(&row.body), revision: row.version, current: true }))
    }

    /// A version by its name, `null` included.
    async fn try_version(&self, bucket: &str, key: &str, version: &str) -> Result<Option<Stored>, Fail> {
        let wanted = (version != "null").then_some(version);
        if let Some(stored) = self.try_current(bucket, key).await?
            && stored.object.version.as_deref() == wanted
        {
            return Ok(Some(stored));
        }
        let table = self.table(Of::Versions, bucket);
        let entry = rows::version_entry(key, wanted);
        let found = self.store().find(&table, VERSION_INDEX, &entry, None, 1).await?;
        Ok(found.first().map(|row| Stored {
            object: Object::from_document(&row.body),
            revision: row.version,
            current: false,
        }))
    }

    /// The newest of the rows in `versions`.
    async fn newest_older(&self, bucket: &str, key: &str) -> Result<Option<Row>, Fail> {
        let prefix = rows::row_prefix(key);
        let scan = Scan { prefix: &prefix, after: None, limit: 1 };
        Ok(self.store().scan(&self.table(Of::Versions, bucket), scan).await?.into_iter().next())
    }

    /// The version that a request means: the one that it names, else the newest.
    ///
    /// # Errors
    /// `NoSuchKey`, `NoSuchVersion`; `MethodNotAllowed` for a delete marker that was named.
    pub(crate) async fn object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Stored, OperationError> {
        let Some(version) = version else {
            if let Some(stored) = self.current(bucket, key).await? {
                return Ok(stored);
            }
            let marker = self.newest_older(bucket, key).await?.map(|row| Object::from_document(&row.body));
            let mut error = no_such_key(key);
            if let Some(marker) = marker {
                error = error.with_header("x-amz-delete-marker", "true");
                error = error.with_header("x-amz-version-id", marker.version_name());
            }
            return Err(error);
        };
        check_version(version)?;
        match self.try_version(bucket, key, version).await? {
            Some(stored) if stored.object.marker => Err(crate::error::method_not_allowed()
                .with_header("x-amz-delete-marker", "true")
                .with_header("last-modified", stored.object.modified.to_http_date())
                .with_header("allow", "DELETE")),
            Some(stored) => Ok(stored),
            None => Err(no_such_version(key, version)),
        }
    }

    /// Puts an object in the place of the newest version. Tells subscribers. The object as it was stored.
    ///
    /// `also` adds what belongs to the same change. On an error the object's content is still the caller's.
    pub(crate) async fn install(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        conditions: WriteConditions<'_>,
        also: impl Fn(&mut Batch),
    ) -> Result<Object, OperationError> {
        let (object, freed) = until_settled!(self.try_install(bucket, key, object, conditions, &also))?;
        self.free(freed).await;
        self.tell(ObjectEventKind::Written, bucket, key, &object);
        Ok(object)
    }

    async fn try_install(
        &self,
        bucket: &str,
        key: &str,
        object: &Object,
        conditions: WriteConditions<'_>,
        also: &impl Fn(&mut Batch),
    ) -> Result<(Object, Freed), Fail> {
        let bucket = self.bucket(bucket).await?;
        let current = self.try_current(&bucket.name, key).await?;
        conditions.check(key, current.as_ref().map(|stored| &stored.object))?;
        let mut batch = self.batch(&bucket);
        let mut object = Object { modified: self.now, marker: false, ..object.clone() };
        let freed = self.make_room(&bucket, key, current, &mut object, &mut batch).await?;
        let table = self.table(Of::Objects, &bucket.name);
        batch.put(&table, &*rows::escape(key), object.to_document(), []);
        also(&mut batch);
        self.store().commit(batch).await?;
        Ok((object, freed))
    }

    /// A batch that holds only while the bucket stays as it is.
    pub(crate) fn batch(&self, bucket: &Bucket) -> Batch {
        let mut batch = Batch::default();
        batch.check(&rows::buckets(&self.space), &*bucket.name, Some(bucket.revision));
        batch
    }

    /// Moves what a new version takes the place of, and gives it number and name. Its own row is the caller's to put.
    async fn make_room(
        &self,
        bucket: &Bucket,
        key: &str,
        current: Option<Stored>,
        new: &mut Object,
        batch: &mut Batch,
    ) -> Result<Freed, Fail> {
        let objects = self.table(Of::Objects, &bucket.name);
        batch.check(&objects, &*rows::escape(key), current.as_ref().map(|stored| stored.revision));
        if bucket.versioning == Versioning::Off {
            new.number = 1;
            new.version = None;
            return match current {
                Some(stored) => self.let_go(&bucket.name, stored.object.content, batch).await,
                None => Ok(Vec::new()),
            };
        }
        let versions = self.table(Of::Versions, &bucket.name);
        let before = match &current {
            Some(stored) => stored.object.number,
            None => match self.newest_older(&bucket.name, key).await? {
                Some(row) => Object::from_document(&row.body).number,
                None => 0,
            },
        };
        new.number = before + 1;
        batch.check(&versions, rows::version_row(key, new.number), None);
        let mut freed = Vec::new();
        if bucket.versioning == Versioning::Enabled {
            new.version = Some(self.version_id(&bucket.name, key, new.number));
        } else {
            new.version = None;
            let null = rows::version_entry(key, None);
            for row in self.store().find(&versions, VERSION_INDEX, &null, None, 1).await? {
                batch.check(&versions, row.key.clone(), Some(row.version));
                batch.delete(&versions, row.key);
                freed = self.let_go(&bucket.name, Object::from_document(&row.body).content, batch).await?;
            }
        }
        if let Some(stored) = current {
            if bucket.versioning == Versioning::Suspended && stored.object.version.is_none() {
                freed.extend(self.let_go(&bucket.name, stored.object.content, batch).await?);
            } else {
                self.put_version(&bucket.name, key, &stored.object, batch);
            }
        }
        Ok(freed)
    }

    /// Adds a row to `versions`.
    fn put_version(&self, bucket: &str, key: &str, object: &Object, batch: &mut Batch) {
        let entry = IndexEntry::new(VERSION_INDEX, rows::version_entry(key, object.version.as_deref()));
        let row = rows::version_row(key, object.number);
        batch.put(&self.table(Of::Versions, bucket), row, object.to_document(), [entry]);
    }

    /// Puts a changed version back where it lies.
    pub(crate) fn put_back(&self, bucket: &str, key: &str, stored: &Stored, batch: &mut Batch) {
        if stored.current {
            let (table, row) = (self.table(Of::Objects, bucket), rows::escape(key));
            batch.check(&table, &*row, Some(stored.revision));
            batch.put(&table, &*row, stored.object.to_document(), []);
        } else {
            let row = rows::version_row(key, stored.object.number);
            batch.check(&self.table(Of::Versions, bucket), row, Some(stored.revision));
            self.put_version(bucket, key, &stored.object, batch);
        }
    }

    /// Changes what is known of a version.
    ///
    /// # Errors
    /// As [`Account::object`], and those of the change.
    pub(crate) async fn change_object(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        change: impl Fn(&mut Object) -> Result<(), OperationError>,
    ) -> Result<Object, OperationError> {
        until_settled!(async {
            let bucket = self.bucket(bucket).await?;
            let mut stored = self.object(&bucket.name, key, version).await?;
            change(&mut stored.object)?;
            let mut batch = self.batch(&bucket);
            self.put_back(&bucket.name, key, &stored, &mut batch);
            self.store().commit(batch).await?;
            Ok::<_, Fail>(stored.object)
        })
    }

    /// The blobs of a version that goes; its manifest goes too.
    async fn let_go(&self, bucket: &str, content: Content, batch: &mut Batch) -> Result<Freed, Fail> {
        match content {
            Content::Nothing => Ok(Vec::new()),
            Content::Blob(id) => Ok(vec![id]),
            Content::Parts(manifest, _) => {
                let table = self.table(Of::Manifests, bucket);
                let row = self.store().get(&table, &manifest).await?;
                batch.delete(&table, manifest);
                let parts = row.map(|row| manifest_parts(&row.body)).unwrap_or_default();
                Ok(parts.into_iter().map(|part| part.blob).collect())
            }
        }
    }

    /// Removes a version, or the object, behind a delete marker where the bucket keeps versions.
    pub(crate) async fn remove(&self, bucket: &str, removal: Removal<'_>) -> Result<Removed, OperationError> {
        if let Some(version) = removal.version {
            check_version(version)?;
        }
        let (removed, freed) = until_settled!(self.try_remove(bucket, &removal))?;
        self.free(freed).await;
        let gone = Object { version: removed.version.clone(), ..Object::default() };
        self.tell(ObjectEventKind::Removed, bucket, removal.key, &gone);
        Ok(removed)
    }

    async fn try_remove(&self, bucket: &str, removal: &Removal<'_>) -> Result<(Removed, Freed), Fail> {
        let bucket = self.bucket(bucket).await?;
        match removal.version {
            Some(version) => self.try_remove_version(&bucket, removal, version).await,
            None => self.try_remove_current(&bucket, removal).await,
        }
    }

    async fn try_remove_current(&self, bucket: &Bucket, removal: &Removal<'_>) -> Result<(Removed, Freed), Fail> {
        let key = removal.key;
        let current = self.try_current(&bucket.name, key).await?;
        removal.conditions.check(key, current.as_ref().map(|stored| &stored.object))?;
        let there = current.is_some();
        if bucket.versioning == Versioning::Off && !there {
            return Ok((Removed::default(), Vec::new()));
        }
        let mut batch = self.batch(bucket);
        let mut marker = Object { marker: true, modified: self.now, ..Object::default() };
        let freed = self.make_room(bucket, key, current, &mut marker, &mut batch).await?;
        if there {
            batch.delete(&self.table(Of::Objects, &bucket.name), &*rows::escape(key));
        }
        let mut removed = Removed::default();
        if bucket.versioning != Versioning::Off {
            self.put_version(&bucket.name, key, &marker, &mut batch);
            removed = Removed { version: Some(marker.version_name().to_owned()), marker: true };
        }
        self.store().commit(batch).await?;
        Ok((removed, freed))
    }

    async fn try_remove_version(
        &self,
        bucket: &Bucket,
        removal: &Removal<'_>,
        version: &str,
    ) -> Result<(Removed, Freed), Fail> {
        let key = removal.key;
        let Some(stored) = self.try_version(&bucket.name, key, version).await? else {
            return Ok((Removed { version: Some(version.to_owned()), marker: false }, Vec::new()));
        };
        removal.conditions.check(key, Some(&stored.object))?;
        lock::allow_removal(&stored.object, self.now, removal.bypass_governance)?;
        let (objects, versions) = (self.table(Of::Objects, &bucket.name), self.table(Of::Versions, &bucket.name));
        let mut batch = self.batch(bucket);
        let row = rows::version_row(key, stored.object.number);
        let next = if stored.current {
            batch.check(&objects, &*rows::escape(key), Some(stored.revision));
            batch.delete(&objects, &*rows::escape(key));
            self.newest_older(&bucket.name, key).await?
        } else {
            batch.check(&versions, &*row, Some(stored.revision));
            batch.delete(&versions, &*row);
            self.after_marker(bucket, key, &row, &mut batch).await?
        };
        // What is the newest from now on moves to where the newest are.
        if let Some(next) = next {
            batch.check(&versions, next.key.clone(), Some(next.version));
            if !Object::from_document(&next.body).marker {
                batch.delete(&versions, next.key);
                batch.put(&objects, &*rows::escape(key), next.body, []);
            }
        }
        let freed = self.let_go(&bucket.name, stored.object.content, &mut batch).await?;
        self.store().commit(batch).await?;
        Ok((Removed { version: Some(version.to_owned()), marker: stored.object.marker }, freed))
    }

    /// The row after the one that goes, where that was the newest of all: a delete marker on top.
    async fn after_marker(
        &self,
        bucket: &Bucket,
        key: &str,
        row: &str,
        batch: &mut Batch,
    ) -> Result<Option<Row>, Fail> {
        let objects = self.table(Of::Objects, &bucket.name);
        if self.store().get(&objects, &rows::escape(key)).await?.is_some() {
            return Ok(None);
        }
        let prefix = rows::row_prefix(key);
        let scan = Scan { prefix: &prefix, after: None, limit: 2 };
        let newest = self.store().scan(&self.table(Of::Versions, &bucket.name), scan).await?;
        let mut newest = newest.into_iter();
        if newest.next().is_none_or(|first| *first.key != *row) {
            return Ok(None);
        }
        batch.check(&objects, &*rows::escape(key), None);
        Ok(newest.next())
    }

    /// 32 characters, as AWS's are: the same for the same history.
    fn version_id(&self, bucket: &str, key: &str, number: u64) -> String {
        let mut seed = Dice::new(0).key("version id");
        seed.text(&self.account).text(bucket).text(key).number(number).number(self.now.as_millis().cast_unsigned());
        alphanumeric(&mut seed.draw(), VERSION_ID_CHARS)
    }

    fn tell(&self, kind: ObjectEventKind, bucket: &str, key: &str, object: &Object) {
        self.storage.tell(ObjectEvent {
            kind,
            account: self.account.clone(),
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version: object.version.clone(),
            size: object.size,
            etag: object.etag.clone(),
        });
    }
}

const VERSION_ID_CHARS: usize = 32;

pub(crate) fn alphanumeric(draw: &mut standin_core::Draw, chars: usize) -> String {
    const CHARS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    (0..chars).map(|_| CHARS[draw.below(62) as usize] as char).collect()
}

/// Whether a text can be the name of a version at all.
fn check_version(version: &str) -> Result<(), OperationError> {
    let plausible = version.len() == VERSION_ID_CHARS && version.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plausible || version == "null" {
        return Ok(());
    }
    let message =
        if version.is_empty() { "Version id cannot be the empty string" } else { "Invalid version id specified" };
    Err(invalid_argument("versionId", version, message))
}
