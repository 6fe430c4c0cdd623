//! What a new resource is made of: what the caller gave, and what the service would have made.

use standin_core::{Arn, CallContext, Draw};
use standin_lifecycle::{Binding, Part, Role, Status, Step, TypeIx, TypeKind, Verb};
use standin_mock::synthesis::{self, Synthesizer};
use standin_mock::{pattern, validation};
use standin_model::words::squash;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx, Timestamp};

use crate::arns;
use crate::batch::own_path;
use crate::convert::is_empty;
use crate::edits;
use crate::forms;
use crate::names::{Moment, plain};
use crate::plan::{Item, OperationPlan, Projection, Source};
use crate::project::least;
use crate::record::{self, Record};
use crate::resolve::values;
use crate::schema::{Schema, TypeSchema, first_member, is_data};

/// Shapes beyond these say nothing new.
const SHAPES_MAX: usize = 6;
/// Forms of ARNs that are tried.
const ARN_FORMS_MAX: usize = 4;
/// The length of an identifier where the model leaves it open.
const LENGTH_MAX: usize = 128;

/// A resource in the making: its identity, and what the service made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub name: Option<String>,
    pub id: Option<String>,
    pub arn: Option<String>,
    pub made: Fields,
    pub status: Option<String>,
}

impl Draft {
    /// Sets a part of the identity that is not known yet.
    pub(crate) fn take(&mut self, part: Part, text: &str) {
        let slot = match part {
            Part::Name | Part::Any | Part::Qualifier => &mut self.name,
            Part::Id => &mut self.id,
            Part::Arn => &mut self.arn,
        };
        if slot.is_none() && !text.is_empty() {
            *slot = Some(text.to_owned());
        }
    }
}

/// Takes what a caller says of a resource into its data. With `update`, what is absent stays and what is given empty is
/// cleared.
pub(crate) fn absorb(
    ty: &TypeSchema,
    role: &Role,
    plan: &OperationPlan,
    input: &Document,
    data: &mut Fields,
    update: bool,
) {
    let mut set = |name: &str, value: &Document| {
        let attribute = ty.noun.attribute(name, matches!(value, Document::List(_)));
        if value.is_null() || update && edits::apply(ty, data, name, value) {
            return;
        }
        if let Some((outer, member)) = ty.inward.get(&attribute)
            && let Some(Document::Map(fields)) = data.get_mut(outer)
        {
            fields.insert(*member, value.clone());
            return;
        }
        // `ConfigurationUpdates` tells parts of the `Configuration`.
        let whole = if update { changed(&attribute, |base| ty.settable.contains_key(base)) } else { None };
        let partial = whole.is_some() || plan.partial.contains(&*attribute);
        let attribute = whole.unwrap_or(attribute);
        // A map of attributes is set key by key.
        let partial = partial || update && matches!(attribute.as_str(), "attributes");
        if update && is_empty(value) {
            data.remove(&attribute);
        } else if partial && let Some(old) = data.get_mut(&attribute) {
            overlay(old, value);
        } else {
            data.insert(Key::Owned(attribute), value.clone());
        }
    };
    if let (Some(name), Some(value)) =
        (named_attribute(input), input.get("AttributeValue").or_else(|| input.get("attributeValue")))
        && ty.settable.contains_key("attributes")
    {
        let attributes = Document::Map([(Key::Owned(name.to_owned()), value.clone())].into_iter().collect());
        match data.get_mut("attributes") {
            Some(old) => overlay(old, &attributes),
            None => data.push("attributes", attributes),
        }
        return;
    }
    let identifies = |name: &str| {
        role.bindings
            .iter()
            .any(|binding| matches!(own_path(&binding.path, role), [Step::Member(member)] if *member == name))
    };
    let body = role.body.as_deref().map_or(&[][..], |path| own_path(path, role));
    let within = body.iter().try_fold(input, |at, step| match step {
        Step::Member(name) => at.get(name),
        _ => None,
    });
    if let Some(Document::Map(fields)) = within.filter(|_| !body.is_empty()) {
        fields.iter().filter(|(name, _)| is_data(name)).for_each(|(name, value)| set(name, value));
    }
    let body = first_member(body);
    for (name, value) in input.as_map().into_iter().flat_map(Fields::iter).filter(|(name, _)| is_data(name)) {
        if body == Some(name) && !ty.settable.contains_key(&ty.noun.attribute(name, matches!(value, Document::List(_))))
        {
            continue;
        }
        if ty.wrappers.contains(&plain(name, false))
            && let Some(inner) = value.as_map()
        {
            inner.iter().filter(|(name, _)| is_data(name)).for_each(|(name, value)| set(name, value));
        } else if !identifies(name)
            || ty.settable.contains_key(&ty.noun.attribute(name, matches!(value, Document::List(_))))
        {
            set(name, value);
        }
    }
    for member in &role.clears {
        data.remove(&ty.noun.attribute(member, false));
        data.remove(&ty.noun.attribute(member, true));
    }
    for (member, text) in &role.sets {
        data.insert(Key::Owned(ty.noun.attribute(member, false)), told(text));
    }
}

/// A value that a lifecycle tells as text.
fn told(text: &str) -> Document {
    text.parse().map_or_else(|_| Document::from(text.to_owned()), Document::Bool)
}

/// The name in a pair of `AttributeName` and `AttributeValue`.
fn named_attribute(input: &Document) -> Option<&str> {
    input.get("AttributeName").or_else(|| input.get("attributeName"))?.as_str()
}

/// What a member called `XUpdate` and the like changes: `X`, where there is one.
fn changed(attribute: &str, known: impl Fn(&str) -> bool) -> Option<String> {
    if known(attribute) {
        return None;
    }
    let ends = ["updates", "update", "changes", "patch"].iter().filter_map(|end| attribute.strip_suffix(end));
    let begins = ["new", "updated", "updateto"].iter().filter_map(|begin| attribute.strip_prefix(begin));
    ends.chain(begins).find(|base| known(base)).map(str::to_owned)
}

/// Sets the members that a change names, in structures within structures. One member in place of another one is another
/// choice of a union.
fn overlay(old: &mut Document, change: &Document) {
    match (old, change) {
        (Document::Map(old), Document::Map(change)) => {
            if old.len() == 1 && change.len() == 1 && change.iter().all(|(name, _)| !old.contains_key(name)) {
                *old = change.clone();
                return;
            }
            for (name, value) in change.iter() {
                // `RemoveX: true` clears `X`.
                if let (Some(gone), Document::Bool(true)) = (name.strip_prefix("Remove"), value) {
                    old.remove(gone);
                    continue;
                }
                let base = ["Updates", "Update"]
                    .iter()
                    .filter_map(|end| name.strip_suffix(end))
                    .find(|base| old.contains_key(base));
                match old.get_mut(base.unwrap_or(name)) {
                    Some(old) => overlay(old, value),
                    None => old.push(name.clone(), value.clone()),
                }
            }
        }
        (_, Document::Null) => {}
        (old, change) => *old = change.clone(),
    }
}

/// What a resource is made from.
pub(crate) struct Making<'a> {
    pub schema: &'a Schema,
    pub synthesizer: &'a Synthesizer,
    pub context: &'a CallContext,
    pub ix: TypeIx,
    pub input: &'a Document,
    /// Tells it apart from others that were asked for in the same words.
    pub salt: u64,
}

/// What the service makes of a new resource: read off what the outputs that show it would say.
pub(crate) fn harvest(making: &Making<'_>, output: Option<&Projection>, draft: &mut Draft) {
    let Making { schema, synthesizer, context, ix, input, salt } = *making;
    if let Some(output) = output {
        let value = synthesizer.synthesize_as(context, output.shape, input, salt);
        gather(schema, output, &value, context.now, draft);
    }
    for shape in schema.ty(ix).shapes.iter().take(SHAPES_MAX) {
        let projection = schema.projection(ix, *shape);
        let value = synthesizer.synthesize_as(context, *shape, input, salt);
        let mut own = Draft::default();
        gather(schema, &projection, &value, context.now, &mut own);
        // What another shape calls the id is that of this very resource.
        let renames: Vec<(String, String)> = [(&own.id, &draft.id), (&own.name, &draft.name)]
            .into_iter()
            .filter_map(|(from, to)| Some((from.clone()?, to.clone()?)))
            .filter(|(from, to)| from != to && from.len() > 3)
            .collect();
        let arn = own.arn.take().map(|arn| renamed(&arn, &renames));
        draft.name = draft.name.take().or(own.name);
        draft.id = making.better(Part::Id, draft.id.take(), own.id);
        draft.arn = making.better(Part::Arn, draft.arn.take(), arn);
        draft.status = draft.status.take().or(own.status);
        for (name, mut value) in own.made {
            if !draft.made.contains_key(&name) {
                rename(&mut value, &renames);
                draft.made.push(name, value);
            }
        }
    }
}

impl Making<'_> {
    /// Whether a text can name the resource in every request that names it so.
    fn fits(&self, part: Part, text: &str) -> bool {
        let service = self.schema.service;
        let wanted = |(of, shape): &&(Part, ShapeIx)| {
            let shape = service.shape(*shape);
            // What takes a name or ARN takes the ARN only where its pattern speaks of ARNs.
            let pattern = shape.constraints.as_ref().and_then(|limits| limits.pattern);
            let any = *of == Part::Any && pattern.is_some_and(|pattern| part != Part::Arn || pattern.contains("arn"));
            matches!(shape.kind, Kind::String { .. }) && (*of == part || any)
        };
        self.accepted(self.schema.ty(self.ix).named_by.iter().filter(wanted).map(|(_, shape)| *shape), text)
    }

    /// Whether a text can name the resource wherever something names or shows it.
    fn suits(&self, part: Part, text: &str) -> bool {
        let ty = self.schema.ty(self.ix);
        let wanted = |(of, shape): &&(Part, ShapeIx)| *of == part || (*of == Part::Any && self.takes(part, *shape));
        self.fits(part, text)
            && self.accepted(ty.also_named_by.iter().filter(wanted).map(|(_, shape)| *shape), text)
            && (part != Part::Arn || self.can_be_tagged(text))
    }

    /// Whether a member that takes any identifier takes this part of the identity.
    fn takes(&self, part: Part, shape: ShapeIx) -> bool {
        let limits = self.schema.service.shape(shape).constraints.as_ref();
        match part {
            Part::Arn => limits.and_then(|limits| limits.pattern).is_some_and(|pattern| pattern.contains("arn:")),
            Part::Id => self.schema.lifecycle.resource(self.ix).kind == TypeKind::Assigned,
            _ => false,
        }
    }

    /// An identifier that suits everything, made by the pattern of a member that names the resource.
    fn drawn(&self, part: Part) -> Option<String> {
        /// How often each pattern is tried: of a name or ARN, each is either.
        const TRIES: u64 = 8;
        let ty = self.schema.ty(self.ix);
        let tagged = ty.tagged_by.iter().filter(|_| part == Part::Arn).map(|shape| (Part::Arn, *shape));
        let wanted = ty.also_named_by.iter().chain(&ty.named_by).copied().chain(tagged);
        let wanted = wanted.filter(|(of, shape)| *of == part || (*of == Part::Any && self.takes(part, *shape)));
        wanted.take(SHAPES_MAX).find_map(|(_, shape)| {
            let limits = self.schema.service.shape(shape).constraints.as_ref()?;
            let bound = |bound: Option<standin_model::Bound>, usual: usize| {
                bound.map_or(usual, |bound| usize::try_from(bound.as_i64()).unwrap_or(usual))
            };
            (0..TRIES).find_map(|turn| {
                let salt = standin_model::words::mix(self.salt, turn);
                let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("drawn").finish(), salt));
                let (min, max) = (bound(limits.min, 1), bound(limits.max, LENGTH_MAX));
                let text = pattern::generate(limits.pattern?, min, max, &mut draw)?;
                let here = || Some(self.here(&text)).filter(|text| self.suits(part, text));
                here().or_else(|| Some(self.at_home(&text)).filter(|text| self.suits(part, text)))
            })
        })
    }

    /// A number that counts up, as the service writes it: `3`, `v3`.
    pub(crate) fn numbered(&self, number: i64) -> String {
        if let Some(form) = &self.schema.lifecycle.resource(self.ix).counter_form {
            return form.replace("{n}", &number.to_string());
        }
        let (plain, with_letter) = (number.to_string(), format!("v{number}"));
        if !self.fits(Part::Id, &plain) && self.fits(Part::Id, &with_letter) { with_letter } else { plain }
    }

    /// Whether the structures that show the resource can show such an identifier.
    fn shows(&self, part: Part, text: &str) -> bool {
        let known = &self.schema.lifecycle.resource(self.ix).identity;
        let Some(member) = (if part == Part::Arn { known.arn } else { known.id }) else { return true };
        let shapes = self.schema.ty(self.ix).shapes.iter().filter_map(|shape| self.schema.service.structure(*shape));
        self.accepted(shapes.filter_map(|shape| Some(shape.member(member)?.target)), text)
    }

    /// Whether tagging operations accept an ARN.
    fn can_be_tagged(&self, arn: &str) -> bool {
        self.accepted(self.schema.ty(self.ix).tagged_by.iter().copied(), arn)
    }

    /// Whether a text satisfies all of some shapes.
    fn accepted(&self, mut shapes: impl Iterator<Item = ShapeIx>, text: &str) -> bool {
        let value = Document::from(text.to_owned());
        shapes.all(|shape| validation::check_shape(self.schema.service, shape, &value).is_empty())
    }

    /// The first of two that fits, else the first.
    fn better(&self, part: Part, first: Option<String>, second: Option<String>) -> Option<String> {
        match (first, second) {
            (Some(first), Some(second)) if !self.fits(part, &first) && self.fits(part, &second) => Some(second),
            (first, second) => first.or(second),
        }
    }

    /// An identifier as requests want it, read off the example of one.
    fn example(&self, part: Part) -> Option<String> {
        self.example_of(part, part).or_else(|| self.example_of(part, Part::Any).filter(|text| self.shows(part, text)))
    }

    /// An identifier as requests want it in members that tell `bound`.
    fn example_of(&self, part: Part, bound: Part) -> Option<String> {
        /// How many examples are looked at: of a name or ARN, each is either.
        const TRIES: u64 = 8;
        let fits = |binding: &&Binding| binding.of == self.ix && binding.part == bound;
        let (operation, role) = self.schema.operations_on(self.ix).find(|(_, role)| {
            matches!(role.verb, Verb::Read | Verb::Delete | Verb::Update | Verb::Act(_) | Verb::List)
                && role.bindings.iter().any(|one| fits(&one))
        })?;
        let binding = role.bindings.iter().find(fits)?;
        (0..TRIES).find_map(|turn| {
            let salt = standin_model::words::mix(self.salt, turn);
            let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("identifier").finish(), salt));
            let input = synthesis::example_input(self.schema.service, operation, synthesis::Fill::All, &mut draw);
            let text = values(&input, &binding.path).into_iter().next()?.into_owned();
            if bound == Part::Any && (part == Part::Arn) != text.starts_with("arn:") {
                return None;
            }
            let here = self.at_home(&text);
            Some(if self.fits(part, &here) { here } else { text })
        })
    }

    /// An ARN of the call's partition, region and account, also where it has none.
    fn here(&self, text: &str) -> String {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, service, _, _, resource] = parts[..] else { return text.to_owned() };
        let context = self.context;
        format!("arn:{}:{service}:{}:{}:{resource}", context.partition, context.region, context.account)
    }

    /// An ARN with the call's partition, region and account.
    fn at_home(&self, text: &str) -> String {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let ["arn", _, service, region, account, resource] = parts[..] else { return text.to_owned() };
        let or = |spelled: &str, own: &str| if spelled.is_empty() { String::new() } else { own.to_owned() };
        let context = self.context;
        let (region, account) = (or(region, &context.region), or(account, &context.account));
        format!("arn:{}:{service}:{region}:{account}:{resource}", context.partition)
    }

    /// The ARN in the service's own form, where that is known and requests accept it.
    fn own_arn(
        &self,
        draft: &Draft,
        data: &Fields,
        parents: &[Option<Record>],
        good: impl Fn(&str) -> bool,
    ) -> Option<String> {
        let service = self.schema.service;
        let ty = self.schema.ty(self.ix);
        if synthesis::knows_arn(service.signing_name, &ty.noun.text) {
            return None;
        }
        let shown = draft.arn.as_deref().and_then(Arn::parse).map(|arn| arn.service).unwrap_or_default();
        let services = [service.signing_name, shown, service.endpoint_prefix];
        let line = self.schema.lifecycle.lineage(self.ix);
        let own = |place: &str| {
            let (name, id) = (draft.name.as_deref(), draft.id.as_deref());
            let text = if place.ends_with("name") { name.or(id) } else { id.or(name) };
            text.filter(|text| !text.starts_with("arn:")).map(str::to_owned)
        };
        arns::forms(&services, &ty.noun).into_iter().take(ARN_FORMS_MAX).find_map(|form| {
            let arn =
                form.fill(self.context.partition, &self.context.region, &self.context.account, |place, last| {
                    if let Some(name) = place.strip_suffix("withpath") {
                        let path = data.get("path").and_then(Document::as_str).unwrap_or("/").trim_start_matches('/');
                        return own(name).map(|name| format!("{path}{name}"));
                    }
                    let around = line[..line.len() - 1].iter().rev().zip(parents.iter().rev());
                    let mut around = around.filter_map(|(ix, parent)| {
                        let part = self.schema.ty(*ix).part(place, false)?;
                        let text = parent.as_ref()?.identity().part(part)?;
                        // Of an ARN, what it ends in.
                        Some(text.rsplit(['/', ':']).next().unwrap_or(text).to_owned())
                    });
                    if !last && let Some(text) = around.next() {
                        return Some(text);
                    }
                    if let Some(text) = draft.made.get(place).and_then(scalar) {
                        return Some(text);
                    }
                    if !last
                        && matches!(place, "name" | "id" | "resourceid")
                        && let Some(parent) = parents.iter().flatten().next_back()
                    {
                        return parent.identity().part(Part::Any).map(str::to_owned);
                    }
                    if last || ty.noun.part(place).is_some() || matches!(place, "id" | "name" | "resourceid") {
                        return own(place);
                    }
                    data.get(place).and_then(Document::as_str).map(str::to_owned)
                })?;
            good(&arn).then_some(arn)
        })
    }

    /// Gives the draft an id and ARN that requests can carry, and with `attempt` ones that were not tried before.
    pub(crate) fn settle(
        &self,
        draft: &mut Draft,
        data: &Fields,
        parents: &[Option<Record>],
        counted: bool,
        attempt: u32,
    ) {
        let mut renames: Vec<(String, String)> = Vec::new();
        // What callers may name and did not, the service names.
        let resource = self.schema.lifecycle.resource(self.ix);
        let unnamed = match resource.identity.primary {
            Some(part @ Part::Id) if draft.id.is_none() => Some(part),
            Some(part @ Part::Name) if draft.name.is_none() => Some(part),
            Some(part) if draft.name.is_none() && draft.id.is_none() && draft.arn.is_none() => Some(part),
            _ => None,
        };
        if let Some(part) =
            unnamed.filter(|_| !counted && matches!(resource.kind, TypeKind::Named | TypeKind::Assigned))
            && let Some(text) = self.example(part)
        {
            draft.take(if part == Part::Any { Part::Id } else { part }, &text);
        }
        if !counted {
            self.settle_part(Part::Id, draft, attempt, &mut renames);
        }
        let own = self.own_arn(draft, data, parents, |arn| self.suits(Part::Arn, arn)).or_else(|| {
            let other = draft.arn.as_deref().is_some_and(|arn| self.suits(Part::Arn, arn));
            if other || self.drawn(Part::Arn).is_some() {
                return None;
            }
            self.own_arn(draft, data, parents, |arn| self.fits(Part::Arn, arn) && self.can_be_tagged(arn))
        });
        match own {
            Some(arn) => {
                if let Some(old) = draft.arn.replace(arn.clone()).filter(|old| *old != arn) {
                    renames.push((old, arn));
                }
            }
            None => self.settle_part(Part::Arn, draft, attempt, &mut renames),
        }
        if !renames.is_empty() {
            draft.made.iter_mut().for_each(|(_, value)| rename(value, &renames));
        }
    }

    /// Gives the draft the id and ARN that the overlay has a form for.
    pub(crate) fn shape(&self, draft: &mut Draft, data: &Fields, parents: &[Option<Record>]) {
        let resource = self.schema.lifecycle.resource(self.ix);
        let parent = parents.iter().flatten().next_back().and_then(|parent| parent.identity().part(Part::Any));
        let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("form").finish(), self.salt));
        let mut renames = Vec::new();
        if let Some(form) = &resource.id_form
            && let Some(id) =
                forms::fill(form, self.context, &Draft { id: None, ..draft.clone() }, data, parent, &mut draw)
            && let Some(old) = draft.id.replace(id.clone())
        {
            renames.push((old, id));
        }
        if let Some(form) = &resource.arn_form
            && let Some(arn) = forms::fill(form, self.context, draft, data, parent, &mut draw)
            && let Some(old) = draft.arn.replace(arn.clone())
        {
            renames.push((old, arn));
        }
        renames.retain(|(old, new)| old != new && old.len() > 3);
        if !renames.is_empty() {
            draft.made.iter_mut().for_each(|(_, value)| rename(value, &renames));
        }
    }

    /// Fills in what AWS itself does where the caller gave nothing.
    pub(crate) fn default(&self, draft: &mut Draft, data: &mut Fields, parents: &[Option<Record>]) {
        let ty = self.schema.ty(self.ix);
        let parent = parents.iter().flatten().next_back().and_then(|parent| parent.identity().part(Part::Any));
        let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("default").finish(), self.salt));
        for (member, value) in &self.schema.lifecycle.resource(self.ix).defaults {
            let given = data.clone();
            let mut fill = |text: &str| forms::fill(text, self.context, draft, &given, parent, &mut draw);
            let Some(value) = forms::fill_all(value, &mut fill) else { continue };
            let attribute = ty.noun.attribute(member, matches!(value, Document::List(_)));
            if !ty.settable.contains_key(&attribute) && !ty.acted.contains(&attribute) {
                draft.made.insert(Key::Owned(attribute), value);
                continue;
            }
            match (data.get_mut(&attribute), value) {
                (Some(Document::Map(have)), Document::Map(more)) => {
                    for (key, value) in more {
                        if !have.contains_key(&key) {
                            have.push(key, value);
                        }
                    }
                }
                (Some(_), _) => {}
                (None, value) => data.push(attribute, value),
            }
        }
    }

    fn settle_part(&self, part: Part, draft: &mut Draft, attempt: u32, renames: &mut Vec<(String, String)>) {
        let slot = if part == Part::Id { &mut draft.id } else { &mut draft.arn };
        let Some(old) = slot.clone() else { return };
        let mut new = renamed(&old, renames);
        if !self.suits(part, &new) {
            let better = self.drawn(part).or_else(|| if self.fits(part, &new) { None } else { self.example(part) });
            new = better.unwrap_or(new);
        }
        if attempt > 0 && new == old {
            let other = varied(&old, self.salt);
            new = if self.fits(part, &other) { other } else { self.example(part).unwrap_or(other) };
        }
        if new != old {
            *slot = Some(new.clone());
            if old.len() > 3 {
                renames.push((old, new));
            }
        }
    }

    /// Fills what callers gave with the members that the service adds to it: ids of list items, their states.
    /// `all`: also what is in the very shape in which callers give it.
    pub(crate) fn enrich(&self, data: &mut Fields, all: bool) {
        for shape in self.schema.ty(self.ix).shapes.iter().take(SHAPES_MAX) {
            for slot in &self.schema.projection(self.ix, *shape).slots {
                let (attribute, alike) = match &slot.source {
                    Source::Data { attribute, alike } => (attribute, alike),
                    Source::Inside(_, _, attribute) => (attribute, &false),
                    _ => continue,
                };
                if (all || !alike)
                    && self.schema.needy[slot.target.0 as usize]
                    && let Some(value) = data.get_mut(attribute)
                {
                    self.fill(slot.target, value, 0);
                }
            }
        }
    }

    fn fill(&self, shape: ShapeIx, value: &mut Document, depth: u64) {
        const DEPTH_MAX: u64 = 16;
        let service = self.schema.service;
        if depth > DEPTH_MAX || !self.schema.needy[shape.0 as usize] {
            return;
        }
        match (&service.shape(shape).kind, value) {
            (Kind::Structure(structure), Document::Map(fields)) => {
                for member in &structure.members {
                    let name = squash(member.name);
                    let known = fields.iter().find(|(key, _)| squash(key) == name).map(|(key, _)| key.clone());
                    match known {
                        Some(key) => {
                            if let Some(value) = fields.get_mut(&key) {
                                self.fill(member.target, value, depth + 1);
                            }
                        }
                        None if member.required && !structure.union => {
                            let salt = standin_model::words::mix(self.salt, fingerprint(fields));
                            let input = Document::Map(fields.clone());
                            let whole = self.synthesizer.synthesize_as(self.context, shape, &input, salt);
                            if let Some(made) = whole.get(member.name) {
                                fields.push(member.name, least(service, member.target, made));
                            }
                        }
                        None => {}
                    }
                }
            }
            (Kind::List(list), Document::List(items)) => {
                items.iter_mut().for_each(|item| self.fill(list.member.target, item, depth + 1));
            }
            (Kind::Map(map), Document::Map(fields)) => {
                fields.iter_mut().for_each(|(_, item)| self.fill(map.value.target, item, depth + 1));
            }
            _ => {}
        }
    }
}

fn fingerprint(fields: &Fields) -> u64 {
    let mut key = standin_core::Dice::new(0).key("value");
    crate::page::feed(&mut key, &Document::Map(fields.clone()));
    key.finish()
}

fn scalar(value: &Document) -> Option<String> {
    match value {
        Document::String(text) => Some(text.clone().into_owned()),
        Document::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text of the same form whose last part is another.
fn varied(text: &str, salt: u64) -> String {
    let from = text.rfind(['/', ':']).map_or(0, |at| at + 1);
    // Words before the drawn characters stay: `vpc-`, `subnet-`.
    let from = from + text[from..].rfind('-').filter(|at| text.len() - from - at > 4).map_or(0, |at| at + 1);
    let mut state = standin_model::words::mix(salt, standin_model::words::hash(text));
    let turn = |c: char| {
        state = standin_model::words::mix(state, 1);
        let pick = |letters: &[u8]| char::from(letters[(state % letters.len() as u64) as usize]);
        match c {
            '0'..='9' => pick(b"0123456789"),
            'a'..='f' => pick(b"abcdef"),
            'g'..='z' => pick(b"ghijklmnopqrstuvwxyz"),
            'A'..='F' => pick(b"ABCDEF"),
            'G'..='Z' => pick(b"GHIJKLMNOPQRSTUVWXYZ"),
            other => other,
        }
    };
    let tail: String = text[from..].chars().map(turn).collect();
    format!("{}{tail}", &text[..from])
}

fn rename(value: &mut Document, renames: &[(String, String)]) {
    match value {
        Document::String(text) if renames.iter().any(|(from, _)| text.contains(from.as_str())) => {
            *text = renamed(text, renames).into();
        }
        Document::List(items) => items.iter_mut().for_each(|item| rename(item, renames)),
        Document::Map(fields) => fields.iter_mut().for_each(|(_, value)| rename(value, renames)),
        _ => {}
    }
}

fn renamed(text: &str, renames: &[(String, String)]) -> String {
    renames.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from.as_str(), to))
}

/// Keeps of a synthesised structure what only the service can know.
fn gather(schema: &Schema, projection: &Projection, value: &Document, now: Timestamp, draft: &mut Draft) {
    let mut nested = Vec::new();
    for slot in &projection.slots {
        let Some(value) = value.get(slot.name) else { continue };
        match &slot.source {
            Source::Identity(part) => {
                if let Some(text) = value.as_str() {
                    draft.take(*part, text);
                }
            }
            Source::Status(_) => draft.status = draft.status.take().or_else(|| value.as_str().map(str::to_owned)),
            Source::Data { attribute, alike: false }
                if !slot.required && schema.service.structure(slot.target).is_some() =>
            {
                if let Some(value) = plausible(schema.service, slot.name, slot.target, false, value, now, 0) {
                    keep(&mut draft.made, attribute, value);
                }
            }
            Source::Data { attribute, .. } if slot.required => {
                keep(&mut draft.made, attribute, unsaid(schema.service, slot.target, value));
            }
            Source::Within { member, .. } if slot.required => {
                keep(&mut draft.made, member, least(schema.service, slot.target, value));
            }
            Source::Made(attribute) | Source::Revision(attribute) | Source::Ancestor(_, _, attribute) => {
                if let Some(value) = plausible(schema.service, slot.name, slot.target, slot.required, value, now, 0) {
                    keep(&mut draft.made, attribute, value);
                }
            }
            Source::Nested { attribute, inner } => {
                let mut own = Draft::default();
                gather(schema, inner, value, now, &mut own);
                keep(&mut draft.made, attribute, Document::Map(own.made));
                nested.push((own.name, own.id, own.arn, own.status));
            }
            Source::Whole(inner) | Source::Through(inner) => gather(schema, inner, value, now, draft),
            Source::Items(items) => match (&items.item, value.as_list()) {
                (Item::Structure(inner) | Item::Wrapped(inner), Some([first, ..])) => {
                    gather(schema, inner, first, now, draft);
                }
                (Item::Identifier(part), Some([Document::String(first), ..])) => draft.take(*part, first),
                _ => {}
            },
            _ => {}
        }
    }
    // What only a structure within tells.
    for (name, id, arn, status) in nested {
        draft.name = draft.name.take().or(name);
        draft.id = draft.id.take().or(id);
        draft.arn = draft.arn.take().or(arn);
        draft.status = draft.status.take().or(status);
    }
}

/// What a structure shows of a member that it requires, where the caller could have said something and did not.
fn unsaid(service: &Service, shape: ShapeIx, value: &Document) -> Document {
    match &service.shape(shape).kind {
        Kind::String { enum_values } if enum_values.is_empty() => {
            let empty = Document::from("");
            if validation::check_shape(service, shape, &empty).is_empty() { empty } else { value.clone() }
        }
        Kind::Boolean => Document::Bool(false),
        _ => least(service, shape, value),
    }
}

fn keep(made: &mut Fields, attribute: &str, value: Document) {
    if !made.contains_key(attribute) {
        made.push(Key::Owned(attribute.to_owned()), value);
    }
}

/// What of a made-up value the service would show of a new resource: ids, times, endpoints and the like; no invented
/// contents, no failures.
fn plausible(
    service: &Service,
    name: &str,
    shape: ShapeIx,
    required: bool,
    value: &Document,
    now: Timestamp,
    depth: usize,
) -> Option<Document> {
    const DEPTH_MAX: usize = 3;
    if !required && (synthesis::tells_failure(name) || depth > DEPTH_MAX) {
        return None;
    }
    let plain_name = squash(name);
    if !required && ["lastused", "lastaccess", "lastseen"].iter().any(|mark| plain_name.contains(mark)) {
        return None;
    }
    match (&service.shape(shape).kind, value) {
        // Nothing is in it yet.
        (Kind::Integer | Kind::Long, Document::Int(_)) if plain_name.ends_with("count") => {
            let least = service.shape(shape).constraints.as_ref().and_then(|limits| limits.min);
            Some(Document::Int(least.map_or(0, standin_model::Bound::as_i64).max(0)))
        }
        (Kind::Structure(structure), Document::Map(fields)) => {
            let mut kept = Fields::new();
            for member in &structure.members {
                let Some(value) = fields.get(member.name) else { continue };
                if let Some(value) =
                    plausible(service, member.name, member.target, member.required, value, now, depth + 1)
                {
                    kept.push(member.name, value);
                }
            }
            (required || !kept.is_empty()).then_some(Document::Map(kept))
        }
        (Kind::List(list), Document::List(items)) => {
            let telling = ["endpoint", "endpoints", "url", "urls", "nameservers", "addresses"]
                .iter()
                .any(|end| plain_name.ends_with(end));
            let least_items = service
                .shape(shape)
                .constraints
                .as_ref()
                .and_then(|limits| limits.min)
                .is_some_and(|min| min.as_i64() > 0);
            if required && !least_items {
                return Some(Document::List(Vec::new()));
            }
            if !telling && !required {
                return None;
            }
            let items =
                items.iter().filter_map(|item| plausible(service, "", list.member.target, true, item, now, depth + 1));
            Some(Document::List(items.collect()))
        }
        (Kind::Map(_), _) => required.then(Document::map),
        (Kind::Blob { .. }, _) => required.then(|| value.clone()),
        _ => Some(timed(name, value, now)),
    }
}

/// A time of the resource's making, as it is now.
fn timed(name: &str, value: &Document, now: Timestamp) -> Document {
    if Moment::of(name).is_none() {
        return value.clone();
    }
    match value {
        Document::Timestamp(_) => Document::Timestamp(now),
        Document::Int(number) if *number > 100_000_000_000 => Document::Int(now.as_millis()),
        Document::Int(number) if *number > 1_000_000_000 => Document::Int(now.seconds),
        Document::Float(number) if *number > 1e9 => Document::Float(now.as_f64()),
        Document::String(text) if Timestamp::parse_any(text).is_some() && text.len() > 12 => {
            Document::from(now.to_date_time())
        }
        other => other.clone(),
    }
}

/// Sets the times of the last change among what the service made.
pub(crate) fn touch(made: &mut Document, now: Timestamp) {
    if let Document::Map(fields) = made {
        for (name, value) in fields.iter_mut() {
            if Moment::of(name) == Some(Moment::Updated) {
                *value = timed(name, value, now);
            }
        }
    }
}

/// The document of a new row.
pub(crate) fn body(
    draft: Draft,
    parents: Vec<Document>,
    data: Fields,
    tags: Fields,
    now: Timestamp,
    status: Option<&Status>,
) -> Document {
    let mut fields = Fields::with_capacity(10);
    let mut put = |key: &'static str, text: Option<String>| {
        if let Some(text) = text {
            fields.push(key, text);
        }
    };
    put(record::NAME, draft.name);
    put(record::ID, draft.id);
    put(record::ARN, draft.arn);
    put(record::STATUS, status.map(|status| status.settled.to_owned()).or(draft.status));
    if !parents.is_empty() {
        fields.push(record::PARENTS, parents);
    }
    fields.push(record::DATA, data);
    fields.push(record::MADE, draft.made);
    if !tags.is_empty() {
        fields.push(record::TAGS, tags);
    }
    fields.push(record::CREATED, now);
    fields.push(record::UPDATED, now);
    Document::Map(fields)
}
