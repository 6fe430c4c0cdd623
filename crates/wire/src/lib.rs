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
