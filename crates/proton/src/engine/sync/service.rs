//! Service sync: the instances of a service follow spec files, as an ops file says.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use standin_core::OperationError;
use standin_model::Document;
use standin_store::jobs::Job;

use super::super::deployments::is_busy;
use super::super::instances::{self, By};
use super::super::kept::Kept;
use super::super::repositories::RepositoryPlace;
use super::super::tx::{Scope, Tx};
use super::super::{ATTEMPTS_MAX, Engine};
use super::files::{self, Source};
use super::jobs::{self, Rounds, SERVICE, tip};
use super::state::{self, Branch, InstanceSync, ServiceSync, Turn, attempt, event, types};
use crate::types::*;

/// A longer ops file is refused.
const OPS_BYTES_MAX: usize = 1024 * 1024;
/// What the API takes as a spec.
const SPEC_BYTES_MAX: usize = 51_200;

/// What a look decides by.
struct Look {
    turn: Turn,
    config: ServiceSyncConfig,
    state: ServiceSync,
}

impl Look {
    fn branch<'l>(&'l self, name: &'l str) -> Branch<'l> {
        Branch {
            provider: self.config.repository_provider,
            repository: &self.config.repository_name,
            name,
            sync: SyncType::ServiceSync,
        }
    }

    /// What there is to decide by now; nothing where the sync has ended.
    async fn begin(tx: &mut Tx<'_>, service: &str) -> Result<Option<Self>, OperationError> {
        let Some(turn) = jobs::turn_of(tx, SERVICE, service).await? else { return Ok(None) };
        let Some(config) = tx.find::<ServiceSyncConfig>(service).await? else { return Ok(None) };
        let state = tx.find::<ServiceSync>(service).await?.map(|kept| kept.value);
        let state = state.unwrap_or_else(|| ServiceSync { service: service.to_owned(), ..ServiceSync::default() });
        Ok(Some(Self { turn, config: config.value, state }))
    }

    /// Whether all is as it was before the repository was looked at. What is committed holds only then.
    async fn holds(&self, tx: &mut Tx<'_>) -> Result<bool, OperationError> {
        let now = Self::begin(tx, &self.state.service).await?;
        Ok(now.is_some_and(|now| now.turn == self.turn && now.config == self.config && now.state == self.state))
    }

    /// Keeps a new state, if it is one; whether it was.
    fn put(&mut self, tx: &mut Tx<'_>, mut next: ServiceSync) -> bool {
        let new = next != self.state;
        if new {
            next.number += 1;
            tx.put(&Kept::new(next.clone()));
            self.state = next;
        }
        new
    }
}

/// What an instance is to become.
struct Wanted {
    instance: String,
    revision: Revision,
    /// The spec; a reason where there is none.
    spec: Result<String, String>,
}

/// What a repository says of a service.
struct Found {
    /// The commits, by branch.
    heads: BTreeMap<String, String>,
    wanted: Vec<Wanted>,
}

/// Looks at the repository of a service, and brings its instances to what is there.
pub async fn look(engine: &Engine, scope: &Scope, job: &Job, service: &str) -> Result<(), OperationError> {
    let mut rounds = Rounds::new(engine, scope);
    for _ in 0..ATTEMPTS_MAX {
        let mut tx = rounds.next();
        let Some(mut look) = Look::begin(&mut tx, service).await? else {
            if jobs::end(tx, job).await? {
                return Ok(());
            }
            continue;
        };
        rounds.take(&look.turn);
        // What was begun has ended, whatever becomes of the repository.
        let next = ended(&mut tx, &look.state).await?;
        if look.put(&mut tx, next) && !jobs::committed(tx).await? {
            continue;
        }
        if round(&mut rounds, &mut look, job).await? {
            return Ok(());
        }
        if jobs::is_lost(engine, job).await? {
            return Ok(());
        }
    }
    Err(OperationError::internal("too many others change the sync of the service"))
}

/// The state after the deployments that have ended.
async fn ended(tx: &mut Tx<'_>, state: &ServiceSync) -> Result<ServiceSync, OperationError> {
    let (mut next, now) = (state.clone(), tx.now());
    for instance in &mut next.instances {
        let Some(id) = instance.deployment.clone() else { continue };
        let (status, message) = match tx.find::<Deployment>(&id).await? {
            Some(kept) if is_busy(kept.value.deployment_status) => continue,
            Some(kept) => (kept.value.deployment_status, kept.value.deployment_status_message.unwrap_or_default()),
            // Records of what has ended may be deleted.
            None => {
                let key = format!("{}/{}", state.service, instance.name);
                let found = tx.find::<ServiceInstance>(&key).await?;
                let last = found.and_then(|kept| kept.value.last_succeeded_deployment_id);
                let status =
                    if last == Some(id.clone()) { DeploymentStatus::Succeeded } else { DeploymentStatus::Failed };
                (status, "Its record was deleted.".to_owned())
            }
        };
        instance.deployment = None;
        instance.ok = status == DeploymentStatus::Succeeded;
        let Some(told) = &mut instance.latest else { continue };
        if instance.ok {
            told.status = ResourceSyncStatus::Succeeded;
            told.events.push(event(now, types::DEPLOYED, &format!("Deployment {id} has succeeded"), Some(&id)));
            instance.succeeded = Some(told.clone());
        } else {
            told.status = ResourceSyncStatus::Failed;
            let text = format!("Deployment {id} is {}. {message}", status.as_str());
            told.events.push(event(now, types::FAILED, text.trim_end(), Some(&id)));
        }
    }
    Ok(next)
}

/// False where it has to be decided anew.
async fn round(rounds: &mut Rounds<'_>, look: &mut Look, job: &Job) -> Result<bool, OperationError> {
    let again = look.turn.again != look.state.again;
    let open = look.state.instances.iter().any(|instance| instance.open);
    let place = rounds.place(look.config.repository_provider, &look.config.repository_name);
    if !again && !open && unchanged(rounds, &place, look).await {
        let mut tx = rounds.next();
        return Ok(look.holds(&mut tx).await? && jobs::rest(tx, job).await?);
    }
    let (branch, first) = (look.config.branch.clone(), again && !look.state.heads.is_empty());
    let head = tip(rounds.engine.repositories.head(&place, &branch).await, &place.name, &branch);
    let found = match &head {
        Ok(sha) => find(rounds, &place, look, sha).await?,
        Err(reason) => Err(reason.clone()),
    };
    let mut noting = rounds.next();
    let wrong = found.as_ref().err().map(String::as_str);
    state::note(&mut noting, look.branch(&branch), head.as_deref().ok(), wrong, first).await?;
    for (other, sha) in found.iter().flat_map(|found| &found.heads).filter(|(other, _)| **other != branch) {
        state::note(&mut noting, look.branch(other), Some(sha), None, first).await?;
    }
    if !jobs::committed(noting).await? {
        return Ok(false);
    }
    match (&found, &head) {
        (Ok(found), _) => {
            for wanted in &found.wanted {
                if !follow(rounds, look, wanted).await? {
                    return Ok(false);
                }
            }
        }
        // The ops file says nothing any more: all that it named has failed.
        (Err(reason), Ok(sha)) => {
            let names: Vec<String> = look.state.instances.iter().map(|instance| instance.name.clone()).collect();
            let ops = files::path(&look.config.file_path).unwrap_or_default();
            let revision = look.branch(&branch).revision(sha, &ops);
            for instance in names {
                let wanted = Wanted { instance, revision: revision.clone(), spec: Err(reason.clone()) };
                if !follow(rounds, look, &wanted).await? {
                    return Ok(false);
                }
            }
        }
        (Err(_), Err(_)) => {}
    }
    let mut tx = rounds.next();
    if !look.holds(&mut tx).await? {
        return Ok(false);
    }
    let mut next = look.state.clone();
    next.heads = match (&found, &head) {
        (Ok(found), _) => found.heads.iter().map(|(branch, sha)| format!("{branch}={sha}\n")).collect(),
        // A service may be made without another commit.
        (Err(_), Ok(sha)) if tx.find::<Service>(&look.config.service_name).await?.is_some() => {
            format!("{branch}={sha}\n")
        }
        (Err(_), _) => String::new(),
    };
    if head.is_ok() {
        next.again.clone_from(&look.turn.again);
    }
    if let Ok(found) = &found {
        // What the ops file does not name any more is not synced, and waits for nothing but its deployment.
        for instance in &mut next.instances {
            instance.open &= found.wanted.iter().any(|wanted| wanted.instance == instance.name);
        }
    }
    look.put(&mut tx, next);
    jobs::rest(tx, job).await
}

/// Whether no branch has moved since the last look.
async fn unchanged(rounds: &Rounds<'_>, place: &RepositoryPlace, look: &Look) -> bool {
    for line in look.state.heads.lines() {
        // No id of a commit has such a character, but branches may.
        let Some((branch, sha)) = line.rsplit_once('=') else { return false };
        if !matches!(rounds.engine.repositories.head(place, branch).await, Ok(Some(now)) if now == sha) {
            return false;
        }
    }
    !look.state.heads.is_empty()
}

/// One file of a commit.
async fn read(
    rounds: &Rounds<'_>,
    place: &RepositoryPlace,
    sha: &str,
    path: &str,
    most: usize,
) -> Result<Vec<u8>, String> {
    let missing = || format!("There is no file {path} in repository {} at commit {sha}.", place.name);
    let mut read = rounds.engine.repositories.read(place, sha, path, most).await?.ok_or_else(missing)?;
    // A folder has files by other names than its own.
    let is_file =
        matches!(&read[..], [(name, _)] if name.is_empty() || path.rsplit('/').next() == Some(name) || name == path);
    if path.is_empty() || !is_file {
        return Err(missing());
    }
    Ok(read.remove(0).1)
}

/// What the ops file of a commit and the specs that it names say.
async fn find(
    rounds: &mut Rounds<'_>,
    place: &RepositoryPlace,
    look: &Look,
    sha: &str,
) -> Result<Result<Found, String>, OperationError> {
    let service = &look.config.service_name;
    let mut reading = rounds.next();
    if reading.find::<Service>(service).await?.is_none() {
        return Ok(Err(format!("Service {service} does not exist; sync changes services, and makes none.")));
    }
    drop(reading);
    let sources = async {
        let file = files::path(&look.config.file_path)?;
        let text = read(rounds, place, sha, &file, OPS_BYTES_MAX).await?;
        files::ops(&file, &text, service)?.ok_or_else(|| format!("{file} does not name service {service}."))
    };
    let sources = match sources.await {
        Ok(sources) => sources,
        Err(reason) => return Ok(Err(reason)),
    };
    let mut tips: BTreeMap<String, Result<String, String>> =
        BTreeMap::from([(look.config.branch.clone(), Ok(sha.to_owned()))]);
    let mut wanted = Vec::with_capacity(sources.len());
    for Source { instance, branch, spec } in sources {
        if !tips.contains_key(&branch) {
            let head = rounds.engine.repositories.head(place, &branch).await;
            tips.insert(branch.clone(), tip(head, &place.name, &branch));
        }
        let (at, text) = match &tips[&branch] {
            Err(reason) => (sha, Err(reason.clone())),
            Ok(at) => {
                let read = read(rounds, place, at, &spec, SPEC_BYTES_MAX).await;
                let text = read.and_then(|bytes| String::from_utf8(bytes).map_err(|_| format!("{spec} is not UTF-8")));
                (at.as_str(), text)
            }
        };
        let revision = look.branch(&branch).revision(at, &spec);
        wanted.push(Wanted { instance, revision, spec: text });
    }
    let heads = tips.into_iter().filter_map(|(branch, sha)| Some((branch, sha.ok()?))).collect();
    Ok(Ok(Found { heads, wanted }))
}

fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What came of an attempt to bring an instance to its spec.
enum Outcome {
    /// It has that spec already.
    There,
    /// The id of a deployment, and the spec that it brings.
    Begun(String, String),
    /// Something is busy.
    Waits(String),
    Fails(String),
}

/// Brings an instance to what the repository says, if it is not that; false where it has to be decided anew.
async fn follow(rounds: &mut Rounds<'_>, look: &mut Look, wanted: &Wanted) -> Result<bool, OperationError> {
    let mut tx = rounds.next();
    if !look.holds(&mut tx).await? {
        return Ok(false);
    }
    let service = look.config.service_name.clone();
    let mut next = look.state.clone();
    let turn = look.turn.again.clone();
    let known = next.instance_mut(&wanted.instance);
    // Its deployment is waited for. What has come meanwhile is not forgotten: its commit will be no news by then.
    if known.deployment.is_some() {
        let is_news = wanted.spec.as_ref().map(|text| digest(text)).ok().as_ref() != Some(&known.digest);
        known.open = is_news || known.again != turn;
        return keep(tx, look, next).await;
    }
    let (blocked, all) = super::active_blockers(&mut tx, &service).await?;
    if all || blocked.contains(&wanted.instance) {
        // What it would be is shown, and it waits for nobody but the one who resolves the blocker.
        if known.desired.as_ref().is_none_or(|desired| desired.sha != wanted.revision.sha) {
            known.desired = Some(wanted.revision.clone());
        }
        known.open = false;
        return keep(tx, look, next).await;
    }
    let found = tx.find::<ServiceInstance>(&format!("{service}/{}", wanted.instance)).await?;
    let spec = wanted.spec.as_ref().map_err(Clone::clone);
    let digest = spec.as_ref().map(|text| digest(text)).unwrap_or_default();
    let again = known.again != turn;
    let due = match &spec {
        Err(_) => true,
        Ok(_) => {
            let differs = || {
                let current = found.as_ref().and_then(|kept| kept.value.spec.as_deref()).map(self::digest);
                !known.ok || current.as_ref() != Some(&known.applied)
            };
            digest != known.digest || known.open || (again && differs())
        }
    };
    known.again = turn;
    if !due {
        return keep(tx, look, next).await;
    }
    let outcome = match spec {
        Err(reason) => Outcome::Fails(reason),
        Ok(text) => begin(&mut tx, &service, &wanted.instance, found, text).await?,
    };
    if matches!(outcome, Outcome::Waits(_) | Outcome::Fails(_)) {
        // Nothing of what it began is kept.
        tx = rounds.next();
        if !look.holds(&mut tx).await? {
            return Ok(false);
        }
    }
    settle(&tx, known, &service, wanted, digest, outcome);
    keep(tx, look, next).await
}

async fn keep(mut tx: Tx<'_>, look: &mut Look, next: ServiceSync) -> Result<bool, OperationError> {
    if look.put(&mut tx, next) { jobs::committed(tx).await } else { Ok(true) }
}

/// Makes or changes an instance.
async fn begin(
    tx: &mut Tx<'_>,
    service: &str,
    name: &str,
    found: Option<Kept<ServiceInstance>>,
    text: &str,
) -> Result<Outcome, OperationError> {
    let nothing = Document::map();
    let is_there = |instance: &ServiceInstance| {
        instance.deployment_status == DeploymentStatus::Succeeded && instance.spec.as_deref() == Some(text)
    };
    let begun = match found {
        Some(kept) if is_there(&kept.value) => return Ok(Outcome::There),
        Some(_) => {
            let input = UpdateServiceInstanceInput {
                deployment_type: DeploymentUpdateType::CurrentVersion,
                name: name.to_owned(),
                service_name: service.to_owned(),
                spec: Some(text.to_owned()),
                ..UpdateServiceInstanceInput::default()
            };
            instances::update(tx, &input, &nothing, By::Sync).await
        }
        None => {
            let input = CreateServiceInstanceInput {
                name: name.to_owned(),
                service_name: service.to_owned(),
                spec: text.to_owned(),
                ..CreateServiceInstanceInput::default()
            };
            instances::create(tx, &input, &nothing, By::Sync).await
        }
    };
    match begun {
        Ok(instance) => {
            let id = instance.last_attempted_deployment_id.unwrap_or_default();
            let target = tx.find::<Deployment>(&id).await?.and_then(|kept| kept.value.target_state);
            let spec = target.and_then(|state| state.service_instance).map(|state| state.spec).unwrap_or_default();
            Ok(Outcome::Begun(id, spec))
        }
        Err(error) if error.code == standin_core::codes::INTERNAL_FAILURE => Err(error),
        Err(error) if error.code == "ConflictException" => Ok(Outcome::Waits(error.message)),
        Err(error) => Ok(Outcome::Fails(error.message)),
    }
}

/// Notes what came of it.
fn settle(tx: &Tx<'_>, known: &mut InstanceSync, service: &str, wanted: &Wanted, digest: String, outcome: Outcome) {
    let (now, revision) = (tx.now(), &wanted.revision);
    let target = format!("{service}/{}", wanted.instance);
    let mut told = attempt(now, &target, known.succeeded.as_ref(), revision);
    known.desired = Some(revision.clone());
    known.open = false;
    match outcome {
        Outcome::There => {
            told.events.push(event(now, types::UNCHANGED, "The instance has that spec", None));
            told.status = ResourceSyncStatus::Succeeded;
            known.succeeded = Some(told.clone());
            known.ok = true;
            known.applied.clone_from(&digest);
            known.digest = digest;
        }
        Outcome::Begun(id, spec) => {
            told.events.push(event(now, types::DEPLOYING, &format!("Deployment {id} has begun"), Some(&id)));
            known.ok = false;
            known.applied = self::digest(&spec);
            known.digest = digest;
            known.deployment = Some(id);
        }
        Outcome::Waits(reason) => {
            known.open = true;
            if state::has_failed(known.latest.as_ref(), revision, types::WAITING, &reason) {
                return;
            }
            told.events.push(event(now, types::WAITING, &reason, None));
            told.status = ResourceSyncStatus::Initiated;
        }
        Outcome::Fails(reason) => {
            known.open = true;
            if state::has_failed(known.latest.as_ref(), revision, types::FAILED, &reason) {
                return;
            }
            told.events.push(event(now, types::FAILED, &reason, None));
            told.status = ResourceSyncStatus::Failed;
        }
    }
    known.latest = Some(told);
}
