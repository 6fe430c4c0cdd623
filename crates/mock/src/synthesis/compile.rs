//! Plans answers: walks the shape once and decides what every member means and how it is made.

use std::sync::Arc;

use serde_json::Value;
use standin_model::{Kind, Location, Member, Operation, Service, Shape, ShapeIx, Str, Structure};

use super::entity::{Noun, Source};
use super::facts::{Facts, Verb, least, most, verb_and_noun};
use super::inputs::{self, InputMember};
use super::plan::{Echo, ListNode, MapNode, Node, Plan, Slot};
use super::words::{hash, mix, singular_of, split, squash};
use super::{Fill, pagination, scalars, settled, tables, template};

/// Nodes of one answer that optional members may fill.
const NODES_MAX: usize = 400;
/// Structures within structures, before optional members are left out.
const DEPTH_MAX: usize = 5;

/// What a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Output,
    Input(Fill),
    Error,
}

/// A noun in the making.
#[derive(Debug)]
pub(super) struct Draft {
    pub noun: Noun,
    pub kebab: String,
    /// Whether it is about items of an input's list.
    pub fan: u32,
    pub name_settled: bool,
    pub id_settled: bool,
}

/// Where in an answer the planner is.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub noun: u16,
    /// Structures around.
    pub depth: usize,
    /// Lists and maps around.
    pub lists: u8,
    /// The input's list that is answered item by item; 0: none.
    pub fan: u32,
    /// Whether this is the root, or the one thing that it wraps.
    pub top: bool,
    /// The input's structure that means the same.
    pub matched: Option<(Source, ShapeIx)>,
    /// What the modelled example has here.
    pub example: Option<&'static Value>,
}

pub(super) struct Compiler {
    pub service: &'static Service,
    pub operation: Option<&'static Operation>,
    pub facts: Arc<Facts>,
    pub mode: Mode,
    pub verb: Verb,
    pub subject: String,
    pub nouns: Vec<Draft>,
    /// Members of the input.
    inputs: Vec<InputMember>,
    /// Members of the items of the lists that are answered item by item, by number - 1.
    fans: Vec<Vec<InputMember>>,
    stack: Vec<ShapeIx>,
    depth_max: usize,
    /// Whether nothing is left out for what it means, because the answer would be empty.
    loose: bool,
}

impl Compiler {
    pub(super) fn new(service: &'static Service, operation: Option<&'static Operation>, mode: Mode) -> Self {
        let (verb, words) = operation.map_or((Verb::Other, Vec::new()), |operation| verb_and_noun(operation.name));
        let input = operation.filter(|_| mode == Mode::Output).and_then(|operation| operation.input);
        Self {
            service,
            operation,
            facts: Facts::of(service),
            mode,
            verb,
            subject: words.join("-"),
            nouns: Vec::new(),
            inputs: input.map(|input| inputs::flatten(service, input)).unwrap_or_default(),
            fans: Vec::new(),
            stack: Vec::new(),
            depth_max: DEPTH_MAX,
            loose: false,
        }
    }

    /// Plans a structure.
    pub(super) fn plan(mut self, root: ShapeIx, example: Option<&'static Value>) -> Plan {
        self.depth_max = match self.mode {
            Mode::Input(Fill::Required) => 0,
            _ => (1..=DEPTH_MAX).rev().find(|depth| self.cost(root, 0, 0, *depth) <= NODES_MAX).unwrap_or(1),
        };
        let subject = self.root_noun();
        let scope = Scope { noun: subject, depth: 0, lists: 0, fan: 0, top: true, matched: None, example };
        let mut slots = self.structure(root, &scope);
        if slots.is_empty() && self.mode == Mode::Output {
            self.loose = true;
            slots = self.structure(root, &scope);
        }
        let skip = self.operation.and_then(|operation| operation.input).and_then(|input| self.service.structure(input));
        let skip = skip.into_iter().flat_map(|input| &input.members).filter(|member| member.idempotency_token);
        let nouns: Box<[Noun]> = self.nouns.into_iter().map(|draft| draft.noun).collect();
        let size = slots.iter().map(|slot| 1 + slot.node.size()).sum::<usize>() + nouns.len() * 4;
        Plan {
            root: slots.into_boxed_slice(),
            nouns,
            subject,
            skip: skip.map(|member| member.name).collect(),
            fresh: matches!(self.verb, Verb::Create | Verb::Other | Verb::Update),
            size,
        }
    }

    /// What the root's own `Name`, `Id` and `Arn` are of. In a list it is what the list is in: the bucket, not its objects.
    fn root_noun(&mut self) -> u16 {
        let mut kebab = self.subject.clone();
        if self.verb == Verb::List {
            let parent = self.inputs.iter().find(|member| {
                member.depth() == 0 && member.required && inputs::is_text(self.service.shape(member.target))
            });
            if let Some(parent) = parent {
                let mut words = split(parent.path[0]);
                if words.len() > 1
                    && words.last().is_some_and(|last| matches!(last.as_str(), "name" | "id" | "arn" | "identifier"))
                {
                    words.pop();
                }
                kebab = words.join("-");
            }
        }
        self.noun(&kebab, 0, true)
    }

    /// The noun of that name. `own`: it is what the operation is about.
    pub(super) fn noun(&mut self, kebab: &str, fan: u32, own: bool) -> u16 {
        let text = squash(kebab);
        if let Some(at) = self.nouns.iter().position(|draft| *draft.noun.text == *text && draft.fan == fan) {
            return u16::try_from(at).unwrap_or(0);
        }
        let own = own || (fan == 0 && squash(&self.subject) == text && self.verb != Verb::List);
        let members = if fan == 0 { &self.inputs } else { &self.fans[fan as usize - 1] };
        let sources: Vec<_> = members
            .iter()
            .filter(|member| {
                let text = self.service.shape(member.target);
                member.depth() <= 1 && matches!(text.kind, Kind::String { .. })
            })
            .filter_map(|member| {
                let generic = own && (member.depth() == 0 || squash(member.path[member.path.len() - 2]) == text);
                let identity = inputs::identity(&member.name, &text, generic)?;
                Some((member.source(fan != 0), identity))
            })
            .collect();
        let fact = self.facts.nouns.get(text.as_str()).copied().unwrap_or_default();
        let reading = template::Reading { noun: kebab, member: kebab, service: self.service.signing_name };
        let name = tables_row(tables::NAMES, self.service.signing_name, &text, false);
        let id = tables_row(tables::IDS, self.service.signing_name, &text, false);
        let by_source = sources.iter().find_map(|(_, identity)| match identity {
            super::entity::Identity::Name => Some(true),
            super::entity::Identity::Id => Some(false),
            _ => None,
        });
        let hash = hash(&text);
        self.nouns.push(Draft {
            noun: Noun {
                text: text.into(),
                hash,
                named: fact.by_name.or(by_source).unwrap_or(id.is_none()),
                name: template::read(name.unwrap_or(tables::NAME_STYLES[0]), &reading),
                id: template::read(id.unwrap_or(tables::ID_STYLES[0]), &reading),
                sources: sources.into(),
            },
            kebab: kebab.to_owned(),
            fan,
            name_settled: false,
            id_settled: false,
        });
        u16::try_from(self.nouns.len() - 1).unwrap_or(0)
    }

    fn height(&self, shape: ShapeIx) -> u8 {
        self.facts.height(shape)
    }

    /// The members to fill, by place.
    fn chosen(&self, ix: ShapeIx, structure: &Structure, depth: usize, depth_max: usize) -> Vec<usize> {
        let members = &structure.members;
        let all = || members.iter().enumerate();
        if structure.union {
            return self.choice(structure, depth > depth_max).into_iter().collect();
        }
        let recursive = self.stack.contains(&ix);
        let full = depth < depth_max && !recursive;
        let mut chosen: Vec<usize> = all()
            .filter(|(_, member)| {
                member.required || (depth <= depth_max && !recursive && self.wanted(structure, member, depth, full))
            })
            .map(|(at, _)| at)
            .collect();
        // No empty structures: a few plain members, else the shallowest.
        let lean = matches!(self.mode, Mode::Input(Fill::Required));
        if chosen.is_empty() && !lean && (depth > 0 || self.loose) {
            chosen = all()
                .filter(|(_, member)| leaf(&self.service.shape(member.target).kind) && self.healthy(member))
                .map(|(at, _)| at)
                .take(4)
                .collect();
            if chosen.is_empty() && !recursive {
                let shallow = all().filter(|(_, member)| !pagination::is_token(member.name));
                chosen.extend(shallow.min_by_key(|(_, member)| self.height(member.target)).map(|(at, _)| at));
            }
        }
        chosen
    }

    /// The one member of a union.
    fn choice(&self, structure: &Structure, shallow: bool) -> Option<usize> {
        let all = || structure.members.iter().enumerate();
        let height = |at: &usize| self.height(structure.members[*at].target);
        let good: Vec<usize> = all()
            .filter(|(_, member)| self.healthy(member) && !member.deprecated && !self.stack.contains(&member.target))
            .filter(|(_, member)| !self.holds_stacked(member.target))
            .map(|(at, _)| at)
            .collect();
        if shallow || good.is_empty() {
            let pool = if good.is_empty() { all().map(|(at, _)| at).collect() } else { good };
            return pool.into_iter().min_by_key(height);
        }
        // Members without members say nothing.
        let telling = good.iter().find(|at| {
            self.service.structure(structure.members[**at].target).is_none_or(|inner| !inner.members.is_empty())
        });
        telling.or(good.first()).copied()
    }

    /// Whether a list or map holds a structure that is being made.
    fn holds_stacked(&self, target: ShapeIx) -> bool {
        match &self.service.shape(target).kind {
            Kind::List(list) => self.stack.contains(&list.member.target) || self.holds_stacked(list.member.target),
            Kind::Map(map) => self.stack.contains(&map.value.target) || self.holds_stacked(map.value.target),
            _ => false,
        }
    }

    fn healthy(&self, member: &Member) -> bool {
        matches!(self.mode, Mode::Input(_)) || !is_failure(member.name)
    }

    /// Whether an optional member belongs to a rich answer.
    fn wanted(&self, structure: &Structure, member: &Member, depth: usize, full: bool) -> bool {
        let target = self.service.shape(member.target);
        if pagination::is_token(member.name) && self.pages(member, depth) {
            return false;
        }
        if !full && !leaf(&target.kind) {
            return false;
        }
        if self.stack.contains(&member.target) || self.holds_stacked(member.target) {
            return false;
        }
        if self.loose {
            return true;
        }
        if member.deprecated {
            return false;
        }
        if matches!(self.mode, Mode::Input(_)) {
            // Two ways to say the same are often exclusive; the first is enough for an example.
            return true;
        }
        if self.is_paging(member, depth) {
            return false;
        }
        let name = squash(member.name);
        if tables::ABSENT.contains(&name.as_str()) || tables::EXPLAINING.iter().any(|end| name.ends_with(end)) {
            return false;
        }
        if self.mode == Mode::Output && is_failure(member.name) {
            // At the root, an empty list says that all went well.
            return depth == 0 && matches!(target.kind, Kind::List(_) | Kind::Map(_)) || is_number(&target.kind);
        }
        // A checksum of a body is verified by clients; one that is made up is worse than none.
        let sums = self.operation.is_some_and(|operation| operation.http_checksum.is_some());
        if depth == 0 && sums && name.starts_with("checksum") && member.location == Location::Header {
            return false;
        }
        if structure.error.is_some() && matches!(name.as_str(), "message" | "code" | "type") {
            return false;
        }
        if name.starts_with("md5of") {
            return name.ends_with("body");
        }
        // Clients verify the digest of attributes; its form is the service's own.
        leaf(&target.kind) || !structure.members.iter().any(|other| squash(other.name) == format!("md5of{name}"))
    }

    /// Whether a member whose name looks like a token of paging is one: not an object's `Key` in a list, nor another
    /// service's token deep inside.
    fn pages(&self, member: &Member, depth: usize) -> bool {
        matches!(self.mode, Mode::Input(_)) && depth == 0
            || depth <= 1
            || member.name.to_ascii_lowercase().starts_with("next")
    }

    /// Whether the operation's paginator names this member as a token.
    fn is_paging(&self, member: &Member, depth: usize) -> bool {
        let Some(operation) = self.operation.filter(|_| self.mode == Mode::Output) else { return false };
        pagination::tokens(operation).any(|path| path.len() == depth + 1 && path.last() == Some(&member.name))
    }

    /// Nodes that a structure would make, cut short beyond the bound.
    fn cost(&mut self, ix: ShapeIx, depth: usize, lists: u8, depth_max: usize) -> usize {
        let Some(structure) = self.service.structure(ix) else { return 1 };
        let chosen = self.chosen(ix, structure, depth, depth_max);
        self.stack.push(ix);
        let mut sum = 1;
        for at in chosen {
            sum += self.cost_of(structure.members[at].target, depth, lists, depth_max);
            if sum > NODES_MAX {
                break;
            }
        }
        self.stack.pop();
        sum
    }

    fn cost_of(&mut self, target: ShapeIx, depth: usize, lists: u8, depth_max: usize) -> usize {
        // Deeper than any plan goes; the bound of required recursion is its height.
        if depth > 64 {
            return NODES_MAX;
        }
        let shape = self.service.shape(target);
        match &shape.kind {
            Kind::Structure(_) => self.cost(target, depth + 1, lists, depth_max),
            Kind::List(list) => {
                1 + usual(shape, lists) as usize
                    * self.cost_of(list.member.target, depth, lists.saturating_add(1), depth_max)
            }
            Kind::Map(map) => {
                1 + usual(shape, lists) as usize
                    * (1 + self.cost_of(map.value.target, depth, lists.saturating_add(1), depth_max))
            }
            _ => 1,
        }
    }

    /// Plans the members of a structure.
    fn structure(&mut self, ix: ShapeIx, scope: &Scope) -> Vec<Slot> {
        let Some(structure) = self.service.structure(ix) else { return Vec::new() };
        let chosen = self.chosen(ix, structure, scope.depth, self.depth_max);
        self.stack.push(ix);
        let siblings: Vec<String> = structure.members.iter().map(|member| squash(member.name)).collect();
        // Names and ids first: ARNs and URLs are made of them.
        let mut order: Vec<usize> = (0..chosen.len()).collect();
        order.sort_by_key(|at| {
            let name = &siblings[chosen[*at]];
            (!name.ends_with("name"), !(name.ends_with("id") || name.ends_with("identifier")))
        });
        let mut slots: Vec<Option<Slot>> = chosen.iter().map(|_| None).collect();
        for at in order {
            let member = &structure.members[chosen[at]];
            slots[at] = Some(self.slot(ix, member, &siblings, scope));
        }
        self.stack.pop();
        let mut slots: Vec<Slot> = slots.into_iter().flatten().collect();
        if self.mode == Mode::Output {
            scalars::derive(self, structure, &mut slots);
            // What only echoes may be absent; something must stay.
            if structure.union || (scope.depth > 0 && slots.iter().all(|slot| slot.only_echo)) {
                slots.iter_mut().for_each(|slot| slot.only_echo = false);
            }
        }
        slots
    }

    fn slot(&mut self, ix: ShapeIx, member: &Member, siblings: &[String], scope: &Scope) -> Slot {
        let target = self.service.shape(member.target);
        let name = squash(member.name);
        let found = if self.mode == Mode::Output { self.find(&name, member.target, scope) } else { None };
        let mut inner = scope.clone();
        inner.matched = None;
        inner.example = scope.example.and_then(|example| example.get(member.name));
        if let Some((source, from, _, _)) = &found
            && self.service.structure(*from).is_some()
        {
            inner.matched = Some((source.clone(), *from));
        }
        let failure = self.mode == Mode::Output && is_failure(member.name) && scope.lists == 0;
        let token = self.mode == Mode::Output
            && (self.is_paging(member, scope.depth) || (scope.depth <= 1 && pagination::is_token(member.name)));
        let node = match &target.kind {
            // A token that must be there: an empty one ends the paging of every client.
            Kind::String { .. } if token && member.required => Node::Fixed(""),
            Kind::List(_) if failure && least(target) == 0 => Node::EmptyList,
            Kind::Map(_) if failure && least(target) == 0 => Node::EmptyMap,
            Kind::String { .. } => self.text(target, Some((ix, member)), member.name, siblings, &inner),
            _ => self.value(member.target, member.name, Some((ix, member)), &inner),
        };
        let mut only_echo = false;
        let echo = found.and_then(|(source, from, required, depth)| {
            if !inputs::compatible(self.service, from, member.target) {
                return None;
            }
            only_echo = self.only_echo(member, target, &node, required, depth, scope);
            // Names, ids and ARNs are matched by what they identify, and are the same with and without this.
            if self.identifies(&node) {
                only_echo = false;
                return None;
            }
            Some(Box::new(Echo { source, target: member.target, trusted: from == member.target }))
        });
        Slot { name: member.name, node, echo, only_echo }
    }

    /// Whether a text is already tied to the input by the resource that it names.
    fn identifies(&self, node: &Node) -> bool {
        let Node::Text(text) = node else { return false };
        let noun = &self.nouns[usize::from(text.noun)].noun;
        let own = |piece: &template::Piece| {
            matches!(piece, template::Piece::Name | template::Piece::Id | template::Piece::Own)
        };
        !noun.sources.is_empty() && (text.arn || text.pieces.iter().any(own))
    }

    /// Whether a member that the input may have, and now has not, stays away: what was not set on creation, and what a
    /// list was not filtered by.
    fn only_echo(
        &self,
        member: &Member,
        target: &Shape,
        node: &Node,
        required: bool,
        depth: usize,
        scope: &Scope,
    ) -> bool {
        if member.required || required || !scope.top {
            return false;
        }
        let text = matches!(node, Node::Text(_) | Node::Sample(_));
        match self.verb {
            Verb::Create => {
                text || matches!(target.kind, Kind::Structure(_) | Kind::List(_) | Kind::Map(_) | Kind::Document)
            }
            Verb::List | Verb::Read => depth == 0 && scope.depth == 0 && matches!(target.kind, Kind::String { .. }),
            _ => false,
        }
    }

    /// The input member that means the same: where it is, its shape, whether it is required, and how deep it lies.
    fn find(&self, name: &str, target: ShapeIx, scope: &Scope) -> Option<(Source, ShapeIx, bool, usize)> {
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
            return Some((Source { item: source.item, path: path.into() }, member.target, member.required, 0));
        }
        if scope.fan != 0
            && let Some(member) = self.fans[scope.fan as usize - 1].iter().find(|m| *m.name == *name && fits(m.target))
        {
            return Some((member.source(true), member.target, member.required, member.depth()));
        }
        let generic = is_generic(name);
        let leaf = leaf(&self.service.shape(target).kind);
        let member = self.inputs.iter().find(|member| {
            *member.name == *name
                && fits(member.target)
                && match (scope.top, scope.lists) {
                    (true, _) => member.depth() == 0 || !generic || self.wraps(member),
                    (false, 0) => !generic && member.depth() <= 1,
                    (false, _) => !generic && leaf && member.depth() == 0,
                }
        })?;
        Some((member.source(false), member.target, member.required, member.depth()))
    }

    /// The input's own member of that squashed name.
    pub(super) fn input_named(&self, name: &str) -> Option<Source> {
        self.inputs
            .iter()
            .find(|member| member.depth() == 0 && *member.name == *name)
            .map(|member| member.source(false))
    }

    /// Whether an input member lies in the structure that describes what the operation is about.
    fn wraps(&self, member: &InputMember) -> bool {
        member.depth() == 1 && {
            let around = squash(member.path[0]);
            let subject = squash(&self.subject);
            around.starts_with(&subject) || subject.ends_with(&around)
        }
    }

    /// Plans a value of any kind but a text that is a structure's member.
    pub(super) fn value(
        &mut self,
        target: ShapeIx,
        name: &str,
        member: Option<(ShapeIx, &Member)>,
        scope: &Scope,
    ) -> Node {
        let shape = self.service.shape(target);
        match &shape.kind {
            Kind::Structure(structure) if structure.event_stream => self.events(structure, scope),
            Kind::Structure(_) => {
                let noun = self.noun_of_structure(shape.name, name, scope);
                let single = self.wraps_alone(scope);
                let same = noun == scope.noun || self.nouns[usize::from(noun)].kebab == self.subject;
                let inner = Scope {
                    noun,
                    depth: scope.depth + 1,
                    top: scope.top && (same || (scope.depth == 0 && single)),
                    ..scope.clone()
                };
                Node::Structure(self.structure(target, &inner).into())
            }
            Kind::List(list) => self.list(shape, &list.member, name, scope),
            Kind::Map(map) => {
                let count = usual(shape, scope.lists).max(u32::try_from(least(shape)).unwrap_or(u32::MAX));
                let inner = Scope {
                    lists: scope.lists.saturating_add(1),
                    top: false,
                    matched: None,
                    example: None,
                    ..scope.clone()
                };
                if let Some(node) = self.enumerated(map.key.target, map.value.target, count, most(shape), &inner) {
                    return node;
                }
                let key = self.key(map.key.target, name, &inner);
                let one = singular_of(name);
                let value = if is_tags(name) && inputs::is_text(self.service.shape(map.value.target)) {
                    Node::Text(self.fixed_text(self.service.shape(map.value.target), tables::TAG_VALUES, &inner))
                } else {
                    self.value(map.value.target, &one, None, &inner)
                };
                Node::Map(Box::new(MapNode { key, value, count, salt: hash(name) }))
            }
            Kind::String { .. } => self.text(shape, None, name, &[], scope),
            _ => scalars::plan(self, shape, name, member.map(|(_, member)| member), scope.example),
        }
    }

    fn events(&mut self, union: &Structure, scope: &Scope) -> Node {
        let good = |member: &&Member| self.service.structure(member.target).is_none_or(|event| event.error.is_none());
        let members: Vec<&Member> = union.members.iter().filter(good).take(6).collect();
        let slots = members.into_iter().map(|member| {
            let inner = Scope { top: false, matched: None, example: None, ..scope.clone() };
            let node = self.value(member.target, member.name, None, &inner);
            Slot { name: member.name, node, echo: None, only_echo: false }
        });
        Node::Events(slots.collect())
    }

    /// Whether the root has but one structure.
    fn wraps_alone(&self, scope: &Scope) -> bool {
        if scope.depth != 0 {
            return false;
        }
        let Some(root) = self.stack.last().and_then(|root| self.service.structure(*root)) else { return false };
        root.members.iter().filter(|member| self.service.structure(member.target).is_some()).count() == 1
    }

    /// What a structure describes, by its shape's name, else by the member's.
    fn noun_of_structure(&mut self, shape: &str, member: &str, scope: &Scope) -> u16 {
        const ASIDE: [&str; 30] = [
            "summary",
            "summaries",
            "description",
            "detail",
            "details",
            "info",
            "information",
            "output",
            "result",
            "response",
            "item",
            "entry",
            "metadata",
            "properties",
            "record",
            "data",
            "object",
            "overview",
            "type",
            "element",
            "member",
            "v2",
            "configuration",
            "config",
            "list",
            "view",
            "status",
            "model",
            "shape",
            "struct",
        ];
        let kept = |name: &str| {
            let mut words = split(name);
            while words.len() > 1 && words.last().is_some_and(|last| ASIDE.contains(&last.as_str())) {
                words.pop();
            }
            words
        };
        let mut words = kept(shape);
        if words.len() == 1 && ASIDE.contains(&words[0].as_str()) {
            words = kept(member);
            if let Some(last) = words.last_mut() {
                *last = singular_of(last);
            }
        }
        if words.len() == 1 && ASIDE.contains(&words[0].as_str()) || words.is_empty() {
            return scope.noun;
        }
        // `SecurityGroup` within the description of a `Group` that is one, and the like.
        let text = words.concat();
        let outer = &self.nouns[usize::from(scope.noun)];
        if *outer.noun.text == *text && outer.fan == scope.fan {
            return scope.noun;
        }
        if scope.fan == 0 && scope.lists == 0 && scope.depth == 0 {
            let subject = squash(&self.subject);
            if subject.ends_with(&text) || text.ends_with(&subject) {
                return scope.noun;
            }
        }
        self.noun(&words.join("-"), scope.fan, scope.fan != 0)
    }

    fn list(&mut self, shape: &Shape, item: &Member, name: &str, scope: &Scope) -> Node {
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
        let mut inner =
            Scope { lists: scope.lists.saturating_add(1), top: false, matched: None, example, ..scope.clone() };
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
        // The noun of the items, as the structure of the item was planned.
        let noun = match &target.kind {
            Kind::Structure(_) => Some(self.noun_of_structure(target.name, &one, &inner)),
            _ => None,
        };
        let single = noun.filter(|noun| fan.is_none() && !self.nouns[usize::from(*noun)].noun.sources.is_empty());
        let Node::List(mut list) = self.finish_list(node, count, min, max, name, scope) else { return Node::EmptyList };
        list.single = single.filter(|noun| *noun != scope.noun || self.verb != Verb::List);
        list.fan = fan.map(|(source, _)| source);
        Node::List(list)
    }

    fn finish_list(&self, item: Node, count: u32, min: u32, max: u32, name: &str, scope: &Scope) -> Node {
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
    fn fan(&mut self, shape: &Shape, item: &Member, name: &str) -> Option<(Source, u32)> {
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
                let scope = Scope { noun: 0, depth: 1, lists: 1, fan: 0, top: false, matched: None, example: None };
                let at = self.noun_of_structure(target.name, name, &scope);
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
                        let scope =
                            Scope { noun: 0, depth: 1, lists: 1, fan: 0, top: false, matched: None, example: None };
                        let at = self.noun_of_structure(target.name, name, &scope);
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
        let whole_answer = common || squash(name) == *member.name;
        if !whole_answer || most(shape) == 0 {
            return None;
        }
        self.fans.push(inputs::flatten(self.service, *inner));
        Some((member.source(false), u32::try_from(self.fans.len()).unwrap_or(0)))
    }

    /// A map whose keys are of an enumeration: every value means what its key says.
    fn enumerated(&mut self, key: ShapeIx, value: ShapeIx, count: u32, most: usize, scope: &Scope) -> Option<Node> {
        let Kind::String { enum_values } = &self.service.shape(key).kind else { return None };
        if enum_values.is_empty() {
            return None;
        }
        let mut keys: Vec<Str> = enum_values.iter().copied().filter(|key| !key.is_empty()).collect();
        keys.sort_by_key(|key| settled::rank(key) < 0);
        keys.truncate(count.max(if leaf(&self.service.shape(value).kind) { 4 } else { 1 }) as usize);
        keys.truncate(most.max(1));
        let slots = keys.into_iter().map(|key| {
            let node = self.value(value, key, None, scope);
            Slot { name: key, node, echo: None, only_echo: false }
        });
        Some(Node::Structure(slots.collect()))
    }

    /// Plans the keys of a map.
    fn key(&mut self, target: ShapeIx, name: &str, scope: &Scope) -> Node {
        let shape = self.service.shape(target);
        if is_tags(name) || inputs::is_text(shape) && shape.constraints.is_none() {
            return Node::Text(self.fixed_text(shape, tables::TAG_KEYS, scope));
        }
        self.text(shape, None, "key", &[], scope)
    }
}

/// What a table says of a noun: the longest ending wins, rows of the signing name before others. `own`: only those.
pub(super) fn tables_row(table: &[(&'static str, Str)], service: &str, noun: &str, own: bool) -> Option<Str> {
    let mut best: Option<(usize, Str)> = None;
    for (row, template) in table {
        let (whose, ending) = row.split_once('/').map_or((None, *row), |(service, ending)| (Some(service), ending));
        let fits = whose.map_or(!own, |whose| whose == service) && noun.ends_with(ending);
        let weight = ending.len() + if whose.is_some() { 100 } else { 0 };
        if fits && best.is_none_or(|(top, _)| weight > top) {
            best = Some((weight, template));
        }
    }
    best.map(|(_, template)| template)
}

pub(super) fn is_tags(name: &str) -> bool {
    let name = squash(name);
    name == "tag"
        || name.ends_with("tags")
        || name.ends_with("taglist")
        || name.ends_with("tagset")
        || name.ends_with("tagmap")
}

fn is_failure(name: &str) -> bool {
    let name = squash(name);
    tables::FAILURE_MARKS.iter().any(|mark| name.contains(mark))
        && !name.contains("failover")
        && !name.contains("default")
}

fn is_number(kind: &Kind) -> bool {
    inputs::whole(kind) || matches!(kind, Kind::Float | Kind::Double)
}

pub(super) fn leaf(kind: &Kind) -> bool {
    !matches!(kind, Kind::Structure(_) | Kind::List(_) | Kind::Map(_))
}

/// Items of a list, or entries of a map, where nothing tells how many.
fn usual(shape: &Shape, lists: u8) -> u32 {
    let count = if lists == 0 { 2 } else { 1 };
    let (min, max) = (least(shape), most(shape));
    u32::try_from(count.max(min).min(max)).unwrap_or(1)
}

/// Names of one word that mean something else in every structure.
fn is_generic(name: &str) -> bool {
    matches!(
        name,
        "name"
            | "id"
            | "arn"
            | "type"
            | "status"
            | "state"
            | "description"
            | "value"
            | "values"
            | "key"
            | "keys"
            | "version"
            | "tags"
            | "role"
            | "policy"
            | "mode"
            | "source"
            | "target"
            | "enabled"
            | "message"
            | "title"
            | "code"
            | "label"
            | "size"
            | "count"
            | "start"
            | "end"
            | "format"
            | "path"
            | "action"
            | "filter"
            | "filters"
            | "comment"
            | "unit"
            | "content"
            | "text"
            | "data"
            | "body"
            | "reason"
            | "owner"
            | "category"
            | "level"
            | "scope"
            | "priority"
            | "configuration"
            | "settings"
            | "attributes"
            | "parameters"
            | "properties"
            | "metadata"
            | "details"
            | "items"
            | "resources"
            | "identifier"
            | "timestamp"
            | "date"
            | "time"
            | "url"
            | "uri"
            | "location"
            | "region"
            | "expression"
    )
}

pub(super) fn salt(name: &str) -> u64 {
    mix(hash(&squash(name)), 1)
}
