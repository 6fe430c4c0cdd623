//! The commands of templates, run by AWS CodeBuild itself, through the SDK.
//!
//! One project for each resource, one build for each deployment. The files of the template come with the buildspec, or from a
//! bucket where they are large; outputs come back as a variable that the build exports.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use standin_aws::codebuild::Client;
use standin_aws::codebuild::types::{
    ArtifactsType, Build as Run, ComputeType, EnvironmentType, EnvironmentVariable, EnvironmentVariableType,
    ProjectArtifacts, ProjectEnvironment, ProjectSource, SourceType, StatusType, Tag,
};
use standin_aws::{Aws, Trouble, Whose};
use standin_core::BoxFuture;
use standin_proton::engine::provision::{Order, Progress, Provisioner};
use standin_proton::render::codebuild::Build;

use super::{Deed, OUTPUTS, commands, outputs, settings, shortened};
use crate::log::Log;
use crate::stacks::memo::Memo;

/// What a buildspec holds of packed files, in base64; more goes through the bucket.
const INLINE_BYTES_MAX: usize = 30_000;
/// The variable that tells which deployment a build is for.
const MARK: &str = "PROTON_DEPLOYMENT_ID";
/// The variable that outputs come back in, as base64.
const EXPORTED: &str = "PROTON_OUTPUTS";
/// What CodeBuild runs where the manifest names no image.
const IMAGE: &str = "aws/codebuild/amazonlinux-x86_64-standard:5.0";
/// How soon a build is looked at again.
const PAUSE_MS: i64 = 5_000;
/// Builds that are looked at for the one of a deployment.
const LOOKED_AT_MAX: usize = 20;
/// CodeBuild's longest name.
const NAME_CHARS_MAX: usize = 150;

/// Provisions by AWS CodeBuild.
pub struct AwsBuilds {
    aws: Arc<Aws>,
    log: Log,
}

impl AwsBuilds {
    pub fn new(aws: Arc<Aws>, log: Log) -> Self {
        Self { aws, log }
    }

    /// CodeBuild is called with the base credentials: the role is the one that builds have.
    fn whose<'o>(order: &'o Order, session: &'o str) -> Whose<'o> {
        let Order { account, region, partition, .. } = order;
        Whose { account, region, partition, role: None, session }
    }

    async fn client(&self, order: &Order) -> Result<Client, Trouble> {
        self.aws.codebuild(&Self::whose(order, "AWSProton")).await
    }

    async fn step(&self, order: &Order, memo: &mut Memo, deed: Deed) -> Result<Progress, Trouble> {
        let refuse = |why: String| Trouble::refused("Template", why);
        let (build, commands) = commands(order, deed).map_err(refuse)?;
        let client = self.client(order).await?;
        if commands.is_empty() {
            return self.over(&client, order, deed, Vec::new()).await;
        }
        let run = match self.run(&client, order, memo).await? {
            Some(run) => run,
            None => self.start(&client, order, build, &commands).await?,
        };
        if memo.build.is_none() {
            memo.build = run.id.clone();
            let link = run.logs.as_ref().and_then(|logs| logs.deep_link.clone()).unwrap_or_default();
            self.log
                .say(order, format!("build {} has started; its log: {link}", run.id.clone().unwrap_or_default()))
                .await;
        }
        match run.build_status {
            None | Some(StatusType::InProgress) => Ok(Progress::again(PAUSE_MS)),
            Some(StatusType::Succeeded) => {
                self.log.say(order, "the build succeeded").await;
                let exported = run.exported_environment_variables.unwrap_or_default();
                let told = exported.into_iter().find(|one| one.name.as_deref() == Some(EXPORTED));
                let outputs = match (deed, told.and_then(|one| one.value).filter(|value| !value.is_empty())) {
                    (Deed::Provision, Some(packed)) => unpacked(&packed).map_err(refuse)?,
                    _ => Vec::new(),
                };
                self.over(&client, order, deed, outputs).await
            }
            Some(ref status) => {
                let why = reason(&run, status);
                self.log.say(order, why.clone()).await;
                Ok(Progress::failed(shortened(&why)))
            }
        }
    }

    /// What is done when all commands are: the project of what is deleted goes, too.
    async fn over(
        &self,
        client: &Client,
        order: &Order,
        deed: Deed,
        outputs: Vec<(String, String)>,
    ) -> Result<Progress, Trouble> {
        if deed == Deed::Deprovision {
            match client.delete_project().name(project(order)).send().await.map_err(Trouble::from) {
                Ok(_) | Err(Trouble::Refused { .. }) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(Progress::Done { outputs, resources: Vec::new() })
    }

    /// The build of an order, if it was started.
    async fn run(&self, client: &Client, order: &Order, memo: &Memo) -> Result<Option<Run>, Trouble> {
        let ids = match &memo.build {
            Some(id) => vec![id.clone()],
            None => {
                match client.list_builds_for_project().project_name(project(order)).send().await.map_err(Trouble::from)
                {
                    Ok(listed) => listed.ids.unwrap_or_default().into_iter().take(LOOKED_AT_MAX).collect(),
                    Err(Trouble::Refused { code, .. }) if code.starts_with("ResourceNotFound") => Vec::new(),
                    Err(trouble) => return Err(trouble),
                }
            }
        };
        if ids.is_empty() {
            return Ok(None);
        }
        let found = client.batch_get_builds().set_ids(Some(ids)).send().await.map_err(Trouble::from)?;
        let is_of = |run: &Run| {
            memo.build.is_some() && run.id == memo.build
                || run.environment.as_ref().is_some_and(|environment| {
                    let variables = environment.environment_variables.as_deref().unwrap_or_default();
                    variables.iter().any(|one| one.name == MARK && one.value == order.deployment_id)
                })
        };
        Ok(found.builds.unwrap_or_default().into_iter().find(is_of))
    }

    async fn start(&self, client: &Client, order: &Order, build: &Build, commands: &[String]) -> Result<Run, Trouble> {
        let broken = |error: &dyn std::error::Error| Trouble::refused("InvalidInput", error.to_string());
        let settings = settings::read(build);
        let buildspec = self.buildspec(order, build, commands).await?;
        let image = settings.image.clone().unwrap_or_else(|| IMAGE.to_owned());
        self.make_project(client, order, &image).await?;
        let variable = |name: &str, value: &str, kind: EnvironmentVariableType| {
            EnvironmentVariable::builder().name(name).value(value).r#type(kind).build()
        };
        let plain = [("STACK_NAME", order.stack_name.as_str()), (MARK, order.deployment_id.as_str())];
        let plain = plain.into_iter().chain(build.variables.iter().map(|(name, value)| (&**name, &**value)));
        let plain = plain.chain(settings.variables.iter().map(|(name, value)| (&**name, &**value)));
        let secrets = build.secrets.iter().map(|(name, from)| (&**name, &**from));
        let variables: Result<Vec<_>, _> = plain
            .map(|(name, value)| variable(name, value, EnvironmentVariableType::Plaintext))
            .chain(secrets.map(|(name, from)| variable(name, from, EnvironmentVariableType::SecretsManager)))
            .collect();
        let minutes = settings.time.and_then(|time| i32::try_from(time.as_secs().div_ceil(60)).ok());
        let started = client
            .start_build()
            .project_name(project(order))
            .idempotency_token(&order.deployment_id)
            .source_type_override(SourceType::NoSource)
            .buildspec_override(buildspec)
            .image_override(image)
            .set_service_role_override(order.role_arn.clone())
            .set_timeout_in_minutes_override(minutes.map(|minutes| minutes.clamp(5, 2160)))
            .set_environment_variables_override(Some(variables.map_err(|error| broken(&error))?))
            .send()
            .await
            .map_err(Trouble::from)?;
        started.build_value.ok_or_else(|| Trouble::Passing("CodeBuild started a build and does not tell which".into()))
    }

    async fn make_project(&self, client: &Client, order: &Order, image: &str) -> Result<(), Trouble> {
        let broken = |error: &dyn std::error::Error| Trouble::refused("InvalidInput", error.to_string());
        let name = project(order);
        let known = client.batch_get_projects().names(&name).send().await.map_err(Trouble::from)?;
        if known.projects.is_some_and(|projects| !projects.is_empty()) {
            return Ok(());
        }
        let Some(role) = &order.role_arn else {
            return Err(Trouble::refused("NoRole", "there is no role for builds: give codebuildRoleArn"));
        };
        // Every build brings its own.
        let buildspec = json!({"version": "0.2", "phases": {"build": {"commands": ["true"]}}}).to_string();
        let source = ProjectSource::builder().r#type(SourceType::NoSource).buildspec(buildspec).build();
        let artifacts = ProjectArtifacts::builder().r#type(ArtifactsType::NoArtifacts).build();
        let environment = ProjectEnvironment::builder()
            .r#type(EnvironmentType::LinuxContainer)
            .compute_type(ComputeType::BuildGeneral1Small)
            .image(image)
            .build();
        let tags = order.tags.iter().map(|(name, value)| Tag::builder().key(name).value(value).build());
        let made = client
            .create_project()
            .name(name)
            .source(source.map_err(|error| broken(&error))?)
            .artifacts(artifacts.map_err(|error| broken(&error))?)
            .environment(environment.map_err(|error| broken(&error))?)
            .service_role(role)
            .set_tags(Some(tags.collect()))
            .send()
            .await
            .map_err(Trouble::from);
        match made {
            Err(trouble) if trouble.code() == "ResourceAlreadyExistsException" => Ok(()),
            ended => ended.map(drop),
        }
    }

    /// What CodeBuild runs: the files are laid out, then the commands run in one shell, then outputs are exported.
    async fn buildspec(&self, order: &Order, build: &Build, commands: &[String]) -> Result<String, Trouble> {
        let broken = |error: standin_proton::archive::ArchiveError| Trouble::refused("InvalidInput", error.to_string());
        let archive = build.files.to_tar_gz().map_err(broken)?;
        let packed = STANDARD.encode(&archive);
        let unpack = if packed.len() <= INLINE_BYTES_MAX {
            format!("printf %s {packed} | base64 -d | tar xz")
        } else {
            let whose = Self::whose(order, "AWSProton");
            let Some(bucket) = self.aws.settings().bucket_of(&whose) else {
                return Err(Trouble::refused(
                    "FilesTooLarge",
                    format!(
                        "the template's files have {} bytes when packed, more than a buildspec holds: name a bucket for them, \
                         which the build's role may read, by `bucket` in [proton.aws]",
                        archive.len()
                    ),
                ));
            };
            let key = format!("standin-proton/{}/{}.tar.gz", order.stack_name, order.deployment_id);
            self.aws.put_object(&whose, &bucket, &key, archive).await?;
            format!("aws s3 cp s3://{bucket}/{key} - | tar xz")
        };
        Ok(spec(&build.runtimes, &unpack, commands))
    }
}

/// A buildspec, as JSON, which is YAML.
fn spec(runtimes: &Map<String, Value>, unpack: &str, commands: &[String]) -> String {
    let mut install = json!({"commands": [unpack]});
    if !runtimes.is_empty() {
        install["runtime-versions"] = Value::Object(runtimes.clone());
    }
    let export = format!(
        "if [ -f \"$CODEBUILD_SRC_DIR/{OUTPUTS}\" ]; then export {EXPORTED}=\"$(base64 < \"$CODEBUILD_SRC_DIR/{OUTPUTS}\" | tr -d '\\n')\"; fi"
    );
    json!({
        "version": "0.2",
        "env": {"shell": "bash", "exported-variables": [EXPORTED]},
        "phases": {"install": install, "build": {"commands": commands}, "post_build": {"commands": [export]}},
    })
    .to_string()
}

/// The outputs that a build exported.
fn unpacked(packed: &str) -> Result<Vec<(String, String)>, String> {
    let told = |why: String| format!("the commands succeeded, but their {OUTPUTS} is {why}");
    let bytes = STANDARD.decode(packed.trim()).map_err(|error| told(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| told("not UTF-8 text".into()))?;
    outputs::read(&text).map_err(told)
}

/// The project of a resource.
fn project(order: &Order) -> String {
    let mut name = order.stack_name.replace("-cloudformation-", "-codebuild-");
    name.truncate(NAME_CHARS_MAX);
    name
}

/// Why a build failed: what its failed phases say.
fn reason(run: &Run, status: &StatusType) -> String {
    let said = run.phases.iter().flatten().filter(|phase| phase.phase_status.as_ref() == Some(&StatusType::Failed));
    let said: Vec<String> = said
        .flat_map(|phase| phase.contexts.iter().flatten().filter_map(|context| context.message.clone()))
        .filter(|message| !message.is_empty())
        .collect();
    let id = run.id.as_deref().unwrap_or_default();
    let ended = format!("build {id} ended as {}", status.as_str());
    if said.is_empty() { ended } else { format!("{ended}: {}", said.join("; ")) }
}

impl Provisioner for AwsBuilds {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.step(order, &mut memo, Deed::Provision).await;
            memo.settle(order, Some(&self.log), ended).await
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.step(order, &mut memo, Deed::Deprovision).await;
            memo.settle(order, Some(&self.log), ended).await
        })
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.try_cancel(order, &mut memo).await;
            memo.settle(order, Some(&self.log), ended).await
        })
    }
}

impl AwsBuilds {
    async fn try_cancel(&self, order: &Order, memo: &mut Memo) -> Result<Progress, Trouble> {
        let client = self.client(order).await?;
        let Some(run) = self.run(&client, order, memo).await? else { return Ok(Progress::Cancelled) };
        match run.build_status {
            None | Some(StatusType::InProgress) => {
                let id = run.id.clone().unwrap_or_default();
                client.stop_build().id(id).send().await.map_err(Trouble::from)?;
                Ok(Progress::again(PAUSE_MS))
            }
            Some(StatusType::Succeeded) => self.step(order, memo, Deed::Provision).await,
            Some(_) => Ok(Progress::Cancelled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buildspecs_lay_out_run_and_export() {
        let mut runtimes = Map::new();
        runtimes.insert("python".into(), json!("3.13"));
        let spec: Value =
            serde_json::from_str(&spec(&runtimes, "unpack", &["a".into(), "b".into()])).expect("it is JSON");
        assert_eq!(spec["phases"]["install"], json!({"commands": ["unpack"], "runtime-versions": {"python": "3.13"}}));
        assert_eq!(spec["phases"]["build"]["commands"], json!(["a", "b"]));
        assert_eq!(spec["env"]["exported-variables"], json!([EXPORTED]));
        assert!(spec["phases"]["post_build"]["commands"][0].as_str().is_some_and(|line| line.contains("base64")));
    }

    #[test]
    fn outputs_come_back_packed() {
        let check = |packed: &str, expect: Result<&[(&str, &str)], &str>| match (unpacked(packed), expect) {
            (Ok(found), Ok(expect)) => {
                let found: Vec<(&str, &str)> = found.iter().map(|(name, value)| (&**name, &**value)).collect();
                assert_eq!(found, expect);
            }
            (Err(error), Err(expect)) => assert!(error.contains(expect), "{error}"),
            (found, _) => panic!("{found:?}"),
        };
        check(&STANDARD.encode(r#"{"Url":"http://x"}"#), Ok(&[("Url", "http://x")]));
        check(&STANDARD.encode("{"), Err("not valid JSON"));
        check("***", Err("proton-outputs.json"));
    }
}
