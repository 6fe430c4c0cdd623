//! What MWAA offers: versions of Airflow, and classes of environments with their limits. Facts of AWS's documentation and images.

/// A version of Airflow that environments can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub name: &'static str,
    /// Of the images that AWS runs it in.
    pub python: &'static str,
}

/// Every version that an environment can be made with, oldest first.
pub const VERSIONS: &[Version] = &[
    Version { name: "2.7.2", python: "3.11" },
    Version { name: "2.8.1", python: "3.11" },
    Version { name: "2.9.2", python: "3.11" },
    Version { name: "2.10.1", python: "3.11" },
    Version { name: "2.10.3", python: "3.11" },
    Version { name: "2.11.0", python: "3.12" },
    Version { name: "2.11.2", python: "3.12" },
    Version { name: "3.0.6", python: "3.12" },
    Version { name: "3.2.1", python: "3.12" },
    Version { name: "3.3.1", python: "3.12" },
];

/// What an environment gets whose creator names no version.
pub const DEFAULT_VERSION: &str = "3.0.6";
/// What an environment gets whose creator names no class.
pub const DEFAULT_CLASS: &str = "mw1.small";

/// Finds a version by its name.
pub fn version(name: &str) -> Option<&'static Version> {
    VERSIONS.iter().find(|version| version.name == name)
}

/// The number before the first dot: 2 or 3.
pub fn major(name: &str) -> u32 {
    numbers(name)[0]
}

/// The parts of a version, for comparing: what is no number is 0.
pub fn numbers(name: &str) -> [u32; 3] {
    let mut parts = name.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}

/// Lowest, highest and what is given to those who do not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub least: i64,
    pub most: i64,
    pub usual: i64,
}

/// What an environment class allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Class {
    pub name: &'static str,
    /// Tasks that one worker runs at a time.
    pub tasks_per_worker: i64,
    pub schedulers: Limits,
    pub webservers: Limits,
    pub min_workers: Limits,
    pub max_workers: Limits,
}

const ONE: Limits = Limits { least: 1, most: 1, usual: 1 };
const TWO_TO_FIVE: Limits = Limits { least: 2, most: 5, usual: 2 };

const fn scaling(name: &'static str, tasks_per_worker: i64) -> Class {
    Class {
        name,
        tasks_per_worker,
        schedulers: TWO_TO_FIVE,
        webservers: TWO_TO_FIVE,
        min_workers: Limits { least: 1, most: 25, usual: 1 },
        max_workers: Limits { least: 1, most: 25, usual: 10 },
    }
}

pub const CLASSES: &[Class] = &[
    Class {
        name: "mw1.micro",
        tasks_per_worker: 3,
        schedulers: ONE,
        webservers: ONE,
        min_workers: ONE,
        max_workers: ONE,
    },
    scaling("mw1.small", 5),
    scaling("mw1.medium", 10),
    scaling("mw1.large", 20),
    scaling("mw1.xlarge", 40),
    scaling("mw1.2xlarge", 80),
];

/// Finds a class by its name.
pub fn class(name: &str) -> Option<&'static Class> {
    CLASSES.iter().find(|class| class.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_offered_and_versions_are_in_order() {
        assert!(version(DEFAULT_VERSION).is_some() && class(DEFAULT_CLASS).is_some());
        assert!(VERSIONS.is_sorted_by_key(|version| numbers(version.name)));
        assert_eq!((numbers("2.10.3"), numbers("3"), major("3.0.6")), ([2, 10, 3], [3, 0, 0], 3));
    }
}
