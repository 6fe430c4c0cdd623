//! The API models of AWS: services, operations and shapes with every constraint and binding trait,
//! the packed catalogue that holds all of them, and [`Document`], the value that shapes describe.
//!
//! # Invariants
//! - This crate knows nothing of HTTP, bytes on the wire, async or storage.
//! - A [`Service`] that was opened lives as long as the process. The embedded catalogue opens each
//!   service at most once, so what is leaked is bounded by the catalogue's size; in return every name
//!   is a `&'static str` and nothing is counted or copied per request.
//!
//! ```
//! let catalogue = standin_model::Catalogue::embedded();
//! let mwaa = catalogue.newest("mwaa").expect("served").open().expect("readable");
//! let create = mwaa.operation("CreateEnvironment").expect("modelled");
//! assert_eq!(create.http.method, "PUT");
//! ```

mod amend;
mod catalogue;
mod codec;
mod document;
pub mod import;
mod ir;
mod near;
pub mod partition;
mod timestamp;
pub mod words;

pub use catalogue::{Catalogue, CatalogueError, Entry, Examples, IndexedOperation, pack};
pub use document::{Document, Fields, Key};
pub use ir::{
    Acceptor, Bound, Constraints, ErrorTrait, Example, Http, HttpChecksum, Kind, ListShape, Location, MapShape, Member,
    Operation, Paginator, Protocol, Segment, Service, Shape, ShapeIx, Str, Structure, TimestampFormat, Uri, Waiter,
    WaiterState, XmlNamespace,
};
pub use near::{misspelt, nearest};
pub use timestamp::Timestamp;
