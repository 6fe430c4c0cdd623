//! What every part of standin agrees on: the [`Call`] and its [`Answer`], [`OperationError`], the one [`Clock`], the
//! one [`Dice`], and the [`Registry`] that finds who handles an operation.
//!
//! # Invariants
//! - Nothing here knows protocols, sockets, SQL or the environment.
//! - Nothing outside [`Clock`] reads the time, nothing outside [`Dice`] draws: a run with the same seed and the same
//!   requests gives the same bytes.

pub mod access_key;
mod arn;
mod call;
mod caller;
mod clock;
mod dice;
mod duration;
mod error;
mod registry;

pub use arn::Arn;
pub use call::{Answer, BodySource, BoxFuture, Call, CallContext, EventSource, Fidelity, Mishap, Trace, Twist};
pub use caller::{Caller, Place};
pub use clock::{Clock, Stopwatch};
pub use dice::{Dice, Draw, Hasher};
pub use duration::{duration_text, parse_duration};
pub use error::{OperationError, codes};
pub use registry::{Handler, Registry};

/// A hash map whose keys are looked up in every call; its hash is quick, not proof against an attacker who knows the process's
/// seed.
pub type FastMap<K, V> = foldhash::HashMap<K, V>;
