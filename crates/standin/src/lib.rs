//! One binary that stands in for AWS's APIs on a person's own machine, and the same server within a test.
//!
//! ```
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let server = standin::Server::builder().seed(7).start().await.expect("a free port");
//! assert!(server.url().starts_with("http://127.0.0.1:"));
//! // Point an SDK's endpoint URL there. The server ends when it is dropped, or at once:
//! server.shutdown().await;
//! # });
//! ```
//!
//! # Invariants
//! - Only this crate reads the environment, the command line and configuration files.
//! - No business logic: commands read arguments, call the crates below and print.

pub mod cli;
pub mod client;
pub mod config;
pub mod env;
pub mod error;
pub mod guard;
pub mod init;
#[cfg(target_os = "linux")]
mod isolate;
mod mockoon;
pub mod serve;

pub use standin_core::{Clock, Fidelity};
pub use standin_faults::Rule as FaultRule;
pub use standin_model::{Document, Timestamp, import};
pub use standin_server::{RunningServer, Server, ServerBuilder, ServerConfig, Strictness};

/// Where a server is that was started with no settings.
pub const DEFAULT_URL: &str = "http://127.0.0.1:4566";
