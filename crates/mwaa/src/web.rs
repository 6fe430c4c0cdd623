//! What the web server of an environment answers: signing in with a token, the command line, and behind a session what Airflow
//! shows.
//!
//! | path | who may |
//! |---|---|
//! | `/aws_mwaa/aws-console-sso`, `/pluginsv2/…` | everybody: the page hands the token behind `#` on |
//! | `POST /aws_mwaa/login`, `POST /pluginsv2/aws_mwaa/login` | who has a web token; gives the session's cookie |
//! | `POST /aws_mwaa/cli` | who has a CLI token |
//! | `/aws_mwaa/sign-in` | everybody: tells how to sign in; POST signs in whoever is on this machine |
//! | `/health`, `/api/v2/monitor/health`, `/api/v2/version` | everybody |
//! | everything else | who has a session |
//!
//! # Invariants
//! - A session is a token of standin's own, whatever Airflow's version: it is checked for every request, by standin's clock.
//! - What Airflow's own web server answers is not held here: the reply says where to forward to.

mod forward;
mod pages;

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, COOKIE, HeaderValue, LOCATION, RETRY_AFTER, SET_COOKIE,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};
use standin_core::{BodySource, Dice, OperationError, Place};
use standin_model::Timestamp;

use crate::commands;
use crate::engine::{Engine, Kept};
use crate::runtime::{Front, RestCall, Target, Upstream};
use crate::token::{self, Identity, Purpose, SESSION_SECONDS};
pub use forward::Forward;
use pages::SignIn;

/// Where standin tells how to sign in.
const SIGN_IN: &str = "/aws_mwaa/sign-in";
/// Airflow's own pages for signing in, and out.
const LOGIN_PATHS: &[&str] = &["/login", "/auth/login", "/api/v2/auth/login"];
const LOGOUT_PATHS: &[&str] = &["/logout", "/auth/logout", "/api/v2/auth/logout"];
/// The longest form, command line and call of a simulated REST API, in bytes.
const FORM_BYTES_MAX: usize = 64 * 1024;
const CALL_BYTES_MAX: usize = 6 * 1024 * 1024;

/// A request to the web server of an environment.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'v> {
    pub parts: &'v Parts,
    /// The id that the host begins with.
    pub id: &'v str,
    /// The host with its port, as the visitor knows it.
    pub host: &'v str,
    /// Whether it came through TLS: then cookies are for TLS only.
    pub secure: bool,
    /// Where it came from.
    pub remote: IpAddr,
    pub now: Timestamp,
    pub dice: Dice,
}

/// How a request is answered.
#[derive(Debug)]
pub enum Reply {
    Answer(Response<Bytes>),
    /// By Airflow's own web server; nothing of the body has been read.
    Forward(Forward),
}

impl From<Response<Bytes>> for Reply {
    fn from(response: Response<Bytes>) -> Self {
        Self::Answer(response)
    }
}

/// Answers a request to the web server of an environment.
pub async fn serve(engine: &Engine, visit: Visit<'_>, body: &mut dyn BodySource) -> Reply {
    match answer(engine, visit, body).await {
        Ok(reply) => reply,
        Err(error) => {
            tracing::error!(%error, source = ?error.source, "the web server of an environment failed");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "standin failed to answer; its log has the reason").into()
        }
    }
}

async fn answer(engine: &Engine, visit: Visit<'_>, body: &mut dyn BodySource) -> Result<Reply, OperationError> {
    let found = engine.by_id(visit.id).await?.filter(|(_, kept)| kept.has_web_server());
    let Some((space, kept)) = found else {
        return Ok(problem(StatusCode::NOT_FOUND, "there is no environment with a web server of this name").into());
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
    let shown = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    Ok(match (&visit.parts.method, shown) {
        (&Method::GET, "/aws_mwaa/aws-console-sso") => site.console().into(),
        (&Method::GET, "/pluginsv2/aws_mwaa/aws-console-sso") if new => site.console().into(),
        (_, "/pluginsv2/aws_mwaa/login") if !new => {
            problem(StatusCode::NOT_FOUND, "Airflow 2 signs in at /aws_mwaa/login").into()
        }
        (&Method::POST, "/aws_mwaa/login" | "/pluginsv2/aws_mwaa/login") => match read(body, FORM_BYTES_MAX).await {
            Ok(body) => site.login(&body).into(),
            Err(refused) => refused.into(),
        },
        (&Method::POST, "/aws_mwaa/cli") => match read(body, FORM_BYTES_MAX).await {
            Ok(body) => site.command(&body).await?.into(),
            Err(refused) => refused.into(),
        },
        (_, "/aws_mwaa/login" | "/pluginsv2/aws_mwaa/login" | "/aws_mwaa/cli") => {
            problem(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST").into()
        }
        (&Method::POST, SIGN_IN) => match read(body, FORM_BYTES_MAX).await {
            Ok(body) => site.enter(&body).into(),
            Err(refused) => refused.into(),
        },
        (_, SIGN_IN) => site.sign_in(StatusCode::OK, &site.parameter("told").unwrap_or_default()).into(),
        (_, path) if LOGIN_PATHS.contains(&path) => site.to_sign_in().into(),
        (_, path) if LOGOUT_PATHS.contains(&path) => site.leave().into(),
        (&Method::GET, "/health" | "/api/v1/health" | "/api/v2/monitor/health" | "/api/v2/version") => {
            let path = if path.ends_with("version") {
                "/version"
            } else if new {
                "/monitor/health"
            } else {
                "/health"
            };
            match engine.runtime().front(&target, None) {
                Front::Runtime => {
                    let nobody = Identity { user: "anonymous".to_owned(), role: "Viewer".to_owned() };
                    site.rest(path, &nobody, body).await?.into()
                }
                Front::Airflow(upstream) => site.forward(upstream),
                Front::Absent(why) => site.absent(&why).into(),
            }
        }
        _ => site.inside(body).await?,
    })
}

/// Reads a body, of which there is no more than `bytes_max`; else the refusal.
async fn read(body: &mut dyn BodySource, bytes_max: usize) -> Result<Bytes, Response<Bytes>> {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| problem(StatusCode::BAD_REQUEST, &format!("the body broke off: {error}")))?;
        if piece.len() > bytes_max - whole.len() {
            let text = format!("the body is longer than {bytes_max} bytes");
            return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, &text));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.into())
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

    /// The pages that Airflow begins with.
    fn home(&self) -> &'static str {
        if self.target.major() == 2 { "/home" } else { "/" }
    }

    fn console(&self) -> Response<Bytes> {
        let login = if self.target.major() == 2 { "/aws_mwaa/login" } else { "/pluginsv2/aws_mwaa/login" };
        pages::console(login, self.home())
    }

    /// Exchanges a web token for a session.
    fn login(&self, form: &[u8]) -> Response<Bytes> {
        let sent = field(form, "token").unwrap_or_default();
        let identity = match token::check(&self.kept.secret, Purpose::Login, &sent, self.visit.now) {
            Ok(identity) => identity,
            Err(reason) => return problem(StatusCode::FORBIDDEN, reason),
        };
        self.entered(json_response(StatusCode::OK, &json!({})), &identity, &sent)
    }

    /// An answer with the cookie of a new session; `nonce` makes it one of its own.
    fn entered(&self, mut answer: Response<Bytes>, identity: &Identity, nonce: &str) -> Response<Bytes> {
        let session = token::mint(&self.kept.secret, Purpose::Session, identity, self.visit.now, nonce);
        let secure = if self.visit.secure { "; Secure" } else { "" };
        let cookie =
            format!("{}={session}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_SECONDS}{secure}", self.cookie());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().insert(SET_COOKIE, cookie);
        }
        answer
    }

    /// Whether whoever asks is let in without a token: on this machine everybody can get one anyway.
    fn is_trusted(&self) -> bool {
        self.visit.remote.to_canonical().is_loopback()
    }

    /// Signs in whoever pressed the button.
    fn enter(&self, form: &[u8]) -> Response<Bytes> {
        if !self.is_trusted() {
            return problem(StatusCode::FORBIDDEN, "only who is on the machine of the server signs in without a token");
        }
        let next = self.local(&field(form, "next").unwrap_or_default());
        let somebody = Identity { user: "root".to_owned(), role: "Admin".to_owned() };
        self.entered(redirect(StatusCode::SEE_OTHER, &next), &somebody, "button")
    }

    /// Ends the session of the browser.
    fn leave(&self) -> Response<Bytes> {
        let mut response = redirect(StatusCode::SEE_OTHER, &format!("{SIGN_IN}?told=You+are+signed+out."));
        let cookie = format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", self.cookie());
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
        response
    }

    fn parameter(&self, name: &str) -> Option<String> {
        query(self.visit.parts.uri.query()?).into_iter().find_map(|(known, value)| (known == name).then_some(value))
    }

    /// A place on this site: the path of a URL that leads here, else the first page.
    fn local(&self, place: &str) -> String {
        let rest = place.strip_prefix("http://").or(place.strip_prefix("https://"));
        let path = rest.map_or(Some(place), |rest| rest.strip_prefix(self.visit.host));
        let inside = |path: &&str| {
            path.starts_with('/') && !path.starts_with("//") && path.bytes().all(|byte| (b'!'..=b'~').contains(&byte))
        };
        let inside = path.filter(inside).filter(|path| !path.contains('\\'));
        inside.unwrap_or(self.home()).to_owned()
    }

    fn to_sign_in(&self) -> Response<Bytes> {
        let next = self.local(&self.parameter("next").unwrap_or_default());
        redirect(StatusCode::FOUND, &format!("{SIGN_IN}?next={}", encoded(&next)))
    }

    fn sign_in(&self, status: StatusCode, told: &str) -> Response<Bytes> {
        let scheme = if self.visit.secure { "https" } else { "http" };
        let port = self.visit.host.rsplit_once(':').map_or_else(String::new, |(_, port)| format!(":{port}"));
        let next = self.parameter("next").map_or_else(
            || if status == StatusCode::OK { self.home().to_owned() } else { self.path().to_owned() },
            |next| self.local(&next),
        );
        let page = SignIn {
            environment: self.target.name(),
            region: &self.target.region,
            site: &format!("{scheme}://{}", self.visit.host),
            endpoint: &format!("{scheme}://localhost{port}"),
            told,
            button: self.is_trusted(),
            next: &next,
        };
        page.page(status)
    }

    /// Whether whoever asks looks at what comes.
    fn looks(&self) -> bool {
        let accepts = self.visit.parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
        let api = self.path().starts_with("/api/") || self.path().starts_with("/ui/");
        self.visit.parts.method == Method::GET
            && !api
            && accepts.is_none_or(|kinds| kinds.contains("text/html") || kinds.contains("*/*"))
    }

    fn absent(&self, why: &str) -> Response<Bytes> {
        if self.looks() {
            return pages::absent(self.target.name(), why);
        }
        let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, why);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("3"));
        answer
    }

    fn forward(&self, upstream: Upstream) -> Reply {
        let Visit { host, secure, remote, .. } = self.visit;
        Reply::Forward(Forward { upstream, cookie: self.cookie(), host: host.to_owned(), secure, remote })
    }

    fn bearer(&self) -> Option<&str> {
        let value = self.visit.parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// Runs a command of Airflow.
    async fn command(&self, body: &[u8]) -> Result<Response<Bytes>, OperationError> {
        let token = self.bearer().unwrap_or_default();
        if let Err(reason) = token::check(&self.kept.secret, Purpose::Cli, token, self.visit.now) {
            return Ok(problem(StatusCode::FORBIDDEN, reason));
        }
        let Ok(line) = std::str::from_utf8(body) else {
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

    /// Who has signed in; else why nobody has, in a sentence.
    fn visitor(&self) -> Result<Identity, &'static str> {
        let cookies = self.visit.parts.headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let cookies = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let sessions = cookies.filter(|(name, _)| *name == self.cookie()).map(|(_, value)| value);
        let mut refused = "";
        for session in sessions.chain(self.bearer()) {
            match token::check(&self.kept.secret, Purpose::Session, session, self.visit.now) {
                Ok(identity) => return Ok(identity),
                Err(token::EXPIRED) => refused = "Your session has expired.",
                Err(_) => {}
            }
        }
        Err(refused)
    }

    /// What is behind the session.
    async fn inside(&self, body: &mut dyn BodySource) -> Result<Reply, OperationError> {
        let visitor = match self.visitor() {
            Ok(visitor) => visitor,
            Err(told) if self.looks() => return Ok(self.sign_in(StatusCode::UNAUTHORIZED, told).into()),
            Err(_) => {
                let text = "sign in first: see CreateWebLoginToken, or /aws_mwaa/sign-in in a browser";
                return Ok(problem(StatusCode::UNAUTHORIZED, text).into());
            }
        };
        match self.engine.runtime().front(self.target, Some(&visitor)) {
            Front::Airflow(upstream) if upstream.headers.is_empty() => {
                return Ok(pages::forbidden(&visitor.user, &visitor.role).into());
            }
            Front::Airflow(upstream) => return Ok(self.forward(upstream)),
            Front::Absent(why) => return Ok(self.absent(&why).into()),
            Front::Runtime => {}
        }
        let api = if self.target.major() > 2 { "/api/v2" } else { "/api/v1" };
        if let Some(path) = self.path().strip_prefix(api).filter(|rest| rest.starts_with('/')) {
            return self.rest(path, &visitor, body).await.map(Reply::from);
        }
        Ok(match self.engine.runtime().page(self.target, self.path(), &visitor).await? {
            Some(page) => html(StatusCode::OK, page).into(),
            None => problem(StatusCode::NOT_FOUND, "there is no such page").into(),
        })
    }

    async fn rest(
        &self,
        path: &str,
        caller: &Identity,
        body: &mut dyn BodySource,
    ) -> Result<Response<Bytes>, OperationError> {
        let parts = self.visit.parts;
        let body = match read(body, CALL_BYTES_MAX).await {
            Ok(body) => body,
            Err(refused) => return Ok(refused),
        };
        let body = if body.is_empty() {
            None
        } else {
            match serde_json::from_slice::<Value>(&body) {
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

/// A field of a form.
fn field(form: &[u8], name: &str) -> Option<String> {
    let pairs = query(std::str::from_utf8(form).ok()?);
    pairs.into_iter().find_map(|(known, value)| (known == name).then_some(value))
}

/// A text within a query.
pub(crate) fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A text of a query or a form, without escapes.
pub(crate) fn decoded(text: &str) -> String {
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
}

/// The pairs of a query, without escapes.
fn query(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

fn response(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn redirect(status: StatusCode, place: &str) -> Response<Bytes> {
    let mut answer = response(status, "text/plain; charset=utf-8", Bytes::new());
    if let Ok(place) = HeaderValue::from_str(place) {
        answer.headers_mut().insert(LOCATION, place);
    }
    answer
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
