//! Variables, pools and connections.

use serde_json::{Map, Value, json};
use standin_core::OperationError;

use super::{Api, MISSING, extend, reply};
use crate::runtime::RestReply;
use crate::simulated::world::{DEFAULT_POOL, Kind};

/// Something that is kept by name.
pub(super) struct Thing {
    kind: Kind,
    path: &'static str,
    /// The member that names it.
    key: &'static str,
    /// What messages call it.
    title: &'static str,
}

const THINGS: &[Thing] = &[
    Thing { kind: Kind::Variable, path: "variables", key: "key", title: "Variable" },
    Thing { kind: Kind::Pool, path: "pools", key: "name", title: "Pool" },
    Thing { kind: Kind::Connection, path: "connections", key: "connection_id", title: "Connection" },
];

/// What a part of a path names.
pub(super) fn of(path: &str) -> Option<&'static Thing> {
    THINGS.iter().find(|thing| thing.path == path)
}

impl Api<'_> {
    pub(super) async fn things(&self, thing: &Thing, rest: &[&str]) -> Result<RestReply, OperationError> {
        let Thing { kind, path, key, title } = *thing;
        match (self.call.method.as_str(), rest) {
            ("GET", []) => {
                let things = self.world.things(kind).await?;
                Ok(self.page(path, things.iter().map(|(name, value)| self.thing(thing, name, value)).collect()))
            }
            ("POST", []) => {
                let body = self.call.body.clone().unwrap_or_default();
                let missing = if self.old() { "Missing data for required field." } else { MISSING };
                let Some(name) = body[key].as_str().filter(|name| !name.is_empty() && !name.contains('/')) else {
                    return Ok(self.invalid(key, missing));
                };
                let needed = match kind {
                    Kind::Variable => "value",
                    Kind::Pool => "slots",
                    Kind::Connection => "conn_type",
                };
                if body[needed].is_null() {
                    return Ok(self.invalid(needed, missing));
                }
                // Airflow 2 replaces variables.
                let replaces = self.old() && kind == Kind::Variable;
                if !replaces && self.world.thing(kind, name).await?.is_some() {
                    let detail = format!("The {title} with {key}: `{name}` already exists");
                    return Ok(self.refuse(409, "Conflict", &detail));
                }
                let value = kept(&body, key);
                self.world.put_thing(kind, name, &value).await?;
                Ok(reply(if self.old() { 200 } else { 201 }, self.thing(thing, name, &value)))
            }
            (method, [name]) => {
                let Some(mut value) = self.world.thing(kind, name).await? else {
                    return Ok(self.missing(thing, name));
                };
                match method {
                    "GET" => Ok(reply(200, self.thing(thing, name, &value))),
                    "PATCH" => {
                        extend(&mut value, kept(&self.call.body.clone().unwrap_or_default(), key));
                        self.world.put_thing(kind, name, &value).await?;
                        Ok(reply(200, self.thing(thing, name, &value)))
                    }
                    "DELETE" if kind == Kind::Pool && *name == DEFAULT_POOL => {
                        Ok(self.refuse(400, "Bad Request", "Default Pool can't be deleted"))
                    }
                    "DELETE" => {
                        self.world.delete_thing(kind, name).await?;
                        Ok(reply(204, Value::Null))
                    }
                    _ => Ok(self.no_method()),
                }
            }
            (_, []) => Ok(self.no_method()),
            _ => Ok(self.nowhere()),
        }
    }

    fn missing(&self, thing: &Thing, name: &str) -> RestReply {
        let Thing { kind, key, title, .. } = *thing;
        if !self.old() {
            return self.refuse(404, "", &format!("The {title} with {key}: `{name}` was not found"));
        }
        match kind {
            Kind::Variable => self.refuse(404, "Variable not found", "Variable does not exist"),
            Kind::Pool => self.refuse(404, "Not Found", &format!("Pool with name:'{name}' not found")),
            Kind::Connection => self.refuse(
                404,
                "Connection not found",
                &format!("The Connection with connection_id: `{name}` was not found"),
            ),
        }
    }

    /// A thing as the API shows it: never with secrets.
    fn thing(&self, thing: &Thing, name: &str, value: &Value) -> Value {
        let member = |name: &str| value[name].clone();
        match thing.kind {
            Kind::Variable => {
                let mut facts = json!({"key": name, "value": member("value"), "description": member("description")});
                if !self.old() {
                    extend(&mut facts, json!({"is_encrypted": true}));
                }
                facts
            }
            Kind::Pool => json!({
                "name": name, "slots": member("slots"), "description": member("description"),
                "include_deferred": value["include_deferred"] == true, "occupied_slots": 0, "running_slots": 0,
                "queued_slots": 0, "scheduled_slots": 0, "open_slots": member("slots"), "deferred_slots": 0,
            }),
            Kind::Connection => json!({
                "connection_id": name, "conn_type": member("conn_type"), "description": member("description"),
                "host": member("host"), "login": member("login"), "port": member("port"), "schema": member("schema"),
            }),
        }
    }
}

/// The members of a body but its name.
fn kept(body: &Value, key: &str) -> Value {
    let mut members: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    members.shift_remove(key);
    Value::Object(members)
}
