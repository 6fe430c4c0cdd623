//! Signing in to the web server of an environment, and what comes before Airflow's own.

use std::net::SocketAddr;

use http::header::{HeaderName, HeaderValue};
use http::{Request, StatusCode};

use super::*;
use crate::runtime::Upstream;
use crate::web::Reply;

/// A world with an environment before which a web server of Airflow's own is, or is not.
async fn world(version: &str, front: Front) -> World {
    let world = World::with(true, 0);
    world.available(json!({"AirflowVersion": version})).await;
    *world.script.front.lock().expect("no test panics with it") = Some(front);
    world
}

fn airflow() -> Front {
    let name = HeaderName::from_static("x-standin-user");
    let headers = vec![(name, HeaderValue::from_static("alice"))];
    Front::Airflow(Upstream { address: SocketAddr::from(([127, 0, 0, 1], 9)), headers })
}

/// The cookie of somebody who has signed in.
async fn signed_in(world: &World, login: &str) -> String {
    let token = world.call("CreateWebLoginToken", json!({"Name": "birds"})).await["WebToken"].clone();
    let form = format!("token={}", token.as_str().expect("a text"));
    let answer = world.visit(Request::post(login).body(form.as_str()).expect("it is whole")).await;
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().expect("it is text");
    cookie.split(';').next().expect("there is a first").to_owned()
}

fn get(path: &str, cookie: &str) -> Request<&'static str> {
    Request::get(path).header("cookie", cookie).header("accept", "text/html").body("").expect("it is whole")
}

async fn check(world: &World, request: Request<&str>, status: u16, part: &str) {
    let path = request.uri().to_string();
    let answer = world.visit(request).await;
    let text = String::from_utf8_lossy(answer.body()).into_owned();
    assert_eq!(answer.status(), status, "{path}: {text}");
    assert!(text.contains(part), "{path}: {text}");
}

#[tokio::test]
async fn nothing_of_airflow_is_reached_without_a_session() {
    for (version, login, cookie) in
        [("2.10.3", "/aws_mwaa/login", "session"), ("3.0.6", "/pluginsv2/aws_mwaa/login", "_token")]
    {
        let world = world(version, airflow()).await;
        let session = signed_in(&world, login).await;
        assert!(session.starts_with(&format!("{cookie}=")), "{session}");
        for path in ["/", "/home", "/static/app.js", "/api/v1/dags", "/api/v2/dags", "/ui/dags", "/auth/token"] {
            check(&world, get(path, ""), 401, "").await;
            check(&world, get(path, &format!("{cookie}=eyJ.a.b")), 401, "").await;
            let reply = world.reply(get(path, &session)).await;
            assert!(matches!(&reply, Reply::Forward(to) if to.cookie == cookie), "{path} {reply:?}");
        }
        let bearer =
            Request::post("/api/v2/dags").header("authorization", format!("Bearer {}", &session[cookie.len() + 1..]));
        assert!(matches!(world.reply(bearer.body("").expect("it is whole")).await, Reply::Forward(_)));
        let health = if version.starts_with('2') { "/health" } else { "/api/v2/monitor/health" };
        assert!(matches!(world.reply(get(health, "")).await, Reply::Forward(_)));
        world.advance(12 * 60 * 60 * 1000);
        check(&world, get("/home", &session), 401, "Your session has expired.").await;
    }
}

#[tokio::test]
async fn airflows_own_ways_to_sign_in_lead_to_ours() {
    let world = world("3.0.6", airflow()).await;
    for path in ["/login", "/login/", "/auth/login?next=/dags", "/api/v2/auth/login?next=http://e.localhost:4566/dags"]
    {
        let answer = world.visit(get(path, "")).await;
        let place = answer.headers()["location"].to_str().expect("it is text").to_owned();
        assert_eq!(answer.status(), StatusCode::FOUND, "{path}");
        assert_eq!(
            place,
            if path.contains("next") { "/aws_mwaa/sign-in?next=%2Fdags" } else { "/aws_mwaa/sign-in?next=%2F" }
        );
    }
    check(&world, get("/aws_mwaa/sign-in", ""), 200, "create-web-login-token --name birds --region eu-west-1").await;
    check(&world, get("/aws_mwaa/sign-in?told=%3Cscript%3E", ""), 200, "&lt;script&gt;").await;
}

async fn check_button(world: &World, next: &str, expect: &str) {
    let form = format!("next={}", crate::web::encoded(next));
    let answer = world.visit(Request::post("/aws_mwaa/sign-in").body(form.as_str()).expect("it is whole")).await;
    assert_eq!(
        (answer.status(), answer.headers()["location"].to_str().expect("text")),
        (StatusCode::SEE_OTHER, expect),
        "{next}"
    );
    let cookie =
        answer.headers()["set-cookie"].to_str().expect("it is text").split(';').next().expect("a first").to_owned();
    assert!(matches!(world.reply(get("/home", &cookie)).await, Reply::Forward(_)));
}

#[tokio::test]
async fn who_is_on_the_machine_signs_in_by_a_button() {
    let world = world("2.10.3", airflow()).await;
    check(&world, get("/home", ""), 401, "id=\"sign-in\"").await;
    check_button(&world, "/dags/hello/grid?x=1", "/dags/hello/grid?x=1").await;
    for elsewhere in ["", "//evil.example/", "https://evil.example/", "/\\evil.example", "/a\r\nSet-Cookie: x"] {
        check_button(&world, elsewhere, "/home").await;
    }
    *world.remote.lock().expect("no test panics with it") = IpAddr::from([10, 0, 0, 7]);
    let page = world.visit(get("/home", "")).await;
    assert!(!String::from_utf8_lossy(page.body()).contains("id=\"sign-in\""));
    check(&world, Request::post("/aws_mwaa/sign-in").body("next=/").expect("it is whole"), 403, "machine").await;
}

#[tokio::test]
async fn signing_out_takes_the_cookie() {
    let world = world("2.10.3", airflow()).await;
    for request in [Request::get("/logout"), Request::post("/logout/"), Request::get("/api/v2/auth/logout")] {
        let answer = world.visit(request.body("").expect("it is whole")).await;
        assert!(answer.headers()["set-cookie"].to_str().expect("text").starts_with("session=; "));
        assert!(answer.headers()["location"].to_str().expect("text").starts_with("/aws_mwaa/sign-in?told="));
    }
}

#[tokio::test]
async fn an_airflow_that_is_not_there_is_told() {
    let world = world("3.0.6", Front::Absent("Airflow is being started".to_owned())).await;
    let session = signed_in(&world, "/aws_mwaa/login").await;
    check(&world, get("/", &session), 503, "<meta http-equiv=\"refresh\"").await;
    check(&world, get("/api/v2/dags", &session), 503, r#"{"message":"Airflow is being started"}"#).await;
    check(&world, get("/api/v2/monitor/health", ""), 503, "being started").await;
    // A role that Airflow 3 has nothing for.
    *world.script.front.lock().expect("no test panics with it") =
        Some(Front::Airflow(Upstream { address: SocketAddr::from(([127, 0, 0, 1], 9)), headers: vec![] }));
    check(&world, get("/", &session), 403, "may see nothing").await;
}

#[tokio::test]
async fn forms_are_short() {
    let world = world("2.10.3", airflow()).await;
    let long = "x".repeat(70_000);
    for path in ["/aws_mwaa/login", "/aws_mwaa/cli", "/aws_mwaa/sign-in"] {
        check(&world, Request::post(path).body(long.as_str()).expect("it is whole"), 413, "longer than").await;
    }
}

/// Lets the role of the caller have policies, inline and attached.
fn grant(world: &World, policies: [Option<&str>; 2]) {
    let policies = policies.map(|role| {
        role.map(|role| {
            let resource = format!("arn:aws:airflow:{REGION}:{ACCOUNT}:role/birds/{role}");
            let statement = json!({"Effect": "Allow", "Action": "airflow:*", "Resource": resource});
            crate::web::encoded(&json!({"Version": "2012-10-17", "Statement": statement}).to_string())
        })
    });
    *world.others.policies.lock().expect("no test panics with it") = policies;
}

#[tokio::test]
async fn roles_come_from_iam() {
    let world = World::new();
    world.put("dags/dags/hello.py", "from airflow import DAG\nDAG('hello')\n");
    world.available(json!({"AirflowVersion": "2.10.3"})).await;
    let unpause = json!({"Name": "birds", "Method": "PATCH", "Path": "/dags/hello", "Body": {"is_paused": false}});
    for (policies, status) in [
        ([None, None], Ok(())),
        ([Some("Viewer"), None], Err(403)),
        ([Some("Viewer"), Some("User")], Ok(())),
        ([None, Some("Public")], Err(403)),
        ([None, Some("*")], Ok(())),
    ] {
        grant(&world, policies);
        let answer = world.try_call("InvokeRestApi", &unpause).await;
        let refused = |error: OperationError| {
            error.members.get("RestApiStatusCode").and_then(Document::as_i64).expect("a number")
        };
        assert_eq!(answer.map(drop).map_err(refused), status, "{policies:?}");
        let session = signed_in(&world, "/aws_mwaa/login").await;
        let request = Request::patch("/api/v1/dags/hello").header("cookie", &session).body(r#"{"is_paused": false}"#);
        let answer = world.visit(request.expect("it is whole")).await;
        assert_eq!(i64::from(answer.status().as_u16()), status.err().unwrap_or(200), "{policies:?}");
    }
    grant(&world, [Some("Guest"), None]);
    let denied = ("AccessDeniedException".to_owned(), "No Airflow role granted in IAM.".to_owned());
    assert_eq!(world.fails("InvokeRestApi", unpause).await, denied);
    assert_eq!(world.fails("CreateWebLoginToken", json!({"Name": "birds"})).await, denied);
    world.call("CreateCliToken", json!({"Name": "birds"})).await;
}
