//! Adoption: resources whose stacks Proton made before its end come to this engine, with their stacks as they are.
//!
//! Nothing of the infrastructure is touched: rows are written as if the last deployment of each resource had just
//! succeeded, and remember the names of their stacks, so that the next deployment goes to the very same.

mod inputs;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use standin_core::OperationError;
use standin_model::Timestamp;
use standin_store::StoreError;

use super::provision::Subject;
use super::tx::Tx;
use super::{ATTEMPTS_MAX, Engine, Scope, errors};

/// A stack that Proton made, as it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stack {
    pub name: String,
    /// Its ARN.
    pub id: String,
    pub status: String,
    pub created_at: Timestamp,
    pub outputs: Vec<(String, String)>,
    pub parameters: Vec<(String, String)>,
    pub tags: Vec<(String, String)>,
    /// The text of its template, where it could be read.
    pub template: Option<String>,
}

impl Stack {
    /// A tag of Proton, under either spelling.
    fn tag(&self, name: &str) -> Option<&str> {
        let of = |prefix: &str| {
            self.tags.iter().find(|(key, _)| key.strip_prefix(prefix) == Some(name)).map(|(_, value)| value.as_str())
        };
        of("aws:proton:").or_else(|| of("proton:")).filter(|value| !value.is_empty())
    }

    /// Whether it is one of Proton's: by its name, or by a tag that tells what it is for.
    pub fn is_protons(&self) -> bool {
        self.name.starts_with("AWSProton-") || self.subject().is_some()
    }

    /// The account of the Proton that made it, as far as the tags tell.
    pub fn home(&self) -> Option<&str> {
        let of_arn = || ["environment", "service"].iter().find_map(|tag| self.tag(tag)?.split(':').nth(4));
        self.tag("account").or_else(of_arn).filter(|account| !account.is_empty())
    }

    /// What it is for, by its tags.
    fn subject(&self) -> Option<Subject> {
        let resource = |tag: &str| self.tag(tag).and_then(|arn| arn.splitn(6, ':').nth(5));
        let name = |tag: &str| resource(tag).and_then(|resource| resource.split('/').nth(1)).map(str::to_owned);
        let environment = name("environment");
        if let Some(component) = name("component") {
            return Some(Subject::Component { environment: environment?, name: component });
        }
        if let Some(instance) = resource("service-instance") {
            let mut parts = instance.split('/');
            let (_, service, _, instance) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
            let (service, name) = (service.to_owned(), instance.to_owned());
            return Some(Subject::Instance { environment: environment?, service, name });
        }
        match (name("service"), environment) {
            (Some(service), _) => Some(Subject::Pipeline { service }),
            (None, Some(name)) => Some(Subject::Environment { name }),
            (None, None) => None,
        }
    }

    /// The name of its template.
    fn template_name(&self) -> Option<&str> {
        self.tag("template")?.rsplit('/').next()
    }

    /// The account that it is in.
    fn account(&self) -> &str {
        self.id.split(':').nth(4).unwrap_or_default()
    }
}

/// What the stacks do not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    /// Major and minor versions by the names of templates; the recommended version of the others.
    pub versions: BTreeMap<String, (String, String)>,
    /// Specs by `environment/NAME` and `service/NAME`.
    pub specs: BTreeMap<String, String>,
    /// Sources of services with pipelines, by the names of services.
    pub sources: BTreeMap<String, Source>,
    /// The role of environments, where they need one.
    pub role: Option<String>,
    /// The role of components.
    pub component_role: Option<String>,
    /// Nothing is written.
    pub dry_run: bool,
}

/// Where the code of a service is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    pub connection_arn: String,
    pub repository_id: String,
    pub branch: String,
}

/// What became of one stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub stack: String,
    /// `environment/NAME`, `service/S/service-instance/I` …; nothing where the stack does not tell.
    pub resource: Option<String>,
    pub result: Found,
    /// `NAME 1.0`.
    pub template: Option<String>,
    /// The inputs, and where each comes from.
    pub inputs: Vec<Input>,
    /// Whether the template with these inputs is the very template of the stack; nothing where it could not be compared.
    pub same: Option<bool>,
    /// What to know before the next deployment.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Found {
    /// It is here now, or would be in a run that is not dry.
    #[default]
    Adopted,
    /// It was here before.
    Known,
    /// It cannot be adopted: why, and what to do.
    Refused(String),
}

/// An input of a spec that was made up from a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub name: String,
    pub value: String,
    /// `template`, `parameter`, `output`, `default` or `spec`.
    pub from: &'static str,
}

impl Engine {
    /// Adopts what stacks of Proton stand for; environments first, then services, pipelines and components. What is here
    /// already stays as it is, so that the same again adopts what was refused before.
    ///
    /// # Errors
    /// Where the store fails, or others change the same resources all the time. What is wrong with one stack is its
    /// [`Outcome`].
    pub async fn adopt(&self, scope: &Scope, stacks: &[Stack], hints: &Hints) -> Result<Vec<Outcome>, OperationError> {
        for _ in 0..ATTEMPTS_MAX {
            let mut tx = Tx::new(self, scope.clone());
            let outcomes = rows::adopt(&mut tx, stacks, hints).await?;
            if hints.dry_run {
                return Ok(outcomes);
            }
            match tx.commit().await {
                Ok(()) => return Ok(outcomes),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(OperationError::internal(error)),
            }
        }
        Err(errors::conflict("The resources are being changed by too many others; try again."))
    }
}
