//! `doctor`: what of standin can run here, and why not.

mod around;
mod runtimes;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::Out;
use crate::cli::paint::{Cell, Paint, Tone, table};
use crate::config;
use crate::env;
use crate::error::CommandError;

/// Check what standin can do on this machine, and say what is in the way
///
/// Ends with 1 if something fails that every server needs; what only some environments need is a warning.
#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// The folder that servers keep their state in [default: STANDIN_DATA_DIR, or standin's own]
    #[arg(long, value_name = "DIR", env = env::DATA_DIR)]
    data_dir: Option<PathBuf>,

    /// The port that a server would listen on
    #[arg(long, value_name = "PORT", default_value_t = config::DEFAULT_PORT)]
    port: u16,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Something is not possible that not everybody needs.
    Warning,
    Bad,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Bad => "failed",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Self::Good => Tone::Good,
            Self::Warning => Tone::Busy,
            Self::Bad => Tone::Bad,
        }
    }
}

/// What was found out about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// `port`, `python` …
    what: &'static str,
    verdict: Verdict,
    found: String,
    /// What to do, where something is to be done.
    advice: Option<String>,
}

impl Finding {
    fn new(what: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { what, verdict, found: found.into(), advice: None }
    }

    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self::new(what, Verdict::Good, found)
    }

    fn warning(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(what, Verdict::Warning, found) }
    }

    fn bad(what: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..Self::new(what, Verdict::Bad, found) }
    }

    fn to_json(&self) -> Value {
        json!({ "check": self.what, "status": self.verdict.name(), "found": self.found, "advice": self.advice })
    }
}

impl DoctorArgs {
    pub(crate) fn run(&self, out: &mut Out) -> Result<u8, CommandError> {
        let data_dir = self.data_dir.clone().or_else(|| config::default_data_dir(&env::process));
        let mut findings = around::all(data_dir.as_deref(), self.port);
        let runtimes = runtimes::all(data_dir.as_deref());
        findings.extend(runtimes.findings.iter().cloned());
        let failed = findings.iter().any(|finding| finding.verdict == Verdict::Bad);
        if self.json {
            out.json(&json!({
                "version": env!("CARGO_PKG_VERSION"),
                "ok": !failed,
                "checks": findings.iter().map(Finding::to_json).collect::<Vec<_>>(),
                "runtimes": runtimes.to_json(),
            }))?;
            return Ok(u8::from(failed));
        }
        let paint = Paint::of(&std::io::stdout(), &env::process);
        let row = |finding: &Finding| {
            let verdict = Cell { text: finding.verdict.name().to_owned(), tone: finding.verdict.tone() };
            vec![finding.what.into(), verdict, finding.found.as_str().into()]
        };
        let rows: Vec<Vec<Cell>> = findings.iter().map(row).collect();
        write!(out, "{}", table(&["CHECK", "STATUS", "FOUND"], &rows, paint))?;
        let rows: Vec<Vec<Cell>> = runtimes.rows();
        writeln!(out)?;
        write!(out, "{}", table(&["AIRFLOW", "POSSIBLE", ""], &rows, paint))?;
        let advised: Vec<&Finding> = findings.iter().filter(|finding| finding.advice.is_some()).collect();
        if !advised.is_empty() {
            writeln!(out)?;
        }
        for finding in advised {
            writeln!(out, "{}: {}", finding.what, finding.advice.as_deref().unwrap_or_default())?;
        }
        Ok(u8::from(failed))
    }
}
