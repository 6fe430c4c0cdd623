//! CloudFormation: templates, what they come to, and the stacks that are made of them.
//!
//! [`source::parse`] reads a text, [`transform::prepare`] gives parameters their values and does transforms,
//! [`check::check`] finds what means nothing, and [`evaluate::Evaluator`] works values out.
//!
//! # Invariants
//! - Nothing here opens a socket, reads the environment or the time.
//! - Bad input never panics; what a template can come to is bounded in depth, time and bytes.

mod about;
pub mod check;
mod cidr;
mod drift;
mod dynamic;
pub mod error;
pub mod evaluate;
mod include;
mod input;
mod kinds;
pub mod lint;
mod loops;
pub mod parameters;
pub mod references;
pub mod resources;
mod sam;
mod services;
pub mod source;
pub mod stacks;
mod steps;
mod tagging;
pub mod template;
pub mod transform;

pub use error::TemplateError;
pub use services::ServiceResources;
