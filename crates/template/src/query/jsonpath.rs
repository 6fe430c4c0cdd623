//! JSONPath as the package jsonpath-plus has it.

use super::condition::{Condition, Context};
use crate::render::{Machine, Rendered};
use crate::value::index;
use crate::{RenderError, Value};

/// Longer paths find nothing.
const LENGTH_MAX: usize = 1_000;

/// A step of a path.
#[derive(Clone, Debug)]
enum Step {
    Root,
    Name(String),
    /// A name that has no other meaning.
    Literal(String),
    All,
    Descend,
    Parent,
    OwnName,
    Slice(Option<i64>, Option<i64>, i64),
    Filter(Condition, String),
    /// A name that has to be computed.
    Computed(Condition, String),
    Union(Vec<Step>),
    Type(String),
}

/// A value that was found, with the values around it, the nearest last.
struct Trace<'m, 'p, 's, 'r> {
    machine: &'m mut Machine<'p, 's, 'r>,
    root: Value,
    found: Vec<Found>,
}

struct Found {
    value: Value,
    /// Found by a step that may find several.
    of_many: bool,
}

/// Where a trace has come to.
#[derive(Clone)]
struct Spot {
    value: Value,
    /// Name of the value and the value that it is in, from the outermost.
    parents: Option<std::rc::Rc<Up>>,
}

struct Up {
    name: String,
    spot: Spot,
}

impl Spot {
    fn inner(&self, name: &str, value: Value) -> Self {
        let up = Up { name: name.to_owned(), spot: self.clone() };
        Self { value, parents: Some(std::rc::Rc::new(up)) }
    }

    fn name(&self) -> Value {
        self.parents.as_ref().map_or(Value::Null, |up| match index(&up.name) {
            Some(index) if matches!(up.spot.value, Value::List(_)) => Value::Number(index as f64),
            _ => Value::text(&*up.name),
        })
    }

    fn parent(&self) -> Value {
        self.parents.as_ref().map_or(Value::Null, |up| up.spot.value.clone())
    }
}

/// What a path finds in a list or object; undefined if nothing.
pub(crate) fn find(machine: &mut Machine<'_, '_, '_>, value: &Value, path: &str) -> Rendered<Value> {
    if path.encode_utf16().count() > LENGTH_MAX {
        return Ok(Value::Undefined);
    }
    let Some(mut steps) = parse(path) else { return Ok(Value::Undefined) };
    if steps.len() > 1 && matches!(steps[0], Step::Root) {
        steps.remove(0);
    }
    let mut trace = Trace { machine, root: value.clone(), found: Vec::new() };
    let start = Spot { value: value.clone(), parents: None };
    trace.follow(&steps, &start, false)?;
    let mut found = trace.found;
    Ok(match found.as_slice() {
        [] => Value::Undefined,
        [only] if !only.of_many => found.remove(0).value,
        _ => Value::list(found.into_iter().map(|found| found.value).collect()),
    })
}

/// The steps of a path; `None` where a condition is not allowed.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        match first {
            '.' if rest.starts_with("..") => {
                steps.push(Step::Descend);
                rest = &rest[2..];
            }
            '.' => rest = &rest[1..],
            '^' => {
                steps.push(Step::Parent);
                rest = &rest[1..];
            }
            '~' => {
                steps.push(Step::OwnName);
                rest = &rest[1..];
            }
            '[' => {
                let end = closing(rest);
                steps.push(bracketed(&rest[1..end])?);
                rest = rest.get(end + 1..).unwrap_or_default();
            }
            _ => {
                let end = rest.find(['.', '[', '^', '~']).unwrap_or(rest.len());
                let (name, after) = rest.split_at(end);
                let (name, kind) = match name.split_once('@') {
                    Some((name, kind)) if kind.ends_with("()") => (name, Some(kind.trim_end_matches("()"))),
                    _ => (name, None),
                };
                if !name.is_empty() {
                    steps.push(plain(name));
                }
                steps.extend(kind.map(|kind| Step::Type(kind.to_owned())));
                rest = after;
            }
        }
    }
    Some(steps)
}

/// The offset of the bracket that closes the first; brackets in quotes and further brackets do not count.
fn closing(text: &str) -> usize {
    let (mut depth, mut quote) = (0, None);
    for (at, symbol) in text.char_indices() {
        match (quote, symbol) {
            (Some(open), _) if open == symbol => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(symbol),
            (None, '[' | '(') => depth += 1,
            (None, ']' | ')') => {
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    text.len()
}

fn bracketed(inner: &str) -> Option<Step> {
    if let Some(condition) = inner.strip_prefix('?') {
        let code = condition.strip_prefix('(').and_then(|code| code.strip_suffix(')')).unwrap_or(condition);
        return Some(Step::Filter(Condition::parse(code)?, code.to_owned()));
    }
    if let Some(code) = inner.strip_prefix('(').and_then(|code| code.strip_suffix(')')) {
        return Some(Step::Computed(Condition::parse(code)?, inner.to_owned()));
    }
    for quote in ['\'', '"'] {
        if let Some(name) = inner.strip_prefix(quote) {
            let name = name.strip_suffix(quote).unwrap_or(name);
            return Some(if name.contains(quote) { Step::Union(Vec::new()) } else { plain(name) });
        }
    }
    Some(plain(inner))
}

fn plain(name: &str) -> Step {
    match name {
        "$" => return Step::Root,
        "*" => return Step::All,
        _ => {}
    }
    if let Some(name) = name.strip_prefix('`') {
        return Step::Literal(name.to_owned());
    }
    if name.contains(',') {
        return Step::Union(name.split(',').map(plain).collect());
    }
    slice(name).unwrap_or_else(|| Step::Name(name.to_owned()))
}

fn slice(text: &str) -> Option<Step> {
    let mut parts = text.split(':');
    let (start, end, step) = (parts.next()?, parts.next()?, parts.next().unwrap_or_default());
    if parts.next().is_some() {
        return None;
    }
    let number = |text: &str| match text {
        "" => Some(None),
        _ => text.parse::<i64>().ok().map(|number| Some(number).filter(|number| *number != 0)),
    };
    Some(Step::Slice(number(start)?, number(end)?, number(step)?.filter(|step| *step > 0).unwrap_or(1)))
}

impl Trace<'_, '_, '_, '_> {
    /// Follows the steps from a spot and keeps what it comes to.
    fn follow(&mut self, steps: &[Step], spot: &Spot, of_many: bool) -> Rendered<()> {
        self.machine.step(1)?;
        let Some((step, rest)) = steps.split_first() else {
            self.machine.charge(64)?;
            self.found.push(Found { value: spot.value.clone(), of_many });
            return Ok(());
        };
        match step {
            Step::Root => {
                let root = Spot { value: spot.value.clone(), parents: None };
                self.follow(rest, &root, of_many)
            }
            Step::Name(name) | Step::Literal(name) => {
                let value = spot.value.get(name);
                let is_there = match &spot.value {
                    Value::Object(object) => object.get(name).is_some(),
                    _ => !value.is_undefined(),
                };
                if is_there { self.follow(rest, &spot.inner(name, value), of_many) } else { Ok(()) }
            }
            Step::All => {
                for inner in members(spot) {
                    self.follow(rest, &inner, true)?;
                }
                Ok(())
            }
            Step::Descend => {
                self.follow(rest, spot, of_many)?;
                for inner in members(spot) {
                    if inner.value.is_object_type() {
                        self.follow(steps, &inner, true)?;
                    }
                }
                Ok(())
            }
            Step::Parent => match &spot.parents {
                Some(up) => self.follow(rest, &up.spot.clone(), of_many),
                None => Ok(()),
            },
            Step::OwnName => {
                self.found.push(Found { value: spot.name(), of_many: false });
                Ok(())
            }
            Step::Slice(start, end, by) => {
                let Value::List(list) = &spot.value else { return Ok(()) };
                let size = i64::try_from(list.items().len()).unwrap_or(i64::MAX);
                let place = |at: i64| if at < 0 { (at + size).max(0) } else { at.min(size) };
                let (mut at, end) = (place(start.unwrap_or(0)), place(end.unwrap_or(size)));
                while at < end {
                    let item = list.items()[usize::try_from(at).unwrap_or(0)].clone();
                    self.follow(rest, &spot.inner(&at.to_string(), item), true)?;
                    at = at.saturating_add(*by);
                }
                Ok(())
            }
            Step::Filter(condition, code) => {
                for inner in members(spot) {
                    if self.evaluated(condition, code, &inner)?.is_truthy() {
                        self.follow(rest, &inner, true)?;
                    }
                }
                Ok(())
            }
            Step::Computed(condition, code) => {
                let name = self.evaluated(condition, code, spot)?;
                let name = self.machine.text(&name)?;
                let mut steps = vec![plain(&name)];
                steps.extend_from_slice(rest);
                self.follow(&steps, spot, of_many)
            }
            Step::Union(parts) => {
                for part in parts {
                    let mut steps = vec![part.clone()];
                    steps.extend_from_slice(rest);
                    self.follow(&steps, spot, true)?;
                }
                Ok(())
            }
            Step::Type(kind) => {
                if is_of_type(&spot.value, kind) {
                    self.found.push(Found { value: spot.value.clone(), of_many: false });
                }
                Ok(())
            }
        }
    }

    fn evaluated(&mut self, condition: &Condition, code: &str, spot: &Spot) -> Rendered<Value> {
        self.machine.step(condition.size())?;
        let context = Context {
            value: spot.value.clone(),
            name: spot.name(),
            parent: spot.parent(),
            parent_name: spot.parents.as_ref().map_or(Value::Null, |up| up.spot.name()),
            root: self.root.clone(),
        };
        condition.value(&context).map_err(|message| RenderError::new(format!("jsonPath: {message}: {code}")))
    }
}

fn members(spot: &Spot) -> Vec<Spot> {
    match &spot.value {
        Value::List(list) => {
            let numbered = list.items().iter().enumerate();
            numbered.map(|(index, item)| spot.inner(&index.to_string(), item.clone())).collect()
        }
        Value::Object(object) => {
            object.entries().into_iter().map(|(name, member)| spot.inner(name, member.clone())).collect()
        }
        _ => Vec::new(),
    }
}

fn is_of_type(value: &Value, kind: &str) -> bool {
    match kind {
        "scalar" => value.is_nullish() || !value.is_object_type(),
        "boolean" => matches!(value, Value::Bool(_)),
        "string" => matches!(value, Value::Text(_)),
        "undefined" => value.is_undefined(),
        "integer" => matches!(value, Value::Number(number) if number.is_finite() && number.fract() == 0.0),
        "number" => matches!(value, Value::Number(number) if number.is_finite()),
        "nonFinite" => matches!(value, Value::Number(number) if !number.is_finite()),
        "object" => value.is_object_type() && !value.is_nullish(),
        "array" => matches!(value, Value::List(_)),
        "null" => matches!(value, Value::Null),
        _ => false,
    }
}
