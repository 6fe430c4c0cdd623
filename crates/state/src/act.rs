//! What operations do to resources: make, show, change and delete them.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use standin_core::OperationError;
use standin_lifecycle::{Codes, Part, Status, Step, TypeIx, TypeKind, Verb};
use standin_model::words::squash;
use standin_model::{Document, Fields, ShapeIx, Str};
use standin_store::{Batch, StoreError, Table};

use crate::batch::own_path;
use crate::edits;
use crate::errors::{Fault, awaited, error, modelled};
use crate::handler::{Failed, Work};
use crate::make::{Draft, Making, absorb, body, harvest, touch};
use crate::page;
use crate::project::{Answering, Inside, Page};
use crate::record::{self, Identity, Record};
use crate::resolve::{BY_ARN, BY_ID, Lineage, WITHIN, index, values};
use crate::schema::first_member;
use crate::tags;
use crate::transition::Passing;

/// Rows that one delete takes with it at most, per type.
pub(crate) const CASCADE_MAX: usize = 100_000;
/// How often an identifier is drawn before the call gives up.
const DRAWS_MAX: u32 = 8;
/// Resources that are shown within the one that they lie in.
const INSIDE_MAX: usize = 1000;
/// A page where the caller does not say how long.
const PAGE_USUAL: usize = 1000;
const PAGE_MAX: usize = 10_000;
/// Rows that are looked at for one page of a filtered list at a time.
const STRIDE: usize = 512;
/// The tables of the last numbers that versions have: this and the name of the type.
const COUNTERS: &str = "@last ";

static NOTHING_INSIDE: OnceLock<Inside> = OnceLock::new();

/// The value at a way through structures.
fn look<'d>(input: &'d Document, path: &[Str]) -> Option<&'d Document> {
    path.iter().try_fold(input, |at, name| at.get(name))
}

impl<'w> Work<'w> {
    pub(crate) fn status(&self) -> Option<&'w Status> {
        self.schema.lifecycle.resource(self.role.resource).status.as_ref()
    }

    fn answering<'s>(&'s self, status: Option<&'s str>) -> Answering<'s> {
        Answering {
            schema: self.schema,
            context: self.context,
            input: self.input,
            synthesizer: &self.resources.synthesizer,
            status,
            inside: NOTHING_INSIDE.get_or_init(Inside::default),
        }
    }

    /// The output that shows a resource.
    async fn show(&self, record: &Record, status: Option<&str>) -> Result<Document, Failed> {
        let Some(output) = &self.plan.output else { return Ok(Document::map()) };
        let inside = self.inside(std::slice::from_ref(record)).await?;
        let answering = Answering { inside: &inside, ..self.answering(status) };
        Ok(answering.of_record(output, self.status(), record))
    }

    /// What lies in resources and is shown within them.
    async fn inside(&self, records: &[Record]) -> Result<Inside, Failed> {
        let mut inside = Inside::default();
        for child in &self.schema.ty(self.role.resource).shown_children {
            for record in records {
                let found = self.scan(*child, &format!("{}{WITHIN}", record.key), None, INSIDE_MAX).await?;
                let own = |row: &Record| !row.key[record.key.len() + WITHIN.len_utf8()..].contains(WITHIN);
                let found: Vec<Record> =
                    found.into_iter().filter(|row| own(row) && !row.is_gone(self.context.now)).collect();
                inside.insert((*child, record.key.clone()), found);
            }
        }
        Ok(inside)
    }

    pub(crate) fn fault(&self, fault: Fault, identifier: &str) -> Failed {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let kind = &resource.name;
        if let Some(code) = self.code(fault).filter(|code| !code.is_empty()) {
            let status = if fault == Fault::NotFound { 404 } else { 400 };
            if let Some((code, message)) = code.split_once(": ") {
                return OperationError::new(code.to_owned(), message).with_status(status).into();
            }
            return OperationError::new(code, format!("{kind} {identifier}: {}", fault.phrase()))
                .with_status(status)
                .into();
        }
        error(self.context, fault, self.known_error(fault), &squash(kind), kind, identifier).into()
    }

    /// The code for a fault that the model does not list.
    fn code(&self, fault: Fault) -> Option<String> {
        let of = |codes: &Codes| match fault {
            Fault::NotFound => codes.missing.clone(),
            Fault::Exists => codes.conflict.clone(),
            Fault::InUse => codes.busy.clone(),
            _ => None,
        };
        of(&self.role.codes).or_else(|| of(&self.schema.lifecycle.resource(self.role.resource).codes))
    }

    /// The error that the lifecycle knows for a fault.
    fn known_error(&self, fault: Fault) -> Option<ShapeIx> {
        match fault {
            Fault::NotFound => self.role.missing,
            Fault::Exists => self.role.conflict,
            Fault::InUse => self.role.busy,
            _ => None,
        }
    }

    /// Whether an overlay says that such a thing is no error.
    pub(crate) fn is_no_fault(&self, fault: Fault) -> bool {
        self.code(fault).is_some_and(|code| code.is_empty())
    }

    fn models(&self, fault: Fault) -> bool {
        if self.is_no_fault(fault) {
            return false;
        }
        self.known_error(fault).is_some()
            || self.code(fault).is_some()
            || modelled(self.context, fault, &self.schema.ty(self.role.resource).noun.text).is_some()
            || (fault == Fault::NotFound && awaited(self.context).is_some())
    }

    /// The tags that the input gives.
    fn given_tags(&self) -> Fields {
        let Some(path) = &self.plan.tags else { return Fields::new() };
        match look(self.said(), path).or_else(|| look(self.input, path)) {
            Some(value @ Document::List(_)) if path.last() == Some(&"TagSpecifications") => {
                tags::of_specifications(value)
            }
            Some(value) => tags::read(value),
            None => Fields::new(),
        }
    }

    pub(crate) async fn create(&self, put: bool) -> Result<Document, Failed> {
        let ix = self.role.resource;
        let kind = self.schema.lifecycle.resource(ix).kind;
        let lineage = self.lineage().await?;
        let asked_under = self.token().await?;
        if let Some(record) = self.repeated(asked_under.as_ref()).await? {
            return self.show(&record, None).await;
        }
        let prefix = &lineage.around;
        let chosen = if kind == TypeKind::Assigned && !put { None } else { self.chosen_key(ix, prefix) };
        let existing = match &chosen {
            Some(key) => self.get(ix, key).await?,
            None if put => match (self.named(&lineage).await?, self.given_name()) {
                (None, Some(name)) => self.find(ix, Some(prefix), Part::Name, &name).await?,
                (found, _) => found,
            },
            None => self.namesake(prefix).await?,
        };
        let existing = existing.filter(|record| !record.is_over(self.context.now));
        if let Some(old) = existing {
            if put || kind == TypeKind::Single {
                return self.change(&old, None, true).await;
            }
            let name = old.identity().part(Part::Any).unwrap_or_default();
            if self.models(Fault::Exists) {
                return Err(self.fault(Fault::Exists, name));
            }
            // No error is modelled: asking for what is there changes nothing, asking for something else changes it.
            return if self.gives_the_same(&old) {
                self.show(&old, None).await
            } else {
                self.change(&old, None, false).await
            };
        }
        let mut batch = Batch::default();
        let number = self.number(prefix, &mut batch).await?;
        let end = self.other_end().await?;
        let mut record = self.make(&lineage, chosen.clone(), number.as_ref(), end.as_ref(), 0)?;
        if matches!(kind, TypeKind::Assigned | TypeKind::Named) && number.is_none() {
            for attempt in 1..DRAWS_MAX {
                if !self.is_taken(&record, chosen.is_none()).await? {
                    break;
                }
                let again = Work { salt: self.resources.next_salt(), space: self.space.clone(), ..*self };
                record = again.make(&lineage, chosen.clone(), None, None, attempt)?;
            }
        }
        // Whatever made up the same identifier again: it is taken, however often this is tried.
        if let Some(old) = self.get(ix, &record.key).await?.filter(|old| !old.is_over(self.context.now)) {
            return match put {
                true => self.change(&old, None, true).await,
                false => Err(self.fault(Fault::Exists, old.identity().part(Part::Any).unwrap_or_default())),
            };
        }
        if let Some(Document::Map(fields)) = Arc::get_mut(&mut record.body) {
            self.set_out(fields, Passing::Creating);
        }
        let table = self.table(ix);
        batch.check(&table, record.key.clone(), self.replaceable(&table, &record.key).await?);
        for (parent, ix) in lineage.parents.iter().zip(self.schema.lifecycle.lineage(ix)) {
            if let Some(parent) = parent {
                batch.check(&self.table(ix), parent.key.clone(), Some(parent.version));
            }
        }
        batch.put(&table, record.key.clone(), record.body.clone(), index(record.identity()));
        self.keep(asked_under, &mut batch, &record);
        self.resources.store.commit(batch).await?;
        self.show(&record, None).await
    }

    /// What lies in the same place under the same name, where the operation models that names are unique.
    async fn namesake(&self, prefix: &str) -> Result<Option<Record>, Failed> {
        let unique = self.context.operation.errors.iter().any(|shape| {
            let name = squash(self.context.service.shape(*shape).name);
            ["alreadyexist", "exists", "duplicate", "nameinuse"].iter().any(|mark| name.contains(mark))
        });
        if !unique {
            return Ok(None);
        }
        let Some(name) = self.given_name() else { return Ok(None) };
        self.find(self.role.resource, Some(prefix), Part::Name, &name).await
    }

    /// The name that the input gives to what it makes.
    fn given_name(&self) -> Option<String> {
        let ty = self.schema.ty(self.role.resource);
        let fields = self.said().as_map()?;
        let others = |name: &str| {
            let bindings = self.role.bindings.iter().filter(|binding| binding.of != self.role.resource);
            bindings
                .map(|binding| own_path(&binding.path, self.role))
                .any(|path| matches!(path, [Step::Member(member)] if *member == name))
        };
        let mut direct = fields.iter().filter(|(name, _)| ty.part(name, true) == Some(Part::Name));
        let direct = direct.find(|(name, _)| !others(name));
        let value = direct.map(|(_, value)| value).or_else(|| {
            let body = self.role.body.as_deref().and_then(|path| first_member(own_path(path, self.role)));
            let wraps = |name: &str| body == Some(name) || ty.wrappers.contains(&crate::names::plain(name, false));
            let wrapped = fields.iter().filter(|(name, _)| wraps(name));
            let mut inner = wrapped.filter_map(|(_, value)| value.as_map()).flat_map(Fields::iter);
            inner.find(|(name, _)| ty.part(name, true) == Some(Part::Name)).map(|(_, value)| value)
        });
        let body = || {
            let path = self.role.body.as_deref().filter(|path| !path.is_empty())?;
            let body = path.iter().try_fold(self.input, |at, step| match step {
                Step::Member(name) => at.get(name),
                _ => None,
            })?;
            let mut fields = body.as_map()?.iter();
            fields.find(|(name, _)| ty.part(name, true) == Some(Part::Name)).map(|(_, value)| value)
        };
        let value = value.or_else(body);
        value.and_then(Document::as_str).map(str::to_owned)
    }

    fn gives_the_same(&self, old: &Record) -> bool {
        let mut data = Fields::new();
        absorb(self.schema.ty(self.role.resource), self.role, self.plan, self.said(), &mut data, false);
        data.iter().all(|(name, value)| old.data(name) == Some(value))
    }

    /// What is at the other end of a link that a call makes.
    async fn other_end(&self) -> Result<Option<Record>, Failed> {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let (Some(target), TypeKind::Link) = (resource.target, resource.kind) else { return Ok(None) };
        match self.bound(self.role.resource).first() {
            Some((part, text)) => self.find(target, None, *part, text).await,
            None => Ok(None),
        }
    }

    /// The next number of a type whose ids count up within the parent, and within the qualifier of two that count.
    async fn number(&self, prefix: &str, batch: &mut Batch) -> Result<Option<Number>, Failed> {
        let ix = self.role.resource;
        let Some(counter) = self.schema.lifecycle.resource(ix).counter else { return Ok(None) };
        let Some(outer) = self.schema.ty(ix).outer_counter else {
            let number = self.count(prefix, None, batch).await?;
            return Ok(Some(Number { counter, number, outer: None }));
        };
        if let Some(given) = self.qualifiers(ix).into_iter().next() {
            let number = self.count(prefix, Some(&given), batch).await?;
            return Ok(Some(Number { counter, number, outer: Some((outer, given.into_owned())) }));
        }
        let major = self.count(prefix, None, batch).await?.to_string();
        Ok(Some(Number { counter, number: 0, outer: Some((outer, major)) }))
    }

    /// Counts one up. Within another number, the first is 1, as 0 came with that one.
    async fn count(&self, prefix: &str, within: Option<&str>, batch: &mut Batch) -> Result<i64, Failed> {
        let table = self.space.table(format!("{COUNTERS}{}", self.schema.ty(self.role.resource).table));
        let key = within.map_or_else(|| prefix.to_owned(), |within| format!("{prefix}{within}"));
        let row = self.resources.store.get(&table, &key).await?;
        let last = row.as_ref().and_then(|row| row.body.get("last")).and_then(Document::as_i64).unwrap_or_default();
        let mut fields = Fields::with_capacity(1);
        fields.push("last", last + 1);
        batch.check(&table, key.as_str(), row.map(|row| row.version));
        batch.put(&table, key, Document::Map(fields), Vec::new());
        Ok(last + 1)
    }

    fn making(&self) -> Making<'_> {
        Making {
            schema: self.schema,
            synthesizer: &self.resources.synthesizer,
            context: self.context,
            ix: self.role.resource,
            input: self.said(),
            salt: self.salt,
        }
    }

    /// Whether another resource has this one's key, id or ARN. `key`: whether the key is made of them.
    async fn is_taken(&self, record: &Record, key: bool) -> Result<bool, Failed> {
        let table = self.table(self.role.resource);
        if key && self.resources.store.get(&table, &record.key).await?.is_some() {
            return Ok(true);
        }
        let identity = record.identity();
        // Versions and aliases may share the id of what they lie in.
        let id = identity.id().filter(|_| key);
        for (index, text) in [(BY_ID, id), (BY_ARN, identity.arn())] {
            if let Some(text) = text
                && !self.resources.store.find(&table, index, text, None, 1).await?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A new resource, not stored yet. `attempt` counts how often what was made up was taken already.
    fn make(
        &self,
        lineage: &Lineage,
        chosen: Option<String>,
        number: Option<&Number>,
        end: Option<&Record>,
        attempt: u32,
    ) -> Result<Record, Failed> {
        let ix = self.role.resource;
        let ty = self.schema.ty(ix);
        let kind = self.schema.lifecycle.resource(ix).kind;
        let mut draft = Draft { name: self.given_name(), ..Draft::default() };
        if kind != TypeKind::Assigned || chosen.is_some() {
            for (part, value) in self.bound(ix) {
                draft.take(part, &value);
            }
        }
        if kind == TypeKind::Link {
            if let Some(known) = end.map(Record::identity) {
                draft.name = draft.name.or_else(|| known.name().map(str::to_owned));
                draft.id = draft.id.or_else(|| known.id().map(str::to_owned));
                draft.arn = draft.arn.or_else(|| known.arn().map(str::to_owned));
            }
            // What nobody made here is known by what its ARN ends in: the policies that AWS manages.
            let tail = draft.arn.as_deref().and_then(|arn| arn.rsplit(['/', ':']).next()).map(str::to_owned);
            draft.name = draft.name.or(tail);
        }
        let given = draft.clone();
        if let Some(number) = number {
            draft.id = Some(self.making().numbered(number.number));
            if self.schema.lifecycle.resource(ix).identity.name.is_none() {
                draft.name.clone_from(&draft.id);
            }
            let shown = draft.id.clone().filter(|id| id.parse::<i64>().is_err());
            let shown = shown.map_or(Document::Int(number.number), Document::from);
            draft.made.push(ty.noun.attribute(number.counter, false), shown);
            if let Some((member, major)) = &number.outer {
                draft.made.push(ty.noun.attribute(member, false), major.clone());
            }
        }
        let mut data = Fields::new();
        absorb(ty, self.role, self.plan, self.said(), &mut data, false);
        let making = self.making();
        making.enrich(&mut data, false);
        harvest(&making, self.plan.output.as_ref(), &mut draft);
        making.settle(&mut draft, &data, &lineage.parents, number.is_some(), attempt);
        making.shape(&mut draft, &data, &lineage.parents);
        draft.id = given.id.or(draft.id);
        draft.arn = given.arn.or(draft.arn);
        making.default(&mut draft, &mut data, &lineage.parents);
        for switch in ty.switches.iter().filter(|_| matches!(kind, TypeKind::Assigned | TypeKind::Named)) {
            if !data.contains_key(switch) {
                data.push(switch.clone(), true);
            }
        }
        let prefix = &lineage.around;
        let key = chosen.unwrap_or_else(|| {
            let own = draft.id.as_deref().or(draft.arn.as_deref()).or(draft.name.as_deref());
            if let Some(number) = number {
                // Padded, so that versions are listed in their order.
                return match &number.outer {
                    Some((_, major)) => self.qualified_key(prefix, &number.number.to_string(), [major.as_str()]),
                    None => format!("{prefix}{:010}", number.number),
                };
            }
            own.map_or_else(|| format!("{prefix}#{:016x}", self.salt), |own| self.assigned_key(prefix, own))
        });
        let body = body(draft, lineage.identities(), data, self.given_tags(), self.context.now, self.status());
        Ok(Record { key: key.into(), version: 0, body: Arc::new(body) })
    }

    /// The one of its kind in its parent, not stored yet.
    fn only(&self, lineage: &Lineage) -> Result<Record, Failed> {
        let key = self.chosen_key(self.role.resource, &lineage.around);
        self.make(lineage, key, None, None, 0)
    }

    pub(crate) async fn read(&self) -> Result<Document, Failed> {
        let lineage = self.lineage().await?;
        match self.named(&lineage).await? {
            Some(record) => self.show(&record, None).await,
            None => {
                let single = self.schema.lifecycle.resource(self.role.resource).kind == TypeKind::Single;
                // Settings that nobody set yet have their defaults.
                if single && self.schema.lifecycle.resource(self.role.resource).implicit {
                    return self.show(&self.only(&lineage)?, None).await;
                }
                Err(self.not_found())
            }
        }
    }

    pub(crate) async fn update(&self, status: Option<Option<Str>>) -> Result<Document, Failed> {
        let lineage = self.lineage().await?;
        match self.named(&lineage).await? {
            Some(record) => self.change(&record, status, false).await,
            None if self.schema.lifecycle.resource(self.role.resource).kind == TypeKind::Single => {
                let record = self.only(&lineage)?;
                let table = self.table(self.role.resource);
                let mut batch = Batch::default();
                batch.check(&table, record.key.clone(), None);
                batch.put(&table, record.key.clone(), record.body.clone(), index(record.identity()));
                self.resources.store.commit(batch).await?;
                self.show(&record, None).await
            }
            None => Err(self.not_found()),
        }
    }

    /// Changes a resource: absent members stay, empty ones are cleared. With `replace`, what is not given goes.
    async fn change(&self, old: &Record, status: Option<Option<Str>>, replace: bool) -> Result<Document, Failed> {
        let ty = self.schema.ty(self.role.resource);
        let mut fields = old.body.as_map().cloned().unwrap_or_default();
        let mut data = match fields.remove(record::DATA) {
            Some(Document::Map(data)) if !replace => data,
            _ => Fields::new(),
        };
        absorb(ty, self.role, self.plan, self.said(), &mut data, !replace);
        self.making().enrich(&mut data, !self.plan.partial.is_empty());
        let new_name = self.new_name(old);
        if let Some(name) = &new_name {
            fields.insert(record::NAME, name.clone());
        }
        fields.push(record::DATA, data);
        fields.insert(record::UPDATED, self.context.now);
        fields.insert(record::CHANGES, old.changes() + 1);
        if let Some(made) = fields.get_mut(record::MADE) {
            touch(made, self.context.now);
        }
        let updated = || self.status().and_then(|status| status.updated);
        if let Some(Some(status)) = status.or_else(|| updated().map(Some)) {
            fields.insert(record::STATUS, status);
            if let (Some(Document::Map(data)), Some(member)) = (fields.get_mut(record::DATA), self.status()) {
                data.remove(&ty.noun.attribute(member.member, false));
            }
        }
        self.set_out(&mut fields, Passing::Updating);
        let given = self.given_tags();
        if !given.is_empty()
            || (replace && self.plan.tags.as_ref().is_some_and(|path| look(self.input, path).is_some()))
        {
            fields.insert(record::TAGS, given);
        }
        let body = Document::Map(fields);
        let record = match new_name.as_deref().and_then(|name| self.moved_key(old, name)) {
            Some(key) => self.move_to(old, &key, body).await?,
            None => self.replace(&self.table(self.role.resource), old, body).await?,
        };
        self.show(&record, None).await
    }

    /// The key under a new name, of what is known by its name.
    fn moved_key(&self, old: &Record, name: &str) -> Option<String> {
        let own = old.key.rfind(WITHIN).map_or(0, |at| at + WITHIN.len_utf8());
        let was = old.identity().name()?;
        // An id that happens to be the name stays, unless it is the id that changes.
        if self.role.rename.is_none() && old.identity().id() == Some(was) {
            return None;
        }
        let rest = old.key[own..].strip_prefix(was)?;
        Some(format!("{}{name}{rest}", &old.key[..own]))
    }

    /// Gives a resource another key, and all that lies in it.
    async fn move_to(&self, old: &Record, key: &str, body: Document) -> Result<Record, Failed> {
        let body = Arc::new(body);
        let table = self.table(self.role.resource);
        let mut batch = Batch::default();
        batch.check(&table, old.key.clone(), Some(old.version));
        batch.check(&table, key, None);
        batch.delete(&table, old.key.clone());
        batch.put(&table, key, body.clone(), index(Identity(&body)));
        for child in self.schema.descendants(self.role.resource) {
            let table = self.table(child);
            for row in self.scan(child, &format!("{}{WITHIN}", old.key), None, CASCADE_MAX).await? {
                let moved = format!("{key}{}", &row.key[old.key.len()..]);
                batch.delete(&table, row.key.clone());
                batch.put(&table, moved, row.body.clone(), index(row.identity()));
            }
        }
        match self.resources.store.commit(batch).await {
            Ok(version) => Ok(Record { key: key.into(), version, body }),
            Err(StoreError::Conflict) if self.get(self.role.resource, key).await?.is_some() => {
                Err(self.fault(Fault::Exists, key))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The name that an update gives.
    fn new_name(&self, old: &Record) -> Option<String> {
        if let Some(path) = &self.role.rename
            && let Some(name) = values(self.input, path).into_iter().next()
        {
            return Some(name.into_owned());
        }
        let ty = self.schema.ty(self.role.resource);
        let patches = self.said().as_map().into_iter().flat_map(Fields::iter);
        let mut patches = patches.filter_map(|(name, value)| edits::patches(name, value)).flatten();
        if let Some(patch) =
            patches.find(|patch| matches!(&*patch.path, [own] if ty.part(own, true) == Some(Part::Name)))
        {
            return patch.value.and_then(Document::as_str).map(str::to_owned);
        }
        match self.schema.lifecycle.resource(self.role.resource).kind {
            TypeKind::Assigned | TypeKind::Single => {}
            // Its name does not identify it.
            TypeKind::Named if ty.by_qualifiers => {}
            // What its name identifies gets another one only where it was named by something else.
            TypeKind::Named if self.role.verb == Verb::Update => {
                let known = old.identity();
                let by_other = |(part, text): &(Part, Cow<'_, str>)| match part {
                    Part::Id | Part::Arn => true,
                    Part::Any => known.name() != Some(text) && [known.id(), known.arn()].contains(&Some(text)),
                    _ => false,
                };
                if !self.bound(self.role.resource).iter().any(by_other) {
                    return None;
                }
            }
            _ => return None,
        }
        let name = self.given_name()?;
        let identity = old.identity();
        (identity.name() != Some(&name) && identity.id().or(identity.arn()) != Some(&name)).then_some(name)
    }

    /// Stores the new body of a resource.
    pub(crate) async fn replace(&self, table: &Table, old: &Record, body: Document) -> Result<Record, Failed> {
        let body = Arc::new(body);
        let mut batch = Batch::default();
        batch.check(table, old.key.clone(), Some(old.version));
        batch.put(table, old.key.clone(), body.clone(), index(Identity(&body)));
        let version = self.resources.store.commit(batch).await?;
        Ok(Record { key: old.key.clone(), version, body })
    }

    pub(crate) async fn delete(&self) -> Result<Document, Failed> {
        let lineage = self.lineage().await?;
        let Some(record) = self.named(&lineage).await? else {
            if self.context.operation.idempotent && !self.models(Fault::NotFound) {
                return Err(Failed::Unknown);
            }
            return Err(self.not_found());
        };
        let leaving = self.status().and_then(|status| status.deleting.or(status.deleted));
        if record.is_leaving() {
            return self.show(&record, leaving).await;
        }
        let mut batch = Batch::default();
        let table = self.table(self.role.resource);
        batch.check(&table, record.key.clone(), Some(record.version));
        match self.farewell(&record) {
            Some(body) => {
                let index = index(Identity(&body));
                batch.put(&table, record.key.clone(), body, index);
            }
            None => {
                batch.delete(&table, record.key.clone());
            }
        }
        let refuses = self.refuses_in_use();
        for child in self.schema.descendants(self.role.resource) {
            let table = self.table(child);
            let inside = self.scan(child, &format!("{}{WITHIN}", record.key), None, CASCADE_MAX).await?;
            let own = matches!(self.schema.lifecycle.resource(child).kind, TypeKind::Named | TypeKind::Assigned);
            if refuses && own && inside.iter().any(|row| !row.is_leaving()) {
                return Err(self.fault(Fault::InUse, record.identity().part(Part::Any).unwrap_or_default()));
            }
            for row in inside {
                batch.delete(&table, row.key);
            }
        }
        self.resources.store.commit(batch).await?;
        self.show(&record, leaving).await
    }

    /// Whether the operation models that something may still lie in what is deleted.
    fn refuses_in_use(&self) -> bool {
        self.context.operation.errors.iter().any(|shape| {
            let name = squash(self.context.service.shape(*shape).name);
            ["notempty", "contains", "deleteconflict", "haschild", "dependency"].iter().any(|mark| name.contains(mark))
        })
    }

    pub(crate) async fn list(&self) -> Result<Document, Failed> {
        let ix = self.role.resource;
        let lineage = self.lineage().await?;
        let mut page = Page { parents: lineage.parents.clone(), ..Page::default() };
        let asked = self.bound(ix);
        if asked.is_empty() {
            self.fill(ix, &lineage, &mut page).await?;
        } else {
            for (part, value) in asked {
                match self.find(ix, lineage.prefix(), part, &value).await? {
                    // Asked for twice, shown once.
                    Some(record) if page.records.iter().any(|known| known.key == record.key) => {}
                    Some(record) => page.records.push(record),
                    None if self.models(Fault::NotFound) => {
                        return Err(self.fault(Fault::NotFound, &value));
                    }
                    None => {}
                }
            }
        }
        match &self.plan.output {
            Some(output) => {
                self.follow(&mut page).await?;
                let inside = self.inside(&page.records).await?;
                let answering = Answering { inside: &inside, ..self.answering(None) };
                Ok(answering.of_page(output, self.status(), &page))
            }
            None => Ok(Document::map()),
        }
    }

    /// Where a list of links shows what is at their other end, takes that in their place.
    async fn follow(&self, page: &mut Page) -> Result<(), Failed> {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let Some(target) = resource
            .target
            .filter(|target| resource.kind == TypeKind::Link && self.role.views.iter().any(|view| view.of == *target))
        else {
            return Ok(());
        };
        for record in &mut page.records {
            let Some(text) = record.identity().part(Part::Arn).or(record.identity().part(Part::Any)) else { continue };
            if let Some(found) = self.find(target, None, Part::Any, text).await? {
                *record = found;
            }
        }
        Ok(())
    }

    /// Fills a page with what the filters let through.
    async fn fill(&self, ix: TypeIx, lineage: &Lineage, page: &mut Page) -> Result<(), Failed> {
        let prefix = lineage.around.as_str();
        let paging: Vec<&str> = self.plan.limit.into_iter().chain(self.plan.token).collect();
        let question = page::question(self.context, self.input, &paging);
        let mut after = match self.plan.token.and_then(|token| self.input.get(token)).and_then(Document::as_str) {
            Some(token) if !token.is_empty() => {
                let key = self.page_start(question, prefix, token).await?;
                Some(key.ok_or_else(|| self.fault(Fault::BadToken, token))?)
            }
            _ => None,
        };
        let limit = match self.plan.limit.and_then(|limit| self.input.get(limit)) {
            Some(Document::Int(limit)) => usize::try_from(*limit).unwrap_or(0).clamp(1, PAGE_MAX),
            Some(Document::String(limit)) => limit.parse().unwrap_or(PAGE_USUAL).clamp(1, PAGE_MAX),
            _ => PAGE_USUAL,
        };
        let limit = if self.plan.token.is_some() { limit } else { usize::MAX };
        let filter = self.filter();
        if let Some(default) = self.schema.lifecycle.resource(ix).default.as_deref()
            && self.schema.lifecycle.resource(ix).implicit
            && lineage.whole
            && self.find(ix, Some(prefix), Part::Any, default).await?.is_none()
        {
            self.implied(ix, lineage, default).await?;
        }
        loop {
            // One more than wanted tells whether there is a next page.
            let stride = if filter.is_none() { limit.saturating_add(1 - page.records.len().min(1)) } else { STRIDE };
            let stride = stride.min(limit.saturating_add(1)).max(1);
            let rows = self.scan(ix, prefix, after.as_deref(), stride).await?;
            let last = rows.len() < stride;
            let gone = rows.iter().filter(|record| record.is_gone(self.context.now));
            let gone: Vec<(Arc<str>, u64)> = gone.map(|record| (record.key.clone(), record.version)).collect();
            self.purge(&self.table(ix), &gone).await;
            for record in rows {
                after = Some(record.key.to_string());
                if record.is_gone(self.context.now) || !filter.passes(&record) {
                    continue;
                }
                if page.records.len() == limit {
                    let key = page.records[limit - 1].key.clone();
                    page.next = Some(self.page_token(question, prefix, &key).await?);
                    return Ok(());
                }
                page.records.push(record);
            }
            if last {
                return Ok(());
            }
        }
    }
}

/// A number that a new resource is known by.
#[derive(Debug)]
struct Number {
    /// The member that tells it.
    counter: Str,
    number: i64,
    /// The member and value of the number that this one counts within.
    outer: Option<(Str, String)>,
}
