//! Whom a member of an input tells: the resource itself, another one, or none.

use standin_model::{Document, Kind, ShapeIx};

use super::identify::{NEW, copies};
use super::members::{Given, Sure, tells};
use super::{Draft, Op};
use crate::Part;

impl Draft {
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
    pub(super) fn closest(&self, ix: usize, given: &Given) -> Option<usize> {
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
    pub(super) fn by_shape(&self, given: &Given) -> Option<usize> {
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
    pub(super) fn is_numeric(&self, shape: ShapeIx) -> bool {
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
    pub(super) fn is_major(&self, ix: usize, given: &Given) -> bool {
        let noun = &self.types[ix].noun;
        noun.last().is_some_and(|last| given.core.iter().map(String::as_str).eq(["major", last.as_str()]))
    }
}
