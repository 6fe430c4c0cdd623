//! Calls of a real Airflow's REST API, as whoever called standin.

use std::time::Duration;

use serde_json::{Value, json};

use super::front;
use super::http::{self, Question};
use crate::runtime::{RestCall, RestReply, Target};
use crate::token::Identity;
use crate::web::encoded;

/// How long Airflow has for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the web server on a port.
pub(super) async fn call(port: Option<u16>, target: &Target, call: &RestCall, caller: &Identity) -> RestReply {
    let failed = |status: u16, detail: String| RestReply { status, body: json!({"detail": detail, "status": status}) };
    let Some(port) = port else { return failed(503, "Airflow is not running yet".to_owned()) };
    let old = target.major() == 2;
    let query: Vec<String> =
        call.query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let mut path = format!("{}{}", if old { "/api/v1" } else { "/api/v2" }, call.path);
    if !query.is_empty() {
        path.push('?');
        path.push_str(&query.join("&"));
    }
    let Some(known) = front::identity(target, caller) else {
        return failed(403, "the role Public may see nothing".to_owned());
    };
    let headers: Vec<(&str, &str)> = known.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let body = call.body.as_ref().map(Value::to_string);
    let question = Question { port, method: &call.method, target: &path, headers: &headers, body: body.as_deref() };
    match http::ask(question, TIMEOUT).await {
        Ok(answer) => {
            let body = if answer.body.is_empty() {
                Value::Null
            } else {
                serde_json::from_slice(&answer.body)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&answer.body).into_owned()))
            };
            RestReply { status: answer.status, body }
        }
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => failed(504, "Airflow took too long".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            failed(500, "The answer is longer than 6 MB; ask for less at a time".to_owned())
        }
        Err(error) => failed(503, format!("the web server of Airflow: {error}")),
    }
}
