//! Mockoon environments: loading, routing, choosing and making answers.
//!
//! [`Environment::load`] reads a file of any age, [`Server::new`] compiles it, [`Server::answer`] takes a request and gives
//! an answer with the latency that whoever owns the socket waits for. Behaviour is that of `mockoon-cli` 9.9, oddities
//! included: where something here looks strange, that is why. What is not done is told by [`Server::notes`].
//!
//! # Invariants
//! - No sockets, no waiting, no environment variables.
//! - Paths, templates and regular expressions are compiled when an environment is loaded, and an answer that no request
//!   changes is ready before the first one comes.
//! - No request panics, loops, or makes matching slow.

mod admin;
mod answer;
mod buckets;
mod crud;
pub mod environment;
mod files;
mod form;
mod ids;
mod log;
mod multipart;
mod notes;
mod path;
mod pattern;
mod reply;
mod request;
mod routing;
mod rules;
mod server;
mod text;
mod values;
mod xml;

pub use environment::{Environment, LoadError};
pub use log::Transaction;
pub use notes::Note;
pub use reply::Body;
pub use server::{Answer, Options, Server};

#[cfg(test)]
mod tests;
