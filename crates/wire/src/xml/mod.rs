//! XML as in REST-XML and in the answers of the query protocols.
//!
//! Documents are read by pulling events and written straight into bytes; no tree stands in between. Document type
//! declarations are refused, so there are no entities but the five of XML itself and numbered characters.

mod envelope;
mod names;
mod pull;
mod read;
mod s3;
mod write;

use std::borrow::Cow;

use standin_model::{Document, Kind, Service, ShapeIx};

use crate::message::DecodeError;

pub use envelope::{read_error, write_error};
pub(crate) use names::{Names, is_flattened};
pub(crate) use read::ShapeReader;
pub(crate) use write::Writer;

/// What REST-XML and EC2 bodies begin with.
pub(crate) const DECLARATION: &[u8] = br#"<?xml version="1.0" encoding="UTF-8"?>
"#;

/// Reads one element as a shape. The root element may have any name; of a structure only members bound to the body are
/// read. Bytes without any element are an empty structure, map or list, else null.
///
/// # Errors
/// When the bytes are not well-formed XML, or a value does not fit its shape's kind.
pub fn read_body(service: &Service, shape: ShapeIx, bytes: &[u8]) -> Result<Document, DecodeError> {
    let mut reader = ShapeReader::new(service, bytes)?;
    let target = service.shape(shape);
    let Some(root) = reader.pull.root()? else {
        return Ok(match target.kind {
            Kind::Structure(_) | Kind::Map(_) => Document::map(),
            Kind::List(_) => Document::List(Vec::new()),
            _ => Document::Null,
        });
    };
    if s3::is_bucket_location(service, target) {
        let text = reader.pull.text()?;
        return Ok(s3::bucket_location(&text));
    }
    let mut value = reader.value(shape, &root, 0)?;
    reader.pull.finish()?;
    if s3::is_s3(service) {
        s3::decode_keys(&mut value)?;
    }
    Ok(value)
}

/// Writes one element named `root`, with the XML declaration. Of a structure only members bound to the body are written;
/// what does not fit its shape is left out. S3's outputs get the root that S3 gives them, whatever `root` says.
pub fn write_body(
    service: &Service,
    shape: ShapeIx,
    root: &str,
    namespace: Option<&str>,
    value: &Document,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(DECLARATION);
    let target = service.shape(shape);
    let mut writer = Writer::new(service, out);
    let mut root = root;
    if s3::is_s3(service) {
        root = s3::root(target.name).unwrap_or(root);
        if s3::is_bucket_location(service, target) {
            let text = value.get("LocationConstraint").and_then(Document::as_str).unwrap_or_default();
            return writer.text_element(root, namespace, text);
        }
        writer.url_keys = s3::wants_url_keys(value);
    }
    writer.root(root, namespace, shape, value);
}

/// The namespace of a service's XML answers, where it has one. botocore's models leave those of the REST-XML services out.
/// Source: the Smithy models of these services.
pub fn namespace(service: &Service) -> Option<Cow<'static, str>> {
    if let Some(namespace) = service.xml_namespace {
        return Some(Cow::Borrowed(namespace));
    }
    match service.id {
        "s3" => Some(Cow::Borrowed("http://s3.amazonaws.com/doc/2006-03-01/")),
        "s3control" => Some(Cow::Borrowed("http://awss3control.amazonaws.com/doc/2018-08-20/")),
        "route53" => Some(Cow::Borrowed("https://route53.amazonaws.com/doc/2013-04-01/")),
        "sqs" => Some(Cow::Borrowed("http://queue.amazonaws.com/doc/2012-11-05/")),
        "cloudfront" => Some(Cow::Owned(format!("http://cloudfront.amazonaws.com/doc/{}/", service.version))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
