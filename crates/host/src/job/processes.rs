//! Processes of this machine, as `/proc` tells of them (on Linux; elsewhere nothing is found).

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process, waitpid};

/// The variable that marks all processes of a job with its folder, wherever they have gone.
pub(super) const MARK: &str = "STANDIN_JOB";
/// Times that processes are looked for and killed: what forks while it is killed leaves a child.
const KILLS_MAX: usize = 200;

/// What is known of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Process {
    pub id: i32,
    pub parent: i32,
    pub session: i32,
    pub state: char,
    pub threads: u64,
    /// When it began, in ticks since the machine did.
    pub started: u64,
}

impl Process {
    /// Reads the file `stat`. Before its fields stands the name, which may hold anything.
    fn read(id: i32, stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok());
        let signed = |at: usize| fields.get(at).and_then(|field| field.parse::<i32>().ok());
        Some(Self {
            id,
            state: fields.first()?.chars().next()?,
            parent: signed(1)?,
            session: signed(3)?,
            threads: number(17)?,
            started: number(19)?,
        })
    }

    pub(super) fn find(id: i32) -> Option<Self> {
        Self::read(id, &String::from_utf8_lossy(&std::fs::read(format!("/proc/{id}/stat")).ok()?))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// What only it has of memory.
    fn memory_bytes(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", self.id)).unwrap_or_default();
        let pages: Vec<u64> = text.split(' ').map_while(|field| field.trim().parse().ok()).collect();
        let own = |pages: &[u64]| Some(pages.get(1)?.saturating_sub(*pages.get(2)?));
        own(&pages).unwrap_or(0) * rustix::param::page_size() as u64
    }

    fn is_marked(&self, mark: &[u8]) -> bool {
        let environ = std::fs::read(format!("/proc/{}/environ", self.id)).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|line| line == mark)
    }
}

fn all() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| Process::find(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// The processes below one, without itself.
fn below(root: i32) -> Vec<Process> {
    let all = all();
    let mut of = HashSet::from([root]);
    // Parents may come after their children: ids begin anew some time.
    loop {
        let before = of.len();
        of.extend(
            all.iter().filter(|process| of.contains(&process.parent)).map(|process| process.id).collect::<Vec<_>>(),
        );
        if of.len() == before {
            break;
        }
    }
    all.into_iter().filter(|process| process.id != root && of.contains(&process.id)).collect()
}

/// How many processes there are below this one, and how much memory they have. Those that have ended and were left to this one are
/// taken note of, but for `child`.
pub(super) fn weigh(child: i32) -> (u64, u64) {
    let own = std::process::id().cast_signed();
    let mut found = below(own);
    found.retain(|process| {
        let left = process.has_ended() && process.parent == own && process.id != child;
        if left && let Some(id) = Pid::from_raw(process.id) {
            let _ = waitpid(Some(id), WaitOptions::NOHANG);
        }
        !left
    });
    (found.len() as u64, found.iter().map(Process::memory_bytes).sum())
}

/// The threads of all processes of this process's user.
pub(super) fn threads_of_user() -> u64 {
    let user = rustix::process::getuid().as_raw();
    let is_ours = |process: &Process| {
        std::fs::metadata(format!("/proc/{}", process.id)).is_ok_and(|metadata| metadata.uid() == user)
    };
    all().iter().filter(|process| is_ours(process)).map(|process| process.threads).sum()
}

/// Sends a signal to all processes below this one.
pub(super) fn signal_below(group: i32, signal: Signal) {
    signal_group(group, signal);
    for process in below(std::process::id().cast_signed()).iter().filter(|process| !process.has_ended()) {
        send(process.id, signal);
    }
}

/// Kills all processes below this one, until there are none; `group` first, as one: what forks faster than it is looked for is killed
/// with it.
pub(super) fn kill_below(group: i32) {
    let own = std::process::id().cast_signed();
    kill_all(group, || below(own));
}

/// Kills what an ended shepherd left of its job: its session, and what carries the mark of its folder.
pub(super) fn kill_leftovers(session: i32, folder: &Path) {
    let mark = format!("{MARK}={}", folder.display()).into_bytes();
    kill_all(session, || {
        let mut all = all();
        all.retain(|process| process.session == session || process.is_marked(&mark));
        all
    });
}

fn kill_all(group: i32, find: impl Fn() -> Vec<Process>) {
    for _ in 0..KILLS_MAX {
        signal_group(group, Signal::KILL);
        let mut left = find();
        left.retain(|process| !process.has_ended());
        if left.is_empty() {
            return;
        }
        for process in &left {
            send(process.id, Signal::KILL);
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    tracing::warn!("processes of a job that were killed are still there");
}

fn signal_group(group: i32, signal: Signal) {
    // Nothing but a group that was made for a job: 0 and 1 would be somebody else.
    if let Some(id) = Pid::from_raw(group).filter(|_| group > 1) {
        let _ = kill_process_group(id, signal);
    }
}

fn send(id: i32, signal: Signal) {
    if let Some(id) = Pid::from_raw(id).filter(|_| id > 1) {
        // One that is gone is what was wanted.
        let _ = kill_process(id, signal);
    }
}

/// A process that can be told from any other that has its id later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub id: i32,
    started: u64,
    /// Of the run of this machine; ids and starts are counted anew with the next one.
    boot: String,
}

impl Identity {
    /// This process.
    pub(super) fn own() -> Self {
        let id = std::process::id().cast_signed();
        Self { id, started: Process::find(id).map_or(0, |process| process.started), boot: boot() }
    }

    /// Reads what [`std::fmt::Display`] wrote.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        Some(Self {
            id: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
        })
    }

    pub(super) fn runs(&self) -> bool {
        match Process::find(self.id) {
            Some(process) => process.started == self.started && self.boot == boot() && !process.has_ended(),
            // There may be no such files here; then the id has to do.
            None => self.started == 0 && Pid::from_raw(self.id).is_some_and(|id| test_kill_process(id).is_ok()),
        }
    }

    /// Whether it was of this run of the machine, so that what it left may still be there.
    pub(super) fn is_of_this_boot(&self) -> bool {
        self.boot == boot()
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {} {}", self.id, self.started, self.boot)
    }
}

fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stats_are_read_behind_any_name() {
        let stat = "12 (a) Z (b) S 1 12 10 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 4711 100 200";
        let expect = Process { id: 12, parent: 1, session: 10, state: 'S', threads: 3, started: 4711 };
        assert_eq!(Process::read(12, stat), Some(expect));
        assert_eq!(Process::read(12, "12 (sh) R 1"), None);
    }

    #[test]
    fn a_process_is_told_from_a_later_one_of_its_id() {
        let own = Identity::own();
        assert!(own.runs() && own.is_of_this_boot());
        assert_eq!(Identity::parse(&own.to_string()), Some(own.clone()));
        assert!(!Identity { started: own.started + 1, ..own.clone() }.runs());
        assert!(!Identity { boot: "another".to_owned(), ..own }.runs());
        assert_eq!(Identity::parse("x"), None);
    }
}
