//! Sync from a repository in memory.

mod services;
mod templates;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher as _};
use std::time::Duration;

use super::*;
use crate::engine::SyncOptions;
use crate::engine::repositories::{Repositories, RepositoryEntry, RepositoryPlace};

type Tree = BTreeMap<String, Vec<u8>>;

/// One repository: its commits, and where its branches are.
#[derive(Default)]
pub struct Repository {
    commits: Mutex<Vec<Tree>>,
    branches: Mutex<BTreeMap<String, usize>>,
    /// Why it cannot be reached.
    pub gone: Mutex<Option<String>>,
    /// What is done once, after the next head was told: somebody else is faster.
    pub between: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

fn hash(of: impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    format!("{:040x}", hasher.finish())
}

fn number(sha: &str) -> usize {
    sha.trim_start_matches('c').parse().expect("a commit of ours")
}

impl Repository {
    /// Commits files to a branch: those that are given change, or go where they are `None`.
    pub fn commit(&self, branch: &str, changes: &[(&str, Option<&str>)]) -> String {
        let mut commits = self.commits.lock().expect("not poisoned");
        let mut branches = self.branches.lock().expect("not poisoned");
        let mut tree = branches.get(branch).map(|at| commits[*at].clone()).unwrap_or_default();
        for (path, text) in changes {
            match text {
                Some(text) => drop(tree.insert((*path).to_owned(), text.as_bytes().to_vec())),
                None => tree.retain(|known, _| known != path && !known.starts_with(&format!("{path}/"))),
            }
        }
        commits.push(tree);
        branches.insert(branch.to_owned(), commits.len() - 1);
        format!("c{}", commits.len() - 1)
    }

    /// Commits a bundle into a folder.
    pub fn bundle(&self, branch: &str, folder: &str, files: &[(&str, &str)]) -> String {
        let paths: Vec<(String, &str)> = files.iter().map(|(path, text)| (format!("{folder}/{path}"), *text)).collect();
        let changes: Vec<(&str, Option<&str>)> =
            paths.iter().map(|(path, text)| (path.as_str(), Some(*text))).collect();
        self.commit(branch, &changes)
    }

    pub fn reset(&self, branch: &str, sha: &str) {
        self.branches.lock().expect("not poisoned").insert(branch.to_owned(), number(sha));
    }

    pub fn delete_branch(&self, branch: &str) {
        self.branches.lock().expect("not poisoned").remove(branch);
    }

    fn tree(&self, sha: &str) -> Tree {
        self.commits.lock().expect("not poisoned")[number(sha)].clone()
    }
}

impl Repositories for Repository {
    fn head<'a>(&'a self, _: &'a RepositoryPlace, branch: &'a str) -> BoxFuture<'a, Result<Option<String>, String>> {
        let gone = self.gone.lock().expect("not poisoned").clone();
        let head = self.branches.lock().expect("not poisoned").get(branch).map(|at| format!("c{at}"));
        // Not while it is locked.
        let between = self.between.lock().expect("not poisoned").take();
        if let Some(between) = between {
            between();
        }
        Box::pin(async move { gone.map_or(Ok(head), Err) })
    }

    fn list<'a>(
        &'a self,
        _: &'a RepositoryPlace,
        commit: &'a str,
        folder: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<RepositoryEntry>>, String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut entries: BTreeMap<String, (bool, Tree)> = BTreeMap::new();
        for (path, content) in self.tree(commit) {
            let Some(rest) = path.strip_prefix(&prefix) else { continue };
            let (name, below) = rest.split_once('/').map_or((rest, None), |(name, below)| (name, Some(below)));
            let entry = entries.entry(name.to_owned()).or_default();
            entry.0 = below.is_some();
            entry.1.insert(below.unwrap_or_default().to_owned(), content);
        }
        let found: Vec<RepositoryEntry> = entries
            .into_iter()
            .map(|(name, (is_folder, content))| RepositoryEntry { name, is_folder, id: hash(content) })
            .collect();
        Box::pin(async move { Ok(Some(found).filter(|found| !found.is_empty() || folder.is_empty())) })
    }

    fn read<'a>(
        &'a self,
        _: &'a RepositoryPlace,
        commit: &'a str,
        path: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Option<Vec<(String, Vec<u8>)>>, String>> {
        let tree = self.tree(commit);
        let found: Vec<(String, Vec<u8>)> = match tree.get(path) {
            Some(content) => vec![(path.rsplit('/').next().unwrap_or_default().to_owned(), content.clone())],
            None => tree
                .into_iter()
                .filter_map(|(known, content)| {
                    let rest = known.strip_prefix(path)?.strip_prefix('/')?;
                    Some((rest.to_owned(), content))
                })
                .collect(),
        };
        let bytes: usize = found.iter().map(|(_, content)| content.len()).sum();
        Box::pin(async move {
            if bytes > bytes_max {
                return Err(format!("{path} has {bytes} bytes; {bytes_max} are read"));
            }
            Ok(Some(found).filter(|found| !found.is_empty()))
        })
    }
}

/// Poll of these tests.
pub const POLL_MS: i64 = 30_000;

/// A world with a repository `me/t`, linked.
pub fn with_repository(publish: bool) -> (World, Arc<Repository>) {
    let repository = Arc::new(Repository::default());
    let mut world = World::new();
    let options = SyncOptions { poll: Duration::from_secs(30), publish };
    world.engine = world.engine.with_repositories(repository.clone()).with_sync(options);
    world.ok("CreateRepository", &json!({"provider": "GITHUB", "name": "me/t", "connectionArn": "arn:aws:x"}));
    (world, repository)
}

pub const ENVIRONMENT_FILES: [(&str, &str); 3] = [
    (
        "schema/schema.yaml",
        "schema: {format: {openapi: \"3.0.0\"}, environment_input_type: T, types: {T: {type: object, properties: {a: {type: string, default: x}}}}}",
    ),
    (
        "infrastructure/manifest.yaml",
        "infrastructure: {templates: [{file: a.yaml, rendering_engine: jinja, template_language: cloudformation}]}",
    ),
    ("infrastructure/a.yaml", "Resources: {}"),
];

impl World {
    pub fn pushed(&mut self, repository: &str, branch: Option<&str>) -> usize {
        let now = Timestamp::from_millis(self.now_ms);
        let branches: Option<Vec<String>> = branch.map(|branch| vec![branch.to_owned()]);
        self.runtime
            .block_on(self.engine.pushed(repository, branches.as_deref(), now, Dice::new(1)))
            .expect("the store works")
    }

    pub fn resume(&mut self) {
        let now = Timestamp::from_millis(self.now_ms);
        self.runtime.block_on(self.engine.resume_syncs(now, Dice::new(1))).expect("the store works");
    }

    /// The next poll.
    pub fn poll(&mut self) {
        self.later(POLL_MS);
    }

    pub fn repository_sync(&mut self, branch: &str, sync: &str) -> Value {
        let input =
            json!({"repositoryName": "me/t", "repositoryProvider": "GITHUB", "branch": branch, "syncType": sync});
        self.ok("GetRepositorySyncStatus", &input)["latestSync"].clone()
    }
}

/// The types of events, and the text of the last.
pub fn events(attempt: &Value) -> (Vec<String>, String) {
    let events = attempt["events"].as_array().cloned().unwrap_or_default();
    let types = events.iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect();
    let last = events.last().map(|event| event["event"].as_str().unwrap_or_default().to_owned());
    (types, last.unwrap_or_default())
}
