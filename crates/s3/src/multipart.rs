//! Multipart uploads. The bytes of parts stay where they were written: an object that came in parts is a list of them.

use standin_core::{BodySource, CallContext, OperationError};
use standin_model::{Document, Fields, Str, Timestamp};
use standin_store::{Batch, Row, Scan};
use standin_wire::checksum::Algorithm;

use crate::bucket::Bucket;
use crate::checksum;
use crate::conditions::{WriteConditions, bare};
use crate::copy::part_result;
use crate::error::{Fail, invalid_argument, invalid_request, malformed_xml, no_such_upload, refused, until_settled};
use crate::input::{Input, Put as _, number};
use crate::object::{Checksums, Content, Object, Part};
use crate::read::version_of;
use crate::rows::{self, Of};
use crate::storage::Account;
use crate::versions::alphanumeric;
use crate::write::{Received, check_key, tell_encryption};

const PARTS_MAX: i64 = 10_000;
/// Every part but the last is at least so long.
const PART_BYTES_MIN: u64 = 5 * 1024 * 1024;
const ROWS_PER_PAGE: usize = 1000;

/// An upload under way.
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) initiated: Timestamp,
    /// What the object will be, before its content.
    pub(crate) object: Object,
    /// What the client asked for.
    pub(crate) asked: Option<Algorithm>,
    pub(crate) composite: bool,
    revision: u64,
}

impl Upload {
    /// Where the client asked for none, S3 computes its own.
    fn algorithm(&self) -> Algorithm {
        self.asked.unwrap_or(Algorithm::Crc64Nvme)
    }

    pub(crate) fn kind(&self) -> Str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    fn to_document(&self) -> Document {
        let mut row = Fields::new();
        row.push("Initiated", self.initiated);
        row.push("Object", self.object.to_document());
        row.put("Algorithm", self.asked.map(Algorithm::name));
        row.put("Composite", self.composite.then_some(true));
        Document::Map(row)
    }

    pub(crate) fn from_row(row: &Row) -> Self {
        let body = Input::new(&row.body);
        Self {
            id: rows::split_row(&row.key).1.to_owned(),
            initiated: body.time("Initiated").unwrap_or_default(),
            object: body.get("Object").map(Object::from_document).unwrap_or_default(),
            asked: body.text("Algorithm").and_then(Algorithm::parse),
            composite: body.flag("Composite"),
            revision: row.version,
        }
    }
}

/// The parts of an upload, and the revisions of their rows.
#[derive(Default)]
struct Came {
    parts: Vec<Part>,
    revisions: Vec<u64>,
}

/// Whether the checksum of the whole is one of the parts' checksums. Source: "Checking object integrity", S3 User Guide.
fn is_composite(asked: Option<Algorithm>, kind: Option<&str>) -> Result<bool, OperationError> {
    let Some(algorithm) = asked else {
        if kind.is_some() {
            return Err(invalid_request(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            ));
        }
        return Ok(false);
    };
    let refuse = |kind: &str| {
        invalid_request(format!("The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."))
    };
    match kind {
        None => Ok(algorithm != Algorithm::Crc64Nvme),
        Some("FULL_OBJECT") if checksum::combines(algorithm) => Ok(false),
        Some("COMPOSITE") if algorithm != Algorithm::Crc64Nvme => Ok(true),
        Some(kind) => Err(refuse(kind)),
    }
}

impl Account {
    pub(crate) async fn create_upload(&self, call: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let key = input.name("Key");
        check_key(key)?;
        let asked = input.text("ChecksumAlgorithm").and_then(Algorithm::parse);
        let mut upload = Upload {
            id: String::new(),
            initiated: self.now,
            object: self.new_object(call, &bucket, input).await?,
            asked,
            composite: is_composite(asked, input.text("ChecksumType"))?,
            revision: 0,
        };
        let mut attempt = 0;
        upload.id = until_settled!(async {
            attempt += 1;
            let bucket = self.bucket(&bucket.name).await?;
            let id = self.upload_id(call, &bucket.name, key, attempt);
            let table = self.table(Of::Uploads, &bucket.name);
            let row = rows::upload_row(key, &id);
            let mut batch = self.batch(&bucket);
            batch.check(&table, &*row, None);
            batch.put(&table, row, upload.to_document(), []);
            self.store().commit(batch).await?;
            Ok::<_, Fail>(id)
        })?;
        let mut output = Fields::new();
        output.push("Bucket", bucket.name);
        output.push("Key", key.to_owned());
        output.push("UploadId", upload.id);
        tell_encryption(&upload.object, &mut output);
        if let Some(asked) = upload.asked {
            output.push("ChecksumAlgorithm", asked.name());
            output.push("ChecksumType", if upload.composite { "COMPOSITE" } else { "FULL_OBJECT" });
        }
        Ok(output)
    }

    /// Begins with the time, so that the uploads of a key list in the order in which they began.
    fn upload_id(&self, call: &CallContext, bucket: &str, key: &str, attempt: u64) -> String {
        let mut seed = call.key("upload id");
        seed.text(bucket).text(key).text(&call.request_id).number(call.ordinal).number(attempt);
        format!("{:012x}{}", self.now.as_millis().max(0), alphanumeric(&mut seed.draw(), 52))
    }

    async fn upload(&self, bucket: &str, input: Input<'_>) -> Result<Upload, OperationError> {
        let id = input.name("UploadId");
        let row = rows::upload_row(input.name("Key"), id);
        let found = self.store().get(&self.table(Of::Uploads, bucket), &row).await;
        let found = found.map_err(OperationError::internal)?;
        found.as_ref().map(Upload::from_row).ok_or_else(|| no_such_upload(id))
    }

    pub(crate) async fn upload_part(
        &self,
        input: Input<'_>,
        body: Option<Box<dyn BodySource>>,
    ) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let upload = self.upload(&bucket.name, input).await?;
        let number = part_number(input)?;
        if let Some(asked) = upload.asked
            && let Some(given) = Algorithm::ALL.into_iter().find(|given| input.get(checksum::member(*given)).is_some())
            && given != asked
        {
            return Err(mismatch(asked, given));
        }
        let received = self.receive(body, &[upload.algorithm()]).await?;
        let part = self.store_part(&bucket, &upload, input, number, &received).await?;
        let mut output = Fields::new();
        output.push("ETag", format!("\"{}\"", part.md5));
        received.checksums().add_digests(&mut output);
        tell_encryption(&upload.object, &mut output);
        Ok(output)
    }

    pub(crate) async fn upload_part_copy(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let upload = self.upload(&bucket.name, input).await?;
        let number = part_number(input)?;
        let source = self.copy_source(input).await?;
        let received = self.copy_part(&source, input, &[upload.algorithm()]).await?;
        let part = self.store_part(&bucket, &upload, input, number, &received).await?;
        let told = if upload.asked.is_some() { part.checksums.clone() } else { Checksums::default() };
        let mut output = Fields::new();
        output.push("CopyPartResult", part_result(format!("\"{}\"", part.md5), part.modified, &told));
        output.put("CopySourceVersionId", version_of(&source.bucket, &source.object));
        tell_encryption(&upload.object, &mut output);
        Ok(output)
    }

    async fn store_part(
        &self,
        bucket: &Bucket,
        upload: &Upload,
        input: Input<'_>,
        number: u32,
        received: &Received,
    ) -> Result<Part, OperationError> {
        let part = Part {
            number,
            size: received.digested.size,
            md5: received.digested.md5.clone(),
            modified: self.now,
            blob: received.blob.clone(),
            checksums: Checksums::of_names(&received.digested.checksums),
        };
        let outcome = until_settled!(async {
            let upload_row = rows::upload_row(input.name("Key"), &upload.id);
            let upload = self.upload(&bucket.name, input).await?;
            let table = self.table(Of::Parts, &bucket.name);
            let row = rows::part_row(&upload.id, number);
            let before = self.store().get(&table, &row).await?;
            let mut batch = Batch::default();
            batch.check(&self.table(Of::Uploads, &bucket.name), upload_row, Some(upload.revision));
            batch.check(&table, &*row, before.as_ref().map(|row| row.version));
            batch.put(&table, row, part.to_document(), []);
            self.store().commit(batch).await?;
            Ok::<_, Fail>(before.map(|row| Part::from_document(&row.body).blob))
        });
        match outcome {
            Ok(replaced) => {
                self.free(replaced.into_iter().collect()).await;
                Ok(part)
            }
            Err(error) => {
                self.free(vec![part.blob]).await;
                Err(error)
            }
        }
    }

    /// All parts that came so far, in order.
    async fn parts(&self, bucket: &str, upload: &str) -> Result<Came, OperationError> {
        let table = self.table(Of::Parts, bucket);
        let prefix = format!("{upload}/");
        let mut came = Came::default();
        let mut after: Option<String> = None;
        loop {
            let scan = Scan { prefix: &prefix, after: after.as_deref(), limit: ROWS_PER_PAGE };
            let page = self.store().scan(&table, scan).await.map_err(OperationError::internal)?;
            came.parts.extend(page.iter().map(|row| Part::from_document(&row.body)));
            came.revisions.extend(page.iter().map(|row| row.version));
            match page.last() {
                Some(last) if page.len() == ROWS_PER_PAGE => after = Some(last.key.to_string()),
                _ => return Ok(came),
            }
        }
    }

    pub(crate) async fn complete_upload(&self, call: &CallContext, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let key = input.name("Key");
        let upload = self.upload(&bucket.name, input).await?;
        let came = self.parts(&bucket.name, &upload.id).await?;
        let listed = input.structure("MultipartUpload").map(|listed| listed.list("Parts")).unwrap_or_default();
        let parts = chosen(&came.parts, listed, &upload.id)?;
        let object = assembled(&upload, &parts, input)?;
        let manifest: Vec<Document> = parts.iter().map(|part| part.to_document()).collect();
        let manifest = Document::Map(Fields::from_iter([("Parts".into(), Document::List(manifest))]));
        let also = |batch: &mut Batch| {
            let uploads = self.table(Of::Uploads, &bucket.name);
            let row = rows::upload_row(key, &upload.id);
            batch.check(&uploads, &*row, Some(upload.revision));
            batch.delete(&uploads, row);
            self.delete_parts(&bucket.name, &upload.id, &came, batch);
            batch.put(&self.table(Of::Manifests, &bucket.name), &*upload.id, manifest.clone(), []);
        };
        let installed = self.install(&bucket.name, key, &object, WriteConditions::of(input), also).await?;
        let used: std::collections::HashSet<&str> = parts.iter().map(|part| &*part.blob.0).collect();
        let unused = came.parts.iter().filter(|part| !used.contains(&*part.blob.0)).map(|part| part.blob.clone());
        self.free(unused.collect()).await;
        let mut output = Fields::new();
        let mut location = format!("{}/{}/", call.base_url, bucket.name);
        standin_wire::value::percent_encode(key, true, &mut location);
        output.push("Location", location);
        output.push("Bucket", bucket.name.clone());
        output.push("Key", key.to_owned());
        output.push("ETag", installed.quoted_etag());
        installed.checksums.add_to(&mut output);
        output.put("VersionId", version_of(&bucket, &installed).filter(|_| installed.version.is_some()));
        tell_encryption(&installed, &mut output);
        Ok(output)
    }

    /// Deletes the rows of parts, unless one was replaced meanwhile.
    fn delete_parts(&self, bucket: &str, upload: &str, came: &Came, batch: &mut Batch) {
        let table = self.table(Of::Parts, bucket);
        for (part, revision) in came.parts.iter().zip(&came.revisions) {
            let row = rows::part_row(upload, part.number);
            batch.check(&table, &*row, Some(*revision));
            batch.delete(&table, row);
        }
    }

    pub(crate) async fn abort_upload(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let blobs = until_settled!(async {
            let upload = self.upload(&bucket.name, input).await?;
            let parts = self.parts(&bucket.name, &upload.id).await?;
            let uploads = self.table(Of::Uploads, &bucket.name);
            let row = rows::upload_row(input.name("Key"), &upload.id);
            let mut batch = Batch::default();
            batch.check(&uploads, &*row, Some(upload.revision));
            batch.delete(&uploads, row);
            self.delete_parts(&bucket.name, &upload.id, &parts, &mut batch);
            self.store().commit(batch).await?;
            Ok::<_, Fail>(parts.parts.into_iter().map(|part| part.blob).collect::<Vec<_>>())
        })?;
        self.free(blobs).await;
        Ok(Fields::new())
    }

    pub(crate) async fn list_parts(&self, input: Input<'_>) -> Result<Fields, OperationError> {
        let bucket = self.bucket_of(input).await?;
        let upload = self.upload(&bucket.name, input).await?;
        let max = page_size(input, "MaxParts", "max-parts")?;
        let marker = input.int("PartNumberMarker").unwrap_or(0).clamp(0, PARTS_MAX);
        let after = rows::part_row(&upload.id, u32::try_from(marker).unwrap_or(0));
        let prefix = format!("{}/", upload.id);
        let scan = Scan { prefix: &prefix, after: Some(&after), limit: max + 1 };
        let found = self.store().scan(&self.table(Of::Parts, &bucket.name), scan).await;
        let mut page: Vec<Part> =
            found.map_err(OperationError::internal)?.iter().map(|row| Part::from_document(&row.body)).collect();
        let more = page.len() > max;
        page.truncate(max);
        let mut output = Fields::new();
        output.push("Bucket", bucket.name);
        output.push("Key", input.name("Key").to_owned());
        output.push("UploadId", upload.id.clone());
        output.push("PartNumberMarker", marker);
        output.push("NextPartNumberMarker", page.last().map_or(0, |part| i64::from(part.number)));
        output.push("MaxParts", number(max));
        output.push("IsTruncated", more);
        output.push("Initiator", crate::acl::owner(&self.account));
        output.push("Owner", crate::acl::owner(&self.account));
        output.push("StorageClass", upload.object.storage_class());
        if let Some(asked) = upload.asked {
            output.push("ChecksumAlgorithm", asked.name());
            output.push("ChecksumType", upload.kind());
        }
        let items = page.into_iter().map(|part| {
            let mut item = Fields::new();
            item.push("PartNumber", i64::from(part.number));
            item.push("LastModified", part.modified);
            item.push("ETag", format!("\"{}\"", part.md5));
            item.push("Size", number(part.size));
            if upload.asked.is_some() {
                part.checksums.add_digests(&mut item);
            }
            Document::Map(item)
        });
        let items: Vec<Document> = items.collect();
        if !items.is_empty() {
            output.push("Parts", items);
        }
        Ok(output)
    }
}

/// How many items are on a page.
pub(crate) fn page_size(input: Input<'_>, member: &str, name: &'static str) -> Result<usize, OperationError> {
    match input.int(member) {
        None => Ok(ROWS_PER_PAGE),
        Some(max @ 0..=0x7fff_ffff) => Ok((max as usize).min(ROWS_PER_PAGE)),
        Some(max) => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(invalid_argument(name, max.to_string(), &message))
        }
    }
}

fn part_number(input: Input<'_>) -> Result<u32, OperationError> {
    let given = input.int("PartNumber").unwrap_or_default();
    let message = "Part number must be an integer between 1 and 10000, inclusive";
    let refuse = || invalid_argument("partNumber", given.to_string(), message);
    u32::try_from(given).ok().filter(|_| (1..=PARTS_MAX).contains(&given)).ok_or_else(refuse)
}

fn mismatch(expected: Algorithm, actual: Algorithm) -> OperationError {
    let (expected, actual) = (expected.name().to_lowercase(), actual.name().to_lowercase());
    invalid_request(format!(
        "Checksum Type mismatch occurred, expected checksum Type: {expected}, actual checksum Type: {actual}"
    ))
}

/// The parts that a client lists, each checked against what came.
fn chosen<'p>(came: &'p [Part], listed: &[Document], upload: &str) -> Result<Vec<&'p Part>, OperationError> {
    if listed.is_empty() || listed.len() as i64 > PARTS_MAX {
        return Err(malformed_xml());
    }
    let mut parts: Vec<&Part> = Vec::with_capacity(listed.len());
    for item in listed {
        let item = Input::new(item);
        let number = item.int("PartNumber").unwrap_or_default();
        if parts.last().is_some_and(|last| i64::from(last.number) >= number) {
            let message = "The list of parts was not in ascending order. The parts list must be specified in order by part number.";
            return Err(refused("InvalidPartOrder", 400, message).with_member("UploadId", upload.to_owned()));
        }
        let etag = bare(item.name("ETag"));
        let found = came.binary_search_by_key(&number, |part| i64::from(part.number)).ok().map(|at| &came[at]);
        let holds = |part: &&Part| {
            let digests = &part.checksums.digests;
            part.md5 == etag
                && digests.iter().all(|(algorithm, digest)| {
                    item.text(checksum::member(*algorithm)).is_none_or(|given| given == digest)
                })
        };
        let Some(part) = found.filter(holds) else {
            let message = "One or more of the specified parts could not be found. The part may not have been uploaded, or \
                           the specified entity tag may not match the part's entity tag.";
            return Err(refused("InvalidPart", 400, message)
                .with_member("UploadId", upload.to_owned())
                .with_member("PartNumber", number.to_string())
                .with_member("ETag", etag.to_owned()));
        };
        parts.push(part);
    }
    let (_, before) = parts.split_last().ok_or_else(malformed_xml)?;
    if let Some(small) = before.iter().find(|part| part.size < PART_BYTES_MIN) {
        return Err(refused("EntityTooSmall", 400, "Your proposed upload is smaller than the minimum allowed size")
            .with_member("ProposedSize", small.size.to_string())
            .with_member("MinSizeAllowed", PART_BYTES_MIN.to_string())
            .with_member("PartNumber", small.number.to_string())
            .with_member("ETag", small.md5.clone()));
    }
    Ok(parts)
}

/// The object that the parts make; checked against what the client says of the whole.
fn assembled(upload: &Upload, parts: &[&Part], input: Input<'_>) -> Result<Object, OperationError> {
    let algorithm = upload.algorithm();
    let of_part = |part: &&Part| {
        let found = part.checksums.digests.iter().find(|(known, _)| *known == algorithm);
        found.map(|(_, digest)| digest.clone()).unwrap_or_default()
    };
    let digests: Vec<(String, u64)> = parts.iter().map(|part| (of_part(part), part.size)).collect();
    let whole = if upload.composite {
        Some(checksum::composite(algorithm, digests.iter().map(|(digest, _)| digest.as_str())))
    } else {
        checksum::of_whole(algorithm, digests.iter().map(|(digest, size)| (digest.as_str(), *size)))
    };
    let size = parts.iter().map(|part| part.size).sum();
    if let (Some(given), Some(whole)) = (input.text(checksum::member(algorithm)), &whole) {
        // The number of parts may be left out.
        let bare = whole.split('-').next().unwrap_or_default();
        if given != whole && given != bare {
            let message = "The checksum that was given does not match the checksum that was computed.";
            return Err(refused("BadDigest", 400, message));
        }
    }
    if input.int("MpuObjectSize").is_some_and(|given| u64::try_from(given).ok() != Some(size)) {
        return Err(invalid_request("The given object size is not that of the parts."));
    }
    Ok(Object {
        size,
        etag: checksum::etag_of_parts(parts.iter().map(|part| part.md5.as_str())),
        checksums: Checksums {
            digests: whole.into_iter().map(|whole| (algorithm, whole)).collect(),
            composite: upload.composite,
        },
        content: Content::Parts(upload.id.clone(), u32::try_from(parts.len()).unwrap_or(u32::MAX)),
        ..upload.object.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobId;

    fn part(number: u32, size: u64) -> Part {
        let blob = BlobId(format!("b{number}").into());
        Part {
            number,
            size,
            md5: format!("e{number}"),
            modified: Timestamp::default(),
            blob,
            checksums: Checksums::default(),
        }
    }

    fn check(listed: &serde_json::Value, expect: Result<&[u32], &str>) {
        let came = [part(1, PART_BYTES_MIN), part(2, 1), part(5, PART_BYTES_MIN), part(9, 3)];
        let listed = Document::from_json(listed);
        let found = chosen(&came, listed.as_list().expect("a list"), "u");
        let numbers: Result<Vec<u32>, _> = found.map(|parts| parts.iter().map(|part| part.number).collect());
        assert_eq!(numbers.as_deref().map_err(|error| &*error.code), expect, "{listed:?}");
    }

    #[test]
    fn parts_are_checked() {
        use serde_json::json;
        let item = |number: u32| json!({"PartNumber": number, "ETag": format!("\"e{number}\"")});
        check(&json!([item(1), item(5), item(9)]), Ok(&[1, 5, 9]));
        check(&json!([item(2)]), Ok(&[2]));
        check(&json!([]), Err("MalformedXML"));
        check(&json!([item(5), item(1)]), Err("InvalidPartOrder"));
        check(&json!([item(1), item(1)]), Err("InvalidPartOrder"));
        check(&json!([item(1), item(2), item(9)]), Err("EntityTooSmall"));
        check(&json!([item(3)]), Err("InvalidPart"));
        check(&json!([{"PartNumber": 1, "ETag": "other"}]), Err("InvalidPart"));
    }

    #[test]
    fn kinds_of_checksums() {
        let check = |asked, kind, expect: Option<bool>| assert_eq!(is_composite(asked, kind).ok(), expect);
        check(None, None, Some(false));
        check(Some(Algorithm::Crc32), None, Some(true));
        check(Some(Algorithm::Crc32), Some("FULL_OBJECT"), Some(false));
        check(Some(Algorithm::Crc64Nvme), None, Some(false));
        check(Some(Algorithm::Crc64Nvme), Some("COMPOSITE"), None);
        check(Some(Algorithm::Sha256), Some("FULL_OBJECT"), None);
        check(None, Some("FULL_OBJECT"), None);
    }
}
