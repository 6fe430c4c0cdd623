//! `/_standin/faults`: the rules by which things go wrong, and the same by LocalStack's addresses.

use http::StatusCode;
use serde_json::{Map, Value, json};
use standin_faults::{Preset, Refused, Rule, RuleState, presets};

use super::{Asked, Reply, empty, fail, json_reply, refuse_method};
use crate::app::App;

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let (app, reads) = (asked.app, asked.method == http::Method::GET);
    let reply = answer(asked, rest).await;
    if !reads && reply.status().is_success() {
        app.log_faults();
    }
    reply
}

async fn answer(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let app = asked.app;
    match (asked.method.as_str(), rest) {
        ("GET", []) => json_reply(StatusCode::OK, &list(app)),
        ("POST", []) => match asked.parsed::<Rule>().await {
            Ok(rule) => match app.faults.add(app.catalogue, rule, app.clock.now()) {
                Ok(id) => one(app, &id, StatusCode::CREATED),
                Err(refused) => refuse(&refused),
            },
            Err(reply) => *reply,
        },
        ("PUT", []) => match asked.parsed::<Vec<Rule>>().await {
            Ok(rules) => match app.faults.set(app.catalogue, rules, app.clock.now()) {
                Ok(()) => json_reply(StatusCode::OK, &list(app)),
                Err(refused) => refuse(&refused),
            },
            Err(reply) => *reply,
        },
        ("DELETE", []) => {
            app.faults.remove(|_| true);
            empty()
        }
        ("GET", ["presets"]) => {
            let told = presets()
                .iter()
                .map(|preset| json!({"name": preset.name, "description": preset.description, "rules": preset.rules()}));
            json_reply(StatusCode::OK, &json!({ "presets": told.collect::<Vec<_>>() }))
        }
        ("POST" | "PUT", ["presets", name]) => match Preset::find(name) {
            Some(preset) => {
                for rule in preset.rules() {
                    if let Err(refused) = app.faults.put(app.catalogue, rule, app.clock.now()) {
                        return refuse(&refused);
                    }
                }
                json_reply(StatusCode::OK, &list(app))
            }
            None => {
                let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
                fail(StatusCode::NOT_FOUND, format!("no preset `{name}`; there are {}", names.join(", ")))
            }
        },
        ("GET", [id]) => one(app, id, StatusCode::OK),
        ("PUT", [id]) => {
            let id = (*id).to_owned();
            match asked.parsed::<Rule>().await {
                Ok(rule) => put(app, Rule { id, ..rule }),
                Err(reply) => *reply,
            }
        }
        ("PATCH", [id]) => {
            let Some(known) = app.faults.find(id) else { return unknown(id) };
            let change = match asked.json().await {
                Ok(Value::Object(change)) => change,
                Ok(_) => return fail(StatusCode::BAD_REQUEST, "expected a JSON object with the members to change"),
                Err(reply) => return reply,
            };
            match merged(&known.rule, change) {
                Ok(rule) => put(app, rule),
                Err(reason) => fail(StatusCode::BAD_REQUEST, reason),
            }
        }
        ("DELETE", [id]) => match app.faults.remove(|rule| rule.id == *id) {
            0 => unknown(id),
            _ => empty(),
        },
        (_, rest) => {
            let mut all = vec!["faults"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

/// `/_localstack/chaos/…`: fault lists and network effects, as LocalStack's chaos API has them.
pub(super) async fn localstack(asked: Asked<'_>, rest: &[&str]) -> Reply {
    const PREFIX: &str = "chaos-fault-";
    const EFFECT: &str = "chaos-effect";
    let app = asked.app;
    let of_chaos = |rule: &Rule| rule.id.starts_with(PREFIX);
    match (asked.method.as_str(), rest) {
        ("GET", ["faults"]) => {}
        (method @ ("POST" | "PATCH" | "DELETE"), ["faults"]) => {
            let method = method.to_owned();
            let wanted = match asked.parsed::<Vec<Map<String, Value>>>().await {
                Ok(wanted) => wanted,
                Err(reply) => return *reply,
            };
            let mut kept: Vec<Rule> = app.faults.list().into_iter().map(|state| state.rule).collect();
            let mut faults: Vec<Value> = kept.iter().filter(|rule| of_chaos(rule)).map(chaos_fault).collect();
            kept.retain(|rule| !of_chaos(rule));
            let wanted: Vec<Value> = wanted.into_iter().map(Value::Object).collect();
            match &*method {
                "POST" => faults = wanted,
                "PATCH" => faults.extend(wanted),
                _ => faults.retain(|fault| !wanted.iter().any(|other| same_fault(fault, other))),
            }
            for (at, fault) in faults.iter().enumerate() {
                match chaos_rule(fault) {
                    Ok(rule) => kept.push(Rule { id: format!("{PREFIX}{}", at + 1), ..rule }),
                    Err(reason) => return fail(StatusCode::BAD_REQUEST, reason),
                }
            }
            if let Err(refused) = app.faults.set(app.catalogue, kept, app.clock.now()) {
                return refuse(&refused);
            }
            app.log_faults();
        }
        ("GET", ["effects"]) => return json_reply(StatusCode::OK, &effect(app, EFFECT)),
        ("POST", ["effects"]) => {
            let wanted = match asked.json().await {
                Ok(wanted) => wanted,
                Err(reply) => return reply,
            };
            let latency = wanted["latency"].as_u64().unwrap_or(0);
            app.faults.remove(|rule| rule.id == EFFECT);
            if latency > 0 {
                let rule: Result<Rule, _> =
                    serde_json::from_value(json!({"id": EFFECT, "latency": format!("{latency}ms")}));
                let added = rule
                    .map_err(|error| Refused(error.to_string()))
                    .and_then(|rule| app.faults.add(app.catalogue, rule, app.clock.now()));
                if let Err(refused) = added {
                    return refuse(&refused);
                }
            }
            return json_reply(StatusCode::OK, &effect(app, EFFECT));
        }
        (_, rest) => return super::not_found(&format!("/_localstack/chaos/{}", rest.join("/"))),
    }
    let faults: Vec<Value> =
        app.faults.list().iter().filter(|state| of_chaos(&state.rule)).map(|state| chaos_fault(&state.rule)).collect();
    json_reply(StatusCode::OK, &Value::Array(faults))
}

fn effect(app: &App, id: &str) -> Value {
    let latency = app.faults.find(id).and_then(|state| state.rule.outcome.latency);
    let millis = latency.and_then(|delay| standin_core::parse_duration(&delay.to_string()).ok());
    json!({ "latency": millis.map_or(0, |duration| duration.as_millis() as u64) })
}

/// A fault of LocalStack's list as a rule. Without an error it is ServiceUnavailable (503), as there.
fn chaos_rule(fault: &Value) -> Result<Rule, String> {
    const KNOWN: [&str; 5] = ["service", "region", "operation", "probability", "error"];
    let members = fault.as_object().ok_or("a fault is a JSON object")?;
    if let Some(unknown) = members.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("a fault has no `{unknown}`; it has {}", KNOWN.join(", ")));
    }
    let mut rule = Map::new();
    for name in ["service", "region", "operation", "probability"] {
        if let Some(value) = members.get(name) {
            rule.insert(name.to_owned(), value.clone());
        }
    }
    let error = members.get("error").cloned().unwrap_or_default();
    let code = error["code"].as_str().unwrap_or("ServiceUnavailable");
    rule.insert("error".to_owned(), code.into());
    rule.insert("force".to_owned(), true.into());
    rule.insert("status".to_owned(), error["statusCode"].as_u64().unwrap_or(503).into());
    serde_json::from_value(Value::Object(rule)).map_err(|error| error.to_string())
}

fn chaos_fault(rule: &Rule) -> Value {
    let written = serde_json::to_value(rule).unwrap_or_default();
    let mut fault = Map::new();
    for name in ["service", "region", "operation"] {
        if let Some(value) = written.get(name) {
            fault.insert(name.to_owned(), value.clone());
        }
    }
    fault.insert("probability".to_owned(), rule.matcher.probability.into());
    fault.insert("error".to_owned(), json!({"statusCode": rule.outcome.status, "code": rule.outcome.error}));
    Value::Object(fault)
}

/// Whether a fault of the list is one that is to be removed: all that the latter tells is the same.
fn same_fault(fault: &Value, wanted: &Value) -> bool {
    wanted.as_object().is_some_and(|wanted| {
        wanted.iter().all(|(name, value)| match name.as_str() {
            "error" => value
                .as_object()
                .is_none_or(|error| error.iter().all(|(name, value)| fault["error"].get(name) == Some(value))),
            _ => fault.get(name) == Some(value),
        })
    })
}

fn list(app: &App) -> Value {
    json!({ "seed": app.dice.seed(), "faults": app.faults.list().iter().map(told).collect::<Vec<_>>() })
}

fn told(state: &RuleState) -> Value {
    let mut value = serde_json::to_value(&state.rule).unwrap_or_default();
    value["matched"] = state.matched.into();
    value["hit"] = state.hit.into();
    value
}

fn one(app: &App, id: &str, status: StatusCode) -> Reply {
    match app.faults.find(id) {
        Some(state) => json_reply(status, &told(&state)),
        None => unknown(id),
    }
}

fn put(app: &App, rule: Rule) -> Reply {
    let id = rule.id.clone();
    match app.faults.put(app.catalogue, rule, app.clock.now()) {
        Ok(()) => one(app, &id, StatusCode::OK),
        Err(refused) => refuse(&refused),
    }
}

/// A rule with some members replaced; `null` takes one away.
fn merged(rule: &Rule, change: Map<String, Value>) -> Result<Rule, String> {
    let mut value = serde_json::to_value(rule).map_err(|error| error.to_string())?;
    let members = value.as_object_mut().ok_or("a rule is an object")?;
    for (name, new) in change {
        if name == "id" {
            return Err("the id of a rule stays; remove it and add another".to_owned());
        }
        if new.is_null() {
            members.remove(&name);
        } else {
            members.insert(name, new);
        }
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn unknown(id: &str) -> Reply {
    fail(StatusCode::NOT_FOUND, format!("no fault rule `{id}`; GET /_standin/faults lists them"))
}

fn refuse(refused: &Refused) -> Reply {
    fail(StatusCode::BAD_REQUEST, refused.to_string())
}
