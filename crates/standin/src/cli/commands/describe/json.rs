//! Services and operations as JSON. Shapes stand in one table by name, so that nothing is repeated and nothing recurses.

use serde_json::{Map, Value, json};
use standin_model::{Bound, Catalogue, Kind, Location, Member, Operation, Service, ShapeIx, Structure};

pub(super) fn service(catalogue: &Catalogue, service: &Service) -> Value {
    json!({
        "id": service.id,
        "sdkId": service.sdk_id,
        "title": service.title,
        "version": service.version,
        "versions": catalogue.versions(service.id).map(|entry| entry.version).collect::<Vec<_>>(),
        "protocols": service.protocols.iter().map(|protocol| protocol.name()).collect::<Vec<_>>(),
        "endpointPrefix": service.endpoint_prefix,
        "signingName": service.signing_name,
        "globalEndpoint": service.global_endpoint,
        "targetPrefix": service.target_prefix,
        "retired": service.retired,
        "operations": service.operations.iter().map(|operation| operation.name).collect::<Vec<_>>(),
    })
}

pub(super) fn operation(service: &Service, operation: &Operation, example: &Value) -> Value {
    let mut shapes = Map::new();
    for ix in operation.input.iter().chain(&operation.output).chain(&operation.errors) {
        collect(service, *ix, &mut shapes);
    }
    let name = |ix: Option<ShapeIx>| ix.map(|ix| service.shape(ix).name);
    let errors: Vec<Value> = operation.errors.iter().filter_map(|ix| error(service, *ix)).collect();
    json!({
        "service": service.id,
        "version": service.version,
        "operation": operation.name,
        "http": {
            "method": operation.http.method,
            "uri": operation.http.uri.text,
            "status": operation.http.status,
        },
        "hostPrefix": operation.host_prefix,
        "input": name(operation.input),
        "output": name(operation.output),
        "errors": errors,
        "paginator": operation.paginator.as_ref().map(|paginator| json!({
            "inputToken": paginator.input_token,
            "outputToken": paginator.output_token,
            "limitKey": paginator.limit_key,
            "moreResults": paginator.more_results,
            "resultKey": paginator.result_key,
        })),
        "idempotent": operation.idempotent,
        "readonly": operation.readonly,
        "deprecated": operation.deprecated,
        "example": example,
        "shapes": shapes,
    })
}

fn error(service: &Service, ix: ShapeIx) -> Option<Value> {
    let shape = service.shape(ix);
    let error = service.structure(ix)?.error.as_ref()?;
    Some(json!({
        "shape": shape.name,
        "code": error.code.unwrap_or(shape.name),
        "status": error.http_status(),
        "retryable": error.retryable,
    }))
}

/// Adds a shape and all that it leads to.
fn collect(service: &Service, from: ShapeIx, shapes: &mut Map<String, Value>) {
    let mut open = vec![from];
    while let Some(ix) = open.pop() {
        let shape = service.shape(ix);
        if shapes.contains_key(shape.name) {
            continue;
        }
        let mut out = Map::new();
        out.insert("kind".into(), shape.kind.name().into());
        match &shape.kind {
            Kind::Structure(structure) => {
                open.extend(structure.members.iter().map(|member| member.target));
                out.insert("members".into(), members(service, structure));
            }
            Kind::List(list) => {
                open.push(list.member.target);
                out.insert("item".into(), service.target(&list.member).name.into());
            }
            Kind::Map(map) => {
                open.extend([map.key.target, map.value.target]);
                out.insert("key".into(), service.target(&map.key).name.into());
                out.insert("value".into(), service.target(&map.value).name.into());
            }
            Kind::String { enum_values } if !enum_values.is_empty() => {
                out.insert("values".into(), json!(enum_values));
            }
            Kind::Blob { streaming: true, .. } => {
                out.insert("streaming".into(), true.into());
            }
            _ => {}
        }
        if let Some(constraints) = &shape.constraints {
            let bound = |bound: Bound| match bound {
                Bound::Int(value) => Value::from(value),
                Bound::Float(value) => Value::from(value),
            };
            let entries = [
                ("min", constraints.min.map(bound)),
                ("max", constraints.max.map(bound)),
                ("pattern", constraints.pattern.map(Value::from)),
            ];
            out.extend(entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        }
        if shape.sensitive {
            out.insert("sensitive".into(), true.into());
        }
        shapes.insert(shape.name.to_owned(), Value::Object(out));
    }
}

fn members(service: &Service, structure: &Structure) -> Value {
    let payload = structure.payload_member().map(|member| member.name);
    let one = |member: &Member| {
        let mut out = Map::new();
        out.insert("shape".into(), service.target(member).name.into());
        out.insert("required".into(), member.required.into());
        let location = match member.location {
            _ if payload == Some(member.name) => "payload",
            Location::Body => "body",
            Location::Uri => "path",
            Location::Query | Location::QueryParams => "query",
            Location::Header => "header",
            Location::PrefixHeaders => "headers",
            Location::StatusCode => "status",
        };
        out.insert("location".into(), location.into());
        if member.wire_name() != member.name {
            out.insert("wireName".into(), member.wire_name().into());
        }
        if member.idempotency_token {
            out.insert("idempotencyToken".into(), true.into());
        }
        (member.name.to_owned(), Value::Object(out))
    };
    Value::Object(structure.members.iter().map(one).collect())
}
