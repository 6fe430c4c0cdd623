//! YAML with the places where things stand: what schemas, manifests and specs are read from.
//!
//! Scalars are resolved as YAML 1.2's core schema says. Tags are kept, so that CloudFormation's short forms (`!Ref`) can
//! be seen. Nesting, size and what aliases expand to are bounded.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use serde_json::{Map, Number, Value};

/// Deeper nesting is refused.
const DEPTH_MAX: usize = 64;
/// More nodes, with aliases expanded, are refused.
const NODES_MAX: usize = 100_000;

/// Line and column, both from 1.
pub type Place = (usize, usize);

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    pub place: Place,
    /// Where the text of a scalar begins and ends, in characters of the source.
    pub range: (usize, usize),
    /// With its handle: `!Ref`; nothing where the document has none.
    pub tag: Option<String>,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    Scalar {
        text: String,
        /// Neither quoted nor a block.
        plain: bool,
    },
    List(Arc<[Node]>),
    Map(Arc<[(Node, Node)]>),
}

/// Why a text is not YAML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    pub place: Place,
    pub message: String,
}

impl Node {
    /// The entry of a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Key and value nodes, where this is a map.
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => None,
        }
    }

    /// The text of any scalar, whatever it resolves to.
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The text of a scalar that resolves to a string.
    pub fn string(&self) -> Option<&str> {
        self.text().filter(|_| self.to_json().is_string())
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Scalar { .. }) && self.to_json().is_null()
    }

    /// The value as JSON; tags are dropped, keys are texts.
    pub fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Scalar { text, plain } if *plain && self.tag.is_none() => resolve(text),
            Kind::Scalar { text, .. } => match self.tag.as_deref() {
                Some("tag:yaml.org,2002:int" | "tag:yaml.org,2002:float" | "tag:yaml.org,2002:bool") => resolve(text),
                Some("tag:yaml.org,2002:null") => Value::Null,
                _ => Value::String(text.clone()),
            },
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => {
                let pair = |(key, value): &(Node, Node)| (key.text().unwrap_or_default().to_owned(), value.to_json());
                Value::Object(entries.iter().map(pair).collect::<Map<_, _>>())
            }
        }
    }

    /// What it is, in a word for messages.
    pub fn what(&self) -> &'static str {
        match &self.kind {
            Kind::List(_) => "a list",
            Kind::Map(_) => "an object",
            Kind::Scalar { .. } => match self.to_json() {
                Value::Null => "nothing",
                Value::Bool(_) => "a boolean",
                Value::Number(number) if number.is_f64() => "a number",
                Value::Number(_) => "an integer",
                _ => "a string",
            },
        }
    }
}

/// A plain scalar by the core schema.
fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if let Some(octal) = text.strip_prefix("0o")
        && let Ok(value) = i64::from_str_radix(octal, 8)
    {
        return value.into();
    }
    if let Some(hex) = text.strip_prefix("0x")
        && let Ok(value) = i64::from_str_radix(hex, 16)
    {
        return value.into();
    }
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(value) = text.parse::<i64>() {
            return value.into();
        }
        if let Ok(value) = text.parse::<u64>() {
            return value.into();
        }
    }
    let is_float = digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'-' | b'+'))
        && digits.starts_with(|first: char| first.is_ascii_digit() || first == '.');
    if is_float
        && let Ok(value) = text.parse::<f64>()
        && let Some(number) = Number::from_f64(value)
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

/// Reads the one document of a text; an empty text is null.
///
/// # Errors
/// [`YamlError`] where the text is not YAML, holds several documents, repeats a key, or passes a bound.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    let mut reader =
        Reader { parser: Parser::new_from_str(text), anchors: HashMap::new(), nodes: 0, depth: 0, last: (1, 1) };
    let mut found = None;
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            Event::StreamEnd => break,
            _ if found.is_some() => {
                return Err(YamlError { place: place(span), message: "a second document; only one is read".into() });
            }
            event => found = Some(reader.node(event, span)?),
        }
    }
    let empty =
        || Node { place: (1, 1), range: (0, 0), tag: None, kind: Kind::Scalar { text: String::new(), plain: true } };
    Ok(found.unwrap_or_else(empty))
}

struct Reader<'t> {
    parser: Parser<'t, saphyr_parser::StrInput<'t>>,
    /// With the number of their nodes.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    depth: usize,
    last: Place,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => {
                self.last = place(span);
                Ok(Some((event, span)))
            }
            Some(Err(error)) => {
                let marker = error.marker();
                Err(YamlError { place: (marker.line().max(1), marker.col() + 1), message: error.info().to_owned() })
            }
        }
    }

    fn inner(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        let last = self.last;
        self.next()?.ok_or_else(|| YamlError { place: last, message: "the document ends too early".into() })
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), YamlError> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(YamlError { place: place(span), message: format!("more than {NODES_MAX} values") });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, YamlError> {
        self.count(1, span)?;
        let before = self.nodes;
        let (anchor, tag, kind, end) = match event {
            Event::Alias(anchor) => {
                let unknown = || YamlError { place: place(span), message: "an alias of no anchor before it".into() };
                let (node, nodes) = self.anchors.get(&anchor).cloned().ok_or_else(unknown)?;
                self.count(nodes, span)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                (anchor, tag, Kind::Scalar { text: text.into_owned(), plain }, span.end.index())
            }
            Event::SequenceStart(anchor, tag) => {
                self.deeper(span)?;
                let mut items = Vec::new();
                let end = loop {
                    match self.inner()? {
                        (Event::SequenceEnd, span) => break span.end.index(),
                        (event, span) => items.push(self.node(event, span)?),
                    }
                };
                self.depth -= 1;
                (anchor, tag, Kind::List(items.into()), end)
            }
            Event::MappingStart(anchor, tag) => {
                self.deeper(span)?;
                let (entries, end) = self.map()?;
                self.depth -= 1;
                (anchor, tag, Kind::Map(entries.into()), end)
            }
            _ => return Err(YamlError { place: place(span), message: "a value is missing".into() }),
        };
        let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
        let node = Node { place: place(span), range: (span.start.index(), end), tag, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn deeper(&mut self, span: Span) -> Result<(), YamlError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(YamlError { place: place(span), message: format!("nested deeper than {DEPTH_MAX} levels") });
        }
        Ok(())
    }

    /// The entries up to the end of a map; `<<` is spread.
    fn map(&mut self) -> Result<(Vec<(Node, Node)>, usize), YamlError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut seen: HashMap<String, Place> = HashMap::new();
        let mut merged = Vec::new();
        let end = loop {
            let (event, span) = match self.inner()? {
                (Event::MappingEnd, span) => break span.end.index(),
                other => other,
            };
            let key = self.node(event, span)?;
            let (event, span) = self.inner()?;
            let value = self.node(event, span)?;
            let Some(name) = key.text() else {
                return Err(YamlError {
                    place: key.place,
                    message: format!("a key is {}; it must be text", key.what()),
                });
            };
            if name == "<<" && matches!(key.kind, Kind::Scalar { plain: true, .. }) {
                merged.push(value);
                continue;
            }
            if let Some(first) = seen.insert(name.to_owned(), key.place) {
                let message = format!("the key \"{name}\" is here a second time; the first is at line {}", first.0);
                return Err(YamlError { place: key.place, message });
            }
            entries.push((key, value));
        };
        for value in merged {
            let maps = value.items().map_or_else(|| vec![value.clone()], <[Node]>::to_vec);
            for map in &maps {
                let wrong = || YamlError { place: value.place, message: "only objects can be merged by <<".into() };
                for (key, value) in map.entries().ok_or_else(wrong)? {
                    if seen.insert(key.text().unwrap_or_default().to_owned(), key.place).is_none() {
                        entries.push((key.clone(), value.clone()));
                    }
                }
            }
        }
        Ok((entries, end))
    }
}

fn place(span: Span) -> Place {
    (span.start.line().max(1), span.start.col() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(text: &str, expect: &Value) {
        assert_eq!(parse(text).map(|node| node.to_json()).as_ref(), Ok(expect), "{text}");
    }

    fn refused(text: &str, place: Place, message: &str) {
        let error = parse(text).expect_err(text);
        assert_eq!((error.place, error.message.as_str()), (place, message));
    }

    #[test]
    fn scalars_are_what_the_core_schema_says() {
        check("[1, -2, 0x10, 0o17, 1.5, 1e3, .5]", &json!([1, -2, 16, 15, 1.5, 1000.0, 0.5]));
        check("[true, False, ~, null, '']", &json!([true, false, null, null, ""]));
        check(
            "[yes, 1.2.3, 10.0.0.0/16, '8080', 2020-01-01, +, e]",
            &json!(["yes", "1.2.3", "10.0.0.0/16", "8080", "2020-01-01", "+", "e"]),
        );
        check("!!str 12", &json!("12"));
        check("", &json!(null));
    }

    #[test]
    fn merges_and_aliases() {
        check("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3", &json!({"a": {"x": 1, "y": 2}, "b": {"y": 3, "x": 1}}));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        refused("a: 1\nb: 2\na: 3", (3, 1), "the key \"a\" is here a second time; the first is at line 1");
        refused("a: 1\n---\nb: 2", (3, 1), "a second document; only one is read");
        assert!(parse("a: [1").is_err());
        assert!(parse("a: \"x").is_err());
        assert!(parse(&"[".repeat(10_000)).is_err());
        let bomb: String = (1..=9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
            let refer = vec![format!("*a{}", level - 1); 10].join(",");
            format!("{text}a{level}: &a{level} [{refer}]\n")
        });
        assert!(parse(&bomb).expect_err("a bomb").message.starts_with("more than"));
    }

    #[test]
    fn tags_and_places_are_kept() {
        let node = parse("a: !Ref X\nb:\n  - !Sub \"${y}\"").expect("YAML");
        assert_eq!(node.get("a").and_then(|a| a.tag.as_deref()), Some("!Ref"));
        assert_eq!(node.get("b").and_then(Node::items).map(|items| items[0].place), Some((3, 5)));
    }
}
