//! How stacks are made and changed.
//!
//! Every step begins with a mark in the store, and finds its own marks when it is taken again: after a crash, and when what a
//! service does with a resource is over, the same functions carry an operation on. Resources that do not need each other are
//! under way at the same time.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use serde_json::Value;
use standin_store::{Batch, StoreError};

use super::exports::export;
use super::record::{STACK_TYPE, StackOutput, StackResource};
use super::run::{ResourceFailed, Run, Standing};
use super::undo;
use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator, Made};
use crate::parameters::scalar_text;
use crate::references::{dependencies, order};
use crate::resources::{Replacement, changed_properties};
use crate::template::{Resource, Template};
use crate::transform::Prepared;

/// What a stack is to become.
pub(crate) struct Goal {
    pub(crate) prepared: Prepared,
    pub(crate) environment: Environment,
    /// The exports of all stacks of the account and region.
    pub(crate) exports: HashMap<String, String>,
}

/// Why a deployment failed.
pub(super) enum Failed {
    Resource(ResourceFailed),
    /// Something of the stack as a whole: an output, an export.
    Stack(String),
    Store(StoreError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ResourceFailed> for Failed {
    fn from(failed: ResourceFailed) -> Self {
        Self::Resource(failed)
    }
}

/// The record of a resource as its template declares it.
fn declared(name: &str, resource: &Resource, properties: Value, position: usize) -> StackResource {
    StackResource {
        logical_id: name.to_owned(),
        kind: resource.kind.clone(),
        properties,
        metadata: resource.metadata.clone(),
        position: u32::try_from(position).unwrap_or(u32::MAX),
        deletion_policy: resource.deletion_policy.name().to_owned(),
        update_replace_policy: resource.update_replace_policy.name().to_owned(),
        ..StackResource::default()
    }
}

impl Goal {
    fn template(&self) -> &Template {
        &self.prepared.template
    }

    fn conditions(&self) -> Result<IndexMap<String, bool>, TemplateError> {
        let exports = |name: &str| self.exports.get(name).cloned();
        let evaluator = Evaluator::new(self.template(), &self.prepared.references, &self.environment, &exports)?;
        Ok(evaluator.conditions)
    }

    /// A value worked out, and the exports that it imports.
    fn value(
        &self,
        run: &Run<'_>,
        value: &Value,
        made: &IndexMap<String, Made>,
        conditions: &IndexMap<String, bool>,
    ) -> Result<(Value, BTreeSet<String>), TemplateError> {
        let exports = |name: &str| self.exports.get(name).cloned();
        let attributes = |kind: &str, made: &Made, name: &str| run.stacks.resources.attribute(kind, made, name);
        let evaluator = Evaluator::with_conditions(
            self.template(),
            &self.prepared.references,
            &self.environment,
            &exports,
            conditions.clone(),
        )
        .with_attributes(&attributes);
        let value = evaluator.value(value, made)?;
        Ok((value, evaluator.imported()))
    }

    fn is_active(&self, name: &str, conditions: &IndexMap<String, bool>) -> bool {
        let condition = self.template().resources.get(name).and_then(|resource| resource.condition.as_ref());
        condition.is_none_or(|condition| conditions.get(condition).copied().unwrap_or(false))
    }
}

/// Makes and changes the resources of a goal as far as that goes now; the run says what it waits for. What the goal does not
/// have any more is left to the cleanup.
async fn apply(run: &mut Run<'_>, goal: &Goal) -> Result<(), Failed> {
    let told = |error: TemplateError| Failed::Stack(error.message);
    let conditions = goal.conditions().map_err(told)?;
    let order = order(goal.template(), Some(&conditions), &|name| goal.is_active(name, &conditions)).map_err(told)?;
    let wanted: BTreeSet<&str> = order.iter().map(String::as_str).collect();
    // What this deployment has not reached yet tells what it is now: of a resource that is replaced, the old one.
    let mut made: IndexMap<String, Made> = run.made();
    made.retain(|name, _| wanted.contains(name.as_str()));
    let mut imports = BTreeSet::new();
    // What is not done yet, and what needs it.
    let mut unready: BTreeSet<&str> = BTreeSet::new();
    for (position, name) in order.iter().enumerate() {
        let Some(resource) = goal.template().resources.get(name) else { continue };
        if run.standing(name).await.map_err(|failed| mark(run, failed))? == Standing::Waiting {
            unready.insert(name);
            continue;
        }
        if let Some(known) = run.resources.get(name).filter(|known| known.is_there()) {
            made.insert(name.clone(), known.made());
        }
        let needs = dependencies(goal.template(), name, Some(&conditions));
        if needs.iter().any(|other| unready.contains(other)) {
            unready.insert(name);
            continue;
        }
        let evaluated = goal.value(run, &resource.properties, &made, &conditions);
        let fresh = run.resources.get(name).is_none_or(|known| !known.is_there() && known.before.is_none());
        let (properties, imported) = match evaluated {
            Ok(evaluated) => evaluated,
            Err(error) => {
                if fresh {
                    let mut new = declared(name, resource, Value::Object(serde_json::Map::new()), position);
                    new.fresh = true;
                    run.resources.insert(name.clone(), new);
                }
                let status = if fresh { "CREATE_FAILED" } else { "UPDATE_FAILED" };
                run.resource_status(name, status, Some(&error.message));
                return Err(ResourceFailed { logical_id: name.clone(), reason: error.message }.into());
            }
        };
        imports.extend(imported);
        let mut next = declared(name, resource, properties, position);
        if fresh {
            next.fresh = true;
            run.resources.insert(name.clone(), next);
            run.resource_status(name, "CREATE_IN_PROGRESS", None);
            run.flush(None).await?;
            run.create(name).await.map_err(|failed| mark(run, failed))?;
            run.resource_status(name, "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
            if run.resources.get(name).is_some_and(|resource| resource.until_ms.is_none()) {
                run.resource_status(name, "CREATE_COMPLETE", None);
            }
        } else {
            change(run, name, next).await?;
        }
        if run.standing(name).await.map_err(|failed| mark(run, failed))? == Standing::Waiting {
            unready.insert(name);
        }
        if let Some(resource) = run.resources.get(name) {
            made.insert(name.clone(), resource.made());
        }
    }
    if !unready.is_empty() {
        return Ok(());
    }
    obsolete(run, &wanted);
    let mut outputs = Vec::new();
    for (key, output) in &goal.template().outputs {
        let holds = output.condition.as_ref().is_none_or(|name| conditions.get(name).copied().unwrap_or(false));
        if !holds {
            continue;
        }
        let text = |value: &Value| -> Result<(String, BTreeSet<String>), Failed> {
            let (value, imported) = goal.value(run, value, &made, &conditions).map_err(told)?;
            let text = match &value {
                Value::Array(items) => {
                    items.iter().map(scalar_text).collect::<Option<Vec<_>>>().map(|items| items.join(","))
                }
                value => scalar_text(value),
            };
            let text = text.ok_or_else(|| {
                Failed::Stack(format!(
                    "Template format error: The Value field of every Outputs member must evaluate to a String ({key})."
                ))
            })?;
            Ok((text, imported))
        };
        let (value, imported) = text(&output.value)?;
        imports.extend(imported);
        let export = output.export.as_ref().map(&text).transpose()?.map(|(name, _)| name);
        outputs.push(StackOutput { key: key.clone(), value, description: output.description.clone(), export });
    }
    run.stack.outputs = outputs;
    run.stack.imports = imports.into_iter().collect();
    Ok(())
}

/// Changes a resource that is there, or replaces it.
async fn change(run: &mut Run<'_>, name: &str, next: StackResource) -> Result<(), Failed> {
    let Some(current) = run.resources.get(name).cloned() else { return Ok(()) };
    // One that was being replaced when the server stopped is not there yet; what it was is.
    let resumed = !current.is_there();
    let changed = changed_properties(&current.properties, &next.properties);
    let same_kind = current.kind == next.kind;
    // Whether a nested stack changes, only it can tell.
    let asks = next.kind == STACK_TYPE && !current.fresh && current.before.is_none();
    let before_tags = run.stack.before.as_ref().map(|before| &before.tags);
    let retagged = before_tags.is_some_and(|tags| *tags != run.stack.tags)
        && !current.fresh
        && current.before.is_none()
        && run.stacks.resources.takes_tags(&next.kind);
    if changed.is_empty() && same_kind && !resumed && !asks && !retagged && !current.status.ends_with("_IN_PROGRESS") {
        let told = StackResource {
            fresh: current.fresh,
            before: current.before.clone(),
            generation: current.generation,
            reference: current.reference.clone(),
            attributes: current.attributes.clone(),
            status: current.status.clone(),
            reason: current.reason.clone(),
            updated_ms: current.updated_ms,
            ..next
        };
        if told != current {
            run.resources.insert(name.to_owned(), told);
            run.touch(name);
        }
        return Ok(());
    }
    let before = current
        .before
        .clone()
        .unwrap_or_else(|| Box::new(StackResource { before: None, fresh: false, ..current.clone() }));
    let replaced = resumed
        || !same_kind
        || changed.iter().any(|property| run.stacks.resources.replacement(&next.kind, property) == Replacement::Always);
    let mut next = StackResource { before: Some(before.clone()), ..next };
    if replaced {
        next.generation = before.generation + 1;
    } else {
        next.generation = current.generation;
        next.reference.clone_from(&current.reference);
        next.attributes.clone_from(&current.attributes);
    }
    run.resources.insert(name.to_owned(), next);
    let reason =
        replaced.then_some("Requested update requires the creation of a new physical resource; hence creating one.");
    run.resource_status(name, "UPDATE_IN_PROGRESS", reason);
    run.flush(None).await?;
    let done = if replaced { run.create(name).await } else { run.update(name, &before.properties).await };
    match done {
        Ok(()) => {
            if run.resources.get(name).is_some_and(|resource| resource.until_ms.is_none()) {
                run.resource_status(name, "UPDATE_COMPLETE", None);
            }
            Ok(())
        }
        Err(failed) => Err(mark(run, failed)),
    }
}

/// Tells of a resource that failed.
fn mark(run: &mut Run<'_>, failed: ResourceFailed) -> Failed {
    let updates = run.resources.get(&failed.logical_id).is_some_and(|resource| resource.before.is_some());
    let status = if updates { "UPDATE_FAILED" } else { "CREATE_FAILED" };
    run.resource_status(&failed.logical_id, status, Some(&failed.reason));
    failed.into()
}

/// Lets what others wait for be over: one of them has failed.
fn cancel(run: &mut Run<'_>) {
    let under_way: Vec<(String, &str, &str)> = run
        .resources
        .values()
        .filter(|resource| resource.until_ms.is_some())
        .map(|resource| match resource.before.is_some() {
            true => (resource.logical_id.clone(), "UPDATE_FAILED", "Resource update cancelled"),
            false => (resource.logical_id.clone(), "CREATE_FAILED", "Resource creation cancelled"),
        })
        .collect();
    for (name, status, reason) in under_way {
        run.resource_status(&name, status, Some(reason));
    }
    run.waits = super::run::Waits::default();
}

/// Marks what the goal does not have any more.
fn obsolete(run: &mut Run<'_>, wanted: &BTreeSet<&str>) {
    let names: Vec<(String, bool)> = run
        .resources
        .values()
        .map(|resource| (resource.logical_id.clone(), !wanted.contains(resource.logical_id.as_str())))
        .collect();
    for (name, is_obsolete) in names {
        if let Some(resource) = run.resources.get_mut(&name).filter(|resource| resource.obsolete != is_obsolete) {
            resource.obsolete = is_obsolete;
            run.touch(&name);
        }
    }
}

async fn apply_with_exports(run: &mut Run<'_>, goal: &Goal) -> Result<Batch, Failed> {
    apply(run, goal).await?;
    let mut batch = Batch::default();
    if !run.waits.any() {
        export(run, &mut batch).await?;
    }
    Ok(batch)
}

fn failure_reason(failed: &Failed, verb: &str) -> String {
    match failed {
        Failed::Resource(failed) => format!("The following resource(s) failed to {verb}: [{}]. ", failed.logical_id),
        Failed::Stack(reason) => reason.clone(),
        Failed::Store(error) => error.to_string(),
    }
}

/// Carries a creation on.
pub(super) async fn create(run: &mut Run<'_>, goal: &Goal) -> Result<(), StoreError> {
    if let Some(minutes) = run.stack.timeout_minutes
        && run.tick() > run.stack.created_ms.saturating_add(minutes.saturating_mul(60_000))
    {
        cancel(run);
        return creation_failed(run, "Stack creation time exceeded the specified timeout. ").await;
    }
    match apply_with_exports(run, goal).await {
        Ok(_) if run.waits.any() => Ok(()),
        Ok(batch) => {
            undo::settle(run);
            run.stack_status("CREATE_COMPLETE", None);
            run.flush(Some(batch)).await
        }
        Err(Failed::Store(error)) => Err(error),
        Err(failed) => {
            cancel(run);
            creation_failed(run, &failure_reason(&failed, "create")).await
        }
    }
}

/// Goes on with a creation that failed as the caller wanted it.
pub(super) async fn creation_failed(run: &mut Run<'_>, reason: &str) -> Result<(), StoreError> {
    run.stack.outputs.clear();
    let on_failure = run.stack.on_failure.clone().unwrap_or_else(|| "ROLLBACK".to_owned());
    if run.stack.disable_rollback || on_failure == "DO_NOTHING" {
        run.stack_status("CREATE_FAILED", Some(reason));
        return run.flush(None).await;
    }
    if on_failure == "DELETE" {
        run.stack_status("DELETE_IN_PROGRESS", Some(&format!("{reason}Delete requested by user.")));
        run.flush(None).await?;
        return undo::delete(run).await;
    }
    run.stack_status("ROLLBACK_IN_PROGRESS", Some(&format!("{reason}Rollback requested by user.")));
    run.flush(None).await?;
    undo::roll_back(run).await
}

/// Carries an update on.
pub(super) async fn update(run: &mut Run<'_>, goal: &Goal) -> Result<(), StoreError> {
    match apply_with_exports(run, goal).await {
        Ok(_) if run.waits.any() => Ok(()),
        Ok(batch) => {
            run.stack_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None);
            run.flush(Some(batch)).await?;
            undo::clean_up(run).await
        }
        Err(Failed::Store(error)) => Err(error),
        Err(failed) => {
            cancel(run);
            update_failed(run, &failure_reason(&failed, "update")).await
        }
    }
}

/// Goes on with an update that failed as the caller wanted it.
pub(super) async fn update_failed(run: &mut Run<'_>, reason: &str) -> Result<(), StoreError> {
    if run.stack.disable_rollback {
        run.stack_status("UPDATE_FAILED", Some(reason));
        return run.flush(None).await;
    }
    run.stack_status("UPDATE_ROLLBACK_IN_PROGRESS", Some(reason));
    run.flush(None).await?;
    undo::take_back(run).await
}
