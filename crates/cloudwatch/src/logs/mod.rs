//! The events of CloudWatch Logs: streams, what is put into them, and the ways to read it.
//!
//! Log groups are resources like others: another handler keeps them, and is asked for them.

mod chunk;
mod describe;
mod filter;
mod pattern;
mod put;
mod read;
mod stream;
mod tail;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use standin_core::{Answer, Arn, BoxFuture, Call, Caller, Fidelity, Handler, OperationError, Place, codes};
use standin_model::{Document, Fields, Operation, Service};
use standin_store::{Scan, Space, Store, Table};
use standin_typed::Shape as _;
use tokio::sync::broadcast;

use crate::types::logs::{GetLogEventsResponse, Input, OPERATIONS, OutputLogEvent};
use chunk::Position;
use read::{Direction, Reader};
use stream::Stream;

/// The catalogue's id of the service.
pub const SERVICE: &str = "logs";
/// What an event counts beside its message, in bytes (of the documentation).
const EVENT_BYTES: i64 = 26;
/// Events of one answer, where the caller does not say how many.
const EVENTS_MAX: usize = 10_000;
/// An answer ends before it has more bytes of events.
const PAGE_BYTES_MAX: i64 = 1 << 20;
/// Rows that are read or deleted in one go.
const PAGE: usize = 64;
/// Calls that wait for a live tail, each of at most 1 MiB; one that falls behind misses the oldest, and is told so.
const TAILED: usize = 32;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// CloudWatch Logs, for all accounts and regions.
pub struct Logs {
    store: Arc<dyn Store>,
    /// Keeps the log groups.
    groups: Arc<dyn Handler>,
    caller: Caller,
    /// What is put is told to live tails.
    told: broadcast::Sender<Arc<put::Told>>,
}

/// What is known of a log group here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Group {
    name: String,
    /// Events that are older are not shown any more; nothing where they never expire.
    retention_ms: Option<i64>,
}

impl Group {
    /// The time before which events have expired.
    fn cutoff(&self, place: &Place) -> i64 {
        self.retention_ms.map_or(0, |retention| place.now.as_millis() - retention)
    }
}

fn space(place: &Place) -> Space {
    Space::new(&place.account, &place.region, SERVICE)
}

fn streams(place: &Place) -> Table {
    space(place).table(stream::TABLE)
}

fn chunks(place: &Place) -> Table {
    space(place).table(chunk::TABLE)
}

/// How much an event counts.
fn size_of(message: &str) -> i64 {
    i64::try_from(message.len()).unwrap_or(i64::MAX).saturating_add(EVENT_BYTES)
}

impl Logs {
    /// `groups` keeps the log groups, and `caller` reaches it.
    pub fn new(store: Arc<dyn Store>, groups: Arc<dyn Handler>, caller: Caller) -> Self {
        Self { store, groups, caller, told: broadcast::Sender::new(TAILED) }
    }

    /// The operations that are answered here.
    pub fn operations() -> impl Iterator<Item = &'static str> {
        OPERATIONS.iter().copied().chain(["CreateLogGroup", "DeleteLogGroup"])
    }

    async fn call(&self, call: &mut Call) -> Result<Answer, OperationError> {
        let place = crate::place_of(&call.context);
        let name = call.context.operation.name;
        let named = call.input.get("logGroupName").and_then(Document::as_str).unwrap_or_default().to_owned();
        match name {
            "CreateLogGroup" => {
                // The deletion of an older one of its name may have broken off.
                if self.group(&place, Some(&named), None).await.is_err() {
                    self.empty(&place, &named).await?;
                }
                return self.groups.handle(call).await;
            }
            "DeleteLogGroup" => {
                let answer = self.groups.handle(call).await?;
                self.empty(&place, &named).await?;
                return Ok(answer);
            }
            _ => {}
        }
        let input = Input::read(name, &call.input).ok_or_else(|| {
            OperationError::new(codes::UNKNOWN_OPERATION, format!("CloudWatch Logs has no operation {name} here."))
        })?;
        let output = match &input {
            Input::CreateLogStream(input) => {
                self.create(&place, &input.log_group_name, &input.log_stream_name).await?;
                Document::map()
            }
            Input::DeleteLogStream(input) => {
                self.delete(&place, &input.log_group_name, &input.log_stream_name).await?;
                Document::map()
            }
            Input::DescribeLogStreams(input) => self.describe(&place, input).await?.write(),
            Input::PutLogEvents(input) => self.put(&place, input).await?.write(),
            Input::GetLogEvents(input) => self.events(&place, input).await?.write(),
            Input::FilterLogEvents(input) => self.filter(&place, input).await?.write(),
            Input::StartLiveTail(input) => {
                let tail = self.tail(&place, input, &call.context.request_id).await?;
                let mut answer = Answer::new(Document::map(), Fidelity::Engine);
                answer.events = Some(Box::new(tail));
                return Ok(answer);
            }
        };
        Ok(Answer::new(output, Fidelity::Engine))
    }

    /// The log group that a call names, by name or identifier.
    async fn group(
        &self,
        place: &Place,
        name: Option<&str>,
        identifier: Option<&str>,
    ) -> Result<Group, OperationError> {
        let name = match (name, identifier) {
            (Some(name), None) => name.to_owned(),
            (None, Some(identifier)) => group_name(identifier).to_owned(),
            (Some(_), Some(_)) => {
                return Err(invalid(
                    "LogGroupName and LogGroupIdentifier cannot both be given; leave one of them out.",
                ));
            }
            (None, None) => return Err(invalid("A log group is needed: give logGroupName or logGroupIdentifier.")),
        };
        let mut input = Fields::with_capacity(2);
        input.push("logGroupNamePrefix", name.clone());
        // The name itself is the first of those that begin with it.
        input.push("limit", 1);
        let found = self.caller.call(place, (SERVICE, "DescribeLogGroups"), input, &name).await?.output;
        let found = found.get("logGroups").and_then(Document::as_list).and_then(<[_]>::first);
        let found = found.filter(|group| group.get("logGroupName").and_then(Document::as_str) == Some(&name));
        let Some(found) = found else { return Err(missing("The specified log group does not exist.")) };
        let retention_ms = found.get("retentionInDays").and_then(Document::as_i64).map(|days| days * DAY_MS);
        Ok(Group { name, retention_ms })
    }

    /// A stream of a group, with the version of its row.
    async fn find(&self, place: &Place, group: &str, name: &str) -> Result<Option<(Stream, u64)>, OperationError> {
        let row = self.store.get(&streams(place), &stream::key(group, name)).await.map_err(OperationError::internal)?;
        row.map(|row| Ok((Stream::from_row(&row)?, row.version))).transpose()
    }

    async fn existing(&self, place: &Place, group: &str, name: &str) -> Result<(Stream, u64), OperationError> {
        let found = self.find(place, group, name).await?;
        found.ok_or_else(|| missing("The specified log stream does not exist."))
    }

    async fn create(&self, place: &Place, group: &str, name: &str) -> Result<(), OperationError> {
        let group = self.group(place, Some(group), None).await?;
        let stream = Stream { name: name.to_owned(), created: place.now.as_millis(), ..Stream::default() };
        let mut batch = standin_store::Batch::default();
        let key = stream::key(&group.name, name);
        batch.check(&streams(place), key.as_str(), None);
        batch.put(&streams(place), key, stream.body(), stream.index(&group.name));
        if crate::commit(&*self.store, batch).await? {
            Ok(())
        } else {
            Err(OperationError::new("ResourceAlreadyExistsException", "The specified log stream already exists"))
        }
    }

    async fn delete(&self, place: &Place, group: &str, name: &str) -> Result<(), OperationError> {
        let group = self.group(place, Some(group), None).await?;
        for _ in 0..crate::ATTEMPTS_MAX {
            let (_, version) = self.existing(place, &group.name, name).await?;
            self.drop_events(place, &stream::prefix(&group.name, name)).await?;
            let mut batch = standin_store::Batch::default();
            let key = stream::key(&group.name, name);
            batch.check(&streams(place), key.as_str(), Some(version));
            batch.delete(&streams(place), key);
            if crate::commit(&*self.store, batch).await? {
                return Ok(());
            }
        }
        Err(OperationError::new("OperationAbortedException", "The log stream is being written to; try again."))
    }

    /// Takes away what lies in a group.
    async fn empty(&self, place: &Place, group: &str) -> Result<(), OperationError> {
        let within = stream::key(group, "");
        self.drop_events(place, &within).await?;
        self.drop_rows(&streams(place), &within).await
    }

    async fn drop_events(&self, place: &Place, prefix: &str) -> Result<(), OperationError> {
        self.drop_rows(&chunks(place), prefix).await
    }

    async fn drop_rows(&self, table: &Table, prefix: &str) -> Result<(), OperationError> {
        loop {
            let scan = Scan { prefix, after: None, limit: PAGE };
            let rows = self.store.scan(table, scan).await.map_err(OperationError::internal)?;
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = standin_store::Batch::default();
            for row in rows {
                batch.delete(table, row.key);
            }
            crate::commit(&*self.store, batch).await?;
        }
    }

    async fn events(
        &self,
        place: &Place,
        input: &crate::types::logs::GetLogEventsRequest,
    ) -> Result<GetLogEventsResponse, OperationError> {
        let group = self.group(place, input.log_group_name.as_deref(), input.log_group_identifier.as_deref()).await?;
        let (stream, _) = self.existing(place, &group.name, &input.log_stream_name).await?;
        let start = Position::at(input.start_time.unwrap_or(0).max(group.cutoff(place)));
        let end = Position::at(input.end_time.unwrap_or(i64::MAX));
        let limit = usize::try_from(input.limit.unwrap_or(i64::MAX)).map_or(EVENTS_MAX, |limit| limit.min(EVENTS_MAX));
        let token = match input.next_token.as_deref() {
            Some(token) => Some(read_token(token).ok_or_else(|| invalid("The specified nextToken is invalid."))?),
            None => None,
        };
        let (direction, low, high) = match token {
            Some((Direction::Forward, from)) => (Direction::Forward, from.max(start), end),
            Some((Direction::Backward, to)) => (Direction::Backward, start, to.min(end)),
            None if input.start_from_head == Some(true) => (Direction::Forward, start, end),
            None => (Direction::Backward, start, end),
        };
        let table = chunks(place);
        let mut reader = Reader::new(&*self.store, &table, &group.name, &stream, direction, low, high);
        let (mut events, mut bytes) = (Vec::new(), 0);
        let (mut first, mut last) = (None, None);
        while events.len() < limit {
            let Some((position, chunk)) = reader.next().await? else { break };
            let Some(event) = chunk.event(position.at as usize) else { break };
            bytes += size_of(event.message);
            if bytes > PAGE_BYTES_MAX && !events.is_empty() {
                break;
            }
            first.get_or_insert(position);
            last = Some(position);
            events.push(OutputLogEvent {
                timestamp: Some(event.time),
                message: Some(event.message.to_owned()),
                ingestion_time: Some(event.ingested),
            });
        }
        if direction == Direction::Backward {
            events.reverse();
            std::mem::swap(&mut first, &mut last);
        }
        // At an end the token that led there leads there again: what comes later is found by it.
        let rest = match direction {
            Direction::Forward => low,
            Direction::Backward if token.is_some() => high,
            Direction::Backward => low,
        };
        Ok(GetLogEventsResponse {
            events: Some(events),
            next_forward_token: Some(write_token(Direction::Forward, last.map_or(rest, Position::next))),
            next_backward_token: Some(write_token(Direction::Backward, first.unwrap_or(rest))),
        })
    }
}

impl Handler for Logs {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        Box::pin(self.call(call))
    }

    fn fidelity(&self, service: &'static Service, operation: &'static Operation) -> Fidelity {
        if OPERATIONS.contains(&operation.name) { Fidelity::Engine } else { self.groups.fidelity(service, operation) }
    }
}

/// The name in a log group's ARN, with or without `:*`; a name is itself.
fn group_name(identifier: &str) -> &str {
    let Some(arn) = Arn::parse(identifier) else { return identifier };
    let name = arn.resource.strip_prefix("log-group:").unwrap_or(arn.resource);
    name.strip_suffix(":*").unwrap_or(name)
}

fn write_token(direction: Direction, position: Position) -> String {
    let letter = if direction == Direction::Forward { 'f' } else { 'b' };
    format!("{letter}/{}/s", position.text())
}

fn read_token(token: &str) -> Option<(Direction, Position)> {
    let (direction, rest) = match token.split_once('/')? {
        ("f", rest) => (Direction::Forward, rest),
        ("b", rest) => (Direction::Backward, rest),
        _ => return None,
    };
    Some((direction, Position::parse(rest.strip_suffix("/s")?)?))
}

fn invalid(message: impl Into<String>) -> OperationError {
    OperationError::new("InvalidParameterException", message)
}

fn missing(message: &str) -> OperationError {
    OperationError::new("ResourceNotFoundException", message)
}
