//! A running environment: takes requests, gives answers; whoever holds it owns the sockets and the waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use jiff::tz::TimeZone;
use standin_core::Clock;
use standin_template::Random;

use crate::admin::Told;
use crate::answer::{Prepared, Rendered};
use crate::callbacks::{Call, CallbackPlan};
use crate::environment::Environment;
use crate::events::Events;
use crate::log::{Asked, Transaction};
use crate::notes::Note;
use crate::path::decode;
use crate::proxy::{Forward, ProxyPlan};
use crate::reply::{Body, Reply};
use crate::request::{BaseUrl, Incoming};
use crate::routing::{Chosen, Router};
use crate::state::State;
use crate::text::Text;

/// What the command line says about all environments.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that paths in the environment start from.
    pub folder: PathBuf,
    pub disabled_routes: Vec<String>,
    pub env_vars_prefix: String,
    /// Those whose name has the prefix.
    pub env_vars: HashMap<String, String>,
    pub admin_api: bool,
    /// What the admin API asks for.
    pub admin_token: String,
    pub admin_cors_origins: Vec<String>,
    pub disable_tls: bool,
    pub public_base_url: Option<String>,
    /// How many transactions the admin API remembers.
    pub transaction_logs_max: usize,
    /// In bytes; 0 for no limit.
    pub request_bytes_max: usize,
    pub random_latency: bool,
    /// How many callbacks may lead to one another.
    pub callback_depth_max: u64,
    pub route_metadata_headers: bool,
    /// Endpoints with a `#` match by what stands behind it.
    pub match_hash: bool,
    pub zone: TimeZone,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("."),
            disabled_routes: Vec::new(),
            env_vars_prefix: "MOCKOON_".to_owned(),
            env_vars: HashMap::new(),
            admin_api: true,
            admin_token: String::new(),
            admin_cors_origins: Vec::new(),
            disable_tls: false,
            public_base_url: None,
            transaction_logs_max: 100,
            request_bytes_max: 100 << 20,
            random_latency: false,
            callback_depth_max: 100,
            route_metadata_headers: false,
            match_hash: false,
            zone: TimeZone::UTC,
        }
    }
}

/// What is to be done about a request.
#[derive(Debug)]
pub enum Reaction {
    Answer(Answer),
    /// Another server answers.
    Forward(Box<Forward>),
    /// The client listens to events.
    Events(Events),
}

/// An answer, and how long the client shall wait for it.
#[derive(Debug)]
pub struct Answer {
    pub response: http::Response<Body>,
    pub latency: Duration,
    /// What the log says of it, where transactions are remembered.
    pub transaction: Option<Transaction>,
    /// Requests that go out with it, or why one does not.
    pub calls: Vec<Result<Call, String>>,
    /// Takes the place of the server that answered.
    pub replacement: Option<Arc<Server>>,
}

/// An environment that answers.
#[derive(Debug)]
pub struct Server {
    pub(crate) environment: Environment,
    pub(crate) options: Options,
    pub(crate) router: Router,
    pub(crate) callbacks: Vec<CallbackPlan>,
    proxy: Option<ProxyPlan>,
    environment_headers: Vec<(String, Text)>,
    /// The environment's headers where none is a template.
    static_headers: Option<HeaderMap>,
    base: BaseUrl,
    pub(crate) state: State,
    notes: Vec<Note>,
}

impl Server {
    /// Compiles an environment and renders its buckets.
    pub fn new(environment: Environment, options: Options, clock: Clock, random: Random) -> Self {
        let state = State::new(&environment, &options, clock, random);
        Self::with_state(environment, options, state)
    }

    /// A server that takes this one's place with another environment: what requests have done is not forgotten. Port,
    /// address and certificates stay as they are.
    #[must_use]
    pub fn following(&self, environment: Environment) -> Self {
        let state = self.state.following(&environment);
        let server = Self::with_state(environment, self.options.clone(), state);
        server.router.count_on(&server.environment, &self.router, &self.environment);
        server
    }

    fn with_state(environment: Environment, options: Options, state: State) -> Self {
        let prefix = &environment.endpoint_prefix;
        let base = BaseUrl {
            public: options.public_base_url.clone(),
            is_https: environment.tls.enabled,
            port: environment.port,
            prefix: if prefix.is_empty() { String::new() } else { format!("/{prefix}") },
        };
        let environment_headers: Vec<(String, Text)> = environment
            .headers
            .iter()
            .filter(|header| !header.key.is_empty() && !header.value.is_empty())
            .map(|header| (header.key.clone(), Text::new(&header.value)))
            .collect();
        let is_static = environment_headers.iter().all(|(_, value)| value.plain().is_some());
        let static_headers = is_static.then(|| {
            let mut reply = Reply::new(HeaderMap::new());
            for (key, value) in &environment_headers {
                reply.set(key, value.plain().map_or("", |value| value.as_ref()));
            }
            reply.headers
        });
        let (router, notes) = Router::new(&environment, &options, static_headers.as_ref());
        Self {
            callbacks: CallbackPlan::all(&environment),
            proxy: ProxyPlan::new(&environment),
            environment,
            options,
            router,
            environment_headers,
            static_headers,
            base,
            state,
            notes,
        }
    }

    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Whether it is served over TLS.
    pub fn is_tls(&self) -> bool {
        self.environment.tls.enabled && !self.options.disable_tls
    }

    /// Renders a text of the environment that needs no request, such as the path of a certificate.
    ///
    /// # Errors
    /// When the template is none or a helper fails.
    pub fn render(&self, text: &str) -> Result<String, String> {
        Text::new(text).render(&mut self.state.scope()).map(|text| text.as_ref().to_owned())
    }

    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What of the environment does not work, or works otherwise than it seems.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The longest body that is read, in bytes.
    pub fn request_bytes_max(&self) -> usize {
        match self.options.request_bytes_max {
            0 => usize::MAX,
            most => most,
        }
    }

    /// Answers a request, whose body was read whole. Nothing waits in here: the latency is told.
    pub fn react(&self, request: http::Request<Bytes>, peer: IpAddr) -> Reaction {
        let (parts, bytes) = request.into_parts();
        let path = parts.uri.path();
        if !path.is_ascii() {
            let mut response = http::Response::new(Body::EMPTY);
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
            let latency = Duration::ZERO;
            return Reaction::Answer(Answer {
                response,
                latency,
                transaction: None,
                calls: Vec::new(),
                replacement: None,
            });
        }
        let mut incoming = Incoming::new(&parts, &bytes, peer, &self.base);
        let is_admin = self.options.admin_api && is_admin_path(path);
        let mut replacement = None;
        let (reply, latency) = if self.options.request_bytes_max > 0 && bytes.len() > self.options.request_bytes_max {
            let mut reply = Reply::new(HeaderMap::new());
            reply.set("connection", "close");
            reply.send_error("Payload too large", Some(413));
            (reply, 0)
        } else {
            match is_admin.then(|| self.admin(&incoming)).flatten() {
                Some(Told::Reply(reply)) => (reply, 0),
                Some(Told::Replaced(reply, server)) => {
                    replacement = Some(server);
                    (reply, 0)
                }
                Some(Told::Events(events)) => return Reaction::Events(events),
                None => {
                    let global = self.latency(self.environment.latency);
                    match self.route(&mut incoming) {
                        Routed::Answered(reply, own) => (reply, global + own),
                        Routed::Passed(proxy, headers) => {
                            return Reaction::Forward(Box::new(
                                proxy.forward(self, &parts, &incoming, headers, global),
                            ));
                        }
                    }
                }
            }
        };
        let mut reply = reply;
        let calls = std::mem::take(&mut reply.calls);
        let response = reply.finish(&parts.method, &parts.headers);
        let remembers = self.options.transaction_logs_max > 0 && !path.starts_with("/mockoon-admin");
        drop(incoming);
        let transaction = remembers.then(|| Transaction::of(Asked::new(parts, &bytes), &response, self.state.now()));
        if let Some(transaction) = transaction.as_ref().filter(|_| self.options.admin_api) {
            self.state.record(transaction);
        }
        Reaction::Answer(Answer { response, latency: Duration::from_millis(latency), transaction, calls, replacement })
    }

    /// Remembers what another server answered.
    pub fn forwarded(
        &self,
        forward: &Forward,
        status: http::StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Option<Transaction> {
        (self.options.transaction_logs_max > 0).then(|| {
            let asked = forward.asked.clone();
            let transaction = Transaction::proxied(asked, status, headers.clone(), body, self.state.now());
            if self.options.admin_api {
                self.state.record(&transaction);
            }
            transaction
        })
    }

    fn latency(&self, most: u64) -> u64 {
        if self.options.random_latency && most > 0 { self.state.draw().below(most + 1) } else { most }
    }

    /// The answer of a route, of CORS, or that there is none; with the latency of the response.
    fn route(&self, incoming: &mut Incoming<'_>) -> Routed<'_> {
        if self.router.is_plain()
            && let Some(prepared) = self.router.prepared(incoming, &self.environment, self.static_headers.as_ref())
        {
            return self.ready(prepared);
        }
        let mut reply = Reply::new(self.headers(incoming));
        if decode(&incoming.path).is_none() {
            reply.send_error(&format!("Failed to decode param '{}'", incoming.path), Some(500));
            return Routed::Answered(reply, 0);
        }
        match self.router.choose(incoming, &self.state, &mut || self.state.draw()) {
            Ok(Some(chosen)) => return self.respond(&chosen, incoming, reply),
            Ok(None) if incoming.method == Method::OPTIONS && self.environment.cors => {
                self.preflight(incoming, &mut reply);
            }
            Ok(None) => match &self.proxy {
                Some(proxy) => return Routed::Passed(proxy, reply.headers),
                None => not_found(incoming, &mut reply),
            },
            Err(error) => reply.send_error(&error.to_string(), Some(500)),
        }
        Routed::Answered(reply, 0)
    }

    fn ready(&self, prepared: &Prepared) -> Routed<'_> {
        let reply = Reply {
            status: prepared.status,
            headers: prepared.headers.clone(),
            body: Body::Bytes(prepared.body.clone()),
            calls: Vec::new(),
        };
        Routed::Answered(reply, self.latency(prepared.latency))
    }

    fn respond(&self, chosen: &Chosen<'_>, incoming: &Incoming<'_>, mut reply: Reply) -> Routed<'_> {
        if self.state.buckets.prepare(&chosen.route.referred, || self.state.scope().with_request(incoming)) {
            self.state.tell_buckets();
        }
        chosen.route.count.fetch_add(1, Ordering::Relaxed);
        let plan = &chosen.route.responses[chosen.response];
        let response = &self.environment.routes[chosen.route.index].responses[chosen.response];
        if let Some(prepared) = plan.prepared(response, self.static_headers.as_ref()) {
            return self.ready(prepared);
        }
        reply.status = response.status;
        for (key, value) in &plan.headers {
            self.set_header(&mut reply, key, value, incoming);
        }
        if self.options.route_metadata_headers {
            reply.set("x-mockoon-route-uuid", &self.environment.routes[chosen.route.index].uuid);
            reply.set("x-mockoon-route-response-no", &(chosen.response + 1).to_string());
            reply.set("x-mockoon-route-response-uuid", &response.uuid);
        }
        let rendered = Rendered { server: self, route: chosen.route, response, plan, incoming };
        rendered.body(chosen.action, &mut reply);
        Routed::Answered(reply, self.latency(response.latency))
    }

    /// The headers of the environment, before any route is known.
    fn headers(&self, incoming: &Incoming<'_>) -> HeaderMap {
        match &self.static_headers {
            Some(headers) => headers.clone(),
            None => {
                let mut reply = Reply::new(HeaderMap::new());
                for (key, value) in &self.environment_headers {
                    self.set_header(&mut reply, key, value, incoming);
                }
                reply.headers
            }
        }
    }

    pub(crate) fn set_header(&self, reply: &mut Reply, key: &str, value: &Text, incoming: &Incoming<'_>) {
        match value.plain() {
            Some(value) => reply.set(key, value),
            None => reply.set(key, &self.header_text(value, incoming)),
        }
    }

    /// The value of a header.
    pub(crate) fn header_text(&self, value: &Text, incoming: &Incoming<'_>) -> String {
        const FAILED: &str = "-- Header parsing error, see logs for more details --";
        let rendered = value.render(&mut self.state.scope().with_request(incoming));
        rendered.as_deref().unwrap_or(FAILED).to_owned()
    }

    /// Answers what a browser asks before it sends a request.
    fn preflight(&self, incoming: &Incoming<'_>, reply: &mut Reply) {
        for (name, value) in [
            ("Access-Control-Allow-Origin", "*"),
            ("Access-Control-Allow-Methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"),
            (
                "Access-Control-Allow-Headers",
                "Content-Type, Origin, Accept, Authorization, Content-Length, X-Requested-With",
            ),
        ] {
            reply.set(name, value);
        }
        // Once more: they win over those.
        for (key, value) in &self.environment_headers {
            self.set_header(reply, key, value, incoming);
        }
    }

    /// Forgets what requests have done.
    pub(crate) fn purge(&self) {
        self.router.reset_counts();
        self.state.reset_buckets();
        self.state.clear_globals();
        self.state.log().clear();
    }
}

/// What routes make of a request.
enum Routed<'s> {
    /// With the latency of the response.
    Answered(Reply, u64),
    /// With the environment's headers.
    Passed(&'s ProxyPlan, HeaderMap),
}

/// Paths that Express gives to the admin API.
fn is_admin_path(path: &str) -> bool {
    crate::path::starts_with_ignoring_case(path, "/mockoon-admin")
}

fn not_found(incoming: &Incoming<'_>, reply: &mut Reply) {
    let path = escaped_html(&encoded_url(incoming.original_path));
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n\
         <pre>Cannot {} {path}</pre>\n</body>\n</html>\n",
        incoming.method
    );
    reply.status = 404;
    for (name, value) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        (CONTENT_TYPE.as_str(), "text/html; charset=utf-8"),
    ] {
        reply.set(name, value);
    }
    reply.body = Body::Bytes(Bytes::from(body));
}

/// Percent-encodes what has no place in a URL.
fn encoded_url(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for character in path.chars() {
        if matches!(character, '"' | '<' | '>' | '`' | '{' | '}') || character <= ' ' || !character.is_ascii() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                out.push_str(&format!("%{byte:02X}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

fn escaped_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
