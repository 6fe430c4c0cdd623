//! The one error that operations end in. No status, no protocol: `standin-wire` makes the bytes.

use std::borrow::Cow;
use std::fmt;

use standin_model::{Document, Fields, Operation, Service, ShapeIx, Str};

/// Codes that AWS answers with although few models list them.
pub mod codes {
    pub const INTERNAL_FAILURE: &str = "InternalFailure";
    pub const SERIALIZATION: &str = "SerializationException";
    pub const VALIDATION: &str = "ValidationException";
    pub const UNKNOWN_OPERATION: &str = "UnknownOperationException";
    pub const ACCESS_DENIED: &str = "AccessDeniedException";
    pub const NOT_IMPLEMENTED: &str = "NotImplemented";
    pub const REQUEST_TOO_LARGE: &str = "RequestEntityTooLargeException";
    pub const REQUEST_TIMEOUT: &str = "RequestTimeout";
    pub const BAD_DIGEST: &str = "BadDigest";
    pub const SIGNATURE_MISMATCH: &str = "SignatureDoesNotMatch";
}

/// How an operation fails.
#[derive(Debug)]
pub struct OperationError {
    /// The name of the error shape (`ResourceNotFoundException`), or a code of [`codes`] that no model lists.
    pub code: Cow<'static, str>,
    /// For the client. An empty message is left out on the wire.
    pub message: String,
    /// Further members of the error shape, by member name.
    pub members: Fields,
    /// The HTTP status for codes that no model lists; ignored where the model knows.
    pub status: Option<u16>,
    /// Headers that the error's shape does not know.
    pub headers: Vec<(Str, String)>,
    /// For the log only.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl OperationError {
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            members: Fields::new(),
            status: None,
            headers: Vec::new(),
            source: None,
        }
    }

    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }

    /// Adds a member of the error's shape; S3's errors also carry members that no shape lists.
    #[must_use]
    pub fn with_member(mut self, name: Str, value: impl Into<Document>) -> Self {
        self.members.push(name, value);
        self
    }

    #[must_use]
    pub fn with_header(mut self, name: Str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Something broke on our side. The client learns no more than that.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(codes::INTERNAL_FAILURE, "standin failed to answer; its log has the reason under this request id")
            .with_status(500)
            .with_source(source)
    }

    /// The modelled shape of this error: among those of the operation by name or wire code, else among all of the service.
    pub fn shape(&self, service: &Service, operation: Option<&Operation>) -> Option<ShapeIx> {
        let is = |ix: &ShapeIx| {
            let shape = service.shape(*ix);
            let error = service.structure(*ix).and_then(|structure| structure.error.as_ref());
            error.is_some_and(|error| shape.name == self.code || error.code.is_some_and(|code| code == self.code))
        };
        operation
            .and_then(|operation| operation.errors.iter().copied().find(is))
            .or_else(|| service.shape_named(&self.code).filter(is))
    }
}

impl fmt::Display for OperationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for OperationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// The name under which an error of this shape travels.
impl OperationError {
    pub fn wire_code(service: &Service, shape: ShapeIx) -> Str {
        let error = service.structure(shape).and_then(|structure| structure.error.as_ref());
        error.and_then(|error| error.code).unwrap_or(service.shape(shape).name)
    }
}
