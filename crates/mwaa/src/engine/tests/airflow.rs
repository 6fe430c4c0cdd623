//! Tokens, the web server, commands and the REST API of a simulated Airflow.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use standin_core::BodySource;

use super::*;
use crate::web::{self, Reply, Visit};

const DAG: &str = r#"
from airflow import DAG
with DAG("hello", schedule="@daily", tags=["demo"], description="Says hello"):
    a = BashOperator(task_id="greet")
    b = BashOperator(task_id="leave")
    a >> b
"#;

/// A world with an environment of a version whose folder holds one DAG and one broken file.
async fn world(version: &str) -> World {
    let world = World::new();
    world.put("dags/dags/hello.py", DAG);
    world.put("dags/dags/sub/broken.py", "from airflow import DAG\ndag = DAG('x'\n");
    world.put("dags/dags/readme.md", "DAG( airflow");
    world.put("dags/other/x.py", DAG);
    world.available(json!({"AirflowVersion": version})).await;
    world
}

/// A body in one piece.
struct Piece(Option<Bytes>);

impl BodySource for Piece {
    fn next(&mut self) -> BoxFuture<'_, Option<std::io::Result<Bytes>>> {
        Box::pin(std::future::ready(self.0.take().map(Ok)))
    }
}

impl World {
    /// What standin itself answers.
    pub(super) async fn visit(&self, request: Request<&str>) -> Response<Bytes> {
        match self.reply(request).await {
            Reply::Answer(response) => response,
            Reply::Forward(forward) => panic!("forwarded to {forward:?}"),
        }
    }

    pub(super) async fn reply(&self, request: Request<&str>) -> Reply {
        let host = self.get("birds").await["WebserverUrl"].as_str().expect("it has one").to_owned();
        let id = crate::host::environment_of(host.split(':').next().expect("there is a first"))
            .expect("it is ours")
            .to_owned();
        let (parts, body) = request.into_parts();
        self.sees(&parts, &id, body).await
    }

    async fn sees(&self, parts: &Parts, id: &str, body: &str) -> Reply {
        let visit = Visit {
            parts,
            id,
            host: "e.localhost:4566",
            secure: false,
            remote: *self.remote.lock().expect("no test panics with it"),
            now: self.now(),
            dice: Dice::new(1),
        };
        web::serve(&self.engine, visit, &mut Piece(Some(Bytes::copy_from_slice(body.as_bytes())))).await
    }

    /// What a command writes: standard output and error.
    async fn airflow(&self, line: &str) -> (String, String) {
        let token = self.call("CreateCliToken", json!({"Name": "birds"})).await["CliToken"].clone();
        let request = Request::post("/aws_mwaa/cli")
            .header("authorization", format!("Bearer {}", token.as_str().expect("a text")));
        let response = self.visit(request.body(line).expect("it is whole")).await;
        assert_eq!(response.status(), 200, "{line}: {:?}", response.body());
        let answer: Value = serde_json::from_slice(response.body()).expect("it is JSON");
        let text = |name: &str| {
            let bytes = STANDARD.decode(answer[name].as_str().expect("a text")).expect("it is base64");
            String::from_utf8(bytes).expect("it is text")
        };
        (text("stdout"), text("stderr"))
    }

    async fn out(&self, line: &str) -> String {
        let (out, err) = self.airflow(line).await;
        assert_eq!(err, "", "{line}");
        out
    }

    async fn rest(&self, method: &str, path: &str, body: Value) -> Value {
        let mut input = json!({"Name": "birds", "Method": method, "Path": path, "QueryParameters": {}});
        input["Body"] = body;
        let answer = self.call("InvokeRestApi", input).await;
        assert!((200..300).contains(&answer["RestApiStatusCode"].as_i64().expect("a number")), "{answer}");
        answer["RestApiResponse"].clone()
    }

    /// The status and the answer of a call that Airflow refuses.
    async fn rest_fails(&self, method: &str, path: &str, body: Value) -> (i64, Value) {
        let input = json!({"Name": "birds", "Method": method, "Path": path, "Body": body});
        let error = self.try_call("InvokeRestApi", &input).await.expect_err("it is refused");
        assert_eq!(error.code, "RestApiClientException");
        let member = |name: &str| error.members.get(name).cloned().unwrap_or_default();
        (member("RestApiStatusCode").as_i64().expect("a number"), member("RestApiResponse").to_json())
    }
}

#[tokio::test]
async fn commands_of_both_versions() {
    for version in ["2.10.3", "3.0.6"] {
        let world = world(version).await;
        assert_eq!(world.out("version").await, format!("{version}\n"));
        let (out, err) = world.airflow("dags list -o json").await;
        let listed: Value = serde_json::from_str(&out).expect("it is JSON");
        assert_eq!((&listed[0]["dag_id"], &listed[0]["is_paused"]), (&json!("hello"), &json!("True")));
        assert_eq!(listed.as_array().map(Vec::len), Some(1));
        assert!(err.contains("list-import-errors"));
        assert!(world.out("dags list-import-errors").await.contains("/usr/local/airflow/dags/sub/broken.py"));
        assert_eq!(world.out("tasks list hello").await, "greet\nleave\n");

        world.out(r#"dags trigger hello --conf '{"a": "b c"}' --run-id r1"#).await;
        let list =
            if version.starts_with('2') { "dags list-runs -d hello -o json" } else { "dags list-runs hello -o json" };
        let state = |runs: String| serde_json::from_str::<Value>(&runs).expect("it is JSON")[0]["state"].clone();
        assert_eq!(state(world.out(list).await), "queued", "the DAG is paused");
        assert!(world.out("dags unpause hello").await.contains("False"));
        assert_eq!(world.out("dags unpause hello").await, "No paused DAGs were found\n");
        assert_eq!(state(world.out(list).await), "success");
        assert_eq!(world.out("tasks state hello greet r1").await, "success\n");
        assert_eq!(world.out("dags state hello r1").await, "success, {\"a\":\"b c\"}\n");
        assert!(
            world.airflow("dags trigger nope").await.1.ends_with("DagNotFound: Dag id nope not found in DagModel\n")
        );
        assert!(world.airflow("dags trigger hello --conf [").await.1.contains("JSONDecodeError"));
        assert!(world.airflow("dags trigger").await.1.contains("the following arguments are required: dag_id"));
        assert!(world.airflow("dags trigger hello -r r1").await.1.contains("DagRunAlreadyExists"));
        world.out(r#"dags trigger hello -c '{"standin_fail": ["greet"]}' -r bad"#).await;
        assert_eq!(world.out("tasks state hello leave bad").await, "upstream_failed\n");

        assert_eq!(world.out("variables set k 'a b'").await, "Variable k created\n");
        assert_eq!(world.out("variables get k").await, "a b\n");
        assert_eq!(world.out("variables list -o plain").await, "key\nk  \n");
        world.out("variables delete k").await;
        assert_eq!(world.airflow("variables get k").await.1, "Variable k does not exist\n");
        assert_eq!(world.out("pools set p 3 'a pool'").await, "Pool p created\n");
        assert!(world.out("pools list").await.contains("default_pool | 128"));
        world.out("connections add c --conn-uri http://h").await;
        assert!(world.airflow("connections add c --conn-uri http://h").await.1.contains("already exists"));
        assert!(world.out("connections delete c").await.starts_with("Successfully deleted"));
        assert!(world.airflow("providers list").await.1.starts_with("standin: the simulated Airflow does not run"));
        assert!(world.airflow("dags list -o xml").await.1.contains("invalid choice: 'xml'"));
        assert!(world.out("dags delete hello -y").await.starts_with("Removed"));
    }
}

async fn check_cli(world: &World, token: &str, line: &str, status: u16) {
    let request = Request::post("/aws_mwaa/cli").header("authorization", format!("Bearer {token}"));
    let response = world.visit(request.body(line).expect("it is whole")).await;
    assert_eq!(response.status(), status, "{line} {:?}", response.body());
}

#[tokio::test]
async fn tokens_open_one_door_for_a_minute() {
    let world = world("2.10.3").await;
    let cli = world.call("CreateCliToken", json!({"Name": "birds"})).await;
    let web = world.call("CreateWebLoginToken", json!({"Name": "birds"})).await;
    assert_eq!(
        (&web["IamIdentity"], &web["AirflowIdentity"]),
        (&json!("assumed-role/Admin/alice"), &json!("assumed-role/Admin/alice"))
    );
    assert_eq!(
        (&web["WebServerHostname"], &cli["WebServerHostname"]),
        (&world.get("birds").await["WebserverUrl"], &web["WebServerHostname"])
    );
    let (cli, web) = (cli["CliToken"].as_str().expect("a text"), web["WebToken"].as_str().expect("a text"));
    check_cli(&world, cli, "version", 200).await;
    check_cli(&world, web, "version", 403).await;
    check_cli(&world, "", "version", 403).await;
    check_cli(&world, cli, "users list", 400).await;
    check_cli(&world, cli, "variables set k 'open", 400).await;

    let login = |token: &str| Request::post("/aws_mwaa/login").body(format!("token={token}")).expect("it is whole");
    let sent = |request: Request<String>| {
        let (parts, body) = request.into_parts();
        (parts, body)
    };
    let (parts, body) = sent(login(cli));
    assert_eq!(world.visit(Request::from_parts(parts, body.as_str())).await.status(), 403);
    let (parts, body) = sent(login(web));
    let entered = world.visit(Request::from_parts(parts, body.as_str())).await;
    assert_eq!(entered.status(), 200);
    let cookie =
        entered.headers()["set-cookie"].to_str().expect("it is text").split(';').next().expect("a first").to_owned();
    assert!(cookie.starts_with("session="), "{cookie}");
    world.advance(60_000);
    check_cli(&world, cli, "version", 403).await;
    let (parts, body) = sent(login(web));
    assert_eq!(world.visit(Request::from_parts(parts, body.as_str())).await.status(), 403);

    let with = |path: &str| Request::get(path).header("cookie", &cookie).body("").expect("it is whole");
    let dags = world.visit(with("/api/v1/dags?limit=5")).await;
    assert_eq!(dags.status(), 200);
    assert!(String::from_utf8_lossy(dags.body()).contains("\"hello\""));
    assert!(String::from_utf8_lossy(world.visit(with("/home")).await.body()).contains("hello"));
    assert_eq!(world.visit(with("/nowhere")).await.status(), 404);
    assert_eq!(world.visit(Request::get("/api/v1/dags").body("").expect("it is whole")).await.status(), 401);
    assert_eq!(world.visit(Request::get("/home").body("").expect("it is whole")).await.status(), 401);
    assert_eq!(world.visit(Request::get("/health").body("").expect("it is whole")).await.status(), 200);
    assert_eq!(
        world.visit(Request::post("/pluginsv2/aws_mwaa/login").body("").expect("it is whole")).await.status(),
        404
    );
    world.advance(12 * 60 * 60 * 1000);
    assert_eq!(world.visit(with("/api/v1/dags")).await.status(), 401);
}

#[tokio::test]
async fn there_is_no_web_server_before_and_after() {
    let world = World::with(false, 1000);
    world.call("CreateEnvironment", input("birds", json!({}))).await;
    assert_eq!(world.fails("CreateCliToken", json!({"Name": "birds"})).await.0, "ResourceNotFoundException");
    assert_eq!(world.fails("CreateWebLoginToken", json!({"Name": "birds"})).await.0, "ValidationException");
    assert_eq!(world.fails("CreateWebLoginToken", json!({"Name": "nobody"})).await.0, "ResourceNotFoundException");
    let stranger = Request::get("/").body("").expect("it is whole");
    let (parts, _) = stranger.into_parts();
    assert!(matches!(world.sees(&parts, "x", "").await, Reply::Answer(answer) if answer.status() == 404));
}

#[tokio::test]
async fn the_rest_api_of_airflow_2() {
    let world = world("2.10.3").await;
    assert_eq!(world.rest("GET", "/version", json!({})).await["version"], "2.10.3");
    let dag = world.rest("GET", "/dags/hello", json!(null)).await;
    assert_eq!((&dag["is_paused"], &dag["schedule_interval"]["value"]), (&json!(true), &json!("@daily")));
    let (status, answer) = world.rest_fails("GET", "/dags/nope", json!({})).await;
    assert_eq!((status, &answer["detail"]), (404, &json!("The DAG with dag_id: nope was not found")));
    world.rest("PATCH", "/dags/hello", json!({"is_paused": false})).await;
    let run = world.rest("POST", "/dags/hello/dagRuns", json!({"conf": {"a": 1}})).await;
    assert_eq!(
        (&run["state"], &run["conf"]["a"], &run["external_trigger"]),
        (&json!("queued"), &json!(1), &json!(true))
    );
    let id = run["dag_run_id"].as_str().expect("a text").replace(':', "%3A").replace('+', "%2B");
    assert_eq!(world.rest("GET", &format!("/dags/hello/dagRuns/{id}"), json!({})).await["state"], "success");
    let tasks = world.rest("GET", &format!("/dags/hello/dagRuns/{id}/taskInstances"), json!({})).await;
    assert_eq!((&tasks["total_entries"], &tasks["task_instances"][1]["state"]), (&json!(2), &json!("success")));
    assert_eq!(world.rest_fails("POST", "/dags/hello/dagRuns", json!({"logical_date": null})).await.0, 400);
    assert_eq!(world.rest("POST", "/variables", json!({"key": "k", "value": "v"})).await["key"], "k");
    assert_eq!(world.rest("GET", "/variables/k", json!({})).await["value"], "v");
    assert_eq!(world.rest("DELETE", "/variables/k", json!({})).await, json!({}));
    assert_eq!(world.rest_fails("GET", "/variables/k", json!({})).await.0, 404);
    assert_eq!(world.rest("GET", "/importErrors", json!({})).await["total_entries"], 1);
}

#[tokio::test]
async fn the_rest_api_of_airflow_3() {
    let world = world("3.0.6").await;
    assert_eq!(world.rest("GET", "/monitor/health", json!({})).await["scheduler"]["status"], "healthy");
    world.rest("PATCH", "/dags/hello", json!({"is_paused": false})).await;
    let (status, answer) = world.rest_fails("POST", "/dags/hello/dagRuns", json!({"dag_run_id": "r"})).await;
    assert_eq!((status, &answer["detail"][0]["loc"]), (422, &json!(["body", "logical_date"])));
    let body = json!({"dag_run_id": "r", "logical_date": null, "conf": {"standin_fail": "*"}});
    assert_eq!(world.rest("POST", "/dags/hello/dagRuns", body.clone()).await["state"], "queued");
    assert_eq!(world.rest_fails("POST", "/dags/hello/dagRuns", body).await.0, 409);
    assert_eq!(world.rest("GET", "/dags/hello/dagRuns/r", json!({})).await["state"], "failed");
    assert_eq!(world.rest("PATCH", "/dags/hello/dagRuns/r", json!({"state": "success"})).await["state"], "success");
    assert_eq!(world.rest_fails("PATCH", "/dags/hello/dagRuns/r", json!({"state": "odd"})).await.0, 422);
    world.rest("DELETE", "/dags/hello/dagRuns/r", json!({})).await;
    let (_, answer) = world.rest_fails("GET", "/dags/hello/dagRuns/r", json!({})).await;
    assert_eq!(answer["detail"], "The DagRun with dag_id: `hello` and run_id: `r` was not found");
    assert_eq!(world.rest_fails("POST", "/pools", json!({"name": "p"})).await.0, 422);
    assert_eq!(world.rest("POST", "/pools", json!({"name": "p", "slots": 2})).await["open_slots"], 2);
    assert_eq!(world.rest_fails("POST", "/pools", json!({"name": "p", "slots": 2})).await.0, 409);
    let connection = json!({"connection_id": "c", "conn_type": "http", "password": "secret"});
    assert_eq!(world.rest("POST", "/connections", connection).await.get("password"), None);
    assert_eq!(world.rest_fails("GET", "/nonsense", json!({})).await.1, json!({"error": "API route not found"}));
    assert_eq!(world.rest_fails("PUT", "/dags/hello", json!({})).await.0, 405);
    // A file that changes is read anew.
    world.put("dags/dags/hello.py", "from airflow import DAG\nDAG('other dag with another length of its text')\n");
    assert_eq!(world.rest("GET", "/dags", json!({})).await["total_entries"], 1);
    assert_eq!(world.rest_fails("GET", "/dags/hello", json!({})).await.0, 404);
}

#[tokio::test]
async fn servers_that_fail_are_told_apart_from_callers() {
    let world = World::with(true, 0);
    world.available(json!({})).await;
    let input = json!({"Name": "birds", "Method": "GET", "Path": "/dags"});
    let error = world.try_call("InvokeRestApi", &input).await.expect_err("it fails");
    assert_eq!(error.code, "RestApiServerException");
    assert_eq!(error.members.get("RestApiStatusCode"), Some(&Document::from(503_i64)));
    assert_eq!(
        world.fails("InvokeRestApi", json!({"Name": "birds", "Method": "GET", "Path": "dags"})).await.0,
        "ValidationException"
    );
}

#[tokio::test]
async fn logs_of_simulated_tasks_go_to_their_group() {
    let world = world("2.10.3").await;
    world.out("dags trigger hello -r r:1").await;
    let told = || {
        let asked = world.others.asked.lock().expect("it is whole");
        asked.iter().filter_map(|line| line.strip_prefix("PutLogEvents ").map(str::to_owned)).collect::<Vec<_>>()
    };
    // While its DAG is paused, a run waits.
    assert_eq!(told(), [""; 0]);
    world.out("dags unpause hello").await;
    let stream = |task: &str| format!("airflow-birds-Taskdag_id=hello/run_id=r_1/task_id={task}/attempt=1.log");
    assert_eq!(told(), [stream("greet"), stream("leave")]);
    world.out("dags trigger hello -r r2").await;
    assert_eq!(told().len(), 4);
}
