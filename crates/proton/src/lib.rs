//! Proton without its cloud: template bundles, specs and rendering as functions over bytes, and the rules of its
//! resources.
//!
//! # Invariants
//! - Bad bundles, specs and templates end in [`Finding`]s that name file, line and reason; they never panic, and time,
//!   memory and output are bounded.
//! - Nothing here reads files, the network, the environment or the clock. What is rendered follows from its inputs.

pub mod archive;
pub mod author;
pub mod bundle;
pub mod engine;
pub mod finding;
pub mod lines;
pub mod manifest;
pub mod neighbours;
pub mod render;
pub mod schema;
pub mod spec;
pub mod types;
pub mod yaml;

pub use archive::{ArchiveError, Files};
pub use bundle::{Bundle, BundleKind, Infrastructure};
pub use finding::{Finding, Severity};
pub use schema::Schema;
