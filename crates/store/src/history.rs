//! State like git: named points in time of the whole state, to go back to and to branch from.
//!
//! A commit names the content of every table. In memory that is the table itself, shared, so committing and checking out
//! cost next to nothing whatever the size. In a directory it is files named by the hash of what they hold, each with some
//! rows of a table: what has not changed is written once. There should be one history per store: what of the store is
//! known to be unchanged since the last commit is not read again.

mod files;

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use standin_core::BoxFuture;
use tokio::sync::Mutex;

use self::files::{Files, Stored};
use crate::memory::Rows;
use crate::{
    Change, LoadMode, Row, Selector, SharedRows, Store, StoreError, Table, View, diff::diff, dump::copy_table,
};

/// What the first branch is called.
const MAIN: &str = "main";
/// Rows that are read at once.
const PAGE: usize = 500;
/// The shortest beginning of a commit's name that stands for it.
const NAME_CHARS_MIN: usize = 4;

/// Where commits are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryHome {
    /// Gone with the process.
    Memory,
    /// In a directory of their own, which is made where there is none.
    Directory(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("nothing has changed since the last commit")]
    NothingToCommit,
    #[error("no branch and no commit is called {name}")]
    Unknown { name: String },
    #[error("more than one commit begins with {name}")]
    Ambiguous { name: String },
    #[error("there is a branch {name} already")]
    BranchExists { name: String },
    #[error("{name} is no name for a branch: letters, digits, `.`, `_`, `/` and `-` are")]
    BranchName { name: String },
    #[error("{name} is checked out")]
    BranchInUse { name: String },
    #[error("there is no commit yet")]
    NoCommit,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A point in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitInfo {
    /// Of all that it holds and comes from: 64 hexadecimal digits.
    #[serde(skip)]
    pub id: String,
    pub parent: Option<String>,
    pub message: String,
    /// Milliseconds since 1970 of the caller's clock.
    pub time_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BranchInfo {
    pub name: String,
    /// Its last commit.
    pub commit: Option<String>,
    /// The next commit goes here.
    pub current: bool,
}

/// Commits and branches of one store.
#[derive(Debug)]
pub struct History {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Option<Files>,
    commits: HashMap<String, Commit>,
    refs: Refs,
    /// By table: its mark in the store, and what it holds as long as that is its mark.
    known: HashMap<Table, (u64, Content)>,
}

#[derive(Clone, Debug)]
struct Commit {
    info: CommitInfo,
    tables: Arc<BTreeMap<Table, Content>>,
}

/// What a table holds.
#[derive(Clone, Debug)]
enum Content {
    /// In memory; `name` differs where the rows do.
    Shared {
        name: String,
        rows: SharedRows,
    },
    Stored(Stored),
}

impl Content {
    fn name(&self) -> &str {
        match self {
            Self::Shared { name, .. } | Self::Stored(Stored { name, .. }) => name,
        }
    }
}

/// What names point at.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refs {
    /// Nothing for a commit that was checked out by its own name.
    branch: Option<String>,
    head: Option<String>,
    branches: BTreeMap<String, String>,
}

impl History {
    /// Opens what is there, or begins.
    ///
    /// # Errors
    /// [`StoreError::Backend`] where files cannot be read, [`StoreError::Damaged`] where they make no sense.
    pub async fn open(home: &HistoryHome) -> Result<Self, StoreError> {
        let refs = Refs { branch: Some(MAIN.to_owned()), head: None, branches: BTreeMap::new() };
        let mut inner = Inner { files: None, commits: HashMap::new(), refs, known: HashMap::new() };
        if let HistoryHome::Directory(path) = home {
            let files = Files::open(path)?;
            inner.refs = files.refs()?.unwrap_or(inner.refs);
            for (info, tables) in files.commits()? {
                let tables = tables.into_iter().map(|(table, stored)| (table, Content::Stored(stored))).collect();
                inner.commits.insert(info.id.clone(), Commit { info, tables: Arc::new(tables) });
            }
            inner.files = Some(files);
        }
        Ok(Self { inner: Mutex::new(inner) })
    }

    /// Commits the whole state to the current branch.
    ///
    /// # Errors
    /// [`HistoryError::NothingToCommit`] where it is as it was at the last commit.
    pub async fn commit(&self, store: &dyn Store, message: &str, time_ms: i64) -> Result<CommitInfo, HistoryError> {
        let mut inner = self.inner.lock().await;
        let tables = inner.tables_of(store).await?;
        let parent = inner.refs.head.clone();
        if let Some(parent) = parent.as_ref().and_then(|id| inner.commits.get(id))
            && same(&parent.tables, &tables)
        {
            return Err(HistoryError::NothingToCommit);
        }
        let mut info = CommitInfo { id: String::new(), parent, message: message.to_owned(), time_ms };
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&info).expect("strings and numbers are JSON"));
        for (table, content) in &tables {
            hash.update(format!("\n{table}\0{}", content.name()));
        }
        info.id = hex(&hash.finalize());
        if let Some(files) = &inner.files {
            let stored = tables.iter().filter_map(|(table, content)| match content {
                Content::Stored(stored) => Some((table, stored)),
                Content::Shared { .. } => None,
            });
            files.write_commit(&info, stored)?;
        }
        inner.commits.insert(info.id.clone(), Commit { info: info.clone(), tables: Arc::new(tables) });
        let mut refs = inner.refs.clone();
        refs.head = Some(info.id.clone());
        if let Some(branch) = &refs.branch {
            refs.branches.insert(branch.clone(), info.id.clone());
        }
        inner.set_refs(refs)?;
        Ok(info)
    }

    /// The commits that a branch or commit comes from, the last one first; without a name, those of the current state.
    pub async fn log(&self, name: Option<&str>) -> Result<Vec<CommitInfo>, HistoryError> {
        let inner = self.inner.lock().await;
        let mut next = match name {
            Some(name) => Some(inner.find(name)?.info.id.clone()),
            None => inner.refs.head.clone(),
        };
        let mut log = Vec::new();
        while let Some(commit) = next.as_ref().and_then(|id| inner.commits.get(id)) {
            log.push(commit.info.clone());
            next = commit.info.parent.clone();
        }
        Ok(log)
    }

    /// All branches, sorted.
    pub async fn branches(&self) -> Vec<BranchInfo> {
        let inner = self.inner.lock().await;
        let mut names: Vec<&String> = inner.refs.branches.keys().chain(&inner.refs.branch).collect();
        names.sort();
        names.dedup();
        let info = |name: &String| BranchInfo {
            name: name.clone(),
            commit: inner.refs.branches.get(name).cloned(),
            current: inner.refs.branch.as_ref() == Some(name),
        };
        names.into_iter().map(info).collect()
    }

    /// Makes a branch at a branch or commit, or at the current one. It is not checked out.
    pub async fn branch(&self, name: &str, at: Option<&str>) -> Result<BranchInfo, HistoryError> {
        let mut inner = self.inner.lock().await;
        let plain = |char: char| char.is_ascii_alphanumeric() || "._/-".contains(char);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(HistoryError::BranchName { name: name.to_owned() });
        }
        if inner.refs.branches.contains_key(name) || inner.refs.branch.as_deref() == Some(name) {
            return Err(HistoryError::BranchExists { name: name.to_owned() });
        }
        let commit = match at {
            Some(at) => inner.find(at)?.info.id.clone(),
            None => inner.refs.head.clone().ok_or(HistoryError::NoCommit)?,
        };
        let mut refs = inner.refs.clone();
        refs.branches.insert(name.to_owned(), commit.clone());
        inner.set_refs(refs)?;
        Ok(BranchInfo { name: name.to_owned(), commit: Some(commit), current: false })
    }

    /// Forgets a branch, not its commits.
    pub async fn delete_branch(&self, name: &str) -> Result<(), HistoryError> {
        let mut inner = self.inner.lock().await;
        if inner.refs.branch.as_deref() == Some(name) {
            return Err(HistoryError::BranchInUse { name: name.to_owned() });
        }
        let mut refs = inner.refs.clone();
        if refs.branches.remove(name).is_none() {
            return Err(HistoryError::Unknown { name: name.to_owned() });
        }
        Ok(inner.set_refs(refs)?)
    }

    /// Puts the state of a branch or commit into the place of what the store holds. What was not committed is lost.
    /// What others write meanwhile is lost too, or stays where nothing else of its table has changed.
    pub async fn checkout(&self, store: Arc<dyn Store>, name: &str) -> Result<CommitInfo, HistoryError> {
        let mut inner = self.inner.lock().await;
        let Commit { info, tables } = inner.find(name)?.clone();
        let mut view = store.view().await?;
        let mut keep = Vec::new();
        for (table, content) in &*tables {
            if inner.known_content(table, view.mark(table)).is_some_and(|known| known.name() == content.name()) {
                keep.push(table.clone());
            }
        }
        drop(view);
        let mode = LoadMode::Replace { picked: Selector::all(), keep: keep.clone() };
        let mut loader = store.load(mode).await?;
        let mut shared = Vec::new();
        for (table, content) in tables.iter().filter(|(table, _)| !keep.contains(table)) {
            if let Content::Shared { rows, .. } = content
                && rows.0.has_versions()
                && loader.share(table, rows)
            {
                shared.push(table);
                continue;
            }
            let mut rows = Snapshot::new(inner.files.clone(), tables.clone());
            copy_table(&mut rows, table, &mut *loader).await?;
        }
        let revision = loader.finish().await?;
        let swapped = tables.iter().filter(|(table, _)| !keep.contains(table));
        for (table, content) in swapped {
            let mark = match content {
                Content::Shared { rows, .. } if shared.contains(&table) => rows.0.changed(),
                _ => revision,
            };
            inner.known.insert(table.clone(), (mark, content.clone()));
        }
        let mut refs = inner.refs.clone();
        refs.branch = refs.branches.contains_key(name).then(|| name.to_owned());
        refs.head = Some(info.id.clone());
        inner.set_refs(refs)?;
        Ok(info)
    }

    /// The state of a branch or commit: for saving it, or comparing.
    pub async fn view(&self, name: &str) -> Result<Box<dyn View>, HistoryError> {
        let inner = self.inner.lock().await;
        Ok(Box::new(Snapshot::new(inner.files.clone(), inner.find(name)?.tables.clone())))
    }

    /// What has changed from one branch or commit to another. Without names: from the last commit; to what the store
    /// holds now.
    pub async fn diff(
        &self,
        store: &dyn Store,
        from: Option<&str>,
        to: Option<&str>,
        picked: &Selector,
    ) -> Result<Vec<Change>, HistoryError> {
        let from = match from {
            Some(name) => name.to_owned(),
            None => self.inner.lock().await.refs.head.clone().ok_or(HistoryError::NoCommit)?,
        };
        let mut before = self.view(&from).await?;
        let mut after = match to {
            Some(name) => self.view(name).await?,
            None => store.view().await?,
        };
        Ok(diff(&mut *before, &mut *after, picked).await?)
    }
}

impl Inner {
    /// Finds a commit by the name of a branch, its own, or the beginning of its own.
    fn find(&self, name: &str) -> Result<&Commit, HistoryError> {
        let unknown = || HistoryError::Unknown { name: name.to_owned() };
        if name == "HEAD" {
            let head = self.refs.head.as_ref().ok_or(HistoryError::NoCommit)?;
            return self.commits.get(head).ok_or_else(unknown);
        }
        let id = self.refs.branches.get(name).map_or(name, String::as_str);
        if let Some(commit) = self.commits.get(id) {
            return Ok(commit);
        }
        if name.len() < NAME_CHARS_MIN {
            return Err(unknown());
        }
        let mut begin_so = self.commits.values().filter(|commit| commit.info.id.starts_with(name));
        let found = begin_so.next().ok_or_else(unknown)?;
        if begin_so.next().is_some() {
            return Err(HistoryError::Ambiguous { name: name.to_owned() });
        }
        Ok(found)
    }

    fn set_refs(&mut self, refs: Refs) -> Result<(), StoreError> {
        if let Some(files) = &self.files {
            files.write_refs(&refs)?;
        }
        self.refs = refs;
        Ok(())
    }

    /// What a table is known to hold, if its mark is still the same.
    fn known_content(&self, table: &Table, mark: Option<u64>) -> Option<&Content> {
        let (known, content) = self.known.get(table)?;
        (Some(*known) == mark).then_some(content)
    }

    /// What the store holds now.
    async fn tables_of(&mut self, store: &dyn Store) -> Result<BTreeMap<Table, Content>, StoreError> {
        let mut view = store.view().await?;
        let mut tables = BTreeMap::new();
        for table in view.tables(&Selector::all()).await? {
            let mark = view.mark(&table);
            let content = match self.known_content(&table, mark) {
                Some(known) => known.clone(),
                None => self.content_of(&mut *view, &table).await?,
            };
            if let Some(mark) = mark {
                self.known.insert(table.clone(), (mark, content.clone()));
            }
            tables.insert(table, content);
        }
        Ok(tables)
    }

    async fn content_of(&self, view: &mut dyn View, table: &Table) -> Result<Content, StoreError> {
        if let Some(files) = &self.files {
            return Ok(Content::Stored(files.write_table(view, table).await?));
        }
        if let Some(rows) = view.shared(table) {
            return Ok(Content::Shared { name: format!("mark {}", rows.0.changed()), rows });
        }
        // Of a store that is not in memory, kept there all the same.
        let (mut rows, mut hash) = (Rows::copied(), Sha256::new());
        let mut after: Option<Arc<str>> = None;
        loop {
            let page = view.page(table, after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for row in page {
                hash.update(files::line(table, &row)?);
                rows.put(row, 0);
            }
        }
        Ok(Content::Shared { name: hex(&hash.finalize()), rows: SharedRows(rows) })
    }
}

fn same(one: &BTreeMap<Table, Content>, other: &BTreeMap<Table, Content>) -> bool {
    let names = |tables: &BTreeMap<Table, Content>| {
        tables.iter().map(|(table, content)| (table.clone(), content.name().to_owned())).collect::<Vec<_>>()
    };
    names(one) == names(other)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The state of a commit.
struct Snapshot {
    files: Option<Files>,
    tables: Arc<BTreeMap<Table, Content>>,
    /// The table that was read last.
    read: Option<(Table, SharedRows)>,
}

impl Snapshot {
    fn new(files: Option<Files>, tables: Arc<BTreeMap<Table, Content>>) -> Self {
        Self { files, tables, read: None }
    }
}

impl View for Snapshot {
    fn tables<'a>(&'a mut self, selector: &'a Selector) -> BoxFuture<'a, Result<Vec<Table>, StoreError>> {
        let picked = self.tables.keys().filter(|table| selector.picks(&table.space)).cloned().collect();
        Box::pin(std::future::ready(Ok(picked)))
    }

    fn page<'a>(
        &'a mut self,
        table: &'a Table,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Row>, StoreError>> {
        Box::pin(async move {
            let stored = match self.tables.get(table) {
                None => return Ok(Vec::new()),
                Some(Content::Shared { rows, .. }) => return Ok(rows.0.page(after, limit)),
                Some(Content::Stored(stored)) => stored,
            };
            if self.read.as_ref().is_none_or(|(read, _)| read != table) {
                let files = self.files.as_ref().ok_or_else(|| StoreError::damaged("a commit without files"))?;
                self.read = Some((table.clone(), files.read_table(stored)?));
            }
            Ok(self.read.as_ref().map(|(_, rows)| rows.0.page(after, limit)).unwrap_or_default())
        })
    }

    fn shared(&mut self, table: &Table) -> Option<SharedRows> {
        match self.tables.get(table)? {
            Content::Shared { rows, .. } => Some(rows.clone()),
            Content::Stored(_) => None,
        }
    }
}
