//! A service as a Mockoon environment.
//!
//! Mockoon matches a route by method and path and chooses one of its responses by rules, the first that holds. So each
//! path of a REST service is a route, and what else tells operations apart (query literals, required parameters and
//! headers) are rules. The operations of RPC protocols share one route, by rules on `X-Amz-Target` or the form's
//! `Action`. Each modelled error is a response of its own, before the success, that a request chooses by naming it in
//! the header [`ERROR_HEADER`].

mod answers;
mod echo;
mod requests;
mod vary;

use serde_json::{Value, json};
use standin_core::{Dice, OperationError, codes};
use standin_model::{Protocol, Service};
use standin_wire::server::encode_error;

use answers::{Answer, Answers};
use requests::{Claim, Rule};

/// A request with this header gets the error that it names.
pub const ERROR_HEADER: &str = "x-mock-error";

/// The migration that this form of file has: that of mockoon-cli 9.9.
const LAST_MIGRATION: u32 = 33;

/// Where Mockoon serves a file by default.
const PORT: u16 = 3000;

/// An environment, and what of the service is not in it.
#[derive(Clone, Debug)]
pub struct Export {
    pub environment: Value,
    /// Operations that no rule of Mockoon can tell from another of the same method and path.
    pub unreachable: Vec<String>,
}

/// Writes a service as an environment: every operation in every protocol that the service speaks, with its success and
/// each error that the model lists.
pub fn environment(service: &'static Service) -> Export {
    let ids = Ids { service };
    let (claims, unreachable) = requests::claims(service);
    let answers = Answers::new();
    let mut routes = Vec::new();
    let mut children = Vec::new();
    let mut rest = &claims[..];
    while let Some(first) = rest.first() {
        let (group, others) = rest.split_at(rest.iter().take_while(|claim| claim.is_at(first)).count());
        rest = others;
        let uuid = ids.uuid(&["route", first.method, &first.endpoint]);
        children.push(json!({"type": "route", "uuid": uuid}));
        routes.push(route(&ids, &uuid, group, &answers));
    }
    let environment = json!({
        "uuid": ids.uuid(&["environment"]),
        "lastMigration": LAST_MIGRATION,
        "name": format!("{} {}", service.sdk_id, service.version),
        "endpointPrefix": "",
        "latency": 0,
        "port": PORT,
        "hostname": "",
        "folders": [],
        "routes": routes,
        "rootChildren": children,
        "proxyMode": false,
        "proxyHost": "",
        "proxyRemovePrefix": false,
        "tlsOptions": {
            "enabled": false, "type": "CERT", "pfxPath": "", "certPath": "", "keyPath": "", "caPath": "", "passphrase": "",
        },
        "cors": true,
        "headers": [],
        "proxyReqHeaders": [],
        "proxyResHeaders": [],
        "data": [],
        "callbacks": [],
    });
    Export { environment, unreachable }
}

/// Uuids that depend on nothing but what they are for.
struct Ids {
    service: &'static Service,
}

impl Ids {
    fn uuid(&self, purpose: &[&str]) -> String {
        let mut key = Dice::new(0).key("export");
        key.text(self.service.id).text(self.service.version);
        for part in purpose {
            key.text(part);
        }
        let mut draw = key.draw();
        let high = draw.next_u64();
        let low = draw.next_u64();
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0x0fff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }
}

fn route(ids: &Ids, uuid: &str, claims: &[Claim], answers: &Answers) -> Value {
    let mut responses = Vec::new();
    for claim in claims {
        let service = ids.service;
        let id = |label: &str| ids.uuid(&[claim.operation.name, claim.protocol.name(), label]);
        for error in &claim.operation.errors {
            let name = service.shape(*error).name;
            let Some(answer) = answers.error(service, claim, *error) else { continue };
            let mut rules = claim.rules.clone();
            rules.push(Rule::header(ERROR_HEADER, name));
            let label = format!("{}: {name}", claim.operation.name);
            responses.push(response(&id(name), &label, &answer, &rules, false));
        }
        let is_default = claim.rules.is_empty();
        let answer = answers.success(service, claim);
        responses.push(response(&id(""), claim.operation.name, &answer, &claim.rules, is_default));
    }
    if claims.iter().all(|claim| !claim.rules.is_empty()) {
        let protocol = claims.first().map_or(ids.service.protocol(), |claim| claim.protocol);
        responses.push(unknown(ids, uuid, protocol));
    }
    let operations: Vec<&str> = claims.iter().map(|claim| claim.operation.name).collect();
    let documentation = match &operations[..] {
        [one] => (*one).to_owned(),
        many => format!("{} operations, told apart by rules", many.len()),
    };
    json!({
        "uuid": uuid,
        "type": "http",
        "documentation": documentation,
        "method": claims.first().map_or("post", |claim| claim.method),
        "endpoint": claims.first().map_or("", |claim| claim.endpoint.as_str()),
        "responses": responses,
        "responseMode": null,
        "streamingMode": null,
        "streamingInterval": 0,
    })
}

/// What a request gets that no operation claims.
fn unknown(ids: &Ids, route: &str, protocol: Protocol) -> Value {
    let error = OperationError::new(codes::UNKNOWN_OPERATION, "no operation of this service is called so");
    let sent = encode_error(protocol, Some(ids.service), None, answers::REQUEST_ID, &error);
    let answer = Answer::of(sent, &vary::Marks::default());
    response(&ids.uuid(&["unknown", route]), codes::UNKNOWN_OPERATION, &answer, &[], true)
}

fn response(uuid: &str, label: &str, answer: &Answer, rules: &[Rule], is_default: bool) -> Value {
    let headers: Vec<Value> = answer.headers.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    json!({
        "uuid": uuid,
        "body": answer.body,
        "latency": 0,
        "statusCode": answer.status,
        "label": label,
        "headers": headers,
        "bodyType": "INLINE",
        "filePath": "",
        "databucketID": "",
        "sendFileAsBody": false,
        "rules": rules.iter().map(Rule::to_json).collect::<Vec<_>>(),
        "rulesOperator": "AND",
        "disableTemplating": !answer.is_template,
        "fallbackTo404": false,
        "default": is_default,
        "crudKey": "id",
        "callbacks": [],
    })
}
