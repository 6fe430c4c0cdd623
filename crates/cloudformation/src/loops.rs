//! `Fn::ForEach`: entries of a map repeated for each item of a collection.

use std::cell::Cell;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::error::TemplateError;
use crate::evaluate::Evaluator;
use crate::parameters::scalar_text;

const PREFIX: &str = "Fn::ForEach::";
/// Bytes of text that loops may make. A template whose loops are done may not be longer than any other.
const BYTES_MAX: usize = crate::source::BYTES_MAX;

/// Unrolls all loops of a template.
///
/// # Errors
/// Where a loop is malformed, two of its entries have the same key, or the outcome is too long.
pub(crate) fn unroll(value: &Value, evaluator: &Evaluator<'_>) -> Result<Value, TemplateError> {
    Unroll { evaluator, spent: Cell::new(0) }.value(value, &IndexMap::new())
}

struct Unroll<'e, 't> {
    evaluator: &'e Evaluator<'t>,
    spent: Cell<usize>,
}

/// What the identifiers of the loops around a place stand for.
type Items = IndexMap<String, String>;

impl Unroll<'_, '_> {
    fn value(&self, value: &Value, items: &Items) -> Result<Value, TemplateError> {
        Ok(match value {
            Value::String(text) => {
                let text = replaced(text, items);
                self.spend(text.len())?;
                Value::String(text)
            }
            Value::Array(list) => {
                Value::Array(list.iter().map(|item| self.value(item, items)).collect::<Result<_, _>>()?)
            }
            Value::Object(map) => {
                if let (1, Some(Value::String(name))) = (map.len(), map.get("Ref"))
                    && let Some(item) = items.get(name)
                {
                    return Ok(Value::from(item.as_str()));
                }
                Value::Object(self.map(map, items)?)
            }
            other => other.clone(),
        })
    }

    fn map(&self, map: &Map<String, Value>, items: &Items) -> Result<Map<String, Value>, TemplateError> {
        let mut out = Map::new();
        for (key, value) in map {
            if key.starts_with(PREFIX) {
                self.each(key, value, items, &mut out)?;
                continue;
            }
            let key = replaced(key, items);
            self.spend(key.len() + 4)?;
            let value = self.value(value, items)?;
            if out.contains_key(&key) {
                return Err(TemplateError::template(format_args!("Fn::ForEach makes the key {key} twice")));
            }
            out.insert(key, value);
        }
        Ok(out)
    }

    fn each(
        &self,
        name: &str,
        value: &Value,
        items: &Items,
        out: &mut Map<String, Value>,
    ) -> Result<(), TemplateError> {
        let wrong = || {
            TemplateError::template(format_args!("{name} requires an identifier, a collection of strings and a map"))
        };
        let Some([Value::String(identifier), collection, Value::Object(body)]) = value.as_array().map(Vec::as_slice)
        else {
            return Err(wrong());
        };
        let collection = self.value(collection, items)?;
        let Value::Array(list) = self.evaluator.value(&collection, &IndexMap::new())? else { return Err(wrong()) };
        let mut inner = items.clone();
        let mut flat = Vec::with_capacity(list.len());
        for item in list {
            match item {
                Value::Array(many) => flat.extend(many),
                one => flat.push(one),
            }
        }
        for item in &flat {
            inner.insert(identifier.clone(), scalar_text(item).ok_or_else(wrong)?);
            for (key, value) in self.map(body, &inner)? {
                if out.contains_key(&key) {
                    return Err(TemplateError::template(format_args!("{name} makes the key {key} twice")));
                }
                out.insert(key, value);
            }
        }
        Ok(())
    }

    fn spend(&self, bytes: usize) -> Result<(), TemplateError> {
        let spent = self.spent.get().saturating_add(bytes);
        self.spent.set(spent);
        if spent > BYTES_MAX {
            return Err(TemplateError::template(format_args!("its loops come to more than {BYTES_MAX} bytes")));
        }
        Ok(())
    }
}

/// A text with `${Identifier}` replaced, and `&{Identifier}` by the letters and digits of the item.
fn replaced(text: &str, items: &Items) -> String {
    if items.is_empty() || !text.contains('{') {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    for (name, item) in items {
        out = out.replace(&format!("${{{name}}}"), item);
        let plain = format!("&{{{name}}}");
        if out.contains(&plain) {
            let letters: String = item.chars().filter(char::is_ascii_alphanumeric).collect();
            out = out.replace(&plain, &letters);
        }
    }
    out
}
