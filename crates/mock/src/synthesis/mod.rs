//! Answers made from the model alone: valid in every constraint, plausible, and the same for the same request, account,
//! region and seed.
//!
//! An operation's output is planned once ([`compile`]): what every member means is read off its name, its place, its
//! shape and the service's waiters, and every text is tried against its pattern. A call then only follows the plan
//! ([`render`]): it echoes what the input says, and draws the rest from keys that hold seed, account, region, service and
//! the resource in question.

mod arn;
mod choice;
mod compile;
mod echo;
mod entity;
mod examples;
mod facts;
mod inputs;
mod lists;
mod matching;
mod naming;
mod nouns;
mod pagination;
mod plan;
mod render;
mod scalars;
pub(crate) mod settled;
mod tables;
mod template;
mod texts;
mod time;
mod trial;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use standin_core::{Answer, BoxFuture, Call, CallContext, Draw, Fidelity, Handler, OperationError};
use standin_model::{Catalogue, Document, Fields, Kind, Operation, Service, ShapeIx, Timestamp};

use compile::{Compiler, Mode};
use entity::Scene;
use plan::Plan;
use render::Renderer;

/// Plans are kept up to so many nodes (about 40 bytes each); beyond, all are dropped and made anew when asked for.
const CACHED_NODES_MAX: usize = 400_000;

/// How much of an input [`example_input`] fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Required members only.
    Required,
    /// Every member that is not deprecated, to a depth of a few structures.
    All,
}

/// Answers every operation with a model-valid, plausible, repeatable output.
#[derive(Debug, Default)]
pub struct Synthesizer {
    catalogue: Option<&'static Catalogue>,
    plans: RwLock<Plans>,
}

#[derive(Debug, Default)]
struct Plans {
    /// By the operation's address, for operations live as long as the process, and the planned shape.
    by_operation: HashMap<(usize, ShapeIx), Arc<Plan>>,
    nodes: usize,
}

impl Synthesizer {
    /// `catalogue` has the modelled examples.
    pub fn new(catalogue: &'static Catalogue) -> Self {
        Self { catalogue: Some(catalogue), plans: RwLock::default() }
    }

    /// The output for an input: valid against the output shape in every constraint. An empty map where the operation has
    /// no output. A streaming blob is a [`Document::Blob`], an event stream a list of maps with one entry each.
    pub fn synthesize(&self, context: &CallContext, input: &Document) -> Document {
        let Some(output) = context.operation.output else { return Document::map() };
        let plan = self.plan(context.service, context.operation, output);
        let scene = Scene::of(context, input);
        Document::Map(make(context.service, &plan, &scene))
    }

    /// A structure of another shape, told by the input of this operation: what `GetX` will show of the resource that
    /// this `CreateX` makes. `salt` tells resources apart that were asked for in the same words.
    pub fn synthesize_as(&self, context: &CallContext, shape: ShapeIx, input: &Document, salt: u64) -> Document {
        let plan = self.plan(context.service, context.operation, shape);
        let mut scene = Scene::of(context, input);
        scene.key = standin_model::words::mix(scene.key, salt);
        Document::Map(make(context.service, &plan, &scene))
    }

    fn plan(&self, service: &'static Service, operation: &'static Operation, shape: ShapeIx) -> Arc<Plan> {
        let key = (std::ptr::from_ref(operation).addr(), shape);
        if let Some(plan) = self.plans.read().unwrap_or_else(PoisonError::into_inner).by_operation.get(&key) {
            return Arc::clone(plan);
        }
        let own = operation.output == Some(shape);
        let example =
            self.catalogue.filter(|_| own).and_then(|catalogue| examples::output(catalogue, service, operation));
        let plan = Arc::new(Compiler::new(service, Some(operation), Mode::Output).plan(shape, example));
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        if plans.nodes > CACHED_NODES_MAX {
            *plans = Plans::default();
        }
        plans.nodes += plan.size;
        plans.by_operation.insert(key, Arc::clone(&plan));
        plan
    }
}

impl Handler for Synthesizer {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        let output = self.synthesize(&call.context, &call.input);
        Box::pin(std::future::ready(Ok(Answer::new(output, Fidelity::Synthesized))))
    }

    fn fidelity(&self, _service: &'static Service, _operation: &'static Operation) -> Fidelity {
        Fidelity::Synthesized
    }
}

/// Whether the ARNs of this kind of resource are known here, in a form of their own.
pub fn knows_arn(signing_name: &str, noun: &str) -> bool {
    let plain = standin_model::words::squash(noun);
    tables::ARNS
        .iter()
        .any(|(row, _)| row.split_once('/').is_some_and(|(service, own)| service == signing_name && own == plain))
}

/// Whether a member of this name leads to further pages.
pub fn is_page_token(name: &str) -> bool {
    pagination::is_token(name)
}

/// Whether a boolean member of this name says that there are further pages.
pub fn is_page_flag(name: &str) -> bool {
    pagination::is_more(name)
}

/// Whether a member of this name tells of something gone wrong.
pub fn tells_failure(name: &str) -> bool {
    let plain = standin_model::words::squash(name);
    choice::is_failure(name)
        || tables::ABSENT.contains(&plain.as_str())
        || tables::EXPLAINING.iter().any(|end| plain.ends_with(end))
}

/// The input member that bounds a page.
pub fn page_limit(service: &Service, operation: &Operation) -> Option<standin_model::Str> {
    let members = operation.input.and_then(|input| service.structure(input)).into_iter();
    let integers: Vec<_> = members
        .flat_map(|input| &input.members)
        .filter(|member| {
            matches!(service.target(member).kind, Kind::Integer | Kind::Long | Kind::Short | Kind::String { .. })
        })
        .map(|member| member.name)
        .collect();
    pagination::limit(operation, &integers)
}

/// The members of an error shape but its message, filled like an output's.
pub fn synthesize_error(
    context: &CallContext,
    service: &'static Service,
    operation: Option<&'static Operation>,
    error_shape: ShapeIx,
) -> Fields {
    let plan = Compiler::new(service, operation, Mode::Error).plan(error_shape, None);
    let input = Document::Null;
    make(service, &plan, &Scene::of(context, &input))
}

/// An input that the model accepts. Different draws give different resources.
pub fn example_input(
    service: &'static Service,
    operation: &'static Operation,
    fill: Fill,
    draw: &mut Draw,
) -> Document {
    let Some(shape) = operation.input else { return Document::map() };
    let plan = Compiler::new(service, Some(operation), Mode::Input(fill)).plan(shape, None);
    let input = Document::Null;
    let scene = Scene {
        partition: "aws",
        account: "000000000000",
        region: "us-east-1",
        base_url: "http://localhost:4566",
        origin: Timestamp::from_seconds(EXAMPLE_ORIGIN_SECONDS),
        key: draw.next_u64(),
        input: &input,
    };
    Document::Map(make(service, &plan, &scene))
}

/// 2026-01-01T00:00:00Z, as the clock's default origin.
const EXAMPLE_ORIGIN_SECONDS: i64 = 1_767_225_600;

fn make(service: &'static Service, plan: &Plan, scene: &Scene<'_>) -> Fields {
    let fields = Renderer { service, plan, scene, loose: false }.root();
    if fields.is_empty() && !plan.root.is_empty() {
        return Renderer { service, plan, scene, loose: true }.root();
    }
    fields
}
