//! A PostgreSQL of the tests' own: in a temporary directory, behind a Unix socket, gone when the tests are.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{ConnectOptions as _, Connection as _};

/// PostgreSQL refuses to run as root; this user exists everywhere.
const NOBODY: u32 = 65534;

#[derive(Debug)]
pub struct Server {
    programs: PathBuf,
    directory: PathBuf,
    /// Stops the server and deletes its files when its input ends, and so when this process does, in whatever way.
    _guard: Child,
}

impl Server {
    /// A server for all tests of this process. Says once where there is none, and why.
    pub fn shared() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Server>> = OnceLock::new();
        SERVER.get_or_init(Self::start_or_say).as_ref()
    }

    pub fn start_or_say() -> Option<Self> {
        let started = Self::start();
        if let Err(why) = &started {
            // Not a print macro: those are silent in tests that pass.
            let _ = writeln!(std::io::stderr(), "SKIPPED: tests with PostgreSQL: {why}");
        }
        started.ok()
    }

    fn start() -> Result<Self, String> {
        let programs = programs().ok_or("no initdb in PATH or /usr/lib/postgresql/*/bin: install postgresql")?;
        let directory = super::Directory::new().keep();
        if is_root() {
            std::os::unix::fs::chown(&directory, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
        }
        let data = directory.join("data");
        let initdb = command(&programs.join("initdb"))
            .args(["--no-sync", "--auth=trust", "--username=standin", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .output();
        succeeded("initdb", initdb)?;
        let guard = command(Path::new("sh"))
            .args(["-c", "cat; \"$1/pg_ctl\" -D \"$2/data\" -m immediate stop; rm -rf \"$2\"", "guard"])
            .args([&programs, &directory])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let server = Self { programs, directory, _guard: guard };
        server.run()?;
        Ok(server)
    }

    /// Starts it, again if it was stopped.
    pub fn run(&self) -> Result<(), String> {
        let socket = self.directory.display();
        let options = format!("-k {socket} -c listen_addresses='' -c fsync=off -c max_connections=400");
        let start = command(&self.programs.join("pg_ctl"))
            .args(["-w", "-D"])
            .arg(self.directory.join("data"))
            .arg("-l")
            .arg(self.directory.join("log"))
            .args(["-o", &options, "start"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match start {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()),
            Err(error) => Err(error.to_string()),
        }
    }

    pub fn stop(&self) -> Result<(), String> {
        let data = self.directory.join("data");
        let stop =
            command(&self.programs.join("pg_ctl")).args(["-w", "-m", "fast", "-D"]).arg(data).arg("stop").output();
        succeeded("pg_ctl stop", stop)
    }

    /// The URL of a new, empty database.
    pub async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let options: sqlx::postgres::PgConnectOptions = self.url("postgres").parse().expect("a URL");
        let mut connection = options.connect().await.expect("the server runs");
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut connection).await.expect("a new name");
        connection.close().await.expect("the server runs");
        self.url(&name)
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://standin@localhost/{database}?host={}", self.directory.display())
    }
}

fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    versions.sort();
    folders.extend(versions.into_iter().rev());
    folders.into_iter().find(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// A program that runs as a user whom PostgreSQL accepts.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.current_dir("/").env_remove("PGDATA").env_remove("PGHOST");
    command
}

fn succeeded(what: &str, output: std::io::Result<std::process::Output>) -> Result<(), String> {
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("{what}: {error}")),
    }
}
