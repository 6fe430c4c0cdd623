pub mod metrics;
pub mod net;
