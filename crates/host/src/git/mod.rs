//! Repositories, through the program `git`: bare mirrors that are fetched into, read from, and pushed from. There is never a work tree,
//! so nothing of what a repository holds is ever run, followed or written to a path of its choice.

mod error;
mod read;
mod run;
#[cfg(test)]
mod tests;
mod url;
mod write;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedMutexGuard;

use run::{Run, size_of};

pub use error::GitError;
pub use read::{Entry, Kind};
pub use url::{Scheme, Url, is_branch, is_path};
pub use write::{Author, Change, Proposed};

/// What git is told in all commands, also in those that it starts at a repository of this machine.
const CONFIG_FILE: &str = "config";
const CONFIG: &str = "[safe]\n\tdirectory = *\n[protocol]\n\tversion = 2\n[http]\n\tlowSpeedLimit = 1000\n\tlowSpeedTime = 30\n\
                      [fetch]\n\tunpackLimit = 1\n[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n[advice]\n\tpushUpdateRejected = \
                      false\n[core]\n\tfsync = all\n[transfer]\n\tbundleURI = false\n";
/// Files of private keys begin with it.
const KEY_FILES: &str = "key-";
/// More packs than these are made one.
const PACKS_MAX: usize = 40;

/// How a repository is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    pub url: Url,
    pub credential: Option<Credential>,
}

impl Remote {
    /// Reads a URL; a user and password in it become the credential where none is given.
    ///
    /// # Errors
    /// [`GitError::Refused`] where standin does not use such URLs, or the credential cannot be handed to git.
    pub fn new(url: &str, credential: Option<Credential>) -> Result<Self, GitError> {
        let (url, userinfo) = Url::parse(url)?;
        let credential = credential.or(userinfo.map(|(user, password)| Credential::Password { user, password }));
        if let Some(Credential::Password { user, password }) = &credential
            && (user.contains(['\n', '\r', '\0']) || password.contains(['\n', '\r', '\0']))
        {
            return Err(GitError::Refused(format!("the credential for {url} has line breaks in it")));
        }
        Ok(Self { url, credential })
    }
}

/// What opens a repository.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// For HTTP. A token is a password; what its user is called depends on the forge.
    Password { user: String, password: String },
    /// For SSH: the path of a private key without a passphrase.
    KeyFile { path: PathBuf },
    /// For SSH: a private key itself.
    Key { text: String },
}

impl fmt::Debug for Credential {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Password { .. } => "Password",
            Self::KeyFile { .. } => "KeyFile",
            Self::Key { .. } => "Key",
        })
    }
}

/// The name of a commit, tree or file of a repository: 40 or 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(String);

impl ObjectId {
    /// # Errors
    /// [`GitError::Refused`] for anything but 40 or 64 digits in lower case.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if !matches!(text.len(), 40 | 64) || !text.bytes().all(digit) {
            return Err(GitError::Refused(format!("{text:?} is not the id of a commit")));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.0)
    }
}

/// What bounds the work with repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of a mirror on disk. AWS's sync takes repositories of 250 MB.
    pub repository_bytes: u64,
    /// Of what a command tells: lists of files, mostly.
    pub output_bytes: usize,
    /// For commands on the mirror.
    pub local: Duration,
    /// For commands that talk to a remote and bring little.
    pub remote: Duration,
    /// For a fetch, which goes on when nobody waits for it any more.
    pub fetch: Duration,
    /// How long [`Mirror::fetch`] waits before it says [`GitError::Busy`].
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            repository_bytes: 250 * 1000 * 1000,
            output_bytes: 16 * 1024 * 1024,
            local: Duration::from_secs(30),
            remote: Duration::from_secs(20),
            fetch: Duration::from_secs(900),
            patience: Duration::from_secs(10),
        }
    }
}

/// What [`Git`] is made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Folders in which programs are looked for, as in `PATH`.
    pub search: Option<OsString>,
    /// Where mirrors are kept. It is made when it is first needed.
    pub folder: PathBuf,
    /// What else of the surroundings git is to know: proxies, the socket of an SSH agent, certificates.
    pub environment: Vec<(OsString, OsString)>,
    pub limits: Limits,
}

struct Shared {
    settings: Settings,
    program: Option<PathBuf>,
    /// One change of a mirror at a time.
    locks: Mutex<HashMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
    /// Heads that were found to be of too large repositories, so that these are not fetched again and again.
    too_big: Mutex<HashMap<PathBuf, ObjectId>>,
}

/// All repositories that are known here.
#[derive(Clone)]
pub struct Git(Arc<Shared>);

/// A repository: somewhere else, and mirrored here.
#[derive(Clone)]
pub struct Mirror {
    shared: Arc<Shared>,
    remote: Remote,
}

impl Git {
    pub fn new(settings: Settings) -> Self {
        let program = settings.search.as_ref().and_then(|search| {
            std::env::split_paths(search).map(|folder| folder.join("git")).find(|path| path.is_file())
        });
        Self(Arc::new(Shared { settings, program, locks: Mutex::default(), too_big: Mutex::default() }))
    }

    /// Whether the program is there.
    pub fn is_there(&self) -> bool {
        self.0.program.is_some()
    }

    /// A repository. Nothing is done yet.
    pub fn mirror(&self, remote: Remote) -> Mirror {
        Mirror { shared: self.0.clone(), remote }
    }
}

impl Shared {
    /// Makes the folder of mirrors ready, once a process: what a killed one left is cleared away.
    fn prepare(&self) -> Result<(), GitError> {
        let folder = &self.settings.folder;
        let failed = |error: std::io::Error| GitError::Failed {
            command: "init".into(),
            said: format!("{}: {error}", folder.display()),
        };
        let config = folder.join(CONFIG_FILE);
        if config.is_file() && self.locks.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&config) {
            return Ok(());
        }
        std::fs::create_dir_all(folder).map_err(failed)?;
        for entry in std::fs::read_dir(folder).map_err(failed)?.flatten() {
            if entry.file_name().to_string_lossy().starts_with(KEY_FILES) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let fresh = folder.join(format!("{CONFIG_FILE}-{}", std::process::id()));
        std::fs::write(&fresh, CONFIG).map_err(failed)?;
        std::fs::rename(&fresh, &config).map_err(failed)?;
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(config).or_default();
        Ok(())
    }

    fn lock_of(&self, folder: &Path) -> Arc<tokio::sync::Mutex<()>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner).entry(folder.to_owned()).or_default().clone()
    }
}

impl Mirror {
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    fn limits(&self) -> &Limits {
        &self.shared.settings.limits
    }

    /// The folder of the mirror. Repositories of the two kinds of object ids have mirrors of their own.
    fn folder(&self, sample: &ObjectId) -> PathBuf {
        let mut name = hex(&Sha256::digest(self.remote.url.as_str().as_bytes())[..16]);
        if sample.0.len() == 64 {
            name += "-sha256";
        }
        self.shared.settings.folder.join(name)
    }

    fn no_branch(&self, branch: &str) -> GitError {
        GitError::NoBranch { url: self.remote.url.to_string(), branch: branch.to_owned() }
    }

    fn checked_branch(&self, branch: &str) -> Result<(), GitError> {
        if is_branch(branch) {
            return Ok(());
        }
        Err(GitError::Refused(format!("{branch:?} cannot be the name of a branch of {}", self.remote.url)))
    }

    /// The newest commit of a branch, asked of the remote.
    ///
    /// # Errors
    /// [`GitError::NoBranch`] where there is none, and whatever else keeps the remote from answering.
    pub async fn head(&self, branch: &str) -> Result<ObjectId, GitError> {
        let found = self.heads(&[branch]).await?;
        found.into_iter().next().flatten().ok_or_else(|| self.no_branch(branch))
    }

    /// The newest commits of some branches, asked of the remote in one go; nothing for branches that it does not have.
    ///
    /// # Errors
    /// Whatever keeps the remote from answering.
    pub async fn heads(&self, branches: &[&str]) -> Result<Vec<Option<ObjectId>>, GitError> {
        self.shared.prepare()?;
        for branch in branches {
            self.checked_branch(branch)?;
        }
        let references: Vec<String> = branches.iter().map(|branch| format!("refs/heads/{branch}")).collect();
        let run = Run::new(&self.shared, "ls-remote").with(["--", self.remote.url.as_str()]).with(&references);
        let ran = run.of(&self.remote).well().await?;
        let told = ran.text();
        let head_of = |reference: &String| {
            let id = told.lines().find_map(|line| line.split_once('\t').filter(|(_, name)| name == reference))?.0;
            ObjectId::parse(id).ok()
        };
        Ok(references.iter().map(head_of).collect())
    }

    /// Brings the newest commit of a branch, with its history, and tells which it is.
    ///
    /// # Errors
    /// As [`Self::head`]; [`GitError::TooBig`], and [`GitError::Busy`] where it takes long: it goes on, so ask again.
    pub async fn fetch(&self, branch: &str) -> Result<ObjectId, GitError> {
        let head = self.head(branch).await?;
        self.fetch_head(branch, &head).await?;
        Ok(head)
    }

    /// Brings a commit that [`Self::head`] told of.
    ///
    /// # Errors
    /// As [`Self::fetch`]. A branch that has gone on meanwhile is fetched as it is now, and has the commit in its history.
    pub async fn fetch_head(&self, branch: &str, head: &ObjectId) -> Result<(), GitError> {
        self.checked_branch(branch)?;
        self.shared.prepare()?;
        if self.has(head).await? {
            return Ok(());
        }
        let refspec = format!("+refs/heads/{branch}:{}", reference("fetched", branch));
        self.bring(refspec, head).await?;
        if self.has(head).await? { Ok(()) } else { Err(self.no_branch(branch)) }
    }

    /// Makes sure that a commit is here whose branch nobody remembers, as after the mirror was lost.
    async fn need(&self, commit: &ObjectId) -> Result<PathBuf, GitError> {
        self.shared.prepare()?;
        if !self.has(commit).await? {
            self.bring(format!("+{commit}:refs/fetched/{commit}"), commit).await?;
        }
        Ok(self.folder(commit))
    }

    /// Whether a commit is here.
    async fn has(&self, commit: &ObjectId) -> Result<bool, GitError> {
        let folder = self.folder(commit);
        if !folder.is_dir() {
            return Ok(false);
        }
        let object = format!("{commit}^{{commit}}");
        let ran = Run::new(&self.shared, "cat-file").with(["-e", &object]).within(&folder).any().await?;
        Ok(ran.ok)
    }

    /// Fetches; the work goes on when this is not waited for any more.
    async fn bring(&self, refspec: String, head: &ObjectId) -> Result<(), GitError> {
        let folder = self.folder(head);
        let known = self.shared.too_big.lock().unwrap_or_else(PoisonError::into_inner).get(&folder).cloned();
        if known.as_ref() == Some(head) {
            return Err(self.too_big());
        }
        let busy = || GitError::Busy { url: self.remote.url.to_string() };
        let lock = self.shared.lock_of(&folder).lock_owned();
        let guard = tokio::time::timeout(self.limits().patience, lock).await.map_err(|_| busy())?;
        let (mirror, head) = (self.clone(), head.clone());
        let work = tokio::spawn(async move { mirror.bring_alone(&refspec, &head, guard).await });
        match tokio::time::timeout(self.limits().patience, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(GitError::Failed { command: "fetch".into(), said: "it was broken off".into() }),
            Err(_) => Err(busy()),
        }
    }

    async fn bring_alone(&self, refspec: &str, head: &ObjectId, _guard: OwnedMutexGuard<()>) -> Result<(), GitError> {
        // Another may have brought it while this one waited.
        if self.has(head).await? {
            return Ok(());
        }
        let folder = self.folder(head);
        self.init(&folder, head).await?;
        let most = self.limits().repository_bytes;
        let run = Run::new(&self.shared, "fetch").with([
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            "--",
            self.remote.url.as_str(),
            refspec,
        ]);
        let ran =
            run.of(&self.remote).within(&folder).deadline(self.limits().fetch).watched(&folder, most).well().await;
        let outgrown = matches!(ran, Err(GitError::TooBig { .. })) || size_of(&folder) > most;
        if outgrown {
            let _ = std::fs::remove_dir_all(&folder);
            let mut too_big = self.shared.too_big.lock().unwrap_or_else(PoisonError::into_inner);
            too_big.insert(folder, head.clone());
            return Err(self.too_big());
        }
        if ran.is_err() {
            clear(&folder);
        }
        ran?;
        self.tidy(&folder).await;
        Ok(())
    }

    fn too_big(&self) -> GitError {
        GitError::TooBig { url: self.remote.url.to_string(), limit: self.limits().repository_bytes }
    }

    /// Makes an empty mirror where there is none: whole, or not at all.
    async fn init(&self, folder: &Path, sample: &ObjectId) -> Result<(), GitError> {
        if folder.join("HEAD").is_file() {
            return Ok(());
        }
        let format = if sample.0.len() == 64 { "--object-format=sha256" } else { "--object-format=sha1" };
        let fresh = folder.with_extension("new");
        let failed = |error: std::io::Error| GitError::Failed { command: "init".into(), said: error.to_string() };
        for left in [&fresh, folder] {
            if left.exists() {
                std::fs::remove_dir_all(left).map_err(failed)?;
            }
        }
        let arguments = ["--bare", "--quiet", "--template=", format];
        Run::new(&self.shared, "init").with(arguments).with([fresh.as_os_str()]).well().await?;
        std::fs::rename(&fresh, folder).map_err(failed)
    }

    /// Many small packs are made one, now and then.
    async fn tidy(&self, folder: &Path) {
        let packs = std::fs::read_dir(folder.join("objects/pack")).map(|entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|kind| kind == "pack")).count()
        });
        if packs.unwrap_or_default() > PACKS_MAX {
            let run = Run::new(&self.shared, "repack").with(["-a", "-d", "-q"]).within(folder);
            // It only makes reading faster.
            let _ = run.deadline(self.limits().fetch).any().await;
        }
    }
}

/// Takes away what a fetch that was broken off left.
fn clear(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder.join("objects/pack")) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("tmp_")) {
        let _ = std::fs::remove_file(entry.path());
    }
}

/// A reference of the mirror for a branch. Not by the name itself: `a` and `a/b` cannot be there at the same time, and a remote may
/// have one after the other.
fn reference(kind: &str, branch: &str) -> String {
    format!("refs/{kind}/{}", hex(&Sha256::digest(branch.as_bytes())[..16]))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
