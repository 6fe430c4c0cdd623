//! `/_standin/proton`: the log of Proton's events, and what is added to it; environments that are given up; Terraform's states;
//! webhooks of forges.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use standin_proton::engine::Scope;
use standin_proton::engine::events::Wanted;
use standin_store::{Event, StoreError};

use super::{Asked, Reply, empty, fail, json_reply, refuse_method};
use crate::app::App;
use crate::net::{Body, BodySender};
use crate::proton::events::end_of_log;
use crate::proton::hooks::{BODY_BYTES_MAX, Forge};

/// Events of a page at most.
const PAGE_MAX: usize = 1000;
/// Events that are read in one go.
const READ: usize = 256;
/// How often a stream looks at what another process may have added.
const LOOK: Duration = Duration::from_secs(1);
/// Events that wait for a slow reader of a stream.
const PIECES_WAITING: usize = 16;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    match (asked.method.as_str(), rest) {
        ("GET", ["events"]) => list(&asked).await,
        ("GET", ["events", "stream"]) => stream(&asked).await,
        ("DELETE", ["events"]) => match asked.app.store.trim_events(0).await {
            Ok(()) => empty(),
            Err(error) => failed(&error),
        },
        (_, ["terraform", rest @ ..]) => super::terraform::serve(asked, rest).await,
        ("POST", ["abandon"]) => abandon(asked).await,
        ("POST", ["adopt"]) => super::adopt::serve(asked).await,
        ("POST", ["drift"]) => super::adopt::drift(asked).await,
        ("POST", ["hooks", forge]) => hook(asked, forge).await,
        (_, rest) => {
            let mut all = vec!["proton"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

/// Which environment is given up.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Abandoned {
    arn: String,
}

/// Lets an environment be deleted whose account lets nobody in any more.
async fn abandon(asked: Asked<'_>) -> Reply {
    let app = asked.app;
    let arn = match asked.parsed::<Abandoned>().await {
        Ok(Abandoned { arn }) => arn,
        Err(reply) => return *reply,
    };
    let mut parts = arn.split(':').skip(1).map(str::to_owned);
    let (partition, _, region, account) = (parts.next(), parts.next(), parts.next(), parts.next());
    let scope = Scope {
        partition: partition.unwrap_or_default(),
        account: account.unwrap_or_default(),
        region: region.unwrap_or_default(),
        now: app.clock.now(),
        dice: app.dice,
        nonce: format!("abandon/{arn}"),
    };
    match app.proton.abandon(&scope, &arn).await {
        Ok(()) => empty(),
        Err(error) if error.code == "ResourceNotFoundException" => fail(StatusCode::NOT_FOUND, error.message),
        Err(error) if error.code == "ConflictException" => fail(StatusCode::CONFLICT, error.message),
        Err(error) => fail(StatusCode::INTERNAL_SERVER_ERROR, error.message),
    }
}

/// A webhook of a forge: `github`, `gitlab`, `bitbucket`, `gitea`, or `git` for the hook of a plain repository. Syncs look at what was
/// pushed, and deployments at their pull requests.
async fn hook(asked: Asked<'_>, forge: &str) -> Reply {
    let Some(forge) = Forge::named(forge) else {
        return fail(StatusCode::NOT_FOUND, "webhooks come from github, gitlab, bitbucket, gitea or git");
    };
    let Some(secret) = &asked.app.proton_hooks else {
        let why = "no webhooks are taken: the configuration has no secret for them, as [proton.git] webhook-secret";
        return fail(StatusCode::FORBIDDEN, why);
    };
    let repository = asked.parameter("repository");
    let body = match asked.body.buffered_up_to(BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(error) => return fail(error.status(), error.to_string()),
    };
    if !forge.is_signed(asked.headers, &body, secret) {
        let why =
            format!("{} does not show that the sender knows the secret of [proton.git] webhook-secret", forge.header());
        return fail(StatusCode::UNAUTHORIZED, why);
    }
    let push = match forge.push(asked.headers, &body, repository) {
        Ok(push) => push,
        Err(why) => return fail(StatusCode::BAD_REQUEST, why),
    };
    let now = asked.app.clock.now();
    // A branch that was merged or deleted, and a pull request that was closed, end what waits for that.
    let deployments = match asked.app.proton.look_again(now).await {
        Ok(count) => count,
        Err(error) => return failed(&error),
    };
    let mut syncs = 0;
    if let Some(push) = push {
        match asked.app.proton.pushed(&push.repository, push.branches.as_deref(), now, asked.app.dice).await {
            Ok(count) => syncs = count,
            Err(error) => return fail(StatusCode::INTERNAL_SERVER_ERROR, error.message),
        }
    }
    json_reply(StatusCode::OK, &json!({ "syncs": syncs, "deployments": deployments }))
}

fn failed(error: &StoreError) -> Reply {
    fail(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
}

/// Which events are asked for: `type` (may come several times, separated by commas), `resource`, `status`, `account`, `region`.
fn wanted(asked: &Asked<'_>) -> Wanted {
    let types = asked.parameter("type").unwrap_or_default();
    Wanted {
        types: types.split(',').map(str::trim).filter(|what| !what.is_empty()).map(str::to_owned).collect(),
        resource: asked.parameter("resource"),
        status: asked.parameter("status"),
        account: asked.parameter("account"),
        region: asked.parameter("region"),
    }
}

/// The number of a parameter or header, where it is given.
fn number(name: &str, text: Option<String>) -> Result<Option<u64>, String> {
    text.map(|text| text.parse().map_err(|_| format!("`{name}` is not a number"))).transpose()
}

/// A page of the log, the oldest first: `after`, `limit`. `last` is the `after` of what follows now or later, `next` the same where
/// there is more now.
async fn list(asked: &Asked<'_>) -> Reply {
    let (after, limit) = match (number("after", asked.parameter("after")), number("limit", asked.parameter("limit"))) {
        (Ok(after), Ok(limit)) => (after.unwrap_or(0), limit),
        (Err(why), _) | (_, Err(why)) => return fail(StatusCode::BAD_REQUEST, why),
    };
    let limit = limit.map_or(PAGE_MAX, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX));
    match page(asked.app, &wanted(asked), after, limit).await {
        Ok((events, last, more)) => {
            let events: Vec<Value> = events.iter().map(|event| event.body.to_json()).collect();
            json_reply(StatusCode::OK, &json!({"events": events, "last": last, "next": more.then_some(last)}))
        }
        Err(error) => failed(&error),
    }
}

/// The first events after a number that are wanted, the number of the last that was looked at, and whether there are more.
async fn page(app: &App, wanted: &Wanted, mut after: u64, limit: usize) -> Result<(Vec<Event>, u64, bool), StoreError> {
    let mut found: Vec<Event> = Vec::new();
    loop {
        let events = app.store.events(after, READ).await?;
        if events.is_empty() {
            return Ok((found, after, false));
        }
        for event in events {
            if wanted.takes(&event) {
                if found.len() == limit {
                    return Ok((found, after, true));
                }
                after = event.sequence;
                found.push(event);
            } else {
                after = event.sequence;
            }
        }
    }
}

/// What happens from now on, or after the event that `Last-Event-ID` or `after` names, as server-sent events; filters as in
/// [`list`].
async fn stream(asked: &Asked<'_>) -> Reply {
    let wanted = wanted(asked);
    let header = asked.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let after = match (number("Last-Event-ID", header), number("after", asked.parameter("after"))) {
        (Ok(id), Ok(after)) => id.or(after),
        (Err(why), _) | (_, Err(why)) => return fail(StatusCode::BAD_REQUEST, why),
    };
    let after = match after {
        Some(after) => after,
        None => match end_of_log(&*asked.app.store).await {
            Ok(end) => end,
            Err(error) => return failed(&error),
        },
    };
    let (sender, body) = Body::channel(PIECES_WAITING);
    let app = Arc::clone(asked.app);
    tokio::spawn(async move {
        tokio::select! {
            () = sender.closed() => {}
            () = feed(&app, &sender, &wanted, after) => {}
        }
    });
    let mut reply = Response::new(body);
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    reply.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    reply
}

/// Sends events as long as somebody reads them and the store gives them.
async fn feed(app: &App, sender: &BodySender, wanted: &Wanted, mut after: u64) {
    let mut told = app.proton.follow();
    // Tells the client that the stream is open.
    if !sender.send(Bytes::from_static(b": listening\n\n")).await {
        return;
    }
    loop {
        told.mark_unchanged();
        let events = match app.store.events(after, READ).await {
            Ok(events) => events,
            Err(error) => {
                tracing::warn!(%error, "a stream of Proton's events ends: the store failed");
                return;
            }
        };
        for event in &events {
            after = event.sequence;
            if wanted.takes(event) {
                let piece = format!("id: {after}\nevent: proton\ndata: {}\n\n", event.body.to_json());
                if !sender.send(Bytes::from(piece)).await {
                    return;
                }
            }
        }
        if events.is_empty() {
            tokio::select! {
                _ = told.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}
