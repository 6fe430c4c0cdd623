//! The handler: from an operation's name to what answers it.

use std::sync::Arc;

use standin_core::{Answer, BodySource, BoxFuture, Call, CallContext, Fidelity, Handler, OperationError};
use standin_model::{Document, Fields, Operation, Service};

use crate::input::Input;
use crate::settings::{self, Task};
use crate::storage::{Account, ObjectStorage};

/// The catalogue's id of S3.
pub const SERVICE: &str = crate::rows::SERVICE;

/// Operations that have code of their own; those on settings are in a table.
const OPERATIONS: &[&str] = &[
    "CreateBucket",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketAcl",
    "GetBucketLocation",
    "GetBucketPolicyStatus",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "PutBucketAcl",
    "PutBucketVersioning",
    "PutObject",
    "PutObjectLegalHold",
    "PutObjectRetention",
];

/// Answers S3's operations from an [`ObjectStorage`].
#[derive(Debug)]
pub struct Engine {
    storage: Arc<ObjectStorage>,
}

impl Engine {
    pub fn new(storage: Arc<ObjectStorage>) -> Self {
        Self { storage }
    }

    pub fn storage(&self) -> &Arc<ObjectStorage> {
        &self.storage
    }

    /// The operations that it answers; the others of S3 are made up from the model.
    pub fn operations() -> impl Iterator<Item = String> {
        OPERATIONS.iter().map(|name| (*name).to_owned()).chain(settings::operations())
    }
}

impl Handler for Engine {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let account = self.storage.account(&call.context.account, call.context.now);
        Box::pin(async move {
            if matches!(call.context.operation.http.method, "GET" | "HEAD") {
                return read(&account, &call.context, Input::new(&call.input)).await;
            }
            // What has begun is brought to its end even if the client goes away: a row and its bytes belong together.
            let (context, input, body) = (call.context.clone(), call.input.clone(), call.body.take());
            let task = tokio::spawn(async move { write(&account, &context, Input::new(&input), body).await });
            let output = task.await.map_err(OperationError::internal)??;
            Ok(Answer::new(Document::Map(output), Fidelity::Engine))
        })
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
}

async fn read(account: &Account, context: &CallContext, input: Input<'_>) -> Result<Answer, OperationError> {
    let output = match context.operation.name {
        "GetObject" => return account.get_object(input).await,
        "HeadObject" => return account.head_object(input).await,
        "GetBucketAcl" => account.bucket_acl(input).await,
        "GetBucketLocation" => account.bucket_location(input).await,
        "GetBucketPolicyStatus" => account.policy_status(input).await,
        "GetBucketVersioning" => account.versioning(input).await,
        "GetObjectLegalHold" => account.legal_hold(input).await,
        "GetObjectRetention" => account.retention(input).await,
        "HeadBucket" => account.head_bucket(context, input).await,
        "ListBuckets" => account.list_buckets(input).await,
        "ListObjectVersions" => account.list_versions(input).await,
        "ListObjects" => account.list_objects(input).await,
        "ListObjectsV2" => account.list_objects_v2(input).await,
        _ => do_setting(account, context, input).await,
    };
    Ok(Answer::new(Document::Map(output?), Fidelity::Engine))
}

async fn write(
    account: &Account,
    context: &CallContext,
    input: Input<'_>,
    body: Option<Box<dyn BodySource>>,
) -> Result<Fields, OperationError> {
    match context.operation.name {
        "CreateBucket" => account.create_bucket(context, input).await,
        "DeleteBucket" => account.delete_bucket(input).await,
        "DeleteObject" => account.delete_object(input).await,
        "DeleteObjects" => account.delete_objects(input).await,
        "PutBucketAcl" => account.put_bucket_acl(input).await,
        "PutBucketVersioning" => account.put_versioning(input).await,
        "PutObject" => account.put_object(context, input, body).await,
        "PutObjectLegalHold" => account.put_legal_hold(input).await,
        "PutObjectRetention" => account.put_retention(input).await,
        _ => do_setting(account, context, input).await,
    }
}

async fn do_setting(account: &Account, context: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
    let name = context.operation.name;
    let task = Task::of(name).ok_or_else(|| OperationError::internal(format!("{name} came to the wrong handler")))?;
    account.do_setting(task, context, input).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    #[test]
    fn every_operation_is_modelled() {
        assert!(OPERATIONS.is_sorted());
        let s3 = Catalogue::shared().newest(SERVICE).expect("served").open().expect("opens");
        for name in Engine::operations() {
            assert!(s3.operation(&name).is_some(), "{name}");
        }
    }
}
