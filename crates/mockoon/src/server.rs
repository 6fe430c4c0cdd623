//! A running environment: takes requests, gives answers; whoever holds it owns the sockets and the waiting.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method};
use jiff::tz::TimeZone;
use standin_core::Clock;
use standin_template::{Data, Random, Scope, Value};

use crate::answer::{Prepared, Rendered};
use crate::buckets::Buckets;
use crate::environment::Environment;
use crate::log::{Log, Transaction};
use crate::notes::Note;
use crate::path::decode;
use crate::reply::{Body, Reply};
use crate::request::{BaseUrl, Incoming};
use crate::routing::{Chosen, Router};
use crate::rules::Surroundings;
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
            route_metadata_headers: false,
            match_hash: false,
            zone: TimeZone::UTC,
        }
    }
}

/// An answer, and how long the client shall wait for it.
#[derive(Debug)]
pub struct Answer {
    pub response: http::Response<Body>,
    pub latency: Duration,
    /// What the log says of it, where transactions are remembered.
    pub transaction: Option<Transaction>,
}

/// An environment that answers.
#[derive(Debug)]
pub struct Server {
    pub(crate) environment: Environment,
    pub(crate) options: Options,
    router: Router,
    environment_headers: Vec<(String, Text)>,
    /// The environment's headers where none is a template.
    static_headers: Option<HeaderMap>,
    base: BaseUrl,
    pub(crate) state: State,
    notes: Vec<Note>,
}

/// What changes while the server runs, and what templates draw from.
#[derive(Debug)]
pub(crate) struct State {
    pub buckets: Buckets,
    globals: Mutex<Vec<(String, Value)>>,
    env_vars: RwLock<HashMap<String, String>>,
    env_vars_prefix: String,
    clock: Clock,
    random: Random,
    zone: TimeZone,
    draws: AtomicU64,
    pub log: Mutex<Log>,
}

impl Server {
    /// Compiles an environment and renders its buckets.
    pub fn new(environment: Environment, options: Options, clock: Clock, random: Random) -> Self {
        let state = State {
            buckets: Buckets::new(&environment),
            globals: Mutex::default(),
            env_vars: RwLock::new(options.env_vars.clone()),
            env_vars_prefix: options.env_vars_prefix.clone(),
            clock,
            random,
            zone: options.zone.clone(),
            draws: AtomicU64::new(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "mockoon")),
            log: Mutex::new(Log::new(options.transaction_logs_max)),
        };
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
        let server = Self { environment, options, router, environment_headers, static_headers, base, state, notes };
        server.state.buckets.reset(|| server.state.scope());
        server
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
    pub fn answer(&self, request: http::Request<Bytes>, peer: IpAddr) -> Answer {
        let (parts, bytes) = request.into_parts();
        let path = parts.uri.path();
        if !path.is_ascii() {
            let mut response = http::Response::new(Body::EMPTY);
            *response.status_mut() = http::StatusCode::BAD_REQUEST;
            response.headers_mut().insert(http::header::CONNECTION, HeaderValue::from_static("close"));
            return Answer { response, latency: Duration::ZERO, transaction: None };
        }
        let mut incoming = Incoming::new(&parts, &bytes, peer, &self.base);
        let is_admin = self.options.admin_api && is_admin_path(path);
        let (reply, latency) = if self.options.request_bytes_max > 0 && bytes.len() > self.options.request_bytes_max {
            let mut reply = Reply::new(HeaderMap::new());
            reply.set("connection", "close");
            reply.send_error("Payload too large", Some(413));
            (reply, 0)
        } else {
            match is_admin.then(|| self.admin(&incoming)).flatten() {
                Some(reply) => (reply, 0),
                None => {
                    let global = self.latency(self.environment.latency);
                    let (reply, own) = self.route(&mut incoming);
                    (reply, global + own)
                }
            }
        };
        let response = reply.finish(&parts.method, &parts.headers);
        let remembers = self.options.transaction_logs_max > 0 && !path.starts_with("/mockoon-admin");
        let transaction = remembers.then(|| Transaction::of(&incoming, &response, self.state.clock.now().as_millis()));
        if let Some(transaction) = transaction.as_ref().filter(|_| self.options.admin_api) {
            self.state.log().push(transaction.clone());
        }
        Answer { response, latency: Duration::from_millis(latency), transaction }
    }

    fn latency(&self, most: u64) -> u64 {
        if self.options.random_latency && most > 0 { self.state.draw().below(most + 1) } else { most }
    }

    /// The answer of a route, of CORS, or that there is none; with the latency of the response.
    fn route(&self, incoming: &mut Incoming<'_>) -> (Reply, u64) {
        if self.router.is_plain()
            && let Some(prepared) = self.router.prepared(incoming)
        {
            return self.ready(prepared);
        }
        let mut reply = Reply::new(self.headers(incoming));
        if decode(&incoming.path).is_none() {
            reply.send_error(&format!("Failed to decode param '{}'", incoming.path), Some(500));
            return (reply, 0);
        }
        match self.router.choose(incoming, &self.state, &mut || self.state.draw()) {
            Ok(Some(chosen)) => self.respond(&chosen, incoming, reply),
            Ok(None) => {
                if incoming.method == Method::OPTIONS && self.environment.cors {
                    self.preflight(incoming, &mut reply);
                } else {
                    not_found(incoming, &mut reply);
                }
                (reply, 0)
            }
            Err(error) => {
                reply.send_error(&error.to_string(), Some(500));
                (reply, 0)
            }
        }
    }

    fn ready(&self, prepared: &Prepared) -> (Reply, u64) {
        let reply = Reply {
            status: prepared.status,
            headers: prepared.headers.clone(),
            body: Body::Bytes(prepared.body.clone()),
        };
        (reply, self.latency(prepared.latency))
    }

    fn respond(&self, chosen: &Chosen<'_>, incoming: &Incoming<'_>, mut reply: Reply) -> (Reply, u64) {
        self.state.buckets.prepare(&chosen.route.referred, || self.state.scope().with_request(incoming));
        chosen.route.count.fetch_add(1, Ordering::Relaxed);
        let plan = &chosen.route.responses[chosen.response];
        if let Some(prepared) = plan.prepared.as_ref() {
            return self.ready(prepared);
        }
        let response = &self.environment.routes[chosen.route.index].responses[chosen.response];
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
        (reply, self.latency(response.latency))
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
        const FAILED: &str = "-- Header parsing error, see logs for more details --";
        match value.plain() {
            Some(value) => reply.set(key, value),
            None => {
                let rendered = value.render(&mut self.state.scope().with_request(incoming));
                reply.set(key, rendered.as_deref().unwrap_or(FAILED));
            }
        }
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
        self.state.buckets.reset(|| self.state.scope());
        self.state.clear_globals();
        self.state.log().clear();
    }
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

impl State {
    pub fn scope(&self) -> Scope<'_> {
        Scope::new(&self.clock, &self.random).with_zone(self.zone.clone()).with_data(self)
    }

    pub fn draw(&self) -> standin_core::Draw {
        standin_core::Draw::from_seed(self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }

    pub fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn globals_list(&self) -> std::sync::MutexGuard<'_, Vec<(String, Value)>> {
        self.globals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clear_globals(&self) {
        self.globals_list().clear();
    }

    /// The name of an environment variable with its prefix, which is added where it is missing.
    pub fn env_var_name(&self, name: &str) -> String {
        if name.starts_with(&self.env_vars_prefix) {
            name.to_owned()
        } else {
            format!("{}{name}", self.env_vars_prefix)
        }
    }

    pub fn set_env_var(&self, name: String, value: String) {
        self.env_vars.write().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }
}

impl Data for State {
    fn bucket(&self, id_or_name: &str) -> Option<Value> {
        self.buckets.get(id_or_name)
    }

    fn change_bucket(&self, id_or_name: &str, change: &mut dyn FnMut(&mut Value)) {
        self.buckets.change(id_or_name, change);
    }

    fn global(&self, name: &str) -> Option<Value> {
        self.globals_list().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn set_global(&self, name: &str, value: Value) {
        let mut globals = self.globals_list();
        match globals.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value,
            None => globals.push((name.to_owned(), value)),
        }
    }

    fn env_var(&self, name: &str) -> Option<String> {
        self.env_vars.read().unwrap_or_else(PoisonError::into_inner).get(&self.env_var_name(name)).cloned()
    }
}

impl Surroundings for State {
    fn scope(&self) -> Scope<'_> {
        self.scope()
    }

    fn buckets(&self) -> Value {
        self.buckets.by_names()
    }

    fn globals(&self) -> Value {
        Value::object(self.globals_list().iter().map(|(name, value)| (name.as_str(), value.clone())))
    }
}
