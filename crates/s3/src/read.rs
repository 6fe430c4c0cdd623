//! Reading objects: `GetObject`, `HeadObject`, and the bytes of whatever content.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use standin_core::{Answer, BodySource, BoxFuture, Fidelity, OperationError};
use standin_model::{Document, Fields, Timestamp};

use crate::blob::{BlobStore, Nothing};
use crate::bucket::{Bucket, Versioning};
use crate::conditions::ReadConditions;
use crate::error::{access_denied, invalid_argument, invalid_request, refused};
use crate::input::{Input, Put as _, number};
use crate::object::{Content, Object, Part};
use crate::range;
use crate::rows::Of;
use crate::storage::{Account, manifest_parts};

/// Members of an input that replace headers of the answer.
const OVERRIDES: &[(&str, &str)] = &[
    ("ResponseCacheControl", "CacheControl"),
    ("ResponseContentDisposition", "ContentDisposition"),
    ("ResponseContentEncoding", "ContentEncoding"),
    ("ResponseContentLanguage", "ContentLanguage"),
    ("ResponseContentType", "ContentType"),
    ("ResponseExpires", "Expires"),
];

/// A part of an object that is to be answered.
struct Wanted {
    range: Range<u64>,
    /// Status 206 and `Content-Range`.
    partial: bool,
    /// The number of parts, where one was asked for by number.
    parts: Option<u32>,
}

impl Account {
    pub(crate) async fn get_object(&self, input: Input<'_>) -> Result<Answer, OperationError> {
        let (object, wanted, output) = self.look_up(input).await?;
        allow_bytes(&object)?;
        let mut answer = answer_of(&wanted, output);
        answer.body = Some(self.open(input.name("Bucket"), &object.content, wanted.range).await?);
        Ok(answer)
    }

    pub(crate) async fn head_object(&self, input: Input<'_>) -> Result<Answer, OperationError> {
        let (_, wanted, output) = self.look_up(input).await?;
        Ok(answer_of(&wanted, output))
    }

    /// Finds what a read means and what it answers beside the bytes.
    async fn look_up(&self, input: Input<'_>) -> Result<(Object, Wanted, Fields), OperationError> {
        let bucket = self.bucket_of(input).await?;
        let stored = self.object(&bucket.name, input.name("Key"), input.text("VersionId")).await?;
        let object = stored.object;
        allow_key(&object, input.text("SSECustomerKeyMD5"))?;
        ReadConditions::of(input).check(&object, self.now)?;
        let wanted = self.wanted(&bucket, &object, input).await?;
        let whole = wanted.range == (0..object.size);
        let mut output = describe(&bucket, &object);
        output.push("ContentLength", number(wanted.range.end - wanted.range.start));
        if wanted.partial && !wanted.range.is_empty() {
            let Range { start, end } = wanted.range;
            output.push("ContentRange", format!("bytes {start}-{}/{}", end - 1, object.size));
        }
        if input.text("ChecksumMode") == Some("ENABLED") && whole {
            object.checksums.add_to(&mut output);
        }
        output.put("PartsCount", wanted.parts.map(i64::from));
        for (member, replaced) in OVERRIDES {
            if let Some(value) = input.get(member) {
                output.insert(*replaced, value.clone());
            }
        }
        Ok((object, wanted, output))
    }

    async fn wanted(&self, bucket: &Bucket, object: &Object, input: Input<'_>) -> Result<Wanted, OperationError> {
        let whole = 0..object.size;
        let range = match input.text("Range") {
            Some(text) => range::of_header(text, object.size)?,
            None => None,
        };
        let Some(part) = input.int("PartNumber") else {
            return Ok(Wanted { partial: range.is_some(), range: range.unwrap_or(whole), parts: None });
        };
        if input.text("Range").is_some() {
            return Err(invalid_request("Cannot specify both Range header and partNumber query parameter"));
        }
        if !(1..=10_000).contains(&part) {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            return Err(invalid_argument("partNumber", part.to_string(), message));
        }
        let unsatisfiable = || refused("InvalidPartNumber", 416, "The requested partnumber is not satisfiable");
        let Content::Parts(manifest, count) = &object.content else {
            return if part == 1 {
                Ok(Wanted { range: whole, partial: true, parts: None })
            } else {
                Err(unsatisfiable())
            };
        };
        let mut start = 0;
        for (at, found) in (1..).zip(self.manifest(&bucket.name, manifest).await?) {
            let end = start + found.size;
            if at == part {
                return Ok(Wanted { range: start..end, partial: true, parts: Some(*count) });
            }
            start = end;
        }
        Err(unsatisfiable())
    }

    /// The parts of an object that came in parts.
    pub(crate) async fn manifest(&self, bucket: &str, manifest: &str) -> Result<Vec<Part>, OperationError> {
        let table = self.table(Of::Manifests, bucket);
        let row = self.store().get(&table, manifest).await.map_err(OperationError::internal)?;
        let missing = || OperationError::internal(format!("the parts {manifest} of an object are gone"));
        Ok(manifest_parts(&row.ok_or_else(missing)?.body))
    }

    /// The bytes of a part of some content.
    pub(crate) async fn open(
        &self,
        bucket: &str,
        content: &Content,
        range: Range<u64>,
    ) -> Result<Box<dyn BodySource>, OperationError> {
        match content {
            Content::Nothing => Ok(Box::new(Nothing)),
            Content::Blob(_) if range.is_empty() => Ok(Box::new(Nothing)),
            Content::Blob(id) => self.storage.blobs.read(id, range).await.map_err(OperationError::internal),
            Content::Parts(manifest, _) => {
                let parts = self.manifest(bucket, manifest).await?;
                let blobs = self.storage.blobs.clone();
                Ok(Box::new(Chain {
                    blobs,
                    parts: parts.into_iter(),
                    reading: None,
                    skip: range.start,
                    left: range.end - range.start,
                }))
            }
        }
    }
}

fn answer_of(wanted: &Wanted, output: Fields) -> Answer {
    let mut answer = Answer::new(Document::Map(output), Fidelity::Engine);
    answer.status = wanted.partial.then_some(206);
    answer
}

/// What every read of an object tells of it.
pub(crate) fn describe(bucket: &Bucket, object: &Object) -> Fields {
    let mut output = Fields::new();
    output.push("AcceptRanges", "bytes");
    output.push("LastModified", Timestamp::from_seconds(object.modified.seconds));
    output.push("ETag", object.quoted_etag());
    output.put("VersionId", version_of(bucket, object));
    output.extend(object.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    if !output.contains_key("ContentType") {
        output.push("ContentType", "binary/octet-stream");
    }
    output.put("TagCount", (!object.tags.is_empty()).then(|| number(object.tags.len())));
    output
}

/// The version as answers tell it: not while the bucket never kept any.
pub(crate) fn version_of(bucket: &Bucket, object: &Object) -> Option<String> {
    let told = object.version.is_some() || bucket.versioning != Versioning::Off;
    told.then(|| object.version_name().to_owned())
}

/// Whether the bytes are at hand: not while the object is in an archive and nobody asked for it.
pub(crate) fn allow_bytes(object: &Object) -> Result<(), OperationError> {
    let archived = matches!(object.header("StorageClass"), Some("GLACIER" | "DEEP_ARCHIVE"));
    if !archived || object.headers.contains_key("Restore") {
        return Ok(());
    }
    let message = "The operation is not valid for the object's storage class";
    Err(OperationError::new("InvalidObjectState", message).with_member("StorageClass", object.storage_class()))
}

/// Whether the customer's key is the one under which the object was written.
pub(crate) fn allow_key(object: &Object, given: Option<&str>) -> Result<(), OperationError> {
    match (object.header("SSECustomerKeyMD5"), given) {
        (None, None) => Ok(()),
        (Some(stored), Some(given)) if stored == given => Ok(()),
        (Some(_), Some(_)) => Err(access_denied("Access Denied")),
        (Some(_), None) => Err(invalid_request(
            "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to \
             retrieve the object.",
        )),
        (None, Some(_)) => Err(invalid_request("The encryption parameters are not applicable to this object.")),
    }
}

/// The parts of an object, one after the other.
struct Chain {
    blobs: Arc<dyn BlobStore>,
    parts: std::vec::IntoIter<Part>,
    reading: Option<Box<dyn BodySource>>,
    /// Bytes before the range, of the parts to come.
    skip: u64,
    /// Bytes still to come.
    left: u64,
}

impl Chain {
    async fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        while self.left > 0 {
            if let Some(source) = &mut self.reading {
                match source.next().await.transpose()? {
                    Some(piece) => {
                        self.left = self.left.saturating_sub(piece.len() as u64);
                        return Ok(Some(piece));
                    }
                    None => self.reading = None,
                }
            }
            let Some(part) = self.parts.next() else {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "an object is shorter than it should be"));
            };
            if part.size <= self.skip {
                self.skip -= part.size;
                continue;
            }
            let range = self.skip..part.size.min(self.skip.saturating_add(self.left));
            self.skip = 0;
            self.reading = Some(self.blobs.read(&part.blob, range).await?);
        }
        Ok(None)
    }
}

impl BodySource for Chain {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async { self.next_piece().await.transpose() })
    }

    fn length(&self) -> Option<u64> {
        Some(self.left)
    }
}
