//! Components, attached to a service instance or on their own in an environment.

use standin_core::OperationError;
use standin_model::Document;

use super::deployments::{self, Deployable as _, Run, Target, idle, is_busy};
use super::environments;
use super::errors::{conflict, quota, validation};
use super::index::{self, Part};
use super::instances::{self, component_of, engine_fits};
use super::kept::{Kept, Version, version_key};
use super::services::read_spec;
use super::tags;
use super::templates::published;
use super::tx::{Page, Tx};
use crate::finding::summary;
use crate::manifest::{self, Method, Owner};
use crate::types::*;

/// The engine that a manifest names.
///
/// # Errors
/// `ValidationException` with what is wrong with it.
pub fn method_of(text: &str) -> Result<Method, OperationError> {
    let mut findings = Vec::new();
    let method = manifest::read(text, "manifest", Owner::Component, None, &mut findings);
    method
        .filter(|_| findings.is_empty())
        .ok_or_else(|| validation(format!("The manifest is not valid: {}", summary(&findings))))
}

/// The environment of a component; for an attached one, that of the instance.
async fn environment_of(
    tx: &mut Tx<'_>,
    service: Option<&str>,
    instance: Option<&str>,
    environment: Option<&str>,
) -> Result<Environment, OperationError> {
    let name = match (service, instance) {
        (Some(service), Some(instance)) => {
            let row = instances::get(tx, service, instance).await?;
            if environment.is_some_and(|given| given != row.value.environment_name) {
                return Err(validation(format!(
                    "Service instance {instance} lives in the environment {}.",
                    row.value.environment_name
                )));
            }
            can_be_attached(tx, &row).await?;
            row.value.environment_name
        }
        (None, None) => match environment {
            Some(name) => name.to_owned(),
            None => return Err(validation("serviceName and serviceInstanceName, or environmentName, are needed.")),
        },
        _ => return Err(validation("serviceName and serviceInstanceName go together: give both or neither.")),
    };
    let environment = tx.get::<Environment>(&name).await?.value;
    tx.uses(&environments::uses(&name));
    let connection_role = match &environment.environment_account_connection_id {
        Some(id) => tx.find::<EnvironmentAccountConnection>(id).await?.and_then(|kept| kept.value.component_role_arn),
        None => None,
    };
    if environment.provisioning_repository.is_none()
        && environment.component_role_arn.is_none()
        && connection_role.is_none()
    {
        return Err(validation(format!("Environment {name} has no componentRoleArn, which components need.")));
    }
    Ok(environment)
}

/// Whether the template of an instance takes components, and the instance has none. Who attaches another at the same time
/// has to decide anew.
async fn can_be_attached(tx: &mut Tx<'_>, row: &Kept<ServiceInstance>) -> Result<(), OperationError> {
    let instance = &row.value;
    let key = version_key(&instance.template_name, &instance.template_major_version, &instance.template_minor_version);
    let version = tx.find::<Version<true>>(&key).await?.map(|kept| kept.value.0);
    let sources = version.and_then(|version| version.supported_component_sources).unwrap_or_default();
    if !sources.contains(&ServiceTemplateSupportedComponentSourceType::DirectlyDefined) {
        return Err(validation(format!(
            "Version {}.{} of service template {} does not support directly defined components.",
            instance.template_major_version, instance.template_minor_version, instance.template_name
        )));
    }
    if let Some(other) = component_of(tx, &instance.service_name, &instance.name).await? {
        return Err(conflict(format!(
            "Component {} is attached to service instance {} already.",
            other.value.name, instance.name
        )));
    }
    if is_busy(instance.deployment_status) {
        return Err(conflict(format!("Service instance {} has a deployment in progress.", instance.name)));
    }
    tx.put(row);
    Ok(())
}

/// Whether a spec gives the inputs of the instance that a component is attached to.
async fn check_spec(
    tx: &mut Tx<'_>,
    service: Option<&str>,
    instance: Option<&str>,
    spec: Option<&str>,
) -> Result<(), OperationError> {
    let Some(spec) = spec else { return Ok(()) };
    let (Some(service), Some(instance)) = (service, instance) else {
        return Err(validation("serviceSpec needs a service instance that the component is attached to."));
    };
    let it = instances::get(tx, service, instance).await?.value;
    let (_, bundle) =
        published::<true>(tx, &it.template_name, &it.template_major_version, Some(&it.template_minor_version)).await?;
    if read_spec(&bundle, spec)?.instance(instance).is_none() {
        return Err(validation(format!("The spec has no instance {instance}.")));
    }
    Ok(())
}

fn state_of(component: &Component, template_file: Option<&String>) -> DeploymentState {
    DeploymentState {
        component: Some(ComponentState {
            service_instance_name: component.service_instance_name.clone(),
            service_name: component.service_name.clone(),
            service_spec: component.service_spec.clone(),
            template_file: template_file.cloned(),
        }),
        ..DeploymentState::default()
    }
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

pub async fn create(
    tx: &mut Tx<'_>,
    input: &CreateComponentInput,
    raw: &Document,
) -> Result<Component, OperationError> {
    let replay = tx.replayed(input.client_token.as_ref(), "CreateComponent", raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<Component>(key).await?
    {
        return Ok(known.value);
    }
    if tx.find::<Component>(&input.name).await?.is_some() {
        return Err(conflict(format!("Component {} exists already.", input.name)));
    }
    let most = tx.engine.quotas.components;
    if tx.count::<Component>("").await? >= most as u64 {
        return Err(quota("components", most));
    }
    let (service, instance) = (given(input.service_name.as_ref()), given(input.service_instance_name.as_ref()));
    let environment = environment_of(tx, service, instance, input.environment_name.as_deref()).await?;
    check_spec(tx, service, instance, input.service_spec.as_deref()).await?;
    let method = method_of(&input.manifest)?;
    engine_fits(&environment, Some(&method))?;
    let now = tx.now();
    let mut component = Component {
        arn: tx.arn(&format!("component/{}", input.name)),
        created_at: now,
        description: input.description.clone(),
        environment_name: environment.name.clone(),
        last_client_request_token: input.client_token.clone(),
        last_modified_at: now,
        name: input.name.clone(),
        service_instance_name: instance.map(str::to_owned),
        service_name: service.map(str::to_owned),
        service_spec: input.service_spec.clone(),
        ..Component::default()
    };
    let run = Run {
        target: Target::Component(input.name.clone()),
        arn: &component.arn.clone(),
        created_at: now,
        environment: &environment.name,
        initial: None,
        state: Some(state_of(&component, Some(&input.template_file))),
        deletes: false,
        waits: false,
    };
    let deployment = deployments::begin(tx, run);
    component.begun(&deployment, false);
    tx.event("Component", &component.arn, None, "IN_PROGRESS", &[("name", &input.name)]);
    let mut kept = Kept::new(component.clone());
    kept.extra.tags = tags::new(input.tags.clone())?;
    kept.extra.manifest = Some(input.manifest.clone());
    kept.extra.template_file = Some(input.template_file.clone());
    tx.put(&kept);
    tx.remember(&replay, &input.name);
    Ok(component)
}

pub async fn update(
    tx: &mut Tx<'_>,
    input: &UpdateComponentInput,
    raw: &Document,
) -> Result<Component, OperationError> {
    let replay = tx.replayed(input.client_token.as_ref(), "UpdateComponent", raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<Component>(key).await?
    {
        return Ok(known.value);
    }
    let mut kept = tx.get::<Component>(&input.name).await?;
    idle("Component", &input.name, kept.value.deployment_status)?;
    let before = kept.value.clone();
    if input.deployment_type == ComponentDeploymentUpdateType::None {
        let more = [&input.service_name, &input.service_instance_name, &input.service_spec, &input.template_file];
        if more.iter().any(|given| given.is_some()) {
            return Err(validation("With the deployment type NONE only the description can be given."));
        }
    } else {
        let mut target = before.clone();
        attach(tx, &mut target, input).await?;
        if input.service_spec.is_some() {
            target.service_spec.clone_from(&input.service_spec);
        }
        let (service, instance) = (target.service_name.as_deref(), target.service_instance_name.as_deref());
        check_spec(tx, service, instance, input.service_spec.as_deref()).await?;
        if let (Some(service), Some(instance)) = (&target.service_name, &target.service_instance_name) {
            let row = instances::get(tx, service, instance).await?;
            idle("Service instance", instance, row.value.deployment_status)?;
        }
        let file = input.template_file.clone().or_else(|| kept.extra.template_file.clone());
        let initial =
            before.last_succeeded_deployment_id.as_ref().map(|_| state_of(&before, kept.extra.template_file.as_ref()));
        let run = Run {
            target: Target::Component(input.name.clone()),
            arn: &before.arn,
            created_at: before.created_at,
            environment: &before.environment_name,
            initial,
            state: Some(state_of(&target, file.as_ref())),
            deletes: false,
            waits: false,
        };
        let deployment = deployments::begin(tx, run);
        tx.event(
            "Component",
            &before.arn,
            Some(before.deployment_status.as_str()),
            "IN_PROGRESS",
            &[("name", &input.name)],
        );
        // Attachments hold at once: who is attached cannot be deleted.
        if target.service_name.is_none() {
            kept.value.service_spec = None;
        }
        kept.value.service_name = target.service_name;
        kept.value.service_instance_name = target.service_instance_name;
        kept.value.begun(&deployment, false);
    }
    if input.description.is_some() {
        kept.value.description.clone_from(&input.description);
    }
    kept.value.last_modified_at = tx.now();
    kept.value.last_client_request_token.clone_from(&input.client_token);
    tx.put(&kept);
    tx.remember(&replay, &input.name);
    Ok(kept.value)
}

/// Attaches, detaches, or leaves a component where it is.
async fn attach(
    tx: &mut Tx<'_>,
    component: &mut Component,
    input: &UpdateComponentInput,
) -> Result<(), OperationError> {
    match (&input.service_name, &input.service_instance_name) {
        (None, None) => Ok(()),
        (Some(service), Some(instance)) if service.is_empty() && instance.is_empty() => {
            component.service_name = None;
            component.service_instance_name = None;
            component.service_spec = None;
            Ok(())
        }
        (Some(service), Some(instance)) if !service.is_empty() && !instance.is_empty() => {
            let same = component.service_name.as_ref() == Some(service)
                && component.service_instance_name.as_ref() == Some(instance);
            if same {
                return Ok(());
            }
            if component.service_name.is_some() {
                return Err(conflict(format!(
                    "Component {} is attached to another service instance; detach it first.",
                    component.name
                )));
            }
            let row = instances::get(tx, service, instance).await?;
            if row.value.environment_name != component.environment_name {
                return Err(validation(format!(
                    "Component {} lives in the environment {}, the instance does not.",
                    component.name, component.environment_name
                )));
            }
            can_be_attached(tx, &row).await?;
            component.service_name = Some(service.clone());
            component.service_instance_name = Some(instance.clone());
            Ok(())
        }
        _ => Err(validation("serviceName and serviceInstanceName go together: give both, or both empty to detach.")),
    }
}

pub async fn delete(tx: &mut Tx<'_>, name: &str) -> Result<Component, OperationError> {
    let mut kept = tx.get::<Component>(name).await?;
    if kept.value.deployment_status == DeploymentStatus::DeleteInProgress {
        return Ok(kept.value);
    }
    idle("Component", name, kept.value.deployment_status)?;
    if let Some(instance) = &kept.value.service_instance_name {
        return Err(conflict(format!("Component {name} is attached to service instance {instance}; detach it first.")));
    }
    let state = state_of(&kept.value, kept.extra.template_file.as_ref());
    let run = Run {
        target: Target::Component(name.to_owned()),
        arn: &kept.value.arn.clone(),
        created_at: kept.value.created_at,
        environment: &kept.value.environment_name.clone(),
        initial: Some(state.clone()),
        state: Some(state),
        deletes: true,
        waits: false,
    };
    let before = kept.value.deployment_status;
    let deployment = deployments::begin(tx, run);
    kept.value.begun(&deployment, true);
    tx.event("Component", &kept.value.arn, Some(before.as_str()), "DELETE_IN_PROGRESS", &[("name", name)]);
    tx.put(&kept);
    Ok(kept.value)
}

pub async fn cancel(tx: &mut Tx<'_>, name: &str) -> Result<Component, OperationError> {
    let mut kept = tx.get::<Component>(name).await?;
    let id = kept.value.last_attempted_deployment_id.clone();
    deployments::cancel(tx, "Component", name, kept.value.deployment_status, id.as_ref()).await?;
    kept.value.set_status(DeploymentStatus::Cancelling);
    tx.event("Component", &kept.value.arn, Some("IN_PROGRESS"), "CANCELLING", &[("name", name)]);
    tx.put(&kept);
    Ok(kept.value)
}

pub async fn list(tx: &mut Tx<'_>, input: &ListComponentsInput) -> Result<ListComponentsOutput, OperationError> {
    if input.service_instance_name.is_some() && input.service_name.is_none() {
        return Err(validation("serviceInstanceName needs serviceName."));
    }
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let same = |wanted: &Option<String>, have: Option<&String>| wanted.is_none() || wanted.as_ref() == have;
    let part = match (&input.service_name, &input.service_instance_name, &input.environment_name) {
        (Some(service), Some(instance), _) => Part::of(index::INSTANCE, &[service, instance]),
        (Some(service), ..) => Part::of(index::SERVICE, &[service]),
        (None, _, Some(environment)) => Part::of(index::ENVIRONMENT, &[environment]),
        (None, _, None) => Part::all(),
    };
    let (rows, next_token) = tx
        .page_of::<Component>(&part, page, |row| same(&input.environment_name, Some(&row.value.environment_name)))
        .await?;
    Ok(ListComponentsOutput { components: rows.iter().map(|row| convert(&row.value)).collect(), next_token })
}
