//! Signature Version 4: reading, making and checking.
//!
//! [`credential`] is what every request needs: who calls, and for which region and service, without looking at the
//! signature. [`sign`](fn@sign) is the client's side. [`verify`](fn@verify) recomputes a signature for a known secret.
//!
//! Facts: "Create a signed AWS API request" (IAM User Guide), "Authenticating Requests (AWS Signature Version 4)"
//! (S3 API Reference), and what botocore's `auth.py` sends.

mod canonical;
mod credential;
mod sign;
mod verify;

pub use credential::{Algorithm, Credential, credential, credential_of_header, credential_of_query};
pub use sign::{Keys, SignError, Signing, sign};
pub use verify::{Received, Refusal, presigned_until, verify};

/// The payload hash of a request whose body is not part of the signature.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// What stands for the body in a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// The complete body.
    Bytes(&'a [u8]),
    /// The lower-case hex SHA-256 of the body, or one of the `STREAMING-…` names.
    Hash(&'a str),
    /// Signing: the body is left out (`UNSIGNED-PAYLOAD`). Verifying: the body is not known yet, the request's own
    /// word for its hash is taken.
    Unsigned,
}
