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
    /// What was read back is not what was written.
    #[error("the store holds something that it cannot have written: {what}")]
    Damaged { what: String },
}
