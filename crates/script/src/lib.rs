//! Answers that people script: what a call is answered instead of, or on top of, what standin would say itself.
//!
//! A [`Rule`] is what people write, in JSON, TOML or the files of a [folder]; [`Responses`] holds the rules of a server, checked
//! against the model, and finds the one that answers a call ([`Hit`]). What it answers is an output, a change of the real output,
//! an error or raw HTTP, with templates in the places of values, one after another if there are several, and only in
//! some state of a [scenario](Scenarios) where it says so.
//!
//! The same goes for what some other server has said: a [recording], which answers without it.
//!
//! # Invariants
//! - Rules are checked and templates parsed when they are set. A rule that does not fit the model is refused, with the member
//!   that is wrong and what is expected there; the rules from before stay.
//! - Without rules, a call costs one atomic load; with rules for other services, one look into a table.
//! - No secret is written into a recording: neither what the model marks as such nor what signs requests.
//! - A state of a scenario is left by one call only, however many come at once.

mod answer;
mod check;
pub mod folder;
mod patch;
pub mod recording;
mod responses;
mod rule;
mod scenarios;
mod text;

pub use answer::{Real, Scripted};
pub use responses::{Hit, Origin, Responses, RuleState};
pub use rule::{AnswerRule, Language, Rule, Step};
pub use scenarios::{STARTED, Scenarios};
