//! The rules of a server, and what they do to a call.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arc_swap::ArcSwapOption;
use standin_core::{CallContext, Dice, Draw, Mishap, OperationError, Twist};
use standin_mock::batch::BatchShape;
use standin_mock::synthesis::synthesize_error;
use standin_model::{Catalogue, Document, Operation, Protocol, Service, Str, Timestamp};

use crate::check::{self, Refused, Wanted};
use crate::delay::Delay;
use crate::errors::{self, Kind, Meaning};
use crate::incident::Running;
use crate::matcher::{ByService, Matching, Turn};
use crate::rate::Buckets;
use crate::rule::{Network, Rule};

/// More rules than people write; a bound for what a request can set.
const RULES_MAX: usize = 10_000;

/// Callers and operations whose rules are remembered; beyond, all is forgotten and found anew.
const CANDIDATES_MAX: usize = 4096;
const ID_BYTES_MAX: usize = 256;

/// All rules of a server.
#[derive(Debug, Default)]
pub struct Faults {
    table: ArcSwapOption<Table>,
    /// Who changes rules holds it: the table is replaced as a whole.
    changing: Mutex<()>,
    /// For ids of rules that come without one.
    made: AtomicU64,
    /// The incidents that were set going, in the order in which they were.
    pub(crate) incidents: Mutex<Vec<Running>>,
}

#[derive(Debug)]
struct Table {
    rules: Vec<Arc<Compiled>>,
    by_service: ByService,
    /// The places of the rules that may fit, by operation and caller: what other rules there are costs a call nothing.
    candidates: RwLock<HashMap<Caller, Arc<[u16]>>>,
    /// The places of rules about connections, which no call meets.
    connections: Box<[u16]>,
}

/// Of a call, what rules can be chosen by beforehand: the operation by its address, account, region and access key.
type Caller = (usize, Arc<str>, Arc<str>, Option<Arc<str>>);

/// A call, as rules see it.
#[derive(Clone, Copy)]
struct Judged<'a> {
    context: &'a CallContext,
    input: &'a Document,
    /// When it was signed.
    signed: Option<Timestamp>,
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
    pub partial: Option<Partial>,
    /// What the server's clock shows to this caller.
    pub clock: Option<Timestamp>,
    pub transition: Option<Twist>,
    pub twice: bool,
}

/// How a part of a batch's items fails.
#[derive(Debug)]
pub struct Partial {
    /// From 0 to 1: of each item.
    pub share: f64,
    pub draw: Draw,
    pub error: OperationError,
}

/// A connection before it carries a call.
#[derive(Clone, Copy, Debug)]
pub enum Opening<'a> {
    /// Its first bytes came.
    Begun,
    /// A TLS handshake, for a host of these services (catalogue ids) and this region; of none where the name says none.
    Handshake { services: &'a [Str], region: Option<&'a str> },
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
    /// What goes wrong with a call. `own`: rules that came with the call itself. `signed`: when it was, as its caller says.
    pub fn judge(&self, context: &CallContext, input: &Document, own: &[Rule], signed: Option<Timestamp>) -> Verdict {
        let mut verdict = Verdict::default();
        let call = Judged { context, input, signed };
        if let Some(table) = self.table.load().as_ref() {
            for at in table.candidates(context).iter() {
                table.rules[usize::from(*at)].judge(call, &mut verdict);
            }
        }
        for rule in own {
            Compiled::of_call(rule).judge(call, &mut verdict);
        }
        verdict
    }

    /// Whether what a rule does makes sense, whichever calls it is about.
    ///
    /// # Errors
    /// Says what does not.
    pub fn check_outcome(rule: &Rule) -> Result<(), Refused> {
        check::outcome(rule)
    }

    /// Whether a rule makes sense.
    ///
    /// # Errors
    /// Says what does not.
    pub fn check(catalogue: &Catalogue, rule: &Rule, now: Timestamp) -> Result<(), Refused> {
        Compiled::checked(catalogue, rule, now).map(drop)
    }

    /// Whether there are rules at all.
    pub fn any(&self) -> bool {
        self.table.load().is_some()
    }

    /// The rule by which a connection does not come about.
    pub fn judge_connection(&self, opening: Opening<'_>, dice: Dice, now: Timestamp) -> Option<String> {
        let table = self.table.load();
        let table = table.as_ref()?;
        // Each rule counts, as with calls.
        let rules = table.connections.iter().map(|at| &table.rules[usize::from(*at)]);
        rules.fold(None, |first, one| {
            let breaks = one.breaks(opening, dice, now);
            first.or_else(|| breaks.then(|| one.rule.id.clone()))
        })
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
            rule.id = self.new_id(|id| rules.iter().any(|other| other.id == id));
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
        let mut ids: HashSet<String> = HashSet::with_capacity(rules.len());
        for rule in rules.iter().filter(|rule| !rule.id.is_empty()) {
            if !ids.insert(rule.id.clone()) {
                return Err(Refused(format!("two rules have the id `{}`", rule.id)));
            }
        }
        let before = self.table.load_full();
        let before: HashMap<&str, &Arc<Compiled>> =
            before.iter().flat_map(|table| &table.rules).map(|one| (&*one.rule.id, one)).collect();
        let mut compiled: Vec<Arc<Compiled>> = Vec::with_capacity(rules.len());
        for rule in &mut rules {
            if rule.id.is_empty() {
                rule.id = self.new_id(|id| ids.contains(id));
            }
            compiled.push(match before.get(&*rule.id).filter(|other| other.rule == *rule) {
                Some(same) => Arc::clone(same),
                None => {
                    let compiled = Compiled::checked(catalogue, rule, now);
                    Arc::new(compiled.map_err(|Refused(why)| Refused(format!("rule `{}`: {why}", rule.id)))?)
                }
            });
        }
        self.table.store(Table::new(compiled).map(Arc::new));
        Ok(())
    }

    fn new_id(&self, is_taken: impl Fn(&str) -> bool) -> String {
        loop {
            let id = format!("fault-{}", self.made.fetch_add(1, Ordering::Relaxed) + 1);
            if !is_taken(&id) {
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
        let before_calls = |rule: &Rule| rule.outcome.network.is_some_and(Network::is_before_calls);
        let on = |compiled: &Arc<Compiled>, connections| {
            compiled.rule.enabled && before_calls(&compiled.rule) == connections
        };
        let by_service = ByService::new(rules.iter().map(|one| on(one, false).then_some(&one.matching)));
        let connections = (0..).zip(&rules).filter(|(_, one)| on(one, true)).map(|(at, _)| at).collect();
        Some(Self { rules, by_service, connections, candidates: RwLock::default() })
    }

    /// The places of the rules that may fit a call.
    fn candidates(&self, context: &CallContext) -> Arc<[u16]> {
        let operation: *const Operation = context.operation;
        let caller = (
            operation.addr(),
            Arc::clone(&context.account),
            Arc::clone(&context.region),
            context.access_key.as_ref().map(Arc::clone),
        );
        if let Some(known) = self.candidates.read().unwrap_or_else(PoisonError::into_inner).get(&caller) {
            return Arc::clone(known);
        }
        let places = self.by_service.of(context.service.id).filter(|at| self.rules[*at].matching.may_fit(context));
        let found: Arc<[u16]> = places.filter_map(|at| u16::try_from(at).ok()).collect();
        let mut candidates = self.candidates.write().unwrap_or_else(PoisonError::into_inner);
        if candidates.len() >= CANDIDATES_MAX {
            candidates.clear();
        }
        candidates.insert(caller, Arc::clone(&found));
        found
    }
}

impl Compiled {
    fn new(rule: Rule, matching: Matching, error: Option<Wanted>) -> Self {
        Self { rule, matching, error, hit: AtomicU64::new(0), buckets: Buckets::default() }
    }

    fn checked(catalogue: &Catalogue, rule: &Rule, now: Timestamp) -> Result<Self, Refused> {
        let plain = |byte: u8| byte.is_ascii_graphic() && !b"/%?#\"\\".contains(&byte);
        if rule.id.len() > ID_BYTES_MAX || !rule.id.bytes().all(plain) {
            return check::refuse(format!(
                "an id has at most {ID_BYTES_MAX} letters, digits and signs that an address may hold"
            ));
        }
        let error = check::check(catalogue, rule)?;
        Ok(Self::new(rule.clone(), Matching::new(catalogue, &rule.matcher, now)?, error))
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

    fn judge(&self, call: Judged<'_>, verdict: &mut Verdict) {
        let (rule, context) = (&self.rule, call.context);
        let in_vain = rule.outcome.is_partial_only() && BatchShape::of(context.service, context.operation).is_none();
        if in_vain || !self.matching.fits(context, call.input) {
            return;
        }
        let Some(Turn { number, drawn, mut draw }) = self.matching.turn_of(&rule.id, context, call.input) else {
            return;
        };
        if rule.outcome.rate.as_ref().is_some_and(|rate| self.buckets.take(rate, context)) {
            return;
        }
        let what = self.act(call, &mut draw, verdict);
        if what.is_empty() {
            return;
        }
        self.hit.fetch_add(1, Ordering::Relaxed);
        verdict.hits.push(Hit { rule: rule.id.clone(), number, draw: drawn, what });
    }

    /// Whether it breaks a connection.
    fn breaks(&self, opening: Opening<'_>, dice: Dice, now: Timestamp) -> bool {
        let matcher = &self.rule.matcher;
        let concerned = match (self.rule.outcome.network, opening) {
            (Some(Network::Refuse), Opening::Begun) => true,
            (Some(Network::Tls), Opening::Handshake { services, region }) => {
                (matcher.region.is_any() || region.is_some_and(|region| matcher.region.matches(region)))
                    && self.matching.services().is_none_or(|ids| services.iter().any(|id| ids.contains(id)))
            }
            _ => false,
        };
        let hit = concerned && self.matching.is_time(now) && self.matching.turn_at(&self.rule.id, dice, now).is_some();
        if hit {
            self.hit.fetch_add(1, Ordering::Relaxed);
        }
        hit
    }

    /// Adds to the verdict what this rule does, and says it in words; in none where it turns out to do nothing.
    fn act(&self, call: Judged<'_>, draw: &mut Draw, verdict: &mut Verdict) -> String {
        let context = call.context;
        let outcome = &self.rule.outcome;
        let mut words = Vec::new();
        if let Some(latency) = &outcome.latency {
            words.push(format!("latency {latency}"));
            verdict.delays.push((latency.clone(), fork(draw)));
        }
        let wanted = match (&self.error, &outcome.rate) {
            (None, Some(_)) => Some(Wanted::Kind(Kind::Throttling)),
            (wanted, _) if outcome.partial.is_some() => Some(wanted.clone().unwrap_or(Wanted::Kind(Kind::Throttling))),
            (wanted, _) => wanted.clone(),
        };
        if let Some(wanted) = wanted {
            let mut error = make(context, &wanted, draw, outcome.status);
            if let Some(message) = &outcome.message {
                error.message.clone_from(message);
            }
            if let Some(share) = outcome.partial {
                words.push(format!("partial {share}, error {}", error.code));
                verdict.partial.get_or_insert(Partial { share, draw: fork(draw), error });
            } else {
                words.push(format!("error {}", error.code));
                verdict.error.get_or_insert(error);
            }
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
        if let Some(skew) = &outcome.skew {
            verdict.clock.get_or_insert(skew.shifted(context.now));
            if let Some(error) = call.signed.and_then(|signed| skew.judge(context.service, signed, context.now)) {
                words.push(format!("skew {skew}, error {}", error.code));
                verdict.error.get_or_insert(error);
            }
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

    /// Whether the answer is as if there were no rules.
    pub fn changes_nothing(&self) -> bool {
        self.hits.is_empty() && self.clock.is_none()
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
