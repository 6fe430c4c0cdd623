//! The journal: the last requests and their answers, kept in memory for people and tests to look at.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};
use standin_core::{Fidelity, Trace};
use standin_faults::Hit;
use standin_model::{Document, Fields, Key, Operation, Protocol, Service, Str, Timestamp};
use standin_wire::{Response, client};
use tokio::sync::broadcast;

use crate::identify::{By, Scope};

/// Requests and answers with larger bodies are cut to what follows.
pub(crate) const LONG_BODY_BYTES: usize = 4 * 1024;
/// How many values of a long body are kept.
const VALUES_KEPT: usize = 2000;
/// How many bytes of texts and blobs of a long body are kept.
const TEXT_BYTES_KEPT: usize = 64 * 1024;
/// How much is kept of each text beyond.
const START_BYTES_KEPT: usize = 256;
/// Requests that wait for a slow reader of the stream; older ones are dropped for it.
const STREAM_BACKLOG: usize = 256;

/// One request and what became of it.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) id: Box<str>,
    pub(crate) ordinal: u64,
    pub(crate) time: Timestamp,
    pub(crate) scope: Scope,
    pub(crate) service: Option<Str>,
    pub(crate) operation: Option<Str>,
    pub(crate) protocol: Protocol,
    pub(crate) service_by: Option<By>,
    pub(crate) operation_by: Option<By>,
    pub(crate) method: Box<str>,
    /// With query, as sent; long ones are cut.
    pub(crate) target: Box<str>,
    pub(crate) input: Arc<Document>,
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) fidelity: Option<Fidelity>,
    pub(crate) trace: Trace,
    /// Which attempt of which call it was, as SDKs tell.
    pub(crate) attempt: Option<Attempt>,
    /// The fault rules that it suffered from.
    pub(crate) faults: Vec<Hit>,
    pub(crate) duration: Duration,
}

/// What SDKs say of retries: `amz-sdk-invocation-id`, the same for all attempts of a call, and `amz-sdk-request` (as in
/// `attempt=2; max=3`), on two lines.
#[derive(Clone, Debug)]
pub(crate) struct Attempt(Arc<str>);

impl Attempt {
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let kept = |text: &'_ str| text.floor_char_boundary(START_BYTES_KEPT);
        let (invocation, request) = (text(&INVOCATION_HEADER)?, text(&ATTEMPT_HEADER).unwrap_or_default());
        Some(Self(format!("{}\n{}", &invocation[..kept(invocation)], &request[..kept(request)]).into()))
    }

    fn to_json(&self) -> Value {
        let (invocation, request) = self.0.split_once('\n').unwrap_or((&self.0, ""));
        let number = |name: &str| -> Option<u64> {
            request.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        json!({"invocation": invocation, "number": number("attempt"), "max": number("max")})
    }
}

const INVOCATION_HEADER: HeaderName = HeaderName::from_static("amz-sdk-invocation-id");
const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("amz-sdk-request");

#[derive(Debug)]
pub(crate) enum Outcome {
    Output(Document),
    /// An output as it was sent: decoded when somebody looks, which spares keeping a tree per request.
    Encoded {
        response: Response,
        service: &'static Service,
        operation: &'static Operation,
    },
    Error {
        code: Box<str>,
        message: Box<str>,
    },
    /// A canned HTTP response, which has no document.
    Raw,
}

impl Record {
    pub(crate) fn to_json(&self) -> Value {
        let mut value = json!({
            "id": self.id,
            "ordinal": self.ordinal,
            "time": self.time.to_date_time(),
            "account": &*self.scope.account,
            "region": &*self.scope.region,
            "service": self.service,
            "operation": self.operation,
            "protocol": self.protocol.name(),
            "method": self.method,
            "target": self.target,
            "input": self.input.to_json(),
            "status": self.status,
            "fidelity": self.fidelity.map(Fidelity::name),
            "durationMicros": u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX),
        });
        if let Some(attempt) = &self.attempt {
            value["attempt"] = attempt.to_json();
        }
        if !self.faults.is_empty() {
            let told = self
                .faults
                .iter()
                .map(|hit| json!({"rule": hit.rule, "number": hit.number, "draw": hit.draw, "what": hit.what}));
            value["faults"] = told.collect();
        }
        if let Some(output) = self.output() {
            value["output"] = output.to_json();
        }
        if let Outcome::Error { code, message } = &self.outcome {
            value["error"] = json!({"code": code, "message": message});
        }
        value
    }

    /// The output, where it was a success.
    pub(crate) fn output(&self) -> Option<Cow<'_, Document>> {
        match &self.outcome {
            Outcome::Output(output) => Some(Cow::Borrowed(output)),
            Outcome::Encoded { response: Response { status, headers, body }, service, operation } => {
                let read = client::decode_response(self.protocol, service, operation, *status, headers, body);
                read.ok()?.ok().map(Cow::Owned)
            }
            Outcome::Error { .. } | Outcome::Raw => None,
        }
    }

    /// Why the answer was what it was. `role`: what the operation does with resources, where it has a role.
    pub(crate) fn explain(&self, role: Vec<String>) -> Value {
        let scope = &self.scope;
        json!({
            "id": self.id,
            "identified": {
                "service": self.service,
                "serviceBy": self.service_by.map(By::text),
                "operation": self.operation,
                "operationBy": self.operation_by.map(By::text),
                "protocol": self.protocol.name(),
                "partition": scope.partition,
                "account": &*scope.account,
                "accountBy": scope.account_by.text(),
                "region": &*scope.region,
                "regionBy": scope.region_by.text(),
                "accessKey": scope.access_key.as_deref(),
                "signed": scope.signed,
            },
            "fidelity": self.fidelity.map(Fidelity::name),
            "decisions": self.decisions(role),
            "request": self.to_json(),
        })
    }

    /// The trace; what every answer from the model alone has in common is only told when somebody asks.
    fn decisions(&self, role: Vec<String>) -> Trace {
        let mut decisions = self.trace.clone();
        if self.trace.is_empty() && self.fidelity != Some(Fidelity::Synthesized) {
            decisions.extend(role.into_iter().map(Into::into));
        }
        if let Some(By::Input) = self.service_by {
            decisions.insert(0, "of the services that share this signing name, the input fits this one".into());
        }
        if self.trace.is_empty() && self.fidelity == Some(Fidelity::Synthesized) {
            decisions.push("no response rule (/_standin/responses) fits".into());
            decisions.push("no handler knows this operation".into());
            decisions.push("made up from the model, the input, the account, the region and the seed".into());
        }
        decisions
    }
}

/// Which requests to show.
#[derive(Debug, Default)]
pub(crate) struct Filter<'f> {
    pub(crate) service: Option<&'f str>,
    pub(crate) operation: Option<&'f str>,
    /// `200`, or a class as in `4xx`.
    pub(crate) status: Option<&'f str>,
}

impl Filter<'_> {
    pub(crate) fn fits(&self, record: &Record) -> bool {
        let same = |wanted: Option<&str>, have: Option<Str>| match wanted {
            None => true,
            Some(wanted) => have.is_some_and(|have| have.eq_ignore_ascii_case(wanted)),
        };
        same(self.service, record.service)
            && same(self.operation, record.operation)
            && self.status.is_none_or(|wanted| match wanted.strip_suffix("xx") {
                Some(class) => class == (record.status / 100).to_string(),
                None => wanted == record.status.to_string(),
            })
    }
}

/// A ring of the last requests, with a live stream.
#[derive(Debug)]
pub(crate) struct Journal {
    ring: Mutex<VecDeque<Arc<Record>>>,
    capacity: usize,
    total: AtomicU64,
    /// Pushed out by newer ones since it was empty.
    dropped: AtomicU64,
    stream: broadcast::Sender<Arc<Record>>,
}

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            ring: Mutex::new(VecDeque::with_capacity(capacity.min(1024))),
            capacity,
            total: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            stream: broadcast::Sender::new(STREAM_BACKLOG),
        }
    }

    pub(crate) fn push(&self, record: Record) {
        self.total.fetch_add(1, Ordering::Relaxed);
        let record = Arc::new(record);
        if self.stream.receiver_count() > 0 {
            // An error means that nobody listens any more.
            let _ = self.stream.send(record.clone());
        }
        if self.capacity == 0 {
            return;
        }
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = if ring.len() == self.capacity { ring.pop_front() } else { None };
        self.dropped.fetch_add(u64::from(dropped.is_some()), Ordering::Relaxed);
        ring.push_back(record);
        drop(ring);
        // Freed outside the lock.
        drop(dropped);
    }

    /// The newest last.
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Record>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.iter().rev().find(|record| &*record.id == id).cloned()
    }

    pub(crate) fn clear(&self) {
        let old = std::mem::take(&mut *self.ring.lock().unwrap_or_else(PoisonError::into_inner));
        self.dropped.store(0, Ordering::Relaxed);
        drop(old);
    }

    /// Requests since start, cleared ones included.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// How many were kept and are no more, since the journal was cleared.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Record>> {
        self.stream.subscribe()
    }
}

/// Cuts a document down to what the journal keeps: the first values, and of long texts beyond the first ones their
/// starts. What is let go of is freed.
pub(crate) fn shorten(document: &mut Document) {
    keep(document, &mut Room { values: VALUES_KEPT, bytes: TEXT_BYTES_KEPT });
}

/// What may still be kept of one document.
struct Room {
    values: usize,
    bytes: usize,
}

impl Room {
    /// Whether a text or blob of so many bytes is kept whole.
    fn takes(&mut self, bytes: usize) -> bool {
        let fits = bytes <= self.bytes || bytes <= START_BYTES_KEPT;
        self.bytes = self.bytes.saturating_sub(bytes);
        fits
    }
}

fn keep(document: &mut Document, room: &mut Room) {
    match document {
        Document::Blob(bytes) if !room.takes(bytes.len()) => {
            *bytes = bytes::Bytes::copy_from_slice(&bytes[..START_BYTES_KEPT]);
        }
        Document::String(text) if !room.takes(text.len()) => *text = shortened(text).into(),
        Document::BigNumber(digits) if !room.takes(digits.len()) => *digits = shortened(digits).into(),
        Document::List(items) => {
            let kept = items.iter_mut().map(|item| keep_one(item, room)).take_while(|kept| *kept).count();
            items.truncate(kept);
            items.shrink_to_fit();
        }
        Document::Map(fields) => {
            let mut kept = Fields::with_capacity(fields.len().min(room.values));
            for (key, mut value) in std::mem::take(fields) {
                let whole = matches!(key, Key::Borrowed(_)) || room.takes(key.len());
                if !keep_one(&mut value, room) {
                    break;
                }
                kept.push(if whole { key } else { Key::Owned(shortened(&key)) }, value);
            }
            *fields = kept;
        }
        _ => {}
    }
}

/// Whether there was room for one more value.
fn keep_one(value: &mut Document, room: &mut Room) -> bool {
    match room.values.checked_sub(1) {
        Some(fewer) => room.values = fewer,
        None => return false,
    }
    keep(value, room);
    true
}

/// A message as the journal keeps it.
pub(crate) fn kept_message(mut message: String) -> Box<str> {
    message.truncate(message.floor_char_boundary(LONG_BODY_BYTES));
    message.into()
}

/// The start of a text, and how long it was.
fn shortened(text: &str) -> String {
    format!("{}… ({} bytes)", &text[..text.floor_char_boundary(START_BYTES_KEPT)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened_json(value: &Value) -> Value {
        let mut document = Document::from_json(value);
        shorten(&mut document);
        document.to_json()
    }

    #[test]
    fn what_fits_is_kept_whole() {
        let policy = "p".repeat(60_000);
        let value = json!({"Policy": policy, "Tags": [{"Key": "a", "Value": ""}], "Count": 1});
        assert_eq!(shortened_json(&value), value);
    }

    #[test]
    fn long_documents_are_cut() {
        let long = "é".repeat(100_000);
        let kept = shortened_json(&json!({"a": long, "b": "short"}));
        assert_eq!(kept["b"], "short");
        assert_eq!(kept["a"], format!("{}… (200000 bytes)", "é".repeat(START_BYTES_KEPT / 2)));
        let many = json!({"list": vec![json!({"a": 1}); 10_000]});
        let kept = shortened_json(&many);
        assert_eq!(kept["list"].as_array().map(Vec::len), Some(VALUES_KEPT / 2));
        let wide: serde_json::Map<String, Value> = (0..10_000).map(|at| (at.to_string(), Value::Null)).collect();
        assert_eq!(shortened_json(&Value::Object(wide)).as_object().map(serde_json::Map::len), Some(VALUES_KEPT));
    }
}
