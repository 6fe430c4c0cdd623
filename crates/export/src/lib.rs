//! AWS APIs as files for other tools.
//!
//! [`mockoon::environment`] writes a service as an environment that `mockoon-cli` and `standin mockoon` serve to SDKs;
//! [`openapi::document`] writes it as an OpenAPI 3.1 document.
//!
//! # Invariants
//! - No sockets, no files, no clock: the same model gives the same file, ids included.
//! - What an exported environment answers is what [`standin_wire`] would have sent for an answer of [`standin_mock`]; what
//!   varies in it stays within the constraints of the model.

pub mod mockoon;
pub mod openapi;
