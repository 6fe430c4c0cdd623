//! How types are identified, and what they lie in.

use standin_model::Kind;

use super::members::{Given, Sure};
use super::{Claim, Draft, Op};
use crate::{Part, Verb};

/// Words before the name of what is new, beside what is there.
pub(super) const NEW: [&str; 3] = ["target", "destination", "new"];

/// Whether an operation names what it copies.
pub(super) fn copies(op: &Op) -> bool {
    matches!(op.name.verb.as_str(), "copy" | "clone" | "replicate")
}

impl Draft {
    pub(super) fn identify(&mut self) {
        self.index();
        for ix in 0..self.types.len() {
            self.find_target(ix);
            self.find_own(ix);
        }
        let needs: Vec<Vec<usize>> = (0..self.types.len()).map(|ix| self.needs(ix)).collect();
        self.find_parents(&needs);
        // Outer ones first: what belongs to their key is none of their children's.
        let mut order: Vec<usize> = (0..self.types.len()).collect();
        order.sort_by_key(|ix| self.lineage(*ix).len());
        for ix in order {
            self.find_kind(ix);
        }
    }

    /// Operations that name one resource of the type.
    pub(super) fn keyed(&self, ix: usize) -> Vec<(&Op, &Claim)> {
        let mut found: Vec<_> = self
            .of(ix)
            .filter(|(op, claim)| matches!(claim.verb, Verb::Read | Verb::Delete) && !self.shows_many(op, ix))
            .collect();
        if found.is_empty() {
            found.extend(self.of(ix).filter(|(op, _)| matches!(op.name.verb.as_str(), "cancel" | "stop")));
        }
        // Reads tell best.
        found.sort_by_key(|(op, claim)| (op.name.batch, claim.verb != Verb::Read, op.name.noun.len()));
        found
    }

    /// Whether an operation reads those that are asked for, not one.
    pub(super) fn shows_many(&self, op: &Op, ix: usize) -> bool {
        let one = |given: &Given| {
            (given.label || given.required)
                && !given.list
                && !given.inner
                && matches!(self.whom(ix, op, given), Some((of, _)) if of == ix)
        };
        (op.name.plural || op.name.batch || self.pages(op, ix))
            && (op.name.stem != super::names::Stem::Read || self.has_list(op))
            && !op.givens.iter().any(one)
    }

    /// `DescribeEndpointAccess`: whether a read shows page by page.
    fn pages(&self, op: &Op, ix: usize) -> bool {
        let shows = |paginator: &standin_model::Paginator| {
            let root = op.operation.output.and_then(|root| self.service.structure(root));
            let member = |name: &str| root.and_then(|root| root.member(name));
            paginator.result_key.iter().filter_map(|key| member(key)).any(|member| {
                if self.about(member.name, ix) != Some(Sure::Exact) {
                    return false;
                }
                let Kind::List(list) = &self.service.shape(member.target).kind else { return false };
                self.service.structure(list.member.target).is_some()
            })
        };
        op.name.stem == super::names::Stem::Read && op.operation.paginator.as_deref().is_some_and(shows)
    }

    /// Whether an output has a list at its root or in a structure there.
    fn has_list(&self, op: &Op) -> bool {
        let members = |shape| self.service.structure(shape).into_iter().flat_map(|structure| &structure.members);
        let list = |shape| matches!(self.service.shape(shape).kind, Kind::List(_));
        op.operation.output.is_some_and(|root| {
            members(root).any(|member| list(member.target) || members(member.target).any(|inner| list(inner.target)))
        })
    }

    /// Whether a member only says in what account, registry or the like all is: most operations ask for it, also what makes.
    pub(super) fn scopes(&self, ix: usize, given: &Given) -> bool {
        let makes = self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put));
        let mut makes = makes.map(|(make, _)| make.givens.iter().any(|other| other.name == given.name));
        self.scope.contains(&given.name)
            && makes.next().unwrap_or(true)
            && !given.core.starts_with(&self.types[ix].noun)
    }

    fn find_own(&mut self, ix: usize) {
        let mut own: Vec<(String, Part, String)> = Vec::new();
        for (op, _) in self.keyed(ix) {
            let scalars: Vec<&Given> = op.givens.iter().filter(|given| !given.list && !given.inner).collect();
            let mine = |given: &&&Given| matches!(self.whom(ix, op, given), Some((of, _)) if of == ix);
            let told: Vec<&&Given> = scalars.iter().filter(mine).collect();
            let needed: Vec<&&&Given> = told.iter().filter(|given| given.required || given.label).collect();
            let chosen: Vec<&Given> = match needed.is_empty() {
                false => needed.into_iter().map(|given| **given).collect(),
                true => told.into_iter().copied().collect(),
            };
            if !chosen.is_empty() {
                for given in chosen {
                    own.push((given.key.clone(), given.role.unwrap_or(Part::Any), op.operation.name.to_owned()));
                }
                continue;
            }
            // By elimination: what is required and tells of nothing else.
            let mut unknown = scalars
                .iter()
                .filter(|given| (given.required || given.label) && self.whom(ix, op, given).is_none())
                .filter(|given| !given.listed && !self.is_major(ix, given) && !self.scopes(ix, given));
            let label = unknown.clone().rfind(|given| given.label);
            if let Some(given) = label.or_else(|| unknown.next()) {
                own.push((given.key.clone(), given.role.unwrap_or(Part::Any), op.operation.name.to_owned()));
            }
        }
        if own.is_empty() {
            // Only shown among others: by lists of identifiers.
            for (op, claim) in self.of(ix) {
                if !matches!(claim.verb, Verb::Read | Verb::List | Verb::Delete) {
                    continue;
                }
                for given in op.givens.iter().filter(|given| given.list || given.inner) {
                    let told = self.whom(ix, op, given).filter(|(of, _)| *of == ix).map(|(_, sure)| sure);
                    let plain = told.is_some() && (given.role.is_some() || given.required);
                    if (given.inner && told == Some(Sure::Exact) && given.role.is_some()) || (!given.inner && plain) {
                        own.push((given.key.clone(), given.role.unwrap_or(Part::Any), op.operation.name.to_owned()));
                    }
                }
            }
        }
        if own.is_empty() {
            own.extend(self.own_of_lists(ix));
        }
        let said = self.hints.types.get(&self.types[ix].called).map_or(&[][..], |spec| &spec.named_by);
        if !said.is_empty() {
            own = said
                .iter()
                .map(|name| {
                    let (core, role) = super::members::dissect(name);
                    let words = super::members::Words::from(core);
                    let key = format!("{}{}", words.one, role.map_or("", super::members::role_name));
                    (key, role.unwrap_or(Part::Any), "an overlay".to_owned())
                })
                .collect();
        }
        let draft = &mut self.types[ix];
        draft.primary = own.first().map(|(_, part, _)| *part);
        for (name, part, from) in own {
            draft.own.entry(name.clone()).or_insert_with(|| {
                draft.why.push(format!("identified by {name} in {from}"));
                part
            });
        }
    }

    /// `DeleteMembers` takes `AccountIds`, and `CreateMembers` an `AccountId` in each item.
    fn own_of_lists(&self, ix: usize) -> Option<(String, Part, String)> {
        let makes = || self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put));
        self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Delete | Verb::Read)).find_map(|(op, _)| {
            let mut lists = op.givens.iter().filter(|given| given.list && !given.inner && given.required);
            let list = lists.find(|given| self.whom(ix, op, given).is_none())?;
            let made = makes().any(|(make, _)| make.givens.iter().any(|other| other.key == list.key && other.required));
            made.then(|| (list.key.clone(), list.role.unwrap_or(Part::Any), op.operation.name.to_owned()))
        })
    }
}
