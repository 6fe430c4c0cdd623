//! Gitea and Forgejo, API version 1.

use http::Method;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use standin_core::BoxFuture;

use super::client::{Client, Header, basic, escaped_path, secret};
use super::{Api, ForgeError, Kind, Login, Proposal, Pull, State};
use crate::git::Credential;

/// Of a list, which is not filtered by branches there: what is looked for is among the newest.
const PAGE: usize = 50;
const PAGES_MAX: usize = 10;

pub(super) struct Gitea {
    client: Client,
    repository: String,
    login: Option<Login>,
}

impl Gitea {
    pub fn new(client: Client, repository: String, login: Option<Login>) -> Self {
        Self { client, repository, login }
    }

    async fn call(&self, method: Method, rest: &str, body: Option<&Value>) -> Result<Value, ForgeError> {
        let headers: Vec<Header> = match &self.login {
            Some(Login::Token(token)) => vec![secret(AUTHORIZATION, &format!("token {token}"))?],
            Some(Login::Password { user, password }) => vec![basic(user, password)?],
            _ => Vec::new(),
        };
        let path = format!("/repos/{}{rest}", escaped_path(&self.repository));
        self.client.well(method, &path, &headers, body, &format!("such thing in {}", self.repository)).await
    }

    fn pull(&self, value: &Value) -> Result<Pull, ForgeError> {
        let strange = || self.client.strange("a pull request without number, state or URL");
        let state = match value["state"].as_str() {
            _ if value["merged"] == json!(true) => State::Merged,
            Some("open") => State::Open,
            Some("closed") => State::Closed,
            _ => return Err(strange()),
        };
        let number = value["number"].as_u64().ok_or_else(strange)?;
        Ok(Pull { number, url: value["html_url"].as_str().ok_or_else(strange)?.to_owned(), state })
    }
}

impl Api for Gitea {
    fn find<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<Option<Pull>, ForgeError>> {
        Box::pin(async move {
            let ours = |pull: &&Value| {
                pull["head"]["ref"] == json!(branch)
                    && pull["base"]["ref"] == json!(base)
                    && pull["head"]["repo_id"] == pull["base"]["repo_id"]
            };
            for page in 1..=PAGES_MAX {
                let query = format!("/pulls?state=all&sort=recentupdate&limit={PAGE}&page={page}");
                let found = self.call(Method::GET, &query, None).await?;
                let all = found.as_array().ok_or_else(|| self.client.strange("no list of pull requests"))?;
                if let Some(pull) = all.iter().find(ours) {
                    return self.pull(pull).map(Some);
                }
                // A server may have smaller pages than those that are asked for.
                if all.is_empty() {
                    break;
                }
            }
            Ok(None)
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
        let credential = self.login.as_ref().and_then(|login| login.of_git(Kind::Gitea));
        Box::pin(std::future::ready(Ok(credential)))
    }
}
