//! What keeps web pages in the user's browser from driving this server.
//!
//! Three ways in are closed. *DNS rebinding*: the request's host must be one that standin answers for
//! ([`HostPolicy`]). *Cross-origin requests*: browsers send `Origin` with everything that can change something, and it
//! must be allowed by [`CorsPolicy`]. *Requests without `Origin`* (images, forms by GET, links): browsers say
//! `Sec-Fetch-Site: cross-site` with those. Programs other than browsers send none of these headers.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::hosts::{is_or_below, normal};
use super::{Authority, Body, HostKind, HostPolicy};
use crate::metrics::Refused;

/// Paths below which standin itself is driven, also behind an endpoint's path prefix.
const ADMIN_PATHS: &[&str] = &["/_standin", "/_localstack", "/_aws"];

/// How long a browser may keep the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("600");

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");

/// Which web pages may call standin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsPolicy {
    /// Pages of `localhost`, `*.localhost` and loopback addresses, on any port.
    local: bool,
    /// All pages, but not for the admin paths.
    any: bool,
    /// In the form in which browsers send them, or `null`.
    origins: Vec<Box<str>>,
}

impl Default for CorsPolicy {
    fn default() -> Self {
        Self { local: true, any: false, origins: Vec::new() }
    }
}

/// A word that [`CorsPolicy::parse`] does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an origin: expected `local`, `none`, `*`, `null` or SCHEME://HOST[:PORT]")]
pub struct CorsError(String);

impl CorsPolicy {
    /// Reads the words of a configuration, which add to local pages: `*` allows all pages for AWS calls, `null` those
    /// without an origin (files), everything else is an origin such as `https://app.example`. `none` takes local pages
    /// out, `local` stands for what is the default.
    ///
    /// # Errors
    /// With a word that is none of these.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, CorsError> {
        let mut policy = Self::default();
        for word in words.into_iter().map(str::trim).filter(|word| !word.is_empty()) {
            match word {
                "local" => {}
                "*" => policy.any = true,
                "none" => policy.local = false,
                "null" => policy.origins.push("null".into()),
                origin => match origin.split_once("://") {
                    Some((scheme, host)) if !scheme.is_empty() && !host.is_empty() && !host.contains('/') => {
                        policy.origins.push(origin.to_ascii_lowercase().into());
                    }
                    _ => return Err(CorsError(word.to_owned())),
                },
            }
        }
        Ok(policy)
    }

    fn allows(&self, origin: &str, admin: bool) -> bool {
        (self.any && !admin)
            || self.origins.iter().any(|known| known.eq_ignore_ascii_case(origin))
            || (self.local && is_local(origin))
    }
}

/// Checks where requests come from and what they are meant for.
#[derive(Clone, Debug)]
pub struct Guard {
    pub hosts: HostPolicy,
    pub cors: CorsPolicy,
    /// `false` lets everything pass and leaves CORS to the front: for listeners that stand in for somebody's own API.
    pub checks: bool,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Verdict {
    Pass,
    /// Passes, and the answer gets the headers by which this origin may read it.
    PassWithCors(HeaderValue),
    /// The answer to a preflight.
    Preflight(Box<Response<Body>>),
    /// Why not, and what would allow it.
    Refuse(Refused, String),
}

impl Guard {
    pub fn new(hosts: HostPolicy) -> Self {
        Self { hosts, cors: CorsPolicy::default(), checks: true }
    }

    /// Judges a request that came with this authority.
    pub fn check(&self, request: &Parts, authority: &Authority) -> Verdict {
        if !self.checks {
            return Verdict::Pass;
        }
        if authority.kind == HostKind::Foreign {
            let reason = format!(
                "standin does not answer for the host `{}`: with DNS rebinding, web pages reach local servers under \
                 names of their own. If the name is yours, allow it: --allow-host {}",
                authority.host, authority.host
            );
            return Verdict::Refuse(Refused::Host, reason);
        }
        if let Some(origin) = request.headers.get(header::ORIGIN) {
            return self.check_origin(request, origin, authority);
        }
        if request.headers.get(&SEC_FETCH_SITE).is_some_and(|site| site == "cross-site") {
            return self.check_cross_site(request);
        }
        Verdict::Pass
    }

    fn check_origin(&self, request: &Parts, origin: &HeaderValue, authority: &Authority) -> Verdict {
        let text = origin.to_str().unwrap_or("(not text)");
        if is_same(text, authority) {
            return Verdict::Pass;
        }
        if !self.cors.allows(text, is_admin(request.uri.path())) {
            let reason = format!(
                "standin refuses requests of the web page {text:?}. To allow it: --cors-origin {}",
                if text == "null" { "null" } else { "ORIGIN" }
            );
            return Verdict::Refuse(Refused::Origin, reason);
        }
        if request.method == Method::OPTIONS && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
            return Verdict::Preflight(Box::new(preflight(&request.headers, origin)));
        }
        Verdict::PassWithCors(origin.clone())
    }

    /// A request of another site's page without `Origin`: an image, a script, a link, a form by GET.
    fn check_cross_site(&self, request: &Parts) -> Verdict {
        let reads = request.method == Method::GET || request.method == Method::HEAD;
        if is_admin(request.uri.path()) {
            // The user may follow a link to the console; GET there changes nothing.
            let navigates = request.headers.get(&SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate");
            if reads && navigates {
                return Verdict::Pass;
            }
        } else if self.cors.any || (reads && !request.uri.query().is_some_and(names_action)) {
            return Verdict::Pass;
        }
        Verdict::Refuse(Refused::Origin, "standin refuses this request of another site's web page".to_owned())
    }
}

/// Puts the headers in by which a page of that origin may read the response. Those that a service set stay.
pub fn add_cors_headers(headers: &mut HeaderMap, origin: HeaderValue) {
    if headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN) {
        return;
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, ANY);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

fn preflight(request: &HeaderMap, origin: &HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // `*` would not cover `Authorization`.
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned().unwrap_or(ANY);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS);
    if request.contains_key(&REQUEST_PRIVATE_NETWORK) {
        headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
    }
    response
}

/// Whether a page is this server's own. Schemes are not compared: a proxy in front may have ended TLS.
fn is_same(origin: &str, authority: &Authority) -> bool {
    origin.split_once("://").is_some_and(|(_, host)| host.eq_ignore_ascii_case(&authority.text))
}

/// Whether a page comes from this machine.
fn is_local(origin: &str) -> bool {
    let Some(host) = origin.strip_prefix("http://").or(origin.strip_prefix("https://")) else { return false };
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(host, _)| host),
        None => host.split(':').next(),
    };
    host.and_then(normal).is_some_and(|host| {
        is_or_below(&host, "localhost") || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    })
}

fn is_admin(path: &str) -> bool {
    ADMIN_PATHS.iter().any(|admin| {
        path.match_indices(admin).any(|(at, _)| matches!(path.as_bytes().get(at + admin.len()), None | Some(b'/')))
    })
}

/// Query operations come as GET too, whatever they do.
fn names_action(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("Action="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Scheme;
    use http::Request;
    use standin_model::Catalogue;

    fn guard(cors: &str) -> Guard {
        let hosts = HostPolicy::new(Catalogue::embedded().partitions());
        Guard { cors: CorsPolicy::parse(cors.split_whitespace()).expect("words"), ..Guard::new(hosts) }
    }

    /// `request` is `METHOD HOST/PATH`, then headers as `name: value` lines.
    fn check(cors: &str, request: &str) -> &'static str {
        let mut lines = request.split(" | ");
        let (method, target) = lines.next().and_then(|line| line.split_once(' ')).expect("a request line");
        let (host, path) = target.split_once('/').expect("a path");
        let mut builder = Request::builder().method(method).uri(format!("/{path}"));
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            builder = builder.header(name, value);
        }
        let guard = guard(cors);
        let authority = Authority::parse(Scheme::Http, host, &guard.hosts).expect("an authority");
        let (head, ()) = builder.body(()).expect("a request").into_parts();
        match guard.check(&head, &authority) {
            Verdict::Pass => "pass",
            Verdict::PassWithCors(_) => "cors",
            Verdict::Preflight(_) => "preflight",
            Verdict::Refuse(Refused::Host, _) => "host",
            Verdict::Refuse(..) => "origin",
        }
    }

    #[test]
    fn programs_pass_and_rebound_names_do_not() {
        for (request, expect) in [
            ("POST localhost:4566/", "pass"),
            ("POST standin:4566/_standin/reset", "pass"),
            ("GET api.airflow.us-east-1.amazonaws.com/environments", "pass"),
            ("POST evil.example:4566/", "host"),
            ("GET localhost.evil.example/_standin/health", "host"),
        ] {
            assert_eq!(check("", request), expect, "{request}");
        }
    }

    #[test]
    fn pages_are_judged_by_their_origin() {
        for (cors, request, expect) in [
            ("", "POST localhost:4566/ | origin: http://localhost:3000", "cors"),
            ("", "POST localhost:4566/ | origin: http://app.localhost", "cors"),
            ("", "POST localhost:4566/ | origin: http://[::1]:3000", "cors"),
            ("", "POST standin:4566/_standin/reset | origin: http://standin:4566", "pass"),
            ("", "POST localhost:4566/ | origin: https://evil.example", "origin"),
            ("", "POST localhost:4566/ | origin: http://localhost.evil.example", "origin"),
            ("", "POST localhost:4566/ | origin: http://evil.s3.amazonaws.com", "origin"),
            ("", "POST localhost:4566/ | origin: null", "origin"),
            ("", "POST localhost:4566/ | origin: file://localhost", "origin"),
            ("none", "POST localhost:4566/ | origin: http://localhost:3000", "origin"),
            ("null", "POST localhost:4566/ | origin: null", "cors"),
            ("none https://app.example", "POST localhost:4566/ | origin: http://localhost:3000", "origin"),
            ("https://app.example", "POST localhost:4566/ | origin: http://localhost:3000", "cors"),
            ("https://app.example", "POST localhost:4566/ | origin: https://app.example", "cors"),
            ("https://app.example", "POST localhost:4566/ | origin: https://app.example.evil", "origin"),
            ("https://app.example", "POST localhost:4566/_standin/reset | origin: https://app.example", "cors"),
            ("*", "POST localhost:4566/ | origin: https://evil.example", "cors"),
            ("*", "POST localhost:4566/_standin/reset | origin: https://evil.example", "origin"),
            ("*", "POST localhost:4566/prefix/_localstack/state/reset | origin: https://evil.example", "origin"),
        ] {
            assert_eq!(check(cors, request), expect, "{cors} {request}");
        }
    }

    #[test]
    fn pages_without_origin_are_judged_by_fetch_metadata() {
        for (request, expect) in [
            ("GET localhost:4566/bucket/picture.png | sec-fetch-site: cross-site", "pass"),
            ("GET localhost:4566/?Action=DeleteQueue | sec-fetch-site: cross-site", "origin"),
            ("GET localhost:4566/?Version=1&Action=DeleteQueue | sec-fetch-site: cross-site", "origin"),
            ("GET localhost:4566/?Action=DeleteQueue | sec-fetch-site: same-origin", "pass"),
            ("POST localhost:4566/ | sec-fetch-site: cross-site", "origin"),
            ("GET localhost:4566/_standin/health | sec-fetch-site: cross-site | sec-fetch-mode: no-cors", "origin"),
            ("GET localhost:4566/_standin/console | sec-fetch-site: cross-site | sec-fetch-mode: navigate", "pass"),
            ("POST localhost:4566/_standin/reset | sec-fetch-site: cross-site | sec-fetch-mode: navigate", "origin"),
            ("GET localhost:4566/_standinx | sec-fetch-site: cross-site", "pass"),
        ] {
            assert_eq!(check("", request), expect, "{request}");
        }
    }

    #[test]
    fn preflights_are_answered_for_allowed_origins_only() {
        let request = "OPTIONS localhost:4566/ | access-control-request-method: POST | \
                       access-control-request-headers: authorization,x-amz-date | \
                       access-control-request-private-network: true";
        assert_eq!(check("", &format!("{request} | origin: https://evil.example")), "origin");
        assert_eq!(check("", &format!("{request} | origin: http://localhost:3000")), "preflight");
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization,x-amz-date"));
        headers.insert(REQUEST_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        let answer = preflight(&headers, &HeaderValue::from_static("http://localhost:3000"));
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS], "authorization,x-amz-date");
        assert_eq!(answer.headers()[ALLOW_PRIVATE_NETWORK], "true");
    }

    #[test]
    fn headers_of_a_service_stay() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("https://a.example"));
        add_cors_headers(&mut headers, HeaderValue::from_static("http://localhost"));
        assert_eq!(headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://a.example");
    }

    #[test]
    fn words_that_are_no_origins_are_errors() {
        for word in ["app.example", "https://", "https://a/b", "all"] {
            assert_eq!(CorsPolicy::parse([word]), Err(CorsError(word.to_owned())), "{word}");
        }
    }
}
