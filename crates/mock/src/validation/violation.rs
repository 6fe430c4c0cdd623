//! One broken constraint, in AWS's words.

use std::fmt;

use standin_model::{Bound, Document, Service, ShapeIx, Str};

/// Longer values are cut in messages.
const SHOWN_CHARS_MAX: usize = 512;

/// A value that breaks a constraint, and where it stands.
///
/// Displays as AWS words it: `Value 'x' at 'tags.1.member.key' failed to satisfy constraint: …`.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// From the root: members with a small first letter, list items as `1.member`, map entries as `key.member`; in EC2,
    /// members as they are and items as `1`. Empty for the root itself.
    pub path: String,
    pub value: Shown,
    pub constraint: Constraint,
}

/// A value as messages show it.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Null,
    Text(String),
    /// Of a sensitive shape: not shown.
    Hidden,
}

/// What a value had to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Constraint {
    NotNull,
    Pattern(Str),
    /// Characters of a string, bytes of a blob, items of a list or map.
    MinLength(i64),
    MaxLength(i64),
    MinValue(Number),
    MaxValue(Number),
    Enum(Box<[Str]>),
    /// All constraints on the items of a list, of which at least one is broken somewhere.
    Items(Vec<Constraint>),
    MapKeys(Vec<Constraint>),
    MapValues(Vec<Constraint>),
    /// Exactly one member of the union may be set; these are its members.
    Union(Box<[Str]>),
    /// The value is of another kind than the shape; with an article (`a string`).
    Kind(&'static str),
    /// The structure has no such member; the name that was perhaps meant.
    Unknown(Option<Str>),
}

/// A bound on a number. Those of floating-point shapes are written with a fraction (`1.0`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Number {
    pub bound: Bound,
    pub float: bool,
}

impl Constraint {
    /// Whether a value is missing, rather than wrong.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::NotNull)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Shown::Null => f.write_str("Value null")?,
            Shown::Text(text) => write!(f, "Value '{text}'")?,
            Shown::Hidden => f.write_str("Value")?,
        }
        write!(f, " at '{}' failed to satisfy constraint: {}", self.path, self.constraint)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNull => f.write_str("Member must not be null"),
            Self::Pattern(pattern) => write!(f, "Member must satisfy regular expression pattern: {pattern}"),
            Self::MinLength(min) => write!(f, "Member must have length greater than or equal to {min}"),
            Self::MaxLength(max) => write!(f, "Member must have length less than or equal to {max}"),
            Self::MinValue(min) => write!(f, "Member must have value greater than or equal to {min}"),
            Self::MaxValue(max) => write!(f, "Member must have value less than or equal to {max}"),
            Self::Enum(values) => write!(f, "Member must satisfy enum value set: [{}]", values.join(", ")),
            Self::Items(constraints) => write!(f, "Member must satisfy constraint: [{}]", Joined(constraints)),
            Self::MapKeys(constraints) => write!(f, "Map keys must satisfy constraint: [{}]", Joined(constraints)),
            Self::MapValues(constraints) => write!(f, "Map value must satisfy constraint: [{}]", Joined(constraints)),
            Self::Union(members) => write!(f, "Member must set exactly one of [{}]", members.join(", ")),
            Self::Kind(kind) => write!(f, "Member must be {kind}"),
            Self::Unknown(None) => f.write_str("Member is not modelled"),
            Self::Unknown(Some(near)) => write!(f, "Member is not modelled; did you mean {near}?"),
        }
    }
}

struct Joined<'c>(&'c [Constraint]);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, constraint) in self.0.iter().enumerate() {
            let separator = if at > 0 { ", " } else { "" };
            write!(f, "{separator}{constraint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.float { write!(f, "{:?}", self.bound.as_f64()) } else { self.bound.fmt(f) }
    }
}

impl Shown {
    /// A value as Java prints it, which is what AWS's messages hold: `[a, b]`, `{k=v}`.
    pub(super) fn new(service: &Service, shape: ShapeIx, value: &Document) -> Self {
        if service.shape(shape).sensitive {
            return Self::Hidden;
        }
        let mut text = Cut { text: String::new(), room: SHOWN_CHARS_MAX };
        // The only error is that there is no more room.
        if show(value, &mut text).is_err() {
            text.text.push('…');
        }
        if value.is_null() { Self::Null } else { Self::Text(text.text) }
    }
}

/// Takes text until it is full.
struct Cut {
    text: String,
    room: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            self.room = self.room.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

fn show(value: &Document, out: &mut Cut) -> fmt::Result {
    use fmt::Write;
    match value {
        Document::Null => out.write_str("null"),
        Document::Bool(value) => write!(out, "{value}"),
        Document::Int(value) => write!(out, "{value}"),
        Document::Float(value) => write!(out, "{value:?}"),
        Document::BigNumber(digits) => out.write_str(digits),
        Document::String(text) => out.write_str(text),
        Document::Blob(bytes) => write!(out, "{} bytes", bytes.len()),
        Document::Timestamp(stamp) => write!(out, "{stamp}"),
        Document::List(items) => {
            out.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                out.write_str(if at > 0 { ", " } else { "" })?;
                show(item, out)?;
            }
            out.write_char(']')
        }
        Document::Map(fields) => {
            out.write_char('{')?;
            for (at, (key, value)) in fields.iter().enumerate() {
                write!(out, "{}{key}=", if at > 0 { ", " } else { "" })?;
                show(value, out)?;
            }
            out.write_char('}')
        }
    }
}
