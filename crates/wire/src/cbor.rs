//! CBOR as in Smithy RPC v2.
