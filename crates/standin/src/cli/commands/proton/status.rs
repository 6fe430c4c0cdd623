//! `proton status`: what is deployed, from which versions, and how it is.

use std::collections::HashMap;
use std::io::Write as _;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Out;
use crate::cli::commands::remote::{Remote, RemoteArgs, list, text};
use crate::cli::paint::{Cell, Paint, Tone, table};
use crate::env;
use crate::error::CommandError;

const WATCH: Duration = Duration::from_secs(2);

#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Look again every two seconds, until interrupted
    #[arg(long, conflicts_with = "json")]
    watch: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    remote: RemoteArgs,
}

impl StatusArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let mut remote = self.remote.remote()?;
        if self.json {
            out.json(&read(&mut remote)?)?;
            return Ok(0);
        }
        let paint = Paint::of(&std::io::stdout(), &env::process);
        if !self.watch {
            write!(out, "{}", tables(&read(&mut remote)?, paint))?;
            return Ok(0);
        }
        loop {
            let text = tables(&read(&mut remote)?, paint);
            // The whole screen, so that nothing of a longer table before stays.
            let clear = if paint == Paint::NONE { "" } else { "\x1b[H\x1b[2J" };
            std::io::stdout().write_all(format!("{clear}{text}").as_bytes()).map_err(CommandError::output)?;
            std::io::stdout().flush().map_err(CommandError::output)?;
            std::thread::sleep(WATCH);
        }
    }
}

/// Everything that is deployed.
fn read(remote: &mut Remote) -> Result<Value, CommandError> {
    let none = json!({});
    let mut recommended = HashMap::new();
    for kind in ["Environment", "Service"] {
        let templates = remote.proton(&format!("List{kind}Templates"), &none)?;
        for template in list(&templates, "templates") {
            let version = text(template, "recommendedVersion").to_owned();
            recommended.insert((kind, text(template, "name").to_owned()), version);
        }
    }
    let row = |kind: &'static str, found: &Value| {
        let recommended = recommended.get(&(kind, text(found, "templateName").to_owned()));
        deployed(found, recommended.map(String::as_str).unwrap_or_default())
    };
    let environments = remote.proton("ListEnvironments", &none)?;
    let environments: Vec<Value> =
        list(&environments, "environments").iter().map(|found| row("Environment", found)).collect();
    let services = remote.proton("ListServices", &none)?;
    let (mut shown, mut pipelines) = (Vec::new(), Vec::new());
    for service in list(&services, "services") {
        let name = text(service, "name");
        shown.push(json!({
            "name": name,
            "template": text(service, "templateName"),
            "status": text(service, "status"),
            "message": text(service, "statusMessage"),
        }));
        // Lists of services do not tell of pipelines.
        let found = remote.find("GetService", &json!({ "name": name }))?.unwrap_or_default();
        let pipeline = &found["service"]["pipeline"];
        if !pipeline.is_null() {
            let mut pipeline = row("Service", pipeline);
            pipeline["service"] = json!(name);
            pipelines.push(pipeline);
        }
    }
    let instances = remote.proton("ListServiceInstances", &none)?;
    let instances = list(&instances, "serviceInstances").iter().map(|found| {
        let mut instance = row("Service", found);
        instance["service"] = found["serviceName"].clone();
        instance["environment"] = found["environmentName"].clone();
        instance
    });
    let components = remote.proton("ListComponents", &none)?;
    let components = list(&components, "components").iter().map(|found| {
        let mut component = deployed(found, "");
        for (name, member) in
            [("environment", "environmentName"), ("service", "serviceName"), ("instance", "serviceInstanceName")]
        {
            component[name] = json!(text(found, member));
        }
        component
    });
    Ok(json!({
        "environments": environments,
        "services": shown,
        "instances": instances.collect::<Vec<_>>(),
        "pipelines": pipelines,
        "components": components.collect::<Vec<_>>(),
    }))
}

/// What is told of anything that is deployed. Components have no version.
fn deployed(found: &Value, recommended: &str) -> Value {
    let mut shown = json!({
        "name": text(found, "name"),
        "status": text(found, "deploymentStatus"),
        "message": text(found, "deploymentStatusMessage"),
        "lastDeployment": text(found, "lastDeploymentAttemptedAt"),
    });
    let template = text(found, "templateName");
    if !template.is_empty() {
        let version = format!("{}.{}", text(found, "templateMajorVersion"), text(found, "templateMinorVersion"));
        shown["behind"] = json!(!recommended.is_empty() && version != recommended);
        shown["template"] = json!(template);
        shown["version"] = json!(version);
        shown["recommendedVersion"] = json!(recommended);
    }
    shown
}

fn tables(found: &Value, paint: Paint) -> String {
    let mut out = String::new();
    let cell = |row: &Value, name: &str| Cell::from(text(row, name));
    let mut part = |title: &str, name: &str, header: &[&str], cells: &dyn Fn(&Value) -> Vec<Cell>| {
        let rows: Vec<Vec<Cell>> = list(found, name).iter().map(cells).collect();
        if rows.is_empty() {
            return;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("{} ({})\n", paint.text(Tone::Title, title), rows.len()));
        out.push_str(&table(header, &rows, paint));
    };
    let end = |row: &Value| vec![version(row), status(row), time(row), cell(row, "message")];
    part("Environments", "environments", &["NAME", "TEMPLATE", "VERSION", "STATUS", "LAST DEPLOYMENT", ""], &|row| {
        [vec![cell(row, "name"), cell(row, "template")], end(row)].concat()
    });
    part("Services", "services", &["NAME", "TEMPLATE", "STATUS", ""], &|row| {
        vec![cell(row, "name"), cell(row, "template"), status(row), cell(row, "message")]
    });
    let header = ["SERVICE", "INSTANCE", "ENVIRONMENT", "VERSION", "STATUS", "LAST DEPLOYMENT", ""];
    part("Instances", "instances", &header, &|row| {
        [vec![cell(row, "service"), cell(row, "name"), cell(row, "environment")], end(row)].concat()
    });
    part("Pipelines", "pipelines", &["SERVICE", "VERSION", "STATUS", "LAST DEPLOYMENT", ""], &|row| {
        [vec![cell(row, "service")], end(row)].concat()
    });
    let header = ["NAME", "ENVIRONMENT", "ATTACHED TO", "STATUS", "LAST DEPLOYMENT", ""];
    part("Components", "components", &header, &|row| {
        let attached = match (text(row, "service"), text(row, "instance")) {
            ("", _) => String::new(),
            (service, instance) => format!("{service}/{instance}"),
        };
        vec![cell(row, "name"), cell(row, "environment"), attached.into(), status(row), time(row), cell(row, "message")]
    });
    if out.is_empty() { "nothing is deployed\n".to_owned() } else { out }
}

fn version(row: &Value) -> Cell {
    let version = text(row, "version");
    if row["behind"] == json!(true) {
        return Cell { text: format!("{version} (behind {})", text(row, "recommendedVersion")), tone: Tone::Busy };
    }
    Cell { text: format!("{version} (up to date)"), tone: Tone::Plain }
}

fn status(row: &Value) -> Cell {
    let status = text(row, "status");
    let tone = match status {
        "SUCCEEDED" | "ACTIVE" => Tone::Good,
        _ if status.ends_with("IN_PROGRESS") || status.starts_with("CANCEL") => Tone::Busy,
        _ => Tone::Bad,
    };
    Cell { text: status.to_owned(), tone }
}

/// To the second.
fn time(row: &Value) -> Cell {
    let time = text(row, "lastDeployment");
    let whole = time.split_once('.').map_or(time, |(whole, _)| whole);
    Cell::from(whole.trim_end_matches('Z').replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_tell_what_is_behind() {
        let environment = json!({
            "name": "beta", "templateName": "network", "templateMajorVersion": "1", "templateMinorVersion": "0",
            "deploymentStatus": "FAILED", "deploymentStatusMessage": "no room", "lastDeploymentAttemptedAt": "2026-10-08T07:06:05.123Z",
        });
        let found = json!({ "environments": [deployed(&environment, "1.1")] });
        let text = tables(&found, Paint::NONE);
        let expect = "Environments (1)\nNAME  TEMPLATE  VERSION           STATUS  LAST DEPLOYMENT\n\
                      beta  network   1.0 (behind 1.1)  FAILED  2026-10-08 07:06:05  no room\n";
        assert_eq!(text, expect);
        assert_eq!(deployed(&environment, "1.0")["behind"], false);
        assert_eq!(tables(&json!({}), Paint::NONE), "nothing is deployed\n");
    }
}
