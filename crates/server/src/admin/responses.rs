//! `/_standin/responses` and `/_standin/scenarios`: the answers that people script.

use std::borrow::Cow;

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_script::{Origin, Rule, RuleState, STARTED};
use standin_wire::value::percent_decode;

use super::{Asked, Reply, empty, fail, json_reply, refuse_method};
use crate::app::App;

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let app = asked.app;
    let id = || named(rest);
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let list: Vec<Value> = app.responses.list().iter().map(told).collect();
            json_reply(StatusCode::OK, &Value::Array(list))
        }
        ("PUT", []) => {
            let list = match asked.json().await {
                Ok(list) => list,
                Err(reply) => return reply,
            };
            match replace(app, &list) {
                Ok(count) => json_reply(StatusCode::OK, &json!({"rules": count})),
                Err(why) => fail(StatusCode::BAD_REQUEST, why),
            }
        }
        ("POST", []) => {
            let rule = match asked.json().await {
                Ok(rule) => rule,
                Err(reply) => return reply,
            };
            let added = Rule::read(&rule).and_then(|rule| app.responses.add(app.catalogue, rule, app.clock.now()));
            match added {
                Ok(id) => one(app, &id, StatusCode::CREATED),
                Err(why) => fail(StatusCode::BAD_REQUEST, why),
            }
        }
        ("DELETE", []) => {
            app.responses.remove(|_| true);
            empty()
        }
        ("GET", ["files"]) => files(app),
        ("POST", ["reload"]) => {
            app.reload_responses().await;
            files(app)
        }
        ("GET", [_, ..]) => one(app, &id(), StatusCode::OK),
        ("PUT", [_, ..]) => {
            let id = id().into_owned();
            let rule = match asked.json().await {
                Ok(rule) => rule,
                Err(reply) => return reply,
            };
            let put = Rule::read(&rule)
                .and_then(|rule| app.responses.put(app.catalogue, Rule { id: id.clone(), ..rule }, app.clock.now()));
            match put {
                Ok(()) => one(app, &id, StatusCode::OK),
                Err(why) => fail(StatusCode::BAD_REQUEST, why),
            }
        }
        ("DELETE", [_, ..]) => {
            let id = id();
            match app.responses.remove(|rule| rule.id == id) {
                0 => unknown(app, &id),
                _ => empty(),
            }
        }
        (_, rest) => {
            let mut all = vec!["responses"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

/// The states of scenarios: read, set, reset.
pub(super) async fn scenarios(asked: Asked<'_>, rest: &[&str]) -> Reply {
    /// What is to be set.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        state: String,
    }
    let app = asked.app;
    let name = named(rest).into_owned();
    match (asked.method.as_str(), rest) {
        ("GET", []) => {
            let list = app.responses.scenario_states();
            let list: Vec<Value> = list.iter().map(|(name, state)| json!({"name": name, "state": state})).collect();
            json_reply(StatusCode::OK, &json!({ "scenarios": list }))
        }
        ("DELETE", []) => {
            app.responses.scenarios().reset(None);
            empty()
        }
        ("GET", [_, ..]) => state(app, &name),
        ("PUT", [_, ..]) => match asked.parsed::<Wanted>().await {
            Ok(Wanted { state: wanted }) => match app.responses.scenarios().set(&name, &wanted) {
                Ok(()) => state(app, &name),
                Err(why) => fail(StatusCode::BAD_REQUEST, why),
            },
            Err(reply) => *reply,
        },
        ("DELETE", [_, ..]) => {
            app.responses.scenarios().reset(Some(&name));
            empty()
        }
        (_, rest) => {
            let mut all = vec!["scenarios"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

fn state(app: &App, name: &str) -> Reply {
    match app.responses.scenario_states().into_iter().find(|(known, _)| known == name) {
        Some((name, state)) => json_reply(StatusCode::OK, &json!({"name": name, "state": state})),
        None => fail(
            StatusCode::NOT_FOUND,
            format!("no rule has a scenario `{name}`, and nobody set it; each begins in the state {STARTED}"),
        ),
    }
}

/// What the rest of a path names: ids of files' rules have slashes.
fn named(rest: &[&str]) -> Cow<'static, str> {
    let joined = rest.join("/");
    let decoded = percent_decode(&joined).map(Cow::into_owned);
    Cow::Owned(decoded.unwrap_or(joined))
}

fn replace(app: &App, list: &Value) -> Result<usize, String> {
    let list = list.as_array().ok_or("expected a JSON list of rules")?;
    let rules = list.iter().enumerate().map(|(at, rule)| Rule::read(rule).map_err(|why| format!("rule {at}: {why}")));
    let rules = rules.collect::<Result<Vec<Rule>, String>>()?;
    let count = rules.len();
    app.responses.set(app.catalogue, Origin::Api, rules, app.clock.now()).map(|()| count)
}

fn told(state: &RuleState) -> Value {
    let mut value = serde_json::to_value(&state.rule).unwrap_or_default();
    value["origin"] = state.origin.name().into();
    value["matched"] = state.matched.into();
    value["used"] = state.used.into();
    value
}

fn one(app: &App, id: &str, status: StatusCode) -> Reply {
    match app.responses.get(id) {
        Some(state) => json_reply(status, &told(&state)),
        None => unknown(app, id),
    }
}

fn unknown(app: &App, id: &str) -> Reply {
    let why = match app.responses.get(id) {
        Some(state) => format!("the rule `{id}` comes from a {}: change it there", state.origin.name()),
        None => format!("no response rule `{id}`; GET /_standin/responses lists them"),
    };
    fail(StatusCode::NOT_FOUND, why)
}

/// Which folder is watched, and what of it cannot be used: then the rules from before stay.
fn files(app: &App) -> Reply {
    let folder = app.responses_dir.as_ref().map(|folder| folder.path().display().to_string());
    let rules = app.responses.list().iter().filter(|state| state.origin == Origin::Files).count();
    let problems = app.responses.problems();
    json_reply(StatusCode::OK, &json!({"folder": folder, "rules": rules, "problems": &**problems}))
}
