//! Which provisioner an order goes to.

use std::sync::Arc;

use standin_core::BoxFuture;
use standin_proton::engine::provision::{Order, Progress, ProvisionedBy, Provisioner};

/// Chooses by what the template holds.
pub struct Methods {
    stacks: Arc<dyn Provisioner>,
    builds: Arc<dyn Provisioner>,
    terraform: Arc<dyn Provisioner>,
}

impl Methods {
    pub fn new(stacks: Arc<dyn Provisioner>, builds: Arc<dyn Provisioner>, terraform: Arc<dyn Provisioner>) -> Self {
        Self { stacks, builds, terraform }
    }

    fn of(&self, order: &Order) -> &dyn Provisioner {
        match order.by {
            ProvisionedBy::CloudFormation => &*self.stacks,
            ProvisionedBy::CodeBuild => &*self.builds,
            ProvisionedBy::Terraform => &*self.terraform,
        }
    }
}

impl Provisioner for Methods {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        self.of(order).provision(order)
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        self.of(order).delete(order)
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        self.of(order).cancel(order)
    }
}

/// What asks AWS, in a standin without AWS's SDK.
#[cfg(not(feature = "aws"))]
pub(crate) struct NotBuilt;

#[cfg(not(feature = "aws"))]
impl NotBuilt {
    const REASON: &str = "this standin was built without AWS's SDK (its cargo feature `aws`)";
}

#[cfg(not(feature = "aws"))]
impl Provisioner for NotBuilt {
    fn provision<'a>(&'a self, _: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::failed(Self::REASON)))
    }

    fn delete<'a>(&'a self, _: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::failed(Self::REASON)))
    }

    fn cancel<'a>(&'a self, _: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::failed(Self::REASON)))
    }
}

#[cfg(not(feature = "aws"))]
impl crate::stacks::Survey for NotBuilt {
    fn stacks<'a>(
        &'a self,
        _: &'a standin_aws::Whose<'a>,
        _: standin_model::Timestamp,
    ) -> BoxFuture<'a, Result<Vec<standin_proton::engine::adopt::Stack>, standin_aws::Trouble>> {
        Box::pin(std::future::ready(Err(standin_aws::Trouble::refused("NotBuilt", Self::REASON))))
    }

    fn drift<'a>(
        &'a self,
        _: &'a standin_aws::Whose<'a>,
        _: crate::stacks::DriftAsk<'a>,
        _: standin_model::Timestamp,
    ) -> BoxFuture<'a, Result<crate::stacks::DriftAnswer, standin_aws::Trouble>> {
        Box::pin(std::future::ready(Err(standin_aws::Trouble::refused("NotBuilt", Self::REASON))))
    }
}
