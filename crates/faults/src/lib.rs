//! Faults on request: errors, latency and broken connections, precisely where a rule says and as often as its seed draws.
//!
//! A [`Rule`] is what people write; [`Faults`] holds the rules of a server, checked against the model, and tells for each
//! call what is to go wrong ([`Verdict`]). Carrying it out (sleeping, failing, cutting the connection) is the server's work.
//!
//! # Invariants
//! - The same seed, rules and order of calls give the same faults: draws depend on the rule and on how many calls it has
//!   matched, never on time or on what else goes on.
//! - Without rules, a call costs one atomic load; with rules for other services, one look into a table.
//! - A rule that names an error which the operation cannot return is refused, unless it is forced.

mod burst;
mod check;
mod delay;
mod engine;
mod errors;
mod globs;
mod incident;
mod matcher;
mod presets;
mod rate;
mod rule;
mod skew;
mod windows;

pub use check::Refused;
pub use delay::Delay;
pub use engine::{Faults, Hit, Opening, Partial, RuleState, Verdict};
pub use errors::{ErrorInfo, Generic, Meaning, catalogue, generic};
pub use globs::Globs;
pub use incident::{Incident, Phase, Running, Shipped, incidents};
pub use matcher::{ByService, Matcher, Matching, Turn};
pub use presets::{Preset, presets};
pub use rule::{Class, Network, Outcome, Rule};
