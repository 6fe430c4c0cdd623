//! Terraform: the states that standin keeps for it, and the runs of templates that hold it.

pub mod address;
pub mod record;
pub mod state;
