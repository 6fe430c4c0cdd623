//! From a model to a lifecycle.
//!
//! Operations are grouped by what they are about; the groups that something makes and something shows are types. What their
//! inputs require tells how they are identified and what they lie in; what their outputs hold tells where they are shown.

mod errors;
mod finish;
mod grouping;
mod heard;
mod identify;
mod kind;
mod members;
mod names;
mod parents;
mod relations;
mod rest;
mod status;
mod tags;
mod views;
mod whom;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use standin_model::{Operation, Service, ShapeIx, Str};

use crate::overlay::{self, Hints};
use crate::{Form, Lifecycle, Overlay, OverlayError, Part, Status, Step, TypeKind, Verb};
use members::{Given, Words};
use names::OperationName;

/// The lifecycle of a service, with what its built-in overlay says.
pub fn infer(service: &'static Service) -> Lifecycle {
    infer_with(service, &[]).expect("built-in overlays pass over what a model does not have")
}

/// The lifecycle of a service, with what its built-in overlay and then these say. Overlays of other services are passed over.
///
/// # Errors
/// When an overlay names what the model does not have.
pub fn infer_with(service: &'static Service, overlays: &[Overlay]) -> Result<Lifecycle, OverlayError> {
    let mine = overlays.iter().filter(|overlay| overlay.service() == service.id);
    let all: Vec<Overlay> = overlay::embedded(service.id).iter().chain(mine).cloned().collect();
    let mut draft = Draft::read(service);
    draft.hints = Hints::of(service, &all)?;
    draft.group();
    draft.identify();
    draft.show();
    draft.claim_rest();
    for overlay in all.iter().filter(|overlay| !overlay.lenient) {
        draft.heard(overlay)?;
    }
    let renamed = draft.hints.renamed();
    let mut lifecycle = draft.finish();
    for overlay in &all {
        overlay::patch(&mut lifecycle, overlay, &renamed)?;
    }
    Ok(lifecycle)
}

/// A member's name: the words before its role, and the role.
type Dissected = (Words, Option<Part>);

/// What is known so far.
struct Draft {
    service: &'static Service,
    operations: Vec<Op>,
    types: Vec<TypeDraft>,
    /// What overlays say.
    hints: Hints,
    /// Members that most operations require: they say in what account or registry all is, not which resource is meant.
    scope: Vec<Str>,
    /// Types by the text of their noun, and by its last word.
    by_text: HashMap<String, usize>,
    by_ending: HashMap<String, Vec<usize>>,
    /// Places of operations by type.
    claimed: Vec<Vec<usize>>,
    /// Names of members, taken apart.
    names: RefCell<HashMap<Str, Rc<Dissected>>>,
    splits: RefCell<HashMap<Str, Rc<Vec<String>>>>,
}

/// One operation.
struct Op {
    operation: &'static Operation,
    name: OperationName,
    givens: Vec<Given>,
    claim: Option<Claim>,
    /// Whether it is about tags.
    tagging: bool,
    /// Whether it ties, or unties, what is made elsewhere: `AddUserToGroup`.
    tie: bool,
    /// Whether an overlay says what it is about.
    placed: bool,
}

/// What an operation was found to do.
#[derive(Clone, Debug)]
struct Claim {
    of: usize,
    verb: Verb,
    /// The noun is not the type's own, but only like it.
    inexact: bool,
    /// Members that it takes away.
    clears: Vec<Str>,
    why: Vec<String>,
}

impl Claim {
    fn new(of: usize, verb: Verb, why: String) -> Self {
        Self { of, verb, inexact: false, clears: Vec::new(), why: vec![why] }
    }
}

/// One type.
#[derive(Debug)]
struct TypeDraft {
    /// Singular, lower case.
    noun: Words,
    written: String,
    parent: Option<usize>,
    kind: TypeKind,
    /// Squashed names of input members that name it, the part that they tell, and how often they do.
    own: BTreeMap<String, Part>,
    /// Names of members that belong to its key besides.
    qualifiers: Vec<Str>,
    primary: Option<Part>,
    implicit: bool,
    /// Ties its parent to something else.
    link: bool,
    /// What is called its id is its name or ARN.
    loose: bool,
    /// The name by which overlays call it.
    called: String,
    ignored: bool,
    /// Made by an operation that ties.
    tied: bool,
    /// The type of the other end; of an inline policy and the like: the type whose identifier its own is called after.
    target: Option<usize>,

    /// Of a tie: the noun of the operations that make it.
    base: Words,
    /// Shown beside its parent, by reads of that.
    beside: bool,
    /// Where its parent's structures show it.
    within: Option<(Vec<Step>, Form)>,
    /// The member that counts up and is the id.
    counter: Option<Str>,
    shapes: Vec<ShapeIx>,
    status: Option<Status>,
    why: Vec<String>,
}

impl TypeDraft {
    fn new(noun: &Words, written: &str) -> Self {
        Self {
            noun: noun.clone(),
            written: written.to_owned(),
            parent: None,
            kind: TypeKind::Assigned,
            own: BTreeMap::new(),
            qualifiers: Vec::new(),
            primary: None,
            implicit: false,
            link: false,
            loose: false,
            called: written.to_owned(),
            ignored: false,
            tied: false,
            target: None,
            base: Words::default(),
            beside: false,
            within: None,
            counter: None,
            shapes: Vec::new(),
            status: None,
            why: Vec::new(),
        }
    }
}

impl Draft {
    fn read(service: &'static Service) -> Self {
        let operations = service.operations.iter().map(|operation| Op {
            operation,
            name: OperationName::parse(operation.name),
            givens: members::givens(service, operation),
            claim: None,
            tagging: false,
            tie: false,
            placed: false,
        });
        let operations: Vec<Op> = operations.collect();
        let mut counts: BTreeMap<Str, usize> = BTreeMap::new();
        for op in &operations {
            for given in op.givens.iter().filter(|given| !given.inner && (given.required || given.label)) {
                *counts.entry(given.name).or_default() += 1;
            }
        }
        let most = operations.len() * 3 / 5;
        let scope = counts.into_iter().filter(|(_, count)| operations.len() > 8 && *count > most).map(|(name, _)| name);
        let mut draft = Self {
            service,
            scope: scope.collect(),
            operations,
            types: Vec::new(),
            hints: Hints::default(),
            by_text: HashMap::new(),
            by_ending: HashMap::new(),
            claimed: Vec::new(),
            names: RefCell::default(),
            splits: RefCell::default(),
        };
        for at in 0..draft.operations.len() {
            draft.operations[at].tagging = draft.is_tagging(&draft.operations[at]);
            draft.operations[at].tie = draft.ties_known(&draft.operations[at]);
        }
        draft
    }

    fn add_type(&mut self, draft: TypeDraft) -> usize {
        let ix = self.types.len();
        self.by_text.entry(draft.noun.text.clone()).or_insert(ix);
        if let Some(last) = draft.noun.last() {
            self.by_ending.entry(last.clone()).or_default().push(ix);
        }
        self.types.push(draft);
        ix
    }

    /// The type of exactly that noun.
    fn named(&self, noun: &Words) -> Option<usize> {
        self.by_text.get(&noun.text).or_else(|| self.by_text.get(&noun.one)).copied()
    }

    /// Types whose noun ends in these words and has more.
    fn ending(&self, words: &Words) -> impl Iterator<Item = usize> {
        let fits = words.last().and_then(|last| self.by_ending.get(last)).map_or(&[][..], Vec::as_slice);
        fits.iter().copied().filter(|ix| {
            let noun = &self.types[*ix].noun;
            noun.len() > words.len() && noun.ends_with(words)
        })
    }

    /// A member's name, taken apart.
    fn dissect(&self, name: Str) -> Rc<Dissected> {
        let cached = |(core, role): (Vec<String>, Option<Part>)| Rc::new((core.into(), role));
        Rc::clone(self.names.borrow_mut().entry(name).or_insert_with(|| cached(members::dissect(name))))
    }

    /// The words of a name.
    fn split(&self, name: Str) -> Rc<Vec<String>> {
        let mut splits = self.splits.borrow_mut();
        Rc::clone(splits.entry(name).or_insert_with(|| Rc::new(standin_model::words::split(name))))
    }

    /// The operations that were found to be about a type, as of the last [`Self::index`].
    fn of(&self, ix: usize) -> impl Iterator<Item = (&Op, &Claim)> {
        let known = self.claimed.get(ix).map_or(&[][..], Vec::as_slice);
        known.iter().filter_map(move |at| {
            let op = &self.operations[*at];
            Some((op, op.claim.as_ref().filter(|claim| claim.of == ix)?))
        })
    }

    /// Notes which operations are about which type. To be called when that has changed.
    fn index(&mut self) {
        self.claimed = vec![Vec::new(); self.types.len()];
        for (at, op) in self.operations.iter().enumerate() {
            if let Some(claim) = &op.claim {
                self.claimed[claim.of].push(at);
            }
        }
    }

    /// The type with all that it lies in, itself first.
    fn lineage(&self, ix: usize) -> Vec<usize> {
        let mut line = vec![ix];
        while let Some(parent) = self.types[line[line.len() - 1]].parent {
            if line.contains(&parent) {
                break;
            }
            line.push(parent);
        }
        line
    }
}
