//! The client's side: header signing.

use hmac::Mac;
use http::header::{self, HeaderName, HeaderValue};
use standin_model::Timestamp;

use super::canonical::{Canonical, PathStyle, compact_date, hex, sha256_hex, signature, string_to_sign};
use super::{Payload, UNSIGNED_PAYLOAD};
use crate::message::Request;

/// A caller's keys.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    pub access_key: &'a str,
    pub secret_key: &'a str,
    pub session_token: Option<&'a str>,
}

impl std::fmt::Debug for Keys<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What a signature is made of beside the request.
#[derive(Clone, Copy, Debug)]
pub struct Signing<'a> {
    pub keys: Keys<'a>,
    pub region: &'a str,
    /// The signing name. `s3` and its relatives get S3's rules: the path is encoded once, `x-amz-content-sha256` is sent.
    pub service: &'a str,
    pub time: Timestamp,
    pub payload: Payload<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    #[error("the request has no Host header to sign")]
    NoHost,
    #[error("{0} holds characters that a header cannot carry")]
    NotAHeader(&'static str),
}

/// Headers that proxies and HTTP libraries change on the way.
const UNSIGNED_HEADERS: [&str; 7] =
    ["authorization", "connection", "content-length", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"];

/// Signs a request: adds `x-amz-date`, `x-amz-security-token`, `x-amz-content-sha256` (S3, or an unsigned payload) and
/// `Authorization`. What an earlier signing left is replaced.
///
/// # Errors
/// When there is no `Host` header, or keys or token cannot be written in a header.
pub fn sign(request: &mut Request, signing: &Signing<'_>) -> Result<(), SignError> {
    let date = compact_date(signing.time);
    let day = &date[..8];
    let style = PathStyle::of_service(signing.service);
    let payload_hash = match signing.payload {
        Payload::Bytes(bytes) => sha256_hex(bytes),
        Payload::Hash(hash) => hash.to_owned(),
        Payload::Unsigned => UNSIGNED_PAYLOAD.to_owned(),
    };

    let host = request.headers.get(header::HOST).ok_or(SignError::NoHost)?;
    let host = host.to_str().map_err(|_| SignError::NotAHeader("Host"))?.to_owned();
    request.headers.remove(header::AUTHORIZATION);
    let mut set = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|_| SignError::NotAHeader(name))?;
        request.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    set("x-amz-date", &date)?;
    if let Some(token) = signing.keys.session_token {
        set("x-amz-security-token", token)?;
    }
    if style == PathStyle::Once || signing.payload == Payload::Unsigned {
        set("x-amz-content-sha256", &payload_hash)?;
    }

    let mut signed_headers: Vec<&str> =
        request.headers.keys().map(HeaderName::as_str).filter(|name| !UNSIGNED_HEADERS.contains(name)).collect();
    signed_headers.sort_unstable();
    let canonical = Canonical {
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: &request.headers,
        host: &host,
        payload_hash: &payload_hash,
        signed_headers: &signed_headers,
    };
    let canonical = canonical.bytes(style, None).expect("the signed headers are those of the request");
    let scope = format!("{day}/{}/{}/aws4_request", signing.region, signing.service);
    let to_sign = string_to_sign(&date, &scope, &canonical);
    let mac = signature(signing.keys.secret_key, day, signing.region, signing.service, &to_sign);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={}",
        signing.keys.access_key,
        signed_headers.join(";"),
        hex(&mac.finalize().into_bytes())
    );
    let authorization = HeaderValue::from_str(&authorization).map_err(|_| SignError::NotAHeader("Authorization"))?;
    request.headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}
