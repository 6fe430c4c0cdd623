//! Clients of services, as whoever is to call.

use std::fmt;
use std::time::Duration;

use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use crate::credentials::Keyring;
use crate::{Settings, Trouble, Whose};

const CONNECT: Duration = Duration::from_secs(5);
/// One attempt of a call.
const ATTEMPT: Duration = Duration::from_secs(12);
/// A call with all its attempts: well within one step of a job.
const CALL: Duration = Duration::from_secs(25);
const ATTEMPTS: u32 = 3;

/// AWS, or what speaks its APIs at an endpoint.
pub struct Aws {
    pub(crate) settings: Settings,
    keys: Keyring,
    http: SharedHttpClient,
}

impl fmt::Debug for Aws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aws").field("endpoint", &self.settings.endpoint).finish_non_exhaustive()
    }
}

impl Aws {
    /// Nothing is looked up and nobody is called before the first client is asked for.
    pub fn new(settings: Settings) -> Self {
        let provider = Provider::Rustls(CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(provider).build_https();
        Self { settings, keys: Keyring::new(), http }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// A client of CloudFormation.
    ///
    /// # Errors
    /// Where there are no credentials, or the role cannot be assumed.
    pub async fn cloudformation(&self, whose: &Whose<'_>) -> Result<aws_sdk_cloudformation::Client, Trouble> {
        Ok(aws_sdk_cloudformation::Client::new(&self.config(whose).await?))
    }

    /// A client of CodeBuild.
    ///
    /// # Errors
    /// As [`Self::cloudformation`].
    pub async fn codebuild(&self, whose: &Whose<'_>) -> Result<aws_sdk_codebuild::Client, Trouble> {
        Ok(aws_sdk_codebuild::Client::new(&self.config(whose).await?))
    }

    async fn config(&self, whose: &Whose<'_>) -> Result<SdkConfig, Trouble> {
        Ok(self.config_of(whose.region, self.credentials(whose).await?))
    }

    /// The credentials of whoever calls.
    pub(crate) async fn credentials(&self, whose: &Whose<'_>) -> Result<Credentials, Trouble> {
        let provider = || ProviderConfig::without_region().with_http_client(self.http.clone());
        let base = self.keys.base(&self.settings, provider, whose).await?;
        match whose.role.filter(|_| self.settings.assume_role) {
            Some(role) => {
                let config = self.config_of(whose.region, base);
                self.keys.session(&self.settings, &config, role, whose).await
            }
            None => Ok(base),
        }
    }

    /// A configuration that nothing of the environment flows into.
    fn config_of(&self, region: &str, credentials: Credentials) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(CALL)
            .build();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.http.clone())
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        config.set_endpoint_url(self.settings.endpoint.clone());
        config.build()
    }
}
