//! The table.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Comparison;
use crate::touch::Touched;

pub struct Findings {
    pub comparisons: Vec<Comparison>,
    pub start: Duration,
    pub idle_kib: u64,
    pub touched: Touched,
    pub touched_kib: u64,
    pub binary_bytes: u64,
}

pub fn markdown(findings: &Findings) -> String {
    let mut text = String::from(
        "# Benchmarks\n\n\
         Written by `cargo run --release --manifest-path benches/Cargo.toml`, which builds standin, measures it beside a bare\n\
         hyper server that returns as many bytes, and rewrites this file. Client and server share the machine: read the\n\
         ratios, which come from the same run, rather than the rates. Rows with *all different* requests are what new inputs cost;\n\
         a request that was sent before may be answered from memory.\n\n",
    );
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let _ = writeln!(text, "Machine of this run: {cores} cores, {}.\n", processor());
    text.push_str(
        "| operation | protocol | requests | bytes | standin req/s | bare req/s | ratio (goal ≥ 0.6) | p99 standin | p99 bare | p99 ratio | CPU per request standin | CPU bare |\n\
         | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for one in &findings.comparisons {
        let (ours, bare) = (one.standin, one.bare);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {:.0} | {:.2} | {} | {} | {:.2} | {:.1} µs | {:.1} µs |",
            one.case.name,
            one.case.protocol,
            if one.repeated { "the same" } else { "all different" },
            one.response_bytes,
            ours.requests_per_second,
            bare.requests_per_second,
            ours.requests_per_second / bare.requests_per_second,
            ms(ours.p99),
            ms(bare.p99),
            ours.p99.as_secs_f64() / bare.p99.as_secs_f64(),
            ours.cpu_us,
            bare.cpu_us,
        );
    }
    text.push_str("\n| what | measured | goal |\n| --- | ---: | ---: |\n");
    let mut row = |what: &str, measured: String, goal: &str| {
        let _ = writeln!(text, "| {what} | {measured} | {goal} |");
    };
    row("start to the end of the first answer (median)", ms(findings.start), "≤ 20 ms");
    row("resident memory, idle", megabytes(findings.idle_kib), "≤ 15 MB");
    row(
        &format!("resident memory after a call to each of {} services", findings.touched.services),
        megabytes(findings.touched_kib),
        "≤ 120 MB",
    );
    row("size of the binary", megabytes(findings.binary_bytes / 1024), "≤ 30 MB");
    text
}

/// The cells of a row that tells how many times as long each of some times is as that of another list.
pub fn ratios(times: &[Duration], others: &[Duration]) -> String {
    let pairs = times.iter().zip(others);
    let cells = pairs.map(|(one, other)| format!("{:.2}", one.as_secs_f64() / other.as_secs_f64()));
    cells.collect::<Vec<_>>().join(" | ")
}

fn ms(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1e3)
}

/// Kibibytes in megabytes (10⁶ bytes).
fn megabytes(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 * 1024.0 / 1e6)
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).and_then(|rest| rest.split_once(':'));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned())
}
