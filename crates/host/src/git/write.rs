//! Writing to a repository: a commit made without a work tree, and pushed as a new branch.

use super::run::Run;
use super::{GitError, Mirror, ObjectId, is_path, reference};

/// Who made a commit, as it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    pub name: String,
    pub email: String,
}

/// Files to be proposed on a branch of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The new branch.
    pub branch: String,
    /// The commit that it goes out from, which [`Mirror::fetch`] brought.
    pub base: ObjectId,
    /// Paths from the root, and contents.
    pub put: Vec<(String, Vec<u8>)>,
    /// Files that are no more.
    pub remove: Vec<String>,
    /// The first line says it all; more may follow after an empty one.
    pub message: String,
    pub author: Author,
    /// Seconds since 1970. The same change gives the same commit.
    pub at: i64,
}

/// A branch that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    pub commit: ObjectId,
    /// Whether it was there before, as after a crash: the name of a branch tells what it is for, so it is not pushed again.
    pub found: bool,
}

impl Mirror {
    /// Pushes a change as a branch, once: a branch of this name that is there already is left as it is.
    ///
    /// # Errors
    /// [`GitError::Refused`] for names and paths that lead elsewhere, and whatever the remote says.
    pub async fn propose(&self, change: &Change) -> Result<Proposed, GitError> {
        self.checked_branch(&change.branch)?;
        if let Some(commit) = self.heads(&[&change.branch]).await?.into_iter().next().flatten() {
            return Ok(Proposed { commit, found: true });
        }
        let commit = self.commit(change).await?;
        match self.push(&commit, &change.branch).await {
            Ok(()) => Ok(Proposed { commit, found: false }),
            Err(GitError::Raced { url, .. }) => {
                match self.heads(&[&change.branch]).await?.into_iter().next().flatten() {
                    Some(commit) => Ok(Proposed { commit, found: true }),
                    None => Err(GitError::Raced { url, branch: change.branch.clone() }),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Makes the commit of a change in the mirror.
    ///
    /// # Errors
    /// As [`Self::propose`].
    pub async fn commit(&self, change: &Change) -> Result<ObjectId, GitError> {
        let folder = self.need(&change.base).await?;
        let lock = self.shared.lock_of(&folder).lock_owned();
        let busy = |_| GitError::Busy { url: self.remote.url.to_string() };
        let _guard = tokio::time::timeout(self.limits().patience, lock).await.map_err(busy)?;
        let stream = self.stream(change)?;
        let run = Run::new(&self.shared, "fast-import").with(["--quiet", "--force", "--done", "--date-format=raw"]);
        let ran = run.input(stream).within(&folder).well().await?;
        ObjectId::parse(ran.text().lines().next_back().unwrap_or_default())
    }

    /// The change as git's fast-import reads it; it tells the id of the commit.
    fn stream(&self, change: &Change) -> Result<Vec<u8>, GitError> {
        let line = |text: &str| text.chars().filter(|c| !c.is_control() && !"<>".contains(*c)).collect::<String>();
        let who = format!("{} <{}> {} +0000", line(&change.author.name), line(&change.author.email), change.at.max(0));
        let message = change.message.replace('\0', "");
        let mut stream = Vec::new();
        let reference = reference("proposed", &change.branch);
        stream.extend(format!("commit {reference}\nmark :1\nauthor {who}\ncommitter {who}\n").bytes());
        stream.extend(format!("data {}\n{message}\nfrom {}\n", message.len(), change.base).bytes());
        for path in &change.remove {
            stream.extend(format!("D {}\n", self.quoted(path)?).bytes());
        }
        for (path, content) in &change.put {
            stream.extend(format!("M 100644 inline {}\ndata {}\n", self.quoted(path)?, content.len()).bytes());
            stream.extend(content);
            stream.push(b'\n');
        }
        stream.extend(b"\nget-mark :1\ndone\n");
        Ok(stream)
    }

    fn quoted(&self, path: &str) -> Result<String, GitError> {
        if !is_path(path) {
            return Err(GitError::Refused(format!("{path:?} is no path inside of {}", self.remote.url)));
        }
        // No control characters and no backslashes are left.
        Ok(format!("\"{}\"", path.replace('"', "\\\"")))
    }

    /// Pushes a commit as a branch that is not there yet.
    pub(super) async fn push(&self, commit: &ObjectId, branch: &str) -> Result<(), GitError> {
        let folder = self.folder(commit);
        let lease = format!("--force-with-lease=refs/heads/{branch}:");
        let refspec = format!("{commit}:refs/heads/{branch}");
        self.send(&folder, &[&lease, "--", self.remote.url.as_str(), &refspec]).await
    }

    /// Deletes a branch of the remote; false where it has none of this name.
    ///
    /// # Errors
    /// Whatever the remote says.
    pub async fn delete_branch(&self, branch: &str) -> Result<bool, GitError> {
        let Some(head) = self.heads(&[branch]).await?.into_iter().next().flatten() else { return Ok(false) };
        let folder = self.folder(&head);
        let lock = self.shared.lock_of(&folder);
        {
            let _guard = lock.lock().await;
            self.init(&folder, &head).await?;
        }
        let lease = format!("--force-with-lease=refs/heads/{branch}:{head}");
        let refspec = format!(":refs/heads/{branch}");
        match self.send(&folder, &[&lease, "--", self.remote.url.as_str(), &refspec]).await {
            Ok(()) => Ok(true),
            Err(GitError::Raced { url, .. }) => match self.heads(&[branch]).await?.first() {
                Some(None) => Ok(false),
                _ => Err(GitError::Raced { url, branch: branch.to_owned() }),
            },
            Err(error) => Err(error),
        }
    }

    async fn send(&self, folder: &std::path::Path, arguments: &[&str]) -> Result<(), GitError> {
        let run =
            Run::new(&self.shared, "push").with(["--porcelain", "--quiet", "--no-verify", "--no-recurse-submodules"]);
        run.with(arguments).of(&self.remote).within(folder).well().await.map(drop)
    }
}
