//! Rules under the names of what people test.

use crate::rule::Rule;

/// A few rules that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    pub name: &'static str,
    /// What it does, in numbers.
    pub description: &'static str,
    /// As JSON lists; checked by a test.
    rules: &'static str,
}

impl Preset {
    /// Its rules; their ids begin with the preset's name.
    pub fn rules(&self) -> Vec<Rule> {
        let rules: Vec<Rule> = serde_json::from_str(self.rules).expect("a test reads every preset");
        let number = |(at, mut rule): (usize, Rule)| {
            rule.id = format!("{}-{}", self.name, at + 1);
            rule
        };
        rules.into_iter().enumerate().map(number).collect()
    }

    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }
}

pub fn presets() -> &'static [Preset] {
    PRESETS
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "flaky",
        description: "of all calls 5 % fail with a server error, 3 % are throttled, 2 % lose their connection before and 1 % after the work",
        rules: r#"[
            {"error": "server", "probability": 0.05},
            {"error": "throttling", "probability": 0.03},
            {"network": "reset-before", "probability": 0.02},
            {"network": "reset-after", "probability": 0.01}
        ]"#,
    },
    Preset {
        name: "slow",
        description: "half of all calls take 200 ms or more, one of a hundred 3 s or more",
        rules: r#"[{"latency": "p50=200ms p99=3s"}]"#,
    },
    Preset {
        name: "throttled",
        description: "5 calls per second and operation of an account, 10 at once; the rest is throttled",
        rules: r#"[{"rate": "5/s burst 10"}]"#,
    },
    Preset {
        name: "brownout",
        description: "a third of all calls fail with a server error, the others take 1 s and more (one of a hundred 8 s)",
        rules: r#"[
            {"latency": "p50=1s p99=8s"},
            {"error": "server", "probability": 0.33}
        ]"#,
    },
    Preset {
        name: "region-outage",
        description: "every call to us-east-1 answers ServiceUnavailable (503) or hangs, half and half; other regions work",
        rules: r#"[
            {"region": "us-east-1", "network": "hang", "probability": 0.5},
            {"region": "us-east-1", "error": "ServiceUnavailable"}
        ]"#,
    },
    Preset {
        name: "eventually-consistent",
        description: "reads see creates and deletes 100 ms to 2 s late",
        rules: r#"[{"class": "write", "lag": "100ms..2s"}]"#,
    },
    Preset {
        name: "expired-credentials",
        description: "after the first 20 calls every call answers that the session's token is expired",
        rules: r#"[{"error": "ExpiredToken", "after": 20}]"#,
    },
    Preset {
        name: "bad-network",
        description: "2 % of the connections end before the work and 2 % after it, 1 % of the answers are cut, 1 % come at 1,000 bytes per second, 0.5 % never come; the others take 30 ms more (one of a hundred 800 ms)",
        rules: r#"[
            {"latency": "p50=30ms p99=800ms"},
            {"network": "reset-before", "probability": 0.02},
            {"network": "reset-after", "probability": 0.02},
            {"network": "truncate", "probability": 0.01},
            {"trickle": 1000, "probability": 0.01},
            {"network": "hang", "probability": 0.005}
        ]"#,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Faults;
    use standin_model::{Catalogue, Timestamp};

    #[test]
    fn all_presets_are_good_rules() {
        for preset in presets() {
            let faults = Faults::default();
            faults.set(Catalogue::shared(), preset.rules(), Timestamp::from_millis(0)).unwrap();
            assert!(!faults.list().is_empty(), "{}", preset.name);
        }
    }
}
