//! Every backend keeps the same promises.

mod suite;

use std::sync::Arc;

use standin_store::{MemoryStore, Store};

mod memory {
    use super::*;

    async fn fresh() -> Option<(Arc<dyn Store>, ())> {
        Some((Arc::new(MemoryStore::new()), ()))
    }

    suite::of!(fresh);
}
