//! XML bodies as objects: elements by name, texts under `_text`, attributes under `_attributes`.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};

/// Elements nested deeper are refused.
const DEPTH_MAX: usize = 100;

/// Reads a document; `None` when it is not well-formed.
pub fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    // Elements that are open, with their names.
    let mut open: Vec<(String, Map<String, Value>)> = vec![(String::new(), Map::new())];
    // Texts come in pieces, references apart.
    let mut characters = String::new();
    let mut has_root = false;
    loop {
        let event = reader.read_event().ok()?;
        if !matches!(event, Event::Text(_) | Event::GeneralRef(_)) && !characters.is_empty() {
            let text = std::mem::take(&mut characters);
            if !text.trim().is_empty() {
                // Text outside of elements is no XML.
                if open.len() == 1 {
                    return None;
                }
                add(&mut open.last_mut()?.1, "_text", Value::String(text));
            }
        }
        match event {
            Event::Start(start) => {
                if open.len() > DEPTH_MAX {
                    return None;
                }
                has_root = true;
                open.push((name(&start), attributes(&start)?));
            }
            Event::Empty(start) => {
                has_root = true;
                let element = attributes(&start)?;
                add(&mut open.last_mut()?.1, &name(&start), Value::Object(element));
            }
            Event::End(_) => {
                let (name, element) = open.pop()?;
                add(&mut open.last_mut()?.1, &name, Value::Object(element));
            }
            Event::Text(text) => characters.push_str(&text),
            Event::GeneralRef(reference) => {
                let character = match reference.resolve_char_ref().ok()? {
                    Some(character) => character,
                    None => match &*reference {
                        "amp" => '&',
                        "lt" => '<',
                        "gt" => '>',
                        "quot" => '"',
                        "apos" => '\'',
                        _ => return None,
                    },
                };
                characters.push(character);
            }
            Event::CData(data) => {
                add(&mut open.last_mut()?.1, "_cdata", Value::String((*data).to_owned()));
            }
            Event::Comment(comment) => {
                add(&mut open.last_mut()?.1, "_comment", Value::String((*comment).to_owned()));
            }
            Event::Decl(declaration) => {
                let start = BytesStart::from_content((*declaration).to_owned(), 3);
                let attributes = attributes(&start)?;
                open.last_mut()?.1.insert("_declaration".to_owned(), Value::Object(attributes));
            }
            Event::PI(instruction) => {
                let target = instruction.target().to_owned();
                let content = instruction.content().trim().to_owned();
                let value = Map::from_iter([(target, Value::String(content))]);
                add(&mut open.last_mut()?.1, "_instruction", Value::Object(value));
            }
            Event::DocType(doctype) => {
                add(&mut open.last_mut()?.1, "_doctype", Value::String((*doctype).to_owned()));
            }
            Event::Eof => {
                let (_, document) = open.pop().filter(|_| open.is_empty() && has_root)?;
                return Some(Value::Object(document));
            }
        }
    }
}

fn name(start: &BytesStart<'_>) -> String {
    start.name().as_ref().to_owned()
}

fn attributes(start: &BytesStart<'_>) -> Option<Map<String, Value>> {
    let mut attributes = Map::new();
    for attribute in start.attributes() {
        let attribute = attribute.ok()?;
        let value = quick_xml::escape::unescape(&attribute.value).ok()?.into_owned();
        attributes.insert(attribute.key.as_ref().to_owned(), Value::String(value));
    }
    let mut element = Map::new();
    if !attributes.is_empty() {
        element.insert("_attributes".to_owned(), Value::Object(attributes));
    }
    Some(element)
}

/// The second of a name makes a list.
fn add(element: &mut Map<String, Value>, name: &str, value: Value) {
    match element.get_mut(name) {
        None => {
            element.insert(name.to_owned(), value);
        }
        Some(Value::Array(items)) => items.push(value),
        Some(before) => *before = Value::Array(vec![before.take(), value]),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_become_objects() {
        // 62
        let check = |text: &str, expect: Option<Value>| assert_eq!(parse(text), expect, "{text}");
        check("<a>x</a>", Some(json!({ "a": { "_text": "x" } })));
        check("<a b=\"1 &amp; 2\"/>", Some(json!({ "a": { "_attributes": { "b": "1 & 2" } } })));
        check("<a> <b>1</b> <b>2</b> </a>", Some(json!({ "a": { "b": [{ "_text": "1" }, { "_text": "2" }] } })));
        check("<n:a>x &lt; &#65;</n:a>", Some(json!({ "n:a": { "_text": "x < A" } })));
        check(
            "<?xml version=\"1.0\"?><!--c--><a><![CDATA[<d>]]></a>",
            Some(
                json!({ "_declaration": { "_attributes": { "version": "1.0" } }, "_comment": "c", "a": { "_cdata": "<d>" } }),
            ),
        );
        check("<a></b>", None);
        check("<a>", None);
        check("x", None);
        check("", None);
        check(&"<a>".repeat(1_000), None);
    }
}
