//! The handler: finds what an operation does, and does it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use standin_core::{Answer, BoxFuture, Call, CallContext, FastMap, Fidelity, Handler, OperationError};
use standin_lifecycle::{Overlay, Role, Verb};
use standin_mock::synthesis::Synthesizer;
use standin_model::{Document, Operation, Service, Str};
use standin_store::{Space, Store, StoreError, Table};

use crate::everywhere::Everywhere;
use crate::plan::OperationPlan;
use crate::record::Record;
use crate::resolve::BY_ID;
use crate::resource_groups;
use crate::rows::Rows;
use crate::schema::Schema;

/// How often a call decides anew because others were faster, before it gives up.
pub(crate) const ATTEMPTS_MAX: u32 = 64;

/// Whether a service remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// What is created can be read.
    #[default]
    Stateful,
    /// Every read answers with a made-up resource.
    Stateless,
}

impl Mode {
    pub fn name(self) -> Str {
        match self {
            Self::Stateful => "stateful",
            Self::Stateless => "stateless",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Stateful, Self::Stateless].into_iter().find(|mode| mode.name() == text)
    }
}

/// Answers operations from what earlier calls stored.
#[derive(Debug)]
pub struct Resources {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) synthesizer: Arc<Synthesizer>,
    /// By the service's address: services live as long as the process.
    schemas: RwLock<FastMap<usize, Arc<Schema>>>,
    modes: RwLock<PerService<Mode>>,
    overlays: Vec<Overlay>,
    /// How long transitions take.
    pace: RwLock<PerService<Duration>>,
    /// Tells resources apart that are asked for in the same words.
    sequence: AtomicU64,
}

/// A setting that a service may have for itself.
#[derive(Debug, Default)]
struct PerService<T> {
    usual: T,
    /// By catalogue id.
    services: FastMap<String, T>,
}

impl<T: Copy> PerService<T> {
    fn set(&mut self, service: Option<&str>, value: T) {
        match service {
            Some(service) => {
                self.services.insert(service.to_owned(), value);
            }
            None => self.usual = value,
        }
    }

    fn of(&self, service: &str) -> T {
        self.services.get(service).copied().unwrap_or(self.usual)
    }
}

/// Why a call could not be carried out.
#[derive(Debug)]
pub(crate) enum Failed {
    Operation(Box<OperationError>),
    Store(StoreError),
    /// Not for the stateful handler after all.
    Unknown,
}

impl From<OperationError> for Failed {
    fn from(error: OperationError) -> Self {
        Self::Operation(Box::new(error))
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One call on its way.
pub(crate) struct Work<'a> {
    pub resources: &'a Resources,
    pub rows: Rows<'a>,
    pub schema: &'a Schema,
    pub role: &'a Role,
    pub plan: &'a OperationPlan,
    pub context: &'a CallContext,
    pub input: &'a Document,
    /// Of a batch, the item of its list that this is about.
    pub item: Option<&'a Document>,
    pub space: Space,
    /// Tells this call apart from others.
    pub salt: u64,
}

impl Resources {
    /// `first`: the first of the numbers that tell resources apart. None may come twice in the life of a store.
    pub fn new(store: Arc<dyn Store>, synthesizer: Arc<Synthesizer>, first: u64) -> Self {
        Self {
            store,
            synthesizer,
            schemas: RwLock::default(),
            modes: RwLock::default(),
            pace: RwLock::default(),
            overlays: Vec::new(),
            sequence: AtomicU64::new(first),
        }
    }

    /// Corrects what is inferred of services, besides the overlays that are built in.
    #[must_use]
    pub fn with_overlays(mut self, overlays: Vec<Overlay>) -> Self {
        self.overlays = overlays;
        self
    }

    /// Where rows are kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The ARN and the id of what a resource lies in, the resource found by its id: of the user that an access key is of, say.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn parent_of(&self, table: &Table, id: &str) -> Result<Option<(String, String)>, StoreError> {
        let rows = self.store.find(table, BY_ID, id, None, 1).await?;
        let Some(record) = rows.into_iter().next().map(Record::from) else { return Ok(None) };
        let parent = record.ancestor(1);
        Ok(parent.and_then(|parent| Some((parent.arn()?.to_owned(), parent.id()?.to_owned()))))
    }

    /// Sets the mode of one service, or of all that have none of their own.
    pub fn set_mode(&self, service: Option<&str>, mode: Mode) {
        self.modes.write().unwrap_or_else(PoisonError::into_inner).set(service, mode);
    }

    pub fn mode(&self, service: &str) -> Mode {
        self.modes.read().unwrap_or_else(PoisonError::into_inner).of(service)
    }

    /// Sets how long transitions of one service take, or of all that have no time of their own.
    pub fn set_transitions(&self, service: Option<&str>, duration: Duration) {
        self.pace.write().unwrap_or_else(PoisonError::into_inner).set(service, duration);
    }

    pub fn transitions(&self, service: &str) -> Duration {
        self.pace.read().unwrap_or_else(PoisonError::into_inner).of(service)
    }

    /// Begins to count anew, as after a start with an empty store.
    pub fn restart(&self) {
        self.sequence.store(0, Ordering::Relaxed);
    }

    /// A number that no other call has.
    pub(crate) fn next_salt(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn schema(&self, service: &'static Service) -> Arc<Schema> {
        let key = std::ptr::from_ref(service).addr();
        if let Some(found) = self.schemas.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Arc::clone(found);
        }
        let own: Vec<Overlay> =
            self.overlays.iter().filter(|overlay| overlay.service() == service.id).cloned().collect();
        let lifecycle = standin_lifecycle::infer_with(service, &own).unwrap_or_else(|error| {
            tracing::error!(%error, "an overlay does not fit its service and is left out");
            standin_lifecycle::infer(service)
        });
        let schema = Arc::new(Schema::new(lifecycle));
        Arc::clone(self.schemas.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_insert(schema))
    }

    /// What an operation does with resources, and how that is known, in a few lines; none where it has no role.
    pub fn explain(&self, service: &'static Service, operation: &str) -> Vec<String> {
        let schema = self.schema(service);
        let Some(role) = service.operation(operation).and_then(|operation| schema.lifecycle.role(operation)) else {
            return Vec::new();
        };
        let name = &schema.lifecycle.resource(role.resource).name;
        let mut lines = vec![format!("its lifecycle's role: {:?} of the type {name}", role.verb)];
        lines.extend(role.why.iter().cloned());
        lines.push(format!("`standin describe {} --lifecycle` tells of the whole service", service.id));
        lines
    }

    async fn answer(&self, context: &CallContext, input: &Document) -> Result<Document, OperationError> {
        let schema = self.schema(context.service);
        let across = resource_groups::answers(context.service, context.operation);
        let planned = schema.plan(context.operation).filter(|_| !across);
        if planned.is_none() && !across {
            return Ok(self.synthesizer.synthesize(context, input));
        }
        let region = if schema.global { Arc::from("") } else { context.region.clone() };
        let space = Space { account: context.account.clone(), region, service: schema.id.clone() };
        for _ in 0..ATTEMPTS_MAX {
            let done = match planned {
                Some((role, plan)) => {
                    let (schema, space) = (&schema, space.clone());
                    let salt = self.next_salt();
                    let rows = Rows::of(&*self.store);
                    let item = None;
                    let work = Work { resources: self, rows, schema, role, plan, context, input, item, space, salt };
                    work.run().await
                }
                None => Everywhere { store: &*self.store, context }.answer(input).await,
            };
            match done {
                Ok(output) => return Ok(output),
                Err(Failed::Operation(error)) => return Err(*error),
                Err(Failed::Unknown) => return Ok(self.synthesizer.synthesize(context, input)),
                Err(Failed::Store(StoreError::Conflict)) => {}
                Err(Failed::Store(error)) => return Err(OperationError::internal(error)),
            }
        }
        Err(OperationError::internal("too many writers want the same resource"))
    }
}

impl Work<'_> {
    /// What the caller says of the resource: the input, or of a batch the item.
    pub(crate) fn said(&self) -> &Document {
        self.item.unwrap_or(self.input)
    }

    async fn run(&self) -> Result<Document, Failed> {
        match self.requests() {
            Some(list) => self.each(&list).await,
            None => self.once().await,
        }
    }

    /// Carries out the call, or one item of it.
    pub(crate) async fn once(&self) -> Result<Document, Failed> {
        match &self.role.verb {
            Verb::Create => self.create(false).await,
            Verb::Put => self.create(true).await,
            Verb::Read => self.read().await,
            Verb::List => self.list().await,
            Verb::Update => self.update(None).await,
            Verb::Act(status) => self.update(Some(*status)).await,
            Verb::Delete => self.delete().await,
            Verb::Tag => self.tag().await,
            Verb::Untag => self.untag().await,
            Verb::ListTags => self.list_tags().await,
        }
    }
}

impl Handler for Resources {
    fn handle<'a>(&'a self, call: &'a mut Call) -> BoxFuture<'a, Result<Answer, OperationError>> {
        if self.fidelity(call.context.service, call.context.operation) == Fidelity::Synthesized {
            return self.synthesizer.handle(call);
        }
        Box::pin(async move {
            let output = self.answer(&call.context, &call.input).await?;
            Ok(Answer::new(output, Fidelity::Stateful))
        })
    }

    fn fidelity(&self, service: &'static Service, operation: &'static Operation) -> Fidelity {
        if self.mode(service.id) == Mode::Stateless {
            return Fidelity::Synthesized;
        }
        match self.schema(service).lifecycle.role(operation) {
            Some(_) => Fidelity::Stateful,
            None if resource_groups::answers(service, operation) => Fidelity::Stateful,
            None => Fidelity::Synthesized,
        }
    }
}
