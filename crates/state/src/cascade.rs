//! What goes with the resource that it lies in.

use standin_lifecycle::{TypeIx, TypeKind};
use standin_store::{Batch, Scan, Space, StoreError};

use crate::record::Record;
use crate::resolve::WITHIN;
use crate::rows::Rows;
use crate::schema::Schema;

/// Rows that are looked at, and removed, at once.
pub(crate) const PAGE: usize = 1000;

/// The rows around which it works.
pub(crate) struct Cascade<'a> {
    pub rows: Rows<'a>,
    pub schema: &'a Schema,
    pub space: &'a Space,
    /// Rows at once.
    pub page: usize,
}

impl Cascade<'_> {
    /// Whether something with a name or id of its own lies in a resource, and is not about to go.
    pub(crate) async fn is_occupied(&self, ix: TypeIx, key: &str) -> Result<bool, StoreError> {
        let prefix = format!("{key}{WITHIN}");
        for child in self.schema.descendants(ix) {
            if !matches!(self.schema.lifecycle.resource(child).kind, TypeKind::Named | TypeKind::Assigned) {
                continue;
            }
            let mut after = None;
            loop {
                let found = self.inside(child, &prefix, after.as_deref()).await?;
                if found.iter().any(|record| !record.is_leaving()) {
                    return Ok(true);
                }
                if found.len() < self.page {
                    break;
                }
                after = found.last().map(|record| record.key.clone());
            }
        }
        Ok(false)
    }

    /// Adds what lies in a resource to those that a batch removes. What is more than a page goes before, a page at a time and
    /// what lies deepest first, so that a delete that is cut short can be repeated: the resource itself is still there.
    /// `guard`: what each of these pages checks.
    ///
    /// # Errors
    /// When the store fails, or [`StoreError::Conflict`] where a check of the guard does not hold.
    pub(crate) async fn empty(
        &self,
        ix: TypeIx,
        key: &str,
        guard: &Batch,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let prefix = format!("{key}{WITHIN}");
        let mut page = guard.clone();
        let mut count = 0;
        for child in self.schema.descendants(ix).into_iter().rev() {
            let table = self.space.table(self.schema.ty(child).table.clone());
            let mut after = None;
            loop {
                let found = self.inside(child, &prefix, after.as_deref()).await?;
                let last = found.len() < self.page;
                after = found.last().map(|record| record.key.clone());
                for record in found {
                    if count == self.page {
                        self.rows.commit(std::mem::replace(&mut page, guard.clone())).await?;
                        count = 0;
                    }
                    page.delete(&table, record.key);
                    count += 1;
                }
                if last {
                    break;
                }
            }
        }
        batch.writes.extend(page.writes);
        Ok(())
    }

    async fn inside(&self, ix: TypeIx, prefix: &str, after: Option<&str>) -> Result<Vec<Record>, StoreError> {
        let table = self.space.table(self.schema.ty(ix).table.clone());
        let rows = self.rows.scan(&table, Scan { prefix, after, limit: self.page }).await?;
        Ok(rows.into_iter().map(Record::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use standin_model::{Catalogue, Document};
    use standin_store::{MemoryStore, Selector, Store};

    use super::*;

    const PAGE_SMALL: usize = 3;

    #[tokio::test]
    async fn a_delete_that_was_cut_short_is_repeated_until_nothing_is_left() {
        let service = Catalogue::shared().newest("kendra").expect("served").open().expect("opens");
        let schema = Schema::new(standin_lifecycle::infer(service));
        let space = Space::new("111122223333", "us-east-1", "kendra");
        let ix = |name: &str| {
            let of = |ix: &TypeIx| schema.lifecycle.resource(*ix).name == name;
            schema.lifecycle.indices().find(of).expect("a type of the service")
        };
        let table = |name: &str| space.table(schema.ty(ix(name)).table.clone());
        let store = MemoryStore::new();
        let mut batch = Batch::default();
        let mut put = |name: &str, key: String| {
            batch.put(&table(name), key, Document::map(), Vec::new());
        };
        put("Index", "one".to_owned());
        put("Index", "other".to_owned());
        for at in 0..2 * PAGE_SMALL {
            put("DataSource", format!("one{WITHIN}{at}"));
            put("Faq", format!("one{WITHIN}{at}"));
        }
        put("DataSource", format!("other{WITHIN}0"));
        let version = store.commit(batch).await.expect("stores");
        let count = async |name: &str| store.count(&table(name), "").await.expect("counts");
        let cascade = Cascade { rows: Rows::of(&store), schema: &schema, space: &space, page: PAGE_SMALL };
        assert!(cascade.is_occupied(ix("Index"), "one").await.expect("reads"));

        let empty = async || {
            let mut guard = Batch::default();
            guard.check(&table("Index"), "one", Some(version));
            let mut batch = guard.clone();
            batch.delete(&table("Index"), "one");
            cascade.empty(ix("Index"), "one", &guard, &mut batch).await.map(|()| batch)
        };
        // What is not committed is what a crash leaves undone.
        let undone = empty().await.expect("removes pages");
        assert_eq!(undone.writes.len(), 1 + PAGE_SMALL, "a page at most, and the resource");
        assert_eq!(count("Index").await, 2);
        assert_eq!(count("DataSource").await + count("Faq").await, 1 + PAGE_SMALL as u64);

        let rest = empty().await.expect("removes pages");
        store.commit(rest).await.expect("stores");
        assert!(!cascade.is_occupied(ix("Index"), "one").await.expect("reads"));
        let tables = store.tables(&Selector::all()).await.expect("reads");
        assert_eq!(tables.len(), 2, "what is not in it stays: {tables:?}");
        assert_eq!((count("Index").await, count("DataSource").await), (1, 1));
    }

    #[tokio::test]
    async fn pages_go_only_while_the_resource_is_as_it_was() {
        let service = Catalogue::shared().newest("kendra").expect("served").open().expect("opens");
        let schema = Schema::new(standin_lifecycle::infer(service));
        let space = Space::new("111122223333", "us-east-1", "kendra");
        let ix = schema.lifecycle.indices().find(|ix| schema.lifecycle.resource(*ix).name == "Index").expect("a type");
        let child = schema.descendants(ix)[0];
        let (table, inner) = (space.table(schema.ty(ix).table.clone()), space.table(schema.ty(child).table.clone()));
        let store = MemoryStore::new();
        let mut batch = Batch::default();
        batch.put(&table, "one", Document::map(), Vec::new());
        for at in 0..=PAGE_SMALL {
            batch.put(&inner, format!("one{WITHIN}{at}"), Document::map(), Vec::new());
        }
        let version = store.commit(batch).await.expect("stores");
        let mut guard = Batch::default();
        guard.check(&table, "one", Some(version + 1));
        let cascade = Cascade { rows: Rows::of(&store), schema: &schema, space: &space, page: PAGE_SMALL };
        let refused = cascade.empty(ix, "one", &guard, &mut Batch::default()).await;
        assert!(matches!(refused, Err(StoreError::Conflict)));
        assert_eq!(store.count(&inner, "").await.expect("counts"), PAGE_SMALL as u64 + 1);
    }
}
