//! Lists that are handed out page by page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use standin_core::OperationError;
use standin_store::{Row, Scan, Store, Table};

/// Rows that are read in one go, at least and at most: one more than is wanted tells whether there is more.
const READ: std::ops::RangeInclusive<usize> = 16..=256;

/// A part of a list.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub rows: Vec<Row>,
    /// Where there is more.
    pub next_token: Option<String>,
}

/// What of a table is listed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listing<'l> {
    pub table: &'l Table,
    /// The beginning of the keys.
    pub prefix: &'l str,
    /// As an earlier page gave it; an empty one is none.
    pub token: Option<&'l str>,
    /// At most so many rows.
    pub wanted: usize,
}

impl Listing<'_> {
    /// The rows of this page that `keep` takes; nothing where the token is none of ours.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn page(
        self,
        store: &dyn Store,
        keep: impl Fn(&Row) -> bool,
    ) -> Result<Option<Page>, OperationError> {
        let mut after = match self.token.filter(|token| !token.is_empty()).map(place_of) {
            Some(None) => return Ok(None),
            place => place.flatten(),
        };
        let mut page = Page::default();
        loop {
            let limit = (self.wanted - page.rows.len() + 1).clamp(*READ.start(), *READ.end());
            let scan = Scan { prefix: self.prefix, after: after.as_deref(), limit };
            let rows = store.scan(self.table, scan).await.map_err(OperationError::internal)?;
            let whole = rows.len() == limit;
            after = rows.last().map(|row| row.key.to_string());
            for row in rows.into_iter().filter(&keep) {
                if page.rows.len() == self.wanted {
                    page.next_token = page.rows.last().map(|last| token_of(&last.key));
                    return Ok(Some(page));
                }
                page.rows.push(row);
            }
            if !whole {
                return Ok(Some(page));
            }
        }
    }
}

/// The token of what comes after a key.
fn token_of(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("after/{key}"))
}

/// The key that a list goes on after.
fn place_of(token: &str) -> Option<String> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    String::from_utf8(bytes).ok()?.strip_prefix("after/").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lead_back() {
        assert_eq!(place_of(&token_of("birds")).as_deref(), Some("birds"));
        for wrong in ["", "birds", "!", "YWZ0ZXI"] {
            assert_eq!(place_of(wrong), None, "{wrong}");
        }
    }
}
