//! Services that are somewhere else: calls are encoded, signed and sent on, to AWS, another stand-in or an S3-compatible store;
//! answers come back as they stream.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use standin_core::{Answer, BodySource, BoxFuture, Call, CallContext, Clock, Fidelity, Handler, OperationError, codes};
use standin_model::{Catalogue, Document, Operation, Protocol, Service};
use standin_wire::Request;
use standin_wire::checksum::Algorithm;
use standin_wire::client::{self, ServiceError};
use standin_wire::server::{is_event_stream, streaming_input, streaming_output};
use standin_wire::sigv4::{self, Keys, Payload, Signing};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::net::Body;

/// An answer that is not an object's bytes is at most so long.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Members that describe the body as this client sent it, not as it is sent on.
const OF_THE_TRANSFER: &[&str] = &["ContentLength", "ContentMD5", "ChecksumAlgorithm"];

/// Headers of an error that clients look at.
const ERROR_HEADERS: [&str; 5] =
    ["etag", "last-modified", "x-amz-delete-marker", "x-amz-version-id", "x-amz-bucket-region"];

/// Something that speaks AWS's protocols: AWS itself, another stand-in, an S3-compatible store.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Scheme and authority: `https://minio.example:9000`. `None` for the hosts of AWS.
    pub url: Option<Uri>,
    pub credentials: Arc<dyn CredentialSource>,
    /// `None` takes the region of each call.
    pub region: Option<String>,
    /// For `https` only.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Where keys come from.
pub trait CredentialSource: std::fmt::Debug + Send + Sync {
    /// Keys that are good now. May wait for a process. `caller`: the access key id of the call that is passed on.
    ///
    /// # Errors
    /// Why there are none, and what to do.
    fn keys(&self, caller: Option<&str>) -> Result<OwnedKeys, String>;
}

/// A caller's keys.
#[derive(Clone)]
pub struct OwnedKeys {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: Option<String>,
}

impl std::fmt::Debug for OwnedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnedKeys").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl CredentialSource for OwnedKeys {
    fn keys(&self, _: Option<&str>) -> Result<OwnedKeys, String> {
        Ok(self.clone())
    }
}

/// Passes calls on.
#[derive(Debug)]
pub(crate) struct PassOn {
    to: Upstream,
    /// What is there has the real time.
    clock: Clock,
}

/// Why a call that is passed on has no output.
pub(crate) enum Failed {
    /// The service refuses it.
    Refused(OperationError),
    /// It came to no answer.
    Broken(OperationError),
}

impl From<OperationError> for Failed {
    fn from(error: OperationError) -> Self {
        Self::Broken(error)
    }
}

/// A host that answers a call.
struct Host {
    secure: bool,
    /// With the port, where it is not the usual one.
    authority: String,
    region: String,
}

impl PassOn {
    pub(crate) fn new(to: Upstream) -> Self {
        Self { to, clock: Clock::real() }
    }

    pub(crate) async fn pass(&self, call: &mut Call) -> Result<Answer, Failed> {
        let (service, operation) = (call.context.service, call.context.operation);
        let protocol = call.context.protocol;
        let protocol = if service.protocols.contains(&protocol) { protocol } else { service.protocols[0] };
        let is_s3 = service.id == standin_s3::SERVICE;
        let member = streaming_input(service, operation);
        let streams = member.is_some();
        if member.is_some_and(|member| is_event_stream(service, member)) {
            let text = format!("{} streams events to the service: such calls are not passed on", operation.name);
            return Err(OperationError::new(codes::NOT_IMPLEMENTED, text).with_status(501).into());
        }
        let input = if is_s3 { untransferred(&call.input, streams) } else { call.input.clone() };
        let mut request = client::encode_request(protocol, service, operation, &input)
            .map_err(|error| OperationError::internal(error.to_string()))?;
        let host = self.host(&call.context, &input)?;
        let name = HeaderValue::from_str(&host.authority).map_err(OperationError::internal)?;
        request.headers.insert(HOST, name);
        let source = call.body.take();
        let length = match &source {
            Some(source) => source.length().ok_or_else(without_length)?,
            None => request.body.len() as u64,
        };
        request.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if !streams && !request.body.is_empty() && (is_s3 || operation.checksum_required) {
            // Some operations insist on it.
            let digest = Algorithm::Md5.of(&request.body);
            let digest = HeaderValue::from_str(&digest).map_err(OperationError::internal)?;
            request.headers.insert(HeaderName::from_static("content-md5"), digest);
        }
        self.sign(&call.context, &mut request, &host, streams).await?;
        let target =
            if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
        let mut http = http::Request::new(source.map_or_else(|| Body::from(request.body), Body::source));
        *http.method_mut() = request.method;
        *http.uri_mut() = target.parse().map_err(OperationError::internal)?;
        *http.headers_mut() = request.headers;
        let tls = self.to.tls.clone().filter(|_| host.secure);
        let response = send(&host.authority, tls, http).await.map_err(|error| unreachable(&host, &error))?;
        self.answer(protocol, &call.context, &host, response).await
    }

    async fn sign(
        &self,
        context: &CallContext,
        request: &mut Request,
        host: &Host,
        streams: bool,
    ) -> Result<(), OperationError> {
        let (service, operation) = (context.service, context.operation);
        let schemes = if operation.auth.is_empty() { &service.auth } else { &operation.auth };
        if matches!(schemes.first(), Some(&("none" | "smithy.api#noAuth"))) {
            return Ok(());
        }
        let (credentials, caller) = (Arc::clone(&self.to.credentials), context.access_key.clone());
        let keys = tokio::task::spawn_blocking(move || credentials.keys(caller.as_deref())).await;
        let keys = keys.map_err(OperationError::internal)?.map_err(|why| {
            OperationError::new(
                "UnrecognizedClientException",
                format!("no credentials to pass the call on with: {why}"),
            )
            .with_status(403)
        })?;
        let body = request.body.clone();
        let unsigned = streams || schemes.first() == Some(&"v4-unsigned-body");
        let signing = Signing {
            keys: Keys {
                access_key: &keys.access_key,
                secret_key: &keys.secret_key,
                session_token: keys.session_token.as_deref(),
            },
            region: &host.region,
            service: service.signing_name,
            time: self.clock.now(),
            payload: if unsigned { Payload::Unsigned } else { Payload::Bytes(&body) },
        };
        sigv4::sign(request, &signing).map_err(OperationError::internal)
    }

    /// Who answers a call: the one URL, or the service's host of AWS in the caller's region.
    fn host(&self, context: &CallContext, input: &Document) -> Result<Host, OperationError> {
        let region = self.to.region.as_deref().unwrap_or(&context.region).to_owned();
        if let Some(url) = &self.to.url {
            let authority = url.authority().map_or("", |authority| authority.as_str()).to_owned();
            return Ok(Host { secure: url.scheme_str() == Some("https"), authority, region });
        }
        let service = context.service;
        let partitions = Catalogue::shared().partitions();
        let partition = partitions.of_region(&region);
        // S3 and STS only used to be global.
        let global = service.global_endpoint.filter(|_| !["s3", "sts"].contains(&service.id) && partition.id == "aws");
        let (name, region) = match global {
            Some(host) => (host.to_owned(), partition.implicit_global_region.to_owned()),
            None => (format!("{}.{region}.{}", service.endpoint_prefix, partition.dns_suffix), region),
        };
        let prefix = client::host_prefix(service, context.operation, input)
            .map_err(|error| OperationError::internal(error.to_string()))?
            .unwrap_or_default();
        Ok(Host { secure: true, authority: format!("{prefix}{name}"), region })
    }

    async fn answer(
        &self,
        protocol: Protocol,
        context: &CallContext,
        host: &Host,
        response: http::Response<Incoming>,
    ) -> Result<Answer, Failed> {
        let (service, operation) = (context.service, context.operation);
        let (parts, body) = response.into_parts();
        let streams = parts.status.is_success() && streaming_output(service, operation).is_some();
        let (bytes, source) = if streams {
            let length = content_length(&parts.headers);
            (Bytes::new(), Some(Box::new(Passed::new(body, length)) as Box<dyn BodySource>))
        } else {
            let limited = http_body_util::Limited::new(body, ANSWER_BYTES_MAX);
            let collected = limited.collect().await.map_err(|error| unreachable(host, &io::Error::other(error)))?;
            (collected.to_bytes(), None)
        };
        let read = client::decode_response(protocol, service, operation, parts.status, &parts.headers, &bytes);
        match read.map_err(|error| OperationError::internal(error.to_string()))? {
            Ok(mut output) => {
                if let (Some(member), Some(fields)) = (streaming_output(service, operation), output.as_map_mut()) {
                    fields.remove(member.name);
                }
                let mut answer = Answer::new(output, Fidelity::Engine);
                answer.status = (parts.status.as_u16() != operation.http.status).then_some(parts.status.as_u16());
                answer.body = source;
                answer.trace.push(format!("passed on to {}", host.authority).into());
                Ok(answer)
            }
            Err(error) => Err(Failed::Refused(refusal(error, parts.status, &parts.headers))),
        }
    }
}

impl Handler for PassOn {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            self.pass(call).await.map_err(|failed| match failed {
                Failed::Refused(error) | Failed::Broken(error) => error,
            })
        })
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
}

fn unreachable(host: &Host, error: &io::Error) -> OperationError {
    let message = format!("what calls are passed on to, {}, cannot be reached: {error}", host.authority);
    OperationError::new("ServiceUnavailable", message).with_status(503)
}

/// An input without what described the transfer to here.
fn untransferred(input: &Document, streams: bool) -> Document {
    let Document::Map(fields) = input else { return input.clone() };
    let kept = fields.iter().filter(|(name, _)| {
        let of_body = OF_THE_TRANSFER.contains(&name.as_ref());
        // Digests of a body that is encoded anew do not hold for it.
        !of_body && (streams || !name.starts_with("Checksum") || *name == "ChecksumMode" || *name == "ChecksumType")
    });
    let mut kept: standin_model::Fields = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    if let Some(Document::String(encoding)) = kept.remove("ContentEncoding") {
        let left: Vec<&str> = encoding.split(',').map(str::trim).filter(|name| *name != "aws-chunked").collect();
        if !left.is_empty() {
            kept.push("ContentEncoding", left.join(","));
        }
    }
    Document::Map(kept)
}

fn without_length() -> OperationError {
    OperationError::new("MissingContentLength", "You must provide the Content-Length HTTP header.").with_status(411)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refusal(error: ServiceError, status: StatusCode, headers: &HeaderMap) -> OperationError {
    let mut refusal = OperationError::new(error.code, error.message).with_status(status.as_u16());
    refusal.members = error.members;
    for name in ERROR_HEADERS {
        if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
            refusal = refusal.with_header(name, value);
        }
    }
    refusal
}

/// Sends a request over a connection of its own, by TLS where there is a configuration of it.
pub(crate) async fn send(
    authority: &str,
    tls: Option<Arc<ClientConfig>>,
    request: http::Request<Body>,
) -> io::Result<http::Response<Incoming>> {
    let authority: Authority = authority.parse().map_err(io::Error::other)?;
    let port = authority.port_u16().unwrap_or(if tls.is_some() { 443 } else { 80 });
    let stream = TcpStream::connect((authority.host().trim_matches(['[', ']']), port)).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else { return exchange(TokioIo::new(stream), request).await };
    let name = ServerName::try_from(authority.host().to_owned()).map_err(io::Error::other)?;
    exchange(TokioIo::new(TlsConnector::from(tls).connect(name, stream).await?), request).await
}

/// One request over one connection, which lives as long as the answer.
async fn exchange<T>(io: TokioIo<T>, request: http::Request<Body>) -> io::Result<http::Response<Incoming>>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection): (SendRequest<Body>, _) = http1::handshake(io).await.map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the store elsewhere broke off");
        }
    });
    sender.send_request(request).await.map_err(io::Error::other)
}

/// The bytes of an answer as they come.
pub(crate) struct Passed {
    body: Incoming,
    left: Option<u64>,
    pause_max: Option<Duration>,
}

impl Passed {
    /// `left`: the length in bytes, where it is known.
    pub(crate) fn new(body: Incoming, left: Option<u64>) -> Self {
        Self { body, left, pause_max: None }
    }

    /// Breaks off where nothing comes for so long.
    pub(crate) fn with_pauses_of(self, pause_max: Duration) -> Self {
        Self { pause_max: Some(pause_max), ..self }
    }

    async fn next_piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let frame = self.body.frame();
            let frame = match self.pause_max {
                None => frame.await,
                Some(pause_max) => match tokio::time::timeout(pause_max, frame).await {
                    Ok(frame) => frame,
                    Err(late) => return Some(Err(late.into())),
                },
            };
            match frame? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        self.left = self.left.map(|left| left.saturating_sub(data.len() as u64));
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
    }
}

impl BodySource for Passed {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(self.next_piece())
    }

    fn length(&self) -> Option<u64> {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_to_the_host_of_the_service() {
        let keys = OwnedKeys { access_key: "a".into(), secret_key: "b".into(), session_token: None };
        let upstream = |url: Option<&str>| {
            let url = url.map(|url| url.parse().unwrap());
            PassOn::new(Upstream { url, credentials: Arc::new(keys.clone()), region: None, tls: None })
        };
        let check = |url: Option<&str>, service: &str, operation: &str, region: &str, expect: (bool, &str, &str)| {
            let service = Catalogue::shared().find(service).unwrap().open().unwrap();
            let context = CallContext {
                request_id: "r".into(),
                ordinal: 1,
                service,
                operation: service.operation(operation).unwrap(),
                protocol: service.protocols[0],
                partition: "aws",
                account: "111122223333".into(),
                region: region.into(),
                access_key: None,
                base_url: "http://localhost".into(),
                now: Clock::real().now(),
                origin: Clock::real().now(),
                dice: standin_core::Dice::new(0),
                mishap: None,
            };
            let host = upstream(url).host(&context, &Document::map()).unwrap();
            assert_eq!((host.secure, &*host.authority, &*host.region), expect);
        };
        let regional = (true, "sqs.eu-west-1.amazonaws.com", "eu-west-1");
        check(None, "sqs", "ListQueues", "eu-west-1", regional);
        check(None, "s3", "ListBuckets", "eu-west-1", (true, "s3.eu-west-1.amazonaws.com", "eu-west-1"));
        check(None, "iam", "ListUsers", "eu-west-1", (true, "iam.amazonaws.com", "us-east-1"));
        check(
            None,
            "mwaa",
            "ListEnvironments",
            "eu-west-1",
            (true, "api.airflow.eu-west-1.amazonaws.com", "eu-west-1"),
        );
        check(None, "sqs", "ListQueues", "cn-north-1", (true, "sqs.cn-north-1.amazonaws.com.cn", "cn-north-1"));
        let here = Some("http://127.0.0.1:5000");
        check(here, "mwaa", "ListEnvironments", "eu-west-1", (false, "127.0.0.1:5000", "eu-west-1"));
    }

    #[test]
    fn what_described_the_transfer_stays_behind() {
        let check = |input: serde_json::Value, streams, expect: serde_json::Value| {
            assert_eq!(untransferred(&Document::from_json(&input), streams).to_json(), expect);
        };
        use serde_json::json;
        let input = json!({"Key": "k", "ContentLength": 9, "ContentMD5": "x", "ChecksumAlgorithm": "CRC32", "ChecksumCRC32": "c", "ContentEncoding": "gzip,aws-chunked"});
        check(input.clone(), true, json!({"Key": "k", "ChecksumCRC32": "c", "ContentEncoding": "gzip"}));
        check(input, false, json!({"Key": "k", "ContentEncoding": "gzip"}));
        check(
            json!({"ChecksumMode": "ENABLED", "ContentEncoding": "aws-chunked"}),
            false,
            json!({"ChecksumMode": "ENABLED"}),
        );
    }
}
