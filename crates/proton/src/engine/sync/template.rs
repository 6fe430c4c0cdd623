//! Template sync: a folder of a repository whose content has changed becomes the next minor version.

use std::collections::{BTreeSet, VecDeque};

use standin_core::OperationError;
use standin_store::jobs::Job;

use super::super::kept::{Kept, Version, version_key};
use super::super::repositories::{RepositoryEntry, RepositoryPlace};
use super::super::templates::{self, Synced};
use super::super::tx::{Scope, Tx};
use super::super::{ATTEMPTS_MAX, Engine};
use super::files::{self, Registration};
use super::jobs::{self, Rounds, TEMPLATE, tip};
use super::state::{self, Branch, TemplateSync, Turn, attempt, event, types};
use super::template_key;
use crate::archive::{Files, UNPACKED_BYTES_MAX};
use crate::types::*;

/// Higher major versions are not taken from a repository.
const MAJOR_MAX: i64 = 1000;
/// Folders that are looked into for the one with the name of the template.
const FOLDERS_MAX: usize = 1000;

/// What a look decides by.
struct Look {
    turn: Turn,
    config: TemplateSyncConfig,
    state: TemplateSync,
}

impl Look {
    fn branch(&self) -> Branch<'_> {
        Branch {
            provider: self.config.repository_provider,
            repository: &self.config.repository_name,
            name: &self.config.branch,
            sync: SyncType::TemplateSync,
        }
    }

    /// What there is to decide by now; nothing where the sync has ended.
    async fn begin(tx: &mut Tx<'_>, key: &str) -> Result<Option<Self>, OperationError> {
        let Some(turn) = jobs::turn_of(tx, TEMPLATE, key).await? else { return Ok(None) };
        let Some(config) = tx.find::<TemplateSyncConfig>(key).await? else { return Ok(None) };
        let state = tx.find::<TemplateSync>(key).await?.map(|kept| kept.value);
        let state = state.unwrap_or_else(|| TemplateSync { key: key.to_owned(), ..TemplateSync::default() });
        Ok(Some(Self { turn, config: config.value, state }))
    }

    /// Whether all is as it was before the repository was looked at. What is committed holds only then.
    async fn holds(&self, tx: &mut Tx<'_>) -> Result<bool, OperationError> {
        let now = Self::begin(tx, &self.state.key).await?;
        Ok(now.is_some_and(|now| now.turn == self.turn && now.config == self.config && now.state == self.state))
    }
}

/// The folder of a template at a commit.
struct Found {
    sha: String,
    /// Of the versions, with the ids of their contents.
    folder: String,
    majors: Vec<(i64, String)>,
}

/// Looks at the repository of a template, and registers what has changed.
pub async fn look<const SERVICE: bool>(
    engine: &Engine,
    scope: &Scope,
    job: &Job,
    name: &str,
) -> Result<(), OperationError> {
    let key = template_key(if SERVICE { TemplateType::Service } else { TemplateType::Environment }, name);
    let mut rounds = Rounds::new(engine, scope);
    // What failed in this look for reasons that are not in the folder is not tried again in it.
    let mut tried = BTreeSet::new();
    for _ in 0..ATTEMPTS_MAX {
        let mut tx = rounds.next();
        let Some(mut look) = Look::begin(&mut tx, &key).await? else {
            if jobs::end(tx, job).await? {
                return Ok(());
            }
            continue;
        };
        drop(tx);
        rounds.take(&look.turn);
        if round::<SERVICE>(&mut rounds, &mut look, job, &mut tried).await? {
            return Ok(());
        }
        if jobs::is_lost(engine, job).await? {
            return Ok(());
        }
    }
    Err(OperationError::internal("too many others change the sync of the template"))
}

/// False where it has to be decided anew.
async fn round<const SERVICE: bool>(
    rounds: &mut Rounds<'_>,
    look: &mut Look,
    job: &Job,
    tried: &mut BTreeSet<(i64, String)>,
) -> Result<bool, OperationError> {
    let place = rounds.place(look.config.repository_provider, &look.config.repository_name);
    let head = rounds.engine.repositories.head(&place, &look.config.branch).await;
    let again = look.turn.again != look.state.again;
    let (sha, found) = match tip(head, &look.config.repository_name, &look.config.branch) {
        Err(reason) => (None, Err(reason)),
        Ok(sha) => {
            let open = look.state.majors.iter().any(|major| !major.ok && major.minor.is_none());
            if look.state.head.as_ref() == Some(&sha) && !again && !open {
                let mut tx = rounds.next();
                return Ok(look.holds(&mut tx).await? && jobs::rest(tx, job).await?);
            }
            let found = find(rounds.engine, &place, &sha, &look.config).await;
            (Some(sha), found)
        }
    };
    let mut noting = rounds.next();
    let wrong = found.as_ref().err();
    state::note(
        &mut noting,
        look.branch(),
        sha.as_deref(),
        wrong.map(String::as_str),
        again && look.state.head.is_some(),
    )
    .await?;
    if !jobs::committed(noting).await? {
        return Ok(false);
    }
    if let Ok(found) = &found {
        for (major, tree) in &found.majors {
            if tried.contains(&(*major, tree.clone())) || !wanted::<SERVICE>(rounds, look, found, *major, tree).await? {
                continue;
            }
            if !take::<SERVICE>(rounds, look, &place, found, (*major, tree)).await? {
                return Ok(false);
            }
            tried.insert((*major, tree.clone()));
        }
    }
    let mut tx = rounds.next();
    if !look.holds(&mut tx).await? {
        return Ok(false);
    }
    let mut next = look.state.clone();
    // One that cannot be reached is looked at as a whole when it is back.
    next.head = sha.clone();
    if let Some(sha) = sha {
        next.again.clone_from(&look.turn.again);
        for major in &mut next.majors {
            major.seen = seen(&sha, &look.turn);
        }
    }
    put(&mut tx, look, next);
    jobs::rest(tx, job).await
}

fn seen(sha: &str, turn: &Turn) -> String {
    format!("{sha}/{}", turn.again)
}

/// Keeps a new state, if it is one.
fn put(tx: &mut Tx<'_>, look: &mut Look, mut next: TemplateSync) {
    if next != look.state {
        next.number += 1;
        tx.put(&Kept::new(next.clone()));
        look.state = next;
    }
}

/// Finds the folder of a template at a commit, and the major versions in it.
async fn find(
    engine: &Engine,
    place: &RepositoryPlace,
    sha: &str,
    config: &TemplateSyncConfig,
) -> Result<Found, String> {
    let below = files::path(config.subdirectory.as_deref().unwrap_or_default())?;
    let name = &config.template_name;
    let missing = || match below.as_str() {
        "" => format!("There is no folder {name} in repository {} at commit {sha}.", place.name),
        below => format!("There is no folder {name} in {below} of repository {} at commit {sha}.", place.name),
    };
    let list = |folder: String| async move { engine.repositories.list(place, sha, &folder).await };
    let folder = if below.rsplit('/').next() == Some(name) {
        below.clone()
    } else {
        let mut left = VecDeque::from([below.clone()]);
        let mut looked_at = 0;
        loop {
            let Some(folder) = left.pop_front() else { return Err(missing()) };
            looked_at += 1;
            if looked_at > FOLDERS_MAX {
                return Err(format!(
                    "{} The first {FOLDERS_MAX} folders were looked at; name the folder by the subdirectory.",
                    missing()
                ));
            }
            let entries = list(folder.clone()).await?.unwrap_or_default();
            let within = |entry: &RepositoryEntry| match folder.as_str() {
                "" => entry.name.clone(),
                folder => format!("{folder}/{}", entry.name),
            };
            if let Some(found) = entries.iter().find(|entry| entry.is_folder && entry.name == *name) {
                break within(found);
            }
            left.extend(entries.iter().filter(|entry| entry.is_folder).map(within));
        }
    };
    let entries = list(folder.clone()).await?.ok_or_else(missing)?;
    let mut majors = Vec::new();
    for entry in entries.into_iter().filter(|entry| entry.is_folder) {
        let digits = entry.name.strip_prefix('v').unwrap_or_default();
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        match digits.parse::<i64>() {
            Ok(major) if major <= MAJOR_MAX => majors.push((major, entry.id)),
            _ => {
                return Err(format!(
                    "{folder}/{} is too high for a major version; {MAJOR_MAX} is the highest.",
                    entry.name
                ));
            }
        }
    }
    majors.sort_unstable();
    if majors.is_empty() {
        return Err(format!("{folder} has no folder of a major version, as {folder}/v1."));
    }
    Ok(Found { sha: sha.to_owned(), folder, majors })
}

/// Whether something is to be done about a major version.
async fn wanted<const SERVICE: bool>(
    rounds: &mut Rounds<'_>,
    look: &Look,
    found: &Found,
    major: i64,
    tree: &str,
) -> Result<bool, OperationError> {
    let number = major.to_string();
    let Some(known) = look.state.major(&number) else { return Ok(true) };
    if known.tree != tree || (!known.ok && known.minor.is_none()) {
        return Ok(true);
    }
    if known.seen == seen(&found.sha, &look.turn) {
        return Ok(false);
    }
    let again = look.turn.again != look.state.again;
    if !known.ok && again {
        return Ok(true);
    }
    let mut reading = rounds.next();
    let key = |minor: &String| version_key(&look.config.template_name, &number, minor);
    Ok(match &known.minor {
        Some(minor) => reading.find::<Version<SERVICE>>(&key(minor)).await?.is_none(),
        None => false,
    })
}

/// The bundle of a major version, and what it is registered with.
async fn bundle<const SERVICE: bool>(
    rounds: &Rounds<'_>,
    place: &RepositoryPlace,
    sha: &str,
    folder: &str,
) -> Result<(Files, Registration), String> {
    let most = usize::try_from(UNPACKED_BYTES_MAX).unwrap_or(usize::MAX);
    let read = rounds.engine.repositories.read(place, sha, folder, most).await?;
    let read = read.ok_or_else(|| format!("{folder} is not there at commit {sha}."))?;
    let mut files = Files::default();
    for (path, content) in read {
        files.insert(&path, content).map_err(|error| error.to_string())?;
    }
    let registration = if SERVICE { files::registration(&files)? } else { Registration::default() };
    Ok((files, registration))
}

/// Registers the next minor of a major version, or notes why that fails; false where it has to be decided anew.
async fn take<const SERVICE: bool>(
    rounds: &mut Rounds<'_>,
    look: &mut Look,
    place: &RepositoryPlace,
    found: &Found,
    (major, tree): (i64, &str),
) -> Result<bool, OperationError> {
    let number = major.to_string();
    let folder = format!("{}/v{number}", found.folder);
    let revision = look.branch().revision(&found.sha, &folder);
    let template = look.config.template_name.clone();
    let mut tx = rounds.next();
    if !look.holds(&mut tx).await? {
        return Ok(false);
    }
    let mut next = look.state.clone();
    let state = next.major_mut(&number);
    let now = tx.now();
    let mut told = attempt(now, &template, state.succeeded.as_ref(), &revision);
    // Back to what was registered last: that is there already.
    if state.good_tree == tree
        && let Some(minor) = &state.good_minor
        && tx.find::<Version<SERVICE>>(&version_key(&template, &number, minor)).await?.is_some()
    {
        let text = format!("The content is that of version {number}.{minor}");
        told.events.push(event(now, types::UNCHANGED, &text, None));
        told.status = ResourceSyncStatus::Succeeded;
        (state.ok, state.minor) = (true, state.good_minor.clone());
        state.succeeded = Some(told.clone());
    } else {
        let made = match bundle::<SERVICE>(rounds, place, &found.sha, &folder).await {
            Err(reason) => Err(reason),
            Ok((files, registration)) => {
                let new = Synced {
                    major,
                    description: format!("Commit {}", found.sha),
                    compatible: registration.compatible,
                    components: registration.components,
                    files,
                };
                match register::<SERVICE>(&mut tx, &template, new).await {
                    Ok(version) => Ok(version),
                    Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => return Err(error),
                    Err(error) => {
                        // Nothing of what it began is kept.
                        tx = rounds.next();
                        if !look.holds(&mut tx).await? {
                            return Ok(false);
                        }
                        Err(error.message)
                    }
                }
            }
        };
        let (failed, minor) = match made {
            Err(reason) => (Some(reason), None),
            Ok(version) => {
                let text = format!("Registered version {number}.{}", version.minor_version);
                told.events.push(event(now, types::REGISTERED, &text, Some(&version.arn)));
                if version.status == TemplateVersionStatus::Published {
                    let text = format!("Published version {number}.{}", version.minor_version);
                    told.events.push(event(now, types::PUBLISHED, &text, Some(&version.arn)));
                }
                let failed = (version.status == TemplateVersionStatus::RegistrationFailed)
                    .then(|| version.status_message.unwrap_or_default());
                (failed, Some(version.minor_version))
            }
        };
        state.ok = failed.is_none();
        state.minor = minor;
        match failed {
            // Nothing new.
            Some(reason)
                if state.minor.is_none()
                    && state::has_failed(state.latest.as_ref(), &revision, types::FAILED, &reason) =>
            {
                return Ok(true);
            }
            Some(reason) => {
                told.events.push(event(now, types::FAILED, &reason, None));
                told.status = ResourceSyncStatus::Failed;
            }
            None => {
                told.status = ResourceSyncStatus::Succeeded;
                tree.clone_into(&mut state.good_tree);
                state.good_minor.clone_from(&state.minor);
                state.succeeded = Some(told.clone());
            }
        }
    }
    tree.clone_into(&mut state.tree);
    state.seen = seen(&found.sha, &look.turn);
    state.desired = Some(revision);
    state.latest = Some(told);
    put(&mut tx, look, next);
    jobs::committed(tx).await
}

/// Registers a version, and publishes it where that is configured.
async fn register<const SERVICE: bool>(
    tx: &mut Tx<'_>,
    template: &str,
    new: Synced,
) -> Result<ServiceTemplateVersion, OperationError> {
    let version = templates::add_synced::<SERVICE>(tx, template, new).await?;
    if version.status != TemplateVersionStatus::Draft || !tx.engine.sync.publish {
        return Ok(version);
    }
    let publish = UpdateServiceTemplateVersionInput {
        template_name: template.to_owned(),
        major_version: version.major_version,
        minor_version: version.minor_version,
        status: Some(TemplateVersionStatus::Published),
        ..UpdateServiceTemplateVersionInput::default()
    };
    templates::update_version::<SERVICE>(tx, &publish).await
}
