//! Identification: which service, operation, account and region a request means, from whatever the client gives.
//!
//! Order, from what cannot lie to what is a guess: credential scope, `X-Amz-Target`, the RPC v2 path, the host name,
//! `Action`, the user agent's `api/…` token, the path among the candidates' routes; for requests that say nothing of
//! their service, the path among all routes when it fits exactly one service; S3 last, for unsigned requests only.

mod host;
mod router;
mod siblings;

use std::sync::{Arc, OnceLock};

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use standin_core::{FastMap, OperationError, access_key, codes};
use standin_model::{Catalogue, Entry, Operation, Protocol, Service, Str, nearest};
use standin_wire::sigv4::{self, Credential};

use router::{Fit, Router};

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const AMZ_USER_AGENT: HeaderName = HeaderName::from_static("x-amz-user-agent");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

/// How something was found out, for `/_standin/explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    CredentialScope,
    Target,
    RpcPath,
    Host,
    Action,
    UserAgent,
    Path,
    AccessKey,
    Default,
    /// Nothing else fitted, and the request is unsigned.
    LastGuess,
    /// Among services that nothing else tells apart, the one whose model the input fits.
    Input,
}

impl By {
    pub(crate) fn text(self) -> Str {
        match self {
            Self::CredentialScope => "the credential scope of the signature",
            Self::Target => "the X-Amz-Target header",
            Self::RpcPath => "the RPC v2 path",
            Self::Host => "the host name",
            Self::Action => "the Action parameter",
            Self::UserAgent => "the api token of the user agent",
            Self::Path => "the method and path",
            Self::AccessKey => "the access key id, which names it",
            Self::Default => "the server's default",
            Self::Input => "its input, which fits no other service of the same signing name and path",
            Self::LastGuess => "elimination: unsigned, and no other service has such a path",
        }
    }
}

/// What a request means.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    pub(crate) protocol: Protocol,
    pub(crate) scope: Scope,
    /// The path for decoding, where it differs from the request's: without an endpoint's prefix, with the bucket in front.
    pub(crate) path: Option<String>,
    /// The body is what the query string of a GET would be: some clients send long queries so (CloudSearch).
    pub(crate) form_is_query: bool,
    pub(crate) service_by: By,
    pub(crate) operation_by: By,
}

/// Whose and where.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) partition: Str,
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
    pub(crate) access_key: Option<Arc<str>>,
    pub(crate) account_by: By,
    pub(crate) region_by: By,
    pub(crate) signed: bool,
}

/// A request that nobody can answer, in the protocol that its client most likely speaks.
#[derive(Debug)]
pub(crate) struct Unidentified {
    pub(crate) protocol: Protocol,
    pub(crate) service: Option<&'static Service>,
    pub(crate) scope: Scope,
    pub(crate) error: OperationError,
}

/// What identification may assume.
#[derive(Debug, Clone)]
pub(crate) struct Defaults {
    pub(crate) account: Arc<str>,
    pub(crate) region: Arc<str>,
}

/// Finds services by every name that requests carry. Built at start from the catalogue's index alone.
pub(crate) struct Index {
    catalogue: &'static Catalogue,
    by_target: FastMap<Str, Vec<u32>>,
    by_signing: FastMap<Str, Vec<u32>>,
    by_host: FastMap<Str, Vec<u32>>,
    routers: Box<[OnceLock<Router>]>,
    s3: Option<u32>,
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Index").field("entries", &self.routers.len()).finish_non_exhaustive()
    }
}

impl Index {
    pub(crate) fn new(catalogue: &'static Catalogue) -> Self {
        let entries = catalogue.entries();
        let mut index = Self {
            catalogue,
            by_target: FastMap::with_capacity_and_hasher(entries.len(), Default::default()),
            by_signing: FastMap::with_capacity_and_hasher(entries.len(), Default::default()),
            by_host: FastMap::with_capacity_and_hasher(2 * entries.len(), Default::default()),
            routers: entries.iter().map(|_| OnceLock::new()).collect(),
            s3: None,
        };
        for (at, entry) in (0u32..).zip(entries) {
            if let Some(target) = entry.target_prefix {
                index.by_target.entry(target).or_default().push(at);
                // botocore and other SDKs name a few services with and without a namespace (`com.amazonaws….CloudTrail_20131101`).
                if let Some((_, short)) = target.rsplit_once('.') {
                    index.by_target.entry(short).or_default().push(at);
                }
            }
            index.by_signing.entry(entry.signing_name).or_default().push(at);
            index.by_host.entry(entry.endpoint_prefix).or_default().push(at);
            for (_, other) in siblings::OTHER_SIGNING_NAMES.iter().filter(|(id, _)| *id == entry.id) {
                index.by_signing.entry(other).or_default().push(at);
            }
            if entry.id == "s3" {
                index.s3 = Some(at);
            }
        }
        // Ids and signing names as host labels too (`mwaa.localhost`), unless an endpoint prefix already has the name.
        for (at, entry) in (0u32..).zip(entries) {
            for name in [entry.id, entry.signing_name] {
                let list = index.by_host.entry(name).or_default();
                if list.is_empty() || entries[list[0] as usize].id == entry.id && !list.contains(&at) {
                    list.push(at);
                }
            }
        }
        index
    }

    /// The services (catalogue ids) and the region that a host name says.
    pub(crate) fn of_host<'h>(&'h self, host: &'h str) -> (Vec<Str>, Option<&'h str>) {
        let facts = host::read(self, self.catalogue.partitions(), host);
        (facts.services.iter().map(|at| self.entry(*at).id).collect(), facts.region)
    }

    fn entry(&self, at: u32) -> &'static Entry {
        &self.catalogue.entries()[at as usize]
    }

    fn by_host_label(&self, label: &str) -> Option<&[u32]> {
        self.by_host.get(label).map(Vec::as_slice)
    }

    fn open(&self, at: u32) -> &'static Service {
        self.entry(at).open().expect("every frame of the catalogue is read by a test")
    }

    fn router(&self, at: u32) -> &Router {
        self.routers[at as usize].get_or_init(|| Router::new(self.open(at)))
    }

    /// Identifies a request. `form` is the body, where it is a form: only there may the operation stand in the body.
    pub(crate) fn identify(
        &self,
        parts: &Parts,
        form: Option<&[u8]>,
        defaults: &Defaults,
    ) -> Result<Identity, Box<Unidentified>> {
        let facts = Facts::read(self, parts, form);
        let scope = facts.scope(self.catalogue, defaults);
        match self.find(&facts) {
            Ok(found) => Ok(Identity {
                service_by: self.tie_broken_by(&facts, &found).unwrap_or(found.service_by),
                service: found.service,
                operation: found.operation,
                protocol: found.protocol,
                path: found.path,
                form_is_query: found.form_is_query,
                operation_by: found.operation_by,
                scope,
            }),
            Err(miss) => Err(Box::new(self.explain(&facts, &miss, scope))),
        }
    }

    /// The user agent, where a signing name stands for several services and it names the one that was found.
    fn tie_broken_by(&self, facts: &Facts<'_>, found: &Found) -> Option<By> {
        let api = facts.user_agent_api.filter(|_| found.service_by == By::CredentialScope)?;
        let rivals = self.by_signing.get(found.service.signing_name)?;
        let tied = rivals.iter().any(|at| self.entry(*at).id != found.service.id);
        (tied && same_name(found.service.sdk_id, api)).then_some(By::UserAgent)
    }

    fn find(&self, facts: &Facts<'_>) -> Result<Found, Box<Miss>> {
        if let Some(target) = facts.target {
            return self.find_by_target(facts, target);
        }
        if let Some((service, operation)) = facts.rpc {
            return self.find_by_rpc(facts, service, operation);
        }
        let (candidates, service_by) = self.candidates(facts);
        if let Some(action) = facts.action {
            return self.find_by_action(facts, action, candidates, service_by);
        }
        self.find_by_path(facts, candidates, service_by)
    }

    /// The services that a request may mean; empty when it says nothing of them.
    fn candidates<'i>(&'i self, facts: &Facts<'i>) -> (&'i [u32], By) {
        if let Some(signing) = facts.credential.as_ref().and_then(|credential| credential.service)
            && let Some(list) = self.by_signing.get(signing).or_else(|| self.by_host.get(signing))
        {
            return (list, By::CredentialScope);
        }
        if !facts.host.services.is_empty() {
            return (facts.host.services, By::Host);
        }
        (&[], By::Path)
    }

    fn find_by_target(&self, facts: &Facts<'_>, target: &str) -> Result<Found, Box<Miss>> {
        let (prefix, name) = target.rsplit_once('.').unwrap_or(("", target));
        let list = self.by_target.get(prefix).map_or(&[][..], Vec::as_slice);
        let mut fallback = None;
        for at in self.preferred(facts, list) {
            let service = self.open(at);
            let protocol = facts.json_protocol(service);
            if let Some(operation) = service.operation(name) {
                return Ok(Found::new(service, operation, protocol, By::Target, By::Target));
            }
            fallback.get_or_insert(service);
        }
        // Some clients leave the prefix out; the signature still names the service.
        let (candidates, service_by) = self.candidates(facts);
        for at in self.preferred(facts, candidates) {
            let service = self.open(at);
            if let Some(operation) = service.operation(name) {
                return Ok(Found::new(service, operation, facts.json_protocol(service), service_by, By::Target));
            }
            fallback.get_or_insert(service);
        }
        Err(Miss::operation(fallback, name))
    }

    fn find_by_rpc(&self, facts: &Facts<'_>, service_name: &str, name: &str) -> Result<Found, Box<Miss>> {
        let list = self.by_target.get(service_name).map_or(&[][..], Vec::as_slice);
        let (candidates, _) = self.candidates(facts);
        let mut fallback = None;
        for at in self.preferred(facts, list).into_iter().chain(self.preferred(facts, candidates)) {
            let service = self.open(at);
            if let Some(operation) = service.operation(name) {
                return Ok(Found::new(service, operation, Protocol::RpcV2Cbor, By::RpcPath, By::RpcPath));
            }
            fallback.get_or_insert(service);
        }
        Err(Miss::operation(fallback, name))
    }

    fn find_by_action(
        &self,
        facts: &Facts<'_>,
        action: &str,
        candidates: &[u32],
        service_by: By,
    ) -> Result<Found, Box<Miss>> {
        let version = facts.version.as_deref();
        let speaks = |entry: &Entry| query_protocol(&entry.protocols);
        let mut fallback = None;
        // The version that the client names, then the newest.
        for exact in [true, false] {
            for at in self.preferred(facts, candidates) {
                let entry = self.entry(at);
                let Some(protocol) = speaks(entry) else { continue };
                if exact && version.is_some_and(|version| version != entry.version) {
                    continue;
                }
                let service = self.open(at);
                if let Some(operation) = service.operation(action) {
                    return Ok(Found::new(service, operation, protocol, service_by, By::Action));
                }
                fallback.get_or_insert(service);
            }
        }
        if candidates.is_empty() {
            let known = self.catalogue.operation_index();
            let all: Vec<u32> = (0u32..).zip(self.catalogue.entries()).map(|(at, _)| at).collect();
            let in_order = self.preferred(facts, &all).into_iter().map(|at| (at, self.entry(at)));
            let mut fits = in_order.filter(|(at, entry)| {
                speaks(entry).is_some()
                    && match version {
                        Some(version) => version == entry.version,
                        None => entry.newest,
                    }
                    && known[*at as usize].binary_search_by(|operation| operation.name.cmp(action)).is_ok()
            });
            if let Some((at, entry)) = fits.next() {
                let service = self.open(at);
                let rivals: Vec<Str> = fits.map(|(_, entry)| entry.id).filter(|id| *id != entry.id).collect();
                // DocumentDB and Neptune repeat RDS's API under the same version; RDS answers for all three.
                if rivals.is_empty() || version.is_some() {
                    let operation = service.operation(action).expect("the index names the same operations");
                    let protocol = speaks(entry).expect("filtered above");
                    return Ok(Found::new(service, operation, protocol, By::Action, By::Action));
                }
                return Err(Box::new(Miss { rivals: [vec![entry.id], rivals].concat(), ..Miss::default() }));
            }
        }
        Err(Miss::operation(fallback, action))
    }

    fn find_by_path(&self, facts: &Facts<'_>, candidates: &[u32], service_by: By) -> Result<Found, Box<Miss>> {
        let s3_bucket = facts.bucket(self, candidates);
        let with_bucket = s3_bucket.map(|bucket| match facts.path {
            "/" => format!("/{bucket}"),
            path => format!("/{bucket}{path}"),
        });
        let path = with_bucket.as_deref().unwrap_or(facts.path);
        if !candidates.is_empty() {
            if let Some(mut found) = self.best_route(facts, candidates, path, service_by) {
                found.path = with_bucket;
                found.operation = siblings::meant_by_signature(facts, &found).unwrap_or(found.operation);
                return Ok(found);
            }
            // An endpoint URL with a path prefix: drop leading segments until a route fits. Not for S3, where any path fits.
            const PREFIX_SEGMENTS_MAX: usize = 4;
            let starts = path.match_indices('/').skip(1).take(PREFIX_SEGMENTS_MAX);
            for (start, _) in starts {
                if let Some(mut found) = self.best_route(facts, candidates, &path[start..], service_by) {
                    found.path = Some(path[start..].to_owned());
                    return Ok(found);
                }
            }
            if let Some(found) = self.get_sent_as_post(facts, candidates, service_by) {
                return Ok(found);
            }
            let service = self.preferred(facts, candidates).first().map(|at| self.open(*at));
            return Err(Box::new(Miss { service, ..Miss::default() }));
        }
        if facts.credential.as_ref().is_some_and(|credential| credential.service.is_some()) {
            return Err(Box::default());
        }
        if let Some(bucket_path) = with_bucket
            && let Some(s3) = self.s3
            && let Some(mut found) = self.best_route(facts, &[s3], &bucket_path, By::Host)
        {
            found.path = Some(bucket_path);
            return Ok(found);
        }
        self.find_in_all(facts)
    }

    /// The best route among candidates: the newest version of each service first, older ones only where that has none.
    fn best_route(&self, facts: &Facts<'_>, candidates: &[u32], path: &str, service_by: By) -> Option<Found> {
        let list = self.preferred(facts, candidates);
        for newest in [true, false] {
            let mut best: Option<(Fit, u32, u32)> = None;
            for at in list.iter().copied().filter(|at| self.entry(*at).newest == newest) {
                let entry = self.entry(at);
                if !entry.protocols.iter().any(|protocol| protocol.is_rest()) {
                    continue;
                }
                // An older version's paths begin with a date: do not open nineteen models to find one.
                if !newest && !self.may_have_route(at, facts.method, path) {
                    continue;
                }
                if let Some((operation, fit)) = self.router(at).find(facts.method, path, facts.query, facts.headers) {
                    let rank = |fit: Fit| (fit.literal_segments(), fit);
                    if best.is_none_or(|(best, ..)| rank(fit) > rank(best)) {
                        best = Some((fit, at, operation));
                    }
                }
            }
            if let Some((_, at, operation)) = best {
                let service = self.open(at);
                let protocol = service.protocols.iter().copied().find(|protocol| protocol.is_rest())?;
                let operation = &service.operations[operation as usize];
                return Some(Found::new(service, operation, protocol, service_by, By::Path));
            }
        }
        None
    }

    /// A cheap look at the texts in the index, before a model is opened for its routes.
    fn may_have_route(&self, at: u32, method: &str, path: &str) -> bool {
        let known = &self.catalogue.operation_index()[at as usize];
        known.iter().any(|route| route.method == method && may_match(route.uri, path))
    }

    /// An unsigned request to a bare address: answered when its path fits one service only, else S3 for bucket-like paths.
    fn find_in_all(&self, facts: &Facts<'_>) -> Result<Found, Box<Miss>> {
        let mut fits: Vec<(Fit, u32, u32)> = Vec::new();
        for (at, entry) in (0u32..).zip(self.catalogue.entries()) {
            let rest = entry.protocols.iter().any(|protocol| protocol.is_rest());
            if !entry.newest || !rest || Some(at) == self.s3 {
                continue;
            }
            if !self.may_have_route(at, facts.method, facts.path) {
                continue;
            }
            if let Some((operation, fit)) = self.router(at).find(facts.method, facts.path, facts.query, facts.headers) {
                fits.push((fit, at, operation));
            }
        }
        // A path made of labels alone fits any service that has such a route: too weak to go by.
        fits.retain(|(fit, ..)| fit.literal_segments() > 0);
        let most = fits.iter().map(|(fit, ..)| fit.literal_segments()).max().unwrap_or_default();
        fits.retain(|(fit, ..)| fit.literal_segments() == most);
        match fits[..] {
            [(_, at, operation)] => {
                let service = self.open(at);
                let protocol = service.protocols.iter().copied().find(|p| p.is_rest()).expect("filtered above");
                Ok(Found::new(service, &service.operations[operation as usize], protocol, By::Path, By::Path))
            }
            [] => {
                let s3 = self.s3.ok_or_else(Box::<Miss>::default)?;
                // A browser's or probe's `GET /` is no request to list buckets.
                let looks_like_s3 = facts.path.len() > 1 || facts.method == "HEAD";
                let found = looks_like_s3.then(|| self.best_route(facts, &[s3], facts.path, By::LastGuess)).flatten();
                found.ok_or_else(Box::default)
            }
            _ => Err(Box::new(Miss {
                rivals: fits.iter().map(|(_, at, _)| self.entry(*at).id).collect(),
                ..Miss::default()
            })),
        }
    }

    /// Candidates in the order in which to try them: those that the user agent or host names first.
    fn preferred(&self, facts: &Facts<'_>, candidates: &[u32]) -> Vec<u32> {
        let mut list = candidates.to_vec();
        if list.len() > 1 {
            // RDS before DocumentDB and Neptune, which sign and name their hosts as it does.
            list.sort_by_key(|at| self.entry(*at).id != self.entry(*at).endpoint_prefix);
            list.sort_by_key(|at| siblings::SUPERSEDED.contains(&self.entry(*at).id));
            if !facts.host.services.is_empty() {
                list.sort_by_key(|at| !facts.host.services.contains(at));
            }
            if let Some(api) = facts.user_agent_api {
                list.sort_by_key(|at| !same_name(self.entry(*at).sdk_id, api));
            }
        }
        list
    }

    fn explain(&self, facts: &Facts<'_>, miss: &Miss, scope: Scope) -> Unidentified {
        let protocol = facts.likely_protocol(miss.service);
        let mut understood = Vec::new();
        if let Some(service) = facts.credential.as_ref().and_then(|credential| credential.service) {
            understood.push(format!("signed for `{service}`"));
        }
        if let Some(target) = facts.target {
            understood.push(format!("X-Amz-Target `{target}`"));
        }
        if let Some(action) = facts.action {
            understood.push(format!("Action `{action}`"));
        }
        understood.push(format!("{} {}", facts.method, facts.path));
        let mut message = match (miss.service, miss.operation.as_deref()) {
            (Some(service), Some(name)) => format!("{} has no operation {name}", service.title),
            (Some(service), None) => format!("{} has no operation at {} {}", service.title, facts.method, facts.path),
            (None, _) if !miss.rivals.is_empty() => format!("{} services have this path or action", miss.rivals.len()),
            (None, _) => "standin cannot tell which AWS service this request is for".to_owned(),
        };
        message.push_str(&format!(" ({})", understood.join(", ")));
        let hints: Vec<&str> = match (miss.service, miss.operation.as_deref()) {
            (Some(service), Some(name)) => nearest(name, service.operations.iter().map(|op| op.name), 3),
            (None, _) if miss.rivals.is_empty() => {
                let wanted = facts
                    .credential
                    .as_ref()
                    .and_then(|credential| credential.service)
                    .or_else(|| facts.target.and_then(|target| target.split('.').next()))
                    .unwrap_or_default();
                let entries = self.catalogue.services();
                let names = entries.flat_map(|e| [Some(e.id), Some(e.signing_name), e.target_prefix]).flatten();
                nearest(wanted, names, 3)
            }
            _ => miss.rivals.iter().take(8).copied().collect(),
        };
        if !hints.is_empty() {
            message.push_str(if miss.rivals.is_empty() { "; did you mean " } else { ": " });
            message.push_str(&hints.join(", "));
        }
        if miss.service.is_none() {
            message.push_str(". Sign the request, or name the service in the host, as in http://mwaa.localhost:4566/");
        }
        let (code, status) = match protocol {
            Protocol::AwsQuery | Protocol::Ec2Query => ("InvalidAction", 400),
            _ => (codes::UNKNOWN_OPERATION, 404),
        };
        Unidentified {
            protocol,
            service: miss.service,
            scope,
            error: OperationError::new(code, message).with_status(status),
        }
    }
}

struct Found {
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    path: Option<String>,
    form_is_query: bool,
    service_by: By,
    operation_by: By,
}

impl Found {
    fn new(
        service: &'static Service,
        operation: &'static Operation,
        protocol: Protocol,
        service_by: By,
        operation_by: By,
    ) -> Self {
        Self { service, operation, protocol, path: None, form_is_query: false, service_by, operation_by }
    }
}

/// As far as identification came.
#[derive(Debug, Default)]
struct Miss {
    service: Option<&'static Service>,
    operation: Option<String>,
    rivals: Vec<Str>,
}

impl Miss {
    fn operation(service: Option<&'static Service>, name: &str) -> Box<Self> {
        Box::new(Self { service, operation: Some(name.to_owned()), rivals: Vec::new() })
    }
}

/// What a request says of itself.
struct Facts<'r> {
    method: &'r str,
    path: &'r str,
    query: &'r str,
    headers: &'r HeaderMap,
    credential: Option<Credential<'r>>,
    target: Option<&'r str>,
    rpc: Option<(&'r str, &'r str)>,
    action: Option<&'r str>,
    form: Option<&'r str>,
    version: Option<std::borrow::Cow<'r, str>>,
    host: host::HostFacts<'r>,
    user_agent_api: Option<&'r str>,
    content_type: &'r str,
}

impl<'r> Facts<'r> {
    fn read(index: &'r Index, parts: &'r Parts, form: Option<&'r [u8]>) -> Self {
        let headers = &parts.headers;
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let path = parts.uri.path();
        let query = parts.uri.query().unwrap_or_default();
        let host = parts.uri.host().or_else(|| text(&header::HOST)).unwrap_or_default();
        let form = form.and_then(|form| std::str::from_utf8(form).ok());
        let target = text(&TARGET).filter(|target| target.len() <= 256);
        let rpc = rpc_path(path);
        let (mut action, mut version) = (None, None);
        if target.is_none() && rpc.is_none() {
            for pairs in [form.unwrap_or_default(), query] {
                // `Action` comes first in practice; the others need not be walked.
                action = action.or_else(|| parameter(pairs, "Action"));
                if action.is_some() && version.is_none() {
                    version = parameter(pairs, "Version").map(std::borrow::Cow::Borrowed);
                }
            }
        }
        Self {
            method: parts.method.as_str(),
            path,
            query,
            headers,
            credential: sigv4::credential(headers, query),
            target,
            rpc,
            action,
            form,
            version,
            host: host::read(index, index.catalogue.partitions(), host),
            user_agent_api: text(&AMZ_USER_AGENT)
                .and_then(api_token)
                .or_else(|| text(&header::USER_AGENT).and_then(api_token)),
            content_type: text(&header::CONTENT_TYPE).unwrap_or_default(),
        }
    }

    fn scope(&self, catalogue: &Catalogue, defaults: &Defaults) -> Scope {
        let access_key = self.credential.as_ref().map(|credential| &*credential.access_key);
        let (account, account_by) = match access_key.and_then(access_key::account_of) {
            Some(account) => (account.into(), By::AccessKey),
            None => (defaults.account.clone(), By::Default),
        };
        let scoped = self.credential.as_ref().and_then(|credential| credential.region);
        let (region, region_by) = match (scoped.filter(|region| is_region_like(region)), self.host.region) {
            (Some(region), _) if region == &*defaults.region => (defaults.region.clone(), By::CredentialScope),
            (Some(region), _) => (region.into(), By::CredentialScope),
            (None, Some(region)) => (region.into(), By::Host),
            (None, None) => (defaults.region.clone(), By::Default),
        };
        Scope {
            partition: partition_id(catalogue, &region),
            account,
            region,
            access_key: access_key.map(Into::into),
            account_by,
            region_by,
            signed: self.credential.is_some(),
        }
    }

    /// Which of the JSON versions: the one that the content type names if the service speaks it, else the service's own.
    fn json_protocol(&self, service: &Service) -> Protocol {
        let named = if self.content_type.starts_with("application/x-amz-json-1.0") {
            Some(Protocol::AwsJson1_0)
        } else if self.content_type.starts_with("application/x-amz-json-1.1") {
            Some(Protocol::AwsJson1_1)
        } else {
            None
        };
        let own = service.protocols.iter().copied().find(|p| matches!(p, Protocol::AwsJson1_0 | Protocol::AwsJson1_1));
        named.or(own).unwrap_or(Protocol::AwsJson1_0)
    }

    fn likely_protocol(&self, service: Option<&Service>) -> Protocol {
        let cbor = self.rpc.is_some() || self.headers.contains_key(&SMITHY_PROTOCOL);
        if cbor {
            return Protocol::RpcV2Cbor;
        }
        if self.target.is_some() || self.content_type.starts_with("application/x-amz-json") {
            return match self.content_type.starts_with("application/x-amz-json-1.1") {
                true => Protocol::AwsJson1_1,
                false => Protocol::AwsJson1_0,
            };
        }
        if self.action.is_some() || self.content_type.starts_with("application/x-www-form-urlencoded") {
            return service.and_then(|service| query_protocol(&service.protocols)).unwrap_or(Protocol::AwsQuery);
        }
        let rest = service.and_then(|service| service.protocols.iter().copied().find(|p| p.is_rest()));
        rest.unwrap_or(if self.content_type.contains("cbor") { Protocol::RpcV2Cbor } else { Protocol::RestJson1 })
    }

    /// The bucket in the host name, for requests to S3.
    fn bucket(&self, index: &Index, candidates: &[u32]) -> Option<&'r str> {
        let before = self.host.before?;
        let s3 = index.s3?;
        let scoped = candidates.contains(&s3);
        let named = self.host.services.contains(&s3) || self.host.services.is_empty();
        // `bucket.localhost` counts for signed requests to S3 and for unsigned ones to nobody else.
        (named && (scoped || candidates.is_empty())).then_some(before)
    }
}

fn query_protocol(protocols: &[Protocol]) -> Option<Protocol> {
    protocols.iter().copied().find(|protocol| matches!(protocol, Protocol::AwsQuery | Protocol::Ec2Query))
}

/// `/service/S/operation/O`, at the end of any prefix.
fn rpc_path(path: &str) -> Option<(&str, &str)> {
    let (before, operation) = path.rsplit_once("/operation/")?;
    let (_, service) = before.rsplit_once("/service/")?;
    let simple =
        |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    // Smithy allows a namespace before the service's name.
    let service = service.rsplit('.').next().unwrap_or(service);
    (simple(service) && simple(operation)).then_some((service, operation))
}

/// The raw value of a form or query parameter. The names and values looked for here need no decoding.
fn parameter<'p>(pairs: &'p str, name: &str) -> Option<&'p str> {
    pairs.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// `api/NAME` in a user agent, without the version behind `#` or `/`.
fn api_token(user_agent: &str) -> Option<&str> {
    let token = user_agent.split(' ').find_map(|token| token.strip_prefix("api/"))?;
    token.split(['#', '/']).next().filter(|name| !name.is_empty())
}

/// Whether two names are the same but for case, dashes, underscores and spaces.
fn same_name(a: &str, b: &str) -> bool {
    let letters = |text: &'_ str| {
        text.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    letters(a) == letters(b)
}

/// Scopes may carry anything; what is no region at all must not become part of ARNs.
fn is_region_like(region: &str) -> bool {
    !region.is_empty() && region.len() <= 32 && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn partition_id(catalogue: &Catalogue, region: &str) -> Str {
    // Partitions live in the catalogue's index, which is kept for good.
    catalogue.partitions().of_region(region).id
}

/// Whether a URI pattern's first segment could fit a path's.
fn may_match(pattern: &str, path: &str) -> bool {
    let want = first_segment(pattern);
    want.starts_with('{') || want == first_segment(path)
}

fn first_segment(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.split(['/', '?']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
