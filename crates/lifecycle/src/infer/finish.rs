//! The draft becomes the lifecycle.

use standin_model::words::squash;
use standin_model::{Kind, Str};

use super::members::{Given, Sure, tells};
use super::{Claim, Draft, Op};
use crate::{Binding, Codes, Identity, Lifecycle, Part, Path, ResourceType, Role, Step, TypeIx, TypeKind, Verb, View};

/// A member that names a type, before it is known which are used.
struct Candidate<'o> {
    sure: Sure,
    of: usize,
    given: &'o Given,
    part: Part,
}

/// Candidates within one member of the input.
struct Inner<'o> {
    outer: Str,
    items: bool,
    candidates: Vec<Candidate<'o>>,
}

impl Draft {
    pub(super) fn finish(mut self) -> Lifecycle {
        self.settle_verbs();
        self.prune();
        self.index();
        // Parents first.
        let mut order: Vec<usize> = (0..self.types.len()).collect();
        order.sort_by_key(|ix| (self.lineage(*ix).len(), self.types[*ix].written.clone()));
        let mut place = vec![TypeIx(0); self.types.len()];
        for (at, ix) in order.iter().enumerate() {
            place[*ix] = TypeIx(u16::try_from(at).expect("a service has fewer than 65536 operations"));
        }
        let roles = self
            .operations
            .iter()
            .map(|op| match &op.claim {
                Some(claim) => Some(self.role(op, claim, &place)),
                None => self.tag_role(op, &place),
            })
            .collect();
        let types = order.iter().map(|ix| self.resource(*ix, &place)).collect();
        Lifecycle { service: self.service, types, roles }
    }

    /// Reads that show many are lists.
    fn settle_verbs(&mut self) {
        for at in 0..self.operations.len() {
            let op = &self.operations[at];
            let single = |claim: &Claim| self.types[claim.of].kind == TypeKind::Single;
            if matches!(&op.claim, Some(claim) if claim.verb == Verb::Read && !single(claim))
                && self.shows_many(op, op.claim.as_ref().map_or(0, |claim| claim.of))
            {
                let of = op.claim.as_ref().map_or(0, |claim| claim.of);
                let lists = self
                    .views(op, of, &Verb::List)
                    .iter()
                    .any(|view| view.path.iter().any(|step| matches!(step, Step::Items | Step::Values)));
                if lists && let Some(claim) = &mut self.operations[at].claim {
                    claim.verb = Verb::List;
                    claim.why.push("shows those that are asked for".to_owned());
                }
            }
        }
    }

    /// Drops types that nothing makes or nothing shows.
    fn prune(&mut self) {
        let count = self.types.len();
        let (mut made, mut shown) = (vec![false; count], vec![false; count]);
        let mut created = vec![false; count];
        for claim in self.operations.iter().filter_map(|op| op.claim.as_ref()) {
            let single = self.types[claim.of].kind == TypeKind::Single;
            match claim.verb {
                Verb::Create => {
                    made[claim.of] = true;
                    created[claim.of] = true;
                }
                Verb::Put => made[claim.of] = true,
                Verb::Update | Verb::Act(_) if single => made[claim.of] = true,
                Verb::Read | Verb::List => shown[claim.of] = true,
                _ => {}
            }
        }
        let mut kept = 0;
        let moved: Vec<Option<usize>> = (0..count)
            .map(|ix| {
                // What is only put, and has no key, is data.
                let draft = &self.types[ix];
                let data =
                    draft.kind == TypeKind::Assigned && draft.own.is_empty() && draft.counter.is_none() && !created[ix];
                let told = self.hints.types.get(&draft.called);
                let seen = shown[ix] || draft.within.is_some() || draft.beside || told.is_some();
                // What is always there need not be made.
                let made = made[ix] || told.is_some_and(|spec| spec.implicit == Some(true));
                let keep = !data && !draft.ignored && made && seen;
                kept += usize::from(keep);
                keep.then(|| kept - 1)
            })
            .collect();
        let types = std::mem::take(&mut self.types);
        self.by_text.clear();
        self.by_ending.clear();
        for (ix, mut draft) in types.into_iter().enumerate() {
            draft.parent = draft.parent.and_then(|parent| moved[parent]);
            draft.target = draft.target.and_then(|target| moved[target]);
            if moved[ix].is_some() {
                self.add_type(draft);
            }
        }
        for op in &mut self.operations {
            op.claim = op.claim.take().and_then(|claim| Some(Claim { of: moved[claim.of]?, ..claim }));
        }
    }

    fn resource(&self, ix: usize, place: &[TypeIx]) -> ResourceType {
        let draft = &self.types[ix];
        ResourceType {
            name: draft.written.clone(),
            parent: draft.parent.map(|parent| place[parent]),
            kind: draft.kind,
            shapes: draft.shapes.clone().into(),
            identity: self.identity(ix),
            status: draft.status.clone(),
            implicit: draft.implicit,
            default: None,
            target: draft.target.filter(|_| draft.link).map(|target| place[target]),
            within: draft.within.clone().map(|(path, form)| (path.into(), form)),
            counter: draft.counter,
            counter_form: None,
            id_form: None,
            arn_form: None,
            defaults: Box::default(),
            absent: Box::default(),
            codes: Codes::default(),
            tags: self.shown_tags(ix),
            synonyms: self.synonyms(ix),
            why: draft.why.clone(),
        }
    }

    fn identity(&self, ix: usize) -> Identity {
        let draft = &self.types[ix];
        let mut identity = Identity { primary: draft.primary, ..Identity::default() };
        for shape in &draft.shapes {
            let members = || self.service.structure(*shape).into_iter().flat_map(|structure| &structure.members);
            for sure in [Sure::Exact, Sure::Generic, Sure::Ending] {
                for member in members() {
                    if !matches!(self.service.shape(member.target).kind, Kind::String { .. }) {
                        continue;
                    }
                    let name = self.dissect(member.name);
                    let (core, role) = (&name.0, name.1);
                    let known = || {
                        let key = squash(member.name);
                        sure == Sure::Ending && draft.own.contains_key(&key) && role != Some(Part::Any)
                    };
                    if tells(core, role, &draft.noun) != Some(sure) && !known() {
                        continue;
                    }
                    let slot = match role {
                        Some(Part::Name) => &mut identity.name,
                        Some(Part::Arn) => &mut identity.arn,
                        Some(Part::Id | Part::Any) => &mut identity.id,
                        _ => continue,
                    };
                    slot.get_or_insert(member.name);
                }
            }
        }
        identity
    }

    fn role(&self, op: &Op, claim: &Claim, place: &[TypeIx]) -> Role {
        let views = self.views(op, claim.of, &claim.verb);
        let views = views.into_iter().map(|view| View { path: view.path.into(), of: place[view.of], form: view.form });
        let (bindings, batch) = self.bindings(op, claim, place);
        let makes = matches!(claim.verb, Verb::Create | Verb::Put);
        let parents = self.lineage(claim.of).into_iter().skip(1);
        let missing = (claim.verb != Verb::Create).then(|| self.missing(op, claim.of)).flatten();
        let missing_parents = parents
            .filter_map(|parent| {
                Some((place[parent], self.missing(op, parent).filter(|error| Some(*error) != missing)?))
            })
            .collect();
        Role {
            verb: self.acting(op, claim),
            resource: place[claim.of],
            bindings: bindings.into(),
            views: views.collect(),
            batch,
            body: matches!(claim.verb, Verb::Create | Verb::Put | Verb::Update)
                .then(|| self.body(op, claim.of))
                .flatten(),
            rename: (claim.verb == Verb::Update).then(|| self.rename(op, claim.of)).flatten(),
            sets: self.sets(op, claim),
            action: None,
            atomic: false,
            repeatable: false,
            codes: Codes::default(),
            any: false,
            tags: self.role_tags(op, claim),
            missing,
            missing_parents,
            conflict: makes.then(|| self.conflict(op, claim.of)).flatten(),
            clears: claim.clears.clone().into(),
            busy: (claim.verb == Verb::Delete).then(|| self.busy(op, claim.of)).flatten(),
            why: claim.why.clone(),
        }
    }

    /// Members of inputs that are shown under another name: the one of the same shape that nothing else sets.
    fn synonyms(&self, ix: usize) -> Box<[(Str, Str)]> {
        let draft = &self.types[ix];
        let shown: Vec<_> = draft
            .shapes
            .iter()
            .take(1)
            .filter_map(|shape| self.service.structure(*shape))
            .flat_map(|s| &s.members)
            .collect();
        let plain = |name: &str| {
            let name = squash(name);
            name.strip_prefix(&draft.noun.text).filter(|rest| !rest.is_empty()).map_or(name.clone(), str::to_owned)
        };
        let mut out: Vec<(Str, Str)> = Vec::new();
        for (op, _) in self.of(ix).filter(|(_, claim)| matches!(claim.verb, Verb::Create | Verb::Put | Verb::Update)) {
            let Some(input) = op.operation.input.and_then(|input| self.service.structure(input)) else { continue };
            let same = |a: &str, b: &str| squash(a) == squash(b);
            let given: Vec<_> = input.members.iter().filter(|m| !shown.iter().any(|s| same(s.name, m.name))).collect();
            let free: Vec<_> = shown.iter().filter(|s| !input.members.iter().any(|m| same(s.name, m.name))).collect();
            for member in &given {
                if member.idempotency_token || out.iter().any(|(known, _)| *known == member.name) {
                    continue;
                }
                let kind = |ix: standin_model::ShapeIx| self.service.shape(ix).kind.name();
                let mut by_name = free
                    .iter()
                    .filter(|s| plain(s.name) == plain(member.name) && kind(s.target) == kind(member.target));
                let special = !matches!(
                    kind(member.target),
                    "string" | "boolean" | "integer" | "long" | "timestamp" | "double" | "float"
                );
                let once = given.iter().filter(|other| other.target == member.target).count() == 1;
                let mut by_shape = free.iter().filter(|s| special && once && s.target == member.target);
                let found = by_name.next().or_else(|| by_shape.next().filter(|_| by_shape.next().is_none()));
                if let Some(found) = found {
                    out.push((member.name, found.name));
                }
            }
        }
        out.into()
    }

    fn bindings(&self, op: &Op, claim: &Claim, place: &[TypeIx]) -> (Vec<Binding>, Option<Path>) {
        let ix = claim.of;
        let draft = &self.types[ix];
        let line = self.lineage(ix);
        let mut chosen: Vec<Candidate<'_>> = Vec::new();
        let creates = matches!(claim.verb, Verb::Create | Verb::Put);
        let lists = claim.verb == Verb::List;
        for given in op.givens.iter().filter(|given| !given.inner) {
            if let Some(of) = line.iter().copied().rfind(|of| self.types[*of].qualifiers.contains(&given.name)) {
                chosen.push(Candidate { sure: Sure::Exact, of, given, part: Part::Qualifier });
                continue;
            }
            let Some((mut of, sure)) = self.whom(ix, op, given) else { continue };
            let needed = given.required || given.label;
            // What lists name in general terms is what the items lie in.
            if lists
                && of == ix
                && sure == Sure::Generic
                && needed
                && !given.list
                && let Some(parent) = draft.parent
            {
                of = parent;
            }
            if !line.contains(&of) || (given.listed && !needed && !self.counts(ix, given)) || (of != ix && given.list) {
                continue;
            }
            let bare = given.role.is_none() && !draft.own.contains_key(&given.key);
            // `ResourcePolicy` may well be the policy's text.
            if bare && of == ix && (!needed || !draft.own.is_empty()) {
                continue;
            }
            let chosen_by_client = matches!(draft.kind, TypeKind::Named | TypeKind::Link);
            if of == ix && creates && (!chosen_by_client || (given.list && !draft.link)) {
                continue;
            }
            if of == ix && draft.kind == TypeKind::Single {
                continue;
            }
            chosen.push(Candidate { sure, of, given, part: given.role.unwrap_or(Part::Any) });
        }
        // An ARN that an input gives beside the name is that of something else.
        let own = |one: &Candidate<'_>| draft.own.contains_key(&one.given.key) || one.part == Part::Name;
        if creates && chosen.iter().any(|one| one.of == ix && own(one)) {
            chosen.retain(|one| one.of != ix || one.part != Part::Arn || draft.own.contains_key(&one.given.key));
        }
        let mut batch = None;
        if !chosen.iter().any(|one| one.of == ix && one.part != Part::Qualifier) && draft.kind != TypeKind::Single {
            let (inner, list) = self.inner_bindings(op, claim);
            batch = list;
            chosen.extend(inner);
        }
        if batch.is_none() && creates && op.name.batch {
            batch = self.requests(op);
        }
        // Of several that tell the same of the same, the surest one that is required.
        chosen.sort_by_key(|one| {
            (one.of, std::cmp::Reverse((one.given.required || one.given.label, one.sure, !one.given.list)))
        });
        let mut out: Vec<Binding> = Vec::new();
        for Candidate { sure, of, given, part } in chosen {
            // `SecretId`, where a secret has a name and an ARN but no id.
            let part = if part == Part::Id && self.types[of].loose { Part::Any } else { part };
            let told = |part: Part| out.iter().any(|other| other.of == place[of] && other.part == part);
            let twin = part != Part::Qualifier && told(part);
            let generic = sure != Sure::Exact
                && out.iter().any(|other| other.of == place[of] && other.part != Part::Qualifier)
                && !(given.required || given.label)
                && !(of == ix && draft.own.contains_key(&given.key))
                && claim.verb != Verb::List;
            if !twin && !generic {
                out.push(Binding { path: given.path.clone(), of: place[of], part, default: None });
            }
        }
        (out, batch)
    }

    /// The one list of structures that an input must have.
    fn requests(&self, op: &Op) -> Option<Path> {
        let input = op.operation.input.and_then(|input| self.service.structure(input))?;
        let mut lists = input.members.iter().filter(|member| {
            let Kind::List(list) = &self.service.shape(member.target).kind else { return false };
            member.required && self.service.structure(list.member.target).is_some()
        });
        let only = lists.next()?;
        lists.next().is_none().then(|| vec![Step::Member(only.name)].into())
    }

    /// The member that carries a new name.
    fn rename(&self, op: &Op, ix: usize) -> Option<Path> {
        let noun = &self.types[ix].noun;
        let fits = |given: &&Given| match given.core.split_first() {
            Some((first, rest)) => {
                let role = matches!(given.role, Some(Part::Name | Part::Any));
                first == "new" && role && !given.inner && !given.list && (rest.is_empty() || *rest == noun[..])
            }
            None => false,
        };
        op.givens.iter().find(fits).map(|given| given.path.clone())
    }

    /// Booleans that an act switches.
    fn sets(&self, op: &Op, claim: &Claim) -> Box<[(Str, Str)]> {
        let on = match op.name.verb.as_str() {
            "enable" | "activate" => "true",
            "disable" | "deactivate" => "false",
            _ => return Box::default(),
        };
        if !matches!(claim.verb, Verb::Act(_)) {
            return Box::default();
        }
        let draft = &self.types[claim.of];
        let status = draft.status.as_ref().map(|status| status.member);
        let members = draft.shapes.iter().filter_map(|shape| self.service.structure(*shape)).flat_map(|s| &s.members);
        let flag = |name: &str| matches!(squash(name).as_str(), "enabled" | "isenabled" | "active" | "isactive");
        let mut flags = members.filter(|m| {
            matches!(self.service.shape(m.target).kind, Kind::Boolean) && flag(m.name) && status != Some(m.name)
        });
        flags.next().map(|member| (member.name, on)).into_iter().collect()
    }

    /// The structure in an input that holds what the resource is made of.
    fn body(&self, op: &Op, ix: usize) -> Option<Path> {
        let input = op.operation.input.and_then(|input| self.service.structure(input))?;
        let shown = self.types[ix].shapes.first().and_then(|shape| self.service.structure(*shape))?;
        let has = |name: &str| shown.members.iter().any(|member| squash(member.name) == squash(name));
        let mut fits = input.members.iter().filter(|member| {
            let Some(inner) = self.service.structure(member.target).filter(|inner| !inner.members.is_empty()) else {
                return false;
            };
            let known = inner.members.iter().filter(|member| has(member.name)).count();
            !has(member.name) && known * 2 >= inner.members.len()
        });
        let only = fits.next()?;
        fits.next().is_none().then(|| vec![Step::Member(only.name)].into())
    }

    /// Identifiers within a structure of the input, or within the items of a list.
    fn inner_bindings<'o>(&self, op: &'o Op, claim: &Claim) -> (Vec<Candidate<'o>>, Option<Path>) {
        let ix = claim.of;
        let draft = &self.types[ix];
        let line = self.lineage(ix);
        let creates = matches!(claim.verb, Verb::Create | Verb::Put);
        let mut by_outer: Vec<Inner<'o>> = Vec::new();
        for given in op.givens.iter().filter(|given| given.inner && !given.list) {
            let [Step::Member(outer), next, ..] = given.path[..] else { continue };
            // What is searched by is no request.
            if self.split(outer).iter().any(|word| matches!(word.as_str(), "filter" | "filters" | "criteria" | "sort"))
            {
                continue;
            }
            let candidate = if draft.qualifiers.contains(&given.name) {
                Candidate { sure: Sure::Exact, of: ix, given, part: Part::Qualifier }
            } else {
                let Some((of, sure)) = self.whom(ix, op, given) else { continue };
                let bare = given.role.is_none() && !draft.own.contains_key(&given.key);
                let by_client = matches!(draft.kind, TypeKind::Named | TypeKind::Link);
                let made = of == ix && creates && !by_client;
                if !line.contains(&of) || (given.listed && !given.required) || bare || made {
                    continue;
                }
                Candidate { sure, of, given, part: given.role.unwrap_or(Part::Any) }
            };
            match by_outer.iter_mut().find(|inner| inner.outer == outer) {
                Some(inner) => inner.candidates.push(candidate),
                None => by_outer.push(Inner { outer, items: next == Step::Items, candidates: vec![candidate] }),
            }
        }
        by_outer.retain(|inner| {
            let own = |one: &Candidate<'_>| {
                one.of == ix
                    && (one.given.required || one.part == Part::Qualifier || draft.own.contains_key(&one.given.key))
            };
            inner.candidates.iter().any(own) && (!inner.items || op.name.batch || op.name.plural)
        });
        by_outer.sort_by_key(|inner| self.about(inner.outer, ix).is_none());
        let known =
            |one: &Candidate<'_>| one.of != ix || one.part != Part::Arn || draft.own.contains_key(&one.given.key);
        for inner in &mut by_outer {
            if creates && inner.candidates.iter().any(|one| one.of == ix && draft.own.contains_key(&one.given.key)) {
                inner.candidates.retain(known);
            }
        }
        match by_outer.into_iter().next() {
            Some(inner) => (inner.candidates, inner.items.then(|| vec![Step::Member(inner.outer)].into())),
            None => (Vec::new(), None),
        }
    }
}
