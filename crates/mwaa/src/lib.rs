//! MWAA: environments over the store, tokens, what the web server of an environment answers, and the runtimes that stand for
//! Airflow.
//!
//! # Invariants
//! - The control plane ([`engine`]) knows nothing of how Airflow runs: that is behind [`runtime::Runtime`], which is told the same
//!   thing until it has told an end.
//! - Everything under a host of an environment is answered by [`web`], behind a token or a session; nothing of Airflow is reached
//!   without.
//! - Other services are asked through their operations ([`neighbours`]), as MWAA itself would.

pub mod changes;
pub mod commands;
pub mod engine;
pub mod host;
#[cfg(unix)]
pub mod local;
pub mod neighbours;
mod paging;
pub mod runtime;
pub mod runtimes;
pub mod serverless;
pub mod simulated;
pub mod token;
pub mod types;
pub mod versions;
pub mod web;
