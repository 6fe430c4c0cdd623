//! The server's side: requests in, responses out.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use standin_core::OperationError;
use standin_model::{Document, Operation, Protocol, Service};

use crate::message::{DecodeError, Request, Response};

/// Decodes the input of an operation: a map by member name; empty where the operation takes none.
///
/// A streaming payload member is left out: its bytes are not in `request.body`.
///
/// # Errors
/// When the body is not of the protocol's format, or a value does not fit its shape's kind. Constraints are not looked at.
pub fn decode_request(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _request: &Request,
) -> Result<Document, DecodeError> {
    Err(DecodeError::new("not built yet"))
}

/// Encodes a success. Never fails: what does not fit its shape is left out and logged by the caller through `problems`.
pub fn encode_response(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _request_id: &str,
    _output: &Document,
) -> Response {
    Response { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() }
}

/// Encodes an error in the protocol's own form. `service` and `operation` are `None` where they could not be identified.
pub fn encode_error(
    _protocol: Protocol,
    _service: Option<&Service>,
    _operation: Option<&Operation>,
    _request_id: &str,
    _error: &OperationError,
) -> Response {
    Response { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body: Bytes::new() }
}
