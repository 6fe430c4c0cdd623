//! WebSocket routes: which message is answered with what, and what is pushed. Who owns the socket keeps the time.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use standin_template::{Value, to_json};

use crate::environment::{BodyType, Response, Streaming};
use crate::files;
use crate::request::Incoming;
use crate::routing::RoutePlan;
use crate::server::Server;
use crate::text::Text;

/// Shorter intervals would keep the server busy with one client.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// What is sent to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// To wait for before.
    pub latency: Duration,
    pub text: Arc<str>,
    /// The connection ends after it.
    pub closes: bool,
}

/// One client of a WebSocket route.
#[derive(Debug)]
pub struct Socket {
    server: Arc<Server>,
    /// Among the routes for sockets.
    index: usize,
    parts: Parts,
    peer: IpAddr,
    /// Of the next response, from 1.
    number: u64,
}

impl Server {
    /// Whether requests to become WebSockets are looked at; without such routes they are like all others.
    pub fn has_sockets(&self) -> bool {
        !self.router.sockets.is_empty()
    }

    /// The route that takes a request to become a WebSocket.
    pub fn socket(self: &Arc<Self>, parts: Parts, peer: IpAddr) -> Option<Socket> {
        let path = parts.uri.path();
        let index = self.router.sockets.iter().position(|route| route.path.matches(path).is_some())?;
        Some(Socket { server: Arc::clone(self), index, parts, peer, number: 1 })
    }
}

impl Socket {
    fn plan(&self) -> &RoutePlan {
        &self.server.router.sockets[self.index]
    }

    /// The route's uuid.
    pub fn route(&self) -> &str {
        &self.server.environment.routes[self.plan().index].uuid
    }

    /// How and how often the route pushes; `None` where it answers messages.
    pub fn streaming(&self) -> Option<(Streaming, Duration)> {
        let route = &self.server.environment.routes[self.plan().index];
        let interval = Duration::from_millis(route.streaming_interval).max(INTERVAL_MIN);
        route.streaming.map(|streaming| (streaming, interval))
    }

    /// The answer to a message.
    pub fn message(&mut self, text: &str) -> Option<Push> {
        self.next(Some(text))
    }

    /// What is pushed next.
    pub fn push(&mut self) -> Option<Push> {
        self.next(None)
    }

    fn next(&mut self, message: Option<&str>) -> Option<Push> {
        let server = &*self.server;
        let plan = &server.router.sockets[self.index];
        let route = &server.environment.routes[plan.index];
        let bytes = Bytes::copy_from_slice(message.unwrap_or_default().as_bytes());
        let mut incoming = Incoming::of_socket(&self.parts, &bytes, self.peer, server.base(), &route.endpoint);
        // Mockoon looks for them without the prefix.
        if let Some(captures) = plan.bare_path.as_ref().and_then(|path| path.matches(self.parts.uri.path())) {
            incoming.set_params(&captures);
        }
        let chosen = plan.response(&incoming, self.number, &server.state, &mut || server.state.draw());
        let index = chosen.ok().flatten()?;
        self.number += 1;
        let response = &route.responses[index];
        let (text, closes) = content(server, response, plan.responses[index].body(), &incoming)?;
        let latency = if message.is_some() { response.latency } else { 0 };
        Some(Push { latency: Duration::from_millis(latency), text, closes })
    }
}

/// `None` where nothing is sent.
fn content(server: &Server, response: &Response, body: &Text, incoming: &Incoming<'_>) -> Option<(Arc<str>, bool)> {
    let render = |text: &Text| text.render(&mut server.state.scope().with_request(incoming)).ok();
    let is_plain = response.disable_templating;
    let text = match response.body_type {
        BodyType::File if !response.file_path.is_empty() => {
            let folder = &server.options.folder;
            let source = files::normalised(&response.file_path);
            let path = match files::has_template(&source) {
                false => files::resolved(folder, &source),
                true => files::guarded(folder, &source, &render(&Text::new(&source))?).ok()?,
            };
            return match std::fs::read(&path) {
                Ok(bytes) => {
                    let text = String::from_utf8_lossy(&bytes);
                    Some((if is_plain { Arc::from(&*text) } else { render(&Text::new(&text))? }, false))
                }
                Err(error) => {
                    let message = files::node_error(&error, "open", &path);
                    Some((Arc::from(format!("Status: 500, File reading error! ({message})")), true))
                }
            };
        }
        BodyType::Bucket if !response.bucket_id.is_empty() => {
            let value = match server.state.buckets.served(&response.bucket_id) {
                Some((_, state)) => state.value,
                None => Value::text(&*response.body),
            };
            let text = match &value {
                Value::Text(text) | Value::Safe(text) => text.as_ref().to_owned(),
                value => to_json(value).unwrap_or_default(),
            };
            // Unlike in answers, what is in a bucket is a template once more.
            if is_plain { Arc::from(text) } else { render(&Text::new(&text))? }
        }
        _ => render(body)?,
    };
    (!text.is_empty()).then_some((text, false))
}
