//! S3 that is somewhere else: calls are encoded, signed and sent on to an S3-compatible store, answers come back as they
//! stream.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue};
use http::{StatusCode, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use standin_core::{Answer, BodySource, BoxFuture, Call, Clock, Fidelity, Handler, OperationError};
use standin_model::{Document, Operation, Protocol, Service};
use standin_wire::checksum::Algorithm;
use standin_wire::client::{self, ServiceError};
use standin_wire::server::{streaming_input, streaming_output};
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

/// An S3-compatible store to which all calls of S3 go.
#[derive(Clone, Debug)]
pub struct S3Elsewhere {
    /// Scheme and authority: `https://minio.example:9000`.
    pub url: Uri,
    pub access_key: String,
    pub secret_key: String,
    /// `None` takes the region of each call.
    pub region: Option<String>,
    /// For `https` only.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Passes calls on.
#[derive(Debug)]
pub(crate) struct PassOn {
    to: S3Elsewhere,
    /// The store there has the real time.
    clock: Clock,
}

impl PassOn {
    pub(crate) fn new(to: S3Elsewhere) -> Self {
        Self { to, clock: Clock::real() }
    }

    async fn pass(&self, call: &mut Call) -> Result<Answer, OperationError> {
        let (service, operation) = (call.context.service, call.context.operation);
        let streams = streaming_input(service, operation).is_some();
        let input = untransferred(&call.input, streams);
        let mut request = client::encode_request(Protocol::RestXml, service, operation, &input)
            .map_err(|error| OperationError::internal(error.to_string()))?;
        let host = self.to.url.authority().map_or("", |authority| authority.as_str());
        request.headers.insert(HOST, HeaderValue::from_str(host).map_err(OperationError::internal)?);
        let source = call.body.take();
        let length = match &source {
            Some(source) => source.length().ok_or_else(without_length)?,
            None => request.body.len() as u64,
        };
        request.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if !streams && !request.body.is_empty() {
            // Some operations insist on it.
            let digest = Algorithm::Md5.of(&request.body);
            let digest = HeaderValue::from_str(&digest).map_err(OperationError::internal)?;
            request.headers.insert(HeaderName::from_static("content-md5"), digest);
        }
        let body = request.body.clone();
        let signing = Signing {
            keys: Keys { access_key: &self.to.access_key, secret_key: &self.to.secret_key, session_token: None },
            region: self.to.region.as_deref().unwrap_or(&call.context.region),
            service: "s3",
            time: self.clock.now(),
            payload: if streams { Payload::Unsigned } else { Payload::Bytes(&body) },
        };
        sigv4::sign(&mut request, &signing).map_err(OperationError::internal)?;
        let target =
            if request.query.is_empty() { request.path } else { format!("{}?{}", request.path, request.query) };
        let mut http = http::Request::new(source.map_or_else(|| Body::from(request.body), Body::source));
        *http.method_mut() = request.method;
        *http.uri_mut() = target.parse().map_err(OperationError::internal)?;
        *http.headers_mut() = request.headers;
        let response = self.send(http).await.map_err(|error| self.unreachable(&error))?;
        self.answer(service, operation, response).await
    }

    async fn send(&self, request: http::Request<Body>) -> io::Result<http::Response<Incoming>> {
        let authority = self.to.url.authority().ok_or_else(|| io::Error::other("the URL has no host"))?;
        let secure = self.to.url.scheme_str() == Some("https");
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((authority.host(), port)).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = self.to.tls.clone().filter(|_| secure) else {
            return exchange(TokioIo::new(stream), request).await;
        };
        let name = ServerName::try_from(authority.host().to_owned()).map_err(io::Error::other)?;
        exchange(TokioIo::new(TlsConnector::from(tls).connect(name, stream).await?), request).await
    }

    fn unreachable(&self, error: &io::Error) -> OperationError {
        let message = format!("the store at {} cannot be reached: {error}", self.to.url);
        OperationError::new("ServiceUnavailable", message).with_status(503)
    }

    async fn answer(
        &self,
        service: &'static Service,
        operation: &'static Operation,
        response: http::Response<Incoming>,
    ) -> Result<Answer, OperationError> {
        let (parts, body) = response.into_parts();
        let streams = parts.status.is_success() && streaming_output(service, operation).is_some();
        let (bytes, source) = if streams {
            let length = content_length(&parts.headers);
            (Bytes::new(), Some(Box::new(Passed { body, left: length }) as Box<dyn BodySource>))
        } else {
            let limited = http_body_util::Limited::new(body, ANSWER_BYTES_MAX);
            let collected = limited.collect().await.map_err(|error| self.unreachable(&io::Error::other(error)))?;
            (collected.to_bytes(), None)
        };
        let read = client::decode_response(Protocol::RestXml, service, operation, parts.status, &parts.headers, &bytes);
        match read.map_err(|error| OperationError::internal(error.to_string()))? {
            Ok(mut output) => {
                if let (Some(member), Some(fields)) = (streaming_output(service, operation), output.as_map_mut()) {
                    fields.remove(member.name);
                }
                let mut answer = Answer::new(output, Fidelity::Engine);
                answer.status = (parts.status.as_u16() != operation.http.status).then_some(parts.status.as_u16());
                answer.body = source;
                answer.trace.push(format!("passed on to {}", self.to.url).into());
                Ok(answer)
            }
            Err(error) => Err(refusal(error, parts.status, &parts.headers)),
        }
    }
}

impl Handler for PassOn {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(self.pass(call))
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
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

/// The bytes of an object as they come.
struct Passed {
    body: Incoming,
    left: Option<u64>,
}

impl Passed {
    async fn next_piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.body.frame().await? {
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
