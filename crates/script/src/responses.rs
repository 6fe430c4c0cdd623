//! The rules of a server, and which of them answers a call.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde_json::Value;
use standin_core::{CallContext, Clock, OperationError, codes};
use standin_faults::{ByService, Matching, Turn};
use standin_model::{Catalogue, Document, Operation, Service, Timestamp};
use standin_template::Random;

use crate::answer::{Prepared, Real, Scripted, seen};
use crate::check::{self, CheckedStep};
use crate::rule::Rule;
use crate::scenarios::Scenarios;
use crate::text::Sight;

/// More rules than people write; a bound for what a request can set.
const RULES_MAX: usize = 10_000;

/// Where a rule comes from. Those of the API are asked first, then those of files, then those of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Api,
    Files,
    Configuration,
}

impl Origin {
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Files => "file",
            Self::Configuration => "configuration",
        }
    }
}

/// All rules of a server.
#[derive(Debug, Default)]
pub struct Responses {
    table: ArcSwapOption<Table>,
    /// Who changes rules holds it: the table is replaced as a whole.
    changing: Mutex<()>,
    /// For ids of rules that come without one.
    made: AtomicU64,
    scenarios: Scenarios,
    /// Why files could not be used that have changed.
    problems: ArcSwap<Vec<String>>,
}

#[derive(Debug)]
struct Table {
    /// By origin, then as they stand there.
    rules: Vec<Arc<Compiled>>,
    by_service: ByService,
}

#[derive(Debug)]
struct Compiled {
    rule: Rule,
    origin: Origin,
    matching: Matching,
    steps: Vec<CheckedStep>,
    /// Of all steps.
    times: u64,
    /// Calls that it answered.
    used: AtomicU64,
}

/// A rule and how often it was used.
#[derive(Clone, Debug)]
pub struct RuleState {
    pub rule: Rule,
    pub origin: Origin,
    /// Calls that matched.
    pub matched: u64,
    /// Calls that it answered.
    pub used: u64,
}

/// A rule that answers a call.
#[derive(Debug)]
pub struct Hit {
    compiled: Arc<Compiled>,
    step: usize,
    turn: Turn,
    /// Of its scenario, before it moved on.
    state: Option<String>,
}

impl Responses {
    /// Whether any rule may concern an operation: then its answers must not be remembered.
    pub fn concern(&self, service: &Service, operation: &Operation) -> bool {
        let table = self.table.load();
        table.as_ref().is_some_and(|table| {
            table.of(service.id).any(|compiled| compiled.rule.matcher.operation.matches(operation.name))
        })
    }

    /// The first rule that answers a call.
    pub fn find(&self, context: &CallContext, input: &Document) -> Option<Hit> {
        let table = self.table.load();
        let table = table.as_ref()?;
        table.of(context.service.id).find_map(|compiled| {
            let rule = &compiled.rule;
            if !compiled.matching.fits(context, input) {
                return None;
            }
            let Some(scenario) = &rule.scenario else {
                let turn = compiled.matching.turn(&rule.id, context)?;
                return Some(Compiled::take(compiled, turn, None));
            };
            let state = self.scenarios.state(scenario);
            let (required, new) = (rule.required_state.as_deref(), rule.new_state.as_deref());
            let turn = self.scenarios.advance(scenario, required, new, || compiled.matching.turn(&rule.id, context))?;
            Some(Compiled::take(compiled, turn, Some(rule.required_state.clone().unwrap_or(state))))
        })
    }

    /// The rules in the order in which they are asked, with their use.
    pub fn list(&self) -> Vec<RuleState> {
        self.table.load().iter().flat_map(|table| &table.rules).map(|compiled| compiled.state()).collect()
    }

    pub fn get(&self, id: &str) -> Option<RuleState> {
        self.list().into_iter().find(|state| state.rule.id == id)
    }

    pub fn scenarios(&self) -> &Scenarios {
        &self.scenarios
    }

    /// Names of the scenarios that rules have or that are in a state, each with that, sorted.
    pub fn scenario_states(&self) -> Vec<(String, String)> {
        let table = self.table.load();
        let rules = table.iter().flat_map(|table| &table.rules);
        let mut names: Vec<String> = rules.filter_map(|compiled| compiled.rule.scenario.clone()).collect();
        names.extend(self.scenarios.moved());
        names.sort_unstable();
        names.dedup();
        names.into_iter().map(|name| (name.clone(), self.scenarios.state(&name))).collect()
    }

    /// Why files could not be used that have changed; empty when all is well.
    pub fn problems(&self) -> Arc<Vec<String>> {
        self.problems.load_full()
    }

    pub fn set_problems(&self, problems: Vec<String>) {
        self.problems.store(Arc::new(problems));
    }

    /// Replaces all rules of an origin. Those that stay as they are keep their counts.
    ///
    /// # Errors
    /// Names the first rule that is no good; nothing has changed then.
    pub fn set(
        &self,
        catalogue: &'static Catalogue,
        origin: Origin,
        rules: Vec<Rule>,
        now: Timestamp,
    ) -> Result<(), String> {
        let _changing = self.lock();
        self.replace(catalogue, origin, rules, now)
    }

    /// Adds a rule behind the others of the API; its id.
    ///
    /// # Errors
    /// Where it is no good, or another has its id.
    pub fn add(&self, catalogue: &'static Catalogue, mut rule: Rule, now: Timestamp) -> Result<String, String> {
        let _changing = self.lock();
        let mut rules = self.rules_of(Origin::Api);
        if rule.id.is_empty() {
            rule.id = self.new_id(&rules);
        } else if self.get(&rule.id).is_some() {
            return Err(format!("there is a rule `{}` already; PUT replaces it", rule.id));
        }
        let id = rule.id.clone();
        rules.push(rule);
        self.replace(catalogue, Origin::Api, rules, now)?;
        Ok(id)
    }

    /// Puts a rule of the API in the place of the one with its id, or behind the others.
    ///
    /// # Errors
    /// Where it is no good, or a file has a rule of this id.
    pub fn put(&self, catalogue: &'static Catalogue, rule: Rule, now: Timestamp) -> Result<(), String> {
        let _changing = self.lock();
        if let Some(other) = self.get(&rule.id).filter(|state| state.origin != Origin::Api) {
            return Err(format!("the rule `{}` comes from a {}: change it there", rule.id, other.origin.name()));
        }
        let mut rules = self.rules_of(Origin::Api);
        match rules.iter_mut().find(|other| other.id == rule.id) {
            Some(other) => *other = rule,
            None => rules.push(rule),
        }
        self.replace(catalogue, Origin::Api, rules, now)
    }

    /// Removes rules of the API; how many.
    pub fn remove(&self, picked: impl Fn(&Rule) -> bool) -> usize {
        let _changing = self.lock();
        let Some(table) = self.table.load_full() else { return 0 };
        let gone = |compiled: &&Arc<Compiled>| compiled.origin == Origin::Api && picked(&compiled.rule);
        let kept: Vec<_> = table.rules.iter().filter(|compiled| !gone(compiled)).map(Arc::clone).collect();
        let removed = table.rules.len() - kept.len();
        self.table.store(Table::new(kept).map(Arc::new));
        removed
    }

    /// Back to the state after start: without rules of the API, all others unused, scenarios at their beginning.
    pub fn reset(&self) {
        self.remove(|_| true);
        self.scenarios.reset(None);
        for compiled in self.table.load().iter().flat_map(|table| &table.rules) {
            compiled.matching.restart();
            compiled.used.store(0, Ordering::Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rules_of(&self, origin: Origin) -> Vec<Rule> {
        self.list().into_iter().filter(|state| state.origin == origin).map(|state| state.rule).collect()
    }

    fn replace(
        &self,
        catalogue: &'static Catalogue,
        origin: Origin,
        mut rules: Vec<Rule>,
        now: Timestamp,
    ) -> Result<(), String> {
        let before = self.table.load_full();
        let all_before = || before.iter().flat_map(|table| &table.rules);
        let mut kept: Vec<Arc<Compiled>> =
            all_before().filter(|compiled| compiled.origin != origin).map(Arc::clone).collect();
        if kept.len() + rules.len() > RULES_MAX {
            return Err(format!("more than {RULES_MAX} rules"));
        }
        for at in 0..rules.len() {
            let has_id = !rules[at].id.is_empty();
            if !has_id {
                rules[at].id = self.new_id(&rules);
            }
            let rule = &rules[at];
            let name = if has_id { format!("rule {at} (`{}`)", rule.id) } else { format!("rule {at}") };
            if kept.iter().any(|other| other.rule.id == rule.id) {
                return Err(format!("{name}: another rule has this id"));
            }
            let same = all_before().find(|other| other.origin == origin && other.rule == *rule);
            kept.push(match same {
                Some(same) => Arc::clone(same),
                None => {
                    let checked = check::check(catalogue, rule, now).map_err(|why| format!("{name}: {why}"))?;
                    Arc::new(Compiled::new(rule.clone(), origin, checked))
                }
            });
        }
        kept.sort_by_key(|compiled| compiled.origin);
        self.table.store(Table::new(kept).map(Arc::new));
        Ok(())
    }

    fn new_id(&self, rules: &[Rule]) -> String {
        loop {
            let id = format!("response-{}", self.made.fetch_add(1, Ordering::Relaxed) + 1);
            if rules.iter().all(|rule| rule.id != id) && self.get(&id).is_none() {
                return id;
            }
        }
    }
}

impl Table {
    /// `None` without rules.
    fn new(rules: Vec<Arc<Compiled>>) -> Option<Self> {
        if rules.is_empty() {
            return None;
        }
        let by_service =
            ByService::new(rules.iter().map(|compiled| compiled.rule.enabled.then_some(&compiled.matching)));
        Some(Self { rules, by_service })
    }

    fn of(&self, service: &str) -> impl Iterator<Item = &Arc<Compiled>> {
        self.by_service.of(service).map(|at| &self.rules[at])
    }
}

impl Compiled {
    fn new(rule: Rule, origin: Origin, checked: check::Checked) -> Self {
        let check::Checked { matching, steps } = checked;
        let times = steps.iter().fold(0_u64, |sum, step| sum.saturating_add(step.times));
        Self { rule, origin, matching, steps, times, used: AtomicU64::new(0) }
    }

    fn state(&self) -> RuleState {
        RuleState {
            rule: self.rule.clone(),
            origin: self.origin,
            matched: self.matching.matched(),
            used: self.used.load(Ordering::Relaxed),
        }
    }

    /// Counts an answer, and says which.
    fn take(this: &Arc<Self>, turn: Turn, state: Option<String>) -> Hit {
        let used = this.used.fetch_add(1, Ordering::Relaxed);
        let mut place = if this.rule.cycle { used % this.times } else { used };
        let step = this.steps.iter().position(|step| {
            let here = place < step.times;
            place = place.saturating_sub(step.times);
            here
        });
        Hit { compiled: Arc::clone(this), step: step.unwrap_or(this.steps.len() - 1), turn, state }
    }
}

impl Hit {
    /// Whether the call is to be carried out first, as if there was no rule.
    pub fn needs_real(&self) -> bool {
        self.step().needs_real
    }

    /// The answer; `None` for the real one, which is an error that nothing can be merged into.
    ///
    /// # Errors
    /// A template failed: InternalFailure, which says in which rule and where.
    pub fn answer(
        &mut self,
        context: &CallContext,
        input: &Document,
        real: Real<'_>,
        clock: &Clock,
    ) -> Result<Option<Scripted>, OperationError> {
        let random = Random::keyed(self.turn.draw.next_u64());
        let prepared = &self.step().prepared;
        let context_seen = match prepared {
            Prepared::Fixed(_) => Value::Null,
            _ => seen(context, input, real, self.turn.number, self.state.as_deref()),
        };
        let sight = Sight { context: &context_seen, clock, random: &random };
        prepared.make(context, real, &sight).map_err(|why| {
            let text = format!("the response rule `{}` cannot answer: {why}", self.compiled.rule.id);
            OperationError::new(codes::INTERNAL_FAILURE, text).with_status(500)
        })
    }

    /// What it says in `standin explain`.
    pub fn told(&self) -> String {
        let Compiled { rule, origin, steps, .. } = &*self.compiled;
        let step =
            if steps.len() > 1 { format!(", answer {} of {}", self.step + 1, steps.len()) } else { String::new() };
        let state = self
            .state
            .as_ref()
            .map(|state| format!(", scenario {} in state {state}", rule.scenario.as_deref().unwrap_or_default()));
        format!("answered by the response rule `{}` ({}){step}{}", rule.id, origin.name(), state.unwrap_or_default())
    }

    fn step(&self) -> &CheckedStep {
        &self.compiled.steps[self.step]
    }
}

#[cfg(test)]
mod tests;
