//! A server, from its configuration to its end.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{Clock, Fidelity};
use standin_faults::{Refused, Rule, RuleState};
use standin_mock::validation::Strictness;
use standin_model::{Catalogue, Service};
use standin_store::dump::LoadError;
use standin_store::{Durability, LoadMode, StoreLocation, jobs, tokens};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::app::App;
use crate::config::{ServerConfig, Stateless, Transitions};
use crate::init::InitStage;
use crate::net::{self, Guard, HostPolicy, Limits, NetConfig, NetError};
use crate::pipeline::Pipeline;
use crate::state::State;
use crate::tape::Tape;

/// How often expired tokens and sessions are dropped, of real time.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How often files of responses are looked at, of real time.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts servers.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let server = standin_server::Server::builder().start().await?;
/// println!("{}", server.url());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Server;

impl Server {
    /// A server on a free port of 127.0.0.1, as tests want it. [`ServerBuilder::config`] gives everything else.
    pub fn builder() -> ServerBuilder {
        let listen = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))];
        ServerBuilder { config: ServerConfig { listen, ..ServerConfig::default() } }
    }
}

/// What can be chosen before a start. Each method documents itself by the field of [`ServerConfig`] that it sets.
#[derive(Debug)]
pub struct ServerBuilder {
    config: ServerConfig,
}

impl ServerBuilder {
    /// Replaces everything chosen so far.
    #[must_use]
    pub fn config(mut self, config: ServerConfig) -> Self {
        self.config = config;
        self
    }

    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listen = vec![address];
        self
    }

    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.config.account = account.into();
        self
    }

    #[must_use]
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.config.region = region.into();
        self
    }

    #[must_use]
    pub fn validation(mut self, validation: Strictness) -> Self {
        self.config.validation = validation;
        self
    }

    #[must_use]
    pub fn strict(mut self, least: Fidelity) -> Self {
        self.config.strict = Some(least);
        self
    }

    /// Remembers nothing: every read answers with a made-up resource.
    #[must_use]
    pub fn stateless(mut self) -> Self {
        self.config.stateless = Stateless::All;
        self
    }

    #[must_use]
    pub fn model(mut self, service: Service) -> Self {
        self.config.models.push(service);
        self
    }

    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.clock = clock;
        self
    }

    /// Keeps everything in a folder: state in SQLite, the bytes of objects and the certificate authority beside it.
    #[must_use]
    pub fn data_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        let directory = folder.into();
        self.config.data_dir = Some(directory.clone());
        self.config.store = StoreLocation::Sqlite { directory, durability: Durability::default() };
        self
    }

    #[must_use]
    pub fn store(mut self, store: StoreLocation) -> Self {
        self.config.store = store;
        self
    }

    #[must_use]
    pub fn transitions(mut self, transitions: Transitions) -> Self {
        self.config.transitions = transitions;
        self
    }

    /// Binds and serves, on tasks of the caller's tokio runtime.
    ///
    /// # Errors
    /// When an address cannot be bound, or the data directory not be used.
    pub async fn start(self) -> Result<RunningServer, NetError> {
        let mut config = self.config;
        // What may be done here depends on who can reach it, so the configuration keeps it.
        let listen = config.listen.clone();
        let cors = std::mem::take(&mut config.cors);
        let allowed_hosts = std::mem::take(&mut config.allowed_hosts);
        let proxy = config.proxy;
        let state = State::open(&config).await?;
        let alone = !matches!(config.store, StoreLocation::Postgres { .. });
        let tape = Tape::open(config.record.take(), config.replay.take(), Catalogue::shared());
        let tape = tape.map_err(|(folder, source)| NetError::Folder { folder, source: source.into() })?;
        let app = Arc::new(App::new(config, state, tape));
        if app.faults.any() {
            app.log_faults();
        }
        let failed = |source| NetError::Store { source };
        if alone {
            // Nobody else can hold a lease; whatever the clock says, there is nothing to wait for.
            for queue in crate::proton::queues(&app).chain([crate::stacks::QUEUE.to_owned()]) {
                jobs::release(&*app.store, &queue, 0).await.map_err(failed)?;
            }
        }
        crate::proton::events::prepare(&app).await.map_err(failed)?;
        if let Err(error) = app.proton.resume_syncs(app.clock.now(), app.dice).await {
            tracing::warn!(error = error.message, "syncs without a job stay as they are until they are changed");
        }
        let mut hosts = HostPolicy::new(app.catalogue.partitions());
        allowed_hosts.iter().for_each(|name| hosts.allow(name));
        let bound = net::bind(NetConfig {
            listen,
            limits: app.limits.clone(),
            tls: app.authority.clone(),
            proxy,
            guard: Guard { cors, ..Guard::new(hosts) },
            metrics: app.metrics.clone(),
        })
        .await?;
        let addresses = bound.addresses().to_vec();
        let public_url = url_of(&addresses);
        crate::stacks::resume(&app.stacks, &public_url).await;
        app.public_url.get_or_init(|| public_url.into());
        let (stop, mut stopped) = watch::channel(false);
        let asked = app.clone();
        let shutdown = async move {
            tokio::select! {
                // An error means that the handle is gone.
                _ = stopped.wait_for(|stop| *stop) => {}
                () = asked.stop.notified() => {}
            }
        };
        let front = Pipeline(app.clone());
        let swept = app.clone();
        let task = tokio::spawn(async move {
            // Each on its own: where state is in memory, work goes on without a pause as long as there is some, and connections
            // must not wait for that. They end with this task.
            let mut workers = JoinSet::new();
            macro_rules! work {
                ($($worker:path),+) => {$(
                    let app = swept.clone();
                    workers.spawn(async move { $worker(&app).await });
                )+};
            }
            work!(forget_expired, follow_files, crate::proton::work, crate::proton::events::work, crate::stacks::work);
            work!(crate::mwaa::work, crate::mwaa::look_after);
            let served = bound.serve(front, shutdown).await;
            if !served.finished {
                tracing::warn!(
                    "some requests were cut at shutdown; limits.shutdown_grace_ms is how long they may take"
                );
            }
        });
        Ok(RunningServer { app, addresses, stop, task: Some(task) })
    }
}

/// Drops idempotency tokens and sessions whose time is over, now and then: nobody finds them any more, but they take room.
async fn forget_expired(app: &App) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        if let Err(error) = tokens::sweep(&*app.store, app.clock.now().as_millis()).await {
            tracing::warn!(%error, "expired tokens could not be dropped; the next sweep tries again");
        }
    }
}

/// Takes up what changes in files of responses.
async fn follow_files(app: &Arc<App>) -> std::convert::Infallible {
    if app.responses_dir.is_none() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        app.reload_responses().await;
    }
}

fn url_of(addresses: &[SocketAddr]) -> String {
    match addresses.first() {
        Some(address) if address.ip().is_unspecified() => format!("http://127.0.0.1:{}", address.port()),
        Some(address) => format!("http://{address}"),
        None => String::new(),
    }
}

/// A server that runs until it is told to stop or dropped.
pub struct RunningServer {
    app: Arc<App>,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl RunningServer {
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// `http://HOST:PORT` of the first address; a wildcard address becomes 127.0.0.1.
    pub fn url(&self) -> String {
        url_of(&self.addresses)
    }

    pub fn seed(&self) -> u64 {
        self.app.dice.seed()
    }

    /// The fault rules, and how often each was used.
    pub fn faults(&self) -> Vec<RuleState> {
        self.app.faults.list()
    }

    /// Replaces all fault rules.
    ///
    /// # Errors
    /// Names the first that is no good; nothing has changed then.
    pub fn set_faults(&self, rules: Vec<Rule>) -> Result<(), Refused> {
        self.app.faults.set(self.app.catalogue, rules, self.app.clock.now())
    }

    /// Adds a saved state to what is there; how many rows it has.
    ///
    /// # Errors
    /// When it cannot be read, is no saved state, or cannot be kept: then nothing was added.
    pub async fn load_state(&self, mut saved: impl std::io::Read + Send) -> Result<u64, LoadError> {
        const PIECE_BYTES: usize = 256 * 1024;
        let mut loading = self.app.begin_load(LoadMode::Merge).await?;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match saved.read(&mut piece) {
                Ok(0) => return self.app.finish_load(loading).await,
                Ok(count) => loading.push(&piece[..count]).await?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(LoadError::Read(error)),
            }
        }
    }

    /// How many services are served, and their operations.
    pub fn served(&self) -> (usize, usize) {
        let served = self.app.catalogue.services().filter(|entry| self.app.serves(entry.id));
        served.fold((0, 0), |(services, operations), entry| (services + 1, operations + entry.operation_count as usize))
    }

    /// Tells those who ask that start-up work such as init hooks is over.
    pub fn set_ready(&self) {
        [InitStage::Boot, InitStage::Start, InitStage::Ready]
            .into_iter()
            .for_each(|stage| self.app.init.complete(stage));
    }

    /// Which operations were used, in a few lines; empty when none was.
    pub fn coverage(&self) -> String {
        self.app.coverage.summary()
    }

    /// Ends when the server does, for whatever reason.
    pub async fn wait(&mut self) {
        // Kept until it is over: who gives up waiting may wait again.
        let Some(task) = &mut self.task else { return };
        if let Err(error) = task.await {
            tracing::error!(%error, "the listener ended by itself");
        }
        self.task = None;
    }

    /// Lets requests under way finish within the grace time, then cuts them.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        self.wait().await;
        self.app.mwaa.runtime().close().await;
        self.app.store.close().await;
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

impl std::fmt::Debug for RunningServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningServer").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}
