//! `cargo run --release --manifest-path benches/Cargo.toml -- faults`: what fault rules cost calls that they do not touch,
//! told in `docs/benchmarks-faults.md`.
//!
//! One server per list of rules, all in the same run and measured in turns; what counts is the ratio to the server without
//! rules.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::cases;
use crate::load::{self, Measurement, REQUESTS, Traffic};
use crate::process::Server;

/// How often all servers are measured in turn; the median counts.
const ROUNDS: usize = 7;
/// Rules of a long list.
const MANY: usize = 100;

struct Rules {
    name: &'static str,
    count: usize,
    /// Of each: `N` stands for its number.
    rule: &'static str,
    goal: &'static str,
}

const LISTS: &[Rules] = &[
    Rules { name: "none", count: 0, rule: "", goal: "" },
    Rules {
        name: "for other services",
        count: MANY,
        rule: r#"{"id":"N","service":"sqs","error":"throttling"}"#,
        goal: "≥ 0.95",
    },
    Rules {
        name: "for other operations of the service",
        count: MANY,
        rule: r#"{"id":"N","service":"dynamodb","operation":"Put*","error":"throttling"}"#,
        goal: "≥ 0.95",
    },
    Rules {
        name: "for other regions, of all services",
        count: MANY,
        rule: r#"{"id":"N","region":"eu-*","error":"throttling"}"#,
        goal: "≥ 0.95",
    },
    Rules {
        name: "for another resource",
        count: 1,
        rule: r#"{"id":"N","service":"dynamodb","resource":"fish","error":"throttling"}"#,
        goal: "",
    },
    Rules {
        name: "for this call, a latency of 0",
        count: 1,
        rule: r#"{"id":"N","service":"dynamodb","latency":"0"}"#,
        goal: "",
    },
];

pub async fn measure() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let binary = crate::build(root)?;
    let case = &cases::ALL[0];
    let mut servers = Vec::new();
    for list in LISTS {
        let server = Server::standin_with(&binary, &["--stateless"]).await?;
        let rules: Vec<String> =
            (0..list.count).map(|number| list.rule.replace("\"N\"", &format!("\"{number}\""))).collect();
        put(&server, &format!("[{}]", rules.join(","))).await?;
        let answer = load::one(server.port, &case.request(server.port)).await?;
        ensure!(answer.status == 200, "{}: {} answers {}", list.name, case.name, answer.status);
        servers.push(server);
    }
    let mut text = String::from(
        "# Benchmarks: fault rules\n\n\
         Written by `cargo run --release --manifest-path benches/Cargo.toml -- faults`: DynamoDB GetItem against one server per\n\
         list of rules (`--stateless`), measured in turns. The ratio is to the server without rules, of the same run: the median of those of\n\
         each round. Requests that are *the same* are answered from memory, where a look at the rules weighs most.\n\n\
         | rules | requests | req/s | ratio | goal | p99 | CPU per request |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for repeated in [false, true] {
        let mut found: Vec<Vec<Measurement>> = servers.iter().map(|_| Vec::new()).collect();
        // The first round warms.
        for round in 0..=ROUNDS {
            let traffic = if repeated { Traffic::Same } else { Traffic::New(round * REQUESTS) };
            for (server, found) in servers.iter().zip(&mut found) {
                found.push(load::run(server, &case.request(server.port), traffic, REQUESTS).await?);
            }
        }
        let without: Vec<f64> = found[0].iter().map(|one| one.requests_per_second).collect();
        for (list, found) in LISTS.iter().zip(found) {
            let mut ratios: Vec<f64> =
                found.iter().zip(&without).skip(1).map(|(one, base)| one.requests_per_second / base).collect();
            ratios.sort_by(f64::total_cmp);
            let median = Measurement::median(found.into_iter().skip(1).collect());
            let _ = writeln!(
                text,
                "| {} {} | {} | {:.0} | {:.2} | {} | {:.2} ms | {:.1} µs |",
                list.count,
                list.name,
                if repeated { "the same" } else { "all different" },
                median.requests_per_second,
                ratios[ratios.len() / 2],
                list.goal,
                median.p99.as_secs_f64() * 1e3,
                median.cpu_us,
            );
        }
    }
    print!("{text}");
    std::fs::write(root.join("docs/benchmarks-faults.md"), text)?;
    Ok(())
}

async fn put(server: &Server, rules: &str) -> Result<()> {
    let request = format!(
        "PUT /_standin/faults HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{rules}",
        server.port,
        rules.len()
    );
    let answer = load::last(server.port, request.as_bytes()).await?;
    ensure!(answer.status == 200, "the rules answer {}: {}", answer.status, answer.text());
    Ok(())
}
