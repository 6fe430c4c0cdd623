//! The jobs: registrations and deployments, step by step.

use futures_util::future::try_join_all;
use standin_core::{Dice, OperationError};
use standin_model::{Document, Timestamp};
use standin_store::jobs::{self, Backoff, Claim, Job, JobState};
use standin_store::{Batch, Scan, StoreError};

use super::deployments::{self, DEPLOY, End, schedule};
use super::kept::{Kept, Resource as _};
use super::order::{self, Asked};
use super::provision::{Made, Order, Progress, STEP};
use super::tx::{Scope, Tx, read};
use super::{ATTEMPTS_MAX, Engine, QUEUE, sync, templates};
use crate::types::*;

/// How long a worker has for one step before another may take it over.
const LEASE_MS: i64 = 60_000;
/// Jobs of a round.
const ROUND: usize = 16;
/// Deployments that are looked at again at once, at most.
const AGAIN_MAX: usize = 500;
/// How often a deployment's job is tried.
const ATTEMPTS_OF_JOB: u32 = 10;
/// How soon a step is tried again that waits for another of the same deployment.
const AFTER_ANOTHER_MS: i64 = 50;
/// Jobs of one deployment that there are at the same time, at most: each cancellation adds one.
const STEPS_OF_DEPLOYMENT: usize = 64;
/// How soon a run is looked at again, at least.
const POLL_MS_MIN: i64 = 25;
/// What asks for a long rest is asked of over a network: it gets a part of that rest from the beginning.
const PATIENCE: i64 = 20;
const BACKOFF: Backoff = Backoff { first_ms: 500, most_ms: 30_000 };

impl Engine {
    /// Does the jobs that are due, one step each; how many there were. `owner` names the process and worker.
    ///
    /// # Errors
    /// Where the store fails. What was under way is taken up again when its lease has ended.
    pub async fn work(&self, now: Timestamp, dice: Dice, owner: &str) -> Result<usize, StoreError> {
        let jobs = self.claim(now, owner, ROUND).await?;
        // Side by side: a store on disk writes what comes at the same time at once.
        try_join_all(jobs.iter().map(|job| self.carry_on(job, now, dice))).await?;
        Ok(jobs.len())
    }

    /// Takes jobs that are due, at most so many, for [`Self::carry_on`].
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn claim(&self, now: Timestamp, owner: &str, limit: usize) -> Result<Vec<Job>, StoreError> {
        let claim = Claim { queue: QUEUE, owner, now_ms: now.as_millis(), lease_ms: LEASE_MS, limit };
        self.store.claim(claim).await
    }

    /// Looks at once at deployments that wait for something outside: word came that something has happened there. How many there
    /// were, in all accounts and regions. What did not begin yet is left to its time.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn look_again(&self, now: Timestamp) -> Result<usize, StoreError> {
        let table = jobs::table(QUEUE);
        let (mut after, mut count) = (None::<std::sync::Arc<str>>, 0);
        loop {
            let scan = Scan { prefix: "", after: after.as_deref(), limit: AGAIN_MAX };
            let rows = self.store.scan(&table, scan).await?;
            for row in &rows {
                let Ok(job) = Job::from_row(&table, row) else { continue };
                let waits = matches!(job.state, JobState::Waiting { error: None }) && job.due_ms > now.as_millis();
                if &*job.kind != DEPLOY || !waits || count >= AGAIN_MAX {
                    continue;
                }
                let id = text(&job.payload, "id");
                let found = self.store.get(&job.space.table(Deployment::TABLE), &id).await?;
                let begun = found
                    .and_then(|row| read::<Deployment>(&row.body).ok())
                    .is_some_and(|kept| kept.extra.notes.is_some());
                if !begun {
                    continue;
                }
                let mut batch = Batch::default();
                batch.reschedule(&job, now.as_millis());
                match self.store.commit(batch).await {
                    Ok(_) => count += 1,
                    // It is being looked at.
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
            if rows.len() < AGAIN_MAX || count >= AGAIN_MAX {
                return Ok(count);
            }
            after = rows.last().map(|row| row.key.clone());
        }
    }

    /// Does one step of a job; one that fails is tried again later.
    ///
    /// # Errors
    /// As [`Self::work`].
    pub async fn carry_on(&self, job: &Job, now: Timestamp, dice: Dice) -> Result<(), StoreError> {
        let scope = Scope {
            partition: text(&job.payload, "partition"),
            account: job.space.account.to_string(),
            region: job.space.region.to_string(),
            now,
            dice,
            nonce: format!("{}/{}", job.key, job.attempts),
        };
        let Err(error) = self.step(&scope, job).await else { return Ok(()) };
        if job.attempts >= ATTEMPTS_OF_JOB && self.give_up(&scope, job, &error.message).await.is_ok() {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.fail(job, now.as_millis(), error.to_string(), BACKOFF);
        match self.store.commit(batch).await {
            // Another has taken the job over.
            Ok(_) | Err(StoreError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn step(&self, scope: &Scope, job: &Job) -> Result<(), OperationError> {
        let id = text(&job.payload, "id");
        match &*job.kind {
            "register-environment" => self.register::<false>(scope, job, &id).await,
            "register-service" => self.register::<true>(scope, job, &id).await,
            kind if sync::jobs::is_sync(kind) => self.sync_step(scope, job, &id).await,
            _ => self.deploy(scope, job, &id).await,
        }
    }

    async fn register<const SERVICE: bool>(&self, scope: &Scope, job: &Job, key: &str) -> Result<(), OperationError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = Tx::new(self, scope.clone());
            templates::register::<SERVICE>(self, &mut tx, key).await?;
            if done(tx, job).await? {
                return Ok(());
            }
        }
        Err(OperationError::internal("too many others change the template"))
    }

    /// One step of a deployment: what it asks for is worked out, the provisioner goes on with it, and what came of it is
    /// kept with the end of the job.
    async fn deploy(&self, scope: &Scope, job: &Job, id: &str) -> Result<(), OperationError> {
        let mut reading = Tx::new(self, scope.clone());
        let Some(kept) = reading.find::<Deployment>(id).await? else { return self.over(scope, job).await };
        if !deployments::is_busy(kept.value.deployment_status) {
            return self.over(scope, job).await;
        }
        if self.waits_for_another(job, id, scope.now.as_millis()).await? {
            let mut batch = Batch::default();
            batch.reschedule(job, scope.now.as_millis() + AFTER_ANOTHER_MS);
            return match self.store.commit(batch).await {
                Ok(_) | Err(StoreError::Conflict) => Ok(()),
                Err(error) => Err(OperationError::internal(error)),
            };
        }
        let asked = order::of(&mut reading, &kept).await;
        drop(reading);
        let progress = match asked {
            Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => return Err(error),
            Err(error) => Progress::Failed { reason: error.message },
            Ok(Asked::Nothing(outputs)) => {
                let outputs =
                    outputs.into_iter().filter_map(|output| Some((output.key?, output.value_string?))).collect();
                Progress::Done { outputs, resources: Vec::new() }
            }
            Ok(Asked::Order(order)) => match tokio::time::timeout(STEP, self.carry_out(&kept, &order)).await {
                Ok(progress) => progress,
                Err(_) => return Err(OperationError::internal("provisioning did not come back in time")),
            },
        };
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = Tx::new(self, scope.clone());
            match &progress {
                Progress::Working { again_after_ms, notes } => {
                    if let Some(notes) = notes
                        && let Some(mut kept) = tx.find::<Deployment>(id).await?
                        && kept.extra.notes.as_ref() != Some(notes)
                    {
                        kept.extra.notes = Some(notes.clone());
                        tx.put(&kept);
                    }
                    // Most are done soon; what takes longer is looked at less often.
                    let age = scope.now.as_millis() - kept.value.created_at.as_millis();
                    let most = (*again_after_ms).max(1);
                    schedule(&mut tx, id, (age / 4).max(POLL_MS_MIN).max(most / PATIENCE).min(most));
                }
                Progress::Waiting => {}
                Progress::Done { outputs, resources } => {
                    let end = End {
                        status: DeploymentStatus::Succeeded,
                        message: None,
                        outputs: outputs
                            .iter()
                            .map(|(key, value)| Output { key: Some(key.clone()), value_string: Some(value.clone()) })
                            .collect(),
                        resources: resources.iter().map(provisioned).collect(),
                    };
                    deployments::finish(&mut tx, id, end).await?;
                }
                Progress::Failed { reason } => deployments::finish(&mut tx, id, End::failed(reason)).await?,
                Progress::Cancelled => {
                    deployments::finish(&mut tx, id, End::cancelled("User initiated cancellation.")).await?;
                }
                Progress::Withdrawn { reason } => deployments::finish(&mut tx, id, End::cancelled(reason)).await?,
            }
            if done(tx, job).await? {
                return Ok(());
            }
        }
        Err(OperationError::internal("too many others change the deployment"))
    }

    /// Whether another step of the same deployment was begun before this one and goes on. Two at a time would decide by what the
    /// other is about to change: one cancels nothing, as nothing is there yet, and the other makes it.
    async fn waits_for_another(&self, job: &Job, id: &str, now_ms: i64) -> Result<bool, OperationError> {
        let table = jobs::table(QUEUE);
        let prefix = format!("{}/{DEPLOY}/{id}/", job.space);
        let scan = Scan { prefix: &prefix, after: None, limit: STEPS_OF_DEPLOYMENT };
        for row in self.store.scan(&table, scan).await.map_err(OperationError::internal)? {
            let other = Job::from_row(&table, &row).map_err(OperationError::internal)?;
            let runs = matches!(other.state, JobState::Running { .. }) && other.due_ms > now_ms;
            if runs && (other.version, &other.key) < (job.version, &job.key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn carry_out(&self, kept: &Kept<Deployment>, order: &Order) -> Progress {
        match kept.value.deployment_status {
            DeploymentStatus::Cancelling => self.provisioner.cancel(order).await,
            _ if kept.extra.deletes => self.provisioner.delete(order).await,
            _ => self.provisioner.provision(order).await,
        }
    }

    /// Ends a deployment whose job failed too often: none is in progress for ever.
    async fn give_up(&self, scope: &Scope, job: &Job, reason: &str) -> Result<(), OperationError> {
        if sync::jobs::is_sync(&job.kind) {
            return sync::jobs::rest(Tx::new(self, scope.clone()), job).await.map(drop);
        }
        if &*job.kind != DEPLOY {
            return Err(OperationError::internal("only deployments are given up"));
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = Tx::new(self, scope.clone());
            let end = End::failed(format!("the deployment failed {} times, the last time by: {reason}", job.attempts));
            deployments::finish(&mut tx, &text(&job.payload, "id"), end).await?;
            if done(tx, job).await? {
                return Ok(());
            }
        }
        Err(OperationError::internal("too many others change the deployment"))
    }

    /// Takes a job away that has nothing to do any more.
    async fn over(&self, scope: &Scope, job: &Job) -> Result<(), OperationError> {
        done(Tx::new(self, scope.clone()), job).await.map(drop)
    }
}

/// Commits what a step did with the end of its job; false where it has to be decided anew.
async fn done(mut tx: Tx<'_>, job: &Job) -> Result<bool, OperationError> {
    tx.batch.complete(job);
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(OperationError::internal(error)),
    }
}

fn provisioned(made: &Made) -> ProvisionedResource {
    let engine = ProvisionedResourceEngine::ALL.iter().copied().find(|engine| engine.as_str() == made.engine);
    ProvisionedResource {
        identifier: Some(made.identifier.clone()),
        name: Some(made.name.clone()),
        provisioning_engine: engine,
    }
}

fn text(payload: &Document, name: &str) -> String {
    payload.get(name).and_then(Document::as_str).unwrap_or_default().to_owned()
}
