//! `mwaa`: a folder of DAGs as an environment of MWAA: to work with in a browser, and to run in continuous integration.

mod host;
mod imports;
mod logs;
mod open;
mod project;
mod requirements;
mod run;
mod session;
mod site;
mod up;
mod upload;
mod watch;
mod zip;

use clap::{Args, Subcommand};

use crate::cli::Out;
use crate::error::CommandError;

/// Run the DAGs of a folder on an environment of MWAA, with a real or a simulated Airflow
#[derive(Args, Debug)]
pub struct MwaaArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Bring up an environment with the DAGs of a folder, and keep it like the folder until Ctrl-C
    ///
    /// The folder has dags/, and perhaps requirements.txt, plugins/ or plugins.zip, startup.sh and airflow.toml. What was there
    /// before goes on: only what has changed is done. Prints a link that signs in; the Enter key makes another.
    Up(up::UpArgs),
    /// Bring up an environment with the DAGs of a folder, run one of them, and end with its result
    ///
    /// Writes the logs of its tasks as they come. Ends with 0 if the run succeeds, 1 if it fails, 3 if it could not be had (no such
    /// DAG, an error in its file, an environment that fails), 124 if it takes too long.
    Run(run::RunArgs),
    /// Install a requirements.txt for a version of Airflow, as an environment would, and say what does not fit
    TestRequirements(requirements::RequirementsArgs),
    /// Print a link that signs in to an environment of the running server
    Open(open::OpenArgs),
}

impl MwaaArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match &self.what {
            What::Up(up) => up.run(out),
            What::Run(run) => run.run(out),
            What::TestRequirements(requirements) => requirements.run(out),
            What::Open(open) => open.run(out),
        }
    }
}
