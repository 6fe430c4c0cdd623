//! Which calls a rule is about: the half of rules that faults and scripted answers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use standin_core::{CallContext, Draw};
use standin_model::{Catalogue, Document, Entry, Fields, Service, Str, Timestamp, nearest};

use crate::burst::Burst;
use crate::check::{Refused, hint, refuse};
use crate::delay::unit;
use crate::globs::Globs;
use crate::rule::Class;

/// Which calls, when and how often. Whatever is left out does not restrict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Matcher {
    /// Catalogue ids, or what else a service is called.
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub service: Globs,
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub operation: Globs,
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub region: Globs,
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub account: Globs,
    /// The access key id that the caller signs with.
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub key: Globs,
    /// One of the texts that stand at the top of the input: a name, an id, an ARN.
    #[serde(skip_serializing_if = "Globs::is_any")]
    pub resource: Globs,
    /// What the input must contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,

    /// By the virtual clock: a time (`2026-01-01T00:00:00Z`), or a duration from when the rule was set (`+10m`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Each n-th of the calls that match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Not before so many have matched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only so many: the first ones (after `after`).
    #[serde(alias = "times", skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Burst>,
    /// From 0 to 1.
    pub probability: f64,
}

impl Default for Matcher {
    fn default() -> Self {
        Self {
            service: Globs::Any,
            operation: Globs::Any,
            region: Globs::Any,
            account: Globs::Any,
            key: Globs::Any,
            resource: Globs::Any,
            input: None,
            class: None,
            from: None,
            until: None,
            every: None,
            after: None,
            first: None,
            burst: None,
            probability: 1.0,
        }
    }
}

impl Matcher {
    /// The services that it names, as the catalogue has them; `None` for all.
    ///
    /// # Errors
    /// When there is none of a name.
    pub fn entries<'c>(&self, catalogue: &'c Catalogue) -> Result<Option<Vec<&'c Entry>>, Refused> {
        if self.service.patterns().iter().all(|pattern| pattern == "*") {
            return Ok(None);
        }
        let mut found: Vec<&Entry> = Vec::new();
        for pattern in self.service.patterns() {
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
}

/// A matcher that was checked against the model, and counts.
#[derive(Debug)]
pub struct Matching {
    matcher: Matcher,
    /// Catalogue ids; `None` for all.
    services: Option<Vec<Str>>,
    input: Option<Document>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    /// Calls that matched.
    matched: AtomicU64,
}

/// A call whose turn it is.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The how-manieth call that matched, from 1.
    pub number: u64,
    /// What was drawn, from 0 to 1: below the probability.
    pub drawn: f64,
    /// For whatever else is to be drawn for this call.
    pub draw: Draw,
}

impl Matching {
    /// Checks a matcher. Times are counted from `now`.
    ///
    /// # Errors
    /// The first member that makes no sense, and what would.
    pub fn new(catalogue: &Catalogue, matcher: &Matcher, now: Timestamp) -> Result<Self, Refused> {
        if !(0.0..=1.0).contains(&matcher.probability) {
            return refuse(format!("the probability {} is not from 0 to 1", matcher.probability));
        }
        if matcher.every == Some(0) {
            return refuse("every 0th call is none; every = 1 is each");
        }
        let entries = matcher.entries(catalogue)?;
        let known: Vec<&'static Service> = entries.iter().flatten().filter_map(|entry| entry.open().ok()).collect();
        operations(&known, &matcher.operation)?;
        let input = match &matcher.input {
            None => None,
            Some(value) if value.is_object() => Some(Document::from_json(value)),
            Some(_) => return refuse("input is an object: the members that the call's input must have"),
        };
        Ok(Self {
            services: entries.map(|entries| entries.iter().map(|entry| entry.id).collect()),
            input,
            from_ms: matcher.from.as_deref().map(|text| time(text, now)).transpose()?,
            until_ms: matcher.until.as_deref().map(|text| time(text, now)).transpose()?,
            matcher: matcher.clone(),
            matched: AtomicU64::new(0),
        })
    }

    /// One for a call whose rule came with it: everything matches.
    pub(crate) fn of_call(matcher: &Matcher) -> Self {
        Self {
            matcher: matcher.clone(),
            services: None,
            input: None,
            from_ms: None,
            until_ms: None,
            matched: AtomicU64::new(0),
        }
    }

    /// Puts a better reading of the wanted input in the place of plain JSON.
    pub fn set_input(&mut self, input: Document) {
        self.input = Some(input);
    }

    /// Catalogue ids; `None` for all.
    pub fn services(&self) -> Option<&[Str]> {
        self.services.as_deref()
    }

    /// Whether a call is one that it is about.
    pub fn fits(&self, context: &CallContext, input: &Document) -> bool {
        let matcher = &self.matcher;
        let now = context.now.as_millis();
        matcher.operation.matches(context.operation.name)
            && matcher.region.matches(&context.region)
            && matcher.account.matches(&context.account)
            && (matcher.key.is_any() || context.access_key.as_deref().is_some_and(|key| matcher.key.matches(key)))
            && self.from_ms.is_none_or(|from| now >= from)
            && self.until_ms.is_none_or(|until| now < until)
            && matcher.class.is_none_or(|class| class.holds(context.operation, carries_token(context, input)))
            && (matcher.resource.is_any() || texts(input).any(|text| matcher.resource.matches(text)))
            && self.input.as_ref().is_none_or(|subset| input.contains(subset))
    }

    /// Counts a call that fits, and tells whether it is its turn. `id`: of the rule, for its draws.
    pub fn turn(&self, id: &str, context: &CallContext) -> Option<Turn> {
        let matcher = &self.matcher;
        let number = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        let after = matcher.after.unwrap_or(0);
        if number <= after
            || matcher.first.is_some_and(|first| number - after > first)
            || matcher.every.is_some_and(|every| !(number - after).is_multiple_of(every))
            || matcher.burst.as_ref().is_some_and(|burst| !burst.is_on(number, context.now.as_millis()))
        {
            return None;
        }
        let mut draw = context.dice.key("fault").text(id).number(number).draw();
        let drawn = unit(&mut draw);
        (drawn < matcher.probability).then_some(Turn { number, drawn, draw })
    }

    /// How many calls have matched.
    pub fn matched(&self) -> u64 {
        self.matched.load(Ordering::Relaxed)
    }

    /// Begins to count anew.
    pub fn restart(&self) {
        self.matched.store(0, Ordering::Relaxed);
    }
}

/// Rules by the services that they are about: what a call looks at first. Positions are those of a list of rules.
#[derive(Debug, Default)]
pub struct ByService {
    /// Those for services named, by catalogue id, and those for every service.
    services: HashMap<Str, Box<[u16]>>,
    /// Those for every service.
    all: Box<[u16]>,
}

impl ByService {
    /// `None` leaves a rule out; a rule is for the services of its list, or for all.
    pub fn new<'r>(rules: impl Iterator<Item = Option<&'r Matching>>) -> Self {
        let mut all = Vec::new();
        let mut services: HashMap<Str, Vec<u16>> = HashMap::new();
        for (at, matching) in rules.enumerate() {
            let at = u16::try_from(at).unwrap_or(u16::MAX);
            match matching.map(Matching::services) {
                None => {}
                Some(None) => all.push(at),
                Some(Some(ids)) => ids.iter().for_each(|id| services.entry(id).or_default().push(at)),
            }
        }
        // One list per service, so that rules are asked in the order in which they stand.
        let services = services
            .into_iter()
            .map(|(id, mut list)| {
                list.extend(&all);
                list.sort_unstable();
                list.dedup();
                (id, list.into_boxed_slice())
            })
            .collect();
        Self { services, all: all.into_boxed_slice() }
    }

    /// The positions of the rules for a service, in their order.
    pub fn of(&self, service: &str) -> impl Iterator<Item = usize> {
        self.services.get(service).unwrap_or(&self.all).iter().map(|at| usize::from(*at))
    }
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

/// The texts at the top of an input.
fn texts(input: &Document) -> impl Iterator<Item = &str> {
    input.as_map().into_iter().flat_map(Fields::iter).filter_map(|(_, value)| value.as_str())
}

fn carries_token(context: &CallContext, input: &Document) -> bool {
    let structure = context.operation.input.and_then(|shape| context.service.structure(shape));
    structure.is_some_and(|structure| {
        structure.members.iter().any(|member| member.idempotency_token && input.get(member.name).is_some())
    })
}
