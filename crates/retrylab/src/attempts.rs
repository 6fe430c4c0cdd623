//! The attempts of each call, read off the journal.

use std::collections::HashMap;

use serde_json::Value;
use standin_faults::Class;
use standin_model::{Catalogue, Operation, Timestamp};

/// One request of a call.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub began_ms: i64,
    pub took_ms: f64,
    pub status: u16,
    /// What a fault rule did to it.
    pub fault: Option<String>,
    /// The code of the error that was answered.
    pub error: Option<String>,
    pub output: Option<Value>,
}

impl Attempt {
    /// Whether the caller got no answer that it could use, and a fault is to blame.
    pub fn is_broken(&self) -> bool {
        self.fault.as_deref().is_some_and(|fault| fault.contains("network") || fault.contains("error"))
    }

    /// Whether it did what it was to do, answered or not.
    pub fn is_done(&self) -> bool {
        let before = self
            .fault
            .as_deref()
            .is_some_and(|fault| fault.contains("error") || fault.contains("ResetBefore") || fault.contains("Hang"));
        self.status < 300 && !before
    }
}

/// What a program asked for once, with all requests that its SDK made for it.
#[derive(Clone, Debug)]
pub struct Call {
    pub service: String,
    pub operation: String,
    /// Whether it changes something.
    pub writes: bool,
    pub attempts: Vec<Attempt>,
}

impl Call {
    /// Whether a fault hit it at all.
    pub fn is_hit(&self) -> bool {
        self.attempts.iter().any(|attempt| attempt.fault.is_some())
    }

    /// The waits between an answer, or its loss, and the next attempt; in milliseconds.
    pub fn waits_ms(&self) -> impl Iterator<Item = f64> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds between requests of one run")]
        self.attempts.windows(2).map(|pair| ((pair[1].began_ms - pair[0].began_ms) as f64 - pair[0].took_ms).max(0.0))
    }
}

/// Groups the requests of a journal (as `/_standin/requests` gives them) by the call that they were made for. Clients that do
/// not send `amz-sdk-invocation-id` are taken at their input: the same one again, after a broken attempt, is a retry.
pub fn calls(requests: &[Value]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for request in requests {
        let (Some(service), Some(operation)) = (request["service"].as_str(), request["operation"].as_str()) else {
            continue;
        };
        let told = request["attempt"]["invocation"].as_str().map(str::to_owned);
        let is_told = told.is_some();
        let key = told.unwrap_or_else(|| format!("{service} {operation} {}", request["input"]));
        let attempt = attempt(request);
        let same =
            known.get(&key).copied().filter(|at| is_told || calls[*at].attempts.last().is_some_and(Attempt::is_broken));
        match same {
            Some(at) => calls[at].attempts.push(attempt),
            None => {
                known.insert(key, calls.len());
                let writes = modelled(service, operation).is_some_and(|operation| Class::Write.holds(operation, false));
                let (service, operation) = (service.to_owned(), operation.to_owned());
                calls.push(Call { service, operation, writes, attempts: vec![attempt] });
            }
        }
    }
    calls
}

fn modelled(service: &str, operation: &str) -> Option<&'static Operation> {
    Catalogue::shared().newest(service)?.open().ok()?.operation(operation)
}

fn attempt(request: &Value) -> Attempt {
    let faults: Vec<&str> =
        request["faults"].as_array().into_iter().flatten().filter_map(|fault| fault["what"].as_str()).collect();
    Attempt {
        began_ms: request["time"].as_str().and_then(Timestamp::parse_date_time).map_or(0, Timestamp::as_millis),
        took_ms: request["durationMicros"].as_f64().unwrap_or_default() / 1000.0,
        status: request["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or_default(),
        fault: (!faults.is_empty()).then(|| faults.join("; ")),
        error: request["error"]["code"].as_str().map(str::to_owned),
        output: request.get("output").cloned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attempts_of_one_invocation_are_one_call() {
        let request = |invocation: &str, time: &str| {
            json!({"service": "sqs", "operation": "CreateQueue", "status": 200, "time": time, "durationMicros": 10_000,
                   "attempt": {"invocation": invocation}, "input": {"QueueName": "q"}})
        };
        let calls = calls(&[
            request("a", "2026-01-01T00:00:00Z"),
            request("b", "2026-01-01T00:00:01Z"),
            request("a", "2026-01-01T00:00:00.110Z"),
        ]);
        assert_eq!(calls.iter().map(|call| call.attempts.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(calls[0].waits_ms().collect::<Vec<_>>(), [100.0]);
        assert!(calls[0].writes);
    }

    #[test]
    fn without_invocations_only_broken_attempts_are_retried() {
        let request = |faults: Value| {
            json!({"service": "sqs", "operation": "ListQueues", "status": 200, "time": "2026-01-01T00:00:00Z",
                   "input": {}, "faults": faults})
        };
        let broken = json!([{"what": "network ResetBefore"}]);
        let calls = calls(&[request(broken), request(json!([])), request(json!([]))]);
        assert_eq!(calls.iter().map(|call| call.attempts.len()).collect::<Vec<_>>(), [2, 1]);
        assert!(!calls[0].writes);
    }
}
