use clap::Args;
use serde_json::{Value, json};
use standin_model::{Catalogue, Entry, nearest};

use crate::cli::{Models, Out};
use crate::error::CommandError;

/// List the services that standin knows
#[derive(Args, Debug)]
pub struct ServicesArgs {
    /// Only services with this in their id, SDK id, title, endpoint prefix or signing name
    filter: Option<String>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    models: Models,
}

impl ServicesArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let catalogue = self.models.catalogue()?;
        let filter = self.filter.as_deref().unwrap_or_default().to_lowercase();
        let entries: Vec<&Entry> = catalogue.services().filter(|entry| matches(entry, &filter)).collect();
        if self.json {
            out.json(&entries.iter().map(|entry| as_json(catalogue, entry)).collect())?;
            return Ok(0);
        }
        if entries.is_empty() {
            let near = nearest(&filter, catalogue.services().map(|entry| entry.id), 4);
            return Err(CommandError::failure(anyhow::anyhow!("no service has {filter:?} in its names")).near(&near));
        }
        let rows: Vec<[String; 6]> = entries.iter().map(|entry| row(catalogue, entry)).collect();
        out.table(["ID", "SERVICE", "API VERSIONS", "PROTOCOLS", "OPERATIONS", ""], &rows)?;
        let operations: u32 = entries.iter().map(|entry| entry.operation_count).sum();
        writeln!(out, "\n{} services, {operations} operations", entries.len())?;
        Ok(0)
    }
}

fn matches(entry: &Entry, filter: &str) -> bool {
    [entry.id, entry.sdk_id, entry.title, entry.endpoint_prefix, entry.signing_name]
        .iter()
        .any(|name| name.to_lowercase().contains(filter))
}

fn row(catalogue: &Catalogue, entry: &Entry) -> [String; 6] {
    let older = catalogue.versions(entry.id).count() - 1;
    let versions = if older == 0 { entry.version.to_owned() } else { format!("{} +{older} older", entry.version) };
    let protocols: Vec<&str> = entry.protocols.iter().map(|protocol| protocol.name()).collect();
    [
        entry.id.to_owned(),
        entry.title.to_owned(),
        versions,
        protocols.join(" "),
        format!("{:>10}", entry.operation_count),
        if entry.retired { "retired".to_owned() } else { String::new() },
    ]
}

fn as_json(catalogue: &Catalogue, entry: &Entry) -> Value {
    json!({
        "id": entry.id,
        "sdkId": entry.sdk_id,
        "title": entry.title,
        "versions": catalogue.versions(entry.id).map(|entry| entry.version).collect::<Vec<_>>(),
        "protocols": entry.protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>(),
        "endpointPrefix": entry.endpoint_prefix,
        "signingName": entry.signing_name,
        "operations": entry.operation_count,
        "retired": entry.retired,
    })
}
