//! Provisioning by pull request: rendered Terraform is proposed to the linked repository, and whoever applies it says how it went.
//!
//! The branch has its name from the deployment's id and the commit is the same whenever it is made, so that a step that is done again
//! finds what the one before it did: the branch on the remote, the request by its branch.

mod change;
mod notes;
#[cfg(test)]
mod tests;
pub mod workflows;

use std::sync::Arc;
use std::time::Duration;

use standin_core::BoxFuture;
use standin_host::forge::{ForgeError, Proposal, Pull, State};
use standin_host::git::{Change, GitError, ObjectId, is_branch};
use standin_proton::engine::provision::{Made, Order, Progress, Provisioner};
use standin_proton::render::Rendered;
use standin_proton::render::terraform::{self, METADATA_FILE};

use crate::Log;
use crate::config::{ProvisioningConfig, PullsConfig};
use crate::repositories::{Place, PlaceError, Places};
use change::{Folder, author, body, branch_of, message};
use notes::Notes;

/// How long it is tried to reach a repository before anything was proposed.
const PATIENCE_MS: i64 = 15 * 60 * 1000;
/// How soon it is tried again.
const RETRY_MS: i64 = 5000;
/// A step is to come back by itself before the engine gives it up.
const STEP: Duration = Duration::from_secs(40);
/// For taking away what came to nothing.
const TIDY: Duration = Duration::from_secs(8);
/// Forges count calls: a request that is open for so long is looked at less often.
const LONG_MS: i64 = 60 * 60 * 1000;
const LESS_OFTEN: i64 = 4;
/// At the identifier of a provisioned resource.
const IDENTIFIER_MAX: usize = 200;

/// Proposes Terraform to linked repositories.
pub struct Pulls {
    places: Arc<Places>,
    log: Log,
    options: PullsConfig,
    poll: Duration,
}

/// Why a step did not do what it should.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Forge(#[from] ForgeError),
    #[error("{0}")]
    Other(String),
}

impl Trouble {
    fn is_passing(&self) -> bool {
        match self {
            Self::Git(error) => error.is_passing(),
            Self::Forge(error) => error.is_passing(),
            Self::Place(_) | Self::Other(_) => false,
        }
    }
}

/// Ends what takes too long; it is done again, and finds what was done.
async fn bounded<T>(work: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    match tokio::time::timeout(STEP, work).await {
        Ok(done) => done,
        Err(_) => Err(GitError::TimedOut { command: "and its forge".to_owned(), seconds: STEP.as_secs() }.into()),
    }
}

/// What is proposed, and where.
struct Proposing<'p> {
    order: &'p Order,
    place: &'p Place,
    /// The branch that is to be changed.
    into: &'p str,
    notes: Notes,
}

impl Pulls {
    pub fn new(places: Arc<Places>, log: Log, config: &ProvisioningConfig) -> Self {
        Self { places, log, options: config.pulls, poll: config.git.poll }
    }

    fn poll_ms(&self) -> i64 {
        i64::try_from(self.poll.as_millis()).unwrap_or(i64::MAX).max(1)
    }

    async fn say(&self, order: &Order, text: impl Into<String>) {
        self.log.say(order, text).await;
    }

    /// The place of an order's repository; nothing where no one said where it is.
    async fn place(&self, order: &Order) -> Result<Option<(Place, String)>, Trouble> {
        let Some(repository) = &order.repository else {
            return Err(Trouble::Other("no repository is linked for Terraform".to_owned()));
        };
        match self.places.find(&repository.name).await {
            Ok(place) => Ok(Some((place, repository.branch.clone()))),
            Err(PlaceError::Unmapped { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn unmapped(&self, order: &Order, then: &str) {
        let name = order.repository.as_ref().map(|repository| repository.name.clone()).unwrap_or_default();
        self.say(order, format!("{}; {then}", PlaceError::Unmapped { name })).await;
    }

    /// A step of a deployment that creates or updates.
    async fn step(&self, order: &Order) -> Progress {
        let mut notes = Notes::read(&order.notes, order.now);
        let (place, into) = match self.place(order).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.unmapped(order, "until then nothing is proposed, and the deployment waits for a notification")
                    .await;
                return Progress::Waiting;
            }
            Err(error) if notes.commit.is_none() => return Progress::failed(error.to_string()),
            Err(error) => return self.later(order, notes, &error).await,
        };
        let was_proposed = notes.commit.is_some();
        let proposing = Proposing { order, place: &place, into: &into, notes: notes.clone() };
        let error = match bounded(self.proceed(proposing)).await {
            Ok(progress) => return progress,
            Err(error) => error,
        };
        let reason = match error.is_passing() {
            false => Some(error.to_string()),
            true if order.now.as_millis() - notes.since > PATIENCE_MS => {
                Some(format!("for a quarter of an hour: {error}"))
            }
            true => None,
        };
        if let Some(reason) = reason.filter(|_| !was_proposed) {
            // A branch that nobody was asked to merge is of no use.
            if notes.base.is_some() {
                let _ = tokio::time::timeout(TIDY, place.mirror.delete_branch(&branch_of(order))).await;
            }
            return Progress::failed(reason);
        }
        if matches!(error, Trouble::Git(GitError::Busy { .. })) {
            return Progress::Working { again_after_ms: 1000, notes: Some(notes.write()) };
        }
        if was_proposed {
            return self.later(order, notes, &error).await;
        }
        self.tell_once(order, &mut notes, &error).await;
        Progress::Working { again_after_ms: RETRY_MS, notes: Some(notes.write()) }
    }

    /// What is wrong with the repository does not end a deployment that waits for its request's fate.
    async fn later(&self, order: &Order, mut notes: Notes, error: &Trouble) -> Progress {
        self.tell_once(order, &mut notes, error).await;
        Progress::Working { again_after_ms: self.poll_ms(), notes: Some(notes.write()) }
    }

    async fn tell_once(&self, order: &Order, notes: &mut Notes, error: &Trouble) {
        let text = error.to_string();
        if notes.trouble.as_ref() != Some(&text) {
            self.say(order, format!("{text}; it is tried again")).await;
            notes.trouble = Some(text);
        }
    }

    async fn proceed(&self, mut at: Proposing<'_>) -> Result<Progress, Trouble> {
        at.notes.trouble = None;
        let Some(base) = at.notes.base.clone() else {
            self.look_first(&mut at).await?;
            return Ok(Progress::Working { again_after_ms: 1, notes: Some(at.notes.write()) });
        };
        if at.notes.commit.is_none() {
            return self.propose(at, &base).await;
        }
        self.follow(at, &base).await
    }

    /// Notes what the change goes out from.
    async fn look_first(&self, at: &mut Proposing<'_>) -> Result<(), Trouble> {
        let base = at.place.mirror.fetch(at.into).await?;
        let folder = Folder::of(at.order, &at.place.mirror, &base).await?;
        at.notes.folder = folder.path;
        at.notes.base = Some(base);
        at.notes.at = at.order.now.as_millis() / 1000;
        Ok(())
    }

    /// Pushes the branch and opens the request, where they are not there yet.
    async fn propose(&self, mut at: Proposing<'_>, base: &ObjectId) -> Result<Progress, Trouble> {
        let Some(Rendered::Terraform { files }) = &at.order.rendered else {
            return Err(Trouble::Other("the template is not Terraform".to_owned()));
        };
        let mirror = &at.place.mirror;
        let folder = Folder { path: at.notes.folder.clone() };
        let extra = if self.options.workflows { at.place.workflows.files(at.into) } else { Vec::new() };
        let change = folder.change(at.order, mirror, base, files, at.notes.at, extra).await?;
        let commit = mirror.commit(&change).await?;
        let heads = mirror.heads(&[&change.branch, at.into]).await?;
        // A branch that was pushed, merged and deleted before this step was kept is not pushed again.
        let merged = match heads.as_slice() {
            [None, Some(head)] => {
                mirror.fetch_head(at.into, head).await?;
                mirror.is_merged(&commit, base, head, &[folder.file(METADATA_FILE)]).await?
            }
            _ => false,
        };
        at.notes.commit = Some(commit);
        if merged {
            return self.merged(&at).await;
        }
        let what = self.publish(&mut at, &change).await?;
        self.say(at.order, what).await;
        Ok(Progress::Working { again_after_ms: self.poll_ms(), notes: Some(at.notes.write()) })
    }

    /// Pushes a branch and opens a request for it; what to tell of that.
    async fn publish(&self, at: &mut Proposing<'_>, change: &Change) -> Result<String, Trouble> {
        let proposed = at.place.mirror.propose(change).await?;
        let (branch, url) = (&change.branch, &at.place.mirror.remote().url);
        let Some(forge) = &at.place.forge else {
            return Ok(format!(
                "{} files are proposed in {url}: commit {} on the branch {branch}; merge it into {}, or delete it",
                change.put.len(),
                proposed.commit,
                at.into
            ));
        };
        let title = message(at.order);
        let body = body(at.order);
        let proposal = Proposal { branch, base: at.into, title: &title, body: &body };
        let pull = forge.propose(&proposal).await?;
        at.notes.number = Some(pull.number);
        at.notes.url = Some(pull.url.clone());
        Ok(format!("{} files are proposed by {}", change.put.len(), pull.url))
    }

    /// Looks what became of the request.
    async fn follow(&self, mut at: Proposing<'_>, base: &ObjectId) -> Result<Progress, Trouble> {
        let state = match (&at.place.forge, at.notes.number) {
            (Some(forge), Some(number)) => forge.look(number).await?.state,
            _ => self.state_of_branch(&mut at, base).await?,
        };
        match state {
            State::Open => {
                let is_long = at.order.now.as_millis() - at.notes.since > LONG_MS;
                let often = if at.place.forge.is_some() && is_long { LESS_OFTEN } else { 1 };
                let again_after_ms = self.poll_ms().saturating_mul(often);
                Ok(Progress::Working { again_after_ms, notes: Some(at.notes.write()) })
            }
            State::Merged => self.merged(&at).await,
            State::Closed => {
                let what = match &at.notes.url {
                    Some(url) => format!("{url} was closed without being merged"),
                    None => format!("the branch {} was deleted without being merged", branch_of(at.order)),
                };
                self.say(at.order, format!("{what}: the deployment is cancelled")).await;
                Ok(Progress::Withdrawn { reason: format!("{what}.") })
            }
        }
    }

    /// Without a forge the branch tells: it is merged when its content is in the other one, and closed when it is gone.
    async fn state_of_branch(&self, at: &mut Proposing<'_>, base: &ObjectId) -> Result<State, Trouble> {
        let mirror = &at.place.mirror;
        let branch = branch_of(at.order);
        let heads = mirror.heads(&[&branch, at.into]).await?;
        let [branch_head, Some(head)] = heads.as_slice() else {
            let url = mirror.remote().url.to_string();
            return Err(GitError::NoBranch { url, branch: at.into.to_owned() }.into());
        };
        if at.notes.seen.as_ref() != Some(head) {
            mirror.fetch_head(at.into, head).await?;
            let commit = at.notes.commit.as_ref().unwrap_or(base);
            let folder = Folder { path: at.notes.folder.clone() };
            if mirror.is_merged(commit, base, head, &[folder.file(METADATA_FILE)]).await? {
                return Ok(State::Merged);
            }
            at.notes.seen = Some(head.clone());
        }
        Ok(if branch_head.is_some() { State::Open } else { State::Closed })
    }

    async fn merged(&self, at: &Proposing<'_>) -> Result<Progress, Trouble> {
        if !self.options.merge_completes {
            let text =
                "what is proposed was merged; who applies it says how it went by NotifyResourceDeploymentStatusChange";
            self.say(at.order, text).await;
            return Ok(Progress::Waiting);
        }
        self.say(at.order, "what is proposed was merged: the deployment is done").await;
        let arn = at.order.repository.as_ref().map(|repository| repository.arn.clone());
        let mut identifier = at.notes.url.clone().or(arn).unwrap_or_default();
        identifier.truncate(identifier.floor_char_boundary(IDENTIFIER_MAX));
        let mut name = at.notes.folder.clone();
        name.truncate(name.floor_char_boundary(IDENTIFIER_MAX));
        let made = Made { name, identifier, engine: "TERRAFORM" };
        Ok(Progress::Done { outputs: Vec::new(), resources: vec![made] })
    }

    /// A step of a deletion: it proposes that the files are nobody's any more, and is done.
    async fn orphan(&self, order: &Order) -> Progress {
        let mut notes = Notes::read(&order.notes, order.now);
        let done = || Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        if order.repository.is_none() {
            return done();
        }
        let hint = "take its entry out of the configuration to delete without proposing that";
        let (place, into) = match self.place(order).await {
            Ok(Some(found)) => found,
            Ok(None) => {
                self.unmapped(order, "nothing is proposed").await;
                return done();
            }
            // Nothing ever was.
            Err(error @ Trouble::Place(PlaceError::BadName { .. })) => {
                self.say(order, format!("{error}: nothing is proposed")).await;
                return done();
            }
            Err(error) => return Progress::failed(format!("{error}; {hint}")),
        };
        if !is_branch(&into) {
            self.say(order, format!("{into:?} cannot be the name of a branch: nothing is proposed")).await;
            return done();
        }
        let proposing = Proposing { order, place: &place, into: &into, notes: notes.clone() };
        match bounded(self.propose_orphan(proposing)).await {
            Ok(progress) => progress,
            // What was never there needs no word.
            Err(Trouble::Git(error @ GitError::NoBranch { .. })) => {
                self.say(order, format!("{error}: nothing is proposed")).await;
                done()
            }
            Err(error) if error.is_passing() && order.now.as_millis() - notes.since <= PATIENCE_MS => {
                if !matches!(error, Trouble::Git(GitError::Busy { .. })) {
                    self.tell_once(order, &mut notes, &error).await;
                }
                Progress::Working { again_after_ms: RETRY_MS, notes: Some(notes.write()) }
            }
            Err(error) => Progress::failed(format!("{error}; {hint}")),
        }
    }

    async fn propose_orphan(&self, mut at: Proposing<'_>) -> Result<Progress, Trouble> {
        let done = Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        let Some(base) = at.notes.base.clone() else {
            self.look_first(&mut at).await?;
            return Ok(Progress::Working { again_after_ms: 1, notes: Some(at.notes.write()) });
        };
        let folder = Folder { path: at.notes.folder.clone() };
        let files = folder.generated(&at.place.mirror, &base).await?;
        let orphaned = terraform::deleted(&files, &at.order.resource_arn);
        if orphaned == files {
            self.say(at.order, "the repository has no files of it: nothing is proposed").await;
            return Ok(done);
        }
        let put = orphaned.into_iter().map(|(path, text)| (folder.file(&path), text.into_bytes())).collect();
        let change = Change {
            branch: branch_of(at.order),
            base,
            put,
            remove: Vec::new(),
            message: message(at.order),
            author: author(),
            at: at.notes.at,
        };
        let what = self.publish(&mut at, &change).await?;
        self.say(at.order, format!("{what}; the infrastructure stays until it is taken away by hand")).await;
        Ok(done)
    }

    /// A step of a cancellation: the request is closed.
    async fn withdraw(&self, order: &Order) -> Progress {
        let mut notes = Notes::read(&order.notes, order.now);
        let Ok(Some((place, into))) = self.place(order).await else { return Progress::Cancelled };
        let error = match bounded(self.close(order, &place, &into)).await {
            Ok(what) => {
                self.say(order, what).await;
                return Progress::Cancelled;
            }
            Err(error) => error,
        };
        let since = *notes.cancelling.get_or_insert(order.now.as_millis());
        if error.is_passing() && order.now.as_millis() - since <= PATIENCE_MS {
            self.tell_once(order, &mut notes, &error).await;
            return Progress::Working { again_after_ms: RETRY_MS, notes: Some(notes.write()) };
        }
        self.say(order, format!("{error}: what is proposed could not be withdrawn; close it by hand")).await;
        Progress::Cancelled
    }

    async fn close(&self, order: &Order, place: &Place, into: &str) -> Result<String, Trouble> {
        let branch = branch_of(order);
        let mut told = None;
        if let Some(forge) = &place.forge {
            match forge.find(&branch, into).await? {
                Some(Pull { number, state: State::Open, url }) => {
                    forge.close(number).await?;
                    told = Some(format!("{url} was closed"));
                }
                Some(Pull { state: State::Merged, url, .. }) => {
                    told = Some(format!("{url} was merged before; what applies it goes on"));
                }
                Some(Pull { state: State::Closed, .. }) | None => {}
            }
        }
        let deleted = place.mirror.delete_branch(&branch).await?;
        Ok(told.unwrap_or_else(|| {
            if deleted {
                format!("the branch {branch} was deleted")
            } else {
                "nothing was proposed any more".to_owned()
            }
        }))
    }
}

impl Provisioner for Pulls {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.step(order))
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.orphan(order))
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.withdraw(order))
    }
}
