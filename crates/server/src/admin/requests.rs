//! `/_standin/requests` and `/_standin/explain`: the journal.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use standin_model::Document;
use tokio::sync::broadcast::error::RecvError;

use super::{Asked, Reply, fail, json_reply};
use crate::app::App;
use crate::journal::Filter;
use crate::net::Body;

/// The last requests, newest last; filters `service`, `operation`, `status` (`200` or `4xx`), `limit`.
pub(super) fn list(asked: &Asked<'_>) -> Reply {
    let (service, operation, status) =
        (asked.parameter("service"), asked.parameter("operation"), asked.parameter("status"));
    let filter = Filter { service: service.as_deref(), operation: operation.as_deref(), status: status.as_deref() };
    let limit = match asked.parameter("limit").map(|limit| limit.parse::<usize>()) {
        None => usize::MAX,
        Some(Ok(limit)) => limit,
        Some(Err(_)) => return fail(StatusCode::BAD_REQUEST, "`limit` is not a number"),
    };
    let mut records = asked.app.journal.all();
    records.retain(|record| filter.fits(record));
    let skipped = records.len().saturating_sub(limit);
    let list: Vec<Value> = records[skipped..].iter().map(|record| record.to_json()).collect();
    json_reply(StatusCode::OK, &json!({ "requests": list, "total": asked.app.journal.total() }))
}

/// Every further request, as server-sent events; filters as in [`list`].
pub(super) fn stream(asked: &Asked<'_>) -> Reply {
    const PIECES_WAITING: usize = 16;
    let (service, operation, status) =
        (asked.parameter("service"), asked.parameter("operation"), asked.parameter("status"));
    let mut records = asked.app.journal.subscribe();
    let (sender, body) = Body::channel(PIECES_WAITING);
    tokio::spawn(async move {
        // Tells the client that the stream is open.
        if !sender.send(Bytes::from_static(b": listening\n\n")).await {
            return;
        }
        loop {
            let piece = match records.recv().await {
                Ok(record) => {
                    let filter = Filter {
                        service: service.as_deref(),
                        operation: operation.as_deref(),
                        status: status.as_deref(),
                    };
                    if !filter.fits(&record) {
                        continue;
                    }
                    format!("id: {}\nevent: request\ndata: {}\n\n", record.id, record.to_json())
                }
                Err(RecvError::Lagged(missed)) => format!("event: missed\ndata: {missed}\n\n"),
                Err(RecvError::Closed) => return,
            };
            if !sender.send(Bytes::from(piece)).await {
                return;
            }
        }
    });
    let mut reply = Response::new(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// What a test expects to have been called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expectation {
    #[serde(default)]
    service: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    region: Option<String>,
    /// A subset of the decoded input.
    #[serde(default)]
    input: Option<Value>,
    #[serde(default)]
    count: Option<usize>,
    #[serde(default)]
    at_least: Option<usize>,
    #[serde(default)]
    at_most: Option<usize>,
}

/// Passes (200) or fails (409): `{"pass", "count", "expected", "near"}`. Without a count at least one is expected.
pub(super) async fn verify(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let expected: Expectation = match asked.json().await.map(serde_json::from_value) {
        Ok(Ok(expected)) => expected,
        Ok(Err(error)) => return fail(StatusCode::BAD_REQUEST, error.to_string()),
        Err(reply) => return reply,
    };
    let service = expected.service.as_deref().map(|name| app.catalogue.find(name).map_or(name, |entry| entry.id));
    let filter = Filter { service, operation: expected.operation.as_deref(), status: None };
    let subset = expected.input.as_ref().map(Document::from_json);
    let records = app.journal.all();
    let same = |wanted: &Option<String>, have: &str| wanted.as_deref().is_none_or(|wanted| wanted == have);
    let called: Vec<_> = records
        .iter()
        .filter(|record| filter.fits(record))
        .filter(|record| same(&expected.account, &record.scope.account) && same(&expected.region, &record.scope.region))
        .collect();
    let count =
        called.iter().filter(|record| subset.as_ref().is_none_or(|subset| record.input.contains(subset))).count();
    let least = expected.count.or(expected.at_least).unwrap_or(if expected.at_most.is_some() { 0 } else { 1 });
    let most = expected.count.or(expected.at_most).unwrap_or(usize::MAX);
    let pass = (least..=most).contains(&count);
    let mut answer = json!({ "pass": pass, "count": count });
    if !pass {
        const SHOWN_MAX: usize = 5;
        answer["expected"] = match (least, most) {
            (least, usize::MAX) => json!(format!("at least {least}")),
            (least, most) if least == most => json!(format!("exactly {least}")),
            (least, most) => json!(format!("{least} to {most}")),
        };
        let shown = called.iter().rev().take(SHOWN_MAX);
        answer["calledWith"] = shown.map(|record| record.input.to_json()).collect();
    }
    json_reply(if pass { StatusCode::OK } else { StatusCode::CONFLICT }, &answer)
}

/// Why the answer to a request was what it was.
pub(super) fn explain(app: &App, id: &str) -> Reply {
    match app.journal.find(id) {
        Some(record) => {
            let known = record
                .service
                .and_then(|id| app.catalogue.newest(id))
                .and_then(|entry| entry.open().ok())
                .zip(record.operation);
            let role = known.map(|(service, operation)| app.resources.explain(service, operation)).unwrap_or_default();
            json_reply(StatusCode::OK, &record.explain(role))
        }
        None => fail(
            StatusCode::NOT_FOUND,
            format!("no request {id} among the last ones; /_standin/requests lists those that are kept"),
        ),
    }
}
