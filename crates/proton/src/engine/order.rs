//! From a deployment to what a provisioner is told: the template rendered with all that flows into it.

use std::sync::Arc;

use serde_json::{Map, Value};
use standin_core::{Dice, OperationError};

use super::deployments::{Target, target_of};
use super::errors::validation;
use super::kept::{Kept, Version, version_key};
use super::provision::{Order, ProvisionedBy, Subject};
use super::tx::Tx;
use super::{components, connections, instances, services, templates};
use crate::archive::Files;
use crate::bundle::{Bundle, Infrastructure};
use crate::finding::summary;
use crate::manifest::Method;
use crate::render::inputs::{DeployedInstance, Outputs, Surroundings};
use crate::render::{
    self, ComponentInputs, EnvironmentInputs, Identity, InstanceInputs, Metadata, PipelineInputs, ServiceInputs,
};
use crate::spec::{self, Inputs};
use crate::types::*;

/// What a deployment asks for.
pub enum Asked {
    /// The provisioner does it.
    Order(Box<Order>),
    /// Nothing is provisioned: these are the outputs.
    Nothing(Vec<Output>),
}

pub fn to_json(outputs: &[Output]) -> Outputs {
    let pair = |output: &Output| {
        (output.key.clone().unwrap_or_default(), Value::from(output.value_string.clone().unwrap_or_default()))
    };
    outputs.iter().map(pair).collect()
}

/// Inputs as outputs, for environments that their owner provisions.
fn to_outputs(inputs: &Inputs) -> Vec<Output> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    inputs.iter().map(|(name, value)| Output { key: Some(name.clone()), value_string: Some(text(value)) }).collect()
}

/// The order of a deployment.
///
/// # Errors
/// What the deployment fails with: the message of the error.
pub async fn of(tx: &mut Tx<'_>, kept: &Kept<Deployment>) -> Result<Asked, OperationError> {
    let state = kept.value.target_state.clone().unwrap_or_default();
    match target_of(&kept.value) {
        Target::Environment(name) => environment(tx, kept, &name, &state.environment.unwrap_or_default()).await,
        Target::Instance(service, name) => {
            instance(tx, kept, &service, &name, &state.service_instance.unwrap_or_default()).await
        }
        Target::Pipeline(service) => pipeline(tx, kept, &service, &state.service_pipeline.unwrap_or_default()).await,
        Target::Component(name) => component(tx, kept, &name, &state.component.unwrap_or_default()).await,
    }
}

async fn bundle<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    major: &str,
    minor: &str,
) -> Result<Arc<Bundle>, OperationError> {
    let version = tx.get::<Version<SERVICE>>(&version_key(template, major, minor)).await?.value.0;
    templates::bundle_of::<SERVICE>(tx, &version).await
}

fn schema(bundle: &Bundle) -> Result<&crate::Schema, OperationError> {
    bundle.schema.as_ref().ok_or_else(|| validation("The template has no schema."))
}

/// What an order says of everything but the template.
struct Frame<'f> {
    kept: &'f Kept<Deployment>,
    subject: Subject,
    stack: String,
    tags: Vec<(String, String)>,
    /// The environment in whose account and with whose roles it happens.
    environment: Option<&'f Environment>,
    template: Option<(String, &'f str, &'f str)>,
    component: bool,
    /// Where Terraform's files go that belong to no environment.
    repository: Option<RepositoryBranch>,
}

impl Frame<'_> {
    /// Renders and writes the order. What is to be deleted or cancelled needs no template that renders.
    async fn order(
        self,
        tx: &mut Tx<'_>,
        of: &Infrastructure,
        target: &render::Target<'_>,
    ) -> Result<Asked, OperationError> {
        let by = ProvisionedBy::from(&of.method);
        let (mut account, mut role, mut repository) = (tx.scope.account.clone(), None, self.repository);
        if let Some(environment) = self.environment {
            role.clone_from(&environment.proton_service_role_arn);
            repository.clone_from(&environment.provisioning_repository);
            let mut component_role = environment.component_role_arn.clone();
            let mut build_role = environment.codebuild_role_arn.clone();
            if let Some(id) = &environment.environment_account_connection_id {
                let connection = match connections::carries(tx, id).await {
                    Ok(connection) => connection,
                    Err(gone) if !self.kept.extra.deletes => return Err(gone),
                    Err(_) if connections::is_abandoned(tx, &environment.name).await? => {
                        return Ok(Asked::Nothing(Vec::new()));
                    }
                    Err(gone) => {
                        return Err(validation(format!(
                            "{} Where its account is lost for good, `standin proton abandon {}` lets it be deleted without it.",
                            gone.message, environment.arn
                        )));
                    }
                };
                account = connection.environment_account_id;
                role = Some(connection.role_arn).filter(|role| !role.is_empty()).or(role);
                component_role = connection.component_role_arn.or(component_role);
                build_role = connection.codebuild_role_arn.or(build_role);
            }
            if self.component {
                role = component_role;
            } else if by == ProvisionedBy::CodeBuild {
                role = build_role;
            }
        }
        let deployment = &self.kept.value;
        let environment_arn = self.environment.map(|environment| environment.arn.clone());
        let metadata = self.template.as_ref().map(|(arn, major, minor)| Metadata {
            deployment_id: &deployment.id,
            template_arn: arn,
            major,
            minor,
            environment_arn: environment_arn
                .as_deref()
                .filter(|_| !matches!(target, render::Target::Environment(_) | render::Target::Pipeline(_))),
        });
        let identity = Identity { arn: &deployment.target_arn, tags: &self.tags, metadata };
        let rendered = match render::render(of, target, &identity) {
            Ok(rendered) => Some(rendered),
            Err(_) if self.kept.extra.deletes || deployment.deployment_status == DeploymentStatus::Cancelling => None,
            Err(findings) => return Err(validation(summary(&findings))),
        };
        Ok(Asked::Order(Box::new(Order {
            deployment_id: deployment.id.clone(),
            resource_arn: deployment.target_arn.clone(),
            subject: self.subject,
            home: tx.scope.account.clone(),
            stack_name: self.stack,
            account,
            region: tx.scope.region.clone(),
            partition: tx.scope.partition.clone(),
            role_arn: role,
            repository,
            by,
            tags: self.tags.clone(),
            rendered,
            notes: self.kept.extra.notes.clone().unwrap_or_default(),
            now: tx.now(),
        })))
    }
}

/// The name of a stack: the same for every run of a resource, another for one that is made anew under its name.
fn stack<T>(of: &Kept<T>, kept: &Kept<Deployment>, name: &str) -> String {
    if let Some(adopted) = &of.extra.stack {
        return adopted.clone();
    }
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    // Not by the server's seed: after a restart with another one, or on another server, the stack is the same.
    let mut key = Dice::new(0).key("proton-stack");
    key.text(&kept.value.target_arn).number(kept.value.target_resource_created_at.as_millis().cast_unsigned());
    let mut draw = key.draw();
    let suffix: String = (0..14).filter_map(|_| draw.pick(LETTERS)).map(|letter| char::from(*letter)).collect();
    let mut name = format!("AWSProton-{}", name.replace('_', "-"));
    name.truncate(stack_name_max(&kept.value.target_arn) - suffix.len() - 1);
    format!("{}-{suffix}", name.trim_end_matches('-'))
}

/// CloudFormation takes 128 characters; identifiers of provisioned resources are ARNs of 200 at most, with a UUID at the end.
fn stack_name_max(arn_of_target: &str) -> usize {
    let place: usize = arn_of_target.split(':').take(5).map(|part| part.len() + 1).sum();
    let around = place + "cloudformation".len() - "proton".len() + "stack/".len() + "/".len() + 36;
    200_usize.saturating_sub(around).clamp(64, 128)
}

fn tags(tx: &Tx<'_>, of: &[(&str, String)]) -> Vec<(String, String)> {
    let account = ("proton:account".to_owned(), tx.scope.account.clone());
    std::iter::once(account).chain(of.iter().map(|(name, arn)| (format!("proton:{name}"), arn.clone()))).collect()
}

async fn environment(
    tx: &mut Tx<'_>,
    kept: &Kept<Deployment>,
    name: &str,
    state: &EnvironmentState,
) -> Result<Asked, OperationError> {
    let row = tx.get::<Environment>(name).await?;
    let bundle =
        bundle::<false>(tx, &state.template_name, &state.template_major_version, &state.template_minor_version).await?;
    let text = state.spec.clone().unwrap_or_default();
    let spec =
        spec::environment(&text, schema(&bundle)?, spec::FILE).map_err(|findings| validation(summary(&findings)))?;
    let Some(main) = &bundle.main else { return Ok(Asked::Nothing(to_outputs(&spec.inputs))) };
    let template = tx.arn(&format!("environment-template/{}", state.template_name));
    let frame = Frame {
        kept,
        subject: Subject::Environment { name: name.to_owned() },
        stack: stack(&row, kept, &format!("environment-{name}-cloudformation")),
        tags: tags(tx, &[("template", template.clone()), ("environment", row.value.arn.clone())]),
        environment: Some(&row.value),
        template: Some((template, &state.template_major_version, &state.template_minor_version)),
        component: false,
        repository: None,
    };
    let inputs = EnvironmentInputs {
        name: name.to_owned(),
        account_id: row.value.environment_account_id.clone().unwrap_or_default(),
        inputs: spec.inputs,
    };
    frame.order(tx, main, &render::Target::Environment(&inputs)).await
}

/// The inputs of an instance, by the spec and the version of the template that it has.
async fn inputs_of(tx: &mut Tx<'_>, it: &ServiceInstance) -> Result<Inputs, OperationError> {
    let bundle = bundle::<true>(tx, &it.template_name, &it.template_major_version, &it.template_minor_version).await?;
    let text = it.spec.clone().unwrap_or_default();
    let spec = spec::service(&text, schema(&bundle)?, spec::FILE).map_err(|findings| validation(summary(&findings)))?;
    Ok(spec.instance(&it.name).map(|instance| instance.inputs.clone()).unwrap_or_default())
}

/// The environment of something, with its current outputs.
async fn surroundings(tx: &mut Tx<'_>, name: &str) -> Result<(Environment, Surroundings), OperationError> {
    let row = tx.get::<Environment>(name).await?;
    let found = Surroundings {
        name: name.to_owned(),
        account_id: row.value.environment_account_id.clone().unwrap_or_else(|| tx.scope.account.clone()),
        outputs: to_json(&row.extra.outputs),
    };
    Ok((row.value, found))
}

fn service_inputs(service: &Service) -> ServiceInputs {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    ServiceInputs {
        name: service.name.clone(),
        branch_name: text(&service.branch_name),
        repository_id: text(&service.repository_id),
        repository_connection_arn: text(&service.repository_connection_arn),
    }
}

async fn instance(
    tx: &mut Tx<'_>,
    kept: &Kept<Deployment>,
    service: &str,
    name: &str,
    state: &ServiceInstanceState,
) -> Result<Asked, OperationError> {
    let row = instances::get(tx, service, name).await?;
    let of_service = tx.get::<Service>(service).await?.value;
    let bundle =
        bundle::<true>(tx, &state.template_name, &state.template_major_version, &state.template_minor_version).await?;
    let spec =
        spec::service(&state.spec, schema(&bundle)?, spec::FILE).map_err(|findings| validation(summary(&findings)))?;
    let entry = spec.instance(name).ok_or_else(|| validation(format!("The spec has no instance {name}.")))?;
    let (environment, around) = surroundings(tx, &row.value.environment_name).await?;
    let component = instances::component_of(tx, service, name).await?;
    let main = bundle.main.as_ref().ok_or_else(|| validation("The template has no instance_infrastructure/."))?;
    let template = tx.arn(&format!("service-template/{}", state.template_name));
    let frame = Frame {
        kept,
        subject: Subject::Instance {
            environment: environment.name.clone(),
            service: service.to_owned(),
            name: name.to_owned(),
        },
        stack: stack(&row, kept, &format!("{service}-{name}-cloudformation")),
        tags: tags(
            tx,
            &[
                ("template", template.clone()),
                ("environment", environment.arn.clone()),
                ("service", of_service.arn.clone()),
                ("service-instance", row.value.arn.clone()),
            ],
        ),
        environment: Some(&environment),
        template: Some((template, &state.template_major_version, &state.template_minor_version)),
        component: false,
        repository: None,
    };
    let inputs = InstanceInputs {
        environment: around,
        service: service_inputs(&of_service),
        name: name.to_owned(),
        inputs: entry.inputs.clone(),
        component: component.map(|row| (row.value.name, to_json(&row.extra.outputs))),
    };
    frame.order(tx, main, &render::Target::Instance(&inputs)).await
}

async fn pipeline(
    tx: &mut Tx<'_>,
    kept: &Kept<Deployment>,
    service: &str,
    state: &ServicePipelineState,
) -> Result<Asked, OperationError> {
    let of_service = tx.get::<Service>(service).await?;
    let (row, of_service) = (&of_service, &of_service.value);
    let bundle =
        bundle::<true>(tx, &state.template_name, &state.template_major_version, &state.template_minor_version).await?;
    let text = state.spec.clone().unwrap_or_default();
    let spec = spec::service(&text, schema(&bundle)?, spec::FILE).map_err(|findings| validation(summary(&findings)))?;
    let main = bundle.pipeline.as_ref().ok_or_else(|| validation("The template has no pipeline_infrastructure/."))?;
    let rows = services::instances_of(tx, service).await?;
    // In the order of the service's spec; what the spec does not know comes last.
    let order =
        spec::service(&of_service.spec, schema(&bundle)?, spec::FILE).map(|spec| spec.instances).unwrap_or_default();
    let mut rows: Vec<_> =
        rows.into_iter().filter(|row| row.value.deployment_status != DeploymentStatus::DeleteInProgress).collect();
    rows.sort_by_key(|row| order.iter().position(|instance| instance.name == row.value.name).unwrap_or(usize::MAX));
    let mut deployed = Vec::new();
    for row in rows {
        let (_, environment) = surroundings(tx, &row.value.environment_name).await?;
        let inputs = inputs_of(tx, &row.value).await?;
        deployed.push(DeployedInstance {
            name: row.value.name,
            inputs,
            outputs: to_json(&row.extra.outputs),
            environment,
        });
    }
    let settings = tx.find::<AccountSettings>("settings").await?.map(|kept| kept.value).unwrap_or_default();
    let template = tx.arn(&format!("service-template/{}", state.template_name));
    let frame = Frame {
        kept,
        subject: Subject::Pipeline { service: service.to_owned() },
        stack: stack(row, kept, &format!("{service}-pipeline-cloudformation")),
        tags: tags(tx, &[("template", template.clone()), ("service", of_service.arn.clone())]),
        environment: None,
        template: Some((template, &state.template_major_version, &state.template_minor_version)),
        component: false,
        repository: settings.pipeline_provisioning_repository,
    };
    let inputs = PipelineInputs {
        service: service_inputs(of_service),
        inputs: spec.pipeline.unwrap_or_default(),
        instances: deployed,
    };
    let mut asked = frame.order(tx, main, &render::Target::Pipeline(&inputs)).await?;
    if let Asked::Order(order) = &mut asked {
        order.role_arn = match main.method {
            Method::CodeBuild(_) => settings.pipeline_codebuild_role_arn,
            _ => settings.pipeline_service_role_arn,
        };
    }
    Ok(asked)
}

async fn component(
    tx: &mut Tx<'_>,
    kept: &Kept<Deployment>,
    name: &str,
    state: &ComponentState,
) -> Result<Asked, OperationError> {
    let row = tx.get::<Component>(name).await?;
    let (environment, around) = surroundings(tx, &row.value.environment_name).await?;
    let manifest = row.extra.manifest.clone().unwrap_or_default();
    let method = components::method_of(&manifest)?;
    let mut files = Files::default();
    let text = state.template_file.clone().unwrap_or_default();
    match &method {
        Method::CloudFormation { file } => files.insert(file, text).map_err(|error| validation(error.to_string()))?,
        Method::Terraform { files: listed } => {
            for file in listed {
                files.insert(file, text.clone()).map_err(|error| validation(error.to_string()))?;
            }
        }
        Method::CodeBuild(_) => {}
    }
    let mut all_tags = vec![("environment", environment.arn.clone()), ("component", row.value.arn.clone())];
    let attached = match (&state.service_name, &state.service_instance_name) {
        (Some(service), Some(instance)) => {
            let of_service = tx.get::<Service>(service).await?.value;
            let of_instance = instances::get(tx, service, instance).await?.value;
            all_tags.push(("service", of_service.arn.clone()));
            all_tags.push(("service-instance", of_instance.arn.clone()));
            let text = state.service_spec.clone().or(of_instance.spec).unwrap_or_default();
            let bundle = bundle::<true>(
                tx,
                &of_instance.template_name,
                &of_instance.template_major_version,
                &of_instance.template_minor_version,
            )
            .await?;
            let spec = spec::service(&text, schema(&bundle)?, spec::FILE)
                .map_err(|findings| validation(summary(&findings)))?;
            let inputs = spec.instance(instance).map(|entry| entry.inputs.clone()).unwrap_or_else(Map::new);
            Some((service_inputs(&of_service), instance.clone(), inputs))
        }
        _ => None,
    };
    let infrastructure = Infrastructure { folder: String::new(), method, files };
    let frame = Frame {
        kept,
        subject: Subject::Component { environment: environment.name.clone(), name: name.to_owned() },
        stack: stack(&row, kept, &format!("component-{name}-cloudformation")),
        tags: tags(tx, &all_tags),
        environment: Some(&environment),
        template: Some((String::new(), "", "")),
        component: true,
        repository: None,
    };
    let inputs = ComponentInputs { environment: around, name: name.to_owned(), attached };
    frame.order(tx, &infrastructure, &render::Target::Component(&inputs)).await
}
