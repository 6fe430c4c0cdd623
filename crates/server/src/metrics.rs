//! Counters of this server in Prometheus' text format, for `/_standin/metrics`.
//!
//! Recording takes two lookups and a few atomic additions; nothing is allocated but for the first request of a kind.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use standin_core::Fidelity;
use standin_model::{Str, Timestamp};

/// The media type of [`Metrics::render`]'s text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// More combinations of operation, status and fidelity are counted together as the operation `other` of their service.
/// Enough for every operation of AWS with a success and an error.
const SERIES_MAX: usize = 50_000;

/// Locks are spread over that many maps; a power of two.
const SHARDS: usize = 16;

/// Upper bounds of the histogram's buckets in nanoseconds and as Prometheus writes them in seconds.
const BUCKETS: [(u64, &str); 15] = [
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (1_000_000_000, "1"),
    (5_000_000_000, "5"),
    (30_000_000_000, "30"),
];

/// One answered request. Names must come from the catalogue: how many there are bounds the number of series.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Empty where the request was not for a service, or none that could be told.
    pub service: Str,
    /// Empty where it could not be told.
    pub operation: Str,
    pub status: u16,
    /// `None` for errors that no handler gave.
    pub fidelity: Option<Fidelity>,
    pub duration: Duration,
    /// As far as the body was read.
    pub request_body_bytes: u64,
}

/// Why the network side answered a request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A host that this server does not stand for.
    Host,
    /// A foreign web page.
    Origin,
    /// A proxy request for somebody else.
    Proxy,
    /// A request that is not proper HTTP, or too large.
    Malformed,
}

const REFUSALS: [(Refused, &str); 4] = [
    (Refused::Host, "host"),
    (Refused::Origin, "origin"),
    (Refused::Proxy, "proxy"),
    (Refused::Malformed, "malformed"),
];

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    started: Timestamp,
    requests: [RwLock<Map<RequestKey, Arc<RequestSeries>>>; SHARDS],
    services: RwLock<HashMap<Str, Arc<Durations>>>,
    series: AtomicUsize,
    request_body_bytes: AtomicU64,
    connections_open: AtomicI64,
    connections: AtomicU64,
    connections_waited: AtomicU64,
    handshakes_failed: AtomicU64,
    panics: AtomicU64,
    refused: [AtomicU64; REFUSALS.len()],
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Names are told apart by where they stand in memory: those of the catalogue exist once. The same name at two places
/// makes two series, which [`Metrics::render`] adds up.
#[derive(Clone, Copy, Debug)]
struct RequestKey {
    service: Str,
    operation: Str,
    status: u16,
    fidelity: Option<Fidelity>,
}

impl RequestKey {
    fn parts(&self) -> (usize, usize, usize, usize, u16, Option<Fidelity>) {
        let (service, operation) = (self.service, self.operation);
        (operation.as_ptr().addr(), operation.len(), service.as_ptr().addr(), service.len(), self.status, self.fidelity)
    }
}

impl PartialEq for RequestKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for RequestKey {}

impl Hash for RequestKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.operation.as_ptr().addr());
        state.write_usize(self.service.as_ptr().addr());
        state.write_u16(self.status);
    }
}

/// Mixes addresses; no client chooses them, so nothing needs to be hard to guess.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = (self.0.rotate_left(5) ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }
}

#[derive(Debug)]
struct RequestSeries {
    count: AtomicU64,
    durations: Arc<Durations>,
}

#[derive(Debug, Default)]
struct Durations {
    /// One more than bounds: the last is for what exceeds all.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Metrics {
    /// `started` is when this process started.
    pub fn new(started: Timestamp) -> Self {
        Self {
            started,
            requests: Default::default(),
            services: RwLock::default(),
            series: AtomicUsize::new(0),
            request_body_bytes: AtomicU64::new(0),
            connections_open: AtomicI64::new(0),
            connections: AtomicU64::new(0),
            connections_waited: AtomicU64::new(0),
            handshakes_failed: AtomicU64::new(0),
            panics: AtomicU64::new(0),
            refused: Default::default(),
        }
    }

    /// Counts a request.
    pub fn observe(&self, request: &Observation) {
        let key = RequestKey {
            service: request.service,
            operation: request.operation,
            status: request.status,
            fidelity: request.fidelity,
        };
        let shard = &self.requests[shard_of(&key)];
        let known = read(shard).get(&key).map(|series| {
            series.record(request.duration);
        });
        if known.is_none() {
            self.series_of(key).record(request.duration);
        }
        if request.request_body_bytes > 0 {
            self.request_body_bytes.fetch_add(request.request_body_bytes, Relaxed);
        }
    }

    fn series_of(&self, mut key: RequestKey) -> Arc<RequestSeries> {
        if self.series.load(Relaxed) >= SERIES_MAX {
            key.operation = "other";
        }
        let durations = {
            let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(services.entry(key.service).or_default())
        };
        let mut shard = self.requests[shard_of(&key)].write().unwrap_or_else(PoisonError::into_inner);
        let series = shard.entry(key).or_insert_with(|| {
            self.series.fetch_add(1, Relaxed);
            Arc::new(RequestSeries { count: AtomicU64::new(0), durations })
        });
        Arc::clone(series)
    }

    pub(crate) fn connection_opened(&self) {
        self.connections.fetch_add(1, Relaxed);
        self.connections_open.fetch_add(1, Relaxed);
    }

    pub(crate) fn connection_closed(&self) {
        self.connections_open.fetch_sub(1, Relaxed);
    }

    pub(crate) fn connection_waited(&self) {
        self.connections_waited.fetch_add(1, Relaxed);
    }

    pub(crate) fn handshake_failed(&self) {
        self.handshakes_failed.fetch_add(1, Relaxed);
    }

    pub(crate) fn panicked(&self) {
        self.panics.fetch_add(1, Relaxed);
    }

    pub(crate) fn refused(&self, reason: Refused) {
        self.refused[reason as usize].fetch_add(1, Relaxed);
    }

    pub fn connections_open(&self) -> i64 {
        self.connections_open.load(Relaxed)
    }

    /// The exposition; series in order of their names.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(4096);
        self.render_requests(&mut out);
        self.render_durations(&mut out);
        let plain = |out: &mut String, name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            head(out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        };
        let counters = [
            ("standin_request_body_bytes_total", "Bytes of request bodies that were read.", &self.request_body_bytes),
            ("standin_connections_total", "Connections accepted.", &self.connections),
            (
                "standin_connections_waited_total",
                "Connections that had to wait because as many as allowed were open.",
                &self.connections_waited,
            ),
            ("standin_tls_handshakes_failed_total", "TLS handshakes that failed.", &self.handshakes_failed),
            ("standin_request_panics_total", "Requests that ended in a bug of this server.", &self.panics),
        ];
        for (name, help, value) in counters {
            plain(&mut out, name, "counter", help, &value.load(Relaxed));
        }
        plain(
            &mut out,
            "standin_connections_open",
            "gauge",
            "Connections that are open.",
            &self.connections_open.load(Relaxed),
        );
        let name = "standin_requests_refused_total";
        head(&mut out, name, "counter", "Requests that were refused before they reached a service.");
        for (reason, label) in REFUSALS {
            let count = self.refused[reason as usize].load(Relaxed);
            let _ = writeln!(out, "{name}{{reason=\"{label}\"}} {count}");
        }
        let name = "process_start_time_seconds";
        plain(&mut out, name, "gauge", "When the process started, since 1970.", &self.started.as_f64());
        if let Some(bytes) = resident_memory_bytes() {
            plain(&mut out, "process_resident_memory_bytes", "gauge", "Memory in use.", &bytes);
        }
        out
    }

    fn render_requests(&self, out: &mut String) {
        let mut sums: BTreeMap<(Str, Str, u16, Option<Fidelity>), u64> = BTreeMap::new();
        for shard in &self.requests {
            for (key, series) in read(shard).iter() {
                *sums.entry((key.service, key.operation, key.status, key.fidelity)).or_default() +=
                    series.count.load(Relaxed);
            }
        }
        let name = "standin_requests_total";
        head(out, name, "counter", "Requests answered.");
        for ((service, operation, status, fidelity), count) in sums {
            let fidelity = fidelity.map_or("none", Fidelity::name);
            let (service, operation) = (Label(service), Label(operation));
            let _ = writeln!(
                out,
                "{name}{{service=\"{service}\",operation=\"{operation}\",status=\"{status}\",fidelity=\"{fidelity}\"}} {count}"
            );
        }
    }

    fn render_durations(&self, out: &mut String) {
        let name = "standin_request_duration_seconds";
        head(out, name, "histogram", "Time from a request's headers to its answer's.");
        let services = read(&self.services);
        let mut services: Vec<_> = services.iter().collect();
        services.sort_by_key(|(service, _)| **service);
        for (service, durations) in services {
            let service = Label(service);
            let mut count = 0;
            for (bucket, bound) in durations.buckets.iter().zip(BUCKETS.iter().map(|b| b.1).chain(["+Inf"])) {
                count += bucket.load(Relaxed);
                let _ = writeln!(out, "{name}_bucket{{service=\"{service}\",le=\"{bound}\"}} {count}");
            }
            #[expect(clippy::cast_precision_loss, reason = "nanoseconds fit in 53 bits for a hundred days of work")]
            let sum = durations.sum_nanos.load(Relaxed) as f64 / 1e9;
            let _ = writeln!(out, "{name}_sum{{service=\"{service}\"}} {sum}");
            let _ = writeln!(out, "{name}_count{{service=\"{service}\"}} {count}");
        }
    }
}

impl RequestSeries {
    fn record(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BUCKETS.partition_point(|(bound, _)| *bound < nanos);
        self.count.fetch_add(1, Relaxed);
        self.durations.buckets[bucket].fetch_add(1, Relaxed);
        self.durations.sum_nanos.fetch_add(nanos, Relaxed);
    }
}

/// Shards by bits that the maps within them do not start from.
fn shard_of(key: &RequestKey) -> usize {
    let mut mix = Mix::default();
    key.hash(&mut mix);
    (mix.0 >> 40) as usize % SHARDS
}

fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// A label's value with what would end it escaped. Names of models that users bring can be anything.
struct Label(Str);

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// What the process holds in memory. Known on Linux only.
pub fn resident_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(service: Str, operation: Str, status: u16) -> Observation {
        Observation {
            service,
            operation,
            status,
            fidelity: (status < 400).then_some(Fidelity::Synthesized),
            duration: Duration::from_micros(70),
            request_body_bytes: 10,
        }
    }

    #[test]
    fn counts_by_operation_status_and_fidelity() {
        let metrics = Metrics::new(Timestamp::from_seconds(1_000));
        for _ in 0..3 {
            metrics.observe(&seen("sqs", "ListQueues", 200));
        }
        metrics.observe(&seen("sqs", "ListQueues", 400));
        metrics.observe(&Observation { duration: Duration::from_secs(99), ..seen("airflow", "GetEnvironment", 200) });
        metrics.refused(Refused::Proxy);
        let text = metrics.render();
        for line in [
            r#"standin_requests_total{service="sqs",operation="ListQueues",status="200",fidelity="synthesized"} 3"#,
            r#"standin_requests_total{service="sqs",operation="ListQueues",status="400",fidelity="none"} 1"#,
            r#"standin_request_duration_seconds_bucket{service="sqs",le="0.00005"} 0"#,
            r#"standin_request_duration_seconds_bucket{service="sqs",le="0.0001"} 4"#,
            r#"standin_request_duration_seconds_bucket{service="airflow",le="30"} 0"#,
            r#"standin_request_duration_seconds_bucket{service="airflow",le="+Inf"} 1"#,
            r#"standin_request_duration_seconds_sum{service="airflow"} 99"#,
            r#"standin_request_duration_seconds_count{service="sqs"} 4"#,
            "standin_request_body_bytes_total 50",
            r#"standin_requests_refused_total{reason="proxy"} 1"#,
            r#"standin_requests_refused_total{reason="host"} 0"#,
            "process_start_time_seconds 1000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_same_name_at_two_places_is_one_series() {
        let metrics = Metrics::new(Timestamp::default());
        metrics.observe(&seen("sqs", "ListQueues", 200));
        metrics.observe(&seen("sqs", String::from("ListQueues").leak(), 200));
        let text = metrics.render();
        let lines: Vec<_> = text.lines().filter(|line| line.starts_with("standin_requests_total{")).collect();
        assert_eq!(lines.len(), 1, "{text}");
        assert!(lines[0].ends_with(" 2"), "{text}");
    }

    #[test]
    fn series_are_bounded() {
        let metrics = Metrics::new(Timestamp::default());
        metrics.series.store(SERIES_MAX, Relaxed);
        metrics.observe(&seen("sqs", "ListQueues", 200));
        metrics.observe(&seen("sqs", "SendMessage", 200));
        let text = metrics.render();
        assert!(text.contains(r#"{service="sqs",operation="other",status="200",fidelity="synthesized"} 2"#), "{text}");
    }

    #[test]
    fn labels_cannot_be_broken_out_of() {
        let metrics = Metrics::new(Timestamp::default());
        metrics.observe(&seen("a\"b", "c\\d\ne", 200));
        assert!(metrics.render().contains(r#"service="a\"b",operation="c\\d\ne""#));
    }
}
