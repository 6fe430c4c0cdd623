//! Tag, untag and list the tags of any resource of a service.

use standin_lifecycle::{Part, TypeIx};
use standin_model::words::squash;
use standin_model::{Document, Fields};
use standin_store::Table;

use crate::handler::{Failed, Work};
use crate::names::is_tags;
use crate::record::{self, Record};
use crate::tags;

impl Work<'_> {
    /// The resource that a tagging operation names, of whatever type.
    async fn tagged(&self) -> Result<(Table, Record), Failed> {
        let line = self.schema.lifecycle.lineage(self.role.resource);
        let mut asked = self.bound(self.role.resource);
        if asked.is_empty() {
            asked = line.iter().flat_map(|ix| self.bound(*ix)).collect();
        }
        let Some((part, text)) = asked.first() else { return Err(Failed::Unknown) };
        let arn = text.starts_with("arn:") || *part == Part::Arn;
        let mut order: Vec<TypeIx> = vec![self.role.resource];
        if arn || *part == Part::Any {
            order.extend(self.schema.lifecycle.indices().filter(|ix| *ix != self.role.resource));
            // What the ARN says it is of comes first.
            let told = squash(text.splitn(6, ':').nth(5).unwrap_or(text).split(['/', ':']).next().unwrap_or_default());
            order.sort_by_key(|ix| {
                let noun = &self.schema.ty(*ix).noun;
                !(noun.text == told
                    || noun.endings.contains(&told)
                    || standin_model::words::singular_of(&told) == noun.text)
            });
        }
        for ix in order {
            if let Some(record) = self.find(ix, None, *part, text).await? {
                return Ok((self.table(ix), record));
            }
        }
        Err(self.missing("resource", text).into())
    }

    fn told(&self) -> Option<(&str, &Document)> {
        let fields = self.input.as_map()?;
        fields.iter().find(|(name, _)| is_tags(name)).map(|(name, value)| (&**name, value))
    }

    pub(crate) async fn tag(&self) -> Result<Document, Failed> {
        let (table, record) = self.tagged().await?;
        let mut all = record.tags().cloned().unwrap_or_default();
        let given = self.told().map(|(_, value)| tags::read(value)).unwrap_or_default();
        for (key, value) in given {
            all.insert(key, value);
        }
        self.store_tags(&table, &record, all).await
    }

    pub(crate) async fn untag(&self) -> Result<Document, Failed> {
        let (table, record) = self.tagged().await?;
        let mut all = record.tags().cloned().unwrap_or_default();
        let fields = self.input.as_map().into_iter().flat_map(Fields::iter);
        let named = fields.filter(|(name, _)| {
            let name = squash(name);
            name.contains("tag") && !name.contains("arn")
        });
        for key in named.flat_map(|(_, value)| tags::keys(value)) {
            all.remove(&key);
        }
        self.store_tags(&table, &record, all).await
    }

    async fn store_tags(&self, table: &Table, record: &Record, all: Fields) -> Result<Document, Failed> {
        let mut fields = record.body.as_map().cloned().unwrap_or_default();
        if all.is_empty() {
            fields.remove(record::TAGS);
        } else {
            fields.insert(record::TAGS, all);
        }
        let record = self.replace(table, record, Document::Map(fields)).await?;
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
                if let Some(value) = tags::show(service, member.target, held) {
                    fields.push(member.name, value);
                }
            } else if let Some(value) = self.input.get(member.name) {
                fields.push(member.name, value.clone());
            }
        }
        Document::Map(fields)
    }
}
