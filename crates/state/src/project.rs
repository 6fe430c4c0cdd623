//! Fills the structures of an answer from a stored resource.

use std::sync::Arc;

use standin_core::{CallContext, FastMap, Hasher};
use standin_lifecycle::{Part, Status, TypeIx};
use standin_mock::synthesis::Synthesizer;
use standin_model::words::squash;
use standin_model::{Document, Fields, Key, Kind, Service, ShapeIx, Str};

use crate::convert::fit;
use crate::plan::{Item, Items, Projection, Slot, Source};
use crate::record::Record;
use crate::schema::Schema;
use crate::tags;

/// What one answer is made of.
pub(crate) struct Answering<'a> {
    pub schema: &'a Schema,
    pub context: &'a CallContext,
    pub input: &'a Document,
    pub synthesizer: &'a Synthesizer,
    /// What lies in the resources, where they show it.
    pub inside: &'a Inside,
    /// What the resources' status is shown as, where the operation says so (`DELETING`).
    pub status: Option<&'a str>,
}

/// Resources by type and the key of what they lie in.
pub(crate) type Inside = FastMap<(TypeIx, Arc<str>), Vec<Record>>;

/// The resources of a list, and where the next page begins.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub records: Vec<Record>,
    pub next: Option<String>,
    /// What the resources lie in, the nearest last; `None` where the call does not say.
    pub parents: Vec<Option<Record>>,
}

impl Answering<'_> {
    /// The output that shows one resource.
    pub(crate) fn of_record(&self, output: &Projection, status: Option<&Status>, record: &Record) -> Document {
        let mut fields = self.fields(output, status, record, record.made());
        self.complete(output, &mut fields);
        Document::Map(fields)
    }

    /// The output that shows a list.
    pub(crate) fn of_page(&self, output: &Projection, status: Option<&Status>, page: &Page) -> Document {
        let mut fields = Fields::with_capacity(output.slots.len());
        for slot in &output.slots {
            let value = match &slot.source {
                Source::Items(items) => self.items(items, status, &page.records),
                Source::Through(inner) => self.of_page(inner, status, page),
                Source::Next => match &page.next {
                    Some(next) => Document::from(next.clone()),
                    None => continue,
                },
                Source::More => Document::Bool(page.next.is_some()),
                Source::Count => Document::Int(i64::try_from(page.records.len()).unwrap_or(i64::MAX)),
                Source::Ancestor(up, part, _) => {
                    let at = page.parents.len().checked_sub(usize::from(*up));
                    let parent = at.and_then(|at| page.parents[at].as_ref());
                    match parent.and_then(|parent| parent.identity().part(*part)) {
                        Some(text) => Document::from(text.to_owned()),
                        None => continue,
                    }
                }
                Source::Echo => match self.input.get(slot.name) {
                    Some(value) => value.clone(),
                    None => continue,
                },
                _ => continue,
            };
            fields.push(slot.name, value);
        }
        self.complete(output, &mut fields);
        Document::Map(fields)
    }

    fn items(&self, items: &Items, status: Option<&Status>, records: &[Record]) -> Document {
        let item = |record: &Record| match &items.item {
            Item::Structure(projection) => Some(self.of_record(projection, status, record)),
            Item::Identifier(part) => record.identity().part(*part).map(|text| Document::from(text.to_owned())),
            Item::Wrapped(projection) => Some(self.of_record(projection, status, record)),
        };
        if items.map {
            let entries = records.iter().filter_map(|record| {
                let name = record.identity().part(Part::Any)?;
                Some((Key::Owned(name.to_owned()), item(record)?))
            });
            return Document::Map(entries.collect());
        }
        Document::List(records.iter().filter_map(item).collect())
    }

    /// `made`: what the service made of this very structure.
    fn fields(
        &self,
        projection: &Projection,
        status: Option<&Status>,
        record: &Record,
        made: Option<&Document>,
    ) -> Fields {
        let mut fields = Fields::with_capacity(projection.slots.len());
        for slot in &projection.slots {
            if let Some(value) = self.value(slot, status, record, made) {
                fields.push(slot.name, value);
                if projection.union {
                    break;
                }
            }
        }
        fields
    }

    fn value(
        &self,
        slot: &Slot,
        status: Option<&Status>,
        record: &Record,
        made: Option<&Document>,
    ) -> Option<Document> {
        let service = self.schema.service;
        let own = |attribute: &str| made.and_then(|made| made.get(attribute));
        let kept = |attribute: &str| own(attribute).and_then(|value| fit(service, slot.target, value));
        match &slot.source {
            Source::Identity(part) => {
                let identity = record.identity();
                let text = match part {
                    Part::Name => identity.name(),
                    Part::Id => identity.id(),
                    Part::Arn => identity.arn(),
                    Part::Any | Part::Qualifier => identity.part(Part::Any),
                };
                let text = text.or_else(|| if slot.required { identity.part(*part) } else { None })?;
                Some(Document::from(text.to_owned()))
            }
            Source::Ancestor(up, part, attribute) => {
                let text = record.ancestor(usize::from(*up)).and_then(|ancestor| ancestor.part(*part));
                match text {
                    Some(text) => Some(Document::from(text.to_owned())),
                    None => record.data(attribute).cloned().or_else(|| kept(attribute)),
                }
            }
            Source::Tags => {
                let tags = record.tags().filter(|tags| !tags.is_empty());
                match tags {
                    Some(found) => tags::show(service, slot.target, found),
                    None if slot.required => tags::show(service, slot.target, &Fields::new()),
                    None => None,
                }
            }
            Source::Status(attribute) => {
                // A status that callers set is as they set it.
                let given = || record.data(attribute).and_then(Document::as_str);
                let text =
                    self.status.or_else(|| record.passing(self.context.now)).or_else(given).or_else(|| record.status());
                let text = text.or(status.map(|status| status.settled))?;
                fit(service, slot.target, &Document::from(text.to_owned()))
                    .or_else(|| spelt(service, slot.target, text))
            }
            Source::Data { attribute, alike } => {
                let given = record.data(attribute);
                let value = match given {
                    Some(value) if *alike => Some(value.clone()),
                    // Of what is shown in quite another form (a package as its location), the service's own is.
                    Some(value) => fit(service, slot.target, value)
                        .map(|value| self.whole(slot.target, value, 0))
                        .or_else(|| kept(attribute)),
                    None => None,
                };
                value.or_else(|| if slot.required { kept(attribute) } else { None })
            }
            Source::Within { attribute, member, alike } => {
                let given = record.data(attribute).and_then(|outer| outer.get(member));
                match given {
                    Some(value) if *alike => Some(value.clone()),
                    Some(value) => fit(service, slot.target, value),
                    None if slot.required => kept(member),
                    None => None,
                }
            }
            Source::Nested { attribute, inner } => {
                let mut fields = self.fields(inner, None, record, own(attribute));
                if fields.is_empty() {
                    return None;
                }
                self.complete(inner, &mut fields);
                Some(Document::Map(fields))
            }
            Source::Made(attribute) => kept(attribute),
            Source::Revision(attribute) => kept(attribute).map(|value| turned(&value, record)),
            Source::Whole(inner) => Some(self.of_record(inner, status, record)),
            Source::Through(inner) => Some(self.of_record(inner, status, record))
                .filter(|value| value.as_map().is_some_and(|map| !map.is_empty())),
            Source::Items(items) => Some(self.items(items, status, std::slice::from_ref(record))),
            Source::Inside(of, items, attribute) => {
                let found = self.inside.get(&(*of, record.key.clone())).map_or(&[][..], Vec::as_slice);
                // What came along when the resource was made.
                let given = record.data(attribute).and_then(|value| fit(service, slot.target, value));
                if found.is_empty() && (given.is_some() || !slot.required) {
                    return given;
                }
                let status = self.schema.lifecycle.resource(*of).status.as_ref();
                let mut shown = self.items(items, status, found);
                if let (Document::List(shown), Some(Document::List(given))) = (&mut shown, given) {
                    shown.splice(0..0, given);
                }
                Some(shown)
            }
            Source::Echo => self.input.get(slot.name).cloned(),
            Source::Next | Source::Nothing => None,
            Source::More => Some(Document::Bool(false)),
            Source::Count => Some(Document::Int(1)),
        }
    }

    /// A value that was given in another form, with the members that its structures must have.
    fn whole(&self, shape: ShapeIx, value: Document, depth: usize) -> Document {
        const DEPTH_MAX: usize = 4;
        let service = self.schema.service;
        if depth > DEPTH_MAX || !self.schema.needy[shape.0 as usize] {
            return value;
        }
        match (&service.shape(shape).kind, value) {
            (Kind::List(list), Document::List(items)) => {
                let whole = |item| self.whole(list.member.target, item, depth + 1);
                Document::List(items.into_iter().map(whole).collect())
            }
            (Kind::Structure(structure), Document::Map(mut fields)) if !structure.union => {
                let lacking = structure.members.iter().filter(|member| member.required);
                let lacking: Vec<_> = lacking.filter(|member| !fields.contains_key(member.name)).collect();
                if !lacking.is_empty() {
                    let made = self.synthesizer.synthesize_as(self.context, shape, self.input, salt(self.context));
                    for member in lacking {
                        if let Some(value) = made.get(member.name) {
                            fields.push(member.name, least(service, member.target, value));
                        }
                    }
                }
                Document::Map(fields)
            }
            (_, value) => value,
        }
    }

    /// Makes up what the model wants and nobody said.
    fn complete(&self, projection: &Projection, fields: &mut Fields) {
        let service = self.schema.service;
        let mut made: Option<Document> = None;
        let lacks = |fields: &Fields, slot: &Slot| slot.required && !fields.contains_key(slot.name);
        for slot in projection.slots.iter().filter(|slot| lacks(fields, slot)).collect::<Vec<_>>() {
            let made = made.get_or_insert_with(|| {
                self.synthesizer.synthesize_as(self.context, projection.shape, self.input, salt(self.context))
            });
            if let Some(value) = made.get(slot.name) {
                fields.push(slot.name, least(service, slot.target, value));
            }
        }
    }
}

fn salt(context: &CallContext) -> u64 {
    let mut key: Hasher = context.key("made up");
    key.text(context.operation.name);
    key.finish()
}

/// Only what a shape requires of a value: no contents of lists and maps that may be empty.
pub(crate) fn least(service: &Service, shape: ShapeIx, value: &Document) -> Document {
    let target = service.shape(shape);
    let fewest = target.constraints.as_ref().and_then(|limits| limits.min).map_or(0, standin_model::Bound::as_i64);
    match (&target.kind, value) {
        (Kind::Structure(structure), Document::Map(fields)) if !structure.union => {
            let members = structure.members.iter().filter(|member| member.required);
            let kept = members.filter_map(|member| {
                Some((Key::Borrowed(member.name as Str), least(service, member.target, fields.get(member.name)?)))
            });
            Document::Map(kept.collect())
        }
        (Kind::List(_), Document::List(_)) if fewest == 0 => Document::List(Vec::new()),
        (Kind::List(list), Document::List(items)) => {
            let fewest = usize::try_from(fewest).unwrap_or(usize::MAX);
            Document::List(items.iter().take(fewest).map(|item| least(service, list.member.target, item)).collect())
        }
        (Kind::Map(_), Document::Map(_)) if fewest == 0 => Document::map(),
        _ => value.clone(),
    }
}

/// A token or counter as it is after so many changes: of the same form, another each time.
fn turned(value: &Document, record: &Record) -> Document {
    let changes = record.changes();
    match value {
        Document::Int(number) => Document::Int(number.saturating_add(changes)),
        Document::String(text) if changes > 0 => {
            if let Ok(number) = text.parse::<i64>() {
                return Document::from(number.saturating_add(changes).to_string());
            }
            let mut state =
                standin_model::words::mix(standin_model::words::hash(text), u64::try_from(changes).unwrap_or_default());
            let turn = |c: char| {
                state = standin_model::words::mix(state, 1);
                let pick = |letters: &[u8]| char::from(letters[(state % letters.len() as u64) as usize]);
                match c {
                    '0'..='9' | 'a'..='f' => pick(b"0123456789abcdef"),
                    'g'..='z' => pick(b"ghijklmnopqrstuvwxyz"),
                    'A'..='Z' => pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                    other => other,
                }
            };
            Document::from(text.chars().map(turn).collect::<String>())
        }
        other => other.clone(),
    }
}

/// A status that the service spells otherwise than its model does: waiters want `ReadyForDeployment` of what the model calls
/// `READY_FOR_DEPLOYMENT`.
fn spelt(service: &Service, shape: ShapeIx, text: &str) -> Option<Document> {
    let Kind::String { enum_values } = &service.shape(shape).kind else { return None };
    let plain = squash(text);
    enum_values.iter().any(|known| squash(known) == plain).then(|| Document::from(text.to_owned()))
}
