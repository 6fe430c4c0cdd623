//! What makes infrastructure of rendered templates, behind a trait.

use std::time::Duration;

use standin_core::BoxFuture;
use standin_model::{Document, Timestamp};

use crate::manifest::Method;
use crate::render::Rendered;
use crate::types::RepositoryBranch;

/// What is to be done to the infrastructure of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The same every time that an order is given again, after a crash too: who carries it out twice does it once.
    pub deployment_id: String,
    /// Of the Proton resource.
    pub resource_arn: String,
    pub subject: Subject,
    /// Proton's own account, where the resource is; [`Self::account`] is where its infrastructure is.
    pub home: String,
    /// Of the stack, also the name in Terraform's folders; the same for all deployments of a resource.
    pub stack_name: String,
    /// Where the infrastructure lives: the environment account, where there is a connection.
    pub account: String,
    pub region: String,
    pub partition: String,
    /// Of who provisions, where the environment, its connection or the account settings name one: for CodeBuild the role of
    /// builds.
    pub role_arn: Option<String>,
    /// Where Terraform's files go, if the environment or, for pipelines, the account settings name it.
    pub repository: Option<RepositoryBranch>,
    pub by: ProvisionedBy,
    /// Names without `aws:`, and values.
    pub tags: Vec<(String, String)>,
    /// Nothing where the order is to delete and the template cannot be rendered any more.
    pub rendered: Option<Rendered>,
    /// What an earlier step of the deployment gave to be kept; `Null` before.
    pub notes: Document,
    /// When this step happens.
    pub now: Timestamp,
}

/// What kind of infrastructure code a template holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProvisionedBy {
    CloudFormation,
    CodeBuild,
    Terraform,
}

impl From<&Method> for ProvisionedBy {
    fn from(method: &Method) -> Self {
        match method {
            Method::CloudFormation { .. } => Self::CloudFormation,
            Method::Terraform { .. } => Self::Terraform,
            Method::CodeBuild(_) => Self::CodeBuild,
        }
    }
}

/// The Proton resource that infrastructure is for, by its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    Environment { name: String },
    Instance { environment: String, service: String, name: String },
    Pipeline { service: String },
    Component { environment: String, name: String },
}

impl Subject {
    /// As branches of pull requests have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Environment { .. } => "environment",
            Self::Instance { .. } => "service_instance",
            Self::Pipeline { .. } => "pipeline",
            Self::Component { .. } => "component",
        }
    }

    /// As titles of pull requests have it; the end of the ARN.
    pub fn title(&self) -> String {
        match self {
            Self::Environment { name } => format!("environment/{name}"),
            Self::Instance { service, name, .. } => format!("service/{service}/service-instance/{name}"),
            Self::Pipeline { service } => format!("service/{service}/pipeline"),
            Self::Component { name, .. } => format!("component/{name}"),
        }
    }

    /// The folder of its files in a repository.
    pub fn folder(&self) -> String {
        match self {
            Self::Environment { name } => name.clone(),
            Self::Instance { environment, service, name } => format!("{environment}/{service}-{name}"),
            Self::Pipeline { service } => format!("{service}/pipeline"),
            Self::Component { environment, name } => format!("{environment}/{name}"),
        }
    }
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Not done yet: ask again after this time at the latest, with these notes where there are any. They are kept with this
    /// step, or the step has not happened.
    Working { again_after_ms: i64, notes: Option<Document> },
    /// Somebody else will say when it is done, by `NotifyResourceDeploymentStatusChange`.
    Waiting,
    /// Done. A deletion has neither outputs nor resources.
    Done { outputs: Vec<(String, String)>, resources: Vec<Made> },
    /// It failed, and what was there before is there again. The reason becomes the message of the deployment.
    Failed { reason: String },
    /// A cancellation came through: what was there before is there again.
    Cancelled,
    /// Somebody else than Proton's user has stopped it: it ends as a cancellation, with this reason as its message.
    Withdrawn { reason: String },
}

impl Progress {
    /// Not done yet.
    pub fn again(after_ms: i64) -> Self {
        Self::Working { again_after_ms: after_ms, notes: None }
    }

    pub fn failed(reason: impl Into<String>) -> Self {
        Self::Failed { reason: reason.into() }
    }
}

/// A provisioned resource: for CloudFormation, the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub name: String,
    pub identifier: String,
    /// `CLOUDFORMATION` or `TERRAFORM`.
    pub engine: &'static str,
}

/// How long a step may take.
pub const STEP: Duration = Duration::from_secs(50);

/// Provisions. Every method may be called again with the same order until it has told an end, also by another process
/// after a crash, and never does the same thing twice. One that does not come back within [`STEP`] is called again.
pub trait Provisioner: Send + Sync {
    /// Creates or updates the infrastructure of an order.
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress>;

    /// Takes the infrastructure away. What is not there is gone already.
    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress>;

    /// Stops the provisioning of an order, where that is still possible; [`Progress::Done`] where it came too late.
    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress>;
}

/// Where template bundles come from.
pub trait BundleSource: Send + Sync {
    /// The bytes of an object; the error is a sentence for the status message.
    fn fetch<'a>(
        &'a self,
        account: &'a str,
        region: &'a str,
        bucket: &'a str,
        key: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(subject: &Subject, expect: (&str, &str, &str)) {
        assert_eq!((subject.kind(), &*subject.title(), &*subject.folder()), expect);
    }

    #[test]
    fn subjects_have_the_names_that_pull_requests_know() {
        let (environment, service, name) = (|| "env".to_owned(), || "svc".to_owned(), || "it".to_owned());
        check(&Subject::Environment { name: name() }, ("environment", "environment/it", "it"));
        check(
            &Subject::Instance { environment: environment(), service: service(), name: name() },
            ("service_instance", "service/svc/service-instance/it", "env/svc-it"),
        );
        check(&Subject::Pipeline { service: service() }, ("pipeline", "service/svc/pipeline", "svc/pipeline"));
        check(
            &Subject::Component { environment: environment(), name: name() },
            ("component", "component/it", "env/it"),
        );
    }
}
