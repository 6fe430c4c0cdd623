//! The last transactions, as the admin API shows them.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use standin_core::Draw;

use crate::ids::Ids;
use crate::reply::Body;

/// Headers whose values nobody shall read.
const SECRET: &[&str] =
    &["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "api-key", "x-auth-token"];

/// What of one body is kept.
const BODY_BYTES_MAX: usize = 64 << 10;

/// A request and its answer, kept cheaply: nothing is written before somebody asks.
#[derive(Clone, Debug)]
pub struct Transaction(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    asked: Asked,
    status: StatusCode,
    response_headers: HeaderMap,
    response_body: Option<Bytes>,
    proxied: bool,
    /// Milliseconds since 1970.
    at: i64,
}

/// What is kept of a request.
#[derive(Clone, Debug)]
pub struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
}

impl Asked {
    pub fn new(parts: http::request::Parts, body: &Bytes) -> Self {
        Self { method: parts.method, uri: parts.uri, headers: parts.headers, body: cut(body) }
    }
}

fn cut(bytes: &Bytes) -> Bytes {
    if bytes.len() > BODY_BYTES_MAX { Bytes::copy_from_slice(&bytes[..BODY_BYTES_MAX]) } else { bytes.clone() }
}

impl Transaction {
    pub fn of(asked: Asked, response: &http::Response<Body>, at: i64) -> Self {
        let response_body = match response.body() {
            Body::Bytes(bytes) => Some(cut(bytes)),
            Body::File { .. } => None,
        };
        let (status, response_headers) = (response.status(), response.headers().clone());
        Self(Arc::new(Parts { asked, status, response_headers, response_body, proxied: false, at }))
    }

    /// What another server answered.
    pub fn proxied(asked: Asked, status: StatusCode, response_headers: HeaderMap, body: &Bytes, at: i64) -> Self {
        Self(Arc::new(Parts { asked, status, response_headers, response_body: Some(cut(body)), proxied: true, at }))
    }

    /// As JSON; secrets are left out.
    pub fn to_json(&self) -> Value {
        let parts = &*self.0;
        let asked = &parts.asked;
        let body = parts.response_body.as_ref();
        let query_text = asked.uri.query().unwrap_or_default();
        let query = crate::path::decode(query_text).unwrap_or_else(|| query_text.to_owned());
        let mut ids = Ids::drawing(Draw::from_seed(parts.at.unsigned_abs()));
        json!({
            "request": {
                "method": asked.method.as_str().to_ascii_lowercase(),
                "urlPath": asked.uri.path(),
                "query": query,
                "queryParams": crate::form::parse(query_text, 5),
                "body": String::from_utf8_lossy(&asked.body),
                "headers": headers(&asked.headers),
            },
            "response": {
                "statusCode": parts.status.as_u16(),
                "statusMessage": parts.status.canonical_reason().unwrap_or("unknown"),
                "headers": headers(&parts.response_headers),
                "body": body.map_or("#######BINARY-CONTENT#######".into(), |body| String::from_utf8_lossy(body)),
            },
            "proxied": parts.proxied,
            "timestampMs": parts.at,
            "uuid": ids.uuid(),
        })
    }
}

fn headers(headers: &HeaderMap) -> Vec<Value> {
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    let value = |name: &str| {
        let values: Vec<_> =
            headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        let value = values.join(",");
        if !SECRET.contains(&name) {
            return value;
        }
        match value.split_once(' ') {
            Some((scheme, _)) if name.ends_with("authorization") => format!("{scheme} [REDACTED]"),
            _ => "[REDACTED]".to_owned(),
        }
    };
    names.into_iter().map(|name| json!({ "key": name, "value": value(name) })).collect()
}

/// The last few transactions.
#[derive(Debug)]
pub struct Log {
    transactions: VecDeque<Transaction>,
    most: usize,
}

impl Log {
    pub fn new(most: usize) -> Self {
        Self { transactions: VecDeque::new(), most }
    }

    pub fn push(&mut self, transaction: Transaction) {
        if self.most == 0 {
            return;
        }
        if self.transactions.len() >= self.most {
            self.transactions.pop_front();
        }
        self.transactions.push_back(transaction);
    }

    pub fn clear(&mut self) {
        self.transactions.clear();
    }

    /// The newest ones, the oldest of them first.
    pub fn newest(&self, count: usize) -> Vec<Value> {
        let skipped = self.transactions.len().saturating_sub(count);
        self.transactions.iter().skip(skipped).map(Transaction::to_json).collect()
    }

    /// Some of them, the oldest first.
    pub fn page(&self, start: usize, length: usize) -> Vec<Value> {
        self.transactions.iter().skip(start).take(length).map(Transaction::to_json).collect()
    }
}
