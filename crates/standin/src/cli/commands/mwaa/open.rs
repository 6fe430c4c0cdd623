//! `mwaa open`: a link that signs in.

use clap::Args;

use super::site::Site;
use crate::cli::Out;
use crate::cli::commands::call::default_endpoint;
use crate::cli::commands::remote::{Remote, text};
use crate::cli::output::to_stderr;
use crate::client::{Endpoint, Trust};
use crate::env;
use crate::error::CommandError;

/// What opens a link, on Linux, on macOS, and in Linux on Windows.
const OPENERS: &[&str] = &["xdg-open", "open", "wslview"];

#[derive(Args, Debug)]
pub struct OpenArgs {
    /// The environment
    name: String,

    /// Only print the link
    #[arg(long)]
    print: bool,

    /// Where the server is [default: http://127.0.0.1:4566]
    #[arg(long, visible_alias = "endpoint-url", value_name = "URL", env = env::AWS_ENDPOINT_URL)]
    endpoint: Option<Endpoint>,

    /// The environment's region [default: AWS_REGION, AWS_DEFAULT_REGION or us-east-1]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
}

impl OpenArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let endpoint = self.endpoint.clone().unwrap_or_else(default_endpoint);
        let region = self.region.clone().unwrap_or_else(crate::cli::commands::call::region_from_env);
        let mut remote = Remote::new(endpoint.clone(), Trust::default(), region)?;
        let found = remote.call("mwaa", "GetEnvironment", &serde_json::json!({ "Name": self.name }))?;
        let version = text(&found["Environment"], "AirflowVersion").to_owned();
        let url = Site::new(&endpoint, &self.name, &version)?.login_url(&mut remote)?;
        writeln!(out, "{url}")?;
        if !self.print {
            in_browser(&url);
        }
        Ok(0)
    }
}

/// Opens a link, where there is something that does.
pub fn in_browser(url: &str) {
    let quiet = std::process::Stdio::null;
    let opened = OPENERS.iter().any(|opener| {
        let child = std::process::Command::new(opener).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
        child.is_ok()
    });
    if !opened {
        to_stderr(&format!("no browser can be opened from here: none of {} is there\n", OPENERS.join(", ")));
    }
}
