//! How Airflow's own web server knows who asks: headers that only standin can make.
//!
//! Airflow 2 is told a name and a role beside a secret (`support/webserver_config.py`); Airflow 3's simple authentication manager
//! takes JSON Web Tokens that are signed with its key.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use sha2::Sha512;
use standin_core::Clock;
use standin_model::Timestamp;

use super::settings::{jwt_secret, proxy_secret};
use crate::runtime::{Target, Upstream};
use crate::token::Identity;

/// How long a token for one request is good, in seconds.
const TOKEN_SECONDS: i64 = 60;

/// The web server on a port, for a visitor.
pub(super) fn upstream(port: u16, target: &Target, visitor: Option<&Identity>) -> Upstream {
    let known = visitor.and_then(|visitor| identity(target, visitor)).unwrap_or_default();
    let headers = known
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?)));
    Upstream { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), headers: headers.collect() }
}

/// The headers that tell Airflow who asks; nothing for a role that Airflow does not know. Names are in lower case.
pub(super) fn identity(target: &Target, visitor: &Identity) -> Option<Vec<(&'static str, String)>> {
    if target.major() == 2 {
        return Some(vec![
            ("x-standin-secret", proxy_secret(target)),
            ("x-standin-user", visitor.user.clone()),
            ("x-standin-role", visitor.role.clone()),
        ]);
    }
    // Airflow checks tokens by the machine's clock, which standin's may be ahead of or behind.
    let token = token(&jwt_secret(target), visitor, Clock::real().now());
    (visitor.role != "Public").then(|| vec![("authorization", format!("Bearer {token}"))])
}

/// A token as Airflow 3's simple authentication manager takes it.
fn token(secret: &str, visitor: &Identity, now: Timestamp) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "sub": visitor.user, "role": visitor.role.to_uppercase(), "aud": "apache-airflow", "iat": now.seconds,
        "nbf": now.seconds, "exp": now.seconds + TOKEN_SECONDS, "jti": format!("{}", now.as_millis()),
    });
    let signed = format!("{}.{}", part(&json!({"alg": "HS512", "typ": "JWT"})), part(&claims));
    let mut mac: Hmac<Sha512> = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Environment;

    fn target(version: &str) -> Target {
        Target {
            partition: "aws".into(),
            account: "111122223333".into(),
            region: "eu-west-1".into(),
            id: "1".into(),
            secret: "secret".into(),
            environment: Environment { airflow_version: Some(version.into()), ..Environment::default() },
            contents: crate::runtime::Contents::default(),
            pace_ms: 0,
            now: Timestamp::default(),
            dice: standin_core::Dice::new(1),
        }
    }

    fn check(version: &str, role: &str, expect: &[&str]) {
        let visitor = Identity { user: "user/bob".into(), role: role.into() };
        let upstream = upstream(80, &target(version), Some(&visitor));
        let names: Vec<&str> = upstream.headers.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!((upstream.address.to_string().as_str(), &names[..]), ("127.0.0.1:80", expect), "{version} {role}");
    }

    #[test]
    fn airflow_is_told_who_asks() {
        check("2.10.3", "Viewer", &["x-standin-secret", "x-standin-user", "x-standin-role"]);
        check("2.10.3", "Public", &["x-standin-secret", "x-standin-user", "x-standin-role"]);
        check("3.0.6", "Op", &["authorization"]);
        check("3.0.6", "Public", &[]);
        assert_eq!(upstream(80, &target("2.10.3"), None).headers, []);
    }

    #[test]
    fn tokens_carry_name_and_role() {
        let visitor = Identity { user: "user/bob".into(), role: "Op".into() };
        let token = token("secret", &visitor, Timestamp::from_seconds(100));
        let claims = token.split('.').nth(1).expect("it has three parts");
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64")).expect("JSON");
        assert_eq!((&claims["sub"], &claims["role"], &claims["exp"]), (&json!("user/bob"), &json!("OP"), &json!(160)));
    }
}
