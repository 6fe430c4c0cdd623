//! How the store fails.

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A check of a batch does not hold any more: read and decide anew.
    #[error("a row has changed since it was read")]
    Conflict,
    /// The backend failed: disk full, database gone, damaged file.
    #[error("the store failed while {doing}")]
    Backend {
        /// What was tried, and on what: `opening data/state.sqlite`.
        doing: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A document that cannot be kept: nested too deeply.
    #[error("row {key} of {table} cannot be kept: {why}")]
    Refused { table: String, key: String, why: String },
    /// What was read back is not what was written.
    #[error("the store holds something that it cannot have written: {what}")]
    Damaged { what: String },
}

impl StoreError {
    pub(crate) fn backend(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Backend { doing: doing.into(), source: source.into() }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }

    /// The error with all that caused it, in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(next) = cause {
            let more = next.to_string();
            // Drivers like to repeat their cause in their own words.
            if !text.ends_with(&more) {
                text.push_str(": ");
                text.push_str(&more);
            }
            cause = next.source();
        }
        text
    }
}
