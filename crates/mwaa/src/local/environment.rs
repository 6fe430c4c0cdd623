//! One environment's Airflow, from its first file to its last process.

use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use standin_core::{Arn, Place};
use tokio::process::Command;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::LocalConfig;
use super::database::{Asker, Database, Databases, Owner};
use super::docker::{self, Docker};
use super::files::requirements::{Sites, Wanted};
use super::files::{self, Variables, plugins, script};
use super::http::{self, Answer, Question};
use super::install::{Installed, Installer};
use super::process::{Spec, Supervisor};
use super::settings::{self, Around, Given, Ports, variables};
use super::sync::Sync;
use super::watch::{Verdict, Watch};
use super::watched::Watched;
use crate::neighbours::{Credentials, Neighbours};
use crate::runtime::Target;

/// The file with its ports: clients keep addresses.
const PORTS: &str = "ports.json";
/// How often the folder of DAGs is compared with S3, and processes are looked after.
const LOOK: Duration = Duration::from_secs(2);
/// How long a change in S3 rests before it is brought.
const TOGETHER: Duration = Duration::from_millis(100);
/// What sessions of execution roles are called on MWAA.
const SESSION: &str = "AmazonMWAA-airflow";
/// How long they last: longer than any environment runs. There is nobody who would renew what processes were given.
const SESSION_SECONDS: i64 = 10 * 365 * 24 * 60 * 60;
/// How often it is asked whether Airflow is healthy while it starts.
const ASK: Duration = Duration::from_millis(250);
/// How often it is asked once it runs.
const ASK_RUNNING: Duration = Duration::from_secs(10);
/// How long a start may take: machines are slow, and processes of others run.
const START_MAX: Duration = Duration::from_secs(600);
/// Restarts of its processes after which a start has failed.
const RESTARTS_MAX: u32 = 8;
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Commands at once.
const COMMANDS_MAX: usize = 2;

/// How far an environment's Airflow is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Running,
    /// Something of it is not well for long, and is still tried to get well.
    Unwell(String),
    /// Why.
    Failed(String),
}

/// An Airflow that is starting or runs.
pub(super) struct Running {
    phase: Arc<Mutex<Phase>>,
    stop: watch::Sender<bool>,
    /// Whether nobody needs what its processes would write down when they end.
    at_once: Arc<AtomicBool>,
    task: JoinHandle<()>,
    ports: Arc<Mutex<Option<Ports>>>,
    given: Arc<Mutex<Given>>,
    /// What it was started with.
    target: Target,
    plan: Plan,
    watched: Watched,
    /// A command takes about as much memory as a worker.
    commands: Arc<Semaphore>,
}

/// What does not change while it runs.
#[derive(Clone)]
struct Plan {
    folder: PathBuf,
    installed: Installed,
    endpoint: String,
    /// Once it is open.
    database: Arc<OnceLock<Database>>,
    /// Where its metrics go to.
    metrics: Option<u16>,
    /// Where it runs, if not on this machine itself.
    docker: Option<Docker>,
}

/// What all environments have in common.
pub(super) struct Shared {
    pub config: LocalConfig,
    pub neighbours: Neighbours,
    pub installer: Installer,
    pub databases: Databases,
    pub docker: Option<Docker>,
    pub sites: Sites,
}

impl Running {
    /// Begins to start an environment's Airflow.
    pub(super) fn begin(shared: &Arc<Shared>, folder: PathBuf, installed: Installed, target: &Target) -> Self {
        let endpoint = shared.config.endpoint.get().map(ToString::to_string).unwrap_or_default();
        let watched = Watched::begin(&shared.neighbours, &shared.config.now, &folder, target);
        let (metrics, docker) = (watched.port(), shared.docker.clone());
        let plan = Plan { folder, installed, endpoint, database: Arc::default(), metrics, docker };
        let (stop, stopped) = watch::channel(false);
        let (phase, ports) = (Arc::new(Mutex::new(Phase::Starting)), Arc::new(Mutex::new(None)));
        let given = Arc::<Mutex<Given>>::default();
        let at_once = Arc::<AtomicBool>::default();
        let work = Work {
            plan: plan.clone(),
            shared: shared.clone(),
            target: target.clone(),
            phase: phase.clone(),
            at_once: at_once.clone(),
            ports: ports.clone(),
            given: given.clone(),
            stopped,
        };
        Self {
            phase,
            stop,
            at_once,
            task: tokio::spawn(work.run()),
            ports,
            given,
            target: target.clone(),
            plan,
            watched,
            commands: Arc::new(Semaphore::new(COMMANDS_MAX)),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The port of its web server, once it is chosen.
    pub(super) fn port(&self) -> Option<u16> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner).map(|ports| ports.web)
    }

    /// Whether it was started for the environment as it is now to be.
    pub(super) fn is_for(&self, target: &Target) -> bool {
        if self.target.contents != target.contents {
            return false;
        }
        let (mut one, mut other) = (self.target.environment.clone(), target.environment.clone());
        for environment in [&mut one, &mut other] {
            // What Airflow never sees.
            environment.status = None;
            environment.last_update = None;
            environment.tags = None;
            // Followed while it runs.
            environment.logging_configuration = None;
            environment.weekly_maintenance_window_start = None;
            environment.webserver_access_mode = None;
            environment.network_configuration = None;
            environment.identity_center_configuration = None;
            environment.teams = None;
        }
        one == other
    }

    /// Follows what changes without a restart.
    pub(super) fn follow(&self, target: &Target) {
        self.watched.configure(target);
    }

    /// By which commands wait for each other.
    pub(super) fn commands(&self) -> Arc<Semaphore> {
        Arc::clone(&self.commands)
    }

    /// `airflow` with arguments, in the environment's own surroundings.
    pub(super) fn command(&self, arguments: &[String]) -> Command {
        let ports = self.ports.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(Ports {
            web: 0,
            worker_logs: 0,
            trigger_logs: 0,
        });
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut variables = self.plan.variables(&self.target, (ports, &given), "cli");
        // Logs would stand before the output of commands.
        variables.insert("AIRFLOW__LOGGING__LOGGING_LEVEL".to_owned(), "ERROR".to_owned());
        variables.insert("PYTHONWARNINGS".to_owned(), "ignore".to_owned());
        let spec = self.plan.spec("cli", arguments.to_vec(), variables);
        self.plan.placed(&self.target, ports, spec).command()
    }

    /// Ends it as [`Self::stop`] does, but at once: it is deleted.
    pub(super) async fn end(self) {
        self.at_once.store(true, Ordering::Release);
        self.stop().await;
    }

    /// Ends it; once this is over, none of its processes runs.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        let _ = self.task.await;
        self.watched.stop().await;
    }
}

impl Plan {
    fn variables(&self, target: &Target, (ports, given): (Ports, &Given), process: &str) -> Variables {
        self.variables_with(self.database.get(), target, (ports, given), process)
    }

    fn variables_with(
        &self,
        database: Option<&Database>,
        target: &Target,
        (ports, given): (Ports, &Given),
        process: &str,
    ) -> Variables {
        let (bin, endpoint) = (&self.installed.bin, &self.endpoint);
        let around = Around { folder: &self.folder, bin, ports, endpoint, database, given };
        let mut variables = variables(target, &around, process);
        variables.extend(Watched::variables(self.metrics));
        variables
    }

    fn spec(&self, name: &'static str, arguments: Vec<String>, variables: Variables) -> Spec {
        Spec {
            name,
            program: self.installed.bin.join("airflow"),
            arguments,
            variables,
            folder: self.folder.clone(),
            log: self.folder.join(format!("{name}.log")),
            user: None,
            ends_on: Signal::TERM,
        }
    }
}

impl Plan {
    /// Lets what runs on this machine run in the environment's container, where it has one.
    fn placed(&self, target: &Target, ports: Ports, spec: Spec) -> Spec {
        let Some(docker) = &self.docker else { return spec };
        let container = docker.container(&target.id, target.version(), ports.web);
        if spec.name == "cli" { container.execute(spec) } else { container.run(spec) }
    }

    /// Ends what an earlier standin left running.
    async fn clear(&self, target: &Target) {
        super::leftovers::end_leftovers(&self.folder).await;
        if let Some(docker) = &self.docker {
            docker.remove(&target.id).await;
        }
    }
}

struct Work {
    plan: Plan,
    shared: Arc<Shared>,
    target: Target,
    phase: Arc<Mutex<Phase>>,
    at_once: Arc<AtomicBool>,
    ports: Arc<Mutex<Option<Ports>>>,
    given: Arc<Mutex<Given>>,
    stopped: watch::Receiver<bool>,
}

impl Work {
    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    async fn run(mut self) {
        let mut supervisor = None;
        if let Err(message) = self.live(&mut supervisor).await {
            tracing::warn!(environment = self.target.name(), message, "an environment's Airflow failed");
            self.enter(Phase::Failed(message));
        }
        if let Some(supervisor) = supervisor {
            if self.at_once.load(Ordering::Acquire) {
                supervisor.stop_within(Duration::ZERO).await;
            } else {
                supervisor.stop().await;
            }
        }
        if let Some(docker) = &self.plan.docker {
            docker.remove(&self.target.id).await;
        }
    }

    /// Starts everything and keeps it going until it is to stop. Why it could not, in words.
    async fn live(&mut self, supervisor: &mut Option<Supervisor>) -> Result<(), String> {
        let folder = self.plan.folder.clone();
        let at = |what: &'static str| move |error: io::Error| format!("{what}: {error}");
        self.plan.clear(&self.target).await;
        let ports = prepare(&folder).map_err(at("the environment's folder"))?;
        if self.plan.docker.is_some() {
            docker::hand_over(&folder).map_err(at("the environment's folder"))?;
        }
        *self.ports.lock().unwrap_or_else(PoisonError::into_inner) = Some(ports);
        let environment = &self.target.environment;
        let arn = environment.source_bucket_arn.clone().unwrap_or_default();
        let bucket = Arn::parse(&arn).map_or("", |arn| arn.resource);
        let mut dags = Sync::new(bucket, environment.dag_s3_path.as_deref().unwrap_or_default(), folder.join("dags"));
        // First: what the scheduler finds is there when it starts.
        dags.run(&self.shared.neighbours, &self.place()).await.map_err(at("the folder of DAGs"))?;
        let mut stopped = self.stopped.clone();
        let brought = tokio::select! {
            brought = self.bring(ports) => brought?,
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        };
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let database = tokio::select! {
            database = self.open(ports, &given) => database?,
            _ = stopped.wait_for(|stop| *stop) => return Ok(()),
        };
        let database = self.plan.database.get_or_init(|| database).clone();
        let mut processes = components(self.target.major(), ports, &database);
        if self.plan.docker.is_some() {
            processes = vec![(docker::ALL, vec![docker::script(&processes)])];
        }
        let specs = processes
            .into_iter()
            .map(|(name, arguments)| {
                let variables = self.plan.variables(&self.target, (ports, &given), name);
                self.plan.spec(name, arguments, variables)
            })
            .map(|spec| self.plan.placed(&self.target, ports, spec))
            .collect();
        let supervisor = supervisor.insert(Supervisor::start(specs, &folder).await.map_err(at("processes"))?);
        let until = Instant::now() + START_MAX;
        loop {
            if self.pause(ASK).await {
                return Ok(());
            }
            let restarts = supervisor.look().await.map_err(at("processes"))?;
            if unwell(&self.target, ports.web, &database).await.is_empty() {
                break;
            }
            if restarts >= RESTARTS_MAX || Instant::now() >= until {
                return Err("Airflow did not become healthy; its processes' logs tell why".to_owned());
            }
        }
        self.enter(Phase::Running);
        tracing::info!(environment = self.target.name(), port = ports.web, "an environment's Airflow runs");
        if let Err(error) = files::tidy(&folder, &brought).await {
            tracing::warn!(%error, environment = self.target.name(), "files of an earlier update cannot be removed");
        }
        let written = self.shared.config.changes.watch(bucket, dags.prefix());
        let (mut watch, mut asked) = (Watch::default(), Instant::now());
        loop {
            let pause = tokio::select! {
                stopped = self.pause(LOOK) => stopped,
                // A moment, so that files that are written together come together.
                () = written.changed() => self.pause(TOGETHER).await,
            };
            if pause {
                break;
            }
            supervisor.look().await.map_err(at("processes"))?;
            if asked.elapsed() >= ASK_RUNNING {
                asked = Instant::now();
                let unwell = unwell(&self.target, ports.web, &database).await;
                self.judge(&mut watch, supervisor, &unwell);
            }
            if let Err(error) = dags.run(&self.shared.neighbours, &self.place()).await {
                tracing::warn!(%error, environment = self.target.name(), "the folder of DAGs could not be brought up to date");
            }
        }
        Ok(())
    }

    /// Does what follows from how the parts are.
    fn judge(&self, health: &mut Watch, supervisor: &Supervisor, unwell: &[&'static str]) {
        let (verdict, ended) = health.look(Instant::now(), unwell);
        for part in ended {
            tracing::warn!(
                environment = self.target.name(),
                part,
                "a part of Airflow that is not well is started anew"
            );
            match &self.plan.docker {
                // Without its container, the program that waits for it ends, and is started again.
                Some(docker) => {
                    let (docker, id) = (docker.clone(), self.target.id.clone());
                    tokio::spawn(async move { docker.remove(&id).await });
                }
                None => supervisor.kill(part),
            }
        }
        match verdict {
            Verdict::Well => self.enter(Phase::Running),
            Verdict::Patient => {}
            Verdict::Lost(parts) => {
                let logs: Vec<String> = parts.iter().map(|part| format!("{part}.log")).collect();
                self.enter(Phase::Unwell(format!(
                    "Airflow is not well although it was started anew: {}. The end of {} in {} tells more.",
                    parts.join(", "),
                    logs.join(", "),
                    self.plan.folder.display()
                )));
            }
        }
    }

    /// The environment's database, brought up to date.
    async fn open(&self, ports: Ports, given: &Given) -> Result<Database, String> {
        let migrate = |database: &Database, owner: Owner| {
            let (mut target, mut given) = (self.target.clone(), given.clone());
            // The startup script is not for migrations.
            given.exports.clear();
            if owner == Owner::Template {
                // What others begin with has nothing of this environment.
                target.environment.airflow_configuration_options = None;
                given = Given::default();
            }
            let mut variables = self.plan.variables_with(Some(database), &target, (ports, &given), "migrate");
            // They would be encrypted with this environment's key.
            variables.insert("AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS".to_owned(), "False".to_owned());
            let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
            vec![self.plan.spec("migrate", words(&["db", "migrate"]), variables).command()]
        };
        let Plan { folder, installed, .. } = &self.plan;
        if self.plan.docker.is_some() {
            // In the environment's folder: servers of this machine are not to be reached from containers.
            let database = Database::sqlite(&folder.join("airflow.db"));
            let mut variables = self.plan.variables_with(Some(&database), &self.target, (ports, given), "migrate");
            variables.insert("AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS".to_owned(), "False".to_owned());
            let migrate = self.plan.spec("migrate", vec!["db".to_owned(), "migrate".to_owned()], variables);
            let output = self.plan.placed(&self.target, ports, migrate).command().output().await;
            let output = output.map_err(|error| format!("docker: {error}"))?;
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                return Err(format!("airflow db migrate failed: {}", said.trim().lines().last().unwrap_or_default()));
            }
            return Ok(database);
        }
        let asker = Asker { folder, id: &self.target.id, installed, migrate: &migrate };
        self.shared.databases.open(&self.shared.installer, &asker).await
    }

    /// Puts the environment's files where Airflow finds them: plugins, what the startup script exports, what users require; and opens a
    /// session of its role.
    async fn bring(&self, ports: Ports) -> Result<files::Brought, String> {
        let (folder, target) = (&self.plan.folder, &self.target);
        let brought = files::bring(&self.shared.neighbours, &self.place(), target, folder).await?;
        let (archive, to) = (brought.plugins.clone(), folder.join("plugins"));
        tokio::task::spawn_blocking(move || plugins::replace(archive.as_deref(), &to))
            .await
            .map_err(|error| error.to_string())??;
        let mut given = Given { credentials: self.credentials().await, ..Given::default() };
        let class = target.environment.environment_class.as_deref();
        if let Some(startup) = &brought.startup_script {
            let bash = super::install::find(&self.shared.config.search, "bash");
            for component in settings::components(class) {
                // Which sees what its component's processes do.
                let process = if *component == "hybrid" { "scheduler" } else { component };
                let variables = self.plan.variables(target, (ports, &given), process);
                let spec = self.plan.spec("startup", Vec::new(), variables);
                let exports = script::source(startup, component, bash.clone(), spec).await?;
                given.exports.insert(component, exports);
            }
        }
        let in_container = self.plan.docker.is_some();
        if in_container && brought.requirements.is_some() {
            tracing::warn!(
                environment = target.name(),
                "requirements.txt has no effect in containers; let the image have what it names"
            );
        }
        if let Some(requirements) = brought.requirements.as_ref().filter(|_| !in_container) {
            let mut variables = self.plan.variables(target, (ports, &given), "scheduler");
            variables.retain(|name, _| {
                name.starts_with("AWS_") || given.exports.values().any(|exports| exports.contains_key(name))
            });
            let wanted = Wanted {
                requirements,
                folder,
                installed: &self.plan.installed,
                variables: &variables,
                plugins: target.contents.plugins.as_deref().unwrap_or_default(),
            };
            given.site =
                self.shared.sites.ensure(&wanted).await.map_err(|error| format!("requirements.txt: {error}"))?;
        }
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = given;
        Ok(brought)
    }

    /// Those of a session of the execution role. Without them, tasks are the account itself.
    async fn credentials(&self) -> Option<Credentials> {
        let role = self.target.environment.execution_role_arn.as_deref()?;
        match self.shared.neighbours.assume_role(&self.place(), role, SESSION, SESSION_SECONDS).await {
            Ok(credentials) => Some(credentials),
            Err(error) => {
                tracing::warn!(%error, role, "tasks do not act as their execution role: STS gives no session of it");
                None
            }
        }
    }

    /// Waits; true where it is to stop.
    async fn pause(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.stopped.wait_for(|stop| *stop) => true,
            () = tokio::time::sleep(time) => false,
        }
    }

    fn place(&self) -> Place {
        Place {
            partition: self.target.partition.clone(),
            account: self.target.account.clone(),
            region: self.target.region.clone(),
            access_key: None,
            now: (self.shared.config.now)(),
        }
    }
}

/// Makes the folder of an environment; the ports that it has from then on.
fn prepare(folder: &Path) -> io::Result<Ports> {
    for name in ["dags", "plugins", "logs", "support"] {
        std::fs::create_dir_all(folder.join(name))?;
    }
    std::fs::write(folder.join("support/webserver_config.py"), include_str!("support/webserver_config.py"))?;
    let file = folder.join(PORTS);
    let kept: Value =
        std::fs::read_to_string(&file).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let port = |at: usize| kept[at].as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    if let (Some(web), Some(worker_logs), Some(trigger_logs)) = (port(0), port(1), port(2)) {
        return Ok(Ports { web, worker_logs, trigger_logs });
    }
    // Held together, so that they differ.
    let held = (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<io::Result<Vec<_>>>()?;
    let free = held.iter().map(|held| Ok(held.local_addr()?.port())).collect::<io::Result<Vec<u16>>>()?;
    std::fs::write(file, json!(free).to_string())?;
    Ok(Ports { web: free[0], worker_logs: free[1], trigger_logs: free[2] })
}

/// Whether DAGs are read by a process of their own: always, but with Airflow 2 on SQLite, which takes no second one.
fn has_dag_processor(major: u32, database: &Database) -> bool {
    major > 2 || !database.is_sqlite()
}

/// The processes of a version; first what takes longest to start.
fn components(major: u32, ports: Ports, database: &Database) -> Vec<(&'static str, Vec<String>)> {
    let arguments = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let web = ports.web.to_string();
    let webserver = if major == 2 {
        arguments(&["webserver", "-H", "127.0.0.1", "-p", &web, "-w", "1"])
    } else {
        arguments(&["api-server"])
    };
    let mut all = vec![
        ("webserver", webserver),
        ("scheduler", arguments(&["scheduler"])),
        ("triggerer", arguments(&["triggerer"])),
    ];
    if has_dag_processor(major, database) {
        all.push(("dag-processor", arguments(&["dag-processor"])));
    }
    all
}

/// The processes whose parts of Airflow do not say that they are well; the web server, where it does not answer.
async fn unwell(target: &Target, port: u16, database: &Database) -> Vec<&'static str> {
    let path = if target.major() == 2 { "/health" } else { "/api/v2/monitor/health" };
    let question = Question { port, method: "GET", target: path, headers: &[], body: None };
    let Ok(Answer { status: 200, body, .. }) = http::ask(question, ASK_TIMEOUT).await else { return vec!["webserver"] };
    let parts: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut needed = vec![("metadatabase", "webserver"), ("scheduler", "scheduler"), ("triggerer", "triggerer")];
    if has_dag_processor(target.major(), database) {
        needed.push(("dag_processor", "dag-processor"));
    }
    needed.into_iter().filter(|(part, _)| parts[part]["status"] != "healthy").map(|(_, process)| process).collect()
}
