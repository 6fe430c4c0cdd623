//! Webhooks after the Standard Webhooks specification (standardwebhooks.com): the receiver checks `webhook-signature`, which
//! is of `webhook-id`, `webhook-timestamp` and the body.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri};
use sha2::Sha256;
use standin_core::Clock;
use standin_model::Document;

use crate::net::Body;
use crate::pass;

/// A receiver has so long for one event.
const TIMEOUT: Duration = Duration::from_secs(10);

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const ATTEMPT: HeaderName = HeaderName::from_static("x-standin-attempt");

/// What signatures are made with.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Reads `whsec_` and base64, as the specification has it; any other text stands for its bytes. Nothing where the
    /// base64 is none, or there is no text.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = match text.strip_prefix("whsec_") {
            Some(digits) => STANDARD.decode(digits).ok()?,
            None => text.as_bytes().to_vec(),
        };
        Some(Self(bytes)).filter(|secret| !secret.0.is_empty())
    }

    /// `v1,` and the base64 of an HMAC-SHA256.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Sends one event; any status of the 200s says that it was taken.
///
/// # Errors
/// Why it was not taken.
pub(super) async fn post(
    url: &Uri,
    secret: Option<&Secret>,
    tls: Option<Arc<rustls::ClientConfig>>,
    event: &Document,
    attempt: u32,
) -> Result<(), String> {
    let body = Bytes::from(event.to_json().to_string());
    let id = event.get("id").and_then(Document::as_str).unwrap_or_default();
    let timestamp = Clock::real().now().as_millis().div_euclid(1000);
    let authority = url.authority().map_or("", |authority| authority.as_str());
    let mut headers = HeaderMap::new();
    let text = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    headers.insert(HOST, text(authority.rsplit_once('@').map_or(authority, |(_, host)| host))?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("standin/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ID, text(id)?);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(ATTEMPT, HeaderValue::from(attempt));
    if let Some(secret) = secret {
        headers.insert(SIGNATURE, text(&secret.sign(id, timestamp, &body))?);
    }
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = Method::POST;
    let target = url.path_and_query().map_or("/", |target| target.as_str());
    *request.uri_mut() = target.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    *request.headers_mut() = headers;
    let answer = tokio::time::timeout(TIMEOUT, pass::send(authority, tls, request)).await;
    let answer = answer.map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?;
    let status = answer.map_err(|error| error.to_string())?.status();
    if status.is_success() { Ok(()) } else { Err(format!("answered with status {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_specification() {
        // The example of the specification's libraries.
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(Secret::parse("plain"), Some(Secret(b"plain".to_vec())));
        assert_eq!((Secret::parse(""), Secret::parse("whsec_*")), (None, None));
    }
}
