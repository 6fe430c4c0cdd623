//! Templates: a version with the bundle that there is.

use anyhow::anyhow;
use serde_json::json;
use standin_proton::BundleKind;

use super::{BUNDLE_TAG, Up, Version};
use crate::cli::commands::proton::project::{Project, Template};
use crate::cli::commands::remote::{list, text};
use crate::cli::paint::Tone;
use crate::error::CommandError;

impl Up {
    /// Environment templates that a service template works with: those that are written down, and those of the
    /// environments that its services are in.
    pub(super) fn compatible(
        &mut self,
        project: &Project,
        template: usize,
    ) -> Result<Vec<(String, String)>, CommandError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for service in project.services.iter().filter(|service| service.template == template) {
            for (_, environment) in service.instances() {
                let deployed = self.remote.find("GetEnvironment", &json!({ "name": environment }))?;
                let deployed = deployed.map(|answer| answer["environment"].clone()).ok_or_else(|| {
                    CommandError::failure(anyhow!(
                        "there is no environment {environment} for the service {}",
                        service.name
                    ))
                    .hint("put its bundle beside that of the service, or change the spec")
                })?;
                found.push((text(&deployed, "templateName").to_owned(), Version::deployed(&deployed).major));
            }
            for (name, major) in &service.compatible {
                if self.remote.find("GetEnvironmentTemplate", &json!({ "name": name }))?.is_some() {
                    found.push((name.clone(), major.clone()));
                }
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Makes sure that the recommended version of a template has this bundle.
    pub(super) fn register(
        &mut self,
        project: &Project,
        template: &Template,
        compatible: &[(String, String)],
    ) -> Result<(), CommandError> {
        let (kind, name) = (template.kind(), &template.name);
        let label = format!("{} template {name}", kind.to_lowercase());
        let member = |suffix: &str| format!("{}Template{suffix}", kind.to_lowercase());
        let known = self.remote.find(&format!("Get{kind}Template"), &json!({ "name": name }))?;
        if known.is_none() {
            let mut input = json!({ "name": name });
            match template.bundle.kind {
                BundleKind::Environment { provisioned: false } => input["provisioning"] = json!("CUSTOMER_MANAGED"),
                BundleKind::Service { pipeline: false } => input["pipelineProvisioning"] = json!("CUSTOMER_MANAGED"),
                _ => {}
            }
            self.remote.proton(&format!("Create{kind}Template"), &input)?;
        }
        let known = known.map(|known| known[member("")].clone()).unwrap_or_default();
        let recommended = Version::read(text(&known, "recommendedVersion"));
        let works_with: Vec<String> = compatible.iter().map(|(name, major)| format!("{name}:{major}")).collect();
        let mark = match works_with.as_slice() {
            [] => template.digest.clone(),
            works_with => format!("{} {}", template.digest, works_with.join(" ")),
        };
        let mark: String = mark.chars().take(256).collect();
        if let Some(version) = &recommended {
            let arn = format!("{}:{}.{}", text(&known, "arn"), version.major, version.minor);
            let tags = self.remote.proton("ListTagsForResource", &json!({ "resourceArn": arn }))?;
            if list(&tags, "tags").iter().any(|tag| tag["key"] == BUNDLE_TAG && tag["value"] == mark.as_str()) {
                self.board.say(&label, Tone::Faint, &format!("{}.{}, as it is", version.major, version.minor));
                return Ok(());
            }
        }
        self.board.say(&label, Tone::Busy, "registering");
        let bucket =
            project.bucket.clone().unwrap_or_else(|| format!("proton-bundles-{}-{}", self.account, self.remote.region));
        let key = format!("{}/{name}/{}.tar.gz", kind.to_lowercase(), template.digest);
        let archive = template.files.to_tar_gz().map_err(CommandError::failure)?;
        self.remote.put_object(&bucket, &key, archive)?;
        let mut input = json!({
            "templateName": name,
            "source": { "s3": { "bucket": bucket, "key": key } },
            "tags": [{ "key": BUNDLE_TAG, "value": mark }],
        });
        if let Some(version) = recommended.as_ref().filter(|_| !self.major) {
            input["majorVersion"] = json!(version.major);
        }
        if template.is_service() {
            let entries = compatible.iter().map(|(name, major)| json!({ "templateName": name, "majorVersion": major }));
            input["compatibleEnvironmentTemplates"] = entries.collect();
            if takes_components(template) {
                input["supportedComponentSources"] = json!(["DIRECTLY_DEFINED"]);
            }
        }
        let made = self.remote.proton(&format!("Create{kind}TemplateVersion"), &input)?;
        let made = &made[member("Version")];
        let version =
            Version { major: text(made, "majorVersion").to_owned(), minor: text(made, "minorVersion").to_owned() };
        let shown = format!("{}.{}", version.major, version.minor);
        let names = json!({ "templateName": name, "majorVersion": version.major, "minorVersion": version.minor });
        let get = format!("Get{kind}TemplateVersion");
        let registered = self.wait(&label, |remote| {
            let found = remote.proton(&get, &names)?;
            let found = found[member("Version")].clone();
            Ok((text(&found, "status") != "REGISTRATION_IN_PROGRESS").then_some(found))
        })?;
        // Proton has a copy of its own.
        self.remote.call("s3", "DeleteObject", &json!({ "Bucket": bucket, "Key": key }))?;
        if text(&registered, "status") == "REGISTRATION_FAILED" {
            self.board.say(&label, Tone::Bad, &format!("{shown} failed"));
            let message = text(&registered, "statusMessage").to_owned();
            let error = CommandError::failure(anyhow!("{label} {shown} was not registered: {message}"));
            return Err(if self.major {
                error
            } else {
                error.hint("--major makes it a new major version, which need not fit the old")
            });
        }
        let mut publish = names.clone();
        publish["status"] = json!("PUBLISHED");
        self.remote.proton(&format!("Update{kind}TemplateVersion"), &publish)?;
        self.board.say(&label, Tone::Good, &format!("{shown} published"));
        self.did(&format!("{} template", kind.to_lowercase()), &format!("{name} {shown}"), "published");
        Ok(())
    }

    /// The version of a template that is recommended: what is deployed.
    pub(super) fn recommended(&mut self, template: &Template) -> Result<Version, CommandError> {
        let kind = template.kind();
        let known = self.remote.proton(&format!("Get{kind}Template"), &json!({ "name": template.name }))?;
        let known = &known[format!("{}Template", kind.to_lowercase())];
        Version::read(text(known, "recommendedVersion"))
            .ok_or_else(|| CommandError::failure(anyhow!("no version of the template {} is published", template.name)))
    }
}

/// Whether a service template makes something of components.
fn takes_components(template: &Template) -> bool {
    let said = !template.bundle.supported_component_sources.is_empty();
    let mentions = |content: &[u8]| content.windows(11).any(|part| part == b".components");
    said || template.bundle.main.as_ref().is_some_and(|main| main.files.iter().any(|(_, content)| mentions(content)))
}
