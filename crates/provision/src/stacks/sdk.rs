//! AWS's CloudFormation, or another that speaks its API, through the SDK.
//!
//! Updates go by change sets, named by the deployment: what was begun is found again, and nothing is begun twice. The tag
//! of the run that made a stack stays as it is, since CloudFormation hands tags of stacks on to all resources.

use std::ops::RangeInclusive;
use std::sync::Arc;

use standin_aws::cloudformation::Client;
use standin_aws::cloudformation::types::{
    Capability, ChangeSetStatus, ChangeSetType, ExecutionStatus, Tag, TemplateStage,
};
use standin_aws::{Aws, Trouble, Whose};
use standin_model::Timestamp;
use standin_proton::engine::adopt;
use standin_proton::engine::provision::Order;

use super::{
    Asked, CAPABILITIES, DriftAnswer, DriftAsk, Drifted, PAGES_MAX, RUN_TAG, Stack, StackEvent, Stacks, Survey, Update,
    tags,
};

/// What a request takes; larger templates come from a bucket.
const BODY_BYTES_MAX: usize = 51_200;
/// Pages of a hundred events that are read for one run.
const EVENT_PAGES_MAX: usize = 20;

/// The stacks of AWS.
pub struct AwsStacks {
    aws: Arc<Aws>,
}

impl AwsStacks {
    pub fn new(aws: Arc<Aws>) -> Self {
        Self { aws }
    }

    async fn client(&self, order: &Order) -> Result<Client, Trouble> {
        self.aws.cloudformation(&whose(order, &session(order))).await
    }

    /// A template, as a request takes it: its text, or the URL where it was put.
    async fn template(&self, order: &Order, template: &str) -> Result<(Option<String>, Option<String>), Trouble> {
        if template.len() <= BODY_BYTES_MAX {
            return Ok((Some(template.to_owned()), None));
        }
        let session = session(order);
        let whose = whose(order, &session);
        let Some(bucket) = self.aws.settings().bucket_of(&whose) else {
            return Err(Trouble::refused(
                "TemplateTooLarge",
                format!(
                    "the template has {} bytes, and CloudFormation takes {BODY_BYTES_MAX} in a request: name a bucket for \
                     larger ones, which the role may write to, by `bucket` in [proton.aws]",
                    template.len()
                ),
            ));
        };
        let key = format!("standin-proton/{}/{}.template", order.stack_name, order.deployment_id);
        let url = self.aws.put_object(&whose, &bucket, &key, template.as_bytes().to_vec()).await?;
        Ok((None, Some(url)))
    }

    /// The change set of an order: its status, whether it can be or was executed, and why not.
    async fn change_set(
        &self,
        client: &Client,
        order: &Order,
    ) -> Result<Option<(ChangeSetStatus, ExecutionStatus, String)>, Trouble> {
        let asked = client.describe_change_set().stack_name(&order.stack_name).change_set_name(change_set_name(order));
        let found = match asked.send().await.map_err(Trouble::from) {
            Ok(found) => found,
            Err(trouble) if is_missing(&trouble) => return Ok(None),
            Err(trouble) => return Err(trouble),
        };
        let status = found.status.unwrap_or(ChangeSetStatus::CreatePending);
        let execution = found.execution_status.unwrap_or(ExecutionStatus::Unavailable);
        Ok(Some((status, execution, found.status_reason.unwrap_or_default())))
    }

    async fn prepare(&self, client: &Client, order: &Order, template: &str, stack: &Stack) -> Result<Update, Trouble> {
        let (body, url) = self.template(order, template).await?;
        let run = stack.tags.iter().find(|(name, _)| name == RUN_TAG);
        let run = run.map_or(order.deployment_id.as_str(), |(_, run)| run.as_str());
        let asked = client
            .create_change_set()
            .stack_name(&order.stack_name)
            .change_set_name(change_set_name(order))
            .change_set_type(ChangeSetType::Update)
            .client_token(&order.deployment_id)
            .set_template_body(body)
            .set_template_url(url)
            .set_capabilities(Some(capabilities()))
            .set_tags(Some(tags_of(order, run)));
        match asked.send().await.map_err(Trouble::from) {
            Ok(_) => Ok(Update::Preparing),
            Err(trouble) if trouble.code() == "AlreadyExistsException" => Ok(Update::Preparing),
            Err(Trouble::Refused { message, .. }) if is_empty(&message) => Ok(Update::Unchanged),
            Err(trouble) => Err(trouble),
        }
    }
}

/// What the session of an order's role is called.
pub(crate) fn session(order: &Order) -> String {
    format!("AWSProton-{}", order.deployment_id)
}

/// Whoever an order is carried out by.
pub(crate) fn whose<'o>(order: &'o Order, session: &'o str) -> Whose<'o> {
    Whose {
        account: &order.account,
        region: &order.region,
        partition: &order.partition,
        role: order.role_arn.as_deref(),
        session,
    }
}

fn change_set_name(order: &Order) -> String {
    format!("deployment-{}", order.deployment_id)
}

fn capabilities() -> Vec<Capability> {
    CAPABILITIES.map(Capability::from).to_vec()
}

fn tags_of(order: &Order, run: &str) -> Vec<Tag> {
    tags(order, run).map(|(name, value)| Tag::builder().key(name).value(value).build()).collect()
}

/// Whether a refusal says that there is no such stack or change set.
fn is_missing(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Refused { code, message } => {
            code == "ChangeSetNotFound"
                || code == "ChangeSetNotFoundException"
                || (code.starts_with("Validation") && message.contains("does not exist"))
        }
        Trouble::Passing(_) => false,
    }
}

/// Whether a reason says that nothing would change.
fn is_empty(reason: &str) -> bool {
    reason.contains("didn't contain changes") || reason.contains("No updates are to be performed")
}

impl Survey for AwsStacks {
    fn stacks<'a>(&'a self, whose: &'a Whose<'a>, _: Timestamp) -> Asked<'a, Vec<adopt::Stack>> {
        Box::pin(async move {
            let client = self.aws.cloudformation(whose).await?;
            let (mut found, mut token) = (Vec::new(), None);
            for _ in 0..PAGES_MAX {
                let page = client.describe_stacks().set_next_token(token).send().await.map_err(Trouble::from)?;
                let all = page.stacks.unwrap_or_default().into_iter().map(adopted);
                found.extend(all.filter(|stack| stack.is_protons() && stack.status != "DELETE_COMPLETE"));
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
            for stack in &mut found {
                // As it was given: after that, transforms have changed it.
                let asked = client.get_template().stack_name(&stack.id).template_stage(TemplateStage::Original);
                stack.template = match asked.send().await.map_err(Trouble::from) {
                    Ok(output) => output.template_body,
                    Err(Trouble::Refused { .. }) => None,
                    Err(trouble) => return Err(trouble),
                };
            }
            Ok(found)
        })
    }

    fn drift<'a>(&'a self, whose: &'a Whose<'a>, ask: DriftAsk<'a>, _: Timestamp) -> Asked<'a, DriftAnswer> {
        Box::pin(async move {
            let client = self.aws.cloudformation(whose).await?;
            match ask {
                DriftAsk::Detect(stack) => {
                    let begun = client.detect_stack_drift().stack_name(stack).send().await.map_err(Trouble::from)?;
                    Ok(DriftAnswer::Begun(begun.stack_drift_detection_id.unwrap_or_default()))
                }
                DriftAsk::Status(id) => {
                    let asked = client.describe_stack_drift_detection_status().stack_drift_detection_id(id);
                    let told = asked.send().await.map_err(Trouble::from)?;
                    Ok(DriftAnswer::Status {
                        detection: told.detection_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
                        drift: told.stack_drift_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
                        reason: told.detection_status_reason.unwrap_or_default(),
                    })
                }
                DriftAsk::Resources(stack) => {
                    let (mut found, mut token) = (Vec::new(), None);
                    for _ in 0..PAGES_MAX {
                        let asked = client.describe_stack_resource_drifts().stack_name(stack).set_next_token(token);
                        let page = asked.send().await.map_err(Trouble::from)?;
                        found.extend(page.stack_resource_drifts.unwrap_or_default().into_iter().filter_map(drifted));
                        token = page.next_token;
                        if token.is_none() {
                            break;
                        }
                    }
                    Ok(DriftAnswer::Resources(found))
                }
            }
        })
    }
}

/// A resource, where it has drifted.
fn drifted(found: standin_aws::cloudformation::types::StackResourceDrift) -> Option<Drifted> {
    let status = found.stack_resource_drift_status.map(|status| status.as_str().to_owned()).unwrap_or_default();
    matches!(status.as_str(), "MODIFIED" | "DELETED").then(|| Drifted {
        resource: found.logical_resource_id.unwrap_or_default(),
        kind: found.resource_type.unwrap_or_default(),
        status,
        properties: found
            .property_differences
            .unwrap_or_default()
            .into_iter()
            .filter_map(|difference| difference.property_path)
            .collect(),
    })
}

/// A stack as adoption looks at it.
fn adopted(mut found: standin_aws::cloudformation::types::Stack) -> adopt::Stack {
    let parameters = found.parameters.take().unwrap_or_default();
    let created = found.creation_time.and_then(|time| time.to_millis().ok()).unwrap_or_default();
    let known = stack(found);
    adopt::Stack {
        name: known.name,
        id: known.id,
        status: known.status,
        created_at: Timestamp::from_millis(created),
        outputs: known.outputs,
        parameters: parameters
            .into_iter()
            .filter_map(|one| Some((one.parameter_key?, one.resolved_value.or(one.parameter_value)?)))
            .collect(),
        tags: known.tags,
        template: None,
    }
}

impl Stacks for AwsStacks {
    fn stack<'a>(&'a self, order: &'a Order) -> Asked<'a, Option<Stack>> {
        Box::pin(async move {
            let asked = self.client(order).await?.describe_stacks().stack_name(&order.stack_name);
            let found = match asked.send().await.map_err(Trouble::from) {
                Ok(found) => found.stacks.unwrap_or_default().into_iter().next(),
                Err(trouble) if is_missing(&trouble) => None,
                Err(trouble) => return Err(trouble),
            };
            Ok(found.map(stack).filter(|stack| stack.status != "DELETE_COMPLETE"))
        })
    }

    fn events<'a>(&'a self, order: &'a Order) -> Asked<'a, Vec<StackEvent>> {
        Box::pin(async move {
            let client = self.client(order).await?;
            let (mut events, mut token) = (Vec::new(), None);
            for _ in 0..EVENT_PAGES_MAX {
                let asked = client.describe_stack_events().stack_name(&order.stack_name).set_next_token(token);
                let page = asked.send().await.map_err(Trouble::from)?;
                events.extend(page.stack_events.unwrap_or_default().into_iter().map(event));
                token = page.next_token;
                if token.is_none() || events.iter().any(StackEvent::begins_run) {
                    break;
                }
            }
            Ok(events)
        })
    }

    fn has_begun<'a>(&'a self, order: &'a Order) -> Asked<'a, bool> {
        Box::pin(async move {
            let client = self.client(order).await?;
            if let Some((_, execution, _)) = self.change_set(&client, order).await? {
                return Ok(matches!(
                    execution,
                    ExecutionStatus::ExecuteInProgress
                        | ExecutionStatus::ExecuteComplete
                        | ExecutionStatus::ExecuteFailed
                ));
            }
            // Where the change set is gone, the events still tell.
            let events = self.events(order).await?;
            Ok(events.iter().any(|event| event.token.as_ref() == Some(&order.deployment_id)))
        })
    }

    fn create<'a>(&'a self, order: &'a Order, template: &'a str) -> Asked<'a, ()> {
        Box::pin(async move {
            let (body, url) = self.template(order, template).await?;
            let asked = self
                .client(order)
                .await?
                .create_stack()
                .stack_name(&order.stack_name)
                .client_request_token(&order.deployment_id)
                .set_template_body(body)
                .set_template_url(url)
                .set_capabilities(Some(capabilities()))
                .set_tags(Some(tags_of(order, &order.deployment_id)));
            match asked.send().await.map_err(Trouble::from) {
                // Made a moment ago, and not shown yet.
                Err(trouble) if trouble.code() == "AlreadyExistsException" => Ok(()),
                ended => ended.map(drop),
            }
        })
    }

    fn update<'a>(&'a self, order: &'a Order, template: &'a str, stack: &'a Stack) -> Asked<'a, Update> {
        Box::pin(async move {
            let client = self.client(order).await?;
            let found = match self.change_set(&client, order).await? {
                None => {
                    let prepared = self.prepare(&client, order, template, stack).await?;
                    if prepared != Update::Preparing {
                        return Ok(prepared);
                    }
                    // Some are ready at once.
                    self.change_set(&client, order).await?
                }
                found => found,
            };
            match found {
                Some((ChangeSetStatus::Failed, _, reason)) => {
                    self.unprepare(order).await?;
                    if is_empty(&reason) {
                        return Ok(Update::Unchanged);
                    }
                    Ok(Update::Refused(if reason.is_empty() { "the change set failed".to_owned() } else { reason }))
                }
                Some((ChangeSetStatus::CreateComplete, ExecutionStatus::Available, _)) => {
                    let asked = client
                        .execute_change_set()
                        .stack_name(&order.stack_name)
                        .change_set_name(change_set_name(order))
                        .client_request_token(&order.deployment_id);
                    match asked.send().await.map_err(Trouble::from) {
                        // Another step was faster.
                        Err(trouble) if trouble.code().starts_with("InvalidChangeSetStatus") => Ok(Update::Begun),
                        ended => ended.map(|_| Update::Begun),
                    }
                }
                // The stack was changed by others since it was prepared.
                Some((_, ExecutionStatus::Obsolete, _)) => {
                    self.unprepare(order).await?;
                    Ok(Update::Preparing)
                }
                _ => Ok(Update::Preparing),
            }
        })
    }

    fn unprepare<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(async move {
            let client = self.client(order).await?;
            let asked =
                client.delete_change_set().stack_name(&order.stack_name).change_set_name(change_set_name(order));
            match asked.send().await.map_err(Trouble::from) {
                // There is none, or it is being executed by now.
                Err(Trouble::Refused { .. }) => Ok(()),
                ended => ended.map(drop),
            }
        })
    }

    fn continue_rollback<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(async move {
            let client = self.client(order).await?;
            // Not the token of the deployment, whose own change is still to come.
            let token = format!("continue-{}", order.deployment_id);
            let asked = client.continue_update_rollback().stack_name(&order.stack_name).client_request_token(token);
            asked.send().await.map(drop).map_err(Trouble::from)
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(async move {
            let client = self.client(order).await?;
            let asked = client.delete_stack().stack_name(&order.stack_name).client_request_token(&order.deployment_id);
            asked.send().await.map(drop).map_err(Trouble::from)
        })
    }

    fn cancel_update<'a>(&'a self, order: &'a Order) -> Asked<'a, ()> {
        Box::pin(async move {
            let client = self.client(order).await?;
            let token = format!("cancel-{}", order.deployment_id);
            let asked = client.cancel_update_stack().stack_name(&order.stack_name).client_request_token(token);
            match asked.send().await.map_err(Trouble::from) {
                // It is over, or being cleaned up after.
                Err(Trouble::Refused { code, .. }) if code.starts_with("Validation") => Ok(()),
                ended => ended.map(drop),
            }
        })
    }

    fn pace(&self) -> RangeInclusive<i64> {
        1_000..=10_000
    }

    fn is_followed(&self) -> bool {
        true
    }
}

fn stack(found: standin_aws::cloudformation::types::Stack) -> Stack {
    let since = found.last_updated_time.or(found.creation_time);
    let outputs = found.outputs.unwrap_or_default();
    let tags = found.tags.unwrap_or_default();
    Stack {
        name: found.stack_name.unwrap_or_default(),
        id: found.stack_id.unwrap_or_default(),
        status: found.stack_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: found.stack_status_reason,
        since_ms: since.and_then(|time| time.to_millis().ok()).unwrap_or_default(),
        outputs: outputs.into_iter().filter_map(|output| Some((output.output_key?, output.output_value?))).collect(),
        tags: tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value?))).collect(),
    }
}

fn event(found: standin_aws::cloudformation::types::StackEvent) -> StackEvent {
    StackEvent {
        id: found.event_id.unwrap_or_default(),
        resource: found.logical_resource_id.unwrap_or_default(),
        kind: found.resource_type.unwrap_or_default(),
        status: found.resource_status.map(|status| status.as_str().to_owned()).unwrap_or_default(),
        reason: found.resource_status_reason.unwrap_or_default(),
        token: found.client_request_token,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_that_mean_nothing_is_there() {
        let check = |code: &str, message: &str, expect: bool| {
            assert_eq!(is_missing(&Trouble::refused(code, message)), expect, "{code} {message}");
        };
        check("ValidationError", "Stack with id x does not exist", true);
        check("ChangeSetNotFound", "", true);
        check("ValidationError", "1 validation error detected", false);
        check("AccessDenied", "x does not exist", false);
        assert!(!is_missing(&Trouble::Passing("does not exist".into())));
    }

    #[test]
    fn change_sets_that_change_nothing() {
        assert!(is_empty("The submitted information didn't contain changes. Submit different information."));
        assert!(is_empty("No updates are to be performed."));
        assert!(!is_empty("Template format error"));
    }
}
