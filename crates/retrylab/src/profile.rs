//! What goes wrong in a run.

use serde_json::{Value, json};
use standin_faults::Rule;

/// A named set of fault rules.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    pub about: &'static str,
    /// Run unless others are asked for.
    pub usual: bool,
    /// No client can succeed, so that none is blamed for giving up: the run shows how many requests it makes meanwhile.
    pub hopeless: bool,
    rules: fn() -> Value,
}

impl Profile {
    pub fn find(name: &str) -> Option<&'static Self> {
        PROFILES.iter().find(|profile| profile.name == name)
    }

    /// Its rules, whose ids begin with the profile's name.
    pub fn rules(&self) -> Vec<Rule> {
        let Value::Array(rules) = (self.rules)() else { return Vec::new() };
        let read = |(at, value): (usize, Value)| {
            let mut rule: Rule = serde_json::from_value(value).expect("a test reads the rules of all profiles");
            rule.id = format!("{}-{}", self.name, at + 1);
            rule
        };
        rules.into_iter().enumerate().map(read).collect()
    }
}

/// All profiles, in the order in which they run.
pub fn profiles() -> &'static [Profile] {
    PROFILES
}

const PROFILES: &[Profile] = &[
    Profile { name: "none", about: "nothing goes wrong", usual: true, hopeless: false, rules: || json!([]) },
    Profile {
        name: "throttle",
        about: "the first two attempts of every call are throttled",
        usual: true,
        hopeless: false,
        rules: || json!([{"error": "throttling", "first": 2, "per-call": true}]),
    },
    Profile {
        name: "server-error",
        about: "the first attempt of every call ends in a 503",
        usual: true,
        hopeless: false,
        rules: || json!([{"error": "ServiceUnavailable", "force": true, "first": 1, "per-call": true}]),
    },
    Profile {
        name: "reset",
        about: "the connection of every call's first attempt is reset before anything is done",
        usual: true,
        hopeless: false,
        rules: || json!([{"network": "reset-before", "first": 1, "per-call": true}]),
    },
    Profile {
        name: "slow",
        about: "the first byte of every call's first answer takes two seconds",
        usual: true,
        hopeless: false,
        rules: || json!([{"latency": "2s", "first": 1, "per-call": true}]),
    },
    Profile {
        name: "skew",
        about: "the server's clock is ten minutes ahead",
        usual: true,
        hopeless: false,
        rules: || json!([{"skew": "10m"}]),
    },
    Profile {
        name: "lost-answer",
        about: "every change is made, and its first answer is lost: the idempotency audit",
        usual: true,
        hopeless: false,
        rules: || json!([{"class": "write", "network": "reset-after", "first": 1, "per-call": true}]),
    },
    Profile {
        name: "outage",
        about: "every call ends in a 503",
        usual: false,
        hopeless: true,
        rules: || json!([{"error": "ServiceUnavailable", "force": true}]),
    },
];

#[cfg(test)]
mod tests {
    use standin_faults::Faults;
    use standin_model::{Catalogue, Timestamp};

    use super::*;

    #[test]
    fn the_rules_of_all_profiles_are_accepted() {
        for profile in profiles() {
            let faults = Faults::default();
            let set = faults.set(Catalogue::shared(), profile.rules(), Timestamp::from_seconds(0));
            assert!(set.is_ok(), "{}: {set:?}", profile.name);
            assert_eq!(faults.list().is_empty(), profile.name == "none");
        }
    }
}
