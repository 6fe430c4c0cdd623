//! Stacks: the operations of CloudFormation over a store.

mod api;
mod change_sets;
mod changes;
mod deploy;
mod drift;
mod exports;
mod nested;
mod read;
mod record;
mod run;
mod templates;
mod undo;
mod work;
mod write;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use standin_core::{CallContext, Clock, Dice, OperationError};
use standin_model::Document;
use standin_store::{Scan, Space, Store, StoreError};

use crate::error::TemplateError;
use crate::evaluate::Environment;
use crate::parameters::Given;
use crate::resources::{Place, Resources};

pub use api::Engine;
pub use record::SERVICE;
use record::{ParameterValue, Stack, StackResource};
pub use work::QUEUE;

/// Rows that are looked at in one go.
const PAGE: usize = 500;

/// Where stacks are kept and their resources made.
#[derive(Clone)]
pub(crate) struct Stacks {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) resources: Arc<dyn Resources>,
    pub(crate) clock: Arc<Clock>,
    pub(crate) dice: Dice,
    /// How long a call that begins something stays, at most.
    pub(crate) grace: Duration,
    pub(crate) listeners: Arc<work::Listeners>,
}

/// Why an update does not happen; clients look for these words.
pub(crate) const NO_UPDATES: &str = "No updates are to be performed.";

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
        tags: IndexMap::new(),
        now: context.now,
        dice: context.dice,
    }
}

pub(crate) fn place_of(mut place: Place, stack: &Stack) -> Place {
    place.stack_name.clone_from(&stack.name);
    place.stack_id.clone_from(&stack.id);
    place.tags.clone_from(&stack.tags);
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
}
