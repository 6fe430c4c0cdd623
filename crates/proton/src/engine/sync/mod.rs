//! Sync: templates and services that follow the branches of linked repositories. Here are the configurations, their blockers
//! and their statuses; [`template`] and [`service`] look at the repositories, as jobs of the store.
//!
//! # Invariants
//! - A look decides by a state that it read before it asked for the head of the branch, and keeps what it does with the next
//!   state in one batch: of two looks at a time, one does nothing. So nothing is registered or deployed twice for one commit,
//!   and nothing older follows on something newer.
//! - What cannot be done leaves everything as it was, and its reason in the status.

mod files;
pub mod jobs;
mod service;
mod state;
mod template;

use standin_core::OperationError;
use standin_model::{Document, Timestamp};

pub use jobs::settled;

use super::errors::{conflict, not_found, validation};
use super::kept::{Kept, Linked, Resource, Template, repository_key};
use super::tx::Tx;
use crate::types::*;
use state::{Branch, ServiceSync, TemplateSync};

/// A blocker with what it blocks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Blocked {
    pub service: String,
    /// Nothing where the whole service is blocked.
    pub instance: Option<String>,
    pub blocker: SyncBlocker,
}

impl Shape for Blocked {
    fn read(document: &Document) -> Option<Self> {
        Some(Self {
            service: document.get("serviceName").and_then(String::read)?,
            instance: document.get("serviceInstanceName").and_then(String::read),
            blocker: SyncBlocker::read(document)?,
        })
    }

    fn write(&self) -> Document {
        let mut document = self.blocker.write();
        if let Some(fields) = document.as_map_mut() {
            fields.push("serviceName", self.service.clone());
            if let Some(instance) = &self.instance {
                fields.push("serviceInstanceName", instance.clone());
            }
        }
        document
    }
}

impl Resource for Blocked {
    const TABLE: &'static str = "sync-blocker";
    const WHAT: &'static str = "Service sync blocker";

    fn key(&self) -> String {
        self.blocker.id.clone()
    }

    fn created_at(&self) -> Timestamp {
        self.blocker.created_at
    }
}

fn template_key(of: TemplateType, name: &str) -> String {
    format!("{}/{name}", of.as_str())
}

async fn must_be_linked(
    tx: &mut Tx<'_>,
    provider: RepositoryProvider,
    name: &str,
    creating: bool,
) -> Result<(), OperationError> {
    let key = repository_key(provider, name);
    match tx.find::<Linked>(&key).await? {
        Some(_) => {
            tx.uses(&super::account::uses(&key));
            Ok(())
        }
        // The creates do not model an error for what is missing.
        None if creating => Err(validation(format!("Repository {key} is not linked."))),
        None => Err(not_found("Repository", &key)),
    }
}

pub async fn put_template(
    tx: &mut Tx<'_>,
    config: TemplateSyncConfig,
    creating: bool,
) -> Result<TemplateSyncConfig, OperationError> {
    let key = config.key();
    let known = tx.find::<TemplateSyncConfig>(&key).await?;
    match (creating, known.is_some()) {
        (true, true) => {
            return Err(conflict(format!("Template {} has a sync configuration already.", config.template_name)));
        }
        (false, false) => return Err(not_found(TemplateSyncConfig::WHAT, &key)),
        _ => {}
    }
    let there = match config.template_type {
        TemplateType::Environment => tx.find::<Template<false>>(&config.template_name).await?.is_some(),
        TemplateType::Service => tx.find::<Template<true>>(&config.template_name).await?.is_some(),
    };
    if !there {
        return Err(validation(format!("Template {} does not exist.", config.template_name)));
    }
    must_be_linked(tx, config.repository_provider, &config.repository_name, creating).await?;
    tx.put(&Kept::new(config.clone()));
    jobs::start(tx, jobs::TEMPLATE, &key, true).await?;
    Ok(config)
}

pub async fn get_template(
    tx: &mut Tx<'_>,
    of: TemplateType,
    name: &str,
    delete: bool,
) -> Result<TemplateSyncConfig, OperationError> {
    let key = template_key(of, name);
    let kept = tx.get::<TemplateSyncConfig>(&key).await?;
    if delete {
        forget_template(tx, of == TemplateType::Service, name).await?;
    }
    Ok(kept.value)
}

/// The sync of a template ends, with all that is known of it; where there is none, nothing happens.
pub async fn forget_template(tx: &mut Tx<'_>, service: bool, name: &str) -> Result<(), OperationError> {
    let key = template_key(if service { TemplateType::Service } else { TemplateType::Environment }, name);
    if tx.find::<TemplateSyncConfig>(&key).await?.is_some() {
        tx.delete::<TemplateSyncConfig>(&key);
        tx.delete::<TemplateSync>(&key);
        jobs::forget(tx, jobs::TEMPLATE, &key);
    }
    Ok(())
}

/// How a major version of a template follows its folder.
pub async fn template_status(
    tx: &mut Tx<'_>,
    of: TemplateType,
    name: &str,
    major: &str,
) -> Result<GetTemplateSyncStatusOutput, OperationError> {
    get_template(tx, of, name, false).await?;
    let state = tx.find::<TemplateSync>(&template_key(of, name)).await?;
    let major = state.as_ref().and_then(|kept| kept.value.major(major)).cloned().unwrap_or_default();
    Ok(GetTemplateSyncStatusOutput {
        desired_state: major.desired,
        latest_successful_sync: major.succeeded,
        latest_sync: major.latest,
    })
}

/// How an instance follows its spec file.
pub async fn instance_status(
    tx: &mut Tx<'_>,
    service: &str,
    instance: &str,
) -> Result<GetServiceInstanceSyncStatusOutput, OperationError> {
    get_service(tx, service, false).await?;
    let state = tx.find::<ServiceSync>(service).await?;
    let Some(known) = state.as_ref().and_then(|kept| kept.value.instance(instance)).cloned() else {
        super::instances::get(tx, service, instance).await?;
        return Ok(GetServiceInstanceSyncStatusOutput::default());
    };
    // An instance that is not there yet has a status once the ops file names it.
    Ok(GetServiceInstanceSyncStatusOutput {
        desired_state: known.desired,
        latest_successful_sync: known.succeeded,
        latest_sync: known.latest,
    })
}

/// What is known of the branches of a repository goes with it.
pub async fn forget_repository(tx: &mut Tx<'_>, key: &str) -> Result<(), OperationError> {
    for row in tx.all::<state::RepositorySync>(&format!("{key}/")).await? {
        tx.delete::<state::RepositorySync>(&row.value.key);
    }
    Ok(())
}

/// How the last look at a branch went.
pub async fn repository_status(
    tx: &mut Tx<'_>,
    input: &GetRepositorySyncStatusInput,
) -> Result<GetRepositorySyncStatusOutput, OperationError> {
    tx.get::<Linked>(&repository_key(input.repository_provider, &input.repository_name)).await?;
    let branch = Branch {
        provider: input.repository_provider,
        repository: &input.repository_name,
        name: &input.branch,
        sync: input.sync_type,
    };
    Ok(GetRepositorySyncStatusOutput { latest_sync: state::of_repository(tx, branch).await? })
}

pub async fn put_service(
    tx: &mut Tx<'_>,
    config: ServiceSyncConfig,
    creating: bool,
) -> Result<ServiceSyncConfig, OperationError> {
    let known = tx.find::<ServiceSyncConfig>(&config.service_name).await?;
    match (creating, known.is_some()) {
        (true, true) => {
            return Err(conflict(format!("Service {} has a sync configuration already.", config.service_name)));
        }
        (false, false) => return Err(not_found(ServiceSyncConfig::WHAT, &config.service_name)),
        _ => {}
    }
    must_be_linked(tx, config.repository_provider, &config.repository_name, creating).await?;
    tx.put(&Kept::new(config.clone()));
    jobs::start(tx, jobs::SERVICE, &config.service_name, true).await?;
    Ok(config)
}

pub async fn get_service(tx: &mut Tx<'_>, name: &str, delete: bool) -> Result<ServiceSyncConfig, OperationError> {
    let kept = tx.get::<ServiceSyncConfig>(name).await?;
    if delete {
        stop_service(tx, name);
    }
    Ok(kept.value)
}

fn stop_service(tx: &mut Tx<'_>, name: &str) {
    tx.delete::<ServiceSyncConfig>(name);
    tx.delete::<ServiceSync>(name);
    jobs::forget(tx, jobs::SERVICE, name);
}

/// A service is gone: so are its sync and what blocked it. Another of its name begins anew.
pub async fn forget_service(tx: &mut Tx<'_>, name: &str) -> Result<(), OperationError> {
    if tx.find::<ServiceSyncConfig>(name).await?.is_some() {
        stop_service(tx, name);
    }
    for row in tx.all::<Blocked>("").await? {
        if row.value.service == name {
            tx.delete::<Blocked>(&row.value.key());
        }
    }
    Ok(())
}

/// The instances of a service whose sync is blocked, and whether that of all is.
pub async fn active_blockers(tx: &mut Tx<'_>, service: &str) -> Result<(Vec<String>, bool), OperationError> {
    let rows = tx.all::<Blocked>("").await?;
    let active = rows
        .into_iter()
        .map(|row| row.value)
        .filter(|row| row.service == service && row.blocker.status == BlockerStatus::Active);
    let mut all = false;
    let mut some = Vec::new();
    for blocked in active {
        match blocked.instance {
            Some(instance) => some.push(instance),
            None => all = true,
        }
    }
    Ok((some, all))
}

/// Somebody has changed by hand what a sync configuration manages: that is not synced until the blocker is resolved.
pub async fn manual_change(tx: &mut Tx<'_>, service: &str, instance: Option<&str>) -> Result<(), OperationError> {
    if tx.find::<ServiceSyncConfig>(service).await?.is_none() {
        return Ok(());
    }
    let blockers = tx.all::<Blocked>("").await?;
    let known = blockers.iter().any(|row| {
        row.value.service == service
            && row.value.instance.as_deref() == instance
            && row.value.blocker.status == BlockerStatus::Active
    });
    if known {
        return Ok(());
    }
    let what = instance.map_or_else(
        || "an instance was removed".to_owned(),
        |instance| format!("service instance {instance} was changed"),
    );
    let blocker = SyncBlocker {
        contexts: None,
        created_at: tx.now(),
        created_reason: format!("In service {service}, {what} by hand and not by the sync."),
        id: tx.id(),
        resolved_at: None,
        resolved_reason: None,
        status: BlockerStatus::Active,
        type_: BlockerType::Automated,
    };
    tx.put(&Kept::new(Blocked { service: service.to_owned(), instance: instance.map(str::to_owned), blocker }));
    Ok(())
}

pub async fn blockers(
    tx: &mut Tx<'_>,
    service: &str,
    instance: Option<&String>,
) -> Result<ServiceSyncBlockerSummary, OperationError> {
    tx.get::<Service>(service).await?;
    if let Some(instance) = instance {
        super::instances::get(tx, service, instance).await?;
    }
    let rows = tx.all::<Blocked>("").await?;
    let mut found: Vec<SyncBlocker> = rows
        .into_iter()
        .filter(|row| row.value.service == service && row.value.instance.as_ref() == instance)
        .map(|row| row.value.blocker)
        .collect();
    found.sort_by_key(|blocker| std::cmp::Reverse(blocker.created_at));
    Ok(ServiceSyncBlockerSummary {
        latest_blockers: Some(found),
        service_instance_name: instance.cloned(),
        service_name: service.to_owned(),
    })
}

pub async fn resolve(
    tx: &mut Tx<'_>,
    id: &str,
    reason: &str,
) -> Result<UpdateServiceSyncBlockerOutput, OperationError> {
    let mut kept = tx.get::<Blocked>(id).await?;
    if kept.value.blocker.status == BlockerStatus::Resolved {
        return Err(conflict(format!("Service sync blocker {id} is resolved already.")));
    }
    kept.value.blocker.status = BlockerStatus::Resolved;
    kept.value.blocker.resolved_reason = Some(reason.to_owned());
    kept.value.blocker.resolved_at = Some(tx.now());
    tx.put(&kept);
    if tx.find::<ServiceSyncConfig>(&kept.value.service).await?.is_some() {
        jobs::start(tx, jobs::SERVICE, &kept.value.service, true).await?;
    }
    Ok(UpdateServiceSyncBlockerOutput {
        service_instance_name: kept.value.instance,
        service_name: kept.value.service,
        service_sync_blocker: kept.value.blocker,
    })
}

/// The templates or services that are synced from a repository.
pub async fn definitions(
    tx: &mut Tx<'_>,
    input: &ListRepositorySyncDefinitionsInput,
) -> Result<Vec<RepositorySyncDefinition>, OperationError> {
    super::deployments::no_token(input.next_token.as_ref())?;
    let mut found = Vec::new();
    match input.sync_type {
        SyncType::TemplateSync => {
            for row in tx.all::<TemplateSyncConfig>("").await? {
                let it = row.value;
                if it.repository_provider == input.repository_provider && it.repository_name == input.repository_name {
                    let parent = format!("{}_TEMPLATE", it.template_type.as_str());
                    let directory = it.subdirectory.unwrap_or_default();
                    found.push(RepositorySyncDefinition {
                        branch: it.branch,
                        directory,
                        parent,
                        target: it.template_name,
                    });
                }
            }
        }
        SyncType::ServiceSync => {
            for row in tx.all::<ServiceSyncConfig>("").await? {
                let it = row.value;
                if it.repository_provider == input.repository_provider && it.repository_name == input.repository_name {
                    found.push(RepositorySyncDefinition {
                        branch: it.branch,
                        directory: it.file_path,
                        parent: "SERVICE".into(),
                        target: it.service_name,
                    });
                }
            }
        }
    }
    Ok(found)
}
