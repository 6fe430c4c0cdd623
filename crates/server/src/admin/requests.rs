//! `/_standin/requests` and `/_standin/explain`: the journal.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::{Asked, Reply, fail, json_reply, text_reply};
use crate::app::App;
use crate::journal::Filter;
use crate::net::Body;
use crate::script::{self, Language};

/// The last requests, newest last; filters `service`, `operation`, `status` (`200` or `4xx`), `limit`. `as`: not as JSON but as
/// a script that makes them again, `cli` or `boto3`.
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
    if let Some(name) = asked.parameter("as") {
        let Some(language) = Language::parse(&name) else {
            return fail(StatusCode::BAD_REQUEST, "`as` is cli or boto3");
        };
        let text = script::write(asked.app.catalogue, &records[skipped..], language, asked.base_url);
        return text_reply("text/plain; charset=utf-8", text);
    }
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
