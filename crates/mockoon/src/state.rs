//! What changes while a server runs, and what its templates draw from.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};
use standin_core::Clock;
use standin_template::{Data, Random, Scope, Value};

use crate::buckets::Buckets;
use crate::environment::Environment;
use crate::events::Feed;
use crate::log::{Log, Transaction};
use crate::rules::Surroundings;
use crate::server::Options;

/// The buckets of one environment, and the rest, which outlives it when another takes its place.
#[derive(Debug)]
pub(crate) struct State {
    pub buckets: Buckets,
    kept: Arc<Kept>,
}

#[derive(Debug)]
struct Kept {
    globals: Mutex<Vec<(String, Value)>>,
    env_vars: RwLock<HashMap<String, String>>,
    env_vars_prefix: String,
    clock: Clock,
    random: Random,
    zone: TimeZone,
    draws: AtomicU64,
    log: Mutex<Log>,
    feed: Arc<Feed>,
}

impl State {
    pub fn new(environment: &Environment, options: &Options, clock: Clock, random: Random) -> Self {
        let kept = Kept {
            globals: Mutex::default(),
            env_vars: RwLock::new(options.env_vars.clone()),
            env_vars_prefix: options.env_vars_prefix.clone(),
            clock,
            random,
            zone: options.zone.clone(),
            draws: AtomicU64::new(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "mockoon")),
            log: Mutex::new(Log::new(options.transaction_logs_max)),
            feed: Arc::default(),
        };
        let state = Self { buckets: Buckets::new(environment), kept: Arc::new(kept) };
        state.reset_buckets();
        state
    }

    /// The state of an environment that takes the place of this one's: buckets that did not change keep what is in them.
    pub fn following(&self, environment: &Environment) -> Self {
        let state = Self { buckets: Buckets::new(environment), kept: Arc::clone(&self.kept) };
        if state.buckets.follow(&self.buckets, || state.scope()) {
            state.tell_buckets();
        }
        state
    }

    pub fn reset_buckets(&self) {
        self.buckets.reset(|| self.scope());
        self.tell_buckets();
    }

    /// Tells listeners that buckets were rendered.
    pub fn tell_buckets(&self) {
        let about = self.buckets.all();
        if about.is_empty() {
            return;
        }
        let about = about.iter().map(|bucket| {
            json!({
                "uuid": bucket.uuid,
                "id": bucket.id,
                "name": bucket.name,
                "parsed": bucket.state.parsed,
                "validJson": bucket.state.valid_json,
            })
        });
        let event = json!({ "event": "data-bucket-processed", "dataBuckets": about.collect::<Json>() });
        self.kept.feed.replay(&event);
    }

    pub fn feed(&self) -> &Arc<Feed> {
        &self.kept.feed
    }

    /// Remembers a transaction and tells listeners.
    pub fn record(&self, transaction: &Transaction) {
        self.log().push(transaction.clone());
        self.kept.feed.send(|| json!({ "event": "transaction-complete", "transaction": transaction.to_json() }));
    }

    /// Milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.kept.clock.now().as_millis()
    }

    pub fn scope(&self) -> Scope<'_> {
        Scope::new(&self.kept.clock, &self.kept.random).with_zone(self.kept.zone.clone()).with_data(self)
    }

    pub fn draw(&self) -> standin_core::Draw {
        standin_core::Draw::from_seed(self.kept.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed))
    }

    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.kept.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn globals_list(&self) -> MutexGuard<'_, Vec<(String, Value)>> {
        self.kept.globals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn clear_globals(&self) {
        self.globals_list().clear();
    }

    /// The name of an environment variable with its prefix, which is added where it is missing.
    pub fn env_var_name(&self, name: &str) -> String {
        let prefix = &self.kept.env_vars_prefix;
        if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
    }

    pub fn set_env_var(&self, name: String, value: String) {
        self.kept.env_vars.write().unwrap_or_else(PoisonError::into_inner).insert(name, value);
    }
}

impl Data for State {
    fn bucket(&self, id_or_name: &str) -> Option<Value> {
        self.buckets.get(id_or_name)
    }

    fn change_bucket(&self, id_or_name: &str, change: &mut dyn FnMut(&mut Value)) {
        self.buckets.change(id_or_name, change);
    }

    fn global(&self, name: &str) -> Option<Value> {
        self.globals_list().iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn set_global(&self, name: &str, value: Value) {
        let mut globals = self.globals_list();
        match globals.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value,
            None => globals.push((name.to_owned(), value)),
        }
    }

    fn env_var(&self, name: &str) -> Option<String> {
        self.kept.env_vars.read().unwrap_or_else(PoisonError::into_inner).get(&self.env_var_name(name)).cloned()
    }
}

impl Surroundings for State {
    fn scope(&self) -> Scope<'_> {
        self.scope()
    }

    fn buckets(&self) -> Value {
        self.buckets.by_names()
    }

    fn globals(&self) -> Value {
        Value::object(self.globals_list().iter().map(|(name, value)| (name.as_str(), value.clone())))
    }
}
