//! CloudFormation provisions: a stack for each resource, in standin's own CloudFormation or in AWS's.
//!
//! [`ByStacks`] is the one logic; [`Stacks`] is what it needs of a CloudFormation.

pub(crate) mod memo;
mod own;
mod run;
#[cfg(feature = "aws")]
mod sdk;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::sync::Arc;

use standin_aws::{Trouble, Whose};
use standin_core::{BoxFuture, Caller};
use standin_model::Timestamp;
use standin_proton::engine::adopt;
use standin_proton::engine::provision::{Order, Provisioner};

use crate::config::{ProvisioningConfig, StacksBy};
use crate::log::Log;

pub use own::OwnStacks;
pub use run::ByStacks;
#[cfg(feature = "aws")]
pub use sdk::AwsStacks;

/// Who makes stacks, as configured.
pub(crate) fn configured(config: &ProvisioningConfig, caller: Caller, log: Log) -> Arc<dyn Provisioner> {
    let endpoint = match &config.cloudformation {
        StacksBy::Standin => {
            return Arc::new(ByStacks::new(Arc::new(OwnStacks::new(caller))).with_log(log));
        }
        StacksBy::Aws => None,
        StacksBy::Endpoint(url) => Some(url.clone()),
    };
    elsewhere(config, endpoint, log)
}

#[cfg(feature = "aws")]
fn elsewhere(config: &ProvisioningConfig, endpoint: Option<String>, log: Log) -> Arc<dyn Provisioner> {
    Arc::new(ByStacks::new(Arc::new(aws(config, endpoint))).with_log(log))
}

#[cfg(feature = "aws")]
fn aws(config: &ProvisioningConfig, endpoint: Option<String>) -> AwsStacks {
    let settings = standin_aws::Settings { endpoint: endpoint.or(config.aws.endpoint.clone()), ..config.aws.clone() };
    AwsStacks::new(Arc::new(standin_aws::Aws::new(settings)))
}

#[cfg(not(feature = "aws"))]
fn elsewhere(_: &ProvisioningConfig, _: Option<String>, _: Log) -> Arc<dyn Provisioner> {
    Arc::new(crate::methods::NotBuilt)
}

/// Where stacks are looked for, as configured.
pub(crate) fn survey(config: &ProvisioningConfig, caller: Caller) -> Arc<dyn Survey> {
    match &config.cloudformation {
        StacksBy::Standin => Arc::new(OwnStacks::new(caller)),
        StacksBy::Aws => survey_elsewhere(config, None),
        StacksBy::Endpoint(url) => survey_elsewhere(config, Some(url.clone())),
    }
}

#[cfg(feature = "aws")]
fn survey_elsewhere(config: &ProvisioningConfig, endpoint: Option<String>) -> Arc<dyn Survey> {
    Arc::new(aws(config, endpoint))
}

#[cfg(not(feature = "aws"))]
fn survey_elsewhere(_: &ProvisioningConfig, _: Option<String>) -> Arc<dyn Survey> {
    Arc::new(crate::methods::NotBuilt)
}

/// Looks for stacks, whoever made them.
pub trait Survey: Send + Sync {
    /// All stacks of an account and region whose names or tags are Proton's, with their templates.
    fn stacks<'a>(&'a self, whose: &'a Whose<'a>, now: Timestamp) -> Asked<'a, Vec<adopt::Stack>>;

    /// Calls an operation about drift, whose input is a few texts, and answers with what matters.
    fn drift<'a>(&'a self, whose: &'a Whose<'a>, ask: DriftAsk<'a>, now: Timestamp) -> Asked<'a, DriftAnswer>;
}

/// What is asked about the drift of a stack.
#[derive(Clone, Copy, Debug)]
pub enum DriftAsk<'a> {
    /// Begin to look at a stack.
    Detect(&'a str),
    /// How far that is, by the id of the detection.
    Status(&'a str),
    /// What was found in a stack.
    Resources(&'a str),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftAnswer {
    /// The id of the detection.
    Begun(String),
    /// Whether it goes on, and the drift of the stack or why it could not be told.
    Status {
        detection: String,
        drift: String,
        reason: String,
    },
    Resources(Vec<Drifted>),
}

/// A resource that is not as its template has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drifted {
    pub resource: String,
    pub kind: String,
    /// `MODIFIED` or `DELETED`.
    pub status: String,
    /// Paths of properties.
    pub properties: Vec<String>,
}

/// How often a detection is looked at, and the pause between.
const DRIFT_LOOKS: u32 = 40;
const DRIFT_PAUSE: std::time::Duration = std::time::Duration::from_millis(500);

/// Compares a stack with its template: `IN_SYNC`, `DRIFTED` …, and the resources that drifted.
///
/// # Errors
/// Where CloudFormation refuses it, or is not done in time.
pub async fn drift(
    survey: &dyn Survey,
    whose: &Whose<'_>,
    stack: &str,
    now: Timestamp,
) -> Result<(String, Vec<Drifted>), Trouble> {
    let odd = || Trouble::Passing("CloudFormation answered something else".into());
    let DriftAnswer::Begun(id) = survey.drift(whose, DriftAsk::Detect(stack), now).await? else { return Err(odd()) };
    for _ in 0..DRIFT_LOOKS {
        let DriftAnswer::Status { detection, drift, reason } = survey.drift(whose, DriftAsk::Status(&id), now).await?
        else {
            return Err(odd());
        };
        match detection.as_str() {
            "DETECTION_COMPLETE" => {
                let found = survey.drift(whose, DriftAsk::Resources(stack), now).await?;
                let DriftAnswer::Resources(drifted) = found else { return Err(odd()) };
                return Ok((drift, drifted));
            }
            "DETECTION_FAILED" => return Err(Trouble::refused("DetectionFailed", reason)),
            _ => tokio::time::sleep(DRIFT_PAUSE).await,
        }
    }
    Err(Trouble::Passing("the detection of drift goes on; ask again later".into()))
}

/// The tag by which a stack tells whose run made it.
pub const RUN_TAG: &str = "proton:deployment";
/// Pages of stacks that are read at most: far more than an account may have.
const PAGES_MAX: usize = 200;
/// What templates of Proton may make: everything.
const CAPABILITIES: [&str; 3] = ["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"];

type Asked<'a, T> = BoxFuture<'a, Result<T, Trouble>>;

/// A CloudFormation. Every call may be made again; what changes something carries the deployment's id as its token.
pub trait Stacks: Send + Sync {
    /// The stack of an order, where there is one that is not deleted.
    fn stack<'a>(&'a self, order: &'a Order) -> Asked<'a, Option<Stack>>;

    /// The latest events of the stack, newest first: those of the last run, within bounds.
    fn events<'a>(&'a self, order: &'a Order) -> Asked<'a, Vec<StackEvent>>;

    /// Whether a change of the stack has begun for this order, however it went.
    fn has_begun<'a>(&'a self, order: &'a Order) -> Asked<'a, bool>;

    /// Makes the stack.
    fn create<'a>(&'a self, order: &'a Order, template: &'a str) -> Asked<'a, ()>;

    /// Changes the stack, or goes on with preparing that.
    fn update<'a>(&'a self, order: &'a Order, template: &'a str, stack: &'a Stack) -> Asked<'a, Update>;

    /// Takes back what [`Self::update`] has prepared and not begun.
    fn unprepare<'a>(&'a self, order: &'a Order) -> Asked<'a, ()>;

    /// Goes on with taking a change back that could not be taken back.
    fn continue_rollback<'a>(&'a self, order: &'a Order) -> Asked<'a, ()>;

    fn delete<'a>(&'a self, order: &'a Order) -> Asked<'a, ()>;

    fn cancel_update<'a>(&'a self, order: &'a Order) -> Asked<'a, ()>;

    /// How soon a stack is looked at again, in milliseconds: after as long as it has been at it, within these bounds.
    fn pace(&self) -> RangeInclusive<i64>;

    /// Whether events go to the log as they come; else only those of a failure do.
    fn is_followed(&self) -> bool;
}

/// How a change of a stack began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Update {
    Begun,
    /// It is being worked out what would change.
    Preparing,
    /// Nothing would change.
    Unchanged,
    /// It cannot be changed so.
    Refused(String),
}

/// What of a stack matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stack {
    pub name: String,
    /// Its ARN.
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
    /// When it was made or changed last.
    pub since_ms: i64,
    pub outputs: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
}

impl Stack {
    fn tag(&self, name: &str) -> Option<&str> {
        self.tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it tells of this deployment: that it was made for it.
    fn is_of(&self, order: &Order) -> bool {
        self.tag(RUN_TAG) == Some(order.deployment_id.as_str())
    }

    /// Whether something is being done to it.
    fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && self.status != "REVIEW_IN_PROGRESS"
    }

    /// Whether it was never made whole: it cannot be updated, only deleted.
    fn is_unmade(&self) -> bool {
        matches!(
            self.status.as_str(),
            "ROLLBACK_COMPLETE" | "ROLLBACK_FAILED" | "CREATE_FAILED" | "DELETE_FAILED" | "REVIEW_IN_PROGRESS"
        )
    }

    /// Whether its last change came through.
    fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE")
    }
}

/// Something that happened in a stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackEvent {
    pub id: String,
    pub resource: String,
    pub kind: String,
    pub status: String,
    pub reason: String,
    /// The token of the request that it came of.
    pub token: Option<String>,
}

impl StackEvent {
    /// Whether a run of the stack begins with it: it is of the stack itself.
    fn begins_run(&self) -> bool {
        self.kind == "AWS::CloudFormation::Stack"
            && matches!(self.status.as_str(), "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS")
    }

    fn is_failure(&self) -> bool {
        self.status.ends_with("_FAILED") && !self.reason.contains("cancelled")
    }

    /// As a line of a log.
    fn line(&self) -> String {
        let line = format!("{} {} ({})", self.status, self.resource, self.kind);
        if self.reason.is_empty() { line } else { format!("{line}: {}", self.reason) }
    }
}

/// The tags of a stack: those of the order, and the run that made it.
fn tags<'a>(order: &'a Order, run: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_order = order.tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    of_order.chain([(RUN_TAG, run)])
}
