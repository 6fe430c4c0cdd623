//! What a new resource is made of: what the caller gave, and what the service would have made.

use standin_core::{CallContext, Draw};
use standin_lifecycle::{Part, Status, TypeIx};
use standin_mock::synthesis::{self, Synthesizer};
use standin_mock::validation;
use standin_model::words::squash;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx, Timestamp};

use crate::forms;
use crate::names::Moment;
use crate::plan::{Item, Projection, Source};
use crate::project::least;
use crate::record::{self, Record};
use crate::schema::Schema;

/// Shapes beyond these say nothing new.
const SHAPES_MAX: usize = 6;

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
    /// Gives the draft the id and ARN that the overlay has a form for.
    pub(crate) fn shape(&self, draft: &mut Draft, data: &Fields, parents: &[Option<Record>]) {
        let resource = self.schema.lifecycle.resource(self.ix);
        let parent = parents.iter().flatten().next_back().and_then(|parent| parent.identity().part(Part::Any));
        let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("form").finish(), self.salt));
        let mut renames: Vec<(String, String)> = Vec::new();
        if let Some(form) = &resource.id_form
            && let Some(id) =
                forms::fill(form, self.context, &Draft { id: None, ..draft.clone() }, data, parent, &mut draw)
            && let Some(old) = draft.id.replace(id.clone())
        {
            if let Some(arn) = draft.arn.as_ref().filter(|_| old.len() > 3 && resource.arn_form.is_none()) {
                draft.arn = Some(arn.replace(&old, &id));
            }
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
        let within = parents.iter().flatten().next_back();
        let parent = within.and_then(|parent| parent.identity().part(Part::Any));
        let mut draw = Draw::from_seed(standin_model::words::mix(self.context.key("default").finish(), self.salt));
        let resource = self.schema.lifecycle.resource(self.ix);
        for (member, value) in &resource.defaults {
            let given = data.clone();
            let mut fill = |text: &str| forms::fill(text, self.context, draft, &given, parent, &mut draw);
            let value = match value.as_str().and_then(of_parent) {
                // Any value, not only a text.
                Some(member) => {
                    let noun = resource.parent.map(|parent| &self.schema.ty(parent).noun);
                    let attribute = noun.map(|noun| noun.attribute(member, false)).unwrap_or_default();
                    within.and_then(|parent| parent.data(&attribute)).cloned()
                }
                None => forms::fill_all(value, &mut fill),
            };
            let Some(value) = value else { continue };
            // Where callers give it under another name, it is kept as if one had.
            let given =
                resource.synonyms.iter().find(|(_, shown)| *shown == *member).map_or(member, |(given, _)| given);
            let attribute = ty.noun.attribute(given, matches!(value, Document::List(_)));
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

pub(crate) fn scalar(value: &Document) -> Option<String> {
    match value {
        Document::String(text) => Some(text.clone().into_owned()),
        Document::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn rename(value: &mut Document, renames: &[(String, String)]) {
    match value {
        Document::String(text) if renames.iter().any(|(from, _)| text.contains(from.as_str())) => {
            *text = renamed(text, renames).into();
        }
        Document::List(items) => items.iter_mut().for_each(|item| rename(item, renames)),
        Document::Map(fields) => fields.iter_mut().for_each(|(_, value)| rename(value, renames)),
        _ => {}
    }
}

pub(crate) fn renamed(text: &str, renames: &[(String, String)]) -> String {
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
/// The member of what a resource lies in that a default of the form `{parent:Member}` means.
fn of_parent(text: &str) -> Option<&str> {
    text.strip_prefix("{parent:")?.strip_suffix('}')
}
