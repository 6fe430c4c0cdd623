//! Shapes as JSON Schemas.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use standin_model::{
    Bound, Constraints, Kind, Location, Member, Protocol, Service, Shape, ShapeIx, Structure, TimestampFormat,
};

/// Where a value travels, which decides the form of timestamps and blobs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Body,
    Url,
    Header,
}

/// The schemas of a document: those that something refers to.
pub(super) struct Schemas {
    service: &'static Service,
    protocol: Protocol,
    wanted: Vec<ShapeIx>,
    known: BTreeMap<&'static str, ShapeIx>,
}

impl Schemas {
    pub(super) fn new(service: &'static Service, protocol: Protocol) -> Self {
        Self { service, protocol, wanted: Vec::new(), known: BTreeMap::new() }
    }

    pub(super) fn reference(&mut self, ix: ShapeIx) -> Value {
        let name = self.service.shape(ix).name;
        if self.known.insert(name, ix).is_none() {
            self.wanted.push(ix);
        }
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// All that was referred to, and what that refers to.
    pub(super) fn written(mut self) -> Map<String, Value> {
        let mut written = BTreeMap::new();
        while let Some(ix) = self.wanted.pop() {
            let shape = self.service.shape(ix);
            let schema = self.shape(shape);
            written.insert(shape.name.to_owned(), schema);
        }
        written.into_iter().collect()
    }

    pub(super) fn member(&mut self, member: &'static Member, place: Place) -> Value {
        let shape = self.service.target(member);
        let mut schema = match &shape.kind {
            Kind::Timestamp(own) => self.timestamp(member.timestamp_format.or(*own), place),
            // A document as a text, in base64 where it stands in a header.
            _ if member.json_value => json!({"type": "string", "contentMediaType": "application/json"}),
            _ => self.reference(member.target),
        };
        if member.deprecated {
            schema["deprecated"] = json!(true);
        }
        if member.idempotency_token && place == Place::Body {
            schema["x-aws-idempotency-token"] = json!(true);
        }
        if place == Place::Body && self.is_xml() {
            self.add_xml(member, shape, &mut schema);
        }
        schema
    }

    fn is_xml(&self) -> bool {
        matches!(self.protocol, Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query)
    }

    fn add_xml(&self, member: &Member, shape: &Shape, schema: &mut Value) {
        let mut xml = Map::new();
        if member.xml_attribute {
            xml.insert("attribute".to_owned(), json!(true));
        }
        if let Kind::List(list) = &shape.kind
            && !(member.flattened || list.flattened)
        {
            xml.insert("wrapped".to_owned(), json!(true));
        }
        if let Some(namespace) = &member.xml_namespace {
            xml.insert("namespace".to_owned(), json!(namespace.uri));
        }
        if !xml.is_empty() {
            schema["xml"] = Value::Object(xml);
        }
    }

    /// `body_only`: without what travels elsewhere in the message.
    pub(super) fn structure(&mut self, structure: &'static Structure, body_only: bool) -> Value {
        let mut properties = Map::new();
        let mut required = Vec::new();
        for member in &structure.members {
            if body_only && member.location != Location::Body {
                continue;
            }
            let name = member.wire_name();
            properties.insert(name.to_owned(), self.member(member, Place::Body));
            if member.required {
                required.push(name);
            }
        }
        required.sort_unstable();
        required.dedup();
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if structure.union {
            schema["minProperties"] = json!(1);
            schema["maxProperties"] = json!(1);
        }
        schema
    }

    fn shape(&mut self, shape: &'static Shape) -> Value {
        let mut schema = match &shape.kind {
            Kind::Structure(structure) => self.structure(structure, false),
            Kind::List(list) => {
                let mut items = self.member(&list.member, Place::Body);
                if self.is_xml() {
                    items["xml"] = json!({"name": list.member.location_name.unwrap_or("member")});
                }
                let items = if list.sparse { json!({"anyOf": [items, {"type": "null"}]}) } else { items };
                json!({"type": "array", "items": items})
            }
            Kind::Map(map) => {
                let names = self.member(&map.key, Place::Body);
                let values = self.member(&map.value, Place::Body);
                let values = if map.sparse { json!({"anyOf": [values, {"type": "null"}]}) } else { values };
                json!({"type": "object", "propertyNames": names, "additionalProperties": values})
            }
            Kind::String { enum_values } if !enum_values.is_empty() => json!({"type": "string", "enum": enum_values}),
            Kind::String { .. } => json!({"type": "string"}),
            Kind::Blob { .. } => json!({"type": "string", "contentEncoding": "base64"}),
            Kind::Boolean => json!({"type": "boolean"}),
            Kind::Byte | Kind::Short | Kind::Integer => json!({"type": "integer", "format": "int32"}),
            Kind::Long => json!({"type": "integer", "format": "int64"}),
            Kind::BigInteger => json!({"type": "integer"}),
            Kind::Float => json!({"type": "number", "format": "float"}),
            Kind::Double => json!({"type": "number", "format": "double"}),
            Kind::BigDecimal => json!({"type": "number"}),
            Kind::Timestamp(own) => self.timestamp(*own, Place::Body),
            Kind::Document => json!({}),
        };
        if let Some(constraints) = &shape.constraints {
            constrain(&shape.kind, constraints, &mut schema);
        }
        schema
    }

    fn timestamp(&self, format: Option<TimestampFormat>, place: Place) -> Value {
        let format = format.unwrap_or(match (place, self.protocol) {
            (Place::Header, _) => TimestampFormat::HttpDate,
            (Place::Url, _) => TimestampFormat::DateTime,
            (_, Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query) => TimestampFormat::DateTime,
            _ => TimestampFormat::EpochSeconds,
        });
        match format {
            TimestampFormat::DateTime => json!({"type": "string", "format": "date-time"}),
            TimestampFormat::EpochSeconds => json!({"type": "number", "x-aws-timestamp": "epoch-seconds"}),
            TimestampFormat::HttpDate => json!({"type": "string", "x-aws-timestamp": "http-date"}),
        }
    }
}

fn constrain(kind: &Kind, constraints: &Constraints, schema: &mut Value) {
    let names = match kind {
        Kind::String { .. } => Some(("minLength", "maxLength")),
        Kind::List(_) => Some(("minItems", "maxItems")),
        Kind::Map(_) => Some(("minProperties", "maxProperties")),
        // Their bounds count bytes, which a schema of base64 cannot say.
        Kind::Blob { .. } => None,
        _ => Some(("minimum", "maximum")),
    };
    let is_length = names.is_none_or(|(low, _)| low != "minimum");
    let number = |bound: Bound| match bound {
        Bound::Int(value) => json!(value),
        Bound::Float(value) => json!(value),
    };
    for (bound, name) in [(constraints.min, names.map(|names| names.0)), (constraints.max, names.map(|names| names.1))]
    {
        if let (Some(bound), Some(name)) = (bound, name)
            && !(is_length && bound.as_i64() < 0)
        {
            schema[name] = if is_length { json!(bound.as_i64()) } else { number(bound) };
        }
    }
    if let Some(pattern) = constraints.pattern {
        match ecma(pattern) {
            Some(pattern) => schema["pattern"] = json!(pattern),
            None => schema["x-aws-pattern"] = json!(pattern),
        }
    }
}

/// What not every engine has that reads JSON Schemas: what is Java's own, classes of Unicode, and halves of surrogate pairs.
const NOT_PORTABLE: [&str; 19] = [
    "(?i", "(?s", "(?m", "(?x", "(?>", "++", "*+", "?+", "\\A", "\\Z", "\\z", "\\h", "\\R", "\\Q", "[[:", "&&", "\\p",
    "\\P", "\\uD",
];

/// A pattern of a model as JSON Schema recommends them to be, where it means the same there. One without anchors must fit the whole
/// text on AWS.
fn ecma(pattern: &str) -> Option<String> {
    let is_possessive = |at: usize| pattern[..at].ends_with(|letter: char| letter.is_ascii_digit() || letter == ',');
    if pattern.match_indices("}+").any(|(at, _)| is_possessive(at)) {
        return None;
    }
    if NOT_PORTABLE.iter().any(|part| pattern.contains(part)) || !is_balanced(pattern) {
        return None;
    }
    let is_anchored = pattern.starts_with('^') || pattern.ends_with('$');
    Some(if is_anchored { pattern.to_owned() } else { format!("^(?:{pattern})$") })
}

/// A few models have patterns that no engine takes.
fn is_balanced(pattern: &str) -> bool {
    let (mut groups, mut in_class, mut escaped) = (0_i32, false, false);
    for letter in pattern.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' if in_class => return false,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => groups += 1,
            ')' if !in_class => groups -= 1,
            _ => {}
        }
        if groups < 0 {
            return false;
        }
    }
    groups == 0 && !in_class && !escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_the_same_or_stay_apart() {
        for (pattern, expect) in [
            ("[a-z]+", Some("^(?:[a-z]+)$")),
            ("^a|b$", Some("^a|b$")),
            ("\\p{L}+", None),
            ("(?i)abc", None),
            ("[a-z]++", None),
            ("\\p{Alnum}", None),
            ("a{1,2}+", None),
            ("(a", None),
            ("[a", None),
        ] {
            assert_eq!(ecma(pattern).as_deref(), expect, "{pattern}");
        }
    }
}
