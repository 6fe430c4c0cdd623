//! The processes of an environment: each in a group of its own, restarted when it ends, and marked, as is all that they start.
//!
//! Some parts of Airflow leave their group. The mark is a variable of their environment, by which whoever comes after a crash finds
//! them too (on Linux).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::leftovers::{GRACE, LOOK, MARK, end_leftovers, kill_marked};

/// How long a process that ended rests: twice as long each time, up to the most.
const REST: Duration = Duration::from_secs(1);
const REST_MAX: Duration = Duration::from_secs(60);
/// What ran so long starts again at once when it ends.
const STEADY: Duration = Duration::from_secs(60);

/// Another user than standin's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct User {
    pub id: u32,
    pub group: u32,
}

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spec {
    /// `scheduler`, `triggerer` …
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub variables: BTreeMap<String, String>,
    pub folder: PathBuf,
    /// Where its output goes; appended.
    pub log: PathBuf,
    /// As whom, if not as standin's user.
    pub user: Option<User>,
    /// What it is asked to end with.
    pub ends_on: Signal,
}

impl Spec {
    /// A command of it: nothing of the surrounding environment is handed on but what is named.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(&self.variables)
            .env(MARK, self.mark())
            // Else the titles that processes give themselves would be written over it.
            .env("SPT_NOENV", "1")
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        if let Some(User { id, group }) = self.user {
            command.uid(id).gid(group);
        }
        command
    }

    fn mark(&self) -> OsString {
        self.folder.join(self.name).into_os_string()
    }

    fn spawn(&self) -> std::io::Result<Child> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(&self.log)?;
        self.command().stdout(log.try_clone()?).stderr(log).spawn()
    }
}

/// A process that is kept running.
struct Kept {
    spec: Spec,
    child: Option<Child>,
    /// Of the child, which heads it.
    group: Option<Pid>,
    started: Instant,
    rest: Duration,
    /// When it may start again.
    due: Instant,
    restarts: u32,
}

/// Keeps processes running.
pub(super) struct Supervisor {
    processes: Vec<Kept>,
    /// The folder of their environment.
    folder: PathBuf,
}

impl Supervisor {
    /// Starts processes. Those that an earlier supervisor left behind are ended first.
    pub(super) async fn start(specs: Vec<Spec>, folder: &Path) -> std::io::Result<Self> {
        end_leftovers(folder).await;
        let now = Instant::now();
        let processes = specs.into_iter().map(|spec| Kept {
            spec,
            child: None,
            group: None,
            started: now,
            rest: REST,
            due: now,
            restarts: 0,
        });
        let mut supervisor = Self { processes: processes.collect(), folder: folder.to_owned() };
        supervisor.look().await?;
        Ok(supervisor)
    }

    /// Starts again what has ended and had its rest; how often processes were started again since the start.
    pub(super) async fn look(&mut self) -> std::io::Result<u32> {
        let now = Instant::now();
        for kept in &mut self.processes {
            if let Some(child) = &mut kept.child {
                let Some(status) = child.try_wait()? else { continue };
                tracing::warn!(process = kept.spec.name, %status, "a process of Airflow ended");
                kept.child = None;
                // What it had started would be in the way of its successor.
                signal(kept.group.as_slice(), Signal::KILL);
                let mark = kept.spec.mark();
                kill_marked(|other| other == mark).await;
                kept.rest = if kept.started.elapsed() >= STEADY { REST } else { (kept.rest * 2).min(REST_MAX) };
                kept.due = now + kept.rest;
                kept.restarts += 1;
            }
            if kept.due <= now {
                let child = kept.spec.spawn()?;
                kept.group = child.id().and_then(group);
                kept.child = Some(child);
                kept.started = now;
            }
        }
        Ok(self.processes.iter().map(|kept| kept.restarts).sum())
    }

    /// The ids of the processes that run.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.processes.iter().filter_map(|kept| kept.child.as_ref()?.id()).collect()
    }

    /// Kills one process; it is started again when its rest is over.
    pub(super) fn kill(&self, name: &str) {
        for kept in self.processes.iter().filter(|kept| kept.spec.name == name) {
            signal(kept.group.filter(|_| kept.child.is_some()).as_slice(), Signal::KILL);
        }
    }

    /// Ends all processes, and what they have started.
    pub(super) async fn stop(self) {
        self.stop_within(GRACE).await;
    }

    /// As [`Self::stop`]: what has not ended by itself within a time is killed.
    pub(super) async fn stop_within(mut self, grace: Duration) {
        let groups: Vec<Pid> = self.ids().into_iter().filter_map(group).collect();
        for kept in &self.processes {
            let group = kept.child.as_ref().and_then(Child::id).and_then(group);
            signal(group.as_slice(), kept.spec.ends_on);
        }
        let until = Instant::now() + grace;
        while Instant::now() < until {
            // A child that nobody waits for would count as running.
            for kept in &mut self.processes {
                if let Some(child) = &mut kept.child {
                    let _ = child.try_wait();
                }
            }
            if groups.iter().all(|group| test_kill_process_group(*group).is_err()) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        signal(&groups, Signal::KILL);
        for kept in &mut self.processes {
            if let Some(child) = &mut kept.child {
                let _ = child.wait().await;
            }
        }
        kill_marked(|mark| Path::new(mark).starts_with(&self.folder)).await;
    }
}

fn group(id: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(id).ok()?)
}

fn signal(groups: &[Pid], signal: Signal) {
    for group in groups {
        // One that is gone is what was wanted.
        let _ = kill_process_group(*group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(folder: &Path, script: &str) -> Spec {
        Spec {
            name: "test",
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            variables: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            folder: folder.to_owned(),
            log: folder.join("log"),
            user: None,
            ends_on: Signal::TERM,
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("standin-mwaa-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        folder
    }

    fn runs(id: u32) -> bool {
        // One that has ended and waits for its parent does not run.
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[tokio::test]
    async fn what_is_stopped_takes_its_children_along() {
        let folder = folder("stop");
        let script = "sleep 1000 & echo $! > child; wait";
        let supervisor = Supervisor::start(vec![spec(&folder, script)], &folder).await.expect("it starts");
        let id = supervisor.ids()[0];
        let child = loop {
            if let Some(id) =
                std::fs::read_to_string(folder.join("child")).ok().and_then(|text| text.trim().parse().ok())
            {
                break id;
            }
            tokio::task::yield_now().await;
        };
        assert!(runs(id) && runs(child));
        supervisor.stop().await;
        assert!(!runs(id) && !runs(child));
        std::fs::remove_dir_all(folder).expect("it is ours");
    }

    #[tokio::test]
    async fn what_was_left_behind_is_ended() {
        let (ours, others) = (folder("left"), folder("left-alone"));
        let start = |folder: &Path| {
            let specs = vec![spec(folder, "exec sleep 1000")];
            let folder = folder.to_owned();
            async move { Supervisor::start(specs, &folder).await.expect("it starts") }
        };
        let (left, alone) = (start(&ours).await, start(&others).await);
        let id = left.ids()[0];
        // As after a crash: nobody stops it. Its parent takes note of its end, as the system does for those without one.
        let mut child = left.processes.into_iter().find_map(|kept| kept.child).expect("it runs");
        let leftovers = async {
            end_leftovers(&ours).await;
            // Whom it did not find would never end.
            let found = !runs(id);
            let _ = kill_process_group(group(id).expect("an id"), Signal::KILL);
            found
        };
        let (found, ended) = tokio::join!(leftovers, child.wait());
        assert!(found && !ended.expect("it is ours").success());
        assert!(runs(alone.ids()[0]));
        alone.stop().await;
        [ours, others].into_iter().for_each(|folder| std::fs::remove_dir_all(folder).expect("it is ours"));
    }

    #[tokio::test]
    async fn what_ends_is_started_again_after_a_rest() {
        let folder = folder("again");
        tokio::time::pause();
        let specs = vec![spec(&folder, "echo once >> runs")];
        let mut supervisor = Supervisor::start(specs, &folder).await.expect("it starts");
        let id = supervisor.ids()[0];
        while runs(id) {
            std::thread::yield_now();
        }
        while supervisor.look().await.expect("it can be started") == 0 {
            std::thread::yield_now();
        }
        assert_eq!(supervisor.ids(), Vec::<u32>::new(), "it rests");
        tokio::time::advance(REST * 2).await;
        supervisor.look().await.expect("it can be started");
        assert_eq!(supervisor.ids().len(), 1);
        supervisor.stop().await;
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
