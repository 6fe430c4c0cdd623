//! `standin shepherd`: what a server starts for every job, to watch it and to outlive the server.

use std::path::PathBuf;

use clap::Args;
use standin_host::job::shepherd;

use crate::error::CommandError;

/// Watch the job of a folder (used by the server)
#[derive(Args, Debug)]
pub struct ShepherdArgs {
    /// The job's
    folder: PathBuf,
}

impl ShepherdArgs {
    pub(crate) fn run(&self) -> Result<u8, CommandError> {
        shepherd::watch(&self.folder).map(|()| 0).map_err(|error| CommandError::failure(anyhow::anyhow!(error.text())))
    }
}
