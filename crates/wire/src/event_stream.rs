//! Event streams: frames, and shapes over frames.

use standin_model::{Document, Protocol, Service, ShapeIx};

use crate::message::DecodeError;

/// Writes events as frames. `union` is the event stream's union; each event is a map with one entry, named after the event's
/// member (an exception member gives an exception frame).
pub fn write_events(_service: &Service, _protocol: Protocol, _union: ShapeIx, _events: &[Document]) -> Vec<u8> {
    Vec::new()
}

/// Reads all frames of a finished stream into such maps; the initial response or request is passed over.
///
/// # Errors
/// When a frame is cut or damaged, or a payload does not fit its shape.
pub fn read_events(
    _service: &Service,
    _protocol: Protocol,
    _union: ShapeIx,
    _bytes: &[u8],
) -> Result<Vec<Document>, DecodeError> {
    Err(DecodeError::new("event streams are not read yet"))
}

/// Writes the `initial-response` (or `initial-request`) frame of an RPC protocol around a payload that is already encoded.
pub fn write_initial(_event_type: &str, _content_type: &str, _payload: &[u8]) -> Vec<u8> {
    Vec::new()
}

/// The payload of the `initial-response` or `initial-request` frame at the start of a stream, where there is one.
///
/// # Errors
/// When the first frame is cut or damaged.
pub fn read_initial(_bytes: &[u8]) -> Result<Option<&[u8]>, DecodeError> {
    Err(DecodeError::new("event streams are not read yet"))
}
