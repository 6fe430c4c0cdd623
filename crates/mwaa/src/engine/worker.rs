//! The jobs: environments on their way from one status to the next.

use standin_core::{Dice, OperationError, Place, Twist};
use standin_model::{Document, Timestamp};
use standin_store::jobs::{Backoff, Claim, Job};
use standin_store::{Batch, StoreError};

use super::{ATTEMPTS_MAX, Engine, Kept, QUEUE, Scope, defaults};
use crate::runtime::{Contents, Progress};
use crate::types::{EndpointManagement, EnvironmentStatus, UpdateError, UpdateStatus};

/// Claims after which a job is left alone: only where its owners die with it. The worker gives up far earlier.
pub(super) const CLAIMS_MAX: u32 = 1000;
/// How long a worker has for one step before another may take it over.
const LEASE_MS: i64 = 60_000;
/// Jobs that are claimed in one go.
const CLAIMED: usize = 16;
/// How often a step is tried that fails within standin.
const TRIES_MAX: u32 = 10;
const BACKOFF: Backoff = Backoff { first_ms: 500, most_ms: 30_000 };
/// How often it is looked whether a customer's endpoints are there.
const ENDPOINTS_MS: i64 = 1000;
/// How long they are waited for: three days.
const ENDPOINTS_MS_MAX: i64 = 72 * 60 * 60 * 1000;

/// Where a step leaves an environment.
enum Next {
    /// In a status that lasts; there is nothing more to do.
    Rest,
    /// On its way: to be looked at again after so many milliseconds.
    After(i64),
    /// Nowhere: its row goes.
    Forget,
}

impl Engine {
    /// Does the jobs that are due, one step each; how many there were. `owner` names the process and worker.
    ///
    /// # Errors
    /// Where the store fails. What was under way is taken up again when its lease has ended.
    pub async fn work(&self, now: Timestamp, dice: Dice, owner: &str) -> Result<usize, StoreError> {
        let claim = Claim { queue: QUEUE, owner, now_ms: now.as_millis(), lease_ms: LEASE_MS, limit: CLAIMED };
        let jobs = self.store.claim(claim).await?;
        for job in &jobs {
            let scope = Scope {
                place: Place {
                    partition: text(&job.payload, "partition"),
                    account: job.space.account.to_string(),
                    region: job.space.region.to_string(),
                    access_key: None,
                    now,
                },
                dice,
                nonce: format!("{}/{}", job.key, job.attempts),
                base_url: String::new(),
                twist: None,
            };
            if let Err(error) = self.step(&scope, job).await {
                tracing::warn!(%error, job = &*job.key, "a step of an environment failed");
                let mut batch = Batch::default();
                batch.fail(job, now.as_millis(), error.to_string(), BACKOFF);
                match self.store.commit(batch).await {
                    // Another has taken the job over.
                    Ok(_) | Err(StoreError::Conflict) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(jobs.len())
    }

    /// One step of an environment, and the end of the job, as one batch.
    async fn step(&self, scope: &Scope, job: &Job) -> Result<(), OperationError> {
        let name = text(&job.payload, "name");
        let turn = job.payload.get("turn").and_then(Document::as_i64);
        for _ in 0..ATTEMPTS_MAX {
            let table = scope.environments();
            let row = self.store.get(&table, &name).await.map_err(OperationError::internal)?;
            let mut batch = Batch::default();
            if let Some(row) = &row {
                let mut kept = Kept::from_row(row)?;
                if Some(kept.turn) == turn {
                    let next = match self.advance(scope, &mut kept).await {
                        Ok(next) => next,
                        Err(error) if job.attempts >= TRIES_MAX => give_up(&mut kept, &error.to_string()),
                        Err(error) => return Err(error),
                    };
                    match next {
                        Next::Rest => self.put(scope, &mut batch, kept, Some(row.version), None),
                        Next::After(ms) => self.put(scope, &mut batch, kept, Some(row.version), Some(ms)),
                        Next::Forget => {
                            batch.check(&table, name.as_str(), Some(row.version)).delete(&table, name.as_str());
                        }
                    }
                    if matches!(next, Next::Forget) {
                        self.drop_metrics(scope, &mut batch, &name).await?;
                    }
                }
            }
            batch.complete(job);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(()),
                Err(StoreError::Conflict) => {
                    // Where the lease is lost, it is another's.
                    let jobs = standin_store::jobs::table(QUEUE);
                    let mine = self.store.get(&jobs, &job.key).await.map_err(OperationError::internal)?;
                    if mine.is_none_or(|row| row.version != job.version) {
                        return Ok(());
                    }
                }
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(OperationError::internal("too many others change the environment"))
    }

    /// What the status of an environment asks for.
    async fn advance(&self, scope: &Scope, kept: &mut Kept) -> Result<Next, OperationError> {
        use EnvironmentStatus as Status;
        let status = kept.status();
        let moving = matches!(status, Status::Creating | Status::Updating | Status::Deleting);
        match kept.twist.filter(|_| moving) {
            Some(Twist::Stuck) => return Ok(Next::Rest),
            Some(Twist::Failed) => {
                kept.twist = None;
                return Ok(self.failed(kept, "INTERNAL_ERROR", "A fault rule let this fail."));
            }
            None => {}
        }
        let target = self.target(&scope.place, scope.dice, kept);
        match status {
            Status::Creating => {
                if kept.environment.endpoint_management == Some(EndpointManagement::Customer) && !kept.connected {
                    kept.set_status(Status::Pending);
                    return Ok(Next::After(ENDPOINTS_MS));
                }
                self.make_log_groups(scope, kept).await?;
                let progress = match self.runtime.prepare(&target).await {
                    Progress::Done => self.runtime.start(&target).await,
                    other => other,
                };
                Ok(self.settled(kept, progress))
            }
            Status::Pending => Ok(self.connect(scope, kept).await),
            Status::CreatingSnapshot => {
                kept.set_status(Status::Updating);
                Ok(Next::After(self.pace_ms()))
            }
            Status::Updating => {
                self.make_log_groups(scope, kept).await?;
                let progress = match self.runtime.prepare(&target).await {
                    Progress::Done => self.runtime.update(&target).await,
                    other => other,
                };
                Ok(self.settled(kept, progress))
            }
            Status::RollingBack => {
                let progress = self.runtime.update(&target).await;
                Ok(match progress {
                    Progress::Working { again_after_ms } => Next::After(again_after_ms.max(1)),
                    Progress::Done => {
                        kept.set_status(Status::UpdateFailed);
                        Next::Rest
                    }
                    Progress::Failed { .. } => {
                        kept.set_status(Status::Unavailable);
                        Next::Rest
                    }
                })
            }
            Status::Deleting => {
                let progress = self.runtime.stop(&target).await;
                Ok(self.settled(kept, progress))
            }
            _ => Ok(Next::Rest),
        }
    }

    /// What the end of a step makes of an environment.
    fn settled(&self, kept: &mut Kept, progress: Progress) -> Next {
        use EnvironmentStatus as Status;
        match progress {
            Progress::Working { again_after_ms } => Next::After(again_after_ms.max(1)),
            Progress::Failed { code, message } => self.failed(kept, &code, &message),
            // Nobody ever sees DELETED: clients wait until there is nothing to read, and take another status for a failure.
            Progress::Done if kept.status() == Status::Deleting => Next::Forget,
            Progress::Done => {
                kept.set_status(Status::Available);
                kept.before = None;
                kept.contents_before = Contents::default();
                kept.twist = None;
                kept.last_update().status = Some(UpdateStatus::Success);
                Next::Rest
            }
        }
    }

    /// What a failure makes of an environment.
    fn failed(&self, kept: &mut Kept, code: &str, message: &str) -> Next {
        use EnvironmentStatus as Status;
        tracing::info!(
            environment = kept.name(),
            status = kept.status().as_str(),
            code,
            message,
            "an environment failed"
        );
        let status = kept.status();
        if let (Status::Updating, Some(before)) = (status, kept.before.take()) {
            let update = kept.environment.last_update.take();
            // What is not of the update stays: tags may have come meanwhile.
            let tags = kept.environment.tags.take();
            kept.environment = crate::types::Environment { last_update: update, tags, ..before };
            kept.contents = std::mem::take(&mut kept.contents_before);
        }
        fail(kept, code, message);
        kept.set_status(match status {
            Status::Updating => Status::RollingBack,
            Status::Creating => Status::CreateFailed,
            _ => Status::Unavailable,
        });
        kept.twist = None;
        if status == Status::Updating { Next::After(self.pace_ms()) } else { Next::Rest }
    }

    /// Looks for the endpoints that a customer makes, who manages them.
    async fn connect(&self, scope: &Scope, kept: &mut Kept) -> Next {
        let environment = &kept.environment;
        let services = [&environment.webserver_vpc_endpoint_service, &environment.database_vpc_endpoint_service];
        let services: Vec<String> = services.into_iter().flatten().cloned().collect();
        if self.neighbours.has_endpoints(&scope.place, &services).await {
            kept.connected = true;
            kept.set_status(EnvironmentStatus::Creating);
            return Next::After(self.pace_ms());
        }
        let created_ms = kept.environment.created_at.map_or(0, Timestamp::as_millis);
        if scope.now().as_millis() - created_ms < ENDPOINTS_MS_MAX {
            return Next::After(ENDPOINTS_MS);
        }
        fail(kept, "INCORRECT_CONFIGURATION", "The VPC endpoints of the environment were not made within 72 hours.");
        kept.set_status(EnvironmentStatus::CreateFailed);
        Next::Rest
    }

    async fn make_log_groups(&self, scope: &Scope, kept: &Kept) -> Result<(), OperationError> {
        for group in defaults::log_groups(&kept.environment) {
            self.neighbours.make_log_group(&scope.place, &group).await?;
        }
        Ok(())
    }
}

pub(super) fn fail(kept: &mut Kept, code: &str, message: &str) {
    /// Of the model, in characters.
    const MESSAGE_CHARS_MAX: usize = 1024;
    let last = kept.last_update();
    last.status = Some(UpdateStatus::Failed);
    last.error = Some(UpdateError {
        error_code: Some(code.to_owned()),
        error_message: Some(message.chars().take(MESSAGE_CHARS_MAX).collect()),
    });
}

/// Ends what failed within standin again and again: nothing is on its way for ever.
fn give_up(kept: &mut Kept, reason: &str) -> Next {
    use EnvironmentStatus as Status;
    fail(kept, "INTERNAL_ERROR", reason);
    kept.set_status(if kept.status() == Status::Creating { Status::CreateFailed } else { Status::Unavailable });
    Next::Rest
}

fn text(payload: &Document, name: &str) -> String {
    payload.get(name).and_then(Document::as_str).unwrap_or_default().to_owned()
}
