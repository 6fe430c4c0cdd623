//! Plans answers: walks the shape once and decides what every member means and how it is made.

use std::sync::Arc;

use serde_json::Value;
use standin_model::{Kind, Member, Operation, Service, ShapeIx, Structure};

use super::choice::is_failure;
use super::entity::{Identity, Noun, Source};
use super::facts::{Facts, Verb, least, verb_and_noun};
use super::inputs::{self, InputMember};
use super::plan::{Echo, Node, Plan, Slot};
use super::{Fill, pagination, scalars, tables};
use standin_model::words::{hash, mix, squash};

/// Nodes of one answer that optional members may fill.
pub(super) const NODES_MAX: usize = 400;
/// Structures within structures, before optional members are left out.
const DEPTH_MAX: usize = 5;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Output,
    Input(Fill),
    Error,
}

/// A noun in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub noun: Noun,
    pub kebab: String,
    /// Whether it is about items of an input's list.
    pub fan: u32,
    pub name_settled: bool,
    pub id_settled: bool,
}

/// Where in an answer the planner is.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub noun: u16,
    /// Structures around.
    pub depth: usize,
    /// Lists and maps around.
    pub lists: u8,
    /// The input's list that is answered item by item; 0: none.
    pub fan: u32,
    /// Whether this is the root, or the one thing that it wraps.
    pub top: bool,
    /// The input's structure that means the same.
    pub matched: Option<(Source, ShapeIx)>,
    /// What the modelled example has here.
    pub example: Option<&'static Value>,
    /// The nouns of the structures around, and the lists and maps around those.
    pub around: Vec<(u16, u8)>,
}

impl Scope {
    /// At the root of an answer about that noun.
    pub(super) fn root(noun: u16) -> Self {
        Self { noun, depth: 0, lists: 0, fan: 0, top: true, matched: None, example: None, around: vec![(noun, 0)] }
    }

    /// Within a list or map of this scope.
    pub(super) fn within(&self) -> Self {
        Self { lists: self.lists.saturating_add(1), top: false, matched: None, example: None, ..self.clone() }
    }
}

pub(super) struct Compiler {
    pub service: &'static Service,
    pub operation: Option<&'static Operation>,
    pub facts: Arc<Facts>,
    pub mode: Mode,
    pub verb: Verb,
    pub subject: String,
    pub nouns: Vec<Draft>,
    /// Members of the input.
    pub(super) inputs: Vec<InputMember>,
    /// Members of the items of the lists that are answered item by item, by number - 1.
    pub(super) fans: Vec<Vec<InputMember>>,
    pub(super) stack: Vec<ShapeIx>,
    pub(super) depth_max: usize,
    /// Whether nothing is left out for what it means, because the answer would be empty.
    pub(super) loose: bool,
}

impl Compiler {
    pub(super) fn new(service: &'static Service, operation: Option<&'static Operation>, mode: Mode) -> Self {
        let (verb, words) = operation.map_or((Verb::Other, Vec::new()), |operation| verb_and_noun(operation.name));
        let input = operation.filter(|_| mode == Mode::Output).and_then(|operation| operation.input);
        Self {
            service,
            operation,
            facts: Facts::of(service),
            mode,
            verb,
            subject: words.join("-"),
            nouns: Vec::new(),
            inputs: input.map(|input| inputs::flatten(service, input)).unwrap_or_default(),
            fans: Vec::new(),
            stack: Vec::new(),
            depth_max: DEPTH_MAX,
            loose: false,
        }
    }

    /// Plans a structure.
    pub(super) fn plan(mut self, root: ShapeIx, example: Option<&'static Value>) -> Plan {
        self.depth_max = match self.mode {
            Mode::Input(Fill::Required) => 0,
            _ => (1..=DEPTH_MAX).rev().find(|depth| self.cost(root, 0, 0, *depth) <= NODES_MAX).unwrap_or(1),
        };
        let subject = self.root_noun();
        let mut scope = Scope { example, ..Scope::root(subject) };
        // What the input does not name is not one and the same resource all over the answer.
        if self.nouns[usize::from(subject)].noun.sources.is_empty() {
            scope.around.clear();
        }
        let mut slots = self.structure(root, &scope);
        if slots.is_empty() && self.mode == Mode::Output {
            self.loose = true;
            slots = self.structure(root, &scope);
        }
        let skip = self.operation.and_then(|operation| operation.input).and_then(|input| self.service.structure(input));
        let skip = skip.into_iter().flat_map(|input| &input.members).filter(|member| member.idempotency_token);
        // What has no id in the answer is found by name, whatever the input calls it (`SecretId`).
        for draft in self.nouns.iter_mut().filter(|draft| !draft.id_settled) {
            let ids = draft.noun.sources.iter_mut().filter(|(_, identity)| *identity == Identity::Id);
            ids.for_each(|(_, identity)| *identity = Identity::Either);
        }
        let nouns: Box<[Noun]> = self.nouns.into_iter().map(|draft| draft.noun).collect();
        let size = slots.iter().map(|slot| 1 + slot.node.size()).sum::<usize>() + nouns.len() * 4;
        Plan {
            root: slots.into_boxed_slice(),
            nouns,
            subject,
            skip: skip.map(|member| member.name).collect(),
            fresh: matches!(self.verb, Verb::Create | Verb::Other | Verb::Update),
            size,
        }
    }

    /// Plans the members of a structure.
    fn structure(&mut self, ix: ShapeIx, scope: &Scope) -> Vec<Slot> {
        let Some(structure) = self.service.structure(ix) else { return Vec::new() };
        let chosen = self.chosen(ix, structure, scope.depth, self.depth_max);
        self.stack.push(ix);
        let siblings: Vec<String> = structure.members.iter().map(|member| squash(member.name)).collect();
        // Names and ids first: ARNs and URLs are made of them.
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        order.sort_by_key(|at| {
            let name = &siblings[chosen[*at]];
            (!name.ends_with("name"), !(name.ends_with("id") || name.ends_with("identifier")))
        });
        let mut slots: Vec<Option<Slot>> = chosen.iter().map(|_| None).collect();
        let mut scope = scope.clone();
        for at in order {
            let member = &structure.members[chosen[at]];
            let slot = self.slot(ix, member, &siblings, &scope);
            // What lies further in speaks of the same network, cluster … as this.
            if let Node::Text(text) = &slot.node
                && text.up == 0
                && siblings[chosen[at]].ends_with("id")
            {
                scope.around.push((text.noun, scope.lists));
            }
            slots[at] = Some(slot);
        }
        self.stack.pop();
        let mut slots: Vec<Slot> = slots.into_iter().flatten().collect();
        if self.mode == Mode::Output {
            scalars::derive(self, structure, &mut slots);
            // What only echoes may be absent; something must stay.
            if structure.union || (scope.depth > 0 && slots.iter().all(|slot| slot.only.is_some())) {
                slots.iter_mut().for_each(|slot| slot.only = None);
            }
        }
        slots
    }

    fn slot(&mut self, ix: ShapeIx, member: &Member, siblings: &[String], scope: &Scope) -> Slot {
        let target = self.service.shape(member.target);
        let name = squash(member.name);
        let output = self.mode == Mode::Output;
        let found = if output { self.find(member.name, member.target, scope) } else { None };
        let mut inner = scope.clone();
        inner.example = scope.example.and_then(|example| example.get(member.name));
        inner.matched = found
            .as_ref()
            .filter(|found| self.service.structure(found.shape).is_some())
            .map(|found| (found.source.clone(), found.shape));
        let failure = output && is_failure(member.name) && scope.lists == 0;
        let token =
            output && (self.is_paging(member, scope.depth) || (scope.depth <= 1 && pagination::is_token(member.name)));
        let node = match &target.kind {
            // A token that must be there: an empty one ends the paging of every client.
            Kind::String { .. } if token && member.required => Node::Fixed(""),
            Kind::List(_) if failure && least(target) == 0 => Node::EmptyList,
            Kind::Map(_) if failure && least(target) == 0 => Node::EmptyMap,
            Kind::String { .. } => self.text(target, Some((ix, member)), member.name, siblings, &inner),
            _ => self.value(member.target, member.name, Some(member), &inner),
        };
        let only = found.as_ref().filter(|found| self.only_echoes(member, target, &node, found, scope));
        let only = only.map(|found| found.source.clone()).or_else(|| {
            let (_, with) = tables::ONLY_WITH.iter().find(|(output, _)| *output == name)?;
            self.input_named(with)
        });
        let only = only.map(Box::new);
        // Names, ids and ARNs are matched by what they identify, and are the same with and without an echo.
        let echo = found
            .filter(|found| inputs::compatible(self.service, found.shape, member.target) && !self.identifies(&node))
            .map(|found| {
                let trusted = found.shape == member.target;
                Box::new(Echo { source: found.source, target: member.target, trusted })
            });
        Slot { name: member.name, node, echo, only }
    }

    /// Plans a value of any kind but a text that is a structure's member.
    pub(super) fn value(&mut self, target: ShapeIx, name: &str, member: Option<&Member>, scope: &Scope) -> Node {
        let shape = self.service.shape(target);
        match &shape.kind {
            Kind::Structure(structure) if structure.event_stream => self.events(structure, scope),
            Kind::Structure(_) => {
                let noun = self.noun_of_structure(target, name, scope);
                let single = self.wraps_alone(scope);
                let same = noun == scope.noun || self.nouns[usize::from(noun)].kebab == self.subject;
                let mut inner = Scope {
                    noun,
                    depth: scope.depth + 1,
                    top: scope.top && (same || (scope.depth == 0 && single)),
                    ..scope.clone()
                };
                inner.around.push((noun, scope.lists));
                Node::Structure(self.structure(target, &inner).into())
            }
            Kind::List(list) => self.list(shape, &list.member, name, scope),
            Kind::Map(map) => self.map(shape, map, name, scope),
            Kind::String { .. } => self.text(shape, None, name, &[], scope),
            _ => scalars::plan(self, shape, name, member, scope.example),
        }
    }

    fn events(&mut self, union: &Structure, scope: &Scope) -> Node {
        let good = |member: &&Member| self.service.structure(member.target).is_none_or(|event| event.error.is_none());
        let members: Vec<&Member> = union.members.iter().filter(good).take(6).collect();
        let slots = members.into_iter().map(|member| {
            let inner = Scope { top: false, matched: None, example: None, ..scope.clone() };
            let node = self.value(member.target, member.name, None, &inner);
            Slot { name: member.name, node, echo: None, only: None }
        });
        Node::Events(slots.collect())
    }
}

pub(super) fn salt(name: &str) -> u64 {
    mix(hash(&squash(name)), 1)
}
