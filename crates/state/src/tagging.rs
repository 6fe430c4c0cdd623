//! Tag, untag and list the tags of any resource of a service.

use standin_lifecycle::{Binding, Part, TypeIx};
use standin_model::words::squash;
use standin_model::{Document, Fields, Kind, ShapeIx, Str};
use standin_store::Table;

use crate::everywhere::Everywhere;
use crate::handler::{Failed, Work};
use crate::names::is_tags;
use crate::record::Record;
use crate::resolve::values;
use crate::schema::last_member;
use crate::tags;

/// The value at a way through structures.
pub(crate) fn look<'d>(input: &'d Document, path: &[Str]) -> Option<&'d Document> {
    path.iter().try_fold(input, |at, name| at.get(name))
}

impl Work<'_> {
    /// The tags that the input gives.
    pub(crate) fn given_tags(&self) -> Fields {
        let Some(path) = &self.plan.tags else { return Fields::new() };
        match look(self.said(), path).or_else(|| look(self.input, path)) {
            Some(value @ Document::List(_)) if path.last() == Some(&"TagSpecifications") => {
                tags::of_specifications(value)
            }
            Some(value) => tags::read(value),
            None => Fields::new(),
        }
    }

    /// The resource that a tagging operation names, of whatever type.
    async fn tagged(&self) -> Result<(Table, Record), Failed> {
        let own = self.role.resource;
        let bindings = self.role.bindings.iter();
        let mut asked: Vec<_> = bindings
            .flat_map(|binding| values(self.input, &binding.path).into_iter().map(move |value| (binding, value)))
            .collect();
        // Besides what an operation on any type is about, it may ask for what that lies in.
        let says_resource =
            |binding: &Binding| last_member(&binding.path).is_some_and(|member| squash(member).contains("resource"));
        asked.sort_by_key(|(binding, _)| {
            (self.role.any && !says_resource(binding), binding.of != own, binding.part == Part::Name)
        });
        let Some((binding, text)) = asked.first() else { return Err(Failed::Unknown) };
        let arn = text.starts_with("arn:");
        let mut order: Vec<TypeIx> = vec![binding.of];
        if arn || self.role.any || matches!(binding.part, Part::Arn | Part::Any) {
            order.extend(self.schema.lifecycle.indices().filter(|ix| *ix != binding.of));
            // What the ARN says it is of comes first.
            let told = squash(text.splitn(6, ':').nth(5).unwrap_or(text).split(['/', ':']).next().unwrap_or_default());
            order.sort_by_key(|ix| {
                let noun = &self.schema.ty(*ix).noun;
                !(noun.text == told
                    || noun.endings.contains(&told)
                    || standin_model::words::singular_of(&told) == noun.text)
            });
        }
        let all = Everywhere { store: &*self.resources.store, context: self.context };
        if arn {
            let own: Vec<Table> = order.iter().map(|ix| self.table(*ix)).collect();
            if let Some(found) = all.by_arn(&own, text).await? {
                return Ok(found);
            }
        }
        for ix in order {
            let root = self.schema.lifecycle.resource(ix).parent.is_none().then_some("");
            if let Some(record) = self.find(ix, root, binding.part, text).await? {
                return Ok((self.table(ix), record));
            }
        }
        // Some services share their tagging operations: all that are signed as `chime`.
        if arn && let Some(found) = all.by_arn(&all.tables().await?, text).await? {
            return Ok(found);
        }
        Err(self.missing("resource", text).into())
    }

    /// The tags that the input gives, or the keys of those that it takes away.
    fn told(&self) -> Option<&Document> {
        let path = self.plan.tags.as_ref().filter(|path| !path.is_empty());
        path.and_then(|path| look(self.input, path)).or_else(|| {
            let fields = self.input.as_map()?;
            fields.iter().find(|(name, _)| is_tags(name)).map(|(_, value)| value)
        })
    }

    pub(crate) async fn tag(&self) -> Result<Document, Failed> {
        let (table, record) = self.tagged().await?;
        let mut all = record.tags().cloned().unwrap_or_default();
        for (key, value) in self.told().map(tags::read).unwrap_or_default() {
            all.insert(key, value);
        }
        self.store_tags(&table, &record, all).await
    }

    pub(crate) async fn untag(&self) -> Result<Document, Failed> {
        let (table, record) = self.tagged().await?;
        let mut all = record.tags().cloned().unwrap_or_default();
        let named = || {
            let fields = self.input.as_map().into_iter().flat_map(Fields::iter);
            let mut fields = fields.filter(|(name, _)| {
                let name = squash(name);
                name.contains("tag") && !name.contains("arn")
            });
            fields.next().map(|(_, value)| value)
        };
        for key in self.told().or_else(named).map(tags::keys).unwrap_or_default() {
            all.remove(&key);
        }
        self.store_tags(&table, &record, all).await
    }

    async fn store_tags(&self, table: &Table, record: &Record, all: Fields) -> Result<Document, Failed> {
        let record = self.replace(table, record, record.with_tags(all)).await?;
        Ok(self.show_tags(&record))
    }

    pub(crate) async fn list_tags(&self) -> Result<Document, Failed> {
        let (_, record) = self.tagged().await?;
        Ok(self.show_tags(&record))
    }

    /// The output of a tagging operation.
    fn show_tags(&self, record: &Record) -> Document {
        let service = self.context.service;
        let Some(output) = self.context.operation.output.and_then(|output| service.structure(output)) else {
            return Document::map();
        };
        let none = Fields::new();
        let held = record.tags().unwrap_or(&none);
        let mut fields = Fields::with_capacity(1);
        for member in &output.members {
            if is_tags(member.name) || squash(member.name).contains("tag") {
                if let Some(mut value) = tags::show(service, member.target, held) {
                    self.repeat(member.target, &mut value);
                    fields.push(member.name, value);
                } else if member.required && matches!(service.target(member).kind, Kind::Boolean) {
                    // `HasMoreTags`
                    fields.push(member.name, false);
                }
            } else if let Some(value) = self.input.get(member.name) {
                fields.push(member.name, value.clone());
            }
        }
        Document::Map(fields)
    }

    /// Sets the members of a structure around tags that say again what was asked.
    fn repeat(&self, shape: ShapeIx, value: &mut Document) {
        let structure = self.context.service.structure(shape);
        let (Some(structure), Document::Map(fields)) = (structure, value) else { return };
        for member in &structure.members {
            if let Some(asked) = self.input.get(member.name).filter(|_| !fields.contains_key(member.name)) {
                fields.push(member.name, asked.clone());
            }
        }
    }
}
