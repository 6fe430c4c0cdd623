//! CloudWatch: the engines that keep log events and data points; the rest of both services stays with the fallback.

use std::sync::Arc;

use standin_cloudwatch::logs::{self, Logs};
use standin_cloudwatch::metrics::{self, Metrics};
use standin_core::{Caller, Registry};
use standin_state::Resources;
use standin_store::Store;

use crate::gate::Gate;

/// Registers the operations that are answered here. `caller` reaches the log groups.
pub(crate) fn register(
    registry: &mut Registry,
    caller: Caller,
    store: &Arc<dyn Store>,
    resources: &Arc<Resources>,
) -> Arc<Metrics> {
    let engine = Arc::new(Logs::new(store.clone(), resources.clone(), caller));
    let gate = Arc::new(Gate { service: logs::SERVICE, engine, resources: resources.clone() });
    for operation in Logs::operations() {
        registry.operation(logs::SERVICE, operation, gate.clone());
    }
    let engine = Arc::new(Metrics::new(store.clone()));
    let gate = Arc::new(Gate { service: metrics::SERVICE, engine: engine.clone(), resources: resources.clone() });
    for operation in Metrics::operations() {
        registry.operation(metrics::SERVICE, operation, gate.clone());
    }
    engine
}
