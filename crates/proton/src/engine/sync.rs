//! Sync configurations and their blockers. What they make happen on a push is another's part; here are their rules.

use standin_core::OperationError;
use standin_model::{Document, Timestamp};

use super::errors::{conflict, not_found, validation};
use super::kept::{Kept, Linked, Resource, Template, repository_key};
use super::tx::Tx;
use crate::types::*;

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
        tx.delete::<TemplateSyncConfig>(&key);
    }
    Ok(kept.value)
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
    Ok(config)
}

pub async fn get_service(tx: &mut Tx<'_>, name: &str, delete: bool) -> Result<ServiceSyncConfig, OperationError> {
    let kept = tx.get::<ServiceSyncConfig>(name).await?;
    if delete {
        tx.delete::<ServiceSyncConfig>(name);
    }
    Ok(kept.value)
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
