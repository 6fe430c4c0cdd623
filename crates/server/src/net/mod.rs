//! Sockets, TLS and HTTP: everything between the network and a [`Front`], which answers requests.
//!
//! One port speaks everything. The first byte of a connection tells TLS from plain text, ALPN or the HTTP/2 preface
//! tells the version, the request's form tells whether a client uses standin as its server or as its proxy.
//!
//! # Invariants
//! - What reaches a [`Front`] has passed the [`Guard`]: the host is one that standin answers for, and the request does
//!   not come from a foreign web page. Its URI is in origin form and it has exactly one `Host` header, however it came.
//! - Every resource that a client can hold has a limit in [`Limits`].
//! - A panic in a [`Front`] costs the request in which it happens, nothing else.
//! - Nothing here knows AWS protocols, services or state.

mod answer;
mod body;
mod ca;
mod config;
mod connection;
mod guard;
mod hosts;
mod io;
mod listen;
mod proxy;
mod request_body;
mod watchdog;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};

pub use body::{Body, BodySender};
pub use ca::{CaError, CertAuthority};
pub use config::{Limits, NetConfig, ProxyPolicy};
pub use guard::{CorsError, CorsPolicy, Guard, Verdict, add_cors_headers};
pub use hosts::{Authority, HostKind, HostPolicy, Scheme};
pub use listen::{Bound, NetError, Shutdown, bind};
pub(crate) use proxy::drop_hop_headers;
pub use request_body::{BodyError, RequestBody};

/// Answers requests.
pub trait Front: Send + Sync + 'static {
    /// Answers one request. The future is dropped when the server shuts down and the grace time is over.
    fn serve(&self, request: Request<RequestBody>, peer: Peer) -> impl Future<Output = Response<Body>> + Send;

    /// A client asked its proxy for a tunnel to an AWS host, under [`ProxyPolicy::Guard`].
    fn tunnelled(&self, _target: &Authority, _remote: SocketAddr) {}

    /// Whether a connection may come about.
    fn admits(&self, _arrival: Arrival<'_>) -> bool {
        true
    }
}

/// What is known of a connection before it carries a request.
#[derive(Clone, Copy, Debug)]
pub enum Arrival<'a> {
    /// Its first bytes came. Where it is not admitted, it is reset.
    Begun(&'a [u8]),
    /// A TLS client says hello, perhaps to a host by name. Where it is not admitted, the handshake fails.
    Handshake(Option<&'a str>),
}

/// Who asks, and by which name and way they reached this server.
#[derive(Clone, Debug)]
pub struct Peer {
    pub remote: SocketAddr,
    /// The address of this server's end of the connection.
    pub local: SocketAddr,
    /// The client used standin as its proxy: the request was meant for `authority`, which is elsewhere by DNS.
    pub via_proxy: bool,
    pub authority: Arc<Authority>,
}

/// Put into a response's extensions, makes the server reset the connection (HTTP/2: the stream) instead of sending that
/// response.
#[derive(Clone, Copy, Debug)]
pub struct Cut;
