//! Faults as the official AWS SDK for Rust meets them: what it retries, and what it takes for throttling and timeouts.

use std::time::Duration;

use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Credentials, Region};
use aws_sdk_sqs::error::{ProvideErrorMetadata as _, SdkError};
use aws_smithy_http_client::Builder;
use standin::{FaultRule, RunningServer, Server};

async fn start(rule: &str) -> RunningServer {
    let server = Server::builder().start().await.expect("a free port on the loopback");
    let rule: FaultRule = serde_json::from_str(rule).expect("a rule");
    server.set_faults(vec![rule]).expect("a good rule");
    server
}

fn client(server: &RunningServer, attempts: u32) -> aws_sdk_sqs::Client {
    let retries = RetryConfig::standard().with_max_attempts(attempts).with_initial_backoff(Duration::from_millis(1));
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_millis(500)).build();
    aws_sdk_sqs::Client::from_conf(
        aws_sdk_sqs::Config::builder()
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.url())
            .credentials_provider(Credentials::new("444455556666", "secret", None, None, "test"))
            .http_client(Builder::new().build_http())
            .retry_config(retries)
            .timeout_config(timeouts)
            .build(),
    )
}

/// Two attempts fail and the third goes well: the SDK takes the fault for one that is worth a retry.
async fn retried(outcome: &str) {
    let server = start(&format!(r#"{{"service": "sqs", "first": 2, {outcome}}}"#)).await;
    let answer = client(&server, 3).list_queues().send().await;
    assert!(answer.is_ok(), "{outcome}: {answer:?}");
    let refused = start(&format!(r#"{{"service": "sqs", {outcome}}}"#)).await;
    client(&refused, 2).list_queues().send().await.expect_err("no attempt goes well");
    assert_eq!(refused.faults()[0].hit, 2, "{outcome}");
}

#[tokio::test]
async fn throttling_is_retried() {
    retried(r#""error": "throttling""#).await;
}

#[tokio::test]
async fn server_errors_are_retried() {
    retried(r#""error": "server""#).await;
}

#[tokio::test]
async fn broken_connections_are_retried() {
    retried(r#""network": "reset-before""#).await;
}

#[tokio::test]
async fn silence_is_a_timeout_and_retried() {
    retried(r#""network": "hang""#).await;
    let server = start(r#"{"service": "sqs", "network": "hang"}"#).await;
    let error = client(&server, 1).list_queues().send().await.expect_err("no answer");
    assert!(matches!(error, SdkError::TimeoutError(_)), "{error:?}");
}

#[tokio::test]
async fn throttling_has_the_code_of_the_service() {
    let server = start(r#"{"service": "sqs", "error": "throttling"}"#).await;
    let error = client(&server, 1).list_queues().send().await.expect_err("throttled");
    assert_eq!(error.code(), Some("RequestThrottled"));
}

#[tokio::test]
async fn refusals_are_not_retried() {
    let server = start(r#"{"service": "sqs", "error": "AccessDeniedException"}"#).await;
    let error = client(&server, 3).list_queues().send().await.expect_err("refused");
    assert_eq!(error.code(), Some("AccessDeniedException"));
    assert_eq!(server.faults()[0].hit, 1);
}
