//! One operation on a stack: what it changes, kept together with the events that tell of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;
use standin_core::Hasher;
use standin_store::{Batch, IndexEntry, Store, StoreError};

use super::record::{self, STACK_TYPE, Stack, StackEvent, StackResource};
use crate::evaluate::Made;
use crate::resources::{Place, Resources, Wanted};

/// A stack being worked on. Nothing is seen of it by others before [`Run::flush`].
pub(crate) struct Run<'r> {
    pub(crate) store: &'r dyn Store,
    pub(crate) resources_of: &'r dyn Resources,
    pub(crate) place: Place,
    pub(crate) stack: Stack,
    /// Of the stack's row; nothing for one that is new.
    pub(crate) version: Option<u64>,
    pub(crate) resources: IndexMap<String, StackResource>,
    changed: BTreeMap<String, bool>,
    events: Vec<(u64, StackEvent)>,
}

/// Why an operation on a resource failed.
pub(crate) struct ResourceFailed {
    pub(crate) logical_id: String,
    pub(crate) reason: String,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        store: &'r dyn Store,
        resources_of: &'r dyn Resources,
        place: Place,
        stack: Stack,
        version: Option<u64>,
        resources: IndexMap<String, StackResource>,
    ) -> Self {
        Self { store, resources_of, place, stack, version, resources, changed: BTreeMap::new(), events: Vec::new() }
    }

    fn key(&self, purpose: &str) -> Hasher {
        let mut key = self.place.dice.key(purpose);
        key.text(&self.stack.id).number(self.stack.sequence);
        key
    }

    fn push(&mut self, event: StackEvent) {
        self.stack.sequence += 1;
        self.events.push((self.stack.sequence, event));
    }

    /// Gives the stack a status, and tells of it.
    pub(crate) fn stack_status(&mut self, status: &str, reason: Option<&str>) {
        status.clone_into(&mut self.stack.status);
        self.stack.reason = reason.map(str::to_owned);
        let id = crate::services::uuid(&mut self.key("stack event").draw());
        let event = StackEvent {
            id,
            logical_id: self.stack.name.clone(),
            physical_id: self.stack.id.clone(),
            kind: STACK_TYPE.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            at_ms: self.place.now.as_millis(),
            properties: None,
            token: self.stack.token.clone(),
        };
        self.push(event);
    }

    /// Gives a resource a status, and tells of it.
    pub(crate) fn resource_status(&mut self, logical_id: &str, status: &str, reason: Option<&str>) {
        let at_ms = self.place.now.as_millis();
        let Some(resource) = self.resources.get_mut(logical_id) else { return };
        status.clone_into(&mut resource.status);
        resource.reason = reason.map(str::to_owned);
        resource.updated_ms = at_ms;
        let event = StackEvent {
            id: format!("{logical_id}-{status}-{}", self.place.now.to_date_time()),
            logical_id: logical_id.to_owned(),
            physical_id: resource.reference.clone(),
            kind: resource.kind.clone(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            at_ms,
            properties: Some(resource.properties.to_string()),
            token: self.stack.token.clone(),
        };
        self.changed.insert(logical_id.to_owned(), true);
        self.push(event);
    }

    /// Marks a resource's row as one to be written.
    pub(crate) fn touch(&mut self, logical_id: &str) {
        self.changed.insert(logical_id.to_owned(), true);
    }

    pub(crate) fn forget(&mut self, logical_id: &str) {
        self.resources.shift_remove(logical_id);
        self.changed.insert(logical_id.to_owned(), false);
    }

    /// What `Ref` and `Fn::GetAtt` know.
    pub(crate) fn made(&self) -> IndexMap<String, Made> {
        let there = self.resources.iter().filter(|(_, resource)| resource.is_there());
        there.map(|(name, resource)| (name.clone(), resource.made())).collect()
    }

    /// Writes what has changed. Conflicts where another works on the same stack.
    pub(crate) async fn flush(&mut self, more: Option<Batch>) -> Result<(), StoreError> {
        let space = record::space(&self.place.account, &self.place.region);
        let mut batch = more.unwrap_or_default();
        let uuid = &self.stack.uuid;
        let stacks = record::stacks(&space);
        batch.check(&stacks, uuid.as_str(), self.version);
        batch.put(&stacks, uuid.as_str(), record::body(&self.stack)?, record::stack_index(&self.stack));
        let table = record::resources(&space);
        for (logical_id, there) in std::mem::take(&mut self.changed) {
            let key = format!("{uuid}/{logical_id}");
            match self.resources.get(&logical_id).filter(|_| there) {
                Some(resource) => {
                    let index = vec![IndexEntry::new("physical", resource.reference.as_str())];
                    batch.put(&table, key, record::body(resource)?, index);
                }
                None => {
                    batch.delete(&table, key);
                }
            }
        }
        let table = record::events(&space);
        for (sequence, event) in std::mem::take(&mut self.events) {
            let none: Arc<[IndexEntry]> = Arc::new([]);
            batch.put(&table, record::event_key(uuid, sequence), record::body(&event)?, none);
        }
        self.version = Some(self.store.commit(batch).await?);
        Ok(())
    }

    fn wanted<'w>(resource: &'w StackResource, properties: &'w Value) -> Wanted<'w> {
        Wanted { kind: &resource.kind, logical_id: &resource.logical_id, properties, generation: resource.generation }
    }

    /// Makes a resource whose record has its properties already.
    pub(crate) async fn create(&mut self, logical_id: &str) -> Result<(), ResourceFailed> {
        let Some(resource) = self.resources.get(logical_id).cloned() else { return Ok(()) };
        match self.resources_of.create(&self.place, Self::wanted(&resource, &resource.properties)).await {
            Ok(made) => {
                if let Some(resource) = self.resources.get_mut(logical_id) {
                    resource.take(made);
                }
                Ok(())
            }
            Err(reason) => Err(ResourceFailed { logical_id: logical_id.to_owned(), reason }),
        }
    }

    /// Changes a resource from the properties of `before` to its own.
    pub(crate) async fn update(&mut self, logical_id: &str, before: &Value) -> Result<(), ResourceFailed> {
        let Some(resource) = self.resources.get(logical_id).cloned() else { return Ok(()) };
        let wanted = Self::wanted(&resource, &resource.properties);
        match self.resources_of.update(&self.place, wanted, &resource.made(), before).await {
            Ok(made) => {
                if let Some(resource) = self.resources.get_mut(logical_id) {
                    resource.take(made);
                }
                Ok(())
            }
            Err(reason) => Err(ResourceFailed { logical_id: logical_id.to_owned(), reason }),
        }
    }

    pub(crate) async fn destroy(&self, resource: &StackResource) -> Result<(), String> {
        let wanted = Self::wanted(resource, &resource.properties);
        self.resources_of.delete(&self.place, wanted, &resource.made()).await
    }

    /// Deletes resources, the last made first, and tells of each. Answers those that failed.
    pub(crate) async fn delete_all(
        &mut self,
        names: Vec<String>,
        created_now: bool,
    ) -> Result<Vec<String>, StoreError> {
        let mut names = names;
        names.sort_by_key(|name| std::cmp::Reverse(self.resources.get(name).map_or(0, |resource| resource.position)));
        let mut failed = Vec::new();
        for name in names {
            let Some(resource) = self.resources.get(&name).cloned() else { continue };
            if !resource.is_there() {
                self.resource_status(&name, "DELETE_COMPLETE", None);
                continue;
            }
            if resource.is_kept(created_now) || self.stack.retained.contains(&name) {
                self.resource_status(&name, "DELETE_SKIPPED", None);
                continue;
            }
            self.resource_status(&name, "DELETE_IN_PROGRESS", None);
            self.flush(None).await?;
            match self.destroy(&resource).await {
                Ok(()) => self.resource_status(&name, "DELETE_COMPLETE", None),
                Err(reason) => {
                    self.resource_status(&name, "DELETE_FAILED", Some(&reason));
                    failed.push(name);
                }
            }
        }
        Ok(failed)
    }
}
