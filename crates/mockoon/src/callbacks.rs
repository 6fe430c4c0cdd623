//! Requests that responses cause.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, Method};
use standin_template::{Value, to_json};

use crate::environment::{BodyType, Callback, Environment, Response};
use crate::files;
use crate::request::Incoming;
use crate::server::Server;
use crate::text::Text;
use crate::values;

/// Counts how many callbacks led to a request.
const DEPTH: HeaderName = HeaderName::from_static("x-mockoon-callback-depth");

/// A request to send when its time has come.
#[derive(Debug)]
pub struct Call {
    /// What the environment calls it.
    pub name: String,
    pub method: Method,
    /// Begins with a slash where it is for the server itself.
    pub url: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub latency: Duration,
}

/// A callback, compiled.
#[derive(Debug)]
pub(crate) struct CallbackPlan {
    uri: Text,
    headers: Vec<(String, Text)>,
    body: Text,
}

impl CallbackPlan {
    pub fn all(environment: &Environment) -> Vec<Self> {
        let plan = |callback: &Callback| {
            let headers = callback.headers.iter().filter(|header| !header.key.is_empty() && !header.value.is_empty());
            Self {
                uri: Text::new(&callback.uri),
                headers: headers.map(|header| (header.key.clone(), Text::new(&header.value))).collect(),
                body: Text::new(&callback.body),
            }
        };
        environment.callbacks.iter().map(plan).collect()
    }
}

/// What is sent when a response was made; or why one is not.
pub(crate) fn calls(server: &Server, response: &Response, incoming: &Incoming<'_>) -> Vec<Result<Call, String>> {
    if response.callbacks.is_empty() {
        return Vec::new();
    }
    let depth = incoming.header_text(DEPTH.as_str()).and_then(|depth| values::leading_integer(&depth));
    let depth = u64::try_from(depth.unwrap_or(0)).unwrap_or(0);
    let most = server.options.callback_depth_max;
    if depth >= most {
        return vec![Err(format!(
            "Error while executing callback: Max callback depth reached ({most}). Stopping callback execution to prevent \
             infinite loops."
        ))];
    }
    let found = response.callbacks.iter().filter_map(|call| {
        let index = server.environment.callbacks.iter().position(|callback| callback.uuid == call.uuid)?;
        let caller = Caller {
            server,
            callback: &server.environment.callbacks[index],
            plan: &server.callbacks[index],
            is_plain: response.disable_templating,
            incoming,
        };
        Some(caller.call(depth + 1, call.latency))
    });
    found.collect()
}

struct Caller<'r> {
    server: &'r Server,
    callback: &'r Callback,
    plan: &'r CallbackPlan,
    is_plain: bool,
    incoming: &'r Incoming<'r>,
}

impl Caller<'_> {
    fn call(&self, depth: u64, latency: u64) -> Result<Call, String> {
        let failed = |message: String| format!("Error while executing callback: {message}");
        let method = Method::from_bytes(self.callback.method.to_ascii_uppercase().as_bytes())
            .map_err(|error| failed(error.to_string()))?;
        let mut url = self.render(&self.plan.uri).map_err(failed)?;
        if url.starts_with('/') {
            let prefix = &self.server.environment.endpoint_prefix;
            let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
            url = format!("{}{prefix}{url}", self.server.options.public_base_url.as_deref().unwrap_or_default());
        }
        let mut headers = HeaderMap::new();
        for (key, value) in &self.plan.headers {
            let value = self.server.header_text(value, self.incoming);
            if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(key.as_bytes()), HeaderValue::from_str(&value)) {
                headers.insert(name, value);
            }
        }
        let takes_body = matches!(method, Method::POST | Method::PUT | Method::PATCH);
        let body = self.body(&mut headers)?;
        let body = if takes_body { body } else { Bytes::new() };
        if takes_body && !headers.contains_key(CONTENT_TYPE) {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
        }
        headers.insert(DEPTH, HeaderValue::from(depth));
        let name = self.callback.name.clone();
        Ok(Call { name, method, url, headers, body, latency: Duration::from_millis(latency) })
    }

    fn render(&self, text: &Text) -> Result<String, String> {
        let mut scope = self.server.state.scope().with_request(self.incoming);
        text.render(&mut scope).map(|text| text.as_ref().to_owned())
    }

    fn body(&self, headers: &mut HeaderMap) -> Result<Bytes, String> {
        let callback = self.callback;
        match callback.body_type {
            BodyType::Bucket if !callback.bucket_id.is_empty() => {
                let value = match self.server.state.buckets.served(&callback.bucket_id) {
                    Some((_, state)) => state.value,
                    None => Value::text(callback.body.as_str()),
                };
                Ok(Bytes::from(match &value {
                    Value::Text(text) | Value::Safe(text) => text.as_ref().to_owned(),
                    value => to_json(value).unwrap_or_default(),
                }))
            }
            BodyType::File if !callback.file_path.is_empty() => self
                .file(headers)
                .map_err(|message| format!("Error while attaching file to callback request: {message}")),
            _ if self.is_plain => Ok(Bytes::from(callback.body.clone())),
            _ => self
                .render(&self.plan.body)
                .map(Bytes::from)
                .map_err(|message| format!("Error while executing callback: {message}")),
        }
    }

    fn file(&self, headers: &mut HeaderMap) -> Result<Bytes, String> {
        let folder = &self.server.options.folder;
        let source = files::normalised(&self.callback.file_path);
        let path = match files::has_template(&source) {
            false => files::resolved(folder, &source),
            true => files::guarded(folder, &source, &self.render(&Text::new(&source))?)?,
        };
        let content = std::fs::read(&path).map_err(|error| files::node_error(&error, "open", &path))?;
        if !self.callback.send_file_as_body {
            let boundary = format!("----formdata-undici-0{:011}", self.server.state.draw().below(100_000_000_000));
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"))
                    .map_err(|error| error.to_string())?,
            );
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"blob\"\r\nContent-Type: \
                 application/octet-stream\r\n\r\n"
            );
            return Ok(Bytes::from([head.as_bytes(), &content, format!("\r\n--{boundary}--\r\n").as_bytes()].concat()));
        }
        if let (false, Some(kind)) = (headers.contains_key(CONTENT_TYPE), files::content_type(&path)) {
            // Without the charset that answers get.
            let kind = kind.split(';').next().unwrap_or(kind);
            headers.insert(CONTENT_TYPE, HeaderValue::from_str(kind).map_err(|error| error.to_string())?);
        }
        let text = String::from_utf8_lossy(&content);
        if self.is_plain || !files::is_template(&path) {
            return Ok(Bytes::from(text.into_owned()));
        }
        self.render(&Text::new(&text)).map(Bytes::from)
    }
}
