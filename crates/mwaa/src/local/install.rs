//! Airflow in virtual environments: one for each version and Python, shared by all environments, never changed once it is whole.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::process::Command;

use super::leftovers::{MARK, end_leftovers};
use super::locks::{Contents, Recipe};
use crate::runtime::Progress;

/// Written last: what has it is whole.
const MARKER: &str = "installed";
/// The package of the Python registry that has PostgreSQL's programs.
const POSTGRES: &str = "pgserver";
/// How often an installation is looked at, in milliseconds.
const POLL_MS: i64 = 500;
/// How often it is looked whether another process has ended what only one may do.
const WAIT: Duration = Duration::from_millis(200);
/// How much of what a tool said is told on.
const TOLD_CHARS: usize = 600;

/// An installed Airflow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Installed {
    /// What tells it from others: the version, the Python and a hash of what was installed.
    pub name: String,
    pub folder: PathBuf,
    /// The folder of its programs.
    pub bin: PathBuf,
    /// What was installed, a `name==version` a line: the constraints of everything that users add.
    pub lock: PathBuf,
    /// What installs packages; nothing where it could not be got.
    pub uv: Option<PathBuf>,
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
        let Some(recipe) = Recipe::find(version) else {
            let known: Vec<&str> = Recipe::all().map(|recipe| recipe.version).collect();
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

    /// The folder of PostgreSQL's programs, from the Python registry.
    pub(super) async fn postgres(&self, installed: &Installed) -> Result<PathBuf, String> {
        let folder = self.folder.join(POSTGRES);
        let bin = folder.join("pgserver/pginstall/bin");
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        let _mine = exclusive(&self.folder.join("pgserver.lock")).await.map_err(failed)?;
        if folder.join(MARKER).exists() {
            return Ok(bin);
        }
        end_leftovers(&folder).await;
        let _ = tokio::fs::remove_dir_all(&folder).await;
        let python = installed.bin.join("python");
        let tools = Tools { folder: &self.folder, search: &self.search };
        let uv = tools.uv(&python).await?;
        let (python, to) = (text(&python), text(&folder));
        let install = ["pip", "install", "--quiet", "--no-deps", "--python", &python, "--target", &to, POSTGRES];
        run(&uv, &install, Some(&folder)).await?;
        tokio::fs::write(folder.join(MARKER), "").await.map_err(failed)?;
        Ok(bin)
    }
}

/// One installation. What goes wrong is told in words.
struct Work {
    folder: PathBuf,
    search: OsString,
    recipe: Recipe,
}

impl Work {
    async fn install(&self) -> Result<Installed, String> {
        let (python, minor) = self.python().await?;
        let name = self.recipe.installation(minor);
        let folder = self.folder.join(&name);
        let (venv, lock) = (folder.join("venv"), folder.join("lock.txt"));
        let installed = |uv| Installed {
            bin: venv.join("bin"),
            lock: folder.join("lock.txt"),
            uv,
            folder: folder.clone(),
            name: name.clone(),
        };
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        let tools = Tools { folder: &self.folder, search: &self.search };
        if folder.join(MARKER).exists() {
            // Without it only what users require cannot be installed.
            return Ok(installed(tools.uv(&python).await.ok()));
        }
        let _mine = exclusive(&self.folder.join(format!("{name}.lock"))).await.map_err(failed)?;
        if folder.join(MARKER).exists() {
            return Ok(installed(tools.uv(&python).await.ok()));
        }
        // What is there was left unfinished, perhaps by somebody whose tools still run.
        end_leftovers(&folder).await;
        let _ = tokio::fs::remove_dir_all(&folder).await;
        tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
        let uv = tools.uv(&python).await?;
        tracing::info!(version = self.recipe.version, python = %python.display(), "Airflow is being installed");
        let run = async |arguments: &[&str]| run(&uv, arguments, Some(&folder)).await;
        run(&["venv", "--quiet", "--python", &text(&python), &text(&venv)]).await?;
        let inside = text(&venv.join("bin/python"));
        match self.recipe.contents(minor) {
            Contents::Locked(pins) => tokio::fs::write(&lock, pins).await.map_err(failed)?,
            Contents::Wanted(text_of) => {
                let wanted = folder.join("wanted.txt");
                tokio::fs::write(&wanted, text_of).await.map_err(failed)?;
                let compile = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python", &inside];
                let (wanted, lock) = (text(&wanted), text(&lock));
                let dated = ["--exclude-newer", self.recipe.before, &wanted, "--output-file", &lock];
                run(&[&compile[..], &dated[..]].concat()).await?;
            }
        }
        let lock = text(&lock);
        run(&["pip", "install", "--quiet", "--no-deps", "--python", &inside, "--requirement", &lock]).await?;
        tokio::fs::write(folder.join(MARKER), "").await.map_err(failed)?;
        Ok(installed(Some(uv)))
    }

    /// A Python that the version runs on.
    async fn python(&self) -> Result<(PathBuf, u32), String> {
        for minor in self.recipe.pythons() {
            for name in [format!("python3.{minor}"), "python3".to_owned(), "python".to_owned()] {
                let Some(program) = find(&self.search, &name) else { continue };
                let asked = ["-c", "import sys, ensurepip; print(*sys.version_info[:2])"];
                if let Ok(said) = run(&program, &asked, None).await
                    && said.trim() == format!("3 {minor}")
                {
                    return Ok((program, minor));
                }
            }
        }
        let (oldest, newest) = self.recipe.pythons;
        Err(format!("it runs on Python 3.{oldest} to 3.{newest}, of which none is on the PATH; install one of them"))
    }
}

/// The tools that are there, or that were got.
struct Tools<'t> {
    folder: &'t Path,
    search: &'t OsString,
}

impl Tools<'_> {
    /// The installer: the one that is there, or one of our own.
    async fn uv(&self, python: &Path) -> Result<PathBuf, String> {
        if let Some(found) = find(self.search, "uv") {
            return Ok(found);
        }
        let tools = self.folder.join("tools");
        let uv = tools.join("bin/uv");
        let failed = |error: io::Error| format!("{}: {error}", tools.display());
        let _mine = exclusive(&self.folder.join("tools.lock")).await.map_err(failed)?;
        if run(&uv, &["--version"], None).await.is_err() {
            run(python, &["-m", "venv", "--clear", &text(&tools)], None).await?;
            let pip = tools.join("bin/pip");
            let install = ["install", "--quiet", "--disable-pip-version-check", "uv"];
            run(&pip, &install, None).await.map_err(|error| {
                format!("`uv` is not on the PATH, and could not be had from the Python registry: {error}")
            })?;
        }
        Ok(uv)
    }
}

/// Runs a tool to its end; what it wrote, or why it failed. What works on a folder is marked by it.
async fn run(program: &Path, arguments: &[&str], folder: Option<&Path>) -> Result<String, String> {
    let mut command = Command::new(program);
    if let Some(folder) = folder {
        command.env(MARK, folder.join("install"));
    }
    let output = command
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

/// Waits until no other process and no other task has a file's lock, and takes it. It is free again once the file is closed, or its
/// owner is gone, in whatever way. The file holds the owner's process id.
pub(super) async fn exclusive(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut file = File::options().create(true).truncate(false).write(true).open(path)?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {
                if !std::mem::replace(&mut told, true) {
                    let owner = std::fs::read_to_string(path).unwrap_or_default();
                    tracing::info!(lock = %path.display(), owner = owner.trim(), "another process is at it");
                }
                tokio::time::sleep(WAIT).await;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
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

    #[tokio::test]
    async fn only_one_at_a_time_has_a_lock() {
        let path = std::env::temp_dir().join(format!("standin-mwaa-{}-lock/a.lock", std::process::id()));
        let first = exclusive(&path).await.expect("nobody else has it");
        let second = exclusive(&path);
        tokio::pin!(second);
        let polled = std::future::poll_fn(|context| std::task::Poll::Ready(second.as_mut().poll(context).is_pending()));
        assert!(polled.await);
        assert_eq!(std::fs::read_to_string(&path).expect("it is there").trim(), std::process::id().to_string());
        drop(first);
        second.await.expect("it is free");
        std::fs::remove_dir_all(path.parent().expect("it has one")).expect("it is ours");
    }
}
