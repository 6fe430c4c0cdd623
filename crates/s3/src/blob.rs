//! Where the bytes of objects are kept. Rows in the store say what they mean.

mod digest;
mod files;
mod memory;

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use standin_core::{BodySource, BoxFuture};

pub use digest::{Digest, Digested};
pub use files::FileBlobs;
pub use memory::MemoryBlobs;

/// The name of a blob: never part of an answer, never used twice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(pub Arc<str>);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl BlobId {
    /// A name from a saved state; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        plain.then(|| Self(text.into()))
    }

    /// 128 bits from the operating system's chance. Names need to be unique across restarts and processes; nobody sees
    /// them, so a run is as repeatable with them as without.
    fn fresh() -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let half = || RandomState::new().hash_one(std::process::id());
        Self(format!("{:016x}{:016x}", half(), half()).into())
    }
}

/// Keeps blobs: sequences of bytes that do not change once they are whole.
pub trait BlobStore: Send + Sync + fmt::Debug {
    /// Starts a blob. What is written is not there until it is finished, and is gone when the writer is dropped.
    fn create(&self, digest: Digest) -> Box<dyn BlobWriter>;

    /// Starts a blob that will have this name, of a saved state; one that is there already is replaced by the same bytes.
    fn restore(&self, id: BlobId) -> Box<dyn BlobWriter>;

    /// A part of a blob, piece by piece.
    ///
    /// # Errors
    /// Where there is no such blob, or it cannot be read.
    fn read<'a>(&'a self, id: &'a BlobId, range: Range<u64>) -> BoxFuture<'a, io::Result<Box<dyn BodySource>>>;

    /// The same bytes under another name; deleting one leaves the other.
    fn copy<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, io::Result<BlobId>>;

    /// Removes blobs. One that is not there is no error; what cannot be removed is left to [`BlobStore::sweep`].
    fn delete(&self, ids: Vec<BlobId>) -> BoxFuture<'_, ()>;

    /// Whether blobs may be there that nothing refers to: the process that wrote them did not end properly.
    fn needs_sweep(&self) -> bool;

    /// Removes every blob but these. Nothing may be written meanwhile. How many were removed.
    fn sweep(&self, keep: std::collections::HashSet<BlobId>) -> BoxFuture<'_, io::Result<u64>>;
}

/// Writes one blob.
pub trait BlobWriter: Send {
    /// Appends a piece.
    fn write(&mut self, piece: Bytes) -> BoxFuture<'_, io::Result<()>>;

    /// Makes the blob durable, and says what it is called and what was written.
    fn finish(self: Box<Self>) -> BoxFuture<'static, io::Result<(BlobId, Digested)>>;
}

/// A source of nothing.
pub(crate) struct Nothing;

impl BodySource for Nothing {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(std::future::ready(None))
    }

    fn length(&self) -> Option<u64> {
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    pub(crate) async fn collect(mut source: Box<dyn BodySource>) -> Vec<u8> {
        let mut whole = Vec::new();
        while let Some(piece) = source.next().await {
            whole.extend_from_slice(&piece.expect("readable"));
        }
        whole
    }

    fn long() -> Vec<u8> {
        (0..3_000_000u32).map(|at| (at % 253) as u8).collect()
    }

    async fn write(blobs: &dyn BlobStore, bytes: &[u8], piece: usize) -> (BlobId, Digested) {
        let mut writer = blobs.create(Digest::new(&[]));
        for piece in bytes.chunks(piece) {
            writer.write(Bytes::copy_from_slice(piece)).await.expect("written");
        }
        writer.finish().await.expect("finished")
    }

    async fn keeps_what_was_written(blobs: &dyn BlobStore) {
        let long = long();
        let (id, digested) = write(blobs, &long, 70_001).await;
        assert_eq!(digested.size, long.len() as u64);
        assert_eq!(collect(blobs.read(&id, 0..digested.size).await.expect("there")).await, long);
        let part = blobs.read(&id, 1_000_000..1_000_010).await.expect("there");
        assert_eq!(part.length(), Some(10));
        assert_eq!(collect(part).await, &long[1_000_000..1_000_010]);

        let (empty, digested) = write(blobs, b"", 1).await;
        assert_eq!(digested.md5, "d41d8cd98f00b204e9800998ecf8427e");
        assert!(collect(blobs.read(&empty, 0..0).await.expect("there")).await.is_empty());

        let copy = blobs.copy(&id).await.expect("copied");
        blobs.delete(vec![id.clone(), empty]).await;
        assert!(blobs.read(&id, 0..1).await.is_err());
        assert_eq!(collect(blobs.read(&copy, 5..8).await.expect("there")).await, &long[5..8]);

        let mut writer = blobs.restore(id.clone());
        writer.write(Bytes::from_static(b"again")).await.expect("written");
        assert_eq!(writer.finish().await.expect("finished").0, id);
        assert_eq!(collect(blobs.read(&id, 0..5).await.expect("there")).await, b"again");
        assert_eq!(BlobId::parse(&id.0), Some(id.clone()));
        assert_eq!(BlobId::parse("../../etc/passwd"), None);
        blobs.delete(vec![id]).await;

        let (other, _) = write(blobs, b"other", 5).await;
        drop(blobs.create(Digest::new(&[])));
        assert_eq!(blobs.sweep(HashSet::from([other.clone()])).await.expect("swept"), 1);
        assert!(blobs.read(&copy, 0..1).await.is_err());
        assert_eq!(collect(blobs.read(&other, 0..5).await.expect("there")).await, b"other");
    }

    #[tokio::test]
    async fn memory_keeps_what_was_written() {
        keeps_what_was_written(&MemoryBlobs::default()).await;
    }

    #[tokio::test]
    async fn files_keep_what_was_written() {
        let folder = std::env::temp_dir().join(format!("standin-blobs-{}", BlobId::fresh()));
        let blobs = FileBlobs::open(&folder).expect("opened");
        keeps_what_was_written(&blobs).await;
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
