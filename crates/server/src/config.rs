//! What a server is told at start.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{Clock, Fidelity};
use standin_faults::Faults;
use standin_lifecycle::Overlay;
use standin_mock::validation::Strictness;
use standin_model::Service;
use standin_mwaa::local::DatabaseChoice;
use standin_mwaa::local::docker::DockerConfig;
use standin_proton::engine::Quotas;
use standin_provision::ProvisioningConfig;
use standin_script::Responses;
use standin_script::folder::Folder;
use standin_store::StoreLocation;

use crate::init::InitReport;
use crate::leaks::LeakWatch;
use crate::net::{CorsPolicy, Limits, ProxyPolicy};
use crate::pass::Upstream;
use crate::proton::events::EventsConfig;
use crate::tape::{RecordConfig, ReplayConfig};

/// The account of requests whose access key names none.
pub const DEFAULT_ACCOUNT: &str = "000000000000";
pub const DEFAULT_REGION: &str = "us-east-1";
/// The port that stand-ins for AWS share by habit.
pub const DEFAULT_PORT: u16 = 4566;
/// Requests that the journal keeps.
pub const DEFAULT_JOURNAL_SIZE: usize = 1000;

/// Which services remember nothing: every read of theirs answers with a made-up resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stateless {
    #[default]
    None,
    All,
    /// Catalogue ids.
    Some(Vec<String>),
}

/// How long resources show a transitional status, such as `CREATING`; not at all by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transitions {
    pub usual: Duration,
    /// By catalogue id.
    pub services: Vec<(String, Duration)>,
}

/// Everything that may be chosen. The default serves all services on 127.0.0.1:4566.
#[derive(Debug)]
pub struct ServerConfig {
    /// Port 0 takes a free one.
    pub listen: Vec<SocketAddr>,
    pub limits: Limits,
    /// TLS on the same port, with certificates of an own authority.
    pub tls: bool,
    pub proxy: ProxyPolicy,
    /// Told of everything that was meant for AWS itself, which is then refused; needs [`ProxyPolicy::Guard`].
    pub leaks: Option<Arc<dyn LeakWatch>>,
    /// Which web pages may call.
    pub cors: CorsPolicy,
    /// Host names to answer beside local ones and AWS's; `*` for any.
    pub allowed_hosts: Vec<String>,
    /// The same seed and requests give the same answers.
    pub seed: u64,
    /// 12 digits.
    pub account: String,
    pub region: String,
    pub validation: Strictness,
    /// Answers of lower fidelity are refused.
    pub strict: Option<Fidelity>,
    /// Whether answers carry `x-standin-fidelity`.
    pub fidelity_header: bool,
    /// Models that replace or join the embedded ones.
    pub models: Vec<Service>,
    /// Catalogue ids of the services to answer; all without it.
    pub services: Option<Vec<String>>,
    /// Corrections of what is inferred of services.
    pub overlays: Vec<Overlay>,
    /// What only answers from the models and remembers nothing.
    pub stateless: Stateless,
    pub journal_size: usize,
    /// Where files are kept that outlive the process: the certificate authority, and the bytes of objects unless state is
    /// in memory. In memory without it.
    pub data_dir: Option<PathBuf>,
    /// Where programs are looked for that standin starts, as in `PATH`; `None`: it starts none.
    pub search: Option<OsString>,
    /// The program of this process, where it is standin's: it also watches jobs.
    pub program: Option<PathBuf>,
    /// Where everything is kept that calls change.
    pub store: StoreLocation,
    /// How long resources are on their way from one status to the next.
    pub transitions: Transitions,
    pub clock: Clock,
    /// What goes wrong on request.
    pub faults: Faults,
    /// What calls are answered by script.
    pub responses: Responses,
    /// Files of responses, read again when they change.
    pub responses_dir: Option<Folder>,
    /// What is told of init hooks.
    pub init: Arc<InitReport>,
    /// Where S3 is, if it is not here.
    pub s3: Option<Upstream>,
    /// What is passed on, and where what comes of it is written.
    pub record: Option<RecordConfig>,
    /// What was recorded, for answers.
    pub replay: Option<ReplayConfig>,
    /// How much there may be in Proton.
    pub proton_quotas: Quotas,
    /// What becomes of Proton's events.
    pub proton_events: EventsConfig,
    /// Who provisions for Proton, and where its repositories are.
    pub provisioning: ProvisioningConfig,
    /// Whom the forges of its repositories are trusted by.
    pub forges_tls: Option<Arc<rustls::ClientConfig>>,
    /// What runs Airflow for environments of MWAA.
    pub mwaa: MwaaConfig,
}

/// What runs Airflow for environments of MWAA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MwaaConfig {
    /// The runtime of environments whose tag names none.
    pub runtime: &'static str,
    /// The folder of installed versions, which servers may share; without it, one in the data directory.
    pub installations: Option<PathBuf>,
    /// Where environments have Airflow's metadata.
    pub database: DatabaseChoice,
    /// The containers of environments that run in some.
    pub docker: DockerConfig,
}

impl Default for MwaaConfig {
    fn default() -> Self {
        Self {
            runtime: "simulated",
            installations: None,
            database: DatabaseChoice::Auto,
            docker: DockerConfig::default(),
        }
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))],
            limits: Limits::default(),
            tls: true,
            proxy: ProxyPolicy::default(),
            leaks: None,
            cors: CorsPolicy::default(),
            allowed_hosts: Vec::new(),
            seed: 0,
            account: DEFAULT_ACCOUNT.to_owned(),
            region: DEFAULT_REGION.to_owned(),
            validation: Strictness::default(),
            strict: None,
            fidelity_header: true,
            models: Vec::new(),
            services: None,
            overlays: Vec::new(),
            stateless: Stateless::default(),
            journal_size: DEFAULT_JOURNAL_SIZE,
            data_dir: None,
            search: None,
            program: None,
            store: StoreLocation::Memory,
            transitions: Transitions::default(),
            clock: Clock::real(),
            faults: Faults::default(),
            responses: Responses::default(),
            responses_dir: None,
            init: Arc::default(),
            s3: None,
            record: None,
            replay: None,
            proton_quotas: Quotas::default(),
            proton_events: EventsConfig::default(),
            provisioning: ProvisioningConfig::default(),
            forges_tls: None,
            mwaa: MwaaConfig::default(),
        }
    }
}
