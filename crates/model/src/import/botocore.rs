//! botocore's model files: `service-2.json`, `paginators-1.json`, `waiters-2.json`, `examples-1.json`.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{ImportError, Interner};
use crate::ir::*;

type Result<T, E = ImportError> = std::result::Result<T, E>;

/// The files of one API version, parsed. All but `service` may be missing.
pub struct Files<'a> {
    /// The catalogue id; without one it is made of the model's service id.
    pub id: Option<&'a str>,
    pub service: &'a Value,
    pub paginators: Option<&'a Value>,
    pub waiters: Option<&'a Value>,
    pub retired: bool,
}

impl Default for Files<'_> {
    fn default() -> Self {
        Self { id: None, service: &Value::Null, paginators: None, waiters: None, retired: false }
    }
}

/// Reads one API version.
///
/// # Errors
/// When a shape is referred to but missing, or a part has another form than botocore gives it.
pub fn service(files: &Files<'_>) -> Result<Service> {
    let model = files.service;
    let metadata = object(model, "metadata")?;
    let shapes = object(model, "shapes")?;
    let operations = object(model, "operations")?;
    let mut names = Interner::default();
    let text = |names: &mut Interner, key: &str| metadata.get(key).and_then(Value::as_str).map(|text| names.get(text));

    let query_compatible = metadata.contains_key("awsQueryCompatible");
    // Sorted, so that shapes are found by name.
    let sorted: BTreeMap<&String, &Value> = shapes.iter().collect();
    let places: BTreeMap<&str, ShapeIx> =
        sorted.keys().zip(0u32..).map(|(name, at)| (name.as_str(), ShapeIx(at))).collect();
    let mut reader = Reader { names: &mut names, places };
    let mut shapes = sorted.iter().map(|(name, shape)| reader.shape(name, shape)).collect::<Result<Vec<_>>>()?;
    bind_query_params(&mut shapes);
    let protocols = protocols(metadata, query_compatible)?;
    if protocols.contains(&Protocol::RestXml) {
        name_payload_roots(&sorted, &mut shapes);
    }
    let mut sorted_operations: Vec<(&String, &Value)> = operations.iter().collect();
    sorted_operations.sort_by_key(|(name, _)| *name);
    let mut read = Vec::with_capacity(sorted_operations.len());
    for (name, operation) in sorted_operations {
        let paginator = files.paginators.and_then(|p| p.get("pagination")).and_then(|p| p.get(name));
        read.push(reader.operation(name, operation, paginator, &mut shapes)?);
    }
    let waiters = match files.waiters.and_then(|waiters| waiters.get("waiters")).and_then(Value::as_object) {
        Some(waiters) => waiters.iter().map(|(name, waiter)| reader.waiter(name, waiter)).collect(),
        None => Box::default(),
    };

    let endpoint_prefix =
        text(&mut names, "endpointPrefix").ok_or_else(|| ImportError::new("metadata", "no endpointPrefix"))?;
    let sdk_id =
        text(&mut names, "serviceId").or_else(|| text(&mut names, "serviceAbbreviation")).unwrap_or(endpoint_prefix);
    let id = match files.id {
        Some(id) => names.get(id),
        None => names.get(&sdk_id.to_lowercase().replace(' ', "-")),
    };
    let auth = match metadata.get("auth") {
        Some(_) => strings(&mut names, metadata.get("auth")),
        None => text(&mut names, "signatureVersion").into_iter().collect(),
    };
    Ok(Service {
        id,
        version: text(&mut names, "apiVersion").unwrap_or("unversioned"),
        sdk_id,
        title: text(&mut names, "serviceFullName").unwrap_or(sdk_id),
        endpoint_prefix,
        signing_name: text(&mut names, "signingName").unwrap_or(endpoint_prefix),
        global_endpoint: text(&mut names, "globalEndpoint"),
        protocols,
        target_prefix: text(&mut names, "targetPrefix"),
        xml_namespace: metadata
            .get("xmlNamespace")
            .and_then(|value| value.as_str().or_else(|| value.get("uri")?.as_str()))
            .map(|uri| names.get(uri)),
        query_compatible,
        auth,
        retired: files.retired,
        operations: read.into_boxed_slice(),
        shapes: shapes.into_boxed_slice(),
        waiters,
    })
}

/// A query member that targets a map takes all parameters that no other member claims.
fn bind_query_params(shapes: &mut [Shape]) {
    let maps: Vec<bool> = shapes.iter().map(|shape| matches!(shape.kind, Kind::Map(_))).collect();
    for shape in shapes {
        if let Kind::Structure(structure) = &mut shape.kind {
            for member in &mut structure.members {
                if member.location == Location::Query && maps[member.target.0 as usize] {
                    member.location = Location::QueryParams;
                }
            }
        }
    }
}

/// An XML payload without a name of its own has that of its shape.
fn name_payload_roots(from: &BTreeMap<&String, &Value>, shapes: &mut [Shape]) {
    let roots: Vec<Option<Str>> = shapes
        .iter()
        .map(|shape| match &shape.kind {
            Kind::Structure(structure) if !structure.event_stream => Some(shape.location_name.unwrap_or(shape.name)),
            _ => None,
        })
        .collect();
    for (shape, from) in shapes.iter_mut().zip(from.values()) {
        let Kind::Structure(structure) = &mut shape.kind else { continue };
        let Some(payload) = structure.payload else { continue };
        let member = &mut structure.members[usize::from(payload)];
        let is_named = from.get("members").and_then(|members| members.get(member.name)?.get("locationName")).is_some();
        if !is_named {
            member.location_name = roots[member.target.0 as usize].filter(|root| *root != member.name);
        }
    }
}

fn protocols(metadata: &Map<String, Value>, query_compatible: bool) -> Result<Box<[Protocol]>> {
    let json = match metadata.get("jsonVersion").and_then(Value::as_str) {
        Some("1.1") => Protocol::AwsJson1_1,
        _ => Protocol::AwsJson1_0,
    };
    let main = metadata.get("protocol").and_then(Value::as_str).into_iter();
    let others = metadata.get("protocols").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let mut list = Vec::new();
    for name in main.chain(others) {
        let protocol = match name {
            "json" => json,
            "rest-json" => Protocol::RestJson1,
            "rest-xml" => Protocol::RestXml,
            "query" => Protocol::AwsQuery,
            "ec2" => Protocol::Ec2Query,
            "smithy-rpc-v2-cbor" => Protocol::RpcV2Cbor,
            other => {
                return Err(ImportError::new("metadata", format!("unknown protocol `{other}`")));
            }
        };
        if !list.contains(&protocol) {
            list.push(protocol);
        }
    }
    // A query-compatible service still answers the protocol that it came from.
    if query_compatible && !list.contains(&Protocol::AwsQuery) {
        list.push(Protocol::AwsQuery);
    }
    if list.is_empty() {
        return Err(ImportError::new("metadata", "no protocol"));
    }
    Ok(list.into_boxed_slice())
}

struct Reader<'a> {
    names: &'a mut Interner,
    places: BTreeMap<&'a str, ShapeIx>,
}

impl Reader<'_> {
    fn place(&self, at: &str, name: Option<&str>) -> Result<ShapeIx> {
        let name = name.ok_or_else(|| ImportError::new(at, "no shape is named"))?;
        self.places
            .get(name)
            .copied()
            .ok_or_else(|| ImportError::new(at, format!("refers to `{name}`, which is not a shape of the model")))
    }

    fn text(&mut self, from: &Value, key: &str) -> Option<Str> {
        from.get(key).and_then(Value::as_str).map(|text| self.names.get(text))
    }

    fn reference(&self, at: &str, from: &Value, key: &str) -> Result<Option<ShapeIx>> {
        match from.get(key) {
            None => Ok(None),
            Some(reference) => self.place(at, reference.get("shape").and_then(Value::as_str)).map(Some),
        }
    }

    fn operation(
        &mut self,
        name: &str,
        from: &Value,
        paginator: Option<&Value>,
        shapes: &mut [Shape],
    ) -> Result<Operation> {
        let http = from.get("http").unwrap_or(&Value::Null);
        let uri = self.text(http, "requestUri").unwrap_or("/");
        let mut errors = Vec::new();
        for error in from.get("errors").and_then(Value::as_array).into_iter().flatten() {
            let ix = self.place(name, error.get("shape").and_then(Value::as_str))?;
            if let Kind::Structure(structure) = &mut shapes[ix.0 as usize].kind {
                // Some models put the error's status on the operation alone.
                let known = structure.error.get_or_insert_default();
                let given = self.error(error);
                known.status = known.status.or(given.status);
                known.code = known.code.or(given.code);
                known.fault |= given.fault;
            }
            errors.push(ix);
        }
        let empty = Value::Null;
        let input = from.get("input").unwrap_or(&empty);
        let output = from.get("output").unwrap_or(&empty);
        let mut auth = strings(self.names, from.get("auth"));
        if let (true, Some(kind)) = (auth.is_empty(), self.text(from, "authtype")) {
            auth = Box::new([kind]);
        }
        let checksum = from.get("httpChecksum").map(|checksum| {
            Box::new(HttpChecksum {
                request_required: flag(checksum, "requestChecksumRequired"),
                request_algorithm_member: self.text(checksum, "requestAlgorithmMember"),
                request_validation_mode_member: self.text(checksum, "requestValidationModeMember"),
                response_algorithms: strings(self.names, checksum.get("responseAlgorithms")),
            })
        });
        Ok(Operation {
            name: self.names.get(name),
            http: Http {
                method: self.text(http, "method").unwrap_or("POST"),
                uri: Uri::parse(uri),
                status: status(http, "responseCode").unwrap_or(200),
            },
            input: self.reference(name, from, "input")?,
            output: self.reference(name, from, "output")?,
            errors: errors.into_boxed_slice(),
            result_wrapper: self.text(output, "resultWrapper"),
            input_root: self.text(input, "locationName"),
            input_namespace: input.get("xmlNamespace").and_then(|namespace| self.text(namespace, "uri")),
            output_root: self.text(output, "locationName"),
            host_prefix: from.get("endpoint").and_then(|endpoint| self.text(endpoint, "hostPrefix")),
            auth,
            idempotent: flag(from, "idempotent"),
            readonly: flag(from, "readonly"),
            deprecated: flag(from, "deprecated"),
            checksum_required: flag(from, "httpChecksumRequired"),
            endpoint_operation: flag(from, "endpointoperation"),
            http_checksum: checksum,
            request_compression: strings(self.names, from.get("requestcompression").and_then(|c| c.get("encodings"))),
            paginator: paginator.map(|paginator| {
                Box::new(Paginator {
                    input_token: strings(self.names, paginator.get("input_token")),
                    output_token: strings(self.names, paginator.get("output_token")),
                    limit_key: self.text(paginator, "limit_key"),
                    more_results: self.text(paginator, "more_results"),
                    result_key: strings(self.names, paginator.get("result_key")),
                })
            }),
        })
    }

    fn waiter(&mut self, name: &str, from: &Value) -> Waiter {
        let number = |key: &str| from.get(key).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
        let acceptors = from.get("acceptors").and_then(Value::as_array).into_iter().flatten();
        Waiter {
            name: self.names.get(name),
            operation: self.text(from, "operation").unwrap_or_default(),
            delay_seconds: number("delay"),
            max_attempts: number("maxAttempts"),
            acceptors: acceptors
                .map(|acceptor| Acceptor {
                    state: match acceptor.get("state").and_then(Value::as_str) {
                        Some("success") => WaiterState::Success,
                        Some("failure") => WaiterState::Failure,
                        _ => WaiterState::Retry,
                    },
                    matcher: self.text(acceptor, "matcher").unwrap_or_default(),
                    argument: self.text(acceptor, "argument").unwrap_or_default(),
                    expected: self.names.get(&acceptor.get("expected").unwrap_or(&Value::Null).to_string()),
                })
                .collect(),
        }
    }

    fn shape(&mut self, name: &str, from: &Value) -> Result<Shape> {
        let kind = match from.get("type").and_then(Value::as_str) {
            Some("structure") if flag(from, "document") => Kind::Document,
            Some("structure") => Kind::Structure(Box::new(self.structure(name, from)?)),
            Some("list") => Kind::List(Box::new(ListShape {
                member: self.inner(name, "member", from)?,
                flattened: flag(from, "flattened"),
                sparse: flag(from, "sparse"),
            })),
            Some("map") => Kind::Map(Box::new(MapShape {
                key: self.inner(name, "key", from)?,
                value: self.inner(name, "value", from)?,
                flattened: flag(from, "flattened"),
                sparse: flag(from, "sparse"),
            })),
            Some("string" | "character") => Kind::String { enum_values: strings(self.names, from.get("enum")) },
            Some("blob") => {
                Kind::Blob { streaming: flag(from, "streaming"), requires_length: flag(from, "requiresLength") }
            }
            Some("boolean") => Kind::Boolean,
            Some("byte") => Kind::Byte,
            Some("short") => Kind::Short,
            Some("integer") => Kind::Integer,
            Some("long") => Kind::Long,
            Some("biginteger") => Kind::BigInteger,
            Some("float") => Kind::Float,
            Some("double") => Kind::Double,
            Some("bigdecimal") => Kind::BigDecimal,
            Some("timestamp") => Kind::Timestamp(timestamp_format(name, from)?),
            other => return Err(ImportError::new(name, format!("unknown type {other:?}"))),
        };
        let constraints =
            Constraints { min: bound(from, "min"), max: bound(from, "max"), pattern: self.text(from, "pattern") };
        Ok(Shape {
            name: self.names.get(name),
            kind,
            sensitive: flag(from, "sensitive"),
            wrapper: flag(from, "wrapper"),
            location_name: self.text(from, "locationName"),
            xml_namespace: self.namespace(from),
            constraints: (constraints != Constraints::default()).then(|| Box::new(constraints)),
        })
    }

    fn namespace(&mut self, from: &Value) -> Option<XmlNamespace> {
        let namespace = from.get("xmlNamespace")?;
        let uri = match namespace.as_str() {
            Some(uri) => self.names.get(uri),
            None => self.text(namespace, "uri")?,
        };
        Some(XmlNamespace { prefix: self.text(namespace, "prefix"), uri })
    }

    fn structure(&mut self, name: &str, from: &Value) -> Result<Structure> {
        let required: Vec<&str> =
            from.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let mut members = Vec::new();
        for (member_name, member) in from.get("members").and_then(Value::as_object).into_iter().flatten() {
            let mut read = self.member(&format!("{name}${member_name}"), member_name, member)?;
            read.required = required.contains(&member_name.as_str());
            members.push(read);
        }
        let payload = from
            .get("payload")
            .and_then(Value::as_str)
            .and_then(|payload| members.iter().position(|member| member.name == payload))
            .and_then(|at| u16::try_from(at).ok());
        Ok(Structure {
            members: members.into_boxed_slice(),
            payload,
            union: flag(from, "union") || flag(from, "eventstream"),
            error: (flag(from, "exception") || from.get("error").is_some()).then(|| Box::new(self.error(from))),
            event_stream: flag(from, "eventstream"),
            event: flag(from, "event"),
        })
    }

    fn error(&mut self, from: &Value) -> ErrorTrait {
        let error = from.get("error").unwrap_or(&Value::Null);
        let retryable = from.get("retryable");
        ErrorTrait {
            code: self.text(error, "code"),
            status: status(error, "httpStatusCode"),
            fault: flag(from, "fault") || flag(error, "fault"),
            sender_fault: flag(error, "senderFault"),
            retryable: retryable.is_some(),
            throttling: retryable.is_some_and(|retryable| flag(retryable, "throttling")),
        }
    }

    /// A list's item, a map's key or value.
    fn inner(&mut self, name: &str, role: &'static str, from: &Value) -> Result<Member> {
        let at = format!("{name}${role}");
        let inner = from.get(role).ok_or_else(|| ImportError::new(&at, "is missing"))?;
        self.member(&at, role, inner)
    }

    fn member(&mut self, at: &str, name: &str, from: &Value) -> Result<Member> {
        let target = self.place(at, from.get("shape").and_then(Value::as_str))?;
        let location = match from.get("location").and_then(Value::as_str) {
            None => Location::Body,
            Some("uri") => Location::Uri,
            Some("querystring") => Location::Query,
            Some("header") => Location::Header,
            Some("headers") => Location::PrefixHeaders,
            Some("statusCode") => Location::StatusCode,
            Some(other) => return Err(ImportError::new(at, format!("unknown location `{other}`"))),
        };
        Ok(Member {
            name: self.names.get(name),
            target,
            required: false,
            location,
            location_name: self.text(from, "locationName").filter(|wire| *wire != name),
            query_name: self.text(from, "queryName"),
            flattened: flag(from, "flattened"),
            xml_attribute: flag(from, "xmlAttribute"),
            xml_namespace: self.namespace(from).map(Box::new),
            timestamp_format: timestamp_format(at, from)?,
            idempotency_token: flag(from, "idempotencyToken"),
            json_value: flag(from, "jsonvalue"),
            host_label: flag(from, "hostLabel"),
            streaming: flag(from, "streaming"),
            event_payload: flag(from, "eventpayload"),
            event_header: flag(from, "eventheader"),
            deprecated: flag(from, "deprecated"),
        })
    }
}

fn object<'v>(from: &'v Value, key: &str) -> Result<&'v Map<String, Value>> {
    from.get(key).and_then(Value::as_object).ok_or_else(|| ImportError::new(key, "is missing or not an object"))
}

/// `true`, and also `{}` (some traits are written as empty objects).
fn flag(from: &Value, key: &str) -> bool {
    from.get(key).is_some_and(|value| value.as_bool().unwrap_or(value.is_object()))
}

fn status(from: &Value, key: &str) -> Option<u16> {
    from.get(key)
        .and_then(Value::as_u64)
        .and_then(|status| u16::try_from(status).ok())
        .filter(|s| (100..600).contains(s))
}

fn bound(from: &Value, key: &str) -> Option<Bound> {
    let value = from.get(key)?;
    match value.as_i64() {
        Some(int) => Some(Bound::Int(int)),
        None => value.as_f64().map(Bound::Float),
    }
}

fn strings(names: &mut Interner, from: Option<&Value>) -> Box<[Str]> {
    match from {
        Some(Value::String(one)) => Box::new([names.get(one)]),
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).map(|text| names.get(text)).collect(),
        _ => Box::default(),
    }
}

fn timestamp_format(at: &str, from: &Value) -> Result<Option<TimestampFormat>> {
    match from.get("timestampFormat").and_then(Value::as_str) {
        None => Ok(None),
        Some("iso8601") => Ok(Some(TimestampFormat::DateTime)),
        Some("unixTimestamp") => Ok(Some(TimestampFormat::EpochSeconds)),
        Some("rfc822") => Ok(Some(TimestampFormat::HttpDate)),
        Some(other) => Err(ImportError::new(at, format!("unknown timestamp format `{other}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_xml_payload_has_a_root_name() {
        let roots = |protocol: &str| {
            let model = serde_json::json!({
                "metadata": {"endpointPrefix": "x", "protocol": protocol},
                "operations": {},
                "shapes": {
                    "Own": {"type": "structure", "members": {"Body": {"shape": "Part", "locationName": "Body"}}, "payload": "Body"},
                    "Shape": {"type": "structure", "members": {"Body": {"shape": "Part"}}, "payload": "Body"},
                    "Bytes": {"type": "structure", "members": {"Body": {"shape": "Blob"}}, "payload": "Body"},
                    "Part": {"type": "structure", "members": {}},
                    "Blob": {"type": "blob"},
                }
            });
            let service = service(&Files { service: &model, ..Files::default() }).expect("a model");
            ["Own", "Shape", "Bytes"].map(|name| {
                let structure = service.shape_named(name).and_then(|ix| service.structure(ix)).expect("there");
                structure.payload_member().expect("has one").wire_name()
            })
        };
        assert_eq!(roots("rest-xml"), ["Body", "Part", "Body"]);
        assert_eq!(roots("rest-json"), ["Body", "Body", "Body"]);
    }
}
