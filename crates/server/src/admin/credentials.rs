//! `/_standin/proton/credentials`: what git and forges are given. Secrets go in, and never come out.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use standin_provision::secrets::{About, Secret, SecretError};

use super::{Asked, Reply, empty, fail, json_reply, refuse_method};

/// A credential that is to be kept.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    user: Option<String>,
    /// The id of a GitHub app, whose private key the secret is.
    #[serde(default)]
    app: Option<String>,
    secret: String,
}

pub(super) async fn serve(asked: Asked<'_>, rest: &[&str]) -> Reply {
    let secrets = &asked.app.secrets;
    match (asked.method.as_str(), rest) {
        ("GET", []) => match secrets.list().await {
            Ok(all) => json_reply(StatusCode::OK, &json!({"credentials": all.iter().map(told).collect::<Vec<_>>()})),
            Err(error) => failed(&error),
        },
        ("PUT", [name]) => set(asked, name).await,
        ("DELETE", [name]) => match secrets.delete(name).await {
            Ok(true) => empty(),
            Ok(false) => failed(&SecretError::Missing { name: (*name).to_owned() }),
            Err(error) => failed(&error),
        },
        ("POST", ["rekey"]) => match secrets.rekey().await {
            Ok(done) => json_reply(StatusCode::OK, &json!({"key": done.key, "sealed": done.sealed, "left": done.left})),
            Err(error) => failed(&error),
        },
        (_, rest) => {
            let mut all = vec!["proton", "credentials"];
            all.extend(rest);
            refuse_method(&all)
        }
    }
}

async fn set(asked: Asked<'_>, name: &str) -> Reply {
    let (app, name) = (asked.app, name.to_owned());
    let wanted = match asked.parsed::<Wanted>().await {
        Ok(wanted) => wanted,
        // What serde has to say may have the secret in it.
        Err(_) => {
            return fail(
                StatusCode::BAD_REQUEST,
                "the body is a JSON object with `secret`, and with `user` or `app` where there is one: all texts",
            );
        }
    };
    let is_app = wanted.app.is_some();
    let made = Secret::new(wanted.app.or(wanted.user), is_app, &wanted.secret);
    let kept = match made {
        Ok(secret) => app.secrets.set(&name, &secret, app.clock.now()).await.map(|replaced| (secret, replaced)),
        Err(error) => Err(error),
    };
    match kept {
        Ok((secret, replaced)) => json_reply(
            if replaced { StatusCode::OK } else { StatusCode::CREATED },
            &json!({"name": name, "kind": secret.kind.name(), "user": secret.user, "replaced": replaced}),
        ),
        Err(error) => failed(&error),
    }
}

fn told(about: &About) -> Value {
    json!({
        "name": about.name,
        "kind": about.kind.name(),
        "user": about.user,
        "setAt": about.set_at.to_date_time(),
        "key": about.key,
        "readable": about.readable,
    })
}

fn failed(error: &SecretError) -> Reply {
    let status = match error {
        SecretError::Missing { .. } => StatusCode::NOT_FOUND,
        SecretError::Name { .. } | SecretError::Form(_) => StatusCode::BAD_REQUEST,
        SecretError::NoKey | SecretError::TooMany | SecretError::OtherKey { .. } => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    fail(status, error.to_string())
}
