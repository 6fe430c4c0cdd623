//! What can run Airflow for MWAA's environments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::around::{existing, gigabytes, room};
use super::{Finding, Verdict};
use crate::cli::paint::{Cell, Tone};
use crate::env;

/// What a version of Airflow and what it needs take on the disk, and an environment in memory.
const INSTALLATION_BYTES: u64 = 1_000_000_000;
const MEMORY_BYTES: u64 = 1_000_000_000;
/// Where distributions that do not put PostgreSQL's server on the path have it.
const POSTGRES: &str = "/usr/lib/postgresql";
const DOCKER_SOCKET: &str = "/var/run/docker.sock";

/// What was found, and what follows from it for each runtime.
pub struct Runtimes {
    pub findings: Vec<Finding>,
    runtimes: Vec<Possible>,
    versions: Vec<Version>,
}

struct Possible {
    name: &'static str,
    possible: bool,
    why: String,
}

/// A version of Airflow, and the Python that it would run on here.
struct Version {
    name: String,
    python: Option<String>,
    why: String,
}

/// Looks at everything that a runtime needs.
pub fn all(data_dir: Option<&Path>) -> Runtimes {
    let search = env::process("PATH").unwrap_or_default();
    let pythons = pythons(&search);
    let versions = versions(&pythons);
    let python = python(&pythons, &versions);
    let findings = vec![python.clone(), uv(&search), memory(), disk(data_dir), postgres(&search), docker(&search)];
    let bad = |what: &str| findings.iter().find(|finding| finding.what == what && finding.verdict != Verdict::Good);
    let local: Vec<&str> = ["python", "airflow disk", "memory"]
        .iter()
        .filter_map(|what| bad(what))
        .map(|finding| finding.found.as_str())
        .collect();
    let unix = cfg!(unix);
    let docker = bad("docker");
    let why_not = if unix { local.join("; ") } else { "Airflow does not run on this system".to_owned() };
    let runtimes = vec![
        Possible { name: "simulated", possible: true, why: "needs nothing".to_owned() },
        Possible {
            name: "local",
            possible: unix && local.is_empty(),
            why: if unix && local.is_empty() { "a real Airflow in processes".to_owned() } else { why_not },
        },
        Possible {
            name: "docker",
            possible: docker.is_none(),
            why: docker.map_or("a real Airflow in containers".to_owned(), |finding| finding.found.clone()),
        },
    ];
    Runtimes { findings, runtimes, versions }
}

impl Runtimes {
    pub fn rows(&self) -> Vec<Vec<Cell>> {
        let row = |name: &str, possible: bool, why: &str| {
            let verdict = if possible { ("yes", Tone::Good) } else { ("no", Tone::Busy) };
            vec![name.into(), Cell { text: verdict.0.to_owned(), tone: verdict.1 }, why.into()]
        };
        let runtimes = self.runtimes.iter().map(|one| row(one.name, one.possible, &one.why));
        let versions = self.versions.iter().map(|one| row(&one.name, one.python.is_some(), &one.why));
        runtimes.chain(versions).collect()
    }

    pub fn to_json(&self) -> Value {
        let runtimes =
            self.runtimes.iter().map(|one| (one.name.to_owned(), json!({ "possible": one.possible, "why": one.why })));
        let mut all: serde_json::Map<String, Value> = runtimes.collect();
        let versions = self.versions.iter().map(|one| json!({ "airflow": one.name, "possible": one.python.is_some(), "python": one.python, "why": one.why }));
        all.insert("versions".to_owned(), versions.collect());
        all.into()
    }
}

/// Pythons that run: their minor version, and what they are. A name on the path alone tells nothing: version managers put names
/// there of what is not installed.
fn pythons(search: &OsString) -> Vec<(u32, PathBuf)> {
    #[cfg(unix)]
    let found = standin_mwaa::local::pythons(search);
    #[cfg(not(unix))]
    let found: Vec<(u32, PathBuf)> = {
        let _ = search;
        Vec::new()
    };
    let runs = |minor: u32, program: &Path| {
        said(program, &["-c", "import sys, ensurepip; print(*sys.version_info[:2])"])
            .is_some_and(|said| said == format!("3 {minor}"))
    };
    found.into_iter().filter(|(minor, program)| runs(*minor, program)).collect()
}

#[cfg(unix)]
fn versions(pythons: &[(u32, PathBuf)]) -> Vec<Version> {
    let of = |one: standin_mwaa::local::Installable| {
        let (oldest, newest) = one.pythons;
        let python = pythons.iter().rev().find(|(minor, _)| (oldest..=newest).contains(minor));
        Version {
            name: one.version.to_owned(),
            python: python.map(|(minor, _)| format!("3.{minor}")),
            why: match python {
                Some((minor, program)) => format!("on Python 3.{minor} ({})", program.display()),
                None => format!("needs a Python of 3.{oldest} to 3.{newest}"),
            },
        }
    };
    standin_mwaa::local::installable().into_iter().map(of).collect()
}

#[cfg(not(unix))]
fn versions(_: &[(u32, PathBuf)]) -> Vec<Version> {
    Vec::new()
}

fn python(pythons: &[(u32, PathBuf)], versions: &[Version]) -> Finding {
    let names: Vec<String> = pythons.iter().map(|(minor, _)| format!("3.{minor}")).collect();
    let names = names.join(", ");
    if versions.iter().any(|version| version.python.is_some()) {
        return Finding::good("python", names);
    }
    let found = if names.is_empty() { "none is on the PATH".to_owned() } else { format!("only {names}") };
    Finding::warning(
        "python",
        found,
        "install Python 3.11 or 3.12 with ensurepip (Debian: python3-venv): every version of Airflow runs on one of them",
    )
}

fn uv(search: &OsString) -> Finding {
    match find(search, "uv") {
        Some(program) => Finding::good("uv", program.display().to_string()),
        None => Finding::good("uv", "not on the PATH; standin gets its own from the Python registry"),
    }
}

/// The memory that is left. Source: proc(5).
fn memory() -> Finding {
    let about = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = about
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))
        .and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1024));
    match available {
        None => Finding::good("memory", "not known on this system"),
        Some(bytes) if bytes < MEMORY_BYTES => Finding::warning(
            "memory",
            format!("{} left", gigabytes(bytes)),
            format!("a real Airflow takes {}; end something else", gigabytes(MEMORY_BYTES)),
        ),
        Some(bytes) => {
            Finding::good("memory", format!("{} left, for {} real Airflows", gigabytes(bytes), bytes / MEMORY_BYTES))
        }
    }
}

fn disk(data_dir: Option<&Path>) -> Finding {
    let what = "airflow disk";
    let installations = crate::config::installations().or_else(|| data_dir.map(|folder| folder.join("mwaa/installed")));
    let Some(folder) = installations else {
        return Finding::warning(what, "there is no folder for installations", "--mwaa installations=DIR names one");
    };
    match room(&existing(&folder)) {
        Some(bytes) if bytes < INSTALLATION_BYTES => Finding::warning(
            what,
            format!("{} left for {}", gigabytes(bytes), folder.display()),
            format!("a version of Airflow takes up to {}", gigabytes(INSTALLATION_BYTES)),
        ),
        Some(bytes) => Finding::good(what, format!("{} left for {}", gigabytes(bytes), folder.display())),
        None => Finding::good(what, folder.display().to_string()),
    }
}

fn postgres(search: &OsString) -> Finding {
    let what = "postgresql";
    let packaged = || {
        let folders = std::fs::read_dir(POSTGRES).ok()?.flatten();
        folders.map(|folder| folder.path().join("bin/initdb")).find(|program| program.is_file())
    };
    match find(search, "initdb").or_else(packaged) {
        Some(program) => Finding::good(what, program.display().to_string()),
        None => Finding::warning(
            what,
            "initdb is not there",
            "without it Airflow 2 keeps its state in SQLite, and runs one task at a time",
        ),
    }
}

fn docker(search: &OsString) -> Finding {
    let what = "docker";
    let host = env::text(&env::process, "DOCKER_HOST");
    let place = host.clone().unwrap_or_else(|| format!("unix://{DOCKER_SOCKET}"));
    let advice = "only the runtime docker needs it; local does without";
    if let Some(socket) = place.strip_prefix("unix://") {
        return match ping(Path::new(socket)) {
            Ok(version) => Finding::good(what, format!("an engine answers at {place}{version}")),
            Err(reason) => Finding::warning(what, format!("no engine answers at {place}: {reason}"), advice),
        };
    }
    match find(search, "docker").and_then(|program| said(&program, &["version", "--format", "{{.Server.Version}}"])) {
        Some(version) => Finding::good(what, format!("engine {version} answers at {place}")),
        None => Finding::warning(what, format!("no engine answers at {place}"), advice),
    }
}

/// Asks an engine whether it is there. Source: the Docker Engine API, `GET /_ping`.
#[cfg(unix)]
fn ping(socket: &Path) -> Result<String, String> {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        stream.set_write_timeout(Some(Duration::from_secs(3)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(4096).read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    let answer = ask().map_err(|error| error.to_string())?;
    if !answer.lines().next().unwrap_or_default().contains(" 200") {
        return Err(answer.lines().next().unwrap_or("nothing").to_owned());
    }
    let version = answer.lines().find_map(|line| line.strip_prefix("Api-Version:")).unwrap_or_default().trim();
    Ok(if version.is_empty() { String::new() } else { format!(", API {version}") })
}

#[cfg(not(unix))]
fn ping(_: &Path) -> Result<String, String> {
    Err("this system has no such sockets".to_owned())
}

fn find(search: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// What a program says on one line, if it ends well.
fn said(program: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_version_runs_on_the_newest_python_that_fits() {
        let pythons = [(9, PathBuf::from("/p9")), (11, PathBuf::from("/p11")), (14, PathBuf::from("/p14"))];
        let of =
            |name: &str| versions(&pythons).into_iter().find(|version| version.name == name).expect("known").python;
        assert_eq!(of("2.10.3").as_deref(), Some("3.11"));
        assert_eq!(of("3.3.1").as_deref(), Some("3.14"));
        let none = versions(&[]);
        assert!(none.iter().all(|version| version.python.is_none() && version.why.contains("needs a Python")));
        assert_eq!(python(&[], &none).verdict, Verdict::Warning);
    }

    #[cfg(unix)]
    #[test]
    fn an_engine_is_one_that_answers() {
        use std::io::{Read as _, Write as _};
        let folder = std::env::temp_dir().join(format!("standin-doctor-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("writable");
        let socket = folder.join("docker.sock");
        assert!(ping(&socket).is_err());
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("free");
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a caller");
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked).expect("a question");
            stream.write_all(b"HTTP/1.0 200 OK\r\nApi-Version: 1.47\r\n\r\nOK").expect("an open stream");
        });
        assert_eq!(ping(&socket).expect("it answers"), ", API 1.47");
        server.join().expect("it ends");
        std::fs::remove_dir_all(folder).expect("ours");
    }
}
