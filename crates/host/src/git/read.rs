//! Reading a mirror: lists of folders, files, history.

use std::collections::BTreeMap;

use super::run::Run;
use super::{GitError, Mirror, ObjectId, is_path};

/// Commits that are looked at for what a squashed merge left.
const HISTORY_MAX: &str = "--max-count=500";

/// Something in a folder of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// From the root of the repository.
    pub path: String,
    pub kind: Kind,
    /// Of its content: two folders with the same id have the same files.
    pub id: ObjectId,
    /// Of files and links.
    pub bytes: u64,
}

/// What an entry is. Only files are ever read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    /// A symbolic link, which is never followed.
    Link,
    /// A submodule, which is never fetched.
    Module,
}

impl Mirror {
    /// What lies directly in a folder of a commit; the root has the name "". A folder that is not there is empty.
    ///
    /// # Errors
    /// Where the commit cannot be had, or names in it would lead elsewhere.
    pub async fn list(&self, commit: &ObjectId, folder: &str) -> Result<Vec<Entry>, GitError> {
        self.tree(commit, folder, false).await
    }

    /// All files, links and submodules below a folder of a commit.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_all(&self, commit: &ObjectId, folder: &str) -> Result<Vec<Entry>, GitError> {
        self.tree(commit, folder, true).await
    }

    async fn tree(&self, commit: &ObjectId, folder: &str, all: bool) -> Result<Vec<Entry>, GitError> {
        let folder = folder.trim_end_matches('/');
        if !folder.is_empty() {
            checked(folder)?;
        }
        let path = if folder.is_empty() { Vec::new() } else { vec![format!("{folder}/")] };
        self.entries(commit, all, path).await
    }

    /// The entry at a path itself: its id tells whether anything in it has changed.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn entry(&self, commit: &ObjectId, path: &str) -> Result<Option<Entry>, GitError> {
        checked(path)?;
        Ok(self.entries(commit, false, vec![path.to_owned()]).await?.into_iter().next())
    }

    async fn entries(&self, commit: &ObjectId, all: bool, paths: Vec<String>) -> Result<Vec<Entry>, GitError> {
        let mirror = self.need(commit).await?;
        let run = Run::new(&self.shared, "ls-tree").with(["-l", "-z", "--full-tree"]);
        let run = run.with(all.then_some("-r")).with([commit.as_str(), "--"]).with(paths);
        let ran = run.within(&mirror).well().await?;
        let mut entries = Vec::new();
        for line in ran.output.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let strange = || GitError::Refused(format!("{} has a file with a name that is none", self.remote.url));
            let line = std::str::from_utf8(line).map_err(|_| strange())?;
            let (about, path) = line.split_once('\t').ok_or_else(strange)?;
            let mut about = about.split_ascii_whitespace();
            let (Some(mode), Some(kind), Some(id), Some(size)) =
                (about.next(), about.next(), about.next(), about.next())
            else {
                return Err(strange());
            };
            checked(path)?;
            let kind = match (mode, kind) {
                ("120000", _) => Kind::Link,
                (_, "tree") => Kind::Folder,
                (_, "commit") => Kind::Module,
                _ => Kind::File,
            };
            let bytes = size.parse().unwrap_or_default();
            entries.push(Entry { path: path.to_owned(), kind, id: ObjectId::parse(id)?, bytes });
        }
        Ok(entries)
    }

    /// A file of a commit; nothing where there is none at this path, or a link or folder.
    ///
    /// # Errors
    /// [`GitError::Refused`] where it is larger than `most` bytes; as [`Self::list`] else.
    pub async fn read(&self, commit: &ObjectId, path: &str, most: u64) -> Result<Option<Vec<u8>>, GitError> {
        let Some(entry) = self.entry(commit, path).await?.filter(|entry| entry.kind == Kind::File) else {
            return Ok(None);
        };
        Ok(self.contents(commit, &[entry], most).await?.pop())
    }

    /// The files below a folder of a commit, by their paths from that folder. Links and submodules are left out.
    ///
    /// # Errors
    /// [`GitError::Refused`] where they are larger than `most` bytes together; as [`Self::list`] else.
    pub async fn read_all(
        &self,
        commit: &ObjectId,
        folder: &str,
        most: u64,
    ) -> Result<BTreeMap<String, Vec<u8>>, GitError> {
        let mut entries = self.list_all(commit, folder).await?;
        entries.retain(|entry| entry.kind == Kind::File);
        let contents = self.contents(commit, &entries, most).await?;
        let folder = folder.trim_end_matches('/');
        let below = |path: &str| path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/').to_owned();
        Ok(entries.iter().map(|entry| below(&entry.path)).zip(contents).collect())
    }

    /// The bytes of files that [`Self::list`] told of, in their order.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub async fn contents(&self, commit: &ObjectId, of: &[Entry], most: u64) -> Result<Vec<Vec<u8>>, GitError> {
        let total: u64 = of.iter().map(|entry| entry.bytes).sum();
        if total > most {
            let what = if let [one] = of { format!("{} has", one.path) } else { format!("{} files have", of.len()) };
            return Err(GitError::Refused(format!("{what} {total} bytes; {most} at most are read")));
        }
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let mirror = self.need(commit).await?;
        let asked: String = of.iter().map(|entry| format!("{}\n", entry.id)).collect();
        // Each is told with a line about it.
        let output = usize::try_from(total).unwrap_or(usize::MAX).saturating_add(of.len() * 128);
        let run = Run::new(&self.shared, "cat-file").with(["--batch"]).input(asked.into_bytes());
        let ran = run.within(&mirror).output_bytes_max(output).well().await?;
        let broken = || GitError::Failed { command: "cat-file".into(), said: "it told less than it was asked".into() };
        let mut rest = ran.output.as_slice();
        let mut contents = Vec::with_capacity(of.len());
        for entry in of {
            let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
            if !rest[..end].ends_with(format!(" blob {}", entry.bytes).as_bytes()) {
                return Err(broken());
            }
            let size = usize::try_from(entry.bytes).map_err(|_| broken())?;
            contents.push(rest.get(end + 1..end + 1 + size).ok_or_else(broken)?.to_vec());
            rest = rest.get(end + 1 + size + 1..).ok_or_else(broken)?;
        }
        Ok(contents)
    }

    /// Whether a commit is in the history of another, or is it.
    ///
    /// # Errors
    /// Where `head` cannot be had. A commit that nobody knows any more is in no history.
    pub async fn is_in(&self, commit: &ObjectId, head: &ObjectId) -> Result<bool, GitError> {
        let mirror = self.need(head).await?;
        if commit.as_str().len() != head.as_str().len() || !self.has(commit).await? {
            return Ok(false);
        }
        let run = Run::new(&self.shared, "merge-base").with(["--is-ancestor", commit.as_str(), head.as_str()]);
        let ran = run.within(&mirror).any().await?;
        match ran.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::Failed { command: "merge-base".into(), said: super::error::brief(&ran.said) }),
        }
    }

    /// Whether a proposed commit was merged into a branch whose newest commit is `head`: as it is, or squashed or rebased, so that some
    /// commit since `base` has the same content at all `paths`.
    ///
    /// # Errors
    /// As [`Self::is_in`].
    pub async fn is_merged(
        &self,
        proposed: &ObjectId,
        base: &ObjectId,
        head: &ObjectId,
        paths: &[String],
    ) -> Result<bool, GitError> {
        if self.is_in(proposed, head).await? {
            return Ok(true);
        }
        if paths.is_empty() || !self.has(proposed).await? {
            return Ok(false);
        }
        for path in paths {
            checked(path)?;
        }
        let mirror = self.need(head).await?;
        let wanted = self.ids(proposed, paths).await?;
        let mut since = vec![HISTORY_MAX.to_owned(), head.to_string()];
        if self.has(base).await? {
            since.push(format!("^{base}"));
        }
        let run = Run::new(&self.shared, "rev-list").with(since).with(["--"]).with(paths).within(&mirror);
        for commit in run.well().await?.text().lines() {
            if self.ids(&ObjectId::parse(commit)?, paths).await? == wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The ids of what is at some paths.
    async fn ids(&self, commit: &ObjectId, paths: &[String]) -> Result<Vec<(String, ObjectId)>, GitError> {
        let entries = self.entries(commit, false, paths.to_vec()).await?;
        Ok(entries.into_iter().map(|entry| (entry.path, entry.id)).collect())
    }
}

fn checked(path: &str) -> Result<(), GitError> {
    if is_path(path) {
        return Ok(());
    }
    Err(GitError::Refused(format!("{path:?} is no path inside of a repository")))
}
