//! `[proton.aws]`: how AWS is reached where it provisions, and as whom.

use serde::Deserialize;
use standin_server::ProvisioningConfig;
use standin_server::provisioning::{BuildsBy, HAS_AWS, StacksBy};

use super::provisioning::endpoint;

/// What STS takes of a session policy.
const POLICY_BYTES_MAX: usize = 2048;

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AwsSettings {
    /// `http://HOST:PORT` of something that speaks AWS's APIs, in place of AWS.
    pub endpoint: Option<String>,
    pub profile: Option<String>,
    /// Whether roles of environments and pipelines are assumed.
    pub assume_role: Option<bool>,
    pub external_id: Option<String>,
    /// As JSON.
    pub session_policy: Option<String>,
    /// For large templates; `{account}` and `{region}` are filled in.
    pub bucket: Option<String>,
}

/// Adds what one setting says.
///
/// # Errors
/// Where a value is not of the form that it should have. The message names the key.
pub(super) fn add(config: &mut ProvisioningConfig, settings: &AwsSettings) -> Result<(), String> {
    let aws = &mut config.aws;
    if let Some(text) = &settings.endpoint {
        let url =
            endpoint(text).ok_or_else(|| format!("aws.endpoint: {text:?} is not of the form http://HOST:PORT"))?;
        aws.endpoint = Some(url);
    }
    if let Some(policy) = &settings.session_policy {
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(policy)
            .map_err(|error| format!("aws.session-policy: it is no policy in JSON: {error}"))?;
        if policy.len() > POLICY_BYTES_MAX {
            return Err(format!("aws.session-policy: it has {} bytes; {POLICY_BYTES_MAX} are allowed", policy.len()));
        }
        aws.session_policy = Some(policy.clone());
    }
    let given = |name: &str, value: &Option<String>, into: &mut Option<String>| match value.as_deref() {
        Some("") => Err(format!("aws.{name}: it is empty; leave it out instead")),
        Some(value) => {
            *into = Some(value.to_owned());
            Ok(())
        }
        None => Ok(()),
    };
    given("profile", &settings.profile, &mut aws.profile)?;
    given("external-id", &settings.external_id, &mut aws.external_id)?;
    given("bucket", &settings.bucket, &mut aws.bucket)?;
    aws.assume_role = settings.assume_role.unwrap_or(aws.assume_role);
    Ok(())
}

/// Whether all that is asked for is built in.
///
/// # Errors
/// Where it is not.
pub(super) fn check(config: &ProvisioningConfig) -> Result<(), String> {
    let asked = config.cloudformation != StacksBy::Standin || config.codebuild == BuildsBy::Aws;
    if asked && !HAS_AWS {
        return Err("provisioning: this standin was built without AWS's SDK (its cargo feature `aws`)".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Result<fn(&ProvisioningConfig) -> bool, &str>) {
        let settings: AwsSettings = toml::from_str(text).expect("it is a table of settings");
        let mut config = ProvisioningConfig::default();
        match (add(&mut config, &settings), expect) {
            (Ok(()), Ok(holds)) => assert!(holds(&config), "{text}: {config:?}"),
            (Err(error), Err(expect)) => assert!(error.contains(expect), "{text}: {error}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }

    #[test]
    fn settings_are_read_and_mistakes_told() {
        check("", Ok(|config| config.aws.assume_role && config.aws.endpoint.is_none()));
        check("assume-role = false", Ok(|config| !config.aws.assume_role));
        check("endpoint = 'http://h:1/'", Ok(|config| config.aws.endpoint.as_deref() == Some("http://h:1")));
        check("external-id = 'x'\nprofile = 'p'", Ok(|config| config.aws.external_id.as_deref() == Some("x")));
        check("session-policy = '{}'", Ok(|config| config.aws.session_policy.is_some()));
        check("endpoint = 'h:1'", Err("aws.endpoint"));
        check("session-policy = 'allow all'", Err("aws.session-policy"));
        check("bucket = ''", Err("aws.bucket"));
    }
}
