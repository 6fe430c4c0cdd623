//! How those who do jobs wait for them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::time::Duration;

use standin_model::Timestamp;
use standin_store::{Store, StoreError, jobs};
use tokio::sync::watch;

use crate::app::App;

/// How long a worker sleeps at most: the clock may be moved while it does.
const SLEEP: Duration = Duration::from_millis(250);
/// How long it rests after the store has failed.
const REST: Duration = Duration::from_secs(1);

/// Waits for the jobs of one queue.
pub(crate) struct Worker {
    queue: &'static str,
    wakeups: watch::Receiver<u64>,
}

impl Worker {
    pub(crate) fn new(app: &App, queue: &'static str) -> Self {
        Self { queue, wakeups: app.store.wakeups() }
    }

    /// What is enqueued from here on ends the next wait.
    pub(crate) fn look(&mut self) {
        self.wakeups.mark_unchanged();
    }

    /// Comes back when a job is due, or may be.
    pub(crate) async fn wait(&mut self, store: &dyn Store, now: Timestamp) {
        let due = jobs::next_due(store, self.queue).await.ok().flatten();
        let until = due.map_or(SLEEP, |due| {
            let ms = u64::try_from(due.saturating_sub(now.as_millis())).unwrap_or(1);
            Duration::from_millis(ms).clamp(Duration::from_millis(1), SLEEP)
        });
        tokio::select! {
            _ = self.wakeups.changed() => {}
            () = tokio::time::sleep(until) => {}
        }
    }

    /// After a round: goes on at once where something was done, else waits for the next job.
    pub(crate) async fn rest(&mut self, app: &App, now: Timestamp, done: Result<usize, StoreError>) {
        match done {
            Ok(0) => self.wait(&*app.store, now).await,
            // In memory nothing of this ever waits.
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => self.failed(&error).await,
        }
    }

    /// Rests after the store has failed.
    pub(crate) async fn failed(&self, error: &StoreError) {
        tracing::warn!(queue = self.queue, error = error.chain(), "jobs wait: the store failed");
        tokio::time::sleep(REST).await;
    }
}

/// A name for who does the jobs of this server: no other one has it, on no machine that shares the database.
pub(crate) fn owner() -> String {
    let draw = || RandomState::new().hash_one(std::process::id());
    format!("standin-{}-{:016x}{:016x}", std::process::id(), draw(), draw())
}
