//! One connection to one server, over TCP or TLS.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Trust;

/// Longer answers are refused: they are held in memory.
const RESPONSE_BYTES_MAX: usize = 1 << 30;

/// A server's URL: scheme, host, port and perhaps a path before all paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    /// A name or an address; IPv6 in brackets.
    pub host: String,
    pub port: u16,
    /// Without a slash at the end; empty in most cases.
    pub prefix: String,
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: Uri = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(format!("{text:?} is no URL that begins with http:// or https://")),
        };
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| format!("{text:?} names no host"))?;
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.tls { "https" } else { "http" }, self.authority(), self.prefix)
    }
}

impl Endpoint {
    /// What the `Host` header says: the port only where it is not the scheme's own.
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (false, 80) | (true, 443) => self.host.clone(),
            _ => format!("{}:{}", self.host, self.port),
        }
    }

    fn host_without_brackets(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("nothing answers at {endpoint}")]
    Connect {
        endpoint: Endpoint,
        #[source]
        source: std::io::Error,
    },
    #[error("{host:?} is no name that a certificate could be for")]
    Name { host: String },
    #[error("cannot agree on TLS with {endpoint}")]
    Tls {
        endpoint: Endpoint,
        #[source]
        source: std::io::Error,
    },
    #[error("the connection to {endpoint} broke")]
    Broken {
        endpoint: Endpoint,
        #[source]
        source: hyper::Error,
    },
    #[error("the answer of {endpoint} could not be read to its end")]
    Body {
        endpoint: Endpoint,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{endpoint} did not answer within {seconds} s")]
    Timeout { endpoint: Endpoint, seconds: u64 },
    #[error("no certificates to trust for {endpoint}")]
    Roots {
        endpoint: Endpoint,
        #[source]
        source: super::trust::TrustError,
    },
}

/// A connection that is opened at the first request and again when the server closed it.
pub struct Connection {
    endpoint: Endpoint,
    trust: Trust,
    tls: Option<TlsConnector>,
    timeout: Duration,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// `timeout` is for each request as a whole.
    pub fn new(endpoint: Endpoint, trust: Trust, timeout: Duration) -> Self {
        Self { endpoint, trust, tls: None, timeout, sender: None }
    }

    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends a request and reads the answer to its end. The request's URI is path and query; `Host` and `User-Agent` are
    /// added where they are missing.
    ///
    /// # Errors
    /// When no complete answer came in time.
    pub async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, ClientError> {
        let (endpoint, seconds) = (self.endpoint.clone(), self.timeout.as_secs());
        tokio::time::timeout(self.timeout, self.exchange(request))
            .await
            .map_err(|_| ClientError::Timeout { endpoint, seconds })?
    }

    /// Sends a request; the body of the answer comes as it arrives, for as long as that takes.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send_streaming(mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, ClientError> {
        Ok(self.begin(request).await?.0)
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, ClientError> {
        let (response, sender) = self.begin(request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES_MAX)
            .collect()
            .await
            .map_err(|source| ClientError::Body { endpoint: self.endpoint.clone(), source })?
            .to_bytes();
        self.sender = Some(sender);
        Ok(Response::from_parts(parts, body))
    }

    /// Sends a request and reads the head of the answer.
    async fn begin(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, SendRequest<Full<Bytes>>), ClientError> {
        let headers = request.headers_mut();
        if !headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::from_str(&self.endpoint.authority())
        {
            headers.insert(HOST, host);
        }
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(concat!("standin/", env!("CARGO_PKG_VERSION"))));
        }
        let mut sender = match self.sender.take() {
            Some(sender) if sender.is_ready() => sender,
            _ => self.open().await?,
        };
        let broken = |source| ClientError::Broken { endpoint: self.endpoint.clone(), source };
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok((response, sender))
    }

    async fn open(&mut self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let endpoint = || self.endpoint.clone();
        let stream = TcpStream::connect((self.endpoint.host_without_brackets(), self.endpoint.port))
            .await
            .map_err(|source| ClientError::Connect { endpoint: endpoint(), source })?;
        let _ = stream.set_nodelay(true);
        let broken = |source| ClientError::Broken { endpoint: endpoint(), source };
        if !self.endpoint.tls {
            let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
            tokio::spawn(connection);
            return Ok(sender);
        }
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => {
                let config =
                    self.trust.config().map_err(|source| ClientError::Roots { endpoint: endpoint(), source })?;
                self.tls.insert(TlsConnector::from(Arc::new(config))).clone()
            }
        };
        let host = self.endpoint.host_without_brackets().to_owned();
        let name = ServerName::try_from(host.clone()).map_err(|_| ClientError::Name { host })?;
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|source| ClientError::Tls { endpoint: self.endpoint.clone(), source })?;
        let broken = |source| ClientError::Broken { endpoint: self.endpoint.clone(), source };
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_read_and_print() {
        for (text, authority, printed) in [
            ("http://127.0.0.1:4566", "127.0.0.1:4566", "http://127.0.0.1:4566"),
            ("https://airflow.us-east-1.amazonaws.com/", "airflow.us-east-1.amazonaws.com", ""),
            ("http://[::1]:4566/aws/", "[::1]:4566", "http://[::1]:4566/aws"),
        ] {
            let endpoint: Endpoint = text.parse().expect("a URL");
            assert_eq!(endpoint.authority(), authority);
            let printed = if printed.is_empty() { text.trim_end_matches('/') } else { printed };
            assert_eq!(endpoint.to_string(), printed);
        }
        for text in ["127.0.0.1:4566", "ftp://x", "/x", "", "http://"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
