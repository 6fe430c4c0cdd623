//! What is there although no call made it: the default event bus, the default cluster, the draft of a bot.

use std::sync::Arc;

use standin_core::OperationError;
use standin_lifecycle::{Part, TypeIx, TypeKind, Verb};
use standin_model::{Document, Fields};
use standin_store::Batch;

use crate::handler::{Failed, Work};
use crate::make::{Draft, Making, body, harvest};
use crate::record::Record;
use crate::resolve::{Lineage, index};

impl Work<'_> {
    /// The one of a type that exists without being made, where that is the one that a call names: it comes into being when it
    /// is first needed. `around`: what it lies in.
    pub(crate) async fn implied(&self, ix: TypeIx, around: &Lineage, named: &str) -> Result<Option<Record>, Failed> {
        let resource = self.schema.lifecycle.resource(ix);
        let Some(default) = resource.default.as_deref().filter(|default| *default == named) else { return Ok(None) };
        let needed = resource.implicit || matches!(self.role.verb, Verb::Create | Verb::Put);
        let Some(prefix) = around.prefix().filter(|_| needed) else { return Ok(None) };
        let key: Arc<str> = format!("{prefix}{default}").into();
        let record = self.unmade(ix, around, default, key.clone());
        let table = self.table(ix);
        let mut batch = Batch::default();
        batch.put_new(&table, key.clone(), record.body.clone(), index(record.identity()));
        self.rows.commit(batch).await?;
        // With the version that it has in the store.
        match self.get(ix, &key).await? {
            Some(record) => Ok(Some(record)),
            None => Err(OperationError::internal("what was stored is not there").into()),
        }
    }

    fn unmade(&self, ix: TypeIx, around: &Lineage, default: &str, key: Arc<str>) -> Record {
        let resource = self.schema.lifecycle.resource(ix);
        let assigned = resource.kind == TypeKind::Assigned;
        let mut draft = Draft::default();
        draft.take(if assigned { Part::Id } else { Part::Name }, default);
        let known = resource.identity.name.filter(|_| !assigned).or(resource.identity.id);
        let mut input = Fields::with_capacity(1);
        if let Some(member) = known {
            input.push(member, default.to_owned());
        }
        let input = Document::Map(input);
        let making = Making {
            schema: self.schema,
            synthesizer: &self.resources.synthesizer,
            context: self.context,
            ix,
            input: &input,
            salt: standin_model::words::hash(&key),
        };
        let mut data = Fields::new();
        harvest(&making, None, &mut draft);
        if let Some(counter) = resource.counter {
            draft.made.insert(self.schema.ty(ix).noun.attribute(counter, false), default.to_owned());
        }
        making.settle(&mut draft, &data, &around.parents, true, 0);
        making.shape(&mut draft, &data, &around.parents);
        making.default(&mut draft, &mut data, &around.parents);
        let status = resource.status.as_ref();
        let body = body(draft, around.identities(), data, Fields::new(), self.context.now, status);
        Record { key, version: 0, body: Arc::new(body) }
    }
}
