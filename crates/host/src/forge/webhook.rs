//! What forges send when something happens in a repository: who sent it, and what it says.
//!
//! A sender is known by the secret that both sides were told: by a signature of the body (GitHub, Bitbucket, Gitea, Forgejo) or by the
//! secret itself (GitLab).

use ring::hmac;
use serde_json::Value;

use super::{Kind, State};
use crate::git::{ObjectId, is_branch};

/// Larger ones are refused before they are read.
pub const BODY_BYTES_MAX: usize = 5 << 20;

/// What happened, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A branch has a new newest commit, or none any more.
    Push { repository: Repository, branch: String, commit: Option<ObjectId> },
    /// A pull request stands differently.
    Pull { repository: Repository, branch: String, number: u64, state: State },
    /// It was only tried whether anybody listens.
    Ping,
    /// Nothing that matters.
    Other,
}

/// The names that a forge calls a repository by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// `owner/name`.
    pub name: String,
    /// URLs to clone it by.
    pub urls: Vec<String>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("this is no webhook of GitHub, GitLab, Bitbucket, Gitea or Forgejo")]
    Unknown,
    #[error("the webhook is not signed; give the forge the secret that standin has")]
    Unsigned,
    #[error("the webhook is signed by another secret than standin has")]
    Forged,
    #[error("the webhook does not say what it should: {0}")]
    Strange(&'static str),
}

/// Reads a message. `header` gives the headers of the request by their names in lower case.
///
/// # Errors
/// Where the sender does not know the secret, or the message is none.
pub fn read(header: impl Fn(&str) -> Option<String>, body: &[u8], secret: &[u8]) -> Result<Event, WebhookError> {
    // Gitea and Forgejo send GitHub's headers too.
    let gitea = header("x-gitea-event").or_else(|| header("x-forgejo-event"));
    let (kind, event) = if let Some(event) = gitea {
        (Kind::Gitea, event)
    } else if let Some(event) = header("x-github-event") {
        (Kind::GitHub, event)
    } else if let Some(event) = header("x-gitlab-event") {
        (Kind::GitLab, event)
    } else if let Some(event) = header("x-event-key") {
        (Kind::Bitbucket, event)
    } else {
        return Err(WebhookError::Unknown);
    };
    if secret.is_empty() {
        return Err(WebhookError::Unsigned);
    }
    if kind == Kind::GitLab {
        let token = header("x-gitlab-token").ok_or(WebhookError::Unsigned)?;
        if !same(token.as_bytes(), secret) {
            return Err(WebhookError::Forged);
        }
    } else {
        let signature = match kind {
            Kind::GitHub => header("x-hub-signature-256"),
            Kind::Gitea => header("x-gitea-signature").or_else(|| header("x-forgejo-signature")),
            _ => header("x-hub-signature"),
        };
        let signature = signature.ok_or(WebhookError::Unsigned)?;
        let digits = signature.strip_prefix("sha256=").unwrap_or(&signature);
        let bytes = unhex(digits).ok_or(WebhookError::Forged)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        hmac::verify(&key, body, &bytes).map_err(|_| WebhookError::Forged)?;
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| WebhookError::Strange("it is not JSON"))?;
    match kind {
        Kind::GitHub | Kind::Gitea => github(&event, &body),
        Kind::GitLab => gitlab(&body),
        Kind::Bitbucket => bitbucket(&event, &body),
    }
}

/// Compares in a time that tells nothing, not even of lengths.
fn same(given: &[u8], secret: &[u8]) -> bool {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"compare");
    hmac::verify(&key, secret, hmac::sign(&key, given).as_ref()).is_ok()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    if !digits.is_ascii() || !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn repository(name: &Value, urls: &[&Value]) -> Result<Repository, WebhookError> {
    let name = text(name).ok_or(WebhookError::Strange("no name of a repository"))?;
    Ok(Repository { name, urls: urls.iter().filter_map(|url| text(url)).collect() })
}

fn branch(value: &Value) -> Result<String, WebhookError> {
    text(value).filter(|name| is_branch(name)).ok_or(WebhookError::Strange("no name of a branch"))
}

/// A commit; all zeros say that there is none.
fn commit(value: &Value) -> Option<ObjectId> {
    value.as_str().filter(|id| id.contains(|digit| digit != '0')).and_then(|id| ObjectId::parse(id).ok())
}

/// A push of something else than a branch is nothing.
fn pushed(repository: Repository, reference: &Value, after: &Value) -> Result<Event, WebhookError> {
    let Some(name) = reference.as_str().and_then(|name| name.strip_prefix("refs/heads/")) else {
        return Ok(Event::Other);
    };
    if !is_branch(name) {
        return Err(WebhookError::Strange("no name of a branch"));
    }
    Ok(Event::Push { repository, branch: name.to_owned(), commit: commit(after) })
}

fn github(event: &str, body: &Value) -> Result<Event, WebhookError> {
    let of = || {
        let about = &body["repository"];
        repository(&about["full_name"], &[&about["clone_url"], &about["ssh_url"], &about["git_url"]])
    };
    match event {
        "ping" => Ok(Event::Ping),
        "push" => pushed(of()?, &body["ref"], &body["after"]),
        // Where a branch goes, GitHub sends a push as well; Gitea sends this alone.
        "delete" if body["ref_type"] == "branch" => {
            Ok(Event::Push { repository: of()?, branch: branch(&body["ref"])?, commit: None })
        }
        "pull_request" => {
            let pull = &body["pull_request"];
            let merged = pull["merged"] == Value::Bool(true) || !pull["merged_at"].is_null();
            let state = match pull["state"].as_str() {
                _ if merged => State::Merged,
                Some("open") => State::Open,
                Some("closed") => State::Closed,
                _ => return Err(WebhookError::Strange("no state of a pull request")),
            };
            let number = pull["number"].as_u64().or_else(|| body["number"].as_u64());
            let number = number.ok_or(WebhookError::Strange("no number of a pull request"))?;
            Ok(Event::Pull { repository: of()?, branch: branch(&pull["head"]["ref"])?, number, state })
        }
        _ => Ok(Event::Other),
    }
}

fn gitlab(body: &Value) -> Result<Event, WebhookError> {
    let of = || {
        let about = &body["project"];
        repository(&about["path_with_namespace"], &[&about["git_http_url"], &about["git_ssh_url"]])
    };
    match body["object_kind"].as_str() {
        Some("push") => pushed(of()?, &body["ref"], &body["after"]),
        Some("merge_request") => {
            let request = &body["object_attributes"];
            let state = match request["state"].as_str() {
                Some("opened" | "locked") => State::Open,
                Some("merged") => State::Merged,
                Some("closed") => State::Closed,
                _ => return Err(WebhookError::Strange("no state of a merge request")),
            };
            let number = request["iid"].as_u64().ok_or(WebhookError::Strange("no number of a merge request"))?;
            Ok(Event::Pull { repository: of()?, branch: branch(&request["source_branch"])?, number, state })
        }
        _ => Ok(Event::Other),
    }
}

fn bitbucket(event: &str, body: &Value) -> Result<Event, WebhookError> {
    let of = || {
        let about = &body["repository"];
        repository(&about["full_name"], &[&about["links"]["html"]["href"]])
    };
    match event {
        "diagnostics:ping" => Ok(Event::Ping),
        "repo:push" => {
            let changes = body["push"]["changes"].as_array().map(Vec::as_slice).unwrap_or_default();
            // The newest one comes first; who listens looks at the repository anyway.
            let Some(change) =
                changes.iter().find(|change| change["new"]["type"] == "branch" || change["old"]["type"] == "branch")
            else {
                return Ok(Event::Other);
            };
            let side = if change["new"].is_null() { &change["old"] } else { &change["new"] };
            let commit = commit(&change["new"]["target"]["hash"]);
            Ok(Event::Push { repository: of()?, branch: branch(&side["name"])?, commit })
        }
        event if event.starts_with("pullrequest:") => {
            let pull = &body["pullrequest"];
            let state = match pull["state"].as_str() {
                Some("OPEN") => State::Open,
                Some("MERGED") => State::Merged,
                Some("DECLINED" | "SUPERSEDED") => State::Closed,
                _ => return Err(WebhookError::Strange("no state of a pull request")),
            };
            let number = pull["id"].as_u64().ok_or(WebhookError::Strange("no number of a pull request"))?;
            let branch = branch(&pull["source"]["branch"]["name"])?;
            Ok(Event::Pull { repository: of()?, branch, number, state })
        }
        _ => Ok(Event::Other),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SECRET: &[u8] = b"shared";

    fn sign(body: &str, secret: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body.as_bytes());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn sent(headers: &[(&str, &str)], body: &str) -> Result<Event, WebhookError> {
        let header =
            |name: &str| headers.iter().find(|(given, _)| *given == name).map(|(_, value)| (*value).to_owned());
        read(header, body.as_bytes(), SECRET)
    }

    fn check(kind: Kind, event: &str, body: &Value, expect: &Event) {
        let body = body.to_string();
        let (right, wrong) = (sign(&body, SECRET), sign(&body, b"guessed"));
        let (name, signature, prefix) = match kind {
            Kind::GitHub => ("x-github-event", "x-hub-signature-256", "sha256="),
            Kind::Gitea => ("x-gitea-event", "x-gitea-signature", ""),
            Kind::Bitbucket => ("x-event-key", "x-hub-signature", "sha256="),
            Kind::GitLab => ("x-gitlab-event", "x-gitlab-token", ""),
        };
        let (right, wrong) = match kind {
            Kind::GitLab => ("shared".to_owned(), "shared2".to_owned()),
            _ => (format!("{prefix}{right}"), format!("{prefix}{wrong}")),
        };
        assert_eq!(sent(&[(name, event), (signature, &right)], &body).as_ref(), Ok(expect), "{event}");
        assert_eq!(sent(&[(name, event), (signature, &wrong)], &body), Err(WebhookError::Forged));
        assert_eq!(sent(&[(name, event), (signature, "")], &body), Err(WebhookError::Forged));
        assert_eq!(sent(&[(name, event), (signature, "sha256=zz")], &body), Err(WebhookError::Forged));
        assert_eq!(sent(&[(name, event)], &body), Err(WebhookError::Unsigned));
    }

    const ID: &str = "0123456789abcdef0123456789abcdef01234567";
    const ZERO: &str = "0000000000000000000000000000000000000000";

    fn of(name: &str, url: &str) -> Repository {
        Repository { name: name.to_owned(), urls: vec![url.to_owned()] }
    }

    fn push(repository: Repository, commit: Option<&str>) -> Event {
        let commit = commit.map(|id| ObjectId::parse(id).unwrap());
        Event::Push { repository, branch: "main".to_owned(), commit }
    }

    fn pull(repository: Repository, state: State) -> Event {
        Event::Pull { repository, branch: "b".to_owned(), number: 7, state }
    }

    #[test]
    fn pushes_and_pull_requests_of_github_and_gitea_are_read() {
        let repository = json!({ "full_name": "o/n", "clone_url": "https://h/o/n.git" });
        let ours = || of("o/n", "https://h/o/n.git");
        for kind in [Kind::GitHub, Kind::Gitea] {
            let body =
                |reference: &str, after: &str| json!({ "ref": reference, "after": after, "repository": repository });
            check(kind, "push", &body("refs/heads/main", ID), &push(ours(), Some(ID)));
            check(kind, "push", &body("refs/heads/main", ZERO), &push(ours(), None));
            check(kind, "push", &body("refs/tags/v1", ID), &Event::Other);
            for (state, merged, expect) in
                [("open", false, State::Open), ("closed", false, State::Closed), ("closed", true, State::Merged)]
            {
                let request = json!({ "number": 7, "state": state, "merged": merged, "head": { "ref": "b" } });
                let body = json!({ "action": "x", "pull_request": request, "repository": repository });
                check(kind, "pull_request", &body, &pull(ours(), expect));
            }
            check(
                kind,
                "delete",
                &json!({ "ref": "main", "ref_type": "branch", "repository": repository }),
                &push(ours(), None),
            );
            check(kind, "ping", &json!({ "zen": "" }), &Event::Ping);
            check(kind, "star", &json!({}), &Event::Other);
        }
    }

    #[test]
    fn pushes_and_merge_requests_of_gitlab_are_read() {
        let project = json!({ "path_with_namespace": "g/s/n", "git_http_url": "https://h/g/s/n.git" });
        let ours = || of("g/s/n", "https://h/g/s/n.git");
        let body = json!({ "object_kind": "push", "ref": "refs/heads/main", "after": ID, "project": project });
        check(Kind::GitLab, "Push Hook", &body, &push(ours(), Some(ID)));
        for (state, expect) in [("opened", State::Open), ("closed", State::Closed), ("merged", State::Merged)] {
            let request = json!({ "iid": 7, "state": state, "source_branch": "b" });
            let body = json!({ "object_kind": "merge_request", "object_attributes": request, "project": project });
            check(Kind::GitLab, "Merge Request Hook", &body, &pull(ours(), expect));
        }
        check(Kind::GitLab, "Note Hook", &json!({ "object_kind": "note" }), &Event::Other);
    }

    #[test]
    fn pushes_and_pull_requests_of_bitbucket_are_read() {
        let repository = json!({ "full_name": "w/n", "links": { "html": { "href": "https://bitbucket.org/w/n" } } });
        let ours = || of("w/n", "https://bitbucket.org/w/n");
        let new = json!({ "type": "branch", "name": "main", "target": { "hash": ID } });
        let body = |change: Value| json!({ "push": { "changes": [change] }, "repository": repository });
        check(Kind::Bitbucket, "repo:push", &body(json!({ "new": new, "old": null })), &push(ours(), Some(ID)));
        check(Kind::Bitbucket, "repo:push", &body(json!({ "new": null, "old": new })), &push(ours(), None));
        check(Kind::Bitbucket, "repo:push", &body(json!({ "new": { "type": "tag" } })), &Event::Other);
        for (state, expect) in [("OPEN", State::Open), ("DECLINED", State::Closed), ("MERGED", State::Merged)] {
            let request = json!({ "id": 7, "state": state, "source": { "branch": { "name": "b" } } });
            let body = json!({ "pullrequest": request, "repository": repository });
            check(Kind::Bitbucket, "pullrequest:updated", &body, &pull(ours(), expect));
        }
    }

    #[test]
    fn what_is_none_is_refused() {
        assert_eq!(sent(&[], "{}"), Err(WebhookError::Unknown));
        let github = |body: &str, event: &str| {
            let sum = format!("sha256={}", sign(body, SECRET));
            sent(&[("x-github-event", event), ("x-hub-signature-256", &sum)], body)
        };
        assert!(matches!(github("not json", "push"), Err(WebhookError::Strange(_))));
        assert!(matches!(github("{}", "push"), Err(WebhookError::Strange(_))));
        let evil = json!({ "ref": "refs/heads/--upload-pack=x", "repository": { "full_name": "o/n" } }).to_string();
        assert!(matches!(github(&evil, "push"), Err(WebhookError::Strange(_))));
        // Without a secret nobody is believed, whoever signs with an empty one.
        let header = |name: &str| match name {
            "x-github-event" => Some("push".to_owned()),
            "x-hub-signature-256" => Some(sign("{}", b"")),
            _ => None,
        };
        assert_eq!(read(header, b"{}", b""), Err(WebhookError::Unsigned));
    }
}
