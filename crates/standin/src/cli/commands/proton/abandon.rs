//! `proton abandon`: lets an environment be deleted whose account is lost.

use clap::Args;
use http::Method;
use serde_json::json;

use crate::cli::Out;
use crate::cli::commands::introspect::ServerArgs;
use crate::error::CommandError;

#[derive(Args, Debug)]
pub struct AbandonArgs {
    /// The ARN of the environment
    #[arg(value_name = "ARN")]
    environment: String,

    #[command(flatten)]
    server: ServerArgs,
}

impl AbandonArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let arn = &self.environment;
        let body = json!({ "arn": arn }).to_string();
        self.server.bytes(&Method::POST, "/_standin/proton/abandon", body.into())?;
        writeln!(
            out,
            "{arn} is deleted without its account from now on: DeleteService, DeleteComponent, DeleteEnvironment"
        )?;
        Ok(0)
    }
}
