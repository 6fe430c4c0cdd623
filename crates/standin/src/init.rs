//! Init hooks: what is run when a server starts, and at its end.
//!
//! In a folder of hooks the folders `boot.d`, `start.d`, `ready.d` and `shutdown.d` hold those of a stage; everything else
//! is of the stage `ready`. They are taken in the order of their paths, folders within folders too.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use standin_mock::validation::input_from_json;
use standin_model::{Catalogue, Document};
use standin_server::{InitReport, InitStage, RunningServer, ScriptState};
use tokio::process::Command;

use crate::cli::names;
use crate::cli::output::to_stderr;
use crate::client::{
    Access, Call, Caller, Connection, Credentials, DUMMY_KEY, Endpoint, Trust, client_variables,
    fill_idempotency_tokens,
};
use crate::config::Settings;
use crate::env;
use crate::error::{Attempt as _, CommandError};

/// Where LocalStack has its hooks.
const LOCALSTACK_FOLDER: &str = "/etc/localstack/init";
/// How long one call of a seed may take.
const CALL_SECONDS_MAX: u64 = 60;
/// Folders within folders.
const DEPTH_MAX: usize = 8;

/// The hooks of one server, and what became of them.
#[derive(Debug, Default)]
pub struct Hooks {
    hooks: Vec<Hook>,
    report: Arc<InitReport>,
    account: String,
    region: String,
}

#[derive(Debug)]
struct Hook {
    stage: InitStage,
    path: PathBuf,
    /// Whether the server must not start without it.
    must_succeed: bool,
    number: usize,
}

impl Hooks {
    /// Finds the hooks of a server: those of `--init`, and those of LocalStack where there are any.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn find(settings: &Settings) -> Result<Self, CommandError> {
        Self::find_in(settings, Path::new(LOCALSTACK_FOLDER))
    }

    fn find_in(settings: &Settings, localstack: &Path) -> Result<Self, CommandError> {
        let account = settings.account.as_ref().map_or(standin_server::DEFAULT_ACCOUNT, |account| account.0.as_str());
        let region = settings.region.as_deref().unwrap_or(standin_server::DEFAULT_REGION);
        let mut found = Self { account: account.to_owned(), region: region.to_owned(), ..Self::default() };
        if localstack.is_dir() {
            for stage in InitStage::ALL {
                found.add_folder(&localstack.join(folder_of(stage)), stage, false)?;
            }
        }
        if let Some(folder) = &settings.init {
            std::fs::read_dir(folder).attempt(format_args!("cannot read the init folder {}", folder.display()))?;
            for stage in InitStage::ALL {
                found.add_folder(&folder.join(folder_of(stage)), stage, true)?;
                if stage == InitStage::Ready {
                    found.add_folder(folder, stage, true)?;
                }
            }
        }
        Ok(found)
    }

    /// Where it is told what became of them.
    pub fn report(&self) -> Arc<InitReport> {
        self.report.clone()
    }

    fn add_folder(&mut self, folder: &Path, stage: InitStage, must_succeed: bool) -> Result<(), CommandError> {
        if !folder.is_dir() {
            return Ok(());
        }
        let mut paths = Vec::new();
        collect(folder, 0, &mut paths).attempt(format_args!("cannot read {}", folder.display()))?;
        paths.sort();
        for path in paths {
            if !is_hook(&path) {
                tracing::info!(path = %path.display(), "left alone: neither a script nor a seed file");
                continue;
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let number = self.report.add(stage, name);
            self.hooks.push(Hook { stage, path, must_succeed, number });
        }
        Ok(())
    }

    /// Runs the hooks of a stage, one after the other. `server` is there from the stage `start` on.
    ///
    /// # Errors
    /// When one of `--init` fails; the message says which, and its output is on standard error. Those of LocalStack's
    /// folders that fail are only told of.
    pub async fn run(&self, stage: InitStage, server: Option<&RunningServer>) -> Result<(), CommandError> {
        for hook in self.hooks.iter().filter(|hook| hook.stage == stage) {
            self.report.set(hook.number, ScriptState::Running);
            let outcome = self.run_one(hook, server).await;
            let state = if outcome.is_ok() { ScriptState::Successful } else { ScriptState::Error };
            self.report.set(hook.number, state);
            match outcome {
                Ok(()) => {}
                Err(error) if hook.must_succeed => return Err(error),
                Err(error) => to_stderr(&error.report()),
            }
        }
        self.report.complete(stage);
        Ok(())
    }

    async fn run_one(&self, hook: &Hook, server: Option<&RunningServer>) -> Result<(), CommandError> {
        if is_seed(&hook.path) {
            let Some(server) = server else {
                let error = anyhow::anyhow!("the seed file {} needs a server", hook.path.display());
                return Err(CommandError::usage(error).hint("there is one from the stage `start` on"));
            };
            return self.seed(&hook.path, server).await;
        }
        self.script(&hook.path, server).await
    }

    async fn script(&self, path: &Path, server: Option<&RunningServer>) -> Result<(), CommandError> {
        let mut command = interpreter(path);
        if let Some(server) = server {
            let endpoint = endpoint_of(server)?;
            let access = Access { endpoint: &endpoint, region: &self.region, ca: None, proxy: false };
            for variable in client_variables(access, &env::process) {
                match variable.value {
                    Some(value) => command.env(variable.name, value),
                    None => command.env_remove(variable.name),
                };
            }
        }
        command.env(env::AWS_ACCESS_KEY_ID, &self.account).env(env::AWS_SECRET_ACCESS_KEY, DUMMY_KEY);
        command.env_remove(env::AWS_SESSION_TOKEN);
        // What standin prints on standard output is for programs that wait for it.
        command.stdin(Stdio::null()).stdout(Stdio::from(std::io::stderr())).kill_on_drop(true);
        let status = command.status().await.map_err(|error| {
            CommandError::failure(anyhow::Error::new(error).context(format!("cannot run {}", path.display())))
        })?;
        if status.success() {
            return Ok(());
        }
        Err(CommandError::failure(anyhow::anyhow!("the init script {} failed: {status}", path.display())))
    }

    async fn seed(&self, path: &Path, server: &RunningServer) -> Result<(), CommandError> {
        let text = std::fs::read(path).attempt(format_args!("cannot read {}", path.display()))?;
        if is_saved_state(&text) {
            let loaded = server.load_state(&text[..]).await;
            loaded.attempt(format_args!("cannot load the state in {}", path.display()))?;
            return Ok(());
        }
        let calls = read_calls(&text).attempt(format_args!("cannot read the calls of {}", path.display()))?;
        for (at, seed) in calls.iter().enumerate() {
            let place = || format!("call {} of {}: {} of {}", at + 1, path.display(), seed.operation, seed.service);
            self.call(seed, server).await.map_err(|error| CommandError {
                error: error.error.context(place()),
                kind: crate::error::Kind::Failure,
                hints: error.hints,
            })?;
        }
        Ok(())
    }

    async fn call(&self, seed: &SeedCall, server: &RunningServer) -> Result<(), CommandError> {
        let catalogue = Catalogue::shared();
        let service = names::open(names::service(catalogue, &seed.service, None)?)?;
        let operation = names::operation(service, &seed.operation)?;
        let mut input = match operation.input {
            Some(shape) => input_from_json(service, shape, &seed.input).map_err(|violations| {
                let all: Vec<String> = violations.iter().map(|violation| format!("\n  {violation}")).collect();
                CommandError::usage(anyhow::anyhow!("the input does not fit the model{}", all.concat()))
            })?,
            None => Document::map(),
        };
        fill_idempotency_tokens(service, operation, &mut input);
        let credentials = Credentials {
            access_key: seed.account.clone().unwrap_or_else(|| self.account.clone()),
            secret_key: DUMMY_KEY.to_owned(),
            session_token: None,
        };
        let region = seed.region.as_deref().unwrap_or(&self.region);
        let call = Call { service, operation, protocol: service.protocol(), region, credentials: Some(&credentials) };
        let connection = Connection::new(endpoint_of(server)?, Trust::default(), Duration::from_secs(CALL_SECONDS_MAX));
        let mut caller = Caller::new(call, connection, catalogue.partitions());
        let reply = caller.call(&input).await.map_err(CommandError::failure)?;
        match reply.outcome {
            Ok(_) => Ok(()),
            // The state of an earlier start is still there.
            Err(error) if tells_existing(&error.code) => Ok(()),
            Err(error) => Err(CommandError::failure(anyhow::anyhow!(
                "{} (status {}): {}",
                error.code,
                error.status,
                error.message
            ))),
        }
    }
}

fn folder_of(stage: InitStage) -> String {
    format!("{}.d", stage.name())
}

/// The files of a folder and the folders in it, but not of the folders of stages.
fn collect(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    let is_stage = |name: &OsStr| InitStage::ALL.iter().any(|stage| name == folder_of(*stage).as_str());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() {
            if depth < DEPTH_MAX && !is_stage(name) {
                collect(&path, depth + 1, found)?;
            }
        } else if !name.to_string_lossy().starts_with('.') {
            found.push(path);
        }
    }
    Ok(())
}

fn has_extension(path: &Path, wanted: &[&str]) -> bool {
    let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    wanted.iter().any(|wanted| extension.eq_ignore_ascii_case(wanted))
}

fn is_seed(path: &Path) -> bool {
    has_extension(path, &["json", "jsonl"])
}

/// Where a folder comes from another system, everything in it may be executable: then its name tells.
fn is_hook(path: &Path) -> bool {
    is_seed(path)
        || has_extension(path, &["sh", "py", "exe", "bat", "cmd"])
        || (path.extension().is_none() && is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    has_extension(path, &["exe", "bat", "cmd"])
}

/// What runs a script: itself where it may be run, else what its name tells.
fn interpreter(path: &Path) -> Command {
    let by = match () {
        () if is_executable(path) => return Command::new(path),
        () if has_extension(path, &["py"]) => "python3",
        () => "sh",
    };
    let mut command = Command::new(by);
    command.arg(path);
    command
}

fn endpoint_of(server: &RunningServer) -> Result<Endpoint, CommandError> {
    server.url().parse().map_err(|reason: String| CommandError::failure(anyhow::anyhow!(reason)))
}

/// A call of a seed file.
#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct SeedCall {
    service: String,
    operation: String,
    #[serde(default = "nothing")]
    input: Value,
    #[serde(default)]
    account: Option<String>,
    #[serde(default)]
    region: Option<String>,
}

fn nothing() -> Value {
    Value::Object(serde_json::Map::new())
}

/// Whether the first line is that of a saved state.
fn is_saved_state(text: &[u8]) -> bool {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Value>(first).is_ok_and(|header| header.get("format").is_some())
}

/// The calls of a seed file: a list of them, or one.
fn read_calls(text: &[u8]) -> Result<Vec<SeedCall>, serde_json::Error> {
    match text.trim_ascii_start().first() {
        Some(b'[') => serde_json::from_slice(text),
        _ => serde_json::from_slice(text).map(|call| vec![call]),
    }
}

/// Whether an error says that what is to be made is there.
fn tells_existing(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    ["alreadyexist", "alreadyowned", "duplicate", "resourceinuse", "exists"].iter().any(|mark| code.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_calls_or_states() {
        let check = |text: &str| read_calls(text.as_bytes()).expect("readable").len();
        assert_eq!(check(r#"[{"service": "s3", "operation": "CreateBucket", "input": {"Bucket": "b"}}]"#), 1);
        assert_eq!(check(r#"{"service": "sns", "operation": "CreateTopic"}"#), 1);
        assert_eq!(check("[]"), 0);
        assert!(read_calls(br#"[{"service": "s3"}]"#).is_err());
        assert!(is_saved_state(b"{\"format\":\"standin-state\",\"version\":1}\n{\"account\":\"1\"}\n"));
        assert!(!is_saved_state(br#"{"service": "sns", "operation": "CreateTopic"}"#));
        assert!(tells_existing("BucketAlreadyOwnedByYou") && !tells_existing("NoSuchBucket"));
    }

    #[test]
    fn hooks_are_found_in_order() {
        let folder = std::env::temp_dir().join(format!("standin-init-{}", std::process::id()));
        for path in ["b.sh", "a.json", "sub/c.py", "notes.txt", "shutdown.d/z.sh", "boot.d/y.sh", ".hidden.sh"] {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let settings = Settings { init: Some(folder.clone()), ..Settings::default() };
        let hooks = Hooks::find_in(&settings, &folder.join("none")).expect("readable");
        let found: Vec<(InitStage, String)> = hooks
            .hooks
            .iter()
            .map(|hook| (hook.stage, hook.path.strip_prefix(&folder).expect("inside").display().to_string()))
            .collect();
        std::fs::remove_dir_all(&folder).expect("removed");
        let expect = [
            (InitStage::Boot, "boot.d/y.sh"),
            (InitStage::Ready, "a.json"),
            (InitStage::Ready, "b.sh"),
            (InitStage::Ready, "sub/c.py"),
            (InitStage::Shutdown, "shutdown.d/z.sh"),
        ];
        assert_eq!(found, expect.map(|(stage, path)| (stage, path.to_owned())));
    }
}
