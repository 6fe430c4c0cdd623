//! Airflow in virtual environments: one for each version and Python, shared by all environments, never changed once it is whole.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::process::Command;

use crate::runtime::Progress;

/// The Pythons that a version runs on, and the day up to which its dependencies are resolved: that of its published constraints
/// and a week.
struct Recipe {
    version: &'static str,
    /// Minor versions of Python 3.
    pythons: (u32, u32),
    before: &'static str,
}

const fn recipe(version: &'static str, pythons: (u32, u32), before: &'static str) -> Recipe {
    Recipe { version, pythons, before }
}

const RECIPES: &[Recipe] = &[
    recipe("2.9.2", (8, 12), "2024-06-12"),
    recipe("2.10.1", (8, 12), "2024-09-10"),
    recipe("2.10.3", (8, 12), "2024-11-12"),
    recipe("2.11.0", (9, 12), "2025-05-26"),
    recipe("2.11.2", (10, 12), "2026-03-16"),
    recipe("3.0.6", (9, 12), "2025-09-02"),
    recipe("3.2.1", (10, 14), "2026-05-01"),
    recipe("3.3.1", (10, 14), "2026-08-18"),
];

/// Written last: what has it is whole.
const MARKER: &str = "installed";
/// How often an installation is looked at.
const POLL_MS: i64 = 500;
/// How much of what a tool said is told on.
const TOLD_CHARS: usize = 600;

/// An installed Airflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Installed {
    /// The folder of its programs.
    pub bin: PathBuf,
    /// What was installed, a `name==version` a line: the constraints of everything that users add.
    pub lock: PathBuf,
}

#[derive(Clone)]
enum State {
    Under,
    Done(Installed),
    Failed(String),
}

/// Installs versions of Airflow into a folder.
pub(super) struct Installer {
    folder: PathBuf,
    /// Where programs are looked for, as in `PATH`.
    search: OsString,
    states: Arc<Mutex<HashMap<String, State>>>,
}

impl Installer {
    pub(super) fn new(folder: PathBuf, search: OsString) -> Self {
        Self { folder, search, states: Arc::default() }
    }

    /// The installation of a version, where there is one.
    pub(super) fn find(&self, version: &str) -> Option<Installed> {
        match self.states.lock().unwrap_or_else(PoisonError::into_inner).get(version) {
            Some(State::Done(installed)) => Some(installed.clone()),
            _ => None,
        }
    }

    /// Makes sure of a version: begins its installation where nobody has, and tells how far it is. A failure is told once; who asks
    /// again begins anew.
    pub(super) fn ensure(&self, version: &str) -> Progress {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        match states.get(version).cloned() {
            Some(State::Done(_)) => return Progress::Done,
            Some(State::Under) => return Progress::Working { again_after_ms: POLL_MS },
            Some(State::Failed(message)) => {
                states.remove(version);
                return Progress::Failed { code: "INCORRECT_CONFIGURATION".to_owned(), message };
            }
            None => {}
        }
        let Some(recipe) = RECIPES.iter().find(|recipe| recipe.version == version) else {
            let known: Vec<&str> = RECIPES.iter().map(|recipe| recipe.version).collect();
            let message = format!("Airflow {version} cannot be installed here; what can is {}", known.join(", "));
            return Progress::Failed { code: "INCORRECT_CONFIGURATION".to_owned(), message };
        };
        states.insert(version.to_owned(), State::Under);
        let work = Work { folder: self.folder.clone(), search: self.search.clone(), recipe };
        let states = self.states.clone();
        tokio::spawn(async move {
            let state = match work.install().await {
                Ok(installed) => State::Done(installed),
                Err(message) => State::Failed(format!("Airflow {}: {message}", work.recipe.version)),
            };
            states.lock().unwrap_or_else(PoisonError::into_inner).insert(work.recipe.version.to_owned(), state);
        });
        Progress::Working { again_after_ms: POLL_MS }
    }
}

/// One installation. What goes wrong is told in words.
struct Work {
    folder: PathBuf,
    search: OsString,
    recipe: &'static Recipe,
}

impl Work {
    async fn install(&self) -> Result<Installed, String> {
        let (python, minor) = self.python().await?;
        let folder = self.folder.join(format!("{}-python3.{minor}", self.recipe.version));
        let (venv, lock) = (folder.join("venv"), folder.join("lock.txt"));
        let installed = Installed { bin: venv.join("bin"), lock: lock.clone() };
        if folder.join(MARKER).exists() {
            return Ok(installed);
        }
        // What is there was left unfinished.
        let _ = tokio::fs::remove_dir_all(&folder).await;
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
        let uv = self.uv(&python).await?;
        tracing::info!(version = self.recipe.version, python = %python.display(), "Airflow is being installed");
        self.run(&uv, &["venv", "--quiet", "--python", &text(&python), &text(&venv)]).await?;
        let wanted = folder.join("wanted.txt");
        tokio::fs::write(&wanted, self.wanted()).await.map_err(failed)?;
        let inside = text(&venv.join("bin/python"));
        let compile = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", &inside];
        let (wanted, lock) = (text(&wanted), text(&lock));
        let dated = ["--exclude-newer", self.recipe.before, &wanted, "--output-file", &lock];
        self.run(&uv, &[&compile[..], &dated[..]].concat()).await?;
        self.run(&uv, &["pip", "install", "--quiet", "--no-deps", "--python", &inside, "--requirement", &lock]).await?;
        tokio::fs::write(folder.join(MARKER), "").await.map_err(failed)?;
        Ok(installed)
    }

    /// What the images of MWAA have beside Airflow itself.
    fn wanted(&self) -> String {
        let mut text = format!(
            "apache-airflow=={}\napache-airflow-providers-amazon\napache-airflow-providers-fab\napache-airflow-providers-postgres\npsycopg2-binary\nstatsd\n",
            self.recipe.version
        );
        if self.recipe.version.starts_with('3') {
            text.push_str("apache-airflow-providers-standard\nasyncpg\n");
        }
        text
    }

    /// A Python that the version runs on: the newest that is there.
    async fn python(&self) -> Result<(PathBuf, u32), String> {
        let (oldest, newest) = self.recipe.pythons;
        for minor in (oldest..=newest).rev() {
            for name in [format!("python3.{minor}"), "python3".to_owned(), "python".to_owned()] {
                let Some(program) = find(&self.search, &name) else { continue };
                let asked = ["-c", "import sys, ensurepip; print(*sys.version_info[:2])"];
                if let Ok(said) = self.run(&program, &asked).await
                    && said.trim() == format!("3 {minor}")
                {
                    return Ok((program, minor));
                }
            }
        }
        Err(format!("it runs on Python 3.{oldest} to 3.{newest}, of which none is on the PATH; install one of them"))
    }

    /// The installer: the one that is there, or one of our own.
    async fn uv(&self, python: &Path) -> Result<PathBuf, String> {
        if let Some(found) = find(&self.search, "uv") {
            return Ok(found);
        }
        let tools = self.folder.join("tools");
        let uv = tools.join("bin/uv");
        if self.run(&uv, &["--version"]).await.is_err() {
            self.run(python, &["-m", "venv", "--clear", &text(&tools)]).await?;
            let pip = tools.join("bin/pip");
            self.run(&pip, &["install", "--quiet", "--disable-pip-version-check", "uv"]).await?;
        }
        Ok(uv)
    }

    /// Runs a tool to its end; what it wrote, or why it failed.
    async fn run(&self, program: &Path, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("{}: {error}", program.display()))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        // The end tells the cause.
        let start = said.char_indices().rev().nth(TOLD_CHARS).map_or(0, |(at, _)| at);
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        Err(format!(
            "`{name} {}` failed: {}",
            arguments.iter().take(2).copied().collect::<Vec<_>>().join(" "),
            &said[start..]
        ))
    }
}

/// Finds a program in the folders of a search path.
pub(super) fn find(search: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::versions::{VERSIONS, numbers};

    #[test]
    fn recipes_are_of_versions_that_are_offered() {
        for recipe in RECIPES {
            assert!(VERSIONS.iter().any(|version| version.name == recipe.version), "{}", recipe.version);
            assert!(recipe.pythons.0 <= recipe.pythons.1);
        }
        assert!(RECIPES.is_sorted_by_key(|recipe| numbers(recipe.version)));
    }

    #[test]
    fn unknown_versions_fail_at_once() {
        let installer = Installer::new(PathBuf::from("/nonexistent"), OsString::new());
        assert!(matches!(installer.ensure("1.10.12"), Progress::Failed { .. }));
        assert_eq!(installer.find("1.10.12"), None);
    }

    #[tokio::test]
    async fn a_missing_python_is_told() {
        let installer = Installer::new(PathBuf::from("/nonexistent"), OsString::new());
        assert!(matches!(installer.ensure("3.0.6"), Progress::Working { .. }));
        let ended = loop {
            match installer.ensure("3.0.6") {
                Progress::Working { .. } => tokio::task::yield_now().await,
                ended => break ended,
            }
        };
        let Progress::Failed { message, .. } = ended else { panic!("{ended:?}") };
        assert!(message.contains("Python 3.9 to 3.12, of which none is on the PATH"), "{message}");
    }
}
