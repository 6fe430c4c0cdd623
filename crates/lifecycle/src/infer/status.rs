//! How resources are: the member that tells, and its values.

use standin_mock::lifecycle::{Awaited, awaited, rank};
use standin_model::words::squash;
use standin_model::{Kind, ShapeIx, Str};

use super::{Claim, Draft, Op};
use crate::{Status, Verb};

impl Draft {
    /// The status of a type, if its structures have one.
    pub(super) fn status(&self, ix: usize) -> Option<Status> {
        let draft = &self.types[ix];
        let noun = draft.noun.text.as_str();
        let mut found: Vec<(i32, Status)> = Vec::new();
        for (depth, shape) in draft.shapes.iter().enumerate() {
            let Some(structure) = self.service.structure(*shape) else { continue };
            for member in &structure.members {
                let name = squash(member.name);
                let score = match name.as_str() {
                    "status" | "state" => 10,
                    "lifecycle" | "lifecyclestate" | "lifecyclestatus" | "statuscode" | "statevalue" => 8,
                    _ if name == format!("{noun}status") || name == format!("{noun}state") => 9,
                    _ if (name.ends_with("status") || name.ends_with("state"))
                        && noun.ends_with(name.trim_end_matches("status").trim_end_matches("state")) =>
                    {
                        7
                    }
                    _ if name.ends_with("status") || name.ends_with("state") => 2,
                    _ => continue,
                };
                let score = score * 10 - i32::try_from(depth).unwrap_or(0);
                if let Some(status) = self.values(&draft.shapes, member.name, member.target) {
                    found.push((score, status));
                    continue;
                }
                // `State.Name`
                for inner in self.service.structure(member.target).into_iter().flat_map(|inner| &inner.members) {
                    let plain = squash(inner.name);
                    let telling =
                        matches!(plain.as_str(), "name" | "state" | "status" | "code" | "value" | "statuscode");
                    if telling && let Some(mut status) = self.values(&[member.target], inner.name, inner.target) {
                        status.inner = Some(inner.name);
                        status.member = member.name;
                        found.push((score - 5, status));
                        break;
                    }
                }
            }
        }
        let best = found.iter().map(|(score, _)| *score).max()?;
        found.into_iter().find(|(score, _)| *score == best).map(|(_, status)| status)
    }

    /// `structures`: those that have the member, and perhaps others; waiters may ask for it in any of them.
    fn values(&self, structures: &[ShapeIx], member: Str, target: ShapeIx) -> Option<Status> {
        let Kind::String { enum_values } = &self.service.shape(target).kind else { return None };
        let awaited: Vec<Awaited> =
            structures.iter().flat_map(|structure| awaited(self.service, *structure, member)).collect();
        let waited = |deleting: bool| {
            awaited
                .iter()
                .filter(|one| one.deleting == deleting && !one.updated)
                .map(|one| one.value)
                .max_by_key(|value| rank(value))
        };
        let told = |fits: fn(&Awaited) -> bool| awaited.iter().find(|one| fits(one)).map(|one| one.value);
        let settled = told(|one| one.created)
            .or_else(|| waited(false).filter(|value| rank(value) > -200))
            .or_else(|| best(enum_values))?;
        let telling = enum_values.is_empty() || enum_values.iter().any(|value| rank(value) != 0);
        if !telling {
            return None;
        }
        let like = |marks: &[&str]| {
            let mut fits = enum_values.iter().copied().filter(|value| {
                let plain = squash(value);
                marks.iter().any(|mark| plain.starts_with(mark)) && *value != settled && !plain.contains("fail")
            });
            let going = fits.clone().find(|value| {
                let plain = squash(value);
                plain.ends_with("ing") || plain.contains("progress")
            });
            going.or_else(|| fits.find(|value| rank(value) > -300 && rank(value) < 400))
        };
        let moving = |marks: &[&str]| {
            like(marks).filter(|value| {
                let plain = squash(value);
                plain.contains("ing") || plain.contains("progress")
            })
        };
        Some(Status {
            member,
            inner: None,
            creating: like(&[
                "creat",
                "pending",
                "provision",
                "initializ",
                "initiat",
                "submitted",
                "inprogress",
                "queued",
                "starting",
                "launch",
                "register",
            ]),
            settled,
            updating: like(&["updat", "modify"]),
            updated: told(|one| one.updated).filter(|value| *value != settled),
            deleting: moving(&["delet", "terminat", "deregister", "shutting", "remov", "deprovision"])
                .or_else(|| awaited.iter().find(|one| squash(one.value).contains("deleting")).map(|one| one.value)),
            deleted: waited(true),
        })
    }
}

/// What verbs make of a status, best first.
const ACTS: &[(&str, &str)] = &[
    ("start", "running started active available online inservice enabled ready inprogress starting pending"),
    ("stop", "stopped inactive offline disabled cancelled canceled stopping terminated aborted"),
    ("enable", "enabled active"),
    ("disable", "disabled inactive"),
    ("activate", "active activated enabled"),
    ("deactivate", "inactive deactivated disabled"),
    ("cancel", "cancelled canceled cancelling canceling cancelrequested stopped aborted failed"),
    ("abort", "aborted cancelled canceled stopped"),
    ("pause", "paused suspended stopped"),
    ("suspend", "suspended paused"),
    ("resume", "running active resumed inprogress enabled"),
    ("archive", "archived"),
    ("unarchive", "active unarchived"),
    ("accept", "accepted active approved associated available connected"),
    ("reject", "rejected declined denied"),
    ("decline", "declined rejected"),
    ("approve", "approved active accepted"),
    ("complete", "completed complete succeeded"),
    ("deprecate", "deprecated"),
    ("undeprecate", "registered active"),
    ("lock", "locked"),
    ("unlock", "unlocked active"),
    ("terminate", "terminated terminating cancelled canceled failed"),
    ("publish", "published active live"),
    ("close", "closed"),
    ("revoke", "revoked"),
    ("confirm", "confirmed active available"),
    ("verify", "verified success"),
    ("run", "running active"),
    ("execute", "executing executed"),
];

impl Draft {
    /// The verb of a claim; of an act, with the value that it leads to.
    pub(super) fn acting(&self, op: &Op, claim: &Claim) -> Verb {
        if !matches!(claim.verb, Verb::Act(_)) {
            return claim.verb.clone();
        }
        let status = self.types[claim.of].status.as_ref();
        let values = status.map_or(&[][..], |status| self.listed(claim.of, status));
        let words = ACTS.iter().find(|(verb, _)| *verb == op.name.verb).map_or("", |(_, words)| words);
        if values.is_empty() && status.is_some_and(|status| status.settled == "false") {
            return Verb::Act(Some(if matches!(op.name.verb.as_str(), "disable" | "deactivate") {
                "false"
            } else {
                "true"
            }));
        }
        let value = words.split_ascii_whitespace().find_map(|word| values.iter().find(|value| squash(value) == word));
        Verb::Act(value.copied())
    }

    /// All values of a status.
    pub(super) fn listed(&self, ix: usize, status: &Status) -> &'static [Str] {
        for shape in &self.types[ix].shapes {
            let Some(member) = self.service.structure(*shape).and_then(|shape| shape.member(status.member)) else {
                continue;
            };
            let target = match status.inner {
                None => Some(member.target),
                Some(inner) => self.service.structure(member.target).and_then(|s| s.member(inner)).map(|m| m.target),
            };
            if let Some(Kind::String { enum_values }) = target.map(|target| &self.service.shape(target).kind) {
                return enum_values;
            }
        }
        &[]
    }
}

/// The most settled value.
fn best(values: &[Str]) -> Option<Str> {
    let top = values.iter().map(|value| rank(value)).max()?;
    values.iter().copied().find(|value| rank(value) == top)
}
