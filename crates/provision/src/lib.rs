//! What provisions for Proton, and where its linked repositories are.
//!
//! # Invariants
//! - The engine sees one [`Provisioner`](standin_proton::engine::provision::Provisioner), [`Methods`], which chooses by what the
//!   template holds and what is configured.
//! - A step looks before it does: names follow from the deployment's id, so that a step that is repeated, also by another process
//!   after a crash, finds what the one before it did.

pub mod builds;
pub mod config;
pub mod jobs;
mod log;
mod methods;
pub mod pulls;
pub mod repositories;
pub mod secrets;
pub mod stacks;
pub mod terraform;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use standin_core::Caller;
use standin_model::Timestamp;
use standin_proton::engine::provision::Provisioner;
use standin_proton::engine::repositories::Repositories;
use standin_store::Store;

pub use builds::Builds;
pub use config::ProvisioningConfig;
pub use jobs::Jobs;
pub use log::Log;
pub use methods::Methods;
pub use pulls::Pulls;
pub use repositories::Places;
pub use secrets::Secrets;

/// What provisioning needs of the server.
pub struct Parts {
    /// Calls standin's own services.
    pub caller: Caller,
    pub store: Arc<dyn Store>,
    pub config: ProvisioningConfig,
    /// A folder of its own that outlives the process; without it, nothing is provisioned that needs files.
    pub folder: Option<PathBuf>,
    /// Where programs are looked for, as in `PATH`; `None`: none is started.
    pub search: Option<OsString>,
    /// This program, where it is standin: as `PROGRAM shepherd FOLDER` it watches a job.
    pub program: Option<PathBuf>,
    /// Whether what is kept outlives the process, so that jobs may too.
    pub lasting: bool,
    /// Where the server is found, once it listens.
    pub endpoint: Arc<OnceLock<Arc<str>>>,
    /// Whom forges are trusted by.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Whether it listens on addresses of this machine only.
    pub only_local: bool,
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// Everything that provisions, ready for the engine.
pub struct Provisioning {
    pub methods: Arc<Methods>,
    pub repositories: Arc<dyn Repositories>,
    pub log: Log,
    pub secrets: Arc<Secrets>,
    /// Finds stacks that can be adopted.
    pub survey: Arc<dyn stacks::Survey>,
}

impl Provisioning {
    pub fn new(parts: Parts) -> Self {
        let log = Log::new(parts.caller.clone());
        let builds = builds::configured(&parts, log.clone());
        let terraform = terraform::run::configured(&parts, log.clone());
        let mirrors = parts.folder.map(|folder| folder.join("git"));
        let secrets = Arc::new(Secrets::new(parts.store, parts.config.keys.clone()));
        let places = Arc::new(Places::new(&parts.config, secrets.clone(), mirrors, parts.search, parts.tls));
        let survey = stacks::survey(&parts.config, parts.caller.clone());
        let stacks = stacks::configured(&parts.config, parts.caller, log.clone());
        let terraform: Arc<dyn Provisioner> = match terraform {
            Some(local) => local,
            None => Arc::new(Pulls::new(places.clone(), log.clone(), &parts.config)),
        };
        let methods = Methods::new(stacks, builds, terraform);
        Self { methods: Arc::new(methods), repositories: places, log, secrets, survey }
    }
}
