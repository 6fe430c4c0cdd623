//! A small model of Airflow that is there at once: DAGs are read from their files without running them, runs go on with the clock,
//! and everything is kept in the store.
//!
//! A run takes as long as transitions do; one whose configuration has `"standin_fail": ["task"]` fails there.

mod cli;
mod dags;
mod folder;
mod logs;
mod python;
mod rest;
mod table;
mod world;

use std::sync::Arc;

use standin_core::{BoxFuture, OperationError};
use standin_store::Store;

use crate::neighbours::Neighbours;
use crate::runtime::{Health, Output, Progress, RestCall, RestReply, Runtime, Target};
use crate::token::Identity;
use folder::Folders;
use world::World;

/// The simulated runtime.
pub struct Simulated {
    store: Arc<dyn Store>,
    neighbours: Neighbours,
    folders: Folders,
}

impl Simulated {
    pub fn new(store: Arc<dyn Store>, neighbours: Neighbours) -> Self {
        Self { store, folders: Folders::new(neighbours.clone()), neighbours }
    }

    fn world<'w>(&'w self, target: &'w Target) -> World<'w> {
        World::new(&*self.store, &self.neighbours, target)
    }
}

impl Runtime for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    fn prepare<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::Done))
    }

    fn start<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::Done))
    }

    fn update<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(std::future::ready(Progress::Done))
    }

    fn stop<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress> {
        Box::pin(async move {
            match self.world(target).clear().await {
                Ok(()) => Progress::Done,
                Err(error) => Progress::Failed { code: "INTERNAL_ERROR".to_owned(), message: error.message },
            }
        })
    }

    fn health<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Health> {
        Box::pin(std::future::ready(Health::Healthy))
    }

    fn cli<'a>(&'a self, target: &'a Target, arguments: &'a [String]) -> BoxFuture<'a, Result<Output, OperationError>> {
        Box::pin(async move {
            let folder = self.folders.read(target).await?;
            let mut key = target.dice.key("airflow-cli");
            key.text(&target.id).number(target.now.as_millis().cast_unsigned());
            for argument in arguments {
                key.text(argument);
            }
            let random = format!("{:08x}", key.draw().below(1 << 32));
            cli::run(&self.world(target), &folder, arguments, &random).await
        })
    }

    fn rest<'a>(
        &'a self,
        target: &'a Target,
        call: &'a RestCall,
        caller: &'a Identity,
    ) -> BoxFuture<'a, Result<RestReply, OperationError>> {
        Box::pin(async move {
            let folder = self.folders.read(target).await?;
            rest::answer(&self.world(target), &folder, call, caller).await
        })
    }

    fn page<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        visitor: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<String>, OperationError>> {
        Box::pin(async move {
            if !matches!(path, "/" | "/home" | "/dags" | "/dags/") {
                return Ok(None);
            }
            let folder = self.folders.read(target).await?;
            let world = self.world(target);
            let mut rows = String::new();
            for dag in &folder.dags {
                let paused = if world.is_paused(dag).await? { "paused" } else { "active" };
                let last = world.runs(&dag.id).await?.first().map(|run| run.state(Some(dag), target.now).name());
                let cells = [dag.id.as_str(), paused, dag.schedule.as_deref().unwrap_or("None"), last.unwrap_or("–")];
                let cells = cells.map(|cell| format!("<td>{}</td>", crate::web::escaped(cell)));
                rows.push_str(&format!("<tr>{}</tr>\n", cells.concat()));
            }
            Ok(Some(format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>DAGs – {name}</title>\n\
                 <style>body{{font:16px system-ui;margin:2em}}td,th{{text-align:left;padding:.3em 1em .3em 0}}</style>\n\
                 <h1>{name}</h1><p>A simulated Airflow {version}. Signed in as {user}.</p>\n\
                 <table><tr><th>DAG<th>State<th>Schedule<th>Last run</tr>\n{rows}</table></html>\n",
                name = crate::web::escaped(target.name()),
                version = crate::web::escaped(target.version()),
                user = crate::web::escaped(&visitor.user),
            )))
        })
    }
}
