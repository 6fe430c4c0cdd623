//! Mockoon environments on sockets: listening, answering, and reading files again when they change.

mod body;
mod files;
mod log;
mod outgoing;
mod pfx;
mod sockets;
mod tls;

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use standin_mockoon::{Events, Reaction, Server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio_rustls::TlsAcceptor;

use self::body::Sent;
use self::log::Log;
use crate::error::CommandError;

pub use self::files::{File, Setup};
pub use self::log::flush;

/// A client that is silent longer between requests is left, as Mockoon does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// For the handshake of TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// After accepting failed for want of files, others get time to give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listeners of events get a sign of life this often.
const EVENTS_INTERVAL: Duration = Duration::from_secs(60);

/// Events that a slow listener may be behind; one that is further behind is left.
const EVENTS_BEHIND_MAX: usize = 4_096;

/// What all connections of an environment share.
pub struct Host {
    /// The environment; another may take its place.
    server: ArcSwap<Server>,
    log: Log,
    /// What the server's own URLs begin with.
    origin: Arc<str>,
    /// Of WebSocket routes that send the same to all clients, by uuid.
    broadcasts: Mutex<HashMap<String, broadcast::Sender<Arc<str>>>>,
}

/// An environment whose port is taken.
pub struct Bound {
    host: Arc<Host>,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Bound {
    /// Takes the port of an environment and reads its certificates, for paths in the given folder.
    ///
    /// # Errors
    /// When the port or the address cannot be had, or a certificate not be used.
    pub async fn new(server: Server, log: Log, folder: PathBuf) -> Result<Self, CommandError> {
        let name = server.environment().name.clone();
        let tls = tls::acceptor(&server, &folder).map_err(|error| {
            let hint = "tlsOptions of the environment says what is read; --disable-tls serves plain HTTP";
            CommandError::usage(error.context(format!("cannot serve {name:?} over TLS"))).hint(hint)
        })?;
        let listener = listen(&server).await?;
        let address = listener.local_addr().map_err(CommandError::failure)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        // Where it listens on all addresses, it reaches itself on this machine.
        let ip = match address.ip() {
            ip if ip.is_unspecified() && ip.is_ipv4() => [127, 0, 0, 1].into(),
            ip if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let origin = format!("{scheme}://{}", SocketAddr::new(ip, address.port()));
        let host = Host {
            server: ArcSwap::from_pointee(server),
            log,
            origin: Arc::from(origin),
            broadcasts: Mutex::default(),
        };
        Ok(Self { host: Arc::new(host), listener, tls })
    }

    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Says where it listens, and what of the environment does not work.
    pub fn tell_start(&self) {
        let port = self.listener.local_addr().map_or(0, |address| address.port());
        self.host.log.info(&format!("Server started on port {port}"));
        self.host.tell_notes();
    }

    /// Answers requests until it is dropped.
    pub async fn serve(self) {
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            // Clients that go away are nobody's fault.
            tokio::spawn(connection(Arc::clone(&self.host), self.tls.clone(), stream, peer));
        }
    }
}

async fn listen(server: &Server) -> Result<TcpListener, CommandError> {
    let (hostname, port) = (server.environment().hostname.as_str(), server.environment().port);
    let listening = if hostname.is_empty() {
        // All addresses; without IPv6, those of IPv4.
        match TcpListener::bind(("::", port)).await {
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => TcpListener::bind(("0.0.0.0", port)).await,
            listening => listening,
        }
    } else {
        TcpListener::bind((hostname, port)).await
    };
    listening.map_err(|error| {
        let name = &server.environment().name;
        let (what, hint) = match error.kind() {
            std::io::ErrorKind::AddrInUse => (format!("port {port} is already in use"), "--port takes another"),
            std::io::ErrorKind::PermissionDenied => {
                (format!("port {port} is not allowed"), "ports below 1024 need rights; --port takes another")
            }
            _ => (format!("cannot listen on {hostname}:{port}"), "--hostname takes an address of this machine"),
        };
        CommandError::usage(anyhow::Error::new(error).context(format!("cannot serve {name:?}: {what}"))).hint(hint)
    })
}

async fn connection(host: Arc<Host>, tls: Option<TlsAcceptor>, stream: TcpStream, peer: SocketAddr) {
    let mut builder = http1::Builder::new();
    builder.title_case_headers(true).half_close(true).timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE);
    let service = service_fn(move |request| answer(Arc::clone(&host), request, peer));
    match tls {
        None => drop(builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await),
        Some(tls) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
                drop(builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await);
            }
        }
    }
}

async fn answer(host: Arc<Host>, request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Sent>, Infallible> {
    let server = host.server.load_full();
    if server.has_sockets() && sockets::is_handshake(request.headers()) {
        return Ok(sockets::open(host, &server, request, peer.ip()));
    }
    let (parts, body) = request.into_parts();
    let bytes = if body.is_end_stream() {
        Bytes::new()
    } else {
        match Limited::new(body, server.request_bytes_max()).collect().await {
            Ok(collected) => collected.to_bytes(),
            // Too much, or the client went away: it does not matter what that one is told.
            Err(_) => return Ok(too_large()),
        }
    };
    let (method, uri) = (parts.method.clone(), parts.uri.clone());
    let answer = match server.react(Request::from_parts(parts, bytes), peer.ip()) {
        Reaction::Answer(answer) => answer,
        Reaction::Forward(forward) => return Ok(outgoing::forward(server, host.log.clone(), forward).await),
        Reaction::Events(events) => return Ok(listening(events)),
    };
    if let Some(replacement) = answer.replacement {
        host.replace(replacement);
    }
    for call in answer.calls {
        match call {
            Ok(call) => drop(tokio::spawn(outgoing::call(host.log.clone(), Arc::clone(&host.origin), call))),
            Err(message) => host.log.error(&message),
        }
    }
    if !answer.latency.is_zero() {
        tokio::time::sleep(answer.latency).await;
    }
    if !uri.path().starts_with("/mockoon-admin") {
        let status = answer.response.status().as_u16();
        host.log.transaction(method.as_str(), uri.path(), status, answer.transaction.as_ref(), false);
    }
    let (parts, body) = answer.response.into_parts();
    Ok(Response::from_parts(parts, Sent::of(body).await))
}

impl Host {
    /// Puts another environment in the place of this one.
    fn replace(&self, server: Arc<Server>) {
        self.server.store(server);
        self.broadcasts.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn tell_notes(&self) {
        for note in self.server.load().notes() {
            self.log.warn(&note.to_string());
        }
    }
}

fn too_large() -> Response<Sent> {
    let mut response = Response::new(Sent::text("Payload too large"));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    for (name, value) in [("content-type", "text/plain; charset=utf-8"), ("connection", "close")] {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}

/// Keeps a client told of events until it goes away.
fn listening(events: Events) -> Response<Sent> {
    let (sender, receiver) = mpsc::channel::<Bytes>(EVENTS_BEHIND_MAX);
    let alive = sender.downgrade();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(EVENTS_INTERVAL).await;
            let Some(sender) = alive.upgrade() else { return };
            if sender.try_send(Bytes::from_static(b":\n\n")).is_err() {
                return;
            }
        }
    });
    let mut response = Response::new(Sent::Events(receiver));
    *response.status_mut() = events.response.status();
    *response.headers_mut() = events.response.headers().clone();
    events.listen(Box::new(move |event| sender.try_send(Bytes::from(format!("data: {event}\n\n"))).is_ok()));
    response
}
