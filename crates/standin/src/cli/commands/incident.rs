//! `incident`: what goes wrong in phases, by the clock.

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Map, Value, json};
use standin_faults::{Incident, Shipped, incidents};

use super::introspect::{ServerArgs, percent_encoded};
use crate::cli::Out;
use crate::error::{Attempt as _, CommandError};
use crate::serve;

/// Rehearse an incident: faults in phases, by the clock of the running server
///
/// Without a command it tells which incidents were set going, and which phase is on.
#[derive(Args, Debug)]
pub struct IncidentArgs {
    #[command(subcommand)]
    what: Option<What>,

    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the incidents that ship with standin; needs no server
    List,
    /// Print an incident that ships, as a file to change and run; needs no server
    Show {
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Set an incident going, by the name of one that ships, or a file
    Run {
        #[arg(value_name = "NAME|FILE")]
        incident: String,
        /// When it begins: a time such as 2026-01-01T00:00:00Z, or +10m [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// Tell which incidents were set going, and which phase is on
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// End an incident, or all
    Stop {
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
}

impl IncidentArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        match self.what.as_ref().unwrap_or(&What::Status { json: false }) {
            What::List => {
                let rows: Vec<[String; 2]> = incidents()
                    .iter()
                    .map(Shipped::incident)
                    .map(|Incident { name, description, .. }| [name, description])
                    .collect();
                out.table(["INCIDENT", "WHAT HAPPENS"], &rows)?;
            }
            What::Show { name } => write!(out, "{}", serve::shipped_incident(name)?.text)?,
            What::Run { incident, at } => {
                let incident = serde_json::to_value(serve::incident(incident)?).attempt("cannot write the incident")?;
                let mut body = Map::new();
                body.insert("incident".to_owned(), incident);
                if let Some(at) = at {
                    body.insert("at".to_owned(), json!(at));
                }
                let running = self.server.tell("/_standin/incidents", &Value::Object(body))?;
                phases(&running, out)?;
            }
            What::Status { json } => {
                let told = self.server.ask("/_standin/incidents")?;
                if *json {
                    out.json(&told["incidents"])?;
                } else {
                    told["incidents"].as_array().into_iter().flatten().try_for_each(|one| phases(one, out))?;
                }
            }
            What::Stop { name } => {
                let path = match name {
                    Some(name) => format!("/_standin/incidents/{}", percent_encoded(name)),
                    None => "/_standin/incidents".to_owned(),
                };
                self.server.bytes(&Method::DELETE, &path, Bytes::new())?;
            }
        }
        Ok(0)
    }
}

/// An incident and its phases; an arrow marks those that are on.
fn phases(incident: &Value, out: &mut Out) -> Result<(), CommandError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    writeln!(out, "{}: {}", text(&incident["name"]), text(&incident["state"]))?;
    let rows: Vec<[String; 5]> = incident["phases"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|phase| {
            let mark = if phase["on"] == true { "->" } else { "" };
            let fields = [&phase["name"], &phase["from"], &phase["until"], &phase["description"]].map(text);
            let [name, from, until, description] = fields;
            [mark.to_owned(), name, from, until, description]
        })
        .collect();
    out.table(["", "PHASE", "FROM", "UNTIL", "WHAT HAPPENS"], &rows)?;
    Ok(())
}
