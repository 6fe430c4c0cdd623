//! What makes infrastructure of rendered templates, behind a trait.

use standin_core::BoxFuture;
use standin_model::Timestamp;

use crate::render::Rendered;

/// What is to be done to the infrastructure of one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// The same every time that an order is given again, after a crash too: who carries it out twice does it once.
    pub deployment_id: String,
    /// Of the Proton resource.
    pub resource_arn: String,
    /// Of the stack, also the name in Terraform's folders; the same for all deployments of a resource.
    pub stack_name: String,
    /// Where the infrastructure lives: the environment account, where there is a connection.
    pub account: String,
    pub region: String,
    pub partition: String,
    /// Of who provisions, where the environment or the account settings name one.
    pub role_arn: Option<String>,
    /// Names without `aws:`, and values.
    pub tags: Vec<(String, String)>,
    /// Nothing where the order is to delete and the template cannot be rendered any more.
    pub rendered: Option<Rendered>,
    /// When this step happens.
    pub now: Timestamp,
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// Not done yet: ask again after this time.
    Working { again_after_ms: i64 },
    /// Somebody else will say when it is done, by `NotifyResourceDeploymentStatusChange`.
    Waiting,
    /// Done. A deletion has neither outputs nor resources.
    Done { outputs: Vec<(String, String)>, resources: Vec<Made> },
    /// It failed, and what was there before is there again. The reason becomes the message of the deployment.
    Failed { reason: String },
    /// A cancellation came through: what was there before is there again.
    Cancelled,
}

/// A provisioned resource: for CloudFormation, the stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    pub name: String,
    pub identifier: String,
    /// `CLOUDFORMATION` or `TERRAFORM`.
    pub engine: &'static str,
}

/// Provisions. Every method may be called again with the same order until it has told an end, also by another process
/// after a crash, and never does the same thing twice.
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
