#[allow(dead_code, reason = "the listener that uses the rest comes next")]
pub mod net;
