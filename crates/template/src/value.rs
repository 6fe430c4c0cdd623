//! What templates compute with: JSON, and what JavaScript adds to it where that shows in the output.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::number;

/// Lists and objects nest no deeper; what is deeper becomes null.
pub(crate) const DEPTH_MAX: u32 = 200;

/// A value of JavaScript, as far as templates see them. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// What is not there.
    #[default]
    Undefined,
    Null,
    Bool(bool),
    Number(f64),
    Text(Arc<str>),
    /// A text that is printed without escaping. In conditions it is true even if empty.
    Safe(Arc<str>),
    /// Milliseconds since 1970; NaN is the invalid date.
    Date(f64),
    List(Arc<List>),
    Object(Arc<Object>),
}

/// The items of a list.
#[derive(Clone, Debug, Default)]
pub struct List {
    items: Vec<Value>,
    depth: u32,
}

/// The members of an object, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub struct Object {
    members: Members,
    depth: u32,
}

pub(crate) type Members = IndexMap<Arc<str>, Value>;

impl List {
    pub fn items(&self) -> &[Value] {
        &self.items
    }
}

impl Object {
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members as JavaScript enumerates them: whole numbers first, in ascending order, the others as they were set.
    pub fn entries(&self) -> Vec<(&Arc<str>, &Value)> {
        let mut entries: Vec<_> = self.members.iter().collect();
        if self.members.keys().any(|name| index(name).is_some()) {
            entries.sort_by_key(|(name, _)| index(name).unwrap_or(usize::MAX));
        }
        entries
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }
}

/// The number that a property name is, if it is one of a list's: digits without leading zeros.
pub(crate) fn index(name: &str) -> Option<usize> {
    let digits = !name.is_empty() && name.len() <= 10 && name.bytes().all(|byte| byte.is_ascii_digit());
    if digits && (name == "0" || !name.starts_with('0')) { name.parse().ok() } else { None }
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub fn safe(text: impl Into<Arc<str>>) -> Self {
        Self::Safe(text.into())
    }

    pub fn list(items: Vec<Self>) -> Self {
        let depth = 1 + items.iter().map(Self::depth).max().unwrap_or(0);
        if depth > DEPTH_MAX { Self::Null } else { Self::List(Arc::new(List { items, depth })) }
    }

    pub fn object<N: Into<Arc<str>>>(members: impl IntoIterator<Item = (N, Self)>) -> Self {
        Self::from_members(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    pub(crate) fn from_members(members: Members) -> Self {
        let depth = 1 + members.values().map(Self::depth).max().unwrap_or(0);
        if depth > DEPTH_MAX { Self::Null } else { Self::Object(Arc::new(Object { members, depth })) }
    }

    fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    /// Reads JSON text; `None` if it is not.
    pub fn from_json_text(text: &str) -> Option<Self> {
        serde_json::from_str::<Json>(text).ok().map(Self::from)
    }

    /// The own property of that name: members, indices, and `length` of texts and lists.
    pub fn get(&self, name: &str) -> Self {
        match self {
            Self::Object(object) => object.get(name).cloned().unwrap_or_default(),
            Self::List(list) if name == "length" => Self::Number(list.items.len() as f64),
            Self::List(list) => index(name).and_then(|index| list.items.get(index)).cloned().unwrap_or_default(),
            Self::Text(text) if name == "length" => Self::Number(text.encode_utf16().count() as f64),
            Self::Text(text) => index(name)
                .and_then(|index| text.encode_utf16().nth(index))
                .map_or(Self::Undefined, |unit| Self::text(String::from_utf16_lossy(&[unit]))),
            Self::Safe(text) if name == "string" => Self::Text(Arc::clone(text)),
            _ => Self::Undefined,
        }
    }

    /// Undefined or null.
    pub fn is_nullish(&self) -> bool {
        matches!(self, Self::Undefined | Self::Null)
    }

    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined)
    }

    /// What `!!value` gives.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Undefined | Self::Null => false,
            Self::Bool(bool) => *bool,
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Safe(_) | Self::Date(_) | Self::List(_) | Self::Object(_) => true,
        }
    }

    /// What `typeof value === 'object'` gives; true of null.
    pub(crate) fn is_object_type(&self) -> bool {
        matches!(self, Self::Null | Self::Safe(_) | Self::Date(_) | Self::List(_) | Self::Object(_))
    }

    /// A text, safe or not.
    pub(crate) fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Text(text) | Self::Safe(text) => Some(text),
            _ => None,
        }
    }

    /// A safe text becomes a plain one.
    pub(crate) fn unwrapped(self) -> Self {
        match self {
            Self::Safe(text) => Self::Text(text),
            other => other,
        }
    }

    /// What `Number(value)` gives.
    pub(crate) fn to_number(&self) -> f64 {
        match self {
            Self::Undefined => f64::NAN,
            Self::Null => 0.0,
            Self::Bool(bool) => f64::from(u8::from(*bool)),
            Self::Number(number) | Self::Date(number) => *number,
            Self::Text(text) | Self::Safe(text) => number::parse(text),
            Self::List(list) => match list.items.as_slice() {
                [] => 0.0,
                [Self::Bool(_)] => f64::NAN,
                [Self::Undefined] => 0.0,
                [one] => one.to_number(),
                _ => f64::NAN,
            },
            Self::Object(_) => f64::NAN,
        }
    }

    /// What `a === b` gives.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Undefined, Self::Undefined) | (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Safe(a), Self::Safe(b)) => Arc::ptr_eq(a, b),
            (Self::List(a), Self::List(b)) => Arc::ptr_eq(a, b),
            (Self::Object(a), Self::Object(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl From<Json> for Value {
    fn from(json: Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(bool),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::text(text),
            Json::Array(items) => Self::list(items.into_iter().map(Self::from).collect()),
            Json::Object(members) => Self::object(members.into_iter().map(|(name, value)| (name, Self::from(value)))),
        }
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(bool) => Self::Bool(*bool),
            Json::Number(number) => Self::Number(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::text(text.as_str()),
            Json::Array(items) => Self::list(items.iter().map(Self::from).collect()),
            Json::Object(members) => {
                Self::object(members.iter().map(|(name, value)| (name.as_str(), Self::from(value))))
            }
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<bool> for Value {
    fn from(bool: bool) -> Self {
        Self::Bool(bool)
    }
}
