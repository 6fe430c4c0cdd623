//! Resources that live: what a call creates can be read, listed, updated, tagged and deleted, in every service.
//!
//! [`Resources`] answers each operation by its role in the service's lifecycle ([`standin_lifecycle`]): what callers gave is
//! kept by attribute, what only the service can know is made up once ([`standin_mock::synthesis`]) and kept beside it, and both
//! are projected into whatever structure an output shows. Operations without a role are answered by the synthesizer.
//!
//! # Invariants
//! - No service has code here: what is special about one stands in its overlay.
//! - A call changes everything that it changes in one batch, or nothing. It decides by rows whose versions the batch
//!   checks, and decides anew where another call was faster.
//! - Two reads of an unchanged resource agree, whichever operations read it.

mod absorb;
mod arns;
mod batch;
mod cascade;
mod change;
mod convert;
mod count;
mod create;
mod delete;
mod edits;
mod errors;
mod everywhere;
mod filter;
mod forget;
mod forms;
mod handler;
mod idempotency;
mod identifiers;
mod implied;
mod list;
mod make;
mod names;
mod page;
mod plan;
mod project;
mod record;
mod resolve;
mod resource_groups;
mod rows;
mod schema;
mod show;
mod tagging;
mod tags;
mod ticket;
mod transition;

pub use handler::{Mode, Resources};
