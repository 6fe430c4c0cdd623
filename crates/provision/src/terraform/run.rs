//! Templates that hold Terraform, applied on this machine: a job runs Terraform, and standin keeps its state.
//!
//! A job whose processes were ended from outside is run again: what Terraform had done is in the state, or it finds out. It holds
//! the lock of its state meanwhile; a lock that a dead job left names the deployment, by which it is taken away.

use std::ffi::OsStr;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use standin_core::BoxFuture;
use standin_host::job::session::quoted;
use standin_host::job::{AskedBy, End, File, Look, Spec, Why};
use standin_model::{Document, Fields};
use standin_proton::engine::provision::{Order, Progress, Provisioner};
use standin_proton::render::Rendered;

use super::address::Address;
use super::outcome;
use super::state::States;
use crate::Parts;
use crate::config::{BuildsBy, Isolation, TerraformBy, TerraformConfig};
use crate::jobs::{Jobs, Step};
use crate::log::Log;

/// The file that makes the state standin's, whatever backend the template names: of files that override, the last counts.
const BACKEND_FILE: &str = "zzz_standin_override.tf";
const BACKEND: &str =
    "# The addresses of the backend are variables of the environment.\nterraform {\n  backend \"http\" {}\n}\n";
/// Where Terraform's outputs and errors are left.
const OUTPUTS: &str = ".standin-outputs.json";
const ERRORS: &str = ".standin-errors.txt";
/// Where Terraform leaves a state that it could not write, because the server was away.
const RESCUED: &str = "errored.tfstate";
/// Of the path of the temporary folder; names of sockets come behind it.
const TEMPORARY_BYTES_MAX: usize = 80;
/// How often the job of a deployment is begun; one that has ended by itself is not begun again.
const RUNS_MAX: i64 = 5;
/// How long Terraform has to stop in order, and to write its state.
const GRACE: Duration = Duration::from_secs(120);
/// How soon a step comes again that waits for something short.
const SOON_MS: i64 = 200;
/// Of the message of a deployment.
const MESSAGE_CHARS_MAX: usize = 4000;
/// The notes of a deployment that are about its runs.
const NOTES: &str = "terraform";

/// What Terraform needs of the server.
pub struct Surroundings {
    pub config: TerraformConfig,
    /// A folder that outlives the process: downloaded providers are kept there.
    pub folder: Option<PathBuf>,
    /// Where programs are looked for.
    pub search: Option<OsString>,
    /// Where the server is found, once it listens.
    pub endpoint: Arc<OnceLock<Arc<str>>>,
}

/// Applies Terraform on this machine.
pub struct Local {
    jobs: Jobs,
    log: Log,
    states: States,
    around: Surroundings,
}

/// What applies Terraform here, where that is configured.
pub(crate) fn configured(parts: &Parts, log: Log) -> Option<Arc<dyn Provisioner>> {
    if parts.config.terraform != TerraformBy::Local {
        return None;
    }
    let around = Surroundings {
        config: parts.config.terraform_here.clone(),
        // Where jobs can write to nothing but their own folder, they share nothing.
        folder: parts.folder.clone().filter(|_| parts.config.jobs.isolation != Isolation::Bubblewrap),
        search: parts.search.clone(),
        endpoint: parts.endpoint.clone(),
    };
    let (jobs, states) = (Jobs::new(BuildsBy::Local, parts), States::new(parts.store.clone()));
    Some(Arc::new(Local::new(jobs, log, states, around)))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Apply,
    Destroy,
}

impl Local {
    pub fn new(jobs: Jobs, log: Log, states: States, around: Surroundings) -> Self {
        Self { jobs, log, states, around }
    }

    async fn step(&self, order: &Order, deed: Deed) -> Progress {
        let address = address(order);
        let run = run_of(order);
        if deed == Deed::Destroy && order.notes.is_null() {
            match self.states.record(&address).await {
                Ok(record) if record.as_ref().and_then(super::record::Record::present).is_none() => {
                    return Progress::Done { outputs: Vec::new(), resources: Vec::new() };
                }
                Ok(_) => {}
                Err(error) => return again(order, &error.to_string()),
            }
        }
        match self.free(order, &address).await {
            Ok(true) => {}
            Ok(false) => return Progress::again(SOON_MS),
            Err(reason) => return again(order, &reason),
        }
        let id = job(&order.deployment_id, run);
        let prepare = self.spec(order, &address, deed, &id);
        match self.jobs.follow(&self.log, order, &id, prepare).await {
            Step::Not(progress) => progress,
            Step::Ended(end) if end.why == Why::Interrupted && run < RUNS_MAX => {
                self.release(order, &address).await;
                self.log.say(order, "the job was ended from outside; Terraform is run again").await;
                next_run(order, run)
            }
            Step::Ended(end) => self.ended(order, &address, &end, deed).await,
        }
    }

    /// Takes the lock of an earlier deployment away whose job is gone; false while one is not.
    async fn free(&self, order: &Order, address: &Address) -> Result<bool, String> {
        let record = self.states.record(address).await.map_err(|error| error.to_string())?;
        let Some(holder) = record.and_then(|record| record.lock?.deployment) else { return Ok(true) };
        if holder == order.deployment_id {
            return Ok(true);
        }
        // Who runs no jobs says so when one is to be started.
        let Ok(runner) = self.jobs.runner() else { return Ok(true) };
        for run in 1..=RUNS_MAX {
            let id = job(&holder, run);
            if let Look::Running(_) = runner.look(&id, 0).await.map_err(|error| error.text())? {
                // Its deployment has ended without it.
                runner.stop(&id).await.map_err(|error| error.text())?;
                return Ok(false);
            }
        }
        let released = self.states.release(address, |deployment| deployment == holder).await;
        if released.map_err(|error| error.to_string())? {
            self.log.say(order, format!("a lock that deployment {holder} left behind was taken away")).await;
        }
        Ok(true)
    }

    /// Takes the lock of this deployment's job away, which has ended.
    async fn release(&self, order: &Order, address: &Address) {
        match self.states.release(address, |deployment| deployment == order.deployment_id).await {
            Ok(true) => self.log.say(order, "the lock that the job left behind was taken away").await,
            Ok(false) => {}
            // The next deployment takes it away.
            Err(error) => tracing::warn!(%error, deployment = order.deployment_id, "a lock of a job stays"),
        }
    }

    async fn spec(&self, order: &Order, address: &Address, deed: Deed, id: &str) -> Result<Spec, String> {
        let Some(Rendered::Terraform { files }) = &order.rendered else {
            return Err(format!(
                "the template cannot be rendered with the inputs that it has now, and without it Terraform cannot take away what \
                 is in its state {address}: update the resource so that it can be rendered, and delete it again"
            ));
        };
        let config = &self.around.config;
        let program = program(config.binary.as_deref(), self.around.search.as_deref())?;
        let endpoint = self.around.endpoint.get().ok_or("this server has no address")?;
        let mut files: Vec<File> =
            files.iter().map(|(path, text)| File { path: path.clone(), bytes: text.clone().into_bytes() }).collect();
        files.push(File { path: BACKEND_FILE.to_owned(), bytes: BACKEND.into() });
        if let Some(folder) = self.around.folder.as_deref().map(providers) {
            let told = |error| format!("{}: {error}", folder.display());
            tokio::fs::create_dir_all(&folder).await.map_err(told)?;
        }
        let variables = self.variables(order, address, endpoint);
        let secrets = variables.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.clone());
        let mut limits = self.jobs.limits();
        limits.grace = limits.grace.max(GRACE);
        Ok(Spec {
            id: id.to_owned(),
            files,
            commands: commands(&program, deed, config.lock_timeout),
            secrets: secrets.filter(|value| !value.is_empty()).collect(),
            variables,
            collect: vec![OUTPUTS.to_owned(), ERRORS.to_owned(), RESCUED.to_owned()],
            limits,
            // Providers obey it and stop in order, where they would die of another signal.
            asked_by: AskedBy::Interrupt,
            ..Spec::default()
        })
    }

    /// What Terraform and its providers see of their surroundings.
    fn variables(&self, order: &Order, address: &Address, endpoint: &str) -> Vec<(String, String)> {
        let TerraformConfig { cli_config, aws, variables: more, .. } = &self.around.config;
        let state = format!("{endpoint}/_standin/proton/terraform/state/{address}");
        let mut variables = vec![
            ("TF_HTTP_ADDRESS", state.clone()),
            ("TF_HTTP_LOCK_ADDRESS", format!("{state}?deployment={}", order.deployment_id)),
            ("TF_HTTP_UNLOCK_ADDRESS", state),
            // Long enough for a server that is started again.
            ("TF_HTTP_RETRY_MAX", "60".to_owned()),
            ("TF_HTTP_RETRY_WAIT_MIN", "1".to_owned()),
            ("TF_HTTP_RETRY_WAIT_MAX", "10".to_owned()),
            ("TF_IN_AUTOMATION", "1".to_owned()),
            ("TF_INPUT", "0".to_owned()),
            // It would ask for newer versions of itself.
            ("CHECKPOINT_DISABLE", "1".to_owned()),
            ("RESOURCE_ARN", order.resource_arn.clone()),
            ("AWS_REGION", order.region.clone()),
            ("AWS_DEFAULT_REGION", order.region.clone()),
            ("LANG", "C.UTF-8".to_owned()),
            // The automation that comes with AWS's samples gives it; where a template has no such variable, it is nothing.
            ("TF_VAR_aws_region", order.region.clone()),
        ];
        if let Some(folder) = self.around.folder.as_deref().map(providers) {
            variables.push(("TF_PLUGIN_CACHE_DIR", folder.to_string_lossy().into_owned()));
            // Without it, nothing is taken out of that folder where there is no lock file.
            variables.push(("TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE", "1".to_owned()));
        }
        if let Some(path) = cli_config {
            variables.push(("TF_CLI_CONFIG_FILE", path.to_string_lossy().into_owned()));
        }
        if !aws {
            variables.extend([
                ("AWS_ENDPOINT_URL", endpoint.to_owned()),
                ("AWS_ACCESS_KEY_ID", order.account.clone()),
                ("AWS_SECRET_ACCESS_KEY", "standin".to_owned()),
                ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ]);
        }
        // Proton stays here.
        variables.push(("AWS_ENDPOINT_URL_PROTON", endpoint.to_owned()));
        let mut variables: Vec<(String, String)> =
            variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (name, value) in more {
            variables.retain(|(known, _)| known != name);
            variables.push((name.clone(), value.clone()));
        }
        variables
    }

    /// Keeps a state that Terraform could not write itself.
    async fn rescue(&self, order: &Order, address: &Address, end: &End) {
        let Some(state) = end.file(RESCUED) else { return };
        let told = match self.states.rescue(address, state.to_owned().into(), &order.deployment_id, order.now).await {
            Ok(true) => "the state that Terraform could not write is kept now".to_owned(),
            Ok(false) => return,
            Err(error) => format!("the state that Terraform could not write is lost: {error}"),
        };
        self.log.say(order, told).await;
    }

    async fn ended(&self, order: &Order, address: &Address, end: &End, deed: Deed) -> Progress {
        self.rescue(order, address, end).await;
        self.release(order, address).await;
        if !end.succeeded() {
            let reason = reason(end, deed);
            self.log.say(order, reason.lines().next().unwrap_or_default().to_owned()).await;
            return Progress::failed(reason);
        }
        if deed == Deed::Destroy {
            // Nothing is in it. Its versions stay, as those of any state that is deleted.
            if let Err(error) = self.states.delete(address, None, false).await {
                self.log.say(order, format!("the state is empty, and stays: {error}")).await;
            }
            self.log.say(order, "everything that was in the state is gone").await;
            return Progress::Done { outputs: Vec::new(), resources: Vec::new() };
        }
        let outputs = match outcome::outputs(end.file(OUTPUTS).unwrap_or_default()) {
            Ok(outputs) => outputs,
            Err(why) => return Progress::failed(format!("Terraform succeeded, but its outputs cannot be read: {why}")),
        };
        for name in &outputs.sensitive {
            self.log.say(order, format!("the output {name} is sensitive, and stays in the state")).await;
        }
        match outcome::resources(&self.states, address).await {
            Ok(resources) => Progress::Done { outputs: outputs.values, resources },
            Err(error) => again(order, &error.to_string()),
        }
    }

    async fn cancelled(&self, order: &Order) -> Progress {
        let address = address(order);
        match self.jobs.stop(&self.log, order, &job(&order.deployment_id, run_of(order))).await {
            Step::Not(progress) => progress,
            Step::Ended(end) if matches!(end.why, Why::Stopped | Why::Interrupted | Why::NotStarted(_)) => {
                self.rescue(order, &address, &end).await;
                self.release(order, &address).await;
                self.log.say(order, "Terraform was stopped; what it had done until then stays in its state").await;
                Progress::Cancelled
            }
            Step::Ended(end) => self.ended(order, &address, &end, Deed::Apply).await,
        }
    }
}

/// The folder of downloaded providers, which jobs share.
fn providers(folder: &Path) -> PathBuf {
    folder.join("terraform/providers")
}

/// The address of the state of an order's resource.
fn address(order: &Order) -> Address {
    Address { account: order.home.clone(), region: order.region.clone(), key: order.subject.title() }
}

/// The job of a deployment's run.
fn job(deployment: &str, run: i64) -> String {
    format!("{deployment}-terraform-{run}")
}

/// Which run of an order's deployment it is, counted from 1.
fn run_of(order: &Order) -> i64 {
    order.notes.get(NOTES).and_then(|notes| notes.get("run")?.as_i64()).unwrap_or(1)
}

fn next_run(order: &Order, run: i64) -> Progress {
    let mut own = Fields::new();
    own.push("run", run + 1);
    let mut notes = Fields::new();
    let others = order.notes.as_map().into_iter().flat_map(Fields::iter).filter(|(name, _)| **name != *NOTES);
    for (name, value) in others {
        notes.push(name.clone(), value.clone());
    }
    notes.push(NOTES, Document::Map(own));
    Progress::Working { again_after_ms: 1, notes: Some(Document::Map(notes)) }
}

fn again(order: &Order, reason: &str) -> Progress {
    tracing::warn!(error = reason, deployment = order.deployment_id, "a step with Terraform is tried again");
    Progress::again(1000)
}

/// Terraform, or OpenTofu.
fn program(named: Option<&Path>, search: Option<&OsStr>) -> Result<String, String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    if let Some(named) = named.filter(|path| path.components().count() > 1) {
        return Ok(text(named.to_owned()));
    }
    let search = search.unwrap_or_default();
    let names = named.map_or(vec!["terraform".to_owned(), "tofu".to_owned()], |name| vec![text(name.to_owned())]);
    let found = names.iter().find_map(|name| standin_host::job::local::find(search, name));
    found.map(text).ok_or_else(|| {
        format!(
            "Terraform is not on this machine: no program {} is on the PATH of standin; install one, or name it by binary in \
             [proton.terraform] (--proton terraform.binary='\"/PATH/TO/terraform\"')",
            names.join(" or ")
        )
    })
}

/// The commands of a job.
fn commands(program: &str, deed: Deed, lock_timeout: Duration) -> Vec<String> {
    // The shell waits for Terraform when the job is to end, and then begins nothing more. Providers listen on sockets in the
    // temporary folder, whose paths the system allows about a hundred bytes.
    let begin = format!(
        r#"# Terraform's errors are kept for the deployment's message.
terraform() {{
  [ -z "$terraform_stopped" ] || return 130
  command {program} "$@" 2> {ERRORS}
  terraform_status=$?
  command cat {ERRORS} >&2
  return $terraform_status
}}
trap 'terraform_stopped=1' INT TERM
if [ "${{#TMPDIR}}" -gt {TEMPORARY_BYTES_MAX} ]; then
  TMPDIR=$(command mktemp -d /tmp/standin.XXXXXX) || return 1
  export TMPDIR
  trap 'command rm -rf "$TMPDIR"' EXIT
fi
terraform version"#,
        program = quoted(program)
    );
    // A provider may just be put into the shared folder by another job.
    let init = "terraform init -input=false -no-color || { sleep 2; terraform init -input=false -no-color; }";
    let lock = format!("-lock-timeout={}s", lock_timeout.as_secs());
    let deeds = match deed {
        Deed::Apply => vec![
            format!("terraform apply -input=false -no-color -auto-approve {lock}"),
            format!("terraform output -json -no-color > {OUTPUTS}"),
        ],
        Deed::Destroy => vec![format!("terraform destroy -input=false -no-color -auto-approve {lock}")],
    };
    [begin, init.to_owned()].into_iter().chain(deeds).collect()
}

/// Why a job failed: by the errors that Terraform told, else by how it ended.
fn reason(end: &End, deed: Deed) -> String {
    let what = match (deed, end.command.as_ref().map(|(number, _)| *number)) {
        (_, Some(1)) => "terraform version",
        (_, Some(2)) => "terraform init",
        (Deed::Apply, Some(4)) => "terraform output",
        (Deed::Apply, _) => "terraform apply",
        (Deed::Destroy, _) => "terraform destroy",
    };
    let errors = outcome::errors(end.file(ERRORS).unwrap_or_default());
    let text = match (&end.why, errors.is_empty()) {
        (Why::Failed, false) => format!("{what} failed:\n{errors}"),
        _ => format!("{what}: {}", end.sentence()),
    };
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // standin's own opens nothing, and is a word that comes in any text.
    name != "AWS_SECRET_ACCESS_KEY" && ["SECRET", "TOKEN", "PASSWORD"].iter().any(|part| name.contains(part))
}

impl Provisioner for Local {
    fn provision<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.step(order, Deed::Apply))
    }

    fn delete<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.step(order, Deed::Destroy))
    }

    fn cancel<'a>(&'a self, order: &'a Order) -> BoxFuture<'a, Progress> {
        Box::pin(self.cancelled(order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_their_names() {
        assert!(is_secret("TF_TOKEN_app_terraform_io") && is_secret("db_password"));
        assert!(!is_secret("AWS_REGION"));
    }

    #[test]
    fn a_missing_program_is_told() {
        let error = program(None, Some(OsStr::new("/nowhere"))).expect_err("none");
        assert!(error.contains("terraform or tofu") && error.contains("binary"), "{error}");
        assert_eq!(program(Some(Path::new("/opt/tofu")), None), Ok("/opt/tofu".to_owned()));
    }

    #[test]
    fn failures_carry_the_errors_of_terraform() {
        let mut end = End::without_command(Why::Failed);
        end.exit_code = Some(1);
        end.command = Some((3, "terraform apply".to_owned()));
        assert!(reason(&end, Deed::Apply).starts_with("terraform apply: command 3"), "{}", reason(&end, Deed::Apply));
        end.files.push((ERRORS.to_owned(), "\nError: no such thing\n\n  on main.tf line 3\n".to_owned()));
        assert_eq!(reason(&end, Deed::Apply), "terraform apply failed:\nError: no such thing\n  on main.tf line 3");
        end.why = Why::TimedOut(Duration::from_secs(60));
        assert!(reason(&end, Deed::Apply).contains("time limit of 1m is over"));
    }
}
