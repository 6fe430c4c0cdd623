//! A request as rules and templates see it. What costs something is made when it is first asked for.

use std::cell::OnceCell;
use std::net::IpAddr;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method};
use serde_json::Map;
use standin_template::Value;

use crate::path::{Captured, Captures, collapse_slashes};
use crate::{form, multipart, xml};

/// Brackets in query strings nest no deeper; in forms, twice as deep.
const QUERY_DEPTH: usize = 5;

/// What every route is called in Mockoon's own router; rules on the path see it.
const ROUTER_PATH: &str = "*";

/// One request.
pub struct Incoming<'r> {
    pub method: &'r Method,
    pub request_headers: &'r HeaderMap,
    /// As the client wrote it, without the query.
    pub original_path: &'r str,
    /// Repeated slashes collapsed, still encoded.
    pub path: std::borrow::Cow<'r, str>,
    url: OnceCell<String>,
    /// What rules take for the path of the route.
    pub pattern: std::borrow::Cow<'r, str>,
    /// It is, or came with, a message over a WebSocket.
    pub is_socket: bool,
    query_text: &'r str,
    bytes: &'r Bytes,
    peer: IpAddr,
    base: &'r BaseUrl,
    params: Value,
    ip: OnceCell<String>,
    text: OnceCell<String>,
    body: OnceCell<Option<Value>>,
    query: OnceCell<Value>,
    headers: OnceCell<Value>,
    cookies: OnceCell<Value>,
    hostname: OnceCell<String>,
}

/// What the address of the server is made of.
#[derive(Clone, Debug)]
pub struct BaseUrl {
    /// Given by the user; wins.
    pub public: Option<String>,
    pub is_https: bool,
    pub port: u16,
    /// With its slash; empty without a prefix.
    pub prefix: String,
}

/// How a content type is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Form,
    Multipart,
    Xml,
}

fn is_json(content_type: &str) -> bool {
    let lower = content_type.to_ascii_lowercase();
    let vendor = lower.find("application/").is_some_and(|place| lower[place..].contains("+json"));
    content_type.contains("application/json") || vendor
}

fn is_xml(content_type: &str) -> bool {
    ["application/xml", "application/soap+xml", "text/xml"].iter().any(|kind| content_type.contains(kind))
}

/// Of a content type in lower case.
fn kind(content_type: &str) -> Option<Kind> {
    if is_json(content_type) {
        Some(Kind::Json)
    } else if content_type.contains("application/x-www-form-urlencoded") {
        Some(Kind::Form)
    } else if content_type.contains("multipart/form-data") {
        Some(Kind::Multipart)
    } else if is_xml(content_type) {
        Some(Kind::Xml)
    } else {
        None
    }
}

/// Header bytes as a text: one character a byte.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

impl<'r> Incoming<'r> {
    pub fn new(parts: &'r Parts, bytes: &'r Bytes, peer: IpAddr, base: &'r BaseUrl) -> Self {
        let path = parts.uri.path();
        let query = parts.uri.query().unwrap_or_default();
        Self {
            method: &parts.method,
            request_headers: &parts.headers,
            original_path: path,
            path: if path.contains("//") { collapse_slashes(path).into() } else { path.into() },
            url: OnceCell::new(),
            pattern: ROUTER_PATH.into(),
            is_socket: false,
            query_text: query,
            bytes,
            peer,
            base,
            params: Value::Undefined,
            ip: OnceCell::new(),
            text: OnceCell::new(),
            body: OnceCell::new(),
            query: OnceCell::new(),
            headers: OnceCell::new(),
            cookies: OnceCell::new(),
            hostname: OnceCell::new(),
        }
    }

    /// A message over a WebSocket, or none, and the request that opened it. Mockoon reads that with less care.
    pub fn of_socket(parts: &'r Parts, message: &'r Bytes, peer: IpAddr, base: &'r BaseUrl, endpoint: &'r str) -> Self {
        use standin_template::Request as _;
        let mut request = Self::new(parts, message, peer, base);
        request.is_socket = true;
        let slash = if endpoint.starts_with('/') { "" } else { "/" };
        request.pattern = format!("{slash}{endpoint}").into();
        let _ = request.hostname.set(request.header_text("host").unwrap_or_default());
        if let Some(forwarded) = request.header_text("x-forwarded-for") {
            let _ = request.ip.set(forwarded);
        }
        let _ = request.query.set(Value::from(form::parse_flat(request.query_text)));
        if !message.is_empty() {
            let content_type = request.header_text("content-type").unwrap_or_default();
            let text = request.raw_body();
            let body = match () {
                () if is_json(&content_type) => Value::from_json_text(text).unwrap_or_default(),
                () if is_xml(&content_type) => xml::parse(text).map(Value::from).unwrap_or_default(),
                () => Value::text(text),
            };
            let _ = request.body.set(Some(body));
        } else {
            let _ = request.body.set(None);
        }
        request
    }

    pub fn set_params(&mut self, captures: &Captures) {
        self.params = Value::object(captures.iter().map(|(name, value)| {
            let value = match value {
                Captured::One(text) => Value::text(text.as_str()),
                Captured::Segments(segments) => {
                    Value::list(segments.iter().map(|segment| Value::text(segment.as_str())).collect())
                }
            };
            (name.as_ref(), value)
        }));
    }

    pub fn param(&self, name: &str) -> Value {
        self.params.get(name)
    }

    /// The path and the query, slashes collapsed.
    pub fn url(&self) -> &str {
        self.url.get_or_init(|| {
            let query = if self.query_text.is_empty() { "" } else { "?" };
            collapse_slashes(&format!("{}{query}{}", self.original_path, self.query_text))
        })
    }

    pub fn bytes(&self) -> &'r Bytes {
        self.bytes
    }

    pub fn header_text(&self, name: &str) -> Option<String> {
        if self.is_socket && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            // Looked up as they are written.
            return None;
        }
        let mut values = self.request_headers.get_all(name).iter();
        let first = latin1(values.next()?.as_bytes());
        let separator = if name.eq_ignore_ascii_case("cookie") { "; " } else { ", " };
        Some(values.fold(first, |joined, value| joined + separator + &latin1(value.as_bytes())))
    }

    /// The body as it was parsed by its content type; `None` where it was not.
    pub fn parsed(&self) -> Option<&Value> {
        self.body.get_or_init(|| self.parse()).as_ref()
    }

    fn parse(&self) -> Option<Value> {
        use standin_template::Request as _;
        let content_type = self.header_text("content-type")?;
        match kind(&content_type.to_ascii_lowercase())? {
            Kind::Json => Value::from_json_text(self.raw_body()),
            Kind::Form => Some(Value::from(form::parse(self.raw_body(), 2 * QUERY_DEPTH))),
            Kind::Multipart => multipart::parse(&content_type, self.bytes).map(Value::from),
            Kind::Xml => xml::parse(self.raw_body()).map(Value::from),
        }
    }

    /// What rules look at: the parsed body where the content type, as it is written, is one that is parsed; else the
    /// text.
    pub fn rule_body(&self) -> Value {
        use standin_template::Request as _;
        let written = self.header_text("content-type").unwrap_or_default();
        let counts = is_json(&written)
            || is_xml(&written)
            || written.contains("application/x-www-form-urlencoded")
            || written.contains("multipart/form-data");
        match self.parsed() {
            Some(body) if counts || self.is_socket => body.clone(),
            _ => Value::text(self.raw_body()),
        }
    }
}

impl standin_template::Request for Incoming<'_> {
    fn raw_body(&self) -> &str {
        self.text.get_or_init(|| String::from_utf8_lossy(self.bytes).into_owned())
    }

    fn body(&self) -> Option<&Value> {
        self.parsed()
    }

    fn query(&self) -> &Value {
        self.query.get_or_init(|| Value::from(form::parse(self.query_text, QUERY_DEPTH)))
    }

    fn params(&self) -> &Value {
        &self.params
    }

    fn headers(&self) -> &Value {
        self.headers.get_or_init(|| {
            Value::object(
                self.request_headers
                    .keys()
                    .map(|name| (name.as_str(), Value::from(self.header_text(name.as_str()).unwrap_or_default()))),
            )
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        if self.is_socket && name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        match self.headers() {
            Value::Object(headers) => match headers.get(&name.to_ascii_lowercase()) {
                Some(Value::Text(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    fn cookies(&self) -> &Value {
        self.cookies.get_or_init(|| Value::from(cookies(&self.header_text("cookie").unwrap_or_default())))
    }

    fn method(&self) -> &str {
        self.method.as_str()
    }

    fn hostname(&self) -> &str {
        self.hostname.get_or_init(|| {
            let host = self.header_text("host").unwrap_or_default();
            let after_bracket = host.find(']').map_or(0, |place| place + 1);
            let end = host[after_bracket..].find(':').map_or(host.len(), |place| after_bracket + place);
            host[..end].to_owned()
        })
    }

    fn ip(&self) -> &str {
        self.ip.get_or_init(|| self.peer.to_string())
    }

    fn base_url(&self) -> String {
        let base = self.base;
        match &base.public {
            Some(public) => format!("{public}{}", base.prefix),
            None => {
                let scheme = if base.is_https { "https" } else { "http" };
                format!("{scheme}://{}:{}{}", self.hostname(), base.port, base.prefix)
            }
        }
    }
}

/// Names and values of a `Cookie` header; the first of a name counts.
fn cookies(header: &str) -> serde_json::Value {
    let mut cookies = Map::new();
    for pair in header.split(';') {
        let Some((name, value)) = pair.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim());
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        if cookies.contains_key(name) {
            continue;
        }
        let value = crate::path::decode(value).unwrap_or_else(|| value.to_owned());
        let json = value.strip_prefix("j:").and_then(|json| serde_json::from_str(json).ok());
        cookies.insert(name.to_owned(), json.unwrap_or(serde_json::Value::String(value)));
    }
    serde_json::Value::Object(cookies)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use standin_template::Request as _;

    use super::*;

    #[test]
    fn cookie_headers() {
        // 64
        let check = |header: &str, expect: serde_json::Value| assert_eq!(cookies(header), expect, "{header}");
        check("a=1; b=x%20y; a=2", json!({ "a": "1", "b": "x y" }));
        check("a=\"q\"; b; c=", json!({ "a": "q", "c": "" }));
        check("a=j:{\"b\":1}; c=j:x; d=%zz", json!({ "a": { "b": 1 }, "c": "j:x", "d": "%zz" }));
    }

    #[test]
    fn content_types() {
        let check = |content_type: &str, expect: Option<Kind>| assert_eq!(kind(content_type), expect, "{content_type}");
        check("application/json; charset=utf-8", Some(Kind::Json));
        check("application/vnd.api+json", Some(Kind::Json));
        check("application/x-www-form-urlencoded", Some(Kind::Form));
        check("multipart/form-data; boundary=x", Some(Kind::Multipart));
        check("text/xml", Some(Kind::Xml));
        check("text/plain", None);
    }

    #[test]
    fn addresses() {
        let base = BaseUrl { public: None, is_https: true, port: 3000, prefix: "/api".to_owned() };
        let check = |host: &str, expect: &str| {
            let (parts, ()) = http::Request::builder().uri("/").header("host", host).body(()).unwrap().into_parts();
            let bytes = Bytes::new();
            let incoming = Incoming::new(&parts, &bytes, IpAddr::from([127, 0, 0, 1]), &base);
            assert_eq!(incoming.base_url(), expect);
        };
        check("localhost:81", "https://localhost:3000/api");
        check("[::1]:81", "https://[::1]:3000/api");
    }
}
