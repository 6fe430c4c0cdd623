//! Calls that were meant for AWS itself and came here, because this server is the proxy of whoever made them.

use std::fmt::Debug;
use std::net::SocketAddr;

use http::Request;
use standin_core::{OperationError, codes};
use standin_model::Str;
use standin_wire::server::encode_error;

use crate::app::App;
use crate::net::{Body, HostKind, Peer, RequestBody};
use crate::payload::{self, Expected};
use crate::pipeline::is_form;

/// Hears of attempts to reach AWS.
pub trait LeakWatch: Debug + Send + Sync {
    /// Takes note of an attempt. A tunnel is told first without an operation, and then again from the same remote address
    /// with what was sent through it.
    ///
    /// Gives what the client is told.
    fn tried(&self, attempt: LeakAttempt<'_>) -> String;
}

/// An attempt to reach AWS. Nothing of it is sent on.
#[derive(Clone, Copy, Debug)]
pub struct LeakAttempt<'a> {
    pub host: &'a str,
    /// Service and operation, as far as they could be read.
    pub service: Option<Str>,
    pub operation: Option<Str>,
    /// The client's end of the connection.
    pub remote: SocketAddr,
}

/// Whether a request was meant for AWS, and somebody watches for that.
pub(crate) fn is_leak(app: &App, peer: &Peer) -> bool {
    app.leaks.is_some() && peer.via_proxy && peer.authority.kind == HostKind::Aws
}

/// Refuses such a request, in the protocol in which it came.
pub(crate) async fn refuse(app: &App, request: Request<RequestBody>, peer: &Peer) -> http::Response<Body> {
    let (parts, body) = request.into_parts();
    // Operations of Query services stand in the body.
    let form = match is_form(&parts.headers) {
        true => payload::collect(body, &parts.headers, Expected::FORM, &app.limits).await.ok(),
        false => None,
    };
    let identified = app.index.identify(&parts, form.as_deref(), &app.defaults);
    let (protocol, service, operation) = match &identified {
        Ok(identity) => (identity.protocol, Some(identity.service), Some(identity.operation)),
        Err(miss) => (miss.protocol, miss.service, None),
    };
    let attempt = LeakAttempt {
        host: &peer.authority.host,
        service: service.map(|service| service.id),
        operation: operation.map(|operation| operation.name),
        remote: peer.remote,
    };
    let text = app.leaks.as_ref().map(|watch| watch.tried(attempt)).unwrap_or_default();
    // A status that no client repeats.
    let error = OperationError::new(codes::ACCESS_DENIED, text).with_status(403);
    let id = app.request_id(&app.dice.key("request id of a leak"));
    let response = encode_error(protocol, service, operation, &id, &error);
    let mut sent = http::Response::new(Body::from(response.body));
    *sent.status_mut() = response.status;
    *sent.headers_mut() = response.headers;
    sent
}
