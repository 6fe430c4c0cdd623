//! S3's errors: codes, statuses and what they tell beside. Source: "Error responses" in the S3 API Reference.

use std::io;

use standin_core::{OperationError, codes};
use standin_store::StoreError;

pub(crate) fn refused(code: &'static str, status: u16, message: impl Into<String>) -> OperationError {
    OperationError::new(code, message).with_status(status)
}

pub(crate) fn no_such_bucket(bucket: &str) -> OperationError {
    refused("NoSuchBucket", 404, "The specified bucket does not exist").with_member("BucketName", bucket.to_owned())
}

pub(crate) fn no_such_key(key: &str) -> OperationError {
    refused("NoSuchKey", 404, "The specified key does not exist.").with_member("Key", key.to_owned())
}

pub(crate) fn no_such_version(key: &str, version: &str) -> OperationError {
    refused("NoSuchVersion", 404, "The specified version does not exist.")
        .with_member("Key", key.to_owned())
        .with_member("VersionId", version.to_owned())
}

pub(crate) fn no_such_upload(upload: &str) -> OperationError {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been \
                   aborted or completed.";
    refused("NoSuchUpload", 404, message).with_member("UploadId", upload.to_owned())
}

pub(crate) fn precondition_failed(condition: &'static str) -> OperationError {
    let message = "At least one of the pre-conditions you specified did not hold";
    refused("PreconditionFailed", 412, message).with_member("Condition", condition)
}

pub(crate) fn invalid_argument(name: &'static str, value: impl Into<String>, message: &str) -> OperationError {
    refused("InvalidArgument", 400, message)
        .with_member("ArgumentName", name)
        .with_member("ArgumentValue", value.into())
}

pub(crate) fn invalid_request(message: impl Into<String>) -> OperationError {
    refused("InvalidRequest", 400, message)
}

pub(crate) fn access_denied(message: &str) -> OperationError {
    refused("AccessDenied", 403, message)
}

pub(crate) fn malformed_xml() -> OperationError {
    let message = "The XML you provided was not well-formed or did not validate against our published schema";
    refused("MalformedXML", 400, message)
}

pub(crate) fn method_not_allowed() -> OperationError {
    refused("MethodNotAllowed", 405, "The specified method is not allowed against this resource.")
}

/// What reading a request's body ended in: an error of ours if one is inside, else that of the connection.
pub(crate) fn broken_body(error: io::Error) -> OperationError {
    let kind = error.kind();
    match error.downcast::<OperationError>() {
        Ok(own) => own,
        Err(error) if kind == io::ErrorKind::TimedOut => refused(codes::REQUEST_TIMEOUT, 400, error.to_string()),
        Err(error) => refused("IncompleteBody", 400, error.to_string()),
    }
}

/// Why an attempt to change something did not succeed.
#[derive(Debug)]
pub(crate) enum Fail {
    /// Another was faster: decide anew.
    Conflict,
    Refused(OperationError),
}

impl From<OperationError> for Fail {
    fn from(error: OperationError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict => Self::Conflict,
            other => Self::Refused(OperationError::internal(other)),
        }
    }
}

impl From<Fail> for OperationError {
    /// A conflict that is left over after all attempts.
    fn from(fail: Fail) -> Self {
        match fail {
            Fail::Conflict => refused("OperationAborted", 409, "A conflicting conditional operation is in progress"),
            Fail::Refused(error) => error,
        }
    }
}

/// Attempts before the client is told to try again itself. Each lost one means that another request got through.
pub(crate) const ATTEMPTS_MAX: usize = 100;

/// Repeats an attempt while it ends in [`Fail::Conflict`].
macro_rules! until_settled {
    ($attempt:expr) => {{
        let mut left = $crate::error::ATTEMPTS_MAX;
        loop {
            match $attempt.await {
                Err($crate::error::Fail::Conflict) if left > 0 => left -= 1,
                outcome => break outcome.map_err(::standin_core::OperationError::from),
            }
        }
    }};
}
pub(crate) use until_settled;
