//! Takes secrets out of what is written down.

use std::borrow::Cow;

use serde_json::{Map, Value};
use standin_core::OperationError;
use standin_model::{Document, Kind, Operation, Service, ShapeIx};

/// What stands in the place of a secret.
pub const REDACTED: &str = "REDACTED";

/// Members that hold secrets although not every model says so; in small letters.
const SECRETS: &[&str] = &[
    "accesstoken",
    "authorizationtoken",
    "authtoken",
    "clientsecret",
    "clitoken",
    "idtoken",
    "keymaterial",
    "masteruserpassword",
    "password",
    "privatekey",
    "refreshtoken",
    "secretaccesskey",
    "secretbinary",
    "secretkey",
    "secretstring",
    "securitytoken",
    "sessiontoken",
    "webtoken",
];

/// Parameters of URLs that grant access.
const SECRET_PARAMETERS: &[&str] =
    &["x-amz-signature", "x-amz-security-token", "x-amz-credential", "signature", "awsaccesskeyid"];

/// An input as it is kept.
pub fn redact_input(service: &Service, operation: &Operation, input: &Document) -> Value {
    whole(service, operation.input, input)
}

/// An output as it is kept.
pub fn redact_output(service: &Service, operation: &Operation, output: &Document) -> Value {
    whole(service, operation.output, output)
}

/// The members of an error as they are kept; null without any.
pub fn redact_error(service: &Service, operation: &Operation, error: &OperationError) -> Value {
    if error.members.is_empty() {
        return Value::Null;
    }
    let members = Document::Map(error.members.clone());
    whole(service, error.shape(service, Some(operation)), &members)
}

fn whole(service: &Service, shape: Option<ShapeIx>, value: &Document) -> Value {
    walk(service, shape, value, false).unwrap_or_else(|| Value::Object(Map::new()))
}

/// `secret`: something around it is.
fn walk(service: &Service, shape: Option<ShapeIx>, value: &Document, secret: bool) -> Option<Value> {
    let found = shape.map(|shape| service.shape(shape));
    let secret = secret || found.is_some_and(|shape| shape.sensitive);
    let kind = found.map(|shape| &shape.kind);
    Some(match value {
        Document::Map(fields) => {
            let mut map = Map::with_capacity(fields.len());
            for (name, member) in fields.iter() {
                let target = match kind {
                    Some(Kind::Structure(structure)) => structure.member(name).map(|member| member.target),
                    Some(Kind::Map(map)) => Some(map.value.target),
                    _ => None,
                };
                let secret = secret || SECRETS.contains(&name.to_lowercase().as_str());
                if let Some(value) = walk(service, target, member, secret) {
                    map.insert(name.to_string(), value);
                }
            }
            Value::Object(map)
        }
        Document::List(items) => {
            let target = match kind {
                Some(Kind::List(list)) => Some(list.member.target),
                // A stream of events.
                Some(Kind::Structure(_)) => shape,
                _ => None,
            };
            Value::Array(items.iter().filter_map(|item| walk(service, target, item, secret)).collect())
        }
        Document::String(_) if secret => REDACTED.into(),
        Document::Blob(_) if secret => Document::Blob(REDACTED.as_bytes().into()).to_json(),
        // A number in the place of one would be taken for true.
        _ if secret => return None,
        Document::String(text) => Value::from(&*scrubbed(text)),
        other => other.to_json(),
    })
}

/// A text whose URLs grant no access.
pub(super) fn scrubbed(text: &str) -> Cow<'_, str> {
    let lower = text.to_ascii_lowercase();
    if !SECRET_PARAMETERS.iter().any(|name| lower.contains(&format!("{name}="))) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, parameter) = rest.split_at(at + 1);
        out.push_str(before);
        let end = parameter.find(['&', ' ', '"', '<', '\n', '#', '?']).unwrap_or(parameter.len());
        let name = parameter[..end].split('=').next().unwrap_or_default();
        if SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            out.push_str(name);
            out.push('=');
            out.push_str(REDACTED);
        } else {
            out.push_str(&parameter[..end]);
        }
        rest = &parameter[end..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}
