//! Environment account connections: asked for by the environment account, accepted by the management account.
//!
//! The row lies in both accounts, so that each sees it as its own; every change writes both.

use standin_core::OperationError;
use standin_model::Document;
use standin_store::Space;

use super::errors::{conflict, not_found, quota, validation};
use super::kept::{Kept, Resource};
use super::tags::{self, Named};
use super::tx::{Page, Tx};
use crate::types::*;

use EnvironmentAccountConnectionStatus as Status;

pub fn put(tx: &mut Tx<'_>, kept: &Kept<EnvironmentAccountConnection>) {
    tx.put(kept);
    for account in other_accounts(tx, &kept.value) {
        let table = Space::new(&account, &tx.scope.region, super::SERVICE).table(EnvironmentAccountConnection::TABLE);
        tx.batch.put(&table, kept.value.key().as_str(), kept.body(), kept.index());
    }
}

/// What an environment [uses](Tx::uses).
pub fn uses(id: &str) -> String {
    format!("connection/{id}")
}

/// The accounts of a connection but the caller's.
fn other_accounts(tx: &Tx<'_>, connection: &EnvironmentAccountConnection) -> Vec<String> {
    let both = [&connection.environment_account_id, &connection.management_account_id];
    both.into_iter().filter(|account| **account != tx.scope.account).cloned().collect()
}

/// A connection on which the caller may do what only one side may.
async fn of_side(
    tx: &mut Tx<'_>,
    id: &str,
    management: bool,
) -> Result<Kept<EnvironmentAccountConnection>, OperationError> {
    let kept = tx.get::<EnvironmentAccountConnection>(id).await?;
    let side = if management { &kept.value.management_account_id } else { &kept.value.environment_account_id };
    if *side != tx.scope.account {
        return Err(not_found(EnvironmentAccountConnection::WHAT, id));
    }
    Ok(kept)
}

fn event(tx: &mut Tx<'_>, connection: &EnvironmentAccountConnection, previous: Option<Status>, status: &str) {
    let previous = previous.map(Status::as_str);
    tx.event("Environment Account Connection", &connection.arn, previous, status, &[("id", &connection.id)]);
}

pub async fn create(
    tx: &mut Tx<'_>,
    input: &CreateEnvironmentAccountConnectionInput,
    raw: &Document,
) -> Result<EnvironmentAccountConnection, OperationError> {
    let replay = tx.replayed(input.client_token.as_ref(), "CreateEnvironmentAccountConnection", raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<EnvironmentAccountConnection>(key).await?
    {
        return Ok(known.value);
    }
    let account = tx.scope.account.clone();
    let mine = tx.all::<EnvironmentAccountConnection>("").await?;
    let most = tx.engine.quotas.connections;
    if mine.iter().filter(|row| row.value.environment_account_id == account).count() >= most {
        return Err(quota("environment account connections of an environment account", most));
    }
    let (id, now) = (tx.id(), tx.now());
    let connection = EnvironmentAccountConnection {
        arn: tx.arn(&format!("environment-account-connection/{id}")),
        codebuild_role_arn: input.codebuild_role_arn.clone(),
        component_role_arn: input.component_role_arn.clone(),
        environment_account_id: account,
        environment_name: input.environment_name.clone(),
        id: id.clone(),
        last_modified_at: now,
        management_account_id: input.management_account_id.clone(),
        requested_at: now,
        role_arn: input.role_arn.clone().unwrap_or_default(),
        status: Status::Pending,
    };
    event(tx, &connection, None, "PENDING");
    let mut kept = Kept::new(connection.clone());
    kept.extra.tags = tags::new(input.tags.clone())?;
    put(tx, &kept);
    tx.remember(&replay, &id);
    Ok(connection)
}

pub async fn get(tx: &mut Tx<'_>, id: &str) -> Result<EnvironmentAccountConnection, OperationError> {
    Ok(tx.get::<EnvironmentAccountConnection>(id).await?.value)
}

pub async fn update(
    tx: &mut Tx<'_>,
    input: &UpdateEnvironmentAccountConnectionInput,
) -> Result<EnvironmentAccountConnection, OperationError> {
    let mut kept = of_side(tx, &input.id, false).await?;
    if let Some(role) = &input.role_arn {
        kept.value.role_arn.clone_from(role);
    }
    let given = |role: &Option<String>| role.clone().filter(|role| !role.is_empty());
    if input.component_role_arn.is_some() {
        kept.value.component_role_arn = given(&input.component_role_arn);
    }
    if input.codebuild_role_arn.is_some() {
        kept.value.codebuild_role_arn = given(&input.codebuild_role_arn);
    }
    kept.value.last_modified_at = tx.now();
    put(tx, &kept);
    Ok(kept.value)
}

pub async fn delete(tx: &mut Tx<'_>, id: &str) -> Result<Option<EnvironmentAccountConnection>, OperationError> {
    let Some(kept) = tx.find::<EnvironmentAccountConnection>(id).await? else { return Ok(None) };
    if kept.value.environment_account_id != tx.scope.account {
        return Err(not_found(EnvironmentAccountConnection::WHAT, id));
    }
    tx.delete::<EnvironmentAccountConnection>(id);
    for account in other_accounts(tx, &kept.value) {
        let table = Space::new(&account, &tx.scope.region, super::SERVICE).table(EnvironmentAccountConnection::TABLE);
        tx.batch.delete(&table, id);
    }
    event(tx, &kept.value, Some(kept.value.status), "DELETED");
    Ok(Some(kept.value))
}

pub async fn accept(tx: &mut Tx<'_>, id: &str) -> Result<EnvironmentAccountConnection, OperationError> {
    let mut kept = of_side(tx, id, true).await?;
    match kept.value.status {
        Status::Rejected => {
            return Err(conflict(format!("Environment account connection {id} was rejected, which is final.")));
        }
        Status::Connected => return Ok(kept.value),
        Status::Pending => {}
    }
    settle(tx, &mut kept, Status::Connected);
    Ok(kept.value)
}

pub async fn reject(tx: &mut Tx<'_>, id: &str) -> Result<EnvironmentAccountConnection, OperationError> {
    let mut kept = of_side(tx, id, true).await?;
    if kept.value.status == Status::Rejected {
        return Ok(kept.value);
    }
    tx.watch(&uses(id)).await?;
    let environments = tx.all::<Environment>("").await?;
    let user = environments.iter().find(|row| row.value.environment_account_connection_id.as_deref() == Some(id));
    if let Some(user) = user {
        return Err(conflict(format!(
            "Environment account connection {id} is in use by environment {}.",
            user.value.name
        )));
    }
    settle(tx, &mut kept, Status::Rejected);
    Ok(kept.value)
}

fn settle(tx: &mut Tx<'_>, kept: &mut Kept<EnvironmentAccountConnection>, status: Status) {
    let before = kept.value.status;
    kept.value.status = status;
    kept.value.last_modified_at = tx.now();
    event(tx, &kept.value, Some(before), status.as_str());
    put(tx, kept);
}

pub async fn list(
    tx: &mut Tx<'_>,
    input: &ListEnvironmentAccountConnectionsInput,
) -> Result<ListEnvironmentAccountConnectionsOutput, OperationError> {
    use EnvironmentAccountConnectionRequesterAccountType as Requester;
    let account = tx.scope.account.clone();
    let statuses = input.statuses.clone().unwrap_or_default();
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let (rows, next_token) = tx
        .page::<EnvironmentAccountConnection>(page, |row| {
            let it = &row.value;
            let side = match input.requested_by {
                Requester::EnvironmentAccount => &it.environment_account_id,
                Requester::ManagementAccount => &it.management_account_id,
            };
            *side == account
                && input.environment_name.as_ref().is_none_or(|name| *name == it.environment_name)
                && (statuses.is_empty() || statuses.contains(&it.status))
        })
        .await?;
    let shown = rows.iter().map(|row| convert(&row.value)).collect();
    Ok(ListEnvironmentAccountConnectionsOutput { environment_account_connections: shown, next_token })
}

/// Goes over to the account of a resource, for a caller who is of the account that its environment is connected to.
///
/// # Errors
/// `ResourceNotFoundException` for all others.
pub async fn go_home(tx: &mut Tx<'_>, arn: &str) -> Result<(), OperationError> {
    let missing = || not_found("Resource", arn);
    let home = arn.split(':').nth(4).unwrap_or_default();
    if home == tx.scope.account {
        return Ok(());
    }
    let caller = std::mem::replace(&mut tx.scope.account, home.to_owned());
    let environment = match tags::named(tx, arn).ok_or_else(missing)? {
        Named::Environment(name) => Some(name),
        Named::ServiceInstance(service, name) => {
            let found = tx.find::<ServiceInstance>(&format!("{service}/{name}")).await?;
            found.map(|row| row.value.environment_name)
        }
        Named::Component(name) => tx.find::<Component>(&name).await?.map(|row| row.value.environment_name),
        // Pipelines are of their own account.
        _ => None,
    };
    let environment = tx.find::<Environment>(&environment.ok_or_else(missing)?).await?.ok_or_else(missing)?.value;
    let id =
        environment.environment_account_connection_id.filter(|_| environment.environment_account_id == Some(caller));
    carries(tx, &id.ok_or_else(missing)?).await.map(drop).map_err(|_| missing())
}

/// Gives up what was provisioned in an account that lets nobody in any more: from now on what is in the environment, and the
/// environment itself, are deleted without it. Another connection takes that back.
///
/// # Errors
/// `ConflictException` where the connection is there, or the environment has none.
pub async fn abandon(tx: &mut Tx<'_>, name: &str) -> Result<Environment, OperationError> {
    let mut kept = tx.get::<Environment>(name).await?;
    let id = kept.value.environment_account_connection_id.clone();
    let id = id.ok_or_else(|| {
        conflict(format!(
            "Environment {name} is in Proton's own account; DeleteEnvironment takes its infrastructure away."
        ))
    })?;
    if carries(tx, &id).await.is_ok() {
        return Err(conflict(format!(
            "Environment account connection {id} is there; DeleteEnvironment takes the infrastructure of {name} away."
        )));
    }
    kept.extra.abandoned = true;
    tx.put(&kept);
    Ok(kept.value)
}

/// Whether what is in an environment is deleted without its account.
pub async fn is_abandoned(tx: &mut Tx<'_>, name: &str) -> Result<bool, OperationError> {
    Ok(tx.find::<Environment>(name).await?.is_some_and(|kept| kept.extra.abandoned))
}

/// Whether a connection that an environment uses still carries.
pub async fn carries(tx: &mut Tx<'_>, id: &str) -> Result<EnvironmentAccountConnection, OperationError> {
    match tx.find::<EnvironmentAccountConnection>(id).await? {
        Some(kept) if kept.value.status == Status::Connected => Ok(kept.value),
        _ => Err(validation(format!(
            "Environment account connection {id} is not there any more; attach a new one by UpdateEnvironment."
        ))),
    }
}
