//! `standin describe`: what a service offers, and what an operation takes, gives and refuses.

mod example;
mod json;
mod lifecycle;
mod tree;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use standin_lifecycle::Overlay;
use standin_model::{Catalogue, Entry, Operation, Paginator, Service};

use super::call::streaming_member;
use crate::cli::names::{self, aws_command, kebab, quote};
use crate::cli::{Models, Out};
use crate::config::DEFAULT_PORT;
use crate::error::CommandError;

/// Describe a service, or one of its operations with an example to try
#[derive(Args, Debug)]
pub struct DescribeArgs {
    /// The service, by id, SDK id, endpoint prefix or title
    service: String,

    /// The operation, as in ListTagsForResource or list-tags-for-resource
    operation: Option<String>,

    /// Show what the service's resources are and what each operation does to them, with --json also why
    #[arg(long, conflicts_with = "operation")]
    lifecycle: bool,

    /// With --lifecycle: an overlay that corrects what was inferred
    #[arg(long, value_name = "FILE", requires = "lifecycle")]
    overlay: Vec<PathBuf>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Of this API version [default: the newest]
    #[arg(long, value_name = "DATE")]
    api_version: Option<String>,

    #[command(flatten)]
    models: Models,
}

impl DescribeArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let catalogue = self.models.catalogue()?;
        let entry = names::service(catalogue, &self.service, self.api_version.as_deref())?;
        let service = names::open(entry)?;
        if self.lifecycle {
            let lifecycle =
                standin_lifecycle::infer_with(service, &self.overlays(service)?).map_err(CommandError::usage)?;
            match self.json {
                true => out.json(&lifecycle::json(&lifecycle))?,
                false => lifecycle::print(&lifecycle, out)?,
            }
            return Ok(0);
        }
        let Some(name) = &self.operation else {
            match self.json {
                true => out.json(&json::service(catalogue, service))?,
                false => print_service(catalogue, service, out)?,
            }
            return Ok(0);
        };
        let operation = names::operation(service, name)?;
        let example = example::input(entry, service, operation);
        match self.json {
            true => out.json(&json::operation(service, operation, &example))?,
            false => print_operation(entry, service, operation, &example, out)?,
        }
        Ok(0)
    }
}

impl DescribeArgs {
    fn overlays(&self, service: &Service) -> Result<Vec<Overlay>, CommandError> {
        let mut overlays = Vec::new();
        for path in &self.overlay {
            let file = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| {
                CommandError::usage(anyhow::Error::new(error).context(format!("cannot read {file}")))
            })?;
            let overlay = Overlay::parse(&file, &text).map_err(CommandError::usage)?;
            if overlay.service() != service.id {
                let message = anyhow::anyhow!("{file} is an overlay of {}, not of {}", overlay.service(), service.id);
                return Err(CommandError::usage(message));
            }
            overlays.push(overlay);
        }
        Ok(overlays)
    }
}

fn print_service(catalogue: &Catalogue, service: &Service, out: &mut Out) -> Result<(), CommandError> {
    writeln!(out, "{} ({})\n", service.title, service.id)?;
    let protocols: Vec<&str> = service.protocols.iter().map(|protocol| protocol.name()).collect();
    let versions: Vec<&str> = catalogue.versions(service.id).map(|entry| entry.version).collect();
    let mut facts = vec![
        ("SDK id", service.sdk_id.to_owned()),
        ("API version", service.version.to_owned()),
        ("protocols", protocols.join(", ")),
        ("endpoint prefix", service.endpoint_prefix.to_owned()),
        ("signing name", service.signing_name.to_owned()),
    ];
    if versions.len() > 1 {
        facts.insert(2, ("all versions", versions.join(", ")));
    }
    facts.extend(service.target_prefix.map(|prefix| ("target prefix", prefix.to_owned())));
    facts.extend(service.global_endpoint.map(|host| ("global endpoint", host.to_owned())));
    if service.retired {
        facts.push(("retired", "AWS has dropped this service; standin keeps it alive".to_owned()));
    }
    for (name, value) in facts {
        writeln!(out, "  {name:<16}{value}")?;
    }
    let prefixes: BTreeSet<&str> = service.operations.iter().filter_map(|operation| operation.host_prefix).collect();
    if !prefixes.is_empty() {
        let prefixes: Vec<&str> = prefixes.into_iter().collect();
        writeln!(out, "  {:<16}{} (`standin env` tells clients not to)", "host prefixes", prefixes.join(", "))?;
    }
    writeln!(out, "\n{} operations", service.operations.len())?;
    for operation in &service.operations {
        let mark = if operation.deprecated { "  (deprecated)" } else { "" };
        writeln!(out, "  {}{mark}", operation.name)?;
    }
    Ok(())
}

fn print_operation(
    entry: &Entry,
    service: &Service,
    operation: &Operation,
    example: &serde_json::Value,
    out: &mut Out,
) -> Result<(), CommandError> {
    writeln!(out, "{} of {} ({} {})\n", operation.name, service.title, service.id, service.version)?;
    for (name, value) in facts(service, operation) {
        writeln!(out, "  {name:<16}{value}")?;
    }
    for (title, shape) in [("Input", operation.input), ("Output", operation.output)] {
        match shape.and_then(|ix| service.structure(ix)).filter(|structure| !structure.members.is_empty()) {
            Some(structure) => writeln!(out, "\n{title}\n{}", tree::members(service, structure))?,
            None => writeln!(out, "\n{title}\n  nothing")?,
        }
    }
    writeln!(out, "\nErrors")?;
    for ix in &operation.errors {
        let Some(error) = service.structure(*ix).and_then(|structure| structure.error.as_ref()) else { continue };
        let name = service.shape(*ix).name;
        let code = error.code.filter(|code| *code != name).map(|code| format!("  code {code}")).unwrap_or_default();
        writeln!(out, "  {} {name}{code}", error.http_status())?;
    }
    if operation.errors.is_empty() {
        writeln!(out, "  none of its own")?;
    }
    print_example(entry, service, operation, example, out)
}

fn facts(service: &Service, operation: &Operation) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if service.protocols.iter().any(|protocol| protocol.is_rest()) {
        facts.push(("HTTP", format!("{} {}", operation.http.method, operation.http.uri.text)));
        facts.push(("success", operation.http.status.to_string()));
    }
    if let Some(prefix) = operation.host_prefix {
        facts.push(("host prefix", prefix.to_owned()));
    }
    if let Some(paginator) = &operation.paginator {
        facts.push(("pages", pages(paginator)));
    }
    let notes = [
        (operation.readonly, "read only"),
        (operation.idempotent, "idempotent"),
        (operation.checksum_required, "needs a checksum of the body"),
        (operation.deprecated, "deprecated"),
    ];
    let notes: Vec<&str> = notes.into_iter().filter(|(is, _)| *is).map(|(_, note)| note).collect();
    if !notes.is_empty() {
        facts.push(("notes", notes.join(", ")));
    }
    facts
}

fn pages(paginator: &Paginator) -> String {
    let size = paginator.limit_key.map(|key| format!(", at most {key} a page")).unwrap_or_default();
    format!(
        "{} by {} from {}{size}",
        paginator.result_key.join(", "),
        paginator.input_token.join(", "),
        paginator.output_token.join(", ")
    )
}

fn print_example(
    entry: &Entry,
    service: &Service,
    operation: &Operation,
    example: &serde_json::Value,
    out: &mut Out,
) -> Result<(), CommandError> {
    let is_empty = example.as_object().is_none_or(serde_json::Map::is_empty);
    if !is_empty {
        writeln!(out, "\nExample input\n{}", indented(&format!("{example:#}")))?;
    }
    let command = kebab(operation.name);
    let input = example.to_string();
    let all = if operation.paginator.is_some() { " --all" } else { "" };
    let given = if is_empty { String::new() } else { format!(" --input {}", quote(&input)) };
    writeln!(out, "\nTry\n  standin call {} {command}{all}{given}", entry.id)?;
    // The AWS CLI knows the newest models only, and writes streams to a file that it wants named.
    if entry.newest && !entry.retired {
        let file = if streaming_member(service, operation.output).is_some() { " out.bin" } else { "" };
        let given = if is_empty { String::new() } else { format!(" --cli-input-json {}", quote(&input)) };
        writeln!(
            out,
            "  aws --endpoint-url http://127.0.0.1:{DEFAULT_PORT} {} {command}{given}{file}",
            aws_command(entry.id)
        )?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
