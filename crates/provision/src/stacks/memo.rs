//! What one step of a deployment leaves to the next, and how trouble is waited out.

use standin_aws::Trouble;
use standin_model::{Document, Fields};
use standin_proton::engine::provision::{Order, Progress};

use crate::log::Log;

/// How long trouble that passes is waited out: longer than throttling and most outages.
const TROUBLE_MS_MAX: i64 = 60 * 60_000;
/// How soon it is tried again where nobody answers.
const TROUBLE_PAUSE_MS: i64 = 5_000;

/// Notes of a deployment that happens elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memo {
    /// Since when nobody answers.
    pub trouble_since_ms: Option<i64>,
    /// The last event that is in the log.
    pub logged: Option<String>,
    /// Whether an old change was taken back once more for this deployment.
    pub continued: bool,
    /// The build that was started for this deployment.
    pub build: Option<String>,
}

impl Memo {
    pub(crate) fn read(order: &Order) -> Self {
        let text = |name: &str| order.notes.get(name).and_then(Document::as_str).map(str::to_owned);
        Self {
            trouble_since_ms: text("troubleSince").and_then(|text| text.parse().ok()),
            logged: text("logged"),
            continued: text("continued").is_some(),
            build: text("build"),
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
        if let Some(build) = &self.build {
            fields.push("build", build.clone());
        }
        Document::Map(fields)
    }

    /// Working on, with these notes where they are new.
    pub(crate) fn again(&self, order: &Order, after_ms: i64) -> Progress {
        let notes = (*self != Self::read(order)).then(|| self.write());
        Progress::Working { again_after_ms: after_ms, notes }
    }

    /// What a step comes to: trouble that passes is waited out, and told in the log when it begins; other trouble is the end.
    pub(crate) async fn settle(
        &mut self,
        order: &Order,
        log: Option<&Log>,
        ended: Result<Progress, Trouble>,
    ) -> Progress {
        let since = self.trouble_since_ms.take();
        match ended {
            Ok(Progress::Working { again_after_ms, .. }) => self.again(order, again_after_ms),
            Ok(progress) => progress,
            Err(Trouble::Passing(what)) => {
                let now = order.now.as_millis();
                if since.is_none() {
                    tracing::warn!(deployment = order.deployment_id, "trying again: {what}");
                    if let Some(log) = log {
                        log.say(order, format!("trying again: {what}")).await;
                    }
                }
                let since = since.unwrap_or(now);
                if now - since >= TROUBLE_MS_MAX {
                    return Progress::failed(format!("nothing but trouble for an hour, at last: {what}"));
                }
                self.trouble_since_ms = Some(since);
                self.again(order, TROUBLE_PAUSE_MS)
            }
            Err(refused) => Progress::failed(refused.to_string()),
        }
    }
}
