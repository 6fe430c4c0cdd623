//! What can be set about the network side, with the defaults and their reasons.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;

use super::{CertAuthority, Guard};
use crate::metrics::Metrics;

/// Everything that a listener needs to know.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// Port 0 takes a free one; the same for all addresses that say 0.
    pub listen: Vec<SocketAddr>,
    pub limits: Limits,
    /// Without one, TLS connections are closed.
    pub tls: Option<Arc<CertAuthority>>,
    pub proxy: ProxyPolicy,
    pub guard: Guard,
    pub metrics: Arc<Metrics>,
}

/// What happens to requests that use standin as a forward proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyPolicy {
    /// AWS hosts and names of this server are answered, others refused.
    #[default]
    AnswerAws,
    /// AWS hosts and names of this server are answered, others passed on to the network.
    PassOthers,
    /// AWS hosts and names of this server are answered, others passed on, and the [`Front`](super::Front) is told of
    /// tunnels to AWS hosts.
    Guard,
    /// No proxy at all: `CONNECT` is refused, and absolute-form requests for anything but this server.
    Off,
}

/// How much of everything a client may use. Times are in milliseconds, sizes in bytes.
///
/// As a table of the configuration file, every field is optional.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections served at once; further ones wait. Lowered to three quarters of the process's limit of open
    /// files where that is less.
    pub connections_max: usize,
    /// A request's line and headers together; more is answered 431. S3 allows 8 KiB, load balancers 64 KiB.
    pub header_bytes_max: usize,
    /// Headers of one request; more are answered 431. Above the default of 100, memory for them is allocated per request.
    pub header_count_max: usize,
    /// Path and query; more is answered 414. Query operations may come as GET.
    pub uri_bytes_max: usize,
    /// From the first byte of a request to the end of its headers, and for a TLS handshake.
    pub header_timeout_ms: u64,
    /// A connection without a request is closed after this. Longer than the pools of SDKs keep theirs (60 s and less),
    /// so that it is the client that closes, and no request meets a closing connection.
    pub idle_timeout_ms: u64,
    /// The longest pause within a request's body; up to twice that in the midst of it.
    pub body_idle_timeout_ms: u64,
    /// The longest time in which a client takes none of the bytes that wait for it.
    pub write_stall_timeout_ms: u64,
    /// A body that is held in memory as a whole; more is answered 413. Streaming bodies have no limit.
    pub body_buffered_bytes_max: usize,
    /// A body in memory after its content coding is undone.
    pub body_decompressed_bytes_max: usize,
    /// How long the rest of a body that nobody wants is read and thrown away, so that the client reads the answer
    /// instead of failing to write.
    pub body_discard_timeout_ms: u64,
    /// Streams of one HTTP/2 connection at once.
    pub http2_streams_max: u32,
    /// Streams of an HTTP/2 connection that the client reset and that are not yet cleaned up; more close the connection.
    pub http2_resets_pending_max: usize,
    /// Streams of an HTTP/2 connection that were reset for the client's errors; more close the connection.
    pub http2_error_resets_max: usize,
    /// At shutdown, requests under way may take this long to finish.
    pub shutdown_grace_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_bytes_max: 64 * 1024,
            header_count_max: 100,
            uri_bytes_max: 32 * 1024,
            header_timeout_ms: 30_000,
            idle_timeout_ms: 120_000,
            body_idle_timeout_ms: 60_000,
            write_stall_timeout_ms: 60_000,
            body_buffered_bytes_max: 64 * 1024 * 1024,
            body_decompressed_bytes_max: 256 * 1024 * 1024,
            body_discard_timeout_ms: 30_000,
            http2_streams_max: 200,
            http2_resets_pending_max: 20,
            http2_error_resets_max: 1024,
            shutdown_grace_ms: 5_000,
        }
    }
}

impl Limits {
    pub(super) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    pub(super) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) fn body_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.body_idle_timeout_ms)
    }

    pub(super) fn write_stall_timeout(&self) -> Duration {
        Duration::from_millis(self.write_stall_timeout_ms)
    }

    pub(super) fn body_discard_timeout(&self) -> Duration {
        Duration::from_millis(self.body_discard_timeout_ms)
    }

    pub(super) fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }
}
