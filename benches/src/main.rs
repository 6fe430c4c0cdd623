//! `cargo run --release --manifest-path benches/Cargo.toml`: builds standin, measures it beside a bare hyper server that
//! returns as many bytes, and writes the table in `docs/benchmarks.md`.
//!
//! Both servers run as processes of their own, one after the other, under the same client. Requests are bounded in
//! number; nothing leaves the loopback. With the argument `store`: the store alone; with `stateful`: resources over HTTP, few
//! and a million; with `mockoon`: `standin mockoon` beside `mockoon-cli`; with `faults`: what fault rules cost; with `proton`: Proton,
//! few services and 10,000; with `mwaa`: environments with simulated Airflows, and with `--airflow VERSION` a real one.

mod bare;
mod cases;
mod faults;
mod load;
mod mockoon;
mod mwaa;
mod process;
mod proton;
mod report;
mod stateful;
mod store;
mod touch;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::load::{Measurement, REQUESTS, Traffic};
use crate::process::Server;

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One operation measured on both servers.
pub struct Comparison {
    pub case: &'static cases::Case,
    pub repeated: bool,
    pub response_bytes: usize,
    pub standin: Measurement,
    pub bare: Measurement,
}

/// How often both servers are measured in turn; the median of the ratios counts.
const ROUNDS: usize = 5;
/// Starts of the binary; the median counts.
const STARTS: usize = 15;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", port, body_bytes, head_bytes] => bare::serve(port.parse()?, body_bytes.parse()?, head_bytes.parse()?),
        ["store", ref rows @ ..] => {
            let rows = rows.first().map(|rows| rows.parse()).transpose()?;
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(store::measure(rows))
        }
        ["mockoon", ref files @ ..] => {
            let files = files.first().map(|files| files.parse()).transpose()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(mockoon::measure(files))
        }
        ["stateful", ref rows @ ..] => {
            let rows = rows.first().map(|rows| rows.parse()).transpose()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(stateful::measure(rows))
        }
        ["proton", ref services @ ..] => {
            let services = services.first().map(|services| services.parse()).transpose()?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(proton::measure(services))
        }
        ["mwaa", ref arguments @ ..] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(mwaa::measure(arguments))
        }
        ["faults"] => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(faults::measure())
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(measure())
        }
    }
}

async fn measure() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("benches/ has a parent")?;
    let binary = build(root)?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(process::start_to_first_answer(&binary).await?);
    }
    starts.sort();
    let start = starts[starts.len() / 2];

    // Answers from the models: tables and environments that nobody made would not be found.
    let standin = Server::standin_with(&binary, &["--stateless"]).await?;
    let idle_kib = standin.resident_kib()?;
    let mut comparisons = Vec::new();
    for case in cases::ALL {
        for repeated in [false, true] {
            comparisons.push(compare(case, repeated, &standin).await?);
        }
    }
    drop(standin);

    let fresh = Server::standin(&binary).await?;
    let touched = touch::every_service(&fresh).await?;
    let touched_kib = fresh.resident_kib()?;
    drop(fresh);

    let findings = report::Findings {
        comparisons,
        start,
        idle_kib,
        touched,
        touched_kib,
        binary_bytes: std::fs::metadata(&binary)?.len(),
    };
    let text = report::markdown(&findings);
    print!("{text}");
    let file = root.join("docs/benchmarks.md");
    std::fs::create_dir_all(root.join("docs"))?;
    std::fs::write(&file, text)?;
    Ok(())
}

/// Builds the release binary, or takes the one in `STANDIN_BIN`.
fn build(root: &Path) -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("STANDIN_BIN") {
        return Ok(given.into());
    }
    let done = std::process::Command::new("cargo")
        .args(["build", "--release", "--package", "standin"])
        .current_dir(root)
        .status()
        .context("cargo")?;
    anyhow::ensure!(done.success(), "cannot build standin");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/standin"))
}

/// Measures one operation on standin and on the bare server, in turns.
async fn compare(case: &'static cases::Case, repeated: bool, standin: &Server) -> Result<Comparison> {
    let request = case.request(standin.port);
    let answer = load::one(standin.port, &request).await?;
    anyhow::ensure!(answer.status == 200, "{} answers {}: {}", case.name, answer.status, answer.text());
    let bare = Server::bare(answer.body.len(), answer.head_bytes).await?;
    let bare_request = case.request(bare.port);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    // The first round warms both.
    for round in 0..=ROUNDS {
        let traffic = if repeated { Traffic::Same } else { Traffic::New(round * REQUESTS) };
        ours.push(load::run(standin, &request, traffic, REQUESTS).await?);
        theirs.push(load::run(&bare, &bare_request, traffic, REQUESTS).await?);
    }
    ours.remove(0);
    theirs.remove(0);
    Ok(Comparison {
        case,
        repeated,
        response_bytes: answer.head_bytes + answer.body.len(),
        standin: Measurement::median(ours),
        bare: Measurement::median(theirs),
    })
}
