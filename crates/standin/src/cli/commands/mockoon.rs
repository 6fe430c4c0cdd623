use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use standin_core::Clock;
use standin_mockoon::{Environment, Options, Server};
use standin_template::Random;
use tokio::runtime::Runtime;

use super::export::ExportArgs;
use super::serve::Signals;
use crate::cli::Out;
use crate::error::{Attempt as _, CommandError};
use crate::mockoon::{Bound, Log};

/// Serve Mockoon environment files, as mockoon-cli does
#[derive(Args, Clone, Debug)]
#[command(
    after_help = "Flags have the names that they have in mockoon-cli. What of a file is not supported is said at start, per \
                        route."
)]
#[command(args_conflicts_with_subcommands = true)]
pub struct MockoonArgs {
    #[command(subcommand)]
    command: Option<MockoonCommand>,

    /// Environment files
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Environment files, too
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    data: Vec<PathBuf>,

    /// Ports, in the order of the files
    #[arg(short, long, num_args = 1..)]
    port: Vec<u16>,

    /// Addresses to listen on, in the order of the files
    #[arg(short = 'l', long, num_args = 1..)]
    hostname: Vec<String>,

    /// Load files that are too old or broken as well as possible
    #[arg(short, long)]
    repair: bool,

    /// Accepted for mockoon-cli's sake: logs go to standard output only
    #[arg(short = 'X', long)]
    disable_log_to_file: bool,

    /// Do not serve routes with this uuid, word in the endpoint, or word in the name of a folder; * for all
    #[arg(short = 'e', long, value_name = "ROUTE", num_args = 1..)]
    disable_routes: Vec<String>,

    /// Draw the same numbers in every run
    #[arg(short = 's', long, value_name = "SEED")]
    faker_seed: Option<u64>,

    /// What environment variables must begin with for templates to see them
    #[arg(short = 'x', long, value_name = "PREFIX", default_value = "MOCKOON_")]
    env_vars_prefix: String,

    /// Log requests and answers whole, without secrets
    #[arg(short = 't', long)]
    log_transaction: bool,

    /// What the baseUrl helper prints, without the prefix of the environment
    #[arg(long, value_name = "URL")]
    public_base_url: Option<String>,

    /// Do not serve /mockoon-admin
    #[arg(long)]
    disable_admin_api: bool,

    /// What the admin API asks for; made up and logged unless given
    #[arg(long, value_name = "TOKEN")]
    admin_api_token: Option<String>,

    /// Web pages that may use the admin API
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',')]
    admin_api_cors_origin: Vec<String>,

    /// Serve plain HTTP whatever the files say
    #[arg(long)]
    disable_tls: bool,

    /// How many transactions the admin API remembers
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_transaction_logs: usize,

    /// The largest body: bytes, or a number with b, kb, mb, gb or tb; 0 for no limit
    #[arg(long, value_name = "SIZE", default_value = "100mb", value_parser = bytes)]
    max_request_body_size: usize,

    /// Draw latencies between 0 and what the files say
    #[arg(long)]
    enable_random_latency: bool,

    /// Tell in headers which route and response answered
    #[arg(long)]
    enable_route_metadata_headers: bool,

    /// Endpoints with a # match by what stands behind it: #X-Amz-Target=A.B by the header, #tagKeys by the query.
    /// mockoon-cli never reaches those
    #[arg(long)]
    match_hash: bool,
}

#[derive(Subcommand, Clone, Debug)]
enum MockoonCommand {
    /// Write an AWS API as an environment that mockoon-cli and standin mockoon serve to SDKs
    Export(ExportArgs),
}

/// Reads `1.5kb`.
fn bytes(text: &str) -> Result<usize, String> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(lower.len());
    let (number, unit) = lower.split_at(digits);
    let factor: f64 = match unit.trim() {
        "" | "b" => 1.0,
        "kb" => 1024.0,
        "mb" => 1024.0 * 1024.0,
        "gb" => 1024.0 * 1024.0 * 1024.0,
        "tb" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err("use a number of bytes like 104857600 or a unit like 100MB".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "a size starts with a number".to_owned())?;
    Ok((number * factor).round() as usize)
}

impl MockoonArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        if let Some(MockoonCommand::Export(export)) = &self.command {
            return export.mockoon(out);
        }
        let files: Vec<PathBuf> = self.files.iter().chain(&self.data).cloned().collect();
        if files.is_empty() {
            let error = CommandError::usage(anyhow::anyhow!("no environment file was given"));
            return Err(error.hint("standin mockoon FILE… takes the files of Mockoon"));
        }
        let token = self.admin_api_token.clone().unwrap_or_else(random_token);
        let servers = files
            .iter()
            .enumerate()
            .map(|(index, file)| self.server(index, file, &token))
            .collect::<Result<Vec<_>, _>>()?;
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        runtime.block_on(self.serve(servers, &token))?;
        Ok(0)
    }

    async fn serve(&self, servers: Vec<Server>, token: &str) -> Result<(), CommandError> {
        let mut signals = Signals::new().attempt("cannot listen to signals")?;
        let mut bound = Vec::with_capacity(servers.len());
        for server in servers {
            let log = Log::new(server.environment(), self.log_transaction);
            bound.push(Bound::new(server, log).await?);
        }
        let mut serving = tokio::task::JoinSet::new();
        for bound in bound {
            if !self.disable_admin_api && self.admin_api_token.is_none() {
                bound.log().line("warn", &format!("Admin API token (auto-generated): {token}"));
            }
            bound.tell_start();
            serving.spawn(bound.serve());
        }
        signals.stop().await;
        serving.shutdown().await;
        Ok(())
    }

    fn server(&self, index: usize, file: &Path, token: &str) -> Result<Server, CommandError> {
        let content = std::fs::read(file).map_err(|error| {
            CommandError::usage(anyhow::Error::new(error).context(format!("cannot read {}", file.display())))
        })?;
        let mut environment = Environment::load(&content, self.repair).map_err(|error| {
            CommandError::usage(anyhow::Error::new(error).context(format!("cannot load {}", file.display())))
        })?;
        if let Some(&port) = self.port.get(index) {
            environment.port = port;
        }
        if let Some(hostname) = self.hostname.get(index) {
            environment.hostname.clone_from(hostname);
        }
        let env_vars: HashMap<String, String> =
            std::env::vars().filter(|(name, _)| name.starts_with(&self.env_vars_prefix)).collect();
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let options = Options {
            folder: folder.to_owned(),
            disabled_routes: self.disable_routes.clone(),
            env_vars_prefix: self.env_vars_prefix.clone(),
            env_vars,
            admin_api: !self.disable_admin_api,
            admin_token: token.to_owned(),
            admin_cors_origins: self.admin_api_cors_origin.clone(),
            disable_tls: self.disable_tls,
            public_base_url: self.public_base_url.clone(),
            transaction_logs_max: self.max_transaction_logs,
            request_bytes_max: self.max_request_body_size,
            random_latency: self.enable_random_latency,
            route_metadata_headers: self.enable_route_metadata_headers,
            match_hash: self.match_hash,
            zone: TimeZone::system(),
        };
        let random = self.faker_seed.map_or_else(Random::unseeded, Random::seeded);
        Ok(Server::new(environment, options, Clock::real(), random))
    }
}

/// 64 hexadecimal digits that nobody can guess.
fn random_token() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    (0..4).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_bodies() {
        let check = |text: &str, expect: Option<usize>| assert_eq!(bytes(text).ok(), expect, "{text}");
        check("100", Some(100));
        check("1.5kb", Some(1536));
        check("100MB", Some(100 << 20));
        check("0", Some(0));
        check("1 xb", None);
        check("kb", None);
    }
}
