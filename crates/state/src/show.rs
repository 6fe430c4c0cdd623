//! What outputs show of resources.

use std::sync::OnceLock;

use standin_lifecycle::{Status, TypeKind};
use standin_model::Document;

use crate::handler::{Failed, Work};
use crate::project::{Answering, Inside};
use crate::record::Record;
use crate::resolve::WITHIN;

/// Resources that are shown within the one that they lie in.
const INSIDE_MAX: usize = 1000;

static NOTHING_INSIDE: OnceLock<Inside> = OnceLock::new();

impl<'w> Work<'w> {
    pub(crate) fn status(&self) -> Option<&'w Status> {
        self.schema.lifecycle.resource(self.role.resource).status.as_ref()
    }

    pub(crate) fn answering<'s>(&'s self, status: Option<&'s str>) -> Answering<'s> {
        Answering {
            schema: self.schema,
            context: self.context,
            input: self.input,
            synthesizer: &self.resources.synthesizer,
            status,
            inside: NOTHING_INSIDE.get_or_init(Inside::default),
        }
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

    /// The output that shows a resource.
    pub(crate) async fn show(&self, record: &Record, status: Option<&str>) -> Result<Document, Failed> {
        let Some(output) = &self.plan.output else { return Ok(Document::map()) };
        let inside = self.inside(std::slice::from_ref(record)).await?;
        let answering = Answering { inside: &inside, ..self.answering(status) };
        Ok(answering.of_record(output, self.status(), record))
    }

    /// What lies in resources and is shown within them.
    pub(crate) async fn inside(&self, records: &[Record]) -> Result<Inside, Failed> {
        let mut inside = Inside::default();
        for child in &self.schema.ty(self.role.resource).shown_children {
            for record in records {
                let found = self.scan(*child, &format!("{}{WITHIN}", record.key), None, INSIDE_MAX).await?;
                let own = |row: &Record| !row.key[record.key.len() + WITHIN.len_utf8()..].contains(WITHIN);
                let found: Vec<Record> = found.into_iter().filter(|row| own(row) && self.sees(row)).collect();
                inside.insert((*child, record.key.clone()), found);
            }
        }
        Ok(inside)
    }
}
