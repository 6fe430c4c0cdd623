//! Data buckets: rendered at the start, or by the first request that needs them, and then kept.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use fancy_regex::Regex;
use standin_template::{Scope, Value};

use crate::environment::{Environment, Response, Route, Target};
use crate::text::Text;

/// All buckets of an environment.
#[derive(Debug)]
pub struct Buckets {
    definitions: Vec<Definition>,
    states: RwLock<Vec<State>>,
    /// Some bucket waits for a request.
    waiting: AtomicBool,
}

#[derive(Debug)]
struct Definition {
    uuid: String,
    id: String,
    name: String,
    lower_name: String,
    source: String,
    text: Text,
    /// The text asks for the request.
    waits: bool,
    /// Buckets that the text mentions.
    mentions: Vec<String>,
}

/// A bucket at the moment.
#[derive(Clone, Debug)]
pub struct State {
    pub value: Value,
    pub parsed: bool,
    pub valid_json: bool,
}

/// What is known of a bucket from the outside.
#[derive(Clone, Debug)]
pub struct About<'b> {
    pub uuid: &'b str,
    pub id: &'b str,
    pub name: &'b str,
    pub state: State,
}

impl Definition {
    /// What is in it before any request.
    fn first<'s>(&self, scope: &impl Fn() -> Scope<'s>) -> State {
        if self.waits {
            State { value: Value::text(self.source.as_str()), parsed: false, valid_json: false }
        } else {
            rendered(&self.text, &mut scope())
        }
    }
}

impl Buckets {
    pub fn new(environment: &Environment) -> Self {
        let definitions: Vec<Definition> = environment
            .data
            .iter()
            .map(|bucket| Definition {
                uuid: bucket.uuid.clone(),
                id: bucket.id.clone(),
                name: bucket.name.clone(),
                lower_name: bucket.name.to_lowercase(),
                source: bucket.value.clone(),
                text: Text::new(&bucket.value),
                waits: asks_for_request(&bucket.value),
                mentions: mentions(&bucket.value),
            })
            .collect();
        Self { definitions, states: RwLock::default(), waiting: AtomicBool::new(false) }
    }

    fn states(&self) -> std::sync::RwLockReadGuard<'_, Vec<State>> {
        self.states.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn states_mut(&self) -> std::sync::RwLockWriteGuard<'_, Vec<State>> {
        self.states.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Renders all that need no request, in order: a bucket sees those before it.
    pub fn reset<'s>(&self, scope: impl Fn() -> Scope<'s>) {
        self.states_mut().clear();
        for definition in &self.definitions {
            let state = definition.first(&scope);
            self.states_mut().push(state);
        }
        self.waiting.store(self.definitions.iter().any(|definition| definition.waits), Ordering::Release);
    }

    /// Takes over what is in the buckets of before that did not change, and renders the others; true if there were any.
    pub fn follow<'s>(&self, before: &Self, scope: impl Fn() -> Scope<'s>) -> bool {
        self.states_mut().clear();
        let mut has_new = false;
        for definition in &self.definitions {
            let same = before.definitions.iter().position(|known| {
                (&known.uuid, &known.id, &known.name, &known.source)
                    == (&definition.uuid, &definition.id, &definition.name, &definition.source)
            });
            let kept = same.and_then(|index| before.states().get(index).cloned());
            has_new |= kept.is_none();
            let state = kept.unwrap_or_else(|| definition.first(&scope));
            self.states_mut().push(state);
        }
        self.waiting.store(self.states().iter().any(|state| !state.parsed), Ordering::Release);
        has_new
    }

    /// Renders those that wait and that a route refers to; true if there were any.
    pub fn prepare<'s>(&self, referred: &[String], scope: impl Fn() -> Scope<'s>) -> bool {
        if !self.waiting.load(Ordering::Acquire) {
            return false;
        }
        let mut rendered_some = false;
        let is_referred = |definition: &&Definition| {
            referred.iter().any(|name| definition.id == *name || definition.lower_name.contains(&name.to_lowercase()))
        };
        // Only the last one's mentions count, as in Mockoon.
        let nested = self.definitions.iter().rfind(is_referred).map(|definition| definition.mentions.as_slice());
        for name in nested.unwrap_or_default().iter().chain(referred) {
            let Some(index) = self.index(name) else { continue };
            if self.states().get(index).is_some_and(|state| !state.parsed) {
                let state = rendered(&self.definitions[index].text, &mut scope());
                if let Some(place) = self.states_mut().get_mut(index).filter(|place| !place.parsed) {
                    *place = state;
                    rendered_some = true;
                }
            }
        }
        if self.states().iter().all(|state| state.parsed) {
            self.waiting.store(false, Ordering::Release);
        }
        rendered_some
    }

    /// By the exact id or a part of the name.
    fn index(&self, id_or_name: &str) -> Option<usize> {
        let lower = id_or_name.to_lowercase();
        self.definitions
            .iter()
            .position(|definition| definition.id == id_or_name || definition.lower_name.contains(&lower))
            .filter(|&index| index < self.states().len())
    }

    pub fn get(&self, id_or_name: &str) -> Option<Value> {
        let index = self.index(id_or_name)?;
        Some(self.states().get(index)?.value.clone())
    }

    pub fn change(&self, id_or_name: &str, change: &mut dyn FnMut(&mut Value)) {
        if let Some(index) = self.index(id_or_name)
            && let Some(state) = self.states_mut().get_mut(index)
        {
            change(&mut state.value);
        }
    }

    /// The one that a response serves: by its id alone.
    pub fn served(&self, id: &str) -> Option<(usize, State)> {
        let index = self.definitions.iter().position(|definition| definition.id == id)?;
        Some((index, self.states().get(index)?.clone()))
    }

    /// Changes a bucket as one step.
    pub fn change_at<T>(&self, index: usize, change: impl FnOnce(&mut Value) -> T) -> Option<T> {
        self.states_mut().get_mut(index).map(|state| change(&mut state.value))
    }

    pub fn source(&self, index: usize) -> &str {
        &self.definitions[index].source
    }

    /// Values by id and by name, as rules see them.
    pub fn by_names(&self) -> Value {
        let states = self.states();
        let pairs = self.definitions.iter().zip(states.iter());
        Value::object(pairs.flat_map(|(definition, state)| {
            [(definition.id.as_str(), state.value.clone()), (definition.name.as_str(), state.value.clone())]
        }))
    }

    pub fn all(&self) -> Vec<About<'_>> {
        let states = self.states();
        let pairs = self.definitions.iter().zip(states.iter());
        pairs
            .map(|(definition, state)| About {
                uuid: &definition.uuid,
                id: &definition.id,
                name: &definition.name,
                state: state.clone(),
            })
            .collect()
    }
}

fn rendered(text: &Text, scope: &mut Scope<'_>) -> State {
    match text.render(scope) {
        Ok(text) => match Value::from_json_text(&text) {
            Some(value) => State { value, parsed: true, valid_json: true },
            None => State { value: Value::Text(text), parsed: true, valid_json: false },
        },
        Err(message) => State { value: Value::from(message), parsed: true, valid_json: false },
    }
}

/// Whether a text calls a helper that needs the request; found by its looks, as in Mockoon.
fn asks_for_request(text: &str) -> bool {
    static HELPERS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let names = "bodyRaw|body|method|ip|urlParam|urlParams|queryParam|queryParamRaw|queryParams|header|headers|cookie|baseUrl|hostname";
        Regex::new(&format!(r"\{{{{2,3}}[#(~\s\w ]*((?<!\w)(?:bodyRaw)|{names})[)}} ~]+")).ok()
    });
    text.contains("{{") && HELPERS.as_ref().is_some_and(|pattern| pattern.is_match(text).unwrap_or(true))
}

/// The buckets that `data` and `dataRaw` name in a text.
pub fn mentions(text: &str) -> Vec<String> {
    static CALLS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#"data(?:Raw)? +['|"]([^('|")]*)"#).ok());
    if !text.contains("data") {
        return Vec::new();
    }
    let found = CALLS.as_ref().into_iter().flat_map(|pattern| pattern.captures_iter(text));
    found.filter_map(|captures| Some(captures.ok()?.get(1)?.as_str().to_owned())).collect()
}

/// Everything by which a route refers to buckets.
pub fn referred(environment: &Environment, route: &Route) -> Vec<String> {
    let mut names: Vec<String> = environment.headers.iter().flat_map(|header| mentions(&header.value)).collect();
    for response in &route.responses {
        names.extend(response.headers.iter().flat_map(|header| mentions(&header.value)));
        names.extend(mentions(&response.body));
        names.extend(mentions(&response.file_path));
        names.extend(in_callbacks(environment, response));
        for rule in response.rules.iter().filter(|rule| rule.target == Target::DataBucket) {
            let mut parts = rule.modifier.split('.');
            let first = parts.next().unwrap_or_default();
            let name = if first.starts_with('$') { parts.next() } else { Some(first) };
            names.extend(name.map(str::to_owned));
            names.extend(mentions(&rule.value));
        }
        if !response.bucket_id.is_empty() {
            names.push(response.bucket_id.clone());
        }
    }
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn in_callbacks(environment: &Environment, response: &Response) -> Vec<String> {
    let called = response
        .callbacks
        .iter()
        .filter_map(|call| environment.callbacks.iter().find(|callback| callback.uuid == call.uuid));
    called
        .flat_map(|callback| {
            let texts = [&callback.uri, &callback.body, &callback.file_path];
            let texts = texts.into_iter().chain(callback.headers.iter().map(|header| &header.value));
            let mut names: Vec<String> = texts.flat_map(|text| mentions(text)).collect();
            if !callback.bucket_id.is_empty() {
                names.push(callback.bucket_id.clone());
            }
            names
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_helpers_are_recognised() {
        let check = |text: &str, expect: bool| assert_eq!(asks_for_request(text), expect, "{text}");
        check("{{body}}", true);
        check("{{ header 'x' }}", true);
        check("{{#if (queryParam 'x')}}", true);
        check("{{{bodyRaw }}}", true);
        check("{{faker 'string.uuid'}}", false);
        check("body", false);
        check("{{somebody }}", true);
        check("{{method2}}", false);
    }

    #[test]
    fn mentioned_buckets() {
        assert_eq!(mentions("{{data 'a'}} {{#each (dataRaw \"b c\" 'x')}}"), ["a", "b c"]);
        assert_eq!(mentions("{{data b}} setData 'x'"), Vec::<String>::new());
    }
}
