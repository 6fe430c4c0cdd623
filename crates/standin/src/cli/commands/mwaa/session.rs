//! An environment that is made, or brought to what a folder holds: what `up` and `run` begin with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;
use serde_json::{Map, Value, json};
use standin_mwaa::runtimes::TAG;

use super::host::{Host, HostArgs};
use super::project::{self, Project};
use super::site::Site;
use super::upload::{Bucket, DAGS, FILES, Uploaded};
use crate::cli::commands::remote::text;
use crate::cli::paint::{Board, Tone};
use crate::config::MwaaRuntime;
use crate::error::{CommandError, Kind};

/// Between two looks at something that goes on.
const PAUSE: Duration = Duration::from_millis(250);
/// How much of a log is told of what has failed.
const LOG_LINES: usize = 20;

#[derive(Args, Clone, Debug)]
pub struct SessionArgs {
    /// The version of Airflow [default: that of airflow.toml, of the environment, or MWAA's newest]
    #[arg(long, value_name = "VERSION")]
    airflow: Option<String>,

    /// The environment's name [default: that of airflow.toml, or of the folder]
    #[arg(long)]
    name: Option<String>,

    /// What runs Airflow [default: that of airflow.toml, or local]
    #[arg(long, value_enum)]
    runtime: Option<MwaaRuntime>,

    /// The environment's class, as in mw1.small
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,

    /// Set an option of Airflow, as in core.parallelism=4; may be given several times
    #[arg(long = "option", value_name = "SECTION.KEY=VALUE", value_parser = option)]
    options: Vec<(String, String)>,

    /// Delete the environment first, with its history
    #[arg(long)]
    anew: bool,

    #[command(flatten)]
    pub host: HostArgs,
}

fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if name.contains('.') => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not SECTION.KEY=VALUE")),
    }
}

/// See the module.
pub struct Session<'h> {
    pub host: &'h mut Host,
    pub board: Board,
    pub project: Project,
    pub name: String,
    pub site: Site,
    /// How long the environment may take.
    pub timeout: Duration,
    args: SessionArgs,
    account: String,
    bucket: Bucket,
}

impl<'h> Session<'h> {
    /// Uploads a folder, and makes its environment or brings it up to date. It is healthy then.
    ///
    /// # Errors
    /// When one of these does not work out.
    pub fn begin(
        args: &SessionArgs,
        project: Project,
        host: &'h mut Host,
        timeout: Duration,
    ) -> Result<Self, CommandError> {
        let name = args.name.clone().unwrap_or_else(|| project.name());
        let account = host.remote.account()?;
        let bucket = bucket_name(&name, &account, &host.remote.region);
        let bucket = Bucket::open(&mut host.remote, bucket)?;
        let site = Site::new(&host.endpoint, &name, "")?;
        let board = Board::stderr();
        let mut session = Self { host, board, project, name, site, timeout, args: args.clone(), account, bucket };
        let outcome = session.bring_up();
        session.board.done();
        outcome.map(|()| session)
    }

    fn label(&self) -> String {
        format!("environment {}", self.name)
    }

    fn bring_up(&mut self) -> Result<(), CommandError> {
        self.upload()?;
        let began = Instant::now();
        let label = self.label();
        if let Some(found) = self.found()?
            && let Some(why) = self.why_anew(&found)
        {
            self.board.say(&label, Tone::Busy, &format!("made anew: {why}"));
            self.host.remote.call("mwaa", "DeleteEnvironment", &json!({ "Name": self.name }))?;
            self.wait(began, "deleting", |session| Ok(session.found()?.is_none().then_some(())))?;
        }
        match self.found()? {
            None => {
                let mut input = self.wanted(&json!({}))?;
                input.extend(self.only_once());
                self.host.remote.call("mwaa", "CreateEnvironment", &Value::Object(input))?;
            }
            Some(found) if is_busy(&found) => {}
            Some(found) => self.update(&found)?,
        }
        self.settle(began)?;
        // What was busy with something else is brought up to date now.
        if let Some(found) = self.found()?
            && self.update(&found).map(|()| self.found())?.is_ok_and(|now| now.is_some_and(|now| is_busy(&now)))
        {
            self.settle(began)?;
        }
        self.board.say(&label, Tone::Good, &format!("available after {}", seconds(began)));
        Ok(())
    }

    /// Brings the bucket to what the folder has.
    ///
    /// # Errors
    /// When a file cannot be read, or the server refuses.
    pub fn upload(&mut self) -> Result<Uploaded, CommandError> {
        let label = format!("bucket {}", self.bucket.name);
        let uploaded = self.bucket.upload(&mut self.host.remote, &self.project)?;
        self.board.say(&label, Tone::Good, &uploaded.told());
        Ok(uploaded)
    }

    /// Uploads what has changed in the folder, and updates the environment where that needs it. What was uploaded.
    ///
    /// # Errors
    /// When one of these does not work out.
    pub fn refresh(&mut self) -> Result<Uploaded, CommandError> {
        self.project = project::read(&self.project.dir)?;
        let uploaded = self.upload()?;
        if let Some(found) = self.found()?
            && !self.changes(&found)?.is_empty()
        {
            let (began, label) = (Instant::now(), self.label());
            self.update(&found)?;
            self.settle(began)?;
            self.board.say(&label, Tone::Good, &format!("updated after {}", seconds(began)));
        }
        Ok(uploaded)
    }

    /// The environment as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn found(&mut self) -> Result<Option<Value>, CommandError> {
        match self.host.remote.attempt("mwaa", "GetEnvironment", &json!({ "Name": self.name }))? {
            Ok(answer) => Ok(Some(answer["Environment"].clone()).filter(|found| text(found, "Status") != "DELETED")),
            Err(error) if error.code == "ResourceNotFoundException" => Ok(None),
            Err(error) => Err(CommandError::failure(anyhow!("GetEnvironment: {}", error.message))),
        }
    }

    /// Why an environment cannot become what it is to be.
    fn why_anew(&self, found: &Value) -> Option<String> {
        let runtime = text(&found["Tags"], TAG);
        let wanted = self.args.runtime.or(self.project.settings.runtime).map(MwaaRuntime::name);
        match text(found, "Status") {
            _ if self.args.anew => Some("as --anew says".to_owned()),
            "CREATE_FAILED" => Some("it was never whole".to_owned()),
            _ => wanted
                .filter(|wanted| !runtime.is_empty() && *wanted != runtime)
                .map(|wanted| format!("its Airflow is {runtime}, not {wanted}")),
        }
    }

    /// What an environment is made with and keeps.
    fn only_once(&self) -> Map<String, Value> {
        let runtime = self.args.runtime.or(self.project.settings.runtime).unwrap_or(MwaaRuntime::Local).name();
        let on = json!({ "Enabled": true, "LogLevel": "INFO" });
        let logs = ["DagProcessingLogs", "SchedulerLogs", "TaskLogs", "WebserverLogs", "WorkerLogs"];
        let logs: Map<String, Value> = logs.iter().map(|name| ((*name).to_owned(), on.clone())).collect();
        let Value::Object(once) = json!({
            "ExecutionRoleArn": format!("arn:aws:iam::{}:role/{}", self.account, "standin-mwaa"),
            "SourceBucketArn": format!("arn:aws:s3:::{}", self.bucket.name),
            "DagS3Path": DAGS,
            "NetworkConfiguration": { "SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"] },
            "WebserverAccessMode": "PUBLIC_ONLY",
            "LoggingConfiguration": logs,
            "Tags": { (TAG): runtime },
        }) else {
            return Map::new();
        };
        once
    }

    /// What the environment is to be, as far as it can change; `found` is what it is.
    fn wanted(&mut self, found: &Value) -> Result<Map<String, Value>, CommandError> {
        let mut wanted = Map::from_iter([("Name".to_owned(), json!(self.name))]);
        let mut set = |name: &str, value: Option<&String>| {
            if let Some(value) = value {
                wanted.insert(name.to_owned(), json!(value));
            }
        };
        set("AirflowVersion", self.args.airflow.as_ref().or(self.project.settings.version.as_ref()));
        set("EnvironmentClass", self.args.class.as_ref().or(self.project.settings.class.as_ref()));
        let mut options: BTreeMap<String, String> = self.project.options();
        options.extend(self.args.options.iter().cloned());
        wanted.insert("AirflowConfigurationOptions".to_owned(), json!(options));
        for (member, key) in FILES {
            let (path, version) = (format!("{member}S3Path"), format!("{member}S3ObjectVersion"));
            match self.bucket.version(&mut self.host.remote, key)? {
                Some(object) => {
                    wanted.insert(path, json!(key));
                    wanted.insert(version, json!(object));
                }
                // An empty path takes a file away that was there.
                None if !text(found, &path).is_empty() => drop(wanted.insert(path, json!(""))),
                None => {}
            }
        }
        Ok(wanted)
    }

    /// What of the environment is not as it is to be.
    fn changes(&mut self, found: &Value) -> Result<Map<String, Value>, CommandError> {
        let mut changes = self.wanted(found)?;
        let none = json!({});
        changes.retain(|name, value| {
            let now = match &found[name.as_str()] {
                Value::Null if value.is_object() => &none,
                now => now,
            };
            name != "Name" && now != value
        });
        // A version is that of the path beside it.
        for (member, key) in FILES {
            if changes.contains_key(&format!("{member}S3ObjectVersion")) {
                changes.insert(format!("{member}S3Path"), json!(key));
            }
        }
        Ok(changes)
    }

    fn update(&mut self, found: &Value) -> Result<(), CommandError> {
        let mut changes = self.changes(found)?;
        if changes.is_empty() {
            return Ok(());
        }
        let what: Vec<&str> = changes
            .keys()
            .map(|name| name.trim_end_matches("ObjectVersion").trim_end_matches("S3Path").trim_end_matches("S3"))
            .collect();
        let mut what: Vec<String> = what.into_iter().map(str::to_owned).collect();
        what.dedup();
        let label = self.label();
        self.board.say(&label, Tone::Busy, &format!("updating {}", what.join(", ")));
        changes.insert("Name".to_owned(), json!(self.name));
        self.host
            .remote
            .call("mwaa", "UpdateEnvironment", &Value::Object(changes))
            .map(drop)
            .map_err(|error| error.hint("--anew makes the environment anew, --name another one"))
    }

    /// Waits until the environment is at rest and its Airflow is well.
    fn settle(&mut self, began: Instant) -> Result<(), CommandError> {
        let found = self.wait(began, "", |session| {
            let found = session.found()?.ok_or_else(|| CommandError::failure(anyhow!("the environment is gone")))?;
            Ok((!is_busy(&found)).then_some(found))
        })?;
        let (status, error) = (text(&found, "Status"), &found["LastUpdate"]["Error"]);
        let failed = text(&found["LastUpdate"], "Status") == "FAILED";
        if status != "AVAILABLE" || failed {
            let label = self.label();
            self.board.say(&label, Tone::Bad, status);
            self.board.done();
            let message = match text(error, "ErrorMessage") {
                "" => "its log tells why",
                message => message,
            };
            let failed = CommandError::failure(anyhow!("environment {} is {status}: {message}", self.name));
            return Err(self.with_log(failed));
        }
        let version = text(&found, "AirflowVersion").to_owned();
        let mut site = Site::new(&self.host.endpoint, &self.name, &version)?;
        self.wait(began, "starting Airflow", |session| {
            // Whether one that the server has started again is well shows only at its web server.
            let found = session.found()?.unwrap_or_default();
            if text(&found, "Status") == "UNAVAILABLE" {
                let message = text(&found["LastUpdate"]["Error"], "ErrorMessage");
                return Err(session.with_log(CommandError::failure(anyhow!("Airflow is not well: {message}"))));
            }
            Ok(site.is_healthy(&mut session.host.remote).then_some(()))
        })?;
        self.site = site;
        Ok(())
    }

    /// Looks until there is something to see, and says how long that takes.
    fn wait<T>(
        &mut self,
        began: Instant,
        doing: &str,
        mut look: impl FnMut(&mut Self) -> Result<Option<T>, CommandError>,
    ) -> Result<T, CommandError> {
        let label = self.label();
        loop {
            if let Some(found) = look(self)? {
                return Ok(found);
            }
            let doing = if doing.is_empty() { self.doing()? } else { doing.to_owned() };
            // Lines that cannot be written over tell only what has changed.
            let told = if self.board.is_live() { format!("{doing}, {}", seconds(began)) } else { doing };
            self.board.say(&label, Tone::Busy, &told);
            if began.elapsed() > self.timeout {
                let error = anyhow!("{label} is not ready after {}", standin_core::duration_text(self.timeout));
                let late = CommandError { kind: Kind::TimedOut, ..CommandError::failure(error) };
                return Err(self.with_log(late.hint("--timeout waits longer")));
            }
            self.host.events.pause(PAUSE)?;
        }
    }

    /// What goes on in an environment that is busy.
    fn doing(&mut self) -> Result<String, CommandError> {
        let found = self.found()?.unwrap_or_default();
        let status = text(&found, "Status").to_lowercase().replace('_', " ");
        let version = text(&found, "AirflowVersion");
        let is_local = text(&found["Tags"], TAG) == MwaaRuntime::Local.name();
        let Some(folder) = self.host.installations().filter(|_| is_local) else { return Ok(status) };
        Ok(if is_installed(folder, version) {
            format!("{status}: Airflow {version} starts")
        } else {
            format!("{status}: Airflow {version} is being installed, once for all environments")
        })
    }

    /// An error with the end of what Airflow wrote last, where that can be seen from here.
    fn with_log(&self, error: CommandError) -> CommandError {
        let Some((file, lines)) = self.host.data_dir().and_then(newest_log) else { return error };
        error.hint(format!("the end of {}:\n    {}", file.display(), lines.join("\n    ")))
    }
}

#[cfg(unix)]
fn is_installed(folder: &Path, version: &str) -> bool {
    standin_mwaa::local::is_installed(folder, version)
}

#[cfg(not(unix))]
fn is_installed(_: &Path, _: &str) -> bool {
    true
}

/// The log below a data directory that was written to last, and its end.
fn newest_log(data_dir: &Path) -> Option<(PathBuf, Vec<String>)> {
    let environments = std::fs::read_dir(data_dir.join("mwaa/environments")).ok()?.flatten();
    let files = environments.filter_map(|folder| std::fs::read_dir(folder.path()).ok()).flatten().flatten();
    let logs = files.filter(|file| file.path().extension().is_some_and(|ending| ending == "log"));
    let newest = logs.max_by_key(|file| file.metadata().and_then(|about| about.modified()).ok())?.path();
    let text = String::from_utf8_lossy(&std::fs::read(&newest).ok()?).into_owned();
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = lines.len().saturating_sub(LOG_LINES);
    Some((newest, lines[end..].to_vec()))
}

fn is_busy(found: &Value) -> bool {
    matches!(
        text(found, "Status"),
        "CREATING" | "UPDATING" | "DELETING" | "CREATING_SNAPSHOT" | "ROLLING_BACK" | "PENDING" | "MAINTENANCE"
    )
}

/// How long something has taken, for people.
pub fn seconds(began: Instant) -> String {
    let millis = began.elapsed().as_millis();
    if millis < 10_000 { format!("{}.{} s", millis / 1000, millis / 100 % 10) } else { format!("{} s", millis / 1000) }
}

/// The environment's bucket: of its name, as far as buckets may have it, and of account and region.
fn bucket_name(name: &str, account: &str, region: &str) -> String {
    let plain: String = name.to_lowercase().replace('_', "-").chars().take(24).collect();
    format!("mwaa-{}-{account}-{region}", plain.trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_names_that_s3_takes() {
        assert_eq!(bucket_name("My_Birds", "000000000000", "us-east-1"), "mwaa-my-birds-000000000000-us-east-1");
        assert!(bucket_name(&"x".repeat(80), "000000000000", "ap-northeast-1").len() <= 63);
    }

    #[test]
    fn options_are_of_a_section() {
        assert_eq!(option("core.parallelism=4"), Ok(("core.parallelism".to_owned(), "4".to_owned())));
        assert_eq!(option("a.b=c=d"), Ok(("a.b".to_owned(), "c=d".to_owned())));
        assert!(option("parallelism=4").is_err() && option("core.parallelism").is_err());
    }
}
