//! What others are told: every change of a status, as the EventBridge event that Proton sent.

use standin_model::{Document, Fields, Timestamp};
use standin_store::Event;

use super::tx::Tx;

/// What Proton's entries of the event log are called there. Their bodies are whole EventBridge events.
pub const KIND: &str = "proton.status";
/// The `source` of the events.
pub const SOURCE: &str = "aws.proton";

impl Tx<'_> {
    /// Tells the event log of a change of status, with the change itself. `what` is the noun of the detail type, `detail`
    /// names the resource. A status that stays is no event.
    pub fn event(
        &mut self,
        what: &str,
        arn: &str,
        previous: Option<&str>,
        status: &str,
        detail: &[(&'static str, &str)],
    ) {
        if previous == Some(status) {
            return;
        }
        let mut told = Fields::with_capacity(detail.len() + 2);
        for (name, value) in detail {
            told.push(*name, (*value).to_owned());
        }
        told.push("status", status.to_owned());
        told.push("previousStatus", previous.unwrap_or_default().to_owned());
        let number = self.batch.events.len();
        let mut event = Fields::with_capacity(9);
        event.push("version", "0");
        event.push("id", self.drawn_id("proton-event", number as u64));
        event.push("detail-type", detail_type(what));
        event.push("source", SOURCE);
        event.push("account", self.scope.account.clone());
        event.push("time", whole_seconds(self.scope.now).to_date_time());
        event.push("region", self.scope.region.clone());
        event.push("resources", vec![Document::from(arn.to_owned())]);
        event.push("detail", Document::Map(told));
        let space = self.space();
        self.batch.event(&space, KIND, Document::Map(event));
    }
}

/// The detail type of a kind of resource: `Service Instance` is told as `AWS Proton Service Instance Status Change`.
pub fn detail_type(what: &str) -> String {
    format!("AWS Proton {what} Status Change")
}

/// EventBridge tells times to the second.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_seconds(time.as_millis().div_euclid(1000))
}

/// Which events somebody wants. Each part that is given must be equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Nouns as in `Service Instance`, or whole detail types; any where there are none.
    pub types: Vec<String>,
    pub resource: Option<String>,
    pub status: Option<String>,
    pub account: Option<String>,
    pub region: Option<String>,
}

impl Wanted {
    /// Whether an entry of the log is one of Proton's, and wanted.
    pub fn takes(&self, event: &Event) -> bool {
        let text = |document: &Document, name: &str| document.get(name).and_then(Document::as_str).map(str::to_owned);
        let same = |wanted: &Option<String>, have: Option<String>| wanted.is_none() || *wanted == have;
        if *event.kind != *KIND {
            return false;
        }
        let body = &event.body;
        let of_type = || {
            let have = text(body, "detail-type").unwrap_or_default();
            self.types.is_empty() || self.types.iter().any(|what| *what == have || detail_type(what) == have)
        };
        let resources = body.get("resources").and_then(Document::as_list).unwrap_or_default();
        let about = |arn: &String| resources.iter().any(|resource| resource.as_str() == Some(arn));
        same(&self.account, Some(event.space.account.to_string()))
            && same(&self.region, Some(event.space.region.to_string()))
            && same(&self.status, body.get("detail").and_then(|detail| text(detail, "status")))
            && self.resource.as_ref().is_none_or(about)
            && of_type()
    }
}
