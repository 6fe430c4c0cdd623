//! The process that watches a job: it outlives the server, and writes down how the job ended.
//!
//! A server starts it as `PROGRAM … FOLDER`, and `PROGRAM` calls [`watch`]. It heads a session of its own; on Linux all that the job
//! starts stays below it, wherever it goes, so that nothing is left when the job has ended.

use std::io::Read as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, setpriority_process, setsid};
use standin_core::Stopwatch;

use super::folder::{Afterwards, Folder, HOME, OUTPUT, Secret, TEMPORARY, Task, WORK, inside};
use super::mask::Mask;
use super::output::Writer;
use super::processes::{self, Identity, MARK};
use super::{AskedBy, COLLECTED_BYTES_MAX, End, JobError, Why};

/// How often the job is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Every so many looks it is weighed.
const WEIGHED: u32 = 5;
/// How long output may take that was written when everything had ended.
const REST: Duration = Duration::from_secs(5);
/// By how much commands stand back behind those who watch them.
const NICE: i32 = 5;

/// Watches the job of a folder from its first command to its end, unless somebody else does or did.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn watch(folder: &Path) -> Result<(), JobError> {
    let folder = Folder { path: folder.to_owned() };
    // It may head one already.
    let _ = setsid();
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    if !folder.claim(&Identity::own().to_string())? {
        return Ok(());
    }
    let (Some(task), Some(secret)) = (folder.task(), folder.take_secret()) else {
        let why = Why::NotStarted("its folder is not whole".to_owned());
        return folder.conclude(&End::without_command(why));
    };
    let end = match run(&folder, &task, &secret) {
        Ok(end) => end,
        Err(reason) => End::without_command(Why::NotStarted(reason)),
    };
    task.afterwards.iter().for_each(quietly);
    folder.conclude(&end)?;
    folder.clear();
    Ok(())
}

/// Runs a program that is to do something when all is over.
pub(super) fn quietly(afterwards: &Afterwards) {
    if let Some((program, arguments)) = afterwards.program.split_first() {
        let mut command = Command::new(program);
        command.args(arguments).env_clear().envs(afterwards.variables.iter().map(|(name, value)| (name, value)));
        let _ = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn run(folder: &Folder, task: &Task, secret: &Secret) -> Result<End, String> {
    if folder.is_to_stop() {
        return Ok(End::without_command(Why::Stopped));
    }
    let text = |error: std::io::Error| error.to_string();
    let (mut from, into) = std::io::pipe().map_err(text)?;
    let file = std::fs::File::create(folder.join(OUTPUT)).map_err(text)?;
    let writer = Writer::new(file, Mask::new(&secret.hidden), task.limits.output_bytes);
    let mut child = spawn(folder, task, secret, into)?;
    // However much they do, there is time left to end them.
    let _ = setpriority_process(Pid::from_raw(group(&child)), NICE);
    let kept = Arc::new(Mutex::new(Some(writer)));
    let (into, over) = (kept.clone(), Arc::new(AtomicBool::new(false)));
    let is_over = over.clone();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            let mut writer = into.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits for more, or the disk is full: what is written is read all the same, so that nobody is stuck.
            let _ = writer.as_mut().map(|writer| writer.take(&buffer[..count]));
        }
        is_over.store(true, Ordering::Release);
    });
    let (why, status) = wait(folder, task, &mut child).map_err(text)?;
    processes::kill_below(group(&child));
    let waiting = Stopwatch::start();
    while !over.load(Ordering::Acquire) && waiting.elapsed() < REST {
        std::thread::sleep(LOOK);
    }
    let writer = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    let last = writer.and_then(|writer| writer.finish().ok()).unwrap_or_default();
    let why = why.unwrap_or(if status.success() { Why::Succeeded } else { Why::Failed });
    Ok(End {
        why,
        exit_code: status.code(),
        signal: status.signal(),
        command: folder.command(&task.commands),
        last,
        files: task.collect.iter().filter_map(|path| Some((path.clone(), collected(folder, path)?))).collect(),
    })
}

/// A file that the job left.
fn collected(folder: &Folder, path: &str) -> Option<String> {
    let work = folder.join(WORK).canonicalize().ok()?;
    // Links must not lead out: whoever reads the end of a job may not be allowed to read all that standin can.
    let path = inside(&work, path)?.canonicalize().ok().filter(|path| path.starts_with(&work))?;
    // Whoever opens a pipe to read waits for somebody who writes.
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(COLLECTED_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn spawn(folder: &Folder, task: &Task, secret: &Secret, output: std::io::PipeWriter) -> Result<Child, String> {
    let (program, arguments) = task.program.split_first().ok_or("it names no program")?;
    let also = output.try_clone().map_err(|error| error.to_string())?;
    Command::new(program)
        .args(arguments)
        .env_clear()
        .env("HOME", folder.join(HOME))
        .env("TMPDIR", folder.join(TEMPORARY))
        .envs(secret.variables.iter().map(|(name, value)| (name, value)))
        .env(MARK, &folder.path)
        .current_dir(folder.join(WORK))
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(also)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program}: {error}"))
}

/// The group that a child heads.
fn group(child: &Child) -> i32 {
    child.id().cast_signed()
}

/// Waits for the end of the child, and brings it about where the job is to end; why, if not by itself.
fn wait(folder: &Folder, task: &Task, child: &mut Child) -> std::io::Result<(Option<Why>, ExitStatus)> {
    let (began, id) = (Stopwatch::start(), child.id().cast_signed());
    let mut asked: Option<(Why, Stopwatch)> = None;
    let mut looks = 0_u32;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((asked.map(|(why, _)| why), status));
        }
        match &asked {
            None => {
                looks = looks.wrapping_add(1);
                if let Some(why) = reason_to_end(folder, task, id, &began, looks.is_multiple_of(WEIGHED)) {
                    let at_once = matches!(why, Why::TooManyProcesses(_) | Why::TooMuchMemory(_));
                    let gently = match task.asked_by {
                        AskedBy::Terminate => Signal::TERM,
                        AskedBy::Interrupt => Signal::INT,
                    };
                    processes::signal_below(id, if at_once { Signal::KILL } else { gently });
                    asked = Some((why, Stopwatch::start()));
                }
            }
            Some((_, since)) if since.elapsed() >= task.limits.grace => {
                processes::kill_below(id);
            }
            Some(_) => {}
        }
        std::thread::sleep(LOOK);
    }
}

fn reason_to_end(folder: &Folder, task: &Task, child: i32, began: &Stopwatch, weigh: bool) -> Option<Why> {
    let limits = &task.limits;
    if folder.is_to_stop() {
        return Some(Why::Stopped);
    }
    if began.elapsed() >= limits.time {
        return Some(Why::TimedOut(limits.time));
    }
    if !weigh {
        return None;
    }
    if task.server.as_deref().is_some_and(|server| Identity::parse(server).is_none_or(|server| !server.runs())) {
        return Some(Why::Stopped);
    }
    let (count, memory) = processes::weigh(child);
    if count > limits.processes {
        return Some(Why::TooManyProcesses(limits.processes));
    }
    (task.weighs_memory && memory > limits.memory_bytes).then_some(Why::TooMuchMemory(limits.memory_bytes))
}
