//! Which value of an enumeration is the settled one.

use standin_model::{Bound, Constraints, Kind, Service, ShapeIx, Str, WaiterState};

use super::tables;
use standin_model::words::squash;

/// What a resource or job is when all went well and nothing more happens, best first.
const SETTLED: &[&str] = &[
    "active",
    "available",
    "succeeded",
    "success",
    "successful",
    "completed",
    "complete",
    "createcomplete",
    "updatecomplete",
    "enabled",
    "ready",
    "inservice",
    "deployed",
    "created",
    "issued",
    "running",
    "verified",
    "valid",
    "healthy",
    "connected",
    "attached",
    "associated",
    "insync",
    "synced",
    "online",
    "published",
    "approved",
    "accepted",
    "confirmed",
    "registered",
    "provisioned",
    "granted",
    "finished",
    "done",
    "passed",
    "pass",
    "ok",
    "on",
    "compliant",
    "normal",
    "green",
    "up",
    "open",
    "joined",
    "optedin",
    "subscribed",
    "resolved",
    "live",
    "current",
    "authorized",
    "installed",
    "fulfilled",
    "stable",
    "executed",
    "operational",
    "committed",
    "configured",
    "allow",
    "allowed",
    "optin",
    "true",
    "yes",
    "updated",
    "inuse",
    "standard",
];

/// Marks of values that say nothing.
const VAGUE: &[&str] =
    &["unknown", "none", "other", "all", "any", "notapplicable", "na", "null", "unspecified", "undefined"];

/// Marks of a state that does not last, or of something gone wrong or away.
const UNSETTLED: &[&str] = &[
    "fail",
    "error",
    "delet",
    "terminat",
    "stop",
    "cancel",
    "abort",
    "timedout",
    "timeout",
    "reject",
    "expir",
    "inactive",
    "disab",
    "invalid",
    "denied",
    "deny",
    "impaired",
    "degraded",
    "unhealthy",
    "suspend",
    "archiv",
    "closed",
    "detach",
    "offline",
    "partial",
    "lost",
    "revoke",
    "stale",
    "rollback",
    "missing",
    "insufficient",
    "unavailable",
    "notready",
    "disconnect",
    "disassociat",
    "incompatible",
    "inconsistent",
    "unverified",
    "paused",
    "locked",
    "blocked",
    "skipped",
    "killed",
    "shut",
    "down",
    "throttled",
    "exceeded",
    "critical",
    "red",
    "hibernat",
    "standby",
    "legacy",
    "deprecated",
    "not",
    "isolat",
    "retir",
    "withissue",
    "witherror",
    "warning",
    "incomplete",
];

/// Marks of a state on the way to another.
const TRANSIENT: &[&str] =
    &["pending", "progress", "queued", "submitted", "starting", "initial", "requested", "scheduled", "waiting", "new"];

/// How settled a value is: the higher, the better.
pub fn rank(value: &str) -> i32 {
    let plain = squash(value);
    if let Some(at) = SETTLED.iter().position(|word| *word == plain) {
        return 1000 - i32::try_from(at).unwrap_or(0);
    }
    if plain.is_empty() || VAGUE.contains(&plain.as_str()) {
        return -50;
    }
    if UNSETTLED.iter().any(|mark| plain.contains(mark)) {
        return -300;
    }
    if TRANSIENT.iter().any(|mark| plain.contains(mark)) || (plain.ends_with("ing") && plain.len() > 6) {
        return -100;
    }
    // `UPDATE_SUCCEEDED`, `DEPLOYMENT_COMPLETED`
    if ["succeeded", "successful", "success", "completed", "complete", "active"].iter().any(|end| plain.ends_with(end))
    {
        return 500;
    }
    0
}

/// The value to answer with: the most settled, the first among equals. Values outside of the shape's other constraints
/// are passed over, for a few models list such.
pub(super) fn choose(values: &'static [Str], constraints: Option<&Constraints>, gone: bool) -> Option<Str> {
    let fits = |value: &&Str| {
        let length = i64::try_from(value.chars().count()).unwrap_or(i64::MAX);
        constraints.is_none_or(|limits| {
            limits.min.is_none_or(|min| Bound::as_i64(min) <= length)
                && limits.max.is_none_or(|max| length <= Bound::as_i64(max))
        })
    };
    let mut best: Option<(i32, Str)> = None;
    for value in values.iter().filter(fits) {
        let rank = match rank(value) {
            _ if gone && squash(value) == "deleted" => 2000,
            0 if tables::USUAL.contains(value) => 1,
            rank => rank,
        };
        if best.is_none_or(|(top, _)| rank > top) {
            best = Some((rank, value));
        }
    }
    best.map(|(_, value)| value).or_else(|| values.first().copied())
}

/// The most settled of some texts, the first among equals.
pub(super) fn best<'t>(values: &[&'t str]) -> Option<&'t str> {
    let mut best = *values.first()?;
    for value in values {
        if rank(value) > rank(best) {
            best = value;
        }
    }
    Some(best)
}

/// What the waiters of a service wait for, by the structure and member that they look at.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    values: Vec<(ShapeIx, Str, Str)>,
    /// Structures and members on the way there.
    way: Vec<(ShapeIx, Str)>,
}

impl Awaited {
    /// Reads the success acceptors that compare a member, or one member of all items of lists, with a value.
    pub(super) fn read(service: &'static Service) -> Self {
        let mut found: Vec<(ShapeIx, Str, Str)> = Vec::new();
        let mut way: Vec<(ShapeIx, Str)> = Vec::new();
        for waiter in &service.waiters {
            for acceptor in &waiter.acceptors {
                if acceptor.state != WaiterState::Success || !acceptor.matcher.starts_with("path") {
                    continue;
                }
                let Some(root) = service.operation(waiter.operation).and_then(|operation| operation.output) else {
                    continue;
                };
                let Some(steps) = walk(service, root, acceptor.argument) else { continue };
                let Some((shape, member)) = steps.last().copied() else { continue };
                way.extend(steps);
                let expected = acceptor.expected.trim_matches('"');
                match found.iter_mut().find(|(s, m, _)| *s == shape && *m == member) {
                    Some((_, _, value)) => {
                        if rank(expected) > rank(value) {
                            *value = expected;
                        }
                    }
                    None => found.push((shape, member, expected)),
                }
            }
        }
        way.sort_unstable();
        way.dedup();
        Self { values: found, way }
    }

    /// Whether a waiter looks at this member, or at one within.
    pub(super) fn leads(&self, structure: ShapeIx, member: &str) -> bool {
        self.way.iter().any(|(shape, name)| *shape == structure && *name == member)
    }

    /// The awaited value, in the form of JSON without quotes.
    /// A waiter for a `Distribution` tells of a `DistributionSummary` too.
    pub(super) fn of(&self, service: &Service, structure: ShapeIx, member: &str) -> Option<Str> {
        let name = service.shape(structure).name;
        let kin = |shape: ShapeIx| name.starts_with(service.shape(shape).name);
        let mut found = self.values.iter().filter(|(_, awaited, _)| *awaited == member);
        let exact = found.clone().find(|(shape, ..)| *shape == structure);
        exact.or_else(|| found.find(|(shape, ..)| kin(*shape))).map(|(_, _, value)| *value)
    }
}

/// Whether an awaited value still is what most want to see: not the end of a resource.
pub(super) fn is_wanted(awaited: &str) -> bool {
    rank(awaited) > -200
}

/// Follows `Environment.Status`, `Clusters[].Status` or `Items[0].State`; `None` for other `JMESPath`.
pub(crate) fn walk(service: &'static Service, root: ShapeIx, path: &str) -> Option<Vec<(ShapeIx, Str)>> {
    let mut at = root;
    let mut steps = Vec::new();
    for step in path.split('.') {
        let (name, index) = step.split_once('[').map_or((step, ""), |(name, rest)| (name, rest));
        if !index.is_empty() && !index.trim_end_matches(']').bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let member = service.structure(at)?.member(name.trim_matches('"'))?;
        steps.push((at, member.name));
        at = member.target;
        if let Kind::List(list) = &service.shape(at).kind {
            at = list.member.target;
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_settled_value_wins() {
        let check = |values: &'static [Str], expect| assert_eq!(choose(values, None, false), Some(expect));
        check(&["CREATING", "ACTIVE", "DELETING"], "ACTIVE");
        check(&["SUBMITTED", "RUNNING", "SUCCEEDED", "FAILED"], "SUCCEEDED");
        check(&["CREATE_IN_PROGRESS", "CREATE_FAILED", "CREATE_COMPLETE", "ROLLBACK_COMPLETE"], "CREATE_COMPLETE");
        check(&["pending", "running", "stopped"], "running");
        check(&["DISABLED", "ENABLED"], "ENABLED");
        check(&["PENDING", "FAILED"], "PENDING");
        check(&["UNKNOWN", "x86_64", "arm64"], "x86_64");
        assert_eq!(choose(&["ACTIVE", "DELETED"], None, true), Some("DELETED"));
    }

    #[test]
    fn waiters_say_what_is_awaited() {
        let catalogue = standin_model::Catalogue::shared();
        let service = catalogue.newest("eks").and_then(|entry| entry.open().ok()).expect("served");
        let awaited = Awaited::read(service);
        let cluster = service.shape_named("Cluster").expect("modelled");
        assert_eq!(awaited.of(service, cluster, "status"), Some("ACTIVE"));
    }
}
