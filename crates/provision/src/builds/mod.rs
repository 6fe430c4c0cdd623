//! Templates that are provisioned by commands, as CodeBuild runs them: one job for every deployment.

#[cfg(feature = "aws")]
mod aws;
mod outputs;
mod settings;
mod variables;

use std::sync::{Arc, OnceLock};

use standin_core::{BoxFuture, Caller};
use standin_host::job::{End, File, Spec, Why};
use standin_proton::engine::provision::{Order, Progress, Provisioner};
use standin_proton::render::Rendered;
use standin_proton::render::codebuild::Build;

use crate::Parts;
use crate::config::{BuildsBy, ProvisioningConfig};
use crate::jobs::{Jobs, Step};
use crate::log::Log;

#[cfg(feature = "aws")]
pub use aws::AwsBuilds;

/// The file by which commands leave outputs.
const OUTPUTS: &str = "proton-outputs.json";
/// The variable that names the working folder.
const FOLDER: &str = "CODEBUILD_SRC_DIR";
/// Of the message of a deployment.
const MESSAGE_CHARS_MAX: usize = 4000;

/// Who runs the commands of templates, as configured.
pub(crate) fn configured(parts: &Parts, log: Log) -> Arc<dyn Provisioner> {
    if parts.config.codebuild == BuildsBy::Aws {
        return elsewhere(&parts.config, log);
    }
    let jobs = Jobs::new(parts.config.codebuild, parts);
    Arc::new(Builds::new(jobs, log, parts.caller.clone(), parts.endpoint.clone()))
}

#[cfg(feature = "aws")]
fn elsewhere(config: &ProvisioningConfig, log: Log) -> Arc<dyn Provisioner> {
    Arc::new(AwsBuilds::new(Arc::new(standin_aws::Aws::new(config.aws.clone())), log))
}

#[cfg(not(feature = "aws"))]
fn elsewhere(_: &ProvisioningConfig, _: Log) -> Arc<dyn Provisioner> {
    Arc::new(crate::methods::NotBuilt)
}

/// Provisions by the commands of templates.
pub struct Builds {
    jobs: Jobs,
    log: Log,
    caller: Caller,
    /// Where the server is found, once it listens.
    endpoint: Arc<OnceLock<Arc<str>>>,
}

/// Which commands of a template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Provision,
    Deprovision,
}

impl Builds {
    pub fn new(jobs: Jobs, log: Log, caller: Caller, endpoint: Arc<OnceLock<Arc<str>>>) -> Self {
        Self { jobs, log, caller, endpoint }
    }

    async fn step(&self, order: &Order, deed: Deed) -> Progress {
        let (build, commands) = match commands(order, deed) {
            Ok(found) => found,
            Err(reason) => return Progress::failed(reason),
        };
        if commands.is_empty() || deed == Deed::Deprovision && self.jobs.never_ran() {
            return Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        }
        let prepare = self.spec(order, build, commands);
        match self.jobs.follow(&self.log, order, &order.deployment_id, prepare).await {
            Step::Not(progress) => progress,
            Step::Ended(end) => self.ended(order, &end, deed).await,
        }
    }

    /// The job of an order.
    async fn spec(&self, order: &Order, build: &Build, commands: Vec<String>) -> Result<Spec, String> {
        let settings = settings::read(build);
        let secrets = variables::secrets(&self.caller, order, &build.secrets).await?;
        let endpoint = self.endpoint.get().map(|url| &**url);
        let mut variables = variables::usual(order, endpoint);
        variables.extend(settings.variables);
        variables.extend(build.variables.iter().cloned());
        variables.extend(secrets.iter().cloned());
        for line in settings.remarks {
            self.log.say(order, line).await;
        }
        let mut limits = self.jobs.limits();
        limits.time = settings.time.map_or(limits.time, |time| time.min(limits.time));
        let file = |(path, bytes): (&str, &[u8])| File { path: path.to_owned(), bytes: bytes.to_vec() };
        Ok(Spec {
            id: order.deployment_id.clone(),
            files: build.files.iter().map(file).collect(),
            commands,
            variables,
            folder_in: vec![FOLDER.to_owned()],
            secrets: secrets.into_iter().map(|(_, value)| value).collect(),
            collect: vec![OUTPUTS.to_owned()],
            limits,
            image: settings.image,
            ..Spec::default()
        })
    }

    async fn ended(&self, order: &Order, end: &End, deed: Deed) -> Progress {
        if !end.succeeded() {
            let progress = Progress::failed(shortened(&end.sentence()));
            self.log.say(order, first_line(&end.sentence())).await;
            return progress;
        }
        self.log.say(order, "the job succeeded").await;
        let outputs = match (deed, end.file(OUTPUTS)) {
            (Deed::Deprovision, _) | (_, None) => Ok(Vec::new()),
            (Deed::Provision, Some(text)) => outputs::read(text),
        };
        match outputs {
            Ok(outputs) => Progress::Done { outputs, resources: Vec::new() },
            Err(reason) => Progress::failed(format!("the commands succeeded, but their {OUTPUTS} is {reason}")),
        }
    }

    async fn cancelled(&self, order: &Order) -> Progress {
        match self.jobs.stop(&self.log, order, &order.deployment_id).await {
            Step::Not(progress) => progress,
            Step::Ended(end) if matches!(end.why, Why::Stopped | Why::Interrupted | Why::NotStarted(_)) => {
                self.log.say(order, "the job was stopped").await;
                Progress::Cancelled
            }
            Step::Ended(end) => self.ended(order, &end, Deed::Provision).await,
        }
    }
}

/// The commands of an order.
fn commands(order: &Order, deed: Deed) -> Result<(&Build, Vec<String>), String> {
    let build = match &order.rendered {
        Some(Rendered::CodeBuild(build)) => build,
        Some(_) => return Err("the template has no commands".to_owned()),
        None => {
            return Err("the template cannot be rendered with the inputs that it has now, so that its commands to deprovision are \
                        not known: update the resource so that they can be, and delete it again"
                .to_owned());
        }
    };
    let wanted = match deed {
        Deed::Provision => &build.provision,
        Deed::Deprovision => &build.deprovision,
    };
    let commands = wanted.as_ref().map_err(|finding| match deed {
        Deed::Provision => finding.to_string(),
        Deed::Deprovision => format!(
            "the commands to deprovision cannot be rendered: {finding}; update the resource so that they can be, and delete it again"
        ),
    })?;
    if commands.is_empty() {
        return Ok((build, Vec::new()));
    }
    Ok((build, build.install.iter().chain(commands).cloned().collect()))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(':').to_owned()
}

/// A message within its limit: of a long one the beginning of the first line and the end.
fn shortened(message: &str) -> String {
    let count = message.chars().count();
    if count <= MESSAGE_CHARS_MAX {
        return message.to_owned();
    }
    let first: String = message.lines().next().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX / 2).collect();
    let room = MESSAGE_CHARS_MAX - first.chars().count() - 3;
    let rest: String = message.chars().skip(count - room).collect();
    format!("{first}\n…\n{rest}")
}

impl Provisioner for Builds {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.step(order, Deed::Provision))
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.step(order, Deed::Deprovision))
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.cancelled(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_beginning_and_their_end() {
        assert_eq!(shortened("a\nb"), "a\nb");
        let long = format!("command 1 failed\n{}the end", "x\n".repeat(5000));
        let short = shortened(&long);
        assert!(short.starts_with("command 1 failed\n…\n") && short.ends_with("x\nthe end"), "{short}");
        assert!(short.chars().count() <= MESSAGE_CHARS_MAX);
    }
}
