//! From the input of an operation to its output.

use standin_core::OperationError;
use standin_model::{Document, Fields, Key};

use super::deployments::no_token;
use super::kept::{Kept, Template, Version, repository_key, version_key};
use super::templates::NewVersion;
use super::tx::{Page, Tx};
use super::{account, components, connections, deployments, environments, instances, services, sync, tags, templates};
use crate::types::*;

type Answered = Result<Document, OperationError>;

/// A structure of one member.
fn one(name: &'static str, value: &impl Shape) -> Answered {
    let mut fields = Fields::with_capacity(1);
    fields.push(Key::Borrowed(name), value.write());
    Ok(Document::Map(fields))
}

/// A structure of one member that may be absent.
fn maybe<T: Shape>(name: &'static str, value: Option<T>) -> Answered {
    value.map_or_else(|| Ok(Document::map()), |value| one(name, &value))
}

/// The outputs of a resource, or those of one of its deployments.
async fn outputs(
    tx: &mut Tx<'_>,
    arn: &str,
    current: Vec<Output>,
    deployment: Option<&String>,
    token: Option<&String>,
) -> Answered {
    one("outputs", &deployments::outputs(tx, arn, current, deployment, token).await?)
}

fn nothing() -> Answered {
    Ok(Document::map())
}

fn service_template(template: &EnvironmentTemplate) -> ServiceTemplate {
    ServiceTemplate { pipeline_provisioning: template.provisioning, ..convert(template) }
}

fn new_template(input: &CreateServiceTemplateInput) -> CreateEnvironmentTemplateInput {
    CreateEnvironmentTemplateInput { provisioning: input.pipeline_provisioning, ..convert(input) }
}

fn environment_version(version: &ServiceTemplateVersion) -> EnvironmentTemplateVersion {
    convert(version)
}

async fn page_of_templates<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    token: Option<&String>,
    most: Option<i64>,
) -> Result<(Vec<EnvironmentTemplate>, Option<String>), OperationError> {
    let (rows, next) = tx.page::<Template<SERVICE>>(Page { token, most }, |_| true).await?;
    Ok((rows.into_iter().map(|row| row.value.0).collect(), next))
}

async fn version_of<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    name: &str,
    major: &str,
    minor: &str,
) -> Result<ServiceTemplateVersion, OperationError> {
    let found: Option<Kept<Version<SERVICE>>> = tx.find(&version_key(name, major, minor)).await?;
    let missing = || super::errors::not_found("Template version", &format!("{name}:{major}.{minor}"));
    found.map(|kept| kept.value.0).ok_or_else(missing)
}

/// Answers an operation. `raw` is its input as it came, for what compares inputs.
#[expect(clippy::too_many_lines, reason = "a line or two for each of 87 operations")]
pub async fn answer(tx: &mut Tx<'_>, input: &Input, raw: &Document) -> Answered {
    match input {
        // Environment templates.
        Input::CreateEnvironmentTemplate(it) => {
            one("environmentTemplate", &templates::create::<false>(tx, (**it).clone(), raw).await?)
        }
        Input::GetEnvironmentTemplate(it) => {
            one("environmentTemplate", &tx.get::<Template<false>>(&it.name).await?.value.0)
        }
        Input::ListEnvironmentTemplates(it) => {
            let (rows, next_token) = page_of_templates::<false>(tx, it.next_token.as_ref(), it.max_results).await?;
            Ok(ListEnvironmentTemplatesOutput { templates: rows.iter().map(convert).collect(), next_token }.write())
        }
        Input::UpdateEnvironmentTemplate(it) => one("environmentTemplate", &templates::update::<false>(tx, it).await?),
        Input::DeleteEnvironmentTemplate(it) => {
            maybe("environmentTemplate", templates::delete::<false>(tx, &it.name).await?)
        }
        Input::CreateEnvironmentTemplateVersion(it) => {
            let new = NewVersion {
                template: &it.template_name,
                major: it.major_version.as_ref(),
                description: it.description.clone(),
                tags: it.tags.clone(),
                source: &it.source,
                compatible: Vec::new(),
                components: None,
            };
            let version = templates::create_version::<false>(
                tx,
                new,
                it.client_token.as_ref(),
                "CreateEnvironmentTemplateVersion",
                raw,
            )
            .await?;
            one("environmentTemplateVersion", &environment_version(&version))
        }
        Input::GetEnvironmentTemplateVersion(it) => {
            let version = version_of::<false>(tx, &it.template_name, &it.major_version, &it.minor_version).await?;
            one("environmentTemplateVersion", &environment_version(&version))
        }
        Input::ListEnvironmentTemplateVersions(it) => {
            let page = Page { token: it.next_token.as_ref(), most: it.max_results };
            let (rows, next_token) =
                templates::list_versions::<false>(tx, &it.template_name, it.major_version.as_deref(), page).await?;
            Ok(ListEnvironmentTemplateVersionsOutput {
                template_versions: rows.iter().map(convert).collect(),
                next_token,
            }
            .write())
        }
        Input::UpdateEnvironmentTemplateVersion(it) => {
            let update: UpdateServiceTemplateVersionInput = convert(&**it);
            one(
                "environmentTemplateVersion",
                &environment_version(&templates::update_version::<false>(tx, &update).await?),
            )
        }
        Input::DeleteEnvironmentTemplateVersion(it) => {
            let deleted =
                templates::delete_version::<false>(tx, (&it.template_name, &it.major_version, &it.minor_version))
                    .await?;
            maybe("environmentTemplateVersion", deleted.as_ref().map(environment_version))
        }
        // Service templates.
        Input::CreateServiceTemplate(it) => {
            one("serviceTemplate", &service_template(&templates::create::<true>(tx, new_template(it), raw).await?))
        }
        Input::GetServiceTemplate(it) => {
            one("serviceTemplate", &service_template(&tx.get::<Template<true>>(&it.name).await?.value.0))
        }
        Input::ListServiceTemplates(it) => {
            let (rows, next_token) = page_of_templates::<true>(tx, it.next_token.as_ref(), it.max_results).await?;
            let templates = rows.iter().map(|row| convert(&service_template(row))).collect();
            Ok(ListServiceTemplatesOutput { templates, next_token }.write())
        }
        Input::UpdateServiceTemplate(it) => {
            let update: UpdateEnvironmentTemplateInput = convert(&**it);
            one("serviceTemplate", &service_template(&templates::update::<true>(tx, &update).await?))
        }
        Input::DeleteServiceTemplate(it) => {
            maybe("serviceTemplate", templates::delete::<true>(tx, &it.name).await?.as_ref().map(service_template))
        }
        Input::CreateServiceTemplateVersion(it) => {
            let new = NewVersion {
                template: &it.template_name,
                major: it.major_version.as_ref(),
                description: it.description.clone(),
                tags: it.tags.clone(),
                source: &it.source,
                compatible: it.compatible_environment_templates.iter().map(convert).collect(),
                components: it.supported_component_sources.clone(),
            };
            one(
                "serviceTemplateVersion",
                &templates::create_version::<true>(
                    tx,
                    new,
                    it.client_token.as_ref(),
                    "CreateServiceTemplateVersion",
                    raw,
                )
                .await?,
            )
        }
        Input::GetServiceTemplateVersion(it) => one(
            "serviceTemplateVersion",
            &version_of::<true>(tx, &it.template_name, &it.major_version, &it.minor_version).await?,
        ),
        Input::ListServiceTemplateVersions(it) => {
            let page = Page { token: it.next_token.as_ref(), most: it.max_results };
            let (rows, next_token) =
                templates::list_versions::<true>(tx, &it.template_name, it.major_version.as_deref(), page).await?;
            Ok(ListServiceTemplateVersionsOutput { template_versions: rows.iter().map(convert).collect(), next_token }
                .write())
        }
        Input::UpdateServiceTemplateVersion(it) => {
            one("serviceTemplateVersion", &templates::update_version::<true>(tx, it).await?)
        }
        Input::DeleteServiceTemplateVersion(it) => maybe(
            "serviceTemplateVersion",
            templates::delete_version::<true>(tx, (&it.template_name, &it.major_version, &it.minor_version)).await?,
        ),
        // Environments.
        Input::CreateEnvironment(it) => one("environment", &environments::create(tx, it, raw).await?),
        Input::GetEnvironment(it) => one("environment", &tx.get::<Environment>(&it.name).await?.value),
        Input::ListEnvironments(it) => Ok(environments::list(tx, it).await?.write()),
        Input::UpdateEnvironment(it) => one("environment", &environments::update(tx, it).await?),
        Input::CancelEnvironmentDeployment(it) => {
            one("environment", &environments::cancel(tx, &it.environment_name).await?)
        }
        Input::DeleteEnvironment(it) => maybe("environment", environments::delete(tx, &it.name).await?),
        Input::ListEnvironmentOutputs(it) => {
            let row = tx.get::<Environment>(&it.environment_name).await?;
            outputs(tx, &row.value.arn, row.extra.outputs, it.deployment_id.as_ref(), it.next_token.as_ref()).await
        }
        Input::ListEnvironmentProvisionedResources(it) => {
            no_token(it.next_token.as_ref())?;
            one("provisionedResources", &tx.get::<Environment>(&it.environment_name).await?.extra.resources)
        }
        // Services, their pipelines and instances.
        Input::CreateService(it) => one("service", &services::create(tx, it, raw).await?),
        Input::GetService(it) => one("service", &tx.get::<Service>(&it.name).await?.value),
        Input::ListServices(it) => Ok(services::list(tx, it).await?.write()),
        Input::UpdateService(it) => one("service", &services::update(tx, it).await?),
        Input::DeleteService(it) => maybe("service", services::delete(tx, &it.name).await?),
        Input::UpdateServicePipeline(it) => one("pipeline", &services::update_pipeline(tx, it).await?),
        Input::CancelServicePipelineDeployment(it) => {
            one("pipeline", &services::cancel_pipeline(tx, &it.service_name).await?)
        }
        Input::ListServicePipelineOutputs(it) => {
            let (row, pipeline) = services::pipeline_of(tx, &it.service_name).await?;
            outputs(tx, &pipeline.arn, row.extra.outputs, it.deployment_id.as_ref(), it.next_token.as_ref()).await
        }
        Input::ListServicePipelineProvisionedResources(it) => {
            no_token(it.next_token.as_ref())?;
            one("provisionedResources", &services::pipeline_of(tx, &it.service_name).await?.0.extra.resources)
        }
        Input::CreateServiceInstance(it) => {
            one("serviceInstance", &instances::create(tx, it, raw, instances::By::Hand).await?)
        }
        Input::GetServiceInstance(it) => {
            one("serviceInstance", &instances::get(tx, &it.service_name, &it.name).await?.value)
        }
        Input::ListServiceInstances(it) => Ok(instances::list(tx, it).await?.write()),
        Input::UpdateServiceInstance(it) => {
            one("serviceInstance", &instances::update(tx, it, raw, instances::By::Hand).await?)
        }
        Input::CancelServiceInstanceDeployment(it) => {
            one("serviceInstance", &instances::cancel(tx, &it.service_name, &it.service_instance_name).await?)
        }
        Input::ListServiceInstanceOutputs(it) => {
            let row = instances::get(tx, &it.service_name, &it.service_instance_name).await?;
            outputs(tx, &row.value.arn, row.extra.outputs, it.deployment_id.as_ref(), it.next_token.as_ref()).await
        }
        Input::ListServiceInstanceProvisionedResources(it) => {
            no_token(it.next_token.as_ref())?;
            one(
                "provisionedResources",
                &instances::get(tx, &it.service_name, &it.service_instance_name).await?.extra.resources,
            )
        }
        // Components.
        Input::CreateComponent(it) => one("component", &components::create(tx, it, raw).await?),
        Input::GetComponent(it) => one("component", &tx.get::<Component>(&it.name).await?.value),
        Input::ListComponents(it) => Ok(components::list(tx, it).await?.write()),
        Input::UpdateComponent(it) => one("component", &components::update(tx, it, raw).await?),
        Input::DeleteComponent(it) => one("component", &components::delete(tx, &it.name).await?),
        Input::CancelComponentDeployment(it) => one("component", &components::cancel(tx, &it.component_name).await?),
        Input::ListComponentOutputs(it) => {
            let row = tx.get::<Component>(&it.component_name).await?;
            outputs(tx, &row.value.arn, row.extra.outputs, it.deployment_id.as_ref(), it.next_token.as_ref()).await
        }
        Input::ListComponentProvisionedResources(it) => {
            no_token(it.next_token.as_ref())?;
            one("provisionedResources", &tx.get::<Component>(&it.component_name).await?.extra.resources)
        }
        // Deployments.
        Input::GetDeployment(it) => Ok(deployments::get(tx, it).await?.write()),
        Input::ListDeployments(it) => Ok(deployments::list(tx, it).await?.write()),
        Input::DeleteDeployment(it) => Ok(deployments::delete(tx, &it.id).await?.write()),
        // Environment account connections.
        Input::CreateEnvironmentAccountConnection(it) => {
            one("environmentAccountConnection", &connections::create(tx, it, raw).await?)
        }
        Input::GetEnvironmentAccountConnection(it) => {
            one("environmentAccountConnection", &connections::get(tx, &it.id).await?)
        }
        Input::ListEnvironmentAccountConnections(it) => Ok(connections::list(tx, it).await?.write()),
        Input::UpdateEnvironmentAccountConnection(it) => {
            one("environmentAccountConnection", &connections::update(tx, it).await?)
        }
        Input::DeleteEnvironmentAccountConnection(it) => {
            maybe("environmentAccountConnection", connections::delete(tx, &it.id).await?)
        }
        Input::AcceptEnvironmentAccountConnection(it) => {
            one("environmentAccountConnection", &connections::accept(tx, &it.id).await?)
        }
        Input::RejectEnvironmentAccountConnection(it) => {
            one("environmentAccountConnection", &connections::reject(tx, &it.id).await?)
        }
        // Repositories and syncs.
        Input::CreateRepository(it) => one("repository", &account::create_repository(tx, it).await?),
        Input::GetRepository(it) => {
            let key = repository_key(it.provider, &it.name);
            one("repository", &tx.get::<super::kept::Linked>(&key).await?.value.repository)
        }
        Input::DeleteRepository(it) => one("repository", &account::delete_repository(tx, it.provider, &it.name).await?),
        Input::ListRepositories(it) => Ok(account::list_repositories(tx, it).await?.write()),
        Input::ListRepositorySyncDefinitions(it) => one("syncDefinitions", &sync::definitions(tx, it).await?),
        Input::GetRepositorySyncStatus(it) => Ok(sync::repository_status(tx, it).await?.write()),
        Input::CreateTemplateSyncConfig(it) => {
            one("templateSyncConfig", &sync::put_template(tx, convert(&**it), true).await?)
        }
        Input::UpdateTemplateSyncConfig(it) => {
            one("templateSyncConfig", &sync::put_template(tx, convert(&**it), false).await?)
        }
        Input::GetTemplateSyncConfig(it) => {
            one("templateSyncConfig", &sync::get_template(tx, it.template_type, &it.template_name, false).await?)
        }
        Input::DeleteTemplateSyncConfig(it) => {
            one("templateSyncConfig", &sync::get_template(tx, it.template_type, &it.template_name, true).await?)
        }
        Input::GetTemplateSyncStatus(it) => {
            Ok(sync::template_status(tx, it.template_type, &it.template_name, &it.template_version).await?.write())
        }
        Input::CreateServiceSyncConfig(it) => {
            one("serviceSyncConfig", &sync::put_service(tx, convert(&**it), true).await?)
        }
        Input::UpdateServiceSyncConfig(it) => {
            one("serviceSyncConfig", &sync::put_service(tx, convert(&**it), false).await?)
        }
        Input::GetServiceSyncConfig(it) => {
            one("serviceSyncConfig", &sync::get_service(tx, &it.service_name, false).await?)
        }
        Input::DeleteServiceSyncConfig(it) => {
            one("serviceSyncConfig", &sync::get_service(tx, &it.service_name, true).await?)
        }
        Input::GetServiceInstanceSyncStatus(it) => {
            Ok(sync::instance_status(tx, &it.service_name, &it.service_instance_name).await?.write())
        }
        Input::GetServiceSyncBlockerSummary(it) => one(
            "serviceSyncBlockerSummary",
            &sync::blockers(tx, &it.service_name, it.service_instance_name.as_ref()).await?,
        ),
        Input::UpdateServiceSyncBlocker(it) => Ok(sync::resolve(tx, &it.id, &it.resolved_reason).await?.write()),
        // The account, and what goes over all resources.
        Input::GetAccountSettings(_) => one("accountSettings", &account::settings(tx).await?),
        Input::UpdateAccountSettings(it) => one("accountSettings", &account::update_settings(tx, it).await?),
        Input::GetResourcesSummary(_) => Ok(account::summary(tx).await?.write()),
        Input::NotifyResourceDeploymentStatusChange(it) => {
            account::notify(tx, it).await?;
            nothing()
        }
        Input::TagResource(it) => {
            tags::of(tx, &it.resource_arn, Some(&tags::Edit::Add(&it.tags))).await?;
            nothing()
        }
        Input::UntagResource(it) => {
            tags::of(tx, &it.resource_arn, Some(&tags::Edit::Remove(&it.tag_keys))).await?;
            nothing()
        }
        Input::ListTagsForResource(it) => Ok(tags::list(tx, it).await?.write()),
    }
}
