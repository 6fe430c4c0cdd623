use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;

use clap::Args;
use standin_core::Clock;
use standin_server::{InitStage, LeakWatch};
use tokio::process::{Child, Command};
use tokio::runtime::Runtime;

use super::call::{default_endpoint, region_from_env};
use super::serve::ServeArgs;
use crate::cli::output::to_stderr;
use crate::client::{Access, CaFiles, Endpoint, Introspection, Trust, client_variables, system_roots};
use crate::config::{Listen, Settings};
use crate::env;
use crate::error::{Attempt as _, CommandError};
use crate::guard::{self, Guard};
use crate::init::Hooks;
#[cfg(target_os = "linux")]
use crate::isolate;
use crate::serve;

/// Run a command whose AWS calls go to standin
///
/// Takes the server at --endpoint if one answers there and no setting of a server is given; else starts one on a free
/// port, which ends with the command. Sets what SDKs need (see standin env) and passes on signals and the exit code.
#[derive(Args, Debug)]
#[command(mut_arg("listen", |argument| argument.help("Listen on this address [default: a free port of 127.0.0.1]")))]
pub struct RunArgs {
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// Also be the proxy of the command, for programs without an endpoint setting
    #[arg(long)]
    proxy: bool,

    /// Let nothing through to AWS: as the proxy of the command, refuse what was meant for AWS itself, say who tried, and end
    /// with 3. Warns of real keys
    #[arg(long)]
    guard: bool,

    /// With --guard: give the command a network of its own, in which there is nothing but the server, also for programs that
    /// obey no proxy (Linux)
    #[cfg(target_os = "linux")]
    #[arg(long, requires = "guard")]
    isolate: bool,

    /// Take the server here, if one answers [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,

    /// Start a server in any case
    #[arg(long)]
    fresh: bool,

    #[command(flatten)]
    serve: ServeArgs,
}

impl RunArgs {
    pub(crate) fn run(self) -> Result<u8, CommandError> {
        let wants_own =
            self.fresh || self.guard || self.serve.config.is_some() || self.serve.settings != Settings::default();
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let is_there = !wants_own && introspection(&endpoint)?.is_standin();

        let guard = self.guard.then(|| Arc::new(Guard::default()));
        if guard.is_some() {
            to_stderr(&guard::warnings(&env::process, std::env::vars_os()));
        }
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        let mut quiet = true;
        let mut region = None;
        let mut hooks = None;
        let (endpoint, server) = if is_there {
            (endpoint, None)
        } else {
            let listen = self.serve.settings.listen.clone();
            let mut settings = self.serve.clone().load()?;
            // A port from the file is for the server that runs on its own.
            settings.listen = listen.or_else(|| Some(vec![Listen(([127, 0, 0, 1], 0).into())]));
            serve::init_logging(&settings)?;
            quiet = settings.is_quiet();
            region.clone_from(&settings.region);
            let found = Hooks::find(&settings)?;
            let server = runtime.block_on(async {
                let watch = guard.clone().map(|guard| guard as Arc<dyn LeakWatch>);
                let server = serve::start_guarded(&settings, &found, watch).await?;
                serve::make_ready(&server, &settings, &found).await?;
                Ok::<_, CommandError>(server)
            })?;
            hooks = Some(found);
            let endpoint =
                server.url().parse().map_err(|reason: String| CommandError::failure(anyhow::anyhow!(reason)))?;
            (endpoint, Some(server))
        };

        let folder = OwnFolder::new().attempt("cannot make a folder for certificates")?;
        let proxy = self.proxy || self.guard;
        let ca = certificates(&endpoint, folder.path(), proxy)?;
        let region = region.unwrap_or_else(region_from_env);
        #[cfg(target_os = "linux")]
        let (mut command, ports) = match server.as_ref().filter(|_| self.isolate) {
            Some(server) => self.isolated(&runtime, server.addresses(), folder.path())?,
            None => (self.command(), None),
        };
        #[cfg(not(target_os = "linux"))]
        let mut command = self.command();
        let access = Access { endpoint: &endpoint, region: &region, ca: ca.as_ref(), proxy };
        for variable in client_variables(access, &env::process) {
            match variable.value {
                Some(value) => command.env(variable.name, value),
                None => command.env_remove(variable.name),
            };
        }
        let status = runtime.block_on(async {
            let mut signals = Signals::new().attempt("cannot listen to signals")?;
            let child = command.spawn().map_err(|error| CommandError::not_started(&self.command[0], error))?;
            #[cfg(target_os = "linux")]
            if let (Some(guard), Some(ports), Some(process)) = (&guard, ports, child.id()) {
                guard.look_inside(process, ports);
            }
            signals.wait(child).await.attempt("cannot wait for the command")
        });
        if let Some(server) = server {
            if let Some(hooks) = &hooks {
                runtime.block_on(hooks.run(InitStage::Shutdown, Some(&server)))?;
            }
            let coverage = server.coverage();
            runtime.block_on(server.shutdown());
            if !quiet && !coverage.is_empty() {
                to_stderr(&format!("standin: {coverage}\n"));
            }
        }
        let code = exit_code(status?);
        match guard.and_then(|guard| guard.report()) {
            None => Ok(code),
            Some(report) => {
                to_stderr(&report);
                Ok(LEAKED)
            }
        }
    }
}

impl RunArgs {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        command
    }

    /// The command in a network of its own, and the ports in there.
    #[cfg(target_os = "linux")]
    fn isolated(
        &self,
        runtime: &Runtime,
        addresses: &[std::net::SocketAddr],
        folder: &Path,
    ) -> Result<(Command, Option<guard::Ports>), CommandError> {
        let socket = folder.join("relay");
        let server =
            *addresses.first().ok_or_else(|| CommandError::failure(anyhow::anyhow!("the server is nowhere")))?;
        let ports = guard::Ports::default();
        runtime
            .block_on(async {
                isolate::check().await?;
                isolate::relay(&socket, server, ports.clone())
            })
            .attempt("cannot give the command a network of its own")
            .map_err(|error| error.hint("without --isolate, programs that obey the proxy variables are guarded"))?;
        let command = isolate::command(&socket, server, &self.command).attempt("cannot isolate the command")?;
        Ok((command, Some(ports)))
    }
}

/// What a guarded command ends with that tried to reach AWS.
const LEAKED: u8 = 3;

/// Writes the files that the command is to trust. Without the proxy they are a courtesy, for programs that use
/// `https:` by themselves: it must not cost the command its trust in everybody else, so it needs the system's
/// certificates.
pub(super) fn certificates(endpoint: &Endpoint, folder: &Path, proxy: bool) -> Result<Option<CaFiles>, CommandError> {
    if !proxy && system_roots(&env::process).is_none() {
        return Ok(None);
    }
    match introspection(endpoint)?.ca() {
        Ok(pem) => CaFiles::write(folder, &pem, &env::process).attempt("cannot write certificates").map(Some),
        Err(error) if proxy => Err(CommandError::failure(error)),
        Err(_) => Ok(None),
    }
}

pub(super) fn introspection(endpoint: &Endpoint) -> Result<Introspection, CommandError> {
    Introspection::new(endpoint.clone(), Trust::default()).map_err(CommandError::failure)
}

/// The command's own code, or what shells make of a signal.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// The signals that are meant for the command. Made before the command is started: from then on, none may end standin
/// and leave the command behind.
#[cfg(unix)]
pub(super) struct Signals {
    /// A terminal sends Ctrl-C and Ctrl-\ to the command as well: passing them on would send them twice.
    from_terminal: bool,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            from_terminal: std::io::IsTerminal::is_terminal(&std::io::stdin()),
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the command and passes signals on.
    pub(super) async fn wait(&mut self, mut child: Child) -> std::io::Result<ExitStatus> {
        use rustix::process::{Pid, Signal, kill_process};
        loop {
            let passed = tokio::select! {
                status = child.wait() => return status,
                _ = self.hangup.recv() => Some(Signal::HUP),
                _ = self.interrupt.recv() => (!self.from_terminal).then_some(Signal::INT),
                _ = self.quit.recv() => (!self.from_terminal).then_some(Signal::QUIT),
                _ = self.terminate.recv() => Some(Signal::TERM),
            };
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
            if let (Some(signal), Some(pid)) = (passed, pid) {
                // It may have ended just now; then the next round tells.
                let _ = kill_process(pid, signal);
            }
        }
    }
}

/// Ctrl-C reaches the command without help; standin itself must not end before it.
#[cfg(not(unix))]
pub(super) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn wait(&mut self, mut child: Child) -> std::io::Result<ExitStatus> {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                _ = tokio::signal::ctrl_c() => {}
            }
        }
    }
}

/// A folder that nobody had before and that goes with the process.
pub(super) struct OwnFolder(PathBuf);

impl OwnFolder {
    pub(super) fn new() -> std::io::Result<Self> {
        let name = format!("standin-{}-{}", std::process::id(), Clock::real().now().as_millis());
        let path = std::env::temp_dir().join(name);
        // Fails when the name is taken, also by a link: nobody can have prepared the folder.
        std::fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for OwnFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
