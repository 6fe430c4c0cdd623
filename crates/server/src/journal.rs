//! The journal: the last requests and their answers, kept in memory for people and tests to look at.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use standin_core::{Fidelity, Trace};
use standin_model::{Document, Protocol, Str, Timestamp};
use tokio::sync::broadcast;

use crate::identify::{By, Scope};

/// What is kept of a request whose decoded form would be larger than this: everything but its long values.
pub(crate) const LONG_BODY_BYTES: usize = 64 * 1024;
/// How much of a long string or blob is kept.
const KEPT_BYTES: usize = 256;
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
    pub(crate) input: Document,
    pub(crate) status: u16,
    pub(crate) outcome: Outcome,
    pub(crate) fidelity: Option<Fidelity>,
    pub(crate) trace: Trace,
    pub(crate) duration: Duration,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Output(Document),
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
        match &self.outcome {
            Outcome::Output(output) => value["output"] = output.to_json(),
            Outcome::Error { code, message } => value["error"] = json!({"code": code, "message": message}),
            Outcome::Raw => {}
        }
        value
    }

    /// Why the answer was what it was.
    pub(crate) fn explain(&self) -> Value {
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
            "decisions": self.trace,
            "request": self.to_json(),
        })
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
    stream: broadcast::Sender<Arc<Record>>,
}

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            ring: Mutex::new(VecDeque::with_capacity(capacity.min(1024))),
            capacity,
            total: AtomicU64::new(0),
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
        drop(old);
    }

    /// Requests since start, cleared ones included.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Record>> {
        self.stream.subscribe()
    }
}

/// Cuts long strings and blobs of a large document, so that the journal's memory stays bounded.
pub(crate) fn shorten(document: &mut Document) {
    match document {
        Document::Blob(bytes) if bytes.len() > KEPT_BYTES => {
            *bytes = bytes::Bytes::copy_from_slice(&bytes[..KEPT_BYTES]);
        }
        Document::String(text) if text.len() > KEPT_BYTES => {
            let end = text.floor_char_boundary(KEPT_BYTES);
            *text = format!("{}… ({} bytes)", &text[..end], text.len()).into();
        }
        Document::List(items) => {
            const ITEMS_KEPT: usize = 100;
            items.truncate(ITEMS_KEPT);
            items.iter_mut().for_each(shorten);
        }
        Document::Map(fields) => fields.iter_mut().for_each(|(_, value)| shorten(value)),
        _ => {}
    }
}
