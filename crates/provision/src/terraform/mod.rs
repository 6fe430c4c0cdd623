//! Terraform: the states that standin keeps for it, and the runs of templates that hold it.

pub mod address;
mod outcome;
pub mod record;
pub mod run;
pub mod state;
