//! Saved states: the rows of the store, and the bytes that objects are made of.
//!
//! The file is that of [`standin_store::dump`], with lines for the bytes of objects in between: `{"blob":NAME,"bytes":BASE64}`,
//! in pieces of at most 256 KiB. Rows refer to the names. A line of bytes that has no row is dropped some time later.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use standin_core::{BodySource, BoxFuture};
use standin_s3::{BlobId, BlobWriter, ObjectStorage};
use standin_store::dump::{Load, LoadError, Save};
use standin_store::{LoadMode, Selector, Store, StoreError};

/// How lines of bytes begin in a saved state; all others are the store's.
pub const BLOB_LINE: &[u8] = b"{\"blob\":";
/// A line that has no end is not waited for beyond this.
const LINE_BYTES_MAX: usize = 256 << 20;

#[derive(Serialize)]
struct BlobOut<'b> {
    blob: &'b str,
    bytes: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BlobIn {
    blob: String,
    bytes: String,
}

/// A state on its way out.
pub(crate) struct Saving {
    objects: Arc<ObjectStorage>,
    save: Save,
    begun: bool,
    /// Still to be written.
    blobs: std::vec::IntoIter<(BlobId, u64)>,
    current: Option<(BlobId, Box<dyn BodySource>)>,
}

impl Saving {
    /// Begins to save the spaces that are picked as they are now; without `bytes`, objects are saved without their bytes.
    pub(crate) async fn begin(
        store: &dyn Store,
        objects: Arc<ObjectStorage>,
        picked: &Selector,
        bytes: bool,
    ) -> Result<Self, StoreError> {
        let save = Save::begin(store, picked).await?;
        let blobs = if bytes { objects.referred(picked).await? } else { Vec::new() };
        Ok(Self { objects, save, begun: false, blobs: blobs.into_iter(), current: None })
    }

    async fn piece(&mut self) -> io::Result<Option<Bytes>> {
        // The header comes first.
        if !std::mem::replace(&mut self.begun, true) {
            return self.rows().await;
        }
        loop {
            if let Some((id, source)) = &mut self.current {
                match source.next().await {
                    Some(piece) => return Ok(Some(line(id, &piece?))),
                    None => self.current = None,
                }
            }
            let Some((id, size)) = self.blobs.next() else { return self.rows().await };
            if size == 0 {
                return Ok(Some(line(&id, &[])));
            }
            match self.objects.read_blob(&id, size).await {
                Ok(source) => self.current = Some((id, source)),
                // Its object was removed since the save began.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn rows(&mut self) -> io::Result<Option<Bytes>> {
        let text = self.save.next().await.map_err(io::Error::other)?;
        Ok(text.map(Bytes::from))
    }
}

fn line(id: &BlobId, bytes: &[u8]) -> Bytes {
    let out = BlobOut { blob: &id.0, bytes: STANDARD.encode(bytes) };
    let mut text = serde_json::to_vec(&out).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

impl BodySource for Saving {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async move { self.piece().await.transpose() })
    }

    fn length(&self) -> Option<u64> {
        None
    }
}

/// A state on its way in. Its rows become visible together, at the end.
pub(crate) struct Loading {
    objects: Arc<ObjectStorage>,
    load: Load,
    rest: Vec<u8>,
    lines: u64,
    current: Option<(BlobId, Box<dyn BlobWriter>)>,
    /// Keeps bytes whose rows are still to come.
    _hold: Box<dyn Send>,
}

impl Loading {
    pub(crate) async fn begin(
        store: Arc<dyn Store>,
        objects: Arc<ObjectStorage>,
        mode: LoadMode,
    ) -> Result<Self, LoadError> {
        let hold = objects.hold().await;
        let load = Load::begin(store, mode).await?;
        Ok(Self { objects, load, rest: Vec::new(), lines: 0, current: None, _hold: Box::new(hold) })
    }

    /// Takes the next bytes of the file, cut anywhere.
    pub(crate) async fn push(&mut self, mut bytes: &[u8]) -> Result<(), LoadError> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let mut line = std::mem::take(&mut self.rest);
            line.extend_from_slice(&bytes[..=end]);
            self.take(&line).await?;
            bytes = &bytes[end + 1..];
        }
        if self.rest.len() + bytes.len() > LINE_BYTES_MAX {
            let what = format!("it is longer than {LINE_BYTES_MAX} bytes");
            return Err(LoadError::Line { line: self.lines + 1, what });
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    async fn take(&mut self, line: &[u8]) -> Result<(), LoadError> {
        self.lines += 1;
        if !line.starts_with(BLOB_LINE) {
            return self.load.push(line).await;
        }
        let at = self.lines;
        let wrong = |what: String| LoadError::Line { line: at, what };
        let found: BlobIn = serde_json::from_slice(line).map_err(|error| wrong(error.to_string()))?;
        let id = BlobId::parse(&found.blob).ok_or_else(|| wrong(format!("{:?} names no bytes", found.blob)))?;
        let bytes = STANDARD.decode(&found.bytes).map_err(|error| wrong(error.to_string()))?;
        if self.current.as_ref().is_none_or(|(current, _)| *current != id) {
            self.settle().await?;
            self.current = Some((id.clone(), self.objects.restore_blob(id)));
        }
        if let Some((_, writer)) = &mut self.current {
            writer.write(bytes.into()).await.map_err(LoadError::Read)?;
        }
        // An empty line, so that lines are counted alike.
        self.load.push(b"\n").await
    }

    /// Makes the bytes that came last durable.
    async fn settle(&mut self) -> Result<(), LoadError> {
        if let Some((_, writer)) = self.current.take() {
            writer.finish().await.map_err(LoadError::Read)?;
        }
        Ok(())
    }

    /// Makes it so; how many rows were loaded.
    pub(crate) async fn finish(mut self) -> Result<u64, LoadError> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.take(&rest).await?;
        }
        self.settle().await?;
        self.load.finish().await
    }
}
