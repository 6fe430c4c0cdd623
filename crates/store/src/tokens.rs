//! Idempotency tokens: a client that repeats a request gets the answer of the first time.

use std::sync::Arc;

use standin_model::{Document, Fields};

use crate::jobs::{due_until, sortable};
use crate::{Batch, IndexEntry, Range, Selector, Space, Store, StoreError, Table};

/// The table of every space that has tokens.
const TABLE: &str = "-tokens";
const INDEX: &str = "expires";
/// Tokens that are dropped in one go.
const PAGE: usize = 256;

/// What was done under a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// Of the request: another under the same token is a mistake of the client.
    pub fingerprint: String,
    /// What was answered.
    pub result: Document,
    /// In milliseconds since 1970 of the caller's clock.
    pub expires_ms: i64,
}

/// What is known under a token now.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownToken {
    /// Nothing where it was never used or has expired.
    pub token: Option<Token>,
    /// What [`Batch::keep_token`] wants to see unchanged.
    version: Option<u64>,
}

/// Looks a token up.
pub async fn find(store: &dyn Store, space: &Space, name: &str, now_ms: i64) -> Result<KnownToken, StoreError> {
    let table = table(space);
    let Some(row) = store.get(&table, name).await? else { return Ok(KnownToken { token: None, version: None }) };
    let read = || {
        let body = row.body.as_map()?;
        Some(Token {
            fingerprint: body.get("fingerprint")?.as_str()?.to_owned(),
            result: body.get("result")?.clone(),
            expires_ms: body.get("expires_ms")?.as_i64()?,
        })
    };
    let token = read().ok_or_else(|| StoreError::damaged(format!("row {name} of {table} as a token")))?;
    Ok(KnownToken { token: Some(token).filter(|token| token.expires_ms > now_ms), version: Some(row.version) })
}

/// Drops what has expired.
pub async fn sweep(store: &dyn Store, now_ms: i64) -> Result<(), StoreError> {
    let to = due_until(now_ms);
    for table in store.tables(&Selector::all()).await?.iter().filter(|table| &*table.name == TABLE) {
        loop {
            let rows = store.range(table, Range { index: INDEX, from: "", to: &to, limit: PAGE }).await?;
            if rows.is_empty() {
                break;
            }
            let mut batch = Batch::default();
            for row in &rows {
                batch.check(table, row.key.clone(), Some(row.version)).delete(table, row.key.clone());
            }
            match store.commit(batch).await {
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

impl Batch {
    /// Keeps the result under a token, together with what was done. Conflicts where the same token was used meanwhile:
    /// look it up again.
    pub fn keep_token(&mut self, space: &Space, name: &str, known: &KnownToken, token: Token) -> &mut Self {
        let mut body = Fields::with_capacity(3);
        let index: Arc<[IndexEntry]> = Arc::new([IndexEntry::new(INDEX, sortable(token.expires_ms))]);
        body.push("fingerprint", token.fingerprint);
        body.push("result", token.result);
        body.push("expires_ms", token.expires_ms);
        let table = table(space);
        self.check(&table, name, known.version).put(&table, name, Document::Map(body), index)
    }
}

fn table(space: &Space) -> Table {
    space.table(TABLE)
}
