//! Operations that no name places: their outputs and inputs do.

use standin_model::words::squash;
use standin_model::{Kind, ShapeIx};

use super::members::{Sure, tells};
use super::names::Stem;
use super::{Claim, Draft, Op};
use crate::{Form, Status, Step, TypeKind, Verb};

impl Draft {
    pub(super) fn claim_rest(&mut self) {
        self.drop_unlike();
        self.index();
        self.merge_aspects();
        self.index();
        self.show_within();
        self.switches();
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            if op.claim.is_some() || op.tagging {
                continue;
            }
            let claim = self.by_output(op).or_else(|| self.by_input(op));
            let makes = claim.as_ref().filter(|claim| claim.verb == Verb::Create).map(|claim| claim.of);
            if let Some(claim) = &claim {
                self.claimed[claim.of].push(at);
            }
            self.operations[at].claim = claim;
            if let Some(ix) = makes {
                self.find_kind(ix);
            }
        }
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            if op.claim.is_none() && !op.tagging {
                self.operations[at].claim = self.clearing(op);
            }
        }
    }

    /// Claims by likeness of names are dropped where the operation neither names the resource nor shows it.
    fn drop_unlike(&mut self) {
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            let Some(claim) = op.claim.as_ref().filter(|claim| claim.inexact) else { continue };
            let ix = claim.of;
            let draft = &self.types[ix];
            let names = draft.kind == TypeKind::Single
                || op.givens.iter().any(|given| {
                    let sure = self.whom(ix, op, given).filter(|(of, _)| *of == ix).map(|(_, sure)| sure);
                    !given.inner && sure.is_some_and(|sure| sure != Sure::Generic || given.required || given.label)
                });
            let keyed = matches!(claim.verb, Verb::Read | Verb::Update | Verb::Delete | Verb::Act(_));
            let like = claim.verb != Verb::Read || self.shows_many(op, ix) || self.overlaps(op, ix);
            if (keyed && !names) || !like {
                self.operations[at].claim = None;
            }
        }
    }

    /// Whether an output has anything of what creates, updates and other reads of a type know.
    fn overlaps(&self, op: &Op, ix: usize) -> bool {
        let Some(root) = op.operation.output else { return false };
        let plain = |shape: ShapeIx| {
            self.service
                .structure(shape)
                .into_iter()
                .flat_map(|s| &s.members)
                .map(|m| squash(m.name))
                .collect::<Vec<_>>()
        };
        let mut known: Vec<String> = Vec::new();
        for (other, claim) in self.of(ix) {
            if !std::ptr::eq(other, op) && !claim.inexact {
                known.extend(other.operation.input.map(plain).unwrap_or_default());
                for (shape, _) in self.held(other) {
                    known.extend(plain(shape));
                }
            }
            if claim.inexact && claim.verb == Verb::Update && other.name.noun == op.name.noun {
                return true;
            }
        }
        let given: Vec<String> = op.operation.input.map(plain).unwrap_or_default();
        let paging = |name: &str| matches!(name, "nexttoken" | "marker");
        self.held(op).into_iter().any(|(shape, _)| {
            plain(shape).iter().any(|name| known.contains(name) && !given.contains(name) && !paging(name))
        }) || self.held(op).iter().any(|(shape, _)| *shape != root && self.types[ix].shapes.contains(shape))
    }

    /// What only is switched on and off is always there, and has a status.
    fn switches(&mut self) {
        for ix in 0..self.types.len() {
            let draft = &self.types[ix];
            let told = self.hints.types.get(&draft.called).is_some_and(|spec| spec.status.is_some());
            if draft.kind != TypeKind::Single || told {
                continue;
            }
            let on = |op: &Op| matches!(op.name.verb.as_str(), "enable" | "activate");
            let off = |op: &Op| matches!(op.name.verb.as_str(), "disable" | "deactivate");
            let all: Vec<(&Op, &Claim)> = self.of(ix).collect();
            let only = all.iter().all(|(op, claim)| match claim.verb {
                Verb::Create | Verb::Put => on(op),
                Verb::Delete => off(op),
                _ => true,
            });
            if !only || !all.iter().any(|(op, _)| on(op)) || !all.iter().any(|(op, _)| off(op)) {
                continue;
            }
            let flag = || {
                let shape = draft.shapes.first().and_then(|shape| self.service.structure(*shape))?;
                let mut flags =
                    shape.members.iter().filter(|m| matches!(self.service.shape(m.target).kind, Kind::Boolean));
                let first = flags.next()?;
                let other = flags.next().is_some();
                (!other || squash(first.name).contains("enabled")).then_some(first.name)
            };
            let status = match &draft.status {
                Some(status) => {
                    let values = self.listed(ix, status);
                    let value = |word: &str| values.iter().copied().find(|value| squash(value) == word);
                    let Some(settled) = value("disabled").or_else(|| value("inactive")) else { continue };
                    Status { settled, ..status.clone() }
                }
                None => match flag() {
                    Some(member) => Status {
                        member,
                        inner: None,
                        creating: None,
                        settled: "false",
                        updating: None,
                        updated: None,
                        deleting: None,
                        deleted: None,
                    },
                    None => continue,
                },
            };
            for op in &mut self.operations {
                if let Some(claim) = op.claim.as_mut().filter(|claim| claim.of == ix)
                    && matches!(claim.verb, Verb::Create | Verb::Put | Verb::Delete)
                {
                    claim.verb = Verb::Act(None);
                }
            }
            let draft = &mut self.types[ix];
            draft.why.push(format!("switched on and off: {}", status.member));
            draft.status = Some(status);
            draft.implicit = true;
        }
    }

    /// `DeleteRolePermissionsBoundary` takes away what `PutRolePermissionsBoundary` gave.
    fn clearing(&self, op: &Op) -> Option<Claim> {
        if op.name.stem != Stem::Delete {
            return None;
        }
        let twin = |other: &&Op| other.name.noun == op.name.noun && other.name.tail == op.name.tail;
        let (given, claim) = self.operations.iter().filter(twin).find_map(|other| {
            let claim = other.claim.as_ref().filter(|claim| claim.verb == Verb::Update)?;
            Some((other, claim))
        })?;
        let mut claim = Claim::new(claim.of, Verb::Update, format!("takes away what {} gave", given.operation.name));
        let own = |name: &str| {
            op.operation
                .input
                .and_then(|input| self.service.structure(input))
                .is_some_and(|input| input.member(name).is_some())
        };
        let input = given.operation.input.and_then(|input| self.service.structure(input))?;
        claim.clears = input
            .members
            .iter()
            .filter(|member| !member.idempotency_token && !own(member.name))
            .map(|member| member.name)
            .collect();
        (!claim.clears.is_empty()).then_some(claim)
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
                    let rest: super::members::Words = rest.to_vec().into();
                    let by_base = draft.link && !rest.is_empty() && self.about_noun(member.name, &rest).is_some();
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
            let within = found.map(|(_, place)| place);
            let reads = self.of(parent).filter(|(_, claim)| claim.verb == Verb::Read);
            let beside = reads.filter(|_| within.is_none()).any(|(op, _)| self.beside(op, ix).is_some());
            self.types[ix].within = within;
            self.types[ix].beside = beside;
        }
    }

    /// The list at the root of an output that shows what lies in the resource: `GetGroup` shows its `Users`.
    pub(super) fn beside(&self, op: &Op, ix: usize) -> Option<(Vec<Step>, ShapeIx)> {
        let draft = &self.types[ix];
        let target = draft.target.filter(|_| draft.link)?;
        let root = self.service.structure(op.operation.output?)?;
        root.members.iter().find_map(|member| {
            let Kind::List(list) = &self.service.shape(member.target).kind else { return None };
            let structure = self.service.structure(list.member.target).is_some();
            let about = self.about(member.name, target) == Some(Sure::Exact);
            (structure && about).then(|| (vec![Step::Member(member.name), Step::Items], list.member.target))
        })
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
            let known = self.types[ix].own.contains_key(&given.key);
            !given.inner && !given.list && (given.required || given.label) && (exact || known)
        });
        let named = self.types[ix].kind == TypeKind::Named;
        let verb = match op.name.stem {
            Stem::Create if !many && matches!(op.name.verb.as_str(), "create" | "copy" | "import" | "register") => {
                Verb::Create
            }
            Stem::Put if own => Verb::Update,
            Stem::Create | Stem::Start if named == own && !many => Verb::Create,
            Stem::Put if !many => Verb::Put,
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
        Some(Claim::new(ix, verb, format!("its output shows {}", self.types[ix].written)))
    }

    /// Updates that name a resource and change members which it has.
    fn by_input(&self, op: &Op) -> Option<Claim> {
        if !matches!(op.name.stem, Stem::Update | Stem::Put) {
            return None;
        }
        let mut named: Vec<usize> = Vec::new();
        for given in op.givens.iter().filter(|given| !given.inner && !given.list && (given.required || given.label)) {
            named.extend(self.named(&given.core));
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
        changes.then(|| Claim::new(ix, Verb::Update, format!("changes members of {}", self.types[ix].written)))
    }
}
