//! What the lifecycle of a service means for its members: which of them callers set, which name the resource, and how a stored
//! resource becomes each structure that describes it. Worked out once per service, structures when first needed.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use standin_core::FastMap;
use standin_lifecycle::{Binding, Form, Lifecycle, Part, Role, Step, TypeIx, Verb};
use standin_model::{Kind, Location, Member, Operation, Service, ShapeIx, Str, Structure};

use crate::batch::own_path;
use crate::names::{Noun, is_list, is_tags, plain};
use crate::plan::{OperationPlan, Projection};

/// A service as the stateful handler sees it.
#[derive(Debug)]
pub(crate) struct Schema {
    pub service: &'static Service,
    pub lifecycle: Lifecycle,
    pub types: Box<[TypeSchema]>,
    /// The catalogue's id, as spaces of the store name it.
    pub id: Arc<str>,
    /// Whether it keeps its state once per account, not per region.
    pub global: bool,
    /// By shape: whether somewhere in it is a structure that requires members.
    pub needy: Box<[bool]>,
    plans: Box<[OnceLock<Arc<OperationPlan>>]>,
}

/// One type of resource.
#[derive(Debug)]
pub(crate) struct TypeSchema {
    pub noun: Noun,
    /// The table of its rows.
    pub table: Arc<str>,
    /// Members, in one spelling, that name such a resource somewhere, and how.
    pub identity: FastMap<String, Part>,
    /// Members, in one spelling, by which requests name it.
    pub bound: HashSet<String>,
    /// What callers can set, by attribute, with the shape in which they do.
    pub settable: FastMap<String, ShapeIx>,
    /// Of these, what is set in more than one shape.
    pub mixed: HashSet<String>,
    /// Input structures, in one spelling, whose members are attributes of the resource itself.
    pub wrappers: HashSet<String>,
    /// Attributes that updates repeat and the service counts: versions and tokens.
    pub tokens: HashSet<String>,
    /// The shapes of members of tagging operations, which accept the ARNs of what can be tagged.
    pub tagged_by: Vec<ShapeIx>,
    /// Of two numbers that count (`majorVersion`, `minorVersion`), the member of the outer one.
    pub outer_counter: Option<Str>,
    /// Attributes that callers give when they make one.
    pub given_first: HashSet<String>,
    /// ARNs of something else that callers give it.
    pub given_arns: HashSet<String>,
    /// Booleans that only updates and acts set and that are on at first: `Enabled`, `Active`.
    pub switches: Vec<String>,
    /// Attributes that acts set.
    pub acted: HashSet<String>,
    /// The structures that show it, the fullest first.
    pub shapes: Vec<ShapeIx>,
    /// Whether requests name it by qualifiers only.
    pub by_qualifiers: bool,
    /// What updates set by itself but a structure shows within: the attribute that the structure is, and the member in it.
    pub inward: FastMap<String, (String, Str)>,
    /// The shapes of members that name it in requests: its identifiers must fit them.
    pub named_by: Vec<(Part, ShapeIx)>,
    /// The shapes, with limits, of members that show its identifiers or name it in requests about something else: they should
    /// fit these as well.
    pub also_named_by: Vec<(Part, ShapeIx)>,
    /// Whether there is an operation that makes one: then what is not there does not exist.
    pub made_by_callers: bool,
    pub children: Vec<TypeIx>,
    /// Those of them that its own structures show.
    pub shown_children: Vec<TypeIx>,
    projections: RwLock<FastMap<ShapeIx, Arc<Projection>>>,
}

impl Schema {
    pub(crate) fn new(lifecycle: Lifecycle) -> Self {
        let service = lifecycle.service;
        let types: Vec<TypeSchema> = lifecycle.indices().map(|ix| TypeSchema::new(&lifecycle, ix)).collect();
        let plans = service.operations.iter().map(|_| OnceLock::new()).collect();
        let global = service.global_endpoint.is_some();
        Self { needy: needy(service), service, types: types.into(), id: service.id.into(), global, plans, lifecycle }
    }

    pub(crate) fn ty(&self, ix: TypeIx) -> &TypeSchema {
        &self.types[usize::from(ix.0)]
    }

    /// All types that lie in a type, at whatever depth.
    pub(crate) fn descendants(&self, ix: TypeIx) -> Vec<TypeIx> {
        let mut found = self.ty(ix).children.clone();
        let mut at = 0;
        while at < found.len() {
            found.extend_from_slice(&self.ty(found[at]).children);
            at += 1;
        }
        found
    }

    /// The plan of an operation that has a role.
    pub(crate) fn plan(&self, operation: &'static Operation) -> Option<(&Role, &Arc<OperationPlan>)> {
        let at = self.service.operations.binary_search_by(|other| other.name.cmp(operation.name)).ok()?;
        let role = self.lifecycle.roles[at].as_ref()?;
        let plan =
            self.plans[at].get_or_init(|| Arc::new(OperationPlan::new(self, &self.service.operations[at], role)));
        Some((role, plan))
    }

    /// The operations on a type.
    pub(crate) fn operations_on(&self, ix: TypeIx) -> impl Iterator<Item = (&'static Operation, &Role)> {
        let all = self.service.operations.iter().zip(&self.lifecycle.roles);
        all.filter_map(move |(operation, role)| Some((operation, role.as_ref().filter(|role| role.resource == ix)?)))
    }

    /// How resources of a type fill a structure that describes them.
    pub(crate) fn projection(&self, ix: TypeIx, shape: ShapeIx) -> Arc<Projection> {
        let cache = &self.ty(ix).projections;
        if let Some(found) = cache.read().unwrap_or_else(PoisonError::into_inner).get(&shape) {
            return Arc::clone(found);
        }
        let made = Arc::new(Projection::of(self, ix, shape));
        Arc::clone(cache.write().unwrap_or_else(PoisonError::into_inner).entry(shape).or_insert(made))
    }
}

impl TypeSchema {
    fn new(lifecycle: &Lifecycle, ix: TypeIx) -> Self {
        let service = lifecycle.service;
        let resource = lifecycle.resource(ix);
        let noun = Noun::new(&resource.name);
        let roles = || {
            lifecycle
                .roles
                .iter()
                .zip(&service.operations)
                .filter_map(|(role, operation)| Some((role.as_ref()?, operation)))
        };

        let mut identity = FastMap::default();
        let mut named_by = Vec::new();
        let mut bound = HashSet::new();
        let known = &resource.identity;
        for (part, name) in [(Part::Name, known.name), (Part::Id, known.id), (Part::Arn, known.arn)] {
            if let Some(name) = name {
                identity.insert(plain(name, false), part);
            }
        }
        for (role, operation) in roles() {
            for binding in role.bindings.iter().filter(|binding| binding.of == ix) {
                if role.resource == ix
                    && !role.any
                    && let Some(shape) = operation.input.and_then(|input| target_of(service, input, &binding.path))
                    && !named_by.contains(&(binding.part, shape))
                {
                    named_by.push((binding.part, shape));
                }
                let Some(member) = last_member(&binding.path) else { continue };
                let name = plain(member, false);
                let one = standin_model::words::singular_of(&name);
                if !role.any {
                    bound.insert(one.clone());
                }
                // The `Resource` of tagging operations is any resource.
                if role.any || matches!(one.as_str(), "resource" | "resourcearn" | "resourceid" | "identifier") {
                    continue;
                }
                if binding.part == Part::Qualifier {
                    continue;
                }
                let part = identity.entry(one).or_insert(binding.part);
                if *part == Part::Any {
                    *part = binding.part;
                }
            }
        }
        let shapes = shapes(lifecycle, ix);
        let described: HashSet<String> = shapes
            .iter()
            .filter_map(|shape| service.structure(*shape))
            .flat_map(|structure| &structure.members)
            .map(|member| noun.attribute(member.name, is_list(service, member.target)))
            .collect();
        let mut settable = FastMap::default();
        let mut mixed = HashSet::new();
        let mut wrappers = HashSet::new();
        let mut made_by_callers = false;
        let mut tokens: HashSet<String> = HashSet::new();
        let mut given_arns = HashSet::new();
        let mut given_first: HashSet<String> = HashSet::new();
        for (role, operation) in roles().filter(|(role, _)| role.resource == ix) {
            made_by_callers |= matches!(role.verb, Verb::Create | Verb::Put);
            if !matches!(role.verb, Verb::Create | Verb::Put | Verb::Update) {
                continue;
            }
            let Some(input) = input_item(service, operation, role) else { continue };
            let mut says: Vec<&Member> = Vec::new();
            let body = role.body.as_deref().and_then(|path| target_of(service, operation.input?, path));
            for member in body.and_then(|body| service.structure(body)).into_iter().flat_map(|body| &body.members) {
                let attribute = noun.attribute(member.name, is_list(service, member.target));
                if *settable.entry(attribute.clone()).or_insert(member.target) != member.target {
                    mixed.insert(attribute);
                }
                says.push(member);
            }
            let body_member = role.body.as_deref().and_then(|path| first_member(own_path(path, role)));
            for member in input.members.iter().filter(|member| !member.idempotency_token && is_data(member.name)) {
                let attribute = noun.attribute(member.name, is_list(service, member.target));
                if body_member == Some(member.name) && !described.contains(&attribute) {
                    continue;
                }
                if let Some(inner) = service.structure(member.target)
                    && !described.contains(&attribute)
                    && !inner.union
                {
                    let shown = |member: &&Member| {
                        described.contains(&noun.attribute(member.name, is_list(service, member.target)))
                    };
                    let known = inner.members.iter().filter(shown).count();
                    if known > 0 && known * 2 >= inner.members.len().min(8) {
                        wrappers.insert(plain(member.name, false));
                        for member in
                            inner.members.iter().filter(|member| !member.idempotency_token && is_data(member.name))
                        {
                            let attribute = noun.attribute(member.name, is_list(service, member.target));
                            if *settable.entry(attribute.clone()).or_insert(member.target) != member.target {
                                mixed.insert(attribute);
                            }
                            // The `Arn` in a structure beside others is that structure's own.
                            if plain(member.name, false) != "arn" {
                                says.push(member);
                            }
                        }
                        continue;
                    }
                }
                says.push(member);
                let bound = role.bindings.iter().any(
                    |binding| matches!(own_path(&binding.path, role), [Step::Member(name)] if *name == member.name),
                );
                let counted = ["version", "token", "revision", "etag"].iter().any(|end| attribute.ends_with(end));
                if role.verb == Verb::Update && counted && member.required {
                    tokens.insert(attribute);
                    continue;
                }
                // What is part of the path says which, not how it shall be.
                if role.verb == Verb::Update && member.location == Location::Uri {
                    continue;
                }
                if bound && (attribute == "id" || attribute == "arn" || role.verb == Verb::Update) {
                    continue;
                }
                if *settable.entry(attribute.clone()).or_insert(member.target) != member.target {
                    mixed.insert(attribute);
                }
            }
            for member in says.into_iter().filter(|_| matches!(role.verb, Verb::Create | Verb::Put)) {
                let attribute = noun.attribute(member.name, is_list(service, member.target));
                let named = |binding: &Binding| binding.of == ix && last_member(&binding.path) == Some(member.name);
                let names_it = || {
                    let own = roles().filter(|(role, _)| role.resource == ix && !role.any);
                    own.flat_map(|(role, _)| role.bindings.iter()).any(named)
                };
                let own = || !is_any_arn(member.name) && noun.part(member.name) == Some(Part::Arn);
                if attribute.ends_with("arn") && !names_it() && !own() {
                    given_arns.insert(attribute.clone());
                }
                // Its own ARN, which callers may repeat and need not know.
                if !(attribute.ends_with("arn") && own() && !member.required) {
                    given_first.insert(attribute);
                }
            }
        }
        tokens.retain(|token| !settable.contains_key(token));
        let taggable = resource.tags.is_some()
            || roles().any(|(role, _)| role.resource == ix && role.verb == Verb::Create && role.tags.is_some());
        let tagging = roles().filter(|(role, _)| taggable && role.any && role.verb == Verb::ListTags);
        let tagged_by = tagging
            .flat_map(|(role, operation)| role.bindings.iter().map(move |binding| (binding, operation)))
            .filter(|(binding, _)| binding.part == Part::Arn)
            .filter_map(|(binding, operation)| target_of(service, operation.input?, &binding.path))
            .collect();
        let lookups = || {
            let roles = roles().filter(|(role, _)| role.resource == ix && !role.any);
            let roles = roles.filter(|(role, _)| matches!(role.verb, Verb::Read | Verb::Delete | Verb::Update));
            roles.flat_map(|(role, _)| role.bindings.iter().filter(|binding| binding.of == ix))
        };
        let also_named_by = also_named_by(lifecycle, ix, &noun, &shapes, &named_by);
        let outer_counter = resource.counter.and_then(|_| {
            let mut qualifiers = lookups().filter(|binding| binding.part == Part::Qualifier);
            qualifiers
                .find_map(|binding| last_member(&binding.path))
                .filter(|member| plain(member, false).ends_with("version"))
        });
        let by_qualifiers = lookups().next().is_some() && lookups().all(|binding| binding.part == Part::Qualifier);
        let acted: HashSet<String> = roles()
            .filter(|(role, _)| role.resource == ix)
            .flat_map(|(role, _)| role.sets.iter())
            .map(|(member, _)| noun.attribute(member, false))
            .collect();
        let members = shapes.iter().filter_map(|shape| service.structure(*shape)).flat_map(|shape| &shape.members);
        let mut switches: Vec<String> = members
            .filter(|member| matches!(service.target(member).kind, Kind::Boolean))
            .map(|member| noun.attribute(member.name, false))
            .filter(|name| matches!(name.as_str(), "enabled" | "active" | "isenabled" | "isactive"))
            .filter(|name| !given_first.contains(name) && (settable.contains_key(name) || acted.contains(name)))
            .collect();
        switches.dedup();
        let mut inward = FastMap::default();
        for (attribute, _) in settable.iter().filter(|(attribute, _)| !described.contains(*attribute)) {
            let mut found =
                settable.iter().filter(|(outer, _)| described.contains(*outer)).filter_map(|(outer, shape)| {
                    let members = &service.structure(*shape)?.members;
                    let same =
                        |member: &&Member| noun.attribute(member.name, is_list(service, member.target)) == *attribute;
                    Some((outer.clone(), members.iter().find(same)?.name))
                });
            if let (Some(place), None) = (found.next(), found.next()) {
                inward.insert(attribute.clone(), place);
            }
        }
        let children: Vec<TypeIx> =
            lifecycle.indices().filter(|other| lifecycle.resource(*other).parent == Some(ix)).collect();
        Self {
            table: resource.name.as_str().into(),
            noun,
            identity,
            bound,
            settable,
            mixed,
            wrappers,
            inward,
            by_qualifiers,
            acted,
            given_first,
            given_arns,
            switches,
            outer_counter,
            tokens,
            tagged_by,
            shapes,
            named_by,
            also_named_by,
            made_by_callers,
            shown_children: children
                .iter()
                .copied()
                .filter(|child| lifecycle.resource(*child).within.is_some())
                .collect(),
            children,
            projections: RwLock::default(),
        }
    }

    /// Whether a member that looks like part of its identity is nothing but what callers gave: the `ResourceArn` of what a
    /// protection protects.
    pub(crate) fn is_given(&self, member: &str, part: Part) -> bool {
        let attribute = self.noun.attribute(member, false);
        part != Part::Name
            && self.given_first.contains(&attribute)
            && self.settable.contains_key(&attribute)
            && !self.bound.contains(&plain(member, false))
    }

    /// Which part of such a resource's identity a text member is. `close`: in its own description, where `Name` is its name.
    pub(crate) fn part(&self, member: &str, close: bool) -> Option<Part> {
        let name = plain(member, false);
        if close && let Some(part) = self.identity.get(&name) {
            return Some(*part);
        }
        let part = self.noun.part(member)?;
        (close || name.starts_with(&self.noun.text) || name.len() > 4 && self.identity.contains_key(&name))
            .then_some(part)
    }
}

/// What else carries the identifiers of a type: what lies in it, what is called after it, its own structures.
fn also_named_by(
    lifecycle: &Lifecycle,
    ix: TypeIx,
    noun: &Noun,
    shapes: &[ShapeIx],
    known: &[(Part, ShapeIx)],
) -> Vec<(Part, ShapeIx)> {
    let service = lifecycle.service;
    let resource = lifecycle.resource(ix);
    let mut found: Vec<(Part, ShapeIx)> = Vec::new();
    let mut add = |part: Part, shape: ShapeIx| {
        let limited = service.shape(shape).constraints.is_some() && is_text(service, shape);
        if limited && !known.contains(&(part, shape)) && !found.contains(&(part, shape)) {
            found.push((part, shape));
        }
    };
    for (role, operation) in lifecycle.roles.iter().zip(&service.operations) {
        let Some(input) = operation.input else { continue };
        for role in role.iter().filter(|role| role.resource != ix && !role.any) {
            for binding in role.bindings.iter().filter(|binding| binding.of == ix) {
                if let Some(shape) = target_of(service, input, &binding.path) {
                    add(binding.part, shape);
                }
            }
        }
        for member in service.structure(input).into_iter().flat_map(|input| &input.members) {
            match plain(member.name, false).strip_prefix(&noun.text) {
                Some("arn") => add(Part::Arn, member.target),
                Some("id") => add(Part::Id, member.target),
                _ => {}
            }
        }
    }
    for structure in shapes.iter().filter_map(|shape| service.structure(*shape)) {
        for (part, name) in [(Part::Id, resource.identity.id), (Part::Arn, resource.identity.arn)] {
            if let Some(member) = name.and_then(|name| structure.member(name)) {
                add(part, member.target);
            }
        }
    }
    found
}

fn is_text(service: &Service, shape: ShapeIx) -> bool {
    matches!(service.shape(shape).kind, Kind::String { .. })
}

/// The structures that show a resource, those of reads before those of lists.
fn shapes(lifecycle: &Lifecycle, ix: TypeIx) -> Vec<ShapeIx> {
    let service = lifecycle.service;
    let order = |verb: &Verb| match verb {
        Verb::Read => 0,
        Verb::Create | Verb::Put => 1,
        Verb::List => 2,
        _ => 3,
    };
    let mut found: Vec<(u8, ShapeIx)> = Vec::new();
    for (role, operation) in lifecycle.roles.iter().zip(&service.operations) {
        let Some(role) = role.as_ref().filter(|role| role.resource == ix) else { continue };
        let views = role.views.iter().filter(|view| view.of == ix && view.form == Form::Structure);
        let shapes = views.filter_map(|view| target_of(service, operation.output?, &view.path));
        found
            .extend(shapes.filter(|shape| service.structure(*shape).is_some()).map(|shape| (order(&role.verb), shape)));
    }
    found.sort_by_key(|(order, _)| *order);
    let mut shapes: Vec<ShapeIx> = Vec::new();
    for shape in found.into_iter().map(|(_, shape)| shape).chain(lifecycle.resource(ix).shapes.iter().copied()) {
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    shapes
}

/// The shape at the end of a way.
pub(crate) fn target_of(service: &Service, root: ShapeIx, path: &[Step]) -> Option<ShapeIx> {
    path.iter().try_fold(root, |shape, step| match (step, &service.shape(shape).kind) {
        (Step::Member(name), Kind::Structure(structure)) => Some(structure.member(name)?.target),
        (Step::Items, Kind::List(list)) => Some(list.member.target),
        (Step::Values, Kind::Map(map)) => Some(map.value.target),
        _ => None,
    })
}

/// Which shapes hold a structure that requires members: found by going over all until nothing changes.
fn needy(service: &Service) -> Box<[bool]> {
    let mut needy = vec![false; service.shapes.len()];
    loop {
        let mut changed = false;
        for (at, shape) in service.shapes.iter().enumerate() {
            let of = |shape: ShapeIx| needy[shape.0 as usize];
            let now = match &shape.kind {
                Kind::Structure(structure) => {
                    structure.members.iter().any(|member| (member.required && !structure.union) || of(member.target))
                }
                Kind::List(list) => of(list.member.target),
                Kind::Map(map) => of(map.value.target),
                _ => false,
            };
            if now && !needy[at] {
                needy[at] = true;
                changed = true;
            }
        }
        if !changed {
            return needy.into_boxed_slice();
        }
    }
}

/// The structure that carries what callers set: the input, or the item of the list that a batch operation takes.
pub(crate) fn input_item(service: &'static Service, operation: &Operation, role: &Role) -> Option<&'static Structure> {
    let shape = target_of(service, operation.input?, role.batch.as_deref().unwrap_or_default())?;
    match &service.shape(shape).kind {
        Kind::List(list) => service.structure(list.member.target),
        _ => service.structure(shape),
    }
}

/// Whether an input member says something of the resource, and not of the request.
pub(crate) fn is_data(member: &str) -> bool {
    !is_tags(member)
        && !matches!(
            plain(member, false).as_str(),
            "clienttoken"
                | "clientrequesttoken"
                | "idempotencytoken"
                | "dryrun"
                | "creatorrequestid"
                | "requesttoken"
                | "tagspecifications"
                | "tagkeys"
                | "nexttoken"
                | "maxresults"
                | "updatemask"
        )
}

/// Whether an ARN of this name may be that of anything.
fn is_any_arn(member: &str) -> bool {
    matches!(plain(member, false).as_str(), "arn" | "resourcearn")
}

pub(crate) fn first_member(path: &[Step]) -> Option<&'static str> {
    match path.first()? {
        Step::Member(name) => Some(name),
        _ => None,
    }
}

pub(crate) fn last_member(path: &[Step]) -> Option<Str> {
    path.iter().rev().find_map(|step| match step {
        Step::Member(name) => Some(*name),
        _ => None,
    })
}
