//! `standin mockoon export` and `standin openapi export`: AWS APIs as files for other tools.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;
use standin_model::Service;

use crate::cli::output::to_stderr;
use crate::cli::{Models, Out, names};
use crate::error::{Attempt as _, CommandError};

/// Which API, and where to.
#[derive(Args, Clone, Debug)]
pub struct ExportArgs {
    /// The service, by id, SDK id, endpoint prefix or title
    service: String,

    /// Write to this file [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Of this API version [default: the newest]
    #[arg(long, value_name = "DATE")]
    api_version: Option<String>,

    #[command(flatten)]
    models: Models,
}

impl ExportArgs {
    /// Writes a Mockoon environment.
    pub(crate) fn mockoon(&self, out: &mut Out) -> Result<u8, CommandError> {
        let service = self.service()?;
        let export = standin_export::mockoon::environment(service);
        for name in export.unreachable {
            to_stderr(&format!("standin: {name} is left out: nothing tells its requests from another operation's\n"));
        }
        self.write(&export.environment, out)
    }

    fn service(&self) -> Result<&'static Service, CommandError> {
        names::open(names::service(self.models.catalogue()?, &self.service, self.api_version.as_deref())?)
    }

    fn write(&self, value: &Value, out: &mut Out) -> Result<u8, CommandError> {
        let Some(file) = &self.out else {
            out.json(value)?;
            return Ok(0);
        };
        std::fs::write(file, format!("{value:#}\n")).attempt(format_args!("cannot write {}", file.display()))?;
        Ok(0)
    }
}

/// Write an AWS API as an OpenAPI document
#[derive(Args, Debug)]
pub struct OpenApiArgs {
    #[command(subcommand)]
    command: OpenApiCommand,
}

#[derive(Subcommand, Debug)]
enum OpenApiCommand {
    /// Write an AWS API as OpenAPI 3.1
    Export(ExportArgs),
}

impl OpenApiArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let OpenApiCommand::Export(export) = &self.command;
        export.write(&standin_export::openapi::document(export.service()?), out)
    }
}
