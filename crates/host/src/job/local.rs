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
}

/// What surrounds the commands of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Within {
    /// Nothing but limits.
    #[default]
    Process,
    /// Bubblewrap: all but the job's folder can only be read, and processes outside cannot be seen.
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
                        program.extend(bubblewrap(&self.program("bwrap")?, &folder.path.to_string_lossy()));
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
        for command in task.iter().flat_map(|task| &task.afterwards) {
            shepherd::quietly(command);
        }
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

/// The system as it is, to be read; the job's folder, to be written.
fn bubblewrap(program: &str, folder: &str) -> Vec<String> {
    [
        program,
        "--ro-bind",
        "/",
        "/",
        "--dev",
        "/dev",
        "--proc",
        "/proc",
        "--tmpfs",
        "/tmp",
        "--bind",
        folder,
        folder,
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--die-with-parent",
        "--",
    ]
    .map(str::to_owned)
    .to_vec()
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
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::super::File;
    use super::*;

    /// What [`jobs`] has tests start as the shepherd: this test with a folder.
    #[test]
    #[ignore = "it is the shepherd of the other tests' jobs"]
    fn shepherd() {
        let folder = PathBuf::from(std::env::args().next_back().unwrap_or_default());
        if folder.is_absolute() {
            shepherd::watch(&folder).expect("it can be written to");
        }
    }

    fn jobs(name: &str, within: Within) -> Local {
        let folder = std::env::temp_dir().join(format!("standin-host-{}-jobs-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let own = std::env::current_exe().expect("tests are a program").into_os_string();
        let arguments = ["--exact", "job::local::tests::shepherd", "--ignored"].map(OsString::from);
        let shepherd = std::iter::once(own).chain(arguments).collect();
        let search = OsString::from("/usr/local/bin:/usr/bin:/bin");
        Local::new(LocalConfig { folder, shepherd, search, outlives: true, within })
    }

    fn spec(commands: &[&str]) -> Spec {
        Spec {
            id: "job".to_owned(),
            commands: commands.iter().map(|command| (*command).to_owned()).collect(),
            limits: Limits { grace: Duration::from_millis(300), ..Limits::default() },
            ..Spec::default()
        }
    }

    /// Asks until there is an answer.
    async fn poll<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
        let began = standin_core::Stopwatch::start();
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "it takes too long");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The end of a job, and all it wrote.
    async fn end(jobs: &Local, id: &str) -> (End, Vec<String>) {
        let (mut from, mut lines) = (0, Vec::new());
        let end = poll(async || {
            let look = jobs.look(id, from).await.expect("it can be read");
            let (output, end) = match look {
                Look::Unknown => panic!("it was started"),
                Look::Running(output) => (output, None),
                Look::Ended(output, end) => (output, Some(end)),
            };
            from = output.next;
            lines.extend(output.lines.into_iter().map(|line| line.text));
            end
        });
        (end.await, lines)
    }

    async fn run(jobs: &Local, spec: &Spec) -> (End, Vec<String>) {
        jobs.start(spec).await.expect("it starts");
        end(jobs, &spec.id).await
    }

    fn remove(jobs: &Local) {
        std::fs::remove_dir_all(&jobs.inner.config.folder).expect("it is ours");
    }

    fn file(path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok().filter(|text| text.ends_with('\n')).map(|text| text.trim().to_owned())
    }

    /// The id that a command of a job wrote into a file of its working folder.
    async fn id_in(jobs: &Local, name: &str) -> i32 {
        let path = jobs.inner.config.folder.join("job").join(WORK).join(name);
        poll(async || file(&path)).await.parse().expect("it is an id")
    }

    fn runs(id: i32) -> bool {
        processes::Process::find(id).is_some_and(|process| !process.has_ended())
    }

    #[tokio::test]
    async fn commands_share_a_session_beside_their_files() {
        let jobs = jobs("session", Within::Process);
        let spec = Spec {
            files: vec![File { path: "scripts/it.sh".to_owned(), bytes: b"echo sourced $1\nMORE=more\n".to_vec() }],
            variables: vec![
                ("GIVEN".to_owned(), "it's given".to_owned()),
                ("TOKEN".to_owned(), "swordfish".to_owned()),
            ],
            folder_in: vec!["SRC".to_owned()],
            secrets: vec!["swordfish".to_owned()],
            collect: ["out/result.json", "missing", "../end.json"].map(str::to_owned).to_vec(),
            ..spec(&[
                "export A=1; cd scripts",
                ". ./it.sh",
                "echo $A $MORE \"$GIVEN\" $TOKEN >&2\npwd | sed \"s,$SRC,SRC,\"",
                "mkdir $SRC/out; printf '{}' > $SRC/out/result.json; [ \"$HOME\" != /root ]",
            ])
        };
        let (end, lines) = run(&jobs, &spec).await;
        assert_eq!((&end.why, end.exit_code), (&Why::Succeeded, Some(0)), "{lines:?}");
        let shown = lines.iter().filter(|line| !line.starts_with('$')).map(String::as_str).collect::<Vec<_>>();
        assert_eq!(shown, ["sourced", "1 more it's given ***", "SRC/scripts"]);
        assert_eq!(end.files, [("out/result.json".to_owned(), "{}".to_owned())]);
        // Again is the same job.
        jobs.start(&spec).await.expect("nothing happens");
        assert_eq!(tests::end(&jobs, "job").await, (end, lines));
        poll(async || (!jobs.inner.config.folder.join("job/work").exists()).then_some(())).await;
        remove(&jobs);
    }

    #[tokio::test]
    async fn the_first_failing_command_ends_the_job() {
        let jobs = jobs("fails", Within::Process);
        let (end, lines) = run(&jobs, &spec(&["echo one", "echo two; echo why >&2; (exit 7)", "echo three"])).await;
        assert_eq!((end.exit_code, end.command.as_ref().map(|(number, _)| *number)), (Some(7), Some(2)));
        assert!(end.sentence().contains("failed with exit code 7; its last lines:\n"), "{}", end.sentence());
        assert_eq!(lines.last().map(String::as_str), Some("why"));
        remove(&jobs);
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_job_that_is_stopped() {
        let jobs = jobs("stop", Within::Process);
        // One in another session, and one that does not end by itself.
        let hidden = "setsid sh -c 'trap \"\" TERM; echo $$ > hidden; while :; do sleep 1; done' &";
        jobs.start(&spec(&[hidden, "trap 'echo asked' TERM; echo $$ > shell; while :; do sleep 0.1; done"]))
            .await
            .expect("it starts");
        let (hidden, shell) = (id_in(&jobs, "hidden").await, id_in(&jobs, "shell").await);
        assert!(runs(hidden) && runs(shell));
        jobs.stop("job").await.expect("it can be asked");
        let (end, lines) = end(&jobs, "job").await;
        assert_eq!(end.why, Why::Stopped);
        assert!(lines.iter().any(|line| line == "asked"), "{lines:?}");
        assert!(!runs(hidden) && !runs(shell));
        remove(&jobs);
    }

    #[tokio::test]
    async fn what_is_stopped_before_it_starts_never_starts() {
        let jobs = jobs("never", Within::Process);
        assert_eq!(jobs.look("job", 0).await.expect("there is none"), Look::Unknown);
        jobs.stop("job").await.expect("it can be asked");
        let (end, lines) = run(&jobs, &spec(&["echo never"])).await;
        assert_eq!((end.why, lines.len()), (Why::Stopped, 0));
        remove(&jobs);
    }

    #[tokio::test]
    async fn a_job_ends_with_its_limits() {
        let jobs = jobs("limits", Within::Process);
        let limited = |id: &str, command: &str, limits: Limits| Spec { id: id.to_owned(), limits, ..spec(&[command]) };
        let usual = spec(&[]).limits;
        let time = limited("time", "sleep 1000", Limits { time: Duration::from_millis(100), ..usual });
        assert_eq!(run(&jobs, &time).await.0.why, Why::TimedOut(Duration::from_millis(100)));
        let bomb = "while :; do sleep 1000 & done";
        let processes = limited("processes", bomb, Limits { processes: 20, ..usual });
        assert_eq!(run(&jobs, &processes).await.0.why, Why::TooManyProcesses(20));
        // Below what one process may take, and above what all may.
        let hog =
            "for i in 1 2 3 4; do sh -c 'x=$(head -c 15000000 /dev/zero | tr \"\\\\0\" x); sleep 1000' & done; wait";
        let memory = limited("memory", hog, Limits { memory_bytes: 50 << 20, ..usual });
        assert_eq!(run(&jobs, &memory).await.0.why, Why::TooMuchMemory(50 << 20));
        let flood = limited("flood", "seq 1 200000", Limits { output_bytes: 10_000, ..usual });
        let (end, lines) = run(&jobs, &flood).await;
        assert!(end.succeeded() && lines.len() < 1000 && lines.last().is_some_and(|line| line == "200000"));
        remove(&jobs);
    }

    #[tokio::test]
    async fn a_job_outlives_its_server_and_is_found_again() {
        let first = jobs("found", Within::Process);
        first
            .start(&spec(&["until [ -e go ]; do sleep 0.02; done", "echo once >> ../count; cat ../count"]))
            .await
            .expect("it starts");
        poll(async || first.look("job", 0).await.ok().filter(|look| matches!(look, Look::Running(it) if it.next > 0)))
            .await;
        // As after a crash: another one, which knows nothing of processes.
        let second = Local::new(first.inner.config.clone());
        second.start(&spec(&["echo another"])).await.expect("nothing happens");
        assert!(matches!(second.look("job", 0).await, Ok(Look::Running(_))));
        std::fs::write(first.inner.config.folder.join("job/work/go"), "").expect("it is ours");
        let (end, lines) = end(&second, "job").await;
        assert!(end.succeeded(), "{end:?}");
        assert_eq!(lines.last().map(String::as_str), Some("once"));
        remove(&first);
    }

    #[tokio::test]
    async fn a_job_whose_shepherd_is_killed_is_interrupted() {
        let jobs = jobs("interrupted", Within::Process);
        jobs.start(&spec(&["setsid sleep 1000 & echo $! > hidden; echo $$ > shell; sleep 1000"]))
            .await
            .expect("it starts");
        let (hidden, shell) = (id_in(&jobs, "hidden").await, id_in(&jobs, "shell").await);
        let folder = Folder::of(&jobs.inner.config.folder, "job").expect("an id");
        let shepherd = folder.watcher().expect("it is watched").id;
        let id = rustix::process::Pid::from_raw(shepherd).expect("an id");
        rustix::process::kill_process(id, rustix::process::Signal::KILL).expect("it is ours");
        let (end, _) = end(&jobs, "job").await;
        assert_eq!(end.why, Why::Interrupted);
        assert!(end.sentence().starts_with("interrupted: command 1 (`setsid"), "{}", end.sentence());
        assert!(!runs(hidden) && !runs(shell));
        jobs.start(&spec(&["echo again"])).await.expect("nothing happens");
        assert_eq!(tests::end(&jobs, "job").await.0.why, Why::Interrupted);
        remove(&jobs);
    }

    #[tokio::test]
    async fn a_job_whose_shell_is_killed_failed() {
        let jobs = jobs("killed", Within::Process);
        jobs.start(&spec(&["echo $$ > shell; while :; do sleep 0.1; done"])).await.expect("it starts");
        let shell = rustix::process::Pid::from_raw(id_in(&jobs, "shell").await).expect("an id");
        rustix::process::kill_process(shell, rustix::process::Signal::KILL).expect("it is ours");
        let (end, _) = end(&jobs, "job").await;
        assert_eq!((end.why, end.signal), (Why::Failed, Some(9)));
        remove(&jobs);
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let jobs = jobs("cannot", Within::Process);
        let at =
            |path: &str| Spec { files: vec![File { path: path.to_owned(), bytes: Vec::new() }], ..spec(&["true"]) };
        let error = jobs.start(&at("../x")).await.expect_err("it leads out");
        assert!(error.text().contains("no path of a file"), "{error}");
        let error = jobs.look("../x", 0).await.expect_err("it leads out");
        assert!(error.text().contains("cannot be the id"), "{error}");
        let config = LocalConfig { shepherd: vec!["/bin/false".into()], ..jobs.inner.config.clone() };
        let (end, _) = run(&Local::new(config), &spec(&["true"])).await;
        assert!(matches!(end.why, Why::NotStarted(_)), "{end:?}");
        remove(&jobs);
    }

    #[tokio::test]
    async fn namespaces_hide_other_processes() {
        if find(OsStr::new("/usr/bin:/bin"), "unshare").is_none() {
            return eprintln!("skipped: there is no unshare");
        }
        let jobs = jobs("unshare", Within::Namespaces);
        let (end, lines) = run(&jobs, &spec(&["ls -d /proc/[0-9]* | wc -l"])).await;
        if end.succeeded() {
            let count: u32 = lines.last().and_then(|line| line.trim().parse().ok()).expect("a number");
            assert!(count < 10, "{lines:?}");
        } else {
            // Not every machine lets everybody have namespaces.
            assert!(lines.iter().any(|line| line.contains("unshare")), "{end:?} {lines:?}");
        }
        remove(&jobs);
    }
}
