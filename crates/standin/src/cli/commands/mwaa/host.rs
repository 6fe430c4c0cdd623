//! The server that environments live on: one that runs already, or one that starts and ends with the command.

use std::io::{BufRead as _, IsTerminal as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use standin_server::{InitStage, RunningServer};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::project::STATE;
use crate::cli::commands::call::region_from_env;
use crate::cli::commands::remote::Remote;
use crate::cli::commands::run::introspection;
use crate::cli::commands::serve::{ServeArgs, Signals};
use crate::client::{Endpoint, Trust};
use crate::config::{self, DEFAULT_PORT, Listen, MwaaSetting};
use crate::env;
use crate::error::{Attempt as _, CommandError, Kind};
use crate::init::Hooks;
use crate::serve;

#[derive(Args, Clone, Debug)]
#[command(
    mut_arg("listen", |argument| argument.help("Listen on this address [default: 127.0.0.1:4566, or a free port if that is taken]")),
    mut_arg("data_dir", |argument| argument.help("Keep everything here [default: .standin in the folder]"))
)]
pub struct HostArgs {
    /// Use the server here, instead of one that starts and ends with the command
    #[arg(long, visible_alias = "endpoint-url", value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,

    #[command(flatten)]
    serve: ServeArgs,
}

/// See the module.
pub struct Host {
    pub remote: Remote,
    pub endpoint: Endpoint,
    pub events: Events,
    runtime: Runtime,
    own: Option<Own>,
}

struct Own {
    server: RunningServer,
    hooks: Hooks,
    data_dir: Option<PathBuf>,
    installations: Option<PathBuf>,
}

impl HostArgs {
    /// Finds the server, or starts one for the environment of a folder.
    ///
    /// # Errors
    /// When none answers where one should, or none can be started.
    pub fn open(&self, folder: &Path) -> Result<Host, CommandError> {
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        let events = Events::listen(&runtime)?;
        let trust = Trust::new(env::text(&env::process, env::AWS_CA_BUNDLE).map(PathBuf::from));
        let region = self.serve.settings.region.clone();
        if let Some(endpoint) = &self.endpoint {
            if !introspection(endpoint)?.is_standin() {
                return Err(CommandError::failure(anyhow!("no standin answers at {endpoint}"))
                    .hint("without --endpoint and AWS_ENDPOINT_URL, a server starts and ends with the command"));
            }
            let remote = Remote::new(endpoint.clone(), trust, region.unwrap_or_else(region_from_env))?;
            return Ok(Host { remote, endpoint: endpoint.clone(), events, runtime, own: None });
        }
        let listen = self.serve.settings.listen.clone();
        let mut settings = self.serve.clone().load()?;
        if settings.data_dir.is_none() && settings.ephemeral != Some(true) {
            settings.data_dir = Some(state_folder(folder)?);
        }
        // A port from the file is for the server that runs on its own.
        settings.listen = listen.or_else(|| Some(vec![Listen(([127, 0, 0, 1], usual_port()).into())]));
        // Folders share what is installed, unless somebody says otherwise.
        let usual = MwaaSetting { installations: config::installations(), ..MwaaSetting::default() };
        settings.mwaa.get_or_insert_default().insert(0, usual);
        serve::init_logging(&settings)?;
        let installations = config::mwaa(settings.mwaa.as_deref().unwrap_or_default(), None).installations;
        let hooks = Hooks::find(&settings)?;
        let server = runtime.block_on(async {
            let server = serve::start(&settings, &hooks).await?;
            serve::make_ready(&server, &settings, &hooks).await?;
            Ok::<_, CommandError>(server)
        })?;
        let endpoint: Endpoint =
            server.url().parse().map_err(|reason: String| CommandError::failure(anyhow!(reason)))?;
        let region = region.or_else(|| settings.region.clone()).unwrap_or_else(region_from_env);
        let remote = Remote::new(endpoint.clone(), trust, region)?;
        let own = Own { server, hooks, data_dir: settings.data_dir, installations };
        Ok(Host { remote, endpoint, events, runtime, own: Some(own) })
    }
}

impl Host {
    /// Whether the server ends with the command.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Where the server keeps its state, if it is the command's own.
    pub fn data_dir(&self) -> Option<&Path> {
        self.own.as_ref()?.data_dir.as_deref()
    }

    /// Where versions of Airflow are installed, if the server is the command's own.
    pub fn installations(&self) -> Option<&Path> {
        self.own.as_ref()?.installations.as_deref()
    }

    /// Ends the server, if it is the command's own, with all that runs for environments. Who asks twice does not want to wait.
    ///
    /// # Errors
    /// When a hook that must succeed fails.
    pub fn close(self) -> Result<(), CommandError> {
        let Some(Own { server, hooks, .. }) = self.own else { return Ok(()) };
        let again = self.events.again;
        self.runtime.block_on(async {
            let end = async {
                let hooks = hooks.run(InitStage::Shutdown, Some(&server)).await;
                server.shutdown().await;
                hooks
            };
            tokio::select! {
                ended = end => ended,
                () = again.notified() => Ok(()),
            }
        })
    }
}

/// The folder's own state, which no repository should have.
fn state_folder(folder: &Path) -> Result<PathBuf, CommandError> {
    let state = folder.join(STATE);
    let doing = format!("cannot make {}", state.display());
    std::fs::create_dir_all(&state).attempt(&doing)?;
    let ignore = state.join(".gitignore");
    if !ignore.exists() {
        std::fs::write(ignore, "*\n").attempt(&doing)?;
    }
    // Processes work in folders of their own, so the path has to be whole.
    std::fs::canonicalize(&state).attempt(doing)
}

fn usual_port() -> u16 {
    if TcpListener::bind(("127.0.0.1", DEFAULT_PORT)).is_ok() { DEFAULT_PORT } else { 0 }
}

/// What a person asks of a command that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Ctrl-C, or the signal to end.
    Stop,
    /// A line, which is that of the Enter key.
    Line,
}

/// See [`Event`].
pub struct Events {
    receiver: Receiver<Event>,
    stopped: Arc<AtomicBool>,
    again: Arc<Notify>,
}

impl Events {
    fn listen(runtime: &Runtime) -> Result<Self, CommandError> {
        let (sender, receiver) = channel();
        let (stopped, again) = (Arc::new(AtomicBool::new(false)), Arc::new(Notify::new()));
        let mut signals = {
            let _inside = runtime.enter();
            Signals::new().attempt("cannot listen to signals")?
        };
        runtime.spawn({
            let (sender, stopped, again) = (sender.clone(), stopped.clone(), again.clone());
            async move {
                loop {
                    signals.stop().await;
                    if stopped.swap(true, Ordering::AcqRel) {
                        again.notify_one();
                    }
                    let _ = sender.send(Event::Stop);
                }
            }
        });
        if may_read() {
            std::thread::spawn(move || lines(&sender));
        }
        Ok(Self { receiver, stopped, again })
    }

    /// Waits this long for something to be asked.
    pub fn wait(&self, time: Duration) -> Option<Event> {
        if self.stopped.load(Ordering::Acquire) {
            return Some(Event::Stop);
        }
        match self.receiver.recv_timeout(time) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Event::Stop),
        }
    }

    /// Waits this long.
    ///
    /// # Errors
    /// When the command is to end.
    pub fn pause(&self, time: Duration) -> Result<(), CommandError> {
        match self.wait(time) {
            Some(Event::Stop) => Err(interrupted()),
            _ => Ok(()),
        }
    }
}

/// Somebody wants the command to end.
fn interrupted() -> CommandError {
    CommandError { kind: Kind::Interrupted, ..CommandError::failure(anyhow!("interrupted")) }
}

/// A background job that read from its terminal would be stopped.
#[cfg(unix)]
fn may_read() -> bool {
    let stdin = std::io::stdin();
    !stdin.is_terminal() || rustix::termios::tcgetpgrp(&stdin).is_ok_and(|group| group == rustix::process::getpgrp())
}

#[cfg(not(unix))]
fn may_read() -> bool {
    true
}

fn lines(sender: &Sender<Event>) {
    let mut line = String::new();
    let mut stdin = std::io::stdin().lock();
    while stdin.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
        line.clear();
        if sender.send(Event::Line).is_err() {
            return;
        }
    }
}
