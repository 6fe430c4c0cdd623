//! The services that Proton itself is a caller of: S3 for bundles, CloudFormation for stacks, through their handlers.

use standin_core::{BoxFuture, Caller, OperationError, Place};
use standin_model::{Document, Fields, Timestamp};

use crate::archive::ARCHIVE_BYTES_MAX;
use crate::engine::provision::{BundleSource, Made, Order, Progress, Provisioner};
use crate::render::Rendered;

/// How soon a stack is looked at again: after as long as it has been at it, within these bounds.
const POLL_MS: std::ops::RangeInclusive<i64> = 10..=500;
/// The tag by which a stack tells whose run it is in.
const RUN_TAG: &str = "proton:deployment";

/// What other services do for Proton, as the account that something happens in.
pub struct Neighbours {
    caller: Caller,
}

impl Neighbours {
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    async fn of_stack(&self, order: &Order, operation: &str, more: Fields) -> Result<Document, OperationError> {
        let mut input = Fields::new();
        input.push("StackName", order.stack_name.clone());
        for (name, value) in more.iter() {
            input.push(name.clone(), value.clone());
        }
        let place = place(&order.partition, &order.account, &order.region, order.now);
        let called = ("cloudformation", operation);
        self.caller.call(&place, called, input, &order.deployment_id).await.map(|answer| answer.output)
    }

    /// The stack of an order, where there is one that is not deleted.
    async fn stack(&self, order: &Order) -> Result<Option<Stack>, OperationError> {
        let output = match self.of_stack(order, "DescribeStacks", Fields::new()).await {
            Ok(output) => output,
            Err(error) if error.code.contains("Validation") || error.code.contains("NotFound") => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = output.get("Stacks").and_then(Document::as_list).and_then(<[Document]>::first).map(Stack::read);
        Ok(found.filter(|stack| stack.status != "DELETE_COMPLETE"))
    }

    /// Whether the stack was told to do something for this order before.
    async fn was_told(&self, order: &Order) -> bool {
        let events = self.of_stack(order, "DescribeStackEvents", Fields::new()).await.unwrap_or_default();
        let events = events.get("StackEvents").and_then(Document::as_list).unwrap_or_default();
        let token = |event: &Document| event.get("ClientRequestToken").and_then(Document::as_str).map(str::to_owned);
        events.iter().any(|event| token(event).as_ref() == Some(&order.deployment_id))
    }

    async fn delete_stack(&self, order: &Order) -> Result<(), OperationError> {
        let mut token = Fields::new();
        token.push("ClientRequestToken", order.deployment_id.clone());
        self.of_stack(order, "DeleteStack", token).await.map(drop)
    }

    /// Why a stack failed: the first event of a failure since the run began.
    async fn reason(&self, order: &Order, stack: &Stack) -> String {
        let events = self.of_stack(order, "DescribeStackEvents", Fields::new()).await.unwrap_or_default();
        let events = events.get("StackEvents").and_then(Document::as_list).unwrap_or_default();
        let text =
            |event: &Document, name: &str| event.get(name).and_then(Document::as_str).unwrap_or_default().to_owned();
        // The newest come first; a run begins with the event of the stack itself.
        let begins = |event: &Document| {
            text(event, "ResourceType") == "AWS::CloudFormation::Stack"
                && matches!(
                    text(event, "ResourceStatus").as_str(),
                    "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS"
                )
        };
        let of_run = events.iter().position(begins).map_or(events, |at| &events[..at]);
        let failed = of_run.iter().rev().find(|event| {
            text(event, "ResourceStatus").ends_with("_FAILED")
                && !text(event, "ResourceStatusReason").contains("cancelled")
        });
        failed.map_or_else(
            || stack.reason.clone().unwrap_or_else(|| format!("stack {} ended in {}", order.stack_name, stack.status)),
            |event| format!("{}: {}", text(event, "LogicalResourceId"), text(event, "ResourceStatusReason")),
        )
    }

    async fn try_provision(&self, order: &Order) -> Result<Progress, OperationError> {
        let template = match &order.rendered {
            Some(Rendered::CloudFormation { template }) => template,
            Some(Rendered::Terraform { .. }) => return Ok(Progress::Waiting),
            Some(Rendered::CodeBuild(_)) => {
                return Ok(failed("provisioning by CodeBuild is not there yet; use CloudFormation or Terraform"));
            }
            None => return Ok(failed("there is no template")),
        };
        let found = self.stack(order).await?;
        let stack = match &found {
            Some(stack) if stack.is_busy() || stack.is_of(order) => found,
            // A change that was taken back left the tags of the run before it.
            Some(stack) if self.was_told(order).await => {
                return Ok(Progress::Failed { reason: self.reason(order, stack).await });
            }
            found => {
                match found.as_ref().map(|stack| stack.status.as_str()) {
                    None => self.of_stack(order, "CreateStack", input(order, template)).await.map(drop)?,
                    // What was never made whole cannot be updated.
                    Some("ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED") => {
                        self.delete_stack(order).await?;
                    }
                    Some(_) => self.of_stack(order, "UpdateStack", input(order, template)).await.map(drop)?,
                }
                // What is quick is over by now.
                self.stack(order).await?
            }
        };
        Ok(match stack {
            Some(stack) if !stack.is_busy() && stack.is_of(order) => match stack.status.as_str() {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" => {
                    Progress::Done { outputs: stack.outputs, resources: vec![stack.made] }
                }
                _ => Progress::Failed { reason: self.reason(order, &stack).await },
            },
            stack => Progress::again(again_after(order, stack.as_ref())),
        })
    }

    async fn try_delete(&self, order: &Order) -> Result<Progress, OperationError> {
        let gone = Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        if matches!(order.rendered, Some(Rendered::Terraform { .. } | Rendered::CodeBuild(_))) {
            return Ok(gone);
        }
        let Some(stack) = self.stack(order).await? else { return Ok(gone) };
        if stack.is_busy() {
            return Ok(Progress::again(again_after(order, Some(&stack))));
        }
        if stack.status == "DELETE_FAILED" && self.was_told(order).await {
            return Ok(Progress::Failed { reason: self.reason(order, &stack).await });
        }
        self.delete_stack(order).await?;
        match self.stack(order).await? {
            None => Ok(gone),
            stack => Ok(Progress::again(again_after(order, stack.as_ref()))),
        }
    }

    async fn try_cancel(&self, order: &Order) -> Result<Progress, OperationError> {
        let Some(stack) = self.stack(order).await? else { return Ok(Progress::Cancelled) };
        if stack.run.as_deref() != Some(order.deployment_id.as_str()) {
            return Ok(Progress::Cancelled);
        }
        match stack.status.as_str() {
            "UPDATE_IN_PROGRESS" => self.of_stack(order, "CancelUpdateStack", Fields::new()).await.map(drop)?,
            "CREATE_IN_PROGRESS" => self.of_stack(order, "DeleteStack", Fields::new()).await.map(drop)?,
            "CREATE_COMPLETE" | "UPDATE_COMPLETE" => {
                return Ok(Progress::Done { outputs: stack.outputs, resources: vec![stack.made] });
            }
            _ if !stack.is_busy() => return Ok(Progress::Cancelled),
            _ => {}
        }
        Ok(Progress::again(*POLL_MS.start()))
    }
}

fn place(partition: &str, account: &str, region: &str, now: Timestamp) -> Place {
    Place { partition: partition.into(), account: account.into(), region: region.into(), access_key: None, now }
}

fn failed(reason: impl Into<String>) -> Progress {
    Progress::Failed { reason: reason.into() }
}

/// When to look again at a stack that something goes on with.
fn again_after(order: &Order, stack: Option<&Stack>) -> i64 {
    let since = stack.map_or(0, |stack| order.now.as_millis().saturating_sub(stack.since_ms));
    since.clamp(*POLL_MS.start(), *POLL_MS.end())
}

/// What of a stack matters.
struct Stack {
    status: String,
    /// When it was made or changed last.
    since_ms: i64,
    reason: Option<String>,
    /// The deployment that it was last made or changed for.
    run: Option<String>,
    outputs: Vec<(String, String)>,
    made: Made,
}

impl Stack {
    /// Whether it was made or changed last for that run.
    fn is_of(&self, order: &Order) -> bool {
        self.run.as_deref() == Some(order.deployment_id.as_str())
    }

    fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS")
    }

    fn read(document: &Document) -> Self {
        let text = |document: &Document, name: &str| document.get(name).and_then(Document::as_str).map(str::to_owned);
        let list = |name: &str| document.get(name).and_then(Document::as_list).unwrap_or_default();
        let run = list("Tags").iter().find(|tag| text(tag, "Key").as_deref() == Some(RUN_TAG));
        let time = |name: &str| match document.get(name) {
            Some(Document::Timestamp(time)) => Some(time.as_millis()),
            _ => None,
        };
        Self {
            since_ms: time("LastUpdatedTime").or_else(|| time("CreationTime")).unwrap_or_default(),
            status: text(document, "StackStatus").unwrap_or_default(),
            reason: text(document, "StackStatusReason"),
            run: run.and_then(|tag| text(tag, "Value")),
            outputs: list("Outputs")
                .iter()
                .filter_map(|output| Some((text(output, "OutputKey")?, text(output, "OutputValue")?)))
                .collect(),
            made: Made {
                name: text(document, "StackName").unwrap_or_default(),
                identifier: text(document, "StackId").unwrap_or_default(),
                engine: "CLOUDFORMATION",
            },
        }
    }
}

/// The input that makes or changes a stack.
fn input(order: &Order, template: &str) -> Fields {
    let tag = |(name, value): (&str, &str)| {
        let mut fields = Fields::with_capacity(2);
        fields.push("Key", name.to_owned());
        fields.push("Value", value.to_owned());
        Document::Map(fields)
    };
    let tags = order
        .tags
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .chain([(RUN_TAG, order.deployment_id.as_str())]);
    let capabilities = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];
    let mut input = Fields::new();
    input.push("TemplateBody", template.to_owned());
    input.push("Tags", tags.map(tag).collect::<Vec<_>>());
    input.push("Capabilities", capabilities.map(Document::from).to_vec());
    input.push("ClientRequestToken", order.deployment_id.clone());
    if let Some(role) = &order.role_arn {
        input.push("RoleARN", role.clone());
    }
    input
}

impl Provisioner for Neighbours {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move { self.try_provision(order).await.unwrap_or_else(|error| failed(error.message)) })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move { self.try_delete(order).await.unwrap_or_else(|error| failed(error.message)) })
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move { self.try_cancel(order).await.unwrap_or_else(|error| failed(error.message)) })
    }
}

impl BundleSource for Neighbours {
    fn fetch<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
        bucket: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let mut input = Fields::new();
            input.push("Bucket", bucket.to_owned());
            input.push("Key", key.to_owned());
            let nonce = format!("{bucket}/{key}");
            // An archive of more bytes is refused for its size; the rest does not matter.
            let payload = ("Body", ARCHIVE_BYTES_MAX + 1);
            let place = place("aws", account, region, now);
            let bytes = self.caller.payload(&place, ("s3", "GetObject"), input, &nonce, payload).await;
            bytes.map_err(|error| error.message)
        })
    }
}
