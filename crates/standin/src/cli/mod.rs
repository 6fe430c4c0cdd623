//! The command line: definitions, and the way from arguments to an exit code.

pub mod commands;
pub(crate) mod models;
pub(crate) mod names;
pub(crate) mod output;
pub(crate) mod paint;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::error::CommandError;
use commands::{
    aws, ca, call, clock, completions, describe, doctor, env, export, faults, incident, introspect, mockoon, mwaa,
    proton, recording, retrylab, run, serve, services, state,
};

pub use models::Models;
pub use output::Out;

/// Stands in for AWS on your own machine: answers every operation of every AWS API.
///
/// Without a command it serves, as `standin serve` does.
#[derive(Parser, Debug)]
#[command(name = "standin", version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
#[command(after_help = "Every setting of the server is also an environment variable (STANDIN_SEED for --seed) and a \
                        key of standin.toml (seed). Flags win over variables, variables over the file.")]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    pub serve: serve::ServeArgs,
}

#[derive(Subcommand, Debug)]
pub enum Command {
    Serve(serve::ServeArgs),
    Run(run::RunArgs),
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Inside(commands::inside::InsideArgs),
    #[cfg(unix)]
    #[command(hide = true)]
    Shepherd(commands::shepherd::ShepherdArgs),
    #[command(name = "retrylab")]
    RetryLab(retrylab::RetryLabArgs),
    Call(call::CallArgs),
    Services(services::ServicesArgs),
    Describe(describe::DescribeArgs),
    Requests(introspect::RequestsArgs),
    Verify(introspect::VerifyArgs),
    Explain(introspect::ExplainArgs),
    Coverage(introspect::CoverageArgs),
    Clock(clock::ClockArgs),
    Faults(faults::FaultsArgs),
    Incident(incident::IncidentArgs),
    Recording(recording::RecordingArgs),
    State(state::StateArgs),
    Proton(proton::ProtonArgs),
    Mwaa(mwaa::MwaaArgs),
    Doctor(doctor::DoctorArgs),
    Env(env::EnvArgs),
    Aws(aws::AwsArgs),
    Mockoon(mockoon::MockoonArgs),
    #[command(name = "openapi")]
    OpenApi(export::OpenApiArgs),
    Ca(ca::CaArgs),
    Completions(completions::CompletionsArgs),
}

/// The definition of the whole command line. Variables that are set to nothing count as not set.
pub fn command() -> clap::Command {
    let unset_empty = |command: clap::Command| {
        command.mut_args(|argument| {
            let is_empty = argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
            let argument = argument.hide_env_values(true);
            if is_empty { argument.env(None::<&'static str>) } else { argument }
        })
    };
    unset_empty(Cli::command()).mut_subcommands(unset_empty)
}

/// Parses the arguments, runs the command, reports what went wrong.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed =
        command().try_get_matches_from(arguments).and_then(|mut matches| Cli::from_arg_matches_mut(&mut matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let mut out = Out::stdout();
    match run_command(cli, &mut out).and_then(|status| out.flush().map(|()| status)) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            // What was written before the error comes first.
            let _ = out.flush();
            output::to_stderr(&error.report());
            error.exit_code()
        }
    }
}

fn run_command(cli: Cli, out: &mut Out) -> Result<u8, CommandError> {
    match cli.command {
        None => cli.serve.run(out),
        Some(Command::Serve(serve)) => serve.run(out),
        Some(Command::Run(run)) => run.run(),
        #[cfg(target_os = "linux")]
        Some(Command::Inside(inside)) => inside.run(),
        #[cfg(unix)]
        Some(Command::Shepherd(shepherd)) => shepherd.run(),
        Some(Command::RetryLab(lab)) => lab.run(out),
        Some(Command::Call(call)) => call.run(out),
        Some(Command::Services(services)) => services.run(out),
        Some(Command::Describe(describe)) => describe.run(out),
        Some(Command::Requests(requests)) => requests.run(out),
        Some(Command::Verify(verify)) => verify.run(out),
        Some(Command::Explain(explain)) => explain.run(out),
        Some(Command::Coverage(coverage)) => coverage.run(out),
        Some(Command::Clock(clock)) => clock.run(out),
        Some(Command::Faults(faults)) => faults.run(out),
        Some(Command::Incident(incident)) => incident.run(out),
        Some(Command::Recording(recording)) => recording.run(out),
        Some(Command::State(state)) => state.run(out),
        Some(Command::Proton(proton)) => proton.run(out),
        Some(Command::Mwaa(mwaa)) => mwaa.run(out),
        Some(Command::Doctor(doctor)) => doctor.run(out),
        Some(Command::Env(env)) => env.run(out),
        Some(Command::Aws(aws)) => aws.run(out),
        Some(Command::Mockoon(mockoon)) => mockoon.run(out),
        Some(Command::OpenApi(openapi)) => openapi.run(out),
        Some(Command::Ca(ca)) => ca.run(out),
        Some(Command::Completions(completions)) => completions.run(out),
    }
}

/// Prints clap's message, with the variable that a bad value came from: the message names a flag that nobody gave.
fn refuse(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        output::to_stdout(&error.render().to_string());
        return ExitCode::SUCCESS;
    }
    output::to_stderr(&error.render().to_string());
    if matches!(error.kind(), ErrorKind::ValueValidation | ErrorKind::InvalidValue)
        && let Some(ContextValue::String(argument)) = error.get(ContextKind::InvalidArg)
        && let Some(variable) = variable_behind(argument)
    {
        output::to_stderr(&format!("\n  hint: the value comes from the environment variable {variable}\n"));
    }
    ExitCode::from(2)
}

/// The variable that stands for a flag, where the flag itself is not among the arguments and the variable is set.
fn variable_behind(argument: &str) -> Option<String> {
    let flag = argument.split([' ', '=', '[']).next()?;
    let long = flag.strip_prefix("--")?;
    if std::env::args().any(|argument| argument.split('=').next() == Some(flag)) {
        return None;
    }
    let command = Cli::command();
    let mut arguments = command.get_subcommands().flat_map(clap::Command::get_arguments).chain(command.get_arguments());
    let variable = arguments.find(|argument| argument.get_long() == Some(long))?.get_env()?.to_str()?.to_owned();
    std::env::var_os(&variable).map(|_| variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }
}
