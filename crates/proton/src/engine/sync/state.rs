//! What syncs remember from one look at a repository to the next, and show as their statuses.

use standin_core::OperationError;
use standin_model::{Document, Fields, Timestamp};

use super::super::kept::{Kept, Resource, repository_key};
use super::super::tx::Tx;
use crate::types::*;

/// Events of one attempt at most.
const EVENTS_MAX: usize = 100;
/// Bytes of the text of one event at most.
const TEXT_BYTES_MAX: usize = 4096;

/// A member of a row.
trait Member: Sized {
    fn of(fields: &Fields, name: &str) -> Self;
    fn put(&self, fields: &mut Fields, name: &'static str);
}

macro_rules! members {
    ($($type:ty),* $(,)?) => {$(
        impl Member for $type {
            fn of(fields: &Fields, name: &str) -> Self {
                fields.get(name).and_then(Shape::read).unwrap_or_default()
            }

            fn put(&self, fields: &mut Fields, name: &'static str) {
                fields.push(name, self.write());
            }
        }

        impl Member for Option<$type> {
            fn of(fields: &Fields, name: &str) -> Self {
                fields.get(name).and_then(Shape::read)
            }

            fn put(&self, fields: &mut Fields, name: &'static str) {
                if let Some(value) = self {
                    fields.push(name, value.write());
                }
            }
        }
    )*};
}

members!(String, bool, i64, Revision, ResourceSyncAttempt, RepositorySyncAttempt, Vec<MajorSync>, Vec<InstanceSync>,);

macro_rules! records {
    ($($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$of])* pub $field: $type,)*
        }

        impl Shape for $name {
            fn read(document: &Document) -> Option<Self> {
                let fields = document.as_map()?;
                Some(Self { $($field: Member::of(fields, stringify!($field)),)* })
            }

            fn write(&self) -> Document {
                let mut fields = Fields::new();
                $(Member::put(&self.$field, &mut fields, stringify!($field));)*
                Document::Map(fields)
            }
        }
    )*};
}

records! {
    /// That somebody wants a look at a repository; another value each time.
    Turn {
        /// Kind of job, and what it is for.
        key: String,
        partition: String,
        latest: String,
        /// Changes where also what failed is to be tried again, and what was changed by hand set right.
        again: String,
    }

    /// How far a template follows its repository.
    TemplateSync {
        /// Of its configuration.
        key: String,
        /// Grows with every change, so that no two states are equal.
        number: i64,
        /// The last commit whose folder was looked at as a whole.
        head: Option<String>,
        /// The [`Turn::again`] of that look.
        again: String,
        majors: Vec<MajorSync>,
    }

    /// How far a major version follows its folder.
    MajorSync {
        major: String,
        /// The id of the folder as it was tried last.
        tree: String,
        /// What was registered of it, where it came to that.
        minor: Option<String>,
        ok: bool,
        /// The id of the folder as it was registered last, and as what.
        good_tree: String,
        good_minor: Option<String>,
        /// By what commit and turn it was judged last.
        seen: String,
        latest: Option<ResourceSyncAttempt>,
        succeeded: Option<ResourceSyncAttempt>,
        desired: Option<Revision>,
    }

    /// How far a service follows its repository.
    ServiceSync {
        service: String,
        /// As of [`TemplateSync`].
        number: i64,
        /// The commits that were looked at, by branch: `branch=id`, one a line.
        heads: String,
        again: String,
        instances: Vec<InstanceSync>,
    }

    /// How far an instance follows its spec file.
    InstanceSync {
        name: String,
        /// Of the spec as it was tried last.
        digest: String,
        /// Of the spec that this made of the instance.
        applied: String,
        again: String,
        /// The deployment that is waited for.
        deployment: Option<String>,
        ok: bool,
        /// Whether it is tried again without a new commit: what is missing is not in the repository.
        open: bool,
        latest: Option<ResourceSyncAttempt>,
        succeeded: Option<ResourceSyncAttempt>,
        desired: Option<Revision>,
    }

    /// How the last look at a branch went.
    RepositorySync {
        key: String,
        /// The commit; empty where it came to none.
        head: String,
        latest: RepositorySyncAttempt,
    }
}

macro_rules! rows {
    ($($type:ty, $table:literal, $what:literal, $key:ident;)*) => {$(
        impl Resource for $type {
            const TABLE: &'static str = $table;
            const WHAT: &'static str = $what;

            fn key(&self) -> String {
                self.$key.clone()
            }

            fn created_at(&self) -> Timestamp {
                Timestamp::default()
            }
        }
    )*};
}

rows! {
    Turn, "sync-turn", "Turn of a sync", key;
    TemplateSync, "template-sync-state", "State of a template sync", key;
    ServiceSync, "service-sync-state", "State of a service sync", service;
    RepositorySync, "repository-sync", "Repository sync", key;
}

impl TemplateSync {
    pub fn major(&self, major: &str) -> Option<&MajorSync> {
        self.majors.iter().find(|known| known.major == major)
    }

    /// The state of a major, made where there is none.
    pub fn major_mut(&mut self, major: &str) -> &mut MajorSync {
        let at = self.majors.iter().position(|known| known.major == major).unwrap_or_else(|| {
            self.majors.push(MajorSync { major: major.to_owned(), ..MajorSync::default() });
            self.majors.len() - 1
        });
        &mut self.majors[at]
    }
}

impl ServiceSync {
    pub fn instance(&self, name: &str) -> Option<&InstanceSync> {
        self.instances.iter().find(|known| known.name == name)
    }

    /// The state of an instance, made where there is none.
    pub fn instance_mut(&mut self, name: &str) -> &mut InstanceSync {
        let at = self.instances.iter().position(|known| known.name == name).unwrap_or_else(|| {
            self.instances.push(InstanceSync { name: name.to_owned(), ..InstanceSync::default() });
            self.instances.len() - 1
        });
        &mut self.instances[at]
    }
}

/// A text that a row has room for.
pub fn shortened(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{} …", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)])
}

/// What happened in an attempt.
pub fn event(now: Timestamp, type_: &str, text: &str, id: Option<&str>) -> ResourceSyncEvent {
    ResourceSyncEvent { event: shortened(text), external_id: id.map(str::to_owned), time: now, type_: type_.to_owned() }
}

/// The types of events.
pub mod types {
    pub const STARTED: &str = "SYNC_STARTED";
    pub const FAILED: &str = "SYNC_FAILED";
    pub const WAITING: &str = "WAITING";
    pub const UNCHANGED: &str = "UNCHANGED";
    pub const REGISTERED: &str = "VERSION_REGISTERED";
    pub const PUBLISHED: &str = "VERSION_PUBLISHED";
    pub const DEPLOYING: &str = "DEPLOYMENT_STARTED";
    pub const DEPLOYED: &str = "DEPLOYMENT_SUCCEEDED";
}

/// A new attempt that leads to a revision from the one before.
pub fn attempt(
    now: Timestamp,
    target: &str,
    before: Option<&ResourceSyncAttempt>,
    to: &Revision,
) -> ResourceSyncAttempt {
    let text = format!("Starting the sync of {} at commit {}", to.directory, to.sha);
    ResourceSyncAttempt {
        events: vec![event(now, types::STARTED, &text, Some(&to.sha))],
        initial_revision: before.map_or_else(|| to.clone(), |before| before.target_revision.clone()),
        started_at: now,
        status: ResourceSyncStatus::InProgress,
        target: target.to_owned(),
        target_revision: to.clone(),
    }
}

/// Whether an attempt has failed for a reason at a revision already: then it is not told again.
pub fn has_failed(attempt: Option<&ResourceSyncAttempt>, to: &Revision, type_: &str, reason: &str) -> bool {
    let reason = shortened(reason);
    attempt.is_some_and(|attempt| {
        attempt.target_revision == *to
            && attempt.events.last().is_some_and(|last| last.type_ == type_ && last.event == reason)
    })
}

/// The branch of a linked repository, and what is synced from there.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'b> {
    pub provider: RepositoryProvider,
    pub repository: &'b str,
    pub name: &'b str,
    pub sync: SyncType,
}

impl Branch<'_> {
    fn key(&self) -> String {
        format!("{}/{}/{}", repository_key(self.provider, self.repository), self.sync.as_str(), self.name)
    }

    pub fn revision(&self, sha: &str, directory: &str) -> Revision {
        Revision {
            branch: self.name.to_owned(),
            // The top has no name, and the member is required.
            directory: if directory.is_empty() { "/".into() } else { directory.to_owned() },
            repository_name: self.repository.to_owned(),
            repository_provider: self.provider,
            sha: sha.to_owned(),
        }
    }
}

/// The last attempt to sync from a branch.
pub async fn of_repository(
    tx: &mut Tx<'_>,
    branch: Branch<'_>,
) -> Result<Option<RepositorySyncAttempt>, OperationError> {
    Ok(tx.find::<RepositorySync>(&branch.key()).await?.map(|kept| kept.value.latest))
}

/// Notes a look at a branch: the commit that was found, and what was wrong with it as a whole. `anew` begins a new attempt also
/// where the commit is the same.
pub async fn note(
    tx: &mut Tx<'_>,
    branch: Branch<'_>,
    sha: Option<&str>,
    wrong: Option<&str>,
    anew: bool,
) -> Result<(), OperationError> {
    let now = tx.now();
    let told = |type_: &str, text: &str, id: Option<&str>| RepositorySyncEvent {
        event: shortened(text),
        external_id: id.map(str::to_owned),
        time: now,
        type_: type_.to_owned(),
    };
    let key = branch.key();
    let known = tx.find::<RepositorySync>(&key).await?.map(|kept| kept.value);
    let head = sha.unwrap_or_default();
    let wrong = wrong.map(|wrong| told(types::FAILED, wrong, None));
    let mut row = match known {
        Some(row) if row.head == head && !anew => row,
        known => {
            let mut events = vec![told("CLONE_STARTED", "Clone started", None)];
            if let Some(sha) = sha {
                events.push(told("CONFIG_UPDATED", "Updated configuration", None));
                events.push(told("STARTING_SYNC", &format!("Starting syncs for commit {sha}"), Some(sha)));
            }
            events.extend(wrong.clone());
            let status = if wrong.is_some() { RepositorySyncStatus::Failed } else { RepositorySyncStatus::Succeeded };
            let latest = RepositorySyncAttempt { events, started_at: now, status };
            // Tried again with the same result: nothing is new.
            let same = known.is_some_and(|row| {
                let texts = |attempt: &RepositorySyncAttempt| -> Vec<String> {
                    attempt.events.iter().map(|event| event.event.clone()).collect()
                };
                row.head == head && row.latest.status == latest.status && texts(&row.latest) == texts(&latest)
            });
            if !same || anew {
                tx.put(&Kept::new(RepositorySync { key, head: head.to_owned(), latest }));
            }
            return Ok(());
        }
    };
    let Some(wrong) = wrong else { return Ok(()) };
    let known = row.latest.events.iter().any(|event| event.type_ == wrong.type_ && event.event == wrong.event);
    if !known && row.latest.events.len() < EVENTS_MAX {
        row.latest.status = RepositorySyncStatus::Failed;
        row.latest.events.push(wrong);
        tx.put(&Kept::new(row));
    }
    Ok(())
}
