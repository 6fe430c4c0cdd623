//! The handler: from an operation's name to what answers it.

use std::sync::Arc;
use std::time::Duration;

use standin_core::{Answer, BoxFuture, Call, CallContext, Clock, Dice, Fidelity, Handler, OperationError};
use standin_model::{Document, Fields, Operation, Service};
use standin_store::jobs::Job;
use standin_store::{Store, StoreError};

use super::write::{flag, stack_id, text};
use super::{Stacks, place, record};
use crate::resources::Resources;

/// Operations that show something.
const READS: &[&str] = &[
    "DescribeChangeSet",
    "DescribeStackDriftDetectionStatus",
    "DescribeStackEvents",
    "DescribeStackResource",
    "DescribeStackResourceDrifts",
    "DescribeStackResources",
    "DescribeStacks",
    "GetStackPolicy",
    "GetTemplate",
    "GetTemplateSummary",
    "ListChangeSets",
    "ListExports",
    "ListImports",
    "ListStackResources",
    "ListStacks",
    "ValidateTemplate",
];

/// Operations that change something.
const WRITES: &[&str] = &[
    "CancelUpdateStack",
    "ContinueUpdateRollback",
    "CreateChangeSet",
    "CreateStack",
    "DeleteChangeSet",
    "DeleteStack",
    "DetectStackDrift",
    "DetectStackResourceDrift",
    "ExecuteChangeSet",
    "RollbackStack",
    "SetStackPolicy",
    "UpdateStack",
    "UpdateTerminationProtection",
];

/// Answers CloudFormation's operations on stacks.
pub struct Engine {
    stacks: Stacks,
}

impl Engine {
    /// Keeps stacks in a store, and makes their resources where `resources` does.
    pub fn new(store: Arc<dyn Store>, resources: Arc<dyn Resources>, clock: Arc<Clock>, dice: Dice) -> Self {
        let grace = Duration::ZERO;
        Self { stacks: Stacks { store, resources, clock, dice, grace, listeners: Arc::default() } }
    }

    /// Lets calls that begin an operation stay so long at most while it is carried out: whoever asks after a call that was
    /// answered finds the end of what is quick.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.stacks.grace = grace;
        self
    }

    /// The operations that it answers; the others of CloudFormation are made up from the model.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        READS.iter().chain(WRITES).copied()
    }

    /// Leases so many stacks at most on which something is to be done. `owner` names the process.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn claim(&self, owner: &str, limit: usize) -> Result<Vec<Job>, StoreError> {
        self.stacks.claim(owner, limit).await
    }

    /// Carries the operation on a stack on, as far as that goes now. What goes wrong is told in the stack's events.
    pub async fn carry_out(&self, job: Job) {
        self.stacks.carry_out(job).await;
    }

    /// Does what is due; how many stacks that were.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn work(&self, owner: &str) -> Result<usize, StoreError> {
        let jobs = self.claim(owner, usize::MAX).await?;
        let count = jobs.len();
        for job in jobs {
            self.carry_out(job).await;
        }
        Ok(count)
    }

    /// Finds what was under way when a state was saved that is loaded now. Answers how many stacks are under way.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn resume(&self, partition: &str, base_url: &str) -> Result<usize, OperationError> {
        self.stacks.resume(partition, base_url).await
    }
}

impl Handler for Engine {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(async move {
            let output = if READS.contains(&call.context.operation.name) {
                read(&self.stacks, &call.context, &call.input).await?
            } else {
                // What has begun is brought to its end even if the client goes away.
                let (stacks, context, input) = (self.stacks.clone(), call.context.clone(), call.input.clone());
                let task = tokio::spawn(async move { write(&stacks, &context, &input).await });
                task.await.map_err(OperationError::internal)??
            };
            Ok(Answer::new(Document::Map(output), Fidelity::Engine))
        })
    }

    fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
        Fidelity::Engine
    }
}

async fn read(stacks: &Stacks, context: &CallContext, input: &Document) -> Result<Fields, OperationError> {
    let space = &record::space(&context.account, &context.region);
    match context.operation.name {
        "DescribeChangeSet" => stacks.describe_change_set(space, input).await,
        "DescribeStackDriftDetectionStatus" => stacks.drift_status(space, input).await,
        "DescribeStackResourceDrifts" => stacks.resource_drifts(space, input).await,
        "DescribeStackEvents" => stacks.describe_events(space, input).await,
        "DescribeStackResource" => stacks.describe_resource(space, input).await,
        "DescribeStackResources" => stacks.describe_resources(space, input).await,
        "DescribeStacks" => stacks.describe_stacks(space, input).await,
        "GetStackPolicy" => stacks.stack_policy(space, input).await,
        "GetTemplate" => stacks.get_template(space, input).await,
        "GetTemplateSummary" => stacks.template_summary(space, &place(context), input).await,
        "ListChangeSets" => stacks.list_change_sets(space, input).await,
        "ListExports" => stacks.list_exports(space, input).await,
        "ListImports" => stacks.list_imports(space, input).await,
        "ListStackResources" => stacks.list_resources(space, input).await,
        "ListStacks" => stacks.list_stacks(space, input).await,
        "ValidateTemplate" => stacks.validate_template(&place(context), input).await,
        name => Err(OperationError::internal(format!("{name} came to the wrong handler"))),
    }
}

async fn write(stacks: &Stacks, context: &CallContext, input: &Document) -> Result<Fields, OperationError> {
    let space = &record::space(&context.account, &context.region);
    let name = || text(input, "StackName").unwrap_or_default();
    match context.operation.name {
        "CreateChangeSet" => stacks.create_change_set(space, place(context), input).await,
        "CreateStack" => stacks.create_stack(space, place(context), input).await,
        "DeleteChangeSet" => stacks.delete_change_set(space, input).await,
        "DeleteStack" => stacks.delete_stack(space, place(context), input).await,
        "DetectStackDrift" => stacks.detect_drift(space, place(context), input).await,
        "DetectStackResourceDrift" => stacks.detect_resource_drift(space, place(context), input).await,
        "ExecuteChangeSet" => stacks.execute_change_set(space, place(context), input).await,
        "CancelUpdateStack" => stacks.cancel_update(space, place(context), &name()).await,
        "ContinueUpdateRollback" => stacks.continue_rollback(space, place(context), input).await,
        "RollbackStack" => stacks.rollback_stack(space, place(context), input).await,
        "SetStackPolicy" => {
            let policy = text(input, "StackPolicyBody");
            stacks.change_stack(space, &name(), |stack| stack.policy.clone_from(&policy)).await?;
            Ok(Fields::new())
        }
        "UpdateStack" => stacks.update_stack(space, place(context), input).await,
        "UpdateTerminationProtection" => {
            let on = flag(input, "EnableTerminationProtection");
            let stack = stacks.change_stack(space, &name(), |stack| stack.termination_protection = on).await?;
            Ok(stack_id(&stack.id))
        }
        name => Err(OperationError::internal(format!("{name} came to the wrong handler"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use standin_model::Catalogue;

    #[test]
    fn every_operation_is_modelled() {
        let service = Catalogue::shared().newest(record::SERVICE).expect("served").open().expect("opens");
        for name in Engine::operations() {
            assert!(service.operation(name).is_some(), "{name}");
        }
    }
}
