//! `[[mockoon]]`: Mockoon environments that are served beside the AWS APIs.

use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use standin_mockoon::Options;

use crate::mockoon::{File, Setup};

/// How often a watched file is looked at.
const WATCH_INTERVAL: Duration = Duration::from_secs(2);

/// One environment file; the keys are the flags of `standin mockoon`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MockoonSetting {
    pub file: String,
    pub port: Option<u16>,
    pub hostname: Option<String>,
    pub public_base_url: Option<String>,
    pub admin_api_token: Option<String>,
    #[serde(default)]
    pub disable_admin_api: bool,
    #[serde(default)]
    pub disable_routes: Vec<String>,
    #[serde(default)]
    pub disable_tls: bool,
    #[serde(default)]
    pub enable_random_latency: bool,
    pub faker_seed: Option<u64>,
    #[serde(default)]
    pub log_transaction: bool,
    #[serde(default)]
    pub match_hash: bool,
    /// Says whether there is a proxy, whatever the file says.
    pub proxy: Option<bool>,
    #[serde(default)]
    pub repair: bool,
    #[serde(default)]
    pub watch: bool,
}

impl FromStr for MockoonSetting {
    type Err = Infallible;

    fn from_str(file: &str) -> Result<Self, Self::Err> {
        Ok(Self { file: file.to_owned(), ..Self::default() })
    }
}

impl MockoonSetting {
    /// The file, and what is said of it.
    pub fn setup(&self) -> (File, Setup) {
        let setup = Setup::default();
        let prefix = setup.options.env_vars_prefix.clone();
        let file = File {
            place: self.file.clone(),
            port: self.port,
            hostname: self.hostname.clone(),
            admin_token: self.admin_api_token.clone(),
            public_base_url: self.public_base_url.clone(),
        };
        let options = Options {
            admin_api: !self.disable_admin_api,
            disabled_routes: self.disable_routes.clone(),
            disable_tls: self.disable_tls,
            random_latency: self.enable_random_latency,
            match_hash: self.match_hash,
            env_vars: Setup::env_vars(&prefix),
            ..setup.options.clone()
        };
        let setup = Setup {
            options,
            repair: self.repair,
            log_transactions: self.log_transaction,
            faker_seed: self.faker_seed,
            proxy: self.proxy,
            watch: self.watch.then_some(WATCH_INTERVAL),
            ..setup
        };
        (file, setup)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_command_line() {
        let setting: MockoonSetting =
            toml::from_str("file = \"a.json\"\nport = 3001\nmatch-hash = true\nwatch = true\n").expect("valid");
        let (file, setup) = setting.setup();
        assert_eq!((file.place.as_str(), file.port), ("a.json", Some(3001)));
        assert!(setup.options.match_hash && setup.options.admin_api && setup.watch.is_some());
        assert!(toml::from_str::<MockoonSetting>("file = \"a\"\nprot = 1").is_err());
        assert!(toml::from_str::<MockoonSetting>("port = 1").is_err(), "a file is needed");
    }
}
