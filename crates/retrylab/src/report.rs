//! What was found, for people, for programs, and for test runners.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::profile::Profile;
use crate::retries::Retries;
use crate::verdict::Judgement;

/// The command under one profile, with one setting for retries.
#[derive(Clone, Debug)]
pub struct Run {
    pub profile: &'static Profile,
    pub retries: &'static Retries,
    pub exit_code: u8,
    pub judgements: Vec<Judgement>,
}

impl Run {
    /// Whether the command or one of its operations did not come through.
    pub fn is_bad(&self) -> bool {
        self.has_failed() || self.judgements.iter().any(|judgement| judgement.verdict.is_bad())
    }

    /// Whether the command failed, and need not have.
    pub fn has_failed(&self) -> bool {
        self.exit_code != 0 && !self.profile.hopeless
    }
}

/// A table for each run, and what each bad verdict is about.
pub fn text(runs: &[Run]) -> String {
    const HEADER: [&str; 6] = ["OPERATION", "CALLS", "REQUESTS", "ATTEMPTS", "WAITS", "VERDICT"];
    let mut text = String::new();
    for run in runs {
        let (profile, retries) = (run.profile, run.retries);
        let _ = write!(text, "{} ({})", profile.name, profile.about);
        if retries.name != "as-is" {
            let _ = write!(text, ", retries {} ({})", retries.name, retries.about);
        }
        let _ = writeln!(text, ": the command ended with {}", run.exit_code);
        let rows: Vec<[String; 6]> = run.judgements.iter().map(row).collect();
        let widths: Vec<usize> = (0..HEADER.len())
            .map(|at| rows.iter().map(|row| row[at].len()).chain([HEADER[at].len()]).max().unwrap_or_default())
            .collect();
        let header = (!rows.is_empty()).then(|| HEADER.map(str::to_owned));
        for row in header.into_iter().chain(rows) {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            let _ = writeln!(text, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for judgement in run.judgements.iter().filter(|judgement| judgement.verdict.is_bad()) {
            let _ = writeln!(text, "  ! {}", explanation(judgement));
        }
        text.push('\n');
    }
    let bad = runs.iter().filter(|run| run.is_bad()).count();
    let _ = match bad {
        0 => writeln!(text, "All {} runs came through.", runs.len()),
        _ => writeln!(text, "{bad} of {} runs did not come through.", runs.len()),
    };
    text
}

fn row(judgement: &Judgement) -> [String; 6] {
    [
        format!("{} {}", judgement.service, judgement.operation),
        judgement.calls.to_string(),
        format!("{} ({:.1}x)", judgement.requests, judgement.amplification()),
        judgement.attempts_max.to_string(),
        judgement.waits_ms.map_or_else(|| "-".to_owned(), |(low, high)| format!("{low:.0}-{high:.0} ms")),
        judgement.verdict.name().to_owned(),
    ]
}

/// One sentence on a bad verdict.
fn explanation(judgement: &Judgement) -> String {
    use crate::verdict::Verdict;
    let Judgement { service, operation, attempts_max, .. } = judgement;
    let errors =
        if judgement.errors.is_empty() { String::new() } else { format!(" ({})", judgement.errors.join(", ")) };
    match judgement.verdict {
        Verdict::Untouched | Verdict::Recovered | Verdict::FailedFast => format!("{service} {operation} came through"),
        Verdict::GaveUp => format!("{service} {operation} failed after {attempts_max} attempts{errors}"),
        Verdict::NotRetried => {
            format!("{service} {operation} failed with its first attempt{errors}: nothing retried it")
        }
        Verdict::Refused => {
            format!(
                "{service} {operation} was done and its answer lost; the retry was refused{errors}, so the caller saw an error"
            )
        }
        Verdict::Storm => {
            format!("{service} {operation} made {:.1} requests for each call", judgement.amplification())
        }
        Verdict::Duplicated => {
            let made = judgement.duplicates.iter().map(|made| made.join(" and ")).collect::<Vec<_>>().join("; ");
            format!(
                "{service} {operation} was done more than once: {made}; a client token would have kept it from that"
            )
        }
    }
}

/// Everything that was measured.
pub fn json(runs: &[Run]) -> Value {
    let told = runs.iter().map(|run| {
        let operations: Vec<Value> = run.judgements.iter().map(operation_json).collect();
        json!({
            "profile": run.profile.name,
            "retries": run.retries.name,
            "exitCode": run.exit_code,
            "bad": run.is_bad(),
            "operations": operations,
        })
    });
    json!({"runs": told.collect::<Vec<_>>(), "bad": runs.iter().any(Run::is_bad)})
}

fn operation_json(judgement: &Judgement) -> Value {
    let waits = judgement.waits_ms.map(|(low, high)| json!({"min": low, "max": high}));
    json!({
        "service": judgement.service,
        "operation": judgement.operation,
        "calls": judgement.calls,
        "requests": judgement.requests,
        "amplification": judgement.amplification(),
        "attemptsMax": judgement.attempts_max,
        "waitsMs": waits,
        "verdict": judgement.verdict.name(),
        "bad": judgement.verdict.is_bad(),
        "duplicates": judgement.duplicates,
        "errors": judgement.errors,
    })
}

/// A test suite for each run, with a test for the command and for each operation.
pub fn junit(runs: &[Run]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"standin retrylab\">\n");
    for run in runs {
        let suite = format!("{}.{}", run.profile.name, run.retries.name);
        let bad = run.judgements.iter().filter(|judgement| judgement.verdict.is_bad()).count();
        let failures = bad + usize::from(run.has_failed());
        let tests = run.judgements.len() + 1;
        let _ = writeln!(text, "  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\">");
        let failed =
            run.has_failed().then(|| ("failed".to_owned(), format!("the command ended with {}", run.exit_code)));
        test(&mut text, &suite, "command", failed);
        for judgement in &run.judgements {
            let name = format!("{} {}", judgement.service, judgement.operation);
            let failed =
                judgement.verdict.is_bad().then(|| (judgement.verdict.name().to_owned(), explanation(judgement)));
            test(&mut text, &suite, &name, failed);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn test(text: &mut String, suite: &str, name: &str, failure: Option<(String, String)>) {
    let _ = write!(text, "    <testcase classname=\"{suite}\" name=\"{}\"", escaped(name));
    match failure {
        None => text.push_str("/>\n"),
        Some((kind, message)) => {
            let _ =
                writeln!(text, "><failure type=\"{}\" message=\"{}\"/></testcase>", escaped(&kind), escaped(&message));
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    fn run(verdict: Verdict, duplicates: Vec<Vec<String>>) -> Run {
        let judgement = Judgement {
            service: "ec2".to_owned(),
            operation: "CreateVpc".to_owned(),
            calls: 1,
            requests: 2,
            attempts_max: 2,
            waits_ms: Some((12.0, 12.0)),
            verdict,
            duplicates,
            errors: Vec::new(),
        };
        let profile = Profile::find("lost-answer").expect("known");
        let retries = Retries::find("standard").expect("known");
        Run { profile, retries, exit_code: 0, judgements: vec![judgement] }
    }

    #[test]
    fn duplicates_are_told_in_every_form() {
        let runs = [run(Verdict::Duplicated, vec![vec!["vpc-1".to_owned(), "vpc-<2>".to_owned()]])];
        let text = text(&runs);
        assert!(text.contains("ec2 CreateVpc  1      2 (2.0x)  2         12-12 ms  duplicated"), "{text}");
        assert!(text.contains("vpc-1 and vpc-<2>"), "{text}");
        assert_eq!(json(&runs)["runs"][0]["operations"][0]["duplicates"][0][0], "vpc-1");
        let junit = junit(&runs);
        assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");
        assert!(junit.contains("vpc-1 and vpc-&lt;2&gt;"), "{junit}");
    }

    #[test]
    fn what_came_through_fails_nothing() {
        let runs = [run(Verdict::Recovered, Vec::new())];
        assert!(!runs[0].is_bad());
        assert!(text(&runs).ends_with("All 1 runs came through.\n"));
        assert!(!junit(&runs).contains("<failure"));
    }
}
