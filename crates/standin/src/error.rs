//! What a command fails with: a kind that gives the exit code, the cause, and hints on what to do.

use std::fmt::{Display, Write as _};
use std::io;
use std::process::ExitCode;

/// Why a command ended without success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line, a setting or an input is wrong.
    Usage,
    /// It could not be done.
    Failure,
    /// A service answered with an error. The exit code is the AWS CLI's.
    Service,
    /// The command to run does not exist, or cannot be run. The exit codes are those of shells.
    NotFound,
    NotRunnable,
    /// What was to be done could not even begin.
    Prevented,
    /// It took too long. The exit code is that of `timeout`.
    TimedOut,
    /// Somebody ended it. The exit code is that of shells.
    Interrupted,
    /// Nobody reads the output any more (`standin services | head`). Not worth a word.
    Closed,
}

impl Kind {
    fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Failure => 1,
            Self::Service => 254,
            Self::NotFound => 127,
            Self::NotRunnable => 126,
            Self::Prevented => 3,
            Self::TimedOut => 124,
            Self::Interrupted => 130,
            Self::Closed => 0,
        }
    }
}

/// A failed command.
#[derive(Debug)]
pub struct CommandError {
    pub kind: Kind,
    pub error: anyhow::Error,
    /// Each a sentence of its own.
    pub hints: Vec<String>,
}

impl CommandError {
    fn new(kind: Kind, error: impl Into<anyhow::Error>) -> Self {
        Self { kind, error: error.into(), hints: Vec::new() }
    }

    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Usage, error)
    }

    pub fn failure(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Kind::Failure, error)
    }

    /// A command that could not be started.
    pub fn not_started(command: &std::ffi::OsStr, error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::NotFound { Kind::NotFound } else { Kind::NotRunnable };
        Self::new(kind, anyhow::Error::new(error).context(format!("cannot run {}", command.display())))
    }

    pub fn service(message: impl Display) -> Self {
        Self::new(Kind::Service, anyhow::anyhow!("{message}"))
    }

    /// A write to standard output or error that failed.
    pub fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::new(Kind::Closed, error);
        }
        Self::failure(anyhow::Error::new(error).context("cannot write the output"))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds "did you mean" where there is something that may have been meant.
    #[must_use]
    pub fn near(self, near: &[&str]) -> Self {
        match near {
            [] => self,
            [one] => self.hint(format!("did you mean {one}?")),
            [most @ .., last] => self.hint(format!("did you mean {} or {last}?", most.join(", "))),
        }
    }

    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.exit_code())
    }

    /// The error as people read it: message, causes, hints, each on a line. Empty when there is nothing to say.
    pub fn report(&self) -> String {
        let mut text = String::new();
        if matches!(self.kind, Kind::Closed | Kind::Interrupted) {
            return text;
        }
        let _ = writeln!(text, "error: {}", self.error);
        for cause in self.error.chain().skip(1) {
            let _ = writeln!(text, "  because: {cause}");
        }
        for hint in &self.hints {
            let _ = writeln!(text, "  hint: {hint}");
        }
        text
    }
}

/// Adds what was attempted to an error and makes it a failure.
pub trait Attempt<T> {
    /// # Errors
    /// The error, with `doing` in front.
    fn attempt(self, doing: impl Display) -> Result<T, CommandError>;
}

impl<T, E: Into<anyhow::Error>> Attempt<T> for Result<T, E> {
    fn attempt(self, doing: impl Display) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::failure(error.into().context(doing.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_causes_and_hints() {
        let error = Err::<(), _>(io::Error::other("no such thing")).attempt("cannot read x").expect_err("failed");
        let error = error.near(&["a", "b", "c"]).hint("look again");
        assert_eq!(
            error.report(),
            "error: cannot read x\n  because: no such thing\n  hint: did you mean a, b or c?\n  hint: look again\n"
        );
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let error = CommandError::output(io::ErrorKind::BrokenPipe.into());
        assert_eq!(error.kind.exit_code(), 0);
        assert_eq!(error.report(), "");
    }
}
