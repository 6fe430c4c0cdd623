//! The network side over real sockets.

mod harness;
mod limits;
mod plain;
mod proxy;
mod shutdown;
mod tls;
