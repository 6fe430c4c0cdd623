//! Engines that know how to forget.

use std::sync::Arc;

use standin_core::{Answer, BoxFuture, Call, Fidelity, Handler, OperationError};
use standin_model::{Operation, Service};
use standin_state::{Mode, Resources};

/// An engine's handler, unless its service is told to remember nothing: then the models answer.
pub(crate) struct Gate<H> {
    pub(crate) service: &'static str,
    pub(crate) engine: Arc<H>,
    pub(crate) resources: Arc<Resources>,
}

impl<H: Handler> Gate<H> {
    fn chosen(&self) -> &dyn Handler {
        match self.resources.mode(self.service) {
            Mode::Stateless => &*self.resources,
            _ => &*self.engine,
        }
    }
}

impl<H: Handler> Handler for Gate<H> {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        self.chosen().handle(call)
    }

    fn fidelity(&self, service: &'static Service, operation: &'static Operation) -> Fidelity {
        self.chosen().fidelity(service, operation)
    }
}
