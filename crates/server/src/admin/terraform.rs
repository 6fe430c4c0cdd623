//! `/_standin/proton/terraform`: Terraform's states, by the protocol of its HTTP backend, and what there is of them.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, ORIGIN};
use http::{Response, StatusCode};
use serde_json::json;
use standin_core::{BodySource, BoxFuture};
use standin_provision::terraform::address::Address;
use standin_provision::terraform::record::{LOCK_BYTES_MAX, Version};
use standin_provision::terraform::state::{STATE_BYTES_MAX, StateError, States, pieces_of, shown};
use standin_store::Selector;

use super::{Asked, Reply, empty, fail, json_reply, refuse_method, text_reply};
use crate::net::Body;

/// States of a page at most.
const PAGE_MAX: usize = 1000;
/// How much of bodies is in memory at the same time, in KiB; others wait.
const BODIES_KIB_MAX: u32 = 256 * 1024;

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Bodies that are being read, in KiB.
static BODIES: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(BODIES_KIB_MAX as usize);

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    // States hold secrets, and no page has any business with them, not even a local one.
    if asked.headers.contains_key(ORIGIN) || asked.headers.contains_key(SEC_FETCH_SITE) {
        return fail(StatusCode::FORBIDDEN, "web pages do not reach Terraform's states");
    }
    let method = asked.method.clone();
    let answered = match (method.as_str(), rest) {
        ("GET", ["states"]) => list(&asked).await,
        ("GET", ["state", place @ ..]) => read(&asked, place).await,
        ("POST" | "PUT", ["state", place @ ..]) => write(asked, place).await,
        ("DELETE", ["state", place @ ..]) => delete(&asked, place).await,
        ("LOCK", ["state", place @ ..]) | ("LOCK" | "POST" | "PUT", ["lock", place @ ..]) => lock(asked, place).await,
        ("UNLOCK", ["state", place @ ..]) | ("UNLOCK" | "DELETE", ["lock", place @ ..]) => unlock(asked, place).await,
        ("GET", ["lock", place @ ..]) => show_lock(&asked, place).await,
        ("GET", ["versions", place @ ..]) => versions(&asked, place).await,
        ("POST", ["versions", place @ ..]) => restore(&asked, place).await,
        (_, rest) => {
            let all: Vec<&str> = ["proton", "terraform"].into_iter().chain(rest.iter().copied()).collect();
            return refuse_method(&all);
        }
    };
    answered.unwrap_or_else(|error| refused(&error))
}

/// The methods of an address below `terraform`; empty for one that does not exist.
pub(super) fn allowed(rest: &[&str]) -> &'static str {
    match rest {
        ["states"] => "GET",
        ["state", _, ..] => "GET, POST, PUT, DELETE, LOCK, UNLOCK",
        ["lock", _, ..] => "GET, POST, PUT, DELETE, LOCK, UNLOCK",
        ["versions", _, ..] => "GET, POST",
        _ => "",
    }
}

fn refused(error: &StateError) -> Reply {
    let status = match error {
        // Terraform shows who holds the lock, of these two.
        StateError::Locked { holder } | StateError::LockLost { holder: Some(holder), .. } => {
            let locked = matches!(error, StateError::Locked { .. });
            return lock_reply(if locked { StatusCode::LOCKED } else { StatusCode::CONFLICT }, holder);
        }
        StateError::LockLost { .. } => StatusCode::CONFLICT,
        StateError::Invalid(_) => StatusCode::BAD_REQUEST,
        StateError::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
        StateError::Missing(_) => StatusCode::NOT_FOUND,
        StateError::Store(source) => return fail(StatusCode::INTERNAL_SERVER_ERROR, source.chain()),
    };
    fail(status, error.to_string())
}

/// What the holder of a lock told, as it did.
fn lock_reply(status: StatusCode, info: &str) -> Reply {
    let mut reply = text_reply("application/json", info.to_owned());
    *reply.status_mut() = status;
    reply
}

fn address(place: &[&str]) -> Result<Address, StateError> {
    Address::parse(place).map_err(StateError::Invalid)
}

fn missing(address: &Address) -> StateError {
    StateError::Missing(format!("state {address}"))
}

/// A parameter that is a number.
fn number(asked: &Asked<'_>, name: &str) -> Result<Option<u64>, StateError> {
    let text = asked.parameter(name);
    text.map(|text| text.parse().map_err(|_| StateError::Invalid(format!("`{name}` is not a number")))).transpose()
}

/// The states, by `account`, `region` and `prefix`; `limit` and `after`, an address, as in other lists.
async fn list(asked: &Asked<'_>) -> Result<Reply, StateError> {
    let picked =
        Selector { account: asked.parameter("account"), region: asked.parameter("region"), ..Selector::default() };
    let limit = number(asked, "limit")?.map_or(PAGE_MAX, |limit| usize::try_from(limit).unwrap_or(PAGE_MAX));
    let limit = limit.clamp(1, PAGE_MAX);
    let after = asked.parameter("after").map(|after| address(&after.split('/').collect::<Vec<_>>())).transpose()?;
    let prefix = asked.parameter("prefix").unwrap_or_default();
    let mut found = asked.app.terraform.list(&picked, &prefix, after.as_ref(), limit + 1).await?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|listed| listed.address.to_string());
    let states: Vec<_> = found.iter().map(shown).collect();
    Ok(json_reply(StatusCode::OK, &json!({"states": states, "next": next})))
}

/// The state itself, or one of its kept versions: `version`.
async fn read(asked: &Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let wanted = number(asked, "version")?;
    let record = asked.app.terraform.record(&address).await?.ok_or_else(|| missing(&address))?;
    let version = match wanted {
        Some(number) => record.version(number),
        None => record.present(),
    };
    let version = version.cloned().ok_or_else(|| missing(&address))?;
    let digest: Vec<u8> = (0..version.md5.len() / 2)
        .filter_map(|at| u8::from_str_radix(version.md5.get(2 * at..2 * at + 2)?, 16).ok())
        .collect();
    let pieces = pieces_of(&version);
    let states = asked.app.terraform.clone();
    let mut reply = Response::new(Body::source(Box::new(Reading { states, address, version, pieces, next: 0 })));
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(digest) = HeaderValue::from_str(&STANDARD.encode(digest)) {
        headers.insert(CONTENT_MD5, digest);
    }
    Ok(reply)
}

/// A state on its way out.
struct Reading {
    states: States,
    address: Address,
    version: Version,
    pieces: usize,
    next: usize,
}

impl BodySource for Reading {
    fn next(&mut self) -> BoxFuture<'_, Option<io::Result<Bytes>>> {
        Box::pin(async move {
            if self.next >= self.pieces {
                return None;
            }
            let piece = self.states.piece(&self.address, self.version.number, self.next).await;
            self.next += 1;
            Some(piece.map_err(|error| {
                self.next = self.pieces;
                io::Error::other(error)
            }))
        })
    }

    fn length(&self) -> Option<u64> {
        Some(self.version.bytes)
    }
}

async fn write(asked: Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let lock = asked.parameter("ID");
    let digest = match asked.headers.get(&CONTENT_MD5) {
        None => None,
        Some(text) => {
            let digest = STANDARD.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
            let wrong = || StateError::Invalid("Content-MD5 is not the base64 of an MD5 digest".to_owned());
            Some(digest.ok_or_else(wrong)?)
        }
    };
    let now = asked.app.clock.now();
    let states = asked.app.terraform.clone();
    let expected = asked.body.length().map_or(STATE_BYTES_MAX, |length| usize::try_from(length).unwrap_or(usize::MAX));
    if expected > STATE_BYTES_MAX {
        return Err(StateError::TooLong);
    }
    let room = u32::try_from(expected / 1024 + 1).unwrap_or(BODIES_KIB_MAX);
    let _room = BODIES.acquire_many(room).await.map_err(|error| StateError::Invalid(error.to_string()))?;
    let bytes = match asked.body.buffered_up_to(STATE_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return Ok(fail(error.status(), error.to_string())),
    };
    let number = states.write(&address, bytes, digest, lock.as_deref(), now).await?;
    Ok(json_reply(StatusCode::OK, &json!({ "version": number })))
}

/// Deletes the state; `versions=all` also forgets the versions that could be restored.
async fn delete(asked: &Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let all = asked.parameter("versions").is_some_and(|which| which == "all");
    asked.app.terraform.delete(&address(place)?, asked.parameter("ID").as_deref(), all).await?;
    Ok(json_reply(StatusCode::OK, &json!({})))
}

/// The body of a request about a lock.
async fn body(asked: Asked<'_>) -> Result<Bytes, StateError> {
    asked.body.buffered_up_to(LOCK_BYTES_MAX).await.map_err(|error| StateError::Invalid(error.to_string()))
}

async fn lock(asked: Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let deployment = asked.parameter("deployment");
    if deployment.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(StateError::Invalid("`deployment` is the id of a deployment".to_owned()));
    }
    let app = Arc::clone(asked.app);
    let info = body(asked).await?;
    app.terraform.lock(&address, &info, deployment.as_deref(), app.clock.now()).await?;
    Ok(json_reply(StatusCode::OK, &json!({})))
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

async fn unlock(asked: Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let app = Arc::clone(asked.app);
    let info = body(asked).await?;
    app.terraform.unlock(&address, &info).await?;
    Ok(json_reply(StatusCode::OK, &json!({})))
}

async fn show_lock(asked: &Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let record = asked.app.terraform.record(&address(place)?).await?;
    Ok(match record.and_then(|record| record.lock) {
        Some(lock) => lock_reply(StatusCode::OK, &lock.info),
        None => empty(),
    })
}

async fn versions(asked: &Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let record = asked.app.terraform.record(&address).await?.ok_or_else(|| missing(&address))?;
    let listed = standin_provision::terraform::state::Listed { address, record };
    Ok(json_reply(StatusCode::OK, &shown(&listed)))
}

/// Makes the kept version `restore` the one that is read.
async fn restore(asked: &Asked<'_>, place: &[&str]) -> Result<Reply, StateError> {
    let address = address(place)?;
    let wrong = || StateError::Invalid("say which version: ?restore=NUMBER".to_owned());
    let wanted = number(asked, "restore")?.ok_or_else(wrong)?;
    let number = asked.app.terraform.restore(&address, wanted, asked.app.clock.now()).await?;
    Ok(json_reply(StatusCode::OK, &json!({ "version": number })))
}
