//! Smithy's JSON AST, 2.0 and 1.0: the same [`Service`] as the botocore reader gives for the same API.
//!
//! Facts: "JSON AST" and the trait pages of the Smithy 2.0 specification, the AWS trait pages, and botocore's models for
//! how AWS itself puts the same services (names of shapes for constrained members, protocols' order).

mod ast;
mod closure;
mod shapes;
mod waiters;

use std::collections::HashMap;

use serde_json::Value;

use self::ast::{Ast, local_name, texts};
use self::closure::Closure;
use super::{ImportError, Interner};
use crate::ir::*;

type Result<T, E = ImportError> = std::result::Result<T, E>;

/// All services of an AST, sorted by the id of their shapes.
///
/// # Errors
/// When a shape that a service reaches is missing or malformed, or a service has no protocol that is spoken here.
pub fn services(ast: &Value) -> Result<Vec<Service>> {
    let ast = Ast::new(ast)?;
    let ids = ast.services();
    if ids.is_empty() {
        return Err(ImportError::new("smithy", "the model holds no service"));
    }
    ids.into_iter().map(|id| service(&ast, id)).collect()
}

/// Smithy's protocol traits, in the order in which botocore prefers them.
const PROTOCOLS: [(&str, Protocol); 7] = [
    ("smithy.protocols#rpcv2Cbor", Protocol::RpcV2Cbor),
    ("aws.protocols#awsJson1_0", Protocol::AwsJson1_0),
    ("aws.protocols#awsJson1_1", Protocol::AwsJson1_1),
    ("aws.protocols#restJson1", Protocol::RestJson1),
    ("aws.protocols#restXml", Protocol::RestXml),
    ("aws.protocols#awsQuery", Protocol::AwsQuery),
    ("aws.protocols#ec2Query", Protocol::Ec2Query),
];

/// Traits of a service that are ways to authenticate.
const AUTH_SCHEMES: [&str; 6] = [
    "aws.auth#sigv4",
    "aws.auth#sigv4a",
    "smithy.api#httpBearerAuth",
    "smithy.api#httpBasicAuth",
    "smithy.api#httpDigestAuth",
    "smithy.api#httpApiKeyAuth",
];

/// What of a service decides how its shapes are read.
#[derive(Clone, Copy)]
struct Dialect {
    /// HTTP bindings count.
    rest: bool,
    /// `jsonName` counts.
    json_names: bool,
    /// `xmlName` counts.
    xml_names: bool,
    /// `awsQueryError` codes count.
    query_errors: bool,
    /// REST-XML: what the roots of requests stand in.
    xml_namespace: Option<Str>,
}

fn service(ast: &Ast<'_>, id: &str) -> Result<Service> {
    let node = ast.shape(id, id)?;
    let mut names = Interner::default();

    let query_compatible = ast::has(node, "aws.protocols#awsQueryCompatible");
    let protocols = protocols(id, node, query_compatible)?;
    let speaks = |wanted: &[Protocol]| protocols.iter().any(|protocol| wanted.contains(protocol));
    let xml = |protocol: Protocol| matches!(protocol, Protocol::RestXml | Protocol::AwsQuery | Protocol::Ec2Query);
    let xml_namespace = ast::trait_of(node, "smithy.api#xmlNamespace")
        .filter(|_| protocols.iter().copied().any(xml))
        .and_then(|namespace| namespace.get("uri")?.as_str())
        .map(|uri| names.get(uri));
    let dialect = Dialect {
        rest: protocols.iter().any(|protocol| protocol.is_rest()),
        json_names: protocols[0] == Protocol::RestJson1,
        xml_names: xml(protocols[0]),
        query_errors: query_compatible || speaks(&[Protocol::AwsQuery, Protocol::Ec2Query]),
        xml_namespace: xml_namespace.filter(|_| protocols[0] == Protocol::RestXml),
    };

    let closure = Closure::of_service(ast, id, node)?;
    let mut reader = Reader { ast, names: &mut names, places: closure.places(), dialect };
    let shapes = closure.shapes.iter().map(|entry| reader.shape(entry)).collect::<Result<Vec<_>>>()?;
    let operations =
        closure.operations.iter().map(|operation| reader.operation(id, node, operation)).collect::<Result<Vec<_>>>()?;
    let mut waiters = Vec::new();
    for operation in &closure.operations {
        waiters::read(ast.shape(id, operation)?, local_name(operation), reader.names, &mut waiters);
    }
    waiters.sort_by_key(|waiter| waiter.name);

    let own_name = local_name(id);
    let aws = ast::trait_of(node, "aws.api#service").unwrap_or(&Value::Null);
    let aws_text = |key: &str| aws.get(key).and_then(Value::as_str);
    let sigv4 = |scheme: &str| ast::trait_of(node, scheme)?.get("name")?.as_str();
    let signing_name = sigv4("aws.auth#sigv4").or_else(|| sigv4("aws.auth#sigv4a"));
    let lower = own_name.to_lowercase();
    let endpoint_prefix = aws_text("endpointPrefix").or(aws_text("arnNamespace")).or(signing_name).unwrap_or(&lower);
    let sdk_id = aws_text("sdkId").unwrap_or(own_name);
    let rpc = speaks(&[Protocol::AwsJson1_0, Protocol::AwsJson1_1, Protocol::RpcV2Cbor]);
    let auth = match ast::trait_of(node, "smithy.api#auth") {
        Some(schemes) => texts(schemes).map(|scheme| names.get(scheme)).collect(),
        None => AUTH_SCHEMES.iter().copied().filter(|scheme| ast::has(node, scheme)).collect(),
    };
    Ok(Service {
        id: names.get(&sdk_id.to_lowercase().replace(' ', "-")),
        version: names.get(node.get("version").and_then(Value::as_str).unwrap_or("unversioned")),
        sdk_id: names.get(sdk_id),
        title: names.get(ast::text_of(node, "smithy.api#title").unwrap_or(sdk_id)),
        endpoint_prefix: names.get(endpoint_prefix),
        signing_name: names.get(signing_name.unwrap_or(endpoint_prefix)),
        global_endpoint: None,
        target_prefix: rpc.then(|| names.get(own_name)),
        xml_namespace,
        protocols,
        query_compatible,
        auth,
        retired: false,
        operations: operations.into_boxed_slice(),
        shapes: shapes.into_boxed_slice(),
        waiters: waiters.into_boxed_slice(),
    })
}

fn protocols(id: &str, node: &Value, query_compatible: bool) -> Result<Box<[Protocol]>> {
    let mut list: Vec<Protocol> =
        PROTOCOLS.iter().filter(|(name, _)| ast::has(node, name)).map(|(_, protocol)| *protocol).collect();
    // A query-compatible service still answers the protocol that it came from.
    if query_compatible && !list.contains(&Protocol::AwsQuery) {
        list.push(Protocol::AwsQuery);
    }
    if list.is_empty() {
        let known: Vec<&str> = PROTOCOLS.iter().map(|(name, _)| *name).collect();
        return Err(ImportError::new(id, format!("has none of the protocols {}", known.join(", "))));
    }
    Ok(list.into_boxed_slice())
}

/// Reads shapes and operations of one service.
struct Reader<'a> {
    ast: &'a Ast<'a>,
    names: &'a mut Interner,
    /// By the id of a shape, or of a member whose own constraints make it a shape of its own.
    places: HashMap<&'a str, ShapeIx>,
    dialect: Dialect,
}

impl Reader<'_> {
    fn operation(&mut self, service_id: &str, service: &Value, id: &str) -> Result<Operation> {
        let node = self.ast.shape(service_id, id)?;
        let http = ast::trait_of(node, "smithy.api#http").filter(|_| self.dialect.rest);
        let http = Http {
            method: self.names.get(http.and_then(|http| http.get("method")?.as_str()).unwrap_or("POST")),
            uri: self.uri(http.and_then(|http| http.get("uri")?.as_str()).unwrap_or("/")),
            status: http.and_then(|http| ast::status(http.get("code")?)).unwrap_or(200),
        };
        let mut errors = Vec::new();
        for error in ast::targets(node, "errors").chain(ast::targets(service, "errors")) {
            let place = self.place(id, error)?;
            if !errors.contains(&place) {
                errors.push(place);
            }
        }
        let name = local_name(id);
        let input_node =
            self.ast.shape(id, node.get("input").and_then(|t| t.get("target")?.as_str()).unwrap_or(ast::UNIT))?;
        let is_root = ast::members(input_node).into_iter().any(|(_, member)| shapes::is_body(member));
        let input_namespace = self.dialect.xml_namespace.filter(|_| is_root);
        let output = self.structure_of(id, node, "output")?;
        Ok(Operation {
            name: self.names.get(name),
            http,
            input: self.structure_of(id, node, "input")?,
            output,
            errors: errors.into_boxed_slice(),
            result_wrapper: (output.is_some() && ast::has(service, "aws.protocols#awsQuery"))
                .then(|| self.names.get(&format!("{name}Result"))),
            input_root: None,
            input_namespace,
            output_root: None,
            host_prefix: ast::trait_of(node, "smithy.api#endpoint")
                .and_then(|endpoint| endpoint.get("hostPrefix")?.as_str())
                .map(|prefix| self.names.get(prefix)),
            auth: self.auth(node),
            idempotent: ast::has(node, "smithy.api#idempotent"),
            readonly: ast::has(node, "smithy.api#readonly"),
            deprecated: ast::has(node, "smithy.api#deprecated"),
            checksum_required: ast::has(node, "smithy.api#httpChecksumRequired"),
            endpoint_operation: ast::trait_of(service, "aws.api#clientEndpointDiscovery")
                .and_then(|discovery| discovery.get("operation")?.as_str())
                .is_some_and(|operation| operation == id),
            http_checksum: ast::trait_of(node, "aws.protocols#httpChecksum")
                .map(|checksum| Box::new(self.http_checksum(checksum))),
            request_compression: ast::trait_of(node, "smithy.api#requestCompression")
                .and_then(|compression| compression.get("encodings"))
                .map(|encodings| self.texts(encodings))
                .unwrap_or_default(),
            paginator: self.paginator(service, node).map(Box::new),
        })
    }

    /// A pattern without `x-id`: that literal only tells readers of logs the operation's name, and not all clients send it.
    fn uri(&mut self, text: &str) -> Uri {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("x-id=")).collect();
        let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
        Uri::parse(self.names.get(&format!("{path}{query}")))
    }

    /// `None` for `smithy.api#Unit` and where the operation names nothing.
    fn structure_of(&mut self, id: &str, node: &Value, role: &str) -> Result<Option<ShapeIx>> {
        match node.get(role).and_then(|target| target.get("target")?.as_str()) {
            None | Some(ast::UNIT) => Ok(None),
            Some(target) => self.place(id, target).map(Some),
        }
    }

    fn auth(&mut self, node: &Value) -> Box<[Str]> {
        if ast::has(node, "aws.auth#unsignedPayload") {
            return Box::new(["v4-unsigned-body"]);
        }
        if ast::has(node, "smithy.api#optionalAuth") {
            return Box::new(["smithy.api#noAuth"]);
        }
        match ast::trait_of(node, "smithy.api#auth") {
            None => Box::default(),
            Some(Value::Array(schemes)) if schemes.is_empty() => Box::new(["smithy.api#noAuth"]),
            Some(schemes) => self.texts(schemes),
        }
    }

    fn http_checksum(&mut self, checksum: &Value) -> HttpChecksum {
        HttpChecksum {
            request_required: checksum.get("requestChecksumRequired").and_then(Value::as_bool).unwrap_or(false),
            request_algorithm_member: self.text(checksum, "requestAlgorithmMember"),
            request_validation_mode_member: self.text(checksum, "requestValidationModeMember"),
            response_algorithms: checksum.get("responseAlgorithms").map(|list| self.texts(list)).unwrap_or_default(),
        }
    }

    /// The operation's `paginated` trait; what it leaves open is the service's.
    fn paginator(&mut self, service: &Value, node: &Value) -> Option<Paginator> {
        const TRAIT: &str = "smithy.api#paginated";
        let own = ast::trait_of(node, TRAIT)?;
        let shared = ast::trait_of(service, TRAIT).unwrap_or(&Value::Null);
        let mut part = |key: &str| self.text(own, key).or_else(|| self.text(shared, key));
        Some(Paginator {
            input_token: Box::new([part("inputToken")?]),
            output_token: Box::new([part("outputToken")?]),
            limit_key: part("pageSize"),
            more_results: None,
            result_key: part("items").into_iter().collect(),
        })
    }

    fn place(&self, at: &str, id: &str) -> Result<ShapeIx> {
        self.places.get(ast::boxed(id)).copied().ok_or_else(|| ast::missing(at, id))
    }

    fn text(&mut self, from: &Value, key: &str) -> Option<Str> {
        from.get(key).and_then(Value::as_str).map(|text| self.names.get(text))
    }

    fn texts(&mut self, from: &Value) -> Box<[Str]> {
        texts(from).map(|text| self.names.get(text)).collect()
    }
}

#[cfg(test)]
mod tests;
