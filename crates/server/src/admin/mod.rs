//! The introspection API under `/_standin/`, and the addresses of other stand-ins that scripts and test containers ask.

mod adopt;
mod clock;
mod credentials;
mod faults;
mod incidents;
mod localstack;
mod proton;
mod requests;
mod responses;
mod services;
mod state;
mod terraform;
mod verify;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::app::App;
use crate::metrics;
use crate::net::{Body, RequestBody};

/// A body of the API itself is never longer, but for a list of canned responses.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

type Reply = Response<Body>;

/// Whether a request is for this API rather than for an AWS service.
pub(crate) fn claims(request: &Request<RequestBody>) -> bool {
    let path = request.uri().path();
    // `/health` could be a bucket: a signed request is S3's.
    path.starts_with("/_standin/")
        || path.starts_with("/_localstack/")
        || path == "/moto-api/reset"
        || (path == "/health" && !request.headers().contains_key(http::header::AUTHORIZATION))
}

/// The same by the first bytes of a connection, as far as they tell.
pub(crate) fn claims_first(first: &[u8]) -> bool {
    let target = first.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    [&b"/_standin/"[..], b"/_localstack/"].iter().any(|prefix| target.starts_with(prefix))
}

/// Answers a request for which [`claims`] is true.
pub(crate) async fn serve(app: &Arc<App>, request: Request<RequestBody>) -> Reply {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let method = &parts.method;
    let host = parts.headers.get(http::header::HOST).and_then(|host| host.to_str().ok());
    let base_url = format!("http://{}", host.unwrap_or("127.0.0.1:4566"));
    let asked = Asked { app, method, query: &query, headers: &parts.headers, base_url: &base_url, body };
    match segments[..] {
        ["_standin", ref rest @ ..] => own(asked, rest).await,
        ["_localstack", ref rest @ ..] => localstack::serve(asked, rest).await,
        ["health"] => localstack::serve(asked, &["health"]).await,
        ["moto-api", "reset"] => {
            app.reset().await;
            json_reply(StatusCode::OK, &json!({"status": "ok"}))
        }
        _ => not_found(&path),
    }
}

/// A request of this API, taken apart.
struct Asked<'r> {
    app: &'r Arc<App>,
    method: &'r Method,
    query: &'r str,
    headers: &'r HeaderMap,
    /// How the caller reached the server.
    base_url: &'r str,
    body: RequestBody,
}

impl Asked<'_> {
    /// The body as JSON.
    async fn json(self) -> Result<Value, Reply> {
        let bytes =
            self.body.buffered_up_to(BODY_BYTES_MAX).await.map_err(|error| fail(error.status(), error.to_string()))?;
        serde_json::from_slice(&bytes)
            .map_err(|error| fail(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")))
    }

    /// The body as JSON of one form.
    async fn parsed<T: serde::de::DeserializeOwned>(self) -> Result<T, Box<Reply>> {
        let value = self.json().await.map_err(Box::new)?;
        serde_json::from_value(value).map_err(|error| Box::new(fail(StatusCode::BAD_REQUEST, error.to_string())))
    }

    /// The decoded value of a query parameter.
    fn parameter(&self, name: &str) -> Option<String> {
        let (_, value) = standin_wire::value::pairs(self.query).find(|(key, _)| *key == name)?;
        standin_wire::value::form_decode(value).ok().map(Cow::into_owned)
    }
}

async fn own(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let app = asked.app;
    match (asked.method.as_str(), rest) {
        ("GET" | "HEAD", ["health"]) => json_reply(StatusCode::OK, &health(app)),
        ("GET", ["services"]) => services::list(&asked),
        ("GET", ["services", id]) => services::one(app, id),
        ("PUT" | "POST", ["services", id]) => services::change(asked, id).await,
        ("GET", ["clock"]) => clock::show(app),
        ("PUT" | "POST", ["clock"]) => clock::change(asked).await,
        ("GET", ["requests"]) => requests::list(&asked),
        ("DELETE", ["requests"]) => {
            app.journal.clear();
            empty()
        }
        ("GET", ["requests", "stream"]) => requests::stream(&asked),
        ("POST", ["requests", "verify"]) => verify::verify(asked).await,
        ("GET", ["explain", id]) => requests::explain(app, id),
        ("GET", ["coverage"]) => json_reply(StatusCode::OK, &app.coverage.to_json()),
        (_, ["responses", rest @ ..]) => responses::serve(asked, rest).await,
        (_, ["scenarios", rest @ ..]) => responses::scenarios(asked, rest).await,
        (_, ["faults", rest @ ..]) => faults::serve(asked, rest).await,
        (_, ["incidents", rest @ ..]) => incidents::serve(asked, rest).await,
        (_, ["proton", "credentials", rest @ ..]) => credentials::serve(asked, rest).await,
        (_, ["proton", rest @ ..]) => proton::serve(asked, rest).await,
        (_, ["state", rest @ ..]) => state::serve(asked, rest).await,
        ("POST", ["reset"]) => {
            app.reset().await;
            empty()
        }
        ("GET", ["metrics"]) => text_reply(
            metrics::CONTENT_TYPE,
            app.metrics.render()
                + &app.fault_metrics()
                + &app.mwaa.exposition().await.unwrap_or_default()
                + &app.airflow_metrics().await,
        ),
        ("GET", ["ca"]) => match app.authority.as_ref().map(|authority| authority.ca_pem()) {
            Some(Ok(pem)) => text_reply("application/x-pem-file", pem),
            Some(Err(error)) => fail(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            None => fail(StatusCode::NOT_FOUND, "this server runs without TLS"),
        },
        (_, known) => refuse_method(known),
    }
}

/// Says what could be done at an address, or that there is none.
fn refuse_method(known: &[&str]) -> Reply {
    match allowed(known) {
        "" => not_found(&format!("/_standin/{}", known.join("/"))),
        methods => {
            let mut reply = fail(StatusCode::METHOD_NOT_ALLOWED, format!("use {methods}"));
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
            reply
        }
    }
}

/// The methods of an address; empty for one that does not exist.
fn allowed(rest: &[&str]) -> &'static str {
    match rest {
        ["health" | "services" | "coverage" | "metrics" | "ca"] | ["explain", _] | ["requests", "stream"] => "GET",
        ["proton", "events", "stream"] => "GET",
        ["proton", "events"] => "GET, DELETE",
        ["proton", "abandon" | "adopt" | "drift"] | ["proton", "credentials", "rekey"] | ["proton", "hooks", _] => {
            "POST"
        }
        ["proton", "credentials"] => "GET",
        ["proton", "credentials", _] => "PUT, DELETE",
        ["proton", "terraform", rest @ ..] => terraform::allowed(rest),
        ["clock"] | ["services", _] => "GET, POST, PUT",
        ["state"] => "GET, POST, PUT, DELETE",
        ["state", "diff" | "log"] => "GET",
        ["state", "branches"] => "GET, POST, DELETE",
        ["state", "commit" | "checkout"] => "POST",
        ["faults"] => "GET, POST, PUT, DELETE",
        ["incidents"] => "GET, POST, DELETE",
        ["incidents", _] => "GET, DELETE",
        ["faults", "presets"] => "GET",
        ["faults", "presets", _] => "POST, PUT",
        ["faults", _] => "GET, PUT, PATCH, DELETE",
        ["requests"] => "GET, DELETE",
        ["responses"] => "GET, POST, PUT, DELETE",
        ["responses", "files"] => "GET",
        ["responses", "reload"] => "POST",
        ["scenarios"] => "GET, DELETE",
        ["responses" | "scenarios", ..] => "GET, PUT, DELETE",
        ["requests", "verify"] | ["reset"] => "POST",
        _ => "",
    }
}

fn health(app: &App) -> Value {
    json!({
        "status": "running",
        "version": env!("CARGO_PKG_VERSION"),
        "services": app.catalogue.services().filter(|entry| app.serves(entry.id)).count(),
        "uptimeSeconds": app.started.elapsed().as_secs(),
        "requests": app.journal.total(),
        "seed": app.dice.seed(),
        "time": app.clock.now().to_date_time(),
    })
}

fn json_reply(status: StatusCode, value: &Value) -> Reply {
    let mut reply = text_reply("application/json", value.to_string());
    *reply.status_mut() = status;
    reply
}

fn text_reply(kind: &'static str, text: String) -> Reply {
    let mut reply = Response::new(Body::from(Bytes::from(text)));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

fn empty() -> Reply {
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

fn fail(status: StatusCode, message: impl AsRef<str>) -> Reply {
    json_reply(status, &json!({ "error": message.as_ref() }))
}

fn not_found(path: &str) -> Reply {
    fail(
        StatusCode::NOT_FOUND,
        format!(
            "nothing at {path}; /_standin/ has health, services, services/ID, requests, requests/stream, \
             requests/verify, explain/ID, coverage, responses, scenarios, faults, incidents, proton/events, \
             proton/events/stream, proton/credentials, proton/abandon, proton/adopt, proton/drift, proton/terraform/states, clock, state, reset, \
             metrics and ca"
        ),
    )
}
