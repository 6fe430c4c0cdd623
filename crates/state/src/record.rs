//! A stored resource.
//!
//! The document of a row, with short keys because there may be a million of them:
//!
//! | key | holds |
//! |---|---|
//! | `n` `i` `a` | name, id and ARN |
//! | `p` | the identities of what it lies in, outermost first: a list of `{n, i, a}` |
//! | `d` | what callers gave, by attribute |
//! | `s` | what the service made, by attribute |
//! | `g` | tags: a map of texts |
//! | `c` `u` | when it was created and last updated |
//! | `r` | how often it was changed |
//! | `st` | its settled status |
//! | `w` | a transition: `{via, until, gone, from}`: shows `via` before `until`; is deleted, and not seen any more from `gone` on; reads do not see it before `from`; `late`: lists of bare names show it until `gone`, too |

use std::sync::Arc;

use standin_lifecycle::Part;
use standin_model::{Document, Fields, Timestamp};
use standin_store::Row;

pub(crate) const NAME: &str = "n";
pub(crate) const ID: &str = "i";
pub(crate) const ARN: &str = "a";
pub(crate) const PARENTS: &str = "p";
pub(crate) const DATA: &str = "d";
pub(crate) const MADE: &str = "s";
pub(crate) const TAGS: &str = "g";
pub(crate) const CREATED: &str = "c";
pub(crate) const UPDATED: &str = "u";
pub(crate) const CHANGES: &str = "r";
pub(crate) const STATUS: &str = "st";
pub(crate) const WAY: &str = "w";

/// A resource as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub key: Arc<str>,
    pub version: u64,
    pub body: Arc<Document>,
}

impl From<Row> for Record {
    fn from(row: Row) -> Self {
        Self { key: row.key, version: row.version, body: row.body }
    }
}

impl Record {
    pub(crate) fn identity(&self) -> Identity<'_> {
        Identity(&self.body)
    }

    /// The identity of what it lies in, so many levels up (1: the parent).
    pub(crate) fn ancestor(&self, up: usize) -> Option<Identity<'_>> {
        let parents = self.body.get(PARENTS)?.as_list()?;
        parents.len().checked_sub(up).and_then(|at| parents.get(at)).map(Identity)
    }

    pub(crate) fn data(&self, attribute: &str) -> Option<&Document> {
        self.body.get(DATA)?.get(attribute)
    }

    pub(crate) fn made(&self) -> Option<&Document> {
        self.body.get(MADE)
    }

    pub(crate) fn tags(&self) -> Option<&Fields> {
        self.body.get(TAGS)?.as_map()
    }

    /// The body with other tags.
    pub(crate) fn with_tags(&self, tags: Fields) -> Document {
        let mut fields = self.body.as_map().cloned().unwrap_or_default();
        if tags.is_empty() {
            fields.remove(TAGS);
        } else {
            fields.insert(TAGS, tags);
        }
        Document::Map(fields)
    }

    pub(crate) fn changes(&self) -> i64 {
        self.body.get(CHANGES).and_then(Document::as_i64).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Option<&str> {
        self.body.get(STATUS)?.as_str()
    }

    /// The status that it shows at a time, where a transition is under way.
    pub(crate) fn passing(&self, now: Timestamp) -> Option<&str> {
        let way = self.body.get(WAY)?;
        let until = timestamp(way.get("until")?)?;
        if now < until { way.get("via")?.as_str() } else { None }
    }

    /// Whether it was deleted, and is perhaps still seen on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.body.get(WAY).is_some_and(|way| way.get("gone").is_some())
    }

    /// Whether its deletion is over; it may still be seen in its last status.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        let until = || self.body.get(WAY)?.get("until").and_then(timestamp);
        self.is_leaving() && until().is_none_or(|until| until <= now)
    }

    /// Whether it is deleted and reads are only late to see so.
    pub(crate) fn is_late(&self) -> bool {
        self.body.get(WAY).is_some_and(|way| way.get("late").is_some())
    }

    /// Whether reads do not see it yet.
    pub(crate) fn is_hidden(&self, now: Timestamp) -> bool {
        let from = || self.body.get(WAY)?.get("from").and_then(timestamp);
        from().is_some_and(|from| now < from)
    }

    /// Whether it is not seen any more.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        self.body
            .get(WAY)
            .and_then(|way| way.get("gone"))
            .is_some_and(|gone| timestamp(gone).is_none_or(|at| at <= now))
    }
}

fn timestamp(document: &Document) -> Option<Timestamp> {
    match document {
        Document::Timestamp(at) => Some(*at),
        _ => None,
    }
}

/// Name, id and ARN of a resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'r>(pub &'r Document);

impl<'r> Identity<'r> {
    pub(crate) fn name(self) -> Option<&'r str> {
        self.0.get(NAME)?.as_str()
    }

    pub(crate) fn id(self) -> Option<&'r str> {
        self.0.get(ID)?.as_str()
    }

    pub(crate) fn arn(self) -> Option<&'r str> {
        self.0.get(ARN)?.as_str()
    }

    /// The tags of a whole resource that has some.
    pub(crate) fn tags(self) -> Option<&'r Fields> {
        self.0.get(TAGS)?.as_map().filter(|tags| !tags.is_empty())
    }

    /// The part that is asked for, else the next best.
    pub(crate) fn part(self, part: Part) -> Option<&'r str> {
        match part {
            Part::Name => self.name().or_else(|| self.id()),
            Part::Id => self.id().or_else(|| self.name()),
            Part::Arn => self.arn(),
            Part::Any | Part::Qualifier => self.name().or_else(|| self.id()).or_else(|| self.arn()),
        }
    }

    /// Its own document: only name, id and ARN.
    pub(crate) fn to_document(self) -> Document {
        let keys = [NAME, ID, ARN];
        let parts = keys.into_iter().filter_map(|key| Some((key.into(), self.0.get(key)?.clone())));
        Document::Map(parts.collect())
    }
}
