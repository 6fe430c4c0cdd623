//! What ties resources together: attached, associated, added, enabled.

use std::collections::BTreeMap;

use standin_model::Kind;

use super::grouping::{Noun, is_about_tags};
use super::members::{Sure, Words, tells};
use super::names::Stem;
use super::{Claim, Draft, Op, TypeDraft};
use crate::Verb;

/// Words that say of a noun that something was done to it, and the verb that does it: before the noun, and after.
const DONE: &[(&str, &str)] = &[
    ("enabled", "enable"),
    ("attached", "attach"),
    ("associated", "associate"),
    ("linked", "associate"),
    ("linked", "link"),
    ("registered", "register"),
    ("shared", "share"),
    ("subscribed", "subscribe"),
    ("assigned", "assign"),
    ("authorized", "authorize"),
    ("association", "associate"),
    ("attachment", "attach"),
    ("assignment", "assign"),
    ("registration", "register"),
    ("subscription", "subscribe"),
    ("membership", "add"),
    ("link", "link"),
    ("authorization", "authorize"),
    ("activation", "activate"),
];

/// Verbs and what undoes them.
const UNDONE: &[(&str, &[&str])] = &[
    ("associate", &["disassociate", "dissociate"]),
    ("attach", &["detach"]),
    ("add", &["remove", "delete"]),
    ("register", &["deregister", "unregister"]),
    ("enable", &["disable"]),
    ("link", &["unlink"]),
    ("grant", &["revoke"]),
    ("authorize", &["revoke", "deauthorize"]),
    ("assign", &["unassign"]),
    ("subscribe", &["unsubscribe"]),
    ("connect", &["disconnect"]),
    ("share", &["unshare"]),
    ("activate", &["deactivate"]),
];

/// What a tie is called, by the verb that makes it.
const TIES: &[(&str, &str)] = &[
    ("associate", "Association"),
    ("attach", "Attachment"),
    ("add", "Membership"),
    ("register", "Registration"),
    ("link", "Link"),
    ("grant", "Grant"),
    ("authorize", "Authorization"),
    ("assign", "Assignment"),
    ("connect", "Connection"),
    ("share", "Share"),
];

/// Whether a word says that something was done to what follows it.
pub(super) fn is_done(word: &str) -> bool {
    DONE.iter().any(|(done, _)| *done == word)
}

fn undoes(verb: &str, undo: &str) -> bool {
    UNDONE.iter().any(|(done, undone)| *done == verb && undone.contains(&undo))
}

impl Draft {
    /// Whether an operation ties a thing that is made elsewhere to something: `AddUserToGroup`, or undoes that.
    pub(super) fn ties_known(&self, op: &Op) -> bool {
        if op.name.tail.is_empty() || op.name.noun.is_empty() {
            return false;
        }
        let made = |op: &Op| {
            self.operations.iter().any(|other| {
                other.name.noun == op.name.noun
                    && other.name.tail.is_empty()
                    && matches!(other.name.stem, Stem::Create | Stem::Put)
            })
        };
        let ties = |op: &Op| TIES.iter().any(|(verb, _)| *verb == op.name.verb) && made(op);
        ties(op)
            || self.operations.iter().any(|other| {
                other.name.noun == op.name.noun
                    && other.name.tail == op.name.tail
                    && undoes(&other.name.verb, &op.name.verb)
                    && ties(other)
            })
    }

    /// Nouns that are shown but not made under their own name.
    pub(super) fn made_otherwise(&mut self, nouns: &BTreeMap<String, Noun>) {
        for noun in nouns.values() {
            let views = [Stem::Read, Stem::List];
            if noun.has(&[Stem::Create, Stem::Put]) || !noun.has(&views) || self.named(&noun.words).is_some() {
                continue;
            }
            let makers = self.done_to(noun).or_else(|| self.made_by_output(noun));
            let Some((makers, why)) = makers else { continue };
            let mut draft = TypeDraft::new(&noun.words, &noun.written);
            draft.why.push(why);
            draft.tied = makers.iter().any(|at| self.operations[*at].name.stem == Stem::Attach);
            let ix = self.add_type(draft);
            for at in makers {
                let why = format!("makes {}", noun.written);
                self.operations[at].claim = Some(Claim::new(ix, Verb::Create, why));
                let name = self.operations[at].name.clone();
                for undo in &mut self.operations {
                    let same =
                        undo.name.noun == name.noun && (undo.name.tail == name.tail || undo.name.tail.is_empty());
                    if undo.claim.is_none() && same && undoes(&name.verb, &undo.name.verb) {
                        let why = format!("{} undoes {}", undo.name.verb, name.verb);
                        undo.claim = Some(Claim::new(ix, Verb::Delete, why));
                    }
                }
            }
        }
    }

    /// `GetEnabledControl` shows what `EnableControl` makes.
    fn done_to(&self, noun: &Noun) -> Option<(Vec<usize>, String)> {
        // `GetMaintenanceWindowTask` shows what `RegisterTaskWithMaintenanceWindow` makes.
        let joined =
            |op: &Op| !op.name.tail.is_empty() && [&op.name.tail[..], &op.name.noun[..]].concat() == noun.words[..];
        let makers: Vec<usize> = (0..self.operations.len())
            .filter(|at| {
                let op = &self.operations[*at];
                op.claim.is_none() && TIES.iter().any(|(verb, _)| *verb == op.name.verb) && joined(op)
            })
            .collect();
        if !makers.is_empty() {
            return Some((makers, format!("{} is what is put into it", noun.written)));
        }
        for (word, verb) in DONE {
            let base = match &noun.words[..] {
                [first, rest @ ..] if first == word && !rest.is_empty() => rest,
                [rest @ .., last] if last == word => rest,
                _ => continue,
            };
            let makers: Vec<usize> = self
                .operations
                .iter()
                .enumerate()
                .filter(|(_, op)| op.claim.is_none() && op.name.verb == *verb && *op.name.noun == *base)
                .map(|(at, _)| at)
                .collect();
            if !makers.is_empty() {
                return Some((makers, format!("{} is what {verb} makes", noun.written)));
            }
        }
        None
    }

    /// The output of what makes it is, or names, what the read shows.
    fn made_by_output(&self, noun: &Noun) -> Option<(Vec<usize>, String)> {
        let reads: Vec<&Op> =
            noun.stems.iter().filter(|(stem, _)| *stem == Stem::Read).map(|(_, at)| &self.operations[*at]).collect();
        let key = reads.iter().find_map(|read| {
            read.givens.iter().find(|given| {
                !given.list
                    && !given.inner
                    && (given.required || given.label)
                    && tells(&given.core, given.role, &noun.words) == Some(Sure::Exact)
            })
        })?;
        let shown = reads.iter().find_map(|read| self.structure_about(read, &noun.words));
        let makers: Vec<usize> = self
            .operations
            .iter()
            .enumerate()
            .filter(|(_, op)| {
                let stem = matches!(op.name.stem, Stem::Create | Stem::Start | Stem::Attach);
                let typed = self.named(&op.name.noun).is_some();
                if op.claim.is_some() || !stem || typed || is_about_tags(&op.name.noun) || !op.name.tail.is_empty() {
                    return false;
                }
                let knows = op
                    .givens
                    .iter()
                    .any(|given| !given.inner && !given.list && given.name.eq_ignore_ascii_case(key.name));
                let same = shown.is_some() && self.structure_about(op, &noun.words) == shown;
                let names = op.operation.output.and_then(|root| self.service.structure(root)).is_some_and(|root| {
                    root.members.iter().any(|member| {
                        member.name.eq_ignore_ascii_case(key.name)
                            && matches!(self.service.shape(member.target).kind, Kind::String { .. })
                    })
                });
                !knows && (same || names)
            })
            .map(|(at, _)| at)
            .collect();
        let why = format!("{} is in the output of {}", noun.written, self.operations[*makers.first()?].operation.name);
        Some((makers, why))
    }

    /// The structure at the root of an output that is about a noun.
    fn structure_about(&self, op: &Op, noun: &Words) -> Option<standin_model::ShapeIx> {
        let root = self.service.structure(op.operation.output?)?;
        root.members
            .iter()
            .filter(|member| self.service.structure(member.target).is_some())
            .find(|member| {
                self.about_noun(member.name, noun) == Some(Sure::Exact)
                    || self.about_noun(self.service.shape(member.target).name, noun) == Some(Sure::Exact)
            })
            .map(|member| member.target)
    }

    /// Pairs such as attach and detach, of which no noun tells.
    pub(super) fn ties(&mut self) {
        let mut pairs: Vec<(usize, Vec<usize>)> = Vec::new();
        for (at, op) in self.operations.iter().enumerate() {
            if op.claim.is_some() || !TIES.iter().any(|(verb, _)| *verb == op.name.verb) || is_about_tags(&op.name.noun)
            {
                continue;
            }
            let undo: Vec<usize> = self
                .operations
                .iter()
                .enumerate()
                .filter(|(_, undo)| {
                    undo.claim.is_none()
                        && undoes(&op.name.verb, &undo.name.verb)
                        && undo.name.noun == op.name.noun
                        && (undo.name.tail == op.name.tail || undo.name.tail.is_empty() || op.name.tail.is_empty())
                })
                .map(|(at, _)| at)
                .collect();
            if !undo.is_empty() {
                pairs.push((at, undo));
            }
        }
        for (make, undo) in pairs {
            if self.operations[make].claim.is_none() {
                self.tie(make, &undo);
            }
        }
    }

    fn tie(&mut self, make: usize, undo: &[usize]) {
        let op = &self.operations[make];
        let name = op.name.clone();
        let mut named: Vec<usize> = Vec::new();
        for given in op.givens.iter().filter(|given| given.role.is_some() || given.required || given.label) {
            if let Some(of) = self.named(&given.core)
                && !named.contains(&of)
            {
                named.push(of);
            }
        }
        let first = self
            .named(&name.tail)
            .filter(|of| named.contains(of))
            .or_else(|| named.iter().copied().find(|of| name.noun.starts_with(&self.types[*of].noun)))
            .or_else(|| named.first().copied());
        let Some(parent) = first else { return };
        let target = named
            .iter()
            .copied()
            .filter(|of| *of != parent)
            .max_by_key(|of| (name.noun.ends_with(&self.types[*of].noun), std::cmp::Reverse(*of)));
        let suffix = TIES.iter().find(|(verb, _)| *verb == name.verb).map_or("Link", |(_, suffix)| suffix);
        let lead =
            if name.noun.starts_with(&self.types[parent].noun) { "" } else { self.types[parent].written.as_str() };
        let written = format!("{lead}{}{suffix}", name.written);
        let mut noun = standin_model::words::split(&written);
        if self.named(&noun.clone().into()).is_some() {
            noun.push(name.verb.clone());
        }
        let mut draft = TypeDraft::new(&noun.into(), &written);
        draft.why.push(format!("{} ties {} to something", op.operation.name, self.types[parent].written));
        draft.link = true;
        draft.parent = Some(parent);
        draft.target = target;
        draft.base = name.noun.clone();
        let ix = self.add_type(draft);
        let why = format!("{} ties", name.verb);
        self.operations[make].claim = Some(Claim::new(ix, Verb::Create, why));
        for at in undo {
            let why = format!("{} unties", self.operations[*at].name.verb);
            self.operations[*at].claim = Some(Claim::new(ix, Verb::Delete, why));
        }
        // `DescribeInstanceStorageConfig`, beside `AssociateInstanceStorageConfig`
        for other in &mut self.operations {
            let verb = match other.name.stem {
                Stem::Read if !other.name.plural => Verb::Read,
                Stem::Update => Verb::Update,
                _ => continue,
            };
            let free = other.claim.as_ref().is_none_or(|claim| claim.inexact);
            if free && other.name.noun == name.noun && other.name.tail == name.tail {
                other.claim = Some(Claim::new(ix, verb, format!("{} of what is tied", other.name.verb)));
            }
        }
        // `ListGroupsForUser`, `ListAttachedRolePolicies`
        for at in 0..self.operations.len() {
            let list = &self.operations[at];
            let listed = list.claim.as_ref().is_none_or(|claim| claim.verb == Verb::List && !list.name.tail.is_empty());
            if !listed || !matches!(list.name.stem, Stem::List | Stem::Read) {
                continue;
            }
            let words = &list.name.noun;
            let done =
                DONE.iter().any(|(word, verb)| *verb == name.verb && words.first().is_some_and(|first| first == word));
            let after = words.last().is_some_and(|last| last.eq_ignore_ascii_case(suffix));
            let core = match (done, after) {
                (true, _) => &words[1..],
                (_, true) => &words[..words.len() - 1],
                _ => &words[..],
            };
            let ends = |of: usize| *self.types[of].noun == *core;
            let names = |of: usize| {
                list.givens.iter().any(|given| {
                    !given.list
                        && (given.required || given.label)
                        && tells(&given.core, given.role, &self.types[of].noun) == Some(Sure::Exact)
                })
            };
            let told =
                (done || after) && (*core == *name.noun || target.is_some_and(|target| ends(target) && names(parent)));
            let by_ends = !list.name.tail.is_empty()
                && list.name.plural
                && target.is_some_and(|target| (ends(target) && names(parent)) || (ends(parent) && names(target)));
            let same =
                list.name.plural && *core == *name.noun && self.named(&core.to_vec().into()).is_none() && names(parent);
            if told || by_ends || same {
                let why = format!("shows what {} ties", name.verb);
                self.operations[at].claim = Some(Claim::new(ix, Verb::List, why));
            }
        }
    }
}
