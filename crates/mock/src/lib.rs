//! Behaviour that the models alone tell: validation of inputs and synthesised answers.
//!
//! # Invariants
//! - Knows no bytes, no HTTP and no particular service in code; what is special about a service is data.
//! - The same call with the same seed gives the same answer.

pub mod batch;
pub mod lifecycle;
pub mod pattern;
pub mod synthesis;
pub mod validation;
