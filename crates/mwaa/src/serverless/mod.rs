//! MWAA Serverless: workflows read from YAML in S3, their versions, and runs that go on with the clock. Nothing is executed.
//!
//! # Invariants
//! - A workflow's definition is as it was when its version was made, whatever becomes of the object in S3.
//! - An operation is one batch of the store, decided anew where another was faster; only what lies in a deleted workflow goes page by
//!   page before it.

mod definition;
mod run;
mod runs;
pub mod types;
mod workflows;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{Answer, BoxFuture, Call, Fidelity, Handler, OperationError, codes};
use standin_model::{Document, Fields, Operation, Service};
use standin_store::{Row, Space, Store, StoreError, Table};

use crate::engine::{Decided, Scope, scope};
use crate::neighbours::Neighbours;
use crate::paging::{Listing, Page};
use types::{Input, OPERATIONS};

/// The catalogue's id of the service.
pub const SERVICE: &str = "mwaa-serverless";
/// Answered from the model: there is no user interface that it could lead to.
const UI_URL: &str = "CreateAirflowUiUrl";
/// How often an operation decides anew before it gives up.
const ATTEMPTS_MAX: usize = 32;
/// The rows of a list, where the caller does not say how many.
const LISTED: i64 = 100;

const WORKFLOWS: &str = "workflow";
const VERSIONS: &str = "version";
const RUNS: &str = "run";
/// The ids of workflows, by their names.
const NAMES: &str = "name";
/// Versions and runs by the id of their workflow and their own.
const BY_ID: &str = "id";
/// Workflows and runs by the tokens that they were asked for with.
const BY_TOKEN: &str = "token";

/// MWAA Serverless, for all accounts and regions.
pub struct Engine {
    store: Arc<dyn Store>,
    neighbours: Neighbours,
    /// How long a status of a run lasts on the way to another.
    pace: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(store: Arc<dyn Store>, neighbours: Neighbours) -> Self {
        Self { store, neighbours, pace: Arc::new(|| Duration::ZERO) }
    }

    /// Lets each status of a run last as long as `pace` says when the run begins.
    #[must_use]
    pub fn with_pace(mut self, pace: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.pace = Arc::new(pace);
        self
    }

    /// The operations that it answers.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        OPERATIONS.iter().copied().filter(|name| *name != UI_URL)
    }

    /// Answers an operation. The input has passed the constraints of its shape.
    ///
    /// # Errors
    /// The errors that the operation models, and internal ones where the store fails.
    pub async fn call(&self, scope: &Scope, operation: &str, input: &Document) -> Result<Document, OperationError> {
        let unknown =
            || OperationError::new(codes::UNKNOWN_OPERATION, format!("{SERVICE} has no operation {operation}."));
        let typed = Input::read(operation, input).ok_or_else(unknown)?;
        for _ in 0..ATTEMPTS_MAX {
            let (output, batch) = match &typed {
                Input::CreateWorkflow(input) => self.create(scope, input).await,
                Input::UpdateWorkflow(input) => self.update(scope, input).await,
                Input::DeleteWorkflow(input) => self.delete(scope, input).await,
                Input::GetWorkflow(input) => self.get(scope, input).await,
                Input::ListWorkflows(input) => self.list(scope, input).await,
                Input::ListWorkflowVersions(input) => self.versions(scope, input).await,
                Input::TagResource(input) => self.tag(scope, input).await,
                Input::UntagResource(input) => self.untag(scope, input).await,
                Input::ListTagsForResource(input) => self.tags(scope, &input.resource_arn).await,
                Input::StartWorkflowRun(input) => self.start(scope, input).await,
                Input::StopWorkflowRun(input) => self.stop(scope, input).await,
                Input::GetWorkflowRun(input) => self.run(scope, input).await,
                Input::ListWorkflowRuns(input) => self.runs(scope, input).await,
                Input::GetTaskInstance(input) => self.instance(scope, input).await,
                Input::ListTaskInstances(input) => self.instances(scope, input).await,
                Input::CreateAirflowUiUrl(_) => Err(unknown()),
            }?;
            if batch.is_empty() {
                return Ok(output);
            }
            match self.store.commit(batch).await {
                Ok(_) => return Ok(output),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(wrong("The workflow is being changed by too many others; try again.", "other"))
    }

    /// The row that an index leads to.
    async fn find(&self, table: &Table, index: &str, value: &str) -> Result<Option<Row>, OperationError> {
        let rows = self.store.find(table, index, value, None, 1).await.map_err(OperationError::internal)?;
        Ok(rows.into_iter().next())
    }

    /// A page of a table.
    ///
    /// # Errors
    /// `ValidationException` where the token is none of ours.
    async fn page(
        &self,
        table: &Table,
        prefix: &str,
        (wanted, token): (Option<i64>, Option<&str>),
        keep: impl Fn(&Row) -> bool,
    ) -> Result<Page, OperationError> {
        let wanted = usize::try_from(wanted.unwrap_or(LISTED)).unwrap_or_default();
        let page = Listing { table, prefix, token, wanted }.page(&*self.store, keep).await?;
        page.ok_or_else(|| invalid("NextToken", "it was not returned by this operation"))
    }
}

impl Handler for Engine {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            let output = self.call(&scope(&call.context), call.context.operation.name, &call.input).await?;
            Ok(Answer::new(output, Fidelity::Engine))
        })
    }

    fn fidelity(&self, _: &'static Service, operation: &'static Operation) -> Fidelity {
        if Self::operations().any(|name| name == operation.name) { Fidelity::Engine } else { Fidelity::Synthesized }
    }
}

fn table(scope: &Scope, name: &'static str) -> Table {
    Space::new(&scope.place.account, &scope.place.region, SERVICE).table(name)
}

/// So many letters and digits.
fn letters(draw: &mut standin_core::Draw, count: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut letter = || usize::try_from(draw.below(36)).ok().and_then(|at| LETTERS.get(at).copied()).unwrap_or(b'a');
    (0..count).map(|_| char::from(letter())).collect()
}

fn wrong(message: impl Into<String>, reason: &'static str) -> OperationError {
    OperationError::new(codes::VALIDATION, message).with_member("Reason", reason)
}

/// A member of the input that will not do.
fn invalid(member: &str, message: &str) -> OperationError {
    let mut field = Fields::with_capacity(2);
    field.push("Name", member.to_owned());
    field.push("Message", message.to_owned());
    wrong(format!("Invalid {member}: {message}"), "fieldValidationFailed")
        .with_member("FieldList", vec![Document::Map(field)])
}

fn not_found(kind: &'static str, id: &str) -> OperationError {
    OperationError::new("ResourceNotFoundException", format!("There is no {kind} {id}."))
        .with_member("ResourceId", id.to_owned())
        .with_member("ResourceType", kind)
}

fn conflict(message: impl Into<String>, id: &str) -> OperationError {
    OperationError::new("ConflictException", message)
        .with_member("ResourceId", id.to_owned())
        .with_member("ResourceType", "workflow")
}

fn damaged(what: &Row) -> OperationError {
    OperationError::internal(format!("the row {} cannot be read", what.key))
}

#[cfg(test)]
mod tests;
