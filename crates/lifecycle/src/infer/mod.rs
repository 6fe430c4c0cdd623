//! From a model to a lifecycle.
//!
//! Operations are grouped by what they are about; the groups that something makes and something shows are types. What their
//! inputs require tells how they are identified and what they lie in; what their outputs hold tells where they are shown.

mod errors;
mod finish;
mod grouping;
mod identify;
mod members;
mod names;
mod relations;
mod rest;
mod status;
mod tags;
mod views;

use std::collections::BTreeMap;

use standin_model::{Operation, Service, ShapeIx, Str};

use crate::{Form, Lifecycle, Part, Status, Step, TypeKind, Verb};
use members::Given;
use names::OperationName;

/// The lifecycle of a service.
pub fn infer(service: &'static Service) -> Lifecycle {
    let mut draft = Draft::read(service);
    draft.group();
    draft.identify();
    draft.show();
    draft.claim_rest();
    draft.finish()
}

/// What is known so far.
struct Draft {
    service: &'static Service,
    operations: Vec<Op>,
    types: Vec<TypeDraft>,
    /// Members that most operations require: they say in what account or registry all is, not which resource is meant.
    scope: Vec<Str>,
}

/// One operation.
struct Op {
    operation: &'static Operation,
    name: OperationName,
    givens: Vec<Given>,
    claim: Option<Claim>,
}

/// What an operation was found to do.
#[derive(Clone, Debug)]
struct Claim {
    of: usize,
    verb: Verb,
    why: Vec<String>,
}

/// One type.
#[derive(Debug)]
struct TypeDraft {
    /// Singular, lower case.
    noun: Vec<String>,
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
    /// The type of the other end.
    target: Option<usize>,
    /// Of a tie: the noun of the operations that make it.
    base: Vec<String>,
    /// Where its parent's structures show it.
    within: Option<(Vec<Step>, Form)>,
    /// The member that counts up and is the id.
    counter: Option<Str>,
    shapes: Vec<ShapeIx>,
    status: Option<Status>,
    why: Vec<String>,
}

impl TypeDraft {
    fn new(noun: &[String], written: &str) -> Self {
        Self {
            noun: noun.to_vec(),
            written: written.to_owned(),
            parent: None,
            kind: TypeKind::Assigned,
            own: BTreeMap::new(),
            qualifiers: Vec::new(),
            primary: None,
            implicit: false,
            link: false,
            target: None,
            base: Vec::new(),
            within: None,
            counter: None,
            shapes: Vec::new(),
            status: None,
            why: Vec::new(),
        }
    }

    fn key(&self) -> String {
        self.noun.concat()
    }
}

impl Draft {
    fn read(service: &'static Service) -> Self {
        let operations = service.operations.iter().map(|operation| Op {
            operation,
            name: OperationName::parse(operation.name),
            givens: members::givens(service, operation),
            claim: None,
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
        Self { service, scope: scope.collect(), operations, types: Vec::new() }
    }

    /// The operations that were found to be about a type.
    fn of(&self, ix: usize) -> impl Iterator<Item = (&Op, &Claim)> {
        self.operations.iter().filter_map(move |op| Some((op, op.claim.as_ref().filter(|claim| claim.of == ix)?)))
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
