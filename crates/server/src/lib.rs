//! The front of standin: listeners and TLS, identification, the way of a request, and the introspection API.
//!
//! # Invariants
//! - Nothing here reads flags, the environment or exit codes.
//! - To identify a request, no AWS service is special but S3, whose paths fit everything and which therefore comes last.
//! - A request is recorded in the journal before its answer is sent.

mod admin;
mod app;
mod cloudwatch;
mod config;
mod coverage;
mod experiments;
mod gate;
mod identify;
mod init;
mod journal;
mod leaks;
mod live;
mod memo;
pub mod metrics;
mod mishap;
mod mwaa;
pub mod net;
mod objects;
mod pass;
mod payload;
mod pipeline;
mod proton;
mod saved;
mod script;
mod server;
mod sessions;
mod stacks;
mod state;
mod tape;
mod worker;

pub use config::{
    DEFAULT_ACCOUNT, DEFAULT_JOURNAL_SIZE, DEFAULT_REGION, MwaaConfig, ServerConfig, Stateless, Transitions,
};
pub use init::{InitReport, InitStage, ScriptState};
pub use leaks::{LeakAttempt, LeakWatch};
pub use pass::{CredentialSource, OwnedKeys, Upstream};
pub use proton::events::{EventSink, EventTarget, EventsConfig};
pub use proton::webhook::Secret as WebhookSecret;
pub use saved::BLOB_LINE as SAVED_BYTES_LINE;
pub use server::{RunningServer, Server, ServerBuilder};
pub use standin_mock::validation::Strictness;
pub use standin_mwaa::local::DatabaseChoice;
pub use standin_proton::engine::Quotas as ProtonQuotas;
pub use standin_provision::pulls::workflows::Workflows;
pub use standin_provision::secrets::KeySource;
pub use standin_provision::{ProvisioningConfig, config as provisioning};
pub use standin_store::{Durability, StoreLocation};
pub use tape::{RecordConfig, ReplayConfig};
