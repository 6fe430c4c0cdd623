//! One call to every service, so that all that is loaded lazily is loaded.

use anyhow::{Result, ensure};
use standin_model::{Catalogue, Document, Fields, Location, Operation, Service};

use crate::load;
use crate::process::Server;

/// How many services were called, and how many of the calls succeeded. The others needed an input and were refused.
pub struct Touched {
    pub services: usize,
    pub succeeded: usize,
}

/// Calls an operation of every service, one without required input where there is one.
pub async fn every_service(server: &Server) -> Result<Touched> {
    let mut touched = Touched { services: 0, succeeded: 0 };
    for entry in Catalogue::shared().services() {
        let service = entry.open()?;
        let operations = || service.operations.iter();
        let request = operations()
            .filter(|operation| !wants_input(service, operation))
            .chain(operations())
            .find_map(|operation| request(service, operation, server.port));
        let Some(request) = request else {
            continue;
        };
        let answer = load::last(server.port, &request).await?;
        ensure!(answer.status < 500, "{} answers {}: {}", service.id, answer.status, answer.text());
        touched.services += 1;
        touched.succeeded += usize::from(answer.status < 300);
    }
    Ok(touched)
}

fn wants_input(service: &Service, operation: &Operation) -> bool {
    let input = operation.input.and_then(|ix| service.structure(ix));
    input.is_some_and(|input| input.members.iter().any(|member| member.required))
}

/// The bytes of a call with as little input as its path needs; `None` where that cannot be encoded.
fn request(service: &Service, operation: &Operation, port: u16) -> Option<Vec<u8>> {
    let mut input = Fields::new();
    let members = operation.input.and_then(|ix| service.structure(ix)).map_or(&[][..], |input| &input.members);
    for label in members.iter().filter(|member| member.location == Location::Uri) {
        input.push(label.name, "1");
    }
    let input = Document::Map(input);
    let request = standin_wire::client::encode_request(service.protocol(), service, operation, &input).ok()?;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let mut head = format!("{} {}{query} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {}\r\n", value.to_str().ok()?));
    }
    head.push_str(&format!(
        "user-agent: Boto3/1.44.5 api/{}#{}\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=111122223333/20260301/us-east-1/{}/aws4_request, \
         SignedHeaders=host, Signature={}\r\n",
        service.id,
        service.version,
        service.signing_name,
        "0123456789abcdef".repeat(4),
    ));
    head.push_str(&format!("connection: close\r\ncontent-length: {}\r\n\r\n", request.body.len()));
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&request.body);
    Some(bytes)
}
