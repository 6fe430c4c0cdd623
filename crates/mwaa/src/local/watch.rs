//! How the parts of a running Airflow are: which of them is ended, to be started anew, and when the whole counts as lost.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long a part may be unwell before it is ended: a machine may be busy, and a process that died is started again by then.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may be unwell before the environment is unavailable; it is still tried to get it well.
const LOST_AFTER: Duration = Duration::from_secs(150);

/// What follows from a look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Well,
    /// Something is wrong, but it may pass.
    Patient,
    /// These parts are unwell for too long.
    Lost(Vec<&'static str>),
}

/// A part that is unwell.
struct Unwell {
    since: Instant,
    /// When it was last ended, or found unwell.
    dealt_with: Instant,
}

/// What was seen of the parts of an Airflow.
#[derive(Default)]
pub(super) struct Watch {
    unwell: BTreeMap<&'static str, Unwell>,
}

impl Watch {
    /// Takes note of the parts that are unwell now; what follows, and which of them are to be ended.
    pub(super) fn look(&mut self, now: Instant, unwell: &[&'static str]) -> (Verdict, Vec<&'static str>) {
        self.unwell.retain(|part, _| unwell.contains(part));
        let mut ended = Vec::new();
        for part in unwell {
            let seen = self.unwell.entry(part).or_insert(Unwell { since: now, dealt_with: now });
            if now - seen.dealt_with >= PATIENCE {
                seen.dealt_with = now;
                ended.push(*part);
            }
        }
        let lost: Vec<_> =
            self.unwell.iter().filter(|(_, seen)| now - seen.since >= LOST_AFTER).map(|(part, _)| *part).collect();
        let verdict = match (unwell, &lost[..]) {
            ([], _) => Verdict::Well,
            (_, []) => Verdict::Patient,
            _ => Verdict::Lost(lost),
        };
        (verdict, ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unwell_is_ended_and_then_lost_until_it_is_well() {
        let start = Instant::now();
        let mut watch = Watch::default();
        let mut check = |seconds, unwell: &[&'static str], verdict: Verdict, ended: &[&str]| {
            let (said, ends) = watch.look(start + Duration::from_secs(seconds), unwell);
            assert_eq!((said, &ends[..]), (verdict, ended), "after {seconds} s");
        };
        let scheduler = &["scheduler"];
        check(0, &[], Verdict::Well, &[]);
        check(10, scheduler, Verdict::Patient, &[]);
        check(60, scheduler, Verdict::Patient, &[]);
        check(70, scheduler, Verdict::Patient, scheduler);
        check(80, scheduler, Verdict::Patient, &[]);
        check(130, scheduler, Verdict::Patient, scheduler);
        check(160, &["scheduler", "webserver"], Verdict::Lost(vec!["scheduler"]), &[]);
        check(170, &["webserver"], Verdict::Patient, &[]);
        check(180, &[], Verdict::Well, &[]);
        check(190, scheduler, Verdict::Patient, &[]);
    }
}
