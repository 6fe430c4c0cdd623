//! PutLogEvents.

use standin_core::{OperationError, Place};
use standin_store::{Batch, Range, Row, Scan};

use super::chunk::{self, Chunk};
use super::stream::{self, Stream};
use super::{DAY_MS, Group, Logs, chunks, invalid, size_of, streams};
use crate::types::logs::{InputLogEvent, PutLogEventsRequest, PutLogEventsResponse, RejectedLogEventsInfo};

/// Of one call, in bytes (of the documentation, like the times below).
const CALL_BYTES_MAX: i64 = 1_048_576;
/// The longest time between the first and the last event of a call.
const CALL_SPAN_MAX: i64 = DAY_MS;
/// Older events are refused.
const AGE_MAX: i64 = 14 * DAY_MS;
/// Events that lie further in the future are refused.
const AHEAD_MAX: i64 = 2 * 60 * 60 * 1000;
/// What a stream keeps: its oldest events make room for new ones.
const STREAM_BYTES_MAX: i64 = 64 << 20;
/// Chunks that one call makes room by, at most.
const DROPPED_MAX: usize = 16;

/// What was put, for live tails.
#[derive(Debug)]
pub(super) struct Told {
    pub account: String,
    pub region: String,
    pub group: String,
    pub stream: String,
    pub ingested: i64,
    /// Time and message of each.
    pub events: Vec<(i64, String)>,
}

/// The events of a call that are taken, and what is told of the others.
fn accepted(
    events: &[InputLogEvent],
    now: i64,
    retention_ms: Option<i64>,
) -> (&[InputLogEvent], Option<RejectedLogEventsInfo>) {
    let before = |time: i64| events.partition_point(|event| event.timestamp < time);
    let too_new = events.partition_point(|event| event.timestamp <= now + AHEAD_MAX);
    let too_old = before(now - AGE_MAX);
    let expired = retention_ms.map_or(0, |retention| before(now - retention));
    let first = too_old.max(expired);
    let index = |at: usize, told: bool| told.then(|| i64::try_from(at).unwrap_or(i64::MAX));
    let rejected = (first > 0 || too_new < events.len()).then(|| RejectedLogEventsInfo {
        too_new_log_event_start_index: index(too_new, too_new < events.len()),
        too_old_log_event_end_index: index(too_old, too_old > 0),
        expired_log_event_end_index: index(expired, expired > 0),
    });
    (events.get(first..too_new).unwrap_or_default(), rejected)
}

fn check(events: &[InputLogEvent]) -> Result<(), OperationError> {
    let bytes: i64 = events.iter().map(|event| size_of(&event.message)).sum();
    if bytes > CALL_BYTES_MAX {
        return Err(invalid(format!("Upload too large: {bytes} bytes exceeds limit of {CALL_BYTES_MAX}")));
    }
    if !events.is_sorted_by_key(|event| event.timestamp) {
        return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
    }
    if let (Some(first), Some(last)) = (events.first(), events.last())
        && last.timestamp - first.timestamp > CALL_SPAN_MAX
    {
        return Err(invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ));
    }
    Ok(())
}

/// A token that no call needs any more; answers still have one.
pub(super) fn sequence_token(stream: &Stream) -> String {
    format!("{:056}", stream.created.unsigned_abs() + stream.next)
}

impl Logs {
    pub(super) async fn put(
        &self,
        place: &Place,
        input: &PutLogEventsRequest,
    ) -> Result<PutLogEventsResponse, OperationError> {
        let group = self.group(place, Some(&input.log_group_name), None).await?;
        check(&input.log_events)?;
        let now = place.now.as_millis();
        let (events, rejected) = accepted(&input.log_events, now, group.retention_ms);
        for _ in 0..crate::ATTEMPTS_MAX {
            let (mut stream, version) = self.existing(place, &group.name, &input.log_stream_name).await?;
            let batch = self.decide(place, &group, &mut stream, version, events).await?;
            if !events.is_empty() && !crate::commit(&*self.store, batch).await? {
                continue;
            }
            if self.told.receiver_count() > 0 {
                // An error is that the last one has just gone.
                let _ = self.told.send(std::sync::Arc::new(Told {
                    account: place.account.clone(),
                    region: place.region.clone(),
                    group: group.name.clone(),
                    stream: stream.name.clone(),
                    ingested: now,
                    events: events.iter().map(|event| (event.timestamp, event.message.clone())).collect(),
                }));
            }
            self.forget_expired(place, &group).await?;
            return Ok(PutLogEventsResponse {
                next_sequence_token: Some(sequence_token(&stream)),
                rejected_log_events_info: rejected,
                rejected_entity_info: None,
            });
        }
        Err(OperationError::new(
            "ServiceUnavailableException",
            "The log stream is being written to by too many others; try again.",
        ))
    }

    /// What is to be written, and the stream as it is then.
    async fn decide(
        &self,
        place: &Place,
        group: &Group,
        stream: &mut Stream,
        version: u64,
        events: &[InputLogEvent],
    ) -> Result<Batch, OperationError> {
        let (mut batch, table) = (Batch::default(), chunks(place));
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(batch) };
        let prefix = stream::prefix(&group.name, &stream.name);
        let ingested = place.now.as_millis();
        let mut rest = events;
        let mut chunk = match &stream.tail {
            Some(key) => {
                let row = self.store.get(&table, key).await.map_err(OperationError::internal)?;
                let fits =
                    |chunk: &Chunk| chunk.last <= first.timestamp && first.timestamp - chunk.first <= chunk::SPAN_MAX;
                row.map(|row| Chunk::from_row(&row)).transpose()?.filter(fits)
            }
            None => None,
        };
        while !rest.is_empty() {
            let mut current = chunk.take().unwrap_or_else(|| {
                stream.next += 1;
                Chunk::new(stream.next)
            });
            let mut room = chunk::BYTES_MAX - current.bytes;
            let begin = if current.bytes > 0 { current.first } else { rest[0].timestamp };
            let fits = rest.iter().take_while(|event| {
                room -= size_of(&event.message);
                room >= 0 && event.timestamp - begin <= chunk::SPAN_MAX
            });
            // One that is larger than a chunk has its own.
            let (now, later) = rest.split_at(fits.count().max(1));
            let before = current.bytes;
            current.append(ingested, now.iter().map(|event| (event.timestamp, event.message.clone())));
            stream.bytes += current.bytes - before;
            stream.span = stream.span.max(current.last - current.first);
            let key = current.key(&prefix);
            stream.tail = (current.bytes < chunk::BYTES_FEW).then(|| key.clone());
            batch.put(&table, key, current.body(), current.index(&prefix));
            rest = later;
        }
        stream.first = Some(stream.first.map_or(first.timestamp, |known| known.min(first.timestamp)));
        stream.last = Some(stream.last.map_or(last.timestamp, |known| known.max(last.timestamp)));
        stream.ingested = Some(ingested);
        self.make_room(place, group, stream, &mut batch).await?;
        let key = stream::key(&group.name, &stream.name);
        batch.check(&streams(place), key.as_str(), Some(version));
        batch.put(&streams(place), key, stream.body(), stream.index(&group.name));
        Ok(batch)
    }

    /// Lets go of a stream's oldest events: those that have expired, and those that it has no room for.
    async fn make_room(
        &self,
        place: &Place,
        group: &Group,
        stream: &mut Stream,
        batch: &mut Batch,
    ) -> Result<(), OperationError> {
        let cutoff = group.cutoff(place);
        if stream.first.is_none_or(|first| first >= cutoff) && stream.bytes <= STREAM_BYTES_MAX {
            return Ok(());
        }
        let (table, prefix) = (chunks(place), stream::prefix(&group.name, &stream.name));
        let scan = Scan { prefix: &prefix, after: None, limit: DROPPED_MAX };
        for row in self.store.scan(&table, scan).await.map_err(OperationError::internal)? {
            let chunk = Chunk::from_row(&row)?;
            stream.first = stream.first.map(|first| first.max(chunk.first));
            if chunk.last >= cutoff && stream.bytes <= STREAM_BYTES_MAX || stream.tail.as_deref() == Some(&*row.key) {
                break;
            }
            stream.bytes -= chunk.bytes;
            batch.delete(&table, row.key);
        }
        Ok(())
    }

    /// Lets go of the events of streams that nobody writes to any more, a few at a time.
    async fn forget_expired(&self, place: &Place, group: &Group) -> Result<(), OperationError> {
        const STREAMS: usize = 2;
        if group.retention_ms.is_none() {
            return Ok(());
        }
        // Those without events stand before.
        let (from, to) = (stream::by_last(&group.name, 1), stream::by_last(&group.name, group.cutoff(place)));
        if from >= to {
            return Ok(());
        }
        let range = Range { index: stream::BY_LAST, from: &from, to: &to, limit: STREAMS };
        for row in self.store.range(&streams(place), range).await.map_err(OperationError::internal)? {
            self.forget_events(place, group, &row).await?;
        }
        Ok(())
    }

    /// Lets go of all events of a stream. Where somebody writes to it meanwhile, the next call looks again.
    async fn forget_events(&self, place: &Place, group: &Group, row: &Row) -> Result<(), OperationError> {
        let mut stream = Stream::from_row(row)?;
        let (table, prefix) = (chunks(place), stream::prefix(&group.name, &stream.name));
        loop {
            let scan = Scan { prefix: &prefix, after: None, limit: super::PAGE };
            let rows = self.store.scan(&table, scan).await.map_err(OperationError::internal)?;
            let mut batch = Batch::default();
            batch.check(&streams(place), row.key.clone(), Some(row.version));
            let through = rows.len() < super::PAGE;
            for row in rows {
                batch.delete(&table, row.key);
            }
            if through {
                (stream.first, stream.last, stream.tail, stream.bytes) = (None, None, None, 0);
                batch.put(&streams(place), row.key.clone(), stream.body(), stream.index(&group.name));
            }
            if !crate::commit(&*self.store, batch).await? || through {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000;

    fn check_accepted(times: &[i64], retention: Option<i64>, expect: (usize, [Option<i64>; 3])) {
        let events: Vec<InputLogEvent> =
            times.iter().map(|time| InputLogEvent { timestamp: NOW + time, message: "m".into() }).collect();
        let (taken, rejected) = accepted(&events, NOW, retention);
        let rejected = rejected.map_or([None; 3], |info| {
            [info.too_new_log_event_start_index, info.too_old_log_event_end_index, info.expired_log_event_end_index]
        });
        assert_eq!((taken.len(), rejected), expect, "{times:?}");
    }

    #[test]
    fn what_is_too_old_or_too_new_is_told() {
        check_accepted(&[-1, 0, AHEAD_MAX], None, (3, [None; 3]));
        check_accepted(&[0, AHEAD_MAX + 1], None, (1, [Some(1), None, None]));
        check_accepted(&[-AGE_MAX - 2, -AGE_MAX - 1, 0], None, (1, [None, Some(2), None]));
        check_accepted(&[-DAY_MS - 1, 0], Some(DAY_MS), (1, [None, None, Some(1)]));
        check_accepted(&[AHEAD_MAX + 1], None, (0, [Some(0), None, None]));
    }

    #[test]
    fn calls_have_their_rules() {
        let event = |time: i64, bytes: usize| InputLogEvent { timestamp: time, message: "x".repeat(bytes) };
        let fails = |events: &[InputLogEvent], part: &str| {
            let error = check(events).expect_err("it breaks a rule");
            assert!(error.message.contains(part), "{}", error.message);
        };
        fails(&[event(2, 1), event(1, 1)], "chronological");
        fails(&[event(0, 1), event(DAY_MS + 1, 1)], "24 hours");
        fails(&[event(0, 1_048_551)], "too large");
        assert!(check(&[event(0, 1_048_550)]).is_ok());
        assert!(check(&[event(0, 1), event(DAY_MS, 1)]).is_ok());
    }
}
