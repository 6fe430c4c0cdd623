//! Which input member means the same as an output member.

use standin_model::{Kind, Member, Shape, ShapeIx};

use super::choice::leaf;
use super::compile::{Compiler, Scope};
use super::entity::Source;
use super::facts::Verb;
use super::inputs::{self, InputMember};
use super::plan::Node;
use super::{tables, template};
use standin_model::words::{split, squash};

/// An input member that means the same as an output member.
pub(super) struct Found {
    pub source: Source,
    pub shape: ShapeIx,
    pub required: bool,
    /// Structures around it in the input.
    pub depth: usize,
}

impl Found {
    fn new(member: &InputMember, item: bool) -> Self {
        Self { source: member.source(item), shape: member.target, required: member.required, depth: member.depth() }
    }
}

impl Compiler {
    /// Whether a text is already tied to the input by the resource that it names.
    pub(super) fn identifies(&self, node: &Node) -> bool {
        let Node::Text(text) = node else { return false };
        let noun = &self.nouns[usize::from(text.noun)].noun;
        let own = |piece: &template::Piece| {
            matches!(piece, template::Piece::Name | template::Piece::Id | template::Piece::Own)
        };
        !noun.sources.is_empty() && (text.arn || text.pieces.iter().any(own))
    }

    /// Whether a member that the input may have, and now has not, stays away: what was not set on creation, and what a
    /// list was not filtered by.
    pub(super) fn only_echoes(
        &self,
        member: &Member,
        target: &Shape,
        node: &Node,
        found: &Found,
        scope: &Scope,
    ) -> bool {
        if member.required || found.required || !scope.top {
            return false;
        }
        // Who it is, the answer always says.
        if self.identifies(node) && matches!(node, Node::Text(text) if text.noun == scope.noun) {
            return false;
        }
        let free = inputs::is_text(target);
        match self.verb {
            Verb::Create => {
                free || matches!(target.kind, Kind::Structure(_) | Kind::List(_) | Kind::Map(_) | Kind::Document)
            }
            Verb::List | Verb::Read => {
                found.depth == 0 && scope.depth == 0 && matches!(target.kind, Kind::String { .. })
            }
            _ => false,
        }
    }

    /// The input member that means the same.
    pub(super) fn find(&self, name: &str, target: ShapeIx, scope: &Scope) -> Option<Found> {
        let words = split(name).len();
        let name = squash(name);
        let name = name.as_str();
        let fits = |from: ShapeIx| {
            inputs::compatible(self.service, from, target)
                || (self.service.structure(from).is_some() && self.service.structure(target).is_some())
        };
        if let Some((source, shape)) = &scope.matched
            && let Some(structure) = self.service.structure(*shape)
            && let Some(member) = structure.members.iter().find(|m| squash(m.name) == name && fits(m.target))
        {
            let mut path = source.path.to_vec();
            path.push(member.name);
            let source = Source { item: source.item, path: path.into() };
            return Some(Found { source, shape: member.target, required: member.required, depth: 0 });
        }
        if scope.fan != 0
            && let Some(member) = self.fans[scope.fan as usize - 1].iter().find(|m| *m.name == *name && fits(m.target))
        {
            return Some(Found::new(member, true));
        }
        if scope.top
            && let Some((_, other)) = tables::SYNONYMS.iter().find(|(output, _)| *output == name)
            && let Some(member) = self.inputs.iter().find(|m| m.depth() == 0 && *m.name == **other && fits(m.target))
        {
            return Some(Found::new(member, false));
        }
        let generic = is_generic(name) || words == 1;
        let leaf = leaf(&self.service.shape(target).kind);
        let filters = |member: &InputMember| {
            self.verb == Verb::List
                && member.target == target
                && matches!(&self.service.shape(target).kind, Kind::String { enum_values } if !enum_values.is_empty())
        };
        let member = self.inputs.iter().find(|member| {
            *member.name == *name
                && fits(member.target)
                && match (scope.top, scope.lists) {
                    (true, _) => member.depth() == 0 || !generic || self.wraps(member),
                    (false, 0) => !generic && member.depth() <= 1,
                    // What a list was filtered by is true of its items.
                    (false, _) => (!generic || filters(member)) && leaf && member.depth() == 0,
                }
        })?;
        Some(Found::new(member, false))
    }

    /// The input's own member of that squashed name.
    pub(super) fn input_named(&self, name: &str) -> Option<Source> {
        self.inputs
            .iter()
            .find(|member| member.depth() == 0 && *member.name == *name)
            .map(|member| member.source(false))
    }

    /// Whether an input member lies in the structure that describes what the operation is about.
    pub(super) fn wraps(&self, member: &InputMember) -> bool {
        member.depth() == 1 && {
            let around = squash(member.path[0]);
            let subject = squash(&self.subject);
            around.starts_with(&subject) || subject.ends_with(&around)
        }
    }
}

/// Names of one word that mean something else in every structure.
fn is_generic(name: &str) -> bool {
    tables::GENERIC.split_ascii_whitespace().any(|word| word == name)
}
