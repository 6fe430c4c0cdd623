//! Processes that nobody waits for any more: found by the mark in their environment (on Linux), and ended.
//!
//! The environment of a process in the middle of an exec reads as empty, as that of one whose end nobody has taken note of does. The
//! first is looked at again.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

/// The variable that marks processes: the folder of their environment, and the name of the process.
pub(super) const MARK: &str = "STANDIN_MWAA_PROCESS";
/// How long processes have to end by themselves.
pub(super) const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked whether they have.
pub(super) const LOOK: Duration = Duration::from_millis(50);
/// Between two looks at a process that could not be told yet.
const SETTLE: Duration = Duration::from_millis(2);
/// Such looks. An exec takes far less; a process may have an empty environment for good.
const SETTLES_MAX: u32 = 25;
/// Times that what is marked is killed: what forks while it is killed leaves a child.
const KILLS_MAX: u32 = 100;
/// The bit of a kernel thread in the flags of a process.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// What is known of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen<'e> {
    Marked(&'e OsStr),
    Unmarked,
    /// It may be about to become another program.
    Unsettled,
}

impl<'e> Seen<'e> {
    /// Of the files `environ` and `stat` of a process.
    fn read(environ: &'e [u8], stat: &str) -> Self {
        if environ.is_empty() {
            // Behind the name, which may hold anything: the state, and the flags as the seventh.
            let fields: Vec<&str> = stat.rsplit_once(") ").map_or("", |(_, rest)| rest).split(' ').collect();
            let ended = matches!(fields.first(), None | Some(&("" | "Z" | "X" | "x")));
            let kernel = fields.get(6).and_then(|flags| flags.parse::<u64>().ok()).unwrap_or(0) & KERNEL_THREAD != 0;
            return if ended || kernel { Self::Unmarked } else { Self::Unsettled };
        }
        let mut variables = environ.split(|byte| *byte == 0);
        let mark = variables.find_map(|line| line.strip_prefix(MARK.as_bytes())?.strip_prefix(b"="));
        mark.map_or(Self::Unmarked, |mark| Self::Marked(OsStr::from_bytes(mark)))
    }
}

/// Looks at processes; those whose mark is wanted, and those that cannot be told yet.
fn sift(ids: impl Iterator<Item = i32>, wanted: &impl Fn(&OsStr) -> bool) -> (Vec<Pid>, Vec<i32>) {
    let (mut found, mut unsettled) = (Vec::new(), Vec::new());
    for id in ids {
        // Only those of the same user can be read, and only those can be ours.
        let Ok(environ) = std::fs::read(format!("/proc/{id}/environ")) else { continue };
        let stat = if environ.is_empty() { std::fs::read(format!("/proc/{id}/stat")) } else { Ok(Vec::new()) };
        match Seen::read(&environ, &String::from_utf8_lossy(&stat.unwrap_or_default())) {
            Seen::Marked(mark) if wanted(mark) => found.extend(Pid::from_raw(id)),
            Seen::Marked(_) | Seen::Unmarked => {}
            Seen::Unsettled => unsettled.push(id),
        }
    }
    (found, unsettled)
}

/// The processes whose mark is wanted.
async fn marked(wanted: impl Fn(&OsStr) -> bool) -> Vec<Pid> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let (mut found, mut unsettled) = sift(ids, &wanted);
    for _ in 0..SETTLES_MAX {
        if unsettled.is_empty() {
            break;
        }
        tokio::time::sleep(SETTLE).await;
        let (more, still) = sift(unsettled.into_iter(), &wanted);
        found.extend(more);
        unsettled = still;
    }
    found
}

/// Kills the processes whose mark is wanted, until there are none.
pub(super) async fn kill_marked(wanted: impl Fn(&OsStr) -> bool) {
    for _ in 0..KILLS_MAX {
        let ids = marked(&wanted).await;
        if ids.is_empty() {
            return;
        }
        for id in ids {
            // One that is gone is what was wanted.
            let _ = kill_process(id, Signal::KILL);
        }
        tokio::time::sleep(SETTLE).await;
    }
    tracing::warn!("processes that were killed are still there");
}

/// Ends what an earlier standin left running for the environment of a folder: first as Airflow wants it, so that it writes down what it
/// has to, then for good.
pub(super) async fn end_leftovers(folder: &Path) {
    end_leftovers_with(folder, Signal::TERM).await;
}

/// As [`end_leftovers`], where something else than Airflow runs, which ends on another signal.
pub(super) async fn end_leftovers_with(folder: &Path, signal: Signal) {
    let of_folder = |mark: &OsStr| Path::new(mark).starts_with(folder);
    let left = marked(of_folder).await;
    if left.is_empty() {
        return;
    }
    tracing::info!(processes = left.len(), "processes that were left behind are ended");
    for id in left {
        let _ = kill_process(id, signal);
    }
    let until = Instant::now() + GRACE;
    while Instant::now() < until && !marked(of_folder).await.is_empty() {
        tokio::time::sleep(LOOK).await;
    }
    kill_marked(of_folder).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(environ: &str, stat: &str, expect: Seen<'_>) {
        assert_eq!(Seen::read(environ.as_bytes(), stat), expect, "{environ:?} {stat:?}");
    }

    #[test]
    fn processes_are_told_by_their_mark() {
        check("A=1\0STANDIN_MWAA_PROCESS=/e/1/scheduler\0B=2\0", "", Seen::Marked(OsStr::new("/e/1/scheduler")));
        check("A=1\0STANDIN_MWAA_PROCESSES=/e\0", "", Seen::Unmarked);
        check("A=STANDIN_MWAA_PROCESS=/e\0", "", Seen::Unmarked);
    }

    #[test]
    fn an_empty_environment_is_looked_at_again_unless_it_stays_empty() {
        check("", "12 (sh) R 1 12 12 0 -1 4194304 0 0", Seen::Unsettled);
        check("", "12 (a) Z (b) S 1 12 12 0 -1 4194304 0 0", Seen::Unsettled);
        check("", "12 (sh) Z 1 12 12 0 -1 4194304 0 0", Seen::Unmarked);
        check("", "12 (kworker/0:1) I 2 0 0 0 -1 69238880 0 0", Seen::Unmarked);
        check("", "", Seen::Unmarked);
    }
}
