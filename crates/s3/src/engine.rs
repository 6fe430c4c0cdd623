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
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateBucket",
    "CreateMultipartUpload",
    "DeleteBucket",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjects",
    "GetBucketAcl",
    "GetBucketLocation",
    "GetBucketPolicyStatus",
    "GetBucketVersioning",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjectVersions",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PutBucketAcl",
    "PutBucketVersioning",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "RestoreObject",
    "UploadPart",
    "UploadPartCopy",
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
            task.await.map_err(OperationError::internal)?
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
        "GetObjectAcl" => account.object_acl(input).await,
        "GetObjectAttributes" => account.attributes(input).await,
        "GetObjectLegalHold" => account.legal_hold(input).await,
        "GetObjectRetention" => account.retention(input).await,
        "GetObjectTagging" => account.tagging(input).await,
        "HeadBucket" => account.head_bucket(context, input).await,
        "ListBuckets" => account.list_buckets(input).await,
        "ListMultipartUploads" => account.list_uploads(input).await,
        "ListObjectVersions" => account.list_versions(input).await,
        "ListObjects" => account.list_objects(input).await,
        "ListObjectsV2" => account.list_objects_v2(input).await,
        "ListParts" => account.list_parts(input).await,
        _ => do_setting(account, context, input).await,
    };
    Ok(Answer::new(Document::Map(output?), Fidelity::Engine))
}

async fn write(
    account: &Account,
    context: &CallContext,
    input: Input<'_>,
    body: Option<Box<dyn BodySource>>,
) -> Result<Answer, OperationError> {
    let output = match context.operation.name {
        "RestoreObject" => return account.restore(input).await,
        "AbortMultipartUpload" => account.abort_upload(input).await,
        "CompleteMultipartUpload" => account.complete_upload(context, input).await,
        "CopyObject" => account.copy_object(context, input).await,
        "CreateBucket" => account.create_bucket(context, input).await,
        "CreateMultipartUpload" => account.create_upload(context, input).await,
        "DeleteBucket" => account.delete_bucket(input).await,
        "DeleteObject" => account.delete_object(input).await,
        "DeleteObjectTagging" => account.delete_tagging(input).await,
        "DeleteObjects" => account.delete_objects(input).await,
        "PutBucketAcl" => account.put_bucket_acl(input).await,
        "PutBucketVersioning" => account.put_versioning(input).await,
        "PutObject" => account.put_object(context, input, body).await,
        "PutObjectAcl" => account.put_object_acl(input).await,
        "PutObjectLegalHold" => account.put_legal_hold(input).await,
        "PutObjectRetention" => account.put_retention(input).await,
        "PutObjectTagging" => account.put_tagging(input).await,
        "UploadPart" => account.upload_part(input, body).await,
        "UploadPartCopy" => account.upload_part_copy(input).await,
        _ => do_setting(account, context, input).await,
    };
    Ok(Answer::new(Document::Map(output?), Fidelity::Engine))
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
