use http::{Request, StatusCode};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;

use crate::harness::{collect, config, get, http1, http2, read_to_end, read_until, start};

#[tokio::test]
async fn http1_and_http2_are_told_apart() {
    let server = start(config()).await;
    let host = format!("localhost:{}", server.address.port());
    let (status, text) = http1(server.connect().await, get("/a?b=c", &host)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(text, format!("GET /a uri=/a?b=c host={host} base=http://{host} kind=Local proxy=false"));
    let request = Request::get(format!("http://{host}/a?b=c")).body(Full::default()).expect("a request");
    let (_, same) = http2(server.connect().await, request).await;
    assert_eq!(same, text);
}

#[tokio::test]
async fn first_bytes_may_come_one_by_one() {
    let server = start(config()).await;
    let mut stream = server.connect().await;
    for byte in b"PUT / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n" {
        stream.write_all(&[*byte]).await.expect("writes");
        stream.flush().await.expect("writes");
        tokio::task::yield_now().await;
    }
    assert!(read_to_end(&mut stream).await.ends_with("PUT / uri=/ host=x base=http://x kind=Local proxy=false"));
}

#[tokio::test]
async fn requests_of_one_connection_may_have_different_hosts() {
    let server = start(config()).await;
    let answer = server
        .raw(
            "GET / HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n\
             GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n",
        )
        .await;
    assert!(answer.contains("base=http://a ") && answer.contains("base=http://b "), "{answer}");
    assert!(answer.contains("403 Forbidden") && answer.contains("--allow-host evil.example"), "{answer}");
    assert!(server.metrics.render().contains(r#"standin_requests_refused_total{reason="host"} 1"#));
}

#[tokio::test]
async fn a_host_must_be_said_once() {
    let server = start(config()).await;
    for (request, expect) in [
        ("GET / HTTP/1.1\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "400 Bad Request"),
        ("GET / HTTP/1.0\r\n\r\n", "200 OK"),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", "204 No Content"),
    ] {
        let answer = server.raw(&request.replacen("\r\n", "\r\nconnection: close\r\n", 1)).await;
        assert!(answer.contains(expect), "{request} got {answer}");
    }
}

#[tokio::test]
async fn garbage_gets_an_error_and_the_next_is_served() {
    let server = start(config()).await;
    for garbage in
        ["\0\0\0\0\r\n\r\n", "NOT HTTP\r\n\r\n", "\u{16}\u{3}\u{1}garbage that is not TLS\r\n\r\n", "PRI * \r\n\r\n"]
    {
        let answer = server.raw(garbage).await;
        assert!(!answer.contains("200"), "{garbage:?} got {answer:?}");
    }
    assert_eq!(http1(server.connect().await, get("/", "localhost")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_client_may_end_its_side_after_the_request() {
    let server = start(config()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /gated HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("writes");
    stream.shutdown().await.expect("half closes");
    read_until(&mut stream, "one").await;
    server.gate.notify_one();
    let rest = read_to_end(&mut stream).await;
    assert!(rest.contains("two"), "{rest}");
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let server = start(config()).await;
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(server.connect().await))
            .await
            .expect("a handshake");
    tokio::spawn(connection);
    let request = |path: &str| {
        Request::get(format!("http://localhost{path}")).body(Full::<bytes::Bytes>::default()).expect("a request")
    };
    let gated = sender.send_request(request("/gated")).await.expect("an answer");
    let (status, text) = collect(sender.send_request(request("/panic")).await.expect("an answer")).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(text.contains("InternalFailure"), "{text}");
    // The reset may overtake the headers.
    if let Ok(late) = sender.send_request(request("/panic-in-body")).await {
        assert!(http_body_util::BodyExt::collect(late.into_body()).await.is_err());
    }
    server.gate.notify_one();
    assert_eq!(collect(gated).await.1, "one two");
    assert!(server.metrics.render().contains("standin_request_panics_total 1"));
}

#[tokio::test]
async fn an_answer_may_be_a_cut() {
    let server = start(config()).await;
    assert_eq!(server.raw("GET /cut HTTP/1.1\r\nhost: localhost\r\n\r\n").await, "");
}

#[tokio::test]
async fn bodies_are_streamed_back() {
    let server = start(config()).await;
    let body = "x".repeat(3_000_000);
    let request =
        Request::post("/pieces").header("host", "localhost").body(Full::from(body.clone())).expect("a request");
    let (_, text) = http1(server.connect().await, request).await;
    assert!(text == body);
}

#[tokio::test]
async fn a_client_that_expects_it_is_told_to_continue() {
    let server = start(config()).await;
    let mut stream = server.connect().await;
    let head = b"POST /whole HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(head).await.expect("writes");
    read_until(&mut stream, "HTTP/1.1 100 Continue\r\n\r\n").await;
    stream.write_all(b"12345").await.expect("writes");
    read_until(&mut stream, "5 bytes").await;
}

#[tokio::test]
async fn pages_of_other_sites_are_kept_out_and_local_ones_can_read() {
    let server = start(config()).await;
    let with = |origin: &str| {
        format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        )
    };
    let answer = server.raw(&with("https://evil.example")).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    let answer = server.raw(&with("http://localhost:3000")).await;
    assert!(answer.contains("access-control-allow-origin: http://localhost:3000\r\n"), "{answer}");
}
