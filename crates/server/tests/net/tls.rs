use std::net::{IpAddr, SocketAddr};

use http::{Request, StatusCode};
use http_body_util::Full;

use crate::harness::{config, get, http1, http2, start};

#[tokio::test]
async fn one_port_speaks_tls_by_both_versions() {
    let server = start(config()).await;
    for name in ["localhost", "bucket.s3.localhost", "127.0.0.1", "api.airflow.us-east-1.amazonaws.com"] {
        let stream = server.tls(name, &["http/1.1"]).await.expect(name);
        let (_, text) = http1(stream, get("/", name)).await;
        assert!(text.contains(&format!("base=https://{name} ")), "{text}");
        let stream = server.tls(name, &["h2", "http/1.1"]).await.expect(name);
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let request = Request::get(format!("https://{name}/")).body(Full::default()).expect("a request");
        assert_eq!(http2(stream, request).await, (StatusCode::OK, text));
    }
}

#[tokio::test]
async fn clients_without_alpn_get_http1() {
    let server = start(config()).await;
    let stream = server.tls("localhost", &[]).await.expect("a handshake");
    assert_eq!(http1(stream, get("/", "localhost")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn hosts_of_others_get_no_certificate() {
    let server = start(config()).await;
    let error = server.tls("evil.example", &["http/1.1"]).await.expect_err("refused");
    assert!(error.to_string().contains("AccessDenied"), "{error}");
    assert!(server.metrics.render().contains("standin_tls_handshakes_failed_total 1"));
}

#[tokio::test]
async fn without_tls_such_connections_are_closed() {
    let with_tls = start(config()).await;
    let mut config = config();
    let ca = config.tls.take().expect("with TLS");
    let bound = standin_server::net::bind(config).await.expect("listens");
    let address = bound.addresses()[0];
    tokio::spawn(bound.serve(NoFront, std::future::pending()));
    let stream = tokio::net::TcpStream::connect(address).await.expect("accepts");
    assert!(crate::harness::tls_over(stream, &ca, "localhost", &[]).await.is_err());
    assert!(with_tls.tls("localhost", &[]).await.is_ok());
}

struct NoFront;

impl standin_server::net::Front for NoFront {
    async fn serve(
        &self,
        _: Request<standin_server::net::RequestBody>,
        _: standin_server::net::Peer,
    ) -> http::Response<standin_server::net::Body> {
        http::Response::default()
    }
}

#[tokio::test]
async fn a_free_port_is_the_same_at_all_addresses() {
    let mut config = config();
    let any = |ip: IpAddr| SocketAddr::new(ip, 0);
    config.listen = vec![any([127, 0, 0, 1].into()), any([127, 0, 0, 2].into())];
    let bound = standin_server::net::bind(config).await.expect("listens");
    let [first, second] = bound.addresses() else { panic!("two addresses") };
    assert_eq!(first.port(), second.port());
    assert_ne!(first.port(), 0);
}

#[tokio::test]
async fn an_address_in_use_is_an_error_that_names_it() {
    let server = start(config()).await;
    let mut config = config();
    config.listen = vec![server.address];
    let error = standin_server::net::bind(config).await.expect_err("in use");
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}
