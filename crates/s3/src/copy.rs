//! Copies: `CopyObject`, and sources of `UploadPartCopy`.

use standin_core::{CallContext, OperationError};
use standin_model::{Document, Fields};
use standin_wire::checksum::Algorithm;
use standin_wire::value;

use crate::bucket::Bucket;
use crate::conditions::{ReadConditions, WriteConditions};
use crate::error::{invalid_argument, invalid_request};
use crate::input::{Input, Put as _};
use crate::object::{Checksums, Content, Object};
use crate::read::{allow_bytes, allow_key, version_of};
use crate::storage::Account;
use crate::tags;
use crate::write::{PIECE_BYTES_MAX, Received, check_key, tell_encryption};

/// What a copy leaves behind where it does not replace the metadata.
const NOT_COPIED: &[&str] = &[
    "WebsiteRedirectLocation",
    "StorageClass",
    "Restore",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "SSECustomerAlgorithm",
    "SSECustomerKeyMD5",
    "ObjectLockMode",
    "ObjectLockRetainUntilDate",
    "ObjectLockLegalHoldStatus",
];

/// Where a copy comes from.
pub(crate) struct Source {
    pub(crate) bucket: Bucket,
    key: String,
    version: Option<String>,
    pub(crate) object: Object,
}

impl Account {
    /// The object that a copy is made of, its conditions checked.
    pub(crate) async fn copy_source(&self, input: Input<'_>) -> Result<Source, OperationError> {
        let text = input.name("CopySource");
        let refuse = || {
            let message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
            invalid_argument("x-amz-copy-source", text, message)
        };
        let (bucket, key, version) = parse_source(text).ok_or_else(refuse)?;
        if input.text("ExpectedSourceBucketOwner").is_some_and(|owner| *owner != *self.account) {
            return Err(crate::error::access_denied("Access Denied"));
        }
        let bucket = self.bucket(&bucket).await?;
        let object = self.object(&bucket.name, &key, version.as_deref()).await?.object;
        ReadConditions::of_copy_source(input).check_source(&object, self.now)?;
        allow_key(&object, input.text("CopySourceSSECustomerKeyMD5"))?;
        allow_bytes(&object)?;
        Ok(Source { bucket, key, version, object })
    }

    pub(crate) async fn copy_object(&self, call: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let key = input.name("Key");
        check_key(key)?;
        let source = self.copy_source(input).await?;
        if source.object.size > PIECE_BYTES_MAX {
            let message = format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {PIECE_BYTES_MAX}"
            );
            return Err(invalid_request(message));
        }
        let replaces = input.text("MetadataDirective") == Some("REPLACE");
        if source.bucket.name == bucket.name && source.key == key && source.version.is_none() && !replaces {
            let changes = ["StorageClass", "ServerSideEncryption", "SSECustomerAlgorithm", "WebsiteRedirectLocation"];
            if !changes.iter().any(|member| input.get(member).is_some()) {
                return Err(invalid_request(
                    "This copy request is illegal because it is trying to copy an object to itself without changing the \
                     object's metadata, storage class, website redirect location or encryption attributes.",
                ));
            }
        }
        let mut object = self.copied(call, &bucket, &source, input, replaces).await?;
        let received = self.copy_bytes(&source, input.text("ChecksumAlgorithm").and_then(Algorithm::parse)).await?;
        object.size = received.digested.size;
        object.etag = received.digested.md5.clone();
        object.checksums = received.checksums();
        object.content = Content::Blob(received.blob.clone());
        let conditions = WriteConditions::of(input);
        let installed = match self.install(&bucket.name, key, &object, conditions, |_| {}).await {
            Ok(installed) => installed,
            Err(error) => {
                self.free(vec![received.blob]).await;
                return Err(error);
            }
        };
        let mut result = Fields::new();
        result.push("ETag", installed.quoted_etag());
        result.push("LastModified", installed.modified);
        installed.checksums.add_to(&mut result);
        let mut output = Fields::new();
        output.push("CopyObjectResult", result);
        output.put("CopySourceVersionId", version_of(&source.bucket, &source.object));
        output.put("VersionId", version_of(&bucket, &installed).filter(|_| installed.version.is_some()));
        tell_encryption(&installed, &mut output);
        Ok(output)
    }

    /// The new version before its content.
    async fn copied(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        source: &Source,
        input: Input<'_>,
        replaces: bool,
    ) -> Result<Object, OperationError> {
        let mut object = if replaces {
            self.new_object(call, bucket, input).await?
        } else {
            let kept = source.object.headers.iter().filter(|(name, _)| !NOT_COPIED.contains(&name.as_ref()));
            let mut headers: Fields = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
            headers.put("WebsiteRedirectLocation", input.text("WebsiteRedirectLocation").map(str::to_owned));
            self.add_storage(call, bucket, input, &mut headers).await?;
            self.lock_new(bucket, input, &mut headers).await?;
            Object { headers, acl: self.new_acl(bucket, input).await?, ..Object::default() }
        };
        object.tags = match input.text("TaggingDirective") {
            Some("REPLACE") => input.text("Tagging").map(tags::of_header).transpose()?.unwrap_or_default(),
            _ => source.object.tags.clone(),
        };
        Ok(object)
    }

    /// The source's bytes under a name of their own: another name for the same file where nothing must be computed anew.
    async fn copy_bytes(&self, source: &Source, asked: Option<Algorithm>) -> Result<Received, OperationError> {
        let object = &source.object;
        let known = object.checksums.digests.first().map(|(algorithm, _)| *algorithm);
        let algorithm = asked.or(known).unwrap_or(Algorithm::Crc64Nvme);
        if let Content::Blob(id) = &object.content
            && known == Some(algorithm)
        {
            let settling = self.storage.settling().await;
            let blob = self.storage.blobs.copy(id).await.map_err(OperationError::internal)?;
            return Ok(Received::copied(blob, object, settling));
        }
        let whole = self.open(&source.bucket.name, &object.content, 0..object.size).await?;
        self.receive(Some(whole), &[algorithm]).await
    }

    /// A copy of a part of a source, for a part of an upload.
    pub(crate) async fn copy_part(
        &self,
        source: &Source,
        input: Input<'_>,
        algorithms: &[Algorithm],
    ) -> Result<Received, OperationError> {
        let size = source.object.size;
        let range = match input.text("CopySourceRange") {
            Some(text) => crate::range::of_copy_source(text, size)?,
            None => 0..size,
        };
        let part = self.open(&source.bucket.name, &source.object.content, range).await?;
        self.receive(Some(part), algorithms).await
    }
}

impl Received {
    fn copied(blob: crate::BlobId, of: &Object, settling: tokio::sync::OwnedRwLockReadGuard<()>) -> Self {
        let Checksums { digests, .. } = &of.checksums;
        let checksums = digests.iter().map(|(algorithm, digest)| (algorithm.name(), digest.clone())).collect();
        let digested = crate::Digested { size: of.size, md5: of.etag.clone(), checksums };
        Self::new(blob, digested, settling)
    }
}

/// Bucket, key and version of a source: `/bucket/key?versionId=…`, percent-encoded.
fn parse_source(text: &str) -> Option<(String, String, Option<String>)> {
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    // Some clients write a space as a plus.
    let path = value::form_decode(path).ok()?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/')?;
    if bucket.is_empty() || key.is_empty() {
        return None;
    }
    let version =
        version.map(|version| value::percent_decode(version).map(std::borrow::Cow::into_owned)).transpose().ok()?;
    Some((bucket.to_owned(), key.to_owned(), version))
}

/// The result of a copied part.
pub(crate) fn part_result(etag: String, modified: standin_model::Timestamp, checksums: &Checksums) -> Document {
    let mut result = Fields::new();
    result.push("ETag", etag);
    result.push("LastModified", modified);
    checksums.add_digests(&mut result);
    Document::Map(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_paths() {
        let check = |text: &str, expect: Option<(&str, &str, Option<&str>)>| {
            let found = parse_source(text);
            let found = found.as_ref().map(|(bucket, key, version)| (&**bucket, &**key, version.as_deref()));
            assert_eq!(found, expect, "{text}");
        };
        check("b/k", Some(("b", "k", None)));
        check("/b/k/l", Some(("b", "k/l", None)));
        check("b/a%20b%2Bc+d", Some(("b", "a b+c d", None)));
        check("b%2Fk", Some(("b", "k", None)));
        check("b//k", Some(("b", "/k", None)));
        check("b/k?versionId=v%2F", Some(("b", "k", Some("v/"))));
        for bad in ["", "b", "b/", "/k", "b/%ff"] {
            check(bad, None);
        }
    }
}
