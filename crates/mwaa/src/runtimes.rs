//! The runtimes of a server, and which of them an environment has.

use std::sync::Arc;

use standin_core::{BoxFuture, OperationError};

use crate::runtime::{Front, Health, Output, Progress, RestCall, RestReply, Runtime, Target};
use crate::token::Identity;

/// The tag by which an environment chooses its runtime.
pub const TAG: &str = "standin:runtime";

/// Hands everything on to the runtime of the environment: the one that its tag names, else the server's usual one.
pub struct Runtimes {
    all: Vec<Arc<dyn Runtime>>,
    usual: &'static str,
}

impl Runtimes {
    /// The first of them is the usual one.
    pub fn new(usual: Arc<dyn Runtime>, others: Vec<Arc<dyn Runtime>>) -> Self {
        Self { usual: usual.name(), all: std::iter::once(usual).chain(others).collect() }
    }

    /// With another usual one. Where there is none of this name, environments that do not choose cannot be made.
    #[must_use]
    pub fn with_usual(self, name: &'static str) -> Self {
        Self { usual: name, ..self }
    }

    /// The name of the runtime that an environment wants.
    fn wanted<'t>(&self, target: &'t Target) -> &'t str {
        target.environment.tags.as_ref().and_then(|tags| tags.get(TAG)).map_or(self.usual, String::as_str)
    }

    fn of(&self, target: &Target) -> &dyn Runtime {
        let wanted = self.wanted(target);
        let named = self.all.iter().find(|runtime| runtime.name() == wanted);
        &**named.unwrap_or(&self.all[0])
    }

    /// Why an environment cannot have what it wants.
    fn missing(&self, target: &Target) -> Option<Progress> {
        let wanted = self.wanted(target);
        if self.all.iter().any(|runtime| runtime.name() == wanted) {
            return None;
        }
        let names: Vec<&str> = self.all.iter().map(|runtime| runtime.name()).collect();
        let message = format!(
            "this server has no runtime {wanted} (tag {TAG}, or the setting mwaa-runtime); it has {}",
            names.join(", ")
        );
        Some(Progress::Failed { code: "INCORRECT_CONFIGURATION".to_owned(), message })
    }
}

impl Runtime for Runtimes {
    fn name(&self) -> &'static str {
        self.all[0].name()
    }

    fn prepare<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        match self.missing(target) {
            Some(failed) => Box::pin(std::future::ready(failed)),
            None => self.of(target).prepare(target),
        }
    }

    fn start<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        self.of(target).start(target)
    }

    fn update<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        self.of(target).update(target)
    }

    fn stop<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        self.of(target).stop(target)
    }

    fn health<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Health> {
        self.of(target).health(target)
    }

    fn cli<'a>(&'a self, target: &'a Target, arguments: &'a [String]) -> BoxFuture<'a, Result<Output, OperationError>> {
        self.of(target).cli(target, arguments)
    }

    fn rest<'a>(
        &'a self,
        target: &'a Target,
        call: &'a RestCall,
        caller: &'a Identity,
    ) -> BoxFuture<'a, Result<RestReply, OperationError>> {
        self.of(target).rest(target, call, caller)
    }

    fn front(&self, target: &Target, visitor: Option<&Identity>) -> Front {
        self.of(target).front(target, visitor)
    }

    fn page<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        visitor: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<String>, OperationError>> {
        self.of(target).page(target, path, visitor)
    }

    fn is_watched(&self) -> bool {
        self.all.iter().any(|runtime| runtime.is_watched())
    }

    fn retain<'a>(&'a self, ids: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            for runtime in &self.all {
                runtime.retain(ids).await;
            }
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            for runtime in &self.all {
                runtime.close().await;
            }
        })
    }
}
