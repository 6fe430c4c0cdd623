//! One operation on a stack: what it changes, kept together with the events that tell of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value;
use standin_core::Hasher;
use standin_model::Timestamp;
use standin_store::jobs::Job;
use standin_store::{Batch, IndexEntry, Space, StoreError};

use super::record::{self, STACK_TYPE, Stack, StackEvent, StackResource, UNTIL_ITS_END};
use super::{Stacks, nested, work};
use crate::evaluate::Made;
use crate::resources::{Place, Resources, Wanted};

/// A stack being worked on. Nothing is seen of it by others before [`Run::flush`].
pub(crate) struct Run<'r> {
    pub(crate) stacks: &'r Stacks,
    pub(crate) place: Place,
    pub(crate) stack: Stack,
    /// Of the stack's row; nothing for one that is new.
    pub(crate) version: Option<u64>,
    pub(crate) resources: IndexMap<String, StackResource>,
    /// Under whose lease this happens; nothing in the call that begins it.
    pub(crate) job: Option<Job>,
    /// What has to happen before it can go on.
    pub(crate) waits: Waits,
    changed: BTreeMap<String, bool>,
    events: Vec<(u64, StackEvent)>,
}

/// What an operation waits for.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// The first time at which a service is done with something.
    pub(crate) until_ms: Option<i64>,
    /// Nested stacks, and the versions of their rows that tell that they are not done.
    pub(crate) children: Vec<(String, u64)>,
}

impl Waits {
    pub(crate) fn until(&mut self, ms: i64) {
        self.until_ms = Some(self.until_ms.map_or(ms, |known| known.min(ms)));
    }

    pub(crate) fn any(&self) -> bool {
        self.until_ms.is_some() || !self.children.is_empty()
    }
}

/// Whether what was begun with a resource is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Settled,
    Waiting,
}

/// Why an operation on a resource failed.
pub(crate) struct ResourceFailed {
    pub(crate) logical_id: String,
    pub(crate) reason: String,
}

impl<'r> Run<'r> {
    pub(crate) fn new(
        stacks: &'r Stacks,
        place: Place,
        stack: Stack,
        version: Option<u64>,
        resources: IndexMap<String, StackResource>,
    ) -> Self {
        Self {
            stacks,
            place,
            stack,
            version,
            resources,
            job: None,
            waits: Waits::default(),
            changed: BTreeMap::new(),
            events: Vec::new(),
        }
    }

    pub(crate) fn space(&self) -> Space {
        record::space(&self.place.account, &self.place.region)
    }

    fn key(&self, purpose: &str) -> Hasher {
        let mut key = self.place.dice.key(purpose);
        key.text(&self.stack.id).number(self.stack.sequence);
        key
    }

    /// Looks at the clock, which never goes back within a stack.
    pub(crate) fn tick(&mut self) -> i64 {
        let now = self.stacks.clock.now().as_millis().max(self.stack.last_event_ms);
        self.place.now = Timestamp::from_millis(now);
        now
    }

    fn push(&mut self, event: StackEvent) {
        self.stack.sequence += 1;
        self.stack.last_event_ms = event.at_ms;
        self.events.push((self.stack.sequence, event));
    }

    /// Gives the stack a status, and tells of it.
    pub(crate) fn stack_status(&mut self, status: &str, reason: Option<&str>) {
        let at_ms = self.tick();
        status.clone_into(&mut self.stack.status);
        self.stack.reason = reason.map(str::to_owned);
        let event = StackEvent {
            id: crate::services::uuid(&mut self.key("stack event").draw()),
            logical_id: self.stack.name.clone(),
            physical_id: self.stack.id.clone(),
            kind: STACK_TYPE.to_owned(),
            status: status.to_owned(),
            reason: reason.map(str::to_owned),
            at_ms,
            properties: None,
            token: self.stack.token.clone(),
        };
        self.push(event);
    }

    /// Gives a resource a status, and tells of it.
    pub(crate) fn resource_status(&mut self, logical_id: &str, status: &str, reason: Option<&str>) {
        let at_ms = self.tick();
        let told_before = self.stack.last_event_ms == at_ms;
        let Some(resource) = self.resources.get_mut(logical_id) else { return };
        let again = told_before && resource.status == status;
        if resource.status != status {
            resource.until_ms = None;
        }
        status.clone_into(&mut resource.status);
        resource.reason = reason.map(str::to_owned);
        resource.updated_ms = at_ms;
        // Two events of one status within a millisecond are told apart by it: clients tell events apart by their ids.
        let id_ms = at_ms + i64::from(again);
        let event = StackEvent {
            id: format!("{logical_id}-{status}-{}", Timestamp::from_millis(id_ms).to_date_time()),
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

    /// Writes what has changed; where the operation is over with that, its job is done. Conflicts where another works on the
    /// same stack, or has the lease.
    pub(crate) async fn flush(&mut self, more: Option<Batch>) -> Result<(), StoreError> {
        let mut batch = more.unwrap_or_default();
        match &self.job {
            Some(job) if !self.stack.is_under_way() => {
                batch.complete(job);
                work::wake_parent(&mut batch, &self.stack, job);
            }
            Some(job) if work::is_old(job, self.place.now) => {
                batch.prolong(job, work::lease_end(self.place.now));
            }
            _ => {}
        }
        self.write(batch).await?;
        if let (Some(job), Some(version)) = (&mut self.job, self.version)
            && work::is_old(job, self.place.now)
        {
            job.version = version;
            job.due_ms = work::lease_end(self.place.now);
        }
        Ok(())
    }

    /// Writes what has changed, and lets the job rest until what the operation waits for has happened.
    pub(crate) async fn park(&mut self) -> Result<(), StoreError> {
        if !self.waits.children.is_empty() {
            // What was done is kept, whether or not one of them has moved on by now.
            self.flush(None).await?;
        }
        let mut batch = Batch::default();
        if let Some(job) = &self.job {
            match self.waits.until_ms {
                Some(ms) => batch.reschedule(job, ms),
                // The last of them puts the job back.
                None => batch.complete(job),
            };
        }
        let table = record::stacks(&self.space());
        for (uuid, version) in &self.waits.children {
            batch.check(&table, uuid.as_str(), Some(*version));
        }
        self.write(batch).await
    }

    async fn write(&mut self, mut batch: Batch) -> Result<(), StoreError> {
        let space = self.space();
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
        self.version = Some(self.stacks.store.commit(batch).await?);
        Ok(())
    }

    fn wanted<'w>(resource: &'w StackResource, properties: &'w Value) -> Wanted<'w> {
        Wanted { kind: &resource.kind, logical_id: &resource.logical_id, properties, generation: resource.generation }
    }

    /// Takes note of what a service made, and of how long it takes.
    fn take(&mut self, logical_id: &str, made: Made) {
        let now = self.tick();
        let Some(resource) = self.resources.get_mut(logical_id) else { return };
        resource.take(made);
        let takes = self.stacks.resources.takes_ms(&resource.kind);
        resource.until_ms = match takes {
            _ if resource.kind == STACK_TYPE => Some(UNTIL_ITS_END),
            0 => None,
            takes => Some(now.saturating_add(takes)),
        };
        self.changed.insert(logical_id.to_owned(), true);
    }

    /// Makes a resource whose record has its properties already.
    pub(crate) async fn create(&mut self, logical_id: &str) -> Result<(), ResourceFailed> {
        self.tick();
        let Some(resource) = self.resources.get(logical_id).cloned() else { return Ok(()) };
        let failed = |reason| ResourceFailed { logical_id: logical_id.to_owned(), reason };
        let made = if resource.kind == STACK_TYPE {
            self.create_child(&resource).await
        } else {
            let resources = &self.stacks.resources;
            match resolve(&**resources, &self.place, &resource.properties).await {
                Ok(properties) => resources.create(&self.place, Self::wanted(&resource, &properties)).await,
                Err(reason) => Err(reason),
            }
        };
        self.take(logical_id, made.map_err(failed)?);
        Ok(())
    }

    /// Changes a resource from the properties of `before` to its own.
    pub(crate) async fn update(&mut self, logical_id: &str, before: &Value) -> Result<(), ResourceFailed> {
        self.tick();
        let Some(resource) = self.resources.get(logical_id).cloned() else { return Ok(()) };
        let failed = |reason| ResourceFailed { logical_id: logical_id.to_owned(), reason };
        let made = if resource.kind == STACK_TYPE {
            self.update_child(&resource).await
        } else {
            let resources = &self.stacks.resources;
            match resolve(&**resources, &self.place, &resource.properties).await {
                Ok(properties) => {
                    let wanted = Self::wanted(&resource, &properties);
                    resources.update(&self.place, wanted, &resource.made(), before).await
                }
                Err(reason) => Err(reason),
            }
        };
        self.take(logical_id, made.map_err(failed)?);
        Ok(())
    }

    /// Finds what an operation that was cut off may have made, so that it can be deleted.
    pub(crate) async fn recover(&mut self, logical_id: &str) {
        let cut_off = |resource: &StackResource| !resource.is_there() && resource.status.ends_with("_IN_PROGRESS");
        if self.resources.get(logical_id).is_some_and(cut_off) {
            // What cannot be made was not.
            let _ = self.create(logical_id).await;
        }
    }

    /// Whether what was begun with a resource, at this or an earlier look at it, is over by now. Tells its end where it is.
    pub(crate) async fn standing(&mut self, logical_id: &str) -> Result<Standing, ResourceFailed> {
        let now = self.tick();
        let Some(resource) = self.resources.get(logical_id) else { return Ok(Standing::Settled) };
        let Some(until) = resource.until_ms.filter(|_| resource.status.ends_with("_IN_PROGRESS")) else {
            return Ok(Standing::Settled);
        };
        let deletes = resource.status == "DELETE_IN_PROGRESS";
        if resource.kind == STACK_TYPE {
            let resource = resource.clone();
            let child = self.child(&resource).await.map(|child| match child {
                nested::Child::Busy { uuid, version } => {
                    self.waits.children.push((uuid, version));
                    None
                }
                nested::Child::Gone => Some(resource.made()),
                nested::Child::There(made) => Some(made),
            });
            match child {
                Ok(None) => return Ok(Standing::Waiting),
                Ok(Some(made)) => {
                    if let Some(resource) = self.resources.get_mut(logical_id) {
                        resource.take(made);
                    }
                }
                Err(reason) => {
                    return Err(ResourceFailed { logical_id: logical_id.to_owned(), reason });
                }
            }
        } else if now < until {
            self.waits.until(until);
            return Ok(Standing::Waiting);
        } else if !deletes {
            // By now its service may tell more of it.
            let wanted = Self::wanted(resource, &resource.properties);
            let resources = &self.stacks.resources;
            if let Ok(made) = resources.update(&self.place, wanted, &resource.made(), &resource.properties).await
                && let Some(resource) = self.resources.get_mut(logical_id)
            {
                resource.take(made);
            }
        }
        let status =
            self.resources.get(logical_id).map(|resource| resource.status.replace("_IN_PROGRESS", "_COMPLETE"));
        self.resource_status(logical_id, &status.unwrap_or_default(), None);
        Ok(Standing::Settled)
    }

    pub(crate) async fn destroy(&mut self, resource: &StackResource) -> Result<(), String> {
        self.tick();
        if resource.kind == STACK_TYPE {
            return self.delete_child(resource).await;
        }
        let wanted = Self::wanted(resource, &resource.properties);
        self.stacks.resources.delete(&self.place, wanted, &resource.made()).await
    }

    /// Deletes resources, the last made first, and tells of each; what takes time goes on side by side. Answers those that
    /// failed, once nothing is waited for any more: what others were in the way of may go when they have.
    pub(crate) async fn delete_all(
        &mut self,
        names: Vec<String>,
        created_now: bool,
    ) -> Result<Vec<String>, StoreError> {
        let mut names = names;
        names.sort_by_key(|name| std::cmp::Reverse(self.resources.get(name).map_or(0, |resource| resource.position)));
        let mut failed: Vec<ResourceFailed> = Vec::new();
        for name in names {
            let Some(resource) = self.resources.get(&name) else { continue };
            if matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED") {
                continue;
            }
            if resource.status == "DELETE_IN_PROGRESS" && resource.until_ms.is_some() {
                failed.extend(self.standing(&name).await.err());
                continue;
            }
            self.recover(&name).await;
            let Some(resource) = self.resources.get(&name).cloned() else { continue };
            if !resource.is_there() {
                self.resource_status(&name, "DELETE_COMPLETE", None);
                continue;
            }
            if resource.is_kept(created_now) || self.stack.retained.contains(&name) {
                self.resource_status(&name, "DELETE_SKIPPED", None);
                continue;
            }
            if resource.status != "DELETE_IN_PROGRESS" {
                self.resource_status(&name, "DELETE_IN_PROGRESS", None);
                self.flush(None).await?;
            }
            match self.destroy(&resource).await {
                Ok(()) => {
                    self.take(&name, resource.made());
                    failed.extend(self.standing(&name).await.err());
                    let over = |resource: &StackResource| resource.until_ms.is_none();
                    if self.resources.get(&name).is_some_and(over) {
                        self.resource_status(&name, "DELETE_COMPLETE", None);
                    }
                }
                Err(reason) => failed.push(ResourceFailed { logical_id: name, reason }),
            }
        }
        if self.waits.any() {
            return Ok(Vec::new());
        }
        for failed in &failed {
            self.resource_status(&failed.logical_id, "DELETE_FAILED", Some(&failed.reason));
        }
        Ok(failed.into_iter().map(|failed| failed.logical_id).collect())
    }
}

/// Properties with their dynamic references replaced by what they refer to.
async fn resolve(resources: &dyn Resources, place: &Place, properties: &Value) -> Result<Value, String> {
    let mut wanted = BTreeSet::new();
    references(properties, &mut |text| {
        wanted.insert(text.to_owned());
    });
    let mut found = BTreeMap::new();
    for reference in wanted {
        let value = resources.resolve(place, &reference).await?;
        found.insert(reference, value);
    }
    let mut properties = properties.clone();
    if !found.is_empty() {
        fill(&mut properties, &found);
    }
    Ok(properties)
}

const OPEN: &str = "{{resolve:";

fn references(value: &Value, see: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => {
            let mut rest = text.as_str();
            while let Some(at) = rest.find(OPEN) {
                let Some(end) = rest[at..].find("}}") else { break };
                see(&rest[at + OPEN.len()..at + end]);
                rest = &rest[at + end + 2..];
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, see)),
        Value::Object(map) => map.values().for_each(|value| references(value, see)),
        _ => {}
    }
}

fn fill(value: &mut Value, found: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains(OPEN) => {
            for (reference, known) in found {
                *text = text.replace(&format!("{OPEN}{reference}}}}}"), known);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, found)),
        Value::Object(map) => map.values_mut().for_each(|value| fill(value, found)),
        _ => {}
    }
}
