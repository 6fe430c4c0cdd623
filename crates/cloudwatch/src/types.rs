//! The types of the operations that are answered here, from the catalogue.

/// Of CloudWatch Logs.
pub(crate) mod logs {
    #![allow(clippy::all, clippy::pedantic, dead_code, reason = "written by build.rs")]

    use standin_typed::prelude::*;

    include!(concat!(env!("OUT_DIR"), "/logs.rs"));
}

/// Of CloudWatch.
pub(crate) mod metrics {
    #![allow(clippy::all, clippy::pedantic, dead_code, reason = "written by build.rs")]

    use standin_typed::prelude::*;

    include!(concat!(env!("OUT_DIR"), "/metrics.rs"));
}
