use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use standin_server::net::{Limits, NetConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Server, config, get, http1, http2, read_to_end, read_until, start};

async fn limited(limits: Limits) -> Server {
    start(NetConfig { limits, ..config() }).await
}

#[tokio::test]
async fn heads_are_bounded() {
    let limits = Limits { header_bytes_max: 8192, header_count_max: 20, uri_bytes_max: 1000, ..Limits::default() };
    let server = limited(limits).await;
    let long = "x".repeat(9000);
    let many: String = (0..30).map(|n| format!("x-{n}: 1\r\n")).collect();
    for (request, expect) in [
        (format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), "431 Request Header Fields Too Large"),
        (format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431 Request Header Fields Too Large"),
        (format!("GET /{} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", "x".repeat(1000)), "414 URI Too Long"),
    ] {
        let answer = server.raw(&request).await;
        assert!(answer.contains(expect), "{answer}");
    }
    assert_eq!(http1(server.connect().await, get("/", "localhost")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let server = limited(Limits { header_bytes_max: 8192, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n").await.expect("writes");
    let line = format!("x: {}\r\n", "x".repeat(1000));
    let mut written = 0;
    while stream.write_all(line.as_bytes()).await.is_ok() {
        written += line.len();
        assert!(written < 16 * 1024 * 1024, "it takes everything");
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_given_up() {
    let server = limited(Limits { header_timeout_ms: 1000, ..Limits::default() }).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET / HTTP/1.1\r\n").await.expect("writes");
    let mut late = server.connect().await;
    late.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut late, "proxy=false").await;
    late.write_all(b"GET / HTTP").await.expect("writes");
    for stream in [&mut silent, &mut slow, &mut late] {
        assert_eq!(read_to_end(stream).await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    let server = limited(Limits { idle_timeout_ms: 1000, header_timeout_ms: 1000, ..Limits::default() }).await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET /gated HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut busy, "one").await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    read_until(&mut idle, "proxy=false").await;
    assert_eq!(read_to_end(&mut idle).await, "");
    tokio::time::advance(Duration::from_secs(3600)).await;
    server.gate.notify_one();
    read_until(&mut busy, "two").await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_given_up() {
    let server = limited(Limits { body_idle_timeout_ms: 1000, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let head = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n123";
    stream.write_all(head).await.expect("writes");
    let answer = read_until(&mut stream, "nothing of the request's body for 1000 ms").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut() {
    let server = limited(Limits { write_stall_timeout_ms: 1000, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
    while server.metrics.connections_open() == 0 {
        tokio::task::yield_now().await;
    }
    while server.metrics.connections_open() > 0 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // The answer has an end, in order or not.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused_at_its_length() {
    let server = limited(Limits { body_buffered_bytes_max: 1000, ..Limits::default() }).await;
    let mut stream = server.connect().await;
    let head = b"POST /whole HTTP/1.1\r\nhost: a\r\ncontent-length: 1073741824\r\n\r\n";
    stream.write_all(head).await.expect("writes");
    let answer = read_until(&mut stream, "longer than 1000 bytes").await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_client_that_waits_to_send_is_refused_without_sending() {
    let server = limited(Limits { body_buffered_bytes_max: 1000, ..Limits::default() }).await;
    let head = "POST /whole HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1073741824\r\n\r\n";
    let answer = server.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn a_client_that_writes_before_it_reads_gets_the_refusal() {
    let server = limited(Limits { body_buffered_bytes_max: 1000, ..Limits::default() }).await;
    let body = vec![b'x'; 20_000_000];
    for path in ["/whole", "/unread"] {
        let mut stream = server.connect().await;
        let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.expect("writes");
        stream.write_all(&body).await.expect("writes all");
        read_until(&mut stream, if path == "/whole" { "longer than 1000 bytes" } else { "not wanted" }).await;
        // And the connection goes on.
        stream.write_all(b"GET /next HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("writes");
        read_until(&mut stream, "GET /next").await;
    }
}

#[tokio::test]
async fn by_http2_the_refusal_arrives_before_the_stream_ends() {
    let server = limited(Limits { body_buffered_bytes_max: 1000, ..Limits::default() }).await;
    let request = Request::post("http://a/whole").body(Full::from(vec![b'x'; 20_000_000])).expect("a request");
    let (status, text) = http2(server.connect().await, request).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
}

#[tokio::test]
async fn chunks_are_counted() {
    let server = limited(Limits { body_buffered_bytes_max: 1000, ..Limits::default() }).await;
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let head = "POST /whole HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let answer = server.raw(&format!("{head}{}0\r\n\r\n", chunk.repeat(2))).await;
    assert!(answer.ends_with("1000 bytes"), "{answer}");
    let answer = server.raw(&format!("{head}{}0\r\n\r\n", chunk.repeat(3))).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn whole_bodies_in_many_pieces_are_put_together() {
    let server = start(config()).await;
    let request =
        Request::post("/whole").header("host", "a").body(Full::from(vec![b'x'; 5_000_000])).expect("a request");
    assert_eq!(http1(server.connect().await, request).await.1, "5000000 bytes");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = limited(Limits { connections_max: 1, ..Limits::default() }).await;
    let mut first = server.connect().await;
    first.write_all(b"GET /gated HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.expect("writes");
    read_until(&mut first, "one").await;
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.expect("writes");
    while !server.metrics.render().contains("standin_connections_waited_total 1") {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.metrics.connections_open(), 1);
    server.gate.notify_one();
    assert!(read_to_end(&mut first).await.contains("two"));
    assert!(read_to_end(&mut second).await.contains("200 OK"));
}
