//! Addresses under `/_localstack/` that scripts and test containers rely on.

use http::StatusCode;
use serde_json::{Map, Value, json};
use standin_store::Selector;

use super::{Asked, Reply, empty, fail, faults, json_reply, not_found};
use crate::app::App;
use crate::init::InitStage;
use crate::state::Forget;

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
        ("GET", ["init"]) => json_reply(StatusCode::OK, &app.init.to_json(None)),
        ("GET", ["init", stage]) => match InitStage::parse(stage) {
            Some(stage) => json_reply(StatusCode::OK, &app.init.to_json(Some(stage))),
            None => {
                fail(StatusCode::NOT_FOUND, format!("no stage `{stage}`; there are boot, start, ready and shutdown"))
            }
        },
        ("POST", ["state", "reset" | "nuke"]) => {
            app.reset().await;
            empty()
        }
        ("POST", ["state", service, "reset"]) => match app.catalogue.find(service) {
            Some(entry) => {
                let picked = Selector { service: Some(entry.id.to_owned()), ..Selector::all() };
                match app.forget(&Forget { picked, tag: None }).await {
                    Ok(_) => empty(),
                    Err(error) => fail(StatusCode::INTERNAL_SERVER_ERROR, error.chain()),
                }
            }
            None => fail(StatusCode::NOT_FOUND, format!("no service `{service}`")),
        },
        (_, ["chaos", rest @ ..]) => faults::localstack(asked, rest).await,
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
