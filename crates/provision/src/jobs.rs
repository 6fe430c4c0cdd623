//! The jobs of deployments: where they run, and how a deployment follows one, step by step.

use std::ffi::OsString;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use standin_host::job::{End, IMAGE, Limits, Look, Output, Runner, Spec, Why};
use standin_model::{Document, Fields, Timestamp};
use standin_proton::engine::provision::{Order, Progress};

use crate::Parts;
use crate::config::{BuildsBy, JobsConfig};
use crate::log::{Line, Log};

/// The argument by which standin's program becomes the one that watches a job.
pub const SHEPHERD: &str = "shepherd";
/// How soon a job is looked at again.
const AGAIN_MS: i64 = 1000;
const AT_ONCE_MS: i64 = 1;
/// How soon a job is looked at that is to end.
const STOPPING_MS: i64 = 100;
/// How long past its time limit the end of a job elsewhere is waited for.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// The notes of a deployment that are about its job.
const NOTES: &str = "job";

/// What runs jobs, or why nothing does.
#[derive(Clone)]
pub struct Jobs {
    runner: Result<Arc<dyn Runner>, String>,
    limits: Limits,
    /// Nothing is kept here that a job could have been run for before.
    fresh: bool,
}

/// What a step found of a job.
pub enum Step {
    /// All of its output is in the log.
    Ended(End),
    /// It is under way, or could not be started.
    Not(Progress),
}

impl Jobs {
    /// What runs jobs by the configuration.
    pub fn new(by: BuildsBy, parts: &Parts) -> Self {
        let JobsConfig { timeout, memory, processes, output, allow, .. } = &parts.config.jobs;
        let limits = Limits {
            time: *timeout,
            memory_bytes: *memory,
            output_bytes: *output,
            processes: *processes,
            ..Limits::default()
        };
        let runner = if parts.only_local || *allow {
            runner(by, parts)
        } else {
            Err("this server runs no jobs, since it listens beyond this machine, and the commands of templates are \
                 programs that whoever reaches it could run: let it listen on 127.0.0.1 only, or allow them by \
                 allow = true in [proton.jobs] (--proton jobs.allow=true)"
                .to_owned())
        };
        Self { runner, limits, fresh: parts.folder.is_none() }
    }

    /// What runs them.
    ///
    /// # Errors
    /// Why this server runs none, and what would have to be different.
    pub fn runner(&self) -> Result<&Arc<dyn Runner>, &str> {
        self.runner.as_ref().map_err(String::as_str)
    }

    /// Whether no job can have been run for anything that this server knows: it runs none, and keeps nothing between its runs.
    pub fn never_ran(&self) -> bool {
        self.runner.is_err() && self.fresh
    }

    /// What a job may take at most.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// One step of a deployment's job: it is started where it was not yet, with what `prepare` gives, and what it wrote since the last
    /// step is added to the deployment's log. A job is started once, whatever happens in between.
    pub async fn follow(
        &self,
        log: &Log,
        order: &Order,
        id: &str,
        prepare: impl Future<Output = Result<Spec, String>> + Send,
    ) -> Step {
        let runner = match self.runner() {
            Ok(runner) => runner,
            Err(reason) => return Step::Not(Progress::failed(reason)),
        };
        let mut notes = Notes::read(order, id);
        if notes.place.is_empty() {
            // Before anything is done it is kept who does it.
            notes.place = runner.place();
            notes.since = order.now;
            return Step::Not(notes.progress(order, AT_ONCE_MS));
        }
        if notes.place != runner.place() {
            return Step::Not(self.elsewhere(order, &notes));
        }
        let look = match runner.look(id, notes.read).await {
            Ok(look) => look,
            Err(error) => return unclear(order, &error.text()),
        };
        match look {
            Look::Unknown if notes.started => Step::Ended(End::without_command(Why::Interrupted)),
            Look::Unknown => {
                let spec = match prepare.await {
                    Ok(spec) => spec,
                    Err(reason) => return Step::Not(Progress::failed(reason)),
                };
                if let Err(error) = runner.start(&spec).await {
                    return Step::Not(Progress::failed(format!("the job could not be started: {}", error.text())));
                }
                notes.started = true;
                Step::Not(notes.progress(order, AT_ONCE_MS))
            }
            Look::Running(output) => self.running(log, order, notes, output, AGAIN_MS).await,
            Look::Ended(output, end) => {
                told(log, order, &mut notes, &output).await;
                Step::Ended(end)
            }
        }
    }

    /// One step towards the end of a deployment's job. One that was never started never will be.
    pub async fn stop(&self, log: &Log, order: &Order, id: &str) -> Step {
        let stopped = || Step::Ended(End::without_command(Why::Stopped));
        let Ok(runner) = self.runner() else { return stopped() };
        let mut notes = Notes::read(order, id);
        if !notes.place.is_empty() && notes.place != runner.place() {
            return match self.elsewhere(order, &notes) {
                Progress::Failed { .. } => stopped(),
                progress => Step::Not(progress),
            };
        }
        if let Err(error) = runner.stop(id).await {
            return unclear(order, &error.text());
        }
        match runner.look(id, notes.read).await {
            Err(error) => unclear(order, &error.text()),
            Ok(Look::Unknown) => stopped(),
            Ok(Look::Running(output)) => self.running(log, order, notes, output, STOPPING_MS).await,
            Ok(Look::Ended(output, end)) => {
                told(log, order, &mut notes, &output).await;
                Step::Ended(end)
            }
        }
    }

    async fn running(&self, log: &Log, order: &Order, mut notes: Notes<'_>, output: Output, again_ms: i64) -> Step {
        notes.started = true;
        let again_ms = if output.more { AT_ONCE_MS } else { again_ms };
        // What could not be told is told with the next step.
        if told(log, order, &mut notes, &output).await {
            notes.read = output.next;
        }
        Step::Not(notes.progress(order, again_ms))
    }

    /// Another server, or this one with another data directory, has the job: it goes on with it.
    fn elsewhere(&self, order: &Order, notes: &Notes<'_>) -> Progress {
        let waited_ms = order.now.as_millis() - notes.since.as_millis();
        if waited_ms <= i64::try_from((self.limits.time + PATIENCE).as_millis()).unwrap_or(i64::MAX) {
            return Progress::again(AGAIN_MS);
        }
        Progress::failed(format!(
            "interrupted: the job of this deployment belongs to {}, which has not told its end; it is not known here",
            notes.place
        ))
    }
}

/// Adds output to the log; whether it is there.
async fn told(log: &Log, order: &Order, notes: &mut Notes<'_>, output: &Output) -> bool {
    let lines: Vec<Line> = output
        .lines
        .iter()
        .map(|line| {
            // By standin's clock, and never before the line above.
            notes.told_ms = notes.told_ms.max(order.now.as_millis() - line.age_ms);
            Line { time: Timestamp::from_millis(notes.told_ms), text: line.text.clone() }
        })
        .collect();
    let added = log.add(order, &lines).await;
    if let Err(error) = &added {
        tracing::warn!(error = error.message, deployment = order.deployment_id, "output of a job is not in the log");
    }
    added.is_ok()
}

fn unclear(order: &Order, reason: &str) -> Step {
    tracing::warn!(error = reason, deployment = order.deployment_id, "how a job goes is not known; it is asked again");
    Step::Not(Progress::again(AGAIN_MS))
}

/// What is kept of a job between the steps of its deployment.
struct Notes<'n> {
    id: &'n str,
    /// Of the runner that has it.
    place: String,
    /// When that was decided.
    since: Timestamp,
    started: bool,
    /// How much of its output is in the log, and when the last line of it was written.
    read: u64,
    told_ms: i64,
}

impl<'n> Notes<'n> {
    fn read(order: &Order, id: &'n str) -> Self {
        let kept = order.notes.get(NOTES).filter(|kept| kept.get("id").and_then(Document::as_str) == Some(id));
        let number = |name: &str| kept.and_then(|kept| kept.get(name)?.as_i64()).unwrap_or_default();
        let place = kept.and_then(|kept| kept.get("place")?.as_str()).unwrap_or_default();
        Self {
            id,
            place: place.to_owned(),
            since: Timestamp::from_millis(number("since")),
            started: kept.and_then(|kept| kept.get("started")?.as_bool()).unwrap_or_default(),
            read: number("read").cast_unsigned(),
            told_ms: number("told"),
        }
    }

    /// Keeps these beside what else is noted.
    fn progress(&self, order: &Order, again_after_ms: i64) -> Progress {
        let mut own = Fields::new();
        own.push("id", self.id.to_owned());
        own.push("place", self.place.clone());
        own.push("since", self.since.as_millis());
        own.push("started", self.started);
        own.push("read", self.read.cast_signed());
        own.push("told", self.told_ms);
        let mut notes = Fields::new();
        for (name, value) in
            order.notes.as_map().into_iter().flat_map(Fields::iter).filter(|(name, _)| **name != *NOTES)
        {
            notes.push(name.clone(), value.clone());
        }
        notes.push(NOTES, Document::Map(own));
        Progress::Working { again_after_ms, notes: Some(Document::Map(notes)) }
    }
}

#[cfg(feature = "kubernetes")]
fn cluster(parts: &Parts) -> Result<Arc<dyn Runner>, String> {
    use standin_host::job::kubernetes::{Kubernetes, KubernetesConfig};

    let crate::config::ClusterConfig { kubeconfig, namespace, endpoint } = parts.config.jobs.kubernetes.clone();
    let image = parts.config.jobs.image.clone().unwrap_or_else(|| IMAGE.to_owned());
    Ok(Arc::new(Kubernetes::new(KubernetesConfig { kubeconfig, namespace, image, endpoint })))
}

#[cfg(not(feature = "kubernetes"))]
fn cluster(_: &Parts) -> Result<Arc<dyn Runner>, String> {
    Err("this standin was built without Kubernetes: build it with --features kubernetes, or let jobs be local"
        .to_owned())
}

#[cfg(unix)]
fn runner(by: BuildsBy, parts: &Parts) -> Result<Arc<dyn Runner>, String> {
    use std::path::Path;

    use standin_host::job::docker::DockerConfig;
    use standin_host::job::local::{Local, LocalConfig, Within};

    use crate::config::Isolation;

    let within = match by {
        BuildsBy::Docker => {
            let JobsConfig { image, docker, .. } = &parts.config.jobs;
            let image = image.clone().unwrap_or_else(|| IMAGE.to_owned());
            Within::Container(DockerConfig { image, variables: docker.clone() })
        }
        BuildsBy::Local => match parts.config.jobs.isolation {
            Isolation::None => Within::Process,
            Isolation::Bubblewrap => Within::Bubblewrap,
            Isolation::Namespaces => Within::Namespaces,
        },
        BuildsBy::Kubernetes => return cluster(parts),
        BuildsBy::Aws => return Err("AWS CodeBuild runs no jobs of this server".to_owned()),
    };
    let (Some(folder), Some(search), Some(program)) = (&parts.folder, &parts.search, &parts.program) else {
        return Err(match &parts.folder {
            None => "jobs need a folder: start standin with --data-dir DIR",
            Some(_) => "this server runs no jobs: it may start no programs",
        }
        .to_owned());
    };
    let config = LocalConfig {
        folder: folder.join("jobs"),
        shepherd: vec![program.clone().into_os_string(), OsString::from(SHEPHERD)],
        search: search.clone(),
        outlives: parts.lasting,
        within,
        // The keys and the state of the server lie above.
        hidden: folder.parent().map(Path::to_owned).into_iter().collect(),
    };
    Ok(Arc::new(Local::new(config)))
}

#[cfg(not(unix))]
fn runner(by: BuildsBy, parts: &Parts) -> Result<Arc<dyn Runner>, String> {
    if by == BuildsBy::Kubernetes {
        return cluster(parts);
    }
    Err("jobs run on Unix only; use another way to provision".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use standin_core::{Answer, BoxFuture, Call, Caller, Dice, Fidelity, Handler, OperationError, Registry};
    use standin_host::job::JobError;
    use standin_model::{Catalogue, Operation, Service};
    use standin_proton::engine::provision::{ProvisionedBy, Subject};

    use super::*;

    /// Nobody is called.
    struct Nobody;

    impl Handler for Nobody {
        fn handle<'a>(&'a self, _: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
            Box::pin(std::future::ready(Err(OperationError::internal("nobody is called"))))
        }

        fn fidelity(&self, _: &'static Service, _: &'static Operation) -> Fidelity {
            Fidelity::Engine
        }
    }

    /// A runner in a place, whose jobs only are as started as somebody started them.
    #[derive(Default)]
    struct Noted {
        started: Mutex<Vec<String>>,
        /// Forgets what was started.
        forgets: bool,
    }

    impl Runner for Noted {
        fn place(&self) -> String {
            "here:/jobs".to_owned()
        }

        fn start<'a>(&'a self, spec: &'a Spec) -> BoxFuture<'a, Result<(), JobError>> {
            self.started.lock().expect("nobody panicked").push(spec.id.clone());
            Box::pin(std::future::ready(Ok(())))
        }

        fn look<'a>(&'a self, _: &'a str, _: u64) -> BoxFuture<'a, Result<Look, JobError>> {
            let is_there = !self.forgets && !self.started.lock().expect("nobody panicked").is_empty();
            let look = if is_there { Look::Running(Output::default()) } else { Look::Unknown };
            Box::pin(std::future::ready(Ok(look)))
        }

        fn stop<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<(), JobError>> {
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn order() -> Order {
        Order {
            deployment_id: "d-1".to_owned(),
            resource_arn: "arn:aws:proton:eu-west-1:111122223333:environment/env".to_owned(),
            subject: Subject::Environment { name: "env".to_owned() },
            home: "111122223333".to_owned(),
            stack_name: "AWSProton-env".to_owned(),
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            partition: "aws".to_owned(),
            role_arn: None,
            repository: None,
            by: ProvisionedBy::CodeBuild,
            tags: Vec::new(),
            rendered: None,
            notes: Document::Null,
            now: Timestamp::from_seconds(1000),
        }
    }

    fn jobs(runner: &Arc<Noted>) -> (Jobs, Log) {
        let registry = Arc::new(Registry::new(Arc::new(Nobody)));
        let caller = Caller::new(Catalogue::shared(), registry, Timestamp::default(), Dice::new(1));
        let runner: Arc<dyn Runner> = runner.clone();
        (Jobs { runner: Ok(runner), limits: Limits::default(), fresh: false }, Log::new(caller))
    }

    /// One step of an order, which keeps what is noted.
    async fn step(runner: &Arc<Noted>, order: &mut Order) -> Option<Progress> {
        let (jobs, log) = jobs(runner);
        let prepare = std::future::ready(Ok(Spec { id: "d-1".to_owned(), ..Spec::default() }));
        match jobs.follow(&log, order, "d-1", prepare).await {
            Step::Not(progress) => {
                if let Progress::Working { notes: Some(notes), .. } = &progress {
                    order.notes = notes.clone();
                }
                Some(progress)
            }
            Step::Ended(end) => {
                assert_eq!(end.why, Why::Interrupted);
                None
            }
        }
    }

    #[tokio::test]
    async fn a_job_is_started_once_and_after_it_is_noted_where() {
        let (runner, mut order) = (Arc::new(Noted::default()), order());
        let started = || runner.started.lock().expect("nobody panicked").len();
        step(&runner, &mut order).await;
        assert_eq!(
            (order.notes.get("job").and_then(|job| job.get("place")?.as_str()), started()),
            (Some("here:/jobs"), 0)
        );
        for _ in 0..3 {
            assert!(step(&runner, &mut order).await.is_some());
            assert_eq!(started(), 1);
        }
    }

    #[tokio::test]
    async fn a_started_job_that_nobody_knows_any_more_was_interrupted() {
        let (runner, mut order) = (Arc::new(Noted { forgets: true, ..Noted::default() }), order());
        assert!(step(&runner, &mut order).await.is_some());
        assert!(step(&runner, &mut order).await.is_some());
        assert!(step(&runner, &mut order).await.is_none());
        assert_eq!(runner.started.lock().expect("nobody panicked").len(), 1);
    }

    #[tokio::test]
    async fn a_job_elsewhere_is_waited_for_and_given_up_after_its_time() {
        let (runner, mut order) = (Arc::new(Noted::default()), order());
        let mut notes = Notes::read(&order, "d-1");
        notes.place = "there:/jobs".to_owned();
        notes.since = order.now;
        let Progress::Working { notes: Some(notes), .. } = notes.progress(&order, 1) else { panic!("it goes on") };
        order.notes = notes;
        assert!(matches!(step(&runner, &mut order).await, Some(Progress::Working { .. })));
        order.now = order.now.plus_seconds(2 * 3600);
        let Some(Progress::Failed { reason }) = step(&runner, &mut order).await else { panic!("it is given up") };
        assert!(reason.starts_with("interrupted: the job of this deployment belongs to there:/jobs"), "{reason}");
        assert!(runner.started.lock().expect("nobody panicked").is_empty());
    }
}
