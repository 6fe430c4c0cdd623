//! From a request to the response that answers it. All routes are compiled when the environment is loaded.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, Method};
use standin_core::Draw;

use crate::answer::{Prepared, ResponsePlan};
use crate::buckets::referred;
use crate::crud::Action;
use crate::environment::{BodyType, Environment, Mode, Route, RouteKind};
use crate::notes::Note;
use crate::path::{Path, full_path, starts_with_ignoring_case};
use crate::pattern::PatternError;
use crate::request::Incoming;
use crate::rules::{Discriminator, Surroundings};
use crate::server::Options;

/// All routes, in the order in which they are tried.
#[derive(Debug)]
pub struct Router {
    routes: Vec<RoutePlan>,
    /// Those for WebSockets.
    pub sockets: Vec<RoutePlan>,
    is_plain: bool,
}

/// One route, compiled.
#[derive(Debug)]
pub struct RoutePlan {
    /// Its place in the environment.
    pub index: usize,
    /// `None` for every method.
    method: Option<Method>,
    pub path: Path,
    /// Without the prefix, where the route is for WebSockets.
    pub bare_path: Option<Path>,
    /// Of single items, where the route is a CRUD route.
    item_path: Option<Path>,
    discriminators: Vec<Discriminator>,
    mode: Mode,
    default: usize,
    pub responses: Vec<ResponsePlan>,
    /// Buckets that it refers to.
    pub referred: Vec<String>,
    /// Requests that it answered.
    pub count: AtomicU64,
    /// Every request gets the same bytes, and nothing counts.
    is_constant: bool,
}

/// What answers a request.
pub struct Chosen<'r> {
    pub route: &'r RoutePlan,
    pub response: usize,
    /// What is done to a bucket, where the route is a CRUD route.
    pub action: Option<Action>,
}

impl Router {
    /// Compiles the routes; what cannot be is left out and told.
    pub fn new(environment: &Environment, options: &Options, headers: Option<&HeaderMap>) -> (Self, Vec<Note>) {
        let mut notes = environment_notes(environment);
        let kinds = [RouteKind::Http, RouteKind::Crud, RouteKind::WebSocket];
        let order = environment.routes_in_order(&kinds, &options.disabled_routes);
        let (mut routes, mut sockets) = (Vec::with_capacity(order.len()), Vec::new());
        for index in order {
            let route = &environment.routes[index];
            let mut tell = |message: String| notes.push(Note { route: Some(name(route)), message });
            for message in unsupported(route) {
                tell(message.to_owned());
            }
            if route.responses.is_empty() {
                continue;
            }
            match RoutePlan::new(environment, index, options, headers) {
                Ok(plan) if route.kind == RouteKind::WebSocket => sockets.push(plan),
                Ok(plan) => routes.push(plan),
                Err(error) => tell(format!("{error}; the route is never reached")),
            }
            if route.endpoint.contains('#') && !options.match_hash {
                tell(
                    "an endpoint with a # is never reached; --match-hash makes it match what stands behind the #"
                        .to_owned(),
                );
            }
        }
        let is_plain = headers.is_some() && !options.route_metadata_headers;
        (Self { routes, sockets, is_plain }, notes)
    }

    /// Whether answers may be ready before a request comes.
    pub fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// The ready answer of the first route that matches, if that route gives everybody the same one.
    pub fn prepared(
        &self,
        incoming: &Incoming<'_>,
        environment: &Environment,
        headers: Option<&HeaderMap>,
    ) -> Option<&Prepared> {
        let mut candidates = self.routes.iter().filter(|route| route.may_match(incoming));
        let route = candidates.find(|route| !route.is_constant || route.path.matches(&incoming.path).is_some())?;
        if !route.is_constant {
            return None;
        }
        // Whoever has a bad escape in the path gets an error, whichever route it is.
        if incoming.path.contains('%') {
            return None;
        }
        route.count.fetch_add(1, Ordering::Relaxed);
        let response = &environment.routes[route.index].responses[route.default];
        route.responses[route.default].prepared(response, headers)
    }

    /// The first route that answers a request, and its response. Parameters of its path are set.
    ///
    /// # Errors
    /// When a rule has a regular expression that is none.
    pub fn choose(
        &self,
        incoming: &mut Incoming<'_>,
        around: &dyn Surroundings,
        draw: &mut dyn FnMut() -> Draw,
    ) -> Result<Option<Chosen<'_>>, PatternError> {
        for route in &self.routes {
            let Some(action) = route.matches(incoming) else { continue };
            let number = route.count.load(Ordering::Relaxed) + 1;
            if let Some(response) = route.response(incoming, number, around, draw)? {
                return Ok(Some(Chosen { route, response, action }));
            }
        }
        Ok(None)
    }

    /// Takes over how often routes of the same uuid have answered.
    pub fn count_on(&self, environment: &Environment, before: &Self, environment_before: &Environment) {
        let counts: std::collections::HashMap<&str, u64> = before
            .routes
            .iter()
            .map(|plan| (environment_before.routes[plan.index].uuid.as_str(), plan.count.load(Ordering::Relaxed)))
            .collect();
        for plan in &self.routes {
            let count = counts.get(environment.routes[plan.index].uuid.as_str()).copied().unwrap_or(0);
            plan.count.store(count, Ordering::Relaxed);
        }
    }

    pub fn reset_counts(&self) {
        for route in &self.routes {
            route.count.store(0, Ordering::Relaxed);
        }
    }
}

impl RoutePlan {
    fn new(
        environment: &Environment,
        index: usize,
        options: &Options,
        headers: Option<&HeaderMap>,
    ) -> Result<Self, crate::path::PathError> {
        let route = &environment.routes[index];
        let (endpoint, hash) = match route.endpoint.split_once('#') {
            Some((endpoint, hash)) if options.match_hash => (endpoint, hash),
            _ => (route.endpoint.as_str(), ""),
        };
        let mut full = full_path(&environment.endpoint_prefix, endpoint);
        if !hash.is_empty() && full.len() > 1 && full.ends_with('/') {
            // What stood between the path and the `#` is no part of the path.
            full.pop();
        }
        let is_crud = route.kind == RouteKind::Crud;
        let responses: Vec<ResponsePlan> =
            route.responses.iter().map(|response| ResponsePlan::new(response, headers, options)).collect();
        let default = route.responses.iter().position(|response| response.is_default).unwrap_or(0);
        let discriminators = Discriminator::read(hash);
        let referred = referred(environment, route);
        let chooses_default = route.mode == Mode::DisableRules
            || (route.mode == Mode::Rules && route.responses.iter().all(|response| response.rules.is_empty()));
        let is_constant = chooses_default
            && !is_crud
            && discriminators.is_empty()
            && referred.is_empty()
            && responses[default].is_static;
        let method = match route.method.as_str() {
            "all" => None,
            // A route without a method matches none.
            method => Some(Method::from_bytes(method.to_ascii_uppercase().as_bytes()).unwrap_or_else(|_| no_method())),
        };
        Ok(Self {
            index,
            method,
            path: Path::compile(&full)?,
            bare_path: (route.kind == RouteKind::WebSocket)
                .then(|| Path::compile(&full_path("", endpoint)))
                .transpose()?,
            item_path: is_crud.then(|| Path::compile_item(&full)).transpose()?,
            discriminators,
            mode: route.mode,
            default,
            responses,
            referred,
            count: AtomicU64::new(0),
            is_constant,
        })
    }

    fn may_match(&self, incoming: &Incoming<'_>) -> bool {
        let is_method = self.item_path.is_some() || self.method.as_ref().is_none_or(|method| method == incoming.method);
        is_method && starts_with_ignoring_case(&incoming.path, self.path.prefix().trim_end_matches('/'))
    }

    /// `Some` where method, path and discriminators match, with what a CRUD route does.
    fn matches(&self, incoming: &mut Incoming<'_>) -> Option<Option<Action>> {
        if !self.may_match(incoming) {
            return None;
        }
        let (captures, action) = match &self.item_path {
            None => (self.path.matches(&incoming.path)?, None),
            Some(item_path) => {
                let all = Action::of(incoming.method, false).zip(self.path.matches(&incoming.path));
                let item = || Action::of(incoming.method, true).zip(item_path.matches(&incoming.path));
                let (action, captures) = all.or_else(item)?;
                (captures, Some(action))
            }
        };
        if !self.discriminators.iter().all(|discriminator| discriminator.matches(incoming)) {
            return None;
        }
        incoming.set_params(&captures);
        Some(action)
    }

    /// `None` where no rule holds and the next route shall try.
    pub fn response(
        &self,
        incoming: &Incoming<'_>,
        number: u64,
        around: &dyn Surroundings,
        draw: &mut dyn FnMut() -> Draw,
    ) -> Result<Option<usize>, PatternError> {
        let count = self.responses.len() as u64;
        Ok(match self.mode {
            Mode::Random => Some(draw().below(count) as usize),
            Mode::Sequential => Some(((number - 1) % count) as usize),
            Mode::DisableRules => Some(self.default),
            Mode::Rules | Mode::Fallback => {
                for (index, response) in self.responses.iter().enumerate() {
                    if !response.rules.is_empty() && response.rules.hold(incoming, number, around)? {
                        return Ok(Some(index));
                    }
                }
                (self.mode == Mode::Rules).then_some(self.default)
            }
        })
    }
}

/// A method that no request has.
fn no_method() -> Method {
    Method::from_bytes(b"-").unwrap_or(Method::CONNECT)
}

fn name(route: &Route) -> String {
    let method = match route.kind {
        RouteKind::Http => route.method.to_ascii_uppercase(),
        RouteKind::Crud => "CRUD".to_owned(),
        RouteKind::WebSocket => "WS".to_owned(),
    };
    format!("{method} {}", crate::path::collapse_slashes(&format!("/{}", route.endpoint)))
}

fn environment_notes(environment: &Environment) -> Vec<Note> {
    let mut notes = Vec::new();
    let mut tell = |message: &str| notes.push(Note { route: None, message: message.to_owned() });
    if environment.proxy_mode && crate::proxy::ProxyPlan::new(environment).is_none() {
        tell("the proxy's host is not a URL that begins with http:// or https://: nothing is passed on");
    }
    for reference in &environment.external_references {
        tell(&format!("{reference} is not fetched: what it describes is left out"));
    }
    notes
}

/// What of a route is not done.
fn unsupported(route: &Route) -> Vec<&'static str> {
    let mut messages = Vec::new();
    if route.responses.iter().any(|response| (100..200).contains(&response.status)) {
        messages.push("statuses below 200 cannot be sent as answers: the client gets 500");
    }
    if route.kind == RouteKind::Crud && route.responses.iter().all(|response| response.body_type != BodyType::Bucket) {
        messages.push("no response has a data bucket: the route only answers with its bodies");
    }
    messages
}
