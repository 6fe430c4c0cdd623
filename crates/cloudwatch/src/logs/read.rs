//! The events of a stream in their order, chunk by chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use standin_core::OperationError;
use standin_store::{Range, Row, Scan, Store, Table};

use super::chunk::{self, Chunk, Position};
use super::stream::{self, Stream};

/// Chunks that are read in one go.
const AHEAD: usize = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the oldest event on.
    Forward,
    Backward,
}

/// Reads a stream from one position to another. Chunks may overlap in time; as many are held as do.
pub(super) struct Reader<'s> {
    store: &'s dyn Store,
    table: &'s Table,
    prefix: String,
    direction: Direction,
    /// The first event that may be shown.
    low: Position,
    /// The first that may not any more.
    high: Position,
    /// Where the store is asked for more; nothing where it has no more.
    from: Option<String>,
    /// Chunks that are read, but whose turn has not come.
    waiting: VecDeque<Arc<Chunk>>,
    /// Chunks whose events are being shown, with the next one of each.
    open: Vec<(Arc<Chunk>, usize)>,
}

impl<'s> Reader<'s> {
    pub(super) fn new(
        store: &'s dyn Store,
        table: &'s Table,
        group: &str,
        stream: &Stream,
        direction: Direction,
        low: Position,
        high: Position,
    ) -> Self {
        let prefix = stream::prefix(group, &stream.name);
        // What begins earlier, or ends later, has nothing to show: no chunk is longer.
        let from = match direction {
            Direction::Forward => chunk::from(&prefix, low.time.saturating_sub(stream.span)),
            Direction::Backward => chunk::back(&prefix, high.time.saturating_add(stream.span)),
        };
        Self {
            store,
            table,
            prefix,
            direction,
            low,
            high,
            from: Some(from),
            waiting: VecDeque::new(),
            open: Vec::new(),
        }
    }

    /// The next event: where it stands, and the chunk that it is in.
    pub(super) async fn next(&mut self) -> Result<Option<(Position, Arc<Chunk>)>, OperationError> {
        loop {
            if self.waiting.is_empty() && self.from.is_some() {
                self.read_ahead().await?;
            }
            let forward = self.direction == Direction::Forward;
            let positions = self.open.iter().enumerate().filter_map(|(at, (chunk, event))| {
                Some((chunk.position(if forward { *event } else { event.checked_sub(1)? })?, at))
            });
            let best = if forward { positions.min() } else { positions.max() };
            let due = self.waiting.front().is_some_and(|chunk| {
                best.is_none_or(|(best, _)| if forward { chunk.first <= best.time } else { chunk.last >= best.time })
            });
            if due && let Some(chunk) = self.waiting.pop_front() {
                let event = chunk.seek(if forward { self.low } else { self.high });
                self.open.push((chunk, event));
                continue;
            }
            // Chunks that are through are let go.
            let Some((position, at)) = best else {
                let through = self.open.is_empty() && self.waiting.is_empty() && self.from.is_none();
                self.open.clear();
                if through || self.waiting.is_empty() && self.from.is_none() {
                    return Ok(None);
                }
                continue;
            };
            if if forward { position >= self.high } else { position < self.low } {
                return Ok(None);
            }
            let (chunk, event) = &mut self.open[at];
            if forward {
                *event += 1;
            } else {
                *event -= 1;
            }
            let chunk = chunk.clone();
            if if forward { self.open[at].1 >= chunk.len() } else { self.open[at].1 == 0 } {
                self.open.swap_remove(at);
            }
            return Ok(Some((position, chunk)));
        }
    }

    async fn read_ahead(&mut self) -> Result<(), OperationError> {
        let Some(from) = self.from.take() else { return Ok(()) };
        let rows: Vec<Row> = match self.direction {
            Direction::Forward => {
                let scan = Scan { prefix: &self.prefix, after: Some(&from), limit: AHEAD };
                self.store.scan(self.table, scan).await
            }
            Direction::Backward => {
                let to = chunk_end(&self.prefix);
                self.store.range(self.table, Range { index: chunk::BACK, from: &from, to: &to, limit: AHEAD }).await
            }
        }
        .map_err(OperationError::internal)?;
        if rows.len() == AHEAD {
            self.from = rows.last().and_then(|row| match self.direction {
                Direction::Forward => Some(row.key.to_string()),
                // Behind the value of this one and before all others.
                Direction::Backward => {
                    row.index.iter().find(|entry| entry.index == chunk::BACK).map(|entry| format!("{}!", entry.value))
                }
            });
        }
        for row in &rows {
            self.waiting.push_back(Arc::new(Chunk::from_row(row)?));
        }
        Ok(())
    }
}

/// Behind all keys of a stream's chunks: they end in hexadecimal digits.
fn chunk_end(prefix: &str) -> String {
    format!("{prefix}g")
}
