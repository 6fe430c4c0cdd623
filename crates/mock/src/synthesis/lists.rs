//! Lists and maps: how many items, what each is about, and which list of the input they answer.

use serde_json::Value;
use standin_model::{Kind, MapShape, Member, Shape, ShapeIx, Str};

use super::choice::leaf;
use super::compile::{Compiler, Mode, Scope};
use super::entity::Source;
use super::facts::{Verb, least, most};
use super::inputs::{self, InputMember};
use super::plan::{ListNode, MapNode, Node, Slot};
use super::template::Piece;
use super::{pagination, settled, tables};
use standin_model::words::{hash, singular_of, squash};

impl Compiler {
    pub(super) fn list(&mut self, shape: &Shape, item: &Member, name: &str, scope: &Scope) -> Node {
        let min = u32::try_from(least(shape)).unwrap_or(u32::MAX);
        let max = u32::try_from(most(shape)).unwrap_or(u32::MAX);
        let mut count = usual(shape, scope.lists);
        let recursive = self.stack.contains(&item.target) || self.holds_stacked(item.target);
        if recursive || self.height(item.target) == u8::MAX || (scope.depth > self.depth_max && min == 0) {
            if min == 0 {
                return Node::EmptyList;
            }
            count = min;
        }
        let example = scope.example.and_then(Value::as_array).and_then(|items| items.first());
        let one = singular_of(name.trim_end_matches("List").trim_end_matches("Set"));
        let mut inner = Scope { example, ..scope.within() };
        let target = self.service.shape(item.target);
        if let Kind::String { enum_values } = &target.kind
            && !enum_values.is_empty()
        {
            let mut values: Vec<Str> = enum_values.to_vec();
            values.sort_by_key(|value| -settled::rank(value).signum());
            values.truncate(count.max(min).max(1) as usize);
            let node = Node::Each(values.into());
            return self.finish_list(
                node,
                count.min(u32::try_from(enum_values.len()).unwrap_or(1)),
                min,
                max,
                name,
                scope,
            );
        }
        let fan = if scope.fan == 0 && scope.lists == 0 { self.fan(shape, item, name) } else { None };
        if let Some((_, number)) = &fan {
            inner.fan = *number;
        }
        let node = self.value(item.target, &one, None, &inner);
        // The same text twice says no more than once.
        if is_constant(&node) {
            count = count.min(1);
        }
        // The noun of the items, as the structure of the item was planned.
        let noun = match &target.kind {
            Kind::Structure(_) => Some(self.noun_of_structure(item.target, &one, &inner)),
            _ => None,
        };
        let single = noun.filter(|noun| fan.is_none() && !self.nouns[usize::from(*noun)].noun.sources.is_empty());
        let Node::List(mut list) = self.finish_list(node, count, min, max, name, scope) else { return Node::EmptyList };
        list.single = single.filter(|noun| *noun != scope.noun || self.verb != Verb::List);
        list.fan = fan.map(|(source, _)| source);
        Node::List(list)
    }

    pub(super) fn finish_list(&self, item: Node, count: u32, min: u32, max: u32, name: &str, scope: &Scope) -> Node {
        let limit = self.operation.filter(|_| self.mode == Mode::Output && scope.lists == 0 && scope.depth <= 1);
        let limit = limit.and_then(|operation| {
            let input = self.service.structure(operation.input?)?;
            let integers: Vec<Str> = input
                .members
                .iter()
                .filter(|member| !matches!(self.service.shape(member.target).kind, Kind::Structure(_) | Kind::List(_)))
                .map(|member| member.name)
                .collect();
            let limit = pagination::limit(operation, &integers)?;
            Some(Source { item: false, path: Box::new([limit]) })
        });
        let usual = count.max(min).min(max);
        Node::List(Box::new(ListNode { item, usual, min, max, limit, single: None, fan: None, salt: hash(name) }))
    }

    /// The list of the input that this list answers item by item.
    pub(super) fn fan(&mut self, shape: &Shape, item: &Member, name: &str) -> Option<(Source, u32)> {
        if self.mode != Mode::Output || self.inputs.is_empty() {
            return None;
        }
        let target = self.service.shape(item.target);
        let lists: Vec<(InputMember, ShapeIx)> = self
            .inputs
            .iter()
            .filter(|member| member.depth() <= 1)
            .filter_map(|member| match &self.service.shape(member.target).kind {
                Kind::List(list) => Some((member.clone(), list.member.target)),
                _ => None,
            })
            .collect();
        // Texts that identify what the items describe.
        let noun = match &target.kind {
            Kind::Structure(_) => {
                let at = self.noun_of_structure(item.target, name, &Scope::root(0).within());
                self.nouns[usize::from(at)].noun.text.to_string()
            }
            Kind::String { .. } => squash(&singular_of(name)),
            _ => return None,
        };
        let subject = squash(&self.subject);
        let own = noun == subject || noun.ends_with(&subject) || subject.ends_with(&noun);
        if self.verb != Verb::List && matches!(target.kind, Kind::Structure(_)) {
            for (member, inner) in &lists {
                if !inputs::is_text(self.service.shape(*inner)) || member.depth() > 0 {
                    continue;
                }
                let Some(identity) = inputs::identities(&member.name, &noun, own) else { continue };
                self.fans.push(Vec::new());
                let number = u32::try_from(self.fans.len()).unwrap_or(0);
                let kebab = match &target.kind {
                    Kind::Structure(_) => {
                        let at = self.noun_of_structure(item.target, name, &Scope::root(0).within());
                        self.nouns[usize::from(at)].kebab.clone()
                    }
                    _ => singular_of(name),
                };
                let at = self.noun(&kebab, number, true);
                self.nouns[usize::from(at)].noun.sources =
                    Box::new([(Source { item: true, path: Box::default() }, identity)]);
                return Some((member.source(false), number));
            }
        }
        // Structures with a member in common that must be answered.
        let structure = self.service.structure(item.target)?;
        if matches!(self.verb, Verb::List) {
            return None;
        }
        let structured: Vec<_> = lists
            .iter()
            .filter(|(_, inner)| self.service.structure(*inner).is_some() && *inner != item.target)
            .collect();
        let [(member, inner)] = structured.as_slice() else { return None };
        let asked = self.service.structure(*inner)?;
        let common = structure.members.iter().any(|member| {
            let name = squash(member.name);
            (member.required || name.ends_with("id") || name.ends_with("name"))
                && asked.members.iter().any(|from| squash(from.name) == name)
        });
        // One result for each item.
        let with_codes = structure.members.iter().any(|member| squash(member.name) == "errorcode");
        let whole_answer = common || with_codes || squash(name) == *member.name;
        if !whole_answer || most(shape) == 0 {
            return None;
        }
        self.fans.push(inputs::flatten(self.service, *inner));
        Some((member.source(false), u32::try_from(self.fans.len()).unwrap_or(0)))
    }

    pub(super) fn map(&mut self, shape: &Shape, map: &MapShape, name: &str, scope: &Scope) -> Node {
        let count = usual(shape, scope.lists).max(u32::try_from(least(shape)).unwrap_or(u32::MAX));
        let inner = scope.within();
        let values = self.service.shape(map.value.target);
        if let Some(node) = self.enumerated(map, count, most(shape), &inner) {
            return node;
        }
        let tags = is_tags(name) && inputs::is_text(values);
        let key = self.key(map.key.target, tags, &inner);
        let value = if tags {
            Node::Text(self.of_templates(values, &[tables::TAG_VALUES], &inner))
        } else {
            self.value(map.value.target, &singular_of(name), None, &inner)
        };
        Node::Map(Box::new(MapNode { key, value, count, salt: hash(name) }))
    }

    /// A map whose keys are of an enumeration: every value means what its key says.
    pub(super) fn enumerated(&mut self, map: &MapShape, count: u32, most: usize, scope: &Scope) -> Option<Node> {
        let value = map.value.target;
        let Kind::String { enum_values } = &self.service.shape(map.key.target).kind else { return None };
        if enum_values.is_empty() {
            return None;
        }
        let mut keys: Vec<Str> = enum_values.iter().copied().filter(|key| !key.is_empty()).collect();
        keys.sort_by_key(|key| settled::rank(key) < 0);
        keys.truncate(count.max(if leaf(&self.service.shape(value).kind) { 8 } else { 1 }) as usize);
        keys.truncate(most.max(1));
        let slots = keys.into_iter().map(|key| {
            let node = self.value(value, key, None, scope);
            Slot { name: key, node, echo: None, only: None }
        });
        Some(Node::Structure(slots.collect()))
    }

    /// Plans the keys of a map.
    pub(super) fn key(&mut self, target: ShapeIx, tags: bool, scope: &Scope) -> Node {
        const KEYS: &[Str] = &["{word}", "{region}{each:a|b}", "{region}", "{account}", "{each:1|2}", "en", "en_US"];
        let shape = self.service.shape(target);
        let templates = if tags { &[tables::TAG_KEYS, "{word}"] } else { KEYS };
        Node::Text(self.of_templates(shape, templates, scope))
    }
}

fn is_constant(node: &Node) -> bool {
    match node {
        Node::Fixed(_) | Node::Sample(_) => true,
        Node::Text(text) => text.pieces.iter().all(|piece| {
            matches!(
                piece,
                Piece::Text(_) | Piece::Partition | Piece::Region | Piece::Account | Piece::Zone | Piece::Base
            )
        }),
        _ => false,
    }
}

pub(super) fn is_tags(name: &str) -> bool {
    let name = squash(name);
    name == "tag"
        || name.ends_with("tags")
        || name.ends_with("taglist")
        || name.ends_with("tagset")
        || name.ends_with("tagmap")
}

/// Items of a list, or entries of a map, where nothing tells how many.
pub(super) fn usual(shape: &Shape, lists: u8) -> u32 {
    let count = if lists == 0 { 2 } else { 1 };
    let (min, max) = (least(shape), most(shape));
    u32::try_from(count.max(min).min(max)).unwrap_or(1)
}
