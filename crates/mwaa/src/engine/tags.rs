//! Tags. They never change an environment's status or last update.

use standin_core::{Arn, OperationError};
use standin_store::Batch;
use standin_typed::Shape as _;

use super::{Decided, Engine, Kept, Scope, not_found, rules, validation};
use crate::types::{
    ListTagsForResourceOutput, TagResourceInput, TagResourceOutput, UntagResourceInput, UntagResourceOutput,
};

impl Engine {
    pub(super) async fn tag(&self, scope: &Scope, input: &TagResourceInput) -> Result<Decided, OperationError> {
        if let Some(wrong) = rules::reserved(input.tags.keys().map(String::as_str)) {
            return Err(validation(wrong));
        }
        let (mut kept, version) = self.by_arn(scope, &input.resource_arn).await?;
        let tags = kept.environment.tags.get_or_insert_default();
        tags.extend(input.tags.clone());
        if tags.len() > rules::TAGS_MAX {
            return Err(validation(format!("An environment has at most {} tags", rules::TAGS_MAX)));
        }
        let mut batch = Batch::default();
        self.put(scope, &mut batch, kept, Some(version), None);
        Ok((TagResourceOutput {}.write(), batch))
    }

    pub(super) async fn untag(&self, scope: &Scope, input: &UntagResourceInput) -> Result<Decided, OperationError> {
        let (mut kept, version) = self.by_arn(scope, &input.resource_arn).await?;
        let tags = kept.environment.tags.get_or_insert_default();
        let before = tags.len();
        tags.retain(|key, _| !input.tag_keys.contains(key));
        let mut batch = Batch::default();
        if tags.len() != before {
            self.put(scope, &mut batch, kept, Some(version), None);
        }
        Ok((UntagResourceOutput {}.write(), batch))
    }

    pub(super) async fn tags(&self, scope: &Scope, arn: &str) -> Result<Decided, OperationError> {
        let (kept, _) = self.by_arn(scope, arn).await?;
        let tags = Some(kept.environment.tags.unwrap_or_default());
        Ok((ListTagsForResourceOutput { tags }.write(), Batch::default()))
    }

    /// The environment of an ARN; those of other accounts and regions are not there.
    async fn by_arn(&self, scope: &Scope, arn: &str) -> Result<(Kept, u64), OperationError> {
        let name = Arn::parse(arn)
            .filter(|arn| arn.account == scope.place.account && arn.region == scope.place.region)
            .and_then(|arn| arn.resource.strip_prefix("environment/"));
        match name {
            Some(name) => self.existing(scope, name).await,
            None => Err(not_found(arn)),
        }
    }
}
