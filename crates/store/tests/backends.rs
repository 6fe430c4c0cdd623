//! Every backend keeps the same promises.

mod suite;
mod support;

use std::sync::Arc;

use standin_store::{MemoryStore, Store};

mod memory {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, ())> {
        Some((Arc::new(MemoryStore::new()), ()))
    }

    suite::of!(fresh);
}

mod sqlite {
    use standin_store::{Durability, SqliteStore};

    use super::support::Directory;
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, Directory)> {
        let directory = Directory::new();
        let store = SqliteStore::open(directory.path(), Durability::Normal).await.expect("a fresh store");
        Some((store, directory))
    }

    suite::of!(fresh);
}

#[cfg(feature = "postgres")]
mod postgres {
    use standin_store::PostgresStore;

    use super::support::postgres::Server;
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, ())> {
        let url = Server::shared()?.database().await;
        let store = PostgresStore::open(&url).await.unwrap_or_else(|error| panic!("{}", error.chain()));
        Some((store, ()))
    }

    suite::of!(fresh);
}
