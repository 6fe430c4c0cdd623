//! Forgetting resources by their tags.

use standin_lifecycle::TypeIx;
use standin_model::Catalogue;
use standin_store::{Batch, Scan, Selector, Store, StoreError, Table};

use crate::handler::Resources;
use crate::record::Record;
use crate::resolve::WITHIN;
use crate::schema::Schema;

/// Rows that are looked at at once.
const PAGE: usize = 1000;

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
                        within(store, &schema, &table, ix, &record.key, &mut batch).await?;
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

/// Adds what lies in a resource to those that are removed.
async fn within(
    store: &dyn Store,
    schema: &Schema,
    table: &Table,
    ix: TypeIx,
    key: &str,
    batch: &mut Batch,
) -> Result<(), StoreError> {
    let prefix = format!("{key}{WITHIN}");
    for child in schema.descendants(ix) {
        let child_table = table.space.table(schema.ty(child).table.clone());
        let scan = Scan { prefix: &prefix, after: None, limit: usize::MAX };
        for row in store.scan(&child_table, scan).await? {
            batch.delete(&child_table, row.key);
        }
    }
    Ok(())
}
