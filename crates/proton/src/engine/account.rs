//! Repository links, the settings of the account, and the numbers of its resources.

use std::collections::HashMap;
use std::sync::Arc;

use standin_core::OperationError;
use standin_model::Document;

use super::connections;
use super::deployments::{self, End, Target};
use super::environments::linked;
use super::errors::{conflict, not_found, validation};
use super::instances::{Staleness, staleness};
use super::kept::{Kept, Linked, Template, repository_key};
use super::provision::Subject;
use super::tags::{self, Named};
use super::tx::{Page, Tx};
use crate::bundle::Bundle;
use crate::manifest::Method;
use crate::types::*;

pub async fn create_repository(tx: &mut Tx<'_>, input: &CreateRepositoryInput) -> Result<Repository, OperationError> {
    let key = repository_key(input.provider, &input.name);
    if tx.find::<Linked>(&key).await?.is_some() {
        return Err(conflict(format!("Repository {key} is linked already.")));
    }
    let repository = Repository {
        arn: tx.arn(&format!("repository/{key}")),
        connection_arn: input.connection_arn.clone(),
        encryption_key: input.encryption_key.clone(),
        name: input.name.clone(),
        provider: input.provider,
    };
    let mut kept = Kept::new(Linked { repository: repository.clone(), created_at: tx.now() });
    kept.extra.tags = tags::new(input.tags.clone())?;
    tx.put(&kept);
    Ok(repository)
}

/// What environments, settings and sync configurations [use](Tx::uses), by the key of the repository.
pub fn uses(key: &str) -> String {
    format!("repository/{key}")
}

pub async fn delete_repository(
    tx: &mut Tx<'_>,
    provider: RepositoryProvider,
    name: &str,
) -> Result<Repository, OperationError> {
    let key = repository_key(provider, name);
    let kept = tx.get::<Linked>(&key).await?;
    tx.watch(&uses(&key)).await?;
    let of_it = |branch: Option<&RepositoryBranch>| {
        branch.is_some_and(|branch| branch.provider == provider && branch.name == name)
    };
    let environments = tx.all::<Environment>("").await?;
    let templates = tx.all::<TemplateSyncConfig>("").await?;
    let services = tx.all::<ServiceSyncConfig>("").await?;
    let settings = tx.find::<AccountSettings>("settings").await?;
    let user = environments
        .iter()
        .find(|row| of_it(row.value.provisioning_repository.as_ref()))
        .map(|row| format!("environment {}", row.value.name))
        .or_else(|| {
            templates
                .iter()
                .find(|row| row.value.repository_provider == provider && row.value.repository_name == name)
                .map(|row| format!("the sync configuration of template {}", row.value.template_name))
        })
        .or_else(|| {
            services
                .iter()
                .find(|row| row.value.repository_provider == provider && row.value.repository_name == name)
                .map(|row| format!("the sync configuration of service {}", row.value.service_name))
        })
        .or_else(|| {
            settings
                .filter(|row| of_it(row.value.pipeline_provisioning_repository.as_ref()))
                .map(|_| "the account settings".to_owned())
        });
    if let Some(user) = user {
        return Err(conflict(format!("Repository {key} is in use by {user}.")));
    }
    tx.delete::<Linked>(&key);
    super::sync::forget_repository(tx, &key).await?;
    Ok(kept.value.repository)
}

pub async fn list_repositories(
    tx: &mut Tx<'_>,
    input: &ListRepositoriesInput,
) -> Result<ListRepositoriesOutput, OperationError> {
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let (rows, next_token) = tx.page::<Linked>(page, |_| true).await?;
    Ok(ListRepositoriesOutput {
        repositories: rows.iter().map(|row| convert(&row.value.repository)).collect(),
        next_token,
    })
}

pub async fn settings(tx: &mut Tx<'_>) -> Result<AccountSettings, OperationError> {
    Ok(tx.find::<AccountSettings>("settings").await?.map(|kept| kept.value).unwrap_or_default())
}

pub async fn update_settings(
    tx: &mut Tx<'_>,
    input: &UpdateAccountSettingsInput,
) -> Result<AccountSettings, OperationError> {
    let removes = input.delete_pipeline_provisioning_repository.unwrap_or_default();
    if removes && input.pipeline_provisioning_repository.is_some() {
        return Err(validation(
            "deletePipelineProvisioningRepository and pipelineProvisioningRepository exclude each other.",
        ));
    }
    let mut found = settings(tx).await?;
    let changed = |now: &Option<String>, before: Option<String>| match now {
        None => before,
        Some(text) => Some(text.clone()).filter(|text| !text.is_empty()),
    };
    found.pipeline_service_role_arn = changed(&input.pipeline_service_role_arn, found.pipeline_service_role_arn);
    found.pipeline_codebuild_role_arn = changed(&input.pipeline_codebuild_role_arn, found.pipeline_codebuild_role_arn);
    if removes {
        found.pipeline_provisioning_repository = None;
    }
    if let Some(repository) = &input.pipeline_provisioning_repository {
        found.pipeline_provisioning_repository = Some(linked(tx, repository).await?);
    }
    tx.put(&Kept::new(found.clone()));
    Ok(found)
}

/// Counts what is there: in all, failed, and by how far it is behind its template.
#[derive(Default)]
struct Counts {
    total: i64,
    failed: i64,
    up_to_date: i64,
    behind_minor: i64,
    behind_major: i64,
}

impl Counts {
    fn add(&mut self, failed: bool, staleness: Staleness) {
        self.total += 1;
        self.failed += i64::from(failed);
        match staleness {
            Staleness::UpToDate => self.up_to_date += 1,
            Staleness::BehindMinor => self.behind_minor += 1,
            Staleness::BehindMajor => self.behind_major += 1,
        }
    }

    fn whole(&self) -> Option<ResourceCountsSummary> {
        Some(ResourceCountsSummary {
            total: self.total,
            failed: Some(self.failed),
            up_to_date: Some(self.up_to_date),
            behind_minor: Some(self.behind_minor),
            behind_major: Some(self.behind_major),
        })
    }
}

fn text<'d>(document: Option<&'d Document>, name: &str) -> &'d str {
    document.and_then(|document| document.get(name)).and_then(Document::as_str).unwrap_or_default()
}

/// What counts of something that is deployed.
struct Deployed<'d> {
    failed: bool,
    template: &'d str,
    major: &'d str,
    minor: &'d str,
}

impl<'d> Deployed<'d> {
    fn of(value: Option<&'d Document>) -> Self {
        Self {
            failed: matches!(text(value, "deploymentStatus"), "FAILED" | "DELETE_FAILED"),
            template: text(value, "templateName"),
            major: text(value, "templateMajorVersion"),
            minor: text(value, "templateMinorVersion"),
        }
    }

    /// Worked out once per version.
    async fn staleness<const SERVICE: bool>(
        &self,
        tx: &mut Tx<'_>,
        known: &mut HashMap<String, Staleness>,
    ) -> Result<Staleness, OperationError> {
        let Self { template, major, minor, .. } = self;
        let version = format!("{template}:{major}.{minor}");
        if let Some(staleness) = known.get(&version) {
            return Ok(*staleness);
        }
        let found = staleness::<SERVICE>(tx, template, major, minor).await?;
        known.insert(version, found);
        Ok(found)
    }
}

pub async fn summary(tx: &mut Tx<'_>) -> Result<GetResourcesSummaryOutput, OperationError> {
    let total =
        |total: u64| Some(ResourceCountsSummary { total: total.cast_signed(), ..ResourceCountsSummary::default() });
    let (mut environments, mut services, mut instances, mut pipelines) =
        (Counts::default(), Counts::default(), Counts::default(), Counts::default());
    // Read as they lie there: an account may have many, of which little matters.
    let mut known = HashMap::new();
    for body in tx.bodies::<Environment>().await? {
        let it = Deployed::of(body.get("value"));
        environments.add(it.failed, it.staleness::<false>(tx, &mut known).await?);
    }
    // A service is as far behind as the furthest of its parts.
    let mut known = HashMap::new();
    let mut worst: HashMap<String, Staleness> = HashMap::new();
    for body in tx.bodies::<ServiceInstance>().await? {
        let it = Deployed::of(body.get("value"));
        let stale = it.staleness::<true>(tx, &mut known).await?;
        instances.add(it.failed, stale);
        let service = text(body.get("value"), "serviceName").to_owned();
        let worst = worst.entry(service).or_insert(stale);
        *worst = stale.max(*worst);
    }
    for body in tx.bodies::<Service>().await? {
        let value = body.get("value");
        let mut stale = worst.get(text(value, "name")).copied().unwrap_or(Staleness::UpToDate);
        if let Some(pipeline) = value.and_then(|value| value.get("pipeline")) {
            let it = Deployed::of(Some(pipeline));
            let of_pipeline = it.staleness::<true>(tx, &mut known).await?;
            pipelines.add(it.failed, of_pipeline);
            stale = stale.max(of_pipeline);
        }
        services.add(text(value, "status").contains("FAILED"), stale);
    }
    let components = tx.bodies::<Component>().await?;
    let failed = components.iter().filter(|body| Deployed::of(body.get("value")).failed).count();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(GetResourcesSummaryOutput {
        counts: CountsSummary {
            components: Some(ResourceCountsSummary {
                total: count(components.len()),
                failed: Some(count(failed)),
                ..ResourceCountsSummary::default()
            }),
            environment_templates: total(tx.count::<Template<false>>("").await?),
            environments: environments.whole(),
            pipelines: pipelines.whole(),
            service_instances: instances.whole(),
            service_templates: total(tx.count::<Template<true>>("").await?),
            services: services.whole(),
        },
    })
}

/// What the automation of a self-managed resource says of its deployment.
pub async fn notify(tx: &mut Tx<'_>, input: &NotifyResourceDeploymentStatusChangeInput) -> Result<(), OperationError> {
    let missing = || not_found("Resource", &input.resource_arn);
    connections::go_home(tx, &input.resource_arn).await?;
    let named = tags::named(tx, &input.resource_arn).ok_or_else(missing)?;
    let (current, method): (Option<String>, Option<Method>) = match &named {
        Named::Environment(name) => {
            let row = tx.get::<Environment>(name).await?;
            if row.value.provisioning.is_some() {
                return Err(validation(format!(
                    "Environment {name} is customer-managed; UpdateEnvironment changes its outputs."
                )));
            }
            let bundle = current_bundle::<false>(
                tx,
                &row.value.template_name,
                &row.value.template_major_version,
                &row.value.template_minor_version,
            )
            .await?;
            (row.value.last_attempted_deployment_id, bundle.main.as_ref().map(|main| main.method.clone()))
        }
        Named::ServiceInstance(service, name) => {
            let it = super::instances::get(tx, service, name).await?.value;
            let bundle =
                current_bundle::<true>(tx, &it.template_name, &it.template_major_version, &it.template_minor_version)
                    .await?;
            (it.last_attempted_deployment_id, bundle.main.as_ref().map(|main| main.method.clone()))
        }
        Named::Pipeline(service) => {
            let it = super::services::pipeline_of(tx, service).await?.1;
            let bundle =
                current_bundle::<true>(tx, &it.template_name, &it.template_major_version, &it.template_minor_version)
                    .await?;
            (it.last_attempted_deployment_id, bundle.pipeline.as_ref().map(|pipeline| pipeline.method.clone()))
        }
        Named::Component(name) => {
            let row = tx.get::<Component>(name).await?;
            let method = super::components::method_of(row.extra.manifest.as_deref().unwrap_or_default())?;
            (row.value.last_attempted_deployment_id, Some(method))
        }
        _ => return Err(missing()),
    };
    if matches!(method, Some(Method::CloudFormation { .. }) | None) {
        return Err(validation(format!(
            "{} is provisioned by CloudFormation; its status and outputs come from there.",
            input.resource_arn
        )));
    }
    let id = current.ok_or_else(missing)?;
    if input.deployment_id.as_ref().is_some_and(|given| *given != id) {
        return Err(validation(format!("The deployment of {} is {id}.", input.resource_arn)));
    }
    let mut kept = tx.get::<Deployment>(&id).await?;
    let running = deployments::is_busy(kept.value.deployment_status);
    if let Some(outputs) = &input.outputs {
        kept.extra.outputs.clone_from(outputs);
        tx.put(&kept);
        if !running {
            keep_current_outputs(tx, &named, outputs).await?;
        }
    }
    let status = match input.status {
        None | Some(ResourceDeploymentStatus::InProgress) => return Ok(()),
        // The result of a build is what its commands end with.
        Some(_) if matches!(method, Some(Method::CodeBuild(_))) => return Ok(()),
        Some(ResourceDeploymentStatus::Succeeded) => DeploymentStatus::Succeeded,
        Some(ResourceDeploymentStatus::Failed) => DeploymentStatus::Failed,
    };
    if !running {
        return Err(conflict(format!("{} has no deployment in progress.", input.resource_arn)));
    }
    let resources = in_repository(tx, &kept.value).await?;
    let end = End { status, message: input.status_message.clone(), outputs: Vec::new(), resources };
    deployments::finish(tx, &id, end).await
}

/// What somebody else has provisioned: the folder of the resource in its repository stands for all of it.
async fn in_repository(tx: &mut Tx<'_>, of: &Deployment) -> Result<Vec<ProvisionedResource>, OperationError> {
    let environment = of.environment_name.clone();
    let (subject, repository) = match deployments::target_of(of) {
        Target::Pipeline(service) => {
            let settings = tx.find::<AccountSettings>("settings").await?.map(|kept| kept.value).unwrap_or_default();
            (Subject::Pipeline { service }, settings.pipeline_provisioning_repository)
        }
        target => {
            let row = tx.find::<Environment>(&environment).await?;
            let subject = match target {
                Target::Instance(service, name) => Subject::Instance { environment, service, name },
                Target::Component(name) => Subject::Component { environment, name },
                _ => Subject::Environment { name: environment },
            };
            (subject, row.and_then(|row| row.value.provisioning_repository))
        }
    };
    let resource = repository.map(|repository| ProvisionedResource {
        identifier: Some(repository.arn),
        name: Some(subject.folder()),
        provisioning_engine: Some(ProvisionedResourceEngine::Terraform),
    });
    Ok(resource.into_iter().collect())
}

async fn current_bundle<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
    minor: &str,
) -> Result<Arc<Bundle>, OperationError> {
    let key = super::kept::version_key(template, major, minor);
    let version = tx.get::<super::kept::Version<SERVICE>>(&key).await?.value.0;
    super::templates::bundle_of::<SERVICE>(tx, &version).await
}

async fn keep_current_outputs(tx: &mut Tx<'_>, named: &Named, outputs: &[Output]) -> Result<(), OperationError> {
    match named {
        Named::Environment(name) => {
            let mut row = tx.get::<Environment>(name).await?;
            row.extra.outputs = outputs.to_vec();
            tx.put(&row);
        }
        Named::ServiceInstance(service, name) => {
            let mut row = tx.get::<ServiceInstance>(&format!("{service}/{name}")).await?;
            row.extra.outputs = outputs.to_vec();
            tx.put(&row);
        }
        Named::Pipeline(service) => {
            let mut row = tx.get::<Service>(service).await?;
            row.extra.outputs = outputs.to_vec();
            tx.put(&row);
        }
        Named::Component(name) => {
            let mut row = tx.get::<Component>(name).await?;
            row.extra.outputs = outputs.to_vec();
            tx.put(&row);
        }
        _ => {}
    }
    Ok(())
}
