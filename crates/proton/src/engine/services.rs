//! Services: their instances and pipelines as a whole.

use standin_core::OperationError;
use standin_model::Document;

use super::deployments::{self, Deployable as _, Run, Target, is_busy};
use super::errors::{conflict, invalid, not_found, quota, validation};
use super::index::{self, Part};
use super::instances;
use super::kept::{Kept, Template};
use super::sync;
use super::tags;
use super::templates::published;
use super::tx::{Page, Tx, fingerprint, mismatch};
use crate::bundle::Bundle;
use crate::manifest::Method;
use crate::spec::{self, ServiceSpec};
use crate::types::*;

/// What a service goes through, as [`advance`] sees it.
mod phase {
    pub const CREATING: &str = "creating";
    pub const ADDING: &str = "adding";
    pub const REMOVING: &str = "removing";
    pub const PIPELINE: &str = "pipeline";
    pub const CLEANING: &str = "cleaning";
    pub const DELETING: &str = "deleting";
}

/// A spec of a service, checked.
///
/// # Errors
/// `ValidationException` with everything that is wrong.
pub fn read_spec(bundle: &Bundle, text: &str) -> Result<ServiceSpec, OperationError> {
    let schema = bundle.schema.as_ref().ok_or_else(|| validation("The template has no schema."))?;
    spec::service(text, schema, spec::FILE).map_err(|findings| invalid(&findings))
}

fn is_busy_service(status: ServiceStatus) -> bool {
    use ServiceStatus as S;
    matches!(
        status,
        S::CreateInProgress
            | S::UpdateInProgress
            | S::DeleteInProgress
            | S::CreateFailedCleanupInProgress
            | S::UpdateFailedCleanupInProgress
    )
}

/// The instances of a service, in the order of their names.
pub async fn instances_of(tx: &mut Tx<'_>, service: &str) -> Result<Vec<Kept<ServiceInstance>>, OperationError> {
    tx.all::<ServiceInstance>(&format!("{service}/")).await
}

/// Refuses to touch a service, or a part of it, whose instances come or go.
pub fn settled(service: &Service) -> Result<(), OperationError> {
    if is_busy_service(service.status) {
        return Err(conflict(format!("Service {} is {}; wait for its end.", service.name, service.status.as_str())));
    }
    Ok(())
}

/// Refuses to touch a service of which anything is busy.
pub async fn idle(tx: &mut Tx<'_>, service: &Service) -> Result<(), OperationError> {
    settled(service)?;
    if let Some(pipeline) = &service.pipeline {
        deployments::idle("The pipeline of service", &service.name, pipeline.deployment_status)?;
    }
    for instance in instances_of(tx, &service.name).await? {
        deployments::idle("Service instance", &instance.value.name, instance.value.deployment_status)?;
    }
    Ok(())
}

fn set_status(tx: &mut Tx<'_>, service: &mut Service, status: ServiceStatus, message: Option<String>) {
    let before = service.status;
    service.status = status;
    service.status_message = message;
    service.last_modified_at = tx.now();
    tx.event("Service", &service.arn, Some(before.as_str()), status.as_str(), &[("name", &service.name)]);
}

pub async fn create(tx: &mut Tx<'_>, input: &CreateServiceInput, raw: &Document) -> Result<Service, OperationError> {
    let parameters = fingerprint(raw);
    if let Some(known) = tx.find::<Service>(&input.name).await? {
        return match known.extra {
            extra if extra.parameters.as_ref() != Some(&parameters) => Err(mismatch()),
            extra if extra.modified => {
                Err(conflict(format!("Service {} was modified since it was created.", input.name)))
            }
            _ => Ok(known.value),
        };
    }
    let most = tx.engine.quotas.services;
    if tx.count::<Service>("").await? >= most as u64 {
        return Err(quota("services", most));
    }
    let template = tx.get::<Template<true>>(&input.template_name).await?;
    let (version, bundle) = published::<true>(
        tx,
        &input.template_name,
        &input.template_major_version,
        input.template_minor_version.as_deref(),
    )
    .await?;
    let has_pipeline = template.value.0.provisioning.is_none();
    repository_fits(input, has_pipeline)?;
    let spec = read_spec(&bundle, &input.spec)?;
    let most = tx.engine.quotas.instances;
    if spec.instances.len() > most {
        return Err(quota("instances of a service", most));
    }
    if has_pipeline {
        pipeline_can_be_provisioned(tx, &bundle).await?;
    }
    let now = tx.now();
    let mut service = Service {
        arn: tx.arn(&format!("service/{}", input.name)),
        branch_name: input.branch_name.clone(),
        created_at: now,
        description: input.description.clone(),
        last_modified_at: now,
        name: input.name.clone(),
        pipeline: None,
        repository_connection_arn: input.repository_connection_arn.clone(),
        repository_id: input.repository_id.clone(),
        spec: input.spec.clone(),
        status: ServiceStatus::CreateInProgress,
        status_message: None,
        template_name: input.template_name.clone(),
    };
    let own_tags = tags::new(input.tags.clone())?;
    for instance in &spec.instances {
        let new = instances::New {
            service: &service,
            name: &instance.name,
            environment: &instance.environment,
            version: &version,
            spec: &input.spec,
            bundle: &bundle,
        };
        instances::begin_new(tx, new, own_tags.clone(), None).await?;
    }
    if has_pipeline {
        let mut pipeline = ServicePipeline {
            arn: tx.arn(&format!("service/{}/pipeline", input.name)),
            created_at: now,
            spec: Some(input.spec.clone()),
            template_major_version: version.major_version.clone(),
            template_minor_version: version.minor_version.clone(),
            template_name: input.template_name.clone(),
            ..ServicePipeline::default()
        };
        let environment = spec.instances.first().map_or("", |first| first.environment.as_str());
        begin_pipeline(tx, &input.name, &mut pipeline, environment, None, true);
        service.pipeline = Some(pipeline);
    }
    tx.event("Service", &service.arn, None, service.status.as_str(), &[("name", &input.name)]);
    let mut kept = Kept::new(service.clone());
    kept.extra.parameters = Some(parameters);
    kept.extra.pipeline_tags = own_tags.iter().filter(|_| has_pipeline).cloned().collect();
    kept.extra.tags = own_tags;
    kept.extra.phase = Some(phase::CREATING.into());
    kept.extra.added = spec.instances.iter().map(|instance| instance.name.clone()).collect();
    kept.extra.major = Some(version.major_version);
    tx.put(&kept);
    Ok(service)
}

/// All of the repository with a pipeline, nothing of it without.
fn repository_fits(input: &CreateServiceInput, has_pipeline: bool) -> Result<(), OperationError> {
    let given = [
        ("repositoryConnectionArn", &input.repository_connection_arn),
        ("repositoryId", &input.repository_id),
        ("branchName", &input.branch_name),
    ];
    for (name, value) in given {
        if value.is_some() != has_pipeline {
            let why = if has_pipeline {
                "is needed: the service has a pipeline"
            } else {
                "has no place here: the service has no pipeline"
            };
            return Err(validation(format!("{name} {why}.")));
        }
    }
    Ok(())
}

/// Whether the account has what provisions pipelines of that engine.
pub async fn pipeline_can_be_provisioned(tx: &mut Tx<'_>, bundle: &Bundle) -> Result<(), OperationError> {
    let settings = tx.find::<AccountSettings>("settings").await?.map(|kept| kept.value).unwrap_or_default();
    let missing = match bundle.pipeline.as_ref().map(|pipeline| &pipeline.method) {
        Some(Method::CloudFormation { .. }) => settings.pipeline_service_role_arn.is_none(),
        Some(Method::CodeBuild(_)) => settings.pipeline_codebuild_role_arn.is_none(),
        Some(Method::Terraform { .. }) if settings.pipeline_provisioning_repository.is_none() => {
            return Err(validation(
                "Operation cannot be run until a pipeline provisioning repository has been configured.",
            ));
        }
        _ => false,
    };
    if missing { Err(validation("Operation cannot be run until pipeline roles have been configured")) } else { Ok(()) }
}

/// Makes a run of a pipeline.
pub fn begin_pipeline(
    tx: &mut Tx<'_>,
    service: &str,
    pipeline: &mut ServicePipeline,
    environment: &str,
    target: Option<ServicePipelineState>,
    waits: bool,
) {
    let current = ServicePipelineState {
        spec: pipeline.spec.clone(),
        template_major_version: pipeline.template_major_version.clone(),
        template_minor_version: pipeline.template_minor_version.clone(),
        template_name: pipeline.template_name.clone(),
    };
    let of = |state| DeploymentState { service_pipeline: Some(state), ..DeploymentState::default() };
    let run = Run {
        target: Target::Pipeline(service.to_owned()),
        arn: &pipeline.arn.clone(),
        created_at: pipeline.created_at,
        environment,
        initial: pipeline.last_succeeded_deployment_id.as_ref().map(|_| of(current.clone())),
        state: Some(of(target.unwrap_or(current))),
        deletes: false,
        waits,
    };
    let before = pipeline.last_attempted_deployment_id.as_ref().map(|_| pipeline.deployment_status.as_str());
    let deployment = deployments::begin(tx, run);
    tx.event("Service Pipeline", &pipeline.arn, before, "IN_PROGRESS", &[("serviceName", service)]);
    pipeline.begun(&deployment, false);
}

pub async fn update(tx: &mut Tx<'_>, input: &UpdateServiceInput) -> Result<Service, OperationError> {
    let mut kept = tx.get::<Service>(&input.name).await?;
    idle(tx, &kept.value).await?;
    if input.description.is_some() {
        kept.value.description.clone_from(&input.description);
    }
    kept.value.last_modified_at = tx.now();
    kept.extra.modified = true;
    if let Some(text) = &input.spec {
        let text = spec::with_current_values(text, &kept.value.spec).map_err(|findings| invalid(&findings))?;
        edit(tx, &mut kept, text).await?;
    }
    tx.put(&kept);
    Ok(kept.value)
}

/// Brings the instances of a service to what a spec says: some come, some go, the others must stay as they are.
async fn edit(tx: &mut Tx<'_>, kept: &mut Kept<Service>, text: String) -> Result<(), OperationError> {
    let major = kept.extra.major.clone().unwrap_or_else(|| "1".into());
    let (version, bundle) = published::<true>(tx, &kept.value.template_name, &major, None).await?;
    let new = read_spec(&bundle, &text)?;
    let old = read_spec(&bundle, &kept.value.spec)?;
    for instance in &new.instances {
        let Some(before) = old.instance(&instance.name) else { continue };
        if before.environment != instance.environment || before.given != instance.given {
            return Err(validation(format!(
                "Instance {} is edited in the spec; UpdateService only adds and removes instances. Use UpdateServiceInstance for its inputs.",
                instance.name
            )));
        }
    }
    if new.pipeline != old.pipeline {
        return Err(validation(
            "The pipeline is edited in the spec; UpdateService only adds and removes instances. Use UpdateServicePipeline.",
        ));
    }
    let there = instances_of(tx, &kept.value.name).await?;
    let undeleted = there.iter().find(|row| {
        row.value.deployment_status == DeploymentStatus::DeleteFailed && new.instance(&row.value.name).is_some()
    });
    if let Some(row) = undeleted {
        return Err(conflict(format!(
            "Service instance {} is DELETE_FAILED; leave it out of the spec, so that its deletion is tried again.",
            row.value.name
        )));
    }
    let is_there = |name: &str| there.iter().any(|row| row.value.name == name);
    let added: Vec<_> = new.instances.iter().filter(|instance| !is_there(&instance.name)).collect();
    let removed: Vec<String> =
        there.iter().map(|row| row.value.name.clone()).filter(|name| new.instance(name).is_none()).collect();
    let most = tx.engine.quotas.instances;
    let failed = there.iter().filter(|row| {
        removed.contains(&row.value.name) && row.value.deployment_status == DeploymentStatus::DeleteFailed
    });
    if new.instances.len() + failed.count() > most {
        return Err(quota("instances of a service", most));
    }
    for name in &removed {
        if let Some(component) = instances::component_of(tx, &kept.value.name, name).await? {
            return Err(conflict(format!(
                "Component {} is attached to service instance {name}; detach it first.",
                component.value.name
            )));
        }
    }
    if !removed.is_empty() {
        sync::manual_change(tx, &kept.value.name, None).await?;
    }
    for instance in &added {
        let of = instances::New {
            service: &kept.value,
            name: &instance.name,
            environment: &instance.environment,
            version: &version,
            spec: &text,
            bundle: &bundle,
        };
        instances::begin_new(tx, of, kept.extra.tags.clone(), None).await?;
    }
    kept.extra.old_spec = Some(std::mem::replace(&mut kept.value.spec, text));
    kept.extra.added = added.into_iter().map(|instance| instance.name.clone()).collect();
    kept.extra.removed = removed;
    kept.extra.phase = Some(phase::ADDING.into());
    set_status(tx, &mut kept.value, ServiceStatus::UpdateInProgress, None);
    tx.put(kept);
    let name = kept.value.name.clone();
    advance(tx, &name).await?;
    *kept = tx.get::<Service>(&name).await?;
    Ok(())
}

/// A service gets one more instance.
pub fn begin_adding(tx: &mut Tx<'_>, kept: &mut Kept<Service>, text: String, name: &str) {
    kept.extra.old_spec = Some(std::mem::replace(&mut kept.value.spec, text));
    kept.extra.added = vec![name.to_owned()];
    kept.extra.removed = Vec::new();
    kept.extra.phase = Some(phase::ADDING.into());
    kept.extra.modified = true;
    set_status(tx, &mut kept.value, ServiceStatus::UpdateInProgress, None);
}

pub async fn delete(tx: &mut Tx<'_>, name: &str) -> Result<Option<Service>, OperationError> {
    let Some(mut kept) = tx.find::<Service>(name).await? else { return Ok(None) };
    if kept.value.status == ServiceStatus::DeleteInProgress {
        return Ok(Some(kept.value));
    }
    idle(tx, &kept.value).await?;
    if let Some(component) = tx.first::<Component>(&Part::of(index::SERVICE, &[name])).await? {
        return Err(conflict(format!(
            "Component {} is attached to service {name}; detach it first.",
            component.value.name
        )));
    }
    for mut instance in instances_of(tx, name).await? {
        instances::begin_delete(tx, &mut instance);
    }
    if let Some(pipeline) = &mut kept.value.pipeline {
        let state = ServicePipelineState {
            spec: pipeline.spec.clone(),
            template_major_version: pipeline.template_major_version.clone(),
            template_minor_version: pipeline.template_minor_version.clone(),
            template_name: pipeline.template_name.clone(),
        };
        let state = DeploymentState { service_pipeline: Some(state), ..DeploymentState::default() };
        let run = Run {
            target: Target::Pipeline(name.to_owned()),
            arn: &pipeline.arn.clone(),
            created_at: pipeline.created_at,
            environment: "",
            initial: Some(state.clone()),
            state: Some(state),
            deletes: true,
            waits: false,
        };
        let before = pipeline.deployment_status;
        let deployment = deployments::begin(tx, run);
        tx.event(
            "Service Pipeline",
            &pipeline.arn,
            Some(before.as_str()),
            "DELETE_IN_PROGRESS",
            &[("serviceName", name)],
        );
        pipeline.begun(&deployment, true);
    }
    kept.extra.phase = Some(phase::DELETING.into());
    set_status(tx, &mut kept.value, ServiceStatus::DeleteInProgress, None);
    tx.put(&kept);
    advance(tx, name).await?;
    Ok(Some(kept.value))
}

/// Goes on with a service after one of its parts has settled.
pub async fn advance(tx: &mut Tx<'_>, name: &str) -> Result<(), OperationError> {
    let Some(mut kept) = tx.find::<Service>(name).await? else { return Ok(()) };
    loop {
        let Some(now) = kept.extra.phase.clone() else { return Ok(()) };
        let instances = instances_of(tx, name).await?;
        let part = |names: &[String]| -> Vec<Kept<ServiceInstance>> {
            instances.iter().filter(|row| names.contains(&row.value.name)).cloned().collect()
        };
        let busy = |rows: &[Kept<ServiceInstance>]| rows.iter().any(|row| is_busy(row.value.deployment_status));
        let next = match now.as_str() {
            phase::CREATING | phase::ADDING => {
                let added = part(&kept.extra.added);
                if busy(&added) {
                    return Ok(());
                }
                let failed: Vec<&str> = added
                    .iter()
                    .filter(|row| row.value.deployment_status != DeploymentStatus::Succeeded)
                    .map(|row| row.value.arn.as_str())
                    .collect();
                if !failed.is_empty() {
                    let message = format!("Service Instance(s): [{}] failed to deploy", failed.join(", "));
                    if now == phase::CREATING {
                        fail_pipeline(tx, &mut kept.value, &format!("{message} - canceling pipeline deployment"))
                            .await?;
                        set_status(tx, &mut kept.value, ServiceStatus::CreateFailed, Some(message));
                        None
                    } else {
                        if let Some(before) = kept.extra.old_spec.take() {
                            kept.value.spec = before;
                        }
                        for mut row in added {
                            instances::begin_delete(tx, &mut row);
                        }
                        set_status(tx, &mut kept.value, ServiceStatus::UpdateFailedCleanupInProgress, Some(message));
                        Some(phase::CLEANING)
                    }
                } else if kept.extra.removed.is_empty() {
                    pipeline_or_end(tx, &mut kept, &instances, now == phase::CREATING)
                } else {
                    for mut row in part(&kept.extra.removed) {
                        instances::begin_delete(tx, &mut row);
                    }
                    Some(phase::REMOVING)
                }
            }
            phase::REMOVING => {
                let removed = part(&kept.extra.removed);
                if busy(&removed) {
                    return Ok(());
                }
                if removed.is_empty() {
                    pipeline_or_end(tx, &mut kept, &instances, false)
                } else {
                    set_status(
                        tx,
                        &mut kept.value,
                        ServiceStatus::UpdateCompleteCleanupFailed,
                        Some(undeleted(removed.iter().map(|row| row.value.arn.as_str()))),
                    );
                    None
                }
            }
            phase::CLEANING => {
                let added = part(&kept.extra.added);
                if busy(&added) {
                    return Ok(());
                }
                let status = if added.is_empty() {
                    ServiceStatus::UpdateFailedCleanupComplete
                } else {
                    ServiceStatus::UpdateFailedCleanupFailed
                };
                let message = kept.value.status_message.clone();
                set_status(tx, &mut kept.value, status, message);
                None
            }
            phase::PIPELINE => {
                let Some(pipeline) = &kept.value.pipeline else { return Ok(()) };
                if is_busy(pipeline.deployment_status) {
                    return Ok(());
                }
                let (failed, message) = (
                    pipeline.deployment_status != DeploymentStatus::Succeeded,
                    pipeline.deployment_status_message.clone(),
                );
                let status = match (failed, kept.value.status) {
                    (false, _) => ServiceStatus::Active,
                    (true, ServiceStatus::CreateInProgress) => ServiceStatus::CreateFailed,
                    (true, _) => ServiceStatus::UpdateFailed,
                };
                set_status(tx, &mut kept.value, status, message.filter(|_| failed));
                None
            }
            _ => {
                let pipeline = kept.value.pipeline.as_ref().map(|pipeline| pipeline.deployment_status);
                if busy(&instances) || pipeline.is_some_and(is_busy) {
                    return Ok(());
                }
                if instances.is_empty() && pipeline.is_none() {
                    tx.delete::<Service>(name);
                    sync::forget_service(tx, name).await?;
                    tx.event(
                        "Service",
                        &kept.value.arn,
                        Some(kept.value.status.as_str()),
                        "DELETED",
                        &[("name", name)],
                    );
                    return Ok(());
                }
                let pipeline = kept.value.pipeline.as_ref().map(|pipeline| pipeline.arn.as_str());
                let message = undeleted(instances.iter().map(|row| row.value.arn.as_str()).chain(pipeline));
                set_status(tx, &mut kept.value, ServiceStatus::DeleteFailed, Some(message));
                None
            }
        };
        kept.extra.phase = next.map(str::to_owned);
        tx.put(&kept);
    }
}

fn undeleted<'n>(arns: impl Iterator<Item = &'n str>) -> String {
    format!("Could not be deleted: [{}]", arns.collect::<Vec<_>>().join(", "))
}

/// The instances are as they should be: the pipeline is next, where there is one.
fn pipeline_or_end(
    tx: &mut Tx<'_>,
    kept: &mut Kept<Service>,
    instances: &[Kept<ServiceInstance>],
    creating: bool,
) -> Option<&'static str> {
    let name = kept.value.name.clone();
    let Some(pipeline) = &mut kept.value.pipeline else {
        set_status(tx, &mut kept.value, ServiceStatus::Active, None);
        return None;
    };
    if creating {
        // Its run was made with the service and has waited for the instances.
        let id = pipeline.last_attempted_deployment_id.clone().unwrap_or_default();
        deployments::start(tx, &id);
    } else {
        let environment = instances.first().map_or("", |row| row.value.environment_name.as_str());
        let target = ServicePipelineState {
            spec: pipeline.spec.clone(),
            template_major_version: pipeline.template_major_version.clone(),
            template_minor_version: pipeline.template_minor_version.clone(),
            template_name: pipeline.template_name.clone(),
        };
        begin_pipeline(tx, &name, pipeline, environment, Some(target), false);
    }
    Some(phase::PIPELINE)
}

/// Settles the run of a pipeline that never began.
async fn fail_pipeline(tx: &mut Tx<'_>, service: &mut Service, message: &str) -> Result<(), OperationError> {
    let now = tx.now();
    let Some(pipeline) = &mut service.pipeline else { return Ok(()) };
    let id = pipeline.last_attempted_deployment_id.clone().unwrap_or_default();
    // One that was cancelled meanwhile has ended.
    if !is_busy(pipeline.deployment_status) {
        return Ok(());
    }
    let before = pipeline.deployment_status;
    if let Some(mut row) = tx.find::<Deployment>(&id).await? {
        row.value.deployment_status = DeploymentStatus::Failed;
        row.value.deployment_status_message = Some(message.to_owned());
        row.value.completed_at = Some(now);
        row.value.last_modified_at = now;
        tx.put(&row);
        pipeline.settled(&row.value, now);
    }
    tx.event("Service Pipeline", &pipeline.arn, Some(before.as_str()), "FAILED", &[("serviceName", &service.name)]);
    Ok(())
}

pub async fn list(tx: &mut Tx<'_>, input: &ListServicesInput) -> Result<ListServicesOutput, OperationError> {
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let (rows, next_token) = tx.page::<Service>(page, |_| true).await?;
    Ok(ListServicesOutput { services: rows.iter().map(|row| convert(&row.value)).collect(), next_token })
}

/// The pipeline of a service.
///
/// # Errors
/// `ResourceNotFoundException` where there is no such service, or it has none.
pub async fn pipeline_of(tx: &mut Tx<'_>, service: &str) -> Result<(Kept<Service>, ServicePipeline), OperationError> {
    let kept = tx.get::<Service>(service).await?;
    match kept.value.pipeline.clone() {
        Some(pipeline) => Ok((kept, pipeline)),
        None => Err(not_found("Pipeline of service", service)),
    }
}

pub async fn update_pipeline(
    tx: &mut Tx<'_>,
    input: &UpdateServicePipelineInput,
) -> Result<ServicePipeline, OperationError> {
    let (mut kept, mut pipeline) = pipeline_of(tx, &input.service_name).await?;
    deployments::idle("The pipeline of service", &input.service_name, pipeline.deployment_status)?;
    settled(&kept.value)?;
    let next = deployments::next_version::<true>(
        tx,
        &deployments::Versions {
            template: &pipeline.template_name,
            major: &pipeline.template_major_version,
            minor: &pipeline.template_minor_version,
            wanted: input.deployment_type,
            given_major: input.template_major_version.as_ref(),
            given_minor: input.template_minor_version.as_ref(),
        },
    )
    .await?;
    let Some((major, minor)) = next else { return Ok(pipeline) };
    let (version, bundle) = published::<true>(tx, &pipeline.template_name, &major, minor.as_deref()).await?;
    let stored = pipeline.spec.clone().unwrap_or_default();
    let text = if input.spec.is_empty() {
        stored
    } else {
        spec::with_current_values(&input.spec, &stored).map_err(|findings| invalid(&findings))?
    };
    let spec = read_spec(&bundle, &text)?;
    pipeline_can_be_provisioned(tx, &bundle).await?;
    let target = ServicePipelineState {
        spec: Some(text),
        template_major_version: version.major_version,
        template_minor_version: version.minor_version,
        template_name: pipeline.template_name.clone(),
    };
    let environment = spec.instances.first().map_or("", |first| first.environment.as_str()).to_owned();
    begin_pipeline(tx, &input.service_name, &mut pipeline, &environment, Some(target), false);
    kept.value.pipeline = Some(pipeline.clone());
    kept.extra.modified = true;
    tx.put(&kept);
    Ok(pipeline)
}

pub async fn cancel_pipeline(tx: &mut Tx<'_>, service: &str) -> Result<ServicePipeline, OperationError> {
    let (mut kept, mut pipeline) = pipeline_of(tx, service).await?;
    let id = pipeline.last_attempted_deployment_id.clone();
    deployments::cancel(tx, "The pipeline of service", service, pipeline.deployment_status, id.as_ref()).await?;
    pipeline.set_status(DeploymentStatus::Cancelling);
    tx.event("Service Pipeline", &pipeline.arn, Some("IN_PROGRESS"), "CANCELLING", &[("serviceName", service)]);
    kept.value.pipeline = Some(pipeline.clone());
    tx.put(&kept);
    Ok(pipeline)
}
