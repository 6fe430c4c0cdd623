//! Writing objects: `PutObject`, and what every new version is given.

use standin_core::{BodySource, CallContext, OperationError};
use standin_model::{Document, Fields};
use standin_wire::checksum::Algorithm;
use tokio::sync::OwnedRwLockReadGuard;

use crate::blob::{BlobId, Digest, Digested};
use crate::bucket::Bucket;
use crate::checksum;
use crate::conditions::WriteConditions;
use crate::error::{broken_body, invalid_argument, invalid_request, refused};
use crate::input::{Input, Put as _};
use crate::object::{Checksums, Content, Object};
use crate::read::version_of;
use crate::storage::Account;
use crate::{acl, tags};

/// The most that comes in one piece.
pub(crate) const PIECE_BYTES_MAX: u64 = 5 * 1024 * 1024 * 1024;
/// A key is at most so long.
const KEY_BYTES_MAX: usize = 1024;
/// The names and values of an object's metadata together.
const METADATA_BYTES_MAX: usize = 2048;

/// Members of inputs that reads answer as they were given.
const KEPT: &[&str] = &[
    "CacheControl",
    "ContentDisposition",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "WebsiteRedirectLocation",
    "Metadata",
];

/// Members that tell how an object is encrypted: of what is stored, and of answers to writes.
pub(crate) const ENCRYPTION: &[&str] =
    &["ServerSideEncryption", "SSEKMSKeyId", "BucketKeyEnabled", "SSECustomerAlgorithm", "SSECustomerKeyMD5"];

impl Account {
    pub(crate) async fn put_object(
        &self,
        call: &CallContext,
        input: Input<'_>,
        body: Option<Box<dyn BodySource>>,
    ) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let key = input.name("Key");
        check_key(key)?;
        if input.get("WriteOffsetBytes").is_some() {
            return Err(refused("NotImplemented", 501, "Objects of general purpose buckets cannot be appended to."));
        }
        let object = self.new_object(call, &bucket, input).await?;
        let conditions = WriteConditions::of(input);
        if conditions.if_match.is_some() || conditions.if_none_match.is_some() {
            // What cannot succeed need not be received. It is checked again when the object is installed.
            let current = self.current(&bucket.name, key).await?;
            conditions.check(key, current.as_ref().map(|stored| &stored.object))?;
        }
        let algorithm = input.text("ChecksumAlgorithm").and_then(Algorithm::parse);
        let given = Algorithm::ALL.into_iter().any(|algorithm| input.get(checksum::member(algorithm)).is_some());
        // Without one of the client's, AWS computes this.
        let computed = if given { None } else { Some(algorithm.unwrap_or(Algorithm::Crc64Nvme)) };
        let received = self.receive(body, computed.as_slice()).await?;
        let object = Object {
            size: received.digested.size,
            etag: received.digested.md5.clone(),
            checksums: received.checksums(),
            content: Content::Blob(received.blob.clone()),
            ..object
        };
        let installed = match self.install(&bucket.name, key, &object, conditions, |_| {}).await {
            Ok(installed) => installed,
            Err(error) => {
                self.free(vec![received.blob]).await;
                return Err(error);
            }
        };
        let mut output = Fields::new();
        output.push("ETag", installed.quoted_etag());
        installed.checksums.add_to(&mut output);
        output.put("VersionId", version_of(&bucket, &installed).filter(|_| installed.version.is_some()));
        tell_encryption(&installed, &mut output);
        Ok(output)
    }

    /// A new version before its content: headers, tags, ACL, encryption, lock.
    pub(crate) async fn new_object(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        input: Input<'_>,
    ) -> Result<Object, OperationError> {
        let mut headers = Fields::new();
        for member in KEPT {
            if let Some(value) = input.get(member) {
                headers.push(*member, value.clone());
            }
        }
        check_metadata(input)?;
        headers.put("ContentEncoding", input.text("ContentEncoding").and_then(stored_encoding));
        self.add_storage(call, bucket, input, &mut headers).await?;
        self.lock_new(bucket, input, &mut headers).await?;
        Ok(Object {
            headers,
            tags: input.text("Tagging").map(tags::of_header).transpose()?.unwrap_or_default(),
            acl: self.new_acl(bucket, input).await?,
            ..Object::default()
        })
    }

    /// Adds how and in which class an object is stored.
    pub(crate) async fn add_storage(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        input: Input<'_>,
        headers: &mut Fields,
    ) -> Result<(), OperationError> {
        let class = input.text("StorageClass").filter(|class| *class != "STANDARD");
        headers.put("StorageClass", class.map(str::to_owned));
        self.encrypt(call, bucket, input, headers).await
    }

    pub(crate) async fn new_acl(&self, bucket: &Bucket, input: Input<'_>) -> Result<Option<Document>, OperationError> {
        let acl = acl::asked(&self.account, input)?;
        if let Some(acl) = &acl {
            self.allow_acl(&bucket.name, acl).await?;
        }
        Ok(acl)
    }

    /// Adds how an object is encrypted: as asked, else as the bucket says, else with S3's own keys.
    async fn encrypt(
        &self,
        call: &CallContext,
        bucket: &Bucket,
        input: Input<'_>,
        headers: &mut Fields,
    ) -> Result<(), OperationError> {
        if let Some(algorithm) = input.text("SSECustomerAlgorithm") {
            if algorithm != "AES256" {
                let message = "The encryption request you specified is not valid. Supported value: AES256.";
                return Err(refused("InvalidEncryptionAlgorithmError", 400, message));
            }
            let digest = input.text("SSECustomerKeyMD5").filter(|_| input.text("SSECustomerKey").is_some());
            let digest = digest.ok_or_else(|| {
                invalid_request("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.")
            })?;
            headers.push("SSECustomerAlgorithm", algorithm.to_owned());
            headers.push("SSECustomerKeyMD5", digest.to_owned());
            return Ok(());
        }
        let configured = match input.text("ServerSideEncryption") {
            Some(_) => None,
            None => self.setting(&bucket.name, "encryption").await?,
        };
        let rule = configured.as_ref().and_then(|found| Input::new(found).list("Rules").first()).map(Input::new);
        let default = rule.and_then(|rule| rule.structure("ApplyServerSideEncryptionByDefault"));
        let asked = input.text("ServerSideEncryption").or(default.and_then(|default| default.text("SSEAlgorithm")));
        let algorithm = asked.unwrap_or("AES256");
        headers.push("ServerSideEncryption", algorithm.to_owned());
        if algorithm.starts_with("aws:kms") {
            let key = input.text("SSEKMSKeyId").or(default.and_then(|default| default.text("KMSMasterKeyID")));
            headers.push("SSEKMSKeyId", key.map_or_else(|| call.arn("kms", "alias/aws/s3"), |key| key_arn(call, key)));
            let bucket_key = input.flag("BucketKeyEnabled") || rule.is_some_and(|rule| rule.flag("BucketKeyEnabled"));
            headers.put("BucketKeyEnabled", bucket_key.then_some(true));
        } else if input.text("SSEKMSKeyId").is_some() {
            let message = "Server Side Encryption with AWS KMS managed key requires HTTP header \
                           x-amz-server-side-encryption : aws:kms";
            return Err(invalid_argument("x-amz-server-side-encryption", algorithm, message));
        }
        Ok(())
    }

    /// Writes a body into a blob of its own.
    ///
    /// # Errors
    /// What is wrong with the body; `EntityTooLarge`.
    pub(crate) async fn receive(
        &self,
        body: Option<Box<dyn BodySource>>,
        algorithms: &[Algorithm],
    ) -> Result<Received, OperationError> {
        let too_large = || {
            let message = "Your proposed upload exceeds the maximum allowed size";
            refused("EntityTooLarge", 400, message).with_member("MaxSizeAllowed", PIECE_BYTES_MAX.to_string())
        };
        let mut writer = self.storage.blobs.create(Digest::new(algorithms));
        let mut verified = Vec::new();
        if let Some(mut body) = body {
            if body.length().is_some_and(|length| length > PIECE_BYTES_MAX) {
                return Err(too_large());
            }
            let mut size = 0;
            while let Some(piece) = body.next().await {
                let piece = piece.map_err(broken_body)?;
                size += piece.len() as u64;
                if size > PIECE_BYTES_MAX {
                    return Err(too_large());
                }
                writer.write(piece).await.map_err(OperationError::internal)?;
            }
            verified = body.verified_checksums().to_vec();
        }
        let settling = self.storage.settling().await;
        let (blob, digested) = writer.finish().await.map_err(OperationError::internal)?;
        Ok(Received { blob, digested, verified, _settling: settling })
    }
}

/// A blob that no row refers to yet. Sweeping waits until this is dropped.
pub(crate) struct Received {
    pub(crate) blob: BlobId,
    pub(crate) digested: Digested,
    /// The checksums that the client gave.
    verified: Vec<(&'static str, String)>,
    _settling: OwnedRwLockReadGuard<()>,
}

impl Received {
    pub(crate) fn new(blob: BlobId, digested: Digested, settling: OwnedRwLockReadGuard<()>) -> Self {
        Self { blob, digested, verified: Vec::new(), _settling: settling }
    }

    /// Those of the client, else those that were computed.
    pub(crate) fn checksums(&self) -> Checksums {
        let given = if self.verified.is_empty() { &self.digested.checksums } else { &self.verified };
        Checksums::of_names(given)
    }
}

/// Adds what answers to writes tell of an object's encryption.
pub(crate) fn tell_encryption(object: &Object, output: &mut Fields) {
    for member in ENCRYPTION {
        output.put(member, object.headers.get(member).cloned());
    }
}

/// # Errors
/// `KeyTooLongError`.
pub(crate) fn check_key(key: &str) -> Result<(), OperationError> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    Err(refused("KeyTooLongError", 400, "Your key is too long")
        .with_member("Size", key.len().to_string())
        .with_member("MaxSizeAllowed", KEY_BYTES_MAX.to_string()))
}

fn check_metadata(input: Input<'_>) -> Result<(), OperationError> {
    let entries = input.get("Metadata").and_then(Document::as_map);
    let lengths = entries.into_iter().flat_map(Fields::iter);
    let size: usize = lengths.map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum();
    if size <= METADATA_BYTES_MAX {
        return Ok(());
    }
    let message = "Your metadata headers exceed the maximum allowed metadata size";
    Err(refused("MetadataTooLarge", 400, message)
        .with_member("Size", size.to_string())
        .with_member("MaxSizeAllowed", METADATA_BYTES_MAX.to_string()))
}

/// A content encoding without what described the transfer only.
fn stored_encoding(text: &str) -> Option<String> {
    let kept: Vec<&str> =
        text.split(',').map(str::trim).filter(|name| *name != "aws-chunked" && !name.is_empty()).collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

fn key_arn(call: &CallContext, key: &str) -> String {
    match key {
        _ if key.starts_with("arn:") => key.to_owned(),
        _ if key.starts_with("alias/") => call.arn("kms", key),
        _ => call.arn("kms", &format!("key/{key}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_of_the_transfer_are_not_kept() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(stored_encoding(text).as_deref(), expect, "{text}");
        check("aws-chunked", None);
        check("gzip,aws-chunked", Some("gzip"));
        check("gzip, br", Some("gzip,br"));
        check("", None);
    }
}
