use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;
use standin_mockoon::Options;
use tokio::runtime::Runtime;

use super::export::ExportArgs;
use super::serve::Signals;
use crate::cli::Out;
use crate::env;
use crate::error::{Attempt as _, CommandError};
use crate::mockoon::{self, File, Setup};

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

    /// Environment files of Mockoon, OpenAPI documents, or URLs of either; all are served by one process
    #[arg(value_name = "FILE")]
    files: Vec<String>,

    /// The same, as mockoon-cli has it
    #[arg(short, long, value_name = "FILE", num_args = 1..)]
    data: Vec<String>,

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

    /// The language of made-up data; there is English only, which is said at start
    #[arg(short = 'c', long, value_name = "LOCALE", default_value = "en")]
    faker_locale: String,

    /// Draw the same numbers in every run
    #[arg(short = 's', long, value_name = "SEED")]
    faker_seed: Option<u64>,

    /// What environment variables must begin with for templates to see them
    #[arg(short = 'x', long, value_name = "PREFIX", default_value = "MOCKOON_")]
    env_vars_prefix: String,

    /// Log requests and answers whole, without secrets
    #[arg(short = 't', long)]
    log_transaction: bool,

    /// What the baseUrl helper prints and callbacks to the server itself begin with, in the order of the files
    #[arg(long, value_name = "URL", num_args = 1..)]
    public_base_url: Vec<String>,

    /// Do not serve /mockoon-admin
    #[arg(long)]
    disable_admin_api: bool,

    /// What the admin API asks for: one for all files or one for each; made up and logged unless given
    #[arg(long, value_name = "TOKEN", env = env::MOCKOON_ADMIN_API_TOKEN, value_delimiter = ',', hide_env_values = true)]
    admin_api_token: Vec<String>,

    /// Web pages that may use the admin API
    #[arg(long, value_name = "ORIGIN", env = env::MOCKOON_ADMIN_API_CORS_ORIGIN, value_delimiter = ',')]
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

    /// Whether requests that no route answers are passed on, whatever the files say
    #[arg(long, value_name = "STATE")]
    proxy: Option<ProxyState>,

    /// How many callbacks may lead to one another
    #[arg(long, value_name = "N", default_value_t = 100)]
    max_callback_depth: u64,

    /// Serve a file anew when it changes
    #[arg(short, long)]
    watch: bool,

    /// How often files are looked at for changes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(10..))]
    polling_interval: u64,

    /// Accepted for mockoon-cli's sake: references of OpenAPI documents to elsewhere are never fetched
    #[arg(long)]
    disable_external_refs: bool,

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProxyState {
    Enabled,
    Disabled,
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
        let files = self.named()?;
        let runtime = Runtime::new().attempt("cannot start the runtime")?;
        runtime.block_on(serve(&self.setup(), &files))?;
        Ok(0)
    }

    /// The files and what is said of each.
    fn named(&self) -> Result<Vec<File>, CommandError> {
        let places: Vec<&String> = self.files.iter().chain(&self.data).collect();
        if places.is_empty() {
            let error = CommandError::usage(anyhow::anyhow!("no environment file was given"));
            return Err(error.hint("standin mockoon FILE… takes the files of Mockoon, and OpenAPI documents"));
        }
        let tokens = match self.admin_api_token.as_slice() {
            [] => vec![None; places.len()],
            [one] => vec![Some(one.clone()); places.len()],
            each if each.len() == places.len() => each.iter().cloned().map(Some).collect(),
            each => {
                let (tokens, files) = (each.len(), places.len());
                return Err(CommandError::usage(anyhow::anyhow!(
                    "there are {tokens} tokens for the admin API and {files} files"
                ))
                .hint("--admin-api-token takes one for all files, or one for each"));
            }
        };
        let file = |((index, place), admin_token): ((usize, &&String), Option<String>)| File {
            place: (*place).clone(),
            port: self.port.get(index).copied(),
            hostname: self.hostname.get(index).cloned(),
            admin_token,
            public_base_url: self.public_base_url.get(index).cloned(),
        };
        Ok(places.iter().enumerate().zip(tokens).map(file).collect())
    }

    /// What is said of all files.
    fn setup(&self) -> Setup {
        Setup {
            options: Options {
                folder: PathBuf::new(),
                disabled_routes: self.disable_routes.clone(),
                env_vars_prefix: self.env_vars_prefix.clone(),
                env_vars: Setup::env_vars(&self.env_vars_prefix),
                admin_api: !self.disable_admin_api,
                admin_token: String::new(),
                admin_cors_origins: self.admin_api_cors_origin.clone(),
                disable_tls: self.disable_tls,
                public_base_url: None,
                transaction_logs_max: self.max_transaction_logs,
                request_bytes_max: self.max_request_body_size,
                random_latency: self.enable_random_latency,
                callback_depth_max: self.max_callback_depth,
                route_metadata_headers: self.enable_route_metadata_headers,
                match_hash: self.match_hash,
                zone: TimeZone::system(),
            },
            repair: self.repair,
            log_transactions: self.log_transaction,
            faker_seed: self.faker_seed,
            faker_locale: Some(self.faker_locale.clone()),
            proxy: self.proxy.map(|proxy| proxy == ProxyState::Enabled),
            watch: self.watch.then(|| Duration::from_millis(self.polling_interval)),
        }
    }
}

async fn serve(setup: &Setup, files: &[File]) -> Result<(), CommandError> {
    let mut signals = Signals::new().attempt("cannot listen to signals")?;
    let mut serving = setup.start(files).await?;
    signals.stop().await;
    serving.shutdown().await;
    mockoon::flush();
    Ok(())
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
