//! Forgetting resources by their tags.

use standin_model::Catalogue;
use standin_store::{Batch, Scan, Selector, StoreError};

use crate::cascade::{Cascade, PAGE};
use crate::handler::Resources;
use crate::record::Record;
use crate::rows::Rows;

impl Resources {
    /// Removes the resources that have a tag, and what lies in them; without a value, whatever the tag's is. How many had it.
    ///
    /// # Errors
    /// When the store fails; what was removed before stays so.
    pub async fn forget_tagged(
        &self,
        catalogue: &'static Catalogue,
        picked: &Selector,
        key: &str,
        value: Option<&str>,
    ) -> Result<u64, StoreError> {
        let store = &**self.store();
        let mut count = 0;
        for table in store.tables(picked).await? {
            let Some(service) = catalogue.find(&table.space.service).and_then(|entry| entry.open().ok()) else {
                continue;
            };
            let schema = self.schema(service);
            let Some(ix) = schema.lifecycle.indices().find(|ix| schema.ty(*ix).table == table.name) else { continue };
            let mut after = None;
            loop {
                let scan = Scan { prefix: "", after: after.as_deref(), limit: PAGE };
                let rows = store.scan(&table, scan).await?;
                let mut batch = Batch::default();
                let full = rows.len() == PAGE;
                for record in rows.into_iter().map(Record::from) {
                    after = Some(record.key.to_string());
                    let tagged = record
                        .tags()
                        .and_then(|tags| tags.get(key))
                        .is_some_and(|found| value.is_none_or(|value| found.as_str().unwrap_or_default() == value));
                    if tagged {
                        count += 1;
                        batch.delete(&table, record.key.clone());
                        let (rows, schema) = (Rows::of(store), &*schema);
                        let cascade = Cascade { rows, schema, space: &table.space, page: PAGE };
                        cascade.empty(ix, &record.key, &Batch::default(), &mut batch).await?;
                    }
                }
                if !batch.is_empty() {
                    store.commit(batch).await?;
                }
                if !full {
                    break;
                }
            }
        }
        Ok(count)
    }
}
