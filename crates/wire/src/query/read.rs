//! Forms into documents.

use standin_model::{Document, Fields, Key, Kind, ListShape, MapShape, Operation, Protocol, Service, Shape, ShapeIx};

use super::form::{Form, Node, number};
use super::names::FormNames;
use crate::DEPTH_MAX;
use crate::message::DecodeError;
use crate::value::{Entries, read_text};

/// Reads an operation's input from a form body (or from a query string: the same bytes). Lists and maps may come flattened or
/// not, whatever the model says; keys that no member claims (`Action`, `Version`, signatures) are passed over.
///
/// # Errors
/// When the bytes are not a form in UTF-8, or a value does not fit its shape's kind.
pub fn read_form(
    protocol: Protocol,
    service: &Service,
    operation: &Operation,
    body: &[u8],
) -> Result<Document, DecodeError> {
    let Some(input) = operation.input else { return Ok(Document::map()) };
    let form = Form::parse(body)?;
    Reader { names: FormNames::new(protocol, service), service }.value(input, form.root(), 0)
}

struct Reader<'s> {
    names: FormNames<'s>,
    service: &'s Service,
}

impl Reader<'_> {
    fn value(&self, shape: ShapeIx, node: Node<'_, '_>, depth: usize) -> Result<Document, DecodeError> {
        if depth >= DEPTH_MAX {
            return Err(DecodeError::new(format!("nested deeper than {DEPTH_MAX} levels")));
        }
        let shape = self.service.shape(shape);
        match &shape.kind {
            Kind::Structure(structure) => {
                let mut fields = Fields::new();
                for (part, child) in node.children() {
                    if let Some(member) = self.names.find(&structure.members, part) {
                        let value = self.value(member.target, child, depth + 1);
                        fields.insert(member.name, value.map_err(|error| error.within(member.name))?);
                    }
                }
                Ok(Document::Map(fields))
            }
            Kind::List(list) => self.list(list, node, depth),
            Kind::Map(map) => self.map(shape, map, node, depth),
            kind => match node.value() {
                Some(text) => read_text(kind, text),
                None => Err(DecodeError::new(format!("has parts, but is {}", crate::value::with_article(kind)))),
            },
        }
    }

    /// `X.member.N`, `X.item's name.N` or `X.N`. `X=` is an empty list, `X=value` one of a single item.
    fn list(&self, list: &ListShape, node: Node<'_, '_>, depth: usize) -> Result<Document, DecodeError> {
        let mut found = node.numbered();
        for (part, child) in node.children() {
            if part == "member" || part == "item" || list.member.location_name == Some(part) {
                found.append(&mut child.numbered());
            }
        }
        if found.is_empty()
            && let Some(text) = node.value().filter(|text| !text.is_empty())
        {
            return Ok(Document::List(vec![read_text(&self.service.target(&list.member).kind, text)?]));
        }
        let mut items = Vec::with_capacity(found.len());
        for (index, child) in found {
            let item = self.value(list.member.target, child, depth + 1);
            items.push(item.map_err(|error| error.within(&format!("member.{index}")))?);
        }
        Ok(Document::List(items))
    }

    /// `X.entry.N.key` and `.value`, or `X.N.…`, under whatever names the model gives them.
    fn map(&self, shape: &Shape, map: &MapShape, node: Node<'_, '_>, depth: usize) -> Result<Document, DecodeError> {
        let (key_name, value_name) = self.names.elements.entry(shape, map);
        let mut found = node.numbered();
        for (part, child) in node.children() {
            if number(part).is_none() {
                found.append(&mut child.numbered());
            }
        }
        let mut entries = Entries::new();
        for (index, entry) in found {
            let within = |error: DecodeError| error.within(&format!("entry.{index}"));
            let (mut key, mut value) = (None, None);
            for (part, child) in entry.children() {
                if part == key_name || matches!(part, "key" | "Key" | "Name" | "name") {
                    key = child.value();
                } else if part == value_name || matches!(part, "value" | "Value") {
                    value = Some(self.value(map.value.target, child, depth + 2).map_err(within)?);
                }
            }
            match (key, value) {
                (Some(key), Some(value)) => entries.push(Key::Owned(key.to_owned()), value),
                (None, _) => return Err(within(DecodeError::new(format!("has no `{key_name}`")))),
                (_, None) => return Err(within(DecodeError::new(format!("has no `{value_name}`")))),
            }
        }
        Ok(Document::Map(entries.finish()))
    }
}
