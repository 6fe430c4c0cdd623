//! `cargo run --release --manifest-path benches/Cargo.toml -- proton [SERVICES]`: Proton with few services and with many, each
//! with one deployed instance, told in `docs/benchmarks-proton.md`.
//!
//! The bundles are the smallest that deploy something: an environment with a topic, instances with a queue each.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::cases::Case;
use crate::load::{self, Request, Traffic};
use crate::process::Server;
use crate::report;

const FEW: usize = 100;
/// Services of the large account, unless the command line says otherwise.
const MANY: usize = 10_000;
/// Services that are made at a time, and deployed before the next are.
const WAVE: usize = 500;
/// Instances that are deployed once more when all are there.
const AGAIN: usize = 100;
/// Services of a page.
const PAGE: usize = 100;
/// Requests of one kind, one after the other; the median counts.
const ALONE: usize = 200;
/// How often the events are looked at for those that are waited for.
const LOOK: Duration = Duration::from_millis(20);

const ROLE: &str = "arn:aws:iam::123456789012:role/proton";

const MANIFEST: &str =
    "infrastructure:\n  templates:\n    - {file: t.yaml, rendering_engine: jinja, template_language: cloudformation}\n";
const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "schema/schema.yaml",
        "schema:\n  format: {openapi: \"3.0.0\"}\n  environment_input_type: T\n  types:\n    T: {type: object, properties: {size: {type: string, default: s}}}\n",
    ),
    ("infrastructure/manifest.yaml", MANIFEST),
    (
        "infrastructure/t.yaml",
        "Resources:\n  Topic: {Type: \"AWS::SNS::Topic\"}\nOutputs:\n  Topic: {Value: !Ref Topic}\n",
    ),
];
const SERVICE: [(&str, &str); 3] = [
    (
        "schema/schema.yaml",
        "schema:\n  format: {openapi: \"3.0.0\"}\n  service_input_type: T\n  types:\n    T: {type: object, properties: {size: {type: string, default: s}}}\n",
    ),
    ("instance_infrastructure/manifest.yaml", MANIFEST),
    (
        "instance_infrastructure/t.yaml",
        "Resources:\n  Queue: {Type: \"AWS::SQS::Queue\"}\nOutputs:\n  Queue: {Value: !Ref Queue}\n  Topic: {Value: \"{{ environment.outputs.Topic }}\"}\n",
    ),
];
const SPEC: &str = "proton: ServiceSpec\ninstances:\n  - {name: one, environment: env, spec: {size: s}}\n";

const PROTON: Case = Case {
    name: "",
    protocol: "JSON 1.0",
    method: "POST",
    path: "/",
    signing_name: "proton",
    headers: &[("content-type", "application/x-amz-json-1.0")],
    body: b"",
};

struct Findings {
    services: usize,
    /// Of an empty account.
    creates_per_second: f64,
    /// From the first create to the last deployment.
    deployments_per_second: f64,
    /// Updates of some instances when all are there.
    again_per_second: f64,
    bytes_per_service: u64,
    create: Duration,
    get: Duration,
    services_first: Duration,
    services_last: Duration,
    instances_first: Duration,
    instances_last: Duration,
    instances_of_one: Duration,
    deployments_of_one: Duration,
}

pub async fn measure(many: Option<usize>) -> Result<()> {
    let many = many.unwrap_or(MANY);
    ensure!(many >= PAGE, "fewer services than a page has");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let binary = crate::build(root)?;
    let directory = std::env::temp_dir().join(format!("standin-bench-{}", std::process::id()));
    let folder = directory.to_string_lossy().into_owned();
    let settings = ["--proton", "quotas.services=100000", "--proton", "events.keep=1000000"];
    let mut found = Vec::new();
    for (name, place) in [("memory", &[][..]), ("SQLite", &["--data-dir", &folder])] {
        for services in [FEW, many] {
            let arguments: Vec<&str> = settings.iter().chain(place).copied().collect();
            let server = Server::standin_with(&binary, &arguments).await?;
            found.push((name, one(&server, services).await?));
            drop(server);
            let _ = std::fs::remove_dir_all(&directory);
        }
    }
    let text = markdown(&found);
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-proton.md"), text)?;
    Ok(())
}

/// A request of Proton. Six zeros in the input are a number that may be set.
fn request(port: u16, operation: &str, input: &Value) -> Request {
    let target = format!("AwsProton20200720.{operation}");
    PROTON.request_with(port, &[("x-amz-target", &target)], input.to_string().as_bytes())
}

async fn call(port: u16, operation: &str, input: &Value) -> Result<Value> {
    let answer = load::one(port, &request(port, operation, input)).await?;
    ensure!(answer.status == 200, "{operation} answers {}: {}", answer.status, answer.text());
    Ok(serde_json::from_slice(&answer.body)?)
}

/// Files as a .tar.gz.
fn packed(files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let folder = std::env::temp_dir().join(format!("standin-bench-bundle-{}", std::process::id()));
    for (path, text) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().context("a file in a folder")?)?;
        std::fs::write(path, text)?;
    }
    let output = Command::new("tar").args(["-czf", "-", "-C"]).arg(&folder).arg(".").output().context("tar")?;
    std::fs::remove_dir_all(&folder)?;
    ensure!(output.status.success(), "tar failed");
    Ok(output.stdout)
}

async fn put(port: u16, path: &'static str, body: &[u8]) -> Result<()> {
    let case = Case { name: "", protocol: "", method: "PUT", path, signing_name: "s3", headers: &[], body: b"" };
    let answer = load::one(port, &case.request_of(port, body)).await?;
    ensure!(answer.status == 200, "PUT {path} answers {}: {}", answer.status, answer.text());
    Ok(())
}

/// Follows the event log, whatever else goes on.
struct Events {
    port: u16,
    after: u64,
}

impl Events {
    /// Waits for so many further events of a kind.
    async fn wait(&mut self, kind: &str, status: &str, count: usize) -> Result<()> {
        let mut left = count;
        let started = Instant::now();
        while left > 0 {
            let target =
                format!("/_standin/proton/events?type={kind}&status={status}&limit={left}&after={}", self.after);
            let request =
                format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n", self.port);
            let answer = load::last(self.port, request.as_bytes()).await?;
            let page: Value = serde_json::from_slice(&answer.body)?;
            let events = page["events"].as_array().context("a list of events")?.len();
            left -= events;
            if let Some(last) = page["last"].as_u64() {
                self.after = last;
            }
            if left > 0 && events == 0 {
                tokio::time::sleep(LOOK).await;
            }
            if started.elapsed() > Duration::from_secs(600) {
                bail!("{left} of {count} {kind} did not become {status}");
            }
        }
        Ok(())
    }
}

async fn template(port: u16, kind: &str, name: &str, files: &[(&str, &str)], more: Value) -> Result<()> {
    put(port, if kind == "Service" { "/bundles/svc" } else { "/bundles/env" }, &packed(files)?).await?;
    let mut input = json!({"name": name});
    if kind == "Service" {
        input["pipelineProvisioning"] = json!("CUSTOMER_MANAGED");
    }
    call(port, &format!("Create{kind}Template"), &input).await?;
    let mut input = more;
    input["templateName"] = json!(name);
    input["source"] = json!({"s3": {"bucket": "bundles", "key": name}});
    call(port, &format!("Create{kind}TemplateVersion"), &input).await?;
    let mut version = json!({"templateName": name, "majorVersion": "1", "minorVersion": "0"});
    let member = format!("{}TemplateVersion", kind.to_lowercase());
    loop {
        let now = call(port, &format!("Get{kind}TemplateVersion"), &version).await?;
        match now[&member]["status"].as_str() {
            Some("REGISTRATION_IN_PROGRESS") => tokio::time::sleep(LOOK).await,
            Some("DRAFT") => break,
            _ => bail!("the bundle was refused: {now}"),
        }
    }
    version["status"] = json!("PUBLISHED");
    call(port, &format!("Update{kind}TemplateVersion"), &version).await?;
    Ok(())
}

async fn one(server: &Server, services: usize) -> Result<Findings> {
    let port = server.port;
    put(port, "/bundles", b"").await?;
    template(port, "Environment", "env", &ENVIRONMENT, json!({})).await?;
    let compatible = json!({"compatibleEnvironmentTemplates": [{"templateName": "env", "majorVersion": "1"}]});
    template(port, "Service", "svc", &SERVICE, compatible).await?;
    let input = json!({"name": "env", "templateName": "env", "templateMajorVersion": "1", "protonServiceRoleArn": ROLE,
        "spec": "proton: EnvironmentSpec\nspec: {size: s}\n"});
    call(port, "CreateEnvironment", &input).await?;
    let mut events = Events { port, after: 0 };
    events.wait("Environment", "SUCCEEDED", 1).await?;

    let input = json!({"name": "svc-000000", "templateName": "svc", "templateMajorVersion": "1", "spec": SPEC});
    let create = request(port, "CreateService", &input);
    // What the first service loads is no service's memory.
    load::run(server, &create, Traffic::New(900_000), 1).await?;
    events.wait("Service", "ACTIVE", 1).await?;
    let before = server.resident_kib()?;
    let (started, mut creating) = (Instant::now(), Duration::ZERO);
    for first in (0..services).step_by(WAVE) {
        let count = WAVE.min(services - first);
        let creates = Instant::now();
        load::run(server, &create, Traffic::New(first), count).await?;
        creating += creates.elapsed();
        events.wait("Service", "ACTIVE", count).await?;
    }
    let filled = started.elapsed();
    let bytes_per_service = server.resident_kib()?.saturating_sub(before) * 1024 / services as u64;

    let input = json!({"serviceName": "svc-000000", "name": "one", "deploymentType": "CURRENT_VERSION"});
    let update = request(port, "UpdateServiceInstance", &input);
    let started = Instant::now();
    load::run(server, &update, Traffic::New(0), AGAIN).await?;
    events.wait("Service%20Instance", "SUCCEEDED", AGAIN).await?;
    let again = started.elapsed();

    let list = |operation: &str, mut input: Value, token: Option<&str>| {
        input["maxResults"] = json!(PAGE);
        if let Some(token) = token {
            input["nextToken"] = json!(token);
        }
        request(port, operation, &input)
    };
    let mut last = [list("ListServices", json!({}), None), list("ListServiceInstances", json!({}), None)];
    for (request, operation) in last.iter_mut().zip(["ListServices", "ListServiceInstances"]) {
        // One service more than counted: the first.
        for _ in 1..(services + 1).div_ceil(PAGE) {
            let answer: Value = serde_json::from_slice(&load::one(port, request).await?.body)?;
            let token = answer["nextToken"].as_str().context("a page that is not the last has a token")?;
            *request = list(operation, json!({}), Some(token));
        }
    }
    let [services_last, instances_last] = last;
    let alone = |request: Request, traffic: Traffic| load::alone(port, request, traffic, ALONE);
    let name = json!({"name": "svc-000000"});
    let of_one = json!({"serviceName": "svc-000000"});
    Ok(Findings {
        services,
        creates_per_second: services as f64 / creating.as_secs_f64(),
        deployments_per_second: services as f64 / filled.as_secs_f64(),
        again_per_second: AGAIN as f64 / again.as_secs_f64(),
        bytes_per_service,
        get: alone(request(port, "GetService", &name), Traffic::Among(services)).await?,
        services_first: alone(list("ListServices", json!({}), None), Traffic::Same).await?,
        services_last: alone(services_last, Traffic::Same).await?,
        instances_first: alone(list("ListServiceInstances", json!({}), None), Traffic::Same).await?,
        instances_last: alone(instances_last, Traffic::Same).await?,
        instances_of_one: alone(list("ListServiceInstances", of_one.clone(), None), Traffic::Among(services)).await?,
        deployments_of_one: alone(list("ListDeployments", of_one, None), Traffic::Among(services)).await?,
        create: alone(create, Traffic::New(800_000)).await?,
    })
}

fn markdown(found: &[(&str, Findings)]) -> String {
    let mut text = String::from(
        "# Proton at size\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml -- proton`: services with one \
         deployed instance each,\nmade over HTTP, few and many. *Creates/s* is 16 connections at once while deployments go on; \
         *deployments/s* from the\nfirst create to the last instance that is deployed, waves of 500; *again/s* 100 instances \
         deployed once more when all are there.\nTimes are medians in microseconds of requests one after the other on one \
         connection; a page is 100, and\nthe last one has a single row. Client and server share the machine: read the ratios.\n\n\
         | backend | services | creates/s | deployments/s | again/s | bytes/service |",
    );
    let columns = NAMES.join(" | ");
    let _ = writeln!(text, " {columns} |\n| --- |{}", " ---: |".repeat(5 + NAMES.len()));
    for (name, one) in found {
        let bytes = if *name == "memory" { one.bytes_per_service.to_string() } else { "-".to_owned() };
        let times = times(one).map(|time| format!("{:.0}", time.as_secs_f64() * 1e6)).join(" | ");
        let Findings { services, creates_per_second, deployments_per_second, again_per_second, .. } = one;
        let _ = writeln!(
            text,
            "| {name} | {services} | {creates_per_second:.0} | {deployments_per_second:.0} | {again_per_second:.0} | {bytes} | {times} |",
        );
    }
    text.push_str(
        "\nMany compared to few: times as many times as long (goal ≤ 1.3), rates as shares (goal ≥ 0.8).\n\n",
    );
    let _ = writeln!(
        text,
        "| backend | | creates/s | deployments/s | again/s | {columns} |\n| --- | --- |{}",
        " ---: |".repeat(3 + NAMES.len())
    );
    for pair in found.chunks(2) {
        let [(name, few), (_, many)] = pair else { continue };
        let rates = [
            many.creates_per_second / few.creates_per_second,
            many.deployments_per_second / few.deployments_per_second,
            many.again_per_second / few.again_per_second,
        ];
        let rates = rates.map(|rate| format!("{rate:.2}")).join(" | ");
        let ratios = report::ratios(&times(many), &times(few));
        let _ = writeln!(text, "| {name} | {} to {} | {rates} | {ratios} |", few.services, many.services);
    }
    text
}

const NAMES: [&str; 8] = [
    "create",
    "get",
    "services, first page",
    "last page",
    "instances, first page",
    "last page",
    "instances of one",
    "deployments of one",
];

fn times(one: &Findings) -> [Duration; 8] {
    [
        one.create,
        one.get,
        one.services_first,
        one.services_last,
        one.instances_first,
        one.instances_last,
        one.instances_of_one,
        one.deployments_of_one,
    ]
}
