//! Making the body of a chosen response.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, Method};
use standin_template::{Value, to_json};

use crate::callbacks;
use crate::crud::{self, Action};
use crate::environment::{BodyType, Response};
use crate::files::{self, Range};
use crate::reply::{Body, Reply};
use crate::request::Incoming;
use crate::routing::RoutePlan;
use crate::rules::Rules;
use crate::server::{Options, Server};
use crate::text::Text;

/// A response, compiled.
#[derive(Debug)]
pub struct ResponsePlan {
    pub rules: Rules,
    /// Without those that are left out.
    pub headers: Vec<(String, Text)>,
    body: Text,
    file_path: Text,
    /// No request changes the answer.
    pub is_static: bool,
    /// The whole answer, once somebody asked for it and if it is static.
    prepared: OnceLock<Prepared>,
}

/// An answer that is ready.
#[derive(Debug)]
pub struct Prepared {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub latency: u64,
}

impl ResponsePlan {
    pub fn new(response: &Response, environment_headers: Option<&HeaderMap>, options: &Options) -> Self {
        let headers: Vec<(String, Text)> = response
            .headers
            .iter()
            .filter(|header| !header.key.is_empty() && !header.value.is_empty())
            .map(|header| (header.key.clone(), Text::new(&header.value)))
            .collect();
        let body = if response.disable_templating {
            Text::Plain(Arc::clone(&response.body))
        } else {
            Text::shared(Arc::clone(&response.body))
        };
        let is_inline = match response.body_type {
            BodyType::Inline => true,
            BodyType::File => response.file_path.is_empty(),
            BodyType::Bucket => response.bucket_id.is_empty(),
        };
        let has_headers = environment_headers.is_some() && headers.iter().all(|(_, value)| value.plain().is_some());
        let is_static = is_inline
            && has_headers
            && body.plain().is_some()
            && !options.route_metadata_headers
            && response.callbacks.is_empty();
        Self {
            rules: Rules::new(response),
            headers,
            body,
            file_path: Text::new(&files::normalised(&response.file_path)),
            is_static,
            prepared: OnceLock::new(),
        }
    }

    /// The whole answer, where no request changes it.
    pub fn prepared(&self, response: &Response, environment_headers: Option<&HeaderMap>) -> Option<&Prepared> {
        if !self.is_static {
            return None;
        }
        let (environment_headers, text) = (environment_headers?, self.body.plain()?);
        Some(self.prepared.get_or_init(|| {
            let mut reply = Reply::new(environment_headers.clone());
            reply.status = response.status;
            for (key, value) in &self.headers {
                reply.set(key, value.plain().map_or("", |value| value.as_ref()));
            }
            if let Err(message) = reply.send_text(text) {
                reply.send_error(&format!("Error while serving the content: {message}"), None);
            }
            let body = match reply.body {
                Body::Bytes(body) => body,
                Body::File { .. } => Bytes::new(),
            };
            Prepared { status: reply.status, headers: reply.headers, body, latency: response.latency }
        }))
    }

    pub fn body(&self) -> &Text {
        &self.body
    }
}

/// A response and the request that it answers.
pub struct Rendered<'r> {
    pub server: &'r Server,
    pub route: &'r RoutePlan,
    pub response: &'r Response,
    pub plan: &'r ResponsePlan,
    pub incoming: &'r Incoming<'r>,
}

impl Rendered<'_> {
    /// Puts the body, and what goes with it, into a reply that has the status and the headers.
    pub fn body(&self, action: Option<Action>, reply: &mut Reply) {
        match self.response.body_type {
            BodyType::File if !self.response.file_path.is_empty() => self.file(reply),
            BodyType::Bucket if !self.response.bucket_id.is_empty() => self.bucket(action, reply),
            _ => self.template(&self.plan.body, reply),
        }
    }

    /// Renders a template and sends it.
    fn template(&self, text: &Text, reply: &mut Reply) {
        let mut scope = self.server.state.scope().with_request(self.incoming).with_status();
        let sent = text.render(&mut scope).and_then(|text| {
            reply.status = scope.status().unwrap_or(reply.status);
            self.call(reply);
            reply.send_text(&text)
        });
        if let Err(message) = sent {
            reply.send_error(&format!("Error while serving the content: {message}"), None);
        }
    }

    /// Makes the requests that go out with the answer.
    fn call(&self, reply: &mut Reply) {
        reply.calls = callbacks::calls(self.server, self.response, self.incoming);
    }

    fn plain(&self, text: &str, reply: &mut Reply) {
        self.call(reply);
        if let Err(message) = reply.send_text(text) {
            reply.send_error(&format!("Error while serving the content: {message}"), None);
        }
    }

    fn bucket(&self, action: Option<Action>, reply: &mut Reply) {
        let buckets = &self.server.state.buckets;
        let Some((index, state)) = buckets.served(&self.response.bucket_id) else {
            return self.plain(&self.response.body, reply);
        };
        let value = match action {
            None => state.value,
            Some(action) => {
                if state.parsed {
                    reply.set("content-type", "application/json");
                }
                match self.crud(action, index) {
                    Ok(outcome) => {
                        reply.status = outcome.status.unwrap_or(reply.status);
                        if let Some((total, filtered)) = outcome.counts {
                            reply.set("x-total-count", &total.to_string());
                            reply.set("x-filtered-count", &filtered.to_string());
                        }
                        outcome.body
                    }
                    Err(message) => return reply.send_error(&message, Some(500)),
                }
            }
        };
        match &value {
            Value::Text(text) | Value::Safe(text) => self.plain(text, reply),
            value => self.plain(&to_json(value).unwrap_or_default(), reply),
        }
    }

    fn crud(&self, action: Action, index: usize) -> Result<crud::Outcome, String> {
        let buckets = &self.server.state.buckets;
        // Of the first response, whichever is the default one.
        let key = &self.server.environment.routes[self.route.index].responses[0].crud_key;
        // Rendered before the bucket is locked: a template may look at buckets.
        let made = (action == Action::Create)
            .then(|| crud::id_template(buckets.source(index), key))
            .flatten()
            .and_then(|template| {
                let mut scope = self.server.state.scope().with_request(self.incoming);
                Text::new(&template).render(&mut scope).ok()
            })
            .and_then(|id| crud::cast_id(&id));
        let new_id = |items: &[Value]| {
            made.or_else(|| crud::next_number(items, key).map(Value::Number))
                .unwrap_or_else(|| Value::from(crate::ids::Ids::drawing(self.server.state.draw()).uuid()))
        };
        let done = buckets.change_at(index, |bucket| crud::act(action, bucket, self.incoming, key, new_id));
        done.unwrap_or_else(|| Ok(crud::Outcome::default())).map_err(|error| error.to_string())
    }

    fn file(&self, reply: &mut Reply) {
        let path = match self.path() {
            Ok(path) => path,
            Err(message) => return reply.send_error(&format!("Error while serving the content: {message}"), None),
        };
        let names_type = self
            .response
            .headers
            .iter()
            .any(|header| header.key.eq_ignore_ascii_case("content-type") && !header.value.is_empty());
        let kind = files::content_type(&path);
        if let Some(kind) = kind.filter(|_| !names_type) {
            reply.set("content-type", kind);
        }
        if !self.response.send_file_as_body {
            let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
            reply.set("content-disposition", &format!("attachment; filename=\"{}\"", encoded_name(&name)));
        }
        if files::is_template(&path) && !self.response.disable_templating {
            match std::fs::read(&path) {
                Ok(bytes) => self.templated_file(&String::from_utf8_lossy(&bytes), reply),
                Err(error) => self.missing(&files::node_error(&error, "open", &path), reply),
            }
        } else {
            match std::fs::metadata(&path) {
                Ok(about) if about.is_file() => self.stream(path, about.len(), kind, reply),
                // Deviation: Mockoon never answers.
                Ok(_) => self.missing("EISDIR: illegal operation on a directory, read", reply),
                Err(error) => self.missing(&files::node_error(&error, "stat", &path), reply),
            }
        }
    }

    fn path(&self) -> Result<PathBuf, String> {
        let folder: &Path = &self.server.options.folder;
        let source = files::normalised(&self.response.file_path);
        if !files::has_template(&source) {
            return Ok(files::resolved(folder, &source));
        }
        let mut scope = self.server.state.scope().with_request(self.incoming);
        let rendered = self.plan.file_path.render(&mut scope)?;
        files::guarded(folder, &source, &rendered)
    }

    fn templated_file(&self, source: &str, reply: &mut Reply) {
        let mut scope = self.server.state.scope().with_request(self.incoming).with_status();
        let sent = Text::new(source).render(&mut scope).and_then(|text| {
            reply.status = scope.status().unwrap_or(reply.status);
            self.call(reply);
            reply.send_text(&text)
        });
        if let Err(message) = sent {
            reply.send_error(&format!("Error while serving the file content: {message}"), None);
        }
    }

    fn missing(&self, message: &str, reply: &mut Reply) {
        if self.response.fallback_to_404 {
            reply.status = 404;
            self.template(&self.plan.body, reply);
        } else {
            reply.send_error(&format!("Error while serving the file content: {message}"), None);
        }
    }

    fn stream(&self, path: PathBuf, size: u64, kind: Option<&str>, reply: &mut Reply) {
        let (mut start, mut length) = (0, size);
        if let Some(header) = self.incoming.header_text("range") {
            match files::range(size, &header) {
                Range::Malformed => return reply.send_error("Malformed range header", Some(400)),
                Range::Unsatisfiable => return reply.send_error("Requested range not satisfiable", Some(416)),
                Range::Part(first, last) => {
                    (start, length) = (first, last - first + 1);
                    reply.set("content-range", &format!("bytes {first}-{last}/{size}"));
                    reply.set("accept-ranges", "bytes");
                    if let Some(kind) = kind {
                        reply.set("content-type", kind);
                    }
                    reply.status = 206;
                }
            }
        }
        self.call(reply);
        reply.body = Body::File { path, start, length };
        if self.incoming.method == Method::HEAD {
            // Only its length is sent.
            reply.set("content-length", &length.to_string());
        }
    }
}

/// A file's name as a component of a URI.
fn encoded_name(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
