//! A call, what is known about it, and its answer.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use standin_model::{Document, Operation, Protocol, Service, Str, Timestamp};

use crate::{Dice, Hasher};

pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Everything known about a call but its input.
#[derive(Clone, Debug)]
pub struct CallContext {
    /// In UUID form. The same for the same seed, request and repetition.
    pub request_id: Box<str>,
    /// Counts the requests of this server from 1.
    pub ordinal: u64,
    pub service: &'static Service,
    pub operation: &'static Operation,
    /// The protocol in which the client spoke.
    pub protocol: Protocol,
    /// `aws`, `aws-cn` …
    pub partition: Str,
    /// 12 digits.
    pub account: Arc<str>,
    pub region: Arc<str>,
    pub access_key: Option<Arc<str>>,
    /// Scheme, host and port by which the caller reached standin, without a slash at the end: the base of URLs in answers.
    pub base_url: Arc<str>,
    /// When the request came, by the virtual clock.
    pub now: Timestamp,
    /// The reference of synthesised timestamps (`Clock::origin`).
    pub origin: Timestamp,
    pub dice: Dice,
    /// What a fault rule makes of this call, for the handler to carry out.
    pub mishap: Option<Arc<Mishap>>,
}

/// How the work of a call goes wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mishap {
    /// Reads see what is created and deleted only after this time.
    pub lag: Duration,
    /// Where the transition that the call begins ends.
    pub transition: Option<Twist>,
}

/// Where a transition ends that should have ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Twist {
    /// In the failed status of what was begun (`CREATE_FAILED`).
    Failed,
    /// Never.
    Stuck,
}

impl CallContext {
    /// A key for draws that belong to this account, region and service.
    pub fn key(&self, purpose: &str) -> Hasher {
        let mut key = self.dice.key(purpose);
        key.text(&self.account).text(&self.region).text(self.service.id);
        key
    }

    /// An ARN of this service, in this partition, region and account.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }
}

/// A decoded request.
pub struct Call {
    pub context: CallContext,
    /// By member name, as the operation's input shape says; an empty map where the operation takes no input.
    /// A streaming payload is absent here and comes as `body`.
    pub input: Document,
    /// The streaming payload, for operations that have one.
    pub body: Option<Box<dyn BodySource>>,
}

/// A body that comes, or goes, piece by piece.
pub trait BodySource: Send {
    /// The next piece; `None` at the end. After an error there is nothing more.
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, std::io::Error>>>;

    /// The length in bytes, where it is known.
    fn length(&self) -> Option<u64> {
        None
    }

    /// The checksums that the sender gave in headers or trailers and that were found to hold: the algorithm as S3 spells
    /// it, and the digest as base64. Complete once `next` has answered `None`.
    fn verified_checksums(&self) -> &[(&'static str, String)] {
        &[]
    }
}

/// Events that are told while they happen: the answer of an operation with an event stream.
pub trait EventSource: Send {
    /// The next event, a map with one entry named after the event's member of the stream's union; `None` at the end.
    fn next(&mut self) -> BoxFuture<'_, Option<Document>>;
}

/// How true an answer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fidelity {
    /// Made up from the model.
    Synthesized,
    /// Read from what earlier calls stored.
    Stateful,
    /// Worked out by code that knows the service.
    Engine,
}

impl Fidelity {
    pub fn name(self) -> Str {
        match self {
            Self::Synthesized => "synthesized",
            Self::Stateful => "stateful",
            Self::Engine => "engine",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Synthesized, Self::Stateful, Self::Engine].into_iter().find(|level| level.name() == text)
    }
}

/// Why an answer is what it is, for `/_standin/explain`. Kept short: a line per decision.
pub type Trace = Vec<Cow<'static, str>>;

/// A successful answer.
pub struct Answer {
    /// By member name, as the operation's output shape says.
    pub output: Document,
    /// Replaces the output's streaming payload member.
    pub body: Option<Box<dyn BodySource>>,
    /// Come behind those of the output's event stream.
    pub events: Option<Box<dyn EventSource>>,
    /// Replaces the operation's HTTP status where the model has no member for it (206 for a part of an object).
    pub status: Option<u16>,
    /// Headers that the model does not know.
    pub headers: Vec<(Str, String)>,
    pub fidelity: Fidelity,
    pub trace: Trace,
}

impl Answer {
    pub fn new(output: Document, fidelity: Fidelity) -> Self {
        Self { output, body: None, events: None, status: None, headers: Vec::new(), fidelity, trace: Trace::new() }
    }
}
