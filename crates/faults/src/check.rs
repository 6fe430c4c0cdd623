//! Whether a rule makes sense: checked when it is set, not when it is used.

use std::fmt;

use standin_core::OperationError;
use standin_mock::batch::BatchShape;
use standin_model::{Catalogue, Service, Str, nearest};

use crate::errors::{self, Kind};
use crate::globs::Globs;
use crate::matcher::Matcher;
use crate::rule::{Network, Outcome, Rule};

/// Why a rule is refused, in a sentence that says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Names of errors are headers and codes; texts travel in answers.
const NAME_BYTES_MAX: usize = 128;
const TEXT_BYTES_MAX: usize = 4096;

/// Which error a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Kind(Kind),
    /// By shape name or wire code.
    Named(String),
}

/// Checks what a rule does; which calls it is about is [`Matching`](crate::Matching)'s to check. The error that it asks for.
pub(crate) fn check(catalogue: &Catalogue, rule: &Rule) -> Result<Option<Wanted>, Refused> {
    outcome(rule)?;
    let entries = rule.matcher.entries(catalogue)?;
    let known: Vec<&'static Service> = entries.iter().flatten().filter_map(|entry| entry.open().ok()).collect();
    if let Some(network) = rule.outcome.network.filter(|network| network.is_before_calls()) {
        before_calls(rule, network)?;
    }
    if rule.outcome.partial.is_some() && !rule.outcome.force {
        batches(&known, rule)?;
    }
    rule.outcome.error.as_ref().map(|name| error(&known, rule, name)).transpose()
}

/// Checks what needs no model.
pub(crate) fn outcome(rule: &Rule) -> Result<(), Refused> {
    if rule.outcome.is_nothing() {
        return refuse(
            "the rule does nothing: give an error, latency, network, rate, lag, partial, skew, transition, trickle or twice",
        );
    }
    if rule.outcome.partial.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return refuse("partial is a share from 0 to 1");
    }
    if rule.outcome.trickle == Some(0) {
        return refuse("trickle is a number of bytes per second above 0");
    }
    if rule.outcome.status.is_some_and(|status| !(400..=599).contains(&status)) {
        return refuse("the status of an error is from 400 to 599");
    }
    let plain = |name: &String| {
        !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(|byte| byte.is_ascii_graphic())
    };
    if rule.outcome.error.as_ref().is_some_and(|name| !plain(name)) {
        return refuse(format!("the name of an error has 1 to {NAME_BYTES_MAX} letters, digits and signs"));
    }
    let too_long = |text: &str| text.len() > TEXT_BYTES_MAX;
    if too_long(&rule.description) || rule.outcome.message.as_deref().is_some_and(too_long) {
        return refuse(format!("a description and a message have at most {TEXT_BYTES_MAX} bytes"));
    }
    Ok(())
}

pub(crate) fn refuse<T>(text: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(text.into()))
}

/// What breaks a connection before a call is known can ask for nothing that only a call has.
fn before_calls(rule: &Rule, network: Network) -> Result<(), Refused> {
    let Matcher { service, region, operation, account, key, resource, input, class, .. } = &rule.matcher;
    let by_call = [operation, account, key, resource].iter().any(|globs| !globs.is_any());
    if by_call || input.is_some() || class.is_some() {
        return refuse(
            "no call is known yet when a connection is refused or a TLS handshake fails: such a rule has no operation, \
             account, key, resource, input or class; network = \"reset-before\" breaks off single calls",
        );
    }
    if network == Network::Refuse && !(service.is_any() && region.is_any()) {
        return refuse(
            "a connection says neither service nor region; a TLS handshake does (network = \"tls\"), and \
             network = \"reset-before\" breaks off the calls to a service",
        );
    }
    if rule.outcome != (Outcome { network: Some(network), force: rule.outcome.force, ..Outcome::default() }) {
        return refuse(
            "nothing else can go wrong with a connection that does not come about; give it a rule of its own",
        );
    }
    Ok(())
}

/// Items can fail only where an operation has items and says which failed.
fn batches(services: &[&'static Service], rule: &Rule) -> Result<(), Refused> {
    let matcher = &rule.matcher;
    for pattern in matcher.operation.patterns() {
        let one = Globs::One(pattern.clone());
        let mut operations = services.iter().flat_map(|service| {
            let all = service.operations.iter();
            all.filter(|operation| one.matches(operation.name)).map(|operation| BatchShape::of(service, operation))
        });
        if !services.is_empty() && operations.all(|batch| batch.is_none()) {
            return refuse(format!(
                "`{pattern}` has no list of items of which some can fail; `force` sets the rule all the same"
            ));
        }
    }
    Ok(())
}

/// A named error must be one that each operation of the rule can return.
fn error(services: &[&'static Service], rule: &Rule, name: &str) -> Result<Wanted, Refused> {
    if let Some(kind) = Kind::parse(name) {
        return Ok(Wanted::Kind(kind));
    }
    let force = rule.outcome.force;
    let named = Wanted::Named(name.to_owned());
    if errors::generic(name).is_some() || force {
        return Ok(named);
    }
    let asked = OperationError::new(name.to_owned(), "");
    let mut any = false;
    for service in services {
        for operation in service.operations.iter().filter(|operation| rule.matcher.operation.matches(operation.name)) {
            let listed = operation.errors.iter();
            let knows = listed
                .clone()
                .any(|shape| service.shape(*shape).name == name || OperationError::wire_code(service, *shape) == name);
            any |= knows;
            if !knows
                && rule.matcher.operation.patterns().len() == 1
                && !rule.matcher.operation.patterns()[0].contains('*')
            {
                let have: Vec<Str> = listed.map(|shape| service.shape(*shape).name).collect();
                return refuse(format!(
                    "{} of {} cannot return `{name}`; it can return {}, or any of {}. `force` sends it all the same",
                    operation.name,
                    service.id,
                    if have.is_empty() { "no error of its own".to_owned() } else { have.join(", ") },
                    errors::generic_codes().collect::<Vec<_>>().join(", "),
                ));
            }
        }
        any |= asked.shape(service, None).is_some();
    }
    if any {
        return Ok(named);
    }
    let names = services.iter().flat_map(|service| {
        service.operations.iter().flat_map(|operation| operation.errors.iter().map(|shape| service.shape(*shape).name))
    });
    let hints = nearest(name, names.chain(errors::generic_codes()), 3);
    refuse(format!("no operation of this rule can return `{name}`{}; `force` sends it all the same", hint(&hints)))
}

pub(crate) fn hint(hints: &[&str]) -> String {
    if hints.is_empty() { String::new() } else { format!("; did you mean {}?", hints.join(", ")) }
}
