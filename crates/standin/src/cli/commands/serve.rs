use std::path::PathBuf;

use clap::Args;
use standin_server::{InitStage, RunningServer, StoreLocation};
use tokio::runtime::Runtime;

use crate::cli::Out;
use crate::config::{self, Settings, Sources};
use crate::env;
use crate::error::{Attempt as _, CommandError, Kind};
use crate::init::Hooks;
use crate::mockoon::Setup;
use crate::serve;

/// Serve all AWS APIs until stopped
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Read settings from this file [default: standin.toml, where it exists]
    #[arg(long, value_name = "FILE", env = env::CONFIG)]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub settings: Settings,
}

impl ServeArgs {
    /// All layers of settings, these flags on top.
    pub(super) fn load(self) -> Result<Settings, CommandError> {
        Ok(config::load(Sources { flags: self.settings, file: self.config.as_deref(), get: &env::process })?)
    }

    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let settings = self.load()?;
        serve::init_logging(&settings)?;
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        runtime.block_on(serve_until_stopped(&settings, out))?;
        Ok(0)
    }
}

async fn serve_until_stopped(settings: &Settings, out: &mut Out) -> Result<(), CommandError> {
    let hooks = Hooks::find(settings)?;
    // Signals that come from now on end the server properly.
    let mut signals = Signals::new().attempt("cannot listen to signals")?;
    let mut server = tokio::select! {
        server = serve::start(settings, &hooks) => server?,
        () = signals.stop() => return Ok(()),
    };
    // They end with the server.
    let _mockoon = Setup::start_all(settings.mockoon.as_deref().unwrap_or_default()).await?;
    if !settings.is_quiet() {
        unless_closed(banner(&server, settings, out).and_then(|()| out.flush()))?;
    }
    tokio::select! {
        ready = serve::make_ready(&server, settings, &hooks) => ready?,
        () = signals.stop() => return Ok(()),
    }
    unless_closed(writeln!(out, "Ready.").and_then(|()| out.flush()))?;
    tokio::select! {
        () = signals.stop() => {}
        () = server.wait() => {}
    }
    tokio::select! {
        done = hooks.run(InitStage::Shutdown, Some(&server)) => done?,
        () = signals.stop() => {}
    }
    let coverage = server.coverage();
    tokio::select! {
        () = server.shutdown() => {}
        // Who asks twice does not want to wait.
        () = signals.stop() => {}
    }
    if !settings.is_quiet() && !coverage.is_empty() {
        unless_closed(writeln!(out, "{coverage}").and_then(|()| out.flush()))?;
    }
    Ok(())
}

/// Says what is served, where, and what to try.
fn banner(server: &RunningServer, settings: &Settings, out: &mut Out) -> Result<(), CommandError> {
    let (services, operations) = server.served();
    let url = server.url();
    let account = settings.account.as_ref().map_or(standin_server::DEFAULT_ACCOUNT, |account| &account.0);
    let region = settings.region.as_deref().unwrap_or(standin_server::DEFAULT_REGION);
    let endpoint = if url == crate::DEFAULT_URL { String::new() } else { format!(" --endpoint {url}") };
    writeln!(out, "standin {} serves {services} AWS services, {operations} operations", env!("CARGO_PKG_VERSION"))?;
    for address in server.addresses() {
        writeln!(out, "  at       http://{address} and https://{address}")?;
    }
    let chosen = if settings.seed.is_some() { "" } else { ", as none is chosen" };
    writeln!(out, "  seed     {}{chosen}; --seed {0} draws the same again", server.seed())?;
    let faults = server.faults().len();
    if faults > 0 {
        writeln!(out, "  faults   {faults} rules; `standin faults{endpoint}` lists them")?;
    }
    writeln!(out, "  state    {}", place(settings))?;
    writeln!(out, "  default  account {account}, region {region}")?;
    writeln!(out, "  try      standin call sts get-caller-identity{endpoint}")?;
    writeln!(
        out,
        "  shell    eval \"$(standin env{endpoint})\", which also keeps SDKs from putting api. and the like"
    )?;
    writeln!(out, "           before the host: such names resolve nowhere, and the calls would fail")?;
    Ok(())
}

/// Where state is kept, without what grants access to it.
fn place(settings: &Settings) -> String {
    match serve::location(settings) {
        StoreLocation::Memory => "in memory, gone at the end; --data-dir keeps it".to_owned(),
        StoreLocation::Sqlite { directory, .. } => format!("in {}", directory.display()),
        StoreLocation::Postgres { url } => {
            let address = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
            let address = address.rsplit_once('@').map_or(address, |(_, host)| host);
            format!("in PostgreSQL at {}", address.split('?').next().unwrap_or_default())
        }
    }
}

/// A server serves on when nobody reads what it prints.
fn unless_closed(written: Result<(), CommandError>) -> Result<(), CommandError> {
    written.or_else(|error| if error.kind == Kind::Closed { Ok(()) } else { Err(error) })
}

/// What asks a process to end.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn stop(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {})
    }

    pub(super) async fn stop(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
