//! Who names a resource: the client, the service, or nobody.

use standin_model::{Kind, Str};

use super::members::Given;
use super::{Draft, Op};
use crate::{Part, TypeKind, Verb, overlay};

impl Draft {
    pub(super) fn find_kind(&mut self, ix: usize) {
        let makes: Vec<&Op> =
            self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put)).map(|(op, _)| op).collect();
        let line = self.lineage(ix);
        let mut qualifiers: Vec<Str> = Vec::new();
        let keyed = self.keyed(ix);
        let outer = |name: Str| line[1..].iter().any(|parent| self.types[*parent].qualifiers.contains(&name));
        let same = |op: &Op, name: Str| op.givens.iter().any(|g| g.name == name && (g.required || g.label));
        for (op, _) in keyed.iter().take(1) {
            for given in op.givens.iter().filter(|given| (given.required || given.label) && !given.list && !given.inner)
            {
                let whom = self.whom(ix, op, given);
                let placed = whom.is_some_and(|(of, _)| line.contains(&of));
                let by_arn = |op: &Op| {
                    op.givens.iter().any(|g| (g.required || g.label) && g.role == Some(Part::Arn) && !g.inner)
                };
                let everywhere = || {
                    keyed.iter().all(|(other, _)| same(other, given.name) || by_arn(other))
                        && makes.iter().any(|make| same(make, given.name))
                };
                if !placed && !outer(given.name) && (everywhere() || self.is_major(ix, given)) {
                    qualifiers.push(given.name);
                }
            }
        }
        let mut why = String::new();
        let mut counter = None;
        let own = &self.types[ix].own;
        let lists = self.of(ix).any(|(op, claim)| claim.verb == Verb::List || self.shows_many(op, ix));
        let unread = !self.of(ix).any(|(_, claim)| claim.verb == Verb::Read);
        let composite = if own.is_empty() && (lists || unread) { self.shared_key(ix, &makes) } else { Vec::new() };
        let keyless = !keyed.is_empty() && keyed.iter().all(|(op, _)| !op.name.plural);
        // One member that has the words of an identifier is one.
        let shared = match composite[..] {
            [only] => makes.first().and_then(|make| {
                let given = make.givens.iter().find(|given| given.name == only && !given.inner)?;
                Some((given.key.clone(), given.role.filter(|role| matches!(role, Part::Name | Part::Id))?))
            }),
            _ => None,
        };
        let kind = if shared.is_some() {
            qualifiers.clear();
            why.push_str("named by the client: what create and delete share");
            TypeKind::Named
        } else if !composite.is_empty() {
            qualifiers = composite;
            why.push_str("named by the client: what create and delete share");
            TypeKind::Named
        } else if own.is_empty()
            && lists
            && !keyless
            && makes.iter().any(|make| make.name.stem != super::names::Stem::Put)
        {
            why.push_str("there are many, and the service makes their ids");
            TypeKind::Assigned
        } else if own.is_empty() {
            why.push_str("one of it: no identifier of its own");
            TypeKind::Single
        } else {
            let named = makes.iter().find_map(|make| self.names_it(ix, make));
            let counted = keyed.iter().find_map(|(op, _)| op.givens.iter().find(|given| self.counts(ix, given)));
            match named {
                None if self.types[ix].link && self.types[ix].target.is_none() && self.has_id(ix) => {
                    why.push_str("a tie with an id that the service makes");
                    TypeKind::Assigned
                }
                _ if self.types[ix].link => {
                    why.push_str("known by what it ties to");
                    TypeKind::Link
                }
                Some(_)
                    if counted.is_some_and(|given| own.len() == 1 && own.contains_key(&given.key))
                        && makes.iter().all(|make| make.name.stem != super::names::Stem::Put) =>
                {
                    counter = counted.map(|given| given.name);
                    why.push_str("numbers count up");
                    TypeKind::Assigned
                }
                None if counted.is_some() && !makes.is_empty() => {
                    counter = counted.map(|given| given.name);
                    why.push_str("numbers count up");
                    TypeKind::Assigned
                }
                Some(member) => {
                    why = format!("named by the client: {member}");
                    TypeKind::Named
                }
                None if makes.is_empty() => TypeKind::Single,
                None => {
                    why.push_str("the service makes its id");
                    TypeKind::Assigned
                }
            }
        };
        // What is read without being named is the only one.
        let alone = !lists
            && !self.types[ix].link
            && keyed.iter().any(|(op, claim)| {
                claim.verb == Verb::Read
                    && op
                        .operation
                        .input
                        .and_then(|input| self.service.structure(input))
                        .is_none_or(|input| input.members.is_empty())
            });
        let kind = if alone {
            qualifiers.clear();
            counter = None;
            why.push_str("; there is one of it, as it is read without a name");
            TypeKind::Single
        } else {
            kind
        };
        let kind = if kind == TypeKind::Single && !qualifiers.is_empty() { TypeKind::Named } else { kind };
        let implicit = kind == TypeKind::Single
            && !self.of(ix).any(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Delete));
        let known: Vec<Str> = self.of(ix).flat_map(|(op, _)| op.givens.iter().map(|given| given.name)).collect();
        let by_id = self.types[ix].primary == Some(Part::Id);
        let loose = kind == TypeKind::Named && by_id && !self.has_id(ix) && {
            let named = |make: &&Op, given: &Given| {
                given.role == Some(Part::Name) && self.whom(ix, make, given).is_some_and(|(of, _)| of == ix)
            };
            makes.iter().any(|make| make.givens.iter().any(|given| named(make, given)))
        };
        let draft = &mut self.types[ix];
        if let Some((key, part)) = shared {
            draft.own.insert(key, part);
            draft.primary = Some(part);
        }
        let spec = self.hints.types.get(&draft.called);
        let said = spec.and_then(|spec| spec.kind).map(overlay::kind);
        if let Some(said) = spec.and_then(|spec| spec.qualifiers.as_ref()) {
            let given = |name: &&String| known.iter().copied().find(|member| member == *name);
            qualifiers = said.iter().filter_map(|name| given(&name)).collect();
        }
        if let Some(said) = spec.and_then(|spec| spec.counter.as_ref()) {
            counter = known.iter().copied().find(|member| *member == said.member).or(counter);
        }
        let kind = said.unwrap_or(kind);
        draft.kind = kind;
        draft.loose = loose;
        if loose {
            draft.primary = Some(Part::Any);
        }
        draft.implicit = implicit;
        draft.counter = counter;
        draft.qualifiers = qualifiers;
        draft.why.push(why);
    }

    /// Members that both what makes and what deletes take: the key of what has no identifier.
    pub(super) fn shared_key(&self, ix: usize, makes: &[&Op]) -> Vec<Str> {
        let line = self.lineage(ix);
        let deletes: Vec<&Op> = self.of(ix).filter(|(_, claim)| claim.verb == Verb::Delete).map(|(op, _)| op).collect();
        let (Some(make), Some(delete)) = (makes.first(), deletes.first()) else { return Vec::new() };
        let inner = delete.givens.iter().all(|given| given.inner || given.list);
        let shared = delete.givens.iter().filter(|given| {
            let placed = self.whom(ix, delete, given).is_some_and(|(of, _)| line[1..].contains(&of));
            let same = |other: &&Given| {
                other.name == given.name && other.inner == inner && other.path.len() == given.path.len()
            };
            given.inner == inner && !given.list && !placed && make.givens.iter().any(|other| same(&other))
        });
        shared.map(|given| given.name).collect()
    }

    /// The member of a create by which the client chooses the identifier.
    pub(super) fn names_it(&self, ix: usize, make: &Op) -> Option<Str> {
        let draft = &self.types[ix];
        let identified_by = |part: Part| draft.own.values().any(|own| *own == part);
        let texts = || make.givens.iter().filter(|given| !given.list && (!given.listed || given.required));
        // The very member that reads name, or one that says the same.
        let own = |given: &&Given| draft.own.contains_key(&given.key);
        // What lies in a structure names only where that is about the type.
        let outer = |given: &Given| match given.path.first() {
            Some(crate::Step::Member(outer)) if given.inner => {
                make.name.batch || make.name.plural || self.about(outer, ix).is_some()
            }
            _ => true,
        };
        let texts = || texts().filter(|given| outer(given));
        let says = |given: &&Given| matches!(self.whom(ix, make, given), Some((of, _)) if of == ix);
        let puts = make.name.stem == super::names::Stem::Put;
        let first = texts().find(|given| {
            own(given) && (puts || given.role != Some(Part::Arn) || given.required) && !self.counts(ix, given)
        });
        let found = first.or_else(|| {
            texts().filter(says).find(|given| match given.role {
                Some(Part::Name) => {
                    let other = identified_by(Part::Any) || identified_by(Part::Arn);
                    let id = identified_by(Part::Id) && given.required;
                    identified_by(Part::Name) || ((other || id) && !self.has_id(ix))
                }
                Some(Part::Id) => identified_by(Part::Id) || identified_by(Part::Any),
                Some(Part::Any) | None => {
                    (given.required || given.label) && (identified_by(Part::Any) || !self.has_id(ix))
                }
                _ => false,
            })
        })?;
        Some(found.name)
    }

    /// Whether an output of the operations that make or read it holds an id of its own.
    pub(super) fn has_id(&self, ix: usize) -> bool {
        let outputs = self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Read | Verb::List));
        let noun = &self.types[ix].noun;
        let mut structures = Vec::new();
        for (op, _) in outputs {
            let Some(root) = op.operation.output else { continue };
            structures.push(root);
            for member in self.service.structure(root).into_iter().flat_map(|root| &root.members) {
                structures.push(member.target);
                if let Kind::List(list) = &self.service.shape(member.target).kind {
                    structures.push(list.member.target);
                }
            }
        }
        structures.iter().filter_map(|shape| self.service.structure(*shape)).flat_map(|shape| &shape.members).any(
            |member| {
                let name = self.dissect(member.name);
                let (core, role) = &*name;
                let own = || self.types[ix].own.contains_key(&format!("{}id", core.one));
                *role == Some(Part::Id) && (core.is_empty() || core == noun || own())
            },
        )
    }
}
