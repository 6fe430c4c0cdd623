//! Deployments: the record of every run, how a run begins, and what the targets and the record become when it ends.

use standin_core::OperationError;
use standin_model::Timestamp;

use super::errors::{conflict, not_found, validation};
use super::index::{self, Part};
use super::kept::Kept;
use super::services;
use super::sync;
use super::tx::{Page, Tx};
use crate::types::*;

/// The kind of the jobs that carry deployments out.
pub const DEPLOY: &str = "deploy";

/// What a deployment is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Environment(String),
    /// Service and name.
    Instance(String, String),
    /// Service.
    Pipeline(String),
    Component(String),
}

/// The members that everything deployable has, under their many types.
pub trait Deployable {
    /// A run has begun.
    fn begun(&mut self, deployment: &Deployment, deletes: bool);

    /// A run has ended; what succeeded is what is there now.
    fn settled(&mut self, deployment: &Deployment, now: Timestamp);

    fn set_status(&mut self, status: DeploymentStatus);
}

macro_rules! deployable {
    ($($type:ty, $attempted:expr, |$it:ident, $state:ident| $adopt:block;)*) => {$(
        impl Deployable for $type {
            fn begun(&mut self, deployment: &Deployment, deletes: bool) {
                self.deployment_status =
                    if deletes { DeploymentStatus::DeleteInProgress } else { DeploymentStatus::InProgress };
                self.deployment_status_message = None;
                self.last_attempted_deployment_id = Some(deployment.id.clone());
                self.last_deployment_attempted_at = ($attempted)(deployment.created_at);
            }

            fn settled(&mut self, deployment: &Deployment, now: Timestamp) {
                self.deployment_status = deployment.deployment_status;
                self.deployment_status_message.clone_from(&deployment.deployment_status_message);
                if deployment.deployment_status == DeploymentStatus::Succeeded {
                    self.last_succeeded_deployment_id = Some(deployment.id.clone());
                    self.last_deployment_succeeded_at = Some(now);
                    if let Some($state) = &deployment.target_state {
                        let $it = self;
                        $adopt
                    }
                }
            }

            fn set_status(&mut self, status: DeploymentStatus) {
                self.deployment_status = status;
            }
        }
    )*};
}

deployable! {
    Environment, |at| at, |it, state| {
        if let Some(state) = &state.environment {
            it.spec.clone_from(&state.spec);
            it.template_major_version.clone_from(&state.template_major_version);
            it.template_minor_version.clone_from(&state.template_minor_version);
        }
    };
    ServiceInstance, |at| at, |it, state| {
        if let Some(state) = &state.service_instance {
            it.spec = Some(state.spec.clone());
            it.template_major_version.clone_from(&state.template_major_version);
            it.template_minor_version.clone_from(&state.template_minor_version);
        }
    };
    ServicePipeline, |at| at, |it, state| {
        if let Some(state) = &state.service_pipeline {
            it.spec.clone_from(&state.spec);
            it.template_major_version.clone_from(&state.template_major_version);
            it.template_minor_version.clone_from(&state.template_minor_version);
        }
    };
    Component, Some, |it, state| {
        if let Some(state) = &state.component {
            it.service_name.clone_from(&state.service_name);
            it.service_instance_name.clone_from(&state.service_instance_name);
            it.service_spec.clone_from(&state.service_spec);
        }
    };
}

/// Whether something is happening to the resource: then nothing else may.
pub fn is_busy(status: DeploymentStatus) -> bool {
    matches!(status, DeploymentStatus::InProgress | DeploymentStatus::Cancelling | DeploymentStatus::DeleteInProgress)
}

/// Refuses what cannot be done to a busy resource.
///
/// # Errors
/// `ConflictException`.
pub fn idle(what: &str, name: &str, status: DeploymentStatus) -> Result<(), OperationError> {
    if is_busy(status) {
        return Err(conflict(format!("{what} {name} has a deployment that is {}; wait for its end.", status.as_str())));
    }
    Ok(())
}

/// A run that is to begin.
pub struct Run<'r> {
    pub target: Target,
    pub arn: &'r str,
    pub created_at: Timestamp,
    pub environment: &'r str,
    pub initial: Option<DeploymentState>,
    pub state: Option<DeploymentState>,
    pub deletes: bool,
    /// Its job comes later, by [`start`].
    pub waits: bool,
}

/// Makes the record of a run and lets a worker begin.
pub fn begin(tx: &mut Tx<'_>, run: Run<'_>) -> Deployment {
    let id = tx.id();
    let now = tx.now();
    let (of, environment, service, instance, component) = match &run.target {
        Target::Environment(name) => (DeploymentTargetResourceType::Environment, name.as_str(), None, None, None),
        Target::Instance(service, name) => {
            (DeploymentTargetResourceType::ServiceInstance, run.environment, Some(service), Some(name), None)
        }
        Target::Pipeline(service) => {
            (DeploymentTargetResourceType::ServicePipeline, run.environment, Some(service), None, None)
        }
        Target::Component(name) => (DeploymentTargetResourceType::Component, run.environment, None, None, Some(name)),
    };
    let deployment = Deployment {
        arn: tx.arn(&format!("deployment/{id}")),
        completed_at: None,
        component_name: component.cloned(),
        created_at: now,
        deployment_status: if run.deletes { DeploymentStatus::DeleteInProgress } else { DeploymentStatus::InProgress },
        deployment_status_message: None,
        environment_name: environment.to_owned(),
        id: id.clone(),
        initial_state: run.initial,
        last_attempted_deployment_id: Some(id),
        last_modified_at: now,
        last_succeeded_deployment_id: None,
        service_instance_name: instance.cloned(),
        service_name: service.cloned(),
        target_arn: run.arn.to_owned(),
        target_resource_created_at: run.created_at,
        target_resource_type: of,
        target_state: run.state,
    };
    let mut kept = Kept::new(deployment.clone());
    kept.extra.deletes = run.deletes;
    tx.put(&kept);
    if !run.waits {
        start(tx, &deployment.id);
    }
    deployment
}

/// Lets a worker begin a deployment.
pub fn start(tx: &mut Tx<'_>, id: &str) {
    let delay = tx.engine.delay_ms();
    schedule(tx, id, delay);
}

/// Lets a worker look at a deployment.
pub fn schedule(tx: &mut Tx<'_>, id: &str, after_ms: i64) {
    // A job that is running keeps its key, so the next one needs another.
    let key = format!("{id}/{}", tx.id());
    tx.enqueue(DEPLOY, &key, id, after_ms);
}

/// What a deployment is about.
pub fn target_of(deployment: &Deployment) -> Target {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    match deployment.target_resource_type {
        DeploymentTargetResourceType::Environment => Target::Environment(deployment.environment_name.clone()),
        DeploymentTargetResourceType::ServiceInstance => {
            Target::Instance(text(&deployment.service_name), text(&deployment.service_instance_name))
        }
        DeploymentTargetResourceType::ServicePipeline => Target::Pipeline(text(&deployment.service_name)),
        DeploymentTargetResourceType::Component => Target::Component(text(&deployment.component_name)),
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct End {
    pub status: DeploymentStatus,
    pub message: Option<String>,
    pub outputs: Vec<Output>,
    pub resources: Vec<ProvisionedResource>,
}

impl End {
    pub fn cancelled(message: impl Into<String>) -> Self {
        Self { status: DeploymentStatus::Cancelled, ..Self::failed(message) }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            status: DeploymentStatus::Failed,
            message: Some(message.into()),
            outputs: Vec::new(),
            resources: Vec::new(),
        }
    }
}

/// Settles a run: its record, its target, and what follows for the service. A settled run stays as it is.
pub async fn finish(tx: &mut Tx<'_>, id: &str, end: End) -> Result<(), OperationError> {
    let Some(mut kept) = tx.find::<Deployment>(id).await? else { return Ok(()) };
    if !is_busy(kept.value.deployment_status) {
        return Ok(());
    }
    let now = tx.now();
    let deployment = &mut kept.value;
    deployment.deployment_status = match (kept.extra.deletes, end.status) {
        (true, DeploymentStatus::Succeeded) => DeploymentStatus::DeleteComplete,
        (true, _) => DeploymentStatus::DeleteFailed,
        (false, status) => status,
    };
    deployment.deployment_status_message = end.message;
    deployment.completed_at = Some(now);
    deployment.last_modified_at = now;
    let succeeded = deployment.deployment_status == DeploymentStatus::Succeeded;
    if succeeded {
        deployment.last_succeeded_deployment_id = Some(deployment.id.clone());
        // Outputs that were notified before stay, and win.
        for output in end.outputs {
            if !kept.extra.outputs.iter().any(|known| known.key == output.key) {
                kept.extra.outputs.push(output);
            }
        }
        kept.extra.resources = end.resources;
    }
    tx.put(&kept);
    let gone = kept.value.deployment_status == DeploymentStatus::DeleteComplete;
    let previous = |status: DeploymentStatus| Some(status.as_str());
    let told = if gone { "DELETED" } else { kept.value.deployment_status.as_str() };
    match target_of(&kept.value) {
        Target::Environment(name) => {
            let Some(mut row) = tx.find::<Environment>(&name).await? else { return Ok(()) };
            let before = row.value.deployment_status;
            row.value.settled(&kept.value, now);
            keep_outputs(&mut row, &kept, succeeded);
            tx.event("Environment", &row.value.arn, previous(before), told, &[("name", &name)]);
            if gone { tx.delete::<Environment>(&name) } else { tx.put(&row) }
        }
        Target::Instance(service, name) => {
            let key = format!("{service}/{name}");
            let Some(mut row) = tx.find::<ServiceInstance>(&key).await? else { return Ok(()) };
            let before = row.value.deployment_status;
            row.value.settled(&kept.value, now);
            keep_outputs(&mut row, &kept, succeeded);
            tx.event(
                "Service Instance",
                &row.value.arn,
                previous(before),
                told,
                &[("name", &name), ("serviceName", &service)],
            );
            if gone {
                tx.delete::<ServiceInstance>(&key);
            } else {
                tx.put(&row);
            }
            services::advance(tx, &service).await?;
            sync::settled(tx, &service).await?;
        }
        Target::Pipeline(service) => {
            let Some(mut row) = tx.find::<Service>(&service).await? else { return Ok(()) };
            if let Some(pipeline) = &mut row.value.pipeline {
                let before = pipeline.deployment_status;
                pipeline.settled(&kept.value, now);
                tx.event("Service Pipeline", &pipeline.arn, previous(before), told, &[("serviceName", &service)]);
            }
            keep_outputs(&mut row, &kept, succeeded);
            if gone {
                row.value.pipeline = None;
            }
            tx.put(&row);
            services::advance(tx, &service).await?;
            sync::settled(tx, &service).await?;
        }
        Target::Component(name) => {
            let Some(mut row) = tx.find::<Component>(&name).await? else { return Ok(()) };
            let before = row.value.deployment_status;
            row.value.settled(&kept.value, now);
            row.value.last_modified_at = now;
            if succeeded
                && let Some(state) = kept.value.target_state.as_ref().and_then(|state| state.component.as_ref())
            {
                row.extra.template_file.clone_from(&state.template_file);
            }
            keep_outputs(&mut row, &kept, succeeded);
            tx.event("Component", &row.value.arn, previous(before), told, &[("name", &name)]);
            if gone { tx.delete::<Component>(&name) } else { tx.put(&row) }
        }
    }
    Ok(())
}

fn keep_outputs<T>(row: &mut Kept<T>, deployment: &Kept<Deployment>, succeeded: bool) {
    if succeeded {
        row.extra.outputs.clone_from(&deployment.extra.outputs);
        row.extra.resources.clone_from(&deployment.extra.resources);
    }
}

/// Begins to cancel the run of a resource.
///
/// # Errors
/// `ConflictException` where nothing is in progress.
pub async fn cancel(
    tx: &mut Tx<'_>,
    what: &str,
    name: &str,
    status: DeploymentStatus,
    id: Option<&String>,
) -> Result<(), OperationError> {
    let Some(id) = id.filter(|_| status == DeploymentStatus::InProgress) else {
        return Err(conflict(format!(
            "{what} {name} has no deployment in progress that could be cancelled; it is {}.",
            status.as_str()
        )));
    };
    let mut kept = tx.get::<Deployment>(id).await?;
    kept.value.deployment_status = DeploymentStatus::Cancelling;
    kept.value.last_modified_at = tx.now();
    tx.put(&kept);
    schedule(tx, id, 0);
    Ok(())
}

/// Whether a deployment carries the names that a caller gave.
fn fits(
    deployment: &Deployment,
    environment: Option<&String>,
    service: Option<&String>,
    instance: Option<&String>,
    component: Option<&String>,
) -> bool {
    let same = |wanted: Option<&String>, have: Option<&String>| wanted.is_none_or(|wanted| have == Some(wanted));
    same(environment, Some(&deployment.environment_name))
        && same(service, deployment.service_name.as_ref())
        && same(instance, deployment.service_instance_name.as_ref())
        && same(component, deployment.component_name.as_ref())
}

fn instance_of_service(instance: Option<&String>, service: Option<&String>) -> Result<(), OperationError> {
    if instance.is_some() && service.is_none() {
        return Err(validation("serviceInstanceName needs serviceName."));
    }
    Ok(())
}

pub async fn get(tx: &mut Tx<'_>, input: &GetDeploymentInput) -> Result<GetDeploymentOutput, OperationError> {
    instance_of_service(input.service_instance_name.as_ref(), input.service_name.as_ref())?;
    let kept = tx.get::<Deployment>(&input.id).await?;
    let names = (
        input.environment_name.as_ref(),
        input.service_name.as_ref(),
        input.service_instance_name.as_ref(),
        input.component_name.as_ref(),
    );
    if !fits(&kept.value, names.0, names.1, names.2, names.3) {
        return Err(not_found("Deployment", &input.id));
    }
    Ok(GetDeploymentOutput { deployment: Some(kept.value) })
}

pub async fn list(tx: &mut Tx<'_>, input: &ListDeploymentsInput) -> Result<ListDeploymentsOutput, OperationError> {
    instance_of_service(input.service_instance_name.as_ref(), input.service_name.as_ref())?;
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    // By the narrowest of the names; components have no other names than theirs and the environment's.
    let part = match (&input.component_name, &input.service_name, &input.service_instance_name) {
        (Some(component), ..) => Part::of(index::COMPONENT, &[component]),
        (None, Some(service), Some(instance)) => Part::of(index::INSTANCE, &[service, instance]),
        (None, Some(service), None) => Part::of(index::SERVICE, &[service]),
        _ => match &input.environment_name {
            Some(environment) => Part::of(index::ENVIRONMENT, &[environment]),
            None => Part::all(),
        },
    };
    let (rows, next_token) = tx
        .page_of::<Deployment>(&part, page, |kept| {
            fits(
                &kept.value,
                input.environment_name.as_ref(),
                input.service_name.as_ref(),
                input.service_instance_name.as_ref(),
                input.component_name.as_ref(),
            )
        })
        .await?;
    Ok(ListDeploymentsOutput { deployments: rows.iter().map(|row| convert(&row.value)).collect(), next_token })
}

pub async fn delete(tx: &mut Tx<'_>, id: &str) -> Result<DeleteDeploymentOutput, OperationError> {
    let kept = tx.get::<Deployment>(id).await?;
    if is_busy(kept.value.deployment_status) {
        return Err(validation(format!(
            "Deployment {id} is {}; it can be deleted when it has ended.",
            kept.value.deployment_status.as_str()
        )));
    }
    tx.delete::<Deployment>(id);
    Ok(DeleteDeploymentOutput { deployment: Some(kept.value) })
}

/// The outputs of a resource, or those of one of its deployments.
///
/// # Errors
/// `ResourceNotFoundException` where the deployment is not one of the resource, `ValidationException` for any page token.
pub async fn outputs(
    tx: &mut Tx<'_>,
    arn: &str,
    current: Vec<Output>,
    deployment: Option<&String>,
    token: Option<&String>,
) -> Result<Vec<Output>, OperationError> {
    no_token(token)?;
    let Some(id) = deployment else { return Ok(current) };
    let kept = tx.get::<Deployment>(id).await?;
    if kept.value.target_arn != arn {
        return Err(not_found("Deployment", id));
    }
    Ok(kept.extra.outputs)
}

/// These lists have one page, and tokens are empty.
///
/// # Errors
/// `ValidationException` for any other token.
pub fn no_token(token: Option<&String>) -> Result<(), OperationError> {
    match token {
        Some(token) if !token.is_empty() => Err(validation("nextToken must be empty: the list has one page.")),
        _ => Ok(()),
    }
}

/// Which version and spec a redeployment has.
pub struct Versions<'v> {
    pub template: &'v str,
    /// In use now.
    pub major: &'v str,
    pub minor: &'v str,
    pub wanted: DeploymentUpdateType,
    pub given_major: Option<&'v String>,
    pub given_minor: Option<&'v String>,
}

/// The major and minor version that a redeployment goes to; nothing for NONE.
///
/// # Errors
/// `ValidationException` where the parameters do not go with the type of the deployment.
pub async fn next_version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    of: &Versions<'_>,
) -> Result<Option<(String, Option<String>)>, OperationError> {
    use super::kept::Template;
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    match of.wanted {
        DeploymentUpdateType::None | DeploymentUpdateType::CurrentVersion
            if of.given_major.is_some() || of.given_minor.is_some() =>
        {
            Err(validation(format!(
                "With the deployment type {} no template version can be given.",
                of.wanted.as_str()
            )))
        }
        DeploymentUpdateType::None => Ok(None),
        DeploymentUpdateType::CurrentVersion => Ok(Some((of.major.to_owned(), Some(of.minor.to_owned())))),
        DeploymentUpdateType::MinorVersion => {
            if of.given_major.is_some_and(|major| major != of.major) {
                return Err(validation(format!(
                    "With the deployment type MINOR_VERSION the major version stays {}.",
                    of.major
                )));
            }
            Ok(Some((of.major.to_owned(), of.given_minor.cloned())))
        }
        DeploymentUpdateType::MajorVersion => match of.given_major {
            Some(major) if number(major) <= number(of.major) => Err(validation(format!(
                "With the deployment type MAJOR_VERSION the major version must be above {}.",
                of.major
            ))),
            Some(major) => Ok(Some((major.clone(), of.given_minor.cloned()))),
            None => {
                let template = tx.get::<Template<SERVICE>>(of.template).await?;
                let recommended = template.value.0.recommended_version.unwrap_or_default();
                let (major, minor) = recommended.split_once('.').unwrap_or(("0", "0"));
                if number(major) <= number(of.major) {
                    return Err(validation(format!(
                        "Template {} has no recommended major version above {}.",
                        of.template, of.major
                    )));
                }
                Ok(Some((major.to_owned(), Some(of.given_minor.cloned().unwrap_or_else(|| minor.to_owned())))))
            }
        },
    }
}
