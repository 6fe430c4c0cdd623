//! `faults`: what goes wrong on the running server, on request.

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value};
use standin_faults::{catalogue, presets};
use standin_model::Catalogue;

use super::introspect::{ServerArgs, percent_encoded};
use crate::cli::{Out, names};
use crate::error::CommandError;

/// Make things go wrong on the running server: errors, latency, broken connections
#[derive(Args, Debug)]
pub struct FaultsArgs {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the rules, and how often they were used
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a rule, as in: add service=dynamodb operation='Put*' error=throttling probability=0.1
    ///
    /// docs/how-to/inject-faults.md tells what a rule can have.
    Add {
        /// Members of the rule; a value that is JSON counts as such
        #[arg(value_name = "NAME=VALUE", required = true, value_parser = member)]
        members: Vec<(String, Value)>,
    },
    /// Remove rules
    Remove {
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Remove all rules
    Clear,
    /// Add the rules of presets, or list them
    Preset {
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
    /// List the errors that operations can return; needs no server
    Catalogue {
        /// A service, by its id or any of its names
        service: String,
        /// One operation [default: all]
        operation: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl FaultsArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match self.what.as_ref().unwrap_or(&What::List { json: false }) {
            What::List { json } => self.list(*json, out)?,
            What::Add { members } => {
                let rule: Map<String, Value> = members.iter().cloned().collect();
                let added = self.server.tell("/_standin/faults", &Value::Object(rule))?;
                writeln!(out, "{}", added["id"].as_str().unwrap_or_default())?;
            }
            What::Remove { ids } => {
                for id in ids {
                    self.server.bytes(
                        &Method::DELETE,
                        &format!("/_standin/faults/{}", percent_encoded(id)),
                        Bytes::new(),
                    )?;
                }
            }
            What::Clear => {
                self.server.bytes(&Method::DELETE, "/_standin/faults", Bytes::new())?;
            }
            What::Preset { names } if names.is_empty() => {
                let rows: Vec<[String; 2]> =
                    presets().iter().map(|preset| [preset.name.to_owned(), preset.description.to_owned()]).collect();
                out.table(["PRESET", "WHAT IT DOES"], &rows)?;
            }
            What::Preset { names } => {
                for name in names {
                    self.server.tell(&format!("/_standin/faults/presets/{}", percent_encoded(name)), &Value::Null)?;
                }
                self.list(false, out)?;
            }
            What::Catalogue { service, operation, json } => errors(service, operation.as_deref(), *json, out)?,
        }
        Ok(0)
    }

    fn list(&self, json: bool, out: &mut Out) -> Result<(), CommandError> {
        let listed = self.server.ask("/_standin/faults")?;
        if json {
            out.json(&listed)?;
            return Ok(());
        }
        let rows: Vec<[String; 4]> = listed["faults"].as_array().into_iter().flatten().map(row).collect();
        out.table(["ID", "MATCHED", "HIT", "RULE"], &rows)?;
        if !rows.is_empty() {
            writeln!(out, "drawn from the seed {}; --seed {0} repeats it", listed["seed"])?;
        }
        Ok(())
    }
}

fn row(rule: &Value) -> [String; 4] {
    let words = rule.as_object().into_iter().flatten().filter(|(name, value)| match name.as_str() {
        "id" | "matched" | "hit" => false,
        "enabled" => **value != true,
        "probability" => **value != 1.0,
        _ => true,
    });
    let words: Vec<String> = words
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name}={text}"),
            other => format!("{name}={other}"),
        })
        .collect();
    [
        rule["id"].as_str().unwrap_or_default().to_owned(),
        rule["matched"].to_string(),
        rule["hit"].to_string(),
        words.join(" "),
    ]
}

fn member(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((name.to_owned(), value))
}

fn errors(service: &str, operation: Option<&str>, json: bool, out: &mut Out) -> Result<(), CommandError> {
    let service = names::open(names::service(Catalogue::shared(), service, None)?)?;
    let operations: Vec<_> = match operation {
        Some(name) => vec![names::operation(service, name)?],
        None => service.operations.iter().collect(),
    };
    let mut rows = Vec::new();
    for operation in operations {
        for error in catalogue(service, operation) {
            rows.push([
                operation.name.to_owned(),
                error.name.to_owned(),
                error.status.to_string(),
                if error.retryable { "yes" } else { "no" }.to_owned(),
                error.meaning.name().to_owned(),
            ]);
        }
    }
    if json {
        let list: Vec<Value> = rows
            .iter()
            .map(|[operation, error, status, retryable, meaning]| {
                serde_json::json!({
                    "operation": operation, "error": error, "status": status.parse::<u16>().unwrap_or_default(),
                    "retryable": retryable == "yes", "meaning": meaning,
                })
            })
            .collect();
        out.json(&Value::Array(list))?;
        return Ok(());
    }
    out.table(["OPERATION", "ERROR", "STATUS", "RETRYABLE", "MEANING"], &rows)?;
    Ok(())
}
