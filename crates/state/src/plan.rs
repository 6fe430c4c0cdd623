//! How a stored resource becomes a structure of the model.

use std::collections::HashSet;
use std::sync::Arc;

use standin_lifecycle::{Form, Part, Role, Step, TypeIx, TypeKind, Verb};
use standin_mock::synthesis;
use standin_model::{Kind, Member, Operation, ShapeIx, Str};

use crate::batch::own_path;
use crate::names::{Noun, is_generic, is_list, is_revision, is_tags};
use crate::schema::{Schema, input_item};

/// Structures within structures are looked into so deep for what the resource says elsewhere.
const DEPTH_MAX: usize = 3;

/// The members of one structure, each with where its value comes from.
#[derive(Debug)]
pub(crate) struct Projection {
    pub shape: ShapeIx,
    pub union: bool,
    pub slots: Box<[Slot]>,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub name: Str,
    pub target: ShapeIx,
    pub required: bool,
    pub source: Source,
}

/// Where a member's value comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// The resource's own name, id or ARN.
    Identity(Part),
    /// That of what it lies in, so many levels up; where that is not known, what the service made of it.
    Ancestor(u8, Part, Box<str>),
    Tags,
    /// Under this attribute where callers can set it.
    Status(Box<str>),
    /// What a caller set. `alike`: in this very shape.
    Data {
        attribute: Box<str>,
        alike: bool,
    },
    /// A member of a structure that a caller set.
    Within {
        attribute: Box<str>,
        member: Str,
        alike: bool,
    },
    /// A structure that is put together from what the resource says elsewhere.
    Nested {
        attribute: Box<str>,
        inner: Arc<Projection>,
    },
    /// What only the service can know, kept since the resource was made.
    Made(Box<str>),
    /// What changes with every change of the resource.
    Revision(Box<str>),
    /// The whole resource, in a structure of its own.
    Whole(Arc<Projection>),
    /// A structure on the way to a view.
    Through(Arc<Projection>),
    /// The resources of a list.
    Items(Items),
    /// Those of a type that lie in the resource.
    Inside(TypeIx, Items, Box<str>),
    Next,
    More,
    Count,
    /// The input member of the same name.
    Echo,
    /// Nothing is known of it; made up where the model wants it.
    Nothing,
}

/// A list or map of resources.
#[derive(Debug)]
pub(crate) struct Items {
    pub item: Item,
    /// A map by name, not a list.
    pub map: bool,
}

#[derive(Debug)]
pub(crate) enum Item {
    Structure(Arc<Projection>),
    Identifier(Part),
    /// Each resource in a structure of its own that holds a list of one.
    Wrapped(Arc<Projection>),
}

/// An operation as the handler carries it out.
#[derive(Debug)]
pub(crate) struct OperationPlan {
    /// `None` for operations without output.
    pub output: Option<Projection>,
    /// The input member that bounds a page.
    pub limit: Option<Str>,
    /// The input member that says where a page begins.
    pub token: Option<Str>,
    /// The idempotency token of the input.
    pub idempotency: Option<Str>,
    /// Attributes of which this update tells a part only: its structure is not the one that makes them.
    pub partial: HashSet<String>,
    /// Where the input has tags.
    pub tags: Option<Box<[Str]>>,
}

impl OperationPlan {
    pub(crate) fn new(schema: &Schema, operation: &'static Operation, role: &Role) -> Self {
        let service = schema.service;
        let input = operation.input.and_then(|input| service.structure(input));
        let members = || input.into_iter().flat_map(|input| &input.members);
        let paging = operation.paginator.as_deref();
        let token = paging
            .and_then(|paging| paging.input_token.first().copied())
            .filter(|name| members().any(|member| member.name == *name))
            .or_else(|| members().find(|member| synthesis::is_page_token(member.name)).map(|member| member.name));
        let output = operation.output.map(|shape| {
            let mut compiler = Compiler {
                schema,
                ix: role.resource,
                operation: Some(operation),
                list: role.verb == Verb::List,
                stack: Vec::new(),
                outer: None,
            };
            let views: Vec<(&[Step], TypeIx, Form)> =
                role.views.iter().map(|view| (&*view.path, view.of, view.form)).collect();
            compiler.root(shape, &views)
        });
        let token = token.filter(|_| role.verb == Verb::List);
        Self {
            output,
            partial: members()
                .filter(|_| role.verb == Verb::Update)
                .filter(|member| matches!(service.target(member).kind, Kind::Structure(_)))
                .filter_map(|member| {
                    let ty = schema.ty(role.resource);
                    let attribute = ty.noun.attribute(member.name, false);
                    ty.settable.get(&attribute).is_some_and(|shape| *shape != member.target).then_some(attribute)
                })
                .collect(),
            limit: synthesis::page_limit(service, operation),
            token,
            idempotency: members()
                .find(|member| {
                    member.idempotency_token
                        || matches!(
                            crate::names::plain(member.name, false).as_str(),
                            "clienttoken" | "clientrequesttoken" | "idempotencytoken" | "creatorrequestid"
                        )
                })
                .map(|member| member.name),
            tags: role.tags.as_ref().and_then(|path| members_of(own_path(path, role))).or_else(|| {
                let own = input_item(service, operation, role);
                let mut own = own.into_iter().flat_map(|input| &input.members);
                let found = own.find(|member| is_tags(member.name) || member.name == "TagSpecifications");
                found.map(|member| Box::from([member.name]))
            }),
        }
    }
}

impl Projection {
    /// How a resource of a type fills a structure that describes it.
    pub(crate) fn of(schema: &Schema, ix: TypeIx, shape: ShapeIx) -> Self {
        Compiler { schema, ix, operation: None, list: false, stack: Vec::new(), outer: None }.structure(shape, 0)
    }
}

struct Compiler<'s> {
    schema: &'s Schema,
    ix: TypeIx,
    operation: Option<&'static Operation>,
    list: bool,
    stack: Vec<ShapeIx>,
    /// The member whose structure this is, in one spelling, right below the resource's own.
    outer: Option<String>,
}

impl Compiler<'_> {
    /// The output of an operation, or a structure on the way to one of its views.
    fn root(&mut self, shape: ShapeIx, views: &[(&[Step], TypeIx, Form)]) -> Projection {
        let service = self.schema.service;
        let structure = service.structure(shape);
        let whole = views.iter().any(|(path, of, _)| path.is_empty() && *of == self.ix);
        let slots = structure.into_iter().flat_map(|structure| &structure.members).map(|member| {
            let inner: Vec<(&[Step], TypeIx, Form)> = views
                .iter()
                .filter(|(path, ..)| path.first() == Some(&Step::Member(member.name)))
                .map(|(path, of, form)| (&path[1..], *of, *form))
                .collect();
            let source = if inner.is_empty() || self.is_given_list(member, &inner) {
                self.aside(member, whole)
            } else {
                self.view(member, &inner)
            };
            Slot { name: member.name, target: member.target, required: member.required, source }
        });
        Projection { shape, union: structure.is_some_and(|structure| structure.union), slots: slots.collect() }
    }

    /// Whether a list in the answer about one resource is what the caller gave it, not a list of such.
    fn is_given_list(&self, member: &Member, views: &[(&[Step], TypeIx, Form)]) -> bool {
        let ty = self.schema.ty(self.ix);
        let kind = self.schema.lifecycle.resource(self.ix).kind;
        let items = |(path, of, _): &(&[Step], TypeIx, Form)| *of == self.ix && matches!(path, [Step::Items]);
        let given = || ty.settable.get(&ty.noun.attribute(member.name, true));
        !self.list
            && kind != TypeKind::Link
            && !ty.bound.contains(&crate::names::plain(member.name, false))
            && views.iter().all(items)
            && given().is_some_and(|shape| is_list(self.schema.service, *shape))
    }

    /// A member that leads to a view.
    fn view(&mut self, member: &Member, views: &[(&[Step], TypeIx, Form)]) -> Source {
        let service = self.schema.service;
        let (path, of, form) = views[0];
        match (path, form) {
            ([], Form::Structure) => Source::Whole(self.schema.projection(of, member.target)),
            ([], Form::Identifier(part)) => Source::Identity(part),
            ([step @ (Step::Items | Step::Values)], form) => {
                let Some(target) = inner_shape(service, member.target) else { return Source::Nothing };
                let item = match form {
                    Form::Structure => Item::Structure(self.schema.projection(of, target)),
                    Form::Identifier(part) => Item::Identifier(part),
                };
                Source::Items(Items { item, map: *step == Step::Values })
            }
            ([step @ (Step::Items | Step::Values), ..], _) => {
                let Some(target) = inner_shape(service, member.target) else { return Source::Nothing };
                let inner: Vec<_> = views.iter().map(|(path, of, form)| (&path[1..], *of, *form)).collect();
                // Beside each resource stands what is its own.
                let list = std::mem::replace(&mut self.list, false);
                let wrapped = Arc::new(self.root(target, &inner));
                self.list = list;
                Source::Items(Items { item: Item::Wrapped(wrapped), map: *step == Step::Values })
            }
            _ => Source::Through(Arc::new(self.root(member.target, views))),
        }
    }

    /// A member of an output beside its views. `whole`: the output is itself the description of the resource.
    fn aside(&mut self, member: &Member, whole: bool) -> Source {
        let service = self.schema.service;
        let paging = self.operation.and_then(|operation| operation.paginator.as_deref());
        let listed = self.list || paging.is_some();
        let tokens = || paging.into_iter().flat_map(|paging| &paging.output_token);
        if listed
            && (tokens().any(|path| path.split("||").any(|path| path.trim() == member.name))
                || synthesis::is_page_token(member.name))
        {
            return Source::Next;
        }
        if listed
            && (paging.and_then(|paging| paging.more_results) == Some(member.name)
                || synthesis::is_page_flag(member.name))
        {
            return Source::More;
        }
        if self.list {
            let name = standin_model::words::squash(member.name);
            if matches!(service.target(member).kind, Kind::Integer | Kind::Long)
                && (name.contains("count") || name.contains("total") || matches!(name.as_str(), "quantity" | "size"))
            {
                return Source::Count;
            }
            let lineage = self.schema.lifecycle.lineage(self.ix);
            for (up, of) in lineage.iter().rev().skip(1).enumerate() {
                if let Some(part) =
                    self.schema.ty(*of).part(member.name, false).filter(|_| is_text(service, member.target))
                {
                    let attribute = self.schema.ty(self.ix).noun.attribute(member.name, false);
                    return Source::Ancestor(u8::try_from(up + 1).unwrap_or(u8::MAX), part, attribute.into());
                }
            }
            return if self.echoes(member) { Source::Echo } else { Source::Nothing };
        }
        let source = self.member(member, 0);
        match source {
            Source::Made(_) if !whole && self.echoes(member) => Source::Echo,
            source => source,
        }
    }

    /// Whether the input has a member of that name and shape.
    fn echoes(&self, member: &Member) -> bool {
        let service = self.schema.service;
        let input = self.operation.and_then(|operation| operation.input).and_then(|input| service.structure(input));
        input.and_then(|input| input.member(member.name)).is_some_and(|found| found.target == member.target)
    }

    /// The `Arn` in the `Member` that callers give as `MemberArn`.
    fn told_apart(&self, outer: &str, member: &Member) -> Option<Source> {
        let part = standin_model::words::squash(member.name);
        if !matches!(part.as_str(), "arn" | "id" | "name") {
            return None;
        }
        let ty = self.schema.ty(self.ix);
        let whole = format!("{outer}{part}");
        let own = ty.noun.text.ends_with(outer).then(|| format!("{}{part}", ty.noun.text));
        let told = ty.identity.get(&whole).or_else(|| ty.identity.get(&own?)).copied();
        let given = ty.settable.get(&whole).map(|_| Source::Data { attribute: whole.into(), alike: true });
        told.map(Source::Identity).or(given)
    }

    /// A list that shows what lies in the resource.
    fn inside(&self, member: &Member) -> Option<Source> {
        let service = self.schema.service;
        self.schema.ty(self.ix).shown_children.iter().find_map(|child| {
            let (path, form) = self.schema.lifecycle.resource(*child).within.as_ref()?;
            let [Step::Member(name), step @ (Step::Items | Step::Values)] = &**path else { return None };
            if *name != member.name {
                return None;
            }
            let target = inner_shape(service, member.target)?;
            let item = match form {
                Form::Structure => Item::Structure(self.schema.projection(*child, target)),
                Form::Identifier(part) => Item::Identifier(*part),
            };
            let attribute = self.schema.ty(self.ix).noun.attribute(member.name, is_list(service, member.target));
            Some(Source::Inside(*child, Items { item, map: *step == Step::Values }, attribute.into()))
        })
    }

    /// Whether a structure is called after the resource and says who it is: `inputConfiguration` with an `inputArn`.
    fn is_itself(&self, member: &Member) -> bool {
        let service = self.schema.service;
        let ty = self.schema.ty(self.ix);
        let called = standin_model::words::squash(member.name).starts_with(&ty.noun.text);
        let inner = service.structure(member.target).filter(|_| called);
        inner.is_some_and(|inner| {
            inner.members.iter().any(|inner| {
                let name = standin_model::words::squash(inner.name);
                is_text(service, inner.target)
                    && name.strip_prefix(&ty.noun.text).is_some_and(|rest| matches!(rest, "arn" | "id" | "name"))
            })
        })
    }

    fn structure(&mut self, shape: ShapeIx, depth: usize) -> Projection {
        let Some(structure) = self.schema.service.structure(shape) else {
            return Projection { shape, union: false, slots: Box::default() };
        };
        self.stack.push(shape);
        let slots = structure
            .members
            .iter()
            .map(|member| Slot {
                name: member.name,
                target: member.target,
                required: member.required,
                source: self.member(member, depth),
            })
            .collect();
        self.stack.pop();
        Projection { shape, union: structure.union, slots }
    }

    /// A member of a structure that describes the resource.
    fn member(&mut self, member: &Member, depth: usize) -> Source {
        let service = self.schema.service;
        let ty = self.schema.ty(self.ix);
        let target = service.target(member);
        let close = depth == 0;
        let text = is_text(service, member.target);
        let resource = self.schema.lifecycle.resource(self.ix);
        let known = &resource.identity;
        let plain = ty.noun.attribute(member.name, false);
        if close && text && ty.given_arns.contains(&plain) && ty.settable.contains_key(&plain) {
            return Source::Data { attribute: plain.into(), alike: false };
        }
        if close && resource.counter == Some(member.name) {
            return Source::Made(ty.noun.attribute(member.name, false).into());
        }
        if close && text {
            for (part, name) in [(Part::Arn, known.arn), (Part::Id, known.id), (Part::Name, known.name)] {
                if name == Some(member.name) && !ty.is_given(member.name, part) {
                    return Source::Identity(part);
                }
            }
        }
        // `schema` of a `Schema` that has a name besides is its text.
        let contents = || {
            crate::names::plain(member.name, false) == ty.noun.text
                && (known.name.is_some() || known.id.is_some())
                && ty.settable.get(&ty.noun.text).is_some_and(|shape| is_text(service, *shape))
        };
        if text
            && !contents()
            && let Some(part) = ty.part(member.name, close).filter(|part| !ty.is_given(member.name, *part))
        {
            return Source::Identity(part);
        }
        if text
            && let Some(outer) = &self.outer
            && let Some(source) = self.told_apart(outer, member)
        {
            return source;
        }
        if text {
            let lineage = self.schema.lifecycle.lineage(self.ix);
            for (up, of) in lineage.iter().rev().skip(1).enumerate() {
                if let Some(part) = self.schema.ty(*of).part(member.name, false) {
                    let attribute = ty.noun.attribute(member.name, false);
                    return Source::Ancestor(u8::try_from(up + 1).unwrap_or(u8::MAX), part, attribute.into());
                }
            }
        }
        let holds_tags = (is_tags(member.name) || member.name == "TagSpecifications")
            && matches!(target.kind, Kind::List(_) | Kind::Map(_))
            && crate::tags::are_plain(service, member.target);
        if close && (holds_tags || resource.tags == Some(member.name)) {
            return Source::Tags;
        }
        if close && let Some(source) = self.inside(member) {
            return source;
        }
        let named = |name: Str| ty.noun.attribute(name, is_list(service, member.target));
        let synonym = resource.synonyms.iter().find(|(_, shown)| close && *shown == member.name);
        // What callers give under its own name is that.
        let synonym = synonym.filter(|_| !ty.settable.contains_key(&named(member.name)));
        let attribute = named(synonym.map_or(member.name, |(given, _)| given));
        let status = resource.status.as_ref();
        let tells = text || matches!(target.kind, Kind::Boolean);
        if close && tells && status.is_some_and(|status| status.member == member.name && status.inner.is_none()) {
            return Source::Status(attribute.into());
        }
        // `State.Name`
        if close
            && depth < DEPTH_MAX
            && matches!(target.kind, Kind::Structure(_))
            && let Some(named) = status.filter(|status| status.member == member.name).and_then(|status| status.inner)
        {
            let mut inner = self.structure(member.target, depth + 1);
            for slot in inner.slots.iter_mut().filter(|slot| slot.name == named) {
                slot.source = Source::Status(attribute.as_str().into());
            }
            return Source::Nested { attribute: attribute.into(), inner: Arc::new(inner) };
        }
        if close && ty.acted.contains(&attribute) && !ty.settable.contains_key(&attribute) {
            return Source::Data { attribute: attribute.into(), alike: false };
        }
        // `Subnets` shows the `SubnetIds` that were given.
        if close
            && !ty.settable.contains_key(&attribute)
            && let Some(ids) = named_as_ids(&attribute).find(|ids| ty.settable.contains_key(ids))
            && matches!(&target.kind, Kind::List(list) if service.structure(list.member.target).is_some())
        {
            return Source::Data { attribute: ids.into(), alike: false };
        }
        if let Some(shape) = ty.settable.get(&attribute)
            && (close && !matches!(target.kind, Kind::List(_)) && !is_generic(&attribute)
                || (close || !is_generic(&attribute)) && kin(&service.shape(*shape).kind, &target.kind))
        {
            let alike = *shape == member.target && !ty.mixed.contains(&attribute);
            return Source::Data { alike, attribute: attribute.into() };
        }
        if close {
            let mut found = ty.settable.iter().filter_map(|(outer, shape)| {
                let inner = service.structure(*shape)?;
                let inner = inner.members.iter().find(|inner| {
                    ty.noun.attribute(inner.name, is_list(service, inner.target)) == attribute
                        && kin(&service.target(inner).kind, &target.kind)
                })?;
                Some((outer, inner))
            });
            if let (Some((outer, inner)), None) = (found.next(), found.next())
                && !is_generic(&attribute)
            {
                let alike = inner.target == member.target;
                return Source::Within { attribute: outer.as_str().into(), member: inner.name, alike };
            }
        }
        if close && resource.absent.contains(&member.name) {
            return Source::Nothing;
        }
        if close && (is_revision(member.name) || ty.tokens.contains(&attribute)) {
            return Source::Revision(attribute.into());
        }
        if matches!(target.kind, Kind::Structure(_))
            && depth < DEPTH_MAX
            && self.stack.len() <= DEPTH_MAX
            && !self.stack.contains(&member.target)
        {
            // `metadata` of a resource says what others say at the top.
            let cover = close && (is_cover(member.name, &ty.noun) || self.is_itself(member));
            let depth_within = if cover { 0 } else { depth + 1 };
            let outer = (close && !cover).then(|| standin_model::words::squash(member.name));
            let around = std::mem::replace(&mut self.outer, outer);
            let inner = self.structure(member.target, depth_within);
            self.outer = around;
            if inner.slots.iter().any(|slot| slot.source.is_known()) {
                return Source::Nested { attribute: attribute.into(), inner: Arc::new(inner) };
            }
        }
        Source::Made(attribute.into())
    }
}

impl Source {
    /// Whether it shows something of the stored resource that the model's synthesis does not know.
    fn is_known(&self) -> bool {
        match self {
            Self::Data { .. } | Self::Within { .. } | Self::Identity(_) | Self::Ancestor(..) => true,
            Self::Nested { inner, .. } => inner.slots.iter().any(|slot| slot.source.is_known()),
            _ => false,
        }
    }
}

/// A way through structures only.
fn members_of(path: &[Step]) -> Option<Box<[Str]>> {
    let member = |step: &Step| match step {
        Step::Member(name) => Some(*name),
        _ => None,
    };
    path.iter().map(member).collect()
}

fn is_text(service: &standin_model::Service, shape: ShapeIx) -> bool {
    matches!(service.shape(shape).kind, Kind::String { .. })
}

/// Whether a value of one kind can, by and large, stand where another is wanted.
fn kin(from: &Kind, to: &Kind) -> bool {
    let class = |kind: &Kind| match kind {
        Kind::Structure(_) => 0,
        Kind::List(_) => 1,
        Kind::Map(_) => 2,
        Kind::Blob { .. } => 3,
        _ => 4,
    };
    class(from) == class(to)
}

/// What a list of such things is called where it is given by identifiers.
fn named_as_ids(attribute: &str) -> impl Iterator<Item = String> {
    let one = standin_model::words::singular_of(attribute);
    ["ids", "names", "arns"].into_iter().map(move |ending| format!("{one}{ending}"))
}

/// Whether a structure of this name only holds what others show without it: also the `Attachment` of a `VpcAttachment`, and
/// the `CategoryProperties` of a `CallAnalyticsCategory`.
fn is_cover(member: &str, noun: &Noun) -> bool {
    const COVERS: &[&str] = &["metadata", "summary", "details", "detail", "info", "properties"];
    let name = standin_model::words::squash(member);
    if noun.text.len() > name.len() && name.len() > 4 && noun.text.ends_with(&name) {
        return true;
    }
    let rest = |noun: &String| name.strip_prefix(noun.as_str()).filter(|rest| rest.is_empty() || COVERS.contains(rest));
    COVERS.contains(&name.as_str())
        || matches!(name.as_str(), "meta" | "attributes")
        || rest(&noun.text).is_some()
        || noun.endings.iter().any(|ending| rest(ending).is_some_and(|rest| !rest.is_empty()))
}

fn inner_shape(service: &standin_model::Service, shape: ShapeIx) -> Option<ShapeIx> {
    match &service.shape(shape).kind {
        Kind::List(list) => Some(list.member.target),
        Kind::Map(map) => Some(map.value.target),
        _ => None,
    }
}
