//! The XML that answers a form.

use std::borrow::Cow;

use standin_model::{Document, Operation, Protocol, Service};

use crate::message::DecodeError;
use crate::xml::{DECLARATION, ShapeReader, Writer, namespace};

/// Writes a success: the response element with result element and request id as the protocol has them. An EC2 operation
/// without output answers `return`, as EC2 does.
pub fn write_result(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    request_id: &str,
    output: &Document,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    let ec2 = protocol == Protocol::Ec2Query;
    if ec2 {
        out.extend_from_slice(DECLARATION);
    }
    let structure = operation.output.and_then(|shape| service.structure(shape));
    out.push(b'<');
    out.extend_from_slice(operation.name.as_bytes());
    out.extend_from_slice(b"Response");
    if let Some(namespace) = namespace(service) {
        out.extend_from_slice(b" xmlns=\"");
        out.extend_from_slice(namespace.as_bytes());
        // The model of EC2 leaves out the slash that EC2 sends.
        out.extend_from_slice(if ec2 && !namespace.ends_with('/') { b"/\"" } else { b"\"" });
    }
    out.push(b'>');
    let mut writer = Writer::new(service, &mut out);
    if ec2 {
        writer.text_element("requestId", None, request_id);
        match (structure, output) {
            (Some(structure), Document::Map(fields)) => writer.members(structure, fields, 0),
            (Some(_), _) => {}
            (None, _) => writer.text_element("return", None, "true"),
        }
    } else {
        if let Some(structure) = structure {
            let wrapper = wrapper(operation);
            let mark = writer.start(&wrapper);
            if let Document::Map(fields) = output {
                writer.members(structure, fields, 0);
            }
            writer.close(&wrapper, mark);
        }
        let mark = writer.start("ResponseMetadata");
        writer.text_element("RequestId", None, request_id);
        writer.close("ResponseMetadata", mark);
    }
    out.extend_from_slice(b"</");
    out.extend_from_slice(operation.name.as_bytes());
    out.extend_from_slice(b"Response>");
    out
}

/// Reads a success back into the output document.
///
/// # Errors
/// When the bytes are not well-formed XML, the result element is missing, or a value does not fit its shape's kind.
pub fn read_result(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    body: &[u8],
) -> Result<Document, DecodeError> {
    let Some(shape) = operation.output else { return Ok(Document::map()) };
    let mut reader = ShapeReader::new(service, body)?;
    let root = reader.pull.root()?.ok_or_else(|| DecodeError::new("the answer is empty"))?;
    if protocol == Protocol::Ec2Query {
        let output = reader.value(shape, &root, 0)?;
        reader.pull.finish()?;
        return Ok(output);
    }
    let wrapper = wrapper(operation);
    while let Some(child) = reader.pull.child()? {
        if child.local_name().as_ref() == wrapper {
            return reader.value(shape, &child, 0);
        }
        reader.pull.skip()?;
    }
    Err(DecodeError::new(format!("the answer has no element `{wrapper}`")))
}

/// The element around the output. Models of services that moved on to JSON no longer name it.
fn wrapper(operation: &Operation) -> Cow<'static, str> {
    match operation.result_wrapper {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("{}Result", operation.name)),
    }
}
