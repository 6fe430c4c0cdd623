//! Making resources.

use std::sync::Arc;

use standin_lifecycle::{Part, Step, TypeKind};
use standin_model::words::squash;
use standin_model::{Document, Fields};
use standin_store::Batch;

use crate::absorb::absorb;
use crate::batch::own_path;
use crate::count::Number;
use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::make::{Draft, Making, body, harvest};
use crate::record::Record;
use crate::resolve::{BY_ARN, BY_ID, Lineage, index};
use crate::schema::first_member;
use crate::transition::Passing;

/// How often an identifier is drawn before the call gives up.
const DRAWS_MAX: u32 = 8;

impl Work<'_> {
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
            let same = self.role.repeatable && self.gives_the_same(&old);
            if self.models(Fault::Exists) && !same {
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
        self.rows.commit(batch).await?;
        self.show(&record, None).await
    }

    /// What lies in the same place under the same name, where the operation models that names are unique.
    pub(crate) async fn namesake(&self, prefix: &str) -> Result<Option<Record>, Failed> {
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
    pub(crate) fn given_name(&self) -> Option<String> {
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

    pub(crate) fn gives_the_same(&self, old: &Record) -> bool {
        let mut data = Fields::new();
        absorb(self.schema.ty(self.role.resource), self.role, self.plan, self.said(), &mut data, false);
        data.iter().all(|(name, value)| old.data(name).is_some_and(|old| holds(old, value)))
    }

    /// What is at the other end of a link that a call makes.
    pub(crate) async fn other_end(&self) -> Result<Option<Record>, Failed> {
        let resource = self.schema.lifecycle.resource(self.role.resource);
        let (Some(target), TypeKind::Link) = (resource.target, resource.kind) else { return Ok(None) };
        match self.bound(self.role.resource).first() {
            Some((part, text)) => self.find(target, None, *part, text).await,
            None => Ok(None),
        }
    }

    pub(crate) fn making(&self) -> Making<'_> {
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
    pub(crate) async fn is_taken(&self, record: &Record, key: bool) -> Result<bool, Failed> {
        let table = self.table(self.role.resource);
        if key && self.rows.get(&table, &record.key).await?.is_some() {
            return Ok(true);
        }
        let identity = record.identity();
        // Versions and aliases may share the id of what they lie in.
        let id = identity.id().filter(|_| key);
        for (index, text) in [(BY_ID, id), (BY_ARN, identity.arn())] {
            if let Some(text) = text
                && !self.rows.find(&table, index, text, None, 1).await?.is_empty()
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A new resource, not stored yet. `attempt` counts how often what was made up was taken already.
    pub(crate) fn make(
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
    pub(crate) fn only(&self, lineage: &Lineage) -> Result<Record, Failed> {
        let key = self.chosen_key(self.role.resource, &lineage.around);
        self.make(lineage, key, None, None, 0)
    }
}

/// Whether a value is there as it is given: of maps and structures, all that is given.
fn holds(old: &Document, given: &Document) -> bool {
    match (old, given) {
        (Document::Map(old), Document::Map(given)) => {
            given.iter().all(|(name, value)| old.get(name).is_some_and(|old| holds(old, value)))
        }
        _ => old == given,
    }
}
