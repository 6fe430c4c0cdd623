//! Where outputs show resources.

use standin_model::words::singular_of;
use standin_model::{Kind, Member, ShapeIx, Str};

use super::members::{Sure, Words, dissect_list, tells};
use super::{Draft, Op};
use crate::{Form, Part, Status, Step, Verb};

/// Words at the end of a structure's name that only say that it is a structure.
const ASIDE: &[&str] = &[
    "summary",
    "detail",
    "description",
    "info",
    "information",
    "metadata",
    "item",
    "entry",
    "list",
    "output",
    "response",
    "result",
    "type",
    "data",
    "overview",
    "view",
    "object",
    "content",
    "record",
    "element",
    "member",
    "set",
    "structure",
    "list",
    "short",
    "brief",
    "basic",
    "extended",
    "full",
    "model",
    "config",
    "configuration",
    "v2",
    "resource",
];

/// A view before its type's place is final.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub path: Vec<Step>,
    pub of: usize,
    pub form: Form,
    /// The structure.
    pub shape: Option<ShapeIx>,
}

impl Draft {
    /// Finds the structures that describe each type.
    pub(super) fn show(&mut self) {
        for ix in 0..self.types.len() {
            let mut shapes: Vec<(usize, ShapeIx)> = Vec::new();
            for (op, claim) in self.of(ix) {
                let rank = match claim.verb {
                    Verb::Read => 0,
                    Verb::List => 1,
                    Verb::Create | Verb::Put | Verb::Update => 2,
                    _ => continue,
                };
                for view in self.views(op, ix, &claim.verb) {
                    let (true, Some(shape)) = (view.of == ix, view.shape) else { continue };
                    match shapes.iter_mut().find(|(_, other)| *other == shape) {
                        Some((known, _)) => *known = rank.min(*known),
                        None => shapes.push((rank, shape)),
                    }
                }
            }
            let best = shapes.iter().map(|(rank, _)| *rank).min().unwrap_or(0).max(1);
            let size = |ix: ShapeIx| self.service.structure(ix).map_or(0, |structure| structure.members.len());
            shapes.sort_by_key(|(rank, _)| *rank);
            let mut shapes: Vec<ShapeIx> =
                shapes.into_iter().filter(|(rank, _)| *rank <= best).map(|(_, shape)| shape).collect();
            // What there is one of, its read describes.
            if self.types[ix].kind != crate::TypeKind::Single {
                shapes.sort_by_key(|shape| std::cmp::Reverse(size(*shape)));
            }
            self.types[ix].shapes = shapes;
        }
        for ix in 0..self.types.len() {
            self.types[ix].status = self.status(ix);
            self.waits(ix);
        }
    }

    /// What somebody must accept stays pending until then.
    fn waits(&mut self, ix: usize) {
        let Some(status) = self.types[ix].status.clone() else { return };
        let accepts = self.of(ix).any(|(op, claim)| {
            let verb = matches!(op.name.verb.as_str(), "accept" | "approve" | "confirm");
            verb && matches!(self.acting(op, claim), Verb::Act(Some(value)) if value == status.settled)
        });
        if let (true, Some(pending)) = (accepts, status.creating) {
            self.types[ix].why.push(format!("{pending} until it is accepted"));
            self.types[ix].status = Some(Status { settled: pending, creating: None, ..status });
        }
    }

    /// Whether a name is that of a noun's structures.
    pub(super) fn about_noun(&self, name: Str, noun: &Words) -> Option<Sure> {
        let words = self.split(name);
        let mut words = &words[..];
        loop {
            let (last, rest) = words.split_last()?;
            let length: usize = words.iter().map(String::len).sum();
            // The end may stand in the plural.
            if length >= noun.text.len() {
                let mut left = noun.text.as_str();
                let starts =
                    rest.iter().all(|word| left.strip_prefix(word.as_str()).map(|after| left = after).is_some());
                if starts && (left == last || left == singular_of(last)) {
                    return Some(Sure::Exact);
                }
            }
            if words.len() > 1 && (ASIDE.contains(&last.as_str()) || ASIDE.contains(&singular_of(last).as_str())) {
                words = rest;
                continue;
            }
            break;
        }
        let (last, rest) = words.split_last()?;
        let (end, before) = noun.split_last()?;
        let same = last == end || singular_of(last) == *end;
        let ending = words.len() < noun.len() && before.ends_with(rest);
        let starting = words.len() > noun.len() && rest.ends_with(before);
        (same && (ending || starting)).then_some(Sure::Ending)
    }

    /// Whether a name is that of a type's structures: `FunctionConfiguration`, `functions`, `AutoScalingGroupsType`.
    pub(super) fn about(&self, name: Str, ix: usize) -> Option<Sure> {
        self.about_noun(name, &self.types[ix].noun)
    }

    fn member_about(&self, member: &Member, shape: ShapeIx, ix: usize) -> Option<Sure> {
        let by_name = self.about(member.name, ix);
        let by_shape = self.about(self.service.shape(shape).name, ix);
        let sure = by_name.max(by_shape);
        // The configuration of a thing is not the thing, unless it tells whose it is.
        let part = |name: Str| {
            let words = self.split(name);
            words.last().is_some_and(|last| {
                matches!(last.as_str(), "configuration" | "config" | "data" | "content" | "options")
            }) && !self.types[ix].noun.ends_with(&words[words.len() - 1..])
        };
        let partly = part(self.service.shape(shape).name) || part(member.name);
        if sure == Some(Sure::Exact) && partly && !self.has_identity(shape, ix) { None } else { sure }
    }

    /// Where an operation's output shows resources of its type.
    pub(super) fn views(&self, op: &Op, ix: usize, verb: &Verb) -> Vec<Shown> {
        let Some(root) = op.operation.output else { return Vec::new() };
        let Some(structure) = self.service.structure(root) else { return Vec::new() };
        let single = self.types[ix].kind == crate::TypeKind::Single;
        let many = *verb == Verb::List || (*verb == Verb::Read && !single && self.shows_many(op, ix));
        if many && let Some(mut view) = self.list_view(op, root, ix) {
            // A list of ties may show what is tied.
            let draft = &self.types[ix];
            let ends = [draft.parent, draft.target].into_iter().flatten().filter(|_| draft.link);
            let first = match view.path.first() {
                Some(Step::Member(name)) => *name,
                _ => "",
            };
            if let Some(end) = ends.into_iter().find(|end| self.about(first, *end) == Some(Sure::Exact)) {
                view.of = end;
            }
            return vec![view];
        }
        let mut out = Vec::new();
        if let Some(view) = self.wrapped(root, ix) {
            out.push(view);
        } else if let Some(view) = self
            .list_view(op, root, ix)
            .filter(|view| self.is_exact(view, root, ix) && !(single && self.holds_list(op, view, ix)))
        {
            out.push(view);
        } else if let Some(view) = self.listed_ids(op, root, ix) {
            out.push(view);
        } else if !structure.members.is_empty() {
            return vec![Shown { path: Vec::new(), of: ix, form: Form::Structure, shape: Some(root) }];
        }
        if *verb == Verb::Read {
            let links =
                (0..self.types.len()).filter(|link| self.types[*link].beside && self.types[*link].parent == Some(ix));
            for link in links {
                if let Some((path, shape)) = self.beside(op, link) {
                    out.push(Shown { path, of: link, form: Form::Structure, shape: Some(shape) });
                }
            }
        }
        for member in &structure.members {
            if !matches!(self.service.shape(member.target).kind, Kind::String { .. }) {
                continue;
            }
            let name = self.dissect(member.name);
            let (core, role) = (&name.0, name.1);
            let own = tells(core, role, &self.types[ix].noun).is_some_and(|sure| sure != Sure::Ending);
            if let (true, Some(part)) = (own, role) {
                let path = vec![Step::Member(member.name)];
                out.push(Shown { path, of: ix, form: Form::Identifier(part), shape: None });
            }
        }
        out
    }

    /// `FlowLogIds`, where what makes them shows nothing else of them.
    fn listed_ids(&self, op: &Op, root: ShapeIx, ix: usize) -> Option<Shown> {
        let view = self.list_view(op, root, ix)?;
        let [Step::Member(name), Step::Items] = view.path[..] else { return None };
        let (core, role) = dissect_list(name);
        let own = role.is_some() && tells(&core.into(), role, &self.types[ix].noun) == Some(Sure::Exact);
        (own && matches!(view.form, Form::Identifier(_)) && !self.has_identity(root, ix)).then_some(view)
    }

    fn is_exact(&self, view: &Shown, root: ShapeIx, ix: usize) -> bool {
        // Of texts within what describes it, none is the resource.
        if matches!(view.form, Form::Identifier(_)) && self.has_identity(root, ix) {
            return false;
        }
        let Some(Step::Member(name)) = view.path.first() else { return false };
        let member = self.service.structure(root).and_then(|root| root.member(name));
        member.is_some_and(|member| {
            let shape = view.shape.unwrap_or(member.target);
            self.member_about(member, shape, ix) == Some(Sure::Exact)
        })
    }

    /// Whether a list in an output is what callers give as a whole: the triggers of a repository, not one of many.
    fn holds_list(&self, op: &Op, view: &Shown, ix: usize) -> bool {
        let root = op.operation.output.and_then(|root| self.service.structure(root));
        let Some(Step::Member(name)) = view.path.first() else { return false };
        let Some(shown) = root.and_then(|root| root.member(name)) else { return false };
        let mut inputs = self
            .of(ix)
            .filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put | Verb::Update))
            .filter_map(|(make, _)| self.service.structure(make.operation.input?));
        inputs.any(|input| input.members.iter().any(|member| member.target == shown.target))
    }

    /// A structure in the output that is the resource.
    fn wrapped(&self, root: ShapeIx, ix: usize) -> Option<Shown> {
        let structure = self.service.structure(root)?;
        let inner = || structure.members.iter().filter(|member| self.service.structure(member.target).is_some());
        let named = inner().filter(|member| self.member_about(member, member.target, ix) == Some(Sure::Exact));
        let mut found: Vec<&Member> = named.collect();
        // The one that the member's name tells wins over one that its shape tells.
        // Before that, the one that tells who it is: `RuleGroupResponse` beside what the `RuleGroup` holds.
        found.sort_by_key(|member| {
            (!self.has_identity(member.target, ix), self.about(member.name, ix) != Some(Sure::Exact))
        });
        let member = found.first().copied().or_else(|| {
            let mut all = inner();
            let only = all.next().filter(|_| all.next().is_none())?;
            let ending = self.member_about(only, only.target, ix).is_some();
            // The root says itself who it is: `Destination` is but a part of it.
            let whole = || self.names_itself(root, ix) && !self.names_itself(only.target, ix);
            // Beside an identifier at the root, `Target` is something else.
            let aside = || self.has_identity(root, ix) || whole();
            (ending || (self.has_identity(only.target, ix) && !aside())).then_some(only)
        })?;
        // A part of the resource, when the root itself has the identity and more.
        let size = |ix: ShapeIx| self.service.structure(ix).map_or(0, |structure| structure.members.len());
        if self.has_identity(root, ix) && !self.has_identity(member.target, ix) && size(root) > 2 {
            return None;
        }
        let path = vec![Step::Member(member.name)];
        Some(Shown { path, of: ix, form: Form::Structure, shape: Some(member.target) })
    }

    /// Whether a structure has a member that is called after the type.
    fn names_itself(&self, shape: ShapeIx, ix: usize) -> bool {
        self.service.structure(shape).into_iter().flat_map(|structure| &structure.members).any(|member| {
            let name = self.dissect(member.name);
            let own = || self.types[ix].own.contains_key(&standin_model::words::squash(member.name));
            name.1.is_some() && (tells(&name.0, name.1, &self.types[ix].noun) == Some(Sure::Exact) || own())
        })
    }

    /// Whether a structure has a member that tells who the resource is.
    pub(super) fn has_identity(&self, shape: ShapeIx, ix: usize) -> bool {
        let noun = &self.types[ix].noun;
        self.service.structure(shape).into_iter().flat_map(|structure| &structure.members).any(|member| {
            let name = self.dissect(member.name);
            name.1.is_some() && matches!(tells(&name.0, name.1, noun), Some(Sure::Exact | Sure::Generic))
        })
    }

    /// The list in an output that holds the resources.
    fn list_view(&self, op: &Op, root: ShapeIx, ix: usize) -> Option<Shown> {
        let structure = self.service.structure(root)?;
        let mut found: Vec<(i32, Shown)> = Vec::new();
        let paged: Vec<&str> =
            op.operation.paginator.iter().flat_map(|paginator| paginator.result_key.iter().copied()).collect();
        for member in &structure.members {
            self.collect_lists(member, Vec::new(), ix, &paged, &mut found);
            // `DistributionList.Items`
            if let Some(inner) = self.service.structure(member.target) {
                for deeper in &inner.members {
                    self.collect_lists(deeper, vec![Step::Member(member.name)], ix, &paged, &mut found);
                }
            }
        }
        let best = found.iter().map(|(score, _)| *score).max()?;
        found.into_iter().find(|(score, _)| *score == best).map(|(_, view)| view)
    }

    fn collect_lists(
        &self,
        member: &Member,
        before: Vec<Step>,
        ix: usize,
        paged: &[&str],
        found: &mut Vec<(i32, Shown)>,
    ) {
        let depth = before.len();
        let mut path = before;
        path.push(Step::Member(member.name));
        let (item, step) = match &self.service.shape(member.target).kind {
            Kind::List(list) => (list.member.target, Step::Items),
            Kind::Map(map) => (map.value.target, Step::Values),
            _ => return,
        };
        path.push(step);
        let sure = self.member_about(member, item, ix);
        let mut score = match sure {
            Some(Sure::Exact) => 40,
            Some(_) => 20,
            None => 0,
        };
        let dotted: Vec<&str> =
            path.iter().filter_map(|step| if let Step::Member(name) = step { Some(*name) } else { None }).collect();
        if paged.contains(&dotted.join(".").as_str()) {
            score += 15;
        }
        if depth > 0 {
            score -= 5;
        }
        if step == Step::Values {
            score -= 8;
        }
        const FAILING: [&str; 7] = ["error", "fail", "unprocessed", "missing", "warning", "invalid", "unsuccessful"];
        let words = self.split(member.name);
        let fails = |word: &String| FAILING.iter().any(|mark| word.starts_with(mark));
        if words.iter().any(fails) || words.concat().contains("notfound") {
            return;
        }
        match &self.service.shape(item).kind {
            Kind::Structure(inner) => {
                if self.has_identity(item, ix) {
                    score += 6;
                }
                // `Reservations[].Instances[]`
                for deeper in &inner.members {
                    if let Kind::List(list) = &self.service.shape(deeper.target).kind
                        && self.service.structure(list.member.target).is_some()
                        && sure != Some(Sure::Exact)
                        && self.member_about(deeper, list.member.target, ix) == Some(Sure::Exact)
                        && self.has_identity(list.member.target, ix)
                    {
                        let mut path = path.clone();
                        path.extend([Step::Member(deeper.name), Step::Items]);
                        let form = Form::Structure;
                        found.push((score + 30, Shown { path, of: ix, form, shape: Some(list.member.target) }));
                    }
                }
                // `Items[].KeyGroup`
                if !self.has_identity(item, ix)
                    && let Some(only) = inner.members.iter().find(|deeper| {
                        self.service.structure(deeper.target).is_some()
                            && self.member_about(deeper, deeper.target, ix) == Some(Sure::Exact)
                    })
                {
                    path.push(Step::Member(only.name));
                    found.push((score + 5, Shown { path, of: ix, form: Form::Structure, shape: Some(only.target) }));
                    return;
                }
                found.push((score, Shown { path, of: ix, form: Form::Structure, shape: Some(item) }));
            }
            Kind::String { .. } if step == Step::Items => {
                let (core, role) = dissect_list(member.name);
                let told = tells(&core.into(), role, &self.types[ix].noun);
                if told.is_some() {
                    score += 10;
                }
                let part = role.or(self.types[ix].primary).unwrap_or(Part::Any);
                found.push((score - 4, Shown { path, of: ix, form: Form::Identifier(part), shape: None }));
            }
            _ => {}
        }
    }
}
