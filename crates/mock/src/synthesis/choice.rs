//! Which members an answer has.

use standin_model::{Kind, Location, Member, ShapeIx, Structure};

use super::compile::{Compiler, Mode, NODES_MAX};
use super::lists::usual;
use super::{Fill, inputs, pagination, tables};
use standin_model::words::squash;

impl Compiler {
    pub(super) fn height(&self, shape: ShapeIx) -> u8 {
        self.facts.height(shape)
    }

    /// The members to fill, by place.
    pub(super) fn chosen(&self, ix: ShapeIx, structure: &Structure, depth: usize, depth_max: usize) -> Vec<usize> {
        let members = &structure.members;
        let all = || members.iter().enumerate();
        let shape = self.service.shape(ix).name;
        if let Some((_, set)) = tables::UNIONS.iter().find(|(name, _)| *name == shape)
            && members.iter().all(|member| !member.required)
            && structure.member(set).is_some()
        {
            return all().filter(|(_, member)| member.name == *set).map(|(at, _)| at).collect();
        }
        if structure.union {
            return self.choice(structure, depth > depth_max).into_iter().collect();
        }
        let recursive = self.stack.contains(&ix);
        let lean = self.mode == Mode::Input(Fill::Required);
        let full = depth < depth_max && !recursive;
        let mut chosen: Vec<usize> = all()
            .filter(|(_, member)| {
                member.required
                    || (self.mode == Mode::Output && !recursive && self.facts.awaited.leads(ix, member.name))
                    || (depth <= depth_max && !recursive && !lean && self.wanted(ix, structure, member, depth, full))
            })
            .map(|(at, _)| at)
            .collect();
        // No empty structures: a few plain members, else the shallowest.
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
    pub(super) fn choice(&self, structure: &Structure, shallow: bool) -> Option<usize> {
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
    pub(super) fn holds_stacked(&self, target: ShapeIx) -> bool {
        match &self.service.shape(target).kind {
            Kind::List(list) => self.stack.contains(&list.member.target) || self.holds_stacked(list.member.target),
            Kind::Map(map) => self.stack.contains(&map.value.target) || self.holds_stacked(map.value.target),
            _ => false,
        }
    }

    pub(super) fn healthy(&self, member: &Member) -> bool {
        matches!(self.mode, Mode::Input(_)) || !is_failure(member.name)
    }

    /// Whether an optional member belongs to a rich answer.
    fn wanted(&self, ix: ShapeIx, structure: &Structure, member: &Member, depth: usize, full: bool) -> bool {
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
        // `OutpostId` is absent from most that might lie on an outpost, not from an `Outpost`.
        let own = name.strip_prefix(&squash(self.service.shape(ix).name));
        if own.is_some_and(|part| matches!(part, "id" | "arn" | "identifier" | "name")) {
            return true;
        }
        if tables::ABSENT.contains(&name.as_str()) || tables::EXPLAINING.iter().any(|end| name.ends_with(end)) {
            return false;
        }
        // Nor what holds nothing else.
        if self.mode == Mode::Output
            && let Some(inner) = self.service.structure(member.target)
            && !inner.members.is_empty()
            && inner.members.iter().all(|m| tables::ABSENT.contains(&squash(m.name).as_str()) || is_failure(m.name))
        {
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
    pub(super) fn pages(&self, member: &Member, depth: usize) -> bool {
        matches!(self.mode, Mode::Input(_)) && depth == 0
            || depth <= 1
            || member.name.to_ascii_lowercase().starts_with("next")
    }

    /// Whether the operation's paginator names this member as a token.
    pub(super) fn is_paging(&self, member: &Member, depth: usize) -> bool {
        let Some(operation) = self.operation.filter(|_| self.mode == Mode::Output) else { return false };
        pagination::tokens(operation).any(|path| path.len() == depth + 1 && path.last() == Some(&member.name))
    }

    /// Nodes that a structure would make, cut short beyond the bound.
    pub(super) fn cost(&mut self, ix: ShapeIx, depth: usize, lists: u8, depth_max: usize) -> usize {
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

    pub(super) fn cost_of(&mut self, target: ShapeIx, depth: usize, lists: u8, depth_max: usize) -> usize {
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
}

pub(super) fn is_failure(name: &str) -> bool {
    let name = squash(name);
    tables::FAILURE_MARKS.iter().any(|mark| name.contains(mark))
        && !tables::NO_FAILURES.iter().any(|mark| name.contains(mark))
}

pub(super) fn is_number(kind: &Kind) -> bool {
    inputs::whole(kind) || matches!(kind, Kind::Float | Kind::Double)
}

pub(super) fn leaf(kind: &Kind) -> bool {
    !matches!(kind, Kind::Structure(_) | Kind::List(_) | Kind::Map(_))
}
