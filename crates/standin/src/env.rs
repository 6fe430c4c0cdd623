//! Every environment variable that standin reads or sets, each as one documented constant.

use std::ffi::OsString;

/// Reads one variable; a parameter wherever variables are read, so that tests bring their own.
pub type Get<'g> = &'g dyn Fn(&str) -> Option<OsString>;

/// A variable of [`Get`] as text; unset, empty and non-UTF-8 ones are `None`.
pub fn text(get: Get<'_>, name: &str) -> Option<String> {
    get(name)?.into_string().ok().filter(|value| !value.trim().is_empty())
}

/// The variables of this process.
pub fn process(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

macro_rules! variables {
    ($list:ident: $($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+ pub const $name: &str = $text;)+

        /// Names and descriptions, for the reference.
        pub const $list: &[(&str, &str)] = &[$(($text, concat!($($doc,)+))),+];
    };
}

variables! { STANDIN:
    /// `--config`
    CONFIG = "STANDIN_CONFIG";
    /// `--listen`; several, separated by commas
    LISTEN = "STANDIN_LISTEN";
    /// `--data-dir`
    DATA_DIR = "STANDIN_DATA_DIR";
    /// `--database`
    DATABASE = "STANDIN_DATABASE";
    /// `--s3`
    S3 = "STANDIN_S3";
    /// `--ephemeral`
    EPHEMERAL = "STANDIN_EPHEMERAL";
    /// `--durability`
    DURABILITY = "STANDIN_DURABILITY";
    /// `--load`; several, separated by commas
    LOAD = "STANDIN_LOAD";
    /// `--init`
    INIT = "STANDIN_INIT";
    /// `--seed`
    SEED = "STANDIN_SEED";
    /// `--account`
    ACCOUNT = "STANDIN_ACCOUNT";
    /// `--region`
    REGION = "STANDIN_REGION";
    /// `--model`; several, separated by commas
    MODEL = "STANDIN_MODEL";
    /// `--services`; several, separated by commas
    SERVICES = "STANDIN_SERVICES";
    /// `--overlay`; several, separated by commas
    OVERLAY = "STANDIN_OVERLAY";
    /// `--stateless`; several services, separated by commas
    STATELESS = "STANDIN_STATELESS";
    /// `--transitions`; several, separated by commas
    TRANSITIONS = "STANDIN_TRANSITIONS";
    /// `--faults`
    FAULTS = "STANDIN_FAULTS";
    /// `--incident`; several, separated by commas
    INCIDENT = "STANDIN_INCIDENT";
    /// `--mockoon`; several, separated by commas
    MOCKOON = "STANDIN_MOCKOON";
    /// `--proton`
    PROTON = "STANDIN_PROTON";
    /// `--mwaa-runtime`
    MWAA_RUNTIME = "STANDIN_MWAA_RUNTIME";
    /// `--mwaa`
    MWAA = "STANDIN_MWAA";
    /// `--record`
    RECORD = "STANDIN_RECORD";
    /// `--upstream`
    UPSTREAM = "STANDIN_UPSTREAM";
    /// `--record-services`; several, separated by commas
    RECORD_SERVICES = "STANDIN_RECORD_SERVICES";
    /// `--replay`
    REPLAY = "STANDIN_REPLAY";
    /// `--replay-match`
    REPLAY_MATCH = "STANDIN_REPLAY_MATCH";
    /// `--responses`
    RESPONSES = "STANDIN_RESPONSES";
    /// `--clock`
    CLOCK = "STANDIN_CLOCK";
    /// `--validation`
    VALIDATION = "STANDIN_VALIDATION";
    /// `--strict`
    STRICT = "STANDIN_STRICT";
    /// `--no-fidelity-header`
    NO_FIDELITY_HEADER = "STANDIN_NO_FIDELITY_HEADER";
    /// `--journal-size`
    JOURNAL_SIZE = "STANDIN_JOURNAL_SIZE";
    /// `--cors-origin`; several, separated by commas
    CORS_ORIGIN = "STANDIN_CORS_ORIGIN";
    /// `--allow-host`; several, separated by commas
    ALLOW_HOST = "STANDIN_ALLOW_HOST";
    /// `--proxy-policy`
    PROXY_POLICY = "STANDIN_PROXY_POLICY";
    /// `--limits`; several, separated by commas
    LIMITS = "STANDIN_LIMITS";
    /// `--log`
    LOG = "STANDIN_LOG";
    /// `--log-format`
    LOG_FORMAT = "STANDIN_LOG_FORMAT";
    /// `--quiet`
    QUIET = "STANDIN_QUIET";
    /// What credentials are sealed by: 32 bytes in base64; of several, separated by commas, the first seals [default: `secret.key` in the data directory]
    SECRET_KEY = "STANDIN_SECRET_KEY";
}

variables! { LOCALSTACK:
    /// Addresses to listen on, as `--listen`: `0.0.0.0:4566`, `:4566`; several, separated by commas
    GATEWAY_LISTEN = "GATEWAY_LISTEN";
    /// The port to listen on, where `GATEWAY_LISTEN` is not set
    GATEWAY_PORT = "GATEWAY_PORT";
    /// The older name of `GATEWAY_PORT`
    EDGE_PORT = "EDGE_PORT";
    /// A host name by which clients reach this server: allowed in the `Host` header, as by `--allow-host`
    LOCALSTACK_HOST = "LOCALSTACK_HOST";
    /// Serve these services only, as `--services`; ports after a colon are ignored
    LOCALSTACK_SERVICES = "SERVICES";
    /// `0` makes `SERVICES` a mere wish, which standin need not heed: everything is served anyhow
    STRICT_SERVICE_LOADING = "STRICT_SERVICE_LOADING";
    /// `1` keeps state in the default data directory, where `--data-dir` names none
    PERSISTENCE = "PERSISTENCE";
    /// Origins that may call from a browser, as `--cors-origin`
    EXTRA_CORS_ALLOWED_ORIGINS = "EXTRA_CORS_ALLOWED_ORIGINS";
    /// `1` logs at level `debug`
    DEBUG = "DEBUG";
    /// The log level, as `--log`
    LS_LOG = "LS_LOG";
}

variables! { MOCKOON_CLI:
    /// What the admin API of `standin mockoon` asks for, as `--admin-api-token`
    MOCKOON_ADMIN_API_TOKEN = "MOCKOON_ADMIN_API_TOKEN";
    /// Web pages that may use it, as `--admin-api-cors-origin`
    MOCKOON_ADMIN_API_CORS_ORIGIN = "MOCKOON_ADMIN_API_CORS_ORIGIN";
}

variables! { DOCKER:
    /// The engine that `docker` talks to
    DOCKER_HOST = "DOCKER_HOST";
    /// One of the engines that `docker context` knows
    DOCKER_CONTEXT = "DOCKER_CONTEXT";
    /// The folder of its configuration
    DOCKER_CONFIG = "DOCKER_CONFIG";
    /// Whether the engine's certificate is checked
    DOCKER_TLS_VERIFY = "DOCKER_TLS_VERIFY";
    /// The folder of certificates
    DOCKER_CERT_PATH = "DOCKER_CERT_PATH";
    /// Where the socket of an engine without root is
    XDG_RUNTIME_DIR = "XDG_RUNTIME_DIR";
}

variables! { GIT:
    /// The certificates that git trusts
    GIT_SSL_CAINFO = "GIT_SSL_CAINFO";
    /// The agent whose keys SSH may use
    SSH_AUTH_SOCK = "SSH_AUTH_SOCK";
    /// Where git connects to by way of
    ALL_PROXY = "ALL_PROXY";
    /// … for HTTP alone
    LOWER_HTTP_PROXY = "http_proxy";
}

variables! { AWS:
    /// Where every SDK and `standin call` send requests
    AWS_ENDPOINT_URL = "AWS_ENDPOINT_URL";
    /// `true` makes SDKs ignore endpoints from the configuration
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS";
    /// Who signs; twelve digits name the account
    AWS_ACCESS_KEY_ID = "AWS_ACCESS_KEY_ID";
    /// What is signed with
    AWS_SECRET_ACCESS_KEY = "AWS_SECRET_ACCESS_KEY";
    /// The token of temporary credentials
    AWS_SESSION_TOKEN = "AWS_SESSION_TOKEN";
    /// A named profile, which may bring real credentials
    AWS_PROFILE = "AWS_PROFILE";
    /// The file with settings of profiles [default: ~/.aws/config]
    AWS_CONFIG_FILE = "AWS_CONFIG_FILE";
    /// The file with keys of profiles [default: ~/.aws/credentials]
    AWS_SHARED_CREDENTIALS_FILE = "AWS_SHARED_CREDENTIALS_FILE";
    /// The region, in most SDKs
    AWS_REGION = "AWS_REGION";
    /// The region, in boto3 and the AWS CLI
    AWS_DEFAULT_REGION = "AWS_DEFAULT_REGION";
    /// `true` keeps boto3 and the AWS CLI from putting `api.` and the like before the endpoint's host
    AWS_DISABLE_HOST_PREFIX_INJECTION = "AWS_DISABLE_HOST_PREFIX_INJECTION";
    /// `true` keeps SDKs from asking the instance metadata service for credentials
    AWS_EC2_METADATA_DISABLED = "AWS_EC2_METADATA_DISABLED";
    /// Certificates that boto3, the AWS CLI and `standin call` trust
    AWS_CA_BUNDLE = "AWS_CA_BUNDLE";
}

/// Certificates that Python's requests trusts.
pub const REQUESTS_CA_BUNDLE: &str = "REQUESTS_CA_BUNDLE";
/// Certificates that OpenSSL, Go and many others trust.
pub const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// Certificates that curl trusts.
pub const CURL_CA_BUNDLE: &str = "CURL_CA_BUNDLE";
/// Certificates that Node.js trusts besides its own.
pub const NODE_EXTRA_CA_CERTS: &str = "NODE_EXTRA_CA_CERTS";
/// `1` makes Node.js obey the proxy variables.
pub const NODE_USE_ENV_PROXY: &str = "NODE_USE_ENV_PROXY";
/// The proxy for `http:` URLs; also read in lower case, and by curl in lower case only.
pub const HTTP_PROXY: &str = "HTTP_PROXY";
/// The proxy for `https:` URLs.
pub const HTTPS_PROXY: &str = "HTTPS_PROXY";
/// Hosts that need no proxy.
pub const NO_PROXY: &str = "NO_PROXY";

/// Set to anything: no colours (no-color.org).
pub const NO_COLOR: &str = "NO_COLOR";
/// What the terminal is; `dumb` ones can neither colour nor redraw.
pub const TERM: &str = "TERM";
/// The user's shell, a path.
pub const SHELL: &str = "SHELL";
/// The user's folder.
pub const HOME: &str = "HOME";
/// Where programs keep data (XDG Base Directory Specification).
pub const XDG_DATA_HOME: &str = "XDG_DATA_HOME";
/// Where programs keep what they can get again (XDG Base Directory Specification).
pub const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";
/// Where programs keep data on Windows.
pub const LOCALAPPDATA: &str = "LOCALAPPDATA";
