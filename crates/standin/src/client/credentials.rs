//! The keys of the person who runs standin, as SDKs find them: the environment, then the files of the AWS CLI.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use standin_core::Clock;
use standin_model::Timestamp;
use standin_server::{CredentialSource, OwnedKeys};

use super::DUMMY_KEY;
use crate::env::{self, Get};

/// Keys that end sooner are fetched anew.
const MARGIN_MS: i64 = 5 * 60 * 1000;
/// A profile that names another that names another …
const PROFILES_MAX: usize = 5;

/// Looks for keys where SDKs do: static ones, session tokens and `credential_process`. Nothing is written or logged.
#[derive(Debug)]
pub struct CredentialChain {
    /// Without any keys, the caller's access key and a secret that opens nothing will do.
    or_caller: bool,
    /// What was found, and until when it is good.
    found: Mutex<Option<(OwnedKeys, Option<Timestamp>)>>,
}

/// What a process prints (`credential_process` of the AWS CLI's configuration).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// Keys, and until when they are good.
type Found = (OwnedKeys, Option<Timestamp>);

impl CredentialChain {
    pub fn new(or_caller: bool) -> Self {
        Self { or_caller, found: Mutex::default() }
    }
}

impl CredentialSource for CredentialChain {
    fn keys(&self, caller: Option<&str>) -> Result<OwnedKeys, String> {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Clock::real().now().as_millis();
        if let Some((keys, until)) = known.as_ref()
            && until.is_none_or(|until| until.as_millis() - MARGIN_MS > now)
        {
            return Ok(keys.clone());
        }
        match find(&env::process)? {
            Some(found) => Ok(known.insert(found).0.clone()),
            None if self.or_caller => Ok(OwnedKeys {
                access_key: caller.unwrap_or(DUMMY_KEY).to_owned(),
                secret_key: DUMMY_KEY.to_owned(),
                session_token: None,
            }),
            None => {
                Err("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile with keys".into())
            }
        }
    }
}

/// Keys of the environment, or of the profile that it names.
fn find(get: Get<'_>) -> Result<Option<Found>, String> {
    let text = |name: &str| env::text(get, name);
    if text(env::AWS_PROFILE).is_none()
        && let (Some(access_key), Some(secret_key)) = (text(env::AWS_ACCESS_KEY_ID), text(env::AWS_SECRET_ACCESS_KEY))
    {
        return Ok(Some((OwnedKeys { access_key, secret_key, session_token: text(env::AWS_SESSION_TOKEN) }, None)));
    }
    let home = text(env::HOME).map(PathBuf::from);
    let file = |variable: &str, usual: &str| {
        let path = text(variable).map(PathBuf::from).or_else(|| Some(home.as_ref()?.join(".aws").join(usual)))?;
        std::fs::read_to_string(path).ok()
    };
    let mut profiles = HashMap::new();
    read(&file(env::AWS_CONFIG_FILE, "config").unwrap_or_default(), &mut profiles);
    read(&file(env::AWS_SHARED_CREDENTIALS_FILE, "credentials").unwrap_or_default(), &mut profiles);
    let named = text(env::AWS_PROFILE);
    let name = named.clone().unwrap_or_else(|| "default".to_owned());
    match profiles.get(&name) {
        None if named.is_some() => Err(format!("there is no profile `{name}`")),
        None => Ok(None),
        Some(_) => of_profile(&name, &profiles).map(Some),
    }
}

/// Settings by profile, then name.
type Profiles = HashMap<String, HashMap<String, String>>;

/// Reads a file of the AWS CLI; what it says wins over what another said before.
fn read(text: &str, profiles: &mut Profiles) {
    let mut current: Option<String> = None;
    for line in text.lines().filter(|line| !line.trim_start().starts_with(['#', ';'])) {
        if let Some(name) = line.trim().strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            let name = name.trim();
            current = Some(name.strip_prefix("profile ").unwrap_or(name).trim().to_owned());
        } else if !line.starts_with([' ', '\t'])
            && let (Some(profile), Some((name, value))) = (&current, line.split_once('='))
        {
            profiles.entry(profile.clone()).or_default().insert(name.trim().to_lowercase(), value.trim().to_owned());
        }
    }
}

fn of_profile(name: &str, profiles: &Profiles) -> Result<Found, String> {
    let mut name = name;
    for _ in 0..PROFILES_MAX {
        let Some(profile) = profiles.get(name) else { return Err(format!("there is no profile `{name}`")) };
        if let (Some(access_key), Some(secret_key)) =
            (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"))
        {
            let keys = OwnedKeys {
                access_key: access_key.clone(),
                secret_key: secret_key.clone(),
                session_token: profile.get("aws_session_token").cloned(),
            };
            return Ok((keys, None));
        }
        if let Some(command) = profile.get("credential_process") {
            return of_process(name, command);
        }
        match profile.get("source_profile") {
            // Without a role it is just another name; with one, somebody has to assume it.
            Some(source) if !profile.contains_key("role_arn") => name = source,
            _ => break,
        }
    }
    Err(format!(
        "the profile `{name}` has neither keys nor a credential_process; \
         `eval \"$(aws configure export-credentials --profile {name} --format env)\"` makes keys of roles and SSO"
    ))
}

fn of_process(profile: &str, command: &str) -> Result<Found, String> {
    let failed = |why: String| format!("the credential_process of the profile `{profile}` {why}");
    let (shell, flag) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let output = Command::new(shell).arg(flag).arg(command).stdin(Stdio::null()).output();
    let output = output.map_err(|error| failed(format!("cannot be started: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed with {}", output.status)));
    }
    // What it printed is not told: it may hold a secret.
    let printed: Printed =
        serde_json::from_slice(&output.stdout).map_err(|_| failed("did not print keys as JSON".to_owned()))?;
    let until = printed.expiration.as_deref().and_then(Timestamp::parse_date_time);
    let keys = OwnedKeys {
        access_key: printed.access_key_id,
        secret_key: printed.secret_access_key,
        session_token: printed.session_token,
    };
    Ok((keys, until))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: Result<(&str, &str, Option<&str>), &str>) {
        let mut profiles = Profiles::new();
        read(
            "[default]\nregion = x\naws_access_key_id=C\naws_secret_access_key=D\n[profile made]\n\
             credential_process = echo '{\"Version\": 1, \"AccessKeyId\": \"P\", \"SecretAccessKey\": \"Q\", \
             \"SessionToken\": \"R\", \"Expiration\": \"2999-01-01T00:00:00Z\"}'\n[profile other]\nsource_profile = made\n\
             [profile role]\nrole_arn = arn\nsource_profile = default\n[profile broken]\ncredential_process = echo secret\n",
            &mut profiles,
        );
        read("# keys\n[default]\naws_access_key_id = A\naws_secret_access_key = B\n", &mut profiles);
        let found = of_profile(name, &profiles);
        match expect {
            Ok((access, secret, token)) => {
                let (keys, _) = found.unwrap();
                assert_eq!(
                    (&*keys.access_key, &*keys.secret_key, keys.session_token.as_deref()),
                    (access, secret, token)
                );
            }
            Err(part) => {
                let error = found.unwrap_err();
                assert!(error.contains(part) && !error.contains("secret_"), "{error}");
            }
        }
    }

    #[test]
    fn profiles_are_read_as_the_cli_reads_them() {
        check("default", Ok(("A", "B", None)));
        check("made", Ok(("P", "Q", Some("R"))));
        check("other", Ok(("P", "Q", Some("R"))));
        check("role", Err("export-credentials"));
        check("nobody", Err("no profile `nobody`"));
        check("broken", Err("did not print keys"));
    }

    #[test]
    fn the_environment_comes_first() {
        let get = |name: &str| match name {
            "AWS_ACCESS_KEY_ID" => Some("E".into()),
            "AWS_SECRET_ACCESS_KEY" => Some("F".into()),
            _ => None,
        };
        let (keys, until) = find(&get).unwrap().unwrap();
        assert_eq!((&*keys.access_key, &*keys.secret_key, until), ("E", "F", None));
        assert!(!format!("{keys:?}").contains('F'), "secrets are not shown");
    }
}
