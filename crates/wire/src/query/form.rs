//! A form body as a tree, without building one.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::count_value;
use crate::message::DecodeError;
use crate::value::{form_decode, pairs};

/// One field of a form.
pub(super) struct Field<'b> {
    key: Cow<'b, str>,
    pub(super) value: Cow<'b, str>,
}

/// A form's fields, sorted so that all below one key lie side by side. Memory is bounded by the body; indexes are only
/// ever compared.
pub(super) struct Form<'b>(Vec<Field<'b>>);

impl<'b> Form<'b> {
    pub(super) fn parse(body: &'b [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(body).map_err(|_| DecodeError::new("the form is not UTF-8"))?;
        let mut fields = Vec::new();
        let mut values = 0;
        for (key, value) in pairs(text.trim_end_matches(['\r', '\n'])) {
            count_value(&mut values)?;
            fields.push(Field { key: form_decode(key)?, value: form_decode(value)? });
        }
        // Stable, so of two values of one key the last one sent stands last.
        fields.sort_by(|a, b| by_part(&a.key, &b.key));
        Ok(Self(fields))
    }

    pub(super) fn root(&self) -> Node<'_, 'b> {
        Node { fields: &self.0, start: 0 }
    }
}

/// Compares keys part by part: the dot comes before any other character.
fn by_part(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if byte == b'.' { 0 } else { byte };
    a.bytes().map(rank).cmp(b.bytes().map(rank))
}

/// All fields below one key.
#[derive(Clone, Copy)]
pub(super) struct Node<'f, 'b> {
    fields: &'f [Field<'b>],
    /// Where the next part of each key begins; a key that ends before has none.
    start: usize,
}

impl<'f, 'b> Node<'f, 'b> {
    /// The value of the key itself, without further parts. Of several the last.
    pub(super) fn value(self) -> Option<&'f str> {
        let own = self.fields.iter().take_while(|field| field.key.len() < self.start);
        own.last().map(|field| field.value.as_ref())
    }

    /// The next parts of the keys, each with what is below it.
    pub(super) fn children(self) -> impl Iterator<Item = (&'f str, Node<'f, 'b>)> {
        let own = self.fields.iter().take_while(|field| field.key.len() < self.start).count();
        let mut rest = &self.fields[own..];
        let start = self.start;
        std::iter::from_fn(move || {
            let first = rest.first()?;
            let part = part_of(first, start);
            let length = rest.iter().take_while(|field| part_of(field, start) == part).count();
            let (group, after) = rest.split_at(length);
            rest = after;
            Some((part, Node { fields: group, start: start + part.len() + 1 }))
        })
    }

    /// The children whose names are numbers, in the order of the numbers.
    pub(super) fn numbered(self) -> Vec<(u64, Node<'f, 'b>)> {
        let mut items: Vec<_> = self.children().filter_map(|(part, node)| Some((number(part)?, node))).collect();
        items.sort_by_key(|(number, _)| *number);
        items
    }
}

fn part_of<'f>(field: &'f Field<'_>, start: usize) -> &'f str {
    let rest = field.key.get(start..).unwrap_or_default();
    rest.split_once('.').map_or(rest, |(part, _)| part)
}

/// A list index. What is too big for 64 bits is the last of all.
pub(super) fn number(part: &str) -> Option<u64> {
    let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| part.parse().unwrap_or(u64::MAX))
}
