//! The metadata databases of environments: each has one of its own, in PostgreSQL or SQLite.
//!
//! A new database is a copy of one that was migrated once for its installation. An environment keeps the kind of database that it
//! began with, with its history, whatever is configured later.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::process::Command;

use super::install::{Installed, Installer, exclusive};
use super::postgres::{Programs, Server};

/// The file that says which database an environment has.
const NOTE: &str = "database.json";
/// The folder of the PostgreSQL server that standin runs.
const SERVER: &str = "postgresql";
/// The database file of an environment with SQLite, and of an installation for all of them.
const SQLITE: &str = "airflow.db";
const SQLITE_TEMPLATE: &str = "template.db";
const SCRIPT: &str = include_str!("support/standin_database.py");
/// How much of what a tool said is told on, in lines.
const TOLD_LINES: usize = 3;

/// Where metadata databases are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DatabaseChoice {
    /// PostgreSQL where it can be had, else SQLite.
    #[default]
    Auto,
    Sqlite,
    /// A server that standin runs.
    PostgreSql,
    /// A server that runs, as `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`: its user may make databases.
    At(String),
}

impl FromStr for DatabaseChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "sqlite" => Ok(Self::Sqlite),
            "postgresql" => Ok(Self::PostgreSql),
            url if Place::parse(url).is_some() => Ok(Self::At(url.to_owned())),
            _ => Err(format!(
                "{text:?} is none of auto, sqlite, postgresql and postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            )),
        }
    }
}

/// A database, as Airflow is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Database {
    pub url: String,
}

impl Database {
    pub(super) fn sqlite(file: &Path) -> Self {
        Self { url: format!("sqlite:///{}", file.display()) }
    }

    /// Whether it is written by one process at a time.
    pub(super) fn is_sqlite(&self) -> bool {
        self.url.starts_with("sqlite")
    }
}

/// What is migrated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody: it is copied for new environments.
    Template,
    Environment,
}

/// The commands that bring a database up to date, one after the other.
pub(super) type Migrate<'m> = &'m (dyn Fn(&Database, Owner) -> Vec<Command> + Sync);

/// An environment that wants its database.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    /// Of the environment.
    pub folder: &'a Path,
    /// Its id.
    pub id: &'a str,
    pub installed: &'a Installed,
    pub migrate: Migrate<'a>,
}

/// All databases of a data folder.
pub(super) struct Databases {
    folder: PathBuf,
    search: OsString,
    choice: DatabaseChoice,
    server: tokio::sync::Mutex<Found>,
}

/// Whether there is a server.
#[derive(Default)]
enum Found {
    #[default]
    Unknown,
    Runs(Arc<Server>),
    /// Why there is none.
    Missing(String),
}

impl Databases {
    pub(super) fn new(folder: PathBuf, search: OsString, choice: DatabaseChoice) -> Self {
        Self { folder, search, choice, server: tokio::sync::Mutex::default() }
    }

    /// The database of an environment: up to date for its installation.
    ///
    /// # Errors
    /// Where there is none to be had, in words.
    pub(super) async fn open(&self, installer: &Installer, asker: &Asker<'_>) -> Result<Database, String> {
        let note = Note::read(asker.folder);
        let sqlite = asker.folder.join(SQLITE);
        let kept = note.as_ref().map(|note| note.sqlite).or_else(|| sqlite.exists().then_some(true));
        let place = match kept {
            Some(true) => None,
            Some(false) => Some(self.place(installer, asker.installed).await?),
            None => self.choose(installer, asker.installed).await?,
        };
        let database = match &place {
            None => Database::sqlite(&sqlite),
            Some(place) => place.database(&name("airflow", asker.id)),
        };
        let up_to_date = note.is_some_and(|note| note.installation == asker.installed.name);
        let copied = match &place {
            None => copy_sqlite(asker, &sqlite).await?,
            Some(place) => copy_postgres(asker, place).await?,
        };
        if !copied && !up_to_date {
            run_all((asker.migrate)(&database, Owner::Environment)).await?;
        }
        let note = Note { sqlite: place.is_none(), installation: asker.installed.name.clone() };
        note.write(asker.folder, asker.installed).map_err(|error| format!("{NOTE}: {error}"))?;
        Ok(database)
    }

    /// Drops the database of an environment that is deleted; one in its folder goes with it.
    pub(super) async fn forget(&self, folder: &Path, id: &str) -> Result<(), String> {
        let Some(python) = Note::python(folder) else { return Ok(()) };
        let place = match &self.choice {
            DatabaseChoice::At(url) => Place::parse(url),
            _ => self.server(None).await.ok().and_then(|server| Place::parse(&server.url("postgres"))),
        };
        let Some(place) = place else { return Err("there is no PostgreSQL to drop its database from".to_owned()) };
        place.run(&python, &["drop", &name("airflow", id)]).await.map(drop)
    }

    /// Ends the server.
    pub(super) async fn close(&self) {
        let found = std::mem::take(&mut *self.server.lock().await);
        if let Found::Runs(server) = found {
            server.stop().await;
        }
    }

    /// Ends the server if nobody needs it; the next environment starts it again. Environments have their folder before they ask for
    /// a database, and nobody gets one while it is looked whether there are any.
    pub(super) async fn rest(&self, needed: impl Future<Output = bool>) {
        let mut found = self.server.lock().await;
        if let Found::Runs(server) = &*found
            && !needed.await
        {
            server.stop().await;
            *found = Found::Unknown;
        }
    }

    /// Where the database of a new environment is; nothing for SQLite.
    async fn choose(&self, installer: &Installer, installed: &Installed) -> Result<Option<Place>, String> {
        match &self.choice {
            DatabaseChoice::Sqlite => Ok(None),
            DatabaseChoice::At(_) | DatabaseChoice::PostgreSql => self.place(installer, installed).await.map(Some),
            // Why not is in the log already.
            DatabaseChoice::Auto => Ok(self.place(installer, installed).await.ok()),
        }
    }

    async fn place(&self, installer: &Installer, installed: &Installed) -> Result<Place, String> {
        let url = match &self.choice {
            DatabaseChoice::At(url) => url.clone(),
            _ => self.server(Some((installer, installed))).await?.url("postgres"),
        };
        Place::parse(&url).ok_or_else(|| "the address of the PostgreSQL server cannot be read".to_owned())
    }

    /// The server that standin runs: of this machine's programs, else of those that the Python registry has.
    async fn server(&self, install: Option<(&Installer, &Installed)>) -> Result<Arc<Server>, String> {
        let mut found = self.server.lock().await;
        match &*found {
            Found::Runs(server) => return Ok(server.clone()),
            Found::Missing(reason) => return Err(reason.clone()),
            Found::Unknown => {}
        }
        let mut programs = Programs::all(&self.search).await;
        let mut reason = None;
        if programs.is_empty()
            && let Some((installer, installed)) = install
        {
            match installer.postgres(installed).await {
                Ok(bin) => programs.extend(Programs::at(&bin).await),
                Err(error) => reason = Some(error),
            }
        }
        match Server::start(&self.folder.join(SERVER), &programs, &self.search).await {
            Ok(server) => {
                let server = Arc::new(server);
                *found = Found::Runs(server.clone());
                Ok(server)
            }
            Err(error) => {
                let reason = reason.map_or_else(|| error.clone(), |reason| format!("{error}; {reason}"));
                if self.choice == DatabaseChoice::Auto {
                    tracing::warn!(
                        reason,
                        "there is no PostgreSQL: environments have SQLite, with which Airflow 2 runs one task at a time"
                    );
                }
                *found = Found::Missing(reason.clone());
                Err(reason)
            }
        }
    }
}

/// Copies the file of the installation; false where the environment has one already.
async fn copy_sqlite(asker: &Asker<'_>, file: &Path) -> Result<bool, String> {
    let failed = |error: io::Error| format!("{}: {error}", file.display());
    if file.exists() {
        return Ok(false);
    }
    let folder = &asker.installed.folder;
    let template = folder.join(SQLITE_TEMPLATE);
    if !template.exists() {
        let _mine = exclusive(&folder.join("template.lock")).await.map_err(failed)?;
        if !template.exists() {
            let new = folder.join("template.db.new");
            let _ = tokio::fs::remove_file(&new).await;
            run_all((asker.migrate)(&Database::sqlite(&new), Owner::Template)).await?;
            tokio::fs::rename(&new, &template).await.map_err(failed)?;
        }
    }
    let new = file.with_extension("db.new");
    tokio::fs::copy(&template, &new).await.map_err(failed)?;
    tokio::fs::rename(&new, file).await.map_err(failed)?;
    Ok(true)
}

/// Copies the database of the installation; false where the environment has one already.
async fn copy_postgres(asker: &Asker<'_>, place: &Place) -> Result<bool, String> {
    let installed = asker.installed;
    let (own, template) = (name("airflow", asker.id), name("template", &installed.name));
    let python = installed.bin.join("python");
    let copy = async || place.run(&python, &["copy", &own, &template]).await;
    let mut said = copy().await?;
    if said.trim() == "missing" {
        let lock = installed.folder.join("template.lock");
        let _mine = exclusive(&lock).await.map_err(|error| format!("{}: {error}", lock.display()))?;
        said = copy().await?;
        if said.trim() == "missing" {
            let new = format!("{template}_new");
            place.run(&python, &["create", &new]).await?;
            run_all((asker.migrate)(&place.database(&new), Owner::Template)).await?;
            place.run(&python, &["rename", &new, &template]).await?;
            said = copy().await?;
        }
    }
    Ok(said.trim() == "copied")
}

/// The name of a database: letters, digits and underscores, and short enough for PostgreSQL.
fn name(kind: &str, id: &str) -> String {
    let plain = id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    format!("{kind}_{}", plain.collect::<String>())
}

/// A PostgreSQL server, with a database to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    /// Behind `://`: user, password, host and port.
    authority: String,
    database: String,
    /// With its question mark, or nothing.
    query: String,
}

impl Place {
    fn parse(url: &str) -> Option<Self> {
        let rest = url.strip_prefix("postgresql://").or_else(|| url.strip_prefix("postgres://"))?;
        let (rest, query) = rest.find('?').map_or((rest, ""), |at| rest.split_at(at));
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = if database.is_empty() { "postgres" } else { database };
        let whole = !authority.is_empty() && !url.contains(char::is_whitespace);
        whole.then(|| Self { authority: authority.into(), database: database.into(), query: query.into() })
    }

    fn database(&self, name: &str) -> Database {
        Database { url: format!("postgresql+psycopg2://{}/{name}{}", self.authority, self.query) }
    }

    /// Runs an operation on databases with an installation's Python, which has a client.
    async fn run(&self, python: &Path, arguments: &[&str]) -> Result<String, String> {
        let mut command = Command::new(python);
        let Self { authority, database, query } = self;
        command
            .args(["-I", "-c", SCRIPT])
            .args(arguments)
            .env_clear()
            .env("STANDIN_DATABASE_URL", format!("postgresql://{authority}/{database}{query}"));
        run(command).await.map_err(|error| format!("PostgreSQL, {}: {error}", arguments[0]))
    }
}

/// Which database an environment has.
struct Note {
    sqlite: bool,
    /// What it was last brought up to date for.
    installation: String,
}

impl Note {
    fn value(folder: &Path) -> Option<Value> {
        serde_json::from_str(&std::fs::read_to_string(folder.join(NOTE)).ok()?).ok()
    }

    fn read(folder: &Path) -> Option<Self> {
        let note = Self::value(folder)?;
        Some(Self { sqlite: note["kind"] == "sqlite", installation: note["installation"].as_str()?.to_owned() })
    }

    /// A Python with a client of PostgreSQL, where the environment has a database there.
    fn python(folder: &Path) -> Option<PathBuf> {
        let note = Self::value(folder)?;
        (note["kind"] == "postgresql").then(|| note["python"].as_str().map(PathBuf::from))?
    }

    fn write(&self, folder: &Path, installed: &Installed) -> io::Result<()> {
        let kind = if self.sqlite { "sqlite" } else { "postgresql" };
        let note = json!({"kind": kind, "installation": self.installation, "python": installed.bin.join("python").to_string_lossy()});
        let new = folder.join("database.json.new");
        std::fs::write(&new, note.to_string())?;
        std::fs::rename(new, folder.join(NOTE))
    }
}

async fn run_all(commands: Vec<Command>) -> Result<(), String> {
    for command in commands {
        run(command).await?;
    }
    Ok(())
}

/// Runs a command to its end; what it wrote, or the end of what it complained.
async fn run(mut command: Command) -> Result<String, String> {
    command.stdin(Stdio::null()).kill_on_drop(true);
    let called = || {
        let command = command.as_std();
        let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let words = command.get_args().take(2).map(|word| word.to_string_lossy().into_owned());
        let words: Vec<String> = words.filter(|word| !word.starts_with('-') && !word.contains('\n')).collect();
        format!("`{program} {}`", words.join(" "))
    };
    let called = called();
    let output = command.output().await.map_err(|error| format!("{called}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said.trim().lines().rev().take(TOLD_LINES).collect();
    Err(format!("{called} failed: {}", lines.into_iter().rev().collect::<Vec<_>>().join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&DatabaseChoice>) {
        assert_eq!(text.parse().ok().as_ref(), expect, "{text:?}");
    }

    #[test]
    fn choices_are_read() {
        check("auto", Some(&DatabaseChoice::Auto));
        check("sqlite", Some(&DatabaseChoice::Sqlite));
        check("postgresql", Some(&DatabaseChoice::PostgreSql));
        let url = "postgresql://me:secret@db.internal:5432/postgres";
        check(url, Some(&DatabaseChoice::At(url.to_owned())));
        check("mysql://a/b", None);
        check("postgresql:///nowhere", None);
    }

    #[test]
    fn databases_stand_beside_the_one_that_was_named() {
        let place = Place::parse("postgres://me:s@h:1/first?sslmode=require").expect("it is an address");
        assert_eq!(place.database, "first");
        assert_eq!(place.database("a_b").url, "postgresql+psycopg2://me:s@h:1/a_b?sslmode=require");
        assert_eq!(Place::parse("postgresql://h").expect("it is an address").database, "postgres");
    }

    #[test]
    fn names_are_plain_and_short_enough() {
        assert_eq!(name("airflow", "3F-a.b"), "airflow_3f_a_b");
        assert!(name("airflow", "01234567-89ab-cdef-0123-456789abcdef").len() <= 63);
        for recipe in super::super::locks::Recipe::all() {
            assert!(format!("{}_new", name("template", &recipe.installation(11))).len() <= 63);
        }
    }

    #[tokio::test]
    async fn a_new_sqlite_database_is_a_copy_of_one_that_was_migrated_once() {
        let folder = std::env::temp_dir().join(format!("standin-mwaa-{}-template", std::process::id()));
        let (one, other) = (folder.join("one"), folder.join("other"));
        let installed = Installed {
            name: "3.0.6-python3.12-aa".to_owned(),
            folder: folder.join("installed"),
            bin: folder.join("bin"),
            lock: folder.join("lock.txt"),
            uv: None,
        };
        for folder in [&one, &other, &installed.folder] {
            std::fs::create_dir_all(folder).expect("a folder of our own");
        }
        // Tells on each run for whom it was.
        let migrate = |database: &Database, owner: Owner| {
            let mut command = Command::new("/bin/sh");
            let file = database.url.trim_start_matches("sqlite:///");
            command.args(["-c", &format!("echo {owner:?} >> {file}")]);
            vec![command]
        };
        let databases = Databases::new(folder.clone(), OsString::new(), DatabaseChoice::Sqlite);
        let installer = Installer::new(folder.clone(), OsString::new());
        let open = async |folder: &Path, installed: &Installed| {
            let asker = Asker { folder, id: "1", installed, migrate: &migrate };
            databases.open(&installer, &asker).await.expect("it can be had");
            std::fs::read_to_string(folder.join(SQLITE)).expect("it is there")
        };
        assert_eq!(open(&one, &installed).await, "Template\n");
        assert_eq!(open(&other, &installed).await, "Template\n");
        assert_eq!(open(&one, &installed).await, "Template\n", "nothing is done twice");
        let newer = Installed { name: "3.2.1-python3.12-bb".to_owned(), ..installed.clone() };
        assert_eq!(open(&one, &newer).await, "Template\nEnvironment\n", "another version migrates what is there");
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
