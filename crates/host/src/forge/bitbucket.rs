//! Bitbucket Cloud, API version 2.0.

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use standin_core::BoxFuture;

use super::client::{Client, Header, basic, escaped, escaped_path, secret};
use super::{Api, ForgeError, Kind, Login, Proposal, Pull, State};
use crate::git::Credential;

pub(super) struct Bitbucket {
    client: Client,
    repository: String,
    login: Option<Login>,
}

impl Bitbucket {
    pub fn new(client: Client, repository: String, login: Option<Login>) -> Self {
        Self { client, repository, login }
    }

    async fn call(&self, method: Method, rest: &str, body: Option<&Value>) -> Result<Value, ForgeError> {
        let headers: Vec<Header> = match &self.login {
            Some(Login::Token(token)) => vec![secret(AUTHORIZATION, &format!("Bearer {token}"))?],
            Some(Login::Password { user, password }) => vec![basic(user, password)?],
            _ => Vec::new(),
        };
        let path = format!("/repositories/{}/pullrequests{rest}", escaped_path(&self.repository));
        self.client.well(method, &path, &headers, body, "such pull request").await
    }

    fn pull(&self, value: &Value) -> Result<Pull, ForgeError> {
        let strange = || self.client.strange("a pull request without id, state or link");
        let state = match value["state"].as_str() {
            Some("OPEN") => State::Open,
            Some("MERGED") => State::Merged,
            Some("DECLINED" | "SUPERSEDED") => State::Closed,
            _ => return Err(strange()),
        };
        let number = value["id"].as_u64().ok_or_else(strange)?;
        Ok(Pull { number, url: value["links"]["html"]["href"].as_str().ok_or_else(strange)?.to_owned(), state })
    }
}

impl Api for Bitbucket {
    fn find<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<Option<Pull>, ForgeError>> {
        Box::pin(async move {
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            let filter =
                format!("source.branch.name = {} AND destination.branch.name = {}", quoted(branch), quoted(base));
            let query = format!(
                "?q={}&state=OPEN&state=MERGED&state=DECLINED&state=SUPERSEDED&sort=-created_on&pagelen=20",
                escaped(&filter)
            );
            let found = self.call(Method::GET, &query, None).await?;
            let own = |pull: &&Value| {
                let name = pull["source"]["repository"]["full_name"].as_str();
                name.is_none_or(|name| name.eq_ignore_ascii_case(&self.repository))
            };
            found["values"].as_array().and_then(|all| all.iter().find(own)).map(|pull| self.pull(pull)).transpose()
        })
    }

    fn open<'a>(&'a self, proposal: &'a Proposal<'a>) -> BoxFuture<'a, Result<Pull, ForgeError>> {
        Box::pin(async move {
            let Proposal { branch, base, title, body } = proposal;
            let body = json!({
                "title": title,
                "description": body,
                "source": { "branch": { "name": branch } },
                "destination": { "branch": { "name": base } },
            });
            self.pull(&self.call(Method::POST, "", Some(&body)).await?)
        })
    }

    fn look(&self, number: u64) -> BoxFuture<'_, Result<Pull, ForgeError>> {
        Box::pin(async move { self.pull(&self.call(Method::GET, &format!("/{number}"), None).await?) })
    }

    fn close(&self, number: u64) -> BoxFuture<'_, Result<(), ForgeError>> {
        Box::pin(async move { self.call(Method::POST, &format!("/{number}/decline"), None).await.map(drop) })
    }

    fn comment<'a>(&'a self, number: u64, text: &'a str) -> BoxFuture<'a, Result<(), ForgeError>> {
        Box::pin(async move {
            let body = json!({ "content": { "raw": text } });
            self.call(Method::POST, &format!("/{number}/comments"), Some(&body)).await.map(drop)
        })
    }

    fn git_credential(&self) -> BoxFuture<'_, Result<Option<Credential>, ForgeError>> {
        let credential = self.login.as_ref().and_then(|login| login.of_git(Kind::Bitbucket));
        Box::pin(std::future::ready(Ok(credential)))
    }
}
