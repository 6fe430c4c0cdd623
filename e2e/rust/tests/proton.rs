//! The life of an environment and a service by the official Rust SDK for Proton: from uploaded templates to nothing, waited for
//! and listed with the SDK's own waiters and paginators.

use std::time::Duration;

use aws_sdk_proton::Client;
use aws_sdk_proton::client::Waiters as _;
use aws_sdk_proton::config::{Credentials, Region};
use aws_sdk_proton::operation::create_service::CreateServiceError;
use aws_sdk_proton::types::{
    CompatibleEnvironmentTemplateInput, DeploymentStatus, DeploymentUpdateType, Provisioning, S3ObjectSource,
    ServiceStatus, TemplateVersionSourceInput, TemplateVersionStatus,
};
use aws_smithy_http_client::Builder;
use standin::{RunningServer, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const MOST: Duration = Duration::from_secs(60);
const ROLE: &str = "arn:aws:iam::444455556666:role/proton";
const MANIFEST: &str =
    "infrastructure:\n  templates:\n    - {file: t.yaml, rendering_engine: jinja, template_language: cloudformation}\n";
const ENVIRONMENT_SPEC: &str = "proton: EnvironmentSpec\nspec: {colour: grey}\n";
const SERVICE_SPEC: &str =
    "proton: ServiceSpec\ninstances:\n  - {name: one, environment: pond, spec: {colour: white}}\n";

const BUCKET: &str = "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>";

/// The files of a bundle, whose template has one resource and tells what it was rendered with.
fn bundle(folder: &str, input_type: &str, resource: &str, outputs: &str) -> Vec<u8> {
    let schema = format!(
        "schema:\n  format: {{openapi: \"3.0.0\"}}\n  {input_type}: T\n  types:\n    T: {{type: object, properties: {{colour: {{type: string}}}}}}\n"
    );
    let template = format!("Resources:\n  Bird: {{Type: \"{resource}\"}}\nOutputs:\n{outputs}");
    let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, text) in [
        ("schema/schema.yaml".to_owned(), schema.as_str()),
        (format!("{folder}/manifest.yaml"), MANIFEST),
        (format!("{folder}/t.yaml"), template.as_str()),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_cksum();
        builder.append_data(&mut header, path, text.as_bytes()).expect("in memory");
    }
    builder.into_inner().and_then(|encoder| encoder.finish()).expect("in memory")
}

/// PUT, as any HTTP client does it: the bundles lie in S3, whose SDK crate is not worth its compile time here.
async fn put(server: &RunningServer, path: &str, body: &[u8]) {
    let address = server.addresses()[0];
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=444455556666/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=0\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("the server reads");
    stream.write_all(body).await.expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn source(key: &str) -> TemplateVersionSourceInput {
    TemplateVersionSourceInput::S3(S3ObjectSource::builder().bucket("bundles").key(key).build().expect("complete"))
}

#[tokio::test]
async fn from_uploaded_templates_to_nothing() {
    let server = Server::builder().start().await.expect("a free port on the loopback");
    let proton = Client::from_conf(
        aws_sdk_proton::Config::builder()
            .region(Region::new("eu-west-1"))
            .endpoint_url(server.url())
            .credentials_provider(Credentials::new("444455556666", "secret", None, None, "test"))
            .http_client(Builder::new().build_http())
            .build(),
    );
    put(&server, "/bundles", BUCKET.as_bytes()).await;
    let told = "  Colour: {Value: \"{{ environment.inputs.colour }}\"}\n  Bird: {Value: !Ref Bird}\n";
    put(&server, "/bundles/pond", &bundle("infrastructure", "environment_input_type", "AWS::SNS::Topic", told)).await;
    let told = "  Colour: {Value: \"{{ service_instance.inputs.colour }} on {{ environment.outputs.Colour }}\"}\n";
    put(&server, "/bundles/heron", &bundle("instance_infrastructure", "service_input_type", "AWS::SQS::Queue", told))
        .await;

    // Templates.
    let made = proton.create_environment_template().name("pond").send().await.expect("a template");
    assert_eq!(
        made.environment_template().expect("it").arn(),
        "arn:aws:proton:eu-west-1:444455556666:environment-template/pond"
    );
    let version =
        proton.create_environment_template_version().template_name("pond").source(source("pond")).send().await;
    let version = version.expect("a version").environment_template_version.expect("it");
    assert_eq!(version.status(), &TemplateVersionStatus::RegistrationInProgress);
    proton
        .wait_until_environment_template_version_registered()
        .template_name("pond")
        .major_version("1")
        .minor_version("0")
        .wait(MOST)
        .await
        .expect("the bundle is good");
    proton
        .update_environment_template_version()
        .template_name("pond")
        .major_version("1")
        .minor_version("0")
        .status(TemplateVersionStatus::Published)
        .send()
        .await
        .expect("published");
    proton
        .create_service_template()
        .name("heron")
        .pipeline_provisioning(Provisioning::CustomerManaged)
        .send()
        .await
        .expect("a template");
    let compatible = CompatibleEnvironmentTemplateInput::builder()
        .template_name("pond")
        .major_version("1")
        .build()
        .expect("complete");
    proton
        .create_service_template_version()
        .template_name("heron")
        .source(source("heron"))
        .compatible_environment_templates(compatible)
        .send()
        .await
        .expect("a version");
    proton
        .wait_until_service_template_version_registered()
        .template_name("heron")
        .major_version("1")
        .minor_version("0")
        .wait(MOST)
        .await
        .expect("the bundle is good");
    proton
        .update_service_template_version()
        .template_name("heron")
        .major_version("1")
        .minor_version("0")
        .status(TemplateVersionStatus::Published)
        .send()
        .await
        .expect("published");

    // An environment and a service in it.
    proton
        .create_environment()
        .name("pond")
        .template_name("pond")
        .template_major_version("1")
        .spec(ENVIRONMENT_SPEC)
        .proton_service_role_arn(ROLE)
        .send()
        .await
        .expect("an environment");
    proton.wait_until_environment_deployed().name("pond").wait(MOST).await.expect("it is deployed");
    let create =
        || proton.create_service().name("heron").template_name("heron").template_major_version("1").spec(SERVICE_SPEC);
    create().send().await.expect("a service");
    proton.wait_until_service_created().name("heron").wait(MOST).await.expect("it is deployed");
    let again = create().send().await.expect("the same service").service.expect("it");
    assert_eq!(again.status(), &ServiceStatus::Active);
    let other = create().description("another").send().await.expect_err("another input").into_service_error();
    assert!(matches!(other, CreateServiceError::ValidationException(_)), "{other:?}");
    let outputs =
        proton.list_service_instance_outputs().service_name("heron").service_instance_name("one").send().await;
    let outputs: Vec<String> = outputs
        .expect("outputs")
        .outputs()
        .iter()
        .map(|output| output.value_string().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(outputs, ["white on grey"]);

    // A run more; all are listed, page by page.
    proton
        .update_service_instance()
        .service_name("heron")
        .name("one")
        .deployment_type(DeploymentUpdateType::CurrentVersion)
        .spec(SERVICE_SPEC.replace("white", "grey"))
        .send()
        .await
        .expect("an update");
    let deployed = proton.wait_until_service_instance_deployed().service_name("heron").name("one").wait(MOST).await;
    let instance = deployed.expect("it is deployed").into_result().expect("an answer").service_instance.expect("it");
    assert!(instance.spec().expect("a spec").contains("grey"));
    let mut pages = proton.list_deployments().max_results(1).into_paginator().send();
    let mut runs = 0;
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        assert!(page.deployments().len() <= 1);
        runs += page.deployments().iter().filter(|run| run.deployment_status() == &DeploymentStatus::Succeeded).count();
    }
    assert_eq!(runs, 3);
    let instances = proton
        .list_service_instances()
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .expect("all");
    assert_eq!(instances.len(), 1);

    // Away with it, from the inside to the outside.
    let refused =
        proton.delete_environment().name("pond").send().await.expect_err("it has an instance").into_service_error();
    assert!(refused.is_conflict_exception(), "{refused:?}");
    proton.delete_service().name("heron").send().await.expect("a delete");
    proton.wait_until_service_deleted().name("heron").wait(MOST).await.expect("it is gone");
    proton.delete_environment().name("pond").send().await.expect("a delete");
    let gone = tokio::time::timeout(MOST, async {
        loop {
            match proton.get_environment().name("pond").send().await {
                Ok(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                Err(error) => return error.into_service_error(),
            }
        }
    });
    assert!(gone.await.expect("in time").is_resource_not_found_exception());
    for kind in ["heron", "pond"] {
        let missing = match kind {
            "heron" => {
                proton
                    .delete_service_template_version()
                    .template_name(kind)
                    .major_version("1")
                    .minor_version("0")
                    .send()
                    .await
                    .expect("a delete");
                proton.delete_service_template().name(kind).send().await.expect("a delete");
                proton.get_service_template().name(kind).send().await.err().is_some()
            }
            _ => {
                proton
                    .delete_environment_template_version()
                    .template_name(kind)
                    .major_version("1")
                    .minor_version("0")
                    .send()
                    .await
                    .expect("a delete");
                proton.delete_environment_template().name(kind).send().await.expect("a delete");
                proton.get_environment_template().name(kind).send().await.err().is_some()
            }
        };
        assert!(missing);
    }
}
