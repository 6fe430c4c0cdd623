//! `cargo run --release --manifest-path benches/Cargo.toml -- mockoon [FILES]`: `standin mockoon` beside `mockoon-cli` on the
//! same environment, and both with many files at once, told in `docs/benchmarks-mockoon.md`.
//!
//! `mockoon-cli` is the npm package in `e2e/mockoon/node_modules` (`npm --prefix e2e/mockoon ci`).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::load::{self, Measurement, Request, Traffic};
use crate::process::{Server, free_ports};

/// As many as there are public samples of Amazon's APIs.
const FILES: usize = 280;
/// Routes of each of them.
const ROUTES: usize = 30;
/// Starts of each program; the median counts.
const STARTS: usize = 5;
/// How often both are measured in turn; the median counts.
const ROUNDS: usize = 3;
const REQUESTS: usize = 40_000;
/// Fewer, for it is slower: as long.
const REQUESTS_THERE: usize = 1_500;

/// One of the programs.
struct Program {
    command: PathBuf,
    arguments: Vec<PathBuf>,
    requests: usize,
}

impl Program {
    fn start(&self, files: &[PathBuf], ports: &[u16]) -> Command {
        let mut command = Command::new(&self.command);
        command.args(&self.arguments).arg("--data").args(files).arg("--port").args(ports.iter().map(u16::to_string));
        command.arg("--disable-log-to-file");
        command
    }
}

/// What is measured of one program.
struct Findings {
    start: Duration,
    idle_kib: u64,
    /// Per route.
    loads: Vec<Measurement>,
    busy_kib: u64,
    many_start: Duration,
    many_kib: u64,
}

const CASES: [(&str, &str); 3] =
    [("static", "/static"), ("templated", "/templated/000000"), ("templated, last of 200 routes", "/items/199/000000")];

pub async fn measure(files: Option<usize>) -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let cli = root.join("e2e/mockoon/node_modules/@mockoon/cli/bin/run.js");
    ensure!(cli.is_file(), "{} is not there: run npm --prefix e2e/mockoon ci", cli.display());
    let ours = Program { command: crate::build(root)?, arguments: vec!["mockoon".into()], requests: REQUESTS };
    let theirs = Program { command: "node".into(), arguments: vec![cli, "start".into()], requests: REQUESTS_THERE };
    let folder = std::env::temp_dir().join(format!("standin-bench-mockoon-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = both(&folder, &ours, &theirs, files.unwrap_or(FILES)).await;
    std::fs::remove_dir_all(&folder)?;
    let text = done?;
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-mockoon.md"), text)?;
    Ok(())
}

async fn both(folder: &Path, ours: &Program, theirs: &Program, count: usize) -> Result<String> {
    let one = vec![written(folder, "one", &environment())?];
    let many: Vec<PathBuf> =
        (0..count).map(|number| written(folder, &number.to_string(), &sample(number))).collect::<Result<_>>()?;
    let bytes: u64 = many.iter().map(|file| std::fs::metadata(file).map_or(0, |about| about.len())).sum();
    let (ours, theirs) = programs(ours, theirs, &one, &many).await?;
    Ok(markdown(&ours, &theirs, count, bytes))
}

async fn programs(ours: &Program, theirs: &Program, one: &[PathBuf], many: &[PathBuf]) -> Result<(Findings, Findings)> {
    let (start, their_start) = (median_start(ours, one).await?, median_start(theirs, one).await?);
    let (server, their_server) = (started(ours, one).await?.0, started(theirs, one).await?.0);
    let (idle_kib, their_idle_kib) = (server.resident_kib()?, their_server.resident_kib()?);
    let (mut loads, mut their_loads) = (Vec::new(), Vec::new());
    for (_, path) in CASES {
        let (mut here, mut there) = (Vec::new(), Vec::new());
        // The first round warms both.
        for round in 0..=ROUNDS {
            here.push(load::run(&server, &get(server.port, path), traffic(path, round), ours.requests).await?);
            there.push(
                load::run(&their_server, &get(their_server.port, path), traffic(path, round), theirs.requests).await?,
            );
        }
        here.remove(0);
        there.remove(0);
        loads.push(Measurement::median(here));
        their_loads.push(Measurement::median(there));
    }
    let (busy_kib, their_busy_kib) = (server.resident_kib()?, their_server.resident_kib()?);
    drop((server, their_server));
    let (many_start, many_kib) = at_once(ours, many).await?;
    let (their_many_start, their_many_kib) = at_once(theirs, many).await?;
    Ok((
        Findings { start, idle_kib, loads, busy_kib, many_start, many_kib },
        Findings {
            start: their_start,
            idle_kib: their_idle_kib,
            loads: their_loads,
            busy_kib: their_busy_kib,
            many_start: their_many_start,
            many_kib: their_many_kib,
        },
    ))
}

fn traffic(path: &str, round: usize) -> Traffic {
    if path.ends_with("000000") { Traffic::New(round * REQUESTS) } else { Traffic::Same }
}

fn get(port: u16, path: &str) -> Request {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost:{port}\r\n\r\n");
    let serial_at = head.find("000000").unwrap_or(0);
    Request { bytes: head.into_bytes(), serial_at }
}

async fn median_start(program: &Program, files: &[PathBuf]) -> Result<Duration> {
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(started(program, files).await?.1);
    }
    starts.sort();
    Ok(starts[starts.len() / 2])
}

/// From starting the process to the end of its first answer.
async fn started(program: &Program, files: &[PathBuf]) -> Result<(Server, Duration)> {
    let ports = free_ports(1)?;
    let began = Instant::now();
    let server = Server::silent(program.start(files, &ports), ports[0]).await?;
    let answer = load::one(server.port, &get(server.port, "/static")).await?;
    ensure!(answer.status == 200, "the first answer has status {}", answer.status);
    Ok((server, began.elapsed()))
}

/// From starting the process to the end of the first answers of all its environments, and its memory then.
async fn at_once(program: &Program, files: &[PathBuf]) -> Result<(Duration, u64)> {
    let ports = free_ports(files.len())?;
    let began = Instant::now();
    let server = Server::silent(program.start(files, &ports), *ports.last().context("no files")?).await?;
    for port in &ports {
        let answer = load::one(*port, &get(*port, "/api/items0/7")).await?;
        ensure!(answer.status == 200, "an environment answers {}: {}", answer.status, answer.text());
    }
    Ok((began.elapsed(), server.resident_kib()?))
}

fn written(folder: &Path, name: &str, environment: &Value) -> Result<PathBuf> {
    let file = folder.join(format!("{name}.json"));
    std::fs::write(&file, environment.to_string())?;
    Ok(file)
}

fn uuid(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}

fn response(number: usize, status: u16, body: &str) -> Value {
    json!({
        "uuid": uuid(number),
        "statusCode": status,
        "body": body,
        "headers": [{ "key": "Content-Type", "value": "application/json" }],
    })
}

fn route(number: usize, endpoint: &str, responses: Value) -> Value {
    json!({ "uuid": uuid(number), "type": "http", "method": "get", "endpoint": endpoint, "responses": responses })
}

/// What is measured under load: a template as public samples have it.
const TEMPLATE: &str = "{\n  \"id\": \"{{urlParam 'id'}}\",\n  \"count\": {{faker 'number.int' max=99999}},\n  \"name\": \"{{faker \
                        'person.fullName'}}\",\n  \"active\": {{faker 'datatype.boolean'}},\n  \"kind\": \"{{oneOf (array \
                        'CREATING' 'ACTIVE' 'FAILED')}}\",\n  \"created\": \"{{faker 'date.recent' 365}}\"\n}";

fn environment() -> Value {
    let mut routes = vec![
        route(1, "static", json!([response(2, 200, "{\"hello\":\"world\"}")])),
        route(3, "templated/:id", json!([response(4, 200, TEMPLATE)])),
    ];
    let items = (0..200)
        .map(|item| route(1_000 + item, &format!("items/{item}/:id"), json!([response(2_000 + item, 200, TEMPLATE)])));
    routes.extend(items);
    json!({ "uuid": uuid(0), "lastMigration": 33, "name": "bench", "port": 3000, "routes": routes })
}

/// An environment in the shape of the public samples: parameters in paths, several responses, made-up values.
fn sample(number: usize) -> Value {
    let routes = (0..ROUTES).map(|item| {
        let base = (number * ROUTES + item) * 10;
        let body = "{\n  \"total\": {{faker 'number.int' max=99999}},\n  \"items\": [\n    {\n      \"id\": \"{{faker \
                    'string.uuid'}}\",\n      \"kind\": \"{{oneOf (array 'A' 'B' 'C')}}\",\n      \"on\": {{faker \
                    'datatype.boolean'}},\n      \"share\": {{faker 'number.float'}}\n    }\n  ]\n}";
        let responses = json!([
            response(base + 1, 200, body),
            response(base + 2, 400, "{\n  \"message\": \"\"\n}"),
            response(base + 3, 404, ""),
            response(base + 4, 500, "{\n  \"message\": \"\"\n}"),
        ]);
        route(base, &format!("items{item}/:id"), responses)
    });
    json!({
        "uuid": uuid(number),
        "lastMigration": 29,
        "name": format!("sample {number}"),
        "port": 3000,
        "endpointPrefix": "api",
        "routes": routes.collect::<Vec<_>>(),
    })
}

fn markdown(ours: &Findings, theirs: &Findings, count: usize, bytes: u64) -> String {
    let mut text = String::from(
        "# `standin mockoon` beside `mockoon-cli`\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml -- mockoon`: \
         both programs on the same environment file with 202 routes,\n16 connections at once, in turns; logs go to `/dev/null`. \
         The client shares the machine with the server: read the ratios, which\ncome from one run, rather than the rates; \
         requests per second of standin are bounded by the client. CPU is that of the server's\nprocess, user and system.\n\n\
         | route | | standin | mockoon-cli | ratio | goal |\n| --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (index, (name, _)) in CASES.iter().enumerate() {
        let (here, there) = (ours.loads[index], theirs.loads[index]);
        let per_cpu_second = |one: Measurement| 1e6 / one.cpu_us;
        let goal = if index == 0 { "≥ 100" } else { "≥ 50" };
        let mut row = |what: &str, here: String, there: String, ratio: f64, goal: &str| {
            let _ = writeln!(text, "| {name} | {what} | {here} | {there} | {ratio:.1} | {goal} |");
        };
        let (a, b) = (per_cpu_second(here), per_cpu_second(there));
        row("requests per CPU second", format!("{a:.0}"), format!("{b:.0}"), a / b, goal);
        let (a, b) = (here.requests_per_second, there.requests_per_second);
        row("requests per second", format!("{a:.0}"), format!("{b:.0}"), a / b, "");
        let (a, b) = (here.p99.as_secs_f64() * 1e3, there.p99.as_secs_f64() * 1e3);
        row("p99", format!("{a:.2} ms"), format!("{b:.2} ms"), b / a, "");
    }
    text.push_str("\n| what | standin | mockoon-cli | ratio | goal |\n| --- | ---: | ---: | ---: | ---: |\n");
    let mut time = |what: &str, here: Duration, there: Duration, goal: &str| {
        let (a, b) = (here.as_secs_f64() * 1e3, there.as_secs_f64() * 1e3);
        let _ = writeln!(text, "| {what} | {a:.1} ms | {b:.0} ms | 1/{:.0} | {goal} |", b / a);
    };
    time("start to the end of the first answer (median)", ours.start, theirs.start, "≤ 1/50");
    let all = format!("start to the first answers of {count} environments in one process");
    time(&all, ours.many_start, theirs.many_start, "");
    let mut memory = |what: &str, here: u64, there: u64, goal: &str| {
        let megabytes = |kib: u64| kib as f64 * 1024.0 / 1e6;
        let (a, b) = (megabytes(here), megabytes(there));
        let _ = writeln!(text, "| {what} | {a:.1} MB | {b:.0} MB | 1/{:.1} | {goal} |", b / a);
    };
    memory("resident memory, idle", ours.idle_kib, theirs.idle_kib, "≤ 1/10");
    memory("resident memory after the load", ours.busy_kib, theirs.busy_kib, "≤ 1/10");
    memory(&format!("resident memory with {count} environments"), ours.many_kib, theirs.many_kib, "");
    let _ = writeln!(
        text,
        "\nThe {count} environments have {ROUTES} routes with a parameter and four responses each, {:.1} MB in all.",
        bytes as f64 / 1e6
    );
    text
}
