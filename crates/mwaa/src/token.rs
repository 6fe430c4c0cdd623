//! Tokens that let somebody in: signed by the environment that they are for, good for one purpose, and for a while.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use standin_model::Timestamp;

/// How long the tokens of CreateCliToken and CreateWebLoginToken are good, in seconds.
pub const TOKEN_SECONDS: i64 = 60;
/// How long somebody who logged in stays so, in seconds.
pub const SESSION_SECONDS: i64 = 12 * 60 * 60;

/// Why a token that was good once is not any more.
pub const EXPIRED: &str = "the token has expired";

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `POST /aws_mwaa/cli`.
    Cli,
    /// To be exchanged for a session.
    Login,
    /// The pages and the REST API of Airflow.
    Session,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Login => "login",
            Self::Session => "session",
        }
    }
}

/// Who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As Airflow shows it: at most 64 characters.
    pub user: String,
    /// `Admin`, `Op`, `User`, `Viewer` or `Public`.
    pub role: String,
}

/// Makes a token: a JSON Web Token signed with HMAC-SHA256. `nonce` makes it one of its own.
pub fn mint(secret: &str, purpose: Purpose, identity: &Identity, now: Timestamp, nonce: &str) -> String {
    let seconds = if purpose == Purpose::Session { SESSION_SECONDS } else { TOKEN_SECONDS };
    let claims = json!({
        "sub": identity.user,
        "role": identity.role,
        "aud": purpose.name(),
        "iat": now.seconds,
        "exp": now.seconds + seconds,
        "jti": nonce,
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "typ": "JWT"})), part(&claims));
    let signature = URL_SAFE_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// Whom a token lets in, if it is one of this secret, for this purpose, and not too old. The texts say why not.
///
/// # Errors
/// In words for whoever sent it.
pub fn check(secret: &str, purpose: Purpose, token: &str, now: Timestamp) -> Result<Identity, &'static str> {
    const NONE: &str = "the token is none of this environment";
    let (signed, signature) = token.rsplit_once('.').ok_or(NONE)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NONE)?;
    mac(secret, signed).verify_slice(&signature).map_err(|_| NONE)?;
    let claims = signed.split_once('.').and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok()).ok_or(NONE)?;
    let claims: Value = serde_json::from_slice(&claims).map_err(|_| NONE)?;
    if claims["aud"] != purpose.name() {
        return Err("the token is for something else");
    }
    if claims["exp"].as_i64().is_none_or(|until| until <= now.seconds) {
        return Err(EXPIRED);
    }
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    Ok(Identity { user: text("sub"), role: text("role") })
}

fn mac(secret: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_let_in_for_their_purpose_and_time_only() {
        let alice = Identity { user: "user/alice".into(), role: "Admin".into() };
        let at = Timestamp::from_seconds(1000);
        let token = mint("key", Purpose::Cli, &alice, at, "1");
        let verdict = |secret, purpose, token: &str, seconds| {
            check(secret, purpose, token, Timestamp::from_seconds(seconds)).map(|identity| identity.user)
        };
        assert_eq!(verdict("key", Purpose::Cli, &token, 1059), Ok("user/alice".to_owned()));
        assert!(verdict("key", Purpose::Cli, &token, 1060).is_err());
        assert!(verdict("key", Purpose::Login, &token, 1000).is_err());
        assert!(verdict("other", Purpose::Cli, &token, 1000).is_err());
        let session = mint("key", Purpose::Session, &alice, at, "1");
        assert!(verdict("key", Purpose::Session, &session, 1000 + SESSION_SECONDS - 1).is_ok());
        for broken in ["", ".", "..", "a.b.c", &token[1..], &token[..token.len() - 1]] {
            assert!(verdict("key", Purpose::Cli, broken, 1000).is_err(), "{broken:?}");
        }
        assert_ne!(token, mint("key", Purpose::Cli, &alice, at, "2"));
    }
}
