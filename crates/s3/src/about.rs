//! What belongs to an object beside its bytes: tags, ACL, attributes, and its way out of an archive.

use standin_core::{Answer, Fidelity, OperationError};
use standin_model::{Document, Fields, Timestamp};

use crate::acl;
use crate::bucket::Bucket;
use crate::error::{malformed_xml, no_such_key, refused};
use crate::input::{Input, Put as _, number};
use crate::multipart::page_size;
use crate::object::{Content, Object};
use crate::read::{allow_key, version_of};
use crate::storage::Account;
use crate::tags;

const DAY_SECONDS: i64 = 86_400;

impl Account {
    async fn retag(&self, input: Input<'_>, tags: &[Document]) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let object = self
            .change_object(&bucket.name, input.name("Key"), input.text("VersionId"), |object| {
                object.tags = tags.to_vec();
                Ok(())
            })
            .await?;
        Ok(version_only(&bucket, &object))
    }

    pub(crate) async fn put_tagging(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let tags = input.structure("Tagging").ok_or_else(malformed_xml)?.list("TagSet");
        tags::check(tags, tags::OBJECT_TAGS_MAX)?;
        self.retag(input, tags).await
    }

    pub(crate) async fn delete_tagging(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        self.retag(input, &[]).await
    }

    pub(crate) async fn tagging(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let mut output = version_only(&bucket, &stored.object);
        output.push("TagSet", stored.object.tags);
        Ok(output)
    }

    pub(crate) async fn put_object_acl(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let acl = acl::asked(&self.account, input)?.ok_or_else(acl::missing_acl)?;
        self.allow_acl(&bucket.name, &acl).await?;
        self.change_object(&bucket.name, input.name("Key"), input.text("VersionId"), |object| {
            object.acl = Some(acl.clone());
            Ok(())
        })
        .await?;
        Ok(Fields::new())
    }

    pub(crate) async fn object_acl(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let acl = stored.object.acl.unwrap_or_else(|| acl::default(&self.account));
        Ok(acl.as_map().cloned().unwrap_or_default())
    }

    pub(crate) async fn attributes(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let object = stored.object;
        allow_key(&object, input.text("SSECustomerKeyMD5"))?;
        let wants = |name: &str| input.list("ObjectAttributes").iter().any(|wanted| wanted.as_str() == Some(name));
        let mut output = version_only(&bucket, &object);
        output.push("LastModified", Timestamp::from_seconds(object.modified.seconds));
        output.put("ETag", wants("ETag").then(|| object.etag.clone()));
        if wants("Checksum") && !object.checksums.digests.is_empty() {
            let mut checksum = Fields::new();
            object.checksums.add_to(&mut checksum);
            output.push("Checksum", checksum);
        }
        if wants("ObjectParts")
            && let Content::Parts(manifest, count) = &object.content
        {
            output.push("ObjectParts", self.object_parts(&bucket, manifest, *count, &object, input).await?);
        }
        output.put("StorageClass", wants("StorageClass").then(|| object.storage_class()));
        output.put("ObjectSize", wants("ObjectSize").then(|| number(object.size)));
        Ok(output)
    }

    async fn object_parts(
        &self,
        bucket: &Bucket,
        manifest: &str,
        count: u32,
        object: &Object,
        input: Input<'_>,
    ) -> Result<Fields, OperationError> {
        let max = page_size(input, "MaxParts", "max-parts")?;
        let marker = input.int("PartNumberMarker").unwrap_or(0).max(0);
        let mut output = Fields::new();
        output.push("TotalPartsCount", i64::from(count));
        output.push("PartNumberMarker", marker);
        let parts = self.manifest(&bucket.name, manifest).await?;
        // A finished object counts its parts from 1.
        let after = (1i64..).zip(parts).skip_while(|(at, _)| *at <= marker);
        let page: Vec<_> = after.take(max).collect();
        let last = page.last().map_or(marker, |(at, _)| *at);
        output.push("NextPartNumberMarker", last);
        output.push("MaxParts", number(max));
        output.push("IsTruncated", last < i64::from(count));
        // AWS lists the parts only where they have checksums of their own.
        if object.checksums.composite {
            let items = page.into_iter().map(|(at, part)| {
                let mut item = Fields::new();
                item.push("PartNumber", at);
                item.push("Size", number(part.size));
                part.checksums.add_digests(&mut item);
                Document::Map(item)
            });
            output.push("Parts", items.collect::<Vec<_>>());
        }
        Ok(output)
    }

    /// Brings an object out of an archive at once.
    pub(crate) async fn restore(&self, input: Input<'_>) -> Result<Answer, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let key = input.name("Key");
        let days = input.structure("RestoreRequest").and_then(|request| request.int("Days")).unwrap_or(1);
        if self.current(&bucket.name, key).await?.is_none() && input.text("VersionId").is_none() {
            return Err(no_such_key(key));
        }
        let expiry = self.now.plus_seconds(days.saturating_mul(DAY_SECONDS)).to_http_date();
        let before = std::sync::atomic::AtomicBool::new(false);
        self.change_object(&bucket.name, key, input.text("VersionId"), |object| {
            if !matches!(object.header("StorageClass"), Some("GLACIER" | "DEEP_ARCHIVE")) {
                let message = "Restore is not allowed for the object's current storage class";
                return Err(
                    refused("InvalidObjectState", 403, message).with_member("StorageClass", object.storage_class())
                );
            }
            let text = format!("ongoing-request=\"false\", expiry-date=\"{expiry}\"");
            let restored = object.headers.insert("Restore", text).is_some();
            before.store(restored, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
        .await?;
        let mut answer = Answer::new(Document::map(), Fidelity::Engine);
        answer.status = Some(if before.into_inner() { 200 } else { 202 });
        Ok(answer)
    }
}

fn version_only(bucket: &Bucket, object: &Object) -> Fields {
    let mut output = Fields::new();
    output.put("VersionId", version_of(bucket, object));
    output
}
