//! `standin inside`: what `standin run --isolate` starts in a network of its own.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use tokio::process::Command;
use tokio::runtime::Runtime;

use super::run::{Signals, exit_code};
use crate::error::{Attempt as _, CommandError};
use crate::isolate;

/// Run a command beside a relay to a server (used by standin run --isolate)
#[derive(Args, Debug)]
pub struct InsideArgs {
    /// Where the relay outside listens
    #[arg(long)]
    socket: PathBuf,

    /// Where the server is, for the command
    #[arg(long)]
    port: u16,

    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl InsideArgs {
    pub(crate) fn run(&self) -> Result<u8, CommandError> {
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        runtime.block_on(async {
            isolate::inside(&self.socket, self.port).await.attempt("cannot set up the command's network")?;
            let mut signals = Signals::new().attempt("cannot listen to signals")?;
            let child = Command::new(&self.command[0])
                .args(&self.command[1..])
                .spawn()
                .map_err(|error| CommandError::not_started(&self.command[0], error))?;
            signals.wait(child).await.map(exit_code).attempt("cannot wait for the command")
        })
    }
}
