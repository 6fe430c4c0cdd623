use std::path::PathBuf;

use clap::Args;

use super::call::default_endpoint;
use crate::cli::Out;
use crate::client::{Endpoint, Introspection, Trust};
use crate::env;
use crate::error::CommandError;

/// Print the certificate of the server's own CA, for clients that use HTTPS or the proxy
#[derive(Args, Debug)]
pub struct CaArgs {
    /// Read it from this data directory, instead of asking the server
    #[arg(long, value_name = "DIR", env = env::DATA_DIR)]
    data_dir: Option<PathBuf>,

    /// Where the server is [default: http://127.0.0.1:4566]
    #[arg(long, value_name = "URL", conflicts_with = "data_dir")]
    endpoint: Option<Endpoint>,
}

impl CaArgs {
    pub(crate) fn run(self, out: &mut Out) -> Result<u8, CommandError> {
        let endpoint = self.endpoint.unwrap_or_else(default_endpoint);
        let pem = match &self.data_dir {
            Some(folder) => crate::serve::ca_pem(folder)?,
            None => {
                Introspection::new(endpoint, Trust::default()).and_then(|mut server| server.ca()).map_err(|error| {
                    CommandError::failure(error)
                        .hint("start a server with `standin`, or name its data directory with --data-dir")
                })?
            }
        };
        write!(out, "{pem}")?;
        Ok(0)
    }
}
