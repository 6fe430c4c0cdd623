//! `proton down`: deletes what `proton up` made of a folder.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::project::{self, Project, Template};
use super::up::wait;
use crate::cli::commands::remote::{Remote, RemoteArgs, list, text};
use crate::cli::paint::{Board, Tone};
use crate::error::CommandError;

#[derive(Args, Debug)]
pub struct DownArgs {
    /// The folder that `up` was given
    #[arg(default_value = ".")]
    dir: PathBuf,

    /// Keep the templates and their versions
    #[arg(long)]
    keep_templates: bool,

    /// Wait no longer than this for each deletion, as in 30s or 10m
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = standin_core::parse_duration)]
    timeout: Duration,

    #[command(flatten)]
    remote: RemoteArgs,
}

impl DownArgs {
    pub(super) fn run(&self) -> Result<u8, CommandError> {
        let project = project::read(&self.dir)?;
        let mut down = Down { remote: self.remote.remote()?, board: Board::stderr(), timeout: self.timeout };
        down.all(&project, self.keep_templates)?;
        Ok(0)
    }
}

struct Down {
    remote: Remote,
    board: Board,
    timeout: Duration,
}

impl Down {
    fn all(&mut self, project: &Project, keep_templates: bool) -> Result<(), CommandError> {
        for component in &project.components {
            self.detach(&component.name)?;
            self.delete("Component", "component", &component.name)?;
        }
        for service in &project.services {
            self.delete("Service", "service", &service.name)?;
        }
        for environment in &project.environments {
            self.delete("Environment", "environment", &environment.name)?;
        }
        if !keep_templates {
            // Services' templates are compatible with environments' templates: these go last.
            for of_services in [true, false] {
                for template in project.templates.iter().filter(|template| template.is_service() == of_services) {
                    self.template(template)?;
                }
            }
        }
        Ok(())
    }

    /// Attached components cannot be deleted.
    fn detach(&mut self, name: &str) -> Result<(), CommandError> {
        let Some(found) = self.remote.find("GetComponent", &json!({ "name": name }))? else { return Ok(()) };
        if text(&found["component"], "serviceName").is_empty() {
            return Ok(());
        }
        let label = format!("component {name}");
        self.board.say(&label, Tone::Busy, "detaching");
        let detach = json!({
            "name": name,
            "deploymentType": "CURRENT_VERSION",
            "serviceName": "",
            "serviceInstanceName": "",
        });
        self.remote.proton("UpdateComponent", &detach)?;
        wait(&mut self.remote, self.timeout, &label, |remote| {
            let found = remote.find("GetComponent", &json!({ "name": name }))?;
            let status = found.map(|found| text(&found["component"], "deploymentStatus").to_owned());
            Ok((status.as_deref() != Some("IN_PROGRESS")).then_some(()))
        })
    }

    fn delete(&mut self, kind: &str, word: &str, name: &str) -> Result<(), CommandError> {
        let (label, named) = (format!("{word} {name}"), json!({ "name": name }));
        let get = format!("Get{kind}");
        if self.remote.find(&get, &named)?.is_none() {
            self.board.say(&label, Tone::Faint, "not there");
            return Ok(());
        }
        self.board.say(&label, Tone::Busy, "deleting");
        self.remote.proton(&format!("Delete{kind}"), &named)?;
        let failed = wait(&mut self.remote, self.timeout, &label, |remote| {
            let Some(found) = remote.find(&get, &named)? else { return Ok(Some(None)) };
            let found = &found[word];
            let failed = ["status", "deploymentStatus"].iter().any(|status| text(found, status) == "DELETE_FAILED");
            Ok(failed.then(|| Some(message(found).to_owned())))
        })?;
        if let Some(message) = failed {
            self.board.say(&label, Tone::Bad, "DELETE_FAILED");
            return Err(CommandError::failure(anyhow::anyhow!("{label} cannot be deleted: {message}")));
        }
        self.board.say(&label, Tone::Good, "deleted");
        Ok(())
    }

    /// Deletes a template with all its versions, the recommended one last: so Proton wants it.
    fn template(&mut self, template: &Template) -> Result<(), CommandError> {
        let (kind, name) = (template.kind(), &template.name);
        let label = format!("{} template {name}", kind.to_lowercase());
        let Some(found) = self.remote.find(&format!("Get{kind}Template"), &json!({ "name": name }))? else {
            self.board.say(&label, Tone::Faint, "not there");
            return Ok(());
        };
        let recommended = text(&found[format!("{}Template", kind.to_lowercase())], "recommendedVersion").to_owned();
        let versions = |remote: &mut Remote, major: Option<&str>| {
            let mut input = json!({ "templateName": name });
            if let Some(major) = major {
                input["majorVersion"] = json!(major);
            }
            let found = remote.proton(&format!("List{kind}TemplateVersions"), &input)?;
            Ok::<Vec<Value>, CommandError>(list(&found, "templateVersions").to_vec())
        };
        let mut all = Vec::new();
        for major in versions(&mut self.remote, None)? {
            for version in versions(&mut self.remote, Some(text(&major, "majorVersion")))? {
                all.push((text(&version, "majorVersion").to_owned(), text(&version, "minorVersion").to_owned()));
            }
        }
        let number = |text: &str| text.parse::<u64>().unwrap_or(0);
        all.sort_by_key(|(major, minor)| (format!("{major}.{minor}") == recommended, number(major), number(minor)));
        for (major, minor) in all {
            let named = json!({ "templateName": name, "majorVersion": major, "minorVersion": minor });
            self.remote.proton(&format!("Delete{kind}TemplateVersion"), &named)?;
        }
        self.remote.proton(&format!("Delete{kind}Template"), &json!({ "name": name }))?;
        self.board.say(&label, Tone::Good, "deleted");
        Ok(())
    }
}

fn message(found: &Value) -> &str {
    ["statusMessage", "deploymentStatusMessage"]
        .iter()
        .map(|name| text(found, name))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}
