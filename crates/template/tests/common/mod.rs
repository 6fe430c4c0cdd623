//! A request, buckets and variables to render with.

#![allow(dead_code, reason = "not every test file asks for everything")]

use std::collections::BTreeMap;
use std::sync::Mutex;

use standin_core::Clock;
use standin_model::Timestamp;
use standin_template::{Data, Random, Request, Scope, Template, Value};

pub struct Asked {
    pub raw_body: String,
    pub body: Option<Value>,
    pub query: Value,
    pub params: Value,
    pub headers: Value,
    pub cookies: Value,
}

impl Request for Asked {
    fn raw_body(&self) -> &str {
        &self.raw_body
    }

    fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    fn query(&self) -> &Value {
        &self.query
    }

    fn params(&self) -> &Value {
        &self.params
    }

    fn headers(&self) -> &Value {
        &self.headers
    }

    fn cookies(&self) -> &Value {
        &self.cookies
    }

    fn method(&self) -> &str {
        "POST"
    }

    fn hostname(&self) -> &str {
        "localhost"
    }

    fn ip(&self) -> &str {
        "::ffff:127.0.0.1"
    }

    fn base_url(&self) -> String {
        "http://localhost:3000/api".to_owned()
    }
}

#[derive(Default)]
pub struct Store {
    pub buckets: Mutex<BTreeMap<String, Value>>,
    pub globals: Mutex<BTreeMap<String, Value>>,
}

impl Data for Store {
    fn bucket(&self, id_or_name: &str) -> Option<Value> {
        self.buckets.lock().expect("no test panics while it holds it").get(id_or_name).cloned()
    }

    fn change_bucket(&self, id_or_name: &str, change: &mut dyn FnMut(&mut Value)) {
        if let Some(bucket) = self.buckets.lock().expect("no test panics while it holds it").get_mut(id_or_name) {
            change(bucket);
        }
    }

    fn global(&self, name: &str) -> Option<Value> {
        self.globals.lock().expect("no test panics while it holds it").get(name).cloned()
    }

    fn set_global(&self, name: &str, value: Value) {
        self.globals.lock().expect("no test panics while it holds it").insert(name.to_owned(), value);
    }

    fn env_var(&self, name: &str) -> Option<String> {
        (name == "MOCKOON_A" || name == "A").then(|| "from outside".to_owned())
    }
}

pub fn json(text: &str) -> Value {
    Value::from_json_text(text).expect("JSON")
}

pub fn request(body: &str) -> Asked {
    Asked {
        raw_body: body.to_owned(),
        body: Value::from_json_text(body),
        query: json(r#"{"q": "1", "list": ["a", "b"], "o": {"k": "v"}}"#),
        params: json(r#"{"id": "42", "wildcard0": ["x", "y"]}"#),
        headers: json(r#"{"accept": "*/*", "empty": ""}"#),
        cookies: json(r#"{"session": "abc"}"#),
    }
}

pub fn store() -> Store {
    let store = Store::default();
    let bucket = json(r#"{"list": [1, 2], "count": 5, "on": true, "user": {"name": "Ann <a>"}}"#);
    store.buckets.lock().expect("nobody else has it yet").insert("b".to_owned(), bucket);
    store
}

/// 2026-11-22T01:23:45.678Z, a Sunday.
pub fn clock() -> Clock {
    Clock::frozen_at(Timestamp::from_millis(1_795_310_625_678))
}

/// A scope with everything in it.
pub fn asked_scope<T>(use_it: impl FnOnce(Scope<'_>) -> T) -> T {
    let (clock, random, store) = (clock(), Random::seeded(1), store());
    let asked = request(r#"{"a": {"b": [10, {"c": "d"}]}, "x.y": 1, "text": "<t>", "nothing": null, "yes": true}"#);
    use_it(Scope::new(&clock, &random).with_request(&asked).with_data(&store).with_status())
}

/// What a template gives, or the message of its error.
pub fn render(text: &str) -> Result<String, String> {
    let template = Template::parse(text).map_err(|error| error.to_string())?;
    asked_scope(|mut scope| template.render(&mut scope)).map_err(|error| error.to_string())
}

#[track_caller]
pub fn check(text: &str, expect: &str) {
    assert_eq!(render(text), Ok(expect.to_owned()), "{text}");
}

#[track_caller]
pub fn check_error(text: &str, expect: &str) {
    assert_eq!(render(text), Err(expect.to_owned()), "{text}");
}
