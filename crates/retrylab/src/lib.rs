//! Retry Lab: fault profiles under which a test suite is run, and what its clients made of them.
//!
//! [`profiles`] are rules that hit the first attempts of every call. After a run, [`calls`] reads the attempts of each
//! call off the server's journal, [`verdicts`] judges the operations by them, and [`report`] writes it down.
//!
//! # Invariants
//! - No sockets, no processes, no clock: what is measured is what the journal tells.
//! - An operation is only blamed for calls that a fault hit.

mod attempts;
mod profile;
pub mod report;
mod retries;
mod verdict;

pub use attempts::{Attempt, Call, calls};
pub use profile::{Profile, profiles};
pub use retries::{Retries, retries};
pub use verdict::{Judgement, Verdict, verdicts};
