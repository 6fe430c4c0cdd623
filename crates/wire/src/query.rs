//! Form bodies as in the AWS Query and EC2 Query protocols.

use standin_model::{Document, Operation, Protocol, Service};

use crate::message::{DecodeError, EncodeError};

/// Reads an operation's input from a form body (or from a query string: the same bytes).
///
/// # Errors
/// When a value does not fit its shape's kind.
pub fn read_form(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _body: &[u8],
) -> Result<Document, DecodeError> {
    Err(DecodeError::new("forms are not read yet"))
}

/// Writes an operation's input as a form body, `Action` and `Version` first.
///
/// # Errors
/// When a value does not fit its shape's kind.
pub fn write_form(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _input: &Document,
) -> Result<Vec<u8>, EncodeError> {
    Err(EncodeError { path: String::new(), reason: "forms are not written yet".into() })
}

/// Writes a success: the response element with result wrapper and request id as the protocol has them.
pub fn write_result(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _request_id: &str,
    _output: &Document,
) -> Vec<u8> {
    Vec::new()
}

/// Reads a success back into the output document.
///
/// # Errors
/// When the bytes are not well-formed XML, the result element is missing, or a value does not fit its shape's kind.
pub fn read_result(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _body: &[u8],
) -> Result<Document, DecodeError> {
    Err(DecodeError::new("results are not read yet"))
}
