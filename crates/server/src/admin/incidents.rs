//! `/_standin/incidents`: what goes wrong in phases.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_core::parse_duration;
use standin_faults::{Incident, Running, Shipped, incidents};
use standin_model::{Timestamp, nearest};

use super::{Asked, Reply, empty, fail, json_reply, refuse_method};
use crate::app::App;

/// Which incident, and when.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Of one that ships.
    #[serde(default)]
    name: Option<String>,
    /// Or one's own.
    #[serde(default)]
    incident: Option<Incident>,
    /// A time, or `+10m`; now where it is left out.
    #[serde(default)]
    at: Option<String>,
}

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let app = asked.app;
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let now = app.clock.now();
            let running: Vec<Value> = app.faults.incidents().iter().map(|running| told(running, now)).collect();
            let shipped = incidents().iter().map(|shipped| {
                let incident = shipped.incident();
                json!({"name": incident.name, "description": incident.description})
            });
            json_reply(StatusCode::OK, &json!({"incidents": running, "shipped": shipped.collect::<Vec<_>>()}))
        }
        ("POST", []) => {
            let wanted = match asked.parsed::<Wanted>().await {
                Ok(wanted) => wanted,
                Err(reply) => return *reply,
            };
            match run(app, wanted) {
                Ok(name) => one(app, &name, StatusCode::CREATED),
                Err(reason) => fail(StatusCode::BAD_REQUEST, reason),
            }
        }
        ("DELETE", []) => {
            app.faults.stop_incidents(None);
            empty()
        }
        ("GET", [name]) => one(app, name, StatusCode::OK),
        ("DELETE", [name]) => match app.faults.stop_incidents(Some(name)) {
            0 => fail(StatusCode::NOT_FOUND, format!("no incident `{name}` was set going")),
            _ => empty(),
        },
        (_, rest) => {
            let mut all = vec!["incidents"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

fn run(app: &App, wanted: Wanted) -> Result<String, String> {
    let incident = match (wanted.incident, wanted.name) {
        (Some(incident), None) => incident,
        (None, Some(name)) => {
            let shipped = Shipped::find(&name).ok_or_else(|| {
                let near = nearest(&name, incidents().iter().map(|shipped| shipped.name), 6);
                let all = incidents().iter().map(|shipped| shipped.name).collect::<Vec<_>>();
                format!("no incident `{name}` ships; there are {}", if near.is_empty() { all } else { near }.join(", "))
            })?;
            shipped.incident()
        }
        _ => return Err("give either the `name` of an incident that ships, or an `incident`".to_owned()),
    };
    let now = app.clock.now();
    let started = match wanted.at.as_deref() {
        None => now,
        Some(text) => match text.strip_prefix('+') {
            Some(duration) => {
                let millis = i64::try_from(parse_duration(duration)?.as_millis()).unwrap_or(i64::MAX);
                Timestamp::from_millis(now.as_millis().saturating_add(millis))
            }
            None => Timestamp::parse_date_time(text)
                .ok_or_else(|| format!("{text:?} is no time such as 2026-01-01T00:00:00Z or +10m"))?,
        },
    };
    let name = incident.name.clone();
    app.faults.run_incident(app.catalogue, incident, started).map_err(|refused| refused.to_string())?;
    tracing::info!(incident = name, started = started.to_date_time(), "an incident is set going");
    app.log_faults();
    Ok(name)
}

fn one(app: &App, name: &str, status: StatusCode) -> Reply {
    match app.faults.incidents().iter().find(|running| running.incident.name == name) {
        Some(running) => json_reply(status, &told(running, app.clock.now())),
        None => fail(
            StatusCode::NOT_FOUND,
            format!("no incident `{name}` was set going; POST /_standin/incidents does so by name"),
        ),
    }
}

/// How an incident is: which phases are on, and when the others are.
fn told(running: &Running, now: Timestamp) -> Value {
    let on: Vec<&str> = running.on(now).map(|phase| &*phase.name).collect();
    let phases = running.incident.phases.iter().zip(&running.times).map(|(phase, (from, until))| {
        json!({
            "name": phase.name,
            "description": phase.description,
            "from": from.to_date_time(),
            "until": until.map(Timestamp::to_date_time),
            "on": on.contains(&&*phase.name),
            "rules": phase.rules,
        })
    });
    json!({
        "name": running.incident.name,
        "description": running.incident.description,
        "started": running.started.to_date_time(),
        "state": running.state(now),
        "phase": on.first(),
        "phases": phases.collect::<Vec<_>>(),
    })
}
