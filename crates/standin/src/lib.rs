//! One binary that stands in for AWS's APIs on a person's own machine, and the same server within a test.
//!
//! # Invariants
//! - Only this crate reads the environment, the command line and configuration files.
//! - No business logic: commands read arguments, call the crates below and print.

pub mod cli;
pub mod client;
pub mod config;
pub mod env;
pub mod error;
