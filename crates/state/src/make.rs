//! What a new resource is made of: what the caller gave, and what the service would have made.

use standin_core::CallContext;
use standin_lifecycle::{Part, Role, Status, Step, TypeIx};
use standin_mock::synthesis::{self, Synthesizer};
use standin_model::words::squash;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx, Timestamp};

use crate::convert::is_empty;
use crate::names::{Moment, plain};
use crate::plan::{Item, Projection, Source};
use crate::project::least;
use crate::record;
use crate::schema::{Schema, TypeSchema, is_data};

/// Shapes beyond these say nothing new.
const SHAPES_MAX: usize = 6;

/// Name, id and ARN of a resource in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub name: Option<String>,
    pub id: Option<String>,
    pub arn: Option<String>,
    pub made: Fields,
    pub status: Option<String>,
}

impl Draft {
    fn take(&mut self, part: Part, text: &str) {
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

/// Takes what a caller says of a resource into its data. With `clear`, what is given empty is cleared.
pub(crate) fn absorb(ty: &TypeSchema, role: &Role, input: &Document, data: &mut Fields, clear: bool) {
    let mut set = |name: &str, value: &Document| {
        let attribute = ty.noun.attribute(name, matches!(value, Document::List(_)));
        if clear && is_empty(value) {
            data.remove(&attribute);
        } else if !value.is_null() {
            data.insert(Key::Owned(attribute), value.clone());
        }
    };
    let identifies = |name: &str| {
        role.bindings.iter().any(|binding| matches!(*binding.path, [Step::Member(member)] if member == name))
    };
    for (name, value) in input.as_map().into_iter().flat_map(Fields::iter).filter(|(name, _)| is_data(name)) {
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
}

/// A resource in the making.
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
    let resource = schema.lifecycle.resource(ix);
    if let Some(output) = output {
        let value = synthesizer.synthesize_as(context, output.shape, input, salt);
        gather(schema, output, &value, context.now, draft);
    }
    for shape in resource.shapes.iter().take(SHAPES_MAX) {
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
        draft.id = draft.id.take().or(own.id);
        draft.arn = draft.arn.take().or(arn);
        draft.status = draft.status.take().or(own.status);
        for (name, mut value) in own.made {
            if !draft.made.contains_key(&name) {
                rename(&mut value, &renames);
                draft.made.push(name, value);
            }
        }
    }
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
    for slot in &projection.slots {
        let Some(value) = value.get(slot.name) else { continue };
        match &slot.source {
            Source::Identity(part) => {
                if let Some(text) = value.as_str() {
                    draft.take(*part, text);
                }
            }
            Source::Status => draft.status = draft.status.take().or_else(|| value.as_str().map(str::to_owned)),
            Source::Data { attribute, .. } if slot.required || has_required(schema.service, slot.target) => {
                keep(&mut draft.made, attribute, least(schema.service, slot.target, value));
            }
            Source::Within { member, .. } if slot.required => {
                keep(&mut draft.made, member, least(schema.service, slot.target, value));
            }
            Source::Made(attribute) | Source::Revision(attribute) => {
                if let Some(value) = plausible(schema.service, slot.name, slot.target, slot.required, value, now, 0) {
                    keep(&mut draft.made, attribute, value);
                }
            }
            Source::Nested { attribute, inner } => {
                let mut own = Draft::default();
                gather(schema, inner, value, now, &mut own);
                keep(&mut draft.made, attribute, Document::Map(own.made));
            }
            Source::Whole(inner) => gather(schema, inner, value, now, draft),
            Source::Through(inner) => gather(schema, inner, value, now, draft),
            Source::Items(items) => {
                if let (Item::Structure(inner), Some([first, ..])) = (&items.item, value.as_list()) {
                    gather(schema, inner, first, now, draft);
                }
                if let (Item::Wrapped(inner), Some([first, ..])) = (&items.item, value.as_list()) {
                    gather(schema, inner, first, now, draft);
                }
                if let (Item::Identifier(part), Some([Document::String(first), ..])) = (&items.item, value.as_list()) {
                    draft.take(*part, first);
                }
            }
            _ => {}
        }
    }
}

fn keep(made: &mut Fields, attribute: &str, value: Document) {
    if !made.contains_key(attribute) {
        made.push(Key::Owned(attribute.to_owned()), value);
    }
}

fn has_required(service: &Service, shape: ShapeIx) -> bool {
    service
        .structure(shape)
        .is_some_and(|structure| !structure.union && structure.members.iter().any(|member| member.required))
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
    match (&service.shape(shape).kind, value) {
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
            let name = squash(name);
            let telling = ["endpoint", "endpoints", "url", "urls", "nameservers", "addresses"]
                .iter()
                .any(|end| name.ends_with(end));
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
