//! Blobs in files: written beside, made durable, renamed into place.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use standin_core::{BodySource, BoxFuture};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{BlobId, BlobStore, BlobWriter, Digest, Digested};

/// How much is hashed, written or read at once, off the threads that serve requests. A transfer holds two of these.
const CHUNK_BYTES: usize = 256 * 1024;

/// Files being written. Whatever is here at start was left by a crash.
const UNFINISHED: &str = "unfinished";
/// Held by the one process that may remove what others do not know.
const LOCK: &str = "lock";
/// There while nobody uses the folder, so that no crash can have left anything.
const CLEAN: &str = "clean";

/// Keeps blobs as files in a folder.
///
/// A file appears under its name with all its bytes on the disk, or not at all. A copy is a hard link.
#[derive(Debug)]
pub struct FileBlobs {
    places: Arc<Places>,
    needs_sweep: bool,
}

#[derive(Debug)]
struct Places {
    folder: PathBuf,
    /// `None` where another process uses the folder too.
    lock: Option<File>,
}

impl Places {
    fn of(&self, id: &BlobId) -> PathBuf {
        self.folder.join(&id.0[..2]).join(&*id.0)
    }

    fn unfinished(&self, id: &BlobId) -> PathBuf {
        self.folder.join(UNFINISHED).join(&*id.0)
    }

    /// Puts a finished file where it belongs, durably.
    fn settle(&self, from: &Path, id: &BlobId) -> io::Result<()> {
        let to = self.of(id);
        let shelf = to.parent().unwrap_or(&self.folder);
        match fs::rename(from, &to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(shelf)?;
                sync_folder(&self.folder)?;
                fs::rename(from, &to)?;
            }
            other => other?,
        }
        sync_folder(shelf)
    }

    fn blobs(&self) -> io::Result<Vec<(BlobId, PathBuf)>> {
        let mut found = Vec::new();
        for shelf in fs::read_dir(&self.folder)? {
            let shelf = shelf?;
            if shelf.file_name().len() != 2 || !shelf.file_type()?.is_dir() {
                continue;
            }
            for file in fs::read_dir(shelf.path())? {
                let file = file?;
                if let Some(name) = file.file_name().to_str() {
                    found.push((BlobId(name.into()), file.path()));
                }
            }
        }
        Ok(found)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        if self.lock.is_some()
            && let Err(error) = fs::write(self.folder.join(CLEAN), b"")
        {
            tracing::debug!(%error, "the blobs will be swept at the next start");
        }
    }
}

impl FileBlobs {
    /// Opens a folder of blobs; makes one where there is none.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join(UNFINISHED))?;
        let lock = File::create(folder.join(LOCK))?;
        let lock = match lock.try_lock() {
            Ok(()) => Some(lock),
            Err(fs::TryLockError::WouldBlock) => None,
            Err(fs::TryLockError::Error(error)) => return Err(error),
        };
        let mut needs_sweep = false;
        if lock.is_some() {
            for file in fs::read_dir(folder.join(UNFINISHED))? {
                remove(&file?.path())?;
            }
            needs_sweep = match fs::remove_file(folder.join(CLEAN)) {
                Ok(()) => false,
                Err(error) if error.kind() == io::ErrorKind::NotFound => true,
                Err(error) => return Err(error),
            };
            sync_folder(folder)?;
        }
        Ok(Self { places: Arc::new(Places { folder: folder.to_owned(), lock }), needs_sweep })
    }
}

impl FileBlobs {
    fn writer(&self, name: Option<BlobId>, digest: Digest) -> Box<dyn BlobWriter> {
        let work = Work { name, places: self.places.clone(), digest, file: None, spare: Vec::new() };
        Box::new(Writer { buffer: Vec::new(), step: Step::Resting(Box::new(work)) })
    }
}

/// Removes a file; one that is not there is no error.
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// A name is durable once its folder is.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

async fn joined<T>(task: JoinHandle<io::Result<T>>) -> io::Result<T> {
    task.await.map_err(io::Error::other)?
}

impl BlobStore for FileBlobs {
    fn create(&self, digest: Digest) -> Box<dyn BlobWriter> {
        self.writer(None, digest)
    }

    fn restore(&self, id: BlobId) -> Box<dyn BlobWriter> {
        self.writer(Some(id), Digest::new(&[]))
    }

    fn read<'a>(&'a self, id: &'a BlobId, range: Range<u64>) -> BoxFuture<'a, io::Result<Box<dyn BodySource>>> {
        let path = self.places.of(id);
        Box::pin(async move {
            let task = spawn_blocking(move || {
                let mut file = File::open(path)?;
                file.seek(io::SeekFrom::Start(range.start))?;
                let first = Ahead { file, left: range.end.saturating_sub(range.start) }.read()?;
                Ok((first, range))
            });
            let ((piece, rest), range) = joined(task).await?;
            let left = range.end.saturating_sub(range.start);
            Ok(Box::new(Reader { piece: Some(piece), left, rest: Rest::Waiting(rest) }) as Box<dyn BodySource>)
        })
    }

    fn copy<'a>(&'a self, id: &'a BlobId) -> BoxFuture<'a, io::Result<BlobId>> {
        let (places, from) = (self.places.clone(), self.places.of(id));
        Box::pin(joined(spawn_blocking(move || {
            let fresh = BlobId::fresh();
            let beside = places.unfinished(&fresh);
            if let Err(error) = fs::hard_link(&from, &beside) {
                if error.kind() == io::ErrorKind::NotFound {
                    return Err(error);
                }
                // Too many links, or a file system without them.
                fs::copy(&from, &beside)?;
                File::open(&beside)?.sync_all()?;
            }
            places.settle(&beside, &fresh)?;
            Ok(fresh)
        })))
    }

    fn delete(&self, ids: Vec<BlobId>) -> BoxFuture<'_, ()> {
        let places = self.places.clone();
        Box::pin(async move {
            if ids.is_empty() {
                return;
            }
            let task = spawn_blocking(move || {
                for id in ids {
                    if let Err(error) = remove(&places.of(&id)) {
                        tracing::warn!(blob = &*id.0, %error, "cannot remove a blob");
                    }
                }
            });
            if let Err(error) = task.await {
                tracing::warn!(%error, "cannot remove blobs");
            }
        })
    }

    fn needs_sweep(&self) -> bool {
        self.needs_sweep
    }

    fn sweep(&self, keep: HashSet<BlobId>) -> BoxFuture<'_, io::Result<u64>> {
        let places = self.places.clone();
        Box::pin(joined(spawn_blocking(move || {
            if places.lock.is_none() {
                return Ok(0);
            }
            let mut removed = 0;
            for (id, path) in places.blobs()? {
                if !keep.contains(&id) {
                    fs::remove_file(path)?;
                    removed += 1;
                }
            }
            Ok(removed)
        })))
    }
}

/// A file that is removed unless it is settled.
struct Unfinished {
    id: BlobId,
    path: PathBuf,
    file: File,
    settled: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.settled
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, "an unfinished blob is left to the next start");
        }
    }
}

/// What the threads that may wait work on.
struct Work {
    /// A fresh one without it.
    name: Option<BlobId>,
    places: Arc<Places>,
    digest: Digest,
    file: Option<Unfinished>,
    /// An empty buffer to swap.
    spare: Vec<u8>,
}

impl Work {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let id = BlobId::fresh();
                let path = self.places.unfinished(&id);
                let file = File::options().write(true).create_new(true).open(&path)?;
                self.file.insert(Unfinished { id, path, file, settled: false })
            }
        };
        file.file.write_all(bytes)
    }

    fn finish(mut self, last: &[u8]) -> io::Result<(BlobId, Digested)> {
        self.append(last)?;
        let Some(mut file) = self.file.take() else { return Err(io::Error::other("append makes a file")) };
        file.file.sync_data()?;
        let id = self.name.take().unwrap_or_else(|| file.id.clone());
        self.places.settle(&file.path, &id)?;
        file.settled = true;
        Ok((id, self.digest.finish()))
    }
}

struct Writer {
    /// What came and is not yet on its way to the file.
    buffer: Vec<u8>,
    step: Step,
}

enum Step {
    Resting(Box<Work>),
    Writing(JoinHandle<io::Result<Box<Work>>>),
    Failed,
}

impl Writer {
    async fn work(&mut self) -> io::Result<Box<Work>> {
        match std::mem::replace(&mut self.step, Step::Failed) {
            Step::Resting(work) => Ok(work),
            Step::Writing(task) => joined(task).await,
            Step::Failed => Err(io::Error::other("writing has failed before")),
        }
    }
}

impl BlobWriter for Writer {
    fn write(&mut self, mut piece: Bytes) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async move {
            while !piece.is_empty() {
                let part = piece.split_to(piece.len().min(CHUNK_BYTES - self.buffer.len()));
                self.buffer.extend_from_slice(&part);
                if self.buffer.len() == CHUNK_BYTES {
                    let mut work = self.work().await?;
                    let full = std::mem::replace(&mut self.buffer, std::mem::take(&mut work.spare));
                    self.step = Step::Writing(spawn_blocking(move || {
                        work.append(&full)?;
                        work.spare = full;
                        work.spare.clear();
                        Ok(work)
                    }));
                }
            }
            Ok(())
        })
    }

    fn finish(mut self: Box<Self>) -> BoxFuture<'static, io::Result<(BlobId, Digested)>> {
        Box::pin(async move {
            let work = self.work().await?;
            let last = std::mem::take(&mut self.buffer);
            joined(spawn_blocking(move || work.finish(&last))).await
        })
    }
}

/// A file with what is still to be read of it.
struct Ahead {
    file: File,
    left: u64,
}

impl Ahead {
    fn read(mut self) -> io::Result<(Bytes, Option<Self>)> {
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let mut buffer = vec![0; size];
        self.file.read_exact(&mut buffer)?;
        self.left -= size as u64;
        Ok((buffer.into(), (self.left > 0).then_some(self)))
    }
}

/// Reads one chunk ahead of the client.
struct Reader {
    piece: Option<Bytes>,
    rest: Rest,
    /// Still to be handed out.
    left: u64,
}

enum Rest {
    Waiting(Option<Ahead>),
    Reading(JoinHandle<io::Result<(Bytes, Option<Ahead>)>>),
}

impl Reader {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let piece = match self.piece.take() {
            Some(piece) => piece,
            None => match std::mem::replace(&mut self.rest, Rest::Waiting(None)) {
                Rest::Waiting(None) => return Ok(None),
                Rest::Waiting(Some(ahead)) => {
                    let (piece, rest) = joined(spawn_blocking(move || ahead.read())).await?;
                    self.rest = Rest::Waiting(rest);
                    piece
                }
                Rest::Reading(task) => {
                    let (piece, rest) = joined(task).await?;
                    self.rest = Rest::Waiting(rest);
                    piece
                }
            },
        };
        if let Rest::Waiting(rest) = &mut self.rest
            && let Some(ahead) = rest.take()
        {
            self.rest = Rest::Reading(spawn_blocking(move || ahead.read()));
        }
        self.left -= piece.len() as u64;
        Ok((!piece.is_empty()).then_some(piece))
    }
}

impl BodySource for Reader {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async { self.next_piece().await.transpose() })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_crash_leaves_is_removed() {
        let folder = std::env::temp_dir().join(format!("standin-blobs-{}", BlobId::fresh()));
        let blobs = FileBlobs::open(&folder).expect("opened");
        assert!(blobs.needs_sweep(), "nothing says that the folder was left in order");
        let mut writer = blobs.create(Digest::new(&[]));
        writer.write(Bytes::from(vec![7; CHUNK_BYTES])).await.expect("written");
        let beside = || fs::read_dir(folder.join(UNFINISHED)).expect("a folder").count();
        let second = FileBlobs::open(&folder).expect("opened a second time");
        assert!(!second.needs_sweep(), "the first one may still need what it finds");
        // The second chunk waits for the first to be on the disk.
        writer.write(Bytes::from(vec![7; CHUNK_BYTES])).await.expect("written");
        assert_eq!(beside(), 1);
        drop(writer);
        while beside() > 0 {
            tokio::task::yield_now().await;
        }
        drop(second);
        fs::write(folder.join(UNFINISHED).join("left"), b"half").expect("written");
        drop(blobs);
        let again = FileBlobs::open(&folder).expect("opened");
        assert_eq!(beside(), 0);
        assert!(!again.needs_sweep(), "it was closed in order");
        // As a crash does: nothing is said at the end.
        std::mem::forget(again);
        fs::remove_dir_all(folder).expect("removed");
    }
}
