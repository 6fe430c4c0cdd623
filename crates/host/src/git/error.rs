//! What can go wrong with a repository.

/// Why something could not be done with a repository. The texts have no credentials in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    #[error("the program git was not found: install it where standin's PATH has it")]
    NoProgram,
    /// Nothing was done, and trying again does not help.
    #[error("{0}")]
    Refused(String),
    #[error("there is no repository at {url}, or it may not be seen: {said}")]
    NoRepository { url: String, said: String },
    #[error("{url} has no branch {branch}")]
    NoBranch { url: String, branch: String },
    #[error("{url} does not let standin in; give it a credential: {said}")]
    Denied { url: String, said: String },
    #[error("{url} cannot be reached: {said}")]
    Unreachable { url: String, said: String },
    #[error("the repository {url} is larger than {limit} bytes")]
    TooBig { url: String, limit: u64 },
    /// It goes on, and is done sooner or later.
    #[error("{url} is still being fetched")]
    Busy { url: String },
    #[error("another has pushed to the branch {branch} of {url} at the same time")]
    Raced { url: String, branch: String },
    #[error("{url} refuses the push: {said}")]
    Rejected { url: String, said: String },
    #[error("git {command} took longer than {seconds} s")]
    TimedOut { command: String, seconds: u64 },
    #[error("git {command} told more than {limit} bytes")]
    TooMuch { command: String, limit: usize },
    #[error("git {command} failed: {said}")]
    Failed { command: String, said: String },
}

impl GitError {
    /// Whether the same may go well later without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Busy { .. }
                | Self::Raced { .. }
                | Self::TimedOut { .. }
                | Self::Failed { .. }
        )
    }

    /// What git said when it talked to a remote, sorted.
    pub(super) fn of_remote(url: &str, command: &str, said: &str) -> Self {
        let said_all = said;
        let said = brief(said);
        let url = url.to_owned();
        let has = |words: &[&str]| words.iter().any(|word| said_all.contains(word));
        if has(&[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "Permission denied",
            "Host key verification failed",
            "returned error: 401",
            "returned error: 403",
            "access denied",
        ]) {
            Self::Denied { url, said }
        } else if has(&[
            "does not appear to be a git repository",
            "not a git repository",
            "not found",
            "does not exist",
            "No such file or directory",
            "unable to find remote helper",
        ]) {
            Self::NoRepository { url, said }
        } else if has(&[
            "[rejected]",
            "stale info",
            "fetch first",
            "non-fast-forward",
            "failed to update ref",
            "cannot lock ref",
        ]) {
            Self::Raced { url, branch: String::new() }
        } else if has(&["[remote rejected]", "pre-receive hook declined", "protected branch"]) {
            Self::Rejected { url, said }
        } else if has(&[
            "Could not resolve host",
            "unable to access",
            "Connection",
            "connect to host",
            "timed out",
            "early EOF",
            "hung up",
            "RPC failed",
            "Could not read from remote repository",
            "returned error: 5",
            "returned error: 429",
        ]) {
            Self::Unreachable { url, said }
        } else {
            Self::Failed { command: command.to_owned(), said }
        }
    }
}

/// The lines that tell most, bounded.
pub(super) fn brief(said: &str) -> String {
    const BYTES_MAX: usize = 600;
    let telling = |line: &&str| {
        ["fatal:", "error:", "remote:", " ! ", "!\t"].iter().any(|start| line.starts_with(start)) && line.len() > 8
    };
    let lines: Vec<&str> = said.lines().filter(telling).map(str::trim_end).collect();
    let mut text = if lines.is_empty() { said.trim().replace('\n', "; ") } else { lines.join("; ") };
    if text.len() > BYTES_MAX {
        let end = text.floor_char_boundary(BYTES_MAX);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: &str, expect: fn(&GitError) -> bool) {
        let error = GitError::of_remote("https://h/a", "fetch", said);
        assert!(expect(&error), "{said}: {error:?}");
    }

    #[test]
    fn what_git_says_is_sorted() {
        check("fatal: Authentication failed for 'https://h/a/'", |e| matches!(e, GitError::Denied { .. }));
        check("fatal: could not read Username for 'https://h': terminal prompts disabled", |e| {
            matches!(e, GitError::Denied { .. })
        });
        check(
            "fatal: '/x' does not appear to be a git repository\nfatal: Could not read from remote repository.",
            |e| matches!(e, GitError::NoRepository { .. }),
        );
        check("fatal: unable to access 'https://h/a/': Could not resolve host: h", GitError::is_passing);
        check("!\tabc:refs/heads/x\t[rejected] (stale info)", |e| matches!(e, GitError::Raced { .. }));
        check("!\tabc:refs/heads/x\t[remote rejected] (pre-receive hook declined)", |e| {
            matches!(e, GitError::Rejected { .. })
        });
        check("fatal: something", |e| matches!(e, GitError::Failed { .. }));
    }

    #[test]
    fn messages_are_short() {
        assert_eq!(brief("hint: x\nfatal: no such thing\n"), "fatal: no such thing");
        assert_eq!(brief("a\nb\n"), "a; b");
        assert!(brief(&"ü".repeat(2000)).len() < 700);
    }
}
