//! The event log: what happened, in order, for those who follow.

use std::sync::Arc;

use standin_model::Document;

use crate::Space;

/// What a [`crate::Batch`] tells the log.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// Where it happened.
    pub space: Space,
    /// What happened: `resource.created`.
    pub kind: Arc<str>,
    pub body: Arc<Document>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Grows by one from event to event. No event becomes visible after one of a higher number.
    pub sequence: u64,
    pub space: Space,
    pub kind: Arc<str>,
    pub body: Arc<Document>,
}
