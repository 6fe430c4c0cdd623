//! Jobs: commands that run beside files in a folder of their own, behind a trait.
//!
//! A [`Runner`] is told what to run and asked how it goes, in steps that are quick and may be repeated, also by another process after a
//! crash. A job outlives the server that started it, and is found again by its id: who provisions keeps nothing but that id, and how
//! far it has read the output.
//!
//! ```
//! use standin_host::job::{Look, Runner, Spec};
//!
//! /// One step: starts the job where it is not there yet, and tells its end once all it wrote was read.
//! async fn step(runner: &dyn Runner, spec: &Spec, read: &mut u64) -> Option<String> {
//!     match runner.look(&spec.id, *read).await.ok()? {
//!         // Whoever kept note that the job was started before tells here that it was interrupted.
//!         Look::Unknown => runner.start(spec).await.err().map(|error| error.to_string()),
//!         Look::Running(output) => {
//!             *read = output.next;
//!             None
//!         }
//!         Look::Ended(output, end) => {
//!             *read = output.next;
//!             Some(end.sentence())
//!         }
//!     }
//! }
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use standin_core::BoxFuture;

#[cfg(unix)]
pub mod docker;
#[cfg(unix)]
mod folder;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
#[cfg(unix)]
pub mod local;
pub mod mask;
#[cfg(unix)]
mod output;
#[cfg(unix)]
mod processes;
pub mod session;
#[cfg(unix)]
pub mod shepherd;

/// The image of jobs in containers that name none.
pub const IMAGE: &str = "public.ecr.aws/aws-cli/aws-cli:latest";
/// The last lines that an [`End`] carries.
pub const LAST_LINES: usize = 20;
/// Of a command, in messages.
const COMMAND_CHARS: usize = 200;
/// Bytes of each file that is kept of an ended job.
pub const COLLECTED_BYTES_MAX: u64 = 4 << 20;

/// What is to run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Letters, digits, `-` and `_`, 100 at most: the same for the same work, so that it is done once. One that a server makes of a
    /// deployment's id says what it is for too: `ID-plan`, `ID-apply`.
    pub id: String,
    /// What lies in the working folder before the first command.
    pub files: Vec<File>,
    /// Shell commands, one after the other in one session: what one exports, sources or changes into holds for those behind it. The
    /// first that fails ends the job.
    pub commands: Vec<String>,
    /// All that commands see beside `PATH`, `HOME`, `TMPDIR` and [`Self::folder_in`].
    pub variables: Vec<(String, String)>,
    /// Names of variables that hold the path of the working folder.
    pub folder_in: Vec<String>,
    /// Values that no line of the output shows.
    pub secrets: Vec<String>,
    /// Paths in the working folder of files that the end of the job carries, where they are there: as text, 4 MB each.
    pub collect: Vec<String>,
    pub limits: Limits,
    pub asked_by: AskedBy,
    /// The image of a runner of containers, where it is not its usual one.
    pub image: Option<String>,
}

/// What asks the processes of a job to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AskedBy {
    #[default]
    Terminate,
    /// As by a person who presses Ctrl-C: for programs whose helpers leave it to them to stop in order.
    Interrupt,
}

/// A file of the working folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Relative, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
}

/// What a job may take. What goes beyond is ended, but for the output, of which only the beginning and the end are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub time: Duration,
    /// Of all its processes together.
    pub memory_bytes: u64,
    pub output_bytes: u64,
    pub processes: u64,
    /// Between being asked to end and being killed.
    pub grace: Duration,
}

impl Default for Limits {
    /// An hour, 4 GB, 16 MB of output, 1,024 processes, ten seconds.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(3600),
            memory_bytes: 4 << 30,
            output_bytes: 16 << 20,
            processes: 1024,
            grace: Duration::from_secs(10),
        }
    }
}

/// Where a job stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Look {
    /// Nobody has started it here.
    Unknown,
    Running(Output),
    /// All it wrote has been read with this look: as long as there is more, it is still told as running.
    Ended(Output, End),
}

/// What a job wrote since a place in its output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub lines: Vec<Line>,
    /// Where the next look goes on.
    pub next: u64,
    /// More is there already.
    pub more: bool,
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// How long ago it was written, in milliseconds.
    pub age_ms: i64,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    pub why: Why,
    /// Of the shell.
    pub exit_code: Option<i32>,
    /// That ended the shell.
    pub signal: Option<i32>,
    /// The command that was under way, counted from 1.
    pub command: Option<(usize, String)>,
    /// Of the output, 20 at most.
    pub last: Vec<String>,
    /// Those of [`Spec::collect`] that were there.
    pub files: Vec<(String, String)>,
}

/// Why a job ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    Succeeded,
    Failed,
    TimedOut(Duration),
    Stopped,
    TooMuchMemory(u64),
    TooManyProcesses(u64),
    /// Whoever watched it is gone, and how its commands ended is not known. It is not run again.
    Interrupted,
    /// No command ran, and why.
    NotStarted(String),
}

impl End {
    /// Without any command that ran.
    pub fn without_command(why: Why) -> Self {
        Self { why, exit_code: None, signal: None, command: None, last: Vec::new(), files: Vec::new() }
    }

    pub fn succeeded(&self) -> bool {
        self.why == Why::Succeeded
    }

    /// A collected file.
    pub fn file(&self, path: &str) -> Option<&str> {
        self.files.iter().find(|(name, _)| name == path).map(|(_, text)| text.as_str())
    }

    /// What happened, for a status message: which command, how it ended, and its last lines.
    pub fn sentence(&self) -> String {
        let command = self.command.as_ref().map_or_else(
            || "the job".to_owned(),
            |(number, text)| format!("command {number} (`{}`)", first_line(text, COMMAND_CHARS)),
        );
        let mut sentence = match &self.why {
            Why::Succeeded => "the job succeeded".to_owned(),
            Why::Failed => match (self.exit_code, self.signal) {
                (Some(code), _) => format!("{command} failed with exit code {code}"),
                (None, Some(signal)) => format!("{command} was ended by signal {signal}"),
                (None, None) => format!("{command} failed"),
            },
            Why::TimedOut(limit) => {
                format!("{command} was ended: the time limit of {} is over", standin_core::duration_text(*limit))
            }
            Why::Stopped => format!("{command} was stopped"),
            Why::TooMuchMemory(limit) => {
                format!("{command} was ended: the job needs more than its limit of {} MB of memory", limit >> 20)
            }
            Why::TooManyProcesses(limit) => {
                format!("{command} was ended: the job has more than its limit of {limit} processes")
            }
            Why::Interrupted => format!(
                "interrupted: {command} was under way when the job's processes were ended from outside; it is not run again by itself"
            ),
            Why::NotStarted(reason) => format!("the job could not be started: {reason}"),
        };
        if !self.last.is_empty() && self.why != Why::Succeeded {
            let _ = write!(sentence, "; its last lines:\n{}", self.last.join("\n"));
        }
        sentence
    }
}

/// The beginning of a text that may have several lines.
pub(crate) fn first_line(text: &str, chars_max: usize) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let whole = line.chars().count() <= chars_max && text.trim().lines().count() <= 1;
    let cut: String = line.chars().take(chars_max).collect();
    if whole { cut } else { format!("{cut} …") }
}

/// What a runner could not do.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("{0}")]
    Refused(String),
    #[error("{path}")]
    File { path: String, source: std::io::Error },
}

impl JobError {
    /// With all its causes.
    pub fn text(&self) -> String {
        match self {
            Self::Refused(reason) => reason.clone(),
            Self::File { path, source } => format!("{path}: {source}"),
        }
    }
}

/// Runs jobs. Every method is quick, and may be called again.
pub trait Runner: Send + Sync {
    /// Names where the jobs of this runner live: on which host, in which folder. Another place does not know them.
    fn place(&self) -> String;

    /// Starts a job, unless one of its id was started or stopped before.
    ///
    /// # Errors
    /// Where it cannot be started: what would have to be different.
    fn start<'a>(&'a self, spec: &'a Spec) -> BoxFuture<'a, Result<(), JobError>>;

    /// Tells how a job goes, and what it wrote behind a place in its output; the first look begins at 0.
    ///
    /// # Errors
    /// Where the job's files cannot be read, or who runs it does not answer: to be tried again.
    fn look<'a>(&'a self, id: &'a str, from: u64) -> BoxFuture<'a, Result<Look, JobError>>;

    /// Asks a job to end, and kills it where it does not; [`Self::look`] tells when it has. One that was never started will not start
    /// any more.
    ///
    /// # Errors
    /// As [`Self::look`].
    fn stop<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), JobError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(why: Why, exit_code: Option<i32>, expect: &str) {
        let end = End {
            exit_code,
            command: Some((2, "npm test\nnpm run".to_owned())),
            last: vec!["a".to_owned(), "b".to_owned()],
            ..End::without_command(why)
        };
        assert_eq!(end.sentence(), expect);
    }

    #[test]
    fn ends_are_told() {
        check(Why::Failed, Some(3), "command 2 (`npm test …`) failed with exit code 3; its last lines:\na\nb");
        check(
            Why::TimedOut(Duration::from_secs(90)),
            None,
            "command 2 (`npm test …`) was ended: the time limit of 1m30s is over; its last lines:\na\nb",
        );
        check(Why::Succeeded, Some(0), "the job succeeded");
        let nothing = End::without_command(Why::NotStarted("no sh".to_owned()));
        assert_eq!(nothing.sentence(), "the job could not be started: no sh");
    }
}
