//! Environment files: reading them, starting their servers, and reading them again when they change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use jiff::tz::TimeZone;
use standin_core::Clock;
use standin_mockoon::{Environment, LoadError, Options, Server};
use standin_template::Random;
use tokio::task::JoinSet;

use super::log::Log;
use super::{Bound, Host};
use crate::client::{Connection, Endpoint, Trust};
use crate::config::MockoonSetting;
use crate::error::CommandError;

/// For environments that are fetched.
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);

/// The only language that made-up data comes in.
const LOCALE: &str = "en";

/// An environment file and what is said of it alone.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// A path, or a URL.
    pub place: String,
    pub port: Option<u16>,
    pub hostname: Option<String>,
    pub admin_token: Option<String>,
    pub public_base_url: Option<String>,
}

/// What is said of all environment files.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Folders, tokens and base URLs are those of the single files.
    pub options: Options,
    pub repair: bool,
    pub log_transactions: bool,
    pub faker_seed: Option<u64>,
    pub faker_locale: Option<String>,
    /// Says for all whether there is a proxy.
    pub proxy: Option<bool>,
    /// How often files are looked at for changes.
    pub watch: Option<Duration>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            options: Options { zone: TimeZone::system(), ..Options::default() },
            repair: false,
            log_transactions: false,
            faker_seed: None,
            faker_locale: None,
            proxy: None,
            watch: None,
        }
    }
}

impl Setup {
    /// The environment variables that templates may see.
    pub fn env_vars(prefix: &str) -> HashMap<String, String> {
        std::env::vars().filter(|(name, _)| name.starts_with(prefix)).collect()
    }

    /// Serves the environments that settings name.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_all(settings: &[MockoonSetting]) -> Result<JoinSet<()>, CommandError> {
        let mut serving = JoinSet::new();
        for setting in settings {
            let (file, setup) = setting.setup();
            let mut one = setup.start(&[file]).await?;
            // All end with the set.
            serving.spawn(async move { while one.join_next().await.is_some() {} });
        }
        Ok(serving)
    }

    /// Reads files and serves them in the tasks that it gives back. All ports are taken before it returns.
    ///
    /// # Errors
    /// When a file cannot be read, or what it asks for not be had.
    pub async fn start(&self, files: &[File]) -> Result<JoinSet<()>, CommandError> {
        let mut bound = Vec::with_capacity(files.len());
        for file in files {
            let environment = self.read(file).await?;
            bound.push(self.bind(file, environment).await?);
        }
        let mut serving = JoinSet::new();
        for (file, bound) in files.iter().zip(bound) {
            self.tell_start(file, &bound);
            let is_file = !is_url(&file.place);
            match self.watch.filter(|_| is_file) {
                None => drop(serving.spawn(bound.serve())),
                Some(interval) => drop(serving.spawn(self.clone().keep(file.clone(), bound, interval))),
            }
        }
        Ok(serving)
    }

    async fn bind(&self, file: &File, environment: Environment) -> Result<Bound, CommandError> {
        let folder = Path::new(&file.place).parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new(".")).to_owned();
        let options = Options {
            folder: folder.clone(),
            admin_token: file.admin_token.clone().unwrap_or_else(random_token),
            public_base_url: file.public_base_url.clone(),
            ..self.options.clone()
        };
        let log = Log::new(&environment, self.log_transactions);
        if self.options.admin_api && file.admin_token.is_none() {
            log.warn(&format!("Admin API token (auto-generated): {}", options.admin_token));
        }
        let random = self.faker_seed.map_or_else(Random::unseeded, Random::seeded);
        let server = Server::new(environment, options, Clock::real(), random);
        Bound::new(server, log, folder).await.map_err(|mut error| {
            error.error = error.error.context(format!("cannot serve {}", file.place));
            error
        })
    }

    fn tell_start(&self, file: &File, bound: &Bound) {
        bound.tell_start();
        if let Some(locale) = self.faker_locale.as_deref().filter(|locale| *locale != LOCALE) {
            let log = &bound.host().log;
            log.warn(&format!("made-up data is there in English only: the faker locale {locale} is not used"));
        }
        let _ = file;
    }

    /// The environment in a file, with what the command line says of it.
    async fn read(&self, file: &File) -> Result<Environment, CommandError> {
        let place = &file.place;
        let bytes = if is_url(place) { fetch(place).await } else { read(Path::new(place)) }?;
        let mut environment = Environment::load(&bytes, self.repair).map_err(|error| {
            let hint = match &error {
                LoadError::Json(_) | LoadError::Yaml(_) | LoadError::Nothing => {
                    "standin mockoon takes environment files of Mockoon (JSON) and OpenAPI documents (JSON or YAML)"
                }
                LoadError::TooOld { .. } => "standin mockoon --repair loads it as well as it can",
                LoadError::TooNew { .. } => "a newer standin may know that version",
                LoadError::OpenApi(_) => "an OpenAPI document has at least info and paths",
            };
            CommandError::usage(anyhow::Error::new(error).context(format!("cannot load {place}"))).hint(hint)
        })?;
        environment.port = file.port.unwrap_or(environment.port);
        if let Some(hostname) = &file.hostname {
            environment.hostname.clone_from(hostname);
        }
        environment.proxy_mode = self.proxy.unwrap_or(environment.proxy_mode);
        Ok(environment)
    }

    /// Serves a file, and serves it anew when it changes. One that cannot be read changes nothing.
    async fn keep(self, file: File, bound: Bound, interval: Duration) {
        let path = PathBuf::from(&file.place);
        let mut host = std::sync::Arc::clone(bound.host());
        let mut serving = JoinSet::new();
        serving.spawn(bound.serve());
        let mut seen = state(&path);
        loop {
            tokio::time::sleep(interval).await;
            let now = state(&path);
            if now == seen || now.is_none() {
                continue;
            }
            seen = now;
            let environment = match self.read(&file).await {
                Ok(environment) => environment,
                Err(error) => {
                    host.log
                        .error(&format!("Error while processing file change for {}: {:#}", file.place, error.error));
                    continue;
                }
            };
            match self.change(&file, &host, environment).await {
                Ok(None) => {}
                Ok(Some(bound)) => {
                    serving.shutdown().await;
                    host = std::sync::Arc::clone(bound.host());
                    bound.tell_start();
                    serving.spawn(bound.serve());
                }
                Err(error) => host.log.error(&format!("{:#}", error.error)),
            }
        }
    }

    /// Puts an environment in the place of the one that is served; `Some` where it needs another port or certificate.
    async fn change(&self, file: &File, host: &Host, environment: Environment) -> Result<Option<Bound>, CommandError> {
        let served = host.server.load_full();
        let before = served.environment();
        if (before.port, &before.hostname, &before.tls) == (environment.port, &environment.hostname, &environment.tls) {
            host.replace(served.following(environment).into());
            host.log.info(&format!("{} has changed and is served anew", file.place));
            host.tell_notes();
            return Ok(None);
        }
        if before.port == environment.port {
            return Err(CommandError::failure(anyhow::anyhow!(
                "{} has another address or certificate now: start standin again to use it",
                file.place
            )));
        }
        self.bind(file, environment).await.map(Some)
    }
}

/// When a file was last written, and its length.
fn state(path: &Path) -> Option<(SystemTime, u64)> {
    let about = std::fs::metadata(path).ok()?;
    Some((about.modified().ok()?, about.len()))
}

fn is_url(place: &str) -> bool {
    place.starts_with("http://") || place.starts_with("https://")
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path)
        .with_context(|| format!("cannot read {}", path.display()))
        .map_err(|error| CommandError::usage(error).hint("files are named relative to the current folder"))
}

async fn fetch(url: &str) -> Result<Vec<u8>, CommandError> {
    let failed = |error: anyhow::Error| CommandError::usage(error.context(format!("cannot fetch {url}")));
    let uri: http::Uri = url.parse().context("it is no URL").map_err(failed)?;
    let endpoint: Endpoint = url.parse().map_err(|message: String| failed(anyhow::anyhow!(message)))?;
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request =
        http::Request::get(path).body(http_body_util::Full::default()).context("it is no URL").map_err(failed)?;
    let mut connection = Connection::new(endpoint, Trust::default(), FETCH_TIMEOUT);
    let answer = connection.send(request).await.map_err(|error| failed(error.into()))?;
    if !answer.status().is_success() {
        return Err(failed(anyhow::anyhow!("the server answered {}", answer.status())));
    }
    Ok(answer.into_body().to_vec())
}

/// 64 hexadecimal digits that nobody can guess.
fn random_token() -> String {
    use std::hash::{BuildHasher as _, RandomState};
    (0..4).map(|part| format!("{:016x}", RandomState::new().hash_one(part))).collect()
}
