//! `proton up`: registers, publishes and deploys what a folder holds, as far as it is not so already.

mod components;
mod environments;
mod services;
mod templates;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use serde_json::{Map, Value, json};
use standin_proton::manifest::Method;

use super::project::{self, Component, Environment, Project};
use super::tell;
use crate::cli::Out;
use crate::cli::commands::remote::{Remote, RemoteArgs, list, text};
use crate::cli::paint::{Board, Cell, Paint, Tone, table};
use crate::env;
use crate::error::CommandError;

/// The tag of a template version that tells which bundle it has.
pub const BUNDLE_TAG: &str = "standin:bundle";
/// Between two looks at something that goes on: this at first, then longer.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub struct UpArgs {
    /// A bundle, or a folder of bundles; a proton.toml in it says more
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Register changed bundles as new major versions
    #[arg(long)]
    major: bool,

    /// Wait no longer than this for each deployment, as in 30s or 10m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = standin_core::parse_duration)]
    timeout: Duration,

    /// Print JSON: what was done, and the outputs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    remote: RemoteArgs,
}

impl UpArgs {
    pub(super) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let project = project::read(&self.dir)?;
        tell(&project.findings);
        if project.findings.iter().any(standin_proton::Finding::is_error) {
            return Err(CommandError::failure(anyhow!("nothing was registered: {} has errors", self.dir.display())));
        }
        let mut remote = self.remote.remote()?;
        let account = remote.account()?;
        let role = project.role.clone().unwrap_or_else(|| format!("arn:aws:iam::{account}:role/proton"));
        let mut up = Up {
            remote,
            board: Board::stderr(),
            account,
            role,
            major: self.major,
            timeout: self.timeout,
            done: Vec::new(),
        };
        let outcome = up.all(&project);
        up.board.done();
        outcome?;
        let report = up.report(&project)?;
        if self.json {
            out.json(&report)?;
        } else {
            let paint = Paint::of(&std::io::stdout(), &env::process);
            write!(out, "{}", table(&["OF", "OUTPUT", "VALUE"], &output_rows(&report), paint))?;
        }
        Ok(0)
    }
}

/// A template version as operations name it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    major: String,
    minor: String,
}

impl Version {
    fn read(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once('.')?;
        Some(Self { major: major.to_owned(), minor: minor.to_owned() })
    }

    fn deployed(resource: &Value) -> Self {
        let part = |name: &str| text(resource, name).to_owned();
        Self { major: part("templateMajorVersion"), minor: part("templateMinorVersion") }
    }
}

/// What gets a deployed resource to a version and a spec; nothing where it is there already.
fn update(deployed: &Version, wanted: &Version, other: bool) -> Option<Value> {
    let number = |text: &str| text.parse::<u64>().unwrap_or(0);
    if number(&deployed.major) < number(&wanted.major) {
        Some(
            json!({ "deploymentType": "MAJOR_VERSION", "templateMajorVersion": wanted.major, "templateMinorVersion": wanted.minor }),
        )
    } else if deployed.major == wanted.major && deployed.minor != wanted.minor {
        Some(
            json!({ "deploymentType": "MINOR_VERSION", "templateMajorVersion": wanted.major, "templateMinorVersion": wanted.minor }),
        )
    } else {
        other.then(|| json!({ "deploymentType": "CURRENT_VERSION" }))
    }
}

/// Whether the last deployment came to a good end.
fn is_good(resource: &Value) -> bool {
    text(resource, "deploymentStatus") == "SUCCEEDED"
}

/// Says where a deployment is.
fn show(board: &mut Board, label: &str, resource: &Value) {
    let version = Version::deployed(resource);
    match text(resource, "deploymentStatus") {
        "SUCCEEDED" if version.major.is_empty() => board.say(label, Tone::Good, "deployed"),
        "SUCCEEDED" => board.say(label, Tone::Good, &format!("{}.{} deployed", version.major, version.minor)),
        "IN_PROGRESS" => board.say(label, Tone::Busy, "deploying"),
        "DELETE_IN_PROGRESS" => board.say(label, Tone::Busy, "deleting"),
        status => board.say(label, Tone::Bad, status),
    }
}

/// What is said while something begins.
fn begun(doing: &str, method: Option<&Method>) -> String {
    match method {
        Some(Method::Terraform { .. }) => format!("{doing}; NotifyResourceDeploymentStatusChange will end it"),
        _ => doing.to_owned(),
    }
}

fn is_busy(status: &str) -> bool {
    status.ends_with("IN_PROGRESS") || status == "CANCELLING"
}

struct Up {
    remote: Remote,
    board: Board,
    account: String,
    role: String,
    major: bool,
    timeout: Duration,
    /// What was done, in order.
    done: Vec<Value>,
}

impl Up {
    fn all(&mut self, project: &Project) -> Result<(), CommandError> {
        for template in project.templates.iter().filter(|template| !template.is_service()) {
            self.register(project, template, &[])?;
        }
        for environment in &project.environments {
            self.environment(project, environment)?;
        }
        if !project.services.is_empty() {
            self.settings(project)?;
        }
        for (at, template) in project.templates.iter().enumerate().filter(|(_, template)| template.is_service()) {
            let compatible = self.compatible(project, at)?;
            self.register(project, template, &compatible)?;
        }
        for service in &project.services {
            self.service(project, service)?;
        }
        for component in &project.components {
            self.component(project, component)?;
        }
        Ok(())
    }

    fn did(&mut self, what: &str, name: &str, did: &str) {
        self.done.push(json!({ "kind": what, "name": name, "action": did }));
    }

    /// Says how a deployment ended.
    fn judge(&mut self, label: &str, resource: &Value) -> Result<(), CommandError> {
        show(&mut self.board, label, resource);
        if is_good(resource) {
            return Ok(());
        }
        let message = text(resource, "deploymentStatusMessage");
        Err(CommandError::failure(anyhow!("{label} is {}: {message}", text(resource, "deploymentStatus"))))
    }

    fn wait<T>(
        &mut self,
        label: &str,
        look: impl FnMut(&mut Remote) -> Result<Option<T>, CommandError>,
    ) -> Result<T, CommandError> {
        wait(&mut self.remote, self.timeout, label, look)
    }

    fn outputs(&mut self, operation: &str, input: &Value) -> Result<Map<String, Value>, CommandError> {
        let found = self.remote.proton(operation, input)?;
        let outputs = list(&found, "outputs").iter();
        Ok(outputs.map(|output| (text(output, "key").to_owned(), output["valueString"].clone())).collect())
    }

    fn instance_outputs(&mut self, service: &str, instance: &str) -> Result<Map<String, Value>, CommandError> {
        let named = json!({ "serviceName": service, "serviceInstanceName": instance });
        self.outputs("ListServiceInstanceOutputs", &named)
    }

    /// What there is now, with all outputs.
    fn report(&mut self, project: &Project) -> Result<Value, CommandError> {
        let mut report = json!({ "done": self.done, "environments": {}, "services": {}, "components": {} });
        for Environment { name, .. } in &project.environments {
            let outputs = self.outputs("ListEnvironmentOutputs", &json!({ "environmentName": name }))?;
            report["environments"][name] = json!({ "outputs": outputs });
        }
        for service in &project.services {
            let name = &service.name;
            let mut instances = Map::new();
            for (instance, environment) in service.instances() {
                let outputs = self.instance_outputs(name, &instance)?;
                instances.insert(instance, json!({ "environment": environment, "outputs": outputs }));
            }
            report["services"][name] = json!({ "instances": instances });
            if project.templates[service.template].bundle.pipeline.is_some() {
                let outputs = self.outputs("ListServicePipelineOutputs", &json!({ "serviceName": name }))?;
                report["services"][name]["pipeline"] = json!({ "outputs": outputs });
            }
        }
        for Component { name, .. } in &project.components {
            let outputs = self.outputs("ListComponentOutputs", &json!({ "componentName": name }))?;
            report["components"][name] = json!({ "outputs": outputs });
        }
        Ok(report)
    }
}

/// Looks until there is something to see.
///
/// # Errors
/// Those of the looks, and when it takes too long.
pub fn wait<T>(
    remote: &mut Remote,
    timeout: Duration,
    label: &str,
    mut look: impl FnMut(&mut Remote) -> Result<Option<T>, CommandError>,
) -> Result<T, CommandError> {
    let (begin, mut pause) = (Instant::now(), PAUSE_MIN);
    loop {
        if let Some(found) = look(remote)? {
            return Ok(found);
        }
        if begin.elapsed() > timeout {
            let error = anyhow!("{label} is still in progress after {}", standin_core::duration_text(timeout));
            return Err(CommandError::failure(error).hint(
                "deployments by Terraform end when NotifyResourceDeploymentStatusChange is called; --timeout waits longer",
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// A row for each output.
fn output_rows(report: &Value) -> Vec<Vec<Cell>> {
    let mut rows = Vec::new();
    let mut add = |of: String, outputs: &Value| {
        for (name, value) in outputs.as_object().into_iter().flatten() {
            rows.push(vec![of.as_str().into(), name.as_str().into(), value.as_str().unwrap_or_default().into()]);
        }
    };
    let entries = |part: &str| report[part].as_object().cloned().unwrap_or_default();
    for (name, environment) in entries("environments") {
        add(format!("environment {name}"), &environment["outputs"]);
    }
    for (name, service) in entries("services") {
        for (instance, found) in service["instances"].as_object().into_iter().flatten() {
            add(format!("instance {name}/{instance}"), &found["outputs"]);
        }
        add(format!("pipeline of {name}"), &service["pipeline"]["outputs"]);
    }
    for (name, component) in entries("components") {
        add(format!("component {name}"), &component["outputs"]);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_take_the_smallest_step() {
        let check = |deployed: &str, wanted: &str, other: bool, expect: Option<&str>| {
            let version = |text: &str| Version::read(text).expect("a version");
            let found = update(&version(deployed), &version(wanted), other);
            assert_eq!(found.as_ref().map(|found| text(found, "deploymentType")), expect, "{deployed} {wanted}");
        };
        check("1.0", "1.0", false, None);
        check("1.0", "1.0", true, Some("CURRENT_VERSION"));
        check("1.0", "1.1", false, Some("MINOR_VERSION"));
        check("1.9", "2.0", true, Some("MAJOR_VERSION"));
        check("9.0", "10.0", false, Some("MAJOR_VERSION"));
        check("2.0", "1.9", false, None);
    }

    #[test]
    fn outputs_become_rows() {
        let report = json!({
            "environments": { "e": { "outputs": { "VpcId": "vpc-1" } } },
            "services": { "s": { "instances": { "i": { "outputs": { "Url": "u" } } }, "pipeline": { "outputs": {} } } },
            "components": {},
        });
        let rows: Vec<String> = output_rows(&report)
            .iter()
            .map(|row| row.iter().map(|cell| cell.text.as_str()).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(rows, ["environment e VpcId vpc-1", "instance s/i Url u"]);
    }
}
