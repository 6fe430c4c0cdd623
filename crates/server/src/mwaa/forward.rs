//! Requests that Airflow's own web server answers: bytes go both ways as they come.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use standin_mwaa::web::Forward;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::net::{Body, RequestBody, drop_hop_headers};
use crate::pass::Passed;

/// It is on this machine.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long Airflow may think; its own web server gives its workers two minutes.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);
/// The longest pause within an answer: logs that are followed say nothing for a while.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Connections at once that have become something else than HTTP.
pub(crate) const UPGRADES_MAX: usize = 256;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("Airflow's web server does not take connections; it may be starting")]
    Connect(#[source] io::Error),
    #[error("Airflow's web server ended the connection without an answer")]
    Broken(#[source] hyper::Error),
    #[error("Airflow's web server gave no answer within {} seconds", HEAD_TIMEOUT.as_secs())]
    Late,
    #[error("Airflow's web server changed the protocol unasked")]
    Unasked,
    #[error("too many connections have changed their protocol")]
    Crowded,
}

impl Failed {
    fn status(&self) -> StatusCode {
        match self {
            Self::Connect(_) | Self::Crowded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken(_) | Self::Unasked => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

/// Hands a request on, and the answer back.
pub(crate) async fn forward(
    request: Request<RequestBody>,
    forward: &Forward,
    upgrades: &Arc<Semaphore>,
) -> Response<Body> {
    let looks = request.method() == Method::GET
        && request
            .headers()
            .get(ACCEPT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|kinds| kinds.contains("text/html"));
    match exchange(request, forward, upgrades).await {
        Ok(response) => response,
        Err(error) => {
            tracing::warn!(%error, cause = ?std::error::Error::source(&error), "a request to Airflow failed");
            refusal(&error, looks)
        }
    }
}

fn refusal(error: &Failed, looks: bool) -> Response<Body> {
    let (kind, text) = if looks {
        let page = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"3\">\
             <title>Airflow does not answer</title><h1>Airflow does not answer</h1>\n<p id=\"told\">{error}.</p>\n\
             <p>This page tries again every 3 seconds.</p></html>\n"
        );
        ("text/html; charset=utf-8", page)
    } else {
        ("application/json", serde_json::json!({"message": error.to_string()}).to_string())
    };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = error.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

async fn exchange(
    mut request: Request<RequestBody>,
    forward: &Forward,
    upgrades: &Arc<Semaphore>,
) -> Result<Response<Body>, Failed> {
    let asked = upgrade_of(&request);
    let here = asked.is_some().then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    let of_head = head.method == Method::HEAD;
    drop_hop_headers(&mut head.headers);
    forward.request(&mut head.headers);
    if let Some(protocol) = asked {
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        head.headers.insert(UPGRADE, protocol);
    }
    head.version = Version::HTTP_11;
    let body = if body.length() == Some(0) { Body::empty() } else { Body::source(Box::new(body)) };
    let mut response = send(forward, Request::from_parts(head, body)).await?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let here = here.ok_or(Failed::Unasked)?;
        let permit = Arc::clone(upgrades).try_acquire_owned().map_err(|_| Failed::Crowded)?;
        let there = hyper::upgrade::on(&mut response);
        tokio::spawn(async move {
            let (Ok(here), Ok(there)) = tokio::join!(here, there) else { return };
            let (mut here, mut there) = (TokioIo::new(here), TokioIo::new(there));
            if let Err(error) = tokio::io::copy_bidirectional(&mut here, &mut there).await {
                tracing::debug!(%error, "a connection to Airflow broke");
            }
            drop(permit);
        });
        return Ok(response.map(|_| Body::empty()));
    }
    let (mut head, body) = response.into_parts();
    drop_hop_headers(&mut head.headers);
    forward.response(&mut head.headers);
    let body = if of_head || http_body::Body::is_end_stream(&body) {
        Body::empty()
    } else {
        let left = content_length(&head.headers);
        Body::source(Box::new(Passed::new(body, left).with_pauses_of(IDLE_TIMEOUT)))
    };
    Ok(Response::from_parts(head, body))
}

/// The protocol that a client wants to go on with.
fn upgrade_of(request: &Request<RequestBody>) -> Option<HeaderValue> {
    let asks = request.headers().get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let asks = asks.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    (asks && request.version() == Version::HTTP_11).then(|| request.headers().get(UPGRADE).cloned()).flatten()
}

async fn send(forward: &Forward, request: Request<Body>) -> Result<Response<Incoming>, Failed> {
    let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(forward.upstream.address)).await;
    let stream = connecting.map_err(io::Error::from).flatten().map_err(Failed::Connect)?;
    stream.set_nodelay(true).map_err(Failed::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(Failed::Broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to Airflow broke");
        }
    });
    timeout(HEAD_TIMEOUT, sender.send_request(request)).await.map_err(|_| Failed::Late)?.map_err(Failed::Broken)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
