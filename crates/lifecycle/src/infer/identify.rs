//! How types are identified, and what they lie in.

use std::collections::BTreeSet;

use standin_model::{Document, Kind, ShapeIx, Str};

use super::members::{Given, Sure, tells};
use super::{Claim, Draft, Op};
use crate::{Part, TypeKind, Verb, overlay};

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

    /// Whom a member of an operation about `ix` tells.
    pub(super) fn whom(&self, ix: usize, op: &Op, given: &Given) -> Option<(usize, Sure)> {
        let draft = &self.types[ix];
        if copies(op) {
            // `TargetDBSnapshotIdentifier` is the copy, `BackupId` what is copied.
            return match given.core.split_first() {
                Some((first, rest)) if NEW.contains(&first.as_str()) => {
                    (*rest == draft.noun[..] || rest.is_empty()).then_some((ix, Sure::Exact))
                }
                _ if given.role == Some(Part::Name) && !given.core.is_empty() => None,
                _ => self.named(&given.core).filter(|other| *other != ix).map(|other| (other, Sure::Exact)),
            };
        }
        if op.name.verb == "restore"
            && let Some((first, rest)) = given.core.split_first()
            && NEW.contains(&first.as_str())
            && *rest == draft.noun[..]
        {
            return Some((ix, Sure::Exact));
        }
        let told = tells(&given.core, given.role, &draft.noun);
        if told == Some(Sure::Exact) || self.counts(ix, given) {
            return Some((ix, Sure::Exact));
        }
        // `name` beside `versionName` is that of what the version is of.
        if told == Some(Sure::Generic) {
            let outer = || {
                let starts = |other: &&usize| **other != ix && draft.noun.starts_with(&self.types[**other].noun);
                let all: Vec<usize> = (0..self.types.len()).collect();
                all.iter().filter(starts).max_by_key(|other| self.types[**other].noun.len()).copied()
            };
            let exact = |other: &Given| {
                let told = tells(&other.core, other.role, &draft.noun);
                // The text of a policy is not its name.
                let versions = draft.noun.last().is_some_and(|last| matches!(last.as_str(), "version" | "revision"));
                (other.required || other.label)
                    && (other.role.is_some() || versions || self.counts(ix, other))
                    && !other.inner
                    && !other.list
                    && other.name != given.name
                    && (told == Some(Sure::Exact)
                        || (told == Some(Sure::Ending) && other.core.len() == 1)
                        || self.counts(ix, other))
            };
            if (given.required || given.label)
                && !given.inner
                && op.givens.iter().any(exact)
                && let Some(outer) = outer()
            {
                return Some((outer, Sure::Generic));
            }
            return Some((ix, Sure::Generic));
        }
        let bare = given.role.is_none() && given.listed;
        if !bare && let Some(other) = self.closest(ix, given) {
            return Some((if draft.target == Some(other) { ix } else { other }, Sure::Exact));
        }
        if draft.own.contains_key(&given.key) {
            return Some((ix, Sure::Exact));
        }
        let mut ending: Vec<usize> = Vec::new();
        if given.role.is_some() {
            ending.extend(self.ending(&given.core).filter(|other| *other != ix));
        }
        // `templateName` of a `ServiceTemplateVersion` is that of the `ServiceTemplate`.
        if let Some(own) = ending.iter().find(|other| draft.noun.starts_with(&self.types[**other].noun)) {
            return Some((*own, Sure::Ending));
        }
        if told.is_some() {
            return told.map(|sure| (ix, sure));
        }
        if let Some(target) = draft.target.filter(|target| ending.contains(target)) {
            ending = vec![target];
            return ending.first().map(|_| (ix, Sure::Ending));
        }
        match ending[..] {
            [other] => Some((other, Sure::Ending)),
            _ => None,
        }
    }

    /// The type that a member's name tells: `profileArn` in what is about an `AgentContext` is that of the `AgentProfile`, even
    /// if there are `Profile`s too, and so is one of the shape `AgentProfileArn`.
    fn closest(&self, ix: usize, given: &Given) -> Option<usize> {
        let plain = self.named(&given.core)?;
        let noun = &self.types[ix].noun;
        let near = (1..noun.len()).rev().find_map(|length| {
            let words = [&noun[..length], &given.core[..]].concat();
            self.named(&words.into()).filter(|near| *near != ix)
        });
        let shaped =
            || self.by_shape(given).filter(|shaped| self.types[*shaped].noun.ends_with(&self.types[plain].noun));
        Some(near.or_else(shaped).unwrap_or(plain))
    }

    /// The type after which a member's shape is called.
    fn by_shape(&self, given: &Given) -> Option<usize> {
        let name = self.dissect(self.service.shape(given.target).name);
        name.1.and_then(|_| self.named(&name.0))
    }

    /// Whether a member is the number of a version or revision, or another number that counts up.
    pub(super) fn counts(&self, ix: usize, given: &Given) -> bool {
        let noun = &self.types[ix].noun;
        let Some(last) = noun.last().filter(|_| !given.inner && !given.list) else { return false };
        let core: Vec<&str> = given.core.iter().map(String::as_str).collect();
        if matches!(last.as_str(), "version" | "revision") && noun.len() > 1 {
            let own = core == [last.as_str(), "number"] || core == ["minor", last.as_str()] || core == [last.as_str()];
            return own || (*given.core == noun[..] && given.role.is_none() && self.is_numeric(given.target));
        }
        // `DeploymentNumber`
        let number = matches!(self.service.shape(given.target).kind, Kind::Integer | Kind::Long);
        let id = given.role == Some(Part::Id) && (core.is_empty() || *given.core == noun[..]);
        number && (core == [last.as_str(), "number"] || id)
    }

    /// Whether a member takes numbers and nothing else.
    fn is_numeric(&self, shape: ShapeIx) -> bool {
        let accepts = |text: &str| {
            let value = Document::from(text.to_owned());
            standin_mock::validation::check_shape(self.service, shape, &value).is_empty()
        };
        match self.service.shape(shape).kind {
            Kind::Integer | Kind::Long => true,
            Kind::String { .. } => accepts("1") && accepts("27") && !accepts("a") && !accepts("a1"),
            _ => false,
        }
    }

    /// The first of two numbers of a version.
    fn is_major(&self, ix: usize, given: &Given) -> bool {
        let noun = &self.types[ix].noun;
        noun.last().is_some_and(|last| given.core.iter().map(String::as_str).eq(["major", last.as_str()]))
    }

    /// Operations that name one resource of the type.
    fn keyed(&self, ix: usize) -> Vec<(&Op, &Claim)> {
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

    /// Of a type that two others name: which of these is what it lies in, and which the other end. `PolicyName` names the
    /// `RolePolicy`, `RoleName` what it lies in.
    fn find_target(&mut self, ix: usize) {
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

    /// Whether a member only says in what account, registry or the like all is: most operations ask for it, also what makes.
    fn scopes(&self, ix: usize, given: &Given) -> bool {
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

    /// Other types that must be named to read or delete one of this type, and to make one.
    fn needs(&self, ix: usize) -> Vec<usize> {
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

    fn find_parents(&mut self, needs: &[Vec<usize>]) {
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
    fn shared_key(&self, ix: usize, makes: &[&Op]) -> Vec<Str> {
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
    fn names_it(&self, ix: usize, make: &Op) -> Option<Str> {
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
    fn has_id(&self, ix: usize) -> bool {
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
