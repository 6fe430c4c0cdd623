//! StartLiveTail: events as they come.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use standin_core::{BoxFuture, EventSource, OperationError, Place};
use standin_model::{Document, Fields};
use standin_typed::Shape as _;
use tokio::sync::broadcast;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::pattern::Pattern;
use super::put::Told;
use super::{Logs, invalid};
use crate::types::logs::{
    LiveTailSessionLogEvent, LiveTailSessionMetadata, LiveTailSessionStart, LiveTailSessionUpdate, StartLiveTailRequest,
};

/// How often a session tells what has come (of the documentation, like the numbers below).
const UPDATE: Duration = Duration::from_secs(1);
/// How long a session lasts.
const SESSION: Duration = Duration::from_secs(3 * 60 * 60);
/// Events of one update; what is more is left out, and the update says so.
const UPDATE_EVENTS_MAX: usize = 500;

/// A session: first its start, then an update each second.
pub(super) struct Tail {
    account: String,
    region: String,
    /// Identifiers by which groups were named, with their names.
    groups: Vec<(String, String)>,
    names: Vec<String>,
    prefixes: Vec<String>,
    pattern: Pattern,
    told: broadcast::Receiver<Arc<Told>>,
    start: Option<Document>,
    ticks: Interval,
    until: Instant,
    events: VecDeque<LiveTailSessionLogEvent>,
    /// Whether events were left out since the last update.
    sampled: bool,
    over: bool,
}

impl Logs {
    pub(super) async fn tail(
        &self,
        place: &Place,
        input: &StartLiveTailRequest,
        request_id: &str,
    ) -> Result<Tail, OperationError> {
        let mut groups = Vec::new();
        for identifier in &input.log_group_identifiers {
            let group = self.group(place, None, Some(identifier)).await?;
            groups.push((identifier.clone(), group.name));
        }
        let (names, prefixes) = (&input.log_stream_names, &input.log_stream_name_prefixes);
        if names.is_some() && prefixes.is_some() {
            return Err(invalid(
                "logStreamNames and logStreamNamePrefixes cannot both be given; leave one of them out.",
            ));
        }
        if groups.len() > 1 && (names.is_some() || prefixes.is_some()) {
            return Err(invalid("Streams can only be named where there is one log group."));
        }
        let pattern = Pattern::parse(input.log_event_filter_pattern.as_deref().unwrap_or_default())
            .map_err(|why| invalid(format!("Invalid filter pattern: {why}.")))?;
        let start = LiveTailSessionStart {
            request_id: Some(request_id.to_owned()),
            session_id: Some(request_id.to_owned()),
            log_group_identifiers: Some(input.log_group_identifiers.clone()),
            log_stream_names: names.clone(),
            log_stream_name_prefixes: prefixes.clone(),
            log_event_filter_pattern: input.log_event_filter_pattern.clone(),
        };
        let mut ticks = tokio::time::interval(UPDATE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Tail {
            account: place.account.clone(),
            region: place.region.clone(),
            groups,
            names: names.clone().unwrap_or_default(),
            prefixes: prefixes.clone().unwrap_or_default(),
            pattern,
            told: self.told.subscribe(),
            start: Some(event("sessionStart", start.write())),
            ticks,
            until: Instant::now() + SESSION,
            events: VecDeque::new(),
            sampled: false,
            over: false,
        })
    }
}

impl Tail {
    fn take(&mut self, told: &Told) {
        if told.account != self.account || told.region != self.region {
            return;
        }
        let Some((identifier, _)) = self.groups.iter().find(|(_, name)| *name == told.group) else { return };
        let wanted = self.names.is_empty() && self.prefixes.is_empty()
            || self.names.contains(&told.stream)
            || self.prefixes.iter().any(|prefix| told.stream.starts_with(prefix));
        if !wanted {
            return;
        }
        for (time, message) in told.events.iter().filter(|(_, message)| self.pattern.matches(message)) {
            if self.events.len() == UPDATE_EVENTS_MAX {
                self.sampled = true;
                return;
            }
            self.events.push_back(LiveTailSessionLogEvent {
                log_stream_name: Some(told.stream.clone()),
                log_group_identifier: Some(identifier.clone()),
                message: Some(message.clone()),
                timestamp: Some(*time),
                ingestion_time: Some(told.ingested),
            });
        }
    }

    fn update(&mut self) -> Document {
        let update = LiveTailSessionUpdate {
            session_metadata: Some(LiveTailSessionMetadata { sampled: Some(std::mem::take(&mut self.sampled)) }),
            session_results: Some(self.events.drain(..).collect()),
        };
        event("sessionUpdate", update.write())
    }
}

impl EventSource for Tail {
    fn next(&mut self) -> BoxFuture<'_, Option<Document>> {
        Box::pin(async move {
            if let Some(start) = self.start.take() {
                return Some(start);
            }
            if self.over {
                return None;
            }
            loop {
                tokio::select! {
                    told = self.told.recv() => match told {
                        Ok(told) => self.take(&told),
                        Err(broadcast::error::RecvError::Lagged(_)) => self.sampled = true,
                        Err(broadcast::error::RecvError::Closed) => return None,
                    },
                    now = self.ticks.tick() => {
                        if now < self.until {
                            return Some(self.update());
                        }
                        self.over = true;
                        let mut message = Fields::new();
                        message.push("message", "The session has reached the time limit of 3 hours.");
                        return Some(event("SessionTimeoutException", Document::Map(message)));
                    }
                }
            }
        })
    }
}

/// An event of the stream, by the name of its member.
fn event(name: &'static str, body: Document) -> Document {
    let mut fields = Fields::with_capacity(1);
    fields.push(name, body);
    Document::Map(fields)
}
