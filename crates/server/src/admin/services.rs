//! `/_standin/services`: what is served.

use http::StatusCode;
use serde_json::{Value, json};
use standin_model::{Entry, Protocol, nearest};

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

/// One service with its operations.
pub(super) fn one(app: &App, id: &str) -> Reply {
    let Some(entry) = app.catalogue.find(id).filter(|entry| app.serves(entry.id)) else {
        let hints = nearest(id, app.catalogue.services().map(|entry| entry.id), 3);
        let hint = if hints.is_empty() { String::new() } else { format!("; did you mean {}?", hints.join(", ")) };
        return fail(StatusCode::NOT_FOUND, format!("no service `{id}`{hint}"));
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
    let mut value = summary(app, entry);
    value["mode"] = app.resources.mode(service.id).name().into();
    value["operations"] = operations.into();
    json_reply(StatusCode::OK, &value)
}
