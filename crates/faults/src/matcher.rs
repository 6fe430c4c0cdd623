//! Which calls a rule is about: the half of rules that faults and scripted answers share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use standin_core::{CallContext, Dice, Draw};
use standin_model::{Catalogue, Document, Entry, Kind, Service, ShapeIx, Str, Timestamp, nearest};

use crate::burst::Burst;
use crate::check::{Refused, hint, refuse};
use crate::delay::unit;
use crate::globs::Globs;
use crate::rule::Class;
use crate::windows::{Window, time};

const WINDOWS_MAX: usize = 100;
const INPUT_BYTES_MAX: usize = 64 * 1024;

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
    /// One of the texts in the input, however deep: a name, an id, an ARN, or a key of a map.
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
    /// Any of these times: `2026-01-01T08:00:00Z..2026-01-01T09:00:00Z`, `+10m..+20m`, or `09:00..17:30` every day (UTC).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<String>,
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
    /// Counts for each call on its own: an operation with an input. A retry is the same call again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub per_call: bool,
    /// From 0 to 1.
    pub probability: f64,
}

/// So many calls are told apart by a rule that counts each; then it begins anew.
const CALLS_MAX: usize = 100_000;

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
            windows: Vec::new(),
            every: None,
            after: None,
            first: None,
            burst: None,
            per_call: false,
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
    windows: Vec<Window>,
    /// Calls that matched.
    matched: AtomicU64,
    /// How often each call has matched, where they count on their own.
    calls: Mutex<HashMap<u64, u64>>,
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
        if matcher.windows.len() > WINDOWS_MAX {
            return refuse(format!("at most {WINDOWS_MAX} windows"));
        }
        let Matcher { service, operation, region, account, key, resource, .. } = matcher;
        [service, operation, region, account, key, resource].into_iter().try_for_each(Globs::check)?;
        if matcher.input.as_ref().is_some_and(|input| input.to_string().len() > INPUT_BYTES_MAX) {
            return refuse(format!("an input to compare with has at most {INPUT_BYTES_MAX} bytes as JSON"));
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
            windows: matcher.windows.iter().map(|text| Window::parse(text, now)).collect::<Result<_, _>>()?,
            matcher: matcher.clone(),
            matched: AtomicU64::new(0),
            calls: Mutex::default(),
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
            windows: Vec::new(),
            matched: AtomicU64::new(0),
            calls: Mutex::default(),
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

    /// Whether calls of this operation and caller may be such that it is about: all that does not change from call to call.
    pub(crate) fn may_fit(&self, context: &CallContext) -> bool {
        let matcher = &self.matcher;
        matcher.operation.matches(context.operation.name)
            && matcher.region.matches(&context.region)
            && matcher.account.matches(&context.account)
            && (matcher.key.is_any() || context.access_key.as_deref().is_some_and(|key| matcher.key.matches(key)))
    }

    /// Whether a call is one that it is about.
    pub fn fits(&self, context: &CallContext, input: &Document) -> bool {
        let matcher = &self.matcher;
        self.may_fit(context)
            && self.is_time(context.now)
            && matcher.class.is_none_or(|class| class.holds(context.operation, carries_token(context, input)))
            && (matcher.resource.is_any() || names_resource(context, input, &matcher.resource))
            && self.input.as_ref().is_none_or(|subset| input.contains(subset))
    }

    /// Whether it acts at a time at all.
    pub(crate) fn is_time(&self, now: Timestamp) -> bool {
        let now = now.as_millis();
        self.from_ms.is_none_or(|from| now >= from)
            && self.until_ms.is_none_or(|until| now < until)
            && (self.windows.is_empty() || self.windows.iter().any(|window| window.is_open(now)))
    }

    /// Counts a call that fits, and tells whether it is its turn. `id`: of the rule, for its draws.
    pub fn turn(&self, id: &str, context: &CallContext) -> Option<Turn> {
        self.turn_at(id, context.dice, context.now)
    }

    /// The same with an input, for a rule that may count each call on its own.
    pub fn turn_of(&self, id: &str, context: &CallContext, input: &Document) -> Option<Turn> {
        if !self.matcher.per_call {
            return self.turn(id, context);
        }
        self.matched.fetch_add(1, Ordering::Relaxed);
        let mut key = context.key("call");
        key.text(context.operation.name).text(&input.to_json().to_string());
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= CALLS_MAX {
            calls.clear();
        }
        let number = calls.entry(key.finish()).or_default();
        *number += 1;
        self.turn_number(id, *number, context.dice, context.now)
    }

    /// The same for what is no call.
    pub(crate) fn turn_at(&self, id: &str, dice: Dice, now: Timestamp) -> Option<Turn> {
        let number = self.matched.fetch_add(1, Ordering::Relaxed) + 1;
        self.turn_number(id, number, dice, now)
    }

    fn turn_number(&self, id: &str, number: u64, dice: Dice, now: Timestamp) -> Option<Turn> {
        let matcher = &self.matcher;
        let after = matcher.after.unwrap_or(0);
        if number <= after
            || matcher.first.is_some_and(|first| number - after > first)
            || matcher.every.is_some_and(|every| !(number - after).is_multiple_of(every))
            || matcher.burst.as_ref().is_some_and(|burst| !burst.is_on(number, now.as_millis()))
        {
            return None;
        }
        let mut draw = dice.key("fault").text(id).number(number).draw();
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
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clear();
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

/// Whether a text in an input, or the key of a map, is one that is looked for. Names of members do not count.
fn names_resource(context: &CallContext, input: &Document, wanted: &Globs) -> bool {
    fn within(service: &Service, shape: Option<ShapeIx>, value: &Document, wanted: &Globs) -> bool {
        let kind = shape.map(|shape| &service.shape(shape).kind);
        match (value, kind) {
            (Document::String(text), _) => wanted.matches(text),
            (Document::List(items), Some(Kind::List(list))) => {
                items.iter().any(|item| within(service, Some(list.member.target), item, wanted))
            }
            (Document::List(items), _) => items.iter().any(|item| within(service, None, item, wanted)),
            (Document::Map(fields), Some(Kind::Structure(structure))) => fields.iter().any(|(name, value)| {
                let member = structure.members.iter().find(|member| member.name == name);
                within(service, member.map(|member| member.target), value, wanted)
            }),
            (Document::Map(entries), Some(Kind::Map(map))) => entries
                .iter()
                .any(|(key, value)| wanted.matches(key) || within(service, Some(map.value.target), value, wanted)),
            (Document::Map(fields), _) => fields.iter().any(|(_, value)| within(service, None, value, wanted)),
            _ => false,
        }
    }
    within(context.service, context.operation.input, input, wanted)
}

fn carries_token(context: &CallContext, input: &Document) -> bool {
    let structure = context.operation.input.and_then(|shape| context.service.structure(shape));
    structure.is_some_and(|structure| {
        structure.members.iter().any(|member| member.idempotency_token && input.get(member.name).is_some())
    })
}
