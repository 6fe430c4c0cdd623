//! Shapes and members with their traits.

use serde_json::Value;

use super::super::ImportError;
use super::ast::{self, has, text_of, trait_of};
use super::closure::{CONSTRAINTS, Entry, Role};
use super::{Reader, Result};
use crate::ir::*;

impl Reader<'_> {
    pub(super) fn shape(&mut self, entry: &Entry<'_>) -> Result<Shape> {
        let Entry { key, id, shape: node, .. } = entry;
        let kind = match ast::type_of(node) {
            "structure" | "union" => Kind::Structure(Box::new(self.structure(entry)?)),
            "list" | "set" => Kind::List(Box::new(ListShape {
                member: self.inner(id, node, "member")?,
                flattened: false,
                sparse: has(node, "smithy.api#sparse"),
            })),
            "map" => Kind::Map(Box::new(MapShape {
                key: self.inner(id, node, "key")?,
                value: self.inner(id, node, "value")?,
                flattened: false,
                sparse: has(node, "smithy.api#sparse"),
            })),
            "string" | "enum" => Kind::String { enum_values: self.enum_values(node) },
            "blob" => Kind::Blob {
                streaming: has(node, "smithy.api#streaming"),
                requires_length: has(node, "smithy.api#requiresLength"),
            },
            "boolean" => Kind::Boolean,
            "byte" => Kind::Byte,
            "short" => Kind::Short,
            "integer" | "intEnum" => Kind::Integer,
            "long" => Kind::Long,
            "bigInteger" => Kind::BigInteger,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bigDecimal" => Kind::BigDecimal,
            "timestamp" => Kind::Timestamp(timestamp_format(key, node)?),
            "document" => Kind::Document,
            other => {
                return Err(ImportError::new(key, format!("a shape of type `{other}` cannot be a member's target")));
            }
        };
        let constraints = self.constraints(node, entry.narrowed_by);
        Ok(Shape {
            name: self.names.get(&entry.name),
            kind,
            sensitive: has(node, "smithy.api#sensitive"),
            wrapper: false,
            location_name: text_of(node, "smithy.api#xmlName")
                .filter(|_| self.dialect.xml_names)
                .map(|name| self.names.get(name)),
            xml_namespace: self.namespace(node),
            constraints: (constraints != Constraints::default()).then(|| Box::new(constraints)),
        })
    }

    /// Each constraint trait of the member counts instead of the target's.
    fn constraints(&mut self, node: &Value, narrowed_by: Option<&Value>) -> Constraints {
        let [length, range, pattern] = CONSTRAINTS
            .map(|name| narrowed_by.and_then(|member| trait_of(member, name)).or_else(|| trait_of(node, name)));
        let size = length.or(range).unwrap_or(&Value::Null);
        Constraints {
            min: bound(size, "min"),
            max: bound(size, "max"),
            pattern: pattern.and_then(Value::as_str).map(|pattern| self.names.get(pattern)),
        }
    }

    /// Of an `enum` shape (2.0) or an `enum` trait (1.0).
    fn enum_values(&mut self, node: &Value) -> Box<[Str]> {
        if let Some(Value::Array(values)) = trait_of(node, "smithy.api#enum") {
            let values = values.iter().filter_map(|value| value.get("value")?.as_str());
            return values.map(|value| self.names.get(value)).collect();
        }
        if ast::type_of(node) != "enum" {
            return Box::default();
        }
        let members = node.get("members").and_then(Value::as_object).into_iter().flatten();
        members.map(|(name, member)| self.names.get(text_of(member, "smithy.api#enumValue").unwrap_or(name))).collect()
    }

    fn namespace(&mut self, node: &Value) -> Option<XmlNamespace> {
        let namespace = trait_of(node, "smithy.api#xmlNamespace").filter(|_| self.dialect.xml_names)?;
        Some(XmlNamespace { prefix: self.text(namespace, "prefix"), uri: self.text(namespace, "uri")? })
    }

    fn structure(&mut self, entry: &Entry<'_>) -> Result<Structure> {
        let Entry { id, shape: node, role, .. } = entry;
        let mut members = Vec::new();
        let mut payload = None;
        for (name, member) in ast::members(node) {
            if self.dialect.rest && (role.input || role.output) && has(member, "smithy.api#httpPayload") {
                payload = u16::try_from(members.len()).ok();
            }
            members.push(self.member(id, name, member, *role)?);
        }
        if let Some(payload) = payload.filter(|_| self.dialect.xml_names) {
            self.payload_root(entry, &mut members[usize::from(payload)])?;
        }
        let union = ast::type_of(node) == "union";
        Ok(Structure {
            members: members.into_boxed_slice(),
            payload,
            union,
            error: text_of(node, "smithy.api#error").map(|blame| Box::new(self.error(node, blame))),
            event_stream: union && has(node, "smithy.api#streaming"),
            event: entry.event && !has(node, "smithy.api#error"),
        })
    }

    /// The payload is the root of an XML body. Without a name of its own it has that of its shape; that of a request stands
    /// in the service's namespace.
    fn payload_root(&mut self, entry: &Entry<'_>, payload: &mut Member) -> Result<()> {
        let node = entry.shape.get("members").and_then(|members| members.get(payload.name));
        let Some((node, target)) = node.and_then(|node| Some((node, node.get("target")?.as_str()?))) else {
            return Ok(());
        };
        let shape = self.ast.shape(entry.id, target)?;
        if !matches!(ast::type_of(shape), "structure" | "union") || has(shape, "smithy.api#streaming") {
            return Ok(());
        }
        if let (true, Some(uri)) = (entry.role.input, self.dialect.xml_namespace) {
            payload.xml_namespace.get_or_insert_with(|| Box::new(XmlNamespace { prefix: None, uri }));
        }
        if text_of(node, "smithy.api#xmlName").is_none() {
            let bare = target.rsplit('#').next().unwrap_or(target);
            let root = text_of(shape, "smithy.api#xmlName").unwrap_or(bare);
            payload.location_name = Some(self.names.get(root)).filter(|root| *root != payload.name);
        }
        Ok(())
    }

    fn error(&mut self, node: &Value, blame: &str) -> ErrorTrait {
        let query = trait_of(node, "aws.protocols#awsQueryError").filter(|_| self.dialect.query_errors);
        let retryable = trait_of(node, "smithy.api#retryable");
        let status = trait_of(node, "smithy.api#httpError").and_then(ast::status);
        ErrorTrait {
            code: query.and_then(|query| self.text(query, "code")),
            status: query.and_then(|query| ast::status(query.get("httpResponseCode")?)).or(status),
            fault: blame == "server",
            sender_fault: blame == "client" && (status.is_some() || query.is_some()),
            retryable: retryable.is_some(),
            throttling: retryable.and_then(|retryable| retryable.get("throttling")?.as_bool()).unwrap_or(false),
        }
    }

    /// A list's item, a map's key or value.
    fn inner(&mut self, id: &str, node: &Value, role: &str) -> Result<Member> {
        let inner = node.get(role).ok_or_else(|| ImportError::new(format!("{id}${role}"), "is missing"))?;
        self.member(id, role, inner, Role::default())
    }

    fn member(&mut self, id: &str, name: &str, node: &Value, role: Role) -> Result<Member> {
        let key = format!("{id}${name}");
        let target_id =
            node.get("target").and_then(Value::as_str).ok_or_else(|| ImportError::new(&key, "has no target"))?;
        let target = match self.places.get(key.as_str()) {
            Some(narrowed) => *narrowed,
            None => self.place(&key, target_id)?,
        };
        let target_node = self.ast.shape(&key, target_id)?;
        let (location, bound_name) = self.location(node, role);
        let body_name = match () {
            () if self.dialect.json_names => text_of(node, "smithy.api#jsonName"),
            () if self.dialect.xml_names => text_of(node, "smithy.api#xmlName"),
            () => None,
        };
        let is_json = text_of(target_node, "smithy.api#mediaType") == Some("application/json");
        Ok(Member {
            name: self.names.get(name),
            target,
            required: has(node, "smithy.api#required"),
            location,
            location_name: bound_name
                .or(body_name.filter(|_| location == Location::Body))
                .filter(|wire| *wire != name)
                .map(|wire| self.names.get(wire)),
            query_name: text_of(node, "aws.protocols#ec2QueryName").map(|wire| self.names.get(wire)),
            flattened: has(node, "smithy.api#xmlFlattened"),
            xml_attribute: has(node, "smithy.api#xmlAttribute"),
            xml_namespace: self.namespace(node).map(Box::new),
            timestamp_format: timestamp_format(&key, node)?,
            idempotency_token: has(node, "smithy.api#idempotencyToken"),
            // In a header it is base64 besides; botocore marks such members wherever they are.
            json_value: is_json,
            host_label: has(node, "smithy.api#hostLabel"),
            streaming: ast::type_of(target_node) == "blob" && has(target_node, "smithy.api#streaming"),
            event_payload: has(node, "smithy.api#eventPayload"),
            event_header: has(node, "smithy.api#eventHeader"),
            deprecated: has(node, "smithy.api#deprecated"),
        })
    }

    /// The HTTP binding, and the name there. Bindings count at the top of inputs, outputs and errors only, and what
    /// is part of a URI only in inputs.
    fn location<'v>(&self, node: &'v Value, role: Role) -> (Location, Option<&'v str>) {
        if !self.dialect.rest {
            return (Location::Body, None);
        }
        let named = [
            ("smithy.api#httpHeader", Location::Header, role.input || role.output),
            ("smithy.api#httpPrefixHeaders", Location::PrefixHeaders, role.input || role.output),
            ("smithy.api#httpQuery", Location::Query, role.input),
        ];
        for (name, location, _) in named.into_iter().filter(|(.., counts)| *counts) {
            if let Some(bound_name) = text_of(node, name) {
                return (location, Some(bound_name));
            }
        }
        let unnamed = [
            ("smithy.api#httpLabel", Location::Uri, role.input),
            ("smithy.api#httpQueryParams", Location::QueryParams, role.input),
            ("smithy.api#httpResponseCode", Location::StatusCode, role.output),
        ];
        let found = unnamed.into_iter().find(|(name, _, counts)| *counts && has(node, name));
        (found.map_or(Location::Body, |(_, location, _)| location), None)
    }
}

/// Whether an input's member travels in the body beside others: it has no binding at all.
pub(super) fn is_body(member: &Value) -> bool {
    let bindings = [
        "smithy.api#httpHeader",
        "smithy.api#httpLabel",
        "smithy.api#httpPayload",
        "smithy.api#httpPrefixHeaders",
        "smithy.api#httpQuery",
        "smithy.api#httpQueryParams",
    ];
    !bindings.iter().any(|binding| has(member, binding))
}

fn bound(from: &Value, key: &str) -> Option<Bound> {
    let value = from.get(key)?;
    match value.as_i64() {
        Some(int) => Some(Bound::Int(int)),
        // 1.0 models may write large decimals as text.
        None => value.as_f64().or_else(|| value.as_str()?.parse().ok()).map(Bound::Float),
    }
}

fn timestamp_format(at: &str, node: &Value) -> Result<Option<TimestampFormat>> {
    match text_of(node, "smithy.api#timestampFormat") {
        None => Ok(None),
        Some("date-time") => Ok(Some(TimestampFormat::DateTime)),
        Some("epoch-seconds") => Ok(Some(TimestampFormat::EpochSeconds)),
        Some("http-date") => Ok(Some(TimestampFormat::HttpDate)),
        Some(other) => Err(ImportError::new(at, format!("unknown timestamp format `{other}`"))),
    }
}
