//! Stacks: the operations of CloudFormation over a store.

mod api;
mod change_sets;
mod changes;
mod deploy;
mod read;
mod record;
mod run;
mod templates;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use standin_core::{CallContext, OperationError};
use standin_model::Document;
use standin_store::{Scan, Selector, Space, Store, StoreError};

use crate::error::TemplateError;
use crate::evaluate::Environment;
use crate::parameters::Given;
use crate::resources::{Place, Resources};

pub use api::Engine;
pub use record::SERVICE;
use record::{ParameterValue, Stack, StackResource};
use run::Run;

/// Rows that are looked at in one go.
const PAGE: usize = 500;

/// Where stacks are kept and their resources made.
#[derive(Clone)]
pub(crate) struct Stacks {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) resources: Arc<dyn Resources>,
}

pub(crate) type Failure = OperationError;

/// The error that CloudFormation answers almost everything with; no model lists it.
pub(crate) fn invalid(message: impl Into<String>) -> Failure {
    OperationError::new("ValidationError", message).with_status(400)
}

impl From<TemplateError> for OperationError {
    fn from(error: TemplateError) -> Self {
        invalid(error.message)
    }
}

/// An error of the store as the caller sees it: another was faster, or something broke.
pub(crate) fn stored(error: StoreError) -> Failure {
    match error {
        StoreError::Conflict => {
            invalid("Another operation on this stack began at the same time; wait for its end and try again")
        }
        error => OperationError::internal(error),
    }
}

pub(crate) fn place(context: &CallContext) -> Place {
    Place {
        partition: context.partition.to_owned(),
        account: context.account.to_string(),
        region: context.region.to_string(),
        stack_name: String::new(),
        stack_id: String::new(),
        base_url: context.base_url.to_string(),
        now: context.now,
        origin: context.origin,
        dice: context.dice,
    }
}

pub(crate) fn place_of(mut place: Place, stack: &Stack) -> Place {
    place.stack_name.clone_from(&stack.name);
    place.stack_id.clone_from(&stack.id);
    place
}

pub(crate) fn environment(place: &Place, stack: &Stack) -> Environment {
    Environment {
        account: place.account.clone(),
        region: place.region.clone(),
        partition: place.partition.clone(),
        stack_name: stack.name.clone(),
        stack_id: stack.id.clone(),
        notification_arns: stack.notification_arns.clone(),
    }
}

pub(crate) fn given(parameters: &IndexMap<String, ParameterValue>) -> IndexMap<String, Given> {
    let one = |(name, value): (&String, &ParameterValue)| {
        (name.clone(), Given { text: value.value.clone(), resolved: value.resolved.clone() })
    };
    parameters.iter().map(one).collect()
}

impl Stacks {
    /// A stack by its name, or one of any time by its id, with its row's version.
    pub(crate) async fn find(&self, space: &Space, name: &str) -> Result<Option<(Stack, u64)>, Failure> {
        let uuid = match name.starts_with("arn:") {
            true => name.rsplit('/').next().map(str::to_owned),
            false => {
                let table = record::names(space);
                let row = self.store.get(&table, name).await.map_err(stored)?;
                row.and_then(|row| row.body.get("uuid").and_then(Document::as_str).map(str::to_owned))
            }
        };
        let Some(uuid) = uuid else { return Ok(None) };
        let table = record::stacks(space);
        match self.store.get(&table, &uuid).await.map_err(stored)? {
            Some(row) => {
                let stack: Stack = record::read(&table, &row).map_err(stored)?;
                Ok((!name.starts_with("arn:") || stack.id == name).then_some((stack, row.version)))
            }
            None => Ok(None),
        }
    }

    /// A stack that must be there.
    ///
    /// # Errors
    /// `ValidationError`, in the words by which the AWS CLI and Terraform tell that there is none.
    pub(crate) async fn need(&self, space: &Space, name: &str) -> Result<(Stack, u64), Failure> {
        self.find(space, name).await?.ok_or_else(|| invalid(format!("Stack with id {name} does not exist")))
    }

    /// The resources of a stack, in the order in which they are made.
    pub(crate) async fn resources_of(
        &self,
        space: &Space,
        uuid: &str,
    ) -> Result<IndexMap<String, StackResource>, StoreError> {
        let table = record::resources(space);
        let prefix = format!("{uuid}/");
        let mut found: Vec<StackResource> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.scan(&table, Scan { prefix: &prefix, after: after.as_deref(), limit: PAGE }).await?;
            for row in &rows {
                found.push(record::read(&table, row)?);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
                _ => break,
            }
        }
        found.sort_by(|a, b| (a.position, &a.logical_id).cmp(&(b.position, &b.logical_id)));
        Ok(found.into_iter().map(|resource| (resource.logical_id.clone(), resource)).collect())
    }

    /// What stacks of an account and region export.
    pub(crate) async fn exports(&self, space: &Space) -> Result<HashMap<String, String>, StoreError> {
        let table = record::exports(space);
        let mut found = HashMap::new();
        let mut after: Option<String> = None;
        loop {
            let rows = self.store.scan(&table, Scan { prefix: "", after: after.as_deref(), limit: PAGE }).await?;
            for row in &rows {
                if let Some(value) = row.body.get("value").and_then(Document::as_str) {
                    found.insert(row.key.to_string(), value.to_owned());
                }
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE => after = Some(last.key.to_string()),
                _ => return Ok(found),
            }
        }
    }

    /// The text of a stack's template; `next` is that of an operation under way.
    pub(crate) async fn template_of(&self, space: &Space, uuid: &str) -> Result<String, StoreError> {
        let row = self.store.get(&record::templates(space), uuid).await?;
        Ok(row.and_then(|row| row.body.get("body").and_then(Document::as_str).map(str::to_owned)).unwrap_or_default())
    }

    /// Carries to their ends what was under way when the server stopped. Answers how many stacks that were.
    ///
    /// # Errors
    /// Those of the store. What went wrong with one stack is told in its events.
    pub(crate) async fn resume(&self, place: &Place) -> Result<usize, Failure> {
        let of = Selector { service: Some(SERVICE.to_owned()), ..Selector::default() };
        let mut resumed = 0;
        for table in self.store.tables(&of).await.map_err(stored)? {
            if &*table.name != "stacks" {
                continue;
            }
            let busy = self.store.find(&table, "state", "busy", None, PAGE).await.map_err(stored)?;
            for row in busy {
                let stack: Stack = record::read(&table, &row).map_err(stored)?;
                let place = Place {
                    account: table.space.account.to_string(),
                    region: table.space.region.to_string(),
                    ..place.clone()
                };
                let place = place_of(place, &stack);
                let known = self.resources_of(&table.space, &stack.uuid).await.map_err(stored)?;
                let run = Run::new(&*self.store, &*self.resources, place, stack, Some(row.version), known);
                match self.carry_on(&table.space, run).await {
                    Ok(()) => resumed += 1,
                    Err(error) => {
                        tracing::warn!(%error, stack = &*row.key, "an operation on a stack could not be taken up again");
                    }
                }
            }
        }
        Ok(resumed)
    }

    /// Does what is left of the operation that a stack's status tells of.
    async fn carry_on(&self, space: &Space, mut run: Run<'_>) -> Result<(), Failure> {
        let status = run.stack.status.clone();
        match status.as_str() {
            "ROLLBACK_IN_PROGRESS" => deploy::roll_back(&mut run).await.map_err(stored),
            "DELETE_IN_PROGRESS" => deploy::delete(&mut run).await.map_err(stored),
            "UPDATE_ROLLBACK_IN_PROGRESS" | "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS" => {
                deploy::take_back(&mut run).await.map_err(stored)
            }
            _ => {
                let body = self.template_of(space, &run.stack.uuid).await.map_err(stored)?;
                let goal = self.goal_of(space, &run.place, &run.stack, &body).await?;
                match status.as_str() {
                    "CREATE_IN_PROGRESS" => deploy::create(&mut run, &goal).await.map_err(stored),
                    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => deploy::clean_up(&mut run, &goal).await.map_err(stored),
                    _ => deploy::update(&mut run, &goal).await.map_err(stored),
                }
            }
        }
    }
}
