//! `standin retrylab`: a test suite under a matrix of faults and settings for retries.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use clap::{Args, ValueEnum};
use serde_json::Value;
use standin_retrylab::report::{self, Run};
use standin_retrylab::{Profile, Retries, calls, profiles, retries, verdicts};
use tokio::process::Command;
use tokio::runtime::Runtime;

use super::call::region_from_env;
use super::run::{OwnFolder, Signals, certificates, exit_code, introspection};
use super::serve::ServeArgs;
use crate::cli::Out;
use crate::cli::output::to_stderr;
use crate::client::{Access, Endpoint, client_variables};
use crate::config::{FaultSetting, Listen};
use crate::env;
use crate::error::{Attempt as _, CommandError};
use crate::init::Hooks;
use crate::serve;

/// Requests of one run that are looked at.
const JOURNAL_SIZE: usize = 100_000;

/// Run a test suite under faults, and tell how its clients retry
///
/// Runs the command once for every profile and setting, each time with a new server that forgets all. Ends with 1 where a
/// call was given up, not retried, or done twice, or where the command failed. What the command prints goes to standard
/// error.
#[derive(Args, Debug)]
#[command(mut_arg("listen", |argument| argument.hide(true)))]
pub struct RetryLabArgs {
    /// The command and its arguments
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,

    /// What goes wrong: none, throttle, server-error, reset, slow, skew, lost-answer, outage [default: all but outage]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    profiles: Vec<String>,

    /// How SDKs are told to retry: as-is, legacy, standard, adaptive, 2026, before-2026, one-attempt
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "as-is")]
    retries: Vec<String>,

    /// The form of the report
    #[arg(long, value_enum, default_value_t = Form::Text)]
    report: Form,

    /// Write the report to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
    Junit,
}

impl RetryLabArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let profiles = self.profiles()?;
        let settings = self
            .retries
            .iter()
            .map(|name| find(name, Retries::find, retries().iter().map(|retries| retries.name), "setting for retries"))
            .collect::<Result<Vec<_>, _>>()?;
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        let mut runs = Vec::new();
        for profile in profiles {
            for retries in &settings {
                to_stderr(&format!("standin: {} with retries {}\n", profile.name, retries.name));
                runs.push(self.run_once(&runtime, profile, retries)?);
            }
        }
        let text = match self.report {
            Form::Text => report::text(&runs),
            Form::Json => format!("{:#}\n", report::json(&runs)),
            Form::Junit => report::junit(&runs),
        };
        match &self.out {
            Some(file) => {
                std::fs::write(file, text).attempt(format_args!("cannot write {}", file.display()))?;
            }
            None => write!(out, "{text}")?,
        }
        Ok(u8::from(runs.iter().any(Run::is_bad)))
    }

    fn profiles(&self) -> Result<Vec<&'static Profile>, CommandError> {
        if self.profiles.is_empty() {
            return Ok(profiles().iter().filter(|profile| profile.usual).collect());
        }
        let names = || profiles().iter().map(|profile| profile.name);
        self.profiles.iter().map(|name| find(name, Profile::find, names(), "profile")).collect()
    }

    fn run_once(
        &self,
        runtime: &Runtime,
        profile: &'static Profile,
        retries: &'static Retries,
    ) -> Result<Run, CommandError> {
        let mut settings = self.serve.clone().load()?;
        settings.listen = Some(vec![Listen(([127, 0, 0, 1], 0).into())]);
        settings.ephemeral = Some(true);
        settings.journal_size = Some(JOURNAL_SIZE);
        let rules = profile.rules().into_iter().map(|rule| FaultSetting::Rule(Box::new(rule)));
        settings.faults.get_or_insert_default().extend(rules);
        serve::init_logging(&settings)?;
        let hooks = Hooks::find(&settings)?;
        let server = runtime.block_on(async {
            let server = serve::start(&settings, &hooks).await?;
            serve::make_ready(&server, &settings, &hooks).await?;
            Ok::<_, CommandError>(server)
        })?;
        let endpoint: Endpoint =
            server.url().parse().map_err(|reason: String| CommandError::failure(anyhow::anyhow!(reason)))?;

        let folder = OwnFolder::new().attempt("cannot make a folder for certificates")?;
        let ca = certificates(&endpoint, folder.path(), false)?;
        let region = settings.region.clone().unwrap_or_else(region_from_env);
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).stdout(Stdio::from(std::io::stderr()));
        let access = Access { endpoint: &endpoint, region: &region, ca: ca.as_ref(), proxy: false };
        for variable in client_variables(access, &env::process) {
            set(&mut command, variable.name, variable.value.as_deref());
        }
        for (name, value) in retries.variables {
            set(&mut command, name, *value);
        }
        let status = runtime.block_on(async {
            let mut signals = Signals::new().attempt("cannot listen to signals")?;
            let child = command.spawn().map_err(|error| CommandError::not_started(&self.command[0], error))?;
            signals.wait(child).await.attempt("cannot wait for the command")
        })?;
        let journal = introspection(&endpoint)?.get("/_standin/requests").map_err(CommandError::failure)?;
        runtime.block_on(server.shutdown());
        let journal: Value = serde_json::from_slice(&journal).attempt("cannot read the journal")?;
        let requests = journal["requests"].as_array().map(Vec::as_slice).unwrap_or_default();
        let judgements = verdicts(&calls(requests), profile);
        Ok(Run { profile, retries, exit_code: exit_code(status), judgements })
    }
}

fn set(command: &mut Command, name: &str, value: Option<&str>) {
    match value {
        Some(value) => command.env(name, value),
        None => command.env_remove(name),
    };
}

fn find<T>(
    name: &str,
    known: fn(&str) -> Option<&'static T>,
    names: impl Iterator<Item = &'static str>,
    what: &str,
) -> Result<&'static T, CommandError> {
    known(name).ok_or_else(|| {
        let names: Vec<&str> = names.collect();
        CommandError::usage(anyhow::anyhow!("there is no {what} {name:?}"))
            .hint(format!("there are {}", names.join(", ")))
    })
}
