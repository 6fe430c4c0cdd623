//! The web server of an environment, and Airflow's REST API behind it, with a session of its own.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cli::commands::remote::{Remote, text};
use crate::client::{Connection, Endpoint, Trust};
use crate::error::{Attempt as _, CommandError};

/// How long one answer may take: Airflow reads logs and parses while it answers.
const TIMEOUT: Duration = Duration::from_secs(60);

/// See the module.
pub struct Site {
    runtime: Runtime,
    connection: Connection,
    scheme: &'static str,
    environment: String,
    /// Of Airflow: 2 or 3.
    pub major: u32,
    host: String,
    /// The session's cookie.
    cookie: Option<String>,
}

/// What the REST API answers.
pub struct Reply {
    pub status: u16,
    /// A text where it is no JSON.
    pub body: Value,
}

impl Reply {
    /// The body of a success.
    ///
    /// # Errors
    /// With what Airflow says instead.
    pub fn good(self, doing: &str) -> Result<Value, CommandError> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let said = ["detail", "title", "message"].iter().map(|name| &self.body[*name]).find(|value| !value.is_null());
        let said = said.unwrap_or(&self.body);
        let said = said.as_str().map_or_else(|| said.to_string(), str::to_owned);
        let said: String = said.chars().take(400).collect();
        Err(CommandError::failure(anyhow!("Airflow cannot {doing} (status {}): {said}", self.status)))
    }
}

impl Site {
    /// # Errors
    /// When no runtime can be started.
    pub fn new(endpoint: &Endpoint, environment: &str, version: &str) -> Result<Self, CommandError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Ok(Self {
            runtime: runtime.attempt("cannot start the runtime")?,
            connection: Connection::new(endpoint.clone(), Trust::default(), TIMEOUT),
            scheme: if endpoint.tls { "https" } else { "http" },
            environment: environment.to_owned(),
            major: if version.starts_with("2.") { 2 } else { 3 },
            host: String::new(),
            cookie: None,
        })
    }

    /// A link that signs a person in, within a minute.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn login_url(&mut self, remote: &mut Remote) -> Result<String, CommandError> {
        let token = self.web_token(remote)?;
        Ok(format!("{}://{}/aws_mwaa/aws-console-sso?login=true#{token}", self.scheme, self.host))
    }

    fn web_token(&mut self, remote: &mut Remote) -> Result<String, CommandError> {
        let answer = remote.call("mwaa", "CreateWebLoginToken", &json!({ "Name": self.environment }))?;
        text(&answer, "WebServerHostname").clone_into(&mut self.host);
        Ok(text(&answer, "WebToken").to_owned())
    }

    /// Whether all parts of Airflow say that they are well.
    pub fn is_healthy(&mut self, remote: &mut Remote) -> bool {
        if self.host.is_empty() && self.web_token(remote).is_err() {
            return false;
        }
        let path = if self.major == 2 { "/health" } else { "/api/v2/monitor/health" };
        let Ok(response) = self.send(&Method::GET, path, None, "application/json") else { return false };
        let parts: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let well = |name: &str| parts[name]["status"] == "healthy";
        response.status().is_success()
            && well("metadatabase")
            && well("scheduler")
            && (self.major == 2 || well("dag_processor"))
    }

    /// Calls the REST API: the path from behind its version on, percent-encoded.
    ///
    /// # Errors
    /// When there is no answer, or nobody can sign in.
    pub fn rest(
        &mut self,
        remote: &mut Remote,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, CommandError> {
        // Logs of Airflow 2 are texts in JSON in a list of its own making, unless asked for as text.
        let accept = if self.major == 2 && path.contains("/logs/") { "text/plain" } else { "application/json" };
        let path = format!("/api/{}{path}", if self.major == 2 { "v1" } else { "v2" });
        let fresh = self.cookie.is_none();
        if fresh {
            self.sign_in(remote)?;
        }
        let mut response = self.send(method, &path, body, accept)?;
        if response.status() == 401 && !fresh {
            self.sign_in(remote)?;
            response = self.send(method, &path, body, accept)?;
        }
        let body = serde_json::from_slice(response.body())
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(response.body()).into_owned()));
        Ok(Reply { status: response.status().as_u16(), body })
    }

    fn sign_in(&mut self, remote: &mut Remote) -> Result<(), CommandError> {
        let token = self.web_token(remote)?;
        let path = if self.major == 2 { "/aws_mwaa/login" } else { "/pluginsv2/aws_mwaa/login" };
        let mut request = self.request(&Method::POST, path, Bytes::from(format!("token={token}")))?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let response = self.runtime.block_on(self.connection.send(request)).map_err(CommandError::failure)?;
        let name = if self.major == 2 { "session=" } else { "_token=" };
        let cookies = response.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
        let found = cookies.filter_map(|cookie| cookie.split(';').next()).find(|cookie| cookie.starts_with(name));
        self.cookie = found.map(str::to_owned);
        if self.cookie.is_none() {
            let said = String::from_utf8_lossy(response.body());
            return Err(CommandError::failure(anyhow!("nobody can sign in to {}: {said}", self.host)));
        }
        Ok(())
    }

    fn send(
        &mut self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        accept: &'static str,
    ) -> Result<Response<Bytes>, CommandError> {
        let bytes = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let mut request = self.request(method, path, bytes)?;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(cookie) = &self.cookie {
            headers.insert(COOKIE, HeaderValue::from_str(cookie).attempt("the session's cookie is none")?);
        }
        self.runtime.block_on(self.connection.send(request)).map_err(CommandError::failure)
    }

    fn request(&self, method: &Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, CommandError> {
        let request = Request::builder().method(method).uri(path).header(HOST, &self.host).body(Full::new(body));
        request.attempt("cannot make a request")
    }
}

/// A part of a path: everything but what needs no escape is escaped. Source: RFC 3986, section 2.3.
pub fn segment(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_fit_into_paths() {
        assert_eq!(segment("manual__2026-01-01T00:00:00+00:00"), "manual__2026-01-01T00%3A00%3A00%2B00%3A00");
    }
}
