//! How stacks are made, changed, taken back and deleted.
//!
//! Every step begins with a mark in the store, and finds its own marks when it is taken again: after a crash the same functions
//! carry an operation to its end.

use std::collections::{BTreeSet, HashMap};

use indexmap::IndexMap;
use serde_json::Value;
use standin_store::{Batch, IndexEntry, Scan, StoreError};

use super::record::{self, Before, StackOutput, StackResource};
use super::run::{ResourceFailed, Run};
use crate::error::TemplateError;
use crate::evaluate::{Environment, Evaluator, Made};
use crate::parameters::scalar_text;
use crate::references::order;
use crate::resources::{Replacement, changed_properties};
use crate::template::{Resource, Template};
use crate::transform::Prepared;

/// Exports that are looked at in one go.
const PAGE: usize = 500;

/// What a stack is to become.
pub(crate) struct Goal {
    pub(crate) prepared: Prepared,
    pub(crate) environment: Environment,
    /// The exports of all stacks of the account and region.
    pub(crate) exports: HashMap<String, String>,
}

/// Why a deployment failed.
enum Failed {
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
        let attributes = |kind: &str, made: &Made, name: &str| run.resources_of.attribute(kind, made, name);
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

/// Makes and changes the resources of a goal. What it does not have any more is left to the cleanup.
async fn apply(run: &mut Run<'_>, goal: &Goal) -> Result<(), Failed> {
    let told = |error: TemplateError| Failed::Stack(error.message);
    let conditions = goal.conditions().map_err(told)?;
    let order = order(goal.template(), Some(&conditions), &|name| goal.is_active(name, &conditions)).map_err(told)?;
    let wanted: BTreeSet<&str> = order.iter().map(String::as_str).collect();
    // What this deployment has not reached yet tells what it is now: of a resource that is replaced, the old one.
    let mut made: IndexMap<String, Made> = run.made();
    made.retain(|name, _| wanted.contains(name.as_str()));
    let mut imports = BTreeSet::new();
    for (position, name) in order.iter().enumerate() {
        let Some(resource) = goal.template().resources.get(name) else { continue };
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
            if let Err(failed) = run.create(name).await {
                run.resource_status(name, "CREATE_FAILED", Some(&failed.reason));
                return Err(failed.into());
            }
            run.resource_status(name, "CREATE_IN_PROGRESS", Some("Resource creation Initiated"));
            run.resource_status(name, "CREATE_COMPLETE", None);
        } else {
            change(run, name, next).await?;
        }
        if let Some(resource) = run.resources.get(name) {
            made.insert(name.clone(), resource.made());
        }
    }
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
    if changed.is_empty() && same_kind && !resumed && !current.status.ends_with("_IN_PROGRESS") {
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
        || changed.iter().any(|property| run.resources_of.replacement(&next.kind, property) == Replacement::Always);
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
            run.resource_status(name, "UPDATE_COMPLETE", None);
            Ok(())
        }
        Err(failed) => {
            run.resource_status(name, "UPDATE_FAILED", Some(&failed.reason));
            Err(failed.into())
        }
    }
}

/// Checks the exports of a stack against those of others, and puts them into a batch.
async fn export(run: &Run<'_>, batch: &mut Batch) -> Result<(), Failed> {
    let space = record::space(&run.place.account, &run.place.region);
    let table = record::exports(&space);
    let wanted: IndexMap<&str, &StackOutput> =
        run.stack.outputs.iter().filter_map(|output| Some((output.export.as_deref()?, output))).collect();
    let mut after: Option<String> = None;
    loop {
        let rows = run.store.scan(&table, Scan { prefix: "", after: after.as_deref(), limit: PAGE }).await?;
        for row in &rows {
            let text = |name: &str| row.body.get(name).and_then(standin_model::Document::as_str).unwrap_or_default();
            let own = text("stack") == run.stack.id;
            let changes = wanted.get(&*row.key).is_none_or(|output| output.value != text("value"));
            if own && changes {
                if let Some(user) = importer(run, &row.key).await? {
                    let verb = if wanted.contains_key(&*row.key) { "updated" } else { "deleted" };
                    return Err(Failed::Stack(format!(
                        "Export {} cannot be {verb} as it is in use by {user}",
                        row.key
                    )));
                }
                if !wanted.contains_key(&*row.key) {
                    batch.check(&table, row.key.clone(), Some(row.version)).delete(&table, row.key.clone());
                }
            }
            if !own && wanted.contains_key(&*row.key) {
                let other = text("stack").split('/').nth(1).unwrap_or_default();
                return Err(Failed::Stack(format!(
                    "Export with name {} is already exported by stack {other}",
                    row.key
                )));
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
            _ => break,
        }
    }
    for (name, output) in wanted {
        let mut body = standin_model::Fields::new();
        body.push("value", output.value.clone());
        body.push("stack", run.stack.id.clone());
        let none: Vec<IndexEntry> = Vec::new();
        batch.put(&table, name, standin_model::Document::Map(body), none);
    }
    Ok(())
}

/// Another stack that imports an export.
async fn importer(run: &Run<'_>, export: &str) -> Result<Option<String>, StoreError> {
    let space = record::space(&run.place.account, &run.place.region);
    let table = record::stacks(&space);
    let mut after: Option<String> = None;
    loop {
        let rows = run.store.scan(&table, Scan { prefix: "", after: after.as_deref(), limit: PAGE }).await?;
        for row in &rows {
            let stack: record::Stack = record::read(&table, row)?;
            if stack.deleted_ms.is_none()
                && stack.uuid != run.stack.uuid
                && stack.imports.iter().any(|name| name == export)
            {
                return Ok(Some(stack.name));
            }
        }
        match rows.last() {
            Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
            _ => return Ok(None),
        }
    }
}

async fn apply_with_exports(run: &mut Run<'_>, goal: &Goal) -> Result<Batch, Failed> {
    apply(run, goal).await?;
    let mut batch = Batch::default();
    export(run, &mut batch).await?;
    Ok(batch)
}

fn failure_reason(failed: &Failed, verb: &str) -> String {
    match failed {
        Failed::Resource(failed) => format!("The following resource(s) failed to {verb}: [{}]. ", failed.logical_id),
        Failed::Stack(reason) => reason.clone(),
        Failed::Store(error) => error.to_string(),
    }
}

/// Carries a creation to its end.
pub(crate) async fn create(run: &mut Run<'_>, goal: &Goal) -> Result<(), StoreError> {
    let failed = match apply_with_exports(run, goal).await {
        Ok(batch) => {
            settle(run);
            run.stack_status("CREATE_COMPLETE", None);
            return run.flush(Some(batch)).await;
        }
        Err(Failed::Store(error)) => return Err(error),
        Err(failed) => failed,
    };
    run.stack.outputs.clear();
    let reason = failure_reason(&failed, "create");
    let on_failure = run.stack.on_failure.clone().unwrap_or_else(|| "ROLLBACK".to_owned());
    if run.stack.disable_rollback || on_failure == "DO_NOTHING" {
        run.stack_status("CREATE_FAILED", Some(&reason));
        return run.flush(None).await;
    }
    if on_failure == "DELETE" {
        run.stack_status("DELETE_IN_PROGRESS", Some(&format!("{reason}Delete requested by user.")));
        run.flush(None).await?;
        return delete(run).await;
    }
    run.stack_status("ROLLBACK_IN_PROGRESS", Some(&format!("{reason}Rollback requested by user.")));
    run.flush(None).await?;
    roll_back(run).await
}

/// Takes a failed creation back.
pub(crate) async fn roll_back(run: &mut Run<'_>) -> Result<(), StoreError> {
    let names: Vec<String> = run
        .resources
        .values()
        .filter(|resource| resource.status != "DELETE_COMPLETE")
        .map(|resource| resource.logical_id.clone())
        .collect();
    let failed = run.delete_all(names, true).await?;
    if failed.is_empty() {
        run.stack_status("ROLLBACK_COMPLETE", None);
    } else {
        run.stack_status(
            "ROLLBACK_FAILED",
            Some(&format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "))),
        );
    }
    run.flush(None).await
}

/// After success nothing is fresh or has a past.
fn settle(run: &mut Run<'_>) {
    let names: Vec<String> = run
        .resources
        .values()
        .filter(|resource| resource.fresh || resource.before.is_some())
        .map(|resource| resource.logical_id.clone())
        .collect();
    for name in names {
        if let Some(resource) = run.resources.get_mut(&name) {
            resource.fresh = false;
            resource.before = None;
        }
        run.touch(&name);
    }
    run.stack.before = None;
}

/// Carries an update to its end.
pub(crate) async fn update(run: &mut Run<'_>, goal: &Goal) -> Result<(), StoreError> {
    match apply_with_exports(run, goal).await {
        Ok(batch) => {
            run.stack_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", None);
            run.flush(Some(batch)).await?;
            clean_up(run, goal).await
        }
        Err(Failed::Store(error)) => Err(error),
        Err(failed) => {
            let reason = failure_reason(&failed, "update");
            if run.stack.disable_rollback {
                run.stack_status("UPDATE_FAILED", Some(&reason));
                return run.flush(None).await;
            }
            run.stack_status("UPDATE_ROLLBACK_IN_PROGRESS", Some(&reason));
            run.flush(None).await?;
            take_back(run).await
        }
    }
}

/// Deletes what an update left over: what was replaced, and what the template does not have any more.
pub(crate) async fn clean_up(run: &mut Run<'_>, goal: &Goal) -> Result<(), StoreError> {
    let conditions = goal.conditions().unwrap_or_default();
    let gone = |resource: &StackResource| {
        !goal.template().resources.contains_key(&resource.logical_id)
            || !goal.is_active(&resource.logical_id, &conditions)
    };
    let mut old: Vec<StackResource> = run.resources.values().filter(|resource| gone(resource)).cloned().collect();
    let replaced = run.resources.values().filter(|resource| !gone(resource)).filter_map(|resource| {
        let before = resource.before.as_deref().filter(|before| before.generation != resource.generation)?;
        (resource.update_replace_policy != "Retain").then(|| before.clone())
    });
    old.extend(replaced.collect::<Vec<_>>());
    old.sort_by_key(|resource| std::cmp::Reverse(resource.position));
    for resource in old {
        let name = resource.logical_id.clone();
        let current = run.resources.get(&name).cloned();
        if gone(&resource) && resource.is_kept(false) {
            run.resource_status(&name, "DELETE_SKIPPED", None);
        } else {
            // The event names the old one, then the new one's record stands again.
            run.resources.insert(name.clone(), resource.clone());
            run.resource_status(&name, "DELETE_IN_PROGRESS", None);
            match run.destroy(&resource).await {
                Ok(()) => run.resource_status(&name, "DELETE_COMPLETE", None),
                Err(reason) => run.resource_status(&name, "DELETE_FAILED", Some(&reason)),
            }
        }
        if gone(&resource) {
            run.forget(&name);
        } else if let Some(current) = current {
            run.resources.insert(name, current);
        }
    }
    settle(run);
    let space = record::space(&run.place.account, &run.place.region);
    let mut batch = Batch::default();
    batch.delete(&record::templates(&space), record::template_before(&run.stack.uuid));
    run.stack_status("UPDATE_COMPLETE", None);
    run.flush(Some(batch)).await
}

/// Takes a failed update back.
pub(crate) async fn take_back(run: &mut Run<'_>) -> Result<(), StoreError> {
    let mut names: Vec<String> = run.resources.keys().cloned().collect();
    names.sort_by_key(|name| std::cmp::Reverse(run.resources.get(name).map_or(0, |resource| resource.position)));
    let mut failed = Vec::new();
    let mut left_over = Vec::new();
    for name in &names {
        let Some(current) = run.resources.get(name).cloned() else { continue };
        let Some(before) = current.before.clone() else { continue };
        let replaced = before.generation != current.generation;
        if replaced && current.is_there() {
            left_over.push(current.clone());
        }
        let mut restored = *before;
        restored.before = None;
        if !replaced {
            restored.attributes.clone_from(&current.attributes);
        }
        run.resources.insert(name.clone(), restored);
        run.resource_status(name, "UPDATE_IN_PROGRESS", None);
        let done = if replaced { Ok(()) } else { run.update(name, &current.properties).await };
        match done {
            Ok(()) => run.resource_status(name, "UPDATE_COMPLETE", None),
            Err(error) => {
                run.resource_status(name, "UPDATE_FAILED", Some(&error.reason));
                failed.push(name.clone());
            }
        }
    }
    if !failed.is_empty() {
        let reason = format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
        run.stack_status("UPDATE_ROLLBACK_FAILED", Some(&reason));
        return run.flush(None).await;
    }
    run.stack_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None);
    for resource in left_over {
        let name = resource.logical_id.clone();
        let restored = run.resources.insert(name.clone(), resource.clone());
        run.resource_status(&name, "DELETE_IN_PROGRESS", None);
        match run.destroy(&resource).await {
            Ok(()) => run.resource_status(&name, "DELETE_COMPLETE", None),
            Err(reason) => run.resource_status(&name, "DELETE_FAILED", Some(&reason)),
        }
        if let Some(restored) = restored {
            run.resources.insert(name, restored);
        }
    }
    let fresh: Vec<String> =
        run.resources.values().filter(|resource| resource.fresh).map(|resource| resource.logical_id.clone()).collect();
    run.delete_all(fresh.clone(), true).await?;
    fresh.iter().for_each(|name| run.forget(name));
    if let Some(before) = run.stack.before.take() {
        let Before { parameters, tags, capabilities, description } = *before;
        run.stack.parameters = parameters;
        run.stack.tags = tags;
        run.stack.capabilities = capabilities;
        run.stack.description = description;
    }
    settle(run);
    let space = record::space(&run.place.account, &run.place.region);
    let (table, key) = (record::templates(&space), record::template_before(&run.stack.uuid));
    let mut batch = Batch::default();
    if let Some(row) = run.store.get(&table, &key).await? {
        let none: Vec<IndexEntry> = Vec::new();
        batch.put(&table, run.stack.uuid.as_str(), row.body, none).delete(&table, key);
    }
    run.stack_status("UPDATE_ROLLBACK_COMPLETE", None);
    run.flush(Some(batch)).await
}

/// Carries a deletion to its end.
pub(crate) async fn delete(run: &mut Run<'_>) -> Result<(), StoreError> {
    let exported: Vec<String> = run.stack.outputs.iter().filter_map(|output| output.export.clone()).collect();
    for name in &exported {
        if let Some(user) = importer(run, name).await? {
            let reason = format!("Delete canceled. Cannot delete export {name} as it is in use by {user}.");
            run.stack_status("DELETE_FAILED", Some(&reason));
            return run.flush(None).await;
        }
    }
    let names: Vec<String> = run
        .resources
        .values()
        .filter(|resource| !matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED"))
        .map(|resource| resource.logical_id.clone())
        .collect();
    let failed = run.delete_all(names, false).await?;
    if !failed.is_empty() {
        let reason = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
        run.stack_status("DELETE_FAILED", Some(&reason));
        return run.flush(None).await;
    }
    let space = record::space(&run.place.account, &run.place.region);
    let mut batch = Batch::default();
    for name in exported {
        batch.delete(&record::exports(&space), name);
    }
    batch.delete(&record::names(&space), run.stack.name.as_str());
    run.stack.deleted_ms = Some(run.place.now.as_millis());
    run.stack.imports.clear();
    run.stack_status("DELETE_COMPLETE", None);
    run.flush(Some(batch)).await
}
