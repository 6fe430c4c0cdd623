//! The client's side: requests out, responses in. `standin call` and the round-trip tests use it.

use http::{HeaderMap, StatusCode};
use standin_model::{Document, Fields, Operation, Protocol, Service};

use crate::message::{DecodeError, EncodeError, Request};

/// A decoded answer that is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceError {
    pub status: u16,
    /// As sent, with namespace and URL parts stripped.
    pub code: String,
    pub message: String,
    pub members: Fields,
    pub request_id: Option<String>,
}

/// Encodes an operation's input. The host prefix is not applied; the `Host` header is not set; nothing is signed.
///
/// # Errors
/// When a value does not fit its shape's kind, or a URI label is missing or empty.
pub fn encode_request(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _input: &Document,
) -> Result<Request, EncodeError> {
    Err(EncodeError { path: String::new(), reason: "not built yet".into() })
}

/// Decodes a success into the output document, an error into its code, message and members.
///
/// # Errors
/// When the body is not of the protocol's format.
pub fn decode_response(
    _protocol: Protocol,
    _service: &Service,
    _operation: &Operation,
    _status: StatusCode,
    _headers: &HeaderMap,
    _body: &[u8],
) -> Result<Result<Document, ServiceError>, DecodeError> {
    Err(DecodeError::new("not built yet"))
}
