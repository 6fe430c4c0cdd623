//! Jobs in containers of a Docker engine: the shepherd watches `docker run` as it watches a shell.
//!
//! The container has the job's folder at its own place, and a name that follows from the job's id: whatever is left of it is found. Values
//! of variables are handed on by their names, so that no list of processes shows them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use super::folder::Afterwards;
use super::local::find;
use super::{IMAGE, JobError, Spec};

/// The program that talks to the engine.
const PROGRAM: &str = "docker";
/// How containers find the machine that they run on.
const HOST: &str = "host.docker.internal";

/// What containers are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DockerConfig {
    /// Of jobs that name none.
    pub image: String,
    /// What the program that talks to the engine needs to know: `HOME`, `DOCKER_HOST` …
    pub variables: BTreeMap<String, String>,
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self { image: IMAGE.to_owned(), variables: BTreeMap::new() }
    }
}

/// The engine.
pub(super) struct Docker<'d> {
    pub config: &'d DockerConfig,
    pub search: &'d OsStr,
}

/// The name of a job's container.
fn name(id: &str) -> String {
    format!("standin-job-{id}")
}

impl Docker<'_> {
    fn program(&self) -> Result<String, JobError> {
        find(self.search, PROGRAM).map(|path| path.to_string_lossy().into_owned()).ok_or_else(|| {
            JobError::Refused(format!(
                "no program {PROGRAM} is on the PATH; install Docker, or set proton.provisioning.codebuild to \"local\""
            ))
        })
    }

    /// What removes the container of a job, if it is still there.
    pub(super) fn remove(&self, id: &str) -> Result<Afterwards, JobError> {
        let words = [&*self.program()?, "rm", "--force", "--volumes", &name(id)];
        Ok(Afterwards { program: words.map(str::to_owned).to_vec(), variables: self.variables() })
    }

    /// What the program itself sees.
    fn variables(&self) -> Vec<(String, String)> {
        let own = self.config.variables.iter().map(|(name, value)| (name.clone(), value.clone()));
        own.chain([("PATH".to_owned(), self.search.to_string_lossy().into_owned())]).collect()
    }

    /// What runs the script of a job in a container. Its variables are handed on, and those of the program itself join them.
    pub(super) fn run(
        &self,
        folder: &Path,
        spec: &Spec,
        script: &str,
        variables: &mut Vec<(String, String)>,
    ) -> Result<Vec<String>, JobError> {
        let folder = folder.to_string_lossy();
        let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
        let mut words = vec![self.program()?];
        let mut add = |more: &[&str]| words.extend(more.iter().map(|word| (*word).to_owned()));
        add(&["run", "--rm", "--init", "--name", &name(&spec.id), "--label", &format!("standin.job={}", spec.id)]);
        add(&["--add-host", &format!("{HOST}:host-gateway"), "--user", &format!("{user}:{group}")]);
        add(&["--volume", &format!("{folder}:{folder}"), "--workdir", &format!("{folder}/work")]);
        add(&["--memory", &spec.limits.memory_bytes.to_string(), "--pids-limit", &spec.limits.processes.to_string()]);
        // What the image has of its own.
        variables.retain(|(name, _)| name != "PATH");
        for (name, value) in variables.iter_mut() {
            for here in ["http://127.0.0.1:", "http://localhost:"] {
                if let Some(rest) = value.strip_prefix(here) {
                    *value = format!("http://{HOST}:{rest}");
                }
            }
            add(&["--env", name]);
        }
        for (name, value) in [("HOME", format!("{folder}/home")), ("TMPDIR", format!("{folder}/tmp"))] {
            add(&["--env", &format!("{name}={value}")]);
        }
        let shell = "if command -v bash >/dev/null 2>&1; then exec bash --noprofile --norc \"$0\"; fi; exec sh \"$0\"";
        add(&["--entrypoint", "sh", spec.image.as_deref().unwrap_or(&self.config.image), "-c", shell, script]);
        variables.extend(self.variables());
        Ok(words)
    }
}
