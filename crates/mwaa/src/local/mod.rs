//! Apache Airflow itself, in processes of this machine: installed once per version, one folder and one set of processes per
//! environment.
//!
//! # Invariants
//! - Airflow listens on 127.0.0.1 only, and is reached through [`crate::web`] alone.
//! - Every process carries a mark, as does all that it starts: after a crash of standin the next start ends what was left behind, and
//!   then starts anew with the same database, keys and ports.

mod database;
pub mod docker;
mod environment;
mod files;
mod front;
mod http;
mod install;
mod leftovers;
mod locks;
mod logs;
mod metrics;
mod postgres;
mod process;
mod rest;
mod settings;
mod sync;
mod trial;
mod watch;
mod watched;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use standin_core::{BoxFuture, OperationError};
use standin_model::Timestamp;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;
use tokio::time::Instant;

use crate::changes::Changes;
use crate::neighbours::Neighbours;
use crate::runtime::{Front, Health, Output, Progress, RestCall, RestReply, Runtime, Target};
use crate::token::Identity;
pub use database::DatabaseChoice;
use database::Databases;
use docker::{Docker, DockerConfig};
use environment::{Phase, Running, Shared};
use files::requirements::Sites;
use install::{Installed, Installer};
pub use trial::{Installable, Trial, installable, is_installed, pythons, requirements};

/// The folder of environments, each by its id.
const ENVIRONMENTS: &str = "environments";
/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// How much of what a command writes is kept, in bytes.
const OUTPUT_BYTES_MAX: u64 = 6 * 1024 * 1024;
/// How often a start is looked at.
const POLL_MS: i64 = 250;
/// How long an environment rests whose start has failed.
const REST: Duration = Duration::from_secs(60);

/// Where and how Airflow runs.
#[derive(Clone)]
pub struct LocalConfig {
    /// Where environments lie.
    pub folder: PathBuf,
    /// Where installed versions lie; servers may share them.
    pub installations: PathBuf,
    /// Where programs are looked for, as in `PATH`.
    pub search: OsString,
    /// Where environments have their metadata.
    pub database: DatabaseChoice,
    /// Containers, where Airflow is to run in them.
    pub docker: Option<DockerConfig>,
    /// Where tasks reach standin: `http://127.0.0.1:4566`, known once it listens.
    pub endpoint: Arc<OnceLock<Arc<str>>>,
    /// The time of standin's clock.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// What is told of writes to S3, where that is standin's own.
    pub changes: Arc<Changes>,
}

/// The local runtime.
pub struct Local {
    shared: Arc<Shared>,
    running: Mutex<HashMap<String, Running>>,
    /// Ids that belonged to no environment at the last look.
    unknown: Mutex<HashSet<String>>,
    /// Ids of environments whose start failed, and until when they rest.
    resting: Mutex<HashMap<String, Instant>>,
    /// Whether it was closed: nothing starts any more.
    closed: AtomicBool,
}

impl Local {
    pub fn new(config: LocalConfig, neighbours: Neighbours) -> Self {
        let installer = Installer::new(config.installations.clone(), config.search.clone());
        let databases = Databases::new(config.folder.clone(), config.search.clone(), config.database.clone());
        let docker = config.docker.clone().map(|docker| Docker::new(docker, config.search.clone()));
        let sites = Sites::new(config.folder.join("sites"));
        Self {
            shared: Arc::new(Shared { config, neighbours, installer, databases, sites, docker }),
            running: Mutex::default(),
            unknown: Mutex::default(),
            resting: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// Makes sure that there is what Airflow of a version is run from.
    fn ensure(&self, version: &str) -> Progress {
        match &self.shared.docker {
            Some(docker) => docker.ensure(version),
            None => self.shared.installer.ensure(version),
        }
    }

    fn find(&self, version: &str) -> Option<Installed> {
        match &self.shared.docker {
            // It is in the image.
            Some(docker) => (docker.ensure(version) == Progress::Done).then(Installed::default),
            None => self.shared.installer.find(version),
        }
    }

    fn folder(&self, target: &Target) -> PathBuf {
        self.shared.config.folder.join(ENVIRONMENTS).join(&target.id)
    }

    fn phase(&self, id: &str) -> Option<Phase> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(Running::phase)
    }

    fn take(&self, id: &str) -> Option<Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn rests(&self, id: &str) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(id).is_some_and(|until| Instant::now() < *until)
    }

    /// Removes all that an environment has which does not run any more.
    async fn remove(&self, id: &str) -> Result<(), String> {
        let folder = self.shared.config.folder.join(ENVIRONMENTS).join(id);
        leftovers::end_leftovers(&folder).await;
        if let Some(docker) = &self.shared.docker {
            docker.remove(id).await;
        }
        if let Err(error) = self.shared.databases.forget(&folder, id).await {
            tracing::warn!(error, environment = id, "the database of an environment stays");
        }
        match tokio::fs::remove_dir_all(&folder).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {error}", folder.display())),
            _ => {
                let environments = self.shared.config.folder.join(ENVIRONMENTS);
                if let Err(error) = self.shared.sites.tidy(&environments).await {
                    tracing::warn!(%error, "what no environment requires any more cannot be removed");
                }
                self.shared.databases.rest(async { !self.folders().await.is_empty() }).await;
                Ok(())
            }
        }
    }

    /// The ids of the environments that have a folder.
    async fn folders(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let Ok(mut folders) = tokio::fs::read_dir(self.shared.config.folder.join(ENVIRONMENTS)).await else {
            return ids;
        };
        while let Ok(Some(folder)) = folders.next_entry().await {
            ids.extend(folder.file_name().to_str().filter(|name| crate::host::is_id(name)).map(str::to_owned));
        }
        ids
    }
}

impl Runtime for Local {
    fn name(&self) -> &'static str {
        if self.shared.docker.is_some() { "docker" } else { "local" }
    }

    fn prepare<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(self.ensure(target.version())))
    }

    fn start<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            match self.phase(&target.id) {
                Some(Phase::Running) => Progress::Done,
                Some(Phase::Starting) => Progress::Working { again_after_ms: POLL_MS },
                // It goes on being tried.
                Some(Phase::Unwell(message)) => Progress::Failed { code: "INTERNAL_ERROR".to_owned(), message },
                Some(Phase::Failed(message)) => {
                    if let Some(running) = self.take(&target.id) {
                        running.stop().await;
                    }
                    let rests = Instant::now() + REST;
                    self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(target.id.clone(), rests);
                    Progress::Failed { code: "INCORRECT_CONFIGURATION".to_owned(), message }
                }
                None if self.rests(&target.id) => Progress::Working { again_after_ms: POLL_MS },
                None => {
                    let Some(installed) = self.find(target.version()) else {
                        return match self.ensure(target.version()) {
                            Progress::Done => Progress::Working { again_after_ms: 1 },
                            other => other,
                        };
                    };
                    let mut all = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    if !self.closed.load(Ordering::Acquire) {
                        let running = Running::begin(&self.shared, self.folder(target), installed, target);
                        all.insert(target.id.clone(), running);
                    }
                    Progress::Working { again_after_ms: POLL_MS }
                }
            }
        })
    }

    fn update<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let old = {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                let other = running.get(&target.id).is_some_and(|running| !running.is_for(target));
                running.get(&target.id).into_iter().for_each(|running| running.follow(target));
                if other { running.remove(&target.id) } else { None }
            };
            if let Some(old) = old {
                old.stop().await;
            }
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&target.id);
            self.start(target).await
        })
    }

    fn stop<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            if let Some(running) = self.take(&target.id) {
                running.end().await;
            }
            self.resting.lock().unwrap_or_else(PoisonError::into_inner).remove(&target.id);
            match self.remove(&target.id).await {
                Ok(()) => Progress::Done,
                Err(message) => Progress::Failed { code: "INTERNAL_ERROR".to_owned(), message },
            }
        })
    }

    fn health<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Health> {
        Box::pin(std::future::ready(match self.phase(&target.id) {
            Some(Phase::Running) => Health::Healthy,
            Some(Phase::Starting) => Health::Unhealthy("Airflow is being started".to_owned()),
            Some(Phase::Unwell(message) | Phase::Failed(message)) => Health::Unhealthy(message),
            None => Health::Unhealthy("Airflow does not run".to_owned()),
        }))
    }

    fn cli<'a>(&'a self, target: &'a Target, arguments: &'a [String]) -> BoxFuture<'a, Result<Output, OperationError>> {
        Box::pin(async move {
            let command = {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.get(&target.id).map(|running| (running.command(arguments), running.commands()))
            };
            match command {
                Some((command, slots)) => {
                    let _slot = slots.acquire_owned().await.map_err(OperationError::internal)?;
                    run(command).await.map_err(OperationError::internal)
                }
                None => Ok(Output { stdout: String::new(), stderr: "Airflow is not running yet\n".to_owned() }),
            }
        })
    }

    fn rest<'a>(
        &'a self,
        target: &'a Target,
        call: &'a RestCall,
        caller: &'a Identity,
    ) -> BoxFuture<'a, Result<RestReply, OperationError>> {
        Box::pin(async move {
            let port = {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.get(&target.id).and_then(Running::port)
            };
            Ok(rest::call(port, target, call, caller).await)
        })
    }

    fn front(&self, target: &Target, visitor: Option<&Identity>) -> Front {
        let (phase, port) = {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            running.get(&target.id).map_or((None, None), |running| (Some(running.phase()), running.port()))
        };
        match (phase, port) {
            (Some(Phase::Running), Some(port)) => Front::Airflow(front::upstream(port, target, visitor)),
            (Some(Phase::Failed(message)), _) => Front::Absent(message),
            _ => Front::Absent("Airflow is being started".to_owned()),
        }
    }

    fn page<'a>(
        &'a self,
        _: &'a Target,
        _: &'a str,
        _: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<String>, OperationError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn is_watched(&self) -> bool {
        true
    }

    fn retain<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut unknown: HashSet<String> = {
                let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                running.keys().filter(|id| !ids.contains(id)).cloned().collect()
            };
            unknown.extend(self.folders().await.into_iter().filter(|id| !ids.contains(id)));
            // What is unknown for the first time may have been made since the ids were read.
            let before =
                std::mem::replace(&mut *self.unknown.lock().unwrap_or_else(PoisonError::into_inner), unknown.clone());
            for id in unknown.intersection(&before) {
                if let Some(running) = self.take(id) {
                    running.end().await;
                }
                if let Err(error) = self.remove(id).await {
                    tracing::warn!(error, "what a deleted environment left cannot be removed");
                }
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let all = {
                let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                self.closed.store(true, Ordering::Release);
                std::mem::take(&mut *running)
            };
            // All at once: each may take its grace time.
            let stops: Vec<_> = all.into_values().map(|running| tokio::spawn(running.stop())).collect();
            for stop in stops {
                let _ = stop.await;
            }
            self.shared.databases.close().await;
        })
    }
}

/// Runs a command to its end; what it wrote. One that takes too long is killed with all that it has started.
async fn run(mut command: Command) -> std::io::Result<Output> {
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn()?;
    let group = child.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let reading = async {
        let first = async {
            if let Some(stdout) = stdout {
                stdout.take(OUTPUT_BYTES_MAX).read_to_end(&mut out).await?;
            }
            std::io::Result::Ok(())
        };
        let second = async {
            if let Some(stderr) = stderr {
                stderr.take(OUTPUT_BYTES_MAX).read_to_end(&mut err).await?;
            }
            std::io::Result::Ok(())
        };
        let (first, second) = tokio::join!(first, second);
        first.and(second)
    };
    let ended = tokio::time::timeout(COMMAND_TIMEOUT, reading).await;
    if let Some(group) = group {
        // What is left of it, too.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    let _ = child.wait().await;
    let mut output = Output {
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&err).into_owned(),
    };
    match ended {
        Ok(ended) => ended?,
        Err(_) => output.stderr.push_str("standin: the command took longer than 60 seconds and was ended\n"),
    }
    Ok(output)
}
