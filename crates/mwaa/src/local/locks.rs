//! What is installed with each version of Airflow: facts, resolved by `cargo xtask locks`.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Versions of Airflow, the Pythons that they run on, and the day up to which their dependencies are resolved.
const RECIPES: &str = include_str!("../../locks/recipes.txt");
/// What the images of MWAA have beside Airflow itself, by its major version.
const WANTED_2: &str = include_str!("../../locks/wanted-2.txt");
const WANTED_3: &str = include_str!("../../locks/wanted-3.txt");
/// The minor versions of Python 3 that locks are for, the preferred one first.
pub(super) const LOCKED_PYTHONS: [u32; 2] = [12, 11];
/// How much of a hash tells installations apart, in bytes.
const HASH_BYTES: usize = 4;

macro_rules! locks {
    ($($version:literal),+) => {
        &[$(($version, include_str!(concat!("../../locks/", $version, ".txt")))),+]
    };
}

const LOCKS: &[(&str, &str)] = locks!("2.9.2", "2.10.1", "2.10.3", "2.11.0", "2.11.2", "3.0.6", "3.2.1", "3.3.1");

/// How a version is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub version: &'static str,
    /// The oldest and the newest minor version of Python 3 that it runs on.
    pub pythons: (u32, u32),
    /// A day: `2025-09-02`.
    pub before: &'static str,
}

/// What is to be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// These, a `name==version` a line.
    Locked(String),
    /// What these need, as of the day of the recipe.
    Wanted(String),
}

impl Recipe {
    /// Every version that can be installed, oldest first.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        RECIPES.lines().filter_map(|line| {
            let mut fields = line.split_whitespace();
            let (version, oldest, newest) = (fields.next()?, fields.next()?, fields.next()?);
            let minor = |python: &str| python.strip_prefix("3.")?.parse().ok();
            Some(Self { version, pythons: (minor(oldest)?, minor(newest)?), before: fields.next()? })
        })
    }

    pub(super) fn find(version: &str) -> Option<Self> {
        Self::all().find(|recipe| recipe.version == version)
    }

    /// Minor versions of Python 3 that it runs on, in the order in which they are taken: those with a lock, then the newest.
    pub(super) fn pythons(&self) -> Vec<u32> {
        let (oldest, newest) = self.pythons;
        let fits = |minor: &u32| (oldest..=newest).contains(minor);
        let others = (oldest..=newest).rev().filter(|minor| !LOCKED_PYTHONS.contains(minor));
        LOCKED_PYTHONS.into_iter().filter(fits).chain(others).collect()
    }

    /// What is installed with it on a minor version of Python 3.
    pub(super) fn contents(&self, minor: u32) -> Contents {
        let lock =
            LOCKS.iter().find(|(version, _)| *version == self.version).filter(|_| LOCKED_PYTHONS.contains(&minor));
        match lock {
            Some((_, lock)) => Contents::Locked(lines_for(lock, minor)),
            None => {
                let wanted = if self.version.starts_with('3') { WANTED_3 } else { WANTED_2 };
                Contents::Wanted(format!("apache-airflow=={}\n{wanted}", self.version))
            }
        }
    }

    /// What an installation on a minor version of Python 3 is called: another name for other contents.
    pub(super) fn installation(&self, minor: u32) -> String {
        let mut hash = Sha256::new();
        match self.contents(minor) {
            Contents::Locked(text) => hash.update(text),
            Contents::Wanted(text) => {
                hash.update(text);
                hash.update(self.before);
            }
        }
        let mut name = format!("{}-python3.{minor}-", self.version);
        for byte in hash.finalize().iter().take(HASH_BYTES) {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }
}

/// The lines of a lock that are for a minor version of Python 3, without saying so.
fn lines_for(lock: &str, minor: u32) -> String {
    let mut lines = String::with_capacity(lock.len());
    for line in lock.lines() {
        let (pin, python) = line.split_once(" ; ").unwrap_or((line, ""));
        if python.is_empty() || python == format!("python_version == '3.{minor}'") {
            lines.push_str(pin);
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::{VERSIONS, numbers};

    #[test]
    fn recipes_are_of_versions_that_are_offered() {
        let recipes: Vec<Recipe> = Recipe::all().collect();
        assert_eq!(recipes.len(), RECIPES.lines().filter(|line| !line.starts_with('#')).count());
        for recipe in &recipes {
            assert!(VERSIONS.iter().any(|version| version.name == recipe.version), "{}", recipe.version);
            assert!(recipe.pythons.0 <= recipe.pythons.1);
        }
        assert!(recipes.is_sorted_by_key(|recipe| numbers(recipe.version)));
    }

    #[test]
    fn every_recipe_has_a_lock_of_its_version() {
        for recipe in Recipe::all() {
            for minor in LOCKED_PYTHONS {
                let Contents::Locked(lock) = recipe.contents(minor) else { panic!("{} has no lock", recipe.version) };
                assert!(lock.lines().any(|line| line == format!("apache-airflow=={}", recipe.version)));
                for name in ["psycopg2-binary", "statsd", "apache-airflow-providers-amazon"] {
                    assert!(lock.lines().any(|line| line.starts_with(&format!("{name}=="))), "{name}");
                }
                let pinned =
                    |line: &str| line.split_once("==").is_some_and(|(_, version)| !version.contains([' ', ';']));
                assert!(lock.lines().all(pinned), "{}", recipe.version);
            }
        }
    }

    fn check(lock: &str, minor: u32, expect: &str) {
        assert_eq!(lines_for(lock, minor), expect);
    }

    #[test]
    fn lines_are_taken_by_python() {
        let lock = "a==1\nb==2 ; python_version == '3.11'\nb==3 ; python_version == '3.12'\n";
        check(lock, 11, "a==1\nb==2\n");
        check(lock, 12, "a==1\nb==3\n");
    }

    #[test]
    fn pythons_with_a_lock_come_first() {
        let pythons = |version: &str| Recipe::find(version).expect("it is offered").pythons();
        assert_eq!(pythons("2.9.2"), [12, 11, 10, 9, 8]);
        assert_eq!(pythons("3.3.1"), [12, 11, 14, 13, 10]);
    }

    #[test]
    fn installations_of_other_contents_have_other_names() {
        let recipe = Recipe::find("3.3.1").expect("it is offered");
        let later = Recipe { before: "2030-01-01", ..recipe };
        assert_eq!(recipe.installation(12), later.installation(12), "locked");
        assert_ne!(recipe.installation(13), later.installation(13));
        assert!(recipe.installation(12).starts_with("3.3.1-python3.12-"));
    }
}
