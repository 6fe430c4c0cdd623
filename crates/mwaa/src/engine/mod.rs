//! MWAA's 12 operations over a store.
//!
//! # Invariants
//! - An operation is one batch of the store: it decides by rows whose versions are checked when it commits, and decides anew where
//!   another was faster.
//! - What takes time is a job, whose every step is one batch with the end of the step. It can be done twice and be taken up by
//!   another process.
//! - The time is always that of the caller's clock.

mod create;
mod defaults;
mod kept;
mod metrics;
mod rest;
mod roles;
mod rules;
mod tags;
mod tokens;
mod update;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{Answer, Arn, BoxFuture, Call, CallContext, Dice, Fidelity, Handler, OperationError, Place, codes};
use standin_model::{Document, Fields, Operation, Service, Timestamp};
use standin_store::jobs::NewJob;
use standin_store::{Batch, Scan, Selector, Space, Store, StoreError, Table};
use standin_typed::Shape as _;

use crate::neighbours::Neighbours;
use crate::paging::Listing;
use crate::runtime::{Progress, Runtime, Target};
use crate::types::{
    DeleteEnvironmentOutput, EnvironmentStatus, GetEnvironmentOutput, Input, ListEnvironmentsInput,
    ListEnvironmentsOutput, OPERATIONS, UpdateStatus,
};
pub use kept::Kept;

/// The catalogue's id of the service.
pub const SERVICE: &str = "mwaa";
/// The queue of its jobs.
pub const QUEUE: &str = "mwaa";
/// How often an operation decides anew before it gives up.
const ATTEMPTS_MAX: usize = 32;
/// Rows that are read in one go.
const PAGE: usize = 256;
/// The names of a list, where the caller does not say how many.
const LISTED: i64 = 25;

/// MWAA, for all accounts and regions.
pub struct Engine {
    store: Arc<dyn Store>,
    neighbours: Neighbours,
    runtime: Arc<dyn Runtime>,
    /// How long a status lasts on the way to another.
    pace: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("runtime", &self.runtime.name()).finish_non_exhaustive()
    }
}

/// Where and when an operation happens, and who asks.
#[derive(Clone, Debug)]
pub struct Scope {
    pub place: Place,
    pub dice: Dice,
    /// What makes its draws its own: the id of the request or the key of the job.
    pub nonce: String,
    /// How the caller reached standin: [`CallContext::base_url`].
    pub base_url: String,
    /// What a fault rule makes of the transition that the call begins.
    pub twist: Option<standin_core::Twist>,
}

impl Scope {
    pub fn now(&self) -> Timestamp {
        self.place.now
    }

    fn space(&self) -> Space {
        Space::new(&self.place.account, &self.place.region, SERVICE)
    }

    fn environments(&self) -> Table {
        self.space().table(kept::TABLE)
    }

    pub(crate) fn arn(&self, service: &str, resource: &str) -> String {
        let Place { partition, account, region, .. } = &self.place;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// Draws for one purpose of this call.
    pub(crate) fn draw(&self, purpose: &str) -> standin_core::Draw {
        let mut key = self.dice.key("mwaa");
        // Request ids come again after a restart; the time does not.
        key.text(purpose).text(&self.nonce).text(&self.place.account).number(self.now().as_millis().cast_unsigned());
        key.draw()
    }
}

/// What an operation answers, and what is to be committed first.
pub(crate) type Decided = (Document, Batch);

impl Engine {
    pub fn new(store: Arc<dyn Store>, neighbours: Neighbours, runtime: Arc<dyn Runtime>) -> Self {
        Self { store, neighbours, runtime, pace: Arc::new(|| Duration::ZERO) }
    }

    /// Lets each status on the way to another last as long as `pace` says when it begins.
    #[must_use]
    pub fn with_pace(mut self, pace: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.pace = Arc::new(pace);
        self
    }

    pub fn runtime(&self) -> &dyn Runtime {
        &*self.runtime
    }

    fn pace_ms(&self) -> i64 {
        i64::try_from((self.pace)().as_millis()).unwrap_or(i64::MAX)
    }

    /// Answers an operation. The input has passed the constraints of its shape.
    ///
    /// # Errors
    /// The errors that the operation models, and internal ones where the store fails.
    pub async fn call(&self, scope: &Scope, operation: &str, input: &Document) -> Result<Document, OperationError> {
        let typed = Input::read(operation, input).ok_or_else(|| {
            OperationError::new(codes::UNKNOWN_OPERATION, format!("MWAA has no operation {operation}."))
        })?;
        for _ in 0..ATTEMPTS_MAX {
            let (output, batch) = self.decide(scope, &typed).await?;
            if batch.is_empty() {
                return Ok(output);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(output),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(validation("The environment is being changed by too many others; try again."))
    }

    async fn decide(&self, scope: &Scope, input: &Input) -> Result<Decided, OperationError> {
        match input {
            Input::CreateEnvironment(input) => self.create(scope, input).await,
            Input::UpdateEnvironment(input) => self.update(scope, input).await,
            Input::DeleteEnvironment(input) => self.delete(scope, &input.name).await,
            Input::GetEnvironment(input) => self.get(scope, &input.name).await,
            Input::ListEnvironments(input) => self.list(scope, input).await,
            Input::TagResource(input) => self.tag(scope, input).await,
            Input::UntagResource(input) => self.untag(scope, input).await,
            Input::ListTagsForResource(input) => self.tags(scope, &input.resource_arn).await,
            Input::CreateCliToken(input) => self.cli_token(scope, &input.name).await,
            Input::CreateWebLoginToken(input) => self.web_token(scope, &input.name).await,
            Input::InvokeRestApi(input) => self.invoke(scope, input).await,
            Input::PublishMetrics(input) => self.publish(scope, input).await,
        }
    }

    /// The environment of a name, with the version of its row.
    async fn find(&self, scope: &Scope, name: &str) -> Result<Option<(Kept, u64)>, OperationError> {
        let row = self.store.get(&scope.environments(), name).await.map_err(OperationError::internal)?;
        row.map(|row| Ok((Kept::from_row(&row)?, row.version))).transpose()
    }

    /// The environment of a name.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where there is none.
    async fn existing(&self, scope: &Scope, name: &str) -> Result<(Kept, u64), OperationError> {
        self.find(scope, name).await?.ok_or_else(|| not_found(name))
    }

    async fn get(&self, scope: &Scope, name: &str) -> Result<Decided, OperationError> {
        let (kept, _) = self.existing(scope, name).await?;
        let mut environment = kept.environment.clone();
        // A name leads nowhere before the web server is there.
        environment.webserver_url =
            kept.has_web_server().then(|| crate::host::of(&kept.id, &scope.place.region, &scope.base_url));
        Ok((GetEnvironmentOutput { environment: Some(environment) }.write(), Batch::default()))
    }

    async fn list(&self, scope: &Scope, input: &ListEnvironmentsInput) -> Result<Decided, OperationError> {
        let wanted = usize::try_from(input.max_results.unwrap_or(LISTED)).unwrap_or(PAGE);
        let (table, token) = (scope.environments(), input.next_token.as_deref());
        let listing = Listing { table: &table, prefix: "", token, wanted };
        let page = listing.page(&*self.store, |_| true).await?;
        let page = page.ok_or_else(|| validation("Invalid NextToken: it was not returned by ListEnvironments"))?;
        let environments = page.rows.iter().map(|row| row.key.to_string()).collect();
        let output = ListEnvironmentsOutput { environments, next_token: page.next_token };
        Ok((output.write(), Batch::default()))
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<Decided, OperationError> {
        let (mut kept, version) = self.existing(scope, name).await?;
        let status = kept.status();
        // One that waits for its customer's endpoints may be given up.
        if rules::is_busy(status) {
            return Err(rules::busy(status));
        }
        kept.set_status(EnvironmentStatus::Deleting);
        kept.twist = scope.twist;
        let mut batch = Batch::default();
        self.put(scope, &mut batch, kept, Some(version), Some(self.pace_ms()));
        Ok((DeleteEnvironmentOutput {}.write(), batch))
    }

    /// Writes an environment, and lets a worker look at it after a while where it is on its way.
    fn put(&self, scope: &Scope, batch: &mut Batch, mut kept: Kept, version: Option<u64>, after_ms: Option<i64>) {
        let (table, name) = (scope.environments(), kept.name().to_owned());
        if let Some(after_ms) = after_ms {
            kept.turn += 1;
            let space = scope.space();
            let mut payload = Fields::with_capacity(3);
            payload.push("partition", scope.place.partition.clone());
            payload.push("name", name.clone());
            payload.push("turn", kept.turn);
            batch.enqueue(NewJob {
                queue: QUEUE.into(),
                // A job that is running keeps its key, so the next one needs another.
                key: format!("{space}/{}/{}", kept.id, kept.turn).into(),
                kind: "environment".into(),
                space,
                payload: Document::Map(payload),
                run_at_ms: scope.now().as_millis().saturating_add(after_ms),
                attempts_max: worker::CLAIMS_MAX,
            });
        }
        batch.check(&table, name.as_str(), version);
        batch.put(&table, name.as_str(), kept.body(), kept.index());
    }

    /// Finds the environment whose web server has an id, wherever it is.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn by_id(&self, id: &str) -> Result<Option<(Space, Kept)>, OperationError> {
        let ours = Selector { service: Some(SERVICE.to_owned()), ..Selector::all() };
        let tables = self.store.tables(&ours).await.map_err(OperationError::internal)?;
        for table in tables.iter().filter(|table| &*table.name == kept::TABLE) {
            let rows = self.store.find(table, kept::BY_ID, id, None, 1).await.map_err(OperationError::internal)?;
            if let Some(row) = rows.first() {
                return Ok(Some((table.space.clone(), Kept::from_row(row)?)));
            }
        }
        Ok(None)
    }

    /// Whether anything runs that [`Self::look_after`] has to look after.
    pub fn is_watched(&self) -> bool {
        self.runtime.is_watched()
    }

    /// Looks after what runs: what should run and does not is started, as after a restart of the server; what has failed makes its
    /// environment `UNAVAILABLE`; what belongs to no environment any more is ended.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn look_after(&self, now: Timestamp, dice: Dice) -> Result<(), OperationError> {
        let ours = Selector { service: Some(SERVICE.to_owned()), ..Selector::all() };
        let tables = self.store.tables(&ours).await.map_err(OperationError::internal)?;
        let mut ids = Vec::new();
        for table in tables.iter().filter(|table| &*table.name == kept::TABLE) {
            for row in Self::rows(&*self.store, table, "").await? {
                let mut kept = Kept::from_row(&row)?;
                ids.push(kept.id.clone());
                // What is on its way has a job.
                let runs = matches!(kept.status(), EnvironmentStatus::Available | EnvironmentStatus::UpdateFailed);
                if !runs && !kept.unwell {
                    continue;
                }
                let arn = kept.environment.arn.as_deref().and_then(Arn::parse);
                let place = Place {
                    partition: arn.map_or("aws", |arn| arn.partition).to_owned(),
                    account: table.space.account.to_string(),
                    region: table.space.region.to_string(),
                    access_key: None,
                    now,
                };
                let progress = self.runtime.start(&self.target(&place, dice, &kept)).await;
                let changed = match progress {
                    Progress::Failed { code, message } if runs => {
                        tracing::warn!(environment = kept.name(), message, "an environment is not available any more");
                        worker::fail(&mut kept, &code, &message);
                        kept.set_status(EnvironmentStatus::Unavailable);
                        kept.unwell = true;
                        true
                    }
                    Progress::Done if !runs => {
                        tracing::info!(environment = kept.name(), "an environment is available again");
                        kept.set_status(EnvironmentStatus::Available);
                        let last = kept.last_update();
                        (last.status, last.error) = (Some(UpdateStatus::Success), None);
                        true
                    }
                    _ => false,
                };
                if changed {
                    let mut batch = Batch::default();
                    batch.check(table, row.key.clone(), Some(row.version));
                    batch.put(table, row.key.clone(), kept.body(), kept.index());
                    match self.store.commit(batch).await {
                        // Where it has changed meanwhile, the next look decides.
                        Ok(_) | Err(StoreError::Conflict) => {}
                        Err(error) => return Err(OperationError::internal(error)),
                    }
                }
            }
        }
        self.runtime.retain(&ids).await;
        Ok(())
    }

    /// An environment as its runtime is told of it.
    pub fn target(&self, place: &Place, dice: Dice, kept: &Kept) -> Target {
        Target {
            partition: place.partition.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            id: kept.id.clone(),
            secret: kept.secret.clone(),
            environment: kept.environment.clone(),
            contents: kept.contents.clone(),
            pace_ms: self.pace_ms(),
            now: place.now,
            dice,
        }
    }

    /// All rows of a table of a space, by the beginning of their keys.
    pub(crate) async fn rows(
        store: &dyn Store,
        table: &Table,
        prefix: &str,
    ) -> Result<Vec<standin_store::Row>, OperationError> {
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|row: &standin_store::Row| row.key.clone());
            let scan = Scan { prefix, after: after.as_deref(), limit: PAGE };
            let rows = store.scan(table, scan).await.map_err(OperationError::internal)?;
            let count = rows.len();
            found.extend(rows);
            if count < PAGE {
                return Ok(found);
            }
        }
    }
}

impl Handler for Engine {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            let scope = scope(&call.context);
            let output = self.call(&scope, call.context.operation.name, &call.input).await?;
            Ok(Answer::new(output, Fidelity::Engine))
        })
    }

    fn fidelity(&self, _: &'static Service, operation: &'static Operation) -> Fidelity {
        if OPERATIONS.binary_search(&operation.name).is_ok() { Fidelity::Engine } else { Fidelity::Synthesized }
    }
}

/// Where and when a call happens, and who asks.
pub(crate) fn scope(context: &CallContext) -> Scope {
    Scope {
        place: Place {
            partition: context.partition.to_owned(),
            account: context.account.to_string(),
            region: context.region.to_string(),
            access_key: context.access_key.clone(),
            now: context.now,
        },
        dice: context.dice,
        nonce: context.request_id.to_string(),
        base_url: context.base_url.to_string(),
        twist: context.mishap.as_ref().and_then(|mishap| mishap.transition),
    }
}

fn validation(message: impl Into<String>) -> OperationError {
    OperationError::new(codes::VALIDATION, message)
}

fn not_found(name: &str) -> OperationError {
    OperationError::new("ResourceNotFoundException", format!("Environment {name} was not found."))
}

#[cfg(test)]
mod tests;
