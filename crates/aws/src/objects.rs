//! Objects in S3: templates that are too large for a request. One operation, so not the whole of S3's client.

use std::time::{Duration, UNIX_EPOCH};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings, UriPathNormalizationMode,
    sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use standin_core::Clock;

use crate::trouble::{chain, passes};
use crate::{Aws, Trouble, Whose};

/// A call, with its answer.
const CALL: Duration = Duration::from_secs(25);

impl Aws {
    /// Writes an object and gives the URL that it has. The same again writes the same.
    ///
    /// # Errors
    /// Where S3 refuses it, or is not reached.
    pub async fn put_object(
        &self,
        whose: &Whose<'_>,
        bucket: &str,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<String, Trouble> {
        let broken = |error: &dyn std::error::Error| Trouble::refused("InvalidRequest", chain(error));
        let credentials = self.credentials(whose).await?.into();
        let url = self.url_of(whose, bucket, key);
        let mut settings = SigningSettings::default();
        // As S3 has it: the path as it stands, and the digest of the body in a header.
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let now = Duration::from_millis(Clock::real().now().as_millis().cast_unsigned());
        let params = v4::SigningParams::builder()
            .identity(&credentials)
            .region(whose.region)
            .name("s3")
            .time(UNIX_EPOCH + now)
            .settings(settings)
            .build()
            .map_err(|error| broken(&error))?;
        let request = SignableRequest::new("PUT", &url, std::iter::empty(), SignableBody::Bytes(&bytes))
            .map_err(|error| broken(&error))?;
        let (instructions, _) = sign(request, &params.into()).map_err(|error| broken(&error))?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(bytes));
        request.set_method("PUT").map_err(|error| broken(&error))?;
        request.set_uri(url.clone()).map_err(|error| broken(&error))?;
        for (name, value) in instructions.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        let connector = Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).build();
        let unreachable = |why: String| Trouble::Passing(format!("s3://{bucket}/{key} cannot be written now: {why}"));
        let answer = match tokio::time::timeout(CALL, connector.call(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(unreachable(chain(&error))),
            Err(_) => return Err(unreachable("no answer in time".into())),
        };
        match answer.status().as_u16() {
            200..300 => Ok(url),
            status if passes("", status) => Err(unreachable(format!("status {status}"))),
            status => Err(Trouble::refused(
                "NotWritten",
                format!("s3://{bucket}/{key} cannot be written: S3 answers with status {status}"),
            )),
        }
    }

    fn url_of(&self, whose: &Whose<'_>, bucket: &str, key: &str) -> String {
        match &self.settings.endpoint {
            Some(endpoint) => format!("{}/{bucket}/{key}", endpoint.trim_end_matches('/')),
            // Names with dots do not fit the certificate of a host of their own.
            None if bucket.contains('.') => {
                format!("https://s3.{}.{}/{bucket}/{key}", whose.region, domain(whose.partition))
            }
            None => format!("https://{bucket}.s3.{}.{}/{key}", whose.region, domain(whose.partition)),
        }
    }
}

/// The domain of a partition's hosts.
fn domain(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        _ => "amazonaws.com",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn objects_have_the_urls_that_cloudformation_reads() {
        let check = |endpoint: Option<&str>, partition: &str, bucket: &str, expect: &str| {
            let aws = Aws::new(Settings { endpoint: endpoint.map(str::to_owned), ..Settings::default() });
            let whose = Whose { account: "111122223333", region: "eu-west-1", partition, role: None, session: "test" };
            assert_eq!(aws.url_of(&whose, bucket, "k/t.yaml"), expect);
        };
        check(None, "aws", "b", "https://b.s3.eu-west-1.amazonaws.com/k/t.yaml");
        check(None, "aws", "b.c", "https://s3.eu-west-1.amazonaws.com/b.c/k/t.yaml");
        check(None, "aws-cn", "b", "https://b.s3.eu-west-1.amazonaws.com.cn/k/t.yaml");
        check(Some("http://127.0.0.1:1/"), "aws", "b", "http://127.0.0.1:1/b/k/t.yaml");
    }
}
