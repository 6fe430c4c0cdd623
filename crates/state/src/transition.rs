//! Resources on their way from one status to the next, and what is left of them at the end.
//!
//! Nothing waits: a row says until when it passes through a status (`w`), and whoever reads it compares that with the clock.

use std::sync::Arc;
use std::time::Duration;

use standin_core::{Mishap, Twist};
use standin_lifecycle::{Status, Verb};
use standin_model::words::squash;
use standin_model::{Document, Fields, Kind, ShapeIx, Str, Timestamp, Waiter, WaiterState};
use standin_store::{Batch, Table};

use crate::handler::{Failed, Work};
use crate::record::{self, Record};

/// How long what does not vanish at once is seen after its end: clients wait for its last status, not for an error.
const LINGERS: Duration = Duration::from_secs(3600);

/// When what is stuck gets on, in milliseconds since 1970: the end of the year 9999.
const NEVER_MS: i64 = 253_402_300_799_000;

/// Why a resource is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    Creating,
    Updating,
}

impl Work<'_> {
    /// When a transition that begins now is over; `None` where transitions take no time.
    fn until(&self) -> Option<Timestamp> {
        let duration = self.resources.transitions(self.context.service.id);
        (!duration.is_zero()).then(|| after(self.context.now, duration))
    }

    /// Whether this call can see a resource.
    pub(crate) fn sees(&self, record: &Record) -> bool {
        let reads = matches!(self.role.verb, Verb::Read | Verb::List | Verb::ListTags);
        !(record.is_gone(self.context.now) || reads && record.is_hidden(self.context.now))
    }

    /// What a fault rule makes of this call.
    fn mishap(&self) -> Option<&Mishap> {
        self.context.mishap.as_deref()
    }

    /// Until when reads do not see what this call does.
    fn lag(&self) -> Option<Timestamp> {
        let lag = self.mishap()?.lag;
        (!lag.is_zero()).then(|| after(self.context.now, lag))
    }

    /// Lets a resource pass through the status that the model has for it, where transitions take time.
    pub(crate) fn set_out(&self, body: &mut Fields, passing: Passing) {
        body.remove(record::WAY);
        let mut way = Fields::new();
        if let Some(from) = self.lag().filter(|_| passing == Passing::Creating) {
            way.push("from", from);
        }
        if let Some(status) = self.status() {
            let via = match passing {
                Passing::Creating => status.creating,
                Passing::Updating => status.updating,
            };
            let twist = self.mishap().and_then(|mishap| mishap.transition);
            let until = if twist == Some(Twist::Stuck) { Some(Timestamp::from_millis(NEVER_MS)) } else { self.until() };
            if let (Some(via), Some(until)) = (via, until) {
                way.push("via", via);
                way.push("until", until);
            }
            if let Some(failed) = self.failed(status, passing).filter(|_| twist == Some(Twist::Failed)) {
                body.insert(record::STATUS, failed);
            }
        }
        if !way.is_empty() {
            body.insert(record::WAY, Document::Map(way));
        }
    }

    /// The status of what failed on its way, where the model has one: `CREATE_FAILED` rather than `FAILED`.
    fn failed(&self, status: &Status, passing: Passing) -> Option<Str> {
        let service = self.context.service;
        let shapes = self.schema.lifecycle.resource(self.role.resource).shapes.iter();
        let member = |shape: &ShapeIx, name: Str| {
            service.structure(*shape)?.members.iter().find(|member| member.name == name).map(|member| member.target)
        };
        let target = shapes.filter_map(|shape| {
            let target = member(shape, status.member)?;
            status.inner.map_or(Some(target), |inner| member(&target, inner))
        });
        let (own, others): (&str, &[&str]) = match passing {
            Passing::Creating => ("creat", &["updat", "delet"]),
            Passing::Updating => ("updat", &["creat", "delet"]),
        };
        let rank = |value: &&Str| {
            let plain = squash(value);
            let fails = ["fail", "error", "unhealthy"].iter().any(|mark| plain.contains(mark));
            match () {
                () if !fails || others.iter().any(|mark| plain.contains(mark)) => 0,
                () if plain.contains(own) => 3,
                () if plain == "failed" || plain == "error" => 2,
                () => 1,
            }
        };
        target
            .filter_map(|target| match &service.shape(target).kind {
                Kind::String { enum_values } => {
                    enum_values.iter().copied().max_by_key(|value| rank(&value)).filter(|value| rank(&value) > 0)
                }
                _ => None,
            })
            .next()
    }

    /// What stays of a resource that is deleted now: a row that shows its deletion, or its last status, for a while.
    /// `None` where it goes at once.
    pub(crate) fn farewell(&self, record: &Record) -> Option<Document> {
        let now = self.context.now;
        let mut body = record.body.as_map().cloned().unwrap_or_default();
        let mut way = Fields::with_capacity(3);
        if let Some(gone) = self.lag() {
            // Another may take its place at once; only reads lag.
            way.push("until", now);
            way.push("gone", gone);
            way.push("late", true);
            body.insert(record::WAY, Document::Map(way));
            return Some(Document::Map(body));
        }
        let status = self.status()?;
        let until = self.until().filter(|_| status.deleting.is_some());
        let last = status.deleted.filter(|last| self.lingers(last));
        if until.is_none() && last.is_none() {
            return None;
        }
        let passed = until.unwrap_or(now);
        if let Some(via) = status.deleting {
            way.push("via", via);
        }
        way.push("until", passed);
        way.push("gone", if last.is_some() { after(passed, LINGERS) } else { passed });
        if let Some(last) = last {
            body.insert(record::STATUS, last);
        }
        body.insert(record::WAY, Document::Map(way));
        Some(Document::Map(body))
    }

    /// Whether a waiter about this type must see its last status.
    fn lingers(&self, last: &str) -> bool {
        self.context.service.waiters.iter().any(|waiter| {
            let read = || self.context.service.operation(waiter.operation);
            let about = || read().and_then(|operation| self.schema.lifecycle.role(operation)).map(|role| role.resource);
            wants_only(waiter, last) && about() == Some(self.role.resource)
        })
    }

    /// The version of a row that a new resource may replace: one whose deletion is over.
    pub(crate) async fn replaceable(&self, table: &Table, key: &str) -> Result<Option<u64>, Failed> {
        let row = self.rows.get(table, key).await?;
        Ok(row.map(Record::from).filter(|record| record.is_over(self.context.now)).map(|record| record.version))
    }

    /// Removes rows of what is gone. Who is faster has done it already.
    pub(crate) async fn purge(&self, table: &Table, gone: &[(Arc<str>, u64)]) {
        if gone.is_empty() {
            return;
        }
        let mut batch = Batch::default();
        for (key, version) in gone {
            batch.check(table, key.clone(), Some(*version)).delete(table, key.clone());
        }
        if let Err(error) = self.rows.commit(batch).await {
            tracing::debug!(%error, "rows of deleted resources stay for now");
        }
    }
}

/// A time, and so much later.
pub(crate) fn after(time: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(time.as_millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// Whether a waiter is content with nothing but a last status: an empty list or an error would fail it.
fn wants_only(waiter: &Waiter, last: &str) -> bool {
    let mut wanted = waiter.acceptors.iter().filter(|acceptor| acceptor.state == WaiterState::Success).peekable();
    wanted.peek().is_some()
        && wanted.all(|one| one.matcher.starts_with("path") && one.expected.trim_matches('"') == last)
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    #[test]
    fn only_what_must_be_seen_lingers() {
        let check = |service: &str, waiter: &str, last: &str| {
            let service = Catalogue::shared().find(service).expect("in the catalogue").open().expect("readable");
            let waiter = service.waiters.iter().find(|one| one.name == waiter).expect("in the model");
            super::wants_only(waiter, last)
        };
        assert!(check("ec2", "InstanceTerminated", "terminated"));
        assert!(!check("ec2", "InstanceTerminated", "deleted"));
        // Either an error or the status will do.
        assert!(!check("cloudformation", "StackDeleteComplete", "DELETE_COMPLETE"));
        assert!(!check("ec2", "NatGatewayDeleted", "deleted"));
    }
}
