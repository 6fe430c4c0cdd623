//! Environments, and what the account and its repositories must be like.

use anyhow::anyhow;
use serde_json::{Map, Value, json};
use standin_proton::manifest::Method;

use super::{Up, Version, begun, is_busy, is_good, update};
use crate::cli::commands::proton::project::{self, Environment, Project, Repository};
use crate::cli::commands::remote::text;
use crate::cli::paint::Tone;
use crate::error::CommandError;

impl Up {
    pub(super) fn environment(&mut self, project: &Project, wanted: &Environment) -> Result<(), CommandError> {
        let template = &project.templates[wanted.template];
        let version = self.recommended(template)?;
        let label = format!("environment {}", wanted.name);
        let name = json!({ "name": wanted.name });
        let role = wanted.role.as_ref().unwrap_or(&self.role).clone();
        match self.settled_environment(&label, &wanted.name)? {
            None => {
                let mut input = json!({
                    "name": wanted.name,
                    "templateName": template.name,
                    "templateMajorVersion": version.major,
                    "templateMinorVersion": version.minor,
                    "spec": wanted.spec,
                });
                match template.method() {
                    Some(Method::Terraform { .. }) => {
                        let repository = wanted.repository.as_ref().ok_or_else(|| {
                            CommandError::usage(anyhow!(
                                "the environment {} is made by Terraform, which needs a repository",
                                wanted.name
                            ))
                            .hint(format!(
                                "name one in {}: [environments.{}.repository] with name = \"owner/name\"",
                                project::MANIFEST,
                                wanted.name
                            ))
                        })?;
                        input["provisioningRepository"] = self.repository(repository)?;
                    }
                    Some(Method::CodeBuild(_)) => input["codebuildRoleArn"] = json!(role),
                    _ => {
                        input["protonServiceRoleArn"] = json!(role);
                        input["componentRoleArn"] = json!(role);
                    }
                }
                self.board.say(&label, Tone::Busy, &begun("creating", template.method()));
                self.remote.proton("CreateEnvironment", &input)?;
                self.did("environment", &wanted.name, "created");
            }
            Some(there) => {
                let other = text(&there, "spec") != wanted.spec || !is_good(&there);
                let Some(mut change) = update(&Version::deployed(&there), &version, other) else {
                    self.board.say(&label, Tone::Faint, "as it is");
                    return Ok(());
                };
                change["name"] = name["name"].clone();
                change["spec"] = json!(wanted.spec);
                self.board.say(&label, Tone::Busy, &begun("updating", template.method()));
                self.remote.proton("UpdateEnvironment", &change)?;
                self.did("environment", &wanted.name, "updated");
            }
        }
        let there = self.settled_environment(&label, &wanted.name)?.unwrap_or_default();
        self.judge(&label, &there)
    }

    pub(super) fn settled_environment(&mut self, label: &str, name: &str) -> Result<Option<Value>, CommandError> {
        let name = json!({ "name": name });
        self.wait(label, |remote| {
            let found = remote.find("GetEnvironment", &name)?.map(|found| found["environment"].clone());
            Ok((!found.as_ref().is_some_and(|found| is_busy(text(found, "deploymentStatus")))).then_some(found))
        })
    }

    /// What pipelines need of the account.
    pub(super) fn settings(&mut self, project: &Project) -> Result<(), CommandError> {
        let settings = self.remote.proton("GetAccountSettings", &json!({}))?;
        let settings = &settings["accountSettings"];
        let mut wanted = Map::new();
        for template in &project.templates {
            let Some(pipeline) = &template.bundle.pipeline else { continue };
            match pipeline.method {
                Method::CloudFormation { .. } if settings["pipelineServiceRoleArn"].is_null() => {
                    wanted.insert("pipelineServiceRoleArn".to_owned(), json!(self.role));
                }
                Method::CodeBuild(_) if settings["pipelineCodebuildRoleArn"].is_null() => {
                    wanted.insert("pipelineCodebuildRoleArn".to_owned(), json!(self.role));
                }
                Method::Terraform { .. } if settings["pipelineProvisioningRepository"].is_null() => {
                    let repository = project.pipeline_repository.as_ref().ok_or_else(|| {
                        CommandError::usage(anyhow!(
                            "the pipeline of {} is made by Terraform, which needs a repository",
                            template.name
                        ))
                        .hint(format!(
                            "name one in {}: [pipeline-repository] with name = \"owner/name\"",
                            project::MANIFEST
                        ))
                    })?;
                    let repository = self.repository(repository)?;
                    wanted.insert("pipelineProvisioningRepository".to_owned(), repository);
                }
                _ => {}
            }
        }
        if !wanted.is_empty() {
            self.remote.proton("UpdateAccountSettings", &Value::Object(wanted))?;
            self.board.say("account settings", Tone::Good, "set for pipelines");
        }
        Ok(())
    }

    /// Links a repository, and gives it as operations take it.
    pub(super) fn repository(&mut self, wanted: &Repository) -> Result<Value, CommandError> {
        let mut named = json!({ "provider": wanted.provider, "name": wanted.name });
        if self.remote.find("GetRepository", &named)?.is_none() {
            let mut input = named.clone();
            input["connectionArn"] = json!(wanted.connection.clone().unwrap_or_else(|| self.connection()));
            self.remote.proton("CreateRepository", &input)?;
        }
        named["branch"] = json!(wanted.branch);
        Ok(named)
    }

    /// A connection to where code is, for those who name none. Nothing is fetched through it.
    pub(super) fn connection(&self) -> String {
        let Self { account, remote, .. } = self;
        let region = &remote.region;
        format!("arn:aws:codestar-connections:{region}:{account}:connection/00000000-0000-4000-8000-000000000000")
    }
}
