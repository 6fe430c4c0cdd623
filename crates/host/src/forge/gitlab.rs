//! GitLab, API version 4. A pull request is a merge request there, and its number the `iid`.

use http::Method;
use http::header::HeaderName;
use serde_json::{Value, json};
use standin_core::BoxFuture;

use super::client::{Client, Header, escaped, secret};
use super::{Api, ForgeError, Kind, Login, Proposal, Pull, State};
use crate::git::Credential;

const TOKEN: HeaderName = HeaderName::from_static("private-token");

pub(super) struct GitLab {
    client: Client,
    /// The path of the project, as one part of a path.
    project: String,
    login: Option<Login>,
}

impl GitLab {
    pub fn new(client: Client, repository: &str, login: Option<Login>) -> Self {
        Self { client, project: escaped(repository), login }
    }

    async fn call(&self, method: Method, rest: &str, body: Option<&Value>) -> Result<Value, ForgeError> {
        let headers: Vec<Header> = match &self.login {
            Some(Login::Token(token) | Login::Password { password: token, .. }) => vec![secret(TOKEN, token)?],
            _ => Vec::new(),
        };
        let path = format!("/projects/{}/merge_requests{rest}", self.project);
        self.client.well(method, &path, &headers, body, "such merge request").await
    }

    fn pull(&self, value: &Value) -> Result<Pull, ForgeError> {
        let strange = || self.client.strange("a merge request without iid, state or URL");
        let state = match value["state"].as_str() {
            // Locked while it is being merged.
            Some("opened" | "locked") => State::Open,
            Some("merged") => State::Merged,
            Some("closed") => State::Closed,
            _ => return Err(strange()),
        };
        let number = value["iid"].as_u64().ok_or_else(strange)?;
        Ok(Pull { number, url: value["web_url"].as_str().ok_or_else(strange)?.to_owned(), state })
    }
}

impl Api for GitLab {
    fn find<'a>(&'a self, branch: &'a str, base: &'a str) -> BoxFuture<'a, Result<Option<Pull>, ForgeError>> {
        Box::pin(async move {
            let query = format!(
                "?state=all&source_branch={}&target_branch={}&order_by=created_at&sort=desc&per_page=20",
                escaped(branch),
                escaped(base)
            );
            let found = self.call(Method::GET, &query, None).await?;
            // Forks may have branches of the same name.
            let own = |request: &&Value| request["source_project_id"] == request["target_project_id"];
            found.as_array().and_then(|all| all.iter().find(own)).map(|request| self.pull(request)).transpose()
        })
    }

    fn open<'a>(&'a self, proposal: &'a Proposal<'a>) -> BoxFuture<'a, Result<Pull, ForgeError>> {
        Box::pin(async move {
            let Proposal { branch, base, title, body } = proposal;
            let body = json!({ "source_branch": branch, "target_branch": base, "title": title, "description": body });
            self.pull(&self.call(Method::POST, "", Some(&body)).await?)
        })
    }

    fn look(&self, number: u64) -> BoxFuture<'_, Result<Pull, ForgeError>> {
        Box::pin(async move { self.pull(&self.call(Method::GET, &format!("/{number}"), None).await?) })
    }

    fn close(&self, number: u64) -> BoxFuture<'_, Result<(), ForgeError>> {
        Box::pin(async move {
            let body = json!({ "state_event": "close" });
            self.call(Method::PUT, &format!("/{number}"), Some(&body)).await.map(drop)
        })
    }

    fn comment<'a>(&'a self, number: u64, text: &'a str) -> BoxFuture<'a, Result<(), ForgeError>> {
        Box::pin(async move {
            let body = json!({ "body": text });
            self.call(Method::POST, &format!("/{number}/notes"), Some(&body)).await.map(drop)
        })
    }

    fn git_credential(&self) -> BoxFuture<'_, Result<Option<Credential>, ForgeError>> {
        let credential = self.login.as_ref().and_then(|login| login.of_git(Kind::GitLab));
        Box::pin(std::future::ready(Ok(credential)))
    }
}
