//! Where S3 differs from what its botocore model says.

use standin_model::{Document, Service, Shape, Str};

use crate::message::DecodeError;
use crate::value::{form_decode, percent_encode};

/// Output shapes and the root elements that S3 really sends. Typed SDKs check them, botocore does not.
/// Source: the `xmlName` traits of S3's Smithy model. Sorted.
pub(super) const ROOTS: [(Str, Str); 27] = [
    ("CompleteMultipartUploadOutput", "CompleteMultipartUploadResult"),
    ("CreateMultipartUploadOutput", "InitiateMultipartUploadResult"),
    ("CreateSessionOutput", "CreateSessionResult"),
    ("DeleteObjectsOutput", "DeleteResult"),
    ("GetBucketAccelerateConfigurationOutput", "AccelerateConfiguration"),
    ("GetBucketAclOutput", "AccessControlPolicy"),
    ("GetBucketCorsOutput", "CORSConfiguration"),
    ("GetBucketLifecycleConfigurationOutput", "LifecycleConfiguration"),
    ("GetBucketLocationOutput", "LocationConstraint"),
    ("GetBucketLoggingOutput", "BucketLoggingStatus"),
    ("GetBucketRequestPaymentOutput", "RequestPaymentConfiguration"),
    ("GetBucketTaggingOutput", "Tagging"),
    ("GetBucketVersioningOutput", "VersioningConfiguration"),
    ("GetBucketWebsiteOutput", "WebsiteConfiguration"),
    ("GetObjectAclOutput", "AccessControlPolicy"),
    ("GetObjectAttributesOutput", "GetObjectAttributesResponse"),
    ("GetObjectTaggingOutput", "Tagging"),
    ("ListBucketAnalyticsConfigurationsOutput", "ListBucketAnalyticsConfigurationResult"),
    ("ListBucketInventoryConfigurationsOutput", "ListInventoryConfigurationsResult"),
    ("ListBucketMetricsConfigurationsOutput", "ListMetricsConfigurationsResult"),
    ("ListBucketsOutput", "ListAllMyBucketsResult"),
    ("ListDirectoryBucketsOutput", "ListAllMyDirectoryBucketsResult"),
    ("ListMultipartUploadsOutput", "ListMultipartUploadsResult"),
    ("ListObjectVersionsOutput", "ListVersionsResult"),
    ("ListObjectsOutput", "ListBucketResult"),
    ("ListObjectsV2Output", "ListBucketResult"),
    ("ListPartsOutput", "ListPartsResult"),
];

pub(super) fn is_s3(service: &Service) -> bool {
    service.id == "s3"
}

/// The root element of an output shape, where it is not the shape's name.
pub(super) fn root(shape: &str) -> Option<Str> {
    let at = ROOTS.binary_search_by(|(name, _)| (*name).cmp(shape)).ok()?;
    Some(ROOTS[at].1)
}

/// `GetBucketLocation` answers with the location as the root's own text.
pub(super) fn is_bucket_location(service: &Service, shape: &Shape) -> bool {
    is_s3(service) && shape.name == "GetBucketLocationOutput"
}

pub(super) fn bucket_location(text: &str) -> Document {
    let mut output = Document::map();
    if let (false, Some(fields)) = (text.is_empty(), output.as_map_mut()) {
        fields.push("LocationConstraint", text.to_owned());
    }
    output
}

/// Whether a list answer says that its keys are encoded. Documents hold them plain.
pub(super) fn wants_url_keys(output: &Document) -> bool {
    output.get("EncodingType").and_then(Document::as_str) == Some("url")
}

/// Whether a member holds an object key or a part of one, so that `EncodingType` applies to it.
pub(super) fn is_key(member: &str) -> bool {
    matches!(
        member,
        "Key" | "Prefix" | "Delimiter" | "Marker" | "NextMarker" | "StartAfter" | "KeyMarker" | "NextKeyMarker"
    )
}

/// Appends a key as S3 encodes it: slashes stay, spaces go as `%20`, which every client's decoder takes.
pub(super) fn encode_key(key: &str, out: &mut Vec<u8>) {
    let mut encoded = String::with_capacity(key.len());
    percent_encode(key, true, &mut encoded);
    out.extend_from_slice(encoded.as_bytes());
}

/// Decodes the keys of a list answer in place, where it says that they are encoded.
pub(super) fn decode_keys(output: &mut Document) -> Result<(), DecodeError> {
    if wants_url_keys(output) { decode_within(output) } else { Ok(()) }
}

fn decode_within(value: &mut Document) -> Result<(), DecodeError> {
    match value {
        Document::List(items) => items.iter_mut().try_for_each(decode_within),
        Document::Map(fields) => fields.iter_mut().try_for_each(|(name, value)| match value {
            Document::String(text) if is_key(name) => {
                let plain = form_decode(text)?.into_owned();
                *text = plain.into();
                Ok(())
            }
            value => decode_within(value),
        }),
        _ => Ok(()),
    }
}
