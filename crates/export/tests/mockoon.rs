//! Exported environments, answered by standin's own Mockoon server: every operation and every error of the catalogue.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Mutex;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_TYPE;
use standin_core::{Clock, Dice};
use standin_export::mockoon::{ERROR_HEADER, environment};
use standin_mock::synthesis::{Fill, example_input, is_page_token};
use standin_mock::validation::{Violation, check_shape};
use standin_mockoon::{Body, Environment, Options, Reaction, Server};
use standin_model::{Catalogue, Document, Kind, Operation, Protocol, Service, ShapeIx};
use standin_template::Random;
use standin_wire::client;

fn server(service: &'static Service) -> (Server, Vec<String>) {
    let export = environment(service);
    let text = serde_json::to_vec(&export.environment).expect("JSON");
    let loaded = Environment::load(&text, false).expect("loads without repair");
    let server = Server::new(loaded, Options::default(), Clock::real(), Random::seeded(1));
    let notes: Vec<String> = server.notes().iter().map(|note| format!("{:?}", note.message)).collect();
    assert!(notes.is_empty(), "{}: {notes:?}", service.id);
    (server, export.unreachable)
}

struct Heard {
    status: http::StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

fn ask(server: &Server, request: &standin_wire::Request, error: Option<&str>) -> Heard {
    let target =
        if request.query.is_empty() { request.path.clone() } else { format!("{}?{}", request.path, request.query) };
    let mut asked = Request::new(request.body.clone());
    *asked.method_mut() = request.method.clone();
    *asked.uri_mut() = target.parse().expect("a target");
    *asked.headers_mut() = request.headers.clone();
    if let Some(error) = error {
        asked.headers_mut().insert(ERROR_HEADER, error.parse().expect("a name"));
    }
    let Reaction::Answer(answer) = server.react(asked, IpAddr::V4(Ipv4Addr::LOCALHOST)) else {
        panic!("no route of an export forwards or listens");
    };
    let (head, body) = answer.response.into_parts();
    let body = match body {
        Body::Bytes(bytes) => bytes,
        other => panic!("no body of an export is a file: {other:?}"),
    };
    let mut headers = head.headers;
    // Mockoon gives every type a charset, which the model of a few outputs does not allow; no SDK minds.
    let bare = |value: &http::HeaderValue| value.to_str().ok()?.strip_suffix("; charset=utf-8")?.parse().ok();
    if let Some(bare) = headers.get(CONTENT_TYPE).and_then(bare) {
        headers.insert(CONTENT_TYPE, bare);
    }
    Heard { status: head.status, headers, body }
}

/// What is wrong with the answers to one operation.
fn try_operation(
    server: &Server,
    service: &'static Service,
    operation: &'static Operation,
    protocol: Protocol,
) -> Result<(), String> {
    let mut draw = Dice::new(7).key(operation.name).draw();
    let input = example_input(service, operation, Fill::Required, &mut draw);
    let input = with_json_as_text(service, operation.input, input);
    let request = client::encode_request(protocol, service, operation, &input).map_err(|error| error.to_string())?;
    let heard = ask(server, &request, None);
    let told = || format!("{} {:?}", heard.status, String::from_utf8_lossy(&heard.body));
    let output = client::decode_response(protocol, service, operation, heard.status, &heard.headers, &heard.body)
        .map_err(|error| format!("{error}: {}", told()))?
        .map_err(|error| format!("{error:?}: {}", told()))?;
    // What travels in a body cannot come where there is none.
    let has_body = operation.http.method != "HEAD" && heard.status != http::StatusCode::NO_CONTENT;
    if let Some(shape) = operation.output.filter(|_| has_body && !streams(service, operation)) {
        let is_wrong = |violation: &Violation| {
            // XML has no empty lists that are flattened, and the last page of a required token is an empty one.
            let no_list = violation.constraint.is_missing() && protocol != Protocol::RestJson1;
            !no_list && !is_page_token(violation.path.rsplit('.').next().unwrap_or_default())
        };
        let wrong: Vec<_> = check_shape(service, shape, &output).into_iter().filter(is_wrong).collect();
        if !wrong.is_empty() {
            return Err(format!("{wrong:?}: {}", told()));
        }
    }
    for shape in &operation.errors {
        let name = service.shape(*shape).name;
        let expect = service.structure(*shape).and_then(|error| error.error.as_ref()).map(|error| error.http_status());
        let heard = ask(server, &request, Some(name));
        if Some(heard.status.as_u16()) != expect {
            return Err(format!("{name}: {} and not {expect:?}", heard.status));
        }
        let decoded = client::decode_response(protocol, service, operation, heard.status, &heard.headers, &heard.body);
        let error = match decoded.map_err(|error| format!("{name}: {error}"))? {
            Err(error) => error,
            // Statuses below 300 are no error to anybody.
            Ok(_) => continue,
        };
        let names = [name, standin_core::OperationError::wire_code(service, *shape)];
        if operation.http.method != "HEAD" && !names.contains(&&*error.code) && service.id != "sqs" {
            return Err(format!("{name} came as {}: {heard_body:?}", error.code, heard_body = heard.body));
        }
    }
    Ok(())
}

/// Members that hold JSON in a text are given to encoders as texts.
fn with_json_as_text(service: &Service, shape: Option<ShapeIx>, mut input: Document) -> Document {
    let Some(shape) = shape.map(|shape| service.shape(shape)) else { return input };
    match (&shape.kind, &mut input) {
        (Kind::Structure(structure), Document::Map(fields)) => {
            for member in &structure.members {
                let Some(value) = fields.get_mut(member.name) else { continue };
                let taken = std::mem::take(value);
                *value = match member.json_value {
                    true if taken.as_str().is_none() => taken.to_json().to_string().into(),
                    true => taken,
                    false => with_json_as_text(service, Some(member.target), taken),
                };
            }
        }
        (Kind::List(list), Document::List(items)) => {
            for item in items {
                *item = with_json_as_text(service, Some(list.member.target), std::mem::take(item));
            }
        }
        _ => {}
    }
    input
}

fn streams(service: &Service, operation: &Operation) -> bool {
    standin_wire::server::streaming_output(service, operation).is_some()
}

/// What one service's export lacks.
#[derive(Default)]
struct Findings {
    failures: Vec<String>,
    unreachable: Vec<String>,
    operations: usize,
}

fn try_service(service: &'static Service, findings: &Mutex<Findings>) {
    let (server, apart) = server(service);
    let mut own = Findings::default();
    for protocol in &service.protocols {
        for operation in &service.operations {
            if apart.iter().any(|name| name == operation.name) {
                continue;
            }
            own.operations += 1;
            if let Err(reason) = try_operation(&server, service, operation, *protocol) {
                own.failures.push(format!("{} {} {protocol}: {reason}", service.id, operation.name));
            }
        }
    }
    let mut findings = findings.lock().expect("no panic inside");
    findings.failures.extend(own.failures);
    findings.unreachable.extend(apart.iter().map(|name| format!("{} {name}", service.id)));
    findings.operations += own.operations;
}

#[test]
fn every_operation_and_error_of_the_catalogue_is_answered() {
    let findings = Mutex::default();
    let services = Mutex::new(Catalogue::shared().services().collect::<Vec<_>>());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                loop {
                    let Some(entry) = services.lock().expect("no panic inside").pop() else { return };
                    try_service(entry.open().expect("readable"), &findings);
                }
            });
        }
    });
    let Findings { failures, unreachable, operations } = findings.into_inner().expect("no panic inside");
    assert!(failures.is_empty(), "{} of {operations} operations:\n{}", failures.len(), failures.join("\n"));
    assert!(unreachable.len() < 20, "{unreachable:?}");
    assert!(operations > 16_000, "{operations}");
}

/// The answer of an exported service to an operation.
fn answer(service: &str, operation: &str, input: &serde_json::Value) -> Document {
    let service = Catalogue::shared().newest(service).expect("served").open().expect("readable");
    let operation = service.operation(operation).expect("modelled");
    let protocol = service.protocol();
    let input = Document::from_json(input);
    let request = client::encode_request(protocol, service, operation, &input).expect("fits");
    let heard = ask(&server(service).0, &request, None);
    client::decode_response(protocol, service, operation, heard.status, &heard.headers, &heard.body)
        .expect("decodes")
        .expect("a success")
}

#[test]
fn answers_repeat_what_was_asked_for() {
    let input = serde_json::json!({"Name": "Airflow-7"});
    let output = answer("mwaa", "GetEnvironment", &input);
    let environment = output.get("Environment").expect("an environment");
    assert_eq!(environment.get("Name").and_then(Document::as_str), Some("Airflow-7"));
    let arn = environment.get("Arn").and_then(Document::as_str).expect("an ARN");
    assert!(arn.ends_with("environment/Airflow-7"), "{arn}");
    let output = answer("dynamodb", "DescribeTable", &serde_json::json!({"TableName": "Orders"}));
    assert_eq!(output.get("Table").and_then(|table| table.get("TableName")).and_then(Document::as_str), Some("Orders"));
}

#[test]
fn the_same_service_gives_the_same_file() {
    let service = Catalogue::shared().newest("mwaa").expect("served").open().expect("readable");
    assert_eq!(environment(service).environment, environment(service).environment);
}
