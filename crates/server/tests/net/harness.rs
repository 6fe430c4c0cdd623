//! A server with a tiny front, and clients that speak to it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use standin_core::{BodySource, BoxFuture, Clock};
use standin_model::Catalogue;
use standin_server::metrics::Metrics;
use standin_server::net::{
    self, Body, CertAuthority, Cut, Front, Guard, HostPolicy, Limits, NetConfig, Peer, ProxyPolicy, RequestBody,
    Shutdown,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub struct Server {
    pub address: SocketAddr,
    pub ca: Arc<CertAuthority>,
    pub metrics: Arc<Metrics>,
    /// Lets `/gated` go on.
    pub gate: Arc<Notify>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Shutdown>,
}

pub fn config() -> NetConfig {
    let now = Clock::real().now();
    NetConfig {
        listen: vec!["127.0.0.1:0".parse().expect("an address")],
        limits: Limits::default(),
        tls: Some(Arc::new(CertAuthority::in_memory(now))),
        proxy: ProxyPolicy::default(),
        guard: Guard::new(HostPolicy::new(Catalogue::embedded().partitions())),
        metrics: Arc::new(Metrics::new(now)),
    }
}

pub async fn start(config: NetConfig) -> Server {
    let (ca, metrics) = (config.tls.clone().expect("with TLS"), Arc::clone(&config.metrics));
    let gate = Arc::new(Notify::new());
    let bound = net::bind(config).await.expect("listens");
    let address = bound.addresses()[0];
    let (stop, stopped) = oneshot::channel::<()>();
    let front = Tiny { gate: Arc::clone(&gate) };
    let task = tokio::spawn(bound.serve(front, async {
        let _ = stopped.await;
    }));
    Server { address, ca, metrics, gate, stop, task }
}

impl Server {
    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("accepts")
    }

    pub async fn tls(&self, name: &str, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        tls_over(self.connect().await, &self.ca, name, alpn).await
    }

    /// Writes what is given and reads to the end.
    pub async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.expect("writes");
        read_to_end(&mut stream).await
    }

    /// Begins to shut down.
    pub fn stop(self) -> JoinHandle<Shutdown> {
        let _ = self.stop.send(());
        self.task
    }
}

/// What comes until the server closes, also when it resets. What is no text is replaced.
pub async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(bytes @ 1..) = stream.read(&mut piece).await {
        all.extend_from_slice(&piece[..bytes]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// Reads until the text has come.
pub async fn read_until(stream: &mut (impl AsyncRead + Unpin), text: &str) -> String {
    let mut all = String::new();
    let mut piece = [0; 4096];
    while !all.contains(text) {
        let bytes = stream.read(&mut piece).await.expect("reads");
        assert_ne!(bytes, 0, "the connection ended after {all:?}");
        all.push_str(std::str::from_utf8(&piece[..bytes]).expect("text"));
    }
    all
}

pub async fn tls_over<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    ca: &CertAuthority,
    name: &str,
    alpn: &[&str],
) -> std::io::Result<TlsStream<S>> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = ca.ca_pem().expect("an authority");
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

pub fn get(uri: &str, host: &str) -> Request<Full<Bytes>> {
    Request::get(uri).header("host", host).body(Full::default()).expect("a request")
}

/// Sends one request by HTTP/1 and gives status and text.
pub async fn http1<S>(stream: S, request: Request<Full<Bytes>>) -> (StatusCode, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    collect(sender.send_request(request).await.expect("an answer")).await
}

/// Sends one request by HTTP/2 and gives status and text.
pub async fn http2<S>(stream: S, request: Request<Full<Bytes>>) -> (StatusCode, String)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
    tokio::spawn(connection);
    collect(sender.send_request(request).await.expect("an answer")).await
}

pub async fn collect(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8(body.to_vec()).expect("text"))
}

/// Answers by path; anything else tells how the request was understood.
struct Tiny {
    gate: Arc<Notify>,
}

impl Front for Tiny {
    async fn serve(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let (head, body) = request.into_parts();
        match head.uri.path() {
            "/panic" => panic!("as the test wants"),
            "/panic-in-body" => Response::new(Body::source(Box::new(Panics))),
            "/cut" => {
                let mut response = Response::new(Body::empty());
                response.extensions_mut().insert(Cut);
                response
            }
            "/whole" => match body.buffered().await {
                Ok(bytes) => Response::new(Body::from(format!("{} bytes", bytes.len()))),
                Err(error) => {
                    let mut response = Response::new(Body::from(error.to_string()));
                    *response.status_mut() = error.status();
                    response
                }
            },
            "/pieces" => Response::new(Body::source(Box::new(body))),
            "/unread" => Response::new(Body::from("not wanted")),
            "/endless" => Response::new(Body::source(Box::new(Endless))),
            "/gated" => {
                let (sender, body) = Body::channel(1);
                let gate = Arc::clone(&self.gate);
                tokio::spawn(async move {
                    sender.send(Bytes::from_static(b"one ")).await;
                    gate.notified().await;
                    sender.send(Bytes::from_static(b"two")).await;
                });
                Response::new(body)
            }
            path => {
                let hosts: Vec<_> = head.headers.get_all("host").iter().map(|v| v.to_str().unwrap_or("?")).collect();
                Response::new(Body::from(format!(
                    "{} {path} uri={} host={} base={} kind={:?} proxy={}",
                    head.method,
                    head.uri,
                    hosts.join(","),
                    peer.authority.base_url,
                    peer.authority.kind,
                    peer.via_proxy
                )))
            }
        }
    }
}

struct Panics;

impl BodySource for Panics {
    fn next(&mut self) -> BoxFuture<'_, Option<std::io::Result<Bytes>>> {
        Box::pin(async { panic!("as the test wants") })
    }
}

struct Endless;

impl BodySource for Endless {
    fn next(&mut self) -> BoxFuture<'_, Option<std::io::Result<Bytes>>> {
        Box::pin(async { Some(Ok(Bytes::from_static(&[b'x'; 16 * 1024]))) })
    }
}
