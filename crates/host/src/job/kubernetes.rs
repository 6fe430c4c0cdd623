//! Jobs as Jobs of a Kubernetes cluster: this is how they outgrow one machine.
//!
//! Everything has a name that follows from the job's id, so that any server finds it again. The Job is made first, suspended; then the
//! Secret with its files and variables, which belongs to it; and only then it may run. Whatever breaks off in between is gone on with.
//! A Job that ended stays for a week, and takes its pod, log and Secret with it.
//!
//! The place in the output is that of the last line: its second, and how many lines of that second are told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ContainerState, Pod, Secret};
use kube::api::{ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use standin_core::{BoxFuture, Clock};
use tokio::sync::OnceCell;

use super::mask::Mask;
use super::{End, JobError, LAST_LINES, Line, Look, Output, Runner, Spec, Why, session};

/// The folder of a job in its container.
const FOLDER: &str = "/standin/job";
/// Where the files of its Secret are.
const GIVEN: &str = "/standin/given";
/// A Secret holds 1 MiB.
const SECRET_BYTES_MAX: usize = 1_000_000;
/// What one look asks for.
const LOOK_BYTES_MAX: i64 = 1 << 20;
/// Lines from the end in which collected files are looked for.
const TAIL_LINES: i64 = 5000;
/// Bytes of a collected file.
const COLLECTED_BYTES_MAX: u32 = 1_000_000;
/// How long an ended Job is kept.
const KEPT_SECONDS: u32 = 7 * 24 * 3600;
/// Says that a Job is to end, or not to begin.
const STOP: &str = "standin/stop";
/// Lines of the log that carry collected files: the number of the file, and a piece of it in base64.
const FILE_MARK: &str = "standin-collected-file";
/// The bits of a place in the output that count lines within a second.
const LINES_BITS: u32 = 24;

/// A cluster, and how jobs run there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// The file that says where the cluster is; nothing where standin itself runs in it.
    pub kubeconfig: Option<PathBuf>,
    pub namespace: String,
    /// Of jobs that name none.
    pub image: String,
    /// Where pods find this server, in place of `http://127.0.0.1:PORT` or `http://localhost:PORT`.
    pub endpoint: Option<String>,
}

/// Runs jobs in a cluster.
pub struct Kubernetes {
    config: KubernetesConfig,
    client: OnceCell<Client>,
}

fn failed(error: impl std::fmt::Display) -> JobError {
    JobError::Refused(format!("Kubernetes: {error}"))
}

fn is(error: &kube::Error, code: u16) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == code)
}

impl Kubernetes {
    pub fn new(config: KubernetesConfig) -> Self {
        Self { config, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<Client, JobError> {
        let made = self.client.get_or_try_init(|| async {
            let config = match &self.config.kubeconfig {
                Some(path) => {
                    let read = Kubeconfig::read_from(path).map_err(failed)?;
                    Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.map_err(failed)?
                }
                None => Config::incluster_dns().map_err(failed)?,
            };
            Client::try_from(config).map_err(failed)
        });
        made.await.cloned()
    }

    async fn jobs(&self) -> Result<Api<Job>, JobError> {
        Ok(Api::namespaced(self.client().await?, &self.config.namespace))
    }

    async fn pods(&self) -> Result<Api<Pod>, JobError> {
        Ok(Api::namespaced(self.client().await?, &self.config.namespace))
    }

    async fn secrets(&self) -> Result<Api<Secret>, JobError> {
        Ok(Api::namespaced(self.client().await?, &self.config.namespace))
    }

    async fn begin(&self, spec: &Spec) -> Result<(), JobError> {
        let name = name(&spec.id)?;
        let jobs = self.jobs().await?;
        let given = Given::new(spec, self.config.endpoint.as_deref())?;
        let job = match jobs.get_opt(&name).await.map_err(failed)? {
            Some(job) => job,
            None => made(&jobs, &name, from(given.job(&name, spec, &self.config, false))?).await?,
        };
        if is_stopped(&job) || !is_suspended(&job) {
            return Ok(());
        }
        let secrets = self.secrets().await?;
        if secrets.get_opt(&name).await.map_err(failed)?.is_none() {
            let uid = job.metadata.uid.unwrap_or_default();
            made(&secrets, &name, given.secret(&name, &uid, spec)?).await?;
        }
        let patch = json!({ "spec": { "suspend": false } });
        jobs.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop).map_err(failed)
    }

    async fn see(&self, id: &str, from: u64) -> Result<Look, JobError> {
        let name = name(id)?;
        let Some(job) = self.jobs().await?.get_opt(&name).await.map_err(failed)? else { return Ok(Look::Unknown) };
        if is_stopped(&job) {
            let active = job.status.and_then(|status| status.active).unwrap_or(0);
            let output = Output { next: from, ..Output::default() };
            return Ok(if active > 0 {
                Look::Running(output)
            } else {
                Look::Ended(output, End::without_command(Why::Stopped))
            });
        }
        if is_suspended(&job) {
            return Ok(Look::Unknown);
        }
        let kept = Kept::of(self.secrets().await?.get_opt(&name).await.map_err(failed)?);
        let pods = self.pods().await?;
        let of_job = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={name}"));
        let mut found = pods.list(&of_job).await.map_err(failed)?.items;
        found.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
        let pod = found.pop();
        let output = match pod.as_ref().and_then(|pod| pod.metadata.name.as_deref()) {
            Some(pod) => log(&pods, pod, from, &kept.mask).await?,
            None => Output { next: from, ..Output::default() },
        };
        let Some(finished) = finished(&job).filter(|_| !output.more) else { return Ok(Look::Running(output)) };
        let end = end(&pods, &job, pod.as_ref(), &finished, &kept).await?;
        Ok(Look::Ended(output, end))
    }

    async fn end_early(&self, id: &str) -> Result<(), JobError> {
        let name = name(id)?;
        let jobs = self.jobs().await?;
        if jobs.get_opt(&name).await.map_err(failed)?.is_none() {
            // One that was never started: it stays as it is, so that nobody starts it.
            let spec = Spec { id: id.to_owned(), ..Spec::default() };
            let given = Given::new(&spec, None)?;
            match jobs.create(&PostParams::default(), &from(given.job(&name, &spec, &self.config, true))?).await {
                Ok(_) => return Ok(()),
                Err(error) if is(&error, 409) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        // Suspending a Job ends its pods, with their grace.
        let patch = json!({ "metadata": { "annotations": { STOP: "true" } }, "spec": { "suspend": true } });
        match jobs.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => Ok(()),
            // One that has ended cannot be changed any more.
            Err(error) if is(&error, 422) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }
}

impl Runner for Kubernetes {
    fn place(&self) -> String {
        format!("the Kubernetes namespace {}", self.config.namespace)
    }

    fn start<'a>(&'a self, spec: &'a Spec) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(self.begin(spec))
    }

    fn look<'a>(&'a self, id: &'a str, from: u64) -> BoxFuture<'a, Result<Look, JobError>> {
        Box::pin(self.see(id, from))
    }

    fn stop<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<(), JobError>> {
        Box::pin(self.end_early(id))
    }
}

/// The name of all that belongs to a job.
fn name(id: &str) -> Result<String, JobError> {
    let id = id.to_ascii_lowercase().replace('_', "-");
    let fits = (1..=50).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !fits || id.ends_with('-') {
        return Err(JobError::Refused(format!("{id:?} cannot be the name of a Job")));
    }
    Ok(format!("standin-job-{id}"))
}

fn from<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, JobError> {
    serde_json::from_value(value).map_err(failed)
}

/// Makes something, or finds what another made at the same time.
async fn made<T>(api: &Api<T>, name: &str, wanted: T) -> Result<T, JobError>
where
    T: Clone + std::fmt::Debug + serde::Serialize + serde::de::DeserializeOwned,
{
    match api.create(&PostParams::default(), &wanted).await {
        Ok(made) => Ok(made),
        Err(error) if is(&error, 409) => api.get(name).await.map_err(failed),
        Err(error) => Err(failed(error)),
    }
}

fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend).unwrap_or(false)
}

fn is_stopped(job: &Job) -> bool {
    is_suspended(job) && job.metadata.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(STOP))
}

/// Whether a Job succeeded, and the reason where it did not, once it has ended.
fn finished(job: &Job) -> Option<Result<(), String>> {
    let conditions = job.status.as_ref()?.conditions.as_deref()?;
    conditions.iter().filter(|condition| condition.status == "True").find_map(|condition| match &*condition.type_ {
        "Complete" => Some(Ok(())),
        "Failed" => Some(Err(condition.reason.clone().unwrap_or_default())),
        _ => None,
    })
}

/// What a job is given: files by their paths in its folder, and variables.
struct Given {
    files: Vec<(String, Vec<u8>)>,
    variables: Vec<(String, String)>,
}

impl Given {
    fn new(spec: &Spec, endpoint: Option<&str>) -> Result<Self, JobError> {
        let mut files: Vec<(String, Vec<u8>)> =
            session::files(FOLDER, &spec.commands).into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
        files.extend(spec.files.iter().map(|file| (format!("work/{}", file.path), file.bytes.clone())));
        let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        if bytes > SECRET_BYTES_MAX {
            return Err(JobError::Refused(format!(
                "the files of the job have {bytes} bytes; those of a Job in Kubernetes are kept in a Secret, which takes {SECRET_BYTES_MAX}"
            )));
        }
        let mut variables = spec.variables.clone();
        for (_, value) in &mut variables {
            let here = ["http://127.0.0.1:", "http://localhost:"].iter().any(|here| value.starts_with(here));
            if let Some(endpoint) = endpoint.filter(|_| here) {
                endpoint.clone_into(value);
            }
        }
        variables.extend(spec.folder_in.iter().map(|name| (name.clone(), format!("{FOLDER}/work"))));
        Ok(Self { files, variables })
    }

    /// The Job: one pod, once.
    fn job(&self, name: &str, spec: &Spec, config: &KubernetesConfig, stopped: bool) -> Value {
        let items: Vec<Value> = self
            .files
            .iter()
            .enumerate()
            .map(|(at, (path, _))| json!({ "key": format!("f{at}"), "path": path }))
            .collect();
        let variables: Vec<Value> = self
            .variables
            .iter()
            .enumerate()
            .map(|(at, (variable, _))| {
                json!({ "name": variable, "valueFrom": { "secretKeyRef": { "name": name, "key": format!("v{at}") } } })
            })
            .collect();
        let labels = json!({ "standin/job": spec.id, "app.kubernetes.io/managed-by": "standin" });
        let annotations = if stopped { json!({ STOP: "true" }) } else { json!({}) };
        let memory = json!({ "memory": spec.limits.memory_bytes.to_string() });
        json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": { "name": name, "labels": labels, "annotations": annotations },
            "spec": {
                "suspend": true,
                "backoffLimit": 0,
                "activeDeadlineSeconds": spec.limits.time.as_secs().max(1),
                "ttlSecondsAfterFinished": KEPT_SECONDS,
                "template": {
                    "metadata": { "labels": labels },
                    "spec": {
                        "restartPolicy": "Never",
                        "automountServiceAccountToken": false,
                        "terminationGracePeriodSeconds": spec.limits.grace.as_secs(),
                        "containers": [{
                            "name": "job",
                            "image": spec.image.as_deref().unwrap_or(&config.image),
                            "command": ["sh", "-c", script(spec)],
                            "env": variables,
                            "resources": { "limits": memory, "requests": memory },
                            "volumeMounts": [
                                { "name": "given", "mountPath": GIVEN, "readOnly": true },
                                { "name": "job", "mountPath": FOLDER },
                            ],
                        }],
                        "volumes": [
                            { "name": "given", "secret": { "secretName": name, "items": items } },
                            { "name": "job", "emptyDir": {} },
                        ],
                    },
                },
            },
        })
    }

    /// What the pod reads, and what looks at the job need to know.
    fn secret(&self, name: &str, uid: &str, spec: &Spec) -> Result<Secret, JobError> {
        let mut data = BTreeMap::new();
        for (at, (_, bytes)) in self.files.iter().enumerate() {
            data.insert(format!("f{at}"), ByteString(bytes.clone()));
        }
        for (at, (_, value)) in self.variables.iter().enumerate() {
            data.insert(format!("v{at}"), ByteString(value.clone().into_bytes()));
        }
        for (key, list) in [("commands", &spec.commands), ("collect", &spec.collect), ("hidden", &spec.secrets)] {
            data.insert(key.to_owned(), ByteString(serde_json::to_vec(list).map_err(failed)?));
        }
        let mut secret: Secret = from(json!({
            "metadata": {
                "name": name,
                "labels": { "standin/job": spec.id },
                "ownerReferences": [{ "apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid }],
            },
        }))?;
        secret.data = Some(data);
        Ok(secret)
    }
}

/// What the container runs: the session in a folder that can be written to, then what is left of it is told.
fn script(spec: &Spec) -> String {
    let mut script = format!(
        "cp -RL {GIVEN}/. {FOLDER}/ && mkdir -p {FOLDER}/work {FOLDER}/home {FOLDER}/tmp && cd {FOLDER}/work || exit 125\n\
         export HOME={FOLDER}/home TMPDIR={FOLDER}/tmp\n"
    );
    for file in spec.files.iter().filter(|file| file.bytes.starts_with(b"#!")) {
        script.push_str(&format!("chmod +x {}\n", session::quoted(&format!("{FOLDER}/work/{}", file.path))));
    }
    script.push_str(&format!(
        "if command -v bash >/dev/null 2>&1; then bash --noprofile --norc {FOLDER}/{name}; else sh {FOLDER}/{name}; fi\n\
         status=$?\ncat {FOLDER}/{at} > /dev/termination-log\n",
        name = session::SCRIPT,
        at = session::AT,
    ));
    for (number, path) in spec.collect.iter().enumerate() {
        let path = session::quoted(&format!("{FOLDER}/work/{path}"));
        script.push_str(&format!(
            "if [ -f {path} ]; then head -c {COLLECTED_BYTES_MAX} {path} | base64 | tr -d '\\n' | fold -w 4000 | \
             while IFS= read -r piece || [ -n \"$piece\" ]; do printf '%s\\n' \"{FILE_MARK} {number} $piece\"; done; fi\n"
        ));
    }
    script.push_str("exit $status\n");
    script
}

/// What a Secret tells of its job.
#[derive(Default)]
struct Kept {
    commands: Vec<String>,
    collect: Vec<String>,
    mask: Mask,
}

impl Kept {
    fn of(secret: Option<Secret>) -> Self {
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        let list = |key: &str| -> Vec<String> {
            data.get(key).and_then(|bytes| serde_json::from_slice(&bytes.0).ok()).unwrap_or_default()
        };
        Self { commands: list("commands"), collect: list("collect"), mask: Mask::new(&list("hidden")) }
    }
}

/// Lines of a pod's log behind a place in it.
async fn log(pods: &Api<Pod>, pod: &str, from: u64, mask: &Mask) -> Result<Output, JobError> {
    let output = log_within(pods, pod, from, mask, Some(LOOK_BYTES_MAX)).await?;
    if output.more && output.next == from {
        // One second has more than that.
        return log_within(pods, pod, from, mask, None).await;
    }
    Ok(output)
}

async fn log_within(
    pods: &Api<Pod>,
    pod: &str,
    from: u64,
    mask: &Mask,
    limit_bytes: Option<i64>,
) -> Result<Output, JobError> {
    let (second, told) = ((from >> LINES_BITS).cast_signed(), from & ((1 << LINES_BITS) - 1));
    let since_time = Timestamp::from_second(second).ok().filter(|_| second > 0);
    let wanted = LogParams { since_time, limit_bytes, timestamps: true, ..LogParams::default() };
    let text = match pods.logs(pod, &wanted).await {
        Ok(text) => text,
        // It has not begun to write.
        Err(error) if is(&error, 400) || is(&error, 404) => return Ok(Output { next: from, ..Output::default() }),
        Err(error) => return Err(failed(error)),
    };
    let more = limit_bytes.is_some_and(|limit| text.len() as u64 >= limit.cast_unsigned());
    let whole = if more { text.rfind('\n').map_or(0, |end| end + 1) } else { text.len() };
    Ok(lines(&text[..whole], (second, told), more, Clock::real().now().as_millis(), mask))
}

/// Reads lines that begin with their times, behind a second and the lines of it that are told already.
fn lines(text: &str, (second, told): (i64, u64), more: bool, now_ms: i64, mask: &Mask) -> Output {
    let (mut lines, mut next, mut seen) = (Vec::new(), (second, told), 0);
    for line in text.lines() {
        let (time, text) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(time) = time.parse::<Timestamp>() else { continue };
        let at = time.as_second();
        if at < second {
            continue;
        }
        if at == second {
            seen += 1;
            if seen <= told {
                continue;
            }
        }
        next = if at > next.0 { (at, 1) } else { (next.0, next.1 + 1) };
        if !text.starts_with(FILE_MARK) {
            let age_ms = (now_ms - time.as_millisecond()).max(0);
            lines.push(Line { text: mask.hide(text.trim_end_matches('\r')), age_ms });
        }
    }
    Output { lines, next: next.0.cast_unsigned() << LINES_BITS | next.1, more }
}

async fn end(
    pods: &Api<Pod>,
    job: &Job,
    pod: Option<&Pod>,
    finished: &Result<(), String>,
    kept: &Kept,
) -> Result<End, JobError> {
    let status = pod.and_then(|pod| pod.status.as_ref()?.container_statuses.as_deref()?.first()?.state.clone());
    let terminated = match status {
        Some(ContainerState { terminated: Some(terminated), .. }) => Some(terminated),
        _ => None,
    };
    let seconds = job.spec.as_ref().and_then(|spec| spec.active_deadline_seconds).unwrap_or_default();
    let why = match finished {
        Ok(()) => Why::Succeeded,
        Err(reason) if reason == "DeadlineExceeded" => Why::TimedOut(Duration::from_secs(seconds.cast_unsigned())),
        Err(_) => match &terminated {
            None => Why::Interrupted,
            Some(terminated) if terminated.reason.as_deref() == Some("OOMKilled") => Why::TooMuchMemory(memory(job)),
            Some(_) => Why::Failed,
        },
    };
    let tail = match pod.and_then(|pod| pod.metadata.name.as_deref()) {
        Some(name) => {
            let wanted = LogParams { tail_lines: Some(TAIL_LINES), ..LogParams::default() };
            match pods.logs(name, &wanted).await {
                Ok(text) => text,
                Err(error) if is(&error, 400) || is(&error, 404) => String::new(),
                Err(error) => return Err(failed(error)),
            }
        }
        None => String::new(),
    };
    let shown: Vec<&str> = tail.lines().filter(|line| !line.starts_with(FILE_MARK)).collect();
    let number = terminated.as_ref().and_then(|terminated| terminated.message.as_deref()?.trim().parse::<usize>().ok());
    let command = number.and_then(|number| Some((number, kept.commands.get(number.checked_sub(1)?)?.clone())));
    Ok(End {
        why,
        exit_code: terminated.as_ref().map(|terminated| terminated.exit_code),
        signal: terminated.as_ref().and_then(|terminated| terminated.signal),
        command,
        last: shown[shown.len().saturating_sub(LAST_LINES)..].iter().map(|line| kept.mask.hide(line)).collect(),
        files: collected(&tail, &kept.collect),
    })
}

/// The memory limit of a Job, as it was written.
fn memory(job: &Job) -> u64 {
    let container = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.containers.first());
    let limits = container.and_then(|container| container.resources.as_ref()?.limits.as_ref());
    limits.and_then(|limits| limits.get("memory")?.0.parse().ok()).unwrap_or_default()
}

/// The collected files that the end of a log carries.
fn collected(tail: &str, collect: &[String]) -> Vec<(String, String)> {
    let pieces_of = |number: usize| -> Vec<&str> {
        let mark = format!("{FILE_MARK} {number} ");
        tail.lines().filter_map(|line| line.strip_prefix(mark.as_str())).collect()
    };
    let read = |(number, path): (usize, &String)| {
        let pieces = pieces_of(number);
        let bytes = STANDARD.decode(pieces.concat()).ok().filter(|_| !pieces.is_empty())?;
        Some((path.clone(), String::from_utf8_lossy(&bytes).into_owned()))
    };
    collect.iter().enumerate().filter_map(read).collect()
}

#[cfg(test)]
mod tests;
