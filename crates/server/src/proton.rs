//! Proton: its engine, and the worker that does its jobs.

pub(crate) mod events;
mod put_events;
pub(crate) mod webhook;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use standin_core::{Dice, Registry};
use standin_model::{Catalogue, Timestamp};
use standin_proton::engine::{Engine, QUEUE, Quotas, SERVICE};
use standin_proton::neighbours::Neighbours;
use standin_state::Resources;
use standin_store::{Store, jobs};

use crate::app::App;
use crate::gate::Gate;

/// How long the worker sleeps at most: the clock may be moved while it does.
const SLEEP: Duration = Duration::from_millis(250);
/// How long it rests after the store has failed.
const REST: Duration = Duration::from_secs(1);

/// What the engine is made of.
pub(crate) struct Parts<'p> {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) store: &'p Arc<dyn Store>,
    pub(crate) resources: &'p Arc<Resources>,
    /// The reference of synthesised timestamps.
    pub(crate) origin: Timestamp,
    pub(crate) dice: Dice,
    pub(crate) quotas: Quotas,
    /// What tells the ids of this run from those of an earlier one.
    pub(crate) first: u64,
    /// Where the server is found, once it listens.
    pub(crate) public_url: &'p Arc<OnceLock<Arc<str>>>,
}

/// Registers the engine for all operations of Proton. What is registered so far are the services that it calls.
pub(crate) fn register(registry: &mut Registry, parts: &Parts<'_>) -> Arc<Engine> {
    let others = Arc::new(registry.clone());
    let neighbours =
        Arc::new(Neighbours::new(parts.catalogue, others, parts.origin, parts.dice, parts.public_url.clone()));
    let resources = parts.resources.clone();
    let engine = Engine::new(parts.store.clone(), neighbours.clone(), neighbours, parts.quotas)
        .with_run(parts.first)
        .with_delay(move || resources.transitions(SERVICE));
    let engine = Arc::new(engine);
    registry.service(
        SERVICE,
        Arc::new(Gate { service: SERVICE, engine: engine.clone(), resources: parts.resources.clone() }),
    );
    engine
}

/// The queues of Proton's jobs and of the deliveries of its events.
pub(crate) fn queues(app: &App) -> impl Iterator<Item = String> {
    let deliveries = app.proton_events.targets.iter().map(|target| target.to.queue());
    std::iter::once(QUEUE.to_owned()).chain(deliveries)
}

/// Does Proton's jobs as they become due, as long as the server runs.
pub(crate) async fn work(app: &App) -> std::convert::Infallible {
    let mut wakeups = app.store.wakeups();
    let owner = format!("standin-{}", std::process::id());
    loop {
        let now = app.clock.now();
        match app.proton.work(now, app.dice, &owner).await {
            Ok(0) => {
                let due = jobs::next_due(&*app.store, QUEUE).await.ok().flatten();
                let until = due.map_or(SLEEP, |due| {
                    Duration::from_millis(u64::try_from(due - now.as_millis()).unwrap_or(1)).min(SLEEP)
                });
                tokio::select! {
                    _ = wakeups.changed() => {}
                    () = tokio::time::sleep(until.max(Duration::from_millis(5))) => {}
                }
            }
            // In memory nothing of this ever waits.
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => {
                tracing::warn!(error = error.chain(), "Proton's jobs wait: the store failed");
                tokio::time::sleep(REST).await;
            }
        }
    }
}
