//! The jobs of syncs: one for each configuration, which waits in the store for the next look.

use std::collections::BTreeSet;

use standin_core::{Dice, OperationError};
use standin_model::Timestamp;
use standin_store::jobs::{self, Job, JobState};
use standin_store::{Scan, Selector, Space, StoreError};

use super::super::kept::{Kept, Resource};
use super::super::repositories::RepositoryPlace;
use super::super::tx::{Scope, Tx, read};
use super::super::{ATTEMPTS_MAX, Engine, QUEUE, SERVICE as PROTON};
use super::state::Turn;
use super::{service, template};
use crate::types::*;

/// The kind of the jobs that look for changed templates; they are for the key of a configuration.
pub const TEMPLATE: &str = "sync-template";
/// The kind of the jobs that look for changed services; they are for the name of one.
pub const SERVICE: &str = "sync-service";
/// Rows that are read in one go.
const PAGE: usize = 256;

fn turn_key(kind: &str, of: &str) -> String {
    format!("{kind}/{of}")
}

/// What is looked at is looked at now. `again` also has tried anew what failed, and set right what was changed by hand.
pub async fn start(tx: &mut Tx<'_>, kind: &str, of: &str, again: bool) -> Result<(), OperationError> {
    let key = turn_key(kind, of);
    let mut turn = match tx.find::<Turn>(&key).await? {
        Some(kept) => kept.value,
        None => Turn { key, partition: tx.scope.partition.clone(), ..Turn::default() },
    };
    turn.latest = tx.id();
    if again || turn.again.is_empty() {
        turn.again.clone_from(&turn.latest);
    }
    tx.put(&Kept::new(turn));
    let (table, key) = (jobs::table(QUEUE), tx.job_key(kind, of));
    let row = tx.engine.store.get(&table, &key).await.map_err(OperationError::internal)?;
    let Some(row) = row else {
        tx.enqueue(kind, of, of, 0);
        return Ok(());
    };
    let job = Job::from_row(&table, &row).map_err(OperationError::internal)?;
    let now = tx.now().as_millis();
    // One that is under way sees the turn at its end, and goes on.
    if !matches!(job.state, JobState::Running { .. })
        && (job.due_ms > now || matches!(job.state, JobState::Dead { .. }))
    {
        tx.batch.reschedule(&job, now);
    }
    Ok(())
}

/// Ends looking: the job finds nothing to look at.
pub fn forget(tx: &mut Tx<'_>, kind: &str, of: &str) {
    tx.delete::<Turn>(&turn_key(kind, of));
}

pub async fn turn_of(tx: &mut Tx<'_>, kind: &str, of: &str) -> Result<Option<Turn>, OperationError> {
    Ok(tx.find::<Turn>(&turn_key(kind, of)).await?.map(|kept| kept.value))
}

/// Something of a service has come to an end: its sync may have waited for that.
pub async fn settled(tx: &mut Tx<'_>, service: &str) -> Result<(), OperationError> {
    if tx.find::<ServiceSyncConfig>(service).await?.is_some() {
        start(tx, SERVICE, service, false).await?;
    }
    Ok(())
}

/// Ends a look: the next one comes after a time, or at the next turn. False where somebody else was faster.
pub async fn rest(mut tx: Tx<'_>, job: &Job) -> Result<bool, OperationError> {
    let due = tx.now().as_millis().saturating_add(tx.engine.sync.poll_ms());
    tx.batch.reschedule(job, due);
    committed(tx).await
}

/// Ends looking for ever.
pub async fn end(mut tx: Tx<'_>, job: &Job) -> Result<bool, OperationError> {
    tx.batch.complete(job);
    committed(tx).await
}

/// False where it has to be decided anew.
pub async fn committed(tx: Tx<'_>) -> Result<bool, OperationError> {
    match tx.commit().await {
        Ok(()) => Ok(true),
        Err(StoreError::Conflict) => Ok(false),
        Err(error) => Err(OperationError::internal(error)),
    }
}

/// Whether somebody else has the job now: its lease has run out.
pub async fn is_lost(engine: &Engine, job: &Job) -> Result<bool, OperationError> {
    let row = engine.store.get(&jobs::table(QUEUE), &job.key).await.map_err(OperationError::internal)?;
    Ok(row.is_none_or(|row| row.version != job.version))
}

pub fn is_sync(kind: &str) -> bool {
    matches!(kind, TEMPLATE | SERVICE)
}

impl Engine {
    /// One look at the repository of a configuration.
    pub(in crate::engine) async fn sync_step(&self, scope: &Scope, job: &Job, of: &str) -> Result<(), OperationError> {
        match &*job.kind {
            SERVICE => service::look(self, scope, job, of).await,
            _ => match of.split_once('/') {
                Some(("SERVICE", name)) => template::look::<true>(self, scope, job, name).await,
                Some((_, name)) => template::look::<false>(self, scope, job, name).await,
                None => end(Tx::new(self, scope.clone()), job).await.map(drop),
            },
        }
    }

    /// Looks at once for all that follows a repository: somebody has pushed to it. `repository` is `owner/name`; without branches
    /// all are looked at. How many there were, in all accounts and regions.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn pushed(
        &self,
        repository: &str,
        branches: Option<&[String]>,
        now: Timestamp,
        dice: Dice,
    ) -> Result<usize, OperationError> {
        let is = |name: &str| name.eq_ignore_ascii_case(repository);
        let mut count = 0;
        for (space, kind, of) in self
            .followers(
                |config| is(&config.repository_name) && branches.is_none_or(|all| all.contains(&config.branch)),
                // Its specs may be on other branches than its ops file.
                |config| is(&config.repository_name),
            )
            .await?
        {
            count += usize::from(self.start_in(&space, kind, &of, now, dice).await?);
        }
        Ok(count)
    }

    /// Lets all that follows a repository have its job: what an older version has kept, or a saved state brought along, has none.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn resume_syncs(&self, now: Timestamp, dice: Dice) -> Result<(), OperationError> {
        for (space, kind, of) in self.followers(|_| true, |_| true).await? {
            let table = jobs::table(QUEUE);
            let job =
                self.store.get(&table, &format!("{space}/{kind}/{of}")).await.map_err(OperationError::internal)?;
            if job.is_none() {
                self.start_in(&space, kind, &of, now, dice).await?;
            }
        }
        Ok(())
    }

    /// The configurations of all accounts and regions that are wanted: kind and subject of their jobs.
    async fn followers(
        &self,
        templates: impl Fn(&TemplateSyncConfig) -> bool + Send + Sync,
        services: impl Fn(&ServiceSyncConfig) -> bool + Send + Sync,
    ) -> Result<BTreeSet<(Space, &'static str, String)>, OperationError> {
        let selector = Selector { service: Some(PROTON.into()), ..Selector::default() };
        let mut found = BTreeSet::new();
        for table in self.store.tables(&selector).await.map_err(OperationError::internal)? {
            let template = &*table.name == TemplateSyncConfig::TABLE;
            if !template && &*table.name != ServiceSyncConfig::TABLE {
                continue;
            }
            let mut after: Option<std::sync::Arc<str>> = None;
            loop {
                let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
                let rows = self.store.scan(&table, scan).await.map_err(OperationError::internal)?;
                after = rows.last().map(|row| row.key.clone());
                for row in &rows {
                    // Its rows are its own: one that cannot be read holds no other up.
                    if template {
                        let kept = read::<TemplateSyncConfig>(&row.body).ok();
                        if kept.is_some_and(|kept| templates(&kept.value)) {
                            found.insert((table.space.clone(), TEMPLATE, row.key.to_string()));
                        }
                    } else if read::<ServiceSyncConfig>(&row.body).is_ok_and(|kept| services(&kept.value)) {
                        found.insert((table.space.clone(), SERVICE, row.key.to_string()));
                    }
                }
                if rows.len() < PAGE {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Whether there was something to start.
    async fn start_in(
        &self,
        space: &Space,
        kind: &str,
        of: &str,
        now: Timestamp,
        dice: Dice,
    ) -> Result<bool, OperationError> {
        for attempt in 0..ATTEMPTS_MAX {
            let mut scope = Scope {
                partition: "aws".into(),
                account: space.account.to_string(),
                region: space.region.to_string(),
                now,
                dice,
                nonce: format!("push/{kind}/{of}/{attempt}/{}", self.pushes()),
            };
            let mut tx = Tx::new(self, scope.clone());
            let there = match kind {
                SERVICE => tx.find::<ServiceSyncConfig>(of).await?.is_some(),
                _ => tx.find::<TemplateSyncConfig>(of).await?.is_some(),
            };
            if !there {
                return Ok(false);
            }
            if let Some(turn) = turn_of(&mut tx, kind, of).await? {
                scope.partition = turn.partition;
                tx.scope = scope;
            }
            start(&mut tx, kind, of, false).await?;
            if committed(tx).await? {
                return Ok(true);
            }
        }
        Err(OperationError::internal("too many others change the sync"))
    }
}

/// The transactions of one look, each with draws of its own.
pub struct Rounds<'l> {
    pub engine: &'l Engine,
    scope: &'l Scope,
    turn: String,
    count: u32,
}

impl<'l> Rounds<'l> {
    pub fn new(engine: &'l Engine, scope: &'l Scope) -> Self {
        Self { engine, scope, turn: String::new(), count: 0 }
    }

    /// What is drawn from now on is for this turn: looks may come at the same time of a clock that stands still.
    pub fn take(&mut self, turn: &Turn) {
        self.turn.clone_from(&turn.latest);
    }

    pub fn next(&mut self) -> Tx<'l> {
        self.count += 1;
        let mut scope = self.scope.clone();
        scope.nonce = format!("{}/{}/{}", scope.nonce, self.turn, self.count);
        Tx::new(self.engine, scope)
    }

    pub fn place(&self, provider: RepositoryProvider, name: &str) -> RepositoryPlace {
        let Scope { account, region, .. } = self.scope;
        RepositoryPlace { account: account.clone(), region: region.clone(), provider, name: name.to_owned() }
    }
}

/// What is found at the tip of a branch, or why nothing is.
pub fn tip(head: Result<Option<String>, String>, repository: &str, branch: &str) -> Result<String, String> {
    head?.ok_or_else(|| format!("Repository {repository} has no branch {branch}."))
}

/// How syncs look at repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncOptions {
    /// How often, without being told of a push.
    pub poll: std::time::Duration,
    /// Whether what template sync registers is published at once.
    pub publish: bool,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self { poll: std::time::Duration::from_secs(30), publish: false }
    }
}

impl SyncOptions {
    pub(in crate::engine) fn poll_ms(self) -> i64 {
        i64::try_from(self.poll.as_millis()).unwrap_or(i64::MAX / 4).max(100)
    }
}
