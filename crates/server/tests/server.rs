//! A whole server over real sockets: what a request without any SDK sees.

use std::time::Duration;

use serde_json::{Value, json};
use standin_core::Fidelity;
use standin_server::net::Limits;
use standin_server::{RunningServer, Server, Strictness};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// Sends bytes as they are and reads to the end of the connection.
async fn raw(server: &RunningServer, bytes: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(server.addresses()[0]).await.expect("connects");
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text).await;
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_owned() };
    Reply { status, head: head.to_owned(), body }
}

fn unchunk(mut text: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap_or(0);
        if size == 0 || rest.len() < size {
            break;
        }
        whole.push_str(&rest[..size]);
        text = rest[size..].trim_start_matches("\r\n");
    }
    whole
}

async fn send(server: &RunningServer, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", server.addresses()[0]);
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    raw(server, text.as_bytes()).await
}

fn signed(key: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20261122/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )
}

async fn mwaa(server: &RunningServer, method: &str, path: &str) -> Reply {
    send(server, method, path, &[("Authorization", &signed("123456789012", "airflow"))], "").await
}

async fn start() -> RunningServer {
    Server::builder().stateless().start().await.expect("starts")
}

#[tokio::test]
async fn answers_and_tells_why() {
    let server = start().await;
    let reply = mwaa(&server, "GET", "/environments/my-env").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.header("x-standin-fidelity"), Some("synthesized"));
    let environment = &reply.json()["Environment"];
    assert_eq!(environment["Name"], "my-env");
    assert!(environment["Arn"].as_str().is_some_and(|arn| arn.contains(":123456789012:")), "{environment}");
    let id = reply.header("x-amzn-requestid").expect("an id").to_owned();

    let explained = send(&server, "GET", &format!("/_standin/explain/{id}"), &[], "").await.json();
    assert_eq!(explained["identified"]["operation"], "GetEnvironment");
    assert_eq!(explained["identified"]["account"], "123456789012");
    assert_eq!(explained["request"]["input"]["Name"], "my-env");

    let listed = send(&server, "GET", "/_standin/requests?service=mwaa&status=2xx&limit=5", &[], "").await.json();
    assert_eq!(listed["requests"].as_array().map(Vec::len), Some(1));
    let coverage = send(&server, "GET", "/_standin/coverage", &[], "").await.json();
    assert_eq!(coverage["operations"][0]["synthesized"], 1);
    assert!(server.coverage().contains("mwaa: GetEnvironment"));
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer() {
    let (one, two) = (start().await, start().await);
    let (first, second) = (mwaa(&one, "GET", "/environments/a").await, mwaa(&two, "GET", "/environments/a").await);
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("x-amzn-requestid"), second.header("x-amzn-requestid"));
    let again = mwaa(&one, "GET", "/environments/a").await;
    assert_eq!(first.body, again.body);
    assert_ne!(first.header("x-amzn-requestid"), again.header("x-amzn-requestid"));
    let seeded = Server::builder().stateless().seed(1).start().await.expect("starts");
    assert_ne!(first.body, mwaa(&seeded, "GET", "/environments/a").await.body);
}

#[tokio::test]
async fn an_answer_that_is_remembered_is_the_one_that_was_made() {
    let server = start().await;
    let first = mwaa(&server, "GET", "/environments/a").await;
    let again = mwaa(&server, "GET", "/environments/a").await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    let names = |reply: &Reply| -> Vec<String> {
        reply.head.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
    };
    assert_eq!(names(&first), names(&again));
    let id = again.header("x-amzn-requestid").expect("an id");
    let explained = send(&server, "GET", &format!("/_standin/explain/{id}"), &[], "").await.json();
    assert!(explained["decisions"].to_string().contains("remembered"), "{explained}");
    assert_eq!(explained["request"]["input"]["Name"], "a");
    assert_eq!(explained["request"]["output"]["Environment"]["Name"], "a");

    // Another account, a canned answer and a reset are not taken for what was remembered.
    let other = [("Authorization", &*signed("210987654321", "airflow"))];
    assert!(send(&server, "GET", "/environments/a", &other, "").await.body.contains(":210987654321:"));
    let rule =
        json!([{"service": "mwaa", "operation": "GetEnvironment", "output": {"Environment": {"Name": "canned"}}}]);
    send(&server, "PUT", "/_standin/responses", &[], &rule.to_string()).await;
    assert_eq!(mwaa(&server, "GET", "/environments/a").await.json()["Environment"]["Name"], "canned");
    send(&server, "POST", "/_standin/reset", &[], "").await;
    assert_eq!(mwaa(&server, "GET", "/environments/a").await.body, first.body);
}

#[tokio::test]
async fn verifies_what_was_called() {
    let server = start().await;
    mwaa(&server, "GET", "/environments/a").await;
    let verify = async |body: Value| {
        let reply = send(&server, "POST", "/_standin/requests/verify", &[], &body.to_string()).await;
        (reply.status, reply.json()["pass"].as_bool())
    };
    assert_eq!(
        verify(json!({"service": "mwaa", "operation": "GetEnvironment", "input": {"Name": "a"}})).await,
        (200, Some(true))
    );
    assert_eq!(verify(json!({"service": "mwaa", "input": {"Name": "b"}})).await, (409, Some(false)));
    assert_eq!(verify(json!({"service": "mwaa", "input": {"Name": "b"}, "atMost": 0})).await, (200, Some(true)));
    assert_eq!(verify(json!({"operation": "GetEnvironment", "count": 2})).await, (409, Some(false)));
    assert_eq!(verify(json!({"operatoin": "GetEnvironment"})).await.0, 400);
    assert_eq!(send(&server, "DELETE", "/_standin/requests", &[], "").await.status, 204);
    assert_eq!(verify(json!({"service": "mwaa"})).await, (409, Some(false)));
}

#[tokio::test]
async fn canned_responses_answer_in_order() {
    let server = start().await;
    let rules = json!([
        {"service": "mwaa", "operation": "GetEnvironment", "input": {"Name": "a"}, "times": 3, "sequence": [
            {"output": {"Environment": {"Name": "canned"}}},
            {"error": {"code": "ResourceNotFoundException", "message": "gone"}},
            {"raw": {"status": 503, "body": "teapot", "headers": {"x-why": "test"}}},
        ]},
    ]);
    let set = send(&server, "PUT", "/_standin/responses", &[], &rules.to_string()).await;
    assert_eq!(set.status, 200, "{}", set.body);
    assert_eq!(mwaa(&server, "GET", "/environments/a").await.json()["Environment"]["Name"], "canned");
    let gone = mwaa(&server, "GET", "/environments/a").await;
    assert_eq!((gone.status, gone.header("x-amzn-errortype")), (404, Some("ResourceNotFoundException")));
    let raw = mwaa(&server, "GET", "/environments/a").await;
    assert_eq!((raw.status, raw.body.as_str(), raw.header("x-why")), (503, "teapot", Some("test")));
    assert_eq!(mwaa(&server, "GET", "/environments/a").await.json()["Environment"]["Name"], "a");
    assert_eq!(mwaa(&server, "GET", "/environments/b").await.json()["Environment"]["Name"], "b");
    for (rules, why) in [
        (json!([{"service": "mwa", "operation": "GetEnvironment", "output": {}}]), "mwaa"),
        (json!([{"service": "mwaa", "operation": "GetEnviroment", "output": {}}]), "GetEnvironment"),
        (
            json!([{"service": "mwaa", "operation": "GetEnvironment", "output": {"Environment": {"Nmae": "x"}}}]),
            "did you mean Name",
        ),
        (
            json!([{"service": "mwaa", "operation": "GetEnvironment", "error": {"code": "Nope"}}]),
            "ResourceNotFoundException",
        ),
        (json!([{"service": "mwaa", "operation": "GetEnvironment"}]), "output"),
        (json!({}), "list"),
    ] {
        let reply = send(&server, "PUT", "/_standin/responses", &[], &rules.to_string()).await;
        assert_eq!(reply.status, 400, "{rules}");
        assert!(reply.body.contains(why), "{}", reply.body);
    }
}

#[tokio::test]
async fn strictness_refuses_and_validation_explains() {
    let strict = Server::builder().stateless().strict(Fidelity::Stateful).start().await.expect("starts");
    let reply = mwaa(&strict, "GET", "/environments/a").await;
    assert_eq!(reply.status, 501);
    assert!(reply.body.contains("--strict stateful"), "{}", reply.body);
    let server = start().await;
    let headers = [("Authorization", &*signed("test", "airflow")), ("Content-Type", "application/json")];
    let reply = send(&server, "PUT", "/environments/a", &headers, "{}").await;
    assert_eq!((reply.status, reply.header("x-amzn-errortype")), (400, Some("ValidationException")));
    assert!(reply.body.contains("validation errors detected"), "{}", reply.body);
    let off = Server::builder().stateless().validation(Strictness::Off).start().await.expect("starts");
    assert_eq!(send(&off, "PUT", "/environments/a", &headers, "{}").await.status, 200);
}

#[tokio::test]
async fn nonsense_gets_a_clear_error_and_the_server_goes_on() {
    // The rest of a body that was refused is not waited for here.
    let limits = Limits { body_discard_timeout_ms: 100, ..Limits::default() };
    let server = Server::builder().stateless().limits(limits).start().await.expect("starts");
    let json10 = ("Content-Type", "application/x-amz-json-1.0");
    let target = |name: &'static str| ("X-Amz-Target", name);
    let deep = "[".repeat(10_000);
    for (headers, body, status) in [
        (vec![target("AwsProton20200720.ListServices"), json10], "{\"maxResults\": ", 400),
        (vec![target("AwsProton20200720.ListServices"), json10], "\u{0}\u{1}", 400),
        (vec![target("AwsProton20200720.ListServices"), json10], &*deep, 400),
        (vec![target("AwsProton20200720.Nothing"), json10], "{}", 404),
        (vec![target("Nobody.Nothing"), json10], "{}", 404),
        (vec![target(""), json10], "{}", 404),
        (vec![("smithy-protocol", "rpc-v2-cbor")], "", 404),
        (vec![("Content-Type", "application/x-www-form-urlencoded")], "Action=Nothing", 400),
    ] {
        let reply = send(&server, "POST", "/", &headers, body).await;
        assert_eq!(reply.status, status, "{headers:?}: {}", reply.body);
        assert!(reply.header("x-amzn-requestid").is_some(), "{headers:?}");
    }
    let huge = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AwsProton20200720.ListServices\r\nContent-Length: 1073741824\r\n\r\n{{",
        server.addresses()[0]
    );
    let reply = raw(&server, huge.as_bytes()).await;
    assert_eq!(reply.status, 413, "{}", reply.head);
    raw(&server, b"\x00\x01\x02garbage\r\n\r\n").await;
    assert_eq!(mwaa(&server, "GET", "/environments").await.status, 200);
    let listed = send(&server, "GET", "/_standin/requests?status=4xx", &[], "").await.json();
    assert!(listed["requests"].as_array().is_some_and(|list| list.len() >= 8));
}

#[tokio::test]
async fn habits_of_other_stand_ins_work() {
    let server = start().await;
    server.set_ready();
    let health = send(&server, "GET", "/_localstack/health", &[], "").await.json();
    assert_eq!(health["services"]["s3"], "available");
    assert_eq!(send(&server, "GET", "/health", &[], "").await.json(), health);
    assert_eq!(send(&server, "GET", "/_localstack/init/ready", &[], "").await.json()["completed"], true);
    assert_eq!(send(&server, "GET", "/_localstack/info", &[], "").await.status, 200);
    assert_eq!(send(&server, "POST", "/_localstack/state/reset", &[], "").await.status, 204);
    assert_eq!(send(&server, "POST", "/moto-api/reset", &[], "").await.status, 200);
    assert_eq!(send(&server, "GET", "/_standin/nowhere", &[], "").await.status, 404);
    assert_eq!(send(&server, "PATCH", "/_standin/health", &[], "").await.header("allow"), Some("GET"));
    let services = send(&server, "GET", "/_standin/services?filter=proton", &[], "").await.json();
    assert_eq!(services["services"][0]["operations"], 87);
    let one = send(&server, "GET", "/_standin/services/elastic-transcoder", &[], "").await.json();
    assert_eq!(one["retired"], true);
    let kill = send(&server, "POST", "/_localstack/health", &[], "{\"action\": \"kill\"}").await;
    assert_eq!(kill.status, 204);
    let mut server = server;
    server.wait().await;
}

#[tokio::test]
async fn who_gave_up_waiting_may_wait_again() {
    let mut server = start().await;
    for _ in 0..2 {
        assert!(tokio::time::timeout(Duration::ZERO, server.wait()).await.is_err(), "the server is still there");
    }
    server.shutdown().await;
}
