//! The durable job queue: work that is due at some time, done by whoever holds its lease.
//!
//! A job is a row of the store's own, so it is enqueued, completed or failed in the same [`Batch`] as the rows that its
//! work is about. Being claimed makes it due again when the lease ends: a job of an owner that died is simply claimed by
//! the next. Every claim changes the row's version, so an owner that lost its lease cannot complete the job any more:
//! its batch ends in a conflict. All times are milliseconds since 1970 of the caller's clock.

use std::sync::Arc;

use standin_model::{Document, Fields};

use crate::{Batch, IndexEntry, Range, Row, Scan, Selector, Space, Store, StoreError, Table, Write};

/// The service of the space that holds a table per queue.
const SERVICE: &str = "jobs";
/// Rows that are looked at in one go.
const PAGE: usize = 256;

/// Work to be done.
#[derive(Clone, Debug, PartialEq)]
pub struct NewJob {
    pub queue: Arc<str>,
    /// Unique in its queue: enqueued again while there is one, nothing happens.
    pub key: Arc<str>,
    /// What is to be done.
    pub kind: Arc<str>,
    /// What it belongs to. A reset of that space drops it.
    pub space: Space,
    pub payload: Document,
    pub run_at_ms: i64,
    /// How often it is tried before it is dead. At least once.
    pub attempts_max: u32,
}

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub queue: Arc<str>,
    pub key: Arc<str>,
    pub kind: Arc<str>,
    pub space: Space,
    pub payload: Document,
    pub state: JobState,
    /// When it may be claimed next: when it is to run, or when its lease ends.
    pub due_ms: i64,
    /// Claims so far.
    pub attempts: u32,
    pub attempts_max: u32,
    /// Of the row.
    pub version: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    Waiting {
        /// Why it failed the last time.
        error: Option<String>,
    },
    Running {
        owner: String,
    },
    /// Tried as often as allowed; kept for people to look at.
    Dead {
        error: String,
    },
}

/// Who wants work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim<'c> {
    pub queue: &'c str,
    /// Names the process and worker.
    pub owner: &'c str,
    pub now_ms: i64,
    pub lease_ms: i64,
    /// At most so many jobs.
    pub limit: usize,
}

/// How long a failed job rests: `first_ms`, then twice as long each time, up to `most_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    pub first_ms: i64,
    pub most_ms: i64,
}

impl Backoff {
    /// The rest after so many attempts.
    pub fn after(self, attempts: u32) -> i64 {
        let doublings = attempts.saturating_sub(1).min(62);
        self.first_ms.saturating_mul(1 << doublings).min(self.most_ms)
    }
}

/// The table of a queue.
pub fn table(queue: impl Into<Arc<str>>) -> Table {
    Space::system(SERVICE).table(queue)
}

/// Whether a write makes a job that somebody could claim.
pub(crate) fn is_enqueued(write: &Write) -> bool {
    let (Write::Put { table, body, .. } | Write::PutNew { table, body, .. }) = write else { return false };
    table.space.is_system()
        && &*table.space.service == SERVICE
        && body.get("state").and_then(Document::as_str) == Some("waiting")
}

/// A time as text that sorts as times do.
pub(crate) fn sortable(time_ms: i64) -> String {
    format!("{:016x}", time_ms.cast_unsigned() ^ 1 << 63)
}

pub(crate) fn index_of(queue: &str) -> String {
    format!("due:{queue}")
}

/// The end of the range of what is due now.
pub(crate) fn due_until(now_ms: i64) -> String {
    sortable(now_ms.saturating_add(1))
}

impl Job {
    /// Reads a job from its row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the row is none that this crate wrote.
    pub fn from_row(table: &Table, row: &Row) -> Result<Self, StoreError> {
        Self::read(table, row).ok_or_else(|| StoreError::damaged(format!("row {} of {table} as a job", row.key)))
    }

    fn read(table: &Table, row: &Row) -> Option<Self> {
        let body = row.body.as_map()?;
        let text = |name: &str| body.get(name).and_then(Document::as_str);
        let number = |name: &str| body.get(name).and_then(Document::as_i64);
        let error = text("error").map(str::to_owned);
        let state = match text("state")? {
            "waiting" => JobState::Waiting { error },
            "running" => JobState::Running { owner: text("owner")?.to_owned() },
            "dead" => JobState::Dead { error: error? },
            _ => return None,
        };
        Some(Self {
            queue: table.name.clone(),
            key: row.key.clone(),
            kind: text("kind")?.into(),
            space: Space::new(text("account")?, text("region")?, text("service")?),
            payload: body.get("payload")?.clone(),
            state,
            due_ms: number("due_ms")?,
            attempts: u32::try_from(number("attempts")?).ok()?,
            attempts_max: u32::try_from(number("attempts_max")?).ok()?,
            version: row.version,
        })
    }

    fn body(&self) -> Document {
        let mut body = Fields::with_capacity(10);
        body.push("kind", self.kind.to_string());
        body.push("account", self.space.account.to_string());
        body.push("region", self.space.region.to_string());
        body.push("service", self.space.service.to_string());
        body.push("payload", self.payload.clone());
        match &self.state {
            JobState::Waiting { error } => {
                body.push("state", "waiting");
                if let Some(error) = error {
                    body.push("error", error.clone());
                }
            }
            JobState::Running { owner } => {
                body.push("state", "running");
                body.push("owner", owner.clone());
            }
            JobState::Dead { error } => {
                body.push("state", "dead");
                body.push("error", error.clone());
            }
        }
        body.push("due_ms", self.due_ms);
        body.push("attempts", self.attempts);
        body.push("attempts_max", self.attempts_max);
        Document::Map(body)
    }

    fn index(&self) -> Arc<[IndexEntry]> {
        match self.state {
            JobState::Dead { .. } => Arc::new([]),
            _ => Arc::new([IndexEntry::new(index_of(&self.queue), sortable(self.due_ms))]),
        }
    }

    /// What a claim makes of it: running, or dead where its last allowed owner died.
    fn claimed(mut self, claim: &Claim<'_>) -> Self {
        if self.attempts >= self.attempts_max {
            let error = match &self.state {
                JobState::Running { owner } => format!("its last owner, {owner}, let the lease run out"),
                _ => "tried as often as allowed".to_owned(),
            };
            self.state = JobState::Dead { error };
            return self;
        }
        self.attempts += 1;
        self.due_ms = claim.now_ms.saturating_add(claim.lease_ms);
        self.state = JobState::Running { owner: claim.owner.to_owned() };
        self
    }
}

impl Batch {
    /// Enqueues a job, unless the queue holds one of that key.
    pub fn enqueue(&mut self, job: NewJob) -> &mut Self {
        let job = Job {
            queue: job.queue,
            key: job.key,
            kind: job.kind,
            space: job.space,
            payload: job.payload,
            state: JobState::Waiting { error: None },
            due_ms: job.run_at_ms,
            attempts: 0,
            attempts_max: job.attempts_max.max(1),
            version: 0,
        };
        self.put_new(&table(job.queue.clone()), job.key.clone(), job.body(), job.index())
    }

    /// Takes a job that was done out of its queue. Conflicts where the lease is lost.
    pub fn complete(&mut self, job: &Job) -> &mut Self {
        let table = table(job.queue.clone());
        self.check(&table, job.key.clone(), Some(job.version)).delete(&table, job.key.clone())
    }

    /// Puts a job back that failed, to be tried again after a rest, or makes it dead after its last attempt. Conflicts
    /// where the lease is lost.
    pub fn fail(&mut self, job: &Job, now_ms: i64, error: impl Into<String>, backoff: Backoff) -> &mut Self {
        let (mut job, error) = (job.clone(), error.into());
        job.state = if job.attempts >= job.attempts_max {
            JobState::Dead { error }
        } else {
            job.due_ms = now_ms.saturating_add(backoff.after(job.attempts));
            JobState::Waiting { error: Some(error) }
        };
        self.replace_job(&job)
    }

    /// Puts a job back that is not done yet, to go on at a time, or makes one that waits due at another. That is no failure:
    /// its attempts begin anew. Conflicts where somebody else was faster.
    pub fn reschedule(&mut self, job: &Job, run_at_ms: i64) -> &mut Self {
        let state = JobState::Waiting { error: None };
        self.replace_job(&Job { state, due_ms: run_at_ms, attempts: 0, ..job.clone() })
    }

    /// Prolongs the lease of a running job together with what else is written. The job's version is then that of the commit.
    pub fn prolong(&mut self, job: &Job, until_ms: i64) -> &mut Self {
        self.replace_job(&Job { due_ms: until_ms, ..job.clone() })
    }

    fn replace_job(&mut self, job: &Job) -> &mut Self {
        let table = table(job.queue.clone());
        self.check(&table, job.key.clone(), Some(job.version)).put(&table, job.key.clone(), job.body(), job.index())
    }
}

/// Prolongs the lease of a running job, whose version changes by that.
///
/// # Errors
/// [`StoreError::Conflict`] where the lease is lost: stop working.
pub async fn heartbeat(store: &dyn Store, job: &mut Job, until_ms: i64) -> Result<(), StoreError> {
    let mut batch = Batch::default();
    job.due_ms = until_ms;
    batch.replace_job(job);
    job.version = store.commit(batch).await?;
    Ok(())
}

/// The job of a key, whatever its state.
pub async fn find(store: &dyn Store, queue: &str, key: &str) -> Result<Option<Job>, StoreError> {
    let table = table(queue);
    let row = store.get(&table, key).await?;
    row.map(|row| Job::from_row(&table, &row)).transpose()
}

/// Makes all jobs of a queue that run due at once: for a process that has the store for itself, whose owners are all dead when
/// it starts. How many there were.
pub async fn release(store: &dyn Store, queue: &str, now_ms: i64) -> Result<usize, StoreError> {
    let table = table(queue);
    let mut after: Option<Arc<str>> = None;
    let mut released = 0;
    loop {
        let rows = store.scan(&table, Scan { prefix: "", after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = rows.last() else { return Ok(released) };
        after = Some(last.key.clone());
        let mut batch = Batch::default();
        for row in &rows {
            let mut job = Job::from_row(&table, row)?;
            if matches!(job.state, JobState::Running { .. }) {
                job.due_ms = job.due_ms.min(now_ms);
                batch.replace_job(&job);
                released += 1;
            }
        }
        if !batch.is_empty() {
            store.commit(batch).await?;
        }
    }
}

/// When the next job of a queue is due, running ones included.
pub async fn next_due(store: &dyn Store, queue: &str) -> Result<Option<i64>, StoreError> {
    let table = table(queue);
    let index = index_of(queue);
    let rows = store.range(&table, Range { index: &index, from: "", to: "g", limit: 1 }).await?;
    rows.first().map(|row| Job::from_row(&table, row).map(|job| job.due_ms)).transpose()
}

/// Decides what a claim makes of rows that are due: the batch, and the jobs that run if it is applied.
pub(crate) fn claim_rows(table: &Table, rows: &[Row], claim: &Claim<'_>) -> Result<(Batch, Vec<Job>), StoreError> {
    let mut batch = Batch::default();
    let mut running = Vec::new();
    for row in rows {
        let job = Job::from_row(table, row)?.claimed(claim);
        batch.replace_job(&job);
        if matches!(job.state, JobState::Running { .. }) {
            running.push(job);
        }
    }
    Ok((batch, running))
}

/// Claims job by job, each only if nobody else was faster: what a backend does that has no better way.
pub(crate) async fn claim_optimistically<S: Store + ?Sized>(
    store: &S,
    claim: &Claim<'_>,
) -> Result<Vec<Job>, StoreError> {
    let table = table(claim.queue);
    let (index, to) = (index_of(claim.queue), due_until(claim.now_ms));
    let mut claimed = Vec::new();
    loop {
        let limit = claim.limit.saturating_sub(claimed.len());
        let rows = store.range(&table, Range { index: &index, from: "", to: &to, limit }).await?;
        if rows.is_empty() {
            return Ok(claimed);
        }
        for row in &rows {
            let (batch, running) = claim_rows(&table, std::slice::from_ref(row), claim)?;
            match store.commit(batch).await {
                Ok(version) => claimed.extend(running.into_iter().map(|job| Job { version, ..job })),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Drops the jobs of the spaces that a selector picks: part of every clear.
pub(crate) async fn drop_picked<S: Store + ?Sized>(store: &S, selector: &Selector) -> Result<(), StoreError> {
    if *selector == Selector::all() {
        // Then their tables are gone as all others are.
        return Ok(());
    }
    for table in store.tables(&Selector::of(&Space::system(SERVICE))).await? {
        let mut after: Option<Arc<str>> = None;
        loop {
            let rows = store.scan(&table, Scan { prefix: "", after: after.as_deref(), limit: PAGE }).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            let mut batch = Batch::default();
            for row in &rows {
                if selector.picks(&Job::from_row(&table, row)?.space) {
                    batch.delete(&table, row.key.clone());
                }
            }
            if !batch.is_empty() {
                store.commit(batch).await?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_text() {
        let times = [i64::MIN, -1, 0, 1, 1_767_225_600_000, i64::MAX];
        assert!(times.map(sortable).is_sorted());
        assert!(sortable(i64::MAX).as_str() < "g");
    }

    #[test]
    fn rests_grow_up_to_the_most() {
        let backoff = Backoff { first_ms: 100, most_ms: 1000 };
        assert_eq!([1, 2, 3, 4, 5, 99].map(|attempts| backoff.after(attempts)), [100, 200, 400, 800, 1000, 1000]);
    }
}
