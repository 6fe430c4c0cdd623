//! From an order to its end, by looking at the stack and doing what comes next.

use std::sync::Arc;

use standin_aws::Trouble;
use standin_core::BoxFuture;
use standin_proton::engine::provision::{Made, Order, Progress, Provisioner};
use standin_proton::render::Rendered;

use super::memo::Memo;
use super::{Stack, StackEvent, Stacks, Update};
use crate::log::{Line, Log};

/// Lines that one step adds to the log.
const LINES_MAX: usize = 500;

/// Provisions by stacks.
pub struct ByStacks {
    stacks: Arc<dyn Stacks>,
    log: Option<Log>,
}

impl ByStacks {
    pub fn new(stacks: Arc<dyn Stacks>) -> Self {
        Self { stacks, log: None }
    }

    /// Lets what happens in stacks be read in the logs of deployments.
    #[must_use]
    pub fn with_log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    async fn try_provision(&self, order: &Order, memo: &mut Memo) -> Result<Progress, Trouble> {
        let Some(Rendered::CloudFormation { template }) = &order.rendered else {
            return Ok(Progress::failed("there is no CloudFormation template"));
        };
        let stacks = &self.stacks;
        let stack = match stacks.stack(order).await? {
            None => {
                stacks.create(order, template).await?;
                None
            }
            Some(stack) if stack.is_busy() => Some(stack),
            Some(stack) if stack.is_of(order) || stacks.has_begun(order).await? => {
                return Ok(self.ended(order, stack).await);
            }
            Some(stack) if stack.is_unmade() => {
                stacks.delete(order).await?;
                None
            }
            Some(stack) if stack.status == "UPDATE_ROLLBACK_FAILED" => {
                if memo.continued {
                    let reason = self.reason(order, &stack).await;
                    return Ok(Progress::failed(format!("an earlier change cannot be taken back: {reason}")));
                }
                stacks.continue_rollback(order).await?;
                memo.continued = true;
                None
            }
            Some(stack) => match stacks.update(order, template, &stack).await? {
                Update::Begun => None,
                Update::Preparing => return Ok(memo.again(order, *stacks.pace().start())),
                Update::Unchanged => return Ok(done(stack)),
                Update::Refused(reason) => return Ok(Progress::failed(reason)),
            },
        };
        // What is quick is over by now.
        let stack = match stack {
            None => stacks.stack(order).await?,
            known => known,
        };
        match stack {
            Some(stack) if !stack.is_busy() && stack.is_of(order) => Ok(self.ended(order, stack).await),
            stack => Ok(memo.again(order, self.pause(order, stack.as_ref()))),
        }
    }

    async fn try_delete(&self, order: &Order, memo: &Memo) -> Result<Progress, Trouble> {
        let gone = Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        let Some(stack) = self.stacks.stack(order).await? else { return Ok(gone) };
        if stack.is_busy() {
            return Ok(memo.again(order, self.pause(order, Some(&stack))));
        }
        if stack.status == "DELETE_FAILED" && self.stacks.has_begun(order).await? {
            return Ok(Progress::failed(self.reason(order, &stack).await));
        }
        self.stacks.delete(order).await?;
        match self.stacks.stack(order).await? {
            None => Ok(gone),
            stack => Ok(memo.again(order, self.pause(order, stack.as_ref()))),
        }
    }

    async fn try_cancel(&self, order: &Order, memo: &Memo) -> Result<Progress, Trouble> {
        let Some(stack) = self.stacks.stack(order).await? else { return Ok(Progress::Cancelled) };
        if !stack.is_of(order) && !self.stacks.has_begun(order).await? {
            self.stacks.unprepare(order).await?;
            return Ok(Progress::Cancelled);
        }
        match stack.status.as_str() {
            "UPDATE_IN_PROGRESS" => self.stacks.cancel_update(order).await?,
            "CREATE_IN_PROGRESS" => self.stacks.delete(order).await?,
            _ if stack.is_good() => return Ok(done(stack)),
            _ if !stack.is_busy() => return Ok(Progress::Cancelled),
            _ => {}
        }
        Ok(memo.again(order, *self.stacks.pace().start()))
    }

    /// What became of the order, by the stack that its run left.
    async fn ended(&self, order: &Order, stack: Stack) -> Progress {
        if stack.is_good() { done(stack) } else { Progress::failed(self.reason(order, &stack).await) }
    }

    /// Why a stack failed: the first event of a failure since the run began.
    async fn reason(&self, order: &Order, stack: &Stack) -> String {
        let events = self.stacks.events(order).await.unwrap_or_default();
        let of_run = events.iter().position(StackEvent::begins_run).map_or(&*events, |at| &events[..at]);
        if !self.stacks.is_followed() {
            self.log(order, of_run.iter().rev()).await;
        }
        let failed = of_run.iter().rev().find(|event| event.is_failure());
        failed.map_or_else(
            || stack.reason.clone().unwrap_or_else(|| format!("stack {} ended in {}", order.stack_name, stack.status)),
            |event| format!("{}: {}", event.resource, event.reason),
        )
    }

    /// When to look again at a stack that something goes on with.
    fn pause(&self, order: &Order, stack: Option<&Stack>) -> i64 {
        let since = stack.map_or(0, |stack| order.now.as_millis().saturating_sub(stack.since_ms));
        let pace = self.stacks.pace();
        since.clamp(*pace.start(), *pace.end())
    }

    async fn log<'e>(&self, order: &Order, events: impl Iterator<Item = &'e StackEvent> + Send) {
        let Some(log) = &self.log else { return };
        let lines: Vec<Line> =
            events.take(LINES_MAX).map(|event| Line { time: order.now, text: event.line() }).collect();
        if !lines.is_empty()
            && let Err(error) = log.add(order, &lines).await
        {
            tracing::warn!(error = error.message, deployment = order.deployment_id, "events are not in the log");
        }
    }

    /// Puts what has happened since the last step into the log. A step that is repeated may say it twice.
    async fn follow(&self, order: &Order, memo: &mut Memo) {
        if !self.stacks.is_followed() || self.log.is_none() {
            return;
        }
        let Ok(events) = self.stacks.events(order).await else { return };
        let of_run = match &memo.logged {
            Some(logged) => events.iter().position(|event| event.id == *logged).unwrap_or(events.len()),
            None => events.iter().position(StackEvent::begins_run).map_or(0, |at| at + 1),
        };
        self.log(order, events[..of_run].iter().rev()).await;
        if let Some(newest) = events.first().filter(|_| of_run > 0) {
            memo.logged = Some(newest.id.clone());
        }
    }
}

fn done(stack: Stack) -> Progress {
    let made = Made { name: stack.name, identifier: stack.id, engine: "CLOUDFORMATION" };
    Progress::Done { outputs: stack.outputs, resources: vec![made] }
}

impl Provisioner for ByStacks {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.try_provision(order, &mut memo).await;
            self.follow(order, &mut memo).await;
            memo.settle(order, self.log.as_ref(), ended).await
        })
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.try_delete(order, &memo).await;
            if matches!(ended, Ok(Progress::Working { .. } | Progress::Failed { .. })) {
                self.follow(order, &mut memo).await;
            }
            memo.settle(order, self.log.as_ref(), ended).await
        })
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            let mut memo = Memo::read(order);
            let ended = self.try_cancel(order, &memo).await;
            memo.settle(order, self.log.as_ref(), ended).await
        })
    }
}
