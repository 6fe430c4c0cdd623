//! Proton: its engine, and the worker that does its jobs.

pub(crate) mod events;
mod put_events;
pub(crate) mod webhook;

use std::sync::Arc;

use standin_core::{Caller, Registry};
use standin_proton::engine::{Engine, QUEUE, Quotas, SERVICE};
use standin_proton::neighbours::Neighbours;
use standin_state::Resources;
use standin_store::Store;

use crate::app::App;
use crate::gate::Gate;
use crate::worker::Worker;

/// Registers the engine for all operations of Proton. What `others` calls are the services that it needs; `first` tells the ids
/// of this run from those of an earlier one.
pub(crate) fn register(
    registry: &mut Registry,
    others: Caller,
    store: &Arc<dyn Store>,
    resources: &Arc<Resources>,
    quotas: Quotas,
    first: u64,
) -> Arc<Engine> {
    let neighbours = Arc::new(Neighbours::new(others));
    let pace = resources.clone();
    let engine = Engine::new(store.clone(), neighbours.clone(), neighbours, quotas)
        .with_run(first)
        .with_delay(move || pace.transitions(SERVICE));
    let engine = Arc::new(engine);
    let gate = Gate { service: SERVICE, engine: engine.clone(), resources: resources.clone() };
    registry.service(SERVICE, Arc::new(gate));
    engine
}

/// The queues of Proton's jobs and of the deliveries of its events.
pub(crate) fn queues(app: &App) -> impl Iterator<Item = String> {
    let deliveries = app.proton_events.targets.iter().map(|target| target.to.queue());
    std::iter::once(QUEUE.to_owned()).chain(deliveries)
}

/// Does Proton's jobs as they become due, as long as the server runs.
pub(crate) async fn work(app: &App) -> std::convert::Infallible {
    let mut worker = Worker::new(app, QUEUE);
    loop {
        let now = app.clock.now();
        let done = app.proton.work(now, app.dice, &app.owner).await;
        worker.rest(app, now, done).await;
    }
}
