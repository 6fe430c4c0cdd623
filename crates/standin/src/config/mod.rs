//! Configuration in layers: defaults, then `standin.toml`, then the environment, then flags. The last word counts.

mod localstack;
mod mockoon;
mod mwaa;
mod proton;
mod settings;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use standin_model::nearest;

use crate::env::{self, Get};
use crate::error::CommandError;

pub use mockoon::MockoonSetting;
pub use mwaa::{MwaaRuntime, MwaaSetting, installations, mwaa};
pub use proton::{ProtonSetting, proton, provisioning};
pub use settings::{
    Account, DEFAULT_PORT, Durability, FaultSetting, Fidelity, FrozenTime, Limit, Listen, LogFormat, ProxyPolicy,
    ReplayMatch, ResponseSetting, Settings, Transition, Validation,
};

/// The file that is read without being named, where it exists.
pub const DEFAULT_FILE: &str = "standin.toml";

/// Why a configuration cannot be used. Messages name the file or variable, and the key.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}: {message}", path.display())]
    Syntax { path: PathBuf, message: String },
    #[error("{}: there is no setting {key:?}", path.display())]
    UnknownKey { path: PathBuf, key: String, near: Vec<String> },
    #[error("there is no limit {name:?}")]
    UnknownLimit { name: String, near: Vec<String> },
    #[error("{name}: {reason}")]
    Variable { name: String, reason: String },
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        let near = match &error {
            ConfigError::UnknownKey { near, .. } | ConfigError::UnknownLimit { near, .. } => near.clone(),
            _ => Vec::new(),
        };
        let near: Vec<&str> = near.iter().map(String::as_str).collect();
        Self::usage(error).near(&near)
    }
}

/// Where the layers come from.
pub struct Sources<'s> {
    /// Flags, and `STANDIN_…` variables where there was no flag.
    pub flags: Settings,
    /// The file to read; without one, [`DEFAULT_FILE`] in the current folder if it is there.
    pub file: Option<&'s Path>,
    pub get: Get<'s>,
}

/// Merges all layers above the defaults.
///
/// # Errors
/// When a file or a variable cannot be read or understood.
pub fn load(sources: Sources<'_>) -> Result<Settings, ConfigError> {
    let file = match sources.file {
        Some(path) => read_file(path)?,
        None if Path::new(DEFAULT_FILE).is_file() => read_file(Path::new(DEFAULT_FILE))?,
        None => Settings::default(),
    };
    Ok(sources.flags.or(localstack::settings(sources.get)?).or(file))
}

impl Settings {
    /// The addresses to listen on, with the default where none is set.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match self.listen.as_deref() {
            Some(listen @ [_, ..]) => listen.iter().map(|listen| listen.0).collect(),
            _ => vec![SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))],
        }
    }

    pub fn is_quiet(&self) -> bool {
        self.quiet.unwrap_or(false)
    }
}

/// Where standin keeps things by default: `$XDG_DATA_HOME/standin`, `~/.local/share/standin`, `%LOCALAPPDATA%\standin`.
pub fn default_data_dir(get: Get<'_>) -> Option<PathBuf> {
    let folder = |name: &str| env::text(get, name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder(env::XDG_DATA_HOME)
        .or_else(|| folder(env::HOME).map(|home| home.join(".local/share")))
        .or_else(|| folder(env::LOCALAPPDATA))
        .map(|folder| folder.join("standin"))
}

fn read_file(path: &Path) -> Result<Settings, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse_file(path, &text)
}

fn parse_file(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
    };
    let table: toml::Table = toml::from_str(text).map_err(syntax)?;
    let known = Settings::names();
    if let Some(key) = table.keys().find(|key| !known.contains(key)) {
        let near = nearest(key, known.iter().map(String::as_str), 3).into_iter().map(str::to_owned).collect();
        return Err(ConfigError::UnknownKey { path: path.to_owned(), key: key.clone(), near });
    }
    toml::from_str(text).map_err(syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Settings, ConfigError> {
        parse_file(Path::new("standin.toml"), text)
    }

    #[test]
    fn a_file_sets_what_flags_set() {
        let settings = parse(
            "listen = [\"0.0.0.0:1\", 2]\nseed = 7\naccount = \"123456789012\"\nvalidation = \"lenient\"\nquiet = true\n",
        )
        .expect("valid");
        assert_eq!(settings.addresses(), ["0.0.0.0:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]);
        assert_eq!(settings.validation, Some(Validation::Lenient));
        assert_eq!(settings.account, Some(Account("123456789012".into())));
        assert_eq!(parse("listen = 4567").expect("valid").addresses()[0].port(), 4567);
    }

    #[test]
    fn errors_name_file_and_key() {
        let Err(ConfigError::UnknownKey { key, near, .. }) = parse("validaton = \"strict\"") else {
            panic!("an unknown key must be refused");
        };
        assert_eq!((key.as_str(), near), ("validaton", vec!["validation".to_owned()]));
        for (text, part) in [
            ("account = \"12\"", "twelve digits"),
            ("validation = \"hard\"", "validation = \"hard\""),
            ("seed = -1", "seed = -1"),
            ("listen = [\"example.com:1\"]", "no IP address"),
            ("seed = ", "line 1"),
        ] {
            let message = parse(text).expect_err(text).to_string();
            assert!(message.starts_with("standin.toml: ") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn environment_wins_over_file_and_flags_over_both() {
        let folder = std::env::temp_dir().join(format!("standin-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("standin.toml");
        std::fs::write(&file, "listen = 1\nlog = \"info\"\nseed = 3\n").unwrap();
        let get = |name: &str| match name {
            "EDGE_PORT" => Some("2".into()),
            "DEBUG" => Some("1".into()),
            _ => None,
        };
        let flags = Settings { log: Some("error".into()), ..Settings::default() };
        let merged = load(Sources { flags, file: Some(&file), get: &get }).expect("valid");
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(merged.addresses()[0].port(), 2);
        assert_eq!(merged.log.as_deref(), Some("error"));
        assert_eq!(merged.seed, Some(3));
    }
}
