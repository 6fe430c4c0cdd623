//! The rules of a server, and what they do to a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use standin_core::{CallContext, Draw, Mishap, OperationError, Twist};
use standin_mock::synthesis::synthesize_error;
use standin_model::{Catalogue, Document, Operation, Protocol, Service, Str, Timestamp};

use crate::check::{self, Refused, Wanted};
use crate::delay::Delay;
use crate::errors::{self, Kind, Meaning};
use crate::matcher::{ByService, Matching, Turn};
use crate::rate::Buckets;
use crate::rule::{Network, Rule};

/// More rules than people write; a bound for what a request can set.
const RULES_MAX: usize = 10_000;

/// All rules of a server.
#[derive(Debug, Default)]
pub struct Faults {
    table: ArcSwapOption<Table>,
    /// Who changes rules holds it: the table is replaced as a whole.
    changing: Mutex<()>,
    /// For ids of rules that come without one.
    made: AtomicU64,
}

#[derive(Debug)]
struct Table {
    rules: Vec<Arc<Compiled>>,
    by_service: ByService,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    matching: Matching,
    error: Option<Wanted>,
    /// Calls that went wrong by it.
    hit: AtomicU64,
    buckets: Buckets,
}

/// A rule and how often it was used.
#[derive(Clone, Debug)]
pub struct RuleState {
    pub rule: Rule,
    /// Calls that matched.
    pub matched: u64,
    /// Calls that went wrong by it.
    pub hit: u64,
}

/// What goes wrong with a call. Nothing, mostly.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The rules that hit, in the order of the list.
    pub hits: Vec<Hit>,
    /// Delays before the answer, each with its draw.
    pub delays: Vec<(Delay, Draw)>,
    pub error: Option<OperationError>,
    pub network: Option<Network>,
    /// Bytes per second of the answer's body.
    pub trickle: Option<u64>,
    pub lag: Option<(Delay, Draw)>,
    /// The share of a batch's items that fail, and the draws for them.
    pub partial: Option<(f64, Draw)>,
    pub transition: Option<Twist>,
    pub twice: bool,
}

/// A rule that hit, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    pub rule: String,
    /// The how-manieth call that matched, from 1.
    pub number: u64,
    /// What was drawn, from 0 to 1: below the rule's probability.
    pub draw: f64,
    pub what: String,
}

impl Faults {
    /// Whether any rule may concern an operation: then its answers must not be remembered.
    pub fn concern(&self, service: &Service, operation: &Operation) -> bool {
        let table = self.table.load();
        table
            .as_ref()
            .is_some_and(|table| table.of(service.id).any(|rule| rule.rule.matcher.operation.matches(operation.name)))
    }

    /// What goes wrong with a call. `own`: rules that came with the call itself.
    pub fn judge(&self, context: &CallContext, input: &Document, own: &[Rule]) -> Verdict {
        let mut verdict = Verdict::default();
        if let Some(table) = self.table.load().as_ref() {
            for compiled in table.of(context.service.id) {
                compiled.judge(context, input, &mut verdict);
            }
        }
        for rule in own {
            Compiled::of_call(rule).judge(context, input, &mut verdict);
        }
        verdict
    }

    /// The rules in their order, with their use.
    pub fn list(&self) -> Vec<RuleState> {
        self.table.load().iter().flat_map(|table| table.rules.iter()).map(|compiled| compiled.state()).collect()
    }

    pub fn find(&self, id: &str) -> Option<RuleState> {
        self.list().into_iter().find(|state| state.rule.id == id)
    }

    /// Replaces all rules. Those that stay as they are keep their counts.
    ///
    /// # Errors
    /// Names the first rule that is no good; nothing has changed then.
    pub fn set(&self, catalogue: &Catalogue, rules: Vec<Rule>, now: Timestamp) -> Result<(), Refused> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.replace(catalogue, rules, now)
    }

    /// Adds a rule at the end; its id.
    ///
    /// # Errors
    /// Where it is no good, or another has its id.
    pub fn add(&self, catalogue: &Catalogue, mut rule: Rule, now: Timestamp) -> Result<String, Refused> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<Rule> = self.list().into_iter().map(|state| state.rule).collect();
        if rule.id.is_empty() {
            rule.id = self.new_id(&rules);
        }
        let id = rule.id.clone();
        if rules.iter().any(|other| other.id == id) {
            return Err(Refused(format!("there is a rule `{id}` already; remove it, or change it with PATCH")));
        }
        rules.push(rule);
        self.replace(catalogue, rules, now)?;
        Ok(id)
    }

    /// Puts a rule in the place of the one with its id, or at the end.
    ///
    /// # Errors
    /// Where it is no good.
    pub fn put(&self, catalogue: &Catalogue, rule: Rule, now: Timestamp) -> Result<(), Refused> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules: Vec<Rule> = self.list().into_iter().map(|state| state.rule).collect();
        match rules.iter_mut().find(|other| other.id == rule.id) {
            Some(other) => *other = rule,
            None => rules.push(rule),
        }
        self.replace(catalogue, rules, now)
    }

    /// Removes the rules that the test picks; how many.
    pub fn remove(&self, picked: impl Fn(&Rule) -> bool) -> usize {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(table) = self.table.load_full() else { return 0 };
        let kept: Vec<Arc<Compiled>> = table.rules.iter().filter(|one| !picked(&one.rule)).map(Arc::clone).collect();
        let removed = table.rules.len() - kept.len();
        self.table.store(Table::new(kept).map(Arc::new));
        removed
    }

    fn replace(&self, catalogue: &Catalogue, mut rules: Vec<Rule>, now: Timestamp) -> Result<(), Refused> {
        if rules.len() > RULES_MAX {
            return Err(Refused(format!("more than {RULES_MAX} rules")));
        }
        let before = self.table.load_full();
        let mut compiled: Vec<Arc<Compiled>> = Vec::with_capacity(rules.len());
        for at in 0..rules.len() {
            if rules[at].id.is_empty() {
                rules[at].id = self.new_id(&rules);
            }
            let rule = &rules[at];
            if compiled.iter().any(|other| other.rule.id == rule.id) {
                return Err(Refused(format!("two rules have the id `{}`", rule.id)));
            }
            let same = before.iter().flat_map(|table| table.rules.iter()).find(|other| other.rule == *rule);
            compiled.push(match same {
                Some(same) => Arc::clone(same),
                None => {
                    let checked = check::check(catalogue, rule)
                        .and_then(|error| Ok((Matching::new(catalogue, &rule.matcher, now)?, error)));
                    let (matching, error) =
                        checked.map_err(|Refused(why)| Refused(format!("rule `{}`: {why}", rule.id)))?;
                    Arc::new(Compiled::new(rule.clone(), matching, error))
                }
            });
        }
        self.table.store(Table::new(compiled).map(Arc::new));
        Ok(())
    }

    fn new_id(&self, rules: &[Rule]) -> String {
        loop {
            let id = format!("fault-{}", self.made.fetch_add(1, Ordering::Relaxed) + 1);
            if rules.iter().all(|rule| rule.id != id) {
                return id;
            }
        }
    }
}

impl Table {
    /// `None` without rules that are on.
    fn new(rules: Vec<Arc<Compiled>>) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let by_service =
            ByService::new(rules.iter().map(|compiled| compiled.rule.enabled.then_some(&compiled.matching)));
        Some(Self { rules, by_service })
    }

    fn of(&self, service: &str) -> impl Iterator<Item = &Compiled> {
        self.by_service.of(service).map(|at| &*self.rules[at])
    }
}

impl Compiled {
    fn new(rule: Rule, matching: Matching, error: Option<Wanted>) -> Self {
        Self { rule, matching, error, hit: AtomicU64::new(0), buckets: Buckets::default() }
    }

    /// A rule for one call: only its outcome counts.
    fn of_call(rule: &Rule) -> Self {
        let error = rule.outcome.error.as_ref().map(|name| match Kind::parse(name) {
            Some(kind) => Wanted::Kind(kind),
            None => Wanted::Named(name.clone()),
        });
        Self::new(rule.clone(), Matching::of_call(&rule.matcher), error)
    }

    fn state(&self) -> RuleState {
        RuleState { rule: self.rule.clone(), matched: self.matching.matched(), hit: self.hit.load(Ordering::Relaxed) }
    }

    fn judge(&self, context: &CallContext, input: &Document, verdict: &mut Verdict) {
        let rule = &self.rule;
        if !self.matching.fits(context, input) {
            return;
        }
        let Some(Turn { number, drawn, mut draw }) = self.matching.turn(&rule.id, context) else { return };
        if rule.outcome.rate.as_ref().is_some_and(|rate| self.buckets.take(rate, context)) {
            return;
        }
        let what = self.act(context, &mut draw, verdict);
        self.hit.fetch_add(1, Ordering::Relaxed);
        verdict.hits.push(Hit { rule: rule.id.clone(), number, draw: drawn, what });
    }

    /// Adds to the verdict what this rule does, and says it in words.
    fn act(&self, context: &CallContext, draw: &mut Draw, verdict: &mut Verdict) -> String {
        let outcome = &self.rule.outcome;
        let mut words = Vec::new();
        if let Some(latency) = &outcome.latency {
            words.push(format!("latency {latency}"));
            verdict.delays.push((latency.clone(), fork(draw)));
        }
        let wanted = match (&self.error, &outcome.rate) {
            (None, Some(_)) => Some(Wanted::Kind(Kind::Throttling)),
            (wanted, _) => wanted.clone(),
        };
        if let Some(wanted) = wanted {
            let mut error = make(context, &wanted, draw, outcome.status);
            if let Some(message) = &outcome.message {
                error.message.clone_from(message);
            }
            words.push(format!("error {}", error.code));
            verdict.error.get_or_insert(error);
        }
        if let Some(network) = outcome.network {
            words.push(format!("network {network:?}"));
            verdict.network.get_or_insert(network);
        }
        if let Some(rate) = outcome.trickle {
            words.push(format!("trickle {rate} bytes/s"));
            verdict.trickle.get_or_insert(rate);
        }
        if let Some(lag) = &outcome.lag {
            words.push(format!("lag {lag}"));
            verdict.lag.get_or_insert((lag.clone(), fork(draw)));
        }
        if let Some(share) = outcome.partial {
            words.push(format!("partial {share}"));
            verdict.partial.get_or_insert((share, fork(draw)));
        }
        if let Some(twist) = outcome.transition {
            words.push(format!("transition {twist:?}"));
            verdict.transition.get_or_insert(twist);
        }
        if outcome.twice {
            words.push("done twice".to_owned());
            verdict.twice = true;
        }
        words.join(", ")
    }
}

impl Verdict {
    pub fn is_nothing(&self) -> bool {
        self.hits.is_empty()
    }

    /// What the handler has to carry out.
    pub fn mishap(&mut self) -> Option<Mishap> {
        let lag = self.lag.as_mut().map(|(delay, draw)| delay.draw(draw, 0)).unwrap_or_default();
        let mishap = Mishap { lag, transition: self.transition };
        (mishap != Mishap::default()).then_some(mishap)
    }
}

fn fork(draw: &mut Draw) -> Draw {
    Draw::from_seed(draw.next_u64())
}

/// An error as the operation's model has it, or as AWS says it where no model does.
fn make(context: &CallContext, wanted: &Wanted, draw: &mut Draw, status: Option<u16>) -> OperationError {
    let (service, operation) = (context.service, context.operation);
    let name = match wanted {
        Wanted::Named(name) => name.clone(),
        Wanted::Kind(kind) => of_kind(context, *kind, draw),
    };
    let generic = errors::generic(&name);
    let mut error = OperationError::new(name, generic.map_or("injected by a fault rule", |generic| generic.message));
    match error.shape(service, Some(operation)) {
        Some(shape) => {
            let members = synthesize_error(context, service, Some(operation), shape);
            error.members = members.into_iter().filter(|(name, _)| !name.eq_ignore_ascii_case("message")).collect();
            let retry_after = service
                .structure(shape)
                .is_some_and(|structure| structure.error.as_ref().is_some_and(|traits| traits.throttling));
            if retry_after {
                error.headers.push(("retry-after", "1".to_owned()));
            }
        }
        None => error.status = status.or(generic.map(|generic| generic.status)).or(Some(400)),
    }
    error
}

/// A name for a kind of error.
fn of_kind(context: &CallContext, kind: Kind, draw: &mut Draw) -> String {
    let all = errors::catalogue(context.service, context.operation);
    let of = |meaning: Meaning| all.iter().find(|info| info.meaning == meaning).map(|info| info.code.to_owned());
    match kind {
        Kind::Random if all.is_empty() => "InternalFailure".to_owned(),
        Kind::Random => {
            let at = usize::try_from(draw.below(all.len() as u64)).unwrap_or(0);
            all[at].code.to_owned()
        }
        Kind::Throttling => of(Meaning::Throttling)
            .filter(|code| errors::is_throttling(code))
            .unwrap_or_else(|| throttling(context.service).to_owned()),
        Kind::Server => of(Meaning::Server).unwrap_or_else(|| "InternalFailure".to_owned()),
    }
}

/// The code by which a service throttles that models no error for it. All SDKs retry them.
fn throttling(service: &Service) -> Str {
    match service.id {
        "s3" => "SlowDown",
        "ec2" => "RequestLimitExceeded",
        _ if matches!(service.protocols[..], [Protocol::AwsQuery | Protocol::Ec2Query, ..]) => "Throttling",
        _ => "ThrottlingException",
    }
}

#[cfg(test)]
mod tests;
