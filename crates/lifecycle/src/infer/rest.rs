//! Operations that no name places: their outputs and inputs do.

use standin_model::words::squash;
use standin_model::{Kind, ShapeIx};

use super::members::{Sure, tells};
use super::names::Stem;
use super::{Claim, Draft, Op};
use crate::{Form, Step, TypeKind, Verb};

impl Draft {
    pub(super) fn claim_rest(&mut self) {
        self.merge_aspects();
        self.show_within();
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            if op.claim.is_some() || self.is_tagging(op) {
                continue;
            }
            let claim = self.by_output(op).or_else(|| self.by_input(op));
            self.operations[at].claim = claim;
        }
    }

    /// What is read under another name but is described by the same structure is the same thing.
    fn merge_aspects(&mut self) {
        for ix in 0..self.types.len() {
            let draft = &self.types[ix];
            let Some(parent) = draft.parent.filter(|_| draft.kind == TypeKind::Single) else { continue };
            let makes = self.of(ix).any(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Delete));
            let same = draft.shapes.first().is_some_and(|shape| self.types[parent].shapes.contains(shape));
            if makes || !same {
                continue;
            }
            let why = format!("{} is described as {} is", draft.written, self.types[parent].written);
            for op in &mut self.operations {
                if let Some(claim) = op.claim.as_mut().filter(|claim| claim.of == ix) {
                    claim.of = parent;
                    if claim.verb == Verb::Put {
                        claim.verb = Verb::Update;
                    }
                    claim.why.push(why.clone());
                }
            }
        }
    }

    /// Finds where the structures of a parent show what lies in it.
    fn show_within(&mut self) {
        for ix in 0..self.types.len() {
            let Some(parent) = self.types[ix].parent else { continue };
            let draft = &self.types[ix];
            if draft.kind == TypeKind::Single {
                continue;
            }
            let mut found: Option<(i32, (Vec<Step>, Form))> = None;
            for shape in &self.types[parent].shapes {
                for member in self.service.structure(*shape).into_iter().flat_map(|structure| &structure.members) {
                    let Kind::List(list) = &self.service.shape(member.target).kind else { continue };
                    let item = self.service.shape(list.member.target);
                    let about = |of: usize| {
                        self.about(member.name, of).max(self.about(item.name, of).filter(|sure| *sure == Sure::Exact))
                    };
                    let sure = about(ix).max(draft.target.and_then(about));
                    let rest = draft.base.strip_prefix(&self.types[parent].noun[..]).unwrap_or(&draft.base);
                    let by_base =
                        draft.link && !rest.is_empty() && super::views::about_noun(member.name, rest).is_some();
                    let score = match sure {
                        Some(Sure::Exact) => 3,
                        _ if by_base => 2,
                        Some(_) if draft.link => 1,
                        _ => continue,
                    };
                    let form = match &item.kind {
                        Kind::Structure(_) => Form::Structure,
                        Kind::String { .. } => {
                            let (_, role) = super::members::dissect_list(member.name);
                            Form::Identifier(role.or(draft.primary).unwrap_or(crate::Part::Any))
                        }
                        _ => continue,
                    };
                    if found.as_ref().is_none_or(|(best, _)| score > *best) {
                        found = Some((score, (vec![Step::Member(member.name), Step::Items], form)));
                    }
                }
            }
            self.types[ix].within = found.map(|(_, place)| place);
        }
    }

    /// Structures in an output: at its root, and in lists there.
    fn held(&self, op: &Op) -> Vec<(ShapeIx, bool)> {
        let Some(root) = op.operation.output else { return Vec::new() };
        let mut out = vec![(root, false)];
        for member in self.service.structure(root).into_iter().flat_map(|root| &root.members) {
            match &self.service.shape(member.target).kind {
                Kind::Structure(_) => out.push((member.target, false)),
                Kind::List(list) if self.service.structure(list.member.target).is_some() => {
                    out.push((list.member.target, true));
                }
                _ => {}
            }
        }
        out
    }

    fn by_output(&self, op: &Op) -> Option<Claim> {
        let held = self.held(op);
        let mut fits = (0..self.types.len()).filter(|ix| {
            let draft = &self.types[*ix];
            !draft.link && draft.kind != TypeKind::Single && held.iter().any(|(shape, _)| draft.shapes.contains(shape))
        });
        let ix = fits.next()?;
        if fits.next().is_some() {
            return None;
        }
        let many = held.iter().any(|(shape, list)| *list && self.types[ix].shapes.contains(shape));
        let own = op.givens.iter().any(|given| {
            let exact = tells(&given.core, given.role, &self.types[ix].noun) == Some(Sure::Exact);
            let known = self.types[ix].own.contains_key(&squash(given.name));
            !given.inner && !given.list && (given.required || given.label) && (exact || known)
        });
        let named = self.types[ix].kind == TypeKind::Named;
        let verb = match op.name.stem {
            Stem::Create | Stem::Start | Stem::Put if named == own && !many => Verb::Create,
            Stem::Create
            | Stem::Start
            | Stem::Put
            | Stem::Attach
            | Stem::Detach
            | Stem::Act
            | Stem::Delete
            | Stem::Other
                if own =>
            {
                Verb::Act(None)
            }
            Stem::Other if !own && op.name.verb.starts_with("re") && !many => Verb::Create,
            Stem::Update if own => Verb::Update,
            Stem::List | Stem::Read if many => Verb::List,
            Stem::Read if own => Verb::Read,
            _ => return None,
        };
        let why = vec![format!("its output shows {}", self.types[ix].written)];
        Some(Claim { of: ix, verb, why })
    }

    /// Updates that name a resource and change members which it has.
    fn by_input(&self, op: &Op) -> Option<Claim> {
        if !matches!(op.name.stem, Stem::Update | Stem::Put) {
            return None;
        }
        let mut named: Vec<usize> = Vec::new();
        for given in op.givens.iter().filter(|given| !given.inner && !given.list && (given.required || given.label)) {
            let exact = |ix: &usize| tells(&given.core, given.role, &self.types[*ix].noun) == Some(Sure::Exact);
            named.extend((0..self.types.len()).find(exact));
        }
        let ix = *named.iter().max_by_key(|ix| self.lineage(**ix).len())?;
        let line = self.lineage(ix);
        if named.iter().any(|other| !line.contains(other)) || self.types[ix].link {
            return None;
        }
        let mut known: Vec<String> = Vec::new();
        let inputs =
            self.of(ix).filter(|(_, claim)| claim.verb == Verb::Create).filter_map(|(make, _)| make.operation.input);
        for shape in self.types[ix].shapes.iter().copied().chain(inputs) {
            known.extend(self.service.structure(shape).into_iter().flat_map(|s| &s.members).map(|m| squash(m.name)));
        }
        let identifying = |name: &str| {
            op.givens.iter().any(|given| given.name == name && (given.required || given.label) && given.role.is_some())
        };
        let input = self.service.structure(op.operation.input?)?;
        let changes =
            input.members.iter().any(|member| !identifying(member.name) && known.contains(&squash(member.name)));
        changes.then(|| Claim {
            of: ix,
            verb: Verb::Update,
            why: vec![format!("changes members of {}", self.types[ix].written)],
        })
    }
}
