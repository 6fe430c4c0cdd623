//! The client: keep-alive connections that send one request after the other, as lean as possible, because it shares the
//! machine's cores with the server that it measures.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::Server;

const CONNECTIONS: usize = 16;
pub const REQUESTS: usize = 30_000;

/// A request in which six digits may be set.
#[derive(Clone)]
pub struct Request {
    pub bytes: Vec<u8>,
    pub serial_at: usize,
}

impl Request {
    pub fn number(&mut self, mut serial: usize) {
        for digit in self.bytes[self.serial_at..self.serial_at + 6].iter_mut().rev() {
            *digit = b'0' + u8::try_from(serial % 10).unwrap_or_default();
            serial /= 10;
        }
    }
}

/// Whether a server is sent one request again and again, or ever new ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    Same,
    /// Starting from this number, so that no run repeats another's.
    New(usize),
    /// Numbers below this one, all over the place.
    Among(usize),
}

impl Traffic {
    /// The number of the request that is sent as this one.
    fn serial(self, number: usize) -> Option<usize> {
        match self {
            Self::Same => None,
            Self::New(first) => Some(first + number),
            Self::Among(many) => Some(number.wrapping_mul(7_919_993) % many),
        }
    }
}

pub struct Answer {
    pub status: u16,
    pub head_bytes: usize,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// What one run, or the median of several, found.
#[derive(Clone, Copy)]
pub struct Measurement {
    pub requests_per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// CPU time of the server's process per request.
    pub cpu_us: f64,
}

impl Measurement {
    /// The median of each figure by itself.
    pub fn median(mut all: Vec<Self>) -> Self {
        let middle = all.len() / 2;
        let mut by = |key: fn(&Self) -> f64| {
            all.sort_by(|a, b| key(a).total_cmp(&key(b)));
            all[middle]
        };
        Self {
            requests_per_second: by(|one| one.requests_per_second).requests_per_second,
            p50: by(|one| one.p50.as_secs_f64()).p50,
            p99: by(|one| one.p99.as_secs_f64()).p99,
            cpu_us: by(|one| one.cpu_us).cpu_us,
        }
    }
}

/// Sends one request on a connection of its own.
pub async fn one(port: u16, request: &Request) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut buffer = Vec::new();
    let (status, head_bytes) = exchange(&mut stream, &request.bytes, &mut buffer).await?;
    Ok(Answer { status, head_bytes, body: buffer.split_off(head_bytes) })
}

/// The median time of so many requests, one after the other on one connection.
pub async fn alone(port: u16, mut request: Request, traffic: Traffic, requests: usize) -> Result<Duration> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut buffer = Vec::with_capacity(1 << 16);
    let mut latencies = Vec::with_capacity(requests);
    for number in 0..requests {
        if let Some(serial) = traffic.serial(number) {
            request.number(serial);
        }
        let sent = Instant::now();
        let (status, _) = exchange(&mut stream, &request.bytes, &mut buffer).await?;
        latencies.push(sent.elapsed());
        ensure!(status == 200, "answered with status {status}: {}", String::from_utf8_lossy(&buffer));
    }
    latencies.sort_unstable();
    Ok(latencies[latencies.len() / 2])
}

/// Sends one request that asks for the end of its connection, and reads until then: any kind of body.
pub async fn last(port: u16, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let head_bytes = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no end of the head")? + 4;
    let status = std::str::from_utf8(&bytes[9..12])?.parse()?;
    Ok(Answer { status, head_bytes, body: bytes.split_off(head_bytes) })
}

/// Sends so many requests over [`CONNECTIONS`] connections.
pub async fn run(server: &Server, request: &Request, traffic: Traffic, requests: usize) -> Result<Measurement> {
    let left = Arc::new(AtomicUsize::new(requests));
    let cpu_before = server.cpu()?;
    let started = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..CONNECTIONS {
        let (left, request, port) = (left.clone(), request.clone(), server.port);
        tasks.push(tokio::spawn(async move { connection(port, request, traffic, &left).await }));
    }
    let mut latencies = Vec::with_capacity(requests);
    for task in tasks {
        latencies.extend(task.await??);
    }
    let seconds = started.elapsed().as_secs_f64();
    let cpu = server.cpu()? - cpu_before;
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    Ok(Measurement {
        requests_per_second: latencies.len() as f64 / seconds,
        p50: at(0.5),
        p99: at(0.99),
        cpu_us: cpu.as_secs_f64() * 1e6 / latencies.len() as f64,
    })
}

async fn connection(port: u16, mut request: Request, traffic: Traffic, left: &AtomicUsize) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(1 << 16);
    while let Ok(number) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
        if let Some(serial) = traffic.serial(number - 1) {
            request.number(serial);
        }
        let sent = Instant::now();
        let answer = exchange(&mut stream, &request.bytes, &mut buffer).await?;
        ensure!(answer.0 == 200, "a request under load was answered with status {}", answer.0);
        latencies.push(sent.elapsed());
    }
    Ok(latencies)
}

/// The status and the length of the head; the whole answer is in the buffer.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> Result<(u16, usize)> {
    stream.write_all(request).await?;
    buffer.clear();
    let mut wanted = None;
    loop {
        if wanted.is_none()
            && let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = std::str::from_utf8(&buffer[..end]).context("a head that is not text")?;
            wanted = Some((end + 4, end + 4 + content_length(head)?));
        }
        if let Some((head_bytes, all)) = wanted
            && buffer.len() >= all
        {
            ensure!(buffer.len() == all, "more bytes than the answer has");
            let status = std::str::from_utf8(&buffer[9..12])?.parse()?;
            return Ok((status, head_bytes));
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection in the middle of an answer");
        }
    }
}

fn content_length(head: &str) -> Result<usize> {
    // 204 No Content has neither a body nor a length.
    if head.split(' ').nth(1) == Some("204") {
        return Ok(0);
    }
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .with_context(|| format!("an answer without content-length: {head}"))?
        .1
        .trim()
        .parse()
        .context("content-length")
}
