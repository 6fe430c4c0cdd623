//! `/_standin/services`: what is served.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_core::{duration_text, parse_duration};
use standin_model::{Entry, Protocol, nearest};
use standin_state::Mode;

use super::{Asked, Reply, fail, json_reply};
use crate::app::App;

/// All services; `?filter=` for those whose id or title contains a text.
pub(super) fn list(asked: &Asked<'_>) -> Reply {
    let app = asked.app;
    let filter = asked.parameter("filter").unwrap_or_default().to_lowercase();
    let fits = |entry: &&Entry| {
        app.serves(entry.id) && (entry.id.contains(&filter) || entry.title.to_lowercase().contains(&filter))
    };
    let list: Vec<Value> = app.catalogue.services().filter(fits).map(|entry| summary(app, entry)).collect();
    json_reply(StatusCode::OK, &json!({ "services": list }))
}

fn summary(app: &App, entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "title": entry.title,
        "sdkId": entry.sdk_id,
        "versions": app.catalogue.versions(entry.id).map(|entry| entry.version).collect::<Vec<_>>(),
        "protocols": entry.protocols.iter().map(|protocol| Protocol::name(*protocol)).collect::<Vec<_>>(),
        "endpointPrefix": entry.endpoint_prefix,
        "signingName": entry.signing_name,
        "operations": entry.operation_count,
        "retired": entry.retired,
    })
}

fn find(app: &App, id: &str) -> Result<&'static Entry, Box<Reply>> {
    app.catalogue.find(id).filter(|entry| app.serves(entry.id)).ok_or_else(|| {
        let hints = nearest(id, app.catalogue.services().map(|entry| entry.id), 3);
        let hint = if hints.is_empty() { String::new() } else { format!("; did you mean {}?", hints.join(", ")) };
        Box::new(fail(StatusCode::NOT_FOUND, format!("no service `{id}`{hint}")))
    })
}

/// What can be chosen for a service while it is served.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    /// `stateful` or `stateless`.
    #[serde(default)]
    mode: Option<String>,
    /// How long transitional statuses last: `instant`, `500ms`, `2s`.
    #[serde(default)]
    transitions: Option<String>,
}

/// Changes a service from the next request on; `all` for all that have no setting of their own.
pub(super) async fn change(asked: Asked<'_>, id: &str) -> Reply {
    let app = asked.app;
    let entry = match id {
        "all" => None,
        id => match find(app, id) {
            Ok(entry) => Some(entry),
            Err(reply) => return *reply,
        },
    };
    let change: Change = match asked.json().await.map(serde_json::from_value) {
        Ok(Ok(change)) => change,
        Ok(Err(error)) => return fail(StatusCode::BAD_REQUEST, error.to_string()),
        Err(reply) => return reply,
    };
    let mode = match change.mode.as_deref() {
        None => None,
        Some(text) => match Mode::parse(text) {
            Some(mode) => Some(mode),
            None => return fail(StatusCode::BAD_REQUEST, format!("no mode `{text}`; use stateful or stateless")),
        },
    };
    let transitions = match change.transitions.as_deref().map(parse_duration).transpose() {
        Ok(transitions) => transitions,
        Err(reason) => return fail(StatusCode::BAD_REQUEST, reason),
    };
    let service = entry.map(|entry| entry.id);
    if let Some(mode) = mode {
        app.resources.set_mode(service, mode);
    }
    if let Some(transitions) = transitions {
        app.resources.set_transitions(service, transitions);
    }
    match entry {
        Some(entry) => json_reply(StatusCode::OK, &settings(app, entry)),
        None => json_reply(StatusCode::OK, &json!({ "id": "all" })),
    }
}

/// A service with what can be changed of it.
fn settings(app: &App, entry: &Entry) -> Value {
    let mut value = summary(app, entry);
    value["mode"] = app.resources.mode(entry.id).name().into();
    value["transitions"] = duration_text(app.resources.transitions(entry.id)).into();
    value
}

/// One service with its operations.
pub(super) fn one(app: &App, id: &str) -> Reply {
    let entry = match find(app, id) {
        Ok(entry) => entry,
        Err(reply) => return *reply,
    };
    let service = match entry.open() {
        Ok(service) => service,
        Err(error) => return fail(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    };
    let operations: Vec<Value> = service
        .operations
        .iter()
        .map(|operation| {
            let handler = app.registry.find_by_name(service.id, operation.name);
            json!({
                "name": operation.name,
                "method": operation.http.method,
                "uri": operation.http.uri.text,
                "deprecated": operation.deprecated,
                "fidelity": handler.fidelity(service, operation).name(),
            })
        })
        .collect();
    let mut value = settings(app, entry);
    value["operations"] = operations.into();
    json_reply(StatusCode::OK, &value)
}
