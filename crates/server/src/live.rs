//! Event streams that go on while something happens.

use bytes::Bytes;
use standin_core::{BodySource, BoxFuture, EventSource};
use standin_model::{Operation, Protocol, Service};
use standin_wire::{event_stream, server};

/// A body that is an answer's first bytes, and then each event when it comes.
struct Live {
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    first: Option<Bytes>,
    events: Box<dyn EventSource>,
}

/// The body of an answer with events. `first` is what of it is encoded already.
pub(crate) fn body(
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
    first: Bytes,
    events: Box<dyn EventSource>,
) -> Box<dyn BodySource> {
    Box::new(Live { service, operation, protocol, first: Some(first).filter(|first| !first.is_empty()), events })
}

impl BodySource for Live {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Bytes, std::io::Error>>> {
        Box::pin(async move {
            if let Some(first) = self.first.take() {
                return Some(Ok(first));
            }
            let stream = server::streaming_output(self.service, self.operation)?;
            let event = self.events.next().await?;
            Some(Ok(event_stream::write_events(self.service, self.protocol, stream.target, &[event]).into()))
        })
    }
}
