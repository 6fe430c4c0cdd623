//! Incidents: phases that follow each other on the virtual clock, each with rules of its own.
//!
//! An incident becomes plain fault rules, each with the time of its phase, so that what it does needs no code of its own and
//! is told like every other fault.

use std::sync::PoisonError;

use serde::{Deserialize, Serialize};
use standin_core::parse_duration;
use standin_model::{Catalogue, Str, Timestamp};

use crate::check::{Refused, refuse};
use crate::engine::Faults;
use crate::rule::Rule;

/// The rules of an incident have ids that begin so; what follows the name is a dot, which no name has.
const PREFIX: &str = "incident-";
const PHASES_MAX: usize = 100;
const RULES_MAX: usize = 1000;

/// What happens, as people write it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Letters, digits and hyphens.
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub phases: Vec<Phase>,
}

/// A part of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// When it begins, counted from the beginning of the incident: `10m`. Where it is left out, when the phase before ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long it lasts. Where it is left out, until the next phase says that it begins, or for ever.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// An incident that was set going.
#[derive(Clone, Debug)]
pub struct Running {
    pub incident: Incident,
    pub started: Timestamp,
    /// When each phase begins and ends.
    pub times: Vec<(Timestamp, Option<Timestamp>)>,
}

impl Incident {
    /// Reads TOML.
    ///
    /// # Errors
    /// Where it is none, or no incident; rules are checked when it is set going.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let incident: Self = toml::from_str(text).map_err(|error| Refused(error.to_string()))?;
        incident.times(Timestamp::from_millis(0))?;
        Ok(incident)
    }

    /// How the ids of its rules begin.
    fn prefix(&self) -> String {
        format!("{PREFIX}{}.", self.name)
    }

    /// When its phases begin and end.
    fn times(&self, started: Timestamp) -> Result<Vec<(Timestamp, Option<Timestamp>)>, Refused> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if self.name.is_empty() || self.name.len() > 64 || !self.name.chars().all(letters) {
            return refuse(format!("{:?} is no name of an incident: 1 to 64 letters, digits and hyphens", self.name));
        }
        if self.phases.is_empty() || self.phases.len() > PHASES_MAX {
            return refuse(format!("an incident has 1 to {PHASES_MAX} phases"));
        }
        if self.phases.iter().map(|phase| phase.rules.len()).sum::<usize>() > RULES_MAX {
            return refuse(format!("an incident has at most {RULES_MAX} rules"));
        }
        let after = |time: Timestamp, text: &str| {
            let millis = parse_duration(text).map(|duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX));
            millis.map(|millis| Timestamp::from_millis(time.as_millis().saturating_add(millis))).map_err(Refused)
        };
        let mut names: Vec<&str> = self.phases.iter().map(|phase| &*phase.name).collect();
        names.sort_unstable();
        if names.iter().any(|name| name.is_empty() || !name.chars().all(letters)) {
            return refuse("phases have names of letters, digits and hyphens");
        }
        if let Some([name, _]) = names.array_windows().find(|[one, next]| one == next) {
            return refuse(format!("two phases are called `{name}`"));
        }
        let mut times: Vec<(Timestamp, Option<Timestamp>)> = Vec::with_capacity(self.phases.len());
        for (number, phase) in self.phases.iter().enumerate() {
            let from = match (&phase.at, times.last()) {
                (Some(at), _) => after(started, at)?,
                (None, None) => started,
                (None, Some((_, Some(end)))) => *end,
                (None, Some((_, None))) => {
                    return refuse(format!(
                        "the phase `{}` has no `at`, and the one before it no `for`: one must say when it begins",
                        phase.name
                    ));
                }
            };
            let until = match (&phase.lasts, self.phases.get(number + 1).and_then(|next| next.at.as_deref())) {
                (Some(lasts), _) => Some(after(from, lasts)?),
                (None, Some(next)) => Some(after(started, next)?),
                (None, None) => None,
            };
            if until.is_some_and(|until| until <= from) {
                return refuse(format!("the phase `{}` ends before it begins", phase.name));
            }
            times.push((from, until));
        }
        Ok(times)
    }

    /// Puts its rules among those that are there.
    fn run(self, faults: &Faults, catalogue: &Catalogue, started: Timestamp) -> Result<Running, Refused> {
        let times = self.times(started)?;
        let mut rules = Vec::new();
        for (phase, (from, until)) in self.phases.iter().zip(&times) {
            for (number, rule) in (1..).zip(&phase.rules) {
                if rule.matcher.from.is_some() || rule.matcher.until.is_some() {
                    return refuse(format!(
                        "a rule of the phase `{}` has `from` or `until`, which are the phase's; `windows` count from its beginning",
                        phase.name
                    ));
                }
                let mut rule = rule.clone();
                rule.id = format!("{}{}-{number}", self.prefix(), phase.name);
                rule.matcher.from = Some(from.to_date_time());
                rule.matcher.until = until.map(Timestamp::to_date_time);
                let relative_to = *from;
                Faults::check(catalogue, &rule, relative_to)
                    .map_err(|Refused(why)| Refused(format!("phase `{}`, rule {number}: {why}", phase.name)))?;
                rules.push((rule, relative_to));
            }
        }
        let prefix = self.prefix();
        faults.remove(|rule| rule.id.starts_with(&prefix));
        for (rule, relative_to) in rules {
            faults.put(catalogue, rule, relative_to)?;
        }
        Ok(Running { incident: self, started, times })
    }
}

impl Faults {
    /// Sets an incident going: its rules join those that are there, in the place of its own of an earlier run.
    ///
    /// # Errors
    /// Where a rule makes no sense; nothing has changed then.
    pub fn run_incident(&self, catalogue: &Catalogue, incident: Incident, started: Timestamp) -> Result<(), Refused> {
        let mut incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
        let running = incident.run(self, catalogue, started)?;
        incidents.retain(|other| other.incident.name != running.incident.name);
        incidents.push(running);
        Ok(())
    }

    /// Takes the rules of an incident away, or of all; how many there were.
    pub fn stop_incidents(&self, name: Option<&str>) -> usize {
        let mut incidents = self.incidents.lock().unwrap_or_else(PoisonError::into_inner);
        let before = incidents.len();
        incidents.retain(|running| {
            let stops = name.is_none_or(|name| running.incident.name == name);
            if stops {
                let prefix = running.incident.prefix();
                self.remove(|rule| rule.id.starts_with(&prefix));
            }
            !stops
        });
        before - incidents.len()
    }

    /// The incidents that were set going, with those that are over.
    pub fn incidents(&self) -> Vec<Running> {
        self.incidents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Running {
    /// The phases that are on.
    pub fn on(&self, now: Timestamp) -> impl Iterator<Item = &Phase> {
        let is_on =
            move |(from, until): &(Timestamp, Option<Timestamp>)| now >= *from && until.is_none_or(|until| now < until);
        self.incident.phases.iter().zip(&self.times).filter(move |(_, times)| is_on(times)).map(|(phase, _)| phase)
    }

    /// `waiting`, `running` or `over`.
    pub fn state(&self, now: Timestamp) -> Str {
        if self.times.iter().all(|(from, _)| now < *from) {
            "waiting"
        } else if self.times.iter().all(|(_, until)| until.is_some_and(|until| now >= until)) {
            "over"
        } else {
            "running"
        }
    }
}

/// An incident that ships with standin.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    pub name: Str,
    /// As TOML, to be changed and used as one's own.
    pub text: Str,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../incidents/", $name, ".toml")) }),+]
    };
}

const SHIPPED: &[Shipped] = shipped![
    "dns-partial-loss",
    "iam-propagation-lag",
    "mwaa-stuck-in-creating",
    "proton-deployment-failed",
    "region-outage",
    "s3-slowdown-storm",
];

/// All that ship, by name.
pub fn incidents() -> &'static [Shipped] {
    SHIPPED
}

impl Shipped {
    pub fn find(name: &str) -> Option<&'static Self> {
        SHIPPED.iter().find(|shipped| shipped.name == name)
    }

    pub fn incident(&self) -> Incident {
        Incident::parse(self.text).expect("a test parses all of them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_767_225_600_000;

    #[test]
    fn all_that_ship_run() {
        for shipped in incidents() {
            let faults = Faults::default();
            let incident = shipped.incident();
            assert_eq!(incident.name, shipped.name);
            let rules: usize = incident.phases.iter().map(|phase| phase.rules.len()).sum();
            let running = incident.run(&faults, Catalogue::shared(), Timestamp::from_millis(START)).unwrap();
            assert_eq!(faults.list().len(), rules, "{}", shipped.name);
            assert_eq!(running.state(Timestamp::from_millis(START)), "running");
            assert_eq!(running.state(Timestamp::from_millis(START + 7 * 86_400_000)), "over");
        }
    }

    #[test]
    fn phases_follow_each_other() {
        let text = r#"
            name = "birds"
            [[phases]]
            name = "one"
            for = "5m"
            [[phases]]
            name = "two"
            [[phases]]
            name = "three"
            at = "20m"
        "#;
        let started = Timestamp::from_millis(START);
        let running = Incident::parse(text).unwrap().run(&Faults::default(), Catalogue::shared(), started).unwrap();
        let on = |minutes: i64| {
            let now = Timestamp::from_millis(START + minutes * 60_000);
            running.on(now).map(|phase| &*phase.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!([on(-1), on(0), on(5), on(19), on(20), on(9999)], ["", "one", "two", "two", "three", "three"]);
    }

    #[test]
    fn what_is_no_incident_is_refused() {
        let phase = "[[phases]]\nname = \"a\"\n";
        for wrong in [
            String::new(),
            "name = \"a\"\nphases = []".to_owned(),
            format!("name = \"a b\"\n{phase}"),
            format!("name = \"a\"\nweather = 1\n{phase}"),
            format!("name = \"a\"\n{phase}for = \"1m\"\n{phase}"),
            format!("name = \"a\"\n{phase}[[phases]]\nname = \"b\"\n"),
            "name = \"a\"\n[[phases]]\nname = \"b c\"\n".to_owned(),
            format!("name = \"a\"\n{phase}for = \"soon\""),
            format!("name = \"a\"\n{phase}for = \"0\""),
            format!("name = \"a\"\n{phase}at = \"5m\"\n[[phases]]\nname = \"b\"\nat = \"1m\""),
        ] {
            assert!(Incident::parse(&wrong).is_err(), "{wrong}");
        }
        for rule in
            ["service = \"nothing\"\nerror = \"server\"", "from = \"+1m\"\nerror = \"server\"", "probability = 0.5"]
        {
            let text = format!("name = \"a\"\n{phase}[[phases.rules]]\n{rule}");
            let faults = Faults::default();
            let run = Incident::parse(&text).unwrap().run(&faults, Catalogue::shared(), Timestamp::from_millis(0));
            assert!(run.is_err() && faults.list().is_empty(), "{rule}");
        }
    }
}
