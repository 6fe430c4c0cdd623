//! MWAA: its engine, the worker that does its jobs, and the hosts of environments' web servers.

pub(crate) mod forward;

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use standin_core::{Caller, Registry};
use standin_mwaa::engine::{Engine, QUEUE, SERVICE};
use standin_mwaa::local::docker::DockerConfig;
use standin_mwaa::local::{Local, LocalConfig};
use standin_mwaa::neighbours::Neighbours;
use standin_mwaa::runtime::Runtime;
use standin_mwaa::runtimes::Runtimes;
use standin_mwaa::simulated::Simulated;
use standin_mwaa::{host, serverless, web};
use standin_state::Resources;
use standin_store::Store;

use crate::app::App;
use crate::gate::Gate;
use crate::net::{Authority, Body, Peer, RequestBody, Scheme};
use crate::worker::Worker;

/// How often what runs is looked after.
const LOOK: Duration = Duration::from_secs(2);

/// What runs Airflow.
pub(crate) struct Runs {
    pub local: Option<LocalConfig>,
    pub docker: DockerConfig,
    /// The runtime of environments whose tag names none.
    pub usual: &'static str,
}

/// Registers the engine for all operations of MWAA. What `others` calls are the services that environments use.
pub(crate) fn register(
    registry: &mut Registry,
    others: Caller,
    store: &Arc<dyn Store>,
    resources: &Arc<Resources>,
    runs: Runs,
) -> Arc<Engine> {
    let neighbours = Neighbours::new(others);
    let simulated = Arc::new(Simulated::new(store.clone(), neighbours.clone()));
    let mut real: Vec<Arc<dyn Runtime>> = Vec::new();
    if let Some(local) = runs.local {
        let docker = LocalConfig { folder: local.folder.join("docker"), docker: Some(runs.docker), ..local.clone() };
        real.push(Arc::new(Local::new(local, neighbours.clone())));
        real.push(Arc::new(Local::new(docker, neighbours.clone())));
    }
    let runtime = Arc::new(Runtimes::new(simulated, real).with_usual(runs.usual));
    let pace = resources.clone();
    let engine = Engine::new(store.clone(), neighbours, runtime).with_pace(move || pace.transitions(SERVICE));
    let engine = Arc::new(engine);
    let gate = Gate { service: SERVICE, engine: engine.clone(), resources: resources.clone() };
    registry.service(SERVICE, Arc::new(gate));
    engine
}

/// Registers the engine of MWAA Serverless; what it leaves out stays with the registry's fallback.
pub(crate) fn register_serverless(
    registry: &mut Registry,
    others: Caller,
    store: &Arc<dyn Store>,
    resources: &Arc<Resources>,
) {
    let pace = resources.clone();
    let engine = serverless::Engine::new(store.clone(), Neighbours::new(others))
        .with_pace(move || pace.transitions(serverless::SERVICE));
    let gate = Arc::new(Gate { service: serverless::SERVICE, engine: Arc::new(engine), resources: resources.clone() });
    for operation in serverless::Engine::operations() {
        registry.operation(serverless::SERVICE, operation, gate.clone());
    }
}

/// Looks after what runs for environments, as long as the server runs.
pub(crate) async fn look_after(app: &App) -> std::convert::Infallible {
    if !app.mwaa.is_watched() {
        std::future::pending::<()>().await;
    }
    loop {
        if let Err(error) = app.mwaa.look_after(app.clock.now(), app.dice).await {
            tracing::warn!(%error, "environments could not be looked after: the store failed");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Does MWAA's jobs as they become due, as long as the server runs.
pub(crate) async fn work(app: &App) -> std::convert::Infallible {
    let mut worker = Worker::new(app, QUEUE);
    loop {
        let now = app.clock.now();
        let done = app.mwaa.work(now, app.dice, &app.owner).await;
        worker.rest(app, now, done).await;
    }
}

/// Whether a request is for the web server of an environment rather than for an AWS service.
pub(crate) fn claims(authority: &Authority) -> bool {
    host::environment_of(&authority.host).is_some()
}

/// Answers a request for which [`claims`] is true.
pub(crate) async fn serve(app: &App, request: Request<RequestBody>, peer: &Peer) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let visit = web::Visit {
        parts: &parts,
        id: host::environment_of(&peer.authority.host).unwrap_or_default(),
        host: &peer.authority.text,
        secure: peer.authority.scheme == Scheme::Https,
        remote: peer.remote.ip(),
        now: app.clock.now(),
        dice: app.dice,
    };
    match web::serve(&app.mwaa, visit, &mut body).await {
        web::Reply::Answer(answer) => answer.map(Body::from),
        web::Reply::Forward(to) => forward::forward(Request::from_parts(parts, body), &to, &app.airflow_upgrades).await,
    }
}
