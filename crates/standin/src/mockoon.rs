//! Sockets and logs of Mockoon environments.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use standin_core::Clock;
use standin_mockoon::{Environment, Server};
use tokio::io::{AsyncRead, AsyncSeekExt as _, ReadBuf};
use tokio::net::TcpListener;

use crate::error::CommandError;

/// A client that is silent longer between requests is left, as Mockoon does.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// After accepting failed for want of files, others get time to give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What is read of a file at once.
const PIECE: usize = 64 << 10;

/// Writes the lines that `mockoon-cli` writes.
#[derive(Clone, Debug)]
pub struct Log {
    name: Arc<str>,
    uuid: Arc<str>,
    whole: bool,
}

impl Log {
    /// `whole` logs requests and answers with headers and bodies.
    pub fn new(environment: &Environment, whole: bool) -> Self {
        Self { name: Arc::from(environment.name.as_str()), uuid: Arc::from(environment.uuid.as_str()), whole }
    }

    pub fn line(&self, level: &str, message: &str) {
        self.write(level, message, Map::new());
    }

    fn write(&self, level: &str, message: &str, more: Map<String, Value>) {
        let now = Clock::real().now().to_date_time();
        let mut line = json!({
            "app": "mockoon-server",
            "environmentName": *self.name,
            "environmentUUID": *self.uuid,
            "level": level,
            "message": message,
        });
        if let Some(members) = line.as_object_mut() {
            members.extend(more);
            members.insert("timestamp".to_owned(), now.into());
        }
        // Nobody to read it is no reason not to serve.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// An environment whose port is taken.
pub struct Bound {
    server: Arc<Server>,
    log: Log,
    listener: TcpListener,
}

impl Bound {
    /// Takes the port of an environment.
    ///
    /// # Errors
    /// When the port or the address cannot be had.
    pub async fn new(server: Server, log: Log) -> Result<Self, CommandError> {
        let (hostname, port) = (server.environment().hostname.as_str(), server.environment().port);
        let listening = if hostname.is_empty() {
            // All addresses; without IPv6, those of IPv4.
            match TcpListener::bind(("::", port)).await {
                Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                    TcpListener::bind(("0.0.0.0", port)).await
                }
                listening => listening,
            }
        } else {
            TcpListener::bind((hostname, port)).await
        };
        match listening {
            Ok(listener) => Ok(Self { server: Arc::new(server), log, listener }),
            Err(error) => {
                let what = match error.kind() {
                    std::io::ErrorKind::AddrInUse => format!("port {port} is already in use"),
                    std::io::ErrorKind::PermissionDenied => format!("port {port} is not allowed"),
                    _ => format!("cannot listen on {hostname}:{port}"),
                };
                Err(CommandError::usage(anyhow::Error::new(error).context(what)))
            }
        }
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Says where it listens, and what of the environment does not work.
    pub fn tell_start(&self) {
        let port = self.listener.local_addr().map_or(0, |address| address.port());
        self.log.line("info", &format!("Server started on port {port}"));
        for note in self.server.notes() {
            self.log.line("warn", &note.to_string());
        }
    }

    /// Answers requests until it is dropped.
    pub async fn serve(self) {
        let mut builder = http1::Builder::new();
        builder.title_case_headers(true).half_close(true).timer(TokioTimer::new()).header_read_timeout(KEEP_ALIVE);
        loop {
            let (stream, peer) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let _ = stream.set_nodelay(true);
            let (server, log) = (Arc::clone(&self.server), self.log.clone());
            let service = service_fn(move |request| answer(Arc::clone(&server), log.clone(), request, peer));
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            // Clients that go away are nobody's fault.
            tokio::spawn(async move { drop(connection.await) });
        }
    }
}

async fn answer(
    server: Arc<Server>,
    log: Log,
    request: Request<Incoming>,
    peer: SocketAddr,
) -> Result<Response<Sent>, Infallible> {
    let (parts, body) = request.into_parts();
    let most = server.request_bytes_max();
    let bytes = match Limited::new(body, most).collect().await {
        Ok(collected) => collected.to_bytes(),
        // Too much, or the client went away: it does not matter what that one is told.
        Err(_) => return Ok(too_large()),
    };
    let about = json!({
        "requestMethod": parts.method.as_str(),
        "requestPath": parts.uri.path(),
        "requestProxied": false,
    });
    let answer = server.answer(Request::from_parts(parts, bytes), peer.ip());
    if !answer.latency.is_zero() {
        tokio::time::sleep(answer.latency).await;
    }
    let is_admin = about["requestPath"].as_str().is_some_and(|path| path.starts_with("/mockoon-admin"));
    if let (Value::Object(mut more), false) = (about, is_admin) {
        more.insert("responseStatus".to_owned(), answer.response.status().as_u16().into());
        if let Some(transaction) = answer.transaction.as_ref().filter(|_| log.whole) {
            more.insert("transaction".to_owned(), transaction.to_json());
        }
        log.write("info", "Transaction recorded", more);
    }
    let (parts, body) = answer.response.into_parts();
    Ok(Response::from_parts(parts, Sent::of(body).await))
}

fn too_large() -> Response<Sent> {
    let mut response = Response::new(Sent::Bytes(Some(Bytes::from_static(b"Payload too large"))));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    for (name, value) in [("content-type", "text/plain; charset=utf-8"), ("connection", "close")] {
        response.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    response
}

/// A body on its way: bytes at once, a file in pieces.
enum Sent {
    Bytes(Option<Bytes>),
    File { file: tokio::fs::File, left: u64 },
}

impl Sent {
    async fn of(body: standin_mockoon::Body) -> Self {
        match body {
            standin_mockoon::Body::Bytes(bytes) => Self::Bytes(Some(bytes).filter(|bytes| !bytes.is_empty())),
            standin_mockoon::Body::File { path, start, length } => {
                let opened = async {
                    let mut file = tokio::fs::File::open(path).await?;
                    file.seek(std::io::SeekFrom::Start(start)).await?;
                    std::io::Result::Ok(file)
                };
                match opened.await {
                    Ok(file) => Self::File { file, left: length },
                    // It was there a moment ago; the client sees that the body is cut.
                    Err(_) => Self::Bytes(None),
                }
            }
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        match &mut *self {
            Self::Bytes(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::File { left: 0, .. } => Poll::Ready(None),
            Self::File { file, left } => {
                let mut piece = BytesMut::zeroed(usize::try_from(*left).unwrap_or(PIECE).min(PIECE));
                let mut buffer = ReadBuf::new(&mut piece);
                ready!(Pin::new(file).poll_read(context, &mut buffer))?;
                let read = buffer.filled().len();
                if read == 0 {
                    return Poll::Ready(Some(Err(std::io::ErrorKind::UnexpectedEof.into())));
                }
                *left -= read as u64;
                piece.truncate(read);
                Poll::Ready(Some(Ok(Frame::data(piece.freeze()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Bytes(None) | Self::File { left: 0, .. })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.as_ref().map_or(0, |bytes| bytes.len() as u64),
            Self::File { left, .. } => *left,
        })
    }
}
