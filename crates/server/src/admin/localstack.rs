//! Addresses under `/_localstack/` that scripts and test containers rely on.

use std::sync::atomic::Ordering;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{Asked, Reply, empty, fail, json_reply, not_found};
use crate::app::App;

const EDITION: &str = "standin";

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let app = asked.app;
    match (asked.method.as_str(), rest) {
        ("GET" | "HEAD", ["health"]) => json_reply(StatusCode::OK, &health(app)),
        ("POST", ["health"]) => match asked.json().await {
            Ok(body) => act(app, body.get("action").and_then(Value::as_str).unwrap_or_default()).await,
            Err(reply) => reply,
        },
        ("GET", ["info"]) => json_reply(StatusCode::OK, &info(app)),
        ("GET", ["init"]) => json_reply(StatusCode::OK, &init(app, None)),
        ("GET", ["init", stage]) => json_reply(StatusCode::OK, &init(app, Some(stage))),
        ("POST", ["state", "reset" | "nuke"]) => {
            app.reset().await;
            empty()
        }
        (_, rest) => not_found(&format!("/_localstack/{}", rest.join("/"))),
    }
}

fn health(app: &App) -> Value {
    let services: Map<String, Value> = app
        .catalogue
        .services()
        .filter(|entry| app.serves(entry.id))
        .map(|entry| (entry.id.to_owned(), Value::from("available")))
        .collect();
    json!({ "services": services, "edition": EDITION, "version": env!("CARGO_PKG_VERSION") })
}

async fn act(app: &App, action: &str) -> Reply {
    match action {
        "restart" => {
            app.reset().await;
            empty()
        }
        "kill" => {
            app.stop.notify_one();
            empty()
        }
        other => fail(StatusCode::BAD_REQUEST, format!("unknown action `{other}`; there are `restart` and `kill`")),
    }
}

fn info(app: &App) -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "edition": EDITION,
        "is_license_activated": false,
        "session_id": format!("{:016x}", app.dice.seed()),
        "machine_id": "standin",
        "system": std::env::consts::OS,
        "is_docker": false,
        "server_time_utc": app.clock.now().to_date_time(),
        "uptime": app.started.elapsed().as_secs(),
    })
}

/// Stages of the init hooks. None is run yet, so each is over as soon as the server is ready.
fn init(app: &App, stage: Option<&str>) -> Value {
    let ready = app.ready.load(Ordering::Acquire);
    let completed = |name: &str| match name {
        "SHUTDOWN" => false,
        _ => ready,
    };
    match stage {
        Some(stage) => {
            let stage = stage.to_uppercase();
            json!({ "stage": stage, "completed": completed(&stage), "scripts": [] })
        }
        None => {
            let stages = ["BOOT", "START", "READY", "SHUTDOWN"];
            let completed: Map<String, Value> =
                stages.iter().map(|name| ((*name).to_owned(), completed(name).into())).collect();
            json!({ "completed": completed, "scripts": [] })
        }
    }
}
