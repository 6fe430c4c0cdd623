//! What runs Airflow for an environment, as the control plane sees it.

use std::net::SocketAddr;

use http::{HeaderName, HeaderValue};
use serde_json::Value;
use standin_core::{BoxFuture, Dice, OperationError};
use standin_model::Timestamp;

use crate::token::Identity;
use crate::types::Environment;
use crate::versions;

/// The contents of an environment's files in S3, by their entity tags: those that were there when it was created or last updated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub plugins: Option<String>,
    pub requirements: Option<String>,
    pub startup_script: Option<String>,
}

/// An environment that something is to be done for.
#[derive(Clone, Debug)]
pub struct Target {
    pub partition: String,
    /// 12 digits.
    pub account: String,
    pub region: String,
    /// A UUID: two environments never share it, also of one name.
    pub id: String,
    /// Known to this environment alone: its keys are made of it.
    pub secret: String,
    /// As it is to be.
    pub environment: Environment,
    /// Of its files in S3.
    pub contents: Contents,
    /// How long transitions take, in milliseconds.
    pub pace_ms: i64,
    pub now: Timestamp,
    pub dice: Dice,
}

impl Target {
    pub fn name(&self) -> &str {
        self.environment.name.as_deref().unwrap_or_default()
    }

    /// `2.10.3`.
    pub fn version(&self) -> &str {
        self.environment.airflow_version.as_deref().unwrap_or(versions::DEFAULT_VERSION)
    }

    /// 2 or 3.
    pub fn major(&self) -> u32 {
        versions::major(self.version())
    }
}

/// How far a step has come. The same step is asked for again until it has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    Working {
        again_after_ms: i64,
    },
    Done,
    /// For `LastUpdate.Error`.
    Failed {
        code: String,
        message: String,
    },
}

/// How Airflow is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    Healthy,
    /// Why not.
    Unhealthy(String),
}

/// What a command wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
}

/// A call of Airflow's REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct RestCall {
    /// `GET`, `PUT`, `POST`, `PATCH` or `DELETE`.
    pub method: String,
    /// From behind `/api/v1` or `/api/v2` on, percent-encoded.
    pub path: String,
    /// Decoded.
    pub query: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// What the REST API answers.
#[derive(Clone, Debug, PartialEq)]
pub struct RestReply {
    pub status: u16,
    /// Null where there is no body.
    pub body: Value,
}

/// What answers for the pages and the REST API of an environment, once somebody has signed in.
#[derive(Clone, Debug)]
pub enum Front {
    /// The runtime itself: [`Runtime::rest`] and [`Runtime::page`].
    Runtime,
    /// Airflow's own web server.
    Airflow(Upstream),
    /// Airflow's own web server, which does not answer: why, in a sentence.
    Absent(String),
}

/// Airflow's own web server, for one visitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it speaks HTTP.
    pub address: SocketAddr,
    /// By which it knows who asks; none where nobody has signed in.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Runs Airflow. Every step may be asked for twice, also after a restart, and is then no more than made sure of.
pub trait Runtime: Send + Sync {
    /// How it is called: `simulated`, `local` …
    fn name(&self) -> &'static str;

    /// Gets ready what an environment needs before it can start: an installation, files.
    fn prepare<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress>;

    fn start<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress>;

    /// Makes what runs as the environment is now to be.
    fn update<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress>;

    /// Ends what runs, and removes what was kept for it.
    fn stop<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Progress>;

    fn health<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Health>;

    /// Runs `airflow` with these arguments, which have been allowed.
    fn cli<'a>(&'a self, target: &'a Target, arguments: &'a [String]) -> BoxFuture<'a, Result<Output, OperationError>>;

    fn rest<'a>(
        &'a self,
        target: &'a Target,
        call: &'a RestCall,
        caller: &'a Identity,
    ) -> BoxFuture<'a, Result<RestReply, OperationError>>;

    /// What answers for the pages and the REST API, asked by a visitor; `None` where nobody has signed in.
    fn front(&self, _target: &Target, _visitor: Option<&Identity>) -> Front {
        Front::Runtime
    }

    /// A page of the user interface, as HTML, for somebody who has logged in; nothing where there is none.
    fn page<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        visitor: &'a Identity,
    ) -> BoxFuture<'a, Result<Option<String>, OperationError>>;

    /// Whether it runs what has to be looked after: [`crate::engine::Engine::look_after`].
    fn is_watched(&self) -> bool {
        false
    }

    /// Ends what runs for environments that are not among these ids.
    fn retain<'a>(&'a self, _ids: &'a [String]) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    /// Ends everything that runs, to be started again by the next server on the same data.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}
