//! Named states that rules wait for and move on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state in which every scenario begins.
pub const STARTED: &str = "Started";
/// Names that callers may make up by asking for them; rules name at most a few each.
const SCENARIOS_MAX: usize = 10_000;

/// The states of all scenarios.
#[derive(Debug, Default)]
pub struct Scenarios(Mutex<BTreeMap<String, String>>);

impl Scenarios {
    /// Leaves a state for another if the scenario is in it and `taken` agrees. Without a required state any will do; without
    /// a new one it stays.
    pub(crate) fn advance<T>(
        &self,
        name: &str,
        required: Option<&str>,
        new: Option<&str>,
        taken: impl FnOnce() -> Option<T>,
    ) -> Option<T> {
        let mut states = self.lock();
        let state = states.get(name).map_or(STARTED, String::as_str);
        if required.is_some_and(|required| required != state) {
            return None;
        }
        let taken = taken()?;
        if let Some(new) = new {
            states.insert(name.to_owned(), new.to_owned());
        }
        Some(taken)
    }

    pub fn state(&self, name: &str) -> String {
        self.lock().get(name).map_or(STARTED, String::as_str).to_owned()
    }

    /// Puts a scenario into a state.
    ///
    /// # Errors
    /// When there are too many of them.
    pub fn set(&self, name: &str, state: &str) -> Result<(), String> {
        let mut states = self.lock();
        if states.len() >= SCENARIOS_MAX && !states.contains_key(name) {
            return Err(format!("there are {SCENARIOS_MAX} scenarios already"));
        }
        states.insert(name.to_owned(), state.to_owned());
        Ok(())
    }

    /// Back to the beginning: one, or all.
    pub fn reset(&self, name: Option<&str>) {
        let mut states = self.lock();
        match name {
            Some(name) => {
                states.remove(name);
            }
            None => states.clear(),
        }
    }

    /// Names of those that have moved or were set.
    pub(crate) fn moved(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
