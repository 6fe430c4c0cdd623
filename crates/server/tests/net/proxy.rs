use std::sync::Arc;

use http::StatusCode;
use standin_server::net::{CertAuthority, ProxyPolicy};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Server, config, get, http1, read_to_end, read_until, start, tls_over};

const MWAA: &str = "api.airflow.us-east-1.amazonaws.com";

/// Asks the proxy for a tunnel; gives the stream when it is there, else the refusal.
async fn tunnel(server: &Server, target: &str) -> Result<TcpStream, String> {
    let mut stream = server.connect().await;
    let request = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
    let answer = read_until(&mut stream, "\r\n\r\n").await;
    if answer.starts_with("HTTP/1.1 200") {
        return Ok(stream);
    }
    stream.shutdown().await.expect("half closes");
    Err(answer + &read_to_end(&mut stream).await)
}

#[tokio::test]
async fn absolute_form_is_served_as_if_sent_to_that_host() {
    let server = start(config()).await;
    let answer = server
        .raw(&format!("GET http://{MWAA}/environments?x=1 HTTP/1.1\r\nhost: proxy\r\nproxy-connection: close\r\nconnection: close\r\n\r\n"))
        .await;
    let expect = format!("GET /environments uri=/environments?x=1 host={MWAA} base=http://{MWAA} kind=Aws proxy=true");
    assert!(answer.ends_with(&expect), "{answer}");
    let port = server.address.port();
    let answer = server
        .raw(&format!("GET http://api.127.0.0.1:{port}/ HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n"))
        .await;
    assert!(answer.contains("200 OK"), "{answer}");
}

#[tokio::test]
async fn connect_to_aws_is_answered_here() {
    let server = start(config()).await;
    for host in [MWAA, "sts.cn-north-1.amazonaws.com.cn"] {
        let stream = tunnel(&server, &format!("{host}:443")).await.expect("a tunnel");
        let stream = tls_over(stream, &server.ca, host, &["http/1.1"]).await.expect("a certificate for it");
        let (_, text) = http1(stream, get("/", host)).await;
        assert_eq!(text, format!("GET / uri=/ host={host} base=https://{host} kind=Aws proxy=true"));
    }
    let stream = tunnel(&server, &format!("{MWAA}:80")).await.expect("a tunnel");
    let (_, text) = http1(stream, get("/", MWAA)).await;
    assert!(text.contains(&format!("base=http://{MWAA}")), "{text}");
}

#[tokio::test]
async fn others_are_refused_with_what_helps() {
    let server = start(config()).await;
    let refusal = tunnel(&server, "pypi.org:443").await.expect_err("refused");
    assert!(refusal.starts_with("HTTP/1.1 403") && refusal.contains("--proxy-policy pass-others"), "{refusal}");
    let refusal = server.raw("GET http://pypi.org/ HTTP/1.1\r\nhost: pypi.org\r\nconnection: close\r\n\r\n").await;
    assert!(refusal.starts_with("HTTP/1.1 403") && refusal.contains("NO_PROXY"), "{refusal}");
    assert!(server.metrics.render().contains(r#"standin_requests_refused_total{reason="proxy"} 2"#));
    let refusal = tunnel(&server, "no-port-but a space").await.expect_err("refused");
    assert!(refusal.starts_with("HTTP/1.1 400"), "{refusal}");
}

#[tokio::test]
async fn tunnels_do_not_nest() {
    let server = start(config()).await;
    let mut stream = tunnel(&server, &format!("{MWAA}:80")).await.expect("a tunnel");
    stream.write_all(format!("CONNECT {MWAA}:443 HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.expect("writes");
    read_until(&mut stream, "400 Bad Request").await;
}

#[tokio::test]
async fn others_are_passed_on_where_allowed() {
    let other = start(config()).await;
    let mut config = config();
    config.proxy = ProxyPolicy::PassOthers;
    config.tls = Some(Arc::new(CertAuthority::in_memory(standin_core::Clock::real().now())));
    let server = start(config).await;
    let target = other.address;
    let answer = server
        .raw(&format!(
            "GET http://{target}/passed HTTP/1.1\r\nhost: x\r\nproxy-authorization: x\r\nconnection: close\r\n\r\n"
        ))
        .await;
    assert!(answer.contains(&format!("GET /passed uri=/passed host={target} ")), "{answer}");
    // The other one's certificate: bytes are carried as they are.
    let stream = tunnel(&server, &target.to_string()).await.expect("a tunnel");
    let stream = tls_over(stream, &other.ca, "localhost", &["http/1.1"]).await.expect("the other's certificate");
    assert_eq!(http1(stream, get("/", "localhost")).await.0, StatusCode::OK);
    // A port at which nobody listens: one that was just given back.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    assert!(tunnel(&server, &gone.to_string()).await.expect_err("nobody there").starts_with("HTTP/1.1 502"));
}
