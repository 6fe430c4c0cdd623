//! The rows of what is adopted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use standin_core::OperationError;

use super::{Found, Hints, Input, Outcome, Stack, inputs};
use crate::bundle::{Bundle, Infrastructure};
use crate::engine::deployments::{self, Deployable as _, End, Run, Target};
use crate::engine::environments;
use crate::engine::errors::validation;
use crate::engine::instances;
use crate::engine::kept::{Kept, Template};
use crate::engine::order::{self, Asked};
use crate::engine::provision::Subject;
use crate::engine::services::read_spec;
use crate::engine::templates::published;
use crate::engine::tx::Tx;
use crate::finding::summary;
use crate::manifest::Method;
use crate::render::Rendered;
use crate::schema::Type;
use crate::spec;
use crate::types::*;

type Outcomes = Vec<Outcome>;

/// Adopts all that can be; what cannot says why.
pub(super) async fn adopt(tx: &mut Tx<'_>, stacks: &[Stack], hints: &Hints) -> Result<Outcomes, OperationError> {
    let mut outcomes = Vec::new();
    let (mut environments, mut components) = (Vec::new(), Vec::new());
    let mut services: BTreeMap<String, Parts<'_>> = BTreeMap::new();
    for stack in stacks.iter().filter(|stack| stack.is_protons()) {
        let good = matches!(
            stack.status.as_str(),
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "UPDATE_ROLLBACK_COMPLETE" | "IMPORT_COMPLETE"
        );
        match stack.subject() {
            None => outcomes.push(refused(stack, None, "it has Proton's name, and no tags that tell what it is for")),
            Some(subject) if !good => {
                let why = format!("it is {}; bring it to an end in CloudFormation first", stack.status);
                outcomes.push(refused(stack, Some(&subject), why));
            }
            Some(Subject::Environment { name }) => environments.push((name, stack)),
            Some(Subject::Component { environment, name }) => components.push((environment, name, stack)),
            Some(Subject::Instance { environment, service, name }) => {
                services.entry(service).or_default().instances.push((name, environment, stack));
            }
            Some(Subject::Pipeline { service }) => services.entry(service).or_default().pipeline = Some(stack),
        }
    }
    for (name, stack) in environments {
        let subject = Subject::Environment { name: name.clone() };
        let ended = environment(tx, &name, stack, hints).await;
        outcomes.push(told(stack, &subject, ended)?);
    }
    for (name, parts) in services {
        outcomes.extend(service(tx, &name, parts, hints).await?);
    }
    for (environment, name, stack) in components {
        let subject = Subject::Component { environment: environment.clone(), name: name.clone() };
        let ended = component(tx, &environment, &name, stack).await;
        outcomes.push(told(stack, &subject, ended)?);
    }
    Ok(outcomes)
}

/// The stacks of one service.
#[derive(Default)]
struct Parts<'s> {
    /// Names, environments and stacks.
    instances: Vec<(String, String, &'s Stack)>,
    pipeline: Option<&'s Stack>,
}

fn refused(stack: &Stack, subject: Option<&Subject>, why: impl Into<String>) -> Outcome {
    Outcome {
        stack: stack.name.clone(),
        resource: subject.map(Subject::title),
        result: Found::Refused(why.into()),
        ..Outcome::default()
    }
}

/// An outcome with the names that it is about; what the store says is nobody's fault.
fn told(stack: &Stack, subject: &Subject, ended: Result<Outcome, OperationError>) -> Result<Outcome, OperationError> {
    match ended {
        Ok(outcome) => Ok(Outcome { stack: stack.name.clone(), resource: Some(subject.title()), ..outcome }),
        Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => Err(error),
        Err(error) => Ok(refused(stack, Some(subject), error.message)),
    }
}

fn known() -> Outcome {
    Outcome { result: Found::Known, ..Outcome::default() }
}

/// The version of its template that a stack is adopted with.
async fn version<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    stack: &Stack,
    hints: &Hints,
) -> Result<(ServiceTemplateVersion, Arc<Bundle>), OperationError> {
    let name = stack.template_name().ok_or_else(|| validation("no tag of the stack names its template"))?;
    let kind = if SERVICE { "service" } else { "environment" };
    let Some(template) = tx.find::<Template<SERVICE>>(name).await? else {
        return Err(validation(format!(
            "there is no {kind} template {name} here: register its bundle first, by `standin proton up` or CreateServiceTemplate \
             and its like"
        )));
    };
    let (major, minor) = match hints.versions.get(name) {
        Some((major, minor)) => (major.clone(), minor.clone()),
        None => {
            let recommended = template.value.0.recommended_version;
            let parts = recommended.as_deref().and_then(|version| version.split_once('.'));
            let (major, minor) =
                parts.ok_or_else(|| validation(format!("{kind} template {name} has no published version")))?;
            (major.to_owned(), minor.to_owned())
        }
    };
    published::<SERVICE>(tx, name, &major, Some(&minor)).await
}

fn named(version: &ServiceTemplateVersion) -> Option<String> {
    Some(format!("{} {}.{}", version.template_name, version.major_version, version.minor_version))
}

/// The connection by which an environment of another account is reached.
async fn connection(tx: &mut Tx<'_>, name: &str, stack: &Stack) -> Result<Option<String>, OperationError> {
    if stack.account().is_empty() || stack.account() == tx.scope.account {
        return Ok(None);
    }
    let all = tx.all::<EnvironmentAccountConnection>("").await?;
    let fits = |found: &&Kept<EnvironmentAccountConnection>| {
        let it = &found.value;
        it.environment_name == name
            && it.environment_account_id == stack.account()
            && it.status == EnvironmentAccountConnectionStatus::Connected
    };
    // Connections are rows of the environment account as well; those of this account are what matters here.
    all.iter().find(fits).map(|found| Some(found.value.id.clone())).ok_or_else(|| {
        validation(format!(
            "its stack is in account {}: connect that account for environment {name} by CreateEnvironmentAccountConnection and \
             AcceptEnvironmentAccountConnection, and adopt again",
            stack.account()
        ))
    })
}

/// A spec's inputs as lines.
fn block(inputs: &[(Input, Value)], indent: &str) -> String {
    inputs.iter().map(|(input, value)| format!("{indent}{}: {value}\n", input.name)).collect()
}

fn mapping(lines: &str, indent: &str) -> String {
    if lines.is_empty() { format!("{indent}{{}}\n") } else { lines.to_owned() }
}

fn environment_spec(inputs: &[(Input, Value)]) -> String {
    format!("proton: EnvironmentSpec\nspec:\n{}", mapping(&block(inputs, "  "), "  "))
}

/// The text of a template's file, where CloudFormation makes it.
fn source(of: Option<&Infrastructure>) -> Option<String> {
    let of = of?;
    let Method::CloudFormation { file } = &of.method else { return None };
    of.files.get(file).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_owned)
}

/// Whether what would be deployed is what is there.
async fn same(tx: &mut Tx<'_>, deployment: &Kept<Deployment>, stack: &Stack) -> Option<bool> {
    let there = stack.template.as_deref()?;
    let Ok(Asked::Order(order)) = order::of(tx, deployment).await else { return Some(false) };
    let Some(Rendered::CloudFormation { template }) = &order.rendered else { return None };
    let lines = |text: &str| text.trim().lines().map(str::trim_end).map(str::to_owned).collect::<Vec<_>>();
    Some(lines(template) == lines(there))
}

fn end(stack: &Stack) -> End {
    End {
        status: DeploymentStatus::Succeeded,
        message: Some(format!("adopted with stack {}", stack.name)),
        outputs: stack
            .outputs
            .iter()
            .map(|(key, value)| Output { key: Some(key.clone()), value_string: Some(value.clone()) })
            .collect(),
        resources: vec![ProvisionedResource {
            identifier: Some(stack.id.clone()),
            name: Some(stack.name.clone()),
            provisioning_engine: Some(ProvisionedResourceEngine::Cloudformation),
        }],
    }
}

/// What to know of a resource whose next deployment changes more than is asked for.
fn notes(same: Option<bool>, guessed: bool) -> Vec<String> {
    let mut notes = Vec::new();
    match same {
        Some(true) => {}
        Some(false) => notes.push(
            "the template with these inputs is not the template of the stack: look at the differences before the next deployment, \
             or adopt with another version or spec"
                .to_owned(),
        ),
        None if guessed => notes.push("the stack's template could not be read; check the inputs".to_owned()),
        None => {}
    }
    notes
}

async fn environment(tx: &mut Tx<'_>, name: &str, stack: &Stack, hints: &Hints) -> Result<Outcome, OperationError> {
    if tx.find::<Environment>(name).await?.is_some() {
        return Ok(known());
    }
    let (version, bundle) = version::<false>(tx, stack, hints).await?;
    let connection = connection(tx, name, stack).await?;
    let schema = bundle.schema.as_ref().ok_or_else(|| validation("the template has no schema"))?;
    let mut guesses: Vec<(Vec<Input>, String)> = match hints.specs.get(&format!("environment/{name}")) {
        Some(text) => vec![(Vec::new(), text.clone())],
        None => {
            let source = source(bundle.main.as_ref());
            let main = schema.main_type();
            let found = main.map(|of| inputs::guesses(of, "environment.inputs.", source.as_deref(), stack));
            found
                .unwrap_or_else(|| vec![Vec::new()])
                .into_iter()
                .map(|guess| {
                    let text = environment_spec(&guess);
                    (guess.into_iter().map(|(input, _)| input).collect(), text)
                })
                .collect()
        }
    };
    let valid = |text: &str| {
        spec::environment(text, schema, spec::FILE).map_err(|findings| {
            validation(format!(
                "its inputs cannot all be told from the stack: {}; give the spec by --spec environment/{name}=FILE",
                summary(&findings)
            ))
        })
    };
    if guesses.len() > 1 {
        guesses.retain(|(_, text)| valid(text).is_ok());
    }
    let first = guesses.first().cloned().unwrap_or_default();
    valid(&first.1)?;
    let role = hints.role.clone().filter(|_| connection.is_none());
    let mut row = Environment {
        arn: tx.arn(&format!("environment/{name}")),
        component_role_arn: hints.component_role.clone(),
        created_at: stack.created_at,
        deployment_status: DeploymentStatus::InProgress,
        environment_account_id: Some(
            Some(stack.account()).filter(|account| !account.is_empty()).unwrap_or(&tx.scope.account).to_owned(),
        ),
        environment_account_connection_id: connection,
        name: name.to_owned(),
        proton_service_role_arn: role,
        spec: Some(first.1.clone()),
        template_major_version: version.major_version.clone(),
        template_minor_version: version.minor_version.clone(),
        template_name: version.template_name.clone(),
        ..Environment::default()
    };
    let state = |text: &str| DeploymentState {
        environment: Some(EnvironmentState {
            spec: Some(text.to_owned()),
            template_major_version: version.major_version.clone(),
            template_minor_version: version.minor_version.clone(),
            template_name: version.template_name.clone(),
        }),
        ..DeploymentState::default()
    };
    let run = Run {
        target: Target::Environment(name.to_owned()),
        arn: &row.arn.clone(),
        created_at: row.created_at,
        environment: name,
        initial: None,
        state: Some(state(&first.1)),
        deletes: false,
        waits: true,
    };
    let deployment = deployments::begin(tx, run);
    row.begun(&deployment, false);
    let mut kept = Kept::new(row);
    kept.extra.stack = Some(stack.name.clone());
    kept.extra.modified = true;
    tx.put(&kept);
    let (at, is_same, mut deployed) = best(tx, &deployment.id, stack, &guesses, state).await?;
    let (inputs, text) = guesses.swap_remove(at);
    kept.value.spec = Some(text.clone());
    deployed.value.target_state = Some(state(&text));
    tx.put(&kept);
    tx.put(&deployed);
    deployments::finish(tx, &deployment.id, end(stack)).await?;
    let mut notes = notes(is_same, !inputs.is_empty());
    if kept.value.proton_service_role_arn.is_none() && kept.value.environment_account_connection_id.is_none() {
        notes.push(
            "no role is known: deployments happen as standin itself, until UpdateEnvironment gives protonServiceRoleArn".into(),
        );
    }
    Ok(Outcome { template: named(&version), inputs, same: is_same, notes, ..Outcome::default() })
}

/// The first guess of specs that renders to the stack's template, else the last, which takes the least for granted; with the
/// record of the run.
async fn best(
    tx: &mut Tx<'_>,
    id: &str,
    stack: &Stack,
    guesses: &[(Vec<Input>, String)],
    state: impl Fn(&str) -> DeploymentState,
) -> Result<(usize, Option<bool>, Kept<Deployment>), OperationError> {
    let mut deployed = tx.get::<Deployment>(id).await?;
    let mut is_same = None;
    for (at, (_, text)) in guesses.iter().enumerate() {
        deployed.value.target_state = Some(state(text));
        is_same = same(tx, &deployed, stack).await;
        if is_same == Some(true) {
            return Ok((at, is_same, deployed));
        }
    }
    Ok((guesses.len().saturating_sub(1), is_same, deployed))
}

/// What is made of one instance or the pipeline of a service.
struct Guessed {
    inputs: Vec<Input>,
    /// Lines of the spec.
    lines: String,
}

async fn service(tx: &mut Tx<'_>, name: &str, parts: Parts<'_>, hints: &Hints) -> Result<Outcomes, OperationError> {
    let subject = |instance: &str, environment: &str| Subject::Instance {
        environment: environment.to_owned(),
        service: name.to_owned(),
        name: instance.to_owned(),
    };
    let all = |outcome: &dyn Fn(&Stack, &Subject) -> Outcome| -> Outcomes {
        let of_instances =
            parts.instances.iter().map(|(it, environment, stack)| outcome(stack, &subject(it, environment)));
        let pipeline = parts.pipeline.map(|stack| outcome(stack, &Subject::Pipeline { service: name.to_owned() }));
        of_instances.chain(pipeline).collect()
    };
    if tx.find::<Service>(name).await?.is_some() {
        return Ok(all(&|stack, subject| Outcome {
            stack: stack.name.clone(),
            resource: Some(subject.title()),
            ..known()
        }));
    }
    match whole_service(tx, name, &parts, hints).await {
        Ok(outcomes) => Ok(outcomes),
        Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => Err(error),
        // One service is adopted whole or not at all.
        Err(error) => {
            tx.delete::<Service>(name);
            for (instance, ..) in &parts.instances {
                tx.delete::<ServiceInstance>(&format!("{name}/{instance}"));
            }
            Ok(all(&|stack, subject| refused(stack, Some(subject), error.message.clone())))
        }
    }
}

async fn whole_service(
    tx: &mut Tx<'_>,
    name: &str,
    parts: &Parts<'_>,
    hints: &Hints,
) -> Result<Outcomes, OperationError> {
    let Some((_, _, first)) = parts.instances.first() else {
        return Err(validation(format!("service {name} has no instance that could be adopted, only a pipeline")));
    };
    let (version, bundle) = version::<true>(tx, first, hints).await?;
    let schema = bundle.schema.as_ref().ok_or_else(|| validation("the template has no schema"))?;
    for (instance, environment, _) in &parts.instances {
        if tx.find::<Environment>(environment).await?.is_none() {
            return Err(validation(format!(
                "environment {environment} of instance {instance} is not here; adopt it first"
            )));
        }
    }
    let given = hints.specs.get(&format!("service/{name}"));
    let source_of = hints.sources.get(name).cloned().unwrap_or_default();
    let some = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let created_at = parts.instances.iter().map(|(_, _, stack)| stack.created_at).min().unwrap_or(tx.now());
    let mut row = Service {
        arn: tx.arn(&format!("service/{name}")),
        branch_name: some(&source_of.branch),
        created_at,
        last_modified_at: tx.now(),
        name: name.to_owned(),
        repository_connection_arn: some(&source_of.connection_arn),
        repository_id: some(&source_of.repository_id),
        spec: given.cloned().unwrap_or_default(),
        status: ServiceStatus::Active,
        template_name: version.template_name.clone(),
        ..Service::default()
    };
    let mut kept = Kept::new(row.clone());
    kept.extra.modified = true;
    tx.put(&kept);

    // The instances one by one, each under a spec of its own, then all under the spec that these make.
    let mut guessed = Vec::new();
    for (instance, environment, stack) in &parts.instances {
        let found = match given {
            Some(text) => {
                let spec = read_spec(&bundle, text)?;
                if spec.instance(instance).is_none_or(|entry| entry.environment != *environment) {
                    return Err(validation(format!(
                        "the spec has no instance {instance} in environment {environment}"
                    )));
                }
                Guessed { inputs: Vec::new(), lines: String::new() }
            }
            None => {
                let source = source(bundle.main.as_ref());
                let of = schema.main_type();
                guess_instance(tx, (name, instance, environment), &version, &bundle, of, source.as_deref(), stack)
                    .await?
            }
        };
        guessed.push(found);
    }
    let pipeline = match (parts.pipeline, &bundle.pipeline, given) {
        (Some(stack), Some(_), None) => {
            let source = source(bundle.pipeline.as_ref());
            let of = schema.pipeline_type();
            let found = of.map(|of| inputs::guesses(of, "pipeline.inputs.", source.as_deref(), stack));
            let first = found.and_then(|found| found.into_iter().last()).unwrap_or_default();
            Some(Guessed { lines: block(&first, "  "), inputs: first.into_iter().map(|(input, _)| input).collect() })
        }
        _ => None,
    };
    let text = match given {
        Some(text) => text.clone(),
        None => {
            let mut text = String::from("proton: ServiceSpec\n");
            if let Some(pipeline) = &pipeline {
                text.push_str(&format!("pipeline:\n{}", mapping(&pipeline.lines, "  ")));
            }
            text.push_str("instances:\n");
            guessed.iter().for_each(|found| text.push_str(&found.lines));
            text
        }
    };
    read_spec(&bundle, &text).map_err(|error| {
        validation(format!(
            "its inputs cannot all be told from the stacks: {}; give the spec by --spec service/{name}=FILE",
            error.message
        ))
    })?;
    row.spec.clone_from(&text);
    kept.value = row;
    tx.put(&kept);

    let mut outcomes = Vec::new();
    for ((instance, environment, stack), found) in parts.instances.iter().zip(guessed) {
        let mut it = instance_row(tx, (name, instance, environment), &version, &text, stack);
        let state = instances::bare_state(&it);
        let run = Run {
            target: Target::Instance(name.to_owned(), instance.clone()),
            arn: &it.arn.clone(),
            created_at: it.created_at,
            environment,
            initial: None,
            state: Some(state),
            deletes: false,
            waits: true,
        };
        let deployment = deployments::begin(tx, run);
        it.begun(&deployment, false);
        tx.uses(&environments::uses(environment));
        let mut row = Kept::new(it);
        row.extra.stack = Some(stack.name.clone());
        tx.put(&row);
        let deployed = tx.get::<Deployment>(&deployment.id).await?;
        let is_same = same(tx, &deployed, stack).await;
        deployments::finish(tx, &deployment.id, end(stack)).await?;
        let subject =
            Subject::Instance { environment: environment.clone(), service: name.to_owned(), name: instance.clone() };
        outcomes.push(Outcome {
            stack: stack.name.clone(),
            resource: Some(subject.title()),
            template: named(&version),
            notes: notes(is_same, !found.inputs.is_empty()),
            inputs: found.inputs,
            same: is_same,
            ..Outcome::default()
        });
    }
    if let Some(stack) = parts.pipeline {
        let is_same = adopt_pipeline(tx, name, stack, &version, &text, &parts.instances[0].1).await?;
        let mut notes = notes(is_same, true);
        if !hints.sources.contains_key(name) {
            notes.push(format!(
                "where its code is is not known: --source {name}=CONNECTION_ARN,REPOSITORY,BRANCH tells it"
            ));
        }
        outcomes.push(Outcome {
            stack: stack.name.clone(),
            resource: Some(Subject::Pipeline { service: name.to_owned() }.title()),
            template: named(&version),
            inputs: pipeline.map(|found| found.inputs).unwrap_or_default(),
            same: is_same,
            notes,
            ..Outcome::default()
        });
    }
    Ok(outcomes)
}

fn instance_row(
    tx: &Tx<'_>,
    (service, name, environment): (&str, &str, &str),
    version: &ServiceTemplateVersion,
    spec: &str,
    stack: &Stack,
) -> ServiceInstance {
    ServiceInstance {
        arn: tx.arn(&format!("service/{service}/service-instance/{name}")),
        created_at: stack.created_at,
        environment_name: environment.to_owned(),
        name: name.to_owned(),
        service_name: service.to_owned(),
        spec: Some(spec.to_owned()),
        template_major_version: version.major_version.clone(),
        template_minor_version: version.minor_version.clone(),
        template_name: version.template_name.clone(),
        ..ServiceInstance::default()
    }
}

/// The inputs of an instance: the first guess that renders to the stack's template, else the one that takes least for granted.
async fn guess_instance(
    tx: &mut Tx<'_>,
    (service, name, environment): (&str, &str, &str),
    version: &ServiceTemplateVersion,
    bundle: &Bundle,
    of: Option<&Type>,
    source: Option<&str>,
    stack: &Stack,
) -> Result<Guessed, OperationError> {
    let guesses = of.map(|of| inputs::guesses(of, "service_instance.inputs.", source, stack));
    let mut last = None;
    for guess in guesses.unwrap_or_else(|| vec![Vec::new()]) {
        let values: Map<String, Value> =
            guess.iter().map(|(input, value)| (input.name.clone(), value.clone())).collect();
        let lines = format!(
            "  - name: {}\n    environment: {}\n    spec:\n{}",
            Value::from(name),
            Value::from(environment),
            mapping(&block(&guess, "      "), "      ")
        );
        let inputs = guess.into_iter().map(|(input, _)| input).collect();
        let alone = format!(
            "proton: ServiceSpec\n{}instances:\n{lines}",
            if bundle.pipeline.is_some() { "pipeline: {}\n" } else { "" }
        );
        let is_same = if values.is_empty() && of.is_some_and(|of| !of.required.is_empty()) {
            Some(false)
        } else {
            let it = instance_row(tx, (service, name, environment), version, &alone, stack);
            let deployment = Deployment {
                id: "adopted".into(),
                target_arn: it.arn.clone(),
                target_resource_created_at: it.created_at,
                target_resource_type: DeploymentTargetResourceType::ServiceInstance,
                service_name: Some(service.to_owned()),
                service_instance_name: Some(name.to_owned()),
                environment_name: environment.to_owned(),
                target_state: Some(instances::bare_state(&it)),
                ..Deployment::default()
            };
            tx.put(&Kept::new(it));
            same(tx, &Kept::new(deployment), stack).await
        };
        last = Some(Guessed { inputs, lines });
        if is_same == Some(true) {
            break;
        }
    }
    Ok(last.unwrap_or(Guessed { inputs: Vec::new(), lines: String::new() }))
}

async fn adopt_pipeline(
    tx: &mut Tx<'_>,
    service: &str,
    stack: &Stack,
    version: &ServiceTemplateVersion,
    spec: &str,
    environment: &str,
) -> Result<Option<bool>, OperationError> {
    let state = ServicePipelineState {
        spec: Some(spec.to_owned()),
        template_major_version: version.major_version.clone(),
        template_minor_version: version.minor_version.clone(),
        template_name: version.template_name.clone(),
    };
    let mut pipeline = ServicePipeline {
        arn: tx.arn(&format!("service/{service}/pipeline")),
        created_at: stack.created_at,
        spec: Some(spec.to_owned()),
        template_major_version: version.major_version.clone(),
        template_minor_version: version.minor_version.clone(),
        template_name: version.template_name.clone(),
        ..ServicePipeline::default()
    };
    let run = Run {
        target: Target::Pipeline(service.to_owned()),
        arn: &pipeline.arn.clone(),
        created_at: pipeline.created_at,
        environment,
        initial: None,
        state: Some(DeploymentState { service_pipeline: Some(state), ..DeploymentState::default() }),
        deletes: false,
        waits: true,
    };
    let deployment = deployments::begin(tx, run);
    pipeline.begun(&deployment, false);
    let mut kept = tx.get::<Service>(service).await?;
    kept.value.pipeline = Some(pipeline);
    kept.extra.stack = Some(stack.name.clone());
    tx.put(&kept);
    let deployed = tx.get::<Deployment>(&deployment.id).await?;
    let is_same = same(tx, &deployed, stack).await;
    deployments::finish(tx, &deployment.id, end(stack)).await?;
    Ok(is_same)
}

/// The manifest of a component whose template is one file.
const MANIFEST: &str = "infrastructure:\n  templates:\n    - file: \"cloudformation.yaml\"\n      rendering_engine: jinja\n      \
                        template_language: cloudformation\n";

async fn component(tx: &mut Tx<'_>, environment: &str, name: &str, stack: &Stack) -> Result<Outcome, OperationError> {
    if tx.find::<Component>(name).await?.is_some() {
        return Ok(known());
    }
    if tx.find::<Environment>(environment).await?.is_none() {
        return Err(validation(format!("environment {environment} is not here; adopt it first")));
    }
    let text = stack.template.clone().ok_or_else(|| validation("the template of its stack cannot be read"))?;
    // What is there has been rendered; it stays as it is.
    let text = if ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        format!("{{% raw %}}{text}{{% endraw %}}")
    } else {
        text
    };
    let attached = match stack.tag("service-instance").and_then(|arn| arn.splitn(6, ':').nth(5)) {
        Some(instance) => {
            let parts: Vec<&str> = instance.split('/').collect();
            let (Some(service), Some(instance)) = (parts.get(1), parts.get(3)) else {
                return Err(validation(format!("{instance} is no service instance")));
            };
            if tx.find::<ServiceInstance>(&format!("{service}/{instance}")).await?.is_none() {
                return Err(validation(format!("service instance {service}/{instance} is not here; adopt it first")));
            }
            Some(((*service).to_owned(), (*instance).to_owned()))
        }
        None => None,
    };
    let mut row = Component {
        arn: tx.arn(&format!("component/{name}")),
        created_at: stack.created_at,
        environment_name: environment.to_owned(),
        last_modified_at: tx.now(),
        name: name.to_owned(),
        service_name: attached.as_ref().map(|(service, _)| service.clone()),
        service_instance_name: attached.map(|(_, instance)| instance),
        ..Component::default()
    };
    let state = ComponentState {
        service_instance_name: row.service_instance_name.clone(),
        service_name: row.service_name.clone(),
        service_spec: None,
        template_file: Some(text.clone()),
    };
    let run = Run {
        target: Target::Component(name.to_owned()),
        arn: &row.arn.clone(),
        created_at: row.created_at,
        environment,
        initial: None,
        state: Some(DeploymentState { component: Some(state), ..DeploymentState::default() }),
        deletes: false,
        waits: true,
    };
    let deployment = deployments::begin(tx, run);
    row.begun(&deployment, false);
    tx.uses(&environments::uses(environment));
    let mut kept = Kept::new(row);
    kept.extra.stack = Some(stack.name.clone());
    kept.extra.manifest = Some(MANIFEST.to_owned());
    kept.extra.template_file = Some(text);
    tx.put(&kept);
    let deployed = tx.get::<Deployment>(&deployment.id).await?;
    let is_same = same(tx, &deployed, stack).await;
    deployments::finish(tx, &deployment.id, end(stack)).await?;
    Ok(Outcome { same: is_same, notes: notes(is_same, false), ..Outcome::default() })
}
