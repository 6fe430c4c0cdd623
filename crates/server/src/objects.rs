//! Where S3 keeps its objects.

use std::path::Path;
use std::sync::Arc;

use standin_core::Registry;
use standin_s3::{BlobStore, Engine, FileBlobs, MemoryBlobs, ObjectStorage, SERVICE};
use standin_state::Resources;
use standin_store::Store;

use crate::gate::Gate;
use crate::net::NetError;

/// The folder of blobs within a data directory.
const BLOBS: &str = "blobs";

/// Opens the storage: rows in the store, bytes in files of the data directory, or in memory where there is none.
///
/// `committed`: whether an earlier state may be put back, whose bytes must stay.
///
/// # Errors
/// When the folder cannot be used, or what a crash left in it cannot be removed.
pub(crate) async fn open(
    store: Arc<dyn Store>,
    data_dir: Option<&Path>,
    committed: bool,
) -> Result<Arc<ObjectStorage>, NetError> {
    let folder = data_dir.map(|folder| folder.join(BLOBS));
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| NetError::Folder {
        folder: folder.clone().unwrap_or_default(),
        source,
    };
    let blobs: Arc<dyn BlobStore> = match &folder {
        Some(folder) => Arc::new(FileBlobs::open(folder).map_err(|error| unusable(error.into()))?),
        None => Arc::new(MemoryBlobs::default()),
    };
    let objects = Arc::new(ObjectStorage::new(store, blobs));
    if committed {
        objects.keep_blobs();
    }
    objects.recover().await.map_err(|error| unusable(error.into()))?;
    Ok(objects)
}

/// Lets the engine answer what it can; the rest of S3 stays with the registry's fallback.
pub(crate) fn register(registry: &mut Registry, objects: &Arc<ObjectStorage>, resources: &Arc<Resources>) {
    let gate = Arc::new(Gate {
        service: SERVICE,
        engine: Arc::new(Engine::new(objects.clone())),
        resources: resources.clone(),
    });
    for operation in Engine::operations() {
        registry.operation(SERVICE, &operation, gate.clone());
    }
}
