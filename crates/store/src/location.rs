//! Where a store is to be found.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Durability, MemoryStore, SqliteStore, Store, StoreError};

/// What a user says of where state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreLocation {
    /// Gone with the process.
    #[default]
    Memory,
    /// `state.sqlite` in a directory, which is made where there is none.
    Sqlite { directory: PathBuf, durability: Durability },
    /// A database that several processes may share: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    Postgres { url: String },
}

/// Opens the store of a location, and begins it where there is none yet. Wants to be called in a tokio runtime, which
/// carries the store's own tasks.
///
/// # Errors
/// [`StoreError::Backend`] where it cannot be opened: used by another process, damaged, not reachable, from a newer
/// version, not part of this build.
pub async fn open(location: &StoreLocation) -> Result<Arc<dyn Store>, StoreError> {
    match location {
        StoreLocation::Memory => Ok(Arc::new(MemoryStore::new())),
        StoreLocation::Sqlite { directory, durability } => Ok(SqliteStore::open(directory, *durability).await?),
        #[cfg(feature = "postgres")]
        StoreLocation::Postgres { url } => Ok(crate::PostgresStore::open(url).await?),
        #[cfg(not(feature = "postgres"))]
        StoreLocation::Postgres { .. } => {
            Err(StoreError::backend("opening the database", "this standin was built without PostgreSQL"))
        }
    }
}
