//! Where linked repositories are, and how the engine reads them.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use standin_core::BoxFuture;
use standin_host::forge::{self, Forge, Login};
use standin_host::git::{Credential, Entry, Git, GitError, Kind, Mirror, ObjectId, Remote, Settings, Url};
use standin_proton::engine::repositories::{Contents, Repositories, RepositoryEntry, RepositoryPlace};

use crate::config::{GitConfig, ProvisioningConfig, RepositoryConfig};
use crate::pulls::workflows::Workflows;
use crate::secrets::{self, Secret, Secrets};

/// Finds linked repositories by what is configured of them.
pub struct Places {
    /// Nothing where the server has no folder to keep mirrors in.
    git: Option<Git>,
    repositories: BTreeMap<String, RepositoryConfig>,
    /// Of those that have no entry.
    others: GitConfig,
    secrets: Arc<Secrets>,
    /// Whom forges are trusted by.
    tls: Option<Arc<ClientConfig>>,
    /// Forges with what they were made with: they keep tokens for a time.
    forges: Mutex<HashMap<String, Known>>,
}

/// A forge, and what it was signed in to with.
type Known = (Option<Secret>, Arc<Forge>);

/// Where a linked repository is.
#[derive(Clone)]
pub struct Place {
    pub mirror: Mirror,
    /// Where its pull requests are; without one, there are only branches.
    pub forge: Option<Arc<Forge>>,
    /// What its automation reads.
    pub workflows: Workflows,
}

/// Why a linked repository cannot be worked with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    #[error(
        "standin does not know where the repository {name} is: say it in the configuration, as \
         [proton.repositories] \"{name}\" = \"https://…\", or for all as [proton.git] base = \"https://…/{{owner}}/{{name}}.git\""
    )]
    Unmapped { name: String },
    #[error("repositories need a folder for their mirrors: start standin with a data directory (--data-dir DIR)")]
    NoFolder,
    #[error(
        "the repository {name}: its name has other characters than letters, digits, `.`, `_` and `-`; give it an entry of \
         its own in [proton.repositories]"
    )]
    BadName { name: String },
    #[error("the repository {name}: {reason}")]
    Bad { name: String, reason: String },
}

impl Places {
    /// `folder` is where mirrors are kept.
    pub fn new(
        config: &ProvisioningConfig,
        secrets: Arc<Secrets>,
        folder: Option<PathBuf>,
        search: Option<OsString>,
        tls: Option<Arc<ClientConfig>>,
    ) -> Self {
        let environment = config.git.environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let git = folder.map(|folder| Git::new(Settings { search, folder, environment, ..Settings::default() }));
        let (repositories, others) = (config.repositories.clone(), config.git.clone());
        Self { git, repositories, others, secrets, tls, forges: Mutex::default() }
    }

    /// Where the repository `owner/name` is.
    ///
    /// # Errors
    /// What is missing, as a sentence that says what to do.
    pub async fn find(&self, name: &str) -> Result<Place, PlaceError> {
        let config = self.config_of(name)?;
        let git = self.git.as_ref().ok_or(PlaceError::NoFolder)?;
        let bad = |reason: String| PlaceError::Bad { name: name.to_owned(), reason };
        let secret = match &config.credential {
            Some(name) => Some(self.secrets.find(name).await.map_err(|error| bad(error.to_string()))?),
            None => None,
        };
        let (url, _) = Url::parse(&config.url).map_err(|error| bad(error.to_string()))?;
        let forge = self.forge(name, &config, &url, secret.as_ref()).map_err(|error| bad(error.to_string()))?;
        let credential = match (secret, &forge) {
            (Some(Secret { kind: secrets::Kind::AppKey, .. }), Some(forge)) => {
                forge.git_credential().await.map_err(|error| bad(error.to_string()))?
            }
            (Some(secret), _) => Some(of_git(secret, kind_of(&config, &url)).map_err(bad)?),
            (None, _) => None,
        };
        let remote = Remote::new(&config.url, credential).map_err(|error| bad(error.to_string()))?;
        let workflows = match kind_of(&config, &url) {
            Some(forge::Kind::GitHub) => Workflows::GitHub,
            Some(forge::Kind::GitLab) => Workflows::GitLab,
            Some(forge::Kind::Gitea) => Workflows::Gitea,
            Some(forge::Kind::Bitbucket) | None => Workflows::Plain,
        };
        Ok(Place { mirror: git.mirror(remote), forge, workflows })
    }

    /// The forge of a repository, where it is on one that standin can sign in to.
    fn forge(
        &self,
        name: &str,
        config: &RepositoryConfig,
        url: &Url,
        secret: Option<&Secret>,
    ) -> Result<Option<Arc<Forge>>, forge::ForgeError> {
        let Some(kind) = kind_of(config, url) else { return Ok(None) };
        let login = secret.and_then(login);
        // A key of SSH pushes branches; for more, the forge has to be named.
        if login.is_none() && config.forge.is_none() {
            return Ok(None);
        }
        let mut forges = self.forges.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made_with, forge)) = forges.get(name)
            && made_with.as_ref() == secret
        {
            return Ok(Some(forge.clone()));
        }
        let api = config.api.clone();
        let forge = Forge::new(forge::Settings { kind, repository: url.clone(), api, login, tls: self.tls.clone() })?;
        let forge = Arc::new(forge);
        forges.insert(name.to_owned(), (secret.cloned(), forge.clone()));
        Ok(Some(forge))
    }

    fn config_of(&self, name: &str) -> Result<RepositoryConfig, PlaceError> {
        if let Some(config) = self.repositories.get(name) {
            return Ok(config.clone());
        }
        let unmapped = || PlaceError::Unmapped { name: name.to_owned() };
        let GitConfig { base, forge, api, credential, .. } = &self.others;
        let base = base.as_ref().ok_or_else(unmapped)?;
        let (owner, last) = name.rsplit_once('/').ok_or_else(unmapped)?;
        // Callers of the API choose these names: they must not lead out of the base.
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with(['.', '-'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        if !name.split('/').all(plain) {
            return Err(PlaceError::BadName { name: name.to_owned() });
        }
        let url = base.replace("{owner}", owner).replace("{name}", last.strip_suffix(".git").unwrap_or(last));
        Ok(RepositoryConfig { url, forge: forge.clone(), api: api.clone(), credential: credential.clone() })
    }

    async fn of(&self, place: &RepositoryPlace) -> Result<Mirror, String> {
        self.find(&place.name).await.map(|place| place.mirror).map_err(|error| error.to_string())
    }
}

impl Repositories for Places {
    fn head<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        branch: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        Box::pin(async move {
            match self.of(place).await?.fetch(branch).await {
                Ok(commit) => Ok(Some(commit.to_string())),
                Err(GitError::NoBranch { .. }) => Ok(None),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn list<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        commit: &'a str,
        folder: &'a str,
    ) -> BoxFuture<'a, Result<Option<Vec<RepositoryEntry>>, String>> {
        Box::pin(async move {
            let mirror = self.of(place).await?;
            let read = async {
                let commit = ObjectId::parse(commit)?;
                let folder = folder.trim_matches('/');
                if !folder.is_empty() && !is(mirror.entry(&commit, folder).await?.as_ref(), Kind::Folder) {
                    return Ok(None);
                }
                let entries = mirror.list(&commit, folder).await?;
                Ok::<_, GitError>(Some(entries.iter().filter_map(shown).collect()))
            };
            read.await.map_err(|error| error.to_string())
        })
    }

    fn read<'a>(
        &'a self,
        place: &'a RepositoryPlace,
        commit: &'a str,
        path: &'a str,
        bytes_max: usize,
    ) -> BoxFuture<'a, Result<Option<Contents>, String>> {
        Box::pin(async move {
            let mirror = self.of(place).await?;
            let read = async {
                let (commit, path) = (ObjectId::parse(commit)?, path.trim_matches('/'));
                let most = bytes_max as u64;
                let entry = if path.is_empty() { None } else { mirror.entry(&commit, path).await? };
                if is(entry.as_ref(), Kind::File) {
                    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
                    return Ok(mirror.read(&commit, path, most).await?.map(|bytes| vec![(name, bytes)]));
                }
                if !path.is_empty() && !is(entry.as_ref(), Kind::Folder) {
                    return Ok(None);
                }
                Ok::<_, GitError>(Some(mirror.read_all(&commit, path, most).await?.into_iter().collect()))
            };
            read.await.map_err(|error| error.to_string())
        })
    }
}

fn is(entry: Option<&Entry>, kind: Kind) -> bool {
    entry.is_some_and(|entry| entry.kind == kind)
}

/// The forge that is named, else the one that everybody knows the host of.
fn kind_of(config: &RepositoryConfig, url: &Url) -> Option<forge::Kind> {
    match &config.forge {
        Some(name) => forge::Kind::named(name),
        None => forge::Kind::of_host(url.host()),
    }
}

/// What the API of a forge is given of a credential.
fn login(secret: &Secret) -> Option<Login> {
    let (user, text) = (secret.user.clone().unwrap_or_default(), secret.value.reveal().to_owned());
    match secret.kind {
        secrets::Kind::Token => Some(Login::Token(text)),
        secrets::Kind::Login => Some(Login::Password { user, password: text }),
        secrets::Kind::AppKey => Some(Login::App { id: user, key: text }),
        secrets::Kind::SshKey => None,
    }
}

/// What git is given of a credential.
fn of_git(secret: Secret, forge: Option<forge::Kind>) -> Result<Credential, String> {
    let Secret { kind, user, value } = secret;
    let text = value.reveal().to_owned();
    match kind {
        secrets::Kind::SshKey => Ok(Credential::Key { text }),
        secrets::Kind::Login => Ok(Credential::Password { user: user.unwrap_or_default(), password: text }),
        secrets::Kind::Token => {
            // What forges call the user of a token that has none. Others take any name.
            let user = forge.unwrap_or(forge::Kind::GitHub).token_user();
            Ok(Credential::Password { user: user.to_owned(), password: text })
        }
        secrets::Kind::AppKey => Err("the key of an app signs in to GitHub only: say forge = \"github\"".to_owned()),
    }
}

/// Links and submodules are not shown: nothing of theirs is in the repository.
fn shown(entry: &Entry) -> Option<RepositoryEntry> {
    let is_folder = match entry.kind {
        Kind::File => false,
        Kind::Folder => true,
        Kind::Link | Kind::Module => return None,
    };
    let name = entry.path.rsplit('/').next().unwrap_or_default().to_owned();
    Some(RepositoryEntry { name, is_folder, id: entry.id.to_string() })
}

#[cfg(test)]
mod tests {
    use standin_model::Timestamp;
    use standin_store::MemoryStore;

    use super::*;

    fn secrets() -> Arc<Secrets> {
        Arc::new(Secrets::new(Arc::new(MemoryStore::default()), secrets::KeySource::Process))
    }

    #[tokio::test]
    async fn what_a_repository_is_opened_by_is_kept_by_name() {
        let secrets = secrets();
        let token = Secret::new(None, false, "t0ken").expect("a token");
        secrets.set("mine", &token, Timestamp::from_seconds(0)).await.expect("set");
        let one = |credential: &str| RepositoryConfig {
            url: "https://host/one".into(),
            credential: Some(credential.into()),
            ..RepositoryConfig::default()
        };
        let repositories = [("a/b".to_owned(), one("mine")), ("a/c".to_owned(), one("other"))].into();
        let config = ProvisioningConfig { repositories, ..ProvisioningConfig::default() };
        let folder = std::env::temp_dir().join("standin-places");
        let places = Places::new(&config, secrets, Some(folder), None, None);
        assert!(places.find("a/b").await.is_ok());
        let Err(error) = places.find("a/c").await else { panic!("there is no such credential") };
        assert!(error.to_string().contains("credential set other"), "{error}");
    }

    fn check(name: &str, expect: Result<&str, &str>) {
        let one = RepositoryConfig { url: "https://host/one".into(), ..RepositoryConfig::default() };
        let config = ProvisioningConfig {
            repositories: [("mapped/one".to_owned(), one)].into(),
            git: GitConfig { base: Some("file:///srv/{owner}/{name}.git".into()), ..GitConfig::default() },
            ..ProvisioningConfig::default()
        };
        let found = Places::new(&config, secrets(), None, None, None).config_of(name).map(|config| config.url);
        match (found, expect) {
            (Ok(url), Ok(expect)) => assert_eq!(url, expect),
            (Err(error), Err(expect)) => assert!(error.to_string().contains(expect), "{error}"),
            (found, expect) => panic!("{name}: {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn names_become_places() {
        check("mapped/one", Ok("https://host/one"));
        check("other/two", Ok("file:///srv/other/two.git"));
        check("other/two.git", Ok("file:///srv/other/two.git"));
        check("group/sub/three", Ok("file:///srv/group/sub/three.git"));
        check("../etc", Err("other characters"));
        check("a/..", Err("other characters"));
        check("-o/x", Err("other characters"));
        check("a//b", Err("other characters"));
        check("a/b c", Err("other characters"));
        check("a/%2e%2e", Err("other characters"));
    }

    #[test]
    fn without_a_place_it_is_told_how_to_name_one() {
        let places = Places::new(&ProvisioningConfig::default(), secrets(), None, None, None);
        let error = places.config_of("me/infra").unwrap_err().to_string();
        assert!(error.contains("[proton.repositories] \"me/infra\""), "{error}");
        assert!(error.contains("{owner}/{name}"), "{error}");
    }
}
