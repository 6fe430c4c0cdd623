//! The variables that an environment's processes get.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::database::Database;
use super::files::Variables;
use crate::neighbours::Credentials;
use crate::runtime::Target;
use crate::versions;

/// The ports of an environment, on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ports {
    pub web: u16,
    pub worker_logs: u16,
    pub trigger_logs: u16,
}

/// What of the surroundings an environment's processes are told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    /// Of the environment.
    pub folder: &'a Path,
    /// Of the installation's programs.
    pub bin: &'a Path,
    pub ports: Ports,
    /// Where tasks reach AWS: standin itself.
    pub endpoint: &'a str,
    /// Of the environment, where it has one already.
    pub database: Option<&'a Database>,
    pub given: &'a Given,
}

/// What the environment's files and its role add.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    /// What the startup script exported, by component.
    pub exports: BTreeMap<&'static str, Variables>,
    /// Where what users require is installed.
    pub site: Option<PathBuf>,
    /// Of its execution role.
    pub credentials: Option<Credentials>,
}

/// The components of an environment, for each of which the startup script runs.
pub(super) fn components(class: Option<&str>) -> &'static [&'static str] {
    // The smallest class has its workers beside the scheduler.
    if class == Some("mw1.micro") { &["hybrid", "webserver"] } else { &["scheduler", "worker", "webserver"] }
}

/// The component that MWAA runs a process as.
pub(super) fn component(process: &str, class: Option<&str>) -> &'static str {
    match process {
        "webserver" | "cli" => "webserver",
        "worker" if class != Some("mw1.micro") => "worker",
        _ => components(class)[0],
    }
}

/// The variables, or their beginnings, that startup scripts cannot set: MWAA's own.
const PROTECTED: &[&str] = &[
    "AIRFLOW_ENV_ID",
    "AIRFLOW_ENV_NAME",
    "AIRFLOW_HOME",
    "AIRFLOW_TASK_REVISION_ID",
    "AIRFLOW_VERSION",
    "AIRFLOW__AWS_MWAA__REDIRECT_URL",
    "AIRFLOW__WEBSERVER__BASE_URL",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "CUSTOMER_ACCOUNT_ID",
    "ECS_*",
    "HOME",
    "JWT_PUBLIC_KEY",
    "MWAA_AIRFLOW_COMPONENT",
    "MWAA_COMMAND",
    "MWAA__*",
    "PYTHONPATH",
    "PYTHONUNBUFFERED",
    "SPT_NOENV",
    "STANDIN_*",
    "WATCHTOWER_VERSION",
];

/// Whether startup scripts cannot set a variable.
pub(super) fn is_protected(name: &str) -> bool {
    PROTECTED.iter().any(|protected| match protected.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *protected,
    })
}

/// Tasks that one core of this machine is given: each is a process of Python, and costs about 100 MB.
const TASKS_PER_CORE: i64 = 2;
/// Tasks that any machine is given.
const TASKS_LEAST: i64 = 4;

/// Options that have no effect, by their beginnings: MWAA sets them itself.
const ESSENTIAL: &[&str] = &[
    "api.secret_key",
    "api_auth.jwt_algorithm",
    "api_auth.jwt_secret",
    "celery.broker_url",
    "celery.celery_config_options",
    "celery.result_backend",
    "celery.worker_enable_remote_control",
    "core.auth_manager",
    "core.dags_folder",
    "core.execution_api_server_url",
    "core.executor",
    "core.fernet_key",
    "core.load_examples",
    "core.multi_team",
    "core.plugins_folder",
    "database.sql_alchemy_conn",
    "execution_api.jwt_expiration_time",
    "fab.config_file",
    "logging.logging_config_class",
    "metrics.statsd_custom_client_path",
    "metrics.statsd_datadog_enabled",
    "metrics.statsd_host",
    "metrics.statsd_influxdb_enabled",
    "metrics.statsd_on",
    "metrics.statsd_port",
    "metrics.statsd_prefix",
    "operators.default_queue",
    "scheduler.standalone_dag_processor",
    "triggerer.queues_enabled",
    "webserver.base_url",
    "webserver.config_file",
    "webserver.secret_key",
];

/// How many tasks run at a time: those of all workers that an environment may have, as far as this machine goes.
fn parallelism(target: &Target) -> i64 {
    let environment = &target.environment;
    let class = environment.environment_class.as_deref().unwrap_or(versions::DEFAULT_CLASS);
    let class = versions::class(class).or_else(|| versions::class(versions::DEFAULT_CLASS));
    let (each, usual) = class.map_or((1, 1), |class| (class.tasks_per_worker, class.max_workers.usual));
    let workers = environment.max_workers.map_or(usual, i64::from);
    let cores = std::thread::available_parallelism().map_or(1, |cores| i64::try_from(cores.get()).unwrap_or(1));
    let most = (cores * TASKS_PER_CORE).max(TASKS_LEAST);
    each.saturating_mul(workers).clamp(1, most)
}

/// A key that only this environment has, for one purpose.
pub(super) fn key(target: &Target, purpose: &str) -> [u8; 32] {
    let mut mac: Hmac<Sha256> = Hmac::new_from_slice(target.secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The secret that signs the tokens of Airflow 3's API.
pub(super) fn jwt_secret(target: &Target) -> String {
    URL_SAFE_NO_PAD.encode(key(target, "jwt 1")) + &URL_SAFE_NO_PAD.encode(key(target, "jwt 2"))
}

/// The secret by which Airflow 2 knows that a request comes from standin.
pub(super) fn proxy_secret(target: &Target) -> String {
    URL_SAFE_NO_PAD.encode(key(target, "proxy"))
}

/// The variables of a process, later ones over earlier: those of the container, MWAA's defaults, what the startup script exported, the
/// customer's options, what is essential.
pub(super) fn variables(target: &Target, around: &Around<'_>, process: &str) -> Variables {
    let Around { folder, bin, ports, endpoint, database, given } = *around;
    let class = target.environment.environment_class.as_deref();
    let component = component(process, class);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut variables = BTreeMap::new();
    let mut set = |name: &str, value: String| drop(variables.insert(name.to_owned(), value));
    // What customers may change.
    set("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()));
    set("LANG", "C.UTF-8".to_owned());
    match &given.credentials {
        Some(credentials) => {
            set("AWS_ACCESS_KEY_ID", credentials.access_key_id.clone());
            set("AWS_SECRET_ACCESS_KEY", credentials.secret_access_key.clone());
            set("AWS_SESSION_TOKEN", credentials.session_token.clone());
        }
        None => {
            set("AWS_ACCESS_KEY_ID", target.account.clone());
            set("AWS_SECRET_ACCESS_KEY", "standin".to_owned());
        }
    }
    let intervals: &[(&str, &str)] = if target.major() == 2 {
        &[("AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL", "1"), ("AIRFLOW__SCHEDULER__MIN_FILE_PROCESS_INTERVAL", "5")]
    } else {
        &[
            ("AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL", "1"),
            ("AIRFLOW__DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL", "1"),
            ("AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL", "5"),
        ]
    };
    intervals.iter().for_each(|(name, value)| set(name, (*value).to_owned()));
    for (name, value) in [
        ("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "1800"),
        ("AIRFLOW__CORE__SENSITIVE_VAR_CONN_NAMES", "proxy,proxies"),
        ("AIRFLOW__USAGE_DATA_COLLECTION__ENABLED", "False"),
        ("AIRFLOW_CONN_AWS_DEFAULT", "aws://"),
    ] {
        set(name, value.to_owned());
    }
    set("AIRFLOW__CORE__PARALLELISM", parallelism(target).to_string());
    // Where tasks run beside the scheduler, what the script means for workers is theirs, too.
    let exporters = [Some(component), (component == "scheduler").then_some("worker")];
    for exporter in exporters.into_iter().flatten() {
        for (name, value) in given.exports.get(exporter).into_iter().flatten() {
            set(name, value.clone());
        }
    }
    let options = target.environment.airflow_configuration_options.iter().flatten();
    for (option, value) in options.filter(|(option, _)| !ESSENTIAL.contains(&option.as_str())) {
        if let Some((section, key)) = option.split_once('.') {
            let name = format!("AIRFLOW__{}__{}", section.to_uppercase(), key.to_uppercase().replace('.', "_"));
            set(&name, value.clone());
        }
    }
    set("AIRFLOW_HOME", folder.to_string_lossy().into_owned());
    set("AIRFLOW__CORE__DAGS_FOLDER", path("dags"));
    set("AIRFLOW__CORE__PLUGINS_FOLDER", path("plugins"));
    set("AIRFLOW__CORE__LOAD_EXAMPLES", "False".to_owned());
    set("AIRFLOW__CORE__FERNET_KEY", URL_SAFE.encode(key(target, "fernet")));
    if let Some(Database { url }) = database {
        set("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", url.clone());
    }
    set("AIRFLOW__LOGGING__BASE_LOG_FOLDER", path("logs"));
    set("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", ports.worker_logs.to_string());
    set("AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT", ports.trigger_logs.to_string());
    let web = format!("http://127.0.0.1:{}", ports.web);
    if target.major() == 2 {
        // SQLite takes one task at a time there, and no second process that reads DAGs.
        let sqlite = database.is_some_and(Database::is_sqlite);
        set("AIRFLOW__CORE__EXECUTOR", if sqlite { "SequentialExecutor" } else { "LocalExecutor" }.to_owned());
        set("AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR", if sqlite { "False" } else { "True" }.to_owned());
        set("AIRFLOW__WEBSERVER__SECRET_KEY", URL_SAFE_NO_PAD.encode(key(target, "sessions")));
        set("AIRFLOW__WEBSERVER__WORKERS", "1".to_owned());
        set("AIRFLOW__WEBSERVER__CONFIG_FILE", path("support/webserver_config.py"));
        set("AIRFLOW__FAB__CONFIG_FILE", path("support/webserver_config.py"));
        set("AIRFLOW__WEBSERVER__ENABLE_PROXY_FIX", "True".to_owned());
        let session = "airflow.providers.fab.auth_manager.api.auth.backend.session";
        set("AIRFLOW__API__AUTH_BACKENDS", session.to_owned());
        set("STANDIN_PROXY_SECRET", proxy_secret(target));
    } else {
        set("AIRFLOW__CORE__EXECUTOR", "LocalExecutor".to_owned());
        let manager = "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager";
        set("AIRFLOW__CORE__AUTH_MANAGER", manager.to_owned());
        set("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", format!("{web}/execution/"));
        set("AIRFLOW__API_AUTH__JWT_SECRET", jwt_secret(target));
        set("AIRFLOW__API__SECRET_KEY", URL_SAFE_NO_PAD.encode(key(target, "sessions")));
        set("AIRFLOW__API__HOST", "127.0.0.1".to_owned());
        set("AIRFLOW__API__PORT", ports.web.to_string());
        set("AIRFLOW__API__WORKERS", "1".to_owned());
    }
    set("HOME", folder.to_string_lossy().into_owned());
    let site = given.site.as_ref().map(|site| format!("{}:", site.display()));
    set("PYTHONPATH", format!("{}{}", site.unwrap_or_default(), path("support")));
    set("PYTHONUNBUFFERED", "1".to_owned());
    set("AWS_ENDPOINT_URL", endpoint.to_owned());
    set("AWS_REGION", target.region.clone());
    set("AWS_DEFAULT_REGION", target.region.clone());
    set("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned());
    let digits: String = target.version().chars().filter(char::is_ascii_digit).collect();
    set("AWS_EXECUTION_ENV", format!("Amazon_MWAA_{digits}"));
    set("AIRFLOW_ENV_NAME", target.name().to_owned());
    set("AIRFLOW_VERSION", target.version().to_owned());
    set("MWAA_AIRFLOW_COMPONENT", component.to_owned());
    set("MWAA_COMMAND", component.to_owned());
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Environment;

    fn target(version: &str, options: &[(&str, &str)]) -> Target {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Target {
            partition: "aws".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            id: "1".into(),
            secret: "secret".into(),
            environment: Environment {
                name: Some("birds".into()),
                airflow_version: Some(version.into()),
                airflow_configuration_options: Some(options.collect()),
                ..Environment::default()
            },
            contents: crate::runtime::Contents::default(),
            pace_ms: 0,
            now: standin_model::Timestamp::default(),
            dice: standin_core::Dice::new(1),
        }
    }

    fn check((version, database): (&str, &str), options: &[(&str, &str)], expect: &[(&str, Option<&str>)]) {
        let around = Around {
            folder: Path::new("/e"),
            bin: Path::new("/v/bin"),
            ports: Ports { web: 1, worker_logs: 2, trigger_logs: 3 },
            endpoint: "http://127.0.0.1:4566",
            database: Some(&Database { url: database.to_owned() }),
            given: &Given::default(),
        };
        let variables = variables(&target(version, options), &around, "scheduler");
        for (name, value) in expect {
            assert_eq!(variables.get(*name).map(String::as_str), *value, "{name}");
        }
    }

    #[test]
    fn options_become_variables_but_not_the_essential_ones() {
        let options = [
            ("core.parallelism", "9"),
            ("foo.user", "me"),
            ("core.executor", "Other"),
            ("a.b.c", "x"),
            ("nosection", "y"),
        ];
        check(
            ("3.0.6", "sqlite:///a.db"),
            &options,
            &[
                ("AIRFLOW__CORE__PARALLELISM", Some("9")),
                ("AIRFLOW__FOO__USER", Some("me")),
                ("AIRFLOW__CORE__EXECUTOR", Some("LocalExecutor")),
                ("AIRFLOW__A__B_C", Some("x")),
                ("AIRFLOW__API__PORT", Some("1")),
                ("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", Some("http://127.0.0.1:1/execution/")),
                ("AWS_ACCESS_KEY_ID", Some("111122223333")),
                ("AIRFLOW__WEBSERVER__WORKERS", None),
            ],
        );
        let executor = "AIRFLOW__CORE__EXECUTOR";
        let (processor, api) = ("AIRFLOW__SCHEDULER__STANDALONE_DAG_PROCESSOR", ("AIRFLOW__API__PORT", None));
        let degraded = [(executor, Some("SequentialExecutor")), (processor, Some("False")), api];
        check(("2.10.3", "sqlite:///a.db"), &[], &degraded);
        let whole = [(executor, Some("LocalExecutor")), (processor, Some("True")), api];
        check(("2.10.3", "postgresql+psycopg2://a@h/b"), &[], &whole);
    }

    #[test]
    fn as_many_tasks_run_as_the_class_and_the_machine_allow() {
        let of = |class: &str, workers| {
            let mut target = target("3.0.6", &[]);
            target.environment.environment_class = Some(class.to_owned());
            target.environment.max_workers = Some(workers);
            parallelism(&target)
        };
        assert_eq!(of("mw1.micro", 1), 3);
        assert!(of("mw1.2xlarge", 25) >= TASKS_LEAST && of("mw1.2xlarge", 25) < 2000);
        assert_eq!(of("mw1.small", 25), of("mw1.2xlarge", 25), "the machine is the bound of both");
    }

    fn check_given(process: &str, class: &str, expect: &[(&str, Option<&str>)]) {
        let exports = |component: &'static str, exports: &[(&str, &str)]| {
            let exports = exports.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            (component, exports.collect())
        };
        let given = Given {
            exports: BTreeMap::from([
                exports("hybrid", &[("WHERE", "hybrid")]),
                exports("scheduler", &[("WHERE", "scheduler"), ("ONLY", "scheduler")]),
                exports(
                    "worker",
                    &[
                        ("WHERE", "worker"),
                        ("AIRFLOW__CORE__EXECUTOR", "Other"),
                        ("AIRFLOW__CORE__PARALLELISM", "7"),
                        ("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", "1"),
                    ],
                ),
                exports("webserver", &[("WHERE", "webserver"), ("PATH", "/mine")]),
            ]),
            site: Some("/sites/1".into()),
            credentials: Some(Credentials {
                access_key_id: "LSIA".into(),
                secret_access_key: "s".into(),
                session_token: "t".into(),
            }),
        };
        let around = Around {
            folder: Path::new("/e"),
            bin: Path::new("/v/bin"),
            ports: Ports { web: 1, worker_logs: 2, trigger_logs: 3 },
            endpoint: "http://127.0.0.1:4566",
            database: None,
            given: &given,
        };
        let mut target = target("3.0.6", &[("core.parallelism", "9")]);
        target.environment.environment_class = Some(class.into());
        let variables = variables(&target, &around, process);
        for (name, value) in expect {
            assert_eq!(variables.get(*name).map(String::as_str), *value, "{process} {class} {name}");
        }
    }

    #[test]
    fn exports_win_over_defaults_and_lose_against_options() {
        check_given(
            "scheduler",
            "mw1.small",
            &[
                ("WHERE", Some("worker")),
                ("ONLY", Some("scheduler")),
                ("AIRFLOW__CORE__EXECUTOR", Some("LocalExecutor")),
                ("AIRFLOW__CORE__PARALLELISM", Some("9")),
                ("AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT", Some("1")),
                ("MWAA_AIRFLOW_COMPONENT", Some("scheduler")),
                ("PYTHONPATH", Some("/sites/1:/e/support")),
                ("AWS_ACCESS_KEY_ID", Some("LSIA")),
                ("AWS_SESSION_TOKEN", Some("t")),
                ("AWS_EXECUTION_ENV", Some("Amazon_MWAA_306")),
            ],
        );
        check_given("webserver", "mw1.small", &[("WHERE", Some("webserver")), ("PATH", Some("/mine")), ("ONLY", None)]);
        check_given(
            "triggerer",
            "mw1.micro",
            &[("WHERE", Some("hybrid")), ("MWAA_COMMAND", Some("hybrid")), ("ONLY", None)],
        );
    }

    #[test]
    fn protected_names_and_beginnings() {
        for (name, protected) in [("AIRFLOW_HOME", true), ("ECS_AGENT", true), ("MWAA__X", true), ("MWAA_X", false)] {
            assert_eq!(is_protected(name), protected, "{name}");
        }
    }

    #[test]
    fn keys_differ_by_purpose_and_environment() {
        let one = target("3.0.6", &[]);
        let other = Target { secret: "another".into(), ..one.clone() };
        assert_ne!(key(&one, "a"), key(&one, "b"));
        assert_ne!(key(&one, "a"), key(&other, "a"));
        assert!(jwt_secret(&one).len() >= 64);
    }
}
