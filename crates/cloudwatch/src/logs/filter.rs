//! FilterLogEvents: the events of many streams in one order.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use standin_core::{OperationError, Place};
use standin_store::{Range, Row};

use super::chunk::{Chunk, Position};
use super::pattern::Pattern;
use super::read::{Direction, Reader};
use super::stream::{self, Stream};
use super::{EVENTS_MAX, Logs, PAGE_BYTES_MAX, chunks, invalid, size_of, streams};
use crate::types::logs::{FilterLogEventsRequest, FilterLogEventsResponse, FilteredLogEvent};

/// Events that one call looks at; where few of them match, it answers with what it has, and a token.
const LOOKED_AT_MAX: usize = 100_000;
/// Streams of a group that are read in one go.
const STREAMS: usize = 1024;
/// The length of [`Position::text`].
const POSITION_CHARS: usize = 30;

/// Where the next page begins: behind an event of a stream, and before all that stand behind it.
#[derive(Clone, Debug, PartialEq)]
struct Bookmark {
    position: Position,
    stream: String,
}

impl Logs {
    pub(super) async fn filter(
        &self,
        place: &Place,
        input: &FilterLogEventsRequest,
    ) -> Result<FilterLogEventsResponse, OperationError> {
        let group = self.group(place, input.log_group_name.as_deref(), input.log_group_identifier.as_deref()).await?;
        if input.log_stream_names.is_some() && input.log_stream_name_prefix.is_some() {
            return Err(invalid("logStreamNames and logStreamNamePrefix cannot both be given; leave one of them out."));
        }
        if input.start_from_head == Some(false) {
            return Err(invalid("standin shows the oldest events first; leave startFromHead out."));
        }
        let pattern = Pattern::parse(input.filter_pattern.as_deref().unwrap_or_default())
            .map_err(|why| invalid(format!("Invalid filter pattern: {why}.")))?;
        let start = input.start_time.unwrap_or(0).max(group.cutoff(place));
        let end = Position::at(input.end_time.map_or(i64::MAX, |end| end.saturating_add(1)));
        let after = match input.next_token.as_deref().filter(|token| !token.is_empty()) {
            Some(token) => Some(Bookmark::read(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?),
            None => None,
        };
        let from = after.as_ref().map_or(start, |after| after.position.time.max(start));
        let found = self.streams_since(place, &group.name, from, input).await?;
        let limit = usize::try_from(input.limit.unwrap_or(i64::MAX)).map_or(EVENTS_MAX, |limit| limit.min(EVENTS_MAX));
        let table = chunks(place);
        // Streams are opened when it is their turn: most of them are over before, or begin after the page.
        let mut open: Vec<Option<Open<'_>>> = found.iter().map(|_| None).collect();
        let mut turns: BinaryHeap<_> = found
            .iter()
            .enumerate()
            .map(|(at, stream)| Reverse((stream.first.unwrap_or(from).max(from), &stream.name, at)))
            .collect();
        let (mut events, mut bytes, mut looked_at) = (Vec::new(), 0, 0);
        let (mut through, mut more) = (None, false);
        while let Some(Reverse((_, name, at))) = turns.pop() {
            let opened = open[at].get_or_insert_with(|| {
                let low = after.as_ref().map_or(Position::default(), |after| after.in_stream(name));
                let low = low.max(Position::at(start));
                let reader = Reader::new(&*self.store, &table, &group.name, &found[at], Direction::Forward, low, end);
                Open { reader, head: None }
            });
            if let Some((position, chunk)) = opened.head.take()
                && let Some(event) = usize::try_from(position.at).ok().and_then(|at| chunk.event(at))
            {
                looked_at += 1;
                if pattern.matches(event.message) {
                    bytes += size_of(event.message);
                    if events.len() == limit || bytes > PAGE_BYTES_MAX && !events.is_empty() {
                        more = true;
                        break;
                    }
                    events.push(FilteredLogEvent {
                        log_stream_name: Some(name.clone()),
                        timestamp: Some(event.time),
                        message: Some(event.message.to_owned()),
                        ingestion_time: Some(event.ingested),
                        event_id: Some(event_id(&group.name, name, position)),
                    });
                }
                through = Some(Bookmark { position, stream: name.clone() });
                if looked_at >= LOOKED_AT_MAX {
                    more = true;
                    break;
                }
            }
            opened.head = opened.reader.next().await?;
            if let Some((position, _)) = &opened.head {
                turns.push(Reverse((position.time, name, at)));
            }
        }
        let next_token = through.filter(|_| more).map(|through| through.write());
        Ok(FilterLogEventsResponse { events: Some(events), searched_log_streams: Some(Vec::new()), next_token })
    }

    /// The streams of a group that have events of a time or later.
    async fn streams_since(
        &self,
        place: &Place,
        group: &str,
        from: i64,
        input: &FilterLogEventsRequest,
    ) -> Result<Vec<Stream>, OperationError> {
        let table = streams(place);
        let mut found = Vec::new();
        if let Some(names) = &input.log_stream_names {
            for name in names {
                found.push(self.existing(place, group, name).await?.0);
            }
            found.sort_by(|one, other| one.name.cmp(&other.name));
            found.dedup_by(|one, other| one.name == other.name);
        } else {
            let mut asked = STREAMS;
            let (low, high) = (stream::by_last(group, from), stream::end_of(group));
            let rows = loop {
                let range = Range { index: stream::BY_LAST, from: &low, to: &high, limit: asked };
                let rows: Vec<Row> = self.store.range(&table, range).await.map_err(OperationError::internal)?;
                if rows.len() < asked {
                    break rows;
                }
                asked *= 4;
            };
            let prefix = input.log_stream_name_prefix.as_deref().unwrap_or_default();
            for row in &rows {
                let stream = Stream::from_row(row)?;
                if stream.name.starts_with(prefix) {
                    found.push(stream);
                }
            }
        }
        found.retain(|stream| stream.last.is_some_and(|last| last >= from));
        Ok(found)
    }
}

/// A stream that is being read.
struct Open<'s> {
    reader: Reader<'s>,
    /// The event whose turn it is.
    head: Option<(Position, Arc<Chunk>)>,
}

impl Bookmark {
    /// Where a stream goes on. Of one time, streams come by their names.
    fn in_stream(&self, name: &str) -> Position {
        match name.cmp(&self.stream) {
            Ordering::Equal => self.position.next(),
            Ordering::Less => Position::at(self.position.time + 1),
            Ordering::Greater => Position::at(self.position.time),
        }
    }

    fn write(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{}", self.position.text(), self.stream))
    }

    fn read(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let (position, stream) = text.split_at_checked(POSITION_CHARS)?;
        Some(Self { position: Position::parse(position)?, stream: stream.to_owned() })
    }
}

/// The same for the same event whenever it is read, as 56 digits.
fn event_id(group: &str, stream: &str, position: Position) -> String {
    let digest = Sha256::digest(stream::key(group, stream));
    let number = digest[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{:014}{number:020}{:012}{:010}", position.time, position.chunk, position.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookmarks_are_written_and_read() {
        let mark = Bookmark { position: Position { time: 7, chunk: 2, at: 3 }, stream: "birds/é".to_owned() };
        assert_eq!(Bookmark::read(&mark.write()), Some(mark));
        for token in ["", "!", "YWJj"] {
            assert_eq!(Bookmark::read(token), None, "{token}");
        }
    }

    #[test]
    fn ids_are_56_digits_and_differ_by_stream() {
        let position = Position { time: 1_700_000_000_000, chunk: 1, at: 2 };
        let (one, other) = (event_id("g", "a", position), event_id("g", "b", position));
        assert_eq!((one.len(), one.bytes().all(|byte| byte.is_ascii_digit())), (56, true));
        assert_ne!(one, other);
    }
}
