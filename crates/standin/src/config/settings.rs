//! The settings of a server: one definition for flags, `STANDIN_…` variables and the keys of `standin.toml`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use serde::{Deserialize, Deserializer};
use standin_core::parse_duration;
use standin_faults::{Preset, Rule, presets};
use standin_model::Timestamp;

use super::{MockoonSetting, MwaaRuntime, MwaaSetting, ProtonSetting};
use crate::env;

/// The port that every peer listens on.
pub const DEFAULT_PORT: u16 = 4566;

/// One layer of settings; what is `None` is left to the layer below. The file's keys are the flags' names.
#[derive(Args, Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[command(next_help_heading = "Server")]
pub struct Settings {
    /// Listen on this address: HOST:PORT, :PORT or PORT [default: 127.0.0.1:4566]
    ///
    /// HTTP and HTTPS share the port. Port 0 takes a free one. May be given several times.
    #[arg(long, value_name = "ADDRESS", env = env::LISTEN, value_delimiter = ',')]
    #[serde(default, deserialize_with = "from_texts")]
    pub listen: Option<Vec<Listen>>,

    /// Keep everything here: state, the bytes of objects, the certificate authority [default: in memory]
    ///
    /// State is one SQLite file. One server at a time uses a directory.
    #[arg(long, value_name = "DIR", env = env::DATA_DIR, help_heading = "State")]
    pub data_dir: Option<PathBuf>,

    /// Keep state in a PostgreSQL database, as postgres://USER:PASSWORD@HOST:PORT/DATABASE
    ///
    /// Several servers may share it. The bytes of objects stay in the data directory.
    #[arg(long, value_name = "URL", env = env::DATABASE, help_heading = "State")]
    pub database: Option<String>,

    /// Pass calls of S3 on to an S3-compatible store, as https://ACCESS_KEY:SECRET_KEY@HOST:PORT
    ///
    /// Its buckets are those of all accounts. `?region=REGION` signs for that region instead of the caller's.
    #[arg(long, value_name = "URL", env = env::S3, help_heading = "State")]
    pub s3: Option<String>,

    /// Keep state in memory, whatever else is said of where it is kept: it is gone when the server ends
    #[arg(long, value_name = "BOOL", env = env::EPHEMERAL, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), help_heading = "State")]
    pub ephemeral: Option<bool>,

    /// Begin with this saved state, added to what is there; several, separated by commas
    ///
    /// `standin state save` writes one.
    #[arg(long, value_name = "FILE", env = env::LOAD, value_delimiter = ',', help_heading = "State")]
    pub load: Option<Vec<PathBuf>>,

    /// Run the scripts and seed files of this folder before the server is ready
    ///
    /// In the order of their names. The first that fails ends the server with exit code 1.
    #[arg(long, value_name = "DIR", env = env::INIT, help_heading = "State")]
    pub init: Option<PathBuf>,

    /// What an answer waits for where state is in SQLite [default: normal]
    #[arg(long, value_name = "LEVEL", env = env::DURABILITY, help_heading = "State")]
    pub durability: Option<Durability>,

    /// Seed everything that looks random [default: 0]
    ///
    /// The same seed and the same requests give the same answers.
    #[arg(long, value_name = "NUMBER", env = env::SEED)]
    pub seed: Option<u64>,

    /// The account of callers whose access key names none [default: 000000000000]
    ///
    /// An access key of twelve digits is the account's number.
    #[arg(long, value_name = "12-DIGITS", env = env::ACCOUNT)]
    #[serde(default, deserialize_with = "from_text")]
    pub account: Option<Account>,

    /// The region of requests that name none [default: us-east-1]
    #[arg(long, value_name = "REGION", env = env::REGION)]
    pub region: Option<String>,

    /// Serve the API of this model too: a Smithy JSON AST or a botocore service-2.json
    ///
    /// It replaces an API of the same id. May be given several times.
    #[arg(long, value_name = "FILE", env = env::MODEL, value_delimiter = ',')]
    pub model: Option<Vec<PathBuf>>,

    /// Serve these services only; several, separated by commas [default: all]
    #[arg(long, value_name = "LIST", env = env::SERVICES, value_delimiter = ',')]
    pub services: Option<Vec<String>>,

    /// Correct what is inferred of a service's resources with this overlay
    ///
    /// docs/how-to/write-an-overlay.md tells the format. May be given several times.
    #[arg(long, value_name = "FILE", env = env::OVERLAY, value_delimiter = ',')]
    pub overlay: Option<Vec<PathBuf>>,

    /// Remember nothing: every read answers with a made-up resource [default: what is created lives]
    ///
    /// For all services, or for those that are named; several, separated by commas.
    #[arg(long, value_name = "LIST", env = env::STATELESS, num_args = 0..=1, require_equals = true,
        default_missing_value = "all", value_delimiter = ',')]
    pub stateless: Option<Vec<String>>,

    /// How long resources show a transitional status such as CREATING [default: instant]
    ///
    /// For all services (2s), or for some (mwaa=20s,rds=1m). A table in the file, where `all` stands for all.
    #[arg(long, value_name = "DURATION", env = env::TRANSITIONS, value_delimiter = ',', help_heading = "Time")]
    #[serde(default, deserialize_with = "transitions_from_table")]
    pub transitions: Option<Vec<Transition>>,

    /// Stand still at this time, as in 2026-01-01T00:00:00Z [default: the system's time]
    ///
    /// `standin clock` moves it.
    #[arg(long, value_name = "TIME", env = env::CLOCK, help_heading = "Time")]
    #[serde(default, deserialize_with = "from_text")]
    pub clock: Option<FrozenTime>,

    /// Make things go wrong: a preset such as flaky, or a rule as JSON
    ///
    /// May be given several times; tables `[[faults]]` in the file. `standin faults` changes the rules of a running server
    /// and lists the presets.
    #[arg(long, value_name = "PRESET|RULE", env = env::FAULTS, help_heading = "Faults")]
    pub faults: Option<Vec<FaultSetting>>,

    /// Set an incident going when the server starts: one that ships, or a file
    ///
    /// May be given several times. `standin incident` lists those that ship, and tells which phase is on.
    #[arg(long, value_name = "NAME|FILE", env = env::INCIDENT, value_delimiter = ',', help_heading = "Faults")]
    pub incident: Option<Vec<String>>,

    /// Serve this environment file of Mockoon, or OpenAPI document, too, on a port of its own
    ///
    /// May be given several times; tables `[[mockoon]]` in the file say more of each. See `standin mockoon`.
    #[arg(long, value_name = "FILE", env = env::MOCKOON, value_delimiter = ',')]
    pub mockoon: Option<Vec<MockoonSetting>>,

    /// Set something of Proton: a quota, who is told of events, what provisions, as in quotas.services=10000
    ///
    /// A line of the file's table `[proton]`. May be given several times. docs/configuration.md lists what there is.
    #[arg(long, value_name = "NAME=VALUE", env = env::PROTON)]
    #[serde(default, deserialize_with = "proton_from_table")]
    pub proton: Option<Vec<ProtonSetting>>,

    /// What runs the Airflow of MWAA's environments that do not say so by their tag standin:runtime [default: simulated]
    ///
    /// Also a line of the file's table `[mwaa]`: `runtime = "local"`.
    #[arg(long, value_name = "RUNTIME", env = env::MWAA_RUNTIME)]
    pub mwaa_runtime: Option<MwaaRuntime>,

    /// Set something of MWAA, as in installations=/var/cache/airflow
    ///
    /// A line of the file's table `[mwaa]`. May be given several times. docs/configuration.md lists what there is.
    #[arg(long, value_name = "NAME=VALUE", env = env::MWAA)]
    #[serde(default, deserialize_with = "mwaa_from_table")]
    pub mwaa: Option<Vec<MwaaSetting>>,

    /// Answer some calls as the files of this folder say
    ///
    /// SERVICE/OPERATION….yaml; changes count at once. Tables `[[responses]]` in the standin.toml.
    /// docs/how-to/script-answers.md tells the format.
    #[arg(long, value_name = "DIR", env = env::RESPONSES, help_heading = "Script")]
    #[serde(default, deserialize_with = "responses_from_tables")]
    pub responses: Option<Vec<ResponseSetting>>,

    /// Pass calls on to --upstream, and write what comes of each into this folder, without secrets
    ///
    /// docs/how-to/record-and-replay.md tells more.
    #[arg(long, value_name = "DIR", env = env::RECORD, help_heading = "Script")]
    pub record: Option<PathBuf>,

    /// What is recorded: `aws`, or another stand-in as http://HOST:PORT
    ///
    /// Calls are signed with your own keys: those of the environment, else of the AWS CLI's profiles.
    #[arg(long, value_name = "aws|URL", env = env::UPSTREAM, help_heading = "Script")]
    pub upstream: Option<String>,

    /// Record these services only, as in s3,dynamo*; the others are answered here [default: all]
    #[arg(long, value_name = "LIST", env = env::RECORD_SERVICES, value_delimiter = ',', help_heading = "Script")]
    pub record_services: Option<Vec<String>>,

    /// Answer from this recording what is in it
    #[arg(long, value_name = "DIR", env = env::REPLAY, help_heading = "Script")]
    pub replay: Option<PathBuf>,

    /// How like a recorded call has to be [default: strict]
    #[arg(long, value_name = "LEVEL", env = env::REPLAY_MATCH, help_heading = "Script")]
    pub replay_match: Option<ReplayMatch>,

    /// How much of an input is checked against the model [default: strict]
    #[arg(long, value_name = "LEVEL", env = env::VALIDATION)]
    pub validation: Option<Validation>,

    /// Refuse answers of a lower fidelity than this
    #[arg(long, value_name = "LEVEL", env = env::STRICT)]
    pub strict: Option<Fidelity>,

    /// Leave out the header x-standin-fidelity
    #[arg(long, value_name = "BOOL", env = env::NO_FIDELITY_HEADER, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub no_fidelity_header: Option<bool>,

    /// Remember this many requests for /_standin/requests [default: 1000]
    #[arg(long, value_name = "NUMBER", env = env::JOURNAL_SIZE)]
    pub journal_size: Option<usize>,

    /// Let web pages of this origin call AWS APIs, besides those of localhost
    ///
    /// `*` lets all call, `none` forbids those of localhost. May be given several times.
    #[arg(long, value_name = "ORIGIN", env = env::CORS_ORIGIN, value_delimiter = ',', help_heading = "Access")]
    pub cors_origin: Option<Vec<String>>,

    /// Accept this name in the Host header, besides local and AWS ones; `*` for any
    ///
    /// Keeps web pages from reaching the server through a name of theirs (DNS rebinding).
    #[arg(long, value_name = "HOST", env = env::ALLOW_HOST, value_delimiter = ',', help_heading = "Access")]
    pub allow_host: Option<Vec<String>>,

    /// What a forward proxy does: programs may use the server as one, also on the same port [default: answer-aws]
    #[arg(long, value_name = "POLICY", env = env::PROXY_POLICY, help_heading = "Access")]
    pub proxy_policy: Option<ProxyPolicy>,

    /// Set a limit, as in body_buffered_bytes_max=1000000; several, separated by commas
    ///
    /// `[limits]` in the file. docs/configuration.md lists them.
    #[arg(long, value_name = "NAME=NUMBER", env = env::LIMITS, value_delimiter = ',', help_heading = "Access")]
    #[serde(default, deserialize_with = "limits_from_table")]
    pub limits: Option<Vec<Limit>>,

    /// Log at this level, or by a filter such as `warn,standin_server=debug` [default: warn]
    #[arg(long, value_name = "FILTER", env = env::LOG, help_heading = "Output")]
    pub log: Option<String>,

    /// How log lines are written to standard error [default: text]
    #[arg(long, value_name = "FORMAT", env = env::LOG_FORMAT, help_heading = "Output")]
    pub log_format: Option<LogFormat>,

    /// Print nothing but the line `Ready.`
    #[arg(long, short, value_name = "BOOL", env = env::QUIET, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), help_heading = "Output")]
    pub quiet: Option<bool>,
}

impl Settings {
    /// Fills what this layer leaves open from the layer below.
    #[must_use]
    pub fn or(self, below: Self) -> Self {
        let limits = match (self.limits, below.limits) {
            // The last of a name counts.
            (Some(above), Some(below)) => Some(below.into_iter().chain(above).collect()),
            (above, below) => above.or(below),
        };
        let transitions = match (self.transitions, below.transitions) {
            (Some(above), Some(below)) => Some(below.into_iter().chain(above).collect()),
            (above, below) => above.or(below),
        };
        let responses = match (self.responses, below.responses) {
            // A folder does not put out what the file says.
            (Some(above), Some(below)) => Some(below.into_iter().chain(above).collect()),
            (above, below) => above.or(below),
        };
        let proton = match (self.proton, below.proton) {
            (Some(above), Some(below)) => Some(below.into_iter().chain(above).collect()),
            (above, below) => above.or(below),
        };
        let mwaa = match (self.mwaa, below.mwaa) {
            (Some(above), Some(below)) => Some(below.into_iter().chain(above).collect()),
            (above, below) => above.or(below),
        };
        macro_rules! layered {
            ($($field:ident),+ $(,)?) => { Self { limits, transitions, responses, proton, mwaa, $($field: self.$field.or(below.$field)),+ } };
        }
        layered!(
            listen,
            data_dir,
            database,
            s3,
            ephemeral,
            durability,
            load,
            init,
            clock,
            faults,
            incident,
            record,
            upstream,
            record_services,
            replay,
            replay_match,
            mockoon,
            mwaa_runtime,
            seed,
            account,
            region,
            model,
            services,
            overlay,
            stateless,
            validation,
            strict,
            no_fidelity_header,
            journal_size,
            cors_origin,
            allow_host,
            proxy_policy,
            log,
            log_format,
            quiet,
        )
    }

    /// The names of all settings: long flags, and keys of the file.
    pub fn names() -> Vec<String> {
        Self::augment_args(clap::Command::new("settings"))
            .get_arguments()
            .filter_map(|argument| argument.get_long().map(str::to_owned))
            .collect()
    }
}

/// Rules of a preset, or one of one's own.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum FaultSetting {
    Preset(String),
    Rule(Box<Rule>),
}

impl FromStr for FaultSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim_start().starts_with('{') {
            return serde_json::from_str(text).map(Self::Rule).map_err(|error| error.to_string());
        }
        match Preset::find(text) {
            Some(preset) => Ok(Self::Preset(preset.name.to_owned())),
            None => {
                let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
                Err(format!("there is no preset {text:?}; there are {}", names.join(", ")))
            }
        }
    }
}

/// A folder of response rules, or one rule.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseSetting {
    Folder(PathBuf),
    Rule(serde_json::Value),
}

impl FromStr for ResponseSetting {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::Folder(text.into()))
    }
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let port = |digits: &str| digits.parse::<u16>().map_err(|_| format!("{digits:?} is no port"));
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self(address));
        }
        if let Ok(host) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Ok(Self(SocketAddr::new(host, DEFAULT_PORT)));
        }
        let (host, digits) = text.rsplit_once(':').unwrap_or(match text.bytes().all(|b| b.is_ascii_digit()) {
            true => ("", text),
            false => (text, "4566"),
        });
        match host {
            "" | "localhost" => Ok(Self(SocketAddr::new(loopback, port(digits)?))),
            _ => Err(format!("{host:?} is no IP address; to listen on all of them, use 0.0.0.0 or [::]")),
        }
    }
}

/// Twelve digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account(pub String);

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("an account has twelve digits".to_owned())
        }
    }
}

/// What an answer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// For the operating system: survives the end of the process
    Normal,
    /// For the disk: survives a loss of power
    Full,
}

/// How long the transitions of a service take, or of all services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub service: Option<String>,
    pub duration: Duration,
}

impl FromStr for Transition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (service, duration) = match text.split_once('=') {
            Some(("all", duration)) => (None, duration),
            Some((service, duration)) => (Some(service.trim().to_owned()), duration),
            None => (None, text),
        };
        Ok(Self { service, duration: parse_duration(duration.trim())? })
    }
}

/// A time to stand still at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrozenTime(pub Timestamp);

impl FromStr for FrozenTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = Timestamp::parse_date_time(text);
        time.map(Self).ok_or_else(|| format!("{text:?} is no time such as 2026-01-01T00:00:00Z"))
    }
}

/// How much of an input is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// Every constraint, as AWS does
    Strict,
    /// Required members only
    Lenient,
    /// Nothing
    Off,
}

/// How like a recorded call has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReplayMatch {
    /// The same operation and input
    Strict,
    /// The same operation, and the input that is most like
    Nearest,
}

/// How true an answer has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fidelity {
    /// Made up from the model
    Synthesized,
    /// Read from what earlier calls stored
    Stateful,
    /// Worked out by code that knows the service
    Engine,
}

/// What happens to requests that use the server as a forward proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyPolicy {
    /// Answer AWS hosts, refuse others
    AnswerAws,
    /// Answer AWS hosts, pass others on to the network
    PassOthers,
    /// No proxy
    Off,
}

/// One limit of the server, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    pub name: String,
    pub value: u64,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("a limit is set as NAME=NUMBER")?;
        let value = value.replace('_', "").parse().map_err(|_| format!("{value:?} is no whole number"))?;
        Ok(Self { name: name.trim().replace('-', "_"), value })
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A text, or a number where the text may be one (`listen = 4566`).
#[derive(Deserialize)]
#[serde(untagged)]
enum Text {
    Text(String),
    Number(i64),
}

fn parsed<T: FromStr<Err = String>, E: serde::de::Error>(text: Text) -> Result<T, E> {
    let text = match text {
        Text::Text(text) => text,
        Text::Number(number) => number.to_string(),
    };
    text.parse().map_err(E::custom)
}

fn from_text<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(from: D) -> Result<Option<T>, D::Error> {
    parsed(Text::deserialize(from)?).map(Some)
}

fn from_texts<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(from: D) -> Result<Option<Vec<T>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Texts {
        Many(Vec<Text>),
        One(Text),
    }
    match Texts::deserialize(from)? {
        Texts::Many(texts) => texts.into_iter().map(parsed).collect::<Result<Vec<T>, _>>().map(Some),
        Texts::One(text) => Ok(Some(vec![parsed(text)?])),
    }
}

fn transitions_from_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Transition>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Durations {
        All(Text),
        Each(BTreeMap<String, Text>),
    }
    match Durations::deserialize(from)? {
        Durations::All(text) => Ok(Some(vec![parsed(text)?])),
        Durations::Each(table) => table
            .into_iter()
            .map(|(service, text)| {
                let Transition { duration, .. } = parsed(text)?;
                Ok(Transition { service: (service != "all").then_some(service), duration })
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Some),
    }
}

/// A folder, or a list of rules and folders.
fn responses_from_tables<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<ResponseSetting>>, D::Error> {
    use serde_json::Value;
    let one = |value: Value| match value {
        Value::String(folder) => Ok(ResponseSetting::Folder(folder.into())),
        Value::Object(_) => Ok(ResponseSetting::Rule(value)),
        _ => Err(serde::de::Error::custom("expected a folder or tables [[responses]]")),
    };
    match Value::deserialize(from)? {
        Value::Array(list) => list.into_iter().map(one).collect::<Result<Vec<_>, _>>().map(Some),
        other => Ok(Some(vec![one(other)?])),
    }
}

fn proton_from_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<ProtonSetting>>, D::Error> {
    Ok(Some(vec![ProtonSetting::deserialize(from)?]))
}

fn mwaa_from_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<MwaaSetting>>, D::Error> {
    Ok(Some(vec![MwaaSetting::deserialize(from)?]))
}

fn limits_from_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Limit>>, D::Error> {
    let table = BTreeMap::<String, u64>::deserialize(from)?;
    Ok(Some(table.into_iter().map(|(name, value)| Limit { name, value }).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_in_many_forms() {
        let check = |text: &str| text.parse::<Listen>().ok().map(|listen| listen.0.to_string());
        for (text, expect) in [
            ("127.0.0.1:4566", "127.0.0.1:4566"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            (":4567", "127.0.0.1:4567"),
            ("0", "127.0.0.1:0"),
            ("localhost:80", "127.0.0.1:80"),
            ("localhost", "127.0.0.1:4566"),
            ("10.0.0.1", "10.0.0.1:4566"),
            ("[::1]:4566", "[::1]:4566"),
            ("::1", "[::1]:4566"),
        ] {
            assert_eq!(check(text).as_deref(), Some(expect), "{text}");
        }
        for text in ["example.com:80", "127.0.0.1:99999", ":x", "70000"] {
            assert_eq!(check(text), None, "{text}");
        }
    }

    #[test]
    fn every_setting_is_a_flag_a_variable_and_a_key() {
        let command = Settings::augment_args(clap::Command::new("settings"));
        for argument in command.get_arguments() {
            let name = argument.get_long().expect("every setting has a long flag");
            let variable = argument.get_env().and_then(|name| name.to_str()).expect("every setting has a variable");
            assert_eq!(variable, format!("STANDIN_{}", name.to_uppercase().replace('-', "_")));
            assert!(env::STANDIN.iter().any(|(known, _)| *known == variable), "{variable}");
            // Whatever the value should be, the key is known.
            let error =
                toml::from_str::<Settings>(&format!("{name} = [[[]]]")).expect_err("no setting nests that deep");
            assert!(!error.to_string().contains("unknown field"), "{error}");
        }
    }

    #[test]
    fn the_upper_layer_wins() {
        let upper = Settings { seed: Some(1), ..Settings::default() };
        let lower = Settings { seed: Some(2), region: Some("eu-west-1".into()), ..Settings::default() };
        let both = upper.or(lower);
        let limits = |text: &str| Settings { limits: Some(vec![text.parse().unwrap()]), ..Settings::default() };
        let merged = limits("a=2").or(limits("a=1")).limits.unwrap();
        assert_eq!(merged.last(), Some(&Limit { name: "a".into(), value: 2 }));
        assert_eq!((both.seed, both.region.as_deref()), (Some(1), Some("eu-west-1")));
    }
}
