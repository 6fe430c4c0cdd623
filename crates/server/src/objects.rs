//! Where S3 keeps its objects.

use std::path::Path;
use std::sync::Arc;

use standin_core::{Answer, BoxFuture, Call, Fidelity, Handler, OperationError, Registry};
use standin_model::{Document, Operation, Service};
use standin_mwaa::changes::Changes;
use standin_s3::{BlobStore, Engine, FileBlobs, MemoryBlobs, ObjectStorage, SERVICE};
use standin_state::Resources;
use standin_store::Store;

use crate::gate::Gate;
use crate::net::NetError;

/// The operations by which objects come and go.
const WRITES: [&str; 5] = ["CompleteMultipartUpload", "CopyObject", "DeleteObject", "DeleteObjects", "PutObject"];
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
///
/// `changes` is told of what is written.
pub(crate) fn register(
    registry: &mut Registry,
    objects: &Arc<ObjectStorage>,
    resources: &Arc<Resources>,
    changes: &Arc<Changes>,
) {
    let gate = Arc::new(Gate {
        service: SERVICE,
        engine: Arc::new(Engine::new(objects.clone())),
        resources: resources.clone(),
    });
    for operation in Engine::operations() {
        registry.operation(SERVICE, &operation, gate.clone());
    }
    let told = Arc::new(Told { handler: gate, changes: changes.clone() });
    for operation in WRITES {
        registry.operation(SERVICE, operation, told.clone());
    }
}

/// A handler of writes that tells of those that were done.
struct Told<H> {
    handler: Arc<H>,
    changes: Arc<Changes>,
}

impl<H: Handler> Handler for Told<H> {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            let answer = self.handler.handle(call).await?;
            let text = |name: &str| call.input.get(name).and_then(Document::as_str);
            self.changes.tell(text("Bucket").unwrap_or_default(), text("Key"));
            Ok(answer)
        })
    }

    fn fidelity(&self, service: &'static Service, operation: &'static Operation) -> Fidelity {
        self.handler.fidelity(service, operation)
    }
}
