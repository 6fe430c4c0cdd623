//! The server's side: recomputing a signature for a known secret.

use hmac::Mac;
use http::{HeaderMap, header};
use standin_model::Timestamp;

use super::canonical::{Canonical, PathStyle, compact_date, sha256_hex, signature, string_to_sign, unhex};
use super::{Algorithm, Credential, Payload, UNSIGNED_PAYLOAD, credential_of_header, credential_of_query};

/// AWS's tolerance between its clock and the caller's, in seconds.
const SKEW_SECONDS_MAX: i64 = 15 * 60;
/// The longest life of a presigned URL, in seconds: seven days.
const EXPIRES_SECONDS_MAX: i64 = 7 * 24 * 60 * 60;

/// A request as it came over the network: nothing decoded, no path prefix taken off.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Without `?`.
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    /// HTTP/2's `:authority`; used where there is no `Host` header.
    pub authority: &'a str,
}

/// Why a signature is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the request is not signed")]
    Unsigned,
    #[error("the algorithm {0} cannot be checked here")]
    Algorithm(&'static str),
    #[error("{0} is missing or malformed")]
    Malformed(&'static str),
    #[error("the header `{0}` must be signed but is not")]
    HeaderNotSigned(String),
    #[error("the header `{0}` is signed but missing")]
    HeaderMissing(String),
    #[error("signed at {signed}, which is more than {SKEW_SECONDS_MAX} s from the time here, {now}")]
    Skewed { signed: Timestamp, now: Timestamp },
    #[error("expired at {expired}; it is now {now}")]
    Expired { expired: Timestamp, now: Timestamp },
    #[error("x-amz-content-sha256 is not the SHA-256 of the body")]
    PayloadMismatch,
    /// Carries what the caller should have computed, as AWS tells it too.
    #[error("the signature is not the one that the secret gives; the string to sign is\n{string_to_sign}")]
    Mismatch { string_to_sign: String, canonical_request: String },
}

impl Refusal {
    /// The code under which most AWS services refuse for this reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "MissingAuthenticationTokenException",
            Self::Algorithm(_) | Self::Malformed(_) | Self::HeaderNotSigned(_) | Self::HeaderMissing(_) => {
                "IncompleteSignatureException"
            }
            Self::Skewed { .. } => "RequestTimeTooSkewed",
            Self::Expired { .. } => "RequestExpired",
            Self::PayloadMismatch => "XAmzContentSHA256Mismatch",
            Self::Mismatch { .. } => "SignatureDoesNotMatch",
        }
    }
}

/// The parts of a signature as the request gives them.
struct Claim<'a> {
    credential: Credential<'a>,
    signed_headers: String,
    signature: &'a str,
    /// Compact, as it enters the string to sign.
    date: String,
    /// Seconds; presigned URLs only.
    expires: Option<i64>,
}

/// Recomputes the signature of a request, in its header or presigned, and compares it in constant time.
///
/// # Errors
/// Why it is refused. Region and service of the scope are taken as the request gives them.
pub fn verify(request: &Received<'_>, secret: &str, payload: Payload<'_>, now: Timestamp) -> Result<(), Refusal> {
    let claim = match request.headers.get(header::AUTHORIZATION) {
        Some(value) => of_header(value.to_str().map_err(|_| Refusal::Malformed("Authorization"))?, request.headers)?,
        None => of_query(request.query)?,
    };
    let credential = &claim.credential;
    let (Some(day), Some(region), Some(service)) = (credential.date, credential.region, credential.service) else {
        return Err(Refusal::Malformed("the credential scope"));
    };

    let signed_at = Timestamp::parse_date_time(&claim.date).ok_or(Refusal::Malformed("the date"))?;
    if claim.date.len() != "20150830T123600Z".len() || !claim.date.starts_with(day) {
        return Err(Refusal::Malformed("the date"));
    }
    let ahead = signed_at.seconds.saturating_sub(now.seconds);
    match claim.expires {
        Some(expires) => {
            let expired = signed_at.plus_seconds(expires);
            if expired < now {
                return Err(Refusal::Expired { expired, now });
            }
            if ahead > SKEW_SECONDS_MAX {
                return Err(Refusal::Skewed { signed: signed_at, now });
            }
        }
        None if ahead.abs() > SKEW_SECONDS_MAX => return Err(Refusal::Skewed { signed: signed_at, now }),
        None => {}
    }

    let signed_headers: Vec<&str> = claim.signed_headers.split(';').collect();
    let unsigned = std::iter::once("host")
        .chain(request.headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-")))
        .find(|name| !signed_headers.contains(name));
    if let Some(name) = unsigned {
        return Err(Refusal::HeaderNotSigned(name.to_owned()));
    }

    let style = PathStyle::of_service(service);
    let payload_hash = payload_hash(request, payload, claim.expires.is_some() && style == PathStyle::Once)?;
    let canonical = Canonical {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: request.headers,
        host: request.authority,
        payload_hash: &payload_hash,
        signed_headers: &signed_headers,
    };
    let without = claim.expires.is_some().then_some("X-Amz-Signature");
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let given = unhex(claim.signature).ok_or(Refusal::Malformed("the signature"))?;
    let compare = |style| {
        let canonical_request = canonical.bytes(style, without).map_err(Refusal::HeaderMissing)?;
        let to_sign = string_to_sign(&claim.date, &scope, &canonical_request);
        signature(secret, day, region, service, &to_sign).verify_slice(&given).map_err(|_| Refusal::Mismatch {
            string_to_sign: to_sign,
            canonical_request: String::from_utf8_lossy(&canonical_request).into_owned(),
        })
    };
    match compare(style) {
        // Whether a path is normalised before it is signed differs between SDKs.
        Err(refusal @ Refusal::Mismatch { .. }) => compare(style.alternative()).map_err(|_| refusal),
        other => other,
    }
}

fn of_header<'a>(value: &'a str, headers: &HeaderMap) -> Result<Claim<'a>, Refusal> {
    let credential = credential_of_header(value).ok_or(Refusal::Malformed("Authorization"))?;
    supported(credential.algorithm)?;
    let part = |key: &str| {
        value.split([',', ' ', '\t']).find_map(|part| part.strip_prefix(key)).filter(|found| !found.is_empty())
    };
    let date = match (headers.get("x-amz-date"), headers.get(header::DATE)) {
        (Some(date), _) => date.to_str().ok().map(str::to_owned),
        (None, Some(date)) => date.to_str().ok().and_then(Timestamp::parse_any).map(compact_date),
        (None, None) => None,
    };
    Ok(Claim {
        credential,
        signed_headers: part("SignedHeaders=").ok_or(Refusal::Malformed("SignedHeaders"))?.to_owned(),
        signature: part("Signature=").ok_or(Refusal::Malformed("the signature"))?,
        date: date.ok_or(Refusal::Malformed("the date"))?,
        expires: None,
    })
}

fn of_query(query: &str) -> Result<Claim<'_>, Refusal> {
    let credential = credential_of_query(query).ok_or(Refusal::Unsigned)?;
    supported(credential.algorithm)?;
    let raw = |name: &str| {
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    };
    let plain = |name: &str| {
        String::from_utf8(super::canonical::percent_decode(raw(name)?.as_bytes(), true)).ok().filter(|v| !v.is_empty())
    };
    let expires = raw("X-Amz-Expires")
        .and_then(|text| text.parse().ok())
        .filter(|expires| (1..=EXPIRES_SECONDS_MAX).contains(expires))
        .ok_or(Refusal::Malformed("X-Amz-Expires"))?;
    Ok(Claim {
        credential,
        signed_headers: plain("X-Amz-SignedHeaders").ok_or(Refusal::Malformed("X-Amz-SignedHeaders"))?,
        signature: raw("X-Amz-Signature").ok_or(Refusal::Malformed("the signature"))?,
        date: plain("X-Amz-Date").ok_or(Refusal::Malformed("the date"))?,
        expires: Some(expires),
    })
}

/// When a presigned URL expires, in either version of the signature; `None` where the query is no presigned one.
pub fn presigned_until(query: &str) -> Option<Timestamp> {
    match credential_of_query(query)?.algorithm {
        Algorithm::V2 => {
            let expires = query.split('&').find_map(|pair| pair.strip_prefix("Expires="))?;
            Some(Timestamp::from_seconds(expires.parse().ok()?))
        }
        _ => {
            let claim = of_query(query).ok()?;
            Some(Timestamp::parse_date_time(&claim.date)?.plus_seconds(claim.expires?))
        }
    }
}

fn supported(algorithm: Algorithm) -> Result<(), Refusal> {
    match algorithm {
        Algorithm::V4 => Ok(()),
        Algorithm::V4a => Err(Refusal::Algorithm("AWS4-ECDSA-P256-SHA256")),
        Algorithm::V4X509 => Err(Refusal::Algorithm("AWS4-X509")),
        Algorithm::V2 => Err(Refusal::Algorithm("Signature Version 2")),
    }
}

fn payload_hash(request: &Received<'_>, payload: Payload<'_>, presigned_s3: bool) -> Result<String, Refusal> {
    let actual = match payload {
        Payload::Bytes(bytes) => Some(sha256_hex(bytes)),
        Payload::Hash(hash) => Some(hash.to_owned()),
        Payload::Unsigned => None,
    };
    let claimed = request.headers.get("x-amz-content-sha256").map(|value| value.to_str().unwrap_or_default());
    match (claimed, actual) {
        (Some(claimed), Some(actual)) if claimed.len() == 64 && !claimed.eq_ignore_ascii_case(&actual) => {
            Err(Refusal::PayloadMismatch)
        }
        (Some(claimed), _) => Ok(claimed.to_owned()),
        (None, _) if presigned_s3 => Ok(UNSIGNED_PAYLOAD.to_owned()),
        (None, Some(actual)) => Ok(actual),
        (None, None) => Ok(UNSIGNED_PAYLOAD.to_owned()),
    }
}

#[cfg(test)]
mod tests;
