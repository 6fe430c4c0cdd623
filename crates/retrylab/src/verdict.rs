//! What is to be said of an operation after a run.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::attempts::Call;
use crate::profile::Profile;

/// More requests than this for each call make an outage worse.
const AMPLIFICATION_MAX: f64 = 4.0;

/// How an operation's callers came through; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// No fault hit it.
    Untouched,
    /// Every call that a fault hit ended well.
    Recovered,
    /// Every call failed, as nothing else could be.
    FailedFast,
    /// A call failed after as many attempts as the client makes.
    GaveUp,
    /// A call failed with its first attempt.
    NotRetried,
    /// The work was done, its answer lost, and the retry was refused because the work was done.
    Refused,
    /// More requests than help anybody.
    Storm,
    /// A retry did the work once more.
    Duplicated,
}

impl Verdict {
    pub fn is_bad(self) -> bool {
        self > Self::FailedFast
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Untouched => "untouched",
            Self::Recovered => "recovered",
            Self::FailedFast => "failed fast",
            Self::GaveUp => "gave up",
            Self::NotRetried => "not retried",
            Self::Refused => "retry refused",
            Self::Storm => "retry storm",
            Self::Duplicated => "duplicated",
        }
    }
}

/// One operation in one run.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub service: String,
    pub operation: String,
    pub calls: usize,
    pub requests: usize,
    /// The most attempts of one call.
    pub attempts_max: usize,
    /// The shortest and the longest wait before a retry, in milliseconds.
    pub waits_ms: Option<(f64, f64)>,
    pub verdict: Verdict,
    /// Resources that were made more than once: all that one call made.
    pub duplicates: Vec<Vec<String>>,
    /// Codes of the errors in which calls ended.
    pub errors: Vec<String>,
}

impl Judgement {
    /// Requests for each call.
    #[expect(clippy::cast_precision_loss, reason = "requests of one run")]
    pub fn amplification(&self) -> f64 {
        self.requests as f64 / self.calls.max(1) as f64
    }
}

/// Judges each operation that was called, by service and name.
pub fn verdicts(calls: &[Call], profile: &Profile) -> Vec<Judgement> {
    let mut by_operation: BTreeMap<(&str, &str), Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_operation.entry((&call.service, &call.operation)).or_default().push(call);
    }
    by_operation.into_iter().map(|((service, operation), calls)| judge(service, operation, &calls, profile)).collect()
}

fn judge(service: &str, operation: &str, calls: &[&Call], profile: &Profile) -> Judgement {
    let waits: Vec<f64> = calls.iter().flat_map(|call| call.waits_ms()).collect();
    let mut judgement = Judgement {
        service: service.to_owned(),
        operation: operation.to_owned(),
        calls: calls.len(),
        requests: calls.iter().map(|call| call.attempts.len()).sum(),
        attempts_max: calls.iter().map(|call| call.attempts.len()).max().unwrap_or_default(),
        waits_ms: waits.iter().copied().reduce(f64::min).zip(waits.iter().copied().reduce(f64::max)),
        verdict: Verdict::Untouched,
        duplicates: Vec::new(),
        errors: Vec::new(),
    };
    for call in calls.iter().filter(|call| call.is_hit()) {
        let made = made_again(call);
        let mut verdict = if made.is_empty() { outcome(call) } else { Verdict::Duplicated };
        if profile.hopeless && matches!(verdict, Verdict::GaveUp | Verdict::NotRetried) {
            verdict = Verdict::FailedFast;
        }
        judgement.duplicates.extend((!made.is_empty()).then_some(made));
        if verdict.is_bad()
            && let Some(code) = call.attempts.last().and_then(|attempt| attempt.error.clone())
            && !judgement.errors.contains(&code)
        {
            judgement.errors.push(code);
        }
        judgement.verdict = judgement.verdict.max(verdict);
    }
    if judgement.amplification() > AMPLIFICATION_MAX {
        judgement.verdict = judgement.verdict.max(Verdict::Storm);
    }
    judgement
}

fn outcome(call: &Call) -> Verdict {
    let Some(last) = call.attempts.last() else { return Verdict::Untouched };
    let was_done =
        call.attempts[..call.attempts.len() - 1].iter().any(|attempt| attempt.is_broken() && attempt.is_done());
    if last.is_broken() {
        return if call.attempts.len() == 1 { Verdict::NotRetried } else { Verdict::GaveUp };
    }
    // Other errors are what the program would have got in any case.
    if was_done && last.status >= 400 { Verdict::Refused } else { Verdict::Recovered }
}

/// What the attempts of a change made, where it was not the same: a thing that has another identifier is another thing.
fn made_again(call: &Call) -> Vec<String> {
    if !call.writes {
        return Vec::new();
    }
    let outputs =
        call.attempts.iter().filter(|attempt| attempt.is_done()).filter_map(|attempt| attempt.output.as_ref());
    let outputs: Vec<Vec<String>> = outputs.map(ids).collect();
    let own = |(at, output): (usize, &Vec<String>)| {
        let is_elsewhere = |id: &String| outputs.iter().enumerate().any(|(other, ids)| other != at && ids.contains(id));
        output.iter().find(|id| !is_elsewhere(id)).cloned()
    };
    let made: Vec<String> = outputs.iter().enumerate().filter_map(own).collect();
    if made.len() > 1 { made } else { Vec::new() }
}

/// What identifies things in an output: ARNs first, then ids.
fn ids(output: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(output, "", &mut found);
    found.sort_by_key(|id| !id.starts_with("arn:"));
    found
}

fn collect(value: &Value, name: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(entries) => entries.iter().for_each(|(name, value)| collect(value, name, found)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        Value::String(text) => {
            let name = name.to_ascii_lowercase();
            let identifies = ["arn", "id", "identifier"].iter().any(|end| name.ends_with(end));
            if identifies && !name.ends_with("requestid") {
                found.push(text.clone());
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::attempts::Attempt;

    fn attempt(status: u16, fault: Option<&str>, output: Option<Value>) -> Attempt {
        Attempt { began_ms: 0, took_ms: 0.0, status, fault: fault.map(str::to_owned), error: None, output }
    }

    fn check(profile: &str, attempts: Vec<Attempt>, expect: Verdict) -> Judgement {
        let call = Call { service: "ec2".to_owned(), operation: "CreateVpc".to_owned(), writes: true, attempts };
        let found = verdicts(&[call], Profile::find(profile).expect("known"));
        assert_eq!(found[0].verdict, expect, "{found:?}");
        found[0].clone()
    }

    fn made(fault: Option<&str>, id: &str) -> Attempt {
        attempt(200, fault, Some(json!({"Vpc": {"OwnerId": "1", "VpcId": id}})))
    }

    #[test]
    fn a_second_resource_is_a_duplicate() {
        let lost = Some("network ResetAfter");
        let found = check("lost-answer", vec![made(lost, "vpc-1"), made(None, "vpc-2")], Verdict::Duplicated);
        assert_eq!(found.duplicates, [["vpc-1", "vpc-2"]]);
        check("lost-answer", vec![made(lost, "vpc-1"), made(None, "vpc-1")], Verdict::Recovered);
    }

    #[test]
    fn work_before_the_fault_counts_only_where_it_was_done() {
        let reset = Some("network ResetBefore");
        check("reset", vec![made(reset, "vpc-1"), made(None, "vpc-2")], Verdict::Recovered);
        let exists = attempt(409, None, None);
        check("lost-answer", vec![made(Some("network ResetAfter"), "vpc-1"), exists.clone()], Verdict::Refused);
        check("reset", vec![made(reset, "vpc-1"), exists], Verdict::Recovered);
    }

    #[test]
    fn calls_that_end_in_the_fault_failed() {
        let throttled = || attempt(400, Some("error Throttling"), None);
        check("throttle", vec![throttled()], Verdict::NotRetried);
        check("throttle", vec![throttled(), throttled()], Verdict::GaveUp);
        check("outage", vec![throttled(), throttled()], Verdict::FailedFast);
        check("outage", std::iter::repeat_with(throttled).take(5).collect(), Verdict::Storm);
        check("none", vec![attempt(404, None, None)], Verdict::Untouched);
    }
}
