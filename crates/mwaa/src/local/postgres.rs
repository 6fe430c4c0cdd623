//! A PostgreSQL server for the databases of all environments of a data folder: found on this machine, or installed from the Python
//! registry; run and kept running by standin.
//!
//! PostgreSQL does not run as root. Where standin does, it runs in a user namespace in which nobody is root, or as another user.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::install::find;
use super::leftovers::end_leftovers_with;
use super::process::{Spec, Supervisor, User};

/// The role that owns all databases.
const ROLE: &str = "airflow";
/// The port and the password, for who comes later.
const NOTE: &str = "server.json";
/// How long a start may take: after a crash, the log is read again.
const START_MAX: Duration = Duration::from_secs(60);
/// How often a start is looked at.
const ASK: Duration = Duration::from_millis(20);
/// How often it is looked whether the server still runs.
const LOOK: Duration = Duration::from_millis(500);
/// Where systems keep it that have several versions side by side, with a folder for each.
const HOMES: [&str; 3] = ["/usr/lib/postgresql", "/usr/local/lib/postgresql", "/opt/postgresql"];
/// What is set other than usual: a server for some developers, which may forget the last moment after a power failure, but is whole.
const SETTINGS: [&str; 10] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=64MB",
    "synchronous_commit=off",
    "wal_level=minimal",
    "max_wal_senders=0",
    "jit=off",
    "log_checkpoints=off",
    "timezone=UTC",
];

/// The programs of one PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Programs {
    /// The folder with `initdb` and `postgres`.
    bin: PathBuf,
    /// `15`.
    major: String,
}

impl Programs {
    /// Those of this machine, the ones on the search path first.
    pub(super) async fn all(search: &OsString) -> Vec<Self> {
        let mut folders: Vec<PathBuf> = std::env::split_paths(search).collect();
        for home in HOMES {
            let mut versions: Vec<PathBuf> =
                std::fs::read_dir(home).into_iter().flatten().flatten().map(|entry| entry.path().join("bin")).collect();
            versions.sort();
            folders.extend(versions.into_iter().rev());
        }
        let mut all = Vec::new();
        for bin in folders {
            all.extend(Self::at(&bin).await);
        }
        all
    }

    /// Those of a folder.
    pub(super) async fn at(bin: &Path) -> Option<Self> {
        let here = OsString::from(bin);
        let (postgres, _) = (find(&here, "postgres")?, find(&here, "initdb")?);
        let said =
            Command::new(postgres).arg("--version").stdin(Stdio::null()).kill_on_drop(true).output().await.ok()?;
        Some(Self { bin: bin.to_owned(), major: major(&String::from_utf8_lossy(&said.stdout))? })
    }
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0)`.
fn major(said: &str) -> Option<String> {
    let version = said.split_once("(PostgreSQL) ")?.1;
    let major: String = version.chars().take_while(char::is_ascii_digit).collect();
    Some(major).filter(|major| !major.is_empty())
}

/// A server that runs, or that another standin runs on the same data.
pub(super) struct Server {
    port: u16,
    password: String,
    kept: Option<Keeping>,
}

/// What keeps it running.
struct Keeping {
    stop: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
    _mine: File,
}

impl Server {
    /// Starts the server of a folder; its databases are made if there are none. Why not, in words.
    pub(super) async fn start(folder: &Path, programs: &[Programs], search: &OsString) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(folder).map_err(failed)?;
        let mine =
            File::options().create(true).truncate(false).write(true).open(folder.join("lock")).map_err(failed)?;
        match mine.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Self::of_another(folder).await,
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Fast: it does not wait for its clients.
        end_leftovers_with(folder, Signal::INT).await;
        let data = folder.join("data");
        let made = std::fs::read_to_string(data.join("PG_VERSION")).ok();
        let fits = |programs: &&Programs| made.as_ref().is_none_or(|version| version.trim() == programs.major);
        let Some(programs) = programs.iter().find(fits) else {
            return Err(match made {
                Some(version) => format!(
                    "{} was made by PostgreSQL {}, which is not on the PATH any more",
                    data.display(),
                    version.trim()
                ),
                None => "there are no `initdb` and `postgres` on the PATH".to_owned(),
            });
        };
        let noted = Noted::read(folder);
        let password = noted.as_ref().map_or_else(random, |noted| Ok(noted.password.clone())).map_err(failed)?;
        let ways = Way::all(search).await;
        if ways.is_empty() {
            return Err("PostgreSQL does not run as root, and there is no other user to run it as".to_owned());
        }
        let mut reasons = Vec::new();
        for way in ways {
            match Self::start_as(folder, programs, &way, noted.as_ref().map(|noted| noted.port), &password).await {
                Ok((port, supervisor)) => {
                    let (stop, stopped) = watch::channel(false);
                    let task = Mutex::new(Some(tokio::spawn(keep(supervisor, stopped))));
                    tracing::info!(port, major = programs.major, "PostgreSQL runs");
                    return Ok(Self { port, password, kept: Some(Keeping { stop, task, _mine: mine }) });
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(reasons.join("; "))
    }

    /// The one that another standin keeps.
    async fn of_another(folder: &Path) -> Result<Self, String> {
        let until = Instant::now() + START_MAX;
        while Instant::now() < until {
            if let Some(Noted { port, password }) = Noted::read(folder).filter(|_| is_ready(folder)) {
                return Ok(Self { port, password, kept: None });
            }
            tokio::time::sleep(ASK).await;
        }
        Err(format!("another process has {} and its PostgreSQL does not start", folder.display()))
    }

    async fn start_as(
        folder: &Path,
        programs: &Programs,
        way: &Way,
        port: Option<u16>,
        password: &str,
    ) -> Result<(u16, Supervisor), String> {
        let failed = |error: io::Error| format!("{}: {error}", folder.display());
        let data = folder.join("data");
        way.give(folder).map_err(failed)?;
        if !data.join("PG_VERSION").exists() {
            init(folder, programs, way, password).await?;
        }
        // Nobody is left who could have written it.
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        // The same as before, where it is free: who looks from outside finds it again.
        let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).and_then(|held| held.local_addr());
        let port = port.and_then(|port| free(port).ok()).map_or_else(|| free(0), Ok).map_err(failed)?.port();
        Noted { port, password: password.to_owned() }.write(folder).map_err(failed)?;
        let mut arguments = vec!["-D".to_owned(), text(&data), "-p".to_owned(), port.to_string()];
        for setting in SETTINGS {
            arguments.extend(["-c".to_owned(), setting.to_owned()]);
        }
        let log = folder.join("postgresql.log");
        let spec = way.spec(folder, programs, "postgres", arguments, &log);
        let mut supervisor = Supervisor::start(vec![spec], folder).await.map_err(failed)?;
        let until = Instant::now() + START_MAX;
        let started = loop {
            if is_ready(folder) {
                break true;
            }
            if supervisor.look().await.map_err(failed)? > 0 || Instant::now() >= until {
                break false;
            }
            tokio::time::sleep(ASK).await;
        };
        if started {
            return Ok((port, supervisor));
        }
        supervisor.stop().await;
        let said = std::fs::read_to_string(log).unwrap_or_default();
        Err(format!("PostgreSQL does not start: {}", said.trim().lines().last().unwrap_or("it says nothing")))
    }

    /// An address of one of its databases, for clients of PostgreSQL.
    pub(super) fn url(&self, database: &str) -> String {
        format!("postgresql://{ROLE}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// Ends it, where it is ours.
    pub(super) async fn stop(&self) {
        let Some(kept) = &self.kept else { return };
        kept.stop.send_replace(true);
        let task = kept.task.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

/// Starts it again when it ends, until it is to stop.
async fn keep(mut supervisor: Supervisor, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(LOOK) => {}
        }
        if let Err(error) = supervisor.look().await {
            tracing::warn!(%error, "PostgreSQL cannot be started");
        }
    }
    supervisor.stop().await;
}

/// Makes the folder of databases, at once or not at all.
async fn init(folder: &Path, programs: &Programs, way: &Way, password: &str) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let new = folder.join("data.new");
    let _ = std::fs::remove_dir_all(&new);
    let _ = std::fs::remove_dir_all(folder.join("data"));
    let (secret, log) = (folder.join("password"), folder.join("initdb.log"));
    write_secret(&secret, password).map_err(failed)?;
    way.give(&secret).map_err(failed)?;
    let arguments = ["-D", &text(&new), "-U", ROLE, "-A", "scram-sha-256", "--pwfile", &text(&secret)];
    let more = ["--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"];
    let arguments = arguments.into_iter().chain(more).map(str::to_owned).collect();
    let mut command = way.spec(folder, programs, "initdb", arguments, &log).command();
    let output = command.output().await.map_err(|error| format!("initdb: {error}"))?;
    let _ = std::fs::remove_file(&secret);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("initdb failed: {}", said.trim().lines().last().unwrap_or_default()));
    }
    std::fs::rename(new, folder.join("data")).map_err(failed)
}

/// Whether the server says that it takes connections: the eighth line of its file.
fn is_ready(folder: &Path) -> bool {
    let file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
    file.lines().nth(7).is_some_and(|line| line.trim() == "ready")
}

/// As whom it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// As who we are.
    Plain,
    /// As who we are, but called otherwise: by this program.
    Namespace(PathBuf),
    As(User),
}

impl Way {
    /// Those that there are, the best first.
    async fn all(search: &OsString) -> Vec<Self> {
        if !rustix::process::geteuid().is_root() {
            return vec![Self::Plain];
        }
        let mut ways = Vec::new();
        if let Some(unshare) = find(search, "unshare") {
            let mut trial = Command::new(&unshare);
            trial.args(NAMESPACE).arg("true").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if trial.status().await.is_ok_and(|status| status.success()) {
                ways.push(Self::Namespace(unshare));
            }
        }
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        ways.extend(["postgres", "nobody"].iter().filter_map(|name| user(&users, name)).map(Self::As));
        ways
    }

    /// Makes it the owner of a file or folder.
    fn give(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::As(user) => std::os::unix::fs::chown(path, Some(user.id), Some(user.group)),
            Self::Plain | Self::Namespace(_) => Ok(()),
        }
    }

    fn spec(&self, folder: &Path, programs: &Programs, name: &'static str, arguments: Vec<String>, log: &Path) -> Spec {
        let program = programs.bin.join(name);
        let (program, arguments) = match self {
            Self::Namespace(unshare) => {
                let before = NAMESPACE.map(str::to_owned).into_iter().chain([text(&program)]);
                (unshare.clone(), before.chain(arguments).collect())
            }
            Self::Plain | Self::As(_) => (program, arguments),
        };
        Spec {
            name,
            program,
            arguments,
            variables: BTreeMap::from([
                ("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned()),
                ("LC_ALL".to_owned(), "C".to_owned()),
            ]),
            folder: folder.to_owned(),
            log: log.to_owned(),
            user: if let Self::As(user) = self { Some(*user) } else { None },
            ends_on: Signal::INT,
        }
    }
}

/// In it, we are the user that is called nobody everywhere.
const NAMESPACE: [&str; 3] = ["--user", "--map-user=65534", "--"];

/// Finds a user in the lines of `/etc/passwd`.
fn user(users: &str, name: &str) -> Option<User> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next() == Some(name);
        let (id, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
        found.then_some(User { id, group })
    })
}

/// What is written down of a server.
struct Noted {
    port: u16,
    password: String,
}

impl Noted {
    fn read(folder: &Path) -> Option<Self> {
        let note: Value = serde_json::from_str(&std::fs::read_to_string(folder.join(NOTE)).ok()?).ok()?;
        Some(Self {
            port: u16::try_from(note["port"].as_u64()?).ok()?,
            password: note["password"].as_str()?.to_owned(),
        })
    }

    fn write(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join("server.json.new");
        write_secret(&new, &json!({"port": self.port, "password": self.password}).to_string())?;
        std::fs::rename(new, folder.join(NOTE))
    }
}

/// Writes a file that only we can read.
fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let _ = std::fs::remove_file(path);
    File::options().create_new(true).write(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

/// A password that nobody guesses.
fn random() -> io::Result<String> {
    use std::fmt::Write as _;
    use std::io::Read as _;
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        let check = |said: &str, expect: Option<&str>| assert_eq!(major(said).as_deref(), expect, "{said:?}");
        check("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n", Some("15"));
        check("postgres (PostgreSQL) 18beta1", Some("18"));
        check("mysqld 8", None);
        check("postgres (PostgreSQL) devel", None);
    }

    #[test]
    fn users_are_found() {
        let users = "root:x:0:0::/root:/bin/sh\npostgres:x:101:104::/:/bin/sh\nbroken:x:a:b\n";
        assert_eq!(user(users, "postgres"), Some(User { id: 101, group: 104 }));
        assert_eq!(user(users, "nobody"), None);
        assert_eq!(user(users, "broken"), None);
    }

    /// Runs where the machine has a PostgreSQL.
    #[tokio::test]
    async fn a_server_comes_back_after_it_was_killed_and_after_its_keeper_was() {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let programs = Programs::all(&search).await;
        if programs.is_empty() {
            eprintln!("skipped: this machine has no PostgreSQL");
            return;
        }
        let folder = std::env::temp_dir().join(format!("standin-mwaa-{}-postgres", std::process::id()));
        let start = async || Server::start(&folder, &programs, &search).await.expect("it starts");
        let ids = || {
            let file = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap_or_default();
            file.lines().next().and_then(|line| line.parse::<i32>().ok()).and_then(rustix::process::Pid::from_raw)
        };
        let first = start().await;
        let guest = start().await;
        assert!(guest.kept.is_none() && guest.url("a") == first.url("a"), "one server for two");
        let id = ids().expect("it runs");
        rustix::process::kill_process(id, Signal::KILL).expect("it is ours");
        let again = async {
            while ids().is_none_or(|other| other == id) || !is_ready(&folder) {
                tokio::time::sleep(ASK).await;
            }
        };
        tokio::time::timeout(START_MAX, again).await.expect("it is started again");
        // As after a crash of standin: nobody looks after it.
        let Server { kept: Some(kept), .. } = first else { panic!("it is the keeper") };
        kept.task.lock().expect("no test panics with it").take().expect("it runs").abort();
        drop(kept);
        let second = start().await;
        assert_eq!(second.url("a"), guest.url("a"), "clients find it where it was");
        second.stop().await;
        assert!(ids().is_none(), "it has ended as it should");
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
