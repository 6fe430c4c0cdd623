//! JSON over HTTP, to one API: bounded in size and time, and never redirected.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::ForgeError;

const ANSWER_BYTES_MAX: usize = 8 << 20;
const TIME: Duration = Duration::from_secs(20);
/// Of what an API says of a failure.
const SAID_BYTES_MAX: usize = 300;

/// One API.
pub(super) struct Client {
    authority: Authority,
    /// What comes before all paths, without a slash at its end.
    prefix: String,
    /// For HTTPS.
    tls: Option<Arc<ClientConfig>>,
}

/// A header of a request.
pub(super) type Header = (HeaderName, HeaderValue);

/// What came back.
pub(super) struct Answer {
    pub status: StatusCode,
    pub body: Value,
    /// When the API says it is.
    pub date: Option<String>,
}

impl Client {
    pub fn new(api: &str, tls: Option<Arc<ClientConfig>>) -> Result<Self, ForgeError> {
        let bad = |why: &str| ForgeError::Refused(format!("{api:?} is no address of an API: {why}"));
        let uri: Uri = api.parse().map_err(|_| bad("it is no URL"))?;
        let authority = uri.authority().cloned().ok_or_else(|| bad("it has no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(bad("it has a user, a password or a query"));
        }
        let tls = match uri.scheme_str() {
            Some("https") => Some(tls.ok_or_else(|| bad("there are no certificates that HTTPS could be trusted by"))?),
            Some("http") => None,
            _ => return Err(bad("it begins with neither https:// nor http://")),
        };
        Ok(Self { authority, prefix: uri.path().trim_end_matches('/').to_owned(), tls })
    }

    fn host(&self) -> String {
        self.authority.to_string()
    }

    pub fn strange(&self, said: &str) -> ForgeError {
        ForgeError::Strange { host: self.host(), said: said.to_owned() }
    }

    /// A request that is to go well. `what` is what is missing where the API says that something is.
    pub async fn well(
        &self,
        method: Method,
        path: &str,
        headers: &[Header],
        body: Option<&Value>,
        what: &str,
    ) -> Result<Value, ForgeError> {
        let answer = self.send(method, path, headers, body).await?;
        if answer.status.is_success() {
            return Ok(answer.body);
        }
        let (host, said) = (self.host(), said(&answer.body));
        let limited = said.to_ascii_lowercase().contains("rate limit");
        Err(match answer.status.as_u16() {
            429 => ForgeError::Failed { host, status: 429, said },
            403 if limited => ForgeError::Failed { host, status: 403, said },
            401 | 403 => ForgeError::Denied { host, said },
            404 | 410 => ForgeError::Missing { host, what: what.to_owned() },
            300..=399 => ForgeError::Rejected { host, said: format!("{what} has moved; name its new place") },
            400..=499 => ForgeError::Rejected { host, said },
            status => ForgeError::Failed { host, status, said },
        })
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[Header],
        body: Option<&Value>,
    ) -> Result<Answer, ForgeError> {
        let unreachable = |said: String| ForgeError::Unreachable { host: self.host(), said };
        match tokio::time::timeout(TIME, self.exchange(method, path, headers, body)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(unreachable(error.to_string())),
            Err(_) => Err(unreachable(format!("no answer within {} s", TIME.as_secs()))),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        headers: &[Header],
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.prefix));
        request = request.header(HOST, self.authority.as_str()).header(USER_AGENT, "standin");
        if !headers.iter().any(|(name, _)| name == ACCEPT) {
            request = request.header(ACCEPT, "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let bytes = body.map(|body| Bytes::from(body.to_string()));
        if bytes.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(bytes.unwrap_or_default())).map_err(std::io::Error::other)?;
        let port = self.authority.port_u16().unwrap_or(if self.tls.is_some() { 443 } else { 80 });
        let host = self.authority.host().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => {
                let name = ServerName::try_from(host.to_owned()).map_err(std::io::Error::other)?;
                read(TlsConnector::from(tls.clone()).connect(name, stream).await?, request).await
            }
            None => read(stream, request).await,
        }
    }
}

async fn read<T>(stream: T, request: Request<Full<Bytes>>) -> std::io::Result<Answer>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(std::io::Error::other)?;
    let connection = tokio::spawn(connection);
    let work = async {
        let response = sender.send_request(request).await.map_err(std::io::Error::other)?;
        let (parts, body) = response.into_parts();
        let bytes = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(std::io::Error::other)?.to_bytes();
        let date = parts.headers.get(DATE).and_then(|date| date.to_str().ok()).map(str::to_owned);
        // What is no JSON is a text, as from a proxy in between.
        let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| {
            Value::String(String::from_utf8_lossy(&bytes[..bytes.len().min(SAID_BYTES_MAX)]).into_owned())
        });
        Ok(Answer { status: parts.status, body, date })
    };
    let answer = work.await;
    connection.abort();
    answer
}

/// What an API says of a failure, in one line.
fn said(body: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    let found = [&body["message"], &body["error"]["message"], &body["error"], body].into_iter().find_map(text);
    let mut said = found.unwrap_or_default();
    // GitHub and GitLab say more there.
    if let Some(errors) = body.get("errors").filter(|errors| !errors.is_null()) {
        said = format!("{said} {errors}");
    }
    let mut said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if said.len() > SAID_BYTES_MAX {
        said.truncate(said.floor_char_boundary(SAID_BYTES_MAX));
    }
    said.trim().to_owned()
}

/// A header with a secret in it.
pub(super) fn secret(name: HeaderName, value: &str) -> Result<Header, ForgeError> {
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| ForgeError::Refused("the credential has characters that no header takes".to_owned()))?;
    value.set_sensitive(true);
    Ok((name, value))
}

/// `Authorization` by user and password.
pub(super) fn basic(user: &str, password: &str) -> Result<Header, ForgeError> {
    secret(AUTHORIZATION, &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// For a part of a path, or a value of a query.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// `owner/name`, each escaped.
pub(super) fn escaped_path(path: &str) -> String {
    path.split('/').map(escaped).collect::<Vec<_>>().join("/")
}
