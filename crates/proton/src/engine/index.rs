//! What rows are found by besides their keys, so that no list and no check reads a whole table.

use standin_core::OperationError;
use standin_store::Range;

use super::kept::{Kept, ORDER, Resource, order};
use super::tx::{Page, Tx, past, read};
use crate::types::*;

/// By the environment that something lives in.
pub const ENVIRONMENT: &str = "environment";
/// By the service that something belongs to, then by its name.
pub const SERVICE: &str = "service";
/// By service and instance.
pub const INSTANCE: &str = "instance";
pub const COMPONENT: &str = "component";
/// By the template version that something is deployed on, or on its way to.
pub const VERSION: &str = "version";

/// Rows that are read in one go.
const PAGE: usize = 256;

/// Parts as a value that sorts as they do, one after the other. No part has such a character.
pub fn joined(parts: &[&str]) -> String {
    parts.iter().flat_map(|part| [*part, "\u{1}"]).collect()
}

/// Indexes and values of a row.
pub type Entries = Vec<(&'static str, String)>;

fn version(kind: &str, template: &str, major: &str, minor: &str) -> (&'static str, String) {
    (VERSION, joined(&[kind, template, major, minor]))
}

/// The value under which [`VERSION`] has what is deployed on a version.
pub fn of_version(service: bool, template: &str, major: &str, minor: &str) -> String {
    version(if service { SERVICE } else { ENVIRONMENT }, template, major, minor).1
}

pub fn of_environment(it: &Environment) -> Entries {
    vec![version(ENVIRONMENT, &it.template_name, &it.template_major_version, &it.template_minor_version)]
}

pub fn of_service(it: &Service) -> Entries {
    let pipeline = it.pipeline.iter();
    pipeline
        .map(|it| version(SERVICE, &it.template_name, &it.template_major_version, &it.template_minor_version))
        .collect()
}

pub fn of_instance(it: &ServiceInstance) -> Entries {
    vec![
        (SERVICE, joined(&[&it.service_name, &it.name])),
        (ENVIRONMENT, joined(&[&it.environment_name, &it.service_name, &it.name])),
        version(SERVICE, &it.template_name, &it.template_major_version, &it.template_minor_version),
    ]
}

pub fn of_component(it: &Component) -> Entries {
    let order = order(it);
    let mut entries = vec![(ENVIRONMENT, joined(&[&it.environment_name, &order]))];
    if let (Some(service), Some(instance)) = (&it.service_name, &it.service_instance_name) {
        entries.push((SERVICE, joined(&[service, &order])));
        entries.push((INSTANCE, joined(&[service, instance, &order])));
    }
    entries
}

/// What is on its way to a version uses it.
pub fn of_deployment(it: &Deployment) -> Entries {
    let order = order(it);
    let mut entries = vec![(ENVIRONMENT, joined(&[&it.environment_name, &order]))];
    if let Some(service) = &it.service_name {
        entries.push((SERVICE, joined(&[service, &order])));
        if let Some(instance) = &it.service_instance_name {
            entries.push((INSTANCE, joined(&[service, instance, &order])));
        }
    }
    if let Some(component) = &it.component_name {
        entries.push((COMPONENT, joined(&[component, &order])));
    }
    if let Some(state) = it.target_state.as_ref().filter(|_| super::deployments::is_busy(it.deployment_status)) {
        let of = |kind, template: &String, major: &String, minor: &String| version(kind, template, major, minor);
        if let Some(to) = &state.environment {
            entries.push(of(ENVIRONMENT, &to.template_name, &to.template_major_version, &to.template_minor_version));
        }
        if let Some(to) = &state.service_instance {
            entries.push(of(SERVICE, &to.template_name, &to.template_major_version, &to.template_minor_version));
        }
        if let Some(to) = &state.service_pipeline {
            entries.push(of(SERVICE, &to.template_name, &to.template_major_version, &to.template_minor_version));
        }
    }
    entries
}

/// A part of an index.
#[derive(Clone, Debug)]
pub struct Part {
    pub index: &'static str,
    /// What values begin with.
    pub prefix: String,
}

impl Part {
    /// Everything, newest first.
    pub fn all() -> Self {
        Self { index: ORDER, prefix: String::new() }
    }

    pub fn of(index: &'static str, parts: &[&str]) -> Self {
        Self { index, prefix: joined(parts) }
    }

    /// Where a row is in it.
    pub fn place<T: Resource>(&self, row: &Kept<T>) -> Option<String> {
        if self.index == ORDER {
            return Some(row.order());
        }
        let entries = row.value.found_by();
        entries
            .into_iter()
            .find(|(index, value)| *index == self.index && value.starts_with(&self.prefix))
            .map(|(_, value)| value)
    }
}

impl Tx<'_> {
    /// The rows of a part that come after a place, as they are in the store.
    pub async fn after<T: Resource>(
        &self,
        part: &Part,
        place: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Kept<T>>, OperationError> {
        let from = place.map_or_else(|| part.prefix.clone(), past);
        let to = format!("{}\u{10FFFF}", part.prefix);
        let table = self.space().table(T::TABLE);
        let range = Range { index: part.index, from: &from, to: &to, limit };
        let rows = self.engine.store.range(&table, range).await.map_err(OperationError::internal)?;
        rows.iter().map(|row| read(&row.body)).collect()
    }

    /// The first row of a part, as this operation left it. It decides by that row.
    pub async fn first<T: Resource>(&mut self, part: &Part) -> Result<Option<Kept<T>>, OperationError> {
        for written in self.written_rows::<T>() {
            let kept: Kept<T> = read(&written)?;
            if part.place(&kept).is_some() {
                return Ok(Some(kept));
            }
        }
        let mut place: Option<String> = None;
        loop {
            // What this operation took away, or out of the part, is there still.
            let rows = self.after::<T>(part, place.as_deref(), 1).await?;
            let Some(row) = rows.into_iter().next() else { return Ok(None) };
            place = part.place(&row);
            if let Some(now) = self.find::<T>(&row.value.key()).await?
                && part.place(&now).is_some()
            {
                return Ok(Some(now));
            }
            if place.is_none() {
                return Ok(None);
            }
        }
    }

    /// A page of the resources of a part that a filter lets through, and the token of the next.
    pub async fn page_of<T: Resource>(
        &self,
        part: &Part,
        page: Page<'_>,
        keep: impl Fn(&Kept<T>) -> bool + Send,
    ) -> Result<(Vec<Kept<T>>, Option<String>), OperationError> {
        let wanted = page.size();
        let mut place = page.token.map(|token| self.place(token)).transpose()?;
        let mut found: Vec<Kept<T>> = Vec::new();
        loop {
            let limit = PAGE.min(wanted + 1);
            let rows = self.after::<T>(part, place.as_deref(), limit).await?;
            let count = rows.len();
            for row in rows {
                place = part.place(&row);
                if keep(&row) {
                    if found.len() == wanted {
                        let last = found.last().and_then(|last| part.place(last));
                        return Ok((found, last.map(|last| self.token(&last))));
                    }
                    found.push(row);
                }
            }
            if count < limit {
                return Ok((found, None));
            }
        }
    }
}
