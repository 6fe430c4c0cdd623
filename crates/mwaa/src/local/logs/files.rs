//! Which files are logs, of what, and how their streams are called.
//!
//! Facts: the logging configuration of MWAA's images, and Airflow's folders of logs.

use std::io;
use std::path::Path;

/// Folders within each other.
const DEPTH_MAX: usize = 10;
/// Files that are looked at.
const FILES_MAX: usize = 20_000;
/// What streams of processes have where MWAA's have the host.
const HOST: &str = "localhost";

/// A part of Airflow that has a log group of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Module {
    Task,
    Scheduler,
    DagProcessing,
    WebServer,
    Worker,
    /// What each process does before it starts: told in the groups of all processes.
    Everywhere,
}

impl Module {
    /// The modules in whose groups it is told.
    pub(super) fn groups(self) -> &'static [Self] {
        match self {
            Self::Task => &[Self::Task],
            Self::Scheduler => &[Self::Scheduler],
            Self::DagProcessing => &[Self::DagProcessing],
            Self::WebServer => &[Self::WebServer],
            Self::Worker => &[Self::Worker],
            Self::Everywhere => &[Self::Scheduler, Self::WebServer, Self::Worker],
        }
    }

    /// How the name of its log group ends.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Scheduler | Self::Everywhere => "Scheduler",
            Self::DagProcessing => "DAGProcessing",
            Self::WebServer => "WebServer",
            Self::Worker => "Worker",
        }
    }

    /// Whether what it says is told by its level; installations are always told.
    pub(super) fn has_levels(self) -> bool {
        self != Self::Everywhere
    }
}

/// What a file is the log of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub module: Module,
    name: Name,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Fixed(String),
    /// With the host and the time since when there is such a log.
    OfProcess(String),
}

impl Source {
    fn fixed(module: Module, name: String) -> Option<Self> {
        Some(Self { module, name: Name::Fixed(name) })
    }

    fn process(module: Module, name: &str) -> Option<Self> {
        Some(Self { module, name: Name::OfProcess(name.to_owned()) })
    }

    /// The name of its stream.
    pub(super) fn stream(&self, since: i64) -> String {
        match &self.name {
            // As the handler of the Amazon provider writes it; names of streams have neither.
            Name::Fixed(name) => name.replace([':', '*'], "_"),
            Name::OfProcess(name) => format!("{name}_{HOST}_{since}.log"),
        }
    }

    /// What a file of an environment's folder is, by its path within it.
    pub(super) fn of(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let Some(inner) = path.strip_prefix("logs/") else {
            return match name.strip_suffix(".log")? {
                _ if path.contains('/') => None,
                "dag-processor" => Self::process(Module::DagProcessing, "dag_processor"),
                "webserver" => Self::process(Module::WebServer, "webserver"),
                "migrate" | "cli" => None,
                process if process.starts_with("worker") => Self::process(Module::Worker, process),
                process => Self::process(Module::Scheduler, process),
            };
        };
        if inner.starts_with("dag_id=") {
            return Self::fixed(Module::Task, inner.to_owned());
        }
        match inner.split('/').next() {
            _ if inner == "requirements_install.log" => Self::process(Module::Everywhere, "requirements_install"),
            _ if inner == "startup_script_execution.log" => {
                Self::process(Module::Everywhere, "startup_script_execution")
            }
            Some("dag_processor_manager") => Self::fixed(Module::DagProcessing, name.to_owned()),
            // A folder for each day.
            Some("scheduler" | "dag_processor") if name.ends_with(".log") => {
                Self::fixed(Module::DagProcessing, format!("scheduler_{name}"))
            }
            _ => None,
        }
    }
}

/// A file of logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Within the environment's folder.
    pub path: String,
    pub length: u64,
    pub source: Source,
}

/// The logs of an environment. Links are not followed: `latest` is one.
pub(super) fn find(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            take(&entry, "", &mut found)?;
        }
    }
    let logs = folder.join("logs");
    if logs.is_dir() {
        walk(&logs, "logs/", DEPTH_MAX, &mut found)?;
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

fn walk(folder: &Path, within: &str, depth: usize, found: &mut Vec<Found>) -> io::Result<()> {
    if depth == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let within = format!("{within}{}/", entry.file_name().to_string_lossy());
            walk(&entry.path(), &within, depth - 1, found)?;
        } else if kind.is_file() {
            take(&entry, within, found)?;
        }
        if found.len() >= FILES_MAX {
            break;
        }
    }
    Ok(())
}

fn take(entry: &std::fs::DirEntry, within: &str, found: &mut Vec<Found>) -> io::Result<()> {
    let path = format!("{within}{}", entry.file_name().to_string_lossy());
    if let Some(source) = Source::of(&path) {
        // It may be gone since its folder was read.
        if let Ok(about) = entry.metadata() {
            found.push(Found { path, length: about.len(), source });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expect: Option<(Module, &str)>) {
        let source = Source::of(path);
        let told = source.as_ref().map(|source| (source.module, source.stream(7)));
        assert_eq!(told, expect.map(|(module, stream)| (module, stream.to_owned())), "{path}");
    }

    #[test]
    fn files_have_their_streams() {
        check(
            "logs/dag_id=a/run_id=manual__2024-01-01T00:00:00+00:00/task_id=b/map_index=2/attempt=1.log",
            Some((
                Module::Task,
                "dag_id=a/run_id=manual__2024-01-01T00_00_00+00_00/task_id=b/map_index=2/attempt=1.log",
            )),
        );
        check("scheduler.log", Some((Module::Scheduler, "scheduler_localhost_7.log")));
        check("triggerer.log", Some((Module::Scheduler, "triggerer_localhost_7.log")));
        check("webserver.log", Some((Module::WebServer, "webserver_localhost_7.log")));
        check("worker-1.log", Some((Module::Worker, "worker-1_localhost_7.log")));
        check("dag-processor.log", Some((Module::DagProcessing, "dag_processor_localhost_7.log")));
        check("logs/scheduler/2024-01-01/hello.py.log", Some((Module::DagProcessing, "scheduler_hello.py.log")));
        check(
            "logs/dag_processor/2024-01-01/dags-folder/hello.py.log",
            Some((Module::DagProcessing, "scheduler_hello.py.log")),
        );
        check(
            "logs/dag_processor_manager/dag_processor_manager.log",
            Some((Module::DagProcessing, "dag_processor_manager.log")),
        );
        check("logs/requirements_install.log", Some((Module::Everywhere, "requirements_install_localhost_7.log")));
        check(
            "logs/startup_script_execution.log",
            Some((Module::Everywhere, "startup_script_execution_localhost_7.log")),
        );
        for path in ["migrate.log", "cli.log", "airflow.db", "logs/other.txt", "database/postgres.log"] {
            check(path, None);
        }
    }
}
