use std::ffi::OsString;
use std::process::Command;

use clap::Args;

use super::call::{default_endpoint, region_from_env};
use crate::cli::Out;
use crate::client::{Access, Endpoint, client_variables};
use crate::env;
use crate::error::CommandError;

/// Run the AWS CLI against standin
///
/// As in: standin aws mwaa list-environments. The server is at AWS_ENDPOINT_URL, else at http://127.0.0.1:4566.
#[derive(Args, Debug)]
#[command(disable_help_flag = true)]
pub struct AwsArgs {
    /// Arguments of the AWS CLI
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl AwsArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let endpoint = match env::text(&env::process, env::AWS_ENDPOINT_URL) {
            Some(url) => url
                .parse::<Endpoint>()
                .map_err(|reason| CommandError::usage(anyhow::anyhow!("{}: {reason}", env::AWS_ENDPOINT_URL)))?,
            None => default_endpoint(),
        };
        let mut command = Command::new("aws");
        command.args(self.arguments);
        let access = Access { endpoint: &endpoint, region: &region_from_env(), ca: None, proxy: false };
        for variable in client_variables(access, &env::process) {
            match variable.value {
                Some(value) => command.env(variable.name, value),
                None => command.env_remove(variable.name),
            };
        }
        out.flush()?;
        let error = replace_process(command);
        let error = CommandError::not_started("aws".as_ref(), error);
        Err(error.hint("`standin call` needs nothing but standin"))
    }
}

/// Becomes the command: signals and the exit code are its own. Comes back only when it cannot be started.
#[cfg(unix)]
fn replace_process(mut command: Command) -> std::io::Error {
    std::os::unix::process::CommandExt::exec(&mut command)
}

/// Runs the command and ends with its exit code. Comes back only when it cannot be started.
#[cfg(not(unix))]
fn replace_process(mut command: Command) -> std::io::Error {
    match command.status() {
        Ok(status) => std::process::exit(status.code().unwrap_or(1)),
        Err(error) => error,
    }
}
