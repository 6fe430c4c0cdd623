//! What a type lies in, and what is at the other end of a link.

use std::collections::BTreeSet;

use super::members::{Given, Sure};
use super::{Claim, Draft, Op};
use crate::{Part, Verb};

impl Draft {
    /// Of a type that two others name: which of these is what it lies in, and which the other end. `PolicyName` names the
    /// `RolePolicy`, `RoleName` what it lies in.
    pub(super) fn find_target(&mut self, ix: usize) {
        let draft = &self.types[ix];
        if draft.link || draft.target.is_some() {
            return;
        }
        let Some((op, _)) = self.keyed(ix).into_iter().next() else { return };
        let mut others: Vec<usize> = Vec::new();
        for given in op.givens.iter().filter(|given| !given.list && !given.inner && (given.required || given.label)) {
            match self.whom(ix, op, given) {
                // Its own identifier is there.
                Some((of, Sure::Exact | Sure::Generic)) if of == ix => return,
                Some((of, Sure::Exact)) if !others.contains(&of) => others.push(of),
                None if !given.listed && !self.scopes(ix, given) => return,
                _ => {}
            }
        }
        let noun = match &draft.noun[..] {
            [first, rest @ ..] if super::relations::is_done(first) => rest,
            all => all,
        };
        let target = match others[..] {
            [a, b] => [a, b].into_iter().find(|of| {
                let other = if *of == a { b } else { a };
                noun.ends_with(&self.types[*of].noun) && (noun.starts_with(&self.types[other].noun) || draft.tied)
            }),
            _ => None,
        };
        // `VocabularyName` of a `MedicalVocabulary`, where no other name is asked for.
        let target = target.or_else(|| match others[..] {
            [only] if draft.noun.ends_with(&self.types[only].noun) => Some(only),
            _ => None,
        });
        let target = target.or_else(|| match others[..] {
            // Nothing tells which of the two: the second is the other end.
            [_, b] if draft.tied => Some(b),
            _ => None,
        });
        if let Some(target) = target {
            let why = format!("its other end is {}", self.types[target].written);
            let draft = &mut self.types[ix];
            draft.target = Some(target);
            draft.link = draft.tied;
            draft.why.push(why);
        }
    }

    /// Other types that must be named to read or delete one of this type, and to make one.
    pub(super) fn needs(&self, ix: usize) -> Vec<usize> {
        let of = |op: &Op| -> BTreeSet<usize> {
            op.givens
                .iter()
                .filter(|given| !given.list && (given.label || given.required))
                .filter_map(|given| self.whom(ix, op, given))
                .filter(|(of, _)| *of != ix)
                .map(|(of, _)| of)
                .collect()
        };
        // Also what every operation about it may be given: `UserName` of an access key, `EventBusName` of a rule.
        let offered = |op: &Op| -> BTreeSet<usize> {
            op.givens
                .iter()
                .filter(|given| !given.list && !given.inner && !given.listed)
                .filter_map(|given| self.whom(ix, op, given))
                .filter(|(of, sure)| *of != ix && *sure == Sure::Exact)
                .map(|(of, _)| of)
                .collect()
        };
        let all: Vec<&Op> =
            self.of(ix).map(|(op, _)| op).filter(|op| !op.name.batch && op.name.tail.is_empty()).collect();
        let makes = self.of(ix).any(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put));
        let offers = match all.split_first() {
            Some((first, rest)) if rest.len() > 1 && makes => {
                rest.iter().fold(offered(first), |every, op| &every & &offered(op))
            }
            _ => BTreeSet::new(),
        };
        let mut sets: Vec<BTreeSet<usize>> = Vec::new();
        let keyed = self.keyed(ix);
        if let Some((read, _)) = keyed.first() {
            sets.push(of(read));
        } else if let Some((list, _)) = self.of(ix).find(|(_, claim)| matches!(claim.verb, Verb::List | Verb::Read)) {
            sets.push(of(list));
        }
        let made = self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put));
        let mut made: Vec<_> = made.collect();
        made.sort_by_key(|(op, _)| (op.name.verb != "create", op.name.batch, op.name.noun.len()));
        if let Some((make, _)) = made.first() {
            sets.push(of(make));
        }
        let mut sets = sets.into_iter();
        let Some(first) = sets.next() else { return Vec::new() };
        let mut common = sets.fold(first, |all, set| &all & &set);
        common.extend(offers);
        // `ListUploads` wants the `arn` of what they lie in, which what makes one calls by its name.
        let general = |(op, claim): &(&Op, &Claim)| {
            claim.verb == Verb::List
                && op.givens.iter().any(|given| {
                    let told = matches!(self.whom(ix, op, given), Some((of, Sure::Generic)) if of == ix);
                    told && given.role == Some(Part::Arn)
                        && (given.required || given.label)
                        && !given.list
                        && !given.inner
                })
        };
        if common.is_empty()
            && let Some((make, _)) = made.first()
            && self.of(ix).any(|one| general(&one))
        {
            let first = make.givens.iter().filter(|given| given.required && !given.inner && !given.list);
            let whom =
                |given: &Given| self.whom(ix, make, given).filter(|(of, sure)| *of != ix && *sure == Sure::Exact);
            common.extend(first.filter_map(whom).map(|(of, _)| of).take(1));
        }
        // In the order in which the read names them: outer ones first.
        let place = |of: &usize| {
            keyed.first().and_then(|(op, _)| {
                op.givens.iter().position(|given| matches!(self.whom(ix, op, given), Some((o, _)) if o == *of))
            })
        };
        let mut common: Vec<usize> = common.into_iter().collect();
        common.sort_by_key(place);
        common
    }

    pub(super) fn find_parents(&mut self, needs: &[Vec<usize>]) {
        for ix in 0..self.types.len() {
            let spec = self.hints.types.get(&self.types[ix].called);
            let none = spec.and_then(|spec| spec.parent.as_ref()).is_some_and(String::is_empty);
            if self.types[ix].parent.is_some() || none || self.types[ix].ignored {
                continue;
            }
            // The innermost: the one that itself needs most of the others; the last named among equals.
            let deepest = needs[ix]
                .iter()
                .enumerate()
                .max_by_key(|(at, of)| (needs[**of].iter().filter(|other| needs[ix].contains(other)).count(), *at));
            let Some((_, parent)) = deepest else { continue };
            if self.lineage(*parent).contains(&ix) {
                let why = format!("not in {}, which lies in it", self.types[*parent].written);
                self.types[ix].why.push(why);
                continue;
            }
            self.types[ix].parent = Some(*parent);
            let why = format!("in {}, which reads and makes name", self.types[*parent].written);
            self.types[ix].why.push(why);
        }
    }
}
