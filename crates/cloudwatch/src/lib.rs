//! CloudWatch as far as it keeps things that are no resources: the events of log streams ([`logs`]) and the data points of metrics
//! ([`metrics`]). Log groups, alarms, dashboards and all else of the two services are answered elsewhere.
//!
//! # Invariants
//! - What is kept is bounded for each stream and each metric, and read in pages: no answer goes over all that is kept.
//! - An operation is one batch of the store; what belongs to a deleted stream goes first, page by page, and the stream last.
//! - The time is always that of the caller's clock.

pub mod logs;
pub mod metrics;
mod types;

use standin_core::{CallContext, OperationError, Place};
use standin_store::{Batch, Store, StoreError};

/// How often an operation decides anew before it gives up.
const ATTEMPTS_MAX: usize = 64;

/// Where and when a call happens.
fn place_of(context: &CallContext) -> Place {
    Place {
        partition: context.partition.to_owned(),
        account: context.account.to_string(),
        region: context.region.to_string(),
        access_key: context.access_key.clone(),
        now: context.now,
    }
}

/// Commits a batch; false where another was faster, and it is to be decided anew.
async fn commit(store: &dyn Store, batch: Batch) -> Result<bool, OperationError> {
    match store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(OperationError::internal(error)),
    }
}
