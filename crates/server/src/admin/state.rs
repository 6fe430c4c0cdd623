//! `/_standin/state`: save, load, reset, compare, commit and branch.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use standin_store::diff::{Change, ChangeKind};
use standin_store::dump::LoadError;
use standin_store::history::{BranchInfo, CommitInfo, HistoryError};
use standin_store::{LoadMode, Selector, StoreError, codec};

use super::{Asked, Reply, empty, fail, json_reply};
use crate::app::App;
use crate::net::Body;
use crate::state::Forget;

pub(super) const SAVED_TYPE: &str = "application/jsonl";

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let method = asked.method.clone();
    match (method.as_str(), rest) {
        ("GET", []) => save(&asked).await,
        ("PUT" | "POST", []) => load(asked).await,
        ("DELETE", []) => reset(&asked).await,
        ("GET", ["diff"]) => diff(&asked).await,
        ("GET", ["log"]) => log(&asked).await,
        ("POST", ["commit"]) => commit(asked).await,
        ("GET", ["branches"]) => branches(asked.app).await,
        ("POST", ["branches"]) => branch(asked).await,
        ("DELETE", ["branches"]) => remove_branch(&asked).await,
        ("POST", ["checkout"]) => checkout(asked).await,
        _ => super::refuse_method(&["state"].iter().chain(rest).copied().collect::<Vec<_>>()),
    }
}

/// The spaces that the query picks.
fn picked(asked: &Asked<'_>) -> Selector {
    let service = asked.parameter("service").map(|name| match asked.app.catalogue.find(&name) {
        Some(entry) => entry.id.to_owned(),
        None => name,
    });
    Selector { account: asked.parameter("account"), region: asked.parameter("region"), service }
}

fn failed(error: &StoreError) -> Reply {
    fail(StatusCode::INTERNAL_SERVER_ERROR, error.chain())
}

/// Streams the state as lines of JSON.
async fn save(asked: &Asked<'_>) -> Reply {
    let bytes = asked.parameter("bytes").is_none_or(|wanted| wanted != "false");
    match asked.app.save(&picked(asked), bytes).await {
        Ok(saving) => {
            let mut reply = Response::new(Body::source(Box::new(saving)));
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(SAVED_TYPE));
            reply
        }
        Err(error) => failed(&error),
    }
}

async fn load(mut asked: Asked<'_>) -> Reply {
    let mode = match asked.parameter("mode").as_deref() {
        None | Some("replace") => LoadMode::Replace { picked: Selector::all(), keep: Vec::new() },
        Some("merge") => LoadMode::Merge,
        Some(other) => return fail(StatusCode::BAD_REQUEST, format!("no mode `{other}`; use replace or merge")),
    };
    let app = asked.app;
    let mut loading = match app.begin_load(mode).await {
        Ok(loading) => loading,
        Err(error) => return not_loaded(error),
    };
    while let Some(piece) = asked.body.next_piece().await {
        let pushed = match piece {
            Ok(piece) => loading.push(&piece).await,
            Err(error) => return fail(error.status(), error.to_string()),
        };
        if let Err(error) = pushed {
            return not_loaded(error);
        }
    }
    match app.finish_load(loading).await {
        Ok(rows) => json_reply(StatusCode::OK, &json!({ "rows": rows })),
        Err(error) => not_loaded(error),
    }
}

fn not_loaded(error: LoadError) -> Reply {
    match error {
        LoadError::Store(error) => failed(&error),
        LoadError::Read(error) => fail(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        error => fail(StatusCode::BAD_REQUEST, error.to_string()),
    }
}

async fn reset(asked: &Asked<'_>) -> Reply {
    let tag = match asked.parameter("tag") {
        None => None,
        Some(tag) => match tag.split_once('=') {
            _ if tag.is_empty() || tag.starts_with('=') => {
                return fail(StatusCode::BAD_REQUEST, "`tag` is KEY or KEY=VALUE");
            }
            Some((key, value)) => Some((key.to_owned(), Some(value.to_owned()))),
            None => Some((tag, None)),
        },
    };
    match asked.app.forget(&Forget { picked: picked(asked), tag }).await {
        Ok(Some(count)) => json_reply(StatusCode::OK, &json!({ "resources": count })),
        Ok(None) => empty(),
        Err(error) => failed(&error),
    }
}

fn refused(error: &HistoryError) -> Reply {
    let status = match error {
        HistoryError::Unknown { .. } => StatusCode::NOT_FOUND,
        HistoryError::BranchName { .. } => StatusCode::BAD_REQUEST,
        HistoryError::Store(error) => return failed(error),
        _ => StatusCode::CONFLICT,
    };
    fail(status, error.to_string())
}

fn told(commit: &CommitInfo) -> Value {
    json!({
        "id": commit.id,
        "parent": commit.parent,
        "message": commit.message,
        "time": standin_model::Timestamp::from_millis(commit.time_ms).to_date_time(),
    })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Commit {
    message: String,
}

async fn commit(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let Commit { message } = match asked.parsed().await {
        Ok(commit) => commit,
        Err(reply) => return *reply,
    };
    // From now on the bytes of what is removed may be wanted again.
    app.objects.keep_blobs();
    match app.history.commit(&*app.store, &message, app.clock.now().as_millis()).await {
        Ok(commit) => json_reply(StatusCode::OK, &told(&commit)),
        Err(error) => refused(&error),
    }
}

async fn log(asked: &Asked<'_>) -> Reply {
    match asked.app.history.log(asked.parameter("name").as_deref()).await {
        Ok(log) => json_reply(StatusCode::OK, &json!({ "commits": log.iter().map(told).collect::<Vec<_>>() })),
        // Before the first commit there is nothing to tell.
        Err(HistoryError::NoCommit) => json_reply(StatusCode::OK, &json!({ "commits": [] })),
        Err(error) => refused(&error),
    }
}

fn shown(branch: &BranchInfo) -> Value {
    json!({ "name": branch.name, "commit": branch.commit, "current": branch.current })
}

async fn branches(app: &App) -> Reply {
    let list: Vec<Value> = app.history.branches().await.iter().map(shown).collect();
    json_reply(StatusCode::OK, &json!({ "branches": list }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Branch {
    name: String,
    /// A branch or commit; the current one without it.
    #[serde(default)]
    at: Option<String>,
}

async fn branch(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let Branch { name, at } = match asked.parsed().await {
        Ok(branch) => branch,
        Err(reply) => return *reply,
    };
    match app.history.branch(&name, at.as_deref()).await {
        Ok(branch) => json_reply(StatusCode::OK, &shown(&branch)),
        Err(error) => refused(&error),
    }
}

async fn remove_branch(asked: &Asked<'_>) -> Reply {
    let Some(name) = asked.parameter("name") else { return fail(StatusCode::BAD_REQUEST, "`name` is missing") };
    match asked.app.history.delete_branch(&name).await {
        Ok(()) => empty(),
        Err(error) => refused(&error),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Checkout {
    /// A branch or commit.
    name: String,
}

async fn checkout(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let Checkout { name } = match asked.parsed().await {
        Ok(checkout) => checkout,
        Err(reply) => return *reply,
    };
    match app.history.checkout(app.store.clone(), &name).await {
        Ok(commit) => {
            app.memo.clear();
            json_reply(StatusCode::OK, &told(&commit))
        }
        Err(error) => refused(&error),
    }
}

/// What has changed from `from` (the last commit) to `to` (now).
async fn diff(asked: &Asked<'_>) -> Reply {
    let (from, to) = (asked.parameter("from"), asked.parameter("to"));
    let app = asked.app;
    match app.history.diff(&*app.store, from.as_deref(), to.as_deref(), &picked(asked)).await {
        Ok(changes) => {
            let list: Vec<Value> = changes.iter().map(change).collect();
            json_reply(StatusCode::OK, &json!({ "changes": list }))
        }
        Err(error) => refused(&error),
    }
}

fn change(change: &Change) -> Value {
    let space = &change.table.space;
    let mut value = json!({
        "account": &*space.account,
        "region": &*space.region,
        "service": &*space.service,
        "table": &*change.table.name,
        "key": &*change.key,
        "text": change.to_string(),
    });
    let document = |document: &standin_model::Document| {
        let text = codec::encode(document).unwrap_or_default();
        serde_json::from_str::<Value>(&text).unwrap_or_default()
    };
    match &change.kind {
        ChangeKind::Added { body } => {
            value["change"] = "added".into();
            value["after"] = document(body);
        }
        ChangeKind::Removed { body } => {
            value["change"] = "removed".into();
            value["before"] = document(body);
        }
        ChangeKind::Changed { parts } => {
            value["change"] = "changed".into();
            let part = |part: &standin_store::diff::Part| {
                json!({
                    "path": part.path,
                    "before": part.before.as_ref().map(document),
                    "after": part.after.as_ref().map(document),
                })
            };
            value["parts"] = parts.iter().map(part).collect();
        }
    }
    value
}
