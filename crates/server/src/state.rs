//! The state as a whole: saved, loaded, reset, and its history.

use std::path::Path;
use std::sync::Arc;

use standin_core::Clock;
use standin_s3::ObjectStorage;
use standin_store::dump::LoadError;
use standin_store::history::{History, HistoryHome};
use standin_store::{LoadMode, Selector, Store, StoreError, StoreLocation};

use crate::app::App;
use crate::config::ServerConfig;
use crate::net::NetError;
use crate::objects;
use crate::saved::{Loading, Saving};

/// The folder of commits within a data directory.
const HISTORY: &str = "history";

/// What there is of a server before it serves.
pub(crate) struct State {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: Arc<ObjectStorage>,
    pub(crate) history: History,
    /// The first of the numbers that tell identifiers apart which are drawn in this run.
    pub(crate) first: u64,
}

impl State {
    /// Opens everything that a configuration says of state.
    ///
    /// # Errors
    /// When the store or a folder cannot be used.
    pub(crate) async fn open(config: &ServerConfig) -> Result<Self, NetError> {
        let failed = |source| NetError::Store { source };
        let store = standin_store::open(&config.store).await.map_err(failed)?;
        let files = config.data_dir.as_deref().filter(|_| config.store != StoreLocation::Memory);
        let history = history(files).await.map_err(failed)?;
        let committed = history.branches().await.iter().any(|branch| branch.commit.is_some());
        let objects = objects::open(store.clone(), files, committed).await?;
        let first = first_number(&config.store, &*store).await.map_err(failed)?;
        Ok(Self { store, objects, history, first })
    }
}

/// What tells identifiers apart that are drawn in this run: counts from here. A run that begins with nothing counts from 0,
/// so that it can be repeated; one that goes on must not draw again what was drawn before.
async fn first_number(location: &StoreLocation, store: &dyn Store) -> Result<u64, StoreError> {
    let fresh = match location {
        StoreLocation::Memory => true,
        StoreLocation::Sqlite { .. } => store.tables(&Selector::all()).await?.is_empty(),
        // Another process may begin at the same time.
        StoreLocation::Postgres { .. } => false,
    };
    Ok(if fresh { 0 } else { u64::try_from(Clock::real().now().as_millis()).unwrap_or_default() << 20 })
}

/// Opens the commits of a store: in files beside it, or in memory.
async fn history(files: Option<&Path>) -> Result<History, StoreError> {
    let home = files.map_or(HistoryHome::Memory, |folder| HistoryHome::Directory(folder.join(HISTORY)));
    History::open(&home).await
}

/// What is to be forgotten.
#[derive(Debug, Default)]
pub(crate) struct Forget {
    pub(crate) picked: Selector,
    /// Only what has this tag, and with it what lies in that; any value where none is given.
    pub(crate) tag: Option<(String, Option<String>)>,
}

impl App {
    pub(crate) async fn save(&self, picked: &Selector, bytes: bool) -> Result<Saving, StoreError> {
        Saving::begin(&*self.store, self.objects.clone(), picked, bytes).await
    }

    pub(crate) async fn begin_load(&self, mode: LoadMode) -> Result<Loading, LoadError> {
        Loading::begin(self.store.clone(), self.objects.clone(), mode).await
    }

    /// Makes what was loaded visible; how many rows.
    pub(crate) async fn finish_load(&self, loading: Loading) -> Result<u64, LoadError> {
        let rows = loading.finish().await?;
        self.memo.clear();
        self.sweep_objects();
        Ok(rows)
    }

    /// Drops resources, whatever their number at once. How many, where they were picked by a tag.
    pub(crate) async fn forget(&self, forget: &Forget) -> Result<Option<u64>, StoreError> {
        let Forget { picked, tag } = forget;
        let count = match tag {
            Some((key, value)) => {
                let (key, value) = (key.as_str(), value.as_deref());
                let count = self.resources.forget_tagged(self.catalogue, picked, key, value).await?;
                Some(count + self.objects.forget_tagged(picked, key, value).await?)
            }
            None => {
                self.store.clear(picked).await?;
                if *picked == Selector::all() {
                    self.resources.restart();
                }
                None
            }
        };
        self.memo.clear();
        self.sweep_objects();
        Ok(count)
    }

    /// Removes the bytes of objects that are gone, in the background.
    fn sweep_objects(&self) {
        let objects = Arc::clone(&self.objects);
        tokio::spawn(async move {
            if let Err(error) = objects.sweep().await {
                tracing::error!(%error, "the bytes of objects could not be removed");
            }
        });
    }

    /// Back to the state after start: resources, events, journal, coverage, canned answers and counters.
    pub(crate) async fn reset(&self) {
        if let Err(error) = self.forget(&Forget::default()).await {
            tracing::error!(%error, "the state could not be reset");
        }
        if let Err(error) = self.store.trim_events(0).await {
            tracing::error!(%error, "events could not be forgotten");
        }
        self.forget_requests();
    }
}
