//! A schema from its file, with everything that is wrong with it.

use fancy_regex::RegexBuilder;
use standin_model::nearest;

use super::check::check;
use super::{Additional, ENVIRONMENT_INPUT, FILE, Kind, PIPELINE_INPUT, SERVICE_INPUT, Schema, Type};
use crate::finding::Finding;
use crate::yaml::{self, Node, Place};

/// Steps that a pattern may take over one value.
const BACKTRACKS_MAX: usize = 100_000;

/// Keywords of a schema object. Those without a meaning for values are read over.
const KEYWORDS: &[&str] = &[
    "type",
    "title",
    "description",
    "default",
    "enum",
    "pattern",
    "format",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "properties",
    "required",
    "additionalProperties",
    "minProperties",
    "maxProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "nullable",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "$ref",
    "example",
    "deprecated",
    "readOnly",
    "writeOnly",
    "externalDocs",
    "discriminator",
    "xml",
];

/// Reads a schema; what is found wrong is added to `findings`. Nothing comes back where there is no telling its types.
///
/// `wanted` are the keys of input types that must be there, `refused` those that must not, with the reason.
pub fn read(text: &str, wanted: &[&str], refused: &[(&str, &str)], findings: &mut Vec<Finding>) -> Option<Schema> {
    let mut reader = Reader { findings };
    let root = match yaml::parse(text) {
        Ok(root) => root,
        Err(error) => {
            reader.wrong("yaml", error.place, format!("not valid YAML: {}", error.message));
            return None;
        }
    };
    let schema = reader.object(root.place, root.get("schema"), "schema", "at the top of the file")?;
    match schema.get("format").and_then(|format| format.get("openapi")) {
        None => reader.wrong("schema-format", schema.place, "schema.format.openapi is missing; write \"3.0.0\""),
        Some(version) if !version.text().is_some_and(|text| text == "3.0" || text.starts_with("3.0.")) => {
            reader.wrong(
                "schema-format",
                version.place,
                "schema.format.openapi must be a version 3.0.x, such as \"3.0.0\"",
            );
        }
        Some(_) => {}
    }
    let types = reader.object(schema.place, schema.get("types"), "types", "in schema")?;
    let mut found = Schema { text: text.to_owned(), main: None, pipeline: None, types: Vec::new() };
    for (name, node) in types.entries().unwrap_or_default() {
        let name = name.text().unwrap_or_default();
        let read = reader.schema_object(node, name);
        found.types.push((name.to_owned(), read));
    }
    reader.references(&found);
    reader.defaults(&found, types);
    for key in wanted {
        let name = reader.input_type(schema, key, &found);
        if *key == PIPELINE_INPUT { found.pipeline = name } else { found.main = name }
    }
    for (key, reason) in refused {
        if let Some(node) = schema.get(key) {
            reader.wrong("schema-input-type", node.place, format!("{key} has no place here: {reason}"));
        }
    }
    for (key, _) in schema.entries().unwrap_or_default() {
        let name = key.text().unwrap_or_default();
        if !["format", "types", ENVIRONMENT_INPUT, SERVICE_INPUT, PIPELINE_INPUT].contains(&name) {
            reader.doubt("schema-key", key.place, format!("schema.{name} means nothing"));
        }
    }
    Some(found)
}

struct Reader<'f> {
    findings: &'f mut Vec<Finding>,
}

impl Reader<'_> {
    fn wrong(&mut self, rule: &'static str, place: Place, message: impl Into<String>) {
        self.findings.push(Finding::error(rule, FILE, place, message));
    }

    fn doubt(&mut self, rule: &'static str, place: Place, message: impl Into<String>) {
        self.findings.push(Finding::warning(rule, FILE, place, message));
    }

    fn object<'n>(&mut self, place: Place, node: Option<&'n Node>, name: &str, whereabouts: &str) -> Option<&'n Node> {
        match node {
            None => self.wrong("schema-layout", place, format!("\"{name}\" is missing {whereabouts}")),
            Some(node) if node.entries().is_none() => {
                self.wrong("schema-layout", node.place, format!("\"{name}\" must be an object, not {}", node.what()));
            }
            Some(node) => return Some(node),
        }
        None
    }

    /// Defaults that the inputs themselves could not have.
    fn defaults(&mut self, schema: &Schema, types: &Node) {
        for (name, node) in types.entries().unwrap_or_default() {
            let of = schema.types.iter().find(|(known, _)| Some(known.as_str()) == name.text());
            let nodes = node.get("properties").and_then(Node::entries).unwrap_or_default();
            for (property, wanted) in of.map_or(&[][..], |(_, of)| &of.properties) {
                let node = nodes.iter().find(|(known, _)| known.text() == Some(property)).map(|(_, node)| node);
                let Some(default) = node.and_then(|node| node.get("default")) else { continue };
                let path = format!("the default of \"{property}\"");
                for finding in check(schema, wanted, default, FILE, &path).findings {
                    self.doubt("schema-default", default.place, finding.message);
                }
            }
        }
    }

    /// The name of the type that the inputs have, where it is one that inputs can have.
    fn input_type(&mut self, schema: &Node, key: &str, found: &Schema) -> Option<String> {
        let Some(node) = schema.get(key) else {
            self.wrong(
                "schema-input-type",
                schema.place,
                format!("schema.{key} is missing; it names an entry of types"),
            );
            return None;
        };
        let Some(name) = node.text().filter(|name| !name.is_empty()) else {
            self.wrong(
                "schema-input-type",
                node.place,
                format!("{key} must be the name of a type, not {}", node.what()),
            );
            return None;
        };
        let Some(target) = found.named(name) else {
            let near = nearest(name, found.types.iter().map(|(name, _)| name.as_str()), 1);
            let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
            self.wrong(
                "schema-input-type",
                node.place,
                format!("{key} names \"{name}\", which types does not have{hint}"),
            );
            return None;
        };
        let target = found.resolved(target);
        if target.kind.is_some_and(|kind| kind != Kind::Object) {
            self.wrong("schema-input-type", target.place, format!("the type \"{name}\" must be an object"));
        } else if target.properties.is_empty() && target.all_of.is_empty() {
            self.wrong(
                "schema-input-type",
                target.place,
                format!("the type \"{name}\" has no properties; one is needed at least"),
            );
        }
        Some(name.to_owned())
    }

    fn schema_object(&mut self, node: &Node, name: &str) -> Type {
        let mut found = Type { place: node.place, ..Type::default() };
        let Some(entries) = node.entries() else {
            self.wrong("schema-type", node.place, format!("\"{name}\" must be a schema object, not {}", node.what()));
            return found;
        };
        for (key, value) in entries {
            let keyword = key.text().unwrap_or_default();
            self.keyword(&mut found, keyword, key, value);
        }
        self.contradictions(&found, name);
        found
    }

    fn keyword(&mut self, found: &mut Type, keyword: &str, key: &Node, value: &Node) {
        match keyword {
            "type" => found.kind = self.kind(value),
            "title" => found.title = value.text().map(str::to_owned),
            "description" => found.description = value.text().map(str::to_owned),
            "format" => found.format = value.text().map(str::to_owned),
            "default" => found.default = Some(value.to_json()),
            "enum" => match value.items() {
                Some(items) if !items.is_empty() => found.values = Some(items.iter().map(Node::to_json).collect()),
                _ => self.wrong("schema-keyword", value.place, "enum must be a list of at least one value"),
            },
            "pattern" => found.pattern = self.pattern(value),
            "minLength" => found.min_length = self.count(keyword, value),
            "maxLength" => found.max_length = self.count(keyword, value),
            "minItems" => found.min_items = self.count(keyword, value),
            "maxItems" => found.max_items = self.count(keyword, value),
            "minProperties" => found.min_properties = self.count(keyword, value),
            "maxProperties" => found.max_properties = self.count(keyword, value),
            "minimum" => found.minimum = self.number(keyword, value),
            "maximum" => found.maximum = self.number(keyword, value),
            "multipleOf" => found.multiple_of = self.number(keyword, value).filter(|step| *step > 0.0),
            "exclusiveMinimum" => found.exclusive_minimum = self.flag(keyword, value),
            "exclusiveMaximum" => found.exclusive_maximum = self.flag(keyword, value),
            "uniqueItems" => found.unique_items = self.flag(keyword, value),
            "nullable" => found.nullable = self.flag(keyword, value),
            "required" => found.required = self.required(value),
            "properties" => {
                let Some(entries) = value.entries() else {
                    return self.wrong(
                        "schema-keyword",
                        value.place,
                        format!("properties must be an object, not {}", value.what()),
                    );
                };
                for (name, node) in entries {
                    let name = name.text().unwrap_or_default();
                    let read = self.schema_object(node, name);
                    found.properties.push((name.to_owned(), read));
                }
            }
            "additionalProperties" => {
                found.additional = match value.to_json().as_bool() {
                    Some(true) => Additional::Any,
                    Some(false) => Additional::None,
                    None => Additional::Typed(Box::new(self.schema_object(value, keyword))),
                };
            }
            "items" => found.items = Some(Box::new(self.schema_object(value, keyword))),
            "not" => found.not = Some(Box::new(self.schema_object(value, keyword))),
            "allOf" => found.all_of = self.many(keyword, value),
            "anyOf" => found.any_of = self.many(keyword, value),
            "oneOf" => found.one_of = self.many(keyword, value),
            "$ref" => {
                let target =
                    value.text().and_then(|text| text.strip_prefix("#/")).and_then(|path| path.rsplit('/').next());
                found.reference = target.map(str::to_owned);
                if found.reference.is_none() {
                    self.wrong("schema-ref", value.place, "a $ref must point to a type of this file: \"#/types/NAME\"");
                }
            }
            known if KEYWORDS.contains(&known) || known.starts_with("x-") => {}
            unknown => {
                let near = nearest(unknown, KEYWORDS.iter().copied(), 1);
                let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                self.doubt(
                    "schema-keyword",
                    key.place,
                    format!("\"{unknown}\" is no keyword of a schema object{hint}"),
                );
            }
        }
    }

    fn kind(&mut self, value: &Node) -> Option<Kind> {
        let found = Kind::ALL.into_iter().find(|kind| value.text() == Some(kind.name()));
        if found.is_none() {
            let given = value.text().map_or_else(|| value.what().to_owned(), |text| format!("\"{text}\""));
            let known = Kind::ALL.map(Kind::name).join(", ");
            self.wrong("schema-type", value.place, format!("the type {given} does not exist; there are {known}"));
        }
        found
    }

    fn pattern(&mut self, value: &Node) -> Option<fancy_regex::Regex> {
        let Some(text) = value.text() else {
            self.wrong("schema-pattern", value.place, "a pattern must be a string");
            return None;
        };
        match RegexBuilder::new(text).backtrack_limit(BACKTRACKS_MAX).build() {
            Ok(regex) => Some(regex),
            Err(error) => {
                self.wrong(
                    "schema-pattern",
                    value.place,
                    format!("the pattern {text} is not a regular expression: {error}"),
                );
                None
            }
        }
    }

    fn count(&mut self, keyword: &str, value: &Node) -> Option<u64> {
        let found = value.to_json().as_u64();
        if found.is_none() {
            self.wrong("schema-keyword", value.place, format!("{keyword} must be a whole number of at least 0"));
        }
        found
    }

    fn number(&mut self, keyword: &str, value: &Node) -> Option<f64> {
        let found = value.to_json().as_f64();
        if found.is_none() {
            self.wrong("schema-keyword", value.place, format!("{keyword} must be a number, not {}", value.what()));
        }
        found
    }

    fn flag(&mut self, keyword: &str, value: &Node) -> bool {
        value.to_json().as_bool().unwrap_or_else(|| {
            self.wrong("schema-keyword", value.place, format!("{keyword} must be true or false"));
            false
        })
    }

    fn required(&mut self, value: &Node) -> Vec<String> {
        let Some(items) = value.items() else {
            self.wrong(
                "schema-required",
                value.place,
                "required must be a list of names of properties, beside properties",
            );
            return Vec::new();
        };
        items.iter().filter_map(Node::text).map(str::to_owned).collect()
    }

    fn many(&mut self, keyword: &str, value: &Node) -> Vec<Type> {
        match value.items() {
            Some(items) if !items.is_empty() => items.iter().map(|item| self.schema_object(item, keyword)).collect(),
            _ => {
                self.wrong("schema-keyword", value.place, format!("{keyword} must be a list of schema objects"));
                Vec::new()
            }
        }
    }

    /// What no value could satisfy.
    fn contradictions(&mut self, found: &Type, name: &str) {
        for required in &found.required {
            if found.property(required).is_none() && found.all_of.is_empty() && found.reference.is_none() {
                let near = nearest(required, found.properties.iter().map(|(name, _)| name.as_str()), 1);
                let hint = near.first().map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                self.wrong(
                    "schema-required",
                    found.place,
                    format!("\"{name}\" requires \"{required}\", which is not among its properties{hint}"),
                );
            }
        }
        let ordered = [
            (found.min_length.map(|n| n as f64), found.max_length.map(|n| n as f64), "minLength", "maxLength"),
            (found.min_items.map(|n| n as f64), found.max_items.map(|n| n as f64), "minItems", "maxItems"),
            (found.minimum, found.maximum, "minimum", "maximum"),
        ];
        for (low, high, low_name, high_name) in ordered {
            if let (Some(low), Some(high)) = (low, high)
                && low > high
            {
                self.wrong(
                    "schema-keyword",
                    found.place,
                    format!("{low_name} ({low}) of \"{name}\" is above {high_name} ({high})"),
                );
            }
        }
    }

    /// References that lead nowhere, or in a circle without anything between.
    fn references(&mut self, schema: &Schema) {
        let mut open: Vec<&Type> = schema.types.iter().map(|(_, found)| found).collect();
        let names = || schema.types.iter().map(|(name, _)| name.as_str());
        while let Some(found) = open.pop() {
            open.extend(found.properties.iter().map(|(_, found)| found));
            open.extend(found.items.iter().chain(&found.not).map(|found| &**found));
            open.extend(found.all_of.iter().chain(&found.any_of).chain(&found.one_of));
            if let Additional::Typed(found) = &found.additional {
                open.push(found);
            }
            let Some(reference) = &found.reference else { continue };
            let mut seen = 0;
            let mut target = schema.named(reference);
            if target.is_none() {
                let hint = nearest(reference, names(), 1)
                    .first()
                    .map_or_else(String::new, |near| format!("; did you mean \"{near}\"?"));
                self.wrong(
                    "schema-ref",
                    found.place,
                    format!("the $ref names \"{reference}\", which types does not have{hint}"),
                );
            }
            while let Some(next) = target.and_then(|target| target.reference.as_deref()) {
                seen += 1;
                if seen > schema.types.len() {
                    self.wrong("schema-ref", found.place, format!("the $ref to \"{reference}\" leads back to itself"));
                    break;
                }
                target = schema.named(next);
            }
        }
    }
}
