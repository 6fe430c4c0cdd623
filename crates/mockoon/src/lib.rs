//! Mockoon environments: loading, routing, choosing and making answers.
//!
//! [`Environment::load`] reads a file of any age or an OpenAPI document, [`Server::new`] compiles it, [`Server::react`]
//! takes a request and gives an answer with the latency that whoever owns the socket waits for, or says what else to do.
//! Behaviour is that of `mockoon-cli` 9.9, oddities included: where something here looks strange, that is why. What is
//! not done is told by [`Server::notes`].
//!
//! # Invariants
//! - No sockets, no waiting, no environment variables.
//! - Paths and regular expressions are compiled when an environment is loaded, templates and answers that no request
//!   changes when they are first asked for; nothing is compiled twice.
//! - No request panics, loops, or makes matching slow.

mod admin;
mod answer;
mod buckets;
mod callbacks;
mod crud;
pub mod environment;
mod events;
mod files;
mod form;
mod ids;
mod log;
mod multipart;
mod notes;
mod openapi;
mod path;
mod pattern;
mod proxy;
mod reply;
mod request;
mod routing;
mod rules;
mod server;
mod sockets;
mod state;
mod text;
mod values;
mod xml;

pub use callbacks::Call;
pub use environment::{Environment, Header, LoadError, Streaming, Tls};
pub use events::{Events, Listener};
pub use log::Transaction;
pub use notes::Note;
pub use proxy::Forward;
pub use reply::Body;
pub use server::{Answer, Options, Reaction, Server};
pub use sockets::{Push, Socket};

#[cfg(test)]
mod tests;
