//! A service as an OpenAPI 3.1 document.
//!
//! OpenAPI tells operations apart by method and path alone. AWS does not: RPC protocols post everything to `/`, and some
//! REST operations share method and path and differ in a query parameter or header. A path may hold neither `?` nor `#`, so
//! the path of such an operation ends in `;` and its name (`/;GetService`, `/{Bucket}/{Key};CopyObject`), and
//! `x-aws-uri` says what is sent.

mod schema;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};
use standin_core::OperationError;
use standin_model::{Kind, Location, Member, Operation, Protocol, Segment, Service, ShapeIx, Structure};

use schema::{Place, Schemas};

/// Writes a service as a document, in one protocol: the first one that is no binary.
pub fn document(service: &'static Service) -> Value {
    let protocol = protocol(service);
    let mut writer = Writer { service, protocol, schemas: Schemas::new(service, protocol), templates: HashMap::new() };
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    // The operation that asks for least has the plain path.
    let mut operations: Vec<&Operation> = service.operations.iter().collect();
    operations.sort_by_key(|operation| conditions(service, operation));
    for operation in operations {
        let mut path = writer.path(operation);
        let method = operation.http.method.to_ascii_lowercase();
        let method = if protocol.is_rest() { method } else { "post".to_owned() };
        if paths.get(&path.text).is_some_and(|item| item.contains_key(&method)) {
            path.text = format!("{};{}", path.text, operation.name);
        }
        let written = writer.operation(operation, &path);
        paths.entry(path.text).or_default().insert(method, written);
    }
    let schemas = writer.schemas.written();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": service.sdk_id,
            "version": service.version,
            "x-aws-protocol": protocol.name(),
            "x-aws-signing-name": service.signing_name,
        },
        "servers": [
            {"url": server(service), "variables": {"region": {"default": "us-east-1"}}},
            {"url": "http://localhost:4566", "description": "standin"},
        ],
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "sigv4": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "AWS Signature Version 4",
                },
            },
        },
    })
}

/// How much besides method and path a request of an operation has.
fn conditions(service: &Service, operation: &Operation) -> usize {
    let input = operation.input.and_then(|ix| service.structure(ix));
    let members = input.into_iter().flat_map(|input| &input.members);
    let asks = |member: &&Member| member.required && matches!(member.location, Location::Query | Location::Header);
    operation.http.uri.query.len() + members.filter(asks).count()
}

fn server(service: &Service) -> String {
    match service.global_endpoint {
        Some(host) => format!("https://{host}"),
        None => format!("https://{}.{{region}}.amazonaws.com", service.endpoint_prefix),
    }
}

fn protocol(service: &Service) -> Protocol {
    let texts = service.protocols.iter().copied().find(|protocol| *protocol != Protocol::RpcV2Cbor);
    texts.unwrap_or(service.protocol())
}

struct Writer {
    service: &'static Service,
    protocol: Protocol,
    schemas: Schemas,
    /// What the labels of a path are called, by the path without their names: OpenAPI takes paths that differ in names only
    /// for the same.
    templates: HashMap<String, Vec<String>>,
}

/// The key of an operation's path, and what it calls the labels.
struct Path {
    text: String,
    labels: Vec<(&'static str, String)>,
}

impl Writer {
    fn path(&mut self, operation: &Operation) -> Path {
        match self.protocol {
            Protocol::RestJson1 | Protocol::RestXml => {}
            Protocol::RpcV2Cbor => {
                let target = self.service.target_prefix.unwrap_or_default();
                return Path { text: format!("/service/{target}/operation/{}", operation.name), labels: vec![] };
            }
            _ => return Path { text: format!("/;{}", operation.name), labels: vec![] },
        }
        let labels: Vec<&'static str> = operation.http.uri.segments.iter().flat_map(labels_of).collect();
        let mut form = String::new();
        for segment in &operation.http.uri.segments {
            form.push('/');
            match segment {
                Segment::Literal(text) => form.push_str(&without_names(text)),
                Segment::Label(_) | Segment::Greedy(_) => form.push_str("{}"),
            }
        }
        let own = || labels.iter().map(|label| (*label).to_owned()).collect();
        let names = self.templates.entry(form.clone()).or_insert_with(own).clone();
        let mut text = String::new();
        let mut rest = form.as_str();
        for name in &names {
            let Some((before, after)) = rest.split_once("{}") else { break };
            text.push_str(before);
            text.push_str(&format!("{{{name}}}"));
            rest = after;
        }
        text.push_str(rest);
        Path { text, labels: labels.into_iter().zip(names).collect() }
    }

    fn operation(&mut self, operation: &Operation, path: &Path) -> Value {
        let mut written = json!({"operationId": operation.name});
        if operation.deprecated {
            written["deprecated"] = json!(true);
        }
        let uri = if self.protocol.is_rest() { operation.http.uri.text } else { "/" };
        if path.text != uri && self.protocol != Protocol::RpcV2Cbor {
            written["x-aws-uri"] = json!(uri);
        }
        if let Some(prefix) = operation.host_prefix {
            written["x-aws-host-prefix"] = json!(prefix);
        }
        let parameters = self.parameters(operation, path);
        if !parameters.is_empty() {
            written["parameters"] = json!(parameters);
        }
        if let Some(body) = self.request_body(operation) {
            written["requestBody"] = body;
        }
        written["responses"] = self.responses(operation);
        written
    }

    fn parameters(&mut self, operation: &Operation, path: &Path) -> Vec<Value> {
        let mut parameters = Vec::new();
        if matches!(self.protocol, Protocol::AwsJson1_0 | Protocol::AwsJson1_1) {
            let target = format!("{}.{}", self.service.target_prefix.unwrap_or_default(), operation.name);
            parameters.push(json!({
                "name": "X-Amz-Target", "in": "header", "required": true, "schema": {"type": "string", "const": target},
            }));
        }
        if !self.protocol.is_rest() {
            return parameters;
        }
        for (key, value) in &operation.http.uri.query {
            let schema = json!({"type": "string", "const": value.unwrap_or_default()});
            parameters.push(json!({
                "name": key, "in": "query", "required": true, "allowEmptyValue": value.is_none(), "schema": schema,
            }));
        }
        let input = operation.input.and_then(|ix| self.service.structure(ix));
        for member in input.into_iter().flat_map(|input| &input.members) {
            let mut name = member.wire_name().to_owned();
            let (place, required) = match member.location {
                Location::Uri => {
                    let label = path.labels.iter().find(|(label, _)| *label == name);
                    name = label.map_or(name, |(_, called)| called.clone());
                    ("path", true)
                }
                Location::Query | Location::QueryParams => ("query", member.required),
                // OpenAPI has other places for these.
                Location::Header if ["accept", "content-type", "authorization"].contains(&&*name.to_lowercase()) => {
                    continue;
                }
                Location::Header => ("header", member.required),
                Location::Body | Location::PrefixHeaders | Location::StatusCode => continue,
            };
            if parameters.iter().any(|known| known["name"] == *name && known["in"] == place) {
                continue;
            }
            let of = if place == "header" { Place::Header } else { Place::Url };
            let mut parameter = json!({"name": name, "in": place, "schema": self.schemas.member(member, of)});
            if required {
                parameter["required"] = json!(true);
            }
            if member.idempotency_token {
                parameter["x-aws-idempotency-token"] = json!(true);
            }
            parameters.push(parameter);
        }
        // A label that no member claims would leave the path without its parameter.
        for (_, name) in &path.labels {
            if !parameters.iter().any(|known| known["in"] == "path" && known["name"] == name.as_str()) {
                parameters.push(json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
            }
        }
        parameters
    }

    fn request_body(&mut self, operation: &Operation) -> Option<Value> {
        let structure = operation.input.and_then(|ix| Some((ix, self.service.structure(ix)?)));
        if self.protocol.is_rest() {
            let (ix, structure) = structure?;
            let (content, required) = self.body(ix, structure)?;
            return Some(json!({"content": content, "required": required}));
        }
        let mut schema = match structure {
            Some((ix, _)) => self.schemas.reference(ix),
            None => json!({"type": "object"}),
        };
        if matches!(self.protocol, Protocol::AwsQuery | Protocol::Ec2Query) {
            let fixed = json!({
                "type": "object",
                "properties": {"Action": {"const": operation.name}, "Version": {"const": self.service.version}},
                "required": ["Action", "Version"],
            });
            schema = json!({"allOf": [fixed, schema]});
        }
        let content = json!({self.request_type(): {"schema": schema}});
        Some(json!({"content": content, "required": true}))
    }

    fn request_type(&self) -> &'static str {
        match self.protocol {
            Protocol::AwsQuery | Protocol::Ec2Query => "application/x-www-form-urlencoded",
            _ => self.response_type(),
        }
    }

    fn response_type(&self) -> &'static str {
        match self.protocol {
            Protocol::AwsJson1_0 => "application/x-amz-json-1.0",
            Protocol::AwsJson1_1 => "application/x-amz-json-1.1",
            Protocol::RestJson1 => "application/json",
            Protocol::RpcV2Cbor => "application/cbor",
            Protocol::RestXml => "application/xml",
            Protocol::AwsQuery | Protocol::Ec2Query => "text/xml",
        }
    }

    /// What a REST message has in its body, and whether it must be there.
    fn body(&mut self, ix: ShapeIx, structure: &'static Structure) -> Option<(Value, bool)> {
        if let Some(payload) = structure.payload_member() {
            let target = self.service.target(payload);
            let (media, schema) = match &target.kind {
                Kind::Blob { .. } => ("application/octet-stream", json!({})),
                Kind::String { .. } => ("text/plain", self.schemas.member(payload, Place::Body)),
                Kind::Structure(inner) if inner.event_stream => ("application/vnd.amazon.eventstream", json!({})),
                _ => (self.response_type(), self.schemas.member(payload, Place::Body)),
            };
            return Some((json!({media: {"schema": schema}}), payload.required));
        }
        let in_body = |member: &&Member| member.location == Location::Body;
        let count = structure.members.iter().filter(in_body).count();
        if count == 0 {
            return None;
        }
        let required = structure.members.iter().filter(in_body).any(|member| member.required);
        let schema = match count == structure.members.len() {
            true => self.schemas.reference(ix),
            false => self.schemas.structure(structure, true),
        };
        Some((json!({self.response_type(): {"schema": schema}}), required))
    }

    fn responses(&mut self, operation: &Operation) -> Value {
        let mut responses = Map::new();
        let mut success = json!({"description": "The operation succeeded."});
        let output = operation.output.and_then(|ix| Some((ix, self.service.structure(ix)?)));
        if self.protocol.is_rest() {
            if let Some((ix, structure)) = output {
                self.add_headers(structure, &mut success);
                let has_body = operation.http.method != "HEAD" && operation.http.status != 204;
                if let Some((content, _)) = self.body(ix, structure).filter(|_| has_body) {
                    success["content"] = content;
                }
            }
        } else {
            let schema = match output {
                Some((ix, _)) => self.schemas.reference(ix),
                None => json!({"type": "object"}),
            };
            success["content"] = json!({self.response_type(): {"schema": self.wrapped(operation, schema)}});
        }
        responses.insert(operation.http.status.to_string(), success);
        let mut by_status: BTreeMap<u16, Vec<ShapeIx>> = BTreeMap::new();
        for error in &operation.errors {
            if let Some(traits) = self.service.structure(*error).and_then(|structure| structure.error.as_ref()) {
                by_status.entry(traits.http_status()).or_default().push(*error);
            }
        }
        for (status, errors) in by_status {
            let names: Vec<&str> = errors.iter().map(|error| self.service.shape(*error).name).collect();
            let codes: Vec<&str> = errors.iter().map(|error| OperationError::wire_code(self.service, *error)).collect();
            let mut response = json!({"description": names.join(", "), "x-aws-errors": codes});
            if operation.http.method != "HEAD" {
                let refs: Vec<Value> = errors.iter().map(|error| self.schemas.reference(*error)).collect();
                let schema = if let [one] = &refs[..] { one.clone() } else { json!({"anyOf": refs}) };
                response["content"] = json!({self.response_type(): {"schema": schema}});
            }
            if status != operation.http.status {
                responses.insert(status.to_string(), response);
            }
        }
        Value::Object(responses)
    }

    /// The envelope that query protocols put around an output.
    fn wrapped(&self, operation: &Operation, schema: Value) -> Value {
        let name = format!("{}Response", operation.name);
        match (self.protocol, operation.result_wrapper) {
            (Protocol::AwsQuery, Some(wrapper)) => {
                json!({"type": "object", "properties": {wrapper: schema}, "xml": {"name": name}})
            }
            (Protocol::AwsQuery | Protocol::Ec2Query, _) => json!({"allOf": [schema], "xml": {"name": name}}),
            _ => schema,
        }
    }

    fn add_headers(&mut self, structure: &'static Structure, response: &mut Value) {
        let mut headers = Map::new();
        for member in structure.members.iter().filter(|member| member.location == Location::Header) {
            // Told by the media type.
            if !member.wire_name().eq_ignore_ascii_case("content-type") {
                let schema = self.schemas.member(member, Place::Header);
                headers.insert(member.wire_name().to_owned(), json!({"schema": schema}));
            }
        }
        if !headers.is_empty() {
            response["headers"] = Value::Object(headers);
        }
    }
}

/// Labels of a segment, also of those that are a part of it (`{name}.json`).
fn labels_of(segment: &Segment) -> Vec<&'static str> {
    match segment {
        Segment::Label(name) | Segment::Greedy(name) => vec![name],
        Segment::Literal(text) => {
            text.split('{').skip(1).filter_map(|part| Some(part.split_once('}')?.0.trim_end_matches('+'))).collect()
        }
    }
}

fn without_names(text: &str) -> String {
    let mut parts = text.split('{');
    let mut written = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        written.push_str("{}");
        written.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    written
}

#[cfg(test)]
mod tests {
    use standin_model::Catalogue;

    use super::*;

    fn exported(service: &str) -> Value {
        document(Catalogue::shared().newest(service).expect("served").open().expect("readable"))
    }

    #[test]
    fn operations_that_share_a_path_keep_apart() {
        let s3 = exported("s3");
        let copy = &s3["paths"]["/{Bucket}/{Key};CopyObject"]["put"];
        assert_eq!(s3["paths"]["/{Bucket}/{Key}"]["put"]["operationId"], "PutObject");
        assert_eq!(copy["x-aws-uri"], "/{Bucket}/{Key+}");
    }

    #[test]
    fn json_protocols_are_told_by_their_target() {
        let proton = exported("proton");
        let get = &proton["paths"]["/;GetService"]["post"];
        assert_eq!(get["parameters"][0]["schema"]["const"], "AwsProton20200720.GetService");
        assert_eq!(get["responses"]["400"]["x-aws-errors"][0], "ValidationException");
        let name = &proton["components"]["schemas"]["GetServiceInput"];
        assert_eq!(name["required"], json!(["name"]));
    }

    #[test]
    fn labels_have_parameters_in_every_service() {
        for entry in Catalogue::shared().services() {
            let service = entry.open().expect("readable");
            let exported = document(service);
            let mut operations = 0;
            for (path, item) in exported["paths"].as_object().expect("paths") {
                for operation in item.as_object().expect("a path item").values() {
                    operations += 1;
                    let of_path = operation["parameters"].as_array().into_iter().flatten();
                    let mut names: Vec<&str> =
                        of_path.filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
                    let mut labels: Vec<&str> = labels_of(&Segment::Literal(path.clone().leak()));
                    names.sort_unstable();
                    labels.sort_unstable();
                    assert_eq!(names, labels, "{} {path}", service.id);
                }
            }
            assert_eq!(operations, service.operations.len(), "{}", service.id);
            for reference in references(&exported) {
                let name = reference.strip_prefix("#/components/schemas/").expect("a schema");
                assert!(exported["components"]["schemas"].get(name).is_some(), "{} {name}", service.id);
            }
        }
    }

    fn references(value: &Value) -> Vec<String> {
        match value {
            Value::Object(entries) => entries
                .iter()
                .flat_map(|(key, value)| match value.as_str() {
                    Some(text) if key == "$ref" => vec![text.to_owned()],
                    _ => references(value),
                })
                .collect(),
            Value::Array(items) => items.iter().flat_map(references).collect(),
            _ => Vec::new(),
        }
    }
}
