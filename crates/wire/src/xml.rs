//! XML as in REST-XML and in the answers of the query protocols.

use standin_model::{Document, Fields, Operation, Protocol, Service, ShapeIx};

use crate::message::DecodeError;

/// Reads one element as a shape. The root element may have any name; of a structure only members bound to the body are read.
///
/// # Errors
/// When the bytes are not well-formed XML, or a value does not fit its shape's kind.
pub fn read_body(_service: &Service, _shape: ShapeIx, _bytes: &[u8]) -> Result<Document, DecodeError> {
    Err(DecodeError::new("XML is not read yet"))
}

/// Writes one element named `root`. Of a structure only members bound to the body are written.
pub fn write_body(
    _service: &Service,
    _shape: ShapeIx,
    _root: &str,
    _namespace: Option<&str>,
    _value: &Document,
    _out: &mut Vec<u8>,
) {
}

/// Writes the error envelope of REST-XML (S3's bare form too), AWS Query or EC2 Query.
#[expect(clippy::too_many_arguments, reason = "every one is a part of the envelope")]
pub fn write_error(
    _protocol: Protocol,
    _service: Option<&Service>,
    _shape: Option<ShapeIx>,
    _code: &str,
    _message: &str,
    _fault_is_server: bool,
    _members: &Fields,
    _request_id: &str,
) -> Vec<u8> {
    Vec::new()
}

/// Reads any of the error envelopes: code, message, further members, request id. `None` where the bytes are no such envelope.
pub fn read_error(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _bytes: &[u8],
) -> Option<(String, String, Fields, Option<String>)> {
    None
}
