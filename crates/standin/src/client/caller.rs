//! One operation call: encode, sign, send, decode.

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_body_util::Full;
use standin_core::{Clock, Dice};
use standin_model::partition::Partitions;
use standin_model::{Document, Operation, Protocol, Service};
use standin_wire::checksum::Algorithm;
use standin_wire::client::{ServiceError, decode_response, encode_request};
use standin_wire::sigv4::{self, Keys, Payload, Signing};
use standin_wire::{DecodeError, EncodeError, Request};

use super::{ClientError, Connection};
use crate::env::{self, Get};

/// Signs with keys that open nothing; standin takes any.
pub const DUMMY_KEY: &str = "test";

/// A caller's keys.
#[derive(Clone)]
pub struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl Credentials {
    /// From the environment; dummies where it has none.
    pub fn from_env(get: Get<'_>) -> Self {
        let dummy = || DUMMY_KEY.to_owned();
        match env::text(get, env::AWS_ACCESS_KEY_ID) {
            Some(access_key) => Self {
                access_key,
                secret_key: env::text(get, env::AWS_SECRET_ACCESS_KEY).unwrap_or_else(dummy),
                session_token: env::text(get, env::AWS_SESSION_TOKEN),
            },
            None => Self { access_key: dummy(), secret_key: dummy(), session_token: None },
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What is called, and how.
#[derive(Clone, Copy)]
pub struct Call<'c> {
    pub service: &'c Service,
    pub operation: &'c Operation,
    pub protocol: Protocol,
    pub region: &'c str,
    /// Without credentials, nothing is signed.
    pub credentials: Option<&'c Credentials>,
}

/// What came back.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub outcome: Result<Document, ServiceError>,
}

#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("the input does not fit {operation}")]
    Encode {
        operation: &'static str,
        #[source]
        source: EncodeError,
    },
    #[error("the request cannot be signed")]
    Sign(#[from] sigv4::SignError),
    #[error("the request cannot be made")]
    Request(#[from] http::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the answer (status {status}) is none of {protocol}")]
    Decode {
        status: StatusCode,
        protocol: Protocol,
        #[source]
        source: DecodeError,
    },
    #[error("the same page token came twice")]
    RepeatedToken,
}

/// Calls operations over one connection.
pub struct Caller<'c> {
    call: Call<'c>,
    connection: Connection,
    /// Put before the endpoint's host: real AWS hosts only.
    use_host_prefix: bool,
}

impl<'c> Caller<'c> {
    pub fn new(call: Call<'c>, connection: Connection, partitions: &Partitions) -> Self {
        let host = &connection.endpoint().host;
        let use_host_prefix = partitions.all().iter().any(|partition| {
            [partition.dns_suffix, partition.dual_stack_dns_suffix]
                .iter()
                .any(|suffix| host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')))
        });
        // SDKs sign for the one region in which a global service lives; S3 and STS only used to be global.
        let is_global = call.service.global_endpoint.is_some() && !["s3", "sts"].contains(&call.service.id);
        let region = if is_global { partitions.of_region(call.region).implicit_global_region } else { call.region };
        Self { call: Call { region, ..call }, connection, use_host_prefix }
    }

    /// Gives the connection back, for the next operation.
    pub fn into_connection(self) -> Connection {
        self.connection
    }

    /// Calls the operation once.
    ///
    /// # Errors
    /// When the input cannot be sent or the answer not be read. What the service refuses is in [`Reply::outcome`].
    pub async fn call(&mut self, input: &Document) -> Result<Reply, CallError> {
        let Call { service, operation, protocol, .. } = self.call;
        let mut request = encode_request(protocol, service, operation, input)
            .map_err(|source| CallError::Encode { operation: operation.name, source })?;
        self.complete(&mut request, input)?;
        let response = self.connection.send(into_http(request)?).await?;
        let (parts, body) = response.into_parts();
        let outcome = decode_response(protocol, service, operation, parts.status, &parts.headers, &body)
            .map_err(|source| CallError::Decode { status: parts.status, protocol, source })?;
        Ok(Reply { status: parts.status, headers: parts.headers, outcome })
    }

    /// Adds what depends on the endpoint and the caller: path prefix, host, checksum, signature.
    fn complete(&self, request: &mut Request, input: &Document) -> Result<(), CallError> {
        let Call { service, operation, region, credentials, .. } = self.call;
        let endpoint = self.connection.endpoint();
        request.path.insert_str(0, &endpoint.prefix);
        let mut host = endpoint.authority();
        if let (true, Some(prefix)) = (self.use_host_prefix, operation.host_prefix) {
            host.insert_str(0, &fill_labels(prefix, input));
        }
        request.headers.insert(HOST, HeaderValue::from_str(&host).map_err(http::Error::from)?);
        let agent = format!(
            "standin/{} api/{}#{}",
            env!("CARGO_PKG_VERSION"),
            service.sdk_id.to_lowercase().replace(' ', "_"),
            service.version
        );
        request.headers.insert(USER_AGENT, HeaderValue::from_str(&agent).map_err(http::Error::from)?);
        let flexible = operation.http_checksum.as_ref();
        let is_required = operation.checksum_required || flexible.is_some_and(|checksum| checksum.request_required);
        if is_required && !request.headers.keys().any(|name| name.as_str().starts_with("x-amz-checksum-")) {
            // CRC-32 is what SDKs send by default, and every service with a required checksum takes it.
            let value = HeaderValue::from_str(&Algorithm::Crc32.of(&request.body)).map_err(http::Error::from)?;
            request.headers.insert(Algorithm::Crc32.header_name(), value);
        }
        let Some(credentials) = credentials else { return Ok(()) };
        let schemes = if operation.auth.is_empty() { &service.auth } else { &operation.auth };
        match scheme(schemes) {
            Scheme::None => {}
            Scheme::Bearer => {
                let token = credentials.session_token.as_ref().unwrap_or(&credentials.secret_key);
                let value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(http::Error::from)?;
                request.headers.insert(AUTHORIZATION, value);
            }
            Scheme::SigV4 { signed_body } => {
                let body = request.body.clone();
                let keys = Keys {
                    access_key: &credentials.access_key,
                    secret_key: &credentials.secret_key,
                    session_token: credentials.session_token.as_deref(),
                };
                let signing = Signing {
                    keys,
                    region,
                    service: service.signing_name,
                    time: Clock::real().now(),
                    payload: if signed_body { Payload::Bytes(&body) } else { Payload::Unsigned },
                };
                sigv4::sign(request, &signing)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, PartialEq)]
enum Scheme {
    None,
    Bearer,
    SigV4 { signed_body: bool },
}

/// The first scheme of the list that is known; SigV4 where none is.
fn scheme(schemes: &[&str]) -> Scheme {
    schemes
        .iter()
        .find_map(|scheme| match *scheme {
            "none" | "smithy.api#noAuth" => Some(Scheme::None),
            "bearer" | "smithy.api#httpBearerAuth" => Some(Scheme::Bearer),
            "v4-unsigned-body" => Some(Scheme::SigV4 { signed_body: false }),
            "v4" | "aws.auth#sigv4" => Some(Scheme::SigV4 { signed_body: true }),
            _ => None,
        })
        .unwrap_or(Scheme::SigV4 { signed_body: true })
}

/// Replaces `{Label}` by the member of that name.
fn fill_labels(prefix: &str, input: &Document) -> String {
    let mut out = String::with_capacity(prefix.len());
    let mut rest = prefix;
    while let Some((before, label, after)) = rest
        .split_once('{')
        .and_then(|(before, rest)| rest.split_once('}').map(|(label, after)| (before, label, after)))
    {
        out.push_str(before);
        out.push_str(input.get(label).and_then(Document::as_str).unwrap_or_default());
        rest = after;
    }
    out.push_str(rest);
    out
}

fn into_http(request: Request) -> Result<http::Request<Full<Bytes>>, http::Error> {
    let uri = if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
    let mut out = http::Request::builder().method(request.method).uri(uri).body(Full::new(request.body))?;
    *out.headers_mut() = request.headers;
    Ok(out)
}

/// Fills members that clients fill with a fresh token, so that a repeat of the same request is known as such.
pub fn fill_idempotency_tokens(service: &Service, operation: &Operation, input: &mut Document) {
    let Some(structure) = operation.input.and_then(|ix| service.structure(ix)) else { return };
    let Some(fields) = input.as_map_mut() else { return };
    for member in structure.members.iter().filter(|member| member.idempotency_token) {
        if fields.contains_key(member.name) {
            continue;
        }
        let now = Clock::real().now();
        let mut key = Dice::new(u64::from(now.nanos)).key("idempotency token");
        key.number(now.seconds.unsigned_abs()).number(u64::from(std::process::id())).text(member.name);
        let mut draw = key.draw();
        let (high, low) = (draw.next_u64(), draw.next_u64());
        let token = format!(
            "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0xfff,
            low & 0xffff_ffff_ffff
        );
        fields.push(member.name, token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_host_prefixes_are_filled() {
        let input = Document::from_json(&serde_json::json!({"AccountId": "123456789012"}));
        for (prefix, expect) in [("api.", "api."), ("{AccountId}.x.", "123456789012.x."), ("{No", "{No")] {
            assert_eq!(fill_labels(prefix, &input), expect);
        }
    }

    #[test]
    fn the_first_known_scheme_counts() {
        assert_eq!(scheme(&["aws.auth#sigv4a", "aws.auth#sigv4"]), Scheme::SigV4 { signed_body: true });
        assert_eq!(scheme(&["smithy.api#noAuth"]), Scheme::None);
        assert_eq!(scheme(&["v4-unsigned-body"]), Scheme::SigV4 { signed_body: false });
        assert_eq!(scheme(&[]), Scheme::SigV4 { signed_body: true });
    }
}
