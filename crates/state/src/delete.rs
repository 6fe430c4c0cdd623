//! Deleting resources, and what lies in them.

use standin_lifecycle::Part;
use standin_model::Document;
use standin_model::words::squash;
use standin_store::Batch;

use crate::cascade::{Cascade, PAGE};
use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::record::Identity;
use crate::resolve::index;

impl Work<'_> {
    pub(crate) async fn delete(&self) -> Result<Document, Failed> {
        let lineage = self.lineage().await?;
        let Some(record) = self.named(&lineage).await? else {
            if self.context.operation.idempotent && !self.models(Fault::NotFound) {
                return Err(Failed::Unknown);
            }
            return Err(self.not_found());
        };
        let leaving = self.status().and_then(|status| status.deleting.or(status.deleted));
        if record.is_leaving() {
            return self.show(&record, leaving).await;
        }
        let table = self.table(self.role.resource);
        let cascade = Cascade { rows: self.rows, schema: self.schema, space: &self.space, page: PAGE };
        if self.refuses_in_use() && cascade.is_occupied(self.role.resource, &record.key).await? {
            return Err(self.fault(Fault::InUse, record.identity().part(Part::Any).unwrap_or_default()));
        }
        let mut guard = Batch::default();
        guard.check(&table, record.key.clone(), Some(record.version));
        let mut batch = guard.clone();
        match self.farewell(&record) {
            Some(body) => {
                let index = index(Identity(&body));
                batch.put(&table, record.key.clone(), body, index);
            }
            None => {
                batch.delete(&table, record.key.clone());
            }
        }
        cascade.empty(self.role.resource, &record.key, &guard, &mut batch).await?;
        self.rows.commit(batch).await?;
        self.show(&record, leaving).await
    }

    /// Whether the operation models that something may still lie in what is deleted.
    fn refuses_in_use(&self) -> bool {
        self.context.operation.errors.iter().any(|shape| {
            let name = squash(self.context.service.shape(*shape).name);
            ["notempty", "contains", "deleteconflict", "haschild", "dependency"].iter().any(|mark| name.contains(mark))
        })
    }
}
