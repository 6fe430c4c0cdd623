//! Who answers which operation.

use std::sync::Arc;

use standin_model::{Operation, Service};

use crate::{Answer, BoxFuture, Call, CallContext, FastMap, Fidelity, OperationError};

/// Answers operations.
pub trait Handler: Send + Sync {
    /// Answers one call. The input stays in the call, for the journal.
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>>;

    /// How true its answers to this operation are at best.
    fn fidelity(&self, service: &'static Service, operation: &'static Operation) -> Fidelity;
}

/// Finds the handler of an operation: one registered for that very operation, one for the whole service, or the fallback.
///
/// A copy has the same handlers; what is registered with one of them later, the other does not have.
#[derive(Clone)]
pub struct Registry {
    services: FastMap<String, Registered>,
    fallback: Arc<dyn Handler>,
}

/// What is registered for one service.
#[derive(Clone, Default)]
struct Registered {
    operations: FastMap<String, Arc<dyn Handler>>,
    others: Option<Arc<dyn Handler>>,
}

impl Registry {
    /// `fallback` answers whatever nobody else does.
    pub fn new(fallback: Arc<dyn Handler>) -> Self {
        Self { services: FastMap::default(), fallback }
    }

    /// Registers a handler for all operations of a service.
    pub fn service(&mut self, service: &str, handler: Arc<dyn Handler>) {
        self.services.entry(service.to_owned()).or_default().others = Some(handler);
    }

    /// Registers a handler for one operation.
    pub fn operation(&mut self, service: &str, operation: &str, handler: Arc<dyn Handler>) {
        let registered = self.services.entry(service.to_owned()).or_default();
        registered.operations.insert(operation.to_owned(), handler);
    }

    pub fn find(&self, context: &CallContext) -> &dyn Handler {
        self.find_by_name(context.service.id, context.operation.name)
    }

    pub fn find_by_name(&self, service: &str, operation: &str) -> &dyn Handler {
        let found = self
            .services
            .get(service)
            .and_then(|registered| registered.operations.get(operation).or(registered.others.as_ref()));
        &**found.unwrap_or(&self.fallback)
    }
}
