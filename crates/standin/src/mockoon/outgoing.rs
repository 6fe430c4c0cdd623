//! Requests to other servers: those that a proxy passes on, and callbacks.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use serde_json::{Map, json};
use standin_mockoon::{Call, Forward, Server};

use super::body::{Passed, Sent};
use super::log::Log;
use crate::client::{ClientError, Connection, Endpoint, Trust};

/// Nobody waits for the answer to a callback.
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(300);

/// Passes a request on; the answer comes as it arrives.
pub async fn forward(server: Arc<Server>, log: Log, mut forward: Box<Forward>) -> Response<Sent> {
    tokio::time::sleep(forward.latency).await;
    let mut request = Request::new(Full::new(std::mem::take(forward.request.body_mut())));
    *request.method_mut() = forward.request.method().clone();
    *request.uri_mut() = forward.request.uri().clone();
    *request.headers_mut() = forward.request.headers().clone();
    let (method, path) = (forward.request.method().clone(), forward.request.uri().path().to_owned());
    match pass_on(&forward.host, request).await {
        Ok(answer) => {
            let (parts, body) = answer.into_parts();
            let (head, ()) = forward.answered(parts.status, &parts.headers).into_parts();
            let (status, headers) = (head.status, head.headers.clone());
            let seen = Box::new(move |first: Bytes| {
                let transaction = server.forwarded(&forward, status, &headers, &first);
                log.transaction(method.as_str(), &path, status.as_u16(), transaction.as_ref(), true);
            });
            Response::from_parts(head, Sent::Passed(Passed::new(body, seen)))
        }
        Err(error) => {
            let host = server.environment().proxy_host.clone();
            let response = forward.failed(&host, &error);
            log.error(&format!("An error occurred while trying to proxy to {host}"));
            let (head, body) = response.into_parts();
            let standin_mockoon::Body::Bytes(bytes) = body else { return Response::new(Sent::Bytes(None)) };
            let transaction = server.forwarded(&forward, head.status, &head.headers, &bytes);
            log.transaction(method.as_str(), &path, head.status.as_u16(), transaction.as_ref(), true);
            Response::from_parts(head, Sent::Bytes(Some(bytes)))
        }
    }
}

async fn pass_on(host: &str, request: Request<Full<Bytes>>) -> Result<Response<hyper::body::Incoming>, String> {
    let endpoint: Endpoint = host.parse()?;
    // As Mockoon does: whoever is behind the proxy need not be known.
    let connection = Connection::new(endpoint, Trust::anybody(), CALLBACK_TIMEOUT);
    connection.send_streaming(request).await.map_err(|error| node_error(&error))
}

/// What Node says of it, where it has words of its own.
fn node_error(error: &ClientError) -> String {
    match error {
        ClientError::Connect { endpoint, source } => {
            let code = match source.kind() {
                std::io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
                std::io::ErrorKind::TimedOut => "ETIMEDOUT",
                std::io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
                std::io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
                _ => return format!("Error: getaddrinfo ENOTFOUND {}", endpoint.host),
            };
            format!("Error: connect {code} {}:{}", endpoint.host, endpoint.port)
        }
        ClientError::Broken { .. } => "Error: socket hang up".to_owned(),
        other => format!("Error: {other}"),
    }
}

/// Sends a callback when its time has come. `origin` is the server's own.
pub async fn call(log: Log, origin: Arc<str>, call: Call) {
    tokio::time::sleep(call.latency).await;
    let is_own = call.url.starts_with('/');
    let url = if is_own { format!("{origin}{}", call.url) } else { call.url.clone() };
    let (name, method) = (call.name.clone(), call.method.to_string().to_ascii_lowercase());
    match send(&url, is_own, call).await {
        Ok(status) => {
            let about = json!({
                "callbackName": name,
                "callbackMethod": method,
                "callbackUrl": url,
                "callbackStatus": status,
            });
            log.info_with("Callback invoked", about.as_object().unwrap_or(&Map::new()));
        }
        Err(error) => log.error(&format!("Error while executing callback: {error}")),
    }
}

async fn send(url: &str, is_own: bool, call: Call) -> Result<u16, String> {
    let uri: Uri = url.parse().map_err(|_| format!("Failed to parse URL from {url}"))?;
    let endpoint: Endpoint = url.parse()?;
    // The server's own certificate may be one that nobody knows.
    let trust = if is_own { Trust::anybody() } else { Trust::default() };
    let mut request = Request::new(Full::new(call.body));
    *request.method_mut() = call.method;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(|_| format!("Failed to parse URL from {url}"))?;
    *request.headers_mut() = call.headers;
    let headers = request.headers_mut();
    headers.entry(http::header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    let mut connection = Connection::new(endpoint, trust, CALLBACK_TIMEOUT);
    let answer = connection.send(request).await.map_err(|error| error.to_string())?;
    Ok(answer.status().as_u16())
}
