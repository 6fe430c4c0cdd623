//! Jobs as processes of this machine, each in a folder of its own and watched by a [shepherd](super::shepherd) that outlives the server.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use standin_core::{BoxFuture, Clock};

use super::folder::{Folder, OUTPUT, Secret, Task, WORK, make};
use super::processes::{self, Identity};
use super::{End, JobError, Limits, Look, Runner, Spec, Why, docker, output, session, shepherd};

/// Threads of a process that counts as one.
const THREADS: u64 = 8;
/// How long what is left of ended jobs is kept: how they ended, and what they wrote.
const KEPT_MS: i64 = 7 * 24 * 3600 * 1000;

/// What runs jobs on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// Every job has a folder in it, named by its id.
    pub folder: PathBuf,
    /// The program and arguments that call [`shepherd::watch`] with the folder that comes as one more argument.
    pub shepherd: Vec<OsString>,
    /// Where programs are looked for, also by commands.
    pub search: OsString,
    /// Whether jobs go on without the server that started them: where another can find them.
    pub outlives: bool,
    pub within: Within,
    /// Folders of secrets, which [`Within::Bubblewrap`] shows empty but for the job's own.
    pub hidden: Vec<PathBuf>,
}

/// What surrounds the commands of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Within {
    /// Nothing but limits.
    #[default]
    Process,
    /// Bubblewrap: all but the job's folder can only be read, hidden folders and processes outside cannot be seen.
    Bubblewrap,
    /// `unshare`: processes outside cannot be seen.
    Namespaces,
    Container(docker::DockerConfig),
}

/// Runs jobs on this machine.
#[derive(Clone)]
pub struct Local {
    inner: Arc<Inner>,
}

struct Inner {
    config: LocalConfig,
    host: String,
    server: String,
    /// The shepherds that this process started, whose ends it has to take note of.
    shepherds: Mutex<HashMap<String, Child>>,
}

impl Local {
    pub fn new(config: LocalConfig) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let server = Identity::own().to_string();
        Self { inner: Arc::new(Inner { config, host, server, shepherds: Mutex::default() }) }
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Inner) -> Result<T, JobError> + Send + 'static,
    ) -> Result<T, JobError> {
        let inner = self.inner.clone();
        let done = tokio::task::spawn_blocking(move || what(&inner)).await;
        done.unwrap_or_else(|error| Err(JobError::Refused(error.to_string())))
    }
}

impl Runner for Local {
    fn place(&self) -> String {
        format!("{}:{}", self.inner.host, self.inner.config.folder.display())
    }

    fn start<'a>(&'a self, spec: &'a Spec) -> BoxFuture<'a, Result<(), JobError>> {
        let spec = spec.clone();
        Box::pin(self.blocking(move |inner| inner.start(&spec)))
    }

    fn look<'a>(&'a self, id: &'a str, from: u64) -> BoxFuture<'a, Result<Look, JobError>> {
        let id = id.to_owned();
        Box::pin(self.blocking(move |inner| inner.look(&id, from)))
    }

    fn stop<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), JobError>> {
        let id = id.to_owned();
        Box::pin(self.blocking(move |inner| inner.stop(&id)))
    }
}

impl Inner {
    fn start(&self, spec: &Spec) -> Result<(), JobError> {
        // One at a time: the first look at a folder counts.
        let mut shepherds = self.shepherds.lock().unwrap_or_else(PoisonError::into_inner);
        shepherds.retain(|_, child| !matches!(child.try_wait(), Ok(Some(_))));
        let folder = Folder::of(&self.config.folder, &spec.id)?;
        if folder.watched_by().is_some() || folder.end().is_some() || shepherds.contains_key(&spec.id) {
            return Ok(());
        }
        if !folder.exists() {
            make(&self.config.folder)?;
            self.sweep(&shepherds);
            let (task, secret) = self.task(&folder, spec)?;
            folder.prepare(spec, &task, &secret)?;
        }
        let (program, arguments) = self.config.shepherd.split_first().ok_or_else(|| {
            JobError::Refused("this server is no standin program, which is what watches jobs".to_owned())
        })?;
        let child = Command::new(program)
            .args(arguments)
            .arg(&folder.path)
            .env_clear()
            .env("PATH", &self.config.search)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.map_err(|source| JobError::File { path: program.to_string_lossy().into_owned(), source })?;
        shepherds.insert(spec.id.clone(), child);
        Ok(())
    }

    /// What the shepherd of a job does.
    fn task(&self, folder: &Folder, spec: &Spec) -> Result<(Task, Secret), JobError> {
        let work = folder.join(WORK).to_string_lossy().into_owned();
        let mut variables: Vec<(String, String)> =
            vec![("PATH".to_owned(), self.config.search.to_string_lossy().into_owned())];
        variables.extend(spec.variables.iter().cloned());
        variables.extend(spec.folder_in.iter().map(|name| (name.clone(), work.clone())));
        let script = folder.join(session::SCRIPT).to_string_lossy().into_owned();
        let mut afterwards = Vec::new();
        let program = match &self.config.within {
            Within::Container(config) => {
                let docker = docker::Docker { config, search: &self.config.search };
                afterwards.push(docker.remove(&spec.id)?);
                docker.run(&folder.path, spec, &script, &mut variables)?
            }
            within => {
                let mut program = self.limited(&spec.limits)?;
                match within {
                    Within::Bubblewrap => {
                        let program_of = self.program("bwrap")?;
                        program.extend(bubblewrap(&program_of, &folder.path.to_string_lossy(), &self.config.hidden));
                    }
                    Within::Namespaces => {
                        program.extend(unshare(&self.program("unshare")?));
                    }
                    Within::Process | Within::Container(_) => {}
                }
                program.extend(self.shell(&script)?);
                program
            }
        };
        let task = Task {
            program,
            commands: spec.commands.clone(),
            collect: spec.collect.clone(),
            limits: spec.limits,
            asked_by: spec.asked_by,
            // The engine of containers limits what is in them.
            weighs_memory: !matches!(self.config.within, Within::Container(_)),
            afterwards,
            server: (!self.config.outlives).then(|| self.server.clone()),
        };
        Ok((task, Secret { variables, hidden: spec.secrets.clone() }))
    }

    fn program(&self, name: &str) -> Result<String, JobError> {
        find(&self.config.search, name)
            .map(|path| path.to_string_lossy().into_owned())
            .ok_or_else(|| JobError::Refused(format!("no program {name} is on the PATH")))
    }

    /// What limits each single process of what it runs; all together are looked at by the shepherd.
    fn limited(&self, limits: &Limits) -> Result<Vec<String>, JobError> {
        let (kilobytes, processes) =
            (limits.memory_bytes >> 10, processes::threads_of_user() + limits.processes * THREADS);
        // Not every shell knows all of them.
        let script =
            format!("ulimit -c 0; ulimit -d {kilobytes} 2>/dev/null; ulimit -u {processes} 2>/dev/null; exec \"$@\"");
        Ok(vec![self.program("sh")?, "-c".to_owned(), script, "sh".to_owned()])
    }

    /// Bash where there is one, as build images have it.
    fn shell(&self, script: &str) -> Result<Vec<String>, JobError> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        if let Ok(bash) = self.program("bash") {
            return Ok(words(&[&bash, "--noprofile", "--norc", script]));
        }
        Ok(words(&[&self.program("sh")?, script]))
    }

    fn look(&self, id: &str, from: u64) -> Result<Look, JobError> {
        let folder = Folder::of(&self.config.folder, id)?;
        // The end before the output: what was written before it is there then.
        let mut end = folder.end();
        let died = end.is_none() && self.has_died(&folder, id);
        if died {
            // It may have told the end before it did.
            end = folder.end();
        }
        if end.is_none() && died {
            end = Some(self.interrupted(&folder)?);
        }
        let path = folder.join(OUTPUT);
        let output =
            output::read(&path, from).map_err(|source| JobError::File { path: path.display().to_string(), source })?;
        Ok(match end {
            _ if output.more => Look::Running(output),
            Some(end) => Look::Ended(output, end),
            None if folder.watched_by().is_some() || self.has_shepherd(id) => Look::Running(output),
            None => Look::Unknown,
        })
    }

    fn has_shepherd(&self, id: &str) -> bool {
        self.shepherds.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id)
    }

    /// Whether a job was watched, and is not any more.
    fn has_died(&self, folder: &Folder, id: &str) -> bool {
        let ended = {
            let mut shepherds = self.shepherds.lock().unwrap_or_else(PoisonError::into_inner);
            match shepherds.get_mut(id).map(Child::try_wait) {
                Some(Ok(Some(_))) => {
                    shepherds.remove(id);
                    true
                }
                _ => false,
            }
        };
        match folder.watched_by() {
            Some(text) => Identity::parse(&text).is_none_or(|watcher| !watcher.runs()),
            None => ended,
        }
    }

    /// Ends what is left of a job that nobody watches any more, and writes down that it was interrupted.
    fn interrupted(&self, folder: &Folder) -> Result<End, JobError> {
        if let Some(watcher) = folder.watcher().filter(Identity::is_of_this_boot) {
            processes::kill_leftovers(watcher.id, &folder.path);
        }
        let task = folder.task();
        let claimed = folder.watched_by().is_some();
        task.iter().flat_map(|task| &task.afterwards).for_each(shepherd::quietly);
        let why = if claimed {
            Why::Interrupted
        } else {
            Why::NotStarted("the program that watches jobs ended before it began".to_owned())
        };
        let mut end = End::without_command(why);
        if let Some(task) = task {
            end.command = folder.command(&task.commands);
        }
        folder.conclude(&end)?;
        folder.clear();
        Ok(end)
    }

    fn stop(&self, id: &str) -> Result<(), JobError> {
        let folder = Folder::of(&self.config.folder, id)?;
        let stopped = End::without_command(Why::Stopped);
        if !folder.exists() {
            make(&self.config.folder)?;
            folder.prevent(&stopped)?;
        }
        if folder.end().is_some() {
            return Ok(());
        }
        folder.ask_to_stop()?;
        // Nobody may have begun to watch it, and then nobody will.
        if folder.claim("nobody")? {
            folder.conclude(&stopped)?;
            folder.clear();
        }
        Ok(())
    }

    /// Takes away what is left of jobs that ended long ago.
    fn sweep(&self, running: &HashMap<String, Child>) {
        let now = Clock::real().now().as_millis();
        for entry in std::fs::read_dir(&self.config.folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Ok(folder) = Folder::of(&self.config.folder, &name) else { continue };
            let ended = folder.ended_at_ms().is_some_and(|at| now - at > KEPT_MS);
            if ended && !running.contains_key(&name) {
                let _ = std::fs::remove_dir_all(&folder.path);
            }
        }
    }
}

/// A program in the folders of a search path.
pub fn find(search: &OsStr, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The system as it is, to be read; hidden folders, empty; the job's folder, to be written.
fn bubblewrap(program: &str, folder: &str, hidden: &[PathBuf]) -> Vec<String> {
    let system = [program, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"];
    let own = ["--bind", folder, folder, "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent", "--"];
    let empty = hidden.iter().flat_map(|path| ["--tmpfs".to_owned(), path.to_string_lossy().into_owned()]);
    system.map(str::to_owned).into_iter().chain(empty).chain(own.map(str::to_owned)).collect()
}

fn unshare(program: &str) -> Vec<String> {
    let mut words = vec![program, "--pid", "--fork", "--kill-child", "--mount-proc", "--ipc", "--uts"];
    if !rustix::process::getuid().is_root() {
        words.extend(["--user", "--map-current-user"]);
    }
    words.push("--");
    words.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
