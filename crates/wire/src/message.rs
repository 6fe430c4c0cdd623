//! HTTP messages as the protocols see them, and what can be wrong with them.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use standin_core::{OperationError, codes};

use crate::value::quoted;

/// A request whose body is complete (or was left out because it streams).
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    /// Percent-encoded as sent, without an endpoint's path prefix; begins with `/`.
    pub path: String,
    /// Raw, without `?`; empty when there is none.
    pub query: String,
    pub headers: HeaderMap,
    /// Content codings and `aws-chunked` framing are already undone.
    pub body: Bytes,
}

#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Why bytes are not what the shape says.
#[derive(Clone, Debug, PartialEq)]
pub struct DecodeError {
    /// Member names from the input's root, as in `tags.member.2.Key`; empty for the message as a whole.
    pub path: String,
    /// What was found and what was expected; lower case, no full stop.
    pub reason: String,
}

impl DecodeError {
    pub fn new(reason: impl Into<String>) -> Self {
        Self { path: String::new(), reason: reason.into() }
    }

    /// Puts the error one level further down the path. Of a long key only the start is told.
    #[must_use]
    pub fn within(mut self, name: &str) -> Self {
        let name = quoted(name);
        self.path = if self.path.is_empty() { name.into_owned() } else { format!("{name}.{}", self.path) };
        self
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.path, self.reason) }
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for OperationError {
    fn from(error: DecodeError) -> Self {
        Self::new(codes::SERIALIZATION, error.to_string()).with_status(400)
    }
}

/// Why a document cannot be written as the shape says. On the server this is a bug of a handler.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct EncodeError {
    pub path: String,
    pub reason: String,
}
