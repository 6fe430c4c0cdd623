//! Environments.

use standin_core::OperationError;
use standin_model::Document;

use super::account;
use super::connections;
use super::deployments::{self, Deployable as _, Run, Target, Versions, idle, next_version};
use super::errors::{conflict, invalid, not_found, quota, validation};
use super::index::{self, Part};
use super::kept::{Kept, Linked, Template, repository_key};
use super::tags;
use super::templates::published;
use super::tx::{Page, Tx, fingerprint, mismatch};
use crate::bundle::Bundle;
use crate::manifest::Method;
use crate::spec;
use crate::types::*;

/// Who provisions an environment, as far as a request says.
struct Means<'m> {
    role: Option<&'m String>,
    connection: Option<&'m String>,
    repository: Option<&'m RepositoryBranchInput>,
    codebuild_role: Option<&'m String>,
}

/// Refuses means that do not go with the engine of the template.
async fn means_fit(
    tx: &mut Tx<'_>,
    name: &str,
    bundle: &Bundle,
    means: &Means<'_>,
) -> Result<Option<EnvironmentAccountConnection>, OperationError> {
    if means.role.is_some() && means.connection.is_some() {
        return Err(validation("protonServiceRoleArn and environmentAccountConnectionId exclude each other."));
    }
    let connection = match means.connection {
        Some(id) => Some(connected(tx, id, name).await?),
        None => None,
    };
    match bundle.main.as_ref().map(|main| &main.method) {
        None => {}
        Some(Method::CloudFormation { .. }) => {
            if means.repository.is_some() {
                return Err(validation(
                    "provisioningRepository has no place here: CloudFormation provisions the environment.",
                ));
            }
            if means.role.is_none() && means.connection.is_none() {
                return Err(validation(
                    "protonServiceRoleArn or environmentAccountConnectionId is needed: CloudFormation provisions the environment.",
                ));
            }
        }
        Some(Method::CodeBuild(_)) => {
            if means.repository.is_some() {
                return Err(validation(
                    "provisioningRepository has no place here: CodeBuild provisions the environment.",
                ));
            }
            let role = means
                .codebuild_role
                .or(connection.as_ref().and_then(|connection| connection.codebuild_role_arn.as_ref()));
            if role.is_none() {
                return Err(validation("codebuildRoleArn is needed: CodeBuild provisions the environment."));
            }
        }
        Some(Method::Terraform { .. }) => {
            if means.role.is_some() || means.connection.is_some() {
                return Err(validation(
                    "A role or account connection has no place here: the environment is provisioned by Terraform from a repository.",
                ));
            }
            if means.repository.is_none() {
                return Err(validation(
                    "provisioningRepository is needed: the environment is provisioned by Terraform.",
                ));
            }
        }
    }
    Ok(connection)
}

/// A connection that this environment may use.
async fn connected(
    tx: &mut Tx<'_>,
    id: &str,
    environment: &str,
) -> Result<EnvironmentAccountConnection, OperationError> {
    let connection = tx.get::<EnvironmentAccountConnection>(id).await?.value;
    tx.uses(&connections::uses(id));
    if connection.management_account_id != tx.scope.account {
        return Err(not_found("Environment account connection", id));
    }
    if connection.status != EnvironmentAccountConnectionStatus::Connected {
        return Err(validation(format!(
            "Environment account connection {id} is {}, not CONNECTED.",
            connection.status.as_str()
        )));
    }
    if connection.environment_name != environment {
        return Err(validation(format!(
            "Environment account connection {id} is for the environment {}.",
            connection.environment_name
        )));
    }
    Ok(connection)
}

/// What instances and components [use](Tx::uses).
pub fn uses(name: &str) -> String {
    format!("environment/{name}")
}

/// The branch of a repository that is linked.
pub async fn linked(tx: &mut Tx<'_>, input: &RepositoryBranchInput) -> Result<RepositoryBranch, OperationError> {
    let key = repository_key(input.provider, &input.name);
    let Some(kept) = tx.find::<Linked>(&key).await? else {
        return Err(validation(format!("Repository {key} is not linked.")));
    };
    tx.uses(&account::uses(&key));
    Ok(RepositoryBranch {
        arn: kept.value.repository.arn,
        branch: input.branch.clone(),
        name: input.name.clone(),
        provider: input.provider,
    })
}

/// A spec of an environment, checked.
fn inputs(bundle: &Bundle, text: &str) -> Result<spec::Inputs, OperationError> {
    let schema = bundle.schema.as_ref().ok_or_else(|| validation("The template has no schema."))?;
    spec::environment(text, schema, spec::FILE).map(|spec| spec.inputs).map_err(|findings| invalid(&findings))
}

fn state_of(environment: &Environment) -> DeploymentState {
    DeploymentState {
        environment: Some(EnvironmentState {
            spec: environment.spec.clone(),
            template_major_version: environment.template_major_version.clone(),
            template_minor_version: environment.template_minor_version.clone(),
            template_name: environment.template_name.clone(),
        }),
        ..DeploymentState::default()
    }
}

pub async fn create(
    tx: &mut Tx<'_>,
    input: &CreateEnvironmentInput,
    raw: &Document,
) -> Result<Environment, OperationError> {
    let parameters = fingerprint(raw);
    if let Some(known) = tx.find::<Environment>(&input.name).await? {
        return match known.extra {
            _ if known.value.deployment_status == DeploymentStatus::DeleteInProgress => {
                Err(conflict(format!("Environment {} is being deleted.", input.name)))
            }
            extra if extra.parameters.as_ref() != Some(&parameters) => Err(mismatch()),
            extra if extra.modified => {
                Err(conflict(format!("Environment {} was modified since it was created.", input.name)))
            }
            _ => Ok(known.value),
        };
    }
    let most = tx.engine.quotas.environments;
    if tx.count::<Environment>("").await? >= most as u64 {
        return Err(quota("environments", most));
    }
    let template = tx.get::<Template<false>>(&input.template_name).await?;
    let (version, bundle) = published::<false>(
        tx,
        &input.template_name,
        &input.template_major_version,
        input.template_minor_version.as_deref(),
    )
    .await?;
    let means = Means {
        role: input.proton_service_role_arn.as_ref(),
        connection: input.environment_account_connection_id.as_ref(),
        repository: input.provisioning_repository.as_ref(),
        codebuild_role: input.codebuild_role_arn.as_ref(),
    };
    let connection = means_fit(tx, &input.name, &bundle, &means).await?;
    inputs(&bundle, &input.spec)?;
    let repository = match &input.provisioning_repository {
        Some(repository) => Some(linked(tx, repository).await?),
        None => None,
    };
    let now = tx.now();
    let mut environment = Environment {
        arn: tx.arn(&format!("environment/{}", input.name)),
        codebuild_role_arn: input.codebuild_role_arn.clone(),
        component_role_arn: input.component_role_arn.clone(),
        created_at: now,
        deployment_status: DeploymentStatus::InProgress,
        description: input.description.clone(),
        environment_account_connection_id: input.environment_account_connection_id.clone(),
        environment_account_id: Some(
            connection.map_or_else(|| tx.scope.account.clone(), |connection| connection.environment_account_id),
        ),
        name: input.name.clone(),
        proton_service_role_arn: input.proton_service_role_arn.clone(),
        provisioning: template.value.0.provisioning,
        provisioning_repository: repository,
        spec: Some(input.spec.clone()),
        template_major_version: version.major_version,
        template_minor_version: version.minor_version,
        template_name: input.template_name.clone(),
        ..Environment::default()
    };
    let state = state_of(&environment);
    let run = Run {
        target: Target::Environment(input.name.clone()),
        arn: &environment.arn.clone(),
        created_at: now,
        environment: &input.name,
        initial: None,
        state: Some(state),
        deletes: false,
        waits: false,
    };
    let deployment = deployments::begin(tx, run);
    environment.begun(&deployment, false);
    tx.event("Environment", &environment.arn, None, "IN_PROGRESS", &[("name", &input.name)]);
    let mut kept = Kept::new(environment.clone());
    kept.extra.parameters = Some(parameters);
    kept.extra.tags = tags::new(input.tags.clone())?;
    tx.put(&kept);
    Ok(environment)
}

pub async fn update(tx: &mut Tx<'_>, input: &UpdateEnvironmentInput) -> Result<Environment, OperationError> {
    let mut kept = tx.get::<Environment>(&input.name).await?;
    idle("Environment", &input.name, kept.value.deployment_status)?;
    let none = input.deployment_type == DeploymentUpdateType::None;
    if none && input.spec.is_some() {
        return Err(validation("With the deployment type NONE no spec can be given."));
    }
    let environment = kept.value.clone();
    let next = next_version::<false>(
        tx,
        &Versions {
            template: &environment.template_name,
            major: &environment.template_major_version,
            minor: &environment.template_minor_version,
            wanted: input.deployment_type,
            given_major: input.template_major_version.as_ref(),
            given_minor: input.template_minor_version.as_ref(),
        },
    )
    .await?;
    change_means(tx, &mut kept.value, input).await?;
    // Whoever brings another connection wants the infrastructure back.
    kept.extra.abandoned &= input.environment_account_connection_id.is_none();
    if input.description.is_some() {
        kept.value.description.clone_from(&input.description);
    }
    kept.extra.modified = true;
    if let Some((major, minor)) = next {
        let (version, bundle) = published::<false>(tx, &environment.template_name, &major, minor.as_deref()).await?;
        let stored = environment.spec.clone().unwrap_or_default();
        let text = match &input.spec {
            Some(given) => spec::with_current_values(given, &stored).map_err(|findings| invalid(&findings))?,
            None => stored,
        };
        inputs(&bundle, &text)?;
        let mut target = environment.clone();
        target.spec = Some(text);
        target.template_major_version = version.major_version;
        target.template_minor_version = version.minor_version;
        let initial = environment.last_succeeded_deployment_id.as_ref().map(|_| state_of(&environment));
        let run = Run {
            target: Target::Environment(input.name.clone()),
            arn: &environment.arn,
            created_at: environment.created_at,
            environment: &input.name,
            initial,
            state: Some(state_of(&target)),
            deletes: false,
            waits: false,
        };
        let deployment = deployments::begin(tx, run);
        tx.event(
            "Environment",
            &environment.arn,
            Some(environment.deployment_status.as_str()),
            "IN_PROGRESS",
            &[("name", &input.name)],
        );
        kept.value.begun(&deployment, false);
    }
    tx.put(&kept);
    Ok(kept.value)
}

/// Changes roles, connection and repository; the way of provisioning stays.
async fn change_means(
    tx: &mut Tx<'_>,
    environment: &mut Environment,
    input: &UpdateEnvironmentInput,
) -> Result<(), OperationError> {
    let refuse =
        |what: &str| Err(validation(format!("{what}: an environment cannot change to another way of provisioning.")));
    if input.proton_service_role_arn.is_some() && input.environment_account_connection_id.is_some() {
        return Err(validation("protonServiceRoleArn and environmentAccountConnectionId exclude each other."));
    }
    let has_connection = environment.environment_account_connection_id.is_some();
    let has_repository = environment.provisioning_repository.is_some();
    if input.proton_service_role_arn.is_some() && (has_connection || has_repository) {
        return refuse("protonServiceRoleArn");
    }
    if input.environment_account_connection_id.is_some() && !has_connection {
        return refuse("environmentAccountConnectionId");
    }
    if input.provisioning_repository.is_some() && !has_repository {
        return refuse("provisioningRepository");
    }
    if let Some(id) = &input.environment_account_connection_id {
        let connection = connected(tx, id, &environment.name).await?;
        if environment.environment_account_id.as_ref() != Some(&connection.environment_account_id) {
            return Err(validation(format!("Environment account connection {id} is of another environment account.")));
        }
        environment.environment_account_connection_id = Some(id.clone());
    }
    if let Some(repository) = &input.provisioning_repository {
        environment.provisioning_repository = Some(linked(tx, repository).await?);
    }
    if input.proton_service_role_arn.is_some() {
        environment.proton_service_role_arn.clone_from(&input.proton_service_role_arn);
    }
    // Roles that may be empty are taken away by an empty text.
    let given = |role: &Option<String>| role.clone().filter(|role| !role.is_empty());
    if input.component_role_arn.is_some() {
        environment.component_role_arn = given(&input.component_role_arn);
    }
    if input.codebuild_role_arn.is_some() {
        environment.codebuild_role_arn = given(&input.codebuild_role_arn);
    }
    Ok(())
}

pub async fn cancel(tx: &mut Tx<'_>, name: &str) -> Result<Environment, OperationError> {
    let mut kept = tx.get::<Environment>(name).await?;
    let id = kept.value.last_attempted_deployment_id.clone();
    deployments::cancel(tx, "Environment", name, kept.value.deployment_status, id.as_ref()).await?;
    kept.value.set_status(DeploymentStatus::Cancelling);
    tx.event("Environment", &kept.value.arn, Some("IN_PROGRESS"), "CANCELLING", &[("name", name)]);
    tx.put(&kept);
    Ok(kept.value)
}

pub async fn delete(tx: &mut Tx<'_>, name: &str) -> Result<Option<Environment>, OperationError> {
    let Some(mut kept) = tx.find::<Environment>(name).await? else { return Ok(None) };
    if kept.value.deployment_status == DeploymentStatus::DeleteInProgress {
        return Ok(Some(kept.value));
    }
    idle("Environment", name, kept.value.deployment_status)?;
    tx.watch(&uses(name)).await?;
    let inside = Part::of(index::ENVIRONMENT, &[name]);
    if let Some(instance) = tx.first::<ServiceInstance>(&inside).await? {
        return Err(conflict(format!(
            "Environment {name} has the service instance {}; delete it first.",
            instance.value.arn
        )));
    }
    if let Some(component) = tx.first::<Component>(&inside).await? {
        return Err(conflict(format!(
            "Environment {name} has the component {}; delete it first.",
            component.value.name
        )));
    }
    let run = Run {
        target: Target::Environment(name.to_owned()),
        arn: &kept.value.arn.clone(),
        created_at: kept.value.created_at,
        environment: name,
        initial: Some(state_of(&kept.value)),
        state: Some(state_of(&kept.value)),
        deletes: true,
        waits: false,
    };
    let before = kept.value.deployment_status;
    let deployment = deployments::begin(tx, run);
    kept.value.begun(&deployment, true);
    tx.event("Environment", &kept.value.arn, Some(before.as_str()), "DELETE_IN_PROGRESS", &[("name", name)]);
    tx.put(&kept);
    Ok(Some(kept.value))
}

pub async fn list(tx: &mut Tx<'_>, input: &ListEnvironmentsInput) -> Result<ListEnvironmentsOutput, OperationError> {
    let filters = input.environment_templates.clone().unwrap_or_default();
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let (rows, next_token) = tx
        .page::<Environment>(page, |row| {
            let fits = |filter: &EnvironmentTemplateFilter| {
                filter.template_name == row.value.template_name
                    && filter.major_version == row.value.template_major_version
            };
            filters.is_empty() || filters.iter().any(fits)
        })
        .await?;
    Ok(ListEnvironmentsOutput { environments: rows.iter().map(|row| convert(&row.value)).collect(), next_token })
}
