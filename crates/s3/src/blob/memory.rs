//! Blobs in memory.

use std::collections::{HashMap, HashSet};
use std::io;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::{Bytes, BytesMut};
use standin_core::{BodySource, BoxFuture};

use super::{BlobId, BlobStore, BlobWriter, Digest, Digested};

/// Pieces from the network are gathered into pieces of this size: each of those alone would keep a buffer of the
/// connection alive.
const PIECE_BYTES: usize = 256 * 1024;

type Pieces = Arc<[Bytes]>;

/// Keeps blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Arc<RwLock<HashMap<BlobId, Pieces>>>,
}

struct Writer {
    /// A fresh one without it.
    name: Option<BlobId>,
    blobs: Arc<RwLock<HashMap<BlobId, Pieces>>>,
    digest: Digest,
    whole: Vec<Bytes>,
    last: BytesMut,
}

impl BlobStore for MemoryBlobs {
    fn create(&self, digest: Digest) -> Box<dyn BlobWriter> {
        Box::new(Writer { name: None, blobs: self.blobs.clone(), digest, whole: Vec::new(), last: BytesMut::new() })
    }

    fn restore(&self, id: BlobId) -> Box<dyn BlobWriter> {
        let (blobs, digest) = (self.blobs.clone(), Digest::new(&[]));
        Box::new(Writer { name: Some(id), blobs, digest, whole: Vec::new(), last: BytesMut::new() })
    }

    fn read<'a>(&'a self, id: &'a BlobId, range: Range<u64>) -> BoxFuture<'a, io::Result<Box<dyn BodySource>>> {
        let pieces = self.blobs.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        Box::pin(std::future::ready(match pieces {
            Some(pieces) => Ok(Box::new(Reader { pieces, at: 0, range }) as Box<dyn BodySource>),
            None => Err(missing(id)),
        }))
    }

    fn copy<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, io::Result<BlobId>> {
        let mut blobs = self.blobs.write().unwrap_or_else(PoisonError::into_inner);
        let copy = blobs.get(id).cloned().map(|pieces| {
            let fresh = BlobId::fresh();
            blobs.insert(fresh.clone(), pieces);
            fresh
        });
        Box::pin(std::future::ready(copy.ok_or_else(|| missing(id))))
    }

    fn delete(&self, ids: Vec<BlobId>) -> BoxFuture<'_, ()> {
        let mut blobs = self.blobs.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            blobs.remove(&id);
        }
        Box::pin(std::future::ready(()))
    }

    fn needs_sweep(&self) -> bool {
        false
    }

    fn sweep(&self, keep: HashSet<BlobId>) -> BoxFuture<'_, io::Result<u64>> {
        let mut blobs = self.blobs.write().unwrap_or_else(PoisonError::into_inner);
        let before = blobs.len();
        blobs.retain(|id, _| keep.contains(id));
        Box::pin(std::future::ready(Ok((before - blobs.len()) as u64)))
    }
}

fn missing(id: &BlobId) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no blob {id}"))
}

impl BlobWriter for Writer {
    fn write(&mut self, mut piece: Bytes) -> BoxFuture<'_, io::Result<()>> {
        self.digest.update(&piece);
        while !piece.is_empty() {
            let part = piece.split_to(piece.len().min(PIECE_BYTES - self.last.len()));
            self.last.extend_from_slice(&part);
            if self.last.len() == PIECE_BYTES {
                self.whole.push(self.last.split().freeze());
            }
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn finish(self: Box<Self>) -> BoxFuture<'static, io::Result<(BlobId, Digested)>> {
        let Self { name, blobs, digest, mut whole, last } = *self;
        if !last.is_empty() {
            // The buffer may be much larger than what it holds.
            whole.push(Bytes::copy_from_slice(&last));
        }
        let id = name.unwrap_or_else(BlobId::fresh);
        blobs.write().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), whole.into());
        Box::pin(std::future::ready(Ok((id, digest.finish()))))
    }
}

struct Reader {
    pieces: Pieces,
    /// Which piece the range begins in, or a later one.
    at: usize,
    /// Still to come.
    range: Range<u64>,
}

impl BodySource for Reader {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        // All pieces but the last are of one size.
        let size = PIECE_BYTES as u64;
        if self.range.is_empty() {
            return Box::pin(std::future::ready(None));
        }
        self.at = usize::try_from(self.range.start / size).unwrap_or(usize::MAX);
        let within = (self.range.start % size) as usize;
        let piece = self.pieces.get(self.at).filter(|piece| within < piece.len()).map(|piece| {
            let left = usize::try_from(self.range.end - self.range.start).unwrap_or(usize::MAX);
            piece.slice(within..piece.len().min(within.saturating_add(left)))
        });
        if let Some(piece) = &piece {
            self.range.start += piece.len() as u64;
        }
        let short = || io::Error::new(io::ErrorKind::UnexpectedEof, "a blob is shorter than it should be");
        Box::pin(std::future::ready(Some(piece.ok_or_else(short))))
    }

    fn length(&self) -> Option<u64> {
        Some(self.range.end.saturating_sub(self.range.start))
    }
}
