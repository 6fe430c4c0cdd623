//! Changing resources: their members, their status, their name.

use std::borrow::Cow;
use std::sync::Arc;

use standin_lifecycle::{Part, TypeKind, Verb};
use standin_model::{Document, Fields, Str};
use standin_store::{Batch, StoreError, Table};

use crate::absorb::absorb;
use crate::edits;
use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::make::touch;
use crate::record::{self, Identity, Record};
use crate::resolve::{WITHIN, index, values};
use crate::tagging::look;
use crate::transition::Passing;

impl Work<'_> {
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
                self.rows.commit(batch).await?;
                self.show(&record, None).await
            }
            None => Err(self.not_found()),
        }
    }

    /// Changes a resource: absent members stay, empty ones are cleared. With `replace`, what is not given goes.
    pub(crate) async fn change(
        &self,
        old: &Record,
        status: Option<Option<Str>>,
        replace: bool,
    ) -> Result<Document, Failed> {
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
    pub(crate) fn moved_key(&self, old: &Record, name: &str) -> Option<String> {
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
    pub(crate) async fn move_to(&self, old: &Record, key: &str, body: Document) -> Result<Record, Failed> {
        let body = Arc::new(body);
        let table = self.table(self.role.resource);
        let mut batch = Batch::default();
        batch.check(&table, old.key.clone(), Some(old.version));
        batch.check(&table, key, None);
        batch.delete(&table, old.key.clone());
        batch.put(&table, key, body.clone(), index(Identity(&body)));
        for child in self.schema.descendants(self.role.resource) {
            let table = self.table(child);
            // All in one batch, however many: half of them under another key would be lost.
            for row in self.scan(child, &format!("{}{WITHIN}", old.key), None, usize::MAX).await? {
                let moved = format!("{key}{}", &row.key[old.key.len()..]);
                batch.delete(&table, row.key.clone());
                batch.put(&table, moved, row.body.clone(), index(row.identity()));
            }
        }
        match self.rows.commit(batch).await {
            Ok(version) => Ok(Record { key: key.into(), version, body }),
            Err(StoreError::Conflict) if self.get(self.role.resource, key).await?.is_some() => {
                Err(self.fault(Fault::Exists, key))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The name that an update gives.
    pub(crate) fn new_name(&self, old: &Record) -> Option<String> {
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
        let version = self.rows.commit(batch).await?;
        Ok(Record { key: old.key.clone(), version, body })
    }
}
