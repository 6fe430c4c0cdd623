//! Service instances.

use std::cmp::Ordering;

use standin_core::OperationError;
use standin_model::{Document, Timestamp};

use super::deployments::{self, Deployable as _, Run, Target, idle, is_busy};
use super::environments;
use super::errors::{conflict, invalid, not_found, validation};
use super::index::{self, Part};
use super::kept::{Kept, Template};
use super::services::{self, read_spec};
use super::sync;
use super::tags;
use super::templates::published;
use super::tx::{Page, Tx};
use crate::bundle::Bundle;
use crate::manifest::Method;
use crate::spec;
use crate::types::*;

/// Instances that filters look at for one page at most.
const LOOKED_AT_MAX: usize = 2000;
/// Instances that are read in one go where there are filters.
const READ: usize = 256;

/// An instance that is to be made.
pub struct New<'n> {
    pub service: &'n Service,
    pub name: &'n str,
    pub environment: &'n str,
    pub version: &'n ServiceTemplateVersion,
    pub spec: &'n str,
    pub bundle: &'n Bundle,
}

/// The environment that an instance of a version may live in.
///
/// # Errors
/// `ValidationException` where it is not there, not deployed, or not compatible.
async fn environment_for(
    tx: &mut Tx<'_>,
    name: &str,
    version: &ServiceTemplateVersion,
    bundle: &Bundle,
) -> Result<Environment, OperationError> {
    let Some(kept) = tx.find::<Environment>(name).await? else {
        return Err(validation(format!("Environment {name} does not exist.")));
    };
    let environment = kept.value;
    if environment.last_succeeded_deployment_id.is_none()
        || environment.deployment_status == DeploymentStatus::DeleteInProgress
    {
        return Err(validation(format!(
            "Environment {name} is not deployed: it is {}.",
            environment.deployment_status.as_str()
        )));
    }
    let fits = version.compatible_environment_templates.iter().any(|compatible| {
        compatible.template_name == environment.template_name
            && compatible.major_version == environment.template_major_version
    });
    if !fits {
        return Err(validation(format!(
            "Environment {name} is of template {}:{}, which version {}.{} of service template {} is not compatible with.",
            environment.template_name,
            environment.template_major_version,
            version.major_version,
            version.minor_version,
            version.template_name
        )));
    }
    tx.uses(&environments::uses(name));
    engine_fits(&environment, bundle.main.as_ref().map(|main| &main.method))?;
    Ok(environment)
}

/// Terraform goes with environments of a repository, the others do not.
///
/// # Errors
/// `ValidationException`.
pub fn engine_fits(environment: &Environment, method: Option<&Method>) -> Result<(), OperationError> {
    if environment.provisioning.is_some() {
        return Ok(());
    }
    let from_repository = environment.provisioning_repository.is_some();
    match method {
        Some(Method::Terraform { .. }) if !from_repository => Err(validation(format!(
            "Environment {} is not provisioned from a repository, which Terraform needs.",
            environment.name
        ))),
        Some(method @ Method::CloudFormation { .. }) if from_repository => Err(validation(format!(
            "Environment {} is provisioned from a repository; {} does not go there.",
            environment.name,
            method.name()
        ))),
        _ => Ok(()),
    }
}

/// Makes an instance and its first run.
pub async fn begin_new(
    tx: &mut Tx<'_>,
    new: New<'_>,
    own_tags: Vec<Tag>,
    token: Option<&String>,
) -> Result<ServiceInstance, OperationError> {
    let environment = environment_for(tx, new.environment, new.version, new.bundle).await?;
    let now = tx.now();
    let service = &new.service.name;
    let mut instance = ServiceInstance {
        arn: tx.arn(&format!("service/{service}/service-instance/{}", new.name)),
        created_at: now,
        environment_name: environment.name.clone(),
        last_client_request_token: token.cloned(),
        name: new.name.to_owned(),
        service_name: service.clone(),
        spec: Some(new.spec.to_owned()),
        template_major_version: new.version.major_version.clone(),
        template_minor_version: new.version.minor_version.clone(),
        template_name: new.version.template_name.clone(),
        ..ServiceInstance::default()
    };
    let target = state_of(tx, &instance).await?;
    let run = Run {
        target: Target::Instance(service.clone(), new.name.to_owned()),
        arn: &instance.arn.clone(),
        created_at: now,
        environment: &environment.name,
        initial: None,
        state: Some(target),
        deletes: false,
        waits: false,
    };
    let deployment = deployments::begin(tx, run);
    instance.begun(&deployment, false);
    tx.event("Service Instance", &instance.arn, None, "IN_PROGRESS", &[("name", new.name), ("serviceName", service)]);
    let mut kept = Kept::new(instance.clone());
    kept.extra.tags = own_tags;
    tx.put(&kept);
    Ok(instance)
}

async fn state_of(tx: &mut Tx<'_>, instance: &ServiceInstance) -> Result<DeploymentState, OperationError> {
    let component = component_of(tx, &instance.service_name, &instance.name).await?;
    let environment = tx.find::<Environment>(&instance.environment_name).await?;
    let service = tx.find::<Service>(&instance.service_name).await?;
    Ok(DeploymentState {
        service_instance: Some(ServiceInstanceState {
            last_successful_component_deployment_ids: component
                .and_then(|row| row.value.last_succeeded_deployment_id)
                .map(|id| vec![id]),
            last_successful_environment_deployment_id: environment
                .and_then(|row| row.value.last_succeeded_deployment_id),
            last_successful_service_pipeline_deployment_id: service
                .and_then(|row| row.value.pipeline)
                .and_then(|pipeline| pipeline.last_succeeded_deployment_id),
            spec: instance.spec.clone().unwrap_or_default(),
            template_major_version: instance.template_major_version.clone(),
            template_minor_version: instance.template_minor_version.clone(),
            template_name: instance.template_name.clone(),
        }),
        ..DeploymentState::default()
    })
}

/// The component that is attached to an instance.
pub async fn component_of(
    tx: &mut Tx<'_>,
    service: &str,
    instance: &str,
) -> Result<Option<Kept<Component>>, OperationError> {
    tx.first::<Component>(&Part::of(index::INSTANCE, &[service, instance])).await
}

/// The state of an instance without the deployments that it came after.
pub fn bare_state(it: &ServiceInstance) -> DeploymentState {
    DeploymentState {
        service_instance: Some(ServiceInstanceState {
            spec: it.spec.clone().unwrap_or_default(),
            template_major_version: it.template_major_version.clone(),
            template_minor_version: it.template_minor_version.clone(),
            template_name: it.template_name.clone(),
            ..ServiceInstanceState::default()
        }),
        ..DeploymentState::default()
    }
}

/// Makes the run that deletes an instance.
pub fn begin_delete(tx: &mut Tx<'_>, kept: &mut Kept<ServiceInstance>) {
    let it = &kept.value;
    let state = bare_state(it);
    let run = Run {
        target: Target::Instance(it.service_name.clone(), it.name.clone()),
        arn: &it.arn.clone(),
        created_at: it.created_at,
        environment: &it.environment_name.clone(),
        initial: Some(state.clone()),
        state: Some(state),
        deletes: true,
        waits: false,
    };
    let before = it.deployment_status;
    let deployment = deployments::begin(tx, run);
    kept.value.begun(&deployment, true);
    let it = &kept.value;
    tx.event(
        "Service Instance",
        &it.arn,
        Some(before.as_str()),
        "DELETE_IN_PROGRESS",
        &[("name", &it.name), ("serviceName", &it.service_name)],
    );
    tx.put(kept);
}

/// Who makes or changes an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody who calls the API: that blocks the sync.
    Hand,
    Sync,
}

pub async fn create(
    tx: &mut Tx<'_>,
    input: &CreateServiceInstanceInput,
    raw: &Document,
    by: By,
) -> Result<ServiceInstance, OperationError> {
    let replay = tx.replayed(input.client_token.as_ref(), "CreateServiceInstance", raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<ServiceInstance>(key).await?
    {
        return Ok(known.value);
    }
    let mut service = tx.get::<Service>(&input.service_name).await?;
    let key = format!("{}/{}", input.service_name, input.name);
    if tx.find::<ServiceInstance>(&key).await?.is_some() {
        return Err(conflict(format!("Service instance {} exists already.", input.name)));
    }
    services::idle(tx, &service.value).await?;
    if input.template_minor_version.is_some() && input.template_major_version.is_none() {
        return Err(validation("templateMinorVersion needs templateMajorVersion."));
    }
    let (major, minor) = match &input.template_major_version {
        Some(major) => (major.clone(), input.template_minor_version.clone()),
        None => {
            let template = tx.get::<Template<true>>(&service.value.template_name).await?;
            let recommended = template.value.0.recommended_version.ok_or_else(|| {
                validation(format!("Template {} has no published version.", service.value.template_name))
            })?;
            let (major, minor) = recommended.split_once('.').unwrap_or((recommended.as_str(), "0"));
            (major.to_owned(), Some(minor.to_owned()))
        }
    };
    let (version, bundle) = published::<true>(tx, &service.value.template_name, &major, minor.as_deref()).await?;
    let text = spec::with_current_values(&input.spec, &service.value.spec).map_err(|findings| invalid(&findings))?;
    let spec = read_spec(&bundle, &text)?;
    let Some(entry) = spec.instance(&input.name) else {
        return Err(validation(format!("The spec has no instance {}.", input.name)));
    };
    let count = services::instances_of(tx, &input.service_name).await?.len();
    let most = tx.engine.quotas.instances;
    if count >= most {
        return Err(validation(format!("A service can have at most {most} instances.")));
    }
    let new = New {
        service: &service.value,
        name: &input.name,
        environment: &entry.environment,
        version: &version,
        spec: &text,
        bundle: &bundle,
    };
    let own_tags = tags::inherited(&service.extra.tags, input.tags.clone())?;
    let instance = begin_new(tx, new, own_tags, input.client_token.as_ref()).await?;
    services::begin_adding(tx, &mut service, text, &input.name);
    tx.put(&service);
    if by == By::Hand {
        sync::manual_change(tx, &input.service_name, Some(&input.name)).await?;
    }
    tx.remember(&replay, &key);
    Ok(instance)
}

pub async fn update(
    tx: &mut Tx<'_>,
    input: &UpdateServiceInstanceInput,
    raw: &Document,
    by: By,
) -> Result<ServiceInstance, OperationError> {
    let replay = tx.replayed(input.client_token.as_ref(), "UpdateServiceInstance", raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<ServiceInstance>(key).await?
    {
        return Ok(known.value);
    }
    let key = format!("{}/{}", input.service_name, input.name);
    let mut kept = get(tx, &input.service_name, &input.name).await?;
    idle("Service instance", &input.name, kept.value.deployment_status)?;
    services::settled(&tx.get::<Service>(&input.service_name).await?.value)?;
    if let Some(component) = component_of(tx, &input.service_name, &input.name).await?
        && is_busy(component.value.deployment_status)
    {
        return Err(conflict(format!(
            "Component {}, which is attached, has a deployment in progress.",
            component.value.name
        )));
    }
    if input.deployment_type == DeploymentUpdateType::None && input.spec.is_some() {
        return Err(validation("With the deployment type NONE no spec can be given."));
    }
    let instance = kept.value.clone();
    let next = deployments::next_version::<true>(
        tx,
        &deployments::Versions {
            template: &instance.template_name,
            major: &instance.template_major_version,
            minor: &instance.template_minor_version,
            wanted: input.deployment_type,
            given_major: input.template_major_version.as_ref(),
            given_minor: input.template_minor_version.as_ref(),
        },
    )
    .await?;
    if let Some((major, minor)) = next {
        let (version, bundle) = published::<true>(tx, &instance.template_name, &major, minor.as_deref()).await?;
        let stored = instance.spec.clone().unwrap_or_default();
        let text = match &input.spec {
            Some(given) => spec::with_current_values(given, &stored).map_err(|findings| invalid(&findings))?,
            None => stored,
        };
        let spec = read_spec(&bundle, &text)?;
        let Some(entry) = spec.instance(&input.name) else {
            return Err(validation(format!("The spec has no instance {}.", input.name)));
        };
        if entry.environment != instance.environment_name {
            return Err(validation(format!(
                "Service instance {} stays in the environment {}.",
                input.name, instance.environment_name
            )));
        }
        environment_for(tx, &instance.environment_name, &version, &bundle).await?;
        let mut target = instance.clone();
        target.spec = Some(text);
        target.template_major_version = version.major_version;
        target.template_minor_version = version.minor_version;
        let initial = match &instance.last_succeeded_deployment_id {
            Some(_) => Some(state_of(tx, &instance).await?),
            None => None,
        };
        let target = state_of(tx, &target).await?;
        let run = Run {
            target: Target::Instance(input.service_name.clone(), input.name.clone()),
            arn: &instance.arn,
            created_at: instance.created_at,
            environment: &instance.environment_name,
            initial,
            state: Some(target),
            deletes: false,
            waits: false,
        };
        let deployment = deployments::begin(tx, run);
        let detail = [("name", input.name.as_str()), ("serviceName", input.service_name.as_str())];
        tx.event("Service Instance", &instance.arn, Some(instance.deployment_status.as_str()), "IN_PROGRESS", &detail);
        kept.value.begun(&deployment, false);
        if by == By::Hand {
            sync::manual_change(tx, &input.service_name, Some(&input.name)).await?;
        }
    }
    kept.value.last_client_request_token.clone_from(&input.client_token);
    tx.put(&kept);
    tx.remember(&replay, &key);
    Ok(kept.value)
}

pub async fn cancel(tx: &mut Tx<'_>, service: &str, name: &str) -> Result<ServiceInstance, OperationError> {
    let mut kept = get(tx, service, name).await?;
    let id = kept.value.last_attempted_deployment_id.clone();
    deployments::cancel(tx, "Service instance", name, kept.value.deployment_status, id.as_ref()).await?;
    kept.value.set_status(DeploymentStatus::Cancelling);
    tx.event(
        "Service Instance",
        &kept.value.arn,
        Some("IN_PROGRESS"),
        "CANCELLING",
        &[("name", name), ("serviceName", service)],
    );
    tx.put(&kept);
    Ok(kept.value)
}

/// How far a version is behind what its template recommends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Staleness {
    UpToDate,
    BehindMinor,
    BehindMajor,
}

/// Compares a deployed version with the recommended ones.
pub async fn staleness<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
    minor: &str,
) -> Result<Staleness, OperationError> {
    let number = |text: &str| text.parse::<u64>().unwrap_or_default();
    let recommended = tx
        .find::<Template<SERVICE>>(template)
        .await?
        .and_then(|kept| kept.value.0.recommended_version)
        .unwrap_or_default();
    let best = recommended.split_once('.').map_or(0, |(major, _)| number(major));
    if best > number(major) {
        return Ok(Staleness::BehindMajor);
    }
    let best = super::templates::recommended_minor::<SERVICE>(tx, template, major).await?;
    Ok(if best.is_some_and(|best| number(&best) > number(minor)) {
        Staleness::BehindMinor
    } else {
        Staleness::UpToDate
    })
}

/// A time in the form that filters take: RFC 3339 in UTC, ending in Z.
fn filter_time(text: &str) -> Result<Timestamp, OperationError> {
    Timestamp::parse_date_time(text)
        .filter(|_| text.ends_with('Z'))
        .ok_or_else(|| validation(format!("{text} must be a time in UTC that ends in Z, as in 2024-01-31T12:00:00Z.")))
}

pub async fn list(
    tx: &mut Tx<'_>,
    input: &ListServiceInstancesInput,
) -> Result<ListServiceInstancesOutput, OperationError> {
    use ListServiceInstancesFilterBy as By;
    use ListServiceInstancesSortBy as Sort;
    if let Some(service) = &input.service_name {
        tx.get::<Service>(service).await?;
    }
    let filters = input.filters.clone().unwrap_or_default();
    for filter in &filters {
        if matches!(
            filter.key,
            Some(
                By::LastDeploymentAttemptedAtBefore
                    | By::LastDeploymentAttemptedAtAfter
                    | By::CreatedAtBefore
                    | By::CreatedAtAfter
            )
        ) {
            filter_time(filter.value.as_deref().unwrap_or_default())?;
        }
    }
    let by = input.sort_by.unwrap_or(Sort::ServiceName);
    if by == Sort::ServiceName && input.sort_order != Some(SortOrder::Descending) {
        return in_order(tx, input, &filters).await;
    }
    let prefix = input.service_name.as_ref().map_or_else(String::new, |service| format!("{service}/"));
    let mut rows = Vec::new();
    for row in tx.all::<ServiceInstance>(&prefix).await? {
        if fits(tx, &row.value, &filters).await? {
            rows.push(row.value);
        }
    }
    let order = |a: &ServiceInstance, b: &ServiceInstance| -> Ordering {
        let first = match by {
            Sort::Name => a.name.cmp(&b.name),
            Sort::DeploymentStatus => a.deployment_status.as_str().cmp(b.deployment_status.as_str()),
            Sort::TemplateName => a.template_name.cmp(&b.template_name),
            Sort::ServiceName => Ordering::Equal,
            Sort::EnvironmentName => a.environment_name.cmp(&b.environment_name),
            Sort::LastDeploymentAttemptedAt => a.last_deployment_attempted_at.cmp(&b.last_deployment_attempted_at),
            Sort::CreatedAt => a.created_at.cmp(&b.created_at),
        };
        first.then_with(|| (&a.service_name, &a.name).cmp(&(&b.service_name, &b.name)))
    };
    rows.sort_by(order);
    if input.sort_order == Some(SortOrder::Descending) {
        rows.reverse();
    }
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let start = match page.token {
        Some(token) => {
            let place = tx.place(token)?;
            let (end, last) = place.split_once('/').unwrap_or_default();
            let at = rows.iter().position(|it| format!("{}/{}", it.service_name, it.name) == last);
            // The last one of the page before may be gone; what was behind it has its place then.
            let gone = usize::from_str_radix(end, 16).unwrap_or_default().saturating_sub(1);
            at.map_or(gone, |at| at + 1).min(rows.len())
        }
        None => 0,
    };
    let end = (start + page.size()).min(rows.len());
    let next_token = (end < rows.len())
        .then(|| tx.token(&format!("{end:016x}/{}/{}", rows[end - 1].service_name, rows[end - 1].name)));
    Ok(ListServiceInstancesOutput { service_instances: rows[start..end].iter().map(convert).collect(), next_token })
}

/// A page by service and name, which is the order of an index: what is before the page is not read. Filters look at so many
/// instances for a page; a page may be shorter then, or empty, and still have a token.
async fn in_order(
    tx: &mut Tx<'_>,
    input: &ListServiceInstancesInput,
    filters: &[ListServiceInstancesFilter],
) -> Result<ListServiceInstancesOutput, OperationError> {
    use ListServiceInstancesFilterBy as By;
    // The only value of a filter.
    let only = |key: By| {
        let mut values = filters.iter().filter(|filter| filter.key == Some(key)).map(|filter| filter.value.as_deref());
        values.next().flatten().filter(|_| values.next().is_none())
    };
    let part = match (input.service_name.as_deref().or(only(By::ServiceName)), only(By::EnvironmentName)) {
        (Some(service), _) => Part::of(index::SERVICE, &[service]),
        (None, Some(environment)) => Part::of(index::ENVIRONMENT, &[environment]),
        (None, None) => Part::of(index::SERVICE, &[]),
    };
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let mut place = page.token.map(|token| tx.place(token)).transpose()?;
    let (mut found, mut looked_at) = (Vec::new(), 0);
    let mut last_found = None;
    let wanted = page.size();
    // Without a filter, one more tells whether there is another page.
    let limit = if filters.is_empty() { wanted + 1 } else { READ };
    loop {
        let rows = tx.after::<ServiceInstance>(&part, place.as_deref(), limit).await?;
        let count = rows.len();
        for row in rows {
            let fits = fits(tx, &row.value, filters).await?;
            let goes_on_after = if fits && found.len() == wanted { &last_found } else { &place };
            if (fits && found.len() == wanted) || looked_at == LOOKED_AT_MAX {
                let next_token = goes_on_after.as_ref().map(|place| tx.token(place));
                return Ok(ListServiceInstancesOutput { service_instances: found, next_token });
            }
            looked_at += 1;
            place = part.place(&row);
            if fits {
                found.push(convert(&row.value));
                last_found.clone_from(&place);
            }
        }
        if count < limit {
            return Ok(ListServiceInstancesOutput { service_instances: found, next_token: None });
        }
    }
}

/// AND between keys, OR between the values of one.
async fn fits(
    tx: &mut Tx<'_>,
    it: &ServiceInstance,
    filters: &[ListServiceInstancesFilter],
) -> Result<bool, OperationError> {
    for filter in filters {
        let mut any = false;
        for other in filters.iter().filter(|other| other.key == filter.key) {
            any = any || matches_filter(tx, it, other).await?;
        }
        if !any {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn matches_filter(
    tx: &mut Tx<'_>,
    it: &ServiceInstance,
    filter: &ListServiceInstancesFilter,
) -> Result<bool, OperationError> {
    use ListServiceInstancesFilterBy as By;
    let value = filter.value.as_deref().unwrap_or_default();
    Ok(match filter.key {
        None => true,
        Some(By::Name) => it.name == value,
        Some(By::DeploymentStatus) => it.deployment_status.as_str() == value,
        Some(By::TemplateName) => it.template_name == value,
        Some(By::ServiceName) => it.service_name == value,
        Some(By::EnvironmentName) => it.environment_name == value,
        Some(By::LastDeploymentAttemptedAtBefore) => it.last_deployment_attempted_at < filter_time(value)?,
        Some(By::LastDeploymentAttemptedAtAfter) => it.last_deployment_attempted_at > filter_time(value)?,
        Some(By::CreatedAtBefore) => it.created_at < filter_time(value)?,
        Some(By::CreatedAtAfter) => it.created_at > filter_time(value)?,
        Some(By::DeployedTemplateVersionStatus) => {
            let (name, major, minor) = (&it.template_name, &it.template_major_version, &it.template_minor_version);
            let names: &[&str] = match staleness::<true>(tx, name, major, minor).await? {
                Staleness::UpToDate => &["UP_TO_DATE"],
                Staleness::BehindMinor => &["BEHIND_MINOR", "MINOR_BEHIND"],
                Staleness::BehindMajor => &["BEHIND_MAJOR", "MAJOR_BEHIND"],
            };
            names.contains(&value)
        }
    })
}

pub async fn get(tx: &mut Tx<'_>, service: &str, name: &str) -> Result<Kept<ServiceInstance>, OperationError> {
    match tx.find::<ServiceInstance>(&format!("{service}/{name}")).await? {
        Some(kept) => Ok(kept),
        None => Err(not_found("Service instance", &format!("{name} of service {service}"))),
    }
}
