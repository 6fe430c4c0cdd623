//! The state as a whole.

use standin_core::Clock;
use standin_store::{Selector, Store, StoreError, StoreLocation};

/// What tells identifiers apart that are drawn in this run: counts from here. A run that begins with nothing counts from 0,
/// so that it can be repeated; one that goes on must not draw again what was drawn before.
pub(crate) async fn first_number(location: &StoreLocation, store: &dyn Store) -> Result<u64, StoreError> {
    let fresh = match location {
        StoreLocation::Memory => true,
        StoreLocation::Sqlite { .. } => store.tables(&Selector::all()).await?.is_empty(),
        // Another process may begin at the same time.
        StoreLocation::Postgres { .. } => false,
    };
    Ok(if fresh { 0 } else { u64::try_from(Clock::real().now().as_millis()).unwrap_or_default() << 20 })
}
