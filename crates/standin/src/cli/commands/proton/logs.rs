//! `proton logs`: the log of a deployment, as CloudWatch Logs of the running server keeps it.

use std::collections::HashSet;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Out;
use crate::cli::commands::remote::{Remote, RemoteArgs, list, text};
use crate::error::CommandError;

/// Where deployments write.
const GROUP: &str = "/aws/proton/deployments";
/// How often a log that is followed is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How far back a look goes, for lines that were written late.
const BACK_MS: i64 = 60_000;

#[derive(Args, Debug)]
pub struct LogsArgs {
    /// A deployment's id, or a resource, whose last deployment is meant
    ///
    /// Resources by ARN, or as environment/NAME, service/NAME/pipeline, service/NAME/service-instance/NAME or
    /// component/NAME.
    #[arg(value_name = "DEPLOYMENT|RESOURCE")]
    of: String,

    /// Go on until the deployment ends; exit code 1 where it did not succeed
    #[arg(long, short)]
    follow: bool,

    /// Only lines that fit: words, "a phrase", or %a regular expression%, as CloudWatch filters them
    #[arg(long, value_name = "PATTERN")]
    grep: Option<String>,

    /// Print JSON, a line for each line
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    remote: RemoteArgs,
}

impl LogsArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let mut remote = self.remote.remote()?;
        let id = deployment(&mut remote, &self.of)?;
        let (mut seen, mut newest) = (HashSet::<String>::new(), 0);
        let mut any = false;
        loop {
            // Asked before the lines are: what is written until it ends is among them.
            let status = status(&mut remote, &id)?;
            let lines = self.lines(&mut remote, &id, newest - BACK_MS)?;
            for line in &lines {
                let time = line["timestamp"].as_i64().unwrap_or_default();
                newest = newest.max(time);
                if !seen.contains(text(line, "eventId")) {
                    any = true;
                    self.print(out, line, time)?;
                }
            }
            // What comes again in the next look is among what came in this one.
            seen = lines.iter().map(|line| text(line, "eventId").to_owned()).collect();
            if !self.follow || !is_busy(&status) {
                if !any && self.grep.is_none() {
                    crate::cli::output::to_stderr(&format!("deployment {id} is {status}, and has no log\n"));
                }
                let succeeded = matches!(status.as_str(), "SUCCEEDED" | "DELETE_COMPLETE");
                return Ok(u8::from(self.follow && !succeeded));
            }
            out.flush()?;
            std::thread::sleep(LOOK);
        }
    }

    fn print(&self, out: &mut Out, line: &Value, time: i64) -> Result<(), CommandError> {
        let time = standin_model::Timestamp::from_millis(time).to_date_time();
        let message = text(line, "message").trim_end_matches('\n');
        if self.json {
            writeln!(out, "{}", json!({"time": time, "message": message}))?;
        } else {
            writeln!(out, "{time}  {message}")?;
        }
        Ok(())
    }

    /// The lines from a time on that fit; none where the deployment has written nothing yet.
    fn lines(&self, remote: &mut Remote, id: &str, from: i64) -> Result<Vec<Value>, CommandError> {
        let mut input = json!({"logGroupName": GROUP, "logStreamNames": [id], "startTime": from.max(0)});
        if let Some(pattern) = &self.grep {
            input["filterPattern"] = json!(pattern);
        }
        match remote.attempt("logs", "FilterLogEvents", &input)? {
            Ok(found) => Ok(list(&found, "events").to_vec()),
            Err(error) if error.code == "ResourceNotFoundException" => Ok(Vec::new()),
            Err(error) => Err(CommandError::failure(anyhow::anyhow!("FilterLogEvents: {}", error.message))),
        }
    }
}

/// Of a UUID.
const ID_CHARS: usize = 36;

fn is_busy(status: &str) -> bool {
    status.ends_with("IN_PROGRESS") || status == "CANCELLING"
}

fn status(remote: &mut Remote, id: &str) -> Result<String, CommandError> {
    let found = remote.find("GetDeployment", &json!({ "id": id }))?;
    let found = found.ok_or_else(|| CommandError::failure(anyhow::anyhow!("there is no deployment {id}")))?;
    Ok(text(&found["deployment"], "deploymentStatus").to_owned())
}

/// The id of what is asked for.
fn deployment(remote: &mut Remote, of: &str) -> Result<String, CommandError> {
    // Of an ARN, what comes after the account.
    let resource = if of.starts_with("arn:") { of.splitn(6, ':').last().unwrap_or_default() } else { of };
    let parts: Vec<&str> = resource.split('/').collect();
    let (operation, input, member) = match parts[..] {
        ["deployment", id] => return Ok(id.to_owned()),
        [id] if id.len() == ID_CHARS && id.matches('-').count() == 4 => return Ok(id.to_owned()),
        ["environment", name] => ("GetEnvironment", json!({ "name": name }), "environment"),
        ["component", name] => ("GetComponent", json!({ "name": name }), "component"),
        ["service", name, "pipeline"] | ["service", name, "pipeline", _] => {
            ("GetService", json!({ "name": name }), "service")
        }
        ["service", service, "service-instance", name] => {
            ("GetServiceInstance", json!({"serviceName": service, "name": name}), "serviceInstance")
        }
        _ => {
            return Err(CommandError::usage(anyhow::anyhow!("{of:?} names neither a deployment nor a resource"))
                .hint("a deployment's id, environment/NAME, service/NAME/pipeline, service/NAME/service-instance/NAME or component/NAME"));
        }
    };
    let found = remote.find(operation, &input)?;
    let found = found.ok_or_else(|| CommandError::failure(anyhow::anyhow!("there is no {resource}")))?;
    let resource_of = if operation == "GetService" { &found[member]["pipeline"] } else { &found[member] };
    match text(resource_of, "lastAttemptedDeploymentId") {
        "" => Err(CommandError::failure(anyhow::anyhow!("{resource} was never deployed"))),
        id => Ok(id.to_owned()),
    }
}
