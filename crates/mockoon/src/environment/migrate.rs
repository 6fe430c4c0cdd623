//! Migrations: what each version of Mockoon changed in the form of files, run on the JSON of an older file.
//!
//! A file that lacks what a migration counts on ends the migrations there, without an error; what is still missing
//! then takes its default, as in Mockoon.

use std::borrow::Cow;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::ids::Ids;

/// The newest migration.
pub const MIGRATION_LAST: u8 = 33;

/// Brings a file up to date.
pub(super) fn migrate(environment: &mut Value, ids: &mut Ids) {
    let last = match environment.get("lastMigration") {
        // As a number of JavaScript: `null` is 0, texts are read.
        Some(Value::Null) => 0.0,
        Some(Value::String(text)) => text.trim().parse().unwrap_or(f64::NAN),
        Some(value) => value.as_f64().unwrap_or(f64::NAN),
        None => return,
    };
    let Some(environment) = environment.as_object_mut() else { return };
    for id in (1..=MIGRATION_LAST).filter(|&id| f64::from(id) > last) {
        if run(id, environment, ids).is_none() {
            return;
        }
    }
}

type Object = Map<String, Value>;

/// `None` when the file is not what the migration expects.
fn run(id: u8, environment: &mut Object, ids: &mut Ids) -> Option<()> {
    match id {
        1 => {
            default_if_falsy(environment, "proxyMode", || json!(false));
            default_if_falsy(environment, "proxyHost", || json!(""));
            default_if_falsy(environment, "https", || json!(false));
            Some(())
        }
        2 => {
            default_if_falsy(environment, "cors", || json!(true));
            each(environment, "routes", |route| {
                default_if_falsy(route, "uuid", || json!(ids.uuid()));
                if truthy(route.get("customHeaders")) {
                    let content_type = route.get("contentType").cloned();
                    let headers = route.get_mut("customHeaders")?.as_array_mut()?;
                    if !headers.iter().any(|header| header.get("key") == Some(&json!("Content-Type"))) {
                        let mut header = json!({ "key": "Content-Type" });
                        if let Some(value) = content_type {
                            header["value"] = value;
                        }
                        headers.insert(0, header);
                    }
                    route.shift_remove("contentType");
                }
                Some(())
            })
        }
        3 => each(environment, "routes", |route| {
            default_if_falsy(route, "uuid", || json!(ids.uuid()));
            Some(())
        }),
        4 => {
            default_if_falsy(environment, "headers", || json!([{ "key": "", "value": "" }]));
            each(environment, "routes", |route| {
                if let Some(file) = route.get_mut("file").and_then(Value::as_object_mut) {
                    file.entry("sendAsBody").or_insert(json!(false));
                }
                default_if_null(route, "documentation", || json!(""));
                if truthy(route.get("customHeaders")) {
                    let headers = route.shift_remove("customHeaders")?;
                    route.insert("headers".to_owned(), headers);
                }
                Some(())
            })
        }
        5 => each(environment, "routes", |route| {
            let file = route.shift_remove("file").filter(|file| truthy(Some(file)));
            let path = file.as_ref().map_or(Some(json!("")), |file| file.get("path").cloned());
            let as_body = file.as_ref().map_or(Some(json!(false)), |file| file.get("sendAsBody").cloned());
            set(route, "filePath", path);
            set(route, "sendFileAsBody", as_body);
            Some(())
        }),
        6 => each(environment, "routes", |route| {
            let mut response = Map::new();
            response.insert("uuid".to_owned(), json!(ids.uuid()));
            let status = route.shift_remove("statusCode").filter(|status| !status.is_null());
            response.insert("statusCode".to_owned(), status.unwrap_or(json!("200")));
            response.insert("label".to_owned(), json!(""));
            for name in ["latency", "filePath", "sendFileAsBody", "headers", "body"] {
                let value = route.shift_remove(name);
                set(&mut response, name, value);
            }
            response.insert("rules".to_owned(), json!([]));
            route.insert("responses".to_owned(), json!([response]));
            Some(())
        }),
        7 => each_response(environment, |response, _| {
            response.insert("uuid".to_owned(), json!(ids.uuid()));
            Some(())
        }),
        8 => each(environment, "routes", |route| {
            route.insert("enabled".to_owned(), json!(true));
            Some(())
        }),
        9 => each_response(environment, |response, _| {
            default_if_falsy(response, "label", || json!(""));
            Some(())
        }),
        10 => {
            default_if_falsy(environment, "proxyReqHeaders", || json!([{ "key": "", "value": "" }]));
            default_if_falsy(environment, "proxyResHeaders", || json!([{ "key": "", "value": "" }]));
            Some(())
        }
        11 => each_response(environment, |response, _| {
            default_if_null(response, "disableTemplating", || json!(false));
            let status = response.get("statusCode").and_then(leading_integer);
            set(response, "statusCode", status.map(|status| json!(status)));
            Some(())
        }),
        12 => each_response(environment, |response, _| {
            default_if_null(response, "rulesOperator", || json!("OR"));
            Some(())
        }),
        13 | 14 => {
            let name = if id == 13 { "randomResponse" } else { "sequentialResponse" };
            each(environment, "routes", |route| {
                default_if_null(route, name, || json!(false));
                Some(())
            })
        }
        15 => {
            default_if_null(environment, "proxyRemovePrefix", || json!(false));
            Some(())
        }
        16 => {
            default_if_falsy(environment, "hostname", || json!("0.0.0.0"));
            Some(())
        }
        17 => each_response(environment, |response, _| {
            default_if_null(response, "fallbackTo404", || json!(false));
            Some(())
        }),
        18 => each_rule(environment, |rule| {
            if truthy(rule.get("isRegex")) {
                rule.insert("operator".to_owned(), json!("regex"));
            }
            default_if_null(rule, "operator", || json!("equals"));
            rule.shift_remove("isRegex");
        }),
        19 => {
            let enabled = environment.shift_remove("https");
            if !truthy(environment.get("tlsOptions")) {
                let mut options = Map::new();
                set(&mut options, "enabled", enabled);
                options.insert("type".to_owned(), json!("CERT"));
                for name in ["pfxPath", "certPath", "keyPath", "caPath", "passphrase"] {
                    options.insert(name.to_owned(), json!(""));
                }
                environment.insert("tlsOptions".to_owned(), Value::Object(options));
            }
            Some(())
        }
        20 => each_response(environment, |response, index| {
            response.entry("default").or_insert(json!(index == 0));
            Some(())
        }),
        21 => each(environment, "routes", |route| {
            let sequential = route.shift_remove("sequentialResponse");
            let random = route.shift_remove("randomResponse");
            default_if_null(route, "responseMode", || {
                if truthy(sequential.as_ref()) {
                    json!("SEQUENTIAL")
                } else if truthy(random.as_ref()) {
                    json!("RANDOM")
                } else {
                    Value::Null
                }
            });
            Some(())
        }),
        22 => each_rule(environment, |rule| default_if_null(rule, "invert", || json!(false))),
        23 => {
            default_if_null(environment, "data", || json!([]));
            Some(())
        }
        24 => each_response(environment, |response, _| {
            default_if_null(response, "databucketID", || json!(""));
            let body_type = if truthy(response.get("filePath")) { "FILE" } else { "INLINE" };
            response.entry("bodyType").or_insert(json!(body_type));
            Some(())
        }),
        25 => {
            default_if_null(environment, "folders", || json!([]));
            if environment.get("rootChildren").is_none_or(Value::is_null) {
                let routes = environment.get("routes")?.as_array()?;
                let children = routes.iter().map(|route| {
                    let mut child = json!({ "type": "route" });
                    if let Some(uuid) = route.get("uuid") {
                        child["uuid"] = uuid.clone();
                    }
                    child
                });
                let children = children.collect();
                environment.insert("rootChildren".to_owned(), Value::Array(children));
            }
            Some(())
        }
        26 => each(environment, "routes", |route| {
            default_if_null(route, "type", || json!("http"));
            Some(())
        }),
        27 => {
            if environment.get("hostname") == Some(&json!("0.0.0.0")) {
                environment.insert("hostname".to_owned(), json!(""));
            }
            Some(())
        }
        28 => each_response(environment, |response, _| {
            default_if_null(response, "crudKey", || json!("id"));
            Some(())
        }),
        29 => {
            if truthy(environment.get("data")) {
                each(environment, "data", |bucket| rename_faker(bucket, "value"))?;
            }
            each_response(environment, |response, _| rename_faker(response, "body"))
        }
        30 => {
            default_if_falsy(environment, "callbacks", || json!([]));
            each_response(environment, |response, _| {
                response.insert("callbacks".to_owned(), json!([]));
                Some(())
            })
        }
        31 => each(environment, "routes", |route| {
            route.shift_remove("enabled");
            Some(())
        }),
        32 => each(environment, "folders", |folder| {
            folder.shift_remove("collapsed");
            Some(())
        }),
        33 => each(environment, "routes", |route| {
            route.insert("streamingMode".to_owned(), Value::Null);
            route.insert("streamingInterval".to_owned(), json!(0));
            Some(())
        }),
        _ => None,
    }
}

fn truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64().is_some_and(|number| number != 0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(_) => true,
    }
}

fn default_if_falsy(object: &mut Object, name: &str, value: impl FnOnce() -> Value) {
    if !truthy(object.get(name)) {
        object.insert(name.to_owned(), value());
    }
}

fn default_if_null(object: &mut Object, name: &str, value: impl FnOnce() -> Value) {
    if object.get(name).is_none_or(Value::is_null) {
        object.insert(name.to_owned(), value());
    }
}

fn set(object: &mut Object, name: &str, value: Option<Value>) {
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.shift_remove(name),
    };
}

fn each(environment: &mut Object, list: &str, mut change: impl FnMut(&mut Object) -> Option<()>) -> Option<()> {
    environment.get_mut(list)?.as_array_mut()?.iter_mut().try_for_each(|item| change(item.as_object_mut()?))
}

/// Calls with every response and its place in its route.
fn each_response(environment: &mut Object, mut change: impl FnMut(&mut Object, usize) -> Option<()>) -> Option<()> {
    each(environment, "routes", |route| {
        let responses = route.get_mut("responses")?.as_array_mut()?;
        responses.iter_mut().enumerate().try_for_each(|(index, response)| change(response.as_object_mut()?, index))
    })
}

fn each_rule(environment: &mut Object, mut change: impl FnMut(&mut Object)) -> Option<()> {
    each_response(environment, |response, _| {
        response.get_mut("rules")?.as_array_mut()?.iter_mut().try_for_each(|rule| {
            change(rule.as_object_mut()?);
            Some(())
        })
    })
}

/// The integer that a text or number begins with.
fn leading_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => Some(number.as_f64()? as i64),
        Value::String(text) => {
            let text = text.trim_start();
            let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
            text[..digits].parse().ok()
        }
        _ => None,
    }
}

/// Renames the methods of faker 7 in a template.
fn rename_faker(object: &mut Object, name: &str) -> Option<()> {
    match object.get_mut(name) {
        Some(Value::String(text)) => {
            // Nothing can match without the word; most bodies do not have it.
            if text.contains("faker") {
                *text = with_new_faker_names(text);
            }
            Some(())
        }
        value if truthy(value.as_deref()) => None,
        _ => Some(()),
    }
}

/// A method of faker 7, and what replaces a call of it.
struct Renamed {
    old: &'static str,
    replacement: String,
    pattern: OnceLock<Option<Regex>>,
}

impl Renamed {
    /// Reads a line of the table: the old name, the new one (none: the call goes), further arguments.
    fn read(line: &'static str) -> Option<Self> {
        let mut words = line.splitn(3, '|');
        let replacement = match (words.nth(1)?, words.next()) {
            ("", _) => String::new(),
            (new, Some(arguments)) => format!("${{1}}{new}${{2}} {arguments}${{3}}"),
            (new, None) => format!("${{1}}{new}${{2}}${{3}}"),
        };
        Some(Self { old: line.split('|').next()?, replacement, pattern: OnceLock::new() })
    }

    fn apply(&self, text: &mut String) {
        // Most names are in no text; their patterns are never needed.
        if !self.old.split('.').all(|word| text.contains(word)) {
            return;
        }
        // The dot of a name stands for any character, as in Mockoon.
        let old = self.old;
        let pattern = self.pattern.get_or_init(|| {
            Regex::new(&format!(r"(\{{{{2,3}}[^{{]*faker[^}}]*){old}([^}})]*)([^}}]*\}}{{2,3}})")).ok()
        });
        if let Some(Cow::Owned(replaced)) = pattern.as_ref().map(|pattern| pattern.replace_all(text, &self.replacement))
        {
            *text = replaced;
        }
    }
}

fn with_new_faker_names(text: &str) -> String {
    static RENAMED: LazyLock<Vec<Renamed>> =
        LazyLock::new(|| include_str!("faker_names.txt").lines().filter_map(Renamed::read).collect());
    let mut text = text.to_owned();
    for renamed in RENAMED.iter() {
        renamed.apply(&mut text);
    }
    text
}
