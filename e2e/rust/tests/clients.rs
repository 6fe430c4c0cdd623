//! The official AWS SDK for Rust against an in-process server: one protocol each of JSON, Query and REST.

use aws_sdk_mwaa::config::{Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::Builder;
use standin::{RunningServer, Server};

async fn start() -> RunningServer {
    Server::builder().stateless().start().await.expect("a free port on the loopback")
}

fn credentials() -> Credentials {
    Credentials::new("444455556666", "secret", None, None, "test")
}

fn http() -> SharedHttpClient {
    Builder::new().build_http()
}

/// A client of one service; the three SDK crates have the same configuration under different paths.
macro_rules! client {
    ($sdk:ident, $server:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .region(Region::new("eu-west-1"))
                .endpoint_url($server.url())
                .credentials_provider(credentials())
                .http_client(http())
                .build(),
        )
    };
}

#[tokio::test]
async fn query_tells_the_account_of_the_key() {
    let server = start().await;
    let identity = client!(aws_sdk_sts, server).get_caller_identity().send().await.expect("an answer");
    assert_eq!(identity.account(), Some("444455556666"));
}

#[tokio::test]
async fn query_parses_timestamps_and_structures() {
    let server = start().await;
    let role = client!(aws_sdk_sts, server)
        .assume_role()
        .role_arn("arn:aws:iam::444455556666:role/heron")
        .role_session_name("grebe")
        .send()
        .await
        .expect("an answer");
    let credentials = role.credentials().expect("credentials");
    assert!(!credentials.access_key_id().is_empty());
    assert!(credentials.expiration().secs() > 0);
}

#[tokio::test]
async fn json_makes_queues() {
    let server = start().await;
    let made = client!(aws_sdk_sqs, server).create_queue().queue_name("birds").send().await.expect("an answer");
    assert!(made.queue_url().expect("a URL").starts_with(&server.url()));
}

#[tokio::test]
async fn json_errors_are_typed() {
    let server = start().await;
    let refused = client!(aws_sdk_sqs, server)
        .send_message_batch()
        .queue_url(format!("{}/444455556666/birds", server.url()))
        .send()
        .await
        .expect_err("the entries are missing");
    let error = refused.into_service_error();
    assert!(error.meta().code().is_some(), "{error:?}");
}

#[tokio::test]
async fn rest_echoes_what_was_asked_for() {
    let server = start().await;
    // The SDK prepends `api.` to the host; `api.localhost` is this machine only where the resolver says so.
    let config = aws_sdk_mwaa::Config::builder()
        .region(Region::new("eu-west-1"))
        .endpoint_url(server.url())
        .credentials_provider(credentials())
        .http_client(http())
        .interceptor(plain_host::PlainHost)
        .build();
    let answer = aws_sdk_mwaa::Client::from_conf(config).get_environment().name("birds").send().await.expect("an answer");
    let environment = answer.environment().expect("an environment");
    assert_eq!(environment.name(), Some("birds"));
    assert_eq!(environment.arn(), Some("arn:aws:airflow:eu-west-1:444455556666:environment/birds"));
    assert!(environment.created_at().is_some());
}

#[tokio::test]
async fn servers_are_independent_and_stop_on_drop() {
    let (one, two) = (start().await, start().await);
    assert_ne!(one.url(), two.url());
    let client = client!(aws_sdk_sts, one);
    drop(one);
    client.get_caller_identity().send().await.expect_err("nobody listens any more");
    client!(aws_sdk_sts, two).get_caller_identity().send().await.expect("the other one still does");
}

/// What a user of host-prefixed APIs needs with an address as endpoint: the host without the prefix.
mod plain_host {
    use aws_sdk_mwaa::config::interceptors::BeforeTransmitInterceptorContextMut;
    use aws_sdk_mwaa::config::{ConfigBag, Intercept, RuntimeComponents};
    use aws_sdk_mwaa::error::BoxError;

    #[derive(Debug)]
    pub struct PlainHost;

    impl Intercept for PlainHost {
        fn name(&self) -> &'static str {
            "PlainHost"
        }

        fn modify_before_signing(
            &self,
            context: &mut BeforeTransmitInterceptorContextMut<'_>,
            _components: &RuntimeComponents,
            _config: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            let request = context.request_mut();
            for prefix in ["api.", "env.", "ops."] {
                if let Some((before, after)) = request.uri().split_once(prefix).filter(|(before, _)| before.ends_with("//")) {
                    let uri = format!("{before}{after}");
                    request.set_uri(uri)?;
                    break;
                }
            }
            Ok(())
        }
    }
}
