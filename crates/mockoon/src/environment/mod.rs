//! Environment files: what is in them, and how a file of any age becomes an [`Environment`].

mod migrate;
mod repair;

use std::sync::Arc;

use serde_json::Value;

use crate::ids::Ids;
use crate::openapi;

pub(crate) use repair::is_route_method;

pub use migrate::MIGRATION_LAST;

/// A Mockoon environment, migrated to the newest form, every field present.
#[derive(Clone, Debug, PartialEq)]
pub struct Environment {
    pub uuid: String,
    pub name: String,
    pub endpoint_prefix: String,
    /// In milliseconds, before every answer.
    pub latency: u64,
    pub port: u16,
    /// Empty for all addresses.
    pub hostname: String,
    pub folders: Vec<Folder>,
    pub routes: Vec<Route>,
    pub root_children: Vec<Child>,
    pub proxy_mode: bool,
    pub proxy_host: String,
    pub proxy_remove_prefix: bool,
    pub tls: Tls,
    pub cors: bool,
    pub headers: Vec<Header>,
    pub proxy_request_headers: Vec<Header>,
    pub proxy_response_headers: Vec<Header>,
    pub data: Vec<Bucket>,
    pub callbacks: Vec<Callback>,
    /// References of an OpenAPI document to elsewhere, which are not followed.
    pub external_references: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub uuid: String,
    pub name: String,
    pub children: Vec<Child>,
}

/// What a folder, or the root, lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Child {
    Route(String),
    Folder(String),
}

impl Child {
    pub fn uuid(&self) -> &str {
        match self {
            Self::Route(uuid) | Self::Folder(uuid) => uuid,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub enabled: bool,
    pub is_pfx: bool,
    pub pfx_path: String,
    pub cert_path: String,
    pub key_path: String,
    pub ca_path: String,
    pub passphrase: String,
}

/// A header of an answer; the value is a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub key: String,
    pub value: String,
}

/// A data bucket; the value is a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub uuid: String,
    pub id: String,
    pub name: String,
    pub value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteKind {
    Http,
    Crud,
    WebSocket,
}

/// How a route chooses among its responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// By rules, else the default.
    Rules,
    Random,
    Sequential,
    DisableRules,
    /// By rules, else the next route.
    Fallback,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Streaming {
    Unicast,
    Broadcast,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    pub uuid: String,
    pub kind: RouteKind,
    /// In lower case; `all` for every method, empty for routes that have none.
    pub method: String,
    pub endpoint: String,
    pub responses: Vec<Response>,
    pub mode: Mode,
    pub streaming: Option<Streaming>,
    /// In milliseconds.
    pub streaming_interval: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    Inline,
    File,
    Bucket,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    pub uuid: String,
    /// Shared with what is compiled from it: bodies are the most of an environment.
    pub body: Arc<str>,
    /// In milliseconds, on top of the environment's.
    pub latency: u64,
    pub status: u16,
    pub label: String,
    pub headers: Vec<Header>,
    pub body_type: BodyType,
    pub file_path: String,
    pub bucket_id: String,
    pub send_file_as_body: bool,
    pub rules: Vec<Rule>,
    /// All rules must hold, not just one.
    pub all_rules: bool,
    pub disable_templating: bool,
    pub fallback_to_404: bool,
    pub is_default: bool,
    pub crud_key: String,
    pub callbacks: Vec<CallbackCall>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackCall {
    pub uuid: String,
    /// In milliseconds.
    pub latency: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Body,
    Query,
    Header,
    Cookie,
    Params,
    Path,
    Method,
    RequestNumber,
    GlobalVar,
    DataBucket,
    Templating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equals,
    Regex,
    RegexIgnoringCase,
    Null,
    EmptyArray,
    ArrayIncludes,
    ValidJsonSchema,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub target: Target,
    pub modifier: String,
    pub value: String,
    pub invert: bool,
    pub operator: Operator,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    pub uuid: String,
    pub id: String,
    pub name: String,
    pub method: String,
    pub uri: String,
    pub headers: Vec<Header>,
    pub body: String,
    pub body_type: BodyType,
    pub file_path: String,
    pub send_file_as_body: bool,
    pub bucket_id: String,
}

/// Why a file is not an environment.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the file is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("the file is neither a Mockoon environment nor an OpenAPI document, as JSON or YAML")]
    Nothing,
    #[error("the file is not YAML")]
    Yaml(#[from] yaml_serde::Error),
    #[error("the OpenAPI document cannot be converted: {0}")]
    OpenApi(&'static str),
    #[error(
        "{name} is not a Mockoon environment, or of a version from before migrations; --repair loads it as well as it can"
    )]
    TooOld { name: String },
    #[error(
        "the environment was written by a newer Mockoon: its last migration is {found}, the newest known one is {MIGRATION_LAST}"
    )]
    TooNew { found: u64 },
}

impl Environment {
    /// Reads an environment file, or an OpenAPI document as JSON or YAML: runs all migrations that it has not had, replaces what is missing or wrong by
    /// defaults, and mends references between folders and routes.
    ///
    /// # Errors
    /// When it is not JSON, is newer than what is known here, or is no environment and `repair` is not asked for.
    pub fn load(bytes: &[u8], repair: bool) -> Result<Self, LoadError> {
        // A byte order mark is no part of the text.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut value = match serde_json::from_slice(bytes) {
            Ok(value) => value,
            Err(error) => openapi::from_yaml(bytes, error)?,
        };
        if openapi::is_document(&value) {
            let mut environment = repair::environment(&openapi::environment(&value)?, &mut Ids::new(bytes));
            environment.external_references = openapi::external_references(&value);
            environment.repair_references();
            return Ok(environment);
        }
        match value.get("lastMigration") {
            None if !repair => {
                let name = value.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
                return Err(LoadError::TooOld {
                    name: name.map_or("this file".to_owned(), |name| format!("\"{name}\"")),
                });
            }
            Some(last) if last.as_f64().is_some_and(|last| last > f64::from(MIGRATION_LAST)) => {
                return Err(LoadError::TooNew { found: last.as_f64().unwrap_or_default() as u64 });
            }
            _ => {}
        }
        let mut ids = Ids::new(bytes);
        migrate::migrate(&mut value, &mut ids);
        let mut environment = repair::environment(&value, &mut ids);
        environment.repair_references();
        Ok(environment)
    }

    /// Reads an environment of the newest form; nothing is migrated, and routes that nothing lists stay so.
    pub(crate) fn of_now(value: &Value) -> Self {
        repair::environment(value, &mut Ids::new(value.to_string().as_bytes()))
    }

    /// Drops children that point nowhere or are listed before, and appends what nothing lists to the root.
    fn repair_references(&mut self) {
        let mut routes: Vec<String> = Vec::new();
        let mut folders: Vec<String> = Vec::new();
        let collect = |into: &mut Vec<String>, uuids: &mut dyn Iterator<Item = &String>| {
            let mut seen = std::collections::HashSet::new();
            into.extend(uuids.filter(|uuid| seen.insert(uuid.as_str())).cloned());
        };
        collect(&mut routes, &mut self.routes.iter().map(|route| &route.uuid));
        collect(&mut folders, &mut self.folders.iter().map(|folder| &folder.uuid));
        let mut open_routes: std::collections::HashSet<String> = routes.iter().cloned().collect();
        let mut open_folders: std::collections::HashSet<String> = folders.iter().cloned().collect();
        let mut keep = |child: &Child| match child {
            Child::Route(uuid) => open_routes.remove(uuid),
            Child::Folder(uuid) => open_folders.remove(uuid),
        };
        for folder in &mut self.folders {
            folder.children.retain(&mut keep);
        }
        self.root_children.retain(&mut keep);
        self.root_children.extend(folders.into_iter().filter(|uuid| open_folders.contains(uuid)).map(Child::Folder));
        self.root_children.extend(routes.into_iter().filter(|uuid| open_routes.contains(uuid)).map(Child::Route));
    }

    /// The routes of the given kinds in the order in which they are tried, without those that are disabled. A word
    /// disables the route with that uuid, all whose endpoint contains it, and all in folders whose name contains it;
    /// `*` disables all. In folders the kinds do not count, as in Mockoon.
    pub fn routes_in_order(&self, kinds: &[RouteKind], disabled: &[String]) -> Vec<usize> {
        let by_uuid = |uuid: &str, of_kind: &dyn Fn(&Route) -> bool| {
            self.routes.iter().position(|route| route.uuid == uuid && of_kind(route) && !is_disabled(route, disabled))
        };
        let mut order = Vec::new();
        if disabled.iter().any(|word| word == "*") {
            return order;
        }
        // A folder that contains itself is listed nowhere else, so this ends; the depth is bounded all the same.
        let mut pending: Vec<(&Child, bool)> = self.root_children.iter().rev().map(|child| (child, true)).collect();
        let mut steps = self.routes.len() + self.folders.len();
        while let Some((child, at_root)) = pending.pop() {
            match child {
                Child::Route(uuid) => {
                    order.extend(by_uuid(uuid, &|route| !at_root || kinds.contains(&route.kind)));
                }
                Child::Folder(uuid) => {
                    let folder = self.folders.iter().find(|folder| {
                        folder.uuid == *uuid && !disabled.iter().any(|word| folder.name.contains(word.as_str()))
                    });
                    if let Some(folder) = folder
                        && steps > 0
                    {
                        pending.extend(folder.children.iter().rev().map(|child| (child, false)));
                    }
                }
            }
            steps = steps.saturating_sub(1);
        }
        order
    }
}

fn is_disabled(route: &Route, disabled: &[String]) -> bool {
    disabled.iter().any(|word| *word == route.uuid || route.endpoint.contains(word.as_str()))
}

#[cfg(test)]
mod tests;
