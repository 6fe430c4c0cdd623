//! WebSockets on their way: the handshake, and who is sent what when.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures_util::{SinkExt as _, StreamExt as _};
use http::header::{CONNECTION, CONTENT_TYPE, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use sha1::{Digest as _, Sha1};
use standin_mockoon::{Push, Server, Socket, Streaming};
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, interval_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::Host;
use super::body::Sent;

/// What RFC 6455 has servers put behind a client's key.
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Answers of one client that wait for their latency; beyond, its messages are not read.
const WAITING_MAX: usize = 1_024;

/// Messages that a slow client of a broadcast may be behind.
const BEHIND_MAX: usize = 256;

type Stream = WebSocketStream<TokioIo<Upgraded>>;

/// Whether a client asks for a WebSocket.
pub fn is_handshake(headers: &HeaderMap) -> bool {
    let has = |name, word: &str| {
        let text = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
        text.to_ascii_lowercase().contains(word)
    };
    headers.contains_key(UPGRADE) && has(UPGRADE, "websocket") && has(CONNECTION, "upgrade")
}

/// Opens a WebSocket, if there is a route for it.
pub fn open(
    host: Arc<Host>,
    server: &Arc<Server>,
    mut request: Request<Incoming>,
    peer: std::net::IpAddr,
) -> Response<Sent> {
    let accept = request.headers().get(SEC_WEBSOCKET_KEY).map(|key| {
        let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(KEY_SUFFIX).finalize();
        base64::engine::general_purpose::STANDARD.encode(digest)
    });
    let upgrade = hyper::upgrade::on(&mut request);
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let Some(socket) = server.socket(parts, peer) else {
        return refused(StatusCode::NOT_FOUND, "No WebSocket route found for this path");
    };
    let Some(accept) = accept.and_then(|accept| HeaderValue::from_str(&accept).ok()) else {
        return refused(StatusCode::BAD_REQUEST, "Missing or invalid Sec-WebSocket-Key header");
    };
    host.log.info(&format!("New WebSocket connection at {path}"));
    let most = server.request_bytes_max();
    tokio::spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let config = WebSocketConfig::default().max_message_size(Some(most)).max_frame_size(Some(most));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        serve(&host, socket, stream).await;
        host.log.info(&format!("WebSocket closed at {path}"));
    });
    let mut response = Response::new(Sent::Bytes(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn refused(status: StatusCode, message: &'static str) -> Response<Sent> {
    let mut response = Response::new(Sent::text(message));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn serve(host: &Arc<Host>, socket: Socket, stream: Stream) {
    match socket.streaming() {
        None => converse(socket, stream).await,
        Some((Streaming::Unicast, interval)) => push(socket, stream, interval).await,
        Some((Streaming::Broadcast, interval)) => {
            let texts = host.broadcast(socket, interval);
            listen(texts, stream).await;
        }
    }
}

/// Answers messages.
async fn converse(mut socket: Socket, mut stream: Stream) {
    let (later, mut due) = mpsc::channel::<Push>(WAITING_MAX);
    let mut waiting = 0;
    loop {
        let next = tokio::select! {
            Some(push) = due.recv() => {
                waiting -= 1;
                Some(push)
            }
            message = stream.next(), if waiting < WAITING_MAX => match message {
                Some(Ok(Message::Text(text))) => socket.message(&text),
                // What is binary has no answer; what belongs to the protocol is answered by the library.
                Some(Ok(_)) => None,
                Some(Err(_)) | None => return,
            },
        };
        let Some(push) = next else { continue };
        if push.latency.is_zero() {
            if !send(&mut stream, &push).await {
                return;
            }
        } else {
            waiting += 1;
            let (later, latency) = (later.clone(), push.latency);
            tokio::spawn(async move {
                tokio::time::sleep(latency).await;
                let _ = later.send(Push { latency: Duration::ZERO, ..push }).await;
            });
        }
    }
}

/// Sends a text; false when the connection is over.
async fn send(stream: &mut Stream, push: &Push) -> bool {
    let sent = stream.send(Message::text(push.text.as_ref())).await;
    if push.closes {
        let _ = stream.close(None).await;
    }
    sent.is_ok() && !push.closes
}

/// Pushes to one client.
async fn push(mut socket: Socket, mut stream: Stream, every: Duration) {
    let mut interval = interval_at(Instant::now() + every, every);
    loop {
        tokio::select! {
            _ = interval.tick() => {
                if let Some(push) = socket.push()
                    && !send(&mut stream, &push).await
                {
                    return;
                }
            }
            message = stream.next() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
}

/// Passes on what is sent to all clients.
async fn listen(mut texts: broadcast::Receiver<Arc<str>>, mut stream: Stream) {
    loop {
        tokio::select! {
            text = texts.recv() => match text {
                Ok(text) => {
                    let push = Push { latency: Duration::ZERO, text, closes: false };
                    if !send(&mut stream, &push).await {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => {
                    let _ = stream.close(None).await;
                    return;
                }
            },
            message = stream.next() => if !matches!(message, Some(Ok(_))) { return },
        }
    }
}

impl Host {
    /// What a route sends to all its clients. The first of them starts it, and what it sends goes by that one's request.
    fn broadcast(&self, mut socket: Socket, every: Duration) -> broadcast::Receiver<Arc<str>> {
        let mut broadcasts = self.broadcasts.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sender) = broadcasts.get(socket.route()) {
            return sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BEHIND_MAX);
        let weak = sender.downgrade();
        broadcasts.insert(socket.route().to_owned(), sender);
        tokio::spawn(async move {
            let mut interval = interval_at(Instant::now() + every, every);
            loop {
                interval.tick().await;
                // Gone when another environment took the place of the socket's.
                let Some(sender) = weak.upgrade() else { return };
                if let Some(push) = socket.push() {
                    // It goes on when nobody listens.
                    let _ = sender.send(push.text);
                }
            }
        });
        receiver
    }
}
