//! Resources as rows: the typed resource as the API shows it, and what only the engine knows.

use std::sync::Arc;

use standin_model::{Document, Fields, Timestamp};
use standin_store::IndexEntry;

use super::index;
use crate::types::*;

/// The index that lists go by: newest first, then by name.
pub const ORDER: &str = "order";

/// A resource that has rows of its own.
pub trait Resource: Shape + Clone + Send + Sync {
    const TABLE: &'static str;
    /// What messages call it.
    const WHAT: &'static str;

    /// Unique within account and region.
    fn key(&self) -> String;

    fn created_at(&self) -> Timestamp;

    /// What it is found by besides key and order.
    fn found_by(&self) -> index::Entries {
        Vec::new()
    }
}

/// A row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept<T> {
    pub value: T,
    pub extra: Extra,
}

/// What the engine remembers beside a resource.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra {
    /// The input of the create, for those that are idempotent without a token.
    pub parameters: Option<String>,
    /// Whether it was updated since.
    pub modified: bool,
    pub tags: Vec<Tag>,
    /// Of a service: those of its pipeline.
    pub pipeline_tags: Vec<Tag>,
    pub outputs: Vec<Output>,
    pub resources: Vec<ProvisionedResource>,
    /// Of a template: the next major version, and the next minor of each major by its number.
    pub next_major: i64,
    pub next_minors: Vec<i64>,
    /// Of a service: what its instances go through.
    pub phase: Option<String>,
    /// Of a service: the spec to come back to.
    pub old_spec: Option<String>,
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Of a deployment: whether it deletes.
    pub deletes: bool,
    /// Of a deployment: what its provisioner gave to be kept.
    pub notes: Option<Document>,
    /// Of an environment: whether what is in it is deleted without the account that it is in.
    pub abandoned: bool,
    /// Of a component; of a version that is being registered: bucket and key of its bundle.
    pub manifest: Option<String>,
    /// Of a component: its template file as deployed.
    pub template_file: Option<String>,
    /// Of a service: the major version that new instances get.
    pub major: Option<String>,
    /// The name of its stack, of a service that of its pipeline, where that was given by others.
    pub stack: Option<String>,
}

impl<T> Kept<T> {
    pub fn new(value: T) -> Self {
        Self { value, extra: Extra::default() }
    }
}

impl Shape for Extra {
    fn read(document: &Document) -> Option<Self> {
        let fields = document.as_map()?;
        fn one<T: Shape>(fields: &Fields, name: &str) -> Option<T> {
            fields.get(name).and_then(T::read)
        }
        Some(Self {
            parameters: one(fields, "parameters"),
            modified: one(fields, "modified").unwrap_or_default(),
            tags: one(fields, "tags").unwrap_or_default(),
            pipeline_tags: one(fields, "pipelineTags").unwrap_or_default(),
            outputs: one(fields, "outputs").unwrap_or_default(),
            resources: one(fields, "resources").unwrap_or_default(),
            next_major: one(fields, "nextMajor").unwrap_or_default(),
            next_minors: one(fields, "nextMinors").unwrap_or_default(),
            phase: one(fields, "phase"),
            old_spec: one(fields, "oldSpec"),
            added: one(fields, "added").unwrap_or_default(),
            removed: one(fields, "removed").unwrap_or_default(),
            deletes: one(fields, "deletes").unwrap_or_default(),
            notes: fields.get("notes").cloned(),
            abandoned: one(fields, "abandoned").unwrap_or_default(),
            manifest: one(fields, "manifest"),
            template_file: one(fields, "templateFile"),
            major: one(fields, "major"),
            stack: one(fields, "stack"),
        })
    }

    fn write(&self) -> Document {
        let mut fields = Fields::new();
        fn some<T: Shape>(fields: &mut Fields, name: &'static str, value: Option<&T>) {
            if let Some(value) = value {
                fields.push(name, value.write());
            }
        }
        fn many<T: Shape>(fields: &mut Fields, name: &'static str, value: &Vec<T>) {
            some(fields, name, Some(value).filter(|value| !value.is_empty()));
        }
        some(&mut fields, "parameters", self.parameters.as_ref());
        some(&mut fields, "modified", Some(&self.modified).filter(|set| **set));
        many(&mut fields, "tags", &self.tags);
        many(&mut fields, "pipelineTags", &self.pipeline_tags);
        many(&mut fields, "outputs", &self.outputs);
        many(&mut fields, "resources", &self.resources);
        some(&mut fields, "nextMajor", Some(&self.next_major).filter(|count| **count > 0));
        many(&mut fields, "nextMinors", &self.next_minors);
        some(&mut fields, "phase", self.phase.as_ref());
        some(&mut fields, "oldSpec", self.old_spec.as_ref());
        many(&mut fields, "added", &self.added);
        many(&mut fields, "removed", &self.removed);
        some(&mut fields, "deletes", Some(&self.deletes).filter(|set| **set));
        if let Some(notes) = &self.notes {
            fields.push("notes", notes.clone());
        }
        some(&mut fields, "abandoned", Some(&self.abandoned).filter(|set| **set));
        some(&mut fields, "manifest", self.manifest.as_ref());
        some(&mut fields, "templateFile", self.template_file.as_ref());
        some(&mut fields, "major", self.major.as_ref());
        some(&mut fields, "stack", self.stack.as_ref());
        Document::Map(fields)
    }
}

impl<T: Resource> Kept<T> {
    pub fn read(body: &Document) -> Option<Self> {
        Some(Self {
            value: T::read(body.get("value")?)?,
            extra: body.get("extra").and_then(Extra::read).unwrap_or_default(),
        })
    }

    pub fn body(&self) -> Document {
        let mut fields = Fields::with_capacity(2);
        fields.push("value", self.value.write());
        fields.push("extra", self.extra.write());
        Document::Map(fields)
    }

    pub fn index(&self) -> Arc<[IndexEntry]> {
        let entries = self.value.found_by();
        let entries = entries.into_iter().map(|(index, value)| IndexEntry::new(index, value));
        std::iter::once(IndexEntry::new(ORDER, self.order())).chain(entries).collect()
    }

    /// Its place in lists.
    pub fn order(&self) -> String {
        order(&self.value)
    }
}

/// Sorts newest first, then by key.
pub fn order<T: Resource>(value: &T) -> String {
    let newest_first = u64::MAX - value.created_at().as_millis().cast_unsigned();
    format!("{newest_first:016x}/{}", value.key())
}

macro_rules! resources {
    ($($type:ty, $table:literal, $what:literal, $created:ident, |$value:ident| $key:expr $(, $found_by:path)?;)*) => {$(
        impl Resource for $type {
            const TABLE: &'static str = $table;
            const WHAT: &'static str = $what;

            fn key(&self) -> String {
                let $value = self;
                $key
            }

            fn created_at(&self) -> Timestamp {
                self.$created
            }
            $(
                fn found_by(&self) -> index::Entries {
                    $found_by(self)
                }
            )?
        }
    )*};
}

/// What templates of both types have, as one type that tells them apart.
macro_rules! of_both_types {
    ($($(#[$doc:meta])* $name:ident($of:ident), [$table:literal, $service_table:literal], [$what:literal, $service_what:literal], |$it:ident| $key:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name<const SERVICE: bool>(pub $of);

        impl<const SERVICE: bool> Shape for $name<SERVICE> {
            fn read(document: &Document) -> Option<Self> {
                $of::read(document).map(Self)
            }

            fn write(&self) -> Document {
                self.0.write()
            }
        }

        impl<const SERVICE: bool> Resource for $name<SERVICE> {
            const TABLE: &'static str = if SERVICE { $service_table } else { $table };
            const WHAT: &'static str = if SERVICE { $service_what } else { $what };

            fn key(&self) -> String {
                let $it = &self.0;
                $key
            }

            fn created_at(&self) -> Timestamp {
                self.0.created_at
            }
        }
    )*};
}

of_both_types! {
    /// A template of either type, with the members of both.
    Template(EnvironmentTemplate), ["environment-template", "service-template"],
        ["Environment template", "Service template"], |it| it.name.clone();
    /// A version of a template of either type, with the members of both.
    Version(ServiceTemplateVersion), ["environment-template-version", "service-template-version"],
        ["Environment template version", "Service template version"],
        |it| version_key(&it.template_name, &it.major_version, &it.minor_version);
}

/// Keys of versions sort by their numbers.
pub fn version_key(template: &str, major: &str, minor: &str) -> String {
    format!("{template}/{major:0>20}/{minor:0>20}")
}

resources! {
    Environment, "environment", "Environment", created_at, |it| it.name.clone(), index::of_environment;
    Service, "service", "Service", created_at, |it| it.name.clone(), index::of_service;
    ServiceInstance, "service-instance", "Service instance", created_at, |it| format!("{}/{}", it.service_name, it.name), index::of_instance;
    Component, "component", "Component", created_at, |it| it.name.clone(), index::of_component;
    Deployment, "deployment", "Deployment", created_at, |it| it.id.clone(), index::of_deployment;
    EnvironmentAccountConnection, "connection", "Environment account connection", requested_at, |it| it.id.clone();
}

/// A repository link with the time of its creation, which the API does not show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Linked {
    pub repository: Repository,
    pub created_at: Timestamp,
}

impl Shape for Linked {
    fn read(document: &Document) -> Option<Self> {
        Some(Self {
            repository: Repository::read(document)?,
            created_at: document.get("createdAt").and_then(Timestamp::read).unwrap_or_default(),
        })
    }

    fn write(&self) -> Document {
        let mut document = self.repository.write();
        if let Some(fields) = document.as_map_mut() {
            fields.push("createdAt", self.created_at);
        }
        document
    }
}

impl Resource for Linked {
    const TABLE: &'static str = "repository";
    const WHAT: &'static str = "Repository";

    fn key(&self) -> String {
        repository_key(self.repository.provider, &self.repository.name)
    }

    fn created_at(&self) -> Timestamp {
        self.created_at
    }
}

pub fn repository_key(provider: RepositoryProvider, name: &str) -> String {
    format!("{}:{name}", provider.as_str().to_lowercase())
}

/// Settings that have no time of their own.
macro_rules! settings {
    ($($type:ty, $table:literal, $what:literal, |$value:ident| $key:expr;)*) => {$(
        impl Resource for $type {
            const TABLE: &'static str = $table;
            const WHAT: &'static str = $what;

            fn key(&self) -> String {
                let $value = self;
                $key
            }

            fn created_at(&self) -> Timestamp {
                Timestamp::default()
            }
        }
    )*};
}

settings! {
    AccountSettings, "account-settings", "Account settings", |_it| "settings".to_owned();
    TemplateSyncConfig, "template-sync", "Template sync configuration", |it| format!("{}/{}", it.template_type.as_str(), it.template_name);
    ServiceSyncConfig, "service-sync", "Service sync configuration", |it| it.service_name.clone();
}
