//! A listener of standin's before a small web server that does what real ones do at their worst.

use std::net::{IpAddr, SocketAddr};

use http::HeaderName;
use standin_core::Clock;
use standin_model::Catalogue;
use standin_mwaa::runtime::Upstream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use super::*;
use crate::metrics::Metrics;
use crate::net::{self, Front, Guard, HostPolicy, Limits, NetConfig, Peer, ProxyPolicy};

const HUGE_BYTES: usize = 32 * 1024 * 1024;

/// Forwards everything to one address.
struct Everything {
    to: SocketAddr,
    upgrades: Arc<Semaphore>,
}

impl Front for Everything {
    async fn serve(&self, request: Request<RequestBody>, peer: Peer) -> Response<Body> {
        let to = Forward {
            upstream: Upstream {
                address: self.to,
                headers: vec![(HeaderName::from_static("x-standin-user"), HeaderValue::from_static("alice"))],
            },
            cookie: "session",
            host: peer.authority.text.to_string(),
            secure: false,
            remote: IpAddr::from([127, 0, 0, 1]),
        };
        forward(request, &to, &self.upgrades).await
    }
}

struct World {
    address: SocketAddr,
    /// The upstream tells that it has read a request, and waits to be let on.
    read: Arc<Notify>,
    gate: Arc<Notify>,
    _stop: oneshot::Sender<()>,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let to = listener.local_addr().expect("it has one");
        let (read, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (told, waits) = (read.clone(), gate.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(upstream(stream, told.clone(), waits.clone()));
            }
        });
        Self::before(to, UPGRADES_MAX, read, gate).await
    }

    async fn before(to: SocketAddr, upgrades: usize, read: Arc<Notify>, gate: Arc<Notify>) -> Self {
        let now = Clock::real().now();
        let config = NetConfig {
            listen: vec!["127.0.0.1:0".parse().expect("an address")],
            limits: Limits::default(),
            tls: None,
            proxy: ProxyPolicy::default(),
            guard: Guard::new(HostPolicy::new(Catalogue::embedded().partitions())),
            metrics: Arc::new(Metrics::new(now)),
        };
        let bound = net::bind(config).await.expect("listens");
        let address = bound.addresses()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        let front = Everything { to, upgrades: Arc::new(Semaphore::new(upgrades)) };
        tokio::spawn(bound.serve(front, async {
            let _ = stopped.await;
        }));
        Self { address, read, gate, _stop: stop }
    }

    /// Sends a request, and goes on with the connection.
    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("accepts");
        stream.write_all(request.as_bytes()).await.expect("writes");
        stream
    }

    async fn get(&self, path: &str, more: &str) -> TcpStream {
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: e.localhost\r\nConnection: close\r\n{more}\r\n")).await
    }

    /// The whole answer.
    async fn answer(&self, path: &str, more: &str) -> String {
        let mut stream = self.get(path, more).await;
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all).await;
        String::from_utf8(all).expect("text")
    }
}

/// Reads until a text has come.
async fn until(stream: &mut TcpStream, text: &str) -> String {
    let (mut all, mut piece) = (String::new(), [0; 4096]);
    while !all.contains(text) {
        let bytes = stream.read(&mut piece).await.expect("reads");
        assert_ne!(bytes, 0, "the connection ended after {all:?}");
        all.push_str(std::str::from_utf8(&piece[..bytes]).expect("text"));
    }
    all
}

/// Answers one request.
async fn upstream(mut stream: TcpStream, read: Arc<Notify>, gate: Arc<Notify>) {
    let head = until(&mut stream, "\r\n\r\n").await;
    let path = head.split(' ').nth(1).expect("a path").to_owned();
    read.notify_one();
    let written = match path.as_str() {
        "/headers" => stream.write_all(format!("HTTP/1.0 200 OK\r\nServer: x\r\n\r\n{head}").as_bytes()).await,
        "/chunked" => {
            let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nKeep-Alive: timeout=5\r\n\r\n5\r\nfirst\r\n";
            stream.write_all(first.as_bytes()).await.expect("writes");
            gate.notified().await;
            stream.write_all(b"6\r\nsecond\r\n0\r\n\r\n").await
        }
        "/huge" => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {HUGE_BYTES}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.expect("writes");
            stream.write_all(&vec![b'x'; HUGE_BYTES]).await
        }
        "/upload" => {
            let begun = head.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
            let (mut bytes, mut piece) = (begun, vec![0; 1 << 16]);
            while bytes < HUGE_BYTES {
                bytes += stream.read(&mut piece).await.expect("reads");
            }
            stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{bytes}").as_bytes()).await
        }
        "/drop" => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc").await,
        "/nothing" => Ok(()),
        "/silent" => {
            gate.notified().await;
            Ok(())
        }
        "/redirect" => {
            let place = format!("http://{}/home", stream.local_addr().expect("it has one"));
            let head =
                format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nSet-Cookie: session=x\r\nSet-Cookie: a=b\r\n");
            stream.write_all(format!("{head}Content-Length: 0\r\n\r\n").as_bytes()).await
        }
        "/echo" | "/unasked" => {
            let head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
            stream.write_all(head.as_bytes()).await.expect("writes");
            let (mut from, mut to) = stream.split();
            tokio::io::copy(&mut from, &mut to).await.map(drop)
        }
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await,
    };
    // The client may have gone.
    let _ = written;
}

#[tokio::test]
async fn answers_come_as_they_are_made() {
    let world = World::new().await;
    let mut stream = world.get("/chunked", "").await;
    let begun = until(&mut stream, "first").await;
    assert!(begun.contains("transfer-encoding: chunked") && !begun.contains("keep-alive"), "{begun}");
    world.gate.notify_one();
    until(&mut stream, "second\r\n0\r\n\r\n").await;
}

#[tokio::test]
async fn airflow_hears_who_asks_from_standin() {
    let world = World::new().await;
    let lies = "X-Standin-User: mallory\r\nX_Standin_User: mallory\r\nCookie: session=token; a=b\r\n\
                Authorization: Bearer token\r\nTE: trailers\r\n";
    let told = world.answer("/headers", lies).await.to_lowercase();
    assert!(told.contains("x-standin-user: alice") && told.contains("cookie: a=b\r\n"), "{told}");
    assert!(told.contains("host: e.localhost\r\n") && told.contains("x-forwarded-proto: http\r\n"), "{told}");
    for gone in ["mallory", "token", "trailers"] {
        assert!(!told.contains(gone), "{gone}: {told}");
    }
}

#[tokio::test]
async fn nothing_is_too_long() {
    let world = World::new().await;
    let mut stream = world.get("/huge", "").await;
    let (mut bytes, mut piece) = (0, vec![0; 1 << 16]);
    while let Ok(read @ 1..) = stream.read(&mut piece).await {
        bytes += piece[..read].iter().filter(|byte| **byte == b'x').count();
    }
    assert_eq!(bytes, HUGE_BYTES);
    let head = format!("POST /upload HTTP/1.1\r\nHost: e.localhost\r\nContent-Length: {HUGE_BYTES}\r\n\r\n");
    let mut stream = world.send(&head).await;
    stream.write_all(&vec![0; HUGE_BYTES]).await.expect("writes");
    assert!(until(&mut stream, &HUGE_BYTES.to_string()).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn websockets_pass() {
    let world = World::new().await;
    let request =
        "GET /echo HTTP/1.1\r\nHost: e.localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let mut stream = world.send(request).await;
    let head = until(&mut stream, "\r\n\r\n").await.to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    for word in ["hello", "again"] {
        stream.write_all(word.as_bytes()).await.expect("writes");
        until(&mut stream, word).await;
    }
}

#[tokio::test]
async fn there_are_only_so_many_websockets() {
    let plain = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
    let to = listener.local_addr().expect("it has one");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        upstream(stream, Arc::default(), Arc::default()).await;
    });
    let world = World::before(to, 0, plain.read.clone(), plain.gate.clone()).await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
    let mut stream = world.send(&format!("GET /echo HTTP/1.1\r\nHost: e.localhost\r\n{upgrade}\r\n")).await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn what_breaks_off_is_not_taken_for_whole() {
    let world = World::new().await;
    let mut stream = world.get("/drop", "").await;
    let mut all = Vec::new();
    let ended = stream.read_to_end(&mut all).await;
    let text = String::from_utf8(all).expect("text");
    assert!(text.contains("content-length: 10"), "{text}");
    assert!(ended.is_err() || text.ends_with("\r\n\r\nabc") || text.ends_with("\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn failures_are_told() {
    let world = World::new().await;
    for (path, more, status) in [
        ("/nothing", "", "502"),
        ("/unasked", "", "502"),
        ("/other", "", "404"),
        ("/nothing", "Accept: text/html\r\n", "502"),
    ] {
        let answer = world.answer(path, more).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path}: {answer}");
        assert_eq!(answer.contains("<title>"), !more.is_empty(), "{answer}");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("listens").local_addr().expect("it has one");
    let alone = World::before(nobody, 1, world.read.clone(), world.gate.clone()).await;
    assert!(alone.answer("/", "").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn redirects_and_cookies_are_made_for_the_browser() {
    let world = World::new().await;
    let answer = world.answer("/redirect", "").await;
    assert!(answer.contains("location: /home\r\n") && answer.contains("set-cookie: a=b\r\n"), "{answer}");
    assert!(!answer.contains("session"), "{answer}");
}

#[tokio::test]
async fn who_thinks_too_long_is_given_up() {
    let world = World::new().await;
    let mut stream = world.get("/silent", "").await;
    world.read.notified().await;
    // From here on only timers are waited for.
    tokio::time::pause();
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 504"));
}
