//! Events as they are kept: some of a stream's in one row.

use std::sync::Arc;

use standin_core::OperationError;
use standin_model::{Document, Fields};
use standin_store::{IndexEntry, Row};

/// The table of chunks. Keys are [`Chunk::key`].
pub(super) const TABLE: &str = "event-chunk";
/// The index of chunks from the last to the first, by [`back`].
pub(super) const BACK: &str = "back";
/// A chunk takes what comes until it has so many bytes: small enough to be written again with each call.
pub(super) const BYTES_FEW: i64 = 16 << 10;
/// A longer call becomes several chunks, so that readers need not hold more at a time.
pub(super) const BYTES_MAX: i64 = 128 << 10;
/// A chunk takes what comes for so long, in ms: who reads from a time on looks so far back for chunks that reach over it.
pub(super) const SPAN_MAX: i64 = 60 * 60 * 1000;
/// Times and numbers in keys are sorted as text: 48 bits of milliseconds reach to the year 10889.
const TIME_MAX: i64 = (1 << 48) - 1;
/// Values of an event in a chunk's list: when it happened, when it came, the message.
const VALUES: usize = 3;

/// Where an event stands in its stream. Never changes, and a later call's events of the same time stand behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// Milliseconds since 1970.
    pub time: i64,
    /// The number of the chunk within its stream.
    pub chunk: u64,
    /// Within the chunk.
    pub at: u64,
}

impl Position {
    /// Before all events of a time.
    pub(super) fn at(time: i64) -> Self {
        Self { time, chunk: 0, at: 0 }
    }

    /// Behind this event and before the next.
    pub(super) fn next(self) -> Self {
        Self { at: self.at + 1, ..self }
    }

    pub(super) fn text(self) -> String {
        format!("{:012x}{:010x}{:08x}", self.time.clamp(0, TIME_MAX), self.chunk, self.at)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() != 30 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let time = i64::from_str_radix(&text[..12], 16).ok()?;
        let chunk = u64::from_str_radix(&text[12..22], 16).ok()?;
        Some(Self { time, chunk, at: u64::from_str_radix(&text[22..], 16).ok()? })
    }
}

/// An event as it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event<'c> {
    pub time: i64,
    pub ingested: i64,
    pub message: &'c str,
}

/// Events of one stream, in the order of their times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    /// Counts the chunks of a stream.
    pub number: u64,
    pub first: i64,
    pub last: i64,
    pub bytes: i64,
    body: Arc<Document>,
}

impl Chunk {
    pub(super) fn new(number: u64) -> Self {
        let mut fields = Fields::new();
        fields.push("events", Vec::new());
        Self { number, first: 0, last: 0, bytes: 0, body: Arc::new(Document::Map(fields)) }
    }

    pub(super) fn from_row(row: &Row) -> Result<Self, OperationError> {
        let number = |name: &str| row.body.get(name).and_then(Document::as_i64);
        let read = || {
            Some(Self {
                number: u64::try_from(number("number")?).ok()?,
                first: number("first")?,
                last: number("last")?,
                bytes: number("bytes")?,
                body: row.body.clone(),
            })
        };
        read().ok_or_else(|| OperationError::internal(format!("the events of {} cannot be read", row.key)))
    }

    fn values(&self) -> &[Document] {
        self.body.get("events").and_then(Document::as_list).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.values().len() / VALUES
    }

    pub(super) fn event(&self, at: usize) -> Option<Event<'_>> {
        let values = self.values().get(at * VALUES..(at + 1) * VALUES)?;
        Some(Event { time: values[0].as_i64()?, ingested: values[1].as_i64()?, message: values[2].as_str()? })
    }

    pub(super) fn position(&self, at: usize) -> Option<Position> {
        Some(Position { time: self.event(at)?.time, chunk: self.number, at: at as u64 })
    }

    /// The first event that does not stand before a position.
    pub(super) fn seek(&self, position: Position) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.position(middle).is_some_and(|found| found < position) { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// Adds events, in the order of their times, none of which is before the last one that is here.
    pub(super) fn append(&mut self, ingested: i64, events: impl Iterator<Item = (i64, String)>) {
        let empty = self.len() == 0;
        let fields = Arc::make_mut(&mut self.body).as_map_mut();
        let Some(Document::List(values)) = fields.and_then(|fields| fields.get_mut("events")) else { return };
        for (time, message) in events {
            if empty && values.is_empty() {
                self.first = time;
            }
            self.last = time;
            self.bytes += super::size_of(&message);
            values.extend([Document::from(time), Document::from(ingested), Document::from(message)]);
        }
    }

    /// The body of its row.
    pub(super) fn body(&self) -> Document {
        let mut fields = Fields::with_capacity(5);
        fields.push("number", self.number.cast_signed());
        fields.push("first", self.first);
        fields.push("last", self.last);
        fields.push("bytes", self.bytes);
        fields.push("events", self.values().to_vec());
        Document::Map(fields)
    }

    /// Its key, in the order of first events. `prefix` names the stream.
    pub(super) fn key(&self, prefix: &str) -> String {
        format!("{prefix}{:012x}{:010x}", self.first.clamp(0, TIME_MAX), self.number)
    }

    pub(super) fn index(&self, prefix: &str) -> Arc<[IndexEntry]> {
        let value = format!("{}{:010x}", back(prefix, self.last), (1 << 40) - 1 - self.number);
        Arc::new([IndexEntry::new(BACK, value)])
    }
}

/// Where chunks begin that begin at a time or later.
pub(super) fn from(prefix: &str, time: i64) -> String {
    format!("{prefix}{:012x}", time.clamp(0, TIME_MAX))
}

/// Where chunks begin, from the last to the first, that end at a time or before.
pub(super) fn back(prefix: &str, time: i64) -> String {
    format!("{prefix}{:012x}", TIME_MAX - time.clamp(0, TIME_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_written_and_read() {
        let position = Position { time: 1_700_000_000_123, chunk: 7, at: 9 };
        assert_eq!(Position::parse(&position.text()), Some(position));
        assert!(position < position.next() && Position::at(position.time) < position);
        for text in ["", "x", &"g".repeat(30), &"é".repeat(15)] {
            assert_eq!(Position::parse(text), None, "{text}");
        }
    }

    #[test]
    fn events_are_found_by_position() {
        let mut chunk = Chunk::new(3);
        chunk.append(50, [(10, "a".to_owned()), (10, "b".to_owned()), (20, "c".to_owned())].into_iter());
        assert_eq!((chunk.first, chunk.last, chunk.bytes, chunk.len()), (10, 20, 81, 3));
        let seek = |time, chunk_number, at| chunk.seek(Position { time, chunk: chunk_number, at });
        assert_eq!((seek(0, 0, 0), seek(10, 3, 1), seek(10, 9, 0), seek(20, 0, 0), seek(21, 0, 0)), (0, 1, 2, 2, 3));
        assert_eq!(chunk.event(1), Some(Event { time: 10, ingested: 50, message: "b" }));
        assert_eq!(chunk.event(3), None);
        let row = Row { key: "k".into(), version: 1, body: Arc::new(chunk.body()), index: Arc::new([]) };
        let read = Chunk::from_row(&row).expect("it was written so");
        assert_eq!((read.number, read.len(), read.event(2)), (3, 3, chunk.event(2)));
    }
}
