//! Environment and service templates and their versions. Both types follow the same rules, so both are one code:
//! `SERVICE` tells them apart.

use std::sync::Arc;

use standin_core::OperationError;
use standin_model::Document;

use super::Engine;
use super::errors::{conflict, not_found, quota, validation};
use super::index::{self, Part};
use super::kept::{Kept, Template, Version, version_key};
use super::sync;
use super::tags;
use super::tx::{Page, Tx, fingerprint, mismatch};
use crate::archive::Files;
use crate::bundle::{self, Bundle, BundleKind};
use crate::finding::{Finding, summary};
use crate::schema;
use crate::types::*;

fn segment(service: bool) -> &'static str {
    if service { "service-template" } else { "environment-template" }
}

fn noun(service: bool) -> &'static str {
    if service { "Service Template" } else { "Environment Template" }
}

/// What events call the status of a template: it is published as long as it has a version that is.
fn status_of(template: &EnvironmentTemplate) -> &'static str {
    if template.recommended_version.is_some() { "PUBLISHED" } else { "DRAFT" }
}

pub async fn create<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    input: CreateEnvironmentTemplateInput,
    raw: &Document,
) -> Result<EnvironmentTemplate, OperationError> {
    let parameters = fingerprint(raw);
    if let Some(known) = tx.find::<Template<SERVICE>>(&input.name).await? {
        return match known.extra {
            extra if extra.parameters.as_ref() != Some(&parameters) => Err(mismatch()),
            extra if extra.modified => {
                Err(conflict(format!("{} {} was modified since it was created.", noun(SERVICE), input.name)))
            }
            _ => Ok(known.value.0),
        };
    }
    let count = tx.count::<Template<true>>("").await? + tx.count::<Template<false>>("").await?;
    let most = tx.engine.quotas.templates;
    if count >= most as u64 {
        return Err(quota("templates", most));
    }
    let now = tx.now();
    let template = EnvironmentTemplate {
        arn: tx.arn(&format!("{}/{}", segment(SERVICE), input.name)),
        created_at: now,
        last_modified_at: now,
        description: input.description,
        display_name: input.display_name,
        encryption_key: input.encryption_key,
        provisioning: input.provisioning,
        name: input.name,
        recommended_version: None,
    };
    tx.event(noun(SERVICE), &template.arn, None, "DRAFT", &[("name", &template.name)]);
    let mut kept = Kept::new(Template::<SERVICE>(template.clone()));
    kept.extra.parameters = Some(parameters);
    kept.extra.tags = tags::new(input.tags)?;
    kept.extra.next_major = 1;
    tx.put(&kept);
    Ok(template)
}

pub async fn update<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    input: &UpdateEnvironmentTemplateInput,
) -> Result<EnvironmentTemplate, OperationError> {
    let mut kept = tx.get::<Template<SERVICE>>(&input.name).await?;
    let template = &mut kept.value.0;
    if input.description.is_some() {
        template.description.clone_from(&input.description);
    }
    if input.display_name.is_some() {
        template.display_name.clone_from(&input.display_name);
    }
    template.last_modified_at = tx.now();
    kept.extra.modified = true;
    tx.put(&kept);
    Ok(kept.value.0)
}

/// The template that was deleted; nothing where there was none.
pub async fn delete<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    name: &str,
) -> Result<Option<EnvironmentTemplate>, OperationError> {
    let Some(kept) = tx.find::<Template<SERVICE>>(name).await? else { return Ok(None) };
    if tx.count::<Version<SERVICE>>(&format!("{name}/")).await? > 0 {
        return Err(conflict(format!("{} {name} has versions; delete them first.", noun(SERVICE))));
    }
    sync::forget_template(tx, SERVICE, name).await?;
    tx.delete::<Template<SERVICE>>(name);
    tx.event(noun(SERVICE), &kept.value.0.arn, Some(status_of(&kept.value.0)), "DELETED", &[("name", name)]);
    Ok(Some(kept.value.0))
}

/// What a create of a version has besides the token.
pub struct NewVersion<'v> {
    pub template: &'v str,
    pub major: Option<&'v String>,
    pub description: Option<String>,
    pub tags: Option<Vec<Tag>>,
    pub source: &'v TemplateVersionSourceInput,
    pub compatible: Vec<CompatibleEnvironmentTemplate>,
    pub components: Option<Vec<ServiceTemplateSupportedComponentSourceType>>,
}

pub async fn create_version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    new: NewVersion<'_>,
    token: Option<&String>,
    operation: &str,
    raw: &Document,
) -> Result<ServiceTemplateVersion, OperationError> {
    let replay = tx.replayed(token, operation, raw).await?;
    if let Some(key) = &replay.key
        && let Some(known) = tx.find::<Version<SERVICE>>(key).await?
    {
        return Ok(known.value.0);
    }
    let Some(source) = &new.source.s3 else {
        return Err(validation("source must have exactly one member: s3"));
    };
    let mut template = tx.get::<Template<SERVICE>>(new.template).await?;
    let most = tx.engine.quotas.versions;
    if tx.count::<Version<SERVICE>>(&format!("{}/", new.template)).await? >= most as u64 {
        return Err(quota("versions of a template", most));
    }
    if SERVICE {
        compatible_exist(tx, &new.compatible).await?;
    }
    let major = match new.major {
        None => {
            let major = template.extra.next_major.max(1);
            template.extra.next_major = major + 1;
            major
        }
        Some(given) => {
            let major: i64 = given.parse().unwrap_or_default();
            let exists = tx.count::<Version<SERVICE>>(&format!("{}/{given:0>20}/", new.template)).await? > 0;
            if !exists {
                return Err(not_found(&format!("Major version {given} of template"), new.template));
            }
            major
        }
    };
    let source = format!("{}/{}", source.bucket, source.key);
    let beginning = Beginning {
        major,
        description: new.description,
        tags: new.tags,
        compatible: new.compatible,
        components: new.components,
    };
    let mut kept = begin_version(tx, &mut template, beginning).await?;
    // Where the bundle lies, until it was fetched.
    kept.extra.manifest = Some(source);
    tx.put(&template);
    tx.put(&kept);
    let version = kept.value.0;
    let key = version_key(&version.template_name, &version.major_version, &version.minor_version);
    tx.remember(&replay, &key);
    let delay = tx.engine.delay_ms();
    tx.enqueue(if SERVICE { "register-service" } else { "register-environment" }, &key, &key, delay);
    Ok(version)
}

/// A version whose registration begins.
struct Beginning {
    major: i64,
    description: Option<String>,
    tags: Option<Vec<Tag>>,
    compatible: Vec<CompatibleEnvironmentTemplate>,
    components: Option<Vec<ServiceTemplateSupportedComponentSourceType>>,
}

/// Numbers a version and tells of it; the caller keeps both rows.
async fn begin_version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &mut Kept<Template<SERVICE>>,
    new: Beginning,
) -> Result<Kept<Version<SERVICE>>, OperationError> {
    let (name, major) = (template.value.0.name.clone(), new.major);
    let at = usize::try_from(major).unwrap_or_default();
    if template.extra.next_minors.len() <= at {
        template.extra.next_minors.resize(at + 1, 0);
    }
    let minor = template.extra.next_minors[at];
    template.extra.next_minors[at] = minor + 1;
    let now = tx.now();
    let recommended = recommended_minor::<SERVICE>(tx, &name, &major.to_string()).await?;
    let version = ServiceTemplateVersion {
        arn: tx.arn(&format!("{}/{name}:{major}.{minor}", segment(SERVICE))),
        compatible_environment_templates: new.compatible,
        created_at: now,
        description: new.description,
        last_modified_at: now,
        major_version: major.to_string(),
        minor_version: minor.to_string(),
        recommended_minor_version: recommended,
        schema: None,
        status: TemplateVersionStatus::RegistrationInProgress,
        status_message: Some(String::new()),
        supported_component_sources: new.components,
        template_name: name,
    };
    version_event::<SERVICE>(tx, &version, None);
    let mut kept = Kept::new(Version::<SERVICE>(version));
    kept.extra.tags = tags::inherited(&template.extra.tags, new.tags)?;
    Ok(kept)
}

/// A version as a repository has it.
pub struct Synced {
    pub major: i64,
    pub description: String,
    pub compatible: Vec<CompatibleEnvironmentTemplate>,
    pub components: Option<Vec<ServiceTemplateSupportedComponentSourceType>>,
    /// Of the bundle.
    pub files: Files,
}

/// Registers a version at once: the next minor of its major, which may be new.
pub async fn add_synced<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    new: Synced,
) -> Result<ServiceTemplateVersion, OperationError> {
    let mut template = tx.get::<Template<SERVICE>>(template).await?;
    let most = tx.engine.quotas.versions;
    if tx.count::<Version<SERVICE>>(&format!("{}/", template.value.0.name)).await? >= most as u64 {
        return Err(quota("versions of a template", most));
    }
    if SERVICE {
        compatible_exist(tx, &new.compatible).await?;
    }
    template.extra.next_major = template.extra.next_major.max(new.major + 1);
    let beginning = Beginning {
        major: new.major,
        description: Some(new.description),
        tags: None,
        compatible: new.compatible,
        components: new.components,
    };
    let mut kept = begin_version(tx, &mut template, beginning).await?;
    let kind = kind_of(SERVICE, template.value.0.provisioning.is_some());
    tx.put(&template);
    // Unpacked once more: what could not be is found now and not when it is deployed.
    let packed = new.files.to_tar_gz().and_then(|bytes| Files::from_tar_gz(&bytes).map(|files| (bytes, files)));
    let read = packed.map_err(|error| error.to_string()).and_then(|(bytes, files)| {
        let bundle = bundle::read(&files, Some(kind)).into_result().map_err(|findings| summary(&findings))?;
        Ok((bytes, bundle))
    });
    settle::<SERVICE>(tx, &mut kept, read).await?;
    Ok(kept.value.0)
}

fn version_event<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    version: &ServiceTemplateVersion,
    previous: Option<TemplateVersionStatus>,
) {
    let detail = [
        ("name", version.template_name.as_str()),
        ("majorVersion", version.major_version.as_str()),
        ("minorVersion", version.minor_version.as_str()),
    ];
    let what = format!("{} Version", noun(SERVICE));
    tx.event(&what, &version.arn, previous.map(TemplateVersionStatus::as_str), version.status.as_str(), &detail);
}

async fn compatible_exist(tx: &mut Tx<'_>, compatible: &[CompatibleEnvironmentTemplate]) -> Result<(), OperationError> {
    for CompatibleEnvironmentTemplate { template_name, major_version } in compatible {
        let prefix = format!("{template_name}/{major_version:0>20}/");
        if tx.count::<Version<false>>(&prefix).await? == 0 {
            return Err(not_found("Compatible environment template", &format!("{template_name}:{major_version}")));
        }
    }
    Ok(())
}

/// The versions of a template, or of a major of it, by their numbers.
pub async fn versions<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: Option<&str>,
) -> Result<Vec<Kept<Version<SERVICE>>>, OperationError> {
    let prefix = major.map_or_else(|| format!("{template}/"), |major| format!("{template}/{major:0>20}/"));
    tx.all::<Version<SERVICE>>(&prefix).await
}

/// The highest published minor of a major.
pub async fn recommended_minor<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
) -> Result<Option<String>, OperationError> {
    let versions = versions::<SERVICE>(tx, template, Some(major)).await?;
    let published = versions.into_iter().rfind(|version| version.value.0.status == TemplateVersionStatus::Published);
    Ok(published.map(|version| version.value.0.minor_version))
}

/// Brings the recommended versions of a template up to date with what is published.
async fn recommend<const SERVICE: bool>(tx: &mut Tx<'_>, template: &str) -> Result<(), OperationError> {
    let all = versions::<SERVICE>(tx, template, None).await?;
    let published = |major: Option<&str>| {
        all.iter().map(|version| &version.value.0).rfind(|version| {
            version.status == TemplateVersionStatus::Published
                && major.is_none_or(|major| major == version.major_version)
        })
    };
    for version in &all {
        let minor = published(Some(&version.value.0.major_version)).map(|best| best.minor_version.clone());
        if version.value.0.recommended_minor_version != minor {
            let mut version = version.clone();
            version.value.0.recommended_minor_version = minor;
            tx.put(&version);
        }
    }
    let best = published(None).map(|best| format!("{}.{}", best.major_version, best.minor_version));
    if let Some(mut kept) = tx.find::<Template<SERVICE>>(template).await? {
        if kept.value.0.recommended_version != best {
            let before = status_of(&kept.value.0);
            kept.value.0.recommended_version = best;
            let now = status_of(&kept.value.0);
            tx.event(noun(SERVICE), &kept.value.0.arn, Some(before), now, &[("name", template)]);
            kept.extra.modified = true;
        }
        // Also where it stays as it is: whoever makes, publishes or deletes another version meanwhile decides anew.
        tx.put(&kept);
    }
    Ok(())
}

pub async fn update_version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    input: &UpdateServiceTemplateVersionInput,
) -> Result<ServiceTemplateVersion, OperationError> {
    use TemplateVersionStatus::{Draft, Published, RegistrationFailed, RegistrationInProgress};
    let key = version_key(&input.template_name, &input.major_version, &input.minor_version);
    let mut kept = tx.get::<Version<SERVICE>>(&key).await?;
    let previous = kept.value.0.status;
    match (previous, input.status) {
        (_, None) | (Draft, Some(Draft)) | (Published, Some(Published)) => {}
        (Draft, Some(Published)) => kept.value.0.status = Published,
        (Published, Some(Draft)) => return Err(validation("A published version cannot become a draft again.")),
        (_, Some(RegistrationFailed | RegistrationInProgress)) => {
            return Err(validation("A version can only be updated to the status PUBLISHED."));
        }
        (RegistrationInProgress, Some(_)) => return Err(conflict("The version is still being registered.")),
        (RegistrationFailed, Some(_)) => {
            return Err(validation("The registration of the version has failed; register a new one."));
        }
    }
    if input.description.is_some() {
        kept.value.0.description.clone_from(&input.description);
    }
    if let Some(compatible) = &input.compatible_environment_templates {
        let compatible: Vec<CompatibleEnvironmentTemplate> = compatible.iter().map(convert).collect();
        compatible_exist(tx, &compatible).await?;
        kept.value.0.compatible_environment_templates = compatible;
    }
    if input.supported_component_sources.is_some() {
        kept.value.0.supported_component_sources.clone_from(&input.supported_component_sources);
    }
    kept.value.0.last_modified_at = tx.now();
    tx.put(&kept);
    version_event::<SERVICE>(tx, &kept.value.0, Some(previous));
    recommend::<SERVICE>(tx, &input.template_name).await?;
    Ok(tx.get::<Version<SERVICE>>(&key).await?.value.0)
}

pub async fn delete_version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    (template, major, minor): (&str, &str, &str),
) -> Result<Option<ServiceTemplateVersion>, OperationError> {
    let key = version_key(template, major, minor);
    let Some(kept) = tx.find::<Version<SERVICE>>(&key).await? else { return Ok(None) };
    let of_template = tx.get::<Template<SERVICE>>(template).await?;
    let all = versions::<SERVICE>(tx, template, None).await?;
    let others_of_major =
        all.iter().any(|other| other.value.0.major_version == major && other.value.0.minor_version != minor);
    let number = format!("{major}.{minor}");
    if of_template.value.0.recommended_version.as_ref() == Some(&number) && all.len() > 1 {
        return Err(conflict(format!(
            "Version {number} is the recommended version of template {template}, which has others."
        )));
    }
    if kept.value.0.recommended_minor_version.as_deref() == Some(minor) && others_of_major {
        return Err(conflict(format!(
            "Version {number} is the recommended minor version of its major version, which has others."
        )));
    }
    tx.watch(&uses::<SERVICE>(&key)).await?;
    if let Some(user) = user_of::<SERVICE>(tx, template, major, minor).await? {
        return Err(conflict(format!("Version {number} of template {template} is in use by {user}.")));
    }
    tx.delete::<Version<SERVICE>>(&key);
    let bundles = tx.space().table(BUNDLES);
    tx.batch.delete(&bundles, bundle_key(SERVICE, &key));
    recommend::<SERVICE>(tx, template).await?;
    let version = kept.value.0;
    let detail = [("name", template), ("majorVersion", major), ("minorVersion", minor)];
    tx.event(&format!("{} Version", noun(SERVICE)), &version.arn, Some(version.status.as_str()), "DELETED", &detail);
    Ok(Some(version))
}

/// What deployments [use](Tx::uses), by the key of the version.
fn uses<const SERVICE: bool>(key: &str) -> String {
    format!("{}/{key}", segment(SERVICE))
}

/// What is deployed on a version, or about to be.
async fn user_of<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
    minor: &str,
) -> Result<Option<String>, OperationError> {
    let part = Part { index: index::VERSION, prefix: index::of_version(SERVICE, template, major, minor) };
    let user = if SERVICE {
        match tx.first::<ServiceInstance>(&part).await? {
            Some(instance) => Some(instance.value.arn),
            None => tx.first::<Service>(&part).await?.and_then(|row| row.value.pipeline).map(|pipeline| pipeline.arn),
        }
    } else {
        tx.first::<Environment>(&part).await?.map(|environment| environment.value.arn)
    };
    Ok(match user {
        Some(user) => Some(user),
        // What is on its way to it.
        None => tx.first::<Deployment>(&part).await?.map(|deployment| deployment.value.target_arn),
    })
}

/// The page of a list of versions: the minors of a major, or the best minor of each major.
pub async fn list_versions<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: Option<&str>,
    page: Page<'_>,
) -> Result<(Vec<ServiceTemplateVersion>, Option<String>), OperationError> {
    tx.get::<Template<SERVICE>>(template).await?;
    let all = versions::<SERVICE>(tx, template, major).await?;
    let shown: Vec<String> = match major {
        Some(_) => all.iter().map(|version| version.value.0.minor_version.clone()).collect(),
        None => Vec::new(),
    };
    let last_of_major = |version: &ServiceTemplateVersion| {
        let best = version.recommended_minor_version.clone().or_else(|| {
            all.iter()
                .map(|other| &other.value.0)
                .rfind(|other| other.major_version == version.major_version)
                .map(|other| other.minor_version.clone())
        });
        best.as_ref() == Some(&version.minor_version)
    };
    let wanted: Vec<String> = all
        .iter()
        .map(|version| &version.value.0)
        .filter(|version| if major.is_some() { shown.contains(&version.minor_version) } else { last_of_major(version) })
        .map(|version| version.arn.clone())
        .collect();
    let prefix = format!("{template}/");
    let (rows, next) = tx
        .page::<Version<SERVICE>>(page, |kept| {
            kept.value.0.arn.len() >= prefix.len() && wanted.contains(&kept.value.0.arn)
        })
        .await?;
    Ok((rows.into_iter().map(|row| row.value.0).collect(), next))
}

/// The table of registered bundles, as they came.
const BUNDLES: &str = "bundle";

fn bundle_key(service: bool, key: &str) -> String {
    format!("{}/{key}", segment(service))
}

fn kind_of(service: bool, customer_managed: bool) -> BundleKind {
    if service {
        BundleKind::Service { pipeline: !customer_managed }
    } else {
        BundleKind::Environment { provisioned: !customer_managed }
    }
}

/// The bundle of a version.
///
/// # Errors
/// Where it is not there any more, or was never registered.
pub async fn bundle_of<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    version: &ServiceTemplateVersion,
) -> Result<Arc<Bundle>, OperationError> {
    let key = version_key(&version.template_name, &version.major_version, &version.minor_version);
    let template = tx.get::<Template<SERVICE>>(&version.template_name).await?;
    let table = tx.space().table(BUNDLES);
    // A bundle never changes once it is there, unless all state does: then the row of its version is another.
    let name = format!("{}/{}", table.space, bundle_key(SERVICE, &key));
    let seen = tx.seen_version::<Version<SERVICE>>(&key);
    if let Some(bundle) = seen.and_then(|seen| tx.engine.read.find(&name, seen)) {
        return Ok(bundle);
    }
    let row = tx.engine.store.get(&table, &bundle_key(SERVICE, &key)).await.map_err(OperationError::internal)?;
    let bytes = row.as_ref().and_then(|row| match row.body.get("archive") {
        Some(Document::Blob(bytes)) => Some(bytes.clone()),
        _ => None,
    });
    let bytes = bytes.ok_or_else(|| validation(format!("Template version {} is not registered.", version.arn)))?;
    let files = Files::from_tar_gz(&bytes).map_err(OperationError::internal)?;
    let bundle = bundle::read(&files, Some(kind_of(SERVICE, template.value.0.provisioning.is_some())))
        .into_result()
        .map_err(|findings| OperationError::internal(summary(&findings)))?;
    let bundle = Arc::new(bundle);
    if let Some(seen) = seen {
        tx.engine.read.keep(name, seen, bundle.clone());
    }
    Ok(bundle)
}

/// A version that can be deployed, with its bundle.
///
/// # Errors
/// `ResourceNotFoundException` where there is none, `ValidationException` where it is not published.
pub async fn published<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
    minor: Option<&str>,
) -> Result<(ServiceTemplateVersion, Arc<Bundle>), OperationError> {
    let minor = match minor {
        Some(minor) => minor.to_owned(),
        None => {
            if versions::<SERVICE>(tx, template, Some(major)).await?.is_empty() {
                tx.get::<Template<SERVICE>>(template).await?;
                return Err(not_found(&format!("Major version {major} of template"), template));
            }
            recommended_minor::<SERVICE>(tx, template, major).await?.ok_or_else(|| {
                validation(format!("Template {template} has no published minor version of major version {major}."))
            })?
        }
    };
    let key = version_key(template, major, &minor);
    let version = tx.get::<Version<SERVICE>>(&key).await?.value.0;
    tx.uses(&uses::<SERVICE>(&key));
    if version.status != TemplateVersionStatus::Published {
        return Err(validation(format!(
            "Version {major}.{minor} of template {template} is not published: it is {}.",
            version.status.as_str()
        )));
    }
    let bundle = bundle_of::<SERVICE>(tx, &version).await?;
    Ok((version, bundle))
}

/// Fetches the bundle of a version, checks it and settles the registration.
pub async fn register<const SERVICE: bool>(engine: &Engine, tx: &mut Tx<'_>, key: &str) -> Result<(), OperationError> {
    let Some(mut kept) = tx.find::<Version<SERVICE>>(key).await? else { return Ok(()) };
    if kept.value.0.status != TemplateVersionStatus::RegistrationInProgress {
        return Ok(());
    }
    let template = tx.get::<Template<SERVICE>>(&kept.value.0.template_name).await?;
    let source = kept.extra.manifest.take().unwrap_or_default();
    let (bucket, object) = source.split_once('/').unwrap_or((source.as_str(), ""));
    let scope = tx.scope.clone();
    let fetched = engine.bundles.fetch(&scope.account, &scope.region, bucket, object, scope.now).await;
    let kind = kind_of(SERVICE, template.value.0.provisioning.is_some());
    let read = fetched
        .map_err(|reason| format!("The bundle s3://{bucket}/{object} cannot be read: {reason}"))
        .and_then(|bytes| {
            let files = Files::from_tar_gz(&bytes).map_err(|error| error.to_string())?;
            let bundle = bundle::read(&files, Some(kind)).into_result().map_err(|findings| summary(&findings))?;
            Ok((bytes, bundle))
        });
    settle::<SERVICE>(tx, &mut kept, read).await
}

/// Ends the registration of a version by what became of its bundle.
async fn settle<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    kept: &mut Kept<Version<SERVICE>>,
    read: Result<(Vec<u8>, Bundle), String>,
) -> Result<(), OperationError> {
    let previous = Some(kept.value.0.status);
    let checked = match read {
        Ok((bytes, bundle)) => match incompatible::<SERVICE>(tx, &kept.value.0, &bundle).await? {
            Some(reason) => Err(reason),
            None => Ok((bytes, bundle)),
        },
        Err(reason) => Err(reason),
    };
    let version = &mut kept.value.0;
    let key = version_key(&version.template_name, &version.major_version, &version.minor_version);
    match checked {
        Ok((bytes, bundle)) => {
            version.status = TemplateVersionStatus::Draft;
            version.schema = bundle.schema.map(|schema| schema.text);
            let mut body = standin_model::Fields::new();
            body.push("archive", Document::Blob(bytes.into()));
            let table = tx.space().table(BUNDLES);
            tx.batch.put(&table, bundle_key(SERVICE, &key), Document::Map(body), []);
        }
        Err(reason) => {
            version.status = TemplateVersionStatus::RegistrationFailed;
            version.status_message = Some(reason);
        }
    }
    version.last_modified_at = tx.now();
    tx.put(kept);
    version_event::<SERVICE>(tx, &kept.value.0, previous);
    Ok(())
}

/// Why a minor version does not take what earlier minors of its major took.
async fn incompatible<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    version: &ServiceTemplateVersion,
    bundle: &Bundle,
) -> Result<Option<String>, OperationError> {
    let Some(new) = &bundle.schema else { return Ok(None) };
    let before = versions::<SERVICE>(tx, &version.template_name, Some(&version.major_version)).await?;
    let earlier = before.into_iter().map(|kept| kept.value.0).filter(|other| other.arn != version.arn);
    for other in earlier {
        let Some(text) = &other.schema else { continue };
        let wanted: &[&str] = match bundle.kind {
            BundleKind::Service { pipeline: true } => &[schema::SERVICE_INPUT, schema::PIPELINE_INPUT],
            BundleKind::Service { pipeline: false } => &[schema::SERVICE_INPUT],
            _ => &[schema::ENVIRONMENT_INPUT],
        };
        let Some(old) = schema::read(text, wanted, &[], &mut Vec::<Finding>::new()) else { continue };
        let found = schema::incompatibilities(&old, new);
        if !found.is_empty() {
            return Ok(Some(format!(
                "The schema is not compatible with that of version {}.{}: {}",
                other.major_version,
                other.minor_version,
                summary(&found)
            )));
        }
    }
    Ok(None)
}
