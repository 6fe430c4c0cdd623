//! What a deployment by pull request remembers from step to step.

use standin_host::git::ObjectId;
use standin_model::{Document, Fields, Timestamp};

/// Kept with the deployment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    /// When the deployment began, in milliseconds since 1970.
    pub since: i64,
    /// When its cancellation began.
    pub cancelling: Option<i64>,
    /// The commit that the change goes out from.
    pub base: Option<ObjectId>,
    /// The time of the commit, in seconds since 1970.
    pub at: i64,
    /// Of the resource, in the repository.
    pub folder: String,
    /// What is proposed.
    pub commit: Option<ObjectId>,
    /// Of the request, where there is a forge.
    pub number: Option<u64>,
    pub url: Option<String>,
    /// The commit of the base branch that was looked at last, without the change in it.
    pub seen: Option<ObjectId>,
    /// What the log was told last.
    pub trouble: Option<String>,
}

impl Notes {
    pub fn read(document: &Document, now: Timestamp) -> Self {
        let text = |name: &str| document.get(name).and_then(Document::as_str).map(str::to_owned);
        let number = |name: &str| text(name).and_then(|text| text.parse::<i64>().ok());
        let id = |name: &str| text(name).and_then(|text| ObjectId::parse(&text).ok());
        Self {
            since: number("since").unwrap_or_else(|| now.as_millis()),
            cancelling: number("cancelling"),
            base: id("base"),
            at: number("at").unwrap_or_default(),
            folder: text("folder").unwrap_or_default(),
            commit: id("commit"),
            number: number("number").and_then(|number| u64::try_from(number).ok()),
            url: text("url"),
            seen: id("seen"),
            trouble: text("trouble"),
        }
    }

    pub fn write(&self) -> Document {
        let mut fields = Fields::new();
        let mut set = |name: &'static str, value: Option<String>| {
            if let Some(value) = value {
                fields.push(name, value);
            }
        };
        set("since", Some(self.since.to_string()));
        set("cancelling", self.cancelling.map(|time| time.to_string()));
        set("base", self.base.as_ref().map(ObjectId::to_string));
        set("at", Some(self.at.to_string()));
        set("folder", Some(self.folder.clone()));
        set("commit", self.commit.as_ref().map(ObjectId::to_string));
        set("number", self.number.map(|number| number.to_string()));
        set("url", self.url.clone());
        set("seen", self.seen.as_ref().map(ObjectId::to_string));
        set("trouble", self.trouble.clone());
        Document::Map(fields)
    }
}
