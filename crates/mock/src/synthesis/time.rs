//! When things happened: all times of one resource lie on one line, in the past of the clock's origin.

use standin_model::Timestamp;

use standin_model::words::{mix, squash};

/// What happened at a time. In the order in which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TimeRole {
    Created,
    Started,
    Updated,
    Ended,
    /// Last seen, used, accessed.
    Used,
    /// Planned: later than now for years.
    Next,
    Expires,
}

/// Marks in the names of members, by role; the first that is found counts.
const MARKS: &[(TimeRole, &[&str])] = &[
    (
        TimeRole::Expires,
        &["expir", "expiry", "notafter", "validuntil", "validto", "endoflife", "deprecat", "retentionuntil"],
    ),
    (
        TimeRole::Next,
        &["next", "scheduledfor", "scheduledtime", "renewal", "planned", "dueat", "duedate", "delet", "deadline"],
    ),
    (
        TimeRole::Used,
        &["lastused", "lastaccess", "lastseen", "lastlogin", "lastactive", "lastconnected", "lastsync", "observed"],
    ),
    (
        TimeRole::Updated,
        &["updat", "modif", "chang", "refresh", "edited", "lastrun", "last", "latest", "evaluat", "transition"],
    ),
    (
        TimeRole::Created,
        &[
            "creat",
            "birth",
            "regist",
            "joined",
            "launch",
            "issued",
            "submit",
            "request",
            "upload",
            "publish",
            "since",
            "notbefore",
            "validfrom",
            "first",
            "ingest",
            "added",
            "order",
            "initiat",
            "invit",
            "earliest",
        ],
    ),
    (TimeRole::Ended, &["end", "stop", "complet", "finish", "closed", "resolved", "until", "timeto", "to", "released"]),
    (TimeRole::Started, &["start", "begin", "from", "activat", "enabl", "attach", "associat", "deploy"]),
];

const DAY: i64 = 86_400;

impl TimeRole {
    /// The role of a timestamp member; anything that tells nothing is when it was created.
    pub(super) fn of(member: &str) -> Self {
        Self::find(&squash(member)).unwrap_or(Self::Created)
    }

    /// The role of a text or number, where its name says that it is a point in time.
    pub(super) fn of_scalar(member: &str) -> Option<Self> {
        let name = squash(member);
        let pointed = ["at", "date", "timestamp", "datetime", "time", "on"].iter().any(|end| name.ends_with(end));
        let measured = [
            "execution",
            "uptime",
            "runtime",
            "processing",
            "elapsed",
            "remaining",
            "estimated",
            "response",
            "delay",
            "wait",
            "format",
            "version",
            "application",
            "location",
            "duration",
            "downtime",
            "setting",
            "option",
            "action",
            "lifetime",
            "realtime",
            "timeto",
            "totaltime",
            "traveltime",
            "configuration",
        ];
        let whole = matches!(name.as_str(), "lastmodified" | "lastupdated" | "created" | "updated");
        if !(pointed || whole || name.starts_with("date")) || measured.iter().any(|mark| name.contains(mark)) {
            return None;
        }
        let told = MARKS.iter().flat_map(|(_, marks)| *marks).any(|mark| mark.len() > 3 && name.contains(mark));
        let plain = matches!(
            name.as_str(),
            "timestamp"
                | "date"
                | "datetime"
                | "eventtime"
                | "time"
                | "lastmodified"
                | "lastupdated"
                | "created"
                | "updated"
        );
        let begins = name.starts_with("date") && told;
        let ends = ["timestamp", "datetime", "date"].iter().any(|end| name.ends_with(end)) && !name.ends_with("update");
        (plain || begins || ends || (told && ["at", "time", "on"].iter().any(|end| name.ends_with(end))))
            .then(|| Self::of(member))
    }

    /// For templates.
    pub(super) fn named(name: &str) -> Self {
        Self::find(name).unwrap_or(Self::Created)
    }

    fn find(name: &str) -> Option<Self> {
        MARKS.iter().find(|(_, marks)| marks.iter().any(|mark| name.contains(mark))).map(|(role, _)| *role)
    }

    /// The time for one resource. `seed` tells resources apart.
    pub(super) fn at(self, origin: Timestamp, seed: u64) -> Timestamp {
        let draw = mix(seed, 0x7157);
        let part = |shift: u32, span: u64| i64::try_from((draw >> shift) % span).unwrap_or(0);
        // Created 40 to 400 days before the origin, changed up to 30 days later, all in whole seconds.
        let created = origin.seconds - 40 * DAY - part(0, 360 * 86_400);
        let changed = created + 600 + part(20, 30 * 86_400);
        let seconds = match self {
            Self::Created => created,
            Self::Started => created + 60,
            Self::Updated => changed,
            Self::Ended => changed + 60,
            Self::Used => origin.seconds - 3_600 - part(40, 86_400),
            Self::Next => origin.seconds + 5 * 365 * DAY + part(40, 7 * 86_400),
            Self::Expires => origin.seconds + 10 * 365 * DAY,
        };
        Timestamp::from_seconds(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_happened() {
        let check = |name: &str, role| assert_eq!(TimeRole::of(name), role, "{name}");
        check("CreatedAt", TimeRole::Created);
        check("lastUpdatedAt", TimeRole::Updated);
        check("LastModifiedTime", TimeRole::Updated);
        check("EndTime", TimeRole::Ended);
        check("startTime", TimeRole::Started);
        check("ExpirationTime", TimeRole::Expires);
        check("NotAfter", TimeRole::Expires);
        check("Something", TimeRole::Created);
        assert_eq!(TimeRole::of_scalar("creationTime"), Some(TimeRole::Created));
        assert_eq!(TimeRole::of_scalar("executionTime"), None);
        assert_eq!(TimeRole::of_scalar("format"), None);
    }

    #[test]
    fn times_are_in_order() {
        let origin = Timestamp::from_seconds(1_767_225_600);
        for seed in 0..500 {
            let at = |role: TimeRole| role.at(origin, seed);
            assert!(at(TimeRole::Created) < at(TimeRole::Started));
            assert!(at(TimeRole::Started) < at(TimeRole::Updated));
            assert!(at(TimeRole::Updated) < at(TimeRole::Ended));
            assert!(at(TimeRole::Ended) < at(TimeRole::Used));
            assert!(at(TimeRole::Used) < origin);
            assert!(at(TimeRole::Expires) > origin.plus_seconds(9 * 365 * DAY));
        }
    }
}
