//! standin's own CloudFormation, through its handler.

use std::ops::RangeInclusive;

use standin_aws::{Trouble, Whose};
use standin_core::{Caller, OperationError, Place, codes};
use standin_model::{Document, Fields, Timestamp};
use standin_proton::engine::adopt;
use standin_proton::engine::provision::Order;

use super::{
    Asked, CAPABILITIES, DriftAnswer, DriftAsk, Drifted, PAGES_MAX, Stack, StackEvent, Stacks, Survey, Update, tags,
};

/// The stacks of standin itself.
pub struct OwnStacks {
    caller: Caller,
}

impl OwnStacks {
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    async fn call(&self, order: &Order, operation: &str, more: Fields) -> Result<Document, OperationError> {
        let mut input = Fields::new();
        input.push("StackName", order.stack_name.clone());
        for (name, value) in more.iter() {
            input.push(name.clone(), value.clone());
        }
        let place = Place {
            partition: order.partition.clone(),
            account: order.account.clone(),
            region: order.region.clone(),
            access_key: None,
            now: order.now,
        };
        let called = ("cloudformation", operation);
        self.caller.call(&place, called, input, &order.deployment_id).await.map(|answer| answer.output)
    }

    async fn done(&self, order: &Order, operation: &str, more: Fields) -> Result<(), Trouble> {
        self.call(order, operation, more).await.map(drop).map_err(refused)
    }
}

fn refused(error: OperationError) -> Trouble {
    if error.code == codes::INTERNAL_FAILURE {
        return Trouble::Passing(error.message);
    }
    Trouble::Refused { code: error.code.into_owned(), message: error.message }
}

/// Whether an error says that there is no such stack.
fn is_missing(error: &OperationError) -> bool {
    error.code.contains("Validation") || error.code.contains("NotFound")
}

fn token(order: &Order) -> Fields {
    let mut fields = Fields::new();
    fields.push("ClientRequestToken", order.deployment_id.clone());
    fields
}

/// The input that makes or changes a stack.
fn input(order: &Order, template: &str) -> Fields {
    let tag = |(name, value): (&str, &str)| {
        let mut fields = Fields::with_capacity(2);
        fields.push("Key", name.to_owned());
        fields.push("Value", value.to_owned());
        Document::Map(fields)
    };
    let mut input = token(order);
    input.push("TemplateBody", template.to_owned());
    input.push("Tags", tags(order, &order.deployment_id).map(tag).collect::<Vec<_>>());
    input.push("Capabilities", CAPABILITIES.map(Document::from).to_vec());
    if let Some(role) = &order.role_arn {
        input.push("RoleARN", role.clone());
    }
    input
}

fn text(document: &Document, name: &str) -> Option<String> {
    document.get(name).and_then(Document::as_str).map(str::to_owned)
}

fn list<'d>(document: &'d Document, name: &str) -> &'d [Document] {
    document.get(name).and_then(Document::as_list).unwrap_or_default()
}

fn pairs(documents: &[Document], key: &str, value: &str) -> Vec<(String, String)> {
    documents.iter().filter_map(|one| Some((text(one, key)?, text(one, value)?))).collect()
}

fn stack(document: &Document) -> Stack {
    let time = |name: &str| match document.get(name) {
        Some(Document::Timestamp(time)) => Some(time.as_millis()),
        _ => None,
    };
    Stack {
        name: text(document, "StackName").unwrap_or_default(),
        id: text(document, "StackId").unwrap_or_default(),
        status: text(document, "StackStatus").unwrap_or_default(),
        reason: text(document, "StackStatusReason"),
        since_ms: time("LastUpdatedTime").or_else(|| time("CreationTime")).unwrap_or_default(),
        outputs: pairs(list(document, "Outputs"), "OutputKey", "OutputValue"),
        tags: pairs(list(document, "Tags"), "Key", "Value"),
    }
}

fn event(document: &Document) -> StackEvent {
    let text = |name: &str| text(document, name).unwrap_or_default();
    StackEvent {
        id: text("EventId"),
        resource: text("LogicalResourceId"),
        kind: text("ResourceType"),
        status: text("ResourceStatus"),
        reason: text("ResourceStatusReason"),
        token: Some(text("ClientRequestToken")).filter(|token| !token.is_empty()),
    }
}

/// Where stacks are looked at that no order is about.
fn place(whose: &Whose<'_>, now: Timestamp) -> Place {
    Place {
        partition: whose.partition.to_owned(),
        account: whose.account.to_owned(),
        region: whose.region.to_owned(),
        access_key: None,
        now,
    }
}

impl Survey for OwnStacks {
    fn stacks<'a>(&'a self, whose: &'a Whose<'a>, now: Timestamp) -> Asked<'a, Vec<adopt::Stack>> {
        Box::pin(async move {
            let place = place(whose, now);
            let call = |operation: &'static str, input: Fields| {
                let place = &place;
                async move {
                    let called = ("cloudformation", operation);
                    self.caller.call(place, called, input, "adopt").await.map(|answer| answer.output).map_err(refused)
                }
            };
            let (mut found, mut token) = (Vec::new(), None::<String>);
            for _ in 0..PAGES_MAX {
                let mut input = Fields::new();
                if let Some(token) = &token {
                    input.push("NextToken", token.clone());
                }
                let page = call("DescribeStacks", input).await?;
                for document in list(&page, "Stacks") {
                    let stack = adopted(document);
                    if stack.is_protons() && stack.status != "DELETE_COMPLETE" {
                        found.push(stack);
                    }
                }
                token = text(&page, "NextToken");
                if token.is_none() {
                    break;
                }
            }
            for stack in &mut found {
                let mut input = Fields::new();
                input.push("StackName", stack.name.clone());
                stack.template = call("GetTemplate", input).await.ok().and_then(|output| text(&output, "TemplateBody"));
            }
            Ok(found)
        })
    }

    fn drift<'a>(&'a self, whose: &'a Whose<'a>, ask: DriftAsk<'a>, now: Timestamp) -> Asked<'a, DriftAnswer> {
        Box::pin(async move {
            let place = place(whose, now);
            let (operation, member, value) = match ask {
                DriftAsk::Detect(stack) => ("DetectStackDrift", "StackName", stack),
                DriftAsk::Status(id) => ("DescribeStackDriftDetectionStatus", "StackDriftDetectionId", id),
                DriftAsk::Resources(stack) => ("DescribeStackResourceDrifts", "StackName", stack),
            };
            let mut input = Fields::new();
            input.push(member, value.to_owned());
            let called = ("cloudformation", operation);
            let output = self.caller.call(&place, called, input, "drift").await.map_err(refused)?.output;
            let told = |name: &str| text(&output, name).unwrap_or_default();
            Ok(match ask {
                DriftAsk::Detect(_) => DriftAnswer::Begun(told("StackDriftDetectionId")),
                DriftAsk::Status(_) => DriftAnswer::Status {
                    detection: told("DetectionStatus"),
                    drift: told("StackDriftStatus"),
                    reason: told("DetectionStatusReason"),
                },
                DriftAsk::Resources(_) => {
                    DriftAnswer::Resources(list(&output, "StackResourceDrifts").iter().filter_map(drifted).collect())
                }
            })
        })
    }
}

/// A resource, where it has drifted.
fn drifted(document: &Document) -> Option<Drifted> {
    let told = |name: &str| text(document, name).unwrap_or_default();
    let status = told("StackResourceDriftStatus");
    matches!(status.as_str(), "MODIFIED" | "DELETED").then(|| Drifted {
        resource: told("LogicalResourceId"),
        kind: told("ResourceType"),
        status,
        properties: list(document, "PropertyDifferences").iter().filter_map(|one| text(one, "PropertyPath")).collect(),
    })
}

/// A stack as adoption looks at it.
fn adopted(document: &Document) -> adopt::Stack {
    let known = stack(document);
    let created_at = match document.get("CreationTime") {
        Some(Document::Timestamp(time)) => *time,
        _ => Timestamp::default(),
    };
    adopt::Stack {
        name: known.name,
        id: known.id,
        status: known.status,
        created_at,
        outputs: known.outputs,
        parameters: pairs(list(document, "Parameters"), "ParameterKey", "ParameterValue"),
        tags: known.tags,
        template: None,
    }
}

impl Stacks for OwnStacks {
    fn stack<'a>(&'a self, order: &'a Order) -> Asked<'a, Option<Stack>> {
        Box::pin(async move {
            let output = match self.call(order, "DescribeStacks", Fields::new()).await {
                Ok(output) => output,
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(refused(error)),
            };
            Ok(list(&output, "Stacks").first().map(stack).filter(|stack| stack.status != "DELETE_COMPLETE"))
        })
    }

    fn events<'a>(&'a self, order: &'a Order) -> Asked<'a, Vec<StackEvent>> {
        Box::pin(async move {
            let output = self.call(order, "DescribeStackEvents", Fields::new()).await.map_err(refused)?;
            Ok(list(&output, "StackEvents").iter().map(event).collect())
        })
    }

    fn has_begun<'a>(&'a self, order: &'a Order) -> Asked<'a, bool> {
        Box::pin(async move {
            let events = self.events(order).await.unwrap_or_default();
            Ok(events.iter().any(|event| event.token.as_ref() == Some(&order.deployment_id)))
        })
    }

    fn create<'a>(&'a self, order: &'a Order, template: &'a str) -> Asked<'a, ()> {
        Box::pin(self.done(order, "CreateStack", input(order, template)))
    }

    fn update<'a>(&'a self, order: &'a Order, template: &'a str, _: &'a Stack) -> Asked<'a, Update> {
        Box::pin(async move {
            self.done(order, "UpdateStack", input(order, template)).await?;
            Ok(Update::Begun)
        })
    }

    fn unprepare<'a>(&'a self, _: &'a Order) -> Asked<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn continue_rollback<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(self.done(order, "ContinueUpdateRollback", Fields::new()))
    }

    fn delete<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(self.done(order, "DeleteStack", token(order)))
    }

    fn cancel_update<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(self.done(order, "CancelUpdateStack", Fields::new()))
    }

    fn pace(&self) -> RangeInclusive<i64> {
        10..=500
    }

    fn is_followed(&self) -> bool {
        false
    }
}
