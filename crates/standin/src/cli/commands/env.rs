use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value};

use super::call::{default_endpoint, region_from_env};
use crate::cli::Out;
use crate::client::{Access, CaFiles, Endpoint, Introspection, Trust, Variable, client_variables};
use crate::env::{self, Get};
use crate::error::{Attempt as _, CommandError};

/// Print the variables that make programs talk to standin
///
/// For this shell: eval "$(standin env)". In fish: standin env --shell fish | source.
#[derive(Args, Debug)]
pub struct EnvArgs {
    /// The syntax to print [default: by SHELL]
    #[arg(long)]
    shell: Option<Shell>,

    /// Also make the server the proxy for everything
    ///
    /// For programs without an endpoint setting, and for SDKs that put api. or the like before the endpoint's host and
    /// cannot be told not to. Needs the server to run: its certificate is kept in a file.
    #[arg(long)]
    proxy: bool,

    /// Where the server is [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL")]
    endpoint: Option<Endpoint>,

    /// The region to set [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,

    /// Print JSON; null stands for a variable to unset
    #[arg(long, conflicts_with = "shell")]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    /// Also for zsh, dash and other POSIX shells
    Bash,
    Fish,
    Powershell,
}

impl EnvArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let endpoint = self.endpoint.unwrap_or_else(default_endpoint);
        let region = self.region.unwrap_or_else(region_from_env);
        let ca = if self.proxy { Some(fetch_ca(&endpoint)?) } else { None };
        let variables = client_variables(
            Access { endpoint: &endpoint, region: &region, ca: ca.as_ref(), proxy: self.proxy },
            &env::process,
        );
        if self.json {
            let entries = variables.into_iter().map(|variable| (variable.name.to_owned(), variable.value.into()));
            out.json(&Value::Object(entries.collect::<Map<String, Value>>()))?;
            return Ok(0);
        }
        let shell = self.shell.unwrap_or_else(|| shell_in_use(&env::process));
        for variable in &variables {
            writeln!(out, "# {}\n{}", variable.why, shell.line(variable))?;
        }
        Ok(0)
    }
}

impl Shell {
    fn line(self, variable: &Variable) -> String {
        let name = variable.name;
        match (self, variable.value.as_deref()) {
            (Self::Bash, Some(value)) => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            (Self::Bash, None) => format!("unset {name}"),
            (Self::Fish, Some(value)) => {
                format!("set -gx {name} '{}'", value.replace('\\', r"\\").replace('\'', r"\'"))
            }
            (Self::Fish, None) => format!("set -e {name}"),
            (Self::Powershell, Some(value)) => format!("$env:{name} = '{}'", value.replace('\'', "''")),
            (Self::Powershell, None) => format!("$env:{name} = $null"),
        }
    }
}

fn shell_in_use(get: Get<'_>) -> Shell {
    match env::text(get, env::SHELL) {
        Some(shell) if shell.ends_with("fish") => Shell::Fish,
        Some(_) => Shell::Bash,
        None if cfg!(windows) => Shell::Powershell,
        None => Shell::Bash,
    }
}

/// Asks the server for its CA and keeps it in a file for programs that start later.
fn fetch_ca(endpoint: &Endpoint) -> Result<CaFiles, CommandError> {
    let pem =
        Introspection::new(endpoint.clone(), Trust::default()).and_then(|mut server| server.ca()).map_err(|error| {
            CommandError::failure(error).hint("--proxy needs a running server: start one with `standin`")
        })?;
    let folder = cache_dir(&env::process, endpoint.port).ok_or_else(|| {
        CommandError::failure(anyhow::anyhow!("found no folder to keep certificates in: HOME is not set"))
    })?;
    let doing = format!("cannot write certificates to {}", folder.display());
    std::fs::create_dir_all(&folder).attempt(&doing)?;
    CaFiles::write(&folder, &pem, &env::process).attempt(&doing)
}

/// `$XDG_CACHE_HOME/standin/PORT`, `~/.cache/standin/PORT`, `%LOCALAPPDATA%\standin\PORT`
fn cache_dir(get: Get<'_>, port: u16) -> Option<PathBuf> {
    let folder = |name: &str| env::text(get, name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder(env::XDG_CACHE_HOME)
        .or_else(|| folder(env::HOME).map(|home| home.join(".cache")))
        .or_else(|| folder(env::LOCALAPPDATA))
        .map(|folder| folder.join(Path::new("standin")).join(port.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_for_each_shell() {
        let set = Variable { name: "A", value: Some(r"it's \ $x".to_owned()), why: "" };
        let unset = Variable { name: "B", value: None, why: "" };
        for (shell, line, gone) in [
            (Shell::Bash, r"export A='it'\''s \ $x'", "unset B"),
            (Shell::Fish, r"set -gx A 'it\'s \\ $x'", "set -e B"),
            (Shell::Powershell, r"$env:A = 'it''s \ $x'", "$env:B = $null"),
        ] {
            assert_eq!((shell.line(&set).as_str(), shell.line(&unset).as_str()), (line, gone));
        }
    }
}
