//! Airflow in a container of a Docker engine: one for each environment, with all its processes.
//!
//! Only the commands differ from those of processes of this machine: `docker run` for what lasts, `docker exec` for what passes.
//! Folders, settings, keys and ports are the same; the environment's folder is mounted at its own place. Values of variables are handed on by
//! their names, so that no list of processes shows them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::process::Command;

use super::install::find;
use super::process::Spec;
use crate::runtime::Progress;

/// Stands in the name of an image for the version of Airflow.
pub const VERSION: &str = "VERSION";
/// The image that Airflow's own project publishes.
pub const IMAGE: &str = "apache/airflow:VERSION";
/// The program that talks to the engine.
const PROGRAM: &str = "docker";
/// The label of an environment's containers; its value is the environment's id.
const LABEL: &str = "standin.environment";
/// How containers find the machine that they run on.
const HOST: &str = "host.docker.internal";
/// The user that Airflow's image is made for. Containers of another user's standin are that user, in the image's group.
const USER: u32 = 50_000;
const GROUP: u32 = 0;
/// How often a pull is looked at.
const POLL_MS: i64 = 500;
/// What the image has of its own.
const OF_IMAGE: &[&str] = &["HOME", "PATH", "LANG"];

/// What containers are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    /// With [`VERSION`] where the version stands.
    pub image: String,
    /// What the program that talks to the engine needs to know: `HOME`, `DOCKER_HOST` …
    pub variables: BTreeMap<String, String>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self { image: IMAGE.to_owned(), variables: BTreeMap::new() }
    }
}

#[derive(Clone)]
enum State {
    Under,
    Done,
    Failed(String),
}

/// The engine, and which images it has.
#[derive(Clone)]
pub(super) struct Docker {
    config: DockerConfig,
    /// Where programs are looked for, as in `PATH`.
    search: OsString,
    images: Arc<Mutex<HashMap<String, State>>>,
}

impl Docker {
    pub(super) fn new(config: DockerConfig, search: OsString) -> Self {
        Self { config, search, images: Arc::default() }
    }

    fn image(&self, version: &str) -> String {
        self.config.image.replace(VERSION, version)
    }

    /// Makes sure of the image of a version: begins to pull it where it is not there, and tells how far that is. A failure is told once; who
    /// asks again begins anew.
    pub(super) fn ensure(&self, version: &str) -> Progress {
        let failed = |message: String| Progress::Failed { code: "INCORRECT_CONFIGURATION".to_owned(), message };
        let image = self.image(version);
        let mut images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        match images.get(&image).cloned() {
            Some(State::Done) => return Progress::Done,
            Some(State::Under) => return Progress::Working { again_after_ms: POLL_MS },
            Some(State::Failed(message)) => {
                images.remove(&image);
                return failed(message);
            }
            None => {}
        }
        if find(&self.search, PROGRAM).is_none() {
            return failed(format!("no program {PROGRAM} is on the PATH; install Docker, or use the runtime local"));
        }
        images.insert(image.clone(), State::Under);
        let docker = self.clone();
        tokio::spawn(async move {
            let state = match docker.pull(&image).await {
                Ok(()) => State::Done,
                Err(message) => State::Failed(message),
            };
            docker.images.lock().unwrap_or_else(PoisonError::into_inner).insert(image, state);
        });
        Progress::Working { again_after_ms: POLL_MS }
    }

    async fn pull(&self, image: &str) -> Result<(), String> {
        if self.ask(&["image", "inspect", "--format", "{{.Id}}", image]).await.is_ok() {
            return Ok(());
        }
        tracing::info!(image, "the image is being pulled");
        self.ask(&["pull", "--quiet", image]).await.map(drop)
    }

    /// Ends and removes the containers of an environment, whoever left them.
    pub(super) async fn remove(&self, id: &str) {
        if find(&self.search, PROGRAM).is_none() {
            return;
        }
        let filter = format!("label={LABEL}={id}");
        let found = match self.ask(&["ps", "--all", "--quiet", "--filter", &filter]).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(error, "containers that may have been left behind cannot be looked for");
                return;
            }
        };
        for container in found.split_whitespace() {
            // One that is gone is what was wanted.
            if let Err(error) = self.ask(&["rm", "--force", "--volumes", container]).await {
                tracing::debug!(error, "a container could not be removed");
            }
        }
    }

    /// Runs the program to its end; what it wrote, or why it failed.
    async fn ask(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(self.program())
            .args(arguments)
            .env_clear()
            .envs(self.surroundings())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| format!("{PROGRAM}: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or_default();
        Err(format!("`{PROGRAM} {}` failed: {last}", arguments.first().unwrap_or(&"")))
    }

    fn program(&self) -> PathBuf {
        find(&self.search, PROGRAM).unwrap_or_else(|| PROGRAM.into())
    }

    fn surroundings(&self) -> BTreeMap<String, String> {
        let mut variables = self.config.variables.clone();
        variables.insert("PATH".to_owned(), self.search.to_string_lossy().into_owned());
        variables
    }

    /// The container of an environment.
    pub(super) fn container(&self, id: &str, version: &str, web_port: u16) -> Container<'_> {
        Container { docker: self, id: id.to_owned(), image: self.image(version), web_port }
    }
}

/// The container of an environment.
pub(super) struct Container<'d> {
    docker: &'d Docker,
    /// Of the environment.
    id: String,
    image: String,
    web_port: u16,
}

impl Container<'_> {
    fn name(&self) -> String {
        format!("standin-mwaa-{}", self.id)
    }

    /// Makes what runs on this machine run in a container of its own.
    pub(super) fn run(&self, spec: Spec) -> Spec {
        let folder = spec.folder.to_string_lossy().into_owned();
        let name = if spec.name == ALL { self.name() } else { format!("{}-{}", self.name(), spec.name) };
        let mut arguments = words(&["run", "--rm", "--init", "--pull", "never", "--name", &name]);
        arguments.extend(words(&["--label", &format!("{LABEL}={}", self.id)]));
        arguments.extend(words(&["--add-host", &format!("{HOST}:host-gateway")]));
        arguments.extend(words(&["--volume", &format!("{folder}:{folder}"), "--workdir", &folder]));
        arguments.extend(words(&["--user", &format!("{}:{GROUP}", user())]));
        if spec.name == ALL {
            let port = self.web_port;
            arguments.extend(words(&["--publish", &format!("127.0.0.1:{port}:{port}")]));
        }
        self.in_container(spec, arguments, &[&self.image])
    }

    /// Makes what runs on this machine run in the container that is there.
    pub(super) fn execute(&self, spec: Spec) -> Spec {
        let folder = spec.folder.to_string_lossy().into_owned();
        let arguments = words(&["exec", "--workdir", &folder, "--user", &format!("{}:{GROUP}", user())]);
        self.in_container(spec, arguments, &[&self.name()])
    }

    fn in_container(&self, spec: Spec, mut arguments: Vec<String>, of: &[&str]) -> Spec {
        let mut inside = spec.variables;
        inside.retain(|name, _| !OF_IMAGE.contains(&name.as_str()));
        for name in ["AWS_ENDPOINT_URL", "AIRFLOW__METRICS__STATSD_HOST"] {
            if let Some(at) = inside.get_mut(name) {
                *at = at.replace("127.0.0.1", HOST).replace("localhost", HOST);
            }
        }
        // It is published on 127.0.0.1 of this machine only.
        inside.entry("AIRFLOW__API__HOST".to_owned()).and_modify(|host| "0.0.0.0".clone_into(host));
        for name in inside.keys() {
            arguments.extend(words(&["--env", name]));
        }
        arguments.extend(words(of));
        // What is not started by a script is `airflow` itself.
        if spec.name == ALL {
            arguments.extend(words(&["bash", "-c"]));
        } else {
            arguments.push("airflow".to_owned());
        }
        arguments.extend(spec.arguments);
        let mut variables = self.docker.surroundings();
        // Those of the program itself win: no variable of Airflow has such a name.
        for (name, value) in inside {
            variables.entry(name).or_insert(value);
        }
        Spec { program: self.docker.program(), arguments, variables, ..spec }
    }
}

/// The one process that has all of an environment's.
pub(super) const ALL: &str = "airflow";

/// A script that runs all processes of an environment, until one of them ends: then all do.
pub(super) fn script(components: &[(&'static str, Vec<String>)]) -> String {
    let mut script = String::from("trap 'kill 0' TERM INT\n");
    for (name, arguments) in components {
        // Where all may ask is not outside of the container.
        let arguments: Vec<String> =
            arguments.iter().map(|argument| argument.replace("127.0.0.1", "0.0.0.0")).collect();
        script.push_str(&format!("MWAA_AIRFLOW_COMPONENT={name} airflow {} &\n", arguments.join(" ")));
    }
    script.push_str("wait -n\nexit 1\n");
    script
}

/// Lets the user of the container write where the environment's folder is.
///
/// # Errors
/// Where the system refuses.
pub(super) fn hand_over(folder: &Path) -> io::Result<()> {
    if !rustix::process::getuid().is_root() {
        return Ok(());
    }
    let mut left = vec![folder.to_owned()];
    while let Some(path) = left.pop() {
        std::os::unix::fs::lchown(&path, Some(USER), Some(GROUP))?;
        if path.symlink_metadata()?.is_dir() {
            for entry in std::fs::read_dir(&path)? {
                left.push(entry?.path());
            }
        }
    }
    Ok(())
}

/// Whom containers run as: who runs standin, but never root, as which Airflow does not run.
fn user() -> u32 {
    let user = rustix::process::getuid();
    if user.is_root() { USER } else { user.as_raw() }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(folder: &Path) -> Docker {
        let config = DockerConfig {
            image: "example/airflow:VERSION-slim".to_owned(),
            variables: BTreeMap::from([("DOCKER_HOST".to_owned(), "unix:///run/d.sock".to_owned())]),
        };
        Docker::new(config, folder.as_os_str().to_owned())
    }

    fn spec(name: &'static str, arguments: &[&str]) -> Spec {
        let variables = [
            ("AIRFLOW__CORE__FERNET_KEY", "secret"),
            ("AIRFLOW__API__HOST", "127.0.0.1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:4566"),
            ("HOME", "/e"),
            ("PATH", "/v/bin"),
        ];
        Spec {
            name,
            program: "/v/bin/airflow".into(),
            arguments: words(arguments),
            variables: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            folder: "/e".into(),
            log: "/e/log".into(),
            user: None,
            ends_on: rustix::process::Signal::TERM,
        }
    }

    #[test]
    fn commands_become_those_of_docker() {
        let docker = docker(Path::new("/nowhere"));
        let container = docker.container("1-2", "3.0.6", 8080);
        let run = container.run(spec(ALL, &["script"]));
        let line = run.arguments.join(" ");
        for part in [
            "run --rm --init",
            "--name standin-mwaa-1-2 --label standin.environment=1-2",
            "--add-host host.docker.internal:host-gateway",
            "--volume /e:/e --workdir /e",
            "--publish 127.0.0.1:8080:8080",
            "--env AIRFLOW__API__HOST --env AIRFLOW__CORE__FERNET_KEY --env AWS_ENDPOINT_URL example/airflow:3.0.6-slim bash -c script",
        ] {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
        assert!(!line.contains("secret"), "{line}");
        let variable = |name: &str| run.variables.get(name).map(String::as_str);
        assert_eq!(variable("AWS_ENDPOINT_URL"), Some("http://host.docker.internal:4566"));
        assert_eq!(variable("AIRFLOW__API__HOST"), Some("0.0.0.0"));
        assert_eq!(variable("DOCKER_HOST"), Some("unix:///run/d.sock"));
        assert_eq!(variable("PATH"), Some("/nowhere"), "of the program, not of Airflow");
        assert_eq!(variable("HOME"), None);

        let line = container.run(spec("migrate", &["db", "migrate"])).arguments.join(" ");
        assert!(line.ends_with("example/airflow:3.0.6-slim airflow db migrate"), "{line}");
        assert!(line.contains("--name standin-mwaa-1-2-migrate") && !line.contains("--publish"), "{line}");
        let line = container.execute(spec("cli", &["dags", "list"])).arguments.join(" ");
        assert!(
            line.starts_with("exec --workdir /e") && line.ends_with("standin-mwaa-1-2 airflow dags list"),
            "{line}"
        );
    }

    #[test]
    fn all_processes_are_one_script() {
        let components =
            [("scheduler", words(&["scheduler"])), ("webserver", words(&["webserver", "-H", "127.0.0.1"]))];
        assert_eq!(
            script(&components),
            "trap 'kill 0' TERM INT\nMWAA_AIRFLOW_COMPONENT=scheduler airflow scheduler &\n\
             MWAA_AIRFLOW_COMPONENT=webserver airflow webserver -H 0.0.0.0 &\nwait -n\nexit 1\n"
        );
    }

    #[test]
    fn a_missing_docker_is_told() {
        let Progress::Failed { message, .. } = docker(Path::new("/nowhere")).ensure("3.0.6") else {
            panic!("it fails")
        };
        assert!(message.contains("no program docker is on the PATH"), "{message}");
    }
}
