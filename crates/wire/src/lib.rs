//! AWS's wire protocols, directed by shapes at run time: no code per service.
//!
//! A request goes [`server::decode_request`] → handler → [`server::encode_response`] or [`server::encode_error`];
//! [`client`] is the same from the other side. Formats ([`json`], [`cbor`], [`xml`], [`query`]) turn a shape's bytes
//! into a [`Document`](standin_model::Document) and back; [`bind`] spreads a structure over an HTTP message.
//!
//! # Invariants
//! - No sockets, no state, no service names (the few per-service facts of a protocol are named where they stand).
//! - No input makes anything here panic; nesting is bounded by [`DEPTH_MAX`].

pub mod bind;
pub mod cbor;
pub mod checksum;
pub mod chunked;
pub mod client;
pub mod event_stream;
pub mod gzip;
pub mod json;
pub mod message;
pub mod query;
pub mod server;
pub mod sigv4;
pub mod value;
pub mod xml;

pub use message::{DecodeError, EncodeError, Request, Response};

/// Documents nested deeper than this are refused. AWS services allow far less.
pub const DEPTH_MAX: usize = 128;

/// Messages of more values (members, items, entries) are refused: two bytes of JSON make a value of up to 250 bytes in
/// memory, so a limit on bytes alone would not bound it. AWS's own limits on sizes allow far fewer.
pub const VALUES_MAX: usize = 1_000_000;

/// Counts one more value of a message.
pub(crate) fn count_value(values: &mut usize) -> Result<(), DecodeError> {
    *values += 1;
    if *values > VALUES_MAX {
        return Err(DecodeError::new(format!("more than {VALUES_MAX} values")));
    }
    Ok(())
}
