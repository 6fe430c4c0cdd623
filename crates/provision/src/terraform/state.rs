//! Terraform's states, by the protocol of its HTTP backend: read, written, deleted, locked and unlocked.
//!
//! A state is a row that knows its versions and its lock, and pieces of bytes. Every change checks the version of that row, so
//! of two clients one is first, on one server or on several with one store. A write is one batch: there in full, or not at all.
//!
//! Source: Terraform's documentation of the `http` backend, and what its client sends and takes.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use standin_model::{Document, Fields, Timestamp};
use standin_store::{Batch, Row, Scan, Selector, Store, StoreError};

use super::address::{self, Address};
use super::record::{self, Head, Lock, Record, Version};

/// The longest state, in bytes.
pub const STATE_BYTES_MAX: usize = 64 << 20;
/// How many versions of a state are kept.
pub const VERSIONS_KEPT: usize = 20;
/// A row of pieces holds so many bytes, before they are compressed.
const PIECE_BYTES: usize = 1 << 20;
/// How often a change is decided anew where others are faster.
const ATTEMPTS_MAX: usize = 1000;
/// Rows that a list looks at in one go.
const PAGE_ROWS: usize = 100;

/// Why nothing came of a request.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Somebody holds the lock: what the holder told, as JSON.
    #[error("the state is locked; `terraform force-unlock` takes the lock away, where its holder is gone")]
    Locked { holder: String },
    /// The lock that a client names is not the one that is held now.
    #[error("{why}")]
    LockLost { why: String, holder: Option<String> },
    /// Something is wrong with what was sent.
    #[error("{0}")]
    Invalid(String),
    #[error("a state has {STATE_BYTES_MAX} bytes at most")]
    TooLong,
    #[error("there is no {0}")]
    Missing(String),
    #[error("the state could not be kept or read")]
    Store(#[from] StoreError),
}

/// What of a state is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    pub address: Address,
    pub record: Record,
}

/// All states of a store.
#[derive(Clone, Debug)]
pub struct States {
    store: Arc<dyn Store>,
}

impl States {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    async fn row(&self, address: &Address) -> Result<(Record, Option<u64>), StateError> {
        match self.store.get(&address.records(), &address.key).await? {
            None => Ok((Record::default(), None)),
            Some(row) => Ok((of_row(&row)?, Some(row.version))),
        }
    }

    /// What is known of a state; `None` where there never was one.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn record(&self, address: &Address) -> Result<Option<Record>, StateError> {
        self.row(address).await.map(|(record, version)| version.map(|_| record))
    }

    /// Decides about a record until nobody was faster. `decide` says what is to be written beside the record; `None` where all is
    /// as it should be.
    async fn change<T>(
        &self,
        address: &Address,
        mut decide: impl FnMut(&mut Record, &mut Batch) -> Result<Option<T>, StateError>,
    ) -> Result<Option<T>, StateError> {
        for _ in 0..ATTEMPTS_MAX {
            let (mut record, version) = self.row(address).await?;
            let mut batch = Batch::default();
            let Some(done) = decide(&mut record, &mut batch)? else { return Ok(None) };
            let table = address.records();
            batch.check(&table, address.key.as_str(), version);
            if record.versions.is_empty() && record.lock.is_none() {
                batch.delete(&table, address.key.as_str());
            } else {
                let document = record.write().ok_or_else(|| damaged(&address.key))?;
                batch.put(&table, address.key.as_str(), document, []);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(Some(done)),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StateError::Store(StoreError::Conflict))
    }

    /// Takes the lock. Who holds it already may ask again: an answer can be lost. `deployment` marks the lock as one of a run of
    /// standin's own.
    ///
    /// # Errors
    /// [`StateError::Locked`] where another holds it, [`StateError::Invalid`] for a body that is no lock.
    pub async fn lock(
        &self,
        address: &Address,
        body: &[u8],
        deployment: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StateError> {
        let lock = Lock::read(body, deployment, now.as_millis()).map_err(StateError::Invalid)?;
        self.change(address, |record, _| match &record.lock {
            Some(held) if held.id == lock.id => Ok(None),
            Some(held) => Err(StateError::Locked { holder: held.info.clone() }),
            None => {
                record.lock = Some(lock.clone());
                Ok(Some(()))
            }
        })
        .await
        .map(drop)
    }

    /// Lets the lock go. What is not locked is no error: an answer can be lost. A body without an id takes any lock away, as
    /// `terraform force-unlock` sends it.
    ///
    /// # Errors
    /// [`StateError::LockLost`] where another lock is held than the one that is named, [`StateError::Invalid`] for a body that is
    /// no lock.
    pub async fn unlock(&self, address: &Address, body: &[u8]) -> Result<(), StateError> {
        let id = record::unlocked(body).map_err(StateError::Invalid)?;
        self.change(address, |record, _| {
            let Some(held) = &record.lock else { return Ok(None) };
            if id.as_ref().is_some_and(|id| *id != held.id) {
                return Err(lost(&record.lock));
            }
            record.lock = None;
            Ok(Some(()))
        })
        .await
        .map(drop)
    }

    /// Takes away the lock of a run of standin's own that is gone: one that `gone` says so of, by the id of the deployment. Whether
    /// there was one.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn release(&self, address: &Address, gone: impl Fn(&str) -> bool) -> Result<bool, StateError> {
        self.change(address, |record, _| {
            let deployment = record.lock.as_ref().and_then(|lock| lock.deployment.as_deref());
            Ok(deployment.is_some_and(&gone).then(|| record.lock = None))
        })
        .await
        .map(|done| done.is_some())
    }

    /// Writes a new version. `md5` is the digest that the client gave, `lock` the id of the lock that it holds.
    ///
    /// # Errors
    /// Where the state is locked by another or the lock is gone, too long, not what `md5` says, or no state.
    pub async fn write(
        &self,
        address: &Address,
        bytes: Bytes,
        md5: Option<[u8; 16]>,
        lock: Option<&str>,
        now: Timestamp,
    ) -> Result<u64, StateError> {
        if bytes.len() > STATE_BYTES_MAX {
            return Err(StateError::TooLong);
        }
        // Before the work: most are refused here.
        may(&self.row(address).await?.0, lock)?;
        let whole = bytes.clone();
        let prepared = tokio::task::spawn_blocking(move || prepare(&whole, md5)).await;
        let prepared = prepared.map_err(|error| StateError::Invalid(error.to_string()))??;
        let length = bytes.len() as u64;
        let written = self
            .change(address, |record, batch| {
                may(record, lock)?;
                if record.present().is_some_and(|now| now.bytes == length && now.md5 == prepared.md5) {
                    return Ok(None);
                }
                record.last += 1;
                record.current = Some(record.last);
                record.versions.push(Version {
                    number: record.last,
                    bytes: length,
                    md5: prepared.md5.clone(),
                    at_ms: now.as_millis(),
                    head: prepared.head.clone(),
                });
                let pieces = address.pieces();
                for (number, piece) in prepared.pieces.iter().enumerate() {
                    batch.put(&pieces, address.piece(record.last, number), Arc::clone(piece), []);
                }
                let surplus = record.versions.len().saturating_sub(VERSIONS_KEPT);
                for old in record.versions.drain(..surplus) {
                    forget(address, &old, batch);
                }
                Ok(Some(record.last))
            })
            .await?;
        match written {
            Some(number) => Ok(number),
            None => Ok(self.row(address).await?.0.current.unwrap_or_default()),
        }
    }

    /// Writes what a run of standin's own could not write before it ended, unless something as new is there; whether it was
    /// written. The lock of that run, if it is held, is no obstacle; any other is.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn rescue(
        &self,
        address: &Address,
        bytes: Bytes,
        deployment: &str,
        now: Timestamp,
    ) -> Result<bool, StateError> {
        let head = Head::read(&bytes).map_err(StateError::Invalid)?;
        let (record, _) = self.row(address).await?;
        if let Some(present) = record.present()
            && (present.head.lineage != head.lineage || present.head.serial >= head.serial)
        {
            return Ok(false);
        }
        let lock = record.lock.filter(|lock| lock.deployment.as_deref() == Some(deployment)).map(|lock| lock.id);
        self.write(address, bytes, None, lock.as_deref(), now).await.map(|_| true)
    }

    /// Makes a kept version the one that is read, as a new version.
    ///
    /// # Errors
    /// Where there is no such version, or the state is locked.
    pub async fn restore(&self, address: &Address, number: u64, now: Timestamp) -> Result<u64, StateError> {
        let (record, _) = self.row(address).await?;
        let missing = || StateError::Missing(format!("version {number} of {address}"));
        let version = record.version(number).ok_or_else(missing)?;
        let mut whole = Vec::new();
        for piece in 0..pieces_of(version) {
            whole.extend_from_slice(&self.piece(address, number, piece).await?);
        }
        self.write(address, whole.into(), None, None, now).await
    }

    /// Deletes a state. Its versions stay and can be restored, unless all are to go.
    ///
    /// # Errors
    /// Where the state is locked by another.
    pub async fn delete(&self, address: &Address, lock: Option<&str>, all: bool) -> Result<(), StateError> {
        self.change(address, |record, batch| {
            may(record, lock)?;
            if record.current.is_none() && (!all || record.versions.is_empty()) {
                return Ok(None);
            }
            record.current = None;
            if all {
                record.versions.drain(..).for_each(|version| forget(address, &version, batch));
            }
            Ok(Some(()))
        })
        .await
        .map(drop)
    }

    /// A piece of a version, of [`pieces_of`] it.
    ///
    /// # Errors
    /// Where there is none (any more): the version was too old to be kept.
    pub async fn piece(&self, address: &Address, version: u64, number: usize) -> Result<Bytes, StateError> {
        let key = address.piece(version, number);
        let row = self.store.get(&address.pieces(), &key).await?;
        let row = row.ok_or_else(|| StateError::Missing(format!("version {version} of {address}")))?;
        match row.body.get("zstd") {
            Some(Document::Blob(packed)) => {
                zstd::bulk::decompress(packed, PIECE_BYTES).map(Bytes::from).map_err(|_| damaged(&key))
            }
            _ => Err(damaged(&key)),
        }
    }

    /// The states of the spaces that are picked, by account, region and name; those after an address, `limit` at most.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn list(
        &self,
        picked: &Selector,
        prefix: &str,
        after: Option<&Address>,
        limit: usize,
    ) -> Result<Vec<Listed>, StateError> {
        let picked = Selector { service: Some(address::service()), ..picked.clone() };
        let mut found = Vec::new();
        for table in self.store.tables(&picked).await?.into_iter().filter(|table| &*table.name == address::RECORDS) {
            let (account, region) = (&*table.space.account, &*table.space.region);
            let mut from = match after {
                Some(after) => match (account, region).cmp(&(&after.account, &after.region)) {
                    Ordering::Less => continue,
                    Ordering::Equal => Some(after.key.clone()),
                    Ordering::Greater => None,
                },
                None => None,
            };
            loop {
                let rows = self
                    .store
                    .scan(&table, Scan { prefix, after: from.as_deref(), limit: PAGE_ROWS.min(limit - found.len()) })
                    .await?;
                for row in &rows {
                    let (account, region) = (account.to_owned(), region.to_owned());
                    let address = Address { account, region, key: row.key.to_string() };
                    found.push(Listed { address, record: of_row(row)? });
                }
                if found.len() == limit {
                    return Ok(found);
                }
                match rows.last() {
                    Some(last) => from = Some(last.key.to_string()),
                    None => break,
                }
            }
        }
        Ok(found)
    }
}

/// How many pieces a version has.
pub fn pieces_of(version: &Version) -> usize {
    usize::try_from(version.bytes).unwrap_or(usize::MAX).div_ceil(PIECE_BYTES)
}

/// What a client is shown of a state.
pub fn shown(listed: &Listed) -> Value {
    let Listed { address, record } = listed;
    let version = |version: &Version| {
        let mut shown = json!(version);
        shown["at"] = Timestamp::from_millis(version.at_ms).to_date_time().into();
        shown
    };
    let versions: Vec<Value> = record.versions.iter().rev().map(version).collect();
    json!({
        "account": address.account,
        "region": address.region,
        "key": address.key,
        "address": address.to_string(),
        "current": record.present().map(version),
        "versions": versions,
        "lock": record.lock.as_ref().map(|lock| json!({
            "info": serde_json::from_str::<Value>(&lock.info).unwrap_or_default(),
            "at": Timestamp::from_millis(lock.at_ms).to_date_time(),
            "deployment": lock.deployment,
        })),
    })
}

/// A state that is ready to be kept.
struct Prepared {
    md5: String,
    head: Head,
    pieces: Vec<Arc<Document>>,
}

fn prepare(bytes: &[u8], told: Option<[u8; 16]>) -> Result<Prepared, StateError> {
    let digest = Md5::digest(bytes);
    if told.is_some_and(|told| told[..] != digest[..]) {
        return Err(StateError::Invalid(
            "the body is not what its Content-MD5 says: it was changed on its way".to_owned(),
        ));
    }
    let head = Head::read(bytes).map_err(StateError::Invalid)?;
    let piece = |piece: &[u8]| {
        let packed = zstd::bulk::compress(piece, 1).map_err(|error| StateError::Invalid(error.to_string()))?;
        let mut fields = Fields::with_capacity(1);
        fields.push("zstd", Document::Blob(packed.into()));
        Ok(Arc::new(Document::Map(fields)))
    };
    let pieces = bytes.chunks(PIECE_BYTES).map(piece).collect::<Result<_, StateError>>()?;
    Ok(Prepared { md5: digest.iter().map(|byte| format!("{byte:02x}")).collect(), head, pieces })
}

/// Whether who holds the lock of that id, or none, may change a state.
fn may(record: &Record, lock: Option<&str>) -> Result<(), StateError> {
    match (&record.lock, lock) {
        (None, None) => Ok(()),
        (Some(held), Some(id)) if held.id == id => Ok(()),
        (Some(held), None) => Err(StateError::Locked { holder: held.info.clone() }),
        (held, Some(_)) => Err(lost(held)),
    }
}

fn lost(held: &Option<Lock>) -> StateError {
    let why = match held {
        None => "that lock is not held any more: it was taken away, and others may have changed the state since",
        Some(_) => "another holds the lock now",
    };
    StateError::LockLost { why: why.to_owned(), holder: held.as_ref().map(|held| held.info.clone()) }
}

fn forget(address: &Address, version: &Version, batch: &mut Batch) {
    let pieces = address.pieces();
    for number in 0..pieces_of(version) {
        batch.delete(&pieces, address.piece(version.number, number));
    }
}

fn of_row(row: &Row) -> Result<Record, StateError> {
    Record::read(&row.body).ok_or_else(|| damaged(&row.key))
}

fn damaged(key: &str) -> StateError {
    StateError::Store(StoreError::Damaged { what: format!("the Terraform state {key}") })
}
