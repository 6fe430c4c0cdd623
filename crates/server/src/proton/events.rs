//! Deliveries of Proton's events: every target follows the event log at its own pace, in order.
//!
//! Where a target stands is a job of the store: whoever holds its lease delivers, so that of several processes with one
//! database only one does, and after a restart it goes on where it was. An event is delivered at least once; how often
//! another try comes after a failure is bounded, and then the next event has its turn. Nothing of this is in the way of what
//! makes the events: that is one write to the log, with the change itself.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use http::Uri;
use sha2::{Digest as _, Sha256};
use standin_core::Clock;
use standin_model::{Document, Fields};
use standin_proton::engine::events::Wanted;
use standin_store::jobs::{self, Backoff, Claim, Job, NewJob};
use standin_store::{Batch, Event, Space, Store, StoreError};

use super::put_events;
use super::webhook::{self, Secret};
use crate::app::App;
use crate::pass::Upstream;

/// Events that are read in one go.
const PAGE: usize = 64;
/// How long a target's lease lasts; it is prolonged with every event.
const LEASE_MS: i64 = 60_000;
/// How often the log is looked at: another process may have written to it.
const LOOK: Duration = Duration::from_secs(1);
/// How long a delivery rests after the store has failed.
const REST: Duration = Duration::from_secs(2);
const BACKOFF: Backoff = Backoff { first_ms: 500, most_ms: 60_000 };
/// How often the log is cut to what is kept.
const TRIM_EVERY: Duration = Duration::from_secs(10);

/// What becomes of Proton's events.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// How many the log keeps.
    pub keep: u64,
    pub targets: Vec<EventTarget>,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { keep: 10_000, targets: Vec::new() }
    }
}

/// Somebody who is told of events.
#[derive(Clone, Debug)]
pub struct EventTarget {
    pub to: EventSink,
    /// Nouns such as `Service Instance`; all where there are none.
    pub types: Vec<String>,
    /// How often one event is tried before it is given up. At least once.
    pub tries: u32,
}

/// Where events go.
#[derive(Clone, Debug)]
pub enum EventSink {
    /// A POST for each, signed where there is a secret. The `Upstream`'s TLS is for `https` only.
    Webhook { url: Uri, secret: Option<Secret>, tls: Option<Arc<rustls::ClientConfig>> },
    /// `PutEvents` of EventBridge, at whatever speaks it.
    PutEvents { upstream: Upstream, bus: Option<String> },
}

impl EventSink {
    /// For messages and as the identity of a target: a webhook's query may be secret.
    fn name(&self) -> String {
        match self {
            Self::Webhook { url, .. } => {
                let authority = url.authority().map_or("", |authority| authority.as_str());
                format!("{}://{authority}{}", url.scheme_str().unwrap_or("http"), url.path())
            }
            Self::PutEvents { upstream, bus } => {
                let url = upstream.url.as_ref().map_or_else(|| "aws".to_owned(), Uri::to_string);
                format!("PutEvents at {url} {}", bus.as_deref().unwrap_or_default())
            }
        }
    }

    /// A name of the store's for it: the same in every process.
    pub(super) fn queue(&self) -> String {
        let digest = Sha256::digest(self.name());
        let hex: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        format!("proton-events-{hex}")
    }
}

/// The one job of a target.
const KEY: &str = "deliver";

/// Makes the targets that are new begin with what happens from now on.
pub(crate) async fn prepare(app: &App) -> Result<(), StoreError> {
    for target in &app.proton_events.targets {
        let queue = target.to.queue();
        if app.store.get(&jobs::table(queue.as_str()), KEY).await?.is_none() {
            let place = Place { after: end_of_log(&*app.store).await?, tries: 0 };
            let mut batch = Batch::default();
            batch.enqueue(place.job(&queue, 0));
            app.store.commit(batch).await?;
        }
    }
    Ok(())
}

/// The number of the last event.
pub(crate) async fn end_of_log(store: &dyn Store) -> Result<u64, StoreError> {
    let mut after = 0;
    loop {
        match store.events(after, PAGE * 16).await?.last() {
            Some(last) => after = last.sequence,
            None => return Ok(after),
        }
    }
}

/// Delivers events, and keeps the log from growing, as long as the server runs.
pub(crate) async fn work(app: &App) -> std::convert::Infallible {
    let targets = &app.proton_events.targets;
    tokio::select! {
        never = trim(app) => never,
        _ = join_all(targets.iter().map(|target| follow(app, target))), if !targets.is_empty() => std::future::pending().await,
    }
}

async fn trim(app: &App) -> std::convert::Infallible {
    let mut told = app.proton.follow();
    loop {
        // Nothing grows where nothing happens.
        let _ = told.changed().await;
        tokio::time::sleep(TRIM_EVERY).await;
        told.mark_unchanged();
        if let Err(error) = app.store.trim_events(app.proton_events.keep).await {
            tracing::warn!(%error, "the log of Proton's events could not be cut");
        }
    }
}

async fn follow(app: &App, target: &EventTarget) -> std::convert::Infallible {
    let mut told = app.proton.follow();
    let mut delivery = Delivery { app, target, queue: target.to.queue(), known: 0 };
    loop {
        told.mark_unchanged();
        let rest = match delivery.turn().await {
            Ok(Next::Again) => continue,
            Ok(Next::Rest(rest)) => rest.min(LOOK),
            // Another was faster.
            Err(StoreError::Conflict) => LOOK,
            Err(error) => {
                tracing::warn!(%error, to = target.to.name(), "deliveries of Proton's events wait: the store failed");
                REST
            }
        };
        tokio::select! {
            _ = told.changed() => {}
            () = tokio::time::sleep(rest) => {}
        }
    }
}

/// Where a target stands, as its job says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The number of the last event that is done with.
    after: u64,
    /// How often the next one was tried.
    tries: u32,
}

impl Place {
    fn read(payload: &Document) -> Self {
        let number = |name: &str| payload.get(name).and_then(Document::as_i64).unwrap_or_default();
        Self {
            after: u64::try_from(number("after")).unwrap_or_default(),
            tries: u32::try_from(number("tries")).unwrap_or_default(),
        }
    }

    fn payload(self) -> Document {
        let mut fields = Fields::with_capacity(2);
        fields.push("after", self.after.cast_signed());
        fields.push("tries", i64::from(self.tries));
        Document::Map(fields)
    }

    fn job(self, queue: &str, run_at_ms: i64) -> NewJob {
        NewJob {
            queue: queue.into(),
            key: KEY.into(),
            kind: "deliver".into(),
            // Of no account: only a reset of everything drops it.
            space: Space::new("-", "-", "proton-events"),
            payload: self.payload(),
            run_at_ms,
            // A claim is no try: owners may die as often as they like.
            attempts_max: u32::MAX,
        }
    }
}

enum Next {
    Again,
    Rest(Duration),
}

struct Delivery<'d> {
    app: &'d App,
    target: &'d EventTarget,
    queue: String,
    /// What this process knows to be done with.
    known: u64,
}

impl Delivery<'_> {
    /// Delivers a page of events, if there are any and nobody else does.
    async fn turn(&mut self) -> Result<Next, StoreError> {
        let store = &*self.app.store;
        if store.events(self.known, 1).await?.is_empty() {
            return Ok(Next::Rest(LOOK));
        }
        // The world outside knows nothing of a clock that stands still.
        let clock = Clock::real();
        let now_ms = clock.now().as_millis();
        let claim = Claim { queue: &self.queue, owner: &self.app.owner, now_ms, lease_ms: LEASE_MS, limit: 1 };
        let Some(mut job) = store.claim(claim).await?.into_iter().next() else {
            if store.get(&jobs::table(self.queue.as_str()), KEY).await?.is_none() {
                // A reset dropped it; what happened before is of no interest any more.
                let mut batch = Batch::default();
                batch.enqueue(Place { after: self.known, tries: 0 }.job(&self.queue, 0));
                store.commit(batch).await?;
                return Ok(Next::Again);
            }
            let due = jobs::next_due(store, &self.queue).await?.unwrap_or(now_ms);
            return Ok(Next::Rest(Duration::from_millis(u64::try_from(due - now_ms).unwrap_or(0).max(10))));
        };
        let mut place = Place::read(&job.payload);
        let events = store.events(place.after, PAGE).await?;
        let wanted = Wanted { types: self.target.types.clone(), ..Wanted::default() };
        for event in &events {
            if place.after > 0 && event.sequence > place.after + 1 {
                let (lost, to) = (event.sequence - place.after - 1, self.target.to.name());
                tracing::warn!(lost, to, "Proton's events were dropped from the log before they could be delivered");
            }
            if wanted.takes(event)
                && let Err(error) = self.send(event, place.tries).await
            {
                place.tries += 1;
                if place.tries < self.target.tries.max(1) {
                    let rest = BACKOFF.after(place.tries);
                    self.put_back(&job, place, clock.now().as_millis() + rest).await?;
                    tracing::debug!(
                        error,
                        to = self.target.to.name(),
                        tries = place.tries,
                        "an event will be tried again"
                    );
                    return Ok(Next::Rest(Duration::from_millis(rest.unsigned_abs())));
                }
                let id = event.body.get("id").and_then(Document::as_str).unwrap_or_default();
                tracing::warn!(
                    error,
                    id,
                    to = self.target.to.name(),
                    tries = place.tries,
                    "an event of Proton was given up"
                );
            }
            place = Place { after: event.sequence, tries: 0 };
            job.payload = place.payload();
            jobs::heartbeat(store, &mut job, clock.now().as_millis() + LEASE_MS).await?;
        }
        self.put_back(&job, place, clock.now().as_millis()).await?;
        self.known = place.after;
        Ok(Next::Again)
    }

    async fn put_back(&self, job: &Job, place: Place, run_at_ms: i64) -> Result<(), StoreError> {
        let mut batch = Batch::default();
        batch.complete(job).enqueue(place.job(&self.queue, run_at_ms));
        self.app.store.commit(batch).await.map(drop)
    }

    async fn send(&self, event: &Event, tries: u32) -> Result<(), String> {
        match &self.target.to {
            EventSink::Webhook { url, secret, tls } => {
                webhook::post(url, secret.as_ref(), tls.clone(), &event.body, tries + 1).await
            }
            EventSink::PutEvents { upstream, bus } => put_events::put(self.app, upstream, bus.as_deref(), event).await,
        }
    }
}
