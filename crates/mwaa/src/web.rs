//! What the web server of an environment answers: signing in with a token, the command line, the REST API and pages.
//!
//! | path | who may |
//! |---|---|
//! | `/aws_mwaa/aws-console-sso`, `/pluginsv2/…` | everybody: the page hands the token behind `#` on |
//! | `POST /aws_mwaa/login`, `POST /pluginsv2/aws_mwaa/login` | who has a web token; gives the session's cookie |
//! | `POST /aws_mwaa/cli` | who has a CLI token |
//! | `/health`, `/api/v2/monitor/health`, `/api/v2/version` | everybody |
//! | everything else | who has a session |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use standin_core::{Dice, OperationError, Place};
use standin_model::Timestamp;

use crate::commands;
use crate::engine::{Engine, Kept};
use crate::runtime::{RestCall, Target};
use crate::token::{self, Identity, Purpose, SESSION_SECONDS};

/// A request to the web server of an environment.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'v> {
    pub parts: &'v Parts,
    pub body: &'v Bytes,
    /// The id that the host begins with.
    pub id: &'v str,
    /// Whether it came through TLS: then cookies are for TLS only.
    pub secure: bool,
    pub now: Timestamp,
    pub dice: Dice,
}

/// Answers a request to the web server of an environment.
pub async fn serve(engine: &Engine, visit: Visit<'_>) -> Response<Bytes> {
    match answer(engine, visit).await {
        Ok(response) => response,
        Err(error) => {
            tracing::error!(%error, source = ?error.source, "the web server of an environment failed");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "standin failed to answer; its log has the reason")
        }
    }
}

async fn answer(engine: &Engine, visit: Visit<'_>) -> Result<Response<Bytes>, OperationError> {
    let found = engine.by_id(visit.id).await?.filter(|(_, kept)| kept.has_web_server());
    let Some((space, kept)) = found else {
        return Ok(problem(StatusCode::NOT_FOUND, "there is no environment with a web server of this name"));
    };
    let arn = kept.environment.arn.as_deref().unwrap_or_default();
    let place = Place {
        partition: standin_core::Arn::parse(arn).map_or("aws", |arn| arn.partition).to_owned(),
        account: space.account.to_string(),
        region: space.region.to_string(),
        access_key: None,
        now: visit.now,
    };
    let target = engine.target(&place, visit.dice, &kept);
    let site = Site { engine, visit, kept: &kept, target: &target };
    let path = visit.parts.uri.path();
    let new = target.major() > 2;
    match (&visit.parts.method, path) {
        (&Method::GET, "/aws_mwaa/aws-console-sso") => Ok(site.sign_in()),
        (&Method::GET, "/pluginsv2/aws_mwaa/aws-console-sso") if new => Ok(site.sign_in()),
        (_, "/aws_mwaa/login") | (_, "/pluginsv2/aws_mwaa/login") if path.starts_with("/pluginsv2") && !new => {
            Ok(problem(StatusCode::NOT_FOUND, "Airflow 2 signs in at /aws_mwaa/login"))
        }
        (&Method::POST, "/aws_mwaa/login" | "/pluginsv2/aws_mwaa/login") => Ok(site.login()),
        (&Method::POST, "/aws_mwaa/cli") => site.command().await,
        (_, "/aws_mwaa/login" | "/pluginsv2/aws_mwaa/login" | "/aws_mwaa/cli") => {
            Ok(problem(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST"))
        }
        (&Method::GET, "/health" | "/api/v1/health" | "/api/v2/monitor/health" | "/api/v2/version") => {
            let path = if path.ends_with("version") {
                "/version"
            } else if new {
                "/monitor/health"
            } else {
                "/health"
            };
            site.rest(path, &Identity { user: "anonymous".to_owned(), role: "Viewer".to_owned() }).await
        }
        _ => site.inside().await,
    }
}

struct Site<'s> {
    engine: &'s Engine,
    visit: Visit<'s>,
    kept: &'s Kept,
    target: &'s Target,
}

impl Site<'_> {
    /// The name of the cookie that Airflow's sessions have.
    fn cookie(&self) -> &'static str {
        if self.target.major() > 2 { "_token" } else { "session" }
    }

    fn path(&self) -> &str {
        self.visit.parts.uri.path()
    }

    /// The page that a link of the console leads to: hands the token on and goes to the first page.
    fn sign_in(&self) -> Response<Bytes> {
        let (login, home) = match self.target.major() {
            2 => ("/aws_mwaa/login", "/home"),
            _ => ("/pluginsv2/aws_mwaa/login", "/"),
        };
        html(
            StatusCode::OK,
            format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Signing in</title>\n\
                 <p id=\"told\">Signing in …</p>\n<script>\n\
                 const told = document.getElementById(\"told\"), token = location.hash.slice(1);\n\
                 history.replaceState(null, \"\", location.pathname);\n\
                 fetch(\"{login}\", {{method: \"POST\", body: new URLSearchParams({{token}})}}).then(async answer => {{\n\
                 \x20 if (answer.ok) location.replace(\"{home}\"); else told.textContent = await answer.text();\n\
                 }}, error => {{ told.textContent = error; }});\n</script></html>\n"
            ),
        )
    }

    /// Exchanges a web token for a session.
    fn login(&self) -> Response<Bytes> {
        let form = String::from_utf8_lossy(self.visit.body);
        let sent = form.split('&').find_map(|pair| pair.strip_prefix("token="));
        let now = self.visit.now;
        // Tokens have no characters that a form would escape.
        let identity = match token::check(&self.kept.secret, Purpose::Login, sent.unwrap_or_default(), now) {
            Ok(identity) => identity,
            Err(reason) => return problem(StatusCode::FORBIDDEN, reason),
        };
        let session = token::mint(&self.kept.secret, Purpose::Session, &identity, now, sent.unwrap_or_default());
        let secure = if self.visit.secure { "; Secure" } else { "" };
        let cookie =
            format!("{}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_SECONDS}{secure}", self.cookie());
        let mut response = json_response(StatusCode::OK, &json!({}));
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    fn bearer(&self) -> Option<&str> {
        let value = self.visit.parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Runs a command of Airflow.
    async fn command(&self) -> Result<Response<Bytes>, OperationError> {
        let token = self.bearer().unwrap_or_default();
        if let Err(reason) = token::check(&self.kept.secret, Purpose::Cli, token, self.visit.now) {
            return Ok(problem(StatusCode::FORBIDDEN, reason));
        }
        let Ok(line) = std::str::from_utf8(self.visit.body) else {
            return Ok(problem(StatusCode::BAD_REQUEST, "the command is not UTF-8"));
        };
        let arguments = match commands::arguments(line) {
            Ok(arguments) => arguments,
            Err(refused) => return Ok(problem(StatusCode::BAD_REQUEST, &refused.to_string())),
        };
        let output = self.engine.runtime().cli(self.target, &arguments).await?;
        let encoded = |text: &str| STANDARD.encode(text);
        Ok(json_response(
            StatusCode::OK,
            &json!({"stderr": encoded(&output.stderr), "stdout": encoded(&output.stdout)}),
        ))
    }

    /// Who has signed in.
    fn visitor(&self) -> Option<Identity> {
        let cookies = self.visit.parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let sessions = cookies.filter(|(name, _)| *name == self.cookie()).map(|(_, value)| value);
        let check = |token| token::check(&self.kept.secret, Purpose::Session, token, self.visit.now).ok();
        sessions.chain(self.bearer()).find_map(check)
    }

    /// What is behind the session.
    async fn inside(&self) -> Result<Response<Bytes>, OperationError> {
        let api = if self.target.major() > 2 { "/api/v2" } else { "/api/v1" };
        let of_api = self.path().strip_prefix(api).filter(|rest| rest.starts_with('/')).map(str::to_owned);
        let Some(visitor) = self.visitor() else {
            if of_api.is_some() || self.visit.parts.method != Method::GET {
                return Ok(problem(StatusCode::UNAUTHORIZED, "sign in first: see CreateWebLoginToken"));
            }
            let text = "<!doctype html><html lang=\"en\"><title>Sign in</title><p>Sign in with a token of \
                        CreateWebLoginToken: <code>/aws_mwaa/aws-console-sso?login=true#TOKEN</code></p></html>\n";
            return Ok(html(StatusCode::UNAUTHORIZED, text.to_owned()));
        };
        if let Some(path) = of_api {
            return self.rest(&path, &visitor).await;
        }
        if self.path() == "/logout" {
            let mut response = html(StatusCode::FOUND, String::new());
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/"));
            let cookie = format!("{}=; Path=/; Max-Age=0", self.cookie());
            if let Ok(cookie) = HeaderValue::from_str(&cookie) {
                response.headers_mut().insert(SET_COOKIE, cookie);
            }
            return Ok(response);
        }
        Ok(match self.engine.runtime().page(self.target, self.path(), &visitor).await? {
            Some(page) => html(StatusCode::OK, page),
            None => problem(StatusCode::NOT_FOUND, "there is no such page"),
        })
    }

    async fn rest(&self, path: &str, caller: &Identity) -> Result<Response<Bytes>, OperationError> {
        let Visit { parts, body, .. } = self.visit;
        let body = if body.is_empty() {
            None
        } else {
            match serde_json::from_slice::<Value>(body) {
                Ok(body) => Some(body),
                Err(_) => return Ok(problem(StatusCode::BAD_REQUEST, "Request body is not valid JSON")),
            }
        };
        let call = RestCall {
            method: parts.method.as_str().to_owned(),
            path: path.to_owned(),
            query: parts.uri.query().map(query).unwrap_or_default(),
            body,
        };
        let reply = self.engine.runtime().rest(self.target, &call, caller).await?;
        let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Ok(match &reply.body {
            Value::Null => response(status, "application/json", Bytes::new()),
            // Logs of Airflow 2.
            Value::String(text) => response(status, "text/plain; charset=utf-8", text.clone().into()),
            body => json_response(status, body),
        })
    }
}

/// The pairs of a query, without escapes.
fn query(text: &str) -> Vec<(String, String)> {
    let plain = |text: &str| {
        let text = text.replace('+', " ");
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            let hex = (*byte == b'%').then(|| after.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
            let escaped = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            bytes.push(escaped.unwrap_or(*byte));
            rest = if escaped.is_some() { &after[2..] } else { after };
        }
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (plain(name), plain(value)))
        .collect()
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn html(status: StatusCode, page: String) -> Response<Bytes> {
    response(status, "text/html; charset=utf-8", page.into())
}

fn json_response(status: StatusCode, body: &Value) -> Response<Bytes> {
    response(status, "application/json", body.to_string().into())
}

fn problem(status: StatusCode, message: &str) -> Response<Bytes> {
    json_response(status, &json!({"message": message}))
}

/// A text within HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_read() {
        let pairs = query("limit=5&tags=a%20b&tags=c+d&x&bad=%zz%");
        let expect = [("limit", "5"), ("tags", "a b"), ("tags", "c d"), ("x", ""), ("bad", "%zz%")];
        assert_eq!(pairs, expect.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
