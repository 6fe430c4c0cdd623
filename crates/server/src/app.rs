//! Everything that requests share.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use standin_cloudformation::stacks::Engine;
use standin_cloudwatch::metrics::Metrics as CloudWatch;
use standin_core::{Caller, Clock, Dice, Fidelity, Hasher, Registry, Stopwatch};
use standin_faults::Faults;
use standin_mock::synthesis::Synthesizer;
use standin_mock::validation::Strictness;
use standin_model::Catalogue;
use standin_mwaa::local::LocalConfig;
use standin_mwaa::neighbours::NAMESPACE;
use standin_provision::terraform::state::States;
use standin_s3::ObjectStorage;
use standin_script::Responses;
use standin_script::folder::Folder;
use standin_state::{Mode, Resources};
use standin_store::history::History;
use standin_store::{Store, StoreLocation};

use crate::cloudwatch;
use crate::config::{ServerConfig, Stateless};
use crate::coverage::Coverage;
use crate::experiments;
use crate::identify::{Defaults, Index};
use crate::init::InitReport;
use crate::journal::Journal;
use crate::leaks::LeakWatch;
use crate::memo::Memo;
use crate::metrics::Metrics;
use crate::mwaa;
use crate::net::{CertAuthority, Limits};
use crate::objects;
use crate::pass::PassOn;
use crate::proton::{self, events::EventsConfig};
use crate::sessions;
use crate::stacks;
use crate::state::State;
use crate::tape::Tape;
use crate::worker;

/// Slots that count how often the same request came. Two requests that share a slot only skip numbers.
const REPEAT_SLOTS: usize = 1 << 14;

pub(crate) struct App {
    pub(crate) catalogue: &'static Catalogue,
    pub(crate) index: Index,
    pub(crate) defaults: Defaults,
    pub(crate) registry: Registry,
    pub(crate) proton: Arc<standin_proton::engine::Engine>,
    /// What git and forges are given for Proton.
    pub(crate) secrets: Arc<standin_provision::Secrets>,
    /// Finds stacks that Proton can adopt.
    pub(crate) survey: Arc<dyn standin_provision::stacks::Survey>,
    pub(crate) proton_events: EventsConfig,
    /// What webhooks of forges have to show.
    pub(crate) proton_hooks: Option<String>,
    pub(crate) mwaa: Arc<standin_mwaa::engine::Engine>,
    pub(crate) cloudwatch: Arc<CloudWatch>,
    /// Connections to Airflow that have become something else than HTTP.
    pub(crate) airflow_upgrades: Arc<tokio::sync::Semaphore>,
    pub(crate) resources: Arc<Resources>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) objects: Arc<ObjectStorage>,
    pub(crate) stacks: Arc<Engine>,
    /// What Terraform keeps here.
    pub(crate) terraform: States,
    pub(crate) history: History,
    pub(crate) responses: Responses,
    /// Where files of responses lie.
    pub(crate) responses_dir: Option<Arc<Folder>>,
    pub(crate) faults: Arc<Faults>,
    pub(crate) tape: Option<Tape>,
    pub(crate) memo: Memo,
    pub(crate) journal: Journal,
    pub(crate) coverage: Coverage,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<Clock>,
    /// Where the server is found, once it listens.
    pub(crate) public_url: Arc<OnceLock<Arc<str>>>,
    /// Names this server as the one that does jobs.
    pub(crate) owner: Arc<str>,
    pub(crate) dice: Dice,
    pub(crate) started: Stopwatch,
    pub(crate) validation: Strictness,
    pub(crate) strict: Option<Fidelity>,
    pub(crate) fidelity_header: bool,
    /// Sorted catalogue ids; `None` for all.
    pub(crate) served: Option<Vec<String>>,
    pub(crate) limits: Limits,
    pub(crate) authority: Option<Arc<CertAuthority>>,
    pub(crate) init: Arc<InitReport>,
    pub(crate) leaks: Option<Arc<dyn LeakWatch>>,
    pub(crate) stop: tokio::sync::Notify,
    ordinal: AtomicU64,
    repeats: Box<[AtomicU32]>,
    warned_of_real_key: AtomicBool,
}

impl App {
    pub(crate) fn new(config: ServerConfig, state: State, tape: Option<Tape>) -> Self {
        let State { store, objects, history, first } = state;
        let catalogue = if config.models.is_empty() {
            Catalogue::shared()
        } else {
            let mut own = Catalogue::embedded();
            config.models.into_iter().for_each(|service| own.add(service));
            Box::leak(Box::new(own))
        };
        let clock = Arc::new(config.clock);
        let now = clock.now();
        // Certificates are checked against the clients' clocks, not against a virtual one.
        let real = Clock::real().now();
        let data_dir = config.data_dir.clone();
        let authority = config.tls.then(|| {
            Arc::new(match config.data_dir {
                Some(folder) => CertAuthority::in_directory(folder, real),
                None => CertAuthority::in_memory(real),
            })
        });
        let served = config.services.map(|mut list| {
            list.sort();
            list
        });
        let resources = Resources::new(Arc::clone(&store), Arc::new(Synthesizer::new(catalogue)), first);
        let resources = Arc::new(resources.with_overlays(config.overlays));
        resources.set_transitions(None, config.transitions.usual);
        for (service, duration) in &config.transitions.services {
            resources.set_transitions(Some(service), *duration);
        }
        let mut registry = Registry::new(resources.clone());
        let changes = Arc::default();
        match &config.stateless {
            Stateless::None => {}
            Stateless::All => resources.set_mode(None, Mode::Stateless),
            Stateless::Some(services) => {
                services.iter().for_each(|service| resources.set_mode(Some(service), Mode::Stateless));
            }
        }
        match config.s3 {
            Some(elsewhere) => registry.service(standin_s3::SERVICE, Arc::new(PassOn::new(elsewhere))),
            None => objects::register(&mut registry, &objects, &resources, &changes),
        }
        sessions::register(&mut registry, &resources);
        let faults = Arc::new(config.faults);
        experiments::register(&mut registry, &resources, &faults, catalogue);
        let (dice, public_url) = (Dice::new(config.seed), Arc::<OnceLock<_>>::default());
        let local = data_dir.clone().zip(config.search.clone()).map(|(folder, search)| LocalConfig {
            installations: config.mwaa.installations.unwrap_or_else(|| folder.join("mwaa/installed")),
            folder: folder.join("mwaa"),
            search,
            database: config.mwaa.database,
            docker: None,
            changes,
            endpoint: Arc::clone(&public_url),
            now: {
                let clock = clock.clone();
                Arc::new(move || clock.now())
            },
        });
        // Calls what is registered so far.
        let caller = |registry: &Registry| {
            Caller::new(catalogue, Arc::new(registry.clone()), clock.origin(), dice).with_base_url(public_url.clone())
        };
        let groups = caller(&registry);
        let cloudwatch = cloudwatch::register(&mut registry, groups, &store, &resources);
        // Before what makes stacks, so that these can have environments.
        let others = caller(&registry);
        let runs = mwaa::Runs { local, docker: config.mwaa.docker, usual: config.mwaa.runtime };
        let mwaa = mwaa::register(&mut registry, others, &store, &resources, runs);
        let others = caller(&registry);
        mwaa::register_serverless(&mut registry, others, &store, &resources);
        let others = caller(&registry);
        let parts = stacks::Parts { catalogue, others, store: &store, resources: &resources, clock: &clock, dice };
        let stacks = stacks::register(&mut registry, parts);
        let others = caller(&registry);
        let proton_hooks = config.provisioning.git.webhook_secret.clone();
        let needs = proton::Needs {
            others,
            store: &store,
            resources: &resources,
            quotas: config.proton_quotas,
            first,
            config: config.provisioning,
            tls: config.forges_tls,
            folder: data_dir,
            search: config.search,
            program: config.program,
            lasting: config.store != StoreLocation::Memory,
            endpoint: &public_url,
            only_local: config.listen.iter().all(|address| address.ip().is_loopback()),
            clock: &clock,
        };
        let (proton, provisioning) = proton::register(&mut registry, needs);
        Self {
            catalogue,
            index: Index::new(catalogue),
            defaults: Defaults { account: config.account.into(), region: config.region.into() },
            registry,
            proton,
            secrets: provisioning.secrets,
            survey: provisioning.survey,
            proton_events: config.proton_events,
            proton_hooks,
            mwaa,
            cloudwatch,
            airflow_upgrades: Arc::new(tokio::sync::Semaphore::new(mwaa::forward::UPGRADES_MAX)),
            resources,
            terraform: States::new(Arc::clone(&store)),
            store,
            objects,
            stacks,
            history,
            responses: config.responses,
            responses_dir: config.responses_dir.map(Arc::new),
            faults,
            tape,
            memo: Memo::default(),
            journal: Journal::new(config.journal_size),
            coverage: Coverage::default(),
            metrics: Arc::new(Metrics::new(now)),
            clock,
            public_url,
            owner: worker::owner().into(),
            dice,
            started: Stopwatch::start(),
            validation: config.validation,
            strict: config.strict,
            fidelity_header: config.fidelity_header,
            served,
            authority,
            limits: config.limits,
            init: config.init,
            leaks: config.leaks,
            stop: tokio::sync::Notify::new(),
            ordinal: AtomicU64::new(0),
            repeats: std::iter::repeat_with(|| AtomicU32::new(0)).take(REPEAT_SLOTS).collect(),
            warned_of_real_key: AtomicBool::new(false),
        }
    }

    pub(crate) fn next_ordinal(&self) -> u64 {
        self.ordinal.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A request id that depends on the seed, the request and how often it came, not on what else goes on.
    pub(crate) fn request_id(&self, request: &Hasher) -> Box<str> {
        let slot = &self.repeats[request.finish() as usize % REPEAT_SLOTS];
        let mut key = request.clone();
        key.number(u64::from(slot.fetch_add(1, Ordering::Relaxed)));
        let mut draw = key.draw();
        let (high, low) = (draw.next_u64(), draw.next_u64());
        uuid_text(high, low)
    }

    /// Says once that a key looks like one of AWS's own.
    pub(crate) fn note_access_key(&self, key: Option<&str>) {
        let real = key.is_some_and(|key| key.len() >= 16 && (key.starts_with("AKIA") || key.starts_with("ASIA")));
        if real && !self.warned_of_real_key.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                account = &*self.defaults.account,
                "a client signs with a key that looks like a real AWS key; standin does not check or keep it and uses \
                 the default account. Any 12-digit access key id names an account"
            );
        }
    }

    pub(crate) fn serves(&self, service: &str) -> bool {
        self.served.as_ref().is_none_or(|list| list.iter().any(|id| id == service))
    }

    /// Says which seed the fault rules draw from: with it and the same rules, a run can be repeated.
    pub(crate) fn log_faults(&self) {
        tracing::info!(rules = self.faults.list().len(), seed = self.dice.seed(), "fault rules are set");
    }

    /// Reads the files of responses again if any has changed. The rules from before stay where one is no good.
    pub(crate) async fn reload_responses(self: &Arc<Self>) {
        let Some(folder) = self.responses_dir.clone() else { return };
        let app = Arc::clone(self);
        let before = self.responses.problems();
        let loaded = tokio::task::spawn_blocking(move || folder.load(&app.responses, app.catalogue, app.clock.now()));
        match loaded.await {
            Ok(Ok(_)) => {}
            // Once: a folder is looked at again and again.
            Ok(Err(problems)) if *before == problems => {}
            Ok(Err(problems)) => {
                for problem in problems {
                    tracing::warn!("responses stay as they were: {problem}");
                }
            }
            Err(error) => tracing::error!(%error, "files of responses could not be read"),
        }
    }

    /// What fault rules did, as metrics. A rule's series go with it.
    pub(crate) fn fault_metrics(&self) -> String {
        let rules = self.faults.list();
        if rules.is_empty() {
            return String::new();
        }
        let mut text = String::from(
            "# HELP standin_faults_injected_total Calls that went wrong by a fault rule.\n# TYPE standin_faults_injected_total counter\n",
        );
        for state in rules {
            let id = state.rule.id.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            text.push_str(&format!("standin_faults_injected_total{{rule=\"{id}\"}} {}\n", state.hit));
        }
        text
    }

    /// The newest of what environments of MWAA have told CloudWatch.
    pub(crate) async fn airflow_metrics(&self) -> String {
        let told = self.cloudwatch.exposition(NAMESPACE, "standin_airflow", self.clock.now()).await;
        told.unwrap_or_default()
    }

    /// Forgets what was asked: journal, coverage, canned answers and counters.
    pub(crate) fn forget_requests(&self) {
        self.journal.clear();
        self.coverage.clear();
        self.responses.reset();
        self.tape.iter().for_each(Tape::restart);
        self.memo.clear();
        self.ordinal.store(0, Ordering::Relaxed);
        self.repeats.iter().for_each(|slot| slot.store(0, Ordering::Relaxed));
    }
}

/// A version-4 UUID of 128 drawn bits.
fn uuid_text(high: u64, low: u64) -> Box<str> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let bits = u128::from(high) << 64 | u128::from(low);
    let mut text = String::with_capacity(36);
    for digit in 0..32 {
        if matches!(digit, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(HEX[(bits >> (124 - 4 * digit)) as usize & 15] as char);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_have_the_form_of_a_uuid() {
        assert_eq!(&*super::uuid_text(0, 0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(&*super::uuid_text(u64::MAX, u64::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
