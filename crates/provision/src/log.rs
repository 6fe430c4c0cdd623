//! The log of deployments, in standin's own CloudWatch Logs: kept, searched and followed with what people have for that.

use standin_core::{Caller, OperationError, Place};
use standin_model::{Document, Fields, Timestamp};
use standin_proton::engine::provision::Order;

/// The log group; streams are named by deployments.
pub const GROUP: &str = "/aws/proton/deployments";
/// CloudWatch Logs takes 256 KB an event.
const LINE_BYTES_MAX: usize = 200_000;
/// Events of one call; CloudWatch takes 10,000.
const CALL_EVENTS_MAX: usize = 1000;
/// Bytes of one call; CloudWatch takes 1 MB with 26 bytes an event.
const CALL_BYTES_MAX: usize = 900_000;

/// Writes lines to the logs of deployments.
#[derive(Clone)]
pub struct Log {
    caller: Caller,
}

/// A line, and when it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub time: Timestamp,
    pub text: String,
}

impl Log {
    pub fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Adds lines to the log of an order's deployment, in their order.
    ///
    /// # Errors
    /// Where CloudWatch Logs refuses them.
    pub async fn add(&self, order: &Order, lines: &[Line]) -> Result<(), OperationError> {
        let mut rest = lines;
        while !rest.is_empty() {
            let mut bytes = 0;
            let fits = |line: &&Line| {
                bytes += line.text.len().min(LINE_BYTES_MAX) + 26;
                bytes <= CALL_BYTES_MAX
            };
            let count = rest.iter().take(CALL_EVENTS_MAX).take_while(fits).count().max(1);
            let (now, later) = rest.split_at(count);
            self.put(order, now).await?;
            rest = later;
        }
        Ok(())
    }

    /// Adds a line of standin's own.
    pub async fn say(&self, order: &Order, text: impl Into<String>) {
        let line = Line { time: order.now, text: text.into() };
        if let Err(error) = self.add(order, &[line]).await {
            tracing::warn!(error = error.message, deployment = order.deployment_id, "a line is not in the log");
        }
    }

    async fn put(&self, order: &Order, lines: &[Line]) -> Result<(), OperationError> {
        let place = Place {
            partition: order.partition.clone(),
            account: order.home.clone(),
            region: order.region.clone(),
            access_key: None,
            now: order.now,
        };
        let events: Vec<Document> = lines
            .iter()
            .map(|line| {
                let mut event = Fields::with_capacity(2);
                event.push("timestamp", line.time.as_millis());
                // An event is not empty.
                let text = if line.text.is_empty() { " " } else { &line.text };
                event.push("message", text[..text.floor_char_boundary(LINE_BYTES_MAX)].to_owned());
                Document::Map(event)
            })
            .collect();
        let group = || {
            let mut input = Fields::new();
            input.push("logGroupName", GROUP);
            input
        };
        let stream = || {
            let mut input = group();
            input.push("logStreamName", order.deployment_id.clone());
            input
        };
        let mut input = stream();
        input.push("logEvents", events);
        let call = |operation: &'static str, input: Fields| {
            let place = &place;
            async move { self.caller.call(place, ("logs", operation), input, &order.deployment_id).await }
        };
        match call("PutLogEvents", input.clone()).await {
            Err(error) if error.code.contains("NotFound") => {}
            ended => return ended.map(drop),
        }
        for (operation, input) in [("CreateLogGroup", group()), ("CreateLogStream", stream())] {
            match call(operation, input).await {
                Err(error) if !error.code.contains("AlreadyExists") => return Err(error),
                _ => {}
            }
        }
        call("PutLogEvents", input).await.map(drop)
    }
}
