//! What one step of a deployment leaves to the next.

use standin_model::{Document, Fields};
use standin_proton::engine::provision::{Order, Progress};

/// Notes of a deployment whose stack is being made, changed or deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memo {
    /// Since when nobody answers.
    pub trouble_since_ms: Option<i64>,
    /// The last event that is in the log.
    pub logged: Option<String>,
    /// Whether an old change was taken back once more for this deployment.
    pub continued: bool,
}

impl Memo {
    pub(super) fn read(order: &Order) -> Self {
        let text = |name: &str| order.notes.get(name).and_then(Document::as_str).map(str::to_owned);
        Self {
            trouble_since_ms: text("troubleSince").and_then(|text| text.parse().ok()),
            logged: text("logged"),
            continued: text("continued").is_some(),
        }
    }

    fn write(&self) -> Document {
        let mut fields = Fields::new();
        if let Some(since) = self.trouble_since_ms {
            fields.push("troubleSince", since.to_string());
        }
        if let Some(logged) = &self.logged {
            fields.push("logged", logged.clone());
        }
        if self.continued {
            fields.push("continued", "yes");
        }
        Document::Map(fields)
    }

    /// Working on, with these notes where they are new.
    pub(super) fn again(&self, order: &Order, after_ms: i64) -> Progress {
        let notes = (*self != Self::read(order)).then(|| self.write());
        Progress::Working { again_after_ms: after_ms, notes }
    }
}
