//! Deleting resources, and what lies in them.

use standin_lifecycle::{Part, TypeKind};
use standin_model::Document;
use standin_model::words::squash;
use standin_store::Batch;

use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::record::Identity;
use crate::resolve::{WITHIN, index};

/// Rows that one delete takes with it at most, per type.
pub(crate) const CASCADE_MAX: usize = 100_000;

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
        let mut batch = Batch::default();
        let table = self.table(self.role.resource);
        batch.check(&table, record.key.clone(), Some(record.version));
        match self.farewell(&record) {
            Some(body) => {
                let index = index(Identity(&body));
                batch.put(&table, record.key.clone(), body, index);
            }
            None => {
                batch.delete(&table, record.key.clone());
            }
        }
        let refuses = self.refuses_in_use();
        for child in self.schema.descendants(self.role.resource) {
            let table = self.table(child);
            let inside = self.scan(child, &format!("{}{WITHIN}", record.key), None, CASCADE_MAX).await?;
            let own = matches!(self.schema.lifecycle.resource(child).kind, TypeKind::Named | TypeKind::Assigned);
            if refuses && own && inside.iter().any(|row| !row.is_leaving()) {
                return Err(self.fault(Fault::InUse, record.identity().part(Part::Any).unwrap_or_default()));
            }
            for row in inside {
                batch.delete(&table, row.key);
            }
        }
        self.resources.store.commit(batch).await?;
        self.show(&record, leaving).await
    }

    /// Whether the operation models that something may still lie in what is deleted.
    pub(crate) fn refuses_in_use(&self) -> bool {
        self.context.operation.errors.iter().any(|shape| {
            let name = squash(self.context.service.shape(*shape).name);
            ["notempty", "contains", "deleteconflict", "haschild", "dependency"].iter().any(|mark| name.contains(mark))
        })
    }
}
