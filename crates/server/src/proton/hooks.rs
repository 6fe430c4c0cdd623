//! Webhooks of forges: who pushes to a repository has its syncs look at it at once. Only what carries the secret is believed.

use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, HeaderName};
use serde::Deserialize;
use sha2::Sha256;

/// A longer body is refused.
pub(crate) const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Branches of one push at most; who pushes more has all branches looked at.
const BRANCHES_MAX: usize = 100;

/// Where a webhook comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forge {
    GitHub,
    GitLab,
    /// Cloud, and the server of one's own.
    Bitbucket,
    /// Forgejo is the same here.
    Gitea,
    /// The `post-receive` hook of a repository: its input as it is.
    Git,
}

/// Something was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Push {
    /// `owner/name`.
    pub repository: String,
    /// Those that have moved; nothing where it may be any.
    pub branches: Option<Vec<String>>,
}

impl Forge {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "github" => Self::GitHub,
            "gitlab" => Self::GitLab,
            "bitbucket" => Self::Bitbucket,
            "gitea" | "forgejo" => Self::Gitea,
            "git" => Self::Git,
            _ => return None,
        })
    }

    /// The header that shows that the sender knows the secret.
    pub(crate) fn header(self) -> HeaderName {
        HeaderName::from_static(match self {
            Self::GitHub => "x-hub-signature-256",
            Self::GitLab => "x-gitlab-token",
            Self::Bitbucket => "x-hub-signature",
            Self::Gitea => "x-gitea-signature",
            Self::Git => "x-standin-token",
        })
    }

    /// Whether the sender knows the secret. Takes as long whatever is wrong.
    pub(crate) fn is_signed(self, headers: &HeaderMap, body: &[u8], secret: &str) -> bool {
        let header = self.header();
        let mut values = headers.get_all(&header).iter();
        // Of two, one might be checked and the other believed.
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        match self {
            Self::GitLab | Self::Git => {
                // Of equal texts the codes are equal, and comparing codes tells nothing of the texts.
                let expect = code(secret, secret.as_bytes()).finalize().into_bytes();
                code(secret, value.as_bytes()).verify_slice(&expect).is_ok()
            }
            Self::GitHub | Self::Bitbucket | Self::Gitea => {
                let text = value.to_str().unwrap_or_default();
                let digits = if self == Self::Gitea { Some(text) } else { text.strip_prefix("sha256=") };
                let Some(signature) = digits.and_then(bytes_of) else { return false };
                code(secret, body).verify_slice(&signature).is_ok()
            }
        }
    }

    /// What was pushed; nothing where the event is another. `repository` is that of the address, which [`Forge::Git`] needs.
    ///
    /// # Errors
    /// A sentence on a body that is not what this forge sends.
    pub(crate) fn push(
        self,
        headers: &HeaderMap,
        body: &[u8],
        repository: Option<String>,
    ) -> Result<Option<Push>, String> {
        let event = |name: &'static str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_push = match self {
            Self::GitHub => event("x-github-event") == "push",
            Self::GitLab => event("x-gitlab-event") == "Push Hook",
            Self::Bitbucket => matches!(event("x-event-key"), "repo:push" | "repo:refs_changed"),
            Self::Gitea => event("x-gitea-event") == "push",
            Self::Git => true,
        };
        if !is_push {
            return Ok(None);
        }
        match self {
            Self::Git => {
                let repository = repository.ok_or("the address needs ?repository=OWNER/NAME")?;
                received(repository, body)
            }
            Self::Bitbucket => bitbucket(body),
            _ => referenced(body),
        }
    }
}

fn code(secret: &str, text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text);
    mac
}

/// Hexadecimal digits as the bytes that they stand for.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks(2).map(|pair| Some(value(pair[0])? << 4 | value(pair[1])?)).collect()
}

fn branch(reference: &str) -> Option<&str> {
    reference.strip_prefix("refs/heads/").filter(|name| !name.is_empty())
}

fn parsed<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| {
        format!("the body is no push of this forge: {error}; the content type must be application/json")
    })
}

/// A push of GitHub, GitLab or Gitea: of one reference.
fn referenced(body: &[u8]) -> Result<Option<Push>, String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(rename = "ref")]
        reference: String,
        repository: Option<Repository>,
        project: Option<Project>,
    }
    #[derive(Deserialize)]
    struct Repository {
        full_name: Option<String>,
    }
    #[derive(Deserialize)]
    struct Project {
        path_with_namespace: Option<String>,
    }
    let Body { reference, repository, project } = parsed(body)?;
    let repository = project
        .and_then(|project| project.path_with_namespace)
        .or_else(|| repository.and_then(|repository| repository.full_name))
        .ok_or("the body names no repository")?;
    // Tags are not synced.
    Ok(branch(&reference).map(|branch| Push { repository, branches: Some(vec![branch.to_owned()]) }))
}

/// A push of Bitbucket: Cloud has `push.changes`, the server `changes`.
fn bitbucket(body: &[u8]) -> Result<Option<Push>, String> {
    #[derive(Deserialize)]
    struct Body {
        repository: Repository,
        push: Option<Changes>,
        #[serde(default)]
        changes: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Repository {
        full_name: Option<String>,
        slug: Option<String>,
        project: Option<Project>,
    }
    #[derive(Deserialize)]
    struct Project {
        key: Option<String>,
    }
    #[derive(Deserialize)]
    struct Changes {
        changes: Vec<Change>,
    }
    #[derive(Deserialize)]
    struct Change {
        new: Option<Named>,
        old: Option<Named>,
        #[serde(rename = "ref")]
        reference: Option<Reference>,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "type")]
        kind: String,
        name: String,
    }
    #[derive(Deserialize)]
    struct Reference {
        id: String,
    }
    let body: Body = parsed(body)?;
    let of_server =
        || Some(format!("{}/{}", body.repository.project.as_ref()?.key.as_ref()?, body.repository.slug.as_ref()?));
    let repository = body.repository.full_name.clone().or_else(of_server).ok_or("the body names no repository")?;
    let changes = body.push.map_or(body.changes, |push| push.changes);
    let branches: Vec<String> = changes
        .into_iter()
        .filter_map(|change| match (change.reference, change.new.or(change.old)) {
            (Some(reference), _) => branch(&reference.id).map(str::to_owned),
            (None, Some(named)) => (named.kind == "branch").then_some(named.name),
            (None, None) => None,
        })
        .collect();
    Ok(some(repository, branches))
}

/// The input of a `post-receive` hook: old id, new id and reference, a line each. Without any line it may be any branch.
fn received(repository: String, body: &[u8]) -> Result<Option<Push>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8")?;
    if text.trim().is_empty() {
        return Ok(Some(Push { repository, branches: None }));
    }
    let mut branches = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let reference = line.split(' ').nth(2).filter(|reference| reference.starts_with("refs/"));
        let reference =
            reference.ok_or("the body must be the input of a post-receive hook: OLD NEW REFERENCE, a line each")?;
        branches.extend(branch(reference.trim_end()).map(str::to_owned));
    }
    Ok(some(repository, branches))
}

fn some(repository: String, branches: Vec<String>) -> Option<Push> {
    match branches.len() {
        0 => None,
        1..=BRANCHES_MAX => Some(Push { repository, branches: Some(branches) }),
        _ => Some(Push { repository, branches: None }),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const HELLO: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn check_signature(forge: Forge, value: &str, expect: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(forge.header(), HeaderValue::from_str(value).expect("a value"));
        assert_eq!(forge.is_signed(&headers, b"Hello, World!", SECRET), expect, "{forge:?} {value}");
        headers.append(forge.header(), HeaderValue::from_static("x"));
        assert!(!forge.is_signed(&headers, b"Hello, World!", SECRET), "two of {forge:?}");
    }

    /// The example is GitHub's own.
    #[test]
    fn only_who_knows_the_secret_is_believed() {
        use Forge::{Bitbucket, Git, GitHub, GitLab, Gitea};
        for forge in [GitHub, Bitbucket] {
            check_signature(forge, &format!("sha256={HELLO}"), true);
            check_signature(forge, &format!("sha256={}", HELLO.to_uppercase()), true);
            check_signature(forge, HELLO, false);
            check_signature(forge, &format!("sha1={HELLO}"), false);
            check_signature(forge, &format!("sha256={}", HELLO.replace('7', "8")), false);
            check_signature(forge, &format!("sha256={}", &HELLO[..62]), false);
            check_signature(forge, &format!("sha256={}", "é".repeat(32)), false);
            check_signature(forge, "", false);
        }
        check_signature(Gitea, HELLO, true);
        check_signature(Gitea, &format!("sha256={HELLO}"), false);
        for forge in [GitLab, Git] {
            check_signature(forge, SECRET, true);
            check_signature(forge, HELLO, false);
            check_signature(forge, "", false);
            check_signature(forge, &SECRET[1..], false);
        }
        for forge in [GitHub, GitLab, Bitbucket, Gitea, Git] {
            assert!(!forge.is_signed(&HeaderMap::new(), b"Hello, World!", SECRET));
        }
    }

    fn check(
        forge: &str,
        event: (&'static str, &'static str),
        body: &str,
        expect: Result<Option<(&str, &[&str])>, &str>,
    ) {
        let mut headers = HeaderMap::new();
        headers.insert(event.0, HeaderValue::from_static(event.1));
        let forge = Forge::named(forge).expect("a forge");
        let found = forge.push(&headers, body.as_bytes(), Some("me/plain".into()));
        match (found, expect) {
            (Ok(found), Ok(expect)) => {
                let expect = expect.map(|(repository, branches)| Push {
                    repository: repository.into(),
                    branches: Some(branches.iter().map(|branch| (*branch).to_owned()).collect::<Vec<_>>())
                        .filter(|branches| !branches.is_empty()),
                });
                assert_eq!(found, expect, "{body}");
            }
            (Err(found), Err(expect)) => assert!(found.contains(expect), "{body}: {found}"),
            (found, _) => panic!("{body}: {found:?}"),
        }
    }

    #[test]
    fn pushes_are_read_as_each_forge_sends_them() {
        let github = ("x-github-event", "push");
        let body = r#"{"ref": "refs/heads/feature/x", "deleted": false, "repository": {"id": 1, "full_name": "me/t"}, "commits": []}"#;
        check("github", github, body, Ok(Some(("me/t", &["feature/x"]))));
        check("github", ("x-github-event", "ping"), r#"{"zen": "…"}"#, Ok(None));
        check("github", ("x-other", "push"), body, Ok(None));
        check("github", github, &body.replace("heads", "tags"), Ok(None));
        check("github", github, r#"{"ref": "refs/heads/x"}"#, Err("no repository"));
        check("github", github, "payload=%7B%7D", Err("application/json"));
        check("gitea", ("x-gitea-event", "push"), body, Ok(Some(("me/t", &["feature/x"]))));
        check("forgejo", ("x-gitea-event", "push"), body, Ok(Some(("me/t", &["feature/x"]))));
        let body = r#"{"object_kind": "push", "ref": "refs/heads/main", "project": {"path_with_namespace": "group/sub/t"}, "repository": {"name": "t"}}"#;
        check("gitlab", ("x-gitlab-event", "Push Hook"), body, Ok(Some(("group/sub/t", &["main"]))));
        check("gitlab", ("x-gitlab-event", "Tag Push Hook"), body, Ok(None));
        let cloud = ("x-event-key", "repo:push");
        let body = r#"{"repository": {"full_name": "me/t"}, "push": {"changes": [{"new": {"type": "branch", "name": "main"}}, {"new": {"type": "tag", "name": "v1"}}, {"new": null, "old": {"type": "branch", "name": "gone"}}]}}"#;
        check("bitbucket", cloud, body, Ok(Some(("me/t", &["main", "gone"]))));
        let body = r#"{"repository": {"slug": "t", "project": {"key": "ME"}}, "changes": [{"ref": {"id": "refs/heads/main", "displayId": "main", "type": "BRANCH"}}, {"ref": {"id": "refs/tags/v1"}}]}"#;
        check("bitbucket", ("x-event-key", "repo:refs_changed"), body, Ok(Some(("ME/t", &["main"]))));
        let git = ("x-any", "");
        let zero = "0".repeat(40);
        let body = format!("{zero} {zero} refs/heads/main\n{zero} {zero} refs/tags/v1\n{zero} {zero} refs/heads/dev\n");
        check("git", git, &body, Ok(Some(("me/plain", &["main", "dev"]))));
        check("git", git, &format!("{zero} {zero} refs/tags/v1\n"), Ok(None));
        check("git", git, "", Ok(Some(("me/plain", &[]))));
        check("git", git, "hello", Err("post-receive"));
        check("git", git, &format!("{zero} {zero} refs/heads/x\n").repeat(101), Ok(Some(("me/plain", &[]))));
        check("github", github, &"[".repeat(100_000), Err("no push"));
        assert_eq!(Forge::named("svn"), None);
    }
}
