//! `cargo run --release --manifest-path benches/Cargo.toml -- stateful [ROWS]`: resources of one type over HTTP, few and
//! many, told in `docs/benchmarks-stateful.md`.
//!
//! EventBridge's rules: they are put by name, described by name, listed in pages and by prefix. PostgreSQL is measured
//! where `STANDIN_BENCH_DATABASE` names a database, which is emptied.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::cases::Case;
use crate::load::{self, Measurement, REQUESTS, Traffic};
use crate::process::Server;
use crate::report;

/// Resources of the small type.
const FEW: usize = 1000;
/// Resources of the large one, unless the command line says otherwise. Names have six digits.
const MANY: usize = 1_000_000;
/// Resources of a page.
const PAGE: usize = 100;
/// Requests of one kind, one after the other; the median counts.
const ALONE: usize = 2000;
/// How often reads and the bare server are measured in turn; the median counts.
const ROUNDS: usize = 5;

const EVENTS: Case =
    Case { name: "", protocol: "JSON 1.1", method: "POST", path: "/", signing_name: "events", headers: &[], body: b"" };
const PUT: Case = Case {
    name: "EventBridge PutRule",
    headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.PutRule")],
    body: br#"{"Name":"heron-000000","Description":"What it is for","ScheduleExpression":"rate(5 minutes)","State":"ENABLED"}"#,
    ..EVENTS
};
const DESCRIBE: Case = Case {
    name: "EventBridge DescribeRule",
    headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.DescribeRule")],
    body: br#"{"Name":"heron-000000"}"#,
    ..EVENTS
};
const LIST: Case = Case {
    name: "EventBridge ListRules",
    headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "AWSEvents.ListRules")],
    body: b"",
    ..EVENTS
};

struct Findings {
    rows: usize,
    creates_per_second: f64,
    bytes_per_row: u64,
    create: Duration,
    read: Duration,
    first_page: Duration,
    last_page: Duration,
    prefix_page: Duration,
    reads: Measurement,
    bare: Measurement,
}

pub async fn measure(many: Option<usize>) -> Result<()> {
    let many = many.unwrap_or(MANY).min(MANY);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let binary = crate::build(root)?;
    let directory = std::env::temp_dir().join(format!("standin-bench-{}", std::process::id()));
    let folder = directory.to_string_lossy().into_owned();
    let mut found = Vec::new();
    let mut places: Vec<(&str, Vec<&str>)> = vec![("memory", vec![]), ("SQLite", vec!["--data-dir", &folder])];
    let database = std::env::var("STANDIN_BENCH_DATABASE").unwrap_or_default();
    if !database.is_empty() {
        places.push(("PostgreSQL", vec!["--database", &database]));
    }
    for (name, arguments) in &places {
        for rows in [FEW, many] {
            let server = Server::standin_with(&binary, arguments).await?;
            reset(&server).await?;
            found.push((*name, one(&server, rows).await?));
            reset(&server).await?;
            drop(server);
            let _ = std::fs::remove_dir_all(&directory);
        }
    }
    let text = markdown(&found);
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-stateful.md"), text)?;
    Ok(())
}

async fn reset(server: &Server) -> Result<()> {
    let request = format!(
        "POST /_standin/reset HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        server.port
    );
    let answer = load::last(server.port, request.as_bytes()).await?;
    ensure!(answer.status < 300, "reset answers {}: {}", answer.status, answer.text());
    Ok(())
}

async fn one(server: &Server, rows: usize) -> Result<Findings> {
    let port = server.port;
    let put = PUT.request(port);
    // What the first request to a service loads is no resource's memory.
    load::one(port, &DESCRIBE.request(port)).await?;
    let before = server.resident_kib()?;
    let filled = load::run(server, &put, Traffic::New(0), rows).await?;
    let bytes_per_row = (server.resident_kib()?.saturating_sub(before)) * 1024 / rows as u64;

    let describe = DESCRIBE.request(port);
    let answer = load::one(port, &describe).await?;
    ensure!(answer.status == 200, "a read answers {}: {}", answer.status, answer.text());
    let bare_server = Server::bare(answer.body.len(), answer.head_bytes).await?;
    let bare_request = DESCRIBE.request(bare_server.port);
    let (mut reads, mut bare) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let ours = load::run(server, &describe, Traffic::Among(rows), REQUESTS).await?;
        let theirs = load::run(&bare_server, &bare_request, Traffic::Among(rows), REQUESTS).await?;
        // The first round warms both.
        if round > 0 {
            reads.push(ours);
            bare.push(theirs);
        }
    }
    drop(bare_server);

    let page = |token: Option<&str>| {
        let token = token.map(|token| format!(r#","NextToken":"{token}""#)).unwrap_or_default();
        LIST.request_of(port, format!(r#"{{"Limit":{PAGE}{token}}}"#).as_bytes())
    };
    let mut last = page(None);
    for _ in 1..rows.div_ceil(PAGE) {
        let answer: serde_json::Value = serde_json::from_slice(&load::one(port, &last).await?.body)?;
        last = page(Some(answer["NextToken"].as_str().context("a page that is not the last has a token")?));
    }
    let prefix = LIST.request_of(port, format!(r#"{{"Limit":{PAGE},"NamePrefix":"heron-0001"}}"#).as_bytes());
    Ok(Findings {
        rows,
        creates_per_second: filled.requests_per_second,
        bytes_per_row,
        // Puts over what is there, so that the number of resources stays: the store's work is the same.
        create: load::alone(port, put, Traffic::Among(rows), ALONE).await?,
        read: load::alone(port, describe, Traffic::Among(rows), ALONE).await?,
        first_page: load::alone(port, page(None), Traffic::Same, ALONE).await?,
        last_page: load::alone(port, last, Traffic::Same, ALONE).await?,
        prefix_page: load::alone(port, prefix, Traffic::Same, ALONE).await?,
        reads: Measurement::median(reads),
        bare: Measurement::median(bare),
    })
}

fn markdown(found: &[(&str, Findings)]) -> String {
    let mut text = String::from(
        "# Resources at size\n\nWritten by `cargo run --release --manifest-path benches/Cargo.toml -- stateful`: EventBridge \
         rules over HTTP, few and many.\nTimes are medians in microseconds of requests one after the other on one \
         connection; a page is 100 rules; *put* is over one that is\nthere. *Reads* are of 16 connections at once, all over \
         the place, beside a bare hyper server that returns as many bytes.\nClient and servers share the machine: read the \
         ratios.\n\n\
         | backend | rules | creates/s | bytes/rule | put | read | first page | last page | page by prefix | reads/s | bare/s | ratio (goal ≥ 0.5) |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for (name, one) in found {
        let bytes = if *name == "memory" { one.bytes_per_row.to_string() } else { "-".to_owned() };
        let times = times(one).map(|time| format!("{:.1}", time.as_secs_f64() * 1e6)).join(" | ");
        let (reads, bare) = (one.reads.requests_per_second, one.bare.requests_per_second);
        let _ = writeln!(
            text,
            "| {name} | {} | {:.0} | {bytes} | {times} | {reads:.0} | {bare:.0} | {:.2} |",
            one.rows,
            one.creates_per_second,
            reads / bare
        );
    }
    text.push_str("\nFrom few to many (goal ≤ 1.3), and compared to memory with many:\n\n");
    text.push_str("| backend | | put | read | first page | last page | page by prefix |\n| --- | --- | ---: | ---: | ---: | ---: | ---: |\n");
    let ratio = |one: &Findings, other: &Findings| report::ratios(&times(one), &times(other));
    for pair in found.chunks(2) {
        let [(name, few), (_, many)] = pair else { continue };
        let _ = writeln!(text, "| {name} | {} to {} | {} |", few.rows, many.rows, ratio(many, few));
        if let Some((_, memory)) = found.get(1).filter(|_| *name != "memory") {
            let _ = writeln!(text, "| {name} | to memory | {} |", ratio(many, memory));
        }
    }
    text
}

fn times(one: &Findings) -> [Duration; 5] {
    [one.create, one.read, one.first_page, one.last_page, one.prefix_page]
}
