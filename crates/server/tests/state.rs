//! The introspection API of state, time and modes, over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use standin_server::{RunningServer, Server, Transitions};

async fn ask(server: &RunningServer, method: Method, path: &str, body: impl Into<Bytes>) -> (StatusCode, Bytes) {
    let stream = tokio::net::TcpStream::connect(server.addresses()[0]).await.expect("listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    let response =
        sender.send_request(request.body(Full::new(body.into())).expect("a request")).await.expect("answered");
    let status = response.status();
    (status, response.into_body().collect().await.expect("whole").to_bytes())
}

async fn told(server: &RunningServer, method: Method, path: &str, body: Value) -> Value {
    let (status, bytes) = ask(server, method, path, body.to_string()).await;
    assert!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
    if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).expect("JSON") }
}

/// Calls an operation of SQS as a caller of an account.
async fn sqs(server: &RunningServer, account: &str, operation: &str, input: Value) -> Value {
    let stream = tokio::net::TcpStream::connect(server.addresses()[0]).await.expect("listens");
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={account}/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
    );
    let request = Request::post("/")
        .header("host", "127.0.0.1")
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("AmazonSQS.{operation}"))
        .header("authorization", authorization);
    let request = request.body(Full::new(Bytes::from(input.to_string()))).expect("a request");
    let response = sender.send_request(request).await.expect("answered");
    serde_json::from_slice(&response.into_body().collect().await.expect("whole").to_bytes()).expect("JSON")
}

async fn queues(server: &RunningServer, account: &str) -> usize {
    let listed = sqs(server, account, "ListQueues", json!({})).await;
    listed["QueueUrls"].as_array().map_or(0, Vec::len)
}

const ONE: &str = "111111111111";
const OTHER: &str = "222222222222";

#[tokio::test]
async fn saves_loads_and_resets() {
    let server = Server::builder().start().await.expect("starts");
    for account in [ONE, OTHER] {
        sqs(&server, account, "CreateQueue", json!({"QueueName": "birds", "tags": {"team": "heron"}})).await;
        sqs(&server, account, "CreateQueue", json!({"QueueName": "nests"})).await;
    }
    let (status, saved) = ask(&server, Method::GET, "/_standin/state", "").await;
    assert_eq!(status, StatusCode::OK);
    let (_, part) = ask(&server, Method::GET, "/_standin/state?account=111111111111", "").await;
    assert!(part.len() < saved.len());

    let tagged = told(&server, Method::DELETE, "/_standin/state?account=111111111111&tag=team=heron", json!({})).await;
    assert_eq!(tagged, json!({"resources": 1}));
    assert_eq!((queues(&server, ONE).await, queues(&server, OTHER).await), (1, 2));
    told(&server, Method::DELETE, "/_standin/state", json!({})).await;
    assert_eq!((queues(&server, ONE).await, queues(&server, OTHER).await), (0, 0));

    let (status, rows) = ask(&server, Method::POST, "/_standin/state?mode=merge", part).await;
    assert_eq!(status, StatusCode::OK, "{rows:?}");
    assert_eq!((queues(&server, ONE).await, queues(&server, OTHER).await), (2, 0));
    let (status, _) = ask(&server, Method::PUT, "/_standin/state", saved.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((queues(&server, ONE).await, queues(&server, OTHER).await), (2, 2));
    assert_eq!(ask(&server, Method::GET, "/_standin/state", "").await.1, saved);

    for (path, body, part) in [
        ("/_standin/state", "no state", "line 1"),
        ("/_standin/state?mode=other", "", "no mode"),
        (
            "/_standin/state",
            "{\"format\":\"standin-state\",\"version\":1}\n{\"blob\":\"../x\",\"bytes\":\"\"}",
            "line 2",
        ),
    ] {
        let (status, answer) = ask(&server, Method::PUT, path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8_lossy(&answer).contains(part), "{answer:?}");
    }
    assert_eq!(queues(&server, ONE).await, 2);
    let (status, _) = ask(&server, Method::PATCH, "/_standin/state", "").await;
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(ask(&server, Method::GET, "/_standin/state/none", "").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn commits_and_branches() {
    let server = Server::builder().start().await.expect("starts");
    sqs(&server, ONE, "CreateQueue", json!({"QueueName": "birds"})).await;
    let first = told(&server, Method::POST, "/_standin/state/commit", json!({"message": "one"})).await;
    sqs(&server, ONE, "CreateQueue", json!({"QueueName": "nests"})).await;
    let diff = told(&server, Method::GET, "/_standin/state/diff", json!({})).await;
    assert_eq!(diff["changes"][0]["change"], "added");
    told(&server, Method::POST, "/_standin/state/branches", json!({"name": "trial"})).await;
    told(&server, Method::POST, "/_standin/state/commit", json!({"message": "two"})).await;
    told(&server, Method::POST, "/_standin/state/checkout", json!({"name": "trial"})).await;
    assert_eq!(queues(&server, ONE).await, 1);
    told(&server, Method::POST, "/_standin/state/checkout", json!({"name": "main"})).await;
    assert_eq!(queues(&server, ONE).await, 2);
    let log = told(&server, Method::GET, "/_standin/state/log", json!({})).await;
    assert_eq!(log["commits"][1]["id"], first["id"]);
    let (status, _) = ask(&server, Method::POST, "/_standin/state/checkout", r#"{"name": "none"}"#).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, _) = ask(&server, Method::DELETE, "/_standin/state/branches?name=main", "").await;
    assert_eq!(status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn a_data_directory_outlives_the_server() {
    let folder = std::env::temp_dir().join(format!("standin-server-state-{}", std::process::id()));
    let server = Server::builder().data_dir(&folder).start().await.expect("starts");
    sqs(&server, ONE, "CreateQueue", json!({"QueueName": "birds"})).await;
    told(&server, Method::POST, "/_standin/state/commit", json!({"message": "one"})).await;
    server.shutdown().await;
    let server = Server::builder().data_dir(&folder).start().await.expect("starts again");
    assert_eq!(queues(&server, ONE).await, 1);
    let log = told(&server, Method::GET, "/_standin/state/log", json!({})).await;
    assert_eq!(log["commits"][0]["message"], "one");
    server.shutdown().await;
    let _ = std::fs::remove_dir_all(folder);
}

#[tokio::test]
async fn the_clock_moves_and_modes_change() {
    let usual = Duration::from_secs(60);
    let transitions = Transitions { usual, services: vec![("sqs".to_owned(), Duration::ZERO)] };
    let server = Server::builder().transitions(transitions).start().await.expect("starts");
    let frozen = json!({"freeze": "2026-01-01T00:00:00Z", "advance": "10m"});
    let clock = told(&server, Method::POST, "/_standin/clock", frozen).await;
    assert_eq!(clock, json!({"now": "2026-01-01T00:10:00Z", "frozen": true, "virtual": true}));
    let clock = told(&server, Method::PUT, "/_standin/clock", json!({"reset": true})).await;
    assert_eq!((&clock["frozen"], &clock["virtual"]), (&json!(false), &json!(false)));
    for wrong in [json!({"advance": "soon"}), json!({"freeze": "now"}), json!({"stop": true})] {
        let (status, _) = ask(&server, Method::POST, "/_standin/clock", wrong.to_string()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{wrong}");
    }

    assert_eq!(told(&server, Method::GET, "/_standin/services/sqs", json!({})).await["transitions"], "instant");
    assert_eq!(told(&server, Method::GET, "/_standin/services/eks", json!({})).await["transitions"], "1m");
    assert_eq!(queues(&server, ONE).await, 0);
    told(&server, Method::PUT, "/_standin/services/sqs", json!({"mode": "stateless"})).await;
    assert!(queues(&server, ONE).await > 0);
    told(&server, Method::PUT, "/_standin/services/all", json!({"mode": "stateless", "transitions": "2s"})).await;
    let eks = told(&server, Method::GET, "/_standin/services/eks", json!({})).await;
    assert_eq!((&eks["mode"], &eks["transitions"]), (&json!("stateless"), &json!("2s")));
    let (status, _) = ask(&server, Method::PUT, "/_standin/services/nope", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
