//! From a model to a lifecycle.

use standin_model::Service;

use crate::Lifecycle;

/// The lifecycle of a service.
pub fn infer(service: &'static Service) -> Lifecycle {
    Lifecycle { service, types: Box::default(), roles: service.operations.iter().map(|_| None).collect() }
}
