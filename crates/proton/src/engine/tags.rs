//! Tags: what users set, and what Proton itself says about a resource.

use standin_core::OperationError;

use super::connections;
use super::errors::{not_found, validation};
use super::kept::{Extra, Kept, Linked, Resource, Template, Version};
use super::tx::{Page, Tx};
use crate::types::*;

/// Of a user, for one resource.
const TAGS_MAX: usize = 50;

/// The tags of a new resource.
///
/// # Errors
/// `ValidationException` where a key is Proton's own, or there are too many.
pub fn new(tags: Option<Vec<Tag>>) -> Result<Vec<Tag>, OperationError> {
    merged(&[], tags.unwrap_or_default())
}

/// Those of the parent, and then the resource's own.
///
/// # Errors
/// As [`new`].
pub fn inherited(parent: &[Tag], tags: Option<Vec<Tag>>) -> Result<Vec<Tag>, OperationError> {
    merged(parent, tags.unwrap_or_default())
}

fn merged(before: &[Tag], added: Vec<Tag>) -> Result<Vec<Tag>, OperationError> {
    let mut tags = before.to_vec();
    for tag in added {
        own(&tag.key)?;
        match tags.iter_mut().find(|known| known.key == tag.key) {
            Some(known) => known.value = tag.value,
            None => tags.push(tag),
        }
    }
    if tags.len() > TAGS_MAX {
        return Err(validation(format!("A resource can have at most {TAGS_MAX} tags; it would have {}.", tags.len())));
    }
    Ok(tags)
}

fn own(key: &str) -> Result<(), OperationError> {
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(validation(format!("The tag key {key} begins with aws:, which is reserved.")));
    }
    Ok(())
}

/// The resource that an ARN names, within account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    EnvironmentTemplate(String),
    ServiceTemplate(String),
    EnvironmentTemplateVersion(String, String, String),
    ServiceTemplateVersion(String, String, String),
    Environment(String),
    Service(String),
    ServiceInstance(String, String),
    Pipeline(String),
    Component(String),
    Connection(String),
    Repository(String),
}

/// What an ARN of this account and region names.
pub fn named(tx: &Tx<'_>, arn: &str) -> Option<Named> {
    let resource = arn.strip_prefix(tx.arn("").as_str())?;
    let (kind, rest) = resource.split_once('/')?;
    let own = str::to_owned;
    let version = |rest: &str| -> Option<(String, String, String)> {
        let (name, number) = rest.split_once(':')?;
        let (major, minor) = number.split_once('.')?;
        Some((own(name), own(major), own(minor)))
    };
    Some(match (kind, rest.split('/').collect::<Vec<_>>().as_slice()) {
        ("environment-template", _) => match version(rest) {
            Some((name, major, minor)) => Named::EnvironmentTemplateVersion(name, major, minor),
            None => Named::EnvironmentTemplate(own(rest)),
        },
        ("service-template", _) => match version(rest) {
            Some((name, major, minor)) => Named::ServiceTemplateVersion(name, major, minor),
            None => Named::ServiceTemplate(own(rest)),
        },
        ("environment", [name]) => Named::Environment(own(name)),
        ("service", [name]) => Named::Service(own(name)),
        ("service", [service, "service-instance", name]) => Named::ServiceInstance(own(service), own(name)),
        ("service", [service, "pipeline", ..]) => Named::Pipeline(own(service)),
        ("component", [name]) => Named::Component(own(name)),
        ("environment-account-connection", [id]) => Named::Connection(own(id)),
        ("repository", _) => Named::Repository(own(rest)),
        _ => return None,
    })
}

/// Where a row keeps tags.
type List = fn(&mut Extra) -> &mut Vec<Tag>;

/// Reads the tags of a resource, changes them, and tells them with those of Proton.
async fn change<T: Resource>(
    tx: &mut Tx<'_>,
    key: &str,
    edit: Option<&Edit<'_>>,
) -> Result<(Kept<T>, Vec<Tag>), OperationError> {
    change_in(tx, key, edit, |extra| &mut extra.tags).await
}

/// As [`change`], of a list of tags that a row keeps.
async fn change_in<T: Resource>(
    tx: &mut Tx<'_>,
    key: &str,
    edit: Option<&Edit<'_>>,
    list: List,
) -> Result<(Kept<T>, Vec<Tag>), OperationError> {
    let mut kept = tx.get::<T>(key).await?;
    let tags = list(&mut kept.extra);
    match edit {
        Some(Edit::Add(more)) => *tags = merged(tags, more.to_vec())?,
        Some(Edit::Remove(keys)) => {
            keys.iter().try_for_each(|key| own(key))?;
            tags.retain(|tag| !keys.contains(&tag.key));
        }
        None => {}
    }
    let tags = tags.clone();
    if edit.is_some() {
        tx.put(&kept);
    }
    Ok((kept, tags))
}

pub enum Edit<'e> {
    Add(&'e [Tag]),
    Remove(&'e [String]),
}

/// The tags of the resource of an ARN, changed where there is something to change: those of the user, then those of Proton.
///
/// # Errors
/// `ResourceNotFoundException` where the ARN names nothing that is there.
pub async fn of(tx: &mut Tx<'_>, arn: &str, edit: Option<&Edit<'_>>) -> Result<Vec<Tag>, OperationError> {
    let missing = || not_found("Resource", arn);
    let named = named(tx, arn).ok_or_else(missing)?;
    let template = |tx: &Tx<'_>, service: bool, name: &str| {
        tx.arn(&format!("{}/{name}", if service { "service-template" } else { "environment-template" }))
    };
    let mut system: Vec<(&str, String)> = vec![("account", tx.scope.account.clone())];
    let tags = match &named {
        Named::EnvironmentTemplate(name) => change::<Template<false>>(tx, name, edit).await?.1,
        Named::ServiceTemplate(name) => change::<Template<true>>(tx, name, edit).await?.1,
        Named::EnvironmentTemplateVersion(name, major, minor) => {
            system.push(("template", template(tx, false, name)));
            change::<Version<false>>(tx, &super::kept::version_key(name, major, minor), edit).await?.1
        }
        Named::ServiceTemplateVersion(name, major, minor) => {
            system.push(("template", template(tx, true, name)));
            change::<Version<true>>(tx, &super::kept::version_key(name, major, minor), edit).await?.1
        }
        Named::Environment(name) => {
            let (kept, tags) = change::<Environment>(tx, name, edit).await?;
            system.push(("template", template(tx, false, &kept.value.template_name)));
            system.push(("environment", kept.value.arn));
            tags
        }
        Named::Service(name) | Named::Pipeline(name) => {
            let list: List = match &named {
                Named::Pipeline(_) => |extra| &mut extra.pipeline_tags,
                _ => |extra| &mut extra.tags,
            };
            let (kept, tags) = change_in::<Service>(tx, name, edit, list).await?;
            if matches!(named, Named::Pipeline(_)) && kept.value.pipeline.is_none() {
                return Err(missing());
            }
            system.push(("template", template(tx, true, &kept.value.template_name)));
            system.push(("service", kept.value.arn));
            tags
        }
        Named::ServiceInstance(service, name) => {
            let (kept, tags) = change::<ServiceInstance>(tx, &format!("{service}/{name}"), edit).await?;
            system.push(("template", template(tx, true, &kept.value.template_name)));
            system.push(("environment", tx.arn(&format!("environment/{}", kept.value.environment_name))));
            system.push(("service", tx.arn(&format!("service/{service}"))));
            system.push(("service-instance", kept.value.arn));
            tags
        }
        Named::Component(name) => {
            let (kept, tags) = change::<Component>(tx, name, edit).await?;
            system.push(("environment", tx.arn(&format!("environment/{}", kept.value.environment_name))));
            system.push(("component", kept.value.arn));
            tags
        }
        Named::Connection(id) => {
            system.clear();
            let (kept, tags) = change::<EnvironmentAccountConnection>(tx, id, edit).await?;
            if edit.is_some() {
                connections::put(tx, &kept);
            }
            tags
        }
        Named::Repository(key) => change::<Linked>(tx, key, edit).await?.1,
    };
    let system = system.into_iter().map(|(name, value)| Tag { key: format!("aws:proton:{name}"), value });
    Ok(tags.into_iter().chain(system).collect())
}

pub async fn list(
    tx: &mut Tx<'_>,
    input: &ListTagsForResourceInput,
) -> Result<ListTagsForResourceOutput, OperationError> {
    let page = Page { token: input.next_token.as_ref(), most: input.max_results };
    let tags = of(tx, &input.resource_arn, None).await?;
    let start = match page.token {
        Some(token) => tx.place(token)?.parse().unwrap_or(tags.len()),
        None => 0,
    };
    let end = (start + page.size()).min(tags.len());
    let next_token = (end < tags.len()).then(|| tx.token(&end.to_string()));
    Ok(ListTagsForResourceOutput { tags: tags.get(start..end).unwrap_or_default().to_vec(), next_token })
}
