//! Idempotency tokens: a create that is repeated under its token makes nothing new.

use std::time::Duration;

use standin_model::{Document, Fields};
use standin_store::tokens::{self, KnownToken, Token};
use standin_store::{Batch, StoreError};

use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::page;
use crate::record::Record;
use crate::resolve::WITHIN;
use crate::transition::after;

/// How long AWS knows a client token, as Proton's API reference says of its own and others do not contradict.
const KNOWN_FOR: Duration = Duration::from_secs(8 * 60 * 60);

/// The token of a call, and what was done under it.
pub(crate) struct AskedUnder {
    name: String,
    /// Of everything else in the call.
    fingerprint: String,
    known: KnownToken,
}

impl Work<'_> {
    /// The call's token, where it has one.
    pub(crate) async fn token(&self) -> Result<Option<AskedUnder>, StoreError> {
        // The token of a batch is that of all its items together.
        let Some(member) = self.plan.idempotency.filter(|_| self.item.is_none()) else { return Ok(None) };
        let given = self.input.get(member).and_then(Document::as_str).unwrap_or_default();
        if given.is_empty() {
            return Ok(None);
        }
        let name = format!("{}{WITHIN}{given}", self.context.operation.name);
        let fingerprint = format!("{:016x}", page::question(self.context, self.input, &[member]));
        let known = tokens::find(self.rows.store(), &self.space, &name, self.context.now.as_millis()).await?;
        Ok(Some(AskedUnder { name, fingerprint, known }))
    }

    /// What an earlier call under the same token made. Where that is gone, the call makes it anew.
    pub(crate) async fn repeated(&self, asked_under: Option<&AskedUnder>) -> Result<Option<Record>, Failed> {
        let Some(asked) = asked_under else { return Ok(None) };
        let Some(token) = &asked.known.token else { return Ok(None) };
        let Some(key) = token.result.get("key").and_then(Document::as_str) else { return Ok(None) };
        let Some(record) = self.get(self.role.resource, key).await? else { return Ok(None) };
        if token.fingerprint != asked.fingerprint {
            return Err(self.fault(Fault::OtherParameters, &asked.name));
        }
        Ok(Some(record))
    }

    /// Keeps under the token what was made. The batch conflicts where the same token was used meanwhile.
    pub(crate) fn keep(&self, asked_under: Option<AskedUnder>, batch: &mut Batch, record: &Record) {
        let Some(AskedUnder { name, fingerprint, known }) = asked_under else { return };
        let mut result = Fields::with_capacity(1);
        result.push("key", record.key.to_string());
        let expires_ms = after(self.context.now, KNOWN_FOR).as_millis();
        let token = Token { fingerprint, result: Document::Map(result), expires_ms };
        batch.keep_token(&self.space, &name, &known, token);
    }
}
