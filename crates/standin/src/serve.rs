//! From settings to a running server.

pub mod elsewhere;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize as _;
use standin_core::Clock;
use standin_faults::{Faults, Globs, Incident, Preset, Shipped, incidents, presets};
use standin_lifecycle::Overlay;
use standin_model::{Catalogue, Service, Timestamp, nearest};
use standin_script::folder::Folder;
use standin_script::recording::Match;
use standin_script::{Origin, Responses};
use standin_server::net::{CertAuthority, CorsPolicy, Limits, NetError, ProxyPolicy};
use standin_server::{
    Durability, InitStage, KeySource, LeakWatch, RecordConfig, ReplayConfig, RunningServer, Server, ServerConfig,
    Stateless, StoreLocation, Strictness, Transitions,
};
use tracing_subscriber::EnvFilter;

use crate::cli::{models, names};
use crate::config::{
    self, ConfigError, FaultSetting, Limit, LogFormat, ResponseSetting, Settings, Transition, Validation,
};
use crate::env;
use crate::error::{Attempt as _, CommandError};
use crate::init::Hooks;

/// Warnings are what an operator should see without asking.
const DEFAULT_LOG: &str = "warn";

/// Starts a server on the current tokio runtime, after the hooks that come first.
///
/// # Errors
/// When a setting makes no sense, a model cannot be read, the state not be opened or an address not be bound.
pub async fn start(settings: &Settings, hooks: &Hooks) -> Result<RunningServer, CommandError> {
    start_guarded(settings, hooks, None).await
}

/// The same as a proxy that lets nothing through to AWS and tells of what tried.
///
/// # Errors
/// As [`start`].
pub async fn start_guarded(
    settings: &Settings,
    hooks: &Hooks,
    guard: Option<Arc<dyn LeakWatch>>,
) -> Result<RunningServer, CommandError> {
    let mut config = server_config(settings)?;
    if guard.is_some() {
        config.proxy = ProxyPolicy::Guard;
        config.leaks = guard;
    }
    config.init = hooks.report();
    hooks.run(InitStage::Boot, None).await?;
    Server::builder().config(config).start().await.map_err(|error| {
        let in_use = matches!(&error, NetError::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse);
        let error = CommandError::failure(error);
        if in_use {
            error.hint("something listens there already; --listen takes another address, or port 0")
        } else {
            error
        }
    })
}

/// Loads saved states into a server that listens and runs its hooks; from then on it is ready.
///
/// # Errors
/// When a state cannot be loaded, or a hook that must succeed fails.
pub async fn make_ready(server: &RunningServer, settings: &Settings, hooks: &Hooks) -> Result<(), CommandError> {
    for path in settings.load.iter().flatten() {
        let file = std::fs::File::open(path).attempt(format_args!("cannot read {}", path.display()))?;
        let loaded = server.load_state(file).await;
        loaded.attempt(format_args!("cannot load the state in {}", path.display()))?;
    }
    hooks.run(InitStage::Start, Some(server)).await?;
    hooks.run(InitStage::Ready, Some(server)).await?;
    server.set_ready();
    Ok(())
}

/// Translates settings into the server's own configuration.
///
/// # Errors
/// When a setting makes no sense or a model cannot be read.
pub fn server_config(settings: &Settings) -> Result<ServerConfig, CommandError> {
    let defaults = ServerConfig::default();
    let models = models::read(settings.model.as_deref().unwrap_or_default())?;
    let services = settings.services.as_deref().map(|names| service_ids(names, &models)).transpose()?;
    let stateless = match settings.stateless.as_deref() {
        None | Some([]) => Stateless::None,
        Some(names) if names.iter().any(|name| name == "all") => Stateless::All,
        Some(names) => Stateless::Some(service_ids(names, &models)?),
    };
    let cors = CorsPolicy::parse(settings.cors_origin.iter().flatten().map(String::as_str));
    let clock = settings.clock.map_or(defaults.clock, |time| Clock::frozen_at(time.0));
    let mut mwaa = config::mwaa(settings.mwaa.as_deref().unwrap_or_default(), settings.mwaa_runtime);
    for name in env::DOCKER.iter().map(|(name, _)| *name).chain([env::HOME]) {
        mwaa.docker.variables.extend(env::text(&env::process, name).map(|value| (name.to_owned(), value)));
    }
    let data_dir = files(settings);
    if mwaa.runtime == config::MwaaRuntime::Local.name() && data_dir.is_none() {
        return Err(CommandError::usage(anyhow::anyhow!(
            "mwaa-runtime: a local Airflow is kept in the data directory"
        ))
        .hint("--data-dir names one"));
    }
    let (proton_quotas, proton_events) = config::proton(settings.proton.as_deref().unwrap_or_default())?;
    let mut provisioning = config::provisioning(settings.proton.as_deref().unwrap_or_default())?;
    provisioning.jobs.docker.clone_from(&mwaa.docker.variables);
    let of_git = env::GIT.iter().map(|(name, _)| *name).chain([env::HTTPS_PROXY, env::NO_PROXY, env::SSL_CERT_FILE]);
    let of_git = of_git.filter_map(|name| Some((name.to_owned(), env::text(&env::process, name)?)));
    provisioning.git.environment = of_git.collect();
    provisioning.keys = keys(settings, data_dir.as_ref(), &env::process)?;
    let (responses, responses_dir) = responses(settings.responses.as_deref().unwrap_or_default(), clock.now())?;
    Ok(ServerConfig {
        listen: settings.addresses(),
        limits: limits(settings.limits.as_deref().unwrap_or_default())?,
        proxy: settings.proxy_policy.map_or(defaults.proxy, |policy| match policy {
            config::ProxyPolicy::AnswerAws => ProxyPolicy::AnswerAws,
            config::ProxyPolicy::PassOthers => ProxyPolicy::PassOthers,
            config::ProxyPolicy::Off => ProxyPolicy::Off,
        }),
        cors: cors.map_err(|error| CommandError::usage(anyhow::Error::new(error).context("cors-origin")))?,
        allowed_hosts: settings.allow_host.clone().unwrap_or_default(),
        seed: settings.seed.unwrap_or(defaults.seed),
        account: settings.account.as_ref().map_or(defaults.account, |account| account.0.clone()),
        region: settings.region.clone().unwrap_or(defaults.region),
        validation: settings.validation.map_or(defaults.validation, |level| match level {
            Validation::Strict => Strictness::Strict,
            Validation::Lenient => Strictness::Lenient,
            Validation::Off => Strictness::Off,
        }),
        strict: settings.strict.map(|level| match level {
            config::Fidelity::Synthesized => standin_core::Fidelity::Synthesized,
            config::Fidelity::Stateful => standin_core::Fidelity::Stateful,
            config::Fidelity::Engine => standin_core::Fidelity::Engine,
        }),
        fidelity_header: !settings.no_fidelity_header.unwrap_or(false),
        services,
        overlays: overlays(settings.overlay.as_deref().unwrap_or_default())?,
        stateless,
        journal_size: settings.journal_size.unwrap_or(defaults.journal_size),
        data_dir,
        search: env::process("PATH"),
        program: std::env::current_exe().ok(),
        store: location(settings),
        transitions: transitions(settings.transitions.as_deref().unwrap_or_default(), &models)?,
        models,
        tls: defaults.tls,
        faults: faults(
            settings.faults.as_deref().unwrap_or_default(),
            settings.incident.as_deref().unwrap_or_default(),
            clock.now(),
        )?,
        responses,
        responses_dir,
        clock,
        leaks: None,
        init: defaults.init,
        record: record(settings)?,
        replay: settings.replay.clone().map(|folder| ReplayConfig {
            folder,
            matching: match settings.replay_match {
                Some(config::ReplayMatch::Nearest) => Match::Nearest,
                Some(config::ReplayMatch::Strict) | None => Match::Strict,
            },
        }),
        s3: settings.s3.as_deref().map(elsewhere::read).transpose()?,
        proton_quotas,
        proton_events,
        // Without the system's certificates, a forge that is asked by HTTPS says so.
        forges_tls: elsewhere::tls(provisioning.names_repositories()).unwrap_or_default(),
        provisioning,
        mwaa,
    })
}

/// Where state is kept.
pub fn location(settings: &Settings) -> StoreLocation {
    let durability = match settings.durability {
        Some(config::Durability::Full) => Durability::Full,
        Some(config::Durability::Normal) | None => Durability::Normal,
    };
    match (&settings.database, &settings.data_dir) {
        _ if settings.ephemeral == Some(true) => StoreLocation::Memory,
        (Some(url), _) => StoreLocation::Postgres { url: url.clone() },
        (None, Some(directory)) => StoreLocation::Sqlite { directory: directory.clone(), durability },
        (None, None) => StoreLocation::Memory,
    }
}

/// What credentials are sealed by: what the environment gives, else a key beside the state, else one that ends with it.
fn keys(settings: &Settings, data_dir: Option<&PathBuf>, get: env::Get<'_>) -> Result<KeySource, CommandError> {
    if let Some(text) = env::text(get, env::SECRET_KEY) {
        return KeySource::given(&text)
            .map_err(|why| CommandError::usage(anyhow::anyhow!("{}: {why}", env::SECRET_KEY)));
    }
    Ok(match (location(settings), data_dir) {
        (StoreLocation::Memory, _) => KeySource::Process,
        (_, Some(folder)) => KeySource::Folder(folder.clone()),
        (_, None) => KeySource::Nowhere,
    })
}

/// Where files are kept: a database holds what is known of objects, not their bytes. Absolute: programs that are started there
/// work in other folders.
fn files(settings: &Settings) -> Option<PathBuf> {
    let wants_some = matches!(location(settings), StoreLocation::Postgres { .. });
    let folder =
        settings.data_dir.clone().or_else(|| config::default_data_dir(&env::process).filter(|_| wants_some))?;
    Some(std::path::absolute(&folder).unwrap_or(folder))
}

fn transitions(list: &[Transition], models: &[Service]) -> Result<Transitions, CommandError> {
    let mut transitions = Transitions::default();
    for Transition { service, duration } in list {
        match service {
            None => transitions.usual = *duration,
            Some(name) => {
                for id in service_ids(std::slice::from_ref(name), models)? {
                    transitions.services.push((id, *duration));
                }
            }
        }
    }
    Ok(transitions)
}

/// An incident that ships.
///
/// # Errors
/// When none has the name.
pub fn shipped_incident(name: &str) -> Result<&'static Shipped, CommandError> {
    Shipped::find(name).ok_or_else(|| {
        let near: Vec<&str> = incidents().iter().map(|shipped| shipped.name).collect();
        CommandError::usage(anyhow::anyhow!("no incident {name:?} ships, and there is no file of that name"))
            .near(&near)
    })
}

/// An incident by the name of one that ships, or of a file.
///
/// # Errors
/// When there is none, or the file is no incident.
pub fn incident(name: &str) -> Result<Incident, CommandError> {
    if Shipped::find(name).is_none() && Path::new(name).is_file() {
        let text = std::fs::read_to_string(name).attempt(format_args!("cannot read {name}"))?;
        return Incident::parse(&text)
            .map_err(|refused| CommandError::usage(anyhow::Error::new(refused).context(name.to_owned())));
    }
    Ok(shipped_incident(name)?.incident())
}

/// The rules of presets and those given, and of incidents that begin at once.
fn faults(list: &[FaultSetting], incidents: &[String], now: Timestamp) -> Result<Faults, CommandError> {
    let faults = Faults::default();
    let mut rules = Vec::new();
    for setting in list {
        match setting {
            FaultSetting::Preset(name) => match Preset::find(name) {
                Some(preset) => rules.extend(preset.rules()),
                None => {
                    let near: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
                    return Err(CommandError::usage(anyhow::anyhow!("there is no preset {name:?}")).near(&near));
                }
            },
            FaultSetting::Rule(rule) => rules.push((**rule).clone()),
        }
    }
    faults
        .set(Catalogue::shared(), rules, now)
        .map_err(|refused| CommandError::usage(anyhow::Error::new(refused).context("faults")))?;
    for name in incidents {
        faults
            .run_incident(Catalogue::shared(), incident(name)?, now)
            .map_err(|refused| CommandError::usage(anyhow::Error::new(refused).context(name.clone())))?;
    }
    Ok(faults)
}

/// What is recorded.
fn record(settings: &Settings) -> Result<Option<RecordConfig>, CommandError> {
    let usage = |text: &str| CommandError::usage(anyhow::anyhow!("{text}"));
    let services = settings.record_services.as_deref().unwrap_or_default();
    match (&settings.record, &settings.upstream) {
        (Some(folder), Some(upstream)) => Ok(Some(RecordConfig {
            folder: folder.clone(),
            upstream: elsewhere::upstream("upstream", upstream)?,
            services: match services {
                [] => Globs::Any,
                patterns => Globs::Several(patterns.to_vec()),
            },
        })),
        (Some(_), None) => Err(usage("record: --upstream says what to record: aws, or the URL of another stand-in")),
        (None, Some(_)) => Err(usage("upstream: --record says where to write what comes of calls")),
        (None, None) => Ok(None),
    }
}

/// The response rules of the configuration, and those of a folder.
fn responses(list: &[ResponseSetting], now: Timestamp) -> Result<(Responses, Option<Folder>), CommandError> {
    let refuse = |why: String| CommandError::usage(anyhow::anyhow!(why));
    let responses = Responses::default();
    let (mut rules, mut folder) = (Vec::new(), None);
    for (at, setting) in list.iter().enumerate() {
        match setting {
            ResponseSetting::Rule(rule) => {
                let rule = standin_script::Rule::read(rule);
                rules.push(rule.map_err(|why| refuse(format!("responses: rule {at}: {why}")))?);
            }
            // The last word counts.
            ResponseSetting::Folder(path) => folder = Some(Folder::new(path.clone())),
        }
    }
    let catalogue = Catalogue::shared();
    responses.set(catalogue, Origin::Configuration, rules, now).map_err(|why| refuse(format!("responses: {why}")))?;
    if let Some(folder) = &folder {
        let loaded = folder.load(&responses, catalogue, now);
        loaded.map_err(|problems| refuse(format!("responses: {}", problems.join("\nresponses: "))))?;
    }
    Ok((responses, folder))
}

/// The overlays in files.
fn overlays(files: &[PathBuf]) -> Result<Vec<Overlay>, CommandError> {
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).attempt(format_args!("cannot read the overlay {name}"))?;
        let overlay = Overlay::parse(&name, &text).map_err(CommandError::usage)?;
        // What does not fit the service is told now and not with the first call.
        let entry = Catalogue::shared().find(overlay.service());
        let service = entry.and_then(|entry| entry.open().ok()).ok_or_else(|| {
            CommandError::usage(anyhow::anyhow!("{name}: no service is called {:?}", overlay.service()))
        })?;
        standin_lifecycle::infer_with(service, std::slice::from_ref(&overlay)).map_err(CommandError::usage)?;
        Ok(overlay)
    };
    files.iter().map(read).collect()
}

/// The CA certificate of a data directory; makes one where there is none.
///
/// # Errors
/// When the directory cannot be used.
pub fn ca_pem(data_dir: &Path) -> Result<String, CommandError> {
    CertAuthority::in_directory(data_dir.to_owned(), Clock::real().now())
        .ca_pem()
        .attempt(format_args!("cannot read the certificate authority in {}", data_dir.display()))
}

/// Sends log lines to standard error. A bare level is that of standin itself; its libraries stay at `warn`.
///
/// # Errors
/// When the filter cannot be understood.
pub fn init_logging(settings: &Settings) -> Result<(), CommandError> {
    let asked = settings.log.as_deref().unwrap_or(DEFAULT_LOG);
    let directives = match asked {
        "trace" | "debug" | "info" => format!("warn,standin={asked}"),
        _ => asked.to_owned(),
    };
    let filter = EnvFilter::try_new(directives).map_err(|error| {
        CommandError::usage(anyhow::Error::new(error).context(format!("log: cannot read {asked:?}")))
    })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Only the first of a process counts; a test may have set one up.
    let _ = match settings.log_format.unwrap_or(LogFormat::Text) {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    Ok(())
}

/// Catalogue ids of services by whatever people call them.
fn service_ids(names: &[String], models: &[Service]) -> Result<Vec<String>, CommandError> {
    let find = |name: &String| match models.iter().find(|service| service.id == name || service.sdk_id == name) {
        Some(service) => Ok(service.id.to_owned()),
        None => names::service(Catalogue::shared(), name, None).map(|entry| entry.id.to_owned()),
    };
    names.iter().filter(|name| !name.trim().is_empty()).map(find).collect()
}

/// Puts limits in the place of the defaults.
fn limits(changes: &[Limit]) -> Result<Limits, CommandError> {
    let mut table = toml::Table::new();
    for Limit { name, value } in changes {
        let value = i64::try_from(*value).unwrap_or(i64::MAX);
        table.insert(name.clone(), toml::Value::Integer(value));
    }
    Limits::deserialize(table).map_err(|error| {
        let known = limit_names();
        match changes.iter().find(|limit| !known.contains(&limit.name)) {
            Some(unknown) => {
                let near = nearest(&unknown.name, known.iter().map(String::as_str), 3);
                let near = near.into_iter().map(str::to_owned).collect();
                ConfigError::UnknownLimit { name: unknown.name.clone(), near }.into()
            }
            None => CommandError::usage(anyhow::Error::new(error).context("limits")),
        }
    })
}

/// The names of all limits, from the message in which serde lists them.
fn limit_names() -> Vec<String> {
    let unknown = toml::Table::from_iter([(String::new(), toml::Value::Integer(0))]);
    let message = Limits::deserialize(unknown).err().map(|error| error.to_string()).unwrap_or_default();
    let quoted = message.split('`').skip(1).step_by(2);
    quoted.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(text: &str) -> Result<Limits, CommandError> {
        limits(&[text.parse().expect("NAME=NUMBER")])
    }

    #[test]
    fn limits_are_set_by_name() {
        assert_eq!(limit("connections-max=7").expect("known").connections_max, 7);
        let error = limit("conections_max=7").expect_err("misspelt");
        assert_eq!(error.hints, ["did you mean connections_max?"]);
        assert!(limit("http2_streams_max=99999999999").is_err());
    }

    #[test]
    fn every_limit_is_in_the_documentation() {
        let text = include_str!("../../../docs/configuration.md");
        let names = limit_names();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            assert!(text.contains(&format!("`{name}`")), "docs/configuration.md says nothing of {name}");
        }
    }

    #[test]
    fn services_are_found_by_any_name() {
        let settings = Settings { services: Some(vec!["airflow".into(), "S3".into()]), ..Settings::default() };
        let config = server_config(&settings).expect("valid");
        assert_eq!(config.services, Some(vec!["mwaa".to_owned(), "s3".to_owned()]));
        let settings = Settings { services: Some(vec!["nothing".into()]), ..Settings::default() };
        assert!(server_config(&settings).is_err());
    }
}
