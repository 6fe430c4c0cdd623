//! Standin as a forward proxy: whose requests are answered here, and what happens to the others.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Request, Response, Uri};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::hosts::is_or_below;
use super::{Authority, Body, HostKind, ProxyPolicy, RequestBody};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers of one hop (RFC 9110, 7.6.1), which a proxy does not pass on.
static HOP_HEADERS: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What is to be done with a request for some host and port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Answered here.
    Here,
    /// Sent on to where it was meant for.
    Pass,
    Refuse,
}

/// Decides about a proxy request. `own` are the addresses at which this server listens, `local` is the one at which the
/// request came.
pub(super) fn route(policy: ProxyPolicy, target: &Authority, own: &[SocketAddr], local: SocketAddr) -> Route {
    let port = target.port_or_default();
    let own_port = port == local.port() || own.iter().any(|address| address.port() == port);
    let here = match target.kind {
        HostKind::Aws => policy != ProxyPolicy::Off,
        HostKind::Local => {
            own_port
                && match target.ip() {
                    Some(ip) => is_own(ip, own, local),
                    None => true,
                }
        }
        HostKind::Foreign => false,
    };
    match (here, policy) {
        (true, _) => Route::Here,
        (false, ProxyPolicy::PassOthers | ProxyPolicy::Guard) => Route::Pass,
        (false, ProxyPolicy::AnswerAws | ProxyPolicy::Off) => Route::Refuse,
    }
}

fn is_own(ip: IpAddr, own: &[SocketAddr], local: SocketAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip == local.ip().to_canonical() || own.iter().any(|address| address.ip().to_canonical() == ip)
}

/// Why a proxy request is refused, and what would help.
pub(super) fn refusal(policy: ProxyPolicy, target: &Authority) -> String {
    let host = &target.text;
    if policy == ProxyPolicy::Off {
        return format!(
            "standin does not serve as a proxy: it is switched off (--proxy-policy off); asked for {host}\n"
        );
    }
    let hint = if target.kind == HostKind::Local || is_or_below(&target.host, "169.254.169.254") {
        format!("name it in NO_PROXY so that clients go there themselves: NO_PROXY={}", target.host)
    } else {
        "name it in NO_PROXY, or start standin with --proxy-policy pass-others to have such requests sent on".to_owned()
    };
    format!("standin is a proxy for AWS hosts and for itself only, and {host} is neither. To reach it, {hint}\n")
}

/// Connects to where a request was meant for.
pub(super) async fn connect(target: &Authority) -> std::io::Result<TcpStream> {
    let connecting = TcpStream::connect((&*target.host, target.port_or_default()));
    let stream = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(std::io::Error::from).flatten()?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Carries bytes between a client and where it wanted to be connected to, until one side ends or `cut` completes.
pub(super) async fn carry(upgrade: OnUpgrade, mut there: TcpStream, cut: impl Future<Output = ()>) {
    let Ok(here) = upgrade.await else { return };
    let mut here = TokioIo::new(here);
    tokio::select! {
        carried = tokio::io::copy_bidirectional(&mut here, &mut there) => {
            if let Err(error) = carried {
                tracing::debug!(%error, "a tunnel broke");
            }
        }
        () = cut => {}
    }
}

/// Sends a plain request on and gives back what came.
pub(super) async fn pass(
    mut head: Parts,
    body: RequestBody,
    target: &Authority,
) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = connect(target).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another server broke");
        }
    });
    drop_hop_headers(&mut head.headers);
    head.version = http::Version::HTTP_11;
    head.uri = origin_form(&head.uri);
    let body = body.into_incoming().map_or_else(Body::empty, Body::passed);
    let response = sender.send_request(Request::from_parts(head, body)).await?;
    let (mut head, body) = response.into_parts();
    drop_hop_headers(&mut head.headers);
    Ok(Response::from_parts(head, Body::passed(body)))
}

pub(crate) fn drop_hop_headers(headers: &mut HeaderMap) {
    // What `Connection` names is of this hop as well.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_HEADERS) {
        headers.remove(name);
    }
}

/// The path and query alone.
pub(super) fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().map_or_else(|| Uri::from_static("/"), |path| Uri::from(path.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{HostPolicy, Scheme};
    use standin_model::Catalogue;

    fn check(policy: ProxyPolicy, target: &str, expect: Route) {
        let hosts = HostPolicy::new(Catalogue::embedded().partitions());
        let target = Authority::parse(Scheme::Https, target, &hosts).expect("an authority");
        let own = ["0.0.0.0:4566".parse().expect("an address"), "[::]:4566".parse().expect("an address")];
        let local = "10.0.0.5:4566".parse().expect("an address");
        assert_eq!(route(policy, &target, &own, local), expect, "{policy:?} {}", target.text);
    }

    #[test]
    fn aws_and_this_server_are_answered_others_are_not() {
        for (target, expect) in [
            ("api.airflow.us-east-1.amazonaws.com:443", Route::Here),
            ("sts.amazonaws.com", Route::Here),
            ("localhost:4566", Route::Here),
            ("api.127.0.0.1:4566", Route::Here),
            ("api.localhost:4566", Route::Here),
            ("10.0.0.5:4566", Route::Here),
            ("10.0.0.6:4566", Route::Refuse),
            ("localhost:5432", Route::Refuse),
            ("169.254.169.254:80", Route::Refuse),
            ("pypi.org:443", Route::Refuse),
        ] {
            check(ProxyPolicy::AnswerAws, target, expect);
        }
        check(ProxyPolicy::PassOthers, "pypi.org:443", Route::Pass);
        check(ProxyPolicy::PassOthers, "sts.amazonaws.com:443", Route::Here);
        check(ProxyPolicy::Guard, "pypi.org:443", Route::Pass);
        check(ProxyPolicy::Guard, "sts.amazonaws.com:443", Route::Here);
        check(ProxyPolicy::Off, "sts.amazonaws.com:443", Route::Refuse);
        check(ProxyPolicy::Off, "localhost:4566", Route::Here);
    }

    #[test]
    fn refusals_say_what_helps() {
        let hosts = HostPolicy::new(Catalogue::embedded().partitions());
        let refusal = |target| {
            refusal(ProxyPolicy::AnswerAws, &Authority::parse(Scheme::Http, target, &hosts).expect("an authority"))
        };
        assert!(refusal("pypi.org").contains("--proxy-policy pass-others"));
        assert!(refusal("localhost:5432").contains("NO_PROXY=localhost"));
    }

    #[test]
    fn headers_of_the_hop_are_dropped() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("connection", "close, x-mine"), ("x-mine", "1"), ("proxy-authorization", "x"), ("accept", "*/*")]
        {
            headers.insert(name, value.parse().expect("a value"));
        }
        drop_hop_headers(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["accept"]);
    }
}
