//! What no route answers, passed on to another server.

use std::time::Duration;

use bytes::Bytes;
use fancy_regex::Regex;
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, SET_COOKIE, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use std::sync::LazyLock;

use crate::log::Asked;
use crate::reply::{Body, Reply};
use crate::request::Incoming;
use crate::server::Server;
use crate::text::Text;

/// Headers of one connection only.
const OF_CONNECTION: [HeaderName; 4] = [CONNECTION, TRANSFER_ENCODING, UPGRADE, HeaderName::from_static("keep-alive")];

/// A request to pass on, and what is done to its answer.
#[derive(Debug)]
pub struct Forward {
    /// Scheme, host and port of the other server, as the environment has them.
    pub host: String,
    /// Its URI is the path and the query there.
    pub request: Request<Bytes>,
    /// What the client waits for before.
    pub latency: Duration,
    /// The environment's, which those of the other server replace.
    headers: HeaderMap,
    /// Name as it is written, and value.
    response_headers: Vec<(String, String)>,
    /// Cookies for HTTPS only would be lost.
    is_plain: bool,
    url: String,
    pub(crate) asked: Asked,
}

/// Where and how requests are passed on.
#[derive(Debug)]
pub(crate) struct ProxyPlan {
    host: String,
    /// Before every path; begins with a slash.
    base: String,
    /// Taken off paths.
    removed: Option<String>,
    request_headers: Vec<(String, Text)>,
    response_headers: Vec<(String, Text)>,
}

impl ProxyPlan {
    /// `None` where nothing is passed on.
    pub fn new(environment: &crate::Environment) -> Option<Self> {
        if !environment.proxy_mode {
            return None;
        }
        let (host, base) = split(&environment.proxy_host)?;
        let texts = |headers: &[crate::environment::Header]| -> Vec<(String, Text)> {
            let used = headers.iter().filter(|header| !header.key.is_empty() && !header.value.is_empty());
            used.map(|header| (header.key.clone(), Text::new(&header.value))).collect()
        };
        let prefix = &environment.endpoint_prefix;
        Some(Self {
            host,
            base,
            removed: Some(format!("/{prefix}")).filter(|_| environment.proxy_remove_prefix && !prefix.is_empty()),
            request_headers: texts(&environment.proxy_request_headers),
            response_headers: texts(&environment.proxy_response_headers),
        })
    }

    /// What is sent to the other server.
    pub fn forward(
        &self,
        server: &Server,
        parts: &Parts,
        incoming: &Incoming<'_>,
        headers: HeaderMap,
        latency: u64,
    ) -> Forward {
        let url = match &self.removed {
            Some(prefix) => incoming.url().strip_prefix(prefix.as_str()).unwrap_or(incoming.url()),
            None => incoming.url(),
        };
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let path = crate::path::collapse_slashes(&format!("{}/{path}", self.base));
        let target = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let mut request = Request::new(incoming.bytes().clone());
        *request.method_mut() = incoming.method.clone();
        *request.uri_mut() = target.parse().unwrap_or_default();
        let rendered = |headers: &[(String, Text)]| -> Vec<(String, String)> {
            headers.iter().map(|(key, value)| (key.clone(), server.header_text(value, incoming))).collect()
        };
        let sent = request.headers_mut();
        *sent = incoming.request_headers.clone();
        for name in OF_CONNECTION.iter().chain(&[HOST, EXPECT, CONTENT_LENGTH]) {
            sent.remove(name);
        }
        if incoming.bytes().is_empty() && matches!(*incoming.method, Method::DELETE | Method::OPTIONS) {
            sent.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        for (key, value) in rendered(&self.request_headers) {
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value)) {
                sent.insert(name, value);
            }
        }
        Forward {
            host: self.host.clone(),
            request,
            latency: Duration::from_millis(latency),
            headers,
            response_headers: rendered(&self.response_headers),
            is_plain: !server.is_tls(),
            url: url.to_owned(),
            asked: Asked::new(parts.clone(), incoming.bytes()),
        }
    }
}

/// Scheme with host, and path, of a URL.
fn split(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.trim().split_once("://")?;
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return None;
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    (!host.is_empty()).then(|| (format!("{}://{host}", scheme.to_ascii_lowercase()), path.to_owned()))
}

impl Forward {
    /// Status and headers for the client, from those of the other server.
    pub fn answered(&self, status: StatusCode, upstream: &HeaderMap) -> Response<()> {
        static DOMAIN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i)(;\s*domain=)([^;]+)").ok());
        static SECURE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?i);\s*secure(?=;|$)").ok());
        let mut upstream = upstream.clone();
        for (key, value) in &self.response_headers {
            let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(value)) else {
                continue;
            };
            // Only a name in lower case adds to the other server's cookies.
            if key == SET_COOKIE.as_str() {
                upstream.append(name, value)
            } else {
                upstream.insert(name, value).is_some()
            };
        }
        let without = |text: &str, pattern: &LazyLock<Option<Regex>>| match pattern.as_ref() {
            Some(pattern) => pattern.replace(text, "").into_owned(),
            None => text.to_owned(),
        };
        let mut response = Response::new(());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        *headers = self.headers.clone();
        for name in upstream.keys().filter(|name| !OF_CONNECTION.contains(name)) {
            headers.remove(name);
            for value in upstream.get_all(name) {
                let mut value = value.clone();
                if *name == SET_COOKIE
                    && let Ok(cookie) = value.to_str()
                {
                    let mut cookie = without(cookie, &DOMAIN);
                    if self.is_plain {
                        cookie = without(&cookie, &SECURE);
                    }
                    value = HeaderValue::from_str(&cookie).unwrap_or(value);
                }
                headers.append(name.clone(), value);
            }
        }
        response
    }

    /// What a client gets when there was no answer.
    pub fn failed(&self, host: &str, error: &str) -> Response<Body> {
        let mut reply = Reply::new(self.headers.clone());
        let message = format!("An error occurred while trying to proxy to {host} {}: {error}", self.url);
        reply.send_error(&message, Some(504));
        reply.finish(self.request.method(), self.request.headers())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_proxies() {
        let check = |url: &str, expect: Option<(&str, &str)>| {
            let found = split(url);
            assert_eq!(found.as_ref().map(|(host, base)| (host.as_str(), base.as_str())), expect, "{url}");
        };
        check("http://a:1", Some(("http://a:1", "")));
        check("HTTPS://a/b/c?d", Some(("https://a", "/b/c")));
        check("localhost:3000", None);
        check("http://", None);
    }
}
