//! What is known of one version of an object.

use standin_model::{Document, Fields, Str, Timestamp};
use standin_wire::checksum::Algorithm;

use crate::blob::BlobId;
use crate::checksum;
use crate::input::{Input, Put as _, number};

/// One version of an object, or a delete marker.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Object {
    /// Counts the versions of this key from 1.
    pub(crate) number: u64,
    /// `None` for the null version: written while the bucket kept no versions.
    pub(crate) version: Option<String>,
    pub(crate) modified: Timestamp,
    /// A delete marker has nothing of what follows.
    pub(crate) marker: bool,
    /// In bytes.
    pub(crate) size: u64,
    /// Without quotes.
    pub(crate) etag: String,
    pub(crate) content: Content,
    pub(crate) checksums: Checksums,
    /// What reads answer as it was given: members of the outputs of `GetObject` and `HeadObject`.
    pub(crate) headers: Fields,
    /// A list of `Tag`; empty for none.
    pub(crate) tags: Vec<Document>,
    /// `AccessControlPolicy`, where it is not the owner's alone.
    pub(crate) acl: Option<Document>,
}

/// Where the bytes are.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) enum Content {
    #[default]
    Nothing,
    Blob(BlobId),
    /// The name of a manifest, and how many parts it has.
    Parts(String, u32),
}

/// The checksums that were given or computed, by algorithm, as base64.
#[derive(Clone, Debug, PartialEq, Default)]
pub(crate) struct Checksums {
    pub(crate) digests: Vec<(Algorithm, String)>,
    /// Of the parts' checksums rather than of all bytes.
    pub(crate) composite: bool,
}

impl Checksums {
    pub(crate) fn of_names(digests: &[(&'static str, String)]) -> Self {
        let known = digests.iter().filter_map(|(name, digest)| Some((Algorithm::parse(name)?, digest.clone())));
        Self { digests: known.collect(), composite: false }
    }

    pub(crate) fn kind(&self) -> Str {
        if self.composite { "COMPOSITE" } else { "FULL_OBJECT" }
    }

    /// Adds `ChecksumCRC32` and so on.
    pub(crate) fn add_digests(&self, output: &mut Fields) {
        for (algorithm, digest) in &self.digests {
            output.push(checksum::member(*algorithm), digest.clone());
        }
    }

    /// Adds the digests and `ChecksumType`, where there is any.
    pub(crate) fn add_to(&self, output: &mut Fields) {
        if !self.digests.is_empty() {
            self.add_digests(output);
            output.push("ChecksumType", self.kind());
        }
    }

    /// The algorithms by name, as lists of objects tell them.
    pub(crate) fn names(&self) -> Vec<Document> {
        self.digests.iter().map(|(algorithm, _)| Document::from(algorithm.name())).collect()
    }
}

impl Object {
    pub(crate) fn quoted_etag(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    /// The version as answers name it.
    pub(crate) fn version_name(&self) -> &str {
        self.version.as_deref().unwrap_or("null")
    }

    pub(crate) fn storage_class(&self) -> String {
        self.headers.get("StorageClass").and_then(Document::as_str).unwrap_or("STANDARD").to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(Document::as_str)
    }

    pub(crate) fn to_document(&self) -> Document {
        let mut row = Fields::new();
        row.push("Number", number(self.number));
        row.put("Version", self.version.clone());
        row.push("Modified", self.modified);
        if self.marker {
            row.push("Marker", true);
            return Document::Map(row);
        }
        row.push("Size", number(self.size));
        row.push("ETag", self.etag.clone());
        match &self.content {
            Content::Nothing => {}
            Content::Blob(id) => row.push("Blob", id.0.to_string()),
            Content::Parts(manifest, count) => {
                row.push("Manifest", manifest.clone());
                row.push("Parts", i64::from(*count));
            }
        }
        if !self.checksums.digests.is_empty() {
            let mut digests = Fields::new();
            self.checksums.add_digests(&mut digests);
            row.push("Checksums", digests);
            if self.checksums.composite {
                row.push("Composite", true);
            }
        }
        if !self.headers.is_empty() {
            row.push("Headers", self.headers.clone());
        }
        if !self.tags.is_empty() {
            row.push("Tags", self.tags.clone());
        }
        row.put("Acl", self.acl.clone());
        Document::Map(row)
    }

    pub(crate) fn from_document(row: &Document) -> Self {
        let row = Input::new(row);
        let whole = |name| row.int(name).and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
        let content = match (row.text("Blob"), row.text("Manifest")) {
            (Some(blob), _) => Content::Blob(BlobId(blob.into())),
            (None, Some(manifest)) => {
                Content::Parts(manifest.to_owned(), u32::try_from(whole("Parts")).unwrap_or(u32::MAX))
            }
            (None, None) => Content::Nothing,
        };
        Self {
            number: whole("Number"),
            version: row.text("Version").map(str::to_owned),
            modified: row.time("Modified").unwrap_or_default(),
            marker: row.flag("Marker"),
            size: whole("Size"),
            etag: row.name("ETag").to_owned(),
            content,
            checksums: read_checksums(row),
            headers: row.get("Headers").and_then(Document::as_map).cloned().unwrap_or_default(),
            tags: row.list("Tags").to_vec(),
            acl: row.get("Acl").cloned(),
        }
    }
}

/// `Checksums` and `Composite` of a row.
pub(crate) fn read_checksums(row: Input<'_>) -> Checksums {
    let digests = row.structure("Checksums").into_iter().flat_map(|digests| {
        let of = move |algorithm: Algorithm| Some((algorithm, digests.text(checksum::member(algorithm))?.to_owned()));
        Algorithm::ALL.into_iter().filter_map(of)
    });
    Checksums { digests: digests.collect(), composite: row.flag("Composite") }
}

/// A part of an upload, or of a finished object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) number: u32,
    pub(crate) size: u64,
    /// In hexadecimal digits.
    pub(crate) md5: String,
    pub(crate) modified: Timestamp,
    pub(crate) blob: BlobId,
    pub(crate) checksums: Checksums,
}

impl Part {
    pub(crate) fn to_document(&self) -> Document {
        let mut row = Fields::new();
        row.push("Number", i64::from(self.number));
        row.push("Size", number(self.size));
        row.push("MD5", self.md5.clone());
        row.push("Modified", self.modified);
        row.push("Blob", self.blob.0.to_string());
        let mut digests = Fields::new();
        self.checksums.add_digests(&mut digests);
        row.push("Checksums", digests);
        Document::Map(row)
    }

    pub(crate) fn from_document(row: &Document) -> Self {
        let row = Input::new(row);
        Self {
            number: row.int("Number").and_then(|number| u32::try_from(number).ok()).unwrap_or_default(),
            size: row.int("Size").and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
            md5: row.name("MD5").to_owned(),
            modified: row.time("Modified").unwrap_or_default(),
            blob: BlobId(row.name("Blob").into()),
            checksums: read_checksums(row),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_back_what_was_stored() {
        let mut headers = Fields::new();
        headers.push("ContentType", "text/plain");
        let object = Object {
            number: 3,
            version: Some("v".into()),
            modified: Timestamp::from_seconds(7),
            size: 5,
            etag: "e".into(),
            content: Content::Blob(BlobId("b".into())),
            checksums: Checksums { digests: vec![(Algorithm::Sha1, "x".into())], composite: true },
            headers,
            tags: vec![Document::map()],
            acl: Some(Document::map()),
            ..Object::default()
        };
        assert_eq!(Object::from_document(&object.to_document()), object);
        let parts = Object { content: Content::Parts("m".into(), 4), ..object };
        assert_eq!(Object::from_document(&parts.to_document()), parts);
        let marker = Object { marker: true, number: 1, ..Object::default() };
        assert_eq!(Object::from_document(&marker.to_document()), marker);
    }
}
