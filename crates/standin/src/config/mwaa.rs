//! `[mwaa]`: what runs the Airflow of environments, and where installations of it lie.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use standin_server::{DatabaseChoice, MwaaConfig};

use crate::env;

/// What runs the Airflow of environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MwaaRuntime {
    /// A model of Airflow, made from the files of DAGs: there at once, for tests
    Simulated,
    /// Airflow itself, in processes of this machine
    Local,
    /// Airflow itself, in containers
    Docker,
}

impl MwaaRuntime {
    /// As the tag `standin:runtime` has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Local => "local",
            Self::Docker => "docker",
        }
    }
}

/// What is said of MWAA in one place: the table of the file, or one flag, which is a line of that table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MwaaSetting {
    pub runtime: Option<MwaaRuntime>,
    pub installations: Option<PathBuf>,
    #[serde(default, deserialize_with = "database")]
    pub database: Option<DatabaseChoice>,
    /// Of the runtime `docker`; `VERSION` stands for the version of Airflow.
    pub image: Option<String>,
}

fn database<'d, D: Deserializer<'d>>(deserializer: D) -> Result<Option<DatabaseChoice>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

impl FromStr for MwaaSetting {
    type Err = String;

    /// Reads `NAME=VALUE`. Values are texts, with or without quotes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not NAME=VALUE"))?;
        let value = value.trim().trim_matches('"');
        let table = toml::Table::from_iter([(name.trim().to_owned(), toml::Value::String(value.to_owned()))]);
        Self::deserialize(table).map_err(|error| error.message().to_owned())
    }
}

/// Where installations lie that folders of DAGs share: what the environment names, else standin's own folder of data.
pub fn installations() -> Option<PathBuf> {
    let said = env::text(&env::process, env::MWAA).and_then(|text| text.parse::<MwaaSetting>().ok());
    let own = || super::default_data_dir(&env::process).map(|folder| folder.join("mwaa/installed"));
    said.and_then(|setting| setting.installations).or_else(own)
}

/// What all settings together make; the last word counts.
pub fn mwaa(settings: &[MwaaSetting], runtime: Option<MwaaRuntime>) -> MwaaConfig {
    let mut config = MwaaConfig::default();
    for MwaaSetting { runtime, installations, database, image } in settings {
        config.runtime = runtime.map_or(config.runtime, MwaaRuntime::name);
        config.database = database.clone().unwrap_or(config.database);
        config.installations = installations.clone().or(config.installations);
        if let Some(image) = image {
            config.docker.image.clone_from(image);
        }
    }
    config.runtime = runtime.map_or(config.runtime, MwaaRuntime::name);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_tables_say_the_same() {
        let table: MwaaSetting =
            toml::from_str("runtime = \"local\"\ninstallations = \"/a b\"\nimage = \"a/b:VERSION\"").expect("valid");
        let lines: Vec<MwaaSetting> =
            ["runtime=docker", "runtime = \"local\"", "installations=/a b", "image=a/b:VERSION"]
                .map(|line| line.parse().expect("valid"))
                .into();
        assert_eq!(mwaa(&[table], None), mwaa(&lines, None));
        assert_eq!(mwaa(&lines, None).runtime, "local");
        assert_eq!(mwaa(&lines, Some(MwaaRuntime::Simulated)).runtime, "simulated");
        assert_eq!(mwaa(&[], None), MwaaConfig::default());
        let line: MwaaSetting = "database=postgresql://a:b@h:1/c?x=y".parse().expect("valid");
        assert_eq!(mwaa(&[line], None).database, DatabaseChoice::At("postgresql://a:b@h:1/c?x=y".to_owned()));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, expect) in [
            ("database=mysql://a/b", "none of auto, sqlite"),
            ("runtime=podman", "unknown variant `podman`"),
            ("runtimes=local", "unknown field"),
            ("local", "NAME=VALUE"),
        ] {
            let error = text.parse::<MwaaSetting>().expect_err(text);
            assert!(error.contains(expect), "{error}");
        }
    }
}
