//! GitHub and GitHub Enterprise Server, API version 2022-11-28.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use standin_core::BoxFuture;
use tokio::sync::Mutex;

use super::client::{Client, Header, escaped, escaped_path, secret};
use super::{Api, ForgeError, Kind, Login, Proposal, Pull, State};
use crate::git::Credential;

const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");
/// Tokens of installations are good for an hour.
const TOKEN_SECONDS: u64 = 50 * 60;
/// The longest that GitHub takes for what an app signs itself in with is ten minutes.
const CLAIM_SECONDS: i64 = 9 * 60;

pub(super) struct GitHub {
    client: Client,
    repository: String,
    login: Option<Login>,
    /// Of an app's installation, and since when.
    token: Mutex<Option<(String, tokio::time::Instant)>>,
}

impl GitHub {
    pub fn new(client: Client, repository: String, login: Option<Login>) -> Self {
        Self { client, repository, login, token: Mutex::default() }
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", escaped_path(&self.repository))
    }

    async fn headers(&self) -> Result<Vec<Header>, ForgeError> {
        let mut headers = plain();
        match &self.login {
            Some(Login::Token(token) | Login::Password { password: token, .. }) => {
                headers.push(secret(AUTHORIZATION, &format!("Bearer {token}"))?);
            }
            Some(Login::App { id, key }) => {
                headers.push(secret(AUTHORIZATION, &format!("Bearer {}", self.installed(id, key).await?))?);
            }
            None => {}
        }
        Ok(headers)
    }

    /// A token for what the app may do in the repository.
    async fn installed(&self, id: &str, key: &str) -> Result<String, ForgeError> {
        let mut kept = self.token.lock().await;
        if let Some((token, since)) = &*kept
            && since.elapsed().as_secs() < TOKEN_SECONDS
        {
            return Ok(token.clone());
        }
        let client = &self.client;
        // By GitHub's own clock: it refuses claims that are not of now.
        let answer = client.send(Method::GET, "/", &plain(), None).await?;
        let now = answer.date.as_deref().and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        let now = now.ok_or_else(|| client.strange("it does not say when it is"))?.timestamp().as_second();
        let mut headers = plain();
        headers.push(secret(AUTHORIZATION, &format!("Bearer {}", claim(id, key, now)?))?);
        let path = self.path("/installation");
        let found = client.well(Method::GET, &path, &headers, None, "installation of the app there").await?;
        let number = found["id"].as_u64().ok_or_else(|| client.strange("an installation without an id"))?;
        let path = format!("/app/installations/{number}/access_tokens");
        let made =
            client.well(Method::POST, &path, &headers, Some(&json!({})), "installation of the app there").await?;
        let token = made["token"].as_str().ok_or_else(|| client.strange("no token for the app"))?.to_owned();
        *kept = Some((token.clone(), tokio::time::Instant::now()));
        Ok(token)
    }

    async fn call(&self, method: Method, rest: &str, body: Option<&Value>) -> Result<Value, ForgeError> {
        let headers = self.headers().await?;
        self.client.well(method, &self.path(rest), &headers, body, &format!("such thing in {}", self.repository)).await
    }

    fn pull(&self, value: &Value) -> Result<Pull, ForgeError> {
        let strange = || self.client.strange("a pull request without number, state or URL");
        let merged = !value["merged_at"].is_null() || value["merged"] == json!(true);
        let state = match value["state"].as_str() {
            _ if merged => State::Merged,
            Some("open") => State::Open,
            Some("closed") => State::Closed,
            _ => return Err(strange()),
        };
        let number = value["number"].as_u64().ok_or_else(strange)?;
        Ok(Pull { number, url: value["html_url"].as_str().ok_or_else(strange)?.to_owned(), state })
    }
}

fn plain() -> Vec<Header> {
    vec![
        (ACCEPT, HeaderValue::from_static("application/vnd.github+json")),
        (VERSION, HeaderValue::from_static("2022-11-28")),
    ]
}

/// What an app signs itself in with: a JSON Web Token, signed by its key.
fn claim(id: &str, key: &str, now: i64) -> Result<String, ForgeError> {
    let bad = |why: &str| ForgeError::Refused(format!("the private key of the app {id} is none: {why}"));
    let der = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| bad("it is not PEM"))?;
    let pair = match &der {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(bad("it is not one of RSA")),
    };
    let pair = pair.map_err(|error| bad(&error.to_string()))?;
    let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iat": now - 60, "exp": now + CLAIM_SECONDS, "iss": id });
    let text = format!("{}.{}", encoded(json!({ "alg": "RS256", "typ": "JWT" })), encoded(claims));
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
        .map_err(|_| bad("it does not sign"))?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

impl Api for GitHub {
    fn find<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<Option<Pull>, ForgeError>> {
        Box::pin(async move {
            let owner = self.repository.split('/').next().unwrap_or_default();
            let query = format!(
                "/pulls?state=all&head={}&base={}&sort=created&direction=desc&per_page=1",
                escaped(&format!("{owner}:{branch}")),
                escaped(base)
            );
            let found = self.call(Method::GET, &query, None).await?;
            found.get(0).map(|pull| self.pull(pull)).transpose()
        })
    }

    fn open<'a>(&'a self, proposal: &'a Proposal<'a>) -> BoxFuture<'a, Result<Pull, ForgeError>> {
        Box::pin(async move {
            let Proposal { branch, base, title, body } = proposal;
            let body = json!({ "title": title, "head": branch, "base": base, "body": body });
            self.pull(&self.call(Method::POST, "/pulls", Some(&body)).await?)
        })
    }

    fn look(&self, number: u64) -> BoxFuture<'_, Result<Pull, ForgeError>> {
        Box::pin(async move { self.pull(&self.call(Method::GET, &format!("/pulls/{number}"), None).await?) })
    }

    fn close(&self, number: u64) -> BoxFuture<'_, Result<(), ForgeError>> {
        Box::pin(async move {
            let body = json!({ "state": "closed" });
            self.call(Method::PATCH, &format!("/pulls/{number}"), Some(&body)).await.map(drop)
        })
    }

    fn comment<'a>(&'a self, number: u64, text: &'a str) -> BoxFuture<'a, Result<(), ForgeError>> {
        Box::pin(async move {
            let body = json!({ "body": text });
            self.call(Method::POST, &format!("/issues/{number}/comments"), Some(&body)).await.map(drop)
        })
    }

    fn git_credential(&self) -> BoxFuture<'_, Result<Option<Credential>, ForgeError>> {
        Box::pin(async move {
            match &self.login {
                Some(Login::App { id, key }) => {
                    let password = self.installed(id, key).await?;
                    Ok(Some(Credential::Password { user: Kind::GitHub.token_user().to_owned(), password }))
                }
                login => Ok(login.as_ref().and_then(|login| login.of_git(Kind::GitHub))),
            }
        })
    }
}
