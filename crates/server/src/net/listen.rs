//! Listening, accepting and shutting down.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioExecutor;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, TryAcquireError, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connection::{Caller, Phase, Place, Shared, serve};
use super::io::Link;
use super::{Front, Limits, NetConfig};
use crate::metrics::Metrics;

/// hyper's own limit, up to which it keeps headers on the stack.
const HEADERS_ON_STACK: usize = 100;

/// After accepting failed for want of files or memory, others get time to give some back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What connections get to notice that they are cut.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// How often a free port is looked for that is free at all addresses.
const FREE_PORT_TRIES: usize = 16;

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    #[error("cannot listen on {address}")]
    Bind { address: SocketAddr, source: io::Error },
    #[error("cannot use {}", folder.display())]
    Folder { folder: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("cannot open the state")]
    Store {
        #[source]
        source: standin_store::StoreError,
    },
    #[error("no address to listen on")]
    NoAddress,
}

/// Sockets that listen; connections wait in them until [`serve`](Self::serve).
#[derive(Debug)]
pub struct Bound {
    config: NetConfig,
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// All requests were finished; else some were cut.
    pub finished: bool,
}

/// Opens the sockets of a configuration.
///
/// # Errors
/// When an address cannot be had, or there is none.
pub async fn bind(config: NetConfig) -> Result<Bound, NetError> {
    let mut tries = FREE_PORT_TRIES;
    loop {
        match bind_all(&config.listen).await {
            Ok(listeners) => {
                let addresses = listeners.iter().map(|(address, _)| *address).collect();
                let listeners = listeners.into_iter().map(|(_, listener)| listener).collect();
                return Ok(Bound { config, listeners, addresses });
            }
            // The port that was free at the first address is taken at another.
            Err(NetError::Bind { source, .. }) if source.kind() == io::ErrorKind::AddrInUse && tries > 0 => {
                let fixed = config.listen.iter().find(|address| address.port() != 0);
                if let Some(&address) = fixed {
                    return Err(NetError::Bind { address, source });
                }
                tries -= 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn bind_all(wanted: &[SocketAddr]) -> Result<Vec<(SocketAddr, TcpListener)>, NetError> {
    let mut bound = Vec::with_capacity(wanted.len());
    let mut free_port = 0;
    for &address in wanted {
        let mut address = address;
        if address.port() == 0 {
            address.set_port(free_port);
        }
        let listening = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (local, listener) = listening.map_err(|source| NetError::Bind { address, source })?;
        if address.port() == 0 {
            free_port = local.port();
        }
        bound.push((local, listener));
    }
    if bound.is_empty() { Err(NetError::NoAddress) } else { Ok(bound) }
}

impl Bound {
    /// Where it listens, with the ports that were chosen, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Answers requests until `shutdown` completes. Then nothing more is accepted, requests under way are finished
    /// within [`Limits::shutdown_grace_ms`], and what remains is cut.
    pub async fn serve<F: Front>(self, front: F, shutdown: impl Future<Output = ()>) -> Shutdown {
        let Self { config, listeners, addresses } = self;
        let connections_max = connections_max(&config.limits);
        let places = Arc::new(Semaphore::new(connections_max as usize));
        let (phase, phases) = watch::channel(Phase::Serving);
        let grace = config.limits.shutdown_grace();
        let shared = Arc::new(Shared {
            front,
            http1: http1_builder(&config.limits),
            http2: http2_builder(&config.limits),
            limits: Arc::new(config.limits),
            tls: config.tls,
            proxy: config.proxy,
            guard: config.guard,
            metrics: config.metrics,
            own: addresses,
            phases,
        });
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, Arc::clone(&shared), Arc::clone(&places)));
        }
        shutdown.await;
        accepting.shutdown().await;
        let ended = async |phase_now: Phase, limit: Duration| {
            phase.send_replace(phase_now);
            timeout(limit, places.acquire_many(connections_max)).await.is_ok()
        };
        let finished = ended(Phase::Finishing, grace).await;
        if !finished {
            ended(Phase::Cutting, CUT_GRACE).await;
        }
        Shutdown { finished }
    }
}

/// Accepts connections for ever.
async fn accept<F: Front>(listener: TcpListener, shared: Arc<Shared<F>>, places: Arc<Semaphore>) {
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Those are about the one connection that was to be accepted.
                let gone = matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset);
                if !gone {
                    tracing::warn!(%error, "cannot accept connections at the moment");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let Some(place) = place(&places, &shared.metrics).await else { return };
        let Some(local) = prepare(&stream) else { continue };
        let caller = Caller { remote, local, tunnel: None, _place: Arc::new(place) };
        tokio::spawn(serve(Arc::clone(&shared), Link::Tcp(stream), caller));
    }
}

/// Waits for a place among the connections. `None` when there will not be one.
async fn place(places: &Arc<Semaphore>, metrics: &Arc<Metrics>) -> Option<Place> {
    let permit = match Arc::clone(places).try_acquire_owned() {
        Ok(permit) => permit,
        Err(TryAcquireError::Closed) => return None,
        Err(TryAcquireError::NoPermits) => {
            metrics.connection_waited();
            tracing::debug!("as many connections as allowed are open: new ones wait");
            Arc::clone(places).acquire_owned().await.ok()?
        }
    };
    Some(Place::new(permit, Arc::clone(metrics)))
}

/// `None` when the client is gone already.
fn prepare(stream: &TcpStream) -> Option<SocketAddr> {
    stream.set_nodelay(true).ok()?;
    stream.local_addr().ok()
}

fn http1_builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // The watchdog does that, without a timer per request.
        .header_read_timeout(None)
        // Clients may end their side after the request, as `printf … | nc` does.
        .half_close(true)
        .max_header_size(limits.header_bytes_max);
    if limits.header_count_max != HEADERS_ON_STACK {
        builder.max_headers(limits.header_count_max);
    }
    builder
}

fn http2_builder(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_concurrent_streams(limits.http2_streams_max)
        .max_header_list_size(u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.http2_resets_pending_max)
        .max_local_error_reset_streams(limits.http2_error_resets_max);
    builder
}

/// The configured limit, or what the process may open: other files need some too.
fn connections_max(limits: &Limits) -> u32 {
    let mut most = limits.connections_max.clamp(1, Semaphore::MAX_PERMITS);
    if let Some(files) = open_files_max() {
        most = most.min((files / 4 * 3).max(1));
    }
    u32::try_from(most).unwrap_or(u32::MAX)
}

/// The soft limit of open files of this process. Known on Linux only.
fn open_files_max() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
