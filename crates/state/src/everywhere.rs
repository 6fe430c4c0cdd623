//! Resources of all services of an account in a region.

use standin_core::CallContext;
use standin_store::{Selector, Store, StoreError, Table};

use crate::record::Record;
use crate::resolve::BY_ARN;

/// What a caller has, whatever the service.
#[derive(Clone, Copy)]
pub(crate) struct Everywhere<'a> {
    pub store: &'a dyn Store,
    pub context: &'a CallContext,
}

impl Everywhere<'_> {
    /// The tables of resources in the call's region, and of services that have no regions, in a steady order.
    pub(crate) async fn tables(&self) -> Result<Vec<Table>, StoreError> {
        let mut all = Vec::new();
        for region in [&*self.context.region, ""] {
            let account = Some(self.context.account.to_string());
            let picked = Selector { account, region: Some(region.to_owned()), service: None };
            all.extend(self.store.tables(&picked).await?);
        }
        // Others count numbers and keep tokens.
        all.retain(|table| !table.name.starts_with(['@', '-']));
        Ok(all)
    }

    /// The resource of an ARN among those of some tables.
    pub(crate) async fn by_arn(&self, tables: &[Table], arn: &str) -> Result<Option<(Table, Record)>, StoreError> {
        for table in tables {
            let rows = self.store.find(table, BY_ARN, arn, None, 1).await?;
            let record = rows.into_iter().map(Record::from).find(|record| !record.is_gone(self.context.now));
            if let Some(record) = record {
                return Ok(Some((table.clone(), record)));
            }
        }
        Ok(None)
    }
}
