//! Services that one request may mean alike: they share a signing name, and the path or the operation's name too.

use http::request::Parts;
use standin_model::{Operation, Protocol, Service, Str};

use super::router::literal_segments;
use super::{By, Facts, Found, Identity, Index, query_protocol};

/// Signing names that the endpoint rules of a service use beside the one in its model (botocore 1.44.5).
pub(super) const OTHER_SIGNING_NAMES: &[(Str, Str)] = &[
    ("importexport", "IngestionService"),
    ("s3", "s3-object-lambda"),
    ("s3", "s3-outposts"),
    ("s3", "s3express"),
    ("s3control", "s3-outposts"),
    ("s3control", "s3express"),
];

/// Services that a later one has taken the place of, under the same signing name and partly with the same paths:
/// whoever calls one of those most likely means the later.
pub(super) const SUPERSEDED: &[Str] = &["chime", "greengrass", "lex-models", "lex-runtime", "wisdom"];

/// `GET /` lists the buckets of S3, and its directory buckets where it is signed for S3 Express.
pub(super) fn meant_by_signature(facts: &Facts<'_>, found: &Found) -> Option<&'static Operation> {
    let express = facts.credential.as_ref()?.service? == "s3express";
    if express && found.operation.name == "ListBuckets" {
        found.service.operation("ListDirectoryBuckets")
    } else {
        None
    }
}

/// What a request may mean instead.
#[derive(Debug)]
pub(crate) struct Sibling {
    pub(crate) service: &'static Service,
    pub(crate) operation: &'static Operation,
    pub(crate) protocol: Protocol,
}

impl Identity {
    /// Takes a sibling's place, because the input fits its model.
    pub(crate) fn become_sibling(&mut self, sibling: &Sibling) {
        self.service = sibling.service;
        self.operation = sibling.operation;
        self.protocol = sibling.protocol;
        self.service_by = By::Input;
    }
}

impl Index {
    /// The other services that the request may mean, the likeliest first. Some clients (botocore) name their service
    /// by its signing name alone, which `wisdom` and `qconnect` share, as do all of Chime's SDKs and others.
    pub(crate) fn siblings(&self, parts: &Parts, form: Option<&[u8]>, identity: &Identity) -> Vec<Sibling> {
        let facts = Facts::read(self, parts, form);
        let target = facts.target.map(|target| target.rsplit_once('.').unwrap_or(("", target)));
        let by_prefix = target.map(|(prefix, _)| prefix).or(facts.rpc.map(|(service, _)| service));
        let candidates = match by_prefix {
            Some(prefix) => self.by_target.get(prefix).map_or(&[][..], Vec::as_slice),
            None => self.candidates(&facts).0,
        };
        let name = target.map(|(_, name)| name).or(facts.rpc.map(|(_, name)| name)).or(facts.action);
        let path = identity.path.as_deref().unwrap_or(facts.path);
        let mut others = self.preferred(&facts, candidates);
        others.retain(|at| {
            let entry = self.entry(*at);
            (entry.id, entry.version) != (identity.service.id, identity.service.version)
        });
        // Older versions last. Most are told apart by path or `Version`, but not those that speak JSON.
        others.sort_by_key(|at| !self.entry(*at).newest);
        let siblings = others.into_iter().filter_map(|at| self.sibling(&facts, at, name, path, identity.protocol));
        // A path that fits by labels alone (any path fits S3) says less than the one that was found.
        let literals = |operation: &Operation| literal_segments(&operation.http.uri);
        siblings.filter(|sibling| literals(sibling.operation) >= literals(identity.operation)).collect()
    }

    fn sibling(&self, facts: &Facts<'_>, at: u32, name: Option<&str>, path: &str, like: Protocol) -> Option<Sibling> {
        let entry = self.entry(at);
        if facts.action.is_some() && facts.version.as_deref().is_some_and(|version| version != entry.version) {
            return None;
        }
        let protocol = match (name, facts.action) {
            (Some(_), Some(_)) => query_protocol(&entry.protocols)?,
            (Some(_), None) => entry.protocols.iter().copied().find(|protocol| *protocol == like)?,
            (None, _) => entry.protocols.iter().copied().find(|protocol| protocol.is_rest())?,
        };
        let operation = match name {
            Some(name) => self.open(at).operation(name)?,
            None => {
                let (operation, _) = self.router(at).find(facts.method, path, facts.query, facts.headers)?;
                &self.open(at).operations[operation as usize]
            }
        };
        Some(Sibling { service: self.open(at), operation, protocol })
    }

    /// A GET whose query string came as the form of a POST.
    pub(super) fn get_sent_as_post(&self, facts: &Facts<'_>, candidates: &[u32], service_by: By) -> Option<Found> {
        let form = facts.form.filter(|_| facts.method == "POST")?;
        for at in self.preferred(facts, candidates) {
            let entry = self.entry(at);
            let Some(protocol) = entry.protocols.iter().copied().find(|protocol| protocol.is_rest()) else { continue };
            if let Some((operation, _)) = self.router(at).find("GET", facts.path, form, facts.headers) {
                let service = self.open(at);
                let operation = &service.operations[operation as usize];
                let found = Found::new(service, operation, protocol, service_by, By::Path);
                return Some(Found { form_is_query: true, ..found });
            }
        }
        None
    }
}
