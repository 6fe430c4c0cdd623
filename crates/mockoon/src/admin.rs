//! The admin API under `/mockoon-admin`: looks at and resets what a running environment remembers.

use http::{HeaderMap, Method};
use serde_json::{Value as Json, json};
use standin_template::{Data as _, Request as _, Value, to_json};
use std::sync::Arc;

use crate::environment::Environment;
use crate::events::Events;
use crate::path::decode;
use crate::reply::Reply;
use crate::request::Incoming;
use crate::server::Server;
use crate::values;

/// What the admin API does.
pub(crate) enum Told {
    Reply(Reply),
    /// The answer, and the server that takes this one's place.
    Replaced(Reply, Arc<Server>),
    Events(Events),
}

impl Server {
    /// Answers a request to the admin API; `None` where it knows no such path, and routes may.
    pub(crate) fn admin(&self, incoming: &Incoming<'_>) -> Option<Told> {
        let mut reply = Reply::new(HeaderMap::new());
        self.admin_cors(incoming, &mut reply);
        if incoming.method == Method::OPTIONS {
            let is_allowed = reply.headers.contains_key("access-control-allow-origin");
            reply.status = if is_allowed { 204 } else { 403 };
            return Some(Told::Reply(reply));
        }
        if !self.is_authorized(incoming) {
            reply.status = 401;
            reply.send_json(&json!({ "message": "Unauthorized" }));
            return Some(Told::Reply(reply));
        }
        let path = incoming.original_path.to_ascii_lowercase();
        let path = path.strip_prefix("/mockoon-admin")?;
        let segments: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
        // Names of variables and buckets count as they are written.
        let last = incoming.original_path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let last = decode(last)?;
        let message = |status: u16, message: &str| Some((status, json!({ "message": message })));
        let mut replacement = None;
        let answer = match (incoming.method.as_str(), segments.as_slice()) {
            ("GET", []) => Some((
                200,
                json!({
                    "response": "Welcome to Mockoon's admin API. Check the documentation at \
                                 https://mockoon.com/docs/latest/admin-api/overview/ for more information."
                }),
            )),
            ("GET", ["events"]) => return Some(Told::Events(self.events(incoming, reply))),
            ("PUT", ["environment"]) => {
                // What is no environment becomes an empty one.
                let environment = Environment::of_now(&incoming.parsed().map(plain).unwrap_or_default());
                replacement = Some(Arc::new(self.following(environment)));
                message(200, "Environment updated")
            }
            ("PURGE", ["state"]) | ("POST", ["state", "purge"]) => {
                self.purge();
                Some((200, json!({ "response": "Server has been reset to its initial state" })))
            }
            ("GET", ["logs"]) => Some((200, self.log_page(incoming))),
            ("PURGE", ["logs"]) | ("POST", ["logs", "purge"]) => {
                self.state.log().clear();
                message(200, "Logs have been purged")
            }
            ("GET", ["env-vars", _]) => {
                let name = self.state.env_var_name(&last);
                match self.state.env_var(&name) {
                    Some(value) => Some((200, json!({ "key": name, "value": value }))),
                    None => message(404, "Environment variable not found"),
                }
            }
            ("POST" | "PUT" | "PATCH", ["env-vars"]) => self.set_env_var(incoming),
            ("GET", ["global-vars", _]) => match self.state.global(&last) {
                Some(value) => Some((200, json!({ "key": last, "value": plain(&value) }))),
                None => message(404, "Global variable not found"),
            },
            ("POST" | "PUT" | "PATCH", ["global-vars"]) => match pair(incoming) {
                Some((key, value)) => {
                    let told = format!("Global variable '{key}' has been set to '{}'", values::text(&value));
                    self.state.set_global(&key, value);
                    message(200, &told)
                }
                None => message(400, "Invalid request"),
            },
            ("PURGE", ["global-vars"]) | ("POST", ["global-vars", "purge"]) => {
                self.state.clear_globals();
                message(200, "Global variables have been purged")
            }
            ("GET", ["data-buckets"]) => Some((200, self.bucket_list())),
            ("GET", ["data-buckets", _]) => match self.bucket(&last) {
                Some(bucket) => Some((200, bucket)),
                None => message(404, "Data bucket not found"),
            },
            ("PURGE", ["data-buckets"]) | ("POST", ["data-buckets", "purge"]) => {
                self.state.reset_buckets();
                message(200, "Data buckets have been reset to their initial state")
            }
            _ => None,
        };
        let (status, body) = answer?;
        reply.status = status;
        reply.send_json(&body);
        Some(match replacement {
            Some(server) => Told::Replaced(reply, server),
            None => Told::Reply(reply),
        })
    }

    fn events(&self, incoming: &Incoming<'_>, mut reply: Reply) -> Events {
        for (name, value) in
            [("content-type", "text/event-stream"), ("cache-control", "no-cache"), ("x-accel-buffering", "no")]
        {
            // As it is: no charset.
            reply.headers.insert(name, http::HeaderValue::from_static(value));
        }
        let most = match incoming.query().get("maxlogs") {
            Value::Text(text) => values::leading_integer(&text).and_then(|most| usize::try_from(most).ok()),
            _ => None,
        };
        let mut response = http::Response::new(());
        *response.headers_mut() = reply.headers;
        let earlier = self.state.log().newest(most.filter(|most| *most > 0).unwrap_or(usize::MAX));
        let earlier = earlier
            .into_iter()
            .map(|transaction| json!({ "event": "transaction-complete", "transaction": transaction }));
        Events { response, feed: Arc::clone(self.state.feed()), earlier: earlier.collect() }
    }

    fn admin_cors(&self, incoming: &Incoming<'_>, reply: &mut Reply) {
        let origins = &self.options.admin_cors_origins;
        let origin = incoming.header_text("origin");
        let matched = if origins.iter().any(|known| known == "*") {
            Some("*".to_owned())
        } else {
            origin.filter(|origin| origins.contains(origin))
        };
        let Some(matched) = matched else { return };
        reply.set("access-control-allow-origin", &matched);
        if matched != "*" {
            reply.set("vary", "Origin");
        }
        reply.set("access-control-allow-methods", "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS");
        reply.set(
            "access-control-allow-headers",
            "Content-Type, Origin, Accept, Authorization, Content-Length, X-Requested-With",
        );
    }

    fn is_authorized(&self, incoming: &Incoming<'_>) -> bool {
        let header = incoming.header_text("authorization").unwrap_or_default();
        let token = header
            .get(..7)
            .filter(|scheme| scheme.eq_ignore_ascii_case("bearer "))
            .and_then(|_| header.get(7..))
            .map(str::trim)
            .map(str::to_owned);
        // Browsers cannot send headers with requests for events.
        let is_events = *incoming.method == Method::GET && incoming.original_path == "/mockoon-admin/events";
        let in_query = || match incoming.query().get("token") {
            Value::Text(token) if is_events => Some(token.trim().to_owned()),
            _ => None,
        };
        let token = token.filter(|token| !token.is_empty()).or_else(in_query);
        let expected = self.options.admin_token.as_bytes();
        token.is_some_and(|token| {
            // As long for a wrong token as for a nearly right one.
            let token = token.as_bytes();
            !token.is_empty()
                && token.len() == expected.len()
                && token.iter().zip(expected).fold(0, |wrong, (a, b)| wrong | (a ^ b)) == 0
        })
    }

    fn log_page(&self, incoming: &Incoming<'_>) -> Json {
        let number = |name: &str, default: i64| match incoming.query().get(name) {
            Value::Text(text) => values::leading_integer(&text).unwrap_or(default),
            _ => default,
        };
        let limit = usize::try_from(number("limit", 10)).unwrap_or(0);
        let page = usize::try_from(number("page", 1) - 1).unwrap_or(0);
        Json::Array(self.state.log().page(page.saturating_mul(limit), limit))
    }

    fn set_env_var(&self, incoming: &Incoming<'_>) -> Option<(u16, Json)> {
        let Some((key, value)) = pair(incoming) else {
            return Some((400, json!({ "message": "Invalid request" })));
        };
        if self.options.env_vars_prefix.is_empty() {
            let message = "Environment variable writes are disabled when the prefix is empty";
            return Some((403, json!({ "message": message })));
        }
        let (name, value) = (self.state.env_var_name(&key), values::text(&value));
        let message = format!("Environment variable '{name}' has been set to '{value}'");
        self.state.set_env_var(name, value);
        Some((200, json!({ "message": message })))
    }

    fn bucket_list(&self) -> Json {
        let buckets = self.state.buckets.all();
        let about = buckets.iter().map(|bucket| {
            json!({
                "id": bucket.id,
                "name": bucket.name,
                "parsed": bucket.state.parsed,
                "validJson": bucket.state.valid_json,
            })
        });
        about.collect()
    }

    /// A bucket by its exact name in any case, its id, or its uuid.
    fn bucket(&self, wanted: &str) -> Option<Json> {
        let lower = wanted.to_lowercase();
        let buckets = self.state.buckets.all();
        let bucket = buckets
            .iter()
            .find(|bucket| bucket.name.to_lowercase() == lower || bucket.id == lower || bucket.uuid == lower)?;
        let mut about = json!({ "uuid": bucket.uuid, "id": bucket.id, "name": bucket.name });
        if !bucket.state.value.is_undefined() {
            about["value"] = plain(&bucket.state.value);
        }
        about["parsed"] = json!(bucket.state.parsed);
        about["validJson"] = json!(bucket.state.valid_json);
        Some(about)
    }
}

/// `key` and `value` of the body.
fn pair(incoming: &Incoming<'_>) -> Option<(String, Value)> {
    let body = incoming.parsed()?;
    let (key, value) = (body.get("key"), body.get("value"));
    (!key.is_undefined() && !value.is_undefined()).then(|| (values::text(&key), value))
}

fn plain(value: &Value) -> Json {
    to_json(value).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}
