//! One connection from its first byte to its end.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};
use tokio_rustls::LazyConfigAcceptor;

use super::answer::{Tracked, answer};
use super::ca::{CaError, LeafName};
use super::hosts::normal;
use super::io::{Activity, Link, Raw, Wire};
use super::watchdog::{Step, Watchdog};
use super::{Arrival, Authority, CertAuthority, Front, Guard, HostKind, Limits, ProxyPolicy, Scheme};
use crate::metrics::Metrics;

/// The first byte of a TLS record that carries a handshake.
const TLS_HANDSHAKE: u8 = 0x16;

/// A TLS record with the fatal alert `handshake_failure` (RFC 8446, sections 5.1 and 6.2).
const TLS_HANDSHAKE_FAILURE: &[u8] = &[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x28];

/// How HTTP/2 with prior knowledge begins; no method of HTTP/1 is called so.
const HTTP2_PREFACE: &[u8] = b"PRI";

/// Room for the first read: most requests fit, so that they are read at once as without looking.
const FIRST_READ_BYTES: usize = 4096;

/// What all connections of a server share.
pub(super) struct Shared<F> {
    pub(super) front: F,
    pub(super) limits: Arc<Limits>,
    pub(super) tls: Option<Arc<CertAuthority>>,
    pub(super) proxy: ProxyPolicy,
    pub(super) guard: Guard,
    pub(super) metrics: Arc<Metrics>,
    pub(super) own: Vec<SocketAddr>,
    pub(super) phases: watch::Receiver<Phase>,
    pub(super) http1: http1::Builder,
    pub(super) http2: http2::Builder<TokioExecutor>,
}

/// How a server's life goes on; phases only follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Requests under way are finished, then connections close.
    Finishing,
    /// Whatever is open is dropped.
    Cutting,
}

/// A place among the connections that may be open at once. Tunnels keep the place of the connection they came by.
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    metrics: Arc<Metrics>,
}

impl Place {
    pub(super) fn new(permit: OwnedSemaphorePermit, metrics: Arc<Metrics>) -> Self {
        metrics.connection_opened();
        Self { _permit: permit, metrics }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connection_closed();
    }
}

/// What is known about a connection before HTTP begins.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) remote: SocketAddr,
    pub(super) local: SocketAddr,
    /// The host that a client asked its proxy for by `CONNECT`.
    pub(super) tunnel: Option<Arc<Authority>>,
    pub(super) _place: Arc<Place>,
}

/// A connection on which HTTP is spoken.
pub(super) struct Connection<F> {
    pub(super) shared: Arc<Shared<F>>,
    pub(super) caller: Caller,
    pub(super) scheme: Scheme,
    pub(super) activity: Arc<Activity>,
    /// The authority of the last request: mostly that of the next.
    pub(super) authority: Mutex<Option<Arc<Authority>>>,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    Tls,
    Http1,
    Http2,
}

/// `None` when more bytes are needed to tell.
fn spoken(first: &[u8]) -> Option<Spoken> {
    match first {
        [] => None,
        [TLS_HANDSHAKE, ..] => Some(Spoken::Tls),
        _ if first.starts_with(HTTP2_PREFACE) => Some(Spoken::Http2),
        _ if HTTP2_PREFACE.starts_with(first) => None,
        _ => Some(Spoken::Http1),
    }
}

/// Serves a connection to its end.
pub(super) async fn serve<F: Front>(shared: Arc<Shared<F>>, link: Link, caller: Caller) {
    let mut phases = shared.phases.clone();
    let opened = tokio::select! {
        opened = timeout(shared.limits.header_timeout(), open(&shared, link, &caller)) => opened,
        // Nothing has been asked yet.
        _ = phases.wait_for(|phase| *phase > Phase::Serving) => return,
    };
    let (wire, activity, spoken) = match opened {
        Ok(Ok(Some(opened))) => opened,
        Ok(Ok(None)) => return,
        Ok(Err(error)) => {
            tracing::debug!(remote = %caller.remote, %error, "a connection did not come about");
            return;
        }
        Err(_) => {
            tracing::debug!(remote = %caller.remote, "a connection did not begin in time");
            return;
        }
    };
    let scheme = if matches!(wire, Wire::Secure(_)) { Scheme::Https } else { Scheme::Http };
    let watchdog = Watchdog::new(&shared.limits, Instant::now(), spoken == Spoken::Http1);
    let connection =
        Arc::new(Connection { shared, caller, scheme, activity: Arc::clone(&activity), authority: Mutex::default() });
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request: Request<Incoming>| answer(Arc::clone(&connection), request))
    };
    let io = TokioIo::new(wire);
    let ended = if spoken == Spoken::Http2 {
        let http = connection.shared.http2.serve_connection(io, service);
        drive(Box::pin(http).as_mut(), &mut phases, &activity, watchdog).await
    } else {
        let http = connection.shared.http1.serve_connection(io, service).with_upgrades();
        drive(pin!(http), &mut phases, &activity, watchdog).await
    };
    if let Err(error) = ended {
        // Clients go away in the midst all the time.
        tracing::debug!(remote = %connection.caller.remote, %error, "a connection broke");
    }
}

type Opened = (Wire, Arc<Activity>, Spoken);

/// Finds out what is spoken and does the TLS handshake. `None` when the client left, or speaks what is not served.
async fn open<F: Front>(
    shared: &Shared<F>,
    mut link: Link,
    caller: &Caller,
) -> Result<Option<Opened>, Box<dyn std::error::Error + Send + Sync>> {
    let mut seen = Vec::with_capacity(FIRST_READ_BYTES);
    let spoken = loop {
        if read_some(&mut link, &mut seen).await? == 0 {
            return Ok(None);
        }
        if let Some(spoken) = spoken(&seen) {
            break spoken;
        }
    };
    let activity = Arc::new(Activity::default());
    let admitted = shared.front.admits(Arrival::Begun(&seen));
    let raw = Raw { seen: Bytes::from(seen), link, activity: Arc::clone(&activity) };
    if !admitted {
        activity.resets.store(true, Relaxed);
        return Ok(None);
    }
    if spoken != Spoken::Tls {
        return Ok(Some((Wire::Plain(raw), activity, spoken)));
    }
    let Some(authority) = &shared.tls else {
        tracing::debug!(remote = %caller.remote, "a TLS connection, and TLS is switched off");
        return Ok(None);
    };
    let mut start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), raw).await.inspect_err(|_| {
        shared.metrics.handshake_failed();
    })?;
    let asked_for = start.client_hello().server_name().map(str::to_owned);
    if !shared.front.admits(Arrival::Handshake(asked_for.as_deref())) {
        start.io.write_all(TLS_HANDSHAKE_FAILURE).await?;
        start.io.shutdown().await?;
        return Ok(None);
    }
    let name = leaf_name(asked_for.as_deref(), caller, &shared.guard);
    if name.is_none() {
        tracing::warn!(remote = %caller.remote, name = asked_for, "refused TLS for a host that standin does not answer for");
    }
    let config = tls_config(authority, name).await?;
    let stream = start.into_stream(config).await.inspect_err(|_| shared.metrics.handshake_failed())?;
    let spoken = if stream.get_ref().1.alpn_protocol() == Some(b"h2") { Spoken::Http2 } else { Spoken::Http1 };
    Ok(Some((Wire::Secure(Box::new(stream)), activity, spoken)))
}

/// Reads once, into the room there is. 0 at the end.
async fn read_some(link: &mut Link, into: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut buffer = [0; FIRST_READ_BYTES];
    let bytes = std::future::poll_fn(|cx| {
        let mut buffer = ReadBuf::new(&mut buffer);
        Pin::new(&mut *link).poll_read(cx, &mut buffer).map_ok(|()| buffer.filled().len())
    })
    .await?;
    into.extend_from_slice(&buffer[..bytes]);
    Ok(bytes)
}

/// The name for which the client gets a certificate; `None` for hosts that are not served.
fn leaf_name(asked_for: Option<&str>, caller: &Caller, guard: &Guard) -> Option<LeafName> {
    let Some(name) = asked_for else {
        return Some(match &caller.tunnel {
            Some(target) => match target.ip() {
                Some(ip) => LeafName::Address(ip),
                None => LeafName::Dns(target.host.clone()),
            },
            None => LeafName::Address(caller.local.ip().to_canonical()),
        });
    };
    let name = normal(name)?;
    (guard.hosts.kind(&name) != HostKind::Foreign).then_some(LeafName::Dns(name))
}

async fn tls_config(
    authority: &Arc<CertAuthority>,
    name: Option<LeafName>,
) -> Result<Arc<ServerConfig>, Box<dyn std::error::Error + Send + Sync>> {
    if let Some(name) = &name
        && let Some(config) = authority.ready_config_for(name)
    {
        return Ok(config);
    }
    let authority = Arc::clone(authority);
    let made: Result<_, CaError> = tokio::task::spawn_blocking(move || authority.config_for(name)).await?;
    Ok(made.inspect_err(|error| tracing::error!(%error, cause = ?error, "no certificate"))?)
}

/// Serves what is spoken within a tunnel as if the client had connected to the tunnel's target.
pub(super) fn serve_tunnel<F: Front>(shared: Arc<Shared<F>>, upgrade: OnUpgrade, caller: Caller) {
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => serve(shared, Link::Tunnel(Box::new(TokioIo::new(upgraded))), caller).await,
            Err(error) => tracing::debug!(%error, "a tunnel did not come about"),
        }
    });
}

/// What hyper's connections have in common.
trait Http: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<S> Http for http1::UpgradeableConnection<TokioIo<Wire>, S>
where
    S: hyper::service::HttpService<Incoming, ResBody = Tracked>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S> Http for http2::Connection<TokioIo<Wire>, S, TokioExecutor>
where
    S: hyper::service::HttpService<Incoming, ResBody = Tracked>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    TokioExecutor: hyper::rt::bounds::Http2ServerConnExec<S::Future, Tracked>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Lets a connection run until it ends, the watchdog ends it, or the server shuts down.
async fn drive<H: Http>(
    mut http: Pin<&mut H>,
    phases: &mut watch::Receiver<Phase>,
    activity: &Activity,
    mut watchdog: Watchdog,
) -> hyper::Result<()> {
    let look = tokio::time::sleep(watchdog.period);
    let mut look = pin!(look);
    if *phases.borrow_and_update() > Phase::Serving {
        http.as_mut().finish();
    }
    loop {
        tokio::select! {
            biased;
            ended = http.as_mut() => return ended,
            changed = phases.changed() => {
                // Without a sender, nobody waits for requests to be finished.
                if changed.is_err() || *phases.borrow_and_update() == Phase::Cutting {
                    return Ok(());
                }
                http.as_mut().finish();
            }
            () = look.as_mut() => {
                let now = Instant::now();
                match watchdog.look(activity, now) {
                    Step::Keep => {}
                    Step::Close => http.as_mut().finish(),
                    Step::Cut => return Ok(()),
                }
                look.as_mut().reset(now + watchdog.period.max(Duration::from_millis(1)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_tell_what_is_spoken() {
        for (first, expect) in [
            (&b""[..], None),
            (b"\x16", Some(Spoken::Tls)),
            (b"P", None),
            (b"PR", None),
            (b"PRI * HTTP/2.0", Some(Spoken::Http2)),
            (b"PO", Some(Spoken::Http1)),
            (b"GET / HTTP/1.1", Some(Spoken::Http1)),
            (b"\0\0", Some(Spoken::Http1)),
        ] {
            assert_eq!(spoken(first), expect, "{first:?}");
        }
    }
}
