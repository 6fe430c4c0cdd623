//! CRUD routes: the nine operations on a data bucket.

use std::cmp::Ordering;
use std::sync::LazyLock;

use http::Method;
use regex::Regex;
use standin_template::{Request as _, Value, path_names};

use crate::pattern::{Pattern, PatternError};
use crate::request::Incoming;
use crate::values;

/// What is done to a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    List,
    Get,
    Create,
    ReplaceAll,
    Replace,
    MergeAll,
    Merge,
    DeleteAll,
    Delete,
}

impl Action {
    /// `None` for methods that CRUD routes do not have.
    pub fn of(method: &Method, is_item: bool) -> Option<Self> {
        match (method.as_str(), is_item) {
            ("GET", false) => Some(Self::List),
            ("GET", true) => Some(Self::Get),
            ("POST", false) => Some(Self::Create),
            ("PUT", false) => Some(Self::ReplaceAll),
            ("PUT", true) => Some(Self::Replace),
            ("PATCH", false) => Some(Self::MergeAll),
            ("PATCH", true) => Some(Self::Merge),
            ("DELETE", false) => Some(Self::DeleteAll),
            ("DELETE", true) => Some(Self::Delete),
            _ => None,
        }
    }
}

/// What a client is told.
#[derive(Debug, Default)]
pub struct Outcome {
    pub body: Value,
    pub status: Option<u16>,
    /// How many items there are, and how many passed the filters.
    pub counts: Option<(usize, usize)>,
}

impl Outcome {
    fn of(body: Value, status: u16) -> Self {
        Self { body, status: Some(status), counts: None }
    }

    fn empty(status: u16) -> Self {
        Self::of(Value::object::<&str>([]), status)
    }
}

/// Does one operation to a bucket. `new_id` makes the identifier of a new item, given all items.
///
/// # Errors
/// When a filter has a regular expression that is none.
pub fn act(
    action: Action,
    bucket: &mut Value,
    request: &Incoming<'_>,
    key: &str,
    new_id: impl FnOnce(&[Value]) -> Value,
) -> Result<Outcome, PatternError> {
    let escaped_key = path_names(key);
    let sent = || match request.parsed() {
        Some(body) => body.clone(),
        None if request.raw_body().is_empty() => Value::object::<&str>([]),
        None => Value::text(request.raw_body()),
    };
    let items: Option<Vec<Value>> = match bucket {
        Value::List(list) => Some(list.items().to_vec()),
        _ => None,
    };
    let place = |items: &[Value]| place(items, &request.param("id"), key);
    Ok(match (action, items) {
        (Action::List, Some(items)) => list(items, request)?,
        (Action::List | Action::Get, None) => Outcome { body: bucket.clone(), ..Outcome::default() },
        (Action::Get, Some(items)) => match place(&items) {
            Some(place) => Outcome { body: items[place].clone(), ..Outcome::default() },
            None => Outcome::empty(404),
        },
        (Action::Create, Some(mut items)) => {
            let mut item = sent();
            if matches!(item, Value::Object(_)) && values::at(&item, &escaped_key).is_undefined() {
                item = values::with(&item, &escaped_key, new_id(&items));
            }
            items.push(item.clone());
            *bucket = Value::list(items);
            Outcome::of(item, 201)
        }
        (Action::Create, None) => {
            *bucket = sent();
            Outcome::of(bucket.clone(), 201)
        }
        (Action::ReplaceAll, _) | (Action::Replace, None) => {
            *bucket = sent();
            Outcome::of(bucket.clone(), 200)
        }
        (Action::Replace, Some(mut items)) => match place(&items) {
            Some(place) => {
                let body = sent();
                items[place] = if matches!(items[place], Value::Object(_) | Value::List(_)) {
                    let id = values::at(&items[place], &escaped_key);
                    let replaced = Value::object(values::members(&body));
                    if values::at(&body, &escaped_key).is_undefined() {
                        values::with(&replaced, &escaped_key, id)
                    } else {
                        replaced
                    }
                } else {
                    body
                };
                let item = items[place].clone();
                *bucket = Value::list(items);
                Outcome::of(item, 200)
            }
            None => Outcome::empty(404),
        },
        (Action::MergeAll, Some(mut items)) if matches!(sent(), Value::List(_)) => {
            if let Value::List(more) = sent() {
                items.extend_from_slice(more.items());
            }
            *bucket = Value::list(items);
            Outcome::of(bucket.clone(), 200)
        }
        (Action::MergeAll, _) | (Action::Merge, None) => {
            *bucket = merged(bucket, sent());
            Outcome::of(bucket.clone(), 200)
        }
        (Action::Merge, Some(mut items)) => match place(&items) {
            Some(place) => {
                items[place] = merged(&items[place], sent());
                let item = items[place].clone();
                *bucket = Value::list(items);
                Outcome::of(item, 200)
            }
            None => Outcome::empty(404),
        },
        (Action::DeleteAll, _) | (Action::Delete, None) => {
            *bucket = Value::Undefined;
            Outcome::empty(200)
        }
        (Action::Delete, Some(mut items)) => match place(&items) {
            Some(place) => {
                items.remove(place);
                *bucket = Value::list(items);
                Outcome::empty(200)
            }
            None => Outcome::empty(404),
        },
    })
}

fn merged(under: &Value, over: Value) -> Value {
    match under {
        Value::Object(_) | Value::List(_) => values::merged(under, &over),
        _ => over,
    }
}

/// Objects by their key, anything else by its index.
fn place(items: &[Value], id: &Value, key: &str) -> Option<usize> {
    let id = values::text(id);
    let index = values::leading_integer(&id).unwrap_or(0);
    let key: Vec<&str> = key.split('.').collect();
    items.iter().enumerate().position(|(place, item)| match item {
        Value::Object(_) | Value::List(_) => {
            let found = values::at(item, &key);
            !found.is_nullish() && values::text(&found) == id
        }
        _ => i64::try_from(place).is_ok_and(|place| place == index),
    })
}

fn list(mut items: Vec<Value>, request: &Incoming<'_>) -> Result<Outcome, PatternError> {
    let query = request.query();
    let text = |name: &str| match query.get(name) {
        Value::Text(text) => Some(text),
        _ => None,
    };
    let total = items.len();
    if let Some(search) = text("search").filter(|search| !search.is_empty()) {
        let search = search.to_lowercase();
        items.retain(|item| contains(item, &search));
    }
    for (name, wanted) in values::members(query) {
        let Some(filter) = Filter::read(&name, wanted)? else { continue };
        items.retain(|item| filter.passes(item));
    }
    let filtered = items.len();
    if let Some(sort) = text("sort") {
        let descending = text("order").is_some_and(|order| order.as_ref() == "desc");
        let by = |item: &Value| {
            let value = if matches!(item, Value::Object(_) | Value::List(_)) { item.get(&sort) } else { item.clone() };
            match value {
                Value::Text(text) => Value::from(text.to_lowercase()),
                other => other,
            }
        };
        let mut keyed: Vec<(Value, Value)> = items.into_iter().map(|item| (by(&item), item)).collect();
        // Values that cannot be compared keep their order; a sort that is no order is no reason to panic.
        let ordered = |a: &Value, b: &Value| {
            let order = values::compare(a, b).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        };
        stable_sort(&mut keyed, &ordered);
        items = keyed.into_iter().map(|(_, item)| item).collect();
    }
    if !query.get("limit").is_undefined() || !query.get("page").is_undefined() {
        let number = |name: &str, default: i64| {
            text(name).and_then(|text| values::leading_integer(&text)).filter(|&number| number != 0).unwrap_or(default)
        };
        let (limit, page) = (number("limit", 10), number("page", 1));
        let start = slice_index(page.saturating_sub(1).saturating_mul(limit), items.len());
        let end = slice_index(page.saturating_mul(limit), items.len());
        items = items.get(start..end.max(start)).unwrap_or_default().to_vec();
    }
    Ok(Outcome { body: Value::list(items), status: None, counts: Some((total, filtered)) })
}

/// Merges halves: unlike the one of the standard library, it takes any comparison.
fn stable_sort(items: &mut Vec<(Value, Value)>, order: &dyn Fn(&Value, &Value) -> Ordering) {
    if items.len() < 2 {
        return;
    }
    let mut right = items.split_off(items.len() / 2);
    stable_sort(items, order);
    stable_sort(&mut right, order);
    let mut left = std::mem::take(items).into_iter().peekable();
    let mut right = right.into_iter().peekable();
    loop {
        let next = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) if order(&a.0, &b.0) == Ordering::Greater => right.next(),
            (Some(_), _) => left.next(),
            _ => right.next(),
        };
        match next {
            Some(next) => items.push(next),
            None => return,
        }
    }
}

/// Negative indices count from the end.
fn slice_index(index: i64, length: usize) -> usize {
    if index < 0 {
        length.saturating_sub(usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX))
    } else {
        usize::try_from(index).unwrap_or(usize::MAX).min(length)
    }
}

/// Whether any text or number in a value contains a text, which is in lower case.
fn contains(value: &Value, search: &str) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Object(_) | Value::List(_) => values::members(value).iter().any(|(_, value)| contains(value, search)),
        other => values::text(other).to_lowercase().contains(search),
    }
}

/// A condition in the query: `path_op=value`.
struct Filter {
    path: Vec<String>,
    test: Test,
}

enum Test {
    Same(Value),
    Different(Value),
    Compare(Value, fn(Ordering) -> bool),
    Like(Pattern),
}

impl Filter {
    fn read(name: &str, wanted: Value) -> Result<Option<Self>, PatternError> {
        let Some((path, operator)) = name.rsplit_once('_') else { return Ok(None) };
        let pattern = |before: &str, after: &str| {
            Pattern::new(&format!("{before}{}{after}", values::text(&wanted)), true).map(Test::Like)
        };
        let test = match operator {
            "eq" => Test::Same(wanted),
            "ne" => Test::Different(wanted),
            "gt" => Test::Compare(wanted, Ordering::is_gt),
            "gte" => Test::Compare(wanted, Ordering::is_ge),
            "lt" => Test::Compare(wanted, Ordering::is_lt),
            "lte" => Test::Compare(wanted, Ordering::is_le),
            "like" => pattern("", "")?,
            "start" => pattern("^", "")?,
            "end" => pattern("", "$")?,
            _ => return Ok(None),
        };
        Ok(Some(Self { path: path.split('.').map(str::to_owned).collect(), test }))
    }

    fn passes(&self, item: &Value) -> bool {
        let found = values::at(item, &self.path);
        match &self.test {
            Test::Same(wanted) => values::alike(&found, wanted),
            Test::Different(wanted) => !values::alike(&found, wanted),
            Test::Compare(wanted, holds) => values::compare(&found, wanted).is_some_and(holds),
            Test::Like(pattern) => pattern.is_match(&values::text(&found)),
        }
    }
}

/// One above the highest number among the identifiers; `None` when none is a number.
pub fn next_number(items: &[Value], key: &str) -> Option<f64> {
    let key = path_names(key);
    let numbers = items.iter().filter_map(|item| match values::at(item, &key) {
        Value::Number(number) => Some(number),
        _ => None,
    });
    numbers.reduce(f64::max).map(|highest| highest + 1.0)
}

/// The expression that makes the key in the source of a bucket: `"id": "{{faker 'string.uuid'}}"`.
pub fn id_template(source: &str, key: &str) -> Option<String> {
    static EXPRESSION: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{\{\{[\s\S]*?\}\}\}|\{\{[\s\S]*?\}\}").ok());
    static TOKEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"\{|\}|["']?([A-Za-z_$][0-9A-Za-z_$]*)["']?\s*:"#).ok());
    static VALUE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"^\s*"?((?:\{\{\{[\s\S]*?\}\}\}|\{\{[\s\S]*?\}\})+)"?"#).ok());
    // Expressions must not be taken for objects.
    let blanked = EXPRESSION.as_ref()?.replace_all(source, |found: &regex::Captures<'_>| " ".repeat(found[0].len()));
    let wanted = path_names(key);
    let mut objects: Vec<Vec<String>> = Vec::new();
    let mut pending: Option<Vec<String>> = None;
    for token in TOKEN.as_ref()?.captures_iter(&blanked) {
        let whole = token.get(0)?;
        match (whole.as_str(), token.get(1)) {
            ("{", _) => objects.push(pending.take().or_else(|| objects.last().cloned()).unwrap_or_default()),
            ("}", _) => {
                objects.pop();
                pending = None;
            }
            (_, Some(name)) => {
                let mut path = objects.last().cloned().unwrap_or_default();
                path.push(name.as_str().to_owned());
                let value = VALUE.as_ref()?.captures(&source[whole.end()..]);
                if let Some(value) = value.filter(|_| path == wanted) {
                    return Some(value.get(1)?.as_str().to_owned());
                }
                pending = Some(path);
            }
            _ => {}
        }
    }
    None
}

/// What a rendered identifier is: a number if it looks exactly like one. `None` of nothing.
pub fn cast_id(text: &str) -> Option<Value> {
    let text = text.trim();
    let number = Value::from_json_text(text).filter(|value| matches!(value, Value::Number(_)));
    match number {
        _ if text.is_empty() => None,
        Some(number) if values::text(&number) == text => Some(number),
        _ => Some(Value::text(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_keys() {
        // 100, 101
        let check = |source: &str, key: &str, expect: Option<&str>| {
            assert_eq!(id_template(source, key).as_deref(), expect, "{source}");
        };
        check("[{\"id\": \"{{faker 'string.uuid'}}\", \"a\": 1}]", "id", Some("{{faker 'string.uuid'}}"));
        check("[{{#repeat 3}}{ \"id\": {{@index}} }{{/repeat}}]", "id", Some("{{@index}}"));
        check("[{\"a\": {\"id\": \"{{x}}\"}, \"id\": 1}]", "id", None);
        check("[{\"a\": {\"id\": \"{{x}}\"}, \"id\": 1}]", "a.id", Some("{{x}}"));
        check("[]", "id", None);
        assert_eq!(values::text(&cast_id(" 12 ").unwrap()), "12");
        assert!(matches!(cast_id("012"), Some(Value::Text(_))));
        assert!(cast_id(" ").is_none());
    }
}
