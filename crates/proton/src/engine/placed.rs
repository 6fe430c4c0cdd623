//! Where the stack of a resource is, and who may look at it.

use standin_core::OperationError;

use super::errors::{not_found, validation};
use super::kept::Kept;
use super::tags::{self, Named};
use super::tx::Tx;
use super::{Engine, Scope, connections};
use crate::types::*;

/// The stack of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its ARN.
    pub stack: String,
    /// The role that provisions it.
    pub role: Option<String>,
}

impl Engine {
    /// The stack of an environment, a service instance, a pipeline or a component, by its ARN.
    ///
    /// # Errors
    /// `ResourceNotFoundException` where there is no such resource, and `ValidationException` where it has no stack.
    pub async fn placed(&self, scope: &Scope, arn: &str) -> Result<Placed, OperationError> {
        let mut tx = Tx::new(self, scope.clone());
        let missing = || not_found("Resource", arn);
        let (resources, environment) = match tags::named(&tx, arn).ok_or_else(missing)? {
            Named::Environment(name) => {
                let row = tx.get::<Environment>(&name).await?;
                (row.extra.resources.clone(), Some(row.value.name))
            }
            Named::ServiceInstance(service, name) => {
                let row = tx.get::<ServiceInstance>(&format!("{service}/{name}")).await?;
                (row.extra.resources.clone(), Some(row.value.environment_name))
            }
            Named::Component(name) => {
                let row = tx.get::<Component>(&name).await?;
                (row.extra.resources.clone(), Some(row.value.environment_name))
            }
            Named::Pipeline(service) => (tx.get::<Service>(&service).await?.extra.resources, None),
            _ => return Err(missing()),
        };
        let is_stack = |resource: &&ProvisionedResource| {
            resource.provisioning_engine == Some(ProvisionedResourceEngine::Cloudformation)
        };
        let stack = resources.iter().find(is_stack).and_then(|resource| resource.identifier.clone());
        let stack = stack.ok_or_else(|| validation(format!("{arn} has no stack.")))?;
        let role = match environment {
            Some(name) => role_of(&mut tx, &name).await?,
            None => tx.find::<AccountSettings>("settings").await?.and_then(|kept| kept.value.pipeline_service_role_arn),
        };
        Ok(Placed { stack, role })
    }
}

/// The role by which an environment is provisioned.
async fn role_of(tx: &mut Tx<'_>, name: &str) -> Result<Option<String>, OperationError> {
    let Kept { value, .. } = tx.get::<Environment>(name).await?;
    match &value.environment_account_connection_id {
        Some(id) => connections::carries(tx, id).await.map(|connection| Some(connection.role_arn)),
        None => Ok(value.proton_service_role_arn),
    }
}
