//! Proton: its engine, and the worker that does its jobs.

pub(crate) mod events;
pub(crate) mod hooks;
mod put_events;
pub(crate) mod webhook;

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use standin_core::{Caller, Clock, Registry};
use standin_proton::engine::{Engine, QUEUE, Quotas, SERVICE, SyncOptions};
use standin_proton::neighbours::Neighbours;
use standin_provision::{Parts, Provisioning, ProvisioningConfig};
use standin_state::Resources;
use standin_store::Store;
use tokio::task::JoinSet;

use crate::app::App;
use crate::gate::Gate;
use crate::worker::Worker;

/// Steps of jobs that are under way at a time.
const STEPS_MAX: usize = 32;

/// What the engine and those who provision for it need.
pub(crate) struct Needs<'n> {
    /// Calls the services that Proton needs.
    pub others: Caller,
    pub store: &'n Arc<dyn Store>,
    pub resources: &'n Arc<Resources>,
    pub quotas: Quotas,
    /// Tells the ids of this run from those of an earlier one.
    pub first: u64,
    pub config: ProvisioningConfig,
    /// Whom forges are trusted by.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// The folder of data, where there is one.
    pub folder: Option<PathBuf>,
    pub search: Option<OsString>,
    pub program: Option<PathBuf>,
    pub lasting: bool,
    pub endpoint: &'n Arc<OnceLock<Arc<str>>>,
    pub only_local: bool,
    pub clock: &'n Arc<Clock>,
}

/// Registers the engine for all operations of Proton.
pub(crate) fn register(registry: &mut Registry, needs: Needs<'_>) -> (Arc<Engine>, Provisioning) {
    let bundles = Arc::new(Neighbours::new(needs.others.clone()));
    let clock = needs.clock.clone();
    let sync = SyncOptions { poll: needs.config.git.poll, publish: needs.config.git.publish };
    let provisioning = Provisioning::new(Parts {
        caller: needs.others,
        store: needs.store.clone(),
        config: needs.config,
        tls: needs.tls,
        folder: needs.folder.map(|folder| folder.join("proton")),
        search: needs.search,
        program: needs.program,
        lasting: needs.lasting,
        endpoint: needs.endpoint.clone(),
        only_local: needs.only_local,
        now: Arc::new(move || clock.now()),
    });
    let pace = needs.resources.clone();
    let engine = Engine::new(needs.store.clone(), bundles, provisioning.methods.clone(), needs.quotas)
        .with_repositories(provisioning.repositories.clone())
        .with_sync(sync)
        .with_run(needs.first)
        .with_delay(move || pace.transitions(SERVICE));
    let engine = Arc::new(engine);
    let gate = Gate { service: SERVICE, engine: engine.clone(), resources: needs.resources.clone() };
    registry.service(SERVICE, Arc::new(gate));
    (engine, provisioning)
}

/// The queues of Proton's jobs and of the deliveries of its events.
pub(crate) fn queues(app: &App) -> impl Iterator<Item = String> {
    let deliveries = app.proton_events.targets.iter().map(|target| target.to.queue());
    std::iter::once(QUEUE.to_owned()).chain(deliveries)
}

/// Does Proton's jobs as they become due, as long as the server runs. One that takes long holds no other up.
pub(crate) async fn work(app: &App) -> Infallible {
    let mut worker = Worker::new(app, QUEUE);
    // Tasks of their own: a step that is not polled may hold what the next claim waits for.
    let mut steps = JoinSet::new();
    loop {
        let now = app.clock.now();
        let claimed = match STEPS_MAX - steps.len() {
            0 => Ok(Vec::new()),
            free => app.proton.claim(now, &app.owner, free).await,
        };
        match claimed {
            Ok(jobs) => {
                for job in jobs {
                    let (engine, dice) = (app.proton.clone(), app.dice);
                    steps.spawn(async move { engine.carry_on(&job, now, dice).await });
                }
            }
            Err(error) => worker.failed(&error).await,
        }
        let room = steps.len() < STEPS_MAX;
        tokio::select! {
            Some(ended) = steps.join_next() => {
                let mut ended = Some(ended);
                // What has ended by now as well makes room at once.
                while let Some(result) = ended {
                    match result {
                        Ok(Ok(())) => {}
                        Ok(Err(error)) => worker.failed(&error).await,
                        // Its lease ends, and it is taken up again.
                        Err(error) => tracing::error!(%error, "a step of Proton's broke off"),
                    }
                    ended = steps.try_join_next();
                }
            }
            () = worker.wait(&*app.store, now), if room => {}
        }
    }
}
