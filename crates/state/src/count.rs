//! Numbers that count up: versions.

use standin_model::{Document, Fields, Str};
use standin_store::Batch;

use crate::handler::{Failed, Work};

/// The tables of the last numbers that versions have: this and the name of the type.
const COUNTERS: &str = "@last ";

/// A number that a new resource is known by.
#[derive(Debug)]
pub(crate) struct Number {
    /// The member that tells it.
    pub counter: Str,
    pub number: i64,
    /// The member and value of the number that this one counts within.
    pub outer: Option<(Str, String)>,
}

impl Work<'_> {
    /// The next number of a type whose ids count up within the parent, and within the qualifier of two that count.
    pub(crate) async fn number(&self, prefix: &str, batch: &mut Batch) -> Result<Option<Number>, Failed> {
        let ix = self.role.resource;
        let Some(counter) = self.schema.lifecycle.resource(ix).counter else { return Ok(None) };
        let Some(outer) = self.schema.ty(ix).outer_counter else {
            let number = self.count(prefix, None, batch).await?;
            return Ok(Some(Number { counter, number, outer: None }));
        };
        if let Some(given) = self.qualifiers(ix).into_iter().next() {
            let number = self.count(prefix, Some(&given), batch).await?;
            return Ok(Some(Number { counter, number, outer: Some((outer, given.into_owned())) }));
        }
        let major = self.count(prefix, None, batch).await?.to_string();
        Ok(Some(Number { counter, number: 0, outer: Some((outer, major)) }))
    }

    /// Counts one up. Within another number, the first is 1, as 0 came with that one.
    pub(crate) async fn count(&self, prefix: &str, within: Option<&str>, batch: &mut Batch) -> Result<i64, Failed> {
        let table = self.space.table(format!("{COUNTERS}{}", self.schema.ty(self.role.resource).table));
        let key = within.map_or_else(|| prefix.to_owned(), |within| format!("{prefix}{within}"));
        let row = self.rows.get(&table, &key).await?;
        let last = row.as_ref().and_then(|row| row.body.get("last")).and_then(Document::as_i64);
        let last = last.unwrap_or_else(|| self.counted());
        let mut fields = Fields::with_capacity(1);
        fields.push("last", last + 1);
        batch.check(&table, key.as_str(), row.map(|row| row.version));
        batch.put(&table, key, Document::Map(fields), Vec::new());
        Ok(last + 1)
    }

    /// The number of what is there without being made: the `1` of IAM's policy version `v1`.
    fn counted(&self) -> i64 {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let default = resource.default.as_deref().filter(|_| resource.implicit).unwrap_or_default();
        default.trim_start_matches(|char: char| !char.is_ascii_digit()).parse().unwrap_or_default()
    }
}
