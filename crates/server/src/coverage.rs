//! Which operations a run used, at which fidelity.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use standin_core::{FastMap, Fidelity};
use standin_model::{Operation, Str};

/// Counts calls by operation.
#[derive(Debug, Default)]
pub(crate) struct Coverage(Mutex<FastMap<Place, Counts>>);

/// An operation's address: models live as long as the process, and an address hashes faster than two names.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Place(usize);

#[derive(Debug, Clone, Copy)]
struct Counts {
    service: Str,
    operation: Str,
    synthesized: u64,
    stateful: u64,
    engine: u64,
    errors: u64,
}

impl Coverage {
    /// `fidelity` is `None` for an error.
    pub(crate) fn count(&self, service: Str, operation: &'static Operation, fidelity: Option<Fidelity>) {
        let place = Place(std::ptr::from_ref(operation).addr());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(place).or_insert(Counts {
            service,
            operation: operation.name,
            synthesized: 0,
            stateful: 0,
            engine: 0,
            errors: 0,
        });
        match fidelity {
            Some(Fidelity::Synthesized) => counts.synthesized += 1,
            Some(Fidelity::Stateful) => counts.stateful += 1,
            Some(Fidelity::Engine) => counts.engine += 1,
            None => counts.errors += 1,
        }
    }

    /// By service and operation. Two API versions of a service may list the same operation twice.
    fn sorted(&self) -> Vec<Counts> {
        let mut all: Vec<Counts> = self.0.lock().unwrap_or_else(PoisonError::into_inner).values().copied().collect();
        all.sort_by_key(|counts| (counts.service, counts.operation));
        all
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn to_json(&self) -> Value {
        let all = self.sorted();
        let operations: Vec<Value> = all
            .iter()
            .map(|counts| {
                json!({
                    "service": counts.service,
                    "operation": counts.operation,
                    "synthesized": counts.synthesized,
                    "stateful": counts.stateful,
                    "engine": counts.engine,
                    "errors": counts.errors,
                })
            })
            .collect();
        json!({ "operations": operations })
    }

    /// A few lines for the end of a run; empty when nothing was called.
    pub(crate) fn summary(&self) -> String {
        const LINES_MAX: usize = 12;
        let all = self.sorted();
        if all.is_empty() {
            return String::new();
        }
        let total = |pick: fn(&Counts) -> u64| all.iter().map(pick).sum::<u64>();
        let mut text = format!(
            "{} operations used: {} answers synthesized, {} stateful, {} by an engine, {} errors",
            all.len(),
            total(|c| c.synthesized),
            total(|c| c.stateful),
            total(|c| c.engine),
            total(|c| c.errors),
        );
        let mut by_service: BTreeMap<Str, Vec<Str>> = BTreeMap::new();
        for counts in &all {
            by_service.entry(counts.service).or_default().push(counts.operation);
        }
        for (service, operations) in by_service.iter().take(LINES_MAX) {
            const NAMES_MAX: usize = 6;
            let names = operations.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = operations.len().saturating_sub(NAMES_MAX);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            text.push_str(&format!("\n  {service}: {names}{more}"));
        }
        if by_service.len() > LINES_MAX {
            text.push_str(&format!("\n  and {} more services", by_service.len() - LINES_MAX));
        }
        text
    }
}
