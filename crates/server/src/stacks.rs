//! CloudFormation: stacks whose resources are made by the other services.

use std::sync::Arc;

use standin_cloudformation::ServiceResources;
use standin_cloudformation::resources::Place;
use standin_cloudformation::stacks::{Engine, SERVICE};
use standin_core::{Clock, Dice, Registry};
use standin_model::Catalogue;
use standin_state::Resources;
use standin_store::Store;

use crate::gate::Gate;

/// Lets stacks be answered here; the rest of CloudFormation stays with the registry's fallback. What is registered so far makes
/// the resources of stacks.
pub(crate) fn register(
    registry: &mut Registry,
    catalogue: &'static Catalogue,
    store: &Arc<dyn Store>,
    resources: &Arc<Resources>,
) -> Arc<Engine> {
    let makers = ServiceResources::new(catalogue, Arc::new(registry.clone()));
    let engine = Arc::new(Engine::new(store.clone(), Arc::new(makers)));
    let gate = Arc::new(Gate { service: SERVICE, engine: engine.clone(), resources: resources.clone() });
    for operation in Engine::operations() {
        registry.operation(SERVICE, operation, gate.clone());
    }
    engine
}

/// Carries to their ends the operations on stacks that were under way when the server stopped.
pub(crate) async fn resume(engine: &Engine, clock: &Clock, dice: Dice) {
    let place = Place {
        partition: "aws".to_owned(),
        account: String::new(),
        region: String::new(),
        stack_name: String::new(),
        stack_id: String::new(),
        base_url: String::new(),
        now: clock.now(),
        origin: clock.origin(),
        dice,
    };
    match engine.resume(&place).await {
        Ok(0) => {}
        Ok(stacks) => tracing::info!(stacks, "operations on stacks were taken up again"),
        Err(error) => tracing::warn!(%error, "operations on stacks could not be taken up again"),
    }
}
