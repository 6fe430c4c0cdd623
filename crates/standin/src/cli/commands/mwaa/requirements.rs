//! `mwaa test-requirements`: whether a `requirements.txt` fits a version of Airflow.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use crate::cli::Out;
use crate::cli::commands::run::OwnFolder;
use crate::cli::output::to_stderr;
use crate::config;
use crate::env;
use crate::error::{Attempt as _, CommandError, Kind};

#[derive(Args, Debug)]
pub struct RequirementsArgs {
    /// The requirements.txt
    file: PathBuf,

    /// The version of Airflow [default: MWAA's newest]
    #[arg(long, value_name = "VERSION", default_value = standin_mwaa::versions::DEFAULT_VERSION)]
    airflow: String,

    /// Where versions are installed [default: mwaa/installed in standin's folder of data]
    #[arg(long, value_name = "DIR")]
    installations: Option<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RequirementsArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let prevented = |error: CommandError| CommandError { kind: Kind::Prevented, ..error };
        if !self.file.is_file() {
            return Err(CommandError::usage(anyhow!("{} is no file", self.file.display())));
        }
        let installations = self.installations.clone().or_else(config::installations).ok_or_else(|| {
            prevented(
                CommandError::failure(anyhow!("there is no folder to install Airflow into"))
                    .hint("--installations names one"),
            )
        })?;
        let search = env::process("PATH").unwrap_or_default();
        let folder = OwnFolder::new().attempt("cannot make a folder to try in").map_err(prevented)?;
        #[cfg(unix)]
        let trial = {
            if !standin_mwaa::local::is_installed(&installations, &self.airflow) {
                to_stderr(&format!("Airflow {} is being installed first, once for all\n", self.airflow));
            }
            let runtime = tokio::runtime::Runtime::new().attempt("cannot start the runtime")?;
            let work =
                standin_mwaa::local::requirements(&installations, search, &self.airflow, &self.file, folder.path());
            runtime.block_on(work).map_err(|reason| prevented(CommandError::failure(anyhow!(reason))))?
        };
        #[cfg(not(unix))]
        return Err(prevented(CommandError::failure(anyhow!("Airflow does not run on this system"))));
        #[cfg(unix)]
        {
            for line in &trial.left_out {
                to_stderr(&format!("left out: {line} (what Airflow {} is installed with counts)\n", self.airflow));
            }
            if self.json {
                out.json(&json!({
                    "airflow": self.airflow, "fits": trial.fits, "packages": trial.packages, "leftOut": trial.left_out,
                    "message": if trial.fits { None } else { Some(trial.said.trim()) },
                }))?;
            } else if trial.fits {
                for package in &trial.packages {
                    writeln!(out, "{package}")?;
                }
                to_stderr(&format!("{} fits Airflow {}\n", self.file.display(), self.airflow));
            } else {
                to_stderr(&format!("{}\n", trial.said.trim()));
                to_stderr(&format!("{} does not fit Airflow {}\n", self.file.display(), self.airflow));
            }
            Ok(u8::from(!trial.fits))
        }
    }
}
