//! Whether a rule makes sense: checked when it is set, not when it is used.

use std::fmt;

use standin_core::OperationError;
use standin_model::{Catalogue, Document, Entry, Service, Str, Timestamp, nearest};

use crate::errors::{self, Kind};
use crate::globs::Globs;
use crate::rule::{Outcome, Rule};

/// Why a rule is refused, in a sentence that says what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(pub String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What a rule is about, worked out once.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Catalogue ids; `None` for all.
    pub services: Option<Vec<Str>>,
    pub input: Option<Document>,
    pub from_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub error: Option<Wanted>,
}

/// Which error a rule asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Kind(Kind),
    /// By shape name or wire code.
    Named(String),
}

pub(crate) fn check(catalogue: &Catalogue, rule: &Rule, now: Timestamp) -> Result<Checked, Refused> {
    if rule.outcome.is_nothing() {
        return refuse(
            "the rule does nothing: give an error, latency, network, rate, lag, partial, transition, trickle or twice",
        );
    }
    if !(0.0..=1.0).contains(&rule.probability) {
        return refuse(format!("the probability {} is not from 0 to 1", rule.probability));
    }
    if rule.every == Some(0) {
        return refuse("every 0th call is none; every = 1 is each");
    }
    if rule.outcome.partial.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        return refuse("partial is a share from 0 to 1");
    }
    if rule.outcome.trickle == Some(0) {
        return refuse("trickle is a number of bytes per second above 0");
    }
    let entries = services(catalogue, &rule.service)?;
    let known: Vec<&'static Service> = match &entries {
        Some(entries) => entries.iter().filter_map(|entry| entry.open().ok()).collect(),
        None => Vec::new(),
    };
    operations(&known, &rule.operation)?;
    let error = match &rule.outcome.error {
        None => None,
        Some(name) => Some(error(&known, rule, name)?),
    };
    let input = match &rule.input {
        None => None,
        Some(value) if value.is_object() => Some(Document::from_json(value)),
        Some(_) => return refuse("input is an object: the members that the call's input must have"),
    };
    Ok(Checked {
        services: entries.map(|entries| entries.iter().map(|entry| entry.id).collect()),
        input,
        from_ms: rule.from.as_deref().map(|text| time(text, now)).transpose()?,
        until_ms: rule.until.as_deref().map(|text| time(text, now)).transpose()?,
        error,
    })
}

fn refuse<T>(text: impl Into<String>) -> Result<T, Refused> {
    Err(Refused(text.into()))
}

/// The services that patterns name; `None` for all.
fn services<'c>(catalogue: &'c Catalogue, globs: &Globs) -> Result<Option<Vec<&'c Entry>>, Refused> {
    if globs.patterns().iter().all(|pattern| pattern == "*") {
        return Ok(None);
    }
    let mut found: Vec<&Entry> = Vec::new();
    for pattern in globs.patterns() {
        let one = Globs::One(pattern.clone());
        let before = found.len();
        found.extend(catalogue.entries().iter().filter(|entry| one.matches(entry.id)));
        // Whatever else people call it.
        if found.len() == before
            && let Some(entry) = catalogue.find(pattern)
        {
            found.extend(catalogue.entries().iter().filter(|other| other.id == entry.id));
        }
        if found.len() == before {
            let hints = nearest(pattern, catalogue.services().map(|entry| entry.id), 3);
            return refuse(format!("there is no service `{pattern}`{}", hint(&hints)));
        }
    }
    Ok(Some(found))
}

fn operations(services: &[&'static Service], globs: &Globs) -> Result<(), Refused> {
    for pattern in globs.patterns() {
        let one = Globs::One(pattern.clone());
        let mut all = services.iter().flat_map(|service| service.operations.iter());
        if !services.is_empty() && !all.any(|operation| one.matches(operation.name)) {
            let names = services.iter().flat_map(|service| service.operations.iter()).map(|operation| operation.name);
            let list = services.iter().map(|service| service.id).collect::<Vec<_>>().join(", ");
            return refuse(format!("{list} has no operation `{pattern}`{}", hint(&nearest(pattern, names, 3))));
        }
    }
    Ok(())
}

/// A named error must be one that each operation of the rule can return.
fn error(services: &[&'static Service], rule: &Rule, name: &str) -> Result<Wanted, Refused> {
    if let Some(kind) = Kind::parse(name) {
        return Ok(Wanted::Kind(kind));
    }
    let Outcome { status, force, .. } = rule.outcome;
    if status.is_some_and(|status| !(400..=599).contains(&status)) {
        return refuse("the status of an error is from 400 to 599");
    }
    let named = Wanted::Named(name.to_owned());
    if errors::generic(name).is_some() || force {
        return Ok(named);
    }
    let asked = OperationError::new(name.to_owned(), "");
    let mut any = false;
    for service in services {
        for operation in service.operations.iter().filter(|operation| rule.operation.matches(operation.name)) {
            let listed = operation.errors.iter();
            let knows = listed
                .clone()
                .any(|shape| service.shape(*shape).name == name || OperationError::wire_code(service, *shape) == name);
            any |= knows;
            if !knows && rule.operation.patterns().len() == 1 && !rule.operation.patterns()[0].contains('*') {
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

/// `2026-01-01T00:00:00Z`, or `+10m` from now.
fn time(text: &str, now: Timestamp) -> Result<i64, Refused> {
    if let Some(duration) = text.strip_prefix('+') {
        let duration = standin_core::parse_duration(duration).map_err(Refused)?;
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        return Ok(now.as_millis().saturating_add(millis));
    }
    match Timestamp::parse_date_time(text) {
        Some(time) => Ok(time.as_millis()),
        None => refuse(format!("{text:?} is no time such as 2026-01-01T00:00:00Z or +10m")),
    }
}

fn hint(hints: &[&str]) -> String {
    if hints.is_empty() { String::new() } else { format!("; did you mean {}?", hints.join(", ")) }
}
