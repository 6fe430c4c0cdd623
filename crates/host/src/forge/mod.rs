//! Where repositories are hosted: pull requests by the APIs of GitHub, GitLab, Bitbucket and Gitea.

mod bitbucket;
mod client;
mod gitea;
mod github;
mod gitlab;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use standin_core::BoxFuture;

use crate::git::{Credential, Scheme, Url};
use client::Client;

/// Where a pull request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Open,
    Merged,
    /// Without a merge.
    Closed,
}

/// A pull request; GitLab calls it a merge request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub number: u64,
    /// For people.
    pub url: String,
    pub state: State,
}

/// A branch that is proposed for another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal<'p> {
    pub branch: &'p str,
    pub base: &'p str,
    pub title: &'p str,
    pub body: &'p str,
}

/// What went wrong with a forge. No text has a credential in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgeError {
    /// Nothing was sent, and trying again does not help.
    #[error("{0}")]
    Refused(String),
    #[error("{host} cannot be reached: {said}")]
    Unreachable { host: String, said: String },
    #[error("{host} does not let standin in; give it a credential that may write to pull requests: {said}")]
    Denied { host: String, said: String },
    #[error("{host} has no {what}, or it may not be seen")]
    Missing { host: String, what: String },
    /// As when the request is there already.
    #[error("{host} refuses: {said}")]
    Rejected { host: String, said: String },
    #[error("{host} answers with {status}: {said}")]
    Failed { host: String, status: u16, said: String },
    #[error("{host} answers with something else than its API says: {said}")]
    Strange { host: String, said: String },
}

impl ForgeError {
    /// Whether the same may go well later without anybody's doing.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Failed { .. })
    }
}

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GitHub Enterprise too.
    GitHub,
    GitLab,
    /// Bitbucket Cloud.
    Bitbucket,
    /// Forgejo too.
    Gitea,
}

impl Kind {
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "github" => Some(Self::GitHub),
            "gitlab" => Some(Self::GitLab),
            "bitbucket" => Some(Self::Bitbucket),
            "gitea" | "forgejo" => Some(Self::Gitea),
            _ => None,
        }
    }

    /// The forge of a host that everybody knows.
    pub fn of_host(host: &str) -> Option<Self> {
        match host.split(':').next().unwrap_or_default() {
            "github.com" | "ssh.github.com" => Some(Self::GitHub),
            "gitlab.com" | "altssh.gitlab.com" => Some(Self::GitLab),
            "bitbucket.org" | "altssh.bitbucket.org" => Some(Self::Bitbucket),
            "codeberg.org" | "gitea.com" => Some(Self::Gitea),
            _ => None,
        }
    }

    /// What a token is the password of when git fetches and pushes.
    pub fn token_user(self) -> &'static str {
        match self {
            Self::GitHub => "x-access-token",
            Self::GitLab => "oauth2",
            Self::Bitbucket => "x-token-auth",
            Self::Gitea => "standin",
        }
    }

    /// The API of a repository's host.
    fn api(self, url: &Url) -> Result<String, ForgeError> {
        let host = url.host();
        let name = host.split(':').next().unwrap_or_default();
        let scheme = if url.scheme() == Scheme::Http { "http" } else { "https" };
        // The port of SSH is none of the API.
        let host = if url.scheme() == Scheme::Ssh { name } else { host };
        if host.is_empty() {
            return Err(ForgeError::Refused(format!("{url} is on no forge: leave `forge` out, or name its `api`")));
        }
        Ok(match self {
            Self::GitHub if name == "github.com" || name == "ssh.github.com" => "https://api.github.com".to_owned(),
            Self::GitHub => format!("{scheme}://{host}/api/v3"),
            Self::GitLab if name == "altssh.gitlab.com" => "https://gitlab.com/api/v4".to_owned(),
            Self::GitLab => format!("{scheme}://{host}/api/v4"),
            Self::Bitbucket => "https://api.bitbucket.org/2.0".to_owned(),
            Self::Gitea => format!("{scheme}://{host}/api/v1"),
        })
    }
}

/// What standin signs in with.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// A token that stands alone.
    Token(String),
    Password {
        user: String,
        password: String,
    },
    /// A GitHub app: its id, and its private key as PEM.
    App {
        id: String,
        key: String,
    },
}

impl Login {
    /// As git's user and password.
    fn of_git(&self, kind: Kind) -> Option<Credential> {
        let (user, password) = match self {
            Self::Token(token) => (kind.token_user().to_owned(), token.clone()),
            Self::Password { user, password } => (user.clone(), password.clone()),
            Self::App { .. } => return None,
        };
        Some(Credential::Password { user, password })
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::Token(_) => "Token",
            Self::Password { .. } => "Password",
            Self::App { .. } => "App",
        })
    }
}

/// What a forge is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    pub kind: Kind,
    pub repository: Url,
    /// Where it is not the usual one of the host.
    pub api: Option<String>,
    pub login: Option<Login>,
    /// Whom HTTPS trusts.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// The pull requests of one repository.
pub struct Forge {
    api: Box<dyn Api>,
}

/// What the forges differ in. All of it may be done twice.
trait Api: Send + Sync {
    /// The newest request of a branch, whatever its state.
    fn find<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<Option<Pull>, ForgeError>>;
    fn open<'a>(&'a self, proposal: &'a Proposal<'a>) -> BoxFuture<'a, Result<Pull, ForgeError>>;
    fn look<'a>(&'a self, number: u64) -> BoxFuture<'a, Result<Pull, ForgeError>>;
    fn close<'a>(&'a self, number: u64) -> BoxFuture<'a, Result<(), ForgeError>>;
    fn comment<'a>(&'a self, number: u64, text: &'a str) -> BoxFuture<'a, Result<(), ForgeError>>;
    /// What lets git in.
    fn git_credential(&self) -> BoxFuture<'_, Result<Option<Credential>, ForgeError>>;
}

impl Forge {
    /// # Errors
    /// Where the login is none for this forge, or the API's address is none.
    pub fn new(settings: Settings) -> Result<Self, ForgeError> {
        let api = match settings.api {
            Some(api) => api,
            None => settings.kind.api(&settings.repository)?,
        };
        let repository = settings.repository.path().to_owned();
        if !repository.contains('/') {
            return Err(ForgeError::Refused(format!("{} does not end with owner/name", settings.repository)));
        }
        if matches!(settings.login, Some(Login::App { .. })) && settings.kind != Kind::GitHub {
            return Err(ForgeError::Refused("a private key of an app is for GitHub only".to_owned()));
        }
        let client = Client::new(&api, settings.tls)?;
        let api: Box<dyn Api> = match settings.kind {
            Kind::GitHub => Box::new(github::GitHub::new(client, repository, settings.login)),
            Kind::GitLab => Box::new(gitlab::GitLab::new(client, &repository, settings.login)),
            Kind::Bitbucket => Box::new(bitbucket::Bitbucket::new(client, repository, settings.login)),
            Kind::Gitea => Box::new(gitea::Gitea::new(client, repository, settings.login)),
        };
        Ok(Self { api })
    }

    /// The newest request that proposes a branch, open or not.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn find(&self, branch: &str, base: &str) -> Result<Option<Pull>, ForgeError> {
        self.api.find(branch, base).await
    }

    /// Proposes a branch, once: where a request for it is there already, in whatever state, it is that one.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn propose(&self, proposal: &Proposal<'_>) -> Result<Pull, ForgeError> {
        if let Some(found) = self.api.find(proposal.branch, proposal.base).await? {
            return Ok(found);
        }
        match self.api.open(proposal).await {
            Err(error @ ForgeError::Rejected { .. }) => {
                // Another was faster, perhaps.
                self.api.find(proposal.branch, proposal.base).await?.ok_or(error)
            }
            opened => opened,
        }
    }

    /// Where a request stands.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn look(&self, number: u64) -> Result<Pull, ForgeError> {
        self.api.look(number).await
    }

    /// Closes a request without merging it.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn close(&self, number: u64) -> Result<(), ForgeError> {
        self.api.close(number).await
    }

    /// Adds a comment.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn comment(&self, number: u64, text: &str) -> Result<(), ForgeError> {
        self.api.comment(number, text).await
    }

    /// What lets git in by the same login, also where that is an app's, which gets tokens for a time.
    ///
    /// # Errors
    /// Whatever the forge says.
    pub async fn git_credential(&self) -> Result<Option<Credential>, ForgeError> {
        self.api.git_credential().await
    }
}
