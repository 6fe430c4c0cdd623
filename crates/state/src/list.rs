//! Lists: what is there and passes the filters, page by page.

use std::sync::Arc;

use standin_lifecycle::{Form, Part, TypeIx, TypeKind};
use standin_model::Document;

use crate::errors::Fault;
use crate::handler::{Failed, Work};
use crate::page;
use crate::project::{Answering, Page};
use crate::resolve::Lineage;

/// A page where the caller does not say how long.
const PAGE_USUAL: usize = 1000;
const PAGE_MAX: usize = 10_000;
/// Rows that one call looks at before it gives the page that it has.
const LOOKED_AT_MAX: usize = 100_000;
/// Rows that are looked at for one page of a filtered list at a time.
const STRIDE: usize = 512;

impl Work<'_> {
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
    pub(crate) async fn follow(&self, page: &mut Page) -> Result<(), Failed> {
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
    pub(crate) async fn fill(&self, ix: TypeIx, lineage: &Lineage, page: &mut Page) -> Result<(), Failed> {
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
        let mut filter = self.filter();
        let resource = self.schema.lifecycle.resource(ix);
        let by_name = resource.kind == TypeKind::Named
            && (resource.identity.primary == Some(Part::Name) || resource.identity.name.is_none());
        let begins = if by_name { filter.take_name_prefix() } else { None };
        let keys = format!("{prefix}{}", begins.unwrap_or_default());
        // A list of identifiers cannot tell that what it names is deleted.
        let bare = !self.role.views.iter().any(|view| view.of == ix && view.form == Form::Structure);
        let mut looked_at = 0_usize;
        if let Some(default) = resource.default.as_deref()
            && resource.implicit
            && lineage.whole
            && self.find(ix, Some(prefix), Part::Any, default).await?.is_none()
        {
            self.implied(ix, lineage, default).await?;
        }
        loop {
            // One more than wanted tells whether there is a next page.
            let stride = if filter.is_none() { limit.saturating_add(1 - page.records.len().min(1)) } else { STRIDE };
            let stride = stride.min(limit.saturating_add(1)).max(1);
            let rows = self.scan(ix, &keys, after.as_deref(), stride).await?;
            let last = rows.len() < stride;
            looked_at += rows.len();
            let gone = rows.iter().filter(|record| record.is_gone(self.context.now));
            let gone: Vec<(Arc<str>, u64)> = gone.map(|record| (record.key.clone(), record.version)).collect();
            self.purge(&self.table(ix), &gone).await;
            for record in rows {
                after = Some(record.key.to_string());
                let over = bare && record.is_over(self.context.now) && !record.is_late();
                let unseen = over || !self.sees(&record);
                if unseen || !filter.passes(&record) {
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
            // As AWS does it: a page may hold less than asked for, or nothing, and say how to go on.
            if looked_at >= LOOKED_AT_MAX
                && self.plan.token.is_some()
                && let Some(after) = &after
            {
                page.next = Some(self.page_token(question, prefix, after).await?);
                return Ok(());
            }
        }
    }
}
