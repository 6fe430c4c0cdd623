//! Proton's 87 operations over a store.
//!
//! # Invariants
//! - An operation is one batch of the store: it decides by rows whose versions are checked when it commits, and decides
//!   anew where another was faster.
//! - Work that takes time is a job. A job can be done twice, killed between steps and resumed by another process: what it
//!   changes, and that it is done, are one batch.
//! - The time is always that of the caller's clock.

mod account;
pub mod adopt;
mod answer;
mod bundles;
mod components;
mod connections;
mod deployments;
mod environments;
mod errors;
pub mod events;
mod index;
mod instances;
mod kept;
mod order;
pub mod placed;
pub mod provision;
pub mod repositories;
mod services;
mod sync;
mod tags;
mod templates;
mod tx;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use standin_core::{Answer, BoxFuture, Call, CallContext, Fidelity, Handler, OperationError};
use standin_model::{Document, Operation, Service};
use standin_store::{Store, StoreError};
use tokio::sync::watch;

use crate::types::{Input, OPERATIONS};
use provision::{BundleSource, Provisioner};
use repositories::{NoRepositories, Repositories};
pub use sync::jobs::SyncOptions;
pub use tx::Scope;

/// The catalogue's id of the service.
pub const SERVICE: &str = "proton";
/// The queue of its jobs.
pub const QUEUE: &str = "proton";
/// How often an operation decides anew before it gives up.
const ATTEMPTS_MAX: usize = 32;

/// How much there may be, per account and region. The defaults are AWS's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Of both types together.
    pub templates: usize,
    /// Per template.
    pub versions: usize,
    pub environments: usize,
    pub services: usize,
    /// Per service.
    pub instances: usize,
    pub components: usize,
    /// Per environment account.
    pub connections: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            templates: 100,
            versions: 500,
            environments: 100,
            services: 1000,
            instances: 20,
            components: 100,
            connections: 5,
        }
    }
}

/// Proton, for all accounts and regions.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bundles: Arc<dyn BundleSource>,
    pub(crate) provisioner: Arc<dyn Provisioner>,
    pub(crate) repositories: Arc<dyn Repositories>,
    pub(crate) sync: SyncOptions,
    /// How often this process was told of pushes.
    pushes: AtomicU64,
    pub(crate) quotas: Quotas,
    /// How long a deployment shows IN_PROGRESS before anything is provisioned.
    delay: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// After a restart, the same request comes under the same nonce once more, and is another.
    run: u64,
    told: watch::Sender<u64>,
    read: bundles::ReadBundles,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("quotas", &self.quotas).finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(
        store: Arc<dyn Store>,
        bundles: Arc<dyn BundleSource>,
        provisioner: Arc<dyn Provisioner>,
        quotas: Quotas,
    ) -> Self {
        Self {
            store,
            bundles,
            provisioner,
            repositories: Arc::new(NoRepositories),
            sync: SyncOptions::default(),
            pushes: AtomicU64::new(0),
            quotas,
            delay: Arc::new(|| Duration::ZERO),
            run: 0,
            told: watch::Sender::new(0),
            read: bundles::ReadBundles::default(),
        }
    }

    /// Where linked repositories are read.
    #[must_use]
    pub fn with_repositories(mut self, repositories: Arc<dyn Repositories>) -> Self {
        self.repositories = repositories;
        self
    }

    /// How syncs look at repositories.
    #[must_use]
    pub fn with_sync(mut self, sync: SyncOptions) -> Self {
        self.sync = sync;
        self
    }

    /// A number that no other push has.
    pub(crate) fn pushes(&self) -> u64 {
        self.pushes.fetch_add(1, Ordering::Relaxed)
    }

    /// Lets deployments and registrations wait before they begin, as long as `delay` says when they are made.
    #[must_use]
    pub fn with_delay(mut self, delay: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.delay = Arc::new(delay);
        self
    }

    pub(crate) fn delay_ms(&self) -> i64 {
        i64::try_from((self.delay)().as_millis()).unwrap_or(i64::MAX)
    }

    /// What tells the ids that are drawn from now on from those of an earlier run over the same store.
    #[must_use]
    pub fn with_run(mut self, run: u64) -> Self {
        self.run = run;
        self
    }

    /// Changes whenever this process has told the event log of something.
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }

    pub(crate) fn told(&self) {
        self.told.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Lets an environment and all in it be deleted without the account that it is in, whose connection is gone.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where no environment has that ARN, and `ConflictException` where its account can be
    /// reached.
    pub async fn abandon(&self, scope: &Scope, arn: &str) -> Result<(), OperationError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = tx::Tx::new(self, scope.clone());
            let Some(tags::Named::Environment(name)) = tags::named(&tx, arn) else {
                return Err(errors::not_found("Environment", arn));
            };
            connections::abandon(&mut tx, &name).await?;
            match tx.commit().await {
                Ok(()) => return Ok(()),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(errors::conflict("The environment is being changed by too many others; try again."))
    }

    /// Answers an operation. The input has passed the constraints of its shape.
    ///
    /// # Errors
    /// The errors that the operation models, and internal ones where the store fails.
    pub async fn call(&self, scope: &Scope, operation: &str, input: &Document) -> Result<Document, OperationError> {
        let typed = Input::read(operation, input).ok_or_else(|| {
            OperationError::new(standin_core::codes::UNKNOWN_OPERATION, format!("Proton has no operation {operation}."))
        })?;
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = tx::Tx::new(self, scope.clone()).asked(operation, input);
            let output = answer::answer(&mut tx, &typed, input).await?;
            match tx.commit().await {
                Ok(()) => return Ok(output),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(errors::conflict("The resource is being changed by too many others; try again."))
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

fn scope(context: &CallContext) -> Scope {
    Scope {
        partition: context.partition.to_owned(),
        account: context.account.to_string(),
        region: context.region.to_string(),
        now: context.now,
        dice: context.dice,
        nonce: context.request_id.to_string(),
    }
}

#[cfg(test)]
mod tests;
