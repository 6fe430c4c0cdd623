//! The job of a stack: an operation is written down when it is asked for, and carried on by whoever holds its lease.
//!
//! A stack has one job at most. Whoever changes the stack's row while it runs makes its next write conflict; it then looks at
//! the row again and does what that says: so operations are cancelled, and so a worker that lost its lease stops.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use standin_model::{Document, Fields, Timestamp};
use standin_store::jobs::{self, Backoff, Claim, Job, JobState, NewJob};
use standin_store::{Batch, Selector, Space, StoreError};
use tokio::sync::oneshot;

use super::record::{self, SERVICE, Stack};
use super::run::Run;
use super::{Failure, Stacks, deploy, place_of, stored, undo};
use crate::resources::Place;

pub const QUEUE: &str = "stacks";
/// How long a worker has between two writes before another may take the stack over.
const LEASE_MS: i64 = 10_000;
const BACKOFF: Backoff = Backoff { first_ms: 200, most_ms: 30_000 };
/// How often a worker looks again at a stack that others change, before it lets it rest.
const LOOKS_MAX: usize = 1000;
const PAGE: usize = 500;

/// What a job needs to know besides its stack.
fn payload(place: &Place) -> Document {
    let mut payload = Fields::new();
    payload.push("partition", place.partition.clone());
    payload.push("baseUrl", place.base_url.clone());
    Document::Map(payload)
}

fn new_job(space: &Space, uuid: &str, payload: Document, run_at_ms: i64) -> NewJob {
    NewJob {
        queue: QUEUE.into(),
        key: uuid.into(),
        kind: "stack".into(),
        space: space.clone(),
        payload,
        run_at_ms,
        // What fails is the store's; the stack must end some time.
        attempts_max: u32::MAX,
    }
}

pub(crate) fn is_old(job: &Job, now: Timestamp) -> bool {
    job.due_ms - now.as_millis() < LEASE_MS / 2
}

pub(crate) fn lease_end(now: Timestamp) -> i64 {
    now.as_millis().saturating_add(LEASE_MS)
}

/// Puts the job of the stack around a nested one back: it may wait for this one.
pub(crate) fn wake_parent(batch: &mut Batch, stack: &Stack, job: &Job) {
    if let Some(uuid) = stack.parent_id.as_deref().and_then(|id| id.rsplit('/').next()) {
        batch.enqueue(new_job(&job.space, uuid, job.payload.clone(), stack.last_event_ms));
    }
}

/// Those who wait for a worker's next word on a stack.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    waiting: Mutex<HashMap<String, Vec<oneshot::Sender<()>>>>,
}

impl Listeners {
    fn listen(&self, uuid: &str) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.lock().entry(uuid.to_owned()).or_default().push(tell);
        told
    }

    /// All that waited for this stack go on.
    fn tell(&self, uuid: &str) {
        self.lock().remove(uuid);
    }

    /// Drops those that went away.
    fn sweep(&self, uuid: &str) {
        let mut waiting = self.lock();
        if let Some(list) = waiting.get_mut(uuid) {
            list.retain(|tell| !tell.is_closed());
            if list.is_empty() {
                waiting.remove(uuid);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Vec<oneshot::Sender<()>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a call stays for a moment, so that what is quick is over when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Linger {
    Yes,
    No,
}

impl Stacks {
    /// Writes the begin of an operation down: what the run has changed, and the stack's job. Conflicts where another was faster.
    pub(crate) async fn begin(&self, run: &mut Run<'_>, mut batch: Batch, linger: Linger) -> Result<(), StoreError> {
        let uuid = run.stack.uuid.clone();
        let now = run.tick();
        match jobs::find(&*self.store, QUEUE, &uuid).await? {
            // Its worker sees what has changed.
            Some(Job { state: JobState::Running { .. }, .. }) => {}
            Some(job) => {
                batch.reschedule(&job, now);
            }
            None => {
                batch.enqueue(new_job(&run.space(), &uuid, payload(&run.place), now));
            }
        }
        let told = (linger == Linger::Yes && self.grace > Duration::ZERO).then(|| self.listeners.listen(&uuid));
        let begun = run.flush(Some(batch)).await;
        if let Some(told) = told {
            if begun.is_ok() {
                // Time that has run out is no failure: the caller can see how far it is.
                let _ = tokio::time::timeout(self.grace, told).await;
            } else {
                drop(told);
            }
            self.listeners.sweep(&uuid);
        }
        begun
    }

    /// Leases stacks on which something is to be done.
    pub(crate) async fn claim(&self, owner: &str, limit: usize) -> Result<Vec<Job>, StoreError> {
        let now_ms = self.clock.now().as_millis();
        self.store.claim(Claim { queue: QUEUE, owner, now_ms, lease_ms: LEASE_MS, limit }).await
    }

    /// Carries the operation on a stack on, as far as that goes now.
    pub(crate) async fn carry_out(&self, job: Job) {
        let key = job.key.clone();
        if let Err(error) = self.look(job).await {
            tracing::warn!(%error, stack = &*key, "an operation on a stack rests: the store failed");
        }
        self.listeners.tell(&key);
    }

    async fn look(&self, mut job: Job) -> Result<(), StoreError> {
        for _ in 0..LOOKS_MAX {
            match self.pass(&job).await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => match jobs::find(&*self.store, QUEUE, &job.key).await? {
                    Some(current) if current.state == job.state && current.attempts == job.attempts => job = current,
                    // Another has taken the stack over.
                    _ => return Ok(()),
                },
                Err(error) => {
                    self.give_back(&job, &error).await?;
                    return Err(error);
                }
            }
            tokio::task::yield_now().await;
        }
        self.give_back(&job, &StoreError::Conflict).await
    }

    async fn give_back(&self, job: &Job, error: &StoreError) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.fail(job, self.clock.now().as_millis(), error.to_string(), BACKOFF);
        match self.store.commit(batch).await {
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Does what can be done now.
    async fn pass(&self, job: &Job) -> Result<(), StoreError> {
        let table = record::stacks(&job.space);
        let row = self.store.get(&table, &job.key).await?;
        let stack =
            row.map(|row| Ok::<_, StoreError>((record::read::<Stack>(&table, &row)?, row.version))).transpose()?;
        let Some((stack, version)) = stack.filter(|(stack, _)| stack.is_under_way()) else {
            let mut batch = Batch::default();
            batch.complete(job);
            return self.store.commit(batch).await.map(drop);
        };
        let text = |name: &str| job.payload.get(name).and_then(Document::as_str).unwrap_or_default().to_owned();
        let place = Place {
            partition: text("partition"),
            account: job.space.account.to_string(),
            region: job.space.region.to_string(),
            stack_name: String::new(),
            stack_id: String::new(),
            base_url: text("baseUrl"),
            tags: stack.tags.clone(),
            now: self.clock.now(),
            dice: self.dice,
        };
        let place = place_of(place, &stack);
        let known = self.resources_of(&job.space, &stack.uuid).await?;
        let mut run = Run::new(self, place, stack, Some(version), known);
        run.job = Some(job.clone());
        self.carry_on(&job.space, &mut run).await?;
        if run.stack.is_under_way() {
            run.park().await?;
        }
        Ok(())
    }

    /// Does what is left of the operation that a stack's status tells of.
    async fn carry_on(&self, space: &Space, run: &mut Run<'_>) -> Result<(), StoreError> {
        let status = run.stack.status.clone();
        match status.as_str() {
            "ROLLBACK_IN_PROGRESS" => undo::roll_back(run).await,
            "DELETE_IN_PROGRESS" => undo::delete(run).await,
            "UPDATE_ROLLBACK_IN_PROGRESS" => undo::take_back(run).await,
            "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => undo::clean_up_taken_back(run).await,
            "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => undo::clean_up(run).await,
            _ => {
                let creates = status == "CREATE_IN_PROGRESS";
                let body = self.template_of(space, &run.stack.uuid).await?;
                match self.goal_of(space, &run.place, &run.stack, &body).await {
                    Ok(goal) if creates => deploy::create(run, &goal).await,
                    Ok(goal) => deploy::update(run, &goal).await,
                    Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => {
                        Err(StoreError::Damaged { what: error.message })
                    }
                    Err(error) if creates => deploy::creation_failed(run, &error.message).await,
                    Err(error) => deploy::update_failed(run, &error.message).await,
                }
            }
        }
    }

    /// Puts jobs back that are missing: of stacks that were loaded with a saved state, which has no jobs.
    pub(crate) async fn resume(&self, partition: &str, base_url: &str) -> Result<usize, Failure> {
        let of = Selector { service: Some(SERVICE.to_owned()), ..Selector::default() };
        let mut resumed = 0;
        for table in self.store.tables(&of).await.map_err(stored)? {
            if &*table.name != "stacks" {
                continue;
            }
            let busy = self.store.find(&table, "state", "busy", None, PAGE).await.map_err(stored)?;
            for row in busy {
                if jobs::find(&*self.store, QUEUE, &row.key).await.map_err(stored)?.is_none() {
                    let mut payload = Fields::new();
                    payload.push("partition", partition.to_owned());
                    payload.push("baseUrl", base_url.to_owned());
                    let now_ms = self.clock.now().as_millis();
                    let mut batch = Batch::default();
                    batch.enqueue(new_job(&table.space, &row.key, Document::Map(payload), now_ms));
                    self.store.commit(batch).await.map_err(stored)?;
                }
                resumed += 1;
            }
        }
        Ok(resumed)
    }
}
