//! CloudFormation: stacks whose resources are made by the other services.

use std::sync::Arc;
use std::time::Duration;

use standin_cloudformation::ServiceResources;
pub(crate) use standin_cloudformation::stacks::QUEUE;
use standin_cloudformation::stacks::{Engine, SERVICE};
use standin_core::{Caller, Clock, Dice, Registry};
use standin_model::Catalogue;
use standin_state::Resources;
use standin_store::Store;
use tokio::task::JoinSet;

use crate::app::App;
use crate::gate::Gate;
use crate::worker::Worker;

/// How long a call that begins something stays for its end: who waits for a stack with a client's waiter looks at once, and
/// then not for half a minute.
const GRACE: Duration = Duration::from_millis(250);
/// Stacks that are worked on at the same time.
const WORKED_ON_MAX: usize = 32;

/// What the engine is made of.
pub(crate) struct Parts<'p> {
    pub(crate) catalogue: &'static Catalogue,
    /// Makes the resources of stacks.
    pub(crate) others: Caller,
    pub(crate) store: &'p Arc<dyn Store>,
    pub(crate) resources: &'p Arc<Resources>,
    pub(crate) clock: &'p Arc<Clock>,
    pub(crate) dice: Dice,
}

/// Lets stacks be answered here; the rest of CloudFormation stays with the registry's fallback.
pub(crate) fn register(registry: &mut Registry, parts: Parts<'_>) -> Arc<Engine> {
    let paced = parts.resources.clone();
    let pace = move |service: &str| i64::try_from(paced.transitions(service).as_millis()).unwrap_or(i64::MAX);
    let makers = ServiceResources::new(parts.catalogue, parts.others).with_pace(pace);
    let engine = Engine::new(parts.store.clone(), Arc::new(makers), parts.clock.clone(), parts.dice);
    let engine = Arc::new(engine.with_grace(GRACE));
    let gate = Arc::new(Gate { service: SERVICE, engine: engine.clone(), resources: parts.resources.clone() });
    for operation in Engine::operations() {
        registry.operation(SERVICE, operation, gate.clone());
    }
    engine
}

/// Takes up operations on stacks that were under way when the state was saved with which the server starts.
pub(crate) async fn resume(engine: &Engine, base_url: &str) {
    match engine.resume("aws", base_url).await {
        Ok(0) => {}
        Ok(stacks) => tracing::info!(stacks, "operations on stacks are taken up again"),
        Err(error) => tracing::warn!(%error, "operations on stacks could not be taken up again"),
    }
}

/// Carries operations on stacks on, as long as the server runs.
pub(crate) async fn work(app: &App) -> std::convert::Infallible {
    let mut worker = Worker::new(app, QUEUE);
    let mut tasks = JoinSet::new();
    loop {
        worker.look();
        let room = WORKED_ON_MAX - tasks.len();
        let claimed = match room {
            0 => Ok(Vec::new()),
            room => app.stacks.claim(&app.owner, room).await,
        };
        let claimed = match claimed {
            Ok(jobs) => jobs,
            Err(error) => {
                worker.failed(&error).await;
                continue;
            }
        };
        if !claimed.is_empty() {
            for job in claimed {
                let engine = app.stacks.clone();
                tasks.spawn(async move { engine.carry_out(job).await });
            }
            continue;
        }
        tokio::select! {
            () = worker.wait(&*app.store, app.clock.now()) => {}
            Some(_) = tasks.join_next() => {}
        }
    }
}
