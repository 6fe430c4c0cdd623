//! Tests only: see `tests/clients.rs`.
