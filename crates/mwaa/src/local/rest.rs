//! Calls of a real Airflow's REST API, as whoever called standin.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha512;
use standin_model::Timestamp;

use super::http::{self, Question};
use super::settings::{jwt_secret, proxy_secret};
use crate::runtime::{RestCall, RestReply, Target};
use crate::token::Identity;

/// How long Airflow has for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a token for one call is good, in seconds.
const TOKEN_SECONDS: i64 = 60;

/// Asks the web server on a port.
pub(super) async fn call(
    port: Option<u16>,
    target: &Target,
    call: &RestCall,
    caller: &Identity,
    now: Timestamp,
) -> RestReply {
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
    let secret = proxy_secret(target);
    let bearer = format!("Bearer {}", token(target, caller, now));
    let headers: Vec<(&str, &str)> = if old {
        vec![("X-Standin-Secret", &secret), ("X-Standin-User", &caller.user), ("X-Standin-Role", &caller.role)]
    } else {
        vec![("Authorization", &bearer)]
    };
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
        Err(error) => failed(503, format!("the web server of Airflow: {error}")),
    }
}

/// A token as Airflow 3's simple authentication manager takes it.
fn token(target: &Target, caller: &Identity, now: Timestamp) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    // Tokens are checked against the machine's clock, which standin's may be ahead of or behind.
    let claims = json!({
        "sub": caller.user, "role": caller.role.to_uppercase(), "aud": "apache-airflow", "iat": now.seconds,
        "nbf": now.seconds, "exp": now.seconds + TOKEN_SECONDS, "jti": format!("{}", now.as_millis()),
    });
    let signed = format!("{}.{}", part(&json!({"alg": "HS512", "typ": "JWT"})), part(&claims));
    let mut mac: Hmac<Sha512> =
        Hmac::new_from_slice(jwt_secret(target).as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
