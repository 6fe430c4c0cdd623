//! How operations on stacks are taken back, and what they leave over goes.

use standin_store::{Batch, IndexEntry, StoreError};

use super::exports::importer;
use super::record::{self, Before, StackResource};
use super::run::{Run, Standing};

fn failed_to(verb: &str, names: &[String]) -> String {
    format!("The following resource(s) failed to {verb}: [{}]. ", names.join(", "))
}

/// Takes a failed creation back.
pub(super) async fn roll_back(run: &mut Run<'_>) -> Result<(), StoreError> {
    let failed = run.delete_all(run.resources.keys().cloned().collect(), true).await?;
    if run.waits.any() {
        return Ok(());
    }
    if failed.is_empty() {
        run.stack.imports.clear();
        run.stack_status("ROLLBACK_COMPLETE", None);
    } else {
        run.stack_status("ROLLBACK_FAILED", Some(&failed_to("delete", &failed)));
    }
    run.flush(None).await
}

/// After success nothing is fresh or has a past.
pub(super) fn settle(run: &mut Run<'_>) {
    let has_past = |resource: &&StackResource| {
        resource.fresh || resource.before.is_some() || resource.replacement.is_some() || resource.obsolete
    };
    let names: Vec<String> =
        run.resources.values().filter(has_past).map(|resource| resource.logical_id.clone()).collect();
    for name in names {
        if let Some(resource) = run.resources.get_mut(&name) {
            resource.fresh = false;
            resource.obsolete = false;
            resource.before = None;
            resource.replacement = None;
        }
        run.touch(&name);
    }
    run.stack.before = None;
    run.stack.skipped.clear();
}

/// Deletes a resource that no record stands for any more, and tells of it under the name that it had.
async fn drop_old(run: &mut Run<'_>, old: StackResource) {
    let name = old.logical_id.clone();
    let current = run.resources.insert(name.clone(), StackResource { until_ms: None, ..old.clone() });
    run.resource_status(&name, "DELETE_IN_PROGRESS", None);
    match run.destroy(&old).await {
        Ok(()) => run.resource_status(&name, "DELETE_COMPLETE", None),
        Err(reason) => run.resource_status(&name, "DELETE_FAILED", Some(&reason)),
    }
    match current {
        Some(current) => {
            run.resources.insert(name, current);
        }
        None => run.forget(&name),
    }
}

/// Deletes what an update left over: what was replaced, and what the template does not have any more.
pub(super) async fn clean_up(run: &mut Run<'_>) -> Result<(), StoreError> {
    let mut old: Vec<StackResource> = Vec::new();
    for resource in run.resources.values() {
        if resource.obsolete {
            old.push(resource.clone());
        } else if let Some(before) = &resource.before
            && before.generation != resource.generation
            && resource.update_replace_policy != "Retain"
        {
            old.push(StackResource { obsolete: false, ..(**before).clone() });
        }
    }
    old.sort_by_key(|resource| std::cmp::Reverse(resource.position));
    for resource in old {
        let name = resource.logical_id.clone();
        if !resource.obsolete {
            drop_old(run, resource).await;
        } else {
            if resource.is_kept(false) {
                run.resource_status(&name, "DELETE_SKIPPED", None);
            } else {
                drop_old(run, resource).await;
            }
            run.forget(&name);
        }
        run.flush(None).await?;
    }
    settle(run);
    let mut batch = Batch::default();
    batch.delete(&record::templates(&run.space()), record::template_before(&run.stack.uuid));
    run.stack_status("UPDATE_COMPLETE", None);
    run.flush(Some(batch)).await
}

/// Takes a failed update back: what was changed is changed back, and what was replaced stands again.
pub(super) async fn take_back(run: &mut Run<'_>) -> Result<(), StoreError> {
    let mut names: Vec<String> = run.resources.keys().cloned().collect();
    names.sort_by_key(|name| std::cmp::Reverse(run.resources.get(name).map_or(0, |resource| resource.position)));
    let mut failed = Vec::new();
    for name in &names {
        let Some(current) = run.resources.get(name).cloned() else { continue };
        let Some(before) = current.before.clone() else {
            // Changed back already, as far as that goes at once.
            if !current.fresh && current.until_ms.is_some() {
                match run.standing(name).await {
                    Ok(Standing::Settled | Standing::Waiting) => {}
                    Err(error) => {
                        run.resource_status(name, "UPDATE_FAILED", Some(&error.reason));
                        failed.push(name.clone());
                    }
                }
            }
            continue;
        };
        let replaced = before.generation != current.generation;
        if replaced {
            run.recover(name).await;
        }
        let Some(current) = run.resources.get(name).cloned() else { continue };
        let mut restored = StackResource { before: None, until_ms: None, obsolete: false, ..*before };
        if replaced {
            let new = StackResource { before: None, ..current.clone() };
            restored.replacement = Some(Box::new(new)).filter(|new| new.is_there());
        } else {
            restored.attributes.clone_from(&current.attributes);
        }
        let skips = run.stack.skipped.contains(name) || run.is_idle_child(&current).await;
        run.resources.insert(name.clone(), restored);
        run.resource_status(name, "UPDATE_IN_PROGRESS", None);
        let done = if replaced || skips { Ok(()) } else { run.update(name, &current.properties).await };
        match done {
            Ok(()) => {
                let waits = run.resources.get(name).is_some_and(|resource| resource.until_ms.is_some());
                let told = if waits { run.standing(name).await.err() } else { None };
                if let Some(error) = told {
                    run.resource_status(name, "UPDATE_FAILED", Some(&error.reason));
                    failed.push(name.clone());
                } else if !waits {
                    run.resource_status(name, "UPDATE_COMPLETE", None);
                }
            }
            Err(error) => {
                // To be tried again when the rollback is continued.
                if let Some(resource) = run.resources.get_mut(name) {
                    *resource = current;
                }
                run.resource_status(name, "UPDATE_FAILED", Some(&error.reason));
                failed.push(name.clone());
            }
        }
    }
    if !failed.is_empty() {
        run.waits = super::run::Waits::default();
        run.stack_status("UPDATE_ROLLBACK_FAILED", Some(&failed_to("update", &failed)));
        return run.flush(None).await;
    }
    if run.waits.any() {
        return Ok(());
    }
    run.stack_status("UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", None);
    run.flush(None).await?;
    clean_up_taken_back(run).await
}

/// Deletes what an update had made that was taken back.
pub(super) async fn clean_up_taken_back(run: &mut Run<'_>) -> Result<(), StoreError> {
    let names: Vec<String> = run.resources.keys().cloned().collect();
    for name in names {
        let Some(resource) = run.resources.get_mut(&name) else { continue };
        if let Some(new) = resource.replacement.take() {
            run.touch(&name);
            drop_old(run, *new).await;
            run.flush(None).await?;
        }
    }
    let fresh: Vec<String> =
        run.resources.values().filter(|resource| resource.fresh).map(|resource| resource.logical_id.clone()).collect();
    run.delete_all(fresh.clone(), true).await?;
    if run.waits.any() {
        return Ok(());
    }
    fresh.iter().for_each(|name| run.forget(name));
    if let Some(before) = run.stack.before.take() {
        let Before { parameters, tags, capabilities, description } = *before;
        run.stack.parameters = parameters;
        run.stack.tags = tags;
        run.stack.capabilities = capabilities;
        run.stack.description = description;
    }
    settle(run);
    let (table, key) = (record::templates(&run.space()), record::template_before(&run.stack.uuid));
    let mut batch = Batch::default();
    if let Some(row) = run.stacks.store.get(&table, &key).await? {
        let none: Vec<IndexEntry> = Vec::new();
        batch.put(&table, run.stack.uuid.as_str(), row.body, none).delete(&table, key);
    }
    run.stack_status("UPDATE_ROLLBACK_COMPLETE", None);
    run.flush(Some(batch)).await
}

/// Carries a deletion on.
pub(super) async fn delete(run: &mut Run<'_>) -> Result<(), StoreError> {
    let exported: Vec<String> = run.stack.outputs.iter().filter_map(|output| output.export.clone()).collect();
    for name in &exported {
        if let Some(user) = importer(run, name).await? {
            let reason = format!("Delete canceled. Cannot delete export {name} as it is in use by {user}.");
            run.stack_status("DELETE_FAILED", Some(&reason));
            return run.flush(None).await;
        }
    }
    let failed = run.delete_all(run.resources.keys().cloned().collect(), false).await?;
    if run.waits.any() {
        return Ok(());
    }
    if !failed.is_empty() {
        run.stack_status("DELETE_FAILED", Some(&failed_to("delete", &failed)));
        return run.flush(None).await;
    }
    let space = run.space();
    let mut batch = Batch::default();
    for name in exported {
        batch.delete(&record::exports(&space), name);
    }
    batch.delete(&record::names(&space), run.stack.name.as_str());
    run.stack.deleted_ms = Some(run.tick());
    run.stack.imports.clear();
    run.stack_status("DELETE_COMPLETE", None);
    run.flush(Some(batch)).await
}
