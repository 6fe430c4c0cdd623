//! One request: what it is for, whether it may, and the front's answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::request::Parts;
use http::{HeaderName, Method, Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::{Caller, Connection, Phase, serve_tunnel};
use super::guard::{Verdict, add_cors_headers};
use super::io::Activity;
use super::proxy::{self, Route};
use super::{Authority, Body, Cut, Front, HostKind, Peer, ProxyPolicy, RequestBody, Scheme};
use crate::metrics::Refused;

const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// A response's body; while it lives, its request is under way.
pub(super) struct Tracked {
    body: Body,
    _request: Open,
}

/// Counts a request as open.
struct Open(Arc<Activity>);

impl Open {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.requests_open.fetch_add(1, Relaxed);
        Self(Arc::clone(activity))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let activity = &*self.0;
        activity.reads_when_done.store(activity.reads.load(Relaxed), Relaxed);
        activity.requests_done.fetch_add(1, Relaxed);
        activity.requests_open.fetch_sub(1, Relaxed);
    }
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Makes hyper close the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut on purpose")]
pub(super) struct CutOnPurpose;

/// Answers a request.
pub(super) async fn answer<F: Front>(
    connection: Arc<Connection<F>>,
    request: Request<Incoming>,
) -> Result<Response<Tracked>, CutOnPurpose> {
    let open = Open::new(&connection.activity);
    // Of HTTP/2 only the stream is reset: others go on.
    let alone = request.version() < Version::HTTP_2;
    let body = match respond(&connection, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&connection),
    };
    if body.extensions().get::<Cut>().is_some() {
        connection.activity.resets.store(alone, Relaxed);
        return Err(CutOnPurpose);
    }
    Ok(body.map(|body| Tracked { body, _request: open }))
}

/// A request that the network side does not let through.
struct Refusal {
    status: StatusCode,
    counted: Refused,
    /// For whoever reads the client's error.
    text: String,
}

impl Refusal {
    fn malformed(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, counted: Refused::Malformed, text: text.into() }
    }

    fn into_response<F>(self, connection: &Connection<F>) -> Response<Body> {
        connection.shared.metrics.refused(self.counted);
        tracing::warn!(remote = %connection.caller.remote, status = self.status.as_u16(), "{}", self.text.trim_end());
        let error_type = HeaderValue::from_static(match self.counted {
            Refused::Malformed => "ValidationException",
            Refused::Host | Refused::Origin | Refused::Proxy => "AccessDeniedException",
        });
        let mut response = Response::new(Body::from(format!("{}\n", self.text.trim_end())));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        response.headers_mut().insert(ERROR_TYPE, error_type);
        response
    }
}

async fn respond<F: Front>(
    connection: &Arc<Connection<F>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    if request.method() == Method::CONNECT {
        return connect(connection, request).await;
    }
    let shared = &connection.shared;
    let (mut head, body) = request.into_parts();
    let body = RequestBody::new(body, &head, Arc::clone(&shared.limits));
    let uri_bytes = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if uri_bytes > shared.limits.uri_bytes_max {
        let text = format!("the URI has {uri_bytes} bytes, more than the {} allowed", shared.limits.uri_bytes_max);
        return Err(Refusal::malformed(StatusCode::URI_TOO_LONG, text));
    }
    let (authority, as_proxy) = authority(connection, &mut head)?;
    if as_proxy {
        let local = connection.caller.local;
        match proxy::route(shared.proxy, &authority, &shared.own, local) {
            Route::Here => proxy::drop_hop_headers(&mut head.headers),
            Route::Pass => return Ok(pass(head, body, &authority).await),
            Route::Refuse => return Err(refused_by_proxy(connection, &authority)),
        }
    }
    if head.uri.path() == "*" {
        return Ok(response(StatusCode::NO_CONTENT));
    }
    let cors_origin = match shared.guard.check(&head, &authority) {
        Verdict::Pass => None,
        Verdict::PassWithCors(origin) => Some(origin),
        Verdict::Preflight(response) => return Ok(*response),
        Verdict::Refuse(counted, text) => return Err(Refusal { status: StatusCode::FORBIDDEN, counted, text }),
    };
    let peer = Peer {
        remote: connection.caller.remote,
        local: connection.caller.local,
        via_proxy: as_proxy || connection.caller.tunnel.is_some(),
        authority,
    };
    let request = Request::from_parts(head, body);
    let served = pin!(async { shared.front.serve(request, peer).await });
    let mut response = catch_panic(served).await.unwrap_or_else(|| {
        shared.metrics.panicked();
        // The panic hook has told where and why.
        tracing::error!("a request ended in a panic");
        internal_failure()
    });
    if let Some(origin) = cors_origin {
        add_cors_headers(response.headers_mut(), origin);
    }
    Ok(response)
}

/// `None` when the future panicked. It is not polled again then.
async fn catch_panic<T: Future>(mut future: Pin<&mut T>) -> Option<T::Output> {
    std::future::poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

/// Finds out which host a request is meant for, and gives the request the form that clients of an origin server use.
/// Also tells whether the client takes this server for its proxy.
fn authority<F>(connection: &Connection<F>, head: &mut Parts) -> Result<(Arc<Authority>, bool), Refusal> {
    let bad = |text: &str| Refusal::malformed(StatusCode::BAD_REQUEST, text);
    if let Some(target) = head.uri.authority() {
        let http2 = head.version >= Version::HTTP_2;
        // HTTP/2 always says the scheme, and clients differ in what they take for it behind a tunnel.
        let scheme = match head.uri.scheme_str() {
            _ if http2 => connection.scheme,
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            _ => return Err(bad("the scheme of the request's URI is neither http nor https")),
        };
        let authority = named(connection, scheme, target.as_str())?;
        // RFC 9112, 3.2.2: the host of the URI replaces the header.
        let host = HeaderValue::from_str(target.as_str()).map_err(|_| bad("the host of the URI is no host"))?;
        head.headers.insert(header::HOST, host);
        head.uri = proxy::origin_form(&head.uri);
        return Ok((authority, !http2));
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().map_err(|_| bad("the Host header is not text"))?,
        (Some(_), Some(_)) => return Err(bad("more than one Host header")),
        (None, _) if head.version == Version::HTTP_10 => {
            let host = connection.caller.local.to_string();
            let authority = named(connection, connection.scheme, &host)?;
            head.headers.insert(header::HOST, HeaderValue::from_str(&host).expect("an address is printable"));
            return Ok((authority, false));
        }
        (None, _) => return Err(bad("no Host header")),
    };
    Ok((named(connection, connection.scheme, host)?, false))
}

/// Reads an authority, or takes that of the request before.
fn named<F>(connection: &Connection<F>, scheme: Scheme, text: &str) -> Result<Arc<Authority>, Refusal> {
    let mut last = connection.authority.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(last) = &*last
        && *last.text == *text
        && last.scheme == scheme
    {
        return Ok(Arc::clone(last));
    }
    let Some(authority) = Authority::parse(scheme, text, &connection.shared.guard.hosts) else {
        return Err(Refusal::malformed(
            StatusCode::BAD_REQUEST,
            format!("{text:?} is not a host with or without port"),
        ));
    };
    let authority = Arc::new(authority);
    *last = Some(Arc::clone(&authority));
    Ok(authority)
}

/// Makes the tunnel that a client asked its proxy for.
async fn connect<F: Front>(
    connection: &Arc<Connection<F>>,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let shared = &connection.shared;
    let target = request
        .uri()
        .authority()
        .and_then(|target| Authority::parse(Scheme::Https, target.as_str(), &shared.guard.hosts))
        .ok_or_else(|| Refusal::malformed(StatusCode::BAD_REQUEST, "CONNECT without HOST:PORT"))?;
    let target = Arc::new(target);
    if connection.caller.tunnel.is_some() {
        return Err(Refusal::malformed(StatusCode::BAD_REQUEST, "CONNECT within a tunnel"));
    }
    let caller = Caller { tunnel: Some(Arc::clone(&target)), ..connection.caller.clone() };
    if shared.proxy == ProxyPolicy::Guard && target.kind == HostKind::Aws {
        shared.front.tunnelled(&target, caller.remote);
    }
    match proxy::route(shared.proxy, &target, &shared.own, caller.local) {
        Route::Here => serve_tunnel(Arc::clone(shared), hyper::upgrade::on(&mut request), caller),
        Route::Pass => {
            let there = match proxy::connect(&target).await {
                Ok(there) => there,
                Err(error) => return Ok(unreachable(&target, &error)),
            };
            let upgrade = hyper::upgrade::on(&mut request);
            let mut phases = shared.phases.clone();
            tokio::spawn(async move {
                let shutdown = async move {
                    let _ = phases.wait_for(|phase| *phase > Phase::Serving).await;
                };
                proxy::carry(upgrade, there, shutdown).await;
                drop(caller);
            });
        }
        Route::Refuse => return Err(refused_by_proxy(connection, &target)),
    }
    Ok(response(StatusCode::OK))
}

async fn pass(head: Parts, body: RequestBody, target: &Authority) -> Response<Body> {
    match proxy::pass(head, body, target).await {
        Ok(response) => response,
        Err(error) => unreachable(target, &*error),
    }
}

fn refused_by_proxy<F>(connection: &Connection<F>, target: &Authority) -> Refusal {
    Refusal {
        status: StatusCode::FORBIDDEN,
        counted: Refused::Proxy,
        text: proxy::refusal(connection.shared.proxy, target),
    }
}

fn unreachable(target: &Authority, error: &(dyn std::error::Error + 'static)) -> Response<Body> {
    let mut response = response(StatusCode::BAD_GATEWAY);
    *response.body_mut() = Body::from(format!("standin could not pass this on to {}: {error}\n", target.text));
    response
}

fn response(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An error without the form of a protocol, which is not known here. Every SDK finds the type in the header.
fn internal_failure() -> Response<Body> {
    let body = r#"{"__type":"InternalFailure","message":"standin has a bug: its log tells more"}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(ERROR_TYPE, HeaderValue::from_static("InternalFailure"));
    response
}
