//! Credentials: those of the SDK's chain, and sessions of roles, kept until they end.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_config::{Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials as _;
use aws_credential_types::provider::error::CredentialsError;
use standin_core::Clock;
use tokio::sync::OnceCell;

use crate::settings::session_name;
use crate::trouble::chain;
use crate::{Settings, Trouble, Whose};

/// Credentials are renewed so long before they end.
const SPARE_MS: i64 = 5 * 60_000;
/// How long credentials are kept that do not tell their end.
const KEPT_MS: i64 = 5 * 60_000;
/// Sessions that are kept at most; then all are asked for anew.
const SESSIONS_MAX: usize = 256;

/// Hands out credentials.
pub(crate) struct Keyring {
    clock: Clock,
    chain: OnceCell<DefaultCredentialsChain>,
    kept: Mutex<HashMap<Holder, Kept>>,
}

/// Whose credentials they are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Holder {
    Base,
    Session { role: String, region: String, name: String },
}

struct Kept {
    credentials: Credentials,
    until_ms: i64,
}

impl Keyring {
    pub(crate) fn new() -> Self {
        // Credentials end by the time of AWS, whatever the server's own clock says.
        Self { clock: Clock::real(), chain: OnceCell::new(), kept: Mutex::default() }
    }

    /// The credentials of the chain.
    ///
    /// # Errors
    /// Refused where there are none, with what to do; passing where a source of them does not answer.
    pub(crate) async fn base(
        &self,
        settings: &Settings,
        provider: impl FnOnce() -> ProviderConfig,
        whose: &Whose<'_>,
    ) -> Result<Credentials, Trouble> {
        if let Some(known) = self.known(&Holder::Base) {
            return Ok(known);
        }
        let build = || async {
            let mut builder =
                DefaultCredentialsChain::builder().region(Region::new(whose.region.to_owned())).configure(provider());
            if let Some(profile) = &settings.profile {
                builder = builder.profile_name(profile);
            }
            builder.build().await
        };
        let found = self.chain.get_or_init(build).await.provide_credentials().await;
        let credentials = match found {
            Ok(credentials) => credentials,
            // What is not AWS tells accounts apart by the access key, and asks for no secret.
            Err(CredentialsError::CredentialsNotLoaded(_)) if settings.endpoint.is_some() => {
                return Ok(Credentials::new(whose.account, "standin", None, None, "standin"));
            }
            Err(error @ (CredentialsError::ProviderTimedOut(_) | CredentialsError::ProviderError(_))) => {
                return Err(Trouble::Passing(format!("no credentials for AWS: {}", chain(&error))));
            }
            Err(error) => {
                let why = chain(&error);
                let hint = "set AWS_PROFILE or `[proton.aws] profile`, sign in by `aws sso login`, or give AWS_ACCESS_KEY_ID \
                            and AWS_SECRET_ACCESS_KEY to the server";
                return Err(Trouble::refused("NoCredentials", format!("no credentials for AWS: {why}; {hint}")));
            }
        };
        self.keep(Holder::Base, &credentials);
        Ok(credentials)
    }

    /// The credentials of a session of a role.
    ///
    /// # Errors
    /// Those of `AssumeRole`, with the role that it was about.
    pub(crate) async fn session(
        &self,
        settings: &Settings,
        base: &SdkConfig,
        role: &str,
        whose: &Whose<'_>,
    ) -> Result<Credentials, Trouble> {
        let name = session_name(whose.session);
        let holder = Holder::Session { role: role.to_owned(), region: whose.region.to_owned(), name: name.clone() };
        if let Some(known) = self.known(&holder) {
            return Ok(known);
        }
        let client = aws_sdk_sts::Client::new(base);
        let asked = client
            .assume_role()
            .role_arn(role)
            .role_session_name(name)
            .set_external_id(settings.external_id.clone())
            .set_policy(settings.session_policy.clone());
        let about = |trouble: Trouble| match trouble {
            Trouble::Passing(what) => Trouble::Passing(format!("role {role} cannot be assumed now: {what}")),
            Trouble::Refused { code, message } => {
                Trouble::Refused { code, message: format!("role {role} cannot be assumed: {message}") }
            }
        };
        let answer = asked.send().await.map_err(|error| about(Trouble::from(error)))?;
        let Some(found) = answer.credentials else {
            return Err(about(Trouble::Passing("the answer has no credentials".into())));
        };
        let until = SystemTime::try_from(found.expiration).ok();
        let credentials =
            Credentials::new(found.access_key_id, found.secret_access_key, Some(found.session_token), until, "session");
        self.keep(holder, &credentials);
        Ok(credentials)
    }

    fn known(&self, holder: &Holder) -> Option<Credentials> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(holder)?;
        (found.until_ms > self.clock.now().as_millis()).then(|| found.credentials.clone())
    }

    fn keep(&self, holder: Holder, credentials: &Credentials) {
        let now = self.clock.now().as_millis();
        let ends = credentials.expiry().and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        let ends = ends.and_then(|end: Duration| i64::try_from(end.as_millis()).ok());
        let until_ms = ends.map_or(now + KEPT_MS, |end| end - SPARE_MS);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= SESSIONS_MAX {
            kept.clear();
        }
        kept.insert(holder, Kept { credentials: credentials.clone(), until_ms });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_kept_until_shortly_before_they_end() {
        let ring = Keyring::new();
        let now = ring.clock.now().as_millis();
        let ending = |after_ms: i64| {
            let end = Duration::from_millis((now + after_ms).cast_unsigned());
            Credentials::new("AKID", "secret", None, Some(UNIX_EPOCH + end), "test")
        };
        ring.keep(Holder::Base, &ending(2 * SPARE_MS));
        assert_eq!(ring.known(&Holder::Base).map(|found| found.access_key_id().to_owned()).as_deref(), Some("AKID"));
        ring.keep(Holder::Base, &ending(SPARE_MS / 2));
        assert!(ring.known(&Holder::Base).is_none());
        ring.keep(Holder::Base, &Credentials::new("AKID", "secret", None, None, "test"));
        assert!(ring.known(&Holder::Base).is_some());
    }

    #[test]
    fn sessions_are_told_apart_and_bounded() {
        let ring = Keyring::new();
        let holder = |role: &str, name: &str| Holder::Session {
            role: role.to_owned(),
            region: "eu-west-1".to_owned(),
            name: name.to_owned(),
        };
        ring.keep(holder("a", "one"), &Credentials::new("A1", "secret", None, None, "test"));
        assert!(ring.known(&holder("a", "two")).is_none());
        assert!(ring.known(&holder("b", "one")).is_none());
        for number in 0..2 * SESSIONS_MAX {
            ring.keep(holder("a", &number.to_string()), &Credentials::new("A", "secret", None, None, "test"));
        }
        assert!(ring.kept.lock().expect("nobody panics").len() <= SESSIONS_MAX);
    }
}
