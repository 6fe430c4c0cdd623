//! Tags: on create, by operations of their own, and in what is shown.

use standin_model::words::squash;
use standin_model::{Kind, ShapeIx, Str};

use super::members::{Sure, tells};
use super::{Claim, Draft, Op};
use crate::{Binding, Codes, Part, Path, Role, Step, TypeIx, Verb, View};

/// In what form tags are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Pairs,
    Keys,
}

/// What an operation does with tags.
struct Tagging {
    verb: Verb,
    tags: Path,
    batch: Option<Path>,
}

impl Draft {
    fn form(&self, ix: ShapeIx) -> Option<Form> {
        match &self.service.shape(ix).kind {
            Kind::Map(map) => {
                matches!(self.service.shape(map.value.target).kind, Kind::String { .. }).then_some(Form::Pairs)
            }
            Kind::List(list) => match &self.service.shape(list.member.target).kind {
                Kind::String { .. } => Some(Form::Keys),
                Kind::Structure(item) => {
                    let has = |ends: &[&str]| item.members.iter().any(|m| ends.contains(&squash(m.name).as_str()));
                    match (has(&["key", "tagkey", "name"]), has(&["value", "tagvalue", "values"])) {
                        (true, true) => Some(Form::Pairs),
                        (true, false) if item.members.len() == 1 => Some(Form::Keys),
                        _ => None,
                    }
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Where a structure holds tags: a member, or one within it where that has nothing else (`Tags.Items`).
    fn tags_in(&self, ix: ShapeIx) -> Option<(Path, Form)> {
        self.ranked_tags(ix, usize::MAX)
    }

    /// The same, with names that say so surely enough: 0 is the surest.
    fn ranked_tags(&self, ix: ShapeIx, rank_max: usize) -> Option<(Path, Form)> {
        let mut found: Vec<(usize, Path, Form)> = Vec::new();
        for member in self.service.structure(ix).into_iter().flat_map(|structure| &structure.members) {
            let name = squash(member.name);
            let rank = match name.as_str() {
                "tags" | "tagset" | "taglist" | "tag" => 0,
                "tagkeys" | "tagkeylist" | "resourcetags" | "tagstoadd" | "tagstoremove" | "tagsmap" => 1,
                "keys" | "resourcetaglist" | "tagsmodel" => 2,
                _ if name.starts_with("tag") || name.ends_with("tags") || name.ends_with("taglist") => 3,
                _ => continue,
            };
            if let Some(form) = self.form(member.target) {
                found.push((rank, [Step::Member(member.name)].into(), form));
            } else if let Some([inner]) = self.service.structure(member.target).map(|inner| &*inner.members)
                && squash(inner.name) == "items"
                && let Some(form) = self.form(inner.target)
            {
                found.push((rank, [Step::Member(member.name), Step::Member(inner.name)].into(), form));
            }
        }
        found.retain(|(rank, ..)| *rank <= rank_max);
        found.into_iter().min_by_key(|(rank, ..)| *rank).map(|(_, path, form)| (path, form))
    }

    /// The member of a type's structures that shows tags.
    pub(super) fn shown_tags(&self, ix: usize) -> Option<Str> {
        let shapes = self.types[ix].shapes.iter();
        let (path, _) = shapes.filter_map(|shape| self.tags_in(*shape)).find(|(_, form)| *form == Form::Pairs)?;
        path.iter().find_map(|step| match step {
            Step::Member(name) => Some(*name),
            _ => None,
        })
    }

    /// Where a structure, or one in it, holds whole tags.
    fn pairs_in(&self, root: ShapeIx, lists: impl Fn(Str) -> bool) -> Option<Path> {
        if let Some((path, Form::Pairs)) = self.tags_in(root) {
            return Some(path);
        }
        for member in self.service.structure(root).into_iter().flat_map(|structure| &structure.members) {
            let (inner, items) = match &self.service.shape(member.target).kind {
                Kind::Structure(_) => (member.target, false),
                Kind::List(list) if lists(member.name) => (list.member.target, true),
                _ => continue,
            };
            // The `tagMap` of a selection picks resources by their tags.
            if let Some((within, Form::Pairs)) = self.ranked_tags(inner, 2) {
                let mut path = vec![Step::Member(member.name)];
                path.extend(items.then_some(Step::Items));
                path.extend(within);
                return Some(path.into());
            }
        }
        None
    }

    /// Where an input takes the tags of what it makes.
    pub(super) fn given_tags(&self, op: &Op) -> Option<Path> {
        self.pairs_in(op.operation.input?, |name| squash(name).contains("tag"))
    }

    /// What an operation whose name speaks of tags does.
    fn tagging(&self, op: &Op) -> Option<Tagging> {
        let words = standin_model::words::split(op.operation.name);
        let speaks = words.iter().any(|word| matches!(word.as_str(), "tag" | "tags" | "tagging" | "untag"));
        if !speaks || words.iter().any(|word| matches!(word.as_str(), "option" | "options" | "keys" | "values")) {
            return None;
        }
        let first = words[0].as_str();
        let input = op.operation.input.and_then(|input| self.tags_in(input));
        let untags = matches!(first, "untag" | "remove" | "delete");
        if matches!(first, "list" | "get" | "describe") {
            let output = op.operation.output?;
            let tags = self.pairs_in(output, |_| true)?;
            return Some(Tagging { verb: Verb::ListTags, tags, batch: None });
        }
        let (tags, form) = match input {
            Some(found) => found,
            // `Tagging.TagSet`, `DeleteBucketTagging`
            None if untags => {
                return Some(Tagging { verb: Verb::Untag, tags: Box::default(), batch: None });
            }
            None => {
                let path = self.given_tags(op)?;
                return Some(Tagging { verb: Verb::Tag, tags: path, batch: None });
            }
        };
        let verb = if untags { Verb::Untag } else { Verb::Tag };
        if verb == Verb::Tag && form == Form::Keys {
            return None;
        }
        Some(Tagging { verb, tags, batch: None })
    }

    /// The role of an operation about tags.
    pub(super) fn tag_role(&self, op: &Op, place: &[TypeIx]) -> Option<Role> {
        if self.hints.operations.get(op.operation.name).is_some_and(|hint| hint.ignore) {
            return None;
        }
        let tagging = self.tagging(op)?;
        let mut bindings: Vec<Binding> = Vec::new();
        let mut of = None;
        let mut any = false;
        let first = |test: &dyn Fn(usize) -> bool| {
            let mut fits: Vec<usize> = (0..self.types.len()).filter(|ix| test(*ix)).collect();
            fits.sort_by_key(|ix| place[*ix]);
            fits.first().copied()
        };
        let usual = first(&|ix| self.types[ix].parent.is_none() && self.shown_tags(ix).is_some())
            .or_else(|| {
                first(&|ix| self.of(ix).any(|(op, claim)| claim.verb == Verb::Create && self.given_tags(op).is_some()))
            })
            .or_else(|| {
                first(&|ix| matches!(self.types[ix].kind, crate::TypeKind::Named | crate::TypeKind::Assigned))
            })?;
        let mut givens: Vec<_> = op.givens.iter().filter(|given| !given.listed && given.name != "NextToken").collect();
        givens.retain(|given| {
            let filters = matches!(given.path.first(), Some(Step::Member(outer)) if squash(outer).contains("filter"));
            let in_tags = given.path.first() == tagging.tags.first();
            let of_tags = squash(given.name).contains("tag") && !given.inner;
            !(filters || of_tags || (in_tags && !squash(given.name).contains("resource")))
        });
        givens.sort_by_key(|given| given.inner);
        let mut batch = tagging.batch.clone();
        // `ListMFADeviceTags`, `TagRole`
        let subject: Vec<String> = standin_model::words::split(op.operation.name)
            .into_iter()
            .skip(1)
            .filter(|word| !matches!(word.as_str(), "tag" | "tags" | "tagging"))
            .collect();
        let subject = self.named(&subject.into());
        for given in givens {
            let part = given.role.unwrap_or(Part::Any);
            let core = given.core.text.as_str();
            let generic =
                core.is_empty() && given.role.is_some() || matches!(core, "resource" | "entity" | "taggingresource");
            let by_subject = subject.filter(|of| self.types[*of].own.contains_key(&given.key));
            let named = by_subject
                .or_else(|| self.named(&given.core))
                .filter(|_| given.role.is_some() || given.required || given.label);
            if given.inner && !(bindings.is_empty() || batch.is_some()) {
                continue;
            }
            let target = match named {
                Some(of) if !generic => of,
                _ if generic || (self.types.len() == 1 && given.required) => {
                    any |= self.types.len() > 1;
                    usual
                }
                // Of which the noun itself tells nothing: `KeyId`, `ResourceIdList`.
                _ if given.required && given.role.is_some() => {
                    let mut ending = self
                        .types
                        .iter()
                        .enumerate()
                        .filter(|(_, draft)| tells(&given.core, given.role, &draft.noun) == Some(Sure::Ending));
                    match ending.next() {
                        Some((of, _)) if ending.next().is_none() => of,
                        _ if core.starts_with("resource") => {
                            any = true;
                            usual
                        }
                        _ => continue,
                    }
                }
                _ => continue,
            };
            if given.inner && given.path.len() > 1 && given.path[1] == Step::Items {
                batch = Some(vec![given.path[0]].into());
            }
            let part = if part == Part::Id && (any || self.types[target].loose) { Part::Any } else { part };
            if bindings.iter().any(|other| other.part == part && other.of == place[target]) {
                continue;
            }
            of = Some(of.unwrap_or(target));
            bindings.push(Binding { path: given.path.clone(), of: place[target], part, default: None });
        }
        // What a name says that no member does: `ListTags` of all.
        let asks = op.givens.iter().any(|given| given.required || given.label);
        let of = of.or_else(|| (tagging.verb == Verb::ListTags && !asks).then_some(usual))?;
        // A composite key: what the chosen lies in comes along.
        let line: Vec<TypeIx> = self.lineage(of).into_iter().map(|ix| place[ix]).collect();
        if !any && bindings.iter().any(|binding| !line.contains(&binding.of)) {
            any = true;
        }
        let why = vec![format!("about tags of {}", if any { "any type" } else { self.types[of].written.as_str() })];
        let views: Box<[View]> = Box::default();
        Some(Role {
            verb: tagging.verb,
            resource: place[of],
            bindings: bindings.into(),
            views,
            batch,
            any,
            tags: Some(tagging.tags),
            missing: self.missing(op, of),
            missing_parents: Box::default(),
            conflict: None,
            busy: None,
            clears: Box::default(),
            body: None,
            rename: None,
            sets: Box::default(),
            action: None,
            atomic: false,
            repeatable: false,
            codes: Codes::default(),
            why,
        })
    }

    /// Claims of operations about tags are kept out of types.
    pub(super) fn is_tagging(&self, op: &Op) -> bool {
        self.tagging(op).is_some()
    }

    /// Where an operation of a type takes tags.
    pub(super) fn role_tags(&self, op: &Op, claim: &Claim) -> Option<Path> {
        if claim.verb == Verb::Read {
            let root = op.operation.output?;
            let beside = self.types[claim.of].shapes.contains(&root);
            let (path, form) = self.tags_in(root)?;
            return (!beside && form == Form::Pairs).then_some(path);
        }
        matches!(claim.verb, Verb::Create | Verb::Put | Verb::Update).then(|| self.given_tags(op))?
    }
}
